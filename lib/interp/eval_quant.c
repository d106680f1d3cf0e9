/* Quantization with parameters that are part of a type, or values of the program. */
#include "codec.h"
#include "scalar.h"
#include <string.h>

/* A float element as f32, and f32 as a float element: quantization computes in f32 whatever the expressed type. */
static float read_float(const qn_tensor *t, int64_t i) {
  return t->elem == QN_F64 ? (float)qn__load_f64(QN_F64, t->data, (size_t)i)
                           : qn__load_f32(t->elem, t->data, (size_t)i);
}

static void write_float(qn_tensor *t, int64_t i, float v) {
  qn__store_f32(t->elem, t->data, (size_t)i, v);
}

static qn_rounding rounding_of(const qn_module *m, qn_op op) {
  bool away = qn_str_eq(qn_op_get_string(m, op, "rounding"), qn_str_of("half_away"));
  return away ? QN_ROUND_HALF_AWAY : QN_ROUND_HALF_EVEN;
}

static qn_status need_float(qn__frame *f, uint32_t i) {
  if (qn_scalar_is_float(f->in[i]->elem)) return QN_OK;
  return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH, "operand %u of %s has elements of type %s, expected a float",
                     i, qn_op_name(f->m, f->op).data, qn_scalar_get(f->in[i]->elem)->text);
}

/* ---- parameters in the type ---- */

static qn_status eval_qcast(qn__frame *f, qn_op op) {
  (void)op;
  const qn_tensor *x = f->in[0];
  qn__shape shape = qn__shape_of(x);
  qn__codec codec;
  qn_tensor *y;
  qn_status s = need_float(f, 0);
  if (s == QN_OK) s = qn__codec_init(f, qn__out_elem(f, 0), &shape, &codec);
  if (s == QN_OK) s = qn__codec_need_encode(f, &codec);
  if (s == QN_OK) s = qn__result(f, 0, x->rank, x->shape, &y);
  if (s != QN_OK) return s;
  int64_t index[QN_MAX_RANK] = {0}, n = qn_tensor_count(x);
  for (int64_t i = 0; i < n; i++, qn__next_index(index, x->shape, x->rank))
    qn__store_bits(y->elem, y->data, (size_t)i,
                   qn__codec_encode(&codec, qn__codec_index(&codec, index), read_float(x, i)));
  return QN_OK;
}
const qn__evaluator qn__eval_QCAST = {.eval = eval_qcast};

static qn_status eval_dcast(qn__frame *f, qn_op op) {
  (void)op;
  const qn_tensor *q = f->in[0];
  qn__shape shape = qn__shape_of(q);
  qn__codec codec;
  qn_tensor *y;
  qn_status s = qn__codec_init(f, qn__in_elem(f, 0), &shape, &codec);
  if (s == QN_OK) s = qn__result(f, 0, q->rank, q->shape, &y);
  if (s != QN_OK) return s;
  int64_t index[QN_MAX_RANK] = {0}, n = qn_tensor_count(q);
  for (int64_t i = 0; i < n; i++, qn__next_index(index, q->shape, q->rank))
    write_float(y, i,
                qn__codec_decode(&codec, qn__codec_index(&codec, index), qn__load_bits(q->elem, q->data, (size_t)i)));
  return QN_OK;
}
const qn__evaluator qn__eval_DCAST = {.eval = eval_dcast};

static qn_status eval_scast(qn__frame *f, qn_op op) {
  (void)op;
  const qn_tensor *x = f->in[0];
  qn_tensor *y;
  qn_status s = qn__result(f, 0, x->rank, x->shape, &y);
  if (s != QN_OK) return s;
  if (qn_tensor_bytes(y) != qn_tensor_bytes(x))
    return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH, "quant.scast keeps the bits, but %s and %s differ in width",
                       qn_scalar_get(x->elem)->text, qn_scalar_get(y->elem)->text);
  qn__copy_bytes(y->data, x->data, qn_tensor_bytes(x));
  return QN_OK;
}
const qn__evaluator qn__eval_SCAST = {.eval = eval_scast};

static qn_status eval_fake_quant(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  qn__shape shape = qn__shape_of(x);
  qn__codec codec;
  qn_tensor *y;
  qn_status s = need_float(f, 0);
  if (s == QN_OK) s = qn__codec_init(f, qn_attr_as_type(f->m, qn_op_attr(f->m, op, "type")), &shape, &codec);
  if (s == QN_OK) s = qn__codec_need_encode(f, &codec);
  if (s == QN_OK) s = qn__result(f, 0, x->rank, x->shape, &y);
  if (s != QN_OK) return s;
  codec.rounding = rounding_of(f->m, op);
  int64_t index[QN_MAX_RANK] = {0}, n = qn_tensor_count(x);
  for (int64_t i = 0; i < n; i++, qn__next_index(index, x->shape, x->rank)) {
    uint32_t at = qn__codec_index(&codec, index);
    write_float(y, i, qn__codec_decode(&codec, at, qn__codec_encode(&codec, at, read_float(x, i))));
  }
  return QN_OK;
}
const qn__evaluator qn__eval_FAKE_QUANT = {.eval = eval_fake_quant};

