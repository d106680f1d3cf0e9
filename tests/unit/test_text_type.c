/* Types as text: every form both ways, both spellings, and what is refused. */
#include "buf.h"
#include "text_test.h"
#include "type_text.h"

static qn_context *ctx;

static int setup(void **state) {
  (void)state;
  ctx = text_context(NULL);
  return ctx ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  qn_context_destroy(ctx);
  return 0;
}

static qn_type read(const char *text) {
  qn_type t = qn_parse_type(ctx, qn_str_of(text));
  if (!t.id) print_message("%s: %s\n", text, text_diags.count ? text_diags.at[text_diags.count - 1].message : "");
  assert_int_not_equal(t.id, 0);
  return t;
}

/* Reads to `canonical`, which reads back to the same type; so do its generic and its complete spelling. */
static void form(const char *text, const char *canonical) {
  qn_type t = read(text);
  assert_string_equal(qn_type_text(ctx, t).data, canonical);
  assert_int_equal(read(canonical).id, t.id);
  for (unsigned flags = 0; flags < 4; flags++) {
    if (flags < 2 && strstr(canonical, "dense_resource")) continue;
    qn_buf b;
    qn__buf_init(&b, qn_context_allocator(ctx));
    qn__type_print(&b, ctx, t, flags);
    assert_int_equal(read(b.data).id, t.id);
    qn__buf_free(&b);
  }
}

static void same(const char *text) {
  form(text, text);
}

static void plain(void **state) {
  (void)state;
  for (int s = 1; s < QN_SCALAR_COUNT; s++) same(qn_scalar_get((qn_scalar)s)->text);
  form("!quern.f4E2M1FN", "f4E2M1FN");
  form("!quern.f8E8M0FNU", "f8E8M0FNU");
  same("tensor<f32>");
  same("tensor<4x?xf32>");
  same("tensor<0x3xi4>");
  form("tensor < 4x8xf32 >", "tensor<4x8xf32>");
  same("tensor<1x2x3x4x5x6x7x8xui2>");
  same("tensor<?x?xf32, #quern.dims<\"batch\",\"\">>");
  form("tensor<?x4xf32, #quern.dims< \"a \\\"b\" , \"\" >>", "tensor<?x4xf32, #quern.dims<\"a \\\"b\",\"\">>");
  same("tensor<9223372036854775807xi8>");
}

static void functions(void **state) {
  (void)state;
  same("() -> ()");
  same("(f32) -> f32");
  form("(f32, tensor<4xi8>) -> (f32)", "(f32, tensor<4xi8>) -> f32");
  same("(f32) -> (f32, i8)");
  same("((f32) -> f32) -> ((i8) -> ())");
}

static void quantized(void **state) {
  (void)state;
  same("!quant.uniform<i8<-127:127>:f32, 0.0236>");
  same("!quant.uniform<u8:f32, 0.0196:102>");
  form("!quant.uniform<i8<-128:127>:f32, 1:0>", "!quant.uniform<i8:f32, 1.0>");
  form("!quant.uniform<ui8:f32, 0.5:-0>", "!quant.uniform<u8:f32, 0.5>");
  form("!quant.uniform<si4:f16, 0.5>", "!quant.uniform<i4:f16, 0.5>");
  same("!quant.uniform<i8:f32:1, {200.0,0.99872:120}>");
  form("!quant.uniform<i4:f32:{0:1, 1:32}, {{0.1,0.2}, {0.3,0.4}}>",
       "!quant.uniform<i4:f32:{0:1, 1:32}, {{0.1,0.2}, {0.3,0.4}}>");
  form("!quant.uniform<i8:f32:{1:1}, {{0.1, 0.2}}>", "!quant.uniform<i8:f32:1, {0.1,0.2}>");
  form("!quern.uniform<i8:f32, 0.5>", "!quant.uniform<i8:f32, 0.5>");
  same("!quern.uniform<f8E4M3FN:f32, 0.5>");
  same("!quern.uniform<f4E2M1FN:f32:{1:16}, scale = f8E4M3FN, tensor_scale = 0.01, {{0.5,1.0}}>");
  form("!quern.uniform<f4E2M1FN:f32:{1:32}, scale = E8M0, {{0.5,2.0}}>",
       "!quern.uniform<f4E2M1FN:f32:{1:32}, scale = f8E8M0FNU, {{0.5,2.0}}>");
  form("!quant.uniform<!quant.quantile<ui2:f16, {-1.0,0.0,0.5,1.0}>:f32:{1:32}, scale = f16, {{0.5}}>",
       "!quern.uniform<!quant.quantile<ui2:f16, {-1.0,0.0,0.5,1.0}>:f32:{1:32}, scale = f16, {{0.5}}>");
  same("tensor<4x2x!quant.uniform<i8:f32:1, {0.1,0.2:3}>>");
}

