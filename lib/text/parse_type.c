/* Scalars, tensors, functions, aliases and types of other dialects. */
#include "parser.h"
#include "types_impl.h"
#include <inttypes.h>
#include <string.h>

bool qn__at_type(const qn__parser *p) {
  if (qn__at(p, QN__TOK_BANG) || qn__at(p, '(')) return true;
  if (!qn__at(p, QN__TOK_ID)) return false;
  return qn__at_word(p, "tensor") || qn_scalar_find(p->tok.text) != QN_SCALAR_NONE;
}

/* ---- spelled types, remembered ---- */

/* The end of `tensor<..>` by its brackets alone, or null where it takes a parser to tell: strings, arrows, comments. */
static const char *bracket_end(const char *at, const char *end) {
  unsigned depth = 0;
  for (const char *c = at; c < end; c++) {
    if (*c == '<') {
      depth++;
    } else if (*c == '>') {
      if (c[-1] == '-') return NULL;
      if (--depth == 0) return c + 1;
    } else if (*c == '"' || *c == '/' || *c == '\n') {
      return NULL;
    }
  }
  return NULL;
}

static bool same_span(const qn__type_span *s, const char *at, const char *end) {
  return s->size && (size_t)(end - at) >= s->size && memcmp(s->at, at, s->size) == 0;
}

static void pass_span(qn__parser *p, uint32_t size) {
  qn__resume_at(p, p->tok.at + size);
}

/* A tensor type seen before: the same text means the same type, since aliases are never redefined. */
static bool find_span(qn__parser *p, qn_type *out, qn__type_span **slot, uint32_t *size) {
  const char *at = p->tok.at, *end = p->lx.end;
  *slot = NULL;
  if (same_span(&p->last_type, at, end)) {
    *out = p->last_type.type;
    pass_span(p, p->last_type.size);
    return true;
  }
  const char *stop = p->lx.at < end && *p->lx.at == '<' ? bracket_end(p->lx.at, end) : NULL;
  if (!stop || stop - at > 1 << 20) return false;
  *size = (uint32_t)(stop - at);
  *slot = &p->type_cache[qn__hash(at, *size, 0) % QN__TYPE_CACHE];
  if ((*slot)->size != *size || !same_span(*slot, at, end)) return false;
  p->last_type = **slot;
  *out = p->last_type.type;
  pass_span(p, *size);
  return true;
}

static void remember_span(qn__parser *p, qn__type_span *slot, const char *at, uint32_t size, const char *stop,
                          qn_type type) {
  if (!slot || at + size != stop) return;
  *slot = (qn__type_span){at, size, type};
  p->last_type = *slot;
}

/* ---- tensors ---- */

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* Sizes run into the element type ("4x64xf32"), so they are taken character by character from the token on. */
static bool parse_sizes(qn__parser *p, uint32_t *rank, int64_t *shape) {
  const char *at = p->tok.at, *end = p->lx.end;
  *rank = 0;
  while (at < end && (is_digit(*at) || *at == '?')) {
    int64_t size = 0;
    const char *from = at;
    if (*at == '?') {
      size = QN_DYNAMIC;
      at++;
    }
    for (; at < end && is_digit(*at) && size != QN_DYNAMIC; at++) {
      if (size > (INT64_MAX - (*at - '0')) / 10)
        return qn__fail(p, &p->tok, QN_DIAG_SHAPE, "a size of this tensor does not fit 63 bits");
      size = size * 10 + (*at - '0');
    }
    if (at >= end || *at != 'x') {
      qn__resume_at(p, from);
      return qn__expected(p, "sizes each followed by 'x', then an element type, as in tensor<4x?xf32>");
    }
    at++;
    if (*rank == QN_MAX_RANK)
      return qn__fail(p, &p->tok, QN_DIAG_LIMIT, "tensors have at most %d dimensions", QN_MAX_RANK);
    shape[(*rank)++] = size;
  }
  qn__resume_at(p, at);
  return true;
}

