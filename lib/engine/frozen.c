/* Sizes that are known beforehand, because a program leaves none open or a prepared call tells them: shapes, workspace
 * and kernel calls are worked out once, so that a call fills in addresses and goes. The same jobs as ever, written
 * down. */
#include "chain.h"
#include "context_impl.h"
#include "program.h"
#include <string.h>

enum { MAX_CALLS = 4096 }; /* longer ones work their calls out each time: batches of many small products */

typedef struct freezing {
  const qn_program *p;
  qn_arena *arena;
  const qn_bound *b;
  qn_chain *chain;
  QN_VEC(qn_frozen_call) calls;
  bool full, failed;
} freezing;

qn_fix qn__fix_of(const qn_program *p, const qn_bound *b, uint32_t value) {
  const qn_pvalue *v = &p->values[value];
  uint32_t constants = p->num_inputs + p->num_outputs, slots = constants + 1;
  switch (v->where) {
  case QN_AT_INPUT: return (qn_fix){v->index, 0};
  case QN_AT_OUTPUT: return (qn_fix){p->num_inputs + v->index, 0};
  case QN_AT_CONSTANT: return (qn_fix){constants, (int64_t)v->offset};
  case QN_AT_SLOT: break;
  }
  return (qn_fix){slots, (int64_t)b->slot_offset[v->index]};
}

static qn_fix fix_of(const freezing *f, qn_pref ptr) {
  const qn_program *p = f->p;
  qn_fix fix = {p->num_inputs + p->num_outputs + 1, (int64_t)f->b->slot_offset[p->num_slots]};
  if (ptr.value != QN__REF_CODES) fix = qn__fix_of(p, f->b, ptr.value);
  fix.offset += ptr.offset;
  return fix;
}

/* A call, or as many as its panels are gone through in turns by (turns.c). The first has the cost of all. */
static void push_turning(freezing *f, const qn_job *job, qn_frozen_call *call) {
  int64_t n = qn__turn_pieces(f->p, job), begin = call->args.begin[1], panels = call->args.end[1] - begin;
  if (n > MAX_CALLS - (int64_t)f->calls.size) n = 1;
  call->turn = n > 1 ? (uint32_t)n : 0;
  for (int64_t i = 0; i < n && !f->failed; i++) {
    if (n > 1) call->args.begin[1] = begin + panels * i / n, call->args.end[1] = begin + panels * (i + 1) / n;
    f->failed = !qn__push(&f->p->allocator, &f->calls, *call);
    call->turn = 0, call->cost = 0;
  }
}

static bool freeze_job(void *user, const qn_job *job) {
  freezing *f = user;
  qn_arena *arena = f->arena;
  qn_piece pieces[2];
  uint32_t n = qn__job_pieces(job, 0, 1, pieces);
  f->full |= f->calls.size + n > MAX_CALLS;
  if (f->full || n == 0) return !f->full;
  qn_frozen_call call = {.step = (uint32_t)(job->step - f->p->steps), .num_ptrs = job->num_ptrs, .cost = job->cost};
  call.ptrs = qn__arena_array(arena, (size_t)job->num_ptrs + 1, sizeof *call.ptrs);
  call.args.size = qn__arena_copy(arena, job->sizes, job->num_sizes * sizeof *job->sizes);
  call.args.stride = qn__arena_copy(arena, job->strides, job->num_strides * sizeof *job->strides);
  f->failed |= !call.ptrs || !call.args.size || !call.args.stride;
  for (uint32_t k = 0; k < job->num_ptrs && !f->failed; k++) call.ptrs[k] = fix_of(f, job->ptrs[k]);
  for (uint32_t i = 0; i < n && !f->failed; i++) {
    call.body = pieces[i].body;
    memcpy(call.args.begin, pieces[i].begin, sizeof call.args.begin);
    memcpy(call.args.end, pieces[i].end, sizeof call.args.end);
    if (n == 1)
      push_turning(f, job, &call);
    else
      f->failed = !qn__push(&f->p->allocator, &f->calls, call);
  }
  return !f->failed;
}

