/* Type info: element types, sizes and their symbols. */
#include "onnx_impl.h"
#include "rule_util.h"

static qn_status bind_dim(qn_onnx *im, qn_str name, int64_t *size) {
  for (size_t i = 0; i < im->options->num_dims; i++) {
    if (!qn_str_eq(im->options->dims[i].name, name)) continue;
    im->dim_used[i] = true;
    *size = im->options->dims[i].size;
  }
  return QN_OK;
}

static qn_status read_dim(qn_onnx *im, const Onnx__TensorShapeProto__Dimension *d, int64_t *size, qn_name *symbol) {
  *size = QN_DYNAMIC;
  *symbol = (qn_name){0};
  if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value >= 0)
    *size = d->dim_value; /* negative: what some exporters write for an open size */
  if (d->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) return QN_OK;
  qn_str name = qn__onnx_str(d->dim_param);
  if (!name.size) return QN_OK;
  qn_status status = bind_dim(im, name, size);
  if (status != QN_OK || *size != QN_DYNAMIC) return status;
  *symbol = qn_name_of(im->ctx, name);
  return symbol->id ? QN_OK : qn_error_no_memory(im->ctx);
}

static qn_status tensor_type(qn_onnx *im, qn_place place, const Onnx__TypeProto__Tensor *t, qn_type *out) {
  qn_scalar elem = qn__onnx_scalar(t->elem_type);
  char room[32];
  if (elem == QN_SCALAR_NONE)
    return qn_error(im->ctx, QN_DIAG_UNSUPPORTED, place,
                    "has elements of %s, expected numbers of a type that 'quern types' lists",
                    qn__onnx_scalar_name(t->elem_type, room));
  if (!t->shape)
    return qn_error(im->ctx, QN_DIAG_UNSUPPORTED, place,
                    "has no shape, not even a rank: run shape inference on the model first");
  if (t->shape->n_dim > QN_MAX_RANK)
    return qn_error(im->ctx, QN_DIAG_LIMIT, place, "has %zu dimensions, at most %d can be imported", t->shape->n_dim,
                    QN_MAX_RANK);
  qn_dims dims = {.rank = (uint32_t)t->shape->n_dim};
  for (uint32_t i = 0; i < dims.rank; i++) {
    qn_status status = read_dim(im, t->shape->dim[i], &dims.size[i], &dims.symbol[i]);
    if (status != QN_OK) return status;
  }
  *out = qn__dims_tensor(im->ctx, qn_type_scalar(im->ctx, elem), &dims);
  return qn_type_is_null(*out) ? qn_error_no_memory(im->ctx) : QN_OK;
}

qn_status qn__onnx_type(qn_onnx *im, qn_place place, const Onnx__TypeProto *type, qn_type *out) {
  static const char *const names[] = {[ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE] = "a sequence",
                                      [ONNX__TYPE_PROTO__VALUE_MAP_TYPE] = "a map",
                                      [ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE] = "an optional value",
                                      [ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE] = "a sparse tensor"};
  *out = (qn_type){0};
  if (!type || type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
    return qn_error(im->ctx, QN_DIAG_FORMAT, place, "has no type, expected a tensor type");
  if (type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return tensor_type(im, place, type->tensor_type, out);
  bool known = (size_t)type->value_case < sizeof names / sizeof *names && names[type->value_case];
  return qn_error(im->ctx, QN_DIAG_UNSUPPORTED, place, "is %s, only tensors can be imported",
                  known ? names[type->value_case] : "of an unknown kind");
}

bool qn__onnx_type_fits(const qn_onnx *im, qn_type declared, qn_type found) {
  return qn__types_compatible(im->ctx, declared, found);
}

void qn__onnx_name_dims(qn_onnx *im, qn_value v, qn_type declared) {
  qn_type found = qn_value_type(im->m, v);
  qn_dims a = qn__dims_of(im->ctx, found);
  const qn_dims b = qn__dims_of(im->ctx, declared);
  bool changed = false;
  for (uint32_t i = 0; i < a.rank && i < b.rank; i++) {
    if (a.size[i] != QN_DYNAMIC || a.symbol[i].id || !b.symbol[i].id) continue;
    a.symbol[i] = b.symbol[i];
    changed = true;
  }
  if (!changed) return;
  qn_type named = qn__dims_tensor(im->ctx, qn_type_elem(im->ctx, found), &a);
  if (named.id) qn_value_set_type(im->m, v, named);
}
