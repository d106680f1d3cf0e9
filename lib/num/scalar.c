#include "scalar.h"
#include "elementwise.h"
#include "pack.h"

uint64_t qn__load_bits(qn_scalar s, const void *data, size_t i) {
  const uint8_t *p = data;
  uint16_t h;
  uint32_t w;
  uint64_t d;
  unsigned bits = qn_scalar_get(s)->storage_bits;
  switch (bits) {
  case 8: return p[i];
  case 16: memcpy(&h, p + i * 2, 2); return h;
  case 32: memcpy(&w, p + i * 4, 4); return w;
  case 64: memcpy(&d, p + i * 8, 8); return d;
  case 0: return 0;
  default: return qn__pack_get(data, i, bits);
  }
}

void qn__store_bits(qn_scalar s, void *data, size_t i, uint64_t bits) {
  uint8_t *p = data;
  uint16_t h = (uint16_t)bits;
  uint32_t w = (uint32_t)bits;
  unsigned width = qn_scalar_get(s)->storage_bits;
  switch (width) {
  case 8: p[i] = (uint8_t)bits; break;
  case 16: memcpy(p + i * 2, &h, 2); break;
  case 32: memcpy(p + i * 4, &w, 4); break;
  case 64: memcpy(p + i * 8, &bits, 8); break;
  case 0: break;
  default: qn__pack_set(data, i, width, (unsigned)bits); break;
  }
}

static bool is_unsigned(qn_scalar s) {
  return s == QN_I1 || qn_scalar_get(s)->cls == QN_UNSIGNED;
}

static int64_t int_value(qn_scalar s, uint64_t bits) {
  if (s == QN_I1) return bits != 0;
  return qn__int_wrap((int64_t)bits, qn_scalar_get(s)->bits, !is_unsigned(s));
}

/* An integer as a float, rounded once whatever the format. */
static uint64_t float_of_int(qn_scalar to, int64_t v, bool unsigned_value) {
  qn_unpacked x = {QN__ZERO, v < 0 && !unsigned_value, 63, 0};
  x.significand = x.negative ? 0 - (uint64_t)v : (uint64_t)v;
  if (x.significand) {
    x.cls = QN__FINITE;
    while (!(x.significand >> 63)) {
      x.significand <<= 1;
      x.exponent--;
    }
  }
  return qn__float_pack(qn__float_format(to), x, false);
}

double qn__scalar_value(qn_scalar s, uint64_t bits) {
  if (s == QN_F64) return qn__f64_of_bits(bits);
  if (s == QN_F32) return (double)qn__f32_of_bits((uint32_t)bits);
  if (qn_scalar_is_float(s)) return qn__f64_of_bits(qn__float_convert(QN_F64, s, bits, false));
  int64_t v = int_value(s, bits);
  return is_unsigned(s) ? (double)(uint64_t)v : (double)v;
}

uint64_t qn__scalar_bits(qn_scalar s, double v, bool saturate) {
  if (s == QN_F64) return qn__f64_bits(v);
  if (qn_scalar_is_float(s)) return qn__float_convert(s, QN_F64, qn__f64_bits(v), saturate);
  if (s == QN_I1) return v < 0 || v > 0 ? 1u : 0u;
  unsigned width = qn_scalar_get(s)->bits;
  return width ? (uint64_t)qn__f64_to_int(v, width, !is_unsigned(s)) : 0;
}

double qn__load_f64(qn_scalar s, const void *data, size_t i) {
  return qn__scalar_value(s, qn__load_bits(s, data, i));
}

float qn__load_f32(qn_scalar s, const void *data, size_t i) {
  uint64_t bits = qn__load_bits(s, data, i);
  if (s == QN_F32) return qn__f32_of_bits((uint32_t)bits);
  if (s == QN_F16) return qn_f16_to_f32((uint16_t)bits);
  if (s == QN_BF16) return qn_bf16_to_f32((uint16_t)bits);
  if (qn_scalar_is_float(s)) return qn__f32_of_bits((uint32_t)qn__float_convert(QN_F32, s, bits, false));
  int64_t v = int_value(s, bits);
  bool small = v < 1 << 24 && v > (is_unsigned(s) ? -1 : -(1 << 24));
  if (small) return (float)(int32_t)v;
  return qn__f32_of_bits((uint32_t)float_of_int(QN_F32, v, is_unsigned(s)));
}

int64_t qn__load_i64(qn_scalar s, const void *data, size_t i) {
  uint64_t bits = qn__load_bits(s, data, i);
  if (qn_scalar_is_float(s)) return qn__f64_to_int(qn__scalar_value(s, bits), 64, true);
  return int_value(s, bits);
}

void qn__store_f64(qn_scalar s, void *data, size_t i, double v) {
  qn__store_bits(s, data, i, qn__scalar_bits(s, v, false));
}

void qn__store_f64_saturating(qn_scalar s, void *data, size_t i, double v) {
  qn__store_bits(s, data, i, qn__scalar_bits(s, v, true));
}

void qn__store_f32(qn_scalar s, void *data, size_t i, float v) {
  if (s == QN_F32)
    qn__store_bits(s, data, i, qn__f32_bits(v));
  else if (s == QN_F16)
    qn__store_bits(s, data, i, qn_f16_from_f32(v));
  else if (s == QN_BF16)
    qn__store_bits(s, data, i, qn_bf16_from_f32(v));
  else if (qn_scalar_is_float(s))
    qn__store_bits(s, data, i, qn__float_convert(s, QN_F32, qn__f32_bits(v), false));
  else
    qn__store_f64(s, data, i, (double)v);
}

void qn__store_i64(qn_scalar s, void *data, size_t i, int64_t v) {
  if (qn_scalar_is_float(s))
    qn__store_bits(s, data, i, float_of_int(s, v, false));
  else
    qn__store_bits(s, data, i, s == QN_I1 ? v != 0 : (uint64_t)v);
}

double qn_tensor_get_f64(const qn_tensor *t, int64_t i) {
  return qn__load_f64(t->elem, t->data, (size_t)i);
}
int64_t qn_tensor_get_i64(const qn_tensor *t, int64_t i) {
  return qn__load_i64(t->elem, t->data, (size_t)i);
}
void qn_tensor_set_f64(qn_tensor *t, int64_t i, double v) {
  qn__store_f64(t->elem, t->data, (size_t)i, v);
}
void qn_tensor_set_i64(qn_tensor *t, int64_t i, int64_t v) {
  qn__store_i64(t->elem, t->data, (size_t)i, v);
}

/* Floats that are no number, or infinite, have all bits of their exponent set. */
#define ALL_FINITE(type, exponent)                                                                                     \
  do {                                                                                                                 \
    const unsigned char *at = data;                                                                                    \
    type odd = 0;                                                                                                      \
    for (uint64_t i = 0; i < count; i++, at += sizeof(type)) {                                                         \
      type bits;                                                                                                       \
      memcpy(&bits, at, sizeof bits);                                                                                  \
      odd |= (type)((bits & (exponent)) == (exponent));                                                                \
    }                                                                                                                  \
    return !odd;                                                                                                       \
  } while (0)

bool qn_scalar_all_finite(qn_scalar s, const void *data, uint64_t count) {
  switch (s) {
  case QN_F64: ALL_FINITE(uint64_t, UINT64_C(0x7FF0000000000000));
  case QN_F32: ALL_FINITE(uint32_t, 0x7F800000u);
  case QN_F16: ALL_FINITE(uint16_t, 0x7C00u);
  case QN_BF16: ALL_FINITE(uint16_t, 0x7F80u);
  default: return false;
  }
}
