/* Blocks and their arguments. */
#include "context_impl.h"
#include "module_impl.h"
#include <string.h>

uint32_t qn__block_new(qn_module *m, uint32_t op) {
  m->blocks.data[m->blocks.size] = (qn_block_rec){.op = op};
  return m->blocks.size++;
}

qn_op qn_block_first(const qn_module *m, qn_block b) {
  return (qn_op){qn__block_rec(m, b)->first};
}

qn_op qn_block_last(const qn_module *m, qn_block b) {
  return (qn_op){qn__block_rec(m, b)->last};
}

qn_op qn_block_op(const qn_module *m, qn_block b) {
  return (qn_op){qn__block_rec(m, b)->op};
}

uint32_t qn_block_num_args(const qn_module *m, qn_block b) {
  return qn__block_rec(m, b)->num_args;
}

qn_value qn_block_arg(const qn_module *m, qn_block b, uint32_t i) {
  const qn_block_rec *rec = qn__block_rec(m, b);
  return (qn_value){i < rec->num_args ? rec->args[i] : 0};
}

static bool grow_args(qn_module *m, qn_block_rec *rec) {
  if (rec->num_args < rec->cap_args) return true;
  if (rec->cap_args > UINT32_MAX / 2) return false;
  uint32_t cap = rec->cap_args ? rec->cap_args * 2 : 4;
  uint32_t *args = qn__arena_array(&m->arena, cap, sizeof *args);
  if (!args) return false;
  if (rec->num_args) memcpy(args, rec->args, rec->num_args * sizeof *args);
  rec->args = args;
  rec->cap_args = cap;
  return true;
}

qn_value qn_block_add_arg(qn_module *m, qn_block b, qn_type type, qn_name name_hint) {
  if (b.id == 0 || b.id >= m->blocks.size) return (qn_value){0};
  qn_block_rec *rec = &m->blocks.data[b.id];
  if (!grow_args(m, rec) || !qn__reserve(m->allocator, &m->values, 1)) {
    qn__module_fail(m);
    return (qn_value){0};
  }
  uint32_t id = m->values.size++;
  m->values.data[id] =
      (qn_value_rec){.type = type.id, .def = b.id | QN__DEF_BLOCK, .index = rec->num_args, .name = name_hint.id};
  rec->args[rec->num_args++] = id;
  return (qn_value){id};
}

void qn_block_erase_arg(qn_module *m, qn_block b, uint32_t i) {
  if (b.id == 0 || b.id >= m->blocks.size) return;
  qn_block_rec *rec = &m->blocks.data[b.id];
  if (i >= rec->num_args) return;
  uint32_t id = rec->args[i];
  if (m->values.data[id].first_use) {
    qn_op_error(m, (qn_op){rec->op}, QN_DIAG_INTERNAL, "block argument %u cannot be erased while it is used", i);
    return;
  }
  m->values.data[id] = (qn_value_rec){0};
  rec->num_args--;
  for (uint32_t k = i; k < rec->num_args; k++) {
    rec->args[k] = rec->args[k + 1];
    m->values.data[rec->args[k]].index = k;
  }
}
