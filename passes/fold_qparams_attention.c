/* fold-qparams: attention of dequantized operands becomes attention of codes, when each has one scale and 8 bits.
 *
 *   %q = quant.dcast %a; %k = quant.dcast %b; %v = quant.dcast %c
 *   %y = quern.attention %q, %k, %v, %mask : (f32 ..) -> f32
 * becomes
 *   %y = quern.attention %a, %b, %c, %mask : (codes ..) -> f32
 *
 * The weights become codes too, with scale 1/255 (quern/attention.h). */
#include "fold_qparams.h"

/* The codes that operand i was dequantized from; null when the kernel does not take them. */
static qn_value codes_of(const qn_module *m, qn_op op, uint32_t i) {
  const qn_context *ctx = qn_module_context(m);
  qn_op cast = qn_value_op(m, qn_op_operand(m, op, i));
  if (!cast.id || qn_op_kind_of(m, cast) != QN_OP_DCAST) return (qn_value){0};
  qn_value codes = qn_op_operand(m, cast, 0);
  const qn_quant *q = qn__quant_of(m, codes);
  if (!q || !qn__has_codes(ctx, q) || !qn__is_whole(q) || q->tensor_scale != 1.0f) return (qn_value){0};
  bool bytes = qn_scalar_get(qn_type_as_scalar(ctx, q->storage))->bits == 8;
  return bytes && qn_type_as_scalar(ctx, q->expressed) == QN_F32 ? codes : (qn_value){0};
}

qn_status qn__fold_attention(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value codes[3];
  for (uint32_t i = 0; i < 3; i++)
    if (!(codes[i] = codes_of(m, op, i)).id) return QN_OK;
  for (uint32_t i = 0; i < 3; i++) qn_rewriter_set_operand(r, op, i, codes[i]);
  return QN_OK;
}
