/* The element-wise contract, sums, emulated fma, the floating-point guard, and element access by type. */
#include "elementwise.h"
#include "fpenv.h"
#include "scalar.h"
#include "unit.h"
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>

static uint64_t next(uint64_t *u) {
  *u ^= *u << 13, *u ^= *u >> 7, *u ^= *u << 17;
  return *u;
}

static bool same(float a, float b) {
  return qn__f32_bits(a) == qn__f32_bits(b) || (isnan(a) && isnan(b));
}

static void test_fma(void **state) {
  (void)state;
  static const uint32_t special[] = {0,           0x80000000u, 1,           0x80000001u, 0x007FFFFFu, 0x00800000u,
                                     0x3F800000u, 0xBF800000u, 0x3F800001u, 0x7F7FFFFFu, 0xFF7FFFFFu, 0x7F800000u,
                                     0xFF800000u, 0x7FC00000u, 0x4B800000u, 0x33800000u, 0x3F7FFFFFu};
  enum { N = sizeof special / sizeof *special };
  for (int i = 0; i < N * N * N; i++) {
    float a = qn__f32_of_bits(special[i % N]), b = qn__f32_of_bits(special[i / N % N]);
    float c = qn__f32_of_bits(special[i / N / N]);
    assert_true(same(qn__f32_fma_emulated(a, b, c), fmaf(a, b, c)));
  }
  uint64_t u = 99;
  for (int i = 0; i < 2000000; i++) {
    uint32_t x = (uint32_t)next(&u), y = (uint32_t)next(&u), z = (uint32_t)next(&u);
    if (i & 1) { /* exponents close together, mantissas short: ties and cancellation */
      x = (x & 0x807FF000u) | (120 + x % 16) << 23;
      y = (y & 0x807FF000u) | (120 + y % 16) << 23;
      z = (z & 0x807FFFFFu) | (90 + z % 60) << 23;
    }
    float a = qn__f32_of_bits(x), b = qn__f32_of_bits(y), c = qn__f32_of_bits(z);
    if (i % 16 == 5) c = -(a * b);
    assert_true(same(qn__f32_fma_emulated(a, b, c), fmaf(a, b, c)));
  }
  /* (1 + k e)(1 - k e) 2^-24 is so little below half a unit of c that the double sum is the tie itself: rounding it
   * again goes the wrong way for odd c. With c negative the exact sum lies on the tie's other side. */
  int twice = 0;
  for (uint32_t i = 0; i < 20000; i++) {
    float k = (float)(1 + i % 7) * 0x1p-23f, a = 1 + k, b = (1 - k) * 0x1p-24f;
    float c = qn__f32_of_bits(0x3F800000u + i * 211u % 0x7FFFFFu);
    for (int sign = 0; sign < 2; sign++, c = -c) {
      assert_true(same(qn__f32_fma_emulated(a, b, c), fmaf(a, b, c)));
      twice += !same((float)((double)a * (double)b + (double)c), fmaf(a, b, c));
    }
  }
  assert_true(twice > 1000);
}

static void test_float_to_int(void **state) {
  (void)state;
  assert_int_equal(qn__f64_to_int(NAN, 8, true), 0);
  assert_int_equal(qn__f64_to_int(1e300, 8, true), 127);
  assert_int_equal(qn__f64_to_int(-INFINITY, 8, true), -128);
  assert_int_equal(qn__f64_to_int(127.9, 8, true), 127);
  assert_int_equal(qn__f64_to_int(-128.9, 8, true), -128);
  assert_int_equal(qn__f64_to_int(-1.9, 8, true), -1);
  assert_int_equal(qn__f64_to_int(-0.9, 8, false), 0);
  assert_int_equal(qn__f64_to_int(255.5, 8, false), 255);
  assert_int_equal(qn__f64_to_int(-5, 8, false), 0);
  assert_int_equal(qn__f64_to_int(0x1p63, 64, true), INT64_MAX);
  assert_int_equal(qn__f64_to_int(-0x1p63, 64, true), INT64_MIN);
  assert_int_equal(qn__f64_to_int(0x1.8p63, 64, false), (int64_t)0xC000000000000000u);
  assert_int_equal(qn__f64_to_int(0x1p64, 64, false), -1);
  assert_int_equal(qn__f64_to_int(2147483648.0, 32, true), INT32_MAX);
  assert_int_equal(qn__f64_to_int(5, 1, true), 0);
  assert_int_equal(qn__f64_to_int(5, 1, false), 1);
}

