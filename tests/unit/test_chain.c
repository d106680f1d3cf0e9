/* Chains: steps that follow each other row by row run in blocks of rows. Whatever the blocks and threads are, every row
 * comes out as it does alone. */
#include "chain.h"
#include "program_test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 3001, IN = 64, OUT = 32 };

/* Sizes that differ from step to step, so that slots change their pitch, and a residual that reads the first input. */
static const char text[] = "module {\n  func.func public @main(%%x: tensor<%sx64xf32%s>) -> tensor<%sx32xf32%s> {\n"
                           "    %%w0 = arith.constant dense<0.03> : tensor<64x48xf32>\n"
                           "    %%w1 = arith.constant dense<-0.02> : tensor<48x80xf32>\n"
                           "    %%w2 = arith.constant dense<0.05> : tensor<80x64xf32>\n"
                           "    %%w3 = arith.constant dense<0.01> : tensor<64x32xf32>\n"
                           "    %%0 = quern.matmul %%x, %%w0 : (%s64%s, tensor<64x48xf32>) -> %s48%s\n"
                           "    %%1 = quern.softmax %%0 : (%s48%s) -> %s48%s\n"
                           "    %%2 = quern.matmul %%1, %%w1 : (%s48%s, tensor<48x80xf32>) -> %s80%s\n"
                           "    %%3 = quern.softmax %%2 : (%s80%s) -> %s80%s\n"
                           "    %%4 = quern.matmul %%3, %%w2 : (%s80%s, tensor<80x64xf32>) -> %s64%s\n"
                           "    %%5 = quern.add %%4, %%x : (%s64%s, %s64%s) -> %s64%s\n"
                           "    %%6 = quern.softmax %%5 : (%s64%s) -> %s64%s\n"
                           "    %%7 = quern.matmul %%6, %%w3 : (%s64%s, tensor<64x32xf32>) -> %s32%s\n"
                           "    func.return %%7 : %s32%s\n  }\n}\n";

/* Replaces each %s pair with the front and the back of a tensor type. */
static char *program_text(const char *rows, const char *dims) {
  static char out[8192];
  char front[32], back[64];
  size_t n = 0;
  int seen = 0;
  snprintf(front, sizeof front, "tensor<%sx", rows);
  snprintf(back, sizeof back, "xf32%s>", dims);
  for (const char *at = text; *at; at++) {
    const char *put = NULL;
    if (at[0] == '%' && at[1] == 's') {
      put = seen < 4 ? (seen % 2 ? dims : rows) : (seen % 2 ? back : front);
      seen++, at++;
    } else if (at[0] == '%' && at[1] == '%') {
      put = "%", at++;
    }
    size_t size = put ? strlen(put) : 1;
    memcpy(out + n, put ? put : at, size);
    n += size;
  }
  out[n] = 0;
  return out;
}

static qn_program *compile(qn_context *ctx, const char *rows, const char *dims) {
  return program_of_text(ctx, program_text(rows, dims), NULL);
}

/* Items in an order that no pool would choose. */
static void backwards(void *pool, void (*task)(void *arg, size_t i), void *arg, size_t n) {
  ++*(int *)pool;
  while (n-- > 0) task(arg, n);
}

static void run(const qn_program *p, const float *x, float *y, int64_t rows, uint32_t threads, int *regions) {
  int64_t in_shape[2] = {rows, IN}, out_shape[2] = {rows, OUT};
  DLTensor in = {
      .data = (void *)(uintptr_t)x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = in_shape};
  DLTensor out = {.data = y, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = out_shape};
  qn_parallel parallel = {.run = backwards, .pool = regions, .num_threads = threads, .min_ns = 1};
  size_t bytes = qn_program_workspace_size(p, &in);
  void *workspace = malloc(bytes + 1);
  assert_non_null(workspace);
  assert_int_equal(qn_program_call(p, &in, &out, workspace, bytes, &parallel, NULL), QN_OK);
  free(workspace);
}

static float x[MOST * IN], expected[MOST * OUT], y[MOST * OUT];

