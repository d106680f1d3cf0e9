/* Scale and zero point out of a range: one function for weights, calibrated activations and ranges measured at run
 * time. */
#include "elementwise.h"
#include "fpenv.h"
#include <float.h>
#include <math.h>
#include <string.h>

static qn_status refuse(const char **reason, const char *text) {
  if (reason) *reason = text;
  return QN_ERR_INPUT;
}

qn_qparams_request qn_qparams_request_of(qn_scalar storage) {
  qn_qparams_request r = {.scale_type = QN_F32};
  const qn_scalar_info *info = qn_scalar_get(storage);
  if (info->cls == QN_FLOAT) {
    if (info->bits <= 8 && storage != QN_F8E8M0FNU) r.fp_max = (float)qn_float_max(storage);
    return r;
  }
  if (info->bits < 2 || info->bits > 16) return r;
  r.width = info->bits;
  r.is_signed = info->cls != QN_UNSIGNED;
  return r;
}

/* Fills in the codes of an integer request: the storage's own, or the caller's within them. */
static qn_status code_range(const qn_qparams_request *r, int32_t *qmin, int32_t *qmax, const char **reason) {
  if (r->width < 2 || r->width > 16) return refuse(reason, "integer storage must have 2 to 16 bits");
  int32_t span = (int32_t)1 << r->width, low = r->is_signed ? -span / 2 : 0, high = low + span - 1;
  bool whole = r->qmin == 0 && r->qmax == 0;
  *qmin = whole ? low : r->qmin;
  *qmax = whole ? high : r->qmax;
  if (*qmin >= *qmax) return refuse(reason, "qmin must be less than qmax");
  if (*qmin < low || *qmax > high) return refuse(reason, "qmin and qmax must lie within the storage type");
  return QN_OK;
}

static float sane(float x) {
  const float limit = FLT_MAX / 2;
  if (x != x) return 0;
  return x > limit ? limit : x < -limit ? -limit : x;
}

static qn_status check_range(const qn_qparams_request *r, float *min, float *max, const char **reason) {
  if (r->dynamic) {
    *min = sane(*min);
    *max = sane(*max);
    return QN_OK;
  }
  if (!qn__f32_is_finite(*min) || !qn__f32_is_finite(*max)) return refuse(reason, "the range is not finite");
  if (*min > *max) return refuse(reason, "the range's minimum is above its maximum");
  return QN_OK;
}

/* s as its storage type holds it, at least that type's smallest normal. */
static qn_status store_scale(const qn_qparams_request *r, float s, float *out, const char **reason) {
  qn_scalar type = r->scale_type == QN_SCALAR_NONE ? QN_F32 : r->scale_type;
  if (!qn__f32_is_finite(s)) return refuse(reason, "the range is too wide: max - min overflows f32");
  if (s > (float)qn_float_max(type)) {
    if (!r->dynamic) return refuse(reason, "the scale is too large for the type it is stored in");
    s = (float)qn_float_max(type);
  }
  uint64_t code = qn__float_convert(type, QN_F32, qn__f32_bits(s), true);
  float stored = qn__f32_of_bits((uint32_t)qn__float_convert(QN_F32, type, code, false));
  float floor = (float)qn_float_min_normal(type);
  if (stored < floor) stored = floor;
  *out = stored;
  return QN_OK;
}

static qn_status choose_float(const qn_qparams_request *r, float amax, qn_qparams *out, const char **reason) {
  qn_qparams p = {1.0f, 0, 0, 0};
  if (amax > 0) {
    qn_status st = store_scale(r, amax / r->fp_max, &p.scale, reason);
    if (st != QN_OK) return st;
  }
  *out = p;
  return QN_OK;
}

static qn_status choose_symmetric(const qn_qparams_request *r, float amax, qn_qparams *out, const char **reason) {
  qn_qparams p = {1.0f, 0, 0, 0};
  qn_status st = code_range(r, &p.qmin, &p.qmax, reason);
  if (st != QN_OK) return st;
  p.zero_point = r->is_signed ? 0 : (int32_t)1 << (r->width - 1);
  if (p.zero_point < p.qmin || p.zero_point >= p.qmax)
    return refuse(reason, "the symmetric zero point must lie within [qmin, qmax)");
  if (r->range == QN_RANGE_NARROW && p.qmin < 2 * p.zero_point - p.qmax) p.qmin = 2 * p.zero_point - p.qmax;
  if (amax > 0) {
    st = store_scale(r, amax / (float)(p.qmax - p.zero_point), &p.scale, reason);
    if (st != QN_OK) return st;
  }
  *out = p;
  return QN_OK;
}

