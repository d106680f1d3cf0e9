/* Quantization by constant scales, and by scales that are inputs, on every row of the instruction set table: the codes
 * of the formula with a true division, for values around every edge between two codes and for any bits. */
#include "unit.h"
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 1 << 14 };

static float values[COUNT];
static uint8_t codes[COUNT];

static uint32_t state = 12345;
static uint32_t next(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 8 | state << 24;
}

static float any_bits(void) {
  uint32_t u = next();
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

/* Around the edges first: that is where the two ways could differ. */
static void fill(const qn_qparams *p) {
  int n = 0;
  for (int64_t c = p->qmin - 2; c <= p->qmax + 1; c++) {
    float x = (float)(((double)(c - p->zero_point) + 0.5) * (double)p->scale);
    for (int k = 0; k < 8; k++) x = nextafterf(x, -INFINITY);
    for (int k = 0; k < 17 && n < COUNT; k++, x = nextafterf(x, INFINITY)) values[n++] = x;
  }
  const float special[] = {0, -0.0f, NAN, -NAN, INFINITY, -INFINITY, 1e-45f, -1e-45f, 3.4e38f, -3.4e38f};
  for (size_t k = 0; k < sizeof special / sizeof *special && n < COUNT; k++) values[n++] = special[k];
  for (; n < COUNT; n++) values[n] = n % 2 ? any_bits() : ((float)next() * 0x1p-31f - 1) * 300 * p->scale;
}

static DLTensor tensor(void *data, uint8_t code, uint8_t bits, int ndim, int64_t *shape) {
  DLTensor t = {.data = data, .ndim = ndim, .shape = shape, .dtype = {code, bits, 1}};
  t.device.device_type = kDLCPU;
  return t;
}

/* The function in `text` takes the values, and maybe scale and zero-point. */
static void run(qn_context *ctx, const char *isa, const char *text, const char *type, const qn_qparams *p,
                bool is_signed) {
  char pipeline[80];
  snprintf(pipeline, sizeof pipeline, "lower-kernels{target=%s}", isa);
  qn_module *m;
  qn_program *program;
  assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "quantize.mlir", NULL, &m), QN_OK);
  assert_int_equal(qn_run_pipeline(m, pipeline), QN_OK);
  qn_compile_options options = {.engine = "llvm", .cpu = isa};
  assert_int_equal(qn_program_compile(m, &options, &program), QN_OK);
  int64_t shape = COUNT;
  uint8_t bytes_code = is_signed ? kDLInt : kDLUInt;
  float scale = p->scale;
  uint8_t zero = (uint8_t)p->zero_point;
  DLTensor in[3] = {tensor(values, kDLFloat, 32, 1, &shape), tensor(&scale, kDLFloat, 32, 0, NULL),
                    tensor(&zero, bytes_code, 8, 0, NULL)};
  DLTensor out = tensor(codes, bytes_code, 8, 1, &shape);
  size_t bytes = qn_program_workspace_size(program, in);
  void *workspace = malloc(bytes + 1);
  qn_call_error error;
  if (qn_program_call(program, in, &out, workspace, bytes, NULL, &error)) fail_msg("%s", error.message);
  for (int i = 0; i < COUNT; i++) {
    int32_t want = qn_quantize_f32(values[i], *p, QN_ROUND_HALF_EVEN);
    int32_t got = is_signed ? (codes[i] ^ 128) - 128 : codes[i];
    if (got != want) fail_msg("%s %s: %a gives %d, expected %d", isa, type, (double)values[i], got, want);
  }
  free(workspace);
  qn_program_destroy(program);
  qn_module_destroy(m);
}

static void constant_scales(void **unused) {
  (void)unused;
  static const float scales[] = {0.0196f,       1.0f / 255, 0.037f,  1,        0.75f, 3,
                                 0x1p-20f,      1.7e-7f,    9.1e12f, 1e-30f,   2e30f, 0x1.fffffep-3f,
                                 0x1.000002p5f, 1.2e-38f,   3e36f,   0x1p-126f};
  static const struct {
    const char *storage;
    int64_t qmin, qmax, zero;
    bool is_signed;
  } forms[] = {{"u8", 0, 255, 102, false},
               {"u8", 0, 255, 0, false},
               {"i8", -128, 127, 0, true},
               {"i8<-127:127>", -127, 127, 0, true},
               {"u8<3:200>", 3, 200, 10, false}};
  qn_context *ctx = qn_context_create(NULL);
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
      size_t f = s % (sizeof forms / sizeof *forms);
      qn_qparams p = {.scale = scales[s],
                      .zero_point = (int32_t)forms[f].zero,
                      .qmin = (int32_t)forms[f].qmin,
                      .qmax = (int32_t)forms[f].qmax};
      char type[120];
      snprintf(type, sizeof type, "!quant.uniform<%s:f32, %.9e%s%d>", forms[f].storage, (double)scales[s], ":",
               (int)forms[f].zero);
      fill(&p);
      char text[600];
      snprintf(text, sizeof text,
               "func.func @f(%%x: tensor<%dxf32>) -> tensor<%dx%s> {\n  %%y = quant.qcast %%x : tensor<%dxf32> to "
               "tensor<%dx%s>\n  return %%y : tensor<%dx%s>\n}\n",
               COUNT, COUNT, type, COUNT, COUNT, type, COUNT, type);
      run(ctx, isa, text, type, &p, forms[f].is_signed);
    }
  }
  qn_context_destroy(ctx);
}

