/* The pretty forms of ops: the rule for our own, and upstream's short forms for its ops. */
#include "forms.h"
#include "parser.h"
#include "spec.h"
#include <string.h>

bool qn__push_attr(qn__parser *p, const char *name, qn_attr value) {
  qn_named_attr entry = {qn_name_of_c(p->ctx, name), value};
  if (!entry.name.id || !value.id) return qn__out_of_memory(p);
  return qn__push(p->allocator, &p->attrs, entry) || qn__out_of_memory(p);
}

/* {..} after the operands. */
static bool parse_attrs(qn__parser *p, const qn__draft *d) {
  if (qn__at(p, '<')) {
    qn__advance(p);
    if (!qn__parse_attr_entries(p, d->first_attr) || !qn__expect(p, '>', "'>' after the properties")) return false;
  }
  return !qn__at(p, '{') || qn__parse_attr_entries(p, d->first_attr);
}

static bool push_type(qn__parser *p, qn_type t) {
  return qn__push(p->allocator, &p->types, t) || qn__out_of_memory(p);
}

static uint32_t num_operands(const qn__parser *p, const qn__draft *d) {
  return p->values.size - d->first_value;
}

/* The type behind ':' is that of every operand and of the result. */
static bool spread(qn__parser *p, qn__draft *d, qn_type operands, qn_type result) {
  uint32_t n = num_operands(p, d);
  for (uint32_t i = 0; i < n; i++)
    if (!push_type(p, operands)) return false;
  d->num_inputs = n;
  d->num_results = 1;
  return push_type(p, result);
}

/* ---- our own ---- */

/* prologue {..} epilogue {..}: each under its name in the table, in the table's order; absent ones are empty. */
static bool parse_named_regions(qn__parser *p, qn__draft *d) {
  const qn_op_spec *spec = qn__op_spec(p->ctx, d->kind);
  const char *names = qn_op_info_get(d->kind)->regions;
  if (!spec) return qn__out_of_memory(p);
  uint32_t n = spec->regions.max;
  if (n == 0) return true;
  if (!qn__draft_begin_regions(p, d, n)) return false;
  for (uint32_t i = 0; i < n; i++) {
    if (!qn__at(p, QN__TOK_ID) || !qn_str_eq(p->tok.text, qn__spec_name(names, i))) continue;
    qn__advance(p);
    if (!qn__parse_region(p, qn_op_region(p->m, d->op, i))) return false;
  }
  if (qn__at(p, QN__TOK_ID) && !qn__at_word(p, "loc"))
    return qn__expected(p, "attributes, ':' or a region in the table's order (%s)", names);
  return true;
}

static bool parse_rule(qn__parser *p, qn__draft *d) {
  if (!qn__parse_operands(p) || !parse_named_regions(p, d) || !parse_attrs(p, d)) return false;
  if (!qn__take(p, ':')) {
    if (num_operands(p, d) == 0 && d->first_result == p->results.size) return true;
    return qn__expected(p, "':' and the types, as in ': (tensor<4xf32>) -> tensor<4xf32>'");
  }
  return qn__parse_signature(p, d);
}

/* ---- upstream's ---- */

/* `overflow<nsw>` and `fastmath<nnan>` mean nothing here: see drop_flags in parse_op.c. */
static bool skip_flags(qn__parser *p) {
  while (qn__at_word(p, "overflow") || qn__at_word(p, "fastmath")) {
    qn__advance(p);
    if (!qn__expect(p, '<', "'<' and flags")) return false;
    do {
      if (!qn__take(p, QN__TOK_ID)) return qn__expected(p, "a flag");
    } while (qn__take(p, ','));
    if (!qn__expect(p, '>', "'>' after the flags")) return false;
  }
  return true;
}

static bool parse_head(qn__parser *p, qn__draft *d) {
  return qn__parse_operands(p) && skip_flags(p) && parse_attrs(p, d) && qn__expect(p, ':', "':' and the type");
}

static bool parse_same(qn__parser *p, qn__draft *d) {
  qn_type t;
  if (!parse_head(p, d)) return false;
  if (qn__at(p, '(')) return qn__parse_signature(p, d);
  return qn__parse_type(p, &t) && spread(p, d, t, t);
}

static bool parse_to(qn__parser *p, qn__draft *d) {
  qn_type from, to;
  if (!parse_head(p, d)) return false;
  if (qn__at(p, '(')) return qn__parse_signature(p, d);
  if (!qn__parse_type(p, &from)) return false;
  if (!qn__take_word(p, "to")) return qn__expected(p, "'to' and the result type");
  return qn__parse_type(p, &to) && spread(p, d, from, to);
}

