/* Rule of layer normalization. */
#include "rule_util.h"

static qn_status check_vector(qn_module *m, qn_op op, uint32_t i, const qn_dims *x, uint32_t axis, qn_scalar elem) {
  if (qn_op_num_operands(m, op) <= i) return QN_OK;
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, i);
  if (status != QN_OK) return status;
  qn_type t = qn__operand_type(m, op, i);
  qn_scalar have = qn__plain_scalar(ctx, t);
  if (have != elem && have != QN_F32)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand '%s' is %s, expected elements of %s or f32",
                       qn__operand_c(m, op, i), qn__type_c(m, t), qn_scalar_get(elem)->text);
  const qn_dims v = qn__dims_of(ctx, t);
  bool same = v.rank == x->rank - axis;
  for (uint32_t d = 0; same && d < v.rank; d++) same = qn__size_fits(v.size[d], x->size[axis + d]);
  if (same) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "operand '%s' is %s, expected the sizes of %s from axis %u on",
                     qn__operand_c(m, op, i), qn__type_c(m, t), qn__type_c(m, qn__operand_type(m, op, 0)), axis);
}

qn_status qn__rule_layer_norm(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type x = qn__plain_type(ctx, qn__operand_type(m, op, 0));
  qn_scalar elem = qn__plain_scalar(ctx, x);
  qn_dims dims = qn__dims_of(ctx, x);
  uint32_t axis;
  if (elem != QN_F32 && elem != QN_F16 && elem != QN_BF16)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand 'x' is %s, expected elements of f32, f16 or bf16",
                       qn__type_c(m, x));
  status = qn__need_axis(m, op, qn_op_get_int(m, op, "axis"), dims.rank, &axis);
  if (status == QN_OK) status = check_vector(m, op, 1, &dims, axis, elem);
  if (status == QN_OK) status = check_vector(m, op, 2, &dims, axis, elem);
  if (status != QN_OK) return status;
  double epsilon = qn_op_get_float(m, op, "epsilon");
  if (!(epsilon >= 0) || (float)epsilon - (float)epsilon != 0)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "epsilon is %g, expected a finite number that is not negative",
                       epsilon);
  results[0] = x;
  for (uint32_t d = axis; d < dims.rank; d++) dims.size[d] = 1, dims.symbol[d].id = 0;
  for (uint32_t i = 1; i < qn_op_num_results(m, op); i++)
    results[i] = qn__dims_tensor(ctx, qn__scalar_type(m, QN_F32), &dims);
  return QN_OK;
}
