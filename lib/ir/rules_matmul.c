/* Rules of matrix products. */
#include "context_impl.h"
#include "rule_util.h"

/* ---- shapes ---- */

typedef struct matrix_side {
  qn_dims dims;
  uint32_t batch;    /* leading axes */
  uint32_t outer, k; /* axes; outer is the row of a, the column of b */
  bool vector;       /* rank 1: no outer axis */
} matrix_side;

static matrix_side side_of(const qn_module *m, qn_op op, uint32_t i, bool k_last) {
  matrix_side s = {.dims = qn__dims_of(qn_module_context(m), qn__operand_type(m, op, i))};
  s.vector = s.dims.rank == 1;
  if (s.vector) return s;
  s.batch = s.dims.rank - 2;
  s.k = k_last ? s.batch + 1 : s.batch;
  s.outer = k_last ? s.batch : s.batch + 1;
  return s;
}

static void append(qn_dims *out, const matrix_side *s) {
  if (s->vector) return;
  out->size[out->rank] = s->dims.size[s->outer];
  out->symbol[out->rank++] = s->dims.symbol[s->outer];
}

static qn_status need_matrix(qn_module *m, qn_op op, uint32_t i, bool transpose) {
  qn_status status = qn__need_tensor(m, op, i);
  if (status != QN_OK) return status;
  uint32_t rank = qn_type_rank(qn_module_context(m), qn__operand_type(m, op, i));
  if (rank == 0)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "operand '%s' is %s, expected rank 1 or more", qn__operand_c(m, op, i),
                       qn__type_c(m, qn__operand_type(m, op, i)));
  if (rank == 1 && transpose)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "operand '%s' has rank 1 and cannot be transposed: drop the flag",
                       qn__operand_c(m, op, i));
  return QN_OK;
}

qn_status qn__matmul_dims(qn_module *m, qn_op op, bool transpose_a, bool transpose_b, qn_dims *out) {
  qn_status status = need_matrix(m, op, 0, transpose_a);
  if (status == QN_OK) status = need_matrix(m, op, 1, transpose_b);
  if (status != QN_OK) return status;
  const matrix_side a = side_of(m, op, 0, !transpose_a), b = side_of(m, op, 1, transpose_b);
  const qn_type ta = qn__operand_type(m, op, 0), tb = qn__operand_type(m, op, 1);
  if (!qn__size_fits(a.dims.size[a.k], b.dims.size[b.k]))
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "operands %s and %s: the summed axis has %lld elements in one and %lld in the other",
                       qn__type_c(m, ta), qn__type_c(m, tb), (long long)a.dims.size[a.k], (long long)b.dims.size[b.k]);
  *out = a.dims;
  out->rank = a.batch;
  qn_dims lead = b.dims;
  lead.rank = b.batch;
  if (!qn__dims_broadcast(out, &lead))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "operands %s and %s: the leading axes do not broadcast", qn__type_c(m, ta),
                       qn__type_c(m, tb));
  append(out, &a);
  append(out, &b);
  return QN_OK;
}

/* ---- quantized operands ---- */

static qn_status check_codes(qn_module *m, qn_op op, uint32_t i) {
  qn_context *ctx = qn_module_context(m);
  qn_type elem = qn__operand_elem(m, op, i);
  const qn_quant *q = qn_type_as_quant(ctx, elem);
  qn_scalar storage = qn_type_storage(ctx, elem);
  if (qn_type_kind_of(ctx, q->storage) == QN_TYPE_SCALAR && qn_scalar_is_int(storage) &&
      qn_scalar_get(storage)->bits <= 16)
    return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "operand '%s' has elements of type %s, expected integer storage of at most 16 bits; dequantize it "
                     "first with quant.dcast",
                     qn__operand_c(m, op, i), qn__type_c(m, elem));
}

/* The sum runs over k with one scale, so scales may differ along the other axis of b only. */
static qn_status check_granularity(qn_module *m, qn_op op, bool transpose_b) {
  qn_context *ctx = qn_module_context(m);
  const qn_quant *a = qn_type_as_quant(ctx, qn__operand_elem(m, op, 0));
  const qn_quant *b = qn_type_as_quant(ctx, qn__operand_elem(m, op, 1));
  if (a->num_blocks)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operand 'a' is quantized along axis %d, expected one scale for the "
                       "whole tensor",
                       a->blocks[0].axis);
  if (!b->num_blocks) return QN_OK;
  uint32_t rank = qn_type_rank(ctx, qn__operand_type(m, op, 1));
  int64_t column = transpose_b ? (int64_t)rank - 2 : (int64_t)rank - 1;
  if (rank >= 2 && b->num_blocks == 1 && b->blocks[0].axis == column) return QN_OK;
  if (rank < 2)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operand 'b' is a vector quantized along the summed axis, expected one scale for all of it");
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "operand 'b' is %s, expected one scale for the whole tensor or scales along its column axis %lld "
                     "only: the sum over k needs one scale",
                     qn__type_c(m, qn__operand_type(m, op, 1)), (long long)column);
}

