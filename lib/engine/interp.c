/* The interpreter as an engine: the oracle behind the same calls. It allocates as it goes and works on one call at a
 * time, unlike compiled programs; callers on other threads wait. */
#include "context_impl.h"
#include "program.h"
#include <pthread.h>
#include <quern/unstable/evaluator.h>
#include <stdio.h>
#include <string.h>

struct qn_interp_program {
  qn_module *module;
  qn_op func;
  pthread_mutex_t lock;
  qn_allocator allocator;
  char problem[256]; /* the diagnostic of the call under way, and its place */
  qn_place place;
};

static qn_status signature(qn_program *p, const qn_module *m, qn_op func, uint32_t n, bool inputs, uint32_t **values,
                           qn_str **names) {
  *values = qn__arena_array(&p->arena, (size_t)n + 1, sizeof **values);
  *names = qn__arena_array(&p->arena, (size_t)n + 1, sizeof **names);
  if (!*values || !*names) return qn_error_no_memory(p->ctx);
  for (uint32_t i = 0; i < n; i++) {
    qn_value v = inputs ? qn_block_arg(m, qn_func_body(m, func), i) : qn_op_operand(m, qn_func_return(m, func), i);
    qn_type t = qn_value_type(m, v);
    qn_pvalue *pv = &p->values[p->num_values];
    if (qn_type_kind_of(p->ctx, t) != QN_TYPE_TENSOR)
      return qn_op_error(m, func, QN_DIAG_UNSUPPORTED, "%s %u has type %s; programs take and give tensors",
                         inputs ? "input" : "output", i, qn_type_text(p->ctx, t).data);
    pv->mem = qn_type_memory(p->ctx, qn_type_elem(p->ctx, t));
    pv->rank = qn_type_rank(p->ctx, t);
    for (uint32_t d = 0; d < pv->rank; d++) pv->shape[d] = qn_type_shape(p->ctx, t)[d];
    qn_str text = qn_type_text(p->ctx, t);
    if (text.size > 1) pv->type_text = qn__arena_str(&p->arena, text); /* "?" says that memory ran out */
    (*names)[i] = qn__arena_str(&p->arena, inputs ? qn_func_input_name(m, func, i) : qn_func_output_name(m, func, i));
    if (!pv->type_text.data || !(*names)[i].data) return qn_error_no_memory(p->ctx);
    (*values)[i] = p->num_values++;
  }
  return QN_OK;
}

qn_status qn__interp_create(const qn_module *m, qn_op func, qn_program *p) {
  p->num_inputs = qn_block_num_args(m, qn_func_body(m, func));
  p->num_outputs = qn_op_num_operands(m, qn_func_return(m, func));
  p->values = qn__arena_array(&p->arena, (size_t)p->num_inputs + p->num_outputs + 1, sizeof *p->values);
  if (!p->values) return qn_error_no_memory(p->ctx);
  qn_status status = signature(p, m, func, p->num_inputs, true, &p->inputs, &p->input_names);
  if (!status) status = signature(p, m, func, p->num_outputs, false, &p->outputs, &p->output_names);
  if (status) return status;
  qn_interp_program *ip = qn__alloc_zero(&p->allocator, sizeof *ip);
  if (!ip) return qn_error_no_memory(p->ctx);
  ip->allocator = p->allocator;
  ip->module = qn_module_clone(m);
  if (!ip->module) {
    qn__free(&p->allocator, ip, sizeof *ip);
    return qn_error_no_memory(p->ctx);
  }
  char name[256];
  qn_str text = qn_func_name(m, func);
  snprintf(name, sizeof name, "%.*s", (int)text.size, text.data);
  ip->func = qn_module_function(ip->module, name);
  pthread_mutex_init(&ip->lock, NULL);
  p->interp = ip;
  return QN_OK;
}

void qn__interp_destroy(qn_interp_program *ip) {
  qn_module_destroy(ip->module);
  pthread_mutex_destroy(&ip->lock);
  qn_allocator a = ip->allocator;
  qn__free(&a, ip, sizeof *ip);
}

