/* Calls that are checked once and run many times. What a call of known sizes works out from its tensors each time,
 * addresses aside, stands here ready: the kernels' argument blocks, and which of their addresses follow the caller's.
 * Whatever does not run on one thread as a row of kernels goes the way of any other call. */
#include "context_impl.h"
#include "fpenv.h"
#include "program.h"
#include <string.h>

typedef struct ready_call {
  const qn_tiers *tiers;
  qn_kargs args;
  const qn_frozen_call *call;
} ready_call;

/* An address that depends on the caller's. */
typedef struct moving {
  void **at;
  qn_fix fix;
} moving;

typedef struct output_copy {
  qn_fix from;
  uint32_t to; /* base */
  size_t bytes;
} output_copy;

struct qn_prepared {
  /* How runs go. Where a run is one call of a kernel and nothing else, it is as short as it can be: what it reads lies
   * together, and what it hardly ever does is called through pointers, which keeps that out of its code. */
  qn_status (*run)(qn_prepared *c, qn_call_error *error);
  const qn_call_handler *seen; /* of the context */
  qn_kernel_fn code;           /* of the only call, the best there will be; else null */
  qn_kargs args;               /* its arguments: here, as every address that must be read first delays the kernel */
  const ready_call *only;
  qn_status (*other)(qn_prepared *c, qn_call_error *error);
  qn_status (*failed)(const qn_prepared *c, const ready_call *k, int32_t answer, qn_call_error *error);
  const qn_program *p;
  qn_arena arena;
  const qn_frozen *frozen; /* null where calls cannot be written down */
  qn_frozen own;           /* for sizes that the program leaves open */
  bool straight;           /* a row of kernels on the calling thread */
  qn_parallel parallel;
  DLTensor *in, *out;
  size_t *bytes; /* of inputs, then outputs */
  char *workspace;
  size_t workspace_bytes;
  void **bases; /* inputs, outputs, constants, slots */
  ready_call *calls, *back;
  uint32_t num_calls, num_moving, num_copies, times;
  moving *moving;
  output_copy *copies;
};

static qn_status no_memory(qn_call_error *error) {
  return qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory"), QN_ERR_NO_MEMORY;
}

static void *address(const qn_prepared *c, qn_fix fix) {
  return (char *)c->bases[fix.base] + fix.offset;
}

/* ---- running ---- */

static qn_status failed(const qn_prepared *c, const ready_call *k, int32_t answer, qn_call_error *error) {
  const qn_step *s = &c->p->steps[k->call->step];
  return qn__step_fail(s, error, QN_DIAG_CALL, "kernel %s answered %d", s->plan->name, (int)answer);
}

static qn_status run_calls(qn_prepared *c, qn_call_error *error) {
  const ready_call *calls = c->back && (c->times++ & 1) ? c->back : c->calls;
  for (uint32_t i = 0; i < c->num_calls; i++) {
    int32_t bad = qn__code_of(calls[i].tiers)(&calls[i].args);
    if (bad) return failed(c, &calls[i], bad, error);
  }
  for (uint32_t i = 0; i < c->num_copies; i++) {
    const output_copy *o = &c->copies[i];
    memmove(c->bases[o->to], address(c, o->from), o->bytes);
  }
  return QN_OK;
}

static qn_status run_any(qn_prepared *c, qn_call_error *error) {
  if (!c->straight || *c->seen)
    return qn_program_call(c->p, c->in, c->out, c->workspace, c->workspace_bytes, &c->parallel, error);
  qn_fp_env saved = qn__fp_enter();
  qn_status status = run_calls(c, error);
  qn__fp_leave(saved);
  return status;
}

static qn_status run_one(qn_prepared *c, qn_call_error *error) {
  if (*c->seen) return c->other(c, error);
  int32_t answer = qn__code_of(c->only->tiers)(&c->only->args);
  return answer ? c->failed(c, c->only, answer, error) : QN_OK;
}

/* The only call has its last code, of a kind that never fails, so that there is nothing to do after it. */
static qn_status run_code(qn_prepared *c, qn_call_error *error) {
  if (*c->seen) return c->other(c, error);
  return (qn_status)c->code(&c->args);
}

static qn_status run_one_of_floats(qn_prepared *c, qn_call_error *error) {
  if (*c->seen) return c->other(c, error);
  qn_fp_env saved = qn__fp_enter();
  int32_t answer = qn__code_of(c->only->tiers)(&c->only->args);
  qn__fp_leave(saved);
  return answer ? c->failed(c, c->only, answer, error) : QN_OK;
}

static void choose_run(qn_prepared *c) {
  bool one = c->straight && c->num_calls == 1 && !c->num_copies;
  c->only = one ? c->calls : NULL;
  c->other = run_any, c->failed = failed;
  c->run = !one ? run_any : c->frozen->floats ? run_one_of_floats : run_one;
}

