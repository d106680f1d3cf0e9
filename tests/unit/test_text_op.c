/* Modules and ops as text: forms, names, regions, locations, errors and how reading goes on after them. */
#include "text_test.h"

/* The body of a function, printed with everything around it. */
static void prints(const char *text, const char *expected, bool allow) {
  char *pretty = text_round(text, allow);
  if (!strstr(pretty, expected)) fail_msg("expected\n%s\nin\n%s", expected, pretty);
  free(pretty);
}

static void wrapper(void **state) {
  (void)state;
  const char *empty = "module attributes {quern.version = 1} {\n}\n";
  static const char *const same[] = {
      "",
      "// nothing\n",
      "module {}",
      "builtin.module {\n}",
      "\"builtin.module\"() ({}) : () -> ()",
      "module attributes {quern.version = 1} {} loc(\"a\":1:2)",
      "\"builtin.module\"() ({\n^bb0:\n}) {quern.version = 1 : i64} : () -> ()\n#loc = loc(unknown)\n"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    char *pretty = text_round(same[i], false);
    assert_string_equal(pretty, empty);
    free(pretty);
  }
  prints("module @m attributes {a.b, z.z = 2} {}", "module @m attributes {a.b, quern.version = 1, z.z = 2} {", false);
  prints("\"builtin.module\"() <{sym_name = \"odd name\"}> ({}) {quern.a = 1} : () -> ()",
         "module @\"odd name\" attributes {quern.a = 1, quern.version = 1} {", false);
}

static void functions(void **state) {
  (void)state;
  prints("func.func @f() { return }", "  func.func @f() {\n    return\n  }\n", false);
  prints(
      "func.func private @f(%a: f32 {quern.name = \"in\"}, %1: i8 loc(unknown)) -> (f32 {quern.name = \"out\"}, i8) "
      "attributes {quern.note} { func.return %a, %1 : f32, i8 }",
      "  func.func private @f(%a: f32 {quern.name = \"in\"}, %arg0: i8) -> (f32 {quern.name = \"out\"}, i8) attributes "
      "{quern.note} {\n    return %a, %arg0 : f32, i8\n",
      false);
  prints("func.func @\"odd name\"() { return }\nfunc.func @g(%x: f32) -> f32 { return %x : f32 }", "@\"odd name\"()",
         false);
  prints("\"func.func\"() <{function_type = (f32) -> f32, sym_name = \"f\"}> ({\n^bb0(%x: f32):\n"
         "  \"func.return\"(%x) : (f32) -> ()\n}) : () -> ()",
         "  func.func @f(%x: f32) -> f32 {\n    return %x : f32\n", false);
  prints(
      "func.func @f(%x: tensor<f32>) -> tensor<f32> {\n %0 = call @g(%x) : (tensor<f32>) -> tensor<f32>\n return %0 : "
      "tensor<f32> }\nfunc.func private @g(%x: tensor<f32>) -> tensor<f32> { return %x : tensor<f32> }",
      "%0 = call @g(%x) : (tensor<f32>) -> tensor<f32>", false);
}

