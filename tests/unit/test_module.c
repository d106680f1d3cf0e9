/* Modules: building, changing, erasing, cloning; use lists and links stay whole; memory may run out anywhere. */
#include "failing_alloc.h"
#include "ir_test.h"
#include <time.h>

/* ---- building ---- */

static void test_null_ids(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  static const uint32_t ids[] = {0, 12345, UINT32_MAX};
  for (int i = 0; i < 3; i++) {
    qn_op op = {ids[i]};
    qn_value v = {ids[i]};
    qn_block b = {ids[i]};
    assert_int_equal(qn_op_kind_of(e.m, op), QN_OP_UNREGISTERED);
    assert_int_equal(qn_op_name(e.m, op).size, 0);
    assert_int_equal(qn_op_num_operands(e.m, op) + qn_op_num_results(e.m, op) + qn_op_num_regions(e.m, op), 0);
    assert_int_equal(qn_op_operand(e.m, op, 0).id, 0);
    assert_int_equal(qn_op_result(e.m, op, 0).id, 0);
    assert_int_equal(qn_op_region(e.m, op, 0).id, 0);
    assert_int_equal(qn_op_attr(e.m, op, "x").id, 0);
    assert_int_equal(qn_op_get_int(e.m, op, "axis"), 0);
    assert_int_equal(qn_op_parent(e.m, op).id, 0);
    assert_int_equal(qn_value_type(e.m, v).id, 0);
    assert_int_equal(qn_value_op(e.m, v).id, 0);
    assert_int_equal(qn_value_first_use(e.m, v).id, 0);
    assert_false(qn_value_has_one_use(e.m, v));
    assert_int_equal(qn_block_first(e.m, b).id, 0);
    assert_int_equal(qn_block_arg(e.m, b, 0).id, 0);
    assert_int_equal(qn_block_add_arg(e.m, b, (qn_type){0}, (qn_name){0}).id, 0);
    qn_op_set_operand(e.m, op, 0, v);
    qn_op_set_attr(e.m, op, "x", (qn_attr){0});
    qn_op_erase(e.m, op);
    qn_op_move_before(e.m, op, op);
    qn_op_move_to_end(e.m, op, b);
    qn_value_replace(e.m, v, v);
    qn_value_set_type(e.m, v, (qn_type){0});
    qn_block_erase_arg(e.m, b, 0);
    assert_int_equal(qn_op_verify(e.m, op), QN_OK);
    assert_false(qn_func_is_public(e.m, op));
    assert_int_equal(qn_func_name(e.m, op).size, 0);
    qn_func_update_type(e.m, op);
  }
  assert_int_equal(e.errors, 0);
  ir_close(&e);
}

static void test_attributes_and_defaults(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value x = ir_arg(&e, body, "4x8xf32");
  qn_op op = ir_op(&e, body, QN_OP_SOFTMAX, 1, &x, 1, NULL, NULL, 0);
  assert_int_equal(qn_op_get_int(e.m, op, "axis"), -1);
  assert_int_equal(qn_op_attr(e.m, op, "axis").id, 0);
  qn_op_set_attr(e.m, op, "axis", qn_attr_int(e.m, (qn_type){0}, 1));
  assert_int_equal(qn_op_get_int(e.m, op, "axis"), 1);
  qn_op_set_attr(e.m, op, "b.note", qn_attr_unit(e.m));
  assert_int_equal(qn_attr_size(e.m, qn_op_attrs(e.m, op)), 2);
  qn_op_set_attr(e.m, op, "axis", (qn_attr){0});
  qn_op_set_attr(e.m, op, "b.note", (qn_attr){0});
  assert_int_equal(qn_op_attrs(e.m, op).id, 0);
  qn_op rq = ir_op(&e, body, QN_OP_REQUANTIZE, 1, &x, 1, NULL, "mode=\"fixed\"", 0);
  assert_true(qn_str_eq(qn_op_get_string(e.m, rq, "mode"), qn_str_of("fixed")));
  assert_true(qn_str_eq(qn_op_get_string(e.m, rq, "rounding"), qn_str_of("half_even")));
  assert_int_equal(qn_op_get_string(e.m, rq, "nothing").size, 0);
  assert_false(qn_op_get_bool(e.m, ir_op(&e, body, QN_OP_MATMUL, 0, NULL, 1, NULL, NULL, 0), "transpose_b"));
  qn_module_set_attr(e.m, "quern.version", qn_attr_int(e.m, (qn_type){0}, 1));
  assert_int_equal(qn_attr_as_int(e.m, qn_module_attr(e.m, "quern.version")), 1);
  qn_module_set_attr(e.m, "quern.version", (qn_attr){0});
  assert_int_equal(qn_module_attrs(e.m).id, 0);
  for (int i = 0; i < 40; i++) { /* more than fit on the stack */
    char name[16];
    snprintf(name, sizeof name, "t.a%d", i);
    qn_op_set_attr(e.m, op, name, qn_attr_int(e.m, (qn_type){0}, i));
  }
  assert_int_equal(qn_attr_size(e.m, qn_op_attrs(e.m, op)), 40);
  assert_int_equal(qn_attr_as_int(e.m, qn_op_attr(e.m, op, "t.a39")), 39);
  ir_close(&e);
}

