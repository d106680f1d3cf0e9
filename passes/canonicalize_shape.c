/* canonicalize: reshape, transpose, kern.view and copies. */
#include "canonicalize.h"
#include <string.h>

static const int64_t *ints_of(const qn_module *m, qn_op op, const char *name, uint32_t *n) {
  return qn_attr_as_ints(m, qn_op_attr(m, op, name), n);
}

/* ---- reshape and view ---- */

/* Values of this type all have one shape: sizes are known or named, or the only other one follows from the count. */
static bool shape_is_fixed(const qn_context *ctx, qn_type t) {
  uint32_t rank = qn_type_rank(ctx, t), open = 0;
  bool empty = false, named = false;
  for (uint32_t d = 0; d < rank; d++) {
    int64_t size = qn_type_shape(ctx, t)[d];
    empty = empty || size == 0;
    if (size != QN_DYNAMIC) continue;
    if (qn_type_symbol(ctx, t, d).id)
      named = true;
    else
      open++;
  }
  return open == 0 || (open == 1 && !empty && !named);
}

/* Entry `s` of an outer shape, which speaks of the inner op's result, in terms of the inner op's operand. */
static bool translate(const qn_context *ctx, qn_type middle, const int64_t *inner, uint32_t inner_rank, int64_t s,
                      int64_t *out) {
  *out = s;
  if (s >= -1) return true;
  uint64_t d = (uint64_t)(-2 - s);
  if (d >= qn_type_rank(ctx, middle)) return false;
  *out = qn_type_shape(ctx, middle)[d];
  if (*out != QN_DYNAMIC) return true;
  if (!inner || d >= inner_rank || inner[d] >= -1) return false;
  *out = inner[d];
  return true;
}

/* The shape attribute for outer(inner(x)) as one op: null attribute with true where none is needed. */
static bool merged_shape(qn_module *m, qn_op op, qn_op inner, qn_attr *out) {
  const qn_context *ctx = qn_module_context(m);
  qn_type result = qn_value_type(m, qn_op_result(m, op, 0)), middle = qn_value_type(m, qn_op_operand(m, op, 0));
  uint32_t rank = qn_type_rank(ctx, result), n, inner_rank;
  int64_t shape[QN_MAX_RANK];
  *out = (qn_attr){0};
  if (qn_type_is_static(ctx, result)) {
    if (qn_op_kind_of(m, op) == QN_OP_RESHAPE) *out = qn_attr_ints(m, QN_I64, rank, qn_type_shape(ctx, result));
    return true;
  }
  const int64_t *outer = ints_of(m, op, "shape", &n), *first = ints_of(m, inner, "shape", &inner_rank);
  if (!outer || n > QN_MAX_RANK) return false;
  for (uint32_t i = 0; i < n; i++)
    if (!translate(ctx, middle, first, inner_rank, outer[i], &shape[i])) return false;
  *out = qn_attr_ints(m, QN_I64, n, shape);
  return true;
}

qn_status qn__canon_reshape(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value y = qn_op_operand(m, op, 0);
  qn_op_kind kind = qn_op_kind_of(m, op);
  qn_type to = qn_value_type(m, qn_op_result(m, op, 0));
  if (qn_type_eq(qn_value_type(m, y), to) && shape_is_fixed(qn_module_context(m), to)) return qn__replace1(r, op, y);
  qn_op inner = qn__operand_op(m, op, 0, kind);
  qn_attr shape;
  if (!inner.id || !merged_shape(m, op, inner, &shape)) return QN_OK;
  const qn_named_attr attr = qn_named(m, "shape", shape);
  return qn__replace1(r, op, qn__make1(r, op, kind, qn_op_operand(m, inner, 0), to, shape.id ? 1 : 0, &attr));
}

/* ---- transpose ---- */

static bool is_identity(const int64_t *perm, uint32_t rank) {
  for (uint32_t i = 0; i < rank; i++)
    if (perm[i] != (int64_t)i) return false;
  return true;
}

/* Only axes of size 1 change places: the elements keep their order. */
static bool keeps_order(const int64_t *shape, const int64_t *perm, uint32_t rank) {
  int64_t last = -1;
  for (uint32_t i = 0; i < rank; i++) {
    if (shape[perm[i]] == 1) continue;
    if (perm[i] < last) return false;
    last = perm[i];
  }
  return true;
}

static bool has_blocks(const qn_context *ctx, qn_type t) {
  const qn_quant *q = qn_type_as_quant(ctx, qn_type_elem(ctx, t));
  return q && q->num_blocks;
}

