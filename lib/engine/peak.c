/* The limit that kernels are compared with: independent dot-product instructions on registers, timed. */
#include "context_impl.h"
#include "program.h"
#include <pthread.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct peak_thread {
  pthread_t id;
  qn_kernel_fn run;
  double ops, best; /* per iteration; per second */
} peak_thread;

static void *measure(void *arg) {
  peak_thread *t = arg;
  int64_t sink[64] = {0};
  void *ptrs[1] = {sink};
  qn_kargs args = {.ptr = ptrs, .workspace = sink, .end = {1000, 1}};
  double start = now(), took = 0;
  while (took < 2e-3) { /* iterations that take about 5 ms */
    double t0 = now();
    t->run(&args);
    took = now() - t0;
    if (took < 2e-3) args.end[0] *= 2;
  }
  while (now() - start < 0.15) {
    double t0 = now();
    t->run(&args);
    double speed = t->ops * (double)args.end[0] / (now() - t0);
    if (speed > t->best) t->best = speed;
  }
  return NULL;
}

qn_status qn_engine_peak(qn_context *ctx, const char *cpu, uint32_t num_threads, double *ops_per_second) {
  const qn_isa *isa = cpu ? qn_isa_find(qn_str_of(cpu)) : qn_isa_host();
  const qn_backend *backend;
  *ops_per_second = 0;
  if (!isa)
    return qn_error(ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(""),
                    "no instruction set is named '%s'; 'quern isa' lists them", cpu);
  if (!qn_isa_runs_here(isa))
    return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "this machine cannot run code for %s", isa->name);
  qn_status status = qn__backend_find(ctx, "llvm", &backend);
  if (status) return status;
  qn_code *code;
  double macs;
  if ((status = backend->peak(ctx, isa, &code, &macs))) return status;
  if (num_threads < 1) num_threads = 1;
  if (num_threads > 64) num_threads = 64;
  peak_thread threads[64] = {{0}};
  uint32_t started = 0;
  for (uint32_t i = 0; i < num_threads; i++) threads[i] = (peak_thread){.run = code->functions[0], .ops = 2 * macs};
  for (uint32_t i = 1; i < num_threads && pthread_create(&threads[i].id, NULL, measure, &threads[i]) == 0; i++)
    started++;
  measure(&threads[0]);
  for (uint32_t i = 1; i <= started; i++) pthread_join(threads[i].id, NULL);
  for (uint32_t i = 0; i <= started; i++) *ops_per_second += threads[i].best;
  code->destroy(code);
  return QN_OK;
}
