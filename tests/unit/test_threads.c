/* Contexts are independent of each other, and a compiled program is callable from many threads at once. Meant for the
 * tsan preset as much as for the results. */
#include "unit.h"
#include <pthread.h>
#include <quern/quern.h>
#include <string.h>

enum { M = 33, N = 70, K = 50, CALLS = 20 };

static int8_t weights[K * N];
static uint8_t left[M * K];
static int32_t expected[M * N];

static void prepare(void) {
  for (int i = 0; i < K * N; i++) weights[i] = (int8_t)(i * 31 % 251 - 125);
  for (int i = 0; i < M * K; i++) left[i] = (uint8_t)(i * 17);
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t sum = 0;
      for (int k = 0; k < K; k++) sum += ((int)left[i * K + k] - 9) * weights[k * N + j];
      expected[i * N + j] = sum;
    }
}

static qn_program *compile(qn_context *ctx, const char *engine) {
  float scale = 1;
  qn_matmul_desc d = {.m = QN_DYNAMIC,
                      .n = N,
                      .k = K,
                      .a = QN_UI8,
                      .b = QN_I8,
                      .y = QN_I32,
                      .a_scale = 1,
                      .a_zero_point = 9,
                      .b_scales = &scale,
                      .b_per_tensor = true,
                      .b_data = weights};
  qn_compile_options options = {.engine = engine};
  qn_program *p = NULL;
  return qn_kernel_matmul(ctx, &d, &options, &p) == QN_OK ? p : NULL;
}

static bool call(const qn_program *p) {
  int32_t y[M * N];
  int64_t in_shape[2] = {M, K}, out_shape[2] = {M, N};
  DLTensor in = {.data = left, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLUInt, 8, 1}, .shape = in_shape};
  DLTensor out = {.data = y, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLInt, 32, 1}, .shape = out_shape};
  static _Thread_local char workspace[1 << 17];
  return qn_program_call(p, &in, &out, workspace, sizeof workspace, NULL, NULL) == QN_OK &&
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
