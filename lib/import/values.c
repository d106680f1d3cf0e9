/* Names of the graph and what they stand for. */
#include "attr_impl.h"
#include "buf.h"
#include "onnx_impl.h"
#include <quern/store.h>
#include <string.h>

enum {
  RESOURCE_ABOVE = 64, /* elements: larger constants are resources */
  BORROW_FROM = 4096,  /* bytes: smaller data is copied and shared with equal data */
};

/* ---- names ---- */

static bool name_equal(const void *owner, const void *key, uint32_t id) {
  const qn_onnx *im = owner;
  const qn_str *name = key;
  return qn_str_eq(im->names.data[id - 1].name, *name);
}

uint32_t qn__onnx_find(const qn_onnx *im, qn_str name) {
  if (!name.size) return 0;
  uint32_t id = qn__map_find(&im->name_map, qn__hash(name.data, name.size, 0), name_equal, im, &name);
  return id ? im->names.data[id - 1].value : 0;
}

qn_status qn__onnx_alias(qn_onnx *im, qn_place place, qn_str name, uint32_t value) {
  const qn_allocator *a = qn_context_allocator(im->ctx);
  if (!name.size)
    return qn_error(im->ctx, QN_DIAG_FORMAT, place, "has no name, expected one: values are found by name");
  if (qn__onnx_find(im, name))
    return qn_error(im->ctx, QN_DIAG_REDEFINED, place,
                    "defines '%.*s', which exists already: names of inputs, initializers and results must be unique",
                    (int)name.size, name.data);
  if (!qn__push(a, &im->names, (qn_onnx_name){name, value}) ||
      !qn__map_add(a, &im->name_map, qn__hash(name.data, name.size, 0), im->names.size))
    return qn_error_no_memory(im->ctx);
  return QN_OK;
}

qn_status qn__onnx_define(qn_onnx *im, qn_place place, qn_str name, uint32_t *value) {
  if (!qn__push(qn_context_allocator(im->ctx), &im->values, (qn_onnx_value){.name = name}))
    return qn_error_no_memory(im->ctx);
  *value = im->values.size - 1;
  return qn__onnx_alias(im, place, name, *value);
}

qn_status qn__onnx_define_const(qn_onnx *im, qn_place place, qn_str name, const qn_tensor *t) {
  uint32_t value = 0;
  qn_status status = qn__onnx_define(im, place, name, &value);
  if (status != QN_OK) return status;
  qn_onnx_value *v = qn__onnx_value(im, value);
  v->is_const = v->is_read = true;
  v->tensor = *t;
  v->owner = QN__ONNX_ARENA;
  return QN_OK;
}

bool qn__onnx_values_init(qn_onnx *im) {
  return qn__push(qn_context_allocator(im->ctx), &im->values, (qn_onnx_value){.is_const = false}); /* 0 is no value */
}

void qn__onnx_values_free(qn_onnx *im) {
  const qn_allocator *a = qn_context_allocator(im->ctx);
  qn__vec_free(a, &im->names);
  qn__vec_free(a, &im->values);
  qn__map_free(a, &im->name_map);
  qn__idmap_free(a, &im->value_names);
  qn__idmap_free(a, &im->resource_keys);
}

/* An identifier that is not in use yet. The number of each base goes on where it stopped, so that many names that
 * sanitize to one do not take quadratic time. Id 0 when memory is exhausted. */
static qn_name unique(qn_onnx *im, qn_idmap *used, qn_str name) {
  const qn_allocator *a = qn_context_allocator(im->ctx);
  qn_name base = qn_store_identifier(im->ctx, name, NULL, NULL), found = base;
  uint32_t next = base.id ? qn__idmap_get(used, base.id) : 0;
  if (!base.id) return base;
  if (next) {
    qn_buf b;
    qn__buf_init(&b, a);
    do {
      b.size = 0;
      qn__buf_str(&b, qn_name_str(im->ctx, base));
      qn__buf_fmt(&b, "_%u", next++);
      found = b.failed ? (qn_name){0} : qn_name_of(im->ctx, qn__buf_view(&b));
    } while (found.id && qn__idmap_get(used, found.id));
    qn__buf_free(&b);
    if (!found.id || !qn__idmap_set(a, used, base.id, next)) return (qn_name){0};
  }
  return qn__idmap_set(a, used, found.id, 1) ? found : (qn_name){0};
}

void qn__onnx_name_value(qn_onnx *im, qn_value v, qn_str name) {
  if (!name.size || qn_value_name(im->m, v).id) return;
  qn_name n = unique(im, &im->value_names, name);
  if (n.id)
    qn_value_set_name(im->m, v, n);
  else
    qn_error_no_memory(im->ctx);
}

/* ---- constants ---- */

qn_status qn__onnx_read(qn_onnx *im, uint32_t value) {
  qn_onnx_value *v = qn__onnx_value(im, value);
  if (!v->is_const || v->is_read) return QN_OK;
  const qn_onnx_reader r = {.ctx = im->ctx,
                            .place = qn__onnx_place(im, "tensor", v->name),
                            .model_path = im->model_path,
                            .keep = im->keep,
                            .arena = &im->arena};
  qn_status status = qn__onnx_tensor(&r, v->source, &v->tensor, &v->owner);
  v->is_read = status == QN_OK;
  return status;
}

