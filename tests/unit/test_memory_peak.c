/* Packed weights never exist twice: what building a program takes at its highest is hardly more than one copy of them.
 */
#include "temp_folder.h"
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

/* The same of weights in a mapped file, whose pages go as they are packed. */
static void one_copy_of_a_file(void **state) {
  (void)state;
  enum { HALF = N / 2 };
  static const char text[] =
      "func.func @main(%x: tensor<1x4096xui8>) -> (tensor<1x12288xi32>, tensor<1x12288xi32>) {\n"
      "  %a = arith.constant dense_resource<a> : tensor<4096x12288xi8>\n"
      "  %b = arith.constant dense_resource<b> : tensor<4096x12288xi8>\n"
      "  %y = quern.matmul_integer %x, %a : (tensor<1x4096xui8>, tensor<4096x12288xi8>) -> tensor<1x12288xi32>\n"
      "  %z = quern.matmul_integer %x, %b : (tensor<1x4096xui8>, tensor<4096x12288xi8>) -> tensor<1x12288xi32>\n"
      "  return %y, %z : tensor<1x12288xi32>, tensor<1x12288xi32>\n}\n";
  char folder[128], path[160], store[160];
  assert_true(make_temp_folder("peak", folder, sizeof folder));
  snprintf(path, sizeof path, "%s/m.mlir", folder);
  snprintf(store, sizeof store, "%s/m.safetensors", folder);
  FILE *f = fopen(path, "w");
  assert_true(f && fputs(text, f) >= 0 && fclose(f) == 0);
  qn_context *ctx = qn_context_create(NULL);
  int8_t *weights = malloc((size_t)K * HALF);
  assert_non_null(weights);
  for (size_t i = 0; i < (size_t)K * HALF; i++) weights[i] = (int8_t)(i * 7919 % 251 - 125);
  qn_store_writer *w;
  qn_tensor a = {.elem = QN_I8, .rank = 2, .shape = {K, HALF}, .data = weights};
  assert_int_equal(qn_store_writer_create(ctx, store, QN_STORE_SAFETENSORS, &w), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("a"), &a), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("b"), &a), QN_OK);
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  int32_t expected = 0;
  uint8_t x[K];
  for (int k = 0; k < K; k++) {
    x[k] = (uint8_t)(k % 200);
    expected += x[k] * weights[(size_t)k * HALF + HALF - 1];
  }
  free(weights);
  qn_module *m;
  qn_program *p = NULL;
  qn_compile_options options = {.engine = qn_engine_name(0), .last = true};
  if (!strcmp(options.engine, "interp")) options.engine = NULL;
  bool counts = MEASURES && options.engine && forget_peak();
  double before = status_of("VmRSS:");
  assert_int_equal(qn_parse_file(ctx, path, NULL, &m), QN_OK);
  assert_int_equal(qn_build_program(m, &options, &p), QN_OK);
  qn_module_destroy(m);
  double peak = status_of("VmHWM:") - before, after = status_of("VmRSS:") - before;
  if (counts && before > 0) {
    assert_true(after > 0.9 * WEIGHTS);
    assert_true(peak - after < 0.3 * WEIGHTS);
  }
  qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {1, K}, .data = x}, out[2];
  assert_int_equal(qn_program_run(p, &in, out, NULL), QN_OK);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(((const int32_t *)out[i].data)[HALF - 1], expected);
    qn_tensor_free(ctx, &out[i]);
  }
  qn_program_destroy(p);
  qn_context_destroy(ctx);
  assert_true(remove(path) == 0 && remove(store) == 0 && remove(folder) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_copy), cmocka_unit_test(one_copy_of_a_file)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
