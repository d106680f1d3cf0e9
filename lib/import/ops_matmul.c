/* Matrix products. */
#include "onnx_qparam.h"
#include "rule_util.h"
#include <inttypes.h>
#include <math.h>
#include <quern/num.h>

/* ---- Gemm ---- */

static qn_status need_matrix(qn_onnx *im, unsigned i, qn_value v) {
  if (qn__onnx_rank(im, v) == 2) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_SHAPE, "input %u is %s, expected a matrix", i,
                        qn_type_text(im->ctx, qn__onnx_type_of(im, v)).data);
}

static qn_value scaled(qn_onnx *im, qn_value v, float factor) {
  if (!v.id || factor == 1.0f) return v;
  return qn_build2(&im->b, QN_OP_MUL, v, qn__onnx_scalar_const(im, qn__onnx_elem(im, v), (double)factor));
}

/* C may be stretched to the product's shape, never the product to C's. */
static qn_status check_bias(qn_onnx *im, qn_value y, qn_value c) {
  const qn_dims a = qn__dims_of(im->ctx, qn__onnx_type_of(im, y)), b = qn__dims_of(im->ctx, qn__onnx_type_of(im, c));
  if (qn__dims_broadcast_to(&a, &b)) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_SHAPE, "input 2 is %s, which does not broadcast to %s",
                        qn_type_text(im->ctx, qn__onnx_type_of(im, c)).data,
                        qn_type_text(im->ctx, qn__onnx_type_of(im, y)).data);
}

static qn_status add_bias(qn_onnx *im, float beta, qn_value *y) {
  qn_value c;
  if (!qn__onnx_has_input(im, 2)) return QN_OK;
  qn_status status = qn__onnx_input(im, 2, &c);
  if (status == QN_OK) status = check_bias(im, *y, c);
  if (status == QN_OK) *y = qn_build2(&im->b, QN_OP_ADD, *y, scaled(im, c, beta));
  return status;
}

qn_status qn__onnx_op_gemm(qn_onnx *im) {
  float alpha = 1, beta = 1;
  int64_t trans_a = 0, trans_b = 0;
  qn_value ab[2];
  qn_status status = qn__onnx_attr_float(im, "alpha", &alpha);
  if (status == QN_OK) status = qn__onnx_attr_float(im, "beta", &beta);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "transA", &trans_a);
  if (status == QN_OK) status = qn__onnx_attr_int(im, "transB", &trans_b);
  if (status == QN_OK) status = qn__onnx_input(im, 0, &ab[0]);
  if (status == QN_OK) status = qn__onnx_input(im, 1, &ab[1]);
  if (status == QN_OK) status = need_matrix(im, 0, ab[0]);
  if (status == QN_OK) status = need_matrix(im, 1, ab[1]);
  if (status != QN_OK) return status;
  const qn_named_attr attrs[2] = {qn_named(im->m, "transpose_a", trans_a ? qn_attr_bool(im->m, true) : (qn_attr){0}),
                                  qn_named(im->m, "transpose_b", trans_b ? qn_attr_bool(im->m, true) : (qn_attr){0})};
  qn_value y = scaled(im, qn_op_result(im->m, qn_op_build(&im->b, QN_OP_MATMUL, 2, ab, 2, attrs), 0), alpha);
  if (!y.id) return qn__onnx_failed(im);
  status = add_bias(im, beta, &y);
  return status == QN_OK ? qn__onnx_output(im, 0, y) : status;
}

/* ---- integer products ---- */

/* A zero point of one element for a tensor like `of`. */
static qn_value zero_like(qn_onnx *im, qn_value of) {
  return qn__onnx_scalar_const(im, qn__onnx_elem(im, of), 0);
}

/* quern.matmul_integer of inputs a, b and their zero points; only trailing operands may be left out. */
static qn_status build_integer(qn_onnx *im, unsigned a, unsigned b, unsigned za, unsigned zb, qn_value *out) {
  qn_value operands[4];
  bool has_za = qn__onnx_has_input(im, za), has_zb = qn__onnx_has_input(im, zb);
  qn_status status = qn__onnx_input(im, a, &operands[0]);
  if (status == QN_OK) status = qn__onnx_input(im, b, &operands[1]);
  if (status == QN_OK && has_za) status = qn__onnx_input(im, za, &operands[2]);
  if (status == QN_OK && has_zb) status = qn__onnx_input(im, zb, &operands[3]);
  if (status != QN_OK) return status;
  if (!has_za && has_zb) operands[2] = zero_like(im, operands[0]);
  uint32_t n = has_zb ? 4 : has_za ? 3 : 2;
  *out = qn_op_result(im->m, qn_op_build(&im->b, QN_OP_MATMUL_INTEGER, n, operands, 0, NULL), 0);
  return out->id ? QN_OK : qn__onnx_failed(im);
}

