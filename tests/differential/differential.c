/* Random programs of random shapes, types and parameters: the interpreter on the program as written, against every
 * engine and every instruction set row that runs here on the program as lowered, on one thread and in parts that run in
 * any order, with and without an embedder's flush-to-zero and rounding mode, in memory of any alignment between pages
 * that no one may touch. Every bit must agree (any NaN equals any other).
 *
 *   differential [CASES [SEED [FAMILY]]] */
#include "guarded.h"
#include "program.h"
#include <fenv.h>
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#  include <xmmintrin.h>
#endif

enum { MAX_IN = 8, MAX_OUT = 4 };

static uint64_t state;
uint32_t next(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}
int pick(int n) {
  return (int)(next() % (uint32_t)n);
}
int size(void) {
  return pick(3) ? 1 + pick(20) : 1 + pick(200);
}
float uniform(void) {
  return (float)next() / 1073741824.0f - 1.0f;
}

char text[TEXT_ROOM];
size_t at;
void put(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(text + at, sizeof text - at, fmt, args);
  va_end(args);
  if (n > 0) at += (size_t)n;
  if (at >= sizeof text) at = sizeof text - 1;
}

typedef struct family {
  const char *name;
  void (*make)(void);
  int weight;
} family;
static const family families[] = {{"quantized matmul", quantized_matmul, 6},
                                  {"dynamic matmul", dynamic_matmul, 3},
                                  {"float matmul", float_matmul, 3},
                                  {"elementwise", elementwise, 3},
                                  {"conversions", conversions, 3},
                                  {"softmax", softmax, 2},
                                  {"block products", block_products, 4},
                                  {"codecs", codecs, 3},
                                  {"shapes", shapes, 1},
                                  {"attention", attention, 3},
                                  {"layers", layers, 5},
                                  {"wide codes", wide_codes, 2},
                                  {"long sums", long_sums, 2},
                                  {"layer norms", layer_norms, 2},
                                  {"batches", batches, 3},
                                  {"reductions", reductions, 2},
                                  {"constant weights", constant_weights, 4},
                                  {"narrow weights", narrow_weights, 2},
                                  {"convolutions", convolutions, 4},
                                  {"float convolutions", float_convolutions, 2},
                                  {"long windows", long_windows, 1},
                                  {"graphs", graphs, 8},
                                  {"requantizers", requantizers, 3},
                                  {"quantizers", quantizers, 3},
                                  {"integer products", integer_products, 3},
                                  {"pools", pools, 3},
                                  {"integer convolutions", integer_convolutions, 3},
                                  {"residuals", residuals, 2},
                                  {"open windows", open_windows, 2},
                                  {"open attention", open_attention, 2},
                                  {"epilogues", epilogues, 4},
                                  {"window epilogues", window_epilogues, 3},
                                  {"double windows", double_windows, 2}};

/* ---- running ---- */

/* Values that find mistakes: ordinary ones, zeros of both signs, infinities, NaN, subnormals, ties, extremes. */
static void fill(qn_tensor *t, bool wild) {
  static const double odd[] = {0.0,  -0.0,  0.5,   -0.5, 1.5,      2.5,       1e-40, -1e-42,
                               3e38, -3e38, 65504, 1e9,  INFINITY, -INFINITY, NAN};
  bool f = qn_scalar_is_float(t->elem);
  for (int64_t i = 0, n = qn_tensor_count(t); i < n; i++) {
    if (f)
      qn_tensor_set_f64(t, i, wild && pick(9) == 0 ? odd[pick(15)] : (double)(uniform() * 4.0f));
    else
      qn_tensor_set_i64(t, i,
                        pick(12) == 0 ? (pick(2) ? qn_scalar_min(t->elem) : qn_scalar_max(t->elem))
                                      : (int64_t)next() - (1 << 30));
  }
}

static bool is_nan_at(const qn_tensor *t, int64_t i) {
  double v = qn_tensor_get_f64(t, i);
  return v != v;
}

