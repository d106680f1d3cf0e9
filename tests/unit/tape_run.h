/* Tapes run one element at a time in plain C: the reference that generated code is compared with. Written from
 * tape.def alone, with the compiler's own arithmetic. Also: memory elements, and a way to build regions. */
#ifndef QN_TEST_TAPE_RUN_H
#define QN_TEST_TAPE_RUN_H
#include "pack.h"
#include "tape.h"
#include <math.h>
#include <string.h>

static inline float run_f32(uint64_t b) {
  uint32_t u = (uint32_t)b;
  float f;
  memcpy(&f, &u, 4);
  return f;
}
static inline double run_f64(uint64_t b) {
  double d;
  memcpy(&d, &b, 8);
  return d;
}
static inline uint64_t run_b32(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
}
static inline uint64_t run_b64(double d) {
  uint64_t u;
  memcpy(&u, &d, 8);
  return u;
}

static inline uint64_t run_cut(uint64_t v, uint32_t bits) {
  return bits == 64 ? v : v & (((uint64_t)1 << bits) - 1);
}
static inline int64_t run_sext(uint64_t v, uint32_t bits) {
  return bits == 64 ? (int64_t)v : (int64_t)(run_cut(v, bits) ^ (uint64_t)1 << (bits - 1)) - ((int64_t)1 << (bits - 1));
}

static inline uint64_t run_float(const qn_tinst *i, bool wide, uint64_t a, uint64_t b, uint64_t c) {
  double x = wide ? run_f64(a) : (double)run_f32(a), y = wide ? run_f64(b) : (double)run_f32(b);
#define BOTH(d, f) (wide ? run_b64(d) : run_b32(f))
  float fx = run_f32(a), fy = run_f32(b), fz = run_f32(c);
  switch (i->op) {
  case QN_T_FADD: return BOTH(x + y, fx + fy);
  case QN_T_FSUB: return BOTH(x - y, fx - fy);
  case QN_T_FMUL: return BOTH(x * y, fx * fy);
  case QN_T_FDIV: return BOTH(x / y, fx / fy);
  case QN_T_FMA: return BOTH(fma(x, y, run_f64(c)), fmaf(fx, fy, fz));
  case QN_T_FSQRT: return BOTH(sqrt(x), sqrtf(fx));
  case QN_T_FMAX:
  case QN_T_ALL_FMAX:
    if (isnan(x) || isnan(y)) return BOTH(NAN, NAN);
    if (x == y) return signbit(x) ? b : a;
    return x > y ? a : b;
  case QN_T_FMIN:
  case QN_T_ALL_FMIN:
    if (isnan(x) || isnan(y)) return BOTH(NAN, NAN);
    if (x == y) return signbit(x) ? a : b;
    return x < y ? a : b;
  case QN_T_FROUND: return BOTH(rint(x), rintf(fx));
  case QN_T_FFLOOR: return BOTH(floor(x), floorf(fx));
  default: return BOTH(ceil(x), ceilf(fx));
  }
#undef BOTH
}

/* In double nothing is lost before the one rounding. */
static inline uint64_t run_scale(uint64_t a, uint64_t c) {
  return run_b32((float)ldexp((double)run_f32(a), (int)run_sext(c, 32)));
}

static inline uint64_t run_int(const qn_tinst *i, uint32_t bits, uint64_t a, uint64_t b) {
  int64_t x = run_sext(a, bits), y = run_sext(b, bits);
  switch (i->op) {
  case QN_T_IADD: return a + b;
  case QN_T_ISUB: return a - b;
  case QN_T_IMUL: return a * b;
  case QN_T_SDIV: return y == 0 ? 0 : y == -1 ? 0 - a : (uint64_t)(x / y);
  case QN_T_UDIV: return b == 0 ? 0 : a / b;
  case QN_T_AND: return a & b;
  case QN_T_OR: return a | b;
  case QN_T_XOR: return a ^ b;
  case QN_T_SHL: return b < bits ? a << b : 0;
  case QN_T_SHRU: return b < bits ? a >> b : 0;
  case QN_T_SHRS: return (uint64_t)(b < bits ? x >> b : x < 0 ? -1 : 0);
  case QN_T_SMAX:
  case QN_T_ALL_SMAX: return x > y ? a : b;
  case QN_T_SMIN:
  case QN_T_ALL_SMIN: return x < y ? a : b;
  case QN_T_UMAX: return a > b ? a : b;
  default: return a < b ? a : b;
  }
}

