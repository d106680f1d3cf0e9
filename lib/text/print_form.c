/* The pretty forms. Each prints an op only when it has the shape that the reader gives it back from that text; any
 * other op, in a module that breaks a rule, prints in generic form. */
#include "forms.h"
#include "printer.h"
#include "spec.h"
#include <string.h>

static bool is_hidden(qn_str name, const char *const *hidden) {
  for (; hidden && *hidden; hidden++)
    if (qn_str_eq(name, qn_str_of(*hidden))) return true;
  return false;
}

void qn__print_attr_dict(qn__printer *p, qn_op op, const char *const *hidden, const char *before) {
  qn_attr dict = qn_op_attrs(p->m, op);
  if (!dict.id) return;
  const qn_op_spec *spec = qn__op_spec(p->ctx, qn_op_kind_of(p->m, op));
  bool any = false;
  for (uint32_t i = 0, n = qn_attr_size(p->m, dict); i < n; i++) {
    qn_named_attr entry = qn_attr_entry(p->m, dict, i);
    const qn_attr_spec *row = spec ? qn__op_spec_attr(spec, entry.name) : NULL;
    if (row && qn__attr_is_default(p->m, row, entry.attr)) continue;
    if (hidden && is_hidden(qn_name_str(p->ctx, entry.name), hidden)) continue;
    qn__put(p, any ? ", " : before);
    qn__print_named_attr(p, entry);
    any = true;
  }
  if (any) qn__buf_char(&p->out, '}');
}

static qn_type operand_type(const qn__printer *p, qn_op op, uint32_t i) {
  return qn_value_type(p->m, qn_op_operand(p->m, op, i));
}

static qn_type result_type(const qn__printer *p, qn_op op) {
  return qn_value_type(p->m, qn_op_result(p->m, op, 0));
}

/* One result, no regions, operands from `first` on all of type `t`. */
static bool is_plain(const qn__printer *p, qn_op op, uint32_t operands, uint32_t first, qn_type t) {
  uint32_t n = qn_op_num_operands(p->m, op);
  if (n != operands || qn_op_num_results(p->m, op) != 1 || qn_op_num_regions(p->m, op) != 0) return false;
  for (uint32_t i = first; i < n; i++)
    if (operand_type(p, op, i).id != t.id) return false;
  return true;
}

static void print_name(qn__printer *p, qn_op op) {
  qn__buf_str(&p->out, qn_op_name(p->m, op));
}

/* ---- our own ---- */

static bool is_empty(const qn__printer *p, qn_block b) {
  return !qn_block_first(p->m, b).id && qn_block_num_args(p->m, b) == 0;
}

static bool print_rule(qn__printer *p, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(p->m, op);
  const qn_op_spec *spec = qn__op_spec(p->ctx, kind);
  uint32_t regions = qn_op_num_regions(p->m, op);
  if (kind == QN_OP_UNREGISTERED || !spec || regions != spec->regions.max) return false;
  print_name(p, op);
  if (qn_op_num_operands(p->m, op)) qn__buf_char(&p->out, ' ');
  qn__print_operands(p, op);
  for (uint32_t i = 0; i < regions; i++) {
    qn_block block = qn_op_region(p->m, op, i);
    if (is_empty(p, block)) continue;
    qn__buf_char(&p->out, ' ');
    qn__buf_str(&p->out, qn__spec_name(qn_op_info_get(kind)->regions, i));
    qn__buf_char(&p->out, ' ');
    qn__print_region(p, block, true);
  }
  qn__print_attr_dict(p, op, NULL, " {");
  qn__put_lit(p, " : ");
  qn__print_signature(p, op);
  return true;
}

/* ---- upstream's ---- */

static void print_head(qn__printer *p, qn_op op) {
  print_name(p, op);
  qn__buf_char(&p->out, ' ');
  qn__print_operands(p, op);
  qn__print_attr_dict(p, op, NULL, " {");
  qn__put_lit(p, " : ");
}

static bool print_same(qn__printer *p, qn_op op) {
  uint32_t n = qn_op_num_operands(p->m, op);
  if (n == 0 || !is_plain(p, op, n, 0, result_type(p, op))) return false;
  print_head(p, op);
  qn__print_type(p, result_type(p, op));
  return true;
}

static bool print_to(qn__printer *p, qn_op op) {
  if (!is_plain(p, op, 1, 1, result_type(p, op))) return false;
  print_head(p, op);
  qn__print_type(p, operand_type(p, op, 0));
  qn__put_lit(p, " to ");
  qn__print_type(p, result_type(p, op));
  return true;
}

static bool is_bool_like(const qn__printer *p, qn_type result, qn_type t) {
  qn_type i1 = qn_type_scalar(p->ctx, QN_I1);
  bool tensor = qn_type_kind_of(p->ctx, t) == QN_TYPE_TENSOR;
  return result.id == (tensor ? qn_type_with_elem(p->ctx, t, i1).id : i1.id);
}

