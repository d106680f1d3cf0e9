/* What the table of ops promises: every row is documented, and every tensor op has a lowering to kernels that computes
 * what its evaluator does. The programs are made from the passing cases of its rule. */
#include "rule_cases.h"
#include "scalar.h"
#include <quern/pass.h>
#include <quern/unstable/evaluator.h>
#include <quern/unstable/rewriter.h>

enum { MAX_TENSORS = 8 };

static bool lowered[QN_OP_KIND_COUNT], computed[QN_OP_KIND_COUNT];

/* ---- programs ---- */

/* The function whose body is the op of the case; null when the op's rule cannot tell its results. */
static qn_op make_function(ir_env *e, const rule_case *c) {
  qn_op func = ir_function(e, "main", (qn_type){0});
  qn_block body = qn_func_body(e->m, func);
  qn_value operands[4], results[3];
  uint32_t n = 0, num_results = c->kind == QN_OP_DYNAMIC_QUANTIZE ? 3 : 1;
  for (; n < 4 && c->operands[n]; n++) operands[n] = ir_arg(e, body, c->operands[n]);
  qn_type types[3] = {ir_type(e->ctx, c->declared)};
  qn_op op = ir_op(e, body, c->kind, n, operands, num_results, types, c->attrs, 0);
  assert_int_equal(qn_op_infer(e->m, op, types), QN_OK);
  for (uint32_t i = 0; i < num_results; i++) {
    results[i] = qn_op_result(e->m, op, i);
    qn_value_set_type(e->m, results[i], types[i]);
  }
  ir_end(e, body, QN_OP_RETURN, num_results, results);
  qn_func_update_type(e->m, func);
  if (qn_module_verify(e->m) != QN_OK) fail_msg("%s: %s", qn_op_info_get(c->kind)->name, e->messages);
  return func;
}

static bool is_static(const ir_env *e, qn_type t) {
  for (uint32_t i = 0; i < qn_type_rank(e->ctx, t); i++)
    if (qn_type_shape(e->ctx, t)[i] == QN_DYNAMIC) return false;
  return true;
}

/* ---- values ---- */

/* Small positive numbers, exact in every type and good as scales and zero points too. */
static qn_tensor some_tensor(const ir_env *e, qn_type t) {
  qn_tensor x = {.elem = qn_type_memory(e->ctx, qn_type_elem(e->ctx, t)), .rank = qn_type_rank(e->ctx, t)};
  size_t count = 1;
  for (uint32_t i = 0; i < x.rank; i++) {
    x.shape[i] = qn_type_shape(e->ctx, t)[i];
    count *= (size_t)x.shape[i];
  }
  x.data = calloc(1, qn_tensor_bytes(&x) + 1);
  assert_non_null(x.data);
  for (size_t i = 0; i < count; i++) {
    double v = (double)(i % 5 + 1);
    qn__store_f64_saturating(x.elem, x.data, i, qn_scalar_is_float(x.elem) ? v / 4 : v);
  }
  return x;
}

static uint32_t evaluate(const ir_env *e, qn_op func, const qn_tensor *in, qn_tensor *out) {
  qn_block body = qn_func_body(e->m, func);
  uint32_t n = qn_op_num_operands(e->m, qn_func_return(e->m, func));
  assert_true(n <= MAX_TENSORS);
  if (qn_evaluate(e->m, func, NULL, qn_block_num_args(e->m, body), in, n, out) != QN_OK) fail_msg("%s", e->messages);
  return n;
}

static void free_all(const ir_env *e, uint32_t n, qn_tensor *tensors) {
  for (uint32_t i = 0; i < n; i++) qn_tensor_free(e->ctx, &tensors[i]);
}

static void expect_equal(const char *name, uint32_t n, const qn_tensor *want, const qn_tensor *got) {
  for (uint32_t i = 0; i < n; i++) {
    size_t bytes = qn_tensor_bytes(&want[i]);
    if (bytes != qn_tensor_bytes(&got[i]) || (bytes && memcmp(want[i].data, got[i].data, bytes) != 0))
      fail_msg("%s: the lowered program has another result %u", name, i);
  }
}

/* ---- lowering ---- */

