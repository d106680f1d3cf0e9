/* f16 and bf16 to f32 and back. A tape has both written out in integers, and beside them an opcode that names the
 * result and what it was made of: where the machine has instructions for it, and always for bf16, which are the upper
 * half of an f32, the opcode takes what it was made of, and nothing needs the rest. Both ways give the same bits: the
 * instructions round to nearest even, as the mode is that calls set, with subnormals; they keep what a NaN carries,
 * which the integers do when widening, and drop when narrowing. A bf16 that is a signalling NaN stays one. */
#include "ll.h"

static bool has_halves(const qn_ll *g) {
  return g->x86 && (g->isa->has & QN_ISA_HALF);
}

static bool takes_source(const qn_ll *g, const qn_tinst *i) {
  return i->pred || has_halves(g);
}

static bool is_half(const qn_tinst *i) {
  return i->op == QN_T_HALF_IN || i->op == QN_T_HALF_OUT;
}

const qn_tape *qn__ll_with_halves(qn_ll *g, const qn_tape *tape) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < tape->num_insts; i++) found += is_half(&tape->insts[i]);
  if (!found) return tape;
  qn_tape *t = qn__arena_copy(g->arena, tape, sizeof *tape);
  if (t) t->insts = qn__arena_copy(g->arena, tape->insts, tape->num_insts * sizeof *tape->insts);
  if (!t || !t->insts) {
    g->failed = g->out_of_memory = true;
    return tape;
  }
  for (uint32_t i = 0; i < t->num_insts; i++) {
    qn_tinst *x = &t->insts[i];
    if (!is_half(x)) continue;
    if (takes_source(g, x))
      x->a = x->b;
    else
      x->b = x->a;
  }
  return t;
}

LLVMValueRef qn__ll_emit_HALF_IN(qn_ll *g, const qn_ll_operands *o) {
  if (!takes_source(g, o->inst)) return o->a;
  if (o->inst->pred) {
    LLVMTypeRef bits = qn__ll_lanes(g->i32, o->lanes);
    LLVMValueRef x = LLVMBuildZExt(g->b, o->a, bits, "");
    return LLVMBuildBitCast(g->b, LLVMBuildShl(g->b, x, qn__ll_bits(g, bits, 16), ""), o->type, "");
  }
  LLVMTypeRef half = qn__ll_lanes(LLVMHalfTypeInContext(g->ctx), o->lanes);
  return LLVMBuildFPExt(g->b, LLVMBuildBitCast(g->b, o->a, half, ""), o->type, "");
}

/* Rounded to nearest even; of a NaN nothing is left below. */
static LLVMValueRef upper_half(qn_ll *g, LLVMValueRef x, LLVMTypeRef type) {
  LLVMTypeRef bits = LLVMTypeOf(x);
  LLVMValueRef by = qn__ll_bits(g, bits, 16);
  LLVMValueRef odd = LLVMBuildAnd(g->b, LLVMBuildLShr(g->b, x, by, ""), qn__ll_bits(g, bits, 1), "");
  LLVMValueRef sum = LLVMBuildAdd(g->b, LLVMBuildAdd(g->b, x, odd, ""), qn__ll_bits(g, bits, 0x7FFF), "");
  return LLVMBuildTrunc(g->b, LLVMBuildLShr(g->b, sum, by, ""), type, "");
}

LLVMValueRef qn__ll_emit_HALF_OUT(qn_ll *g, const qn_ll_operands *o) {
  if (!takes_source(g, o->inst)) return o->a;
  LLVMTypeRef bits = qn__ll_lanes(g->i32, o->lanes), half = qn__ll_lanes(LLVMHalfTypeInContext(g->ctx), o->lanes);
  LLVMValueRef nan = LLVMBuildAnd(g->b, LLVMBuildBitCast(g->b, o->a, bits, ""), qn__ll_bits(g, bits, 0xFF800000u), "");
  nan = LLVMBuildOr(g->b, nan, qn__ll_bits(g, bits, 0x00400000u), "");
  nan = LLVMBuildBitCast(g->b, nan, LLVMTypeOf(o->a), "");
  LLVMValueRef x = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealUNO, o->a, o->a, ""), nan, o->a, "");
  if (o->inst->pred) return upper_half(g, LLVMBuildBitCast(g->b, x, bits, ""), o->type);
  return LLVMBuildBitCast(g->b, LLVMBuildFPTrunc(g->b, x, half, ""), o->type, "");
}
