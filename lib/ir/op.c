/* Ops: making, reading, linking, erasing. */
#include "context_impl.h"
#include "module_impl.h"

/* ---- making ---- */

static bool reserve_op(qn_module *m, const qn_op_desc *d) {
  const qn_allocator *a = m->allocator;
  if (m->ops.size >= QN__DEF_BLOCK || (uint64_t)m->blocks.size + d->num_regions >= QN__DEF_BLOCK) return false;
  return qn__reserve(a, &m->ops, 1) && qn__reserve(a, &m->uses, d->num_operands) &&
         qn__reserve(a, &m->values, d->num_results) && qn__reserve(a, &m->blocks, d->num_regions);
}

uint32_t qn__op_new(qn_module *m, uint32_t kind, const qn_op_desc *d, qn_attr attrs, qn_loc loc) {
  if (!reserve_op(m, d)) {
    qn__module_fail(m);
    return 0;
  }
  uint32_t id = m->ops.size++;
  m->ops.data[id] = (qn_op_rec){.kind = kind,
                                .loc = loc.id,
                                .attrs = attrs.id,
                                .first_operand = m->uses.size,
                                .num_operands = d->num_operands,
                                .first_result = m->values.size,
                                .num_results = d->num_results,
                                .first_region = m->blocks.size,
                                .num_regions = d->num_regions};
  for (uint32_t i = 0; i < d->num_operands; i++) {
    uint32_t use = m->uses.size++;
    m->uses.data[use] = (qn_use_rec){.op = id};
    qn__use_link(m, use, d->operands[i].id);
  }
  for (uint32_t i = 0; i < d->num_results; i++)
    m->values.data[m->values.size++] = (qn_value_rec){.type = d->results ? d->results[i].id : 0, .def = id, .index = i};
  for (uint32_t i = 0; i < d->num_regions; i++) qn__block_new(m, id);
  return id;
}

/* ---- linking ---- */

void qn__op_link(qn_module *m, uint32_t op, uint32_t block, uint32_t before) {
  qn_op_rec *rec = &m->ops.data[op];
  qn_block_rec *b = &m->blocks.data[block];
  uint32_t prev = before ? m->ops.data[before].prev : b->last;
  rec->parent = block;
  rec->prev = prev;
  rec->next = before;
  if (prev)
    m->ops.data[prev].next = op;
  else
    b->first = op;
  if (before)
    m->ops.data[before].prev = op;
  else
    b->last = op;
}

static void unlink_op(qn_module *m, uint32_t op) {
  qn_op_rec *rec = &m->ops.data[op];
  if (!rec->parent) return;
  qn_block_rec *b = &m->blocks.data[rec->parent];
  if (rec->prev)
    m->ops.data[rec->prev].next = rec->next;
  else
    b->first = rec->next;
  if (rec->next)
    m->ops.data[rec->next].prev = rec->prev;
  else
    b->last = rec->prev;
  rec->parent = rec->prev = rec->next = 0;
}

/* True when `block` lies in a region of `op`: moving the op there would make a ring. */
static bool block_is_inside(const qn_module *m, uint32_t block, uint32_t op) {
  if (!m->ops.data[op].num_regions) return false;
  while (block) {
    uint32_t holder = m->blocks.data[block].op;
    if (holder == op) return true;
    block = m->ops.data[holder].parent;
  }
  return false;
}

static void move(qn_module *m, qn_op op, uint32_t block, uint32_t before) {
  if (block_is_inside(m, block, op.id)) {
    qn_op_error(m, op, QN_DIAG_INTERNAL, "an op cannot move into a region of its own");
    return;
  }
  unlink_op(m, op.id);
  qn__op_link(m, op.id, block, before);
}

void qn_op_move_before(qn_module *m, qn_op op, qn_op before) {
  if (!qn__op_live(m, op) || !qn__op_live(m, before) || op.id == before.id) return;
  uint32_t block = m->ops.data[before.id].parent;
  if (block) move(m, op, block, before.id);
}

void qn_op_move_to_end(qn_module *m, qn_op op, qn_block block) {
  if (qn__op_live(m, op) && block.id && block.id < m->blocks.size) move(m, op, block.id, 0);
}

/* ---- walking and erasing ---- */

static uint32_t first_in_regions(const qn_module *m, uint32_t op, uint32_t from) {
  const qn_op_rec *rec = &m->ops.data[op];
  for (uint32_t i = from; i < rec->num_regions; i++) {
    uint32_t first = m->blocks.data[rec->first_region + i].first;
    if (first) return first;
  }
  return 0;
}

uint32_t qn__walk_next(const qn_module *m, uint32_t root, uint32_t at) {
  uint32_t inner = first_in_regions(m, at, 0);
  if (inner) return inner;
  while (at != root) {
    const qn_op_rec *rec = &m->ops.data[at];
    if (rec->next) return rec->next;
    uint32_t holder = m->blocks.data[rec->parent].op;
    if (!holder) return 0;
    inner = first_in_regions(m, holder, rec->parent - m->ops.data[holder].first_region + 1);
    if (inner) return inner;
    at = holder;
  }
  return 0;
}

static void drop_operands(qn_module *m, uint32_t op) {
  const qn_op_rec *rec = &m->ops.data[op];
  for (uint32_t i = 0; i < rec->num_operands; i++) qn__use_unlink(m, rec->first_operand + i);
}

static void kill_value(qn_module *m, uint32_t value) {
  /* Only a broken program has uses left here, outside the erased op; they become null, which verification reports. */
  qn_value_replace(m, (qn_value){value}, (qn_value){0});
  m->values.data[value] = (qn_value_rec){0};
}

