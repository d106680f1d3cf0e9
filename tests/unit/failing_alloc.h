/* An allocator that counts, checks that sizes are given back as they were taken, and fails at a chosen allocation.
 * Use: for (size_t n = 0;; n++) { failing_init(&f, n); run; assert nothing is left; if (!f.fired) break; } */
#ifndef QN_TEST_FAILING_ALLOC_H
#define QN_TEST_FAILING_ALLOC_H
#include <quern/base.h>
#include <stdlib.h>
#include <string.h>

typedef struct failing_alloc {
  size_t calls, fail_at; /* the allocation with this number fails, and all after it while `sticky` */
  bool sticky, fired, bad_size;
  size_t live_blocks, live_bytes, peak_bytes;
} failing_alloc;

enum { FAILING_HEADER = 64 };

static void *failing_resize(void *user, void *ptr, size_t old_size, size_t new_size) {
  failing_alloc *f = user;
  char *block = ptr ? (char *)ptr - FAILING_HEADER : NULL;
  if (block) {
    size_t known;
    memcpy(&known, block, sizeof known);
    if (known != old_size) f->bad_size = true;
    old_size = known;
  }
  if (new_size == 0) {
    if (block) {
      f->live_blocks--;
      f->live_bytes -= old_size;
      free(block);
    }
    return NULL;
  }
  size_t call = f->calls++;
  if (call == f->fail_at || (f->sticky && call > f->fail_at)) {
    f->fired = true;
    return NULL;
  }
  /* A fresh block each time, so that a pointer kept over a resize is caught by the sanitizer. */
  char *fresh = malloc(new_size + FAILING_HEADER);
  if (!fresh) return NULL;
  memcpy(fresh, &new_size, sizeof new_size);
  memset(fresh + FAILING_HEADER, 0xA5, new_size);
  if (block) {
    memcpy(fresh + FAILING_HEADER, ptr, old_size < new_size ? old_size : new_size);
    f->live_bytes -= old_size;
    free(block);
  } else {
    f->live_blocks++;
  }
  f->live_bytes += new_size;
  if (f->live_bytes > f->peak_bytes) f->peak_bytes = f->live_bytes;
  return fresh + FAILING_HEADER;
}

static inline qn_allocator failing_init(failing_alloc *f, size_t fail_at) {
  *f = (failing_alloc){.fail_at = fail_at};
  return (qn_allocator){failing_resize, f};
}

/* True when everything was given back with the right sizes. */
static inline bool failing_clean(const failing_alloc *f) {
  return f->live_blocks == 0 && f->live_bytes == 0 && !f->bad_size;
}
#endif
