/* channels-last: images are worked on with their channels last, as kernels do.
 *
 * Before and after:
 *   %0 = quern.transpose %c {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32>
 *   %1 = quern.relu %0 : (tensor<1x4x8x8xf32>) -> tensor<1x4x8x8xf32>
 *   ->
 *   %0 = quern.relu %c : (tensor<1x8x8x4xf32>) -> tensor<1x8x8x4xf32>
 *   %1 = quern.transpose %0 {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x8x8x4xf32>) -> tensor<1x4x8x8xf32>
 *
 * Convolutions and pools with layout = "nchw" become channels-last between transpositions. Transpositions back to
 * channels-first sink below elementwise ops and casts with one scale, so that they meet the next one's and canonicalize
 * cancels both: what stays is at the edges of the program. Preserves results bit for bit, and shapes. */
#include <quern/unstable/rewriter.h>
#include <quern/unstable/window.h>

static const int64_t to_last[4] = {0, 2, 3, 1}, to_first[4] = {0, 3, 1, 2};

static qn_type permuted(const qn_module *m, qn_type t, const int64_t *perm, qn_type elem) {
  qn_context *ctx = qn_module_context(m);
  int64_t shape[4];
  qn_name symbols[4];
  for (uint32_t d = 0; d < 4; d++) {
    shape[d] = qn_type_shape(ctx, t)[perm[d]];
    symbols[d] = qn_type_symbol(ctx, t, (uint32_t)perm[d]);
  }
  return qn_type_tensor_symbols(ctx, elem, 4, shape, symbols);
}

static qn_value transposed(qn_builder *b, qn_value x, const int64_t *perm) {
  const qn_named_attr a = qn_named(b->module, "perm", qn_attr_ints(b->module, QN_I64, 4, perm));
  return x.id ? qn_op_result(b->module, qn_op_build(b, QN_OP_TRANSPOSE, 1, &x, 1, &a), 0) : x;
}

/* The op again, on other operands, with a result of this type and its attributes but `without`. */
static qn_value again(qn_builder *b, qn_op op, uint32_t n, const qn_value *operands, qn_type result,
                      const char *without) {
  qn_module *m = b->module;
  for (uint32_t i = 0; i < n; i++)
    if (!operands[i].id) return (qn_value){0};
  qn_op_desc desc = {.kind = qn_op_kind_of(m, op),
                     .num_operands = n,
                     .operands = operands,
                     .num_results = 1,
                     .results = &result,
                     .attr_dict = qn_op_attrs(m, op)};
  qn_op made = qn_op_create(b, &desc);
  if (without) qn_op_set_attr(m, made, without, (qn_attr){0});
  return qn_op_result(m, made, 0);
}

static qn_status replace(qn_rewriter *r, qn_op op, qn_value v) {
  qn_module *m = qn_rewriter_module(r);
  if (!v.id || qn_module_failed(m)) return qn_error_no_memory(qn_module_context(m));
  qn_rewriter_replace(r, op, &v);
  return QN_OK;
}

/* ---- images ---- */

static qn_status turn(qn_rewriter *r, qn_op op) {
  static const int64_t weights[4] = {2, 3, 1, 0};
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  if (!qn_str_eq(qn_op_get_string(m, op, "layout"), qn_str_of("nchw"))) return QN_OK;
  qn_builder b = qn_builder_before(m, op);
  qn_value operands[4];
  uint32_t n = qn_op_num_operands(m, op);
  for (uint32_t i = 0; i < n && i < 4; i++) {
    operands[i] = qn_op_operand(m, op, i);
    if (i < 2) operands[i] = transposed(&b, operands[i], i ? weights : to_last);
  }
  qn_type want = qn_value_type(m, qn_op_result(m, op, 0));
  qn_value y = again(&b, op, n, operands, permuted(m, want, to_last, qn_type_elem(ctx, want)), "layout");
  return replace(r, op, transposed(&b, y, to_first));
}

/* ---- transpositions downwards ---- */

