/* Rows that are quantized, or of codes: softmax and norms, the interpreter's bits on every row of the instruction set
 * table, for rows of any length; a row with a NaN is all the code of 0. */
#include "program_test.h"
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 5, MOST = 4200, FENCE = 64 };

static const int sizes[] = {1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 97, 160, 1023, 4200};

typedef struct kind {
  const char *name, *from, *to; /* types of elements */
} kind;

#define U8  "!quant.uniform<u8:f32, 0.004:3>"
#define U8B "!quant.uniform<u8:f32, 0.02:117>"
#define I8  "!quant.uniform<i8:f32, 0.03:-11>"
#define S7  "!quant.uniform<i8<-100:90>:f32, 0.02>"
#define I16 "!quant.uniform<i16:f32, 0.001>"
static const kind kinds[] = {{"softmax", "f32", U8},    {"softmax", "f32", I8},     {"softmax", I8, "f32"},
                             {"softmax", U8, U8},       {"softmax", I16, S7},       {"layer_norm", "f32", I8},
                             {"layer_norm", "f32", S7}, {"layer_norm", U8, "f32"},  {"layer_norm", I16, U8},
                             {"softmax", "f32", I16},   {"layer_norm", "f32", I16}, {"softmax", U8B, U8B}};

static float floats[ROWS * MOST];
static unsigned char codes[2 * ROWS * MOST], results[2][4 * ROWS * MOST + FENCE];

static void fill(void) {
  for (int i = 0; i < ROWS * MOST; i++) {
    floats[i] = (float)((unsigned)i * 2654435761u % 1009) / 61 - 9;
    codes[2 * i] = (unsigned char)((unsigned)i * 2654435761u >> 11);
    codes[2 * i + 1] = (unsigned char)((unsigned)i * 2246822519u >> 17);
  }
}

/* The second row has a NaN, the third an infinity, the fourth numbers whose exponentials underflow. */
static void spoil(int n) {
  fill();
  floats[n + n / 2] = NAN;
  floats[2 * n + n - 1] = INFINITY;
  for (int i = 0; i < n; i += 3) floats[3 * n + i] = -200;
}

static bool is_float(const char *type) {
  return !strcmp(type, "f32");
}

/* dims: "5x97x", or for rows of any length "?x?x". */
static qn_program *compile(qn_context *ctx, const kind *k, const char *dims, const char *engine, const char *isa) {
  char text[1200], x[120], y[120];
  snprintf(x, sizeof x, "tensor<%s%s>", dims, k->from), snprintf(y, sizeof y, "tensor<%s%s>", dims, k->to);
  int n = snprintf(text, sizeof text, "func.func @f(%%x: %s) -> %s {\n", x, y);
  if (!is_float(k->from))
    n += snprintf(text + n, sizeof text - (size_t)n, "%%f = quant.dcast %%x : %s to tensor<%sf32>\n", x, dims);
  n += snprintf(text + n, sizeof text - (size_t)n, "%%s = quern.%s %%%s : (tensor<%sf32>) -> tensor<%sf32>\n", k->name,
                is_float(k->from) ? "x" : "f", dims, dims);
  if (!is_float(k->to))
    n += snprintf(text + n, sizeof text - (size_t)n, "%%y = quant.qcast %%s : tensor<%sf32> to %s\n", dims, y);
  snprintf(text + n, sizeof text - (size_t)n, "return %%%s : %s\n}\n", is_float(k->to) ? "s" : "y", y);
  return program_on_row(ctx, text, engine, isa);
}

static DLDataType type_of(const char *type) {
  if (is_float(type)) return (DLDataType){kDLFloat, 32, 1};
  return strstr(type, "u8") ? (DLDataType){kDLUInt, 8, 1} : (DLDataType){kDLInt, strstr(type, "i16") ? 16 : 8, 1};
}

static void run(const qn_program *p, const kind *k, int n, void *y) {
  int64_t shape[2] = {ROWS, n};
  DLTensor in = {.device = {kDLCPU, 0}, .ndim = 2, .dtype = type_of(k->from), .shape = shape}, out = in;
  out.dtype = type_of(k->to), out.data = y;
  in.data = is_float(k->from) ? (void *)floats : (void *)codes;
  size_t room = qn_program_workspace_size(p, &in);
  void *workspace = malloc(room + 1);
  qn_call_error error;
  assert_non_null(workspace);
  memset(y, 0x5A, sizeof results[0]);
  if (qn_program_call(p, &in, &out, workspace, room, NULL, &error)) fail_msg("%s", error.message);
  free(workspace);
}

/* NaNs are equal. */
static bool same(const kind *k, int n) {
  size_t bytes = (size_t)(ROWS * n) * (size_t)type_of(k->to).bits / 8;
  for (size_t i = 0; is_float(k->to) && i < bytes; i += 4) {
    float a, b;
    memcpy(&a, results[0] + i, 4), memcpy(&b, results[1] + i, 4);
    if (a != a && b != b) memcpy(results[1] + i, results[0] + i, 4);
  }
  return !memcmp(results[0], results[1], sizeof results[0]);
}

static void compare(const qn_program *const p[2], const kind *k, const char *isa, int n) {
  spoil(n);
  for (int e = 0; e < 2; e++) run(p[e], k, n, results[e]);
  if (!same(k, n)) fail_msg("%s: %s of %d %s to %s differs", isa, k->name, n, k->from, k->to);
}

/* For rows of all lengths, or where `known` is not 0, of that one. */
static void all_kinds(int known) {
  qn_context *ctx = qn_context_create(NULL);
  char dims[32] = "?x?x";
  if (known) snprintf(dims, sizeof dims, "%dx%dx", ROWS, known);
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
      qn_program *made[2] = {compile(ctx, &kinds[k], dims, "interp", isa), compile(ctx, &kinds[k], dims, "llvm", isa)};
      const qn_program *const p[2] = {made[0], made[1]};
      for (size_t s = 0; s < (known ? 1 : sizeof sizes / sizeof *sizes); s++)
        compare(p, &kinds[k], isa, known ? known : sizes[s]);
      for (int e = 0; e < 2; e++) qn_program_destroy(made[e]);
    }
  }
  qn_context_destroy(ctx);
}

static void as_interpreted(void **unused) {
  (void)unused;
  all_kinds(0);
}

static void of_known_length(void **unused) {
  (void)unused;
  all_kinds(97);
  all_kinds(1024);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_interpreted), cmocka_unit_test(of_known_length)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
