/* fold-qparams: scales and zero points become part of integer arithmetic.
 *
 *   %x = quant.dcast %a : tensor<?x64x!quant.uniform<u8:f32, 0.1:3>> to tensor<?x64xf32>
 *   %w = quant.dcast %b : tensor<64x10x!quant.uniform<i8:f32:1, {..}>> to tensor<64x10xf32>
 *   %0 = quern.matmul %x, %w : ..
 *   %1 = quern.add %0, %bias : ..
 *   %2 = quern.relu %1 : ..
 *   %y = quant.qcast %2 : tensor<?x10xf32> to tensor<?x10x!quant.uniform<u8:f32, 0.2>>
 * becomes
 *   %0 = quern.matmul %a, %b : (..) -> tensor<?x10xi32>
 *   %1 = quern.add %0, %bias_i32 : ..
 *   %y = quern.requantize %1, %m : (tensor<?x10xi32>, tensor<10xf32>) -> tensor<?x10x!quant.uniform<u8:f32, 0.2>>
 *
 * In three rounds:
 *   1. Parameters given as constants move into types (quern.quantize, quern.dequantize). Dequantizing sinks through ops
 *      that only move, select or clamp, quantizing rises through them, so that casts meet products and each other; a
 *      relu or clip that the cast's own clamp repeats goes.
 *   2. Products of dequantized operands become products of codes. Where a constant bias, relu, clip and a quantizing
 * cast follow, they become an i32 bias, a narrower range of codes and quern.requantize with m = sa*sb/sy; a bias that
 *      does not fit i32 is an error. Other users get f32(acc) * (sa*sb), to which a float bias is added as before. With
 *      parameters as values (quern.dynamic_quantize): quern.matmul_integer, times their scale. Attention of
 *      dequantized operands becomes attention of codes.
 *   3. Dequantizing followed by quantizing: quern.requantize, or nothing.
 * Everything else keeps its casts: elementwise ops on quantized operands are float ops between casts.
 *
 * Option requantize: the mode of the quern.requantize ops made. Changes float results (in the last bits, and codes next
 * to a rounding boundary). Preserves shapes. */
#include "fold_qparams.h"

/* ---- what the patterns share ---- */

const qn_quant *qn__quant_of(const qn_module *m, qn_value v) {
  const qn_context *ctx = qn_module_context(m);
  return qn_type_as_quant(ctx, qn_type_elem(ctx, qn_value_type(m, v)));
}

bool qn__has_codes(const qn_context *ctx, const qn_quant *q) {
  qn_scalar s = q ? qn_type_as_scalar(ctx, q->storage) : QN_SCALAR_NONE;
  return qn_scalar_is_int(s) && qn_scalar_get(s)->bits <= 16;
}

/* The value behind casts that keep the bits. */
static qn_op origin(const qn_module *m, qn_value v) {
  qn_op op = qn_value_op(m, v);
  for (;;) {
    qn_op_kind kind = qn_op_kind_of(m, op);
    if (kind != QN_OP_RESHAPE && kind != QN_OP_TRANSPOSE) return op;
    op = qn_value_op(m, qn_op_operand(m, op, 0));
  }
}

bool qn__codes_in_use(const qn_module *m, qn_value codes) {
  const qn_context *ctx = qn_module_context(m);
  const qn_quant *q = qn__quant_of(m, codes);
  qn_scalar s = qn_type_memory(ctx, qn_type_elem(ctx, qn_value_type(m, codes)));
  if (q->qmin <= qn_scalar_min(s) && q->qmax >= qn_scalar_max(s)) return true;
  qn_op_kind kind = qn_op_kind_of(m, origin(m, codes));
  return kind == QN_OP_QCAST || kind == QN_OP_REQUANTIZE;
}

qn_value qn__fold_op(qn_builder *b, qn_op_kind kind, uint32_t n, const qn_value *operands, qn_type result) {
  if (qn_type_is_null(result)) return (qn_value){0};
  for (uint32_t i = 0; i < n; i++)
    if (!operands[i].id) return (qn_value){0};
  qn_op_desc desc = {.kind = kind, .num_operands = n, .operands = operands, .num_results = 1, .results = &result};
  return qn_op_result(b->module, qn_op_create(b, &desc), 0);
}

qn_type qn__as_scalars(const qn_module *m, qn_type tensor, qn_scalar s) {
  qn_context *ctx = qn_module_context(m);
  return qn_type_with_elem(ctx, tensor, qn_type_scalar(ctx, s));
}

static qn_type constant_type(qn_builder *b, qn_scalar elem, uint32_t rank, const int64_t *shape) {
  qn_context *ctx = qn_module_context(b->module);
  return qn_type_tensor(ctx, qn_type_scalar(ctx, elem), rank, shape);
}

