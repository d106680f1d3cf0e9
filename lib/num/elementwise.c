#include "elementwise.h"
#include <math.h>

float qn__f32_round_even(float x) {
  uint32_t sign = qn__f32_bits(x) & 0x80000000u;
  float a = qn__f32_abs(x);
  if (!(a < 0x1p23f)) return x;
  return qn__f32_of_bits(qn__f32_bits((a + 0x1p23f) - 0x1p23f) | sign);
}

float qn__f32_round_away(float x) {
  uint32_t sign = qn__f32_bits(x) & 0x80000000u;
  float a = qn__f32_abs(x);
  if (!(a < 0x1p23f)) return x;
  float r = (a + 0x1p23f) - 0x1p23f;
  if (a - r == 0.5f) r += 1.0f; /* a tie that went down to even */
  return qn__f32_of_bits(qn__f32_bits(r) | sign);
}

double qn__f64_round_even(double x) {
  uint64_t sign = qn__f64_bits(x) & (uint64_t)1 << 63;
  double a = qn__f64_of_bits(qn__f64_bits(x) ^ sign);
  if (!(a < 0x1p52)) return x;
  return qn__f64_of_bits(qn__f64_bits((a + 0x1p52) - 0x1p52) | sign);
}

double qn__f64_round_away(double x) {
  uint64_t sign = qn__f64_bits(x) & (uint64_t)1 << 63;
  double a = qn__f64_of_bits(qn__f64_bits(x) ^ sign);
  if (!(a < 0x1p52)) return x;
  double r = (a + 0x1p52) - 0x1p52;
  if (a - r == 0.5) r += 1.0;
  return qn__f64_of_bits(qn__f64_bits(r) | sign);
}

int64_t qn__f64_to_int(double x, unsigned bits, bool is_signed) {
  if (x != x) return 0;
  double top = qn__f64_of_bits((uint64_t)(1023 + bits - (is_signed ? 1 : 0)) << 52); /* one past the largest */
  double low = is_signed ? -top : 0;
  uint64_t largest =
      bits - (is_signed ? 1u : 0u) >= 64 ? UINT64_MAX : ((uint64_t)1 << (bits - (is_signed ? 1u : 0u))) - 1;
  if (x >= top) return (int64_t)largest;
  if (x <= low) return is_signed ? (int64_t)(~largest) : 0;
  if (!is_signed) return (int64_t)(uint64_t)x;
  return (int64_t)x;
}

int64_t qn__int_wrap(int64_t v, unsigned bits, bool is_signed) {
  if (bits >= 64) return v;
  uint64_t mask = ((uint64_t)1 << bits) - 1, u = (uint64_t)v & mask, sign = (uint64_t)1 << (bits - 1);
  return (int64_t)(is_signed ? (u ^ sign) - sign : u);
}

int64_t qn__int_div(int64_t a, int64_t b, unsigned bits, bool is_signed) {
  if (b == 0) return 0;
  if (!is_signed) return (int64_t)((uint64_t)a / (uint64_t)b);
  if (b == -1) return qn__int_wrap((int64_t)(0 - (uint64_t)a), bits, true);
  return a / b;
}

int64_t qn__int_rem(int64_t a, int64_t b, unsigned bits, bool is_signed) {
  (void)bits;
  if (b == 0) return a;
  if (!is_signed) return (int64_t)((uint64_t)a % (uint64_t)b);
  return b == -1 ? 0 : a % b;
}

float qn__f32_sum_fold(float p[32]) {
  for (int half = 16; half; half /= 2) {
    for (int i = 0; i < half; i++) p[i] += p[i + half];
  }
  return p[0];
}

float qn__f32_sum(const float *x, size_t n, ptrdiff_t stride) {
  float p[32] = {0};
  for (size_t i = 0; i < n; i++, x += stride) p[i % 32] += *x;
  return qn__f32_sum_fold(p);
}

double qn__f64_sum(const double *x, size_t n, ptrdiff_t stride) {
  double p[32] = {0};
  for (size_t i = 0; i < n; i++, x += stride) p[i % 32] += *x;
  for (int half = 16; half; half /= 2) {
    for (int i = 0; i < half; i++) p[i] += p[i + half];
  }
  return p[0];
}

float qn__f32_dot(float acc, const float *a, ptrdiff_t stride_a, const float *b, ptrdiff_t stride_b, size_t n) {
  for (size_t i = 0; i < n; i++, a += stride_a, b += stride_b) acc = fmaf(*a, *b, acc);
  return acc;
}

/* The product is exact in double. The sum is rounded to odd: if anything was lost (two-sum says what) and the last bit
 * is even, step to the neighbour on the lost part's side. Then the one conversion rounds as if the sum were exact. */
float qn__f32_fma_emulated(float a, float b, float c) {
  double p = (double)a * (double)b, d = (double)c;
  double s = p + d;
  double pp = s - d, dd = s - pp;
  double lost = (p - pp) + (d - dd);
  uint64_t u = qn__f64_bits(s);
  if ((lost < 0 || lost > 0) && (u & 1) == 0) u += (lost > 0) == (s > 0) ? 1 : (uint64_t)0 - 1;
  return (float)qn__f64_of_bits(u);
}
