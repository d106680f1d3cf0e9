/* Target machines. CPU and feature names come from isa.def only: a name that LLVM does not know makes it print. */
#include "ll.h"
#include <llvm-c/Target.h>
#include <pthread.h>
#include <string.h>

static const struct {
  const char *name, *cpu, *features;
} known[] = {
#define QN_ISA(symbol, name, arch, bits, regs, fma, l8, l16, lf, r8, r16, rf, cpu, features, doc) {name, cpu, features},
#include <quern/isa.def>
#undef QN_ISA
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* LLVM's registry of targets is process-wide; registering twice is harmless, twice at once is not. */
static void register_targets(void) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
}

static bool is_known(const qn_isa *isa) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(known[i].name, isa->name))
      return !strcmp(known[i].cpu, isa->llvm_cpu) && !strcmp(known[i].features, isa->llvm_features);
  return false;
}

qn_status qn__ll_target_create(qn_context *ctx, const qn_isa *isa, LLVMTargetMachineRef *out) {
  qn_place nowhere = qn_place_file("");
  *out = NULL;
  if (!is_known(isa))
    return qn_error(ctx, QN_DIAG_ENGINE, nowhere,
                    "ISA row '%s' is not one of this LLVM module's: it was built from another isa.def; rebuild both",
                    isa->name);
  pthread_once(&once, register_targets);
  char *triple = LLVMGetDefaultTargetTriple(), *message = NULL;
  bool x86 = !strncmp(triple, "x86_64", 6);
  if (!strcmp(isa->arch, "x86_64") && !x86) {
    qn_status status = qn_error(ctx, QN_DIAG_UNSUPPORTED, nowhere, "ISA row '%s' is for %s, and LLVM here is for %s",
                                isa->name, isa->arch, triple);
    LLVMDisposeMessage(triple);
    return status;
  }
  LLVMTargetRef target = NULL;
  if (LLVMGetTargetFromTriple(triple, &target, &message)) {
    qn_status status = qn_error(ctx, QN_DIAG_ENGINE, nowhere, "LLVM has no target for '%s': %s", triple, message);
    LLVMDisposeMessage(message);
    LLVMDisposeMessage(triple);
    return status;
  }
  const char *cpu = isa->llvm_cpu[0] ? isa->llvm_cpu : x86 ? "x86-64" : "generic";
  *out = LLVMCreateTargetMachine(target, triple, cpu, isa->llvm_features, LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                 LLVMCodeModelSmall);
  LLVMDisposeMessage(triple);
  if (!*out)
    return qn_error(ctx, QN_DIAG_ENGINE, nowhere, "LLVM cannot make code for cpu '%s' with features '%s'", cpu,
                    isa->llvm_features);
  return QN_OK;
}