/* Each line of a function body in the form that is printed. */
static void lines(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"%y = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>", NULL},
      {"%y = \"quern.relu\"(%x) {} : (tensor<4xf32>) -> (tensor<4xf32>)",
       "%y = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>"},
      {"%y = \"quern.softmax\"(%x) <{axis = -1}> : (tensor<4xf32>) -> tensor<4xf32>",
       "%y = quern.softmax %x : (tensor<4xf32>) -> tensor<4xf32>"},
      {"%y = quern.softmax %x {axis = 0} : (tensor<4xf32>) -> tensor<4xf32>", NULL},
      {"%y = quern.clip %x {max = 6.0 : f32, min = 0.0 : f32, my.own = 1} : (tensor<4xf32>) -> tensor<4xf32>", NULL},
      {"%y = \"quern.clip\"(%x) <{min = 0.0 : f32, max = 6.0 : f32}> {my.own = 1} : (tensor<4xf32>) -> tensor<4xf32>",
       "%y = quern.clip %x {max = 6.0 : f32, min = 0.0 : f32, my.own = 1} : (tensor<4xf32>) -> tensor<4xf32>"},
      {"%q = quant.qcast %x : tensor<4xf32> to tensor<4x!quant.uniform<i8:f32, 0.5>>", NULL},
      {"%q = \"quern.qcast\"(%x) : (tensor<4xf32>) -> tensor<4x!quant.uniform<i8:f32, 0.5>>",
       "%q = quant.qcast %x : tensor<4xf32> to tensor<4x!quant.uniform<i8:f32, 0.5>>"},
      {"%q = quant.qcast %x {my.own} : tensor<4xf32> to tensor<4x!quern.uniform<f8E4M3FN:f32, 0.5>>", NULL},
      {"%c = arith.constant dense<3> : tensor<4xi8>", NULL},
      {"%c = arith.constant {my.own} dense<3.0> : tensor<4xf32>", NULL},
      {"%c = \"arith.constant\"() <{value = dense<3> : tensor<4xi8>}> : () -> tensor<4xi8>",
       "%c = arith.constant dense<3> : tensor<4xi8>"},
      {"%c = quern.constant dense<1.5> : tensor<4xf4E2M1FN>", NULL},
      {"%c = arith.constant dense<1.5> : tensor<4xf4E2M1FN>", "%c = quern.constant dense<1.5> : tensor<4xf4E2M1FN>"},
      {"%c = \"quern.constant\"() <{value = dense<[1, 2, 15]> : tensor<3xi8>}> : () -> tensor<3x!quern.f4E2M1FN>",
       "%c = quern.constant dense<[0.5, 1.0, -6.0]> : tensor<3xf4E2M1FN>"},
      {"%c = \"quern.constant\"() {value = dense<-1> : tensor<3xi8>} : () -> tensor<3x!quant.uniform<u8:f32, 0.5>>",
       "%c = quern.constant dense<255> : tensor<3x!quant.uniform<u8:f32, 0.5>>"},
      {"%0:3 = quern.dynamic_quantize %x {storage = ui8} : (tensor<4xf32>) -> (tensor<4xui8>, tensor<f32>, "
       "tensor<ui8>)\n"
       "    %1 = quern.dequantize %0#0, %0#1, %0#2 : (tensor<4xui8>, tensor<f32>, tensor<ui8>) -> tensor<4xf32>",
       NULL},
      {"%q, %1, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<4xf32>) -> (tensor<4xui8>, tensor<f32>, "
       "tensor<ui8>)",
       "%q, %0, %z = quern.dynamic_quantize"},
      {"%q:2, %z = quern.dynamic_quantize %x {storage = ui8} : (tensor<4xf32>) -> (tensor<4xui8>, tensor<f32>, "
       "tensor<ui8>)\n%d = quern.dequantize %q#0, %q#1, %z : (tensor<4xui8>, tensor<f32>, tensor<ui8>) -> "
       "tensor<4xf32>",
       "%d = quern.dequantize %q, %0, %z"},
      {"%y = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32> loc(fused<\"m\">[unknown, \"a\"(\"f\":1:2)])", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[1024];
    snprintf(text, sizeof text, "func.func @f(%%x: tensor<4xf32>) {\n    %s\n    return\n}", cases[i][0]);
    const char *expected = cases[i][1] ? cases[i][1] : cases[i][0];
    char *pretty = text_round(text, false);
    size_t n = strstr(expected, " loc(") ? (size_t)(strstr(expected, " loc(") - expected) : strlen(expected);
    char *at = strstr(pretty, "tensor<4xf32>) {\n    ");
    assert_non_null(at);
    if (!strstr(at, expected) && strncmp(at + 21, expected, n) != 0) fail_msg("expected\n%s\nin\n%s", expected, pretty);
    free(pretty);
  }
}

static const char map_head[] = "func.func @f(%x: tensor<4xf32>, %y: tensor<4xi32>) -> tensor<4xf32> {\n"
                               "  %0 = kern.map %x, %y body {\n  ^bb0(%a: f32, %b: i32):\n";
static const char map_tail[] = "    %r = arith.constant 0.0 : f32\n    kern.yield %r : f32\n"
                               "  } : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xf32>\n  return %0 : tensor<4xf32>\n}";

