/* The verifier: structure, positions, table, functions and calls. What single rules say is in test_rules.c. */
#include "ir_test.h"

typedef struct fixture {
  ir_env e;
  qn_op func;
  qn_block body;
  qn_value x;
} fixture;

/* f(x: tensor<4xf32>) -> tensor<4xf32>, without a return yet. */
static void open_function(fixture *f) {
  ir_open(&f->e);
  qn_type t = ir_type(f->e.ctx, "4xf32");
  f->func = ir_function(&f->e, "f", qn_type_function(f->e.ctx, 1, &t, 1, &t));
  f->body = qn_func_body(f->e.m, f->func);
  f->x = qn_block_arg(f->e.m, f->body, 0);
}

static qn_op unary(fixture *f, qn_op_kind kind, qn_value v) {
  qn_type t = ir_type(f->e.ctx, "4xf32");
  return ir_op(&f->e, f->body, kind, 1, &v, 1, &t, NULL, 0);
}

/* A kern.map over x with an empty body; gives the body. */
static qn_block open_map(fixture *f) {
  qn_type t = ir_type(f->e.ctx, "4xf32");
  return qn_op_region(f->e.m, ir_op(&f->e, f->body, QN_OP_MAP, 1, &f->x, 1, &t, NULL, 1), 0);
}

static qn_op negf(fixture *f, qn_block b, qn_value v) {
  qn_type f32 = ir_type(f->e.ctx, "=f32");
  return ir_op(&f->e, b, QN_OP_NEGF, 1, &v, 1, &f32, NULL, 0);
}

static qn_op constant(fixture *f, qn_block b) {
  qn_type t = ir_type(f->e.ctx, "4xf32");
  return ir_op(&f->e, b, QN_OP_CONSTANT, 0, NULL, 1, &t, "value=splat:4xf32", 0);
}

static void finish(fixture *f, qn_value v) {
  ir_end(&f->e, f->body, QN_OP_RETURN, 1, &v);
}

/* Verifies, expects this one error, and closes. */
static void expect_one(fixture *f, qn_diag_code code, const char *part) {
  assert_int_not_equal(qn_module_verify(f->e.m), QN_OK);
  if (f->e.errors != 1) fail_msg("expected one error, found %zu: %s", f->e.errors, f->e.messages);
  assert_int_equal(f->e.code, code);
  ir_expect_error(&f->e, part);
  ir_close(&f->e);
}

static void test_valid(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  finish(&f, qn_op_result(f.e.m, unary(&f, QN_OP_RELU, f.x), 0));
  assert_int_equal(qn_module_verify(f.e.m), QN_OK);
  assert_int_equal(f.e.errors, 0);
  ir_close(&f.e);
}

static void test_order(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  qn_op a = unary(&f, QN_OP_RELU, f.x), b = unary(&f, QN_OP_NEG, qn_op_result(f.e.m, a, 0));
  finish(&f, qn_op_result(f.e.m, b, 0));
  qn_op_move_before(f.e.m, b, a);
  expect_one(&f, QN_DIAG_VERIFY, "used before its definition");

  open_function(&f);
  a = unary(&f, QN_OP_RELU, f.x);
  qn_op_set_operand(f.e.m, a, 0, qn_op_result(f.e.m, a, 0)); /* of itself */
  finish(&f, f.x);
  expect_one(&f, QN_DIAG_VERIFY, "used before its definition");

  open_function(&f);
  a = unary(&f, QN_OP_RELU, f.x);
  qn_op_set_operand(f.e.m, a, 0, (qn_value){0});
  finish(&f, f.x);
  expect_one(&f, QN_DIAG_VERIFY, "operand 0 is no value");
}

static void test_isolation(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  qn_type t = ir_type(f.e.ctx, "4xf32");
  qn_op other = ir_function(&f.e, "g", qn_type_function(f.e.ctx, 1, &t, 1, &t));
  ir_end(&f.e, qn_func_body(f.e.m, other), QN_OP_RETURN, 1, &f.x);
  finish(&f, f.x);
  expect_one(&f, QN_DIAG_VERIFY, "comes from another block");

  /* A kernel's body sees its own arguments only. */
  open_function(&f);
  qn_block region = open_map(&f);
  qn_value arg = ir_arg(&f.e, region, "=f32");
  qn_op neg = negf(&f, region, arg);
  ir_end(&f.e, region, QN_OP_YIELD, 1, &arg);
  finish(&f, f.x);
  assert_int_equal(qn_module_verify(f.e.m), QN_OK);
  qn_op_set_operand(f.e.m, neg, 0, f.x);
  assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
  ir_expect_error(&f.e, "pass it in as an operand");
  ir_close(&f.e);

  /* Unregistered ops see through. */
  open_function(&f);
  qn_op_desc d = {.name = qn_name_of_c(f.e.ctx, "x.loop"), .num_regions = 1};
  qn_builder b = qn_builder_at_end(f.e.m, f.body);
  qn_op loop = qn_op_create(&b, &d);
  qn_op_desc use = {.name = qn_name_of_c(f.e.ctx, "x.use"), .num_operands = 1, .operands = &f.x};
  b = qn_builder_at_end(f.e.m, qn_op_region(f.e.m, loop, 0));
  qn_op_create(&b, &use);
  finish(&f, f.x);
  assert_int_equal(qn_module_verify(f.e.m), QN_OK);
  ir_close(&f.e);
}

