/* dense<..> and dense_resource<..>. The type, which says how elements are read, stands behind the list: the list is
 * skipped first, then read. */
#include "hexdata.h"
#include "parser.h"
#include "scalar.h"
#include <inttypes.h>
#include <string.h>

typedef struct literal {
  qn__token start;  /* `dense` */
  qn__lexer inside; /* behind the < */
  size_t size;      /* bytes of text between < and > */
  qn_type type;
  qn_scalar elem;
  uint32_t rank;
  int64_t shape[QN_MAX_RANK];
  int64_t count;
} literal;

/* ---- type ---- */

static bool static_tensor(qn__parser *p, const qn__token *at, qn_type type, const char *what) {
  if (qn_type_kind_of(p->ctx, type) != QN_TYPE_TENSOR || !qn_type_is_static(p->ctx, type))
    return qn__fail(p, at, QN_DIAG_ATTRIBUTE, "%s has a tensor type with fixed sizes, not %s", what,
                    qn_type_text(p->ctx, type).data);
  qn_scalar elem = qn_type_memory(p->ctx, type);
  if (elem == QN_SCALAR_NONE || qn_scalar_bytes(elem, (uint64_t)qn_type_count(p->ctx, type)) == SIZE_MAX)
    return qn__fail(p, at, QN_DIAG_ATTRIBUTE, "%s cannot hold elements of %s", what, qn_type_text(p->ctx, type).data);
  return true;
}

static bool parse_literal_type(qn__parser *p, literal *l) {
  if (!qn__expect(p, ':', "':' and the type of the dense elements")) return false;
  qn__token at = p->tok;
  if (!qn__parse_type(p, &l->type) || !static_tensor(p, &at, l->type, "a dense attribute")) return false;
  l->elem = qn_type_memory(p->ctx, l->type);
  l->rank = qn_type_rank(p->ctx, l->type);
  if (l->rank) memcpy(l->shape, qn_type_shape(p->ctx, l->type), l->rank * sizeof *l->shape);
  l->count = qn_type_count(p->ctx, l->type);
  return true;
}

/* ---- elements ---- */

static bool parse_element(qn__parser *p, const literal *l, void *data, size_t i) {
  uint64_t bits = 0;
  bool above;
  if (qn_scalar_is_float(l->elem)) {
    if (!qn__parse_float(p, l->elem, &bits)) return false;
  } else if (qn__at_word(p, "true") || qn__at_word(p, "false")) {
    if (l->elem != QN_I1) return qn__expected(p, "an integer; only i1 has true and false");
    bits = qn__at_word(p, "true");
    qn__advance(p);
  } else {
    int64_t v;
    qn__token at = p->tok;
    if (!qn__parse_integer(p, &v, &above)) return false;
    if (!qn__int_fits(l->elem, v, above))
      return qn__fail(p, &at, QN_DIAG_OVERFLOW, "this element does not fit %s", qn_scalar_get(l->elem)->text);
    bits = (uint64_t)v;
  }
  qn__store_bits(l->elem, data, i, bits);
  return true;
}

static bool parse_list(qn__parser *p, const literal *l, uint32_t depth, void *data, size_t *at) {
  qn__token start = p->tok;
  if (!qn__expect(p, '[', "'[' and a list of elements")) return false;
  int64_t n = 0;
  if (!qn__at(p, ']')) {
    do {
      if (n == l->shape[depth])
        return qn__fail(p, &p->tok, QN_DIAG_SHAPE,
                        "this list has more than the %" PRId64 " entries that dimension %" PRIu32 " of %s has",
                        l->shape[depth], depth, qn_type_text(p->ctx, l->type).data);
      bool ok = depth + 1 < l->rank ? parse_list(p, l, depth + 1, data, at) : parse_element(p, l, data, (*at)++);
      if (!ok) return false;
      n++;
    } while (qn__take(p, ','));
  }
  if (n < l->shape[depth])
    return qn__fail(p, &start, QN_DIAG_SHAPE,
                    "this list has %" PRId64 " entries, dimension %" PRIu32 " of %s has %" PRId64, n, depth,
                    qn_type_text(p->ctx, l->type).data, l->shape[depth]);
  return qn__expect(p, ']', "',' or ']' in the list of elements");
}

