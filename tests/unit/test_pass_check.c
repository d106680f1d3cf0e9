/* check_each: passes that change what a program computes are caught, and the op is named. */
#include "text_test.h"
#include <quern/pass.h>
#include <quern/unstable/rewriter.h>

static const char program[] = "func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {\n"
                              "  %a = quern.exp %x : (tensor<4x?xf32>) -> tensor<4x?xf32>\n"
                              "  %b = quern.neg %a : (tensor<4x?xf32>) -> tensor<4x?xf32>\n"
                              "  %c = quern.add %b, %x : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>\n"
                              "  %d = quern.tanh %c : (tensor<4x?xf32>) -> tensor<4x?xf32>\n"
                              "  return %d : tensor<4x?xf32>\n"
                              "}\n";

/* The first op of a kind becomes one of another kind, as a wrong rewrite would do it. */
static qn_status turn(qn_pass_run *run, qn_op_kind from, qn_op_kind to) {
  qn_module *m = qn_run_module(run);
  for (qn_op op = qn_walk_next(m, (qn_op){0}, (qn_op){0}); op.id; op = qn_walk_next(m, (qn_op){0}, op)) {
    if (qn_op_kind_of(m, op) != from) continue;
    qn_builder b = qn_builder_before(m, op);
    qn_value operands[2] = {qn_op_operand(m, op, 0), qn_op_operand(m, op, 1)};
    qn_op made = qn_op_build(&b, to, qn_op_num_operands(m, op), operands, 0, NULL);
    qn_replace_value(m, qn_op_result(m, op, 0), qn_op_result(m, made, 0));
    qn_op_erase(m, op);
    break;
  }
  return QN_OK;
}

static qn_status run_neg_to_abs(qn_pass_run *run) {
  return turn(run, QN_OP_NEG, QN_OP_ABS);
}
static qn_status run_add_to_sub(qn_pass_run *run) {
  return turn(run, QN_OP_ADD, QN_OP_SUB);
}
/* x + 0.0 for the output: the same values, but for the sign of zeros. */
static qn_status run_lose_sign(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_context *ctx = qn_run_context(run);
  qn_op ret = qn_func_return(m, qn_module_function(m, NULL));
  qn_builder b = qn_builder_before(m, ret);
  const float zero = 0;
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_F32), 0, NULL);
  qn_value z = qn_build_constant(&b, qn_attr_dense(m, t, &zero));
  qn_op_set_operand(m, ret, 0, qn_build2(&b, QN_OP_ADD, qn_op_operand(m, ret, 0), z));
  return QN_OK;
}
/* Every input is tripled on the way in: far off. */
static qn_status run_scale(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_context *ctx = qn_run_context(run);
  qn_op ret = qn_func_return(m, qn_module_function(m, NULL));
  qn_builder b = qn_builder_before(m, ret);
  const float factor = 1.001f;
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_F32), 0, NULL);
  qn_value f = qn_build_constant(&b, qn_attr_dense(m, t, &factor));
  qn_op_set_operand(m, ret, 0, qn_build2(&b, QN_OP_MUL, qn_op_operand(m, ret, 0), f));
  return QN_OK;
}
static qn_status run_drop_function(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_op_erase(m, qn_module_function(m, NULL));
  return QN_OK;
}

static const qn_pass_info wrong[] = {
    {.name = "neg-to-abs", .run = run_neg_to_abs},
    {.name = "add-to-sub", .run = run_add_to_sub},
    {.name = "lose-sign", .run = run_lose_sign},
    {.name = "scale", .run = run_scale},
    {.name = "rough", .run = run_scale, .changes_results = true},
    {.name = "drop-function", .run = run_drop_function},
};

typedef struct fixture {
  qn_context *ctx;
  qn_module *m;
} fixture;

static int setup(void **state) {
  static fixture f;
  f.ctx = text_context(NULL);
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    if (qn_pass_register(f.ctx, &wrong[i]) != QN_OK) return 1;
  f.m = text_parse(f.ctx, program, false);
  *state = &f;
  return f.m ? 0 : 1;
}

static int teardown(void **state) {
  fixture *f = *state;
  qn_module_destroy(f->m);
  qn_context_destroy(f->ctx);
  return 0;
}

static qn_status run(fixture *f, const char *pipeline, double min_sqnr, qn_check_inputs inputs) {
  qn_pass_manager_options options = {.check_each = true, .check_min_sqnr = min_sqnr, .check_inputs = inputs};
  qn_pass_manager *pm;
  assert_int_equal(qn_pass_manager_create(f->ctx, qn_str_of(pipeline), &options, &pm), QN_OK);
  qn_status status = qn_pass_manager_run(pm, f->m);
  qn_pass_manager_destroy(pm);
  return status;
}

static const text_diag *find_diag(const char *part) {
  for (size_t i = 0; i < text_diags.count; i++)
    if (strstr(text_diags.at[i].message, part)) return &text_diags.at[i];
  text_show_diags();
  fail_msg("no diagnostic says '%s'", part);
  return NULL;
}

