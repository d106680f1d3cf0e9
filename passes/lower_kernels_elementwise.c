/* lower-kernels: one body per elementwise op. The table at the end names the body of each op kind; each becomes a
 * kern.map over the op's operands. */
#include "lower_kernels.h"
#include <quern/num.h>
#include <string.h>

/* Builds the value that the map yields, from the body's arguments. Null after a diagnostic. */
typedef qn_value (*body_fn)(lowering *l, qn_op op, qn_builder *b);

static qn_value arg(qn_builder *b, uint32_t i) {
  return qn_block_arg(b->module, b->block, i);
}
static qn_type operand_type(lowering *l, qn_op op, uint32_t i) {
  return qn_value_type(l->m, qn_op_operand(l->m, op, i));
}
static qn_type result_type(lowering *l, qn_op op) {
  return qn_value_type(l->m, qn_op_result(l->m, op, 0));
}

static qn_status as_map(lowering *l, qn_op op, uint32_t n, const qn_value *inputs, body_fn body) {
  qn_builder b = qn_builder_before(l->m, op), in;
  qn_type t = result_type(l, op);
  qn_op map = qn__make_loop(&b, QN_OP_MAP, n, inputs, 1, &t, &in);
  qn_value y = body(l, op, &in);
  if (!y.id) return qn_module_failed(l->m) ? QN_ERR_NO_MEMORY : QN_ERR_UNSUPPORTED;
  qn__yield(&in, 1, &y);
  qn_value r = qn_op_result(l->m, map, 0);
  return qn__lower_done(l, op, &r);
}

/* ---- arithmetic ---- */

typedef struct arith_row {
  qn_op_kind op, on_float, on_signed, on_unsigned;
} arith_row;
static const arith_row arith[] = {
    {QN_OP_ADD, QN_OP_ADDF, QN_OP_ADDI, QN_OP_ADDI},
    {QN_OP_SUB, QN_OP_SUBF, QN_OP_SUBI, QN_OP_SUBI},
    {QN_OP_MUL, QN_OP_MULF, QN_OP_MULI, QN_OP_MULI},
    {QN_OP_DIV, QN_OP_DIVF, QN_OP_DIVSI, QN_OP_DIVUI},
    {QN_OP_MAXIMUM, QN_OP_MAXIMUMF, QN_OP_MAXSI, QN_OP_MAXUI},
    {QN_OP_MINIMUM, QN_OP_MINIMUMF, QN_OP_MINSI, QN_OP_MINUI},
};

static qn_value body_binary(lowering *l, qn_op op, qn_builder *b) {
  qn_type t = operand_type(l, op, 0);
  for (size_t i = 0; i < sizeof arith / sizeof arith[0]; i++)
    if (arith[i].op == qn_op_kind_of(l->m, op))
      return qn__s2(b,
                    qn__is_float(l, t)      ? arith[i].on_float
                    : qn__is_unsigned(l, t) ? arith[i].on_unsigned
                                            : arith[i].on_signed,
                    arg(b, 0), arg(b, 1));
  return (qn_value){0};
}

static qn_value body_neg(lowering *l, qn_op op, qn_builder *b) {
  qn_type t = operand_type(l, op, 0);
  if (qn__is_float(l, t)) return qn__s1(b, QN_OP_NEGF, arg(b, 0));
  return qn__s2(b, QN_OP_SUBI, qn__i(b, qn__body_type(l, t), 0), arg(b, 0));
}

static qn_value body_abs(lowering *l, qn_op op, qn_builder *b) {
  qn_type t = operand_type(l, op, 0), s = qn__body_type(l, t);
  if (qn__is_float(l, t)) return qn__s1(b, QN_OP_MATH_ABSF, arg(b, 0));
  if (qn__is_unsigned(l, t)) return arg(b, 0);
  qn_value zero = qn__i(b, s, 0);
  return qn__select(b, qn__cmp(b, QN_OP_CMPI, CMP_SLT, arg(b, 0), zero), qn__s2(b, QN_OP_SUBI, zero, arg(b, 0)),
                    arg(b, 0));
}

