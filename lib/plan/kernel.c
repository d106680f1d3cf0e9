/* From a kern op to its plan: dispatch, and the name that equal plans share. */
#include "plan_util.h"
#include <stdio.h>
#include <string.h>

qn_scalar qn__mem_of(const qn_module *m, qn_value v) {
  const qn_context *ctx = qn_module_context(m);
  return qn_type_memory(ctx, qn_type_elem(ctx, qn_value_type(m, v)));
}

qn__pshape qn__pshape_of(const qn_module *m, qn_value v) {
  const qn_context *ctx = qn_module_context(m);
  qn_type t = qn_value_type(m, v);
  qn__pshape s = {.rank = qn_type_rank(ctx, t)};
  const int64_t *size = qn_type_shape(ctx, t);
  for (uint32_t d = 0; size && d < s.rank; d++) {
    s.size[d] = size[d];
    s.symbol[d] = qn_type_symbol(ctx, t, d);
  }
  return s;
}

void qn__pshape_join(qn__pshape *into, const qn__pshape *other) {
  if (other->rank > into->rank) {
    uint32_t more = other->rank - into->rank;
    for (uint32_t d = into->rank; d-- > 0;) {
      into->size[d + more] = into->size[d];
      into->symbol[d + more] = into->symbol[d];
    }
    for (uint32_t d = 0; d < more; d++) into->size[d] = 1;
    into->rank = other->rank;
  }
  uint32_t lead = into->rank - other->rank;
  for (uint32_t d = 0; d < other->rank; d++) {
    int64_t *mine = &into->size[lead + d], theirs = other->size[d];
    if (*mine == 1 || (*mine == QN_DYNAMIC && theirs != 1 && theirs != QN_DYNAMIC)) {
      *mine = theirs;
      into->symbol[lead + d] = other->symbol[d];
    }
  }
}

static qn_status plan_pack(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  (void)arena;
  qn_str name = qn_attr_as_string(m, qn_op_attr(m, op, "layout"));
  qn_pack_plan *p = &out->u.pack;
  p->mem = qn__mem_of(m, qn_op_operand(m, op, 0));
  if (!qn_layout_parse(name, &p->layout) || p->layout.plain)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "layout is \"%.*s\", expected a packed one such as \"k4n64\"",
                       (int)name.size, name.data);
  if (qn__sub_byte(p->mem))
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                       "packs elements of %s, which share bytes: widen them to i8 with kern.map first",
                       qn_scalar_get(p->mem)->text);
  return QN_OK;
}

static const char *const kind_names[] = {"gemm",       "map",       "row",  "pack",   "block_rows",
                                         "block_gemm", "attention", "view", "window", "pad"};

/* Everything that code depends on. */
static uint64_t hash_of(const qn_kernel_plan *p, uint64_t seed) {
  uint64_t h = qn__mix(seed, (uint64_t)p->kind);
  for (const char *c = p->isa->name; *c; c++) h = qn__mix(h, (uint64_t)(unsigned char)*c);
  switch (p->kind) {
  case QN_KERNEL_GEMM: return qn__gemm_hash(&p->u.gemm, h);
  case QN_KERNEL_MAP:
  case QN_KERNEL_ROW: return qn__loop_hash(&p->u.loop, h);
  case QN_KERNEL_PACK: return qn__layout_hash(&p->u.pack.layout, qn__mix(h, (uint64_t)p->u.pack.mem));
  case QN_KERNEL_BLOCK_ROWS:
  case QN_KERNEL_BLOCK_GEMM: return qn__block_hash(p, h);
  case QN_KERNEL_ATTENTION: return qn__attention_hash(&p->u.attention, h);
  case QN_KERNEL_WINDOW: return qn__window_hash(&p->u.gemm, h);
  case QN_KERNEL_PAD: return qn__tape_hash(&p->u.loop.tape, h);
  case QN_KERNEL_VIEW: break;
  }
  return h;
}

