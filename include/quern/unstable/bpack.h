/* Weights with a scale per block of k, packed for kern.block_gemm, and the rows of activations that it multiplies them
 * with. No ABI promise.
 *
 * A layout's name is b<B>p32<codes><scales>: "b32p32i4f16". Columns are cut into panels of 32, k into blocks of B. A
 * packed matrix is, for the table forms, 64 bytes of table; then panel after panel, and in a panel group after group of
 * blocks: each on its own where its bytes fill lines of 64, else four, and at last those that are left. A group is,
 * block after block,
 *
 *   codes    4 bits: B/4 rows of 16 pairs of columns of 4 bytes; byte i of pair c in row j holds k = 4j + i of column c
 *            in its low half and of column 16 + c in its high half. 8 bits: B/4 rows of 32 columns of 4 bytes; byte i
 *            of row j is k = 4j + i
 *   scales   one per column: f32, f16, bf16, or e8, the exponent byte of an f32 that is a power of two
 *   zeros    form u8: a byte per column; u4: a byte per pair of columns, halves as above
 *
 * so that one matrix is read front to back as one stream, and codes start where lines do. Codes u stand for
 *   i4  u - 8          u4  u - zero          t4  table[u] - 128, table of 16 bytes four times over
 *   i8  u - 128        u8  u - zero          v4  table[u], table of 16 f32
 * v4 is for products of floats only. Past K and N codes, scales and zeros are 0.
 *
 * Rows of activations: for every block of k, B codes in i8 (0 past K), the f32 scale, and an i32: the sum of the codes
 * times minus what the form of weights adds to every code: 8, 128 (i8, t4), or 1 for forms with zeros. */
#ifndef QUERN_UNSTABLE_BPACK_H
#define QUERN_UNSTABLE_BPACK_H

#include <quern/type.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_bpack_codes {
  QN_BPACK_I4,
  QN_BPACK_U4,
  QN_BPACK_I8,
  QN_BPACK_U8,
  QN_BPACK_T4,
  QN_BPACK_V4,
  QN_BPACK_CODES_COUNT
} qn_bpack_codes;

typedef struct qn_bpack_layout {
  uint32_t block; /* elements of k per scale, a multiple of 8 */
  qn_bpack_codes codes;
  qn_scalar scales; /* QN_F32, QN_F16, QN_BF16, or QN_F8E8M0FNU for e8 */
} qn_bpack_layout;

enum {
  QN_BPACK_PANEL = 32,    /* columns */
  QN_BPACK_PAIRS = 16,    /* of columns whose 4-bit codes share a byte */
  QN_BPACK_LINE = 64,     /* bytes */
  QN_BPACK_TABLE = 64,    /* bytes in front of a matrix whose form has a table */
  QN_BPACK_MOST_INT = 256 /* largest block that products of integers take: sums are exact in f32 */
};

