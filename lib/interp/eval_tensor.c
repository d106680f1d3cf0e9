/* Constants, and tensor ops that move elements or work along an axis. */
#include "elementwise.h"
#include "interp.h"
#include <math.h>

/* ---- constants ---- */

static qn_status eval_constant(qn__frame *f, qn_op op) {
  qn_attr value = qn_op_attr(f->m, op, "value");
  qn_tensor t, *y;
  qn_status s;
  switch (qn_attr_kind_of(f->m, value)) {
  case QN_ATTR_DENSE:
    if (!qn_attr_dense_tensor(f->m, value, &t)) return qn_error_no_memory(f->ctx);
    return qn__result_borrow(f, 0, &t, qn_tensor_bytes(&t));
  case QN_ATTR_BOOL:
  case QN_ATTR_INT:
    s = qn__result(f, 0, 0, NULL, &y);
    if (s == QN_OK)
      qn_tensor_set_i64(y, 0,
                        qn_attr_kind_of(f->m, value) == QN_ATTR_BOOL ? qn_attr_as_bool(f->m, value)
                                                                     : qn_attr_as_int(f->m, value));
    return s;
  case QN_ATTR_FLOAT:
    s = qn__result(f, 0, 0, NULL, &y);
    if (s == QN_OK) qn_tensor_set_f64(y, 0, qn_attr_as_float(f->m, value));
    return s;
  default:
    return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "the value of %s is not a constant", qn_op_name(f->m, op).data);
  }
}
const qn__evaluator qn__eval_CONSTANT = {.eval = eval_constant};

/* ---- reshape ---- */

/* `shape` as quern.reshape writes it, for n elements: n >= 0 a size, -1 what is left, -2-d the size of x's axis d. */
qn_status qn__resolve_shape(qn__frame *f, qn_op op, int64_t count, qn__shape *out) {
  uint32_t n = 0;
  const int64_t *shape = qn_attr_as_ints(f->m, qn_op_attr(f->m, op, "shape"), &n);
  const qn_tensor *x = f->in[0];
  char a[QN__SHAPE_TEXT];
  if (n > QN_MAX_RANK || (n && !shape))
    return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "shape has %u sizes, expected at most %d", n, QN_MAX_RANK);
  *out = (qn__shape){.rank = n};
  uint32_t open = UINT32_MAX;
  size_t known = 1;
  bool fits = true;
  for (uint32_t i = 0; i < n && fits; i++) {
    int64_t size = shape[i];
    if (size == -1) {
      fits = open == UINT32_MAX;
      open = i;
      continue;
    }
    if (size < -1) {
      uint64_t d = (uint64_t)(-2 - size);
      fits = d < x->rank;
      if (!fits) break;
      size = x->shape[d];
    }
    out->size[i] = size;
    fits = qn__mul_size(known, (size_t)size, &known);
  }
  if (fits && open != UINT32_MAX) {
    fits = known != 0 && (size_t)count % known == 0;
    if (fits) out->size[open] = (int64_t)((size_t)count / known);
  } else if (fits) {
    fits = known == (size_t)count;
  }
  if (fits) return QN_OK;
  return qn_op_error(f->m, op, QN_DIAG_SHAPE,
                     "%s has no reshape to the sizes that are asked for: %lld elements do not fit",
                     qn__tensor_text(x, a), (long long)count);
}

static qn_status eval_reshape(qn__frame *f, qn_op op) {
  qn__shape shape;
  qn_tensor *y;
  qn_status s = qn__resolve_shape(f, op, qn_tensor_count(f->in[0]), &shape);
  if (s == QN_OK) s = qn__result(f, 0, shape.rank, shape.size, &y);
  if (s == QN_OK) qn__copy_bytes(y->data, f->in[0]->data, qn_tensor_bytes(f->in[0]));
  return s;
}
const qn__evaluator qn__eval_RESHAPE = {.eval = eval_reshape};

/* ---- transpose ---- */

