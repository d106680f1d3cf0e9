/* Float opcodes. No fast-math flag is ever set and nothing is contracted; what the machine has no exact instruction
 * for is written out here, exact for every operand. */
#include "ll.h"

#define PLAIN(symbol, build)                                                                                           \
  LLVMValueRef qn__ll_emit_##symbol(qn_ll *g, const qn_ll_operands *o) {                                               \
    return build(g->b, o->a, o->b, "");                                                                                \
  }
PLAIN(FADD, LLVMBuildFAdd)
PLAIN(FSUB, LLVMBuildFSub)
PLAIN(FMUL, LLVMBuildFMul)
PLAIN(FDIV, LLVMBuildFDiv)
#undef PLAIN

static LLVMTypeRef int_like(qn_ll *g, bool is_f64, uint32_t lanes) {
  return qn__ll_lanes(is_f64 ? g->i64 : g->i32, lanes);
}

static LLVMValueRef unary(qn_ll *g, const char *name, LLVMTypeRef type, LLVMValueRef x) {
  return qn__ll_intrinsic(g, name, 1, &type, 1, &x);
}

LLVMValueRef qn__ll_emit_FSQRT(qn_ll *g, const qn_ll_operands *o) {
  return unary(g, "llvm.sqrt", o->type, o->a);
}

/* ---- fma ---- */

LLVMValueRef qn__ll_fma(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c, bool is_f64, uint32_t lanes) {
  if (!g->isa->has_fma) return is_f64 ? qn__ll_fma64(g, a, b, c, lanes) : qn__ll_fma32(g, a, b, c, lanes);
  LLVMTypeRef type = LLVMTypeOf(a);
  LLVMValueRef args[3] = {a, b, c};
  return qn__ll_intrinsic(g, "llvm.fma", 1, &type, 3, args);
}

/* 2^n for a normal exponent; whatever the bits give for others. */
static LLVMValueRef power_of_two(qn_ll *g, LLVMValueRef n, LLVMTypeRef type) {
  LLVMTypeRef bits = LLVMTypeOf(n);
  LLVMValueRef e = LLVMBuildAdd(g->b, n, qn__ll_bits(g, bits, 127), "");
  return LLVMBuildBitCast(g->b, LLVMBuildShl(g->b, e, qn__ll_bits(g, bits, 23), ""), type, "");
}

/* One instruction of AVX-512; elsewhere by two normal powers of two, of which the second product rounds. */
LLVMValueRef qn__ll_emit_FSCALE(qn_ll *g, const qn_ll_operands *o) {
  if (g->x86 && g->isa->vector_bits >= 512 && o->lanes == 16) {
    LLVMValueRef args[5] = {o->a, o->b, LLVMConstNull(o->type), LLVMConstAllOnes(LLVMIntTypeInContext(g->ctx, 16)),
                            qn__ll_i32(g, 4)};
    return qn__ll_target_intrinsic(g, "llvm.x86.avx512.mask.scalef.ps.512", o->type, 5, args);
  }
  if (o->inst->pred) return LLVMBuildFMul(g->b, o->a, power_of_two(g, o->c, o->type), "");
  LLVMValueRef half = LLVMBuildAShr(g->b, o->c, qn__ll_bits(g, LLVMTypeOf(o->c), 1), "");
  LLVMValueRef y = LLVMBuildFMul(g->b, o->a, power_of_two(g, half, o->type), "");
  return LLVMBuildFMul(g->b, y, power_of_two(g, qn__ll_sub(g, o->c, half), o->type), "");
}

LLVMValueRef qn__ll_emit_FMA(qn_ll *g, const qn_ll_operands *o) {
  return qn__ll_fma(g, o->a, o->b, o->c, o->elem == g->f64, o->lanes);
}

/* ---- max, min ---- */

static bool is_const_float(LLVMValueRef v, double *out) {
  if (!LLVMIsConstant(v)) return false;
  if (LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMVectorTypeKind) v = LLVMGetAggregateElement(v, 0);
  LLVMBool loses = 0;
  if (!v || !LLVMIsAConstantFP(v)) return false;
  *out = LLVMConstRealGetDouble(v, &loses);
  return true;
}

/* With a constant that is not NaN one comparison is enough: equal operands differ in the sign of zero at most, and the
 * constant says which of the two to take. */
static LLVMValueRef choose_const(qn_ll *g, LLVMValueRef x, LLVMValueRef k, double value, bool want_min) {
  bool positive_zero = value == 0.0 && 1.0 / value > 0, negative_zero = value == 0.0 && 1.0 / value < 0;
  bool take_equal = want_min ? negative_zero : positive_zero;
  LLVMRealPredicate pred =
      want_min ? (take_equal ? LLVMRealOLE : LLVMRealOLT) : (take_equal ? LLVMRealOGE : LLVMRealOGT);
  return LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, pred, k, x, ""), k, x, "");
}

