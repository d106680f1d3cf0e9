/* Target machines. CPU and feature names come from isa.def only: a name that LLVM does not know makes it print. */
#include "ll.h"
#include <llvm-c/Target.h>
#include <pthread.h>
#include <string.h>

static const struct {
  const char *name, *cpu, *features;
} known[] = {
#define QN_ISA(symbol, name, arch, bits, regs, has, l8, l16, lf, r8, r16, rf, cpu, features, doc) {name, cpu, features},
#include <quern/isa.def>
#undef QN_ISA
};

/* The code generators that this LLVM was built with. */
static const struct {
  const char *name;
  void (*target_info)(void), (*target)(void), (*machine_code)(void), (*printer)(void);
} built[] = {
#define LLVM_ASM_PRINTER(name)                                                                                         \
  {#name, LLVMInitialize##name##TargetInfo, LLVMInitialize##name##Target, LLVMInitialize##name##TargetMC,              \
   LLVMInitialize##name##AsmPrinter},
#include <llvm/Config/AsmPrinters.def>
#undef LLVM_ASM_PRINTER
};

/* What reads the assembly in functions. */
static const struct {
  const char *name;
  void (*init)(void);
} parsers[] = {
#define LLVM_ASM_PARSER(name) {#name, LLVMInitialize##name##AsmParser},
#include <llvm/Config/AsmParsers.def>
#undef LLVM_ASM_PARSER
};

/* What an arch of isa.def is to LLVM. */
static const struct arch {
  const char *arch, *target, *triple;
} archs[] = {
    {"x86_64", "X86", "x86_64-unknown-linux-gnu"},
    {"aarch64", "AArch64", "aarch64-unknown-linux-gnu"},
    {"riscv64", "RISCV", "riscv64-unknown-linux-gnu"},
};

/* LLVM's registry of targets is process-wide; registering twice is harmless, twice at once is not. */
static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;

static bool register_target(const char *target) {
  bool found = false;
  pthread_mutex_lock(&registry);
  for (size_t i = 0; i < sizeof built / sizeof *built; i++) {
    if (strcmp(built[i].name, target) != 0) continue;
    built[i].target_info();
    built[i].target();
    built[i].machine_code();
    built[i].printer();
    found = true;
  }
  for (size_t i = 0; found && i < sizeof parsers / sizeof *parsers; i++)
    if (!strcmp(parsers[i].name, target)) parsers[i].init();
  pthread_mutex_unlock(&registry);
  return found;
}

static bool register_native(void) {
  pthread_mutex_lock(&registry);
  bool ok = !LLVMInitializeNativeTarget() && !LLVMInitializeNativeAsmPrinter();
  ok = ok && !LLVMInitializeNativeAsmParser();
  pthread_mutex_unlock(&registry);
  return ok;
}

static bool is_known(const qn_isa *isa) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(known[i].name, isa->name))
      return !strcmp(known[i].cpu, isa->llvm_cpu) && !strcmp(known[i].features, isa->llvm_features);
  return false;
}

static const struct arch *arch_of(const char *name) {
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
    if (!strcmp(archs[i].arch, name)) return &archs[i];
  return NULL;
}

/* This machine's own triple where the row is for its arch, else that of the arch's Linux. To be disposed of. */
static qn_status find_triple(qn_context *ctx, const qn_isa *isa, char **out) {
  const struct arch *arch = arch_of(isa->arch);
  *out = LLVMGetDefaultTargetTriple();
  bool native = !arch || !strncmp(*out, isa->arch, strlen(isa->arch));
  if (native ? register_native() : register_target(arch->target)) {
    if (native) return QN_OK;
    LLVMDisposeMessage(*out);
    *out = LLVMCreateMessage(arch->triple);
    return QN_OK;
  }
  qn_status status = qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""),
                              "ISA row '%s' is for %s, and LLVM here was built without it", isa->name, isa->arch);
  LLVMDisposeMessage(*out);
  return status;
}

static const char *cpu_of(const qn_isa *isa, const char *triple) {
  if (isa->llvm_cpu[0]) return isa->llvm_cpu;
  return !strncmp(triple, "x86_64", 6) ? "x86-64" : !strncmp(triple, "riscv64", 7) ? "generic-rv64" : "generic";
}

static qn_status create(qn_context *ctx, const qn_isa *isa, bool quick, LLVMTargetMachineRef *out) {
  qn_place nowhere = qn_place_file("");
  *out = NULL;
  if (!is_known(isa))
    return qn_error(ctx, QN_DIAG_ENGINE, nowhere,
                    "ISA row '%s' is not one of this LLVM module's: it was built from another isa.def; rebuild both",
                    isa->name);
  char *triple, *message = NULL;
  qn_status status = find_triple(ctx, isa, &triple);
  if (status) return status;
  LLVMTargetRef target = NULL;
  if (LLVMGetTargetFromTriple(triple, &target, &message)) {
    status = qn_error(ctx, QN_DIAG_ENGINE, nowhere, "LLVM has no target for '%s': %s", triple, message);
    LLVMDisposeMessage(message);
    LLVMDisposeMessage(triple);
    return status;
  }
  const char *cpu = cpu_of(isa, triple);
  *out =
      LLVMCreateTargetMachine(target, triple, cpu, isa->llvm_features,
                              quick ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelSmall);
  LLVMDisposeMessage(triple);
  if (!*out)
    return qn_error(ctx, QN_DIAG_ENGINE, nowhere, "LLVM cannot make code for cpu '%s' with features '%s'", cpu,
                    isa->llvm_features);
  return QN_OK;
}

/* ---- machines that wait for the next module ---- */

/* A machine works out what its processor can do when it first sees a function, which takes a twentieth of the time that
 * a body takes: so machines are kept. One module at a time has one. */
enum { MOST_IDLE = 8 };
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
  const char *row; /* of known[] */
  bool quick;
  LLVMTargetMachineRef machine;
} idle[MOST_IDLE];

qn_status qn__ll_target_take(qn_context *ctx, const qn_isa *isa, bool quick, LLVMTargetMachineRef *out) {
  *out = NULL;
  pthread_mutex_lock(&idle_lock);
  for (size_t i = 0; i < MOST_IDLE && !*out && is_known(isa); i++) {
    if (!idle[i].machine || idle[i].quick != quick || strcmp(idle[i].row, isa->name) != 0) continue;
    *out = idle[i].machine;
    idle[i].machine = NULL;
  }
  pthread_mutex_unlock(&idle_lock);
  return *out ? QN_OK : create(ctx, isa, quick, out);
}

void qn__ll_target_give(const qn_isa *isa, bool quick, LLVMTargetMachineRef machine) {
  const char *row = NULL;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (!strcmp(known[i].name, isa->name)) row = known[i].name;
  pthread_mutex_lock(&idle_lock);
  for (size_t i = 0; i < MOST_IDLE && machine; i++) {
    if (idle[i].machine) continue;
    idle[i].row = row;
    idle[i].quick = quick;
    idle[i].machine = machine;
    machine = NULL;
  }
  pthread_mutex_unlock(&idle_lock);
  if (machine) LLVMDisposeTargetMachine(machine);
}