static void scalars(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"%0 = arith.addi %b, %b : i32", NULL},
      {"%0 = arith.addi %b, %b overflow<nsw, nuw> : i32", "%0 = arith.addi %b, %b : i32"},
      {"%0 = \"arith.addi\"(%b, %b) <{overflowFlags = #arith.overflow<none>}> : (i32, i32) -> i32",
       "%0 = arith.addi %b, %b : i32"},
      {"%0 = arith.mulf %a, %a fastmath<fast> : f32", "%0 = arith.mulf %a, %a : f32"},
      {"%0 = \"math.fma\"(%a, %a, %a) <{fastmath = #arith.fastmath<none>}> : (f32, f32, f32) -> f32",
       "%0 = math.fma %a, %a, %a : f32"},
      {"%0 = arith.addf %a, %a : (f32, f32) -> f32", "%0 = arith.addf %a, %a : f32"},
      {"%0 = math.roundeven %a : f32", NULL},
      {"%0 = arith.cmpf ugt, %a, %a : f32", NULL},
      {"%0 = arith.cmpi sle, %b, %b : i32", NULL},
      {"%0 = \"arith.cmpi\"(%b, %b) <{predicate = 9 : i64}> : (i32, i32) -> i1", "%0 = arith.cmpi uge, %b, %b : i32"},
      {"%t = arith.constant true\n      %0 = arith.select %t, %a, %a : f32", NULL},
      {"%0 = arith.constant -7 : i32", NULL},
      {"%0 = arith.constant 1.5 : f32", NULL},
      {"%0 = arith.constant 5 : index", NULL},
      {"%0 = arith.trunci %b : i32 to i8", NULL},
      {"%0 = arith.sitofp %b : i32 to f32", NULL},
      {"%0 = arith.bitcast %a {my.own} : f32 to i32", NULL},
      {"%0 = quern.gelu_scalar %a {approximate = \"tanh\"} : (f32) -> f32", NULL},
      {"%0 = quern.gelu_scalar %a {approximate = \"none\"} : (f32) -> f32", "%0 = quern.gelu_scalar %a : (f32) -> f32"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[1024];
    snprintf(text, sizeof text, "%s      %s\n%s", map_head, cases[i][0], map_tail);
    char *pretty = text_round(text, false);
    /* Numbers in a region go on from those of the function. */
    char expected[512];
    snprintf(expected, sizeof expected, "%s", cases[i][1] ? cases[i][1] : cases[i][0]);
    char *number = strstr(expected, "%0 =");
    if (number) number[1] = '1';
    if (!strstr(pretty, expected)) fail_msg("expected\n%s\nin\n%s", expected, pretty);
    free(pretty);
  }
}

static void regions(void **state) {
  (void)state;
  prints("func.func @f(%a: tensor<4x64xi8>, %b: tensor<64x8xi8>) -> tensor<4x8xi32> {\n"
         "  %0 = kern.gemm %a, %b prologue {^bb0(%v: i8): kern.yield %v : i8 } epilogue {\n  ^bb0(%acc: i32):\n"
         "    kern.yield %acc : i32\n  } {acc = i32, layout = \"plain\"} : (tensor<4x64xi8>, tensor<64x8xi8>) -> "
         "tensor<4x8xi32>\n"
         "  return %0 : tensor<4x8xi32>\n}",
         "    %0 = kern.gemm %a, %b prologue {\n    ^bb0(%v: i8):\n      kern.yield %v : i8\n    } epilogue {\n"
         "    ^bb0(%acc: i32):\n      kern.yield %acc : i32\n"
         "    } {acc = i32, layout = \"plain\"} : (tensor<4x64xi8>, tensor<64x8xi8>) -> tensor<4x8xi32>\n",
         false);
  prints("\"a.b\"() ({}, {\n^bb0(%x: i32, %1: f32):\n%2 = \"a.c\"(%x) : (i32) -> i8\n}) : () -> ()",
         "  \"a.b\"() ({\n  }, {\n  ^bb0(%x: i32, %arg0: f32):\n    %0 = \"a.c\"(%x) : (i32) -> i8\n  }) : () -> ()\n",
         true);
  /* Results without names, on an op with regions. */
  prints(
      "\"a.b\"() ({ ^bb0(%x: i32): \"a.c\"(%x, %x) : (i32, i32) -> () }) {x} : () -> (i8, i16)",
      "  %0:2 = \"a.b\"() ({\n  ^bb0(%x: i32):\n    \"a.c\"(%x, %x) : (i32, i32) -> ()\n  }) {x} : () -> (i8, i16)\n",
      true);
}

