/* From bodies to one verified LLVM module. */
#include "ll.h"
#include <llvm-c/Analysis.h>
#include <stdarg.h>
#include <string.h>

qn_status qn__ll_error(qn_ll *g, qn_diag_code code, const char *fmt, ...) {
  qn_place place = {.entity = qn_str_of(g->what)};
  va_list args;
  va_start(args, fmt);
  qn_status status = qn_report(g->qctx, QN_ERROR, code, place, fmt, args);
  va_end(args);
  return status;
}

/* Called for what goes wrong inside LLVM while code is generated. Remarks and warnings are not for our user. */
static void on_llvm_diagnostic(LLVMDiagnosticInfoRef info, void *user) {
  qn_ll_module *m = user;
  if (LLVMGetDiagInfoSeverity(info) != LLVMDSError) return;
  char *text = LLVMGetDiagInfoDescription(info);
  m->error_seen = true;
  qn_error(m->qctx, QN_DIAG_ENGINE, qn_place_file(""), "LLVM: %s", text);
  LLVMDisposeMessage(text);
}

void qn__ll_init(qn_ll *g, qn_ll_module *m, qn_arena *arena, const qn_isa *isa, const char *what) {
  LLVMContextRef c = m->ctx;
  *g = (qn_ll){.qctx = m->qctx, .arena = arena, .isa = isa, .ctx = c, .mod = m->mod, .what = what};
  g->b = LLVMCreateBuilderInContext(c);
  g->i1 = LLVMInt1TypeInContext(c);
  g->i8 = LLVMInt8TypeInContext(c);
  g->i16 = LLVMInt16TypeInContext(c);
  g->i32 = LLVMInt32TypeInContext(c);
  g->i64 = LLVMInt64TypeInContext(c);
  g->f32 = LLVMFloatTypeInContext(c);
  g->f64 = LLVMDoubleTypeInContext(c);
  g->ptr = LLVMPointerTypeInContext(c, 0);
  g->void_t = LLVMVoidTypeInContext(c);
  g->lanes = isa->vector_bits / 32;
  g->x86 = !strncmp(LLVMGetTarget(m->mod), "x86_64", 6);
  g->masked = isa->has & QN_ISA_MASK;
}

void qn__ll_done(qn_ll *g) {
  LLVMDisposeBuilder(g->b);
}

static void add_attr(qn_ll *g, LLVMValueRef fn, const char *name, uint64_t value) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  if (kind)
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(g->ctx, kind, value));
}

LLVMValueRef qn__ll_function_attrs(qn_ll *g, LLVMValueRef fn) {
  add_attr(g, fn, "nounwind", 0);
  if (g->isa->has & QN_ISA_SVE) { /* least and most multiples of 128 bits: vectors of the least length become SVE's */
    uint64_t least = g->isa->vector_bits / 128, most = 16;
    add_attr(g, fn, "vscale_range", least << 32 | most);
  }
  return fn;
}

bool qn__ll_function_is_quick(LLVMValueRef fn) {
  unsigned kind = LLVMGetEnumAttributeKindForName("optnone", strlen("optnone"));
  return kind && LLVMGetEnumAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, kind);
}

void qn__ll_function_quickly(qn_ll *g, LLVMValueRef fn) {
  add_attr(g, fn, "noinline", 0);
  add_attr(g, fn, "optnone", 0);
}

void qn__ll_function_begin(qn_ll *g, const char *symbol) {
  LLVMTypeRef type = LLVMFunctionType(g->i32, &g->ptr, 1, false);
  g->fn = qn__ll_function_attrs(g, LLVMAddFunction(g->mod, symbol, type));
  g->args = LLVMGetParam(g->fn, 0);
  g->entry = LLVMAppendBasicBlockInContext(g->ctx, g->fn, "");
  LLVMPositionBuilderAtEnd(g->b, g->entry);
}

void qn__ll_function_end(qn_ll *g) {
  LLVMBuildRet(g->b, qn__ll_i32(g, 0));
}

static qn_ll_kernel_fn kernel_of(const qn_body *body) {
  switch (body->plan->kind) {
  case QN_KERNEL_GEMM:
    return body->part == QN_PART_TILES      ? qn__ll_gemm_tiles
           : body->part == QN_PART_PROLOGUE ? qn__ll_gemm_prologue
                                            : NULL;
  case QN_KERNEL_MAP: return qn__ll_map;
  case QN_KERNEL_ROW: return qn__ll_row;
  case QN_KERNEL_PACK: return qn__ll_pack;
  case QN_KERNEL_BLOCK_ROWS: return qn__ll_block_rows;
  case QN_KERNEL_BLOCK_GEMM: return qn__ll_block_gemm;
  case QN_KERNEL_ATTENTION: return qn__ll_attention;
  case QN_KERNEL_WINDOW: return qn__ll_window;
  case QN_KERNEL_PAD: return qn__ll_pad;
  case QN_KERNEL_VIEW: break;
  }
  return NULL;
}

