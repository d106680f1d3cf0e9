/* Matrix products: order of evaluation, zero points, batches, vectors, sizes at run time. */
#include "interp_test.h"
#include <quern/num.h>

#define INF  ((double)INFINITY)
#define QNAN ((double)NAN)

static void floats(void **state) {
  (void)state;
  ev_binary("quern.matmul", "", "tensor<2x3xf32>", V(1, 2, 3, 4, 5, 6), "tensor<3x2xf32>", V(7, 8, 9, 10, 11, 12),
            "tensor<2x2xf32>", V(58, 64, 139, 154));
  ev_binary("quern.matmul", "{transpose_a = true}", "tensor<3x2xf32>", V(1, 4, 2, 5, 3, 6), "tensor<3x2xf32>",
            V(7, 8, 9, 10, 11, 12), "tensor<2x2xf32>", V(58, 64, 139, 154));
  ev_binary("quern.matmul", "{transpose_b = true}", "tensor<2x3xf32>", V(1, 2, 3, 4, 5, 6), "tensor<2x3xf32>",
            V(7, 9, 11, 8, 10, 12), "tensor<2x2xf32>", V(58, 64, 139, 154));
  ev_binary("quern.matmul", "{transpose_a = true, transpose_b = true}", "tensor<3x1xf32>", V(1, 2, 3),
            "tensor<2x3xf32>", V(7, 9, 11, 8, 10, 12), "tensor<1x2xf32>", V(58, 64));
  ev_binary("quern.matmul", "", "tensor<1x2xf64>", V(0.1, 3), "tensor<2x1xf64>", V(0.1, 5), "tensor<1x1xf64>",
            V(fma(3, 5, fma(0.1, 0.1, 0))));
  /* Nothing is skipped: 0 * inf is NaN, and a row of -0 sums from +0. */
  ev_binary("quern.matmul", "", "tensor<1x2xf32>", V(0, 1), "tensor<2x1xf32>", V(INF, 1), "tensor<1x1xf32>", V(QNAN));
  ev_binary("quern.matmul", "", "tensor<1x2xf32>", V(-0.0, -0.0), "tensor<2x1xf32>", V(1, 1), "tensor<1x1xf32>",
            V(0.0));
  ev_binary("quern.matmul", "", "tensor<2x0xf32>", V(0), "tensor<0x2xf32>", V(0), "tensor<2x2xf32>",
            V(0.0, 0.0, 0.0, 0.0));
  ev_binary("quern.matmul", "", "tensor<0x2xf32>", V(0), "tensor<2x2xf32>", V(1, 2, 3, 4), "tensor<0x2xf32>", V(0));
}

/* One chain in ascending k: with products 2^24, 1, 1 the ones are lost one by one (ties to even); summed from the other
 * end they would not be. And fused: (1+2^-12)^2 - (1+2^-11) leaves 2^-24, which a rounded product has lost. */
static void order(void **state) {
  (void)state;
  ev_binary("quern.matmul", "", "tensor<1x3xf32>", V(0x1p24, 1, 1), "tensor<3x1xf32>", V(1, 1, 1), "tensor<1x1xf32>",
            V(0x1p24));
  ev_binary("quern.matmul", "", "tensor<1x3xf32>", V(1, 1, 0x1p24), "tensor<3x1xf32>", V(1, 1, 1), "tensor<1x1xf32>",
            V(0x1p24 + 2));
  ev_binary("quern.matmul", "", "tensor<1x2xf32>", V(-1, 1 + 0x1p-12), "tensor<2x1xf32>", V(1 + 0x1p-11, 1 + 0x1p-12),
            "tensor<1x1xf32>", V(0x1p-24));
  /* f16: the chain is in f32, rounded once: 2048 + 1 + 1 = 2050, though 2048 + 1 alone would go back to 2048. */
  ev_binary("quern.matmul", "", "tensor<1x3xf16>", V(2048, 1, 1), "tensor<3x1xf16>", V(1, 1, 1), "tensor<1x1xf16>",
            V(2050));
  ev_binary("quern.matmul", "", "tensor<1x2xbf16>", V(256, 1), "tensor<2x2xbf16>", V(1, 2, 1, 3), "tensor<1x2xbf16>",
            V(256, 516));
}

