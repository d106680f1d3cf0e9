/* Floats as text: everything printed reads back to its bits, nothing shorter would, and reading rounds once. */
#include "convert.h"
#include "floattext.h"
#include "unit.h"
#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static qn_str str(const char *s) {
  return (qn_str){s, strlen(s)};
}

static uint64_t next(uint64_t *u) {
  *u ^= *u << 13, *u ^= *u >> 7, *u ^= *u << 17;
  return *u;
}

/* Significant digits only, without zeros at either end. */
static int significant(const char *text, char *out) {
  int n = 0;
  for (; *text && *text != 'e'; text++) {
    if (*text >= '0' && *text <= '9' && (n || *text != '0')) out[n++] = *text;
  }
  while (n && out[n - 1] == '0') n--;
  out[n] = 0;
  return n;
}

/* MLIR's lexer: digits, a point, digits, maybe an exponent. */
static void check_spelling(const char *s) {
  if (*s == '-') s++;
  size_t n = strspn(s, "0123456789");
  assert_true(n > 0 && s[n] == '.');
  s += n + 1;
  n = strspn(s, "0123456789");
  assert_true(n > 0);
  s += n;
  if (*s == 'e') {
    s += s[1] == '-' ? 2 : 1;
    n = strspn(s, "0123456789");
    assert_true(n > 0);
    s += n;
  }
  assert_int_equal(*s, 0);
}

static void check_f32(float x) {
  char text[QN__FLOAT_TEXT], other[64], mine[QN__FLOAT_TEXT], theirs[64];
  size_t n = qn__f32_print(text, x);
  assert_int_equal(n, strlen(text));
  float back = 0;
  assert_true(qn__f32_read((qn_str){text, n}, &back));
  assert_int_equal(qn__f32_bits(back), qn__f32_bits(x));
  check_spelling(text);
  int digits = 1;
  for (; digits < 9; digits++) {
    snprintf(other, sizeof other, "%.*e", digits - 1, (double)x);
    if (strtof(other, NULL) == x) break;
  }
  snprintf(other, sizeof other, "%.*e", digits - 1, (double)x);
  int a = significant(text, mine), b = significant(other, theirs);
  if (a > b) fail_msg("%s is longer than %s", text, other);
  /* Of the shortest, the nearest; the C library's may be equally near on the other side. */
  if (a == b) assert_true(fabs(strtod(text, NULL) - (double)x) <= fabs(strtod(other, NULL) - (double)x));
}

static void test_print_f32(void **state) {
  (void)state;
  for (uint32_t u = 0; u < 0x7F800000u; u += 65521 - u % 7) check_f32(qn__f32_of_bits(u));
  for (uint32_t e = 1; e < 255; e++) { /* around powers of two, where the interval is lopsided */
    for (uint32_t d = 0; d < 5; d++) check_f32(-qn__f32_of_bits((e << 23) + d - 2));
  }
  for (uint32_t u = 1; u < 3000; u++) check_f32(qn__f32_of_bits(u));
  for (int i = 0; i < 20000; i++) check_f32((float)i * 0.001f);
}

static void check_f64(double x) {
  char text[QN__FLOAT_TEXT], other[64], mine[QN__FLOAT_TEXT], theirs[64];
  size_t n = qn__f64_print(text, x);
  double back = 0;
  assert_true(qn__f64_read((qn_str){text, n}, &back));
  assert_int_equal(qn__f64_bits(back), qn__f64_bits(x));
  assert_true(strtod(text, NULL) == x);
  check_spelling(text);
  int digits = 1;
  for (; digits < 17; digits++) {
    snprintf(other, sizeof other, "%.*e", digits - 1, x);
    if (strtod(other, NULL) == x) break;
  }
  snprintf(other, sizeof other, "%.*e", digits - 1, x);
  if (significant(text, mine) > significant(other, theirs)) fail_msg("%s is longer than %s", text, other);
}

static void test_print_f64(void **state) {
  (void)state;
  uint64_t u = 31;
  for (int i = 0; i < 8000; i++) {
    uint64_t bits = next(&u) & ~((uint64_t)1 << 63);
    if (bits >= (uint64_t)0x7FF << 52) continue;
    check_f64(qn__f64_of_bits(bits));
  }
  for (uint64_t e = 1; e < 2047; e += 3) {
    for (uint64_t d = 0; d < 3; d++) check_f64(qn__f64_of_bits((e << 52) + d - 1));
  }
  for (int i = -300; i < 300; i += 7) check_f64(i * 0.01);
  for (int i = -323; i <= 308; i++) check_f64(pow(10, i));
  for (uint64_t i = 1; i < 50; i++) check_f64(qn__f64_of_bits(i));
}

