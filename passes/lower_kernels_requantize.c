/* lower-kernels: requantization of accumulators, in its three modes (the formulas are lib/num's, see num.h). */
#include "lower_kernels.h"
#include <quern/num.h>

static qn_type i64_t(lowering *l) {
  return qn__scalar_t(l, QN_I64);
}
static qn_value arg(qn_builder *b, uint32_t i) {
  return qn_block_arg(b->module, b->block, i);
}

/* v clamped to i32, still as i64. */
static qn_value saturate(lowering *l, qn_builder *b, qn_value v) {
  v = qn__s2(b, QN_OP_MAXSI, v, qn__i(b, i64_t(l), INT32_MIN));
  return qn__s2(b, QN_OP_MINSI, v, qn__i(b, i64_t(l), INT32_MAX));
}

/* Code of a scaled accumulator: + z, clamped to the codes in use. */
static qn_value place(lowering *l, qn_builder *b, qn_value scaled, const qn_quant *q, int64_t z) {
  qn_value v = qn__s2(b, QN_OP_ADDI, scaled, qn__i(b, i64_t(l), z));
  v = qn__s2(b, QN_OP_MAXSI, v, qn__i(b, i64_t(l), q->qmin));
  v = qn__s2(b, QN_OP_MINSI, v, qn__i(b, i64_t(l), q->qmax));
  return qn__convert(b, QN_OP_TRUNCI, v, qn__body_type(l, q->storage));
}

/* Arguments: acc, then per multiplier m0, left shift, right shift (i32). */
static qn_value body_fixed(lowering *l, qn_builder *b) {
  qn_type t = i64_t(l);
  qn_value acc = qn__convert(b, QN_OP_EXTSI, arg(b, 0), t), m0 = qn__convert(b, QN_OP_EXTSI, arg(b, 1), t);
  qn_value left = qn__convert(b, QN_OP_EXTSI, arg(b, 2), t), right = qn__convert(b, QN_OP_EXTSI, arg(b, 3), t);
  qn_value zero = qn__i(b, t, 0), one = qn__i(b, t, 1);
  qn_value x = saturate(l, b, qn__s2(b, QN_OP_SHLI, acc, left));
  /* Doubling high multiply: the nudge follows the product's sign, the division by 2^31 truncates. */
  qn_value p = qn__s2(b, QN_OP_MULI, x, m0);
  qn_value negative = qn__cmp(b, QN_OP_CMPI, CMP_SLT, p, zero);
  qn_value nudge = qn__select(b, negative, qn__i(b, t, 1 - ((int64_t)1 << 30)), qn__i(b, t, (int64_t)1 << 30));
  p = qn__s2(b, QN_OP_ADDI, p, nudge);
  qn_value sign = qn__s2(b, QN_OP_SHRSI, p, qn__i(b, t, 63));
  p = qn__s2(b, QN_OP_ADDI, p, qn__s2(b, QN_OP_ANDI, sign, qn__i(b, t, ((int64_t)1 << 31) - 1)));
  qn_value v = qn__s2(b, QN_OP_SHRSI, p, qn__i(b, t, 31));
  /* Rounding right shift, ties away from 0. */
  qn_value mask = qn__s2(b, QN_OP_SUBI, qn__s2(b, QN_OP_SHLI, one, right), one);
  qn_value rest = qn__s2(b, QN_OP_ANDI, v, mask), half = qn__s2(b, QN_OP_SHRSI, mask, one);
  qn_value below = qn__cmp(b, QN_OP_CMPI, CMP_SLT, v, zero);
  half = qn__s2(b, QN_OP_ADDI, half, qn__select(b, below, one, zero));
  qn_value up = qn__select(b, qn__cmp(b, QN_OP_CMPI, CMP_SGT, rest, half), one, zero);
  return qn__s2(b, QN_OP_ADDI, qn__s2(b, QN_OP_SHRSI, v, right), up);
}

/* Arguments: acc, m0 (0 where the multiplier is too small to count), shift k - 1 twice: rounding term and shift less 1.
 */
static qn_value body_single(lowering *l, qn_builder *b) {
  qn_type t = i64_t(l);
  qn_value acc = qn__convert(b, QN_OP_EXTSI, arg(b, 0), t), m0 = qn__convert(b, QN_OP_EXTSI, arg(b, 1), t);
  qn_value k1 = qn__convert(b, QN_OP_EXTSI, arg(b, 2), t), one = qn__i(b, t, 1);
  qn_value p = qn__s2(b, QN_OP_ADDI, qn__s2(b, QN_OP_MULI, acc, m0), qn__s2(b, QN_OP_SHLI, one, k1));
  return saturate(l, b, qn__s2(b, QN_OP_SHRSI, qn__s2(b, QN_OP_SHRSI, p, k1), one));
}

static void fixed_columns(qn_fixed_multiplier m, int32_t *m0, int32_t *first, int32_t *second) {
  int32_t e = m.exponent;
  *m0 = m.m0;
  *first = e > 0 ? (e > 32 ? 32 : e) : 0; /* a shift by 32 saturates everything already */
  *second = e < 0 ? -e : 0;
}

