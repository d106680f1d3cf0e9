/* Rows, and long chains of elementwise ops, on every row of the instruction set table, against the interpreter, bit for
 * bit but for NaN: numbers of rows that are no multiple of those done at once, lengths around those of vectors,
 * exponentials that underflow or nearly do, and rows with NaN and infinities in one place or everywhere. Of f32, and of
 * f16, whose NaN carry nothing. */
#include "unit.h"
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 40 * 768, MANY = 40 };

static uint64_t state = 88172645463325252u;
static uint32_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 16);
}

static float between(float lo, float hi) {
  return lo + (hi - lo) * (float)(next() >> 8) * 0x1p-24f;
}

/* Row by row another kind, or of one kind but every 16th. */
static void fill(float *x, int rows, int columns, int first) {
  static const float special[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0.0f, -0.0f, 1e-45f};
  for (int r = 0; r < rows; r++) {
    int kind = first < 0 ? (r % 16 == 9 ? r / 16 + 1 : 0) : (first + r) % 8;
    for (int c = 0; c < columns; c++) {
      float v = between(-3, 3);
      if (kind == 1) v = between(-110, 0);
      if (kind == 2) v = next() % 2 ? between(-3, 3) : -INFINITY;
      if (kind == 3) v = next() % 4 ? between(-3, 3) : between(-100, -60);
      if (kind == 4) v = special[next() % 8];
      if (kind == 5) v = -INFINITY;
      if (kind == 6) v = between(-1e6f, 1e6f);
      x[r * columns + c] = v;
    }
    if (kind == 7) x[r * columns + (int)(next() % (uint32_t)columns)] = special[next() % 3];
  }
}

typedef struct row_case {
  const char *name, *body;
} row_case;

#define T "tensor<?x?xf32, #quern.dims<\"r\",\"c\">>"
#define H "tensor<?x?xf16, #quern.dims<\"r\",\"c\">>"
#define Q "tensor<?x?x!quant.uniform<u8:f32, 0.004:3>, #quern.dims<\"r\",\"c\">>"
static const row_case cases[] = {
    {"softmax", "%y = quern.softmax %x : (" T ") -> " T "\n"},
    {"of twice as much", "%d = quern.add %x, %x : (" T ", " T ") -> " T "\n%y = quern.softmax %d : (" T ") -> " T "\n"},
    {"softmax, then its root", "%s = quern.softmax %x : (" T ") -> " T "\n%y = quern.sqrt %s : (" T ") -> " T "\n"},
    {"codes, which hide NaN", "%s = quern.softmax %x : (" T ") -> " T "\n%q = quant.qcast %s : " T " to " Q
                              "\n%y = quant.dcast %q : " Q " to " T "\n"},
    {"layer_norm", "%y = quern.layer_norm %x : (" T ") -> " T "\n"},
    {"layer_norm of twice as much, and what it was",
     "%d = quern.add %x, %x : (" T ", " T ") -> " T "\n%n = quern.layer_norm %d : (" T ") -> " T
     "\n%y = quern.add %n, %x : (" T ", " T ") -> " T "\n"},
    {"one layer_norm after the other",
     "%n = quern.layer_norm %x : (" T ") -> " T "\n%y = quern.layer_norm %n : (" T ") -> " T "\n"},
    {"gelu", "%y = quern.gelu %x : (" T ") -> " T "\n"},
    {"exponentials", "%y = quern.exp %x : (" T ") -> " T "\n"},
    {"what is selected, rounded and rooted",
     "%a = quern.tanh %x : (" T ") -> " T "\n%b = quern.maximum %a, %x : (" T ", " T ") -> " T
     "\n%c = quern.sqrt %b : (" T ") -> " T "\n%d = quern.mul %c, %a : (" T ", " T ") -> " T
     "\n%y = quern.sub %d, %x : (" T ", " T ") -> " T "\n"},
    {"softmax of halves", "%y = quern.softmax %x : (" H ") -> " H "\n"},
    {"softmax of halves, then its root",
     "%s = quern.softmax %x : (" H ") -> " H "\n%y = quern.sqrt %s : (" H ") -> " H "\n"},
    {"layer_norm of halves, doubled before and after",
     "%d = quern.add %x, %x : (" H ", " H ") -> " H "\n%n = quern.layer_norm %d : (" H ") -> " H
     "\n%y = quern.add %n, %x : (" H ", " H ") -> " H "\n"},
    {"gelu of halves", "%y = quern.gelu %x : (" H ") -> " H "\n"},
};

static bool of_halves(const row_case *c) {
  return strstr(c->body, H) != NULL;
}

/* Cut off; too large ones are the largest. */
static uint16_t half_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000u;
  float size = fabsf(x);
  if (isnan(x)) return (uint16_t)(sign | 0x7D23u);
  if (isinf(x)) return (uint16_t)(sign | 0x7C00u);
  if (size >= 65504) return (uint16_t)(sign | 0x7BFFu);
  if (size < 0x1p-14f) return (uint16_t)(sign | (uint32_t)(size * 0x1p24f));
  return (uint16_t)(sign | (((bits & 0x7FFFFFFFu) >> 13) - (112u << 10)));
}

