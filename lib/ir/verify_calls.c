/* Calls must not go round: private functions are inlined before lowering. */
#include "context_impl.h"
#include "module_impl.h"
#include "verify_impl.h"

/* The call graph as one array of call ops, sorted by caller because functions are walked in order. */
typedef struct call_graph {
  QN_VEC(qn_op) funcs;
  QN_VEC(qn_op) calls;
  QN_VEC(uint32_t) first_call; /* per function, and one past the last */
  qn_idmap index;              /* function op to its place in funcs, plus 1 */
} call_graph;

static bool collect(const qn_module *m, call_graph *g) {
  const qn_allocator *a = m->allocator;
  for (qn_op f = qn_block_first(m, qn_module_body(m)); f.id; f = qn_op_next(m, f)) {
    if (qn_op_kind_of(m, f) != QN_OP_FUNC) continue;
    if (!qn__push(a, &g->funcs, f) || !qn__push(a, &g->first_call, g->calls.size) ||
        !qn__idmap_set(a, &g->index, f.id, g->funcs.size))
      return false;
    for (uint32_t at = qn__walk_next(m, f.id, f.id); at; at = qn__walk_next(m, f.id, at)) {
      if (m->ops.data[at].kind != QN_OP_CALL) continue;
      const qn_op call = {at};
      if (!qn__push(a, &g->calls, call)) return false;
    }
  }
  return qn__push(a, &g->first_call, g->calls.size);
}

typedef struct frame {
  uint32_t func, next_call;
} frame;

static uint32_t callee_of(qn_module *m, const call_graph *g, qn_op call) {
  qn_op func = qn__symbol_find(m, qn_attr_as_string(m, qn_op_attr(m, call, "callee")));
  return func.id ? qn__idmap_get(&g->index, func.id) : 0;
}

enum { UNSEEN, ON_PATH, DONE };

/* Depth first with a stack of its own: a chain of calls can be as long as the module. */
static qn_status search(qn_module *m, const call_graph *g, uint8_t *state, frame *stack, uint32_t root) {
  qn_status status = QN_OK;
  uint32_t depth = 0;
  stack[depth++] = (frame){root, g->first_call.data[root]};
  state[root] = ON_PATH;
  while (depth) {
    frame *top = &stack[depth - 1];
    if (top->next_call == g->first_call.data[top->func + 1]) {
      state[top->func] = DONE;
      depth--;
      continue;
    }
    qn_op call = g->calls.data[top->next_call++];
    uint32_t callee = callee_of(m, g, call);
    if (!callee--) continue; /* reported by the call's rule */
    if (state[callee] == ON_PATH) {
      qn_str name = qn_func_name(m, g->funcs.data[callee]);
      status =
          qn_op_error(m, call, QN_DIAG_VERIFY, "@%.*s calls itself, here or through others: recursion is not allowed",
                      (int)name.size, name.data);
    } else if (state[callee] == UNSEEN) {
      state[callee] = ON_PATH;
      stack[depth++] = (frame){callee, g->first_call.data[callee]};
    }
  }
  return status;
}

static qn_status search_all(qn_module *m, const call_graph *g) {
  uint32_t n = g->funcs.size;
  if (!g->calls.size) return QN_OK;
  uint8_t *state = qn__alloc_zero(m->allocator, n);
  frame *stack = qn__alloc(m->allocator, n * sizeof *stack);
  qn_status status = state && stack ? QN_OK : qn_error_no_memory(m->ctx);
  for (uint32_t i = 0; state && stack && i < n; i++) {
    qn_status found = state[i] == UNSEEN ? search(m, g, state, stack, i) : QN_OK;
    if (found != QN_OK) status = found;
  }
  qn__free(m->allocator, state, n);
  qn__free(m->allocator, stack, n * sizeof *stack);
  return status;
}

qn_status qn__verify_calls(qn_module *m) {
  call_graph g = {0};
  qn_status status = collect(m, &g) ? search_all(m, &g) : qn_error_no_memory(m->ctx);
  qn__vec_free(m->allocator, &g.funcs);
  qn__vec_free(m->allocator, &g.calls);
  qn__vec_free(m->allocator, &g.first_call);
  qn__idmap_free(m->allocator, &g.index);
  return status;
}
