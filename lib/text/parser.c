/* The reader's ground: its life, tokens, limits. */
#include "parser.h"
#include <string.h>

void qn__parser_init(qn__parser *p, qn_context *ctx, qn_module *m, qn_str text, qn_str file) {
  memset(p, 0, sizeof *p);
  p->ctx = ctx;
  p->allocator = qn_context_allocator(ctx);
  p->m = m;
  p->text = text;
  p->file = file;
  p->lx = qn__lexer_of(text);
  p->passed_at = p->lx.at;
  qn__arena_init(&p->scratch, p->allocator);
  qn__buf_init(&p->resources.path, p->allocator);
}

void qn__parser_free(qn__parser *p) {
  const qn_allocator *a = p->allocator;
  qn__arena_free(&p->scratch);
  qn__idmap_free(a, &p->type_aliases);
  qn__idmap_free(a, &p->attr_aliases);
  qn__idmap_free(a, &p->loc_aliases);
  qn__vec_free(a, &p->late_locs);
  qn__resources_free(a, &p->resources);
  qn__scope_free(a, &p->scope);
  qn__vec_free(a, &p->values);
  qn__vec_free(a, &p->types);
  qn__vec_free(a, &p->attrs);
  qn__vec_free(a, &p->items);
  qn__vec_free(a, &p->results);
}

qn_status qn__parser_status(const qn__parser *p) {
  if (p->no_memory || (p->m && qn_module_failed(p->m))) return QN_ERR_NO_MEMORY;
  return p->errors ? QN_ERR_INPUT : QN_OK;
}

bool qn__enter(qn__parser *p) {
  if (p->depth >= QN__PARSE_MAX_DEPTH)
    return qn__fail(p, &p->tok, QN_DIAG_LIMIT, "regions, types and attributes may nest %d deep; this is deeper",
                    QN__PARSE_MAX_DEPTH);
  p->depth++;
  return true;
}

/* ---- tokens ---- */

bool qn__at_word(const qn__parser *p, const char *word) {
  size_t n = strlen(word);
  return p->tok.kind == QN__TOK_ID && p->tok.text.size == n && memcmp(p->tok.text.data, word, n) == 0;
}

bool qn__take_word(qn__parser *p, const char *word) {
  if (!qn__at_word(p, word)) return false;
  qn__advance(p);
  return true;
}

bool qn__expect(qn__parser *p, uint32_t kind, const char *what) {
  if (p->tok.kind != kind) return qn__expected(p, "%s", what);
  qn__advance(p);
  return true;
}

void qn__resume_at(qn__parser *p, const char *at) {
  qn__lexer_seek(&p->lx, at);
  qn__advance(p);
}

bool qn__string(qn__parser *p, const qn__token *at, qn_str quoted, qn_str *out) {
  char *text = qn__arena_alloc(&p->scratch, quoted.size + 1);
  if (!text) return qn__out_of_memory(p);
  size_t n = qn__unquote(quoted, text);
  if (n == SIZE_MAX)
    return qn__fail(p, at, QN_DIAG_SYNTAX,
                    "an escape in this string is not one of \\\" \\\\ \\n \\t or two hexadecimal digits");
  *out = (qn_str){text, n};
  return true;
}

bool qn__symbol(qn__parser *p, qn_str *out) {
  if (!qn__at(p, QN__TOK_SYMBOL)) return qn__expected(p, "a symbol like @main");
  *out = p->tok.text;
  if (p->tok.text.data[0] == '"' && !qn__string(p, &p->tok, p->tok.text, out)) return false;
  if (out->size == 0) return qn__fail(p, &p->tok, QN_DIAG_SYNTAX, "a symbol cannot be empty");
  qn__advance(p);
  return true;
}
