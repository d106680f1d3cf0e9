/* Codes of one quantized type: which scale and zero point an element has, and both directions of the conversion. */
#ifndef QN_CODEC_H
#define QN_CODEC_H
#include "interp.h"

typedef struct qn__codec {
  const qn_quant *quant;
  qn_scalar memory;
  bool is_float;        /* small-float storage */
  uint32_t num_entries; /* codebook; 0 for none */
  float *entries;
  int64_t first_code; /* the code of entry 0 */
  qn_rounding rounding;
  /* Parameter index of an element: sum over blocks of index[axis] / size * step. */
  int64_t step[QN_MAX_RANK];
} qn__codec;

/* elem is a quantized type with parameters that fit a tensor of this shape, else a diagnostic. */
qn_status qn__codec_init(qn__frame *f, qn_type elem, const qn__shape *shape, qn__codec *out);
uint32_t qn__codec_index(const qn__codec *c, const int64_t *index);
/* A code's bits out of a value and back, with parameter number i. */
uint64_t qn__codec_encode(const qn__codec *c, uint32_t i, float x);
float qn__codec_decode(const qn__codec *c, uint32_t i, uint64_t bits);
/* Range and zero point of parameter number i, with scale 1. */
qn_qparams qn__codec_codes(const qn__codec *c, uint32_t i);
/* An error unless codes of this type can be made: storage of at most 16 bits. */
qn_status qn__codec_need_encode(qn__frame *f, const qn__codec *c);
#endif
