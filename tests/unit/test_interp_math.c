/* Elementwise tensor ops: every element type, the odd values of the numeric contract, broadcasting, empty tensors. */
#include "interp_test.h"
#include <float.h>
#include <quern/num.h>

#define INF  ((double)INFINITY)
#define QNAN ((double)NAN)

static void float_arithmetic(void **state) {
  (void)state;
  const char *t = "tensor<4xf32>";
  /* 0.1f + 0.2f rounds once in f32; infinities and NaN as IEEE has them. */
  ev_binary("quern.add", "", t, V(0.1f, 1, INF, -0.0), t, V(0.2f, 0x1p-24, -INF, -0.0), t,
            V((double)(0.1f + 0.2f), 1, QNAN, -0.0));
  ev_binary("quern.sub", "", t, V(1, INF, 0.0, 3), t, V(0x1p-25, INF, 0.0, 5), t, V(1, QNAN, 0.0, -2));
  ev_binary("quern.mul", "", t, V(3, -0.0, INF, 0x1p100), t, V(-2, 5, 0, 0x1p100), t, V(-6, -0.0, QNAN, INF));
  ev_binary("quern.div", "", t, V(1, -1, 0, 7), t, V(3, 0, 0, 2), t, V((double)(1.0f / 3.0f), -INF, QNAN, 3.5));
  ev_binary("quern.add", "", "tensor<2xf64>", V(0.1, 1), "tensor<2xf64>", V(0.2, 0x1p-60), "tensor<2xf64>",
            V(0.1 + 0.2, 1));
  ev_binary("quern.div", "", "tensor<1xf64>", V(1), "tensor<1xf64>", V(3), "tensor<1xf64>", V(1.0 / 3.0));
}

/* f16: 2048 + 1 lies half way between 2048 and 2050, ties to even; 65504 + 16 overflows to 65536's neighbour, infinity.
 * bf16: 256 + 1 -> 256. The sum is made in f32 and rounded once. */
static void narrow_floats(void **state) {
  (void)state;
  ev_binary("quern.add", "", "tensor<4xf16>", V(2048, 2050, 65504, 1), "tensor<4xf16>", V(1, 1, 16, 0x1p-11),
            "tensor<4xf16>", V(2048, 2052, INF, 1));
  ev_binary("quern.add", "", "tensor<2xbf16>", V(256, 258), "tensor<2xbf16>", V(1, 1), "tensor<2xbf16>", V(256, 260));
  ev_binary("quern.mul", "", "tensor<2xf16>", V(0x1p-14, 255), "tensor<2xf16>", V(0.5, 257), "tensor<2xf16>",
            V(0x1p-15, 65504 + 32 >= 65520 ? INF : 65536));
  ev_binary("quern.mul", "", "tensor<1xf16>", V(3), "tensor<1xf16>", V((double)qn_f16_to_f32(0x2E66)), "tensor<1xf16>",
            V((double)qn_f16_to_f32(qn_f16_from_f64(3 * (double)qn_f16_to_f32(0x2E66)))));
  ev_binary("quern.add", "", "tensor<2xf8E4M3FN>", V(448, 1), "tensor<2xf8E4M3FN>", V(448, 0.0625),
            "tensor<2xf8E4M3FN>", V(448, 1));
}

