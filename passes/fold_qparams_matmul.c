/* fold-qparams: products of dequantized operands become products of codes. */
#include "fold_qparams.h"

/* The codes that an operand was dequantized from; null when it was not, or codes do not add up. */
static qn_value codes_of(const qn_module *m, qn_op op, uint32_t i) {
  qn_op dcast = qn_value_op(m, qn_op_operand(m, op, i));
  if (qn_op_kind_of(m, dcast) != QN_OP_DCAST) return (qn_value){0};
  qn_value codes = qn_op_operand(m, dcast, 0);
  return qn__has_codes(qn_module_context(m), qn__quant_of(m, codes)) ? codes : (qn_value){0};
}

static uint32_t rank_of(const qn_module *m, qn_value v) {
  return qn_type_rank(qn_module_context(m), qn_value_type(m, v));
}

/* Sums run over k with one scale of a, and one per column of b. */
static bool describe(const qn_module *m, qn_op op, qn_value a, qn_value b, product *p) {
  const qn_context *ctx = qn_module_context(m);
  uint32_t rank = rank_of(m, b);
  bool conv = qn_op_kind_of(m, op) == QN_OP_CONV2D;
  if (conv && !qn_str_eq(qn_op_get_string(m, op, "layout"), qn_str_of("nhwc"))) return false;
  int64_t column = (int64_t)rank - (!conv && qn_op_get_bool(m, op, "transpose_b") ? 2 : 1);
  *p = (product){.a = qn__quant_of(m, a), .b = qn__quant_of(m, b), .columns = -1};
  p->per_column = rank > 1 && qn__is_along(p->b, column);
  if (rank > 1) p->columns = qn_type_shape(ctx, qn_value_type(m, b))[column];
  bool wide = qn_scalar_get(qn_type_as_scalar(ctx, p->a->storage))->bits > 8 &&
              qn_scalar_get(qn_type_as_scalar(ctx, p->b->storage))->bits > 8;
  p->acc_elem = wide ? QN_I64 : QN_I32;
  return qn__is_whole(p->a) && (qn__is_whole(p->b) || p->per_column);
}

/* f32(acc) * (sa*sb[j]), in the type of the float product. */
static qn_value as_floats(qn_rewriter *r, qn_builder *b, const product *p, qn_type y) {
  qn_module *m = qn_rewriter_module(r);
  uint32_t n = qn__product_scales(p);
  int64_t shape = n;
  float *scales = qn_run_alloc(qn_rewriter_run(r), n * sizeof *scales);
  if (!scales) return (qn_value){0};
  for (uint32_t j = 0; j < n; j++) scales[j] = qn__scale(p->a, 0) * qn__scale(p->b, j);
  qn_type f32 = qn__as_scalars(m, y, QN_F32);
  qn_value v = qn__fold_op1(b, QN_OP_CAST, p->acc, f32);
  v = qn__fold_op2(b, QN_OP_MUL, v, qn__fold_f32(b, p->per_column ? 1 : 0, &shape, scales), f32);
  return qn_type_eq(f32, y) ? v : qn__fold_op1(b, QN_OP_CAST, v, y);
}

qn_status qn__fold_matmul(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value a = codes_of(m, op, 0), c = codes_of(m, op, 1), y = qn_op_result(m, op, 0);
  product p;
  if (!a.id || !c.id || !describe(m, op, a, c, &p)) return QN_OK;
  qn_builder b = qn_builder_before(m, op);
  qn_type type = qn_value_type(m, y);
  p.acc = qn__fold_op2(&b, qn_op_kind_of(m, op), a, c, qn__as_scalars(m, type, p.acc_elem));
  if (!p.acc.id) return qn_error_no_memory(qn_module_context(m));
  qn_op made = qn_value_op(m, p.acc);
  static const char *const flags[] = {"transpose_a", "transpose_b", "strides", "pads", "dilations", "groups"};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
    if (qn_op_attr(m, op, flags[i]).id) qn_op_set_attr(m, made, flags[i], qn_op_attr(m, op, flags[i]));
  qn_status status = qn__fold_tails(r, &p, y);
  if (status) return status;
  /* Erased by the rewriter when all users took the sums. */
  if (!qn_value_is_used(m, y)) {
    qn_rewriter_changed(r, op);
    return QN_OK;
  }
  return qn__fold_replace(r, op, as_floats(r, &b, &p, type));
}
