#include "forms.h"
#include <string.h>

/* By the rule that the table names for an op: a new row with a known rule needs nothing here. */
static const struct {
  const char *rule;
  qn__form form;
} by_rule[] = {{"func", QN__FORM_FUNC},         {"return", QN__FORM_VALUES},      {"yield", QN__FORM_VALUES},
               {"call", QN__FORM_CALL},         {"constant", QN__FORM_CONSTANT},  {"qcast", QN__FORM_TO},
               {"dcast", QN__FORM_TO},          {"scast", QN__FORM_TO},           {"convert", QN__FORM_TO},
               {"compare", QN__FORM_COMPARE},   {"select", QN__FORM_SELECT},      {"int_binary", QN__FORM_SAME},
               {"float_binary", QN__FORM_SAME}, {"float_ternary", QN__FORM_SAME}, {"float_scalar", QN__FORM_SAME}};

static const char *const rules[QN_OP_KIND_COUNT] = {
    [QN_OP_UNREGISTERED] = "",
#define QN_OP(symbol, name, operands, results, attrs, regions, traits, rule, doc) [QN_OP_##symbol] = #rule,
#include <quern/ops.def>
#undef QN_OP
};

static bool is_ours(const char *name) {
  return strncmp(name, "quern.", 6) == 0;
}

qn__form qn__form_of(qn_op_kind kind) {
  if ((unsigned)kind >= QN_OP_KIND_COUNT || is_ours(qn_op_info_get(kind)->name)) return QN__FORM_RULE;
  for (size_t i = 0; i < sizeof by_rule / sizeof *by_rule; i++)
    if (strcmp(rules[kind], by_rule[i].rule) == 0) return by_rule[i].form;
  return QN__FORM_RULE;
}

static const struct {
  const char *name;
  qn_op_kind kind;
  bool refused; /* else short */
} aliases[] = {{"return", QN_OP_RETURN, false},          {"call", QN_OP_CALL, false},
               {"quern.constant", QN_OP_CONSTANT, true}, {"quern.qcast", QN_OP_QCAST, true},
               {"quern.dcast", QN_OP_DCAST, true},       {"quern.scast", QN_OP_SCAST, true}};
enum { NUM_ALIASES = sizeof aliases / sizeof *aliases };

qn_op_kind qn__op_alias(qn_str name) {
  for (size_t i = 0; i < NUM_ALIASES; i++)
    if (qn_str_eq(name, qn_str_of(aliases[i].name))) return aliases[i].kind;
  return QN_OP_UNREGISTERED;
}

static const char *alias_of(qn_op_kind kind, bool refused) {
  for (size_t i = 0; i < NUM_ALIASES; i++)
    if (aliases[i].kind == kind && aliases[i].refused == refused) return aliases[i].name;
  return NULL;
}

const char *qn__short_name(qn_op_kind kind) {
  return alias_of(kind, false);
}

const char *qn__refused_name(qn_op_kind kind) {
  return alias_of(kind, true);
}

/* ---- predicates, in upstream's numbering ---- */

static const char *const int_words[] = {"eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge"};
static const char *const float_words[] = {"false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord",
                                          "ueq",   "ugt", "uge", "ult", "ule", "une", "uno", "true"};

static const char *const *words_of(qn_op_kind kind, int *n) {
  bool ints = kind == QN_OP_CMPI;
  *n = ints ? (int)(sizeof int_words / sizeof *int_words) : (int)(sizeof float_words / sizeof *float_words);
  return ints ? int_words : float_words;
}

int qn__predicate_find(qn_op_kind kind, qn_str word) {
  int n;
  const char *const *words = words_of(kind, &n);
  for (int i = 0; i < n; i++)
    if (qn_str_eq(word, qn_str_of(words[i]))) return i;
  return -1;
}

const char *qn__predicate_word(qn_op_kind kind, int64_t predicate) {
  int n;
  const char *const *words = words_of(kind, &n);
  return predicate >= 0 && predicate < n ? words[predicate] : NULL;
}

const char *qn__predicate_list(qn_op_kind kind) {
  return kind == QN_OP_CMPI ? "eq ne slt sle sgt sge ult ule ugt uge"
                            : "false oeq ogt oge olt ole one ord ueq ugt uge ult ule une uno true";
}