static qn_status merge_transposes(qn_rewriter *r, qn_op op, qn_op inner, const int64_t *outer_perm, uint32_t rank) {
  qn_module *m = qn_rewriter_module(r);
  uint32_t n;
  const int64_t *first = ints_of(m, inner, "perm", &n);
  int64_t both[QN_MAX_RANK];
  if (n != rank) return QN_OK;
  for (uint32_t i = 0; i < rank; i++) both[i] = first[outer_perm[i]];
  const qn_named_attr perm = qn_named(m, "perm", qn_attr_ints(m, QN_I64, rank, both));
  qn_type to = qn_value_type(m, qn_op_result(m, op, 0));
  return qn__replace1(r, op, qn__make1(r, op, QN_OP_TRANSPOSE, qn_op_operand(m, inner, 0), to, 1, &perm));
}

qn_status qn__canon_transpose(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_value x = qn_op_operand(m, op, 0);
  qn_type from = qn_value_type(m, x), to = qn_value_type(m, qn_op_result(m, op, 0));
  uint32_t rank;
  const int64_t *perm = ints_of(m, op, "perm", &rank);
  if (!perm || rank != qn_type_rank(ctx, from) || rank > QN_MAX_RANK) return QN_OK;
  if (is_identity(perm, rank) && qn_type_eq(from, to)) return qn__replace1(r, op, x);
  qn_op inner = qn__operand_op(m, op, 0, QN_OP_TRANSPOSE);
  if (inner.id) return merge_transposes(r, op, inner, perm, rank);
  if (!qn_type_is_static(ctx, from) || !qn_type_is_static(ctx, to) || has_blocks(ctx, from) ||
      !keeps_order(qn_type_shape(ctx, from), perm, rank))
    return QN_OK;
  const qn_named_attr shape = qn_named(m, "shape", qn_attr_ints(m, QN_I64, rank, qn_type_shape(ctx, to)));
  return qn__replace1(r, op, qn__make1(r, op, QN_OP_RESHAPE, x, to, 1, &shape));
}

/* ---- transposes in front of matmul ---- */

/* The last two axes change places and no other: what the flags of matmul say. */
static bool swaps_matrix(const int64_t *perm, uint32_t rank) {
  if (rank < 2 || perm[rank - 1] != (int64_t)rank - 2 || perm[rank - 2] != (int64_t)rank - 1) return false;
  return is_identity(perm, rank - 2);
}

static bool absorb_transpose(qn_rewriter *r, qn_op op, uint32_t operand, const char *flag) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_op t = qn__operand_op(m, op, operand, QN_OP_TRANSPOSE);
  uint32_t rank;
  const int64_t *perm = ints_of(m, t, "perm", &rank);
  if (!t.id || !perm || !swaps_matrix(perm, rank)) return false;
  qn_value x = qn_op_operand(m, t, 0);
  qn_type elem = qn_type_elem(ctx, qn_value_type(m, x));
  /* What calibration says about the transposed value must not get lost, nor axes of scales be mixed up. */
  if (qn_type_as_scalar(ctx, elem) == QN_SCALAR_NONE ||
      !qn_type_eq(elem, qn_type_elem(ctx, qn_value_type(m, qn_op_operand(m, op, operand)))))
    return false;
  bool on = !qn_op_get_bool(m, op, flag);
  qn_op_set_attr(m, op, flag, on ? qn_attr_bool(m, true) : (qn_attr){0});
  qn_rewriter_set_operand(r, op, operand, x);
  return true;
}

qn_status qn__canon_matmul(qn_rewriter *r, qn_op op) {
  if (!absorb_transpose(r, op, 0, "transpose_a")) absorb_transpose(r, op, 1, "transpose_b");
  return QN_OK;
}

/* ---- kern.map that only copies ---- */

qn_status qn__canon_copy(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_block body = qn_op_region(m, op, 0);
  qn_op yield = qn_block_last(m, body);
  uint32_t rank;
  const int64_t *perm = ints_of(m, op, "perm", &rank);
  if (qn_op_num_results(m, op) != 1 || qn_op_kind_of(m, yield) != QN_OP_YIELD || (perm && !is_identity(perm, rank)))
    return QN_OK;
  qn_value y = qn_op_operand(m, yield, 0);
  if (qn_value_block(m, y).id != body.id) return QN_OK;
  qn_value x = qn_op_operand(m, op, qn_value_index(m, y));
  qn_type t = qn_value_type(m, x);
  if (!qn_type_eq(t, qn_value_type(m, qn_op_result(m, op, 0))) || !shape_is_fixed(qn_module_context(m), t))
    return QN_OK;
  return qn__replace1(r, op, x);
}
