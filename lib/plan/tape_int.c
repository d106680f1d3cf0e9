/* Integer ops, comparisons, selection. i1 values are masks: arithmetic on them is logic. */
#include "attr_impl.h"
#include "tape_builder.h"

static unsigned width(qn_scalar s) {
  return qn_scalar_get(s)->bits;
}

static uint32_t and_not(qn__tb *tb, uint32_t a, uint32_t b) {
  return qn__tb_2(tb, QN_T_AND, a, qn__tb_not(tb, b));
}

/* High bits of a sub-byte value are known after loading by its memory type. */
static bool loaded_as(const qn__tb *tb, uint32_t reg, unsigned bits, bool is_unsigned) {
  const qn_tinst *i = qn__tb_inst(tb, reg);
  if (i->op != QN_T_INPUT) return false;
  const qn_scalar_info *mem = qn_scalar_get(tb->input_mem[i->a]);
  return mem->bits == bits && (mem->cls == QN_UNSIGNED || mem->cls == QN_FLOAT) == is_unsigned;
}

uint32_t qn__tb_signed(qn__tb *tb, qn__tval v) {
  unsigned bits = width(v.type);
  if (bits >= 8 || v.type == QN_I1 || tb->failed || loaded_as(tb, v.reg, bits, false)) return v.reg;
  return qn__tb_imm(tb, QN_T_SHRS, qn__tb_imm(tb, QN_T_SHL, v.reg, 8 - bits), 8 - bits);
}

uint32_t qn__tb_unsigned(qn__tb *tb, qn__tval v) {
  unsigned bits = width(v.type);
  if (bits >= 8 || v.type == QN_I1 || tb->failed || loaded_as(tb, v.reg, bits, true)) return v.reg;
  return qn__tb_imm(tb, QN_T_AND, v.reg, ((uint64_t)1 << bits) - 1);
}

QN__TAPE_HANDLER(constant) {
  (void)param;
  qn_attr value = qn_op_attr(tb->m, tb->op, "value");
  qn_treg type = qn__tape_reg(result->type);
  switch (qn_attr_kind_of(tb->m, value)) {
  case QN_ATTR_BOOL: result->reg = qn__tb_const(tb, type, qn_attr_as_bool(tb->m, value)); return QN_OK;
  case QN_ATTR_INT: result->reg = qn__tb_const(tb, type, (uint64_t)qn_attr_as_int(tb->m, value)); return QN_OK;
  case QN_ATTR_FLOAT: result->reg = qn__tb_const(tb, type, qn__attr_bits_of_float(tb->m, value)); return QN_OK;
  default: return qn__tb_unsupported(tb, "a constant in a region is a scalar");
  }
}

/* Signed i1 is 0 or -1. */
static uint32_t mask_binary(qn__tb *tb, unsigned op, uint32_t a, uint32_t b) {
  switch (op) {
  case QN_T_IADD:
  case QN_T_ISUB:
  case QN_T_XOR: return qn__tb_2(tb, QN_T_XOR, a, b);
  case QN_T_OR:
  case QN_T_UMAX:
  case QN_T_SMIN: return qn__tb_2(tb, QN_T_OR, a, b);
  case QN_T_SHL:
  case QN_T_SHRU: return and_not(tb, a, b);
  case QN_T_SHRS: return a;
  default: return qn__tb_2(tb, QN_T_AND, a, b); /* products, quotients, the other extremes */
  }
}

QN__TAPE_HANDLER(int_binary) {
  qn__tval a = qn__tb_operand(tb, 0), b = qn__tb_operand(tb, 1);
  if (a.type == QN_I1) {
    result->reg = mask_binary(tb, param, a.reg, b.reg);
    return QN_OK;
  }
  switch (param) {
  case QN_T_SDIV:
  case QN_T_SMAX:
  case QN_T_SMIN: result->reg = qn__tb_2(tb, (qn_topcode)param, qn__tb_signed(tb, a), qn__tb_signed(tb, b)); break;
  case QN_T_UDIV:
  case QN_T_UMAX:
  case QN_T_UMIN:
  case QN_T_SHRU: result->reg = qn__tb_2(tb, (qn_topcode)param, qn__tb_unsigned(tb, a), qn__tb_unsigned(tb, b)); break;
  case QN_T_SHRS: result->reg = qn__tb_2(tb, QN_T_SHRS, qn__tb_signed(tb, a), qn__tb_unsigned(tb, b)); break;
  case QN_T_SHL: result->reg = qn__tb_2(tb, QN_T_SHL, a.reg, qn__tb_unsigned(tb, b)); break;
  default: result->reg = qn__tb_2(tb, (qn_topcode)param, a.reg, b.reg); break;
  }
  return QN_OK;
}