static qn_value body_relu(lowering *l, qn_op op, qn_builder *b) {
  qn_type t = operand_type(l, op, 0), s = qn__body_type(l, t);
  if (qn__is_float(l, t)) return qn__s2(b, QN_OP_MAXIMUMF, arg(b, 0), qn__f(b, s, 0));
  return qn__is_unsigned(l, t) ? arg(b, 0) : qn__s2(b, QN_OP_MAXSI, arg(b, 0), qn__i(b, s, 0));
}

static qn_value body_clip(lowering *l, qn_op op, qn_builder *b) {
  qn_type t = operand_type(l, op, 0), s = qn__body_type(l, t);
  double lo = qn_op_get_float(l->m, op, "min"), hi = qn_op_get_float(l->m, op, "max");
  if (qn__is_float(l, t))
    return qn__s2(b, QN_OP_MINIMUMF, qn__s2(b, QN_OP_MAXIMUMF, arg(b, 0), qn__f(b, s, lo)), qn__f(b, s, hi));
  qn_scalar mem = qn_type_memory(l->ctx, qn_type_elem(l->ctx, t));
  double least = (double)qn_scalar_min(mem),
         most = mem == QN_UI64 ? 18446744073709551615.0 : (double)qn_scalar_max(mem);
  bool u = qn__is_unsigned(l, t);
  qn_value x = arg(b, 0);
  if (lo > least) x = qn__s2(b, u ? QN_OP_MAXUI : QN_OP_MAXSI, x, qn__i(b, s, (int64_t)lo));
  if (hi < most) x = qn__s2(b, u ? QN_OP_MINUI : QN_OP_MINSI, x, qn__i(b, s, (int64_t)hi));
  return x;
}

typedef struct math_row {
  qn_op_kind op, scalar;
} math_row;
static const math_row math[] = {
    {QN_OP_EXP, QN_OP_MATH_EXP},         {QN_OP_LOG, QN_OP_MATH_LOG},     {QN_OP_SQRT, QN_OP_MATH_SQRT},
    {QN_OP_TANH, QN_OP_MATH_TANH},       {QN_OP_ERF, QN_OP_MATH_ERF},     {QN_OP_SIGMOID, QN_OP_MATH_SIGMOID},
    {QN_OP_GELU, QN_OP_MATH_GELU},       {QN_OP_FLOOR, QN_OP_MATH_FLOOR}, {QN_OP_CEIL, QN_OP_MATH_CEIL},
    {QN_OP_ROUND, QN_OP_MATH_ROUNDEVEN},
};

static qn_value body_math(lowering *l, qn_op op, qn_builder *b) {
  for (size_t i = 0; i < sizeof math / sizeof math[0]; i++) {
    if (math[i].op != qn_op_kind_of(l->m, op)) continue;
    qn_value y = qn__s1(b, math[i].scalar, arg(b, 0));
    qn_attr approximate = qn_op_attr(l->m, op, "approximate");
    if (approximate.id) qn_op_set_attr(l->m, qn_value_op(l->m, y), "approximate", approximate);
    return y;
  }
  return (qn_value){0};
}

static qn_value body_cast(lowering *l, qn_op op, qn_builder *b) {
  qn_type from = operand_type(l, op, 0), to = result_type(l, op), t = qn__body_type(l, to);
  bool ff = qn__is_float(l, from), tf = qn__is_float(l, to);
  if (!ff && qn_type_memory(l->ctx, qn_type_elem(l->ctx, to)) == QN_I1) /* to bool: different from 0 */
    return qn__cmp(b, QN_OP_CMPI, 1, arg(b, 0), qn__i(b, qn__body_type(l, from), 0));
  if (ff && qn_type_memory(l->ctx, qn_type_elem(l->ctx, to)) == QN_I1)
    return qn__cmp(b, QN_OP_CMPF, 13, arg(b, 0), qn__f(b, qn__body_type(l, from), 0));
  /* Between narrow formats none of which holds the other, f32 holds both. */
  if (ff && tf && qn__bits(l, from) <= 16 && qn__bits(l, to) <= 16 && !qn_type_eq(qn__body_type(l, from), t))
    return qn__from_f32(l, b, qn__to_f32(l, b, arg(b, 0)), t);
  if (ff && tf) return qn__convert(b, qn__bits(l, from) > qn__bits(l, to) ? QN_OP_TRUNCF : QN_OP_EXTF, arg(b, 0), t);
  if (ff) return qn__convert(b, qn__is_unsigned(l, to) ? QN_OP_FPTOUI : QN_OP_FPTOSI, arg(b, 0), t);
  if (tf) return qn__convert(b, qn__is_unsigned(l, from) ? QN_OP_UITOFP : QN_OP_SITOFP, arg(b, 0), t);
  return qn__widen(l, b, arg(b, 0), qn__is_unsigned(l, from), t);
}

