/* Ops that move elements without computing. quern.reshape names a size of its operand as -2 - d, so that sizes that are
 * not known yet keep their symbols. */
#include "onnx_impl.h"
#include <inttypes.h>

static const int64_t *shape_of(const qn_onnx *im, qn_value x) {
  return qn_type_shape(im->ctx, qn__onnx_type_of(im, x));
}

/* Dimension d of x, in the words of quern.reshape. */
static int64_t size_entry(const qn_onnx *im, qn_value x, uint32_t d) {
  int64_t size = shape_of(im, x)[d];
  return size == QN_DYNAMIC ? -2 - (int64_t)d : size;
}

/* Dimensions [from, to) of x as one: a product that is known, a single dimension, or -1. */
static int64_t merged_entry(const qn_onnx *im, qn_value x, uint32_t from, uint32_t to) {
  if (to == from + 1) return size_entry(im, x, from);
  qn_tensor part = {.rank = to - from};
  for (uint32_t d = from; d < to; d++) {
    part.shape[d - from] = shape_of(im, x)[d];
    if (part.shape[d - from] == QN_DYNAMIC) return -1;
  }
  return qn_tensor_count(&part); /* -1 when it does not fit: the op's rule says so */
}

/* ---- flatten ---- */

qn_status qn__onnx_flatten(qn_onnx *im, qn_value x, uint32_t axis, qn_value *out) {
  uint32_t rank = qn__onnx_rank(im, x);
  int64_t shape[QN_MAX_RANK];
  int64_t rows = merged_entry(im, x, 0, axis), row = merged_entry(im, x, axis, rank);
  if (rows == -1 && row == -1) {
    /* One size can be left open at a time: merge the trailing axes, then the leading ones. */
    for (uint32_t d = 0; d < axis; d++) shape[d] = size_entry(im, x, d);
    shape[axis] = -1;
    x = qn__onnx_reshape(im, x, axis + 1, shape);
    if (!x.id) return qn__onnx_failed(im);
    row = size_entry(im, x, axis);
  }
  shape[0] = rows;
  shape[1] = row;
  *out = qn__onnx_reshape(im, x, 2, shape);
  return out->id ? QN_OK : qn__onnx_failed(im);
}

qn_status qn__onnx_unflatten(qn_onnx *im, qn_value flat, qn_value like, uint32_t axis, qn_value *out) {
  uint32_t rank = qn__onnx_rank(im, like), open = 0;
  int64_t shape[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) {
    shape[d] = shape_of(im, like)[d];
    if (shape[d] != QN_DYNAMIC) continue;
    /* A single leading or trailing axis is an axis of the matrix. */
    if (d == 0 && axis == 1)
      shape[d] = -2;
    else if (d == axis && axis == rank - 1)
      shape[d] = -3;
    else
      shape[d] = -1, open++;
  }
  if (open > 1)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                          "flattens %s at axis %u and cannot find the sizes again: bind some of them with --dim",
                          qn_type_text(im->ctx, qn__onnx_type_of(im, like)).data, axis);
  *out = qn__onnx_reshape(im, flat, rank, shape);
  return out->id ? QN_OK : qn__onnx_failed(im);
}

qn_status qn__onnx_op_flatten(qn_onnx *im) {
  int64_t axis = 1;
  qn_value x;
  qn_status status = qn__onnx_attr_int(im, "axis", &axis);
  if (status == QN_OK) status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  int64_t rank = qn__onnx_rank(im, x);
  if (axis < -rank || axis > rank) /* the rank itself is allowed: one column */
    return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute 'axis' is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                          axis, -rank, rank);
  status = qn__onnx_flatten(im, x, (uint32_t)(axis < 0 ? axis + rank : axis), &x);
  return status == QN_OK ? qn__onnx_output(im, 0, x) : status;
}

/* ---- reshape ---- */

qn_status qn__onnx_op_reshape(qn_onnx *im) {
  int64_t allow_zero = 0, shape[QN_MAX_RANK];
  uint32_t n;
  const int64_t *wanted;
  qn_value x;
  qn_status status = qn__onnx_attr_int(im, "allowzero", &allow_zero);
  if (status == QN_OK) status = qn__onnx_input(im, 0, &x);
  if (status == QN_OK) status = qn__onnx_ints_input(im, 1, &n, &wanted);
  if (status != QN_OK) return status;
  uint32_t rank = qn__onnx_rank(im, x);
  if (n > QN_MAX_RANK)
    return qn__onnx_error(im, QN_DIAG_LIMIT, "the shape has %u sizes, at most %d can be imported", n, QN_MAX_RANK);
  for (uint32_t i = 0; i < n; i++) {
    shape[i] = wanted[i];
    if (wanted[i] < -1)
      return qn__onnx_error(im, QN_DIAG_DATA, "the shape has %" PRId64 " at position %u, expected -1 or more",
                            wanted[i], i);
    if (wanted[i] != 0 || allow_zero) continue;
    if (i >= rank)
      return qn__onnx_error(im, QN_DIAG_DATA,
                            "the shape has 0 at position %u, which copies a size, but the operand is %s", i,
                            qn_type_text(im->ctx, qn__onnx_type_of(im, x)).data);
    shape[i] = size_entry(im, x, i);
  }
  return qn__onnx_output(im, 0, qn__onnx_reshape(im, x, n, shape));
}

