/* Rows that keep exponentials from one pass to the next, where the result has no room for them: in memory of their own
 * up to a length, computed twice beyond it. One program for all lengths, the interpreter's bits on every row of the
 * instruction set table. */
#include "program_test.h"
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 3, LONGEST = 4113 };

static const int64_t lengths[] = {1, 15, 16, 33, 700, 4095, 4096, 4097, LONGEST};

typedef struct room_case {
  const char *name, *x, *y, *body;
  uint8_t x_bits, y_code, y_bits;
} room_case;

static const room_case cases[] = {
    {"softmax of f16", "f16", "f16", "%y = quern.softmax %x : (tensor<?x?xf16>) -> tensor<?x?xf16>\n", 16, kDLFloat,
     16},
    {"softmax to codes", "f32", "ui8",
     "%s = quern.softmax %x : (tensor<?x?xf32>) -> tensor<?x?xf32>\n"
     "%q = quant.qcast %s : tensor<?x?xf32> to tensor<?x?x!quant.uniform<u8:f32, 0.0039:3>>\n"
     "%y = quant.scast %q : tensor<?x?x!quant.uniform<u8:f32, 0.0039:3>> to tensor<?x?xui8>\n",
     32, kDLUInt, 8},
};

static float floats[ROWS * LONGEST];
static uint16_t halves[ROWS * LONGEST];
static unsigned char results[2][ROWS * LONGEST * 2];

/* From -40 to 40, so that some exponentials are 0, with a NaN and infinities in the last row. */
static void fill(int64_t n) {
  for (int64_t i = 0; i < ROWS * n; i++) {
    floats[i] = (float)((int)(i * 37 % 801) - 400) / 10;
    halves[i] = (uint16_t)(i * 2654435761u >> 7 & 0xCFFF);
  }
  floats[(ROWS - 1) * n] = -1e30f, floats[ROWS * n - 1] = 1e30f;
  halves[(ROWS - 1) * n] = 0x7E00, halves[ROWS * n - 1] = 0xFC00;
}

static qn_program *compile(qn_context *ctx, const room_case *c, const char *engine, const char *isa) {
  char text[700];
  snprintf(text, sizeof text,
           "func.func @f(%%x: tensor<?x?x%s>) -> tensor<?x?x%s> {\n%sreturn %%y : tensor<?x?x%s>\n}\n", c->x, c->y,
           c->body, c->y);
  return program_on_row(ctx, text, engine, isa);
}

static void run(const qn_program *p, const room_case *c, int64_t n, void *y) {
  int64_t shape[2] = {ROWS, n};
  DLTensor in = {.data = c->x_bits == 16 ? (void *)halves : (void *)floats, .device = {kDLCPU, 0}, .ndim = 2};
  DLTensor out = {.data = y, .device = {kDLCPU, 0}, .ndim = 2};
  in.shape = out.shape = shape;
  in.dtype = (DLDataType){kDLFloat, c->x_bits, 1}, out.dtype = (DLDataType){c->y_code, c->y_bits, 1};
  size_t bytes = qn_program_workspace_size(p, &in);
  void *workspace = malloc(bytes + 1);
  qn_call_error error;
  assert_non_null(workspace);
  if (qn_program_call(p, &in, &out, workspace, bytes, NULL, &error)) fail_msg("%s", error.message);
  free(workspace);
}

static void as_interpreted(void **unused) {
  (void)unused;
  qn_context *ctx = qn_context_create(NULL);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const room_case *c = &cases[k];
    for (size_t i = 0; qn_isa_get(i); i++) {
      const char *isa = qn_isa_get(i)->name;
      if (!qn_isa_runs_here(qn_isa_get(i))) continue;
      qn_program *interp = compile(ctx, c, "interp", isa), *llvm = compile(ctx, c, "llvm", isa);
      for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        size_t bytes = (size_t)(ROWS * lengths[l]) * c->y_bits / 8;
        fill(lengths[l]);
        run(interp, c, lengths[l], results[0]), run(llvm, c, lengths[l], results[1]);
        if (memcmp(results[0], results[1], bytes)) fail_msg("%s, %s: rows of %d", c->name, isa, (int)lengths[l]);
      }
      qn_program_destroy(interp), qn_program_destroy(llvm);
    }
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_interpreted)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