/* A constructor answers null when memory runs out, which the module has reported. */
static bool made(qn__parser *p, qn_attr *out, qn_attr a) {
  *out = a;
  return a.id != 0 || qn__out_of_memory(p);
}

static bool read_list(qn__parser *p, const literal *l, qn_attr *out) {
  /* Each element takes a character at least, so memory stays in proportion to the text. */
  if ((uint64_t)l->count > l->size)
    return qn__fail(p, &l->start, QN_DIAG_SHAPE, "the list has fewer elements than %s",
                    qn_type_text(p->ctx, l->type).data);
  size_t bytes = qn_scalar_bytes(l->elem, (uint64_t)l->count), at = 0;
  void *data = qn__alloc_zero(p->allocator, bytes ? bytes : 1);
  if (!data) return qn__out_of_memory(p);
  bool ok = parse_list(p, l, 0, data, &at) && made(p, out, qn_attr_dense(p->m, l->type, data));
  qn__free(p->allocator, data, bytes ? bytes : 1);
  return ok;
}

static bool read_splat(qn__parser *p, const literal *l, qn_attr *out) {
  uint64_t element = 0;
  return parse_element(p, l, &element, 0) && made(p, out, qn_attr_splat(p->m, l->type, &element));
}

/* dense<"0x..">: the elements' bytes as MLIR keeps them; the bytes of one element are a splat. */
static bool read_hex(qn__parser *p, const literal *l, qn_attr *out) {
  qn_str text = p->tok.text, hex = {text.data + 1, text.size - 2};
  qn__token at = p->tok;
  if (!qn__hex_valid(hex))
    return qn__fail(p, &at, QN_DIAG_ATTRIBUTE, "dense data in quotes is 0x and two hexadecimal digits for each byte");
  uint64_t given = (hex.size - 2) / 2, needed = qn__hex_bytes(l->elem, (uint64_t)l->count);
  uint64_t one = qn__hex_bytes(l->elem, 1);
  bool splat = given == one && l->count > 1 && (l->elem != QN_I1 || qn__hex_is_bool_splat(hex));
  if (!splat && given != needed)
    return qn__fail(p, &at, QN_DIAG_ATTRIBUTE, "%" PRIu64 " bytes of data, but %s takes %" PRIu64, given,
                    qn_type_text(p->ctx, l->type).data, needed);
  uint64_t count = splat ? 1 : (uint64_t)l->count;
  size_t bytes = qn_scalar_bytes(l->elem, count);
  void *data = qn__alloc_zero(p->allocator, bytes ? bytes : 1);
  if (!data) return qn__out_of_memory(p);
  qn__hex_decode(l->elem, count, hex, data);
  qn__advance(p);
  bool ok = made(p, out, splat ? qn_attr_splat(p->m, l->type, data) : qn_attr_dense(p->m, l->type, data));
  qn__free(p->allocator, data, bytes ? bytes : 1);
  return ok;
}

static bool read_inside(qn__parser *p, const literal *l, qn_attr *out) {
  if (qn__at(p, '>')) {
    if (l->count != 0)
      return qn__fail(p, &l->start, QN_DIAG_SHAPE, "dense<> has no elements, but %s has %" PRId64,
                      qn_type_text(p->ctx, l->type).data, l->count);
    return made(p, out, qn_attr_dense(p->m, l->type, ""));
  }
  if (qn__at(p, QN__TOK_STRING)) return read_hex(p, l, out);
  if (!qn__at(p, '[')) return read_splat(p, l, out);
  if (l->rank == 0) return qn__expected(p, "one element: the type has no dimensions");
  return read_list(p, l, out);
}

