/* Packed weights never exist twice: what building a program takes at its highest is hardly more than one copy of them.
 */
#include "unit.h"
#include <quern/quern.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { K = 4096, N = 24576 };
static const double WEIGHTS = (double)K * N; /* 96 MB */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__linux__)
enum { MEASURES = 0 }; /* what is freed stays for a while there */
#else
enum { MEASURES = 1 };
#endif

/* Of /proc/self/status, in bytes; 0 where it is not told. */
static double status_of(const char *field) {
  char line[256];
  double kb = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, field, strlen(field))) kb = strtod(line + strlen(field), NULL);
  if (f) fclose(f);
  return kb * 1024;
}

static bool forget_peak(void) {
  FILE *f = fopen("/proc/self/clear_refs", "w");
  bool ok = f && fputs("5", f) >= 0;
  if (f) ok = fclose(f) == 0 && ok;
  return ok;
}

static void one_copy(void **state) {
  (void)state;
  int8_t *weights = malloc((size_t)K * N);
  assert_non_null(weights);
  for (size_t i = 0; i < (size_t)K * N; i++) weights[i] = (int8_t)(i * 7919 % 251 - 125);
  qn_context *ctx = qn_context_create(NULL);
  qn_matmul_desc d = {.m = 1, .n = N, .k = K, .a = QN_UI8, .b = QN_I8, .y = QN_I32, .a_scale = 1};
  d.b_data = weights, d.b_per_tensor = true;
  qn_program *p = NULL;
  qn_compile_options options = {.engine = qn_engine_name(0)};
  if (!strcmp(options.engine, "interp")) options.engine = NULL;
  bool counts = MEASURES && options.engine && forget_peak();
  double before = status_of("VmRSS:");
  assert_int_equal(qn_kernel_matmul(ctx, &d, &options, &p), QN_OK);
  double peak = status_of("VmHWM:") - before, after = status_of("VmRSS:") - before;
  if (counts && before > 0) {
    assert_true(after > 0.9 * WEIGHTS);        /* the measure sees the one copy there is */
    assert_true(peak - after < 0.3 * WEIGHTS); /* code generators, which stay loaded, are in both */
  }
  /* The caller's weights are not looked at any more, and the program's are what they were. */
  int32_t expected[2] = {0, 0};
  uint8_t *x = malloc(K);
  assert_non_null(x);
  for (int k = 0; k < K; k++) {
    x[k] = (uint8_t)(k % 200);
    expected[0] += x[k] * weights[(size_t)k * N], expected[1] += x[k] * weights[(size_t)k * N + N - 1];
  }
  memset(weights, 0, (size_t)K * N);
  qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {1, K}, .data = x}, out;
  assert_int_equal(qn_program_run(p, &in, &out, NULL), QN_OK);
  assert_int_equal(((const int32_t *)out.data)[0], expected[0]);
  assert_int_equal(((const int32_t *)out.data)[N - 1], expected[1]);
  qn_tensor_free(ctx, &out);
  qn_program_destroy(p);
  qn_context_destroy(ctx);
  free(x), free(weights);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_copy)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
