/* Equal ops have equal plans, and ops that are planned differently are not equal. */
#include "unit.h"

#include "context_impl.h"
#include "memo.h"
#include <quern/quern.h>
#include <stdio.h>
#include <string.h>

/* Lowered functions, one op of each written out: what the second differs in stands beside it. */
static qn_module *lowered(qn_context *ctx, const char *text) {
  qn_module *m;
  assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "memo", NULL, &m), QN_OK);
  assert_int_equal(qn_lower(m, NULL), QN_OK);
  return m;
}

enum { MOST = 64 };

typedef struct found {
  uint32_t ops, known;
} found;

/* Plans every op, and those that are known twice. */
static found plan_all(qn_module *m) {
  found f = {0, 0};
  qn_context *ctx = qn_module_context(m);
  qn_kernel_plan plans[MOST], again;
  qn_plan_memo memo;
  qn_arena arena;
  qn__plan_memo_init(&memo, qn_context_allocator(ctx));
  qn__arena_init(&arena, qn_context_allocator(ctx));
  qn_block body = qn_func_body(m, qn_module_function(m, "main"));
  for (qn_op op = qn_block_first(m, body); op.id; op = qn_op_next(m, op)) {
    qn_op_kind kind = qn_op_kind_of(m, op);
    if (kind == QN_OP_PACKED || !(qn_op_info_get(kind)->traits & QN_KERNEL_OP)) continue;
    assert_true(f.ops < MOST);
    qn_kernel_plan *p = &plans[f.ops++];
    assert_int_equal(qn__kernel_plan(m, op, qn_isa_host(), &arena, p), QN_OK);
    uint32_t known = qn__plan_memo_find(&memo, m, op);
    if (!known) qn__plan_memo_add(&memo, f.ops);
    if (!known) continue;
    f.known++;
    assert_int_equal(qn__kernel_plan_again(m, op, &plans[known - 1], &arena, &again), QN_OK);
    assert_true(again.hash == p->hash && again.check == p->check);
    assert_string_equal(again.name, p->name);
    assert_string_equal(again.tile, p->tile);
    assert_string_equal(again.fused, p->fused);
    assert_string_equal(again.tuned, p->tuned);
    assert_int_equal(again.parts, p->parts);
    assert_int_equal(again.place.line, p->place.line);
  }
  qn__plan_memo_free(&memo);
  qn__arena_free(&arena);
  return f;
}

/* Two steps that may be the same, the second on what the first gives. */
static found pair(const char *first, const char *second) {
  char text[4096];
  qn_context *ctx = qn_context_create(NULL);
  snprintf(text, sizeof text,
           "func.func @main(%%x: tensor<8x64xf32>, %%y: tensor<8x64xf32>, %%s: tensor<64xf32>) -> (tensor<8x64xf32>, "
           "tensor<8x64xf32>) {\n"
           "%%a = %s\n%%b = %s\nreturn %%a, %%b : tensor<8x64xf32>, tensor<8x64xf32>\n}\n",
           first, second);
  qn_module *m = lowered(ctx, text);
  found f = plan_all(m);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  return f;
}

static const char relu_x[] = "quern.relu %x : (tensor<8x64xf32>) -> tensor<8x64xf32>";
static const char relu_y[] = "quern.relu %y : (tensor<8x64xf32>) -> tensor<8x64xf32>";
static const char clip[] = "quern.clip %y {min = 0.0, max = 6.0} : (tensor<8x64xf32>) -> tensor<8x64xf32>";
static const char clip_less[] = "quern.clip %x {min = 0.0, max = 5.0} : (tensor<8x64xf32>) -> tensor<8x64xf32>";
static const char add_all[] = "quern.add %x, %y : (tensor<8x64xf32>, tensor<8x64xf32>) -> tensor<8x64xf32>";
static const char add_row[] = "quern.add %x, %s : (tensor<8x64xf32>, tensor<64xf32>) -> tensor<8x64xf32>";
static const char softmax_x[] = "quern.softmax %x : (tensor<8x64xf32>) -> tensor<8x64xf32>";
static const char softmax_y[] = "quern.softmax %y : (tensor<8x64xf32>) -> tensor<8x64xf32>";

static void equal_ops(void **state) {
  (void)state;
  found f = pair(relu_x, relu_y);
  assert_true(f.ops == 2 && f.known == 1);
  f = pair(softmax_x, softmax_y);
  assert_true(f.ops == 2 && f.known == 1);
}

static void unequal_ops(void **state) {
  (void)state;
  static const char *const pairs[][2] = {
      {relu_x, clip}, {clip, clip_less}, {add_all, add_row}, {add_row, relu_y}, {softmax_x, relu_y}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    found f = pair(pairs[i][0], pairs[i][1]);
    assert_true(f.ops == 2 && f.known == 0);
  }
}

/* Layers of products: what is found of the first is what the others are. */
static void layers(void **state) {
  (void)state;
  enum { LAYERS = 3 };
  char text[4096] = "func.func @main(%v0: tensor<4x32xf32>) -> tensor<4x32xf32> {\n";
  for (int i = 0; i < LAYERS; i++) {
    size_t at = strlen(text);
    snprintf(text + at, sizeof text - at,
             "%%q%d:3 = quern.dynamic_quantize %%v%d {storage = ui8} : (tensor<4x32xf32>) -> (tensor<4x32xui8>, "
             "tensor<f32>, tensor<ui8>)\n"
             "%%w%d = arith.constant dense<%d> : tensor<32x32xi8>\n"
             "%%p%d = quern.matmul_integer %%q%d#0, %%w%d, %%q%d#2 : (tensor<4x32xui8>, tensor<32x32xi8>, tensor<ui8>) "
             "-> tensor<4x32xi32>\n"
             "%%c%d = quern.cast %%p%d : (tensor<4x32xi32>) -> tensor<4x32xf32>\n"
             "%%v%d = quern.mul %%c%d, %%q%d#1 : (tensor<4x32xf32>, tensor<f32>) -> tensor<4x32xf32>\n",
             i, i, i, i + 1, i, i, i, i, i, i, i + 1, i, i);
  }
  size_t at = strlen(text);
  snprintf(text + at, sizeof text - at, "return %%v%d : tensor<4x32xf32>\n}\n", LAYERS);
  qn_context *ctx = qn_context_create(NULL);
  qn_module *m = lowered(ctx, text);
  found f = plan_all(m);
  assert_true(f.ops % LAYERS == 0 && f.known == f.ops / LAYERS * (LAYERS - 1));
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_ops),
      cmocka_unit_test(unequal_ops),
      cmocka_unit_test(layers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
