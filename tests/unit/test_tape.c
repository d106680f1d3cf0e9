/* Tapes: what regions become, opcode by opcode against lib/num and plain C. */
#include "unit.h"

#include "convert.h"
#include "elementwise.h"
#include "failing_alloc.h"
#include "region_build.h"
#include "tape_run.h"
#include <quern/num.h>

typedef struct made {
  bench x;
  qn_arena arena;
  qn_tape tape;
  qn_status status;
} made;

static void begin_with(made *t, const qn_allocator *allocator) {
  bench_open_with(&t->x, allocator);
  qn__arena_init(&t->arena, qn_context_allocator(t->x.ctx));
  bench_op(&t->x, QN_OP_MAP, 0, NULL, 0, NULL, 1);
}
static void begin(made *t) {
  begin_with(t, NULL);
}
static void finish(made *t, const qn_scalar *in, const qn_scalar *out) {
  t->status = qn__tape_build(t->x.m, t->x.region, in, out, &t->arena, &t->tape);
}
static void end(made *t) {
  qn__arena_free(&t->arena);
  bench_close(&t->x);
}

/* One op on `n` arguments of memory type `in` with result type `out`. */
static void make(made *t, qn_op_kind kind, uint32_t n, qn_scalar in, qn_scalar out, int64_t predicate) {
  begin(t);
  qn_value v[3];
  qn_scalar mem[3] = {in, in, in};
  for (uint32_t i = 0; i < n; i++) v[i] = bench_arg(&t->x, in);
  qn_value y = bench_emit(&t->x, kind, n, v, bench_signless(out));
  if (predicate >= 0) bench_set_int(&t->x, y, "predicate", predicate);
  bench_yield(&t->x, 1, &y);
  finish(t, mem, &out);
  if (t->status) print_error("%s: %s", qn_op_info_get(kind)->name, t->x.said);
  assert_int_equal(t->status, QN_OK);
}

static uint64_t run1(const made *t, uint64_t a, uint64_t b, uint64_t c) {
  uint64_t in[3] = {a, b, c}, out[4];
  assert_true(t->tape.num_outputs <= 4);
  run_tape(&t->tape, in, out);
  return out[0];
}

/* As memory bits become register bits: sub-byte elements are extended by their type. */
static uint64_t loaded(qn_scalar mem, uint64_t bits) {
  uint8_t byte = (uint8_t)bits;
  return qn_scalar_get(mem)->storage_bits < 8 ? run_load(mem, &byte, 0) : bits;
}
static uint64_t stored(qn_scalar mem, uint64_t reg) {
  uint32_t bits = qn_scalar_get(mem)->bits;
  return bits < 8 ? reg & ((1u << bits) - 1) : reg;
}

static const qn_scalar floats[] = {QN_F64, QN_F32, QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_F4E2M1FN, QN_F8E8M0FNU};
static const qn_scalar ints[] = {QN_I1,  QN_I2,  QN_I4,  QN_I8,   QN_I16,  QN_I32, QN_I64,
                                 QN_UI2, QN_UI4, QN_UI8, QN_UI16, QN_UI32, QN_UI64};
enum { NUM_FLOATS = 8, NUM_INTS = 13 };

static bool is_nan_of(qn_scalar s, uint64_t bits) {
  return isnan(qn__f64_of_bits(qn__float_convert(QN_F64, s, bits, false)));
}
static bool saturates(qn_scalar s) {
  return qn_scalar_get(s)->bits <= 8;
}

static void check_float(qn_scalar s, uint64_t got, uint64_t want, const char *what, qn_scalar from, uint64_t in) {
  got = stored(s, got);
  if (got == want || (s != QN_F4E2M1FN && is_nan_of(s, got) && is_nan_of(s, want))) return;
  print_error("%s %s -> %s: %llx gives %llx, expected %llx\n", what, qn_scalar_get(from)->text, qn_scalar_get(s)->text,
              (unsigned long long)in, (unsigned long long)got, (unsigned long long)want);
  fail();
}

