/* Products of bf16 that need not keep the order of the contract, on every row that multiplies pairs of them. Sums of
 * small integers are exact in any order, so they are the interpreter's bits; others are close to what doubles give. */
#include "program.h"
#include "program_test.h"
#include <math.h>
#include <quern/num.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_M = 70, MOST_N = 300, MOST_K = 1100 };
static uint16_t x[MOST_M * MOST_K], w[MOST_N * MOST_K];
static float bias[MOST_N];

static uint64_t seed = 0x2545F4914F6CDD1Du;
static uint32_t below(uint32_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(seed >> 33) % n;
}

static void fill(bool integers) {
  for (int i = 0; i < MOST_M * MOST_K; i++)
    x[i] = qn_bf16_from_f32(integers ? (float)below(17) - 8 : (float)below(2001) / 1000 - 1);
  for (int i = 0; i < MOST_N * MOST_K; i++)
    w[i] = qn_bf16_from_f32(integers ? (float)below(9) - 4 : (float)below(2001) / 1000 - 1);
  for (int i = 0; i < MOST_N; i++) bias[i] = integers ? (float)below(100) - 50 : (float)below(100) / 10 - 5;
}

typedef struct bf16_case {
  int m, n, k;
  bool fused, narrow; /* bias and relu; the result is bf16 */
} bf16_case;

static void write_text(const bf16_case *c, char *text, size_t size) {
  int m = c->m, n = c->n, k = c->k;
  const char *y = c->narrow ? "bf16" : "f32";
  int at = snprintf(text, size,
                    "func.func @main(%%x: tensor<%dx%dxbf16>, %%w: tensor<%dx%dxbf16>, %%b: tensor<%dxf32>) -> "
                    "tensor<%dx%dx%s> {\n%%s = quern.matmul %%x, %%w {precision = \"relaxed\"} : (tensor<%dx%dxbf16>, "
                    "tensor<%dx%dxbf16>) -> tensor<%dx%dx%s>\n",
                    m, k, k, n, n, m, n, y, m, k, k, n, m, n, y);
  if (c->fused && !c->narrow)
    at += snprintf(text + at, size - (size_t)at,
                   "%%a = quern.add %%s, %%b : (tensor<%dx%dxf32>, tensor<%dxf32>) -> tensor<%dx%dxf32>\n"
                   "%%r = quern.relu %%a : (tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n",
                   m, n, n, m, n, m, n, m, n);
  snprintf(text + at, size - (size_t)at, "return %%%c : tensor<%dx%dx%s>\n}\n", c->fused && !c->narrow ? 'r' : 's', m,
           n, y);
}

/* Of each sum the exact value and how far from it one that is rounded as it is made may be. */
static bool is_close(const bf16_case *c, const float *y) {
  for (int i = 0; i < c->m; i++)
    for (int j = 0; j < c->n; j++) {
      double sum = 0, size = 0;
      for (int l = 0; l < c->k; l++) {
        double p = (double)qn_bf16_to_f32(x[i * c->k + l]) * (double)qn_bf16_to_f32(w[l * c->n + j]);
        sum += p, size += fabs(p);
      }
      if (c->fused) sum = fmax(sum + (double)bias[j], 0);
      if (!(fabs((double)y[i * c->n + j] - sum) <= 0x1p-23 * (size * (c->k < 64 ? c->k : 64) + fabs(sum) + 8)))
        return false;
    }
  return true;
}

static void check(qn_context *ctx, const qn_isa *isa, const bf16_case *c, bool integers) {
  char text[1024];
  qn_tensor in[3] = {{.elem = QN_BF16, .rank = 2, .shape = {c->m, c->k}, .data = x},
                     {.elem = QN_BF16, .rank = 2, .shape = {c->k, c->n}, .data = w},
                     {.elem = QN_F32, .rank = 1, .shape = {c->n}, .data = bias}};
  qn_tensor y = {0}, expected = {0};
  write_text(c, text, sizeof text);
  qn_program *p = program_on_row(ctx, text, "llvm", isa->name);
  assert_int_equal(qn_program_run(p, in, &y, NULL), QN_OK);
  if (integers) {
    qn_program *interp = program_of_text(ctx, text, &(qn_compile_options){.engine = "interp"});
    assert_int_equal(qn_program_run(interp, in, &expected, NULL), QN_OK);
    if (memcmp(y.data, expected.data, qn_tensor_bytes(&y)) != 0)
      fail_msg("%s: %dx%dx%d has other bits", isa->name, c->m, c->n, c->k);
    qn_tensor_free(ctx, &expected);
    qn_program_destroy(interp);
  } else if (!is_close(c, y.data)) {
    fail_msg("%s: %dx%dx%d is not close", isa->name, c->m, c->n, c->k);
  }
  qn_tensor_free(ctx, &y);
  qn_program_destroy(p);
}

/* Weights that are said to be larger than a second-level cache, or may be. */
static qn_context *context_of(bool outside) {
  qn_context *ctx = qn_context_create(NULL);
  qn_machine machine = qn_machine_default();
  assert_non_null(ctx);
  if (outside) machine.outside_bytes = 1024;
  assert_int_equal(qn_context_set_machine(ctx, &machine), QN_OK);
  return ctx;
}

static void on_rows(const bf16_case *c, bool integers) {
  fill(integers);
  for (int outside = 0; outside < 2; outside++) {
    qn_context *ctx = context_of(outside != 0);
    for (size_t i = 0; qn_isa_get(i); i++)
      if ((qn_isa_get(i)->has & QN_ISA_BF16) && qn_isa_runs_here(qn_isa_get(i))) check(ctx, qn_isa_get(i), c, integers);
    qn_context_destroy(ctx);
  }
}

/* Heights of one tile and of several, with K that ends in half a pair and columns that fill no vector. */
static void every_height(void **state) {
  (void)state;
  for (int m = 1; m <= 40; m++)
    on_rows(&(bf16_case){m, m % 3 ? 64 : 71, m % 2 ? 96 : 37 + m, m % 4 != 0, m % 8 == 0}, true);
}

static void every_end_of_k(void **state) {
  (void)state;
  for (int k = 1; k <= 70; k++) on_rows(&(bf16_case){k % 2 ? 17 : 6, 48, k, true, false}, true);
  for (int k = 126; k <= 134; k++) on_rows(&(bf16_case){33, 16, k, false, false}, true);
}

static void every_width(void **state) {
  (void)state;
  static const int columns[] = {1, 5, 15, 16, 17, 31, 33, 47, 48, 63, 64, 65, 100, 128, 130, 192, 300};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    on_rows(&(bf16_case){1 + (int)i * 4, columns[i], 130, true, false}, true);
    on_rows(&(bf16_case){16, columns[i], 256, false, i % 2 != 0}, true);
  }
}

static void random_sizes(void **state) {
  (void)state;
  for (int i = 0; i < 60; i++) {
    bf16_case c = {1 + (int)below(MOST_M), 1 + (int)below(MOST_N), 1 + (int)below(i % 4 ? 300 : MOST_K), below(2) != 0,
                   false};
    on_rows(&c, i % 2 != 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_height),
      cmocka_unit_test(every_end_of_k),
      cmocka_unit_test(every_width),
      cmocka_unit_test(random_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
