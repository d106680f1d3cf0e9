/* Products in registers for tiles give the interpreter's bits: all heights, ends of K and of columns, rows that are
 * aligned to lines or not, sums that wait for later pieces of K, images. */
#include "program.h"
#include "program_test.h"
#include <string.h>

enum { MOST_M = 100, MOST_N = 330, MOST_K = 4300, ROOM = 64 };
static _Alignas(64) uint8_t x8[MOST_M * MOST_K + ROOM];
static int8_t w8[MOST_N * MOST_K];
static float scales[MOST_N], bias[MOST_N];

static void fill(void) {
  for (int i = 0; i < MOST_M * MOST_K + ROOM; i++) x8[i] = (uint8_t)(i * 91 % 253);
  for (int i = 0; i < MOST_N * MOST_K; i++) w8[i] = (int8_t)(i * 37 % 255 - 127);
  for (int i = 0; i < MOST_N; i++) scales[i] = (float)(i % 13 + 1) / 4096, bias[i] = (float)(i % 29 - 14) / 8;
}

/* Whether a program's product is one in tiles. */
static bool has_tiles(const qn_program *p) {
  for (uint32_t i = 0; i < p->num_steps; i++)
    if (p->steps[i].plan && p->steps[i].plan->kind == QN_KERNEL_GEMM) return p->steps[i].plan->u.gemm.tiles;
  return false;
}

static bool host_has_tiles(void) {
  const qn_isa *host = qn_isa_host();
  bool has = host && (host->has & QN_ISA_TILES);
  if (!has) print_message("passed over: this machine has no registers for tiles\n");
  return has;
}

static void compare(qn_context *ctx, const qn_program *interp, const qn_program *p, const qn_tensor *in) {
  qn_tensor expected = {0}, y = {0};
  assert_int_equal(qn_program_run(interp, in, &expected, NULL), QN_OK);
  assert_int_equal(qn_program_run(p, in, &y, NULL), QN_OK);
  assert_memory_equal(y.data, expected.data, qn_tensor_bytes(&y));
  qn_tensor_free(ctx, &y);
  qn_tensor_free(ctx, &expected);
}

/* Rows begin `offset` bytes behind a line. */
static void check(int64_t m, int64_t n, int64_t k, qn_scalar y, size_t offset) {
  qn_context *ctx = qn_context_create(NULL);
  assert_non_null(ctx);
  qn_matmul_desc d = {.m = m, .n = n, .k = k, .a = QN_UI8, .b = QN_I8, .y = y, .b_data = w8};
  d.a_scale = 0.5f, d.a_zero_point = 3, d.y_scale = 0.75f, d.y_zero_point = y == QN_UI8 ? 7 : 0;
  d.b_scales = y == QN_I32 ? NULL : scales, d.bias = y == QN_I32 ? NULL : bias, d.relu = y == QN_F32;
  qn_program *interp = program_of_product(ctx, &d, &(qn_compile_options){.engine = "interp"});
  qn_program *p = program_of_product(ctx, &d, &(qn_compile_options){.engine = "llvm"});
  /* Eight blocks of four k at least, some columns, and more work than it takes to shape the registers. */
  assert_int_equal(has_tiles(p), k > 28 && n > 2 && m * n * ((k + 3) / 4) > 1 << 14);
  compare(ctx, interp, p, &(qn_tensor){.elem = QN_UI8, .rank = 2, .shape = {m, k}, .data = x8 + offset});
  qn_program_destroy(p);
  qn_program_destroy(interp);
  qn_context_destroy(ctx);
}

static void every_height(void **state) {
  (void)state;
  if (!host_has_tiles()) return;
  for (int64_t m = 1; m <= 70; m++) check(m, 64 + m % 3, 128 + m % 2, m % 2 ? QN_UI8 : QN_F32, m % 5 ? 0 : 1);
}

static void every_end_of_k(void **state) {
  (void)state;
  static const int64_t depths[] = {1, 31, 32, 33, 59, 60, 61, 63, 64, 65, 67, 100, 124, 125, 127, 128, 191, 192, 193};
  if (!host_has_tiles()) return;
  for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
    check(33, 40, depths[i], i % 2 ? QN_I32 : QN_UI8, i % 3 ? 0 : 16);
}

static void every_width(void **state) {
  (void)state;
  if (!host_has_tiles()) return;
  for (int64_t n = 1; n <= 70; n++) check(49 + n % 20, n, 512, n % 2 ? QN_F32 : QN_UI8, 0);
}

/* Rows that are copied in pieces, whose sums wait: more columns than may wait at once, too. */
static void pieces(void **state) {
  (void)state;
  static const int64_t depths[] = {2047, 2048, 2049, 2111, 2112, 2113, 4096, 4097, 4223};
  if (!host_has_tiles()) return;
  for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
    check(i % 2 ? 65 : 20, i % 3 ? 33 : 330, depths[i], i % 2 ? QN_UI8 : QN_F32, 1 + i);
}

static void images(void **state) {
  (void)state;
  static const struct {
    int64_t size, channels, n, kernel, pad, stride, dilation, groups;
  } cases[] = {{14, 64, 64, 3, 1, 1, 1, 1}, {14, 64, 40, 3, 1, 2, 1, 1}, {9, 20, 33, 3, 1, 1, 2, 1},
               {9, 17, 16, 3, 0, 1, 1, 1},  {8, 130, 64, 5, 2, 1, 1, 1}, {11, 64, 64, 3, 1, 1, 1, 2},
               {13, 96, 64, 1, 0, 2, 1, 1}, {20, 8, 32, 7, 3, 2, 1, 1},  {2, 64, 32, 3, 1, 1, 1, 1}};
  if (!host_has_tiles()) return;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    qn_context *ctx = qn_context_create(NULL);
    assert_non_null(ctx);
    int64_t pad = cases[i].pad;
    qn_conv_desc d = {.batch = 2, .height = cases[i].size, .width = cases[i].size + 1, .channels = cases[i].channels};
    d.n = cases[i].n, d.x = QN_UI8, d.w = QN_I8, d.y = i % 2 ? QN_F32 : QN_UI8, d.w_data = w8;
    d.x_scale = 0.5f, d.x_zero_point = 3, d.y_scale = 0.75f, d.y_zero_point = d.y == QN_UI8 ? 7 : 0;
    d.w_scales = scales, d.bias = bias, d.groups = cases[i].groups;
    for (int a = 0; a < 2; a++) d.kernel[a] = cases[i].kernel, d.strides[a] = cases[i].stride;
    for (int a = 0; a < 2; a++) d.dilations[a] = cases[i].dilation, d.pads[a] = d.pads[2 + a] = pad;
    qn_program *interp = NULL, *p = NULL;
    assert_int_equal(qn_kernel_conv(ctx, &d, &(qn_compile_options){.engine = "interp"}, &interp), QN_OK);
    assert_int_equal(qn_kernel_conv(ctx, &d, &(qn_compile_options){.engine = "llvm"}, &p), QN_OK);
    qn_tensor in = {.elem = QN_UI8, .rank = 4, .shape = {2, d.height, d.width, d.channels}, .data = x8};
    compare(ctx, interp, p, &in);
    qn_program_destroy(p);
    qn_program_destroy(interp);
    qn_context_destroy(ctx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_height), cmocka_unit_test(every_end_of_k),
                                     cmocka_unit_test(every_width), cmocka_unit_test(pieces), cmocka_unit_test(images)};
  fill();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
