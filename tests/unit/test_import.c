/* ONNX in: what nodes become, names, shapes, binding. */
#include "onnx_unit.h"
#include <quern/store.h>
#include <quern/text.h>
#include <quern/unstable/evaluator.h>

static const float floats[16] = {1, -2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* One node on an input x of this shape. */
static pb unary(const char *op, const char *shape, int64_t opset, pb node_attrs) {
  pb g = {0}, n = onnx_node(op, "it", "x", "y");
  char input[64];
  snprintf(input, sizeof input, "x: %s", shape);
  graph_input(&g, input, ONNX_FLOAT);
  pb_put(&n, node_attrs.data, node_attrs.size);
  pb_free(&node_attrs);
  graph_node(&g, n);
  graph_result(&g, "y");
  return onnx_model(g, opset);
}

/* ---- a real model ---- */

static void digits_is_imported(void **state) {
  (void)state;
  onnx_unit u;
  unit_open(&u);
  assert_int_equal(qn_import_onnx(u.ctx, QUERN_TEST_DATA "/digits.onnx", NULL, &u.m), QN_OK);
  assert_string_equal(unit_ops(&u), "constant matmul constant add relu constant matmul constant add relu constant "
                                    "matmul constant add return");
  assert_string_equal(unit_input_type(&u, 0), "tensor<?x64xf32, #quern.dims<\"batch\",\"\">>");
  assert_string_equal(unit_output_type(&u, 0), "tensor<?x10xf32, #quern.dims<\"batch\",\"\">>");
  assert_string_equal(qn_func_input_name(u.m, unit_main(&u), 0).data, "input");
  assert_string_equal(qn_func_output_name(u.m, unit_main(&u), 0).data, "logits");
  qn_op weight = unit_op(&u, QN_OP_CONSTANT, 0);
  qn_attr value = qn_op_attr(u.m, weight, "value");
  assert_string_equal(qn_name_str(u.ctx, qn_attr_resource(u.m, value)).data, "fc1.weight");
  assert_true(qn_op_get_bool(u.m, unit_op(&u, QN_OP_MATMUL, 0), "transpose_b"));
  assert_string_equal(qn_op_place(u.m, unit_op(&u, QN_OP_MATMUL, 0)).entity.data, "fc1");
  unit_close(&u);
}

static int argmax(const qn_tensor *t, int64_t row, int64_t n) {
  int best = 0;
  for (int i = 1; i < n; i++)
    if (qn_tensor_get_f64(t, row * n + i) > qn_tensor_get_f64(t, row * n + best)) best = i;
  return best;
}

static void digits_recognizes_digits(void **state) {
  (void)state;
  enum { SAMPLES = 100 };
  onnx_unit u;
  qn_store *store;
  qn_tensor x, label, y;
  unit_open(&u);
  assert_int_equal(qn_import_onnx(u.ctx, QUERN_TEST_DATA "/digits.onnx", NULL, &u.m), QN_OK);
  assert_int_equal(qn_store_open(u.ctx, QUERN_TEST_DATA "/digits-test.npz", &store), QN_OK);
  assert_int_equal(qn_store_get(store, qn_str_of("input"), &x), QN_OK);
  assert_int_equal(qn_store_get(store, qn_str_of("label"), &label), QN_OK);
  x.shape[0] = SAMPLES;
  assert_int_equal(qn_evaluate(u.m, unit_main(&u), NULL, 1, &x, 1, &y), QN_OK);
  int right = 0;
  for (int64_t i = 0; i < SAMPLES; i++) right += argmax(&y, i, 10) == qn_tensor_get_i64(&label, i);
  assert_true(right >= 97);
  qn_tensor_free(u.ctx, &y);
  qn_store_close(store);
  unit_close(&u);
}

static void dimensions_are_bound(void **state) {
  (void)state;
  onnx_unit u;
  const qn_import_dim batch = {{"batch", 5}, 3}, other = {{"bach", 4}, 3}, negative = {{"batch", 5}, -3};
  unit_open(&u);
  qn_import_options options = {.num_dims = 1, .dims = &batch};
  assert_int_equal(qn_import_onnx(u.ctx, QUERN_TEST_DATA "/digits.onnx", &options, &u.m), QN_OK);
  assert_string_equal(unit_input_type(&u, 0), "tensor<3x64xf32>");
  assert_string_equal(unit_output_type(&u, 0), "tensor<3x10xf32>");
  qn_module_destroy(u.m);
  options.dims = &other;
  assert_int_equal(qn_import_onnx(u.ctx, QUERN_TEST_DATA "/digits.onnx", &options, &u.m), QN_ERR_INPUT);
  assert_int_equal(u.code, QN_DIAG_UNKNOWN_NAME);
  assert_non_null(strstr(u.note, "'input' is tensor<?x64xf32"));
  options.dims = &negative;
  assert_int_equal(qn_import_onnx(u.ctx, QUERN_TEST_DATA "/digits.onnx", &options, &u.m), QN_ERR_INPUT);
  unit_close(&u);
}

/* ---- names ---- */

static void names_are_kept(void **state) {
  (void)state;
  onnx_unit u;
  float many[100] = {1, 2};
  pb g = {0};
  graph_input(&g, "in/put: 100", ONNX_FLOAT);
  graph_floats(&g, "w/1", 1, (int64_t[]){100}, many);
  graph_floats(&g, "w!1", 1, (int64_t[]){100}, (float[100]){5, 6});
  graph_floats(&g, "7", 1, (int64_t[]){1}, floats);
  graph_op(&g, "Add", "in/put w/1", "s_1");
  graph_op(&g, "Add", "s_1 w!1", "s/1");
  graph_node(&g, onnx_node("Add", "last", "s/1 7", "out:0"));
  graph_result(&g, "out:0");
  unit_import(&u, onnx_model(g, 17), NULL);
  assert_string_equal(qn_func_input_name(u.m, unit_main(&u), 0).data, "in/put");
  assert_string_equal(qn_func_output_name(u.m, unit_main(&u), 0).data, "out:0");
  qn_op first = unit_op(&u, QN_OP_CONSTANT, 0), second = unit_op(&u, QN_OP_CONSTANT, 1);
  qn_name key1 = qn_attr_resource(u.m, qn_op_attr(u.m, first, "value"));
  qn_name key2 = qn_attr_resource(u.m, qn_op_attr(u.m, second, "value"));
  assert_string_equal(qn_name_str(u.ctx, key1).data, "w_1");
  assert_string_equal(qn_name_str(u.ctx, key2).data, "w_1_1");
  assert_string_equal(qn_attr_as_string(u.m, qn_op_attr(u.m, first, "quern.name")).data, "w/1");
  assert_string_equal(qn_attr_as_string(u.m, qn_op_attr(u.m, second, "quern.name")).data, "w!1");
  assert_string_equal(qn_name_str(u.ctx, qn_value_name(u.m, qn_op_result(u.m, unit_op(&u, QN_OP_ADD, 1), 0))).data,
                      "s_1_1");
  assert_string_equal(qn_op_place(u.m, unit_op(&u, QN_OP_ADD, 2)).entity.data, "last");
  assert_string_equal(qn_op_place(u.m, unit_op(&u, QN_OP_ADD, 0)).entity.data, "s_1");
  unit_close(&u);
}

/* Thousands of names that sanitize to one take no quadratic time. */
static void equal_names_stay_linear(void **state) {
  (void)state;
  enum { N = 20000 };
  onnx_unit u;
  pb g = {0};
  graph_input(&g, "x: 1", ONNX_FLOAT);
  char last[8] = "x";
  for (int i = 0; i < N; i++) {
    char name[8] = {(char)('!' + i % 12), (char)('!' + i / 12 % 12), (char)('!' + i / 144 % 12),
                    (char)('!' + i / 1728 % 12), 0};
    for (int k = 0; k < 4; k++)
      if (name[k] == '$') name[k] = '@'; /* the one that identifiers may have */
    pb n = {0};
    pb_str(&n, 1, last);
    pb_str(&n, 2, name);
    pb_str(&n, 4, "Relu");
    graph_node(&g, n);
    memcpy(last, name, sizeof last);
  }
  graph_result(&g, last);
  unit_import(&u, onnx_model(g, 17), NULL);
  unit_close(&u);
}

static void text_is_a_fixpoint_of(const onnx_unit *u);

/* ---- what nodes become ---- */

static void check_gemm(float alpha, float beta, bool trans, const char *bias, const char *ops) {
  onnx_unit u;
  pb g = {0}, n = onnx_node("Gemm", "g", bias ? "a b c" : "a b", "y");
  graph_input(&g, trans ? "a: 3 x 2" : "a: 2 x 3", ONNX_FLOAT);
  graph_input(&g, trans ? "b: 4 x 3" : "b: 3 x 4", ONNX_FLOAT);
  if (bias) graph_input(&g, bias, ONNX_FLOAT);
  onnx_attr_float(&n, "alpha", alpha);
  onnx_attr_float(&n, "beta", beta);
  onnx_attr_int(&n, "transA", trans);
  onnx_attr_int(&n, "transB", trans);
  graph_node(&g, n);
  graph_output(&g, "y: 2 x 4", ONNX_FLOAT);
  unit_import(&u, onnx_model(g, 13), NULL);
  assert_string_equal(unit_ops(&u), ops);
  assert_int_equal(qn_op_get_bool(u.m, unit_op(&u, QN_OP_MATMUL, 0), "transpose_a"), trans);
  assert_string_equal(unit_output_type(&u, 0), "tensor<2x4xf32>");
  text_is_a_fixpoint_of(&u);
  unit_close(&u);
}

static void gemm_has_many_forms(void **state) {
  (void)state;
  check_gemm(1, 1, false, NULL, "matmul return");
  check_gemm(1, 1, true, "c: 4", "matmul add return");
  check_gemm(2, 1, false, "c: 1 x 4", "matmul constant mul add return");
  check_gemm(1, 0.5f, true, "c: 2 x 1", "matmul constant mul add return");
  check_gemm(2, 0, true, "c:", "matmul constant mul constant mul add return");
}

static void softmax_before_13_flattens(void **state) {
  (void)state;
  onnx_unit u;
  unit_import(&u, unary("Softmax", "2 x 3 x 4", 11, (pb){0}), NULL);
  assert_string_equal(unit_ops(&u), "reshape softmax reshape return");
  assert_string_equal(unit_op_type(&u, QN_OP_SOFTMAX, 0), "tensor<2x12xf32>");
  unit_close(&u);
  unit_import(&u, unary("Softmax", "batch x 3 x seq", 7, (pb){0}), NULL);
  assert_string_equal(unit_op_type(&u, QN_OP_SOFTMAX, 0), "tensor<?x?xf32, #quern.dims<\"batch\",\"\">>");
  assert_string_equal(unit_op_type(&u, QN_OP_RESHAPE, 1), "tensor<?x3x?xf32, #quern.dims<\"batch\",\"\",\"\">>");
  unit_close(&u);
  unit_import(&u, unary("Softmax", "2 x 3 x 4", 13, (pb){0}), NULL);
  assert_string_equal(unit_ops(&u), "softmax return");
  assert_int_equal(qn_op_get_int(u.m, unit_op(&u, QN_OP_SOFTMAX, 0), "axis"), -1);
  unit_close(&u);
  pb axis = {0};
  onnx_attr_int(&axis, "axis", -2);
  unit_import(&u, unary("Softmax", "2 x 3 x 4", 13, axis), NULL);
  assert_int_equal(qn_op_get_int(u.m, unit_op(&u, QN_OP_SOFTMAX, 0), "axis"), 1);
  unit_close(&u);
}

static const char *flattened(const char *shape, int64_t axis) {
  static char type[256];
  onnx_unit u;
  pb a = {0};
  onnx_attr_int(&a, "axis", axis);
  unit_import(&u, unary("Flatten", shape, 13, a), NULL);
  snprintf(type, sizeof type, "%s", unit_output_type(&u, 0));
  text_is_a_fixpoint_of(&u);
  unit_close(&u);
  return type;
}

static void flatten_keeps_symbols(void **state) {
  (void)state;
  assert_string_equal(flattened("2 x 3 x 4", 0), "tensor<1x24xf32>");
  assert_string_equal(flattened("2 x 3 x 4", 3), "tensor<24x1xf32>");
  assert_string_equal(flattened("2 x 3 x 4", -1), "tensor<6x4xf32>");
  assert_string_equal(flattened("batch x 3 x 4", 1), "tensor<?x12xf32, #quern.dims<\"batch\",\"\">>");
  assert_string_equal(flattened("a x b x c x d", 2), "tensor<?x?xf32>");
  assert_string_equal(flattened("a x 2 x c", 2), "tensor<?x?xf32, #quern.dims<\"\",\"c\">>");
}

static pb reshape(const char *shape, unsigned n, const int64_t *to, bool allow_zero) {
  pb g = {0}, node = onnx_node("Reshape", "r", "x s", "y");
  char input[64];
  snprintf(input, sizeof input, "x: %s", shape);
  graph_input(&g, input, ONNX_FLOAT);
  graph_ints(&g, "s", n, to);
  if (allow_zero) onnx_attr_int(&node, "allowzero", 1);
  graph_node(&g, node);
  graph_result(&g, "y");
  return onnx_model(g, 14);
}

static void reshape_takes_constants(void **state) {
  (void)state;
  onnx_unit u;
  unit_import(&u, reshape("batch x 4 x 6", 3, (int64_t[]){0, -1, 2}, false), NULL);
  assert_string_equal(unit_ops(&u), "reshape return");
  assert_string_equal(unit_output_type(&u, 0), "tensor<?x12x2xf32, #quern.dims<\"batch\",\"\",\"\">>");
  unit_close(&u);
  unit_import(&u, reshape("0 x 4", 2, (int64_t[]){4, 0}, true), NULL);
  assert_string_equal(unit_output_type(&u, 0), "tensor<4x0xf32>");
  unit_close(&u);
}

static void a_shape_input_can_be_bound(void **state) {
  (void)state;
  onnx_unit u;
  int64_t shape[2] = {3, 2};
  const qn_import_const s = {{"s", 1}, {.elem = QN_I64, .rank = 1, .shape = {2}, .data = shape}};
  qn_import_const wrong = s, unknown = s;
  for (int i = 0; i < 4; i++) {
    pb g = {0};
    wrong.value.elem = QN_F64;
    unknown.name = qn_str_of("t");
    const qn_import_const *given[] = {&s, NULL, &wrong, &unknown};
    const qn_import_options options = {.num_consts = given[i] ? 1 : 0, .consts = given[i]};
    graph_input(&g, "x: 6", ONNX_FLOAT);
    graph_input(&g, "s: 2", ONNX_INT64);
    graph_op(&g, "Reshape", "x s", "y");
    graph_result(&g, "y");
    unit_open(&u);
    qn_status status = unit_try(&u, onnx_model(g, 14), &options);
    static const qn_status expected[] = {QN_OK, QN_ERR_UNSUPPORTED, QN_ERR_INPUT, QN_ERR_INPUT};
    assert_int_equal(status, expected[i]);
    if (i == 0) assert_string_equal(unit_output_type(&u, 0), "tensor<3x2xf32>");
    if (i == 0) assert_int_equal(qn_block_num_args(u.m, qn_func_body(u.m, unit_main(&u))), 1);
    if (i == 1) assert_non_null(strstr(u.note, "--const s=FILE.npy"));
    if (i == 2) assert_int_equal(u.code, QN_DIAG_TYPE_MISMATCH);
    if (i == 3) assert_int_equal(u.code, QN_DIAG_UNKNOWN_NAME);
    unit_close(&u);
  }
}

static void constants_have_many_kinds(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0}, n = onnx_node("Constant", "", "", "t"), a = {0};
  onnx_attr_tensor(&n, "value", onnx_tensor(NULL, ONNX_FLOAT, 1, (int64_t[]){2}, floats, 8));
  graph_node(&g, n);
  n = onnx_node("Constant", "", "", "f");
  onnx_attr_float(&n, "value_float", 2.5f);
  graph_node(&g, n);
  n = onnx_node("Constant", "", "", "fs");
  pb_str(&a, 1, "value_floats");
  pb_bytes(&a, 7, floats, 8); /* packed */
  pb_int(&a, 20, 6);
  pb_msg(&n, 5, a);
  graph_node(&g, n);
  n = onnx_node("Constant", "", "", "i");
  onnx_attr_int(&n, "value_int", -7);
  graph_node(&g, n);
  n = onnx_node("Constant", "", "", "is");
  onnx_attr_ints(&n, "value_ints", 3, (int64_t[]){1, -2, 3});
  graph_node(&g, n);
  graph_op(&g, "Identity", "is", "js");
  const char *const names[] = {"t", "f", "fs", "i", "is", "js"};
  for (int i = 0; i < 6; i++) graph_result(&g, names[i]);
  unit_import(&u, onnx_model(g, 13), NULL);
  static const char *const types[] = {"tensor<2xf32>", "tensor<f32>",   "tensor<2xf32>",
                                      "tensor<i64>",   "tensor<3xi64>", "tensor<3xi64>"};
  for (unsigned i = 0; i < 6; i++) assert_string_equal(unit_output_type(&u, i), types[i]);
  assert_string_equal(qn_func_output_name(u.m, unit_main(&u), 5).data, "js");
  assert_int_equal(qn_attr_dense_i64(u.m, qn_op_attr(u.m, unit_op(&u, QN_OP_CONSTANT, 3), "value"), 0), -7);
  assert_int_equal(qn_attr_dense_i64(u.m, qn_op_attr(u.m, unit_op(&u, QN_OP_CONSTANT, 4), "value"), 1), -2);
  text_is_a_fixpoint_of(&u);
  unit_close(&u);
}

