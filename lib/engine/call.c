/* Calling a program: check, bind, run the steps' jobs, on the caller's threads when given. Allocates nothing. */
#include "context_impl.h"
#include "fpenv.h"
#include "program.h"
#include <string.h>

typedef struct call {
  const qn_program *p;
  const DLTensor *in;
  DLTensor *out;
  const qn_bound *b;
  char *slots, *codes;
  const qn_parallel *parallel;
  int32_t failed; /* first non-zero answer of a kernel */
  const qn_step *failed_step;
} call;

static char *value_data(const call *c, uint32_t value) {
  const qn_pvalue *v = &c->p->values[value];
  switch (v->where) {
  case QN_AT_INPUT: return qn__dl_data(&c->in[v->index]);
  case QN_AT_OUTPUT: return qn__dl_data(&c->out[v->index]);
  case QN_AT_CONSTANT: return (char *)(uintptr_t)c->p->constants + v->offset; /* kernels only read it */
  case QN_AT_SLOT: return c->slots + c->b->slot_offset[v->index];
  }
  return NULL;
}

/* One job on its way through the parallel-for: read-only but for the results. */
typedef struct running {
  const call *c;
  const qn_job *job;
  void *ptrs[QN__MAX_PTRS + 3];
  size_t parts;
  int32_t failed; /* written by whichever part fails; any one will do */
} running;

static int32_t run_part(const running *r, size_t i) {
  qn_piece pieces[2];
  uint32_t n = qn__job_pieces(r->job, i, r->parts, pieces);
  qn_kargs args = {.ptr = r->ptrs, .size = r->job->sizes, .stride = r->job->strides};
  for (uint32_t k = 0; k < n; k++) {
    memcpy(args.begin, pieces[k].begin, sizeof args.begin);
    memcpy(args.end, pieces[k].end, sizeof args.end);
    int32_t bad = r->c->p->code->functions[pieces[k].body](&args);
    if (bad) return bad;
  }
  return 0;
}

static void part_task(void *arg, size_t i) {
  running *r = arg;
  qn_fp_env saved = qn__fp_enter();
  int32_t bad = run_part(r, i);
  qn__fp_leave(saved);
  if (bad) __atomic_store_n(&r->failed, bad, __ATOMIC_RELAXED);
}

static bool run_job(void *user, const qn_job *job) {
  call *c = user;
  running r = {.c = c, .job = job};
  for (uint32_t i = 0; i < job->num_ptrs; i++)
    r.ptrs[i] =
        (job->ptrs[i].value == QN__REF_CODES ? c->codes : value_data(c, job->ptrs[i].value)) + job->ptrs[i].offset;
  r.parts = qn__job_parts(job, c->parallel);
  if (r.parts == 1 || !c->parallel || !c->parallel->run)
    r.failed = run_part(&r, 0);
  else
    c->parallel->run(c->parallel->pool, part_task, &r, r.parts);
  if (!r.failed) return true;
  c->failed = r.failed;
  c->failed_step = job->step;
  return false;
}

/* ---- checks ---- */

static bool overlaps(const char *a, size_t na, const char *b, size_t nb) {
  return na && nb && (uintptr_t)a < (uintptr_t)b + nb && (uintptr_t)b < (uintptr_t)a + na;
}

static qn_status check_outputs(const call *c, const char *workspace, size_t workspace_bytes, qn_call_error *error) {
  const qn_program *p = c->p;
  for (uint32_t i = 0; i < p->num_outputs; i++) {
    const qn_pvalue *v = &p->values[p->outputs[i]];
    qn_str name = p->output_names[i];
    qn_status status = qn__dl_check(&c->out[i], "output", name, v->mem, v->rank, c->b->shapes[p->outputs[i]], error);
    if (status) return status;
    size_t bytes = qn__value_bytes(p, c->b, p->outputs[i]);
    const char *data = qn__dl_data(&c->out[i]);
    bool bad = overlaps(data, bytes, workspace, workspace_bytes);
    for (uint32_t j = 0; j < p->num_inputs; j++)
      bad |= overlaps(data, bytes, qn__dl_data(&c->in[j]), qn__value_bytes(p, c->b, p->inputs[j]));
    for (uint32_t j = 0; j < i; j++)
      bad |= overlaps(data, bytes, qn__dl_data(&c->out[j]), qn__value_bytes(p, c->b, p->outputs[j]));
    if (bad)
      return qn__call_fail(error, QN_DIAG_CALL, "output '%.*s' overlaps an input, another output or the workspace",
                           (int)name.size, name.data);
  }
  return QN_OK;
}

static qn_status check_inputs(const qn_program *p, const DLTensor *in, qn_call_error *error) {
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    const qn_pvalue *v = &p->values[p->inputs[i]];
    const int64_t *shape = qn_scalar_get(v->mem)->storage_bits < 8 ? v->shape : NULL;
    qn_status status = qn__dl_check(&in[i], "input", p->input_names[i], v->mem, v->rank, shape, error);
    if (status) return status;
  }
  return QN_OK;
}

/* ---- sizes ---- */