static void test_build(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_type in[2] = {ir_type(e.ctx, "nx8xf32"), ir_type(e.ctx, "8x5xf32")};
  qn_op func = ir_function(&e, "main", qn_type_function(e.ctx, 2, in, 0, NULL));
  qn_block body = qn_func_body(e.m, func);
  assert_int_equal(qn_block_num_args(e.m, body), 2);
  qn_builder b = qn_builder_at_end(e.m, body);
  b.loc = qn_loc_create(e.m, qn_str_of("m.mlir"), 3, 7, qn_str_of("node"));
  qn_value y = qn_build2(&b, QN_OP_MATMUL, qn_block_arg(e.m, body, 0), qn_block_arg(e.m, body, 1));
  assert_int_equal(qn_value_type(e.m, y).id, ir_type(e.ctx, "nx5xf32").id);
  qn_place place = qn_op_place(e.m, qn_value_op(e.m, y));
  assert_true(qn_str_eq(place.file, qn_str_of("m.mlir")));
  assert_true(qn_str_eq(place.entity, qn_str_of("node")));
  assert_int_equal(place.line, 3);
  qn_value q = qn_build_cast(&b, QN_OP_QCAST, y, ir_type(e.ctx, "nx5xqi8"));
  qn_value d = qn_build1(&b, QN_OP_DCAST, q);
  assert_int_equal(qn_value_type(e.m, d).id, ir_type(e.ctx, "nx5xf32").id);
  const qn_named_attr shape = qn_named(e.m, "shape", qn_attr_ints(e.m, QN_I64, 2, (const int64_t[]){5, -1}));
  qn_value r = qn_op_result(e.m, qn_op_build(&b, QN_OP_RESHAPE, 1, &d, 1, &shape), 0);
  assert_int_equal(qn_value_type(e.m, r).id, ir_type(e.ctx, "5xnxf32").id);
  static const float zero = 0;
  qn_value c = qn_build_constant(&b, qn_attr_splat(e.m, ir_type(e.ctx, "xf32"), &zero));
  assert_int_equal(qn_value_type(e.m, c).id, ir_type(e.ctx, "xf32").id);
  qn_value outs[2] = {r, c};
  ir_end(&e, body, QN_OP_RETURN, 2, outs);
  qn_func_update_type(e.m, func);
  assert_int_equal(qn_module_verify(e.m), QN_OK);
  assert_int_equal(e.errors, 0);
  /* A failing rule reports, leaves nothing behind, and the chain after it is quiet. */
  qn_op last = qn_block_last(e.m, body);
  qn_builder before = qn_builder_before(e.m, last);
  qn_value bad = qn_build2(&before, QN_OP_MATMUL, d, qn_block_arg(e.m, body, 1));
  assert_int_equal(bad.id, 0);
  ir_expect_error(&e, "the summed axis");
  assert_int_equal(qn_build1(&before, QN_OP_RELU, bad).id, 0);
  assert_int_equal(qn_build_cast(&before, QN_OP_CAST, r, (qn_type){0}).id, 0);
  assert_int_equal(e.errors, 0);
  assert_int_equal(qn_op_prev(e.m, last).id, qn_value_op(e.m, c).id);
  assert_false(qn_module_failed(e.m));
  /* Calls take their results from the callee. */
  const qn_named_attr callee = qn_named(e.m, "callee", qn_attr_symbol(e.m, qn_str_of("main")));
  const qn_value args[2] = {qn_block_arg(e.m, body, 0), qn_block_arg(e.m, body, 1)};
  qn_op call = qn_op_build(&before, QN_OP_CALL, 2, args, 1, &callee);
  assert_int_equal(qn_op_num_results(e.m, call), 2);
  assert_int_equal(qn_value_type(e.m, qn_op_result(e.m, call, 0)).id, ir_type(e.ctx, "5xnxf32").id);
  ir_check_links(e.m);
  ir_close(&e);
}

