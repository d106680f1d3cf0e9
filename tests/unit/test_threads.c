/* Contexts are independent of each other, and a compiled program is callable from many threads at once. Meant for the
 * tsan preset as much as for the results. */
#include "program_test.h"
#include <pthread.h>

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

static bool call(const qn_program *p) {
  int32_t y[M * N];
  bytes_tensors t;
  bytes_describe(&t, M, N, K, left, y);
  static _Thread_local char workspace[1 << 17];
  return qn_program_call(p, &t.in, &t.out, workspace, sizeof workspace, NULL, NULL) == QN_OK &&
         !memcmp(y, expected, sizeof y);
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

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(contexts_are_independent), cmocka_unit_test(programs_are_shared)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
