/* lower-kernels: merging kern.map ops into their neighbours.
 *
 * A map whose producer's value goes nowhere else takes the producer in: a gemm's result becomes its epilogue, a row's
 * full-size result more of its body, another map's result one body; kern.window has an epilogue as gemm has. A gemm
 * takes a map that only feeds its left operand in as prologue, unless it follows windows, and one that only feeds an
 * operand of its epilogue into that; kern.pad takes one that only feeds it, a row short maps that only feed
 * it. Maps of elements that share bytes merge with maps only: other kernels do not walk them in order. The merged op
 * stands where its consumer stood, so every operand is defined before it. */
#include "lower_kernels.h"
#include "map.h"
#include <string.h>

/* What is being merged: operands with the argument each becomes. */
typedef struct merge {
  lowering *l;
  qn_idmap values; /* old region value -> new one */
  qn_builder body; /* the new region, while it is built */
  bool failed;
} merge;

enum { MAX_OPERANDS = 32 };

static void set(merge *g, qn_value from, qn_value to) {
  if (!to.id || !qn__idmap_set(qn_context_allocator(g->l->ctx), &g->values, from.id, to.id)) g->failed = true;
}

static qn_value get(const merge *g, qn_value v) {
  return (qn_value){qn__idmap_get(&g->values, v.id)};
}

/* Copies the ops of a region into the new one; its arguments are mapped already. Yielded values come back. */
static void splice(merge *g, qn_block from, qn_value *yields) {
  qn_module *m = g->l->m;
  for (qn_op op = qn_block_first(m, from); op.id && !g->failed; op = qn_op_next(m, op)) {
    qn_value operands[8] = {{0}};
    uint32_t n = qn_op_num_operands(m, op);
    if (qn_op_kind_of(m, op) == QN_OP_YIELD) {
      for (uint32_t i = 0; i < n; i++) yields[i] = get(g, qn_op_operand(m, op, i));
      return;
    }
    if (n > 8) {
      g->failed = true;
      return;
    }
    for (uint32_t i = 0; i < n; i++) operands[i] = get(g, qn_op_operand(m, op, i));
    qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
    qn_op_desc desc = {.kind = qn_op_kind_of(m, op),
                       .num_operands = n,
                       .operands = operands,
                       .num_results = 1,
                       .results = &t,
                       .attr_dict = qn_op_attrs(m, op)};
    set(g, qn_op_result(m, op, 0), qn_op_result(m, qn_op_create(&g->body, &desc), 0));
  }
}

static qn_value new_arg(merge *g, qn_type type) {
  return qn_block_add_arg(g->l->m, g->body.block, type, (qn_name){0});
}

/* Operand lists without repetition: an operand that is there already shares its argument. */
typedef struct operand_list {
  qn_value v[MAX_OPERANDS], args[MAX_OPERANDS];
  uint32_t n;
} operand_list;

static void take_operand(merge *g, operand_list *list, qn_value operand, qn_value old_arg) {
  for (uint32_t i = 0; i < list->n; i++)
    if (list->v[i].id == operand.id) {
      set(g, old_arg, list->args[i]);
      return;
    }
  list->v[list->n] = operand;
  list->args[list->n] = new_arg(g, qn_value_type(g->l->m, old_arg));
  set(g, old_arg, list->args[list->n]);
  list->n++;
}

static qn_type value_type(lowering *l, qn_value v) {
  return qn_value_type(l->m, v);
}

/* A map of one unpermuted result. */
static bool is_plain_map(lowering *l, qn_op op) {
  return qn_op_kind_of(l->m, op) == QN_OP_MAP && qn_op_num_results(l->m, op) == 1 && !qn_op_attr(l->m, op, "perm").id;
}

/* Producer's single result used once, by `op`, at full size. */
static bool can_take(lowering *l, qn_op op, qn_value v, qn_op *producer) {
  *producer = qn_value_op(l->m, v);
  if (!producer->id || qn_op_num_results(l->m, *producer) != 1 || !qn_value_has_one_use(l->m, v)) return false;
  if (qn_op_parent(l->m, *producer).id != qn_op_parent(l->m, op).id) return false;
  if (qn_op_num_operands(l->m, *producer) + qn_op_num_operands(l->m, op) > MAX_OPERANDS) return false;
  return qn__same_shape(l, value_type(l, v), value_type(l, qn_op_result(l->m, op, 0)));
}

