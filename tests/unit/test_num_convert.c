/* Small float formats: every code of each, both sides of every rounding boundary, overflow, NaN, and independence of
 * the floating-point environment. */
#include "convert.h"
#include "pack.h"
#include "unit.h"
#include <fenv.h>
#include <math.h>
#include <stdlib.h>

static const qn_scalar formats[] = {QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_F4E2M1FN};
enum { NUM_FORMATS = sizeof formats / sizeof *formats };

static double value(qn_scalar s, uint64_t code) {
  return qn__f64_of_bits(qn__float_convert(QN_F64, s, code, false));
}
static uint64_t from_f64(qn_scalar s, double x, bool saturate) {
  return qn__float_convert(s, QN_F64, qn__f64_bits(x), saturate);
}
static uint64_t from_f32(qn_scalar s, float x, bool saturate) {
  return qn__float_convert(s, QN_F32, qn__f32_bits(x), saturate);
}
static unsigned width(qn_scalar s) {
  return qn_scalar_get(s)->bits;
}

/* The value of a code from the definition of the format: (-1)^S 2^(E - bias) (1 + M / 2^m). */
static void test_values_by_definition(void **state) {
  (void)state;
  static const struct {
    qn_scalar s;
    int man, bias, last_exp; /* codes with that biased exponent and above are special */
  } rows[] = {{QN_F16, 10, 15, 31},
              {QN_BF16, 7, 127, 255},
              {QN_F8E4M3FN, 3, 7, 16},
              {QN_F8E5M2, 2, 15, 31},
              {QN_F4E2M1FN, 1, 1, 4}};
  for (size_t i = 0; i < NUM_FORMATS; i++) {
    uint64_t sign = (uint64_t)1 << (width(rows[i].s) - 1);
    for (uint64_t code = 0; code < 2 * sign; code++) {
      int e = (int)((code & (sign - 1)) >> rows[i].man), m = (int)(code & (((uint64_t)1 << rows[i].man) - 1));
      if (e >= rows[i].last_exp || (rows[i].s == QN_F8E4M3FN && (code & 0x7F) == 0x7F)) continue;
      double v = e ? ldexp(1 + ldexp(m, -rows[i].man), e - rows[i].bias) : ldexp(m, 1 - rows[i].bias - rows[i].man);
      assert_true(value(rows[i].s, code) == (code & sign ? -v : v));
      assert_true(signbit(value(rows[i].s, code)) == ((code & sign) != 0));
    }
  }
}

static void test_every_code_returns(void **state) {
  (void)state;
  for (size_t i = 0; i < NUM_FORMATS; i++) {
    qn_scalar s = formats[i];
    for (uint64_t code = 0; code < (uint64_t)1 << width(s); code++) {
      double v = value(s, code);
      uint64_t back = from_f64(s, v, false);
      if (v == v)
        assert_int_equal(back, code);
      else
        assert_true(isnan(value(s, back)) && (back & code) == code); /* quiet, nothing lost */
      uint32_t f = (uint32_t)qn__float_convert(QN_F32, s, code, false);
      if (v == v) assert_int_equal(qn__float_convert(s, QN_F32, f, true), isinf(v) ? code - 1 : code);
    }
  }
  for (uint64_t code = 0; code < 255; code++) assert_true(value(QN_F8E8M0FNU, code) == ldexp(1, (int)code - 127));
  assert_true(isnan(value(QN_F8E8M0FNU, 255)));
}

/* Between two neighbours: just below the middle, the middle, just above. */
static void test_every_boundary(void **state) {
  (void)state;
  for (size_t i = 0; i < NUM_FORMATS; i++) {
    qn_scalar s = formats[i];
    uint64_t sign = (uint64_t)1 << (width(s) - 1);
    for (uint64_t a = 0; a + 1 < sign; a++) {
      double va = value(s, a), vb = value(s, a + 1);
      if (!(vb - va < INFINITY)) continue;
      double mid = va + (vb - va) / 2;
      uint64_t even = a & 1 ? a + 1 : a;
      for (int negative = 0; negative < 2; negative++) {
        uint64_t flip = negative ? sign : 0;
        double g = negative ? -1 : 1;
        assert_int_equal(from_f64(s, g * mid, false), even | flip);
        assert_int_equal(from_f64(s, g * nextafter(mid, 0), false), a | flip);
        assert_int_equal(from_f64(s, g * nextafter(mid, INFINITY), false), (a + 1) | flip);
        float m = (float)mid;
        if ((double)m != mid) continue;
        assert_int_equal(from_f32(s, (float)g * m, true), even | flip);
        assert_int_equal(from_f32(s, (float)g * nextafterf(m, 0), true), a | flip);
        assert_int_equal(from_f32(s, (float)g * nextafterf(m, INFINITY), true), (a + 1) | flip);
      }
    }
  }
}