static void names(void **state) {
  (void)state;
  /* Names may come again in another region or function, but not inside. Numbers and argN are given anew. */
  prints("%7 = \"a.b\"() : () -> i8\n%arg3 = \"a.b\"() : () -> i8\n%x-$.y = \"a.b\"(%7) : (i8) -> i8\n"
         "%007 = \"a.b\"(%arg3) : (i8) -> i8",
         "  %0 = \"a.b\"() : () -> i8\n  %1 = \"a.b\"() : () -> i8\n  %x-$.y = \"a.b\"(%0) : (i8) -> i8\n"
         "  %2 = \"a.b\"(%1) : (i8) -> i8\n",
         true);
  prints(
      "\"a.b\"() ({ %x = \"a.b\"() : () -> i8 }, { %x = \"a.b\"() : () -> i8 }) : () -> ()\n%x = \"a.b\"() : () -> i8",
      "    %x = \"a.b\"() : () -> i8\n  }, {\n    %x = \"a.b\"() : () -> i8\n  }) : () -> ()\n  %x = ", true);
  prints("%99999999 = \"a.b\"() : () -> i8\n%4000000000 = \"a.b\"(%99999999) : (i8) -> i8", "%1 = \"a.b\"(%0)", true);
}

static qn_value make(qn_builder *b, const char *hint) {
  qn_type type = qn_type_scalar(qn_module_context(b->module), QN_I8);
  qn_op_desc d = {.name = qn_name_of_c(qn_module_context(b->module), "a.b"), .num_results = 1, .results = &type};
  qn_value v = qn_op_result(b->module, qn_op_create(b, &d), 0);
  qn_value_set_name(b->module, v, qn_name_of_c(qn_module_context(b->module), hint));
  return v;
}

/* Hints that passes and importers leave: equal ones, odd ones, ones that look like the printer's own. */
static void hints(void **state) {
  (void)state;
  static const char *const given[][2] = {{"x", "%x ="},    {"x", "%x_0 ="},       {"x_0", "%x_0_0 ="},
                                         {"x", "%x_1 ="},  {"a/b c", "%a_b_c ="}, {"a b/c", "%a_b_c_0 ="},
                                         {"3d", "%_3d ="}, {"arg0", "%0 ="},      {"12", "%1 ="},
                                         {"", "%2 ="},     {"\xc3\xa4", "%__ ="}};
  qn_context *ctx = text_context(NULL);
  qn_module *m = qn_module_create(ctx);
  qn_builder b = qn_builder_at_end(m, qn_module_body(m));
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) make(&b, given[i][0]);
  char *pretty = text_print(m, false, false);
  const char *at = pretty;
  for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
    at = strstr(at, given[i][1]);
    if (!at) fail_msg("no %s in order in\n%s", given[i][1], pretty);
  }
  char *again = text_round(pretty, true);
  assert_string_equal(again, pretty);
  free(again);
  free(pretty);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

/* A hundred thousand equal hints take no quadratic time. */
static void many_hints(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL);
  qn_module *m = qn_module_create(ctx);
  qn_builder b = qn_builder_at_end(m, qn_module_body(m));
  for (int i = 0; i < 100000; i++) make(&b, "x");
  char *pretty = text_print(m, false, false);
  assert_non_null(strstr(pretty, "%x_99998 = "));
  free(pretty);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

static void aliases(void **state) {
  (void)state;
  char *pretty =
      text_round("!t = tensor<4x!quant.uniform<i8:f32, 0.5>>\n#a = 3 : i8\n#b = [#a, !t]\n#l = loc(\"f\":1:2)\n"
                 "func.func @f(%x: !t) -> !t attributes {q.a = #a, q.b = #b} { return %x : !t loc(#l) }\n",
                 false);
  assert_non_null(strstr(pretty, "attributes {q.a = 3 : i8, q.b = [3 : i8, tensor<4x!quant.uniform<i8:f32, 0.5>>]}"));
  free(pretty);
  /* Long types get one, which all tensors of that element type use. */
  const char *quant = "!quant.uniform<i8<-127:127>:f32:1, {0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.11}>";
  char text[1024];
  snprintf(text, sizeof text, "func.func @f(%%x: tensor<4x10x%s>, %%y: tensor<8x10x%s>) { return }", quant, quant);
  pretty = text_round(text, false);
  snprintf(text, sizeof text,
           "!q0 = %s\nmodule attributes {quern.version = 1} {\n  func.func @f(%%x: tensor<4x10x!q0>, %%y: "
           "tensor<8x10x!q0>) {\n",
           quant);
  assert_memory_equal(pretty, text, strlen(text));
  free(pretty);
}

