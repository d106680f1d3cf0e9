/* Convolutions and pools. They are built channels-last, between transpositions that later passes cancel; images of one
 * spatial axis have a height of 1 meanwhile. */
#include "onnx_qparam.h"
#include <inttypes.h>
#include <quern/unstable/window.h>

/* ---- geometry ---- */

typedef struct geometry {
  uint32_t axes;     /* spatial ones: 1 or 2 */
  int64_t kernel[2]; /* height, width; likewise below */
  int64_t strides[2], dilations[2], pads[4], extra[2], group;
} geometry;

/* An attribute of n numbers per spatial axis; the height of lines keeps its default. */
static qn_status read_numbers(qn_onnx *im, const char *name, uint32_t axes, uint32_t per_axis, int64_t low,
                              int64_t *out) {
  size_t n = 0;
  const int64_t *v = NULL;
  qn_status status = qn__onnx_attr_ints(im, name, &n, &v);
  if (status != QN_OK || !qn__onnx_attr(im, name)) return status;
  bool good = n == (size_t)axes * per_axis;
  for (size_t i = 0; good && i < n; i++) {
    good = v[i] >= low && v[i] <= QN_WINDOW_LIMIT;
    out[i / axes * 2 + (2 - axes) + i % axes] = v[i];
  }
  if (good) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_ATTRIBUTE,
                        "attribute '%s' has %zu numbers, expected %u from %" PRId64 " to %d for an image of %u axes",
                        name, n, axes * per_axis, low, QN_WINDOW_LIMIT, axes);
}

static int64_t spatial(const qn_onnx *im, qn_value x, const geometry *g, uint32_t axis) {
  if (axis + g->axes < 2) return 1;
  return qn_type_shape(im->ctx, qn__onnx_type_of(im, x))[axis + g->axes];
}

static int64_t span_of(const geometry *g, uint32_t axis) {
  return (g->kernel[axis] - 1) * g->dilations[axis] + 1;
}

/* Padding for ceil(size / stride) windows. */
static qn_status same_padding(qn_onnx *im, qn_value x, geometry *g, bool upper) {
  for (uint32_t a = 2 - g->axes; a < 2; a++) {
    int64_t size = spatial(im, x, g, a);
    if (size == QN_DYNAMIC)
      return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                            "attribute 'auto_pad' needs the sizes of the image: bind them with --dim");
    int64_t all = ((size + g->strides[a] - 1) / g->strides[a] - 1) * g->strides[a] + span_of(g, a) - size;
    if (all < 0) all = 0;
    g->pads[a] = upper ? all / 2 : all - all / 2;
    g->pads[2 + a] = all - g->pads[a];
  }
  return QN_OK;
}

static qn_status auto_padding(qn_onnx *im, qn_value x, geometry *g) {
  qn_str mode = {0};
  qn_status status = qn__onnx_attr_string(im, "auto_pad", &mode);
  if (status != QN_OK || !mode.size || qn_str_eq(mode, qn_str_of("NOTSET"))) return status;
  bool upper = qn_str_eq(mode, qn_str_of("SAME_UPPER"));
  if (upper || qn_str_eq(mode, qn_str_of("SAME_LOWER"))) return same_padding(im, x, g, upper);
  if (qn_str_eq(mode, qn_str_of("VALID"))) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_ATTRIBUTE,
                        "attribute 'auto_pad' is '%.*s', expected NOTSET, SAME_UPPER, SAME_LOWER or VALID",
                        (int)mode.size, mode.data);
}

/* A last window that begins inside the image or its padding counts when sizes are rounded up. */
static qn_status ceil_padding(qn_onnx *im, qn_value x, geometry *g) {
  int64_t ceil_mode = 0;
  qn_status status = qn__onnx_attr_int(im, "ceil_mode", &ceil_mode);
  if (status != QN_OK || !ceil_mode) return status;
  for (uint32_t a = 2 - g->axes; a < 2; a++) {
    int64_t size = spatial(im, x, g, a), s = g->strides[a], room = size + g->pads[a] + g->pads[2 + a] - span_of(g, a);
    if (size == QN_DYNAMIC)
      return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                            "attribute 'ceil_mode' needs the sizes of the image: bind them with --dim");
    if (room < 0) continue;
    int64_t count = (room + s - 1) / s + 1;
    if ((count - 1) * s >= size + g->pads[a]) count--;
    if ((count - 1) * s > room) g->extra[a] = (count - 1) * s - room;
  }
  return QN_OK;
}

