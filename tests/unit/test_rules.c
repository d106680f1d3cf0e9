/* The rule of every op: what it infers, and what it refuses. */
#include "rule_cases.h"

static bool covered[QN_OP_KIND_COUNT];

static void check_results(ir_env *e, const rule_case *c, qn_op op, const qn_type *types) {
  char copy[128];
  snprintf(copy, sizeof copy, "%s", c->results);
  uint32_t n = 0;
  for (char *t = strtok(copy, " "); t; t = strtok(NULL, " "), n++) {
    qn_type want = ir_type(e->ctx, t);
    if (!qn_type_eq(want, types[n]))
      fail_msg("%s: result %u is %s, expected %s", qn_op_info_get(c->kind)->name, n,
               qn_type_text(e->ctx, types[n]).data, qn_type_text(e->ctx, want).data);
  }
  assert_int_equal(n, qn_op_num_results(e->m, op));
}

static void run_case(ir_env *e, qn_block body, const rule_case *c) {
  qn_value operands[4];
  uint32_t n = 0;
  while (n < 4 && c->operands[n]) {
    operands[n] = ir_arg(e, body, c->operands[n]);
    n++;
  }
  uint32_t num_results = c->kind == QN_OP_DYNAMIC_QUANTIZE ? 3 : 1;
  qn_type declared[3] = {ir_type(e->ctx, c->declared)}, inferred[3] = {{0}};
  qn_op op = ir_op(e, body, c->kind, n, operands, num_results, declared, c->attrs, 0);
  qn_status status = qn_op_infer(e->m, op, inferred);
  if (c->error) {
    if (status == QN_OK) fail_msg("%s passed, expected '%s'", qn_op_info_get(c->kind)->name, c->error);
    assert_true(e->errors > 0);
    ir_expect_error(e, c->error);
  } else {
    if (status != QN_OK) fail_msg("%s failed: %s", qn_op_info_get(c->kind)->name, e->messages);
    assert_int_equal(e->errors, 0);
    check_results(e, c, op, inferred);
    covered[c->kind] = true;
  }
  qn_op_erase(e->m, op);
}

static void run_table(const rule_case *cases, size_t n, bool in_kernel) {
  ir_env e;
  ir_open(&e);
  qn_op func = ir_function(&e, "f", (qn_type){0});
  qn_block body = qn_func_body(e.m, func);
  if (in_kernel) body = qn_op_region(e.m, ir_op(&e, body, QN_OP_ROW, 0, NULL, 0, NULL, NULL, 1), 0);
  for (size_t i = 0; i < n; i++) run_case(&e, body, &cases[i]);
  ir_close(&e);
}

#define RUN(table, in_kernel) run_table(table, sizeof table / sizeof *table, in_kernel)

static void test_elementwise(void **state) {
  (void)state;
  RUN(elementwise, false);
}

static void test_quantization(void **state) {
  (void)state;
  RUN(quantization, false);
}

static void test_products(void **state) {
  (void)state;
  RUN(products, false);
}

static void test_scalars(void **state) {
  (void)state;
  RUN(scalars, true);
}

/* Scales of blocks along two axes move with the axes. */
static void test_transpose_blocks(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value x = ir_arg(&e, body, "2x12xqb4_2x3"); /* scales {{1,2,3},{4,5,6}} */
  qn_type y;
  qn_op op = ir_op(&e, body, QN_OP_TRANSPOSE, 1, &x, 1, NULL, "perm=[1,0]", 0);
  assert_int_equal(qn_op_infer(e.m, op, &y), QN_OK);
  const qn_quant *q = qn_type_as_quant(e.ctx, qn_type_elem(e.ctx, y));
  assert_non_null(q);
  static const float want[6] = {1, 4, 2, 5, 3, 6};
  assert_int_equal(q->num_scales, 6);
  assert_memory_equal(q->scales, want, sizeof want);
  assert_int_equal(q->blocks[0].axis, 0);
  assert_int_equal(q->blocks[0].size, 4);
  assert_int_equal(q->blocks[1].axis, 1);
  assert_int_equal(q->blocks[1].size, 1);
  ir_close(&e);
}