static void float_to_float(void **state) {
  (void)state;
  uint64_t seed = 1;
  for (int i = 0; i < NUM_FLOATS; i++)
    for (int j = 0; j < NUM_FLOATS; j++) {
      qn_scalar from = floats[i], to = floats[j];
      if (i == j) continue;
      made t;
      uint32_t bits = qn_scalar_get(from)->bits;
      make(&t, bits < qn_scalar_get(to)->bits ? QN_OP_EXTF : QN_OP_TRUNCF, 1, from, to, -1);
      uint64_t n = bits <= 16 ? (uint64_t)1 << bits : 60000;
      for (uint64_t k = 0; k < n; k++) {
        uint64_t in = bits <= 16 ? k : bench_bits(&seed, from);
        if (bits == 32 && k > 30000) { /* near the ends of small formats, and around their ties */
          uint64_t small = bench_random(&seed) & 0xFFFF;
          in = qn__float_convert(QN_F32, to == QN_F64 ? QN_F16 : to, small & ((1u << qn_scalar_get(to)->bits % 32) - 1),
                                 false);
          in = (in + (bench_random(&seed) % 5 - 2) +
                ((bench_random(&seed) & 1) << (23 - 1 - bench_random(&seed) % 12))) &
               0xFFFFFFFF;
        }
        uint64_t want = qn__float_convert(to, from, in, saturates(to));
        check_float(to, run1(&t, loaded(from, in), 0, 0), want, "convert", from, in);
      }
      end(&t);
    }
}

/* Integers rounded once to any format, by lib/num's own packing. */
static uint64_t int_as_float(qn_scalar to, int64_t v, bool is_unsigned) {
  bool negative = v < 0 && !is_unsigned;
  qn_unpacked x = {v ? QN__FINITE : QN__ZERO, negative, 63, negative ? 0 - (uint64_t)v : (uint64_t)v};
  while (v && !(x.significand >> 63)) x.significand <<= 1, x.exponent--;
  return qn__float_pack(qn__float_format(to), x, saturates(to));
}

static void int_to_float(void **state) {
  (void)state;
  uint64_t seed = 2;
  for (int i = 0; i < NUM_INTS; i++)
    for (int j = 0; j < NUM_FLOATS; j++)
      for (int sign = 0; sign < 2; sign++) {
        qn_scalar from = ints[i], to = floats[j];
        uint32_t bits = qn_scalar_get(from)->bits;
        made t;
        make(&t, sign ? QN_OP_SITOFP : QN_OP_UITOFP, 1, from, to, -1);
        for (int k = 0; k < 3000; k++) {
          uint64_t in = bench_bits(&seed, from);
          if (bits == 64 && (k & 1)) in >>= bench_random(&seed) % 64;
          int64_t v = qn__int_wrap((int64_t)in, bits, sign);
          check_float(to, run1(&t, loaded(from, in), 0, 0), int_as_float(to, v, !sign), sign ? "signed" : "unsigned",
                      from, in);
        }
        end(&t);
      }
}

static void float_to_int(void **state) {
  (void)state;
  uint64_t seed = 3;
  for (int i = 0; i < NUM_FLOATS; i++)
    for (int j = 0; j < NUM_INTS; j++)
      for (int sign = 0; sign < 2; sign++) {
        qn_scalar from = floats[i], to = ints[j];
        uint32_t bits = qn_scalar_get(to)->bits;
        made t;
        make(&t, sign ? QN_OP_FPTOSI : QN_OP_FPTOUI, 1, from, to, -1);
        for (int k = 0; k < 2000; k++) {
          uint64_t in = bench_bits(&seed, from);
          double x = qn__f64_of_bits(qn__float_convert(QN_F64, from, in, false));
          uint64_t want = run_cut((uint64_t)qn__f64_to_int(x, bits, sign), bits);
          uint64_t got = stored(to, run1(&t, loaded(from, in), 0, 0));
          if (got != want)
            print_error("%s -> %s: %a gives %llx, expected %llx\n", qn_scalar_get(from)->text, qn_scalar_get(to)->text,
                        x, (unsigned long long)got, (unsigned long long)want);
          assert_int_equal(got, want);
        }
        end(&t);
      }
}

