#include "functions.h"

static bool add(functions *f, qn_op func) {
  qn_context *ctx = qn_module_context(f->m);
  qn_name name = qn_name_of(ctx, qn_func_name(f->m, func));
  return name.id && qn__push(f->allocator, &f->list, func) &&
         qn__idmap_set(f->allocator, &f->by_name, name.id, f->list.size) &&
         qn__idmap_set(f->allocator, &f->by_op, func.id, f->list.size);
}

qn_status qn__functions_find(qn_module *m, functions *f) {
  *f = (functions){.m = m, .allocator = qn_context_allocator(qn_module_context(m))};
  for (qn_op op = qn_walk_next(m, (qn_op){0}, (qn_op){0}); op.id; op = qn_walk_next(m, (qn_op){0}, op)) {
    qn_op_kind kind = qn_op_kind_of(m, op);
    if (kind == QN_OP_UNREGISTERED) f->has_unregistered = true;
    if (kind == QN_OP_FUNC && !add(f, op)) return qn_error_no_memory(qn_module_context(m));
  }
  return QN_OK;
}

void qn__functions_free(functions *f) {
  qn__vec_free(f->allocator, &f->list);
  qn__idmap_free(f->allocator, &f->by_name);
  qn__idmap_free(f->allocator, &f->by_op);
}

uint32_t qn__callee_of(const functions *f, qn_op call) {
  qn_str name = qn_attr_as_string(f->m, qn_op_attr(f->m, call, "callee"));
  uint32_t place = qn__idmap_get(&f->by_name, qn_name_of(qn_module_context(f->m), name).id);
  return place ? place - 1 : UINT32_MAX;
}

/* ---- reachability ---- */

typedef QN_VEC(uint32_t) places;

static bool reach(const functions *f, uint8_t *seen, places *stack, uint32_t i) {
  if (i == UINT32_MAX || seen[i]) return true;
  seen[i] = 1;
  return qn__push(f->allocator, stack, i);
}

static bool reach_callees(const functions *f, uint8_t *seen, places *stack, qn_op func) {
  qn_block body = qn_func_body(f->m, func);
  for (qn_op op = qn_block_first(f->m, body); op.id; op = qn_op_next(f->m, op))
    if (qn_op_kind_of(f->m, op) == QN_OP_CALL && !reach(f, seen, stack, qn__callee_of(f, op))) return false;
  return true;
}

static bool reach_all(const functions *f, uint8_t *seen) {
  places stack = {0};
  bool ok = true;
  for (uint32_t i = 0; ok && i < f->list.size; i++) {
    if (!qn_func_is_public(f->m, f->list.data[i])) continue;
    ok = reach(f, seen, &stack, i);
    while (ok && stack.size) ok = reach_callees(f, seen, &stack, f->list.data[stack.data[--stack.size]]);
  }
  qn__vec_free(f->allocator, &stack);
  return ok;
}

qn_status qn__functions_erase_unused(functions *f, int64_t *erased) {
  qn_context *ctx = qn_module_context(f->m);
  *erased = 0;
  if (f->has_unregistered || !f->list.size) return QN_OK;
  uint8_t *seen = qn__alloc_zero(f->allocator, f->list.size);
  if (!seen || !reach_all(f, seen)) {
    qn__free(f->allocator, seen, f->list.size);
    return qn_error_no_memory(ctx);
  }
  for (uint32_t i = 0; i < f->list.size; i++) {
    if (seen[i]) continue;
    qn_op_erase(f->m, f->list.data[i]);
    ++*erased;
  }
  qn__free(f->allocator, seen, f->list.size);
  return QN_OK;
}
