#include "lanes.h"
#include "elementwise.h"
#include "pack.h"

int64_t qn__int_extend(qn_scalar type, uint64_t bits) {
  const qn_scalar_info *info = qn_scalar_get(type);
  return qn__int_wrap((int64_t)bits, info->bits ? info->bits : 64u, info->cls != QN_UNSIGNED);
}

/* Formats of 8 bits and fewer saturate; f16 and bf16 overflow to infinity. */
static bool saturates(qn_scalar format) {
  return qn_scalar_get(format)->bits <= 8;
}

uint64_t qn__float_encode(qn_scalar format, float x) {
  switch (format) {
  case QN_F32: return qn__f32_bits(x);
  case QN_F16: return qn_f16_from_f32(x);
  case QN_BF16: return qn_bf16_from_f32(x);
  default: return qn__float_convert(format, QN_F32, qn__f32_bits(x), saturates(format));
  }
}

uint64_t qn__float_encode_f64(qn_scalar format, double x) {
  return format == QN_F64 ? qn__f64_bits(x) : qn__float_convert(format, QN_F64, qn__f64_bits(x), saturates(format));
}

float qn__float_decode(qn_scalar format, uint64_t bits) {
  switch (format) {
  case QN_F32: return qn__f32_of_bits((uint32_t)bits);
  case QN_F16: return qn_f16_to_f32((uint16_t)bits);
  case QN_BF16: return qn_bf16_to_f32((uint16_t)bits);
  default: return qn__f32_of_bits((uint32_t)qn__float_convert(QN_F32, format, bits, false));
  }
}

uint64_t qn__float_from_int(qn_scalar format, uint64_t magnitude, bool negative) {
  const qn_float_format *f = qn__float_format(format);
  qn_unpacked x = {magnitude ? QN__FINITE : QN__ZERO, negative && magnitude, 63, magnitude};
  if (!f) return 0;
  while (magnitude && !(x.significand >> 63)) x.significand <<= 1, x.exponent--;
  return qn__float_pack(f, x, saturates(format));
}

/* ---- memory ---- */

static uint64_t read_sub_byte(const qn_tensor *t, int64_t i, unsigned bits) {
  return qn__pack_get(t->data, (size_t)i, bits);
}

#define LOAD_INTS(T)                                                                                                   \
  for (size_t i = 0; i < n; i++) {                                                                                     \
    T v;                                                                                                               \
    memcpy(&v, bytes + (size_t)(base + (int64_t)i * stride) * sizeof v, sizeof v);                                     \
    dst[i] = (int64_t)v;                                                                                               \
  }

static void load_ints(int64_t *dst, qn_scalar as, const qn_tensor *t, int64_t base, int64_t stride, size_t n) {
  const unsigned char *bytes = t->data;
  const qn_scalar_info *info = qn_scalar_get(as);
  bool is_unsigned = info->cls == QN_UNSIGNED;
  if (as == QN_I1) {
    for (size_t i = 0; i < n; i++) dst[i] = bytes[base + (int64_t)i * stride] ? -1 : 0;
    return;
  }
  switch (info->storage_bits) {
  case 8:
    if (is_unsigned) LOAD_INTS(uint8_t) else LOAD_INTS(int8_t) return;
  case 16:
    if (is_unsigned) LOAD_INTS(uint16_t) else LOAD_INTS(int16_t) return;
  case 32:
    if (is_unsigned) LOAD_INTS(uint32_t) else LOAD_INTS(int32_t) return;
  case 64: LOAD_INTS(int64_t) return;
  default:
    for (size_t i = 0; i < n; i++)
      dst[i] = qn__int_extend(as, read_sub_byte(t, base + (int64_t)i * stride, info->storage_bits));
  }
}

static void load_f32(float *dst, const unsigned char *bytes, int64_t base, int64_t stride, size_t n) {
  if (stride == 1) {
    memcpy(dst, bytes + (size_t)base * sizeof *dst, n * sizeof *dst);
    return;
  }
  for (size_t i = 0; i < n; i++)
    memcpy(&dst[i], bytes + (size_t)(base + (int64_t)i * stride) * sizeof *dst, sizeof *dst);
}

static void load_narrow(float *dst, qn_scalar as, const qn_tensor *t, int64_t base, int64_t stride, size_t n) {
  const unsigned char *bytes = t->data;
  unsigned width = qn_scalar_get(as)->storage_bits;
  for (size_t i = 0; i < n; i++) {
    int64_t at = base + (int64_t)i * stride;
    uint16_t half = 0;
    if (width == 16) memcpy(&half, bytes + (size_t)at * sizeof half, sizeof half);
    dst[i] = qn__float_decode(as, width == 16 ? half : width == 8 ? bytes[at] : read_sub_byte(t, at, width));
  }
}

