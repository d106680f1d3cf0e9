/* loc(..): a place in a file, a name, or both. Of call sites and fused locations, which say more than an op keeps, the
 * innermost and the first that is known is taken. */
#include "parser.h"
#include <string.h>

typedef struct loc_parts {
  qn_str file, name;
  uint32_t line, col;
  uint32_t late;  /* alias that is not defined yet */
  uint32_t alias; /* id of a location */
} loc_parts;

static bool parse_parts(qn__parser *p, loc_parts *out);

static bool is_known(const loc_parts *l) {
  return l->file.size || l->name.size || l->late || l->alias;
}

static bool parse_line_or_column(qn__parser *p, uint32_t *out) {
  int64_t v;
  qn__token at = p->tok;
  if (!qn__expect(p, ':', "':' and a line and column number") || !qn__parse_i64(p, &v)) return false;
  if (v < 0 || v > UINT32_MAX) return qn__fail(p, &at, QN_DIAG_SYNTAX, "a line or column number must fit 32 bits");
  *out = (uint32_t)v;
  return true;
}

/* LINE:COLUMN or :COLUMN behind `to`: of a range only the start is kept. */
static bool parse_range_end(qn__parser *p) {
  uint32_t ignored;
  bool line = qn__take(p, QN__TOK_INT);
  return (line && !qn__at(p, ':')) || parse_line_or_column(p, &ignored);
}

/* "file":1:2, "name" or "name"(loc). */
static bool parse_text(qn__parser *p, loc_parts *out) {
  qn_str text;
  if (!qn__string(p, &p->tok, p->tok.text, &text)) return false;
  qn__advance(p);
  if (qn__at(p, ':')) {
    out->file = text;
    if (!parse_line_or_column(p, &out->line) || !parse_line_or_column(p, &out->col)) return false;
    return !qn__take_word(p, "to") || parse_range_end(p);
  }
  if (qn__take(p, '(') && (!parse_parts(p, out) || !qn__expect(p, ')', "')' after the inner location"))) return false;
  out->name = text;
  return true;
}

/* fused<metadata>[loc, ..] */
static bool parse_fused(qn__parser *p, loc_parts *out) {
  qn_attr metadata;
  if (qn__take(p, '<') && (!qn__parse_attr(p, &metadata) || !qn__expect(p, '>', "'>' after the metadata")))
    return false;
  if (!qn__expect(p, '[', "'[' and the fused locations")) return false;
  do {
    loc_parts one = {0};
    if (!parse_parts(p, &one)) return false;
    if (!is_known(out)) *out = one;
  } while (qn__take(p, ','));
  return qn__expect(p, ']', "',' or ']' in the fused locations");
}

/* callsite(callee at caller) */
static bool parse_callsite(qn__parser *p, loc_parts *out) {
  loc_parts caller = {0};
  if (!qn__expect(p, '(', "'('") || !parse_parts(p, out)) return false;
  if (!qn__take_word(p, "at")) return qn__expected(p, "'at' and the caller's location");
  if (!parse_parts(p, &caller)) return false;
  if (!is_known(out)) *out = caller;
  return qn__expect(p, ')', "')' after the call site");
}

static bool parse_alias(qn__parser *p, loc_parts *out) {
  uint32_t name = qn_name_of(p->ctx, p->tok.text).id;
  out->alias = qn__idmap_get(&p->loc_aliases, name);
  if (!out->alias) out->late = name;
  qn__advance(p);
  return true;
}

static bool parse_one(qn__parser *p, loc_parts *out) {
  if (qn__at(p, QN__TOK_STRING)) return parse_text(p, out);
  if (qn__at(p, QN__TOK_HASH)) return parse_alias(p, out);
  if (qn__take_word(p, "unknown")) return true;
  if (qn__take_word(p, "callsite")) return parse_callsite(p, out);
  if (qn__take_word(p, "fused")) return parse_fused(p, out);
  return qn__expected(p, "a location: \"file\":1:2, \"name\", unknown, callsite(..), fused[..] or #name");
}

