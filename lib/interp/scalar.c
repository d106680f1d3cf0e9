/* The scalar ops of regions: arith, math and the reductions over a row. One function per op and form of lanes;
 * qn__lanes_fix wraps and rounds what they leave. */
#include "elementwise.h"
#include "interp.h"
#include <math.h>

#define EACH for (size_t i = 0; i < c->n; i++)

/* ---- integers: u64 arithmetic on sign-extended values, wrapped to the type afterwards ---- */

#define INT_OP(fn, expr)                                                                                               \
  static void fn(const qn__lane_call *c) {                                                                             \
    EACH {                                                                                                             \
      uint64_t a = (uint64_t)c->a.i[i], b = (uint64_t)c->b.i[i];                                                       \
      c->y.i[i] = (int64_t)(expr);                                                                                     \
    }                                                                                                                  \
  }

static unsigned width(const qn__lane_call *c) {
  return qn_scalar_get(c->from)->bits;
}
static uint64_t mask(const qn__lane_call *c) {
  return UINT64_MAX >> (64u - width(c));
}

INT_OP(addi, a + b)
INT_OP(subi, a - b)
INT_OP(muli, a *b)
INT_OP(andi, a &b)
INT_OP(ori, a | b)
INT_OP(xori, a ^ b)
INT_OP(maxsi, (int64_t)a > (int64_t)b ? a : b)
INT_OP(minsi, (int64_t)a < (int64_t)b ? a : b)
/* Sign extension keeps the order of unsigned values too. */
INT_OP(maxui, a > b ? a : b)
INT_OP(minui, a < b ? a : b)

static void divsi(const qn__lane_call *c) {
  unsigned w = width(c);
  EACH c->y.i[i] = qn__int_div(c->a.i[i], c->b.i[i], w, true);
}

static void divui(const qn__lane_call *c) {
  uint64_t m = mask(c);
  unsigned w = width(c);
  EACH c->y.i[i] = qn__int_div((int64_t)((uint64_t)c->a.i[i] & m), (int64_t)((uint64_t)c->b.i[i] & m), w, false);
}

static void shli(const qn__lane_call *c) {
  uint64_t m = mask(c);
  unsigned w = width(c);
  EACH {
    uint64_t count = (uint64_t)c->b.i[i] & m;
    c->y.i[i] = count >= w ? 0 : (int64_t)((uint64_t)c->a.i[i] << count);
  }
}

static void shrui(const qn__lane_call *c) {
  uint64_t m = mask(c);
  unsigned w = width(c);
  EACH {
    uint64_t count = (uint64_t)c->b.i[i] & m;
    c->y.i[i] = count >= w ? 0 : (int64_t)(((uint64_t)c->a.i[i] & m) >> count);
  }
}

static void shrsi(const qn__lane_call *c) {
  uint64_t m = mask(c);
  unsigned w = width(c);
  EACH {
    uint64_t count = (uint64_t)c->b.i[i] & m, a = (uint64_t)c->a.i[i], sign = 0 - (a >> 63);
    count = count >= w ? 63 : count;
    c->y.i[i] = (int64_t)(((a ^ sign) >> count) ^ sign);
  }
}

static bool compare_ints(int64_t predicate, int64_t a, int64_t b) {
  switch (predicate) {
  case 0: return a == b;
  case 1: return a != b;
  case 2: return a < b;
  case 3: return a <= b;
  case 4: return a > b;
  case 5: return a >= b;
  case 6: return (uint64_t)a < (uint64_t)b;
  case 7: return (uint64_t)a <= (uint64_t)b;
  case 8: return (uint64_t)a > (uint64_t)b;
  default: return (uint64_t)a >= (uint64_t)b;
  }
}

static void cmpi(const qn__lane_call *c) {
  EACH c->y.i[i] = compare_ints(c->imm, c->a.i[i], c->b.i[i]) ? -1 : 0;
}

/* ---- floats ---- */

#define FLOAT_OP(fn, T, member, expr)                                                                                  \
  static void fn(const qn__lane_call *c) {                                                                             \
    EACH {                                                                                                             \
      T a = c->a.member[i], b = c->b.member[i];                                                                        \
      c->y.member[i] = expr;                                                                                           \
    }                                                                                                                  \
  }
#define FLOAT_OPS(fn, expr) FLOAT_OP(fn##_f32, float, f, expr) FLOAT_OP(fn##_f64, double, d, expr)

