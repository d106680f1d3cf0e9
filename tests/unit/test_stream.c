/* Calls so large that their outputs go past the caches: every row comes out as in a small call, wherever the output
 * starts in memory and on however many threads, and nothing beside it is touched. */
#include "program.h"
#include "program_test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An odd row, so that rows start anywhere; 64 MiB and more in and out even where the output has bytes. */
enum { COLUMNS = 517, ROWS = 28001, SLICE = 100, FENCE = 64, MOST_TYPE = 4 };

typedef struct stream_case {
  const char *name, *body, *y;
  uint32_t y_bytes;
  DLDataType type;
} stream_case;

static const stream_case cases[] = {
    {"map of floats", "%y = quern.gelu %x : (tensor<?x517xf32>) -> tensor<?x517xf32>\n", "f32", 4, {kDLFloat, 32, 1}},
    {"map to bytes, packed",
     "%q = quant.qcast %x : tensor<?x517xf32> to tensor<?x517x!quant.uniform<u8:f32, 0.02:117>>\n"
     "%y = quant.scast %q : tensor<?x517x!quant.uniform<u8:f32, 0.02:117>> to tensor<?x517xui8>\n",
     "ui8",
     1,
     {kDLUInt, 8, 1}},
    {"row that keeps a value between its passes",
     "%y = quern.softmax %x : (tensor<?x517xf32>) -> tensor<?x517xf32>\n",
     "f32",
     4,
     {kDLFloat, 32, 1}},
    {"rows two at once",
     "%g = arith.constant dense<1.5> : tensor<517xf32>\n"
     "%b = arith.constant dense<0.25> : tensor<517xf32>\n"
     "%y = quern.layer_norm %x, %g, %b : (tensor<?x517xf32>, tensor<517xf32>, tensor<517xf32>) -> tensor<?x517xf32>\n",
     "f32",
     4,
     {kDLFloat, 32, 1}},
    {"map to f16", "%y = quern.cast %x : (tensor<?x517xf32>) -> tensor<?x517xf16>\n", "f16", 2, {kDLFloat, 16, 1}},
};

static qn_program *compile(qn_context *ctx, const stream_case *c) {
  char text[1024];
  snprintf(text, sizeof text,
           "func.func public @main(%%x: tensor<?x517xf32>) -> tensor<?x517x%s> {\n%sreturn %%y : tensor<?x517x%s>\n}\n",
           c->y, c->body, c->y);
  return program_of_text(ctx, text, NULL);
}

static void backwards(void *pool, void (*task)(void *arg, size_t i), void *arg, size_t n) {
  (void)pool;
  while (n-- > 0) task(arg, n);
}

static void run(const qn_program *p, const stream_case *c, float *x, void *y, int64_t rows, uint32_t threads) {
  int64_t shape[2] = {rows, COLUMNS};
  DLTensor in = {.data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape};
  DLTensor out = {.data = y, .device = {kDLCPU, 0}, .ndim = 2, .dtype = c->type, .shape = shape};
  qn_parallel parallel = {.run = backwards, .num_threads = threads, .min_ns = 1};
  assert_int_equal(qn_program_prepare(p, &in, NULL), QN_OK);
  size_t bytes = qn_program_workspace_size(p, &in);
  void *workspace = malloc(bytes + 1);
  assert_non_null(workspace);
  assert_int_equal(qn_program_call(p, &in, &out, workspace, bytes, &parallel, NULL), QN_OK);
  free(workspace);
}

static bool has_stream_code(const qn_program *p) {
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if (p->bodies[i].part == QN_PART_STREAM && qn__unit_fn(p->tiers[i].best)) return true;
  return false;
}

static bool untouched(const unsigned char *fence) {
  for (int i = 0; i < FENCE; i++)
    if (fence[i] != 0xA5) return false;
  return true;
}

static void rows_come_out_as_in_small_calls(void **state) {
  (void)state;
  size_t n = (size_t)ROWS * COLUMNS;
  float *x = malloc(n * sizeof *x);
  unsigned char *expected = malloc(n * MOST_TYPE), *memory = malloc(n * MOST_TYPE + 3 * FENCE);
  assert_true(x && expected && memory);
  for (size_t i = 0; i < n; i++) x[i] = (float)((int)(i * 37 % 1001) - 500) / 100;
  unsigned char *aligned = (unsigned char *)(((uintptr_t)memory + FENCE + 63) & ~(uintptr_t)63);
  qn_context *ctx = qn_context_create(NULL);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const stream_case *c = &cases[k];
    qn_program *p = compile(ctx, c);
    size_t row = COLUMNS * c->y_bytes;
    for (int64_t r = 0; r < ROWS; r += SLICE)
      run(p, c, x + r * COLUMNS, expected + (size_t)r * row, r + SLICE < ROWS ? SLICE : ROWS - r, 1);
    assert_false(has_stream_code(p));
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
      unsigned char *y = aligned + (threads == 1 ? 0 : c->y_bytes);
      memset(memory, 0xA5, n * MOST_TYPE + 3 * FENCE);
      run(p, c, x, y, ROWS, threads);
      if (memcmp(y, expected, n * c->y_bytes)) fail_msg("%s: rows differ, %u threads", c->name, threads);
      assert_true(untouched(y - FENCE) && untouched(y + n * c->y_bytes));
    }
    assert_int_equal(has_stream_code(p), !strcmp(p->isa->arch, "x86_64"));
    qn_program_destroy(p);
  }
  qn_context_destroy(ctx);
  free(x), free(expected), free(memory);
}