static uint64_t int_binary_ref(qn_op_kind k, uint64_t a, uint64_t b, uint32_t bits) {
  int64_t x = qn__int_wrap((int64_t)a, bits, true), y = qn__int_wrap((int64_t)b, bits, true);
  switch (k) {
  case QN_OP_ADDI: return a + b;
  case QN_OP_SUBI: return a - b;
  case QN_OP_MULI: return a * b;
  case QN_OP_DIVSI: return (uint64_t)qn__int_div(x, y, bits, true);
  case QN_OP_DIVUI: return (uint64_t)qn__int_div((int64_t)a, (int64_t)b, bits, false);
  case QN_OP_ANDI: return a & b;
  case QN_OP_ORI: return a | b;
  case QN_OP_XORI: return a ^ b;
  case QN_OP_SHLI: return b >= bits ? 0 : a << b;
  case QN_OP_SHRSI: return (uint64_t)(b >= bits ? (x < 0 ? -1 : 0) : x >> b);
  case QN_OP_SHRUI: return b >= bits ? 0 : a >> b;
  case QN_OP_MAXSI: return x > y ? a : b;
  case QN_OP_MINSI: return x < y ? a : b;
  case QN_OP_MAXUI: return a > b ? a : b;
  default: return a < b ? a : b;
  }
}

static void int_binary(void **state) {
  (void)state;
  uint64_t seed = 4;
  for (int k = QN_OP_ADDI; k <= QN_OP_MINUI; k++)
    for (int i = 0; i < NUM_INTS; i++) {
      qn_scalar s = ints[i];
      uint32_t bits = qn_scalar_get(s)->bits;
      made t;
      make(&t, (qn_op_kind)k, 2, s, s, -1);
      for (int n = 0; n < 600; n++) {
        uint64_t a = bench_bits(&seed, s), b = bench_bits(&seed, s);
        if (n & 1) b = run_cut(bench_random(&seed) % 70, bits);
        uint64_t want = run_cut(int_binary_ref((qn_op_kind)k, a, b, bits), bits);
        uint64_t got = stored(s, run1(&t, loaded(s, a), loaded(s, b), 0));
        if (got != want)
          print_error("%s %s: %llx, %llx\n", qn_op_info_get((qn_op_kind)k)->name, qn_scalar_get(s)->text,
                      (unsigned long long)a, (unsigned long long)b);
        assert_int_equal(got, want);
      }
      end(&t);
    }
}

static void compares_and_widths(void **state) {
  (void)state;
  uint64_t seed = 5;
  for (int i = 0; i < NUM_INTS; i++) {
    qn_scalar s = ints[i];
    uint32_t bits = qn_scalar_get(s)->bits;
    for (int p = 0; p < 10; p++) {
      made t;
      make(&t, QN_OP_CMPI, 2, s, QN_I1, p);
      for (int n = 0; n < 300; n++) {
        uint64_t a = bench_bits(&seed, s), b = n % 4 ? bench_bits(&seed, s) : a;
        bool want = run_icmp((unsigned)p, a, b, run_sext(a, bits), run_sext(b, bits));
        assert_int_equal(run1(&t, loaded(s, a), loaded(s, b), 0), want);
      }
      end(&t);
    }
    for (int j = 0; j < NUM_INTS; j++) {
      qn_scalar to = ints[j];
      uint32_t tb = qn_scalar_get(to)->bits;
      for (int kind = 0; kind < 2 && tb != bits; kind++) {
        qn_op_kind k = tb < bits ? QN_OP_TRUNCI : kind ? QN_OP_EXTSI : QN_OP_EXTUI;
        made t;
        make(&t, k, 1, s, to, -1);
        for (int n = 0; n < 100; n++) {
          uint64_t a = bench_bits(&seed, s), want = k == QN_OP_EXTSI ? (uint64_t)run_sext(a, bits) : a;
          assert_int_equal(stored(to, run1(&t, loaded(s, a), 0, 0)), run_cut(want, tb));
        }
        end(&t);
      }
    }
  }
  for (int i = 0; i < NUM_FLOATS; i++)
    for (int p = 0; p < 16; p++) {
      qn_scalar s = floats[i];
      made t;
      make(&t, QN_OP_CMPF, 2, s, QN_I1, p);
      for (int n = 0; n < 300; n++) {
        uint64_t a = bench_bits(&seed, s), b = n % 4 ? bench_bits(&seed, s) : a;
        double x = qn__f64_of_bits(qn__float_convert(QN_F64, s, a, false));
        double y = qn__f64_of_bits(qn__float_convert(QN_F64, s, b, false));
        assert_int_equal(run1(&t, loaded(s, a), loaded(s, b), 0), run_fcmp((unsigned)p, x, y));
      }
      end(&t);
    }
}