static void vectors_and_batches(void **state) {
  (void)state;
  ev_binary("quern.matmul", "", "tensor<3xf32>", V(1, 2, 3), "tensor<3xf32>", V(4, 5, 6), "tensor<f32>", V(32));
  ev_binary("quern.matmul", "", "tensor<3xf32>", V(1, 2, 3), "tensor<3x2xf32>", V(7, 8, 9, 10, 11, 12), "tensor<2xf32>",
            V(58, 64));
  ev_binary("quern.matmul", "", "tensor<2x3xf32>", V(1, 2, 3, 4, 5, 6), "tensor<3xf32>", V(7, 9, 11), "tensor<2xf32>",
            V(58, 139));
  ev_binary("quern.matmul", "", "tensor<2xf32>", V(1, 10), "tensor<2x2x1xf32>", V(1, 2, 3, 4), "tensor<2x1xf32>",
            V(21, 43));
  ev_binary("quern.matmul", "", "tensor<2x1x2xf32>", V(1, 2, 3, 4), "tensor<2x1xf32>", V(10, 100), "tensor<2x1x1xf32>",
            V(210, 430));
  ev_binary("quern.matmul", "", "tensor<2x1x1x2xf32>", V(1, 2, 3, 4), "tensor<3x2x1xf32>", V(1, 0, 0, 1, 1, 1),
            "tensor<2x3x1x1xf32>", V(1, 2, 3, 3, 4, 7));
  ev_binary("quern.matmul", "", "tensor<0x2x2xf32>", V(0), "tensor<2x1xf32>", V(1, 1), "tensor<0x2x1xf32>", V(0));
}

static void quantized(void **state) {
  (void)state;
  const char *u8 = "tensor<2x3x!quant.uniform<u8:f32, 0.5:128>>", *i8 = "tensor<3x2x!quant.uniform<i8:f32, 0.25>>";
  ev_binary("quern.matmul", "", u8, V(129, 130, 131, 0, 255, 128), i8, V(1, -1, 2, -2, 127, -128), "tensor<2x2xi32>",
            V(1 + 4 + 3 * 127, -1 - 4 - 3 * 128, -128 + 254, 128 - 254));
  const char *axis = "tensor<3x2x!quant.uniform<i8:f32:1, {0.25:1,0.5:-2}>>";
  ev_binary("quern.matmul", "", u8, V(129, 130, 131, 0, 255, 128), axis, V(1, -1, 2, -2, 3, 0), "tensor<2x2xi32>",
            V(0 + 2 + 6, 1 + 0 + 6, 0 + 127, -128));
  const char *transposed = "tensor<2x3x!quant.uniform<i8:f32:0, {0.25:1,0.5:-2}>>";
  ev_binary("quern.matmul", "{transpose_b = true}", u8, V(129, 130, 131, 0, 255, 128), transposed,
            V(1, 2, 3, -1, -2, 0), "tensor<2x2xi32>", V(8, 7, 127, -128));
  /* 16 by 16 bits sums in 64: three times 32767^2 passes 2^31. */
  const char *wide = "tensor<1x3x!quant.uniform<i16:f32, 1.0>>", *tall = "tensor<3x1x!quant.uniform<i16:f32, 1.0>>";
  ev_binary("quern.matmul", "", wide, V(32767, 32767, 32767), tall, V(32767, 32767, 32767), "tensor<1x1xi64>",
            V(3.0 * 32767 * 32767));
  const char *w4 = "tensor<3x2x!quant.uniform<i4:f32, 0.25:-1>>";
  ev_binary("quern.matmul", "", u8, V(129, 130, 131, 0, 255, 128), w4, V(7, -8, 0, 1, -1, 2), "tensor<2x2xi32>",
            V(8 + 2 + 0, -7 + 4 + 9, -1024 + 127, 896 + 254));
}

static void by_value(const char *a_type, const double *a, const char *b_type, const double *b, const char *za_type,
                     const double *za, const char *zb_type, const double *zb, const char *y_type, const double *y) {
  ev_case("quern.matmul_integer", "", "", zb ? 4 : 3,
          (const arg[]){{a_type, a}, {b_type, b}, {za_type, za}, {zb_type, zb}}, 1, (const arg[]){{y_type, y}});
}

