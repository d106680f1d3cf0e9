/* Tokens, their places, quoted text, and skipping over brackets. */
#include "lexer.h"
#include "unit.h"
#include <string.h>

static qn__lexer lx;
static qn__token t;

static void start(const char *text) {
  lx = qn__lexer_of(qn_str_of(text));
}

static void expect(uint32_t kind, const char *text) {
  qn__lex(&lx, &t);
  assert_int_equal(t.kind, kind);
  assert_int_equal(t.text.size, strlen(text));
  assert_memory_equal(t.text.data, text, t.text.size);
}

static void names(void **state) {
  (void)state;
  start("abc _x.y$z tensor %0 %a-b.c$1 %12ab @main @\"odd name\" #loc3 #quern.dims !q0 !quant.any ^bb0");
  expect(QN__TOK_ID, "abc");
  expect(QN__TOK_ID, "_x.y$z");
  expect(QN__TOK_ID, "tensor");
  expect(QN__TOK_VALUE, "0");
  expect(QN__TOK_VALUE, "a-b.c$1");
  expect(QN__TOK_VALUE, "12"); /* a number ends where its digits do */
  expect(QN__TOK_ID, "ab");
  expect(QN__TOK_SYMBOL, "main");
  expect(QN__TOK_SYMBOL, "\"odd name\"");
  expect(QN__TOK_HASH, "loc3");
  expect(QN__TOK_HASH, "quern.dims");
  expect(QN__TOK_BANG, "q0");
  expect(QN__TOK_BANG, "quant.any");
  expect(QN__TOK_BLOCK, "bb0");
  expect(QN__TOK_EOF, "");
  expect(QN__TOK_EOF, "");
}

static void numbers(void **state) {
  (void)state;
  start("0 12 0x1Fg 0xg 1.5 1. 1.0e-5 2E+3 3e5 3ex 4x64 -7 1.5.2");
  expect(QN__TOK_INT, "0");
  expect(QN__TOK_INT, "12");
  expect(QN__TOK_INT, "0x1F");
  expect(QN__TOK_ID, "g");
  expect(QN__TOK_INT, "0");
  expect(QN__TOK_ID, "xg");
  expect(QN__TOK_FLOAT, "1.5");
  expect(QN__TOK_FLOAT, "1.");
  expect(QN__TOK_FLOAT, "1.0e-5");
  expect(QN__TOK_FLOAT, "2E+3");
  expect(QN__TOK_FLOAT, "3e5");
  expect(QN__TOK_INT, "3");
  expect(QN__TOK_ID, "ex");
  expect(QN__TOK_INT, "4");
  expect(QN__TOK_ID, "x64");
  expect('-', "-");
  expect(QN__TOK_INT, "7");
  expect(QN__TOK_FLOAT, "1.5");
  expect(QN__TOK_ERROR, ".");
  expect(QN__TOK_INT, "2");
}

static void punctuation(void **state) {
  (void)state;
  start("->-{-##-}<{}>:=,?*%#!^@");
  expect(QN__TOK_ARROW, "->");
  expect('-', "-");
  expect(QN__TOK_RESOURCES, "{-#");
  expect(QN__TOK_RESOURCES_END, "#-}");
  for (const char *c = "<{}>:=,?*"; *c; c++) expect((unsigned char)*c, (char[2]){*c, 0});
  for (const char *c = "%#!^@"; *c; c++) expect(QN__TOK_ERROR, (char[2]){*c, 0});
  expect(QN__TOK_EOF, "");
}

static void strings(void **state) {
  (void)state;
  char out[64];
  start("\"a\\\"b\" \"\\0A\\t\\n\\\\\" \"open\nnext \"x\\");
  expect(QN__TOK_STRING, "\"a\\\"b\"");
  assert_int_equal(qn__unquote(t.text, out), 3);
  assert_memory_equal(out, "a\"b", 3);
  expect(QN__TOK_STRING, "\"\\0A\\t\\n\\\\\"");
  assert_int_equal(qn__unquote(t.text, out), 4);
  assert_memory_equal(out, "\n\t\n\\", 4);
  expect(QN__TOK_ERROR, "\"open");
  expect(QN__TOK_ID, "next");
  expect(QN__TOK_ERROR, "\"x\\");
  expect(QN__TOK_EOF, "");
  assert_int_equal(qn__unquote(qn_str_of("\"\\q\""), out), SIZE_MAX);
  assert_int_equal(qn__unquote(qn_str_of("\"\\0\""), out), SIZE_MAX);
  assert_int_equal(qn__unquote(qn_str_of("\"\""), out), 0);
}

static void places(void **state) {
  (void)state;
  start("a // comment %x\n\n  b\t=//\n//c");
  expect(QN__TOK_ID, "a");
  assert_int_equal(t.line, 1);
  assert_int_equal(t.col, 1);
  expect(QN__TOK_ID, "b");
  assert_int_equal(t.line, 3);
  assert_int_equal(t.col, 3);
  expect('=', "=");
  assert_int_equal(t.col, 5);
  expect(QN__TOK_EOF, "");
  assert_int_equal(t.line, 4);
}

static void pass_over(const char *text, bool ok, const char *rest) {
  start(text);
  assert_int_equal(qn__lexer_skip_balanced(&lx), ok);
  if (ok) assert_string_equal(lx.at, rest);
}

static void balanced(void **state) {
  (void)state;
  pass_over("<a(b[c]{d})> x", true, " x");
  pass_over("<(i32) -> f32> x", true, " x");
  pass_over("<\">\"> x", true, " x");
  pass_over("< // >\n> x", true, " x");
  assert_int_equal(lx.line, 2);
  pass_over("<(>)", false, "");
  pass_over("<a", false, "");
  pass_over("<\"a", false, "");
  pass_over("", false, "");
  char deep[1001];
  memset(deep, '<', 500);
  memset(deep + 500, '>', 500);
  deep[1000] = 0;
  pass_over(deep, false, "");
  pass_over(deep + 300, true, deep + 700);
}

static void identifiers(void **state) {
  (void)state;
  assert_true(qn__is_bare_id(qn_str_of("a.b$_1")));
  assert_false(qn__is_bare_id(qn_str_of("1a")));
  assert_false(qn__is_bare_id(qn_str_of("")));
  assert_false(qn__is_bare_id(qn_str_of("a-b")));
  assert_true(qn__is_suffix_id(qn_str_of("a-b")));
  assert_true(qn__is_suffix_id(qn_str_of("123")));
  assert_false(qn__is_suffix_id(qn_str_of("12a")));
  assert_false(qn__is_suffix_id(qn_str_of("a b")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names),  cmocka_unit_test(numbers),  cmocka_unit_test(punctuation), cmocka_unit_test(strings),
      cmocka_unit_test(places), cmocka_unit_test(balanced), cmocka_unit_test(identifiers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