qn_value qn__fold_f32(qn_builder *b, uint32_t rank, const int64_t *shape, const float *data) {
  return qn_build_constant(b, qn_attr_dense(b->module, constant_type(b, QN_F32, rank, shape), data));
}

qn_value qn__fold_ints(qn_builder *b, qn_scalar elem, uint32_t rank, const int64_t *shape, const int32_t *data) {
  void *room;
  qn_attr a = qn_attr_dense_new(b->module, constant_type(b, elem, rank, shape), &room);
  qn_tensor t = {.elem = elem, .rank = rank, .data = room};
  if (!room) return (qn_value){0};
  for (uint32_t d = 0; d < rank; d++) t.shape[d] = shape[d];
  for (int64_t i = 0, n = qn_tensor_count(&t); i < n; i++) qn_tensor_set_i64(&t, i, data[i]);
  return qn_build_constant(b, qn_attr_dense(b->module, qn_attr_type_of(b->module, a), room));
}

qn_value qn__fold_requantize(qn_rewriter *r, qn_builder *b, qn_value acc, qn_value multiplier, qn_type y) {
  qn_str mode = qn_run_string(qn_rewriter_run(r), "requantize");
  qn_value v = qn__fold_op2(b, QN_OP_REQUANTIZE, acc, multiplier, y);
  if (v.id && !qn_str_eq(mode, qn_str_of("f32")))
    qn_op_set_attr(b->module, qn_value_op(b->module, v), "mode", qn_attr_string(b->module, mode));
  return v;
}

qn_status qn__fold_replace(qn_rewriter *r, qn_op op, qn_value v) {
  qn_module *m = qn_rewriter_module(r);
  if (!v.id || qn_module_failed(m)) return qn_error_no_memory(qn_module_context(m));
  if (qn_rewriter_replace(r, op, &v)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_INTERNAL, "fold-qparams made a value of another type");
}

bool qn__fold_erase_dead(qn_module *m, qn_op op) {
  if (!qn_op_has(m, op, QN_PURE) || qn_value_is_used(m, qn_op_result(m, op, 0))) return false;
  qn_op_erase(m, op);
  return true;
}

/* ---- the pass ---- */

static const qn_pattern casts[] = {
    {QN_OP_QUANTIZE, "parameters moved into types", qn__fold_quantize},
    {QN_OP_DEQUANTIZE, "parameters moved into types", qn__fold_dequantize},
    {QN_OP_SCAST, "storage casts merged", qn__fold_scast},
    {QN_OP_RESHAPE, "dequantized later", qn__fold_sink},
    {QN_OP_TRANSPOSE, "dequantized later", qn__fold_sink},
    {QN_OP_MAX_POOL, "dequantized later", qn__fold_sink},
    {QN_OP_MAXIMUM, "dequantized later", qn__fold_sink},
    {QN_OP_MINIMUM, "dequantized later", qn__fold_sink},
    {QN_OP_RELU, "dequantized later", qn__fold_sink_limits},
    {QN_OP_CLIP, "dequantized later", qn__fold_sink_limits},
    {QN_OP_QCAST, "quantized earlier", qn__fold_rise},
    {QN_OP_QCAST, "clamps merged", qn__fold_limits},
};

static const qn_pattern products[] = {
    {QN_OP_MATMUL, "integer products", qn__fold_matmul},
    {QN_OP_CONV2D, "integer products", qn__fold_matmul},
    {QN_OP_MATMUL, "integer products with dynamic parameters", qn__fold_dynamic_matmul},
    {QN_OP_ATTENTION, "attention of codes", qn__fold_attention},
};

static const qn_pattern pairs[] = {
    {QN_OP_SCAST, "storage casts merged", qn__fold_scast},
    {QN_OP_QCAST, "dequantize-quantize pairs", qn__fold_pair},
};

static const struct {
  const qn_pattern *patterns;
  size_t n;
} rounds[] = {{casts, sizeof casts / sizeof *casts},
              {products, sizeof products / sizeof *products},
              {pairs, sizeof pairs / sizeof *pairs}};

qn_status qn__pass_fold_qparams(qn_pass_run *run) {
  bool any = false;
  qn_status status = QN_OK;
  for (size_t i = 0; i < sizeof rounds / sizeof *rounds && !status; i++) {
    bool changed;
    status = qn_rewrite(run, (qn_op){0}, rounds[i].patterns, rounds[i].n, &changed);
    any |= changed;
  }
  qn_run_preserved(run, any, QN_PRESERVES_SHAPES);
  return status;
}
