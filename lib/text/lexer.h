/* Tokens of MLIR text. The lexer reads a view that need not be terminated and keeps nothing but pointers into it; it
 * may be copied to come back to a place. Line and column count from 1, columns in bytes. */
#ifndef QN_LEXER_H
#define QN_LEXER_H
#include <quern/base.h>

/* Punctuation is its own character: '(' ')' '{' '}' '[' ']' '<' '>' ',' ':' '=' '-' '+' '*' '?' '/' '|'. */
typedef enum qn__tok_kind {
  QN__TOK_EOF = 0,
  QN__TOK_ERROR = 128, /* `text` is what no token begins with, or a string without an end */
  QN__TOK_ID,          /* bare: letters, digits, _ $ . */
  QN__TOK_INT,         /* 12 or 0x1F */
  QN__TOK_FLOAT,       /* 1.5, 1.0e-5, 1e5 */
  QN__TOK_STRING,      /* text with its quotes */
  QN__TOK_VALUE,       /* %name; text without the % */
  QN__TOK_SYMBOL,      /* @name or @"name"; text without the @ */
  QN__TOK_HASH,        /* #name; text without the # */
  QN__TOK_BANG,        /* !name; text without the ! */
  QN__TOK_BLOCK,       /* ^name; text without the ^ */
  QN__TOK_ARROW,
  QN__TOK_RESOURCES,    /* {-# */
  QN__TOK_RESOURCES_END /* #-} */
} qn__tok_kind;

typedef struct qn__token qn__token;
struct qn__token {
  uint32_t kind;
  uint32_t line, col;
  const char *at; /* first character, marks like % included */
  qn_str text;
};

typedef struct qn__lexer {
  const char *at, *end;
  const char *line_start;
  uint32_t line;
} qn__lexer;

qn__lexer qn__lexer_of(qn_str text);
void qn__lex(qn__lexer *lx, qn__token *out);
/* Sets the lexer back (or forward) to `at`, a place in the text of `line` and `line_start`. */
void qn__lexer_seek(qn__lexer *lx, const char *at);
/* Skips from the lexer's place over balanced <> () [] {} up to and including the closing mark of the one it stands at;
 * strings and comments inside are skipped whole, `->` is no bracket. False when it does not end or nests too deep. */
bool qn__lexer_skip_balanced(qn__lexer *lx);

bool qn__is_id_char(char c);     /* letters, digits, _ $ . */
bool qn__is_bare_id(qn_str s);   /* can stand without quotes as an attribute's name or a resource key */
bool qn__is_suffix_id(qn_str s); /* can stand after @ or % without quotes */
/* What a quoted token means: escapes resolved into `out`, which has room for text.size bytes. Returns the size;
 * SIZE_MAX when an escape is not one of \" \\ \n \t \XX. */
size_t qn__unquote(qn_str token, char *out);
#endif
