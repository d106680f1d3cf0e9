/* Quantization. Constant parameters become part of a type (quant.qcast, quant.dcast), others stay operands
 * (quern.quantize, quern.dequantize). */
#include "onnx_qparam.h"
#include <inttypes.h>

/* Attributes that QuantizeLinear and DequantizeLinear share. */
typedef struct linear {
  int64_t axis, block, saturate, output_type, precision;
} linear;

static qn_status read_linear(qn_onnx *im, qn_value x, qn_onnx_qparam *p, linear *l) {
  *l = (linear){.axis = 1, .saturate = 1};
  qn_status status = qn__onnx_attr_int(im, "axis", &l->axis);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "block_size", &l->block);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "saturate", &l->saturate);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "output_dtype", &l->output_type);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "precision", &l->precision);
  if (status != QN_OK) return status;
  *p = (qn_onnx_qparam){.scale_input = 1, .zero_input = 2, .rank = qn__onnx_rank(im, x), .block = l->block};
  if (l->block < 0)
    return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute 'block_size' is %" PRId64 ", expected 0 or more", l->block);
  return qn__onnx_qparam_read(im, p);
}

/* One scale serves the whole tensor, which may have no such axis. */
static qn_status settle_axis(qn_onnx *im, qn_value scale, linear *l, qn_onnx_qparam *p) {
  qn_type type = qn__onnx_type_of(im, scale);
  bool single = qn_type_rank(im->ctx, type) == 0 || qn_type_count(im->ctx, type) == 1;
  if (single && !p->block) return QN_OK;
  qn_status status = qn__onnx_axis(im, "attribute 'axis'", &l->axis, p->rank);
  p->axis = l->axis;
  return status;
}

static qn_status settle_const_axis(qn_onnx *im, linear *l, qn_onnx_qparam *p) {
  if (p->scale.rank == 0 || (p->scale.rank == 1 && p->scale.shape[0] == 1 && !p->block)) return QN_OK;
  qn_status status = qn__onnx_axis(im, "attribute 'axis'", &l->axis, p->rank);
  p->axis = l->axis;
  return status;
}

/* An op with parameters as operands. */
static qn_status build_with_operands(qn_onnx *im, qn_op_kind kind, qn_value x, linear *l, qn_onnx_qparam *p,
                                     bool with_storage, qn_value *out) {
  qn_value operands[3] = {x};
  bool has_zero = qn__onnx_has_input(im, p->zero_input);
  qn_status status = qn__onnx_input(im, p->scale_input, &operands[1]);
  if (status == QN_OK && has_zero) status = qn__onnx_input(im, p->zero_input, &operands[2]);
  if (status == QN_OK) status = settle_axis(im, operands[1], l, p);
  if (status != QN_OK) return status;
  if (p->block)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "is quantized in blocks with scales that are no constants");
  const qn_named_attr attrs[2] = {
      qn_named(im->m, "axis", p->axis == 1 ? (qn_attr){0} : qn_attr_int(im->m, (qn_type){0}, p->axis)),
      qn_named(im->m, "storage", with_storage ? qn_attr_type(im->m, qn_type_scalar(im->ctx, p->codes)) : (qn_attr){0})};
  *out = qn_op_result(im->m, qn_op_build(&im->b, kind, has_zero ? 3 : 2, operands, 2, attrs), 0);
  return out->id ? QN_OK : qn__onnx_failed(im);
}

/* ---- QuantizeLinear ---- */

/* The type of the codes: the zero point's, else output_dtype, else 8 bits unsigned. */
static qn_status code_type(qn_onnx *im, const linear *l, qn_onnx_qparam *p) {
  char room[32];
  p->codes = QN_UI8;
  if (l->output_type) p->codes = qn__onnx_scalar(l->output_type);
  if (p->codes == QN_SCALAR_NONE)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "quantizes to %s", qn__onnx_scalar_name(l->output_type, room));
  if (!qn__onnx_has_input(im, 2)) return QN_OK;
  qn_scalar asked = p->codes;
  if (p->zero.data) {
    p->codes = p->zero.elem;
  } else {
    qn_value zero;
    qn_status status = qn__onnx_input(im, 2, &zero);
    if (status != QN_OK) return status;
    p->codes = qn__onnx_elem(im, zero);
  }
  if (!l->output_type || asked == p->codes) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_TYPE_MISMATCH, "the zero point has elements of %s, but output_dtype says %s",
                        qn_scalar_get(p->codes)->text, qn_scalar_get(asked)->text);
}