static void test_positions(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  qn_block region = open_map(&f);
  qn_value arg = ir_arg(&f.e, region, "=f32");
  constant(&f, region);
  ir_end(&f.e, region, QN_OP_YIELD, 1, &arg);
  finish(&f, f.x);
  expect_one(&f, QN_DIAG_TYPE_MISMATCH, "expected a scalar");

  open_function(&f);
  region = open_map(&f);
  arg = ir_arg(&f.e, region, "=f32");
  qn_value wide = ir_arg(&f.e, region, "4xf32");
  qn_type t = qn_value_type(f.e.m, wide);
  ir_op(&f.e, region, QN_OP_RELU, 1, &wide, 1, &t, NULL, 0);
  ir_end(&f.e, region, QN_OP_YIELD, 1, &arg);
  finish(&f, f.x);
  assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
  assert_non_null(strstr(f.e.messages, "works on tensors and stands in a kernel's region"));
  ir_expect_error(&f.e, "the body has 2 arguments, expected 1");
  ir_close(&f.e);

  open_function(&f);
  negf(&f, f.body, ir_arg(&f.e, f.body, "=f32"));
  finish(&f, f.x);
  assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
  assert_non_null(strstr(f.e.messages, "works on scalars and stands in a function"));
  ir_expect_error(&f.e, "the body has 2 arguments, but function_type has 1 inputs");
  ir_close(&f.e);

  open_function(&f);
  finish(&f, f.x);
  constant(&f, qn_module_body(f.e.m));
  expect_one(&f, QN_DIAG_VERIFY, "stands at the top of the module");

  open_function(&f);
  ir_end(&f.e, f.body, QN_OP_YIELD, 1, &f.x);
  finish(&f, f.x);
  assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
  assert_non_null(strstr(f.e.messages, "ends its block, but ops follow it"));
  ir_expect_error(&f.e, "stands outside of a kernel's region");
  ir_close(&f.e);

  open_function(&f);
  ir_function(&f.e, "empty", (qn_type){0});
  finish(&f, f.x);
  expect_one(&f, QN_DIAG_VERIFY, "region 0 (body) is empty, expected func.return at its end");

  open_function(&f);
  unary(&f, QN_OP_RELU, f.x);
  expect_one(&f, QN_DIAG_VERIFY, "region 0 (body) ends with quern.relu, expected func.return");
}

