/* Parts of a function as functions of their own: what is run often, so that the rest can be compiled quickly; what
 * other bodies have too; and what two threads can compile at once. Values from around it are found while it is written,
 * and handed over in memory. */
#include "ll.h"

void qn__ll_inner_begin(qn_ll *g, qn_ll_inner *f, const char *name, LLVMTypeRef type) {
  *f = (qn_ll_inner){
      .outer_fn = g->fn, .outer_args = g->args, .outer_entry = g->entry, .here = LLVMGetInsertBlock(g->b)};
  if (!name) g->failed = g->out_of_memory = true;
  f->fn = qn__ll_function_attrs(g, LLVMAddFunction(g->mod, name ? name : "", type));
  LLVMSetLinkage(f->fn, LLVMInternalLinkage);
  g->fn = f->fn;
  g->entry = LLVMAppendBasicBlockInContext(g->ctx, f->fn, "");
  LLVMPositionBuilderAtEnd(g->b, g->entry);
}

static void leave(qn_ll *g, const qn_ll_inner *f) {
  g->fn = f->outer_fn, g->args = f->outer_args, g->entry = f->outer_entry;
  LLVMPositionBuilderAtEnd(g->b, f->here);
}

void qn__ll_inner_end(qn_ll *g, const qn_ll_inner *f) {
  LLVMBuildRetVoid(g->b);
  leave(g, f);
}

void qn__ll_outline_begin(qn_ll *g, qn_ll_outline *o, const char *name) {
  o->type = LLVMFunctionType(g->void_t, &g->ptr, 1, false);
  qn__ll_inner_begin(g, &o->inner, name, o->type);
}

static bool is_foreign(const qn_ll_outline *o, LLVMValueRef v) {
  if (LLVMIsAInstruction(v)) return LLVMGetBasicBlockParent(LLVMGetInstructionParent(v)) != o->inner.fn;
  return LLVMIsAArgument(v) && LLVMGetParamParent(v) != o->inner.fn;
}

/* Calls `each` for operands that come from around the function. */
static void each_foreign(const qn_ll_outline *o, void (*each)(void *, LLVMValueRef inst, unsigned operand),
                         void *user) {
  for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(o->inner.fn); b; b = LLVMGetNextBasicBlock(b))
    for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
      for (unsigned k = 0; k < (unsigned)LLVMGetNumOperands(i); k++)
        if (is_foreign(o, LLVMGetOperand(i, k))) each(user, i, k);
}

typedef struct capture {
  qn_ll *g;
  uint32_t uses, count, bytes;
  LLVMValueRef *from, *inside; /* values of the caller; what stands for them */
  uint32_t *at;                /* in memory */
} capture;

static void count_use(void *user, LLVMValueRef inst, unsigned operand) {
  (void)inst, (void)operand;
  ((capture *)user)->uses++;
}

static void note_use(void *user, LLVMValueRef inst, unsigned operand) {
  capture *c = user;
  LLVMValueRef v = LLVMGetOperand(inst, operand);
  for (uint32_t i = 0; i < c->count; i++)
    if (c->from[i] == v) return;
  uint64_t size = LLVMABISizeOfType(LLVMGetModuleDataLayout(c->g->mod), LLVMTypeOf(v));
  c->from[c->count] = v;
  c->at[c->count++] = c->bytes;
  c->bytes += (uint32_t)(size + 7) / 8 * 8;
}

static void replace_use(void *user, LLVMValueRef inst, unsigned operand) {
  capture *c = user;
  LLVMValueRef v = LLVMGetOperand(inst, operand);
  for (uint32_t i = 0; i < c->count; i++)
    if (c->from[i] == v) LLVMSetOperand(inst, operand, c->inside[i]);
}

static void load_all(capture *c, const qn_ll_outline *o) {
  qn_ll *g = c->g;
  LLVMValueRef kept = LLVMGetParam(o->inner.fn, 0);
  LLVMPositionBuilderBefore(g->b, LLVMGetFirstInstruction(g->entry));
  for (uint32_t i = 0; i < c->count; i++)
    c->inside[i] = qn__ll_load_vec(g, LLVMTypeOf(c->from[i]), qn__ll_gep_const(g, kept, c->at[i]), 8);
}

void qn__ll_outline_end(qn_ll *g, qn_ll_outline *o) {
  capture c = {.g = g};
  LLVMBuildRetVoid(g->b);
  each_foreign(o, count_use, &c);
  c.from = qn__ll_values(g, c.uses + 1u), c.inside = qn__ll_values(g, c.uses + 1u);
  c.at = qn__arena_array(g->arena, c.uses + 1u, sizeof *c.at);
  if (c.from && c.inside && c.at) {
    each_foreign(o, note_use, &c);
    load_all(&c, o);
    each_foreign(o, replace_use, &c);
  } else {
    g->failed = g->out_of_memory = true;
  }
  leave(g, &o->inner);
  LLVMValueRef kept = qn__ll_slot(g, g->i8, c.bytes ? c.bytes : 8);
  for (uint32_t i = 0; i < c.count; i++) qn__ll_store_vec(g, c.from[i], qn__ll_gep_const(g, kept, c.at[i]), 8);
  LLVMBuildCall2(g->b, o->type, o->inner.fn, &kept, 1, "");
}
