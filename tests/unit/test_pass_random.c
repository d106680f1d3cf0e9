/* Random programs through the cleaning passes: what they compute must stay the same, bit for bit, on inputs that are
 * rich in zeros of both signs, infinities, NaN and the ends of integer ranges. check_each does the comparing. */
#include "random_test.h"
#include "text_test.h"
#include <math.h>
#include <quern/pass.h>
#include <quern/unstable/rewriter.h>

enum { POOL = 48, OPS = 24, PROGRAMS = 120 };

typedef struct generator {
  qn_context *ctx;
  qn_module *m;
  qn_builder b;
  qn_scalar scalar;
  qn_type type; /* of every value: a tensor, or a scalar in a region */
  bool region;
  qn_value pool[POOL];
  uint32_t size;
} generator;

/* ---- numbers that matter ---- */

static double special_float(void) {
  static const double numbers[] = {0.0, -0.0, 1.0,      -1.0,      2.0, 0.5,      -4.0,
                                   3.0, 0.1,  HUGE_VAL, -HUGE_VAL, NAN, 0x1p-126, 6.0};
  return numbers[random_below(sizeof numbers / sizeof *numbers)];
}

static int64_t special_int(qn_scalar s) {
  const int64_t numbers[] = {0, 1, -1, 2, 3, 7, 100, qn_scalar_min(s), qn_scalar_max(s)};
  return numbers[random_below(sizeof numbers / sizeof *numbers)];
}

static void fill(qn_tensor *t) {
  int64_t n = qn_tensor_count(t);
  for (int64_t i = 0; i < n; i++) {
    if (qn_scalar_is_float(t->elem))
      qn_tensor_set_f64(t, i, special_float());
    else
      qn_tensor_set_i64(t, i, special_int(t->elem));
  }
}

/* ---- programs ---- */

static qn_value any(generator *g) {
  return g->pool[random_below(g->size)];
}

static void add(generator *g, qn_value v) {
  if (!v.id || !qn_type_eq(qn_value_type(g->m, v), g->type)) return;
  if (g->size < POOL)
    g->pool[g->size++] = v;
  else
    g->pool[random_below(POOL)] = v;
}

/* A splat half of the time, sometimes of one element that broadcasts. */
static void add_constant(generator *g, bool keep) {
  char data[64];
  qn_attr a;
  if (g->region) {
    a = qn_scalar_is_float(g->scalar) ? qn_attr_float(g->m, g->type, special_float())
                                      : qn_attr_int(g->m, g->type, special_int(g->scalar));
  } else {
    qn_tensor t = {.elem = g->scalar, .rank = 2, .shape = {2, 2}, .data = data};
    fill(&t);
    a = random_below(2) ? qn_attr_splat(g->m, g->type, data) : qn_attr_dense(g->m, g->type, data);
  }
  qn_value v = qn_build_constant(&g->b, a);
  assert_true(v.id != 0);
  if (keep) add(g, v);
}

static void add_binary(generator *g) {
  static const qn_op_kind tensor[] = {QN_OP_ADD, QN_OP_SUB, QN_OP_MUL, QN_OP_DIV, QN_OP_MAXIMUM, QN_OP_MINIMUM};
  static const qn_op_kind floats[] = {QN_OP_ADDF, QN_OP_SUBF, QN_OP_MULF, QN_OP_DIVF, QN_OP_MAXIMUMF, QN_OP_MINIMUMF};
  static const qn_op_kind ints[] = {QN_OP_ADDI,  QN_OP_SUBI,  QN_OP_MULI,  QN_OP_DIVSI, QN_OP_DIVUI,
                                    QN_OP_ANDI,  QN_OP_ORI,   QN_OP_XORI,  QN_OP_SHLI,  QN_OP_SHRSI,
                                    QN_OP_SHRUI, QN_OP_MAXSI, QN_OP_MINSI, QN_OP_MAXUI, QN_OP_MINUI};
  qn_op_kind kind = !g->region                      ? tensor[random_below(6)]
                    : qn_scalar_is_float(g->scalar) ? floats[random_below(6)]
                                                    : ints[random_below(15)];
  qn_value a = any(g);
  add(g, qn_build2(&g->b, kind, a, random_below(8) ? any(g) : a));
}

