/* Kernel ops: gemm with prologue, epilogue and every kind of layout; map; packing. */
#include "interp_test.h"
#include <quern/num.h>
#include <quern/unstable/layout.h>

/* ---- map ---- */

static void map(void **state) {
  (void)state;
  static const char two_results[] = "({\n^bb0(%x: f32, %y: f32):\n  %s = arith.addf %x, %y : f32\n"
                                    "  %i = arith.fptosi %s : f32 to i8\n  kern.yield %i, %s : i8, f32\n})";
  ev_case("kern.map", "", two_results, 2,
          (const arg[]){{"tensor<2x1xf32>", V(1, 200)}, {"tensor<3xf32>", V(0.5, 1, -3)}}, 2,
          (const arg[]){{"tensor<2x3xi8>", V(1, 2, -2, 127, 127, 127)},
                        {"tensor<2x3xf32>", V(1.5, 2, -2, 200.5, 201, 197)}});
  static const char identity[] = "({\n^bb0(%x: i8):\n  kern.yield %x : i8\n})";
  ev_case("kern.map", "{perm = array<i64: 1, 0>}", identity, 1,
          (const arg[]){{"tensor<2x3xui8>", V(1, 2, 3, 4, 5, 255)}}, 1,
          (const arg[]){{"tensor<3x2xui8>", V(1, 4, 2, 5, 3, 255)}});
  ev_case("kern.map", "", identity, 1, (const arg[]){{"tensor<0x3xi8>", V(0)}}, 1,
          (const arg[]){{"tensor<0x3xi8>", V(0)}});
  ev_case("kern.map", "", identity, 1, (const arg[]){{"tensor<i8>", V(-7)}}, 1,
          (const arg[]){{"tensor<!quant.uniform<u8:f32, 0.5>>", V(249)}});
}

/* ---- gemm ---- */

#define PASS(type)  "{\n^bb0(%p: " type "):\n  kern.yield %p : " type "\n}"
#define PASS2(type) "{\n^bb0(%%p: " type "):\n  kern.yield %%p : " type "\n}" /* within a format */

/* y = a * b in "plain" layout, with nothing before and after. */
static void plain(const char *attrs, const char *a_elem, const char *acc, const arg *in, const arg *out) {
  char regions[256];
  snprintf(regions, sizeof regions,
           "({\n^bb0(%%p: %s):\n  kern.yield %%p : %s\n}, {\n^bb0(%%p: %s):\n  kern.yield %%p : %s\n})", a_elem, a_elem,
           acc, acc);
  ev_case("kern.gemm", attrs, regions, 2, in, 1, out);
}