/* ---- transposes ---- */

typedef struct turned {
  const char *type;
  int64_t rows;
  uint32_t bytes;
  DLDataType dtype;
} turned;

static const turned turns[] = {{"f32", 17003, 4, {kDLFloat, 32, 1}},
                               {"f16", 34003, 2, {kDLFloat, 16, 1}},
                               {"ui8", 68003, 1, {kDLUInt, 8, 1}},
                               {"f64", 9001, 8, {kDLFloat, 64, 1}}};

static qn_program *compile_turn(qn_context *ctx, const turned *c, const char *cpu) {
  char text[512];
  qn_module *m = NULL;
  qn_program *p = NULL;
  snprintf(text, sizeof text,
           "func.func public @main(%%x: tensor<?x517x%s>) -> tensor<517x?x%s> {\n"
           "%%y = quern.transpose %%x {perm = array<i64: 1, 0>} : (tensor<?x517x%s>) -> tensor<517x?x%s>\n"
           "return %%y : tensor<517x?x%s>\n}\n",
           c->type, c->type, c->type, c->type, c->type);
  assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "turn.mlir", NULL, &m), QN_OK);
  qn_compile_options options = {.cpu = cpu};
  assert_int_equal(qn_build_program(m, &options, &p), QN_OK);
  qn_module_destroy(m);
  return p;
}

static void run_turn(const qn_program *p, const turned *c, void *x, void *y, uint32_t threads) {
  int64_t shape[2] = {c->rows, COLUMNS}, other[2] = {COLUMNS, c->rows};
  DLTensor in = {.data = x, .device = {kDLCPU, 0}, .ndim = 2, .dtype = c->dtype, .shape = shape}, out = in;
  out.data = y, out.shape = other;
  qn_parallel parallel = {.run = backwards, .num_threads = threads, .min_ns = 1};
  assert_int_equal(qn_program_prepare(p, &in, NULL), QN_OK);
  char workspace[512];
  assert_true(qn_program_workspace_size(p, &in) <= sizeof workspace);
  assert_int_equal(qn_program_call(p, &in, &out, workspace, sizeof workspace, &parallel, NULL), QN_OK);
}

static bool is_turned(const turned *c, const unsigned char *x, const unsigned char *y) {
  for (int64_t i = 0; i < COLUMNS; i++)
    for (int64_t j = 0; j < c->rows; j++)
      if (memcmp(y + (i * c->rows + j) * c->bytes, x + (j * COLUMNS + i) * c->bytes, c->bytes)) return false;
  return true;
}

static void transposes_move_every_element(void **state) {
  static const struct {
    const char *cpu;
    uint32_t threads, beyond;
  } rows[] = {{NULL, 1, 0}, {NULL, 3, 1}, {"avx2", 1, 1}, {"x86-64", 3, 0}};
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  for (size_t k = 0; k < sizeof turns / sizeof *turns; k++) {
    const turned *c = &turns[k];
    size_t bytes = (size_t)c->rows * COLUMNS * c->bytes;
    unsigned char *x = malloc(bytes), *memory = malloc(bytes + 3 * FENCE);
    assert_true(x && memory);
    for (size_t i = 0; i < bytes; i++) x[i] = (unsigned char)(i * 2654435761u >> 13);
    unsigned char *aligned = (unsigned char *)(((uintptr_t)memory + FENCE + 63) & ~(uintptr_t)63);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
      if (rows[r].cpu && !qn_isa_runs_here(qn_isa_find(qn_str_of(rows[r].cpu)))) continue;
      qn_program *p = compile_turn(ctx, c, rows[r].cpu);
      unsigned char *y = aligned + rows[r].beyond * c->bytes;
      memset(memory, 0xA5, bytes + 3 * FENCE);
      run_turn(p, c, x, y, rows[r].threads);
      if (!is_turned(c, x, y)) fail_msg("%s: elements differ, %s", c->type, p->isa->name);
      assert_true(untouched(y - FENCE) && untouched(y + bytes));
      assert_int_equal(has_stream_code(p), !strcmp(p->isa->arch, "x86_64"));
      qn_program_destroy(p);
    }
    free(x), free(memory);
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(rows_come_out_as_in_small_calls),
                                     cmocka_unit_test(transposes_move_every_element)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