static qn_op create(merge *g, qn_op at, qn_op_kind kind, const operand_list *operands, uint32_t num_results,
                    qn_type *results, qn_attr attrs, uint32_t regions) {
  qn_builder b = qn_builder_before(g->l->m, at);
  qn_op_desc desc = {.kind = kind,
                     .num_operands = operands->n,
                     .operands = operands->v,
                     .num_results = num_results,
                     .results = results,
                     .attr_dict = attrs,
                     .num_regions = regions};
  return qn_op_create(&b, &desc);
}

/* The merged op needs its operands when it is made, and its region's arguments need the op: operands are collected in a
 * detached scratch op first. */
static qn_op scratch_op(merge *g, qn_op at, uint32_t regions) {
  operand_list none = {.n = 0};
  return create(g, at, QN_OP_UNREGISTERED, &none, 0, NULL, (qn_attr){0}, regions);
}

static void move_block(merge *g, qn_block from, qn_block to) {
  qn_module *m = g->l->m;
  qn_idmap saved = g->values;
  g->values = (qn_idmap){0};
  g->body = qn_builder_at_end(m, to);
  for (uint32_t i = 0; i < qn_block_num_args(m, from); i++)
    set(g, qn_block_arg(m, from, i), new_arg(g, value_type(g->l, qn_block_arg(m, from, i))));
  qn_value yields[MAX_OPERANDS] = {{0}};
  splice(g, from, yields);
  qn_op last = qn_block_last(m, from);
  qn__yield(&g->body, qn_op_num_operands(m, last), yields);
  qn__idmap_free(qn_context_allocator(g->l->ctx), &g->values);
  g->values = saved;
}

/* Body of `map` after that of the producer, argument `slot` being the producer's value. */
static void append_map(merge *g, qn_op map, uint32_t slot, qn_value produced, operand_list *operands,
                       qn_value *yields) {
  qn_module *m = g->l->m;
  qn_block region = qn_op_region(m, map, 0);
  for (uint32_t i = 0; i < qn_op_num_operands(m, map); i++) {
    if (i == slot)
      set(g, qn_block_arg(m, region, i), produced);
    else
      take_operand(g, operands, qn_op_operand(m, map, i), qn_block_arg(m, region, i));
  }
  splice(g, region, yields);
}

static qn_op replace(merge *g, qn_op scratch, qn_op old_consumer, qn_op old_producer, qn_op_kind kind,
                     const operand_list *operands, qn_attr attrs, uint32_t regions) {
  qn_module *m = g->l->m;
  uint32_t n = qn_op_num_results(m, old_consumer);
  qn_type types[MAX_OPERANDS];
  if (n > MAX_OPERANDS) return (qn_op){0};
  for (uint32_t i = 0; i < n; i++) types[i] = value_type(g->l, qn_op_result(m, old_consumer, i));
  qn_op op = create(g, old_consumer, kind, operands, n, types, attrs, regions);
  for (uint32_t r = 0; r < regions && op.id; r++) move_block(g, qn_op_region(m, scratch, r), qn_op_region(m, op, r));
  qn_op_erase(m, scratch);
  if (g->failed || !op.id) return (qn_op){0};
  for (uint32_t i = 0; i < n; i++) {
    qn_value was = qn_op_result(m, old_consumer, i), is = qn_op_result(m, op, i);
    qn_value_set_name(m, is, qn_value_name(m, was));
    qn_value_replace(m, was, is);
  }
  qn_op_set_loc(m, op, qn_op_loc(m, old_producer));
  qn_op_erase(m, old_consumer);
  qn_op_erase(m, old_producer);
  qn_run_count(g->l->run, "kernels merged", 1);
  return op;
}

/* Operands of a product or window that its epilogue does not see. */
static uint32_t before_epilogue(const qn_module *m, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(m, op);
  if (kind == QN_OP_GEMM) return 2 + (uint32_t)qn_op_get_int(m, op, "num_prologue");
  return kind != QN_OP_WINDOW || qn_str_eq(qn_op_get_string(m, op, "combine"), qn_str_of("dot")) ? 2 : 1;
}

