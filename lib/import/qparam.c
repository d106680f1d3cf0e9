/* Constant scales and zero points become part of a type. */
#include "onnx_qparam.h"
#include <inttypes.h>

qn_status qn__onnx_qparam_read(qn_onnx *im, qn_onnx_qparam *p) {
  bool scale_const, zero_const = true;
  p->zero = (qn_tensor){0};
  qn_status status = qn__onnx_const_input(im, p->scale_input, &p->scale, &scale_const);
  if (status == QN_OK && qn__onnx_has_input(im, p->zero_input))
    status = qn__onnx_const_input(im, p->zero_input, &p->zero, &zero_const);
  p->is_const = scale_const && zero_const;
  return status;
}

static qn_status check(qn_onnx *im, const qn_onnx_qparam *p) {
  if (p->scale.elem != QN_F32 && p->scale.elem != QN_F16 && p->scale.elem != QN_BF16)
    return qn__onnx_error(im, QN_DIAG_TYPE_MISMATCH,
                          "the scale (input %u) has elements of %s, expected f32, f16 or bf16", p->scale_input,
                          qn_scalar_get(p->scale.elem)->text);
  if (!p->zero.data) return QN_OK;
  if (p->zero.elem != p->codes)
    return qn__onnx_error(im, QN_DIAG_TYPE_MISMATCH, "the zero point (input %u) has elements of %s, expected %s",
                          p->zero_input, qn_scalar_get(p->zero.elem)->text, qn_scalar_get(p->codes)->text);
  if (qn_tensor_count(&p->zero) == qn_tensor_count(&p->scale)) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_SHAPE, "has %" PRId64 " scales and %" PRId64 " zero points, expected as many",
                        qn_tensor_count(&p->scale), qn_tensor_count(&p->zero));
}

/* Scales and zero points as the type wants them. */
static qn_status read_values(qn_onnx *im, const qn_onnx_qparam *p, qn_quant *q) {
  float *scales = qn__arena_array(&im->scratch, q->num_scales, sizeof *scales);
  int32_t *zeros = p->zero.data ? qn__arena_array(&im->scratch, q->num_scales, sizeof *zeros) : NULL;
  if (!scales || (p->zero.data && !zeros)) return qn_error_no_memory(im->ctx);
  for (uint32_t i = 0; i < q->num_scales; i++) {
    scales[i] = (float)qn_tensor_get_f64(&p->scale, i);
    if (zeros) zeros[i] = (int32_t)qn_tensor_get_i64(&p->zero, i);
  }
  q->scales = scales;
  q->zero_points = zeros;
  return QN_OK;
}

/* A scale for each block along one axis and for each element along the others. */
static qn_status set_blocks(qn_onnx *im, const qn_onnx_qparam *p, qn_quant *q) {
  if (p->scale.rank != p->rank)
    return qn__onnx_error(im, QN_DIAG_SHAPE, "is quantized in blocks with scales of rank %u, expected rank %u",
                          p->scale.rank, p->rank);
  q->num_blocks = q->param_rank = p->rank;
  for (uint32_t d = 0; d < p->rank; d++) {
    q->blocks[d] = (qn_block_dim){(int32_t)d, (int64_t)d == p->axis ? p->block : 1};
    q->param_shape[d] = p->scale.shape[d];
  }
  return QN_OK;
}

static qn_status set_granularity(qn_onnx *im, const qn_onnx_qparam *p, qn_quant *q) {
  int64_t n = qn_tensor_count(&p->scale);
  if (n < 1 || n > INT32_MAX)
    return qn__onnx_error(im, QN_DIAG_SHAPE, "has %" PRId64 " scales, expected one or more", n);
  q->num_scales = (uint32_t)n;
  if (p->block) return set_blocks(im, p, q);
  if (n == 1 && p->scale.rank <= 1) return QN_OK;
  if (p->scale.rank != 1)
    return qn__onnx_error(im, QN_DIAG_SHAPE, "has scales of rank %u, expected one scale or a vector of them",
                          p->scale.rank);
  q->num_blocks = q->param_rank = 1;
  q->per_axis = true;
  q->blocks[0] = (qn_block_dim){(int32_t)p->axis, 1};
  q->param_shape[0] = n;
  return QN_OK;
}

qn_status qn__onnx_qparam_type(qn_onnx *im, const qn_onnx_qparam *p, qn_type *out) {
  bool is_int = qn_scalar_is_int(p->codes);
  qn_quant q = {.storage = qn_type_scalar(im->ctx, p->codes),
                .is_signed = qn_scalar_get(p->codes)->cls != QN_UNSIGNED,
                .qmin = is_int ? qn_scalar_min(p->codes) : 0,
                .qmax = is_int ? qn_scalar_max(p->codes) : 0,
                .expressed = qn_type_scalar(im->ctx, p->scale.elem),
                .scale_type = QN_F32,
                .tensor_scale = 1};
  *out = (qn_type){0};
  qn_status status = check(im, p);
  if (status == QN_OK) status = set_granularity(im, p, &q);
  if (status == QN_OK) status = read_values(im, p, &q);
  if (status != QN_OK) return status;
  *out = qn_type_quant(im->ctx, &q, qn__onnx_here(im));
  return qn_type_is_null(*out) ? qn__onnx_failed(im) : QN_OK;
}