/* Types that tell kernels apart at a glance; the hash does the rest. */
static void set_name(qn_kernel_plan *p) {
  qn_scalar list[3] = {QN_SCALAR_NONE, QN_SCALAR_NONE, QN_SCALAR_NONE};
  switch (p->kind) {
  case QN_KERNEL_GEMM: list[0] = p->u.gemm.lhs, list[1] = p->u.gemm.rhs, list[2] = p->u.gemm.y_mem; break;
  case QN_KERNEL_MAP:
  case QN_KERNEL_ROW:
    if (p->u.loop.num_inputs) list[0] = p->u.loop.tape.input_mem[0];
    if (p->u.loop.num_outputs) list[2] = p->u.loop.tape.output_mem[0];
    break;
  case QN_KERNEL_PACK: list[0] = p->u.pack.mem; break;
  case QN_KERNEL_BLOCK_GEMM:
  case QN_KERNEL_WINDOW: list[0] = p->u.gemm.a_mem, list[2] = p->u.gemm.y_mem; break;
  case QN_KERNEL_ATTENTION:
    list[0] = p->u.attention.scores.lhs, list[1] = p->u.attention.values.rhs, list[2] = p->u.attention.y_mem;
    break;
  case QN_KERNEL_PAD: list[0] = p->u.loop.tape.input_mem[0], list[2] = p->u.loop.tape.output_mem[0]; break;
  case QN_KERNEL_BLOCK_ROWS:
  case QN_KERNEL_VIEW: break;
  }
  char types[48] = "";
  for (int i = 0; i < 3; i++) {
    if (list[i] == QN_SCALAR_NONE) continue;
    size_t at = strlen(types);
    snprintf(types + at, sizeof types - at, "%.12s_", qn_scalar_get(list[i])->text);
  }
  snprintf(p->name, sizeof p->name, "%s_%.39s%016llx", kind_names[p->kind], types, (unsigned long long)p->hash);
}

/* A plan outlives its module; the source text does not come along. */
static qn_status set_place(const qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  out->place = qn_op_place(m, op);
  out->place.file = qn__arena_str(arena, out->place.file);
  out->place.entity = qn__arena_str(arena, out->place.entity);
  out->place.source = (qn_str){NULL, 0};
  return out->place.file.data && out->place.entity.data ? QN_OK : qn_error_no_memory(qn_module_context(m));
}

static qn_status plan_view(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  (void)m, (void)op, (void)arena, (void)out;
  return QN_OK;
}

static qn_status no_block_pack(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out) {
  (void)arena, (void)out;
  return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                     "these weights are no constant: no kernel packs them at run time, only pack-constants beforehand");
}

/* A row per kernel op. */
static const struct planner {
  qn_op_kind op;
  qn_kernel_kind kind;
  qn_status (*plan)(qn_module *m, qn_op op, qn_arena *arena, qn_kernel_plan *out);
} planners[] = {
    {QN_OP_GEMM, QN_KERNEL_GEMM, qn__plan_gemm},
    {QN_OP_MAP, QN_KERNEL_MAP, qn__plan_loop},
    {QN_OP_ROW, QN_KERNEL_ROW, qn__plan_loop},
    {QN_OP_PACK, QN_KERNEL_PACK, plan_pack},
    {QN_OP_BLOCK_ROWS, QN_KERNEL_BLOCK_ROWS, qn__plan_block_rows},
    {QN_OP_BLOCK_GEMM, QN_KERNEL_BLOCK_GEMM, qn__plan_block_gemm},
    {QN_OP_BLOCK_PACK, QN_KERNEL_PACK, no_block_pack},
    {QN_OP_KERN_ATTENTION, QN_KERNEL_ATTENTION, qn__plan_attention},
    {QN_OP_WINDOW, QN_KERNEL_WINDOW, qn__plan_window},
    {QN_OP_PAD, QN_KERNEL_PAD, qn__plan_pad},
    {QN_OP_VIEW, QN_KERNEL_VIEW, plan_view},
};

static const struct planner *planner_of(qn_op_kind op) {
  for (size_t i = 0; i < sizeof planners / sizeof *planners; i++)
    if (planners[i].op == op) return &planners[i];
  return NULL;
}

qn_status qn__kernel_plan(qn_module *m, qn_op op, const qn_isa *isa, qn_arena *arena, qn_kernel_plan *out) {
  *out = (qn_kernel_plan){.isa = isa};
  qn_status s = set_place(m, op, arena, out);
  if (s) return s;
  const struct planner *planner = planner_of(qn_op_kind_of(m, op));
  if (!planner) {
    qn_str name = qn_op_name(m, op);
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                       "'%.*s' is no kernel: run lower-kernels first, or use the interpreter", (int)name.size,
                       name.data);
  }
  out->kind = planner->kind;
  if (!qn_tuned_of_op(m, op, isa, &out->product) || out->product.kind == QN_TUNED_LOOP) out->product.kind = 0;
  s = planner->plan(m, op, arena, out);
  if (s) return s;
  out->check = hash_of(out, 0xC3A5C85C97CB3127u);
  out->hash = hash_of(out, 0x517E5);
  set_name(out);
  return QN_OK;
}

qn_status qn__kernel_plan_again(const qn_module *m, qn_op op, const qn_kernel_plan *like, qn_arena *arena,
                                qn_kernel_plan *out) {
  *out = *like;
  return set_place(m, op, arena, out);
}