bool qn__parse_dense(qn__parser *p, qn_attr *out) {
  literal l = {.start = p->tok};
  qn__advance(p);
  if (!qn__at(p, '<')) return qn__expected(p, "'<' after 'dense'");
  l.inside = p->lx;
  qn__lexer_seek(&p->lx, p->tok.at);
  if (!qn__lexer_skip_balanced(&p->lx)) {
    qn__lexer_seek(&p->lx, p->lx.end);
    return qn__fail(p, &l.start, QN_DIAG_SYNTAX, "the brackets of this dense attribute do not match");
  }
  l.size = (size_t)(p->lx.at - l.inside.at);
  qn__advance(p);
  if (!parse_literal_type(p, &l)) return false;
  qn__lexer later = p->lx;
  qn__token next = p->tok;
  p->lx = l.inside;
  qn__advance(p);
  if (!read_inside(p, &l, out)) return false;
  if (!qn__at(p, '>')) return qn__expected(p, "'>' after the dense elements");
  p->lx = later;
  p->tok = next;
  return true;
}

/* ---- resources ---- */

bool qn__parse_resource_key(qn__parser *p, qn__token *at, qn_str *key) {
  if (!qn__expect(p, '<', "'<' and a resource's name")) return false;
  *at = p->tok;
  if (qn__at(p, QN__TOK_ID))
    *key = p->tok.text;
  else if (!qn__at(p, QN__TOK_STRING))
    return qn__expected(p, "a resource's name");
  else if (!qn__string(p, &p->tok, p->tok.text, key))
    return false;
  qn__advance(p);
  return qn__expect(p, '>', "'>' after the resource's name");
}

bool qn__parse_dense_resource(qn__parser *p, qn_attr *out) {
  qn__token at;
  qn_str key = {NULL, 0};
  qn_type type = {0};
  const void *data = NULL;
  qn__advance(p);
  if (!qn__parse_resource_key(p, &at, &key) || !qn__expect(p, ':', "':' and the type of the resource")) return false;
  qn__token type_at = p->tok;
  if (!qn__parse_type(p, &type) || !static_tensor(p, &type_at, type, "a resource")) return false;
  if (!qn__resource_find(p, &at, key, type, &data)) return false;
  return made(p, out, qn_attr_dense_borrow(p->m, type, data, qn_name_of(p->ctx, key)));
}

/* ---- other types for the same bits ---- */

static bool same_shape(const qn_context *ctx, qn_type a, qn_type b) {
  uint32_t rank = qn_type_rank(ctx, a);
  if (rank != qn_type_rank(ctx, b)) return false;
  return rank == 0 || memcmp(qn_type_shape(ctx, a), qn_type_shape(ctx, b), rank * sizeof(int64_t)) == 0;
}

bool qn__reinterpret(qn__parser *p, const qn__token *at, qn_attr value, qn_type type, qn_attr *out) {
  qn_type from_type = qn_attr_type_of(p->m, value);
  if (!static_tensor(p, at, type, "a constant")) return false;
  qn_scalar from = qn_type_memory(p->ctx, from_type), to = qn_type_memory(p->ctx, type);
  if (qn_attr_kind_of(p->m, value) != QN_ATTR_DENSE || !same_shape(p->ctx, from_type, type) ||
      !qn_scalar_is_int(from) || qn_scalar_get(from)->bits < qn_scalar_get(to)->bits)
    return qn__fail(p, at, QN_DIAG_TYPE_MISMATCH, "the bits of %s cannot be the elements of %s",
                    qn_type_text(p->ctx, from_type).data, qn_type_text(p->ctx, type).data);
  bool splat = qn_attr_is_splat(p->m, value);
  uint64_t count = splat ? 1 : (uint64_t)qn_type_count(p->ctx, type);
  size_t bytes = qn_scalar_bytes(to, count);
  void *data = qn__alloc_zero(p->allocator, bytes + sizeof(uint64_t));
  if (!data) return qn__out_of_memory(p);
  const void *source = qn_attr_data(p->m, value);
  for (size_t i = 0; i < count; i++) qn__store_bits(to, data, i, qn__load_bits(from, source, i));
  bool ok = made(p, out, splat ? qn_attr_splat(p->m, type, data) : qn_attr_dense(p->m, type, data));
  qn__free(p->allocator, data, bytes + sizeof(uint64_t));
  return ok;
}
