/* func.func [private] @name(%a: T {attrs}, ..) -> (T {attrs}, ..) attributes {..} { .. } */
#include "parser.h"

typedef struct signature {
  uint32_t first_item; /* dictionaries on the stack: arguments, then results */
  uint32_t first_name; /* argument names, kept on the stack of result names */
  uint32_t inputs, results;
  bool arg_attrs, res_attrs; /* any of the dictionaries has an entry */
} signature;

static bool push_item(qn__parser *p, qn_attr item) {
  return qn__push(p->allocator, &p->items, item) || qn__out_of_memory(p);
}

/* {..} behind an argument or a result type; an empty dictionary where there is none. */
static bool parse_port_attrs(qn__parser *p, bool *any) {
  qn_attr dict;
  if (qn__at(p, '{')) {
    if (!qn__parse_dict(p, &dict)) return false;
    *any = *any || qn_attr_size(p->m, dict) != 0;
  } else {
    dict = qn_attr_dict(p->m, 0, NULL);
    if (!dict.id) return qn__out_of_memory(p);
  }
  return push_item(p, dict);
}

static bool push_type(qn__parser *p, qn_type t) {
  return qn__push(p->allocator, &p->types, t) || qn__out_of_memory(p);
}

static bool parse_arg(qn__parser *p, signature *s) {
  qn__result_name name = {p->tok, 1};
  qn_loc loc = {0};
  qn_type type;
  uint32_t late;
  if (qn__at_type(p))
    return qn__fail(p, &p->tok, QN_DIAG_SYNTAX,
                    "an argument needs a name, as in '%%x: TYPE'; functions are defined, not declared");
  if (!qn__parse_argument(p, &name.token, &type) || !push_type(p, type) || !parse_port_attrs(p, &s->arg_attrs) ||
      !qn__parse_trailing_loc(p, &loc, &late))
    return false;
  s->inputs++;
  return qn__push(p->allocator, &p->results, name) || qn__out_of_memory(p);
}

static bool parse_args(qn__parser *p, signature *s) {
  if (!qn__expect(p, '(', "'(' and the arguments")) return false;
  if (qn__take(p, ')')) return true;
  do {
    if (!parse_arg(p, s)) return false;
  } while (qn__take(p, ','));
  return qn__expect(p, ')', "',' or ')' in the arguments");
}

static bool parse_result(qn__parser *p, signature *s) {
  qn_type type;
  s->results++;
  return qn__parse_type(p, &type) && push_type(p, type) && parse_port_attrs(p, &s->res_attrs);
}

static bool parse_results(qn__parser *p, signature *s) {
  if (!qn__take(p, QN__TOK_ARROW)) return true;
  if (!qn__take(p, '(')) {
    qn_type type;
    s->results = 1;
    return qn__parse_type(p, &type) && push_type(p, type) && push_item(p, qn_attr_dict(p->m, 0, NULL));
  }
  if (qn__take(p, ')')) return true;
  do {
    if (!parse_result(p, s)) return false;
  } while (qn__take(p, ','));
  return qn__expect(p, ')', "',' or ')' in the results");
}

static bool push_port_attrs(qn__parser *p, const char *name, bool any, uint32_t first, uint32_t n) {
  return !any || qn__push_attr(p, name, qn_attr_array(p->m, n, qn__above(&p->items, first)));
}

static bool push_function_type(qn__parser *p, const qn__draft *d, const signature *s) {
  qn_type type = qn_type_function(p->ctx, s->inputs, qn__above(&p->types, d->first_type), s->results,
                                  qn__above(&p->types, d->first_type + s->inputs));
  if (qn_type_is_null(type)) return qn__fail(p, &d->name, QN_DIAG_LIMIT, "the function's type nests too deep");
  return qn__push_attr(p, "function_type", qn_attr_type(p->m, type));
}

static bool parse_header(qn__parser *p, qn__draft *d, signature *s) {
  qn_str name;
  if (qn__at_word(p, "private") || qn__at_word(p, "public") || qn__at_word(p, "nested")) {
    if (!qn__push_attr(p, "sym_visibility", qn_attr_string(p->m, p->tok.text))) return false;
    qn__advance(p);
  }
  if (!qn__symbol(p, &name) || !qn__push_attr(p, "sym_name", qn_attr_string(p->m, name))) return false;
  if (!parse_args(p, s) || !parse_results(p, s)) return false;
  if (!push_function_type(p, d, s) || !push_port_attrs(p, "arg_attrs", s->arg_attrs, s->first_item, s->inputs) ||
      !push_port_attrs(p, "res_attrs", s->res_attrs, s->first_item + s->inputs, s->results))
    return false;
  return !qn__take_word(p, "attributes") || qn__parse_attr_entries(p, d->first_attr);
}

/* The arguments belong to the body's names, so they are defined inside. */
static bool parse_body(qn__parser *p, qn__draft *d, const signature *s) {
  qn__scope outer = p->scope;
  qn_block block = qn_op_region(p->m, d->op, 0);
  bool ok = true;
  p->scope = (qn__scope){0};
  for (uint32_t i = 0; i < s->inputs; i++) {
    qn__token name = p->results.data[s->first_name + i].token;
    ok = qn__add_argument(p, block, &name, p->types.data[d->first_type + i]) && ok;
  }
  ok = qn__parse_region(p, block) && ok;
  qn__scope_free(p->allocator, &p->scope);
  p->scope = outer;
  return ok;
}

static bool parse_function(qn__parser *p, qn__draft *d, signature *s) {
  if (!parse_header(p, d, s)) return false;
  if (!qn__at(p, '{'))
    return qn__expected(p, "'{' and the function's body; declarations without one have no meaning here");
  uint32_t names = p->results.size;
  p->results.size = s->first_name; /* arguments are no results */
  bool ok = qn__draft_begin_regions(p, d, 1);
  p->results.size = names;
  return ok && parse_body(p, d, s);
}

bool qn__parse_func(qn__parser *p, qn__draft *d) {
  signature s = {.first_item = p->items.size, .first_name = p->results.size};
  if (d->first_result != p->results.size)
    return qn__fail(p, &d->name, QN_DIAG_OPERAND_COUNT, "a function has no results of its own to name");
  bool ok = parse_function(p, d, &s);
  p->items.size = s.first_item;
  p->results.size = s.first_name;
  p->types.size = d->first_type;
  return ok;
}
