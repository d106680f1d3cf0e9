/* Shapes, element types and checks that the rules share. */
#include "rule_util.h"
#include "context_impl.h"
#include "spec.h"

/* ---- dimensions ---- */

qn_dims qn__dims_of(const qn_context *ctx, qn_type tensor) {
  qn_dims d = {.rank = qn_type_rank(ctx, tensor)};
  const int64_t *shape = qn_type_shape(ctx, tensor);
  for (uint32_t i = 0; i < d.rank; i++) {
    d.size[i] = shape[i];
    if (shape[i] == QN_DYNAMIC) d.symbol[i] = qn_type_symbol(ctx, tensor, i);
  }
  return d;
}

qn_type qn__dims_tensor(qn_context *ctx, qn_type elem, const qn_dims *d) {
  return qn_type_tensor_symbols(ctx, elem, d->rank, d->size, d->symbol);
}

void qn__dim_unify(qn_dims *into, uint32_t i, const qn_dims *from, uint32_t k) {
  if (into->size[i] != QN_DYNAMIC) return;
  if (from->size[k] != QN_DYNAMIC) {
    into->size[i] = from->size[k];
    into->symbol[i] = (qn_name){0};
  } else if (!into->symbol[i].id) {
    into->symbol[i] = from->symbol[k];
  }
}

/* One dimension of a broadcast. */
static bool broadcast_dim(int64_t *size, qn_name *symbol, int64_t other, qn_name other_symbol) {
  if (other == 1) return true;
  if (*size == 1 || (*size == QN_DYNAMIC && other != QN_DYNAMIC)) {
    *size = other;
    *symbol = other_symbol;
    return true;
  }
  if (*size != QN_DYNAMIC) return qn__size_fits(*size, other);
  if (symbol->id != other_symbol.id) *symbol = (qn_name){0};
  return true;
}

bool qn__dims_broadcast(qn_dims *a, const qn_dims *b) {
  if (b->rank > a->rank) { /* leading ones, as NumPy has it */
    uint32_t shift = b->rank - a->rank;
    for (uint32_t i = b->rank; i-- > 0;) {
      a->size[i] = i >= shift ? a->size[i - shift] : 1;
      a->symbol[i] = i >= shift ? a->symbol[i - shift] : (qn_name){0};
    }
    a->rank = b->rank;
  }
  for (uint32_t i = 0; i < b->rank; i++) {
    uint32_t k = a->rank - b->rank + i;
    if (!broadcast_dim(&a->size[k], &a->symbol[k], b->size[i], b->symbol[i])) return false;
  }
  return true;
}

bool qn__dims_broadcast_to(const qn_dims *a, const qn_dims *b) {
  if (b->rank > a->rank) return false;
  for (uint32_t i = 0; i < b->rank; i++)
    if (b->size[i] != 1 && !qn__size_fits(a->size[a->rank - b->rank + i], b->size[i])) return false;
  return true;
}

/* ---- element types ---- */

qn_type qn__operand_type(const qn_module *m, qn_op op, uint32_t i) {
  return qn_value_type(m, qn_op_operand(m, op, i));
}

qn_type qn__operand_elem(const qn_module *m, qn_op op, uint32_t i) {
  return qn_type_elem(qn_module_context(m), qn__operand_type(m, op, i));
}

qn_type qn__plain_elem(const qn_context *ctx, qn_type t) {
  qn_type elem = qn_type_elem(ctx, t);
  return qn_type_kind_of(ctx, elem) == QN_TYPE_CALIBRATED ? qn_type_get_parts(ctx, elem).expressed : elem;
}

qn_scalar qn__plain_scalar(const qn_context *ctx, qn_type t) {
  return qn_type_as_scalar(ctx, qn__plain_elem(ctx, t));
}

qn_type qn__plain_type(qn_context *ctx, qn_type t) {
  qn_type elem = qn_type_elem(ctx, t), plain = qn__plain_elem(ctx, t);
  if (qn_type_eq(elem, plain)) return t;
  return qn_type_kind_of(ctx, t) == QN_TYPE_TENSOR ? qn_type_with_elem(ctx, t, plain) : plain;
}

