/* Convolutions whose panels of weights are long, half a megabyte and more: positions of their windows are taken in
 * pieces, between which sums wait in memory. The same bits as the interpreter's, with pads and without, and whatever
 * the results are. */
#include "program_test.h"

enum { SIZE = 7, CHANNELS = 944, FLOATS = 240, MOST_N = 72, KERNEL = 3 };
static uint8_t x8[SIZE * SIZE * CHANNELS];
static int8_t w8[KERNEL * KERNEL * CHANNELS * MOST_N];
static float x32[SIZE * SIZE * CHANNELS], w32[KERNEL * KERNEL * CHANNELS * MOST_N], scales[MOST_N], bias[MOST_N];

static int fill(void **state) {
  (void)state;
  for (int i = 0; i < SIZE * SIZE * CHANNELS; i++)
    x8[i] = (uint8_t)(i * 91 % 253), x32[i] = (float)(i * 53 % 211 - 100) / 64;
  for (int i = 0; i < KERNEL * KERNEL * CHANNELS * MOST_N; i++)
    w8[i] = (int8_t)(i * 37 % 255 - 127), w32[i] = (float)(i * 29 % 197 - 99) / 8192;
  for (int i = 0; i < MOST_N; i++) scales[i] = (float)(i % 13 + 1) / 4096, bias[i] = (float)(i % 29 - 14) / 8;
  return 0;
}

static qn_tensor result_of(qn_context *ctx, const qn_conv_desc *d, const char *engine) {
  qn_program *p = NULL;
  qn_tensor in = {.elem = d->x, .rank = 4, .shape = {1, SIZE, SIZE, d->channels}}, out;
  in.data = d->x == QN_F32 ? (void *)x32 : (void *)x8;
  memset(&out, 0, sizeof out);
  assert_int_equal(qn_kernel_conv(ctx, d, &(qn_compile_options){.engine = engine}, &p), QN_OK);
  assert_int_equal(qn_program_run(p, &in, &out, NULL), QN_OK);
  qn_program_destroy(p);
  return out;
}

static void check(qn_scalar x, qn_scalar y, int64_t n, int64_t pad) {
  qn_context *ctx = qn_context_create(NULL);
  assert_non_null(ctx);
  bool floats = x == QN_F32;
  qn_conv_desc d = {.batch = 1, .height = SIZE, .width = SIZE, .n = n, .kernel = {KERNEL, KERNEL}};
  d.channels = floats ? FLOATS : CHANNELS;
  d.strides[0] = d.strides[1] = d.groups = 1;
  d.pads[0] = d.pads[1] = d.pads[2] = d.pads[3] = pad;
  d.x = x, d.w = floats ? QN_F32 : QN_I8, d.y = y, d.w_data = floats ? (const void *)w32 : w8;
  d.x_scale = 0.02f, d.x_zero_point = floats ? 0 : 100, d.y_scale = 0.75f;
  if (!floats && y != QN_I32) d.w_scales = scales;
  if (y != QN_I32) d.bias = bias, d.relu = true;
  qn_tensor expected = result_of(ctx, &d, "interp"), got = result_of(ctx, &d, "llvm");
  assert_int_equal(qn_tensor_bytes(&expected), qn_tensor_bytes(&got));
  assert_memory_equal(got.data, expected.data, qn_tensor_bytes(&got));
  qn_tensor_free(ctx, &expected), qn_tensor_free(ctx, &got);
  qn_context_destroy(ctx);
}

static void sums_wait(void **state) {
  (void)state;
  static const int64_t columns[] = {64, 72};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
    for (int64_t pad = 0; pad < 2; pad++) {
      check(QN_F32, QN_F32, columns[i], pad);
      check(QN_UI8, QN_F32, columns[i], pad);
      check(QN_UI8, QN_UI8, columns[i], pad);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sums_wait)};
  return cmocka_run_group_tests(tests, fill, NULL);
}
