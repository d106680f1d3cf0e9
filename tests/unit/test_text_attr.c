/* Attributes as text: every kind both ways, and what is refused. */
#include "attr_impl.h"
#include "text_test.h"

static qn_context *ctx;
static qn_module *m;

static int setup(void **state) {
  (void)state;
  ctx = text_context(NULL);
  m = ctx ? qn_module_create(ctx) : NULL;
  return m ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  return 0;
}

static qn_attr read(const char *text) {
  qn_attr a = qn_parse_attr(m, qn_str_of(text));
  if (!a.id) print_message("%s: %s\n", text, text_diags.count ? text_diags.at[text_diags.count - 1].message : "");
  assert_int_not_equal(a.id, 0);
  return a;
}

/* The text of an attribute: that of the module which has it as its only one. */
static char *print(qn_attr a, bool generic, bool hex) {
  text_out out = {0};
  qn_print_options options = {.generic = generic, .inline_ = true, .hex = hex};
  qn_module_set_attr(m, "a.a", a);
  assert_int_equal(qn_print(m, &options, text_write, &out), QN_OK);
  qn_module_set_attr(m, "a.a", (qn_attr){0});
  char *from = strstr(out.data, "{a.a"), *to = strstr(out.data, ", quern.version");
  assert_non_null(from);
  assert_non_null(to);
  from += from[4] == ' ' ? 7 : 0;
  *to = 0;
  memmove(out.data, from, strlen(from) + 1);
  return out.data;
}

static void form(const char *text, const char *canonical) {
  qn_attr a = read(text);
  char *printed = print(a, false, false);
  assert_string_equal(printed, canonical);
  assert_int_equal(read(printed).id, a.id);
  free(printed);
  for (int i = 1; i < 4; i++) {
    printed = print(a, i & 1, i & 2);
    assert_int_equal(read(printed).id, a.id);
    free(printed);
  }
}

static void same(const char *text) {
  form(text, text);
}

static void numbers(void **state) {
  (void)state;
  form("3 : i64", "3");
  same("-9223372036854775808");
  same("-8 : i4");
  form("15 : i4", "-1 : i4");
  same("15 : ui4");
  same("18446744073709551615 : ui64");
  form("0x10 : i32", "16 : i32");
  same("5 : index");
  form("1 : i1", "true");
  same("false");
  form("1.5 : f64", "1.5");
  same("1.5 : f32");
  form("1 : f32", "1.0 : f32");
  form("-0.0 : bf16", "-0.0 : bf16");
  form("1e-5", "1.0e-5");
  same("0x7FC00001 : f32");
  form("0x3F800000 : f32", "1.0 : f32");
  form("0x7FF0000000000000 : f64", "0x7FF0000000000000 : f64");
  same("0.5 : f4E2M1FN");
  same("2.0 : f8E8M0FNU");
  same("448.0 : f8E4M3FN");
}

static void text_and_names(void **state) {
  (void)state;
  form("\"a\\\"b\\n\\t\\00\\\\\"", "\"a\\\"b\\0A\\09\\00\\\\\"");
  same("\"\"");
  same("@main");
  same("@\"odd name\"");
  form("@\"main\"", "@main");
  same("#quern.dims<\"a\", \"b\">");
  same("#foo.bar");
  same("#foo.bar<(x -> {\">\"})>");
  same("f32");
  same("tensor<4x!quant.uniform<i8:f32, 0.5>>");
  same("(f32) -> ()");
  assert_int_equal(qn_attr_kind_of(m, read("unit")), QN_ATTR_UNIT);
}

static void lists(void **state) {
  (void)state;
  same("[]");
  same("[1, [2.5, \"x\"], unit, true]");
  same("{}");
  form("{b = 1, a}", "{a, b = 1}");
  same("{\"odd key\" = 1}");
  form("{\"plain\" = 1}", "{plain = 1}");
  same("array<i64: 1, -2>");
  same("array<i8>");
  same("array<i1: true, false>");
  form("array<i1: 1, 0>", "array<i1: true, false>");
  same("array<f32: 1.0, 0x7FC00000>");
  same("array<f64: 1.0e-300>");
}

