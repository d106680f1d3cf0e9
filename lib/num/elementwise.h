/* The element-wise contract: what every op means on odd values, for the evaluator and as the reference of the code
 * generators. min, max, relu and clip propagate NaN and order -0 below +0; float to integer saturates with NaN to 0;
 * integer division truncates, x / 0 = 0, the smallest by -1 wraps. */
#ifndef QN_ELEMENTWISE_H
#define QN_ELEMENTWISE_H
#include "convert.h"

/* Valid for |t| < 2^22, NaN not included: the float adder does the rounding. The result may be -0. */
static inline float qn__round_even_small(float t) {
  return (t + 0x1.8p23f) - 0x1.8p23f;
}

static inline float qn__f32_max(float a, float b) {
  if (a < b) return b;
  if (b < a) return a;
  if (a == b) return qn__f32_of_bits(qn__f32_bits(a) & qn__f32_bits(b));
  return a + b;
}
static inline float qn__f32_min(float a, float b) {
  if (a < b) return a;
  if (b < a) return b;
  if (a == b) return qn__f32_of_bits(qn__f32_bits(a) | qn__f32_bits(b));
  return a + b;
}
static inline float qn__f32_relu(float x) {
  return qn__f32_max(x, 0.0f);
}
static inline float qn__f32_clip(float x, float lo, float hi) {
  return qn__f32_min(qn__f32_max(x, lo), hi);
}
static inline float qn__f32_abs(float x) {
  return qn__f32_of_bits(qn__f32_bits(x) & 0x7FFFFFFFu);
}

static inline double qn__f64_max(double a, double b) {
  if (a < b) return b;
  if (b < a) return a;
  if (a == b) return qn__f64_of_bits(qn__f64_bits(a) & qn__f64_bits(b));
  return a + b;
}
static inline double qn__f64_min(double a, double b) {
  if (a < b) return a;
  if (b < a) return b;
  if (a == b) return qn__f64_of_bits(qn__f64_bits(a) | qn__f64_bits(b));
  return a + b;
}

/* Any x; NaN stays NaN, the sign of zero is kept. */
float qn__f32_round_even(float x);
float qn__f32_round_away(float x);
double qn__f64_round_even(double x);
double qn__f64_round_away(double x);

/* Truncating, saturating to `bits` bits (1..64); NaN gives 0. The unsigned result is returned as its bits. */
int64_t qn__f64_to_int(double x, unsigned bits, bool is_signed);

/* Operands sign- or zero-extended from `bits` bits, the result likewise. */
int64_t qn__int_div(int64_t a, int64_t b, unsigned bits, bool is_signed);
int64_t qn__int_rem(int64_t a, int64_t b, unsigned bits, bool is_signed); /* a - div(a, b) * b; x rem 0 = x */
/* The low `bits` bits, sign- or zero-extended: what wrapping arithmetic leaves. */
int64_t qn__int_wrap(int64_t v, unsigned bits, bool is_signed);

/* 32 partial sums from +0, element i into partial i mod 32, then folded 16, 8, 4, 2, 1. `stride` counts elements. */
float qn__f32_sum(const float *x, size_t n, ptrdiff_t stride);
double qn__f64_sum(const double *x, size_t n, ptrdiff_t stride);
/* Folds the 32 partials in place: p[i] += p[i + 16], then 8, 4, 2, 1. */
float qn__f32_sum_fold(float partials[32]);
/* acc = fma(a[i], b[i], acc) in ascending i. */
float qn__f32_dot(float acc, const float *a, ptrdiff_t stride_a, const float *b, ptrdiff_t stride_b, size_t n);
/* fma in double arithmetic, for rows and compilers without the instruction; equal to fmaf for every input. */
float qn__f32_fma_emulated(float a, float b, float c);
#endif
