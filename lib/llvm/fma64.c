/* f64 fma for machines without the instruction, in integers: the 106-bit product and the addend are brought to one
 * unit in 128 bits, with a sticky bit for what falls off below, added, and rounded to nearest even once.
 *
 * The product stands with its top bit at 124 or 125, the addend at 124. The one of smaller unit is shifted right; it
 * has 20 (product) or 72 (addend) zero bits below, so when a bit is lost, the other operand is larger by at least 2^19
 * and no subtraction can bring the sticky bit near the 53 bits that are kept. */
#include "ll.h"

typedef struct parts {
  LLVMValueRef negative, exponent, significand; /* i1; i64; i64 with bit 52 set: value = significand * 2^exponent */
} parts;

typedef struct fma_state {
  qn_ll *g;
  LLVMTypeRef i128;
} fma_state;

static LLVMValueRef c64(qn_ll *g, int64_t v) {
  return qn__ll_i64(g, v);
}

static LLVMValueRef c128(fma_state *s, uint64_t v) {
  return LLVMConstInt(s->i128, v, false);
}

static LLVMValueRef ctlz(qn_ll *g, LLVMTypeRef type, LLVMValueRef x) {
  LLVMValueRef args[2] = {x, LLVMConstInt(g->i1, 1, false)};
  return qn__ll_intrinsic(g, "llvm.ctlz", 1, &type, 2, args);
}

/* A finite number that is not zero. */
static parts take_apart(qn_ll *g, LLVMValueRef x) {
  LLVMBuilderRef B = g->b;
  LLVMValueRef bits = LLVMBuildBitCast(B, x, g->i64, "");
  LLVMValueRef field = LLVMBuildAnd(B, LLVMBuildLShr(B, bits, c64(g, 52), ""), c64(g, 0x7FF), "");
  LLVMValueRef fraction = LLVMBuildAnd(B, bits, c64(g, 0xFFFFFFFFFFFFF), "");
  LLVMValueRef subnormal = LLVMBuildICmp(B, LLVMIntEQ, field, c64(g, 0), "");
  LLVMValueRef hidden = LLVMBuildSelect(B, subnormal, c64(g, 0), c64(g, 1LL << 52), "");
  LLVMValueRef m = LLVMBuildOr(B, fraction, hidden, "");
  LLVMValueRef up = qn__ll_sub(g, ctlz(g, g->i64, m), c64(g, 11));
  LLVMValueRef e = LLVMBuildSelect(B, subnormal, c64(g, 1), field, "");
  return (parts){.negative = LLVMBuildICmp(B, LLVMIntSLT, bits, c64(g, 0), ""),
                 .exponent = qn__ll_sub(g, qn__ll_sub(g, e, c64(g, 1075)), up),
                 .significand = LLVMBuildShl(B, m, up, "")};
}

/* x >> by for by >= 0, with the lowest bit set when a one was shifted out. */
static LLVMValueRef shift_sticky(fma_state *s, LLVMValueRef x, LLVMValueRef by) {
  LLVMBuilderRef B = s->g->b;
  LLVMValueRef most = c64(s->g, 127);
  LLVMValueRef n = LLVMBuildZExt(B, qn__ll_min(s->g, by, most), s->i128, "");
  LLVMValueRef r = LLVMBuildLShr(B, x, n, "");
  LLVMValueRef lost = LLVMBuildICmp(B, LLVMIntNE, LLVMBuildShl(B, r, n, ""), x, "");
  return LLVMBuildOr(B, r, LLVMBuildZExt(B, lost, s->i128, ""), "");
}

