/* f16 and bf16 to f32 and back on every row of the instruction set table, with instructions for it or without: the bits
 * of the interpreter, a NaN's too, but that a bf16 may go on signalling. All codes; floats at, and next to, every
 * number in the middle between two codes, and any. */
#include "program_test.h"
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODES = 65536, FLOATS = 4 * 65536 + 5 };

static uint16_t codes[CODES], narrowed[2][FLOATS];
static uint32_t widened[2][CODES], floats[FLOATS];

static uint64_t state = 88172645463325252u;
static uint32_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 16);
}

static void fill(bool brain) {
  for (uint32_t i = 0; i < CODES; i++) codes[i] = (uint16_t)i;
  for (uint32_t i = 0; i < FLOATS; i++) {
    /* Of code and the next: above 2^-14 they are 2^13 floats apart, below that as far as 2^-24. */
    uint32_t code = i / 4 % 32768, sign = i / 4 >= 32768 ? 0x80000000u : 0;
    float middle = code < 1024 ? ldexpf((float)code + 0.5f, -24) : 0;
    uint32_t bits = (code << 13) + 0x38001000u;
    if (code < 1024) memcpy(&bits, &middle, sizeof bits);
    if (brain) bits = (code << 16) + 0x8000u;
    floats[i] = (bits + i % 4 - 1) | sign;
    if (i % 4 == 3) floats[i] = next();
  }
}

static qn_program *compile(qn_context *ctx, const char *from, const char *to, int n, const char *engine,
                           const char *isa) {
  char text[300];
  snprintf(text, sizeof text,
           "func.func @f(%%x: tensor<%dx%s>) -> tensor<%dx%s> {\n  %%y = quern.cast %%x : (tensor<%dx%s>) -> "
           "tensor<%dx%s>\n  return %%y : tensor<%dx%s>\n}\n",
           n, from, n, to, n, from, n, to, n, to);
  return program_on_row(ctx, text, engine, isa);
}

static void convert(qn_context *ctx, bool brain, bool widens, const char *engine, const char *isa, void *y) {
  int64_t n = widens ? CODES : FLOATS;
  const char *half = brain ? "bf16" : "f16";
  const DLDataType small = {brain ? kDLBfloat : kDLFloat, 16, 1}, wide = {kDLFloat, 32, 1};
  qn_program *p = compile(ctx, widens ? half : "f32", widens ? "f32" : half, (int)n, engine, isa);
  DLTensor in = {.data = widens ? (void *)codes : (void *)floats, .ndim = 1, .shape = &n};
  DLTensor out = {.data = y, .ndim = 1, .shape = &n};
  in.device.device_type = out.device.device_type = kDLCPU;
  in.dtype = widens ? small : wide, out.dtype = widens ? wide : small;
  static char workspace[4096];
  qn_call_error error;
  assert_true(qn_program_workspace_size(p, &in) <= sizeof workspace);
  if (qn_program_call(p, &in, &out, workspace, sizeof workspace, NULL, &error)) fail_msg("%s", error.message);
  qn_program_destroy(p);
}

/* Signalling or not. */
static uint32_t quiet(bool brain, uint32_t bits) {
  return brain && (bits & 0x7FFFFFFFu) > 0x7F800000u ? bits | 0x00400000u : bits;
}

static void compare(const char *isa, bool brain) {
  for (int c = 0; c < CODES; c++)
    if (widened[0][c] != quiet(brain, widened[1][c]))
      fail_msg("%s: code 0x%04x gives 0x%08x, expected 0x%08x", isa, codes[c], widened[1][c], widened[0][c]);
  for (int f = 0; f < FLOATS; f++) {
    bool nan = (floats[f] & 0x7FFFFFFFu) > 0x7F800000u;
    uint16_t want = nan ? (uint16_t)((floats[f] >> 16 & 0x8000u) | (brain ? 0x7FC0u : 0x7E00u)) : narrowed[0][f];
    if (narrowed[1][f] != want)
      fail_msg("%s: 0x%08x gives 0x%04x, expected 0x%04x", isa, floats[f], narrowed[1][f], want);
  }
}

static void as_interpreted(bool brain) {
  qn_context *ctx = qn_context_create(NULL);
  fill(brain);
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (int k = 0; k < 2; k++) {
      convert(ctx, brain, true, k ? "llvm" : "interp", isa, widened[k]);
      convert(ctx, brain, false, k ? "llvm" : "interp", isa, narrowed[k]);
    }
    compare(isa, brain);
  }
  qn_context_destroy(ctx);
}

static void f16_as_interpreted(void **unused) {
  (void)unused;
  as_interpreted(false);
}
static void bf16_as_interpreted(void **unused) {
  (void)unused;
  as_interpreted(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(f16_as_interpreted), cmocka_unit_test(bf16_as_interpreted)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