static qn_bound bound_in(const qn_program *p, char *header) {
  size_t shapes = ((size_t)p->num_values * sizeof(qn_shape) + 63) & ~(size_t)63;
  return (qn_bound){
      .program = p, .shapes = (qn_shape *)(void *)header, .slot_offset = (size_t *)(void *)(header + shapes)};
}

qn_status qn_program_sizes(const qn_program *p, const DLTensor *in, size_t *workspace_bytes,
                           int64_t (*out_shapes)[QN_MAX_RANK], qn_call_error *error) {
  if (p->interp) return qn__interp_sizes(p, in, workspace_bytes, out_shapes, error);
  size_t header_bytes = qn__bound_header(p);
  /* Asking for sizes is the one question that needs room of its own: calls get theirs in the workspace. */
  char *header = qn__alloc(&p->allocator, header_bytes + 1);
  if (!header) return qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory"), QN_ERR_NO_MEMORY;
  qn_bound b = bound_in(p, header);
  qn_status status = qn__bind(p, in, &b, error);
  if (!status && workspace_bytes) *workspace_bytes = qn__bound_bytes(&b);
  for (uint32_t i = 0; !status && out_shapes && i < p->num_outputs; i++)
    memcpy(out_shapes[i], b.shapes[p->outputs[i]], sizeof(qn_shape));
  qn__free(&p->allocator, header, header_bytes + 1);
  return status;
}

size_t qn_program_workspace_size(const qn_program *p, const DLTensor *in) {
  size_t n;
  return qn_program_sizes(p, in, &n, NULL, NULL) ? SIZE_MAX : n;
}

qn_status qn_program_output_shapes(const qn_program *p, const DLTensor *in, int64_t (*out_shapes)[QN_MAX_RANK]) {
  return qn_program_sizes(p, in, NULL, out_shapes, NULL);
}

double qn_program_ops(const qn_program *p, const DLTensor *in) {
  if (p->interp) return 0;
  size_t header_bytes = qn__bound_header(p);
  char *header = qn__alloc(&p->allocator, header_bytes + 1);
  if (!header) return 0;
  qn_bound b = bound_in(p, header);
  double ops = 0;
  if (!qn__bind(p, in, &b, NULL))
    for (uint32_t i = 0; i < p->num_steps; i++) ops += qn__step_ops(p, &p->steps[i], &b);
  qn__free(&p->allocator, header, header_bytes + 1);
  return ops;
}

/* ---- the call ---- */

static void copy_outputs(const call *c) {
  for (uint32_t i = 0; i < c->p->num_outputs; i++) {
    char *from = value_data(c, c->p->outputs[i]), *to = qn__dl_data(&c->out[i]);
    size_t n = qn__value_bytes(c->p, c->b, c->p->outputs[i]);
    if (from != to && n) memcpy(to, from, n);
  }
}

static qn_status run_steps(call *c, qn_call_error *error) {
  const qn_program *p = c->p;
  bool seen = p->ctx->on_call != NULL;
  uint32_t threads = c->parallel && c->parallel->run ? c->parallel->num_threads : 1;
  double spent = 0; /* without what the handler itself takes */
  for (uint32_t i = 0; i < p->num_steps; i++) {
    double begun = seen ? qn__now_ns() : 0;
    if (!qn__step_jobs(p, &p->steps[i], c->b, run_job, c))
      return qn__step_fail(c->failed_step, error, QN_DIAG_CALL, "kernel %s answered %d", c->failed_step->plan->name,
                           (int)c->failed);
    if (!seen) continue;
    double took = qn__now_ns() - begun;
    spent += took;
    qn__trace_step(p, &p->steps[i], c->b, took, threads);
  }
  copy_outputs(c);
  if (seen) qn__trace_step(p, NULL, c->b, spent, threads);
  return QN_OK;
}

qn_status qn_program_call(const qn_program *p, const DLTensor *in, DLTensor *out, void *workspace,
                          size_t workspace_bytes, const qn_parallel *parallel, qn_call_error *error) {
  qn_status status = check_inputs(p, in, error);
  if (status) return status;
  if (p->interp) return qn__interp_call(p, in, out, error);
  char *header = (char *)(((uintptr_t)workspace + 63) & ~(uintptr_t)63);
  size_t skipped = (size_t)(header - (char *)workspace), header_bytes = qn__bound_header(p);
  if (!workspace || workspace_bytes < skipped + header_bytes)
    return qn__call_fail(error, QN_DIAG_CALL, "workspace of %zu bytes is too small; qn_program_sizes tells how much",
                         workspace ? workspace_bytes : (size_t)0);
  qn_bound b = bound_in(p, header);
  if ((status = qn__bind(p, in, &b, error))) return status;
  if (workspace_bytes < qn__bound_bytes(&b) - 64 + skipped)
    return qn__call_fail(error, QN_DIAG_CALL, "workspace has %zu bytes; this call needs %zu", workspace_bytes,
                         qn__bound_bytes(&b));
  call c = {.p = p, .in = in, .out = out, .b = &b, .parallel = parallel};
  c.slots = header + header_bytes;
  c.codes = c.slots + b.slot_offset[p->num_slots];
  if ((status = check_outputs(&c, workspace, workspace_bytes, error))) return status;
  qn_fp_env saved = qn__fp_enter();
  status = run_steps(&c, error);
  qn__fp_leave(saved);
  return status;
}
