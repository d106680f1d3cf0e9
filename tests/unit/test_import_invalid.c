/* Files that must not be believed: damaged bytes, models that break rules, memory that runs out. */
#include "onnx_unit.h"

/* ---- models that several tests start from ---- */

/* Every kind of thing that the importer reads. */
static pb rich_model(void) {
  float w[24] = {1, 2, 3, 4, 5, 6, -7};
  pb g = {0}, n = onnx_node("Gemm", "gemm", "x w b", "g");
  pb_str(&g, 2, "rich");
  graph_input(&g, "x: batch x 4", ONNX_FLOAT);
  graph_floats(&g, "w", 2, (int64_t[]){6, 4}, w);
  graph_floats(&g, "b", 1, (int64_t[]){6}, w);
  graph_floats(&g, "s", 1, (int64_t[]){6}, (float[]){1, 2, 3, 4, 5, 6});
  graph_float(&g, "t", 0.5f);
  graph_byte(&g, "z", ONNX_UINT8, 3);
  graph_init(&g, onnx_tensor("zs", ONNX_INT8, 1, (int64_t[]){6}, "\0\0\0\0\0\0", 6));
  graph_init(&g, onnx_tensor("v", ONNX_INT8, 2, (int64_t[]){4, 6}, "abcdefghijklmnopqrstuvwx", 24));
  graph_ints(&g, "shape", 3, (int64_t[]){0, 2, -1});
  onnx_attr_int(&n, "transB", 1);
  onnx_attr_float(&n, "alpha", 0.5f);
  graph_node(&g, n);
  graph_op(&g, "Relu", "g", "r");
  graph_op(&g, "QuantizeLinear", "r t z", "q");
  graph_op(&g, "DequantizeLinear", "q t z", "d");
  graph_op(&g, "Reshape", "d shape", "e");
  n = onnx_node("Softmax", "", "e", "sm");
  onnx_attr_int(&n, "axis", 1);
  graph_node(&g, n);
  n = onnx_node("DequantizeLinear", "", "v s zs", "vd");
  onnx_attr_int(&n, "axis", 1);
  graph_node(&g, n);
  graph_op(&g, "MatMul", "x vd", "m");
  n = onnx_node("Gelu", "gelu", "m", "ge");
  onnx_attr_str(&n, "approximate", "tanh");
  graph_node(&g, n);
  graph_op(&g, "Flatten", "sm", "f");
  graph_op(&g, "DynamicQuantizeLinear", "f", "dq ds dz");
  graph_init(&g, onnx_tensor("u", ONNX_INT8, 2, (int64_t[]){6, 4}, "abcdefghijklmnopqrstuvwx", 24));
  graph_op(&g, "MatMulInteger", "dq u dz", "mi");
  pb_msg(&g, 13, onnx_value("r: batch x 6", ONNX_FLOAT));
  graph_output(&g, "ge: batch x 6", ONNX_FLOAT);
  graph_result(&g, "sm");
  graph_result(&g, "q");
  return onnx_model(g, 20);
}

/* QLinearMatMul cannot stand beside the others without more types: a model of its own. */
static pb qlinear_model(void) {
  pb g = {0};
  graph_input(&g, "a: 2 x 2", ONNX_UINT8);
  graph_init(&g, onnx_tensor("b", ONNX_INT8, 2, (int64_t[]){2, 2}, "abcd", 4));
  graph_float(&g, "s", 0.5f);
  graph_byte(&g, "za", ONNX_UINT8, 3);
  graph_byte(&g, "zb", ONNX_INT8, 0);
  graph_op(&g, "QLinearMatMul", "a s za b s zb s za", "y");
  graph_result(&g, "y");
  return onnx_model(g, 10);
}

/* ---- damaged bytes ---- */

static void import_bytes(const uint8_t *data, size_t size) {
  onnx_unit u;
  unit_open(&u);
  qn_status status = qn_import_onnx_memory(u.ctx, "test.onnx", data, size, NULL, &u.m);
  assert_true((status == QN_OK) == (u.m != NULL));
  assert_true((status == QN_OK) == (u.errors == 0));
  unit_close(&u);
}

static void every_cut_is_a_diagnostic(void **state) {
  (void)state;
  pb m = rich_model();
  for (size_t n = 0; n < m.size; n++) {
    uint8_t *exact = malloc(n + 1); /* so that reading past the end is seen */
    assert_non_null(exact);
    memcpy(exact, m.data, n);
    import_bytes(n ? exact : (const uint8_t *)"", n);
    free(exact);
  }
  pb_free(&m);
}