static inline bool run_icmp(unsigned pred, uint64_t a, uint64_t b, int64_t x, int64_t y) {
  const bool r[] = {a == b, a != b, x<y, x <= y, x> y, x >= y, a<b, a <= b, a> b, a >= b};
  return r[pred];
}
static inline bool run_fcmp(unsigned pred, double x, double y) {
  bool un = isnan(x) || isnan(y);
  const bool r[] = {false,         x == y,       x > y,        x >= y,      x < y,        x <= y,
                    !un && x != y, !un,          un || x == y, un || x > y, un || x >= y, un || x < y,
                    un || x <= y,  un || x != y, un,           true};
  return r[pred];
}

static inline uint64_t run_convert(const qn_tinst *i, qn_treg from, uint64_t a) {
  uint32_t bits = qn__tape_bits(from);
  bool wide = i->type == QN_TF64 || i->type == QN_TI64;
  int64_t x = run_sext(a, bits);
  switch (i->op) {
  case QN_T_SEXT: return (uint64_t)x;
  case QN_T_SITOFP: return i->type == QN_TF64 ? run_b64((double)x) : run_b32((float)x);
  case QN_T_UITOFP: return i->type == QN_TF64 ? run_b64((double)a) : run_b32((float)a);
  case QN_T_FPTOSI: return (uint64_t)(int64_t)(from == QN_TF64 ? run_f64(a) : (double)run_f32(a));
  case QN_T_FPTOUI: return (uint64_t)(from == QN_TF64 ? run_f64(a) : (double)run_f32(a));
  case QN_T_FEXT: return run_b64((double)run_f32(a));
  case QN_T_FTRUNC: return run_b32((float)run_f64(a));
  default: (void)wide; return a; /* ZEXT, TRUNC, BITCAST */
  }
}

/* One instruction that is no input, constant or reduction. */
static inline uint64_t run_inst(const qn_tape *t, const qn_tinst *i, const uint64_t *reg) {
  qn_treg ta = (qn_treg)t->insts[i->a].type;
  uint64_t a = reg[i->a], b = reg[i->b], c = reg[i->c];
  uint32_t bits = qn__tape_bits((qn_treg)i->type), abits = qn__tape_bits(ta);
  switch (i->op) {
  case QN_T_ICMP: return run_icmp(i->pred, a, b, run_sext(a, abits), run_sext(b, abits));
  case QN_T_FCMP:
    return ta == QN_TF64 ? run_fcmp(i->pred, run_f64(a), run_f64(b))
                         : run_fcmp(i->pred, (double)run_f32(a), (double)run_f32(b));
  case QN_T_SELECT: return a ? b : c;
  case QN_T_FSCALE: return run_scale(a, c);
  case QN_T_HALF_IN:
  case QN_T_HALF_OUT: return a;
  case QN_T_SEXT:
  case QN_T_ZEXT:
  case QN_T_TRUNC:
  case QN_T_SITOFP:
  case QN_T_UITOFP:
  case QN_T_FPTOSI:
  case QN_T_FPTOUI:
  case QN_T_FEXT:
  case QN_T_FTRUNC:
  case QN_T_BITCAST: return run_cut(run_convert(i, ta, a), bits);
  default: break;
  }
  if (i->type == QN_TF32 || i->type == QN_TF64) return run_float(i, i->type == QN_TF64, a, b, c);
  return run_cut(run_int(i, bits, a, b), bits);
}

/* ---- memory ---- */

static inline uint64_t run_load(qn_scalar mem, const void *data, int64_t index) {
  unsigned bits = qn_scalar_get(mem)->storage_bits;
  if (bits < 8) {
    bool is_signed = qn_scalar_is_int(mem) && qn_scalar_get(mem)->cls != QN_UNSIGNED;
    uint8_t v = qn__pack_get(data, (size_t)index, bits);
    return is_signed ? run_cut((uint64_t)run_sext(v, bits), 8) : v;
  }
  uint64_t v = 0;
  memcpy(&v, (const char *)data + index * (int64_t)(bits / 8), bits / 8);
  return mem == QN_I1 ? v != 0 : v;
}

static inline void run_store(qn_scalar mem, void *data, int64_t index, uint64_t v) {
  unsigned bits = qn_scalar_get(mem)->storage_bits;
  if (bits < 8)
    qn__pack_set(data, (size_t)index, bits, (unsigned)(v & 0xFF));
  else
    memcpy((char *)data + index * (int64_t)(bits / 8), &v, bits / 8);
}