/* map(.., product or window, ..): the epilogue, which is the last region, goes on with the map's body. */
static qn_op into_epilogue(merge *g, qn_op map, uint32_t slot, qn_op gemm) {
  qn_module *m = g->l->m;
  uint32_t first = before_epilogue(m, gemm), regions = qn_op_num_regions(m, gemm);
  qn_op scratch = scratch_op(g, map, regions);
  if (regions > 1) move_block(g, qn_op_region(m, gemm, 0), qn_op_region(m, scratch, 0));
  g->body = qn_builder_at_end(m, qn_op_region(m, scratch, regions - 1));
  qn_block old = qn_op_region(m, gemm, regions - 1);
  set(g, qn_block_arg(m, old, 0), new_arg(g, value_type(g->l, qn_block_arg(m, old, 0))));
  operand_list fixed = {.n = 0}, extras = {.n = 0};
  for (uint32_t i = 0; i < first; i++) fixed.v[fixed.n++] = qn_op_operand(m, gemm, i);
  for (uint32_t i = first; i < qn_op_num_operands(m, gemm); i++)
    take_operand(g, &extras, qn_op_operand(m, gemm, i), qn_block_arg(m, old, i + 1 - first));
  qn_value sum = {0}, y = {0};
  splice(g, old, &sum);
  append_map(g, map, slot, sum, &extras, &y);
  qn__yield(&g->body, 1, &y);
  for (uint32_t i = 0; i < extras.n; i++) fixed.v[fixed.n++] = extras.v[i];
  return replace(g, scratch, map, gemm, qn_op_kind_of(m, gemm), &fixed, qn_op_attrs(m, gemm), regions);
}

/* map(.., map or row, ..) */
static qn_op into_body(merge *g, qn_op map, uint32_t slot, qn_op producer) {
  qn_module *m = g->l->m;
  qn_op scratch = scratch_op(g, map, 1);
  g->body = qn_builder_at_end(m, qn_op_region(m, scratch, 0));
  qn_block old = qn_op_region(m, producer, 0);
  operand_list operands = {.n = 0};
  for (uint32_t i = 0; i < qn_op_num_operands(m, producer); i++)
    take_operand(g, &operands, qn_op_operand(m, producer, i), qn_block_arg(m, old, i));
  qn_value inner = {0}, y = {0};
  splice(g, old, &inner);
  append_map(g, map, slot, inner, &operands, &y);
  qn__yield(&g->body, 1, &y);
  return replace(g, scratch, map, producer, qn_op_kind_of(m, producer), &operands, qn_op_attrs(m, producer), 1);
}

/* The map's first input of the size of its result; as many as it has where none is. */
static uint32_t full_size_input(const merge *g, qn_op map) {
  qn_module *m = g->l->m;
  qn_type t = value_type(g->l, qn_op_result(m, map, 0));
  uint32_t n = qn_op_num_operands(m, map);
  for (uint32_t i = 0; i < n; i++)
    if (qn__same_shape(g->l, value_type(g->l, qn_op_operand(m, map, i)), t)) return i;
  return n;
}

/* gemm(map, ..): the map becomes the prologue, before one that is there already. Its first full-size input is the left
 * matrix; the others must be scalars, one per row or one per column. */
static qn_op into_prologue(merge *g, qn_op gemm, qn_op map) {
  qn_module *m = g->l->m;
  lowering *l = g->l;
  qn_type t = value_type(l, qn_op_result(m, map, 0));
  uint32_t n = qn_op_num_operands(m, map), main_input = full_size_input(g, map);
  if (main_input == n || qn_op_get_bool(m, gemm, "transpose_a")) return (qn_op){0};
  uint32_t prologue = (uint32_t)qn_op_get_int(m, gemm, "num_prologue");
  qn_block inner = qn_op_region(m, gemm, 0), outer = qn_op_region(m, map, 0);
  qn_op scratch = scratch_op(g, gemm, 2);
  g->body = qn_builder_at_end(m, qn_op_region(m, scratch, 0));
  set(g, qn_block_arg(m, outer, main_input), new_arg(g, value_type(l, qn_block_arg(m, outer, main_input))));
  operand_list extras = {.n = 0}, all = {.n = 0};
  for (uint32_t i = 0; i < n; i++)
    if (i != main_input) take_operand(g, &extras, qn_op_operand(m, map, i), qn_block_arg(m, outer, i));
  qn_value code = {0};
  splice(g, outer, &code);
  set(g, qn_block_arg(m, inner, 0), code);
  for (uint32_t i = 0; i < prologue; i++)
    take_operand(g, &extras, qn_op_operand(m, gemm, 2 + i), qn_block_arg(m, inner, 1 + i));
  splice(g, inner, &code);
  qn__yield(&g->body, 1, &code);
  move_block(g, qn_op_region(m, gemm, 1), qn_op_region(m, scratch, 1));
  all.v[all.n++] = qn_op_operand(m, map, main_input);
  all.v[all.n++] = qn_op_operand(m, gemm, 1);
  for (uint32_t i = 0; i < extras.n; i++) all.v[all.n++] = extras.v[i];
  for (uint32_t i = 2 + prologue; i < qn_op_num_operands(m, gemm); i++) all.v[all.n++] = qn_op_operand(m, gemm, i);
  qn_type lhs = qn_type_scalar(l->ctx, qn_type_memory(l->ctx, qn_type_elem(l->ctx, t)));
  bool had = qn_op_attr(m, gemm, "lhs").id != 0;
  qn_op op = replace(g, scratch, gemm, map, QN_OP_GEMM, &all, qn_op_attrs(m, gemm), 2);
  if (!op.id) return op;
  qn_op_set_attr(m, op, "num_prologue", qn_attr_int(m, qn_type_scalar(l->ctx, QN_I64), extras.n));
  if (!had) qn_op_set_attr(m, op, "lhs", qn_attr_type(m, lhs));
  return op;
}

