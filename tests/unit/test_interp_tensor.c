/* Constants, reshape, transpose, softmax and views. */
#include "interp_test.h"
#include <quern/num.h>

#define INF  ((double)INFINITY)
#define QNAN ((double)NAN)

static void constant(const char *value, const arg *out) {
  char text[512];
  snprintf(text, sizeof text, "func.func @main() -> %s {\n  %%0 = arith.constant %s : %s\n  return %%0 : %s\n}\n",
           out->type, value, out->type, out->type);
  ev_program(text, 0, NULL, 1, out);
}

static void constants(void **state) {
  (void)state;
  constant("dense<[[1.0, -0.0], [2.5, 3.0]]>", &(arg){"tensor<2x2xf32>", V(1, -0.0, 2.5, 3)});
  constant("dense<7>", &(arg){"tensor<3x2xi8>", V(7, 7, 7, 7, 7, 7)});
  constant("dense<[1, -2, 3, -4, 5]>", &(arg){"tensor<5xi4>", V(1, -2, 3, -4, 5)});
  constant("dense<-3>", &(arg){"tensor<3xi4>", V(-3, -3, -3)});
  constant("dense<[true, false]>", &(arg){"tensor<2xi1>", V(1, 0)});
  constant("dense<0.1>", &(arg){"tensor<2xf16>", V((double)qn_f16_to_f32(qn_f16_from_f64(0.1)),
                                                   (double)qn_f16_to_f32(qn_f16_from_f64(0.1)))});
  constant("dense<>", &(arg){"tensor<0x3xf32>", V(0)});
  constant("dense<4.0>", &(arg){"tensor<f64>", V(4)});
}

static void reshape(void **state) {
  (void)state;
  const double *x = V(1, 2, 3, 4, 5, 6);
  ev_unary("quern.reshape", "{shape = array<i64: 3, 2>}", "tensor<2x3xf32>", x, "tensor<3x2xf32>", x);
  ev_unary("quern.reshape", "{shape = array<i64: 6>}", "tensor<2x3xi4>", x, "tensor<6xi4>", x);
  ev_unary("quern.reshape", "{shape = array<i64: -1, 1>}", "tensor<2x3xui8>", x, "tensor<6x1xui8>", x);
  ev_unary("quern.reshape", "{shape = array<i64: -3, -2>}", "tensor<2x3xf32>", x, "tensor<3x2xf32>", x);
  ev_unary("quern.reshape", "{shape = array<i64: -2, -1>}", "tensor<2x3xf32>", x, "tensor<2x3xf32>", x);
  ev_unary("quern.reshape", "{shape = array<i64>}", "tensor<1x1xf32>", V(5), "tensor<f32>", V(5));
  ev_unary("quern.reshape", "{shape = array<i64: 0, 7>}", "tensor<2x0xf32>", V(0), "tensor<0x7xf32>", V(0));
  static const char text[] =
      "func.func @main(%a: tensor<?x4xf32>) -> tensor<?x2x?xf32> {\n"
      "  %0 = quern.reshape %a {shape = array<i64: -2, 2, -1>} : (tensor<?x4xf32>) -> tensor<?x2x?xf32>\n"
      "  return %0 : tensor<?x2x?xf32>\n}\n";
  ev_program(text, 1, (const arg[]){{"tensor<2x4xf32>", V(1, 2, 3, 4, 5, 6, 7, 8)}}, 1,
             (const arg[]){{"tensor<2x2x2xf32>", V(1, 2, 3, 4, 5, 6, 7, 8)}});
}

static void reshape_that_does_not_fit(void **state) {
  (void)state;
  ev e;
  float x[6] = {0};
  qn_tensor in = {QN_F32, 1, {6}, x}, y;
  ev_open(&e);
  qn_module *m =
      ev_parse(&e, "func.func @main(%a: tensor<?xf32>) -> tensor<4x?xf32> {\n"
                   "  %0 = quern.reshape %a {shape = array<i64: 4, -1>} : (tensor<?xf32>) -> tensor<4x?xf32>\n"
                   "  return %0 : tensor<4x?xf32>\n}\n");
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 1, &in, 1, &y), QN_ERR_INPUT);
  assert_int_equal(e.code, QN_DIAG_SHAPE);
  ev_expect_said(&e, "6xf32 has no reshape to the sizes that are asked for: 6 elements do not fit");
  in.shape[0] = 4;
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 1, &in, 1, &y), QN_OK);
  qn_tensor_free(e.ctx, &y);
  qn_module_destroy(m);
  ev_close(&e);
}

