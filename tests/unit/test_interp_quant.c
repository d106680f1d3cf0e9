/* Quantization ops against the formulas, worked out by hand or in plain expressions here. */
#include "interp_test.h"
#include <quern/num.h>

#define INF  ((double)INFINITY)
#define QNAN ((double)NAN)

static void cast_per_tensor(void **state) {
  (void)state;
  /* Ties go to even before z is added: 0.25/0.5 = 0.5 -> 0, 0.75/0.5 = 1.5 -> 2. */
  const double *x = V(0.25, 0.75, -0.25, 1000, -1000, QNAN, INF, -INF);
  const char *i8 = "tensor<8x!quant.uniform<i8:f32, 0.5>>", *u8 = "tensor<8x!quant.uniform<u8:f32, 0.5:3>>";
  ev_unary("quant.qcast", "", "tensor<8xf32>", x, i8, V(0, 2, 0, 127, -128, 0, 127, -128));
  ev_unary("quant.qcast", "", "tensor<8xf32>", x, u8, V(3, 5, 3, 255, 0, 3, 255, 0));
  ev_unary("quant.qcast", "", "tensor<8xf32>", x, "tensor<8x!quant.uniform<i8<-127:127>:f32, 0.5>>",
           V(0, 2, 0, 127, -127, 0, 127, -127));
  ev_unary("quant.qcast", "", "tensor<8xf32>", x, "tensor<8x!quant.uniform<i4:f32, 0.5:-1>>",
           V(-1, 1, -1, 7, -8, -1, 7, -8));
  ev_unary("quant.qcast", "", "tensor<3xf16>", V(0.25, -3, 0.1), "tensor<3x!quant.uniform<i16:f16, 0.001>>",
           V(250, -3000, 100));
  ev_unary("quant.qcast", "", "tensor<2xf64>", V(0.25, 1e300), "tensor<2x!quant.uniform<i8:f64, 0.5>>", V(0, 127));
  ev_unary("quant.dcast", "", u8, V(0, 3, 4, 255, 0, 0, 0, 0), "tensor<8xf32>",
           V(-1.5, 0.0, 0.5, 126, -1.5, -1.5, -1.5, -1.5));
  ev_unary("quant.dcast", "", "tensor<2x!quant.uniform<i32:f32, 0.5>>", V(16777217, -2147483648.0), "tensor<2xf32>",
           V(8388608, -1073741824.0));
  ev_unary("quant.dcast", "", "tensor<2x!quant.uniform<i8:f16, 0.1>>", V(3, -128), "tensor<2xf16>",
           V((double)qn_f16_to_f32(qn_f16_from_f32(3 * 0.1f)), (double)qn_f16_to_f32(qn_f16_from_f32(-128 * 0.1f))));
  ev_unary("quant.qcast", "", "tensor<0xf32>", V(0), "tensor<0x!quant.uniform<i8:f32, 0.5>>", V(0));
  ev_unary("quant.qcast", "", "tensor<f32>", V(1), "tensor<!quant.uniform<i8:f32, 0.5>>", V(2));
  /* The range of 9.42 to u8: z = 129, -3.57 -> 32. */
  char type[96];
  snprintf(type, sizeof type, "tensor<1x!quant.uniform<u8:f32, %.9g:129>>", (double)(9.42f / 255));
  ev_unary("quant.qcast", "", "tensor<1xf32>", V((double)-3.57f), type, V(32));
}

