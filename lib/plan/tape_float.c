/* Float arithmetic: narrow floats are widened, computed in f32 and rounded once per op. */
#include "convert.h"
#include "recipe.h"
#include "tape_builder.h"

static uint64_t sign_bit(unsigned bits) {
  return (uint64_t)1 << (bits - 1);
}

/* A constant other than NaN: then max and min are one comparison and one selection. */
static bool number(const qn__tb *tb, uint32_t reg, bool *zero, bool *negative) {
  if (!qn__tb_is_const(tb, reg)) return false;
  unsigned bits = qn__tape_bits(qn__tb_type(tb, reg));
  uint64_t v = qn__tb_inst(tb, reg)->imm, magnitude = v & (sign_bit(bits) - 1);
  *zero = magnitude == 0;
  *negative = v >> (bits - 1) != 0;
  return magnitude <= (bits == 64 ? 0x7FF0000000000000u : 0x7F800000u);
}

/* max: x < k ? k : x keeps NaN in x. Only +0 has a value equal to it and yet below, which must give way: x <= k. */
static uint32_t extreme(qn__tb *tb, uint32_t a, uint32_t b, bool is_max) {
  bool zero, negative;
  if (number(tb, a, &zero, &negative)) {
    uint32_t t = a;
    a = b;
    b = t;
  } else if (!number(tb, b, &zero, &negative)) {
    return qn__tb_2(tb, is_max ? QN_T_FMAX : QN_T_FMIN, a, b);
  }
  unsigned pred =
      is_max ? (zero && !negative ? QN__FCMP_OLE : QN__FCMP_OLT) : (zero && negative ? QN__FCMP_OGE : QN__FCMP_OGT);
  return qn__tb_select(tb, qn__tb_fcmp(tb, pred, a, b), b, a);
}

static uint32_t max_of(qn__tb *tb, uint32_t a, uint32_t b) {
  return extreme(tb, a, b, true);
}
static uint32_t min_of(qn__tb *tb, uint32_t a, uint32_t b) {
  return extreme(tb, a, b, false);
}

/* Half to even on the magnitude, one more where that was a tie downwards; the sign comes back last. */
static uint32_t round_away(qn__tb *tb, uint32_t x) {
  qn_treg fp = qn__tb_type(tb, x);
  uint32_t a = qn__tb_abs(tb, x), r = qn__tb_1(tb, QN_T_FROUND, fp, a);
  uint32_t tie = qn__tb_fcmp(tb, QN__FCMP_OEQ, qn__tb_2(tb, QN_T_FSUB, a, r), qn__tb_f(tb, fp, 0.5));
  r = qn__tb_select(tb, tie, qn__tb_2(tb, QN_T_FADD, r, qn__tb_f(tb, fp, 1)), r);
  uint32_t sign = qn__tb_imm(tb, QN_T_AND, qn__tb_bitcast(tb, x), sign_bit(qn__tape_bits(fp)));
  return qn__tb_bitcast(tb, qn__tb_2(tb, QN_T_OR, qn__tb_bitcast(tb, r), sign));
}

QN__TAPE_HANDLER(float_binary) {
  uint32_t a = qn__tb_widen(tb, qn__tb_operand(tb, 0)), b = qn__tb_widen(tb, qn__tb_operand(tb, 1)), y;
  if (param == QN_T_FMAX)
    y = max_of(tb, a, b);
  else if (param == QN_T_FMIN)
    y = min_of(tb, a, b);
  else
    y = qn__tb_2(tb, (qn_topcode)param, a, b);
  result->reg = qn__tb_narrow(tb, y, result->type);
  return QN_OK;
}

/* param: an opcode, or QN_T_COUNT for rounding half away from zero. */
QN__TAPE_HANDLER(float_unary) {
  uint32_t x = qn__tb_widen(tb, qn__tb_operand(tb, 0));
  uint32_t y = param == QN_T_COUNT ? round_away(tb, x) : qn__tb_1(tb, (qn_topcode)param, qn__tb_type(tb, x), x);
  result->reg = qn__tb_narrow(tb, y, result->type);
  return QN_OK;
}

/* Negation (param 0) and absolute value (param 1) are exact and keep NaN a NaN: on the bits, in any format with a sign.
 */
QN__TAPE_HANDLER(sign) {
  qn__tval v = qn__tb_operand(tb, 0);
  const qn_float_format *f = qn__float_format(v.type);
  if (!f) return qn__tb_unsupported(tb, "the operand is no float");
  qn_topcode op = param ? QN_T_AND : QN_T_XOR;
  if (f->special == QN__SPECIAL_EXPONENT) { /* no sign: all but NaN are positive, and the negative of those is NaN */
    result->reg = param ? v.reg : qn__tb_const(tb, QN_TI8, 0xFF);
    return QN_OK;
  }
  bool cast = v.type == QN_F32 || v.type == QN_F64;
  uint32_t bits = cast ? qn__tb_bitcast(tb, v.reg) : v.reg;
  bits = qn__tb_imm(tb, op, bits, param ? sign_bit(f->bits) - 1 : sign_bit(f->bits));
  result->reg = cast ? qn__tb_bitcast(tb, bits) : bits;
  return QN_OK;
}