static void integer_arithmetic(void **state) {
  (void)state;
  const char *s8 = "tensor<4xi8>", *u8 = "tensor<4xui8>";
  ev_binary("quern.add", "", s8, V(127, -128, 100, 1), s8, V(1, -1, 100, 2), s8, V(-128, 127, -56, 3));
  ev_binary("quern.add", "", u8, V(255, 0, 200, 1), u8, V(1, 0, 100, 2), u8, V(0, 0, 44, 3));
  ev_binary("quern.sub", "", u8, V(0, 5, 200, 1), u8, V(1, 5, 100, 2), u8, V(255, 0, 100, 255));
  ev_binary("quern.mul", "", s8, V(16, -128, 127, -7), s8, V(16, -1, 2, 3), s8, V(0, -128, -2, -21));
  ev_binary("quern.div", "", s8, V(-7, -128, 5, -1), s8, V(2, -1, 0, -128), s8, V(-3, -128, 0, 0));
  ev_binary("quern.div", "", u8, V(200, 255, 5, 0), u8, V(3, 255, 0, 0), u8, V(66, 1, 0, 0));
  ev_binary("quern.div", "", "tensor<2xi32>", V(-2147483648.0, 7), "tensor<2xi32>", V(-1, -2), "tensor<2xi32>",
            V(-2147483648.0, -3));
  ev_binary("quern.maximum", "", u8, V(200, 0, 5, 128), u8, V(100, 1, 5, 127), u8, V(200, 1, 5, 128));
  ev_binary("quern.minimum", "", s8, V(-128, 0, 5, 127), s8, V(127, 1, -5, -127), s8, V(-128, 0, -5, -127));
  ev_binary("quern.add", "", "tensor<3xi4>", V(7, -8, 3), "tensor<3xi4>", V(1, -1, -3), "tensor<3xi4>", V(-8, 7, 0));
  ev_binary("quern.add", "", "tensor<5xui2>", V(3, 2, 1, 0, 3), "tensor<5xui2>", V(1, 1, 1, 0, 3), "tensor<5xui2>",
            V(0, 3, 2, 0, 2));
  ev_unary("quern.neg", "", s8, V(1, -128, 0, 127), s8, V(-1, -128, 0, -127));
  ev_unary("quern.neg", "", u8, V(1, 128, 0, 255), u8, V(255, 128, 0, 1));
  ev_unary("quern.abs", "", s8, V(1, -128, 0, -127), s8, V(1, -128, 0, 127));
  ev_unary("quern.abs", "", u8, V(1, 128, 0, 255), u8, V(1, 128, 0, 255));
  ev_unary("quern.relu", "", s8, V(1, -128, 0, -127), s8, V(1, 0, 0, 0));
  ev_unary("quern.relu", "", u8, V(1, 128, 0, 255), u8, V(1, 128, 0, 255));
}

/* 64 bits do not fit the doubles of the cases above. */
static void wide_integers(void **state) {
  (void)state;
  static const char text[] =
      "func.func @main(%a: tensor<4xi64>, %b: tensor<4xi64>, %u: tensor<4xui64>, %v: tensor<4xui64>)\n"
      "    -> (tensor<4xi64>, tensor<4xi64>, tensor<4xui64>, tensor<4xui64>) {\n"
      "  %0 = quern.div %a, %b : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>\n"
      "  %1 = quern.mul %a, %b : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>\n"
      "  %2 = quern.div %u, %v : (tensor<4xui64>, tensor<4xui64>) -> tensor<4xui64>\n"
      "  %3 = quern.maximum %u, %v : (tensor<4xui64>, tensor<4xui64>) -> tensor<4xui64>\n"
      "  return %0, %1, %2, %3 : tensor<4xi64>, tensor<4xi64>, tensor<4xui64>, tensor<4xui64>\n}\n";
  int64_t a[] = {INT64_MIN, INT64_MAX, INT64_MIN, -9}, b[] = {-1, 2, 0, 4};
  uint64_t u[] = {UINT64_MAX, UINT64_MAX, 5, (uint64_t)1 << 63}, v[] = {2, UINT64_MAX, 0, 3};
  static const int64_t quotients[] = {INT64_MIN, INT64_MAX / 2, 0, -2}, products[] = {INT64_MIN, -2, 0, -36};
  static const uint64_t unsigned_quotients[] = {UINT64_MAX / 2, 1, 0, ((uint64_t)1 << 63) / 3},
                        largest[] = {UINT64_MAX, UINT64_MAX, 5, (uint64_t)1 << 63};
  qn_tensor in[4] = {{QN_I64, 1, {4}, a}, {QN_I64, 1, {4}, b}, {QN_UI64, 1, {4}, u}, {QN_UI64, 1, {4}, v}}, out[4];
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, text);
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 4, in, 4, out), QN_OK);
  assert_memory_equal(out[0].data, quotients, sizeof quotients);
  assert_memory_equal(out[1].data, products, sizeof products);
  assert_memory_equal(out[2].data, unsigned_quotients, sizeof unsigned_quotients);
  assert_memory_equal(out[3].data, largest, sizeof largest);
  for (int i = 0; i < 4; i++) qn_tensor_free(e.ctx, &out[i]);
  qn_module_destroy(m);
  ev_close(&e);
}