static void clip_depends_on_its_bounds(void **state) {
  (void)state;
  static const struct {
    const char *inputs, *ops;
  } cases[] = {{"x lo hi", "clip return"},
               {"x hi lo", "constant constant maximum minimum return"}, /* crossed: max wins */
               {"x - hi", "constant minimum return"},
               {"x lo", "constant maximum return"},
               {"x v hi", "constant maximum minimum return"},
               {"x", "return"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    pb g = {0};
    graph_input(&g, "x: 3", ONNX_FLOAT);
    graph_input(&g, "v:", ONNX_FLOAT);
    graph_float(&g, "lo", -1);
    graph_float(&g, "hi", 1);
    graph_op(&g, "Clip", cases[i].inputs, "y");
    graph_result(&g, "y");
    unit_import(&u, onnx_model(g, 13), NULL);
    assert_string_equal(unit_ops(&u), cases[i].ops);
    unit_close(&u);
  }
}

static void old_files_list_initializers_as_inputs(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0};
  graph_input(&g, "x: 2", ONNX_FLOAT);
  graph_input(&g, "w: 2", ONNX_FLOAT);
  graph_floats(&g, "w", 1, (int64_t[]){2}, floats);
  graph_op(&g, "Mul", "x w", "y");
  graph_result(&g, "y");
  unit_import(&u, onnx_model(g, 7), NULL);
  assert_int_equal(qn_block_num_args(u.m, qn_func_body(u.m, unit_main(&u))), 1);
  assert_string_equal(unit_ops(&u), "constant mul return");
  unit_close(&u);
}

