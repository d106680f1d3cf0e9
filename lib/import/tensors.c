/* Tensors of a model: raw bytes, typed fields, or a part of another file. */
#include "onnx_file.h"
#include "onnx_tensor.h"
#include "scalar.h"
#include <stdio.h>
#include <string.h>

/* ---- element types ---- */

qn_scalar qn__onnx_scalar(int64_t data_type) {
  for (int i = 1; data_type > 0 && i < QN_SCALAR_COUNT; i++)
    if (qn_scalar_get((qn_scalar)i)->onnx == data_type) return (qn_scalar)i;
  return QN_SCALAR_NONE;
}

const char *qn__onnx_scalar_name(int64_t data_type, char room[32]) {
  static const char *const names[] = {"UNDEFINED", "FLOAT",  "UINT8",     "INT8",       "UINT16",  "INT16",
                                      "INT32",     "INT64",  "STRING",    "BOOL",       "FLOAT16", "DOUBLE",
                                      "UINT32",    "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16"};
  if (data_type >= 0 && data_type < (int64_t)(sizeof names / sizeof *names)) return names[data_type];
  snprintf(room, 32, "type %lld", (long long)data_type);
  return room;
}

static bool big_endian(void) {
  const uint16_t one = 1;
  uint8_t first;
  memcpy(&first, &one, 1);
  return first == 0;
}

/* ---- type and shape ---- */

static qn_status read_shape(const qn_onnx_reader *r, const Onnx__TensorProto *t, qn_tensor *out) {
  if (t->n_dims > QN_MAX_RANK)
    return qn_error(r->ctx, QN_DIAG_LIMIT, r->place, "has %zu dimensions, at most %d can be imported", t->n_dims,
                    QN_MAX_RANK);
  out->rank = (uint32_t)t->n_dims;
  for (uint32_t i = 0; i < out->rank; i++) {
    out->shape[i] = t->dims[i];
    if (t->dims[i] < 0)
      return qn_error(r->ctx, QN_DIAG_SHAPE, r->place, "dimension %u has size %lld, expected 0 or more", i,
                      (long long)t->dims[i]);
  }
  if (qn_tensor_count(out) >= 0 && qn_tensor_bytes(out) != SIZE_MAX) return QN_OK;
  return qn_error(r->ctx, QN_DIAG_LIMIT, r->place, "its sizes multiply to more than any memory holds");
}

static qn_status read_type(const qn_onnx_reader *r, const Onnx__TensorProto *t, qn_tensor *out) {
  char room[32];
  *out = (qn_tensor){.elem = qn__onnx_scalar(t->data_type)};
  if (!t->has_data_type || t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED)
    return qn_error(r->ctx, QN_DIAG_FORMAT, r->place, "has no data type");
  if (out->elem == QN_SCALAR_NONE) {
    bool known = t->data_type > 0 && t->data_type <= ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16;
    return qn_error(r->ctx, known ? QN_DIAG_UNSUPPORTED : QN_DIAG_TYPE, r->place,
                    "has elements of %s, expected numbers of a type that 'quern types' lists",
                    qn__onnx_scalar_name(t->data_type, room));
  }
  if (t->segment)
    return qn_error(r->ctx, QN_DIAG_UNSUPPORTED, r->place, "is stored in segments, which is not supported");
  return read_shape(r, t, out);
}

/* ---- bytes as they stand in memory ---- */

static qn_status need_size(const qn_onnx_reader *r, const qn_tensor *t, uint64_t have, const char *unit,
                           uint64_t need) {
  if (have == need) return QN_OK;
  return qn_error(r->ctx, QN_DIAG_SHAPE, r->place,
                  "has %llu %s, but its shape and type (%lld elements of %s) take %llu", (unsigned long long)have, unit,
                  (long long)qn_tensor_count(t), qn_scalar_get(t->elem)->text, (unsigned long long)need);
}

/* Files hold the lowest byte first, and a bool may be any byte but 0. */
static qn_status copy_bytes(const qn_onnx_reader *r, const void *data, size_t size, qn_tensor *out) {
  uint8_t *copy = qn__arena_copy(r->arena, data, size);
  if (!copy) return qn_error_no_memory(r->ctx);
  size_t each = qn_scalar_get(out->elem)->storage_bits / 8;
  for (size_t i = 0; out->elem == QN_I1 && i < size; i++) copy[i] = copy[i] != 0;
  for (size_t i = 0; big_endian() && each > 1 && i < size; i += each)
    for (size_t a = 0, b = each - 1; a < b; a++, b--) {
      uint8_t byte = copy[i + a];
      copy[i + a] = copy[i + b];
      copy[i + b] = byte;
    }
  out->data = copy;
  return QN_OK;
}

static bool as_in_file(qn_scalar s) {
  return s != QN_I1 && (!big_endian() || qn_scalar_get(s)->storage_bits <= 8);
}