void qn__lanes_load(qn__lanes dst, qn_scalar as, const qn_tensor *t, int64_t base, int64_t stride, size_t n) {
  const unsigned char *bytes = t->data;
  if (n == 0) return;
  switch (qn__lane_kind_of(as)) {
  case QN__LANE_F64:
    for (size_t i = 0; i < n; i++)
      memcpy(&dst.d[i], bytes + (size_t)(base + (int64_t)i * stride) * sizeof *dst.d, sizeof *dst.d);
    return;
  case QN__LANE_F32:
    if (as == QN_F32)
      load_f32(dst.f, bytes, base, stride, n);
    else
      load_narrow(dst.f, as, t, base, stride, n);
    return;
  default: load_ints(dst.i, as, t, base, stride, n);
  }
}

#define STORE_INTS(T)                                                                                                  \
  for (size_t i = 0; i < n; i++) {                                                                                     \
    T v = (T)(uint64_t)src[i];                                                                                         \
    memcpy(bytes + (size_t)(base + (int64_t)i) * sizeof v, &v, sizeof v);                                              \
  }

static void store_ints(qn_tensor *t, int64_t base, qn_scalar as, const int64_t *src, size_t n) {
  unsigned char *bytes = t->data;
  unsigned width = qn_scalar_get(as)->storage_bits;
  if (as == QN_I1) {
    for (size_t i = 0; i < n; i++) bytes[(size_t)base + i] = (unsigned char)(src[i] & 1);
    return;
  }
  switch (width) {
  case 8: STORE_INTS(uint8_t) return;
  case 16: STORE_INTS(uint16_t) return;
  case 32: STORE_INTS(uint32_t) return;
  case 64: STORE_INTS(uint64_t) return;
  default:
    for (size_t i = 0; i < n; i++) qn__pack_set(bytes, (size_t)base + i, width, (unsigned)((uint64_t)src[i] & 0xFFu));
  }
}

void qn__lanes_store(qn_tensor *t, int64_t base, qn_scalar as, qn__lanes src, size_t n) {
  unsigned char *bytes = t->data;
  if (n == 0) return;
  qn__lane_kind kind = qn__lane_kind_of(as);
  if (kind == QN__LANE_INT) {
    store_ints(t, base, as, src.i, n);
    return;
  }
  if (kind == QN__LANE_F64) {
    memcpy(bytes + (size_t)base * sizeof *src.d, src.d, n * sizeof *src.d);
    return;
  }
  if (as == QN_F32) {
    memcpy(bytes + (size_t)base * sizeof *src.f, src.f, n * sizeof *src.f);
    return;
  }
  unsigned width = qn_scalar_get(as)->storage_bits;
  for (size_t i = 0; i < n; i++) {
    uint16_t code = (uint16_t)qn__float_encode(as, src.f[i]);
    size_t at = (size_t)base + i;
    if (width == 16)
      memcpy(bytes + at * sizeof code, &code, sizeof code);
    else if (width == 8)
      bytes[at] = (unsigned char)code;
    else
      qn__pack_set(bytes, at, width, code);
  }
}

void qn__lanes_fix(qn__lanes v, qn_scalar type, size_t n) {
  if (type == QN_F32 || type == QN_F64 || type == QN_I64 || type == QN_INDEX) return;
  if (qn_scalar_is_float(type)) {
    for (size_t i = 0; i < n; i++) v.f[i] = qn__float_decode(type, qn__float_encode(type, v.f[i]));
    return;
  }
  if (type == QN_I32) {
    for (size_t i = 0; i < n; i++) v.i[i] = (int32_t)(uint32_t)(uint64_t)v.i[i];
    return;
  }
  for (size_t i = 0; i < n; i++) v.i[i] = qn__int_extend(type, (uint64_t)v.i[i]);
}

void qn__lanes_fill(qn__lanes v, qn_scalar type, uint64_t bits, size_t n) {
  switch (qn__lane_kind_of(type)) {
  case QN__LANE_F64:
    for (size_t i = 0; i < n; i++) v.d[i] = qn__f64_of_bits(bits);
    return;
  case QN__LANE_F32:
    for (size_t i = 0; i < n; i++) v.f[i] = qn__float_decode(type, bits);
    return;
  default:
    for (size_t i = 0; i < n; i++) v.i[i] = qn__int_extend(type, bits);
  }
}
