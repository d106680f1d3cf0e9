/* fold-qparams: casts brought into one form and next to what they can be folded with. Everything here but fold_pair is
 * exact: the same codes, the same floats. */
#include "fold_qparams.h"
#include <math.h>

/* ---- quern.quantize, quern.dequantize with constant parameters ---- */

/* The quantized type that codes of `storage` have with these constant parameters; null when they are none, or are
 * of a shape that no type has. */
static qn_status type_of_params(qn_rewriter *r, qn_op op, qn_type x, qn_scalar storage, qn_type expressed,
                                qn_type *out) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_tensor scale, zero;
  bool has_zero = qn_op_num_operands(m, op) > 2;
  *out = (qn_type){0};
  if (!qn_value_constant_tensor(m, qn_op_operand(m, op, 1), &scale)) return QN_OK;
  if (has_zero && !qn_value_constant_tensor(m, qn_op_operand(m, op, 2), &zero)) return QN_OK;
  int64_t n = qn_tensor_count(&scale), axis = qn_op_get_int(m, op, "axis"), rank = qn_type_rank(ctx, x);
  if (axis < 0) axis += rank;
  bool along = scale.rank == 1 && n > 1 && axis >= 0 && axis < rank;
  if (n < 1 || (n > 1 && !along) || (has_zero && qn_tensor_count(&zero) != n)) return QN_OK;
  float *scales = qn_run_alloc(qn_rewriter_run(r), (size_t)n * sizeof *scales);
  int32_t *zeros = qn_run_alloc(qn_rewriter_run(r), (size_t)n * sizeof *zeros);
  if (!scales || !zeros) return QN_ERR_NO_MEMORY;
  int64_t low = qn_scalar_min(storage), high = qn_scalar_max(storage);
  for (int64_t i = 0; i < n; i++) {
    scales[i] = (float)qn_tensor_get_f64(&scale, i);
    int64_t z = has_zero ? qn_tensor_get_i64(&zero, i) : 0;
    if (!(scales[i] > 0 && scales[i] - scales[i] == 0) || z < low || z > high) return QN_OK;
    zeros[i] = (int32_t)z;
  }
  qn_quant q = {.storage = qn_type_scalar(ctx, storage),
                .is_signed = qn_scalar_get(storage)->cls != QN_UNSIGNED,
                .qmin = low,
                .qmax = high,
                .expressed = expressed,
                .num_blocks = n > 1,
                .blocks = {{(int32_t)axis, 1}},
                .per_axis = n > 1,
                .num_scales = (uint32_t)n,
                .scales = scales,
                .zero_points = zeros,
                .scale_type = QN_F32,
                .tensor_scale = 1};
  if (n == 1) q.blocks[0] = (qn_block_dim){0, 0};
  *out = qn_type_quant(ctx, &q, qn_op_place(m, op));
  return qn_type_is_null(*out) ? QN_ERR_INPUT : QN_OK;
}

qn_status qn__fold_quantize(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_value x = qn_op_operand(m, op, 0);
  qn_type tx = qn_value_type(m, x), ty = qn_value_type(m, qn_op_result(m, op, 0));
  qn_scalar storage = qn_type_as_scalar(ctx, qn_type_elem(ctx, ty));
  if (!qn_str_eq(qn_op_get_string(m, op, "rounding"), qn_str_of("half_even")) || !qn_scalar_is_int(storage) ||
      qn_type_as_scalar(ctx, qn_type_elem(ctx, tx)) == QN_SCALAR_NONE)
    return QN_OK;
  qn_type elem;
  qn_status status = type_of_params(r, op, tx, storage, qn_type_elem(ctx, tx), &elem);
  if (status || qn_type_is_null(elem)) return status;
  qn_builder b = qn_builder_before(m, op);
  qn_value q = qn__fold_op1(&b, QN_OP_QCAST, x, qn_type_with_elem(ctx, ty, elem));
  return qn__fold_replace(r, op, qn__fold_op1(&b, QN_OP_SCAST, q, ty));
}

qn_status qn__fold_dequantize(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_value x = qn_op_operand(m, op, 0);
  qn_type tx = qn_value_type(m, x), ty = qn_value_type(m, qn_op_result(m, op, 0));
  qn_scalar storage = qn_type_as_scalar(ctx, qn_type_elem(ctx, tx));
  if (!qn_scalar_is_int(storage)) return QN_OK;
  qn_type elem;
  qn_status status = type_of_params(r, op, tx, storage, qn_type_elem(ctx, ty), &elem);
  if (status || qn_type_is_null(elem)) return status;
  qn_builder b = qn_builder_before(m, op);
  qn_value q = qn__fold_op1(&b, QN_OP_SCAST, x, qn_type_with_elem(ctx, tx, elem));
  return qn__fold_replace(r, op, qn__fold_op1(&b, QN_OP_DCAST, q, ty));
}