static void shorten_run(qn_prepared *c) {
  if (c->run != run_one || c->p->steps[c->only->call->step].plan->kind != QN_KERNEL_GEMM) return;
  c->code = qn__unit_fn(c->only->tiers->best);
  c->args = c->only->args;
  if (c->code) c->run = run_code;
}

/* ---- making one ---- */

/* The caller's tensors, with shapes of our own. */
static DLTensor *copy_tensors(qn_arena *arena, const DLTensor *from, uint32_t n) {
  DLTensor *to = qn__arena_array(arena, (size_t)n + 1, sizeof *to);
  for (uint32_t i = 0; to && i < n; i++) {
    to[i] = from[i];
    to[i].data = qn__dl_data(&from[i]);
    to[i].byte_offset = 0;
    to[i].strides = NULL; /* they were found to be compact */
    to[i].shape = qn__arena_array(arena, (size_t)from[i].ndim + 1, sizeof *to[i].shape);
    if (!to[i].shape) return NULL;
    for (int d = 0; d < from[i].ndim; d++) to[i].shape[d] = from[i].shape[d];
  }
  return to;
}

static ready_call *make_ready(qn_prepared *c, const qn_frozen_call *calls) {
  uint32_t callers = c->p->num_inputs + c->p->num_outputs;
  ready_call *list = qn__arena_array(&c->arena, (size_t)c->num_calls + 1, sizeof *list);
  for (uint32_t i = 0; list && i < c->num_calls; i++) {
    const qn_frozen_call *k = &calls[i];
    void **ptrs = qn__arena_array(&c->arena, (size_t)k->num_ptrs + 1, sizeof *ptrs);
    if (!ptrs) return NULL;
    list[i] = (ready_call){&c->p->tiers[k->body], k->args, k};
    list[i].args.ptr = ptrs;
    for (uint32_t j = 0; j < k->num_ptrs; j++) {
      ptrs[j] = address(c, k->ptrs[j]);
      if (k->ptrs[j].base < callers) c->moving[c->num_moving++] = (moving){&ptrs[j], k->ptrs[j]};
    }
  }
  return list;
}

static bool list_copies(qn_prepared *c) {
  const qn_program *p = c->p;
  c->copies = qn__arena_array(&c->arena, (size_t)p->num_outputs + 1, sizeof *c->copies);
  for (uint32_t i = 0; c->copies && i < p->num_outputs; i++) {
    const qn_frozen_port *o = &c->frozen->outputs[i];
    if (o->copy_from == UINT32_MAX || !o->bytes) continue;
    qn_fix from = qn__fix_of(p, &c->frozen->bound, o->copy_from);
    c->copies[c->num_copies++] = (output_copy){from, p->num_inputs + i, o->bytes};
  }
  return c->copies != NULL;
}

/* Argument blocks with all addresses in place. */
static bool write_calls(qn_prepared *c) {
  const qn_frozen *f = c->frozen;
  size_t ptrs = 0;
  c->num_calls = f->num_calls;
  for (uint32_t i = 0; i < f->num_calls; i++) ptrs += f->calls[i].num_ptrs;
  c->moving = qn__arena_array(&c->arena, 2 * ptrs + 1, sizeof *c->moving);
  if (!c->moving || !(c->calls = make_ready(c, f->calls))) return false;
  if (f->back && !(c->back = make_ready(c, f->back))) return false;
  return list_copies(c);
}

/* Code that the calls need, so that no run waits for it. */
static qn_status have_code(const qn_prepared *c, qn_call_error *error) {
  const qn_program *p = c->p;
  if (!p->tiered) return qn_program_prepare(p, c->in, error);
  for (uint32_t i = 0; i < c->frozen->num_calls; i++) {
    const qn_frozen_call *k = &c->frozen->calls[i];
    qn_status status = qn__need_code(p, k->body, k->together, &p->steps[k->step], error);
    if (status) return status;
  }
  return QN_OK;
}

static bool set_bases(qn_prepared *c) {
  const qn_program *p = c->p;
  uint32_t n = p->num_inputs + p->num_outputs;
  c->bases = qn__arena_array(&c->arena, (size_t)n + 2, sizeof *c->bases);
  c->bytes = qn__arena_array(&c->arena, (size_t)n + 1, sizeof *c->bytes);
  if (!c->bases || !c->bytes) return false;
  for (uint32_t i = 0; i < n; i++) {
    bool is_input = i < p->num_inputs;
    c->bases[i] = is_input ? c->in[i].data : c->out[i - p->num_inputs].data;
    c->bytes[i] = is_input ? c->frozen->inputs[i].bytes : c->frozen->outputs[i - p->num_inputs].bytes;
  }
  c->bases[n] = (char *)(uintptr_t)p->constants;
  c->bases[n + 1] = c->workspace;
  return true;
}

