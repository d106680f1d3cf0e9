/* Attributes but for dense data. */
#include "attr_impl.h"
#include "convert.h"
#include "parser.h"
#include <inttypes.h>
#include <string.h>

/* A constructor answers null when memory runs out, which the module has reported. */
static bool made(qn__parser *p, qn_attr *out, qn_attr a) {
  *out = a;
  return a.id != 0 || qn__out_of_memory(p);
}

/* ---- numbers ---- */

/* `: T` behind a number; *given is null without. */
static bool parse_number_type(qn__parser *p, qn_type *given, qn_scalar *s) {
  *given = (qn_type){0};
  *s = QN_SCALAR_NONE;
  if (!qn__take(p, ':')) return true;
  qn__token at = p->tok;
  if (!qn__parse_type(p, given)) return false;
  *s = qn_type_as_scalar(p->ctx, *given);
  return *s != QN_SCALAR_NONE || qn__fail(p, &at, QN_DIAG_ATTRIBUTE, "a number has an integer or a float type");
}

/* Reads the number again, at `start`, as a float of this format, and returns to where the reader was. */
static bool reread_float(qn__parser *p, const qn__lexer *lx, const qn__token *start, qn_scalar s, uint64_t *bits) {
  qn__lexer later = p->lx;
  qn__token next = p->tok;
  p->lx = *lx;
  p->tok = *start;
  if (!qn__parse_float(p, s, bits)) return false;
  p->lx = later;
  p->tok = next;
  return true;
}

static bool int_attr(qn__parser *p, const qn__token *at, qn_type type, qn_scalar s, int64_t v, bool above,
                     qn_attr *out) {
  if (s == QN_SCALAR_NONE) s = QN_I64;
  if (!qn__int_fits(s, v, above))
    return qn__fail(p, at, QN_DIAG_OVERFLOW, "this integer does not fit %s", qn_scalar_get(s)->text);
  return made(p, out, qn_attr_int(p->m, type, v));
}

/* The type decides how the digits are read, and it comes behind them. */
static bool parse_number(qn__parser *p, qn_attr *out) {
  qn__token start = p->tok;
  qn__lexer lx = p->lx;
  int64_t v = 0;
  bool above = false;
  if (qn__at(p, '-') || qn__at(p, '+')) qn__advance(p);
  bool is_float = qn__at(p, QN__TOK_FLOAT);
  if (!is_float && !qn__at(p, QN__TOK_INT)) return qn__expected(p, "a number after the sign");
  qn__token digits = p->tok;
  qn__advance(p);
  qn_type type;
  qn_scalar s;
  if (!parse_number_type(p, &type, &s)) return false;
  if (is_float && s == QN_SCALAR_NONE) type = qn_type_scalar(p->ctx, s = QN_F64);
  if (qn_scalar_is_float(s)) {
    uint64_t bits;
    return reread_float(p, &lx, &start, s, &bits) && made(p, out, qn__attr_float_bits(p->m, type, bits));
  }
  if (is_float)
    return qn__fail(p, &digits, QN_DIAG_ATTRIBUTE, "a number with a point cannot have the integer type %s",
                    qn_scalar_get(s)->text);
  qn__lexer later = p->lx;
  qn__token next = p->tok;
  p->lx = lx;
  p->tok = start;
  if (!qn__parse_integer(p, &v, &above)) return false;
  p->lx = later;
  p->tok = next;
  return int_attr(p, &start, type, s, v, above, out);
}

/* ---- array<i64: ..> ---- */

static bool parse_entry(qn__parser *p, qn_scalar s, int64_t *out) {
  uint64_t bits = 0;
  if (qn_scalar_is_float(s)) {
    if (!qn__parse_float(p, s, &bits)) return false;
    *out = (int64_t)bits;
    return true;
  }
  if (s == QN_I1 && (qn__at_word(p, "true") || qn__at_word(p, "false"))) {
    *out = qn__at_word(p, "true");
    qn__advance(p);
    return true;
  }
  bool above;
  qn__token at = p->tok;
  if (!qn__parse_integer(p, out, &above)) return false;
  return qn__int_fits(s, *out, above) ||
         qn__fail(p, &at, QN_DIAG_OVERFLOW, "this integer does not fit %s", qn_scalar_get(s)->text);
}

typedef QN_VEC(int64_t) entries;

static bool parse_entries(qn__parser *p, qn_scalar s, entries *out) {
  do {
    int64_t v;
    if (!parse_entry(p, s, &v)) return false;
    if (!qn__push(p->allocator, out, v)) return qn__out_of_memory(p);
  } while (qn__take(p, ','));
  return true;
}