/* kernel: sizes known from the weights, or null. */
static qn_status read_geometry(qn_onnx *im, qn_value x, const int64_t *kernel, geometry *g) {
  *g = (geometry){.kernel = {1, 1}, .strides = {1, 1}, .dilations = {1, 1}, .group = 1};
  uint32_t rank = qn__onnx_rank(im, x);
  if (rank != 3 && rank != 4)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                          "takes an image of %u axes, only one or two besides batch and "
                          "channels can be imported",
                          rank < 2 ? rank : rank - 2);
  g->axes = rank - 2;
  qn_status status = read_numbers(im, "kernel_shape", g->axes, 1, 1, g->kernel);
  for (uint32_t a = 0; kernel && a < 2 && status == QN_OK; a++) {
    if (qn__onnx_attr(im, "kernel_shape") && g->kernel[a] != kernel[a])
      status =
          qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute 'kernel_shape' has %" PRId64 ", the weights have %" PRId64,
                         g->kernel[a], kernel[a]);
    g->kernel[a] = kernel[a];
  }
  if (status == QN_OK) status = read_numbers(im, "strides", g->axes, 1, 1, g->strides);
  if (status == QN_OK) status = read_numbers(im, "dilations", g->axes, 1, 1, g->dilations);
  if (status == QN_OK) status = read_numbers(im, "pads", g->axes, 2, 0, g->pads);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "group", &g->group);
  if (status == QN_OK) status = auto_padding(im, x, g);
  return status == QN_OK ? ceil_padding(im, x, g) : status;
}

/* ---- building ---- */

static qn_value permuted(qn_onnx *im, qn_value x, const int64_t perm[4]) {
  const qn_named_attr a = qn_named(im->m, "perm", qn_attr_ints(im->m, QN_I64, 4, perm));
  return x.id ? qn_op_result(im->m, qn_op_build(&im->b, QN_OP_TRANSPOSE, 1, &x, 1, &a), 0) : x;
}

/* [N,C,W] as [N,C,1,W], then channels-last. */
static qn_value to_last(qn_onnx *im, qn_value x) {
  static const int64_t perm[4] = {0, 2, 3, 1}, image[4] = {-2, -3, 1, -4};
  if (qn__onnx_rank(im, x) == 3) x = qn__onnx_reshape(im, x, 4, image);
  return permuted(im, x, perm);
}

static qn_value to_first(qn_onnx *im, qn_value y, uint32_t axes) {
  static const int64_t perm[4] = {0, 3, 1, 2}, line[3] = {-2, -3, -5};
  y = permuted(im, y, perm);
  return y.id && axes == 1 ? qn__onnx_reshape(im, y, 3, line) : y;
}

/* [O,C,KH,KW] as [KH,KW,C,O]. */
static qn_value weights_last(qn_onnx *im, qn_value w) {
  static const int64_t perm[4] = {2, 3, 1, 0}, image[4] = {-2, -3, 1, -4};
  if (qn__onnx_rank(im, w) == 3) w = qn__onnx_reshape(im, w, 4, image);
  return permuted(im, w, perm);
}

static qn_attr numbers(qn_onnx *im, uint32_t n, const int64_t *v, int64_t usual) {
  bool given = false;
  for (uint32_t i = 0; i < n; i++) given |= v[i] != usual;
  return given ? qn_attr_ints(im->m, QN_I64, n, v) : (qn_attr){0};
}

