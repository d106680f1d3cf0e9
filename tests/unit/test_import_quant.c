/* ONNX's quantization ops: which form they take, and that the numbers are ONNX's. */
#include "onnx_unit.h"
#include <fenv.h>
#include <quern/num.h>
#include <quern/unstable/evaluator.h>

static const float floats[6] = {1, -2, 3, -4, 5, -6};

static const char *element(const onnx_unit *u, qn_value v) {
  return qn_type_text(u->ctx, qn_type_elem(u->ctx, qn_value_type(u->m, v))).data;
}

/* x [2, 3] -> QuantizeLinear -> DequantizeLinear -> y */
static pb quantize_dequantize(int zero_type, int zero) {
  pb g = {0};
  graph_input(&g, "x: 2 x 3", ONNX_FLOAT);
  graph_float(&g, "s", 0.5f);
  graph_byte(&g, "z", zero_type, zero);
  graph_op(&g, "QuantizeLinear", "x s z", "q");
  graph_op(&g, "DequantizeLinear", "q s z", "y");
  graph_output(&g, "y: 2 x 3", ONNX_FLOAT);
  return onnx_model(g, 13);
}

static void constant_parameters_become_types(void **state) {
  (void)state;
  onnx_unit u;
  unit_import(&u, quantize_dequantize(ONNX_UINT8, 3), NULL);
  assert_string_equal(unit_ops(&u), "qcast dcast return"); /* no way through plain integers */
  assert_string_equal(unit_op_type(&u, QN_OP_QCAST, 0), "tensor<2x3x!quant.uniform<u8:f32, 0.5:3>>");
  unit_close(&u);
  unit_import(&u, quantize_dequantize(ONNX_INT8, -4), NULL);
  assert_string_equal(unit_op_type(&u, QN_OP_QCAST, 0), "tensor<2x3x!quant.uniform<i8:f32, 0.5:-4>>");
  unit_close(&u);
}

/* Codes that something else reads are the plain integers ONNX says they are. */
static void codes_are_integers_to_others(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0};
  graph_input(&g, "x: 2 x 3", ONNX_FLOAT);
  graph_float(&g, "s", 0.5f);
  graph_float(&g, "t", 0.25f);
  graph_byte(&g, "z", ONNX_UINT8, 3);
  graph_op(&g, "QuantizeLinear", "x s z", "q");
  graph_op(&g, "DequantizeLinear", "q t z", "y"); /* other parameters than it was quantized with */
  graph_output(&g, "y: 2 x 3", ONNX_FLOAT);
  graph_output(&g, "q: 2 x 3", ONNX_UINT8);
  unit_import(&u, onnx_model(g, 13), NULL);
  assert_string_equal(unit_ops(&u), "qcast scast scast dcast return");
  assert_string_equal(unit_output_type(&u, 1), "tensor<2x3xui8>");
  unit_close(&u);
}

static void default_is_unsigned_bytes(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0};
  graph_input(&g, "x: 2 x 3", ONNX_FLOAT);
  graph_float(&g, "s", 0.5f);
  graph_op(&g, "QuantizeLinear", "x s", "q");
  graph_output(&g, "q: 2 x 3", ONNX_UINT8);
  unit_import(&u, onnx_model(g, 10), NULL);
  assert_string_equal(unit_op_type(&u, QN_OP_QCAST, 0), "tensor<2x3x!quant.uniform<u8:f32, 0.5>>");
  unit_close(&u);
}

