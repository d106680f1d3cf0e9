#include "codec.h"
#include "elementwise.h"

static qn_status load_entries(qn__frame *f, qn__codec *c) {
  qn_type_parts parts = qn_type_get_parts(f->ctx, c->quant->storage);
  c->num_entries = parts.num_entries;
  c->first_code = qn_scalar_min(c->memory);
  c->entries = qn__scratch(f, parts.num_entries, sizeof *c->entries);
  if (!c->entries) return QN_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < parts.num_entries; i++) c->entries[i] = (float)parts.entries[i];
  return QN_OK;
}

/* Parameters lie row-major over the blocks' axes, ceil(size / block) along each. */
static qn_status index_blocks(qn__frame *f, const qn__shape *shape, qn__codec *c, qn_type elem) {
  int64_t n = 1;
  bool fits = true;
  for (uint32_t b = c->quant->num_blocks; b-- > 0;) {
    const qn_block_dim *block = &c->quant->blocks[b];
    if (block->axis < 0 || (uint32_t)block->axis >= shape->rank) {
      fits = false;
      break;
    }
    int64_t size = shape->size[block->axis];
    c->step[b] = n;
    n *= size / block->size + (size % block->size != 0);
  }
  if (fits && n == c->quant->num_scales) return QN_OK;
  char text[QN__SHAPE_TEXT];
  return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "a tensor of sizes %s does not take the %u scales of %s",
                     qn__sizes_text(shape->rank, shape->size, text), c->quant->num_scales,
                     qn_type_text(f->ctx, elem).data);
}

qn_status qn__codec_init(qn__frame *f, qn_type elem, const qn__shape *shape, qn__codec *out) {
  *out = (qn__codec){.quant = qn_type_as_quant(f->ctx, elem), .memory = qn_type_memory(f->ctx, elem)};
  if (!out->quant)
    return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH,
                       "%s needs a quantized type with scales such as !quant.uniform<i8:f32, 0.1>, not %s",
                       qn_op_name(f->m, f->op).data, qn_type_text(f->ctx, elem).data);
  out->is_float = qn_scalar_is_float(out->memory);
  qn_status s = index_blocks(f, shape, out, elem);
  if (s == QN_OK && qn_type_kind_of(f->ctx, out->quant->storage) == QN_TYPE_QUANTILE) s = load_entries(f, out);
  return s;
}

qn_status qn__codec_need_encode(qn__frame *f, const qn__codec *c) {
  if (qn_scalar_get(c->memory)->bits <= 16) return QN_OK;
  return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED, "storage above 16 bits can be dequantized only");
}

uint32_t qn__codec_index(const qn__codec *c, const int64_t *index) {
  int64_t at = 0;
  for (uint32_t b = 0; b < c->quant->num_blocks; b++)
    at += index[c->quant->blocks[b].axis] / c->quant->blocks[b].size * c->step[b];
  return (uint32_t)at;
}

static float scale_of(const qn__codec *c, uint32_t i) {
  return c->quant->scales[i] * c->quant->tensor_scale;
}

qn_qparams qn__codec_codes(const qn__codec *c, uint32_t i) {
  int32_t zero = c->quant->zero_points ? c->quant->zero_points[i] : 0;
  return (qn_qparams){1.0f, zero, (int32_t)c->quant->qmin, (int32_t)c->quant->qmax};
}

uint64_t qn__codec_encode(const qn__codec *c, uint32_t i, float x) {
  float s = scale_of(c, i);
  if (c->num_entries)
    return (uint64_t)(c->first_code + (int64_t)qn_codebook_nearest(c->entries, c->num_entries, x / s));
  if (c->is_float) return qn_quantize_f8(x, s, c->memory);
  qn_qparams p = qn__codec_codes(c, i);
  p.scale = s;
  return (uint64_t)(int64_t)qn_quantize_f32(x, p, c->rounding);
}

float qn__codec_decode(const qn__codec *c, uint32_t i, uint64_t bits) {
  float s = scale_of(c, i);
  if (c->is_float) return qn__float_decode(c->memory, bits) * s;
  int64_t code = qn__int_extend(c->memory, bits);
  if (c->num_entries) {
    uint64_t entry = (uint64_t)(code - c->first_code);
    return entry < c->num_entries ? c->entries[entry] * s : 0.0f * s;
  }
  return qn_dequantize_f32(code, (qn_qparams){s, c->quant->zero_points ? c->quant->zero_points[i] : 0, 0, 0});
}