qn_status qn__fold_scast(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_op inner = qn_value_op(m, qn_op_operand(m, op, 0));
  if (qn_op_kind_of(m, inner) != QN_OP_SCAST) return QN_OK;
  qn_value x = qn_op_operand(m, inner, 0);
  if (!qn_type_eq(qn_value_type(m, x), qn_value_type(m, qn_op_result(m, op, 0)))) return QN_OK;
  return qn__fold_replace(r, op, x);
}

/* ---- dequantizing sinks ---- */

static qn_op dcast_of(const qn_module *m, qn_value v) {
  qn_op op = qn_value_op(m, v);
  return qn_op_kind_of(m, op) == QN_OP_DCAST ? op : (qn_op){0};
}

/* The codes as plain integers, and back. Integers of 8 and 16 bits are what kernels compute with. */
static bool has_wide_codes(const qn_context *ctx, const qn_quant *q) {
  return qn__has_codes(ctx, q) && qn_scalar_get(qn_type_as_scalar(ctx, q->storage))->bits >= 8;
}

static qn_value to_plain(qn_builder *b, qn_value codes) {
  qn_context *ctx = qn_module_context(b->module);
  qn_type t = qn_value_type(b->module, codes);
  return qn__fold_op1(b, QN_OP_SCAST, codes, qn__as_scalars(b->module, t, qn_type_memory(ctx, qn_type_elem(ctx, t))));
}

/* The op on codes. Ops of two operands need one type, whose codes are then ordered as the floats are. */
static qn_status moved_codes(qn_rewriter *r, qn_op op, qn_value a, qn_value c, qn_value *out) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_builder b = qn_builder_before(m, op);
  qn_type to = qn_value_type(m, qn_op_result(m, op, 0)), elem = qn_type_elem(ctx, qn_value_type(m, a));
  qn_op_kind kind = qn_op_kind_of(m, op);
  *out = (qn_value){0};
  if (c.id) {
    qn_value x = to_plain(&b, a), y = to_plain(&b, c);
    qn_type plain = qn_type_with_elem(ctx, to, qn_type_elem(ctx, qn_value_type(m, x)));
    qn_value both = qn__fold_op2(&b, kind, x, y, plain);
    *out = qn__fold_op1(&b, QN_OP_SCAST, both, qn_type_with_elem(ctx, to, elem));
    return QN_OK;
  }
  qn_op_desc desc = {.kind = kind,
                     .num_operands = 1,
                     .operands = &a,
                     .num_results = 1,
                     .results = &to,
                     .attr_dict = qn_op_attrs(m, op)};
  qn_op made = qn_op_create(&b, &desc);
  qn_type type;
  if (!made.id) return qn_error_no_memory(ctx);
  /* The rule knows where a transpose takes the axis that scales belong to. */
  qn_status status = qn_op_infer(m, made, &type);
  if (status) return status;
  *out = qn_op_result(m, made, 0);
  type = qn_type_with_elem(ctx, to, qn_type_elem(ctx, type));
  if (qn_type_is_null(type)) return qn_error_no_memory(ctx);
  qn_value_set_type(m, *out, type);
  return QN_OK;
}

qn_status qn__fold_sink(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_op first = dcast_of(m, qn_op_operand(m, op, 0)), second = {0};
  if (!first.id) return QN_OK;
  qn_value a = qn_op_operand(m, first, 0), c = {0}, codes;
  const qn_quant *q = qn__quant_of(m, a);
  qn_op_kind kind = qn_op_kind_of(m, op);
  if (qn_op_num_operands(m, op) == 2) {
    second = dcast_of(m, qn_op_operand(m, op, 1));
    if (!second.id || !qn__is_whole(q) || !has_wide_codes(qn_module_context(m), q)) return QN_OK;
    c = qn_op_operand(m, second, 0);
    if (qn__quant_of(m, c) != q) return QN_OK;
  } else if (kind == QN_OP_RESHAPE || kind == QN_OP_MAX_POOL) {
    bool wide = kind == QN_OP_RESHAPE || has_wide_codes(qn_module_context(m), q);
    if (!qn__is_whole(q) || !wide) return QN_OK;
  }
  qn_status status = moved_codes(r, op, a, c, &codes);
  if (status) return status;
  qn_builder b = qn_builder_before(m, op);
  return qn__fold_replace(r, op, qn__fold_op1(&b, QN_OP_DCAST, codes, qn_value_type(m, qn_op_result(m, op, 0))));
}

