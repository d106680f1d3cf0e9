/* Last columns of products that are multiplied along K: as many as there may be, for numbers of rows that are no
 * multiple of a tile's and more than are taken at once, and K in several pieces. */
#include "program.h"
#include "program_test.h"
#include <stdlib.h>

enum { MOST_M = 700, MOST_N = 72, MOST_K = 6000, MOST_LEFT = 1200000 };
static uint8_t left[MOST_LEFT];
static int8_t weights[MOST_N * MOST_K];
static int32_t expected[MOST_M * MOST_N], y[MOST_M * MOST_N];
static uint32_t met; /* plans with such columns */

static void check(int m, int n, int k, const char *cpu) {
  qn_context *ctx = qn_context_create(NULL);
  bytes_tensors t;
  bytes_fill(left, (size_t)m * (size_t)k, weights, (size_t)n * (size_t)k);
  bytes_expect(expected, left, weights, m, n, k);
  qn_program *p = bytes_program(ctx, m, n, k, weights, &(qn_compile_options){.engine = "llvm", .cpu = cpu});
  assert_non_null(p);
  for (uint32_t i = 0; i < p->num_steps; i++)
    met += p->steps[i].plan && p->steps[i].plan->kind == QN_KERNEL_GEMM && p->steps[i].plan->u.gemm.side;
  bytes_describe(&t, m, n, k, left, y);
  size_t bytes = qn_program_workspace_size(p, &t.in);
  void *workspace = malloc(bytes + 1);
  assert_non_null(workspace);
  assert_int_equal(qn_program_call(p, &t.in, &t.out, workspace, bytes, NULL, NULL), QN_OK);
  if (memcmp(y, expected, (size_t)m * (size_t)n * sizeof *y)) fail_msg("%d x %d x %d on %s", m, n, k, cpu);
  free(workspace);
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

static void every_count(void **state) {
  (void)state;
  met = 0;
  for (int columns = 1; columns <= 8; columns++) {
    check(61 + columns, 16 + columns, 1000 + columns, NULL);
    check(64, 64 + columns, 256, NULL);
    check(40 + 4 * columns, 32 + columns, 5003 - columns, NULL); /* several pieces */
  }
}

static void every_number_of_rows(void **state) {
  (void)state;
  for (int m = 16; m < 24; m++) check(m, 33, 700, NULL);
  check(515, 34, 600, NULL);
  check(700, 21, 512, NULL);
}

static void every_row(void **state) {
  (void)state;
  for (size_t i = 0; qn_isa_get(i); i++)
    if (qn_isa_runs_here(qn_isa_get(i))) check(50, 36, 1003, qn_isa_get(i)->name);
}

/* Where the machine has what it takes, the columns above were such. */
static void they_were_met(void **state) {
  (void)state;
  const qn_isa *isa = qn_isa_find(qn_str_of("avx512vnni"));
  if (isa && qn_isa_runs_here(isa)) assert_true(met > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_count), cmocka_unit_test(every_number_of_rows),
                                     cmocka_unit_test(every_row), cmocka_unit_test(they_were_met)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
