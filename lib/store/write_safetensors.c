/* Writing .safetensors: the header first, from types and shapes alone, then each tensor straight from where it is. */
#include "writer_impl.h"

enum { ALIGN_LOG2 = 6, LONGEST_HEADER = 100000000, PIECE = 1 << 20 };

/* How well a tensor that follows this one stays aligned: the power of two in its size, up to 64 bytes. */
static uint32_t alignment_left(size_t bytes) {
  uint32_t log2 = 0;
  while (log2 < ALIGN_LOG2 && (bytes & (size_t)1 << log2) == 0) log2++;
  return log2;
}

/* The format has no gaps, so tensors are aligned by their order: those whose size keeps the alignment come first.
 * `order` gets the entries as they lie in the file. */
static bool lay_out(qn_store_writer *w, uint32_t *order) {
  size_t at = 0;
  uint32_t n = 0;
  for (uint32_t log2 = ALIGN_LOG2 + 1; log2-- > 0;)
    for (uint32_t i = 0; i < w->entries.size; i++) {
      qn__store_out *e = &w->entries.data[i];
      if (alignment_left(e->bytes) != log2) continue;
      e->begin = at;
      if (!qn__add_size(at, e->bytes, &at)) return false;
      order[n++] = i;
    }
  return true;
}

static void put_string(qn_buf *b, qn_str s) {
  qn__buf_char(b, '"');
  for (size_t i = 0; i < s.size; i++) {
    char c = s.data[i];
    if (c == '"' || c == '\\') qn__buf_char(b, '\\');
    if ((unsigned char)c < 0x20)
      qn__buf_fmt(b, "\\u%04x", (unsigned)(unsigned char)c);
    else
      qn__buf_char(b, c);
  }
  qn__buf_char(b, '"');
}

/* Types that a reader would take for another one, or that the format has no name for. */
static bool needs_true_type(qn_scalar elem) {
  const char *name = qn_scalar_get(elem)->safetensors;
  return !name || qn__safetensors_type(qn_str_of(name)) != elem;
}

static void put_pair(qn_buf *b, bool *first, const char *prefix, qn_str key, qn_str value) {
  qn__buf_c(b, *first ? "{\"__metadata__\":{" : ",");
  *first = false;
  if (*prefix) { /* the key is put in one piece with its prefix, between the same quotes */
    qn_buf joined;
    qn__buf_init(&joined, b->allocator);
    qn__buf_c(&joined, prefix);
    qn__buf_str(&joined, key);
    if (joined.failed) b->failed = true;
    put_string(b, qn__buf_view(&joined));
    qn__buf_free(&joined);
  } else {
    put_string(b, key);
  }
  qn__buf_char(b, ':');
  put_string(b, value);
}

static void put_metadata(qn_store_writer *w, qn_buf *b) {
  bool first = true;
  for (uint32_t i = 0; i < w->metadata.size; i++)
    put_pair(b, &first, "", w->metadata.data[i].key, w->metadata.data[i].value);
  qn_buf text;
  qn__buf_init(&text, w->allocator);
  for (uint32_t i = 0; i < w->entries.size; i++) {
    const qn__store_out *e = &w->entries.data[i];
    if (!needs_true_type(e->tensor.elem)) continue;
    text.size = 0;
    qn__shape_text(&e->tensor, &text);
    put_pair(b, &first, QN__TYPE_KEY, e->name, qn__buf_view(&text));
  }
  if (text.failed) b->failed = true;
  qn__buf_free(&text);
  qn__buf_c(b, first ? "{" : "}");
}

static void put_entry(qn_buf *b, const qn__store_out *e) {
  const char *name = qn_scalar_get(e->tensor.elem)->safetensors;
  put_string(b, e->name);
  qn__buf_c(b, ":{\"dtype\":\"");
  qn__buf_c(b, name ? name : "U8");
  qn__buf_c(b, "\",\"shape\":[");
  if (!name) qn__buf_u64(b, e->bytes);
  for (uint32_t d = 0; name && d < e->tensor.rank; d++) {
    if (d) qn__buf_char(b, ',');
    qn__buf_i64(b, e->tensor.shape[d]);
  }
  qn__buf_c(b, "],\"data_offsets\":[");
  qn__buf_u64(b, e->begin);
  qn__buf_char(b, ',');
  qn__buf_u64(b, e->begin + e->bytes);
  qn__buf_c(b, "]}");
}

static qn_status put_header(qn_store_writer *w, qn_buf *b) {
  for (int i = 0; i < 8; i++) qn__buf_char(b, 0); /* the length, filled in below */
  put_metadata(w, b);
  bool first = b->size == 9; /* nothing but the opening brace: no metadata */
  for (uint32_t i = 0; i < w->entries.size; i++) {
    if (!first) qn__buf_char(b, ',');
    first = false;
    put_entry(b, &w->entries.data[i]);
  }
  qn__buf_char(b, '}');
  while (!b->failed && b->size % (1u << ALIGN_LOG2) != 0) qn__buf_char(b, ' ');
  if (b->failed) return qn_error_no_memory(w->ctx);
  uint64_t length = b->size - 8;
  if (length > LONGEST_HEADER)
    return qn__store_writer_error(w, (qn_str){0}, QN_DIAG_LIMIT, "the header would take %llu bytes; the limit is %d",
                                  (unsigned long long)length, LONGEST_HEADER);
  for (int i = 0; i < 8; i++) b->data[i] = (char)(unsigned char)(length >> 8 * i);
  return QN_OK;
}

static qn_status put_source(qn_store_writer *w, const qn__store_out *e) {
  size_t room = e->bytes < PIECE ? e->bytes : PIECE;
  char *piece = qn__alloc(w->allocator, room);
  if (!piece && room) return qn_error_no_memory(w->ctx);
  qn_status status = QN_OK;
  for (size_t at = 0; at < e->bytes && status == QN_OK;) {
    size_t n = e->bytes - at < room ? e->bytes - at : room;
    status = e->source(e->user, at, piece, n);
    if (status == QN_OK && !qn__writer_put(&w->out, piece, n)) break;
    at += n;
  }
  qn__free(w->allocator, piece, room);
  return status;
}

static qn_status put_all(qn_store_writer *w, const uint32_t *order) {
  qn_buf header;
  qn__buf_init(&header, w->allocator);
  qn_status status = put_header(w, &header);
  bool going = status == QN_OK && qn__writer_put(&w->out, header.data, header.size);
  qn__buf_free(&header);
  for (uint32_t i = 0; i < w->entries.size && going && status == QN_OK; i++) {
    const qn__store_out *e = &w->entries.data[order[i]];
    if (e->source)
      status = put_source(w, e);
    else if (e->bytes)
      going = qn__writer_put(&w->out, e->tensor.data, e->bytes);
  }
  return status;
}

qn_status qn__write_safetensors(qn_store_writer *w) {
  uint32_t *order = qn__arena_array(&w->arena, w->entries.size, sizeof *order);
  if (!order) return qn_error_no_memory(w->ctx);
  if (!lay_out(w, order))
    return qn__store_writer_error(w, (qn_str){0}, QN_DIAG_LIMIT, "the tensors take more bytes than a file can hold");
  return put_all(w, order);
}
