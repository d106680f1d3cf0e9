/* Copying: a whole module with all ids kept, or one op with its regions into any place. */
#include "context_impl.h"
#include "map.h"
#include "module_impl.h"
#include <string.h>

/* ---- a module ---- */

static void *copy_array(const qn_allocator *a, const void *data, uint32_t size, size_t elem, bool *ok) {
  void *copy = qn__alloc(a, (size_t)size * elem);
  if (!copy && size) *ok = false;
  if (copy) memcpy(copy, data, (size_t)size * elem);
  return copy;
}

/* Replaces one growable array of `to` by a copy of `from`'s. */
#define CLONE_ARRAY(member)                                                                                            \
  do {                                                                                                                 \
    qn__vec_free(a, &to->member);                                                                                      \
    to->member.data = copy_array(a, from->member.data, from->member.size, sizeof *from->member.data, &ok);             \
    to->member.size = to->member.cap = to->member.data ? from->member.size : 0;                                        \
  } while (0)

static bool clone_block_args(qn_module *to) {
  for (uint32_t i = 1; i < to->blocks.size; i++) {
    qn_block_rec *b = &to->blocks.data[i];
    b->cap_args = b->num_args;
    b->args = b->num_args ? qn__arena_copy(&to->arena, b->args, b->num_args * sizeof *b->args) : NULL;
    if (b->num_args && !b->args) return false;
  }
  return true;
}

static bool clone_contents(qn_module *to, const qn_module *from) {
  const qn_allocator *a = to->allocator;
  bool ok = true;
  CLONE_ARRAY(ops);
  CLONE_ARRAY(values);
  CLONE_ARRAY(uses);
  CLONE_ARRAY(blocks);
  CLONE_ARRAY(locs);
  CLONE_ARRAY(sources);
  to->body = from->body;
  to->attrs = from->attrs;
  to->failed = from->failed;
  return ok && clone_block_args(to) && qn__keeps_share(to, from) && qn__attr_table_clone(to, from);
}

qn_module *qn_module_clone(const qn_module *from) {
  qn_module *to = qn_module_create(from->ctx);
  if (!to || clone_contents(to, from)) return to;
  qn_error_no_memory(from->ctx);
  qn_module_destroy(to);
  return NULL;
}

/* ---- an op ---- */

typedef struct op_clone {
  qn_module *to;
  const qn_module *from;
  const uint32_t *map; /* the caller's */
  uint32_t map_size;
  qn_loc fallback;
  qn_idmap values, blocks; /* of the regions copied so far: old id to new id */
  bool failed;
} op_clone;

static qn_value map_value(const op_clone *c, qn_value old) {
  uint32_t inner = qn__idmap_get(&c->values, old.id);
  if (inner) return (qn_value){inner};
  if (old.id < c->map_size && c->map[old.id]) return (qn_value){c->map[old.id]};
  return c->to == c->from ? old : (qn_value){0};
}

static qn_loc map_loc(const op_clone *c, qn_loc old) {
  if (!old.id) return c->fallback;
  if (c->to == c->from) return old;
  qn_place place = qn_loc_place(c->from, old);
  return qn_loc_create(c->to, place.file, place.line, place.col, place.entity);
}

static void remember(op_clone *c, qn_idmap *map, uint32_t from, uint32_t to) {
  if (!to || !qn__idmap_set(c->to->allocator, map, from, to)) c->failed = true;
}

static void clone_block_shape(op_clone *c, qn_block from, qn_block to) {
  remember(c, &c->blocks, from.id, to.id);
  uint32_t n = qn_block_num_args(c->from, from);
  for (uint32_t i = 0; i < n && !c->failed; i++) {
    qn_value old = qn_block_arg(c->from, from, i);
    qn_value arg = qn_block_add_arg(c->to, to, qn_value_type(c->from, old), qn_value_name(c->from, old));
    remember(c, &c->values, old.id, arg.id);
  }
}

static uint32_t kind_of_rec(const op_clone *c, qn_op op) {
  return qn__op_rec(c->from, op)->kind; /* names belong to the context, so an unregistered kind holds anywhere */
}

/* Operands and result types come out of `from` into one scratch array; small ops need no allocation. */
static uint32_t clone_shape(op_clone *c, qn_op op) {
  const qn_module *from = c->from;
  uint32_t num_operands = qn_op_num_operands(from, op), num_results = qn_op_num_results(from, op);
  size_t count = (size_t)num_operands + num_results;
  uint32_t few[32];
  uint32_t *ids = count <= 32 ? few : qn__alloc(c->to->allocator, count * sizeof *ids);
  if (!ids) return 0;
  for (uint32_t i = 0; i < num_operands; i++) ids[i] = map_value(c, qn_op_operand(from, op, i)).id;
  for (uint32_t i = 0; i < num_results; i++) ids[num_operands + i] = qn_value_type(from, qn_op_result(from, op, i)).id;
  qn_op_desc d = {.num_operands = num_operands, .num_results = num_results, .num_regions = qn_op_num_regions(from, op)};
  d.operands = (const qn_value *)(const void *)ids; /* a handle is a struct of one uint32_t */
  d.results = (const qn_type *)(const void *)(ids + num_operands);
  qn_attr attrs = qn__attr_import(c->to, from, qn_op_attrs(from, op));
  uint32_t made = qn__op_new(c->to, kind_of_rec(c, op), &d, attrs, map_loc(c, qn_op_loc(from, op)));
  if (ids != few) qn__free(c->to->allocator, ids, count * sizeof *ids);
  return made;
}

static uint32_t clone_one(op_clone *c, qn_op op, bool inner) {
  uint32_t made = clone_shape(c, op);
  if (!made) {
    c->failed = true;
    return 0;
  }
  qn_op copy = {made};
  for (uint32_t i = 0; i < qn_op_num_results(c->from, op); i++) {
    qn_value old = qn_op_result(c->from, op, i), result = qn_op_result(c->to, copy, i);
    qn_value_set_name(c->to, result, qn_value_name(c->from, old));
    if (inner) remember(c, &c->values, old.id, result.id);
  }
  for (uint32_t r = 0; r < qn_op_num_regions(c->from, op) && !c->failed; r++)
    clone_block_shape(c, qn_op_region(c->from, op, r), qn_op_region(c->to, copy, r));
  return made;
}

qn_op qn_op_clone(qn_builder *b, const qn_module *from, qn_op op, const uint32_t *map, uint32_t map_size) {
  qn_module *to = b->module;
  if (!qn__op_live(from, op)) return (qn_op){0};
  op_clone c = {.to = to, .from = from, .map = map, .map_size = map ? map_size : 0, .fallback = b->loc};
  if (to != from && !qn__keeps_share(to, from)) c.failed = true;
  uint32_t root = c.failed ? 0 : clone_one(&c, op, false);
  for (uint32_t at = op.id; !c.failed && (at = qn__walk_next(from, op.id, at)) != 0;) {
    uint32_t copy = clone_one(&c, (qn_op){at}, true);
    if (copy) qn__op_link(to, copy, qn__idmap_get(&c.blocks, from->ops.data[at].parent), 0);
  }
  qn__idmap_free(to->allocator, &c.values);
  qn__idmap_free(to->allocator, &c.blocks);
  if (c.failed) {
    qn__module_fail(to);
    if (root) qn_op_erase(to, (qn_op){root});
    return (qn_op){0};
  }
  qn__builder_insert(b, root);
  return (qn_op){root};
}
