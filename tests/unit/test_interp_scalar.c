/* The scalar ops of regions, each over its odd values; reductions over rows; regions evaluated alone. */
#include "interp.h"
#include "interp_test.h"
#include <quern/num.h>

#define INF  ((double)INFINITY)
#define QNAN ((double)NAN)

/* y = op(a, b) on one type, n elements. */
static void two(const char *op, const char *type, uint32_t n, const double *a, const double *b, const double *y) {
  char line[128];
  const char *types[] = {type, type};
  const double *in[] = {a, b};
  snprintf(line, sizeof line, "%%y = %s %%x0, %%x1 : %s", op, type);
  ev_scalar(line, 2, types, types, in, type, type, n, y);
}

static void one(const char *op, const char *type, uint32_t n, const double *a, const double *y) {
  char line[128];
  const double *in[] = {a};
  snprintf(line, sizeof line, "%%y = %s %%x0 : %s", op, type);
  ev_scalar(line, 1, &type, &type, in, type, type, n, y);
}

static void convert(const char *op, const char *from, const char *to, uint32_t n, const double *a, const double *y) {
  char line[128];
  const double *in[] = {a};
  snprintf(line, sizeof line, "%%y = %s %%x0 : %s to %s", op, from, to);
  ev_scalar(line, 1, &from, &from, in, to, to, n, y);
}

static void integers(void **state) {
  (void)state;
  two("arith.addi", "i8", 4, V(127, -128, 100, 1), V(1, -1, 100, 2), V(-128, 127, -56, 3));
  two("arith.subi", "i8", 4, V(-128, 127, 0, 5), V(1, -1, -128, 2), V(127, -128, -128, 3));
  two("arith.muli", "i32", 3, V(65536, -2147483648.0, 3), V(65536, -1, -4), V(0, -2147483648.0, -12));
  two("arith.divsi", "i8", 5, V(-7, -128, 5, 7, -128), V(2, -1, 0, -2, 1), V(-3, -128, 0, -3, -128));
  two("arith.divui", "i8", 4, V(-1, -128, 5, 7), V(2, -1, 0, -1), V(127, 0, 0, 0));
  two("arith.andi", "i8", 3, V(-1, 12, 5), V(7, 10, 0), V(7, 8, 0));
  two("arith.ori", "i8", 3, V(-128, 12, 5), V(7, 10, 0), V(-121, 14, 5));
  two("arith.xori", "i8", 3, V(-1, 12, 5), V(7, 10, 5), V(-8, 6, 0));
  two("arith.shli", "i8", 5, V(1, 1, 3, -1, 1), V(7, 8, 6, 1, -1), V(-128, 0, -64, -2, 0));
  two("arith.shrsi", "i8", 5, V(-128, -128, 64, -1, 100), V(7, 8, 6, 100, -1), V(-1, -1, 1, -1, 0));
  two("arith.shrui", "i8", 5, V(-128, -128, 64, -1, -1), V(7, 8, 6, 1, -1), V(1, 0, 1, 127, 0));
  two("arith.maxsi", "i8", 3, V(-128, 3, -1), V(127, -3, 1), V(127, 3, 1));
  two("arith.minsi", "i8", 3, V(-128, 3, -1), V(127, -3, 1), V(-128, -3, -1));
  two("arith.maxui", "i8", 3, V(-128, 3, -1), V(127, -3, 1), V(-128, -3, -1));
  two("arith.minui", "i8", 3, V(-128, 3, -1), V(127, -3, 1), V(127, 3, 1));
  two("arith.addi", "i4", 3, V(7, -8, 3), V(1, -1, -3), V(-8, 7, 0));
  two("arith.addi", "i1", 4, V(0, 0, 1, 1), V(0, 1, 0, 1), V(0, 1, 1, 0));
  two("arith.muli", "i64", 2, V(4294967296.0, -3), V(4294967296.0, 5), V(0, -15));
  two("arith.divsi", "i64", 2, V(-9223372036854775808.0, 8), V(-1, 3), V(-9223372036854775808.0, 2));
}