static void test_locations(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  assert_int_equal(qn_loc_create(e.m, (qn_str){NULL, 0}, 0, 0, (qn_str){NULL, 0}).id, 0);
  qn_loc a = qn_loc_create(e.m, qn_str_of("a"), 1, 2, (qn_str){NULL, 0});
  qn_loc same = qn_loc_create(e.m, qn_str_of("a"), 1, 2, (qn_str){NULL, 0});
  qn_loc other = qn_loc_create(e.m, qn_str_of("a"), 2, 2, qn_str_of("n"));
  assert_int_equal(a.id, same.id);
  assert_int_not_equal(a.id, other.id);
  qn_module_set_source(e.m, qn_str_of("a"), qn_str_of("text"));
  assert_true(qn_str_eq(qn_loc_place(e.m, a).source, qn_str_of("text")));
  qn_module_set_source(e.m, qn_str_of("a"), qn_str_of("new"));
  assert_true(qn_str_eq(qn_loc_place(e.m, other).source, qn_str_of("new")));
  assert_int_equal(qn_loc_place(e.m, (qn_loc){99}).line, 0);
  qn_op op = ir_function(&e, "f", (qn_type){0});
  qn_op_set_loc(e.m, op, other);
  qn_op_error(e.m, op, QN_DIAG_SHAPE, "is %d wide", 3);
  ir_expect_error(&e, "2:func.func: is 3 wide");
  ir_close(&e);
}

static void test_function_names(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_type in[2] = {ir_type(e.ctx, "4xf32"), ir_type(e.ctx, "4xf32")};
  qn_op func = ir_function(&e, "f", qn_type_function(e.ctx, 2, in, 2, in));
  qn_block body = qn_func_body(e.m, func);
  qn_value_set_name(e.m, qn_block_arg(e.m, body, 1), qn_name_of_c(e.ctx, "w"));
  const qn_value out[2] = {qn_block_arg(e.m, body, 1), qn_block_arg(e.m, body, 0)};
  ir_end(&e, body, QN_OP_RETURN, 2, out);
  assert_true(qn_str_eq(qn_func_input_name(e.m, func, 0), qn_str_of("arg0")));
  assert_true(qn_str_eq(qn_func_input_name(e.m, func, 1), qn_str_of("w")));
  assert_true(qn_str_eq(qn_func_output_name(e.m, func, 0), qn_str_of("w")));
  assert_true(qn_str_eq(qn_func_output_name(e.m, func, 1), qn_str_of("out1")));
  qn_func_set_input_name(e.m, func, 0, qn_str_of("input.0"));
  qn_func_set_output_name(e.m, func, 1, qn_str_of("logits"));
  qn_func_set_output_name(e.m, func, 7, qn_str_of("none"));
  assert_true(qn_str_eq(qn_func_input_name(e.m, func, 0), qn_str_of("input.0")));
  assert_true(qn_str_eq(qn_func_input_name(e.m, func, 1), qn_str_of("w")));
  assert_true(qn_str_eq(qn_func_output_name(e.m, func, 1), qn_str_of("logits")));
  assert_int_equal(qn_module_verify(e.m), QN_OK);
  assert_int_equal(qn_module_function(e.m, "f").id, func.id);
  assert_int_equal(qn_module_function(e.m, NULL).id, func.id);
  assert_int_equal(qn_module_function(e.m, "g").id, 0);
  ir_close(&e);
}

/* ---- changing ---- */

