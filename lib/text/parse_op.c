/* Ops: results, generic form, regions, and going on after an error. The pretty forms are in parse_form.c. */
#include "attr_impl.h"
#include "forms.h"
#include "parser.h"
#include "spec.h"
#include <inttypes.h>
#include <string.h>

/* ---- values ---- */

static bool undefined_value(qn__parser *p, const qn__token *at) {
  return qn__fail(p, at, QN_DIAG_UNDEFINED, "value %%%.*s is not defined here; a value is defined before its use",
                  (int)at->text.size, at->text.data);
}

/* #2 behind %x: the token begins right where the name ends. */
static bool parse_group_index(qn__parser *p, const qn__token *at, uint32_t *value) {
  if (!qn__at(p, QN__TOK_HASH) || p->tok.at != at->text.data + at->text.size) return true;
  qn__token index = p->tok;
  uint32_t i = 0;
  for (size_t k = 0; k < index.text.size; k++) {
    unsigned digit = (unsigned char)index.text.data[k] - (unsigned)'0';
    if (digit > 9) return qn__expected(p, "a result number such as #1");
    i = i > UINT32_MAX / 16 ? i : i * 10 + digit;
  }
  qn__advance(p);
  if (*value == QN__POISON) return true;
  uint32_t count = qn__scope_group(&p->scope, *value);
  if (i >= count)
    return qn__fail(p, &index, QN_DIAG_UNDEFINED, "%%%.*s stands for %" PRIu32 " value%s; results count from #0",
                    (int)at->text.size, at->text.data, count, count == 1 ? "" : "s");
  *value += i; /* the results of an op have consecutive ids */
  return true;
}

static bool parse_operand(qn__parser *p) {
  if (!qn__at(p, QN__TOK_VALUE)) return qn__expected(p, "an operand such as %%x");
  qn__token at = p->tok;
  uint32_t value = qn__scope_find(&p->scope, p->ctx, at.text);
  if (!value) return undefined_value(p, &at);
  qn__advance(p);
  if (!parse_group_index(p, &at, &value)) return false;
  return qn__push(p->allocator, &p->values, (qn_value){value}) || qn__out_of_memory(p);
}

bool qn__parse_operands(qn__parser *p) {
  if (!qn__at(p, QN__TOK_VALUE)) return true;
  do {
    if (!parse_operand(p)) return false;
  } while (qn__take(p, ','));
  return true;
}

static bool define(qn__parser *p, const qn__token *at, uint32_t value, uint32_t count) {
  if (qn__scope_find(&p->scope, p->ctx, at->text)) {
    if (value == QN__POISON) return false;
    return qn__fail(p, at, QN_DIAG_REDEFINED, "value %%%.*s is defined already; each name is given once",
                    (int)at->text.size, at->text.data);
  }
  if (!qn__scope_define(p->allocator, &p->scope, p->ctx, at->text, value, count)) return qn__out_of_memory(p);
  if (value != QN__POISON && !qn__name_is_automatic(at->text))
    qn_value_set_name(p->m, (qn_value){value}, qn_name_of(p->ctx, at->text));
  return true;
}

/* %a, %b:2 = */
static bool parse_result_names(qn__parser *p) {
  if (!qn__at(p, QN__TOK_VALUE)) return true;
  do {
    qn__result_name name = {p->tok, 1};
    if (!qn__at(p, QN__TOK_VALUE)) return qn__expected(p, "the name of a result such as %%x");
    qn__advance(p);
    if (qn__take(p, ':')) {
      int64_t n;
      qn__token at = p->tok;
      if (!qn__parse_i64(p, &n)) return false;
      if (n < 1 || n > 1 << 20) return qn__fail(p, &at, QN_DIAG_SYNTAX, "a group of results has 1 to 1048576 values");
      name.count = (uint32_t)n;
    }
    if (!qn__push(p->allocator, &p->results, name)) return qn__out_of_memory(p);
  } while (qn__take(p, ','));
  return qn__expect(p, '=', "',' or '=' after the names of the results");
}

static uint64_t named_results(const qn__parser *p, const qn__draft *d) {
  uint64_t n = 0;
  for (uint32_t i = d->first_result; i < p->results.size; i++) n += p->results.data[i].count;
  return n;
}