/* A workspace, and the tensors. */
static qn_status take_room(qn_prepared *c, const DLTensor *in, const DLTensor *out, qn_call_error *error) {
  qn_status status = qn_program_sizes(c->p, in, &c->workspace_bytes, NULL, error);
  if (status) return status;
  size_t room;
  char *block = qn__add_size(c->workspace_bytes, 64, &room) ? qn__arena_alloc(&c->arena, room) : NULL;
  if (!block) return no_memory(error);
  c->workspace = (char *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
  c->in = copy_tensors(&c->arena, in, c->p->num_inputs);
  c->out = copy_tensors(&c->arena, out, c->p->num_outputs);
  return c->in && c->out ? QN_OK : no_memory(error);
}

static qn_status fill(qn_prepared *c, const DLTensor *in, const DLTensor *out, qn_call_error *error) {
  const qn_program *p = c->p;
  bool whole = p->frozen != NULL;
  qn_status status = QN_OK;
  c->frozen = p->frozen;
  if (!whole) {
    status = qn__freeze_sizes(p, &c->arena, in, &c->own, &whole, error);
    if (status == QN_ERR_NO_MEMORY) return no_memory(error);
    if (status) return status;
    c->frozen = &c->own;
  }
  DLTensor *outputs = (DLTensor *)(uintptr_t)out; /* checked, not changed */
  if ((status = qn__check_frozen(p, c->frozen, in, outputs, NULL, 0, error))) return status;
  if ((status = take_room(c, in, out, error))) return status;
  if (!whole) return qn__call_fail(error, QN_DIAG_LIMIT, "more kernel calls than can be prepared: call the program");
  if (!set_bases(c) || !write_calls(c)) return no_memory(error);
  c->straight = qn__cost_parts(p, c->frozen->most, &c->parallel) <= 1;
  choose_run(c);
  if ((status = have_code(c, error))) return status;
  shorten_run(c);
  return QN_OK;
}

qn_status qn_prepared_create(const qn_program *p, const DLTensor *in, const DLTensor *out, const qn_parallel *parallel,
                             qn_prepared **prepared, qn_call_error *error) {
  if (!p) return qn__no_program(error);
  if (!prepared) return qn__call_fail(error, QN_DIAG_CALL, "nowhere to put the prepared call: the pointer is null");
  *prepared = NULL;
  qn_status status = qn__dl_need_array(in, p->num_inputs, "inputs", error);
  if (!status) status = qn__dl_need_array(out, p->num_outputs, "outputs", error);
  if (status) return status;
  if (p->interp)
    return qn__call_fail(error, QN_DIAG_UNSUPPORTED, "the interpreter's calls cannot be prepared: call the program");
  qn_prepared *c = qn__alloc_zero(&p->allocator, sizeof *c);
  if (!c) return no_memory(error);
  c->p = p;
  c->seen = &p->ctx->on_call;
  qn__arena_init(&c->arena, &p->allocator);
  if (parallel) c->parallel = *parallel;
  status = fill(c, in, out, error);
  qn__tell_news(p);
  if (status)
    qn_prepared_destroy(c);
  else
    *prepared = c;
  return status;
}

void qn_prepared_destroy(qn_prepared *c) {
  if (!c) return;
  qn_allocator a = c->p->allocator;
  qn__arena_free(&c->arena);
  qn__free(&a, c, sizeof *c);
}

/* ---- other addresses ---- */

static bool disjoint(const qn_prepared *c, void *const *at, uint32_t output) {
  bool good = !qn__overlaps(at[output], c->bytes[output], c->workspace, c->workspace_bytes);
  for (uint32_t i = 0; i < output; i++) good &= !qn__overlaps(at[output], c->bytes[output], at[i], c->bytes[i]);
  return good;
}

qn_status qn_prepared_set(qn_prepared *c, void *const *in, void *const *out, qn_call_error *error) {
  if (!c) return qn__no_prepared(error);
  uint32_t inputs = c->p->num_inputs, n = inputs + c->p->num_outputs;
  void *at[QN__MAX_BASES];
  for (uint32_t i = 0; i < n; i++) {
    void *const *given = i < inputs ? in : out;
    at[i] = given ? given[i < inputs ? i : i - inputs] : c->bases[i];
    if (!at[i] && c->bytes[i]) {
      qn_str name = i < inputs ? c->p->input_names[i] : c->p->output_names[i - inputs];
      return qn__call_fail(error, QN_DIAG_CALL, "%s '%.*s' has no data", i < inputs ? "input" : "output",
                           (int)name.size, name.data);
    }
  }
  for (uint32_t i = inputs; i < n; i++)
    if (!disjoint(c, at, i)) return qn__overlap_fail(c->p, i - inputs, error);
  memcpy(c->bases, at, n * sizeof *at);
  for (uint32_t i = 0; i < c->num_moving; i++) *c->moving[i].at = address(c, c->moving[i].fix);
  for (uint32_t i = 0; i < n; i++) *(i < inputs ? &c->in[i].data : &c->out[i - inputs].data) = at[i];
  return QN_OK;
}

/* ---- the run ---- */

qn_status qn_prepared_run(qn_prepared *c, qn_call_error *error) {
  if (!c) return qn__no_prepared(error);
  return c->run(c, error);
}