static void test_division(void **state) {
  (void)state;
  for (int a = -128; a < 128; a++) {
    for (int b = -128; b < 128; b++) {
      int want = b == 0 ? 0 : a / b;
      assert_int_equal(qn__int_div(a, b, 8, true), (int8_t)want);
      assert_int_equal(qn__int_rem(a, b, 8, true), b == 0 ? a : a % b);
      int ua = a & 255, ub = b & 255;
      assert_int_equal(qn__int_div(ua, ub, 8, false), ub ? ua / ub : 0);
      assert_int_equal(qn__int_rem(ua, ub, 8, false), ub ? ua % ub : ua);
    }
  }
  assert_int_equal(qn__int_div(INT64_MIN, -1, 64, true), INT64_MIN);
  assert_int_equal(qn__int_rem(INT64_MIN, -1, 64, true), 0);
  assert_int_equal(qn__int_div(INT32_MIN, -1, 32, true), INT32_MIN);
  assert_int_equal(qn__int_div(-1, 2, 64, false), INT64_MAX);
  assert_int_equal(qn__int_wrap(200, 8, true), -56);
  assert_int_equal(qn__int_wrap(-1, 4, false), 15);
  assert_int_equal(qn__int_wrap(7, 3, true), -1);
  assert_int_equal(qn__int_wrap(INT64_MIN, 64, true), INT64_MIN);
}

static void test_sums(void **state) {
  (void)state;
  enum { MAX = 300 };
  static float x[2 * MAX];
  uint64_t u = 5;
  for (int i = 0; i < 2 * MAX; i++) x[i] = (float)((double)(int64_t)next(&u) * 0x1p-63);
  for (size_t n = 0; n <= MAX; n++) {
    float p[32] = {0};
    for (size_t i = 0; i < n; i++) p[i & 31] = p[i & 31] + x[2 * i];
    float p16[16], p8[8], p4[4];
    for (int i = 0; i < 16; i++) p16[i] = p[i] + p[i + 16];
    for (int i = 0; i < 8; i++) p8[i] = p16[i] + p16[i + 8];
    for (int i = 0; i < 4; i++) p4[i] = p8[i] + p8[i + 4];
    float want = (p4[0] + p4[2]) + (p4[1] + p4[3]);
    assert_true(same(qn__f32_sum(x, n, 2), want));
  }
  assert_true(same(qn__f32_sum(x, 0, 1), 0));
  static const float minus[] = {-0.0f};
  assert_true(same(qn__f32_sum(minus, 1, 1), 0)); /* partials start from +0 */
  static const double d[] = {1e16, 1, -1e16, 1};
  assert_true(qn__f64_sum(d, 4, 1) == (1e16 + -1e16) + (1.0 + 1.0));
  static const float a[] = {0x1.000002p0f, 3, -2}, b[] = {0x1.000002p0f, 5, 7};
  assert_true(same(qn__f32_dot(0, a, 1, b, 1, 3), fmaf(-2, 7, fmaf(3, 5, 0x1.000002p0f * 0x1.000002p0f))));
  assert_true(same(qn__f32_dot(1, a, 2, b, 0, 2), fmaf(-2, b[0], fmaf(a[0], b[0], 1))));
}

/* volatile: nothing may be computed before the settings change. */
static volatile float tiny = 0x1p-126f, third_of = 1, three = 3;

static void test_environment(void **state) {
  (void)state;
  fenv_t before;
  fegetenv(&before);
  fesetround(FE_UPWARD);
#if defined(__x86_64__)
  uint32_t mxcsr;
  __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
  mxcsr |= 0x8040u; /* FTZ and DAZ */
  __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
  assert_true(tiny / 2 == 0);
#endif
  float up = third_of / three;
  qn_fp_env saved = qn__fp_enter();
  float nearest = -third_of / three, half = tiny / 2;
  bool kept = half > 0;
  qn__fp_leave(saved);
  float again = third_of / three;
  int mode = fegetround();
  bool flushed = true;
#if defined(__x86_64__)
  uint32_t after;
  __asm__ volatile("stmxcsr %0" : "=m"(after));
  flushed = (after & 0xFFC0u) == (mxcsr & 0xFFC0u); /* exception flags aside */
#endif
  fesetenv(&before);
  assert_true(flushed);
  assert_int_equal(mode, FE_UPWARD);
  assert_true(kept);
  assert_true(nearest == -0x1.555556p-2f);
  assert_true(again == up);
}

