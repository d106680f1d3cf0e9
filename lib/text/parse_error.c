/* What the reader reports, and when it gives up. */
#include "parser.h"
#include <stdio.h>
#include <string.h>

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
  int n = vsnprintf(what, sizeof what, fmt, args);
  va_end(args);
  if (n < 0) what[0] = 0;
  describe(&p->tok, &p->lx, found, sizeof found);
  return qn__fail(p, &p->tok, QN_DIAG_SYNTAX, "expected %s, found %s", what, found);
}
