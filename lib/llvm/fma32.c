/* f32 fma for machines without the instruction, in f64: the product is exact; the sum is rounded to odd, so that the
 * one conversion after it rounds as if there had been no step between. A function of the module: written out at every
 * use it made kernels of polynomials five times as long to compile. */
#include "ll.h"
#include <stdio.h>

static LLVMValueRef rounded_once(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c, uint32_t lanes) {
  LLVMTypeRef wide = qn__ll_lanes(g->f64, lanes), bits = qn__ll_lanes(g->i64, lanes);
  LLVMBuilderRef B = g->b;
  LLVMValueRef p = LLVMBuildFMul(B, LLVMBuildFPExt(B, a, wide, ""), LLVMBuildFPExt(B, b, wide, ""), "");
  LLVMValueRef z = LLVMBuildFPExt(B, c, wide, "");
  LLVMValueRef s = LLVMBuildFAdd(B, p, z, "");
  LLVMValueRef back = LLVMBuildFSub(B, s, p, "");
  LLVMValueRef lost =
      LLVMBuildFAdd(B, LLVMBuildFSub(B, p, LLVMBuildFSub(B, s, back, ""), ""), LLVMBuildFSub(B, z, back, ""), "");
  /* Inexact: of the two neighbours of the exact sum the odd one. It is s with its lowest bit set, or, when what was
   * lost points inwards, one less with its lowest bit set. NaN and infinities lose a NaN, which is not ordered. */
  LLVMValueRef si = LLVMBuildBitCast(B, s, bits, ""), li = LLVMBuildBitCast(B, lost, bits, "");
  LLVMValueRef inexact = LLVMBuildFCmp(B, LLVMRealONE, lost, LLVMConstNull(wide), "");
  LLVMValueRef one = LLVMBuildZExt(B, inexact, bits, "");
  LLVMValueRef inwards = LLVMBuildLShr(B, LLVMBuildXor(B, si, li, ""), qn__ll_bits(g, bits, 63), "");
  LLVMValueRef below = LLVMBuildSub(B, si, LLVMBuildAnd(B, inwards, one, ""), "");
  LLVMValueRef odd = LLVMBuildOr(B, below, one, "");
  return LLVMBuildFPTrunc(B, LLVMBuildBitCast(B, odd, wide, ""), qn__ll_lanes(g->f32, lanes), "");
}

LLVMValueRef qn__ll_fma32(qn_ll *g, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c, uint32_t lanes) {
  char name[32];
  snprintf(name, sizeof name, "qn_f32_fma_%u", lanes);
  LLVMTypeRef type = qn__ll_lanes(g->f32, lanes), params[3] = {type, type, type};
  LLVMTypeRef signature = LLVMFunctionType(type, params, 3, false);
  LLVMValueRef fn = LLVMGetNamedFunction(g->mod, name), args[3] = {a, b, c};
  if (!fn) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
    fn = qn__ll_function_attrs(g, LLVMAddFunction(g->mod, name, signature));
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->ctx, fn, ""));
    LLVMBuildRet(g->b, rounded_once(g, LLVMGetParam(fn, 0), LLVMGetParam(fn, 1), LLVMGetParam(fn, 2), lanes));
    LLVMPositionBuilderAtEnd(g->b, here);
  }
  return LLVMBuildCall2(g->b, signature, fn, args, 3, "");
}