static qn_status take_bytes(const qn_onnx_reader *r, const void *data, size_t size, qn_onnx_owner from, qn_tensor *out,
                            qn_onnx_owner *owner) {
  qn_status status = need_size(r, out, size, "bytes of data", qn_tensor_bytes(out));
  *owner = QN__ONNX_ARENA;
  if (status != QN_OK) return status;
  if (!as_in_file(out->elem) || size == 0) return copy_bytes(r, data ? data : "", size, out);
  *owner = from;
  out->data = (void *)(uintptr_t)data;
  return QN_OK;
}

/* ---- other files ---- */

/* "offset" and "length" are decimal numbers in strings. */
static bool parse_size(const char *text, uint64_t *out) {
  uint64_t v = 0;
  if (!text || !*text) return false;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return false;
    uint64_t digit = (uint64_t)(*text - '0');
    if (v > (UINT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
  }
  *out = v;
  return true;
}

typedef struct external {
  const char *location;
  uint64_t offset, length;
  bool has_length;
} external;

static qn_status read_external(const qn_onnx_reader *r, const Onnx__TensorProto *t, external *e) {
  *e = (external){0};
  for (size_t i = 0; i < t->n_external_data; i++) {
    const char *key = t->external_data[i]->key ? t->external_data[i]->key : "", *value = t->external_data[i]->value;
    bool ok = true;
    if (strcmp(key, "location") == 0) {
      e->location = value;
    } else if (strcmp(key, "offset") == 0) {
      ok = parse_size(value, &e->offset);
    } else if (strcmp(key, "length") == 0) {
      e->has_length = ok = parse_size(value, &e->length);
    }
    if (!ok)
      return qn_error(r->ctx, QN_DIAG_FORMAT, r->place, "external data has %s '%s', expected a decimal number", key,
                      value ? value : "");
  }
  if (e->location) return QN_OK;
  return qn_error(r->ctx, QN_DIAG_FORMAT, r->place, "is said to be in another file, but no location is given");
}

static qn_status take_external(const qn_onnx_reader *r, const Onnx__TensorProto *t, qn_tensor *out,
                               qn_onnx_owner *owner) {
  external e;
  qn_status status = read_external(r, t, &e);
  if (status != QN_OK) return status;
  if (!r->keep)
    return qn_error(r->ctx, QN_DIAG_UNSUPPORTED, r->place, "its data is in the file '%s', which is not looked for here",
                    e.location);
  const qn_file *file;
  status = qn__onnx_keep_file(r->keep, r->ctx, r->model_path, qn_str_of(e.location), r->place, &file);
  if (status != QN_OK) return status;
  if (e.offset > file->size || (e.has_length && e.length > file->size - e.offset))
    return qn_error(r->ctx, QN_DIAG_FORMAT, r->place,
                    "its data is said to be at byte %llu of '%s', %llu bytes long, but that file has %zu bytes",
                    (unsigned long long)e.offset, e.location,
                    (unsigned long long)(e.has_length ? e.length : qn_tensor_bytes(out)), file->size);
  size_t size = e.has_length ? (size_t)e.length : file->size - (size_t)e.offset;
  return take_bytes(r, file->data + e.offset, size, QN__ONNX_MAPPED, out, owner);
}

/* ---- typed fields ---- */

/* Which repeated field holds elements of a type, and how wide its entries are. */
typedef struct typed_field {
  const void *data;
  size_t count;
  unsigned bits;
  const char *name;
} typed_field;

static typed_field field_of(const Onnx__TensorProto *t, qn_scalar s) {
  switch (s) {
  case QN_F32: return (typed_field){t->float_data, t->n_float_data, 32, "float_data"};
  case QN_F64: return (typed_field){t->double_data, t->n_double_data, 64, "double_data"};
  case QN_I64: return (typed_field){t->int64_data, t->n_int64_data, 64, "int64_data"};
  case QN_UI32:
  case QN_UI64: return (typed_field){t->uint64_data, t->n_uint64_data, 64, "uint64_data"};
  default: return (typed_field){t->int32_data, t->n_int32_data, 32, "int32_data"};
  }
}

static size_t typed_entries(const Onnx__TensorProto *t) {
  return t->n_float_data + t->n_double_data + t->n_int64_data + t->n_uint64_data + t->n_int32_data + t->n_string_data;
}

/* An entry that does not fit its element would be cut silently. Floats below 32 bits are given by their bits. */
static bool entry_fits(qn_scalar s, const typed_field *f, size_t i) {
  if (s == QN_UI32) return ((const uint64_t *)f->data)[i] <= UINT32_MAX;
  if (f->bits != 32 || s == QN_F32) return true;
  int64_t v = ((const int32_t *)f->data)[i];
  const qn_scalar_info *info = qn_scalar_get(s);
  if (s == QN_I1) return v == 0 || v == 1;
  if (info->storage_bits < 8) return v >= -128 && v <= 255; /* a byte of packed elements */
  if (info->cls == QN_FLOAT) return v >= 0 && v < (int64_t)1 << info->bits;
  return v >= qn_scalar_min(s) && v <= qn_scalar_max(s);
}

/* Entries wider than what memory holds: the low bits of each, or a byte each where elements are packed. */
static qn_status narrow(const qn_onnx_reader *r, const typed_field *f, qn_tensor *out) {
  qn_scalar s = out->elem, unit = qn_scalar_get(s)->storage_bits < 8 ? QN_UI8 : s;
  size_t size = qn_tensor_bytes(out);
  void *data = qn__arena_zero(r->arena, size);
  if (!data) return qn_error_no_memory(r->ctx);
  for (size_t i = 0; i < f->count; i++) {
    uint64_t v = f->bits == 64 ? ((const uint64_t *)f->data)[i] : (uint32_t)((const int32_t *)f->data)[i];
    if (!entry_fits(s, f, i))
      return qn_error(r->ctx, QN_DIAG_OVERFLOW, r->place, "%s has %lld at index %zu, which does not fit %s", f->name,
                      f->bits == 64 ? (long long)v : (long long)(int32_t)v, i, qn_scalar_get(s)->text);
    qn__store_bits(unit, data, i, v);
  }
  out->data = data;
  return QN_OK;
}

static qn_status take_typed(const qn_onnx_reader *r, const Onnx__TensorProto *t, qn_tensor *out, qn_onnx_owner *owner) {
  typed_field f = field_of(t, out->elem);
  unsigned storage = qn_scalar_get(out->elem)->storage_bits;
  uint64_t need = storage < 8 ? qn_tensor_bytes(out) : (uint64_t)qn_tensor_count(out);
  if (typed_entries(t) != f.count)
    return qn_error(r->ctx, QN_DIAG_FORMAT, r->place,
                    "has data in other fields than %s, where elements of %s are expected", f.name,
                    qn_scalar_get(out->elem)->text);
  char unit[32];
  snprintf(unit, sizeof unit, "entries in %s", f.name);
  qn_status status = need_size(r, out, f.count, unit, need);
  if (status != QN_OK) return status;
  *owner = storage == f.bits && f.count ? QN__ONNX_BLOCK : QN__ONNX_ARENA;
  if (*owner == QN__ONNX_ARENA) return narrow(r, &f, out);
  out->data = (void *)(uintptr_t)f.data;
  return QN_OK;
}

qn_status qn__onnx_tensor(const qn_onnx_reader *r, const Onnx__TensorProto *t, qn_tensor *out, qn_onnx_owner *owner) {
  qn_status status = read_type(r, t, out);
  if (status != QN_OK) return status;
  bool elsewhere = t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  int places = (typed_entries(t) > 0) + (t->has_raw_data && t->raw_data.len) + elsewhere;
  if (places > 1)
    return qn_error(r->ctx, QN_DIAG_FORMAT, r->place,
                    "has its data in more than one place, expected raw_data, a typed "
                    "field or another file");
  if (elsewhere) return take_external(r, t, out, owner);
  if (typed_entries(t) || !t->has_raw_data) return take_typed(r, t, out, owner);
  return take_bytes(r, t->raw_data.data, t->raw_data.len, QN__ONNX_BLOCK, out, owner);
}

/* ---- a file that is one tensor ---- */

static qn_status copy_out(qn_context *ctx, const qn_tensor *view, qn_tensor *out) {
  size_t size = qn_tensor_bytes(view);
  *out = *view;
  out->data = NULL;
  if (size == 0 || !view->data) return QN_OK;
  out->data = qn__alloc(qn_context_allocator(ctx), size);
  if (!out->data) return qn_error_no_memory(ctx);
  memcpy(out->data, view->data, size);
  return QN_OK;
}

qn_status qn__onnx_tensor_file(qn_context *ctx, const char *file, const void *data, size_t size, qn_tensor *out,
                               qn_name *name) {
  *out = (qn_tensor){0};
  qn_onnx_memory mem;
  qn_arena arena;
  qn__onnx_memory_init(&mem, qn_context_allocator(ctx));
  qn__arena_init(&arena, mem.allocator);
  ProtobufCMessage *message = NULL;
  qn_status status = qn__onnx_unpack(ctx, &mem, file, &onnx__tensor_proto__descriptor, data, size, &message);
  if (status == QN_OK) {
    const Onnx__TensorProto *t = (const Onnx__TensorProto *)message;
    const qn_onnx_reader r = {.ctx = ctx, .place = qn_place_file(file), .arena = &arena};
    qn_tensor view;
    qn_onnx_owner owner;
    if (name) *name = qn_name_of_c(ctx, t->name ? t->name : "");
    status = qn__onnx_tensor(&r, t, &view, &owner);
    if (status == QN_OK) status = copy_out(ctx, &view, out);
  }
  qn__arena_free(&arena);
  qn__onnx_memory_free(&mem);
  return status;
}
