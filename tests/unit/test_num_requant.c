/* Requantization against its definition in wide integers; block formats, codebooks and accumulator bounds. */
#include "convert.h"
#include "unit.h"
#include <float.h>
#include <math.h>
#include <string.h>

typedef __int128 wide;

static wide floor_div(wide a, wide b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static uint64_t next(uint64_t *u) {
  *u ^= *u << 13, *u ^= *u >> 7, *u ^= *u << 17;
  return *u;
}

static int32_t clamp_i32(wide v) {
  return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

/* High multiply: ties up. Shift: ties away from 0. */
static int32_t fixed_by_definition(int32_t acc, qn_fixed_multiplier m) {
  int left = m.exponent > 0 ? m.exponent : 0, right = m.exponent < 0 ? -m.exponent : 0;
  wide v = clamp_i32((wide)acc * ((wide)1 << left));
  v = clamp_i32(floor_div(v * m.m0 + ((wide)1 << 30), (wide)1 << 31));
  wide half = right ? (wide)1 << (right - 1) : 0;
  return (int32_t)(v < 0 ? -floor_div(-v + half, (wide)1 << right) : floor_div(v + half, (wide)1 << right));
}

static void test_fixed(void **state) {
  (void)state;
  uint64_t u = 1234567;
  static const int32_t edges[] = {0, 1, -1, 2, -2, 127, -128, INT32_MAX, INT32_MIN, INT32_MAX - 1, INT32_MIN + 1};
  for (int i = 0; i < 400000; i++) {
    double real = ldexp(0.5 + (double)(next(&u) >> 11) * 0x1p-54, (int)(next(&u) % 70) - 35);
    qn_fixed_multiplier m;
    assert_true(qn_fixed_from_real(real, &m));
    if (m.m0) {
      assert_in_range(m.m0, 1 << 30, INT32_MAX);
      assert_true(fabs(ldexp(m.m0, m.exponent - 31) - real) <= real * 0x1p-31);
    } else {
      assert_true(real < 0x1p-31);
    }
    int32_t acc = (int32_t)(uint32_t)next(&u);
    if (i % 4 == 0) acc = edges[next(&u) % (sizeof edges / sizeof *edges)];
    if (i % 4 == 1) acc >>= 16;
    assert_int_equal(qn_fixed_scale(acc, m), fixed_by_definition(acc, m));
    int k = 31 - m.exponent;
    if (k >= 1 && k <= 62) {
      wide single = floor_div((wide)acc * m.m0 + ((wide)1 << (k - 1)), (wide)1 << k);
      assert_int_equal(qn_single_scale(acc, m), clamp_i32(single));
    }
  }
  qn_fixed_multiplier m;
  assert_true(qn_fixed_from_real(0, &m) && m.m0 == 0 && m.exponent == 0);
  assert_true(qn_fixed_from_real(1, &m) && m.m0 == 1 << 30 && m.exponent == 1);
  assert_true(qn_fixed_from_real(1 - 0x1p-40, &m) && m.m0 == 1 << 30 && m.exponent == 1); /* renormalised */
  assert_true(qn_fixed_from_real(0x1p-40, &m) && m.m0 == 0);
  assert_false(qn_fixed_from_real(-1, &m) || qn_fixed_from_real(NAN, &m) || qn_fixed_from_real(INFINITY, &m));
  assert_true(qn_fixed_from_real(1e300, &m));
  /* The shift saturates, then the fraction multiplies */
  assert_int_equal(qn_fixed_scale(5, m), fixed_by_definition(INT32_MAX, (qn_fixed_multiplier){m.m0, 0}));
  assert_int_equal(qn_fixed_scale(-5, m), fixed_by_definition(INT32_MIN, (qn_fixed_multiplier){m.m0, 0}));
  assert_int_equal(qn_fixed_scale(0, m), 0);
  assert_int_equal(qn_single_scale(-5, m), INT32_MIN);
  assert_int_equal(qn_single_scale(1, m), 1 << 30);
  assert_int_equal(qn_fixed_scale(INT32_MIN, (qn_fixed_multiplier){INT32_MIN, 0}), INT32_MAX);
  qn_qparams y = {1, 10, 0, 255};
  assert_true(qn_fixed_from_real(0.5, &m));
  assert_int_equal(qn_requantize_fixed(5, m, y), 13); /* 2.5 up */
  assert_int_equal(qn_requantize_fixed(-5, m, y), 8); /* ties of the high multiply go up, -2.5 to -2 */
  assert_int_equal(qn_requantize_single(-5, m, y), 8);
  assert_int_equal(qn_requantize_fixed(1000, m, y), 255);
  assert_int_equal(qn_requantize_single(-1000, m, y), 0);
  assert_true(qn_fixed_from_real(0.25, &m));
  assert_int_equal(qn_requantize_fixed(-6, m, y), 8);  /* -1.5 away from 0: the two modes differ */
  assert_int_equal(qn_requantize_single(-6, m, y), 9); /* -1.5 up */
}

static void test_float_requantize(void **state) {
  (void)state;
  assert_true(qn_requant_multiplier(0.1f, 0.2f, 0.3f) == (float)((double)0.1f * 0.2f / (double)0.3f));
  assert_true(qn_requant_multiplier(1e-30f, 1e-30f, 1e-30f) == 1e-30f); /* the product alone would underflow f32 */
  qn_qparams y = {1, 3, 0, 255};
  assert_int_equal(qn_requantize_f32(5, 0.5f, y, QN_ROUND_HALF_EVEN), 5);
  assert_int_equal(qn_requantize_f32(5, 0.5f, y, QN_ROUND_HALF_AWAY), 6);
  assert_int_equal(qn_requantize_f32(0, INFINITY, y, QN_ROUND_HALF_EVEN), 3); /* NaN becomes 0 */
  assert_int_equal(qn_requantize_f32(INT32_MAX, 1, y, QN_ROUND_HALF_EVEN), 255);
  assert_int_equal(qn_requantize_f32(INT32_MIN, 1, y, QN_ROUND_HALF_EVEN), 0);
  assert_int_equal(qn_requantize_f32(16777217, 0x1p-20f, y, QN_ROUND_HALF_EVEN), 19); /* acc rounds to f32 first */
}

static void test_mx(void **state) {
  (void)state;
  static const int emax[] = {2, 8, 15, 0};
  for (int f = 0; f < 4; f++) {
    qn_mx_format format = (qn_mx_format)f;
    for (int e = -149; e < 128; e++) {
      int want = e - emax[f];
      want = want < -127 ? -127 : want > 127 ? 127 : want;
      assert_int_equal(qn_mx_scale(format, ldexpf(1, e)), want + 127);
      if (e >= -126) assert_int_equal(qn_mx_scale(format, nextafterf(ldexpf(2, e), 0)), want + 127);
    }
    assert_int_equal(qn_mx_scale(format, 0), 0);
    assert_int_equal(qn_mx_scale(format, NAN), 255);
    assert_true(isnan(qn_mx_decode(format, 1, 255)));
    /* Decoding and encoding every code at every scale that neither overflows nor flushes */
    for (int scale = 20; scale < 230; scale += 7) {
      for (int code = 0; code < (f == 0 ? 16 : 256); code++) {
        float x = qn_mx_decode(format, (uint8_t)code, (uint8_t)scale);
        if (isnan(x) || isinf(x) || (f == QN_MX_INT8 && code == 0x80)) continue;
        assert_int_equal(qn_mx_encode(format, x, (uint8_t)scale), code);
      }
    }
  }
  float x[32];
  uint8_t scale, codes[32];
  for (int i = 0; i < 32; i++) x[i] = (float)(i - 16) * 0.25f;
  x[3] = NAN;
  qn_mx_quantize(QN_MX_E2M1, x, 32, &scale, codes);
  assert_int_equal(scale, 127); /* amax 4: 2^(2-2) */
  assert_int_equal(codes[3], 0);
  assert_int_equal(codes[0], 8 | 6); /* -4 */
  assert_int_equal(codes[19], 2);    /* 0.75 is a tie between 0.5 and 1: the even code */
  assert_int_equal(codes[17], 0);    /* 0.25 is a tie between 0 and 0.5 */
  assert_int_equal(codes[31], 6);    /* 3.75 */
  qn_mx_quantize(QN_MX_INT8, x, 32, &scale, codes);
  assert_int_equal(scale, 129); /* 2^2 */
  assert_int_equal((int8_t)codes[0], -64);
  assert_int_equal((int8_t)codes[31], 60);
  assert_int_equal((int8_t)qn_mx_encode(QN_MX_INT8, -7.99f, 129), -127);
  assert_int_equal(qn_mx_encode(QN_MX_E2M1, 7.9f, 127), 7);
}

static void test_nvfp4(void **state) {
  (void)state;
  assert_true(qn_nvfp4_tensor_scale(2688) == 1 && qn_nvfp4_tensor_scale(0) == 1);
  assert_true(qn_nvfp4_tensor_scale(1e-40f) == FLT_MIN);
  assert_int_equal(qn_nvfp4_block_scale(2688, 1), 0x7E); /* 448 */
  assert_int_equal(qn_nvfp4_block_scale(0, 1), 0x38);    /* 1 */
  assert_int_equal(qn_nvfp4_block_scale(1e-6f, 1), 0x08);
  assert_int_equal(qn_nvfp4_block_scale(6, 1), 0x38);
  uint8_t b = qn_nvfp4_block_scale(3, 0.25f); /* 3 / 6 / 0.25 = 2 */
  assert_int_equal(b, 0x40);
  for (int code = 0; code < 16; code++)
    assert_int_equal(qn_nvfp4_encode(qn_nvfp4_decode((uint8_t)code, b, 0.25f), b, 0.25f), code);
  assert_true(qn_nvfp4_decode(7, b, 0.25f) == 3);
}

static void test_codebook(void **state) {
  (void)state;
  const float *nf4 = qn_codebook_nf4();
  for (uint32_t i = 0; i < 16; i++) {
    assert_int_equal(qn_codebook_nearest(nf4, 16, nf4[i]), i);
    assert_true(i == 0 || nf4[i] > nf4[i - 1]);
  }
  assert_int_equal(qn_codebook_nearest(nf4, 16, 1e30f), 15);
  assert_int_equal(qn_codebook_nearest(nf4, 16, -INFINITY), 0);
  assert_int_equal(qn_codebook_nearest(nf4, 16, NAN), 7);
  static const float ties[] = {3, 1, 1, -1}, far[] = {-1e30f, 1, 2, 1e-40f}, one[] = {5};
  assert_int_equal(qn_codebook_nearest(ties, 4, 2), 0);
  assert_int_equal(qn_codebook_nearest(ties, 4, 0), 1);
  assert_int_equal(qn_codebook_nearest(ties, 4, nextafterf(2, 0)), 1);
  assert_int_equal(qn_codebook_nearest(far, 4, 1e20f), 2);
  assert_int_equal(qn_codebook_nearest(far, 4, 1e-45f), 3);
  assert_int_equal(qn_codebook_nearest(far, 4, -6e29f), 0);
  assert_int_equal(qn_codebook_nearest(one, 1, -5), 0);
  int8_t c[16];
  static const float v[] = {-0.5f, 0.25f, 0.1f, 0};
  assert_true(qn_codebook_to_i8(v, 4, c) == 0.5f / 127.0f);
  assert_true(c[0] == -127 && c[1] == 64 && c[2] == 25 && c[3] == 0); /* 63.5 to even */
  assert_true(qn_codebook_to_i8(v + 3, 1, c) == 1 && c[0] == 0);
  static const float huge[] = {FLT_MAX, -FLT_MAX, 1};
  qn_codebook_to_i8(huge, 3, c);
  assert_true(c[0] == 127 && c[1] == -127 && c[2] == 0);
}

static void test_bounds(void **state) {
  (void)state;
  assert_int_equal(qn_acc_max_k(0, 255, 0, -128, 127, 0), 65793);
  assert_int_equal(qn_acc_max_k(-128, 127, 0, -128, 127, 0), 131071);
  assert_int_equal(qn_acc_max_k(0, 255, 0, 0, 255, 0), 33025);
  assert_true(qn_acc_max_k(0, 255, 0, 5, 5, 5) == UINT64_MAX);
  qn_acc_range r = qn_acc_worst(0, 255, 0, -128, 127, 0, 65793);
  assert_true(qn_acc_fits_i32(r, 0) && !qn_acc_fits_i32(r, 200) && !qn_acc_fits_i32(r, -200));
  assert_false(qn_acc_fits_i32(qn_acc_worst(0, 255, 0, -128, 127, 0, 65794), 0));
  assert_false(qn_acc_fits_i32((qn_acc_range){0, 0}, INT64_MIN));
  r = qn_acc_worst(0, 255, 128, -128, 127, 3, 1);
  assert_true(r.lo == -131 * 127 && r.hi == 131 * 128);
  r = qn_acc_worst(INT32_MIN, INT32_MAX, INT32_MIN, INT32_MIN, INT32_MAX, INT32_MAX, UINT64_MAX);
  assert_true(r.lo == INT64_MIN && r.hi == 0);
  /* Known weights: reached exactly by the extreme activations */
  static const int32_t w[] = {3, -7, 0, 127, -128};
  qn_acc_range real = {0, 0};
  int64_t lo = 0, hi = 0;
  for (int i = 0; i < 5; i++) {
    qn_acc_add(&real, 0, 255, 100, w[i]);
    int64_t a = (int64_t)w[i] * -100, b = (int64_t)w[i] * 155;
    lo += a < b ? a : b;
    hi += a < b ? b : a;
  }
  assert_true(real.lo == lo && real.hi == hi);
  qn_acc_range end = {INT64_MIN + 1, INT64_MAX - 1};
  qn_acc_add(&end, -128, 127, 0, 1000);
  assert_true(end.lo == INT64_MIN && end.hi == INT64_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_fixed),    cmocka_unit_test(test_float_requantize),
                                     cmocka_unit_test(test_mx),       cmocka_unit_test(test_nvfp4),
                                     cmocka_unit_test(test_codebook), cmocka_unit_test(test_bounds)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