/* ---- making the op ---- */

static bool check_operand_types(qn__parser *p, const qn__draft *d) {
  uint32_t n = p->values.size - d->first_value;
  const qn_value *values = qn__above(&p->values, d->first_value);
  const qn_type *types = qn__above(&p->types, d->first_type);
  if (n != d->num_inputs)
    return qn__fail(p, &d->name, QN_DIAG_OPERAND_COUNT,
                    "%" PRIu32 " operands, but the types behind ':' speak of %" PRIu32, n, d->num_inputs);
  for (uint32_t i = 0; i < n; i++) {
    if (values[i].id == QN__POISON) continue;
    qn_type have = qn_value_type(p->m, values[i]);
    if (have.id == types[i].id || have.id == 0) continue;
    return qn__fail(p, &d->name, QN_DIAG_TYPE_MISMATCH, "operand %" PRIu32 " is a %s, but the types behind ':' say %s",
                    i, qn_type_text(p->ctx, have).data, qn_type_text(p->ctx, types[i]).data);
  }
  return true;
}

static bool check_result_count(qn__parser *p, const qn__draft *d) {
  uint64_t named = named_results(p, d);
  if (d->first_result == p->results.size || named == d->num_results) return true;
  return qn__fail(p, &p->results.data[d->first_result].token, QN_DIAG_OPERAND_COUNT,
                  "%" PRIu64 " names for %" PRIu32 " results", named, d->num_results);
}

/* Operands in error become null; the module is not given out then. */
static void clear_poison(qn__parser *p, const qn__draft *d) {
  for (uint32_t i = d->first_value; i < p->values.size; i++)
    if (p->values.data[i].id == QN__POISON) p->values.data[i].id = 0;
}

static qn_op create(qn__parser *p, const qn__draft *d, uint32_t num_results, const qn_type *results,
                    uint32_t num_regions) {
  clear_poison(p, d);
  uint32_t num_attrs = p->attrs.size - d->first_attr;
  qn_op_desc desc = {.kind = d->kind,
                     .name = d->unregistered,
                     .num_operands = p->values.size - d->first_value,
                     .operands = qn__above(&p->values, d->first_value),
                     .num_results = num_results,
                     .results = results,
                     .num_attrs = num_attrs,
                     .attrs = qn__above(&p->attrs, d->first_attr),
                     .num_regions = num_regions};
  return qn_op_create(d->builder, &desc);
}

bool qn__draft_begin_regions(qn__parser *p, qn__draft *d, uint32_t num_regions) {
  uint64_t n = named_results(p, d);
  if (n > 1 << 20) return qn__fail(p, &d->name, QN_DIAG_LIMIT, "an op has at most 1048576 results");
  d->op = create(p, d, (uint32_t)n, NULL, num_regions);
  return d->op.id != 0 || qn__out_of_memory(p);
}

static bool set_attrs(qn__parser *p, const qn__draft *d) {
  uint32_t n = p->attrs.size - d->first_attr;
  if (n == 0) return true;
  qn_attr dict = qn_attr_dict(p->m, n, qn__above(&p->attrs, d->first_attr));
  if (dict.id) {
    qn_op_set_attrs(p->m, d->op, dict);
    return true;
  }
  return qn_module_failed(p->m) ? qn__out_of_memory(p)
                                : qn__fail(p, &d->name, QN_DIAG_REDEFINED, "an attribute is given twice");
}

/* Results without names: the op was made without them. Its regions move to another one that has them. */
static bool remake(qn__parser *p, qn__draft *d, const qn_type *results) {
  qn_module *m = p->m;
  qn_op old = d->op;
  uint32_t regions = qn_op_num_regions(m, old);
  qn_op op = create(p, d, d->num_results, results, regions);
  if (!op.id) return qn__out_of_memory(p);
  for (uint32_t r = 0; r < regions; r++) {
    qn_block from = qn_op_region(m, old, r), to = qn_op_region(m, op, r);
    for (uint32_t i = 0; i < qn_block_num_args(m, from); i++) {
      qn_value arg = qn_block_arg(m, from, i);
      qn_value_replace(m, arg, qn_block_add_arg(m, to, qn_value_type(m, arg), qn_value_name(m, arg)));
    }
    for (qn_op inner; (inner = qn_block_first(m, from)).id;) qn_op_move_to_end(m, inner, to);
  }
  qn_op_erase(m, old);
  d->op = op;
  return true;
}