static qn_value build(qn_onnx *im, qn_op_kind kind, uint32_t n, const qn_value *operands, const geometry *g) {
  bool pool = kind == QN_OP_MAX_POOL || kind == QN_OP_AVERAGE_POOL;
  int64_t count = 0;
  if (kind == QN_OP_AVERAGE_POOL && qn__onnx_attr_int(im, "count_include_pad", &count) != QN_OK) return (qn_value){0};
  const qn_named_attr attrs[] = {
      qn_named(im->m, "strides", numbers(im, 2, g->strides, 1)),
      qn_named(im->m, "dilations", numbers(im, 2, g->dilations, 1)),
      qn_named(im->m, "pads", numbers(im, 4, g->pads, 0)),
      qn_named(im->m, "groups", g->group == 1 ? (qn_attr){0} : qn_attr_int(im->m, (qn_type){0}, g->group)),
      qn_named(im->m, "kernel", pool ? qn_attr_ints(im->m, QN_I64, 2, g->kernel) : (qn_attr){0}),
      qn_named(im->m, "extra", numbers(im, 2, g->extra, 0)),
      qn_named(im->m, "count_pads", count ? qn_attr_bool(im->m, true) : (qn_attr){0})};
  for (uint32_t i = 0; i < n; i++)
    if (!operands[i].id) return (qn_value){0};
  return qn_op_result(im->m, qn_op_build(&im->b, kind, n, operands, sizeof attrs / sizeof *attrs, attrs), 0);
}

/* Sizes of the weights' window, which must be known. */
static qn_status window_of(qn_onnx *im, unsigned input, qn_value w, qn_value x, int64_t kernel[2]) {
  uint32_t rank = qn__onnx_rank(im, w);
  const int64_t *shape = qn_type_shape(im->ctx, qn__onnx_type_of(im, w));
  if (rank == qn__onnx_rank(im, x) && (rank == 3 || rank == 4)) {
    kernel[0] = rank == 4 ? shape[2] : 1;
    kernel[1] = shape[rank - 1];
    bool good = kernel[0] >= 1 && kernel[0] <= QN_WINDOW_LIMIT && kernel[1] >= 1 && kernel[1] <= QN_WINDOW_LIMIT;
    return good ? QN_OK
                : qn__onnx_error(im, QN_DIAG_SHAPE,
                                 "input %u has a window of %" PRId64 " x %" PRId64
                                 ", expected sizes that are known, from 1 to %d",
                                 input, kernel[0], kernel[1], QN_WINDOW_LIMIT);
  }
  return qn__onnx_error(im, QN_DIAG_SHAPE, "input %u is %s, expected the rank of the image %s, 3 or 4", input,
                        qn_type_text(im->ctx, qn__onnx_type_of(im, w)).data,
                        qn_type_text(im->ctx, qn__onnx_type_of(im, x)).data);
}

/* Ends a handler: y is channels-last. */
static qn_status finish(qn_onnx *im, qn_value y, const geometry *g) {
  if (!y.id) return qn__onnx_failed(im);
  return qn__onnx_output(im, 0, to_first(im, y, g->axes));
}

/* ---- Conv, ConvInteger ---- */

qn_status qn__onnx_op_conv(qn_onnx *im) {
  qn_value x, w, bias;
  geometry g;
  int64_t kernel[2];
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status == QN_OK) status = qn__onnx_input(im, 1, &w);
  if (status == QN_OK) status = window_of(im, 1, w, x, kernel);
  if (status == QN_OK) status = read_geometry(im, x, kernel, &g);
  if (status == QN_OK && qn__onnx_has_input(im, 2)) status = qn__onnx_input(im, 2, &bias);
  if (status != QN_OK) return status;
  const qn_value operands[2] = {to_last(im, x), weights_last(im, w)};
  qn_value y = build(im, QN_OP_CONV2D, 2, operands, &g);
  if (y.id && qn__onnx_has_input(im, 2)) y = qn_build2(&im->b, QN_OP_ADD, y, bias);
  return finish(im, y, &g);
}

/* quern.conv2d_integer of inputs x, w and their zero points. */
static qn_status build_integer(qn_onnx *im, unsigned w, unsigned zx, unsigned zw, geometry *g, qn_value *out) {
  qn_value operands[4];
  int64_t kernel[2];
  bool has_zx = qn__onnx_has_input(im, zx), has_zw = qn__onnx_has_input(im, zw);
  qn_status status = qn__onnx_input(im, 0, &operands[0]);
  if (status == QN_OK) status = qn__onnx_input(im, w, &operands[1]);
  if (status == QN_OK) status = window_of(im, w, operands[1], operands[0], kernel);
  if (status == QN_OK) status = read_geometry(im, operands[0], kernel, g);
  if (status == QN_OK && has_zx) status = qn__onnx_input(im, zx, &operands[2]);
  if (status == QN_OK && has_zw) status = qn__onnx_input(im, zw, &operands[3]);
  if (status != QN_OK) return status;
  if (!has_zx && has_zw) operands[2] = qn__onnx_scalar_const(im, qn__onnx_elem(im, operands[0]), 0);
  operands[0] = to_last(im, operands[0]);
  operands[1] = weights_last(im, operands[1]);
  *out = build(im, QN_OP_CONV2D_INTEGER, has_zw ? 4 : has_zx ? 3 : 2, operands, g);
  return out->id ? QN_OK : qn__onnx_failed(im);
}