static qn_status check_quantize(qn_onnx *im, const linear *l, const qn_onnx_qparam *p) {
  if (!l->saturate && qn_scalar_is_float(p->codes))
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                          "quantizes to %s without saturation; only saturate = 1 can be imported",
                          qn_scalar_get(p->codes)->text);
  if (l->precision && qn__onnx_scalar(l->precision) != QN_F32)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "divides in another precision than f32, which cannot be imported");
  return QN_OK;
}

/* Integers are quantized as the floats they stand for. */
static qn_status float_input(qn_onnx *im, qn_value *x) {
  qn_status status = qn__onnx_input(im, 0, x);
  if (status != QN_OK || !qn_scalar_is_int(qn__onnx_elem(im, *x))) return status;
  qn_type type = qn_type_with_elem(im->ctx, qn__onnx_type_of(im, *x), qn_type_scalar(im->ctx, QN_F32));
  *x = qn_build_cast(&im->b, QN_OP_CAST, *x, type);
  return x->id ? QN_OK : qn__onnx_failed(im);
}

qn_status qn__onnx_op_quantize_linear(qn_onnx *im) {
  qn_value x, q = {0};
  linear l = {0};
  qn_onnx_qparam p = {0};
  qn_type quant;
  qn_status status = float_input(im, &x);
  if (status == QN_OK) status = read_linear(im, x, &p, &l);
  if (status == QN_OK) status = code_type(im, &l, &p);
  if (status == QN_OK) status = check_quantize(im, &l, &p);
  if (status != QN_OK) return status;
  if (!p.is_const) {
    bool with_storage = !qn__onnx_has_input(im, 2) && p.codes != QN_UI8;
    status = build_with_operands(im, QN_OP_QUANTIZE, x, &l, &p, with_storage, &q);
    return status == QN_OK ? qn__onnx_output(im, 0, q) : status;
  }
  status = settle_const_axis(im, &l, &p);
  if (status == QN_OK) status = qn__onnx_qparam_type(im, &p, &quant);
  if (status != QN_OK) return status;
  q = qn_build_cast(&im->b, QN_OP_QCAST, x, qn_type_with_elem(im->ctx, qn__onnx_type_of(im, x), quant));
  return qn__onnx_output_codes(im, 0, q, p.codes);
}

/* ---- DequantizeLinear ---- */

static qn_status check_output_type(qn_onnx *im, const linear *l, qn_value y) {
  if (!l->output_type || !y.id || qn__onnx_scalar(l->output_type) == qn__onnx_elem(im, y)) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                        "output_dtype asks for another type than the scale's, %s; only the same can be imported",
                        qn_scalar_get(qn__onnx_elem(im, y))->text);
}

qn_status qn__onnx_op_dequantize_linear(qn_onnx *im) {
  uint32_t input = qn__onnx_input_value(im, 0), rank = 0;
  qn_scalar codes = QN_SCALAR_NONE;
  qn_value q = {0}, y = {0};
  linear l = {0};
  qn_onnx_qparam p = {0};
  qn_type quant;
  qn_status status = qn__onnx_look_at(im, input, &codes, &rank);
  if (status == QN_OK) status = read_linear(im, (qn_value){0}, &p, &l);
  if (status != QN_OK) return status;
  p.codes = codes;
  p.rank = rank;
  if (!p.is_const) {
    status = qn__onnx_plain(im, input, &q);
    if (status == QN_OK) status = build_with_operands(im, QN_OP_DEQUANTIZE, q, &l, &p, false, &y);
  } else {
    status = settle_const_axis(im, &l, &p);
    if (status == QN_OK) status = qn__onnx_qparam_type(im, &p, &quant);
    if (status == QN_OK) status = qn__onnx_codes(im, input, quant, &q);
    if (status == QN_OK) y = qn_build1(&im->b, QN_OP_DCAST, q);
  }
  if (status == QN_OK) status = check_output_type(im, &l, y);
  return status == QN_OK ? qn__onnx_output(im, 0, y) : status;
}

/* ---- DynamicQuantizeLinear ---- */

qn_status qn__onnx_op_dynamic_quantize_linear(qn_onnx *im) {
  qn_value x;
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  const qn_named_attr attr = qn_named(im->m, "storage", qn_attr_type(im->m, qn_type_scalar(im->ctx, QN_UI8)));
  qn_op op = qn_op_build(&im->b, QN_OP_DYNAMIC_QUANTIZE, 1, &x, 1, &attr);
  if (!op.id) return qn__onnx_failed(im);
  for (unsigned i = 0; status == QN_OK && i < 3; i++) status = qn__onnx_output(im, i, qn_op_result(im->m, op, i));
  return status;
}