static bool same(const qn_tensor *a, const qn_tensor *b, int64_t *where) {
  if (a->elem != b->elem || a->rank != b->rank || memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]))
    return *where = -1, false;
  size_t bytes = qn_tensor_bytes(a);
  if (!bytes || !memcmp(a->data, b->data, bytes)) return true;
  uint32_t bits = qn_scalar_get(a->elem)->storage_bits;
  for (int64_t i = 0, n = qn_tensor_count(a); i < n; i++) {
    bool equal =
        bits < 8 ? qn_tensor_get_i64(a, i) == qn_tensor_get_i64(b, i)
                 : !memcmp((char *)a->data + (size_t)i * bits / 8, (char *)b->data + (size_t)i * bits / 8, bits / 8);
    if (!equal && !(qn_scalar_is_float(a->elem) && is_nan_at(a, i) && is_nan_at(b, i))) return *where = i, false;
  }
  return true;
}

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  fprintf(stderr, "%u:%u: %.*s\n", d->place.line, d->place.col, (int)d->message.size, d->message.data);
}

typedef struct tester {
  qn_context *ctx;
  qn_module *m;
  qn_tensor in[MAX_IN], expected[MAX_OUT];
  qn_pool *pool;
  int checks;
} tester;

/* An embedder's settings, which must not show in the results. */
static void disturb(bool on) {
  fesetround(on ? FE_UPWARD : FE_TONEAREST);
#if defined(__x86_64__)
  _mm_setcsr(on ? _mm_getcsr() | 0x8040u : _mm_getcsr() & ~0x8040u);
#endif
}

/* A run in memory that ends (or begins) at pages no one may touch, workspace full of whatever was there. */
typedef struct placed_run {
  guarded in[MAX_IN], out[MAX_OUT], workspace;
  DLTensor dl_in[MAX_IN], dl_out[MAX_OUT];
  int64_t in_shape[MAX_IN][QN_MAX_RANK], out_shape[MAX_OUT][QN_MAX_RANK];
} placed_run;

static void place_run(placed_run *r, const tester *t, const qn_program *p, size_t workspace, bool at_end, size_t skew) {
  for (uint32_t i = 0; i < qn_program_num_inputs(p); i++) {
    size_t bytes = qn_tensor_bytes(&t->in[i]);
    r->in[i] = guarded_take(bytes, at_end, skew);
    if (bytes) memcpy(r->in[i].data, t->in[i].data, bytes);
    guarded_freeze(&r->in[i]);
    r->dl_in[i] = qn_tensor_as_dlpack(&t->in[i], r->in_shape[i]);
    r->dl_in[i].data = r->in[i].data;
  }
  for (uint32_t i = 0; i < qn_program_num_outputs(p); i++) {
    r->out[i] = guarded_take(qn_tensor_bytes(&t->expected[i]), at_end, skew);
    r->dl_out[i] = qn_tensor_as_dlpack(&t->expected[i], r->out_shape[i]);
    r->dl_out[i].data = r->out[i].data;
  }
  r->workspace = guarded_take(workspace, at_end, skew);
}

/* As a prepared call, where there can be one: made, moved to where it is, run. */
static qn_status call_prepared(const qn_program *p, placed_run *r, const qn_parallel *parallel, qn_call_error *error) {
  void *in[MAX_IN], *out[MAX_OUT];
  qn_prepared *prepared = NULL;
  for (uint32_t i = 0; i < qn_program_num_inputs(p); i++) in[i] = r->in[i].data;
  for (uint32_t i = 0; i < qn_program_num_outputs(p); i++) out[i] = r->out[i].data;
  qn_status status = qn_prepared_create(p, r->dl_in, r->dl_out, parallel, &prepared, error);
  if (!status) status = qn_prepared_set(prepared, in, out, error);
  if (!status) status = qn_prepared_run(prepared, error);
  qn_prepared_destroy(prepared);
  return status;
}

static qn_status call(const qn_program *p, placed_run *r, const qn_parallel *parallel, qn_call_error *error) {
  if (strcmp(qn_program_engine(p), "interp") && pick(3) == 0) {
    qn_status status = call_prepared(p, r, parallel, error);
    if (!status || error->code != QN_DIAG_LIMIT) return status;
  }
  return qn_program_call(p, r->dl_in, r->dl_out, r->workspace.data, r->workspace.bytes, parallel, error);
}

