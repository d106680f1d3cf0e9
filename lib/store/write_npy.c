/* Writing NPY arrays: as a file, or as the stream that an archive entry is made of. */
#include "writer_impl.h"
#include <stdio.h>
#include <string.h>

/* NPY has no type for integers below 8 bits and for small floats: the next wider type that holds every value. */
static qn_scalar written_type(qn_scalar elem) {
  const qn_scalar_info *info = qn_scalar_get(elem);
  if (info->numpy) return elem;
  if (info->cls == QN_FLOAT) return QN_F32;
  return info->cls == QN_UNSIGNED ? QN_UI8 : QN_I8;
}

/* NPY 1.0: the text is padded so that the data begins at a multiple of 64 and ends with a newline. */
static size_t format_header(char *out, size_t size, const qn_tensor *t, qn_scalar written) {
  int n = snprintf(out + 10, size - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                   qn_scalar_get(written)->numpy);
  size_t at = 10 + (size_t)n;
  for (uint32_t d = 0; d < t->rank; d++)
    at += (size_t)snprintf(out + at, size - at, "%s%lld", d ? ", " : "", (long long)t->shape[d]);
  if (t->rank == 1) out[at++] = ',';
  at += (size_t)snprintf(out + at, size - at, "), }");
  while (at % 64 != 63) out[at++] = ' ';
  out[at++] = '\n';
  memcpy(out, "\x93NUMPY\1", 8);
  out[8] = (char)(unsigned char)((at - 10) & 255);
  out[9] = (char)(unsigned char)((at - 10) >> 8);
  return at;
}

bool qn__npy_stream_init(qn__npy_stream *s, const qn__store_out *e) {
  memset(s, 0, sizeof *s);
  s->e = e;
  s->written = written_type(e->tensor.elem);
  s->header_size = format_header(s->header, sizeof s->header, &e->tensor, s->written);
  qn_tensor wide = e->tensor;
  wide.elem = s->written;
  size_t bytes = qn_tensor_bytes(&wide), total;
  if (bytes == SIZE_MAX || !qn__add_size(bytes, s->header_size, &total)) return false;
  s->size = total;
  return true;
}

/* Converts the group of elements that byte `offset` of the written data belongs to. */
static bool widen(qn__npy_stream *s, uint64_t group) {
  const qn__store_out *e = s->e;
  int64_t left = qn_tensor_count(&e->tensor) - (int64_t)(group * QN__NPY_GROUP);
  int64_t n = left < QN__NPY_GROUP ? left : QN__NPY_GROUP;
  qn_tensor from = {.elem = e->tensor.elem, .rank = 1, .shape = {n}};
  qn_tensor to = {.elem = s->written, .rank = 1, .shape = {n}, .data = s->wide};
  size_t at = qn_scalar_bytes(from.elem, group * QN__NPY_GROUP);
  from.data = s->raw;
  if (!e->source)
    from.data = (char *)e->tensor.data + at;
  else if ((s->status = e->source(e->user, at, s->raw, qn_tensor_bytes(&from))) != QN_OK)
    return false;
  bool is_float = qn_scalar_is_float(from.elem);
  for (int64_t i = 0; i < n; i++) {
    if (is_float)
      qn_tensor_set_f64(&to, i, qn_tensor_get_f64(&from, i));
    else
      qn_tensor_set_i64(&to, i, qn_tensor_get_i64(&from, i));
  }
  s->group = group + 1;
  return true;
}

/* Some of the data from `offset` on, at most `size` bytes and at least one; 0 when the source failed. */
static size_t read_data(qn__npy_stream *s, uint64_t offset, char *out, size_t size) {
  const qn__store_out *e = s->e;
  if (s->written == e->tensor.elem) {
    if (!e->source)
      memcpy(out, (const char *)e->tensor.data + offset, size);
    else
      s->status = e->source(e->user, offset, out, size);
    return s->status ? 0 : size;
  }
  size_t group_bytes = qn_scalar_bytes(s->written, QN__NPY_GROUP);
  uint64_t group = offset / group_bytes;
  if (s->group != group + 1 && !widen(s, group)) return 0;
  size_t at = (size_t)(offset % group_bytes), n = group_bytes - at;
  if (n > size) n = size;
  memcpy(out, s->wide + at, n);
  return n;
}

size_t qn__npy_stream_read(qn__npy_stream *s, void *out, size_t size) {
  char *to = out;
  size_t done = 0;
  if (size > s->size - s->at) size = (size_t)(s->size - s->at);
  while (done < size) {
    size_t n = size - done;
    if (s->at < s->header_size) {
      size_t left = s->header_size - (size_t)s->at;
      if (n > left) n = left;
      memcpy(to + done, s->header + s->at, n);
    } else {
      n = read_data(s, s->at - s->header_size, to + done, n);
      if (n == 0) return SIZE_MAX;
    }
    done += n;
    s->at += n;
  }
  return done;
}

static qn_status put_stream(qn_store_writer *w, qn__npy_stream *s) {
  enum { PIECE = 1 << 18 };
  char *piece = qn__alloc(w->allocator, PIECE);
  if (!piece) return qn_error_no_memory(w->ctx);
  size_t n;
  while ((n = qn__npy_stream_read(s, piece, PIECE)) != 0 && n != SIZE_MAX)
    if (!qn__writer_put(&w->out, piece, n)) break;
  qn__free(w->allocator, piece, PIECE);
  return s->status;
}

qn_status qn__write_npy(qn_store_writer *w) {
  if (w->entries.size != 1)
    return qn__store_writer_error(w, (qn_str){0}, QN_DIAG_MISSING, "an .npy file holds one tensor, none was added");
  const qn__store_out *e = &w->entries.data[0];
  qn__npy_stream *s = qn__arena_alloc(&w->arena, sizeof *s);
  if (!s) return qn_error_no_memory(w->ctx);
  if (!qn__npy_stream_init(s, e))
    return qn__store_writer_error(w, e->name, QN_DIAG_LIMIT, "the array takes more bytes than a file can hold");
  return put_stream(w, s);
}
