/* Timing a program. The peak is measured in the same run, before and after, so that a machine that changes its clock
 * is compared with itself. */
#include "alloc.h"
#include "clock.h"
#include "runner.h"
#include <quern/driver.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLES = 100000 };

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* A runner with what measuring adds to it. */
typedef struct bench {
  qn__runner run;
  qn_pool *pool;
  qn_parallel parallel;
  double *samples;
} bench;

static qn_status bench_open(bench *b, qn_context *ctx, const qn_program *p, const qn_tensor *inputs, uint32_t threads) {
  memset(b, 0, sizeof *b);
  qn_status status = threads > 1 ? qn_pool_create(ctx, threads, &b->pool) : QN_OK;
  if (b->pool) b->parallel = qn_pool_parallel(b->pool);
  if (!status) status = qn__runner_open(&b->run, ctx, p, inputs, b->pool ? &b->parallel : NULL);
  b->samples = status ? NULL : qn__alloc(qn_context_allocator(ctx), MAX_SAMPLES * sizeof *b->samples);
  return status || b->samples ? status : qn_error_no_memory(ctx);
}

static void bench_close(bench *b, qn_context *ctx) {
  qn__runner_close(&b->run);
  qn__free(qn_context_allocator(ctx), b->samples, b->samples ? MAX_SAMPLES * sizeof *b->samples : 0);
  qn_pool_destroy(b->pool);
}

/* Samples of at least 20 us each, until the time is used up. */
static qn_status measure(bench *b, double seconds, qn_bench_result *out) {
  double start = qn__now_ns();
  qn_status status = qn__runner_call(&b->run, 1);
  double once = (qn__now_ns() - start) * 1e-9;
  int repeat = once < 20e-6 ? (int)(20e-6 / (once > 1e-8 ? once : 1e-8)) + 1 : 1;
  size_t n = 0;
  for (double end = qn__now_ns() + seconds * 1e9; !status && n < MAX_SAMPLES;) {
    double t = qn__now_ns();
    status = qn__runner_call(&b->run, repeat);
    double after = qn__now_ns();
    b->samples[n++] = (after - t) / repeat * 1e-3;
    if (after > end) break;
  }
  if (status) return status;
  qsort(b->samples, n, sizeof *b->samples, by_value);
  out->time_us = b->samples[0];
  out->median_us = b->samples[n / 2];
  return QN_OK;
}

/* Whoever watches calls sees the first one: telling of each takes longer than many of them do. */
static qn_status measure_unseen(bench *b, qn_context *ctx, double seconds, qn_bench_result *out) {
  qn_call_handler handler;
  void *user;
  qn_status status = qn__runner_call(&b->run, 1);
  if (status) return status;
  qn_context_set_call_handler(ctx, NULL, NULL, &handler, &user);
  status = qn__runner_call(&b->run, 1);
  if (!status) status = measure(b, seconds, out);
  qn_context_set_call_handler(ctx, handler, user, NULL, NULL);
  return status;
}

/* ---- the peak: of a program that multiplies in several ways, the speed at which each part is at its own ---- */

typedef struct peaks {
  double by[QN_MULTIPLIER_COUNT];   /* operations of a call */
  double best[QN_MULTIPLIER_COUNT]; /* per second; 0 until measured */
  const char *instruction[QN_MULTIPLIER_COUNT];
} peaks;

static qn_status measure_peaks(qn_context *ctx, const char *cpu, uint32_t threads, peaks *p) {
  qn_status status = QN_OK;
  for (uint32_t i = 0; !status && i < QN_MULTIPLIER_COUNT; i++) {
    double ops = 0;
    if (p->by[i] > 0) status = qn_engine_peak(ctx, cpu, i, threads, &ops, &p->instruction[i]);
    if (ops > p->best[i]) p->best[i] = ops;
  }
  return status;
}

