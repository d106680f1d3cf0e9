/* Coefficients of the elementary functions: minimax polynomials from tools/coefficients.py, rounded to f32. The errors
 * are those of the fits before rounding, relative to the function; recipe.h's tests bound the whole. */
#ifndef QN_POLY_H
#define QN_POLY_H

#define QN_LOG2E   0x1.715476p+0f
#define QN_LN2_HI  0x1.62e430p-1f
#define QN_LN2_LO  -0x1.05c610p-29f
#define QN_SQRT1_2 0x1.6a09e6p-1f
/* 2 sqrt(2/pi), and that times 0.044715 */
#define QN_GELU_TANH_1 0x1.988454p+0f
#define QN_GELU_TANH_3 0x1.2444f2p-4f

/* exp(r) = 1 + r + r^2 (C2 + C3 r + ..), |r| <= ln(2)/2: 2^-28.29 */
#define QN_EXP_C2 0x1.fffffcp-2f
#define QN_EXP_C3 0x1.555492p-3f
#define QN_EXP_C4 0x1.5558f2p-5f
#define QN_EXP_C5 0x1.1239d4p-7f
#define QN_EXP_C6 0x1.6a244ep-10f

/* log(1+f) = f - f^2/2 + f^3 (C3 + C4 f + ..), sqrt(1/2) <= 1+f < sqrt(2): 2^-27.35 */
#define QN_LOG_C3  0x1.555554p-2f
#define QN_LOG_C4  -0x1.000226p-2f
#define QN_LOG_C5  0x1.99a008p-3f
#define QN_LOG_C6  -0x1.547244p-3f
#define QN_LOG_C7  0x1.22da1ep-3f
#define QN_LOG_C8  -0x1.0d8542p-3f
#define QN_LOG_C9  0x1.055b68p-3f
#define QN_LOG_C10 -0x1.38b576p-4f

/* tanh(x) = x + x u (C0 + C1 u + ..), u = x^2, |x| <= 0.625: 2^-27.76 */
#define QN_TANH_C0 -0x1.555532p-2f
#define QN_TANH_C1 0x1.110726p-3f
#define QN_TANH_C2 -0x1.b83c5ap-5f
#define QN_TANH_C3 0x1.52269cp-6f
#define QN_TANH_C4 -0x1.75e1cep-8f

/* erf(x) = x + x (C0 + C1 u + ..), u = x^2, |x| <= 1: 2^-29.62 */
#define QN_ERF_C0 0x1.06eba8p-3f
#define QN_ERF_C1 -0x1.81273ep-2f
#define QN_ERF_C2 0x1.ce2cf8p-4f
#define QN_ERF_C3 -0x1.b7f90ep-6f
#define QN_ERF_C4 0x1.5405b2p-8f
#define QN_ERF_C5 -0x1.a3f700p-11f
#define QN_ERF_C6 0x1.496a32p-14f

/* log(erfc(x)) = C0 + C1 x + .., 1 <= x <= 4; error is that of erfc, absolute: 2^-29.85 */
#define QN_ERFC_C0 -0x1.72e6cep-12f
#define QN_ERFC_C1 -0x1.2085b2p+0f
#define QN_ERFC_C2 -0x1.46c584p-1f
#define QN_ERFC_C3 -0x1.a60a84p-4f
#define QN_ERFC_C4 0x1.654222p-6f
#define QN_ERFC_C5 -0x1.814cdap-9f
#define QN_ERFC_C6 0x1.852d48p-13f

/* erf(x / sqrt 2) = x (C0 + C1 t + ..), t = T x^2 - 1, |x| <= END: 2^-24.65, absolute. The last places of C1 to C3 are
 * such that the product is 1 at END to the bit. */
#define QN_GELU_END 0x1.533334p+2f
#define QN_GELU_T   0x1.23a24ep-4f
#define QN_GELU_C0  0x1.11301ep-2f
#define QN_GELU_C1  -0x1.1075b6p-3f
#define QN_GELU_C2  0x1.93926cp-4f
#define QN_GELU_C3  -0x1.444ff4p-4f
#define QN_GELU_C4  0x1.06cb90p-4f
#define QN_GELU_C5  -0x1.9e7d68p-5f
#define QN_GELU_C6  0x1.3615d0p-5f
#define QN_GELU_C7  -0x1.b00a98p-6f
#define QN_GELU_C8  0x1.214036p-6f
#define QN_GELU_C9  -0x1.7f6f5ap-7f
#define QN_GELU_C10 0x1.9b1efep-8f
#define QN_GELU_C11 -0x1.1f01a8p-9f
#define QN_GELU_C12 0x1.7f0eeep-10f
#define QN_GELU_C13 -0x1.910e46p-10f
#define QN_GELU_C14 0x1.29eb5cp-11f
#endif