/* The data as an attribute: kept where it lies when it is large. */
static qn_attr data_attr(qn_onnx *im, qn_onnx_value *v, qn_type type, qn_name key) {
  if (v->owner == QN__ONNX_ARENA || qn_tensor_bytes(&v->tensor) < BORROW_FROM)
    return qn__attr_dense_keyed(im->m, type, v->tensor.data, key);
  if (v->owner == QN__ONNX_BLOCK) {
    qn__onnx_keep_block(im->keep, v->tensor.data);
    v->owner = QN__ONNX_MAPPED; /* kept by the module now */
  }
  return qn_attr_dense_borrow(im->m, type, v->tensor.data, key);
}

/* The name that a constant has in the file, unless its key or its value say it. */
static void keep_name(qn_onnx *im, qn_value c, qn_name key, qn_str name) {
  bool said =
      qn_str_eq(qn_name_str(im->ctx, key), name) || qn_str_eq(qn_name_str(im->ctx, qn_value_name(im->m, c)), name);
  if (!said) qn_op_set_attr(im->m, qn_value_op(im->m, c), "quern.name", qn_attr_string(im->m, name));
}

/* The constant with elements of type `as`, which are as wide as the tensor's own. */
static qn_status build_constant(qn_onnx *im, uint32_t value, qn_scalar as, qn_value *out) {
  qn_status status = qn__onnx_read(im, value);
  if (status != QN_OK) return status;
  qn_onnx_value *v = qn__onnx_value(im, value);
  qn_str name = v->name;
  qn_type type = qn_type_tensor(im->ctx, qn_type_scalar(im->ctx, as), v->tensor.rank, v->tensor.shape);
  qn_name key = {0};
  if (qn_tensor_count(&v->tensor) > RESOURCE_ABOVE) {
    key = unique(im, &im->resource_keys, name);
    if (!key.id) return qn_error_no_memory(im->ctx);
  }
  qn_attr attr = data_attr(im, v, type, key);
  if (!attr.id) return qn_error_no_memory(im->ctx);
  qn_loc node = im->b.loc;
  im->b.loc = qn_loc_create(im->m, qn_str_of(im->file), 0, 0, name);
  *out = qn_build_constant(&im->b, attr);
  im->b.loc = node;
  if (!out->id) return qn__onnx_failed(im);
  qn__onnx_name_value(im, *out, name);
  keep_name(im, *out, key, name);
  return QN_OK;
}

/* ---- the forms of a value ---- */

static qn_status cast_codes(qn_onnx *im, qn_value from, qn_type elem, qn_value *out) {
  *out = qn_build_cast(&im->b, QN_OP_SCAST, from, qn_type_with_elem(im->ctx, qn__onnx_type_of(im, from), elem));
  return out->id ? QN_OK : qn__onnx_failed(im);
}

qn_status qn__onnx_plain(qn_onnx *im, uint32_t value, qn_value *out) {
  const qn_onnx_value *v = qn__onnx_value(im, value);
  qn_status status = QN_OK;
  *out = v->plain;
  if (out->id) return QN_OK;
  if (v->is_const) {
    status = qn__onnx_read(im, value);
    if (status == QN_OK) status = build_constant(im, value, qn__onnx_value(im, value)->tensor.elem, out);
  } else {
    status = cast_codes(im, v->codes, qn_type_scalar(im->ctx, v->elem), out);
  }
  qn__onnx_value(im, value)->plain = *out;
  return status;
}

static bool same_width(qn_scalar a, qn_scalar b) {
  return qn_scalar_is_int(a) == qn_scalar_is_int(b) && qn_scalar_get(a)->bits == qn_scalar_get(b)->bits;
}

qn_status qn__onnx_codes(qn_onnx *im, uint32_t value, qn_type quant, qn_value *out) {
  const qn_onnx_value *v = qn__onnx_value(im, value);
  if (v->codes.id && qn_type_eq(qn_type_elem(im->ctx, qn__onnx_type_of(im, v->codes)), quant)) {
    *out = v->codes;
    return QN_OK;
  }
  qn_value from = {0};
  qn_status status = v->is_const ? qn__onnx_read(im, value) : QN_OK;
  if (status != QN_OK) return status;
  qn_scalar storage = qn_type_storage(im->ctx, quant);
  v = qn__onnx_value(im, value);
  /* Text of MLIR has no cast from ui8, so that the constant is made of the bare storage type. */
  if (v->is_const && storage != v->tensor.elem && same_width(storage, v->tensor.elem))
    status = build_constant(im, value, storage, &from);
  else
    status = qn__onnx_plain(im, value, &from);
  if (status == QN_OK) status = cast_codes(im, from, quant, out);
  if (status == QN_OK && !qn__onnx_value(im, value)->codes.id) qn__onnx_value(im, value)->codes = *out;
  return status;
}

qn_status qn__onnx_look_at(qn_onnx *im, uint32_t value, qn_scalar *elem, uint32_t *rank) {
  qn_status status = qn__onnx_read(im, value);
  const qn_onnx_value *v = qn__onnx_value(im, value);
  if (status != QN_OK) return status;
  if (v->is_const) {
    *elem = v->tensor.elem;
    *rank = v->tensor.rank;
  } else {
    *elem = v->plain.id ? qn__onnx_elem(im, v->plain) : v->elem;
    *rank = qn__onnx_rank(im, v->plain.id ? v->plain : v->codes);
  }
  return QN_OK;
}
