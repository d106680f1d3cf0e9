/* Values to codes and back, and accumulators to codes in the three ways in use. */
#include "elementwise.h"
#include <float.h>
#include <math.h>

static int32_t finish(float t, qn_qparams p, qn_rounding rounding) {
  float lo = (float)((int64_t)p.qmin - p.zero_point), hi = (float)((int64_t)p.qmax - p.zero_point);
  if (t != t) t = 0;
  t = t < lo ? lo : t;
  t = t > hi ? hi : t;
  float r = rounding == QN_ROUND_HALF_AWAY ? qn__f32_round_away(t) : qn__f32_round_even(t);
  return (int32_t)((int64_t)r + p.zero_point);
}

int32_t qn_quantize_f32(float x, qn_qparams p, qn_rounding rounding) {
  return finish(x / p.scale, p, rounding);
}

float qn_dequantize_f32(int64_t q, qn_qparams p) {
  return (float)(q - p.zero_point) * p.scale;
}

uint8_t qn_quantize_f8(float x, float scale, qn_scalar storage) {
  float t = x / scale;
  if (t != t) t = 0;
  return (uint8_t)qn__float_convert(storage, QN_F32, qn__f32_bits(t), true);
}

bool qn_quantize_bias(double b, float scale_a, float scale_b, int32_t *out) {
  double d = b / ((double)scale_a * (double)scale_b); /* the product of two floats is exact */
  double r = qn__f64_round_even(d);
  if (!(r >= -2147483648.0 && r <= 2147483647.0)) return false;
  *out = (int32_t)r;
  return true;
}

float qn_requant_multiplier(float scale_a, float scale_b, float scale_y) {
  double product = (double)scale_a * (double)scale_b;
  return (float)(product / (double)scale_y);
}

int32_t qn_requantize_f32(int32_t acc, float m, qn_qparams y, qn_rounding rounding) {
  return finish((float)acc * m, y, rounding);
}

bool qn_fixed_from_real(double m, qn_fixed_multiplier *out) {
  if (!(m >= 0) || m > DBL_MAX) return false;
  qn_fixed_multiplier r = {0, 0};
  if (m > 0) {
    double f = frexp(m, &r.exponent);
    int64_t m0 = (int64_t)qn__f64_round_away(f * 0x1p31);
    if (m0 == (int64_t)1 << 31) {
      m0 /= 2;
      r.exponent++;
    }
    r.m0 = (int32_t)m0;
    if (r.exponent < -31) r = (qn_fixed_multiplier){0, 0};
  }
  *out = r;
  return true;
}

static int64_t shift_right(int64_t v, unsigned n) {
  return v >= 0 ? v >> n : ~(~v >> n);
}

static int64_t saturate_i32(int64_t v) {
  return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v;
}

/* 2ab / 2^32, rounded; only the smallest by itself overflows. */
static int64_t doubling_high_multiply(int64_t a, int64_t b) {
  if (a == INT32_MIN && b == INT32_MIN) return INT32_MAX;
  int64_t ab = a * b, nudge = ab >= 0 ? (int64_t)1 << 30 : 1 - ((int64_t)1 << 30);
  return (ab + nudge) / ((int64_t)1 << 31);
}

static int64_t rounding_shift_right(int64_t v, unsigned n) {
  int64_t mask = ((int64_t)1 << n) - 1, rest = v & mask, threshold = (mask >> 1) + (v < 0);
  return shift_right(v, n) + (rest > threshold);
}

int32_t qn_fixed_scale(int32_t acc, qn_fixed_multiplier m) {
  int32_t left = m.exponent > 32 ? 32 : m.exponent > 0 ? m.exponent : 0;
  unsigned right = m.exponent < -31 ? 31u : m.exponent < 0 ? (unsigned)-m.exponent : 0u;
  int64_t v = saturate_i32((int64_t)acc * ((int64_t)1 << left));
  return (int32_t)rounding_shift_right(doubling_high_multiply(v, m.m0), right);
}

int32_t qn_single_scale(int32_t acc, qn_fixed_multiplier m) {
  int64_t k = (int64_t)31 - m.exponent, m0 = m.m0;
  if (k < 1) { /* 2^30 and up: the largest multiplier there is */
    k = 1;
    m0 = INT32_MAX;
  }
  if (k > 62) return 0;
  return (int32_t)saturate_i32(shift_right(acc * m0 + ((int64_t)1 << (k - 1)), (unsigned)k));
}

static int32_t place(int32_t scaled, qn_qparams y) {
  int64_t q = (int64_t)scaled + y.zero_point;
  return (int32_t)(q < y.qmin ? y.qmin : q > y.qmax ? y.qmax : q);
}

int32_t qn_requantize_fixed(int32_t acc, qn_fixed_multiplier m, qn_qparams y) {
  return place(qn_fixed_scale(acc, m), y);
}

int32_t qn_requantize_single(int32_t acc, qn_fixed_multiplier m, qn_qparams y) {
  return place(qn_single_scale(acc, m), y);
}