static bool parse_parts(qn__parser *p, loc_parts *out) {
  if (!qn__enter(p)) return false;
  bool ok = parse_one(p, out);
  qn__leave(p);
  return ok;
}

enum { UNKNOWN_ALIAS = UINT32_MAX }; /* stands in loc_aliases for a location of id 0 */

bool qn__parse_loc(qn__parser *p, qn_loc *loc, uint32_t *late) {
  loc_parts parts = {0};
  *late = 0;
  qn__advance(p);
  if (!qn__expect(p, '(', "'(' after 'loc'") || !parse_parts(p, &parts) ||
      !qn__expect(p, ')', "')' after the location"))
    return false;
  if (parts.late) {
    *late = parts.late;
  } else if (parts.alias && !parts.name.size) {
    loc->id = parts.alias == (uint32_t)UNKNOWN_ALIAS ? 0 : parts.alias;
  } else if (parts.alias) {
    qn_place inner = qn_loc_place(p->m, (qn_loc){parts.alias == (uint32_t)UNKNOWN_ALIAS ? 0 : parts.alias});
    *loc = qn_loc_create(p->m, inner.file, inner.line, inner.col, parts.name);
  } else {
    *loc = qn_loc_create(p->m, parts.file, parts.line, parts.col, parts.name);
  }
  return true;
}

bool qn__parse_trailing_loc(qn__parser *p, qn_loc *loc, uint32_t *late) {
  *late = 0;
  return !qn__at_word(p, "loc") || qn__parse_loc(p, loc, late);
}

bool qn__add_late_loc(qn__parser *p, qn_op op, uint32_t alias, uint32_t target, const qn__token *at) {
  qn__late_loc late = {op, alias, target, at->line, at->col};
  return qn__push(p->allocator, &p->late_locs, late) || qn__out_of_memory(p);
}

bool qn__define_loc(qn__parser *p, uint32_t alias, qn_loc loc) {
  return qn__idmap_set(p->allocator, &p->loc_aliases, alias, loc.id ? loc.id : UNKNOWN_ALIAS) || qn__out_of_memory(p);
}

/* Aliases of aliases that came late: each round resolves at least one, or the rest is undefined. The number of rounds
 * is bounded as nesting is, so that a long chain in the wrong order takes no quadratic time. */
static bool resolve_aliases(qn__parser *p) {
  bool again = true;
  for (unsigned round = 0; again && round < QN__PARSE_MAX_DEPTH; round++) {
    again = false;
    for (uint32_t i = 0; i < p->late_locs.size; i++) {
      qn__late_loc *l = &p->late_locs.data[i];
      uint32_t id = l->op.id == 0 && l->target ? qn__idmap_get(&p->loc_aliases, l->target) : 0;
      if (!id) continue;
      if (!qn__idmap_set(p->allocator, &p->loc_aliases, l->name, id)) return qn__out_of_memory(p);
      l->target = 0;
      again = true;
    }
  }
  return true;
}

bool qn__resolve_locs(qn__parser *p) {
  if (!resolve_aliases(p)) return false;
  for (uint32_t i = 0; i < p->late_locs.size; i++) {
    const qn__late_loc *l = &p->late_locs.data[i];
    uint32_t name = l->op.id ? l->name : l->target;
    if (!name) continue;
    uint32_t id = qn__idmap_get(&p->loc_aliases, name);
    if (!id) {
      qn__token at = {.line = l->line, .col = l->col};
      qn_str text = qn_name_str(p->ctx, (qn_name){name});
      qn__fail(p, &at, QN_DIAG_UNDEFINED, "location #%.*s is not defined; write '#%.*s = loc(..)' anywhere in the file",
               (int)text.size, text.data, (int)text.size, text.data);
    } else if (l->op.id) {
      qn_op_set_loc(p->m, l->op, (qn_loc){id == (uint32_t)UNKNOWN_ALIAS ? 0 : id});
    }
  }
  return p->errors == 0;
}
