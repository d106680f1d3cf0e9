/* The reader's ground: tokens, errors, limits. */
#include "parser.h"
#include <stdio.h>
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

/* ---- errors ---- */

qn_place qn__place(const qn__parser *p, const qn__token *at) {
  return (qn_place){.file = p->file, .line = at->line, .col = at->col, .source = p->text};
}

/* Ends all reading: the rest of the text is empty from here on. */
static void halt(qn__parser *p) {
  p->stop = true;
  p->lx.at = p->lx.end;
  qn__advance(p);
}

bool qn__failed(qn__parser *p) {
  if (++p->errors == QN__PARSE_MAX_ERRORS && !p->stop) {
    qn_note(p->ctx, qn__place(p, &p->tok), "reading stops after %d errors", QN__PARSE_MAX_ERRORS);
    halt(p);
  }
  return false;
}

bool qn__out_of_memory(qn__parser *p) {
  qn_error_no_memory(p->ctx);
  p->no_memory = true;
  halt(p);
  return false;
}

bool qn__fail(qn__parser *p, const qn__token *at, qn_diag_code code, const char *fmt, ...) {
  if (p->stop) return false;
  va_list args;
  va_start(args, fmt);
  qn_report(p->ctx, QN_ERROR, code, qn__place(p, at), fmt, args);
  va_end(args);
  return qn__failed(p);
}

enum { SHOWN = 40 }; /* characters of a token that a message repeats */

static void describe(const qn__token *t, const qn__lexer *lx, char *out, size_t size) {
  size_t n = (size_t)(lx->at - t->at);
  const char *newline = n ? memchr(t->at, '\n', n) : NULL;
  if (newline) n = (size_t)(newline - t->at);
  const char *more = n > SHOWN ? ".." : "";
  int shown = (int)(n > SHOWN ? SHOWN : n);
  if (t->kind == QN__TOK_EOF)
    snprintf(out, size, "the end of the text");
  else if (t->kind == QN__TOK_ERROR && *t->at == '"')
    snprintf(out, size, "a string that does not end on its line: %.*s%s", shown, t->at, more);
  else if (t->kind == QN__TOK_ERROR && ((unsigned char)*t->at < 32 || (unsigned char)*t->at > 126))
    snprintf(out, size, "the byte 0x%02X, which no token begins with", (unsigned)(unsigned char)*t->at);
  else
    snprintf(out, size, "'%.*s%s'", shown, t->at, more);
}

bool qn__expected(qn__parser *p, const char *fmt, ...) {
  if (p->stop) return false;
  char found[128], what[256];
  va_list args;
  va_start(args, fmt);
  if (vsnprintf(what, sizeof what, fmt, args) < 0) what[0] = 0;
  va_end(args);
  describe(&p->tok, &p->lx, found, sizeof found);
  return qn__fail(p, &p->tok, QN_DIAG_SYNTAX, "expected %s, found %s", what, found);
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