/* ---- kernels ---- */

static qn_value fill(ir_env *e, qn_block b, const char *arg_types, qn_op_kind last, const char *yield) {
  char copy[128];
  snprintf(copy, sizeof copy, "%s", arg_types);
  for (char *t = strtok(copy, " "); t; t = strtok(NULL, " ")) ir_arg(e, b, t);
  qn_value v = qn_block_arg(e->m, b, 0);
  if (last != QN_OP_UNREGISTERED) {
    qn_type type = ir_type(e->ctx, yield);
    v = qn_op_result(e->m, ir_op(e, b, last, 1, &v, 1, &type, NULL, 0), 0);
  }
  ir_end(e, b, QN_OP_YIELD, 1, &v);
  return v;
}

static void run_gemm(ir_env *e, qn_block body, const gemm_case *c) {
  const char *texts[4] = {c->a, c->b, c->extra1, c->extra2};
  qn_value operands[4];
  uint32_t n = 0;
  for (; n < 4 && texts[n]; n++) operands[n] = ir_arg(e, body, texts[n]);
  qn_type declared = ir_type(e->ctx, c->declared), inferred = {0};
  qn_op op = ir_op(e, body, QN_OP_GEMM, n, operands, 1, &declared, c->attrs, 2);
  fill(e, qn_op_region(e->m, op, 0), c->prologue, c->prologue_op, c->lhs);
  fill(e, qn_op_region(e->m, op, 1), c->epilogue, c->epilogue_op, c->yield);
  qn_status status = qn_op_infer(e->m, op, &inferred);
  if (c->error) {
    assert_int_not_equal(status, QN_OK);
    ir_expect_error(e, c->error);
  } else {
    if (status != QN_OK) fail_msg("gemm: %s", e->messages);
    assert_int_equal(inferred.id, ir_type(e->ctx, c->result).id);
    if (!c->declared) qn_value_set_type(e->m, qn_op_result(e->m, op, 0), inferred);
    assert_int_equal(qn_op_verify(e->m, op), QN_OK);
    covered[QN_OP_GEMM] = true;
  }
  qn_op_erase(e->m, op);
}

static void test_gemm(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  for (size_t i = 0; i < sizeof gemms / sizeof *gemms; i++) run_gemm(&e, body, &gemms[i]);
  ir_close(&e);
}

typedef struct block_case {
  const char *a, *rows; /* rows: attributes of the kern.block_rows in front of it, null for none */
  const char *b, *attrs, *acc, *result, *error;
} block_case;
#define ROWS "block=8;offset=128"
static const block_case block_gemms[] = {
    {"4x8xf32", ROWS, "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=f32", "4x5xf32", NULL},
    {"2x?x8xf32", ROWS, "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=f32", "2x?x5xf32", NULL},
    {"4x8xf32", NULL, "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=f32", "4x5xf32", NULL},
    {"4x8xf32", NULL, "320xi8", "layout=\"b8p32v4f32\";k=8;n=5", "=f32", "4x5xf32", NULL},
    {"4x8xf32", ROWS, "320xi8", "layout=\"b8p32v4f32\";k=8;n=5", "=f32", NULL, "codes that are no floats"},
    {"4x8xf32", ROWS, "320xi8", "layout=\"k4n64\";k=8;n=5", "=f32", NULL, "expected a block layout"},
    {"4x8xf32", ROWS, "320xi8", "layout=\"b8p32i8f16\";k=8;n=33", "=f32", NULL, "expected tensor<640xi8>"},
    {"4x8xf32", ROWS, "320xi8", "layout=\"b8p32i8f16\";k=9;n=5", "=f32", NULL, "expected rows of 32 elements"},
    {"4x8xf32", ROWS, "320xi8", "layout=\"b8p32i8f16\";k=-1;n=5", "=f32", NULL, "expected sizes and a matrix"},
    {"16xi8", NULL, "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=f32", NULL, "expected sizes and a matrix"},
    {"4x16xui8", NULL, "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=f32", NULL, "expected f32, or rows of i8"},
    {"4x16xi8", NULL, "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=f32", NULL,
     "come from kern.block_rows with block 8"},
    {"4x8xf32", "block=8;offset=8", "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=f32", NULL, "and offset 128"},
    {"4x8xf32", ROWS, "320xi8", "layout=\"b8p32i8f16\";k=8;n=5", "=i32", NULL, "argument 0 of the epilogue"},
    {"4x8xf32", ROWS, "320xi8", "layout=\"b8p32i8f16\";k=8;n=9223372036854775807", "=f32", NULL, "does not fit memory"},
};

