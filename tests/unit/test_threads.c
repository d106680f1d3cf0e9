/* Contexts are independent of each other, and a compiled program is callable from many threads at once. Meant for the
 * tsan preset as much as for the results. */
#include "program_test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { M = 33, N = 70, K = 50, CALLS = 20 };

static int8_t weights[K * N];
static uint8_t left[M * K];
static int32_t expected[M * N];

static void prepare(void) {
  bytes_fill(left, sizeof left, weights, sizeof weights);
  bytes_expect(expected, left, weights, M, N, K);
}

static qn_program *compile(qn_context *ctx, const char *engine) {
  return bytes_program(ctx, QN_DYNAMIC, N, K, weights, &(qn_compile_options){.engine = engine});
}

static bool call_in_parts(const qn_program *p, const qn_parallel *parallel) {
  int32_t y[M * N];
  bytes_tensors t;
  bytes_describe(&t, M, N, K, left, y);
  static _Thread_local char workspace[1 << 17];
  return qn_program_call(p, &t.in, &t.out, workspace, sizeof workspace, parallel, NULL) == QN_OK &&
         !memcmp(y, expected, sizeof y);
}

static bool call(const qn_program *p) {
  return call_in_parts(p, NULL);
}

/* ---- contexts side by side ---- */

static void *own_context(void *arg) {
  const char *engine = arg;
  for (int i = 0; i < 3; i++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = ctx ? compile(ctx, engine) : NULL;
    bool ok = p && call(p);
    qn_program_destroy(p);
    qn_context_destroy(ctx);
    if (!ok) return (void *)"a context of its own failed";
  }
  return NULL;
}

static void contexts_are_independent(void **state) {
  (void)state;
  prepare();
  for (size_t e = 0; qn_engine_name(e); e++) {
    pthread_t threads[2];
    const char *names[2] = {qn_engine_name(e), qn_engine_name(qn_engine_name(e + 1) ? e + 1 : 0)};
    for (int i = 0; i < 2; i++)
      assert_int_equal(pthread_create(&threads[i], NULL, own_context, (void *)(uintptr_t)names[i]), 0);
    for (int i = 0; i < 2; i++) {
      void *problem;
      pthread_join(threads[i], &problem);
      if (problem) fail_msg("%s: %s", names[i], (const char *)problem);
    }
  }
}

/* ---- one program, many threads ---- */

static void *many_calls(void *arg) {
  for (int i = 0; i < CALLS; i++)
    if (!call(arg)) return (void *)"a call gave another result";
  return NULL;
}

static void programs_are_shared(void **state) {
  (void)state;
  prepare();
  for (size_t e = 0; qn_engine_name(e); e++) {
    qn_context *ctx = qn_context_create(NULL);
    assert_non_null(ctx);
    qn_program *p = compile(ctx, qn_engine_name(e));
    assert_non_null(p);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, many_calls, p), 0);
    for (int i = 0; i < 3; i++) {
      void *problem;
      pthread_join(threads[i], &problem);
      if (problem) fail_msg("%s: %s", qn_engine_name(e), (const char *)problem);
    }
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

/* ---- calls that are items of the pool they use ---- */

enum { OUTER = 5 };

typedef struct within {
  const qn_program *p;
  qn_parallel parallel;
  atomic_int right;
} within;

static void call_within(void *arg, size_t i) {
  within *w = arg;
  (void)i;
  if (call_in_parts(w->p, &w->parallel)) atomic_fetch_add(&w->right, 1);
}

/* Twice around the call, and around that. */
static void call_deeper(void *arg, size_t i) {
  within *w = arg;
  (void)i;
  w->parallel.run(w->parallel.pool, call_within, w, 2);
}

static void pools_are_used_within_themselves(void **state) {
  (void)state;
  prepare();
  alarm(60); /* who waits for itself waits long */
  for (size_t e = 0; qn_engine_name(e); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = compile(ctx, qn_engine_name(e));
    qn_pool *pool;
    assert_int_equal(qn_pool_create(ctx, 3, &pool), QN_OK);
    within w = {.p = p, .parallel = qn_pool_parallel(pool)};
    w.parallel.min_ns = 1;
    w.parallel.run(pool, call_within, &w, OUTER);
    assert_int_equal(w.right, OUTER);
    w.parallel.run(pool, call_deeper, &w, OUTER);
    assert_int_equal(w.right, 3 * OUTER);
    assert_true(call_in_parts(p, &w.parallel));
    qn_pool_destroy(pool);
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
  alarm(0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(contexts_are_independent), cmocka_unit_test(programs_are_shared),
                                     cmocka_unit_test(pools_are_used_within_themselves)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
