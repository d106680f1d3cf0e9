/* prove-accumulators: sums that may leave i32, in i64 as far as ops take it. */
#include "prove_accumulators.h"

static qn_type wide_type(const qn_module *m, qn_value v) {
  qn_context *ctx = qn_module_context(m);
  return qn_type_with_elem(ctx, qn_value_type(m, v), qn_type_scalar(ctx, QN_I64));
}

static qn_type narrow_type(const qn_module *m, qn_value v) {
  qn_context *ctx = qn_module_context(m);
  return qn_type_with_elem(ctx, qn_value_type(m, v), qn_type_scalar(ctx, QN_I32));
}

/* The other operand of an add, widened: a constant stays one. */
static qn_value widened(qn_module *m, qn_builder *b, qn_value v) {
  qn_tensor from;
  if (!qn_value_constant_tensor(m, v, &from)) return qn_build_cast(b, QN_OP_CAST, v, wide_type(m, v));
  void *room;
  qn_attr a = qn_attr_dense_new(m, wide_type(m, v), &room);
  qn_tensor to = from;
  to.elem = QN_I64, to.data = room;
  if (!room) return (qn_value){0};
  for (int64_t i = 0, n = qn_tensor_count(&from); i < n; i++) qn_tensor_set_i64(&to, i, qn_tensor_get_i64(&from, i));
  qn_value c = qn_build_constant(b, qn_attr_dense(m, qn_attr_type_of(m, a), room));
  qn_value_set_name(m, c, qn_value_name(m, v));
  return c;
}

static qn_value limit(qn_builder *b, qn_op_kind kind, qn_value x, int64_t at) {
  qn_context *ctx = qn_module_context(b->module);
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_I64), 0, NULL);
  qn_value c = qn_build_constant(b, qn_attr_dense(b->module, t, &at));
  return x.id && c.id ? qn_build2(b, kind, x, c) : (qn_value){0};
}

/* The user's operand as i32 again: wrapping, or for fixed-point requantization saturated. */
static qn_value narrowed(qn_builder *b, qn_value v, bool saturate) {
  if (saturate) v = limit(b, QN_OP_MINIMUM, limit(b, QN_OP_MAXIMUM, v, INT32_MIN), INT32_MAX);
  return v.id ? qn_build_cast(b, QN_OP_CAST, v, narrow_type(b->module, v)) : v;
}

/* A null value is exhausted memory. */
static qn_status feed(qn_pass_run *run, qn_op op, uint32_t operand, qn_value v) {
  if (!v.id) return qn_error_no_memory(qn_run_context(run));
  qn_op_set_operand(qn_run_module(run), op, operand, v);
  return QN_OK;
}

static qn_status widen_from(qn_pass_run *run, qn_value v);

static qn_status widen_user(qn_pass_run *run, qn_op op, uint32_t operand, qn_value v) {
  qn_module *m = qn_run_module(run);
  qn_builder b = qn_builder_before(m, op);
  switch (qn_op_kind_of(m, op)) {
  case QN_OP_ADD: {
    qn_value other = qn_op_operand(m, op, 1 - operand);
    qn_status status = QN_OK;
    if (!qn_type_eq(qn_value_type(m, other), wide_type(m, other)))
      status = feed(run, op, 1 - operand, widened(m, &b, other));
    return status ? status : widen_from(run, qn_op_result(m, op, 0));
  }
  case QN_OP_RELU: return widen_from(run, qn_op_result(m, op, 0));
  case QN_OP_CAST: return QN_OK;
  case QN_OP_REQUANTIZE:
    if (qn_str_eq(qn_op_get_string(m, op, "mode"), qn_str_of("f32"))) return QN_OK;
    return feed(run, op, operand, narrowed(&b, v, true));
  default: return feed(run, op, operand, narrowed(&b, v, false));
  }
}

static qn_status widen_from(qn_pass_run *run, qn_value v) {
  qn_module *m = qn_run_module(run);
  qn_type wide = wide_type(m, v);
  if (qn_type_is_null(wide)) return qn_error_no_memory(qn_run_context(run));
  if (qn_type_eq(qn_value_type(m, v), wide)) return QN_OK;
  uint32_t n = 0, at = 0;
  for (qn_use u = qn_value_first_use(m, v); u.id; u = qn_use_next(m, u)) n++;
  qn_op *users = qn_run_alloc(run, (n + 1) * sizeof *users);
  uint32_t *operands = qn_run_alloc(run, (n + 1) * sizeof *operands);
  if (!users || !operands) return QN_ERR_NO_MEMORY;
  for (qn_use u = qn_value_first_use(m, v); u.id; u = qn_use_next(m, u), at++)
    users[at] = qn_use_op(m, u), operands[at] = qn_use_index(m, u);
  qn_value_set_type(m, v, wide);
  for (at = 0; at < n; at++) {
    /* x + x comes twice; the second time it is wide already. */
    if (qn_op_operand(m, users[at], operands[at]).id != v.id) continue;
    qn_status status = widen_user(run, users[at], operands[at], v);
    if (status) return status;
  }
  return qn_module_failed(m) ? qn_error_no_memory(qn_run_context(run)) : QN_OK;
}

qn_status qn__widen_sums(proof *p) {
  return widen_from(p->run, qn_op_result(p->m, p->op, 0));
}