/* tensor<4xi1> for tensor<4xT>, i1 for T. */
static qn_type bool_like(qn_context *ctx, qn_type t) {
  qn_type i1 = qn_type_scalar(ctx, QN_I1);
  return qn_type_kind_of(ctx, t) == QN_TYPE_TENSOR ? qn_type_with_elem(ctx, t, i1) : i1;
}

static bool parse_compare(qn__parser *p, qn__draft *d) {
  qn_type t;
  int predicate = -1;
  if (qn__at(p, QN__TOK_ID)) predicate = qn__predicate_find(d->kind, p->tok.text);
  if (predicate >= 0) {
    qn__advance(p);
    if (!qn__expect(p, ',', "',' after the predicate") ||
        !qn__push_attr(p, "predicate", qn_attr_int(p->m, (qn_type){0}, predicate)))
      return false;
  } else if (!qn__at(p, QN__TOK_VALUE)) {
    return qn__expected(p, "a predicate: %s", qn__predicate_list(d->kind));
  }
  if (!parse_head(p, d)) return false;
  if (qn__at(p, '(')) return qn__parse_signature(p, d);
  return qn__parse_type(p, &t) && spread(p, d, t, bool_like(p->ctx, t));
}

/* : T, or : C, T where the condition is no i1. */
static bool parse_select(qn__parser *p, qn__draft *d) {
  qn_type condition = qn_type_scalar(p->ctx, QN_I1), t;
  if (!parse_head(p, d)) return false;
  if (qn__at(p, '(')) return qn__parse_signature(p, d);
  if (!qn__parse_type(p, &t)) return false;
  if (qn__take(p, ',')) {
    condition = t;
    if (!qn__parse_type(p, &t)) return false;
  }
  if (!spread(p, d, t, t)) return false;
  if (d->num_inputs) p->types.data[d->first_type] = condition;
  return true;
}

static bool parse_constant(qn__parser *p, qn__draft *d) {
  qn_attr value;
  qn_type type = {0};
  if (!parse_attrs(p, d)) return false;
  qn__token at = p->tok;
  if (qn__at(p, ':')) { /* value among the attributes */
    qn__advance(p);
    return qn__parse_signature(p, d);
  }
  if (!qn__parse_attr(p, &value)) return false;
  type = qn_attr_type_of(p->m, value);
  if (qn_type_is_null(type))
    return qn__fail(p, &at, QN_DIAG_ATTRIBUTE, "a constant is a number, true, false, dense<..> or dense_resource<..>");
  d->num_results = 1;
  return qn__push_attr(p, "value", value) && push_type(p, type);
}

/* return %a, %b : T, U */
static bool parse_values(qn__parser *p, qn__draft *d) {
  if (!qn__parse_operands(p) || !parse_attrs(p, d)) return false;
  if (!qn__at(p, ':')) {
    if (num_operands(p, d) == 0) return true;
    return qn__expected(p, "':' and the types of the values");
  }
  do {
    qn__advance(p);
    if (d->num_inputs == 0 && qn__at(p, '(')) return qn__parse_signature(p, d);
    qn_type t;
    if (!qn__parse_type(p, &t) || !push_type(p, t)) return false;
    d->num_inputs++;
  } while (qn__at(p, ','));
  return true;
}

static bool parse_call(qn__parser *p, qn__draft *d) {
  qn_str callee;
  if (!qn__symbol(p, &callee) || !qn__push_attr(p, "callee", qn_attr_symbol(p->m, callee)) ||
      !qn__expect(p, '(', "'(' and the operands") || !qn__parse_operands(p) ||
      !qn__expect(p, ')', "',' or ')' after the operands") || !parse_attrs(p, d) ||
      !qn__expect(p, ':', "':' and the types, as in ': (tensor<4xf32>) -> tensor<4xf32>'"))
    return false;
  return qn__parse_signature(p, d);
}

static bool (*const parsers[])(qn__parser *p, qn__draft *d) = {
    [QN__FORM_RULE] = parse_rule,       [QN__FORM_SAME] = parse_same,     [QN__FORM_TO] = parse_to,
    [QN__FORM_COMPARE] = parse_compare, [QN__FORM_SELECT] = parse_select, [QN__FORM_CONSTANT] = parse_constant,
    [QN__FORM_VALUES] = parse_values,   [QN__FORM_CALL] = parse_call,     [QN__FORM_FUNC] = qn__parse_func,
};

bool qn__parse_pretty(qn__parser *p, qn__draft *d) {
  return parsers[qn__form_of(d->kind)](p, d);
}
