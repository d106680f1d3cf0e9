/* Elementwise ops and softmax. */
#include "onnx_impl.h"
#include <inttypes.h>
#include <math.h>

qn_status qn__onnx_op_unary(qn_onnx *im) {
  qn_value x;
  qn_status status = qn__onnx_input(im, 0, &x);
  return status == QN_OK ? qn__onnx_output(im, 0, qn_build1(&im->b, im->op->kind, x)) : status;
}

qn_status qn__onnx_op_binary(qn_onnx *im) {
  qn_value a, b;
  qn_status status = qn__onnx_input(im, 0, &a);
  if (status == QN_OK) status = qn__onnx_input(im, 1, &b);
  return status == QN_OK ? qn__onnx_output(im, 0, qn_build2(&im->b, im->op->kind, a, b)) : status;
}

/* ---- any number of operands ---- */

/* From the left, as ONNX's own evaluator does. */
static qn_status fold(qn_onnx *im, qn_op_kind kind, qn_value *out) {
  qn_status status = qn__onnx_input(im, 0, out);
  for (unsigned i = 1; status == QN_OK && i < im->node->n_input; i++) {
    qn_value next;
    status = qn__onnx_input(im, i, &next);
    if (status != QN_OK) break;
    *out = qn_build2(&im->b, kind, *out, next);
    if (!out->id) return qn__onnx_failed(im);
  }
  return status;
}

qn_status qn__onnx_op_variadic(qn_onnx *im) {
  if (im->node->n_input == 1) return qn__onnx_output_input(im, 0, 0);
  qn_value v;
  qn_status status = fold(im, im->op->kind, &v);
  return status == QN_OK ? qn__onnx_output(im, 0, v) : status;
}

qn_status qn__onnx_op_mean(qn_onnx *im) {
  if (im->node->n_input == 1) return qn__onnx_output_input(im, 0, 0);
  qn_value v;
  qn_status status = fold(im, QN_OP_ADD, &v);
  if (status != QN_OK) return status;
  qn_value n = qn__onnx_scalar_const(im, qn__onnx_elem(im, v), (double)im->node->n_input);
  return qn__onnx_output(im, 0, qn_build2(&im->b, QN_OP_DIV, v, n));
}

qn_status qn__onnx_op_reciprocal(qn_onnx *im) {
  qn_value x;
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  qn_value one = qn__onnx_scalar_const(im, qn__onnx_elem(im, x), 1);
  return qn__onnx_output(im, 0, qn_build2(&im->b, QN_OP_DIV, one, x));
}

qn_status qn__onnx_op_gelu(qn_onnx *im) {
  qn_value x;
  qn_str approximate = {"none", 4};
  qn_status status = qn__onnx_attr_string(im, "approximate", &approximate);
  if (status == QN_OK) status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  bool tanh = qn_str_eq(approximate, qn_str_of("tanh"));
  if (!tanh && !qn_str_eq(approximate, qn_str_of("none")))
    return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute 'approximate' is '%.*s', expected 'none' or 'tanh'",
                          (int)approximate.size, approximate.data);
  const qn_named_attr attr = qn_named(im->m, "approximate", qn_attr_string(im->m, approximate));
  return qn__onnx_output(im, 0, qn_op_result(im->m, qn_op_build(&im->b, QN_OP_GELU, 1, &x, tanh ? 1 : 0, &attr), 0));
}

/* ---- clip ---- */

static qn_value build_clip(qn_onnx *im, qn_value x, double min, double max) {
  qn_type elem = qn_type_elem(im->ctx, qn__onnx_type_of(im, x));
  const qn_named_attr attrs[2] = {qn_named(im->m, "min", qn_attr_float(im->m, elem, min)),
                                  qn_named(im->m, "max", qn_attr_float(im->m, elem, max))};
  return qn_op_result(im->m, qn_op_build(&im->b, QN_OP_CLIP, 1, &x, 2, attrs), 0);
}

/* Bounds that cross give max, which is what a maximum followed by a minimum gives. */
static qn_status clip_by_values(qn_onnx *im, qn_value x, const qn_value *min, const qn_value *max) {
  if (min) x = qn_build2(&im->b, QN_OP_MAXIMUM, x, *min);
  if (max && x.id) x = qn_build2(&im->b, QN_OP_MINIMUM, x, *max);
  return qn__onnx_output(im, 0, x);
}

qn_status qn__onnx_op_clip_attrs(qn_onnx *im) {
  float min = -3.40282347e+38f, max = 3.40282347e+38f;
  qn_value x;
  qn_status status = qn__onnx_attr_float(im, "min", &min);
  if (status == QN_OK) status = qn__onnx_attr_float(im, "max", &max);
  if (status == QN_OK) status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  if (min <= max && qn_scalar_is_float(qn__onnx_elem(im, x)))
    return qn__onnx_output(im, 0, build_clip(im, x, min, max));
  qn_value low = qn__onnx_scalar_const(im, qn__onnx_elem(im, x), (double)min);
  qn_value high = qn__onnx_scalar_const(im, qn__onnx_elem(im, x), (double)max);
  return clip_by_values(im, x, &low, &high);
}

/* A bound: the value, and its number when it is a constant one. */
typedef struct bound {
  bool given, known;
  double number;
} bound;