QN_API bool qn_bpack_layout_parse(qn_str name, qn_bpack_layout *out);
QN_API const char *qn_bpack_layout_name(const qn_bpack_layout *l, char text[32]); /* text */
static inline uint32_t qn_bpack_bits(const qn_bpack_layout *l) {
  return l->codes == QN_BPACK_I8 || l->codes == QN_BPACK_U8 ? 8 : 4;
}
static inline bool qn_bpack_has_zeros(const qn_bpack_layout *l) {
  return l->codes == QN_BPACK_U4 || l->codes == QN_BPACK_U8;
}
static inline bool qn_bpack_has_table(const qn_bpack_layout *l) {
  return l->codes == QN_BPACK_T4 || l->codes == QN_BPACK_V4;
}
/* What codes stand for is less than they are by this; 0 where it differs or there is a table of floats. */
static inline int32_t qn_bpack_bias(const qn_bpack_layout *l) {
  return l->codes == QN_BPACK_I4 ? 8 : l->codes == QN_BPACK_I8 || l->codes == QN_BPACK_T4 ? 128 : 0;
}
/* What sums of activation codes are multiplied with in rows for this form. */
static inline int32_t qn_bpack_offset(const qn_bpack_layout *l) {
  return qn_bpack_has_zeros(l) ? 1 : qn_bpack_bias(l);
}
static inline uint32_t qn_bpack_scale_bytes(const qn_bpack_layout *l) {
  return l->scales == QN_F32 ? 4 : l->scales == QN_F8E8M0FNU ? 1 : 2;
}
/* Bytes of four k of a panel's columns. */
static inline uint32_t qn_bpack_code_row(const qn_bpack_layout *l) {
  return QN_BPACK_PANEL * qn_bpack_bits(l) / 2;
}
/* Bytes of a block of a panel: its codes, scales, zeros, and all of them. */
static inline size_t qn_bpack_codes_bytes(const qn_bpack_layout *l) {
  return (size_t)(l->block / 4) * qn_bpack_code_row(l);
}
static inline size_t qn_bpack_scales_bytes(const qn_bpack_layout *l) {
  return (size_t)QN_BPACK_PANEL * qn_bpack_scale_bytes(l);
}
static inline size_t qn_bpack_zeros_bytes(const qn_bpack_layout *l) {
  return qn_bpack_has_zeros(l) ? QN_BPACK_PANEL * qn_bpack_bits(l) / 8 : 0;
}
static inline size_t qn_bpack_bytes(const qn_bpack_layout *l) {
  return qn_bpack_codes_bytes(l) + qn_bpack_scales_bytes(l) + qn_bpack_zeros_bytes(l);
}
/* Blocks whose codes stand together, so that those of the usual blocks start where lines do. */
static inline uint32_t qn_bpack_group(const qn_bpack_layout *l) {
  return qn_bpack_bytes(l) % QN_BPACK_LINE ? 4 : 1;
}
/* Where a block of a panel of `blocks` is in the panel. */
typedef struct qn_bpack_place {
  size_t codes, scales, zeros;
} qn_bpack_place;
static inline qn_bpack_place qn_bpack_place_of(const qn_bpack_layout *l, int64_t blocks, int64_t block) {
  int64_t group = qn_bpack_group(l), first = block / group * group, left = blocks - first;
  size_t at = (size_t)(block - first), count = (size_t)(left < group ? left : group);
  size_t start = (size_t)first * qn_bpack_bytes(l), scales = start + count * qn_bpack_codes_bytes(l);
  qn_bpack_place p;
  p.codes = start + at * qn_bpack_codes_bytes(l);
  p.scales = scales + at * qn_bpack_scales_bytes(l);
  p.zeros = scales + count * qn_bpack_scales_bytes(l) + at * qn_bpack_zeros_bytes(l);
  return p;
}
static inline size_t qn_bpack_header(const qn_bpack_layout *l) {
  return qn_bpack_has_table(l) ? QN_BPACK_TABLE : 0;
}
static inline int64_t qn_bpack_count(uint32_t block, int64_t k) {
  return k / block + (k % block != 0);
}
/* Bytes of a packed K x N matrix; SIZE_MAX when that does not fit. */
QN_API size_t qn_bpack_matrix_bytes(const qn_bpack_layout *l, int64_t k, int64_t n);
/* Bytes of one row of activations; -1 when that does not fit. */
QN_API int64_t qn_bpack_row_bytes(uint32_t block, int64_t k);

/* The layout that holds a K x N matrix of this quantized type (k along axis 0, or 1 when `transposed`) for products of
 * integers, or, with `floats`, of f32. False, with a reason that completes "the weights cannot be packed: ", when there
 * is none. Types with one scale per column or for all get a block as long as K, floats only. */
QN_API bool qn_bpack_layout_for(const qn_context *ctx, qn_type elem, bool transposed, int64_t k, bool floats,
                                qn_bpack_layout *out, const char **reason);
/* Packs one matrix of codes of that type, in the type's memory form. dst has qn_bpack_matrix_bytes room. */
QN_API void qn_bpack_pack(const qn_context *ctx, qn_type elem, const qn_bpack_layout *l, bool transposed,
                          const qn_tensor *codes, void *dst);

/* ---- reading packed weights element by element ---- */
/* The integer that code (k, n) stands for (not v4), the float of v4, and the scale of block k / B. */
QN_API int32_t qn_bpack_int(const qn_bpack_layout *l, const void *packed, int64_t k_size, int64_t k, int64_t n);
QN_API float qn_bpack_float(const qn_bpack_layout *l, const void *packed, int64_t k_size, int64_t k, int64_t n);
QN_API float qn_bpack_scale(const qn_bpack_layout *l, const void *packed, int64_t k_size, int64_t block, int64_t n);

/* ---- reading weights of a type element by element ---- */
/* How the elements of a 2-d tensor of quantized type are read for block products: the integer w that stands for an
 * element and the scale that it is multiplied with. Integer storage: code less zero point. Codebooks of integers: the
 * entry. f4E2M1FN: twice the value, with half the scale. */
typedef struct qn_bpack_reader {
  const qn_quant *q;
  qn_scalar memory;
  uint32_t k_axis;
  bool floats;           /* the scale goes with the element's own value */
  const double *entries; /* codebook, else null */
  uint32_t num_entries;
  int64_t first_code;
  uint32_t step[2]; /* parameters from block to block along each axis */
  int64_t size[2];  /* elements per block along each axis; 0: not cut */
} qn_bpack_reader;
/* False, with a reason as above, when elements are no such integers. `floats`: any elements of at most 8 bits. */
QN_API bool qn_bpack_reader_init(const qn_context *ctx, qn_type elem, bool transposed, const int64_t shape[2],
                                 bool floats, qn_bpack_reader *out, const char **reason);
QN_API uint32_t qn_bpack_param(const qn_bpack_reader *r, int64_t k, int64_t n);
QN_API int32_t qn_bpack_weight(const qn_bpack_reader *r, const qn_tensor *codes, int64_t k, int64_t n);
/* The scale of parameter i, as integers take it. */
QN_API float qn_bpack_weight_scale(const qn_bpack_reader *r, uint32_t i);

#ifdef __cplusplus
}
#endif
#endif