/* The compute form of a float element, and a result of it in the element's type. */
static uint64_t wide_bits(qn_scalar s, uint64_t bits) {
  return s == QN_F64 ? bits : qn__float_convert(QN_F32, s, bits, false);
}
static uint64_t narrow_bits(qn_op_kind k, qn_scalar s, uint64_t bits) {
  bool keeps_infinity = k == QN_OP_NEGF || k == QN_OP_MATH_ABSF; /* on the sign alone */
  if (keeps_infinity && s != QN_F64) return qn__float_convert(s, QN_F32, bits, s != QN_F8E5M2 && saturates(s));
  return s == QN_F64 ? bits : qn__float_convert(s, QN_F32, bits, saturates(s));
}

static uint64_t float_ref(qn_op_kind k, bool wide, uint64_t a, uint64_t b, uint64_t c) {
  double x = qn__f64_of_bits(a), y = qn__f64_of_bits(b), z = qn__f64_of_bits(c);
  float fx = run_f32(a), fy = run_f32(b), fz = run_f32(c);
#define BOTH(d, f) (wide ? qn__f64_bits(d) : run_b32(f))
  switch (k) {
  case QN_OP_ADDF: return BOTH(x + y, fx + fy);
  case QN_OP_SUBF: return BOTH(x - y, fx - fy);
  case QN_OP_MULF: return BOTH(x * y, fx * fy);
  case QN_OP_DIVF: return BOTH(x / y, fx / fy);
  case QN_OP_MAXIMUMF: return BOTH(qn__f64_max(x, y), qn__f32_max(fx, fy));
  case QN_OP_MINIMUMF: return BOTH(qn__f64_min(x, y), qn__f32_min(fx, fy));
  case QN_OP_NEGF: return BOTH(-x, -fx);
  case QN_OP_FMA: return BOTH(fma(x, y, z), fmaf(fx, fy, fz));
  case QN_OP_MATH_SQRT: return BOTH(sqrt(x), sqrtf(fx));
  case QN_OP_MATH_ROUNDEVEN: return BOTH(qn__f64_round_even(x), qn__f32_round_even(fx));
  case QN_OP_MATH_ROUND: return BOTH(qn__f64_round_away(x), qn__f32_round_away(fx));
  case QN_OP_MATH_FLOOR: return BOTH(floor(x), floorf(fx));
  case QN_OP_MATH_CEIL: return BOTH(ceil(x), ceilf(fx));
  case QN_OP_MATH_ABSF: return BOTH(fabs(x), fabsf(fx));
  case QN_OP_MATH_EXP: return run_b32(qn_f32_exp(fx));
  case QN_OP_MATH_LOG: return run_b32(qn_f32_log(fx));
  case QN_OP_MATH_TANH: return run_b32(qn_f32_tanh(fx));
  case QN_OP_MATH_ERF: return run_b32(qn_f32_erf(fx));
  case QN_OP_MATH_SIGMOID: return run_b32(qn_f32_sigmoid(fx));
  case QN_OP_MATH_GELU: return run_b32(qn_f32_gelu(fx));
  default: fail_msg("no reference for op %d", (int)k); return 0;
  }
#undef BOTH
}

static void float_ops(void **state) {
  (void)state;
  static const struct {
    qn_op_kind kind;
    uint32_t n;
    bool single;
  } ops[] = {{QN_OP_ADDF, 2, false},           {QN_OP_SUBF, 2, false},       {QN_OP_MULF, 2, false},
             {QN_OP_DIVF, 2, false},           {QN_OP_MAXIMUMF, 2, false},   {QN_OP_MINIMUMF, 2, false},
             {QN_OP_NEGF, 1, false},           {QN_OP_FMA, 3, false},        {QN_OP_MATH_SQRT, 1, false},
             {QN_OP_MATH_ROUNDEVEN, 1, false}, {QN_OP_MATH_ROUND, 1, false}, {QN_OP_MATH_FLOOR, 1, false},
             {QN_OP_MATH_CEIL, 1, false},      {QN_OP_MATH_ABSF, 1, false},  {QN_OP_MATH_EXP, 1, true},
             {QN_OP_MATH_LOG, 1, true},        {QN_OP_MATH_TANH, 1, true},   {QN_OP_MATH_ERF, 1, true},
             {QN_OP_MATH_SIGMOID, 1, true},    {QN_OP_MATH_GELU, 1, true}};
  uint64_t seed = 6;
  for (size_t o = 0; o < sizeof ops / sizeof *ops; o++)
    for (int i = 0; i < NUM_FLOATS; i++) {
      qn_scalar s = floats[i];
      if (s == QN_F64 && ops[o].single) continue;
      made t;
      make(&t, ops[o].kind, ops[o].n, s, s, -1);
      for (int n = 0; n < 2000; n++) {
        uint64_t v[3], r[3], w[3];
        for (int k = 0; k < 3; k++) {
          v[k] = bench_bits(&seed, s);
          r[k] = loaded(s, v[k]);
          w[k] = wide_bits(s, v[k]);
        }
        uint64_t want = narrow_bits(ops[o].kind, s, float_ref(ops[o].kind, s == QN_F64, w[0], w[1], w[2]));
        check_float(s, run1(&t, r[0], r[1], r[2]), want, qn_op_info_get(ops[o].kind)->name, s, v[0]);
      }
      end(&t);
    }
}