FLOAT_OPS(addf, a + b)
FLOAT_OPS(subf, a - b)
FLOAT_OPS(mulf, a *b)
FLOAT_OPS(divf, a / b)
FLOAT_OP(maximumf_f32, float, f, qn__f32_max(a, b))
FLOAT_OP(maximumf_f64, double, d, qn__f64_max(a, b))
FLOAT_OP(minimumf_f32, float, f, qn__f32_min(a, b))
FLOAT_OP(minimumf_f64, double, d, qn__f64_min(a, b))

#define FLOAT_UNARY(fn, T, member, expr)                                                                               \
  static void fn(const qn__lane_call *c) {                                                                             \
    EACH {                                                                                                             \
      T a = c->a.member[i];                                                                                            \
      c->y.member[i] = expr;                                                                                           \
    }                                                                                                                  \
  }

FLOAT_UNARY(negf_f32, float, f, qn__f32_of_bits(qn__f32_bits(a) ^ 0x80000000u))
FLOAT_UNARY(negf_f64, double, d, qn__f64_of_bits(qn__f64_bits(a) ^ (uint64_t)1 << 63))
FLOAT_UNARY(absf_f32, float, f, qn__f32_abs(a))
FLOAT_UNARY(absf_f64, double, d, qn__f64_of_bits(qn__f64_bits(a) & (UINT64_MAX >> 1)))
FLOAT_UNARY(sqrt_f32, float, f, sqrtf(a))
FLOAT_UNARY(sqrt_f64, double, d, sqrt(a))
FLOAT_UNARY(roundeven_f32, float, f, qn__f32_round_even(a))
FLOAT_UNARY(roundeven_f64, double, d, qn__f64_round_even(a))
FLOAT_UNARY(round_f32, float, f, qn__f32_round_away(a))
FLOAT_UNARY(round_f64, double, d, qn__f64_round_away(a))
FLOAT_UNARY(floor_f32, float, f, floorf(a))
FLOAT_UNARY(floor_f64, double, d, floor(a))
FLOAT_UNARY(ceil_f32, float, f, ceilf(a))
FLOAT_UNARY(ceil_f64, double, d, ceil(a))
FLOAT_UNARY(exp_f32, float, f, qn_f32_exp(a))
FLOAT_UNARY(log_f32, float, f, qn_f32_log(a))
FLOAT_UNARY(tanh_f32, float, f, qn_f32_tanh(a))
FLOAT_UNARY(erf_f32, float, f, qn_f32_erf(a))
FLOAT_UNARY(sigmoid_f32, float, f, qn_f32_sigmoid(a))
FLOAT_UNARY(gelu_f32, float, f, c->imm ? qn_f32_gelu_tanh(a) : qn_f32_gelu(a))

static void fma_f32(const qn__lane_call *c) {
  EACH c->y.f[i] = fmaf(c->a.f[i], c->b.f[i], c->c.f[i]);
}
static void fma_f64(const qn__lane_call *c) {
  EACH c->y.d[i] = fma(c->a.d[i], c->b.d[i], c->c.d[i]);
}

/* Upstream's order: three bits choose among equal, greater, less; the fourth takes unordered pairs. */
static bool compare_floats(int64_t predicate, double a, double b) {
  static const uint8_t rows[16] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 8, 15};
  unsigned want = rows[predicate & 15];
  unsigned is = a == b ? 1u : a > b ? 2u : a < b ? 4u : 8u;
  return (want & is) != 0;
}

static void cmpf_f32(const qn__lane_call *c) {
  EACH c->y.i[i] = compare_floats(c->imm, (double)c->a.f[i], (double)c->b.f[i]) ? -1 : 0;
}
static void cmpf_f64(const qn__lane_call *c) {
  EACH c->y.i[i] = compare_floats(c->imm, c->a.d[i], c->b.d[i]) ? -1 : 0;
}

static void select_int(const qn__lane_call *c) {
  EACH c->y.i[i] = c->a.i[i] ? c->b.i[i] : c->c.i[i];
}
static void select_f32(const qn__lane_call *c) {
  EACH c->y.f[i] = c->a.i[i] ? c->b.f[i] : c->c.f[i];
}
static void select_f64(const qn__lane_call *c) {
  EACH c->y.d[i] = c->a.i[i] ? c->b.d[i] : c->c.d[i];
}

/* ---- conversions ---- */

