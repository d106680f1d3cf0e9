/* Weights larger than the second-level cache are gone through there and back in turns, with the same results. */
#include "program.h"
#include "program_test.h"
#include <string.h>

enum { K = 64, N = 1000, MOST_ROWS = 40 };
static int8_t weights[K * N];
static uint8_t x8[MOST_ROWS * K];
static float x[MOST_ROWS * K], scales[2 * N], expected[MOST_ROWS * N], y[MOST_ROWS * N];

static void fill(void) {
  for (int i = 0; i < K * N; i++) weights[i] = (int8_t)(i * 37 % 255 - 127);
  for (int i = 0; i < MOST_ROWS * K; i++) x8[i] = (uint8_t)(i * 91 % 256), x[i] = (float)(i * 53 % 201 - 100) / 50;
  for (int i = 0; i < 2 * N; i++) scales[i] = (float)(i % 13 + 1) / 512;
}

static qn_program *compile(qn_context *ctx, const char *engine, int64_t m, bool block) {
  qn_matmul_desc d = {.m = m, .n = N, .k = K, .a = QN_UI8, .b = QN_I8, .y = QN_F32, .a_scale = 1, .b_scales = scales};
  d.b_data = weights;
  if (block) d.a = QN_F32, d.b = QN_I4, d.b_block = 32;
  return program_of_product(ctx, &d, &(qn_compile_options){.engine = engine});
}

static void run(qn_context *ctx, const qn_program *p, int64_t m, bool block, float *to) {
  qn_tensor in = {.elem = block ? QN_F32 : QN_UI8, .rank = 2, .shape = {m, K}, .data = block ? (void *)x : (void *)x8};
  qn_tensor out;
  assert_int_equal(qn_program_run(p, &in, &out, NULL), QN_OK);
  memcpy(to, out.data, (size_t)(m * N) * sizeof *to);
  qn_tensor_free(ctx, &out);
}

/* `l2` bytes of cache; how many calls the product then is. */
static uint32_t calls(double l2, int64_t m, bool block) {
  qn_context *ctx = qn_context_create(NULL);
  qn_machine machine = qn_machine_default();
  machine.l2_bytes = l2;
  assert_int_equal(qn_context_set_machine(ctx, &machine), QN_OK);
  qn_program *interp = compile(ctx, "interp", m, block), *p = compile(ctx, "llvm", m, block);
  run(ctx, interp, m, block, expected);
  for (int i = 0; i < 5; i++) {
    memset(y, 0xff, sizeof y);
    run(ctx, p, m, block, y);
    assert_memory_equal(y, expected, (size_t)(m * N) * sizeof *y);
  }
  const qn_frozen *f = p->frozen;
  assert_non_null(f);
  uint32_t products = 0;
  for (uint32_t i = 0; i < f->num_calls; i++) {
    qn_kernel_kind kind = p->steps[f->calls[i].step].plan->kind;
    products += kind == QN_KERNEL_GEMM || kind == QN_KERNEL_BLOCK_GEMM;
  }
  if (products > 1) { /* the same panels, from the other end */
    const qn_frozen_call *there = f->calls + f->num_calls - products, *back = f->back + f->num_calls - products;
    assert_int_equal(there->args.begin[1], 0);
    for (uint32_t i = 0; i < products; i++) {
      assert_int_equal(back[i].args.begin[1], there[products - 1 - i].args.begin[1]);
      if (i) assert_int_equal(there[i].args.begin[1], there[i - 1].args.end[1]);
    }
    assert_true(f->times == 5);
  } else {
    assert_null(f->back);
  }
  qn_program_destroy(p);
  qn_program_destroy(interp);
  qn_context_destroy(ctx);
  return products;
}

static void large_weights_turn(void **state) {
  (void)state;
  fill();
  assert_int_equal(calls(1 << 20, 1, false), 1);
  assert_true(calls(32768, 1, false) >= 8);
  assert_true(calls(32768, 3, false) >= 8);
  assert_true(calls(16384, 1, true) >= 8);
  assert_int_equal(calls(1 << 20, 1, true), 1);
}

static void several_tiles_do_not(void **state) {
  (void)state;
  fill();
  assert_int_equal(calls(16384, MOST_ROWS, false), 1);
  assert_int_equal(calls(16384, MOST_ROWS, true), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(large_weights_turn),
      cmocka_unit_test(several_tiles_do_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