static bool parse_ints(qn__parser *p, qn_attr *out) {
  static const qn_scalar allowed[] = {QN_I64, QN_I32, QN_I16, QN_I8, QN_I1, QN_F32, QN_F64};
  qn__advance(p);
  if (!qn__expect(p, '<', "'<' after 'array'")) return false;
  qn_scalar s = qn__at(p, QN__TOK_ID) ? qn_scalar_find(p->tok.text) : QN_SCALAR_NONE;
  bool known = false;
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) known = known || allowed[i] == s;
  if (!known) return qn__expected(p, "the array's element type: i1, i8, i16, i32, i64, f32 or f64");
  qn__advance(p);
  entries list = {0};
  bool ok = !qn__take(p, ':') || parse_entries(p, s, &list);
  ok = ok && qn__expect(p, '>', "',' or '>' in the array") && made(p, out, qn_attr_ints(p->m, s, list.size, list.data));
  qn__vec_free(p->allocator, &list);
  return ok;
}

/* ---- lists ---- */

/* Why a list or dictionary could not be made, when that is not for want of memory. */
static bool too_large(qn__parser *p, const qn__token *start) {
  return qn__fail(p, start, QN_DIAG_LIMIT,
                  "with what its aliases stand for this has more than %d entries, or more than %d levels",
                  QN__ATTR_MAX_ENTRIES, QN__ATTR_MAX_DEPTH);
}

static bool parse_array(qn__parser *p, qn_attr *out) {
  uint32_t base = p->items.size;
  qn__token start = p->tok;
  qn__advance(p);
  bool ok = true;
  if (!qn__at(p, ']')) {
    do {
      qn_attr item;
      ok = qn__parse_attr(p, &item);
      if (ok && !qn__push(p->allocator, &p->items, item)) ok = qn__out_of_memory(p);
    } while (ok && qn__take(p, ','));
  }
  ok = ok && qn__expect(p, ']', "',' or ']' in the list of attributes");
  if (ok) {
    *out = qn_attr_array(p->m, p->items.size - base, qn__above(&p->items, base));
    if (!out->id) ok = qn_module_failed(p->m) ? qn__out_of_memory(p) : too_large(p, &start);
  }
  p->items.size = base;
  return ok;
}

static bool parse_name(qn__parser *p, qn_str *out) {
  if (qn__at(p, QN__TOK_ID))
    *out = p->tok.text;
  else if (!qn__at(p, QN__TOK_STRING))
    return qn__expected(p, "an attribute's name");
  else if (!qn__string(p, &p->tok, p->tok.text, out))
    return false;
  if (out->size == 0) return qn__fail(p, &p->tok, QN_DIAG_ATTRIBUTE, "an attribute's name cannot be empty");
  qn__advance(p);
  return true;
}

static bool parse_named(qn__parser *p, qn_named_attr *out) {
  qn_str name = {NULL, 0};
  if (!parse_name(p, &name)) return false;
  out->name = qn_name_of(p->ctx, name);
  if (!out->name.id) return qn__out_of_memory(p);
  if (!qn__take(p, '=')) return made(p, &out->attr, qn_attr_unit(p->m));
  return qn__parse_attr(p, &out->attr);
}

static bool is_named(const qn__parser *p, uint32_t base, qn_name name) {
  for (uint32_t i = base; i < p->attrs.size; i++)
    if (p->attrs.data[i].name.id == name.id) return true;
  return false;
}

enum { SEARCHED = 32 }; /* entries above this are told apart by qn_attr_dict, which sorts them */

bool qn__parse_attr_entries(qn__parser *p, uint32_t base) {
  if (!qn__expect(p, '{', "'{' and attributes")) return false;
  if (qn__take(p, '}')) return true;
  do {
    qn__token at = p->tok;
    qn_named_attr entry;
    if (!parse_named(p, &entry)) return false;
    if (p->attrs.size - base < SEARCHED && is_named(p, base, entry.name))
      return qn__fail(p, &at, QN_DIAG_REDEFINED, "attribute '%s' is given twice", qn_name_str(p->ctx, entry.name).data);
    if (!qn__push(p->allocator, &p->attrs, entry)) return qn__out_of_memory(p);
  } while (qn__take(p, ','));
  return qn__expect(p, '}', "',' or '}' in the attributes");
}

static bool fits(const qn__parser *p, uint32_t base) {
  qn__attr_extent e = {1, 1};
  for (uint32_t i = base; i < p->attrs.size; i++)
    if (!qn__attr_extend(p->m, p->attrs.data[i].attr, &e)) return false;
  return true;
}