/* An integer type as wide as the elements: moving bits must not change NaNs. */
/* An unsigned integer as wide as s in memory. */
static qn_scalar raw_scalar(qn_scalar s) {
  switch (qn_scalar_get(s)->storage_bits) {
  case 2: return QN_UI2;
  case 4: return QN_UI4;
  case 8: return QN_UI8;
  case 16: return QN_UI16;
  case 32: return QN_UI32;
  default: return QN_UI64;
  }
}

qn_status qn__check_perm(qn__frame *f, const int64_t *perm, uint32_t n) {
  uint32_t seen = 0;
  bool fits = n == f->in[0]->rank;
  for (uint32_t i = 0; fits && i < n; i++) {
    fits = perm[i] >= 0 && perm[i] < (int64_t)n && !(seen >> perm[i] & 1);
    if (fits) seen |= 1u << perm[i];
  }
  if (fits) return QN_OK;
  return qn_op_error(f->m, f->op, QN_DIAG_ATTRIBUTE, "perm is no order of the %u axes of the operand", f->in[0]->rank);
}

static qn_status eval_transpose(qn__frame *f, qn_op op) {
  uint32_t n = 0;
  const int64_t *perm = qn_attr_as_ints(f->m, qn_op_attr(f->m, op, "perm"), &n);
  const qn_tensor *x = f->in[0];
  qn__shape shape = {.rank = n};
  qn_tensor *y;
  qn_status s = qn__check_perm(f, perm, n);
  for (uint32_t i = 0; i < n && s == QN_OK; i++) shape.size[i] = x->shape[perm[i]];
  if (s == QN_OK) s = qn__result(f, 0, n, shape.size, &y);
  if (s != QN_OK) return s;
  qn__script *copy = qn__script_new(f->scratch, 1, 0, 1);
  if (!copy) return qn_error_no_memory(f->ctx);
  copy->types[0] = raw_scalar(x->elem);
  qn__view view = qn__view_perm(x, &shape, perm);
  return qn__script_run(f->ctx, f->scratch, copy, &shape, &view, y, false);
}
const qn__evaluator qn__eval_TRANSPOSE = {.eval = eval_transpose};

/* ---- softmax ---- */

/* All in f32 whatever the type, rounded once: e^(x - max) over its sum in 32 partials. */
static void softmax_line(float *x, size_t n) {
  float max = -INFINITY;
  for (size_t i = 0; i < n; i++) max = qn__f32_max(max, x[i]);
  for (size_t i = 0; i < n; i++) x[i] = qn_f32_exp(x[i] - max);
  float sum = qn__f32_sum(x, n, 1);
  for (size_t i = 0; i < n; i++) x[i] = x[i] / sum;
}

static qn_status eval_softmax(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  int64_t axis = qn_op_get_int(f->m, op, "axis");
  if (axis < 0) axis += x->rank;
  if (axis < 0 || axis >= x->rank)
    return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "axis %lld is none of the operand's %u axes",
                       (long long)qn_op_get_int(f->m, op, "axis"), x->rank);
  if (!qn_scalar_is_float(x->elem) || x->elem == QN_F64)
    return qn_op_error(f->m, op, QN_DIAG_UNSUPPORTED, "quern.softmax has no meaning on elements of type %s",
                       qn_scalar_get(x->elem)->text);
  qn_tensor *y;
  qn_status s = qn__result(f, 0, x->rank, x->shape, &y);
  if (s != QN_OK) return s;
  int64_t size = x->shape[axis], inner = 1, count = qn_tensor_count(x);
  for (uint32_t d = (uint32_t)axis + 1; d < x->rank; d++) inner *= x->shape[d];
  qn__lanes line = {.p = qn__scratch(f, (size_t)size, sizeof(float))};
  if (!line.p) return QN_ERR_NO_MEMORY;
  for (int64_t at = 0; count && at < count; at += size * inner)
    for (int64_t i = 0; i < inner; i++) {
      qn__lanes_load(line, x->elem, x, at + i, inner, (size_t)size);
      softmax_line(line.f, (size_t)size);
      for (int64_t k = 0; k < size; k++)
        qn__lanes_store(y, at + i + k * inner, y->elem, (qn__lanes){.f = line.f + k}, 1);
    }
  return QN_OK;
}
const qn__evaluator qn__eval_SOFTMAX = {.eval = eval_softmax};
