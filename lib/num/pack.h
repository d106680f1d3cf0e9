/* Sub-byte elements in memory: element i of width 2 or 4 (1 and 8 work too) sits low bits first, byte by byte, no row
 * padding. Unused bits of a last byte are 0 when whole arrays are packed. */
#ifndef QN_PACK_H
#define QN_PACK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ceil(n * bits / 8) */
static inline size_t qn__pack_bytes(size_t n, unsigned bits) {
  size_t per_byte = 8 / bits;
  return n / per_byte + (n % per_byte != 0);
}

static inline uint8_t qn__pack_get(const void *data, size_t i, unsigned bits) {
  size_t per_byte = 8 / bits;
  unsigned shift = (unsigned)(i % per_byte) * bits;
  return (uint8_t)((unsigned)((const uint8_t *)data)[i / per_byte] >> shift & ((1u << bits) - 1));
}

/* Two's complement. */
static inline int8_t qn__pack_get_signed(const void *data, size_t i, unsigned bits) {
  int v = qn__pack_get(data, i, bits), sign = 1 << (bits - 1);
  return (int8_t)((v ^ sign) - sign);
}

/* The low bits of `value`; its neighbours in the byte stay. */
static inline void qn__pack_set(void *data, size_t i, unsigned bits, unsigned value) {
  size_t per_byte = 8 / bits;
  unsigned shift = (unsigned)(i % per_byte) * bits, mask = ((1u << bits) - 1) << shift;
  uint8_t *byte = (uint8_t *)data + i / per_byte;
  *byte = (uint8_t)((*byte & ~mask) | (value << shift & mask));
}

/* Between packed elements and one byte per element (sign-extended if `is_signed`). Input and output must not overlap.
 */
void qn__pack_array(void *packed, const uint8_t *bytes, size_t n, unsigned bits);
void qn__unpack_array(uint8_t *bytes, const void *packed, size_t n, unsigned bits, bool is_signed);
#endif
