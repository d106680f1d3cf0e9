/* The limits that kernels are compared with: loops of the code generator's that do one thing, timed. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise, _SC_LEVEL3_CACHE_SIZE */
#include "clock.h"
#include "context_impl.h"
#include "program.h"
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_THREADS = 64 };

/* One thread's share of a measurement. */
typedef struct runner {
  pthread_t id;
  qn_kernel_fn run;
  char *from;    /* what a read loop reads; null for others */
  int64_t most;  /* iterations there is room for; 0 for any number */
  double amount; /* per iteration */
  double best;   /* amount per second */
} runner;

/* Seconds. */
static double once(runner *r, int64_t iterations) {
  void *ptrs[1] = {r->from};
  qn_kargs args = {.ptr = ptrs, .end = {iterations, 1}};
  double start = qn__now_ns();
  r->run(&args);
  return (qn__now_ns() - start) * 1e-9;
}

static void *measure(void *arg) {
  runner *r = arg;
  int64_t n = r->most ? r->most : 1000;
  int64_t repeat = 1;
  double begun = qn__now_ns(), took = 0;
  while (!r->most && (took = once(r, n)) < 2e-3) n *= 2; /* a few milliseconds each */
  while (r->most && qn__now_ns() - begun < 50e6) {       /* the same data again and again, where it is little */
    took = 0;
    for (int64_t i = 0; i < repeat; i++) took += once(r, n);
    if (took > 1e-3) break;
    repeat *= 2;
  }
  begun = qn__now_ns();
  do {
    took = 0;
    for (int64_t i = 0; i < repeat; i++) took += once(r, n);
    double speed = r->amount * (double)n * (double)repeat / took;
    if (speed > r->best) r->best = speed;
  } while (qn__now_ns() - begun < 150e6);
  return NULL;
}

static double run_all(qn_kernel_fn run, double amount, uint32_t threads, char *from, size_t bytes_each) {
  runner r[MAX_THREADS] = {{0}};
  uint32_t started = 1;
  double sum = 0;
  for (uint32_t i = 0; i < threads; i++)
    r[i] = (runner){.run = run,
                    .amount = amount,
                    .from = from ? from + i * bytes_each : NULL,
                    .most = from ? (int64_t)((double)bytes_each / amount) : 0};
  while (started < threads && pthread_create(&r[started].id, NULL, measure, &r[started]) == 0) started++;
  measure(&r[0]);
  for (uint32_t i = 1; i < started; i++) pthread_join(r[i].id, NULL);
  for (uint32_t i = 0; i < started; i++) sum += r[i].best;
  return sum;
}

/* Memory of our own in large pages where the system has them; touched, so that it is there. */
static char *map_bytes(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  madvise(p, bytes, MADV_HUGEPAGE);
  memset(p, 1, bytes);
  return p;
}

static size_t cache_size(int name, size_t otherwise) {
  long n = sysconf(name);
  return n > 0 ? (size_t)n : otherwise;
}

static size_t bytes_to_read(bool memory) {
  if (!memory) return cache_size(_SC_LEVEL2_CACHE_SIZE, (size_t)1 << 20) / 2 & ~(size_t)65535;
  size_t n = 2 * cache_size(_SC_LEVEL3_CACHE_SIZE, (size_t)32 << 20), most = (size_t)1 << 30, least = (size_t)64 << 20;
  return n > most ? most : n < least ? least : n;
}

static qn_status find_row(qn_context *ctx, const char *cpu, const qn_isa **out) {
  qn_status status = qn_isa_need(ctx, qn_str_of(cpu), out);
  if (status) return status;
  if (!qn_isa_runs_here(*out))
    return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "this machine cannot run code for %s", (*out)->name);
  return QN_OK;
}

/* Amount per second of one limit, 0 where the row has no instruction for it; for reads, of `each` bytes again and again
 * on each thread. */
static qn_status measure_limit(qn_context *ctx, const qn_isa *isa, uint32_t kind, size_t each, uint32_t threads,
                               double *out, const char **instruction) {
  const qn_backend *backend;
  qn_limit limit = {NULL, 0, NULL};
  *out = 0;
  qn_status status = qn__backend_find(ctx, "llvm", &backend);
  if (!status) status = backend->limit(ctx, isa, kind, &limit);
  if (instruction) *instruction = limit.instruction;
  if (status || !limit.code) return status;
  char *from = each ? map_bytes(each * threads) : NULL;
  double amount = kind == QN_LIMIT_READ ? limit.amount : 2 * limit.amount;
  if (each && !from)
    status = qn_error_no_memory(ctx);
  else
    *out = run_all(limit.code->functions[0], amount, threads, from, each);
  if (from) munmap(from, each * threads);
  limit.code->destroy(limit.code);
  return status;
}

static uint32_t some_threads(uint32_t n) {
  return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

qn_status qn_engine_peak(qn_context *ctx, const char *cpu, qn_multiplier multiplier, uint32_t num_threads,
                         double *ops_per_second, const char **instruction) {
  if (!ctx || !ops_per_second) return qn_error_null(ctx, __func__);
  const qn_isa *isa;
  *ops_per_second = 0;
  if (instruction) *instruction = NULL;
  if ((uint32_t)multiplier >= QN_MULTIPLIER_COUNT)
    return qn_error(ctx, QN_DIAG_ENGINE, qn_place_file(""), "%u is no multiplier", (unsigned)multiplier);
  qn_status status = find_row(ctx, cpu, &isa);
  if (status) return status;
  return measure_limit(ctx, isa, multiplier, 0, some_threads(num_threads), ops_per_second, instruction);
}

qn_status qn_engine_limits(qn_context *ctx, const char *cpu, uint32_t num_threads, uint32_t multipliers,
                           qn_limits *out) {
  if (!ctx || !out) return qn_error_null(ctx, __func__);
  const qn_isa *isa;
  memset(out, 0, sizeof *out);
  uint32_t threads = some_threads(num_threads);
  size_t memory = bytes_to_read(true) / threads;
  qn_status status = find_row(ctx, cpu, &isa);
  for (uint32_t i = 0; !status && i < QN_MULTIPLIER_COUNT; i++)
    if (multipliers >> i & 1) status = measure_limit(ctx, isa, i, 0, threads, &out->ops[i], NULL);
  if (!status) status = measure_limit(ctx, isa, QN_LIMIT_READ, bytes_to_read(false), threads, &out->cache_bytes, NULL);
  if (!status) status = measure_limit(ctx, isa, QN_LIMIT_READ, memory, threads, &out->memory_bytes, NULL);
  return status;
}

qn_status qn_engine_read_speed(qn_context *ctx, const char *cpu, size_t bytes, double *bytes_per_second) {
  if (!ctx || !bytes_per_second) return qn_error_null(ctx, __func__);
  const qn_isa *isa;
  *bytes_per_second = 0;
  qn_status status = find_row(ctx, cpu, &isa);
  bytes = bytes < 65536 ? 65536 : bytes & ~(size_t)65535;
  return status ? status : measure_limit(ctx, isa, QN_LIMIT_READ, bytes, 1, bytes_per_second, NULL);
}
