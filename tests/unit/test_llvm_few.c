/* Products of few rows over weights that are said to be larger than a second-level cache: the same bits as the
 * interpreter's, for all heights of tiles and lengths of the last piece of K, with panels of any width. */
#include "program.h"
#include "program_test.h"
#include <string.h>

enum { MOST_M = 28, MOST_N = 300, MOST_K = 2060 };
static uint8_t x8[MOST_M * MOST_K];
static int8_t w8[MOST_N * MOST_K];
static float x32[MOST_M * MOST_K], w32[MOST_N * MOST_K], scales[MOST_N], bias[MOST_N];

static void fill(void) {
  for (int i = 0; i < MOST_M * MOST_K; i++) x8[i] = (uint8_t)(i * 91 % 253), x32[i] = (float)(i * 53 % 211 - 100) / 64;
  for (int i = 0; i < MOST_N * MOST_K; i++)
    w8[i] = (int8_t)(i * 37 % 255 - 127), w32[i] = (float)(i * 29 % 197 - 99) / 8192;
  for (int i = 0; i < MOST_N; i++) scales[i] = (float)(i % 13 + 1) / 4096, bias[i] = (float)(i % 29 - 14) / 8;
}

static qn_context *context_of(double outside) {
  qn_context *ctx = qn_context_create(NULL);
  qn_machine machine = qn_machine_default();
  machine.outside_bytes = outside;
  machine.direct_bytes = 0;
  assert_non_null(ctx);
  assert_int_equal(qn_context_set_machine(ctx, &machine), QN_OK);
  return ctx;
}

/* The plan of a program's only product. */
static const qn_gemm_plan *product_of(const qn_program *p, const qn_isa **isa) {
  const qn_gemm_plan *g = NULL;
  for (uint32_t i = 0; i < p->num_steps; i++)
    if (p->steps[i].plan && p->steps[i].plan->kind == QN_KERNEL_GEMM)
      g = &p->steps[i].plan->u.gemm, *isa = p->steps[i].plan->isa;
  assert_non_null(g);
  return g;
}

/* Bytes are for the registers of tiles where a row has those. */
static bool can(const qn_isa *isa, uint32_t dot) {
  return !strcmp(isa->arch, "x86_64") && isa->vector_bits == 512 && (!dot || (isa->has & dot)) &&
         !(dot == QN_ISA_DOT8 && (isa->has & QN_ISA_TILES));
}

/* All parts one after the other, the last one first. */
static void backwards(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  while (n--) task(arg, n);
}

static void run(qn_context *ctx, const qn_program *p, const qn_tensor *in, const qn_parallel *parallel,
                qn_tensor *out) {
  (void)ctx;
  memset(out, 0, sizeof *out);
  assert_int_equal(qn_program_run(p, in, out, parallel), QN_OK);
}

static void same_as_interpreter(qn_context *ctx, const qn_program *interp, const qn_program *p, const qn_tensor *in) {
  qn_tensor expected, y;
  run(ctx, interp, in, NULL, &expected);
  for (uint32_t threads = 1; threads <= 3; threads++) {
    run(ctx, p, in, &(qn_parallel){.run = backwards, .num_threads = threads, .min_ns = 1}, &y);
    assert_memory_equal(y.data, expected.data, qn_tensor_bytes(&y));
    qn_tensor_free(ctx, &y);
  }
  qn_tensor_free(ctx, &expected);
}

typedef struct few_case {
  int64_t m, n, k;
  qn_scalar a, y;
} few_case;

static void check(const few_case *c) {
  qn_context *ctx = context_of(1024);
  bool floats = c->a == QN_F32;
  qn_matmul_desc d = {.m = c->m, .n = c->n, .k = c->k, .a = c->a, .b = floats ? QN_F32 : QN_I8, .y = c->y};
  d.a_scale = 0.5f, d.a_zero_point = floats ? 0 : 3, d.y_scale = 0.75f, d.b_scales = floats ? NULL : scales;
  d.y_zero_point = c->y == QN_UI8 ? 7 : 0;
  d.b_data = floats ? (const void *)w32 : w8, d.bias = c->y == QN_I32 ? NULL : bias, d.relu = c->y == QN_F32;
  if (c->y == QN_I32) d.b_scales = NULL;
  qn_program *interp = program_of_product(ctx, &d, &(qn_compile_options){.engine = "interp"});
  qn_program *p = program_of_product(ctx, &d, &(qn_compile_options){.engine = "llvm"});
  const qn_isa *isa;
  const qn_gemm_plan *g = product_of(p, &isa);
  bool few = g->few != 0, expected = can(isa, floats ? 0 : QN_ISA_DOT8) && !g->side;
  if (few != expected)
    fail_msg("%lld x %lld x %lld: few is %d", (long long)c->m, (long long)c->n, (long long)c->k, few);
  qn_tensor in = {.elem = c->a, .rank = 2, .shape = {c->m, c->k}, .data = floats ? (void *)x32 : (void *)x8};
  same_as_interpreter(ctx, interp, p, &in);
  qn_program_destroy(p);
  qn_program_destroy(interp);
  qn_context_destroy(ctx);
}

/* From one tile to three, of heights 6 to 12 and mixed ones; last panels that are full, and not. */
static void every_height(void **state) {
  (void)state;
  for (int64_t m = 6; m <= 26; m++) check(&(few_case){m, m % 2 ? 192 : 171, 256 + 4 * (m % 3), QN_UI8, QN_UI8});
}

