/* Loops and conditions. */
#include "ll.h"

static LLVMBasicBlockRef block(qn_ll *g) {
  return LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
}

static void loop_begin(qn_ll *g, qn_ll_for *f, LLVMValueRef start, LLVMValueRef end, int64_t step, uint32_t num_carried,
                       LLVMValueRef *carried) {
  f->end = end;
  f->step = qn__ll_i64(g, step);
  f->num_carried = num_carried;
  f->pre = LLVMGetInsertBlock(g->b);
  f->body = block(g);
  f->exit = block(g);
  if (f->once)
    LLVMBuildBr(g->b, f->body);
  else
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, start, end, ""), f->body, f->exit);
  LLVMPositionBuilderAtEnd(g->b, f->body);
  f->i = LLVMBuildPhi(g->b, g->i64, "i");
  LLVMAddIncoming(f->i, &start, &f->pre, 1);
  for (uint32_t c = 0; carried && c < num_carried; c++) {
    f->init[c] = carried[c];
    f->phi[c] = LLVMBuildPhi(g->b, LLVMTypeOf(carried[c]), "");
    LLVMAddIncoming(f->phi[c], &carried[c], &f->pre, 1);
    carried[c] = f->phi[c];
  }
}

void qn__ll_for_begin(qn_ll *g, qn_ll_for *f, LLVMValueRef start, LLVMValueRef end, int64_t step, uint32_t num_carried,
                      LLVMValueRef *carried) {
  f->once = false;
  loop_begin(g, f, start, end, step, num_carried, carried);
}

void qn__ll_do_begin(qn_ll *g, qn_ll_for *f, LLVMValueRef start, LLVMValueRef end, int64_t step, uint32_t num_carried,
                     LLVMValueRef *carried) {
  f->once = true;
  loop_begin(g, f, start, end, step, num_carried, carried);
}

static void loop_end(qn_ll *g, qn_ll_for *f, LLVMValueRef *carried, bool leave) {
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(g->b);
  LLVMValueRef next = LLVMBuildFreeze(g->b, LLVMBuildNSWAdd(g->b, f->i, f->step, ""), "");
  LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, next, f->end, ""), f->body, f->exit);
  LLVMAddIncoming(f->i, &next, &latch, 1);
  LLVMPositionBuilderAtEnd(g->b, f->exit);
  for (uint32_t c = 0; carried && c < f->num_carried; c++) {
    LLVMAddIncoming(f->phi[c], &carried[c], &latch, 1);
    if (f->once || !leave) continue;
    LLVMValueRef both[2] = {f->init[c], carried[c]};
    LLVMBasicBlockRef from[2] = {f->pre, latch};
    LLVMValueRef left = LLVMBuildPhi(g->b, LLVMTypeOf(carried[c]), "");
    LLVMAddIncoming(left, both, from, 2);
    carried[c] = left;
  }
}

void qn__ll_for_end(qn_ll *g, qn_ll_for *f, LLVMValueRef *carried) {
  loop_end(g, f, carried, true);
}

void qn__ll_for_close(qn_ll *g, qn_ll_for *f, LLVMValueRef *carried) {
  loop_end(g, f, carried, false);
}

void qn__ll_if_begin(qn_ll *g, qn_ll_if *f, LLVMValueRef condition) {
  LLVMBasicBlockRef then = block(g);
  f->exit = block(g);
  LLVMBuildCondBr(g->b, condition, then, f->exit);
  LLVMPositionBuilderAtEnd(g->b, then);
}

void qn__ll_if_end(qn_ll *g, qn_ll_if *f) {
  LLVMBuildBr(g->b, f->exit);
  LLVMPositionBuilderAtEnd(g->b, f->exit);
}

LLVMValueRef qn__ll_mask(qn_ll *g, LLVMValueRef n) {
  LLVMValueRef bit = LLVMBuildShl(g->b, qn__ll_i32(g, 1), LLVMBuildTrunc(g->b, n, g->i32, ""), "");
  LLVMValueRef low = qn__ll_sub(g, bit, qn__ll_i32(g, 1));
  LLVMTypeRef bits = LLVMIntTypeInContext(g->ctx, g->lanes);
  return LLVMBuildBitCast(g->b, LLVMBuildTrunc(g->b, low, bits, ""), LLVMVectorType(g->i1, g->lanes), "");
}

LLVMValueRef qn__ll_span_vectors(qn_ll *g, LLVMValueRef start, LLVMValueRef end, qn_ll_span_fn fn, void *user,
                                 uint32_t num_carried, LLVMValueRef *carried) {
  if (g->lanes == 1) return start;
  /* Vectors while a whole one fits: i < end - (lanes - 1). */
  LLVMValueRef all[QN_LL_MAX_CARRIED], last = qn__ll_sub(g, end, qn__ll_i64(g, g->lanes - 1));
  qn_ll_for wide;
  all[0] = start;
  for (uint32_t c = 0; c < num_carried; c++) all[1 + c] = carried[c];
  qn__ll_for_begin(g, &wide, start, last, g->lanes, 1 + num_carried, all);
  for (uint32_t c = 0; c < num_carried; c++) carried[c] = all[1 + c];
  fn(user, wide.i, g->lanes, NULL);
  all[0] = qn__ll_add(g, wide.i, qn__ll_i64(g, g->lanes));
  for (uint32_t c = 0; c < num_carried; c++) all[1 + c] = carried[c];
  qn__ll_for_end(g, &wide, all);
  for (uint32_t c = 0; c < num_carried; c++) carried[c] = all[1 + c];
  return all[0];
}

void qn__ll_span_rest(qn_ll *g, LLVMValueRef next, LLVMValueRef end, qn_ll_span_fn fn, void *user) {
  if (g->masked) {
    qn_ll_if rest;
    qn__ll_if_begin(g, &rest, LLVMBuildICmp(g->b, LLVMIntSLT, next, end, ""));
    fn(user, next, g->lanes, qn__ll_mask(g, qn__ll_sub(g, end, next)));
    qn__ll_if_end(g, &rest);
  } else {
    qn_ll_for one;
    qn__ll_for_begin(g, &one, next, end, 1, 0, NULL);
    fn(user, one.i, 1, NULL);
    qn__ll_for_end(g, &one, NULL);
  }
}

void qn__ll_span(qn_ll *g, LLVMValueRef start, LLVMValueRef end, qn_ll_span_fn fn, void *user) {
  LLVMValueRef next = qn__ll_span_vectors(g, start, end, fn, user, 0, NULL);
  qn__ll_span_rest(g, next, end, fn, user);
}
