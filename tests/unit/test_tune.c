/* Searching choices: how times are judged, what is tried, and that a search changes nothing but the tuning. */
#include "unit.h"

#include "tune.h"
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t seed = 7;
static double next(void) {
  seed = seed * 1664525u + 1013904223u;
  return (double)(seed >> 8) / 16777216.0;
}

/* A call that takes `base`, a percent more or less, and now and then is interrupted. */
static double noisy(double base) {
  double t = base * (0.99 + 0.02 * next());
  if (next() < 0.2) t += base * 10 * next();
  return t;
}

static void judging(void **state) {
  (void)state;
  enum { PAIRS = 100, TRIALS = 2000 };
  static double a[PAIRS], b[PAIRS], room[2 * PAIRS];
  int wrong = 0, found = 0;
  for (int trial = 0; trial < TRIALS; trial++) {
    for (int i = 0; i < PAIRS; i++) a[i] = noisy(100), b[i] = noisy(100);
    qn__tune_ratio r = qn__tune_judge(a, b, PAIRS, room);
    assert_true(r.low <= r.gain && r.gain <= r.high && r.pairs <= PAIRS && r.pairs > PAIRS / 4);
    wrong += r.low > 1 || r.high < 1;
    for (int i = 0; i < PAIRS; i++) a[i] = noisy(102);
    r = qn__tune_judge(a, b, PAIRS, room);
    found += r.low > 1;
    assert_true(r.us > 98 && r.us < 102);
  }
  assert_true(wrong < TRIALS / 100);      /* the same is taken for different */
  assert_true(found > TRIALS * 95 / 100); /* two percent are seen under that noise */
  qn__tune_ratio none = qn__tune_judge(a, b, 0, room), few = qn__tune_judge(a, b, 3, room);
  assert_true(none.pairs == 0 && few.low <= 0 && isinf(few.high));
}

/* Whatever is tried may be put into a tuning, and is a change. */
static void candidates(void **state) {
  (void)state;
  static const struct {
    qn_tuned_kind kind;
    const char *types;
  } kinds[] = {{QN_TUNED_GEMM, "ui8,i8,i32"}, {QN_TUNED_GEMM, "f32,f32,f32"},     {QN_TUNED_GEMM, "f64,f64,f64"},
               {QN_TUNED_CONV, "ui8,i8,i32"}, {QN_TUNED_BLOCK, "i8,b32p32i4f16"}, {QN_TUNED_ATTENTION, "f32,f32,64"}};
  static const int64_t rows[] = {1, 2, 5, 16, 64, 1000, 1 << 20};
  qn_context *ctx = qn_context_create(NULL);
  qn_choice out[QN__TUNE_CANDIDATES];
  size_t total = 0;
  for (size_t i = 0; qn_isa_get(i); i++)
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
      for (size_t m = 0; m < sizeof rows / sizeof *rows; m++)
        for (uint32_t stage = 0; stage < QN__TUNE_STAGES; stage++) {
          qn_tuned t = {.kind = kinds[k].kind, .n = 4096, .k = 512, .m_least = rows[m], .m_most = rows[m]};
          strcpy(t.isa, qn_isa_get(i)->name), strcpy(t.types, kinds[k].types);
          t.choice = qn_choice_none();
          qn_choice before = t.choice;
          size_t n = qn__tune_candidates(stage, &t, 2, out);
          assert_true(n <= QN__TUNE_CANDIDATES);
          for (size_t c = 0; c < n; c++) {
            t.choice = out[c];
            assert_int_equal(qn_tuning_put(ctx, &t), QN_OK);
            assert_memory_not_equal(&out[c], &before, sizeof before);
          }
          total += n;
        }
  assert_true(total > 1000);
  qn_context_destroy(ctx);
}

typedef struct subject {
  qn_context *ctx;
  int builds, fail_at, steps;
} subject;

