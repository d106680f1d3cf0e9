/* qn_kernel_matmul with descriptions that nothing can be made of: each is refused with a reason, and once. */
#include "unit.h"
#include <math.h>
#include <quern/quern.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { M = 5, N = 16, K = 32 };

static qn_context *ctx;
static char said[512];
static int errors;
static float scales[N], bias[N];
static int8_t weights[N * K];

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  if (d->severity == QN_ERROR && !errors++) snprintf(said, sizeof said, "%s", d->message.data);
}

static int setup(void **state) {
  (void)state;
  qn_context_options options = {.on_diag = on_diag};
  for (int j = 0; j < N; j++) scales[j] = 0.5f;
  ctx = qn_context_create(&options);
  return ctx ? 0 : 1;
}

static int teardown(void **state) {
  (void)state;
  qn_context_destroy(ctx);
  return 0;
}

static qn_matmul_desc bytes(void) {
  return (qn_matmul_desc){.m = M,
                          .n = N,
                          .k = K,
                          .a = QN_UI8,
                          .b = QN_I8,
                          .y = QN_F32,
                          .a_scale = 0.25f,
                          .a_zero_point = 7,
                          .b_scales = scales,
                          .b_data = weights};
}

static qn_matmul_desc blocks(void) {
  return (qn_matmul_desc){.m = M,
                          .n = N,
                          .k = K,
                          .a = QN_F32,
                          .b = QN_I8,
                          .y = QN_F32,
                          .b_scales = scales,
                          .b_data = weights,
                          .b_block = 32};
}

static void refused(qn_matmul_desc d, const char *why) {
  qn_program *p = (qn_program *)(uintptr_t)1;
  said[0] = 0, errors = 0;
  assert_int_not_equal(qn_kernel_matmul(ctx, &d, NULL, &p), QN_OK);
  assert_null(p);
  if (!strstr(said, why)) fail_msg("'%s' does not say '%s'", said, why);
  assert_int_equal(errors, 1);
}

static void sizes(void **state) {
  (void)state;
  qn_matmul_desc d = bytes();
  for (int block = 0; block < 2; block++) {
    d = block ? blocks() : bytes(), d.m = -5, refused(d, "m is -5");
    d = block ? blocks() : bytes(), d.n = -1, refused(d, "n is -1");
    d = block ? blocks() : bytes(), d.k = INT64_MIN + 1, refused(d, "k is -9223372036854775807");
    d = block ? blocks() : bytes(), d.n = QN_DYNAMIC, refused(d, "n is open; only m may be");
    d = block ? blocks() : bytes(), d.k = QN_DYNAMIC, refused(d, "k is open; only m may be");
    d = block ? blocks() : bytes(), d.m = INT64_MAX, refused(d, "a (m x k) would not fit in memory");
    d = block ? blocks() : bytes(), d.k = INT64_MAX / 8, d.m = QN_DYNAMIC, refused(d, "b (k x n) would not fit");
    d = block ? blocks() : bytes(), d.m = d.n = (int64_t)1 << 31, d.k = 0, refused(d, "y (m x n) would not fit");
  }
  d = blocks(), d.b_block = 8, d.n = d.k = 1 << 20, refused(d, "more than 2^31 - 1 scales");
  d = blocks(), d.b_block = -8, refused(d, "b_block is -8");
}

static void numbers(void **state) {
  (void)state;
  static const float wrong[] = {0, -1, INFINITY, -INFINITY, NAN};
  qn_matmul_desc d;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    d = bytes(), d.a_scale = wrong[i], refused(d, "scales are finite and greater than zero");
    d = bytes(), d.y = QN_UI8, d.y_scale = wrong[i], refused(d, "");
    for (int per_tensor = 0; per_tensor < 2; per_tensor++) {
      int at = per_tensor ? 0 : N - 1;
      scales[at] = wrong[i];
      d = bytes(), d.b_per_tensor = per_tensor;
      refused(d, per_tensor ? "scale 0 of the weights is" : "scale 15 of the weights is");
      scales[at] = 0.5f;
    }
  }
  d = bytes(), d.a_zero_point = 256, refused(d, "zero point");
  d = bytes(), d.a_scale = 1e30f;
  for (int j = 0; j < N; j++) scales[j] = 1e30f;
  refused(d, "the scales of column 0 are too large");
  for (int j = 0; j < N; j++) scales[j] = 0.5f;
  bias[3] = NAN;
  d = bytes(), d.y = QN_I32, d.bias = bias, refused(d, "bias 3 does not fit i32");
  d = bytes(), d.y = QN_I32, d.bias = bias, d.b_scales = NULL, refused(d, "the weights' scales are null");
  d = bytes(), d.b_scales = NULL, refused(d, "the weights' scales are null");
  bias[3] = 0;
}

