/* See assembly.h. */
#include "assembly.h"
#include <string.h>

static const char effects[] = ",~{memory},~{flags}";
static const char leave_vectors[] = "vzeroupper\n"; /* as LLVM leaves functions that it knows to use vectors */

static const qn_ll_wording bytes_wording = {"vmovdqu64", "vpbroadcastd", "vpdpbusd", false};
static const qn_ll_wording halves_wording = {"vmovdqu64", "vpbroadcastd", "vpdpwssd", true};
static const qn_ll_wording bf16_wording = {"vmovdqu64", "vpbroadcastd", "vdpbf16ps", true};
static const qn_ll_wording floats_wording = {"vmovups", "vbroadcastss", "vfmadd231ps", true};
static const qn_ll_wording doubles_wording = {"vmovupd", "vbroadcastsd", "vfmadd231pd", true};

const qn_ll_wording *qn__ll_wording_of(const qn_ll *g, const qn_gemm_plan *p, const qn_ll_dot *dot) {
  if (!g->x86 || g->isa->vector_bits != 512 || g->isa->num_registers != QN_LL_ZMM) return NULL;
  if (dot == &qn__ll_dot_vpdpbusd) return &bytes_wording;
  if (dot == &qn__ll_dot_vpdpwssd) return &halves_wording;
  if (dot == &qn__ll_dot_vdpbf16ps) return &bf16_wording;
  bool same = p->lhs == p->acc && p->rhs == p->acc && p->layout.k_block == 1;
  if (same && p->acc == QN_F64) return &doubles_wording;
  return same && p->acc == QN_F32 ? &floats_wording : NULL;
}

void qn__ll_assembly_begin(qn_ll *g, qn_ll_assembly *a) {
  a->num_results = a->num_args = 0;
  qn__buf_init(&a->text, g->arena->allocator);
  qn__buf_init(&a->constraints, g->arena->allocator);
}

static LLVMValueRef call(qn_ll *g, qn_ll_assembly *a) {
  LLVMTypeRef types[QN_LL_ASSEMBLY_OPERANDS], result = g->void_t;
  for (uint32_t i = 0; i < a->num_args; i++) types[i] = LLVMTypeOf(a->args[i]);
  if (a->num_results == 1) result = a->results[0];
  if (a->num_results > 1) result = LLVMStructTypeInContext(g->ctx, a->results, a->num_results, false);
  LLVMTypeRef type = LLVMFunctionType(result, types, a->num_args, false);
  LLVMValueRef code = LLVMGetInlineAsm(type, a->text.data, a->text.size, a->constraints.data, a->constraints.size, true,
                                       false, LLVMInlineAsmDialectATT, false);
  return LLVMBuildCall2(g->b, type, code, a->args, a->num_args, "");
}

void qn__ll_assembly_call(qn_ll *g, qn_ll_assembly *a, LLVMValueRef *out, uint32_t count) {
  if (a->text.failed || a->constraints.failed) {
    g->failed = g->out_of_memory = true;
  } else {
    LLVMValueRef all = call(g, a);
    for (uint32_t i = 0; i < count; i++) out[i] = a->num_results > 1 ? LLVMBuildExtractValue(g->b, all, i, "") : all;
  }
  qn__buf_free(&a->text);
  qn__buf_free(&a->constraints);
}

/* ---- text that is all of a function ---- */

void qn__ll_assembly_frame_begin(qn_ll *g, qn_ll_inner *f, qn_ll_assembly *a, const char *symbol, const char *what) {
  qn_str name = qn__arena_fmt(g->arena, "%s_%s", symbol, what);
  qn__ll_inner_begin(g, f, name.data, LLVMFunctionType(g->void_t, &g->ptr, 1, false));
  qn__ll_function_quickly(g, f->fn);
  qn__ll_assembly_begin(g, a);
}

/* Vector registers are any function's to overwrite: to be told of each takes LLVM 14 us. */
LLVMValueRef qn__ll_assembly_frame_end(qn_ll *g, const qn_ll_inner *f, qn_ll_assembly *a) {
  static const char *const used[] = {"rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11",
                                     "r12", "r13", "r14", "r15", "k1",  "k2", "k3", "k4",  "k7"};
  qn__buf_c(&a->text, leave_vectors);
  qn__buf_c(&a->constraints, "{rdi}");
  for (size_t i = 0; i < sizeof used / sizeof *used; i++) qn__buf_fmt(&a->constraints, ",~{%s}", used[i]);
  qn__buf_c(&a->constraints, effects);
  a->args[a->num_args++] = LLVMGetParam(f->fn, 0);
  qn__ll_assembly_call(g, a, NULL, 0);
  qn__ll_inner_end(g, f);
  return f->fn;
}

uint32_t qn__ll_assembly_changed(qn_ll_assembly *a, LLVMTypeRef type) {
  qn__buf_c(&a->constraints, a->num_results ? ",=&r" : "=&r");
  a->results[a->num_results] = type;
  return a->num_results++;
}

void qn__ll_assembly_start(qn_ll_assembly *a, uint32_t changed, LLVMValueRef v) {
  qn__buf_fmt(&a->constraints, ",%u", changed);
  a->args[a->num_args++] = v;
}

uint32_t qn__ll_assembly_in(qn_ll_assembly *a, LLVMValueRef v) {
  qn__buf_c(&a->constraints, ",r");
  a->args[a->num_args] = v;
  return a->num_results + a->num_args++;
}

void qn__ll_assembly_end(qn_ll *g, qn_ll_assembly *a) {
  qn__buf_c(&a->constraints, effects);
  qn__buf_c(&a->text, leave_vectors);
  qn__ll_assembly_call(g, a, NULL, 0);
}

static void add_attr(qn_ll *g, LLVMValueRef fn, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAttributeRef attr = LLVMCreateEnumAttribute(g->ctx, kind, 0);
  LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attr);
}

LLVMValueRef qn__ll_assembly_function(qn_ll *g, const char *name, LLVMTypeRef type, qn_buf *text) {
  static const char nothing[] = "~{memory}";
  LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
  LLVMValueRef fn = NULL;
  if (text->failed) {
    g->failed = g->out_of_memory = true;
  } else {
    fn = qn__ll_function_attrs(g, LLVMAddFunction(g->mod, name, type));
    add_attr(g, fn, "naked"), qn__ll_function_quickly(g, fn);
    LLVMSetLinkage(fn, LLVMInternalLinkage);
    LLVMTypeRef none = LLVMFunctionType(g->void_t, NULL, 0, false);
    LLVMValueRef code = LLVMGetInlineAsm(none, text->data, text->size, (char *)(uintptr_t)nothing, sizeof nothing - 1,
                                         true, false, LLVMInlineAsmDialectATT, false);
    LLVMPositionBuilderAtEnd(g->b, LLVMAppendBasicBlockInContext(g->ctx, fn, ""));
    LLVMBuildCall2(g->b, none, code, NULL, 0, "");
    LLVMBuildUnreachable(g->b);
    LLVMPositionBuilderAtEnd(g->b, here);
  }
  qn__buf_free(text);
  return fn;
}
