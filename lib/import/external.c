/* Tensor data in files beside the model. */
#include "buf.h"
#include "onnx_memory.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Why a location must not be followed; null when it stays inside the model's folder. */
static const char *escape_reason(qn_str location) {
  if (!location.size) return "is empty";
  if (location.data[0] == '/') return "is absolute";
  for (size_t at = 0; at <= location.size;) {
    const char *start = location.data + at, *slash = memchr(start, '/', location.size - at);
    size_t n = slash ? (size_t)(slash - start) : location.size - at;
    if (n == 2 && memcmp(start, "..", 2) == 0) return "leaves the folder through '..'";
    if (memchr(start, '\\', n)) return "has a backslash in it";
    at += n + 1;
  }
  return NULL;
}

/* The location in the model's folder; zero-terminated, of size + 1 bytes. */
static char *join(const qn_allocator *a, const char *model_path, qn_str location, size_t *size) {
  const char *slash = strrchr(model_path, '/');
  qn_str folder = {model_path, slash ? (size_t)(slash - model_path) + 1 : 0};
  qn_buf b;
  qn__buf_init(&b, a);
  qn__buf_str(&b, folder);
  qn__buf_str(&b, location);
  char *path = b.failed ? NULL : qn__strdup(a, qn__buf_view(&b));
  *size = b.size;
  qn__buf_free(&b);
  return path;
}

/* A pipe or a terminal would block or be read to no end. Links are followed: model caches are made of them. */
static bool is_plain_file(const char *path) {
  struct stat st;
  return stat(path, &st) != 0 || S_ISREG(st.st_mode); /* what does not exist is reported by opening it */
}

static qn_status open_file(qn_onnx_keep *keep, qn_context *ctx, char *path, size_t size, qn_place place,
                           const qn_file **out) {
  if (!is_plain_file(path))
    return qn_error(ctx, QN_DIAG_IO, place, "its data is said to be in '%s', which is no regular file", path);
  if (!qn__reserve(keep->allocator, &keep->files, 1)) return qn_error_no_memory(ctx);
  qn_onnx_file *f = &keep->files.data[keep->files.size];
  f->path = (qn_str){path, size};
  qn_status status = qn__file_open(ctx, path, &f->file);
  if (status != QN_OK) {
    qn_note(ctx, place, "the data of this tensor is said to be in that file; keep it beside the model");
    return status;
  }
  keep->files.size++;
  *out = &f->file;
  return QN_OK;
}

qn_status qn__onnx_keep_file(qn_onnx_keep *keep, qn_context *ctx, const char *model_path, qn_str location,
                             qn_place place, const qn_file **out) {
  if (!model_path)
    return qn_error(ctx, QN_DIAG_UNSUPPORTED, place,
                    "its data is in the file '%.*s', but this model is read from memory: import it from a file",
                    (int)location.size, location.data);
  const char *reason = escape_reason(location);
  if (reason)
    return qn_error(ctx, QN_DIAG_DATA, place,
                    "its data is said to be in '%.*s', which %s; expected a path relative to the model's folder and "
                    "inside it",
                    (int)location.size, location.data, reason);
  size_t size;
  char *path = join(keep->allocator, model_path, location, &size);
  if (!path) return qn_error_no_memory(ctx);
  qn_status status = QN_OK;
  *out = NULL;
  /* Backwards: tensors of one file follow each other. */
  for (uint32_t i = keep->files.size; i-- > 0 && !*out;)
    if (qn_str_eq(keep->files.data[i].path, (qn_str){path, size})) *out = &keep->files.data[i].file;
  bool known = *out != NULL;
  if (!known) status = open_file(keep, ctx, path, size, place, out);
  if (known || status != QN_OK) qn__free(keep->allocator, path, size + 1);
  return status;
}