static qn_status read_bound(qn_onnx *im, unsigned i, bound *b) {
  qn_tensor t;
  *b = (bound){.given = qn__onnx_has_input(im, i)};
  qn_status status = qn__onnx_const_input(im, i, &t, &b->known);
  if (status != QN_OK || !b->known) return status;
  if (qn_tensor_count(&t) != 1)
    return qn__onnx_error(im, QN_DIAG_SHAPE, "input %u has %" PRId64 " elements, expected one", i, qn_tensor_count(&t));
  b->number = qn_tensor_get_f64(&t, 0);
  return QN_OK;
}

qn_status qn__onnx_op_clip_inputs(qn_onnx *im) {
  bound low, high;
  qn_value x, min = {0}, max = {0};
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status == QN_OK) status = read_bound(im, 1, &low);
  if (status == QN_OK) status = read_bound(im, 2, &high);
  if (status != QN_OK) return status;
  if (!low.given && !high.given) return qn__onnx_output_input(im, 0, 0);
  bool is_float = qn_scalar_is_float(qn__onnx_elem(im, x));
  if (is_float && low.known && high.known && low.number <= high.number)
    return qn__onnx_output(im, 0, build_clip(im, x, low.number, high.number));
  if (low.given) status = qn__onnx_input(im, 1, &min);
  if (status == QN_OK && high.given) status = qn__onnx_input(im, 2, &max);
  if (status != QN_OK) return status;
  return clip_by_values(im, x, low.given ? &min : NULL, high.given ? &max : NULL);
}

/* ---- cast ---- */

qn_status qn__onnx_op_cast(qn_onnx *im) {
  int64_t to = 0, saturate = 1;
  qn_value x;
  char room[32];
  qn_str round_mode = {"up", 2};
  qn_status status = qn__onnx_attr_int(im, "to", &to);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "saturate", &saturate);
  if (status == QN_OK) status = qn__onnx_attr_string(im, "round_mode", &round_mode);
  if (status == QN_OK) status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  qn_scalar elem = qn__onnx_scalar(to);
  if (elem == QN_SCALAR_NONE)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "casts to %s, expected a type of numbers that 'quern types' lists",
                          qn__onnx_scalar_name(to, room));
  bool small = qn_scalar_is_float(elem) && qn_scalar_get(elem)->bits <= 8;
  if (small && !saturate)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "casts to %s without saturation; only saturate = 1 can be imported",
                          qn_scalar_get(elem)->text);
  if (elem == QN_F8E8M0FNU && qn__onnx_elem(im, x) != elem)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "casts to f8E8M0FNU with round_mode '%.*s', which is not supported",
                          (int)round_mode.size, round_mode.data);
  qn_type type = qn_type_with_elem(im->ctx, qn__onnx_type_of(im, x), qn_type_scalar(im->ctx, elem));
  if (qn_type_eq(type, qn__onnx_type_of(im, x))) return qn__onnx_output_input(im, 0, 0);
  return qn__onnx_output(im, 0, qn_build_cast(&im->b, QN_OP_CAST, x, type));
}

/* ---- softmax ---- */

static qn_value build_softmax(qn_onnx *im, qn_value x, int64_t axis) {
  const qn_named_attr attr = qn_named(im->m, "axis", qn_attr_int(im->m, (qn_type){0}, axis));
  return qn_op_result(im->m, qn_op_build(&im->b, QN_OP_SOFTMAX, 1, &x, axis == -1 ? 0 : 1, &attr), 0);
}

/* The input, its rank, and the axis, which is `*axis` where the node has none. */
static qn_status softmax_operands(qn_onnx *im, qn_value *x, uint32_t *rank, int64_t *axis) {
  qn_status status = qn__onnx_attr_int(im, "axis", axis);
  if (status == QN_OK) status = qn__onnx_input(im, 0, x);
  if (status != QN_OK) return status;
  *rank = qn__onnx_rank(im, *x);
  return qn__onnx_axis(im, "attribute 'axis'", axis, *rank);
}

qn_status qn__onnx_op_softmax(qn_onnx *im) {
  int64_t axis = -1;
  uint32_t rank;
  qn_value x;
  qn_status status = softmax_operands(im, &x, &rank, &axis);
  if (status != QN_OK) return status;
  return qn__onnx_output(im, 0, build_softmax(im, x, axis == (int64_t)rank - 1 ? -1 : axis));
}

/* Up to version 12: x is seen as a matrix, the axes before `axis` its rows, and each row is normalized as a whole. */
qn_status qn__onnx_op_softmax_flat(qn_onnx *im) {
  int64_t axis = 1;
  uint32_t rank;
  qn_value x, flat, back;
  qn_status status = softmax_operands(im, &x, &rank, &axis);
  if (status != QN_OK) return status;
  if (axis == (int64_t)rank - 1) return qn__onnx_output(im, 0, build_softmax(im, x, -1));
  status = qn__onnx_flatten(im, x, (uint32_t)axis, &flat);
  if (status != QN_OK) return status;
  flat = build_softmax(im, flat, -1);
  if (!flat.id) return qn__onnx_failed(im);
  status = qn__onnx_unflatten(im, flat, x, (uint32_t)axis, &back);
  return status == QN_OK ? qn__onnx_output(im, 0, back) : status;
}