/* ---- transpose ---- */

qn_status qn__onnx_op_transpose(qn_onnx *im) {
  qn_value x;
  size_t n = 0;
  int64_t reversed[QN_MAX_RANK];
  const int64_t *perm = reversed;
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status == QN_OK) status = qn__onnx_attr_ints(im, "perm", &n, &perm);
  if (status != QN_OK) return status;
  uint32_t rank = qn__onnx_rank(im, x);
  for (uint32_t i = 0; i < rank; i++) reversed[i] = (int64_t)rank - 1 - i;
  if (!qn__onnx_attr(im, "perm")) n = rank;
  if (n != rank)
    return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute 'perm' has %zu axes, expected one for each of the %u of %s",
                          n, rank, qn_type_text(im->ctx, qn__onnx_type_of(im, x)).data);
  const qn_named_attr attr = qn_named(im->m, "perm", qn_attr_ints(im->m, QN_I64, rank, perm));
  return qn__onnx_output(im, 0, qn_op_result(im->m, qn_op_build(&im->b, QN_OP_TRANSPOSE, 1, &x, 1, &attr), 0));
}

/* ---- squeeze, unsqueeze ---- */

/* The axes, from the second input or the attribute. */
typedef struct axes {
  const int64_t *list;
  size_t n;
  bool given;
  uint32_t set; /* bit d: axis d is listed */
} axes;

static qn_status read_axes(qn_onnx *im, axes *a) {
  *a = (axes){.given = qn__onnx_attr(im, "axes") || qn__onnx_has_input(im, 1)};
  if (!qn__onnx_has_input(im, 1)) return qn__onnx_attr_ints(im, "axes", &a->n, &a->list);
  uint32_t n = 0;
  qn_status status = qn__onnx_ints_input(im, 1, &n, &a->list);
  a->n = n;
  return status;
}

/* As a set of axes of a tensor of this rank. */
static qn_status collect_axes(qn_onnx *im, axes *a, uint32_t rank) {
  for (size_t i = 0; i < a->n; i++) {
    int64_t axis = a->list[i];
    qn_status status = qn__onnx_axis(im, "an axis", &axis, rank);
    if (status != QN_OK) return status;
    if (a->set >> axis & 1) return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "names the axis %" PRId64 " twice", axis);
    a->set |= 1u << axis;
  }
  return QN_OK;
}

/* Which axes go, where the model does not list them. */
static qn_status find_ones(qn_onnx *im, qn_value x, axes *a) {
  for (uint32_t d = 0; d < qn__onnx_rank(im, x); d++) {
    int64_t size = shape_of(im, x)[d];
    if (size == QN_DYNAMIC)
      return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                            "drops the axes of size 1 of %s, but sizes are not known: name the axes, or bind sizes "
                            "with --dim",
                            qn_type_text(im->ctx, qn__onnx_type_of(im, x)).data);
    if (size == 1) a->set |= 1u << d;
  }
  return QN_OK;
}

qn_status qn__onnx_op_squeeze(qn_onnx *im) {
  qn_value x;
  axes a;
  uint32_t n = 0;
  int64_t shape[QN_MAX_RANK];
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status == QN_OK) status = read_axes(im, &a);
  if (status == QN_OK) status = a.given ? collect_axes(im, &a, qn__onnx_rank(im, x)) : find_ones(im, x, &a);
  if (status != QN_OK) return status;
  for (uint32_t d = 0; d < qn__onnx_rank(im, x); d++) {
    int64_t size = shape_of(im, x)[d];
    bool drop = a.set >> d & 1;
    if (drop && size != 1 && size != QN_DYNAMIC)
      return qn__onnx_error(im, QN_DIAG_SHAPE, "drops axis %u of %s, expected its size to be 1", d,
                            qn_type_text(im->ctx, qn__onnx_type_of(im, x)).data);
    if (!drop) shape[n++] = size_entry(im, x, d);
  }
  return qn__onnx_output(im, 0, qn__onnx_reshape(im, x, n, shape));
}

qn_status qn__onnx_op_unsqueeze(qn_onnx *im) {
  qn_value x;
  axes a;
  uint32_t next = 0;
  int64_t shape[QN_MAX_RANK];
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status == QN_OK) status = read_axes(im, &a);
  if (status != QN_OK) return status;
  if (!a.given) return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute 'axes' is missing, expected ints");
  size_t rank = qn__onnx_rank(im, x) + a.n;
  if (rank > QN_MAX_RANK)
    return qn__onnx_error(im, QN_DIAG_LIMIT, "makes %zu dimensions, at most %d can be imported", rank, QN_MAX_RANK);
  status = collect_axes(im, &a, (uint32_t)rank);
  if (status != QN_OK) return status;
  for (uint32_t d = 0; d < rank; d++) shape[d] = a.set >> d & 1 ? 1 : size_entry(im, x, next++);
  return qn__onnx_output(im, 0, qn__onnx_reshape(im, x, (uint32_t)rank, shape));
}
