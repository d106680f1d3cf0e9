/* Timing a program. The peak is measured in the same run, before and after, so that a machine that changes its clock
 * is compared with itself. */
#include "alloc.h"
#include "clock.h"
#include <quern/driver.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLES = 100000 };

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

typedef struct bench {
  const qn_program *p;
  qn_context *ctx;
  const qn_allocator *allocator;
  uint32_t num_in, num_out;
  DLTensor *dl;
  int64_t (*shapes)[QN_MAX_RANK];
  void *workspace, **buffers;
  size_t workspace_bytes, *buffer_bytes;
  qn_pool *pool;
  qn_parallel pool_parallel;
  const qn_parallel *parallel; /* null for one thread */
  double *samples;
} bench;

static qn_status prepare(bench *b, const qn_tensor *inputs) {
  qn_call_error error = {.message = ""};
  for (uint32_t i = 0; i < b->num_in; i++) b->dl[i] = qn_tensor_as_dlpack(&inputs[i], b->shapes[i]);
  int64_t(*out)[QN_MAX_RANK] = b->shapes + b->num_in;
  qn_status status = qn_program_sizes(b->p, b->dl, &b->workspace_bytes, out, &error);
  if (status) return qn_error(b->ctx, error.code, qn_place_file(""), "%s", error.message);
  b->workspace = qn__alloc(b->allocator, b->workspace_bytes + 1);
  for (uint32_t i = 0; i < b->num_out; i++) {
    qn_port_info port = qn_program_output(b->p, i);
    qn_tensor t = {.elem = port.elem, .rank = port.rank};
    memcpy(t.shape, out[i], sizeof t.shape);
    b->buffer_bytes[i] = qn_tensor_bytes(&t) + 1;
    t.data = b->buffers[i] = qn__alloc(b->allocator, b->buffer_bytes[i]);
    if (!t.data) return qn_error_no_memory(b->ctx);
    b->dl[b->num_in + i] = qn_tensor_as_dlpack(&t, out[i]);
  }
  if (!b->workspace) return qn_error_no_memory(b->ctx);
  if (qn_program_prepare(b->p, b->dl, &error)) return qn_error(b->ctx, error.code, error.place, "%s", error.message);
  return QN_OK;
}

static qn_status call(bench *b, int repeat) {
  qn_call_error error = {.message = ""};
  for (int i = 0; i < repeat; i++)
    if (qn_program_call(b->p, b->dl, b->dl + b->num_in, b->workspace, b->workspace_bytes, b->parallel, &error))
      return qn_error(b->ctx, error.code, qn_place_file(""), "%s", error.message);
  return QN_OK;
}

