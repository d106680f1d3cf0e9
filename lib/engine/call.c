/* Calling a program: check, bind, run the steps' jobs, on the caller's threads when given. Allocates nothing, but where
 * a call is the first to need some body: then it waits for code (need.c). */
#include "chain.h"
#include "clock.h"
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
  qn_chain *chain; /* room for one; null when the program has none */
  const qn_parallel *parallel;
  int32_t failed; /* first non-zero answer of a kernel */
  const qn_step *failed_step;
  qn_status status; /* when code could not be had: error is filled */
  qn_call_error *error;
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

/* ---- parts in the caller's parallel-for ---- */

/* A pool that leaves parts out, because it was cancelled say, or runs some twice, must not pass for a call that went
 * well. Each part that runs adds a number of its own; the sum tells whether all did, once each. */
typedef struct spread {
  size_t parts;
  uint64_t ran;
} spread;

static uint64_t number_of(size_t i) {
  uint64_t x = ((uint64_t)i + 1) * 0x9e3779b97f4a7c15u;
  return (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
}

/* False for a part that there is none of. */
static bool part_begins(spread *s, size_t i) {
  if (i >= s->parts) return false;
  __atomic_fetch_add(&s->ran, number_of(i), __ATOMIC_RELAXED);
  return true;
}

static bool run_parts(call *c, spread *s, void (*task)(void *arg, size_t i), void *arg, const qn_step *step) {
  s->ran = 0;
  c->parallel->run(c->parallel->pool, task, arg, s->parts);
  uint64_t all = 0;
  for (size_t i = 0; i < s->parts; i++) all += number_of(i);
  if (__atomic_load_n(&s->ran, __ATOMIC_RELAXED) == all) return true;
  c->status = qn__step_fail(step, c->error, QN_DIAG_CALL,
                            "the parallel-for did not run each of %zu parts once before it returned", s->parts);
  return false;
}

/* One job on its way through the parallel-for: read-only but for the results. */
typedef struct running {
  const call *c;
  const qn_job *job;
  void *ptrs[QN__MAX_PTRS + 3];
  spread parts;
  int32_t failed; /* written by whichever part fails; any one will do */
} running;

static int32_t run_part(const running *r, size_t i) {
  qn_piece pieces[2];
  uint32_t n = qn__job_pieces(r->job, i, r->parts.parts, pieces);
  qn_kargs args = {.ptr = r->ptrs, .size = r->job->sizes, .stride = r->job->strides};
  for (uint32_t k = 0; k < n; k++) {
    memcpy(args.begin, pieces[k].begin, sizeof args.begin);
    memcpy(args.end, pieces[k].end, sizeof args.end);
    int32_t bad = qn__code_of(&r->c->p->tiers[pieces[k].body])(&args);
    if (bad) return bad;
  }
  return 0;
}

static void part_task(void *arg, size_t i) {
  running *r = arg;
  if (!part_begins(&r->parts, i)) return;
  qn_fp_env saved = qn__fp_enter();
  int32_t bad = run_part(r, i);
  qn__fp_leave(saved);
  if (bad) __atomic_store_n(&r->failed, bad, __ATOMIC_RELAXED);
}

/* Code for all parts, before any of them runs: failing is easier here. */
static bool have_code(call *c, const qn_job *job, size_t parts) {
  for (size_t i = 0; i < parts; i++) {
    qn_piece pieces[2];
    uint32_t n = qn__job_pieces(job, i, parts, pieces);
    for (uint32_t k = 0; k < n && !c->status; k++)
      if (!qn__unit_fn(c->p->tiers[pieces[k].body].best))
        c->status = qn__need_code(c->p, pieces[k].body, job->cost, job->step, c->error);
  }
  return !c->status;
}

static void fill_ptrs(const call *c, const qn_job *job, void **ptrs) {
  for (uint32_t i = 0; i < job->num_ptrs; i++)
    ptrs[i] =
        (job->ptrs[i].value == QN__REF_CODES ? c->codes : value_data(c, job->ptrs[i].value)) + job->ptrs[i].offset;
}

static bool run_job(void *user, const qn_job *job) {
  call *c = user;
  running r;
  r.c = c, r.job = job, r.failed = 0;
  fill_ptrs(c, job, r.ptrs);
  r.parts.parts = qn__job_parts(c->p, job, c->parallel);
  if (!have_code(c, job, r.parts.parts)) return false;
  if (r.parts.parts == 1 || !c->parallel || !c->parallel->run)
    r.failed = run_part(&r, 0);
  else if (!run_parts(c, &r.parts, part_task, &r, job->step))
    return false;
  if (!r.failed) return true;
  c->failed = r.failed;
  c->failed_step = job->step;
  return false;
}

/* ---- chains of jobs ---- */

typedef struct running_chain {
  const call *c;
  spread parts;
  void *ptrs[QN__CHAIN_JOBS][QN__MAX_PTRS + 3];
  int32_t failed;
  uint32_t failed_job;
} running_chain;

static int32_t run_block(running_chain *r, int64_t lo, int64_t hi) {
  const qn_chain *chain = r->c->chain;
  for (uint32_t j = 0; j < chain->num_jobs; j++) {
    const qn_job *job = &chain->jobs[j];
    qn_piece piece = qn__chain_piece(chain, j, lo, hi);
    qn_kargs args = {.ptr = r->ptrs[j], .size = job->sizes, .stride = job->strides};
    memcpy(args.begin, piece.begin, sizeof args.begin);
    memcpy(args.end, piece.end, sizeof args.end);
    int32_t bad = qn__code_of(&r->c->p->tiers[piece.body])(&args);
    if (!bad) continue;
    __atomic_store_n(&r->failed_job, j, __ATOMIC_RELAXED);
    return bad;
  }
  return 0;
}

static void chain_task(void *arg, size_t i) {
  running_chain *r = arg;
  if (!part_begins(&r->parts, i)) return;
  int64_t blocks = qn__chain_blocks(r->c->chain), parts = (int64_t)r->parts.parts, lo, hi;
  int64_t first = blocks * (int64_t)i / parts, end = blocks * ((int64_t)i + 1) / parts;
  qn_fp_env saved = qn__fp_enter();
  for (int64_t block = first; block < end; block++) {
    qn__chain_rows(r->c->chain, block, &lo, &hi);
    int32_t bad = run_block(r, lo, hi);
    if (!bad) continue;
    __atomic_store_n(&r->failed, bad, __ATOMIC_RELAXED);
    break;
  }
  qn__fp_leave(saved);
}

/* Runs the jobs collected so far, in blocks where that pays, and forgets them. */
static bool run_chain(call *c) {
  qn_chain *chain = c->chain;
  uint32_t threads = qn__cost_parts(c->p, chain->cost, c->parallel);
  bool ok = true;
  if (!qn__chain_pays(chain, threads)) {
    for (uint32_t j = 0; j < chain->num_jobs && ok; j++) ok = run_job(c, &chain->jobs[j]);
  } else {
    running_chain r;
    r.c = c, r.parts.parts = threads, r.failed = 0;
    for (uint32_t j = 0; j < chain->num_jobs && ok; j++) {
      ok = have_code(c, &chain->jobs[j], 1);
      fill_ptrs(c, &chain->jobs[j], r.ptrs[j]);
    }
    if (ok && threads > 1)
      ok = run_parts(c, &r.parts, chain_task, &r, chain->jobs[0].step);
    else if (ok)
      chain_task(&r, 0);
    if (ok && r.failed) {
      c->failed = r.failed, c->failed_step = chain->jobs[r.failed_job].step;
      ok = false;
    }
  }
  qn__chain_start(chain, c->p, c->b);
  return ok;
}

static bool add_to_chain(void *user, const qn_job *job) {
  call *c = user;
  if (qn__chain_add(c->chain, job)) return true;
  if (!run_chain(c)) return false;
  return qn__chain_add(c->chain, job) || run_job(c, job);
}

/* ---- checks ---- */

/* A workspace that is used. */
static qn_status check_inputs_apart(const call *c, const char *workspace, size_t workspace_bytes) {
  const qn_program *p = c->p;
  for (uint32_t i = 0; i < p->num_inputs; i++)
    if (qn__overlaps(qn__dl_data(&c->in[i]), qn__value_bytes(p, c->b, p->inputs[i]), workspace, workspace_bytes))
      return qn__call_fail(c->error, QN_DIAG_CALL, "input '%.*s' overlaps the workspace", (int)p->input_names[i].size,
                           p->input_names[i].data);
  return QN_OK;
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
    bool bad = qn__overlaps(data, bytes, workspace, workspace_bytes);
    for (uint32_t j = 0; j < p->num_inputs; j++)
      bad |= qn__overlaps(data, bytes, qn__dl_data(&c->in[j]), qn__value_bytes(p, c->b, p->inputs[j]));
    for (uint32_t j = 0; j < i; j++)
      bad |= qn__overlaps(data, bytes, qn__dl_data(&c->out[j]), qn__value_bytes(p, c->b, p->outputs[j]));
    if (bad) return qn__overlap_fail(p, i, error);
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

static qn_status frozen_sizes(const qn_program *p, const DLTensor *in, size_t *workspace_bytes,
                              int64_t (*out_shapes)[QN_MAX_RANK], qn_call_error *error) {
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    qn_shape shape;
    qn_status status = qn__bind_input(p, i, &in[i], shape, error);
    if (status) return status;
  }
  if (workspace_bytes) *workspace_bytes = p->frozen->workspace_bytes;
  for (uint32_t i = 0; out_shapes && i < p->num_outputs; i++)
    memcpy(out_shapes[i], p->frozen->bound.shapes[p->outputs[i]], sizeof(qn_shape));
  return QN_OK;
}

qn_status qn_program_sizes(const qn_program *p, const DLTensor *in, size_t *workspace_bytes,
                           int64_t (*out_shapes)[QN_MAX_RANK], qn_call_error *error) {
  if (!p) return qn__no_program(error);
  qn_status status = qn__dl_need_array(in, p->num_inputs, "inputs", error);
  if (status) return status;
  if (p->interp) return qn__interp_sizes(p, in, workspace_bytes, out_shapes, error);
  if (p->frozen) return frozen_sizes(p, in, workspace_bytes, out_shapes, error);
  size_t header_bytes = qn__bound_header(p);
  /* Asking for sizes is the one question that needs room of its own: calls get theirs in the workspace. Any thread may
   * ask, so it is not the context's. */
  qn_allocator own = qn_allocator_default();
  char *header = qn__alloc(&own, header_bytes + 1);
  if (!header) return qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory"), QN_ERR_NO_MEMORY;
  qn_bound b = qn__bound_at(p, header);
  status = qn__bind(p, in, &b, error);
  if (!status && workspace_bytes) *workspace_bytes = qn__bound_bytes(&b);
  for (uint32_t i = 0; !status && out_shapes && i < p->num_outputs; i++)
    memcpy(out_shapes[i], b.shapes[p->outputs[i]], sizeof(qn_shape));
  qn__free(&own, header, header_bytes + 1);
  return status;
}

size_t qn_program_workspace_size(const qn_program *p, const DLTensor *in) {
  size_t n;
  return qn_program_sizes(p, in, &n, NULL, NULL) ? SIZE_MAX : n;
}

qn_status qn_program_output_shapes(const qn_program *p, const DLTensor *in, int64_t (*out_shapes)[QN_MAX_RANK]) {
  return qn_program_sizes(p, in, NULL, out_shapes, NULL);
}

static double all_ops(const qn_program *p, const qn_bound *b, double *by) {
  for (uint32_t i = 0; i < p->num_steps; i++) qn__step_ops(p, &p->steps[i], b, by);
  return qn__sum_of_ops(by);
}

double qn_program_ops(const qn_program *p, const DLTensor *in, double by[QN_MULTIPLIER_COUNT]) {
  double own_by[QN_MULTIPLIER_COUNT], ops = 0;
  if (!by) by = own_by;
  memset(by, 0, sizeof own_by);
  if (!p || p->interp || qn__dl_need_array(in, p->num_inputs, "inputs", NULL)) return 0;
  if (p->frozen) return frozen_sizes(p, in, NULL, NULL, NULL) ? 0 : all_ops(p, &p->frozen->bound, by);
  size_t header_bytes = qn__bound_header(p);
  qn_allocator own = qn_allocator_default();
  char *header = qn__alloc(&own, header_bytes + 1);
  if (!header) return 0;
  qn_bound b = qn__bound_at(p, header);
  if (!qn__bind(p, in, &b, NULL)) ops = all_ops(p, &b, by);
  qn__free(&own, header, header_bytes + 1);
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

static qn_status steps_failed(const call *c, qn_call_error *error) {
  return c->status ? c->status
                   : qn__step_fail(c->failed_step, error, QN_DIAG_CALL, "kernel %s answered %d",
                                   c->failed_step->plan->name, (int)c->failed);
}

static qn_status run_chained(call *c, qn_call_error *error) {
  bool ok = true;
  qn__chain_start(c->chain, c->p, c->b);
  for (uint32_t i = 0; i < c->p->num_steps && ok; i++) ok = qn__step_jobs(c->p, &c->p->steps[i], c->b, add_to_chain, c);
  if (!ok || !run_chain(c)) return steps_failed(c, error);
  copy_outputs(c);
  return QN_OK;
}

static qn_status run_steps(call *c, qn_call_error *error) {
  const qn_program *p = c->p;
  bool seen = p->ctx->on_call != NULL;
  if (c->chain && !seen) return run_chained(c, error);
  uint32_t threads = c->parallel && c->parallel->run ? c->parallel->num_threads : 1;
  double spent = 0;             /* without what the handler itself takes */
  uint32_t chain = 0, left = 0; /* the last chain's number, and its steps that are still to come */
  bool blocks = false;
  for (uint32_t i = 0; i < p->num_steps; i++) {
    if (c->chain && left == 0) {
      left = qn__chain_steps(c->chain, p, c->b, i, threads, &blocks);
      chain += blocks;
    }
    left -= left > 0;
    double begun = seen ? qn__now_ns() : 0;
    if (!qn__step_jobs(p, &p->steps[i], c->b, run_job, c)) return steps_failed(c, error);
    if (!seen) continue;
    double took = qn__now_ns() - begun;
    spent += took;
    qn__trace_step(p, &p->steps[i], c->b, took, threads, blocks ? chain : 0);
  }
  copy_outputs(c);
  if (seen) qn__trace_step(p, NULL, c->b, spent, threads, 0);
  return QN_OK;
}

/* ---- calls of programs whose sizes are all known ---- */

/* Whether a tensor is as the signature says, by the shortest way; if not, the checks that can tell why decide. */
static inline bool as_frozen(const qn_frozen_port *port, const DLTensor *t) {
  bool ok = t->device.device_type == kDLCPU && t->dtype.code == port->type.code && t->dtype.bits == port->type.bits &&
            t->dtype.lanes == 1 && t->ndim == port->ndim && t->shape && !t->strides && (t->data || !port->bytes);
  for (int d = 0; ok && d < port->ndim; d++) ok = t->shape[d] == port->shape[d];
  return ok;
}

static qn_status check_frozen_input(const qn_program *p, uint32_t i, const DLTensor *t, qn_call_error *error) {
  const qn_pvalue *v = &p->values[p->inputs[i]];
  qn_shape shape;
  qn_status status = qn__bind_input(p, i, t, shape, error);
  return status ? status : qn__dl_check(t, "input", p->input_names[i], v->mem, v->rank, shape, error);
}

qn_status qn__check_frozen(const qn_program *p, const qn_frozen *f, const DLTensor *in, DLTensor *out,
                           const char *workspace, size_t workspace_bytes, qn_call_error *error) {
  call c = {.p = p, .in = in, .out = out, .b = &f->bound, .error = error};
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    qn_status status = check_frozen_input(p, i, &in[i], error);
    if (status) return status;
  }
  return check_outputs(&c, workspace, workspace_bytes, error);
}

/* There and back in turns. Calls at the same time may take the same direction: nothing depends on it but speed. */
static const qn_frozen_call *calls_of_now(qn_frozen *f) {
  uint32_t now = __atomic_load_n(&f->times, __ATOMIC_RELAXED);
  __atomic_store_n(&f->times, now + 1, __ATOMIC_RELAXED);
  return now & 1 ? f->back : f->calls;
}

static qn_status run_frozen(const call *c, void *const *bases) {
  const qn_frozen *f = c->p->frozen;
  const qn_frozen_call *calls = f->back ? calls_of_now(c->p->frozen) : f->calls;
  void *ptrs[QN__MAX_PTRS + 3];
  for (uint32_t i = 0; i < f->num_calls; i++) {
    const qn_frozen_call *k = &calls[i];
    const qn_tiers *t = &c->p->tiers[k->body];
    qn_kernel_fn fn = qn__unit_fn(t->best);
    if (!fn) {
      qn_status status = qn__need_code(c->p, k->body, k->together, &c->p->steps[k->step], c->error);
      if (status) return status;
      fn = qn__code_of(t);
    }
    for (uint32_t j = 0; j < k->num_ptrs; j++) ptrs[j] = (char *)bases[k->ptrs[j].base] + k->ptrs[j].offset;
    qn_kargs args = k->args;
    args.ptr = ptrs;
    int32_t bad = fn(&args);
    if (bad)
      return qn__step_fail(&c->p->steps[k->step], c->error, QN_DIAG_CALL, "kernel %s answered %d",
                           c->p->steps[k->step].plan->name, (int)bad);
  }
  for (uint32_t i = 0; i < c->p->num_outputs; i++)
    if (f->outputs[i].copy_from != UINT32_MAX && f->outputs[i].bytes)
      memmove(qn__dl_data(&c->out[i]), value_data(c, f->outputs[i].copy_from), f->outputs[i].bytes);
  return QN_OK;
}

/* After the codes, whose room is a multiple of 64 bytes. */
static qn_chain *chain_room(const call *c) {
  if (!c->p->may_chain || !c->codes) return NULL;
  return (qn_chain *)(void *)(c->codes + ((c->b->codes_bytes + 63) & ~(size_t)63));
}

static qn_status call_frozen(call *c, char *workspace, size_t workspace_bytes) {
  const qn_program *p = c->p;
  const qn_frozen *f = p->frozen;
  void *bases[QN__MAX_BASES];
  qn_status status;
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    if (!as_frozen(&f->inputs[i], &c->in[i]) && (status = check_frozen_input(p, i, &c->in[i], c->error))) return status;
    bases[i] = qn__dl_data(&c->in[i]);
  }
  char *slots = (char *)(((uintptr_t)workspace + 63) & ~(uintptr_t)63);
  if (f->workspace_bytes && (!workspace || workspace_bytes < f->workspace_bytes - 64 + (size_t)(slots - workspace)))
    return qn__call_fail(c->error, QN_DIAG_CALL, "workspace has %zu bytes; this call needs %zu",
                         workspace ? workspace_bytes : (size_t)0, f->workspace_bytes);
  if (f->workspace_bytes && (status = check_inputs_apart(c, workspace, workspace_bytes))) return status;
  bool good = true;
  for (uint32_t i = 0; i < p->num_outputs; i++) {
    good &= as_frozen(&f->outputs[i], &c->out[i]);
    char *data = bases[p->num_inputs + i] = qn__dl_data(&c->out[i]);
    good &= !qn__overlaps(data, f->outputs[i].bytes, workspace, workspace_bytes);
    for (uint32_t j = 0; j < p->num_inputs; j++)
      good &= !qn__overlaps(data, f->outputs[i].bytes, bases[j], f->inputs[j].bytes);
    for (uint32_t j = 0; j < i; j++)
      good &= !qn__overlaps(data, f->outputs[i].bytes, bases[p->num_inputs + j], f->outputs[j].bytes);
  }
  if (!good && (status = check_outputs(c, workspace, workspace_bytes, c->error))) return status;
  bases[p->num_inputs + p->num_outputs] = (char *)(uintptr_t)p->constants;
  bases[p->num_inputs + p->num_outputs + 1] = slots;
  c->slots = slots;
  c->codes = slots ? slots + f->bound.slot_offset[p->num_slots] : NULL;
  c->chain = chain_room(c);
  bool by_step = p->ctx->on_call || qn__cost_parts(p, f->most, c->parallel) > 1;
  if (!by_step && !f->floats) return run_frozen(c, bases);
  qn_fp_env saved = qn__fp_enter();
  status = by_step ? run_steps(c, c->error) : run_frozen(c, bases);
  qn__fp_leave(saved);
  return status;
}

