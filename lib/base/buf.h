/* A growing string. A failed allocation sets `failed` and later appends do nothing: check it once, at the end. With a
 * `flush` function the buffer empties itself through it whenever it passes 64 KB, so printing needs constant memory. */
#ifndef QN_BUF_H
#define QN_BUF_H
#include "alloc.h"
#include <stdarg.h>

typedef struct qn_buf {
  const qn_allocator *allocator;
  char *data; /* always zero-terminated once something was appended */
  size_t size, cap;
  bool failed;
  bool (*flush)(void *user, const char *data, size_t size); /* false stops and sets failed */
  void *user;
} qn_buf;

void qn__buf_init(qn_buf *b, const qn_allocator *allocator);
void qn__buf_free(qn_buf *b);
void qn__buf_put(qn_buf *b, const void *data, size_t size);
void qn__buf_str(qn_buf *b, qn_str s);
void qn__buf_c(qn_buf *b, const char *terminated);
void qn__buf_char(qn_buf *b, char c);
void qn__buf_u64(qn_buf *b, uint64_t v);
void qn__buf_i64(qn_buf *b, int64_t v);
void qn__buf_fmt(qn_buf *b, const char *fmt, ...) QN_PRINTF(2, 3);
void qn__buf_vfmt(qn_buf *b, const char *fmt, va_list args);
/* Hands the rest to flush; true when everything since init succeeded. */
bool qn__buf_finish(qn_buf *b);
static inline qn_str qn__buf_view(const qn_buf *b) {
  return (qn_str){b->data, b->size};
}
#endif
