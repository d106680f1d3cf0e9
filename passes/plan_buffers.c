/* plan-buffers: values whose lifetimes do not overlap share a slot of the workspace, so that a call needs one block no
 * larger than its busiest moment.
 *
 * Before and after:
 *   %0 = kern.map %x .. : (T) -> T       ->   %0 = kern.map %x .. {quern.slots = array<i64: 0>} : (T) -> T
 *   %1 = kern.map %0 .. : (T) -> T            %1 = kern.map %0 .. {quern.slots = array<i64: 1>} : (T) -> T
 *   %2 = kern.map %1 .. : (T) -> T            %2 = kern.map %1 .. {quern.slots = array<i64: 0>} : (T) -> T
 *
 * quern.slots has a number per result; -1 where the result needs no slot: a view lies where its operand lies, and what
 * a function returns lies in the caller's memory. A result shares no slot with an operand of its own op. Sizes that are
 * known are fitted (the smallest free slot that is large enough, else the largest one grows); values with sizes known
 * at run time share with values of an equal type only. Preconditions: kern ops. Preserves: shapes, structure. */
#include "map.h"
#include <quern/pass.h>
#include <quern/unstable/rewriter.h>
#include <string.h>

/* Free slots by size: four lists per power of two, so that finding one does not depend on how many there are. */
enum { NUM_LISTS = 64 * 4 };

typedef struct slot {
  uint64_t bytes;
  uint32_t next; /* in its list + 1 */
} slot;

typedef struct planner {
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  uint32_t *root;     /* per value: the value whose bytes it shows */
  uint32_t *last_use; /* per root: number of the op that uses it last */
  uint32_t *slot_of;  /* per root: its slot + 1 */
  slot *slots;        /* room for one per value */
  uint32_t num_slots;
  uint32_t lists[NUM_LISTS];
  qn_idmap dynamic; /* type id -> first free slot + 1 of values of that type */
  uint64_t unshared;
} planner;

enum { FOREVER = UINT32_MAX };

/* ---- lifetimes ---- */

static bool is_kernel(const qn_module *m, qn_op op) {
  return qn_op_has(m, op, QN_KERNEL_OP) && qn_op_kind_of(m, op) != QN_OP_PACKED;
}

static void trace(planner *p, qn_op func) {
  const qn_module *m = p->m;
  uint32_t at = 0;
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)); op.id; op = qn_op_next(m, op)) {
    at++;
    for (uint32_t i = 0; i < qn_op_num_results(m, op); i++) {
      uint32_t v = qn_op_result(m, op, i).id;
      p->root[v] = qn_op_kind_of(m, op) == QN_OP_VIEW ? p->root[qn_op_operand(m, op, 0).id] : v;
      if (p->root[v] == v) p->last_use[v] = at;
    }
    bool returns = qn_op_kind_of(m, op) == QN_OP_RETURN;
    for (uint32_t i = 0; i < qn_op_num_operands(m, op); i++)
      p->last_use[p->root[qn_op_operand(m, op, i).id]] = returns ? FOREVER : at;
  }
}

static void trace_inputs(planner *p, qn_op func) {
  qn_block body = qn_func_body(p->m, func);
  for (uint32_t i = 0; i < qn_block_num_args(p->m, body); i++) {
    uint32_t v = qn_block_arg(p->m, body, i).id;
    p->root[v] = v;
  }
}

/* ---- slots ---- */

static uint32_t list_of(uint64_t bytes) {
  uint32_t log = 0;
  while (bytes >> log > 7) log++;
  /* bytes >> log is 4 .. 7 once log > 0: its low two bits choose among the four lists of the power. */
  return bytes < 4 ? (uint32_t)bytes : (log + 1) * 4 + (uint32_t)((bytes >> log) & 3);
}

/* Takes slot `at` out of its list, in which it follows `before` (0: it is the first). */
static uint32_t take_from(planner *p, uint32_t list, uint32_t before, uint32_t at) {
  uint32_t next = p->slots[at - 1].next;
  if (before)
    p->slots[before - 1].next = next;
  else
    p->lists[list] = next;
  return at;
}

/* In the list that `bytes` itself falls into, the first few are tried for the best one. */
static uint32_t take_similar(planner *p, uint64_t bytes, uint32_t list) {
  enum { TRIES = 8 };
  uint32_t best = 0, before_best = 0, before = 0, at = p->lists[list];
  for (int i = 0; i < TRIES && at; i++, before = at, at = p->slots[at - 1].next) {
    uint64_t room = p->slots[at - 1].bytes;
    if (room >= bytes && (!best || room < p->slots[best - 1].bytes)) best = at, before_best = before;
  }
  return best ? take_from(p, list, before_best, best) : 0;
}

/* A free slot of at least this size, the smallest as far as lists tell; else the largest free one, grown; 0: none. */
static uint32_t take_static(planner *p, uint64_t bytes) {
  uint32_t list = list_of(bytes), found = take_similar(p, bytes, list);
  for (uint32_t i = list + 1; i < NUM_LISTS && !found; i++)
    if (p->lists[i]) found = take_from(p, i, 0, p->lists[i]);
  for (uint32_t i = list + 1; i-- > 0 && !found;)
    if (p->lists[i]) found = take_from(p, i, 0, p->lists[i]);
  if (found && p->slots[found - 1].bytes < bytes) p->slots[found - 1].bytes = bytes;
  return found;
}