static qn_status build(void *user, qn_program **out) {
  subject *s = user;
  static float scales[48], w[64 * 48];
  for (int i = 0; i < 48; i++) scales[i] = 1;
  for (int i = 0; i < 64 * 48; i++) w[i] = (float)(i % 13);
  qn_matmul_desc d = {.m = 12, .n = 48, .k = 64, .a = QN_F32, .b = QN_F32, .y = QN_F32, .b_scales = scales};
  d.b_data = w;
  qn_compile_options options = {.engine = "llvm"};
  if (++s->builds == s->fail_at) return qn_error(s->ctx, QN_DIAG_ENGINE, qn_place_file(""), "no more");
  return qn_kernel_matmul(s->ctx, &d, &options, out);
}

static void count(void *user, const qn_tune_step *step) {
  assert_true(step->product->kind == QN_TUNED_GEMM && step->product->n == 48);
  ++((subject *)user)->steps;
}

static bool have_llvm(void) {
  for (size_t i = 0; qn_engine_name(i); i++)
    if (!strcmp(qn_engine_name(i), "llvm")) return true;
  return false;
}

static void searches(void **state) {
  (void)state;
  static float x[12 * 64];
  if (!have_llvm()) return;
  for (int i = 0; i < 12 * 64; i++) x[i] = (float)(i % 7) - 3;
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {12, 64}, .data = x};
  for (int fail_at = 0; fail_at < 4; fail_at++) {
    subject s = {.ctx = qn_context_create(NULL), .fail_at = fail_at};
    size_t recorded = 99, rows = 0;
    qn_tune_options o = {.build = build, .build_user = &s, .inputs = &in, .threads = 2, .seconds = 0.002};
    o.each = count, o.each_user = &s, o.least = 1.02;
    qn_status status = qn_tune_program(s.ctx, &o, &recorded);
    assert_int_equal(status == QN_OK, fail_at == 0);
    for (; qn_tuning_get(s.ctx, rows); rows++) assert_true(qn_tuning_get(s.ctx, rows)->gain >= 1.02);
    assert_true(recorded == rows && rows <= 1);
    if (!fail_at) assert_true(s.steps > 5 && s.builds > s.steps / 2);
    /* What stands in the tuning is what programs follow. */
    qn_program *p = NULL;
    s.fail_at = 0;
    assert_int_equal(build(&s, &p), QN_OK);
    qn_kernel_info k;
    bool seen = false;
    for (size_t i = 0; qn_program_kernel(p, i, &k); i++)
      if (k.product) seen = true, assert_int_equal(*k.tuned != 0, rows == 1);
    assert_true(seen);
    qn_program_destroy(p);
    qn_context_destroy(s.ctx);
  }
}

/* A tuning that is full ends the search with an error before anything is built with a choice. */
static void no_room(void **state) {
  (void)state;
  static float x[12 * 64];
  if (!have_llvm()) return;
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {12, 64}, .data = x};
  subject s = {.ctx = qn_context_create(NULL)};
  qn_tuned t = {.kind = QN_TUNED_GEMM, .n = 1, .k = 1, .choice = qn_choice_none()};
  strcpy(t.isa, "avx2"), strcpy(t.types, "ui8,i8,i32");
  t.choice.value[0] = 2;
  for (t.m_least = 1; t.m_least <= QN_TUNED_MOST; t.m_least++) {
    t.m_most = t.m_least;
    assert_int_equal(qn_tuning_put(s.ctx, &t), QN_OK);
  }
  t.m_most = t.m_least;
  assert_int_not_equal(qn_tuning_put(s.ctx, &t), QN_OK);
  size_t recorded = 99;
  qn_tune_options o = {.build = build, .build_user = &s, .inputs = &in, .threads = 1, .seconds = 0.002};
  assert_int_not_equal(qn_tune_program(s.ctx, &o, &recorded), QN_OK);
  assert_int_equal(recorded, 0);
  assert_ptr_equal(qn_tuning_get(s.ctx, QN_TUNED_MOST), NULL);
  qn_context_destroy(s.ctx);
}