/* #quern.dims<"batch","">: a name for each dimension, empty for those without. */
static bool parse_symbols(qn__parser *p, uint32_t rank, const int64_t *shape, qn_name *symbols) {
  if (!qn__at(p, QN__TOK_HASH) || !qn_str_eq(p->tok.text, qn_str_of("quern.dims")))
    return qn__expected(p, "#quern.dims<..>, the only encoding a tensor can have here");
  qn__token at = p->tok;
  qn__advance(p);
  if (!qn__expect(p, '<', "'<'")) return false;
  uint32_t n = 0;
  do {
    qn_str name;
    if (!qn__at(p, QN__TOK_STRING)) return qn__expected(p, "a dimension's name in quotes");
    if (n == rank) return qn__fail(p, &at, QN_DIAG_SHAPE, "more names than the tensor's %" PRIu32 " dimensions", rank);
    if (!qn__string(p, &p->tok, p->tok.text, &name)) return false;
    if (name.size && shape[n] != QN_DYNAMIC)
      return qn__fail(p, &p->tok, QN_DIAG_SHAPE,
                      "dimension %" PRIu32 " has a fixed size and cannot be named; write \"\" for it", n);
    symbols[n++] = qn_name_of(p->ctx, name);
    qn__advance(p);
  } while (qn__take(p, ','));
  if (n != rank)
    return qn__fail(p, &at, QN_DIAG_SHAPE,
                    "%" PRIu32 " names for %" PRIu32 " dimensions; give \"\" for one without a name", n, rank);
  return qn__expect(p, '>', "'>'");
}

static bool is_element(qn__parser *p, const qn__token *at, qn_type elem) {
  qn_type_kind kind = qn_type_kind_of(p->ctx, elem);
  if (kind != QN_TYPE_TENSOR && kind != QN_TYPE_FUNCTION) return true;
  return qn__fail(p, at, QN_DIAG_TYPE, "a tensor's elements are scalars or quantized values, not %.*s",
                  kind == QN_TYPE_TENSOR ? 7 : 9, kind == QN_TYPE_TENSOR ? "tensors" : "functions");
}

static bool parse_tensor_body(qn__parser *p, const qn__token *start, qn_type *out) {
  uint32_t rank;
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK] = {{0}};
  if (qn__at(p, '*'))
    return qn__fail(p, &p->tok, QN_DIAG_UNSUPPORTED,
                    "tensors of unknown rank are not supported; give each size, or '?'");
  if (!parse_sizes(p, &rank, shape)) return false;
  qn__token at = p->tok;
  qn_type elem;
  if (!qn__parse_type(p, &elem) || !is_element(p, &at, elem)) return false;
  bool named = qn__take(p, ',');
  if (named && !parse_symbols(p, rank, shape, symbols)) return false;
  if (!qn__at(p, '>')) return qn__expected(p, "'>' at the end of the tensor type");
  qn_type t = qn_type_tensor_symbols(p->ctx, elem, rank, shape, named ? symbols : NULL);
  if (qn_type_is_null(t)) return qn__out_of_memory(p);
  if (qn__type_check_tensor(p->ctx, t, qn__place(p, start)) != QN_OK) return qn__failed(p);
  *out = t;
  return true;
}

static bool parse_tensor(qn__parser *p, qn_type *out) {
  qn__type_span *slot;
  uint32_t size = 0;
  if (find_span(p, out, &slot, &size)) return true;
  qn__token start = p->tok;
  qn__advance(p);
  if (!qn__at(p, '<')) return qn__expected(p, "'<' after 'tensor'");
  if (!qn__enter(p)) return false;
  qn__advance(p);
  bool ok = parse_tensor_body(p, &start, out);
  qn__leave(p);
  if (!ok) return false;
  remember_span(p, slot, start.at, size, p->lx.at, *out);
  qn__advance(p);
  return true;
}

/* ---- functions ---- */

static bool push_type(qn__parser *p, uint32_t *count) {
  qn_type t;
  if (!qn__parse_type(p, &t)) return false;
  if (!qn__push(p->allocator, &p->types, t)) return qn__out_of_memory(p);
  (*count)++;
  return true;
}

bool qn__parse_type_list(qn__parser *p, uint32_t *count) {
  *count = 0;
  if (!qn__expect(p, '(', "'(' and a list of types")) return false;
  if (qn__take(p, ')')) return true;
  do {
    if (!push_type(p, count)) return false;
  } while (qn__take(p, ','));
  return qn__expect(p, ')', "',' or ')' in the list of types");
}

bool qn__parse_result_types(qn__parser *p, uint32_t *count) {
  *count = 0;
  return qn__at(p, '(') ? qn__parse_type_list(p, count) : push_type(p, count);
}

