#include "lexer.h"
#include <string.h>

/* Brackets inside each other that are skipped: regions and types may nest 64 deep, with several brackets each. */
enum { MAX_NESTING = 256 };

/* What a character can be part of. */
enum {
  LETTER = 1, /* letters and _ */
  DIGIT = 2,
  HEX = 4,
  MORE = 8,   /* $ and . continue a bare identifier */
  DASH = 16,  /* continues a name after % @ # ! ^ */
  SPACE = 32, /* blank, tab, carriage return */
  MARK = 64   /* a token by itself */
};

static const uint8_t classes[256] = {
    ['a'] = LETTER | HEX, ['b'] = LETTER | HEX, ['c'] = LETTER | HEX, ['d'] = LETTER | HEX, ['e'] = LETTER | HEX,
    ['f'] = LETTER | HEX, ['g'] = LETTER,       ['h'] = LETTER,       ['i'] = LETTER,       ['j'] = LETTER,
    ['k'] = LETTER,       ['l'] = LETTER,       ['m'] = LETTER,       ['n'] = LETTER,       ['o'] = LETTER,
    ['p'] = LETTER,       ['q'] = LETTER,       ['r'] = LETTER,       ['s'] = LETTER,       ['t'] = LETTER,
    ['u'] = LETTER,       ['v'] = LETTER,       ['w'] = LETTER,       ['x'] = LETTER,       ['y'] = LETTER,
    ['z'] = LETTER,       ['A'] = LETTER | HEX, ['B'] = LETTER | HEX, ['C'] = LETTER | HEX, ['D'] = LETTER | HEX,
    ['E'] = LETTER | HEX, ['F'] = LETTER | HEX, ['G'] = LETTER,       ['H'] = LETTER,       ['I'] = LETTER,
    ['J'] = LETTER,       ['K'] = LETTER,       ['L'] = LETTER,       ['M'] = LETTER,       ['N'] = LETTER,
    ['O'] = LETTER,       ['P'] = LETTER,       ['Q'] = LETTER,       ['R'] = LETTER,       ['S'] = LETTER,
    ['T'] = LETTER,       ['U'] = LETTER,       ['V'] = LETTER,       ['W'] = LETTER,       ['X'] = LETTER,
    ['Y'] = LETTER,       ['Z'] = LETTER,       ['_'] = LETTER,       ['0'] = DIGIT | HEX,  ['1'] = DIGIT | HEX,
    ['2'] = DIGIT | HEX,  ['3'] = DIGIT | HEX,  ['4'] = DIGIT | HEX,  ['5'] = DIGIT | HEX,  ['6'] = DIGIT | HEX,
    ['7'] = DIGIT | HEX,  ['8'] = DIGIT | HEX,  ['9'] = DIGIT | HEX,  ['$'] = MORE,         ['.'] = MORE,
    ['-'] = DASH | MARK,  [' '] = SPACE,        ['\t'] = SPACE,       ['\r'] = SPACE,       ['('] = MARK,
    [')'] = MARK,         ['{'] = MARK,         ['}'] = MARK,         ['['] = MARK,         [']'] = MARK,
    ['<'] = MARK,         ['>'] = MARK,         [','] = MARK,         [':'] = MARK,         ['='] = MARK,
    ['+'] = MARK,         ['*'] = MARK,         ['?'] = MARK,         ['/'] = MARK,         ['|'] = MARK,
};

static inline unsigned class_of(char c) {
  return classes[(unsigned char)c];
}

bool qn__is_id_char(char c) {
  return (class_of(c) & (LETTER | DIGIT | MORE)) != 0;
}

static bool all_of(qn_str s, size_t from, unsigned mask) {
  for (size_t i = from; i < s.size; i++)
    if (!(class_of(s.data[i]) & mask)) return false;
  return true;
}

bool qn__is_bare_id(qn_str s) {
  return s.size > 0 && (class_of(s.data[0]) & LETTER) && all_of(s, 1, LETTER | DIGIT | MORE);
}

