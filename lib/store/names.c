/* Names of types and tensors: between the formats' spellings and ours. */
#include "store_impl.h"
#include <string.h>

qn_scalar qn__safetensors_type(qn_str dtype) {
  for (int i = 1; i < QN_SCALAR_COUNT; i++) {
    const char *name = qn_scalar_get((qn_scalar)i)->safetensors;
    if (name && qn_str_eq(qn_str_of(name), dtype)) return (qn_scalar)i;
  }
  return QN_SCALAR_NONE;
}

/* The byte order, the first character of a table entry, is no part of the type. */
qn_scalar qn__npy_type(qn_str kind_and_size) {
  for (int i = 1; i < QN_SCALAR_COUNT; i++) {
    const char *descr = qn_scalar_get((qn_scalar)i)->numpy;
    if (descr && qn_str_eq(qn_str_of(descr + 1), kind_and_size)) return (qn_scalar)i;
  }
  return QN_SCALAR_NONE;
}

bool qn__shape_text_parse(qn_str text, qn_tensor *out) {
  *out = (qn_tensor){0};
  size_t at = 0;
  while (at < text.size && text.data[at] >= '0' && text.data[at] <= '9') {
    int64_t size = 0;
    for (; at < text.size && text.data[at] >= '0' && text.data[at] <= '9'; at++) {
      int digit = text.data[at] - '0';
      if (size > (INT64_MAX - digit) / 10) return false;
      size = size * 10 + digit;
    }
    if (at == text.size || text.data[at] != 'x' || out->rank == QN_MAX_RANK) return false;
    out->shape[out->rank++] = size;
    at++;
  }
  out->elem = qn_scalar_find((qn_str){text.data + at, text.size - at});
  return out->elem != QN_SCALAR_NONE && qn_tensor_bytes(out) != SIZE_MAX;
}

void qn__shape_text(const qn_tensor *t, qn_buf *out) {
  for (uint32_t i = 0; i < t->rank; i++) {
    qn__buf_i64(out, t->shape[i]);
    qn__buf_char(out, 'x');
  }
  qn__buf_c(out, qn_scalar_get(t->elem)->text);
}

static bool letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool identifier_char(char c) {
  return letter(c) || (c >= '0' && c <= '9') || c == '$' || c == '.';
}

static void put_identifier(qn_buf *b, qn_str name) {
  if (name.size == 0 || (!letter(name.data[0]) && identifier_char(name.data[0]))) qn__buf_char(b, '_');
  for (size_t i = 0; i < name.size; i++) qn__buf_char(b, identifier_char(name.data[i]) ? name.data[i] : '_');
}

qn_name qn_store_identifier(qn_context *ctx, qn_str name, bool (*taken)(void *user, qn_name name), void *user) {
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(ctx));
  put_identifier(&b, name);
  size_t base = b.size;
  qn_name result = {0};
  for (uint64_t n = 1; !b.failed; n++) {
    result = qn_name_of(ctx, qn__buf_view(&b));
    if (result.id == 0 || !taken || !taken(user, result)) break;
    b.size = base;
    qn__buf_char(&b, '_');
    qn__buf_u64(&b, n);
  }
  if (b.failed) {
    qn_error_no_memory(ctx);
    result = (qn_name){0};
  }
  qn__buf_free(&b);
  return result;
}
