/* The table of ops, as the public header shows it. */
#include "context_impl.h"
#include "rules.h"
#include <string.h>

static const qn_op_info infos[QN_OP_KIND_COUNT] = {
    {"UNREGISTERED", "", "", "", "", "", "an op that the table does not have", 0},
#define QN_OP(symbol, name, operands, results, attrs, regions, traits, rule, doc)                                      \
  {#symbol, name, operands, results, attrs, regions, doc, traits},
#include <quern/ops.def>
#undef QN_OP
};

static const uint8_t name_sizes[QN_OP_KIND_COUNT] = {
    0,
#define QN_OP(symbol, name, operands, results, attrs, regions, traits, rule, doc) sizeof(name) - 1,
#include <quern/ops.def>
#undef QN_OP
};

static const qn_rule rules[QN_OP_KIND_COUNT] = {
    NULL,
#define QN_OP(symbol, name, operands, results, attrs, regions, traits, rule, doc) qn__rule_##rule,
#include <quern/ops.def>
#undef QN_OP
};

const qn_op_info *qn_op_info_get(qn_op_kind kind) {
  return &infos[(unsigned)kind < QN_OP_KIND_COUNT ? kind : QN_OP_UNREGISTERED];
}

qn_rule qn__op_rule(qn_op_kind kind) {
  return rules[(unsigned)kind < QN_OP_KIND_COUNT ? kind : QN_OP_UNREGISTERED];
}

qn_op_kind qn_op_kind_find(const qn_context *ctx, qn_str name) {
  (void)ctx;
  if (name.size < 2) return QN_OP_UNREGISTERED;
  /* Few names agree in size and last character, so this is a scan over one byte per row. */
  const char last = name.data[name.size - 1];
  for (int k = 1; k < QN_OP_KIND_COUNT; k++)
    if (name_sizes[k] == name.size && infos[k].name[name.size - 1] == last &&
        !memcmp(infos[k].name, name.data, name.size))
      return (qn_op_kind)k;
  return QN_OP_UNREGISTERED;
}
