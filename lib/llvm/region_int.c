/* Integer opcodes, comparisons, selections and conversions. Nothing traps, nothing is undefined for any operand. */
#include "ll.h"
#include <string.h>

#define PLAIN(symbol, build)                                                                                           \
  LLVMValueRef qn__ll_emit_##symbol(qn_ll *g, const qn_ll_operands *o) {                                               \
    return build(g->b, o->a, o->b, "");                                                                                \
  }
PLAIN(IADD, LLVMBuildAdd)
PLAIN(ISUB, LLVMBuildSub)
PLAIN(IMUL, LLVMBuildMul)
PLAIN(AND, LLVMBuildAnd)
PLAIN(OR, LLVMBuildOr)
PLAIN(XOR, LLVMBuildXor)
#undef PLAIN

LLVMValueRef qn__ll_emit_CONST(qn_ll *g, const qn_ll_operands *o) {
  return qn__ll_bits(g, o->type, o->inst->imm);
}

/* Inputs and reductions are values that a kernel supplies; see qn__ll_region_emit. */
#define SUPPLIED(symbol)                                                                                               \
  LLVMValueRef qn__ll_emit_##symbol(qn_ll *g, const qn_ll_operands *o) {                                               \
    (void)g;                                                                                                           \
    return LLVMGetUndef(o->type);                                                                                      \
  }
SUPPLIED(INPUT)
SUPPLIED(ALL_FMAX)
SUPPLIED(ALL_FMIN)
SUPPLIED(ALL_FSUM)
SUPPLIED(ALL_SMAX)
SUPPLIED(ALL_SMIN)
SUPPLIED(ALL_ISUM)
#undef SUPPLIED

static LLVMValueRef is_zero(qn_ll *g, LLVMValueRef x) {
  return LLVMBuildICmp(g->b, LLVMIntEQ, x, LLVMConstNull(LLVMTypeOf(x)), "");
}

/* Of vectors as floats, as machines but RISC-V have no such integer instruction: below a quotient's next integer there
 * is room for more than its rounding, 1 of 2^33 for 32 bits in f64 and 1 of 2^17 for 16 in f32. */
static LLVMValueRef quotient(qn_ll *g, const qn_ll_operands *o, LLVMValueRef divisor, bool is_signed) {
  if (o->lanes == 1 || o->bits > 32 || !strcmp(g->isa->arch, "riscv64"))
    return is_signed ? LLVMBuildSDiv(g->b, o->a, divisor, "") : LLVMBuildUDiv(g->b, o->a, divisor, "");
  LLVMTypeRef floats = qn__ll_lanes(o->bits == 32 ? g->f64 : g->f32, o->lanes);
  LLVMOpcode to = is_signed ? LLVMSIToFP : LLVMUIToFP;
  LLVMValueRef a = LLVMBuildCast(g->b, to, o->a, floats, ""), b = LLVMBuildCast(g->b, to, divisor, floats, "");
  return LLVMBuildCast(g->b, is_signed ? LLVMFPToSI : LLVMFPToUI, LLVMBuildFDiv(g->b, a, b, ""), o->type, "");
}

/* Divides by 1 where the true divisor would trap, and puts right what that gives. */
static LLVMValueRef divide(qn_ll *g, const qn_ll_operands *o, bool is_signed) {
  LLVMTypeRef type = o->type;
  LLVMValueRef one = qn__ll_bits(g, type, 1), zero_divisor = is_zero(g, o->b), bad = zero_divisor;
  if (is_signed) {
    LLVMValueRef least = qn__ll_bits(g, type, (uint64_t)1 << (o->bits - 1));
    LLVMValueRef wraps = LLVMBuildAnd(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, o->a, least, ""),
                                      LLVMBuildICmp(g->b, LLVMIntEQ, o->b, LLVMConstAllOnes(type), ""), "");
    bad = LLVMBuildOr(g->b, bad, wraps, "");
  }
  LLVMValueRef divisor = LLVMBuildSelect(g->b, bad, one, o->b, "");
  LLVMValueRef q = quotient(g, o, divisor, is_signed);
  return LLVMBuildSelect(g->b, zero_divisor, LLVMConstNull(type), q, "");
}

LLVMValueRef qn__ll_emit_SDIV(qn_ll *g, const qn_ll_operands *o) {
  return divide(g, o, true);
}
LLVMValueRef qn__ll_emit_UDIV(qn_ll *g, const qn_ll_operands *o) {
  return divide(g, o, false);
}

