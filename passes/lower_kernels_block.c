/* lower-kernels: products with a scale per block, and products of floats with quantized weights.
 *
 *   %q, %s, %z = quern.dynamic_quantize %x {block = 32, ..} : ..
 *   %y = quern.block_matmul %q, %s, %w : ..
 * becomes
 *   %r = kern.block_rows %x {block = 32, offset = 8} : (tensor<?x64xf32>) -> tensor<?x80xi8>
 *   %p = kern.block_pack %w {layout = "b32p32i4f16"} : .. -> tensor<..xi8>
 *   %y = kern.block_gemm %r, %p epilogue {..} {k = 64, layout = "b32p32i4f16", n = 10} : ..
 *
 * The quantization of x goes when nothing else reads it. Rows are shared by products of the same x and form. */
#include "lower_kernels_product.h"
#include <quern/unstable/bpack.h>

static qn_type type_of(lowering *l, qn_value v) {
  return qn_value_type(l->m, v);
}

static qn_attr int_attr(lowering *l, int64_t v) {
  return qn_attr_int(l->m, qn__scalar_t(l, QN_I64), v);
}

/* The value's leading sizes, then `n` more. */
static qn_value reshaped(lowering *l, qn_builder *b, qn_value x, uint32_t keep, uint32_t n, const int64_t *last) {
  qn_type t = type_of(l, x);
  int64_t shape[QN_MAX_RANK], spec[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK] = {{0}};
  for (uint32_t d = 0; d < keep; d++) {
    shape[d] = qn_type_shape(l->ctx, t)[d], symbols[d] = qn_type_symbol(l->ctx, t, d);
    spec[d] = -2 - (int64_t)d;
  }
  for (uint32_t i = 0; i < n; i++) shape[keep + i] = spec[keep + i] = last[i];
  qn_type want = qn_type_tensor_symbols(l->ctx, qn_type_elem(l->ctx, t), keep + n, shape, symbols);
  return qn__make_view(b, x, want, qn_attr_ints(l->m, QN_I64, keep + n, spec));
}

/* A vector as a matrix of one row. */
static qn_value as_rows(lowering *l, qn_builder *b, qn_value x) {
  qn_type t = type_of(l, x);
  if (qn_type_rank(l->ctx, t) != 1) return x;
  int64_t shape[2] = {1, qn_type_shape(l->ctx, t)[0]};
  return reshaped(l, b, x, 0, 2, shape);
}

/* Whether an op stands in front of where the builder is: programs may have kernels of their own further down. */
static bool is_before(lowering *l, qn_op op, const qn_builder *b) {
  while (op.id && op.id != b->before.id) op = qn_op_next(l->m, op);
  return op.id != 0;
}

/* x as f32 where a product before this one needed it, too: a map of nothing but the conversion. */
static qn_value widened_before(lowering *l, const qn_builder *b, qn_value x, qn_type t) {
  for (qn_use u = qn_value_first_use(l->m, x); u.id; u = qn_use_next(l->m, u)) {
    qn_op map = qn_use_op(l->m, u);
    if (qn_op_kind_of(l->m, map) != QN_OP_MAP || qn_op_num_operands(l->m, map) != 1 ||
        qn_op_num_results(l->m, map) != 1 || !qn_type_eq(type_of(l, qn_op_result(l->m, map, 0)), t))
      continue;
    qn_op convert = qn_block_first(l->m, qn_op_region(l->m, map, 0)), yield = qn_op_next(l->m, convert);
    if (qn_op_kind_of(l->m, convert) == QN_OP_EXTF && qn_op_kind_of(l->m, yield) == QN_OP_YIELD && is_before(l, map, b))
      return qn_op_result(l->m, map, 0);
  }
  return (qn_value){0};
}