static void extremes_of_floats(void **state) {
  (void)state;
  const char *t = "tensor<6xf32>";
  ev_binary("quern.maximum", "", t, V(-0.0, 0.0, QNAN, 1, -INF, 2), t, V(0.0, -0.0, 1, QNAN, -5, 3), t,
            V(0.0, 0.0, QNAN, QNAN, -5, 3));
  ev_binary("quern.minimum", "", t, V(-0.0, 0.0, QNAN, 1, INF, 2), t, V(0.0, -0.0, 1, QNAN, -5, 3), t,
            V(-0.0, -0.0, QNAN, QNAN, -5, 2));
  ev_unary("quern.relu", "", t, V(-0.0, 0.0, QNAN, -1, INF, 2), t, V(0.0, 0.0, QNAN, 0.0, INF, 2));
  ev_unary("quern.neg", "", t, V(-0.0, 0.0, QNAN, -1, INF, 2), t, V(0.0, -0.0, QNAN, 1, -INF, -2));
  ev_unary("quern.abs", "", t, V(-0.0, 0.0, QNAN, -1, -INF, 2), t, V(0.0, 0.0, QNAN, 1, INF, 2));
  ev_unary("quern.clip", "{min = 0.0 : f64, max = 1.5 : f64}", t, V(-0.0, 0.5, QNAN, -1, INF, 1.5), t,
           V(0.0, 0.5, QNAN, 0.0, 1.5, 1.5));
  ev_unary("quern.clip", "{min = -0.1 : f64, max = 0.1 : f64}", "tensor<2xf16>", V(-1, 1), "tensor<2xf16>",
           V((double)qn_f16_to_f32(qn_f16_from_f64(-0.1)), (double)qn_f16_to_f32(qn_f16_from_f64(0.1))));
  ev_unary("quern.relu", "", "tensor<3xf64>", V(-0.0, QNAN, 0x1p-1074), "tensor<3xf64>", V(0.0, QNAN, 0x1p-1074));
}

static void rounding_ops(void **state) {
  (void)state;
  const char *t = "tensor<8xf32>";
  const double *x = V(0.5, 1.5, -0.5, -2.5, 0.3, -0.0, INF, 8388609);
  ev_unary("quern.round", "", t, x, t, V(0.0, 2, -0.0, -2, 0.0, -0.0, INF, 8388609));
  ev_unary("quern.floor", "", t, x, t, V(0.0, 1, -1, -3, 0.0, -0.0, INF, 8388609));
  ev_unary("quern.ceil", "", t, x, t, V(1, 2, -0.0, -2, 1, -0.0, INF, 8388609));
  ev_unary("quern.round", "", "tensor<2xf64>", V(4503599627370497.5, -0.5), "tensor<2xf64>",
           V(4503599627370498.0, -0.0));
  ev_unary("quern.sqrt", "", "tensor<5xf32>", V(4, 2, -1, -0.0, INF), "tensor<5xf32>",
           V(2, (double)sqrtf(2.0f), QNAN, -0.0, INF));
  ev_unary("quern.sqrt", "", "tensor<1xf64>", V(2), "tensor<1xf64>", V(sqrt(2.0)));
  ev_unary("quern.sqrt", "", "tensor<1xf16>", V(2), "tensor<1xf16>", V(1.4140625));
}

