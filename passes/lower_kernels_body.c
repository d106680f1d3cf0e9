/* Building blocks of lower-kernels: region bodies out of arith and math ops, and the loops that hold them. */
#include "lower_kernels.h"
#include <string.h>

/* ---- types ---- */

qn_type qn__scalar_t(lowering *l, qn_scalar s) {
  return qn_type_scalar(l->ctx, s);
}

/* The signless integer of the same width; floats and signless ones stay. */
static qn_scalar signless(qn_scalar s) {
  if (s >= QN_UI2 && s <= QN_UI64) return (qn_scalar)(s - QN_UI2 + QN_I2);
  if (s >= QN_SI2 && s <= QN_SI64) return (qn_scalar)(s - QN_SI2 + QN_I2);
  return s;
}

static qn_type region_type(qn_context *ctx, qn_type t) {
  return qn_type_scalar(ctx, signless(qn_type_storage(ctx, qn_type_elem(ctx, t))));
}

qn_type qn__body_type(lowering *l, qn_type t) {
  return region_type(l->ctx, t);
}

static const qn_scalar_info *memory_info(lowering *l, qn_type t) {
  return qn_scalar_get(qn_type_memory(l->ctx, qn_type_elem(l->ctx, t)));
}

bool qn__is_unsigned(lowering *l, qn_type t) {
  return memory_info(l, t)->cls == QN_UNSIGNED || qn_type_memory(l->ctx, qn_type_elem(l->ctx, t)) == QN_I1;
}
bool qn__is_float(lowering *l, qn_type t) {
  return memory_info(l, t)->cls == QN_FLOAT;
}
uint32_t qn__bits(lowering *l, qn_type t) {
  return memory_info(l, t)->bits;
}

/* ---- scalar ops ---- */

static qn_value make(qn_builder *b, qn_op_kind kind, uint32_t n, const qn_value *operands, qn_type type, uint32_t na,
                     const qn_named_attr *attrs) {
  qn_op_desc desc = {.kind = kind,
                     .num_operands = n,
                     .operands = operands,
                     .num_results = 1,
                     .results = &type,
                     .num_attrs = na,
                     .attrs = na ? attrs : NULL};
  return qn_op_result(b->module, qn_op_create(b, &desc), 0);
}

qn_value qn__s1(qn_builder *b, qn_op_kind kind, qn_value x) {
  return make(b, kind, 1, &x, qn_value_type(b->module, x), 0, NULL);
}

qn_value qn__s2(qn_builder *b, qn_op_kind kind, qn_value x, qn_value y) {
  qn_value both[2] = {x, y};
  return make(b, kind, 2, both, qn_value_type(b->module, x), 0, NULL);
}

qn_value qn__cmp(qn_builder *b, qn_op_kind kind, int64_t predicate, qn_value x, qn_value y) {
  qn_context *ctx = qn_module_context(b->module);
  qn_value both[2] = {x, y};
  qn_named_attr a = qn_named(b->module, "predicate", qn_attr_int(b->module, qn_type_scalar(ctx, QN_I64), predicate));
  return make(b, kind, 2, both, qn_type_scalar(ctx, QN_I1), 1, &a);
}

qn_value qn__select(qn_builder *b, qn_value c, qn_value x, qn_value y) {
  qn_value three[3] = {c, x, y};
  return make(b, QN_OP_SELECT, 3, three, qn_value_type(b->module, x), 0, NULL);
}

qn_value qn__f(qn_builder *b, qn_type type, double v) {
  return qn_build_constant(b, qn_attr_float(b->module, type, v));
}
qn_value qn__i(qn_builder *b, qn_type type, int64_t v) {
  return qn_build_constant(b, qn_attr_int(b->module, type, v));
}

qn_value qn__convert(qn_builder *b, qn_op_kind kind, qn_value x, qn_type to) {
  return qn_type_eq(qn_value_type(b->module, x), to) ? x : make(b, kind, 1, &x, to, 0, NULL);
}