LLVMValueRef qn__ll_fmax(qn_ll *g, LLVMValueRef a, LLVMValueRef b, bool is_f64, uint32_t lanes, bool want_min) {
  double k = 0;
  if (is_const_float(b, &k) && k == k) return choose_const(g, a, b, k, want_min);
  if (is_const_float(a, &k) && k == k) return choose_const(g, b, a, k, want_min);
  LLVMTypeRef type = LLVMTypeOf(a), bits = int_like(g, is_f64, lanes);
  LLVMBuilderRef B = g->b;
  LLVMValueRef ai = LLVMBuildBitCast(B, a, bits, ""), bi = LLVMBuildBitCast(B, b, bits, "");
  LLVMValueRef merged = want_min ? LLVMBuildOr(B, ai, bi, "") : LLVMBuildAnd(B, ai, bi, "");
  LLVMValueRef same = LLVMBuildBitCast(B, merged, type, "");
  LLVMRealPredicate first = want_min ? LLVMRealOLT : LLVMRealOGT;
  LLVMValueRef larger = LLVMBuildSelect(B, LLVMBuildFCmp(B, first, a, b, ""), a, b, "");
  LLVMValueRef ordered = LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealOEQ, a, b, ""), same, larger, "");
  /* `larger` is b when either is NaN. */
  return LLVMBuildSelect(B, LLVMBuildFCmp(B, LLVMRealUNO, a, a, ""), a, ordered, "");
}

LLVMValueRef qn__ll_emit_FMAX(qn_ll *g, const qn_ll_operands *o) {
  return qn__ll_fmax(g, o->a, o->b, o->elem == g->f64, o->lanes, false);
}
LLVMValueRef qn__ll_emit_FMIN(qn_ll *g, const qn_ll_operands *o) {
  return qn__ll_fmax(g, o->a, o->b, o->elem == g->f64, o->lanes, true);
}

/* ---- rounding ---- */

/* On the SSE2 baseline llvm.roundeven, floor and ceil are library calls. */
static bool has_round(const qn_ll *g) {
  return g->isa->has & QN_ISA_ROUND;
}

static LLVMValueRef with_sign_of(qn_ll *g, LLVMValueRef magnitude, LLVMValueRef sign) {
  LLVMTypeRef type = LLVMTypeOf(sign);
  LLVMValueRef args[2] = {magnitude, sign};
  return qn__ll_intrinsic(g, "llvm.copysign", 1, &type, 2, args);
}

/* Below 2^23 (2^52) adding and taking away that power rounds at the units; from there on every float is integral. */
static LLVMValueRef near_even(qn_ll *g, LLVMValueRef x, bool is_f64, LLVMValueRef *is_small) {
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef power = qn__ll_bits(g, type, is_f64 ? 0x4330000000000000u : 0x4B000000u);
  LLVMValueRef magnitude = unary(g, "llvm.fabs", type, x);
  LLVMValueRef r = LLVMBuildFSub(g->b, LLVMBuildFAdd(g->b, magnitude, power, ""), power, "");
  *is_small = LLVMBuildFCmp(g->b, LLVMRealOLT, magnitude, power, "");
  return with_sign_of(g, r, x);
}

static LLVMValueRef to_integral(qn_ll *g, const qn_ll_operands *o, const char *intrinsic, int direction) {
  if (has_round(g)) return unary(g, intrinsic, o->type, o->a);
  bool is_f64 = o->elem == g->f64;
  LLVMValueRef is_small, r = near_even(g, o->a, is_f64, &is_small);
  if (direction != 0) {
    LLVMValueRef one = qn__ll_bits(g, o->type, is_f64 ? 0x3FF0000000000000u : 0x3F800000u);
    LLVMValueRef beyond = LLVMBuildFCmp(g->b, direction < 0 ? LLVMRealOGT : LLVMRealOLT, r, o->a, "");
    LLVMValueRef back = direction < 0 ? LLVMBuildFSub(g->b, r, one, "") : LLVMBuildFAdd(g->b, r, one, "");
    r = with_sign_of(g, LLVMBuildSelect(g->b, beyond, back, r, ""), o->a);
  }
  return LLVMBuildSelect(g->b, is_small, r, o->a, "");
}

LLVMValueRef qn__ll_emit_FROUND(qn_ll *g, const qn_ll_operands *o) {
  return to_integral(g, o, "llvm.roundeven", 0);
}
LLVMValueRef qn__ll_emit_FFLOOR(qn_ll *g, const qn_ll_operands *o) {
  return to_integral(g, o, "llvm.floor", -1);
}
LLVMValueRef qn__ll_emit_FCEIL(qn_ll *g, const qn_ll_operands *o) {
  return to_integral(g, o, "llvm.ceil", 1);
}

/* Rounding before the conversion is what cvtps2dq does in the mode that calls set. The rounded register is left to
 * dead-code removal. */
static const char *round_convert_name(const qn_ll *g, const qn_ll_operands *o) {
  const qn_tinst *source = &o->tape->insts[o->inst->a];
  if (!g->x86 || source->op != QN_T_FROUND || source->type != QN_TF32 || o->inst->type != QN_TI32) return NULL;
  if (o->lanes == 4) return "llvm.x86.sse2.cvtps2dq";
  if (o->lanes == 8 && g->isa->vector_bits >= 256) return "llvm.x86.avx.cvt.ps2dq.256";
  if (o->lanes == 16 && g->isa->vector_bits >= 512) return "llvm.x86.avx512.mask.cvtps2dq.512";
  return NULL;
}

LLVMValueRef qn__ll_emit_FPTOSI(qn_ll *g, const qn_ll_operands *o) {
  const char *name = o->unrounded ? round_convert_name(g, o) : NULL;
  if (!name) return LLVMBuildFPToSI(g->b, o->a, o->type, "");
  LLVMValueRef args[4] = {o->unrounded, LLVMConstNull(o->type), LLVMConstAllOnes(LLVMIntTypeInContext(g->ctx, 16)),
                          qn__ll_i32(g, 4)};
  return qn__ll_target_intrinsic(g, name, o->type, o->lanes == 16 ? 4 : 1, args);
}