static void test_regions_erase_and_move(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_value x = ir_arg(&e, body, "4xf32");
  qn_type f32 = ir_type(e.ctx, "=f32");
  qn_op outer = ir_op(&e, body, QN_OP_MAP, 1, &x, 1, NULL, NULL, 3);
  qn_block r[3];
  for (uint32_t i = 0; i < 3; i++) r[i] = qn_op_region(e.m, outer, i);
  qn_value a = ir_arg(&e, r[0], "=f32");
  qn_op inner = ir_op(&e, r[0], QN_OP_MAP, 1, &a, 1, &f32, NULL, 1);
  qn_value leaf_arg = ir_arg(&e, qn_op_region(e.m, inner, 0), "=f32");
  qn_op leaf = ir_op(&e, qn_op_region(e.m, inner, 0), QN_OP_NEGF, 1, &leaf_arg, 1, &f32, NULL, 0);
  qn_value leaf_value = qn_op_result(e.m, leaf, 0);
  qn_op outside = ir_op(&e, body, QN_OP_NEGF, 1, &leaf_value, 1, &f32, NULL, 0); /* broken on purpose */
  qn_op third = ir_op(&e, r[2], QN_OP_NEGF, 1, &a, 1, &f32, NULL, 0);
  qn_op_move_to_end(e.m, outer, qn_op_region(e.m, inner, 0)); /* into itself: refused */
  ir_expect_error(&e, "a region of its own");
  qn_op_erase(e.m, leaf); /* still used: refused */
  ir_expect_error(&e, "still used");
  assert_false(qn_op_is_erased(e.m, leaf));
  qn_block_erase_arg(e.m, r[0], 0);
  ir_expect_error(&e, "cannot be erased while it is used");
  qn_op_move_before(e.m, third, leaf);
  assert_int_equal(qn_op_prev(e.m, leaf).id, third.id);
  assert_int_equal(qn_block_first(e.m, r[2]).id, 0);
  ir_check_links(e.m);
  qn_op_erase(e.m, outer);
  assert_true(qn_op_is_erased(e.m, outer) && qn_op_is_erased(e.m, inner) && qn_op_is_erased(e.m, leaf));
  assert_true(qn_op_is_erased(e.m, third));
  assert_int_equal(qn_op_operand(e.m, outside, 0).id, 0);
  assert_false(qn_value_is_used(e.m, x));
  assert_int_equal(qn_block_first(e.m, body).id, outside.id);
  assert_int_equal(qn_block_last(e.m, body).id, outside.id);
  assert_int_equal(qn_block_num_args(e.m, r[0]), 0);
  ir_check_links(e.m);
  qn_value y = ir_arg(&e, body, "8xf32");
  qn_block_erase_arg(e.m, body, 0);
  assert_int_equal(qn_value_index(e.m, y), 0);
  assert_int_equal(qn_block_arg(e.m, body, 0).id, y.id);
  ir_close(&e);
}

static void test_deep_nesting(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  qn_block at = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_op root = {0};
  qn_builder b = qn_builder_at_end(e.m, at);
  qn_op_desc d = {.name = qn_name_of_c(e.ctx, "x.nest"), .num_regions = 2};
  for (int i = 0; i < 200000; i++) { /* deep enough that recursion would run out of stack */
    qn_op op = qn_op_create(&b, &d);
    if (!root.id) root = op;
    b = qn_builder_at_end(e.m, qn_op_region(e.m, op, (uint32_t)i & 1));
  }
  assert_true(qn_str_eq(qn_op_name(e.m, root), qn_str_of("x.nest")));
  ir_end(&e, at, QN_OP_RETURN, 0, NULL);
  assert_int_equal(qn_module_verify(e.m), QN_OK);
  qn_builder end = qn_builder_before(e.m, qn_block_last(e.m, at));
  qn_op copy = qn_op_clone(&end, e.m, root, NULL, 0);
  assert_int_not_equal(copy.id, 0);
  assert_int_equal(qn_module_verify(e.m), QN_OK);
  qn_op_erase(e.m, root);
  qn_op_erase(e.m, copy);
  assert_int_equal(qn_block_first(e.m, at).id, qn_block_last(e.m, at).id);
  ir_close(&e);
}

typedef struct live_list {
  qn_op ops[4096];
  uint32_t n;
} live_list;

static qn_value random_value(ir_env *e, const live_list *live, qn_block body) {
  if (live->n == 0 || rand() % 5 == 0) return qn_block_arg(e->m, body, (uint32_t)rand() % 3);
  qn_op op = live->ops[(uint32_t)rand() % live->n];
  return qn_op_result(e->m, op, (uint32_t)rand() % 2);
}