qn_value qn__to_f32(lowering *l, qn_builder *b, qn_value x) {
  uint32_t bits = qn__bits(l, qn_value_type(l->m, x));
  return qn__convert(b, bits > 32 ? QN_OP_TRUNCF : QN_OP_EXTF, x, qn__scalar_t(l, QN_F32));
}

qn_value qn__from_f32(lowering *l, qn_builder *b, qn_value x, qn_type to) {
  return qn__convert(b, qn__bits(l, to) > 32 ? QN_OP_EXTF : QN_OP_TRUNCF, x, to);
}

qn_value qn__widen(lowering *l, qn_builder *b, qn_value x, bool is_unsigned, qn_type to) {
  if (qn__bits(l, qn_value_type(l->m, x)) > qn__bits(l, to)) return qn__convert(b, QN_OP_TRUNCI, x, to);
  return qn__convert(b, is_unsigned ? QN_OP_EXTUI : QN_OP_EXTSI, x, to);
}

/* The end of the code range as a float: a constant when z is one. */
static qn_value clamp_end(lowering *l, qn_builder *b, const quantize_body *q, int64_t end) {
  qn_type f32 = qn__scalar_t(l, QN_F32), i32 = qn__scalar_t(l, QN_I32);
  if (q->const_zero) return qn__f(b, f32, (double)(end - q->z));
  return qn__convert(b, QN_OP_SITOFP, qn__s2(b, QN_OP_SUBI, qn__i(b, i32, end), q->zero_point), f32);
}

qn_value qn__quantize(lowering *l, qn_builder *b, const quantize_body *q) {
  qn_type f32 = qn__scalar_t(l, QN_F32), i32 = qn__scalar_t(l, QN_I32);
  qn_value t = q->scale.id ? qn__s2(b, QN_OP_DIVF, q->x, q->scale) : q->x;
  if (!q->never_nan) t = qn__select(b, qn__cmp(b, QN_OP_CMPF, CMPF_UNO, t, t), qn__f(b, f32, 0), t);
  qn_value lo = clamp_end(l, b, q, q->qmin), hi = clamp_end(l, b, q, q->qmax);
  /* Compare and select, not maximumf: one instruction, and t is no NaN here. */
  t = qn__select(b, qn__cmp(b, QN_OP_CMPF, CMPF_OGT, t, lo), t, lo);
  t = qn__select(b, qn__cmp(b, QN_OP_CMPF, CMPF_OLT, t, hi), t, hi);
  t = qn__s1(b, q->half_away ? QN_OP_MATH_ROUND : QN_OP_MATH_ROUNDEVEN, t);
  qn_value code = qn__convert(b, QN_OP_FPTOSI, t, i32);
  if (!q->const_zero)
    code = qn__s2(b, QN_OP_ADDI, code, q->zero_point);
  else if (q->z)
    code = qn__s2(b, QN_OP_ADDI, code, qn__i(b, i32, q->z));
  return qn__convert(b, QN_OP_TRUNCI, code, q->code);
}

qn_value qn__dequantize(lowering *l, qn_builder *b, qn_value code, bool is_unsigned, qn_value z, qn_value s) {
  qn_value q = qn__widen(l, b, code, is_unsigned, qn__scalar_t(l, QN_I32));
  if (z.id) q = qn__s2(b, QN_OP_SUBI, q, z);
  return qn__s2(b, QN_OP_MULF, qn__convert(b, QN_OP_SITOFP, q, qn__scalar_t(l, QN_F32)), s);
}

bool qn__same_shape(lowering *l, qn_type a, qn_type b) {
  uint32_t rank = qn_type_rank(l->ctx, a);
  if (rank != qn_type_rank(l->ctx, b)) return false;
  for (uint32_t d = 0; d < rank; d++) {
    int64_t x = qn_type_shape(l->ctx, a)[d], y = qn_type_shape(l->ctx, b)[d];
    if (x != y) return false;
    if (x == QN_DYNAMIC &&
        (!qn_type_symbol(l->ctx, a, d).id || qn_type_symbol(l->ctx, a, d).id != qn_type_symbol(l->ctx, b, d).id))
      return false;
  }
  return true;
}

