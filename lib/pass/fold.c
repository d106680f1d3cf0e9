/* Constants: reading them, making them, and folding ops over them with the evaluator. */
#include "context_impl.h"
#include "module_access.h"
#include "pass_impl.h"
#include <quern/unstable/evaluator.h>
#include <quern/unstable/rewriter.h>
#include <string.h>

/* ---- reading ---- */

qn_attr qn_value_constant(const qn_module *m, qn_value v) {
  qn_op def = qn_value_op(m, v);
  return qn_op_kind_of(m, def) == QN_OP_CONSTANT ? qn_op_attr(m, def, "value") : (qn_attr){0};
}

/* Ops that show the same bits under another type. */
static bool keeps_bits(qn_op_kind kind) {
  return kind == QN_OP_SCAST || kind == QN_OP_VIEW;
}

/* The attribute behind any number of such ops. */
static qn_attr constant_behind(const qn_module *m, qn_value v) {
  qn_op def = qn_value_op(m, v);
  while (keeps_bits(qn_op_kind_of(m, def))) def = qn_value_op(m, qn_op_operand(m, def, 0));
  return qn_op_kind_of(m, def) == QN_OP_CONSTANT ? qn_op_attr(m, def, "value") : (qn_attr){0};
}

static bool scalar_tensor(qn_module *m, qn_attr a, qn_tensor *out) {
  qn_scalar s = qn_type_as_scalar(qn_module_context(m), qn_attr_type_of(m, a));
  if (qn_attr_kind_of(m, a) == QN_ATTR_BOOL) s = QN_I1;
  void *room = qn__arena_zero(qn__module_arena(m), sizeof(uint64_t));
  if (s == QN_SCALAR_NONE || !room) return false;
  *out = (qn_tensor){.elem = s, .data = room};
  if (qn_scalar_is_float(s))
    qn_tensor_set_f64(out, 0, qn_attr_as_float(m, a));
  else
    qn_tensor_set_i64(out, 0, qn_attr_as_int(m, a));
  return true;
}

bool qn_value_constant_tensor(qn_module *m, qn_value v, qn_tensor *out) {
  qn_context *ctx = qn_module_context(m);
  qn_attr a = constant_behind(m, v);
  qn_attr_kind kind = qn_attr_kind_of(m, a);
  if (kind == QN_ATTR_INT || kind == QN_ATTR_BOOL || kind == QN_ATTR_FLOAT) return scalar_tensor(m, a, out);
  qn_type t = qn_value_type(m, v);
  if (kind != QN_ATTR_DENSE || !qn_type_is_static(ctx, t) || !qn_attr_dense_tensor(m, a, out)) return false;
  size_t bytes = qn_tensor_bytes(out);
  out->elem = qn_type_memory(ctx, qn_type_elem(ctx, t));
  out->rank = qn_type_rank(ctx, t);
  for (uint32_t d = 0; d < out->rank; d++) out->shape[d] = qn_type_shape(ctx, t)[d];
  return qn_tensor_bytes(out) == bytes;
}

/* ---- making ---- */

static qn_value build_scalar(qn_builder *b, qn_type type, const qn_tensor *t) {
  qn_module *m = b->module;
  qn_attr a = qn_scalar_is_float(t->elem) ? qn_attr_float(m, type, qn_tensor_get_f64(t, 0))
                                          : qn_attr_int(m, type, qn_tensor_get_i64(t, 0));
  return qn_build_constant(b, a);
}

qn_value qn_build_constant_tensor(qn_builder *b, qn_type type, const qn_tensor *t, bool kernel) {
  qn_module *m = b->module;
  qn_context *ctx = qn_module_context(m);
  if (qn_type_kind_of(ctx, type) != QN_TYPE_TENSOR) return build_scalar(b, type, t);
  qn_type elem = qn_type_elem(ctx, type);
  if (qn_type_as_scalar(ctx, elem) != QN_SCALAR_NONE) return qn_build_constant(b, qn_attr_dense(m, type, t->data));
  /* Quantized codes are a constant of their storage, shown under the quantized type. */
  qn_type storage = qn_type_with_elem(ctx, type, qn_type_scalar(ctx, qn_type_storage(ctx, elem)));
  qn_value codes = qn_build_constant(b, qn_attr_dense(m, storage, t->data));
  return codes.id ? qn_build_cast(b, kernel ? QN_OP_VIEW : QN_OP_SCAST, codes, type) : codes;
}

/* ---- folding ---- */

/* Ops that later passes want to see over constants, and those whose value is not that of their operands alone. */
static const qn_op_kind kept[] = {QN_OP_CONSTANT,   QN_OP_PACKED,     QN_OP_DCAST,  QN_OP_SCAST,
                                  QN_OP_DEQUANTIZE, QN_OP_FAKE_QUANT, QN_OP_PACK,   QN_OP_BLOCK_PACK,
                                  QN_OP_ALL_MAX,    QN_OP_ALL_MIN,    QN_OP_ALL_SUM};

static bool is_foldable_kind(const qn_module *m, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(m, op);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
    if (kept[i] == kind) return false;
  return (qn_op_info_get(kind)->traits & QN_PURE) != 0 && qn_op_num_results(m, op) > 0;
}