bool qn__is_suffix_id(qn_str s) {
  if (s.size == 0) return false;
  if (class_of(s.data[0]) & DIGIT) return all_of(s, 1, DIGIT);
  return all_of(s, 0, LETTER | DIGIT | MORE | DASH);
}

qn__lexer qn__lexer_of(qn_str text) {
  const char *data = text.data ? text.data : "";
  return (qn__lexer){data, data + text.size, data, 1};
}

void qn__lexer_seek(qn__lexer *lx, const char *at) {
  lx->at = at;
}

static void new_line(qn__lexer *lx) {
  lx->line++;
  lx->line_start = lx->at;
}

/* The end of a comment or white space that begins at `at`, counting lines. */
static void lexer_skip_space(qn__lexer *lx) {
  while (lx->at < lx->end) {
    char c = *lx->at;
    if (class_of(c) & SPACE) {
      lx->at++;
    } else if (c == '\n') {
      lx->at++;
      new_line(lx);
    } else if (c == '/' && lx->end - lx->at > 1 && lx->at[1] == '/') {
      const char *stop = memchr(lx->at, '\n', (size_t)(lx->end - lx->at));
      lx->at = stop ? stop : lx->end;
    } else {
      return;
    }
  }
}

static const char *run(const char *p, const char *end, unsigned mask) {
  while (p < end && (class_of(*p) & mask)) p++;
  return p;
}

/* `p` stands after the integer part: a point and an exponent, where they are there. */
static const char *fraction(const char *p, const char *end, bool *is_float) {
  const char *q = p;
  if (q < end && *q == '.') {
    q = run(q + 1, end, DIGIT);
    *is_float = true;
    p = q;
  }
  if (q < end && (*q == 'e' || *q == 'E')) {
    q++;
    if (q < end && (*q == '-' || *q == '+')) q++;
    if (q < end && (class_of(*q) & DIGIT)) {
      p = run(q, end, DIGIT);
      *is_float = true;
    }
  }
  return p;
}

static const char *lex_number(const char *p, const char *end, uint32_t *kind) {
  *kind = QN__TOK_INT;
  if (*p == '0' && end - p > 2 && p[1] == 'x' && (class_of(p[2]) & HEX)) return run(p + 2, end, HEX);
  bool is_float = false;
  p = fraction(run(p, end, DIGIT), end, &is_float);
  if (is_float) *kind = QN__TOK_FLOAT;
  return p;
}

/* After the opening quote; null when the line or the text ends first. */
static const char *string_end(const char *p, const char *end) {
  for (; p < end && *p != '\n'; p++) {
    if (*p == '"') return p + 1;
    if (*p == '\\') {
      p++;
      if (p >= end || *p == '\n') return NULL;
    }
  }
  return NULL;
}

/* %name @name #name !name ^name: the characters that may follow the mark, unless it is a number. */
static const char *lex_prefixed(const char *p, const char *end, qn__token *t, uint32_t kind, unsigned mask) {
  const char *name = p + 1, *stop;
  if (kind == QN__TOK_SYMBOL && name < end && *name == '"')
    stop = string_end(name + 1, end);
  else
    stop = run(name, end, name < end && (class_of(*name) & DIGIT) ? DIGIT : mask);
  t->kind = stop && stop > name ? kind : (uint32_t)QN__TOK_ERROR;
  if (!stop) stop = end;
  t->text = t->kind == kind ? (qn_str){name, (size_t)(stop - name)} : (qn_str){p, (size_t)(stop - p)};
  return stop;
}

static bool starts(const char *p, const char *end, const char *what, size_t size) {
  return (size_t)(end - p) >= size && memcmp(p, what, size) == 0;
}

static const char *lex_string(const char *p, const char *end, qn__token *t) {
  const char *stop = string_end(p + 1, end);
  t->kind = stop ? QN__TOK_STRING : QN__TOK_ERROR;
  if (!stop) stop = memchr(p, '\n', (size_t)(end - p));
  return stop ? stop : end;
}