static void dense(void **state) {
  (void)state;
  same("dense<3> : tensor<4xi8>");
  form("dense<[3, 3]> : tensor<2xi8>", "dense<3> : tensor<2xi8>");
  same("dense<[[1, 2], [3, -4]]> : tensor<2x2xi4>");
  same("dense<> : tensor<0x4xf32>");
  form("dense<[[], []]> : tensor<2x0xf32>", "dense<> : tensor<2x0xf32>");
  form("dense<1> : tensor<0xf32>", "dense<> : tensor<0xf32>");
  same("dense<1.5> : tensor<f32>");
  same("dense<[true, false, true]> : tensor<3xi1>");
  same("dense<[1.0, 0x7F800000, -0.0, 1.0e-45]> : tensor<4xf32>");
  same("dense<[0.5, -6.0]> : tensor<2xf4E2M1FN>");
  same("dense<[200, 3]> : tensor<2x!quant.uniform<u8:f32, 0.5>>");
  same("dense<[18446744073709551615, 0]> : tensor<2xui64>");
  form("dense<[255, 0]> : tensor<2xi8>", "dense<[-1, 0]> : tensor<2xi8>");
  form("dense<[1, // two >\n 2]> : tensor<2xi8>", "dense<[1, 2]> : tensor<2xi8>");
}

static void hex(void **state) {
  (void)state;
  form("dense<\"0x0102030F\"> : tensor<4xi4>", "dense<[1, 2, 3, -1]> : tensor<4xi4>");
  form("dense<\"0x0502\"> : tensor<10xi1>",
       "dense<[true, false, true, false, false, false, false, false, false, true]> : tensor<10xi1>");
  form("dense<\"0xFF\"> : tensor<20xi1>", "dense<true> : tensor<20xi1>");
  form("dense<\"0x0100FFff\"> : tensor<2xi16>", "dense<[1, -1]> : tensor<2xi16>");
  form("dense<\"0x0000803F\"> : tensor<3xf32>", "dense<1.0> : tensor<3xf32>");
  form("dense<\"0x\"> : tensor<0xf32>", "dense<> : tensor<0xf32>");
  /* Above a hundred elements the printer writes bytes. */
  char text[2048] = "dense<[0";
  for (int i = 1; i < 150; i++) snprintf(text + strlen(text), sizeof text - strlen(text), ", %d", i % 7 - 3);
  strcat(text, "]> : tensor<150xi4>");
  qn_attr a = read(text);
  char *printed = print(a, false, false);
  assert_memory_equal(printed, "dense<\"0x000E0F", 14);
  assert_int_equal(read(printed).id, a.id);
  free(printed);
}