static bool print_compare(qn__printer *p, qn_op op) {
  static const char *const hidden[] = {"predicate", NULL};
  qn_attr predicate = qn_op_attr(p->m, op, "predicate");
  qn_type t = operand_type(p, op, 0);
  const char *word = qn__predicate_word(qn_op_kind_of(p->m, op), qn_attr_as_int(p->m, predicate));
  bool is_i64 = qn_attr_kind_of(p->m, predicate) == QN_ATTR_INT &&
                qn_type_as_scalar(p->ctx, qn_attr_type_of(p->m, predicate)) == QN_I64;
  if (!word || !is_i64 || !is_plain(p, op, 2, 1, t) || !is_bool_like(p, result_type(p, op), t)) return false;
  print_name(p, op);
  qn__buf_char(&p->out, ' ');
  qn__put(p, word);
  qn__put_lit(p, ", ");
  qn__print_operands(p, op);
  qn__print_attr_dict(p, op, hidden, " {");
  qn__put_lit(p, " : ");
  qn__print_type(p, t);
  return true;
}

static bool print_select(qn__printer *p, qn_op op) {
  qn_type t = result_type(p, op), condition = operand_type(p, op, 0);
  if (!is_plain(p, op, 3, 1, t)) return false;
  print_head(p, op);
  if (condition.id != qn_type_scalar(p->ctx, QN_I1).id) {
    qn__print_type(p, condition);
    qn__put_lit(p, ", ");
  }
  qn__print_type(p, t);
  return true;
}

static bool print_constant(qn__printer *p, qn_op op) {
  static const char *const hidden[] = {"value", NULL};
  qn_attr value = qn_op_attr(p->m, op, "value");
  qn_attr_kind kind = qn_attr_kind_of(p->m, value);
  bool typed = kind == QN_ATTR_BOOL || kind == QN_ATTR_INT || kind == QN_ATTR_FLOAT || kind == QN_ATTR_DENSE;
  qn_type t = result_type(p, op);
  if (!typed || qn_attr_type_of(p->m, value).id != t.id || !is_plain(p, op, 0, 0, t)) return false;
  if (qn__constant_is_refused(p, op))
    qn__put(p, qn__refused_name(QN_OP_CONSTANT));
  else
    print_name(p, op);
  qn__print_attr_dict(p, op, hidden, " {");
  qn__buf_char(&p->out, ' ');
  qn__print_attr(p, value);
  return true;
}

static bool print_values(qn__printer *p, qn_op op) {
  if (qn_op_num_results(p->m, op) || qn_op_num_regions(p->m, op)) return false;
  const char *name = qn__short_name(qn_op_kind_of(p->m, op));
  if (name)
    qn__put(p, name);
  else
    print_name(p, op);
  bool any = qn_op_num_operands(p->m, op) != 0;
  if (any) qn__buf_char(&p->out, ' ');
  qn__print_operands(p, op);
  qn__print_attr_dict(p, op, NULL, " {");
  if (any) qn__put_lit(p, " : ");
  qn__print_types(p, op, false);
  return true;
}

static bool print_call(qn__printer *p, qn_op op) {
  static const char *const hidden[] = {"callee", NULL};
  qn_attr callee = qn_op_attr(p->m, op, "callee");
  if (qn_attr_kind_of(p->m, callee) != QN_ATTR_SYMBOL || qn_op_num_regions(p->m, op)) return false;
  qn__put(p, qn__short_name(QN_OP_CALL));
  qn__buf_char(&p->out, ' ');
  qn__print_symbol(p, qn_attr_as_string(p->m, callee));
  qn__buf_char(&p->out, '(');
  qn__print_operands(p, op);
  qn__buf_char(&p->out, ')');
  qn__print_attr_dict(p, op, hidden, " {");
  qn__put_lit(p, " : ");
  qn__print_signature(p, op);
  return true;
}

/* ---- functions ---- */

/* An array of one dictionary for each port, not all of them empty; or nothing. */
static bool are_port_attrs(const qn__printer *p, qn_attr list, uint32_t count) {
  if (!list.id) return true;
  bool any = false;
  if (qn_attr_kind_of(p->m, list) != QN_ATTR_ARRAY || qn_attr_size(p->m, list) != count) return false;
  for (uint32_t i = 0; i < count; i++) {
    qn_attr dict = qn_attr_at(p->m, list, i);
    if (qn_attr_kind_of(p->m, dict) != QN_ATTR_DICT) return false;
    any = any || qn_attr_size(p->m, dict);
  }
  return any;
}

static bool is_visibility(qn_str s) {
  return qn_str_eq(s, qn_str_of("private")) || qn_str_eq(s, qn_str_of("public")) || qn_str_eq(s, qn_str_of("nested"));
}

