#include "convert.h"

static const qn_float_format formats[] = {
    [QN_F64] = {64, 52, 1023, QN__SPECIAL_IEEE},   [QN_F32] = {32, 23, 127, QN__SPECIAL_IEEE},
    [QN_F16] = {16, 10, 15, QN__SPECIAL_IEEE},     [QN_BF16] = {16, 7, 127, QN__SPECIAL_IEEE},
    [QN_F8E4M3FN] = {8, 3, 7, QN__SPECIAL_NAN},    [QN_F8E5M2] = {8, 2, 15, QN__SPECIAL_IEEE},
    [QN_F4E2M1FN] = {4, 1, 1, QN__SPECIAL_FINITE}, [QN_F8E8M0FNU] = {8, 0, 127, QN__SPECIAL_EXPONENT},
};

const qn_float_format *qn__float_format(qn_scalar s) {
  if ((unsigned)s >= sizeof formats / sizeof *formats || formats[s].bits == 0) return NULL;
  return &formats[s];
}

/* All bits below the sign. */
static uint64_t magnitude_mask(const qn_float_format *f) {
  unsigned n = f->special == QN__SPECIAL_EXPONENT ? f->bits : f->bits - 1u;
  return ((uint64_t)1 << n) - 1;
}

static uint64_t infinity_code(const qn_float_format *f) {
  return magnitude_mask(f) & ~(((uint64_t)1 << f->man_bits) - 1);
}

static uint64_t largest_code(const qn_float_format *f) {
  switch (f->special) {
  case QN__SPECIAL_IEEE: return infinity_code(f) - 1;
  case QN__SPECIAL_FINITE: return magnitude_mask(f);
  default: return magnitude_mask(f) - 1;
  }
}

/* Highest set bit first; x is not 0. */
static unsigned leading_zeros(uint64_t x) {
  unsigned n = 0;
  for (unsigned step = 32; step; step >>= 1) {
    if (x >> (64 - step)) continue;
    n += step;
    x <<= step;
  }
  return n;
}

static qn_unpacked unpack_exponent_only(uint64_t bits) {
  if (bits == 0xFF) return (qn_unpacked){QN__NAN, false, 0, 0};
  return (qn_unpacked){QN__FINITE, false, (int32_t)bits - 127, (uint64_t)1 << 63};
}

qn_unpacked qn__float_unpack(const qn_float_format *f, uint64_t bits) {
  if (f->special == QN__SPECIAL_EXPONENT) return unpack_exponent_only(bits & 0xFF);
  uint64_t magnitude = bits & magnitude_mask(f);
  uint64_t man = magnitude & (((uint64_t)1 << f->man_bits) - 1);
  int32_t exp = (int32_t)(magnitude >> f->man_bits);
  qn_unpacked x = {QN__FINITE, (bits >> (f->bits - 1) & 1) != 0, 0, 0};
  if (f->special == QN__SPECIAL_IEEE && magnitude >= infinity_code(f)) {
    x.cls = man ? QN__NAN : QN__INFINITE;
    x.significand = man << (63 - f->man_bits);
  } else if (f->special == QN__SPECIAL_NAN && magnitude == magnitude_mask(f)) {
    x.cls = QN__NAN;
  } else if (magnitude == 0) {
    x.cls = QN__ZERO;
  } else if (exp == 0) {
    unsigned shift = leading_zeros(man);
    x.significand = man << shift;
    x.exponent = 1 - f->bias + (63 - f->man_bits) - (int32_t)shift;
  } else {
    x.significand = (man | (uint64_t)1 << f->man_bits) << (63 - f->man_bits);
    x.exponent = exp - f->bias;
  }
  return x;
}

static uint64_t pack_exponent_only(qn_unpacked x, bool saturate) {
  if (x.cls == QN__ZERO) return 0;
  if (x.cls == QN__NAN || x.negative) return 0xFF;
  if (x.cls == QN__INFINITE) return saturate ? 0xFE : 0xFF;
  int32_t code = x.exponent + 127;
  if (code < 0) return 0;
  if (code > 0xFE) return saturate ? 0xFE : 0xFF;
  uint64_t rest = x.significand << 1;
  const uint64_t half = (uint64_t)1 << 63;
  if (rest > half || (rest == half && (code & 1))) code++;
  return code == 0xFF && saturate ? 0xFE : (uint64_t)code;
}

