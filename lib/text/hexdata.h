/* Elements as hexadecimal text, in the layout that MLIR keeps dense data in: little-endian, one byte for each element
 * below 8 bits but i1, which is packed eight to a byte, low bits first. */
#ifndef QN_HEXDATA_H
#define QN_HEXDATA_H
#include "buf.h"
#include <quern/scalar.h>

/* Bytes that `count` elements take in that layout. */
uint64_t qn__hex_bytes(qn_scalar s, uint64_t count);
/* "0x" and an even number of hexadecimal digits. */
bool qn__hex_valid(qn_str hex);
/* One byte of i1 data that stands for all elements: 00 or FF. */
bool qn__hex_is_bool_splat(qn_str hex);
/* Packed elements from a valid text of the right size. */
void qn__hex_decode(qn_scalar s, uint64_t count, qn_str hex, void *data);
/* The bytes of a valid text as they are. */
void qn__hex_bytes_of(qn_str hex, uint8_t *out);
void qn__hex_print(qn_buf *out, qn_scalar s, uint64_t count, const void *data);
#endif
