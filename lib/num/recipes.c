/* The recipes. Each is a list I(register, operation, a, b, c, immediate), expanded twice: to number the registers and
 * to make the instructions. Shared parts are lists too, their registers prefixed with P. */
#include "poly.h"
#include "recipe.h"

/* clang-format off */
#define F(x) .f = (x)
#define U(x) .u = (x)
#define NO .u = 0

#define KF(I, r, x) I(r, CONST_F, 0, 0, 0, F(x))
#define KI(I, r, x) I(r, CONST_I, 0, 0, 0, U(x))
/* A Horner step: r = p * x + coefficient */
#define HORNER(I, r, p, x, coefficient) KF(I, r##_c, coefficient) I(r, FMA, p, x, r##_c, NO)
/* Sign and magnitude of an f32 */
#define SPLIT(I, P, x)                   \
  I(P##x_bits, BITS_I, x, 0, 0, NO)      \
  KI(I, P##sign_bit, 0x80000000u)        \
  I(P##sign, IAND, P##x_bits, P##sign_bit, 0, NO) \
  I(P##mag, IXOR, P##x_bits, P##sign, 0, NO)
#define WITH_SIGN(I, P, r, y)            \
  I(r##_bits, BITS_I, y, 0, 0, NO)       \
  I(r##_signed, IOR, r##_bits, P##sign, 0, NO) \
  I(r, BITS_F, r##_signed, 0, 0, NO)

/* x = n ln2 + r: P_n = n as an integer, P_nf as a float. n is rounded by the adder: 0x1.8p23 has a unit in the last place
 * of 1, and the bits of the sum count from there. */
#define EXP_COUNT(I, P, x, nf, n)                 \
  KF(I, P##magic, 0x1.8p23f)                      \
  KF(I, P##log2e, QN_LOG2E)                       \
  I(P##t, FMA, x, P##log2e, P##magic, NO)         \
  I(nf, FSUB, P##t, P##magic, 0, NO)              \
  I(P##ti, BITS_I, P##t, 0, 0, NO)                \
  I(P##mi, BITS_I, P##magic, 0, 0, NO)            \
  I(n, ISUB, P##ti, P##mi, 0, NO)
/* P_p = e^r; NaN passes through it. */
#define EXP_REST(I, P, x)                         \
  KF(I, P##neg_hi, -QN_LN2_HI)                    \
  KF(I, P##neg_lo, -(QN_LN2_LO))                  \
  I(P##r1, FMA, P##nf, P##neg_hi, x, NO)          \
  I(P##r, FMA, P##nf, P##neg_lo, P##r1, NO)       \
  KF(I, P##c6, QN_EXP_C6)                         \
  HORNER(I, P##p5, P##c6, P##r, QN_EXP_C5)        \
  HORNER(I, P##p4, P##p5, P##r, QN_EXP_C4)        \
  HORNER(I, P##p3, P##p4, P##r, QN_EXP_C3)        \
  HORNER(I, P##p2, P##p3, P##r, QN_EXP_C2)        \
  HORNER(I, P##p1, P##p2, P##r, 1.0f)             \
  I(P##p, FMA, P##p1, P##r, P##p1_c, NO)
#define EXP_REDUCE(I, P, x)                       \
  EXP_COUNT(I, P, x, P##nf, P##n)                 \
  EXP_REST(I, P, x)

/* y = e^r 2^n where that is a normal number, and for any n in [-150, 128] */
#define EXP_SCALE_NORMAL(I, P, y) I(y, SCALE, P##p, P##nf, P##n, U(1))
#define EXP_SCALE(I, P, y)        I(y, SCALE, P##p, P##nf, P##n, U(0))

/* e^-104 is below half of the smallest subnormal, e^89 above the largest float. */
#define CLAMP_LOW(I, P, r, x, limit)              \
  KF(I, P##low, limit)                            \
  I(P##is_low, FLT, x, P##low, 0, NO)             \
  I(r, FSELECT, P##is_low, P##low, x, NO)
#define CLAMP_HIGH(I, P, r, x, limit)             \
  KF(I, P##high, limit)                           \
  I(P##is_high, FLT, P##high, x, 0, NO)           \
  I(r, FSELECT, P##is_high, P##high, x, NO)

/* y = e^x, 0 below `limit`. There n is 0, as products that underflow take the time of a hundred others. */
#define EXP_OR_ZERO(I, P, y, x, limit)            \
  KF(I, P##low, limit)                            \
  KF(I, P##nought, 0.0f)                          \
  KI(I, P##none, 0)                               \
  I(P##is_low, FLT, x, P##low, 0, NO)             \
  EXP_COUNT(I, P, x, P##any_nf, P##any_n)         \
  I(P##nf, FSELECT, P##is_low, P##nought, P##any_nf, NO) \
  I(P##n, ISELECT, P##is_low, P##none, P##any_n, NO) \
  EXP_REST(I, P, x)                               \
  EXP_SCALE(I, P, P##power)                       \
  I(y, FSELECT, P##is_low, P##nought, P##power, NO)

#define EXP(I)                                    \
  I(ex_x, INPUT_F, 0, 0, 0, U(0))                 \
  CLAMP_HIGH(I, ex_, ex_x1, ex_x, 89.0f)          \
  EXP_OR_ZERO(I, ex_, ex_y, ex_x1, -104.0f)

/* x = 2^e m, sqrt(1/2) <= m < sqrt(2), f = m - 1; log x = e ln2 + f - f^2/2 + f^3 P(f). Subnormals are scaled first;
 * zero, negative numbers, infinity and NaN are put right at the end. */
#define LOG(I)                                    \
  I(lg_x, INPUT_F, 0, 0, 0, U(0))                 \
  KF(I, lg_tiny, 0x1p-126f)                       \
  KF(I, lg_2p23, 0x1p23f)                         \
  KI(I, lg_m23, 0xFFFFFFE9u)                      \
  KI(I, lg_izero, 0)                              \
  I(lg_small, FLT, lg_x, lg_tiny, 0, NO)          \
  I(lg_scaled, FMUL, lg_x, lg_2p23, 0, NO)        \
  I(lg_x1, FSELECT, lg_small, lg_scaled, lg_x, NO) \
  I(lg_e0, ISELECT, lg_small, lg_m23, lg_izero, NO) \
  I(lg_bits, BITS_I, lg_x1, 0, 0, NO)             \
  KF(I, lg_root, QN_SQRT1_2)                      \
  I(lg_root_bits, BITS_I, lg_root, 0, 0, NO)      \
  I(lg_above, ISUB, lg_bits, lg_root_bits, 0, NO) \
  I(lg_e1, SAR, lg_above, 0, 0, U(23))            \
  I(lg_e1s, SHL, lg_e1, 0, 0, U(23))              \
  I(lg_m_bits, ISUB, lg_bits, lg_e1s, 0, NO)      \
  I(lg_m, BITS_F, lg_m_bits, 0, 0, NO)            \
  I(lg_ei, IADD, lg_e1, lg_e0, 0, NO)             \
  I(lg_e, I2F, lg_ei, 0, 0, NO)                   \
  KF(I, lg_one, 1.0f)                             \
  I(lg_f, FSUB, lg_m, lg_one, 0, NO)              \
  I(lg_f2, FMUL, lg_f, lg_f, 0, NO)               \
  I(lg_f3, FMUL, lg_f2, lg_f, 0, NO)              \
  KF(I, lg_c10, QN_LOG_C10)                       \
  HORNER(I, lg_p9, lg_c10, lg_f, QN_LOG_C9)       \
  HORNER(I, lg_p8, lg_p9, lg_f, QN_LOG_C8)        \
  HORNER(I, lg_p7, lg_p8, lg_f, QN_LOG_C7)        \
  HORNER(I, lg_p6, lg_p7, lg_f, QN_LOG_C6)        \
  HORNER(I, lg_p5, lg_p6, lg_f, QN_LOG_C5)        \
  HORNER(I, lg_p4, lg_p5, lg_f, QN_LOG_C4)        \
  HORNER(I, lg_p3, lg_p4, lg_f, QN_LOG_C3)        \
  KF(I, lg_mhalf, -0.5f)                          \
  KF(I, lg_hi, QN_LN2_HI)                         \
  KF(I, lg_lo, QN_LN2_LO)                         \
  I(lg_cubic, FMUL, lg_f3, lg_p3, 0, NO)          \
  I(lg_low, FMA, lg_e, lg_lo, lg_cubic, NO)       \
  I(lg_rest, FMA, lg_f2, lg_mhalf, lg_low, NO)    \
  I(lg_sum, FADD, lg_f, lg_rest, 0, NO)           \
  I(lg_y, FMA, lg_e, lg_hi, lg_sum, NO)           \
  KI(I, lg_inf_bits, 0x7F800000u)                 \
  I(lg_inf, BITS_F, lg_inf_bits, 0, 0, NO)        \
  KI(I, lg_ninf_bits, 0xFF800000u)                \
  I(lg_ninf, BITS_F, lg_ninf_bits, 0, 0, NO)      \
  KI(I, lg_nan_bits, 0x7FC00000u)                 \
  I(lg_nan, BITS_F, lg_nan_bits, 0, 0, NO)        \
  KF(I, lg_zero, 0.0f)                            \
  I(lg_finite, FLT, lg_x, lg_inf, 0, NO)          \
  I(lg_y1, FSELECT, lg_finite, lg_y, lg_x, NO)    \
  I(lg_negative, FLT, lg_x, lg_zero, 0, NO)       \
  I(lg_y2, FSELECT, lg_negative, lg_nan, lg_y1, NO) \
  I(lg_is_zero, FEQ, lg_x, lg_zero, 0, NO)        \
  I(lg_y3, FSELECT, lg_is_zero, lg_ninf, lg_y2, NO)

/* |x| < 0.625: odd polynomial; else 1 - 2 / (e^2|x| + 1), which is 1 from 9.02 on. */
#define TANH(I)                                   \
  I(th_x, INPUT_F, 0, 0, 0, U(0))                 \
  SPLIT(I, th_, th_x)                             \
  I(th_a0, BITS_F, th_mag, 0, 0, NO)              \
  CLAMP_HIGH(I, th_, th_a, th_a0, 10.0f)          \
  I(th_u, FMUL, th_a, th_a, 0, NO)                \
  KF(I, th_c4, QN_TANH_C4)                        \
  HORNER(I, th_q3, th_c4, th_u, QN_TANH_C3)       \
  HORNER(I, th_q2, th_q3, th_u, QN_TANH_C2)       \
  HORNER(I, th_q1, th_q2, th_u, QN_TANH_C1)       \
  HORNER(I, th_q0, th_q1, th_u, QN_TANH_C0)       \
  I(th_au, FMUL, th_a, th_u, 0, NO)               \
  I(th_near, FMA, th_au, th_q0, th_a, NO)         \
  I(th_2a, FADD, th_a, th_a, 0, NO)               \
  EXP_REDUCE(I, th_, th_2a)                       \
  EXP_SCALE_NORMAL(I, th_, th_e2a)                \
  KF(I, th_one, 1.0f)                             \
  KF(I, th_mtwo, -2.0f)                           \
  I(th_den, FADD, th_e2a, th_one, 0, NO)          \
  I(th_quot, FDIV, th_mtwo, th_den, 0, NO)        \
  I(th_far, FADD, th_one, th_quot, 0, NO)         \
  KF(I, th_limit, 0.625f)                         \
  I(th_is_near, FLT, th_a, th_limit, 0, NO)       \
  I(th_abs, FSELECT, th_is_near, th_near, th_far, NO) \
  WITH_SIGN(I, th_, th_y, th_abs)

/* |x| < 1: odd polynomial; else 1 - e^(log erfc |x|), that logarithm a polynomial. P_x in, P_y out. */
#define ERF_BODY(I, P, x)                         \
  SPLIT(I, P, x)                                  \
  I(P##a0, BITS_F, P##mag, 0, 0, NO)              \
  CLAMP_HIGH(I, P, P##a, P##a0, 4.0f)             \
  I(P##u, FMUL, P##a, P##a, 0, NO)                \
  KF(I, P##k6, QN_ERF_C6)                         \
  HORNER(I, P##g5, P##k6, P##u, QN_ERF_C5)        \
  HORNER(I, P##g4, P##g5, P##u, QN_ERF_C4)        \
  HORNER(I, P##g3, P##g4, P##u, QN_ERF_C3)        \
  HORNER(I, P##g2, P##g3, P##u, QN_ERF_C2)        \
  HORNER(I, P##g1, P##g2, P##u, QN_ERF_C1)        \
  HORNER(I, P##g0, P##g1, P##u, QN_ERF_C0)        \
  I(P##near, FMA, P##a, P##g0, P##a, NO)          \
  KF(I, P##l6, QN_ERFC_C6)                        \
  HORNER(I, P##h5, P##l6, P##a, QN_ERFC_C5)       \
  HORNER(I, P##h4, P##h5, P##a, QN_ERFC_C4)       \
  HORNER(I, P##h3, P##h4, P##a, QN_ERFC_C3)       \
  HORNER(I, P##h2, P##h3, P##a, QN_ERFC_C2)       \
  HORNER(I, P##h1, P##h2, P##a, QN_ERFC_C1)       \
  HORNER(I, P##h0, P##h1, P##a, QN_ERFC_C0)       \
  EXP_REDUCE(I, P, P##h0)                         \
  EXP_SCALE_NORMAL(I, P, P##erfc)                 \
  KF(I, P##one, 1.0f)                             \
  I(P##far, FSUB, P##one, P##erfc, 0, NO)         \
  I(P##is_near, FLT, P##a, P##one, 0, NO)         \
  I(P##abs, FSELECT, P##is_near, P##near, P##far, NO) \
  WITH_SIGN(I, P, P##y, P##abs)

#define ERF(I)                                    \
  I(er_x, INPUT_F, 0, 0, 0, U(0))                 \
  ERF_BODY(I, er_, er_x)

/* P_num / P_den = 1 / (1 + e^-v) without overflow: e^-|v| is at most 1, and counts as 0 from |v| = -limit on. */
#define SIGMOID_PARTS(I, P, v, limit)             \
  I(P##v_bits, BITS_I, v, 0, 0, NO)               \
  KI(I, P##sign_bit, 0x80000000u)                 \
  I(P##neg_bits, IOR, P##v_bits, P##sign_bit, 0, NO) \
  I(P##neg, BITS_F, P##neg_bits, 0, 0, NO)        \
  EXP_OR_ZERO(I, P, P##exp, P##neg, limit)        \
  KF(I, P##one, 1.0f)                             \
  I(P##is_neg, FLT, v, P##nought, 0, NO)          \
  I(P##num, FSELECT, P##is_neg, P##exp, P##one, NO) \
  I(P##den, FADD, P##one, P##exp, 0, NO)

#define SIGMOID(I)                                \
  I(sg_x, INPUT_F, 0, 0, 0, U(0))                 \
  SIGMOID_PARTS(I, sg_, sg_x, -104.0f)                     \
  I(sg_y, FDIV, sg_num, sg_den, 0, NO)

/* Clamped where the result is -0, so that -inf does not meet a factor of 0. */
#define SILU(I)                                   \
  I(si_x, INPUT_F, 0, 0, 0, U(0))                 \
  CLAMP_LOW(I, si_in_, si_x1, si_x, -120.0f)      \
  SIGMOID_PARTS(I, si_, si_x1, -87.0f)                   \
  I(si_prod, FMUL, si_x1, si_num, 0, NO)          \
  I(si_y, FDIV, si_prod, si_den, 0, NO)

/* erf(x / sqrt 2) = x P(x^2) up to QN_GELU_END, where that is 1 exactly. The powers are those of t in [-1, 1], which
 * keeps the coefficients small; even and odd ones are two chains, as the latency of one would be the limit. */
#define GELU(I)                                   \
  I(ge_x, INPUT_F, 0, 0, 0, U(0))                 \
  CLAMP_LOW(I, ge_, ge_x1, ge_x, -QN_GELU_END)    \
  CLAMP_HIGH(I, ge_, ge_z, ge_x1, QN_GELU_END)    \
  KF(I, ge_k, QN_GELU_T)                          \
  KF(I, ge_minus, -1.0f)                          \
  I(ge_u, FMUL, ge_z, ge_z, 0, NO)                \
  I(ge_t, FMA, ge_u, ge_k, ge_minus, NO)          \
  I(ge_w, FMUL, ge_t, ge_t, 0, NO)                \
  KF(I, ge_c14, QN_GELU_C14)                      \
  KF(I, ge_c13, QN_GELU_C13)                      \
  HORNER(I, ge_p12, ge_c14, ge_w, QN_GELU_C12)    \
  HORNER(I, ge_p10, ge_p12, ge_w, QN_GELU_C10)    \
  HORNER(I, ge_p8, ge_p10, ge_w, QN_GELU_C8)      \
  HORNER(I, ge_p6, ge_p8, ge_w, QN_GELU_C6)       \
  HORNER(I, ge_p4, ge_p6, ge_w, QN_GELU_C4)       \
  HORNER(I, ge_p2, ge_p4, ge_w, QN_GELU_C2)       \
  HORNER(I, ge_p0, ge_p2, ge_w, QN_GELU_C0)       \
  HORNER(I, ge_p11, ge_c13, ge_w, QN_GELU_C11)    \
  HORNER(I, ge_p9, ge_p11, ge_w, QN_GELU_C9)      \
  HORNER(I, ge_p7, ge_p9, ge_w, QN_GELU_C7)       \
  HORNER(I, ge_p5, ge_p7, ge_w, QN_GELU_C5)       \
  HORNER(I, ge_p3, ge_p5, ge_w, QN_GELU_C3)       \
  HORNER(I, ge_p1, ge_p3, ge_w, QN_GELU_C1)       \
  I(ge_p, FMA, ge_p1, ge_t, ge_p0, NO)            \
  KF(I, ge_half, 0.5f)                            \
  I(ge_erf, FMUL, ge_z, ge_p, 0, NO)              \
  I(ge_h, FMUL, ge_x1, ge_half, 0, NO)            \
  I(ge_y, FMA, ge_h, ge_erf, ge_h, NO)

/* The same as x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)) */
#define GELU_TANH(I)                              \
  I(gt_x, INPUT_F, 0, 0, 0, U(0))                 \
  CLAMP_LOW(I, gt_in_, gt_x1, gt_x, -12.0f)       \
  KF(I, gt_k1, QN_GELU_TANH_1)                    \
  KF(I, gt_k3, QN_GELU_TANH_3)                    \
  I(gt_u, FMUL, gt_x1, gt_x1, 0, NO)              \
  I(gt_w, FMA, gt_u, gt_k3, gt_k1, NO)            \
  I(gt_v, FMUL, gt_x1, gt_w, 0, NO)               \
  SIGMOID_PARTS(I, gt_, gt_v, -87.0f)                    \
  I(gt_prod, FMUL, gt_x1, gt_num, 0, NO)          \
  I(gt_y, FDIV, gt_prod, gt_den, 0, NO)

/* Equal values differ in the sign of zero only, which AND (OR) settles; what is left is NaN. */
#define PICK(I, P, first, second, settle)         \
  I(P##a, INPUT_F, 0, 0, 0, U(0))                 \
  I(P##b, INPUT_F, 0, 0, 0, U(1))                 \
  I(P##less, FLT, P##a, P##b, 0, NO)              \
  I(P##more, FLT, P##b, P##a, 0, NO)              \
  I(P##same, FEQ, P##a, P##b, 0, NO)              \
  I(P##a_bits, BITS_I, P##a, 0, 0, NO)            \
  I(P##b_bits, BITS_I, P##b, 0, 0, NO)            \
  I(P##set_bits, settle, P##a_bits, P##b_bits, 0, NO) \
  I(P##set, BITS_F, P##set_bits, 0, 0, NO)        \
  I(P##nan, FADD, P##a, P##b, 0, NO)              \
  I(P##y1, FSELECT, P##same, P##set, P##nan, NO)  \
  I(P##y2, FSELECT, P##more, first, P##y1, NO)    \
  I(P##y3, FSELECT, P##less, second, P##y2, NO)
#define MAX(I) PICK(I, mx_, mx_a, mx_b, IAND)
#define MIN(I) PICK(I, mn_, mn_b, mn_a, IOR)

/* Magnitudes from 2^23 on are integers already. */
#define ROUND_PARTS(I, P)                         \
  I(P##x, INPUT_F, 0, 0, 0, U(0))                 \
  SPLIT(I, P, P##x)                               \
  I(P##a, BITS_F, P##mag, 0, 0, NO)               \
  KF(I, P##2p23, 0x1p23f)                         \
  I(P##up, FADD, P##a, P##2p23, 0, NO)            \
  I(P##r, FSUB, P##up, P##2p23, 0, NO)
#define ROUND_FINISH(I, P, r)                     \
  WITH_SIGN(I, P, P##signed, r)                   \
  I(P##is_small, FLT, P##a, P##2p23, 0, NO)       \
  I(P##y, FSELECT, P##is_small, P##signed, P##x, NO)
#define ROUND_EVEN(I) ROUND_PARTS(I, re_) ROUND_FINISH(I, re_, re_r)
/* A tie that went down to even is put up. */
#define ROUND_AWAY(I)                             \
  ROUND_PARTS(I, ra_)                             \
  KF(I, ra_half, 0.5f)                            \
  KF(I, ra_one, 1.0f)                             \
  I(ra_rest, FSUB, ra_a, ra_r, 0, NO)             \
  I(ra_tie, FEQ, ra_rest, ra_half, 0, NO)         \
  I(ra_more, FADD, ra_r, ra_one, 0, NO)           \
  I(ra_r2, FSELECT, ra_tie, ra_more, ra_r, NO)    \
  ROUND_FINISH(I, ra_, ra_r2)

/* f32 to a format of BITS bits with M of mantissa and the given bias: normal codes by integer rounding, subnormal ones by
 * adding a power of two whose last place is theirs; codes above LAST become OVER; NaN is NAN_OR with the payload. */
#define NARROW(I, P, BITS, M, BIAS, LAST, OVER, NAN_OR, NAN_AND) \
  I(P##x, INPUT_F, 0, 0, 0, U(0))                 \
  SPLIT(I, P, P##x)                               \
  I(P##shifted, SHR, P##mag, 0, 0, U(23 - M))     \
  KI(I, P##one, 1)                                \
  I(P##odd, IAND, P##shifted, P##one, 0, NO)      \
  KI(I, P##bump, (1u << (22 - M)) - 1u - (127u - BIAS) * 0x800000u) \
  I(P##r1, IADD, P##mag, P##bump, 0, NO)          \
  I(P##r2, IADD, P##r1, P##odd, 0, NO)            \
  I(P##normal, SAR, P##r2, 0, 0, U(23 - M))       \
  KI(I, P##magic_bits, (127u + 24u - BIAS - M) << 23) \
  I(P##magic, BITS_F, P##magic_bits, 0, 0, NO)    \
  I(P##a, BITS_F, P##mag, 0, 0, NO)               \
  I(P##sum, FADD, P##a, P##magic, 0, NO)          \
  I(P##sum_bits, BITS_I, P##sum, 0, 0, NO)        \
  I(P##subnormal, ISUB, P##sum_bits, P##magic_bits, 0, NO) \
  KI(I, P##first_normal, (128u - BIAS) << 23)     \
  I(P##is_sub, ILT, P##mag, P##first_normal, 0, NO) \
  I(P##code, ISELECT, P##is_sub, P##subnormal, P##normal, NO) \
  KI(I, P##last, LAST)                            \
  KI(I, P##over, OVER)                            \
  I(P##is_over, ILT, P##last, P##code, 0, NO)     \
  I(P##bounded, ISELECT, P##is_over, P##over, P##code, NO) \
  KI(I, P##nan_and, NAN_AND)                      \
  KI(I, P##nan_or, NAN_OR)                        \
  I(P##payload, IAND, P##shifted, P##nan_and, 0, NO) \
  I(P##nan, IOR, P##payload, P##nan_or, 0, NO)    \
  KI(I, P##inf, 0x7F800000u)                      \
  I(P##is_nan, ILT, P##inf, P##mag, 0, NO)        \
  I(P##sign_there, SHR, P##sign, 0, 0, U(32 - BITS))

#define NARROW_SIGNED(I, P, BITS, M, BIAS, LAST, OVER, NAN_OR, NAN_AND) \
  NARROW(I, P, BITS, M, BIAS, LAST, OVER, NAN_OR, NAN_AND) \
  I(P##any, ISELECT, P##is_nan, P##nan, P##bounded, NO) \
  I(P##y, IOR, P##any, P##sign_there, 0, NO)

#define F32_TO_F16(I) NARROW_SIGNED(I, h1_, 16, 10, 15, 0x7C00, 0x7C00, 0x7E00, 0x3FF)
#define F32_TO_F8E4M3FN(I) NARROW_SIGNED(I, q1_, 8, 3, 7, 0x7E, 0x7F, 0x7F, 0)
#define F32_TO_F8E4M3FN_SAT(I) NARROW_SIGNED(I, q2_, 8, 3, 7, 0x7E, 0x7E, 0x7F, 0)
#define F32_TO_F8E5M2(I) NARROW_SIGNED(I, q3_, 8, 2, 15, 0x7C, 0x7C, 0x7E, 3)
#define F32_TO_F8E5M2_SAT(I) NARROW_SIGNED(I, q4_, 8, 2, 15, 0x7B, 0x7B, 0x7E, 3)
/* No NaN: +6 */
#define F32_TO_F4E2M1FN(I)                        \
  NARROW(I, q5_, 4, 1, 1, 7, 7, 7, 0)             \
  I(q5_any, IOR, q5_bounded, q5_sign_there, 0, NO) \
  I(q5_y, ISELECT, q5_is_nan, q5_nan, q5_any, NO)

/* A code to f32; P_magnitude is the value without sign, of codes that are numbers. */
#define WIDEN(I, P, BITS, M, BIAS)                \
  I(P##x, INPUT_I, 0, 0, 0, U(0))                 \
  KI(I, P##mask, (1u << (BITS - 1)) - 1)          \
  I(P##mag, IAND, P##x, P##mask, 0, NO)           \
  I(P##sign_here, IXOR, P##x, P##mag, 0, NO)      \
  I(P##sign, SHL, P##sign_here, 0, 0, U(32 - BITS)) \
  I(P##man, SHL, P##mag, 0, 0, U(23 - M))         \
  KI(I, P##rebias, (127u - BIAS) << 23)           \
  I(P##normal, IADD, P##man, P##rebias, 0, NO)    \
  I(P##count, I2F, P##mag, 0, 0, NO)              \
  KI(I, P##unit_bits, (128u - BIAS - M) << 23)    \
  I(P##unit, BITS_F, P##unit_bits, 0, 0, NO)      \
  I(P##sub, FMUL, P##count, P##unit, 0, NO)       \
  I(P##sub_bits, BITS_I, P##sub, 0, 0, NO)        \
  KI(I, P##first_normal, 1u << M)                 \
  I(P##is_sub, ILT, P##mag, P##first_normal, 0, NO) \
  I(P##magnitude, ISELECT, P##is_sub, P##sub_bits, P##normal, NO)
#define WIDEN_FINISH(I, P, m)                     \
  I(P##y_bits, IOR, m, P##sign, 0, NO)            \
  I(P##y, BITS_F, P##y_bits, 0, 0, NO)
/* Codes from INF on: infinity, then quiet NaN with the payload. */
#define WIDEN_IEEE(I, P, BITS, M, BIAS, INF)      \
  WIDEN(I, P, BITS, M, BIAS)                      \
  KI(I, P##inf, INF)                              \
  KI(I, P##inf32, 0x7F800000u)                    \
  KI(I, P##quiet, 0x7FC00000u)                    \
  I(P##is_nan, ILT, P##inf, P##mag, 0, NO)        \
  I(P##is_inf, IEQ, P##inf, P##mag, 0, NO)        \
  I(P##nan, IOR, P##man, P##quiet, 0, NO)         \
  I(P##m1, ISELECT, P##is_inf, P##inf32, P##magnitude, NO) \
  I(P##m2, ISELECT, P##is_nan, P##nan, P##m1, NO) \
  WIDEN_FINISH(I, P, P##m2)

#define F16_TO_F32(I) WIDEN_IEEE(I, h2_, 16, 10, 15, 0x7C00)
#define F8E5M2_TO_F32(I) WIDEN_IEEE(I, w1_, 8, 2, 15, 0x7C)
#define F8E4M3FN_TO_F32(I)                        \
  WIDEN(I, w2_, 8, 3, 7)                          \
  KI(I, w2_quiet, 0x7FC00000u)                    \
  I(w2_is_nan, IEQ, w2_mag, w2_mask, 0, NO)       \
  I(w2_m1, ISELECT, w2_is_nan, w2_quiet, w2_magnitude, NO) \
  WIDEN_FINISH(I, w2_, w2_m1)
#define F4E2M1FN_TO_F32(I) WIDEN(I, w3_, 4, 1, 1) WIDEN_FINISH(I, w3_, w3_magnitude)

#define F8E8M0FNU_TO_F32(I)                       \
  I(w4_x, INPUT_I, 0, 0, 0, U(0))                 \
  KI(I, w4_zero, 0)                               \
  KI(I, w4_lowest, 0x00400000u)                   \
  KI(I, w4_last, 255)                             \
  KI(I, w4_nan, 0x7FC00000u)                      \
  I(w4_shifted, SHL, w4_x, 0, 0, U(23))           \
  I(w4_is_zero, IEQ, w4_x, w4_zero, 0, NO)        \
  I(w4_is_nan, IEQ, w4_x, w4_last, 0, NO)         \
  I(w4_m1, ISELECT, w4_is_zero, w4_lowest, w4_shifted, NO) \
  I(w4_m2, ISELECT, w4_is_nan, w4_nan, w4_m1, NO) \
  I(w4_y, BITS_F, w4_m2, 0, 0, NO)

#define F32_TO_BF16(I)                            \
  I(b1_x, INPUT_F, 0, 0, 0, U(0))                 \
  SPLIT(I, b1_, b1_x)                             \
  I(b1_upper, SHR, b1_x_bits, 0, 0, U(16))        \
  KI(I, b1_one, 1)                                \
  I(b1_odd, IAND, b1_upper, b1_one, 0, NO)        \
  KI(I, b1_bump, 0x7FFF)                          \
  I(b1_r1, IADD, b1_x_bits, b1_bump, 0, NO)       \
  I(b1_r2, IADD, b1_r1, b1_odd, 0, NO)            \
  I(b1_code, SHR, b1_r2, 0, 0, U(16))             \
  KI(I, b1_quiet, 0x40)                           \
  I(b1_nan, IOR, b1_upper, b1_quiet, 0, NO)       \
  KI(I, b1_inf, 0x7F800000u)                      \
  I(b1_is_nan, ILT, b1_inf, b1_mag, 0, NO)        \
  I(b1_y, ISELECT, b1_is_nan, b1_nan, b1_code, NO)

#define BF16_TO_F32(I)                            \
  I(b2_x, INPUT_I, 0, 0, 0, U(0))                 \
  KI(I, b2_mask, 0x7FFF)                          \
  KI(I, b2_inf, 0x7F80)                           \
  KI(I, b2_quiet, 0x400000)                       \
  I(b2_mag, IAND, b2_x, b2_mask, 0, NO)           \
  I(b2_wide, SHL, b2_x, 0, 0, U(16))              \
  I(b2_nan, IOR, b2_wide, b2_quiet, 0, NO)        \
  I(b2_is_nan, ILT, b2_inf, b2_mag, 0, NO)        \
  I(b2_y_bits, ISELECT, b2_is_nan, b2_nan, b2_wide, NO) \
  I(b2_y, BITS_F, b2_y_bits, 0, 0, NO)
/* clang-format on */

#define REGISTER(r, op, a, b, c, imm)    r,
#define INSTRUCTION(r, op, a, b, c, imm) {QN__OP_##op, a, b, c, {imm}},
#define QN_RECIPE(symbol, name, inputs, meaning)                                                                       \
  enum { symbol(REGISTER) size_##symbol };                                                                             \
  static const qn_recipe_inst code_##symbol[] = {symbol(INSTRUCTION)};                                                 \
  _Static_assert(size_##symbol <= 128, "more registers than the evaluator has");
#include "recipes.def"
#undef QN_RECIPE

const qn_recipe qn__recipes[QN__RECIPE_COUNT] = {
#define QN_RECIPE(symbol, name, inputs, meaning) {name, meaning, code_##symbol, size_##symbol, inputs},
#include "recipes.def"
#undef QN_RECIPE
};
