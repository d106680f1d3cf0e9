/* Stores: what all formats have in common. */
#include "store_impl.h"
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------ diagnostics */

/* Names come from files: cut where they are very long, and control characters do not reach a terminal. */
static void show_name(qn_str name, char *out, size_t size) {
  int head = snprintf(out, size, "tensor '");
  size_t at = (size_t)head, room = size - 8;
  for (size_t i = 0; i < name.size && at < room; i++) {
    unsigned char c = (unsigned char)name.data[i];
    out[at++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
  }
  snprintf(out + at, size - at, "%s'", at < room ? "" : "...");
}

qn_status qn__store_verror(qn_context *ctx, qn_str path, qn_str name, qn_diag_code code, const char *fmt,
                           va_list args) {
  char entity[200] = "";
  if (name.size) show_name(name, entity, sizeof entity);
  qn_place place = {.file = path, .entity = qn_str_of(entity)};
  return qn_report(ctx, QN_ERROR, code, place, fmt, args);
}

qn_status(qn__store_error)(qn_store *s, qn_str name, qn_diag_code code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn_status status = qn__store_verror(s->ctx, s->path, name, code, fmt, args);
  va_end(args);
  return status;
}

/* ---------------------------------------------------------------------------------------------------- entries */

static bool entry_equal(const void *owner, const void *key, uint32_t id) {
  const qn_store *s = owner;
  return qn_str_eq(s->entries.data[id - 1].name, *(const qn_str *)key);
}

bool qn_store_find(const qn_store *store, qn_str name, size_t *i) {
  uint32_t id = qn__map_find(&store->by_name, qn__hash(name.data, name.size, 0), entry_equal, store, &name);
  if (id) *i = id - 1;
  return id != 0;
}

qn_status qn__store_add(qn_store *s, qn_str name, qn__store_entry **e) {
  size_t old;
  if (qn_store_find(s, name, &old))
    return qn__store_error(s, name, QN_DIAG_REDEFINED, "the file has two tensors of this name; names must be unique");
  qn__store_entry fresh = {.name = qn__arena_str(&s->arena, name)};
  bool added = fresh.name.data && qn__push(s->allocator, &s->entries, fresh);
  if (!added) return qn_error_no_memory(s->ctx);
  if (!qn__map_add(s->allocator, &s->by_name, qn__hash(name.data, name.size, 0), s->entries.size))
    return qn_error_no_memory(s->ctx);
  *e = &s->entries.data[s->entries.size - 1];
  return QN_OK;
}

/* ------------------------------------------------------------------------------------------- opening, closing */

/* Zip archives begin with an entry, or with the end record when they are empty. Whatever is neither that nor NPY is
 * left to the safetensors reader, which says what it expected. */
static const qn__store_ops *ops_of(const qn_file *file) {
  if (qn__npy_is(file->data, file->size)) return &qn__store_npy;
  if (file->size >= 4 && (memcmp(file->data, "PK\3\4", 4) == 0 || memcmp(file->data, "PK\5\6", 4) == 0))
    return &qn__store_npz;
  return &qn__store_safetensors;
}

/* Takes over `file`, whatever the result. */
static qn_status open_file(qn_context *ctx, const char *path, qn_file file, qn_store **store) {
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_store *s = qn__alloc_zero(a, sizeof *s);
  if (!s) {
    qn__file_close(&file);
    return qn_error_no_memory(ctx);
  }
  s->ctx = ctx;
  s->allocator = a;
  s->file = file;
  s->ops = ops_of(&file);
  qn__arena_init(&s->arena, a);
  s->path = qn__arena_str(&s->arena, qn_str_of(path));
  qn_status status = s->path.data ? s->ops->open(s) : qn_error_no_memory(ctx);
  if (status == QN_OK)
    *store = s;
  else
    qn_store_close(s);
  return status;
}

qn_status qn_store_open(qn_context *ctx, const char *path, qn_store **store) {
  if (!ctx || !path || !store) return qn_error_null(ctx, __func__);
  *store = NULL;
  qn_file file;
  qn_status status = qn__file_open(ctx, path, &file);
  if (status) return status;
  return open_file(ctx, strcmp(path, "-") == 0 ? "<stdin>" : path, file, store);
}

qn_status qn_store_open_memory(qn_context *ctx, const char *name, const void *data, size_t size, qn_store **store) {
  if (!ctx || !name || (!data && size) || !store) return qn_error_null(ctx, __func__);
  *store = NULL;
  qn_file file = {.data = size ? data : "", .size = size, .allocator = qn_context_allocator(ctx)};
  return open_file(ctx, name, file, store);
}

void qn_store_close(qn_store *store) {
  if (!store) return;
  if (store->ops->close) store->ops->close(store);
  for (uint32_t i = 0; i < store->entries.size; i++) qn_store_drop(store, i);
  const qn_allocator *a = store->allocator;
  qn__vec_free(a, &store->entries);
  qn__vec_free(a, &store->metadata);
  qn__map_free(a, &store->by_name);
  qn__map_free(a, &store->by_key);
  qn__arena_free(&store->arena);
  qn__file_close(&store->file);
  qn__free(a, store, sizeof *store);
}

/* ---------------------------------------------------------------------------------------------------- reading */

qn_store_format qn_store_format_of(const qn_store *store) {
  return store->ops->format;
}

size_t qn_store_count(const qn_store *store) {
  return store->entries.size;
}

qn_str qn_store_name(const qn_store *store, size_t i) {
  return i < store->entries.size ? store->entries.data[i].name : (qn_str){"", 0};
}

static qn_status know(qn_store *s, size_t i, qn__store_entry **out) {
  if (i >= s->entries.size)
    return qn__store_error(s, (qn_str){0}, QN_DIAG_MISSING, "tensor number %zu was asked for, but the file has %u", i,
                           s->entries.size);
  qn__store_entry *e = *out = &s->entries.data[i];
  if (e->refusal_text.size) return qn__store_error(s, e->name, e->refusal, "%s", e->refusal_text.data);
  if (e->known) return QN_OK;
  qn_status status = s->ops->info(s, e);
  if (status == QN_OK) e->known = true;
  return status;
}

qn_status qn_store_info(qn_store *store, size_t i, qn_tensor *out) {
  *out = (qn_tensor){0};
  qn__store_entry *e = NULL;
  qn_status status = know(store, i, &e);
  if (status) return status;
  *out = e->tensor;
  out->data = NULL;
  return QN_OK;
}

/* One byte per i1, and only 0 and 1 mean something: what follows may use it as an index or a mask. */
static qn_status check_bools(qn_store *s, const qn__store_entry *e) {
  const uint8_t *bytes = e->tensor.data;
  for (size_t i = 0; i < e->bytes; i++)
    if (bytes[i] > 1)
      return qn__store_error(s, e->name, QN_DIAG_DATA, "boolean element %zu is stored as %u; expected 0 or 1", i,
                             bytes[i]);
  return QN_OK;
}

qn_status qn_store_tensor(qn_store *store, size_t i, qn_tensor *out) {
  *out = (qn_tensor){0};
  qn__store_entry *e = NULL;
  qn_status status = know(store, i, &e);
  if (status == QN_OK && !e->tensor.data) {
    status = store->ops->load(store, e);
    if (status == QN_OK && e->tensor.elem == QN_I1) status = check_bools(store, e);
    if (status) qn_store_drop(store, i);
  }
  if (status == QN_OK) *out = e->tensor;
  return status;
}

qn_status qn_store_get(qn_store *store, qn_str name, qn_tensor *out) {
  *out = (qn_tensor){0};
  size_t i;
  if (!qn_store_find(store, name, &i))
    return qn__store_error(store, name, QN_DIAG_MISSING, "the file has no tensor of this name among its %u",
                           store->entries.size);
  return qn_store_tensor(store, i, out);
}

void qn_store_drop(qn_store *store, size_t i) {
  if (i >= store->entries.size) return;
  qn__store_entry *e = &store->entries.data[i];
  qn__free(store->allocator, e->owned, e->bytes);
  e->owned = NULL;
  e->tensor.data = NULL;
}

qn_status qn_npy_read(qn_context *ctx, const char *path, qn_store **store, qn_tensor *out) {
  if (!ctx || !path || !store || !out) return qn_error_null(ctx, __func__);
  *out = (qn_tensor){0};
  qn_status status = qn_store_open(ctx, path, store);
  if (status) return status;
  if ((*store)->ops->format != QN_STORE_NPY)
    status = qn__store_error(*store, (qn_str){0}, QN_DIAG_FORMAT, "expected an .npy file, found another format");
  if (status == QN_OK) status = qn_store_tensor(*store, 0, out);
  if (status) {
    qn_store_close(*store);
    *store = NULL;
  }
  return status;
}

/* --------------------------------------------------------------------------------------------------- metadata */

static bool pair_equal(const void *owner, const void *key, uint32_t id) {
  const qn_store *s = owner;
  return qn_str_eq(s->metadata.data[id - 1].key, *(const qn_str *)key);
}

size_t qn_store_metadata_count(const qn_store *store) {
  return store->metadata.size;
}

bool qn_store_metadata_at(const qn_store *store, size_t i, qn_str *key, qn_str *value) {
  if (i >= store->metadata.size) return false;
  *key = store->metadata.data[i].key;
  *value = store->metadata.data[i].value;
  return true;
}

bool qn_store_metadata(const qn_store *store, qn_str key, qn_str *value) {
  uint32_t id = qn__map_find(&store->by_key, qn__hash(key.data, key.size, 0), pair_equal, store, &key);
  if (id) *value = store->metadata.data[id - 1].value;
  return id != 0;
}

void qn_store_passed(const qn_store *store, const void *data, size_t size) {
  qn__file_passed_range(&store->file, data, size);
}