static qn_value as_f32(lowering *l, qn_builder *b, qn_value x) {
  if (qn_type_memory(l->ctx, qn_type_elem(l->ctx, type_of(l, x))) == QN_F32) return x;
  qn_type t = qn_type_with_elem(l->ctx, type_of(l, x), qn__scalar_t(l, QN_F32));
  qn_value before = widened_before(l, b, x, t);
  if (before.id) return before;
  qn_builder body;
  qn_op map = qn__make_loop(b, QN_OP_MAP, 1, &x, 1, &t, &body);
  qn_value y = qn__to_f32(l, &body, qn_block_arg(l->m, body.block, 0));
  qn__yield(&body, 1, &y);
  return qn_op_result(l->m, map, 0);
}

static bool attr_is(lowering *l, qn_op op, const char *name, const char *value) {
  return qn_str_eq(qn_op_get_string(l->m, op, name), qn_str_of(value));
}

/* The op that quantized `codes` and made `scale`, as kern.block_rows does; null for any other. */
static qn_op quantized_by(lowering *l, qn_value codes, qn_value scale, const qn_bpack_layout *layout) {
  qn_op op = qn_value_op(l->m, codes);
  bool same = qn_op_kind_of(l->m, op) == QN_OP_DYNAMIC_QUANTIZE && qn_value_op(l->m, scale).id == op.id &&
              qn_value_index(l->m, codes) == 0 && qn_value_index(l->m, scale) == 1 &&
              qn_op_get_int(l->m, op, "block") == layout->block && attr_is(l, op, "scheme", "symmetric") &&
              attr_is(l, op, "range", "narrow");
  return same ? op : (qn_op){0};
}

/* Rows of these operands that stand already, or new ones. */
static qn_value make_rows(lowering *l, qn_builder *b, uint32_t n, const qn_value *operands,
                          const qn_bpack_layout *layout) {
  qn_module *m = l->m;
  for (qn_use u = qn_value_first_use(m, operands[0]); u.id; u = qn_use_next(m, u)) {
    qn_op op = qn_use_op(m, u);
    if (qn_op_kind_of(m, op) != QN_OP_BLOCK_ROWS || qn_use_index(m, u) != 0 || qn_op_num_operands(m, op) != n) continue;
    if ((n == 1 || qn_op_operand(m, op, 1).id == operands[1].id) && qn_op_get_int(m, op, "block") == layout->block &&
        qn_op_get_int(m, op, "offset") == qn_bpack_offset(layout) && is_before(l, op, b))
      return qn_op_result(m, op, 0);
  }
  const qn_named_attr attrs[2] = {qn_named(m, "block", int_attr(l, layout->block)),
                                  qn_named(m, "offset", int_attr(l, qn_bpack_offset(layout)))};
  return qn_op_result(m, qn_op_build(b, QN_OP_BLOCK_ROWS, n, operands, 2, attrs), 0);
}

static qn_value make_pack(lowering *l, qn_builder *b, qn_value w, bool transposed, const qn_bpack_layout *layout) {
  char name[32];
  qn_named_attr attrs[2] = {
      qn_named(l->m, "layout", qn_attr_string(l->m, qn_str_of(qn_bpack_layout_name(layout, name))))};
  if (transposed) attrs[1] = qn_named(l->m, "transpose", qn_attr_bool(l->m, true));
  return qn_op_result(l->m, qn_op_build(b, QN_OP_BLOCK_PACK, 1, &w, transposed ? 2 : 1, attrs), 0);
}

/* The product of rows and packed weights, as f32. */
static qn_value make_gemm(lowering *l, qn_builder *b, qn_value rows, qn_value packed, int64_t k, int64_t n,
                          const qn_bpack_layout *layout) {
  qn_module *m = l->m;
  char name[32];
  qn_type t = type_of(l, rows);
  uint32_t rank = qn_type_rank(l->ctx, t);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK] = {{0}};
  for (uint32_t d = 0; d < rank; d++)
    shape[d] = d + 1 == rank ? n : qn_type_shape(l->ctx, t)[d],
    symbols[d] = d + 1 == rank ? (qn_name){0} : qn_type_symbol(l->ctx, t, d);
  qn_type y = qn_type_tensor_symbols(l->ctx, qn__scalar_t(l, QN_F32), rank, shape, symbols);
  const qn_value operands[2] = {rows, packed};
  const qn_named_attr attrs[3] = {
      qn_named(m, "k", int_attr(l, k)), qn_named(m, "n", int_attr(l, n)),
      qn_named(m, "layout", qn_attr_string(m, qn_str_of(qn_bpack_layout_name(layout, name))))};
  qn_op_desc desc = {.kind = QN_OP_BLOCK_GEMM,
                     .num_operands = 2,
                     .operands = operands,
                     .num_results = 1,
                     .results = &y,
                     .num_attrs = 3,
                     .attrs = attrs,
                     .num_regions = 1};
  qn_op gemm = qn_op_create(b, &desc);
  qn_builder body = qn_builder_at_end(m, qn_op_region(m, gemm, 0));
  body.loc = b->loc;
  qn_value sum = qn_block_add_arg(m, body.block, qn__scalar_t(l, QN_F32), (qn_name){0});
  qn__yield(&body, 1, &sum);
  return qn_op_result(m, gemm, 0);
}

