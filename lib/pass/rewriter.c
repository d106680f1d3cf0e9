/* Helpers for pass writers, and the driver of rewrite patterns: a queue of ops to look at, each in it at most once. */
#include "context_impl.h"
#include "module_impl.h"
#include "pass_impl.h"
#include <quern/unstable/rewriter.h>
#include <string.h>

qn_op qn_walk_next(const qn_module *m, qn_op root, qn_op at) {
  if (!at.id) return root.id ? root : qn_block_first(m, qn_module_body(m));
  return (qn_op){qn__walk_next(m, root.id, at.id)};
}

/* ---- replacing ---- */

/* Output names that the replacement would change are written down as attributes. */
static void keep_output_names(qn_module *m, qn_value old_value, qn_value new_value) {
  qn_name old_name = qn_value_name(m, old_value), new_name = qn_value_name(m, new_value);
  if (old_name.id == new_name.id) return;
  for (qn_use u = qn_value_first_use(m, old_value); u.id; u = qn_use_next(m, u)) {
    qn_op user = qn_use_op(m, u);
    if (qn_op_kind_of(m, user) != QN_OP_RETURN) continue;
    qn_op func = qn_block_op(m, qn_op_parent(m, user));
    uint32_t i = qn_use_index(m, u);
    if (qn_func_is_public(m, func)) qn_func_set_output_name(m, func, i, qn_func_output_name(m, func, i));
  }
}

void qn_replace_value(qn_module *m, qn_value old_value, qn_value new_value) {
  if (!qn_value_name(m, new_value).id && qn_value_op(m, new_value).id)
    qn_value_set_name(m, new_value, qn_value_name(m, old_value));
  keep_output_names(m, old_value, new_value);
  qn_value_replace(m, old_value, new_value);
}

/* ---- the queue ---- */

struct qn_rewriter {
  qn_pass_run *run;
  qn_module *m;
  const qn_allocator *allocator;
  qn_op root;
  QN_VEC(uint32_t) queue; /* a ring of op ids */
  uint32_t head, count;
  QN_VEC(uint8_t) queued; /* by op id */
  bool changed, failed;
  uint32_t first[QN_OP_KIND_COUNT + 1]; /* patterns of a kind, in `order` */
  uint32_t *order;
};

static bool mark(qn_rewriter *r, uint32_t op) {
  uint32_t limit = qn_module_op_limit(r->m);
  if (r->queued.size < limit) {
    if (!qn__reserve(r->allocator, &r->queued, limit - r->queued.size)) return false;
    memset(r->queued.data + r->queued.size, 0, r->queued.cap - r->queued.size);
    r->queued.size = r->queued.cap;
  }
  r->queued.data[op] = 1;
  return true;
}

static bool grow_ring(qn_rewriter *r) {
  uint32_t old = r->queue.cap;
  if (!qn__vec_grow(r->allocator, (void **)&r->queue.data, &r->queue.cap, (size_t)old + 1, sizeof *r->queue.data))
    return false;
  /* The part that had wrapped round moves behind the old end, as far as there is room; the rest moves down. */
  uint32_t wrapped = r->head + r->count > old ? r->head + r->count - old : 0;
  uint32_t room = r->queue.cap - old, moved = wrapped < room ? wrapped : room;
  if (moved) memcpy(r->queue.data + old, r->queue.data, moved * sizeof *r->queue.data);
  if (wrapped > moved) memmove(r->queue.data, r->queue.data + moved, (wrapped - moved) * sizeof *r->queue.data);
  return true;
}

static void enqueue(qn_rewriter *r, qn_op op) {
  if (!op.id || r->failed || (op.id < r->queued.size && r->queued.data[op.id])) return;
  if (qn_op_kind_of(r->m, op) == QN_OP_UNREGISTERED) return;
  if (!mark(r, op.id) || (r->count == r->queue.cap && !grow_ring(r))) {
    r->failed = true;
    return;
  }
  uint64_t at = (uint64_t)r->head + r->count++;
  r->queue.data[at >= r->queue.cap ? at - r->queue.cap : at] = op.id;
}

static qn_op dequeue(qn_rewriter *r) {
  qn_op op = {r->queue.data[r->head]};
  r->head = r->head + 1 == r->queue.cap ? 0 : r->head + 1;
  r->count--;
  r->queued.data[op.id] = 0;
  return op;
}

static void enqueue_users(qn_rewriter *r, qn_value v) {
  for (qn_use u = qn_value_first_use(r->m, v); u.id; u = qn_use_next(r->m, u)) enqueue(r, qn_use_op(r->m, u));
}

/* Ops that an erased one used may be dead now, or have a single use left. */
static void enqueue_operands(qn_rewriter *r, qn_op op) {
  uint32_t n = qn_op_num_operands(r->m, op);
  for (uint32_t i = 0; i < n; i++) enqueue(r, qn_value_op(r->m, qn_op_operand(r->m, op, i)));
}

/* ---- changes ---- */

qn_module *qn_rewriter_module(qn_rewriter *r) {
  return r->m;
}

bool qn_rewriter_replace(qn_rewriter *r, qn_op op, const qn_value *values) {
  uint32_t n = qn_op_num_results(r->m, op);
  for (uint32_t i = 0; i < n; i++) {
    qn_type have = qn_value_type(r->m, values[i]), want = qn_value_type(r->m, qn_op_result(r->m, op, i));
    if (!values[i].id || !qn_type_eq(have, want)) return false;
  }
  for (uint32_t i = 0; i < n; i++) {
    enqueue_users(r, qn_op_result(r->m, op, i));
    qn_replace_value(r->m, qn_op_result(r->m, op, i), values[i]);
  }
  enqueue_operands(r, op);
  qn_op_erase(r->m, op);
  r->changed = true;
  return true;
}