/* sum * 2^unit to f64, sum not zero. */
static LLVMValueRef round_to_f64(fma_state *s, LLVMValueRef sum, LLVMValueRef unit, LLVMValueRef negative) {
  qn_ll *g = s->g;
  LLVMBuilderRef B = g->b;
  LLVMValueRef lz = ctlz(g, s->i128, sum);
  LLVMValueRef e = qn__ll_add(g, unit, qn__ll_sub(g, c64(g, 127), LLVMBuildTrunc(B, lz, g->i64, "")));
  LLVMValueRef top = shift_sticky(s, LLVMBuildShl(B, sum, lz, ""), c64(g, 2)); /* leading bit at 125 */
  /* Of these 126 bits 53 are kept, fewer below the smallest normal; dropping 127 leaves less than half of nothing. */
  LLVMValueRef below = qn__ll_sub(g, c64(g, -1022), e), zero = c64(g, 0);
  LLVMValueRef more = LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntSGT, below, zero, ""), below, zero, "");
  LLVMValueRef drop = LLVMBuildZExt(B, qn__ll_min(g, qn__ll_add(g, more, c64(g, 73)), c64(g, 127)), s->i128, "");
  LLVMValueRef q = LLVMBuildLShr(B, top, drop, ""), rest = LLVMBuildSub(B, top, LLVMBuildShl(B, q, drop, ""), "");
  LLVMValueRef half = LLVMBuildShl(B, c128(s, 1), LLVMBuildSub(B, drop, c128(s, 1), ""), "");
  LLVMValueRef odd = LLVMBuildTrunc(B, q, g->i1, "");
  LLVMValueRef above = LLVMBuildICmp(B, LLVMIntUGT, rest, half, "");
  LLVMValueRef tie = LLVMBuildAnd(B, LLVMBuildICmp(B, LLVMIntEQ, rest, half, ""), odd, "");
  LLVMValueRef up = LLVMBuildZExt(B, LLVMBuildOr(B, above, tie, ""), g->i64, "");
  LLVMValueRef m = qn__ll_add(g, LLVMBuildTrunc(B, q, g->i64, ""), up);
  /* The leading bit adds one to the exponent field, so the field starts one lower. */
  LLVMValueRef field = qn__ll_add(g, e, c64(g, 1022));
  field = LLVMBuildSelect(B, LLVMBuildICmp(B, LLVMIntSLT, field, zero, ""), zero, field, "");
  LLVMValueRef bits = qn__ll_add(g, LLVMBuildShl(B, field, c64(g, 52), ""), m);
  LLVMValueRef too_large = LLVMBuildICmp(B, LLVMIntSGT, e, c64(g, 1023), "");
  bits = LLVMBuildSelect(B, too_large, c64(g, 0x7FF0000000000000), bits, "");
  LLVMValueRef sign = LLVMBuildSelect(B, negative, c64(g, INT64_MIN), zero, "");
  return LLVMBuildBitCast(B, LLVMBuildOr(B, bits, sign, ""), g->f64, "");
}

/* a * b + c for finite operands, none of them zero. */
static LLVMValueRef general(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
  LLVMBuilderRef B = g->b;
  fma_state s = {g, LLVMIntTypeInContext(g->ctx, 128)};
  parts pa = take_apart(g, a), pb = take_apart(g, b), pc = take_apart(g, c);
  LLVMValueRef product =
      LLVMBuildMul(B, LLVMBuildZExt(B, pa.significand, s.i128, ""), LLVMBuildZExt(B, pb.significand, s.i128, ""), "");
  product = LLVMBuildShl(B, product, c128(&s, 20), "");
  LLVMValueRef addend = LLVMBuildShl(B, LLVMBuildZExt(B, pc.significand, s.i128, ""), c128(&s, 72), "");
  LLVMValueRef product_unit = qn__ll_sub(g, qn__ll_add(g, pa.exponent, pb.exponent), c64(g, 20));
  LLVMValueRef addend_unit = qn__ll_sub(g, pc.exponent, c64(g, 72));
  LLVMValueRef d = qn__ll_sub(g, product_unit, addend_unit), zero = c64(g, 0);
  LLVMValueRef product_larger = LLVMBuildICmp(B, LLVMIntSGE, d, zero, "");
  addend = shift_sticky(&s, addend, LLVMBuildSelect(B, product_larger, d, zero, ""));
  product = shift_sticky(&s, product, LLVMBuildSelect(B, product_larger, zero, LLVMBuildNeg(B, d, ""), ""));
  LLVMValueRef unit = LLVMBuildSelect(B, product_larger, product_unit, addend_unit, "");
  LLVMValueRef negative = LLVMBuildXor(B, pa.negative, pb.negative, "");
  LLVMValueRef subtract = LLVMBuildXor(B, negative, pc.negative, "");
  LLVMValueRef difference = LLVMBuildSub(B, product, addend, "");
  LLVMValueRef below = LLVMBuildICmp(B, LLVMIntULT, product, addend, "");
  difference = LLVMBuildSelect(B, below, LLVMBuildNeg(B, difference, ""), difference, "");
  LLVMValueRef sum = LLVMBuildSelect(B, subtract, difference, LLVMBuildAdd(B, product, addend, ""), "");
  negative = LLVMBuildXor(B, negative, LLVMBuildAnd(B, subtract, below, ""), "");
  LLVMValueRef nothing = LLVMBuildICmp(B, LLVMIntEQ, sum, c128(&s, 0), "");
  sum = LLVMBuildOr(B, sum, LLVMBuildZExt(B, nothing, s.i128, ""), "");
  return LLVMBuildSelect(B, nothing, LLVMConstNull(g->f64), round_to_f64(&s, sum, unit, negative), "");
}