static bool is_function(const qn__printer *p, qn_op op, qn_type type) {
  qn_block body = qn_func_body(p->m, op);
  qn_attr visibility = qn_op_attr(p->m, op, "sym_visibility");
  uint32_t inputs = qn_type_num_inputs(p->ctx, type);
  if (qn_type_kind_of(p->ctx, type) != QN_TYPE_FUNCTION || qn_op_num_regions(p->m, op) != 1 ||
      qn_op_num_operands(p->m, op) || qn_op_num_results(p->m, op) || !qn_func_name(p->m, op).size ||
      qn_attr_kind_of(p->m, qn_op_attr(p->m, op, "sym_name")) != QN_ATTR_STRING ||
      qn_block_num_args(p->m, body) != inputs)
    return false;
  if (visibility.id &&
      (qn_attr_kind_of(p->m, visibility) != QN_ATTR_STRING || !is_visibility(qn_attr_as_string(p->m, visibility))))
    return false;
  for (uint32_t i = 0; i < inputs; i++)
    if (qn_value_type(p->m, qn_block_arg(p->m, body, i)).id != qn_type_input(p->ctx, type, i).id) return false;
  return are_port_attrs(p, qn_op_attr(p->m, op, "arg_attrs"), inputs) &&
         are_port_attrs(p, qn_op_attr(p->m, op, "res_attrs"), qn_type_num_results(p->ctx, type));
}

static void print_port_attrs(qn__printer *p, qn_attr dict) {
  if (qn_attr_size(p->m, dict) == 0) return;
  qn__buf_char(&p->out, ' ');
  qn__print_attr(p, dict);
}

static void print_args(qn__printer *p, qn_op op) {
  qn_block body = qn_func_body(p->m, op);
  qn_attr attrs = qn_op_attr(p->m, op, "arg_attrs");
  qn__buf_char(&p->out, '(');
  for (uint32_t i = 0; i < qn_block_num_args(p->m, body); i++) {
    qn_value arg = qn_block_arg(p->m, body, i);
    if (i) qn__put_lit(p, ", ");
    qn__name_arg(p, arg);
    qn__print_value(p, arg);
    qn__put_lit(p, ": ");
    qn__print_type(p, qn_value_type(p->m, arg));
    print_port_attrs(p, qn_attr_at(p->m, attrs, i));
  }
  qn__buf_char(&p->out, ')');
}

static void print_function_results(qn__printer *p, qn_op op, qn_type type) {
  qn_attr attrs = qn_op_attr(p->m, op, "res_attrs");
  uint32_t n = qn_type_num_results(p->ctx, type);
  if (n == 0) return;
  bool list = n != 1 || attrs.id || qn_type_kind_of(p->ctx, qn_type_result(p->ctx, type, 0)) == QN_TYPE_FUNCTION;
  qn__put(p, list ? " -> (" : " -> ");
  for (uint32_t i = 0; i < n; i++) {
    if (i) qn__put_lit(p, ", ");
    qn__print_type(p, qn_type_result(p->ctx, type, i));
    print_port_attrs(p, qn_attr_at(p->m, attrs, i));
  }
  if (list) qn__buf_char(&p->out, ')');
}

static bool print_function(qn__printer *p, qn_op op) {
  static const char *const hidden[] = {"sym_name", "sym_visibility", "function_type", "arg_attrs", "res_attrs", NULL};
  qn_type type = qn_attr_as_type(p->m, qn_op_attr(p->m, op, "function_type"));
  qn_attr visibility = qn_op_attr(p->m, op, "sym_visibility");
  if (!is_function(p, op, type)) return false;
  qn__put_lit(p, "func.func ");
  if (visibility.id) {
    qn__buf_str(&p->out, qn_attr_as_string(p->m, visibility));
    qn__buf_char(&p->out, ' ');
  }
  qn__print_symbol(p, qn_func_name(p->m, op));
  print_args(p, op);
  print_function_results(p, op, type);
  qn__print_attr_dict(p, op, hidden, " attributes {");
  qn__buf_char(&p->out, ' ');
  qn__print_region(p, qn_func_body(p->m, op), false);
  return true;
}

static bool (*const printers[])(qn__printer *p, qn_op op) = {
    [QN__FORM_RULE] = print_rule,       [QN__FORM_SAME] = print_same,     [QN__FORM_TO] = print_to,
    [QN__FORM_COMPARE] = print_compare, [QN__FORM_SELECT] = print_select, [QN__FORM_CONSTANT] = print_constant,
    [QN__FORM_VALUES] = print_values,   [QN__FORM_CALL] = print_call,     [QN__FORM_FUNC] = print_function,
};

bool qn__print_pretty(qn__printer *p, qn_op op) {
  return printers[qn__form_of(qn_op_kind_of(p->m, op))](p, op);
}