static uint64_t pack_nan(const qn_float_format *f, qn_unpacked x) {
  if (f->special != QN__SPECIAL_IEEE) return magnitude_mask(f);
  uint64_t quiet = (uint64_t)1 << (f->man_bits - 1);
  return infinity_code(f) | quiet | x.significand >> (63 - f->man_bits);
}

/* significand * 2^(exponent - 63) as a code without its sign; may be one past the largest. */
static uint64_t pack_finite(const qn_float_format *f, qn_unpacked x) {
  int32_t emin = 1 - f->bias;
  int32_t exp = x.exponent < emin ? emin : x.exponent;
  int32_t drop = 63 - f->man_bits + (exp - x.exponent);
  if (drop > 64) return 0;
  uint64_t kept = drop == 64 ? 0 : x.significand >> drop;
  uint64_t rest = drop == 64 ? x.significand : x.significand << (64 - drop);
  const uint64_t half = (uint64_t)1 << 63;
  if (rest > half || (rest == half && (kept & 1))) kept++;
  /* `kept` holds the leading one of a normal number, which makes up for the 1 taken off the biased exponent here. */
  return ((uint64_t)(exp + f->bias - 1) << f->man_bits) + kept;
}

uint64_t qn__float_pack(const qn_float_format *f, qn_unpacked x, bool saturate) {
  if (f->special == QN__SPECIAL_EXPONENT) return pack_exponent_only(x, saturate);
  uint64_t sign = x.negative ? (uint64_t)1 << (f->bits - 1) : 0;
  if (x.cls == QN__ZERO) return sign;
  if (x.cls == QN__NAN) return f->special == QN__SPECIAL_FINITE ? pack_nan(f, x) : sign | pack_nan(f, x);
  uint64_t largest = largest_code(f);
  bool over = x.cls == QN__INFINITE || x.exponent > f->bias + 1;
  uint64_t code = over ? 0 : pack_finite(f, x);
  if (!over && code <= largest) return sign | code;
  if (saturate || f->special == QN__SPECIAL_FINITE) return sign | largest;
  return sign | (f->special == QN__SPECIAL_IEEE ? infinity_code(f) : magnitude_mask(f));
}

uint64_t qn__float_convert(qn_scalar to, qn_scalar from, uint64_t bits, bool saturate) {
  const qn_float_format *t = qn__float_format(to), *f = qn__float_format(from);
  return t && f ? qn__float_pack(t, qn__float_unpack(f, bits), saturate) : 0;
}

/* ---- the hot four, by hand ---- */

uint16_t qn_f16_from_f32(float x) {
  uint32_t u = qn__f32_bits(x), sign = u >> 16 & 0x8000u, a = u & 0x7FFFFFFFu;
  if (a > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | (a >> 13 & 0x3FFu));
  if (a >= 0x477FF000u) return (uint16_t)(sign | 0x7C00u); /* 65520 and up */
  if (a < 0x33000000u) return (uint16_t)sign;              /* below half of the smallest subnormal */
  uint32_t e = a >> 23, drop = 13, base = e >= 113 ? (e - 113) << 10 : 0;
  uint32_t man = (a & 0x7FFFFFu) | 0x800000u;
  if (e < 113) drop += 113 - e;
  uint32_t kept = man >> drop, rest = man & ((1u << drop) - 1), half = 1u << (drop - 1);
  kept += rest > half || (rest == half && (kept & 1));
  return (uint16_t)(sign | (base + kept));
}

float qn_f16_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, a = h & 0x7FFFu;
  if (a > 0x7C00u) return qn__f32_of_bits(sign | 0x7FC00000u | a << 13);
  if (a == 0x7C00u) return qn__f32_of_bits(sign | 0x7F800000u);
  if (a >= 0x400u) return qn__f32_of_bits(sign | ((a << 13) + (112u << 23)));
  if (a == 0) return qn__f32_of_bits(sign);
  uint32_t e = 113;
  while (!(a & 0x400u)) a <<= 1, e--;
  return qn__f32_of_bits(sign | e << 23 | (a & 0x3FFu) << 13);
}