static void cast_per_axis_and_block(void **state) {
  (void)state;
  const char *axis0 = "tensor<2x3x!quant.uniform<i8:f32:0, {1.0,0.5:10}>>";
  const char *axis1 = "tensor<2x3x!quant.uniform<i8:f32:1, {1.0,0.5:10,2.0}>>";
  const double *x = V(1, 2, 3, 4, 5, 6);
  ev_unary("quant.qcast", "", "tensor<2x3xf32>", x, axis0, V(1, 2, 3, 18, 20, 22));
  ev_unary("quant.qcast", "", "tensor<2x3xf32>", x, axis1, V(1, 14, 2, 4, 20, 3));
  ev_unary("quant.dcast", "", axis0, V(1, 2, 3, 18, 20, 22), "tensor<2x3xf32>", x);
  ev_unary("quant.dcast", "", axis1, V(1, 14, 2, 4, 20, 3), "tensor<2x3xf32>", V(1, 2, 4, 4, 5, 6));
  /* Blocks of two along axis 1: the third column is a tail block of its own. */
  const char *blocks = "tensor<2x3x!quant.uniform<i8:f32:{0:1, 1:2}, {{1.0,0.5},{2.0,0.25:7}}>>";
  ev_unary("quant.qcast", "", "tensor<2x3xf32>", x, blocks, V(1, 2, 6, 2, 2, 31));
  ev_unary("quant.dcast", "", blocks, V(1, 2, 6, 2, 2, 31), "tensor<2x3xf32>", V(1, 2, 3, 4, 4, 6));
  const char *both = "tensor<3x4x!quant.uniform<i8:f32:{0:2, 1:2}, {{1.0,2.0},{4.0,8.0}}>>";
  ev_unary("quant.dcast", "", both, V(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "tensor<3x4xf32>",
           V(1, 1, 2, 2, 1, 1, 2, 2, 4, 4, 8, 8));
}

/* MX and codebooks: the code is the format's bits or the entry's number. */
static void cast_to_other_storage(void **state) {
  (void)state;
  const char *mx = "tensor<1x4x!quern.uniform<f4E2M1FN:f32:{1:2}, scale = f8E8M0FNU, {{0.5,4.0}}>>";
  ev_unary("quant.qcast", "", "tensor<1x4xf32>", V(0.25, -100, 10, 24), mx, V(0.5, -6, 2, 6));
  ev_unary("quant.dcast", "", mx, V(0.5, -6, 2, 6), "tensor<1x4xf32>", V(0.25, -3, 8, 24));
  const char *fp8 = "tensor<3x!quern.uniform<f8E4M3FN:f32, 0.5>>";
  ev_unary("quant.qcast", "", "tensor<3xf32>", V(0.5625, 1e9, QNAN), fp8, V(1.125, 448, 0.0));
  ev_unary("quant.dcast", "", fp8, V(1.125, 448, -0.0), "tensor<3xf32>", V(0.5625, 224, -0.0));
  /* tensor_scale multiplies each block's scale once, in f32. */
  const char *nv = "tensor<1x2x!quern.uniform<f4E2M1FN:f32:{1:2}, scale = f8E4M3FN, tensor_scale = 0.1, {{1.5}}>>";
  ev_unary("quant.dcast", "", nv, V(3, -0.5), "tensor<1x2xf32>",
           V((double)(3 * (1.5f * 0.1f)), (double)(-0.5f * (1.5f * 0.1f))));
  const char *book = "tensor<5x!quern.uniform<!quant.quantile<ui4:f32, {-1.0,-0.25,0.0,0.5,1.0}>:f32, 2.0>>";
  ev_unary("quant.qcast", "", "tensor<5xf32>", V(-100, -0.25, 0.5, 1.6, QNAN), book, V(0, 1, 2, 4, 2));
  ev_unary("quant.dcast", "", book, V(0, 1, 2, 3, 4), "tensor<5xf32>", V(-2, -0.5, 0.0, 1, 2));
}

static void storage_cast(void **state) {
  (void)state;
  ev_unary("quant.scast", "", "tensor<3xi8>", V(-1, 5, -128), "tensor<3x!quant.uniform<u8:f32, 0.5>>", V(255, 5, 128));
  ev_unary("quant.scast", "", "tensor<3x!quant.uniform<u8:f32, 0.5>>", V(255, 5, 128), "tensor<3xi8>", V(-1, 5, -128));
  ev_unary("quant.scast", "", "tensor<3xi4>", V(-1, 5, -8), "tensor<3x!quant.uniform<i4:f32, 0.5>>", V(-1, 5, -8));
}

/* Before it is quantized, a calibrated value is a float like any other; quantized constants are codes. */
static void calibrated_and_constant(void **state) {
  (void)state;
  const char *cal = "tensor<2x!quant.calibrated<f32<-1.0:2.0>>>";
  ev_binary("quern.add", "", cal, V(1, 2), "tensor<2xf32>", V(0.5, 0.25), cal, V(1.5, 2.25));
  ev_unary("quern.relu", "", cal, V(-1, 2), "tensor<2xf32>", V(0.0, 2));
  ev_unary("quant.qcast", "", cal, V(-1, 2), "tensor<2x!quant.uniform<i8:f32, 0.5>>", V(-2, 4));
  ev_program("func.func @main() -> tensor<3xf32> {\n"
             "  %0 = arith.constant dense<[0, 128, 255]> : tensor<3xui8>\n"
             "  %1 = quant.scast %0 : tensor<3xui8> to tensor<3x!quant.uniform<u8:f32, 0.5:128>>\n"
             "  %2 = quant.dcast %1 : tensor<3x!quant.uniform<u8:f32, 0.5:128>> to tensor<3xf32>\n"
             "  return %2 : tensor<3xf32>\n}\n",
             0, NULL, 1, (const arg[]){{"tensor<3xf32>", V(-64, 0.0, 63.5)}});
}

static void fake_quant(void **state) {
  (void)state;
  ev_unary("quern.fake_quant", "{type = !quant.uniform<i8:f32, 0.5>}", "tensor<4xf32>", V(0.25, 0.7, 1000, QNAN),
           "tensor<4xf32>", V(0.0, 0.5, 63.5, 0.0));
  ev_unary("quern.fake_quant", "{rounding = \"half_away\", type = !quant.uniform<i8:f32, 0.5>}", "tensor<3xf32>",
           V(0.25, -0.25, 0.2), "tensor<3xf32>", V(0.5, -0.5, 0.0));
  ev_unary("quern.fake_quant", "{type = !quant.uniform<i8:f32:0, {1.0,0.5}>}", "tensor<2x2xf32>", V(0.6, 1.4, 0.6, 1.4),
           "tensor<2x2xf32>", V(1, 1, 0.5, 1.5));
  ev_unary("quern.fake_quant", "{type = !quern.uniform<f8E5M2:f32, 1.0>}", "tensor<1xf32>", V(1.2), "tensor<1xf32>",
           V(1.25));
}

static void requantize(void **state) {
  (void)state;
  const char *acc = "tensor<2x3xi32>", *q = "tensor<2x3x!quant.uniform<i8:f32, 1.0:5>>";
  ev_binary("quern.requantize", "", acc, V(1, 3, -1, 1000, -1000, 5), "tensor<f32>", V(0.5), q,
            V(5, 7, 5, 127, -128, 7));
  ev_binary("quern.requantize", "{rounding = \"half_away\"}", acc, V(1, 3, -1, 1000, -1000, 5), "tensor<f32>", V(0.5),
            q, V(6, 7, 4, 127, -128, 8));
  ev_binary("quern.requantize", "", acc, V(4, 4, 4, 8, 8, 8), "tensor<3xf32>", V(1, 0.5, 0.25), q,
            V(9, 7, 6, 13, 9, 7));
  ev_binary("quern.requantize", "", acc, V(4, 4, 4, 8, 8, 8), "tensor<2x1xf32>", V(1, 0.5), q, V(9, 9, 9, 9, 9, 9));
  /* Through f32: 16777217 becomes 16777216 first. */
  ev_binary("quern.requantize", "", "tensor<1xi32>", V(16777217), "tensor<f32>", V(0x1p-24 * 100),
            "tensor<1x!quant.uniform<i8:f32, 1.0>>", V(100));
  /* The two integer schemes differ on negative ties: -2.5 goes away from zero in the shift of one, up in the other. */
  const char *plain = "tensor<2x!quant.uniform<i8:f32, 1.0>>";
  ev_binary("quern.requantize", "{mode = \"fixed\"}", "tensor<2xi32>", V(-10, 10), "tensor<f32>", V(0.25), plain,
            V(-3, 3));
  ev_binary("quern.requantize", "{mode = \"single\"}", "tensor<2xi32>", V(-10, 10), "tensor<f32>", V(0.25), plain,
            V(-2, 3));
  ev_binary("quern.requantize", "", "tensor<2xi64>", V(1e12, -7), "tensor<f32>", V(0.5), plain, V(127, -4));
}

static void requantize_errors(void **state) {
  (void)state;
  ev e;
  int32_t acc = 1;
  float m = -1;
  qn_tensor in[2] = {{QN_I32, 1, {1}, &acc}, {QN_F32, 0, {0}, &m}}, y;
  ev_open(&e);
  qn_module *mod =
      ev_parse(&e, "func.func @main(%a: tensor<1xi32>, %m: tensor<f32>) -> tensor<1x!quant.uniform<i8:f32, 1.0>> {\n"
                   "  %0 = quern.requantize %a, %m {mode = \"fixed\"} : (tensor<1xi32>, tensor<f32>) -> "
                   "tensor<1x!quant.uniform<i8:f32, 1.0>>\n"
                   "  return %0 : tensor<1x!quant.uniform<i8:f32, 1.0>>\n}\n");
  assert_int_equal(qn_evaluate(mod, qn_module_function(mod, "main"), NULL, 2, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "multiplier -1 has no fixed-point form");
  assert_null(y.data);
  qn_module_destroy(mod);
  ev_close(&e);
}

static void three(const char *op, const char *attrs, const arg *in, const arg *out) {
  ev_case(op, attrs, "", 3, in, 1, out);
}

static void with_values(void **state) {
  (void)state;
  const double *x = V(0, 1, 2, 3, -1000, 1000);
  three("quern.quantize", "", (const arg[]){{"tensor<2x3xf32>", x}, {"tensor<f32>", V(2)}, {"tensor<ui8>", V(128)}},
        &(arg){"tensor<2x3xui8>", V(128, 128, 129, 130, 0, 255)});
  three("quern.quantize", "{rounding = \"half_away\"}",
        (const arg[]){{"tensor<2x3xf32>", x}, {"tensor<1xf32>", V(2)}, {"tensor<1xi8>", V(-3)}},
        &(arg){"tensor<2x3xi8>", V(-3, -2, -2, -1, -128, 127)});
  three("quern.quantize", "{axis = 0 : i64}",
        (const arg[]){{"tensor<2x3xf32>", x}, {"tensor<2xf32>", V(1, 2)}, {"tensor<2xi8>", V(0, 10)}},
        &(arg){"tensor<2x3xi8>", V(0, 1, 2, 12, -128, 127)});
  three("quern.quantize", "",
        (const arg[]){{"tensor<2x3xf32>", x}, {"tensor<3xf32>", V(1, 2, 4)}, {"tensor<3xi8>", V(0, 10, 20)}},
        &(arg){"tensor<2x3xi8>", V(0, 10, 20, 3, -128, 127)});
  three("quern.quantize", "{axis = -2 : i64}",
        (const arg[]){{"tensor<2x3xf32>", x}, {"tensor<2xf32>", V(1, 2)}, {"tensor<2xi16>", V(0, 10)}},
        &(arg){"tensor<2x3xi16>", V(0, 1, 2, 12, -490, 510)});
  three("quern.quantize", "",
        (const arg[]){{"tensor<2x3xf32>", x}, {"tensor<2x1xf32>", V(1, 2)}, {"tensor<2x1xi4>", V(0, 1)}},
        &(arg){"tensor<2x3xi4>", V(0, 1, 2, 3, -8, 7)});
  ev_binary("quern.quantize", "", "tensor<3xf32>", V(-1, 2.5, 1e9), "tensor<f32>", V(1), "tensor<3xui8>", V(0, 2, 255));
  ev_binary("quern.quantize", "{storage = i8}", "tensor<3xf32>", V(-1, 3.5, QNAN), "tensor<f32>", V(1), "tensor<3xi8>",
            V(-1, 4, 0));
  ev_binary("quern.quantize", "{storage = f8E4M3FN}", "tensor<3xf32>", V(-1, 1000, 17), "tensor<f32>", V(1),
            "tensor<3xf8E4M3FN>", V(-1, 448, 16));
  ev_binary("quern.quantize", "{storage = i8}", "tensor<2xf16>", V(-1, 3), "tensor<f16>", V(0.5), "tensor<2xi8>",
            V(-2, 6));
  three("quern.dequantize", "",
        (const arg[]){{"tensor<2x3xui8>", V(0, 128, 255, 1, 2, 3)}, {"tensor<f32>", V(0.5)}, {"tensor<ui8>", V(128)}},
        &(arg){"tensor<2x3xf32>", V(-64, 0.0, 63.5, -63.5, -63, -62.5)});
  three("quern.dequantize", "",
        (const arg[]){
            {"tensor<2x3xi8>", V(0, -128, 127, 1, 2, 3)}, {"tensor<3xf32>", V(1, 2, 4)}, {"tensor<3xi8>", V(1, 2, 3)}},
        &(arg){"tensor<2x3xf32>", V(-1, -260, 496, 0.0, 0.0, 0.0)});
  ev_binary("quern.dequantize", "", "tensor<2xi32>", V(-5, 16777217), "tensor<f32>", V(0.5), "tensor<2xf32>",
            V(-2.5, 8388608));
  ev_binary("quern.dequantize", "", "tensor<1xi8>", V(3), "tensor<f16>", V(0.25), "tensor<1xf16>", V(0.75));
  ev_binary("quern.dequantize", "", "tensor<1xf8E5M2>", V(3), "tensor<f32>", V(0.25), "tensor<1xf32>", V(0.75));
}

static void dynamic(const char *attrs, const char *x_type, const double *x, const char *q_type, const double *q,
                    const char *s_type, const double *s, const char *z_type, const double *z) {
  ev_case("quern.dynamic_quantize", attrs, "", 1, (const arg[]){{x_type, x}}, 3,
          (const arg[]){{q_type, q}, {s_type, s}, {z_type, z}});
}

static void dynamic_quantize(void **state) {
  (void)state;
  const double *x = V(-2, -1, 0, 1, 3);
  dynamic("{storage = ui8}", "tensor<5xf32>", x, "tensor<5xui8>", V(0, 51, 102, 153, 255), "tensor<f32>",
          V((double)(5.0f / 255)), "tensor<ui8>", V(102));
  dynamic("{storage = i8, scheme = \"symmetric\", range = \"narrow\"}", "tensor<5xf32>", x, "tensor<5xi8>",
          V(-85, -42, 0, 42, 127), "tensor<f32>", V((double)(3.0f / 127)), "tensor<i8>", V(0));
  /* Each row by itself; NaN is ignored, zeros give s = 1. */
  dynamic("{storage = ui8, per_row = true}", "tensor<3x2xf32>", V(0, 255, 0, QNAN, -51, 0), "tensor<3x2xui8>",
          V(0, 255, 0, 0, 0, 255), "tensor<3x1xf32>", V(1, 1, (double)(51.0f / 255)), "tensor<3x1xui8>", V(0, 0, 255));
  dynamic("{storage = ui8}", "tensor<0xf32>", V(0), "tensor<0xui8>", V(0), "tensor<f32>", V(1), "tensor<ui8>", V(0));
  dynamic("{storage = i8, per_row = true}", "tensor<2x0xf32>", V(0), "tensor<2x0xi8>", V(0), "tensor<2x1xf32>", V(1, 1),
          "tensor<2x1xi8>", V(0, 0));
  dynamic("{storage = ui8, scheme = \"symmetric\"}", "tensor<2xf32>", V(-127, 63.5), "tensor<2xui8>", V(1, 192),
          "tensor<f32>", V(1), "tensor<ui8>", V(128));
  dynamic("{storage = ui8}", "tensor<2xf16>", V(0, 255), "tensor<2xui8>", V(0, 255), "tensor<f32>", V(1), "tensor<ui8>",
          V(0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cast_per_tensor),
      cmocka_unit_test(cast_per_axis_and_block),
      cmocka_unit_test(cast_to_other_storage),
      cmocka_unit_test(storage_cast),
      cmocka_unit_test(fake_quant),
      cmocka_unit_test(calibrated_and_constant),
      cmocka_unit_test(requantize),
      cmocka_unit_test(requantize_errors),
      cmocka_unit_test(with_values),
      cmocka_unit_test(dynamic_quantize),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