static qn_value body_same(lowering *l, qn_op op, qn_builder *b) {
  (void)l, (void)op;
  return arg(b, 0);
}

/* ---- casts with the parameters of a type ---- */

/* A tensor of scales or zero points that broadcasts over a value of this rank: shape [1 or n ..] without leading 1s;
 * blocks of several elements are spread out to one parameter per element. */
typedef struct params {
  uint32_t rank;
  int64_t shape[QN_MAX_RANK], block[QN_MAX_RANK], grid[QN_MAX_RANK];
  int64_t count;
} params;

static bool params_of(lowering *l, const qn_quant *q, qn_type tensor, params *p) {
  uint32_t rank = qn_type_rank(l->ctx, tensor);
  const int64_t *shape = qn_type_shape(l->ctx, tensor);
  *p = (params){.rank = 0, .count = 1};
  for (uint32_t d = 0; d < rank; d++) p->shape[d] = p->grid[d] = 1, p->block[d] = INT64_MAX;
  for (uint32_t i = 0; i < q->num_blocks; i++) {
    uint32_t d = (uint32_t)q->blocks[i].axis;
    if (d >= rank || shape[d] < 0) return false;
    p->shape[d] = shape[d];
    p->block[d] = q->blocks[i].size;
    p->grid[d] = (shape[d] + q->blocks[i].size - 1) / q->blocks[i].size;
  }
  for (uint32_t d = 0; d < rank; d++) {
    if (p->shape[d] && p->count > INT64_MAX / p->shape[d]) return false;
    p->count *= p->shape[d];
    if (!p->rank && p->shape[d] != 1) p->rank = rank - d;
  }
  return true;
}

static int64_t param_at(const params *p, uint32_t rank, int64_t i) {
  int64_t at = 0, step = 1;
  for (uint32_t d = rank; d-- > 0;) {
    int64_t x = i % p->shape[d];
    i /= p->shape[d];
    at += x / p->block[d] * step;
    step *= p->grid[d];
  }
  return at;
}

/* Scale and zero point of a cast as map inputs; per tensor they are constants of the body instead. */
static qn_status param_inputs(lowering *l, qn_op op, qn_builder *b, const qn_quant *q, qn_type tensor, qn_value *inputs,
                              uint32_t *n) {
  params p;
  uint32_t rank = qn_type_rank(l->ctx, tensor);
  if (q->num_scales == 1) return QN_OK;
  if (!params_of(l, q, tensor, &p) || p.count > (int64_t)1 << 40)
    return qn_op_error(l->m, op, QN_DIAG_SHAPE, "the parameters of %s do not fit its shape",
                       qn_type_text(l->ctx, tensor).data);
  float *s = qn_run_alloc(l->run, (size_t)p.count * sizeof *s);
  int32_t *z = q->zero_points ? qn_run_alloc(l->run, (size_t)p.count * sizeof *z) : NULL;
  if (!s || (q->zero_points && !z)) return qn_error_no_memory(l->ctx);
  for (int64_t i = 0; i < p.count; i++) {
    int64_t at = param_at(&p, rank, i);
    s[i] = q->scales[at] * q->tensor_scale;
    if (z) z[i] = q->zero_points[at];
  }
  const int64_t *shape = p.shape + (rank - p.rank);
  inputs[(*n)++] = qn__dense_f32(l, b, p.rank, shape, s);
  if (z) inputs[(*n)++] = qn__dense_i32(l, b, p.rank, shape, z);
  return QN_OK;
}

static const qn_quant *quant_of(lowering *l, qn_type t) {
  return qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, t));
}

static qn_value scale_value(lowering *l, qn_builder *b, const qn_quant *q) {
  return q->num_scales == 1 ? qn__f(b, qn__scalar_t(l, QN_F32), (double)(q->scales[0] * q->tensor_scale)) : arg(b, 1);
}