/* Sizes that broadcasting leaves without a name take the one that the file has. */
static void declared_types_name_sizes(void **state) {
  (void)state;
  onnx_unit u;
  pb g = {0};
  graph_input(&g, "x: n", ONNX_FLOAT);
  graph_input(&g, "z: ?", ONNX_FLOAT);
  graph_op(&g, "Add", "x z", "s");
  graph_op(&g, "Relu", "s", "y");
  graph_output(&g, "y: rows", ONNX_FLOAT);
  pb_msg(&g, 13, onnx_value("s: sums", ONNX_FLOAT));
  unit_import(&u, onnx_model(g, 13), NULL);
  assert_string_equal(unit_op_type(&u, QN_OP_ADD, 0), "tensor<?xf32, #quern.dims<\"sums\">>");
  assert_string_equal(unit_output_type(&u, 0), "tensor<?xf32, #quern.dims<\"rows\">>");
  unit_close(&u);
}

/* ---- through text and back ---- */

typedef struct page {
  char *data;
  size_t size;
} page;

static bool write_page(void *user, const char *data, size_t size) {
  page *p = user;
  p->data = realloc(p->data, p->size + size + 1);
  if (!p->data) return false;
  memcpy(p->data + p->size, data, size);
  p->size += size;
  p->data[p->size] = 0;
  return true;
}

