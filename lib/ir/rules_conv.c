/* Rules of convolutions and pools, and of the kernels made of them. */
#include "context_impl.h"
#include "rule_util.h"
#include <quern/unstable/window.h>

/* ---- images ---- */

static qn_status read_conv(qn_module *m, qn_op op, qn_conv *c) {
  if (qn_conv_read(m, op, c)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                     "expected two strides, dilations and sizes of the window from 1 to %d, four pads (top, left, "
                     "bottom, right) from 0, groups of at least 1 and weights of rank 4 with a window of known size",
                     QN_WINDOW_LIMIT);
}

static qn_status need_image(qn_module *m, qn_op op, qn_dims *x) {
  qn_status status = qn__need_tensor(m, op, 0);
  if (status != QN_OK) return status;
  *x = qn__dims_of(qn_module_context(m), qn__operand_type(m, op, 0));
  if (x->rank == 4) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "operand '%s' is %s, expected an image of rank 4", qn__operand_c(m, op, 0),
                     qn__type_c(m, qn__operand_type(m, op, 0)));
}

/* x with height and width of the windows along it. */
static qn_status slide(qn_module *m, qn_op op, const qn_conv *c, const qn_dims *x, qn_dims *y) {
  uint32_t axes[4];
  qn_conv_axes(c->nchw, axes);
  *y = *x;
  for (int a = 0; a < 2; a++) {
    uint32_t d = axes[1 + a];
    bool known = c->window.size[a] == 0 || x->size[d] != QN_DYNAMIC;
    y->symbol[d] = (qn_name){0};
    if (known) y->size[d] = qn_conv_count(c, a, x->size[d]);
    if (!known || y->size[d] >= 1) continue;
    return qn_op_error(m, op, QN_DIAG_SHAPE, "the window spans %lld elements, but %s has %lld of them with padding",
                       (long long)qn_window_span(&c->window, a), qn__type_c(m, qn__operand_type(m, op, 0)),
                       (long long)(x->size[d] + c->pads[a] + c->pads[2 + a] + c->extra[a]));
  }
  return QN_OK;
}

/* ---- convolution ---- */

static qn_status conv_dims(qn_module *m, qn_op op, qn_conv *c, qn_dims *y) {
  qn_context *ctx = qn_module_context(m);
  qn_dims x;
  qn_status status = need_image(m, op, &x);
  if (status == QN_OK) status = qn__need_tensor(m, op, 1);
  if (status == QN_OK) status = read_conv(m, op, c);
  if (status != QN_OK) return status;
  uint32_t axes[4];
  qn_conv_axes(c->nchw, axes);
  const qn_dims w = qn__dims_of(ctx, qn__operand_type(m, op, 1));
  int64_t channels = x.size[axes[3]], in = w.size[c->nchw ? 1 : 2], out = w.size[c->nchw ? 0 : 3];
  if (channels == QN_DYNAMIC || in == QN_DYNAMIC || out == QN_DYNAMIC || channels > QN_WINDOW_CHANNELS ||
      out > QN_WINDOW_CHANNELS || channels % c->window.groups || out % c->window.groups ||
      channels / c->window.groups != in)
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "weights %s and image %s in %lld groups: expected known channels, of the weights as many as of "
                       "the image in each group",
                       qn__type_c(m, qn__operand_type(m, op, 1)), qn__type_c(m, qn__operand_type(m, op, 0)),
                       (long long)c->window.groups);
  status = slide(m, op, c, &x, y);
  y->size[axes[3]] = out;
  y->symbol[axes[3]] = (qn_name){0};
  return status;
}

static qn_status check_codes(qn_module *m, qn_op op, const qn_conv *c, qn_scalar *result) {
  qn_context *ctx = qn_module_context(m);
  const qn_quant *q[2];
  qn_scalar storage[2];
  for (uint32_t i = 0; i < 2; i++) {
    qn_type elem = qn__plain_elem(ctx, qn__operand_type(m, op, i));
    q[i] = qn_type_as_quant(ctx, elem);
    storage[i] = qn_type_storage(ctx, elem);
    if (qn_type_kind_of(ctx, q[i]->storage) != QN_TYPE_SCALAR || !qn_scalar_is_int(storage[i]) ||
        qn_scalar_get(storage[i])->bits > 16 || qn_scalar_get(storage[i])->bits < 8)
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                         "operand '%s' has elements of type %s, expected integer storage of 8 to 16 bits; "
                         "dequantize it first with quant.dcast",
                         qn__operand_c(m, op, i), qn__type_c(m, elem));
  }
  int32_t outputs = c->nchw ? 0 : 3;
  if (q[0]->num_blocks || (q[1]->num_blocks && !(q[1]->num_blocks == 1 && q[1]->blocks[0].axis == outputs)))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operands are %s and %s, expected one scale for the image, and for the weights one or one per "
                       "output channel (axis %d): the sum needs one scale",
                       qn__type_c(m, qn__operand_type(m, op, 0)), qn__type_c(m, qn__operand_type(m, op, 1)), outputs);
  if (!qn_type_eq(q[0]->expressed, q[1]->expressed))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operands have elements expressed as different floats");
  bool wide = qn_scalar_get(storage[0])->bits > 8 && qn_scalar_get(storage[1])->bits > 8;
  wide |= qn_type_as_scalar(ctx, qn_type_elem(ctx, qn__declared(m, op, 0))) == QN_I64;
  *result = wide ? QN_I64 : QN_I32;
  return QN_OK;
}