static qn_value quantize_to(lowering *l, qn_builder *b, qn_value x, const qn_quant *q, bool half_away) {
  bool one = q->num_scales == 1;
  if (qn_scalar_is_float(qn_type_as_scalar(l->ctx, q->storage))) {
    qn_type f32 = qn__scalar_t(l, QN_F32);
    qn_value t = qn__s2(b, QN_OP_DIVF, qn__to_f32(l, b, x), scale_value(l, b, q));
    t = qn__select(b, qn__cmp(b, QN_OP_CMPF, CMPF_UNO, t, t), qn__f(b, f32, 0), t);
    return qn__from_f32(l, b, t, q->storage);
  }
  quantize_body body = {.x = qn__to_f32(l, b, x),
                        .scale = scale_value(l, b, q),
                        .const_zero = one || !q->zero_points,
                        .z = one && q->zero_points ? q->zero_points[0] : 0,
                        .qmin = q->qmin,
                        .qmax = q->qmax,
                        .half_away = half_away,
                        .code = qn__body_type(l, q->storage)};
  if (!body.const_zero) body.zero_point = arg(b, 2);
  return qn__quantize(l, b, &body);
}

static qn_value dequantize_from(lowering *l, qn_builder *b, qn_value code, const qn_quant *q, bool is_unsigned) {
  bool one = q->num_scales == 1;
  qn_value s = scale_value(l, b, q), z = {0};
  if (qn_scalar_is_float(qn_type_as_scalar(l->ctx, q->storage)))
    return qn__s2(b, QN_OP_MULF, qn__to_f32(l, b, code), s);
  if (q->zero_points && !one)
    z = arg(b, 2);
  else if (q->zero_points && q->zero_points[0])
    z = qn__i(b, qn__scalar_t(l, QN_I32), q->zero_points[0]);
  return qn__dequantize(l, b, code, is_unsigned, z, s);
}

static qn_value body_qcast(lowering *l, qn_op op, qn_builder *b) {
  return quantize_to(l, b, arg(b, 0), quant_of(l, result_type(l, op)), false);
}

static qn_value body_dcast(lowering *l, qn_op op, qn_builder *b) {
  const qn_quant *q = quant_of(l, operand_type(l, op, 0));
  qn_value x = dequantize_from(l, b, arg(b, 0), q, qn__is_unsigned(l, operand_type(l, op, 0)));
  return qn__from_f32(l, b, x, qn__body_type(l, result_type(l, op)));
}

static qn_value body_fake_quant(lowering *l, qn_op op, qn_builder *b) {
  qn_type t = qn_attr_as_type(l->m, qn_op_attr(l->m, op, "type"));
  const qn_quant *q = qn_type_as_quant(l->ctx, t);
  bool away = qn_str_eq(qn_op_get_string(l->m, op, "rounding"), qn_str_of("half_away"));
  qn_value code = quantize_to(l, b, arg(b, 0), q, away);
  return qn__from_f32(l, b, dequantize_from(l, b, code, q, !q->is_signed), qn__body_type(l, result_type(l, op)));
}

static qn_status lower_typed_cast(lowering *l, qn_op op, const qn_quant *q, qn_type tensor, body_fn body) {
  if (!q || qn_type_as_scalar(l->ctx, q->storage) == QN_SCALAR_NONE)
    return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED, "no kernel casts %s; fold it on constants (canonicalize) first",
                       qn_type_text(l->ctx, tensor).data);
  qn_builder b = qn_builder_before(l->m, op);
  qn_value inputs[3] = {qn_op_operand(l->m, op, 0)};
  uint32_t n = 1;
  qn_status status = param_inputs(l, op, &b, q, tensor, inputs, &n);
  return status ? status : as_map(l, op, n, inputs, body);
}

static qn_status lower_qcast(lowering *l, qn_op op) {
  return lower_typed_cast(l, op, quant_of(l, result_type(l, op)), result_type(l, op), body_qcast);
}

static qn_status lower_dcast(lowering *l, qn_op op) {
  return lower_typed_cast(l, op, quant_of(l, operand_type(l, op, 0)), operand_type(l, op, 0), body_dcast);
}

static qn_status lower_fake_quant(lowering *l, qn_op op) {
  qn_type t = qn_attr_as_type(l->m, qn_op_attr(l->m, op, "type"));
  qn_type tensor = qn_type_with_elem(l->ctx, operand_type(l, op, 0), t);
  return lower_typed_cast(l, op, qn_type_as_quant(l->ctx, t), tensor, body_fake_quant);
}