static qn_tensor as_tensor(const DLTensor *d, const qn_pvalue *v) {
  qn_tensor t = {.elem = v->mem, .rank = v->rank, .data = d->data ? qn__dl_data(d) : NULL};
  bool packed = qn_scalar_get(v->mem)->storage_bits < 8;
  for (uint32_t i = 0; i < v->rank; i++) t.shape[i] = packed ? v->shape[i] : d->shape[i];
  return t;
}

/* Calls report to the caller, not to the context's handler: the first error is kept for qn_call_error. */
static void keep_problem(void *user, const qn_diag *diag) {
  qn_interp_program *ip = user;
  if (diag->severity != QN_ERROR || ip->problem[0]) return;
  snprintf(ip->problem, sizeof ip->problem, "%.*s", (int)diag->message.size, diag->message.data);
  ip->place = diag->place;
}

/* Callers' elements may lie at any address, those that are evaluated lie at multiples of their size: copies those that
 * do not. False when there is no memory. */
static bool take_aligned(qn_arena *scratch, qn_tensor *t) {
  size_t size = qn_scalar_get(t->elem)->storage_bits / 8, bytes = qn_tensor_bytes(t);
  if (size < 2 || !bytes || (uintptr_t)t->data % size == 0) return true;
  void *copy = qn__arena_alloc(scratch, bytes);
  if (copy) memcpy(copy, t->data, bytes);
  t->data = copy;
  return copy != NULL;
}

/* Evaluates; the results own memory that the caller frees. The lock is held. */
static qn_status evaluate(const qn_program *p, const DLTensor *in, qn_tensor *results, qn_call_error *error) {
  qn_interp_program *ip = p->interp;
  qn_tensor *args = qn__alloc_zero(&p->allocator, ((size_t)p->num_inputs + 1) * sizeof *args);
  if (!args) return qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory"), QN_ERR_NO_MEMORY;
  qn_arena scratch;
  qn__arena_init(&scratch, &p->allocator);
  bool room = true;
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    args[i] = as_tensor(&in[i], &p->values[p->inputs[i]]);
    room = room && take_aligned(&scratch, &args[i]);
  }
  qn_diag_handler old;
  void *old_user;
  ip->problem[0] = 0;
  qn_context_set_diag_handler(p->ctx, keep_problem, ip, &old, &old_user);
  qn_status status =
      room ? qn_evaluate(ip->module, ip->func, NULL, p->num_inputs, args, p->num_outputs, results) : QN_ERR_NO_MEMORY;
  qn_context_set_diag_handler(p->ctx, old, old_user, NULL, NULL);
  qn__arena_free(&scratch);
  qn__free(&p->allocator, args, ((size_t)p->num_inputs + 1) * sizeof *args);
  if (!status) return QN_OK;
  qn__call_fail(error, QN_DIAG_CALL, "%s", ip->problem[0] ? ip->problem : "evaluation failed");
  if (error && ip->problem[0]) error->place = ip->place;
  return status;
}

/* Sizes as the signature has them, and such as memory can hold. */
static qn_status check_sizes(const qn_program *p, const DLTensor *in, qn_call_error *error) {
  for (uint32_t i = 0; i < p->num_inputs; i++) {
    qn_tensor t = {.elem = p->values[p->inputs[i]].mem, .rank = p->values[p->inputs[i]].rank};
    qn_status status = qn__bind_input(p, i, &in[i], t.shape, error);
    if (status) return status;
    if (qn_tensor_bytes(&t) > PTRDIFF_MAX / 4)
      return qn__call_fail(error, QN_DIAG_LIMIT, "input '%.*s' would not fit in memory", (int)p->input_names[i].size,
                           p->input_names[i].data);
  }
  return QN_OK;
}