static void floats(void **state) {
  (void)state;
  two("arith.addf", "f32", 3, V(0.1f, INF, -0.0), V(0.2f, -INF, -0.0), V((double)(0.1f + 0.2f), QNAN, -0.0));
  two("arith.subf", "f32", 2, V(1, 0.0), V(3, 0.0), V(-2, 0.0));
  two("arith.mulf", "f64", 2, V(0.1, 0x1p-600), V(0.1, 0x1p-600), V(0.1 * 0.1, 0.0));
  two("arith.divf", "f32", 3, V(1, -1, 0), V(3, 0, 0), V((double)(1.0f / 3.0f), -INF, QNAN));
  two("arith.maximumf", "f32", 4, V(-0.0, QNAN, 1, -5), V(0.0, 1, QNAN, -INF), V(0.0, QNAN, QNAN, -5));
  two("arith.minimumf", "f64", 4, V(-0.0, QNAN, 1, -5), V(0.0, 1, QNAN, -INF), V(-0.0, QNAN, QNAN, -INF));
  one("arith.negf", "f32", 3, V(0.0, -2, INF), V(-0.0, 2, -INF));
  one("math.absf", "f64", 3, V(-0.0, -2, -INF), V(0.0, 2, INF));
  one("math.sqrt", "f32", 3, V(9, -1, -0.0), V(3, QNAN, -0.0));
  one("math.roundeven", "f32", 5, V(0.5, 1.5, 2.5, -0.5, -1.5), V(0.0, 2, 2, -0.0, -2));
  one("math.round", "f32", 5, V(0.5, 1.5, 2.5, -0.5, 0.49999997f), V(1, 2, 3, -1, 0.0));
  one("math.floor", "f32", 3, V(0.5, -0.5, -0.0), V(0.0, -1, -0.0));
  one("math.ceil", "f32", 3, V(0.5, -0.5, -0.0), V(1, -0.0, -0.0));
  two("arith.addf", "f16", 2, V(2048, 65504), V(1, 16), V(2048, INF));
  two("arith.mulf", "bf16", 1, V(257.0 - 1), V(1.0078125), V(258));
  /* The exact value of a*b + c needs both halves of the product: 2^-24 squared survives the cancellation. */
  const char *t32[] = {"f32", "f32", "f32"}, *t64[] = {"f64", "f64", "f64"};
  const double *in[] = {V(1 + 0x1p-12, 2), V(1 + 0x1p-12, 3), V(-(1 + 0x1p-11), 4)};
  ev_scalar("%y = math.fma %x0, %x1, %x2 : f32", 3, t32, t32, in, "f32", "f32", 2, V(0x1p-24, 10));
  const double *in64[] = {V(1 + 0x1p-30, 2), V(1 + 0x1p-30, 3), V(-(1 + 0x1p-29), 4)};
  ev_scalar("%y = math.fma %x0, %x1, %x2 : f64", 3, t64, t64, in64, "f64", "f64", 2, V(0x1p-60, 10));
}

static void elementary(void **state) {
  (void)state;
  double x = 0.625, t = x;
  one("math.exp", "f32", 1, &x, (t = (double)qn_f32_exp(0.625f), &t));
  one("math.log", "f32", 1, &x, (t = (double)qn_f32_log(0.625f), &t));
  one("math.tanh", "f32", 1, &x, (t = (double)qn_f32_tanh(0.625f), &t));
  one("math.erf", "f32", 1, &x, (t = (double)qn_f32_erf(0.625f), &t));
  one("math.exp", "f16", 1, &x, (t = (double)qn_f16_to_f32(qn_f16_from_f32(qn_f32_exp(0.625f))), &t));
  const char *f32 = "f32";
  const double *in[] = {&x};
  t = (double)qn_f32_sigmoid(0.625f);
  ev_scalar("%y = quern.sigmoid_scalar %x0 : (f32) -> f32", 1, &f32, &f32, in, "f32", "f32", 1, &t);
  t = (double)qn_f32_gelu(0.625f);
  ev_scalar("%y = quern.gelu_scalar %x0 : (f32) -> f32", 1, &f32, &f32, in, "f32", "f32", 1, &t);
  t = (double)qn_f32_gelu_tanh(0.625f);
  ev_scalar("%y = \"quern.gelu_scalar\"(%x0) {approximate = \"tanh\"} : (f32) -> f32", 1, &f32, &f32, in, "f32", "f32",
            1, &t);
}