qn_status qn__rule_conv2d(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_conv c;
  qn_dims y;
  qn_status status = conv_dims(m, op, &c, &y);
  if (status != QN_OK) return status;
  qn_type x = qn__plain_elem(ctx, qn__operand_type(m, op, 0)), w = qn__plain_elem(ctx, qn__operand_type(m, op, 1));
  qn_scalar elem = qn_type_as_scalar(ctx, x);
  if (qn_type_as_quant(ctx, x) && qn_type_as_quant(ctx, w))
    status = check_codes(m, op, &c, &elem);
  else if (!qn_scalar_is_float(elem) || !qn_type_eq(x, w))
    status = qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                         "operands have elements of %s and %s, expected one float type or both quantized%s",
                         qn__type_c(m, x), qn__type_c(m, w),
                         qn_scalar_is_int(elem) ? "; integers are taken by quern.conv2d_integer" : "");
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, qn__scalar_type(m, elem), &y);
  return status;
}

/* One element, or for the weights one per output channel. */
static qn_status check_zero_point(qn_module *m, qn_op op, uint32_t i, int64_t outputs) {
  qn_context *ctx = qn_module_context(m);
  if (qn_op_num_operands(m, op) <= i) return QN_OK;
  qn_status status = qn__need_tensor(m, op, i);
  if (status != QN_OK) return status;
  qn_type t = qn__operand_type(m, op, i);
  uint32_t rank = qn_type_rank(ctx, t);
  bool one = rank == 0 || (rank == 1 && qn_type_shape(ctx, t)[0] == 1);
  bool each = i == 3 && rank == 1 && qn_type_shape(ctx, t)[0] == outputs;
  if (qn_type_eq(qn_type_elem(ctx, t), qn__operand_elem(m, op, i - 2)) && (one || each)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "operand '%s' is %s, expected one element%s of the type of operand '%s'",
                     qn__operand_c(m, op, i), qn__type_c(m, t), i == 3 ? ", or one per output channel," : "",
                     qn__operand_c(m, op, i - 2));
}

qn_status qn__rule_conv2d_integer(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_conv c;
  qn_dims y;
  qn_status status = conv_dims(m, op, &c, &y);
  for (uint32_t i = 0; i < 2 && status == QN_OK; i++) {
    qn_scalar s = qn_type_as_scalar(ctx, qn__operand_elem(m, op, i));
    if (!qn_scalar_is_int(s) || s == QN_INDEX || s == QN_I1 || qn_scalar_get(s)->bits > 8)
      status = qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand '%s' is %s, expected integers of at most 8 bits",
                           qn__operand_c(m, op, i), qn__type_c(m, qn__operand_type(m, op, i)));
  }
  uint32_t axes[4];
  qn_conv_axes(status == QN_OK && c.nchw, axes);
  if (status == QN_OK) status = check_zero_point(m, op, 2, -1);
  if (status == QN_OK) status = check_zero_point(m, op, 3, y.size[axes[3]]);
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, qn__scalar_type(m, QN_I32), &y);
  return status;
}

/* ---- pools ---- */

static qn_status pool_dims(qn_module *m, qn_op op, qn_dims *y) {
  qn_conv c;
  qn_dims x;
  qn_status status = need_image(m, op, &x);
  if (status == QN_OK) status = read_conv(m, op, &c);
  if (status != QN_OK) return status;
  for (int a = 0; a < 2; a++)
    if (c.window.size[a] == 0 && (c.pads[a] || c.pads[2 + a] || c.extra[a] || c.window.stride[a] != 1))
      return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "pads or strides are given without kernel, expected all or none");
  return slide(m, op, &c, &x, y);
}

qn_status qn__rule_max_pool(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_dims y;
  qn_status status = pool_dims(m, op, &y);
  if (status != QN_OK) return status;
  qn_type elem = qn__plain_elem(ctx, qn__operand_type(m, op, 0));
  const qn_quant *q = qn_type_as_quant(ctx, elem);
  qn_scalar mem = qn_type_memory(ctx, elem);
  if ((q && q->num_blocks) || qn_scalar_get(mem)->storage_bits < 8)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operand 'x' is %s, expected elements of whole bytes with one scale for all",
                       qn__type_c(m, qn__operand_type(m, op, 0)));
  results[0] = qn__dims_tensor(ctx, elem, &y);
  return QN_OK;
}

qn_status qn__rule_average_pool(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_dims y;
  qn_status status = pool_dims(m, op, &y);
  if (status == QN_OK) status = qn__need_float_tensor(m, op, 0);
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, qn__plain_elem(ctx, qn__operand_type(m, op, 0)), &y);
  return status;
}
