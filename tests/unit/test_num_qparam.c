/* Scales and zero points, codes and back, and the exact-arithmetic facts that the rules rest on. */
#include "convert.h"
#include "unit.h"
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

static qn_qparams_request request(qn_scalar storage, qn_qscheme scheme, qn_qrange range) {
  qn_qparams_request r = qn_qparams_request_of(storage);
  r.scheme = scheme;
  r.range = range;
  return r;
}

static qn_qparams choose(const qn_qparams_request *r, float min, float max) {
  qn_qparams p = {-1, -1, -1, -1};
  const char *reason = NULL;
  assert_int_equal(qn_qparams_choose(r, min, max, &p, &reason), QN_OK);
  assert_null(reason);
  return p;
}

static void refused(const qn_qparams_request *r, float min, float max, const char *part) {
  qn_qparams p = {-1, -1, -1, -1};
  const char *reason = NULL;
  assert_int_equal(qn_qparams_choose(r, min, max, &p, &reason), QN_ERR_INPUT);
  assert_non_null(strstr(reason, part));
  assert_true(p.scale == -1 && p.qmax == -1);
  assert_int_equal(qn_qparams_choose(r, min, max, &p, NULL), QN_ERR_INPUT);
}

static void test_worked_examples(void **state) {
  (void)state;
  qn_qparams_request u8 = request(QN_UI8, QN_ASYMMETRIC, QN_RANGE_FULL);
  qn_qparams p = choose(&u8, -4.75f, 4.67f);
  assert_true(p.scale == (4.67f + 4.75f) / 255.0f);
  assert_int_equal(p.zero_point, 129);
  assert_int_equal(qn_quantize_f32(-3.57f, p, QN_ROUND_HALF_EVEN), 32);
  p.scale = 0.037f;
  assert_int_equal(qn_quantize_f32(-3.57f, p, QN_ROUND_HALF_EVEN), 33);

  static const float xs[] = {-2, -1, 0, 1, 3};
  static const int asymmetric[] = {0, 51, 102, 153, 255}, symmetric[] = {-85, -42, 0, 42, 127};
  float min, max;
  qn_range_f32(xs, 5, &min, &max);
  p = choose(&u8, min, max);
  assert_true(p.scale == 5.0f / 255.0f);
  assert_int_equal(p.zero_point, 102);
  for (int i = 0; i < 5; i++) assert_int_equal(qn_quantize_f32(xs[i], p, QN_ROUND_HALF_EVEN), asymmetric[i]);
  qn_qparams_request s8 = request(QN_I8, QN_SYMMETRIC, QN_RANGE_NARROW);
  p = choose(&s8, min, max);
  assert_true(p.scale == 3.0f / 127.0f);
  assert_int_equal(p.zero_point, 0);
  assert_int_equal(p.qmin, -127);
  for (int i = 0; i < 5; i++) assert_int_equal(qn_quantize_f32(xs[i], p, QN_ROUND_HALF_EVEN), symmetric[i]);
}

static void test_schemes(void **state) {
  (void)state;
  qn_qparams_request r = request(QN_UI8, QN_SYMMETRIC, QN_RANGE_FULL);
  qn_qparams p = choose(&r, -1, 2);
  assert_true(p.zero_point == 128 && p.qmin == 0 && p.qmax == 255 && p.scale == 2.0f / 127.0f);
  r.range = QN_RANGE_NARROW;
  assert_int_equal(choose(&r, -1, 2).qmin, 1);
  r = request(QN_I4, QN_SYMMETRIC, QN_RANGE_NARROW);
  p = choose(&r, -7, 3);
  assert_true(p.qmin == -7 && p.qmax == 7 && p.scale == 1);
  r.range = QN_RANGE_FULL;
  assert_int_equal(choose(&r, -7, 3).qmin, -8);
  r = request(QN_I16, QN_ASYMMETRIC, QN_RANGE_FULL);
  p = choose(&r, -1, 1);
  assert_true(p.qmin == -32768 && p.qmax == 32767 && p.scale == 2.0f / 65535.0f && p.zero_point == 0);
  /* Widened to contain 0 from either side */
  r = request(QN_UI8, QN_ASYMMETRIC, QN_RANGE_FULL);
  p = choose(&r, 1, 2);
  assert_true(p.zero_point == 0 && p.scale == 2.0f / 255.0f);
  p = choose(&r, -2, -1);
  assert_true(p.zero_point == 255 && p.scale == 2.0f / 255.0f);
  /* A caller's own codes */
  r.qmin = 16, r.qmax = 235;
  p = choose(&r, 0, 219);
  assert_true(p.zero_point == 16 && p.scale == 1 && p.qmin == 16 && p.qmax == 235);
  /* Small float storage */
  r = qn_qparams_request_of(QN_F8E4M3FN);
  p = choose(&r, -896, 3);
  assert_true(p.scale == 2 && p.zero_point == 0);
  assert_int_equal(qn_quantize_f8(-896, 2, QN_F8E4M3FN), 0xFE);
  assert_int_equal(qn_quantize_f8(NAN, 2, QN_F8E4M3FN), 0);
}