static void text_is_a_fixpoint_of(const onnx_unit *u) {
  const qn_print_options options = {.inline_ = true};
  page first = {0}, second = {0};
  qn_module *again;
  assert_int_equal(qn_print(u->m, &options, write_page, &first), QN_OK);
  assert_int_equal(qn_parse_text(u->ctx, (qn_str){first.data, first.size}, "printed", NULL, &again), QN_OK);
  assert_int_equal(qn_print(again, &options, write_page, &second), QN_OK);
  assert_string_equal(first.data, second.data);
  qn_module_destroy(again);
  free(first.data);
  free(second.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(digits_is_imported),
      cmocka_unit_test(digits_recognizes_digits),
      cmocka_unit_test(dimensions_are_bound),
      cmocka_unit_test(names_are_kept),
      cmocka_unit_test(equal_names_stay_linear),
      cmocka_unit_test(gemm_has_many_forms),
      cmocka_unit_test(softmax_before_13_flattens),
      cmocka_unit_test(flatten_keeps_symbols),
      cmocka_unit_test(reshape_takes_constants),
      cmocka_unit_test(a_shape_input_can_be_bound),
      cmocka_unit_test(constants_have_many_kinds),
      cmocka_unit_test(clip_depends_on_its_bounds),
      cmocka_unit_test(old_files_list_initializers_as_inputs),
      cmocka_unit_test(declared_types_name_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
