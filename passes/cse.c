/* cse: of several equal pure ops in a block, the first one stays and serves all uses.
 *
 * Before and after:
 *   %0 = quern.exp %x : (T) -> T                      %0 = quern.exp %x : (T) -> T
 *   %1 = quern.exp %x : (T) -> T               ->     %1 = quern.add %0, %0 : (T, T) -> T
 *   %2 = quern.add %0, %1 : (T, T) -> T
 *
 * Equal are ops of one kind with equal operands (in any order where the op is commutative), attributes, result types
 * and regions, which are compared op by op. Preconditions: none. Preserves: shapes. Linear in the number of ops. */
#include "map.h"
#include "vec.h"
#include <quern/pass.h>
#include <quern/unstable/rewriter.h>
#include <string.h>

typedef struct cse {
  qn_pass_run *run;
  qn_module *m;
  const qn_allocator *allocator;
  uint32_t
      *number; /* of a value inside a kernel's region: its place there + 1, so that equal regions have equal ones */
  uint32_t value_limit;
  qn_map map; /* of the block at hand */
  int64_t erased;
} cse;

/* ---- hashing ---- */

static uint64_t mix(uint64_t h, uint64_t v) {
  h = (h ^ v) * 0x9E3779B97F4A7C15u;
  return h ^ h >> 29;
}

/* What stands for an operand: its number in the region, else the value itself. */
static uint64_t operand_key(const cse *c, qn_value v, bool in_region) {
  uint32_t n = in_region && v.id < c->value_limit ? c->number[v.id] : 0;
  return n ? (uint64_t)n << 32 : v.id;
}

static bool is_commutative(const cse *c, qn_op op) {
  return qn_op_num_operands(c->m, op) == 2 && qn_op_has(c->m, op, QN_COMMUTATIVE);
}

static uint64_t hash_head(const cse *c, qn_op op, bool in_region) {
  const qn_module *m = c->m;
  uint32_t n = qn_op_num_operands(m, op), results = qn_op_num_results(m, op);
  uint64_t h = mix((uint64_t)qn_op_kind_of(m, op) << 32 | n, qn_op_attrs(m, op).id);
  if (is_commutative(c, op)) {
    uint64_t a = operand_key(c, qn_op_operand(m, op, 0), in_region),
             b = operand_key(c, qn_op_operand(m, op, 1), in_region);
    h = mix(mix(h, a < b ? a : b), a < b ? b : a);
  } else {
    for (uint32_t i = 0; i < n; i++) h = mix(h, operand_key(c, qn_op_operand(m, op, i), in_region));
  }
  for (uint32_t i = 0; i < results; i++) h = mix(h, qn_value_type(m, qn_op_result(m, op, i)).id);
  return h;
}

static uint32_t number_results(cse *c, qn_op op, uint32_t next) {
  for (uint32_t i = 0; i < qn_op_num_results(c->m, op); i++) {
    qn_value v = qn_op_result(c->m, op, i);
    if (v.id < c->value_limit) c->number[v.id] = ++next;
  }
  return next;
}

/* Numbers the region's values while hashing. False when it holds something that cannot be compared. */
static bool hash_region(cse *c, qn_block block, uint64_t *h) {
  const qn_module *m = c->m;
  uint32_t next = 0, args = qn_block_num_args(m, block);
  for (uint32_t i = 0; i < args; i++) {
    qn_value v = qn_block_arg(m, block, i);
    if (v.id < c->value_limit) c->number[v.id] = ++next;
    *h = mix(*h, qn_value_type(m, v).id);
  }
  for (qn_op op = qn_block_first(m, block); op.id; op = qn_op_next(m, op)) {
    if (qn_op_kind_of(m, op) == QN_OP_UNREGISTERED || qn_op_num_regions(m, op)) return false;
    *h = mix(*h, hash_head(c, op, true));
    next = number_results(c, op, next);
  }
  return true;
}

static bool hash_op(cse *c, qn_op op, uint32_t *out) {
  uint64_t h = hash_head(c, op, false);
  for (uint32_t i = 0; i < qn_op_num_regions(c->m, op); i++)
    if (!hash_region(c, qn_op_region(c->m, op, i), &h)) return false;
  *out = (uint32_t)(h >> 32) ^ (uint32_t)h;
  return true;
}

/* ---- comparing ---- */

static bool operands_equal(const cse *c, qn_op a, qn_op b, bool in_region) {
  const qn_module *m = c->m;
  uint32_t n = qn_op_num_operands(m, a);
  uint64_t first[2], second[2];
  if (is_commutative(c, a)) {
    for (uint32_t i = 0; i < 2; i++) {
      first[i] = operand_key(c, qn_op_operand(m, a, i), in_region);
      second[i] = operand_key(c, qn_op_operand(m, b, i), in_region);
    }
    return (first[0] == second[0] && first[1] == second[1]) || (first[0] == second[1] && first[1] == second[0]);
  }
  for (uint32_t i = 0; i < n; i++)
    if (operand_key(c, qn_op_operand(m, a, i), in_region) != operand_key(c, qn_op_operand(m, b, i), in_region))
      return false;
  return true;
}