static void test_zero_and_floor(void **state) {
  (void)state;
  qn_qparams_request r = request(QN_UI8, QN_ASYMMETRIC, QN_RANGE_FULL);
  qn_qparams p = choose(&r, 0, -0.0f);
  assert_true(p.scale == 1 && p.zero_point == 0);
  r.qmin = 5, r.qmax = 200;
  assert_int_equal(choose(&r, 0, 0).zero_point, 5);
  r = request(QN_I8, QN_ASYMMETRIC, QN_RANGE_FULL);
  r.qmin = -100, r.qmax = -3;
  assert_int_equal(choose(&r, 0, 0).zero_point, -3);
  r = request(QN_UI8, QN_SYMMETRIC, QN_RANGE_FULL);
  p = choose(&r, 0, 0);
  assert_true(p.scale == 1 && p.zero_point == 128);
  r = request(QN_UI8, QN_ASYMMETRIC, QN_RANGE_FULL);
  static const struct {
    qn_scalar type;
    double floor;
  } rows[] = {{QN_F32, 0x1p-126},  {QN_SCALAR_NONE, 0x1p-126}, {QN_F16, 0x1p-14},
              {QN_BF16, 0x1p-126}, {QN_F8E8M0FNU, 0x1p-127},   {QN_F8E4M3FN, 0x1p-6}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    r.scale_type = rows[i].type;
    p = choose(&r, -1e-45f, 1e-44f);
    assert_true((double)p.scale == rows[i].floor);
  }
  r.scale_type = QN_F16; /* rounded to what the type holds, and the zero point computed from that */
  p = choose(&r, -4.75f, 4.67f);
  assert_true(p.scale == qn_f16_to_f32(qn_f16_from_f32((4.67f + 4.75f) / 255.0f)));
  assert_int_equal(p.zero_point, (int)nearbyintf(4.75f / p.scale));
  r.scale_type = QN_F8E8M0FNU;
  assert_true(choose(&r, 0, 255.0f * 0.7f).scale == 0.5f);
}

static void test_refusals(void **state) {
  (void)state;
  qn_qparams_request r = request(QN_UI8, QN_ASYMMETRIC, QN_RANGE_FULL);
  refused(&r, NAN, 1, "not finite");
  refused(&r, -1, INFINITY, "not finite");
  refused(&r, 2, 1, "above");
  refused(&r, -FLT_MAX, FLT_MAX, "too wide");
  r.range = QN_RANGE_NARROW;
  refused(&r, -1, 1, "narrow");
  r = request(QN_UI8, QN_SYMMETRIC, QN_RANGE_FULL);
  r.qmin = 130, r.qmax = 255;
  refused(&r, -1, 1, "zero point");
  r.qmin = 10, r.qmax = 10;
  refused(&r, -1, 1, "less than");
  r.qmin = -1, r.qmax = 10;
  refused(&r, -1, 1, "within the storage");
  r = request(QN_I32, QN_ASYMMETRIC, QN_RANGE_FULL);
  refused(&r, -1, 1, "2 to 16 bits");
  r = request(QN_UI8, QN_ASYMMETRIC, QN_RANGE_FULL);
  r.scale_type = QN_I8;
  refused(&r, -1, 1, "stored as");
  r.scale_type = QN_F16;
  refused(&r, 0, 1e30f, "too large");
  const char *reason = NULL;
  assert_int_equal(qn_qparams_check(&(qn_qparams){1, 5, 0, 255}, &reason), QN_OK);
  assert_int_equal(qn_qparams_check(&(qn_qparams){0, 5, 0, 255}, &reason), QN_ERR_INPUT);
  assert_int_equal(qn_qparams_check(&(qn_qparams){NAN, 5, 0, 255}, &reason), QN_ERR_INPUT);
  assert_int_equal(qn_qparams_check(&(qn_qparams){INFINITY, 5, 0, 255}, &reason), QN_ERR_INPUT);
  assert_int_equal(qn_qparams_check(&(qn_qparams){1, 256, 0, 255}, &reason), QN_ERR_INPUT);
  assert_int_equal(qn_qparams_check(&(qn_qparams){1, 5, 9, 9}, &reason), QN_ERR_INPUT);
  assert_int_equal(qn_qparams_check(&(qn_qparams){1, 5, INT32_MIN, INT32_MAX}, &reason), QN_ERR_INPUT);
}