static void others(void **state) {
  (void)state;
  same("!quant.any<i8<-8:7>:f32>");
  same("!quant.any<u4>");
  same("!quant.calibrated<f32<-0.998:1.2321>>");
  same("!quant.calibrated<f32<1.0:1.0>>");
  form("!quern.calibrated<f32<-1:1>>", "!quant.calibrated<f32<-1.0:1.0>>");
  form("!quern.quantile<u2:f16, {0,0.25,0.5,1}>", "!quant.quantile<ui2:f16, {0.0,0.25,0.5,1.0}>");
  same("!foo.bar");
  same("!foo.bar<[1, {a = \">\"}] -> (x)>");
  same("tensor<2x!foo.bar<3>>");
  same("!quern.something<1>");
}

/* Scales are f32, rounded once from the decimal, and print as the shortest text with the same bits. */
static void lossless(void **state) {
  (void)state;
  const char *decimals[] = {"0.1", "1.0e-45", "3.4028235e38", "1.17549435e-38", "0.30000001192092896", "16777217.0"};
  for (size_t i = 0; i < sizeof decimals / sizeof *decimals; i++) {
    char text[128];
    snprintf(text, sizeof text, "!quant.uniform<i8:f32, %s>", decimals[i]);
    qn_type t = read(text);
    assert_true(qn_type_as_quant(ctx, t)->scales[0] == strtof(decimals[i], NULL));
    assert_int_equal(read(qn_type_text(ctx, t).data).id, t.id);
  }
}

static void many_parameters(void **state) {
  (void)state;
  char text[2048] = "tensor<40x!quant.uniform<i8:f32:0, {";
  for (int i = 0; i < 40; i++)
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s0.%d:%d", i ? "," : "", i + 1, i);
  strcat(text, "}>>");
  qn_type t = read(text);
  assert_non_null(strstr(qn_type_text(ctx, t).data, "dense_resource<q_"));
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(ctx));
  qn__type_print(&b, ctx, t, QN__TYPE_INLINE);
  assert_int_equal(read(b.data).id, t.id);
  qn__buf_free(&b);
}