static void test_result_types(void **state) {
  (void)state;
  static const struct {
    const char *type, *error;
  } rows[] = {
      {"4xf32", NULL},
      {"?xf32", NULL},
      {"nxf32", NULL},
      {"4xcal", NULL},
      {"5xf32", "is declared as tensor<5xf32>, but the operands give tensor<4xf32>"},
      {"4x1xf32", "is declared as"},
      {"4xf16", "is declared as"},
      {"=f32", "is declared as"},
      {NULL, "result 0 has no type"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    fixture f;
    open_function(&f);
    qn_type t = ir_type(f.e.ctx, rows[i].type);
    ir_op(&f.e, f.body, QN_OP_RELU, 1, &f.x, 1, &t, NULL, 0);
    finish(&f, f.x);
    if (rows[i].error) {
      assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
      assert_int_equal(f.e.errors, 1);
      ir_expect_error(&f.e, rows[i].error);
    } else {
      assert_int_equal(qn_module_verify(f.e.m), QN_OK);
    }
    ir_close(&f.e);
  }
}

/* What calibration learned about a value survives inference. */
static void test_infer_keeps_calibration(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  qn_type t = ir_type(f.e.ctx, "?xcal"), out;
  qn_op op = ir_op(&f.e, f.body, QN_OP_RELU, 1, &f.x, 1, &t, NULL, 0);
  assert_int_equal(qn_op_infer(f.e.m, op, &out), QN_OK);
  assert_int_equal(out.id, ir_type(f.e.ctx, "4xcal").id);
  ir_close(&f.e);
}

static void test_type_parameters(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  /* Four scales along an axis of five elements: the type of each cannot say so, the tensor's can. */
  qn_type bad = ir_type(f.e.ctx, "5x4xqa0_4");
  qn_block_add_arg(f.e.m, f.body, bad, (qn_name){0});
  qn_type t = ir_type(f.e.ctx, "4xf32"), in[2] = {t, bad};
  qn_op_set_attr(f.e.m, f.func, "function_type", qn_attr_type(f.e.m, qn_type_function(f.e.ctx, 2, in, 1, &t)));
  finish(&f, f.x);
  assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
  assert_true(f.e.errors >= 1);
  ir_close(&f.e);
}

static void test_all_errors_reported(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  qn_type t = ir_type(f.e.ctx, "4xf32"), wrong = ir_type(f.e.ctx, "3xf32");
  for (uint32_t i = 1; i <= 3; i++) {
    qn_op op = ir_op(&f.e, f.body, QN_OP_SOFTMAX, 1, &f.x, 1, i == 3 ? &wrong : &t,
                     i == 1   ? "axis=9"
                     : i == 2 ? "axes=1"
                              : NULL,
                     0);
    qn_op_set_loc(f.e.m, op, qn_loc_create(f.e.m, qn_str_of("a.mlir"), 10 + i, 1, (qn_str){NULL, 0}));
  }
  finish(&f, f.x);
  assert_int_equal(qn_module_verify(f.e.m), QN_ERR_INPUT);
  assert_int_equal(f.e.errors, 3);
  assert_non_null(strstr(f.e.messages, "11:quern.softmax: axis is 9"));
  assert_non_null(strstr(f.e.messages, "12:quern.softmax: has no attribute 'axes', expected any of: axis"));
  assert_non_null(strstr(f.e.messages, "13:quern.softmax: result 0 is declared as"));
  ir_close(&f.e);
}

static void test_counts(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  qn_type two[2] = {ir_type(f.e.ctx, "4xf32"), ir_type(f.e.ctx, "4xf32")};
  ir_op(&f.e, f.body, QN_OP_RELU, 1, &f.x, 2, two, NULL, 0);
  ir_op(&f.e, f.body, QN_OP_RELU, 1, &f.x, 1, two, NULL, 1);
  ir_op(&f.e, f.body, QN_OP_GEMM, 1, &f.x, 1, two, "acc=!=f32;layout=\"plain\"", 2);
  ir_op(&f.e, f.body, QN_OP_QUANTIZE, 1, &f.x, 1, two, NULL, 0);
  finish(&f, f.x);
  assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
  assert_non_null(strstr(f.e.messages, "has 2 results, expected 1 (y)"));
  assert_non_null(strstr(f.e.messages, "has 1 regions, expected 0 (none)"));
  assert_non_null(strstr(f.e.messages, "has 1 operands, expected at least 2 (a, b, extra*)"));
  assert_non_null(strstr(f.e.messages, "has 1 operands, expected 2 to 3 (x, scale, zero_point?)"));
  ir_close(&f.e);
}

/* ---- functions and calls ---- */

static void test_symbols(void **state) {
  (void)state;
  fixture f;
  open_function(&f);
  finish(&f, f.x);
  qn_op again = ir_function(&f.e, "f", (qn_type){0});
  ir_end(&f.e, qn_func_body(f.e.m, again), QN_OP_RETURN, 0, NULL);
  expect_one(&f, QN_DIAG_REDEFINED, "a function @f exists already");

  open_function(&f);
  finish(&f, f.x);
  qn_op_set_attr(f.e.m, f.func, "sym_name", qn_attr_string(f.e.m, qn_str_of("")));
  expect_one(&f, QN_DIAG_ATTRIBUTE, "sym_name is empty");

  open_function(&f);
  finish(&f, f.x);
  qn_op_set_attr(f.e.m, f.func, "sym_visibility", qn_attr_string(f.e.m, qn_str_of("hidden")));
  expect_one(&f, QN_DIAG_ATTRIBUTE, "expected \"public\" or \"private\"");

  open_function(&f);
  finish(&f, f.x);
  qn_op_set_attr(f.e.m, f.func, "arg_attrs", qn_attr_array(f.e.m, 0, NULL));
  expect_one(&f, QN_DIAG_ATTRIBUTE, "arg_attrs has 0 entries");

  open_function(&f);
  qn_op_set_attr(f.e.m, f.func, "function_type", qn_attr_type(f.e.m, ir_type(f.e.ctx, "4xf32")));
  finish(&f, f.x);
  assert_int_not_equal(qn_module_verify(f.e.m), QN_OK);
  ir_expect_error(&f.e, "expected a function type");
  ir_close(&f.e);

  open_function(&f);
  ir_end(&f.e, f.body, QN_OP_RETURN, 0, NULL);
  expect_one(&f, QN_DIAG_OPERAND_COUNT, "returns 0 values, but the function's type has 1 results");

  open_function(&f);
  qn_type i8 = ir_type(f.e.ctx, "4xi8");
  qn_op cast = ir_op(&f.e, f.body, QN_OP_CAST, 1, &f.x, 1, &i8, NULL, 0);
  finish(&f, qn_op_result(f.e.m, cast, 0));
  expect_one(&f, QN_DIAG_TYPE_MISMATCH, "returns tensor<4xi8> as result 0");
}

static qn_op add_call(ir_env *e, const char *caller, const char *callee) {
  qn_type t = ir_type(e->ctx, "4xf32");
  qn_op func = qn_module_function(e->m, caller);
  if (!func.id) {
    func = ir_function(e, caller, qn_type_function(e->ctx, 1, &t, 1, &t));
    qn_value arg = qn_block_arg(e->m, qn_func_body(e->m, func), 0);
    ir_end(e, qn_func_body(e->m, func), QN_OP_RETURN, 1, &arg);
  }
  if (!callee) return func;
  qn_block body = qn_func_body(e->m, func);
  qn_value arg = qn_block_arg(e->m, body, 0);
  char attrs[64];
  snprintf(attrs, sizeof attrs, "callee=@%s", callee);
  qn_op ret = qn_block_last(e->m, body);
  qn_op call = ir_op(e, body, QN_OP_CALL, 1, &arg, 1, &t, attrs, 0);
  qn_op_move_before(e->m, call, ret);
  return call;
}

static void test_calls(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  add_call(&e, "a", "b"); /* b is defined later, and called twice */
  add_call(&e, "a", "b");
  add_call(&e, "b", "c");
  add_call(&e, "a", "c");
  add_call(&e, "c", NULL);
  assert_int_equal(qn_module_verify(e.m), QN_OK);
  qn_op back = add_call(&e, "c", "a");
  assert_int_not_equal(qn_module_verify(e.m), QN_OK);
  assert_int_equal(e.errors, 1);
  ir_expect_error(&e, "@a calls itself, here or through others");
  qn_op_set_attr(e.m, back, "callee", qn_attr_symbol(e.m, qn_str_of("c")));
  assert_int_not_equal(qn_module_verify(e.m), QN_OK);
  ir_expect_error(&e, "@c calls itself");
  qn_op_set_attr(e.m, back, "callee", qn_attr_symbol(e.m, qn_str_of("nobody")));
  assert_int_not_equal(qn_module_verify(e.m), QN_OK);
  assert_int_equal(e.errors, 1);
  ir_expect_error(&e, "no function @nobody in this module");
  qn_type other = ir_type(e.ctx, "5xf32");
  qn_op d = ir_function(&e, "d", qn_type_function(e.ctx, 1, &other, 1, &other));
  qn_value arg = qn_block_arg(e.m, qn_func_body(e.m, d), 0);
  ir_end(&e, qn_func_body(e.m, d), QN_OP_RETURN, 1, &arg);
  qn_op_set_attr(e.m, back, "callee", qn_attr_symbol(e.m, qn_str_of("d")));
  assert_int_not_equal(qn_module_verify(e.m), QN_OK);
  ir_expect_error(&e, "passes tensor<4xf32> as argument 0, but @d takes tensor<5xf32>");
  qn_op none = ir_function(&e, "n", (qn_type){0});
  ir_end(&e, qn_func_body(e.m, none), QN_OP_RETURN, 0, NULL);
  qn_op_set_attr(e.m, back, "callee", qn_attr_symbol(e.m, qn_str_of("n")));
  assert_int_not_equal(qn_module_verify(e.m), QN_OK);
  ir_expect_error(&e, "passes 1 values, but @n takes 0");
  ir_close(&e);
}

/* A chain of calls as long as the module: no recursion in the search either, and linear time. */
static void test_long_call_chain(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  enum { FUNCS = 50000 };
  qn_op first = {0};
  for (int i = 0; i < FUNCS; i++) {
    char name[16], callee[32];
    snprintf(name, sizeof name, "f%d", i);
    snprintf(callee, sizeof callee, "callee=@f%d", i + 1);
    qn_op func = ir_function(&e, name, (qn_type){0});
    if (!first.id) first = func;
    if (i + 1 < FUNCS) ir_op(&e, qn_func_body(e.m, func), QN_OP_CALL, 0, NULL, 0, NULL, callee, 0);
    ir_end(&e, qn_func_body(e.m, func), QN_OP_RETURN, 0, NULL);
  }
  assert_int_equal(qn_module_verify(e.m), QN_OK);
  qn_op call = qn_block_first(e.m, qn_func_body(e.m, first));
  qn_op_set_attr(e.m, call, "callee", qn_attr_symbol(e.m, qn_str_of("f0")));
  assert_int_not_equal(qn_module_verify(e.m), QN_OK);
  assert_int_equal(e.errors, 1);
  ir_close(&e);
}

static void test_version(void **state) {
  (void)state;
  static const struct {
    int64_t version;
    qn_diag_code code;
  } rows[] = {{1, QN_DIAG_NOTE}, {2, QN_DIAG_VERSION}, {0, QN_DIAG_ATTRIBUTE}};
  for (size_t i = 0; i < 3; i++) {
    fixture f;
    open_function(&f);
    finish(&f, f.x);
    qn_module_set_attr(f.e.m, "quern.version", qn_attr_int(f.e.m, (qn_type){0}, rows[i].version));
    if (rows[i].code == QN_DIAG_NOTE) {
      assert_int_equal(qn_module_verify(f.e.m), QN_OK);
      qn_module_set_attr(f.e.m, "quern.version", qn_attr_string(f.e.m, qn_str_of("1")));
      expect_one(&f, QN_DIAG_ATTRIBUTE, "quern.version is no integer");
    } else {
      expect_one(&f, rows[i].code, "quern.version");
    }
  }
}

static void test_attribute_kinds(void **state) {
  (void)state;
  static const struct {
    qn_op_kind kind;
    const char *attrs, *error;
  } rows[] = {
      {QN_OP_MATMUL, "transpose_b=unit", "'transpose_b' is a name without value, expected true or false"},
      {QN_OP_MATMUL, "transpose_b=1", "'transpose_b' is an integer, expected true or false"},
      {QN_OP_SOFTMAX, "axis=1.0", "'axis' is a float, expected an integer"},
      {QN_OP_SOFTMAX, "axis=true", "'axis' is a bool, expected an integer"},
      {QN_OP_RESHAPE, "shape=4", "'shape' is an integer, expected integers such as array<i64: 1, 2>"},
      {QN_OP_OBSERVE, "key=@a", "'key' is a symbol, expected a string"},
      {QN_OP_PACKED, "layout=\"k4n8\";value=1", "'value' is an integer, expected dense"},
      {QN_OP_CALL, "callee=\"a\"", "'callee' is a string, expected a symbol"},
      {QN_OP_FUNC, "sym_name=\"a\";function_type=!=f32;arg_attrs=1", "'arg_attrs' is an integer, expected an array"},
  };
  fixture f;
  open_function(&f);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    qn_op op = ir_op(&f.e, f.body, rows[i].kind, 1, &f.x, 1, NULL, rows[i].attrs, 0);
    assert_int_not_equal(qn_op_verify(f.e.m, op), QN_OK);
    ir_expect_error(&f.e, rows[i].error);
    qn_op_erase(f.e.m, op);
  }
  qn_attr floats = qn_attr_ints(f.e.m, QN_F32, 1, (const int64_t[]){0});
  if (floats.id) {
    qn_op op = ir_op(&f.e, f.body, QN_OP_RESHAPE, 1, &f.x, 1, NULL, NULL, 0);
    qn_op_set_attr(f.e.m, op, "shape", floats);
    assert_int_not_equal(qn_op_verify(f.e.m, op), QN_OK);
    ir_expect_error(&f.e, "an array of floats");
  }
  ir_close(&f.e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_valid),           cmocka_unit_test(test_order),
      cmocka_unit_test(test_isolation),       cmocka_unit_test(test_positions),
      cmocka_unit_test(test_result_types),    cmocka_unit_test(test_infer_keeps_calibration),
      cmocka_unit_test(test_type_parameters), cmocka_unit_test(test_all_errors_reported),
      cmocka_unit_test(test_counts),          cmocka_unit_test(test_symbols),
      cmocka_unit_test(test_calls),           cmocka_unit_test(test_long_call_chain),
      cmocka_unit_test(test_version),         cmocka_unit_test(test_attribute_kinds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
