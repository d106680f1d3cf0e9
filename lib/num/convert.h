/* Float formats as data: one unpacking and one rounding routine, all integer, serve every format. */
#ifndef QN_CONVERT_H
#define QN_CONVERT_H
#include <quern/num.h>
#include <string.h>

typedef enum qn_float_special {
  QN__SPECIAL_IEEE,    /* all-ones exponent: infinity and NaN */
  QN__SPECIAL_NAN,     /* only the all-ones code is NaN, no infinity (E4M3FN) */
  QN__SPECIAL_FINITE,  /* neither (E2M1FN) */
  QN__SPECIAL_EXPONENT /* no sign, no mantissa, no zero; all ones is NaN (E8M0FNU) */
} qn_float_special;

typedef struct qn_float_format {
  uint8_t bits, man_bits;
  int16_t bias;
  qn_float_special special;
} qn_float_format;

/* Null unless s is a float type. */
const qn_float_format *qn__float_format(qn_scalar s);

typedef enum qn_float_class { QN__ZERO, QN__FINITE, QN__INFINITE, QN__NAN } qn_float_class;

/* FINITE: significand * 2^(exponent - 63) with the top bit of significand set. Its lowest bit may be "sticky": set when
 * anything was cut off below, which rounds right for formats of up to 62 bits of precision. NAN: payload at the top. */
typedef struct qn_unpacked {
  qn_float_class cls;
  bool negative;
  int32_t exponent;
  uint64_t significand;
} qn_unpacked;

qn_unpacked qn__float_unpack(const qn_float_format *f, uint64_t bits);
/* Rounds to nearest even once. */
uint64_t qn__float_pack(const qn_float_format *f, qn_unpacked x, bool saturate);
/* Bits of one format to bits of another. */
uint64_t qn__float_convert(qn_scalar to, qn_scalar from, uint64_t bits, bool saturate);

static inline uint32_t qn__f32_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static inline float qn__f32_of_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof x);
  return x;
}
static inline uint64_t qn__f64_bits(double x) {
  uint64_t u;
  memcpy(&u, &x, sizeof u);
  return u;
}
static inline double qn__f64_of_bits(uint64_t u) {
  double x;
  memcpy(&x, &u, sizeof x);
  return x;
}
static inline bool qn__f32_is_nan(float x) {
  return (qn__f32_bits(x) & 0x7FFFFFFFu) > 0x7F800000u;
}
static inline bool qn__f32_is_finite(float x) {
  return (qn__f32_bits(x) & 0x7F800000u) != 0x7F800000u;
}
#endif