/* Every line is refused, with the code and at the column given, and with a sentence that contains the words. */
static void refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    qn_diag_code code;
    uint32_t col;
    const char *words;
  } cases[] = {
      {"", QN_DIAG_SYNTAX, 1, "expected a type"},
      {"f31", QN_DIAG_SYNTAX, 1, "expected a type"},
      {"f32 f32", QN_DIAG_SYNTAX, 5, "end of the text"},
      {"tensor", QN_DIAG_SYNTAX, 7, "'<'"},
      {"tensor<", QN_DIAG_SYNTAX, 8, "type"},
      {"tensor<4", QN_DIAG_SYNTAX, 8, "followed by 'x'"},
      {"tensor<4xf32", QN_DIAG_SYNTAX, 13, "'>'"},
      {"tensor<-4xf32>", QN_DIAG_SYNTAX, 8, "type"},
      {"tensor<*xf32>", QN_DIAG_UNSUPPORTED, 8, "rank"},
      {"tensor<1x1x1x1x1x1x1x1x1xf32>", QN_DIAG_LIMIT, 8, "at most 8"},
      {"tensor<9223372036854775808xi8>", QN_DIAG_SHAPE, 8, "63 bits"},
      {"tensor<9223372036854775807x2xi8>", QN_DIAG_LIMIT, 1, "63 bits"},
      {"tensor<4xtensor<4xf32>>", QN_DIAG_TYPE, 10, "scalars"},
      {"tensor<?xf32, #quern.dims<\"a\",\"b\">>", QN_DIAG_SHAPE, 15, "more names"},
      {"tensor<?x?xf32, #quern.dims<\"a\">>", QN_DIAG_SHAPE, 17, "1 names for 2"},
      {"tensor<4xf32, #quern.dims<\"a\">>", QN_DIAG_SHAPE, 27, "fixed size"},
      {"tensor<4xf32, #other.thing>", QN_DIAG_SYNTAX, 15, "#quern.dims"},
      {"(f32", QN_DIAG_SYNTAX, 5, "')'"},
      {"(f32)", QN_DIAG_SYNTAX, 6, "'->'"},
      {"!nope", QN_DIAG_UNDEFINED, 1, "alias !nope"},
      {"!quant.nope<1>", QN_DIAG_TYPE, 1, "uniform, any, calibrated and quantile"},
      {"!foo.bar<(>", QN_DIAG_SYNTAX, 1, "brackets"},
      {"!quant.uniform", QN_DIAG_SYNTAX, 15, "'<'"},
      {"!quant.uniform<i9:f32, 1.0>", QN_DIAG_SYNTAX, 16, "storage"},
      {"!quant.uniform<i8, 1.0>", QN_DIAG_SYNTAX, 18, "expressed"},
      {"!quant.uniform<i8:i8, 1.0>", QN_DIAG_SYNTAX, 19, "float"},
      {"!quant.uniform<i8:f32>", QN_DIAG_SYNTAX, 22, "scales"},
      {"!quant.uniform<i8:f32, x = 1>", QN_DIAG_SYNTAX, 24, "tensor_scale"},
      {"!quant.uniform<i8:f32, -1.0>", QN_DIAG_DATA, 1, "greater than zero"},
      {"!quant.uniform<i8:f32, 0.0>", QN_DIAG_DATA, 1, "greater than zero"},
      {"!quant.uniform<i8:f32, 0x7F800000>", QN_DIAG_DATA, 1, "finite"},
      {"!quant.uniform<i8:f32, 1.0e39>", QN_DIAG_OVERFLOW, 24, "does not fit f32"},
      {"!quant.uniform<i8:f32, 1.0:128>", QN_DIAG_TYPE, 1, "zero point"},
      {"!quant.uniform<i8:f32, 1.0:3000000000>", QN_DIAG_TYPE, 28, "32 bits"},
      {"!quant.uniform<i8<-129:127>:f32, 1.0>", QN_DIAG_TYPE, 1, "do not fit"},
      {"!quant.uniform<i8<5:5>:f32, 1.0>", QN_DIAG_TYPE, 1, "below"},
      {"!quant.uniform<i8:f32:8, {1.0}>", QN_DIAG_TYPE, 23, "axes count"},
      {"!quant.uniform<i8:f32:0, 1.0>", QN_DIAG_TYPE, 26, "list in braces"},
      {"!quant.uniform<i8:f32, {1.0}>", QN_DIAG_TYPE, 24, "axes it runs along"},
      {"!quant.uniform<i8:f32:0, {{1.0}}>", QN_DIAG_TYPE, 26, "not lists in lists"},
      {"!quant.uniform<i8:f32:{0:1}, {{1.0}, 2.0}>", QN_DIAG_SYNTAX, 38, ""},
      {"!quant.uniform<i8:f32:{0:1, 1:1}, {{1.0}, {1.0,2.0}}>", QN_DIAG_TYPE, 0, "same number"},
      {"!quant.uniform<i8:f32:{0:0}, {1.0}>", QN_DIAG_TYPE, 1, "at least 1"},
      {"!quant.uniform<i8:f32, scale = f8E8M0FNU, 0.3>", QN_DIAG_DATA, 1, "no exact form"},
      {"!quant.uniform<i8:f32, dense_resource<k>>", QN_DIAG_MISSING, 39, "resource 'k'"},
      {"tensor<3x!quant.uniform<i8:f32:0, {1.0,2.0}>>", QN_DIAG_SHAPE, 1, ""},
      {"!quant.calibrated<f32<2.0:1.0>>", QN_DIAG_DATA, 1, "no range"},
      {"!quant.calibrated<f32<0x7FF8000000000000:1.0>>", QN_DIAG_DATA, 1, ""},
      {"!quant.quantile<ui2:f16, {}>", QN_DIAG_SYNTAX, 27, "number"},
      {"%x", QN_DIAG_SYNTAX, 1, "expected a type"},
      {"\"open", QN_DIAG_SYNTAX, 1, "does not end"},
      {"\x01", QN_DIAG_SYNTAX, 1, "0x01"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    memset(&text_diags, 0, sizeof text_diags);
    assert_int_equal(qn_parse_type(ctx, qn_str_of(cases[i].text)).id, 0);
    const text_diag *d = &text_diags.at[0];
    if (text_diags.errors != 1 || d->code != cases[i].code || (cases[i].col && d->col != cases[i].col) ||
        !strstr(d->message, cases[i].words))
      fail_msg("'%s': %u errors, %s at %u: %s", cases[i].text, (unsigned)text_diags.errors, qn_diag_name(d->code),
               (unsigned)d->col, d->message);
  }
}

static void too_deep(void **state) {
  (void)state;
  enum { N = 5000 };
  static char text[4 * N];
  for (int i = 0; i < N; i++) text[i] = '(';
  assert_int_equal(qn_parse_type(ctx, qn_str_of(text)).id, 0);
  assert_int_equal(text_diags.at[0].code, QN_DIAG_LIMIT);
  char *at = text;
  for (int i = 0; i < N / 10; i++) at += sprintf(at, "!quant.uniform<");
  assert_int_equal(qn_parse_type(ctx, qn_str_of(text)).id, 0);
  assert_int_equal(text_diags.at[1].code, QN_DIAG_LIMIT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(plain, setup, teardown),
      cmocka_unit_test_setup_teardown(functions, setup, teardown),
      cmocka_unit_test_setup_teardown(quantized, setup, teardown),
      cmocka_unit_test_setup_teardown(others, setup, teardown),
      cmocka_unit_test_setup_teardown(lossless, setup, teardown),
      cmocka_unit_test_setup_teardown(many_parameters, setup, teardown),
      cmocka_unit_test_setup_teardown(refused, setup, teardown),
      cmocka_unit_test_setup_teardown(too_deep, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