/* Random building, rewiring, moving and erasing; every few steps all lists are checked against each other. */
static void test_random_changes(void **state) {
  (void)state;
  for (unsigned seed = 1; seed <= 8; seed++) {
    srand(seed);
    ir_env e;
    ir_open(&e);
    qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
    for (int i = 0; i < 3; i++) ir_arg(&e, body, "4xf32");
    live_list live = {.n = 0};
    qn_type types[2] = {ir_type(e.ctx, "4xf32"), ir_type(e.ctx, "4xi8")};
    for (int step = 0; step < 1500; step++) {
      int what = rand() % 10;
      if (what < 4 && live.n < 4096) {
        qn_value operands[3];
        uint32_t n = (uint32_t)rand() % 4;
        for (uint32_t i = 0; i < n; i++) operands[i] = random_value(&e, &live, body);
        qn_op_desc d = {.name = qn_name_of_c(e.ctx, "t.op"),
                        .num_operands = n,
                        .operands = operands,
                        .num_results = 2,
                        .results = types};
        qn_builder b = qn_builder_at_end(e.m, body);
        if (live.n && rand() % 2) b = qn_builder_before(e.m, live.ops[(uint32_t)rand() % live.n]);
        if (live.n && rand() % 4 == 0) b = qn_builder_after(e.m, live.ops[(uint32_t)rand() % live.n]);
        live.ops[live.n++] = qn_op_create(&b, &d);
      } else if (live.n) {
        uint32_t k = (uint32_t)rand() % live.n;
        qn_op op = live.ops[k];
        if (what < 6) {
          uint32_t n = qn_op_num_operands(e.m, op);
          if (n) qn_op_set_operand(e.m, op, (uint32_t)rand() % n, random_value(&e, &live, body));
        } else if (what == 6) {
          qn_op_move_before(e.m, op, live.ops[(uint32_t)rand() % live.n]);
        } else if (what == 7) {
          qn_value_replace(e.m, random_value(&e, &live, body), random_value(&e, &live, body));
        } else {
          for (uint32_t i = 0; i < 2; i++)
            qn_value_replace(e.m, qn_op_result(e.m, op, i), qn_block_arg(e.m, body, (uint32_t)rand() % 3));
          qn_op_erase(e.m, op);
          assert_true(qn_op_is_erased(e.m, op));
          live.ops[k] = live.ops[--live.n];
        }
      }
      if (step % 100 == 0) ir_check_links(e.m);
    }
    ir_check_links(e.m);
    uint32_t count = 0;
    for (qn_op op = qn_block_first(e.m, body); op.id; op = qn_op_next(e.m, op)) count++;
    assert_int_equal(count, live.n);
    assert_int_equal(e.errors, 0);
    qn_module *copy = qn_module_clone(e.m);
    ir_check_links(copy);
    for (uint32_t i = 0; i < live.n; i++)
      for (uint32_t k = 0; k < qn_op_num_operands(e.m, live.ops[i]); k++)
        assert_int_equal(qn_op_operand(e.m, live.ops[i], k).id, qn_op_operand(copy, live.ops[i], k).id);
    qn_module_destroy(copy);
    ir_close(&e);
  }
}

/* ---- cloning ---- */

static void count_destroy(void *object) {
  ++*(int *)object;
}

