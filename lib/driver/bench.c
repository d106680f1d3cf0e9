/* Timing a program. The peak is measured in the same run, before and after, so that a machine that changes its clock
 * is compared with itself. */
#include "alloc.h"
#include <quern/driver.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SAMPLES = 100000 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

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
  const qn_parallel *parallel;
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
  return b->workspace ? QN_OK : qn_error_no_memory(b->ctx);
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
  double start = now();
  if (!status) status = call(b, 1);
  double once = now() - start;
  int repeat = once < 20e-6 ? (int)(20e-6 / (once > 1e-8 ? once : 1e-8)) + 1 : 1;
  size_t n = 0;
  for (double end = now() + seconds; !status && n < MAX_SAMPLES;) {
    double t = now();
    status = call(b, repeat);
    double after = now();
    b->samples[n++] = (after - t) / repeat * 1e6;
    if (after > end) break;
  }
  if (status) return status;
  qsort(b->samples, n, sizeof *b->samples, by_value);
  out->time_us = b->samples[0];
  out->median_us = b->samples[n / 2];
  return QN_OK;
}

qn_status qn_bench_program(qn_context *ctx, const qn_program *p, const char *cpu, const qn_tensor *inputs,
                           uint32_t threads, double seconds, qn_bench_result *out) {
  const qn_allocator *a = qn_context_allocator(ctx);
  bench b = {
      .p = p, .ctx = ctx, .allocator = a, .num_in = qn_program_num_inputs(p), .num_out = qn_program_num_outputs(p)};
  size_t n = (size_t)b.num_in + b.num_out + 1;
  qn_pool *pool = NULL;
  qn_parallel parallel;
  memset(out, 0, sizeof *out);
  b.dl = qn__alloc_zero(a, n * sizeof *b.dl);
  b.shapes = qn__alloc_zero(a, n * sizeof *b.shapes);
  b.buffers = qn__alloc_zero(a, n * sizeof *b.buffers);
  b.buffer_bytes = qn__alloc_zero(a, n * sizeof *b.buffer_bytes);
  b.samples = qn__alloc(a, MAX_SAMPLES * sizeof *b.samples);
  qn_status status = b.dl && b.shapes && b.buffers && b.buffer_bytes && b.samples ? QN_OK : QN_ERR_NO_MEMORY;
  if (status) qn_error_no_memory(ctx);
  if (!status && threads > 1 && !(status = qn_pool_create(ctx, threads, &pool))) {
    parallel = qn_pool_parallel(pool);
    b.parallel = &parallel;
  }
  if (!status) status = prepare(&b, inputs);
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
  for (uint32_t i = 0; b.buffers && b.buffer_bytes && i < b.num_out; i++)
    qn__free(a, b.buffers[i], b.buffers[i] ? b.buffer_bytes[i] : 0);
  qn__free(a, b.workspace, b.workspace ? b.workspace_bytes + 1 : 0);
  qn__free(a, b.dl, n * sizeof *b.dl), qn__free(a, b.shapes, n * sizeof *b.shapes);
  qn__free(a, b.buffers, n * sizeof *b.buffers), qn__free(a, b.buffer_bytes, n * sizeof *b.buffer_bytes);
  qn__free(a, b.samples, MAX_SAMPLES * sizeof *b.samples);
  qn_pool_destroy(pool);
  return status;
}