/* The functions themselves are tested in lib/num; here, that each op calls its own, at the right width. */
static void elementary(void **state) {
  (void)state;
  static const struct {
    const char *op, *attrs;
    float (*f)(float);
  } rows[] = {{"quern.exp", "", qn_f32_exp},
              {"quern.log", "", qn_f32_log},
              {"quern.tanh", "", qn_f32_tanh},
              {"quern.erf", "", qn_f32_erf},
              {"quern.sigmoid", "", qn_f32_sigmoid},
              {"quern.gelu", "", qn_f32_gelu},
              {"quern.gelu", "{approximate = \"none\"}", qn_f32_gelu},
              {"quern.gelu", "{approximate = \"tanh\"}", qn_f32_gelu_tanh}};
  static const float at[4] = {0.75f, -1.25f, 3.0f, 0.0f};
  for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
    double x[4], y[4], half[4];
    for (int i = 0; i < 4; i++) {
      x[i] = (double)at[i];
      y[i] = (double)rows[r].f(at[i]);
      half[i] = (double)qn_f16_to_f32(qn_f16_from_f32(rows[r].f(at[i])));
    }
    ev_unary(rows[r].op, rows[r].attrs, "tensor<4xf32>", x, "tensor<4xf32>", y);
    ev_unary(rows[r].op, rows[r].attrs, "tensor<4xf16>", x, "tensor<4xf16>", half);
  }
  assert_true(fabs((double)qn_f32_gelu(0.75f) - 0.75 * 0.5 * (1 + erf(0.75 / sqrt(2.0)))) < 1e-6);
  assert_true(fabs((double)qn_f32_gelu_tanh(0.75f) - (double)qn_f32_gelu(0.75f)) > 1e-5);
}

static void no_double_functions(void **state) {
  (void)state;
  ev e;
  double zero = 0;
  qn_tensor x = {QN_F64, 0, {0}, &zero}, y;
  ev_open(&e);
  qn_module *m = ev_parse(&e, "func.func @main(%a: tensor<f64>) -> tensor<f64> {\n"
                              "  %0 = quern.exp %a : (tensor<f64>) -> tensor<f64>\n  return %0 : tensor<f64>\n}\n");
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 1, &x, 1, &y), QN_ERR_UNSUPPORTED);
  assert_null(y.data);
  assert_int_equal(e.line, 2);
  ev_expect_said(&e, "quern.exp has no meaning on elements of type f64");
  qn_module_destroy(m);
  ev_close(&e);
}