static void test_block_gemm(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  for (size_t i = 0; i < sizeof block_gemms / sizeof *block_gemms; i++) {
    const block_case *c = &block_gemms[i];
    qn_value operands[2] = {ir_arg(&e, body, c->a), ir_arg(&e, body, c->b)};
    qn_type t;
    if (c->rows) {
      qn_op rows = ir_op(&e, body, QN_OP_BLOCK_ROWS, 1, operands, 1, NULL, c->rows, 0);
      assert_int_equal(qn_op_infer(e.m, rows, &t), QN_OK);
      operands[0] = qn_op_result(e.m, rows, 0);
      qn_value_set_type(e.m, operands[0], t);
    }
    qn_op op = ir_op(&e, body, QN_OP_BLOCK_GEMM, 2, operands, 1, NULL, c->attrs, 1);
    fill(&e, qn_op_region(e.m, op, 0), c->acc, 0, NULL);
    qn_status status = qn_op_infer(e.m, op, &t);
    assert_int_equal(status == QN_OK, c->error == NULL);
    if (c->error)
      ir_expect_error(&e, c->error);
    else
      assert_int_equal(t.id, ir_type(e.ctx, c->result).id);
    qn_op_erase(e.m, op);
  }
  covered[QN_OP_BLOCK_GEMM] = true;
  ir_close(&e);
}

static void test_gemm_packed(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value a = ir_arg(&e, body, "4x8xui8"), b = ir_arg(&e, body, "8x5xi8");
  qn_type bt = qn_value_type(e.m, b), y = ir_type(e.ctx, "4x5xi32"), t;
  qn_op pack = ir_op(&e, body, QN_OP_PACK, 1, &b, 1, &bt, "layout=\"k4n64\"", 0);
  const qn_value operands[2] = {a, qn_op_result(e.m, pack, 0)};
  qn_op gemm = ir_op(&e, body, QN_OP_GEMM, 2, operands, 1, &y, "acc=!=i32;layout=\"k4n64\"", 2);
  fill(&e, qn_op_region(e.m, gemm, 0), "=i8", 0, NULL);
  fill(&e, qn_op_region(e.m, gemm, 1), "=i32", 0, NULL);
  assert_int_equal(qn_op_infer(e.m, gemm, &t), QN_OK);
  assert_int_equal(qn_op_infer(e.m, pack, &t), QN_OK);
  qn_op_set_attr(e.m, gemm, "layout", qn_attr_string(e.m, qn_str_of("k4n32")));
  assert_int_not_equal(qn_op_infer(e.m, gemm, &t), QN_OK);
  ir_expect_error(&e, "does not come from kern.pack");
  assert_int_not_equal(qn_op_infer(e.m, pack, &t), QN_OK);
  ir_expect_error(&e, "expected only kern.gemm or kern.window of layout \"k4n64\"");
  qn_op_set_attr(e.m, gemm, "layout", qn_attr_string(e.m, qn_str_of("plain")));
  assert_int_not_equal(qn_op_infer(e.m, gemm, &t), QN_OK);
  ir_expect_error(&e, "operand 'b' is packed");
  ir_close(&e);
}