/* gemm(.., map, ..): what the map gives for an element is computed in the epilogue instead. */
static qn_op into_extra(merge *g, qn_op gemm, uint32_t slot, qn_op map) {
  qn_module *m = g->l->m;
  uint32_t prologue = (uint32_t)qn_op_get_int(m, gemm, "num_prologue");
  qn_loc loc = qn_op_loc(m, gemm);
  qn_op scratch = scratch_op(g, gemm, 2);
  move_block(g, qn_op_region(m, gemm, 0), qn_op_region(m, scratch, 0));
  g->body = qn_builder_at_end(m, qn_op_region(m, scratch, 1));
  qn_block old = qn_op_region(m, gemm, 1), inner = qn_op_region(m, map, 0);
  set(g, qn_block_arg(m, old, 0), new_arg(g, value_type(g->l, qn_block_arg(m, old, 0))));
  operand_list fixed = {.n = 0}, extras = {.n = 0};
  for (uint32_t i = 0; i < 2 + prologue; i++) fixed.v[fixed.n++] = qn_op_operand(m, gemm, i);
  for (uint32_t i = 2 + prologue; i < qn_op_num_operands(m, gemm); i++)
    if (i != slot) take_operand(g, &extras, qn_op_operand(m, gemm, i), qn_block_arg(m, old, i - 1 - prologue));
  for (uint32_t i = 0; i < qn_op_num_operands(m, map); i++)
    take_operand(g, &extras, qn_op_operand(m, map, i), qn_block_arg(m, inner, i));
  qn_value v = {0}, y = {0};
  splice(g, inner, &v);
  set(g, qn_block_arg(m, old, slot - 1 - prologue), v);
  splice(g, old, &y);
  qn__yield(&g->body, 1, &y);
  for (uint32_t i = 0; i < extras.n; i++) fixed.v[fixed.n++] = extras.v[i];
  qn_op op = replace(g, scratch, gemm, map, QN_OP_GEMM, &fixed, qn_op_attrs(m, gemm), 2);
  if (op.id) qn_op_set_loc(m, op, loc);
  return op;
}

/* row(.., map, ..) */
static qn_op into_row(merge *g, qn_op row, uint32_t slot, qn_op map) {
  qn_module *m = g->l->m;
  qn_op scratch = scratch_op(g, row, 1);
  qn_block old = qn_op_region(m, row, 0), inner = qn_op_region(m, map, 0);
  g->body = qn_builder_at_end(m, qn_op_region(m, scratch, 0));
  operand_list operands = {.n = 0};
  for (uint32_t i = 0; i < qn_op_num_operands(m, row); i++)
    if (i != slot) take_operand(g, &operands, qn_op_operand(m, row, i), qn_block_arg(m, old, i));
  for (uint32_t i = 0; i < qn_op_num_operands(m, map); i++)
    take_operand(g, &operands, qn_op_operand(m, map, i), qn_block_arg(m, inner, i));
  qn_value v = {0}, yields[MAX_OPERANDS] = {{0}};
  splice(g, inner, &v);
  set(g, qn_block_arg(m, old, slot), v);
  splice(g, old, yields);
  qn__yield(&g->body, qn_op_num_results(m, row), yields);
  return replace(g, scratch, row, map, QN_OP_ROW, &operands, qn_op_attrs(m, row), 1);
}