static void broadcasting(void **state) {
  (void)state;
  ev_binary("quern.add", "", "tensor<2x3xf32>", V(1, 2, 3, 4, 5, 6), "tensor<3xf32>", V(10, 20, 30), "tensor<2x3xf32>",
            V(11, 22, 33, 14, 25, 36));
  ev_binary("quern.sub", "", "tensor<2x1xf32>", V(1, 2), "tensor<1x3xf32>", V(10, 20, 30), "tensor<2x3xf32>",
            V(-9, -19, -29, -8, -18, -28));
  ev_binary("quern.mul", "", "tensor<f32>", V(2), "tensor<2x1x2xf32>", V(1, 2, 3, 4), "tensor<2x1x2xf32>",
            V(2, 4, 6, 8));
  ev_binary("quern.mul", "", "tensor<2x1x2xf32>", V(1, 2, 3, 4), "tensor<3x1xf32>", V(1, 10, 100), "tensor<2x3x2xf32>",
            V(1, 2, 10, 20, 100, 200, 3, 4, 30, 40, 300, 400));
  ev_binary("quern.add", "", "tensor<f32>", V(2), "tensor<f32>", V(3), "tensor<f32>", V(5));
  ev_binary("quern.add", "", "tensor<0x3xf32>", V(0), "tensor<1x3xf32>", V(1, 2, 3), "tensor<0x3xf32>", V(0));
  ev_binary("quern.add", "", "tensor<2x0xi8>", V(0), "tensor<1xi8>", V(1), "tensor<2x0xi8>", V(0));
  ev_unary("quern.exp", "", "tensor<0xf32>", V(0), "tensor<0xf32>", V(0));
  ev_binary("quern.add", "", "tensor<1x1x1x1x1x1x1x2xf32>", V(1, 2), "tensor<2x1xf32>", V(10, 20),
            "tensor<1x1x1x1x1x1x2x2xf32>", V(11, 12, 21, 22));
  /* Longer than one strip of lanes, so that strips meet. */
  enum { LONG = 777 };
  static double a[LONG], y[LONG];
  for (int i = 0; i < LONG; i++) a[i] = i, y[i] = i + 0.5;
  ev_binary("quern.add", "", "tensor<777xf32>", a, "tensor<1xf32>", V(0.5), "tensor<777xf32>", y);
  ev_binary("quern.add", "", "tensor<7x111xf32>", a, "tensor<7x1xf32>", V(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
            "tensor<7x111xf32>", y);
}

static void casts(void **state) {
  (void)state;
  const double *x = V(-1.9, 1.9, 300, -300, QNAN, INF, -INF, 0.5);
  ev_unary("quern.cast", "", "tensor<8xf32>", x, "tensor<8xi8>", V(-1, 1, 127, -128, 0, 127, -128, 0));
  ev_unary("quern.cast", "", "tensor<8xf32>", x, "tensor<8xui8>", V(0, 1, 255, 0, 0, 255, 0, 0));
  ev_unary("quern.cast", "", "tensor<8xf64>", x, "tensor<8xi4>", V(-1, 1, 7, -8, 0, 7, -8, 0));
  ev_unary("quern.cast", "", "tensor<8xf32>", x, "tensor<8xi1>", V(1, 1, 1, 1, 1, 1, 1, 1));
  ev_unary("quern.cast", "", "tensor<3xf32>", V(0.0, -0.0, 0x1p-149), "tensor<3xi1>", V(0, 0, 1));
  ev_unary("quern.cast", "", "tensor<3xf32>", V(2147483648.0, -2147483648.0, 2147483520.0), "tensor<3xi32>",
           V(2147483647, -2147483648.0, 2147483520.0));
  ev_unary("quern.cast", "", "tensor<2xi1>", V(1, 0), "tensor<2xf32>", V(1, 0));
  ev_unary("quern.cast", "", "tensor<2xi1>", V(1, 0), "tensor<2xi8>", V(1, 0));
  ev_unary("quern.cast", "", "tensor<3xi32>", V(0, 256, -1), "tensor<3xi1>", V(0, 1, 1));
  ev_unary("quern.cast", "", "tensor<4xi32>", V(300, -129, -1, 128), "tensor<4xi8>", V(44, 127, -1, -128));
  ev_unary("quern.cast", "", "tensor<4xi8>", V(-1, -128, 5, 127), "tensor<4xui32>",
           V(4294967295.0, 4294967168.0, 5, 127));
  ev_unary("quern.cast", "", "tensor<2xui8>", V(255, 128), "tensor<2xi32>", V(255, 128));
  ev_unary("quern.cast", "", "tensor<2xui8>", V(255, 128), "tensor<2xf32>", V(255, 128));
  ev_unary("quern.cast", "", "tensor<2xi8>", V(-1, -128), "tensor<2xf16>", V(-1, -128));
  /* One rounding: 16777217 to f32 goes down to even; 2049 to f16 likewise; through f32 first, 2^24+2^12+1 would lose
   * the bit that puts it above the tie of bf16. */
  ev_unary("quern.cast", "", "tensor<2xi32>", V(16777217, 16777219), "tensor<2xf32>", V(16777216, 16777220));
  ev_unary("quern.cast", "", "tensor<2xi32>", V(2049, 70000), "tensor<2xf16>", V(2048, INF));
  ev_unary("quern.cast", "", "tensor<1xi32>", V(16777216 + 65536 + 1), "tensor<1xbf16>", V(16777216 + 131072));
  ev_unary("quern.cast", "", "tensor<2xf64>", V(1 + 0x1p-11 + 0x1p-30, 1 + 0x1p-11), "tensor<2xf16>",
           V(1 + 0x1p-10, 1));
  ev_unary("quern.cast", "", "tensor<3xf32>", V(1e30, -1e30, 0.0625), "tensor<3xf8E4M3FN>", V(448, -448, 0.0625));
  ev_unary("quern.cast", "", "tensor<3xf32>", V(1e30, 2.5, 5), "tensor<3xf4E2M1FN>", V(6, 2, 4));
  ev_unary("quern.cast", "", "tensor<2xf16>", V(1.5, 65504), "tensor<2xf64>", V(1.5, 65504));
  ev_unary("quern.cast", "", "tensor<2xf32>", V(1.0000001, 3e38), "tensor<2xf32>",
           V((double)1.0000001f, (double)3e38f));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(float_arithmetic),   cmocka_unit_test(narrow_floats), cmocka_unit_test(integer_arithmetic),
      cmocka_unit_test(wide_integers),      cmocka_unit_test(rounding_ops),  cmocka_unit_test(elementary),
      cmocka_unit_test(extremes_of_floats), cmocka_unit_test(casts),         cmocka_unit_test(no_double_functions),
      cmocka_unit_test(broadcasting),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