/* q, packed k^T and v in layouts of one width each; regions as given: argument types, and the type yielded. */
static void test_attention(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value q = ir_arg(&e, body, "2x4x8xf32"), k = ir_arg(&e, body, "2x8x6xf32"), v = ir_arg(&e, body, "2x6x3xf32"),
           mask = ir_arg(&e, body, "4x6xi1");
  qn_type kt = qn_value_type(e.m, k), vt = qn_value_type(e.m, v), none = {0}, t;
  qn_value kp = qn_op_result(e.m, ir_op(&e, body, QN_OP_PACK, 1, &k, 1, &kt, "layout=\"k1n32\"", 0), 0);
  qn_value vp = qn_op_result(e.m, ir_op(&e, body, QN_OP_PACK, 1, &v, 1, &vt, "layout=\"k1n16\"", 0), 0);
  const qn_value operands[4] = {q, kp, vp, mask};
  qn_op op = ir_op(&e, body, QN_OP_KERN_ATTENTION, 4, operands, 1, &none,
                   "acc=!=f32;layout_k=\"k1n32\";layout_v=\"k1n16\";key_block=32", 3);
  fill(&e, qn_op_region(e.m, op, 0), "=f32 =i1", 0, NULL);
  fill(&e, qn_op_region(e.m, op, 1), "=f32 =f32", 0, NULL);
  fill(&e, qn_op_region(e.m, op, 2), "=f32 =f32", 0, NULL);
  if (qn_op_infer(e.m, op, &t) != QN_OK) fail_msg("attention: %s", e.messages);
  assert_int_equal(t.id, ir_type(e.ctx, "2x4x3xf32").id);
  assert_int_equal(qn_op_infer(e.m, qn_value_op(e.m, kp), &t), QN_OK);
  covered[QN_OP_KERN_ATTENTION] = true;
  qn_op_set_attr(e.m, op, "layout_v", qn_attr_string(e.m, qn_str_of("k1n32")));
  assert_int_not_equal(qn_op_infer(e.m, op, &t), QN_OK);
  ir_expect_error(&e, "does not come from kern.pack");
  assert_int_not_equal(qn_op_infer(e.m, qn_value_op(e.m, vp), &t), QN_OK);
  ir_expect_error(&e, "the packed matrix is used by kern.attention");
  qn_op_set_attr(e.m, op, "layout_v", qn_attr_string(e.m, qn_str_of("k1n16")));
  qn_op_set_attr(e.m, op, "key_block", qn_attr_int(e.m, qn_type_scalar(e.ctx, QN_I64), 64));
  assert_int_not_equal(qn_op_infer(e.m, op, &t), QN_OK);
  ir_expect_error(&e, "expected one per key block of 64");
  qn_op_set_attr(e.m, op, "key_block", qn_attr_int(e.m, qn_type_scalar(e.ctx, QN_I64), 32));
  qn_op_set_attr(e.m, op, "acc", qn_attr_type(e.m, qn_type_scalar(e.ctx, QN_I32)));
  assert_int_not_equal(qn_op_infer(e.m, op, &t), QN_OK);
  ir_expect_error(&e, "expected f32 throughout");
  ir_close(&e);
}