/* max and min with a constant take another path. */
static void extremes_with_constants(void **state) {
  (void)state;
  static const double ks[] = {0.0, -0.0, 1.0, -1.0, INFINITY, -INFINITY, NAN, 127.0};
  uint64_t seed = 7;
  for (int k = 0; k < 8; k++)
    for (int which = 0; which < 4; which++) {
      made t;
      begin(&t);
      qn_value x = bench_arg(&t.x, QN_F32), c = bench_float(&t.x, QN_F32, ks[k]);
      qn_op_kind kind = which & 1 ? QN_OP_MAXIMUMF : QN_OP_MINIMUMF;
      qn_value y = which & 2 ? bench_2(&t.x, kind, x, c, QN_F32) : bench_2(&t.x, kind, c, x, QN_F32);
      bench_yield(&t.x, 1, &y);
      finish(&t, NULL, NULL);
      assert_int_equal(t.status, QN_OK);
      for (int n = 0; n < 500; n++) {
        uint64_t in = bench_bits(&seed, QN_F32);
        float f = run_f32(in), kf = (float)ks[k], want = which & 1 ? qn__f32_max(f, kf) : qn__f32_min(f, kf);
        check_float(QN_F32, run1(&t, in, 0, 0), run_b32(want), "extreme", QN_F32, in);
      }
      end(&t);
    }
}

static uint32_t count(const qn_tape *t, unsigned op) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < t->num_insts; i++) n += t->insts[i].op == op;
  return n;
}

/* The quantization that lower-kernels writes: clamped before the conversion, so nothing is clamped twice. */
static void quantization_is_lean(void **state) {
  (void)state;
  made t;
  begin(&t);
  qn_value x = bench_arg(&t.x, QN_F32), s = bench_arg(&t.x, QN_F32);
  qn_value q = bench_2(&t.x, QN_OP_DIVF, x, s, QN_F32);
  qn_value nan = bench_2(&t.x, QN_OP_CMPF, q, q, QN_I1);
  bench_set_int(&t.x, nan, "predicate", 14);
  q = bench_3(&t.x, QN_OP_SELECT, nan, bench_float(&t.x, QN_F32, 0), q, QN_F32);
  q = bench_2(&t.x, QN_OP_MAXIMUMF, q, bench_float(&t.x, QN_F32, -100), QN_F32);
  q = bench_2(&t.x, QN_OP_MINIMUMF, q, bench_float(&t.x, QN_F32, 155), QN_F32);
  q = bench_1(&t.x, QN_OP_MATH_ROUNDEVEN, q, QN_F32);
  q = bench_1(&t.x, QN_OP_FPTOSI, q, QN_I32);
  q = bench_2(&t.x, QN_OP_ADDI, q, bench_int(&t.x, QN_I32, 100), QN_I32);
  q = bench_1(&t.x, QN_OP_TRUNCI, q, QN_I8);
  bench_yield(&t.x, 1, &q);
  qn_scalar out = QN_UI8;
  finish(&t, NULL, &out);
  assert_int_equal(t.status, QN_OK);
  assert_int_equal(count(&t.tape, QN_T_SELECT), 3);
  assert_int_equal(count(&t.tape, QN_T_FCMP), 3);
  assert_int_equal(count(&t.tape, QN_T_FPTOSI), 1);
  qn_qparams p = {1.0f, 100, 0, 255};
  uint64_t seed = 8;
  for (int n = 0; n < 5000; n++) {
    uint64_t a = bench_bits(&seed, QN_F32), b = bench_bits(&seed, QN_F32);
    p.scale = run_f32(b);
    if (!(p.scale > 0) || isinf(p.scale)) continue;
    assert_int_equal(run1(&t, a, b, 0), qn_quantize_f32(run_f32(a), p, QN_ROUND_HALF_EVEN));
  }
  end(&t);
}

