/* The child of the set-up rows: one process, one kind of start. */
#include "setup.h"
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FEW = 12 };

static void tell(const char *key, double us) {
  printf("%.3f %s\n", us, key);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void tell_median(const char *key, double *us, int n) {
  if (n < 1) return;
  qsort(us, (size_t)n, sizeof *us, by_value);
  tell(key, us[n / 2]);
}

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  fprintf(stderr, "quern-bench-peers: %.*s\n", (int)d->message.size, d->message.data);
}

/* Kernels that share no body: other results, heights and epilogues. */
static const struct {
  int m;
  qn_scalar y;
  bool fused;
} kernels[FEW] = {{6, QN_UI8, true}, {6, QN_F32, true},  {6, QN_I32, false}, {5, QN_UI8, true},
                  {5, QN_F32, true}, {4, QN_UI8, true},  {4, QN_F32, true},  {3, QN_UI8, true},
                  {3, QN_F32, true}, {2, QN_UI8, false}, {2, QN_F32, false}, {1, QN_I8, true}};

/* Request to result: the program is created and called once. Negative on failure. */
static double request(qn_context *ctx, int i, const char *engine) {
  enum { N = 64, K = 64 };
  static int8_t b[N * K];
  static uint8_t a[8 * K];
  static float scales[N], bias[N];
  for (int j = 0; j < N; j++) scales[j] = 0.01f, bias[j] = 0.5f;
  memset(b, 3, sizeof b), memset(a, 5, sizeof a);
  qn_matmul_desc d = {.m = kernels[i].m, .n = N, .k = K, .a = QN_UI8, .b = QN_I8, .y = kernels[i].y};
  d.a_scale = 0.02f, d.y_scale = 0.1f, d.b_scales = scales, d.b_data = b;
  if (kernels[i].fused) d.bias = bias, d.relu = true;
  qn_compile_options compile = {.engine = engine};
  qn_program *p;
  contender c;
  qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {kernels[i].m, K}, .data = a};
  double start = seconds_now();
  if (qn_kernel_matmul(ctx, &d, &compile, &p) || !ours_program(ctx, p, &in, NULL, &c, NULL)) return -1;
  c.run(c.state);
  double took = seconds_now() - start;
  contender_destroy(&c);
  return took * 1e6;
}

static int bodies(qn_context *ctx, const char *engine, const char *first, const char *further) {
  double us[FEW];
  for (int i = 0; i < FEW; i++)
    if ((us[i] = request(ctx, i, engine)) < 0) return 1;
  if (first) tell(first, us[0]);
  tell_median(further, us + 1, FEW - 1);
  return 0;
}

/* LLVM's load apart: the module that the engine opens, opened before it. */
static int load_llvm(bool telling) {
  double start = seconds_now();
  if (!dlopen(QUERN_BENCH_LLVM, RTLD_NOW | RTLD_LOCAL)) {
    fprintf(stderr, "quern-bench-peers: %s\n", dlerror());
    return 1;
  }
  if (telling) tell("LLVM's load", (seconds_now() - start) * 1e6);
  return 0;
}

static int encoder(qn_context *ctx, const char *key) {
  text t = {NULL, 0, 0};
  qn_module *m;
  qn_program *p;
  contender c;
  qn_diag_handler handler;
  void *user;
  char what[80];
  qn_context_set_diag_handler(ctx, NULL, NULL, &handler, &user);
  encoder_text(&t, true);
  bool norms = qn_parse_text(ctx, (qn_str){t.data, t.size}, "encoder", NULL, &m) == QN_OK;
  qn_context_set_diag_handler(ctx, handler, user, NULL, NULL);
  if (!norms) {
    text_free(&t);
    encoder_text(&t, false);
    if (qn_parse_text(ctx, (qn_str){t.data, t.size}, "encoder", NULL, &m)) return 1;
  }
  text_free(&t);
  double start = seconds_now();
  if (qn_lower(m, NULL)) return 1;
  double lowered = seconds_now();
  if (qn_program_compile(m, NULL, &p)) return 1;
  qn_module_destroy(m);
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {128, 192}, .data = big_alloc(128 * 192 * sizeof(float))};
  fill_floats(in.data, 128 * 192, -1, 1, 1);
  if (!ours_program(ctx, p, &in, NULL, &c, NULL)) return 1;
  c.run(c.state);
  double called = seconds_now();
  c.run(c.state);
  double again = seconds_now();
  snprintf(what, sizeof what, "12-layer encoder%s: lowering", norms ? "" : " without norms");
  if (!strcmp(key, "cold")) tell(what, (lowered - start) * 1e6);
  snprintf(what, sizeof what, "12-layer encoder%s: kernels, %s", norms ? "" : " without norms", key);
  tell(what, (called - lowered - (again - called)) * 1e6);
  snprintf(what, sizeof what, "12-layer encoder%s: a later call", norms ? "" : " without norms");
  if (!strcmp(key, "cold")) tell(what, (again - called) * 1e6);
  contender_destroy(&c);
  free(in.data);
  return 0;
}

static int peers(void) {
  double us[FEW];
  int n = libxsmm_creations(us, FEW);
  tell_median("LIBXSMM: a kernel (median)", us, n);
  n = onednn_creations(us, FEW);
  tell_median("oneDNN: a primitive (median)", us, n);
  return 0;
}

int setup_child(const char *what, const char *folder) {
  qn_context_options context = {.on_diag = on_diag};
  qn_context *ctx = qn_context_create(&context);
  int status = 1;
  if (!ctx) return 1;
  if (!strcmp(what, "peers"))
    status = peers();
  else if (!strcmp(what, "kernels"))
    status = load_llvm(true) || bodies(ctx, "llvm", "the first body of a process, LLVM loaded",
                                       "a further body, created and called (median)");
  else if (!strcmp(what, "bodies"))
    status = load_llvm(false) || setup_bodies("");
  else if (!strncmp(what, "bodies ", 7))
    status = load_llvm(false) || setup_bodies(what + 7);
  else if (!strcmp(what, "encoder"))
    status = load_llvm(false) || encoder(ctx, "cold");
  else if (!strcmp(what, "tcc"))
    status = bodies(ctx, "tcc", NULL, "libtcc: a body, created and called (median)");
  else if (!strcmp(what, "cached"))
    status =
        qn_engine_set_cache(ctx, folder, 0) || bodies(ctx, "llvm", "the first body of a process, from the disk cache",
                                                      "a further body, from the disk cache (median)");
  else if (!strcmp(what, "encoder-cached"))
    status = qn_engine_set_cache(ctx, folder, 0) || encoder(ctx, "from the disk cache");
  qn_context_destroy(ctx);
  return status;
}

/* The cache's folder: files, and folders of files. */
void remove_folder(const char *path) {
  DIR *d = opendir(path);
  struct dirent *e;
  while (d && (e = readdir(d))) {
    char inner[1024];
    struct stat s;
    if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
    snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
    if (lstat(inner, &s)) continue;
    if (S_ISDIR(s.st_mode))
      remove_folder(inner);
    else
      unlink(inner);
  }
  if (d) closedir(d);
  rmdir(path);
}