static void test_spelling(void **state) {
  (void)state;
  static const struct {
    float x;
    const char *text;
  } rows[] = {{0, "0.0"},
              {-0.0f, "-0.0"},
              {1, "1.0"},
              {-2.5f, "-2.5"},
              {0.0236f, "0.0236"},
              {1e-5f, "1.0e-5"},
              {1e-4f, "0.0001"},
              {1.5e-7f, "1.5e-7"},
              {200, "200.0"},
              {123456, "123456.0"},
              {1e8f, "100000000.0"},
              {1e9f, "1.0e9"},
              {1e-45f, "1.0e-45"},
              {3.4028235e38f, "3.4028235e38"},
              {0.1f, "0.1"},
              {16777216, "16777216.0"},
              {INFINITY, "0x7F800000"},
              {-INFINITY, "0xFF800000"}};
  char text[QN__FLOAT_TEXT];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    qn__f32_print(text, rows[i].x);
    assert_string_equal(text, rows[i].text);
  }
  qn__f64_print(text, 0.1);
  assert_string_equal(text, "0.1");
  qn__f64_print(text, 5e-324);
  assert_string_equal(text, "5.0e-324");
  qn__f64_print(text, -1.7976931348623157e308);
  assert_string_equal(text, "-1.7976931348623157e308");
  qn__f64_print(text, 9007199254740993.0);
  assert_string_equal(text, "9007199254740992.0");
  qn__f64_print(text, 1e23);
  assert_string_equal(text, "1.0e23");
  qn__f64_print(text, -INFINITY);
  assert_string_equal(text, "0xFFF0000000000000");
  qn__f32_print_hex(text, 1.5f);
  assert_string_equal(text, "0x1.8p+0");
  qn__f32_print_hex(text, -0.0f);
  assert_string_equal(text, "-0x0p+0");
  qn__f32_print_hex(text, 1e-45f);
  assert_string_equal(text, "0x1p-149");
  qn__f64_print_hex(text, -0.1);
  assert_string_equal(text, "-0x1.999999999999ap-4");
  qn__f32_print_hex(text, INFINITY);
  assert_string_equal(text, "0x7F800000");
}

/* Every code of every small format, whatever its value. */
static void test_small_formats(void **state) {
  (void)state;
  static const qn_scalar formats[] = {QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_F4E2M1FN, QN_F8E8M0FNU};
  char text[QN__FLOAT_TEXT];
  for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
    for (uint64_t code = 0; code < (uint64_t)1 << qn_scalar_get(formats[k])->bits; code++) {
      size_t n = qn__float_print(text, formats[k], code);
      uint64_t back = ~code;
      assert_true(qn__float_read(formats[k], (qn_str){text, n}, &back));
      assert_int_equal(back, code);
    }
  }
  uint64_t bits = 0;
  /* Rounded once: through f32 this would be the tie 1 + 2^-11 and go down to 1 */
  assert_true(qn__float_read(QN_F16, str("1.00048828125000000001"), &bits));
  assert_int_equal(bits, 0x3C01);
  assert_true(qn__float_read(QN_F16, str("1.00048828125"), &bits));
  assert_int_equal(bits, 0x3C00);
  assert_false(qn__float_read(QN_I8, str("1.0"), &bits));
  assert_true(qn__float_read(QN_F8E4M3FN, str("0x7E"), &bits) && bits == 0x7E);
  assert_false(qn__float_read(QN_F8E4M3FN, str("0x17E"), &bits));
}