static void expect_kernels_only(const ir_env *e, const char *name) {
  for (qn_op op = qn_walk_next(e->m, (qn_op){0}, (qn_op){0}); op.id; op = qn_walk_next(e->m, (qn_op){0}, op)) {
    qn_op_kind kind = qn_op_kind_of(e->m, op);
    if (qn_op_info_get(kind)->traits & QN_TENSOR_OP)
      fail_msg("%s leaves %s behind when it is lowered", name, qn_op_info_get(kind)->name);
  }
}

static void run_case(const rule_case *c) {
  const char *name = qn_op_info_get(c->kind)->name;
  qn_tensor in[4] = {{0}}, want[MAX_TENSORS] = {{0}}, got[MAX_TENSORS] = {{0}};
  uint32_t n = 0, num_in = 0;
  bool fixed = true;
  ir_env e;
  ir_open(&e);
  qn_op func = make_function(&e, c);
  qn_block body = qn_func_body(e.m, func);
  for (uint32_t i = 0; i < qn_block_num_args(e.m, body); i++)
    fixed &= is_static(&e, qn_value_type(e.m, qn_block_arg(e.m, body, i)));
  for (; fixed && num_in < qn_block_num_args(e.m, body); num_in++)
    in[num_in] = some_tensor(&e, qn_value_type(e.m, qn_block_arg(e.m, body, num_in)));
  if (fixed) n = evaluate(&e, func, in, want);
  if (qn_run_pipeline(e.m, "lower-kernels") == QN_OK) {
    lowered[c->kind] = true;
    expect_kernels_only(&e, name);
    if (qn_module_verify(e.m) != QN_OK) fail_msg("%s, lowered: %s", name, e.messages);
    if (fixed) {
      uint32_t more = evaluate(&e, func, in, got); /* observers become outputs behind the others */
      assert_true(more >= n);
      expect_equal(name, n, want, got);
      free_all(&e, more, got);
      computed[c->kind] = true;
    }
  } else {
    assert_true(e.errors > 0); /* a case that no kernel serves says so */
  }
  free_all(&e, n, want);
  for (uint32_t i = 0; i < num_in; i++) free(in[i].data);
  ir_close(&e);
}

static void run_table(const rule_case *cases, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!cases[i].error && qn_op_info_get(cases[i].kind)->traits & QN_TENSOR_OP) run_case(&cases[i]);
}

static void test_every_tensor_op_lowers(void **state) {
  (void)state;
  run_table(elementwise, sizeof elementwise / sizeof *elementwise);
  run_table(quantization, sizeof quantization / sizeof *quantization);
  run_table(products, sizeof products / sizeof *products);
  run_table(scalars, sizeof scalars / sizeof *scalars);
  for (int k = 1; k < QN_OP_KIND_COUNT; k++) {
    const qn_op_info *o = qn_op_info_get((qn_op_kind)k);
    if (!(o->traits & QN_TENSOR_OP)) continue;
    if (!lowered[k]) fail_msg("no case of %s can be lowered", o->name);
    if (!computed[k]) fail_msg("no case of %s was computed by its evaluator and by its kernels", o->name);
  }
}

/* ---- rows ---- */

static void test_every_row_is_complete(void **state) {
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  for (int k = 1; k < QN_OP_KIND_COUNT; k++) {
    const qn_op_info *o = qn_op_info_get((qn_op_kind)k);
    if (!o->name || !strchr(o->name, '.')) fail_msg("op %d has no name with a dialect", k);
    if (!o->doc || !*o->doc) fail_msg("%s has no doc", o->name);
    if (!o->operands || !o->results || !o->attrs || !o->regions) fail_msg("%s lacks a column", o->name);
    if (qn_op_kind_find(ctx, qn_str_of(o->name)) != (qn_op_kind)k) fail_msg("%s is not found by its name", o->name);
    unsigned levels = (o->traits & QN_TENSOR_OP ? 1u : 0) + (o->traits & QN_KERNEL_OP ? 1u : 0);
    if (levels > 1) fail_msg("%s is on both levels", o->name);
  }
  qn_context_destroy(ctx);
}

int main(void) {
  (void)gemms;
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_row_is_complete),
                                     cmocka_unit_test(test_every_tensor_op_lowers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
