/* A single .npy file as a store of one tensor. */
#include "store_impl.h"
#include <string.h>

/* "folder/x.npy" -> "x" */
static qn_str stem(qn_str path) {
  const char *begin = path.data, *end = path.data + path.size;
  for (const char *c = path.data; c < end; c++)
    if (*c == '/') begin = c + 1;
  if (end - begin > 4 && memcmp(end - 4, ".npy", 4) == 0) end -= 4;
  return begin == end ? qn_str_of("array") : (qn_str){begin, (size_t)(end - begin)};
}

static qn_status open_npy(qn_store *s) {
  qn__store_entry *e = NULL;
  qn_status status = qn__store_add(s, stem(s->path), &e);
  if (status) return status;
  size_t text_at, data_at;
  const uint8_t *data = (const uint8_t *)s->file.data;
  status = qn__npy_prefix(s, (qn_str){0}, data, s->file.size, &data_at, &text_at);
  if (status) return status;
  if (data_at > s->file.size)
    return qn__store_error(s, (qn_str){0}, QN_DIAG_FORMAT,
                           "the header ends at byte %zu, but the file has %zu; is it truncated?", data_at,
                           s->file.size);
  status = qn__npy_header(s, e, (qn_str){s->file.data + text_at, data_at - text_at});
  if (status) return status;
  size_t left = s->file.size - data_at;
  if (left < e->bytes)
    return qn__store_error(s, (qn_str){0}, QN_DIAG_FORMAT,
                           "the shape asks for %zu bytes of data, but %zu follow the header; is the file truncated?",
                           e->bytes, left);
  if (left > e->bytes)
    return qn__store_error(s, (qn_str){0}, QN_DIAG_FORMAT,
                           "the shape asks for %zu bytes of data, but %zu follow the header; several arrays in one "
                           "file belong into an .npz",
                           e->bytes, left);
  e->at = data_at;
  e->known = true;
  return QN_OK;
}

static qn_status load_npy(qn_store *s, qn__store_entry *e) {
  const char *src = s->file.data + e->at;
  if (e->bytes == 0 || !(e->swap || e->fortran)) {
    e->tensor.data = (void *)(uintptr_t)src;
    return QN_OK;
  }
  e->owned = qn__alloc(s->allocator, e->bytes);
  if (!e->owned) return qn_error_no_memory(s->ctx);
  qn__npy_convert(e, (const uint8_t *)src, e->owned);
  e->tensor.data = e->owned;
  return QN_OK;
}

const qn__store_ops qn__store_npy = {QN_STORE_NPY, open_npy, NULL, load_npy, NULL};
