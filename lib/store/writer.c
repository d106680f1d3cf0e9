/* Store writers: collecting what is to be written, and the order of opening, writing and renaming. */
#include "utf8.h"
#include "writer_impl.h"
#include <string.h>

qn_status qn__store_writer_error(qn_store_writer *w, qn_str name, qn_diag_code code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn_status status = qn__store_verror(w->ctx, w->path, name, code, fmt, args);
  va_end(args);
  return status;
}

static void destroy(qn_store_writer *w) {
  const qn_allocator *a = w->allocator;
  qn__vec_free(a, &w->entries);
  qn__vec_free(a, &w->metadata);
  qn__map_free(a, &w->by_name);
  qn__map_free(a, &w->by_key);
  qn__arena_free(&w->arena);
  qn__free(a, w, sizeof *w);
}

qn_status qn_store_writer_create(qn_context *ctx, const char *path, qn_store_format format, qn_store_writer **writer) {
  if (!ctx || !path || !writer) return qn_error_null(ctx, __func__);
  *writer = NULL;
  if ((unsigned)format > QN_STORE_NPY)
    return qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(path), "there is no format of number %d", (int)format);
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_store_writer *w = qn__alloc_zero(a, sizeof *w);
  if (!w) return qn_error_no_memory(ctx);
  w->ctx = ctx;
  w->allocator = a;
  w->format = format;
  qn__arena_init(&w->arena, a);
  w->path = qn__arena_str(&w->arena, qn_str_of(path));
  qn_status status = w->path.data ? qn__writer_open(ctx, path, &w->out) : qn_error_no_memory(ctx);
  if (status == QN_OK)
    *writer = w;
  else
    destroy(w);
  return status;
}

static bool out_equal(const void *owner, const void *key, uint32_t id) {
  const qn_store_writer *w = owner;
  return qn_str_eq(w->entries.data[id - 1].name, *(const qn_str *)key);
}

static qn_status check_new(qn_store_writer *w, qn_str name, uint32_t hash, const qn_tensor *t) {
  if (!qn__utf8_valid(name) || (name.size && memchr(name.data, 0, name.size)))
    return qn__store_writer_error(w, name, QN_DIAG_FORMAT, "a tensor's name must be UTF-8 without NUL characters");
  if (w->format == QN_STORE_SAFETENSORS && qn_str_eq(name, qn_str_of("__metadata__")))
    return qn__store_writer_error(w, name, QN_DIAG_FORMAT, "the format keeps this name for its metadata");
  if (qn__map_find(&w->by_name, hash, out_equal, w, &name))
    return qn__store_writer_error(w, name, QN_DIAG_REDEFINED, "a tensor of this name was added before");
  if (w->format == QN_STORE_NPY && w->entries.size)
    return qn__store_writer_error(w, name, QN_DIAG_UNSUPPORTED, "an .npy file holds one tensor; write an .npz");
  if (t->elem <= QN_SCALAR_NONE || t->elem >= QN_SCALAR_COUNT || t->rank > QN_MAX_RANK)
    return qn__store_writer_error(w, name, QN_DIAG_TYPE, "the tensor has no element type, or more than %d dimensions",
                                  QN_MAX_RANK);
  if (qn_tensor_count(t) < 0 || qn_tensor_bytes(t) == SIZE_MAX)
    return qn__store_writer_error(w, name, QN_DIAG_SHAPE, "a size is negative, or their product does not fit");
  return QN_OK;
}

static qn_status add(qn_store_writer *w, qn_str name, const qn_tensor *t, qn_store_source source, void *user) {
  if (!w || !t) return qn_error_null(w ? w->ctx : NULL, "qn_store_writer_add");
  uint32_t hash = qn__hash(name.data, name.size, 0);
  qn_status status = check_new(w, name, hash, t);
  if (status) return status;
  qn__store_out e = {qn__arena_str(&w->arena, name), *t, source, user, qn_tensor_bytes(t), 0};
  if (!source && !t->data && e.bytes) return qn__store_writer_error(w, name, QN_DIAG_MISSING, "the tensor has no data");
  bool added = e.name.data && qn__push(w->allocator, &w->entries, e) &&
               qn__map_add(w->allocator, &w->by_name, hash, w->entries.size);
  return added ? QN_OK : qn_error_no_memory(w->ctx);
}