/* ---- casts with parameters as values ---- */

/* A vector along `axis` (counted from the end when negative) takes the shape [n, 1, ..] that broadcasts there. */
static qn_value along_axis(lowering *l, qn_builder *b, qn_value v, uint32_t rank, int64_t axis) {
  qn_type t = qn_value_type(l->m, v);
  if (qn_type_rank(l->ctx, t) != 1 || qn_type_shape(l->ctx, t)[0] == 1) return v;
  if (axis < 0) axis += rank;
  uint32_t r = rank - (uint32_t)axis;
  if (r <= 1 || axis < 0 || axis >= (int64_t)rank) return v;
  int64_t shape[QN_MAX_RANK], spec[QN_MAX_RANK];
  for (uint32_t d = 0; d < r; d++) shape[d] = d ? 1 : qn_type_shape(l->ctx, t)[0], spec[d] = d ? 1 : -1;
  return qn__make_view(b, v, qn_type_tensor(l->ctx, qn_type_elem(l->ctx, t), r, shape),
                       qn_attr_ints(l->m, QN_I64, r, spec));
}

static uint32_t value_params(lowering *l, qn_op op, qn_builder *b, qn_value *inputs) {
  uint32_t n = qn_op_num_operands(l->m, op), rank = qn_type_rank(l->ctx, operand_type(l, op, 0));
  inputs[0] = qn_op_operand(l->m, op, 0);
  for (uint32_t i = 1; i < n; i++)
    inputs[i] = along_axis(l, b, qn_op_operand(l->m, op, i), rank, qn_op_get_int(l->m, op, "axis"));
  return n;
}

static qn_value zero_point_arg(lowering *l, qn_op op, qn_builder *b) {
  if (qn_op_num_operands(l->m, op) < 3) return (qn_value){0};
  return qn__widen(l, b, arg(b, 2), qn__is_unsigned(l, operand_type(l, op, 2)), qn__scalar_t(l, QN_I32));
}

static qn_value body_quantize(lowering *l, qn_op op, qn_builder *b) {
  qn_type y = result_type(l, op);
  qn_scalar mem = qn_type_memory(l->ctx, qn_type_elem(l->ctx, y));
  if (qn_scalar_is_float(mem)) {
    qn_value t = qn__s2(b, QN_OP_DIVF, qn__to_f32(l, b, arg(b, 0)), qn__to_f32(l, b, arg(b, 1)));
    return qn__from_f32(l, b, t, qn__body_type(l, y));
  }
  qn_value x = arg(b, 0);
  qn_type xt = operand_type(l, op, 0);
  x = qn__is_float(l, xt)
          ? qn__to_f32(l, b, x)
          : qn__convert(b, qn__is_unsigned(l, xt) ? QN_OP_UITOFP : QN_OP_SITOFP, x, qn__scalar_t(l, QN_F32));
  quantize_body q = {.x = x,
                     .scale = qn__to_f32(l, b, arg(b, 1)),
                     .zero_point = zero_point_arg(l, op, b),
                     .qmin = qn_scalar_min(mem),
                     .qmax = qn_scalar_max(mem),
                     .half_away = qn_str_eq(qn_op_get_string(l->m, op, "rounding"), qn_str_of("half_away")),
                     .code = qn__body_type(l, y)};
  q.const_zero = !q.zero_point.id;
  return qn__quantize(l, b, &q);
}

static qn_value body_dequantize(lowering *l, qn_op op, qn_builder *b) {
  qn_type x = operand_type(l, op, 0);
  qn_value s = qn__to_f32(l, b, arg(b, 1)), y;
  if (qn__is_float(l, x))
    y = qn__s2(b, QN_OP_MULF, qn__to_f32(l, b, arg(b, 0)), s);
  else
    y = qn__dequantize(l, b, arg(b, 0), qn__is_unsigned(l, x), zero_point_arg(l, op, b), s);
  return qn__from_f32(l, b, y, qn__body_type(l, result_type(l, op)));
}

static qn_status lower_quantize(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  qn_value inputs[3];
  uint32_t n = value_params(l, op, &b, inputs);
  return as_map(l, op, n, inputs, qn_op_kind_of(l->m, op) == QN_OP_QUANTIZE ? body_quantize : body_dequantize);
}

