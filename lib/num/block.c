/* Block formats: MX, NVFP4, codebooks. */
#include "elementwise.h"
#include <float.h>

typedef struct mx_info {
  qn_scalar elem; /* QN_SCALAR_NONE: an integer that counts 2^-6 */
  int32_t emax;
} mx_info;
static const mx_info mx_formats[] = {
    [QN_MX_E2M1] = {QN_F4E2M1FN, 2},
    [QN_MX_E4M3] = {QN_F8E4M3FN, 8},
    [QN_MX_E5M2] = {QN_F8E5M2, 15},
    [QN_MX_INT8] = {QN_SCALAR_NONE, 0},
};

uint8_t qn_mx_scale(qn_mx_format format, float amax) {
  qn_unpacked x = qn__float_unpack(qn__float_format(QN_F32), qn__f32_bits(amax));
  if (x.cls == QN__NAN) return 0xFF;
  if (x.cls == QN__ZERO) return 0;
  int32_t exponent = x.cls == QN__INFINITE ? 127 : x.exponent - mx_formats[format].emax;
  if (exponent > 127) exponent = 127;
  if (exponent < -127) exponent = -127;
  return (uint8_t)(exponent + 127);
}

uint8_t qn_mx_encode(qn_mx_format format, float x, uint8_t scale) {
  float t = x / qn_f8e8m0fnu_to_f32(scale);
  if (t != t) t = 0;
  qn_scalar elem = mx_formats[format].elem;
  if (elem != QN_SCALAR_NONE) return (uint8_t)qn__float_convert(elem, QN_F32, qn__f32_bits(t), true);
  t = t < -2 ? -2 : t > 2 ? 2 : t;
  float q = qn__round_even_small(t * 64);
  q = q < -127 ? -127 : q > 127 ? 127 : q;
  return (uint8_t)(int8_t)q;
}

float qn_mx_decode(qn_mx_format format, uint8_t code, uint8_t scale) {
  float s = qn_f8e8m0fnu_to_f32(scale);
  qn_scalar elem = mx_formats[format].elem;
  if (elem == QN_SCALAR_NONE) return (float)((code ^ 0x80) - 0x80) * 0x1p-6f * s;
  return qn__f32_of_bits((uint32_t)qn__float_convert(QN_F32, elem, code, false)) * s;
}

void qn_mx_quantize(qn_mx_format format, const float *x, size_t n, uint8_t *scale, uint8_t *codes) {
  float amax = 0;
  for (size_t i = 0; i < n; i++) {
    float a = qn__f32_abs(x[i]);
    if (a > amax) amax = a;
  }
  *scale = qn_mx_scale(format, amax);
  for (size_t i = 0; i < n; i++) codes[i] = qn_mx_encode(format, x[i], *scale);
}

float qn_nvfp4_tensor_scale(float amax) {
  if (!(amax > 0)) return 1.0f;
  float s = amax / (448.0f * 6.0f);
  return s < FLT_MIN ? FLT_MIN : s;
}

uint8_t qn_nvfp4_block_scale(float amax_block, float tensor_scale) {
  const uint8_t one = 0x38, smallest_normal = 0x08;
  if (!(amax_block > 0)) return one;
  float sixth = amax_block / 6.0f;
  uint8_t code = qn_f8e4m3fn_from_f32(sixth / tensor_scale, true);
  return code < smallest_normal ? smallest_normal : code;
}

static float nvfp4_scale(uint8_t block_scale, float tensor_scale) {
  return qn_f8e4m3fn_to_f32(block_scale) * tensor_scale;
}

uint8_t qn_nvfp4_encode(float x, uint8_t block_scale, float tensor_scale) {
  return qn_quantize_f8(x, nvfp4_scale(block_scale, tensor_scale), QN_F4E2M1FN);
}

float qn_nvfp4_decode(uint8_t code, uint8_t block_scale, float tensor_scale) {
  return qn_f4e2m1fn_to_f32(code) * nvfp4_scale(block_scale, tensor_scale);
}

/* Sign of 2t - (a + b), exactly: the sum's rounding error decides where the rounded sum is equal. */
static int side(double t, double a, double b) {
  double s = a + b, aa = s - b, bb = s - aa;
  double lost = (a - aa) + (b - bb), d = 2 * t;
  if (d != s) return d > s ? 1 : -1;
  return lost < 0 ? 1 : lost > 0 ? -1 : 0;
}

uint32_t qn_codebook_nearest(const float *entries, uint32_t n, float t) {
  uint32_t best = 0;
  if (t != t) t = 0;
  for (uint32_t i = 1; i < n; i++) {
    int s = side((double)t, (double)entries[best], (double)entries[i]);
    if (entries[i] > entries[best] ? s > 0 : entries[i] < entries[best] && s < 0) best = i;
  }
  return best;
}

float qn_codebook_to_i8(const float *entries, uint32_t n, int8_t *out) {
  float amax = 0;
  for (uint32_t i = 0; i < n; i++) {
    float a = qn__f32_abs(entries[i]);
    if (a > amax) amax = a;
  }
  for (uint32_t i = 0; i < n; i++) {
    float scaled = 127.0f * entries[i], t = amax > 0 ? scaled / amax : 0.0f;
    t = t > 127 ? 127 : t >= -127 ? t : t < -127 ? -127 : 0; /* beyond only where 127 v overflows; NaN is 0 */
    out[i] = (int8_t)qn__round_even_small(t);
  }
  return amax > 0 ? amax / 127.0f : 1.0f;
}

const float *qn_codebook_nf4(void) {
  static const float nf4[16] = {-1.0f,
                                -0.6961928009986877f,
                                -0.5250730514526367f,
                                -0.39491748809814453f,
                                -0.28444138169288635f,
                                -0.18477343022823334f,
                                -0.09105003625154495f,
                                0.0f,
                                0.07958029955625534f,
                                0.16093020141124725f,
                                0.24611230194568634f,
                                0.33791524171829224f,
                                0.44070982933044434f,
                                0.5626170039176941f,
                                0.7229568362236023f,
                                1.0f};
  return nf4;
}