static void parameters_per_axis(void **state) {
  (void)state;
  for (int axis = 0; axis < 2; axis++) {
    onnx_unit u;
    int64_t n = axis ? 3 : 2;
    pb g = {0}, node = onnx_node("DequantizeLinear", "dq", "w s z", "y");
    graph_init(&g, onnx_tensor("w", ONNX_UINT8, 2, (int64_t[]){2, 3}, "abcdef", 6));
    graph_floats(&g, "s", 1, &n, (float[]){0.5f, 0.25f, 2});
    graph_init(&g, onnx_tensor("z", ONNX_UINT8, 1, &n, "\1\2\3", (size_t)n));
    onnx_attr_int(&node, "axis", axis ? -1 : 0);
    graph_node(&g, node);
    graph_output(&g, "y: 2 x 3", ONNX_FLOAT);
    unit_import(&u, onnx_model(g, 13), NULL);
    assert_string_equal(unit_ops(&u), "constant scast dcast return");
    /* Storage without sign: what MLIR's own scast takes. */
    assert_string_equal(unit_op_type(&u, QN_OP_CONSTANT, 0), "tensor<2x3xi8>");
    assert_string_equal(unit_op_type(&u, QN_OP_SCAST, 0),
                        axis ? "tensor<2x3x!quant.uniform<u8:f32:1, {0.5:1,0.25:2,2.0:3}>>"
                             : "tensor<2x3x!quant.uniform<u8:f32:0, {0.5:1,0.25:2}>>");
    qn_tensor y;
    assert_int_equal(qn_evaluate(u.m, unit_main(&u), NULL, 0, NULL, 1, &y), QN_OK);
    assert_true(qn_tensor_get_f64(&y, 1) == (axis ? ('b' - 2) * 0.25 : ('b' - 1) * 0.5));
    qn_tensor_free(u.ctx, &y);
    unit_close(&u);
  }
}

/* Opset 21: a scale for each block of two along axis 0. */
static void parameters_in_blocks(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0}, node = onnx_node("DequantizeLinear", "dq", "w s", "y");
  graph_init(&g, onnx_tensor("w", ONNX_INT8, 2, (int64_t[]){4, 2}, "abcdefgh", 8));
  graph_floats(&g, "s", 2, (int64_t[]){2, 2}, (float[]){1, 2, 4, 8});
  onnx_attr_int(&node, "axis", 0);
  onnx_attr_int(&node, "block_size", 2);
  graph_node(&g, node);
  graph_output(&g, "y: 4 x 2", ONNX_FLOAT);
  unit_import(&u, onnx_model(g, 21), NULL);
  assert_string_equal(element(&u, qn_op_result(u.m, unit_op(&u, QN_OP_SCAST, 0), 0)),
                      "!quant.uniform<i8:f32:{0:2, 1:1}, {{1.0,2.0}, {4.0,8.0}}>");
  qn_tensor y;
  assert_int_equal(qn_evaluate(u.m, unit_main(&u), NULL, 0, NULL, 1, &y), QN_OK);
  assert_true(qn_tensor_get_f64(&y, 3) == 'd' * 2.0 && qn_tensor_get_f64(&y, 7) == 'h' * 8.0);
  qn_tensor_free(u.ctx, &y);
  unit_close(&u);
}

static void four_bits_and_wide_codes(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0};
  graph_float(&g, "s", 0.5f);
  graph_init(&g, onnx_tensor("w", ONNX_INT4, 1, (int64_t[]){3}, "\x9F\x07", 2)); /* -1, -7, 7 */
  graph_init(&g, onnx_tensor("b", ONNX_INT32, 1, (int64_t[]){2}, (int32_t[]){-100000, 9}, 8));
  graph_op(&g, "DequantizeLinear", "w s", "y");
  graph_op(&g, "DequantizeLinear", "b s", "c");
  graph_output(&g, "y: 3", ONNX_FLOAT);
  graph_output(&g, "c: 2", ONNX_FLOAT);
  unit_import(&u, onnx_model(g, 21), NULL);
  qn_tensor out[2];
  assert_int_equal(qn_evaluate(u.m, unit_main(&u), NULL, 0, NULL, 2, out), QN_OK);
  assert_true(qn_tensor_get_f64(&out[0], 0) == -0.5 && qn_tensor_get_f64(&out[0], 1) == -3.5);
  assert_true(qn_tensor_get_f64(&out[0], 2) == 3.5 && qn_tensor_get_f64(&out[1], 0) == -50000);
  qn_tensor_free(u.ctx, &out[0]);
  qn_tensor_free(u.ctx, &out[1]);
  unit_close(&u);
}