static void test_overflow(void **state) {
  (void)state;
  assert_int_equal(qn_f16_from_f32(65519.996f), 0x7BFF);
  assert_int_equal(qn_f16_from_f32(65520.0f), 0x7C00);
  assert_int_equal(qn_f16_from_f64(65519.999), 0x7BFF);
  assert_int_equal(qn_f16_from_f32(-INFINITY), 0xFC00);
  assert_int_equal(qn_bf16_from_f32(3.4028235e38f), 0x7F80);
  assert_int_equal(qn_bf16_from_f32(0x1.fep127f), 0x7F7F);
  assert_int_equal(qn_f8e4m3fn_from_f32(464, false), 0x7E);
  assert_int_equal(qn_f8e4m3fn_from_f32(464.00003f, false), 0x7F);
  assert_int_equal(qn_f8e4m3fn_from_f32(464.00003f, true), 0x7E);
  assert_int_equal(qn_f8e4m3fn_from_f32(-1e30f, true), 0xFE);
  assert_int_equal(qn_f8e4m3fn_from_f32(INFINITY, false), 0x7F);
  assert_int_equal(qn_f8e4m3fn_from_f32(INFINITY, true), 0x7E);
  assert_int_equal(qn_f8e4m3fn_from_f32(NAN, true) & 0x7F, 0x7F);
  assert_int_equal(qn_f8e5m2_from_f32(61439.996f, false), 0x7B);
  assert_int_equal(qn_f8e5m2_from_f32(61440, false), 0x7C);
  assert_int_equal(qn_f8e5m2_from_f32(61440, true), 0x7B);
  assert_int_equal(qn_f8e5m2_from_f32(-INFINITY, true), 0xFB);
  assert_int_equal(qn_f8e5m2_from_f64(-INFINITY, false), 0xFC);
  assert_int_equal(qn_f8e5m2_from_f32(NAN, true) & 0x7E, 0x7E);
  assert_int_equal(qn_f4e2m1fn_from_f32(1e9f), 7);
  assert_int_equal(qn_f4e2m1fn_from_f32(-INFINITY), 15);
  assert_int_equal(qn_f4e2m1fn_from_f32(NAN), 7);
  assert_int_equal(qn_f4e2m1fn_from_f64(-NAN), 7);
  assert_true(qn_float_max(QN_F8E4M3FN) == 448 && qn_float_max(QN_F8E5M2) == 57344 && qn_float_max(QN_F4E2M1FN) == 6);
  assert_true(qn_float_max(QN_F8E8M0FNU) == 0x1p127 && qn_float_min_normal(QN_F8E8M0FNU) == 0x1p-127);
  assert_true(qn_float_min_normal(QN_F32) == 0x1p-126 && qn_float_min_normal(QN_F8E4M3FN) == 0x1p-6);
  assert_true(qn_float_max(QN_I8) == 0 && qn_float_min_normal(QN_SCALAR_NONE) == 0);
}

static void test_exponent_only(void **state) {
  (void)state;
  for (int code = 0; code < 254; code++) {
    double a = ldexp(1, code - 127);
    assert_int_equal(from_f64(QN_F8E8M0FNU, a, false), code);
    assert_int_equal(from_f64(QN_F8E8M0FNU, nextafter(1.5 * a, 0), false), code);
    assert_int_equal(from_f64(QN_F8E8M0FNU, 1.5 * a, false), code + (code & 1));
    assert_int_equal(from_f64(QN_F8E8M0FNU, nextafter(1.5 * a, INFINITY), false), code + 1);
  }
  assert_int_equal(qn_f8e8m0fnu_from_f32(0, true), 0);
  assert_int_equal(qn_f8e8m0fnu_from_f32(1e-45f, false), 0);
  assert_int_equal(qn_f8e8m0fnu_from_f32(-1, true), 255);
  assert_int_equal(qn_f8e8m0fnu_from_f32(3.4e38f, true), 254);
  assert_int_equal(qn_f8e8m0fnu_from_f32(3.4e38f, false), 255);
  assert_int_equal(qn_f8e8m0fnu_from_f32(INFINITY, true), 254);
  assert_int_equal(qn_f8e8m0fnu_from_f32(NAN, true), 255);
  assert_int_equal(qn_f8e8m0fnu_from_f64(0x1p127, false), 254);
}

