/* Products of floats by dequantized weights: the interpreter's bits for every form of codes and scales, blocks that
 * stand alone and in groups, ends of K within a block and within four of it, one tile and slabs of them. */
#include "program_test.h"
#include <math.h>
#include <quern/unstable/isa.h>

enum { MOST_M = 24, MOST_N = 70, MOST_K = 300, FORMS = 6, SCALES = 4 };
static float x[MOST_M * MOST_K], scales[MOST_N * MOST_K];
static int32_t zeros[MOST_N * MOST_K];
static uint8_t codes[MOST_N * MOST_K];
static const double entries[] = {-1, -0.75, -0.5, -0.25, 0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.8, 0.9, 1, 1.5, 2};

typedef struct weights {
  int64_t m, n, k, block;
  int form, scale;
} weights;

static float scale_of(int kind, int i) {
  static const float units[SCALES] = {1.37e-3f, 0x1p-10f, 0x1p-40f, 0};
  return kind == 3 ? 1.0f / (float)(1 << i % 9) : units[kind] * (float)(1 + i * 29 % 120);
}

/* Rows that are quantized in blocks of 32: of every size from subnormal to infinite, with ties, zeros and NaN. */
static void fill_blocks(float *to, int count) {
  for (int i = 0; i < count; i++) {
    int block = i / 32, at = i % 32, step = block * 7 % 285 - 155;
    float unit = ldexpf(block % 3 == 2 ? 1.1f : 1, step < 128 ? step : 127);
    to[i] = (at == 5 ? 127 : (float)(i * 53 % 251 - 125) + (block % 3 ? 0.5f : 0.37f)) * unit;
    if (block % 11 == 4 && at == 9) to[i] = NAN;
    if (block % 13 == 6 && at == 11) to[i] = -INFINITY;
    if (block % 17 == 3) to[i] = -0.0f;
  }
}

static qn_program *program(qn_context *ctx, const weights *w, bool quantized, const char *engine, const char *cpu) {
  static const qn_scalar types[FORMS] = {QN_I4, QN_UI4, QN_I8, QN_UI8, QN_UI4, QN_F4E2M1FN};
  qn_matmul_desc d = {.m = w->m, .n = w->n, .k = w->k, .a = QN_F32, .b = types[w->form], .y = QN_F32};
  d.b_data = codes, d.b_scales = scales, d.b_block = w->block, d.b_float = !quantized;
  if (w->form == 1 || w->form == 3) d.b_zero_points = zeros;
  if (w->form == 4) d.b_codebook = entries, d.b_codebook_size = 16;
  return program_of_product(ctx, &d, &(qn_compile_options){.engine = engine, .cpu = cpu});
}

/* Any NaN equals any other. */
static bool same(const qn_tensor *a, const qn_tensor *b) {
  const float *p = a->data, *q = b->data;
  for (size_t i = 0; i < qn_tensor_bytes(a) / sizeof *p; i++)
    if (memcmp(&p[i], &q[i], sizeof *p) && !(isnan(p[i]) && isnan(q[i]))) return false;
  return true;
}

static void check_rows(const weights *w, bool quantized, const char *cpu) {
  qn_context *ctx = qn_context_create(NULL);
  for (int i = 0; i < MOST_N * MOST_K; i++) {
    scales[i] = scale_of(w->scale, i);
    zeros[i] = i * 11 % (w->form == 3 ? 256 : 16);
    codes[i] = (uint8_t)(i * 91 + i / 7);
  }
  for (int i = 0; i < MOST_M * MOST_K; i++) x[i] = (float)(i * 53 % 211 - 100) / 7;
  if (quantized) fill_blocks(x, (int)(w->m * w->k));
  qn_program *interp = program(ctx, w, quantized, "interp", NULL), *p = program(ctx, w, quantized, "llvm", cpu);
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {w->m, w->k}, .data = x}, expected, y;
  assert_int_equal(qn_program_run(interp, &in, &expected, NULL), QN_OK);
  assert_int_equal(qn_program_run(p, &in, &y, NULL), QN_OK);
  if (!same(&y, &expected))
    fail_msg("%lld x %lld x %lld, blocks of %lld, form %d, scales %d, on %s", (long long)w->m, (long long)w->n,
             (long long)w->k, (long long)w->block, w->form, w->scale, cpu ? cpu : "host");
  qn_tensor_free(ctx, &y), qn_tensor_free(ctx, &expected);
  qn_program_destroy(p), qn_program_destroy(interp);
  qn_context_destroy(ctx);
}

static void check(const weights *w, const char *cpu) {
  check_rows(w, false, cpu);
}

/* Blocks of 32 in 4 bits with scales of one byte, or with zero points, stand in groups of four. */
static void every_form(void **state) {
  (void)state;
  for (int form = 0; form < FORMS; form++)
    for (int scale = 0; scale < SCALES; scale++) {
      check(&(weights){1 + (form + scale) % 3, 33 + scale, 32 * (1 + form + scale) + 5 * scale, 32, form, scale}, NULL);
      check(&(weights){9 + form, 32 + form, 130 + 3 * scale, 40, form, scale}, NULL);
    }
}

static void every_end_of_k(void **state) {
  (void)state;
  static const int64_t ends[] = {1, 2, 3, 4, 5, 7, 31, 32, 33, 34, 127, 128, 129, 131, 161, 259};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    check(&(weights){1 + (int64_t)i % 8, 40, ends[i], 32, (int)i % FORMS, (int)i % SCALES}, NULL);
    check(&(weights){10 + (int64_t)i % 8, 40, ends[i], i % 2 ? 136 : 8, (int)(i + 1) % FORMS, (int)i % SCALES}, NULL);
  }
}

/* Divisions by products, and those that are none. */
static void every_size_of_rows(void **state) {
  (void)state;
  for (int form = 0; form < 4; form++)
    for (int64_t m = 1; m <= 21; m += 20) {
      check_rows(&(weights){m, 40, 288, 32, form, 1}, true, NULL);
      check_rows(&(weights){m, 33, 299, 64, form, 0}, true, NULL);
      check_rows(&(weights){m, 33, 250, 24, form, 1}, true, NULL);
    }
}

/* Tiles of every height, and two heights in one call. */
static void every_height(void **state) {
  (void)state;
  for (int64_t m = 1; m <= MOST_M; m++) check(&(weights){m, 64, 100, 32, (int)m % FORMS, (int)m % SCALES}, NULL);
}

static void every_row(void **state) {
  (void)state;
  for (size_t i = 0; qn_isa_get(i); i++)
    if (qn_isa_runs_here(qn_isa_get(i)))
      for (int form = 0; form < FORMS; form++)
        check(&(weights){form % 2 ? 3 : 11, 50, 75, 32, form, form % SCALES}, qn_isa_get(i)->name);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_form), cmocka_unit_test(every_end_of_k),
                                     cmocka_unit_test(every_size_of_rows), cmocka_unit_test(every_height),
                                     cmocka_unit_test(every_row)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