qn_status qn_store_writer_add(qn_store_writer *writer, qn_str name, const qn_tensor *tensor) {
  return add(writer, name, tensor, NULL, NULL);
}

qn_status qn_store_writer_add_source(qn_store_writer *writer, qn_str name, const qn_tensor *type_and_shape,
                                     qn_store_source source, void *user) {
  return add(writer, name, type_and_shape, source, user);
}

static bool pair_equal(const void *owner, const void *key, uint32_t id) {
  const qn_store_writer *w = owner;
  return qn_str_eq(w->metadata.data[id - 1].key, *(const qn_str *)key);
}

qn_status qn_store_writer_metadata(qn_store_writer *writer, qn_str key, qn_str value) {
  qn_store_writer *w = writer;
  if (!w) return qn_error_null(NULL, __func__);
  const size_t prefix = sizeof QN__TYPE_KEY - 1;
  const qn_str nobody = {NULL, 0};
  if (w->format != QN_STORE_SAFETENSORS)
    return qn__store_writer_error(w, nobody, QN_DIAG_UNSUPPORTED, "only .safetensors files have metadata");
  if (!qn__utf8_valid(key) || !qn__utf8_valid(value) || (key.size && memchr(key.data, 0, key.size)) ||
      (value.size && memchr(value.data, 0, value.size)))
    return qn__store_writer_error(w, nobody, QN_DIAG_FORMAT, "metadata must be UTF-8 without NUL characters");
  if (key.size >= prefix && memcmp(key.data, QN__TYPE_KEY, prefix) == 0)
    return qn__store_writer_error(w, nobody, QN_DIAG_REDEFINED,
                                  "keys under '" QN__TYPE_KEY "' are written for tensors");
  uint32_t hash = qn__hash(key.data, key.size, 0);
  if (qn__map_find(&w->by_key, hash, pair_equal, w, &key))
    return qn__store_writer_error(w, nobody, QN_DIAG_REDEFINED, "a metadata key was added before: '%.*s'",
                                  (int)(key.size < 80 ? key.size : 80), key.data);
  qn__store_pair pair = {qn__arena_str(&w->arena, key), qn__arena_str(&w->arena, value)};
  bool added = pair.key.data && pair.value.data && qn__push(w->allocator, &w->metadata, pair) &&
               qn__map_add(w->allocator, &w->by_key, hash, w->metadata.size);
  return added ? QN_OK : qn_error_no_memory(w->ctx);
}

qn_status qn_store_writer_commit(qn_store_writer *writer) {
  if (!writer) return qn_error_null(NULL, __func__);
  static qn_status (*const write[])(qn_store_writer *) = {
      [QN_STORE_SAFETENSORS] = qn__write_safetensors,
      [QN_STORE_NPZ] = qn__write_npz,
      [QN_STORE_NPZ_DEFLATED] = qn__write_npz,
      [QN_STORE_NPY] = qn__write_npy,
  };
  qn_status status = write[writer->format](writer);
  if (status == QN_OK)
    status = qn__writer_commit(&writer->out);
  else
    qn__writer_abandon(&writer->out);
  destroy(writer);
  return status;
}

void qn_store_writer_abandon(qn_store_writer *writer) {
  if (!writer) return;
  qn__writer_abandon(&writer->out);
  destroy(writer);
}

qn_status qn_npy_write(qn_context *ctx, const char *path, const qn_tensor *tensor) {
  if (!ctx || !path || !tensor) return qn_error_null(ctx, __func__);
  qn_store_writer *w;
  qn_status status = qn_store_writer_create(ctx, path, QN_STORE_NPY, &w);
  if (status) return status;
  status = qn_store_writer_add(w, qn_str_of("array"), tensor);
  if (status == QN_OK) return qn_store_writer_commit(w);
  qn_store_writer_abandon(w);
  return status;
}