qn_status qn__onnx_op_matmul_integer(qn_onnx *im) {
  qn_value y;
  qn_status status = build_integer(im, 0, 1, 2, 3, &y);
  return status == QN_OK ? qn__onnx_output(im, 0, y) : status;
}

/* ---- QLinearMatMul ---- */

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

qn_status qn__onnx_qlinear_side(qn_onnx *im, unsigned input, unsigned scale, qn_onnx_qparam *p) {
  *p = (qn_onnx_qparam){.scale_input = scale, .zero_input = scale + 1};
  qn_status status = qn__onnx_look_at(im, qn__onnx_input_value(im, input), &p->codes, &p->rank);
  if (status != QN_OK) return status;
  p->axis = (int64_t)p->rank - 1; /* columns of b; rows of a are not expressed by types */
  if (p->codes == QN_I8 || p->codes == QN_UI8) return qn__onnx_qparam_read(im, p);
  return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "input %u has elements of %s, only i8 and ui8 can be imported", input,
                        qn_scalar_get(p->codes)->text);
}

qn_status qn__onnx_requantize_by(qn_onnx *im, qn_value acc, const qn_value *scales, qn_value zero, qn_value *codes) {
  qn_value m = qn_build2(&im->b, QN_OP_DIV, qn_build2(&im->b, QN_OP_MUL, scales[0], scales[1]), scales[2]);
  qn_type type = qn_type_with_elem(im->ctx, qn__onnx_type_of(im, acc), qn_type_scalar(im->ctx, QN_F32));
  qn_value t = qn_build2(&im->b, QN_OP_MUL, qn_build_cast(&im->b, QN_OP_CAST, acc, type), m);
  if (!t.id) return qn__onnx_failed(im);
  if (qn__onnx_rank(im, t) != qn__onnx_rank(im, acc))
    return qn__onnx_error(im, QN_DIAG_SHAPE, "its scales have more axes than the product, which is %s",
                          qn_type_text(im->ctx, qn__onnx_type_of(im, acc)).data);
  if (qn__onnx_rank(im, zero) && qn_type_count(im->ctx, qn__onnx_type_of(im, zero)) != 1)
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "has several zero points of y, only one can be imported");
  const qn_value operands[3] = {t, qn__onnx_scalar_const(im, QN_F32, 1), zero};
  *codes = qn_op_result(im->m, qn_op_build(&im->b, QN_OP_QUANTIZE, 3, operands, 0, NULL), 0);
  return codes->id ? QN_OK : qn__onnx_failed(im);
}

static bool is_single(const qn_onnx_qparam *p) {
  return p->is_const && qn_tensor_count(&p->scale) == 1;
}

/* A scale with its axis of one element cut off, or that axis added: [n] and [1, n] are the same for b. */
static void as_vector(qn_onnx_qparam *p) {
  int64_t n = qn_tensor_count(&p->scale);
  bool row = p->scale.rank > 1 && p->scale.shape[p->scale.rank - 1] == n;
  if (p->scale.rank > 1 && !row) return;
  p->scale.rank = p->scale.rank ? 1 : 0;
  p->scale.shape[0] = n;
}

/* What types can say: one scale for a and y, one for b or one for each of its columns. */
static bool fits_types(qn_onnx_qparam *a, qn_onnx_qparam *b, qn_onnx_qparam *y) {
  if (!is_single(a) || !b->is_const || !is_single(y)) return false;
  as_vector(a);
  as_vector(b);
  as_vector(y);
  return a->scale.rank <= 1 && y->scale.rank <= 1 &&
         (b->scale.rank == 0 || (b->scale.rank == 1 && b->rank >= 2) || (b->scale.rank == 1 && b->scale.shape[0] == 1));
}

static qn_status multiplier_of(qn_onnx *im, qn_type a, qn_type b, qn_type y, qn_value *out) {
  const qn_quant *qa = qn_type_as_quant(im->ctx, a), *qb = qn_type_as_quant(im->ctx, b),
                 *qy = qn_type_as_quant(im->ctx, y);
  qn_tensor t = {.elem = QN_F32, .rank = qb->num_blocks ? 1 : 0, .shape = {qb->num_scales}};
  float *m = qn__arena_array(&im->scratch, qb->num_scales, sizeof *m);
  if (!m) return qn_error_no_memory(im->ctx);
  for (uint32_t i = 0; i < qb->num_scales; i++) {
    m[i] = qn_requant_multiplier(qa->scales[0], qb->scales[i], qy->scales[0]);
    if (!isfinite(m[i]))
      return qn__onnx_error(im, QN_DIAG_DATA, "the scales %g * %g / %g give no finite multiplier",
                            (double)qa->scales[0], (double)qb->scales[i], (double)qy->scales[0]);
  }
  t.data = m;
  *out = qn_build_constant(&im->b, qn_attr_dense_from_tensor(im->m, &t));
  return out->id ? QN_OK : qn__onnx_failed(im);
}