static uint32_t mask_compare(qn__tb *tb, unsigned pred, uint32_t a, uint32_t b) {
  switch (pred) {
  case QN__ICMP_EQ: return qn__tb_not(tb, qn__tb_2(tb, QN_T_XOR, a, b));
  case QN__ICMP_NE: return qn__tb_2(tb, QN_T_XOR, a, b);
  case QN__ICMP_SLT:
  case QN__ICMP_UGT: return and_not(tb, a, b);
  case QN__ICMP_SGT:
  case QN__ICMP_ULT: return and_not(tb, b, a);
  case QN__ICMP_SLE:
  case QN__ICMP_UGE: return qn__tb_not(tb, and_not(tb, b, a));
  default: return qn__tb_not(tb, and_not(tb, a, b)); /* SGE, ULE */
  }
}

int64_t qn__tb_predicate(const qn__tb *tb) {
  qn_attr a = qn_op_attr(tb->m, tb->op, "predicate");
  return a.id ? qn_attr_as_int(tb->m, a) : -1;
}

QN__TAPE_HANDLER(cmpi) {
  (void)param;
  qn__tval a = qn__tb_operand(tb, 0), b = qn__tb_operand(tb, 1);
  int64_t pred = qn__tb_predicate(tb);
  if (pred < 0 || pred > QN__ICMP_UGE) return qn__tb_unsupported(tb, "the predicate is out of range");
  if (a.type == QN_I1) {
    result->reg = mask_compare(tb, (unsigned)pred, a.reg, b.reg);
    return QN_OK;
  }
  bool is_signed = pred >= QN__ICMP_SLT && pred <= QN__ICMP_SGE;
  result->reg = is_signed ? qn__tb_icmp(tb, (unsigned)pred, qn__tb_signed(tb, a), qn__tb_signed(tb, b))
                          : qn__tb_icmp(tb, (unsigned)pred, qn__tb_unsigned(tb, a), qn__tb_unsigned(tb, b));
  return QN_OK;
}

QN__TAPE_HANDLER(select) {
  (void)param;
  uint32_t mask = qn__tb_operand(tb, 0).reg;
  qn__tval a = qn__tb_operand(tb, 1), b = qn__tb_operand(tb, 2);
  if (a.type == QN_I1) {
    uint32_t kept = qn__tb_2(tb, QN_T_AND, mask, a.reg);
    result->reg = qn__tb_2(tb, QN_T_OR, kept, and_not(tb, b.reg, mask));
  } else {
    result->reg = qn__tb_select(tb, mask, a.reg, b.reg);
  }
  return QN_OK;
}

QN__TAPE_HANDLER(extend) {
  qn__tval v = qn__tb_operand(tb, 0);
  uint32_t reg = param == QN_T_SEXT ? qn__tb_signed(tb, v) : qn__tb_unsigned(tb, v);
  result->reg = qn__tb_1(tb, (qn_topcode)param, qn__tape_reg(result->type), reg);
  return QN_OK;
}

QN__TAPE_HANDLER(trunci) {
  (void)param;
  qn__tval v = qn__tb_operand(tb, 0);
  if (result->type == QN_I1 && v.type != QN_I1) {
    uint32_t low = qn__tb_imm(tb, QN_T_AND, v.reg, 1);
    result->reg = qn__tb_icmp(tb, QN__ICMP_NE, low, qn__tb_const(tb, qn__tb_type(tb, v.reg), 0));
  } else {
    result->reg = qn__tb_1(tb, QN_T_TRUNC, qn__tape_reg(result->type), v.reg);
  }
  return QN_OK;
}