static void test_names_the_op(void **state) {
  fixture *f = *state;
  assert_int_equal(run(f, "cse,neg-to-abs", 0, (qn_check_inputs){0}), QN_ERR_INPUT);
  const text_diag *d = find_diag("after neg-to-abs, output 'd' of @main differs on sample 0: element 0 was ");
  assert_int_equal(d->severity, QN_ERROR);
  assert_int_equal(d->code, QN_DIAG_ACCURACY);
  assert_int_equal(d->line, 3); /* where the neg stood, not where its consequences are */
  assert_int_equal(find_diag("the first op whose value moved, %b: ")->severity, QN_NOTE);
  find_diag("pass 'neg-to-abs' (2 of 2) changed what the program computes");
}

static void test_later_op(void **state) {
  fixture *f = *state;
  assert_int_equal(run(f, "add-to-sub", 0, (qn_check_inputs){0}), QN_ERR_INPUT);
  assert_int_equal(find_diag("the first op whose value moved, %c: ")->line, 4);
}

static void test_right_passes(void **state) {
  fixture *f = *state;
  assert_int_equal(run(f, "canonicalize,cse,dce,inline,infer-shapes", 0, (qn_check_inputs){0}), QN_OK);
  assert_int_equal(text_diags.count, 0);
}

/* A pass that says it changes results is measured instead. */
static void test_sqnr(void **state) {
  fixture *f = *state;
  assert_int_equal(run(f, "rough", 40, (qn_check_inputs){0}), QN_OK);
  assert_int_equal(text_diags.count, 0);
  assert_int_equal(run(f, "rough", 70, (qn_check_inputs){0}), QN_OK);
  const text_diag *d = find_diag("after rough, output 'out0' of @main differs on sample 0");
  assert_int_equal(d->severity, QN_WARNING);
  assert_non_null(strstr(d->message, "(SQNR 60.0 dB)"));
  memset(&text_diags, 0, sizeof text_diags);
  assert_int_equal(run(f, "scale", 40, (qn_check_inputs){0}), QN_ERR_INPUT);
  find_diag("changed what the program computes");
}

static void test_missing_function(void **state) {
  fixture *f = *state;
  assert_int_equal(run(f, "drop-function", 0, (qn_check_inputs){0}), QN_ERR_INPUT);
  find_diag("after drop-function, the public function @main is gone");
}

/* ---- the caller's inputs ---- */

typedef struct source {
  float data[8];
  int calls;
  qn_status status;
} source;

static qn_status give(void *user, const qn_module *m, qn_op func, int64_t sample, qn_tensor *in) {
  source *s = user;
  (void)m, (void)func;
  s->calls++;
  if (s->status != QN_OK) return s->status;
  for (int i = 0; i < 8; i++) s->data[i] = sample == 1 ? -0.0f : 1.0f + (float)i;
  in[0] = (qn_tensor){.elem = QN_F32, .rank = 2, .shape = {4, 2}, .data = s->data};
  return QN_OK;
}

static void test_inputs(void **state) {
  fixture *f = *state;
  source s = {.status = QN_OK};
  qn_check_inputs inputs = {give, &s, 3};
  assert_int_equal(run(f, "cse,dce", 0, inputs), QN_OK);
  assert_int_equal(s.calls, 6);
  s.calls = 0;
  s.status = QN_ERR_IO;
  assert_int_equal(run(f, "cse", 0, inputs), QN_ERR_IO);
  assert_int_equal(s.calls, 1);
}

static void test_sign_of_zero(void **state) {
  fixture *f = *state;
  qn_module_destroy(f->m);
  f->m = text_parse(f->ctx,
                    "func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf32> {\n"
                    "  %y = quern.neg %x : (tensor<4x?xf32>) -> tensor<4x?xf32>\n"
                    "  %z = quern.neg %y : (tensor<4x?xf32>) -> tensor<4x?xf32>\n"
                    "  return %z : tensor<4x?xf32>\n"
                    "}\n",
                    false);
  assert_non_null(f->m);
  source s = {.status = QN_OK};
  assert_int_equal(run(f, "lose-sign", 0, (qn_check_inputs){give, &s, 1}), QN_OK); /* no zero among the inputs */
  assert_int_equal(run(f, "lose-sign", 0, (qn_check_inputs){give, &s, 2}), QN_OK); /* gone already: nothing changes */
  qn_module_destroy(f->m);
  f->m = text_parse(f->ctx,
                    "func.func @main(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {\n"
                    "  return %x : tensor<4x2xf32>\n"
                    "}\n",
                    false);
  assert_non_null(f->m);
  assert_int_equal(run(f, "lose-sign", 0, (qn_check_inputs){give, &s, 2}), QN_ERR_INPUT);
  find_diag("differs on sample 1: element 0 was -0, is +0");
  find_diag("no op could be matched with one of the program before");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_names_the_op, setup, teardown),
      cmocka_unit_test_setup_teardown(test_later_op, setup, teardown),
      cmocka_unit_test_setup_teardown(test_right_passes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_sqnr, setup, teardown),
      cmocka_unit_test_setup_teardown(test_missing_function, setup, teardown),
      cmocka_unit_test_setup_teardown(test_inputs, setup, teardown),
      cmocka_unit_test_setup_teardown(test_sign_of_zero, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