static bool complete(qn__parser *p, qn__draft *d, const qn_type *results) {
  if (!set_attrs(p, d)) return false;
  if (qn_op_num_results(p->m, d->op) != d->num_results) return remake(p, d, results);
  for (uint32_t i = 0; i < d->num_results; i++) qn_value_set_type(p->m, qn_op_result(p->m, d->op, i), results[i]);
  return true;
}

static bool define_results(qn__parser *p, const qn__draft *d) {
  uint32_t next = 0;
  bool ok = true;
  for (uint32_t i = d->first_result; i < p->results.size; i++) {
    const qn__result_name *r = &p->results.data[i];
    ok = define(p, &r->token, qn_op_result(p->m, d->op, next).id, r->count) && ok;
    next += r->count;
  }
  return ok;
}

/* Bits in the type they are meant in: elements and numbers that MLIR cannot write. */
static bool reinterpret(qn__parser *p, const qn__draft *d, qn_type type, qn_attr *value) {
  qn_attr_kind kind = qn_attr_kind_of(p->m, *value);
  if (qn_type_eq(qn_attr_type_of(p->m, *value), type)) return true;
  if (kind == QN_ATTR_DENSE) return qn__reinterpret(p, &d->name, *value, type, value);
  if (kind != QN_ATTR_INT || !qn_scalar_is_float(qn_type_as_scalar(p->ctx, type))) return true;
  *value = qn__attr_float_bits(p->m, type, (uint64_t)qn_attr_as_int(p->m, *value));
  return value->id != 0 || qn__out_of_memory(p);
}

static bool reinterpret_value(qn__parser *p, const qn__draft *d) {
  qn_name value = qn_name_of_c(p->ctx, "value");
  for (uint32_t i = d->first_attr; d->num_results == 1 && i < p->attrs.size; i++) {
    qn_named_attr *a = &p->attrs.data[i];
    if (a->name.id == value.id && !reinterpret(p, d, p->types.data[d->first_type + d->num_inputs], &a->attr))
      return false;
  }
  return true;
}

/* mlir-opt writes these on scalar ops. They promise that some inputs do not occur or allow other results; here the
 * result is always the exact one, so they say nothing. */
static void drop_flags(qn__parser *p, const qn__draft *d) {
  if (!(qn_op_info_get(d->kind)->traits & QN_SCALAR_OP)) return;
  uint32_t kept = d->first_attr;
  for (uint32_t i = d->first_attr; i < p->attrs.size; i++) {
    qn_named_attr a = p->attrs.data[i];
    qn_str name = qn_attr_dialect_name(p->m, a.attr);
    if (qn_str_eq(name, qn_str_of("arith.fastmath")) || qn_str_eq(name, qn_str_of("arith.overflow"))) continue;
    p->attrs.data[kept++] = a;
  }
  p->attrs.size = kept;
}

/* Everything is read but a location. */
static bool finish(qn__parser *p, qn__draft *d) {
  if (!check_operand_types(p, d) || !check_result_count(p, d)) return false;
  if (d->reinterpret && !reinterpret_value(p, d)) return false;
  drop_flags(p, d);
  const qn_type *results = qn__above(&p->types, d->first_type + d->num_inputs);
  if (d->op.id) {
    if (!complete(p, d, results)) return false;
  } else {
    d->op = create(p, d, d->num_results, results, 0);
    if (!d->op.id)
      return qn_module_failed(p->m) ? qn__out_of_memory(p)
                                    : qn__fail(p, &d->name, QN_DIAG_REDEFINED, "an attribute is given twice");
  }
  return define_results(p, d);
}

static bool parse_op_loc(qn__parser *p, const qn__draft *d) {
  if (!qn__at_word(p, "loc")) return true;
  qn_loc loc = qn_op_loc(p->m, d->op);
  uint32_t late;
  qn__token at = p->tok;
  if (!qn__parse_loc(p, &loc, &late)) return false;
  qn_op_set_loc(p->m, d->op, loc);
  return !late || qn__add_late_loc(p, d->op, late, 0, &at);
}