static void kill_op(qn_module *m, uint32_t op) {
  qn_op_rec rec = m->ops.data[op];
  for (uint32_t i = 0; i < rec.num_results; i++) kill_value(m, rec.first_result + i);
  for (uint32_t r = 0; r < rec.num_regions; r++) {
    qn_block_rec *b = &m->blocks.data[rec.first_region + r];
    for (uint32_t i = 0; i < b->num_args; i++) kill_value(m, b->args[i]);
    *b = (qn_block_rec){0};
  }
  m->ops.data[op] = (qn_op_rec){.kind = QN__OP_ERASED, .loc = rec.loc};
}

static uint32_t descend(const qn_module *m, uint32_t op) {
  for (uint32_t inner; (inner = first_in_regions(m, op, 0)) != 0;) op = inner;
  return op;
}

/* Erases everything in the regions of `op`, inner ops before their holders. */
static void erase_inner(qn_module *m, uint32_t op) {
  for (uint32_t at = op; at; at = qn__walk_next(m, op, at)) drop_operands(m, at);
  for (uint32_t at = descend(m, op); at != op;) {
    const qn_op_rec *rec = &m->ops.data[at];
    uint32_t holder = m->blocks.data[rec->parent].op;
    uint32_t next = rec->next;
    if (!next) next = first_in_regions(m, holder, rec->parent - m->ops.data[holder].first_region + 1);
    next = next ? descend(m, next) : holder;
    unlink_op(m, at);
    kill_op(m, at);
    at = next;
  }
}

void qn_op_erase(qn_module *m, qn_op op) {
  if (!qn__op_live(m, op)) return;
  qn_op_rec *rec = &m->ops.data[op.id];
  for (uint32_t i = 0; i < rec->num_results; i++) {
    if (!m->values.data[rec->first_result + i].first_use) continue;
    qn_op_error(m, op, QN_DIAG_INTERNAL, "result %u is still used: replace its uses before erasing the op", i);
    return;
  }
  if (rec->num_regions) erase_inner(m, op.id);
  drop_operands(m, op.id);
  unlink_op(m, op.id);
  kill_op(m, op.id);
}

bool qn_op_is_erased(const qn_module *m, qn_op op) {
  return qn__op_rec(m, op)->kind == QN__OP_ERASED;
}

/* ---- reading ---- */

qn_op_kind qn_op_kind_of(const qn_module *m, qn_op op) {
  uint32_t kind = qn__op_rec(m, op)->kind;
  return kind < QN_OP_KIND_COUNT ? (qn_op_kind)kind : QN_OP_UNREGISTERED;
}

qn_str qn_op_name(const qn_module *m, qn_op op) {
  uint32_t kind = qn__op_rec(m, op)->kind;
  if (kind == QN_OP_UNREGISTERED || kind == QN__OP_ERASED) return (qn_str){"", 0};
  if (kind < QN_OP_KIND_COUNT) return qn_str_of(qn_op_info_get((qn_op_kind)kind)->name);
  return qn_name_str(m->ctx, (qn_name){kind - QN_OP_KIND_COUNT});
}

qn_loc qn_op_loc(const qn_module *m, qn_op op) {
  return (qn_loc){qn__op_rec(m, op)->loc};
}

void qn_op_set_loc(qn_module *m, qn_op op, qn_loc loc) {
  if (qn__op_live(m, op)) m->ops.data[op.id].loc = loc.id < m->locs.size ? loc.id : 0;
}

uint32_t qn_op_num_operands(const qn_module *m, qn_op op) {
  return qn__op_rec(m, op)->num_operands;
}

qn_value qn_op_operand(const qn_module *m, qn_op op, uint32_t i) {
  const qn_op_rec *rec = qn__op_rec(m, op);
  return (qn_value){i < rec->num_operands ? m->uses.data[rec->first_operand + i].value : 0};
}

void qn_op_set_operand(qn_module *m, qn_op op, uint32_t i, qn_value v) {
  if (!qn__op_live(m, op) || i >= m->ops.data[op.id].num_operands) return;
  uint32_t use = m->ops.data[op.id].first_operand + i;
  if (m->uses.data[use].value == v.id) return;
  qn__use_unlink(m, use);
  qn__use_link(m, use, v.id);
}

uint32_t qn_op_num_results(const qn_module *m, qn_op op) {
  return qn__op_rec(m, op)->num_results;
}

qn_value qn_op_result(const qn_module *m, qn_op op, uint32_t i) {
  const qn_op_rec *rec = qn__op_rec(m, op);
  return (qn_value){i < rec->num_results ? rec->first_result + i : 0};
}

uint32_t qn_op_num_regions(const qn_module *m, qn_op op) {
  return qn__op_rec(m, op)->num_regions;
}

qn_block qn_op_region(const qn_module *m, qn_op op, uint32_t i) {
  const qn_op_rec *rec = qn__op_rec(m, op);
  return (qn_block){i < rec->num_regions ? rec->first_region + i : 0};
}

qn_block qn_op_parent(const qn_module *m, qn_op op) {
  return (qn_block){qn__op_rec(m, op)->parent};
}

qn_op qn_op_next(const qn_module *m, qn_op op) {
  return (qn_op){qn__op_rec(m, op)->next};
}

qn_op qn_op_prev(const qn_module *m, qn_op op) {
  return (qn_op){qn__op_rec(m, op)->prev};
}