static void plain_products(void **state) {
  (void)state;
  plain("{acc = f32, layout = \"plain\"}", "f32", "f32",
        (const arg[]){{"tensor<2x3xf32>", V(1, 2, 3, 4, 5, 6)}, {"tensor<3x2xf32>", V(7, 8, 9, 10, 11, 12)}},
        &(arg){"tensor<2x2xf32>", V(58, 64, 139, 154)});
  plain("{acc = f32, layout = \"plain\", transpose_a = true}", "f32", "f32",
        (const arg[]){{"tensor<3x2xf32>", V(1, 4, 2, 5, 3, 6)}, {"tensor<3x2xf32>", V(7, 8, 9, 10, 11, 12)}},
        &(arg){"tensor<2x2xf32>", V(58, 64, 139, 154)});
  plain("{acc = i32, layout = \"plain\"}", "i8", "i32",
        (const arg[]){{"tensor<1x2xui8>", V(255, 1)}, {"tensor<2x2xi8>", V(-128, 127, 1, -1)}},
        &(arg){"tensor<1x2xi32>", V(-32639, 32384)});
  plain("{acc = i64, layout = \"plain\"}", "i16", "i64",
        (const arg[]){{"tensor<1x3xi16>", V(32767, 32767, 32767)}, {"tensor<3x1xi16>", V(32767, 32767, 32767)}},
        &(arg){"tensor<1x1xi64>", V(3.0 * 32767 * 32767)});
  plain("{acc = i32, layout = \"plain\"}", "i16", "i32",
        (const arg[]){{"tensor<1x3xi16>", V(32767, 32767, 32767)}, {"tensor<3x1xi16>", V(32767, 32767, 32767)}},
        &(arg){"tensor<1x1xi32>", V(3.0 * 32767 * 32767 - 4294967296.0)});
  plain("{acc = f64, layout = \"plain\"}", "f64", "f64",
        (const arg[]){{"tensor<1x2xf64>", V(0.1, 3)}, {"tensor<2x1xf64>", V(0.1, 5)}},
        &(arg){"tensor<1x1xf64>", V(fma(3, 5, fma(0.1, 0.1, 0)))});
  plain("{acc = f32, layout = \"plain\"}", "f16", "f32",
        (const arg[]){{"tensor<1x3xf16>", V(2048, 1, 1)}, {"tensor<3x1xf16>", V(1, 1, 1)}},
        &(arg){"tensor<1x1xf32>", V(2050)});
  plain("{acc = f32, layout = \"plain\"}", "f32", "f32",
        (const arg[]){{"tensor<2x1x1x2xf32>", V(1, 2, 3, 4)}, {"tensor<3x2x1xf32>", V(1, 0, 0, 1, 1, 1)}},
        &(arg){"tensor<2x3x1x1xf32>", V(1, 2, 3, 3, 4, 7)});
  plain("{acc = f32, layout = \"plain\"}", "f32", "f32",
        (const arg[]){{"tensor<2x0xf32>", V(0)}, {"tensor<0x1xf32>", V(0)}}, &(arg){"tensor<2x1xf32>", V(0.0, 0.0)});
}

/* Quantize while reading A (scale and zero point by row), then scale by column, add a bias, requantize. */
static void prologue_and_epilogue(void **state) {
  (void)state;
  static const char regions[] =
      "({\n^bb0(%x: f32, %s: f32):\n  %t = arith.divf %x, %s : f32\n  %r = math.roundeven %t : f32\n"
      "  %q = arith.fptosi %r : f32 to i8\n  kern.yield %q : i8\n}, {\n^bb0(%acc: i32, %m: f32, %b: f32):\n"
      "  %f = arith.sitofp %acc : i32 to f32\n  %g = arith.mulf %f, %m : f32\n  %h = arith.addf %g, %b : f32\n"
      "  %z = arith.constant 0.0 : f32\n  %y = arith.maximumf %h, %z : f32\n  kern.yield %y : f32\n})";
  const char *attrs = "{acc = i32, layout = \"plain\", lhs = i8, num_prologue = 1 : i64}";
  const arg in[] = {{"tensor<2x2xf32>", V(1, 2, 30, -40)},
                    {"tensor<2x2xi8>", V(1, 2, 3, 4)},
                    {"tensor<2x1xf32>", V(0.5, 10)},
                    {"tensor<2xf32>", V(0.5, 0.25)},
                    {"tensor<f32>", V(-1)}};
  /* A codes: [2 4], [3 -4]; sums [14 20], [-9 -10]; scaled [7 5], [-4.5 -2.5]; bias -1; relu. */
  ev_case("kern.gemm", attrs, regions, 5, in, 1, (const arg[]){{"tensor<2x2xf32>", V(6, 4, 0.0, 0.0)}});
  static const char by_k[] =
      "({\n^bb0(%x: i8, %s: i8):\n  %q = arith.addi %x, %s : i8\n  kern.yield %q : i8\n}, " PASS("i32") ")";
  ev_case("kern.gemm", "{acc = i32, layout = \"plain\", num_prologue = 1 : i64, transpose_a = true}", by_k, 3,
          (const arg[]){{"tensor<2x1xi8>", V(1, 2)}, {"tensor<2x1xi8>", V(1, 10)}, {"tensor<1x2xi8>", V(1, -1)}}, 1,
          (const arg[]){{"tensor<1x1xi32>", V(2 + 10)}});
}