/* ---- regions ---- */

bool qn__parse_argument(qn__parser *p, qn__token *name, qn_type *type) {
  *name = p->tok;
  qn_loc loc = {0};
  uint32_t late;
  if (!qn__at(p, QN__TOK_VALUE)) return qn__expected(p, "an argument such as %%x: tensor<4xf32>");
  qn__advance(p);
  return qn__expect(p, ':', "':' and the argument's type") && qn__parse_type(p, type) &&
         qn__parse_trailing_loc(p, &loc, &late);
}

bool qn__add_argument(qn__parser *p, qn_block block, const qn__token *name, qn_type type) {
  qn_value v = qn_block_add_arg(p->m, block, type, (qn_name){0});
  return v.id ? define(p, name, v.id, 1) : qn__out_of_memory(p);
}

/* ^bb0(%a: T, ..): */
static bool parse_label(qn__parser *p, qn_block block) {
  if (!qn__take(p, QN__TOK_BLOCK)) return true;
  if (qn__take(p, '(') && !qn__take(p, ')')) {
    do {
      qn__token name;
      qn_type type = {0};
      if (!qn__parse_argument(p, &name, &type) || !qn__add_argument(p, block, &name, type)) return false;
    } while (qn__take(p, ','));
    if (!qn__expect(p, ')', "',' or ')' in the block's arguments")) return false;
  }
  return qn__expect(p, ':', "':' after the block's label");
}

static bool parse_region_inside(qn__parser *p, qn_block block) {
  if (!qn__expect(p, '{', "'{' and a region")) return false;
  if (!parse_label(p, block)) return false;
  qn__parse_ops(p, block);
  return qn__expect(p, '}', "'}' at the end of the region");
}

bool qn__parse_region(qn__parser *p, qn_block block) {
  if (!qn__enter(p)) return false;
  uint32_t mark = p->scope.defined.size;
  bool ok = parse_region_inside(p, block);
  qn__scope_leave(p->allocator, &p->scope, mark);
  qn__leave(p);
  return ok;
}

/* A region that is a function's body: names from outside are not seen. */
static bool parse_function_body(qn__parser *p, qn_block block) {
  qn__scope outer = p->scope;
  p->scope = (qn__scope){0};
  bool ok = qn__parse_region(p, block);
  qn__scope_free(p->allocator, &p->scope);
  p->scope = outer;
  return ok;
}

/* ---- generic form ---- */

/* How many regions come at the `(`, for ops that no table describes. */
static bool count_regions(qn__parser *p, uint32_t *count) {
  qn__lexer lx = p->lx;
  qn__token t;
  *count = 0;
  do {
    qn__lex(&lx, &t);
    if (t.kind != '{') break;
    qn__lexer_seek(&lx, t.at);
    if (!qn__lexer_skip_balanced(&lx))
      return qn__fail(p, &p->tok, QN_DIAG_SYNTAX, "the braces of this region do not match, or nest too deep");
    (*count)++;
    qn__lex(&lx, &t);
  } while (t.kind == ',');
  return true;
}

static bool parse_generic_regions(qn__parser *p, qn__draft *d) {
  uint32_t count = 0, next = 0;
  if (d->kind != QN_OP_UNREGISTERED) {
    const qn_op_spec *spec = qn__op_spec(p->ctx, d->kind);
    if (!spec) return qn__out_of_memory(p);
    count = spec->regions.max;
  } else if (!count_regions(p, &count)) {
    return false;
  }
  if (!qn__draft_begin_regions(p, d, count)) return false;
  do {
    qn__advance(p);
    if (next == count)
      return qn__fail(p, &p->tok, QN_DIAG_OPERAND_COUNT, "%s takes %" PRIu32 " region%s, this is one more",
                      qn_op_info_get(d->kind)->name, count, count == 1 ? "" : "s");
    qn_block block = qn_op_region(p->m, d->op, next++);
    if (!(d->kind == QN_OP_FUNC ? parse_function_body(p, block) : qn__parse_region(p, block))) return false;
  } while (qn__at(p, ','));
  return qn__expect(p, ')', "',' or ')' after the region");
}

