/* Sums of two dequantized bytes, quantized again, on every row of the instruction set table: every pair of codes, for
 * scales of the result so small that most sums are beyond its codes, or beyond 16 bits, or no scale's division is made
 * a product. The limits that saturating packs make unneeded must be those of the formulas. */
#include "program_test.h"
#include <quern/num.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <string.h>

enum { PAIRS = 65536 };

static uint8_t a[PAIRS], b[PAIRS], y[PAIRS];

typedef struct form {
  const char *storage, *text; /* of all three */
  bool is_signed, relu;
  int32_t za, zb, zy, qmin, qmax;
} form;

static const form forms[] = {
    {"ui8", "u8", false, false, 117, 107, 120, 0, 255},      {"ui8", "u8", false, true, 117, 107, 0, 0, 255},
    {"i8", "i8", true, false, 0, -3, 5, -128, 127},          {"i8", "i8", true, true, 0, 0, -128, -128, 127},
    {"i8", "i8<-127:127>", true, false, 1, 0, 0, -127, 127},
};

static float real(const form *f, uint8_t code, int32_t zero, float scale) {
  int32_t q = f->is_signed ? (int32_t)(int8_t)code : (int32_t)code;
  return (float)(q - zero) * scale;
}

static qn_program *compile(qn_context *ctx, const form *f, const char *isa, float sa, float sb, float sy) {
  char text[4096];
  const char *s = f->storage, *t = f->text;
  snprintf(text, sizeof text,
           "!t = tensor<%dx%s>\n!r = tensor<%dxf32>\n!a = tensor<%dx!quant.uniform<%s:f32, %.9e:%d>>\n"
           "!b = tensor<%dx!quant.uniform<%s:f32, %.9e:%d>>\n!y = tensor<%dx!quant.uniform<%s:f32, %.9e:%d>>\n"
           "func.func @f(%%x: !t, %%z: !t) -> !t {\n"
           "  %%qa = quant.scast %%x : !t to !a\n  %%qb = quant.scast %%z : !t to !b\n"
           "  %%ra = quant.dcast %%qa : !a to !r\n  %%rb = quant.dcast %%qb : !b to !r\n"
           "  %%s = quern.add %%ra, %%rb : (!r, !r) -> !r\n  %%n = quern.%s %%s : (!r) -> !r\n"
           "  %%q = quant.qcast %s : !r to !y\n  %%c = quant.scast %%q : !y to !t\n  return %%c : !t\n}\n",
           PAIRS, s, PAIRS, PAIRS, t, (double)sa, f->za, PAIRS, t, (double)sb, f->zb, PAIRS, t, (double)sy, f->zy,
           "relu", f->relu ? "%n" : "%s");
  return program_of_text(ctx, text, &(qn_compile_options){.engine = "llvm", .cpu = isa});
}

static void call(const qn_program *p, const form *f) {
  int64_t n = PAIRS;
  uint8_t code = f->is_signed ? kDLInt : kDLUInt;
  DLTensor in[2] = {{.data = a, .ndim = 1, .shape = &n}, {.data = b, .ndim = 1, .shape = &n}};
  DLTensor out = {.data = y, .ndim = 1, .shape = &n};
  in[0].device.device_type = in[1].device.device_type = out.device.device_type = kDLCPU;
  in[0].dtype = in[1].dtype = out.dtype = (DLDataType){code, 8, 1};
  static char workspace[4096];
  qn_call_error error;
  assert_true(qn_program_workspace_size(p, in) <= sizeof workspace);
  if (qn_program_call(p, in, &out, workspace, sizeof workspace, NULL, &error)) fail_msg("%s", error.message);
}

static void every_pair(void **unused) {
  (void)unused;
  static const float scales[][3] = {{0.02f, 0.03f, 0.04f}, {0.02f, 0.03f, 1e-3f}, {0.02f, 0.03f, 1e-5f},
                                    {1, 1, 1e-7f},         {1e-20f, 1, 0.75f},    {1e30f, 1e30f, 1e28f}};
  qn_context *ctx = qn_context_create(NULL);
  for (int i = 0; i < PAIRS; i++) a[i] = (uint8_t)i, b[i] = (uint8_t)(i >> 8);
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
      for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        const form *f = &forms[k];
        const float *of = scales[s];
        qn_program *p = compile(ctx, f, isa, of[0], of[1], of[2]);
        qn_qparams to = {.scale = of[2], .zero_point = f->zy, .qmin = f->qmin, .qmax = f->qmax};
        call(p, f);
        qn_program_destroy(p);
        for (int e = 0; e < PAIRS; e++) {
          float x = real(f, a[e], f->za, of[0]) + real(f, b[e], f->zb, of[1]);
          if (f->relu && !(x > 0)) x = 0;
          int32_t want = qn_quantize_f32(x, to, QN_ROUND_HALF_EVEN);
          int32_t got = f->is_signed ? (int32_t)(int8_t)y[e] : (int32_t)y[e];
          if (got != want)
            fail_msg("%s, form %zu, scales %zu, codes %d and %d: %d, expected %d", isa, k, s, a[e], b[e], got, want);
        }
      }
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_pair)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
