/* The numbers: small float formats, scale and zero-point formulas, requantization, block formats, accumulator bounds,
 * elementary functions. Plain functions on plain values: no context, no allocation, no state, callable from any thread.
 * Where a parameter can be bad the function returns a status and, through `reason`, a constant sentence; nothing is
 * reported to a handler. Functions that compute in floating point expect round-to-nearest without flushing of
 * subnormals, which is how every program starts; those that take several values (choose, ranges, sums) set it
 * themselves and restore the caller's. Conversions between formats are integer code, right in any environment. */
#ifndef QUERN_NUM_H
#define QUERN_NUM_H

#include <quern/scalar.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- small float formats ----
 * Round to nearest, ties to even. A format's own overflow: f16, bf16 and E5M2 give infinity, E4M3FN gives NaN; with
 * `saturate` E4M3FN and E5M2 give their largest finite value instead, for infinite x too (ONNX Cast, saturate = 1;
 * without it ONNX Cast saturate = 0 and MLIR arith.truncf). E2M1FN always saturates and turns NaN into +6 (ONNX Cast).
 * E8M0FNU is a bare power of two: ties go to the even code, 0 and everything below 2^-127 give 2^-127, negative values
 * NaN, and overflow NaN or, saturating, 2^127. NaN stays NaN, quiet, with its sign and upper payload bits as IEEE
 * hardware has it. Sources: IEEE 754-2019; OCP OFP8 1.0; OCP Microscaling Formats (MX) 1.0; ONNX Cast-24. */
QN_API uint16_t qn_f16_from_f32(float x);
QN_API uint16_t qn_f16_from_f64(double x);
QN_API float qn_f16_to_f32(uint16_t bits);
QN_API uint16_t qn_bf16_from_f32(float x);
QN_API uint16_t qn_bf16_from_f64(double x);
QN_API float qn_bf16_to_f32(uint16_t bits);
QN_API uint8_t qn_f8e4m3fn_from_f32(float x, bool saturate);
QN_API uint8_t qn_f8e4m3fn_from_f64(double x, bool saturate);
QN_API float qn_f8e4m3fn_to_f32(uint8_t bits);
QN_API uint8_t qn_f8e5m2_from_f32(float x, bool saturate);
QN_API uint8_t qn_f8e5m2_from_f64(double x, bool saturate);
QN_API float qn_f8e5m2_to_f32(uint8_t bits);
QN_API uint8_t qn_f4e2m1fn_from_f32(float x);
QN_API uint8_t qn_f4e2m1fn_from_f64(double x);
QN_API float qn_f4e2m1fn_to_f32(uint8_t bits); /* the low 4 bits */
QN_API uint8_t qn_f8e8m0fnu_from_f32(float x, bool saturate);
QN_API uint8_t qn_f8e8m0fnu_from_f64(double x, bool saturate);
QN_API float qn_f8e8m0fnu_to_f32(uint8_t bits);
QN_API float qn_f32_from_f64(double x);
/* Largest finite value and smallest normal one of a float format (E8M0FNU: 2^127 and 2^-127); 0 for anything else. */
QN_API double qn_float_max(qn_scalar format);
QN_API double qn_float_min_normal(qn_scalar format);

/* ---- quantization parameters ----
 * x = (q - zero_point) * scale, q in [qmin, qmax]. Every step below is rounded in f32.
 * asymmetric: the range is widened to contain 0; s = (max - min) / (qmax - qmin); z = clamp(round(qmin - min / s))
 *             (Jacob et al. 2018, "Quantization and Training of Neural Networks ..", eq. 1; ONNX DynamicQuantizeLinear)
 * symmetric:  z = 0 for signed storage, 2^(width-1) for unsigned; s = max(|min|, |max|) / (qmax - z);
 *             narrow: qmin = 2z - qmax, so that codes mirror; full: qmin stays (Krishnamoorthi 2018, "Quantizing deep
 *             convolutional networks ..", 2.2)
 * A range of zeros only gives s = 1 and the symmetric z, or 0 clamped to [qmin, qmax] if asymmetric. s is rounded to
 * the type it is stored in and is never below that type's smallest normal value. */
typedef enum qn_qscheme { QN_ASYMMETRIC, QN_SYMMETRIC } qn_qscheme;
typedef enum qn_qrange { QN_RANGE_FULL, QN_RANGE_NARROW } qn_qrange;
typedef enum qn_rounding { QN_ROUND_HALF_EVEN, QN_ROUND_HALF_AWAY } qn_rounding;

