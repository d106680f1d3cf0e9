/* Shared by the files of fold-qparams. */
#ifndef QN_FOLD_QPARAMS_H
#define QN_FOLD_QPARAMS_H
#include <quern/num.h>
#include <quern/unstable/rewriter.h>

/* ---- what the patterns share ---- */

/* The quantized type of a value's elements; null when it has none. */
const qn_quant *qn__quant_of(const qn_module *m, qn_value v);
/* Integer codes of at most 16 bits. */
bool qn__has_codes(const qn_context *ctx, const qn_quant *q);
/* One scale for all. */
static inline bool qn__is_whole(const qn_quant *q) {
  return q->num_blocks == 0;
}
/* One scale for each index of `axis`. */
static inline bool qn__is_along(const qn_quant *q, int64_t axis) {
  return q->num_blocks == 1 && q->per_axis && q->blocks[0].axis == axis;
}
static inline float qn__scale(const qn_quant *q, uint32_t i) {
  return q->scales[q->num_scales == 1 ? 0 : i] * q->tensor_scale;
}
static inline int32_t qn__zero(const qn_quant *q, uint32_t i) {
  return q->zero_points ? q->zero_points[q->num_scales == 1 ? 0 : i] : 0;
}
/* Every code of the value is one that its type has in use: the type has all, or an op that quantizes made it. */
bool qn__codes_in_use(const qn_module *m, qn_value codes);
/* An op with one result of a type that the caller knows. Null when an operand or the type is, which is how exhausted
 * memory shows. */
qn_value qn__fold_op(qn_builder *b, qn_op_kind kind, uint32_t n, const qn_value *operands, qn_type result);
static inline qn_value qn__fold_op1(qn_builder *b, qn_op_kind kind, qn_value x, qn_type result) {
  return qn__fold_op(b, kind, 1, &x, result);
}
static inline qn_value qn__fold_op2(qn_builder *b, qn_op_kind kind, qn_value x, qn_value y, qn_type result) {
  const qn_value both[2] = {x, y};
  return qn__fold_op(b, kind, 2, both, result);
}
/* The same sizes with elements of a scalar type. */
qn_type qn__as_scalars(const qn_module *m, qn_type tensor, qn_scalar s);
/* Constants: `rank` 0 or more, row-major data. */
qn_value qn__fold_f32(qn_builder *b, uint32_t rank, const int64_t *shape, const float *data);
qn_value qn__fold_ints(qn_builder *b, qn_scalar elem, uint32_t rank, const int64_t *shape, const int32_t *data);
/* quern.requantize to the type of codes `y`, in the pass's mode. */
qn_value qn__fold_requantize(qn_rewriter *r, qn_builder *b, qn_value acc, qn_value multiplier, qn_type y);
qn_status qn__fold_replace(qn_rewriter *r, qn_op op, qn_value v);

/* ---- fold_qparams_casts.c: casts into one form, and next to each other ---- */
qn_status qn__fold_quantize(qn_rewriter *r, qn_op op);    /* constant parameters into the type */
qn_status qn__fold_dequantize(qn_rewriter *r, qn_op op);  /* likewise */
qn_status qn__fold_scast(qn_rewriter *r, qn_op op);       /* there and back */
qn_status qn__fold_sink(qn_rewriter *r, qn_op op);        /* dequantized values moved: move codes */
qn_status qn__fold_sink_limits(qn_rewriter *r, qn_op op); /* dequantized values clamped: clamp codes */
qn_status qn__fold_rise(qn_rewriter *r, qn_op op);        /* moved, then quantized: quantize first */
qn_status qn__fold_limits(qn_rewriter *r, qn_op op);      /* relu or clip that quantizing does anyway */
qn_status qn__fold_pair(qn_rewriter *r, qn_op op);        /* dequantized, then quantized again */

/* ---- fold_qparams_matmul.c, fold_qparams_tail.c ---- */

/* A product of codes: sums scale with sa * sb[j]. */
typedef struct product {
  const qn_quant *a, *b;
  int64_t columns; /* of the result; -1 when b is a vector */
  bool per_column; /* b has a scale per column */
  qn_value acc;
  qn_scalar acc_elem;
} product;
static inline uint32_t qn__product_scales(const product *p) {
  return p->per_column ? p->b->num_scales : 1;
}

qn_status qn__fold_matmul(qn_rewriter *r, qn_op op);
/* Replaces what follows the float result y by integer ops, as far as a quantizing cast is at the end. */
qn_status qn__fold_tails(qn_rewriter *r, const product *p, qn_value y);
/* fold_qparams_dynamic.c: an operand has its parameters as values */
qn_status qn__fold_dynamic_matmul(qn_rewriter *r, qn_op op);
/* fold_qparams_attention.c */
qn_status qn__fold_attention(qn_rewriter *r, qn_op op);

/* A branch that takes itself out of the program when its uses are gone. */
bool qn__fold_erase_dead(qn_module *m, qn_op op);
#endif