/* Row r, predicate p of: less, equal, greater, unordered pairs. */
static void comparisons(void **state) {
  (void)state;
  static const char ints[10][4] = {"010", "101", "100", "110", "001", "011", "100", "110", "001", "011"};
  const char *i8[] = {"i8", "i8"}, *f32[] = {"f32", "f32"};
  char line[160];
  double y[4];
  for (int p = 0; p < 10; p++) {
    snprintf(line, sizeof line, "%%y = \"arith.cmpi\"(%%x0, %%x1) {predicate = %d : i64} : (i8, i8) -> i1", p);
    for (int i = 0; i < 3; i++) y[i] = ints[p][i] == '1';
    ev_scalar(line, 2, i8, i8, (const double *[]){V(1, 2, 3), V(2, 2, 2)}, "i1", "i1", 3, y);
    /* -56 is below 100; as unsigned bytes, 200 is above it. */
    ev_scalar(line, 2, i8, i8, (const double *[]){V(-56), V(100)}, "i1", "i1", 1, V(ints[p][p < 6 ? 0 : 2] == '1'));
  }
  static const char floats[16][5] = {"0000", "0100", "0010", "0110", "1000", "1100", "1010", "1110",
                                     "0101", "0011", "0111", "1001", "1101", "1011", "0001", "1111"};
  for (int p = 0; p < 16; p++) {
    snprintf(line, sizeof line, "%%y = \"arith.cmpf\"(%%x0, %%x1) {predicate = %d : i64} : (f32, f32) -> i1", p);
    for (int i = 0; i < 4; i++) y[i] = floats[p][i] == '1';
    ev_scalar(line, 2, f32, f32, (const double *[]){V(1, -0.0, 3, QNAN), V(2, 0.0, 2, 2)}, "i1", "i1", 4, y);
  }
  const char *sel[] = {"i1", "f32", "f32"}, *seli[] = {"i1", "i8", "i8"}, *seld[] = {"i1", "f64", "f64"};
  ev_scalar("%y = arith.select %x0, %x1, %x2 : f32", 3, sel, sel, (const double *[]){V(1, 0), V(1, 2), V(3, -0.0)},
            "f32", "f32", 2, V(1, -0.0));
  ev_scalar("%y = arith.select %x0, %x1, %x2 : i8", 3, seli, seli, (const double *[]){V(1, 0), V(1, 2), V(3, -4)}, "i8",
            "i8", 2, V(1, -4));
  ev_scalar("%y = arith.select %x0, %x1, %x2 : f64", 3, seld, seld, (const double *[]){V(1, 0), V(1, 2), V(3, 0.1)},
            "f64", "f64", 2, V(1, 0.1));
}