/* A matrix of one row becomes a vector again, and sums are rounded to the narrow floats that the result has. */
static qn_status finish(lowering *l, qn_op op, qn_builder *b, qn_value y) {
  if (!y.id || qn_module_failed(l->m)) return qn_error_no_memory(l->ctx);
  qn_type want = type_of(l, qn_op_result(l->m, op, 0));
  y = qn__rounded_to(l, b, y, qn_type_elem(l->ctx, want));
  if (qn_type_rank(l->ctx, want) == 1) {
    int64_t n = qn_type_shape(l->ctx, want)[0];
    y = reshaped(l, b, y, 0, 1, &n);
  }
  if (!qn_type_eq(type_of(l, y), want)) qn_value_set_type(l->m, y, want);
  return qn__lower_done(l, op, &y);
}

qn_status qn__lower_block_matmul(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  qn_value codes = qn_op_operand(l->m, op, 0), scale = qn_op_operand(l->m, op, 1), w = qn_op_operand(l->m, op, 2);
  bool transposed = qn_op_get_bool(l->m, op, "transpose_b");
  const int64_t *shape = qn_type_shape(l->ctx, type_of(l, w));
  int64_t k = shape[transposed], n = shape[!transposed];
  qn_bpack_layout layout;
  const char *reason = "";
  if (!qn_bpack_layout_for(l->ctx, qn_type_elem(l->ctx, type_of(l, w)), transposed, k, false, &layout, &reason))
    return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED, "no kernel reads these weights: %s", reason);
  qn_op source = quantized_by(l, codes, scale, &layout);
  qn_value operands[2] = {codes, scale};
  if (source.id) {
    operands[0] = as_rows(l, &b, as_f32(l, &b, qn_op_operand(l->m, source, 0)));
  } else {
    operands[0] = as_rows(l, &b, codes);
    operands[1] = as_rows(l, &b, scale);
  }
  qn_value rows = make_rows(l, &b, source.id ? 1 : 2, operands, &layout);
  if (!rows.id) return QN_ERR_INPUT;
  qn_value packed = make_pack(l, &b, w, transposed, &layout);
  if (!packed.id) return QN_ERR_INPUT;
  return finish(l, op, &b, make_gemm(l, &b, rows, packed, k, n, &layout));
}

/* ---- floats times quantized weights ---- */

bool qn__is_constant(lowering *l, qn_value v) {
  qn_op op = qn_value_op(l->m, v);
  while (qn_op_kind_of(l->m, op) == QN_OP_SCAST || qn_op_kind_of(l->m, op) == QN_OP_VIEW)
    op = qn_value_op(l->m, qn_op_operand(l->m, op, 0));
  return qn_op_kind_of(l->m, op) == QN_OP_CONSTANT;
}

/* Weights that no layout holds are dequantized by a kernel of its own. */
static qn_status dequantize_first(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  qn_value w = qn_op_operand(l->m, op, 1);
  qn_value d = qn_build_cast(&b, QN_OP_DCAST, w, qn_type_with_elem(l->ctx, type_of(l, w), qn__scalar_t(l, QN_F32)));
  if (!d.id) return qn_error_no_memory(l->ctx);
  qn_op_set_operand(l->m, op, 0, as_f32(l, &b, qn_op_operand(l->m, op, 0)));
  qn_op_set_operand(l->m, op, 1, d);
  qn_status status = qn__lower_elementwise(QN_OP_DCAST)(l, qn_value_op(l->m, d));
  return status ? status : qn__lower_matmul(l, op);
}

