/* inline: replaces calls by the bodies of the functions they name, callees first, and removes the private functions
 * that are then left over.
 *
 * Before and after:
 *   func.func private @f(%a: T) -> T { %0 = quern.exp %a .. return %0 }      func.func @main(%x: T) -> T {
 *   func.func @main(%x: T) -> T { %0 = call @f(%x) : (T) -> T return %0 }  ->    %0 = quern.exp %x .. return %0 }
 *
 * Preconditions: no recursion (the verifier says so), and calls that do not multiply past a million ops. Calls of
 * public functions are inlined too; the functions stay. Ops keep their own locations. Preserves: shapes. */
#include "functions.h"
#include <string.h>

typedef struct frame {
  uint32_t func;
  qn_op at; /* the next op to look at */
} frame;

typedef struct inliner {
  qn_module *m;
  qn_context *ctx;
  functions functions;
  uint8_t *state; /* per function */
  QN_VEC(frame) stack;
  QN_VEC(uint32_t) map; /* value of the callee -> value at the call */
  int64_t inlined;
} inliner;

enum { UNSEEN, ON_STACK, DONE };

static bool grow_map(inliner *in) {
  const qn_allocator *a = in->functions.allocator;
  uint32_t limit = qn_module_value_limit(in->m);
  if (in->map.size >= limit) return true;
  if (!qn__reserve(a, &in->map, limit - in->map.size)) return false;
  memset(in->map.data + in->map.size, 0, (in->map.cap - in->map.size) * sizeof *in->map.data);
  in->map.size = in->map.cap;
  return true;
}

/* ---- one call ---- */

static bool copy_op(inliner *in, qn_builder *b, qn_op op) {
  qn_op copy = qn_op_clone(b, in->m, op, in->map.data, in->map.size);
  uint32_t n = qn_op_num_results(in->m, op);
  for (uint32_t i = 0; i < n; i++) in->map.data[qn_op_result(in->m, op, i).id] = qn_op_result(in->m, copy, i).id;
  return copy.id != 0;
}

static qn_status copy_body(inliner *in, qn_op call, qn_op func) {
  qn_module *m = in->m;
  qn_block body = qn_func_body(m, func);
  qn_op ret = qn_func_return(m, func);
  qn_builder b = qn_builder_before(m, call);
  if (!grow_map(in)) return qn_error_no_memory(in->ctx);
  for (uint32_t i = 0; i < qn_block_num_args(m, body); i++)
    in->map.data[qn_block_arg(m, body, i).id] = qn_op_operand(m, call, i).id;
  for (qn_op op = qn_block_first(m, body); op.id && op.id != ret.id; op = qn_op_next(m, op))
    if (!copy_op(in, &b, op)) return QN_ERR_NO_MEMORY;
  return QN_OK;
}

static qn_status inline_call(inliner *in, qn_op call, qn_op func) {
  qn_module *m = in->m;
  qn_status status = copy_body(in, call, func);
  if (status != QN_OK) return status;
  qn_op ret = qn_func_return(m, func);
  for (uint32_t i = 0; i < qn_op_num_results(m, call); i++)
    qn_replace_value(m, qn_op_result(m, call, i), (qn_value){in->map.data[qn_op_operand(m, ret, i).id]});
  qn_op_erase(m, call);
  in->inlined++;
  return QN_OK;
}

/* ---- the call graph, depth first with a stack of its own ---- */

static qn_status enter(inliner *in, uint32_t func) {
  const frame f = {func, qn_block_first(in->m, qn_func_body(in->m, in->functions.list.data[func]))};
  in->state[func] = ON_STACK;
  return qn__push(in->functions.allocator, &in->stack, f) ? QN_OK : qn_error_no_memory(in->ctx);
}

/* A call on top of the stack: its callee must be done before its body is copied. */
static qn_status visit_call(inliner *in, frame *top) {
  uint32_t callee = qn__callee_of(&in->functions, top->at);
  if (callee == UINT32_MAX || in->state[callee] == ON_STACK)
    return qn_op_error(in->m, top->at, QN_DIAG_VERIFY, "names a function that does not exist or calls itself");
  if (in->state[callee] == UNSEEN) return enter(in, callee);
  qn_op call = top->at;
  top->at = qn_op_next(in->m, call);
  return inline_call(in, call, in->functions.list.data[callee]);
}

static qn_status inline_from(inliner *in, uint32_t root) {
  qn_status status = enter(in, root);
  while (status == QN_OK && in->stack.size) {
    frame *top = &in->stack.data[in->stack.size - 1];
    if (!top->at.id) {
      in->state[top->func] = DONE;
      in->stack.size--;
    } else if (qn_op_kind_of(in->m, top->at) == QN_OP_CALL) {
      status = visit_call(in, top);
    } else {
      top->at = qn_op_next(in->m, top->at);
    }
  }
  return status;
}

static qn_status inline_all(inliner *in, qn_pass_run *run) {
  uint32_t n = in->functions.list.size;
  qn_status status = qn_module_check_calls(in->m, (qn_op){0});
  in->state = status ? NULL : qn_run_alloc(run, (size_t)n + 1);
  if (!in->state) return status ? status : QN_ERR_NO_MEMORY;
  memset(in->state, UNSEEN, n);
  for (uint32_t i = 0; i < n && status == QN_OK; i++)
    if (in->state[i] == UNSEEN) status = inline_from(in, i);
  return status;
}

qn_status qn__pass_inline_calls(qn_pass_run *run) {
  inliner in = {.m = qn_run_module(run), .ctx = qn_run_context(run)};
  int64_t erased = 0;
  qn_status status = qn__functions_find(in.m, &in.functions);
  if (status == QN_OK) status = inline_all(&in, run);
  if (status == QN_OK) status = qn__functions_erase_unused(&in.functions, &erased);
  qn__vec_free(in.functions.allocator, &in.stack);
  qn__vec_free(in.functions.allocator, &in.map);
  qn__functions_free(&in.functions);
  if (in.inlined) qn_run_count(run, "calls inlined", in.inlined);
  if (erased) qn_run_count(run, "private functions erased", erased);
  qn_run_preserved(run, in.inlined || erased, QN_PRESERVES_SHAPES);
  return status;
}