static void values_stay_operands(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0}, node = onnx_node("QuantizeLinear", "q", "x s z", "q");
  graph_input(&g, "x: 2 x 3", ONNX_FLOAT);
  graph_input(&g, "s: 2", ONNX_FLOAT);
  graph_input(&g, "z: 2", ONNX_INT8);
  onnx_attr_int(&node, "axis", -2);
  graph_node(&g, node);
  node = onnx_node("DequantizeLinear", "dq", "q s z", "y");
  onnx_attr_int(&node, "axis", 0);
  graph_node(&g, node);
  graph_output(&g, "y: 2 x 3", ONNX_FLOAT);
  unit_import(&u, onnx_model(g, 13), NULL);
  assert_string_equal(unit_ops(&u), "quantize dequantize return");
  assert_string_equal(unit_op_type(&u, QN_OP_QUANTIZE, 0), "tensor<2x3xi8>");
  assert_int_equal(qn_op_get_int(u.m, unit_op(&u, QN_OP_QUANTIZE, 0), "axis"), 0);
  unit_close(&u);
}

/* ---- QLinearMatMul ---- */

typedef struct qlinear {
  int a_type, b_type, y_type;
  int64_t num_b; /* scales of b */
  bool constant; /* parameters are initializers, else inputs */
} qlinear;

static const float a_scale = 0.0066f, b_scales[2] = {0.00705f, 0.0123f}, y_scale = 0.0107f;
static const int8_t a_zero = 113, b_zeros[2] = {114, 20}, y_zero = 118;
static const int8_t a_codes[8] = {100, -120, 17, 5, -1, 88, 31, -90}, b_codes[8] = {9, 8, -7, 6, 50, -40, 30, -20};

static void parameter(pb *g, bool constant, const char *name, int type, int64_t n, const void *data, size_t size) {
  char text[64];
  snprintf(text, sizeof text, n == 1 ? "%s:" : "%s: %lld", name, (long long)n);
  if (constant)
    graph_init(g, onnx_tensor(name, type, n == 1 ? 0 : 1, &n, data, size));
  else
    graph_input(g, text, type);
}

static pb qlinear_model(const qlinear *q) {
  pb g = {0};
  graph_input(&g, "a: 2 x 4", q->a_type);
  graph_input(&g, "b: 4 x 2", q->b_type);
  parameter(&g, q->constant, "as", ONNX_FLOAT, 1, &a_scale, 4);
  parameter(&g, q->constant, "az", q->a_type, 1, &a_zero, 1);
  parameter(&g, q->constant, "bs", ONNX_FLOAT, q->num_b, b_scales, 4 * (size_t)q->num_b);
  parameter(&g, q->constant, "bz", q->b_type, q->num_b, b_zeros, (size_t)q->num_b);
  parameter(&g, q->constant, "ys", ONNX_FLOAT, 1, &y_scale, 4);
  parameter(&g, q->constant, "yz", q->y_type, 1, &y_zero, 1);
  graph_op(&g, "QLinearMatMul", "a as az b bs bz ys yz", "y");
  graph_output(&g, "y: 2 x 2", q->y_type);
  return onnx_model(g, 10);
}

static int code_of(int type, int8_t bits) {
  return type == ONNX_UINT8 ? (uint8_t)bits : bits;
}

/* The formula, written out once more. */
static int expected(const qlinear *q, int row, int col) {
  int64_t acc = 0, j = q->num_b == 1 ? 0 : col;
  for (int k = 0; k < 4; k++)
    acc += (code_of(q->a_type, a_codes[row * 4 + k]) - code_of(q->a_type, a_zero)) *
           (code_of(q->b_type, b_codes[k * 2 + col]) - code_of(q->b_type, b_zeros[j]));
  const qn_qparams y = {y_scale, code_of(q->y_type, y_zero), q->y_type == ONNX_UINT8 ? 0 : -128,
                        q->y_type == ONNX_UINT8 ? 255 : 127};
  float m = q->constant ? qn_requant_multiplier(a_scale, b_scales[j], y_scale) : a_scale * b_scales[j] / y_scale;
  return qn_requantize_f32((int32_t)acc, m, y, QN_ROUND_HALF_EVEN);
}