static bool heads_equal(const cse *c, qn_op a, qn_op b, bool in_region) {
  const qn_module *m = c->m;
  uint32_t results = qn_op_num_results(m, a);
  if (qn_op_kind_of(m, a) != qn_op_kind_of(m, b) || !qn_attr_eq(qn_op_attrs(m, a), qn_op_attrs(m, b)) ||
      qn_op_num_operands(m, a) != qn_op_num_operands(m, b) || results != qn_op_num_results(m, b) ||
      qn_op_num_regions(m, a) != qn_op_num_regions(m, b))
    return false;
  for (uint32_t i = 0; i < results; i++)
    if (!qn_type_eq(qn_value_type(m, qn_op_result(m, a, i)), qn_value_type(m, qn_op_result(m, b, i)))) return false;
  return operands_equal(c, a, b, in_region);
}

static bool regions_equal(const cse *c, qn_block a, qn_block b) {
  const qn_module *m = c->m;
  uint32_t args = qn_block_num_args(m, a);
  if (args != qn_block_num_args(m, b)) return false;
  for (uint32_t i = 0; i < args; i++)
    if (!qn_type_eq(qn_value_type(m, qn_block_arg(m, a, i)), qn_value_type(m, qn_block_arg(m, b, i)))) return false;
  qn_op x = qn_block_first(m, a), y = qn_block_first(m, b);
  for (; x.id && y.id; x = qn_op_next(m, x), y = qn_op_next(m, y))
    if (!heads_equal(c, x, y, true)) return false;
  return x.id == y.id; /* both at the end */
}

static bool ops_equal(const void *owner, const void *key, uint32_t id) {
  const cse *c = owner;
  qn_op a = *(const qn_op *)key, b = {id};
  if (!heads_equal(c, a, b, false)) return false;
  for (uint32_t i = 0; i < qn_op_num_regions(c->m, a); i++)
    if (!regions_equal(c, qn_op_region(c->m, a, i), qn_op_region(c->m, b, i))) return false;
  return true;
}

/* ---- blocks ---- */

static bool visit_op(cse *c, qn_op op) {
  qn_module *m = c->m;
  uint32_t hash, n = qn_op_num_results(m, op);
  if (!n || !qn_op_has(m, op, QN_PURE) || !hash_op(c, op, &hash)) return true;
  qn_op first = {qn__map_find(&c->map, hash, ops_equal, c, &op)};
  if (!first.id) return qn__map_add(c->allocator, &c->map, hash, op.id);
  for (uint32_t i = 0; i < n; i++) qn_replace_value(m, qn_op_result(m, op, i), qn_op_result(m, first, i));
  qn_op_erase(m, op);
  c->erased++;
  return true;
}

/* Each block has a table of its own, gone with it: clearing a large one for every small region would not be linear. */
static bool visit_block(cse *c, qn_block block) {
  bool ok = true;
  for (qn_op op = qn_block_first(c->m, block), next; op.id && ok; op = next) {
    next = qn_op_next(c->m, op);
    ok = visit_op(c, op);
  }
  qn__map_free(c->allocator, &c->map);
  return ok;
}

/* The blocks of functions and kernels, holders first. */
static bool collect_blocks(cse *c, qn_block **blocks, uint32_t *size, uint32_t *cap) {
  const qn_module *m = c->m;
  for (qn_op op = qn_walk_next(m, (qn_op){0}, (qn_op){0}); op.id; op = qn_walk_next(m, (qn_op){0}, op)) {
    if (qn_op_kind_of(m, op) == QN_OP_UNREGISTERED) continue;
    for (uint32_t i = 0; i < qn_op_num_regions(m, op); i++) {
      if (*size == *cap && !qn__vec_grow(c->allocator, (void **)blocks, cap, (size_t)*size + 1, sizeof **blocks))
        return false;
      (*blocks)[(*size)++] = qn_op_region(m, op, i);
    }
  }
  return true;
}

qn_status qn__pass_cse(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_context *ctx = qn_run_context(run);
  cse c = {.run = run, .m = m, .allocator = qn_context_allocator(ctx), .value_limit = qn_module_value_limit(m)};
  qn_block *blocks = NULL;
  uint32_t size = 0, cap = 0;
  c.number = qn_run_alloc(run, (size_t)c.value_limit * sizeof *c.number);
  bool ok = c.number && collect_blocks(&c, &blocks, &size, &cap);
  while (ok && size) ok = visit_block(&c, blocks[--size]); /* what is held before its holder */
  qn__free(c.allocator, blocks, (size_t)cap * sizeof *blocks);
  if (c.erased) qn_run_count(run, "equal ops merged", c.erased);
  qn_run_preserved(run, c.erased > 0, QN_PRESERVES_SHAPES);
  return ok ? QN_OK : qn_error_no_memory(ctx);
}