static qn_status quantized_elem(qn_module *m, qn_op op, qn_scalar *result) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = check_codes(m, op, 0);
  if (status == QN_OK) status = check_codes(m, op, 1);
  if (status == QN_OK) status = check_granularity(m, op, qn_op_get_bool(m, op, "transpose_b"));
  qn_type a = qn__operand_elem(m, op, 0), b = qn__operand_elem(m, op, 1);
  if (status != QN_OK) return status;
  if (!qn_type_eq(qn_type_as_quant(ctx, a)->expressed, qn_type_as_quant(ctx, b)->expressed))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operands have elements of %s and %s, expressed as different floats", qn__type_c(m, a),
                       qn__type_c(m, b));
  /* Sums of 16-bit products need i64; others may ask for it, which prove-accumulators does. */
  bool wide = qn_scalar_get(qn_type_storage(ctx, a))->bits > 8 && qn_scalar_get(qn_type_storage(ctx, b))->bits > 8;
  wide |= qn_type_as_scalar(ctx, qn_type_elem(ctx, qn__declared(m, op, 0))) == QN_I64;
  *result = wide ? QN_I64 : QN_I32;
  return QN_OK;
}

/* Floats times a matrix that is dequantized on the way, to f32 whatever it is expressed as. */
static qn_status check_weight_only(qn_module *m, qn_op op, qn_scalar a) {
  qn_context *ctx = qn_module_context(m);
  qn_type b = qn__operand_elem(m, op, 1);
  qn_scalar expressed = qn_type_as_scalar(ctx, qn_type_as_quant(ctx, b)->expressed);
  if (expressed == QN_F32 || expressed == a) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "operand 'b' has elements of %s, expected such as are expressed as f32 or like those of 'a'",
                     qn__type_c(m, b));
}

static bool is_narrow(qn_scalar s) {
  return s == QN_F16 || s == QN_BF16;
}

qn_status qn__rule_matmul(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_dims dims;
  qn_status status =
      qn__matmul_dims(m, op, qn_op_get_bool(m, op, "transpose_a"), qn_op_get_bool(m, op, "transpose_b"), &dims);
  if (status != QN_OK) return status;
  qn_type a = qn__plain_elem(ctx, qn__operand_type(m, op, 0)), b = qn__plain_elem(ctx, qn__operand_type(m, op, 1));
  qn_scalar elem = qn_type_as_scalar(ctx, a);
  if (qn_type_as_quant(ctx, a) && qn_type_as_quant(ctx, b)) {
    status = quantized_elem(m, op, &elem);
  } else if ((elem == QN_F32 || is_narrow(elem)) && qn_type_as_quant(ctx, b)) {
    status = check_weight_only(m, op, elem);
  } else if (!qn_scalar_is_float(elem) || !qn_type_eq(a, b)) {
    const char *hint = qn_scalar_is_int(elem) ? "; integers are multiplied by quern.matmul_integer" : "";
    status = qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                         "operands have elements of %s and %s, expected one float type or both quantized%s",
                         qn__type_c(m, a), qn__type_c(m, b), hint);
  }
  if (is_narrow(elem) && qn_type_as_scalar(ctx, qn_type_elem(ctx, qn__declared(m, op, 0))) == QN_F32)
    elem = QN_F32; /* the sum as it is */
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, qn__scalar_type(m, elem), &dims);
  return status;
}

/* ---- integers with zero points as values ---- */

static qn_status need_integer_matrix(qn_module *m, qn_op op, uint32_t i) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, i);
  qn_scalar s = qn_type_as_scalar(ctx, qn__operand_elem(m, op, i));
  if (status != QN_OK || (qn_scalar_is_int(s) && s != QN_INDEX && s != QN_I1 && qn_scalar_get(s)->bits <= 8))
    return status;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand '%s' is %s, expected integers of at most 8 bits",
                     qn__operand_c(m, op, i), qn__type_c(m, qn__operand_type(m, op, i)));
}

/* A zero point of `of`: one element, a vector along its outer axis, or its shape with 1 on the summed axis. */
static qn_status check_zero_point(qn_module *m, qn_op op, uint32_t operand, uint32_t of) {
  if (qn_op_num_operands(m, op) <= operand) return QN_OK;
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, operand);
  if (status != QN_OK) return status;
  qn_type type = qn__operand_type(m, op, operand);
  if (!qn_type_eq(qn_type_elem(ctx, type), qn__operand_elem(m, op, of)))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand '%s' is %s, expected elements of %s like '%s'",
                       qn__operand_c(m, op, operand), qn__type_c(m, type), qn__type_c(m, qn__operand_elem(m, op, of)),
                       qn__operand_c(m, op, of));
  const matrix_side s = side_of(m, op, of, of == 0);
  const qn_dims z = qn__dims_of(ctx, type);
  if (z.rank == 0 || (z.rank == 1 && z.size[0] == 1)) return QN_OK;
  if (z.rank == 1 && !s.vector && qn__size_fits(z.size[0], s.dims.size[s.outer])) return QN_OK;
  if (z.rank >= 2 && !s.vector && z.rank == s.dims.rank && qn__size_fits(z.size[s.k], 1) &&
      qn__dims_broadcast_to(&s.dims, &z))
    return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE,
                     "operand '%s' is %s, expected one element, or one for each %s of '%s', which is %s",
                     qn__operand_c(m, op, operand), qn__type_c(m, type), of == 0 ? "row" : "column",
                     qn__operand_c(m, op, of), qn__type_c(m, qn__operand_type(m, op, of)));
}

qn_status qn__rule_matmul_integer(qn_module *m, qn_op op, qn_type *results) {
  qn_dims dims;
  qn_status status = need_integer_matrix(m, op, 0);
  if (status == QN_OK) status = need_integer_matrix(m, op, 1);
  if (status == QN_OK) status = qn__matmul_dims(m, op, false, false, &dims);
  if (status == QN_OK) status = check_zero_point(m, op, 2, 0);
  if (status == QN_OK) status = check_zero_point(m, op, 3, 1);
  if (status == QN_OK) results[0] = qn__dims_tensor(qn_module_context(m), qn__scalar_type(m, QN_I32), &dims);
  return status;
}
