/* Rules of elementwise tensor arithmetic. */
#include "context_impl.h"
#include "rule_util.h"
#include <math.h>

/* Operands whose elements are plain scalars; calibrated ones count as their expressed type. */
static qn_status need_scalar_elem(qn_module *m, qn_op op, uint32_t i) {
  qn_status status = qn__need_tensor(m, op, i);
  if (status != QN_OK) return status;
  qn_type t = qn__operand_type(m, op, i);
  if (qn__plain_scalar(qn_module_context(m), t) != QN_SCALAR_NONE) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "operand '%s' is %s, expected elements of a float or integer type; dequantize it first with "
                     "quant.dcast",
                     qn__operand_c(m, op, i), qn__type_c(m, t));
}

qn_status qn__rule_binary(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = need_scalar_elem(m, op, 0);
  qn_type a = qn__operand_type(m, op, 0), b = qn__operand_type(m, op, 1);
  if (status == QN_OK && !qn_type_eq(a, b)) status = need_scalar_elem(m, op, 1);
  if (status != QN_OK) return status;
  qn_type elem = qn__plain_elem(ctx, a);
  if (qn_type_eq(a, b)) {
    results[0] = qn__plain_type(ctx, a);
    return QN_OK;
  }
  if (!qn_type_eq(elem, qn__plain_elem(ctx, b)))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operands have elements of %s and %s, expected one type: convert one with quern.cast",
                       qn__type_c(m, elem), qn__type_c(m, qn__plain_elem(ctx, b)));
  qn_dims dims = qn__dims_of(ctx, a);
  const qn_dims other = qn__dims_of(ctx, b);
  if (!qn__dims_broadcast(&dims, &other))
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "operands %s and %s do not broadcast: counted from the last axis, sizes must be equal or 1",
                       qn__type_c(m, a), qn__type_c(m, b));
  results[0] = qn__dims_tensor(ctx, elem, &dims);
  return QN_OK;
}

static qn_status check_observe(qn_module *m, qn_op op) {
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status != QN_OK) return status;
  if (!qn_attr_as_string(m, qn_op_attr(m, op, "key")).size)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "key is empty, expected the name of an observer state");
  if (!qn_op_get_bool(m, op, "per_axis")) return QN_OK;
  uint32_t axis, rank = qn_type_rank(qn_module_context(m), qn__operand_type(m, op, 0));
  return qn__need_axis(m, op, qn_op_get_int(m, op, "axis"), rank, &axis);
}

qn_status qn__rule_same(qn_module *m, qn_op op, qn_type *results) {
  qn_status status = qn_op_kind_of(m, op) == QN_OP_OBSERVE ? check_observe(m, op) : need_scalar_elem(m, op, 0);
  if (status == QN_OK) results[0] = qn__plain_type(qn_module_context(m), qn__operand_type(m, op, 0));
  return status;
}

qn_status qn__rule_clip(qn_module *m, qn_op op, qn_type *results) {
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status != QN_OK) return status;
  double min = qn_op_get_float(m, op, "min"), max = qn_op_get_float(m, op, "max");
  if (!(min <= max))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "min is %g and max is %g, expected min <= max and no NaN", min, max);
  results[0] = qn__plain_type(qn_module_context(m), qn__operand_type(m, op, 0));
  return QN_OK;
}

qn_status qn__rule_float_unary(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type x = qn__operand_type(m, op, 0);
  if (qn_op_kind_of(m, op) == QN_OP_SOFTMAX) {
    uint32_t axis;
    status = qn__need_axis(m, op, qn_op_get_int(m, op, "axis"), qn_type_rank(ctx, x), &axis);
  }
  results[0] = qn__plain_type(ctx, x);
  return status;
}

qn_status qn__rule_cast(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = need_scalar_elem(m, op, 0);
  if (status != QN_OK) return status;
  qn_type declared = qn__declared(m, op, 0);
  qn_type elem = qn__plain_elem(ctx, declared);
  if (qn_type_kind_of(ctx, declared) != QN_TYPE_TENSOR || qn_type_as_scalar(ctx, elem) == QN_SCALAR_NONE)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "the result is %s, expected a tensor of floats or integers: a cast says what it casts to",
                       qn__type_c(m, declared));
  results[0] = qn_type_with_elem(ctx, qn__operand_type(m, op, 0), elem);
  return QN_OK;
}
