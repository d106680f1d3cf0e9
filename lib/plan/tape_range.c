/* Which values a float register can take. Clamps that a conversion to integer needs in general are left out where the
 * region has clamped already, which quantization always has. */
#include "tape_builder.h"
#include <math.h>
#include <string.h>

static const qn__frange anything = {-INFINITY, INFINITY, true};

static bool is_float(unsigned t) {
  return t == QN_TF32 || t == QN_TF64;
}

static qn__frange of_const(const qn_tinst *i) {
  double v;
  if (i->type == QN_TF64) {
    memcpy(&v, &i->imm, sizeof v);
  } else {
    uint32_t low = (uint32_t)i->imm;
    float f;
    memcpy(&f, &low, sizeof f);
    v = (double)f;
  }
  return v == v ? (qn__frange){v, v, false} : anything;
}

/* Widened by more than any rounding to f32 can move an end. */
static qn__frange rounded(double lo, double hi, bool nan) {
  if (!(lo == lo && hi == hi)) return anything;
  lo -= fabs(lo) * 1e-6 + 1e-40;
  hi += fabs(hi) * 1e-6 + 1e-40;
  if (hi > 3e38) hi = INFINITY;
  if (lo < -3e38) lo = -INFINITY;
  return (qn__frange){lo, hi, nan};
}

static bool finite_range(qn__frange r) {
  return r.lo > -INFINITY && r.hi < INFINITY;
}

static qn__frange of_sum(qn__frange a, qn__frange b, double sign) {
  if (sign < 0) b = (qn__frange){-b.hi, -b.lo, b.nan};
  bool nan = a.nan || b.nan || !(finite_range(a) || finite_range(b));
  return nan && !finite_range(a) && !finite_range(b) ? anything : rounded(a.lo + b.lo, a.hi + b.hi, nan);
}

static qn__frange of_product(qn__frange a, qn__frange b) {
  if (!finite_range(a) || !finite_range(b)) return anything;
  double p[4] = {a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi}, lo = p[0], hi = p[0];
  for (int i = 1; i < 4; i++) {
    if (p[i] < lo) lo = p[i];
    if (p[i] > hi) hi = p[i];
  }
  return rounded(lo, hi, a.nan || b.nan);
}

/* x less the row's largest or smallest. */
static qn__frange of_distance(const qn__tb *tb, const qn_tinst *i, qn__frange a, qn__frange b) {
  qn__frange r = of_sum(a, b, -1);
  const qn_tinst *end = qn__tb_inst(tb, i->b);
  if (end->op == QN_T_ALL_FMAX && end->a == i->a && r.hi > 0) r.hi = 0;
  if (end->op == QN_T_ALL_FMIN && end->a == i->a && r.lo < 0) r.lo = 0;
  return r;
}

/* From an integer register: what is known of it, its width, or that of what was extended into it. */
static qn__frange of_int(const qn__tb *tb, uint32_t reg, bool is_signed) {
  const qn_tinst *i = qn__tb_inst(tb, reg);
  if (is_signed && finite_range(qn__tb_range(tb, reg))) return qn__tb_range(tb, reg);
  double bits = (double)qn__tape_bits((qn_treg)i->type);
  if (i->op == QN_T_ZEXT || i->op == QN_T_SEXT) {
    bits = (double)qn__tape_bits(qn__tb_type(tb, i->a));
    is_signed = i->op == QN_T_SEXT;
  }
  return is_signed ? (qn__frange){-ldexp(1, (int)bits - 1), ldexp(1, (int)bits - 1), false}
                   : (qn__frange){0, ldexp(1, (int)bits), false};
}

static const uint8_t swapped[] = {QN__FCMP_FALSE, QN__FCMP_OEQ, QN__FCMP_OLT, QN__FCMP_OLE, QN__FCMP_OGT, QN__FCMP_OGE,
                                  QN__FCMP_ONE,   QN__FCMP_ORD, QN__FCMP_UEQ, QN__FCMP_ULT, QN__FCMP_ULE, QN__FCMP_UGT,
                                  QN__FCMP_UGE,   QN__FCMP_UNE, QN__FCMP_UNO, QN__FCMP_TRUE};

static const uint8_t negated[] = {QN__FCMP_TRUE, QN__FCMP_UNE, QN__FCMP_ULE, QN__FCMP_ULT,  QN__FCMP_UGE, QN__FCMP_UGT,
                                  QN__FCMP_UEQ,  QN__FCMP_UNO, QN__FCMP_ONE, QN__FCMP_OLE,  QN__FCMP_OLT, QN__FCMP_OGE,
                                  QN__FCMP_OGT,  QN__FCMP_OEQ, QN__FCMP_ORD, QN__FCMP_FALSE};