static bool moves_to_first(const qn_module *m, qn_value v) {
  uint32_t n = 0;
  qn_op op = qn_value_op(m, v);
  if (qn_op_kind_of(m, op) != QN_OP_TRANSPOSE) return false;
  const int64_t *perm = qn_attr_as_ints(m, qn_op_attr(m, op, "perm"), &n);
  for (uint32_t d = 0; d < 4 && n == 4; d++)
    if (perm[d] != to_first[d]) return false;
  return perm && n == 4;
}

static bool one_scale(const qn_context *ctx, qn_type t) {
  const qn_quant *q = qn_type_as_quant(ctx, qn_type_elem(ctx, t));
  return !q || q->num_blocks == 0;
}

/* A constant that broadcasts over channels-first images, for channels-last ones; null when v is none. */
static qn_value turned_constant(qn_builder *b, qn_value v) {
  qn_module *m = b->module;
  qn_context *ctx = qn_module_context(m);
  qn_tensor t;
  qn_type type = qn_value_type(m, v);
  uint32_t rank = qn_type_rank(ctx, type);
  if (!qn_value_constant_tensor(m, v, &t) || qn_type_as_quant(ctx, qn_type_elem(ctx, type)) || rank > 4)
    return (qn_value){0};
  if (rank == 0) return v;
  int64_t shape[4];
  for (uint32_t d = 0; d < 4; d++) shape[d] = d + rank < 4 ? 1 : qn_type_shape(ctx, type)[d + rank - 4];
  const qn_named_attr a = qn_named(m, "shape", qn_attr_ints(m, QN_I64, 4, shape));
  if (rank < 4) v = qn_op_result(m, qn_op_build(b, QN_OP_RESHAPE, 1, &v, 1, &a), 0);
  return transposed(b, v, to_last);
}

static bool passes_through(const qn_module *m, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(m, op);
  return (qn_op_has(m, op, QN_ELEMENTWISE) || kind == QN_OP_QCAST || kind == QN_OP_DCAST || kind == QN_OP_OBSERVE) &&
         qn_op_num_results(m, op) == 1 && qn_op_num_operands(m, op) <= 2;
}

static qn_status sink(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  uint32_t n = qn_op_num_operands(m, op), images = 0;
  if (!passes_through(m, op)) return QN_OK;
  qn_type want = qn_value_type(m, qn_op_result(m, op, 0));
  if (qn_type_rank(ctx, want) != 4 || !one_scale(ctx, want)) return QN_OK;
  for (uint32_t i = 0; i < n; i++) {
    qn_tensor t;
    qn_value v = qn_op_operand(m, op, i);
    bool image = moves_to_first(m, v) && one_scale(ctx, qn_value_type(m, v));
    images += image;
    if (!image && !qn_value_constant_tensor(m, v, &t)) return QN_OK;
  }
  if (!images || (qn_op_kind_of(m, op) == QN_OP_OBSERVE && qn_op_get_bool(m, op, "per_axis"))) return QN_OK;
  qn_builder b = qn_builder_before(m, op);
  qn_value operands[2];
  for (uint32_t i = 0; i < n; i++) {
    qn_value v = qn_op_operand(m, op, i);
    operands[i] = moves_to_first(m, v) ? qn_op_operand(m, qn_value_op(m, v), 0) : turned_constant(&b, v);
    if (!operands[i].id && !qn_module_failed(m)) return QN_OK;
  }
  qn_value y = again(&b, op, n, operands, permuted(m, want, to_last, qn_type_elem(ctx, want)), NULL);
  return replace(r, op, transposed(&b, y, to_first));
}

qn_status qn__pass_channels_last(qn_pass_run *run) {
  static const qn_pattern patterns[] = {
      {QN_OP_CONV2D, "images turned", turn},
      {QN_OP_CONV2D_INTEGER, "images turned", turn},
      {QN_OP_MAX_POOL, "images turned", turn},
      {QN_OP_AVERAGE_POOL, "images turned", turn},
      {QN_OP_UNREGISTERED, "transpositions moved down", sink},
  };
  bool changed;
  qn_status status = qn_rewrite(run, (qn_op){0}, patterns, sizeof patterns / sizeof *patterns, &changed);
  qn_run_preserved(run, changed, QN_PRESERVES_SHAPES);
  return status;
}
