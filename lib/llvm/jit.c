/* Machine code from a module, and ORC: the C API of ORC changes between releases, so every call of it is here. The
 * object is compiled first and ORC only links it, which leaves out its threads, its IR layers and their types. */
#include "ll.h"
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Object.h>
#include <llvm-c/Orc.h>
#include <string.h>

typedef struct jit_code {
  qn_code code;
  qn_allocator allocator;
  LLVMOrcLLJITRef jit;
  uint32_t count;
} jit_code;

qn_status qn__ll_codegen(qn_ll_module *m, LLVMCodeGenFileType type, LLVMMemoryBufferRef *out) {
  char *message = NULL;
  *out = NULL;
  if (LLVMTargetMachineEmitToMemoryBuffer(m->machine, m->mod, type, &message, out)) {
    qn_status status = qn_error(m->qctx, QN_DIAG_ENGINE, qn_place_file(""), "LLVM code generation failed: %s", message);
    LLVMDisposeMessage(message);
    return status;
  }
  if (!m->error_seen) return QN_OK;
  LLVMDisposeMemoryBuffer(*out);
  *out = NULL;
  return QN_ERR_INTERNAL;
}

static qn_status orc_error(qn_context *ctx, const char *doing, LLVMErrorRef err) {
  char *message = LLVMGetErrorMessage(err); /* takes the error */
  qn_status status = qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "LLVM's JIT failed while %s: %s", doing, message);
  LLVMDisposeErrorMessage(message);
  return status;
}

static void destroy(qn_code *code) {
  jit_code *c = (jit_code *)code;
  qn_allocator a = c->allocator;
  if (c->jit) {
    LLVMErrorRef err = LLVMOrcDisposeLLJIT(c->jit);
    if (err) LLVMConsumeError(err);
  }
  qn__free(&a, c->code.functions, c->count * sizeof *c->code.functions);
  qn__free(&a, c, sizeof *c);
}

/* Errors that ORC reports outside of any call come here; those of a lookup are returned by it as well. */
static void on_session_error(void *user, LLVMErrorRef err) {
  (void)user;
  LLVMConsumeError(err);
}

static qn_status link_object(qn_context *ctx, jit_code *c, LLVMMemoryBufferRef object, const char *const *symbols) {
  LLVMErrorRef err = LLVMOrcCreateLLJIT(&c->jit, NULL);
  if (err) {
    LLVMDisposeMemoryBuffer(object);
    c->jit = NULL;
    return orc_error(ctx, "starting", err);
  }
  LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(c->jit), on_session_error, NULL);
  err = LLVMOrcLLJITAddObjectFile(c->jit, LLVMOrcLLJITGetMainJITDylib(c->jit), object); /* takes the object */
  if (err) return orc_error(ctx, "adding an object", err);
  for (uint32_t i = 0; i < c->count; i++) {
    LLVMOrcExecutorAddress address = 0;
    err = LLVMOrcLLJITLookup(c->jit, &address, symbols[i]);
    if (err) return orc_error(ctx, "linking", err);
    c->code.functions[i] = (qn_kernel_fn)(uintptr_t)address;
  }
  return QN_OK;
}

/* Code and constants in an object, by its sections. */
static size_t loaded_bytes(LLVMContextRef ctx, LLVMMemoryBufferRef object) {
  char *message = NULL;
  size_t bytes = 0;
  LLVMBinaryRef binary = LLVMCreateBinary(object, ctx, &message);
  LLVMDisposeMessage(message);
  if (!binary) return 0;
  LLVMSectionIteratorRef s = LLVMObjectFileCopySectionIterator(binary);
  for (; s && !LLVMObjectFileIsSectionIteratorAtEnd(binary, s); LLVMMoveToNextSection(s)) {
    const char *name = LLVMGetSectionName(s);
    if (name && (!strncmp(name, ".text", 5) || !strncmp(name, ".rodata", 7))) bytes += LLVMGetSectionSize(s);
  }
  if (s) LLVMDisposeSectionIterator(s);
  LLVMDisposeBinary(binary);
  return bytes;
}

qn_status qn__ll_jit(qn_ll_module *m, uint32_t count, const char *const *symbols, qn_code **out) {
  const qn_allocator *a = qn_context_allocator(m->qctx);
  LLVMMemoryBufferRef object;
  qn_status status = qn__ll_codegen(m, LLVMObjectFile, &object);
  if (status != QN_OK) return status;
  jit_code *c = qn__alloc_zero(a, sizeof *c);
  qn_kernel_fn *functions = c ? qn__alloc_zero(a, count * sizeof *functions) : NULL;
  if (!functions) {
    qn__free(a, c, sizeof *c);
    LLVMDisposeMemoryBuffer(object);
    return qn_error_no_memory(m->qctx);
  }
  *c = (jit_code){.code = {.functions = functions, .destroy = destroy}, .allocator = *a, .count = count};
  c->code.bytes = loaded_bytes(m->ctx, object);
  status = link_object(m->qctx, c, object, symbols);
  if (status == QN_OK)
    *out = &c->code;
  else
    destroy(&c->code);
  return status;
}