static void transpose(void **state) {
  (void)state;
  ev_unary("quern.transpose", "{perm = array<i64: 1, 0>}", "tensor<2x3xf32>", V(1, 2, 3, 4, 5, 6), "tensor<3x2xf32>",
           V(1, 4, 2, 5, 3, 6));
  ev_unary("quern.transpose", "{perm = array<i64: 1, 0>}", "tensor<2x3xi4>", V(1, 2, 3, -4, 5, -6), "tensor<3x2xi4>",
           V(1, -4, 2, 5, 3, -6));
  ev_unary("quern.transpose", "{perm = array<i64: 2, 0, 1>}", "tensor<2x1x3xi64>", V(1, 2, 3, 4, 5, 6),
           "tensor<3x2x1xi64>", V(1, 4, 2, 5, 3, 6));
  ev_unary("quern.transpose", "{perm = array<i64: 0, 2, 1>}", "tensor<2x2x2xui2>", V(0, 1, 2, 3, 3, 2, 1, 0),
           "tensor<2x2x2xui2>", V(0, 2, 1, 3, 3, 1, 2, 0));
  ev_unary("quern.transpose", "{perm = array<i64: 1, 0>}", "tensor<2x2xf16>", V(1, QNAN, -0.0, 4), "tensor<2x2xf16>",
           V(1, -0.0, QNAN, 4));
  ev_unary("quern.transpose", "{perm = array<i64>}", "tensor<f64>", V(1), "tensor<f64>", V(1));
  ev_unary("quern.transpose", "{perm = array<i64: 1, 0>}", "tensor<0x3xi1>", V(0), "tensor<3x0xi1>", V(0));
  ev_unary("quern.transpose", "{perm = array<i64: 1, 0>}", "tensor<2x2x!quant.uniform<i8:f32, 0.5>>", V(1, 2, 3, 4),
           "tensor<2x2x!quant.uniform<i8:f32, 0.5>>", V(1, 3, 2, 4));
}

/* e^(x - max) / sum with the sum's halves: with three elements partials 0, 1, 2 are added as (p0 + p2) + p1. */
static void softmax(void **state) {
  (void)state;
  float e0 = qn_f32_exp(-2), e1 = qn_f32_exp(-1), e2 = qn_f32_exp(0), sum = (e0 + e2) + e1;
  const double y[] = {(double)(e0 / sum), (double)(e1 / sum), (double)(e2 / sum)};
  assert_true(fabs(y[0] - exp(-2) / (exp(-2) + exp(-1) + 1)) < 1e-7);
  ev_unary("quern.softmax", "", "tensor<3xf32>", V(1, 2, 3), "tensor<3xf32>", y);
  ev_unary("quern.softmax", "{axis = 0 : i64}", "tensor<3x2xf32>", V(1, 5, 2, 6, 3, 7), "tensor<3x2xf32>",
           V(y[0], y[0], y[1], y[1], y[2], y[2]));
  ev_unary("quern.softmax", "{axis = -2 : i64}", "tensor<3x2xf32>", V(1, 5, 2, 6, 3, 7), "tensor<3x2xf32>",
           V(y[0], y[0], y[1], y[1], y[2], y[2]));
  ev_unary("quern.softmax", "{axis = 1 : i64}", "tensor<1x3xf16>", V(1, 2, 3), "tensor<1x3xf16>", y);
  ev_unary("quern.softmax", "", "tensor<2x2xf32>", V(-INF, 0, QNAN, 1), "tensor<2x2xf32>", V(0.0, 1, QNAN, QNAN));
  ev_unary("quern.softmax", "", "tensor<2x2xf32>", V(-INF, -INF, 1e30, -1e30), "tensor<2x2xf32>",
           V(QNAN, QNAN, 1, 0.0));
  ev_unary("quern.softmax", "", "tensor<0x3xf32>", V(0), "tensor<0x3xf32>", V(0));
  ev_unary("quern.softmax", "", "tensor<3x0xf32>", V(0), "tensor<3x0xf32>", V(0));
}

static void views(void **state) {
  (void)state;
  const double *x = V(1, 2, 3, 4, 5, 6);
  ev_unary("kern.view", "", "tensor<2x3xf32>", x, "tensor<3x2xf32>", x);
  ev_unary("kern.view", "", "tensor<2xf32>", V(1, -2), "tensor<2xi32>", V(0x3F800000, -1073741824.0));
  ev_unary("kern.view", "", "tensor<2xi16>", V(0x0201, -2), "tensor<4xui8>", V(1, 2, 254, 255));
  ev_unary("kern.view", "", "tensor<2xui8>", V(0x21, 0xF3), "tensor<4xi4>", V(1, 2, 3, -1));
  ev_unary("kern.view", "", "tensor<2x2xi8>", V(-1, 2, 3, 4), "tensor<4x!quant.uniform<u8:f32, 0.5>>", V(255, 2, 3, 4));
  ev_unary("kern.view", "{shape = array<i64: -1, 2>}", "tensor<2x3xf32>", x, "tensor<3x2xf32>", x);
  ev_program("func.func @main(%a: tensor<?x4xf32>) -> tensor<?xf32> {\n"
             "  %0 = kern.view %a : (tensor<?x4xf32>) -> tensor<?xf32>\n  return %0 : tensor<?xf32>\n}\n",
             1, (const arg[]){{"tensor<1x4xf32>", x}}, 1, (const arg[]){{"tensor<4xf32>", x}});
  ev_program("func.func @main(%a: tensor<?x?xf32>) -> tensor<?x?xi32> {\n"
             "  %0 = kern.view %a : (tensor<?x?xf32>) -> tensor<?x?xi32>\n  return %0 : tensor<?x?xi32>\n}\n",
             1, (const arg[]){{"tensor<1x2xf32>", V(0.0, 1)}}, 1, (const arg[]){{"tensor<1x2xi32>", V(0, 0x3F800000)}});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(constants), cmocka_unit_test(reshape), cmocka_unit_test(reshape_that_does_not_fit),
      cmocka_unit_test(transpose), cmocka_unit_test(softmax), cmocka_unit_test(views),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