/* <{..}> */
static bool parse_properties(qn__parser *p, const qn__draft *d) {
  qn__advance(p);
  return qn__parse_attr_entries(p, d->first_attr) && qn__expect(p, '>', "'>' after the properties");
}

bool qn__parse_signature(qn__parser *p, qn__draft *d) {
  return qn__parse_type_list(p, &d->num_inputs) && qn__expect(p, QN__TOK_ARROW, "'->' and the result types") &&
         qn__parse_result_types(p, &d->num_results);
}

static bool parse_generic(qn__parser *p, qn__draft *d) {
  if (!qn__expect(p, '(', "'(' and the operands") || !qn__parse_operands(p) ||
      !qn__expect(p, ')', "',' or ')' after the operands"))
    return false;
  if (qn__at(p, '['))
    return qn__fail(p, &p->tok, QN_DIAG_UNSUPPORTED,
                    "branches to other blocks have no meaning here: a region is one block");
  if (qn__at(p, '<') && !parse_properties(p, d)) return false;
  if (qn__at(p, '(') && !parse_generic_regions(p, d)) return false;
  if (qn__at(p, '{') && !qn__parse_attr_entries(p, d->first_attr)) return false;
  return qn__expect(p, ':', "':' and the types of operands and results") && qn__parse_signature(p, d);
}

/* ---- names of ops ---- */

enum { MAX_NAME = 64 };

static unsigned smaller(unsigned a, unsigned b) {
  return a < b ? a : b;
}

/* Edits that turn one name into the other. */
static unsigned distance(qn_str a, qn_str b) {
  unsigned row[MAX_NAME + 1];
  for (unsigned k = 0; k <= b.size; k++) row[k] = k;
  for (unsigned i = 0; i < a.size; i++) {
    unsigned corner = row[0];
    row[0] = i + 1;
    for (unsigned k = 0; k < b.size; k++) {
      unsigned above = row[k + 1];
      row[k + 1] = smaller(smaller(above, row[k]) + 1, corner + (a.data[i] != b.data[k]));
      corner = above;
    }
  }
  return row[b.size];
}

static const char *nearest_op(qn_str name) {
  const char *best = NULL;
  unsigned least = 4;
  if (name.size > MAX_NAME) return NULL;
  for (int k = 1; k < QN_OP_KIND_COUNT; k++) {
    qn_str other = qn_str_of(qn_op_info_get((qn_op_kind)k)->name);
    unsigned d = other.size <= MAX_NAME ? distance(name, other) : least;
    if (d >= least) continue;
    least = d;
    best = other.data;
  }
  return best;
}

static bool unknown_op(qn__parser *p, const qn__token *at, qn_str name) {
  const char *near = nearest_op(name);
  if (near)
    return qn__fail(p, at, QN_DIAG_UNKNOWN_OP, "no op '%.*s'; did you mean '%s'?", (int)name.size, name.data, near);
  return qn__fail(p, at, QN_DIAG_UNKNOWN_OP,
                  "no op '%.*s'; 'quern ops' lists those there are, and --allow-unregistered keeps others as they are",
                  (int)name.size, name.data);
}

/* A slot for a name: near enough to a hash for the few names that a text uses. */
static qn__op_span *name_slot(qn__parser *p, qn_str name) {
  unsigned h = (unsigned)name.size;
  if (name.size) h += 5u * (unsigned char)name.data[name.size - 1] + 3u * (unsigned char)name.data[name.size / 2];
  return &p->op_cache[h % QN__OP_CACHE];
}

static bool find_kind(qn__parser *p, qn__draft *d, qn_str name) {
  qn__op_span *slot = name_slot(p, name);
  if (slot->name.data && qn_str_eq(slot->name, name)) {
    d->kind = slot->kind;
    return true;
  }
  d->kind = qn_op_kind_find(p->ctx, name);
  if (d->kind != QN_OP_UNREGISTERED) {
    *slot = (qn__op_span){qn_str_of(qn_op_info_get(d->kind)->name), d->kind};
    return true;
  }
  d->kind = qn__op_alias(name);
  d->reinterpret = d->kind == QN_OP_CONSTANT;
  if (d->kind != QN_OP_UNREGISTERED) return true;
  if (!p->allow_unregistered || name.size == 0) return unknown_op(p, &d->name, name);
  d->unregistered = qn_name_of(p->ctx, name);
  return d->unregistered.id != 0 || qn__out_of_memory(p);
}