/* pad(map): the map's body, then the pad's. Extras have one element. */
static qn_op into_pad(merge *g, qn_op pad, qn_op map) {
  qn_module *m = g->l->m;
  lowering *l = g->l;
  uint32_t n = qn_op_num_operands(m, map), main_input = full_size_input(g, map);
  for (uint32_t i = 0; i < n; i++)
    if (i != main_input && qn_type_count(l->ctx, value_type(l, qn_op_operand(m, map, i))) != 1) return (qn_op){0};
  if (main_input == n) return (qn_op){0};
  qn_block first = qn_op_region(m, map, 0), second = qn_op_region(m, pad, 0);
  qn_op scratch = scratch_op(g, pad, 1);
  g->body = qn_builder_at_end(m, qn_op_region(m, scratch, 0));
  operand_list operands = {.n = 0};
  take_operand(g, &operands, qn_op_operand(m, map, main_input), qn_block_arg(m, first, main_input));
  for (uint32_t i = 0; i < n; i++)
    if (i != main_input) take_operand(g, &operands, qn_op_operand(m, map, i), qn_block_arg(m, first, i));
  qn_value code = {0}, yields[2] = {{0}};
  splice(g, first, &code);
  set(g, qn_block_arg(m, second, 0), code);
  for (uint32_t i = 1; i < qn_op_num_operands(m, pad); i++)
    take_operand(g, &operands, qn_op_operand(m, pad, i), qn_block_arg(m, second, i));
  splice(g, second, yields);
  qn__yield(&g->body, 2, yields);
  return replace(g, scratch, pad, map, QN_OP_PAD, &operands, qn_op_attrs(m, pad), 1);
}

/* An operand or the result of the map has elements that share bytes. */
static bool shares_bytes(lowering *l, qn_op map) {
  bool any = qn__shares_bytes(l, qn_op_result(l->m, map, 0));
  for (uint32_t i = 0; i < qn_op_num_operands(l->m, map); i++) any |= qn__shares_bytes(l, qn_op_operand(l->m, map, i));
  return any;
}

static qn_op fuse_map(merge *g, qn_op map) {
  static const qn_op_kind order[] = {QN_OP_GEMM, QN_OP_BLOCK_GEMM, QN_OP_WINDOW, QN_OP_ROW, QN_OP_MAP};
  bool shared = shares_bytes(g->l, map);
  for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
    for (uint32_t i = 0; i < qn_op_num_operands(g->l->m, map); i++) {
      qn_op producer;
      if (!can_take(g->l, map, qn_op_operand(g->l->m, map, i), &producer)) continue;
      qn_op_kind kind = qn_op_kind_of(g->l->m, producer);
      if (kind != order[k] || (kind == QN_OP_MAP ? !is_plain_map(g->l, producer) : shared)) continue;
      bool epilogue = kind == QN_OP_GEMM || kind == QN_OP_BLOCK_GEMM || kind == QN_OP_WINDOW;
      return epilogue ? into_epilogue(g, map, i, producer) : into_body(g, map, i, producer);
    }
  return (qn_op){0};
}

/* A plain map whose value goes into `op`, of the same block, and nowhere else. */
static bool only_feeds(merge *g, qn_op op, uint32_t slot, qn_op *map) {
  qn_module *m = g->l->m;
  qn_value v = qn_op_operand(m, op, slot);
  *map = qn_value_op(m, v);
  return map->id && is_plain_map(g->l, *map) && !shares_bytes(g->l, *map) && qn_value_has_one_use(m, v) &&
         qn_op_num_operands(m, *map) > 0 && qn_op_parent(m, *map).id == qn_op_parent(m, op).id &&
         qn_op_num_operands(m, *map) + qn_op_num_operands(m, op) <= MAX_OPERANDS;
}

/* Operands of the epilogue that are smaller than the result are better computed once. */
static qn_op fuse_extra(merge *g, qn_op gemm) {
  qn_module *m = g->l->m;
  uint32_t first = 2 + (uint32_t)qn_op_get_int(m, gemm, "num_prologue");
  qn_type y = value_type(g->l, qn_op_result(m, gemm, 0));
  for (uint32_t i = first; i < qn_op_num_operands(m, gemm); i++) {
    qn_op map;
    if (only_feeds(g, gemm, i, &map) && qn__same_shape(g->l, value_type(g->l, qn_op_operand(m, gemm, i)), y))
      return into_extra(g, gemm, i, map);
  }
  return (qn_op){0};
}