static qn_status choose_asymmetric(const qn_qparams_request *r, float min, float max, qn_qparams *out,
                                   const char **reason) {
  qn_qparams p = {1.0f, 0, 0, 0};
  qn_status st = code_range(r, &p.qmin, &p.qmax, reason);
  if (st != QN_OK) return st;
  if (r->range == QN_RANGE_NARROW) return refuse(reason, "a narrow range needs the symmetric scheme");
  if (min > 0) min = 0;
  if (max < 0) max = 0;
  if (min == 0 && max == 0) {
    p.zero_point = p.qmin > 0 ? p.qmin : p.qmax < 0 ? p.qmax : 0;
    *out = p;
    return QN_OK;
  }
  float span = max - min;
  st = store_scale(r, span / (float)(p.qmax - p.qmin), &p.scale, reason);
  if (st != QN_OK) return st;
  float at_zero = min / p.scale;
  float z = (float)p.qmin - at_zero;
  /* Clamped first: the same as rounding first between integer ends, and in the range where rounding is exact. */
  if (z < (float)p.qmin) z = (float)p.qmin;
  if (z > (float)p.qmax) z = (float)p.qmax;
  p.zero_point = (int32_t)qn__round_even_small(z);
  *out = p;
  return QN_OK;
}

static qn_status choose(const qn_qparams_request *r, float min, float max, qn_qparams *out, const char **reason) {
  qn_scalar t = r->scale_type;
  if (t != QN_SCALAR_NONE && t != QN_F32 && t != QN_F16 && t != QN_BF16 && t != QN_F8E8M0FNU && t != QN_F8E4M3FN)
    return refuse(reason, "a scale is stored as f32, f16, bf16, f8E8M0FNU or f8E4M3FN");
  qn_status st = check_range(r, &min, &max, reason);
  if (st != QN_OK) return st;
  float lo = qn__f32_abs(min), hi = qn__f32_abs(max), amax = lo > hi ? lo : hi;
  if (r->fp_max > 0) return choose_float(r, amax, out, reason);
  if (r->scheme == QN_SYMMETRIC) return choose_symmetric(r, amax, out, reason);
  return choose_asymmetric(r, min, max, out, reason);
}

qn_status qn_qparams_choose(const qn_qparams_request *request, float min, float max, qn_qparams *out,
                            const char **reason) {
  qn_fp_env saved = qn__fp_enter();
  qn_status st = choose(request, min, max, out, reason);
  qn__fp_leave(saved);
  return st;
}

qn_status qn_qparams_check(const qn_qparams *p, const char **reason) {
  if (!qn__f32_is_finite(p->scale) || !(p->scale > 0)) return refuse(reason, "a scale must be finite and positive");
  if (p->qmin >= p->qmax) return refuse(reason, "qmin must be less than qmax");
  if ((int64_t)p->qmax - p->qmin > 65535 || p->qmin < -65536 || p->qmax > 65535)
    return refuse(reason, "codes to quantize to are at most 16 bits wide");
  if (p->zero_point < p->qmin || p->zero_point > p->qmax)
    return refuse(reason, "the zero point must lie within [qmin, qmax]");
  return QN_OK;
}

/* Tensors of callers may stand at any address. */
static void range(const float *x, size_t n, float *min, float *max) {
  float lo = INFINITY, hi = -INFINITY, v;
  for (size_t i = 0; i < n; i++) {
    memcpy(&v, (const char *)x + i * sizeof v, sizeof v);
    lo = v < lo ? v : lo;
    hi = v > hi ? v : hi;
  }
  bool none = lo > hi;
  *min = none ? 0 : lo;
  *max = none ? 0 : hi;
}

void qn_range_f32(const float *x, size_t n, float *min, float *max) {
  qn_fp_env saved = qn__fp_enter();
  range(x, n, min, max);
  qn__fp_leave(saved);
}