QN__TAPE_HANDLER(fma) {
  (void)param;
  uint32_t a = qn__tb_widen(tb, qn__tb_operand(tb, 0)), b = qn__tb_widen(tb, qn__tb_operand(tb, 1));
  uint32_t c = qn__tb_widen(tb, qn__tb_operand(tb, 2));
  result->reg = qn__tb_narrow(tb, qn__tb_fma(tb, a, b, c), result->type);
  return QN_OK;
}

QN__TAPE_HANDLER(cmpf) {
  (void)param;
  int64_t pred = qn__tb_predicate(tb);
  if (pred < 0 || pred > QN__FCMP_TRUE) return qn__tb_unsupported(tb, "the predicate is out of range");
  uint32_t a = qn__tb_widen(tb, qn__tb_operand(tb, 0)), b = qn__tb_widen(tb, qn__tb_operand(tb, 1));
  result->reg = qn__tb_fcmp(tb, (unsigned)pred, a, b);
  return QN_OK;
}

/* ---- reductions over the row ---- */

QN__TAPE_HANDLER(all) {
  static const uint8_t float_ops[] = {QN_T_ALL_FMAX, QN_T_ALL_FMIN, QN_T_ALL_FSUM};
  static const uint8_t int_ops[] = {QN_T_ALL_SMAX, QN_T_ALL_SMIN, QN_T_ALL_ISUM};
  qn__tval v = qn__tb_operand(tb, 0);
  if (qn_scalar_is_float(v.type)) {
    uint32_t x = qn__tb_widen(tb, v);
    x = qn__tb_1(tb, (qn_topcode)float_ops[param], qn__tb_type(tb, x), x);
    result->reg = qn__tb_narrow(tb, x, result->type);
    return QN_OK;
  }
  uint32_t x = qn__tb_signed(tb, v);
  if (v.type == QN_I1) x = qn__tb_1(tb, QN_T_SEXT, QN_TI8, x);
  x = qn__tb_1(tb, (qn_topcode)int_ops[param], qn__tb_type(tb, x), x);
  if (v.type == QN_I1) {
    x = qn__tb_imm(tb, QN_T_AND, x, 1);
    x = qn__tb_icmp(tb, QN__ICMP_NE, x, qn__tb_const(tb, QN_TI8, 0));
  }
  result->reg = x;
  return QN_OK;
}

/* ---- elementary functions: the instruction sequences of lib/num ---- */

static uint32_t compare(qn__tb *tb, const qn_recipe_inst *in, const uint32_t *reg) {
  uint32_t a = reg[in->a], b = reg[in->b];
  switch (in->op) {
  case QN__OP_FLT: return qn__tb_fcmp(tb, QN__FCMP_OLT, a, b);
  case QN__OP_FEQ: return qn__tb_fcmp(tb, QN__FCMP_OEQ, a, b);
  case QN__OP_ILT: return qn__tb_icmp(tb, QN__ICMP_SLT, a, b);
  default: return qn__tb_icmp(tb, QN__ICMP_EQ, a, b);
  }
}

static const uint8_t opcode[QN__OP_COUNT] = {
    [QN__OP_FADD] = QN_T_FADD, [QN__OP_FSUB] = QN_T_FSUB, [QN__OP_FMUL] = QN_T_FMUL, [QN__OP_FDIV] = QN_T_FDIV,
    [QN__OP_IADD] = QN_T_IADD, [QN__OP_ISUB] = QN_T_ISUB, [QN__OP_IAND] = QN_T_AND,  [QN__OP_IOR] = QN_T_OR,
    [QN__OP_IXOR] = QN_T_XOR,  [QN__OP_SHL] = QN_T_SHL,   [QN__OP_SHR] = QN_T_SHRU,  [QN__OP_SAR] = QN_T_SHRS,
    [QN__OP_I2F] = QN_T_SITOFP};