static void add_unary(generator *g) {
  static const qn_op_kind both[] = {QN_OP_NEG, QN_OP_ABS, QN_OP_RELU};
  static const qn_op_kind floats[] = {QN_OP_FLOOR, QN_OP_CEIL, QN_OP_ROUND, QN_OP_NEG, QN_OP_ABS, QN_OP_RELU};
  static const qn_op_kind scalars[] = {QN_OP_NEGF, QN_OP_MATH_ABSF, QN_OP_MATH_ROUNDEVEN, QN_OP_MATH_FLOOR,
                                       QN_OP_MATH_CEIL};
  bool is_float = qn_scalar_is_float(g->scalar);
  if (g->region && !is_float) return;
  qn_op_kind kind = g->region ? scalars[random_below(5)] : is_float ? floats[random_below(6)] : both[random_below(3)];
  add(g, qn_build1(&g->b, kind, any(g)));
}

static void add_clip(generator *g) {
  double low = special_float(), high = special_float();
  if (g->region || !qn_scalar_is_float(g->scalar) || !(low <= high)) return;
  qn_value x = any(g);
  const qn_named_attr attrs[2] = {qn_named(g->m, "min", qn_attr_float(g->m, (qn_type){0}, low)),
                                  qn_named(g->m, "max", qn_attr_float(g->m, (qn_type){0}, high))};
  add(g, qn_op_result(g->m, qn_op_build(&g->b, QN_OP_CLIP, 1, &x, 2, attrs), 0));
}

/* There and back through another type. */
static void add_cast(generator *g) {
  static const qn_scalar to[] = {QN_I8, QN_UI8, QN_I16, QN_I32, QN_F16, QN_BF16, QN_F32, QN_F64};
  if (g->region) return;
  qn_scalar s = to[random_below(sizeof to / sizeof *to)];
  qn_type middle = qn_type_with_elem(g->ctx, g->type, qn_type_scalar(g->ctx, s));
  qn_value v = qn_build_cast(&g->b, QN_OP_CAST, any(g), middle);
  add(g, qn_build_cast(&g->b, QN_OP_CAST, v, g->type));
}

static void add_move(generator *g) {
  if (g->region) return;
  const int64_t perm[2] = {random_below(2) ? 1 : 0, 0}, swapped[2] = {perm[0], 1 - perm[0]}, flat[1] = {4},
                square[2] = {2, -1};
  qn_value x = any(g);
  if (random_below(2)) {
    const qn_named_attr a = qn_named(g->m, "perm", qn_attr_ints(g->m, QN_I64, 2, swapped));
    add(g, qn_op_result(g->m, qn_op_build(&g->b, QN_OP_TRANSPOSE, 1, &x, 1, &a), 0));
    return;
  }
  const qn_named_attr a = qn_named(g->m, "shape", qn_attr_ints(g->m, QN_I64, 1, flat)),
                      c = qn_named(g->m, "shape", qn_attr_ints(g->m, QN_I64, 2, square));
  qn_value v = qn_op_result(g->m, qn_op_build(&g->b, QN_OP_RESHAPE, 1, &x, 1, &a), 0);
  add(g, qn_op_result(g->m, qn_op_build(&g->b, QN_OP_RESHAPE, 1, &v, 1, &c), 0));
}

static void add_matmul(generator *g) {
  if (g->region || !qn_scalar_is_float(g->scalar)) return;
  qn_value operands[2] = {any(g), any(g)};
  const qn_named_attr flag = qn_named(g->m, random_below(2) ? "transpose_a" : "transpose_b", qn_attr_bool(g->m, true));
  add(g, qn_op_result(g->m, qn_op_build(&g->b, QN_OP_MATMUL, 2, operands, random_below(2), &flag), 0));
}

/* Scalar conversions through a wider type and back. */
static void add_conversion(generator *g) {
  if (!g->region || g->scalar != QN_I8) return;
  qn_type wide = qn_type_scalar(g->ctx, random_below(2) ? QN_I32 : QN_I16);
  qn_value v = qn_build_cast(&g->b, random_below(2) ? QN_OP_EXTSI : QN_OP_EXTUI, any(g), wide);
  add(g, qn_build_cast(&g->b, QN_OP_TRUNCI, v, g->type));
}

static void (*const moves[])(generator *g) = {add_binary, add_binary, add_binary, add_unary,  add_unary,
                                              add_clip,   add_cast,   add_move,   add_matmul, add_conversion};

static void grow(generator *g) {
  for (int i = 0; i < OPS; i++) {
    if (random_below(3) == 0) add_constant(g, true);
    moves[random_below(sizeof moves / sizeof *moves)](g);
  }
}

static qn_op begin_function(generator *g) {
  qn_type results[4] = {g->type, g->type, g->type, g->type};
  qn_builder top = qn_builder_at_end(g->m, qn_module_body(g->m));
  qn_op func = qn_build_function(&top, qn_str_of("main"), qn_type_function(g->ctx, 2, results, 4, results), true);
  g->b = qn_builder_at_end(g->m, qn_func_body(g->m, func));
  for (uint32_t i = 0; i < 2; i++) g->pool[g->size++] = qn_block_arg(g->m, qn_func_body(g->m, func), i);
  return func;
}

