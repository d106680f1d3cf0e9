/* Programs in a line: of a text, of a product; and a product of bytes with all that it needs. */
#ifndef QN_TEST_PROGRAM_TEST_H
#define QN_TEST_PROGRAM_TEST_H
#include "unit.h"
#include <quern/quern.h>
#include <stdio.h>
#include <string.h>

/* options may be null. */
static inline qn_program *program_of_text(qn_context *ctx, const char *text, const qn_compile_options *options) {
  qn_module *m = NULL;
  qn_program *p = NULL;
  assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "program.mlir", NULL, &m), QN_OK);
  assert_int_equal(qn_build_program(m, options, &p), QN_OK);
  qn_module_destroy(m);
  return p;
}

/* Kernels of a row of isa.def, which `engine` runs as that row or, if it is the interpreter, as it is. */
static inline qn_program *program_on_row(qn_context *ctx, const char *text, const char *engine, const char *isa) {
  char pipeline[80];
  qn_module *m = NULL;
  qn_program *p = NULL;
  qn_compile_options options = {.engine = engine, .cpu = strcmp(engine, "interp") ? isa : NULL};
  snprintf(pipeline, sizeof pipeline, "lower-kernels{target=%s},canonicalize,dce", isa);
  assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "program.mlir", NULL, &m), QN_OK);
  assert_int_equal(qn_run_pipeline(m, pipeline), QN_OK);
  assert_int_equal(qn_program_compile(m, &options, &p), QN_OK);
  qn_module_destroy(m);
  return p;
}

static inline qn_program *program_of_product(qn_context *ctx, const qn_matmul_desc *d,
                                             const qn_compile_options *options) {
  qn_program *p = NULL;
  assert_int_equal(qn_kernel_matmul(ctx, d, options, &p), QN_OK);
  return p;
}

/* ---- u8 (zero point 9) x s8 -> i32 ---- */

enum { BYTES_ZERO = 9 };

static inline void bytes_fill(uint8_t *left, size_t num_left, int8_t *weights, size_t num_weights) {
  for (size_t i = 0; i < num_weights; i++) weights[i] = (int8_t)(i * 31 % 251 - 125);
  for (size_t i = 0; i < num_left; i++) left[i] = (uint8_t)(i * 17);
}

static inline void bytes_expect(int32_t *y, const uint8_t *left, const int8_t *weights, int m, int n, int k) {
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      int32_t sum = 0;
      for (int l = 0; l < k; l++) sum += ((int)left[i * k + l] - BYTES_ZERO) * weights[l * n + j];
      y[i * n + j] = sum;
    }
}

/* Null where it fails: tests call it on threads of their own and in processes of their own, where nothing may assert.
 */
static inline qn_program *bytes_program(qn_context *ctx, int64_t m, int64_t n, int64_t k, const int8_t *weights,
                                        const qn_compile_options *options) {
  float scale = 1;
  qn_matmul_desc d = {.m = m, .n = n, .k = k, .a = QN_UI8, .b = QN_I8, .y = QN_I32, .a_scale = 1, .b_scales = &scale};
  d.a_zero_point = BYTES_ZERO, d.b_per_tensor = true, d.b_data = weights;
  qn_program *p = NULL;
  return qn_kernel_matmul(ctx, &d, options, &p) == QN_OK ? p : NULL;
}

/* The operand and the result of one call. */
typedef struct bytes_tensors {
  DLTensor in, out;
  int64_t in_shape[2], out_shape[2];
} bytes_tensors;

static inline void bytes_describe(bytes_tensors *t, int64_t m, int64_t n, int64_t k, uint8_t *left, int32_t *y) {
  *t = (bytes_tensors){.in_shape = {m, k}, .out_shape = {m, n}};
  t->in = (DLTensor){.data = left, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLUInt, 8, 1}, .shape = t->in_shape};
  t->out = (DLTensor){.data = y, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLInt, 32, 1}, .shape = t->out_shape};
}
#endif