static void locations(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL);
  qn_module *m = text_parse(ctx,
                            "func.func @f() {\n"
                            "  %0 = \"a.a\"() : () -> i8\n"
                            "  %1 = \"a.b\"() : () -> i8 loc(\"net.onnx\":3:4)\n"
                            "  %2 = \"a.c\"() : () -> i8 loc(\"node\"(\"net.onnx\":5:6))\n"
                            "  %3 = \"a.d\"() : () -> i8 loc(\"node\")\n"
                            "  %4 = \"a.e\"() : () -> i8 loc(callsite(\"in\" at \"out\"))\n"
                            "  %5 = \"a.f\"() : () -> i8 loc(#late)\n"
                            "  %6 = \"a.g\"() : () -> i8 loc(unknown)\n"
                            "  %7 = \"a.h\"() : () -> i8 loc(\"f\":1:2 to 3:4)\n"
                            "  return\n}\n#late = loc(#later)\n#later = loc(\"late.c\":7:8)\n",
                            true);
  if (!m) text_show_diags();
  assert_non_null(m);
  char *text = text_print(m, true, true);
  static const char *const expected[] = {
      "loc(\"test.mlir\":2:8)", "loc(\"net.onnx\":3:4)", "loc(\"node\"(\"net.onnx\":5:6))",
      "loc(\"node\")",          "loc(\"in\")",           "loc(\"late.c\":7:8)",
      "loc(unknown)",           "loc(\"f\":1:2)",        "loc(\"test.mlir\":10:3)",
      "loc(\"test.mlir\":1:1)"};
  const char *at = text;
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    at = strstr(at, expected[i]);
    if (!at) fail_msg("no %s in order in\n%s", expected[i], text);
  }
  free(text);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

static void one_op(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL);
  qn_module *m = text_parse(ctx,
                            "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                            "  %0 = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>\n"
                            "  %1 = quern.exp %0 : (tensor<4xf32>) -> tensor<4xf32>\n"
                            "  return %1 : tensor<4xf32>\n}",
                            false);
  assert_non_null(m);
  text_out out = {0};
  qn_op last = qn_func_return(m, qn_module_function(m, "f"));
  assert_int_equal(qn_print_op(m, qn_op_prev(m, last), NULL, text_write, &out), QN_OK);
  assert_string_equal(out.data, "%1 = quern.exp %0 : (tensor<4xf32>) -> tensor<4xf32>\n");
  out.size = 0;
  qn_print_options generic = {.generic = true};
  assert_int_equal(qn_print_op(m, last, &generic, text_write, &out), QN_OK);
  assert_string_equal(out.data, "\"func.return\"(%1) : (tensor<4xf32>) -> ()\n");
  free(out.data);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

static bool stop_writing(void *user, const char *data, size_t size) {
  (void)data;
  (void)size;
  return --*(int *)user > 0;
}

static void writer_stops(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL);
  qn_module *m = text_parse(ctx, "func.func @f() { return }", false);
  int left = 0;
  assert_int_equal(qn_print(m, NULL, stop_writing, &left), QN_ERR_IO);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

/* ---- errors ---- */

typedef struct expected {
  uint32_t line, col;
  qn_diag_code code;
  const char *words;
} expected;

static void fails_with(const char *text, const expected *e, size_t n) {
  qn_context *ctx = text_context(NULL);
  assert_null(text_parse(ctx, text, false));
  for (size_t i = 0; i < n; i++) {
    const text_diag *d = &text_diags.at[i];
    if (i >= text_diags.count || d->line != e[i].line || d->col != e[i].col || d->code != e[i].code ||
        !strstr(d->message, e[i].words)) {
      text_show_diags();
      fail_msg("diagnostic %u of '%s': expected %s at %u:%u with '%s'", (unsigned)i, text, qn_diag_name(e[i].code),
               (unsigned)e[i].line, (unsigned)e[i].col, e[i].words);
    }
  }
  if (text_diags.count != n) {
    text_show_diags();
    fail_msg("%u diagnostics, expected %u for '%s'", (unsigned)text_diags.count, (unsigned)n, text);
  }
  qn_context_destroy(ctx);
}

static void fails(const char *text, uint32_t line, uint32_t col, qn_diag_code code, const char *words) {
  const expected e = {line, col, code, words};
  fails_with(text, &e, 1);
}