/* The hand-written conversions against the tables, and f64 to f32 against the compiler's, over a dense sample. */
static void test_fast_paths(void **state) {
  (void)state;
  for (uint64_t u = 0; u < (uint64_t)1 << 32; u += 4099) {
    float x = qn__f32_of_bits((uint32_t)u);
    assert_int_equal(qn_f16_from_f32(x), from_f32(QN_F16, x, false));
    assert_int_equal(qn_bf16_from_f32(x), from_f32(QN_BF16, x, false));
  }
  for (uint32_t h = 0; h < 65536; h++) {
    assert_int_equal(qn__f32_bits(qn_f16_to_f32((uint16_t)h)), qn__float_convert(QN_F32, QN_F16, h, false));
    assert_int_equal(qn__f32_bits(qn_bf16_to_f32((uint16_t)h)), qn__float_convert(QN_F32, QN_BF16, h, false));
  }
  uint64_t u = 88172645463325252u;
  for (int i = 0; i < 1000000; i++) {
    u ^= u << 13, u ^= u >> 7, u ^= u << 17;
    uint64_t bits = u;
    if (i & 1) bits = (bits & 0x800FFFFFFFFFFFFFu) | (uint64_t)(860 + (u >> 20) % 300) << 52; /* around f32's range */
    if ((i & 3) == 3) bits &= ~0xFFFFFFFu;                                                    /* ties */
    double x = qn__f64_of_bits(bits);
    if (x != x) continue;
    assert_int_equal(qn__f32_bits(qn_f32_from_f64(x)), qn__f32_bits((float)x));
  }
}

static void test_any_environment(void **state) {
  (void)state;
  uint16_t half[512];
  uint8_t small[512];
  float xs[512];
  for (int i = 0; i < 512; i++) {
    xs[i] = qn__f32_of_bits((uint32_t)i * 0x7F0001u);
    half[i] = qn_f16_from_f32(xs[i]);
    small[i] = qn_f8e4m3fn_from_f32(xs[i], true);
  }
  fenv_t saved;
  assert_int_equal(fegetenv(&saved), 0);
  fesetround(FE_UPWARD);
  bool same = true;
  for (int i = 0; i < 512; i++) {
    same &= qn_f16_from_f32(xs[i]) == half[i] && qn_f8e4m3fn_from_f32(xs[i], true) == small[i];
    same &= qn_f32_from_f64((double)1 / 3) == 0x1.555556p-2f;
  }
  fesetenv(&saved);
  assert_true(same);
}

static void test_packing(void **state) {
  (void)state;
  assert_int_equal(qn__pack_bytes(5, 4), 3);
  assert_int_equal(qn__pack_bytes(5, 2), 2);
  assert_int_equal(qn__pack_bytes(0, 2), 0);
  assert_int_equal(qn__pack_bytes(SIZE_MAX, 4), SIZE_MAX / 2 + 1);
  uint8_t four[3] = {0}, two[2] = {0xFF, 0xFF};
  for (unsigned i = 0; i < 5; i++) qn__pack_set(four, i, 4, i + 0xA);
  assert_int_equal(four[0], 0xBA);
  assert_int_equal(four[1], 0xDC);
  assert_int_equal(four[2], 0x0E);
  qn__pack_set(two, 1, 2, 1);
  assert_int_equal(two[0], 0xF7);
  assert_int_equal(qn__pack_get(two, 1, 2), 1);
  assert_int_equal(qn__pack_get_signed(four, 0, 4), -6);
  assert_int_equal(qn__pack_get_signed(two, 2, 2), -1);
  for (unsigned bits = 1; bits <= 8; bits *= 2) {
    for (size_t n = 0; n < 40; n++) {
      uint8_t in[40], packed[40], out[40];
      for (size_t i = 0; i < n; i++) in[i] = (uint8_t)(i * 37 + 11);
      memset(packed, 0xEE, sizeof packed);
      qn__pack_array(packed, in, n, bits);
      size_t bytes = qn__pack_bytes(n, bits);
      for (size_t i = bytes; i < sizeof packed; i++) assert_int_equal(packed[i], 0xEE);
      qn__unpack_array(out, packed, n, bits, false);
      for (size_t i = 0; i < n; i++) assert_int_equal(out[i], in[i] & ((1u << bits) - 1));
      for (size_t i = n; i < bytes * 8 / bits; i++) assert_int_equal(qn__pack_get(packed, i, bits), 0);
      qn__unpack_array(out, packed, n, bits, true);
      for (size_t i = 0; i < n; i++) assert_int_equal((int8_t)out[i], qn__pack_get_signed(packed, i, bits));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_values_by_definition), cmocka_unit_test(test_every_code_returns),
      cmocka_unit_test(test_every_boundary),       cmocka_unit_test(test_overflow),
      cmocka_unit_test(test_exponent_only),        cmocka_unit_test(test_fast_paths),
      cmocka_unit_test(test_any_environment),      cmocka_unit_test(test_packing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
