/* Values and the lists of their uses. */
#include "module_impl.h"

qn_type qn_value_type(const qn_module *m, qn_value v) {
  return (qn_type){qn__value_rec(m, v)->type};
}

void qn_value_set_type(qn_module *m, qn_value v, qn_type type) {
  if (v.id && v.id < m->values.size) m->values.data[v.id].type = type.id;
}

qn_op qn_value_op(const qn_module *m, qn_value v) {
  uint32_t def = qn__value_rec(m, v)->def;
  return (qn_op){def & QN__DEF_BLOCK ? 0 : def};
}

qn_block qn_value_block(const qn_module *m, qn_value v) {
  uint32_t def = qn__value_rec(m, v)->def;
  return (qn_block){def & QN__DEF_BLOCK ? def & ~QN__DEF_BLOCK : 0};
}

uint32_t qn_value_index(const qn_module *m, qn_value v) {
  return qn__value_rec(m, v)->index;
}

qn_name qn_value_name(const qn_module *m, qn_value v) {
  return (qn_name){qn__value_rec(m, v)->name};
}

void qn_value_set_name(qn_module *m, qn_value v, qn_name name) {
  if (v.id && v.id < m->values.size) m->values.data[v.id].name = name.id;
}

/* ---- uses ---- */

void qn__use_link(qn_module *m, uint32_t use, uint32_t value) {
  if (value >= m->values.size) value = 0;
  qn_use_rec *u = &m->uses.data[use];
  u->value = value;
  u->prev = u->next = 0;
  if (!value) return;
  uint32_t head = m->values.data[value].first_use;
  u->next = head;
  if (head) m->uses.data[head].prev = use;
  m->values.data[value].first_use = use;
}

void qn__use_unlink(qn_module *m, uint32_t use) {
  qn_use_rec *u = &m->uses.data[use];
  if (!u->value) return;
  if (u->prev)
    m->uses.data[u->prev].next = u->next;
  else
    m->values.data[u->value].first_use = u->next;
  if (u->next) m->uses.data[u->next].prev = u->prev;
  u->value = u->prev = u->next = 0;
}

static const qn_use_rec *use_rec(const qn_module *m, qn_use u) {
  return &m->uses.data[u.id < m->uses.size ? u.id : 0];
}

qn_use qn_value_first_use(const qn_module *m, qn_value v) {
  return (qn_use){qn__value_rec(m, v)->first_use};
}

qn_use qn_use_next(const qn_module *m, qn_use u) {
  return (qn_use){use_rec(m, u)->next};
}

qn_op qn_use_op(const qn_module *m, qn_use u) {
  return (qn_op){use_rec(m, u)->op};
}

uint32_t qn_use_index(const qn_module *m, qn_use u) {
  const qn_use_rec *rec = use_rec(m, u);
  return rec->op ? u.id - m->ops.data[rec->op].first_operand : 0;
}

bool qn_value_has_one_use(const qn_module *m, qn_value v) {
  uint32_t first = qn__value_rec(m, v)->first_use;
  return first && !m->uses.data[first].next;
}

void qn_value_replace(qn_module *m, qn_value old_value, qn_value new_value) {
  if (!old_value.id || old_value.id >= m->values.size || old_value.id == new_value.id) return;
  if (new_value.id >= m->values.size) new_value.id = 0;
  qn_value_rec *from = &m->values.data[old_value.id];
  uint32_t first = from->first_use, last = 0;
  if (!first) return;
  from->first_use = 0;
  for (uint32_t u = first; u; u = m->uses.data[u].next) {
    m->uses.data[u].value = new_value.id;
    last = u;
  }
  if (!new_value.id) { /* uses of null are in no list */
    for (uint32_t u = first; u;) {
      uint32_t next = m->uses.data[u].next;
      m->uses.data[u].prev = m->uses.data[u].next = 0;
      u = next;
    }
    return;
  }
  /* The whole list goes in front of the other one. */
  uint32_t head = m->values.data[new_value.id].first_use;
  m->uses.data[last].next = head;
  if (head) m->uses.data[head].prev = last;
  m->values.data[new_value.id].first_use = first;
}