static void conversions(void **state) {
  (void)state;
  convert("arith.extsi", "i8", "i32", 3, V(-1, -128, 5), V(-1, -128, 5));
  convert("arith.extui", "i8", "i32", 3, V(-1, -128, 5), V(255, 128, 5));
  convert("arith.extsi", "i1", "i8", 2, V(1, 0), V(-1, 0));
  convert("arith.extui", "i1", "i8", 2, V(1, 0), V(1, 0));
  convert("arith.trunci", "i32", "i8", 3, V(300, -129, 255), V(44, 127, -1));
  convert("arith.trunci", "i32", "i1", 3, V(2, 3, -1), V(0, 1, 1));
  convert("arith.sitofp", "i32", "f32", 3, V(16777217, -16777219, 5), V(16777216, -16777220, 5));
  convert("arith.uitofp", "i8", "f32", 2, V(-1, 5), V(255, 5));
  convert("arith.uitofp", "i32", "f32", 2, V(-1, 16777217), V(4294967296.0, 16777216));
  convert("arith.sitofp", "i1", "f32", 2, V(1, 0), V(-1, 0));
  convert("arith.sitofp", "i64", "f64", 1, V(-9223372036854775808.0), V(-9223372036854775808.0));
  convert("arith.uitofp", "i64", "f64", 1, V(-9223372036854775808.0), V(9223372036854775808.0));
  convert("arith.sitofp", "i32", "bf16", 2, V(16777216 + 65536 + 1, -3), V(16777216 + 131072, -3));
  convert("arith.fptosi", "f32", "i8", 7, V(-1.9, 1.9, 127.9, 128, -128.9, QNAN, -INF),
          V(-1, 1, 127, 127, -128, 0, -128));
  convert("arith.fptoui", "f32", "i8", 6, V(-1.9, 1.9, 255.9, 256, QNAN, INF), V(0, 1, -1, -1, 0, -1));
  convert("arith.fptosi", "f32", "i32", 3, V(2147483648.0, -2147483648.0, 2147483520.0),
          V(2147483647, -2147483648.0, 2147483520.0));
  convert("arith.fptosi", "f64", "i64", 2, V(-1e19, 1e15), V(-9223372036854775808.0, 1e15));
  convert("arith.extf", "f16", "f32", 2, V(1.5, -INF), V(1.5, -INF));
  convert("arith.extf", "f32", "f64", 2, V(0.1f, -0.0), V((double)0.1f, -0.0));
  convert("arith.truncf", "f32", "f16", 3, V(65520, 65519, 1 + 0x1p-11), V(INF, 65504, 1));
  convert("arith.truncf", "f64", "f32", 2, V(0.1, 1e39), V((double)0.1f, INF));
  /* In one step: 1 + 2^-11 + 2^-30 is above the tie that f32 would round it to. */
  convert("arith.truncf", "f64", "f16", 1, V(1 + 0x1p-11 + 0x1p-30), V(1 + 0x1p-10));
  convert("arith.truncf", "f32", "f8E4M3FN", 3, V(1000, -INF, 17), V(448, -448, 16));
  convert("arith.bitcast", "f32", "i32", 2, V(1, -0.0), V(0x3F800000, -2147483648.0));
  convert("arith.bitcast", "i32", "f32", 2, V(0x40490FDB, -2147483648.0), V((double)3.14159274f, -0.0));
  convert("arith.bitcast", "f16", "i16", 2, V(1, -2), V(0x3C00, -16384));
  convert("arith.bitcast", "i16", "bf16", 1, V(0x3F80), V(1));
  convert("arith.bitcast", "f64", "i64", 1, V(1), V(4607182418800017408.0));
  convert("arith.bitcast", "i64", "f64", 1, V(4611686018427387904.0), V(2));
}

/* Regions see signless integers: a ui8 operand comes as i8 and goes back as it is. */
static void signless_views(void **state) {
  (void)state;
  const char *ui8[] = {"ui8"}, *i8[] = {"i8"}, *ui4[] = {"ui4"}, *i4[] = {"i4"};
  const double *in[] = {V(200, 5)}, *in4[] = {V(15, 5, 8)};
  ev_scalar("%e = arith.extui %x0 : i8 to i32\n  %y = arith.uitofp %e : i32 to f32", 1, ui8, i8, in, "f32", "f32", 2,
            V(200, 5));
  ev_scalar("%y = arith.extsi %x0 : i8 to i32", 1, ui8, i8, in, "i32", "i32", 2, V(-56, 5));
  ev_scalar("%c = arith.constant 1 : i4\n  %y = arith.addi %x0, %c : i4", 1, ui4, i4, in4, "ui4", "i4", 3, V(0, 6, 9));
  ev_scalar("%c = arith.constant true\n  %d = arith.constant -7 : i8\n  %y = arith.select %c, %d, %x0 : i8", 1, i8, i8,
            in, "i8", "i8", 2, V(-7, -7));
  ev_scalar("%c = arith.constant 0x7FC00000 : f32\n  %y = arith.constant 0.1 : f16", 1, i8, i8, in, "f16", "f16", 2,
            V((double)qn_f16_to_f32(qn_f16_from_f64(0.1)), (double)qn_f16_to_f32(qn_f16_from_f64(0.1))));
}

/* ---- kern.row ---- */

static void row(const char *body, const char *region_type, const char *yielded, const arg *in, const arg *out) {
  char region[512];
  snprintf(region, sizeof region, "({\n^bb0(%%x0: %s):\n  %s\n  kern.yield %%y : %s\n})", region_type, body, yielded);
  ev_case("kern.row", "", region, 1, in, 1, out);
}

