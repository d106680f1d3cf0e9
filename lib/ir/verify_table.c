/* Ops against their rows of the table. */
#include "attr_impl.h"
#include "context_impl.h"
#include "verify_impl.h"
#include <string.h>

/* ---- counts ---- */

static qn_status check_count(qn_module *m, qn_op op, uint32_t have, qn_count_spec want, const char *what,
                             const char *names) {
  if (have >= want.min && have <= want.max) return QN_OK;
  const char *listed = *names ? names : "none";
  if (want.max == UINT32_MAX)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has %u %s, expected at least %u (%s)", have, what, want.min,
                       listed);
  if (want.min == want.max)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has %u %s, expected %u (%s)", have, what, want.min, listed);
  return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has %u %s, expected %u to %u (%s)", have, what, want.min, want.max,
                     listed);
}

static qn_status worse(qn_status a, qn_status b) {
  return a == QN_OK ? b : a;
}

qn_status qn__verify_counts(qn_module *m, qn_op op, const qn_op_spec *spec) {
  const qn_op_info *info = qn_op_info_get(qn_op_kind_of(m, op));
  qn_status status = check_count(m, op, qn_op_num_operands(m, op), spec->operands, "operands", info->operands);
  status = worse(status, check_count(m, op, qn_op_num_results(m, op), spec->results, "results", info->results));
  return worse(status, check_count(m, op, qn_op_num_regions(m, op), spec->regions, "regions", info->regions));
}

/* ---- attributes ---- */

static const struct {
  const char *text;
  qn_attr_kind wants; /* QN_ATTR_NULL for any kind */
} spec_kinds[] = {
    [QN__SPEC_BOOL] = {"true or false", QN_ATTR_BOOL},
    [QN__SPEC_INT] = {"an integer", QN_ATTR_INT},
    [QN__SPEC_FLOAT] = {"a float such as 1.0 : f32", QN_ATTR_FLOAT},
    [QN__SPEC_STRING] = {"a string", QN_ATTR_STRING},
    [QN__SPEC_TYPE] = {"a type", QN_ATTR_TYPE},
    [QN__SPEC_ARRAY] = {"an array", QN_ATTR_ARRAY},
    [QN__SPEC_INTS] = {"integers such as array<i64: 1, 2>", QN_ATTR_INTS},
    [QN__SPEC_DENSE] = {"dense<..> or dense_resource<..>", QN_ATTR_DENSE},
    [QN__SPEC_SYMBOL] = {"a symbol such as @name", QN_ATTR_SYMBOL},
    [QN__SPEC_DICT] = {"a dictionary", QN_ATTR_DICT},
    [QN__SPEC_ANY] = {"a value", QN_ATTR_NULL},
    [QN__SPEC_CHOICE] = {"a string", QN_ATTR_STRING},
};

static const char *const attr_kind_names[] = {
    [QN_ATTR_NULL] = "nothing",
    [QN_ATTR_UNIT] = "a name without value",
    [QN_ATTR_BOOL] = "a bool",
    [QN_ATTR_INT] = "an integer",
    [QN_ATTR_FLOAT] = "a float",
    [QN_ATTR_STRING] = "a string",
    [QN_ATTR_TYPE] = "a type",
    [QN_ATTR_ARRAY] = "an array",
    [QN_ATTR_DICT] = "a dictionary",
    [QN_ATTR_INTS] = "an array<..>",
    [QN_ATTR_DENSE] = "a dense constant",
    [QN_ATTR_SYMBOL] = "a symbol",
    [QN_ATTR_DIALECT] = "a dialect attribute",
};

static qn_status check_attr(qn_module *m, qn_op op, const qn_attr_spec *spec, qn_attr attr) {
  qn_attr_kind kind = qn_attr_kind_of(m, attr), wants = spec_kinds[spec->kind].wants;
  int n = (int)spec->name.size;
  bool floats = kind == QN_ATTR_INTS && qn_scalar_is_float(qn__attr_ints_elem(m, attr));
  if ((wants != QN_ATTR_NULL && kind != wants) || floats)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "attribute '%.*s' is %s, expected %s", n, spec->name.data,
                       floats ? "an array of floats" : attr_kind_names[kind], spec_kinds[spec->kind].text);
  if (spec->kind != QN__SPEC_CHOICE) return QN_OK;
  qn_str text = qn_attr_as_string(m, attr);
  if (qn__attr_spec_has_choice(spec, text)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "attribute '%.*s' is \"%.*s\", expected one of %.*s", n, spec->name.data,
                     (int)text.size, text.data, (int)spec->kind_text.size, spec->kind_text.data);
}

static qn_status check_unknown(qn_module *m, qn_op op, const qn_op_spec *spec, qn_name name) {
  qn_context *ctx = qn_module_context(m);
  qn_str text = qn_name_str(ctx, name);
  if (memchr(text.data, '.', text.size)) return QN_OK;
  qn_arena scratch;
  qn__arena_init(&scratch, qn_context_allocator(ctx));
  qn_str list = {"none", 4};
  for (uint32_t i = 0; i < spec->num_attrs; i++) {
    qn_str next = spec->attrs[i].name;
    qn_str joined = qn__arena_fmt(&scratch, "%.*s%s%.*s", i ? (int)list.size : 0, list.data, i ? ", " : "",
                                  (int)next.size, next.data);
    if (joined.data) list = joined;
  }
  qn_status status = qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                                 "has no attribute '%.*s', expected any of: %.*s; names of your own need a dot",
                                 (int)text.size, text.data, (int)list.size, list.data);
  qn__arena_free(&scratch);
  return status;
}

qn_status qn__verify_attrs(qn_module *m, qn_op op, const qn_op_spec *spec) {
  qn_status status = QN_OK;
  qn_attr dict = qn_op_attrs(m, op);
  uint32_t n = qn_attr_size(m, dict);
  for (uint32_t i = 0; i < n; i++) {
    qn_named_attr entry = qn_attr_entry(m, dict, i);
    const qn_attr_spec *known = qn__op_spec_attr(spec, entry.name);
    status = worse(status, known ? check_attr(m, op, known, entry.attr) : check_unknown(m, op, spec, entry.name));
  }
  for (uint32_t i = 0; i < spec->num_attrs; i++) {
    const qn_attr_spec *s = &spec->attrs[i];
    if (s->optional || (dict.id && qn_attr_find(m, dict, s->id).id)) continue;
    status = worse(status, qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "attribute '%.*s' is missing, expected %s",
                                       (int)s->name.size, s->name.data, spec_kinds[s->kind].text));
  }
  return status;
}

qn_status qn__verify_table(qn_module *m, qn_op op, const qn_op_spec *spec) {
  qn_status status = qn__verify_counts(m, op, spec);
  return worse(status, qn__verify_attrs(m, op, spec));
}