/* ---- requantize ---- */

typedef enum requant_mode { MODE_F32, MODE_FIXED, MODE_SINGLE } requant_mode;

static requant_mode mode_of(const qn_module *m, qn_op op) {
  qn_str mode = qn_op_get_string(m, op, "mode");
  return qn_str_eq(mode, qn_str_of("fixed"))    ? MODE_FIXED
         : qn_str_eq(mode, qn_str_of("single")) ? MODE_SINGLE
                                                : MODE_F32;
}

static qn_status requantize(qn__frame *f, requant_mode mode, qn_rounding rounding, int64_t acc, float multiplier,
                            qn_qparams y, int64_t *code) {
  if (mode == MODE_F32) {
    *code = qn_quantize_f32((float)acc * multiplier, y, rounding);
    return QN_OK;
  }
  qn_fixed_multiplier fixed;
  if (!qn_fixed_from_real((double)multiplier, &fixed))
    return qn_op_error(f->m, f->op, QN_DIAG_DATA,
                       "multiplier %g has no fixed-point form: it must be finite and not negative", (double)multiplier);
  *code =
      mode == MODE_FIXED ? qn_requantize_fixed((int32_t)acc, fixed, y) : qn_requantize_single((int32_t)acc, fixed, y);
  return QN_OK;
}

static qn_status need_broadcast_to(qn__frame *f, const qn__shape *shape, uint32_t i) {
  qn__shape common = *shape, other = qn__shape_of(f->in[i]);
  qn_status s = qn__broadcast(f, &common, &other);
  if (s != QN_OK ||
      (common.rank == shape->rank && !memcmp(common.size, shape->size, shape->rank * sizeof *shape->size)))
    return s;
  char a[QN__SHAPE_TEXT], b[QN__SHAPE_TEXT];
  return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "operand %u of %s, of sizes %s, does not broadcast to %s", i,
                     qn_op_name(f->m, f->op).data, qn__sizes_text(other.rank, other.size, a),
                     qn__sizes_text(shape->rank, shape->size, b));
}

static qn_status eval_requantize(qn__frame *f, qn_op op) {
  const qn_tensor *acc = f->in[0], *multiplier = f->in[1];
  qn__shape shape = qn__shape_of(acc);
  qn__codec codec;
  qn_tensor *y;
  requant_mode mode = mode_of(f->m, op);
  qn_rounding rounding = rounding_of(f->m, op);
  qn_status s = need_float(f, 1);
  if (s == QN_OK && mode != MODE_F32 && qn_scalar_get(acc->elem)->bits != 32)
    s = qn_op_error(f->m, op, QN_DIAG_UNSUPPORTED, "fixed-point requantization takes i32 accumulators, not %s",
                    qn_scalar_get(acc->elem)->text);
  if (s == QN_OK) s = need_broadcast_to(f, &shape, 1);
  if (s == QN_OK) s = qn__codec_init(f, qn__out_elem(f, 0), &shape, &codec);
  if (s == QN_OK) s = qn__codec_need_encode(f, &codec);
  if (s == QN_OK && (codec.is_float || codec.num_entries))
    s = qn_op_error(f->m, op, QN_DIAG_UNSUPPORTED, "accumulators are requantized to integer codes, not to %s",
                    qn_type_text(f->ctx, qn__out_elem(f, 0)).data);
  if (s == QN_OK) s = qn__result(f, 0, acc->rank, acc->shape, &y);
  if (s != QN_OK) return s;
  qn__view by = qn__view_of(multiplier, &shape);
  int64_t index[QN_MAX_RANK] = {0}, n = qn_tensor_count(acc), code = 0;
  for (int64_t i = 0; i < n && s == QN_OK; i++, qn__next_index(index, acc->shape, acc->rank)) {
    float by_i = read_float(multiplier, qn__view_offset(&by, index, acc->rank));
    s = requantize(f, mode, rounding, qn__load_i64(acc->elem, acc->data, (size_t)i), by_i,
                   qn__codec_codes(&codec, qn__codec_index(&codec, index)), &code);
    qn__store_bits(y->elem, y->data, (size_t)i, (uint64_t)code);
  }
  return s;
}
const qn__evaluator qn__eval_REQUANTIZE = {.eval = eval_requantize};

/* ---- parameters as values ---- */