qn_status qn__onnx_op_conv_integer(qn_onnx *im) {
  geometry g;
  qn_value y;
  qn_status status = build_integer(im, 1, 2, 3, &g, &y);
  return status == QN_OK ? finish(im, y, &g) : status;
}

/* ---- QLinearConv ---- */

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

static bool is_single(const qn_onnx_qparam *p) {
  return p->is_const && qn_tensor_count(&p->scale) == 1 && p->scale.rank <= 1;
}

static qn_status add_bias(qn_onnx *im, qn_value *acc) {
  qn_value bias;
  if (!qn__onnx_has_input(im, BIAS)) return QN_OK;
  qn_status status = qn__onnx_input(im, BIAS, &bias);
  if (status == QN_OK) *acc = qn_build2(&im->b, QN_OP_ADD, *acc, bias);
  return status == QN_OK && !acc->id ? qn__onnx_failed(im) : status;
}

/* Parameters in types. */
static qn_status build_typed(qn_onnx *im, const qn_onnx_qparam *px, const qn_onnx_qparam *pw,
                             const qn_onnx_qparam *py) {
  qn_type tx, tw, ty;
  qn_value x, w, codes;
  geometry g;
  int64_t kernel[2];
  qn_status status = qn__onnx_qparam_type(im, px, &tx);
  if (status == QN_OK) status = qn__onnx_qparam_type(im, pw, &tw);
  if (status == QN_OK) status = qn__onnx_qparam_type(im, py, &ty);
  if (status == QN_OK) status = qn__onnx_codes(im, qn__onnx_input_value(im, X), tx, &x);
  if (status == QN_OK) status = qn__onnx_codes(im, qn__onnx_input_value(im, W), tw, &w);
  if (status == QN_OK) status = window_of(im, W, w, x, kernel);
  if (status == QN_OK) status = read_geometry(im, x, kernel, &g);
  if (status != QN_OK) return status;
  const qn_value operands[2] = {to_last(im, x), weights_last(im, w)};
  qn_value acc = build(im, QN_OP_CONV2D, 2, operands, &g);
  if (!acc.id) return qn__onnx_failed(im);
  status = add_bias(im, &acc);
  if (status == QN_OK) status = qn__onnx_requantize(im, acc, tx, tw, ty, &codes);
  if (status != QN_OK) return status;
  qn_value y = to_first(im, codes, g.axes);
  return y.id ? qn__onnx_output_codes(im, 0, y, py->codes) : qn__onnx_failed(im);
}

static qn_status scale_operand(qn_onnx *im, unsigned input, qn_value *out) {
  qn_status status = qn__onnx_input(im, input, out);
  if (status != QN_OK) return status;
  qn_type type = qn__onnx_type_of(im, *out);
  if (qn_type_rank(im->ctx, type) > 1)
    return qn__onnx_error(im, QN_DIAG_SHAPE, "input %u is %s, expected one scale or a vector of them", input,
                          qn_type_text(im->ctx, type).data);
  return QN_OK;
}

/* Parameters as values: the same steps in f32 arithmetic. */
static qn_status build_with_operands(qn_onnx *im) {
  qn_value acc, x, w, y, zero, codes;
  geometry g;
  qn_status status = build_integer(im, W, X_ZERO, W_ZERO, &g, &acc);
  if (status == QN_OK) status = add_bias(im, &acc);
  if (status == QN_OK) status = scale_operand(im, X_SCALE, &x);
  if (status == QN_OK) status = scale_operand(im, W_SCALE, &w);
  if (status == QN_OK) status = scale_operand(im, Y_SCALE, &y);
  if (status == QN_OK) status = qn__onnx_input(im, Y_ZERO, &zero);
  if (status != QN_OK) return status;
  const qn_value scales[3] = {x, w, y};
  status = qn__onnx_requantize_by(im, acc, scales, zero, &codes);
  return status == QN_OK ? finish(im, codes, &g) : status;
}