static qn_status write_body(qn_ll_module *m, qn_arena *arena, const qn_body *body) {
  qn_ll g;
  qn__ll_init(&g, m, arena, body->plan->isa, body->plan->name);
  qn_ll_kernel_fn fn = kernel_of(body);
  qn_status status;
  if (!fn) {
    status = qn__ll_error(&g, QN_DIAG_INTERNAL, "a kernel without code was given to the LLVM code generator");
  } else {
    qn__ll_function_begin(&g, body->symbol);
    status = fn(&g, body);
    qn__ll_function_end(&g);
    if (status == QN_OK && g.failed) {
      status = g.out_of_memory ? qn_error_no_memory(m->qctx)
                               : qn__ll_error(&g, QN_DIAG_ENGINE,
                                              "this LLVM lacks an instruction that ISA row '%s' needs", g.isa->name);
    }
  }
  qn__ll_done(&g);
  return status;
}

/* A check of our own invariants, which takes a twentieth of the time that a body takes: for builds with assertions. */
qn_status qn__ll_module_verify(qn_ll_module *m) {
#ifdef NDEBUG
  (void)m;
  return QN_OK;
#else
  char *message = NULL;
  qn_status status = QN_OK;
  if (LLVMVerifyModule(m->mod, LLVMReturnStatusAction, &message))
    status = qn_error(m->qctx, QN_DIAG_INTERNAL, qn_place_file(""), "generated LLVM IR is not valid: %s", message);
  LLVMDisposeMessage(message);
  return status;
#endif
}

qn_status qn__ll_module_create(qn_context *ctx, uint32_t num_bodies, const qn_body *bodies, const char *name,
                               qn_ll_module *out) {
  *out = (qn_ll_module){.qctx = ctx};
  if (num_bodies == 0) return qn_error(ctx, QN_DIAG_INTERNAL, qn_place_file(""), "no kernel to compile");
  const qn_isa *isa = bodies[0].plan->isa;
  for (uint32_t i = 1; i < num_bodies; i++)
    if (bodies[i].plan->isa != isa)
      return qn_error(ctx, QN_DIAG_INTERNAL, qn_place_file(""), "kernels for '%s' and '%s' in one compilation",
                      isa->name, bodies[i].plan->isa->name);
  qn_status status = qn__ll_module_start(ctx, isa, name, out);
  qn_arena arena;
  qn__arena_init(&arena, qn_context_allocator(ctx));
  for (uint32_t i = 0; i < num_bodies && status == QN_OK; i++) status = write_body(out, &arena, &bodies[i]);
  qn__arena_free(&arena);
  if (status != QN_OK) qn__ll_module_destroy(out);
  return status;
}

qn_status qn__ll_module_start(qn_context *ctx, const qn_isa *isa, const char *name, qn_ll_module *out) {
  *out = (qn_ll_module){.qctx = ctx};
  qn_status status = qn__ll_target_take(ctx, isa, false, &out->machine);
  out->isa = isa;
  if (status != QN_OK) return status;
  out->ctx = LLVMContextCreate();
  LLVMContextSetDiagnosticHandler(out->ctx, on_llvm_diagnostic, out);
  out->mod = LLVMModuleCreateWithNameInContext(name, out->ctx);
  char *triple = LLVMGetTargetMachineTriple(out->machine);
  LLVMSetTarget(out->mod, triple);
  /* Where it is not said, RISC-V objects pass floats in integer registers, and do not link with those that do not. */
  if (!strncmp(triple, "riscv64", 7))
    LLVMAddModuleFlag(out->mod, LLVMModuleFlagBehaviorError, "target-abi", strlen("target-abi"),
                      LLVMMDStringInContext2(out->ctx, "lp64d", strlen("lp64d")));
  LLVMDisposeMessage(triple);
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(out->machine);
  LLVMSetModuleDataLayout(out->mod, layout);
  LLVMDisposeTargetData(layout);
  return QN_OK;
}

void qn__ll_module_destroy(qn_ll_module *m) {
  if (m->mod) LLVMDisposeModule(m->mod);
  if (m->machine) qn__ll_target_give(m->isa, false, m->machine);
  if (m->ctx) LLVMContextDispose(m->ctx);
  m->mod = NULL;
  m->machine = NULL;
  m->ctx = NULL;
}