static uint32_t take_dynamic(planner *p, qn_type t) {
  uint32_t at = qn__idmap_get(&p->dynamic, t.id);
  if (!at || at == FOREVER) return 0;
  uint32_t next = p->slots[at - 1].next;
  return qn__idmap_set(p->allocator, &p->dynamic, t.id, next ? next : FOREVER) ? at : 0;
}

static bool give_back(planner *p, uint32_t value) {
  uint32_t at = p->slot_of[value];
  slot *s = &p->slots[at - 1];
  qn_type t = qn_value_type(p->m, (qn_value){value});
  p->slot_of[value] = 0;
  if (qn_type_is_static(p->ctx, t)) {
    uint32_t list = list_of(s->bytes);
    s->next = p->lists[list];
    p->lists[list] = at;
    return true;
  }
  uint32_t head = qn__idmap_get(&p->dynamic, t.id);
  s->next = head == FOREVER ? 0 : head;
  return qn__idmap_set(p->allocator, &p->dynamic, t.id, at);
}

static uint32_t new_slot(planner *p, uint64_t bytes) {
  p->slots[p->num_slots] = (slot){.bytes = bytes};
  return ++p->num_slots;
}

static void assign(planner *p, uint32_t value) {
  qn_type t = qn_value_type(p->m, (qn_value){value});
  int64_t count = qn_type_count(p->ctx, t);
  uint64_t bytes = count < 0 ? 0 : qn_scalar_bytes(qn_type_memory(p->ctx, qn_type_elem(p->ctx, t)), (uint64_t)count);
  bool known = qn_type_is_static(p->ctx, t);
  uint32_t at = known ? take_static(p, bytes) : take_dynamic(p, t);
  if (known) p->unshared += bytes;
  p->slot_of[value] = at ? at : new_slot(p, bytes);
}

/* ---- one function ---- */

static bool set_slots(planner *p, qn_op op) {
  enum { FEW = 16 };
  int64_t few[FEW], *slots = few;
  uint32_t n = qn_op_num_results(p->m, op);
  if (n > FEW && !(slots = qn__alloc(p->allocator, n * sizeof *slots))) return false;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t v = qn_op_result(p->m, op, i).id;
    slots[i] = p->root[v] == v ? (int64_t)p->slot_of[v] - 1 : -1;
  }
  qn_op_set_attr(p->m, op, "quern.slots", qn_attr_ints(p->m, QN_I64, n, slots));
  if (slots != few) qn__free(p->allocator, slots, n * sizeof *slots);
  return true;
}

/* Frees the slots of what the op used last. After its results have theirs, so that none is shared with an operand. */
static bool release(planner *p, qn_op op, uint32_t at) {
  bool ok = true;
  for (uint32_t i = 0; i < qn_op_num_operands(p->m, op) && ok; i++) {
    uint32_t v = p->root[qn_op_operand(p->m, op, i).id];
    if (p->slot_of[v] && p->last_use[v] == at) ok = give_back(p, v);
  }
  for (uint32_t i = 0; i < qn_op_num_results(p->m, op) && ok; i++) {
    uint32_t v = qn_op_result(p->m, op, i).id;
    if (p->slot_of[v] && p->last_use[v] == at) ok = give_back(p, v);
  }
  return ok;
}

static bool plan_op(planner *p, qn_op op, uint32_t at) {
  if (!is_kernel(p->m, op)) return release(p, op, at);
  for (uint32_t i = 0; i < qn_op_num_results(p->m, op); i++) {
    uint32_t v = qn_op_result(p->m, op, i).id;
    if (p->root[v] == v && p->last_use[v] != FOREVER) assign(p, v);
  }
  return set_slots(p, op) && release(p, op, at);
}

static bool plan_function(planner *p, qn_op func) {
  uint32_t at = 0;
  bool ok = true;
  p->num_slots = 0;
  memset(p->lists, 0, sizeof p->lists);
  trace_inputs(p, func);
  trace(p, func);
  for (qn_op op = qn_block_first(p->m, qn_func_body(p->m, func)); op.id && ok; op = qn_op_next(p->m, op))
    ok = plan_op(p, op, ++at);
  qn__idmap_free(p->allocator, &p->dynamic);
  return ok;
}

static void count_slots(qn_pass_run *run, const planner *p) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < p->num_slots; i++) bytes += p->slots[i].bytes;
  qn_run_count(run, "slots", p->num_slots);
  qn_run_count(run, "bytes of known size in slots", (int64_t)bytes);
}

qn_status qn__pass_plan_buffers(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_context *ctx = qn_run_context(run);
  planner p = {.m = m, .ctx = ctx, .allocator = qn_context_allocator(ctx)};
  size_t bytes = (size_t)qn_module_value_limit(m) * sizeof *p.root;
  p.root = qn_run_alloc(run, bytes);
  p.last_use = qn_run_alloc(run, bytes);
  p.slot_of = qn_run_alloc(run, bytes);
  p.slots = qn_run_alloc(run, (size_t)qn_module_value_limit(m) * sizeof *p.slots);
  bool ok = p.root && p.last_use && p.slot_of && p.slots;
  for (qn_op f = qn_block_first(m, qn_module_body(m)); f.id && ok; f = qn_op_next(m, f)) {
    if (qn_op_kind_of(m, f) != QN_OP_FUNC) continue;
    ok = plan_function(&p, f);
    if (ok) count_slots(run, &p);
  }
  if (ok) qn_run_count(run, "bytes of known size without sharing", (int64_t)p.unshared);
  qn_run_preserved(run, true, QN_PRESERVES_SHAPES | QN_PRESERVES_STRUCTURE);
  return ok ? QN_OK : qn_error_no_memory(ctx);
}