static qn_status check_output(const qn_program *p, const DLTensor *in, const DLTensor *out, const qn_tensor *results,
                              uint32_t i, qn_call_error *error) {
  const qn_tensor *r = &results[i];
  qn_status status = qn__dl_check(&out[i], "output", p->output_names[i], r->elem, r->rank, r->shape, error);
  if (status) return status;
  const char *data = qn__dl_data(&out[i]);
  bool bad = false;
  for (uint32_t j = 0; j < p->num_inputs; j++) {
    qn_tensor t = as_tensor(&in[j], &p->values[p->inputs[j]]);
    bad |= qn__overlaps(data, qn_tensor_bytes(r), t.data, qn_tensor_bytes(&t));
  }
  for (uint32_t j = 0; j < i; j++)
    bad |= qn__overlaps(data, qn_tensor_bytes(r), qn__dl_data(&out[j]), qn_tensor_bytes(&results[j]));
  return bad ? qn__overlap_fail(p, i, error) : QN_OK;
}

static qn_status with_results(const qn_program *p, const DLTensor *in, qn_shape *shapes, DLTensor *out,
                              qn_call_error *error) {
  size_t bytes = ((size_t)p->num_outputs + 1) * sizeof(qn_tensor);
  qn_tensor *results = qn__alloc_zero(&p->allocator, bytes);
  if (!results) return qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory"), QN_ERR_NO_MEMORY;
  pthread_mutex_lock(&p->interp->lock);
  qn_status status = evaluate(p, in, results, error);
  for (uint32_t i = 0; !status && i < p->num_outputs; i++) {
    if (shapes) memcpy(shapes[i], results[i].shape, sizeof(qn_shape));
    if (out) status = check_output(p, in, out, results, i, error);
  }
  for (uint32_t i = 0; out && !status && i < p->num_outputs; i++) {
    size_t n = qn_tensor_bytes(&results[i]);
    if (n) memcpy(qn__dl_data(&out[i]), results[i].data, n);
  }
  for (uint32_t i = 0; i < p->num_outputs; i++) qn_tensor_free(p->ctx, &results[i]);
  pthread_mutex_unlock(&p->interp->lock);
  qn__free(&p->allocator, results, bytes);
  return status;
}

/* Shapes that the signature fixes need no evaluation. */
static bool known_shapes(const qn_program *p, qn_shape *shapes) {
  for (uint32_t i = 0; i < p->num_outputs; i++)
    for (uint32_t d = 0; d < p->values[p->outputs[i]].rank; d++)
      if (p->values[p->outputs[i]].shape[d] == QN_DYNAMIC) return false;
  for (uint32_t i = 0; shapes && i < p->num_outputs; i++)
    memcpy(shapes[i], p->values[p->outputs[i]].shape, sizeof(qn_shape));
  return true;
}

qn_status qn__interp_sizes(const qn_program *p, const DLTensor *in, size_t *workspace, qn_shape *out,
                           qn_call_error *error) {
  qn_status status = check_sizes(p, in, error);
  if (status) return status;
  if (workspace) *workspace = 0;
  if (!out || known_shapes(p, out)) return QN_OK;
  /* Sizes that depend on the inputs': the only oracle is the evaluation itself, on zeros of those shapes. */
  qn_arena scratch;
  qn__arena_init(&scratch, &p->allocator);
  DLTensor *zeros = qn__arena_array(&scratch, (size_t)p->num_inputs + 1, sizeof *zeros);
  if (!zeros) status = QN_ERR_NO_MEMORY;
  for (uint32_t i = 0; !status && i < p->num_inputs; i++) {
    const qn_pvalue *v = &p->values[p->inputs[i]];
    zeros[i] = in[i];
    zeros[i].byte_offset = 0;
    zeros[i].data = NULL;
    qn_tensor t = as_tensor(&zeros[i], v);
    size_t n = qn_tensor_bytes(&t);
    if (!(zeros[i].data = qn__arena_zero(&scratch, n ? n : 1))) status = QN_ERR_NO_MEMORY;
  }
  if (status)
    qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory");
  else
    status = with_results(p, zeros, out, NULL, error);
  qn__arena_free(&scratch);
  return status;
}

qn_status qn__interp_call(const qn_program *p, const DLTensor *in, DLTensor *out, qn_call_error *error) {
  qn_status status = check_sizes(p, in, error);
  return status ? status : with_results(p, in, NULL, out, error);
}
