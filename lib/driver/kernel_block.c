/* Matrix products with a scale per block of k, as a person would write them. */
#include "kernel_block.h"

qn_status qn__kernel_block_check(qn_context *ctx, const qn_matmul_desc *d) {
  static const qn_scalar storages[] = {QN_I4, QN_UI4, QN_I8, QN_UI8, QN_F4E2M1FN};
  qn_place here = qn_place_file("");
  bool known = false;
  for (size_t i = 0; i < sizeof storages / sizeof storages[0]; i++) known |= d->b == storages[i];
  bool narrow = d->a == QN_F16 || d->a == QN_BF16;
  if (!(d->a == QN_F32 || narrow) || !(d->y == QN_F32 || d->y == d->a) || !known)
    return qn_error(ctx, QN_DIAG_UNSUPPORTED, here,
                    "qn_kernel_matmul: no kernel for %s x %s -> %s in blocks; there are f32, f16 or bf16 x i4, ui4, "
                    "i8, ui8 or f4E2M1FN -> f32 or the same",
                    qn_scalar_get(d->a)->text, qn_scalar_get(d->b)->text, qn_scalar_get(d->y)->text);
  if (d->n > INT32_MAX || d->k > INT32_MAX)
    return qn_error(ctx, QN_DIAG_SHAPE, here, "qn_kernel_matmul: n or k is above 2^31 - 1");
  if (d->b_block < 0 || d->b_block > INT32_MAX)
    return qn_error(ctx, QN_DIAG_SHAPE, here, "qn_kernel_matmul: b_block is %lld, expected 1 or more",
                    (long long)d->b_block);
  if (d->n && (d->k + d->b_block - 1) / d->b_block > INT32_MAX / d->n)
    return qn_error(ctx, QN_DIAG_LIMIT, here, "qn_kernel_matmul: weights of %lld x %lld have more than 2^31 - 1 scales",
                    (long long)d->k, (long long)d->n);
  if (!d->b_data || !d->b_scales)
    return qn_error(ctx, QN_DIAG_DATA, here,
                    "qn_kernel_matmul: b_data or b_scales is null; weights in blocks are packed beforehand");
  if (d->b_codebook && (d->b_codebook_size == 0 || d->b_codebook_size > 16 || (d->b != QN_I4 && d->b != QN_UI4)))
    return qn_error(ctx, QN_DIAG_DATA, here, "qn_kernel_matmul: a codebook has 1 to 16 values and codes of i4 or ui4");
  return QN_OK;
}

/* The narrowest type that holds all scales, so that the type can be printed as they are. */
static qn_type weight_type(qn_context *ctx, const qn_matmul_desc *d) {
  qn_type f32 = qn_type_scalar(ctx, QN_F32), storage = qn_type_scalar(ctx, qn_scalar_is_float(d->b) ? d->b : QN_I4);
  bool is_signed = d->b == QN_I4 || d->b == QN_I8, codes = !qn_scalar_is_float(d->b);
  if (codes) storage = qn_type_scalar(ctx, d->b == QN_I4 || d->b == QN_UI4 ? QN_I4 : QN_I8);
  if (d->b_codebook) storage = qn_type_quantile(ctx, storage, is_signed, f32, d->b_codebook_size, d->b_codebook);
  int64_t rows = (d->k + d->b_block - 1) / d->b_block;
  qn_quant q = {.storage = storage,
                .is_signed = is_signed,
                .qmin = codes ? qn_scalar_min(d->b) : 0,
                .qmax = codes ? qn_scalar_max(d->b) : 0,
                .expressed = f32,
                .num_blocks = 2,
                .blocks = {{0, d->b_block}, {1, 1}},
                .num_scales = (uint32_t)(rows * d->n),
                .param_rank = 2,
                .param_shape = {rows, d->n},
                .scales = d->b_scales,
                .zero_points = d->b_zero_points,
                .scale_type = QN_F32,
                .tensor_scale = 1};
  return qn_type_quant(ctx, &q, qn_place_file(""));
}

static qn_value weights(qn_builder *b, const qn_matmul_desc *d) {
  qn_context *ctx = qn_module_context(b->module);
  int64_t shape[2] = {d->k, d->n};
  qn_type elem = weight_type(ctx, d);
  if (qn_type_is_null(elem)) return (qn_value){0};
  qn_type codes = qn_type_tensor(ctx, qn_type_scalar(ctx, qn_type_storage(ctx, elem)), 2, shape);
  qn_value c = qn_build_constant(b, qn_attr_dense(b->module, codes, d->b_data));
  return c.id ? qn_build_cast(b, QN_OP_SCAST, c, qn_type_tensor(ctx, elem, 2, shape)) : c;
}

qn_value qn__kernel_block_product(qn_builder *b, const qn_matmul_desc *d, qn_value a) {
  qn_module *m = b->module;
  qn_context *ctx = qn_module_context(m);
  qn_value operands[3] = {a, weights(b, d)};
  if (!operands[1].id) return (qn_value){0};
  if (d->b_float) {
    const int64_t shape[2] = {d->m, d->n};
    const qn_name symbols[2] = {qn_type_symbol(ctx, qn_value_type(m, a), 0)};
    /* Not rounded before the epilogue. */
    qn_type y = qn_type_tensor_symbols(ctx, qn_type_scalar(ctx, QN_F32), 2, shape, symbols);
    qn_op_desc desc = {.kind = QN_OP_MATMUL, .num_operands = 2, .operands = operands, .num_results = 1, .results = &y};
    return qn_op_result(m, qn_op_create(b, &desc), 0);
  }
  const qn_named_attr attrs[4] = {
      qn_named(m, "storage", qn_attr_type(m, qn_type_scalar(ctx, QN_I8))),
      qn_named(m, "scheme", qn_attr_string(m, qn_str_of("symmetric"))),
      qn_named(m, "range", qn_attr_string(m, qn_str_of("narrow"))),
      qn_named(m, "block", qn_attr_int(m, qn_type_scalar(ctx, QN_I64), d->b_block)),
  };
  qn_op q = qn_op_build(b, QN_OP_DYNAMIC_QUANTIZE, 1, &a, 4, attrs);
  if (!q.id) return (qn_value){0};
  operands[2] = operands[1];
  operands[0] = qn_op_result(m, q, 0), operands[1] = qn_op_result(m, q, 1);
  return qn_op_result(m, qn_op_build(b, QN_OP_BLOCK_MATMUL, 3, operands, 0, NULL), 0);
}