static void constants_and_copies_vanish(void **state) {
  (void)state;
  made t;
  begin(&t);
  qn_value a = bench_arg(&t.x, QN_I32), unused = bench_arg(&t.x, QN_I32);
  (void)unused;
  qn_value k = bench_2(&t.x, QN_OP_ADDI, bench_int(&t.x, QN_I32, 40), bench_int(&t.x, QN_I32, 2), QN_I32);
  qn_value y = bench_2(&t.x, QN_OP_MULI, bench_2(&t.x, QN_OP_ADDI, a, k, QN_I32), bench_int(&t.x, QN_I32, 1), QN_I32);
  qn_value z = bench_2(&t.x, QN_OP_ADDI, bench_int(&t.x, QN_I32, 42), a, QN_I32);
  bench_1(&t.x, QN_OP_SITOFP, a, QN_F32); /* dead */
  qn_value both[2] = {y, z};
  bench_yield(&t.x, 2, both);
  finish(&t, NULL, NULL);
  assert_int_equal(t.status, QN_OK);
  assert_int_equal(t.tape.num_insts, 3); /* a, 42, a + 42 */
  assert_int_equal(t.tape.outputs[0], t.tape.outputs[1]);
  assert_int_equal(t.tape.num_inputs, 2);
  assert_int_equal(run1(&t, 8, 0, 0), 50);
  end(&t);
}

/* softmax: max, then the sum of exponentials, then the quotient */
static void row_stages(void **state) {
  (void)state;
  made t;
  begin(&t);
  qn_value x = bench_arg(&t.x, QN_F32), m = bench_1(&t.x, QN_OP_ALL_MAX, x, QN_F32);
  qn_value e = bench_1(&t.x, QN_OP_MATH_EXP, bench_2(&t.x, QN_OP_SUBF, x, m, QN_F32), QN_F32);
  qn_value s = bench_1(&t.x, QN_OP_ALL_SUM, e, QN_F32), y = bench_2(&t.x, QN_OP_DIVF, e, s, QN_F32);
  qn_value both[2] = {y, m};
  bench_yield(&t.x, 2, both);
  finish(&t, NULL, NULL);
  assert_int_equal(t.status, QN_OK);
  assert_int_equal(t.tape.num_stages, 3);
  const qn_tinst *i = t.tape.insts;
  assert_int_equal(i[t.tape.outputs[0]].stage, 2);
  assert_int_equal(i[t.tape.outputs[1]].op, QN_T_ALL_FMAX);
  assert_int_equal(i[t.tape.outputs[1]].stage, 0);
  for (uint32_t k = 0; k < t.tape.num_insts; k++)
    if (i[k].op == QN_T_ALL_FSUM) assert_int_equal(i[k].stage, 1);
  /* values, too */
  enum { N = 45 };
  uint64_t in[N], out[2 * N], value[2];
  uint64_t *reg = malloc(sizeof *reg * (N + 1) * t.tape.num_insts), seed = 9;
  float row[N], ex[N], top = -INFINITY;
  for (int k = 0; k < N; k++) {
    row[k] = (float)(bench_random(&seed) % 1000) / 100.0f;
    in[k] = run_b32(row[k]);
    if (row[k] > top) top = row[k];
  }
  run_row(&t.tape, N, in, out, value, reg);
  for (int k = 0; k < N; k++) ex[k] = qn_f32_exp(row[k] - top);
  float sum = qn__f32_sum(ex, N, 1);
  for (int k = 0; k < N; k++) assert_int_equal(out[k], run_b32(ex[k] / sum));
  assert_int_equal(value[1], run_b32(top));
  free(reg);
  end(&t);
}

static void reductions_of_all_types(void **state) {
  (void)state;
  static const qn_op_kind kinds[] = {QN_OP_ALL_MAX, QN_OP_ALL_MIN, QN_OP_ALL_SUM};
  for (int k = 0; k < 3; k++) {
    for (int i = 0; i < NUM_INTS; i++) {
      made t;
      make(&t, kinds[k], 1, ints[i], ints[i], -1);
      assert_int_equal(t.tape.num_stages, 2);
      end(&t);
    }
    for (int i = 0; i < NUM_FLOATS; i++) {
      made t;
      make(&t, kinds[k], 1, floats[i], floats[i], -1);
      assert_int_equal(t.tape.num_stages, 2);
      end(&t);
    }
  }
}