/* ---- clamping ---- */

/* min(max(x, low), high) of a relu or clip. */
typedef struct limits {
  double low, high;
} limits;

static limits limits_of(const qn_module *m, qn_op op) {
  if (qn_op_kind_of(m, op) == QN_OP_RELU) return (limits){0, HUGE_VAL};
  return (limits){qn_op_get_float(m, op, "min"), qn_op_get_float(m, op, "max")};
}

/* The code that stands for a limit exactly: clamping codes there clamps floats there. A limit beyond all codes is the
 * last one. */
static bool exact_code(double limit, qn_qparams p, int32_t *out) {
  float low = qn_dequantize_f32(p.qmin, p), high = qn_dequantize_f32(p.qmax, p);
  *out = limit <= (double)low    ? p.qmin
         : limit >= (double)high ? p.qmax
                                 : qn_quantize_f32((float)limit, p, QN_ROUND_HALF_EVEN);
  float back = qn_dequantize_f32(*out, p);
  return limit <= (double)low || limit >= (double)high || (double)back == limit;
}

static qn_qparams whole_params(const qn_quant *q) {
  return (qn_qparams){qn__scale(q, 0), qn__zero(q, 0), (int32_t)q->qmin, (int32_t)q->qmax};
}

static qn_value clamp_codes(qn_builder *b, qn_value codes, int32_t low, int32_t high) {
  const qn_quant *q = qn__quant_of(b->module, codes);
  qn_value x = to_plain(b, codes);
  qn_type t = qn_value_type(b->module, x);
  qn_scalar s = qn_type_as_scalar(qn_module_context(b->module), qn_type_elem(qn_module_context(b->module), t));
  if (low > q->qmin) x = qn__fold_op2(b, QN_OP_MAXIMUM, x, qn__fold_ints(b, s, 0, NULL, &low), t);
  if (high < q->qmax) x = qn__fold_op2(b, QN_OP_MINIMUM, x, qn__fold_ints(b, s, 0, NULL, &high), t);
  return qn__fold_op1(b, QN_OP_SCAST, x, qn_value_type(b->module, codes));
}

qn_status qn__fold_sink_limits(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_op dcast = dcast_of(m, qn_op_operand(m, op, 0));
  if (!dcast.id) return QN_OK;
  qn_value codes = qn_op_operand(m, dcast, 0);
  const qn_quant *q = qn__quant_of(m, codes);
  int32_t low, high;
  limits l = limits_of(m, op);
  if (!has_wide_codes(qn_module_context(m), q) || !qn__is_whole(q) || !qn__codes_in_use(m, codes)) return QN_OK;
  if (!exact_code(l.low, whole_params(q), &low) || !exact_code(l.high, whole_params(q), &high)) return QN_OK;
  if (l.low > (double)qn_dequantize_f32((int32_t)q->qmax, whole_params(q)) ||
      l.high < (double)qn_dequantize_f32((int32_t)q->qmin, whole_params(q)))
    return QN_OK; /* a constant that is no code */
  if (low == q->qmin && high == q->qmax) return qn__fold_replace(r, op, qn_op_result(m, dcast, 0));
  qn_builder b = qn_builder_before(m, op);
  codes = clamp_codes(&b, codes, low, high);
  return qn__fold_replace(r, op, qn__fold_op1(&b, QN_OP_DCAST, codes, qn_value_type(m, qn_op_result(m, op, 0))));
}

/* ---- quantizing rises ---- */

qn_status qn__fold_rise(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_value y = qn_op_operand(m, op, 0);
  qn_op mover = qn_value_op(m, y);
  qn_op_kind kind = qn_op_kind_of(m, mover);
  qn_type to = qn_value_type(m, qn_op_result(m, op, 0));
  if ((kind != QN_OP_RESHAPE && kind != QN_OP_TRANSPOSE) || !qn_value_has_one_use(m, y)) return QN_OK;
  if (!qn__is_whole(qn_type_as_quant(ctx, qn_type_elem(ctx, to)))) return QN_OK;
  qn_builder b = qn_builder_before(m, op);
  qn_value x = qn_op_operand(m, mover, 0);
  qn_value q = qn__fold_op1(&b, QN_OP_QCAST, x, qn_type_with_elem(ctx, qn_value_type(m, x), qn_type_elem(ctx, to)));
  const char *name = kind == QN_OP_RESHAPE ? "shape" : "perm";
  qn_value moved = qn__fold_op1(&b, kind, q, to);
  qn_op_set_attr(m, qn_value_op(m, moved), name, qn_op_attr(m, mover, name));
  return qn__fold_replace(r, op, moved);
}

