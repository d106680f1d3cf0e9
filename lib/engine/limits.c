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

/* Amount per second of one limit; for reads, of `each` bytes again and again on each thread. */
static qn_status limit(qn_context *ctx, const qn_isa *isa, qn_limit_kind kind, size_t each, uint32_t threads,
                       double *out) {
  const qn_backend *backend;
  qn_code *code;
  double amount;
  *out = 0;
  qn_status status = qn__backend_find(ctx, "llvm", &backend);
  if (!status) status = backend->limit(ctx, isa, kind, &code, &amount);
  if (status) return status;
  char *from = each ? map_bytes(each * threads) : NULL;
  if (each && !from)
    status = qn_error_no_memory(ctx);
  else
    *out = run_all(code->functions[0], kind == QN_LIMIT_READ ? amount : 2 * amount, threads, from, each);
  if (from) munmap(from, each * threads);
  code->destroy(code);
  return status;
}

static uint32_t some_threads(uint32_t n) {
  return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

qn_status qn_engine_peak(qn_context *ctx, const char *cpu, uint32_t num_threads, double *ops_per_second) {
  if (!ctx || !ops_per_second) return qn_error_null(ctx, __func__);
  const qn_isa *isa;
  *ops_per_second = 0;
  qn_status status = find_row(ctx, cpu, &isa);
  return status ? status : limit(ctx, isa, QN_LIMIT_INT8, 0, some_threads(num_threads), ops_per_second);
}

qn_status qn_engine_limits(qn_context *ctx, const char *cpu, uint32_t num_threads, qn_limits *out) {
  if (!ctx || !out) return qn_error_null(ctx, __func__);
  const qn_isa *isa;
  memset(out, 0, sizeof *out);
  uint32_t threads = some_threads(num_threads);
  size_t memory = bytes_to_read(true) / threads;
  qn_status status = find_row(ctx, cpu, &isa);
  if (!status) status = limit(ctx, isa, QN_LIMIT_INT8, 0, threads, &out->int8_ops);
  if (!status) status = limit(ctx, isa, QN_LIMIT_F32, 0, threads, &out->f32_ops);
  if (!status) status = limit(ctx, isa, QN_LIMIT_READ, bytes_to_read(false), threads, &out->cache_bytes);
  if (!status) status = limit(ctx, isa, QN_LIMIT_READ, memory, threads, &out->memory_bytes);
  return status;
}

qn_status qn_engine_read_speed(qn_context *ctx, const char *cpu, size_t bytes, double *bytes_per_second) {
  if (!ctx || !bytes_per_second) return qn_error_null(ctx, __func__);
  const qn_isa *isa;
  *bytes_per_second = 0;
  qn_status status = find_row(ctx, cpu, &isa);
  bytes = bytes < 65536 ? 65536 : bytes & ~(size_t)65535;
  return status ? status : limit(ctx, isa, QN_LIMIT_READ, bytes, 1, bytes_per_second);
}