/* Samples of at least 20 us each, until the time is used up. */
static qn_status measure(bench *b, double seconds, qn_bench_result *out) {
  qn_status status = call(b, 1);
  double start = qn__now_ns();
  if (!status) status = call(b, 1);
  double once = (qn__now_ns() - start) * 1e-9;
  int repeat = once < 20e-6 ? (int)(20e-6 / (once > 1e-8 ? once : 1e-8)) + 1 : 1;
  size_t n = 0;
  for (double end = qn__now_ns() + seconds * 1e9; !status && n < MAX_SAMPLES;) {
    double t = qn__now_ns();
    status = call(b, repeat);
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

/* Everything that calls need. */
static qn_status bench_open(bench *b, const qn_tensor *inputs, uint32_t threads) {
  size_t n = (size_t)b->num_in + b->num_out + 1;
  b->dl = qn__alloc_zero(b->allocator, n * sizeof *b->dl);
  b->shapes = qn__alloc_zero(b->allocator, n * sizeof *b->shapes);
  b->buffers = qn__alloc_zero(b->allocator, n * sizeof *b->buffers);
  b->buffer_bytes = qn__alloc_zero(b->allocator, n * sizeof *b->buffer_bytes);
  b->samples = qn__alloc(b->allocator, MAX_SAMPLES * sizeof *b->samples);
  if (!b->dl || !b->shapes || !b->buffers || !b->buffer_bytes || !b->samples) return qn_error_no_memory(b->ctx);
  if (threads > 1) {
    qn_status status = qn_pool_create(b->ctx, threads, &b->pool);
    if (status) return status;
    b->pool_parallel = qn_pool_parallel(b->pool);
    b->parallel = &b->pool_parallel;
  }
  return prepare(b, inputs);
}

static void bench_close(bench *b) {
  const qn_allocator *a = b->allocator;
  size_t n = (size_t)b->num_in + b->num_out + 1;
  for (uint32_t i = 0; b->buffers && b->buffer_bytes && i < b->num_out; i++)
    qn__free(a, b->buffers[i], b->buffers[i] ? b->buffer_bytes[i] : 0);
  qn__free(a, b->workspace, b->workspace ? b->workspace_bytes + 1 : 0);
  qn__free(a, b->dl, n * sizeof *b->dl), qn__free(a, b->shapes, n * sizeof *b->shapes);
  qn__free(a, b->buffers, n * sizeof *b->buffers), qn__free(a, b->buffer_bytes, n * sizeof *b->buffer_bytes);
  qn__free(a, b->samples, MAX_SAMPLES * sizeof *b->samples);
  qn_pool_destroy(b->pool);
}

static bench bench_of(qn_context *ctx, const qn_program *p) {
  return (bench){.p = p,
                 .ctx = ctx,
                 .allocator = qn_context_allocator(ctx),
                 .num_in = qn_program_num_inputs(p),
                 .num_out = qn_program_num_outputs(p)};
}

qn_status qn_bench_program(qn_context *ctx, const qn_program *p, const char *cpu, const qn_tensor *inputs,
                           uint32_t threads, double seconds, qn_bench_result *out) {
  bench b = bench_of(ctx, p);
  memset(out, 0, sizeof *out);
  qn_status status = bench_open(&b, inputs, threads);
  double ops = status ? 0 : qn_program_ops(p, b.dl), before = 0, after = 0;
  bool limited = strcmp(qn_program_engine(p), "llvm") == 0 && qn_program_multiplies_bytes(p);
  if (!status && ops > 0 && limited) status = qn_engine_peak(ctx, cpu, threads, &before);
  if (!status) status = measure(&b, seconds, out);
  if (!status && ops > 0 && limited) status = qn_engine_peak(ctx, cpu, threads, &after);
  if (!status && ops > 0) {
    out->gops = ops / out->time_us * 1e-3;
    out->peak_gops = (before > after ? before : after) * 1e-9;
    if (out->peak_gops > 0) out->fraction = out->gops / out->peak_gops;
  }
  bench_close(&b);
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
  if (!e->kernel.name || e->index >= k->room) return;
  qn_kernel_time *t = &k->times[e->index];
  if (!t->calls || e->ns < t->best_ns) t->best_ns = e->ns;
  t->total_ns += e->ns;
  t->ops = e->ops, t->bytes = e->bytes;
  t->multiplies = e->multiplies, t->multiplies_bytes = e->multiplies_bytes;
  if (t->calls++) return;
  t->kernel = e->kernel;
  keep_text(t->shape, sizeof t->shape, e->shape);
  keep_text(t->types, sizeof t->types, e->types);
}

qn_status qn_bench_kernels(qn_context *ctx, const qn_program *p, const qn_tensor *inputs, uint32_t threads,
                           double seconds, size_t room, qn_kernel_time *times, size_t *count) {
  bench b = bench_of(ctx, p);
  qn_kernel_info info;
  qn_call_handler old;
  void *old_user;
  kernel_times k = {.room = room, .times = times};
  *count = 0;
  while (qn_program_kernel(p, *count, &info)) ++*count;
  memset(times, 0, room * sizeof *times);
  qn_context_set_call_handler(ctx, NULL, NULL, &old, &old_user);
  qn_status status = bench_open(&b, inputs, threads);
  if (!status) status = call(&b, 2);
  qn_context_set_call_handler(ctx, on_call, &k, NULL, NULL);
  for (double end = qn__now_ns() + seconds * 1e9; !status;) {
    status = call(&b, 1);
    if (qn__now_ns() > end) break;
  }
  qn_context_set_call_handler(ctx, old, old_user, NULL, NULL);
  bench_close(&b);
  return status;
}