static void test_keep_and_clone(void **state) {
  (void)state;
  ir_env e;
  ir_open(&e);
  int destroyed = 0;
  static const float data[4] = {1, 2, 3, 4};
  assert_int_equal(qn_module_keep(e.m, &destroyed, count_destroy), QN_OK);
  qn_block body = qn_func_body(e.m, ir_function(&e, "f", (qn_type){0}));
  qn_builder b = qn_builder_at_end(e.m, body);
  qn_value c = qn_build_constant(&b, qn_attr_dense_borrow(e.m, ir_type(e.ctx, "4xf32"), data, (qn_name){0}));
  qn_op map = ir_op(&e, body, QN_OP_MAP, 1, &c, 1, NULL, NULL, 1);
  qn_value_set_type(e.m, qn_op_result(e.m, map, 0), ir_type(e.ctx, "4xf32"));
  qn_value a = ir_arg(&e, qn_op_region(e.m, map, 0), "=f32");
  qn_value_set_name(e.m, a, qn_name_of_c(e.ctx, "elem"));
  ir_end(&e, qn_op_region(e.m, map, 0), QN_OP_YIELD, 1, &a);
  qn_op_set_loc(e.m, map, qn_loc_create(e.m, qn_str_of("a.mlir"), 9, 1, (qn_str){NULL, 0}));
  ir_end(&e, body, QN_OP_RETURN, 0, NULL);
  assert_int_equal(qn_module_verify(e.m), QN_OK);

  qn_module *copy = qn_module_clone(e.m);
  assert_int_equal(qn_module_verify(copy), QN_OK);
  qn_op_erase(copy, map); /* the original does not change */
  assert_false(qn_op_is_erased(e.m, map));

  /* Into another module, where the constant stays behind and the operand is mapped. */
  qn_module *third = qn_module_create(e.ctx);
  qn_builder top = qn_builder_at_end(third, qn_module_body(third));
  qn_op func = qn_build_function(&top, qn_str_of("g"), qn_type_function(e.ctx, 0, NULL, 0, NULL), true);
  qn_builder at = qn_builder_at_end(third, qn_func_body(third, func));
  qn_op moved_c = qn_op_clone(&at, e.m, qn_value_op(e.m, c), NULL, 0);
  uint32_t table[64] = {0};
  table[c.id] = qn_op_result(third, moved_c, 0).id;
  qn_op moved = qn_op_clone(&at, e.m, map, table, 64);
  const qn_named_attr none = {{0}, {0}};
  qn_op_build(&at, QN_OP_RETURN, 0, NULL, 0, &none);
  assert_int_equal(qn_op_operand(third, moved, 0).id, table[c.id]);
  qn_block region = qn_op_region(third, moved, 0);
  qn_value arg = qn_block_arg(third, region, 0);
  assert_true(qn_str_eq(qn_name_str(e.ctx, qn_value_name(third, arg)), qn_str_of("elem")));
  assert_int_equal(qn_op_operand(third, qn_block_last(third, region), 0).id, arg.id);
  assert_int_equal(qn_op_place(third, moved).line, 9);
  assert_int_equal(qn_module_verify(third), QN_OK);
  ir_check_links(third);

  qn_module_destroy(e.m);
  qn_module_destroy(copy);
  assert_int_equal(destroyed, 0);
  qn_attr value = qn_op_attr(third, moved_c, "value");
  assert_true(qn_attr_dense_f64(third, value, 3) == 4.0);
  qn_module_destroy(third);
  assert_int_equal(destroyed, 1);
  qn_context_destroy(e.ctx);
}

/* ---- memory ---- */

static bool build_all(qn_context *ctx, int *destroyed) {
  qn_module *m = qn_module_create(ctx);
  if (!m) return false;
  qn_module_keep(m, destroyed, count_destroy);
  qn_builder top = qn_builder_at_end(m, qn_module_body(m));
  const int64_t shape[2] = {QN_DYNAMIC, 8};
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_F32), 2, shape);
  qn_op func = qn_build_function(&top, qn_str_of("f"), qn_type_function(ctx, 1, &t, 1, &t), false);
  qn_block body = qn_func_body(m, func);
  qn_builder b = qn_builder_at_end(m, body);
  b.loc = qn_loc_create(m, qn_str_of("file"), 1, 1, qn_str_of("node"));
  qn_value v = qn_block_arg(m, body, 0);
  static const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  const int64_t row[1] = {8};
  for (int i = 0; i < 12; i++) {
    qn_value c =
        qn_build_constant(&b, qn_attr_dense(m, qn_type_tensor(ctx, qn_type_scalar(ctx, QN_F32), 1, row), ones));
    v = qn_build2(&b, QN_OP_ADD, v, c);
    const qn_named_attr attrs[2] = {qn_named(m, "axis", qn_attr_int(m, (qn_type){0}, i % 2)),
                                    qn_named(m, "t.note", qn_attr_string(m, qn_str_of("note")))};
    v = qn_op_result(m, qn_op_build(&b, QN_OP_SOFTMAX, 1, &v, 2, attrs), 0);
  }
  qn_op_desc ret = {.kind = QN_OP_RETURN, .num_operands = 1, .operands = &v};
  qn_op_create(&b, &ret);
  qn_func_update_type(m, func);
  qn_func_set_input_name(m, func, 0, qn_str_of("x"));
  qn_status status = qn_module_verify(m);
  bool ok = status == QN_OK && !qn_module_failed(m);
  if (ok) {
    qn_module *copy = qn_module_clone(m);
    ok = copy && qn_module_verify(copy) == QN_OK;
    qn_module_destroy(copy);
  }
  qn_builder end = qn_builder_at_end(m, qn_module_body(m));
  if (ok) ok = qn_op_clone(&end, m, func, NULL, 0).id != 0;
  qn_module_destroy(m);
  return ok;
}

