/* ATTENTION with keys and values that come as rows: a block of them is brought into the layout that the products read,
 * in memory of the body's own that stays in the first-level cache. Where few queries look at each key, that is less
 * than packing all of k beforehand, which reads, writes and reads again what hardly anything is done with. */
#include "attention.h"
#include <stdio.h>

static const qn_gemm_plan *product_of(const qn_attention_plan *p, bool values) {
  return values ? &p->values : &p->scores;
}

int64_t qn__ll_attention_room(const qn_attention_plan *p, bool values) {
  int64_t elem = qn__ll_mem_bits(product_of(p, values)->rhs) / 8;
  return elem * p->key_block * (values ? p->dv_room : p->d_room);
}

int64_t qn__ll_attention_panel(const qn_attention_plan *p) {
  return (int64_t)qn__ll_mem_bits(p->values.rhs) / 8 * p->key_block * p->values.layout.panel_width;
}

static LLVMTypeRef signature(qn_ll *g) {
  LLVMTypeRef params[4] = {g->ptr, g->ptr, g->i64, g->i64};
  return LLVMFunctionType(g->void_t, params, 4, false);
}

/* k: one panel, the block's rows as columns. v: panels of the block's columns. */
static void pack(qn_ll_attention *t, LLVMValueRef fn, bool values) {
  qn_ll *g = t->g;
  const qn_gemm_plan *product = product_of(t->plan, values);
  const qn_pack_plan plan = {.mem = product->rhs, .layout = product->layout};
  qn_ll_pack_of of = {.rows = LLVMGetParam(fn, 1), .count = LLVMGetParam(fn, 2), .columns = LLVMGetParam(fn, 3)};
  if (qn__ll_pack_rows_quick(g, &plan, !values)) qn__ll_function_quickly(g, fn);
  of.panel = LLVMGetParam(fn, 0), of.first = qn__ll_i64(g, 0), of.transpose = !values;
  if (!values) {
    qn__ll_pack_rows(g, &plan, &of);
    return;
  }
  uint32_t width = plan.layout.panel_width;
  int64_t panel = qn__ll_attention_panel(t->plan);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, of.first, qn__ll_i64(g, t->plan->dv_room / width), 1, 0, NULL);
  of.first = qn__ll_mul(g, f.i, qn__ll_i64(g, width));
  of.panel = qn__ll_gep(g, LLVMGetParam(fn, 0), qn__ll_mul(g, f.i, qn__ll_i64(g, panel)));
  qn__ll_pack_rows(g, &plan, &of);
  qn__ll_for_end(g, &f, NULL);
}

LLVMValueRef qn__ll_attention_pack(qn_ll_attention *outer, bool values) {
  qn_ll *g = outer->g;
  char name[96];
  qn_ll_inner f;
  snprintf(name, sizeof name, "%s_%s", outer->symbol, values ? "values" : "keys");
  qn__ll_inner_begin(g, &f, name, signature(g));
  pack(outer, f.fn, values);
  qn__ll_inner_end(g, &f);
  return f.fn;
}

void qn__ll_attention_pack_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef room, LLVMValueRef rows, LLVMValueRef count,
                                LLVMValueRef length) {
  LLVMValueRef args[4] = {room, rows, count, length};
  LLVMBuildCall2(g->b, signature(g), fn, args, 4, "");
}