static void integer_product(void **state) {
  (void)state;
  const double *a = V(11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0), *b = V(1, 4, 2, 5, 3, 6);
  ev_binary("quern.matmul_integer", "", "tensor<1x3xui8>", V(255, 1, 2), "tensor<3x1xi8>", V(-128, 3, -1),
            "tensor<1x1xi32>", V(-32640 + 3 - 2));
  by_value("tensor<4x3xui8>", a, "tensor<3x2xui8>", b, "tensor<ui8>", V(12), "tensor<ui8>", V(0), "tensor<4x2xi32>",
           V(-38, -83, -44, -98, -50, -113, -56, -128));
  by_value("tensor<4x3xui8>", a, "tensor<3x2xui8>", b, "tensor<1xui8>", V(12), NULL, NULL, "tensor<4x2xi32>",
           V(-38, -83, -44, -98, -50, -113, -56, -128));
  /* One per row of a, one per column of b. */
  by_value("tensor<2x2xui8>", V(1, 2, 3, 4), "tensor<2x2xi8>", V(1, 2, 3, 4), "tensor<2xui8>", V(0, 3), "tensor<2xi8>",
           V(1, 0), "tensor<2x2xi32>", V(0 + 4, 2 + 8, 0 + 2, 0 + 4));
  by_value("tensor<2x1x2xi8>", V(1, 2, 3, 4), "tensor<2x2x1xi8>", V(1, 2, 3, 4), "tensor<2x1x1xi8>", V(1, 2),
           "tensor<2x1x1xi8>", V(0, 3), "tensor<2x1x1xi32>", V(0 + 2, 0 + 2));
  by_value("tensor<2x1x2xi8>", V(1, 2, 3, 4), "tensor<2x1xi8>", V(1, 2), "tensor<2x1x1xi8>", V(1, 2), NULL, NULL,
           "tensor<2x1x1xi32>", V(2, 1 + 4));
  ev_binary("quern.matmul_integer", "", "tensor<3xi8>", V(1, 2, 3), "tensor<3xi8>", V(4, 5, -6), "tensor<i32>", V(-4));
  /* 2^31 / 255^2 = 33026.6: one more product than that wraps to the negative side. */
  enum { K = 33027 };
  static double ones[K];
  for (int i = 0; i < K; i++) ones[i] = 255;
  ev_binary("quern.matmul_integer", "", "tensor<33027xui8>", ones, "tensor<33027xui8>", ones, "tensor<i32>",
            V(65025.0 * K - 4294967296.0));
}

/* Sizes that only show at run time. */
static void run_time_sizes(void **state) {
  (void)state;
  static const char text[] = "func.func @main(%a: tensor<?x?xf32>, %b: tensor<?x2xf32>) -> tensor<?x2xf32> {\n"
                             "  %0 = quern.matmul %a, %b : (tensor<?x?xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>\n"
                             "  return %0 : tensor<?x2xf32>\n}\n";
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, text);
  float data[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  qn_tensor in[2] = {{QN_F32, 2, {2, 3}, data}, {QN_F32, 2, {3, 2}, data + 6}}, y;
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 2, in, 1, &y), QN_OK);
  static const float want[] = {58, 64, 139, 154};
  assert_memory_equal(y.data, want, sizeof want);
  qn_tensor_free(e.ctx, &y);
  in[1].shape[0] = 2;
  assert_int_equal(qn_evaluate(m, qn_module_function(m, "main"), NULL, 2, in, 1, &y), QN_ERR_INPUT);
  assert_int_equal(e.code, QN_DIAG_SHAPE);
  assert_int_equal(e.line, 2);
  ev_expect_said(&e, "quern.matmul of 2x3xf32 and 2x2xf32: the summed axis has 3 elements in one and 2 in the other");
  qn_module_destroy(m);
  ev_close(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(floats),    cmocka_unit_test(order),           cmocka_unit_test(vectors_and_batches),
      cmocka_unit_test(quantized), cmocka_unit_test(integer_product), cmocka_unit_test(run_time_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