/* b packed at run time and read back: the same product in every layout, for K and N that fill nothing evenly. */
static void packed(const char *layout, bool transpose, int m, int k, int n) {
  char text[1024], a_type[64], b_type[64], packed_type[64], y_type[64];
  snprintf(a_type, sizeof a_type, "tensor<2x%dx%dxui8>", m, k);
  snprintf(b_type, sizeof b_type, "tensor<2x%dx%dxi8>", transpose ? n : k, transpose ? k : n);
  snprintf(packed_type, sizeof packed_type, "tensor<2x%dx%dxi8>", k, n);
  snprintf(y_type, sizeof y_type, "tensor<2x%dx%dxi32>", m, n);
  snprintf(text, sizeof text,
           "func.func @main(%%a: %s, %%b: %s) -> %s {\n  %%0 = kern.pack %%b {layout = \"%s\", transpose = %s} : (%s) "
           "-> %s\n"
           "  %%1 = \"kern.gemm\"(%%a, %%0) (" PASS2("i8") ", " PASS2(
               "i32") ") {acc = i32, layout = \"%s\"} : (%s, %s) -> %s\n"
                      "  return %%1 : %s\n}\n",
           a_type, b_type, y_type, layout, transpose ? "true" : "false", b_type, packed_type, layout, a_type,
           packed_type, y_type, y_type);
  size_t an = (size_t)(2 * m * k), bn = (size_t)(2 * k * n), yn = (size_t)(2 * m * n);
  double *a = calloc(an + 1, sizeof *a), *b = calloc(bn + 1, sizeof *b), *y = calloc(yn + 1, sizeof *y);
  for (size_t i = 0; i < an; i++) a[i] = (double)(i * 37 % 256);
  for (size_t i = 0; i < bn; i++) b[i] = (double)(i * 91 % 256) - 128;
  for (int g = 0; g < 2; g++)
    for (int r = 0; r < m; r++)
      for (int c = 0; c < n; c++)
        for (int j = 0; j < k; j++)
          y[(g * m + r) * n + c] +=
              a[(g * m + r) * k + j] * (transpose ? b[(g * n + c) * k + j] : b[(g * k + j) * n + c]);
  ev_program(text, 2, (const arg[]){{a_type, a}, {b_type, b}}, 1, (const arg[]){{y_type, y}});
  free(a);
  free(b);
  free(y);
}

static void layouts(void **state) {
  (void)state;
  static const char *const names[] = {"k4n64", "k2n16", "k1n8", "k4n4", "k1n1"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    packed(names[i], false, 3, 7, 5);
    packed(names[i], true, 2, 5, 9);
    packed(names[i], false, 1, 8, 64);
    packed(names[i], true, 1, 1, 1);
    packed(names[i], false, 2, 0, 3);
    packed(names[i], false, 2, 3, 0);
  }
}

/* A packed constant whose bytes are written here by the layout's formula: k2n2 of a 3x3 matrix is two panels of two
 * columns, two blocks of two rows each, zero where the matrix ends. */
static void packed_constant(void **state) {
  (void)state;
  ev_program("func.func @main(%a: tensor<2x3xi8>) -> tensor<2x3xi32> {\n"
             "  %0 = \"kern.packed_constant\"() {layout = \"k2n2\", value = dense<[1, 4, 2, 5, 7, 0, 8, 0, 3, 6, 0, 0, "
             "9, 0, 0, 0]> : "
             "tensor<16xi8>} : () -> tensor<3x3xi8>\n"
             "  %1 = \"kern.gemm\"(%a, %0) (" PASS("i8") ", " PASS(
                 "i32") ") {acc = i32, layout = \"k2n2\"} : (tensor<2x3xi8>, tensor<3x3xi8>) -> tensor<2x3xi32>\n"
                        "  return %1 : tensor<2x3xi32>\n}\n",
             1, (const arg[]){{"tensor<2x3xi8>", V(1, 0, 0, 1, 10, 100)}}, 1,
             (const arg[]){{"tensor<2x3xi32>", V(1, 2, 3, 741, 852, 963)}});
}

