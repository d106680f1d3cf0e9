/* Which code generators there are, and opening the LLVM module: it is looked for beside libquern, beside the running
 * program, where it was installed and where it was built, or where QUERN_LLVM_MODULE says. */
#define _GNU_SOURCE /* dladdr */
#include "context_impl.h"
#include "program.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const engine_names[] = {
#ifdef QUERN_HAVE_LLVM
    "llvm",
#endif
#ifdef QUERN_HAVE_TCC
    "tcc",
#endif
    "interp",
};

const char *qn_engine_name(size_t i) {
  return i < sizeof engine_names / sizeof engine_names[0] ? engine_names[i] : NULL;
}

#ifdef QUERN_HAVE_LLVM

#  define MODULE "quern-llvm.so"

/* The folder of a file path, into `out`. */
static bool folder_of(const char *path, char *out, size_t size) {
  const char *slash = strrchr(path, '/');
  if (!slash || (size_t)(slash - path) >= size) return false;
  memcpy(out, path, (size_t)(slash - path));
  out[slash - path] = 0;
  return true;
}

static void *try_open(const char *folder, const char *rest) {
  char path[4200];
  int n = snprintf(path, sizeof path, "%s%s", folder, rest);
  return n > 0 && (size_t)n < sizeof path && access(path, R_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
}

static void *open_module(void) {
  static const char *const beside[] = {"/quern/" MODULE, "/" MODULE, "/../lib/" MODULE, "/../lib/quern/" MODULE};
  const char *named = getenv("QUERN_LLVM_MODULE");
  void *module = NULL;
  if (named) return dlopen(named, RTLD_NOW | RTLD_LOCAL);
  char folder[4096];
  Dl_info self;
  if (dladdr((void *)(uintptr_t)&qn_engine_name, &self) && self.dli_fname &&
      folder_of(self.dli_fname, folder, sizeof folder))
    for (size_t i = 0; i < sizeof beside / sizeof beside[0] && !module; i++) module = try_open(folder, beside[i]);
  char exe[4096];
  ssize_t n = module ? 0 : readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n > 0) {
    exe[n] = 0;
    if (folder_of(exe, folder, sizeof folder))
      for (size_t i = 0; i < sizeof beside / sizeof beside[0] && !module; i++) module = try_open(folder, beside[i]);
  }
#  ifdef QUERN_LLVM_INSTALLED
  if (!module) module = try_open(QUERN_LLVM_INSTALLED, "/" MODULE);
#  endif
#  ifdef QUERN_LLVM_BUILT
  if (!module) module = try_open(QUERN_LLVM_BUILT, "/" MODULE);
#  endif
  return module;
}

/* The module stays open for the life of the process: libLLVM keeps state of its own that does not survive unloading. */
static const qn_backend *llvm_backend;
static pthread_once_t llvm_once = PTHREAD_ONCE_INIT;
static char llvm_problem[512];

static void llvm_open(void) {
  void *module = open_module();
  if (!module) {
    const char *why = dlerror();
    snprintf(llvm_problem, sizeof llvm_problem, "%s", why ? why : "file " MODULE " not found");
    return;
  }
  void *symbol = dlsym(module, "qn_llvm_backend");
  qn_llvm_backend_fn get;
  memcpy(&get, &symbol, sizeof get);
  llvm_backend = get ? get(QN_BACKEND_ABI) : NULL;
  if (!llvm_backend) snprintf(llvm_problem, sizeof llvm_problem, "it is of another version than this library");
}

static qn_status find_llvm(qn_context *ctx, const qn_backend **out) {
  pthread_once(&llvm_once, llvm_open);
  *out = llvm_backend;
  return llvm_backend ? QN_OK
                      : qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""),
                                 "engine 'llvm': cannot open the module " MODULE ": %s", llvm_problem);
}
#endif

qn_status qn__backend_find(qn_context *ctx, const char *engine, const qn_backend **out) {
  *out = NULL;
#ifdef QUERN_HAVE_LLVM
  if (!strcmp(engine, "llvm")) return find_llvm(ctx, out);
#endif
#ifdef QUERN_HAVE_TCC
  if (!strcmp(engine, "tcc")) {
    *out = qn__tcc_backend();
    return QN_OK;
  }
#endif
  char known[64] = "auto";
  for (size_t i = 0; qn_engine_name(i); i++)
    snprintf(known + strlen(known), sizeof known - strlen(known), ", %s", qn_engine_name(i));
  return qn_error(ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(""), "no engine '%s' is built in; there are %s", engine,
                  known);
}