static void reductions(void **state) {
  (void)state;
  const arg x = {"tensor<2x3xf32>", V(1, -0.0, -5, 0.0, QNAN, 2)};
  row("%y = kern.all_max %x0 : (f32) -> f32", "f32", "f32", &x, &(arg){"tensor<2x1xf32>", V(1, QNAN)});
  row("%y = kern.all_min %x0 : (f32) -> f32", "f32", "f32", &x, &(arg){"tensor<2x1xf32>", V(-5, QNAN)});
  row("%y = kern.all_max %x0 : (f32) -> f32", "f32", "f32", &x,
      &(arg){"tensor<2x3xf32>", V(1, 1, 1, QNAN, QNAN, QNAN)});
  const arg z = {"tensor<2x2xf32>", V(-0.0, 0.0, 0.0, -0.0)};
  row("%y = kern.all_max %x0 : (f32) -> f32", "f32", "f32", &z, &(arg){"tensor<2x1xf32>", V(0.0, 0.0)});
  row("%y = kern.all_min %x0 : (f32) -> f32", "f32", "f32", &z, &(arg){"tensor<2x1xf32>", V(-0.0, -0.0)});
  const arg b = {"tensor<2x3xi8>", V(100, 100, -3, -128, -128, 1)};
  row("%y = kern.all_sum %x0 : (i8) -> i8", "i8", "i8", &b, &(arg){"tensor<2x1xi8>", V(-59, 1)});
  row("%y = kern.all_max %x0 : (i8) -> i8", "i8", "i8", &b, &(arg){"tensor<2x1xi8>", V(100, 1)});
  row("%y = kern.all_min %x0 : (i8) -> i8", "i8", "i8", &b, &(arg){"tensor<2x1xi8>", V(-3, -128)});
  /* Rows without elements have the neutral element, whatever the row's size says of other results. */
  const arg none = {"tensor<2x0xf32>", V(0)};
  row("%y = kern.all_sum %x0 : (f32) -> f32", "f32", "f32", &none, &(arg){"tensor<2x1xf32>", V(0.0, 0.0)});
  row("%y = kern.all_max %x0 : (f32) -> f32", "f32", "f32", &none, &(arg){"tensor<2x1xf32>", V(-INF, -INF)});
  row("%y = kern.all_min %x0 : (f32) -> f32", "f32", "f32", &none, &(arg){"tensor<2x1xf32>", V(INF, INF)});
  row("%y = kern.all_max %x0 : (f32) -> f32", "f32", "f32", &none, &(arg){"tensor<2x0xf32>", V(0)});
  row("%y = kern.all_max %x0 : (i8) -> i8", "i8", "i8", &(arg){"tensor<1x0xi8>", V(0)},
      &(arg){"tensor<1x1xi8>", V(-128)});
  row("%y = kern.all_max %x0 : (f32) -> f32", "f32", "f32", &(arg){"tensor<0x4xf32>", V(0)},
      &(arg){"tensor<0x1xf32>", V(0)});
}

/* 2^24 absorbs a 1 added to it but not one that waits in another partial: of 64 elements, the first is 2^24, the
 * rest 1. Partial 0 holds 2^24 + 1 -> 2^24, the other 31 partials 2 each. Folding 16, 8, 4, 2, 1 adds 2, then 4, 8, 16,
 * 32 to the large one, all exact: 2^24 + 62. A plain left-to-right sum would give 2^24. */
static void order_of_sums(void **state) {
  (void)state;
  double x[64];
  for (int i = 0; i < 64; i++) x[i] = i ? 1 : 0x1p24;
  row("%y = kern.all_sum %x0 : (f32) -> f32", "f32", "f32", &(arg){"tensor<1x64xf32>", x},
      &(arg){"tensor<1x1xf32>", V(0x1p24 + 62)});
  /* In f16 the partials are f32 and only the sum is rounded: 2048 + 63 is 2111, to even 2112. */
  x[0] = 2048;
  row("%y = kern.all_sum %x0 : (f16) -> f16", "f16", "f16", &(arg){"tensor<1x64xf16>", x},
      &(arg){"tensor<1x1xf16>", V(2112)});
  x[0] = 0x1p53;
  row("%y = kern.all_sum %x0 : (f64) -> f64", "f64", "f64", &(arg){"tensor<1x64xf64>", x},
      &(arg){"tensor<1x1xf64>", V(0x1p53 + 62)});
}

static void rows_of_several(void **state) {
  (void)state;
  static const char region[] = "({\n^bb0(%x: f32, %s: f32):\n  %m = kern.all_max %x : (f32) -> f32\n"
                               "  %c = arith.constant 2.0 : f32\n  %d = arith.subf %x, %m : f32\n"
                               "  %e = arith.mulf %d, %s : f32\n  %k = arith.mulf %m, %c : f32\n"
                               "  kern.yield %e, %k : f32, f32\n})";
  ev_case("kern.row", "", region, 2,
          (const arg[]){{"tensor<2x2x2xf32>", V(1, 3, 2, 8, 0, -1, -4, -2)}, {"tensor<2x1xf32>", V(10, 100)}}, 2,
          (const arg[]){{"tensor<2x2x2xf32>", V(-20, 0, -600, 0, 0, -10, -200, 0)},
                        {"tensor<2x2x1xf32>", V(6, 16, 0, -4)}});
}