static bool parse_named_op(qn__parser *p, qn__draft *d) {
  if (qn__at(p, QN__TOK_STRING)) {
    qn_str quoted = p->tok.text, name = {quoted.data + 1, quoted.size - 2};
    bool plain = !memchr(name.data, '\\', name.size);
    if ((!plain && !qn__string(p, &p->tok, quoted, &name)) || !find_kind(p, d, name)) return false;
    qn__advance(p);
    return parse_generic(p, d);
  }
  if (!qn__at(p, QN__TOK_ID)) return qn__expected(p, "an op such as quern.add or \"quern.add\"");
  if (!find_kind(p, d, p->tok.text)) return false;
  qn__advance(p);
  return qn__parse_pretty(p, d);
}

/* ---- one op, many ops ---- */

static bool parse_draft(qn__parser *p, qn__draft *d) {
  if (!parse_result_names(p)) return false;
  d->name = p->tok;
  d->builder->loc = qn_loc_create(p->m, p->file, p->tok.line, p->tok.col, (qn_str){"", 0});
  return parse_named_op(p, d) && finish(p, d) && parse_op_loc(p, d);
}

bool qn__parse_op(qn__parser *p, qn_builder *b) {
  qn__draft d = {.first_value = p->values.size,
                 .first_type = p->types.size,
                 .first_attr = p->attrs.size,
                 .first_result = p->results.size,
                 .builder = b};
  bool ok = parse_draft(p, &d);
  if (!ok) /* later uses of the names are no errors of their own */
    for (uint32_t i = d.first_result; i < p->results.size && !p->stop; i++)
      define(p, &p->results.data[i].token, QN__POISON, 1);
  p->values.size = d.first_value;
  p->types.size = d.first_type;
  p->attrs.size = d.first_attr;
  p->results.size = d.first_result;
  return ok;
}

/* Goes on at the line after the error, past the braces that opened since the op began. */
static void recover(qn__parser *p, const qn__lexer *from, const qn__token *start) {
  const char *error = p->tok.at;
  qn__lexer lx = *from;
  unsigned depth = 0;
  qn__token t = *start;
  while (t.kind != QN__TOK_EOF) {
    if (t.kind == '{' || t.kind == QN__TOK_RESOURCES) depth++;
    if (t.kind == '}' && depth-- == 0) break;
    uint32_t line = t.line;
    qn__lex(&lx, &t);
    if (depth == 0 && t.line > line && t.at >= error) break;
  }
  p->lx = lx;
  p->tok = t;
}

enum { PASS_EVERY = 1 << 20 };

static void tell_passed(qn__parser *p) {
  if (!p->passed || p->tok.at - p->passed_at < PASS_EVERY) return;
  p->passed_at = p->tok.at;
  p->passed(p->passed_user, p->tok.at);
}

void qn__parse_op_or_recover(qn__parser *p, qn_builder *b) {
  qn__token start = p->tok;
  qn__lexer from = p->lx;
  if (!qn__parse_op(p, b) && !p->stop) recover(p, &from, &start);
  tell_passed(p);
}

static void second_block(qn__parser *p) {
  uint32_t line = p->tok.line;
  qn__fail(p, &p->tok, QN_DIAG_UNSUPPORTED, "a second block; regions here are one block, without branches");
  while (p->tok.line == line && !qn__at(p, '}') && !qn__at(p, QN__TOK_EOF)) qn__advance(p);
}

void qn__parse_ops(qn__parser *p, qn_block block) {
  qn_builder b = qn_builder_at_end(p->m, block);
  while (!qn__at(p, '}') && !qn__at(p, QN__TOK_EOF)) {
    if (qn__at(p, QN__TOK_BLOCK)) {
      second_block(p);
      continue;
    }
    qn__parse_op_or_recover(p, &b);
  }
}