static void every_damaged_byte_is_survived(void **state) {
  (void)state;
  pb models[] = {rich_model(), qlinear_model()};
  uint32_t x = 1;
  for (size_t k = 0; k < 2; k++) {
    pb *m = &models[k];
    for (size_t i = 0; i < m->size; i++) {
      uint8_t good = m->data[i];
      for (int t = 0; t < 4; t++) {
        x = x * 1664525u + 1013904223u;
        m->data[i] = t == 0 ? 0xFF : t == 1 ? (uint8_t)(good ^ 1) : (uint8_t)(x >> 24);
        import_bytes(m->data, m->size);
      }
      m->data[i] = good;
    }
    pb_free(m);
  }
}

static pb nested(unsigned depth) {
  pb inner = {0};
  for (unsigned i = 0; i < depth; i++) {
    pb node = {0}, attr = {0}, graph = {0};
    pb_str(&attr, 1, "body");
    pb_msg(&attr, 6, inner);
    pb_msg(&node, 5, attr);
    pb_str(&node, 4, "If");
    pb_msg(&graph, 1, node);
    inner = graph;
  }
  return onnx_model(inner, 13);
}

static pb raw_model(const char *bytes, size_t size) {
  pb m = {0};
  pb_put(&m, bytes, size);
  return m;
}

static pb many_empty_nodes(void) {
  pb g = {0};
  for (int i = 0; i < 500000; i++) pb_bytes(&g, 1, "", 0);
  return onnx_model(g, 13);
}

static pb zero_in_name(void) {
  pb g = {0}, n = {0};
  pb_bytes(&n, 1, "a\0b", 3);
  graph_node(&g, n);
  return onnx_model(g, 13);
}

static pb two_graphs(void) {
  pb a = {0}, b = {0};
  graph_result(&a, "y");
  graph_result(&b, "y");
  pb m = onnx_model(a, 13);
  pb_msg(&m, 7, b);
  return m;
}

static pb two_kinds_of_type(void) {
  pb g = {0}, tp = {0}, v = {0};
  pb_msg(&tp, 1, (pb){0});
  pb_msg(&tp, 4, (pb){0});
  pb_str(&v, 1, "x");
  pb_msg(&v, 2, tp);
  pb_msg(&g, 11, v);
  return onnx_model(g, 13);
}