/* Alone, a packed value is its bytes, in and out. */
static void packed_alone(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m =
      ev_parse(&e, "func.func @main(%a: tensor<1x3xi8>, %b: tensor<3x1xi8>) -> tensor<1x1xi32> {\n"
                   "  %0 = kern.pack %b {layout = \"k2n2\"} : (tensor<3x1xi8>) -> tensor<3x1xi8>\n"
                   "  %1 = \"kern.gemm\"(%a, %0) (" PASS("i8") ", " PASS(
                       "i32") ") {acc = i32, layout = \"k2n2\"} : (tensor<1x3xi8>, tensor<3x1xi8>) -> tensor<1x1xi32>\n"
                              "  return %1 : tensor<1x1xi32>\n}\n");
  qn_op pack = qn_block_first(m, qn_func_body(m, qn_module_function(m, "main")));
  int8_t a[] = {1, 2, 3}, b[] = {4, 5, 6};
  qn_tensor in[2] = {{QN_I8, 2, {1, 3}, a}, {QN_I8, 2, {3, 1}, b}}, bytes, y;
  assert_int_equal(qn_eval_op(m, pack, &in[1], &bytes), QN_OK);
  static const int8_t want[] = {4, 5, 0, 0, 6, 0, 0, 0};
  assert_int_equal(bytes.elem, QN_UI8);
  assert_int_equal(bytes.shape[0], 8);
  assert_memory_equal(bytes.data, want, sizeof want);
  qn_tensor both[2] = {in[0], bytes};
  assert_int_equal(qn_eval_op(m, qn_op_next(m, pack), both, &y), QN_OK);
  assert_int_equal(qn_tensor_get_i64(&y, 0), 32);
  qn_tensor_free(e.ctx, &y);
  both[1].shape[0] = 7;
  assert_int_equal(qn_eval_op(m, qn_op_next(m, pack), both, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "operand 1 holds 7 bytes, but 3x1xi8 takes 8 in the layout that the kernel names");
  qn_tensor_free(e.ctx, &bytes);
  qn_module_destroy(m);
  ev_close(&e);
}

/* Sizes that meet only at run time, and what a region may not do. */
static void errors(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m =
      ev_parse(&e, "func.func @main(%a: tensor<?x?xf32>, %b: tensor<?x2xf32>, %c: tensor<?xf32>) -> tensor<?x2xf32> {\n"
                   "  %0 = \"kern.gemm\"(%a, %b, %c) (" PASS(
                       "f32") ", {\n^bb0(%s: f32, %x: f32):\n  kern.yield %x : f32\n}) {acc = f32, layout = \"plain\"}"
                              " : (tensor<?x?xf32>, tensor<?x2xf32>, tensor<?xf32>) -> tensor<?x2xf32>\n  return %0 : "
                              "tensor<?x2xf32>\n}\n");
  float x[8] = {0};
  qn_tensor in[3] = {{QN_F32, 2, {2, 2}, x}, {QN_F32, 2, {3, 2}, x}, {QN_F32, 1, {2}, x}}, y;
  qn_op f = qn_module_function(m, "main");
  assert_int_equal(qn_evaluate(m, f, NULL, 3, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "kern.gemm of 2x2xf32 and 3x2xf32: the summed axis has 2 elements in one and 3 in the other");
  in[1].shape[0] = 2;
  in[2].shape[0] = 3;
  assert_int_equal(qn_evaluate(m, f, NULL, 3, in, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "do not broadcast");
  in[2].shape[0] = 1;
  assert_int_equal(qn_evaluate(m, f, NULL, 3, in, 1, &y), QN_OK);
  qn_tensor_free(e.ctx, &y);
  in[0].shape[0] = 1;
  in[2].shape[0] = 2;
  assert_int_equal(qn_evaluate(m, f, NULL, 3, in, 1, &y), QN_OK);
  qn_tensor_free(e.ctx, &y);
  qn_module_destroy(m);
  ev_close(&e);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(map),     cmocka_unit_test(plain_products),  cmocka_unit_test(prologue_and_epilogue),
      cmocka_unit_test(layouts), cmocka_unit_test(packed_constant), cmocka_unit_test(packed_alone),
      cmocka_unit_test(errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