/* Sets the kind, and the text where that is not all of the token; returns the token's end. */
static const char *lex_token(const char *p, const char *end, qn__token *t) {
  enum { ID = LETTER | DIGIT | MORE, NAME = ID | DASH };
  unsigned c = class_of(*p);
  if (c & LETTER) {
    t->kind = QN__TOK_ID;
    return run(p + 1, end, ID);
  }
  if (c & DIGIT) return lex_number(p, end, &t->kind);
  switch (*p) {
  case '%': return lex_prefixed(p, end, t, QN__TOK_VALUE, NAME);
  case '"': return lex_string(p, end, t);
  case '@': return lex_prefixed(p, end, t, QN__TOK_SYMBOL, NAME);
  case '^': return lex_prefixed(p, end, t, QN__TOK_BLOCK, NAME);
  case '!': return lex_prefixed(p, end, t, QN__TOK_BANG, ID);
  case '#':
    if (starts(p, end, "#-}", 3)) return t->kind = QN__TOK_RESOURCES_END, p + 3;
    return lex_prefixed(p, end, t, QN__TOK_HASH, ID);
  case '-':
    if (starts(p, end, "->", 2)) return t->kind = QN__TOK_ARROW, p + 2;
    break;
  case '{':
    if (starts(p, end, "{-#", 3)) return t->kind = QN__TOK_RESOURCES, p + 3;
    break;
  default: break;
  }
  t->kind = c & MARK ? (unsigned char)*p : (uint32_t)QN__TOK_ERROR;
  return p + 1;
}

void qn__lex(qn__lexer *lx, qn__token *t) {
  lexer_skip_space(lx);
  const char *p = lx->at;
  t->line = lx->line;
  t->col = (uint32_t)(p - lx->line_start) + 1;
  t->at = p;
  t->text = (qn_str){p, 0};
  if (p >= lx->end) {
    t->kind = QN__TOK_EOF;
    return;
  }
  lx->at = lex_token(p, lx->end, t);
  if (t->text.size == 0) t->text.size = (size_t)(lx->at - p);
}

static char closing(char open) {
  if (open == '<') return '>';
  if (open == '(') return ')';
  return open == '[' ? (char)']' : (char)'}';
}

bool qn__lexer_skip_balanced(qn__lexer *lx) {
  char stack[MAX_NESTING];
  unsigned depth = 0;
  while (lx->at < lx->end) {
    lexer_skip_space(lx);
    if (lx->at >= lx->end) return false;
    char c = *lx->at;
    if (c == '"') {
      lx->at = string_end(lx->at + 1, lx->end);
      if (!lx->at) return lx->at = lx->end, false;
      continue;
    }
    if (c == '-' && starts(lx->at, lx->end, "->", 2)) {
      lx->at += 2;
      continue;
    }
    lx->at++;
    if (c == '<' || c == '(' || c == '[' || c == '{') {
      if (depth == MAX_NESTING) return false;
      stack[depth++] = closing(c);
    } else if (c == '>' || c == ')' || c == ']' || c == '}') {
      if (depth == 0 || stack[depth - 1] != c) return false;
      if (--depth == 0) return true;
    }
  }
  return false;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

size_t qn__unquote(qn_str token, char *out) {
  size_t n = 0;
  if (token.size < 2) return 0;
  for (size_t i = 1; i + 1 < token.size; i++) {
    char c = token.data[i];
    if (c != '\\') {
      out[n++] = c;
      continue;
    }
    c = token.data[++i];
    int high = hex_value(c), low = i + 2 < token.size ? hex_value(token.data[i + 1]) : -1;
    if (c == '"' || c == '\\') {
      out[n++] = c;
    } else if (c == 'n' || c == 't') {
      out[n++] = c == 'n' ? '\n' : '\t';
    } else if (high >= 0 && low >= 0) {
      out[n++] = (char)(unsigned char)(high * 16 + low);
      i++;
    } else {
      return SIZE_MAX;
    }
  }
  return n;
}