static bool parse_function_parts(qn__parser *p, uint32_t base, qn_type *out) {
  uint32_t inputs, results;
  qn__token start = p->tok;
  if (!qn__parse_type_list(p, &inputs) || !qn__expect(p, QN__TOK_ARROW, "'->' and the result types") ||
      !qn__parse_result_types(p, &results))
    return false;
  *out = qn_type_function(p->ctx, inputs, qn__above(&p->types, base), results, qn__above(&p->types, base + inputs));
  if (!qn_type_is_null(*out)) return true;
  return qn__fail(p, &start, QN_DIAG_LIMIT, "function types may nest %d deep; this is deeper", QN__TYPE_MAX_DEPTH);
}

static bool parse_function(qn__parser *p, qn_type *out) {
  uint32_t base = p->types.size;
  if (!qn__enter(p)) return false;
  bool ok = parse_function_parts(p, base, out);
  qn__leave(p);
  p->types.size = base;
  return ok;
}

/* ---- names that begin with ! ---- */

static bool parse_alias(qn__parser *p, qn_type *out) {
  qn_name name = qn_name_of(p->ctx, p->tok.text);
  out->id = qn__idmap_get(&p->type_aliases, name.id);
  if (!out->id)
    return qn__fail(p, &p->tok, QN_DIAG_UNDEFINED,
                    "type alias !%.*s is not defined; write '!%.*s = TYPE' before its use", (int)p->tok.text.size,
                    p->tok.text.data, (int)p->tok.text.size, p->tok.text.data);
  qn__advance(p);
  return true;
}

/* !dialect.name or !dialect.name<anything>: the text is kept. */
static bool parse_opaque(qn__parser *p, const qn__token *start, qn_type *out) {
  const char *end = start->text.data + start->text.size;
  qn__lexer lx = p->lx; /* behind the token that follows the name */
  if (qn__at(p, '<') && p->tok.at == end) {
    qn__lexer_seek(&lx, end);
    if (!qn__lexer_skip_balanced(&lx))
      return qn__fail(p, start, QN_DIAG_SYNTAX, "the brackets of this type do not match, or nest too deep");
    end = lx.at;
    p->lx = lx;
    qn__advance(p);
  }
  *out = qn_type_opaque(p->ctx, (qn_str){start->text.data, (size_t)(end - start->text.data)});
  return qn_type_is_null(*out) ? qn__out_of_memory(p) : true;
}

static bool take_prefix(qn_str *s, const char *prefix) {
  size_t n = strlen(prefix);
  if (s->size <= n || memcmp(s->data, prefix, n) != 0) return false;
  s->data += n;
  s->size -= n;
  return true;
}

static bool parse_bang(qn__parser *p, qn_type *out) {
  qn__token start = p->tok;
  qn_str name = start.text;
  if (!memchr(name.data, '.', name.size)) return parse_alias(p, out);
  qn__advance(p);
  bool quant = take_prefix(&name, "quant."), known = true;
  if (!quant && !take_prefix(&name, "quern.")) return parse_opaque(p, &start, out);
  qn_scalar s = quant ? QN_SCALAR_NONE : qn_scalar_find(name);
  if (s != QN_SCALAR_NONE) {
    *out = qn_type_scalar(p->ctx, s);
    return true;
  }
  if (!qn__enter(p)) return false;
  bool ok = qn__parse_quant_type(p, &start, name, out, &known);
  qn__leave(p);
  if (known) return ok;
  return quant
             ? qn__fail(p, &start, QN_DIAG_TYPE, "no type !quant.%.*s; there are uniform, any, calibrated and quantile",
                        (int)name.size, name.data)
             : parse_opaque(p, &start, out);
}

bool qn__parse_type(qn__parser *p, qn_type *out) {
  *out = (qn_type){0};
  if (qn__at(p, QN__TOK_BANG)) return parse_bang(p, out);
  if (qn__at(p, '(')) return parse_function(p, out);
  if (!qn__at(p, QN__TOK_ID)) return qn__expected(p, "a type such as tensor<4x8xf32>");
  if (qn__at_word(p, "tensor")) return parse_tensor(p, out);
  qn_scalar s = qn_scalar_find(p->tok.text);
  if (s == QN_SCALAR_NONE)
    return qn__expected(p, "a type such as f32, i8 or tensor<4x8xf32>; 'quern types' lists them");
  *out = qn_type_scalar(p->ctx, s);
  if (qn_type_is_null(*out)) return qn__out_of_memory(p);
  qn__advance(p);
  return true;
}
