/* Which ops and operands are quantized, and what is known about them. */
#include "quantize.h"

bool qn__is_conv(const qn_module *m, qn_op op) {
  return qn_op_kind_of(m, op) == QN_OP_CONV2D && qn_str_eq(qn_op_get_string(m, op, "layout"), qn_str_of("nhwc"));
}

bool qn__is_quantizable(const qn_module *m, qn_op op) {
  const qn_context *ctx = qn_module_context(m);
  if (qn_op_kind_of(m, op) != QN_OP_MATMUL && !qn__is_conv(m, op)) return false;
  return qn_scalar_is_float(qn_type_as_scalar(ctx, qn_type_elem(ctx, qn_value_type(m, qn_op_result(m, op, 0)))));
}

bool qn__weight_of(qn_module *m, qn_op op, uint32_t i, qn__weight *out) {
  qn_context *ctx = qn_module_context(m);
  qn_value v = qn_op_operand(m, op, i);
  *out = (qn__weight){.column = -1, .k = -1};
  if (!qn_value_constant_tensor(m, v, &out->data) || !qn_scalar_is_float(out->data.elem) || !out->data.rank)
    return false;
  out->expressed = qn_type_elem(ctx, qn_value_type(m, v));
  if (qn_type_kind_of(ctx, out->expressed) == QN_TYPE_CALIBRATED)
    out->expressed = qn_type_get_parts(ctx, out->expressed).expressed;
  if (qn_type_as_scalar(ctx, out->expressed) == QN_SCALAR_NONE) return false;
  int32_t rank = (int32_t)out->data.rank;
  if (qn__is_conv(m, op)) { /* [KH,KW,C,O]; an image has one scale */
    out->column = i == 1 ? 3 : -1;
    out->k = i == 1 ? 2 : 3;
    return true;
  }
  bool swapped = qn_op_get_bool(m, op, i == 0 ? "transpose_a" : "transpose_b");
  bool k_last = (i == 0) != swapped;
  out->k = rank - (k_last ? 1 : 2);
  if (rank == 1) out->k = 0;
  /* A product adds up along k with one scale of its left operand. */
  if (i == 1 && rank > 1) out->column = rank - (k_last ? 2 : 1);
  return true;
}

/* Ops that only move elements. */
static bool moves(qn_op_kind kind) {
  return kind == QN_OP_RESHAPE || kind == QN_OP_TRANSPOSE;
}

bool qn__is_dequantized(const qn_module *m, qn_value v) {
  qn_op op = qn_value_op(m, v);
  while (moves(qn_op_kind_of(m, op)) || qn_op_kind_of(m, op) == QN_OP_CAST)
    op = qn_value_op(m, qn_op_operand(m, op, 0));
  qn_op_kind kind = qn_op_kind_of(m, op);
  return kind == QN_OP_DCAST || kind == QN_OP_DEQUANTIZE;
}

static bool range_here(const qn_module *m, qn_value v, double *min, double *max) {
  const qn_context *ctx = qn_module_context(m);
  if (qn_type_calibrated_range(ctx, qn_type_elem(ctx, qn_value_type(m, v)), min, max)) return true;
  for (qn_use u = qn_value_first_use(m, v); u.id; u = qn_use_next(m, u)) {
    qn_op op = qn_use_op(m, u);
    if (qn_op_kind_of(m, op) != QN_OP_CAST) continue;
    if (qn_type_calibrated_range(ctx, qn_type_elem(ctx, qn_value_type(m, qn_op_result(m, op, 0))), min, max))
      return true;
  }
  return false;
}

bool qn__range_of(const qn_module *m, qn_value v, double *min, double *max) {
  while (v.id && !range_here(m, v, min, max)) {
    qn_op op = qn_value_op(m, v);
    if (!moves(qn_op_kind_of(m, op))) return false;
    v = qn_op_operand(m, op, 0);
  }
  return v.id != 0;
}