static void test_element_access(void **state) {
  (void)state;
  uint8_t raw[8 * 9 + 1];
  uint8_t *data = raw + 1; /* any alignment */
  for (int s = 1; s < QN_SCALAR_COUNT; s++) {
    qn_scalar t = (qn_scalar)s;
    unsigned width = qn_scalar_get(t)->bits;
    memset(raw, 0xA5, sizeof raw);
    for (size_t i = 0; i < 9; i++) qn__store_i64(t, data, i, (int64_t)(i & 1));
    for (size_t i = 0; i < 9; i++) {
      double one = t == QN_F8E8M0FNU && !(i & 1) ? 0x1p-127 : (double)(i & 1);
      assert_true(qn__load_f64(t, data, i) == one && qn__load_f32(t, data, i) == (float)one);
      assert_int_equal(qn__load_i64(t, data, i), (int64_t)one);
    }
    uint64_t mask = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
    for (size_t i = 0; i < 9; i++) qn__store_bits(t, data, i, (i * 0x9E3779B97F4A7C15u) & mask);
    for (size_t i = 0; i < 9; i++) assert_int_equal(qn__load_bits(t, data, i), (i * 0x9E3779B97F4A7C15u) & mask);
    if (qn_scalar_is_int(t) && t != QN_I1) {
      int64_t low = qn_scalar_min(t), high = qn_scalar_max(t);
      qn__store_i64(t, data, 3, low);
      assert_int_equal(qn__load_i64(t, data, 3), low);
      qn__store_i64(t, data, 3, high);
      assert_int_equal(qn__load_i64(t, data, 3), high);
      qn__store_f64(t, data, 3, 1e300);
      assert_int_equal(qn__load_i64(t, data, 3), high);
      qn__store_f32(t, data, 3, -INFINITY);
      assert_int_equal(qn__load_i64(t, data, 3), low);
      qn__store_f64(t, data, 3, NAN);
      assert_int_equal(qn__load_i64(t, data, 3), 0);
      qn__store_f64(t, data, 3, 1.99);
      assert_int_equal(qn__load_i64(t, data, 3), 1);
    }
  }
  uint64_t big = UINT64_MAX;
  assert_true(qn__load_f64(QN_UI64, &big, 0) == 0x1p64 && qn__load_f32(QN_UI64, &big, 0) == 0x1p64f);
  assert_true(qn__load_f64(QN_I64, &big, 0) == -1);
  int64_t once = ((int64_t)1 << 60) + ((int64_t)1 << 36) + 1; /* a tie for f32 once the last bit is lost in f64 */
  assert_true(qn__load_f32(QN_I64, &once, 0) == 0x1.000002p60f);
  float f = 0;
  qn__store_i64(QN_F32, &f, 0, once);
  assert_true(f == 0x1.000002p60f);
  qn__store_i64(QN_F32, &f, 0, INT64_MIN);
  assert_true(f == -0x1p63f);
  uint8_t e = 0;
  qn__store_f64(QN_F8E4M3FN, &e, 0, 1000);
  assert_int_equal(e, 0x7F);
  qn__store_f64_saturating(QN_F8E4M3FN, &e, 0, 1000);
  assert_int_equal(e, 0x7E);
  qn__store_i64(QN_I1, &e, 0, 256);
  assert_int_equal(e, 1);
  qn__store_f64(QN_I1, &e, 0, 0.25);
  assert_int_equal(e, 1);
  float x = -2.75f;
  assert_int_equal(qn__load_i64(QN_F32, &x, 0), -2);
  x = NAN;
  assert_int_equal(qn__load_i64(QN_F32, &x, 0), 0);
  uint8_t three_nibbles[2] = {0};
  qn_tensor t = {QN_I4, 1, {3}, three_nibbles};
  qn_tensor_set_i64(&t, 2, -3);
  qn_tensor_set_f64(&t, 0, 5);
  assert_true(qn_tensor_get_i64(&t, 2) == -3 && qn_tensor_get_f64(&t, 0) == 5 && three_nibbles[1] == 0x0D);
}

static void test_all_finite(void **state) {
  (void)state;
  static const struct {
    qn_scalar type;
    double largest;
  } cases[] = {{QN_F64, 0x1.fp1023}, {QN_F32, 0x1.fp127}, {QN_F16, 65504}, {QN_BF16, 0x1.fep127}};
  static const double odd[] = {INFINITY, -INFINITY, NAN};
  for (size_t c = 0; c < 4; c++) {
    double room[9] = {0};
    char *data = (char *)room + 1;
    for (size_t i = 0; i < 7; i++) qn__store_f64(cases[c].type, data, i, i % 2 ? cases[c].largest : -cases[c].largest);
    assert_true(qn_scalar_all_finite(cases[c].type, data, 7));
    for (size_t k = 0; k < 3; k++) {
      qn__store_f64(cases[c].type, data, 6, odd[k]);
      assert_false(qn_scalar_all_finite(cases[c].type, data, 7));
      assert_true(qn_scalar_all_finite(cases[c].type, data, 6));
    }
  }
  assert_true(qn_scalar_all_finite(QN_F32, NULL, 0));
  assert_false(qn_scalar_all_finite(QN_I8, odd, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_finite),    cmocka_unit_test(test_fma),
                                     cmocka_unit_test(test_float_to_int),  cmocka_unit_test(test_division),
                                     cmocka_unit_test(test_sums),          cmocka_unit_test(test_environment),
                                     cmocka_unit_test(test_element_access)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