/* All 2^16 halves and all bytes of the small floats keep their bits. */
static void every_bit(void **state) {
  (void)state;
  static const qn_scalar kinds[] = {QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_F4E2M1FN, QN_F8E8M0FNU};
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    unsigned bits = qn_scalar_get(kinds[k])->bits;
    int64_t n = INT64_C(1) << bits;
    uint16_t *wide = calloc((size_t)n, 2);
    uint8_t *narrow = (uint8_t *)wide;
    for (int64_t i = 0; i < n; i++) {
      if (bits == 16)
        wide[i] = (uint16_t)i;
      else if (bits == 8)
        narrow[i] = (uint8_t)i;
      else
        narrow[i / 2] = (uint8_t)(narrow[i / 2] | i << i % 2 * 4);
    }
    qn_attr a = qn_attr_dense(m, qn_type_tensor(ctx, qn_type_scalar(ctx, kinds[k]), 1, &n), wide);
    free(wide);
    /* As a list of numbers, a hundred at a time. */
    for (int64_t from = 0; from < n; from += 100) {
      int64_t count = n - from < 100 ? n - from : 100;
      qn_tensor part = {.elem = kinds[k], .rank = 1, .shape = {count}};
      part.data = calloc((size_t)count, 8);
      qn_tensor all;
      assert_true(qn_attr_dense_tensor(m, a, &all));
      for (int64_t i = 0; i < count; i++) {
        size_t width = bits / 8;
        if (width)
          memcpy((char *)part.data + (size_t)i * width, (char *)all.data + (size_t)(from + i) * width, width);
        else
          qn_tensor_set_f64(&part, i, qn_tensor_get_f64(&all, from + i));
      }
      qn_attr piece = qn_attr_dense(m, qn_type_tensor(ctx, qn_type_scalar(ctx, kinds[k]), 1, &count), part.data);
      free(part.data);
      char *printed = print(piece, false, false);
      assert_int_equal(read(printed).id, piece.id);
      free(printed);
    }
  }
}