static void test_read(void **state) {
  (void)state;
  static const struct {
    const char *text;
    float x;
  } good[] = {{"1", 1},
              {"1.", 1},
              {".5", 0.5f},
              {"+2.5", 2.5f},
              {"-.5e-3", -.5e-3f},
              {"1e5", 1e5f},
              {"1E+5", 1e5f},
              {"00012.50", 12.5f},
              {"0x1.8p3", 12},
              {"-0x.8P-1", -0.25f},
              {"0x3f800000", 1},
              {"0x1", 1e-45f},
              {"inf", INFINITY},
              {"-inf", -INFINITY},
              {"1e40", INFINITY},
              {"-1e99999999999999999999", -INFINITY},
              {"1e-50", 0},
              {"-1e-99999999999999999999", -0.0f},
              {"0e999999999999", 0},
              {"3.4028235677973366e38", 3.4028235e38f},
              {"3.4028235677973367e38", INFINITY},
              {"7.006492321624085e-46", 0},
              {"7.006492321624086e-46", 1e-45f},
              {"0x1.fffffefffffffffffffffp0", 0x1.fffffep0f},
              {"0x1.ffffffp0", 2},
              {"0x1.0000010000000000000000000000001p0", 0x1.000002p0f},
              {"0x1p-99999999999", 0},
              /* 1 + 2^-24 is a tie; anything more, however far out, goes up; double rounding would lose it */
              {"1.000000059604644775390625", 1},
              {"1.00000005960464477539062500000000000000000000000000000000000000000000000001", 0x1.000002p0f},
              {"1.00000005960464477539062499999999999999999999999999999999999999999999999999", 1}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    float x = 42;
    assert_true(qn__f32_read(str(good[i].text), &x));
    if (qn__f32_bits(x) != qn__f32_bits(good[i].x)) fail_msg("%s read as %a", good[i].text, (double)x);
  }
  static const char *const bad[] = {
      "",         ".",     "-",    "e5", "1e", "1e+", "1.5x", "0x",  "0x12345678900000000", "-0x1", "1..5", "--1", "in",
      "infinity", "0x1.8", "0xp3", "1 ", " 1", "1,5", "nano", "0x1p"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    float x = 42;
    double d = 42;
    if (qn__f32_read(str(bad[i]), &x) || qn__f64_read(str(bad[i]), &d)) fail_msg("'%s' was read", bad[i]);
    assert_true(x == 42 && d == 42);
  }
  float x = 0;
  assert_true(qn__f32_read(str("nan"), &x) && isnan(x));
  assert_true(qn__f32_read(str("0x7FC00001"), &x) && qn__f32_bits(x) == 0x7FC00001u);
  assert_true(qn__f32_read((qn_str){"1.5garbage", 3}, &x) && x == 1.5f);
  assert_false(qn__f32_read((qn_str){NULL, 0}, &x));
}

/* Against the C library, over digit counts, exponents and exact ties with up to 800 digits. */
static void test_read_against_libc(void **state) {
  (void)state;
  uint64_t u = 7;
  char text[1200];
  for (int i = 0; i < 60000; i++) {
    double x = qn__f64_of_bits(next(&u));
    if (i & 1) x = (double)qn__f32_of_bits((uint32_t)next(&u));
    if (x - x != 0) continue;
    snprintf(text, sizeof text, "%.*e", (int)(next(&u) % 45), x);
    float f;
    double d;
    assert_true(qn__f32_read(str(text), &f) && qn__f32_bits(f) == qn__f32_bits(strtof(text, NULL)));
    assert_true(qn__f64_read(str(text), &d) && qn__f64_bits(d) == qn__f64_bits(strtod(text, NULL)));
  }
  for (int i = 0; i < 300; i++) { /* the exact middle between two doubles, then a digit more */
    uint64_t bits = next(&u) % ((uint64_t)0x7FE << 52);
    if (i % 3 == 0) bits %= (uint64_t)1 << 52;
    char low[900], *digits = text;
    long double a = (long double)qn__f64_of_bits(bits), b = (long double)qn__f64_of_bits(bits + 1);
    int n = snprintf(digits, sizeof text, "%.780Le", a + (b - a) / 2);
    assert_in_range(n, 780, 800);
    double d = 0;
    assert_true(qn__f64_read(str(text), &d) && qn__f64_bits(d) == qn__f64_bits(strtod(text, NULL)));
    memcpy(low, text, (size_t)n + 1);
    low[770] = low[770] == '9' ? '8' : (char)(low[770] + 1);
    assert_true(qn__f64_read(str(low), &d) && qn__f64_bits(d) == qn__f64_bits(strtod(low, NULL)));
  }
  memset(text, '9', 1100);
  memcpy(text + 1100, "e-1000", 7);
  double d = 0;
  assert_true(qn__f64_read(str(text), &d) && d == strtod(text, NULL));
  memset(text, '0', 1100);
  text[1] = '.';
  memcpy(text + 1100, "123e1100", 9);
  assert_true(qn__f64_read(str(text), &d) && d == strtod(text, NULL));
}

static void test_any_environment(void **state) {
  (void)state;
  fenv_t saved;
  fegetenv(&saved);
  fesetround(FE_DOWNWARD);
  float x = 0;
  char text[QN__FLOAT_TEXT], f64[QN__FLOAT_TEXT];
  qn__f32_read(str("0.1"), &x);
  qn__f32_print(text, 0x1.99999ap-4f);
  qn__f64_print(f64, 0x1.999999999999ap-4);
  fesetenv(&saved);
  assert_true(x == 0x1.99999ap-4f);
  assert_string_equal(text, "0.1");
  assert_string_equal(f64, "0.1");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_print_f32),      cmocka_unit_test(test_print_f64),
                                     cmocka_unit_test(test_spelling),       cmocka_unit_test(test_small_formats),
                                     cmocka_unit_test(test_read),           cmocka_unit_test(test_read_against_libc),
                                     cmocka_unit_test(test_any_environment)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
