/* Calling a program again and again. */
#include "runner.h"
#include "alloc.h"
#include <string.h>

/* Large ones on large pages, as who cares for time has them: with small ones, results of 6 MB take 2% of a product. */
static void *zeros(const qn_allocator *a, size_t bytes) {
  void *p = qn__alloc(a, bytes);
  if (!p) return NULL;
  qn__want_large_pages(p, bytes);
  return memset(p, 0, bytes);
}

static qn_status prepare(qn__runner *r, const qn_tensor *inputs) {
  const qn_allocator *a = qn_context_allocator(r->ctx);
  qn_call_error error = {.message = ""};
  for (uint32_t i = 0; i < r->num_in; i++) r->dl[i] = qn_tensor_as_dlpack(&inputs[i], r->shapes[i]);
  int64_t(*out)[QN_MAX_RANK] = r->shapes + r->num_in;
  qn_status status = qn_program_sizes(r->p, r->dl, &r->workspace_bytes, out, &error);
  if (status) return qn_error(r->ctx, error.code, qn_place_file(""), "%s", error.message);
  r->workspace = zeros(a, r->workspace_bytes + 1);
  for (uint32_t i = 0; i < r->num_out; i++) {
    qn_port_info port = qn_program_output(r->p, i);
    qn_tensor t = {.elem = port.elem, .rank = port.rank};
    memcpy(t.shape, out[i], sizeof t.shape);
    r->buffer_bytes[i] = qn_tensor_bytes(&t) + 1;
    t.data = r->buffers[i] = zeros(a, r->buffer_bytes[i]);
    if (!t.data) return qn_error_no_memory(r->ctx);
    r->dl[r->num_in + i] = qn_tensor_as_dlpack(&t, out[i]);
  }
  if (!r->workspace) return qn_error_no_memory(r->ctx);
  if (qn_program_prepare(r->p, r->dl, &error)) return qn_error(r->ctx, error.code, error.place, "%s", error.message);
  return QN_OK;
}

qn_status qn__runner_open(qn__runner *r, qn_context *ctx, const qn_program *p, const qn_tensor *inputs,
                          const qn_parallel *parallel) {
  const qn_allocator *a = qn_context_allocator(ctx);
  *r = (qn__runner){.p = p, .ctx = ctx, .parallel = parallel};
  r->num_in = qn_program_num_inputs(p), r->num_out = qn_program_num_outputs(p);
  size_t n = (size_t)r->num_in + r->num_out + 1;
  r->dl = qn__alloc_zero(a, n * sizeof *r->dl);
  r->shapes = qn__alloc_zero(a, n * sizeof *r->shapes);
  r->buffers = qn__alloc_zero(a, n * sizeof *r->buffers);
  r->buffer_bytes = qn__alloc_zero(a, n * sizeof *r->buffer_bytes);
  if (!r->dl || !r->shapes || !r->buffers || !r->buffer_bytes) return qn_error_no_memory(ctx);
  return prepare(r, inputs);
}

qn_status qn__runner_call(qn__runner *r, int repeat) {
  qn_call_error error = {.message = ""};
  for (int i = 0; i < repeat; i++)
    if (qn_program_call(r->p, r->dl, r->dl + r->num_in, r->workspace, r->workspace_bytes, r->parallel, &error))
      return qn_error(r->ctx, error.code, qn_place_file(""), "%s", error.message);
  return QN_OK;
}

void qn__runner_close(qn__runner *r) {
  if (!r->ctx) return;
  const qn_allocator *a = qn_context_allocator(r->ctx);
  size_t n = (size_t)r->num_in + r->num_out + 1;
  for (uint32_t i = 0; r->buffers && r->buffer_bytes && i < r->num_out; i++)
    qn__free(a, r->buffers[i], r->buffers[i] ? r->buffer_bytes[i] : 0);
  qn__free(a, r->workspace, r->workspace ? r->workspace_bytes + 1 : 0);
  qn__free(a, r->dl, r->dl ? n * sizeof *r->dl : 0), qn__free(a, r->shapes, r->shapes ? n * sizeof *r->shapes : 0);
  qn__free(a, r->buffers, r->buffers ? n * sizeof *r->buffers : 0);
  qn__free(a, r->buffer_bytes, r->buffer_bytes ? n * sizeof *r->buffer_bytes : 0);
  *r = (qn__runner){0};
}

bool qn__runner_same(const qn__runner *a, const qn__runner *b) {
  bool same = a->num_out == b->num_out;
  for (uint32_t i = 0; i < a->num_out && same; i++)
    same = a->buffer_bytes[i] == b->buffer_bytes[i] && !memcmp(a->buffers[i], b->buffers[i], a->buffer_bytes[i] - 1);
  return same;
}