/* ---- loops ---- */

qn_op qn__make_loop(qn_builder *b, qn_op_kind kind, uint32_t n, const qn_value *inputs, uint32_t num_results,
                    const qn_type *results, qn_builder *body) {
  qn_module *m = b->module;
  qn_context *ctx = qn_module_context(m);
  qn_op_desc desc = {.kind = kind,
                     .num_operands = n,
                     .operands = inputs,
                     .num_results = num_results,
                     .results = results,
                     .num_regions = 1};
  qn_op op = qn_op_create(b, &desc);
  qn_block block = qn_op_region(m, op, 0);
  for (uint32_t i = 0; i < n; i++)
    qn_block_add_arg(m, block, region_type(ctx, qn_value_type(m, inputs[i])), (qn_name){0});
  *body = qn_builder_at_end(m, block);
  body->loc = b->loc;
  return op;
}

void qn__yield(qn_builder *body, uint32_t n, const qn_value *values) {
  qn_op_desc desc = {.kind = QN_OP_YIELD, .num_operands = n, .operands = values};
  qn_op_create(body, &desc);
}

qn_value qn__make_view(qn_builder *b, qn_value x, qn_type type, qn_attr shape) {
  qn_named_attr a = qn_named(b->module, "shape", shape);
  return make(b, QN_OP_VIEW, 1, &x, type, shape.id ? 1 : 0, &a);
}

static qn_value dense(lowering *l, qn_builder *b, qn_scalar elem, uint32_t rank, const int64_t *shape,
                      const void *data) {
  qn_type t = qn_type_tensor(l->ctx, qn__scalar_t(l, elem), rank, shape);
  return qn_build_constant(b, qn_attr_dense(l->m, t, data));
}

qn_value qn__dense_f32(lowering *l, qn_builder *b, uint32_t rank, const int64_t *shape, const float *data) {
  return dense(l, b, QN_F32, rank, shape, data);
}

qn_value qn__dense_i32(lowering *l, qn_builder *b, uint32_t rank, const int64_t *shape, const int32_t *data) {
  return dense(l, b, QN_I32, rank, shape, data);
}

qn_type qn__permuted_type(lowering *l, qn_type t, const int64_t *perm) {
  uint32_t rank = qn_type_rank(l->ctx, t);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) {
    shape[d] = qn_type_shape(l->ctx, t)[perm[d]];
    symbols[d] = qn_type_symbol(l->ctx, t, (uint32_t)perm[d]);
  }
  return qn_type_tensor_symbols(l->ctx, qn_type_elem(l->ctx, t), rank, shape, symbols);
}

qn_value qn__make_transpose(lowering *l, qn_builder *b, qn_value x, const int64_t *perm) {
  qn_type t = qn_value_type(l->m, x);
  if (qn__shares_bytes(l, x)) return qn__transpose_bits(l, b, x, perm);
  uint32_t rank = qn_type_rank(l->ctx, t);
  qn_type to = qn__permuted_type(l, t, perm);
  qn_builder body;
  qn_op op = qn__make_loop(b, QN_OP_MAP, 1, &x, 1, &to, &body);
  qn_value arg = qn_block_arg(l->m, body.block, 0);
  qn__yield(&body, 1, &arg);
  qn_op_set_attr(l->m, op, "perm", qn_attr_ints(l->m, QN_I64, rank, perm));
  return qn_op_result(l->m, op, 0);
}

qn_status qn__lower_done(lowering *l, qn_op op, const qn_value *values) {
  for (uint32_t i = 0; i < qn_op_num_results(l->m, op); i++) {
    if (!values[i].id) return qn_error_no_memory(l->ctx);
    qn_value r = qn_op_result(l->m, op, i);
    if (qn_value_name(l->m, r).id && !qn_value_name(l->m, values[i]).id)
      qn_value_set_name(l->m, values[i], qn_value_name(l->m, r));
    qn_value_replace(l->m, r, values[i]);
  }
  qn_op_erase(l->m, op);
  return QN_OK;
}