/* ---- what choices leave as it is ---- */

enum { ROWS = 45, COLUMNS = 112, DEPTH = 1024 };

/* Results of u8 x s8 into `y`, of a program that follows `choice` where there is one; false where that cannot be. */
static bool multiply(const char *engine, qn_scalar of, const char *choice, uint8_t *y) {
  static uint8_t a[ROWS * DEPTH], room[1 << 16];
  static int8_t b[DEPTH * COLUMNS];
  static float scales[COLUMNS], bias[COLUMNS];
  for (int i = 0; i < ROWS * DEPTH; i++) a[i] = (uint8_t)(i * 37 + i / 91);
  for (int i = 0; i < DEPTH * COLUMNS; i++) b[i] = (int8_t)(i * 53 + i / 77);
  for (int i = 0; i < COLUMNS; i++) scales[i] = (float)(1 + i % 7) * 0.01f, bias[i] = (float)(i % 11) - 5;
  qn_context *ctx = qn_context_create(NULL);
  if (choice) assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(choice), QN_FOREIGN_USE), QN_OK);
  qn_matmul_desc d = {.m = ROWS, .n = COLUMNS, .k = DEPTH, .a = QN_UI8, .b = QN_I8, .y = of, .b_data = b};
  d.a_scale = 0.02f, d.y_scale = of == QN_F32 ? 0 : 0.1f, d.b_scales = scales, d.bias = bias, d.relu = true;
  d.a_zero_point = 3;
  qn_compile_options options = {.engine = engine};
  qn_program *p = NULL;
  bool good = qn_kernel_matmul(ctx, &d, &options, &p) == QN_OK;
  if (good) {
    int64_t of_a[2] = {ROWS, DEPTH}, of_y[2] = {ROWS, COLUMNS};
    DLTensor in = {.data = a, .ndim = 2, .shape = of_a}, out = {.data = y, .ndim = 2, .shape = of_y};
    in.device.device_type = out.device.device_type = kDLCPU;
    in.dtype = (DLDataType){kDLUInt, 8, 1};
    out.dtype = of == QN_F32 ? (DLDataType){kDLFloat, 32, 1} : (DLDataType){kDLUInt, 8, 1};
    assert_true(qn_program_workspace_size(p, &in) <= sizeof room);
    assert_int_equal(qn_program_call(p, &in, &out, room, sizeof room, NULL, NULL), QN_OK);
    qn_program_destroy(p);
  }
  qn_context_destroy(ctx);
  return good;
}

/* Tiles of every height, panels of every width: those that the registers do not hold are made lower. */
static void shapes_keep_results(void **state) {
  (void)state;
  static uint8_t expected[ROWS * COLUMNS * 4], y[ROWS * COLUMNS * 4];
  static const qn_scalar types[] = {QN_UI8, QN_F32};
  if (!have_llvm()) return;
  for (int t = 0; t < 2; t++) {
    size_t bytes = (size_t)ROWS * COLUMNS * (types[t] == QN_F32 ? 4 : 1);
    int made = 0;
    assert_true(multiply("interp", types[t], NULL, expected));
    for (int panel = 16; panel <= 64; panel += 16)
      for (int rows = 1; rows <= 16; rows++) {
        char text[160];
        snprintf(text, sizeof text,
                 "version = 1\ngemm isa=%s types=ui8,i8,i32 m=%d n=%d k=%d : rows=%d panel=%d unroll=1\n",
                 qn_isa_host()->name, ROWS, COLUMNS, DEPTH, rows, panel);
        memset(y, 0xee, sizeof y);
        if (!multiply("llvm", types[t], text, y)) continue;
        if (memcmp(y, expected, bytes)) fail_msg("rows=%d panel=%d gives other results", rows, panel);
        made++;
      }
    assert_true(made > 32);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(shapes_keep_results), cmocka_unit_test(judging),
                                     cmocka_unit_test(candidates), cmocka_unit_test(searches),
                                     cmocka_unit_test(no_room)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
