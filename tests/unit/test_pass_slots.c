/* plan-buffers on random programs: values that are needed at the same time never lie in one slot, by a count that knows
 * nothing of the pass. */
#include "random_test.h"
#include "text_test.h"
#include <quern/pass.h>

enum { CLASSES = 6, POOL = 12, OPS = 60, PROGRAMS = 200 };

typedef struct generator {
  qn_context *ctx;
  qn_module *m;
  qn_builder b;
  qn_type types[CLASSES];
  qn_value pool[CLASSES][POOL];
  uint32_t size[CLASSES];
} generator;

static qn_value any(generator *g, uint32_t c) {
  return g->pool[c][random_below(g->size[c])];
}

static void add(generator *g, uint32_t c, qn_value v) {
  assert_true(v.id != 0);
  if (g->size[c] < POOL)
    g->pool[c][g->size[c]++] = v;
  else
    g->pool[c][random_below(POOL)] = v;
}

/* One or two inputs, one or two results: the first input, negated. */
static void add_map(generator *g, uint32_t c) {
  qn_value inputs[2] = {any(g, c), any(g, c)};
  uint32_t num_in = 1 + random_below(2), num_out = 1 + random_below(2);
  qn_type results[2] = {g->types[c], g->types[c]};
  qn_op_desc d = {.kind = QN_OP_MAP,
                  .num_operands = num_in,
                  .operands = inputs,
                  .num_results = num_out,
                  .results = results,
                  .num_regions = 1};
  qn_op map = qn_op_create(&g->b, &d);
  qn_block body = qn_op_region(g->m, map, 0);
  qn_type f32 = qn_type_scalar(g->ctx, QN_F32);
  for (uint32_t i = 0; i < num_in; i++) qn_block_add_arg(g->m, body, f32, (qn_name){0});
  qn_builder in = qn_builder_at_end(g->m, body);
  qn_value y = qn_build1(&in, QN_OP_NEGF, qn_block_arg(g->m, body, 0));
  qn_value yields[2] = {y, y};
  qn_op_desc yield = {.kind = QN_OP_YIELD, .num_operands = num_out, .operands = yields};
  qn_op_create(&in, &yield);
  for (uint32_t i = 0; i < num_out; i++) add(g, c, qn_op_result(g->m, map, i));
}

/* Classes 0 and 1 have one size in two shapes: views lead from one to the other. */
static void add_view(generator *g) {
  uint32_t from = random_below(2), to = 1 - from;
  add(g, to, qn_build_cast(&g->b, QN_OP_VIEW, any(g, from), g->types[to]));
}

static qn_module *make_program(qn_context *ctx, uint64_t number) {
  static const int64_t sizes[CLASSES] = {16, 16, 64, 4, 0, QN_DYNAMIC};
  generator g = {.ctx = ctx, .m = qn_module_create(ctx)};
  const int64_t square[2] = {4, 4};
  seed = number;
  qn_type f32 = qn_type_scalar(ctx, QN_F32);
  qn_name names[1] = {qn_name_of_c(ctx, "n")};
  for (uint32_t c = 0; c < CLASSES; c++)
    g.types[c] = c == 1 ? qn_type_tensor(ctx, f32, 2, square) : qn_type_tensor_symbols(ctx, f32, 1, &sizes[c], names);
  qn_builder top = qn_builder_at_end(g.m, qn_module_body(g.m));
  qn_type results[2] = {g.types[0], g.types[2]};
  qn_op func = qn_build_function(&top, qn_str_of("main"), qn_type_function(ctx, CLASSES, g.types, 2, results), true);
  g.b = qn_builder_at_end(g.m, qn_func_body(g.m, func));
  for (uint32_t c = 0; c < CLASSES; c++) add(&g, c, qn_block_arg(g.m, qn_func_body(g.m, func), c));
  for (int i = 0; i < OPS; i++) {
    if (random_below(6) == 0)
      add_view(&g);
    else
      add_map(&g, random_below(CLASSES));
  }
  qn_value returned[2] = {any(&g, 0), any(&g, 2)};
  qn_op_desc d = {.kind = QN_OP_RETURN, .num_operands = 2, .operands = returned};
  qn_op_create(&g.b, &d);
  return g.m;
}

/* ---- the check ---- */

typedef struct value {
  qn_value v;
  qn_op op;
  uint32_t root; /* index into the array */
  uint32_t first, last;
  int64_t slot;
} value;

static uint32_t find(const value *all, uint32_t n, qn_value v) {
  for (uint32_t i = 0; i < n; i++)
    if (all[i].v.id == v.id) return i;
  return UINT32_MAX;
}

static uint32_t collect(const qn_module *m, qn_op func, value *all) {
  uint32_t n = 0, at = 0;
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)); op.id; op = qn_op_next(m, op)) {
    at++;
    for (uint32_t i = 0; i < qn_op_num_operands(m, op); i++) {
      uint32_t k = find(all, n, qn_op_operand(m, op, i));
      if (k != UINT32_MAX) all[all[k].root].last = qn_op_kind_of(m, op) == QN_OP_RETURN ? UINT32_MAX : at;
    }
    uint32_t count;
    const int64_t *slots = qn_attr_as_ints(m, qn_op_attr(m, op, "quern.slots"), &count);
    assert_int_equal(count, qn_op_num_results(m, op));
    for (uint32_t i = 0; i < count; i++) {
      bool view = qn_op_kind_of(m, op) == QN_OP_VIEW;
      uint32_t from = view ? find(all, n, qn_op_operand(m, op, 0)) : n;
      all[n] =
          (value){qn_op_result(m, op, i), op, from == UINT32_MAX ? n : view ? all[from].root : n, at, at, slots[i]};
      assert_true(!view || slots[i] == -1);
      n++;
    }
  }
  return n;
}

static void check(const qn_module *m) {
  static value all[OPS * 2 + 8];
  qn_op func = qn_module_function(m, NULL);
  uint32_t n = collect(m, func, all);
  for (uint32_t i = 0; i < n; i++) {
    bool view = qn_op_kind_of(m, all[i].op) == QN_OP_VIEW, returned = all[i].last == UINT32_MAX;
    assert_true(all[i].slot < (int64_t)n);
    if (!view && (all[i].slot < 0) != returned) fail_msg("value %u: slot %d", i, (int)all[i].slot);
    for (uint32_t k = 0; k < i; k++) {
      if (all[i].slot < 0 || all[i].slot != all[k].slot) continue;
      /* Results lie beside the operands of their op, so a value that ends where another begins is in its way too. */
      if (all[k].last >= all[i].first) fail_msg("values %u and %u lie in slot %d together", k, i, (int)all[i].slot);
      bool known = qn_type_is_static(qn_module_context(m), qn_value_type(m, all[i].v));
      if (!known || !qn_type_is_static(qn_module_context(m), qn_value_type(m, all[k].v)))
        assert_true(qn_type_eq(qn_value_type(m, all[i].v), qn_value_type(m, all[k].v)));
    }
  }
}

static void test_overlap(void **state) {
  (void)state;
  for (uint64_t i = 0; i < PROGRAMS; i++) {
    qn_context *ctx = text_context(NULL);
    qn_module *m = make_program(ctx, i);
    if (qn_module_verify(m) != QN_OK) text_show_diags();
    assert_int_equal(text_diags.errors, 0);
    assert_int_equal(qn_run_pipeline(m, "plan-buffers"), QN_OK);
    check(m);
    assert_int_equal(qn_run_pipeline(m, "plan-buffers"), QN_OK); /* and again over its own answer */
    check(m);
    qn_module_destroy(m);
    qn_context_destroy(ctx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_overlap)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