static void test_windows(void **state) {
  (void)state;
  static const struct {
    qn_op_kind kind;
    const char *x, *w, *attrs, *acc, *result, *error;
  } cases[] = {
      {QN_OP_GEMM, "nx5x6x4xui8", "36x7xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,2,1,1]", "=i32", "nx3x2x7xi32",
       0},
      {QN_OP_GEMM, "2x5x6x4xui8", "2x18x3xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,2,1,1];groups=2", "=i32",
       "2x3x2x6xi32", 0},
      {QN_OP_GEMM, "2x5x6x4xui8", "35x7xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,2,1,1]", "=i32", 0,
       "expected 36 rows"},
      {QN_OP_GEMM, "5x6x4xui8", "36x7xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,2,1,1]", "=i32", 0,
       "expected an image"},
      {QN_OP_GEMM, "2x5x6x4xui8", "36x7xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,2,1]", "=i32", 0, "six numbers"},
      {QN_OP_GEMM, "2x5x6x4xui8", "36x7xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,1,3,1]", "=i32", 0,
       "the window spans 7"},
      {QN_OP_GEMM, "2x5x6x4xui8", "36x7xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,1,1,1];transpose_a=true", "=i32",
       0, "one or the other"},
      {QN_OP_GEMM, "nx5x6x4xui8", "36x7xi8",
       "acc=!=i32;layout=\"plain\";window=[3,3,1,2,1,1];pads=[1,2,1,1];border=255", "=i32", "nx5x4x7xi32", 0},
      {QN_OP_GEMM, "2x5x6x4xf32", "36x7xf32", "acc=!=f32;layout=\"plain\";window=[3,3,1,1,1,1];pads=[1,1,1,1];border=1",
       "=f32", 0, "border is 1, expected a value of f32 and pads"},
      {QN_OP_GEMM, "2x5x6x4xui8", "36x7xi8", "acc=!=i32;layout=\"plain\";window=[3,3,1,1,1,1];border=3", "=i32", 0,
       "3 without pads"},
      {QN_OP_GEMM, "6x4xui8", "4x7xi8", "acc=!=i32;layout=\"plain\";pads=[1,1,1,1]", "=i32", 0, "not six numbers"},
      {QN_OP_GEMM, "2x9x9x4xui8", "324x7xi8", "acc=!=i32;layout=\"plain\";window=[9,9,1,1,1,1];pads=[1,1,1,1]", "=i32",
       0, "expected at most 64 of 4096"},
      {QN_OP_GEMM, "2x9x9x4100xui8", "16400x7xi8", "acc=!=i32;layout=\"plain\";window=[2,2,1,1,1,1];pads=[1,1,1,1]",
       "=i32", 0, "4 positions of 4100 bytes"},
      {QN_OP_WINDOW, "nx5x6x4xf32", 0, "combine=\"sum\";acc=!=f32;window=[3,3,1,2,1,1]", "=f32", "nx3x2x4xf32", 0},
      {QN_OP_WINDOW, "2x5x6x4xui8", "9x4xi8", "combine=\"dot\";acc=!=i32;window=[3,3,1,1,1,1]", "=i32", "2x3x4x4xi32",
       0},
      {QN_OP_WINDOW, "2x5x6x4xui8", "9x3xi8", "combine=\"dot\";acc=!=i32;window=[3,3,1,1,1,1]", "=i32", 0,
       "a row of 4 channels"},
      {QN_OP_WINDOW, "2x5x6x4xui8", "9x4xi8",
       "combine=\"dot\";acc=!=i32;window=[3,3,2,2,1,1];pads=[1,2,1,0];border=255", "=i32", "2x3x3x4xi32", 0},
      {QN_OP_WINDOW, "2x5x6x4xui8", "9x4xi8",
       "combine=\"dot\";acc=!=i32;window=[3,3,1,1,1,1];pads=[1,1,1,1];border=256", "=i32", 0,
       "expected a value of ui8 and pads"},
      {QN_OP_WINDOW, "2x5x6x4xui8", "9x4xi8", "combine=\"dot\";acc=!=i32;window=[3,3,1,1,1,1];border=2", "=i32", 0,
       "2 without pads"},
      {QN_OP_WINDOW, "2x5x6x4xui8", "9x4xi8", "combine=\"dot\";acc=!=i32;window=[3,3,1,1,1,1];pads=[1,-1,1,1]", "=i32",
       0, "is not six numbers"},
      {QN_OP_WINDOW, "nx5x6x4xf32", 0, "combine=\"sum\";acc=!=f32;window=[3,3,1,2,1,1];pads=[1,1,1,1]", "=f32",
       "nx5x3x4xf32", 0},
      {QN_OP_WINDOW, "2x5x6x4xi8", 0, "combine=\"max\";acc=!=i8;window=[3,3,1,1,1,1];pads=[1,1,1,1];border=1", "=i8", 0,
       "border is given"},
      {QN_OP_WINDOW, "2x5x6x4xf32", "9x4xf32", "combine=\"dot\";acc=!=f32;window=[3,3,1,1,1,1];pads=[1,1,1,1]", "=f32",
       "2x5x6x4xf32", 0},
      {QN_OP_WINDOW, "2x5x6x4xf32", "9x4xf32", "combine=\"dot\";acc=!=f32;window=[3,3,1,1,1,1];pads=[1,1,1,1];border=1",
       "=f32", 0, "border is 1, expected a value of f32"},
      {QN_OP_WINDOW, "2x5x6x4xui8", 0, "combine=\"dot\";acc=!=i32;window=[3,3,1,1,1,1]", "=i32", 0, "has no extra"},
      {QN_OP_WINDOW, "2x5x6x4xi8", 0, "combine=\"sum\";acc=!=i8;window=[3,3,1,1,1,1]", "=i8", 0, "f32 or f64 for sums"},
      {QN_OP_WINDOW, "2x5x6x4xi8", 0, "combine=\"max\";acc=!=i8;window=[3,0,1,1,1,1]", "=i8", 0, "not six numbers"},
      {QN_OP_PAD, "2x5x6x4xi8", 0, "pads=[1,2,3,4]", "=i8", "2x9x12x4xi8", 0},
      {QN_OP_PAD, "2x5x6x4xi8", "2xi8", "pads=[1,2,3,4]", "=i8", 0, "expected one element"},
      {QN_OP_PAD, "2x5x6x4xi8", 0, "pads=[1,2,-3,4]", "=i8", 0, "four pads"},
  };
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    qn_op_kind kind = cases[i].kind;
    qn_value operands[2] = {ir_arg(&e, body, cases[i].x)};
    if (cases[i].w) operands[1] = ir_arg(&e, body, cases[i].w);
    qn_type t;
    bool gemm = kind == QN_OP_GEMM, pad = kind == QN_OP_PAD;
    qn_op op = ir_op(&e, body, kind, cases[i].w ? 2 : 1, operands, 1, NULL, cases[i].attrs, gemm ? 2 : 1);
    if (gemm) fill(&e, qn_op_region(e.m, op, 0), "=i8", 0, NULL);
    qn_block region = qn_op_region(e.m, op, gemm ? 1 : 0);
    qn_value both[2] = {ir_arg(&e, region, cases[i].acc)};
    both[1] = both[0];
    if (pad && cases[i].w) ir_arg(&e, region, cases[i].acc);
    ir_end(&e, region, QN_OP_YIELD, pad ? 2 : 1, both);
    qn_status status = qn_op_infer(e.m, op, &t);
    if (cases[i].error) {
      assert_int_not_equal(status, QN_OK);
      ir_expect_error(&e, cases[i].error);
    } else {
      if (status != QN_OK) fail_msg("%s: %s", cases[i].attrs, e.messages);
      assert_int_equal(t.id, ir_type(e.ctx, cases[i].result).id);
      covered[kind] = true;
    }
    qn_op_erase(e.m, op);
  }
  ir_close(&e);
}

