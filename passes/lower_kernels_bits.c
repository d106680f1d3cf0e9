/* lower-kernels: elements that share bytes.
 *
 * A kernel addresses bytes, so a run of such elements has to start at one. Whatever does not walk them from the first
 * to the last sees them as bytes, between maps that do nothing else:
 *
 *   %y = kern.map %x, %s {..} : (tensor<4x5xi32>, tensor<5xf32>) -> tensor<4x5xui4>
 *   ->
 *   %t = kern.map %x, %s {.. arith.extui ..} : (tensor<4x5xi32>, tensor<5xf32>) -> tensor<4x5xi8>
 *   %y = kern.map %t {arith.trunci} : (tensor<4x5xi8>) -> tensor<4x5xui4> */
#include "lower_kernels.h"

bool qn__shares_bytes(lowering *l, qn_value v) {
  qn_type t = qn_value_type(l->m, v);
  return qn_scalar_get(qn_type_memory(l->ctx, qn_type_elem(l->ctx, t)))->storage_bits < 8;
}

static qn_type as_bytes(lowering *l, qn_type t) {
  return qn_type_with_elem(l->ctx, t, qn__scalar_t(l, QN_I8));
}

/* ---- elements ---- */

/* An element as the low bits of an i8. f4E2M1FN is the float below 8 bits. */
static qn_value to_byte(lowering *l, qn_builder *b, qn_value v) {
  if (qn__is_float(l, qn_value_type(l->m, v))) v = qn__convert(b, QN_OP_BITCAST, v, qn__scalar_t(l, QN_I4));
  return qn__convert(b, QN_OP_EXTUI, v, qn__scalar_t(l, QN_I8));
}

static qn_value from_byte(lowering *l, qn_builder *b, qn_value v, qn_type elem) {
  if (!qn__is_float(l, elem)) return qn__convert(b, QN_OP_TRUNCI, v, elem);
  v = qn__convert(b, QN_OP_TRUNCI, v, qn__scalar_t(l, QN_I4));
  return qn__convert(b, QN_OP_BITCAST, v, elem);
}

/* ---- tensors ---- */

static qn_value bytes_of(lowering *l, qn_builder *b, qn_value x) {
  qn_builder body;
  qn_type t = as_bytes(l, qn_value_type(l->m, x));
  qn_op op = qn__make_loop(b, QN_OP_MAP, 1, &x, 1, &t, &body);
  qn_value v = to_byte(l, &body, qn_block_arg(l->m, body.block, 0));
  qn__yield(&body, 1, &v);
  return qn_op_result(l->m, op, 0);
}

static qn_op make_bits(lowering *l, qn_builder *b, qn_value x, qn_type to) {
  qn_builder body;
  qn_op op = qn__make_loop(b, QN_OP_MAP, 1, &x, 1, &to, &body);
  qn_value v = from_byte(l, &body, qn_block_arg(l->m, body.block, 0), qn__body_type(l, to));
  qn__yield(&body, 1, &v);
  return op;
}

qn_value qn__transpose_bits(lowering *l, qn_builder *b, qn_value x, const int64_t *perm) {
  qn_value y = qn__make_transpose(l, b, bytes_of(l, b, x), perm);
  qn_type t = qn_type_with_elem(l->ctx, qn_value_type(l->m, y), qn_type_elem(l->ctx, qn_value_type(l->m, x)));
  return qn_op_result(l->m, make_bits(l, b, y, t), 0);
}

/* ---- kernels ---- */

/* The region's argument is a byte now; what used it uses its low bits. */
static void narrow_arg(lowering *l, qn_op op, uint32_t i) {
  qn_module *m = l->m;
  qn_block block = qn_op_region(m, op, 0);
  qn_value arg = qn_block_arg(m, block, i);
  qn_type elem = qn_value_type(m, arg);
  qn_builder b = qn_builder_before(m, qn_block_first(m, block));
  qn_value_set_type(m, arg, qn__scalar_t(l, QN_I8));
  qn_op first = qn_block_first(m, block);
  qn_value v = from_byte(l, &b, arg, elem);
  qn_op trunc = qn_block_first(m, block);
  if (!v.id || trunc.id == first.id) return;
  qn_value_replace(m, arg, v);
  qn_op_set_operand(m, trunc, 0, arg);
}