qn_status qn__lower_weight_only(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  qn_value a = qn_op_operand(l->m, op, 0), w = qn_op_operand(l->m, op, 1);
  bool transposed = qn_op_get_bool(l->m, op, "transpose_b");
  qn_type t = type_of(l, w);
  qn_bpack_layout layout;
  const char *reason;
  if (qn_type_rank(l->ctx, t) != 2 || !qn_type_is_static(l->ctx, t) || !qn__is_constant(l, w))
    return dequantize_first(l, op);
  const int64_t *shape = qn_type_shape(l->ctx, t);
  int64_t k = shape[transposed], n = shape[!transposed];
  if (!qn_bpack_layout_for(l->ctx, qn_type_elem(l->ctx, t), transposed, k, true, &layout, &reason))
    return dequantize_first(l, op);
  if (qn_op_get_bool(l->m, op, "transpose_a")) {
    int64_t perm[QN_MAX_RANK];
    uint32_t rank = qn_type_rank(l->ctx, type_of(l, a));
    for (uint32_t d = 0; d < rank; d++) perm[d] = d;
    perm[rank - 2] = rank - 1, perm[rank - 1] = rank - 2;
    a = qn__make_transpose(l, &b, a, perm);
  }
  a = as_f32(l, &b, a);
  qn_value packed = make_pack(l, &b, w, transposed, &layout);
  if (!packed.id) return QN_ERR_INPUT;
  return finish(l, op, &b, make_gemm(l, &b, as_rows(l, &b, a), packed, k, n, &layout));
}

/* ---- quantization by blocks on its own ---- */

/* Blocks become rows: [.., K] is seen as [.., K / block, block]. */
qn_status qn__lower_block_quantize(lowering *l, qn_op op) {
  qn_module *m = l->m;
  qn_builder b = qn_builder_before(m, op);
  qn_value x = qn_op_operand(m, op, 0);
  qn_type t = type_of(l, x);
  uint32_t keep = qn_type_rank(l->ctx, t) - 1;
  int64_t block = qn_op_get_int(m, op, "block"), k = qn_type_shape(l->ctx, t)[keep];
  if (k >= 0 && k < block) block = k;
  if (k <= 0 || k % block)
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED,
                       "the last axis of %s is no multiple of the block of %lld: no kernel quantizes it by blocks but "
                       "in front of quern.block_matmul",
                       qn_type_text(l->ctx, t).data, (long long)block);
  if (keep + 2 > QN_MAX_RANK)
    return qn_op_error(m, op, QN_DIAG_UNSUPPORTED, "rank %u leaves no room for an axis of blocks", keep + 1);
  const int64_t cut[2] = {k / block, block};
  qn_value blocks = reshaped(l, &b, x, keep, 2, cut);
  qn_op rows = qn_op_clone(&b, m, op, NULL, 0);
  if (!rows.id || !blocks.id) return qn_error_no_memory(l->ctx);
  qn_op_set_operand(m, rows, 0, blocks);
  qn_op_set_attr(m, rows, "block", (qn_attr){0});
  qn_op_set_attr(m, rows, "per_row", qn_attr_bool(m, true));
  qn_type types[3];
  if (qn_op_infer(m, rows, types)) return QN_ERR_INPUT;
  qn_value results[3];
  for (uint32_t i = 0; i < 3; i++) {
    qn_value_set_type(m, qn_op_result(m, rows, i), types[i]);
    results[i] = reshaped(l, &b, qn_op_result(m, rows, i), keep, 1, i ? &cut[0] : &k);
    if (results[i].id) qn_value_set_type(m, results[i], type_of(l, qn_op_result(m, op, i)));
  }
  qn_status status = qn__lower_dynamic_quantize(l, rows);
  return status ? status : qn__lower_done(l, op, results);
}