qn_status qn__onnx_requantize(qn_onnx *im, qn_value acc, qn_type a, qn_type b, qn_type y, qn_value *out) {
  qn_value multiplier;
  qn_status status = multiplier_of(im, a, b, y, &multiplier);
  if (status != QN_OK) return status;
  qn_type result = qn_type_with_elem(im->ctx, qn__onnx_type_of(im, acc), y);
  const qn_op_desc d = {.kind = QN_OP_REQUANTIZE,
                        .num_operands = 2,
                        .operands = (const qn_value[]){acc, multiplier},
                        .num_results = 1,
                        .results = &result};
  qn_op op = qn_op_create(&im->b, &d);
  if (!op.id || qn_op_verify(im->m, op) != QN_OK) return qn__onnx_failed(im);
  *out = qn_op_result(im->m, op, 0);
  return QN_OK;
}

static qn_status build_typed(qn_onnx *im, const qn_onnx_qparam *pa, const qn_onnx_qparam *pb,
                             const qn_onnx_qparam *py) {
  qn_type a, b, y;
  qn_value operands[2], codes;
  qn_status status = qn__onnx_qparam_type(im, pa, &a);
  if (status == QN_OK) status = qn__onnx_qparam_type(im, pb, &b);
  if (status == QN_OK) status = qn__onnx_qparam_type(im, py, &y);
  if (status == QN_OK) status = qn__onnx_codes(im, qn__onnx_input_value(im, A), a, &operands[0]);
  if (status == QN_OK) status = qn__onnx_codes(im, qn__onnx_input_value(im, B), b, &operands[1]);
  if (status != QN_OK) return status;
  qn_value acc = qn_build2(&im->b, QN_OP_MATMUL, operands[0], operands[1]);
  if (!acc.id) return qn__onnx_failed(im);
  status = qn__onnx_requantize(im, acc, a, b, y, &codes);
  return status == QN_OK ? qn__onnx_output_codes(im, 0, codes, py->codes) : status;
}

/* A scale as an operand of f32 arithmetic: one element as a scalar, rows of a as a column. */
static qn_status scale_operand(qn_onnx *im, unsigned input, bool of_rows, qn_value *out) {
  qn_status status = qn__onnx_input(im, input, out);
  if (status != QN_OK) return status;
  qn_type type = qn__onnx_type_of(im, *out);
  if (qn__onnx_elem(im, *out) != QN_F32) {
    type = qn_type_with_elem(im->ctx, type, qn_type_scalar(im->ctx, QN_F32));
    *out = qn_build_cast(&im->b, QN_OP_CAST, *out, type);
  }
  const int64_t column[2] = {-2, 1};
  uint32_t rank = qn_type_rank(im->ctx, type);
  if (rank > 0 && qn_type_count(im->ctx, type) == 1)
    *out = qn__onnx_reshape(im, *out, 0, NULL);
  else if (rank == 1 && of_rows)
    *out = qn__onnx_reshape(im, *out, 2, column);
  return out->id ? QN_OK : qn__onnx_failed(im);
}

/* Parameters as values: the same steps in f32 arithmetic. */
static qn_status build_with_operands(qn_onnx *im) {
  qn_value acc, a, b, y, zero, codes;
  qn_status status = build_integer(im, A, B, A_ZERO, B_ZERO, &acc);
  if (status == QN_OK) status = scale_operand(im, A_SCALE, true, &a);
  if (status == QN_OK) status = scale_operand(im, B_SCALE, false, &b);
  if (status == QN_OK) status = scale_operand(im, Y_SCALE, true, &y);
  if (status == QN_OK) status = qn__onnx_input(im, Y_ZERO, &zero);
  if (status != QN_OK) return status;
  const qn_value scales[3] = {a, b, y};
  status = qn__onnx_requantize_by(im, acc, scales, zero, &codes);
  return status == QN_OK ? qn__onnx_output(im, 0, codes) : status;
}

qn_status qn__onnx_op_qlinear_matmul(qn_onnx *im) {
  qn_onnx_qparam a, b, y = {.scale_input = Y_SCALE, .zero_input = Y_ZERO};
  qn_status status = qn__onnx_qlinear_side(im, A, A_SCALE, &a);
  if (status == QN_OK) status = qn__onnx_qlinear_side(im, B, B_SCALE, &b);
  if (status == QN_OK) status = qn__onnx_qparam_read(im, &y);
  if (status != QN_OK) return status;
  y.codes = y.zero.elem;
  if (!fits_types(&a, &b, &y)) return build_with_operands(im);
  return build_typed(im, &a, &b, &y);
}