/* Each allocation in turn fails, alone or with all after it: an answer, no crash, nothing lost. */
static void test_memory_runs_out(void **state) {
  (void)state;
  size_t points = 0;
  for (int sticky = 0; sticky < 2; sticky++)
    for (size_t n = 0;; n++) {
      failing_alloc f;
      qn_allocator a = failing_init(&f, n);
      f.sticky = sticky != 0;
      int kept = 0;
      qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &a});
      bool ok = false;
      if (ctx) {
        ok = build_all(ctx, &kept);
        qn_context_destroy(ctx);
        assert_true(kept <= 1);
      }
      assert_true(failing_clean(&f));
      if (!f.fired) {
        assert_true(ok);
        points = n;
        break;
      }
    }
  assert_true(points > 50);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A million chained ops: every step is linear, and the module stays small. Times are printed, not judged. */
static void test_large_chain(void **state) {
  (void)state;
  enum { OPS = 1000000 };
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &a});
  qn_module *m = qn_module_create(ctx);
  const int64_t shape[1] = {8};
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_F32), 1, shape);
  qn_builder top = qn_builder_at_end(m, qn_module_body(m));
  qn_op func = qn_build_function(&top, qn_str_of("f"), qn_type_function(ctx, 1, &t, 1, &t), true);
  qn_block body = qn_func_body(m, func);
  qn_builder b = qn_builder_at_end(m, body);
  double start = seconds();
  qn_value x = qn_block_arg(m, body, 0), v = x;
  for (uint32_t i = 0; i < OPS; i++) {
    const qn_value operands[2] = {v, x};
    b.loc = qn_loc_create(m, qn_str_of("chain.mlir"), i + 2, 3, (qn_str){NULL, 0});
    qn_op_desc d = {.kind = QN_OP_ADD, .num_operands = 2, .operands = operands, .num_results = 1, .results = &t};
    v = qn_op_result(m, qn_op_create(&b, &d), 0);
    if (i + 1 == OPS / 10) print_message("100,000 ops: %.1f MB\n", (double)f.live_bytes / 1e6);
  }
  qn_op_desc ret = {.kind = QN_OP_RETURN, .num_operands = 1, .operands = &v};
  qn_op_create(&b, &ret);
  double built = seconds();
  assert_int_equal(qn_module_verify(m), QN_OK);
  double verified = seconds();
  for (qn_op op = qn_block_first(m, body), next; (next = qn_op_next(m, op)).id; op = next) {
    qn_value_replace(m, qn_op_result(m, op, 0), x); /* one use each, beside x's growing list */
    qn_op_erase(m, op);
  }
  double erased = seconds();
  print_message("a million ops: build %.0f ms, verify %.0f ms, replace and erase %.0f ms\n", (built - start) * 1e3,
                (verified - built) * 1e3, (erased - verified) * 1e3);
  assert_int_equal(qn_block_first(m, body).id, qn_block_last(m, body).id);
  assert_true(qn_value_has_one_use(m, x));
  assert_int_equal(qn_module_verify(m), QN_OK);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  assert_true(failing_clean(&f));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_null_ids),       cmocka_unit_test(test_attributes_and_defaults),
      cmocka_unit_test(test_build),          cmocka_unit_test(test_locations),
      cmocka_unit_test(test_function_names), cmocka_unit_test(test_regions_erase_and_move),
      cmocka_unit_test(test_deep_nesting),   cmocka_unit_test(test_random_changes),
      cmocka_unit_test(test_keep_and_clone), cmocka_unit_test(test_memory_runs_out),
      cmocka_unit_test(test_large_chain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