static void refused(void **state) {
  (void)state;
  static const struct {
    const char *text;
    qn_diag_code code;
    uint32_t col;
    const char *words;
  } cases[] = {
      {"", QN_DIAG_SYNTAX, 1, "expected an attribute"},
      {"- x", QN_DIAG_SYNTAX, 3, "number"},
      {"3 : f31", QN_DIAG_SYNTAX, 5, "type"},
      {"3 : tensor<4xi8>", QN_DIAG_ATTRIBUTE, 5, "integer or a float type"},
      {"300 : i8", QN_DIAG_OVERFLOW, 1, "does not fit i8"},
      {"-1 : ui8", QN_DIAG_OVERFLOW, 1, "does not fit ui8"},
      {"200 : si8", QN_DIAG_OVERFLOW, 1, "does not fit si8"},
      {"18446744073709551616 : ui64", QN_DIAG_OVERFLOW, 1, "64 bits"},
      {"-9223372036854775809", QN_DIAG_OVERFLOW, 1, "64 bits"},
      {"1.5 : i8", QN_DIAG_ATTRIBUTE, 1, "integer type"},
      {"1.0e400", QN_DIAG_OVERFLOW, 1, "does not fit f64"},
      {"1.0e6 : f16", QN_DIAG_OVERFLOW, 1, "does not fit f16"},
      {"-1.0 : f8E8M0FNU", QN_DIAG_OVERFLOW, 1, "negative"},
      {"0x123456789 : f32", QN_DIAG_SYNTAX, 1, "f32"},
      {"-0x10 : f32", QN_DIAG_SYNTAX, 1, "sign"},
      {"\"a\\q\"", QN_DIAG_SYNTAX, 1, "escape"},
      {"[1, 2", QN_DIAG_SYNTAX, 6, "']'"},
      {"[1,]", QN_DIAG_SYNTAX, 4, "attribute"},
      {"{a = 1, a = 2}", QN_DIAG_REDEFINED, 9, "'a' is given twice"},
      {"{1 = 2}", QN_DIAG_SYNTAX, 2, "name"},
      {"{\"\" = 2}", QN_DIAG_ATTRIBUTE, 2, "empty"},
      {"@\"\"", QN_DIAG_SYNTAX, 1, "empty"},
      {"@a::@b", QN_DIAG_UNSUPPORTED, 3, "symbol inside"},
      {"#nope", QN_DIAG_UNDEFINED, 1, "alias #nope"},
      {"#foo.bar<(>", QN_DIAG_SYNTAX, 1, "brackets"},
      {"array<i7: 1>", QN_DIAG_SYNTAX, 7, "element type"},
      {"array<i8: 300>", QN_DIAG_OVERFLOW, 11, "does not fit i8"},
      {"array<i64: 1", QN_DIAG_SYNTAX, 13, "'>'"},
      {"dense<1>", QN_DIAG_SYNTAX, 9, "':'"},
      {"dense<1 : tensor<4xi8>", QN_DIAG_SYNTAX, 1, "brackets"},
      {"dense<1> : i8", QN_DIAG_ATTRIBUTE, 12, "tensor type"},
      {"dense<1> : tensor<?xi8>", QN_DIAG_ATTRIBUTE, 12, "fixed sizes"},
      {"dense<[1, 2, 3]> : tensor<2xi8>", QN_DIAG_SHAPE, 14, "more than the 2"},
      {"dense<[1, 2]> : tensor<3xi8>", QN_DIAG_SHAPE, 7, "2 entries"},
      {"dense<[1, 2]> : tensor<2x1xi8>", QN_DIAG_SYNTAX, 8, "'['"},
      {"dense<[[1], [2]]> : tensor<2xi8>", QN_DIAG_SYNTAX, 8, "integer"},
      {"dense<[1]> : tensor<i8>", QN_DIAG_SYNTAX, 7, "no dimensions"},
      {"dense<[1]> : tensor<1000000000000xi8>", QN_DIAG_SHAPE, 1, "fewer elements"},
      {"dense<> : tensor<2xi8>", QN_DIAG_SHAPE, 1, "no elements"},
      {"dense<true> : tensor<2xi8>", QN_DIAG_SYNTAX, 7, "only i1"},
      {"dense<1.5> : tensor<2xi8>", QN_DIAG_SYNTAX, 7, "integer"},
      {"dense<300> : tensor<2xi8>", QN_DIAG_OVERFLOW, 7, "does not fit i8"},
      {"dense<\"0x0\"> : tensor<2xi8>", QN_DIAG_ATTRIBUTE, 7, "two hexadecimal"},
      {"dense<\"0x010203\"> : tensor<2xi8>", QN_DIAG_ATTRIBUTE, 7, "3 bytes"},
      {"dense<\"0x01\"> : tensor<20xi1>", QN_DIAG_ATTRIBUTE, 7, "1 bytes"},
      {"dense_resource<k> : tensor<4xf32>", QN_DIAG_MISSING, 16, "'k'"},
      {"dense_resource<> : tensor<4xf32>", QN_DIAG_SYNTAX, 16, "resource's name"},
      {"sparse<1>", QN_DIAG_SYNTAX, 1, "attribute"},
      {"1 2", QN_DIAG_SYNTAX, 3, "end of the text"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    memset(&text_diags, 0, sizeof text_diags);
    assert_int_equal(qn_parse_attr(m, qn_str_of(cases[i].text)).id, 0);
    const text_diag *d = &text_diags.at[0];
    if (text_diags.errors != 1 || d->code != cases[i].code || d->col != cases[i].col ||
        !strstr(d->message, cases[i].words))
      fail_msg("'%s': %u errors, %s at %u: %s", cases[i].text, (unsigned)text_diags.errors, qn_diag_name(d->code),
               (unsigned)d->col, d->message);
  }
}

static void too_deep(void **state) {
  (void)state;
  static char text[20000];
  memset(text, '[', 10000);
  assert_int_equal(qn_parse_attr(m, qn_str_of(text)).id, 0);
  assert_int_equal(text_diags.at[0].code, QN_DIAG_LIMIT);
  memset(text + 50, ']', 50);
  text[100] = 0;
  same(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(numbers, setup, teardown),
      cmocka_unit_test_setup_teardown(text_and_names, setup, teardown),
      cmocka_unit_test_setup_teardown(lists, setup, teardown),
      cmocka_unit_test_setup_teardown(dense, setup, teardown),
      cmocka_unit_test_setup_teardown(hex, setup, teardown),
      cmocka_unit_test_setup_teardown(every_bit, setup, teardown),
      cmocka_unit_test_setup_teardown(refused, setup, teardown),
      cmocka_unit_test_setup_teardown(too_deep, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