static void widen_operand(lowering *l, qn_op op, uint32_t i) {
  qn_builder b = qn_builder_before(l->m, op);
  qn_op_set_operand(l->m, op, i, bytes_of(l, &b, qn_op_operand(l->m, op, i)));
  narrow_arg(l, op, i);
}

static void widen_result(lowering *l, qn_op op, uint32_t i) {
  qn_module *m = l->m;
  qn_value r = qn_op_result(m, op, i);
  qn_type t = qn_value_type(m, r);
  qn_op yield = qn_block_last(m, qn_op_region(m, op, 0));
  qn_builder b = qn_builder_before(m, yield);
  qn_op_set_operand(m, yield, i, to_byte(l, &b, qn_op_operand(m, yield, i)));
  qn_value_set_type(m, r, as_bytes(l, t));
  b = qn_builder_after(m, op);
  b.loc = qn_op_loc(m, op);
  qn_op back = make_bits(l, &b, r, t);
  qn_value y = qn_op_result(m, back, 0);
  if (!y.id) return;
  qn_name name = qn_value_name(m, r);
  if (name.id) {
    qn_value_set_name(m, r, (qn_name){0});
    qn_value_set_name(m, y, name);
  }
  qn_value_replace(m, r, y);
  qn_op_set_operand(m, back, 0, r);
}

/* Runs along the last axis start at bytes for certain: their length, which is that of the loop, is known. */
static bool whole_runs(lowering *l, qn_value v, int64_t length) {
  qn_type t = qn_value_type(l->m, v);
  uint32_t rank = qn_type_rank(l->ctx, t);
  int64_t per_byte = 8 / qn_scalar_get(qn_type_memory(l->ctx, qn_type_elem(l->ctx, t)))->storage_bits;
  return rank && length > 0 && qn_type_shape(l->ctx, t)[rank - 1] == length && length % per_byte == 0;
}

/* Every tensor of the map is walked from its first element to its last, or has one. */
static bool is_flat(lowering *l, qn_op map) {
  qn_type y = qn_value_type(l->m, qn_op_result(l->m, map, 0));
  for (uint32_t i = 0; i < qn_op_num_operands(l->m, map); i++) {
    qn_type t = qn_value_type(l->m, qn_op_operand(l->m, map, i));
    if (qn_type_count(l->ctx, t) != 1 && !qn__same_shape(l, t, y)) return false;
  }
  return true;
}

static int64_t last_size(lowering *l, qn_value v) {
  qn_type t = qn_value_type(l->m, v);
  uint32_t rank = qn_type_rank(l->ctx, t);
  return rank ? qn_type_shape(l->ctx, t)[rank - 1] : 1;
}

static void look_at(lowering *l, qn_op op) {
  qn_module *m = l->m;
  int64_t length = 1;
  uint32_t n = qn_op_num_operands(m, op), results = qn_op_num_results(m, op);
  for (uint32_t i = 0; i < n + results; i++) {
    int64_t size = last_size(l, i < n ? qn_op_operand(m, op, i) : qn_op_result(m, op, i - n));
    if (size != 1) length = length == 1 || length == size ? size : 0;
  }
  for (uint32_t i = 0; i < n; i++) {
    qn_value v = qn_op_operand(m, op, i);
    bool one = qn_type_count(l->ctx, qn_value_type(m, v)) == 1;
    if (qn__shares_bytes(l, v) && !one && !whole_runs(l, v, length)) widen_operand(l, op, i);
  }
  for (uint32_t i = 0; i < results; i++) {
    qn_value v = qn_op_result(m, op, i);
    if (qn__shares_bytes(l, v) && !whole_runs(l, v, length)) widen_result(l, op, i);
  }
}

qn_status qn__separate_bits(lowering *l, qn_op func) {
  qn_module *m = l->m;
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)), next; op.id; op = next) {
    next = qn_op_next(m, op);
    qn_op_kind kind = qn_op_kind_of(m, op);
    if (kind == QN_OP_MAP ? !qn_op_attr(m, op, "perm").id && !is_flat(l, op) : kind == QN_OP_ROW) look_at(l, op);
  }
  return qn_module_failed(m) ? qn_error_no_memory(l->ctx) : QN_OK;
}
