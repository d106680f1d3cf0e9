#include "pack.h"

void qn__pack_array(void *packed, const uint8_t *bytes, size_t n, unsigned bits) {
  size_t per_byte = 8 / bits;
  unsigned mask = (1u << bits) - 1;
  uint8_t *out = packed;
  for (size_t i = 0; i < n; i += per_byte) {
    unsigned byte = 0;
    for (size_t j = 0; j < per_byte && i + j < n; j++) byte |= (bytes[i + j] & mask) << (j * bits);
    *out++ = (uint8_t)byte;
  }
}

void qn__unpack_array(uint8_t *bytes, const void *packed, size_t n, unsigned bits, bool is_signed) {
  unsigned sign = is_signed ? 1u << (bits - 1) : 0;
  for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)((qn__pack_get(packed, i, bits) ^ sign) - sign);
}