qn_status qn__onnx_op_qlinear_conv(qn_onnx *im) {
  qn_onnx_qparam x, w, y = {.scale_input = Y_SCALE, .zero_input = Y_ZERO};
  qn_status status = qn__onnx_qlinear_side(im, X, X_SCALE, &x);
  if (status == QN_OK) status = qn__onnx_qlinear_side(im, W, W_SCALE, &w);
  if (status == QN_OK) status = qn__onnx_qparam_read(im, &y);
  if (status != QN_OK) return status;
  y.codes = y.zero.elem;
  w.axis = 0;
  bool typed = is_single(&x) && is_single(&y) && w.is_const && w.scale.rank <= 1 && w.rank == 4;
  return typed ? build_typed(im, &x, &w, &y) : build_with_operands(im);
}

/* ---- pools ---- */

qn_status qn__onnx_op_pool(qn_onnx *im) {
  qn_value x;
  geometry g;
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status == QN_OK) status = read_geometry(im, x, NULL, &g);
  if (status != QN_OK) return status;
  if (qn__onnx_has_output(im, 1))
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "gives the places of what it finds, which cannot be imported");
  if (!qn__onnx_attr(im, "kernel_shape"))
    return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "has no attribute 'kernel_shape'");
  x = to_last(im, x);
  return finish(im, build(im, im->op->kind, 1, &x, &g), &g);
}

qn_status qn__onnx_op_global_pool(qn_onnx *im) {
  qn_value x;
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  const geometry g = {.axes = qn__onnx_rank(im, x) - 2};
  if (g.axes != 1 && g.axes != 2)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "takes an image of rank %u, only 3 and 4 can be imported",
                          qn__onnx_rank(im, x));
  return finish(im, qn_build1(&im->b, im->op->kind, to_last(im, x)), &g);
}

/* ---- BatchNormalization ---- */

/* y = x * k + (bias - mean * k), k = scale / sqrt(variance + epsilon): of constants both are constants. */
qn_status qn__onnx_op_batch_normalization(qn_onnx *im) {
  float epsilon = 1e-5f;
  int64_t training = 0, spatial_mode = 1, shape[QN_MAX_RANK];
  qn_value in[5];
  qn_status status = qn__onnx_attr_float(im, "epsilon", &epsilon);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "training_mode", &training);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "spatial", &spatial_mode);
  for (unsigned i = 0; i < 5 && status == QN_OK; i++) status = qn__onnx_input(im, i, &in[i]);
  if (status != QN_OK) return status;
  uint32_t rank = qn__onnx_rank(im, in[0]);
  for (unsigned i = 1; i < 5; i++) training |= qn__onnx_has_output(im, i);
  if (training || !spatial_mode || rank < 2)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                          "is in training mode, not per channel or without channels, which cannot be imported");
  shape[0] = -2;
  for (uint32_t d = 1; d + 1 < rank; d++) shape[d] = 1;
  qn_value sum =
      qn_build2(&im->b, QN_OP_ADD, in[4], qn__onnx_scalar_const(im, qn__onnx_elem(im, in[4]), (double)epsilon));
  qn_value root = sum.id ? qn_build1(&im->b, QN_OP_SQRT, sum) : sum;
  qn_value k = root.id ? qn_build2(&im->b, QN_OP_DIV, in[1], root) : root;
  qn_value mean = k.id ? qn_build2(&im->b, QN_OP_MUL, in[3], k) : k;
  qn_value c = mean.id ? qn_build2(&im->b, QN_OP_SUB, in[2], mean) : mean;
  if (!c.id) return qn__onnx_failed(im);
  k = qn__onnx_reshape(im, k, rank - 1, shape);
  c = qn__onnx_reshape(im, c, rank - 1, shape);
  qn_value y = k.id && c.id ? qn_build2(&im->b, QN_OP_MUL, in[0], k) : (qn_value){0};
  if (y.id) y = qn_build2(&im->b, QN_OP_ADD, y, c);
  return y.id ? qn__onnx_output(im, 0, y) : qn__onnx_failed(im);
}