static void extsi(const qn__lane_call *c) {
  EACH c->y.i[i] = c->a.i[i];
}

static void extui(const qn__lane_call *c) {
  uint64_t m = mask(c);
  EACH c->y.i[i] = (int64_t)((uint64_t)c->a.i[i] & m);
}

static void int_to_float(const qn__lane_call *c, size_t i, uint64_t magnitude, bool negative) {
  uint64_t bits = qn__float_from_int(c->to, magnitude, negative);
  if (c->to == QN_F64)
    c->y.d[i] = qn__f64_of_bits(bits);
  else
    c->y.f[i] = qn__float_decode(c->to, bits);
}

static void sitofp(const qn__lane_call *c) {
  EACH {
    int64_t a = c->a.i[i];
    if (c->to == QN_F32)
      c->y.f[i] = (float)a;
    else
      int_to_float(c, i, a < 0 ? 0 - (uint64_t)a : (uint64_t)a, a < 0);
  }
}

static void uitofp(const qn__lane_call *c) {
  uint64_t m = mask(c);
  EACH int_to_float(c, i, (uint64_t)c->a.i[i] & m, false);
}

static double float_lane(const qn__lane_call *c, size_t i) {
  return c->from == QN_F64 ? c->a.d[i] : (double)c->a.f[i];
}

static void fptosi(const qn__lane_call *c) {
  unsigned bits = qn_scalar_get(c->to)->bits;
  EACH c->y.i[i] = qn__f64_to_int(float_lane(c, i), bits, true);
}

static void fptoui(const qn__lane_call *c) {
  unsigned bits = qn_scalar_get(c->to)->bits;
  EACH c->y.i[i] = qn__f64_to_int(float_lane(c, i), bits, false);
}

static void float_to_float(const qn__lane_call *c) {
  EACH {
    if (c->to == QN_F64)
      c->y.d[i] = float_lane(c, i);
    else if (c->from == QN_F64)
      c->y.f[i] = qn__float_decode(c->to, qn__float_encode_f64(c->to, c->a.d[i]));
    else
      c->y.f[i] = c->a.f[i];
  }
}

static uint64_t lane_bits(const qn__lane_call *c, size_t i) {
  switch (qn__lane_kind_of(c->from)) {
  case QN__LANE_F64: return qn__f64_bits(c->a.d[i]);
  case QN__LANE_F32: return qn__float_encode(c->from, c->a.f[i]);
  default: return (uint64_t)c->a.i[i];
  }
}

static void bitcast(const qn__lane_call *c) {
  EACH {
    uint64_t bits = lane_bits(c, i);
    switch (qn__lane_kind_of(c->to)) {
    case QN__LANE_F64: c->y.d[i] = qn__f64_of_bits(bits); break;
    case QN__LANE_F32:
      c->y.f[i] = qn__float_decode(c->to, bits & (UINT64_MAX >> (64u - qn_scalar_get(c->to)->bits)));
      break;
    default: c->y.i[i] = (int64_t)bits;
    }
  }
}

/* ---- over a row: every lane gets the result ---- */

static void sum_f32(const qn__lane_call *c) {
  float sum = qn__f32_sum(c->a.f, c->row, 1);
  EACH c->y.f[i] = sum;
}

static void sum_f64(const qn__lane_call *c) {
  double sum = qn__f64_sum(c->a.d, c->row, 1);
  EACH c->y.d[i] = sum;
}

static void sum_int(const qn__lane_call *c) {
  uint64_t sum = 0;
  for (size_t i = 0; i < c->row; i++) sum += (uint64_t)c->a.i[i];
  EACH c->y.i[i] = (int64_t)sum;
}

/* Folds the row with a two-operand function, starting from its neutral element. */
#define ROW_FOLD(fn, member, two, start)                                                                               \
  static void fn(const qn__lane_call *c) {                                                                             \
    qn__lane_call one = *c;                                                                                            \
    union {                                                                                                            \
      int64_t i;                                                                                                       \
      float f;                                                                                                         \
      double d;                                                                                                        \
    } acc;                                                                                                             \
    acc.member = start;                                                                                                \
    one.n = 1;                                                                                                         \
    one.b.p = one.y.p = &acc;                                                                                          \
    for (size_t i = 0; i < c->row; i++) {                                                                              \
      one.a.member = c->a.member + i;                                                                                  \
      two(&one);                                                                                                       \
    }                                                                                                                  \
    EACH c->y.member[i] = acc.member;                                                                                  \
  }