static uint32_t recipe_inst(qn__tb *tb, const qn_recipe_inst *in, const uint32_t *reg) {
  switch (in->op) {
  case QN__OP_CONST_F: return qn__tb_const(tb, QN_TF32, in->imm.u);
  case QN__OP_CONST_I: return qn__tb_const(tb, QN_TI32, in->imm.u);
  case QN__OP_FMA: return qn__tb_fma(tb, reg[in->a], reg[in->b], reg[in->c]);
  case QN__OP_SCALE:
    return qn__tb_emit(tb, (qn_tinst){.op = QN_T_FSCALE,
                                      .type = QN_TF32,
                                      .pred = (uint8_t)in->imm.u,
                                      .a = reg[in->a],
                                      .b = reg[in->b],
                                      .c = reg[in->c]});
  case QN__OP_FLT:
  case QN__OP_FEQ:
  case QN__OP_ILT:
  case QN__OP_IEQ: return compare(tb, in, reg);
  case QN__OP_FSELECT:
  case QN__OP_ISELECT: return qn__tb_select(tb, reg[in->a], reg[in->b], reg[in->c]);
  case QN__OP_SHL:
  case QN__OP_SHR:
  case QN__OP_SAR: return qn__tb_imm(tb, (qn_topcode)opcode[in->op], reg[in->a], in->imm.u);
  case QN__OP_I2F: return qn__tb_1(tb, QN_T_SITOFP, QN_TF32, reg[in->a]);
  case QN__OP_BITS_F:
  case QN__OP_BITS_I: return qn__tb_bitcast(tb, reg[in->a]);
  default: return qn__tb_2(tb, (qn_topcode)opcode[in->op], reg[in->a], reg[in->b]);
  }
}

enum { MAX_REGS = 256 };

/* ---- recipes found again ---- */

typedef struct search {
  const qn_tape *tape;
  const qn_recipe *recipe;
  uint32_t is[MAX_REGS]; /* of each of the recipe's registers, 1 + the tape's; 0: not known */
} search;

static bool same_op(const qn_tinst *x, const qn_recipe_inst *in) {
  switch (in->op) {
  case QN__OP_FMA: return x->op == QN_T_FMA;
  case QN__OP_SCALE: return x->op == QN_T_FSCALE && x->pred == in->imm.u;
  case QN__OP_FLT: return x->op == QN_T_FCMP && x->pred == QN__FCMP_OLT;
  case QN__OP_FSELECT:
  case QN__OP_ISELECT: return x->op == QN_T_SELECT;
  case QN__OP_BITS_F:
  case QN__OP_BITS_I: return x->op == QN_T_BITCAST;
  default: return opcode[in->op] && x->op == opcode[in->op] && qn__recipe_ops[in->op].operands == 2;
  }
}

/* The recipe's constants, and bits of them, which tapes hold as constants. */
static bool same_const(const search *s, const qn_tinst *x, const qn_recipe_inst *in) {
  while (in->op == QN__OP_BITS_F || in->op == QN__OP_BITS_I) in = &s->recipe->code[in->a];
  return x->op == QN_T_CONST && (in->op == QN__OP_CONST_F || in->op == QN__OP_CONST_I) && x->imm == in->imm.u;
}

static bool same_value(search *s, uint32_t reg, uint32_t of) {
  const qn_recipe_inst *in = &s->recipe->code[of];
  const qn_tinst *x = &s->tape->insts[reg];
  if (s->is[of]) return s->is[of] == reg + 1;
  bool input = of < s->recipe->num_inputs, is_const = !input && same_const(s, x, in);
  if (!input && !is_const) {
    const uint32_t have[3] = {x->a, x->b, x->c}, want[3] = {in->a, in->b, in->c};
    if (!same_op(x, in)) return false;
    for (uint32_t k = 0; k < qn__recipe_ops[in->op].operands; k++)
      if (!same_value(s, have[k], want[k])) return false;
  }
  if (!is_const) s->is[of] = reg + 1; /* a tape may hold a constant more than once */
  return true;
}

bool qn__tape_is_recipe(const qn_tape *t, uint32_t reg, unsigned recipe, uint32_t *x) {
  search s = {.tape = t, .recipe = &qn__recipes[recipe]};
  if (s.recipe->size > MAX_REGS || s.recipe->num_inputs != 1) return false;
  if (!same_value(&s, reg, s.recipe->size - 1u)) return false;
  *x = s.is[0] - 1;
  return s.is[0] != 0;
}

/* ---- recipes ---- */

/* param: a recipe. Computed in f32, rounded once for narrower types. */
QN__TAPE_HANDLER(elementary) {
  uint32_t reg[MAX_REGS];
  qn__tval v = qn__tb_operand(tb, 0);
  if (param == QN__RECIPE_GELU &&
      qn_str_eq(qn_attr_as_string(tb->m, qn_op_attr(tb->m, tb->op, "approximate")), qn_str_of("tanh")))
    param = QN__RECIPE_GELU_TANH;
  const qn_recipe *r = &qn__recipes[param];
  if (v.type == QN_F64) return qn__tb_unsupported(tb, "there is no f64 form of it; use f32");
  if (r->size > MAX_REGS || r->num_inputs != 1) return qn__tb_unsupported(tb, "its sequence has an unexpected form");
  reg[0] = qn__tb_widen(tb, v);
  for (uint32_t i = 1; i < r->size; i++) reg[i] = recipe_inst(tb, &r->code[i], reg);
  result->reg = qn__tb_narrow(tb, reg[r->size - 1], result->type);
  return QN_OK;
}