typedef struct qn_qparams {
  float scale;
  int32_t zero_point;
  int32_t qmin, qmax; /* codes in use, both ends included */
} qn_qparams;

typedef struct qn_qparams_request {
  uint8_t width; /* bits of integer storage, 2..16 */
  bool is_signed;
  int32_t qmin, qmax; /* codes to use; both 0: all that the storage has */
  float fp_max;       /* above 0: the storage is a small float with this largest value, the scheme symmetric with z = 0,
                         s = max(|min|, |max|) / fp_max, and width, qmin and qmax are not looked at */
  qn_qscheme scheme;
  qn_qrange range;      /* narrow needs the symmetric scheme */
  qn_scalar scale_type; /* QN_F32, QN_F16, QN_BF16, QN_F8E8M0FNU or QN_F8E4M3FN; QN_SCALAR_NONE is QN_F32 */
  bool
      dynamic; /* ranges that programs measure while running: never fails for its range; NaN counts as 0, infinities and
                  huge values as +-FLT_MAX / 2. Otherwise a range that is not finite, or upside down, is an error. */
} qn_qparams_request;

/* Full range, asymmetric, f32 scale, static, for integer storage of 2 to 16 bits or a small float; signless integers
 * are signed. width and fp_max are 0 for any other scalar, which qn_qparams_choose then refuses. */
QN_API qn_qparams_request qn_qparams_request_of(qn_scalar storage);
/* On failure *out is unchanged and *reason (if not null) says what is wrong. */
QN_API qn_status qn_qparams_choose(const qn_qparams_request *request, float min, float max, qn_qparams *out,
                                   const char **reason);
/* For parameters that come from outside: scale finite and positive, qmin <= zero_point <= qmax, a span of 16 bits. */
QN_API qn_status qn_qparams_check(const qn_qparams *p, const char **reason);
/* Smallest and largest element, NaN ignored; 0 and 0 where there is none. */
QN_API void qn_range_f32(const float *x, size_t n, float *min, float *max);

/* t = x / s; NaN becomes 0; clamp to [qmin - z, qmax - z]; round; add z. */
QN_API int32_t qn_quantize_f32(float x, qn_qparams p, qn_rounding rounding);
/* f32(q - z) * s, the difference exact. */
QN_API float qn_dequantize_f32(int64_t q, qn_qparams p);
/* Small-float storage: t = x / scale, NaN becomes 0, then rounded to `storage`, saturating. The code's bits. */
QN_API uint8_t qn_quantize_f8(float x, float scale, qn_scalar storage);
/* i32 bias: round-half-even of b / (s_a * s_b) in double. False when it does not fit (or is no number). */
QN_API bool qn_quantize_bias(double b, float scale_a, float scale_b, int32_t *out);

/* ---- requantization: from an i32 accumulator to codes; y.scale is not used, it is part of m ----
 * m = s_a * s_b / s_y in double, rounded once to f32. */
QN_API float qn_requant_multiplier(float scale_a, float scale_b, float scale_y);
/* f32(acc) * m, then as qn_quantize_f32. */
QN_API int32_t qn_requantize_f32(int32_t acc, float m, qn_qparams y, qn_rounding rounding);
/* m ~ m0 * 2^(exponent - 31), m0 in [2^30, 2^31) or 0 (gemmlowp, "Low-precision matrix multiplication: quantization";
 * TFLite QuantizeMultiplier). Below 2^-32 it is 0. False unless m is finite and not negative. */
typedef struct qn_fixed_multiplier {
  int32_t m0, exponent;
} qn_fixed_multiplier;
QN_API bool qn_fixed_from_real(double m, qn_fixed_multiplier *out);
/* Saturating left shift, doubling high multiply, rounding right shift with ties away from 0. */
QN_API int32_t qn_requantize_fixed(int32_t acc, qn_fixed_multiplier m, qn_qparams y);
/* One rounding: (acc * m0 + 2^(k-1)) >> k with k = 31 - exponent, ties up. */
QN_API int32_t qn_requantize_single(int32_t acc, qn_fixed_multiplier m, qn_qparams y);
/* The two without zero point and clamp. */
QN_API int32_t qn_fixed_scale(int32_t acc, qn_fixed_multiplier m);
QN_API int32_t qn_single_scale(int32_t acc, qn_fixed_multiplier m);

/* ---- block formats ----
 * MX (OCP Microscaling 1.0, 6.3): X = 2^(floor(log2 amax) - emax), emax 2, 8, 15, 0, the exponent clamped to +-127;
 * elements x / X to nearest even, saturating; INT8 elements count 2^-6, codes +-127. amax = 0 gives 2^-127. */