/* A scale or zero point over x: one element, a vector along the op's axis, or a shape that broadcasts. */
static qn_status param_view(qn__frame *f, qn_op op, uint32_t i, const qn__shape *x, qn__view *out) {
  const qn_tensor *t = f->in[i];
  *out = (qn__view){.t = t};
  if (qn_tensor_count(t) == 1) return QN_OK;
  if (t->rank != 1) {
    qn_status s = need_broadcast_to(f, x, i);
    if (s == QN_OK) *out = qn__view_of(t, x);
    return s;
  }
  int64_t axis = qn_op_get_int(f->m, op, "axis");
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank || x->size[axis] != t->shape[0]) {
    char text[QN__SHAPE_TEXT];
    return qn_op_error(
        f->m, op, QN_DIAG_SHAPE, "operand %u of %s has %lld elements, which do not run along axis %lld of %s", i,
        qn_op_name(f->m, op).data, (long long)t->shape[0], (long long)axis, qn__sizes_text(x->rank, x->size, text));
  }
  out->stride[axis] = 1;
  return QN_OK;
}

typedef struct param_views {
  qn__view scale, zero; /* zero.t null when there is none */
} param_views;

static qn_status params_of(qn__frame *f, qn_op op, const qn__shape *x, param_views *out) {
  *out = (param_views){0};
  qn_status s = need_float(f, 1);
  if (s == QN_OK) s = param_view(f, op, 1, x, &out->scale);
  if (s == QN_OK && f->num_in > 2) s = param_view(f, op, 2, x, &out->zero);
  return s;
}

static qn_qparams param_at(const param_views *p, const int64_t *index, uint32_t rank) {
  qn_qparams r = {.scale = read_float(p->scale.t, qn__view_offset(&p->scale, index, rank))};
  if (p->zero.t && qn_scalar_is_int(p->zero.t->elem))
    r.zero_point =
        (int32_t)qn__load_i64(p->zero.t->elem, p->zero.t->data, (size_t)qn__view_offset(&p->zero, index, rank));
  return r;
}

static qn_status eval_quantize(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  qn__shape shape = qn__shape_of(x);
  param_views params;
  qn_tensor *y;
  qn_rounding rounding = rounding_of(f->m, op);
  qn_status s = need_float(f, 0);
  if (s == QN_OK) s = params_of(f, op, &shape, &params);
  if (s == QN_OK) s = qn__result(f, 0, x->rank, x->shape, &y);
  if (s != QN_OK) return s;
  bool to_float = qn_scalar_is_float(y->elem);
  if (qn_scalar_get(y->elem)->bits > (to_float ? 8 : 16))
    return qn_op_error(f->m, op, QN_DIAG_UNSUPPORTED, "%s is no storage to quantize to", qn_scalar_get(y->elem)->text);
  int64_t index[QN_MAX_RANK] = {0}, n = qn_tensor_count(x);
  for (int64_t i = 0; i < n; i++, qn__next_index(index, x->shape, x->rank)) {
    qn_qparams p = param_at(&params, index, x->rank);
    p.qmin = (int32_t)(to_float ? 0 : qn_scalar_min(y->elem));
    p.qmax = (int32_t)(to_float ? 0 : qn_scalar_max(y->elem));
    float v = read_float(x, i);
    uint64_t code = to_float ? qn_quantize_f8(v, p.scale, y->elem) : (uint64_t)(int64_t)qn_quantize_f32(v, p, rounding);
    qn__store_bits(y->elem, y->data, (size_t)i, code);
  }
  return QN_OK;
}
const qn__evaluator qn__eval_QUANTIZE = {.eval = eval_quantize};

static qn_status eval_dequantize(qn__frame *f, qn_op op) {
  const qn_tensor *q = f->in[0];
  qn__shape shape = qn__shape_of(q);
  param_views params;
  qn_tensor *y;
  qn_status s = params_of(f, op, &shape, &params);
  if (s == QN_OK) s = qn__result(f, 0, q->rank, q->shape, &y);
  if (s != QN_OK) return s;
  bool from_float = qn_scalar_is_float(q->elem);
  int64_t index[QN_MAX_RANK] = {0}, n = qn_tensor_count(q);
  for (int64_t i = 0; i < n; i++, qn__next_index(index, q->shape, q->rank)) {
    qn_qparams p = param_at(&params, index, q->rank);
    write_float(y, i,
                from_float ? qn__load_f32(q->elem, q->data, (size_t)i) * p.scale
                           : qn_dequantize_f32(qn__load_i64(q->elem, q->data, (size_t)i), p));
  }
  return QN_OK;
}
const qn__evaluator qn__eval_DEQUANTIZE = {.eval = eval_dequantize};

/* ---- parameters from the data ---- */