/* The range of x where `x pred k` holds for a k of this range. */
static qn__frange narrowed(qn__frange r, unsigned pred, qn__frange k) {
  bool ordered = pred >= QN__FCMP_OEQ && pred <= QN__FCMP_ORD;
  bool below = pred == QN__FCMP_OLT || pred == QN__FCMP_OLE || pred == QN__FCMP_ULT || pred == QN__FCMP_ULE ||
               pred == QN__FCMP_OEQ;
  bool above = pred == QN__FCMP_OGT || pred == QN__FCMP_OGE || pred == QN__FCMP_UGT || pred == QN__FCMP_UGE ||
               pred == QN__FCMP_OEQ;
  if (ordered) r.nan = false;
  if (k.nan && !ordered) return r; /* it may hold because of that */
  if (below && k.hi < r.hi) r.hi = k.hi;
  if (above && k.lo > r.lo) r.lo = k.lo;
  return r;
}

/* The range of `reg` in one arm of a select on `mask`. */
static qn__frange in_arm(const qn__tb *tb, uint32_t reg, uint32_t mask, bool holds) {
  qn__frange r = qn__tb_range(tb, reg);
  const qn_tinst *m = qn__tb_inst(tb, mask);
  if (m->op != QN_T_FCMP || (m->a != reg && m->b != reg)) return r;
  /* x pred k, or x pred x, which tells of NaN only */
  unsigned pred = m->a == reg ? m->pred : swapped[m->pred];
  if (!holds) pred = negated[pred];
  if (m->a == m->b) {
    if (pred == QN__FCMP_OEQ || pred == QN__FCMP_ORD) r.nan = false;
    return r;
  }
  return narrowed(r, pred, qn__tb_range(tb, m->a == reg ? m->b : m->a));
}

static qn__frange either(qn__frange a, qn__frange b) {
  return (qn__frange){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi, a.nan || b.nan};
}

/* Integers, read as signed. What can wrap is not followed. */
static qn__frange int_range(const qn__tb *tb, const qn_tinst *i) {
  double half = ldexp(1, (int)qn__tape_bits((qn_treg)i->type) - 1);
  qn__frange full = {-half, half - 1, false}, r = full;
  if (i->type == QN_TI1 || i->op == QN_T_INPUT) return i->type == QN_TI1 ? anything : full;
  if (i->op == QN_T_CONST) {
    double v = (double)i->imm;
    return v >= half ? (qn__frange){v - 2 * half, v - 2 * half, false} : (qn__frange){v, v, false};
  }
  qn__frange a = qn__tb_range(tb, i->a), b = qn__tb_range(tb, i->b);
  double from = ldexp(1, (int)qn__tape_bits(qn__tb_type(tb, i->a)));
  if (i->op == QN_T_ZEXT) r = (qn__frange){0, from - 1, false};
  if (i->op == QN_T_SEXT) r = finite_range(a) ? a : (qn__frange){-from / 2, from / 2 - 1, false};
  if (i->op == QN_T_SEXT && qn__tb_type(tb, i->a) == QN_TI1) r = (qn__frange){-1, 0, false};
  if (i->op == QN_T_FPTOSI && finite_range(a)) r = (qn__frange){trunc(a.lo), trunc(a.hi), false};
  if (i->op == QN_T_IADD && finite_range(a) && finite_range(b)) r = (qn__frange){a.lo + b.lo, a.hi + b.hi, false};
  if (i->op == QN_T_ISUB && finite_range(a) && finite_range(b)) r = (qn__frange){a.lo - b.hi, a.hi - b.lo, false};
  if (i->op == QN_T_SMAX && finite_range(a) && finite_range(b))
    r = (qn__frange){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi, false};
  if (i->op == QN_T_SMIN && finite_range(a) && finite_range(b))
    r = (qn__frange){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi, false};
  return r.lo >= full.lo && r.hi <= full.hi ? r : full;
}

qn__frange qn__tape_range(const qn__tb *tb, const qn_tinst *i) {
  if (!is_float(i->type)) return int_range(tb, i);
  if (i->op == QN_T_CONST) return of_const(i);
  if (i->op == QN_T_INPUT) return anything;
  qn__frange a = qn__tb_range(tb, i->a), b = qn__tb_range(tb, i->b);
  switch (i->op) {
  case QN_T_SITOFP: return of_int(tb, i->a, true);
  case QN_T_UITOFP: return of_int(tb, i->a, false);
  case QN_T_FROUND: return (qn__frange){rint(a.lo), rint(a.hi), a.nan};
  case QN_T_FFLOOR: return (qn__frange){floor(a.lo), floor(a.hi), a.nan};
  case QN_T_FCEIL: return (qn__frange){ceil(a.lo), ceil(a.hi), a.nan};
  case QN_T_FMAX: return (qn__frange){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi, a.nan || b.nan};
  case QN_T_FMIN: return (qn__frange){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi, a.nan || b.nan};
  case QN_T_FADD: return of_sum(a, b, 1);
  case QN_T_FSUB: return of_distance(tb, i, a, b);
  case QN_T_FMUL: return of_product(a, b);
  case QN_T_FEXT: return a;
  case QN_T_SELECT: return either(in_arm(tb, i->b, i->a, true), in_arm(tb, i->c, i->a, false));
  default: return anything;
  }
}
