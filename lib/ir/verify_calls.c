/* Calls must not go round, nor multiply without end: private functions are inlined before lowering. */
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

/* A chain of functions that each call the next one twice doubles with every link: what would take more copies of ops
 * than this, once calls are replaced by bodies, is refused before any is made, and not evaluated either. */
enum { MOST_COPIES = 1 << 20 };

typedef struct frame {
  uint32_t func, next_call;
} frame;

typedef struct call_search {
  qn_module *m;
  call_graph graph;
  uint8_t *state; /* per function */
  frame *stack;   /* a chain of calls can be as long as the module */
  uint64_t *size; /* per function: ops once its calls are replaced; null where nothing is counted */
  uint64_t copies;
} call_search;

enum { UNSEEN, ON_PATH, DONE };

static uint32_t callee_of(const call_search *s, qn_op call) {
  qn_op func = qn__symbol_find(s->m, qn_attr_as_string(s->m, qn_op_attr(s->m, call, "callee")));
  return func.id ? qn__idmap_get(&s->graph.index, func.id) : 0;
}

static uint64_t count_ops(const qn_module *m, qn_op func) {
  uint64_t n = 0;
  for (uint32_t at = qn__walk_next(m, func.id, func.id); at; at = qn__walk_next(m, func.id, at)) n++;
  return n;
}

static void enter(call_search *s, uint32_t func, uint32_t *depth) {
  s->state[func] = ON_PATH;
  s->stack[(*depth)++] = (frame){func, s->graph.first_call.data[func]};
  if (s->size) s->size[func] = count_ops(s->m, s->graph.funcs.data[func]);
}

static qn_status calls_itself(const call_search *s, qn_op call, uint32_t callee) {
  qn_str name = qn_func_name(s->m, s->graph.funcs.data[callee]);
  return qn_op_error(s->m, call, QN_DIAG_VERIFY, "@%.*s calls itself, here or through others: recursion is not allowed",
                     (int)name.size, name.data);
}

static qn_status count_call(call_search *s, qn_op call, uint32_t caller, uint32_t callee) {
  s->size[caller] += s->size[callee];
  s->copies += s->size[callee];
  if (s->copies <= MOST_COPIES) return QN_OK;
  return qn_op_error(s->m, call, QN_DIAG_LIMIT,
                     "calls multiply at every level: replaced by what they name they are more than %d ops",
                     (int)MOST_COPIES);
}

/* Depth first. Where sizes are counted the first error ends it. */
static qn_status search(call_search *s, uint32_t root) {
  const call_graph *g = &s->graph;
  qn_status status = QN_OK;
  uint32_t depth = 0;
  enter(s, root, &depth);
  while (depth && !(s->size && status)) {
    frame *top = &s->stack[depth - 1];
    if (top->next_call == g->first_call.data[top->func + 1]) {
      s->state[top->func] = DONE;
      depth--;
      continue;
    }
    qn_op call = g->calls.data[top->next_call];
    uint32_t callee = callee_of(s, call);
    if (callee && s->state[callee - 1] == UNSEEN) {
      enter(s, callee - 1, &depth); /* and back to this call when it is done */
      continue;
    }
    top->next_call++;
    if (!callee--) continue; /* reported by the call's rule */
    if (s->state[callee] == ON_PATH)
      status = calls_itself(s, call, callee);
    else if (s->size)
      status = count_call(s, call, top->func, callee);
  }
  return status;
}

/* From all functions, or from `func`. */
static qn_status search_from(call_search *s, qn_op func, bool counting) {
  const qn_allocator *a = s->m->allocator;
  uint32_t n = s->graph.funcs.size, only = func.id ? qn__idmap_get(&s->graph.index, func.id) : 0;
  if (!s->graph.calls.size) return QN_OK;
  s->state = qn__alloc_zero(a, n);
  s->stack = qn__alloc(a, n * sizeof *s->stack);
  s->size = counting ? qn__alloc(a, n * sizeof *s->size) : NULL;
  qn_status status = s->state && s->stack && (s->size || !counting) ? QN_OK : qn_error_no_memory(s->m->ctx);
  bool ready = status == QN_OK;
  for (uint32_t i = only ? only - 1 : 0; ready && i < (only ? only : n) && !(counting && status); i++) {
    qn_status found = s->state[i] == UNSEEN ? search(s, i) : QN_OK;
    if (found != QN_OK) status = found;
  }
  qn__free(a, s->state, n);
  qn__free(a, s->stack, n * sizeof *s->stack);
  qn__free(a, s->size, counting ? n * sizeof *s->size : 0);
  return status;
}

static qn_status check(qn_module *m, qn_op func, bool counting) {
  call_search s = {.m = m};
  qn_status status = collect(m, &s.graph) ? search_from(&s, func, counting) : qn_error_no_memory(m->ctx);
  qn__vec_free(m->allocator, &s.graph.funcs);
  qn__vec_free(m->allocator, &s.graph.calls);
  qn__vec_free(m->allocator, &s.graph.first_call);
  qn__idmap_free(m->allocator, &s.graph.index);
  return status;
}

qn_status qn__verify_calls(qn_module *m) {
  return check(m, (qn_op){0}, false);
}

qn_status qn_module_check_calls(qn_module *m, qn_op func) {
  if (!m) return qn_error_null(NULL, __func__);
  return check(m, func, true);
}