qn_status qn__call_general(const qn_program *p, const DLTensor *in, DLTensor *out, void *workspace,
                           size_t workspace_bytes, const qn_parallel *parallel, qn_call_error *error) {
  if (!p) return qn__no_program(error);
  qn_status status = qn__dl_need_array(in, p->num_inputs, "inputs", error);
  if (!status) status = qn__dl_need_array(out, p->num_outputs, "outputs", error);
  if (status) return status;
  if (p->frozen) {
    call c = {.p = p, .in = in, .out = out, .b = &p->frozen->bound, .parallel = parallel, .error = error};
    return call_frozen(&c, workspace, workspace_bytes);
  }
  if ((status = check_inputs(p, in, error))) return status;
  if (p->interp) return qn__interp_call(p, in, out, error);
  char *header = (char *)(((uintptr_t)workspace + 63) & ~(uintptr_t)63);
  size_t skipped = (size_t)(header - (char *)workspace), header_bytes = qn__bound_header(p);
  if (!workspace || workspace_bytes < skipped + header_bytes)
    return qn__call_fail(error, QN_DIAG_CALL, "workspace of %zu bytes is too small; qn_program_sizes tells how much",
                         workspace ? workspace_bytes : (size_t)0);
  qn_bound b = qn__bound_at(p, header);
  if ((status = qn__bind(p, in, &b, error))) return status;
  if (workspace_bytes < qn__bound_bytes(&b) - 64 + skipped)
    return qn__call_fail(error, QN_DIAG_CALL, "workspace has %zu bytes; this call needs %zu", workspace_bytes,
                         qn__bound_bytes(&b));
  call c = {.p = p, .in = in, .out = out, .b = &b, .parallel = parallel, .error = error};
  c.slots = header + header_bytes;
  c.codes = c.slots + b.slot_offset[p->num_slots];
  c.chain = chain_room(&c);
  if ((status = check_inputs_apart(&c, workspace, workspace_bytes))) return status;
  if ((status = check_outputs(&c, workspace, workspace_bytes, error))) return status;
  qn_fp_env saved = qn__fp_enter();
  status = run_steps(&c, error);
  qn__fp_leave(saved);
  return status;
}