static LLVMValueRef is_finite(qn_ll *g, LLVMValueRef x) {
  LLVMValueRef magnitude = qn__ll_intrinsic(g, "llvm.fabs", 1, &g->f64, 1, &x);
  return LLVMBuildFCmp(g->b, LLVMRealOLT, magnitude, qn__ll_bits(g, g->f64, 0x7FF0000000000000u), "");
}

static LLVMValueRef is_zero(qn_ll *g, LLVMValueRef x) {
  return LLVMBuildFCmp(g->b, LLVMRealOEQ, x, LLVMConstNull(g->f64), "");
}

/* if (condition) return value */
static void return_if(qn_ll *g, LLVMValueRef condition, LLVMValueRef value) {
  LLVMBasicBlockRef leave = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMBasicBlockRef stay = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMBuildCondBr(g->b, condition, leave, stay);
  LLVMPositionBuilderAtEnd(g->b, leave);
  LLVMBuildRet(g->b, value);
  LLVMPositionBuilderAtEnd(g->b, stay);
}

static LLVMValueRef fma_function(qn_ll *g) {
  static const char name[] = "qn_f64_fma";
  LLVMValueRef fn = LLVMGetNamedFunction(g->mod, name);
  if (fn) return fn;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
  LLVMValueRef outer = g->fn;
  LLVMTypeRef params[3] = {g->f64, g->f64, g->f64};
  g->fn = fn = qn__ll_function_attrs(g, LLVMAddFunction(g->mod, name, LLVMFunctionType(g->f64, params, 3, false)));
  LLVMSetLinkage(fn, LLVMInternalLinkage);
  LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->ctx, fn, ""));
  LLVMValueRef a = LLVMGetParam(fn, 0), b = LLVMGetParam(fn, 1), c = LLVMGetParam(fn, 2);
  /* A product of infinity, NaN or zero is exact, and so is its sum with c; without one of those factors an infinite or
   * NaN c is the result, whatever the product would overflow to; and a zero c leaves the product, rounded once. */
  LLVMValueRef finite = LLVMBuildAnd(g->b, is_finite(g, a), is_finite(g, b), "");
  LLVMValueRef zero = LLVMBuildOr(g->b, is_zero(g, a), is_zero(g, b), "");
  LLVMValueRef product = LLVMBuildFMul(g->b, a, b, "");
  return_if(g, LLVMBuildOr(g->b, LLVMBuildNot(g->b, finite, ""), zero, ""), LLVMBuildFAdd(g->b, product, c, ""));
  return_if(g, LLVMBuildNot(g->b, is_finite(g, c), ""), LLVMBuildFAdd(g->b, c, c, ""));
  return_if(g, is_zero(g, c), product);
  LLVMBuildRet(g->b, general(g, a, b, c));
  g->fn = outer;
  LLVMPositionBuilderAtEnd(g->b, here);
  return fn;
}

LLVMValueRef qn__ll_fma64(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c, uint32_t lanes) {
  LLVMValueRef fn = fma_function(g);
  LLVMTypeRef params[3] = {g->f64, g->f64, g->f64}, type = LLVMFunctionType(g->f64, params, 3, false);
  if (lanes == 1) {
    LLVMValueRef args[3] = {a, b, c};
    return LLVMBuildCall2(g->b, type, fn, args, 3, "");
  }
  LLVMValueRef all = LLVMGetPoison(LLVMVectorType(g->f64, lanes));
  for (uint32_t l = 0; l < lanes; l++) {
    LLVMValueRef i = qn__ll_i32(g, l);
    LLVMValueRef args[3] = {LLVMBuildExtractElement(g->b, a, i, ""), LLVMBuildExtractElement(g->b, b, i, ""),
                            LLVMBuildExtractElement(g->b, c, i, "")};
    all = LLVMBuildInsertElement(g->b, all, LLVMBuildCall2(g->b, type, fn, args, 3, ""), i, "");
  }
  return all;
}