static void test_dynamic(void **state) {
  (void)state;
  qn_qparams_request r = request(QN_UI8, QN_ASYMMETRIC, QN_RANGE_FULL);
  r.dynamic = true;
  qn_qparams p = choose(&r, -INFINITY, INFINITY);
  assert_true(p.scale == FLT_MAX / 255.0f && p.zero_point == 128);
  p = choose(&r, NAN, 2);
  assert_true(p.scale == 2.0f / 255.0f && p.zero_point == 0);
  float min, max;
  static const float xs[] = {NAN, -1, NAN, 3, NAN};
  qn_range_f32(xs, 5, &min, &max);
  assert_true(min == -1 && max == 3);
  qn_range_f32(xs, 1, &min, &max);
  assert_true(min == 0 && max == 0);
  qn_range_f32(xs, 0, &min, &max);
  assert_true(min == 0 && max == 0);
  /* The numbers of ONNX's DynamicQuantizeLinear node tests */
  p = choose(&r, -2.5f, 2.0f);
  assert_int_equal(p.zero_point, 142);
  p = choose(&r, -4.0f, -1.0f);
  assert_int_equal(p.zero_point, 255);
  p = choose(&r, 0.0f, 4.0f);
  assert_int_equal(p.zero_point, 0);
  fenv_t saved;
  fegetenv(&saved);
  fesetround(FE_UPWARD);
  qn_qparams q = choose(&r, -4.75f, 4.67f);
  int mode = fegetround();
  fesetenv(&saved);
  assert_int_equal(mode, FE_UPWARD);
  assert_true(q.scale == (4.67f + 4.75f) / 255.0f);
}

static void test_quantize(void **state) {
  (void)state;
  qn_qparams p = {1, 3, -8, 7};
  assert_int_equal(qn_quantize_f32(NAN, p, QN_ROUND_HALF_EVEN), 3);
  assert_int_equal(qn_quantize_f32(INFINITY, p, QN_ROUND_HALF_EVEN), 7);
  assert_int_equal(qn_quantize_f32(-INFINITY, p, QN_ROUND_HALF_EVEN), -8);
  assert_int_equal(qn_quantize_f32(0.5f, p, QN_ROUND_HALF_EVEN), 3);
  assert_int_equal(qn_quantize_f32(1.5f, p, QN_ROUND_HALF_EVEN), 5);
  assert_int_equal(qn_quantize_f32(0.5f, p, QN_ROUND_HALF_AWAY), 4);
  assert_int_equal(qn_quantize_f32(-0.5f, p, QN_ROUND_HALF_AWAY), 2);
  assert_int_equal(qn_quantize_f32(-1.5f, p, QN_ROUND_HALF_EVEN), 1);
  assert_int_equal(qn_quantize_f32(0x1.fffffep-2f, p, QN_ROUND_HALF_AWAY), 3);
  /* Every code returns through dequantize */
  static const qn_qparams all[] = {{0.0236f, 102, 0, 255},
                                   {3.0f / 127, 0, -127, 127},
                                   {1e-30f, -7, -32768, 32767},
                                   {0x1p-126f, 65535, 0, 65535},
                                   {1e33f, 0, -8, 7}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    for (int32_t q = all[i].qmin; q <= all[i].qmax; q++) {
      float x = qn_dequantize_f32(q, all[i]);
      assert_int_equal(qn_quantize_f32(x, all[i], QN_ROUND_HALF_EVEN), q);
      assert_int_equal(qn_quantize_f32(x, all[i], QN_ROUND_HALF_AWAY), q);
    }
  }
  assert_true(qn_dequantize_f32(INT32_MIN, (qn_qparams){1, 1, 0, 0}) == -2147483648.0f);
  int32_t b = 7;
  assert_true(qn_quantize_bias(0.5, 1, 1, &b) && b == 0);
  assert_true(qn_quantize_bias(-1.5, 1, 1, &b) && b == -2);
  assert_true(qn_quantize_bias(2147483647.0, 1, 1, &b) && b == INT32_MAX);
  assert_true(qn_quantize_bias(-2147483648.0, 1, 1, &b) && b == INT32_MIN);
  b = 7;
  assert_false(qn_quantize_bias(2147483647.5, 1, 1, &b));
  assert_false(qn_quantize_bias(1, 1e-20f, 1e-20f, &b));
  assert_false(qn_quantize_bias(NAN, 1, 1, &b));
  assert_false(qn_quantize_bias(0, 0, 1, &b));
  assert_int_equal(b, 7);
}

/* Nearest integer to n/d, ties to even, in integers. */
static int64_t rne(int64_t n, int64_t d) {
  int64_t floor = n >= 0 ? n / d : -((-n + d - 1) / d), rest = n - floor * d;
  if (2 * rest != d) return floor + (2 * rest > d);
  return floor + (floor & 1);
}

/* In rationals, rounding before or after adding z differs at ties with odd z, and nowhere else. */
static void test_order_of_rounding(void **state) {
  (void)state;
  int differ = 0, listed = 0;
  for (int64_t d = 1; d <= 24; d++) {
    for (int64_t n = -30 * d; n <= 30 * d; n++) {
      for (int64_t z = -9; z <= 9; z++) {
        bool tie = (2 * n) % d == 0 && n % d != 0, odd = z % 2 != 0;
        bool differs = rne(n, d) + z != rne(n + z * d, d);
        assert_int_equal(differs, tie && odd);
        differ += differs;
        listed += tie && odd;
      }
    }
  }
  assert_int_equal(differ, listed);
  assert_true(differ > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_worked_examples),  cmocka_unit_test(test_schemes),
                                     cmocka_unit_test(test_zero_and_floor),   cmocka_unit_test(test_refusals),
                                     cmocka_unit_test(test_dynamic),          cmocka_unit_test(test_quantize),
                                     cmocka_unit_test(test_order_of_rounding)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
