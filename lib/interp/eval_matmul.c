/* quern.matmul and quern.matmul_integer. */
#include "codec.h"
#include "scalar.h"

/* The zero point of a quantized operand as a view along batch, row and column of the product's operand. */
static qn_status quant_zero(qn__frame *f, uint32_t i, const qn__matrices *x, uint32_t batch_rank, bool swap,
                            qn__view **out) {
  const qn_quant *q = qn_type_as_quant(f->ctx, qn__in_elem(f, i));
  *out = NULL;
  if (!q)
    return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH, "operand %u of %s is not quantized but the other is", i,
                       qn_op_name(f->m, f->op).data);
  if (!q->zero_points) return QN_OK;
  int64_t n = q->num_blocks ? q->num_scales : 1;
  int64_t column = (int64_t)x->t->rank - (swap ? 2 : 1);
  bool per_column =
      i == 1 && q->num_blocks == 1 && q->blocks[0].size == 1 && q->blocks[0].axis == column && n == x->cols;
  if (q->num_blocks && !per_column)
    return qn_op_error(
        f->m, f->op, QN_DIAG_UNSUPPORTED,
        "operand %u of quern.matmul has several scales along the sum, expected one, or one per column of b", i);
  qn_tensor *t = qn__scratch(f, 1, sizeof *t);
  *out = qn__scratch(f, 1, sizeof **out);
  if (!t || !*out) return QN_ERR_NO_MEMORY;
  qn_status s = qn__scratch_tensor(f, QN_I32, 1, &n, t);
  if (s != QN_OK) return s;
  for (int64_t k = 0; k < n; k++) qn_tensor_set_i64(t, k, q->zero_points[k]);
  (*out)->t = t;
  (*out)->stride[batch_rank + 1] = n == 1 ? 0 : 1;
  return QN_OK;
}

static qn_scalar sum_type(qn_scalar result) {
  return qn_scalar_is_float(result) && result != QN_F64 ? QN_F32 : result;
}

static uint32_t larger(uint32_t a, uint32_t b) {
  return a > b ? a : b;
}

static qn_status run(qn__frame *f, qn__matrices *a, qn__matrices *b) {
  qn__shape batch, shape;
  qn_tensor *y;
  qn_status s = qn__product_shape(f, a, b, &batch, &shape);
  if (s == QN_OK) s = qn__result(f, 0, shape.rank, shape.size, &y);
  return s == QN_OK ? qn__product(f, a, b, sum_type(y->elem), y) : s;
}

/* Floats times a quantized b: b as quant.dcast has it. */
static qn_status dequantized(qn__frame *f, const qn_tensor *b, qn_tensor *out) {
  qn__codec c;
  qn__shape shape = qn__shape_of(b);
  qn_status s = qn__codec_init(f, qn__in_elem(f, 1), &shape, &c);
  if (s == QN_OK) s = qn__scratch_tensor(f, QN_F32, b->rank, b->shape, out);
  int64_t index[QN_MAX_RANK] = {0};
  for (int64_t i = 0, n = s == QN_OK ? qn_tensor_count(b) : 0; i < n; i++, qn__next_index(index, b->shape, b->rank))
    qn__store_f32(QN_F32, out->data, (size_t)i,
                  qn__codec_decode(&c, qn__codec_index(&c, index), qn__load_bits(b->elem, b->data, (size_t)i)));
  return s;
}

static qn_status eval_matmul(qn__frame *f, qn_op op) {
  qn_tensor plain;
  const qn_tensor *right = f->in[1];
  if (qn_scalar_is_float(f->in[0]->elem) && qn_type_as_quant(f->ctx, qn__in_elem(f, 1))) {
    qn_status s = dequantized(f, right, &plain);
    if (s != QN_OK) return s;
    right = &plain;
  }
  bool ta = qn_op_get_bool(f->m, op, "transpose_a"), tb = qn_op_get_bool(f->m, op, "transpose_b");
  qn__matrices a = qn__matrices_of(f->in[0], false, ta), b = qn__matrices_of(right, true, tb);
  if (qn_scalar_is_int(f->in[0]->elem)) {
    uint32_t batch = larger(a.batch.rank, b.batch.rank);
    qn__view *za, *zb;
    qn_status s = quant_zero(f, 0, &a, batch, ta, &za);
    if (s == QN_OK) s = quant_zero(f, 1, &b, batch, tb, &zb);
    if (s != QN_OK) return s;
    a.zero = za;
    b.zero = zb;
  }
  return run(f, &a, &b);
}
const qn__evaluator qn__eval_MATMUL = {.eval = eval_matmul};

/* A zero point given as a value: one element, one per row of a or column of b, or the operand's rank with 1 on the
 * summed axis. */
static qn_status value_zero(qn__frame *f, uint32_t i, const qn__matrices *x, uint32_t batch_rank, qn__view *out) {
  const qn_tensor *z = f->in[i];
  bool is_rhs = i == 3;
  uint32_t outer = batch_rank + (is_rhs ? 1 : 0);
  int64_t size = is_rhs ? x->cols : x->rows;
  *out = (qn__view){.t = z};
  if (qn_tensor_count(z) == 1) return QN_OK;
  if (z->rank == 1 && z->shape[0] == size && !x->vector) {
    out->stride[outer] = 1;
    return QN_OK;
  }
  bool fits = z->rank == x->t->rank && z->rank >= 2 && z->shape[z->rank - (is_rhs ? 2 : 1)] == 1;
  for (uint32_t d = 0; fits && d < z->rank; d++) fits = z->shape[d] == 1 || z->shape[d] == x->t->shape[d];
  if (fits) {
    qn__shape space = {.rank = batch_rank + 2};
    *out = qn__view_of(z, &space);
    return QN_OK;
  }
  char a[QN__SHAPE_TEXT], b[QN__SHAPE_TEXT];
  return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "zero point %s does not fit %s: expected one element, or one per %s",
                     qn__tensor_text(z, a), qn__tensor_text(x->t, b), is_rhs ? "column" : "row");
}

static qn_status eval_matmul_integer(qn__frame *f, qn_op op) {
  (void)op;
  qn__matrices a = qn__matrices_of(f->in[0], false, false), b = qn__matrices_of(f->in[1], true, false);
  uint32_t batch = larger(a.batch.rank, b.batch.rank);
  qn__view za, zb;
  qn_status s = f->num_in > 2 ? value_zero(f, 2, &a, batch, &za) : QN_OK;
  if (s == QN_OK && f->num_in > 3) s = value_zero(f, 3, &b, batch, &zb);
  if (s != QN_OK) return s;
  if (f->num_in > 2) a.zero = &za;
  if (f->num_in > 3) b.zero = &zb;
  return run(f, &a, &b);
}
const qn__evaluator qn__eval_MATMUL_INTEGER = {.eval = eval_matmul_integer};