static qn_tensor view(int type, uint32_t rank, int64_t d0, int64_t d1, const void *data) {
  return (qn_tensor){.elem = type == ONNX_UINT8  ? QN_UI8
                             : type == ONNX_INT8 ? QN_I8
                                                 : QN_F32,
                     .rank = rank,
                     .shape = {d0, d1},
                     .data = (void *)(uintptr_t)data};
}

static void check_qlinear(const qlinear *q, const char *ops) {
  onnx_unit u;
  qn_tensor y;
  uint32_t vector = q->num_b > 1;
  unit_import(&u, qlinear_model(q), NULL);
  assert_string_equal(unit_ops(&u), ops);
  const qn_tensor in[8] = {view(q->a_type, 2, 2, 4, a_codes),
                           view(q->b_type, 2, 4, 2, b_codes),
                           view(ONNX_FLOAT, 0, 0, 0, &a_scale),
                           view(q->a_type, 0, 0, 0, &a_zero),
                           view(ONNX_FLOAT, vector, q->num_b, 0, b_scales),
                           view(q->b_type, vector, q->num_b, 0, b_zeros),
                           view(ONNX_FLOAT, 0, 0, 0, &y_scale),
                           view(q->y_type, 0, 0, 0, &y_zero)};
  assert_int_equal(qn_evaluate(u.m, unit_main(&u), NULL, q->constant ? 2 : 8, in, 1, &y), QN_OK);
  for (int i = 0; i < 4; i++) assert_int_equal(qn_tensor_get_i64(&y, i), expected(q, i / 2, i % 2));
  qn_tensor_free(u.ctx, &y);
  unit_close(&u);
}

static void qlinear_matmul_has_two_forms(void **state) {
  (void)state;
  const char *typed = "scast scast matmul constant requantize scast return";
  const char *operands = "matmul_integer mul div cast mul constant quantize return";
  for (int types = 0; types < 8; types++)
    for (int64_t n = 1; n <= 2; n++) {
      qlinear q = {types & 1 ? ONNX_INT8 : ONNX_UINT8, types & 2 ? ONNX_INT8 : ONNX_UINT8,
                   types & 4 ? ONNX_INT8 : ONNX_UINT8, n, true};
      check_qlinear(&q, typed);
      q.constant = false;
      check_qlinear(&q, operands);
    }
}

/* The caller's rounding mode does not reach the multiplier. */
static void multipliers_are_rounded_to_nearest(void **state) {
  (void)state;
  const qlinear q = {ONNX_UINT8, ONNX_INT8, ONNX_UINT8, 2, true};
  static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  for (int i = 0; i < 3; i++) {
    onnx_unit u;
    fesetround(modes[i]);
    unit_import(&u, qlinear_model(&q), NULL);
    assert_int_equal(fegetround(), modes[i]);
    fesetround(FE_TONEAREST);
    qn_attr m = qn_op_attr(u.m, unit_op(&u, QN_OP_CONSTANT, 0), "value");
    for (int k = 0; k < 2; k++)
      assert_true(qn_attr_dense_f64(u.m, m, k) == (double)qn_requant_multiplier(a_scale, b_scales[k], y_scale));
    unit_close(&u);
  }
}

static void matmul_integer_may_lack_zero_points(void **state) {
  (void)state;
  static const struct {
    const char *inputs, *ops;
    unsigned operands;
  } cases[] = {{"a b", "matmul_integer return", 2},
               {"a b za", "matmul_integer return", 3},
               {"a b - zb", "constant matmul_integer return", 4},
               {"a b za zb", "matmul_integer return", 4}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    pb g = {0};
    graph_input(&g, "a: 2 x 4", ONNX_UINT8);
    graph_input(&g, "b: 4 x 3", ONNX_INT8);
    graph_input(&g, "za:", ONNX_UINT8);
    graph_input(&g, "zb: 3", ONNX_INT8);
    graph_op(&g, "MatMulInteger", cases[i].inputs, "y");
    graph_output(&g, "y: 2 x 3", ONNX_INT32);
    unit_import(&u, onnx_model(g, 10), NULL);
    assert_string_equal(unit_ops(&u), cases[i].ops);
    assert_int_equal(qn_op_num_operands(u.m, unit_op(&u, QN_OP_MATMUL_INTEGER, 0)), cases[i].operands);
    unit_close(&u);
  }
}