static qn_scalar signless(qn_scalar s) {
  switch (s) {
  case QN_UI2:
  case QN_SI2: return QN_I2;
  case QN_UI4:
  case QN_SI4: return QN_I4;
  case QN_UI8:
  case QN_SI8: return QN_I8;
  case QN_UI16:
  case QN_SI16: return QN_I16;
  case QN_UI32:
  case QN_SI32: return QN_I32;
  case QN_UI64:
  case QN_SI64: return QN_I64;
  default: return s;
  }
}

qn_scalar qn__region_scalar(const qn_context *ctx, qn_type elem) {
  return signless(qn_type_memory(ctx, qn_type_elem(ctx, elem)));
}

qn_type qn__declared(const qn_module *m, qn_op op, uint32_t i) {
  return qn_value_type(m, qn_op_result(m, op, i));
}

bool qn__types_compatible(const qn_context *ctx, qn_type declared, qn_type inferred) {
  if (qn_type_eq(declared, inferred)) return true;
  qn_type_kind kind = qn_type_kind_of(ctx, declared);
  if (kind != qn_type_kind_of(ctx, inferred) || kind != QN_TYPE_TENSOR) return false;
  uint32_t rank = qn_type_rank(ctx, declared);
  if (rank != qn_type_rank(ctx, inferred)) return false;
  qn_type a = qn_type_elem(ctx, declared), b = qn_type_elem(ctx, inferred);
  if (!qn_type_eq(a, b) && !qn_type_eq(qn__plain_elem(ctx, a), qn__plain_elem(ctx, b))) return false;
  const int64_t *x = qn_type_shape(ctx, declared), *y = qn_type_shape(ctx, inferred);
  for (uint32_t i = 0; i < rank; i++)
    if (!qn__size_fits(x[i], y[i])) return false;
  return true;
}

/* ---- checks that report ---- */

const char *qn__type_c(const qn_module *m, qn_type t) {
  if (qn_type_is_null(t)) return "no type";
  qn_str text = qn_type_text(qn_module_context(m), t);
  return text.data ? text.data : "?";
}

const char *qn__operand_c(const qn_module *m, qn_op op, uint32_t i) {
  /* Interned, so that the text outlives the call; only error paths come here. */
  qn_context *ctx = qn_module_context(m);
  qn_str name = qn__spec_name(qn_op_info_get(qn_op_kind_of(m, op))->operands, i);
  return qn_name_str(ctx, qn_name_of(ctx, name)).data;
}

qn_status qn__need_tensor(qn_module *m, qn_op op, uint32_t i) {
  qn_type t = qn__operand_type(m, op, i);
  if (qn_type_kind_of(qn_module_context(m), t) == QN_TYPE_TENSOR) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "operand '%s' is %s, expected a tensor; a single element is written tensor<T>",
                     qn__operand_c(m, op, i), qn__type_c(m, t));
}

qn_status qn__need_float_tensor(qn_module *m, qn_op op, uint32_t i) {
  qn_status status = qn__need_tensor(m, op, i);
  if (status != QN_OK) return status;
  qn_context *ctx = qn_module_context(m);
  qn_type t = qn__operand_type(m, op, i);
  if (qn_scalar_is_float(qn__plain_scalar(ctx, t))) return QN_OK;
  const char *hint = qn_type_kind_of(ctx, qn_type_elem(ctx, t)) == QN_TYPE_QUANT
                         ? "dequantize it first with quant.dcast"
                         : "convert it first with quern.cast";
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand '%s' is %s, expected a tensor of floats; %s",
                     qn__operand_c(m, op, i), qn__type_c(m, t), hint);
}

qn_status qn__need_axis(qn_module *m, qn_op op, int64_t axis, uint32_t rank, uint32_t *out) {
  int64_t r = (int64_t)rank;
  if (axis < -r || axis >= r)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "axis is %lld, expected a value from %lld to %lld for an operand of rank %u", (long long)axis,
                       (long long)-r, (long long)(r - 1), rank);
  *out = (uint32_t)(axis < 0 ? axis + r : axis);
  return QN_OK;
}