/* ---- regions alone ---- */

static void region_alone(void **state) {
  (void)state;
  ev e;
  ev_open(&e);
  qn_module *m = ev_parse(&e, "func.func @main(%a: tensor<2xui8>, %b: tensor<2xf32>) -> tensor<2xf32> {\n"
                              "  %0 = \"kern.map\"(%a, %b) ({\n^bb0(%x: i8, %y: f32):\n"
                              "    %1 = arith.uitofp %x : i8 to f32\n    %2 = arith.mulf %1, %y : f32\n"
                              "    kern.yield %2 : f32\n  }) : (tensor<2xui8>, tensor<2xf32>) -> tensor<2xf32>\n"
                              "  return %0 : tensor<2xf32>\n}\n");
  qn_op map = qn_block_first(m, qn_func_body(m, qn_module_function(m, "main")));
  uint8_t bytes[] = {200, 3, 4};
  float factors[] = {0.5f, 2, -1};
  qn_tensor args[2] = {{QN_UI8, 1, {3}, bytes}, {QN_F32, 1, {3}, factors}}, y;
  assert_int_equal(qn_eval_region(m, qn_op_region(m, map, 0), 2, args, 1, &y), QN_OK);
  assert_int_equal(y.shape[0], 3);
  static const float want[] = {100, 6, -4};
  assert_memory_equal(y.data, want, sizeof want);
  qn_tensor_free(e.ctx, &y);
  assert_int_equal(qn_eval_region(m, qn_op_region(m, map, 0), 1, args, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "the region takes 2 and yields 1 values, but 1 and 1 are given");
  args[1].shape[0] = 2;
  assert_int_equal(qn_eval_region(m, qn_op_region(m, map, 0), 2, args, 1, &y), QN_ERR_INPUT);
  ev_expect_said(&e, "argument 1 of the region is 2xf32, expected f32 in the shape of argument 0");
  /* One op of the region, on scalars. */
  qn_op mul = qn_op_next(m, qn_block_first(m, qn_op_region(m, map, 0)));
  float a = 3, b = 0.5f;
  qn_tensor scalars[2] = {{QN_F32, 0, {0}, &a}, {QN_F32, 0, {0}, &b}};
  assert_int_equal(qn_eval_op(m, mul, scalars, &y), QN_OK);
  assert_int_equal(y.rank, 0);
  assert_true(ev_same(qn_tensor_get_f64(&y, 0), 1.5));
  qn_tensor_free(e.ctx, &y);
  qn_module_destroy(m);
  ev_close(&e);
}

/* Every scalar op of the table has a meaning for at least one form, and every other op an evaluator of its own. */
static void table(void **state) {
  (void)state;
  static const char *const structural[] = {"func.func", "func.return", "kern.yield"};
  for (int k = 1; k < QN_OP_KIND_COUNT; k++) {
    const qn__evaluator *v = qn__evaluator_get((qn_op_kind)k);
    const qn_op_info *info = qn_op_info_get((qn_op_kind)k);
    bool is_structural = false;
    for (size_t i = 0; i < 3; i++) is_structural = is_structural || !strcmp(info->name, structural[i]);
    assert_non_null(v);
    bool has_lane = v->lane[0] || v->lane[1] || v->lane[2];
    if (info->traits & QN_SCALAR_OP)
      assert_true(has_lane);
    else
      assert_true(is_structural ? !v->eval : v->eval != NULL);
  }
  assert_null(qn__evaluator_get(QN_OP_UNREGISTERED));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers),     cmocka_unit_test(floats),        cmocka_unit_test(elementary),
      cmocka_unit_test(comparisons),  cmocka_unit_test(conversions),   cmocka_unit_test(signless_views),
      cmocka_unit_test(reductions),   cmocka_unit_test(order_of_sums), cmocka_unit_test(rows_of_several),
      cmocka_unit_test(region_alone), cmocka_unit_test(table),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