static void dynamic_quantization_has_three_results(void **state) {
  (void)state;
  onnx_unit u;
  qn_tensor out[3];
  const qn_tensor x = {.elem = QN_F32, .rank = 1, .shape = {6}, .data = (void *)(uintptr_t)floats};
  pb g = {0};
  graph_input(&g, "x: n", ONNX_FLOAT);
  graph_op(&g, "DynamicQuantizeLinear", "x", "q s z");
  graph_output(&g, "q: n", ONNX_UINT8);
  graph_output(&g, "s:", ONNX_FLOAT);
  graph_output(&g, "z:", ONNX_UINT8);
  unit_import(&u, onnx_model(g, 11), NULL);
  assert_string_equal(unit_ops(&u), "dynamic_quantize return");
  assert_int_equal(qn_evaluate(u.m, unit_main(&u), NULL, 1, &x, 3, out), QN_OK);
  assert_true(qn_tensor_get_f64(&out[1], 0) == (double)(11.0f / 255.0f));
  assert_int_equal(qn_tensor_get_i64(&out[2], 0), 139);
  for (int i = 0; i < 3; i++) qn_tensor_free(u.ctx, &out[i]);
  unit_close(&u);
}

/* ---- what is refused ---- */

static void bad_parameters_are_named(void **state) {
  (void)state;
  static const struct {
    float scale;
    int zero_type;
    int64_t scales;
    qn_diag_code code;
    const char *word;
  } cases[] = {{0, ONNX_UINT8, 0, QN_DIAG_DATA, "greater than zero"},
               {-1, ONNX_UINT8, 0, QN_DIAG_DATA, "greater than zero"},
               {1.0f / 0.0f, ONNX_UINT8, 0, QN_DIAG_DATA, "finite"},
               {1, ONNX_BOOL, 0, QN_DIAG_TYPE, "cannot store"},
               {1, ONNX_UINT8, 2, QN_DIAG_SHAPE, "as many"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    pb g = {0};
    graph_input(&g, "x: 2 x 3", ONNX_FLOAT);
    graph_floats(&g, "s", cases[i].scales ? 1 : 0, &cases[i].scales, (float[]){cases[i].scale, 1});
    graph_byte(&g, "z", cases[i].zero_type, 0);
    graph_node(&g, onnx_node("QuantizeLinear", "node1", "x s z", "y"));
    graph_result(&g, "y");
    unit_open(&u);
    assert_int_equal(unit_try(&u, onnx_model(g, 13), NULL), QN_ERR_INPUT);
    assert_int_equal(u.code, cases[i].code);
    assert_string_equal(u.place, "test.onnx|node 'node1' (QuantizeLinear)");
    assert_non_null(strstr(u.message, cases[i].word));
    unit_close(&u);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(constant_parameters_become_types),
      cmocka_unit_test(codes_are_integers_to_others),
      cmocka_unit_test(default_is_unsigned_bytes),
      cmocka_unit_test(parameters_per_axis),
      cmocka_unit_test(parameters_in_blocks),
      cmocka_unit_test(four_bits_and_wide_codes),
      cmocka_unit_test(values_stay_operands),
      cmocka_unit_test(qlinear_matmul_has_two_forms),
      cmocka_unit_test(multipliers_are_rounded_to_nearest),
      cmocka_unit_test(matmul_integer_may_lack_zero_points),
      cmocka_unit_test(dynamic_quantization_has_three_results),
      cmocka_unit_test(bad_parameters_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