static void test_map(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  const qn_value in[2] = {ir_arg(&e, body, "nx1xqu8"), ir_arg(&e, body, "4xf32")};
  qn_type declared = ir_type(e.ctx, "?x4xui8"), t;
  qn_op op = ir_op(&e, body, QN_OP_MAP, 2, in, 1, &declared, NULL, 1);
  fill(&e, qn_op_region(e.m, op, 0), "=i8 =f32", 0, NULL);
  assert_int_equal(qn_op_infer(e.m, op, &t), QN_OK);
  assert_int_equal(t.id, ir_type(e.ctx, "nx4xui8").id);
  covered[QN_OP_MAP] = true;
  qn_op_set_attr(e.m, op, "perm", qn_attr_ints(e.m, QN_I64, 2, (const int64_t[]){1, 0}));
  assert_int_not_equal(qn_op_infer(e.m, op, &t), QN_OK);
  ir_expect_error(&e, "expected a single one");
  qn_type none = {0};
  qn_op one = ir_op(&e, body, QN_OP_MAP, 1, in, 1, &none, "perm=[1,0]", 1);
  fill(&e, qn_op_region(e.m, one, 0), "=i8", 0, NULL);
  assert_int_equal(qn_op_infer(e.m, one, &t), QN_OK);
  assert_int_equal(t.id, ir_type(e.ctx, "1xnxi8").id);
  qn_op empty = ir_op(&e, body, QN_OP_MAP, 0, NULL, 1, &none, NULL, 1);
  fill(&e, qn_op_region(e.m, empty, 0), "=i8", 0, NULL);
  assert_int_not_equal(qn_op_infer(e.m, empty, &t), QN_OK);
  ir_expect_error(&e, "has no inputs");
  qn_op bare = ir_op(&e, body, QN_OP_MAP, 1, in, 1, &none, NULL, 1);
  ir_arg(&e, qn_op_region(e.m, bare, 0), "=i8");
  assert_int_not_equal(qn_op_infer(e.m, bare, &t), QN_OK);
  ir_expect_error(&e, "does not end with kern.yield");
  ir_close(&e);
}