/* Calls from `first` on are the chain's jobs, one each: in their place come as many for every block of rows. */
static bool repeat_by_blocks(freezing *f, uint32_t first) {
  const qn_chain *chain = f->chain;
  int64_t blocks = qn__chain_blocks(chain), lo, hi;
  uint32_t n = chain->num_jobs;
  if (f->calls.size - first != n || blocks * n > MAX_CALLS - first) return true;
  qn_frozen_call jobs[QN__CHAIN_JOBS];
  memcpy(jobs, f->calls.data + first, n * sizeof *jobs);
  f->calls.size = first;
  for (int64_t block = 0; block < blocks; block++) {
    qn__chain_rows(chain, block, &lo, &hi);
    for (uint32_t j = 0; j < n; j++) {
      qn_piece piece = qn__chain_piece(chain, j, lo, hi);
      memcpy(jobs[j].args.begin, piece.begin, sizeof piece.begin);
      memcpy(jobs[j].args.end, piece.end, sizeof piece.end);
      f->failed |= !qn__push(&f->p->allocator, &f->calls, jobs[j]);
    }
  }
  return !f->failed;
}

/* Calls of the jobs collected so far: block by block where that pays, else one after the other. */
static bool freeze_chain(freezing *f) {
  qn_chain *chain = f->chain;
  bool blocks = qn__chain_pays(chain, 1), ok = true;
  uint32_t first = f->calls.size;
  for (uint32_t j = 0; j < chain->num_jobs && ok; j++) ok = freeze_job(f, &chain->jobs[j]);
  if (ok && blocks) ok = repeat_by_blocks(f, first);
  qn__chain_start(chain, f->p, f->b);
  return ok;
}

static bool chain_job(void *user, const qn_job *job) {
  freezing *f = user;
  if (qn__chain_add(f->chain, job)) return true;
  if (!freeze_chain(f)) return false;
  return qn__chain_add(f->chain, job) || freeze_job(f, job);
}

static bool all_known(const qn_program *p) {
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    const qn_pvalue *v = &p->values[p->inputs[i]];
    for (uint32_t d = 0; d < v->rank; d++)
      if (v->shape[d] < 0) return false;
  }
  return true;
}

/* How a tensor looks from outside: elements below 8 bits travel as bytes. */
static bool freeze_ports(freezing *f, uint32_t n, const uint32_t *values, bool outputs, qn_frozen_port **out) {
  const qn_program *p = f->p;
  const qn_bound *b = f->b;
  qn_frozen_port *ports = qn__arena_array(f->arena, (size_t)n + 1, sizeof *ports);
  *out = ports;
  for (uint32_t i = 0; ports && i < n; i++) {
    const qn_pvalue *v = &p->values[values[i]];
    qn_tensor t = {.elem = v->mem, .rank = v->rank};
    memcpy(t.shape, b->shapes[values[i]], sizeof t.shape);
    ports[i].shape = qn__arena_array(f->arena, QN_MAX_RANK, sizeof(int64_t));
    if (!ports[i].shape) return false;
    DLTensor d = qn_tensor_as_dlpack(&t, ports[i].shape);
    ports[i].type = d.dtype, ports[i].ndim = d.ndim;
    ports[i].bytes = qn__value_bytes(p, b, values[i]);
    ports[i].copy_from = !outputs || (v->where == QN_AT_OUTPUT && v->index == i) ? UINT32_MAX : values[i];
  }
  return ports != NULL;
}

static bool add_up(const qn_program *p, qn_frozen *f) {
  double *sum = qn__alloc_zero(&p->allocator, (p->num_bodies + 1u) * sizeof *sum);
  for (uint32_t i = 0; sum && i < f->num_calls; i++) {
    const qn_frozen_call *c = &f->calls[i];
    sum[c->body] += c->cost;
    if (c->cost > f->most) f->most = c->cost;
  }
  for (uint32_t i = 0; sum && i < f->num_calls; i++) f->calls[i].together = sum[f->calls[i].body];
  bool ok = sum != NULL;
  qn__free(&p->allocator, sum, (p->num_bodies + 1u) * sizeof *sum);
  return ok;
}

