/* Products with more results than are said to fit beside the processor: rows are taken in blocks, with the bits of the
 * interpreter, whether sums stay in registers (direct bodies) or not, for tiles of one height and of two, and for
 * results that are packed and, for their scales, cannot be. */
#include "program.h"
#include "program_test.h"
#include <string.h>

enum { MOST_M = 640, MOST_N = 160, MOST_K = 300 };
static uint8_t x8[MOST_M * MOST_K];
static int8_t w8[MOST_N * MOST_K];
static float x32[MOST_M * MOST_K], w32[MOST_N * MOST_K], scales[MOST_N], far_scales[MOST_N], bias[MOST_N];

static int fill(void **state) {
  (void)state;
  for (int i = 0; i < MOST_M * MOST_K; i++) x8[i] = (uint8_t)(i * 91 % 253), x32[i] = (float)(i * 53 % 211 - 100) / 64;
  for (int i = 0; i < MOST_N * MOST_K; i++)
    w8[i] = (int8_t)(i * 37 % 255 - 127), w32[i] = (float)(i * 29 % 197 - 99) / 8192;
  for (int i = 0; i < MOST_N; i++) {
    scales[i] = (float)(i % 13 + 1) / 4096, bias[i] = (float)(i % 29 - 14) / 8;
    far_scales[i] = scales[i] * (i % 3 ? 1 : 1e20f);
  }
  return 0;
}

static qn_context *context_of(double written, double direct) {
  qn_context *ctx = qn_context_create(NULL);
  qn_machine machine = qn_machine_default();
  machine.written_bytes = written, machine.direct_bytes = direct;
  assert_non_null(ctx);
  assert_int_equal(qn_context_set_machine(ctx, &machine), QN_OK);
  return ctx;
}

static const qn_gemm_plan *product_of(const qn_program *p) {
  for (uint32_t i = 0; i < p->num_steps; i++)
    if (p->steps[i].plan && p->steps[i].plan->kind == QN_KERNEL_GEMM) return &p->steps[i].plan->u.gemm;
  fail_msg("there is no product");
  return NULL;
}

/* All parts one after the other, the last one first. */
static void backwards(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  while (n--) task(arg, n);
}

static void run(const qn_program *p, const qn_tensor *in, uint32_t threads, qn_tensor *out) {
  qn_parallel parallel = {.run = backwards, .num_threads = threads, .min_ns = 1};
  memset(out, 0, sizeof *out);
  assert_int_equal(qn_program_run(p, in, out, &parallel), QN_OK);
}

typedef struct written_case {
  int64_t m, n, k;
  qn_scalar a, y;
  const float *scales;
} written_case;

static void check(const written_case *c, double direct) {
  enum { WRITTEN = 4096 };
  qn_context *ctx = context_of(WRITTEN, direct);
  bool floats = c->a == QN_F32;
  qn_matmul_desc d = {.m = c->m, .n = c->n, .k = c->k, .a = c->a, .b = floats ? QN_F32 : QN_I8, .y = c->y};
  d.a_scale = 0.5f, d.a_zero_point = floats ? 0 : 3, d.y_scale = 0.75f;
  d.y_zero_point = c->y == QN_UI8 ? 7 : 0;
  d.b_data = floats ? (const void *)w32 : w8;
  if (c->y != QN_I32) d.bias = bias, d.relu = c->y == QN_F32, d.b_scales = floats ? NULL : c->scales;
  qn_program *interp = program_of_product(ctx, &d, &(qn_compile_options){.engine = "interp"});
  qn_program *p = program_of_product(ctx, &d, &(qn_compile_options){.engine = "llvm"});
  int64_t bytes = c->m * c->n * (int64_t)qn_scalar_bytes(c->y, 1);
  assert_int_equal(product_of(p)->written_bytes, bytes > QN_MANY_WRITTEN * WRITTEN ? WRITTEN : 0);
  qn_tensor in = {.elem = c->a, .rank = 2, .shape = {c->m, c->k}, .data = floats ? (void *)x32 : (void *)x8};
  qn_tensor expected, y;
  run(interp, &in, 1, &expected);
  for (uint32_t threads = 1; threads <= 3; threads++) {
    run(p, &in, threads, &y);
    if (memcmp(y.data, expected.data, qn_tensor_bytes(&y)))
      fail_msg("%lld x %lld x %lld: other results than the interpreter's", (long long)c->m, (long long)c->n,
               (long long)c->k);
    qn_tensor_free(ctx, &y);
  }
  qn_tensor_free(ctx, &expected);
  qn_program_destroy(p);
  qn_program_destroy(interp);
  qn_context_destroy(ctx);
}

/* Blocks of 25 rows and more, some of them too few to be made; all of it in fewer, and in as many results as are none
 * too many. */
static void every_size(void **state) {
  (void)state;
  static const int64_t sizes[][3] = {{640, 40, 13}, {487, 42, 60}, {263, 37, 3},  {150, 33, 300}, {411, 20, 100},
                                     {640, 7, 63},  {601, 9, 130}, {512, 16, 64}, {129, 43, 27},  {300, 150, 9},
                                     {640, 72, 20}, {128, 32, 8},  {127, 32, 8},  {599, 81, 257}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int direct = 0; direct <= 512; direct += 512) {
      check(&(written_case){sizes[i][0], sizes[i][1], sizes[i][2], QN_UI8, QN_F32, scales}, direct);
      check(&(written_case){sizes[i][0], sizes[i][1], sizes[i][2], QN_UI8, QN_UI8, scales}, direct);
      check(&(written_case){sizes[i][0], sizes[i][1], sizes[i][2], QN_I8, QN_I32, NULL}, direct);
      check(&(written_case){sizes[i][0], sizes[i][1], sizes[i][2], QN_F32, QN_F32, NULL}, direct);
    }
}

static void results_that_are_not_packed(void **state) {
  (void)state;
  static const int64_t sizes[][3] = {{640, 160, 13}, {487, 129, 60}, {263, 150, 4}, {639, 96, 100}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int direct = 0; direct <= 512; direct += 512)
      check(&(written_case){sizes[i][0], sizes[i][1], sizes[i][2], QN_UI8, QN_UI8, far_scales}, direct);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_size), cmocka_unit_test(results_that_are_not_packed)};
  return cmocka_run_group_tests(tests, fill, NULL);
}