static void bitcasts(void **state) {
  (void)state;
  static const qn_scalar pairs[][2] = {{QN_F32, QN_I32}, {QN_I32, QN_F32},  {QN_F64, QN_I64},   {QN_I64, QN_F64},
                                       {QN_F16, QN_I16}, {QN_I16, QN_BF16}, {QN_F8E5M2, QN_I8}, {QN_I4, QN_F4E2M1FN}};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    made t;
    make(&t, QN_OP_BITCAST, 1, pairs[i][0], pairs[i][1], -1);
    uint64_t in = run_cut(0x8123456789ABCDE7u, qn_scalar_get(pairs[i][0])->bits);
    assert_int_equal(stored(pairs[i][1], run1(&t, loaded(pairs[i][0], in), 0, 0)), in);
    end(&t);
  }
}

static void refusals(void **state) {
  (void)state;
  made t;
  begin(&t);
  qn_value x = bench_arg(&t.x, QN_F64), y = bench_1(&t.x, QN_OP_MATH_EXP, x, QN_F64);
  bench_yield(&t.x, 1, &y);
  finish(&t, NULL, NULL);
  assert_int_equal(t.status, QN_ERR_UNSUPPORTED);
  assert_non_null(strstr(t.x.said, "math.exp"));
  end(&t);

  begin(&t); /* a value from outside the region */
  qn_value outside = bench_operand(&t.x, bench_scalar(&t.x, QN_F32));
  y = bench_1(&t.x, QN_OP_NEGF, outside, QN_F32);
  bench_yield(&t.x, 1, &y);
  finish(&t, NULL, NULL);
  assert_int_equal(t.status, QN_ERR_UNSUPPORTED);
  end(&t);

  begin(&t); /* no yield */
  bench_arg(&t.x, QN_F32);
  finish(&t, NULL, NULL);
  assert_int_not_equal(t.status, QN_OK);
  end(&t);

  begin(&t); /* memory of another width */
  x = bench_arg(&t.x, QN_I32);
  bench_yield(&t.x, 1, &x);
  qn_scalar wrong = QN_I16;
  finish(&t, &wrong, NULL);
  assert_int_not_equal(t.status, QN_OK);
  end(&t);
}

static void hashes_tell_tapes_apart(void **state) {
  (void)state;
  made a, b, c;
  make(&a, QN_OP_ADDF, 2, QN_F32, QN_F32, -1);
  make(&b, QN_OP_ADDF, 2, QN_F32, QN_F32, -1);
  make(&c, QN_OP_SUBF, 2, QN_F32, QN_F32, -1);
  assert_true(qn__tape_hash(&a.tape, 1) == qn__tape_hash(&b.tape, 1));
  assert_true(qn__tape_hash(&a.tape, 1) != qn__tape_hash(&c.tape, 1));
  assert_true(qn__tape_hash(&a.tape, 1) != qn__tape_hash(&a.tape, 2));
  end(&a), end(&b), end(&c);
}

/* Whatever allocation fails, the answer is a status and everything is given back. */
static void memory_runs_out(void **state) {
  (void)state;
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator alloc = failing_init(&f, SIZE_MAX);
    made t;
    begin_with(&t, &alloc);
    qn_value x = bench_arg(&t.x, QN_F16), y = bench_1(&t.x, QN_OP_MATH_GELU, x, QN_F16);
    bench_yield(&t.x, 1, &y);
    f.fail_at = f.calls + n;
    finish(&t, NULL, NULL);
    assert_int_equal(t.status, f.fired ? QN_ERR_NO_MEMORY : QN_OK);
    end(&t);
    assert_true(failing_clean(&f));
    if (!f.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(float_to_float),
      cmocka_unit_test(int_to_float),
      cmocka_unit_test(float_to_int),
      cmocka_unit_test(int_binary),
      cmocka_unit_test(compares_and_widths),
      cmocka_unit_test(float_ops),
      cmocka_unit_test(extremes_with_constants),
      cmocka_unit_test(quantization_is_lean),
      cmocka_unit_test(constants_and_copies_vanish),
      cmocka_unit_test(row_stages),
      cmocka_unit_test(reductions_of_all_types),
      cmocka_unit_test(bitcasts),
      cmocka_unit_test(refusals),
      cmocka_unit_test(hashes_tell_tapes_apart),
      cmocka_unit_test(memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