static bool has_floats(const qn_tape *t) {
  for (uint32_t i = 0; i < t->num_insts; i++)
    if (t->insts[i].type == QN_TF32 || t->insts[i].type == QN_TF64) return true;
  return false;
}

/* Whether what a step computes could depend on the floating-point environment. */
static bool step_floats(const qn_step *s) {
  const qn_kernel_plan *k = s->plan;
  switch (k->kind) {
  case QN_KERNEL_GEMM:
    return qn_scalar_is_float(k->u.gemm.acc) || has_floats(&k->u.gemm.prologue) || has_floats(&k->u.gemm.epilogue);
  case QN_KERNEL_MAP:
  case QN_KERNEL_ROW: return has_floats(&k->u.loop.tape);
  case QN_KERNEL_PACK:
  case QN_KERNEL_VIEW: return false;
  default: return true;
  }
}

static bool write_down(freezing *state, qn_frozen *f) {
  const qn_program *p = state->p;
  uint32_t done = 0;
  qn__chain_start(state->chain, p, &f->bound);
  while (done < p->num_steps && qn__step_jobs(p, &p->steps[done], &f->bound, chain_job, state)) done++;
  if (done == p->num_steps) freeze_chain(state);
  if (state->failed || state->full) return false;
  for (uint32_t i = 0; i < p->num_steps; i++) f->floats |= step_floats(&p->steps[i]);
  f->num_calls = state->calls.size;
  f->calls = qn__arena_copy(state->arena, state->calls.data, state->calls.size * sizeof *f->calls);
  state->failed = !f->calls || !add_up(p, f) || !qn__turn_calls(state->arena, f) ||
                  !freeze_ports(state, p->num_inputs, p->inputs, false, &f->inputs) ||
                  !freeze_ports(state, p->num_outputs, p->outputs, true, &f->outputs);
  return !state->failed;
}

qn_status qn__freeze_sizes(const qn_program *p, qn_arena *arena, const DLTensor *in, qn_frozen *f, bool *whole,
                           qn_call_error *error) {
  char *header = qn__arena_alloc(arena, qn__bound_header(p) + 1);
  *f = (qn_frozen){.workspace_bytes = 0};
  *whole = false;
  if (!header) return QN_ERR_NO_MEMORY;
  f->bound = qn__bound_at(p, header);
  qn_status status = qn__bind(p, in, &f->bound, error);
  if (status) return status;
  f->bound.header_bytes = 0;
  f->workspace_bytes = qn__bound_bytes(&f->bound);
  if (f->workspace_bytes == 64) f->workspace_bytes = 0;
  freezing state = {.p = p, .arena = arena, .b = &f->bound};
  if (p->num_inputs + p->num_outputs + 2 > QN__MAX_BASES) return QN_OK;
  state.chain = qn__alloc(&p->allocator, sizeof *state.chain);
  if (!state.chain) return QN_ERR_NO_MEMORY;
  *whole = write_down(&state, f);
  qn__free(&p->allocator, state.chain, sizeof *state.chain);
  qn__vec_free(&p->allocator, &state.calls);
  return state.failed ? QN_ERR_NO_MEMORY : QN_OK;
}

qn_status qn__freeze(qn_program *p) {
  if (!all_known(p)) return QN_OK;
  qn_frozen *f = qn__arena_new(&p->arena, qn_frozen);
  DLTensor *in = qn__arena_array(&p->arena, (size_t)p->num_inputs + 1, sizeof *in);
  if (!f || !in) return qn_error_no_memory(p->ctx);
  for (uint32_t i = 0; i < p->num_inputs; i++)
    in[i] = (DLTensor){.ndim = (int)p->values[p->inputs[i]].rank, .shape = p->values[p->inputs[i]].shape};
  bool whole;
  qn_status status = qn__freeze_sizes(p, &p->arena, in, f, &whole, NULL);
  if (status == QN_ERR_NO_MEMORY) return qn_error_no_memory(p->ctx);
  if (!status && whole && !qn__make_brief(p, &p->arena, f)) return qn_error_no_memory(p->ctx);
  if (!status && whole) p->frozen = f; /* sizes that do not fit are the calls' error */
  return QN_OK;
}