/* A result that a constant can take the place of. */
static bool result_fits(const qn_module *m, qn_op op, uint32_t i, int64_t max_elements) {
  const qn_context *ctx = qn_module_context(m);
  qn_type t = qn_value_type(m, qn_op_result(m, op, i));
  if (qn_type_as_scalar(ctx, t) != QN_SCALAR_NONE) return true;
  int64_t count = qn_type_count(ctx, t);
  qn_type elem = qn_type_elem(ctx, t);
  qn_type_kind kind = qn_type_kind_of(ctx, elem);
  if (kind == QN_TYPE_QUANT && qn_op_kind_of(m, op) == QN_OP_VIEW) return false; /* already in its final form */
  return count >= 0 && count <= max_elements && (kind == QN_TYPE_SCALAR || kind == QN_TYPE_QUANT);
}

/* Adds the elements of all operands to *elements. */
static bool operands_constant(const qn_module *m, qn_op op, int64_t *elements) {
  uint32_t n = qn_op_num_operands(m, op);
  for (uint32_t i = 0; i < n; i++) {
    qn_value v = qn_op_operand(m, op, i);
    if (!constant_behind(m, v).id) return false;
    qn_type t = qn_value_type(m, v);
    int64_t count =
        qn_type_kind_of(qn_module_context(m), t) == QN_TYPE_TENSOR ? qn_type_count(qn_module_context(m), t) : 1;
    if (count > 0 && *elements < INT64_MAX - count) *elements += count;
  }
  return n > 0;
}

static qn_status build_results(qn_module *m, qn_op op, const qn_tensor *tensors, qn_value *results) {
  qn_builder b = qn_builder_before(m, op);
  uint32_t n = qn_op_num_results(m, op);
  bool kernel = qn_op_has(m, op, QN_KERNEL_OP);
  for (uint32_t i = 0; i < n; i++) {
    results[i] = qn_build_constant_tensor(&b, qn_value_type(m, qn_op_result(m, op, i)), &tensors[i], kernel);
    if (!results[i].id) return qn_module_failed(m) ? QN_ERR_NO_MEMORY : QN_ERR_INTERNAL;
  }
  return QN_OK;
}

static qn_status evaluate(qn_module *m, qn_op op, qn_tensor *operands, qn_tensor *out, qn_value *results,
                          bool *folded) {
  qn_context *ctx = qn_module_context(m);
  uint32_t n = qn_op_num_operands(m, op), num_results = qn_op_num_results(m, op);
  for (uint32_t i = 0; i < n; i++)
    if (!qn_value_constant_tensor(m, qn_op_operand(m, op, i), &operands[i]))
      return qn_module_failed(m) ? QN_ERR_NO_MEMORY : QN_OK;
  qn_status status = qn_eval_op(m, op, operands, out);
  if (status != QN_OK) return status;
  status = build_results(m, op, out, results);
  for (uint32_t i = 0; i < num_results; i++) qn_tensor_free(ctx, &out[i]);
  *folded = status == QN_OK;
  return status;
}

/* The same bytes under another type: borrowed from the constant, not copied. */
static qn_status fold_view(qn_module *m, qn_op op, qn_value *results, bool *folded) {
  qn_attr from = constant_behind(m, qn_op_operand(m, op, 0));
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  const qn_context *ctx = qn_module_context(m);
  qn_builder b = qn_builder_before(m, op);
  qn_tensor now;
  if (qn_attr_kind_of(m, from) != QN_ATTR_DENSE || qn_attr_is_splat(m, from) ||
      qn_type_kind_of(ctx, qn_type_elem(ctx, t)) != QN_TYPE_SCALAR || !qn_attr_dense_tensor(m, from, &now) ||
      qn_type_memory(ctx, qn_type_elem(ctx, t)) != now.elem)
    return QN_OK;
  results[0] = qn_build_constant(&b, qn_attr_dense_borrow(m, t, now.data, (qn_name){0}));
  *folded = results[0].id != 0;
  return *folded ? QN_OK : QN_ERR_NO_MEMORY;
}

qn_status qn_fold_op(qn_module *m, qn_op op, int64_t max_elements, qn_value *results, bool *folded) {
  *folded = false;
  uint32_t n = qn_op_num_operands(m, op), num_results = qn_op_num_results(m, op);
  int64_t elements = 0;
  if (!is_foldable_kind(m, op) || !operands_constant(m, op, &elements)) return QN_OK;
  if (max_elements < elements) max_elements = elements; /* folding makes the program no larger then */
  for (uint32_t i = 0; i < num_results; i++)
    if (!result_fits(m, op, i, max_elements)) return QN_OK;
  if (qn_op_kind_of(m, op) == QN_OP_VIEW) {
    qn_status status = fold_view(m, op, results, folded);
    if (status != QN_OK || *folded) return status;
  }
  const qn_allocator *a = qn_context_allocator(qn_module_context(m));
  size_t bytes = ((size_t)n + num_results) * sizeof(qn_tensor);
  qn_tensor *tensors = qn__alloc_zero(a, bytes);
  if (!tensors) return qn_error_no_memory(qn_module_context(m));
  qn_status status = evaluate(m, op, tensors, tensors + n, results, folded);
  qn__free(a, tensors, bytes);
  return status;
}