bool qn__parse_dict(qn__parser *p, qn_attr *out) {
  uint32_t base = p->attrs.size;
  qn__token start = p->tok;
  bool ok = qn__parse_attr_entries(p, base);
  if (ok) {
    *out = qn_attr_dict(p->m, p->attrs.size - base, qn__above(&p->attrs, base));
    if (!out->id && !qn_module_failed(p->m))
      ok = fits(p, base) ? qn__fail(p, &start, QN_DIAG_REDEFINED, "an attribute is given twice in this dictionary")
                         : too_large(p, &start);
    else if (!out->id)
      ok = qn__out_of_memory(p);
  }
  p->attrs.size = base;
  return ok;
}

/* ---- names ---- */

static bool parse_symbol(qn__parser *p, qn_attr *out) {
  qn_str name;
  if (!qn__symbol(p, &name)) return false;
  if (qn__at(p, ':') && p->lx.at < p->lx.end && *p->lx.at == ':')
    return qn__fail(p, &p->tok, QN_DIAG_UNSUPPORTED, "a symbol inside another (@a::@b) has no meaning here");
  return made(p, out, qn_attr_symbol(p->m, name));
}

/* #alias, or #dialect.name with whatever stands in the brackets behind it; in those of #quern.attr stands an attribute
 * that MLIR has no syntax for. */
static bool parse_hash(qn__parser *p, qn_attr *out) {
  qn__token start = p->tok;
  const char *end = start.text.data + start.text.size;
  qn_str name = start.text;
  if (!memchr(name.data, '.', name.size)) {
    out->id = qn__idmap_get(&p->attr_aliases, qn_name_of(p->ctx, name).id);
    if (!out->id)
      return qn__fail(p, &start, QN_DIAG_UNDEFINED,
                      "attribute alias #%.*s is not defined; write '#%.*s = ATTRIBUTE' before its use", (int)name.size,
                      name.data, (int)name.size, name.data);
    qn__advance(p);
    return true;
  }
  qn_str text = {"", 0};
  qn__advance(p);
  if (qn_str_eq(name, qn_str_of("quern.attr")) && qn__take(p, '<'))
    return qn__parse_attr(p, out) && qn__expect(p, '>', "'>' after the attribute");
  if (qn__at(p, '<') && p->tok.at == end) {
    qn__lexer lx = p->lx;
    qn__lexer_seek(&lx, end);
    if (!qn__lexer_skip_balanced(&lx))
      return qn__fail(p, &start, QN_DIAG_SYNTAX, "the brackets of this attribute do not match, or nest too deep");
    text = (qn_str){end + 1, (size_t)(lx.at - end) - 2};
    p->lx = lx;
    qn__advance(p);
  }
  return made(p, out, qn_attr_dialect(p->m, name, text));
}

/* ---- all kinds ---- */

static bool parse_true(qn__parser *p, qn_attr *out) {
  qn__advance(p);
  return made(p, out, qn_attr_bool(p->m, true));
}

static bool parse_false(qn__parser *p, qn_attr *out) {
  qn__advance(p);
  return made(p, out, qn_attr_bool(p->m, false));
}

static bool parse_unit(qn__parser *p, qn_attr *out) {
  qn__advance(p);
  return made(p, out, qn_attr_unit(p->m));
}

static const struct {
  const char *word;
  bool (*parse)(qn__parser *p, qn_attr *out);
} words[] = {{"true", parse_true},  {"false", parse_false},     {"unit", parse_unit},
             {"array", parse_ints}, {"dense", qn__parse_dense}, {"dense_resource", qn__parse_dense_resource}};

static bool parse_string(qn__parser *p, qn_attr *out) {
  qn_str text;
  if (!qn__string(p, &p->tok, p->tok.text, &text)) return false;
  qn__advance(p);
  return made(p, out, qn_attr_string(p->m, text));
}

static bool parse_type_attr(qn__parser *p, qn_attr *out) {
  qn_type t;
  return qn__parse_type(p, &t) && made(p, out, qn_attr_type(p->m, t));
}

static bool parse_any(qn__parser *p, qn_attr *out) {
  switch (p->tok.kind) {
  case QN__TOK_INT:
  case QN__TOK_FLOAT:
  case '-': return parse_number(p, out);
  case QN__TOK_STRING: return parse_string(p, out);
  case '[': return parse_array(p, out);
  case '{': return qn__parse_dict(p, out);
  case QN__TOK_SYMBOL: return parse_symbol(p, out);
  case QN__TOK_HASH: return parse_hash(p, out);
  default: break;
  }
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (qn__at_word(p, words[i].word)) return words[i].parse(p, out);
  if (qn__at_type(p)) return parse_type_attr(p, out);
  return qn__expected(
      p, "an attribute: a number, string, type, list, dictionary, dense<..>, @symbol or #dialect.name<..>");
}

bool qn__parse_attr(qn__parser *p, qn_attr *out) {
  *out = (qn_attr){0};
  if (!qn__enter(p)) return false;
  bool ok = parse_any(p, out);
  qn__leave(p);
  return ok;
}
