/* Normalization. */
#include "onnx_impl.h"

qn_status qn__onnx_op_layer_norm(qn_onnx *im) {
  qn_value in[3];
  int64_t axis = -1, stash = 1;
  float epsilon = 1e-5f;
  uint32_t n = qn__onnx_has_input(im, 2) ? 3 : 2, num_results = 1;
  qn_status status = qn__onnx_attr_int(im, "axis", &axis);
  if (status == QN_OK) status = qn__onnx_attr_float(im, "epsilon", &epsilon);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "stash_type", &stash);
  for (uint32_t i = 0; status == QN_OK && i < n; i++) status = qn__onnx_input(im, i, &in[i]);
  if (status != QN_OK) return status;
  if (stash != 1)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "attribute 'stash_type' is %lld, expected 1: sums are in f32",
                          (long long)stash);
  status = qn__onnx_axis(im, "attribute 'axis'", &axis, qn__onnx_rank(im, in[0]));
  if (status != QN_OK) return status;
  for (uint32_t i = 1; i < 3; i++)
    if (qn__onnx_has_output(im, i)) num_results = 3;
  qn_type types[3] = {qn__onnx_type_of(im, in[0])};
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK] = {{0}};
  uint32_t rank = qn__onnx_rank(im, in[0]);
  for (uint32_t d = 0; d < rank; d++) {
    bool kept = d < (uint64_t)axis;
    shape[d] = kept ? qn_type_shape(im->ctx, types[0])[d] : 1;
    if (kept) symbols[d] = qn_type_symbol(im->ctx, types[0], d);
  }
  types[1] = types[2] = qn_type_tensor_symbols(im->ctx, qn_type_scalar(im->ctx, QN_F32), rank, shape, symbols);
  const qn_named_attr attrs[2] = {
      qn_named(im->m, "axis", qn_attr_int(im->m, qn_type_scalar(im->ctx, QN_I64), axis)),
      qn_named(im->m, "epsilon", qn_attr_float(im->m, qn_type_scalar(im->ctx, QN_F32), (double)epsilon))};
  qn_op_desc desc = {.kind = QN_OP_LAYER_NORM,
                     .num_operands = n,
                     .operands = in,
                     .num_results = num_results,
                     .results = types,
                     .num_attrs = 2,
                     .attrs = attrs};
  qn_op op = qn_op_create(&im->b, &desc);
  qn_type found[3];
  if (!op.id || qn_op_infer(im->m, op, found) != QN_OK) return qn__onnx_failed(im);
  for (uint32_t i = 0; i < num_results && status == QN_OK; i++)
    if (i == 0 || qn__onnx_has_output(im, i)) status = qn__onnx_output(im, i, qn_op_result(im->m, op, i));
  return status;
}