/* ---- views ---- */

static qn_status lower_view(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  qn_attr shape = qn_op_kind_of(l->m, op) == QN_OP_RESHAPE ? qn_op_attr(l->m, op, "shape") : (qn_attr){0};
  if (qn_type_is_static(l->ctx, result_type(l, op)))
    shape = (qn_attr){0};
  else if (!shape.id) { /* the same shape with another element type: every size is the operand's */
    int64_t same[QN_MAX_RANK];
    uint32_t rank = qn_type_rank(l->ctx, result_type(l, op));
    for (uint32_t d = 0; d < rank; d++) same[d] = -2 - (int64_t)d;
    shape = qn_attr_ints(l->m, QN_I64, rank, same);
  }
  qn_value v = qn__make_view(&b, qn_op_operand(l->m, op, 0), result_type(l, op), shape);
  return qn__lower_done(l, op, &v);
}

static qn_status lower_transpose(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  uint32_t n;
  const int64_t *perm = qn_attr_as_ints(l->m, qn_op_attr(l->m, op, "perm"), &n);
  qn_value v = qn__make_transpose(l, &b, qn_op_operand(l->m, op, 0), perm);
  qn_value_set_type(l->m, v, result_type(l, op)); /* the axes of scales move too */
  return qn__lower_done(l, op, &v);
}

/* ---- dispatch ---- */

static qn_status lower_map(lowering *l, qn_op op);

typedef struct lower_row {
  qn_op_kind kind;
  lower_fn lower;
  body_fn body; /* with lower_map: over the operands as they are */
} lower_row;
qn_status qn__lower_requantize(lowering *l, qn_op op);

static const lower_row rows[] = {
    {QN_OP_ADD, lower_map, body_binary},
    {QN_OP_SUB, lower_map, body_binary},
    {QN_OP_MUL, lower_map, body_binary},
    {QN_OP_DIV, lower_map, body_binary},
    {QN_OP_MAXIMUM, lower_map, body_binary},
    {QN_OP_MINIMUM, lower_map, body_binary},
    {QN_OP_NEG, lower_map, body_neg},
    {QN_OP_ABS, lower_map, body_abs},
    {QN_OP_RELU, lower_map, body_relu},
    {QN_OP_CLIP, lower_map, body_clip},
    {QN_OP_EXP, lower_map, body_math},
    {QN_OP_LOG, lower_map, body_math},
    {QN_OP_SQRT, lower_map, body_math},
    {QN_OP_TANH, lower_map, body_math},
    {QN_OP_ERF, lower_map, body_math},
    {QN_OP_SIGMOID, lower_map, body_math},
    {QN_OP_GELU, lower_map, body_math},
    {QN_OP_FLOOR, lower_map, body_math},
    {QN_OP_CEIL, lower_map, body_math},
    {QN_OP_ROUND, lower_map, body_math},
    {QN_OP_CAST, lower_map, body_cast},
    {QN_OP_OBSERVE, lower_map, body_same},
    {QN_OP_QCAST, lower_qcast, NULL},
    {QN_OP_DCAST, lower_dcast, NULL},
    {QN_OP_FAKE_QUANT, lower_fake_quant, NULL},
    {QN_OP_QUANTIZE, lower_quantize, NULL},
    {QN_OP_DEQUANTIZE, lower_quantize, NULL},
    {QN_OP_REQUANTIZE, qn__lower_requantize, NULL},
    {QN_OP_SCAST, lower_view, NULL},
    {QN_OP_RESHAPE, lower_view, NULL},
    {QN_OP_TRANSPOSE, lower_transpose, NULL},
};

static const lower_row *row_of(qn_op_kind kind) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (rows[i].kind == kind) return &rows[i];
  return NULL;
}

static qn_status lower_map(lowering *l, qn_op op) {
  qn_value inputs[2];
  uint32_t n = qn_op_num_operands(l->m, op);
  for (uint32_t i = 0; i < n && i < 2; i++) inputs[i] = qn_op_operand(l->m, op, i);
  return as_map(l, op, n, inputs, row_of(qn_op_kind_of(l->m, op))->body);
}

lower_fn qn__lower_elementwise(qn_op_kind kind) {
  const lower_row *row = row_of(kind);
  return row ? row->lower : NULL;
}