static bool compare_run(tester *t, const qn_program *p, const char *what, bool threads, bool disturbed) {
  placed_run r;
  qn_call_error error = {0};
  size_t workspace = 0;
  int way = pick(PARALLEL_KINDS);
  qn_parallel parallel = any_parallel(t->pool, way);
  parallel.min_ns = 1; /* cut everything, however small */
  for (uint32_t i = 0; i < qn_program_num_inputs(p); i++) r.dl_in[i] = qn_tensor_as_dlpack(&t->in[i], r.in_shape[i]);
  qn_status status = qn_program_sizes(p, r.dl_in, &workspace, NULL, &error);
  place_run(&r, t, p, status ? 0 : workspace, !disturbed, (size_t)pick(64));
  if (disturbed) disturb(true);
  /* Twice at times: a call may take another way than the one before it. */
  for (int times = 1 + pick(2); times > 0 && !status; times--) status = call(p, &r, threads ? &parallel : NULL, &error);
  if (disturbed) disturb(false);
  bool ok = status == QN_OK;
  if (!ok) fprintf(stderr, "%s: %s\n", what, error.message);
  for (uint32_t i = 0; i < qn_program_num_outputs(p); i++) {
    int64_t where = 0;
    qn_tensor out = t->expected[i];
    out.data = r.out[i].data;
    if (ok && !same(&out, &t->expected[i], &where)) {
      ok = false;
      fprintf(stderr, "%s%s%s: output %u differs at %lld: %.9g, interpreter %.9g\n", what, threads ? ", parts" : "",
              disturbed ? ", disturbed" : "", i, (long long)where, where < 0 ? 0 : qn_tensor_get_f64(&out, where),
              where < 0 ? 0 : qn_tensor_get_f64(&t->expected[i], where));
    }
  }
  bool clean = guarded_release(&r.workspace);
  for (uint32_t i = 0; i < qn_program_num_inputs(p); i++) clean &= guarded_release(&r.in[i]);
  for (uint32_t i = 0; i < qn_program_num_outputs(p); i++) clean &= guarded_release(&r.out[i]);
  if (!clean) fprintf(stderr, "%s%s: wrote beside what it was given\n", what, threads ? ", parts" : "");
  t->checks++;
  return ok && clean;
}

static bool check_tuned(tester *t, const qn_program *plain, const char *engine, const qn_isa *isa);

/* Also, now and then, with choices that no one would make. */
static bool check_engine(tester *t, const char *engine, const qn_isa *isa, bool plain) {
  char what[64];
  snprintf(what, sizeof what, "%s, %s", engine, isa->name);
  qn_module *lowered = qn_module_clone(t->m);
  qn_compile_options options = {.engine = engine};
  qn_program *p = NULL;
  bool ok = qn_lower(lowered, isa->name) == QN_OK && qn_program_compile(lowered, &options, &p) == QN_OK;
  if (!ok) fprintf(stderr, "%s: does not compile\n", what);
  if (ok) ok = compare_run(t, p, what, false, false) && compare_run(t, p, what, pick(3) != 0, true);
  if (ok && plain && strcmp(engine, "interp") && !pick(6)) ok = check_tuned(t, p, engine, isa);
  qn_program_destroy(p);
  qn_module_destroy(lowered);
  return ok;
}

/* Anything that may be chosen for the products of a program, or for a machine. */
static void choose_anything(tester *t, const qn_program *p) {
  qn_kernel_info k;
  qn_machine machine = qn_machine_default();
  for (size_t i = 0; qn_machine_constant_get(i); i++) {
    const qn_machine_constant *c = qn_machine_constant_get(i);
    if (pick(2)) *qn_machine_at(&machine, i) = pick(2) ? c->least : c->otherwise * (1 + pick(4));
  }
  if (!pick(4)) qn_context_set_machine(t->ctx, &machine);
  for (size_t i = 0; qn_program_kernel(p, i, &k); i++) {
    if (!k.product) continue;
    qn_tuned tuned = *k.product;
    if (tuned.m_least < 0) tuned.m_least = 0, tuned.m_most = INT64_MAX;
    for (size_t c = 0; c < QN_CHOICE_COUNT; c++) {
      const qn_choice_info *info = qn_choice_info_get(c);
      if (!(info->kinds & tuned.kind) || pick(2)) continue;
      int most = info->most > 4096 ? 65536 : (int)info->most;
      tuned.choice.value[c] = info->least + pick(most);
      if (c == QN_CHOICE_UNROLL) tuned.choice.value[c] = 1 << pick(3);
      if (c == QN_CHOICE_PANEL) tuned.choice.value[c] = 4 << pick(5);
      if (c == QN_CHOICE_ROWS) tuned.choice.value[c] = 1 + pick(tuned.kind == QN_TUNED_BLOCK ? 8 : 16);
    }
    bool any = false;
    for (size_t c = 0; c < QN_CHOICE_COUNT; c++) any |= tuned.choice.value[c] >= 0;
    if (any && qn_tuning_put(t->ctx, &tuned)) exit(1);
  }
}