static qn_program *compile(qn_context *ctx, const row_case *c, const char *engine, const char *isa) {
  char text[2048], pipeline[80];
  qn_module *m = NULL;
  qn_program *p = NULL;
  const char *type = of_halves(c) ? H : T;
  snprintf(text, sizeof text, "func.func @f(%%x: %s) -> %s {\n%sreturn %%y : %s\n}\n", type, type, c->body, type);
  snprintf(pipeline, sizeof pipeline, "lower-kernels{target=%s}", isa);
  assert_int_equal(qn_parse_text(ctx, qn_str_of(text), c->name, NULL, &m), QN_OK);
  assert_int_equal(qn_run_pipeline(m, pipeline), QN_OK);
  qn_compile_options options = {.engine = engine, .cpu = strcmp(engine, "interp") ? isa : NULL};
  assert_int_equal(qn_program_compile(m, &options, &p), QN_OK);
  qn_module_destroy(m);
  return p;
}

static void call(const qn_program *p, void *x, void *y, int bits, int rows, int columns) {
  int64_t shape[2] = {rows, columns};
  DLTensor in = {.data = x, .ndim = 2, .shape = shape}, out = {.data = y, .ndim = 2, .shape = shape};
  in.device.device_type = out.device.device_type = kDLCPU;
  in.dtype = out.dtype = (DLDataType){kDLFloat, (uint8_t)bits, 1};
  qn_call_error error;
  size_t bytes = qn_program_workspace_size(p, &in);
  void *workspace = malloc(bytes + 1);
  assert_non_null(workspace);
  if (qn_program_call(p, &in, &out, workspace, bytes, NULL, &error)) fail_msg("%s", error.message);
  free(workspace);
}

static bool same_half(uint16_t y, uint16_t want) {
  bool nan = (want & 0x7FFF) > 0x7C00;
  return nan ? (y & 0x7FFF) == 0x7E00 : y == want;
}

static void compare_halves(const qn_program *ours, const qn_program *interp, const char *what, int rows, int columns,
                           int kind) {
  static float x[MOST];
  static uint16_t of[MOST], y[MOST], want[MOST];
  fill(x, rows, columns, kind);
  for (int i = 0; i < rows * columns; i++) of[i] = half_of(x[i]);
  call(interp, of, want, 16, rows, columns);
  call(ours, of, y, 16, rows, columns);
  for (int i = 0; i < rows * columns; i++)
    if (!same_half(y[i], want[i]))
      fail_msg("%s, %dx%d, row %d (kind %d), %d: %x, expected %x", what, rows, columns, i / columns,
               (kind + i / columns) % 8, i % columns, y[i], want[i]);
}

static void compare_floats(const qn_program *ours, const qn_program *interp, const char *what, int rows, int columns,
                           int kind) {
  static float x[MOST], y[MOST], want[MOST];
  fill(x, rows, columns, kind);
  call(interp, x, want, 32, rows, columns);
  call(ours, x, y, 32, rows, columns);
  for (int i = 0; i < rows * columns; i++) {
    bool same = !memcmp(&y[i], &want[i], sizeof *y) || (isnan(y[i]) && isnan(want[i]));
    if (!same)
      fail_msg("%s, %dx%d, row %d (kind %d), %d: %a, expected %a", what, rows, columns, i / columns,
               (kind + i / columns) % 8, i % columns, (double)y[i], (double)want[i]);
  }
}

static void as_interpreted(void **unused) {
  (void)unused;
  static const int columns[] = {1, 5, 16, 17, 31, 33, 64, 100, 257, 768};
  qn_context *ctx = qn_context_create(NULL);
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
      char what[100];
      snprintf(what, sizeof what, "%s on %s", cases[c].name, isa);
      void (*compare)(const qn_program *, const qn_program *, const char *, int, int, int) =
          of_halves(&cases[c]) ? compare_halves : compare_floats;
      qn_program *ours = compile(ctx, &cases[c], "llvm", isa), *interp = compile(ctx, &cases[c], "interp", isa);
      for (size_t k = 0; k < sizeof columns / sizeof *columns; k++)
        for (int rows = 1; rows <= 7; rows += rows == 3 ? 4 : 1) compare(ours, interp, what, rows, columns[k], rows);
      compare(ours, interp, what, 3, 4099, 1);                        /* fetched another way */
      for (size_t k = 6; k < sizeof columns / sizeof *columns; k++) { /* rows further apart */
        compare(ours, interp, what, MANY, columns[k], 1);
        compare(ours, interp, what, MANY, columns[k], -1);
      }
      qn_program_destroy(ours), qn_program_destroy(interp);
    }
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(as_interpreted)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