static void single_errors(void **state) {
  (void)state;
  fails("%", 1, 1, QN_DIAG_SYNTAX, "found '%'");
  fails("}", 1, 1, QN_DIAG_SYNTAX, "without a '{'");
  fails("func.func @f() {", 1, 17, QN_DIAG_SYNTAX, "'}' at the end of the region, found the end of the text");
  fails("func.func @f() { return } }", 1, 27, QN_DIAG_SYNTAX, "without a '{'");
  fails("func.func f() { return }", 1, 11, QN_DIAG_SYNTAX, "symbol");
  fails("func.func @f(f32)", 1, 14, QN_DIAG_SYNTAX, "an argument needs a name");
  fails("func.func @f()", 1, 15, QN_DIAG_SYNTAX, "body");
  fails("func.func @f(%x: f32, %x: f32) { return }", 1, 23, QN_DIAG_REDEFINED, "%x");
  fails("%0 = func.func @f() { return }", 1, 6, QN_DIAG_OPERAND_COUNT, "no results");
  fails("func.func @f() {\n  quern.matmull\n  return\n}", 2, 3, QN_DIAG_UNKNOWN_OP, "did you mean 'quern.matmul'?");
  fails("func.func @f() {\n  \"other.thing\"() : () -> ()\n  return\n}", 2, 3, QN_DIAG_UNKNOWN_OP,
        "--allow-unregistered");
  fails("func.func @f() {\n  return %x : f32\n}", 2, 10, QN_DIAG_UNDEFINED, "%x is not defined");
  fails("func.func @f(%x: f32) {\n  return %x : f64\n}", 2, 3, QN_DIAG_TYPE_MISMATCH, "operand 0 is a f32");
  fails("func.func @f(%x: f32) {\n  return %x\n}", 3, 1, QN_DIAG_SYNTAX, "':' and the types");
  fails("func.func @f(%x: f32) {\n  return %x : f32, f32\n}", 2, 3, QN_DIAG_OPERAND_COUNT, "1 operands");
  fails("func.func @f(%x: tensor<4xf32>) {\n  %a, %b = quern.relu %x : (tensor<4xf32>) -> tensor<4xf32>\n  return\n}",
        2, 3, QN_DIAG_OPERAND_COUNT, "2 names for 1 results");
  fails("func.func @f(%x: tensor<4xf32>) {\n  %a = quern.relu %x : tensor<4xf32>\n  return\n}", 2, 24, QN_DIAG_SYNTAX,
        "'('");
  fails("func.func @f(%x: tensor<4xf32>) {\n  %a = quern.relu %x#1 : (tensor<4xf32>) -> tensor<4xf32>\n  return\n}", 2,
        21, QN_DIAG_UNDEFINED, "stands for 1 value");
  fails("func.func @f() {\n  \"quern.relu\"()[^bb1] : () -> ()\n  return\n}", 2, 17, QN_DIAG_UNSUPPORTED, "branches");
  fails("func.func @f() {\n  return\n^bb1:\n  return\n}", 3, 1, QN_DIAG_UNSUPPORTED, "second block");
  fails("func.func @f() {\n  %c = arith.constant \"text\"\n  return\n}", 2, 23, QN_DIAG_ATTRIBUTE, "a constant is");
  fails("func.func @f() {\n  call f() : () -> ()\n  return\n}", 2, 8, QN_DIAG_SYNTAX, "symbol");
  fails("func.func @f(%x: i32) {\n  %0 = arith.cmpi lt, %x, %x : i32\n  return\n}", 2, 19, QN_DIAG_SYNTAX, "slt");
  fails("!a = i8\n!a = i16\n", 2, 1, QN_DIAG_REDEFINED, "!a");
  fails("#a.b = 1", 1, 1, QN_DIAG_SYNTAX, "'.'");
  fails("module {}\nmodule {}", 2, 1, QN_DIAG_UNSUPPORTED, "one module");
  fails("module {}\nfunc.func @f() { return }", 2, 1, QN_DIAG_SYNTAX, "the module ended");
  fails("module attributes {quern.version = 2} {}", 1, 1, QN_DIAG_VERSION, "quern.version = 2");
  fails("module attributes {quern.version = \"1\"} {}", 1, 1, QN_DIAG_ATTRIBUTE, "whole number");
  fails("func.func @f() { return } loc(#nope)", 1, 27, QN_DIAG_UNDEFINED, "#nope");
  fails("{-# dialect_resources: { builtin: { k: \"0x01\" } } #-}", 1, 40, QN_DIAG_ATTRIBUTE, "alignment");
  fails("\xff", 1, 1, QN_DIAG_SYNTAX, "0xFF");
  fails("func.func @f() {\n  %c = \"quern.constant\"() <{value = dense<1> : tensor<2xi8>}> : () -> tensor<2xf32>\n  "
        "return\n}",
        2, 8, QN_DIAG_TYPE_MISMATCH, "bits");
}