static void end_block(generator *g, qn_op_kind kind, uint32_t n) {
  qn_value last[4];
  for (uint32_t i = 0; i < n; i++) last[i] = g->pool[g->size - 1 - i % g->size];
  qn_op_desc d = {.kind = kind, .num_operands = n, .operands = last};
  qn_op_create(&g->b, &d);
}

/* The same kind of program inside a kern.map. */
static void make_kernel(generator *g) {
  qn_type tensor = g->type;
  qn_value inputs[2] = {g->pool[0], g->pool[1]};
  qn_type results[4] = {tensor, tensor, tensor, tensor};
  qn_op_desc d = {
      .kind = QN_OP_MAP, .num_operands = 2, .operands = inputs, .num_results = 4, .results = results, .num_regions = 1};
  qn_op map = qn_op_create(&g->b, &d);
  generator in = {.ctx = g->ctx, .m = g->m, .scalar = g->scalar, .type = qn_type_elem(g->ctx, tensor), .region = true};
  qn_block body = qn_op_region(g->m, map, 0);
  in.b = qn_builder_at_end(g->m, body);
  for (int i = 0; i < 2; i++) in.pool[in.size++] = qn_block_add_arg(g->m, body, in.type, (qn_name){0});
  grow(&in);
  end_block(&in, QN_OP_YIELD, 4);
  for (uint32_t i = 0; i < 4; i++) add(g, qn_op_result(g->m, map, i));
}

static qn_status give(void *user, const qn_module *m, qn_op func, int64_t sample, qn_tensor *in) {
  char(*data)[64] = user;
  qn_context *ctx = qn_module_context(m);
  (void)sample;
  for (uint32_t i = 0; i < 2; i++) {
    qn_type t = qn_value_type(m, qn_block_arg(m, qn_func_body(m, func), i));
    in[i] = (qn_tensor){.elem = qn_type_memory(ctx, qn_type_elem(ctx, t)), .rank = 2, .shape = {2, 2}, .data = data[i]};
    fill(&in[i]);
  }
  return QN_OK;
}

static void run_program(qn_scalar scalar, bool kernel, uint64_t number) {
  qn_context *ctx = text_context(NULL);
  qn_module *m = qn_module_create(ctx);
  const int64_t shape[2] = {2, 2};
  generator g = {.ctx = ctx, .m = m, .scalar = scalar};
  seed = number * 1000 + (uint64_t)scalar;
  g.type = qn_type_tensor(ctx, qn_type_scalar(ctx, scalar), 2, shape);
  begin_function(&g);
  if (kernel)
    make_kernel(&g);
  else
    grow(&g);
  end_block(&g, QN_OP_RETURN, 4);
  if (text_diags.errors) text_show_diags();
  assert_int_equal(qn_module_verify(m), QN_OK);
  char data[2][64], *before = text_print(m, false, false);
  qn_pass_manager *pm;
  qn_pass_manager_options options = {
      .verify_each = true, .check_each = true, .check_inputs = {.get = give, .user = data, .count = 6}};
  assert_int_equal(qn_pass_manager_create(ctx, qn_str_of("cse,canonicalize,cse,dce"), &options, &pm), QN_OK);
  qn_status status = qn_pass_manager_run(pm, m);
  if (status != QN_OK) {
    text_show_diags();
    char *after = text_print(m, false, false);
    print_message("%s\n%s\n", before, after);
    fail_msg("%s program %llu: the passes changed it", qn_scalar_get(scalar)->text, (unsigned long long)number);
  }
  free(before);
  qn_pass_manager_destroy(pm);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

static void test_tensors(void **state) {
  (void)state;
  static const qn_scalar scalars[] = {QN_F32, QN_F64, QN_F16, QN_BF16, QN_I8, QN_UI8, QN_I32, QN_I64, QN_UI32};
  for (uint64_t i = 0; i < PROGRAMS; i++)
    for (size_t s = 0; s < sizeof scalars / sizeof *scalars; s++) run_program(scalars[s], false, i);
}

static void test_kernels(void **state) {
  (void)state;
  static const qn_scalar scalars[] = {QN_F32, QN_I8, QN_I32, QN_I64, QN_F16};
  for (uint64_t i = 0; i < PROGRAMS; i++)
    for (size_t s = 0; s < sizeof scalars / sizeof *scalars; s++) run_program(scalars[s], true, i);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tensors), cmocka_unit_test(test_kernels)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