/* Pieces of 64 blocks; a last one of 16 to 79. */
static void every_end_of_k(void **state) {
  (void)state;
  static const int64_t blocks[] = {64, 65, 79, 80, 95, 127, 128, 129, 143, 144, 200, 512};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
    check(&(few_case){16, 128, 4 * blocks[i], QN_UI8, QN_F32});
    if (blocks[i] < 512) check(&(few_case){9 + (int64_t)i, 130, blocks[i], QN_F32, QN_F32});
  }
}

/* Panels of 2, 3 and 4 vectors, epilogues of all kinds, codes that are made from signed ones, and rows that would share
 * places of a cache, which are copied. */
static void every_width(void **state) {
  (void)state;
  static const int64_t columns[] = {32, 48, 64, 96, 144, 160, 200, 256, 288};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    check(&(few_case){7 + (int64_t)i, columns[i], 320, QN_UI8, QN_I32});
    check(&(few_case){23 - (int64_t)i, columns[i], 333, QN_I8, QN_I8});
    check(&(few_case){16, columns[i], 300, QN_F32, QN_F32});
  }
  check(&(few_case){16, 96, 2048, QN_UI8, QN_UI8});
  check(&(few_case){20, 64, 1024, QN_F32, QN_F32});
}

/* Where the left side is not to be read beyond its end, and with as many rows as are multiplied otherwise. */
static void others_do_not(void **state) {
  (void)state;
  static const int64_t sizes[][4] = {
      {16, 128, 257, 1024}, {27, 128, 256, 1024}, {5, 128, 256, 1024}, {16, 128, 252, 1024}, {16, 128, 256, 32768}};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    qn_context *ctx = context_of((double)sizes[i][3]);
    qn_matmul_desc d = {.m = sizes[i][0], .n = sizes[i][1], .k = sizes[i][2], .a = QN_UI8, .b = QN_I8, .y = QN_F32};
    d.a_scale = 1, d.b_scales = scales, d.b_data = w8;
    qn_program *p = program_of_product(ctx, &d, &(qn_compile_options){.engine = "llvm"});
    qn_program *interp = program_of_product(ctx, &d, &(qn_compile_options){.engine = "interp"});
    const qn_isa *isa;
    assert_int_equal(product_of(p, &isa)->few, 0);
    qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {d.m, d.k}, .data = x8};
    same_as_interpreter(ctx, interp, p, &in);
    qn_program_destroy(p);
    qn_program_destroy(interp);
    qn_context_destroy(ctx);
  }
}

/* Activations of 16 bits, with weights that are packed in the call; leading axes that are rows, and batches that are
 * not. */
static void halves_and_batches(void **state) {
  (void)state;
#define A "!quant.uniform<i16:f32, 0.5:3>"
#define B "!quant.uniform<i8:f32, 0.25>"
#define PRODUCT(a, b, y)                                                                                               \
  "func.func @f(%a: tensor<" a A ">, %b: tensor<" b B ">) -> tensor<" y                                                \
  "xi32> {\n  %y = quern.matmul %a, %b : (tensor<" a A ">, tensor<" b B ">) -> tensor<" y                              \
  "xi32>\n  return %y : tensor<" y "xi32>\n}\n"
  static int16_t a[20 * 200];
  static int8_t b[2 * 200 * 96];
  for (int i = 0; i < 20 * 200; i++) a[i] = (int16_t)(i * 7919 % 60001 - 30000);
  for (int i = 0; i < 2 * 200 * 96; i++) b[i] = (int8_t)(i * 7411 % 251 - 125);
  static const struct {
    const char *text;
    qn_tensor in[2];
  } cases[] = {{PRODUCT("17x200x", "200x96x", "17x96"),
                {{.elem = QN_I16, .rank = 2, .shape = {17, 200}, .data = a},
                 {.elem = QN_I8, .rank = 2, .shape = {200, 96}, .data = b}}},
               {PRODUCT("2x10x200x", "2x200x96x", "2x10x96"),
                {{.elem = QN_I16, .rank = 3, .shape = {2, 10, 200}, .data = a},
                 {.elem = QN_I8, .rank = 3, .shape = {2, 200, 96}, .data = b}}},
               {PRODUCT("2x10x200x", "200x96x", "2x10x96"),
                {{.elem = QN_I16, .rank = 3, .shape = {2, 10, 200}, .data = a},
                 {.elem = QN_I8, .rank = 2, .shape = {200, 96}, .data = b}}}};
#undef PRODUCT
#undef A
#undef B
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    qn_context *ctx = context_of(1024);
    qn_program *interp = program_of_text(ctx, cases[i].text, &(qn_compile_options){.engine = "interp"});
    qn_program *p = program_of_text(ctx, cases[i].text, &(qn_compile_options){.engine = "llvm"});
    const qn_isa *isa;
    bool few = product_of(p, &isa)->few != 0;
    assert_int_equal(few, can(isa, QN_ISA_DOT16));
    same_as_interpreter(ctx, interp, p, cases[i].in);
    qn_program_destroy(p);
    qn_program_destroy(interp);
    qn_context_destroy(ctx);
  }
}

static int setup(void **state) {
  (void)state;
  fill();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_height),  cmocka_unit_test(every_end_of_k),     cmocka_unit_test(every_width),
      cmocka_unit_test(others_do_not), cmocka_unit_test(halves_and_batches),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