static void recovery(void **state) {
  (void)state;
  const expected e[] = {{2, 8, QN_DIAG_UNKNOWN_OP, "quern.nope"},
                        {4, 19, QN_DIAG_UNDEFINED, "%undefined"},
                        {5, 33, QN_DIAG_SYNTAX, "type"},
                        {11, 25, QN_DIAG_SYNTAX, "expected a type"},
                        {16, 3, QN_DIAG_UNKNOWN_OP, "other"}};
  fails_with("func.func @f(%x: tensor<4xf32>) {\n"
             "  %0 = quern.nope %x : (tensor<4xf32>) -> tensor<4xf32>\n"
             "  %1 = quern.relu %0 : (tensor<4xf32>) -> tensor<4xf32>\n" /* no error of its own */
             "  %2 = quern.relu %undefined : (tensor<4xf32>) -> tensor<4xf32>\n"
             "  %3 = quern.exp %2 : (tensor<4xf3>) -> tensor<4xf32>\n"
             "  %4 = quern.exp %3 : (tensor<4xf32>) -> tensor<4xf32>\n"
             "  return\n"
             "}\n"
             "func.func @g() {\n"
             "  return }\n"
             "func.func @h(%x: tensor<nonsense) {\n"
             "  quern.not_even_looked_at {\n"
             "  }\n"
             "}\n"
             "func.func @i() {\n"
             "  other.op\n"
             "  return\n"
             "}\n",
             e, 5);
}

static void error_limit(void **state) {
  (void)state;
  static char text[64 * 1000];
  size_t n = 0;
  for (int i = 0; i < 1000; i++) n += (size_t)sprintf(text + n, "nope.op%d\n", i);
  qn_context *ctx = text_context(NULL);
  assert_null(text_parse(ctx, text, false));
  assert_int_equal(text_diags.errors, 20);
  assert_int_equal(text_diags.count, 21);
  assert_int_equal(text_diags.at[20].severity, QN_NOTE);
  qn_context_destroy(ctx);
}

static void deep_regions(void **state) {
  (void)state;
  enum { DEEP = 20000 };
  static char text[DEEP * 17 + 1];
  for (int kind = 0; kind < 2; kind++) {
    size_t n = 0;
    for (int i = 0; i < DEEP; i++) n += (size_t)sprintf(text + n, kind ? "\"a.b\"() ({\n" : "kern.map body {\n");
    qn_context *ctx = text_context(NULL);
    assert_null(text_parse(ctx, text, true));
    assert_true(text_diags.errors >= 1 && text_diags.errors <= 20);
    qn_context_destroy(ctx);
  }
}

/* Nesting within the limit, each level with a value of its own. */
static void nested_regions(void **state) {
  (void)state;
  char text[8192];
  size_t n = 0;
  for (int i = 0; i < 50; i++) n += (size_t)sprintf(text + n, "%%v%d = \"a.b\"() ({\n", i);
  n += (size_t)sprintf(text + n, "\"a.c\"() : () -> ()\n");
  for (int i = 0; i < 50; i++) n += (size_t)sprintf(text + n, "}) : () -> i8\n");
  free(text_round(text, true));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrapper),       cmocka_unit_test(functions),      cmocka_unit_test(lines),
      cmocka_unit_test(scalars),       cmocka_unit_test(regions),        cmocka_unit_test(names),
      cmocka_unit_test(hints),         cmocka_unit_test(many_hints),     cmocka_unit_test(aliases),
      cmocka_unit_test(locations),     cmocka_unit_test(one_op),         cmocka_unit_test(writer_stops),
      cmocka_unit_test(single_errors), cmocka_unit_test(recovery),       cmocka_unit_test(error_limit),
      cmocka_unit_test(deep_regions),  cmocka_unit_test(nested_regions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
