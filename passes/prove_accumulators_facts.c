/* prove-accumulators: what is known about codes, sizes and biases. */
#include "prove_accumulators.h"

static const qn_quant *quant_of(const qn_module *m, qn_value v) {
  const qn_context *ctx = qn_module_context(m);
  return qn_type_as_quant(ctx, qn_type_elem(ctx, qn_value_type(m, v)));
}

/* The op that made the codes: through ops that only move them, and storage casts there and back. */
static qn_value origin(const qn_module *m, qn_value v) {
  for (;;) {
    qn_op op = qn_value_op(m, v);
    qn_op_kind kind = qn_op_kind_of(m, op);
    if (kind == QN_OP_SCAST) {
      qn_op inner = qn_value_op(m, qn_op_operand(m, op, 0));
      if (qn_op_kind_of(m, inner) != QN_OP_SCAST || !quant_of(m, qn_op_operand(m, inner, 0))) return v;
      v = qn_op_operand(m, inner, 0);
    } else if (kind == QN_OP_RESHAPE || kind == QN_OP_TRANSPOSE) {
      v = qn_op_operand(m, op, 0);
    } else {
      return v;
    }
  }
}

/* Codes from outside may be any that the storage holds; those of quantizing ops keep to their type's range. */
static qn__code_range codes(qn_module *m, qn_value v) {
  const qn_context *ctx = qn_module_context(m);
  qn_value from = origin(m, v);
  qn_op_kind kind = qn_op_kind_of(m, qn_value_op(m, from));
  const qn_quant *q = quant_of(m, from);
  qn_scalar s = qn_type_memory(ctx, qn_type_elem(ctx, qn_value_type(m, v)));
  qn__code_range r = {(int32_t)qn_scalar_min(s), (int32_t)qn_scalar_max(s)};
  qn_tensor t;
  bool quantizes = kind == QN_OP_QCAST || kind == QN_OP_REQUANTIZE;
  if (q && quantizes && q->is_signed == quant_of(m, v)->is_signed)
    return (qn__code_range){(int32_t)q->qmin, (int32_t)q->qmax};
  if (!qn_value_constant_tensor(m, v, &t) || qn_tensor_count(&t) == 0) return r;
  r = (qn__code_range){INT32_MAX, INT32_MIN};
  for (int64_t i = 0, n = qn_tensor_count(&t); i < n; i++) {
    int32_t code = (int32_t)qn_tensor_get_i64(&t, i);
    if (code < r.low) r.low = code;
    if (code > r.high) r.high = code;
  }
  qn_module_passed(m, t.data, qn_tensor_bytes(&t));
  return r;
}

qn__code_range qn__codes_less_zero(qn_module *m, qn_value v) {
  qn__code_range r = codes(m, v);
  const qn_quant *q = quant_of(m, v);
  int32_t least = 0, most = 0;
  for (uint32_t i = 0; q->zero_points && i < q->num_scales; i++) {
    if (!i || q->zero_points[i] < least) least = q->zero_points[i];
    if (!i || q->zero_points[i] > most) most = q->zero_points[i];
  }
  return (qn__code_range){r.low - most, r.high - least};
}

int64_t qn__summed_size(const qn_module *m, qn_op op) {
  const qn_context *ctx = qn_module_context(m);
  if (qn_op_kind_of(m, op) == QN_OP_CONV2D) {
    qn_type w = qn_value_type(m, qn_op_operand(m, op, 1));
    int64_t outputs = qn_type_shape(ctx, w)[qn_str_eq(qn_op_get_string(m, op, "layout"), qn_str_of("nchw")) ? 0 : 3];
    return outputs > 0 && qn_type_is_static(ctx, w) ? qn_type_count(ctx, w) / outputs : -1;
  }
  for (uint32_t i = 0; i < 2; i++) {
    qn_type t = qn_value_type(m, qn_op_operand(m, op, i));
    uint32_t rank = qn_type_rank(ctx, t);
    bool last = (i == 0) != qn_op_get_bool(m, op, i ? "transpose_b" : "transpose_a") || rank == 1;
    int64_t k = qn_type_shape(ctx, t)[rank - (last ? 1 : 2)];
    if (k != QN_DYNAMIC) return k;
  }
  return -1;
}

/* ---- biases ---- */

static int64_t magnitude(int64_t v) {
  return v < 0 ? -v : v;
}

static void add_bias(proof *p, const qn_tensor *t) {
  int64_t last = t->rank ? t->shape[t->rank - 1] : 1;
  for (int64_t j = 0; j < p->columns; j++) {
    int64_t most = 0;
    for (int64_t i = 0, n = qn_tensor_count(t); i < n; i++) {
      if (last == p->columns && last > 1 && i % last != j) continue;
      int64_t v = magnitude(qn_tensor_get_i64(t, i));
      if (v > most) most = v;
    }
    p->biases[j] += most;
  }
}

/* The constant that the only user of v adds to it. */
static bool added_constant(qn_module *m, qn_value v, qn_op *op, qn_tensor *t) {
  if (!qn_value_has_one_use(m, v)) return false;
  qn_use u = qn_value_first_use(m, v);
  *op = qn_use_op(m, u);
  if (qn_op_kind_of(m, *op) != QN_OP_ADD) return false;
  return qn_value_constant_tensor(m, qn_op_operand(m, *op, 1 - qn_use_index(m, u)), t) &&
         qn_scalar_get(t->elem)->bits <= 32;
}

qn_status qn__find_bias(proof *p) {
  const qn_context *ctx = qn_module_context(p->m);
  qn_value v = qn_op_result(p->m, p->op, 0);
  qn_value b = qn_op_operand(p->m, p->op, 1);
  qn_type t = qn_value_type(p->m, v);
  uint32_t rank = qn_type_rank(ctx, t);
  bool columns = rank > 0 && qn_type_rank(ctx, qn_value_type(p->m, b)) > 1 && qn_type_shape(ctx, t)[rank - 1] > 0;
  p->columns = columns ? qn_type_shape(ctx, t)[rank - 1] : 1;
  p->biases = qn_run_alloc(p->run, (size_t)p->columns * sizeof *p->biases);
  if (!p->biases) return QN_ERR_NO_MEMORY;
  qn_tensor bias;
  qn_op op;
  for (int i = 0; i < 8 && added_constant(p->m, v, &op, &bias); i++) {
    add_bias(p, &bias);
    v = qn_op_result(p->m, op, 0);
  }
  return QN_OK;
}

int64_t qn__bias_bound(const proof *p, int64_t column) {
  if (column >= 0 && column < p->columns) return p->biases[column];
  int64_t most = 0;
  for (int64_t j = 0; j < p->columns; j++)
    if (p->biases[j] > most) most = p->biases[j];
  return most;
}