static qn_qparams_request request_of(const qn_module *m, qn_op op, qn_scalar storage) {
  qn_qparams_request r = qn_qparams_request_of(storage);
  r.scheme = qn_str_eq(qn_op_get_string(m, op, "scheme"), qn_str_of("symmetric")) ? QN_SYMMETRIC : QN_ASYMMETRIC;
  r.range = qn_str_eq(qn_op_get_string(m, op, "range"), qn_str_of("narrow")) ? QN_RANGE_NARROW : QN_RANGE_FULL;
  r.dynamic = true;
  return r;
}

/* One range of n elements, from element `first` of the tensor on: its parameters, number `row`, and codes. */
static qn_status quantize_range(qn__frame *f, const qn_qparams_request *r, const float *x, int64_t first, int64_t row,
                                int64_t n) {
  float min, max;
  qn_qparams p;
  const char *reason = "";
  qn_range_f32(x, (size_t)n, &min, &max);
  if (qn_qparams_choose(r, min, max, &p, &reason) != QN_OK)
    return qn_op_error(f->m, f->op, QN_DIAG_DATA, "no quantization parameters for [%g, %g]: %s", (double)min,
                       (double)max, reason);
  for (int64_t i = 0; i < n; i++)
    qn__store_i64(f->out[0].elem, f->out[0].data, (size_t)(first + i), qn_quantize_f32(x[i], p, QN_ROUND_HALF_EVEN));
  qn__store_f32(f->out[1].elem, f->out[1].data, (size_t)row, p.scale);
  qn__store_i64(f->out[2].elem, f->out[2].data, (size_t)row, p.zero_point);
  return QN_OK;
}

/* Rows cut into blocks of `block` elements, the last one of what is left: scales [.., blocks]. */
static qn_status quantize_blocks(qn__frame *f, qn_op op, int64_t block) {
  const qn_tensor *x = f->in[0];
  qn_tensor *y;
  if (x->rank == 0) return qn_op_error(f->m, op, QN_DIAG_SHAPE, "blocks need a last axis");
  qn__shape params = qn__shape_of(x);
  int64_t k = x->shape[x->rank - 1], blocks = k / block + (k % block != 0);
  params.size[x->rank - 1] = blocks;
  qn_status s = need_float(f, 0);
  if (s == QN_OK) s = qn__result(f, 0, x->rank, x->shape, &y);
  for (uint32_t i = 1; i < 3 && s == QN_OK; i++) {
    qn_tensor *p;
    s = qn__result(f, i, x->rank, params.size, &p);
  }
  float *values = s == QN_OK ? qn__scratch(f, (size_t)(block < k ? block : k) + 1, sizeof *values) : NULL;
  if (!values) return s != QN_OK ? s : QN_ERR_NO_MEMORY;
  qn_qparams_request request = request_of(f->m, op, y->elem);
  for (int64_t row = 0, rows = k ? qn_tensor_count(x) / k : 0; row < rows; row++)
    for (int64_t b = 0; b < blocks && s == QN_OK; b++) {
      int64_t first = row * k + b * block, n = k - b * block < block ? k - b * block : block;
      for (int64_t i = 0; i < n; i++) values[i] = read_float(x, first + i);
      s = quantize_range(f, &request, values, first, row * blocks + b, n);
    }
  return s;
}

static qn_status eval_dynamic_quantize(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  int64_t block = qn_op_get_int(f->m, op, "block");
  if (block > 0) return quantize_blocks(f, op, block);
  bool per_row = qn_op_get_bool(f->m, op, "per_row") && x->rank > 0;
  int64_t shape[QN_MAX_RANK] = {0}, n = qn_tensor_count(x), rows = 1;
  for (uint32_t d = 0; per_row && d < x->rank; d++) {
    shape[d] = d + 1 < x->rank ? x->shape[d] : 1;
    rows *= shape[d];
  }
  qn_tensor *q, *scale, *zero;
  qn_status s = need_float(f, 0);
  if (s == QN_OK) s = qn__result(f, 0, x->rank, x->shape, &q);
  if (s == QN_OK) s = qn__result(f, 1, per_row ? x->rank : 0, shape, &scale);
  if (s == QN_OK) s = qn__result(f, 2, per_row ? x->rank : 0, shape, &zero);
  if (s != QN_OK) return s;
  qn_qparams_request request = request_of(f->m, op, q->elem);
  int64_t row = rows ? n / rows : 0;
  float *values = qn__scratch(f, (size_t)n, sizeof *values);
  if (!values) return QN_ERR_NO_MEMORY;
  for (int64_t i = 0; i < n; i++) values[i] = read_float(x, i);
  for (int64_t i = 0; i < rows && s == QN_OK; i++) s = quantize_range(f, &request, values + i * row, i * row, i, row);
  return s;
}
const qn__evaluator qn__eval_DYNAMIC_QUANTIZE = {.eval = eval_dynamic_quantize};
