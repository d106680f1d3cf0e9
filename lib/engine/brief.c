/* Calls of programs whose sizes are known and that come to one kernel on the calling thread. Such kernels may take as
 * long as looking at the tensors does the general way; this is the short one. Whatever is not as it should be goes the
 * general way, which finds out what. */
#include "context_impl.h"
#include "fpenv.h"
#include "program.h"
#include <stddef.h>
#include <string.h>

enum { MOST_PORTS = 8, MOST_PTRS = 16 };

/* What a tensor says of itself in 8 neighbouring bytes: how many dimensions, of what. */
typedef struct kind_of {
  int32_t ndim;
  DLDataType type;
} kind_of;
_Static_assert(sizeof(kind_of) == sizeof(uint64_t) &&
                   offsetof(DLTensor, dtype) == offsetof(DLTensor, ndim) + offsetof(kind_of, type),
               "these follow each other in a DLTensor");

typedef struct port {
  uint64_t kind, bytes;
  const int64_t *shape;
  int ndim;
  uint32_t ptr; /* of the kernel, that points into the tensor; MOST_PTRS for none */
  int64_t offset;
} port;

struct qn_brief {
  uint32_t num_inputs, num_ports, num_constants, body;
  bool floats;
  qn_kargs args; /* all but ptr */
  port ports[MOST_PORTS];
  struct {
    uint32_t ptr;
    int64_t offset;
  } constants[MOST_PTRS];
};

/* ---- the call ---- */

static inline bool is_as(const port *p, const DLTensor *t) {
  uint64_t kind;
  memcpy(&kind, (const char *)t + offsetof(DLTensor, ndim), sizeof kind);
  if (kind != p->kind || t->device.device_type != kDLCPU || t->strides || !t->data || !t->shape) return false;
  for (int d = 0; d < p->ndim; d++)
    if (t->shape[d] != p->shape[d]) return false;
  return true;
}

static inline bool on_one_thread(const qn_program *p, const qn_parallel *parallel) {
  return !parallel || parallel->num_threads < 2 || qn__cost_parts(p, p->frozen->most, parallel) <= 1;
}

/* Where a tensor is, if it is as it should be, else null. */
static inline char *place(const port *x, const DLTensor *t, void **ptrs) {
  if (!is_as(x, t)) return NULL;
  char *data = qn__dl_data(t);
  ptrs[x->ptr] = data + x->offset; /* at once: what a kernel waits for is the way to its operands */
  return data;
}

static bool places(const qn_brief *b, const DLTensor *in, const DLTensor *out, const char *workspace,
                   size_t workspace_bytes, void **ptrs) {
  char *at[MOST_PORTS];
  for (uint32_t i = 0; i < b->num_inputs; i++)
    if (!(at[i] = place(&b->ports[i], &in[i], ptrs))) return false;
  for (uint32_t i = b->num_inputs; i < b->num_ports; i++) {
    size_t bytes = b->ports[i].bytes;
    if (!(at[i] = place(&b->ports[i], &out[i - b->num_inputs], ptrs))) return false;
    if (qn__overlaps(at[i], bytes, workspace, workspace_bytes)) return false;
    for (uint32_t j = 0; j < i; j++)
      if (qn__overlaps(at[i], bytes, at[j], b->ports[j].bytes)) return false;
  }
  return true;
}

static int32_t run_floats(qn_kernel_fn fn, const qn_kargs *args) {
  qn_fp_env saved = qn__fp_enter();
  int32_t answer = fn(args);
  qn__fp_leave(saved);
  return answer;
}

/* False where the program must be called the general way, as if nothing had happened. */
static bool call_brief(const qn_program *p, const qn_brief *b, const DLTensor *in, const DLTensor *out,
                       const char *workspace, size_t workspace_bytes, const qn_parallel *parallel) {
  void *ptrs[MOST_PTRS + 1];
  if (p->ctx->on_call || !on_one_thread(p, parallel)) return false;
  if (!places(b, in, out, workspace, workspace_bytes, ptrs)) return false;
  for (uint32_t j = 0; j < b->num_constants; j++)
    ptrs[b->constants[j].ptr] = (char *)(uintptr_t)p->constants + b->constants[j].offset;
  qn_kernel_fn fn = qn__unit_fn(p->tiers[b->body].best);
  if (!fn) return false;
  qn_kargs args = b->args;
  args.ptr = ptrs;
  return (b->floats ? run_floats(fn, &args) : fn(&args)) == 0;
}

qn_status qn_program_call(const qn_program *p, const DLTensor *in, DLTensor *out, void *workspace,
                          size_t workspace_bytes, const qn_parallel *parallel, qn_call_error *error) {
  const qn_brief *b = p && p->frozen ? p->frozen->brief : NULL;
  if (b && in && out && call_brief(p, b, in, out, workspace, workspace_bytes, parallel)) return QN_OK;
  return qn__call_general(p, in, out, workspace, workspace_bytes, parallel, error);
}

/* ---- making one ---- */

static port port_of(const qn_frozen_port *f) {
  port p = {.bytes = f->bytes, .ndim = f->ndim, .shape = f->shape, .ptr = MOST_PTRS};
  kind_of k = {f->ndim, f->type};
  memcpy(&p.kind, &k, sizeof p.kind);
  return p;
}

/* No slots: where memory is needed besides, kernels are more than one. And no tensor is two operands. */
static bool can_be_brief(const qn_program *p, const qn_frozen *f) {
  uint32_t ports = p->num_inputs + p->num_outputs, uses[MOST_PORTS + 1] = {0};
  if (f->num_calls != 1 || f->back || f->workspace_bytes || ports > MOST_PORTS) return false;
  const qn_frozen_call *k = &f->calls[0];
  if (k->num_ptrs > MOST_PTRS) return false;
  for (uint32_t j = 0; j < k->num_ptrs; j++) {
    if (k->ptrs[j].base > ports) return false;
    uses[k->ptrs[j].base]++;
  }
  for (uint32_t i = 0; i < ports; i++) {
    const qn_frozen_port *x = i < p->num_inputs ? &f->inputs[i] : &f->outputs[i - p->num_inputs];
    if (uses[i] > 1 || !x->bytes || x->copy_from != UINT32_MAX) return false;
  }
  return true;
}

bool qn__make_brief(const qn_program *p, qn_arena *arena, qn_frozen *f) {
  if (!can_be_brief(p, f)) return true;
  const qn_frozen_call *k = &f->calls[0];
  qn_brief *b = qn__arena_new(arena, qn_brief);
  if (!b) return false;
  b->num_inputs = p->num_inputs, b->num_ports = p->num_inputs + p->num_outputs;
  b->body = k->body, b->floats = f->floats, b->args = k->args;
  for (uint32_t i = 0; i < b->num_ports; i++)
    b->ports[i] = port_of(i < b->num_inputs ? &f->inputs[i] : &f->outputs[i - b->num_inputs]);
  for (uint32_t j = 0; j < k->num_ptrs; j++) {
    qn_fix at = k->ptrs[j];
    if (at.base < b->num_ports) {
      b->ports[at.base].ptr = j, b->ports[at.base].offset = at.offset;
    } else {
      b->constants[b->num_constants].ptr = j;
      b->constants[b->num_constants++].offset = at.offset;
    }
  }
  f->brief = b;
  return true;
}
