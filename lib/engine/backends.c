/* Which code generators there are, and opening the LLVM module: it is looked for beside libquern, beside the running
 * program, where it was installed and where it was built, or where QUERN_LLVM_MODULE says. */
#define _GNU_SOURCE /* dladdr */
#include "context_impl.h"
#include "fileio.h"
#include "program.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

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

/* folder + rest, when that is a file that can be read. */
static bool try_path(const char *folder, const char *rest, char *path, size_t size) {
  int n = snprintf(path, size, "%s%s", folder, rest);
  return n > 0 && (size_t)n < size && access(path, R_OK) == 0;
}

static bool try_beside(const char *file, char *path, size_t size) {
  static const char *const beside[] = {"/quern/" MODULE, "/" MODULE, "/../lib/" MODULE, "/../lib/quern/" MODULE};
  char folder[4096];
  if (!folder_of(file, folder, sizeof folder)) return false;
  for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
    if (try_path(folder, beside[i], path, size)) return true;
  return false;
}

static bool find_module(char *path, size_t size) {
  const char *named = getenv("QUERN_LLVM_MODULE");
  if (named) return snprintf(path, size, "%s", named) < (int)size;
  Dl_info self;
  if (dladdr((void *)(uintptr_t)&qn_engine_name, &self) && self.dli_fname && try_beside(self.dli_fname, path, size))
    return true;
  char exe[4096];
  ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
  if (n > 0) {
    exe[n] = 0;
    if (try_beside(exe, path, size)) return true;
  }
#  ifdef QUERN_LLVM_INSTALLED
  if (try_path(QUERN_LLVM_INSTALLED, "/" MODULE, path, size)) return true;
#  endif
#  ifdef QUERN_LLVM_BUILT
  if (try_path(QUERN_LLVM_BUILT, "/" MODULE, path, size)) return true;
#  endif
  return false;
}

/* The module stays open for the life of the process: libLLVM keeps state of its own that does not survive unloading. */
static const qn_backend *llvm_backend;
static pthread_once_t llvm_once = PTHREAD_ONCE_INIT;
static char llvm_problem[512];

static void llvm_open(void) {
  char path[4200];
  void *module = find_module(path, sizeof path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
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

/* The module's file, hashed once. */
static pthread_once_t identity_once = PTHREAD_ONCE_INIT;
static uint64_t identity[2];
static bool identity_known;

static void identify(void) {
  char path[4200];
  qn_file file;
  if (!find_module(path, sizeof path)) return;
  qn_context *ctx = qn_context_create(NULL);
  if (!ctx) return;
  if (qn__file_open(ctx, path, &file) == QN_OK) {
    XXH128_hash_t h = XXH3_128bits(file.data, file.size);
    identity[0] = h.low64, identity[1] = h.high64;
    identity_known = true;
    qn__file_close(&file);
  }
  qn_context_destroy(ctx);
}
#endif

bool qn__backend_identity(const char *engine, uint64_t out[2]) {
#ifdef QUERN_HAVE_LLVM
  if (!strcmp(engine, "llvm")) {
    pthread_once(&identity_once, identify);
    memcpy(out, identity, sizeof identity);
    return identity_known;
  }
#endif
  (void)engine, (void)out;
  return false;
}

qn_status qn__engine_unknown(qn_context *ctx, const char *engine) {
  char known[64] = "auto";
  for (size_t i = 0; qn_engine_name(i); i++)
    snprintf(known + strlen(known), sizeof known - strlen(known), ", %s", qn_engine_name(i));
  return qn_error(ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(""), "no engine '%s' is built in; there are %s", engine,
                  known);
}

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
  return qn__engine_unknown(ctx, engine);
}
