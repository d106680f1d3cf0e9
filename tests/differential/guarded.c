#include "guarded.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILL = 0xA5 };

guarded guarded_take(size_t bytes, bool at_end, size_t skew) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = at_end ? bytes : bytes + skew;
  size_t inner = (room + page - 1) / page * page;
  guarded g = {.map_bytes = inner + 2 * page, .bytes = bytes};
  g.map = mmap(NULL, g.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (g.map == MAP_FAILED || (inner && mprotect(g.map + page, inner, PROT_READ | PROT_WRITE))) abort();
  memset(g.map + page, FILL, inner);
  g.data = at_end ? g.map + page + inner - bytes : g.map + page + skew;
  return g;
}

void guarded_freeze(guarded *g) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE), inner = g->map_bytes - 2 * page;
  if (inner && mprotect(g->map + page, inner, PROT_READ)) abort();
}

bool guarded_release(guarded *g) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  bool clean = true;
  for (const char *p = g->map + page; p < g->map + g->map_bytes - page; p++)
    if ((p < g->data || p >= g->data + g->bytes) && (unsigned char)*p != FILL) clean = false;
  munmap(g->map, g->map_bytes);
  return clean;
}

/* ---- parallel-fors on the calling thread ---- */

static void backwards(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  while (n) task(arg, --n);
}

/* A step that has no divisor in common with n meets every item once. */
static void scattered(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  size_t step = n / 2 + 1, a = step, b = n;
  for (;; step++) {
    for (a = step, b = n; b;) {
      size_t r = a % b;
      a = b, b = r;
    }
    if (a == 1) break;
  }
  for (size_t i = 0, at = n / 3; i < n; i++, at = (at + step) % n) task(arg, at);
}

static void from_both_ends(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  for (size_t lo = 0, hi = n; lo < hi;) {
    task(arg, lo++);
    if (lo < hi) task(arg, --hi);
  }
}

qn_parallel any_parallel(qn_pool *pool, int i) {
  static const qn_parallel_for ways[PARALLEL_KINDS] = {NULL, backwards, scattered, from_both_ends};
  static const uint32_t parts[PARALLEL_KINDS] = {0, 3, 7, 16};
  if (i % PARALLEL_KINDS == 0) return qn_pool_parallel(pool);
  return (qn_parallel){.run = ways[i % PARALLEL_KINDS], .num_threads = parts[i % PARALLEL_KINDS]};
}