qn_pass_run *qn_rewriter_run(qn_rewriter *r) {
  return r->run;
}

void qn_rewriter_changed(qn_rewriter *r, qn_op op) {
  r->changed = true;
  enqueue(r, op);
  for (uint32_t i = 0; i < qn_op_num_results(r->m, op); i++) enqueue_users(r, qn_op_result(r->m, op, i));
}

void qn_rewriter_set_operand(qn_rewriter *r, qn_op op, uint32_t i, qn_value v) {
  qn_op old = qn_value_op(r->m, qn_op_operand(r->m, op, i));
  qn_op_set_operand(r->m, op, i, v);
  enqueue(r, old);
  qn_rewriter_changed(r, op);
}

/* ---- the driver ---- */

/* Counting sort of the patterns by kind; those for every kind are tried first. */
static bool index_patterns(qn_rewriter *r, const qn_pattern *patterns, size_t n) {
  uint32_t start = 0;
  r->order = qn_run_alloc(r->run, (n + 1) * sizeof *r->order);
  if (!r->order) return false;
  for (uint32_t kind = 0; kind < QN_OP_KIND_COUNT; kind++) {
    r->first[kind] = start;
    for (size_t i = 0; i < n; i++)
      if ((uint32_t)patterns[i].kind == kind) r->order[start++] = (uint32_t)i;
  }
  r->first[QN_OP_KIND_COUNT] = start;
  return true;
}

bool qn_op_is_dead(const qn_module *m, qn_op op) {
  uint32_t n = qn_op_num_results(m, op);
  if (!n || !qn_op_has(m, op, QN_PURE)) return false;
  for (uint32_t i = 0; i < n; i++)
    if (qn_value_is_used(m, qn_op_result(m, op, i))) return false;
  return true;
}

/* Nothing under an unregistered op is rewritten: what its regions mean is not known. */
static void enqueue_all(qn_rewriter *r) {
  const qn_module *m = r->m;
  for (qn_op op = qn_walk_next(m, r->root, (qn_op){0}); op.id && !r->failed; op = qn_walk_next(m, r->root, op)) {
    qn_op holder = qn_block_op(m, qn_op_parent(m, op));
    bool foreign = false;
    for (; holder.id && !foreign; holder = qn_block_op(m, qn_op_parent(m, holder)))
      foreign = qn_op_kind_of(m, holder) == QN_OP_UNREGISTERED;
    if (!foreign) enqueue(r, op);
  }
}

/* Tries the patterns from order[from] on; true when one changed something. */
static qn_status try_range(qn_rewriter *r, const qn_pattern *patterns, uint32_t kind, qn_op op, bool *applied) {
  for (uint32_t i = r->first[kind]; i < r->first[kind + 1]; i++) {
    const qn_pattern *p = &patterns[r->order[i]];
    uint32_t limit = qn_module_op_limit(r->m);
    bool before = r->changed;
    r->changed = false;
    qn_status status = p->apply(r, op);
    *applied = r->changed;
    r->changed = r->changed || before;
    if (status != QN_OK) return status;
    for (uint32_t made = limit; made < qn_module_op_limit(r->m); made++)
      if (!qn_op_is_erased(r->m, (qn_op){made})) enqueue(r, (qn_op){made});
    if (*applied) {
      qn_run_count(r->run, p->name, 1);
      return QN_OK;
    }
  }
  return QN_OK;
}

static qn_status visit(qn_rewriter *r, const qn_pattern *patterns, qn_op op, int64_t *dead) {
  if (qn_op_is_erased(r->m, op)) return QN_OK;
  if (qn_op_is_dead(r->m, op)) {
    enqueue_operands(r, op);
    qn_op_erase(r->m, op);
    r->changed = true;
    ++*dead;
    return QN_OK;
  }
  bool applied = false;
  qn_status status = try_range(r, patterns, QN_OP_UNREGISTERED, op, &applied);
  if (status != QN_OK || applied || qn_op_is_erased(r->m, op)) return status;
  return try_range(r, patterns, (uint32_t)qn_op_kind_of(r->m, op), op, &applied);
}

static qn_status drive(qn_rewriter *r, const qn_pattern *patterns) {
  qn_context *ctx = qn_module_context(r->m);
  qn_status status = QN_OK;
  int64_t dead = 0;
  /* Patterns make programs smaller or simpler; a pair that undoes each other must not hang the caller. */
  uint64_t budget = (uint64_t)r->count * 64 + 65536;
  while (status == QN_OK && !r->failed && r->count) {
    if (budget-- == 0)
      return qn_error(ctx, QN_DIAG_INTERNAL, qn_place_file(""),
                      "rewriting does not come to an end: two patterns undo each other");
    status = visit(r, patterns, dequeue(r), &dead);
  }
  if (dead) qn_run_count(r->run, "dead ops erased", dead);
  if (status == QN_OK && (r->failed || qn_module_failed(r->m))) status = qn_error_no_memory(ctx);
  return status;
}

qn_status qn_rewrite(qn_pass_run *run, qn_op root, const qn_pattern *patterns, size_t num_patterns, bool *changed) {
  qn_module *m = qn_run_module(run);
  qn_rewriter r = {.run = run, .m = m, .root = root, .allocator = qn_context_allocator(qn_module_context(m))};
  qn_status status = index_patterns(&r, patterns, num_patterns) ? QN_OK : QN_ERR_NO_MEMORY;
  if (status == QN_OK) {
    enqueue_all(&r);
    status = drive(&r, patterns);
  }
  qn__vec_free(r.allocator, &r.queue);
  qn__vec_free(r.allocator, &r.queued);
  if (changed) *changed = r.changed;
  return status;
}
