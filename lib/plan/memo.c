#include "memo.h"
#include <string.h>

void qn__plan_memo_init(qn_plan_memo *memo, const qn_allocator *a) {
  *memo = (qn_plan_memo){.allocator = a};
}

void qn__plan_memo_free(qn_plan_memo *memo) {
  qn__map_free(memo->allocator, &memo->index);
  qn__vec_free(memo->allocator, &memo->words);
  qn__vec_free(memo->allocator, &memo->starts);
  qn__vec_free(memo->allocator, &memo->ids);
}

static void word(qn_plan_memo *memo, uint32_t w) {
  if (!qn__push(memo->allocator, &memo->words, w)) memo->failed = true;
}

/* Attributes one by one, without those that no plan looks at and that differ from op to op. */
static void note_attrs(qn_plan_memo *memo, const qn_module *m, qn_op op, const char *without) {
  qn_attr dict = qn_op_attrs(m, op);
  uint32_t n = dict.id ? qn_attr_size(m, dict) : 0;
  for (uint32_t i = 0; i < n; i++) {
    qn_named_attr entry = qn_attr_entry(m, dict, i);
    if (qn_str_eq(qn_name_str(qn_module_context(m), entry.name), qn_str_of(without))) continue;
    word(memo, entry.name.id);
    word(memo, entry.attr.id);
  }
  word(memo, UINT32_MAX);
}

static void note_operand(qn_plan_memo *memo, const qn_module *m, qn_value v) {
  qn_op def = qn_value_op(m, v);
  bool packed = def.id && qn_op_kind_of(m, def) == QN_OP_PACKED;
  word(memo, qn_value_type(m, v).id << 1 | packed);
  if (packed) note_attrs(memo, m, def, "value");
}

static void note_region_op(qn_plan_memo *memo, const qn_module *m, qn_op op, uint32_t first) {
  uint32_t operands = qn_op_num_operands(m, op), results = qn_op_num_results(m, op);
  word(memo, (uint32_t)qn_op_kind_of(m, op) | results << 16);
  word(memo, operands);
  word(memo, qn_op_attrs(m, op).id);
  for (uint32_t i = 0; i < operands; i++) word(memo, qn_op_operand(m, op, i).id - first);
  for (uint32_t i = 0; i < results; i++) {
    qn_value v = qn_op_result(m, op, i);
    word(memo, v.id - first);
    word(memo, qn_value_type(m, v).id);
  }
}

/* Values are told by how far their numbers are from the first one's. */
static void note_region(qn_plan_memo *memo, const qn_module *m, qn_block block) {
  uint32_t args = qn_block_num_args(m, block), first = args ? qn_block_arg(m, block, 0).id : 0;
  word(memo, args);
  for (uint32_t i = 0; i < args; i++) {
    qn_value v = qn_block_arg(m, block, i);
    word(memo, v.id - first);
    word(memo, qn_value_type(m, v).id);
  }
  for (qn_op op = qn_block_first(m, block); op.id; op = qn_op_next(m, op)) {
    if (!first && qn_op_num_results(m, op)) first = qn_op_result(m, op, 0).id;
    note_region_op(memo, m, op, first);
  }
  word(memo, UINT32_MAX);
}

/* Plans of windows look at who else uses the image; and nothing is noted of regions within regions. */
static bool is_told(const qn_module *m, qn_op op) {
  if (qn_op_attr(m, op, "window").id) return false;
  for (uint32_t r = 0; r < qn_op_num_regions(m, op); r++)
    for (qn_op in = qn_block_first(m, qn_op_region(m, op, r)); in.id; in = qn_op_next(m, in))
      if (qn_op_num_regions(m, in)) return false;
  return true;
}

static void note(qn_plan_memo *memo, const qn_module *m, qn_op op) {
  uint32_t operands = qn_op_num_operands(m, op), results = qn_op_num_results(m, op);
  word(memo, (uint32_t)qn_op_kind_of(m, op));
  word(memo, operands);
  word(memo, results);
  note_attrs(memo, m, op, "quern.slots");
  for (uint32_t i = 0; i < operands; i++) note_operand(memo, m, qn_op_operand(m, op, i));
  for (uint32_t i = 0; i < results; i++) word(memo, qn_value_type(m, qn_op_result(m, op, i)).id);
  for (uint32_t i = 0; i < qn_op_num_regions(m, op); i++) note_region(memo, m, qn_op_region(m, op, i));
}

static bool same(const void *owner, const void *key, uint32_t id) {
  const qn_plan_memo *memo = owner;
  uint32_t at = memo->starts.data[id - 1], n = memo->words.size - memo->start;
  uint32_t end = id < memo->starts.size ? memo->starts.data[id] : memo->start;
  return end - at == n && !memcmp(memo->words.data + at, key, n * sizeof *memo->words.data);
}

uint32_t qn__plan_memo_find(qn_plan_memo *memo, const qn_module *m, qn_op op) {
  memo->start = memo->words.size;
  if (!is_told(m, op) || memo->failed) return 0;
  note(memo, m, op);
  if (memo->failed) return 0;
  const uint32_t *key = memo->words.data + memo->start;
  memo->hash = qn__hash(key, (memo->words.size - memo->start) * sizeof *key, 0);
  uint32_t at = qn__map_find(&memo->index, memo->hash, same, memo, key);
  if (!at) return 0;
  memo->words.size = memo->start;
  return memo->ids.data[at - 1];
}

void qn__plan_memo_add(qn_plan_memo *memo, uint32_t id) {
  if (memo->failed || memo->words.size == memo->start) return;
  memo->failed = !qn__push(memo->allocator, &memo->starts, memo->start) || !qn__push(memo->allocator, &memo->ids, id) ||
                 !qn__map_add(memo->allocator, &memo->index, memo->hash, memo->starts.size);
}