static qn_op fuse_gemm(merge *g, qn_op gemm) {
  qn_module *m = g->l->m;
  qn_op map;
  bool windows = qn_op_attr(m, gemm, "window").id != 0;
  if (!windows && only_feeds(g, gemm, 0, &map) && qn_op_operand(m, gemm, 0).id != qn_op_operand(m, gemm, 1).id) {
    qn_op merged = into_prologue(g, gemm, map);
    if (merged.id || g->failed) return merged;
  }
  return fuse_extra(g, gemm);
}

static qn_op fuse_pad(merge *g, qn_op pad) {
  qn_op map;
  return only_feeds(g, pad, 0, &map) ? into_pad(g, pad, map) : (qn_op){0};
}

static uint32_t num_ops(const qn_module *m, qn_block block) {
  uint32_t n = 0;
  for (qn_op op = qn_block_first(m, block); op.id; op = qn_op_next(m, op)) n++;
  return n;
}

/* A row computes its inputs again in every pass over it: short maps only, and full-size ones, which a map of its own
 * would write and read. */
static qn_op fuse_row(merge *g, qn_op row) {
  enum { SHORT = 8 };
  qn_module *m = g->l->m;
  for (uint32_t i = 0; i < qn_op_num_operands(m, row); i++) {
    qn_op map;
    if (!only_feeds(g, row, i, &map) || num_ops(m, qn_op_region(m, map, 0)) > SHORT) continue;
    qn_type t = value_type(g->l, qn_op_operand(m, row, i));
    for (uint32_t r = 0; r < qn_op_num_results(m, row); r++)
      if (qn__same_shape(g->l, t, value_type(g->l, qn_op_result(m, row, r)))) return into_row(g, row, i, map);
  }
  return (qn_op){0};
}

/* A view that only renames the element type of a kernel's result: the kernel gives that type itself. */
static void drop_view(lowering *l, qn_op view) {
  qn_module *m = l->m;
  qn_value x = qn_op_operand(m, view, 0), y = qn_op_result(m, view, 0);
  qn_op_kind kind = qn_op_kind_of(m, qn_value_op(m, x));
  bool kernel = kind == QN_OP_MAP || kind == QN_OP_GEMM || kind == QN_OP_BLOCK_GEMM || kind == QN_OP_ROW ||
                kind == QN_OP_WINDOW || kind == QN_OP_PAD;
  qn_type tx = value_type(l, x), ty = value_type(l, y);
  if (!kernel || !qn_value_has_one_use(m, x) || qn_type_rank(l->ctx, tx) != qn_type_rank(l->ctx, ty)) return;
  for (uint32_t d = 0; d < qn_type_rank(l->ctx, tx); d++)
    if (qn_type_shape(l->ctx, tx)[d] != qn_type_shape(l->ctx, ty)[d]) return;
  if (qn_type_memory(l->ctx, qn_type_elem(l->ctx, tx)) != qn_type_memory(l->ctx, qn_type_elem(l->ctx, ty))) return;
  qn_value_set_type(m, x, qn_type_with_elem(l->ctx, tx, qn_type_elem(l->ctx, ty)));
  qn_value_replace(m, y, x);
  qn_op_erase(m, view);
}

qn_status qn__fuse_kernels(lowering *l, qn_op func) {
  qn_module *m = l->m;
  merge g = {.l = l};
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)), next; op.id; op = next) {
    next = qn_op_next(m, op);
    if (qn_op_kind_of(m, op) == QN_OP_VIEW) drop_view(l, op);
  }
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)), next; op.id && !g.failed; op = next) {
    qn_op merged = {0};
    if (is_plain_map(l, op))
      merged = fuse_map(&g, op);
    else if (qn_op_kind_of(m, op) == QN_OP_GEMM)
      merged = fuse_gemm(&g, op);
    else if (qn_op_kind_of(m, op) == QN_OP_ROW)
      merged = fuse_row(&g, op);
    else if (qn_op_kind_of(m, op) == QN_OP_PAD)
      merged = fuse_pad(&g, op);
    qn__idmap_free(qn_context_allocator(l->ctx), &g.values);
    next = merged.id ? merged : qn_op_next(m, op); /* a merged op may merge again */
  }
  return g.failed || qn_module_failed(m) ? qn_error_no_memory(l->ctx) : QN_OK;
}
