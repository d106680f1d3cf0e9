#include "buf.h"
#include <stdio.h>
#include <string.h>

enum { FLUSH_AT = 1 << 16 };

void qn__buf_init(qn_buf *b, const qn_allocator *allocator) {
  *b = (qn_buf){.allocator = allocator};
}

void qn__buf_free(qn_buf *b) {
  qn__free(b->allocator, b->data, b->cap);
  b->data = NULL;
  b->size = b->cap = 0;
}

static bool drain(qn_buf *b) {
  if (b->size && !b->flush(b->user, b->data, b->size)) b->failed = true;
  b->size = 0;
  if (b->data) b->data[0] = 0;
  return !b->failed;
}

/* Room for `more` bytes and the terminator. */
static bool reserve(qn_buf *b, size_t more) {
  if (b->failed) return false;
  if (more < b->cap - b->size) return true; /* cap > size always holds once anything is allocated */
  size_t need, cap = b->cap > SIZE_MAX / 2 ? SIZE_MAX : b->cap * 2;
  if (!qn__add_size(b->size, more, &need) || !qn__add_size(need, 1, &need)) return b->failed = true, false;
  if (cap < 128) cap = 128;
  if (cap < need) cap = need;
  char *data = qn__resize(b->allocator, b->data, b->cap, cap);
  if (!data) return b->failed = true, false;
  b->data = data;
  b->cap = cap;
  return true;
}

static void grew(qn_buf *b, size_t by) {
  b->size += by;
  b->data[b->size] = 0;
  if (b->flush && b->size >= FLUSH_AT) drain(b);
}

void qn__buf_put(qn_buf *b, const void *data, size_t size) {
  if (size == 0 || b->failed) return;
  if (b->flush && size >= FLUSH_AT) {
    if (drain(b) && !b->flush(b->user, data, size)) b->failed = true;
    return;
  }
  if (!reserve(b, size)) return;
  memcpy(b->data + b->size, data, size);
  grew(b, size);
}

void qn__buf_str(qn_buf *b, qn_str s) {
  qn__buf_put(b, s.data, s.size);
}

void qn__buf_c(qn_buf *b, const char *terminated) {
  qn__buf_put(b, terminated, strlen(terminated));
}

void qn__buf_char(qn_buf *b, char c) {
  if (!reserve(b, 1)) return;
  b->data[b->size] = c;
  grew(b, 1);
}

void qn__buf_u64(qn_buf *b, uint64_t v) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = (char)('0' + v % 10);
    v /= 10;
  } while (v);
  qn__buf_put(b, digits + at, sizeof digits - at);
}

void qn__buf_i64(qn_buf *b, int64_t v) {
  if (v < 0) qn__buf_char(b, '-');
  qn__buf_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void qn__buf_vfmt(qn_buf *b, const char *fmt, va_list args) {
  if (!reserve(b, 63)) return;
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(b->data + b->size, b->cap - b->size, fmt, args);
  if (n < 0) {
    b->failed = true;
  } else if ((size_t)n < b->cap - b->size) {
    grew(b, (size_t)n);
  } else if (reserve(b, (size_t)n)) {
    vsnprintf(b->data + b->size, b->cap - b->size, fmt, again);
    grew(b, (size_t)n);
  }
  va_end(again);
}

void qn__buf_fmt(qn_buf *b, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn__buf_vfmt(b, fmt, args);
  va_end(args);
}

bool qn__buf_finish(qn_buf *b) {
  if (b->flush && !b->failed) drain(b);
  return !b->failed;
}