typedef enum qn_mx_format { QN_MX_E2M1, QN_MX_E4M3, QN_MX_E5M2, QN_MX_INT8 } qn_mx_format;
enum { QN_MX_BLOCK = 32, QN_NVFP4_BLOCK = 16 };
QN_API uint8_t qn_mx_scale(qn_mx_format format, float amax);              /* an E8M0 code; NaN gives the NaN code 255 */
QN_API uint8_t qn_mx_encode(qn_mx_format format, float x, uint8_t scale); /* NaN becomes 0 */
QN_API float qn_mx_decode(qn_mx_format format, uint8_t code, uint8_t scale);
/* One block of n elements, a byte per code; NaN elements are ignored for amax. */
QN_API void qn_mx_quantize(qn_mx_format format, const float *x, size_t n, uint8_t *scale, uint8_t *codes);

/* NVFP4: s_t = amax / (448 * 6) for the tensor, s_b = E4M3(amax_b / 6 / s_t) for a block, x = q * (f32(s_b) * s_t), q
 * E2M1. Both scales are floored at their type's smallest normal; zeros only give 1. */
QN_API float qn_nvfp4_tensor_scale(float amax);
QN_API uint8_t qn_nvfp4_block_scale(float amax_block, float tensor_scale); /* an E4M3FN code */
QN_API uint8_t qn_nvfp4_encode(float x, uint8_t block_scale, float tensor_scale);
QN_API float qn_nvfp4_decode(uint8_t code, uint8_t block_scale, float tensor_scale);

/* ---- codebooks ----
 * The entry nearest to t, compared exactly; of two equally near the lower index. NaN counts as 0. n >= 1. */
QN_API uint32_t qn_codebook_nearest(const float *entries, uint32_t n, float t);
/* Integer entries c = rne(127 * v / max|v|); returns max|v| / 127, which the scales are to be multiplied with. Zeros
 * only: entries 0, factor 1. */
QN_API float qn_codebook_to_i8(const float *entries, uint32_t n, int8_t *out);
/* The 16 values of NormalFloat4 (Dettmers et al. 2023, "QLoRA", appendix E). */
QN_API const float *qn_codebook_nf4(void);

/* ---- accumulator bounds ---- the interval that sums of products cannot leave; saturates at the ends of i64. */
typedef struct qn_acc_range {
  int64_t lo, hi;
} qn_acc_range;
/* Sum of k products (a - za) * (b - zb), a in [a_min, a_max] and so on. */
QN_API qn_acc_range qn_acc_worst(int32_t a_min, int32_t a_max, int32_t za, int32_t b_min, int32_t b_max, int32_t zb,
                                 uint64_t k);
/* Adds (a - za) * w for one known weight w = b - zb; a column of weights is a loop of these. */
QN_API void qn_acc_add(qn_acc_range *r, int32_t a_min, int32_t a_max, int32_t za, int32_t w);
/* max(|lo|, |hi|) + |bias| < 2^31 */
QN_API bool qn_acc_fits_i32(qn_acc_range r, int64_t bias);
/* The largest k whose worst case fits i32 with no bias; UINT64_MAX where products are all 0. */
QN_API uint64_t qn_acc_max_k(int32_t a_min, int32_t a_max, int32_t za, int32_t b_min, int32_t b_max, int32_t zb);

/* ---- elementary functions in f32 ----
 * Fixed sequences of IEEE single operations, the same that compiled kernels run, so the bits are the same everywhere.
 * Error bounds in units in the last place hold for every result, subnormal ones included; tests/unit/test_num_recipe.c
 * checks them over a dense sample of all floats. NaN gives NaN. */
QN_API float qn_f32_exp(float x);       /* 1 ulp */
QN_API float qn_f32_log(float x);       /* 1 ulp; log(+-0) = -inf, log(x < 0) = NaN */
QN_API float qn_f32_tanh(float x);      /* 1.5 ulp, odd, 1 from 9.02 on */
QN_API float qn_f32_erf(float x);       /* 1.2 ulp, odd, 1 from 3.92 on */
QN_API float qn_f32_sigmoid(float x);   /* 2.5 ulp */
QN_API float qn_f32_gelu(float x);      /* x/2 (1 + erf(x / sqrt 2)): |error| <= 1.25 * 2^-23 |x|; -inf gives 0 */
QN_API float qn_f32_gelu_tanh(float x); /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): <= 1.25 * 2^-23 |x| */

#ifdef __cplusplus
}
#endif
#endif
