/* Formats of weights: integers, and those that come with blocks: NormalFloat4, MXFP4, NVFP4. Their parameters, their
 * codes, and what codes stand for. */
#include "quantize.h"
#include <string.h>

static const struct named_format {
  const char *name;
  qn__format_kind kind;
  qn_scalar storage;
} named[] = {{"nf4", QN__FORMAT_NF4, QN_UI4},
             {"mxfp4", QN__FORMAT_MXFP4, QN_F4E2M1FN},
             {"nvfp4", QN__FORMAT_NVFP4, QN_F4E2M1FN}};

qn_status qn__format_parse(qn_context *ctx, const char *pass, qn_str weights, qn_str activations, qn__format *out,
                           qn_scalar *codes) {
  *out = (qn__format){.floats = qn_scalar_is_float(qn_scalar_find(activations))};
  qn_status status = QN_OK;
  if (out->floats)
    *codes = qn_scalar_find(activations);
  else
    status = qn__storage_parse(ctx, pass, "activations", activations, codes);
  if (status) return status;
  for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
    if (qn_str_eq(weights, qn_str_of(named[i].name))) {
      out->kind = named[i].kind, out->storage = named[i].storage;
      return QN_OK;
    }
  return qn__storage_parse(ctx, pass, "weights", weights, &out->storage);
}

/* ---- parameters ---- */

/* A codebook multiplied with integers has integer entries; against floats the values themselves. */
static qn_type codebook_type(qn_context *ctx, const qn__format *f, qn_type expressed) {
  double entries[16];
  int8_t integers[16];
  qn_codebook_to_i8(qn_codebook_nf4(), 16, integers);
  for (int i = 0; i < 16; i++) entries[i] = f->floats ? (double)qn_codebook_nf4()[i] : integers[i];
  return qn_type_quantile(ctx, qn_type_scalar(ctx, QN_I4), false, expressed, 16, entries);
}

void qn__format_start(qn_context *ctx, const qn__format *f, bool blocks, float amax, qn_quant *q) {
  q->scale_type = f->kind == QN__FORMAT_MXFP4   ? QN_F8E8M0FNU
                  : f->kind == QN__FORMAT_NVFP4 ? QN_F8E4M3FN
                  : blocks                      ? QN_F16
                                                : QN_F32;
  if (f->kind == QN__FORMAT_NVFP4) q->tensor_scale = qn_nvfp4_tensor_scale(amax);
  if (f->kind != QN__FORMAT_NF4) return;
  q->storage = codebook_type(ctx, f, q->expressed);
  q->is_signed = false;
  q->qmin = 0, q->qmax = 15;
}

static qn_status choose_codebook(const qn__format *f, const qn_quant *q, float low, float high, qn_qparams *out,
                                 const char **reason) {
  qn_qparams_request r = {.fp_max = f->floats ? 1 : 127, .scale_type = q->scale_type, .scheme = QN_SYMMETRIC};
  qn_status status = qn_qparams_choose(&r, low, high, out, reason);
  out->qmin = 0, out->qmax = 15;
  return status;
}

/* Symmetric (narrow for signed storage), so that a product has no term for the weight's zero point; unsigned codes of
 * blocks take one each. */
static qn_status choose_integers(const qn__format *f, bool blocks, const qn_quant *q, float low, float high,
                                 qn_qparams *out, const char **reason) {
  qn_qparams_request r = qn_qparams_request_of(f->storage);
  r.scale_type = q->scale_type;
  if (!blocks || r.is_signed) {
    r.scheme = QN_SYMMETRIC;
    r.range = r.is_signed ? QN_RANGE_NARROW : QN_RANGE_FULL;
  }
  return qn_qparams_choose(&r, low, high, out, reason);
}

qn_status qn__format_choose(const qn__format *f, bool blocks, const qn_quant *q, float low, float high, qn_qparams *out,
                            const char **reason) {
  float amax = -low > high ? -low : high;
  switch (f->kind) {
  case QN__FORMAT_INTEGER: return choose_integers(f, blocks, q, low, high, out, reason);
  case QN__FORMAT_NF4: return choose_codebook(f, q, low, high, out, reason);
  case QN__FORMAT_MXFP4:
    *out = (qn_qparams){.scale = amax > 0 ? qn_f8e8m0fnu_to_f32(qn_mx_scale(QN_MX_E2M1, amax)) : 1};
    return QN_OK;
  case QN__FORMAT_NVFP4:
    *out = (qn_qparams){.scale = qn_f8e4m3fn_to_f32(qn_nvfp4_block_scale(amax, q->tensor_scale))};
    return QN_OK;
  }
  return QN_ERR_INTERNAL;
}

/* ---- codes ---- */

qn__coder qn__coder_of(const qn_context *ctx, qn_type elem) {
  qn__coder c = {.q = qn_type_as_quant(ctx, elem), .memory = qn_type_memory(ctx, elem)};
  if (qn_type_kind_of(ctx, c.q->storage) != QN_TYPE_QUANTILE) return c;
  qn_type_parts parts = qn_type_get_parts(ctx, c.q->storage);
  c.num_entries = parts.num_entries < 16 ? parts.num_entries : 16;
  c.first_code = qn_scalar_min(c.memory);
  for (uint32_t i = 0; i < c.num_entries; i++) c.entries[i] = (float)parts.entries[i];
  return c;
}

int64_t qn__coder_encode(const qn__coder *c, uint32_t param, float x) {
  qn_qparams p = qn__params_at(c->q, param);
  if (c->num_entries) return c->first_code + (int64_t)qn_codebook_nearest(c->entries, c->num_entries, x / p.scale);
  if (qn_scalar_is_float(c->memory)) return qn_quantize_f8(x, p.scale, c->memory);
  return qn_quantize_f32(x, p, QN_ROUND_HALF_EVEN);
}

float qn__coder_decode(const qn__coder *c, uint32_t param, int64_t code) {
  qn_qparams p = qn__params_at(c->q, param);
  if (c->num_entries) return c->entries[(code - c->first_code) & 15] * p.scale;
  if (c->memory == QN_F4E2M1FN) return qn_f4e2m1fn_to_f32((uint8_t)code) * p.scale;
  return qn_dequantize_f32(code, p);
}