/* Quantizing is monotone: it turns a clamp of floats into one of codes, at the codes of the limits. NaN becomes the
 * code of 0 both ways. Nothing is left to do when those are the ends anyway. */
qn_status qn__fold_limits(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_op clamp = qn_value_op(m, qn_op_operand(m, op, 0));
  qn_op_kind kind = qn_op_kind_of(m, clamp);
  const qn_quant *q = qn__quant_of(m, qn_op_result(m, op, 0));
  if ((kind != QN_OP_RELU && kind != QN_OP_CLIP) || !qn__has_codes(ctx, q)) return QN_OK;
  qn_value x = qn_op_operand(m, clamp, 0);
  if (!qn_type_eq(qn_type_elem(ctx, qn_value_type(m, x)), q->expressed)) return QN_OK;
  limits l = limits_of(m, clamp);
  for (uint32_t i = 0; i < q->num_scales; i++) {
    qn_qparams p = {qn__scale(q, i), qn__zero(q, i), (int32_t)q->qmin, (int32_t)q->qmax};
    if (qn_quantize_f32((float)l.low, p, QN_ROUND_HALF_EVEN) != p.qmin ||
        qn_quantize_f32((float)l.high, p, QN_ROUND_HALF_EVEN) != p.qmax)
      return QN_OK;
  }
  qn_rewriter_set_operand(r, op, 0, x);
  return QN_OK;
}

/* ---- pairs ---- */

/* The axis that both types' scales run along; -1 for one scale, -2 where there is no multiplier for it. */
static int64_t common_axis(const qn_quant *a, const qn_quant *b) {
  if (qn__is_whole(a) && qn__is_whole(b)) return -1;
  const qn_quant *q = qn__is_whole(a) ? b : a;
  int64_t axis = q->blocks[0].axis;
  bool fits = (qn__is_whole(a) || qn__is_along(a, axis)) && (qn__is_whole(b) || qn__is_along(b, axis));
  return fits ? axis : -2;
}

/* f32(q - z) * m for each scale: as a vector [n, 1, ..] that broadcasts from the axis on. */
qn_status qn__fold_pair(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_op dcast = dcast_of(m, qn_op_operand(m, op, 0));
  if (!dcast.id) return QN_OK;
  qn_value codes = qn_op_operand(m, dcast, 0);
  qn_type to = qn_value_type(m, qn_op_result(m, op, 0)), from = qn_value_type(m, codes);
  const qn_quant *a = qn__quant_of(m, codes), *y = qn_type_as_quant(ctx, qn_type_elem(ctx, to));
  if (!qn__has_codes(ctx, a) || !qn__has_codes(ctx, y) || (y->zero_points && !qn__is_whole(y))) return QN_OK;
  if (a == y && qn__codes_in_use(m, codes)) return qn_type_eq(from, to) ? qn__fold_replace(r, op, codes) : QN_OK;
  int64_t axis = common_axis(a, y), shape[QN_MAX_RANK];
  if (axis < -1) return QN_OK;
  uint32_t n = a->num_scales > y->num_scales ? a->num_scales : y->num_scales;
  uint32_t rank = axis < 0 ? 0 : qn_type_rank(ctx, from) - (uint32_t)axis;
  for (uint32_t d = 0; d < rank; d++) shape[d] = d ? 1 : n;
  float *multipliers = qn_run_alloc(qn_rewriter_run(r), n * sizeof *multipliers);
  int32_t *zeros = qn_run_alloc(qn_rewriter_run(r), n * sizeof *zeros);
  if (!multipliers || !zeros) return QN_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < n; i++) {
    multipliers[i] = qn_requant_multiplier(qn__scale(a, i), 1, qn__scale(y, i));
    zeros[i] = qn__zero(a, i);
    if (!(multipliers[i] - multipliers[i] == 0)) return QN_OK;
  }
  qn_builder b = qn_builder_before(m, op);
  qn_type i32 = qn__as_scalars(m, from, QN_I32);
  qn_value acc = qn__fold_op1(&b, QN_OP_CAST, to_plain(&b, codes), i32);
  if (a->zero_points) acc = qn__fold_op2(&b, QN_OP_SUB, acc, qn__fold_ints(&b, QN_I32, rank, shape, zeros), i32);
  qn_value multiplier = qn__fold_f32(&b, rank, shape, multipliers);
  return qn__fold_replace(r, op, qn__fold_requantize(r, &b, acc, multiplier, to));
}
