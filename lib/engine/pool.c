/* The default parallel-for: Debian's pthreadpool. */
#include "context_impl.h"
#include "program.h"
#include <pthreadpool.h>

struct qn_pool {
  qn_allocator allocator;
  pthreadpool_t threads;
};

qn_status qn_pool_create(qn_context *ctx, uint32_t num_threads, qn_pool **out) {
  if (!ctx || !out) return qn_error_null(ctx, __func__);
  *out = NULL;
  if (num_threads > QN_POOL_MOST)
    return qn_error(ctx, QN_DIAG_LIMIT, qn_place_file(""), "a pool of %u threads, expected at most %d", num_threads,
                    QN_POOL_MOST);
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_pool *pool = qn__alloc_zero(a, sizeof *pool);
  if (!pool) return qn_error_no_memory(ctx);
  pool->allocator = *a;
  pool->threads = pthreadpool_create(num_threads);
  if (!pool->threads) {
    qn__free(a, pool, sizeof *pool);
    return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "cannot start a pool of %u threads", num_threads);
  }
  *out = pool;
  return QN_OK;
}

void qn_pool_destroy(qn_pool *pool) {
  if (!pool) return;
  qn_allocator a = pool->allocator;
  pthreadpool_destroy(pool->threads);
  qn__free(&a, pool, sizeof *pool);
}

/* A pthreadpool that one of its own items asks to run more would wait for itself: those run where they are asked for.
 */
static _Thread_local const qn_pool *inside;

typedef struct items {
  const qn_pool *pool;
  void (*task)(void *arg, size_t i);
  void *arg;
} items;

static void run_item(void *user, size_t i) {
  const items *of = user;
  const qn_pool *before = inside;
  inside = of->pool;
  of->task(of->arg, i);
  inside = before;
}

static void run(void *user, void (*task)(void *arg, size_t i), void *arg, size_t n) {
  qn_pool *pool = user;
  items of = {pool, task, arg};
  if (inside != pool) {
    pthreadpool_parallelize_1d(pool->threads, run_item, &of, n, 0);
    return;
  }
  for (size_t i = 0; i < n; i++) task(arg, i);
}

qn_parallel qn_pool_parallel(qn_pool *pool) {
  return (qn_parallel){run, pool, pool ? (uint32_t)pthreadpool_get_threads_count(pool->threads) : 1, 0};
}