static void single_columns(qn_fixed_multiplier m, int32_t *m0, int32_t *first, int32_t *second) {
  int64_t k = (int64_t)31 - m.exponent;
  *m0 = k < 1 ? INT32_MAX : k > 62 ? 0 : m.m0;
  *first = (int32_t)(k < 1 || k > 62 ? 0 : k - 1);
  *second = 0;
}

static qn_status integer_mode(lowering *l, qn_op op, const qn_quant *q, int64_t z, bool fixed) {
  qn_builder b = qn_builder_before(l->m, op), body;
  qn_op source = qn_value_op(l->m, qn_op_operand(l->m, op, 1));
  qn_tensor t;
  if (qn_op_kind_of(l->m, source) != QN_OP_CONSTANT)
    return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED, "mode '%s' needs a constant multiplier; use mode = \"f32\"",
                       fixed ? "fixed" : "single");
  if (!qn_attr_dense_tensor(l->m, qn_op_attr(l->m, source, "value"), &t)) return qn_error_no_memory(l->ctx);
  int64_t n = qn_tensor_count(&t);
  int32_t *columns = qn_run_alloc(l->run, ((size_t)n + 1) * 3 * sizeof *columns);
  if (!columns) return qn_error_no_memory(l->ctx);
  for (int64_t i = 0; i < n; i++) {
    qn_fixed_multiplier m;
    if (!qn_fixed_from_real(qn_tensor_get_f64(&t, i), &m))
      return qn_op_error(l->m, op, QN_DIAG_DATA, "multiplier %lld is negative or not finite", (long long)i);
    (fixed ? fixed_columns : single_columns)(m, &columns[i], &columns[n + i], &columns[2 * n + i]);
  }
  qn_value inputs[4] = {qn_op_operand(l->m, op, 0)};
  for (int i = 0; i < 3; i++) inputs[i + 1] = qn__dense_i32(l, &b, t.rank, t.shape, columns + i * n);
  qn_type y = qn_value_type(l->m, qn_op_result(l->m, op, 0));
  qn_op map = qn__make_loop(&b, QN_OP_MAP, fixed ? 4 : 3, inputs, 1, &y, &body);
  qn_value code = place(l, &body, (fixed ? body_fixed : body_single)(l, &body), q, z);
  qn__yield(&body, 1, &code);
  qn_value r = qn_op_result(l->m, map, 0);
  return qn__lower_done(l, op, &r);
}

/* A multiplier that is a finite constant cannot make a NaN out of an integer. */
static bool finite_constant(lowering *l, qn_value v) {
  qn_op source = qn_value_op(l->m, v);
  qn_tensor t;
  if (qn_op_kind_of(l->m, source) != QN_OP_CONSTANT ||
      !qn_attr_dense_tensor(l->m, qn_op_attr(l->m, source, "value"), &t))
    return false;
  for (int64_t i = 0; i < qn_tensor_count(&t); i++) {
    double x = qn_tensor_get_f64(&t, i);
    if (!(x - x == 0)) return false;
  }
  return true;
}

qn_status qn__lower_requantize(lowering *l, qn_op op) {
  qn_type y = qn_value_type(l->m, qn_op_result(l->m, op, 0));
  const qn_quant *q = qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, y));
  qn_str mode = qn_op_get_string(l->m, op, "mode");
  if (!q || (q->zero_points && q->num_scales != 1))
    return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED,
                       "no kernel requantizes to %s: its zero point must be one for the tensor",
                       qn_type_text(l->ctx, y).data);
  int64_t z = q->zero_points ? q->zero_points[0] : 0;
  if (!qn_str_eq(mode, qn_str_of("f32"))) return integer_mode(l, op, q, z, qn_str_eq(mode, qn_str_of("fixed")));
  qn_builder b = qn_builder_before(l->m, op), body;
  qn_value inputs[2] = {qn_op_operand(l->m, op, 0), qn_op_operand(l->m, op, 1)};
  qn_op map = qn__make_loop(&b, QN_OP_MAP, 2, inputs, 1, &y, &body);
  qn_value acc = qn__convert(&body, QN_OP_SITOFP, arg(&body, 0), qn__scalar_t(l, QN_F32));
  quantize_body quantize = {.x = qn__s2(&body, QN_OP_MULF, acc, arg(&body, 1)),
                            .const_zero = true,
                            .z = z,
                            .qmin = q->qmin,
                            .qmax = q->qmax,
                            .half_away = qn_str_eq(qn_op_get_string(l->m, op, "rounding"), qn_str_of("half_away")),
                            .never_nan = finite_constant(l, inputs[1]),
                            .code = qn__body_type(l, y)};
  qn_value code = qn__quantize(l, &body, &quantize);
  qn__yield(&body, 1, &code);
  qn_value r = qn_op_result(l->m, map, 0);
  return qn__lower_done(l, op, &r);
}