uint16_t qn_bf16_from_f32(float x) {
  uint32_t u = qn__f32_bits(x);
  if ((u & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(u >> 16 | 0x40u);
  return (uint16_t)((u + 0x7FFFu + (u >> 16 & 1u)) >> 16);
}

float qn_bf16_to_f32(uint16_t b) {
  uint32_t u = (uint32_t)b << 16;
  return qn__f32_of_bits((u & 0x7FFFFFFFu) > 0x7F800000u ? u | 0x400000u : u);
}

/* ---- the rest, through the tables ---- */

static uint64_t from32(qn_scalar to, float x, bool saturate) {
  return qn__float_convert(to, QN_F32, qn__f32_bits(x), saturate);
}
static uint64_t from64(qn_scalar to, double x, bool saturate) {
  return qn__float_convert(to, QN_F64, qn__f64_bits(x), saturate);
}
static float to32(qn_scalar from, uint64_t bits) {
  return qn__f32_of_bits((uint32_t)qn__float_convert(QN_F32, from, bits, false));
}

uint16_t qn_f16_from_f64(double x) {
  return (uint16_t)from64(QN_F16, x, false);
}
uint16_t qn_bf16_from_f64(double x) {
  return (uint16_t)from64(QN_BF16, x, false);
}
uint8_t qn_f8e4m3fn_from_f32(float x, bool saturate) {
  return (uint8_t)from32(QN_F8E4M3FN, x, saturate);
}
uint8_t qn_f8e4m3fn_from_f64(double x, bool saturate) {
  return (uint8_t)from64(QN_F8E4M3FN, x, saturate);
}
float qn_f8e4m3fn_to_f32(uint8_t bits) {
  return to32(QN_F8E4M3FN, bits);
}
uint8_t qn_f8e5m2_from_f32(float x, bool saturate) {
  return (uint8_t)from32(QN_F8E5M2, x, saturate);
}
uint8_t qn_f8e5m2_from_f64(double x, bool saturate) {
  return (uint8_t)from64(QN_F8E5M2, x, saturate);
}
float qn_f8e5m2_to_f32(uint8_t bits) {
  return to32(QN_F8E5M2, bits);
}
uint8_t qn_f4e2m1fn_from_f32(float x) {
  return (uint8_t)from32(QN_F4E2M1FN, x, true);
}
uint8_t qn_f4e2m1fn_from_f64(double x) {
  return (uint8_t)from64(QN_F4E2M1FN, x, true);
}
float qn_f4e2m1fn_to_f32(uint8_t bits) {
  return to32(QN_F4E2M1FN, bits);
}
uint8_t qn_f8e8m0fnu_from_f32(float x, bool saturate) {
  return (uint8_t)from32(QN_F8E8M0FNU, x, saturate);
}
uint8_t qn_f8e8m0fnu_from_f64(double x, bool saturate) {
  return (uint8_t)from64(QN_F8E8M0FNU, x, saturate);
}
float qn_f8e8m0fnu_to_f32(uint8_t bits) {
  return to32(QN_F8E8M0FNU, bits);
}
float qn_f32_from_f64(double x) {
  return qn__f32_of_bits((uint32_t)from64(QN_F32, x, false));
}

static double code_value(qn_scalar format, uint64_t code) {
  return qn__f64_of_bits(qn__float_convert(QN_F64, format, code, false));
}

double qn_float_max(qn_scalar format) {
  const qn_float_format *f = qn__float_format(format);
  return f ? code_value(format, largest_code(f)) : 0;
}

double qn_float_min_normal(qn_scalar format) {
  const qn_float_format *f = qn__float_format(format);
  if (!f) return 0;
  return code_value(format, f->special == QN__SPECIAL_EXPONENT ? 0 : (uint64_t)1 << f->man_bits);
}
