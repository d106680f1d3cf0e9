/* Integer constants are folded and integer identities removed. Of float arithmetic only what is exact for every
 * value, NaN included, is touched: x * 1, x / 1 and the like. */
#include "tape_builder.h"

static bool is_int(qn_treg t) {
  return t != QN_TF32 && t != QN_TF64;
}

static bool is_value(const qn__tb *tb, uint32_t reg, uint64_t bits) {
  return qn__tb_is_const(tb, reg) && qn__tb_inst(tb, reg)->imm == bits;
}

static uint64_t ones(qn_treg t) {
  uint32_t bits = qn__tape_bits(t);
  return bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

static int64_t extend(uint64_t v, uint32_t bits) {
  uint64_t top = (uint64_t)1 << (bits - 1);
  return (int64_t)((v ^ top) - top);
}

/* a and b zero-extended from `bits`; the caller cuts the result to width. */
static uint64_t fold2(qn_topcode op, uint64_t a, uint64_t b, uint32_t bits) {
  int64_t sa = extend(a, bits), sb = extend(b, bits);
  switch (op) {
  case QN_T_IADD: return a + b;
  case QN_T_ISUB: return a - b;
  case QN_T_IMUL: return a * b;
  case QN_T_SDIV: return b == 0 ? 0 : sb == -1 ? 0 - a : (uint64_t)(sa / sb);
  case QN_T_UDIV: return b == 0 ? 0 : a / b;
  case QN_T_AND: return a & b;
  case QN_T_OR: return a | b;
  case QN_T_XOR: return a ^ b;
  case QN_T_SHL: return b >= bits ? 0 : a << b;
  case QN_T_SHRU: return b >= bits ? 0 : a >> b;
  case QN_T_SHRS:
    return (uint64_t)(sa < 0 ? ~(~(uint64_t)sa >> (b >= bits ? bits - 1 : b))
                             : (uint64_t)sa >> (b >= bits ? bits - 1 : b));
  case QN_T_SMAX: return sa > sb ? a : b;
  case QN_T_SMIN: return sa < sb ? a : b;
  case QN_T_UMAX: return a > b ? a : b;
  default: return a < b ? a : b; /* UMIN */
  }
}

static bool fold_icmp(unsigned pred, uint64_t a, uint64_t b, uint32_t bits) {
  int64_t sa = extend(a, bits), sb = extend(b, bits);
  switch (pred) {
  case QN__ICMP_EQ: return a == b;
  case QN__ICMP_NE: return a != b;
  case QN__ICMP_SLT: return sa < sb;
  case QN__ICMP_SLE: return sa <= sb;
  case QN__ICMP_SGT: return sa > sb;
  case QN__ICMP_SGE: return sa >= sb;
  case QN__ICMP_ULT: return a < b;
  case QN__ICMP_ULE: return a <= b;
  case QN__ICMP_UGT: return a > b;
  default: return a >= b;
  }
}

static bool commutes(unsigned op) {
  return op == QN_T_IADD || op == QN_T_IMUL || op == QN_T_AND || op == QN_T_OR || op == QN_T_XOR || op == QN_T_SMAX ||
         op == QN_T_SMIN || op == QN_T_UMAX || op == QN_T_UMIN;
}

/* x op identity = x; for shifts, too. */
static bool right_identity(const qn__tb *tb, const qn_tinst *i) {
  qn_treg t = (qn_treg)i->type;
  switch (i->op) {
  case QN_T_IADD:
  case QN_T_ISUB:
  case QN_T_OR:
  case QN_T_XOR:
  case QN_T_SHL:
  case QN_T_SHRS:
  case QN_T_SHRU: return is_value(tb, i->b, 0);
  case QN_T_AND: return is_value(tb, i->b, ones(t));
  case QN_T_IMUL:
  case QN_T_SDIV:
  case QN_T_UDIV: return is_value(tb, i->b, 1);
  case QN_T_FMUL:
  case QN_T_FDIV: return is_value(tb, i->b, t == QN_TF32 ? 0x3F800000u : 0x3FF0000000000000u);
  default: return false;
  }
}

static bool same_gives_itself(unsigned op) {
  return op == QN_T_AND || op == QN_T_OR || op == QN_T_SMAX || op == QN_T_SMIN || op == QN_T_UMAX || op == QN_T_UMIN;
}

static bool fold_binary(qn__tb *tb, qn_tinst *i, uint32_t *reg) {
  qn_treg t = (qn_treg)i->type;
  /* A constant stands right, otherwise the older register left, so that equal sums meet. */
  if (commutes(i->op) && (qn__tb_is_const(tb, i->a) || (!qn__tb_is_const(tb, i->b) && i->b < i->a))) {
    uint32_t a = i->a;
    i->a = i->b;
    i->b = a;
  }
  if (is_int(t) && qn__tb_is_const(tb, i->a) && qn__tb_is_const(tb, i->b)) {
    uint64_t v = fold2((qn_topcode)i->op, qn__tb_inst(tb, i->a)->imm, qn__tb_inst(tb, i->b)->imm, qn__tape_bits(t));
    *reg = qn__tb_const(tb, t, v);
    return true;
  }
  if (right_identity(tb, i) || (i->a == i->b && same_gives_itself(i->op))) {
    *reg = i->a;
    return true;
  }
  if ((i->op == QN_T_AND || i->op == QN_T_IMUL) && is_value(tb, i->b, 0)) {
    *reg = i->b;
    return true;
  }
  /* (x ^ mask) ^ mask, the double negation of floats and masks */
  const qn_tinst *a = qn__tb_inst(tb, i->a);
  if (i->op == QN_T_XOR && a->op == QN_T_XOR && a->b == i->b) {
    *reg = a->a;
    return true;
  }
  return false;
}

static bool fold_convert(qn__tb *tb, const qn_tinst *i, uint32_t *reg) {
  const qn_tinst *a = qn__tb_inst(tb, i->a);
  qn_treg t = (qn_treg)i->type, from = (qn_treg)a->type;
  if (t == from) {
    *reg = i->a;
    return true;
  }
  if (a->op == QN_T_CONST &&
      (i->op == QN_T_BITCAST || i->op == QN_T_TRUNC || i->op == QN_T_ZEXT || i->op == QN_T_SEXT)) {
    *reg = qn__tb_const(tb, t, i->op == QN_T_SEXT ? (uint64_t)qn__tb_sconst(tb, i->a) : a->imm);
    return true;
  }
  if (i->op == QN_T_BITCAST && a->op == QN_T_BITCAST && qn__tb_type(tb, a->a) == t) {
    *reg = a->a;
    return true;
  }
  if (i->op == QN_T_TRUNC && (a->op == QN_T_ZEXT || a->op == QN_T_SEXT) && qn__tb_type(tb, a->a) != QN_TI1) {
    uint32_t narrow = qn__tape_bits(qn__tb_type(tb, a->a)), want = qn__tape_bits(t);
    if (narrow == want)
      *reg = a->a;
    else
      *reg = qn__tb_1(tb, narrow > want ? QN_T_TRUNC : (qn_topcode)a->op, t, a->a);
    return true;
  }
  if ((i->op == QN_T_ZEXT && a->op == QN_T_ZEXT) ||
      (i->op == QN_T_SEXT && (a->op == QN_T_SEXT || a->op == QN_T_ZEXT))) {
    *reg = qn__tb_1(tb, (qn_topcode)a->op, t, a->a);
    return true;
  }
  return false;
}

/* Whether an ordered comparison of a register with a constant cannot hold for any value that the register takes. */
static bool never_holds(const qn__tb *tb, unsigned pred, uint32_t a, uint32_t b) {
  qn__frange x = qn__tb_range(tb, a), y = qn__tb_range(tb, b);
  switch (pred) {
  case QN__FCMP_OGT: return x.hi <= y.lo;
  case QN__FCMP_OLT: return x.lo >= y.hi;
  default: return false;
  }
}

static bool fold_compare(qn__tb *tb, const qn_tinst *i, uint32_t *reg) {
  if (i->op == QN_T_FCMP && (i->pred == QN__FCMP_FALSE || i->pred == QN__FCMP_TRUE)) {
    *reg = qn__tb_const(tb, QN_TI1, i->pred == QN__FCMP_TRUE);
    return true;
  }
  if (i->op == QN_T_FCMP && never_holds(tb, i->pred, i->a, i->b)) {
    *reg = qn__tb_const(tb, QN_TI1, 0);
    return true;
  }
  if (i->op != QN_T_ICMP || !qn__tb_is_const(tb, i->a) || !qn__tb_is_const(tb, i->b)) return false;
  bool v =
      fold_icmp(i->pred, qn__tb_inst(tb, i->a)->imm, qn__tb_inst(tb, i->b)->imm, qn__tape_bits(qn__tb_type(tb, i->a)));
  *reg = qn__tb_const(tb, QN_TI1, v);
  return true;
}

static bool fold_select(qn__tb *tb, const qn_tinst *i, uint32_t *reg) {
  if (i->b == i->c) {
    *reg = i->b;
    return true;
  }
  if (qn__tb_is_const(tb, i->a)) {
    *reg = qn__tb_inst(tb, i->a)->imm ? i->b : i->c;
    return true;
  }
  return false;
}

bool qn__tape_fold(qn__tb *tb, qn_tinst *i, uint32_t *reg) {
  switch (i->op) {
  case QN_T_SELECT: return fold_select(tb, i, reg);
  case QN_T_ICMP:
  case QN_T_FCMP: return fold_compare(tb, i, reg);
  case QN_T_SEXT:
  case QN_T_ZEXT:
  case QN_T_TRUNC:
  case QN_T_BITCAST: return fold_convert(tb, i, reg);
  case QN_T_INPUT:
  case QN_T_CONST: return false;
  default: return qn__tape_ops[i->op].num_args == 2 && fold_binary(tb, i, reg);
  }
}