static bool check_tuned(tester *t, const qn_program *plain, const char *engine, const qn_isa *isa) {
  choose_anything(t, plain);
  bool ok = check_engine(t, engine, isa, false);
  if (!ok && qn_tuning_write(t->ctx, "/dev/stderr")) ok = false;
  return qn_tuning_read(t->ctx, NULL, QN_FOREIGN_IGNORE) == QN_OK && ok;
}

static bool run_case(tester *t, bool wild) {
  qn_program *oracle = NULL;
  qn_compile_options interp = {.engine = "interp"};
  if (qn_parse_text(t->ctx, (qn_str){text, at}, "case", NULL, &t->m)) return false;
  bool ok = qn_program_compile(t->m, &interp, &oracle) == QN_OK;
  uint32_t n = ok ? qn_program_num_inputs(oracle) : 0;
  int64_t rows = size();
  for (uint32_t i = 0; i < n; i++) {
    qn_port_info port = qn_program_input(oracle, i);
    t->in[i] = (qn_tensor){.elem = port.elem, .rank = port.rank};
    memcpy(t->in[i].shape, port.shape, sizeof port.shape);
    for (uint32_t d = 0; d < port.rank; d++) /* all the same size that the program does not say */
      if (port.shape[d] == QN_DYNAMIC) t->in[i].shape[d] = rows;
    t->in[i].data = calloc(1, qn_tensor_bytes(&t->in[i]) + 1);
    fill(&t->in[i], wild);
  }
  ok = ok && qn_program_run(oracle, t->in, t->expected, NULL) == QN_OK;
  if (ok) {
    for (size_t e = 0; qn_engine_name(e); e++)
      for (size_t r = 0; qn_isa_get(r); r++) {
        bool interpreter = !strcmp(qn_engine_name(e), "interp"), tcc = !strcmp(qn_engine_name(e), "tcc");
        if (!qn_isa_runs_here(qn_isa_get(r)) || (tcc && r > 0 && pick(4))) continue;
        ok = check_engine(t, qn_engine_name(e), qn_isa_get(r), true) && ok;
        if (interpreter && r > 0) break; /* lowered programs on the interpreter: two layouts are enough */
      }
    for (uint32_t i = 0; i < qn_program_num_outputs(oracle); i++) qn_tensor_free(t->ctx, &t->expected[i]);
  }
  for (uint32_t i = 0; i < n; i++) free(t->in[i].data);
  qn_program_destroy(oracle);
  qn_module_destroy(t->m);
  return ok;
}

/* A kernel that leaves its memory ends the process: tell first what it ran. */
static void on_crash(int signal) {
  (void)signal;
  static const char line[] = "crashed:\n";
  if (write(2, line, sizeof line - 1) < 0 || write(2, text, at) < 0) _exit(3);
  _exit(2);
}

int main(int argc, char **argv) {
  int cases = argc > 1 ? atoi(argv[1]) : 120, bad = 0, total = 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
  for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) total += families[f].weight;
  tester t = {0};
  signal(SIGSEGV, on_crash);
  signal(SIGBUS, on_crash);
  qn_context_options options = {.on_diag = on_diag};
  for (int i = 0; i < cases && bad < 10; i++) {
    t.ctx = qn_context_create(&options);
    if (!t.ctx || qn_pool_create(t.ctx, 2, &t.pool)) return 1;
    state = seed * 1000003u + (uint64_t)i;
    next(), next();
    int w = pick(total);
    size_t f = 0;
    while (w >= families[f].weight) w -= families[f++].weight;
    for (size_t k = 0; argc > 3 && k < sizeof families / sizeof families[0]; k++)
      if (!strcmp(families[k].name, argv[3])) f = k;
    at = 0;
    families[f].make();
    if (!run_case(&t, pick(2) != 0)) {
      bad++;
      fprintf(stderr, "case %d (seed %llu, %s):\n%.*s\n", i, (unsigned long long)seed, families[f].name,
              at > 3000 ? 3000 : (int)at, text);
    }
    qn_pool_destroy(t.pool);
    qn_context_destroy(t.ctx);
  }
  printf("%d cases, %d runs compared, %d bad\n", cases, t.checks, bad);
  return bad != 0;
}