/* LLVM leaves counts at or above the width undefined: they are made 0 and the result replaced. */
static LLVMValueRef shift(qn_ll *g, const qn_ll_operands *o, LLVMOpcode op) {
  LLVMValueRef width = qn__ll_bits(g, o->type, o->bits);
  LLVMValueRef fits = LLVMBuildICmp(g->b, LLVMIntULT, o->b, width, "");
  if (op == LLVMAShr) {
    LLVMValueRef most = qn__ll_bits(g, o->type, o->bits - 1);
    return LLVMBuildAShr(g->b, o->a, LLVMBuildSelect(g->b, fits, o->b, most, ""), "");
  }
  if (fits == LLVMConstAllOnes(LLVMTypeOf(fits))) return LLVMBuildBinOp(g->b, op, o->a, o->b, "");
  LLVMValueRef zero = LLVMConstNull(o->type);
  LLVMValueRef r = LLVMBuildBinOp(g->b, op, o->a, LLVMBuildSelect(g->b, fits, o->b, zero, ""), "");
  return LLVMBuildSelect(g->b, fits, r, zero, "");
}

LLVMValueRef qn__ll_emit_SHL(qn_ll *g, const qn_ll_operands *o) {
  return shift(g, o, LLVMShl);
}
LLVMValueRef qn__ll_emit_SHRS(qn_ll *g, const qn_ll_operands *o) {
  return shift(g, o, LLVMAShr);
}
LLVMValueRef qn__ll_emit_SHRU(qn_ll *g, const qn_ll_operands *o) {
  return shift(g, o, LLVMLShr);
}

static LLVMValueRef choose(qn_ll *g, const qn_ll_operands *o, LLVMIntPredicate take_a) {
  return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, take_a, o->a, o->b, ""), o->a, o->b, "");
}

LLVMValueRef qn__ll_emit_SMAX(qn_ll *g, const qn_ll_operands *o) {
  return choose(g, o, LLVMIntSGT);
}
LLVMValueRef qn__ll_emit_SMIN(qn_ll *g, const qn_ll_operands *o) {
  return choose(g, o, LLVMIntSLT);
}
LLVMValueRef qn__ll_emit_UMAX(qn_ll *g, const qn_ll_operands *o) {
  return choose(g, o, LLVMIntUGT);
}
LLVMValueRef qn__ll_emit_UMIN(qn_ll *g, const qn_ll_operands *o) {
  return choose(g, o, LLVMIntULT);
}

LLVMValueRef qn__ll_emit_ICMP(qn_ll *g, const qn_ll_operands *o) {
  static const LLVMIntPredicate preds[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntSLT, LLVMIntSLE, LLVMIntSGT,
                                           LLVMIntSGE, LLVMIntULT, LLVMIntULE, LLVMIntUGT, LLVMIntUGE};
  return LLVMBuildICmp(g->b, preds[o->inst->pred % 10], o->a, o->b, "");
}

LLVMValueRef qn__ll_emit_FCMP(qn_ll *g, const qn_ll_operands *o) {
  static const LLVMRealPredicate preds[] = {LLVMRealPredicateFalse,
                                            LLVMRealOEQ,
                                            LLVMRealOGT,
                                            LLVMRealOGE,
                                            LLVMRealOLT,
                                            LLVMRealOLE,
                                            LLVMRealONE,
                                            LLVMRealORD,
                                            LLVMRealUEQ,
                                            LLVMRealUGT,
                                            LLVMRealUGE,
                                            LLVMRealULT,
                                            LLVMRealULE,
                                            LLVMRealUNE,
                                            LLVMRealUNO,
                                            LLVMRealPredicateTrue};
  return LLVMBuildFCmp(g->b, preds[o->inst->pred % 16], o->a, o->b, "");
}

/* A choice of 0 stands last: instructions that write 0 outside their mask do it in one. */
LLVMValueRef qn__ll_emit_SELECT(qn_ll *g, const qn_ll_operands *o) {
  if (o->lanes > 1 && LLVMIsAFCmpInst(o->a) && LLVMIsConstant(o->b) && LLVMIsNull(o->b)) {
    /* False .. true in this order: the opposite of each is as far from the other end. */
    LLVMRealPredicate p = (LLVMRealPredicate)(LLVMRealPredicateTrue - LLVMGetFCmpPredicate(o->a));
    LLVMValueRef not = LLVMBuildFCmp(g->b, p, LLVMGetOperand(o->a, 0), LLVMGetOperand(o->a, 1), "");
    return LLVMBuildSelect(g->b, not, o->c, o->b, "");
  }
  return LLVMBuildSelect(g->b, o->a, o->b, o->c, "");
}

#define CAST(symbol, build)                                                                                            \
  LLVMValueRef qn__ll_emit_##symbol(qn_ll *g, const qn_ll_operands *o) {                                               \
    return build(g->b, o->a, o->type, "");                                                                             \
  }
CAST(SEXT, LLVMBuildSExt)
CAST(ZEXT, LLVMBuildZExt)
CAST(TRUNC, LLVMBuildTrunc)
CAST(SITOFP, LLVMBuildSIToFP)
CAST(UITOFP, LLVMBuildUIToFP)
CAST(FPTOUI, LLVMBuildFPToUI)
CAST(FEXT, LLVMBuildFPExt)
CAST(FTRUNC, LLVMBuildFPTrunc)
CAST(BITCAST, LLVMBuildBitCast)
#undef CAST