static void wire_format_is_checked(void **state) {
  (void)state;
  const struct {
    pb model;
    qn_diag_code code;
    const char *word;
  } cases[] = {
      {raw_model("", 0), QN_DIAG_FORMAT, "is empty"},
      {raw_model("ir_version: 8", 13), QN_DIAG_FORMAT, NULL},
      {raw_model("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 12), QN_DIAG_FORMAT, "over ten bytes"},
      {raw_model("\x08\xFF", 2), QN_DIAG_FORMAT, "middle of a number"},
      {raw_model("\x3A\xFF\xFF\xFF\xFF\x0F", 6), QN_DIAG_FORMAT, "says it has 4294967295 bytes, but 0 are left"},
      {raw_model("\x3A\x02\x0A\x05", 4), QN_DIAG_FORMAT, "says it has 5 bytes, but 0 are left"},
      {raw_model("\x3B\x3C", 2), QN_DIAG_FORMAT, "wire type 3"},
      {raw_model("\x38\x01", 2), QN_DIAG_FORMAT, "wire type 0, expected 2"},
      {raw_model("\x0D\0\0\0\0", 5), QN_DIAG_FORMAT, "wire type 5, expected 0"},
      {raw_model("\x00\x01", 2), QN_DIAG_FORMAT, "no field number"},
      {nested(3000), QN_DIAG_LIMIT, "more than 64 deep"},
      {many_empty_nodes(), QN_DIAG_LIMIT, "more parts than its size"},
      {zero_in_name(), QN_DIAG_FORMAT, "zero byte"},
      {two_graphs(), QN_DIAG_FORMAT, "twice"},
      {two_kinds_of_type(), QN_DIAG_FORMAT, "twice"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    unit_open(&u);
    assert_int_not_equal(unit_try(&u, cases[i].model, NULL), QN_OK);
    assert_int_equal(u.code, cases[i].code);
    if (cases[i].word && !strstr(u.message, cases[i].word)) fail_msg("'%s' has no '%s'", u.message, cases[i].word);
    if (i) assert_non_null(strstr(u.place, "test.onnx|byte "));
    unit_close(&u);
  }
}

/* 20 nested graphs are fine on the wire: what is wrong with them is said by name. */
static void shallow_nesting_reaches_the_ops(void **state) {
  (void)state;
  onnx_unit u;
  unit_open(&u);
  assert_int_equal(unit_try(&u, nested(20), NULL), QN_ERR_UNSUPPORTED);
  assert_non_null(strstr(u.message, "(If)"));
  unit_close(&u);
}

/* ---- models that break rules ---- */

/* Nodes as "Op:name:inputs:outputs", separated by ';'. */
static pb graph_of(const char *nodes) {
  pb g = {0};
  graph_input(&g, "x: 2 x 3", ONNX_FLOAT);
  graph_input(&g, "i: 2 x 3", ONNX_INT64);
  graph_floats(&g, "w", 2, (int64_t[]){4, 3}, (float[12]){1});
  graph_ints(&g, "five", 1, (int64_t[]){5});
  graph_ints(&g, "nine", 9, (int64_t[9]){1, 1, 1, 1, 1, 1, 1, 1, 6});
  while (*nodes) {
    char part[4][64] = {{0}};
    for (int i = 0; i < 4; i++) {
      size_t n = strcspn(nodes, ":;");
      memcpy(part[i], nodes, n);
      nodes += n;
      if (*nodes == ':') nodes++;
    }
    if (*nodes == ';') nodes++;
    graph_node(&g, onnx_node(part[0], part[1], part[2], part[3]));
  }
  return g;
}

static void rules_are_checked(void **state) {
  (void)state;
  static const struct {
    const char *nodes, *output;
    qn_diag_code code;
    const char *place, *word;
  } cases[] = {
      {"Relu:a:u:v;Relu:b:x:u", "v", QN_DIAG_UNDEFINED, "node 'a' (Relu)", "made later, by node 'b'"},
      {"Relu:a:b:a;Relu:b:a:b", "a", QN_DIAG_UNDEFINED, "node 'a' (Relu)", "made later"},
      {"Relu:a:a:a", "a", QN_DIAG_UNDEFINED, "node 'a' (Relu)", "made later, by node 'a'"},
      {"Relu:a:nothing:y", "y", QN_DIAG_UNDEFINED, "node 'a' (Relu)", "which no input, initializer or node"},
      {"Relu:a:x:y;Relu:b:x:y", "y", QN_DIAG_REDEFINED, "node 'b' (Relu)", "'y', which exists already"},
      {"Relu:a:x:x", "x", QN_DIAG_REDEFINED, "node 'a' (Relu)", "exists already"},
      {"Relu:a:x:w", "w", QN_DIAG_REDEFINED, "node 'a' (Relu)", "exists already"},
      {"Relu:a:x:y", "z", QN_DIAG_UNDEFINED, "output 'z'", "defines this output"},
      {"Relu:a:x:y", "", QN_DIAG_UNDEFINED, "output ''", "defines this output"},
      {"Relu:a:x w:y", "y", QN_DIAG_OPERAND_COUNT, "node 'a' (Relu)", "2 inputs, expected at most 1"},
      {"Add:a:x:y", "y", QN_DIAG_OPERAND_COUNT, "node 'a' (Add)", "1 inputs, expected at least 2"},
      {"Add:a:x -:y", "y", QN_DIAG_MISSING, "node 'a' (Add)", "no name for input 1"},
      {"Max:a:x - x:y", "y", QN_DIAG_MISSING, "node 'a' (Max)", "no name for input 1"},
      {"Relu:a:x:", "x", QN_DIAG_OPERAND_COUNT, "node 'a' (Relu)", "0 outputs"},
      {"Relu:a:x:y z", "y", QN_DIAG_OPERAND_COUNT, "node 'a' (Relu)", "2 outputs, expected 1 to 1"},
      {"Add:a:x w:y", "y", QN_DIAG_SHAPE, "a", "do not broadcast"},
      {"Add:a:x i:y", "y", QN_DIAG_TYPE_MISMATCH, "a", "f32 and i64"},
      {"MatMul:a:x w:y", "y", QN_DIAG_SHAPE, "a", "3 elements in one and 4 in the other"},
      {"Gemm:a:x five:y", "y", QN_DIAG_SHAPE, "node 'a' (Gemm)", "input 1 is tensor<1xi64>, expected a matrix"},
      {"Gemm:a:w x:y", "y", QN_DIAG_SHAPE, "a", "summed axis"},
      {"Reshape:a:x five:y", "y", QN_DIAG_SHAPE, "a", "number of elements"},
      {"Reshape:a:x nine:y", "y", QN_DIAG_LIMIT, "node 'a' (Reshape)", "9 sizes"},
      {"Reshape:a:x w:y", "y", QN_DIAG_TYPE_MISMATCH, "node 'a' (Reshape)", "list of integers"},
      {"Reshape:a:x i:y", "y", QN_DIAG_UNSUPPORTED, "node 'a' (Reshape)", "decides a shape"},
      {"Relu:r:x:s;Reshape:a:x s:y", "y", QN_DIAG_UNSUPPORTED, "node 'a' (Reshape)", "decides a shape"},
      {"Sigmoid:a:i:y", "y", QN_DIAG_TYPE_MISMATCH, "a", "expected a tensor of floats"},
      {"Unsqueeze:a:x five:y", "y", QN_DIAG_ATTRIBUTE, "node 'a' (Unsqueeze)", "axis is 5"},
      {"Cast:a:x:y", "y", QN_DIAG_UNSUPPORTED, "node 'a' (Cast)", "casts to UNDEFINED"},
      {"Constant:a::y", "y", QN_DIAG_ATTRIBUTE, "node 'a' (Constant)", "0 attributes"},
      {"MatMulInteger:a:x w:y", "y", QN_DIAG_TYPE_MISMATCH, "a", "integers of at most 8 bits"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    char place[96];
    pb g = graph_of(cases[i].nodes);
    graph_result(&g, cases[i].output);
    unit_open(&u);
    assert_int_not_equal(unit_try(&u, onnx_model(g, 13), NULL), QN_OK);
    snprintf(place, sizeof place, "test.onnx|%s", cases[i].place);
    if (u.code != cases[i].code || strcmp(u.place, place) != 0 || !strstr(u.message, cases[i].word))
      fail_msg("%s: [%s] %s: %s", cases[i].nodes, qn_diag_name(u.code), u.place, u.message);
    unit_close(&u);
  }
}

static void unsupported_ops_are_all_named(void **state) {
  (void)state;
  onnx_unit u;
  pb g = graph_of("ConvTranspose:c1:x w:a;Relu:r:a:b;LSTM:l:b w:c;ConvTranspose::c w:unnamed"),
     n = onnx_node("Gelu", "fast", "x", "g");
  pb_str(&n, 7, "com.example");
  graph_node(&g, n);
  graph_op(&g, "Gelu", "x", "h");
  graph_result(&g, "unnamed");
  unit_open(&u);
  assert_int_equal(unit_try(&u, onnx_model(g, 13), NULL), QN_ERR_UNSUPPORTED);
  assert_string_equal(u.message,
                      "5 nodes cannot be imported: 'c1' (ConvTranspose), 'l' (LSTM), 'unnamed' (ConvTranspose), "
                      "'fast' (com.example.Gelu), 'h' (Gelu, which exists from operator set 20 on)");
  assert_int_equal(u.errors, 1);
  assert_non_null(strstr(u.note, "Gemm, MatMul"));
  unit_close(&u);
}

static void attributes_are_checked(void **state) {
  (void)state;
  for (int i = 0; i < 6; i++) {
    static const struct {
      qn_diag_code code;
      const char *word;
    } expected[] = {{QN_DIAG_ATTRIBUTE, "has an attribute 'broadcast', expected any of: axis"},
                    {QN_DIAG_REDEFINED, "'axis' twice"},
                    {QN_DIAG_ATTRIBUTE, "'axis' is a float, expected an int"},
                    {QN_DIAG_ATTRIBUTE, "'axis' is 2, expected -2 to 1"},
                    {QN_DIAG_ATTRIBUTE, "refers to an attribute of a function"},
                    {QN_DIAG_ATTRIBUTE, "'axis' has no value"}};
    onnx_unit u;
    pb g = {0}, n = onnx_node("Softmax", "sm", "x", "y"), a = {0};
    graph_input(&g, "x: 2 x 3", ONNX_FLOAT);
    pb_str(&a, 1, "axis");
    if (i == 0) onnx_attr_int(&n, "broadcast", 1);
    if (i == 1) onnx_attr_int(&n, "axis", 1);
    if (i == 1) onnx_attr_int(&n, "axis", 1);
    if (i == 2) onnx_attr_float(&n, "axis", 1);
    if (i == 3) onnx_attr_int(&n, "axis", 2);
    if (i == 4) pb_str(&a, 21, "outer");
    if (i >= 4)
      pb_msg(&n, 5, a);
    else
      pb_free(&a);
    graph_node(&g, n);
    graph_result(&g, "y");
    unit_open(&u);
    assert_int_equal(unit_try(&u, onnx_model(g, 13), NULL), QN_ERR_INPUT);
    assert_int_equal(u.code, expected[i].code);
    assert_string_equal(u.place, "test.onnx|node 'sm' (Softmax)");
    if (!strstr(u.message, expected[i].word)) fail_msg("%s", u.message);
    unit_close(&u);
  }
}

static void versions_are_checked(void **state) {
  (void)state;
  static const struct {
    int64_t opset;
    qn_status status;
  } cases[] = {{6, QN_ERR_UNSUPPORTED}, {7, QN_OK}, {25, QN_OK}, {26, QN_ERR_INPUT}, {-1, QN_ERR_UNSUPPORTED}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    pb g = graph_of("Relu:a:x:y");
    graph_result(&g, "y");
    unit_open(&u);
    assert_int_equal(unit_try(&u, onnx_model(g, cases[i].opset), NULL), cases[i].status);
    unit_close(&u);
  }
  onnx_unit u;
  pb m = {0}, g = graph_of("Relu:a:x:y");
  graph_result(&g, "y");
  pb_msg(&m, 7, g);
  unit_open(&u);
  assert_int_equal(unit_try(&u, m, NULL), QN_ERR_INPUT);
  assert_non_null(strstr(u.message, "opset_import"));
  unit_close(&u);
}

static void declared_types_are_checked(void **state) {
  (void)state;
  static const struct {
    const char *output;
    int type;
    qn_status status;
  } cases[] = {{"y: 2 x 3", ONNX_FLOAT, QN_OK},        {"y: n x ?", ONNX_FLOAT, QN_OK},
               {"y: 2 x 4", ONNX_FLOAT, QN_ERR_INPUT}, {"y: 6", ONNX_FLOAT, QN_ERR_INPUT},
               {"y: 2 x 3", ONNX_INT8, QN_ERR_INPUT},  {"y: 2 x 3", ONNX_STRING, QN_ERR_UNSUPPORTED}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    pb g = graph_of("Relu:a:x:y");
    graph_output(&g, cases[i].output, cases[i].type);
    unit_open(&u);
    assert_int_equal(unit_try(&u, onnx_model(g, 13), NULL), cases[i].status);
    if (cases[i].status != QN_OK) assert_string_equal(u.place, "test.onnx|output 'y'");
    unit_close(&u);
  }
}

/* ---- exhausted memory ---- */

static void count_down(pb (*make)(void)) {
  pb m = make();
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, n);
    const qn_context_options options = {.allocator = &a};
    qn_context *ctx = qn_context_create(&options);
    if (ctx) {
      qn_module *module = NULL;
      qn_status status = qn_import_onnx_memory(ctx, "test.onnx", m.data, m.size, NULL, &module);
      assert_true((status == QN_OK) == (module != NULL));
      if (f.fired)
        assert_int_equal(status, QN_ERR_NO_MEMORY);
      else
        assert_int_equal(status, QN_OK);
      qn_module_destroy(module);
    }
    qn_context_destroy(ctx);
    assert_true(failing_clean(&f));
    if (!f.fired) break;
  }
  pb_free(&m);
}

static void exhausted_memory_leaks_nothing(void **state) {
  (void)state;
  count_down(rich_model);
  count_down(qlinear_model);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_cut_is_a_diagnostic),  cmocka_unit_test(every_damaged_byte_is_survived),
      cmocka_unit_test(wire_format_is_checked),     cmocka_unit_test(shallow_nesting_reaches_the_ops),
      cmocka_unit_test(rules_are_checked),          cmocka_unit_test(unsupported_ops_are_all_named),
      cmocka_unit_test(attributes_are_checked),     cmocka_unit_test(versions_are_checked),
      cmocka_unit_test(declared_types_are_checked), cmocka_unit_test(exhausted_memory_leaks_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