static void types(void **state) {
  (void)state;
  qn_matmul_desc d = bytes();
  d.a = (qn_scalar)9999, refused(d, "no kernel for none x i8 -> f32");
  d = bytes(), d.b = QN_I1, refused(d, "no kernel for ui8 x i1 -> f32");
  d = bytes(), d.y = QN_F64, refused(d, "no kernel for ui8 x i8 -> f64");
  d = blocks(), d.a = QN_UI8, refused(d, "in blocks; there are f32, f16 or bf16 x i4");
  d = blocks(), d.a = QN_F16, d.y = QN_BF16, refused(d, "no kernel for f16 x i8 -> bf16 in blocks");
  d = blocks(), d.y = QN_F16, refused(d, "no kernel for f32 x i8 -> f16 in blocks");
  d = blocks(), d.b_scales = NULL, refused(d, "b_data or b_scales is null");
}

/* Activations of 16 bits: sums and bias in f32, rounded once. A row is 2048 and ones, or 256 and ones, times weights of
 * 1; the bias is half a step of the narrow type, and goes the way that the sum's remainder, which it would have lost,
 * says. By codes 2048 is 127, and a one is 0. */
static void narrow(void **state) {
  (void)state;
  static const struct {
    qn_scalar a, y;
    double first, bias, floats, codes;
  } cases[] = {{QN_F16, QN_F16, 2048, 1, 2080, 2048},
               {QN_F16, QN_F32, 2048, 1, 2080, 2049},
               {QN_BF16, QN_BF16, 256, 1, 288, 256},
               {QN_BF16, QN_F32, 256, 1, 288, 257}};
  for (int j = 0; j < N; j++) scales[j] = 1;
  memset(weights, 1, sizeof weights);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (int variant = 0; variant < 4; variant++) {
      const char *engine = variant & 1 ? "interp" : NULL;
      qn_compile_options options = {.engine = engine};
      qn_program *p;
      uint32_t row[K] = {0}, got[N] = {0};
      qn_matmul_desc d = blocks();
      d.a = cases[i].a, d.y = cases[i].y, d.b_float = variant & 2, d.bias = bias, d.m = QN_DYNAMIC;
      qn_tensor x = {.elem = d.a, .rank = 2, .shape = {1, K}, .data = row};
      qn_tensor y = {.elem = d.y, .rank = 2, .shape = {1, N}, .data = got};
      for (int k = 0; k < K; k++) qn_tensor_set_f64(&x, k, k ? 1 : cases[i].first);
      for (int j = 0; j < N; j++) bias[j] = (float)cases[i].bias;
      said[0] = 0, errors = 0;
      if (qn_kernel_matmul(ctx, &d, &options, &p)) fail_msg("%s", said);
      int64_t shapes[2][QN_MAX_RANK];
      DLTensor in = qn_tensor_as_dlpack(&x, shapes[0]), out = qn_tensor_as_dlpack(&y, shapes[1]);
      size_t bytes_needed = qn_program_workspace_size(p, &in);
      void *workspace = malloc(bytes_needed + 64);
      assert_non_null(workspace);
      void *aligned = (void *)(((uintptr_t)workspace + 63) & ~(uintptr_t)63);
      assert_int_equal(qn_program_call(p, &in, &out, aligned, bytes_needed, NULL, NULL), QN_OK);
      for (int j = 0; j < N; j++)
        assert_true(qn_tensor_get_f64(&y, j) == (d.b_float ? cases[i].floats : cases[i].codes));
      free(workspace);
      qn_program_destroy(p);
    }
  memset(weights, 0, sizeof weights);
  for (int j = 0; j < N; j++) scales[j] = 0.5f, bias[j] = 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(sizes, setup, teardown),
      cmocka_unit_test_setup_teardown(numbers, setup, teardown),
      cmocka_unit_test_setup_teardown(types, setup, teardown),
      cmocka_unit_test_setup_teardown(narrow, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
