/* Vectors divided by one number on every row of the instruction set table: the bits of a true division, for quotients
 * as near to the middle between two floats as there are, for any bits, and for divisors of every size. */
#include "unit.h"
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 4099 };

static float values[COUNT], quotients[COUNT];

static uint64_t state = 88172645463325252u;
static uint32_t next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 16);
}

static float of_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}
static uint32_t bits_of(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

/* Every second value is the float next to s times a number in the middle between two floats. */
static void fill(float s) {
  const float special[] = {0,        -0.0f,     NAN,      INFINITY, -INFINITY, 1e-45f, -1e-45f, 3.4e38f,
                           -3.4e38f, 0x1p-126f, 0x1p-95f, 0x1p-94f, -0x1p-96f, 1,      -1,      s};
  int n = 0;
  for (size_t k = 0; k < sizeof special / sizeof *special; k++) values[n++] = special[k];
  for (; n < COUNT; n++) {
    double middle = ldexp((double)(next() % (1u << 24) | 1u << 24 | 1u), (int)(next() % 60) - 54);
    float near = (float)(middle * (double)s);
    values[n] = n % 2 ? of_bits(next()) : n % 4 ? near : nextafterf(near, next() % 2 ? INFINITY : 0);
    if (n % 64 >= 48) values[n] = fabsf(values[n]) < 1e30f ? values[n] * 0x1p-90f : 0; /* whole vectors of them, too */
  }
}

static void divide(const qn_program *program, float s) {
  int64_t shape = COUNT;
  DLTensor in[2] = {{.data = values, .ndim = 1, .shape = &shape}, {.data = &s}},
           out = {.data = quotients, .ndim = 1, .shape = &shape};
  in[0].device.device_type = in[1].device.device_type = out.device.device_type = kDLCPU;
  in[0].dtype = in[1].dtype = out.dtype = (DLDataType){kDLFloat, 32, 1};
  qn_call_error error;
  static char workspace[4096];
  assert_true(qn_program_workspace_size(program, in) <= sizeof workspace);
  if (qn_program_call(program, in, &out, workspace, sizeof workspace, NULL, &error)) fail_msg("%s", error.message);
  for (int i = 0; i < COUNT; i++) {
    volatile float want = values[i] / s;
    bool same = bits_of(want) == bits_of(quotients[i]) || (isnan(want) && isnan(quotients[i]));
    if (!same) fail_msg("%a / %a = %a, expected %a", (double)values[i], (double)s, (double)quotients[i], (double)want);
  }
}

static void by_one_number(void **unused) {
  (void)unused;
  static const float special[] = {0,    -0.0f, 1,         2,         0x1p-20f, 0x1.fffffep-21f, 0x1p20f, 0x1.000002p20f,
                                  -3,   NAN,   INFINITY,  -INFINITY, 1e-45f,   3.4e38f,         1e-38f,  0x1.fffffep0f,
                                  0.1f, 768,   0x1.8p-7f, 3};
  char text[300];
  snprintf(text, sizeof text,
           "func.func @f(%%x: tensor<%dxf32>, %%s: tensor<f32>) -> tensor<%dxf32> {\n  %%y = quern.div %%x, %%s : "
           "(tensor<%dxf32>, tensor<f32>) -> tensor<%dxf32>\n  return %%y : tensor<%dxf32>\n}\n",
           COUNT, COUNT, COUNT, COUNT, COUNT);
  qn_context *ctx = qn_context_create(NULL);
  for (size_t i = 0; qn_isa_get(i); i++) {
    const char *isa = qn_isa_get(i)->name;
    if (!qn_isa_runs_here(qn_isa_get(i))) continue;
    char pipeline[80];
    snprintf(pipeline, sizeof pipeline, "lower-kernels{target=%s}", isa);
    qn_module *m;
    qn_program *program;
    assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "divide.mlir", NULL, &m), QN_OK);
    assert_int_equal(qn_run_pipeline(m, pipeline), QN_OK);
    qn_compile_options options = {.engine = "llvm", .cpu = isa};
    assert_int_equal(qn_program_compile(m, &options, &program), QN_OK);
    for (size_t k = 0; k < 600; k++) {
      float s = k < sizeof special / sizeof *special ? special[k]
                : k % 8 ? ldexpf(1 + (float)(next() >> 8) * 0x1p-24f, (int)(next() % 40) - 20)
                        : of_bits(next());
      fill(s);
      divide(program, s);
    }
    qn_program_destroy(program);
    qn_module_destroy(m);
  }
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(by_one_number)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