static void compare(const peaks *p, double ops, qn_bench_result *out) {
  double seconds = 0;
  size_t at = 0;
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++) {
    if (p->by[i] <= 0) continue;
    if (p->best[i] <= 0) return;
    seconds += p->by[i] / p->best[i];
    const char *name = p->instruction[i] ? p->instruction[i] : qn_multiplier_name(i);
    int n = snprintf(out->instructions + at, sizeof out->instructions - at, "%s%s", at ? ", " : "", name);
    at += n > 0 ? (size_t)n : 0;
    if (at >= sizeof out->instructions) at = sizeof out->instructions - 1;
  }
  out->peak_gops = ops / seconds * 1e-9;
  out->fraction = out->gops / out->peak_gops;
}

qn_status qn_bench_program(qn_context *ctx, const qn_program *p, const char *cpu, const qn_tensor *inputs,
                           uint32_t threads, double seconds, qn_bench_result *out) {
  if (!ctx || !p || !out || (!inputs && qn_program_num_inputs(p))) return qn_error_null(ctx, __func__);
  bench b;
  peaks peak = {{0}, {0}, {NULL}};
  memset(out, 0, sizeof *out);
  qn_status status = bench_open(&b, ctx, p, inputs, threads);
  double ops = status ? 0 : qn_program_ops(p, b.run.dl, peak.by);
  bool limited = ops > 0 && strcmp(qn_program_engine(p), "llvm") == 0;
  if (!status && limited) status = measure_peaks(ctx, cpu, threads, &peak);
  if (!status) status = measure_unseen(&b, ctx, seconds, out);
  if (!status && limited) status = measure_peaks(ctx, cpu, threads, &peak);
  if (!status && ops > 0) out->gops = ops / out->time_us * 1e-3;
  if (!status && limited) compare(&peak, ops, out);
  bench_close(&b, ctx);
  return status;
}

/* ---- kernel by kernel ---- */

typedef struct kernel_times {
  size_t room;
  qn_kernel_time *times;
} kernel_times;

static void keep_text(char *to, size_t room, const char *from) {
  size_t n = strlen(from);
  if (n >= room) n = room - 1;
  memcpy(to, from, n);
  to[n] = 0;
}

static void on_call(void *user, const qn_call_event *e) {
  kernel_times *k = user;
  if (e->kind != QN_EVENT_STEP || e->index >= k->room) return;
  qn_kernel_time *t = &k->times[e->index];
  if (!t->calls || e->ns < t->best_ns) t->best_ns = e->ns;
  t->total_ns += e->ns;
  t->ops = e->ops, t->bytes = e->bytes;
  t->multiplies = e->multiplies;
  memcpy(t->by, e->by, sizeof t->by);
  if (t->calls++) return;
  t->kernel = e->kernel;
  keep_text(t->shape, sizeof t->shape, e->shape);
  keep_text(t->types, sizeof t->types, e->types);
}

qn_status qn_bench_kernels(qn_context *ctx, const qn_program *p, const qn_tensor *inputs, uint32_t threads,
                           double seconds, size_t room, qn_kernel_time *times, size_t *count) {
  if (!ctx || !p || !count || (!times && room) || (!inputs && qn_program_num_inputs(p)))
    return qn_error_null(ctx, __func__);
  bench b;
  qn_kernel_info info;
  qn_call_handler old;
  void *old_user;
  kernel_times k = {.room = room, .times = times};
  *count = 0;
  while (qn_program_kernel(p, *count, &info)) ++*count;
  if (room) memset(times, 0, room * sizeof *times);
  qn_context_set_call_handler(ctx, NULL, NULL, &old, &old_user);
  qn_status status = bench_open(&b, ctx, p, inputs, threads);
  if (!status) status = qn__runner_call(&b.run, 2);
  qn_context_set_call_handler(ctx, on_call, &k, NULL, NULL);
  for (double end = qn__now_ns() + seconds * 1e9; !status;) {
    status = qn__runner_call(&b.run, 1);
    if (qn__now_ns() > end) break;
  }
  qn_context_set_call_handler(ctx, old, old_user, NULL, NULL);
  bench_close(&b, ctx);
  return status;
}