/* Scales on both sides of where quotients are made without division. */
static void scales_as_inputs(void **unused) {
  (void)unused;
  static const float scales[] = {0.0196f, 1.0f / 255, 0x1.fffffep-3f, 0x1.000002p5f, 3,       0x1p-20f, 0x1.fffffep-21f,
                                 0x1p20f, 0x1.8p20f,  1.7e-7f,        9.1e12f,       1e-30f,  2e30f,    1.2e-38f,
                                 0.0213f, 0x1.5p-9f,  77.7f,          1e-5f,         123456.f};
  static const int32_t zeros[] = {0, 117, 255, 1, 128};
  qn_context *ctx = qn_context_create(NULL);
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (size_t s = 0; s < 2 * (sizeof scales / sizeof *scales); s++) {
      bool is_signed = s % 2;
      const char *type = is_signed ? "i8" : "ui8";
      qn_qparams p = {
          .scale = scales[s / 2], .zero_point = is_signed ? 0 : zeros[s / 2 % 5], .qmin = is_signed ? -128 : 0};
      p.qmax = p.qmin + 255;
      char text[600];
      snprintf(text, sizeof text,
               "func.func @f(%%x: tensor<%dxf32>, %%s: tensor<f32>, %%z: tensor<%s>) -> tensor<%dx%s> {\n"
               "  %%y = quern.quantize %%x, %%s, %%z : (tensor<%dxf32>, tensor<f32>, tensor<%s>) -> tensor<%dx%s>\n"
               "  return %%y : tensor<%dx%s>\n}\n",
               COUNT, type, COUNT, type, COUNT, type, COUNT, type, COUNT, type);
      fill(&p);
      run(ctx, isa, text, type, &p, is_signed);
    }
  }
  qn_context_destroy(ctx);
}

enum { LARGE_ROWS = 520, LARGE_COLUMNS = 512 };
static float large[LARGE_ROWS * LARGE_COLUMNS];
static uint8_t large_codes[LARGE_ROWS * LARGE_COLUMNS];

static void backwards(void *pool, void (*task)(void *arg, size_t i), void *arg, size_t n) {
  (void)pool;
  while (n-- > 0) task(arg, n);
}

/* A tensor large enough to be searched for its range in parts, with its ends and NaN anywhere. */
static void large_dynamic(void **unused) {
  (void)unused;
  static const char text[] =
      "func.func @f(%x: tensor<520x512xf32>) -> (tensor<520x512xui8>, tensor<f32>, tensor<ui8>) {\n"
      "  %y, %s, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<520x512xf32>) -> (tensor<520x512xui8>, "
      "tensor<f32>, tensor<ui8>)\n  return %y, %s, %z : tensor<520x512xui8>, tensor<f32>, tensor<ui8>\n}\n";
  qn_context *ctx = qn_context_create(NULL);
  for (size_t e = 0; qn_engine_name(e); e++) {
    qn_module *m;
    qn_program *program;
    assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "large.mlir", NULL, &m), QN_OK);
    assert_int_equal(qn_run_pipeline(m, "lower-kernels"), QN_OK);
    qn_compile_options options = {.engine = qn_engine_name(e)};
    assert_int_equal(qn_program_compile(m, &options, &program), QN_OK);
    for (int round = 0; round < 6; round++) {
      for (int i = 0; i < LARGE_ROWS * LARGE_COLUMNS; i++) large[i] = ((float)next() * 0x1p-31f - 0.7f) * 3;
      float least = 0, most = 0;
      large[next() % (LARGE_ROWS * LARGE_COLUMNS)] = round % 2 ? NAN : -9.25f;
      large[round ? next() % (LARGE_ROWS * LARGE_COLUMNS) : LARGE_ROWS * LARGE_COLUMNS - 1] = 7.5f;
      for (int i = 0; i < LARGE_ROWS * LARGE_COLUMNS; i++) {
        if (large[i] < least) least = large[i];
        if (large[i] > most) most = large[i];
      }
      qn_qparams p = {.scale = (most - least) / 255, .qmin = 0, .qmax = 255};
      p.zero_point = (int32_t)rintf(fminf(fmaxf(0 - least / p.scale, 0), 255));
      int64_t shape[2] = {LARGE_ROWS, LARGE_COLUMNS};
      float scale = 0;
      uint8_t zero = 0;
      DLTensor in = tensor(large, kDLFloat, 32, 2, shape);
      DLTensor out[3] = {tensor(large_codes, kDLUInt, 8, 2, shape), tensor(&scale, kDLFloat, 32, 0, NULL),
                         tensor(&zero, kDLUInt, 8, 0, NULL)};
      qn_parallel parallel = {.run = backwards, .num_threads = 1 + (uint32_t)round % 3, .min_ns = 1};
      size_t bytes = qn_program_workspace_size(program, &in);
      void *workspace = malloc(bytes + 1);
      qn_call_error error;
      if (qn_program_call(program, &in, out, workspace, bytes, &parallel, &error)) fail_msg("%s", error.message);
      free(workspace);
      assert_true(memcmp(&scale, &p.scale, sizeof scale) == 0 && zero == p.zero_point);
      for (int i = 0; i < LARGE_ROWS * LARGE_COLUMNS; i++)
        if (large_codes[i] != qn_quantize_f32(large[i], p, QN_ROUND_HALF_EVEN)) fail_msg("element %d", i);
    }
    qn_program_destroy(program);
    qn_module_destroy(m);
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(constant_scales), cmocka_unit_test(scales_as_inputs),
                                     cmocka_unit_test(large_dynamic)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