/* ---- whole tapes ---- */

enum { RUN_MAX_INSTS = 2048 };

/* in: element bits per input; out: bits per output. No reductions. */
static inline void run_tape(const qn_tape *t, const uint64_t *in, uint64_t *out) {
  uint64_t reg[RUN_MAX_INSTS];
  for (uint32_t k = 0; k < t->num_insts && k < RUN_MAX_INSTS; k++) {
    const qn_tinst *i = &t->insts[k];
    if (i->op == QN_T_INPUT)
      reg[k] = in[i->a];
    else if (i->op == QN_T_CONST)
      reg[k] = i->imm;
    else
      reg[k] = run_inst(t, i, reg);
  }
  for (uint32_t k = 0; k < t->num_outputs; k++) out[k] = reg[t->outputs[k]];
}

static inline bool run_is_reduction(unsigned op) {
  return op >= QN_T_ALL_FMAX;
}

static inline uint64_t run_reduce(const qn_tinst *i, qn_treg type, const uint64_t *v, int64_t n) {
  bool wide = type == QN_TF64;
  uint32_t bits = qn__tape_bits(type);
  qn_tinst x = *i;
  uint64_t acc = 0;
  switch (i->op) {
  case QN_T_ALL_FMAX: acc = wide ? run_b64(-INFINITY) : run_b32(-INFINITY); break;
  case QN_T_ALL_FMIN: acc = wide ? run_b64(INFINITY) : run_b32(INFINITY); break;
  case QN_T_ALL_SMAX: acc = (uint64_t)1 << (bits - 1); break;
  case QN_T_ALL_SMIN: acc = ((uint64_t)1 << (bits - 1)) - 1; break;
  case QN_T_ALL_ISUM:
    for (int64_t k = 0; k < n; k++) acc += v[k];
    return run_cut(acc, bits);
  default: { /* ALL_FSUM */
    uint64_t p[32] = {0};
    x.op = QN_T_FADD;
    for (int64_t k = 0; k < n; k++) p[k % 32] = run_float(&x, wide, p[k % 32], v[k], 0);
    for (int half = 16; half; half /= 2)
      for (int k = 0; k < half; k++) p[k] = run_float(&x, wide, p[k], p[k + half], 0);
    return p[0];
  }
  }
  for (int64_t k = 0; k < n; k++)
    acc = type == QN_TF32 || wide ? run_float(&x, wide, acc, v[k], 0) : run_int(&x, bits, acc, v[k]);
  return acc;
}

/* A row of n elements: in[i * n + k]; out[i * n + k]. value: per output, its value after the row (a reduction's). reg:
 * room for num_insts * (n + 1) numbers. A register that depends on no element has one value, at [n]. */
static inline void run_row(const qn_tape *t, int64_t n, const uint64_t *in, uint64_t *out, uint64_t *value,
                           uint64_t *reg) {
  uint64_t now[RUN_MAX_INSTS];
  for (uint32_t k = 0; k < t->num_insts; k++) {
    const qn_tinst *i = &t->insts[k];
    uint64_t *mine = reg + (int64_t)k * (n + 1);
    uint64_t whole = run_is_reduction(i->op) ? run_reduce(i, (qn_treg)i->type, reg + (int64_t)i->a * (n + 1), n) : 0;
    for (int64_t e = 0; e <= n; e++) {
      for (uint32_t j = 0; j < k; j++) now[j] = reg[(int64_t)j * (n + 1) + e];
      if (run_is_reduction(i->op))
        mine[e] = whole;
      else if (i->op == QN_T_INPUT)
        mine[e] = e < n ? in[i->a * (uint64_t)n + (uint64_t)e] : 0;
      else if (i->op == QN_T_CONST)
        mine[e] = i->imm;
      else
        mine[e] = run_inst(t, i, now);
    }
  }
  for (uint32_t o = 0; o < t->num_outputs; o++) {
    const uint64_t *r = reg + (int64_t)t->outputs[o] * (n + 1);
    if (n) memcpy(out + o * (uint64_t)n, r, (size_t)n * sizeof *out);
    value[o] = r[n];
  }
}

/* Equal bits, or both NaN. */
static inline bool run_same(qn_treg type, uint64_t a, uint64_t b) {
  if (a == b) return true;
  if (type == QN_TF32) return isnan(run_f32(a)) && isnan(run_f32(b));
  return type == QN_TF64 && isnan(run_f64(a)) && isnan(run_f64(b));
}
#endif