static void test_row(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value x = ir_arg(&e, body, "nx8xf32");
  qn_type declared[2] = {ir_type(e.ctx, "?x1xf32"), ir_type(e.ctx, "?x8xf32")}, t[2], scalar;
  qn_op op = ir_op(&e, body, QN_OP_ROW, 1, &x, 2, declared, NULL, 1);
  qn_block row = qn_op_region(e.m, op, 0);
  qn_value v = ir_arg(&e, row, "=f32");
  qn_type f32 = ir_type(e.ctx, "=f32");
  static const qn_op_kind alls[3] = {QN_OP_ALL_SUM, QN_OP_ALL_MIN, QN_OP_ALL_MAX};
  for (int i = 0; i < 3; i++) {
    qn_op all = ir_op(&e, row, alls[i], 1, &v, 1, &f32, NULL, 0);
    assert_int_equal(qn_op_infer(e.m, all, &scalar), QN_OK);
    v = qn_op_result(e.m, all, 0);
    covered[alls[i]] = true;
  }
  const qn_value out[2] = {v, qn_block_arg(e.m, row, 0)};
  ir_end(&e, row, QN_OP_YIELD, 2, out);
  assert_int_equal(qn_op_infer(e.m, op, t), QN_OK);
  assert_int_equal(t[0].id, ir_type(e.ctx, "nx1xf32").id);
  assert_int_equal(t[1].id, ir_type(e.ctx, "nx8xf32").id);
  covered[QN_OP_ROW] = covered[QN_OP_YIELD] = true;
  qn_op map = ir_op(&e, body, QN_OP_MAP, 1, &x, 1, declared, NULL, 1);
  qn_value in = ir_arg(&e, qn_op_region(e.m, map, 0), "=f32");
  qn_op all = ir_op(&e, qn_op_region(e.m, map, 0), QN_OP_ALL_SUM, 1, &in, 1, &f32, NULL, 0);
  assert_int_not_equal(qn_op_infer(e.m, all, &scalar), QN_OK);
  ir_expect_error(&e, "outside of a kern.row body");
  ir_close(&e);
}

/* Runs last: an op without a case above fails here, by name. func, return and call are checked with whole modules. */
static void test_every_op_has_a_case(void **state) {
  (void)state;
  covered[QN_OP_FUNC] = covered[QN_OP_RETURN] = covered[QN_OP_CALL] = true;
  for (int k = 1; k < QN_OP_KIND_COUNT; k++)
    if (!covered[k]) fail_msg("no passing case for %s", qn_op_info_get((qn_op_kind)k)->name);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_elementwise),
      cmocka_unit_test(test_quantization),
      cmocka_unit_test(test_products),
      cmocka_unit_test(test_scalars),
      cmocka_unit_test(test_transpose_blocks),
      cmocka_unit_test(test_gemm),
      cmocka_unit_test(test_gemm_packed),
      cmocka_unit_test(test_block_gemm),
      cmocka_unit_test(test_map),
      cmocka_unit_test(test_attention),
      cmocka_unit_test(test_row),
      cmocka_unit_test(test_windows),
      cmocka_unit_test(test_every_op_has_a_case),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