static void prepare(const qn_program *p) {
  int regions = 0;
  for (int i = 0; i < MOST * IN; i++) x[i] = (float)(i * 37 % 1001 - 500) / 100;
  for (int64_t r = 0; r < MOST; r++) run(p, x + r * IN, expected + r * OUT, 1, 1, &regions);
}

static void rows_come_out_as_alone(void **state) {
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  qn_program *dynamic = compile(ctx, "?", ", #quern.dims<\"rows\",\"\">");
  assert_true(dynamic->may_chain);
  prepare(dynamic);
  for (uint32_t threads = 1; threads <= 5; threads++)
    for (int64_t rows = MOST; rows > 0; rows = rows * 2 / 5) {
      int regions = 0;
      memset(y, 0xff, sizeof y);
      run(dynamic, x, y, rows, threads, &regions);
      assert_memory_equal(y, expected, (size_t)rows * OUT * sizeof *y);
      if (threads == 2 && rows == MOST) assert_true(regions > 0 && regions <= 4); /* for eight steps */
    }
  qn_program_destroy(dynamic);
  qn_context_destroy(ctx);
}

static void blocks_of_known_sizes_are_written_down(void **state) {
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  qn_program *fixed = compile(ctx, "3001", "");
  assert_non_null(fixed->frozen);
  assert_true(fixed->frozen->num_calls > 3 * fixed->num_steps);
  for (uint32_t threads = 1; threads <= 3; threads++) {
    int regions = 0;
    memset(y, 0xff, sizeof y);
    run(fixed, x, y, MOST, threads, &regions);
    assert_memory_equal(y, expected, sizeof y);
  }
  qn_program_destroy(fixed);
  fixed = compile(ctx, "7", "");
  assert_true(fixed->frozen->num_calls <= fixed->num_steps); /* little passes between the steps: nothing to gain */
  qn_program_destroy(fixed);
  qn_context_destroy(ctx);
}

typedef struct seen {
  uint32_t steps, chained;
} seen;

static void on_call(void *user, const qn_call_event *e) {
  seen *s = user;
  if (e->kind != QN_EVENT_STEP) return;
  s->steps++;
  s->chained += e->kernel.chain > 0;
}

/* Whoever watches, or asks for the kernels, is told which run together. */
static void chains_are_told_of(void **state) {
  (void)state;
  seen s = {0, 0};
  qn_context *ctx = qn_context_create(NULL);
  static const char *const rows[] = {"3001", "7"};
  for (size_t r = 0; r < 2; r++) {
    qn_program *p = compile(ctx, rows[r], "");
    qn_kernel_info k;
    uint32_t chained = 0, n = 0, last = 0;
    for (; qn_program_kernel(p, n, &k); n++) {
      chained += k.chain > 0;
      assert_true(!k.chain || k.chain == last || k.chain == last + 1);
      if (k.chain) last = k.chain;
    }
    if (r == 0) assert_true(chained > n / 2 && last > 0);
    if (r == 1) assert_int_equal(chained, 0);
    s = (seen){0, 0};
    qn_context_set_call_handler(ctx, on_call, &s, NULL, NULL);
    int regions = 0;
    run(p, x, y, r ? 7 : MOST, 1, &regions);
    qn_context_set_call_handler(ctx, NULL, NULL, NULL, NULL);
    assert_int_equal(s.steps, n);
    assert_int_equal(s.chained, chained);
    qn_program_destroy(p);
  }
  qn_program *dynamic = compile(ctx, "?", ", #quern.dims<\"rows\",\"\">");
  s = (seen){0, 0};
  qn_context_set_call_handler(ctx, on_call, &s, NULL, NULL);
  int regions = 0;
  run(dynamic, x, y, MOST, 3, &regions);
  qn_context_set_call_handler(ctx, NULL, NULL, NULL, NULL);
  assert_true(s.chained > s.steps / 2);
  qn_program_destroy(dynamic);
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_come_out_as_alone),
      cmocka_unit_test(blocks_of_known_sizes_are_written_down),
      cmocka_unit_test(chains_are_told_of),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
