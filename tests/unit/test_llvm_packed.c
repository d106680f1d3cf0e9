/* Elements of 4 and 2 bits by vectors, to floats and from floats: the interpreter's bits on every row of the
 * instruction set table, for runs that begin at any byte and end anywhere. */
#include "program_test.h"
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 600, FENCE = 16 };

static const int sizes[] = {1, 2, 15, 16, 17, 31, 34, 64, 127, 599};
static const char *const types[][2] = {{"i4", "!quant.uniform<i4:f32, 0.4>"},
                                       {"ui4", "!quant.uniform<u4:f32, 0.4:7>"},
                                       {"i2", "!quant.uniform<i2:f32, 1.3>"},
                                       {"ui2", "!quant.uniform<u2:f32, 1.1:2>"}};
enum { KINDS = 2 * sizeof types / sizeof *types };

static float floats[MOST];
static unsigned char codes[MOST], results[2][4 * MOST + FENCE];

static void fill(void) {
  for (int i = 0; i < MOST; i++) {
    floats[i] = (float)(i * 37 % 101 - 50) / 13;
    codes[i] = (unsigned char)((unsigned)i * 2654435761u >> 11);
  }
}

static qn_program *compile(qn_context *ctx, const char *const *type, bool to_floats, int n, const char *engine,
                           const char *isa) {
  char text[600];
  const char *t = type[0], *q = type[1];
  if (to_floats)
    snprintf(text, sizeof text,
             "func.func @f(%%x: tensor<%dx%s>) -> tensor<%dxf32> {\n"
             "%%q = quant.scast %%x : tensor<%dx%s> to tensor<%dx%s>\n"
             "%%y = quant.dcast %%q : tensor<%dx%s> to tensor<%dxf32>\nreturn %%y : tensor<%dxf32>\n}\n",
             n, t, n, n, t, n, q, n, q, n, n);
  else
    snprintf(text, sizeof text,
             "func.func @f(%%x: tensor<%dxf32>) -> tensor<%dx%s> {\n"
             "%%q = quant.qcast %%x : tensor<%dxf32> to tensor<%dx%s>\n"
             "%%y = quant.scast %%q : tensor<%dx%s> to tensor<%dx%s>\nreturn %%y : tensor<%dx%s>\n}\n",
             n, n, t, n, n, q, n, q, n, t, n, t);
  return program_on_row(ctx, text, engine, isa);
}

static void run(const qn_program *p, bool to_floats, int n, int bits, void *y) {
  int64_t elements = n, bytes = (n * bits + 7) / 8;
  DLTensor wide = {.device = {kDLCPU, 0}, .ndim = 1, .dtype = {kDLFloat, 32, 1}, .shape = &elements}, packed = wide;
  packed.dtype = (DLDataType){kDLUInt, 8, 1}, packed.shape = &bytes;
  DLTensor in = to_floats ? packed : wide, out = to_floats ? wide : packed;
  in.data = to_floats ? (void *)codes : (void *)floats, out.data = y;
  size_t room = qn_program_workspace_size(p, &in);
  void *workspace = malloc(room + 1);
  qn_call_error error;
  assert_non_null(workspace);
  memset(y, 0, 4 * MOST + FENCE);
  if (qn_program_call(p, &in, &out, workspace, room, NULL, &error)) fail_msg("%s", error.message);
  free(workspace);
}

static void as_interpreted(void **unused) {
  (void)unused;
  qn_context *ctx = qn_context_create(NULL);
  fill();
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (int k = 0; k < KINDS; k++) {
      for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        if (s % 3 != i % 3 && sizes[s] != 34) continue; /* each size on some rows */
        for (int e = 0; e < 2; e++) {
          qn_program *p = compile(ctx, types[k / 2], k % 2, sizes[s], e ? "llvm" : "interp", isa);
          run(p, k % 2, sizes[s], k < 4 ? 4 : 2, results[e]);
          qn_program_destroy(p);
        }
        if (memcmp(results[0], results[1], sizeof results[0]))
          fail_msg("%s: %d elements %s %s differ", isa, sizes[s], k % 2 ? "of" : "to", types[k / 2][0]);
      }
    }
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_interpreted)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