ROW_FOLD(max_f32, f, maximumf_f32, -INFINITY)
ROW_FOLD(max_f64, d, maximumf_f64, -(double)INFINITY)
ROW_FOLD(min_f32, f, minimumf_f32, INFINITY)
ROW_FOLD(min_f64, d, minimumf_f64, (double)INFINITY)
ROW_FOLD(max_int, i, maxsi, qn__int_extend(c->from, (uint64_t)1 << (width(c) - 1)))
ROW_FOLD(min_int, i, minsi, (int64_t)(mask(c) >> 1))

/* ---- the records ---- */

static int64_t predicate(const qn_module *m, qn_op op) {
  return qn_op_get_int(m, op, "predicate");
}

int64_t qn__imm_gelu(const qn_module *m, qn_op op) {
  return qn_str_eq(qn_op_get_string(m, op, "approximate"), qn_str_of("tanh"));
}

#define INTS(symbol, fn)       const qn__evaluator qn__eval_##symbol = {.lane = {[QN__LANE_INT] = fn}};
#define FLOATS(symbol, fn)     const qn__evaluator qn__eval_##symbol = {.lane = {NULL, fn##_f32, fn##_f64}};
#define SINGLE(symbol, fn)     const qn__evaluator qn__eval_##symbol = {.lane = {[QN__LANE_F32] = fn##_f32}};
#define FROM_FLOAT(symbol, fn) const qn__evaluator qn__eval_##symbol = {.lane = {NULL, fn, fn}};

INTS(ADDI, addi)
INTS(SUBI, subi)
INTS(MULI, muli)
INTS(DIVSI, divsi)
INTS(DIVUI, divui)
INTS(ANDI, andi)
INTS(ORI, ori)
INTS(XORI, xori)
INTS(SHLI, shli)
INTS(SHRSI, shrsi)
INTS(SHRUI, shrui)
INTS(MAXSI, maxsi)
INTS(MINSI, minsi)
INTS(MAXUI, maxui)
INTS(MINUI, minui)
FLOATS(ADDF, addf)
FLOATS(SUBF, subf)
FLOATS(MULF, mulf)
FLOATS(DIVF, divf)
FLOATS(MAXIMUMF, maximumf)
FLOATS(MINIMUMF, minimumf)
FLOATS(NEGF, negf)
FLOATS(FMA, fma)
FLOATS(MATH_SQRT, sqrt)
FLOATS(MATH_ROUNDEVEN, roundeven)
FLOATS(MATH_ROUND, round)
FLOATS(MATH_FLOOR, floor)
FLOATS(MATH_CEIL, ceil)
FLOATS(MATH_ABSF, absf)
SINGLE(MATH_EXP, exp)
SINGLE(MATH_LOG, log)
SINGLE(MATH_TANH, tanh)
SINGLE(MATH_ERF, erf)
SINGLE(MATH_SIGMOID, sigmoid)
INTS(EXTSI, extsi)
INTS(EXTUI, extui)
INTS(TRUNCI, extsi)
INTS(SITOFP, sitofp)
INTS(UITOFP, uitofp)
FROM_FLOAT(FPTOSI, fptosi)
FROM_FLOAT(FPTOUI, fptoui)
FROM_FLOAT(EXTF, float_to_float)
FROM_FLOAT(TRUNCF, float_to_float)
const qn__evaluator qn__eval_MATH_GELU = {.lane = {[QN__LANE_F32] = gelu_f32}, .imm = qn__imm_gelu};
const qn__evaluator qn__eval_CMPI = {.lane = {[QN__LANE_INT] = cmpi}, .imm = predicate};
const qn__evaluator qn__eval_CMPF = {.lane = {NULL, cmpf_f32, cmpf_f64}, .imm = predicate};
const qn__evaluator qn__eval_SELECT = {.lane = {select_int, select_f32, select_f64}, .chooser = 1};
const qn__evaluator qn__eval_BITCAST = {.lane = {bitcast, bitcast, bitcast}};
const qn__evaluator qn__eval_ALL_MAX = {.lane = {max_int, max_f32, max_f64}, .reduces = true};
const qn__evaluator qn__eval_ALL_MIN = {.lane = {min_int, min_f32, min_f64}, .reduces = true};
const qn__evaluator qn__eval_ALL_SUM = {.lane = {sum_int, sum_f32, sum_f64}, .reduces = true};
