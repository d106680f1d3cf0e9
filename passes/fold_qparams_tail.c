/* fold-qparams: what follows a product of codes. From the float product's value, every branch
 *
 *   [add of a constant bias]  [relu, clip ..]  quant.qcast
 *
 * becomes an integer bias and a requantization whose range of codes is as narrow as relu and clip make it. */
#include "fold_qparams.h"
#include <math.h>

/* What was passed on the way from the product. */
typedef struct branch {
  qn_op bias;       /* the quern.add; null for none */
  uint32_t operand; /* its constant operand */
  double low, high; /* of relu and clip */
} branch;

/* ---- bias ---- */

/* A constant as numbers: floats as they are, or the codes and parameters that a quant.dcast turns into them. */
typedef struct bias_values {
  qn_tensor t;
  const qn_quant *q; /* of codes */
} bias_values;

static bool read_bias(qn_module *m, qn_value v, bias_values *out) {
  qn_op op = qn_value_op(m, v);
  *out = (bias_values){.q = NULL};
  if (qn_op_kind_of(m, op) != QN_OP_DCAST) return qn_value_constant_tensor(m, v, &out->t);
  v = qn_op_operand(m, op, 0);
  out->q = qn__quant_of(m, v);
  bool last = qn__is_along(out->q, (int64_t)qn_type_rank(qn_module_context(m), qn_value_type(m, v)) - 1);
  return (qn__is_whole(out->q) || last) && qn_scalar_is_int(qn_type_as_scalar(qn_module_context(m), out->q->storage)) &&
         qn_value_constant_tensor(m, v, &out->t);
}

/* Element i, which is added to column j. Codes whose scale is the product's already are taken as they are. */
static bool bias_code(const bias_values *v, const product *p, int64_t i, uint32_t j, double *value, int32_t *out) {
  float sa = qn__scale(p->a, 0), sb = qn__scale(p->b, j);
  if (!v->q) {
    *value = qn_tensor_get_f64(&v->t, i);
    return qn_quantize_bias(*value, sa, sb, out);
  }
  uint32_t at = v->q->num_scales > 1 ? (uint32_t)(i % v->q->num_scales) : 0;
  int64_t code = qn_tensor_get_i64(&v->t, i) - qn__zero(v->q, at);
  double s = (double)qn__scale(v->q, at);
  *value = (double)code * s;
  if (s == (double)(float)((double)sa * (double)sb) && code >= INT32_MIN && code <= INT32_MAX) {
    *out = (int32_t)code;
    return true;
  }
  return qn_quantize_bias(*value, sa, sb, out);
}

static qn_status bias_overflow(const qn_module *m, qn_op op, const product *p, int64_t i, uint32_t j, double value) {
  return qn_op_error(m, op, QN_DIAG_OVERFLOW,
                     "bias element %lld is %g, which does not fit i32 in steps of %g (the scales %g and %g of the "
                     "product's operands); leave this product in float, or calibrate its input over a wider range",
                     (long long)i, value, (double)qn__scale(p->a, 0) * (double)qn__scale(p->b, j),
                     (double)qn__scale(p->a, 0), (double)qn__scale(p->b, j));
}

/* The integer constant; with a scale per column it has all columns. */
static qn_status integer_bias(qn_rewriter *r, qn_builder *b, const product *p, qn_op add, const bias_values *v,
                              qn_value *out) {
  qn_module *m = qn_rewriter_module(r);
  uint32_t rank = v->t.rank, n = qn__product_scales(p);
  int64_t shape[QN_MAX_RANK], count = qn_tensor_count(&v->t);
  for (uint32_t d = 0; d < rank; d++) shape[d] = v->t.shape[d];
  if (n > 1 && !rank) shape[rank++] = 1;
  bool spread = n > 1 && shape[rank - 1] == 1;
  if (spread) shape[rank - 1] = n, count *= n;
  int32_t *codes = qn_run_alloc(qn_rewriter_run(r), (size_t)count * sizeof *codes + 1);
  if (!codes) return QN_ERR_NO_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    uint32_t j = (uint32_t)(i % n);
    int64_t from = spread ? i / n : i;
    double value = 0;
    if (!bias_code(v, p, from, j, &value, &codes[i])) return bias_overflow(m, add, p, from, j, value);
  }
  *out = qn__fold_ints(b, p->acc_elem, rank, shape, codes);
  return QN_OK;
}

/* ---- requantizing ---- */

/* The cast's type with the codes that the branch leaves in use; null when there is no such type. */
static qn_type narrowed(const qn_module *m, qn_op cast, const branch *br) {
  qn_context *ctx = qn_module_context(m);
  qn_type type = qn_value_type(m, qn_op_result(m, cast, 0));
  const qn_quant *q = qn_type_as_quant(ctx, qn_type_elem(ctx, type));
  qn_quant to = *q;
  for (uint32_t i = 0; i < q->num_scales; i++) {
    qn_qparams p = {qn__scale(q, i), qn__zero(q, i), (int32_t)q->qmin, (int32_t)q->qmax};
    int32_t low = qn_quantize_f32((float)br->low, p, QN_ROUND_HALF_EVEN);
    int32_t high = qn_quantize_f32((float)br->high, p, QN_ROUND_HALF_EVEN);
    /* A zero point outside, or a range of one code, has no type; neither have ranges that differ. */
    if (p.zero_point < low || p.zero_point > high || low >= high) return (qn_type){0};
    if (i && (low != to.qmin || high != to.qmax)) return (qn_type){0};
    to.qmin = low, to.qmax = high;
  }
  if (to.qmin == q->qmin && to.qmax == q->qmax) return type;
  return qn_type_with_elem(ctx, type, qn_type_quant(ctx, &to, qn_op_place(m, cast)));
}

/* sa*sb[j]/sy[j], as many as differ; null when one is not finite. */
static qn_status multipliers(qn_rewriter *r, qn_builder *b, const product *p, const qn_quant *y, qn_value *out) {
  uint32_t n = y->num_scales > 1 ? y->num_scales : qn__product_scales(p);
  int64_t shape = n;
  float *values = qn_run_alloc(qn_rewriter_run(r), n * sizeof *values);
  *out = (qn_value){0};
  if (!values) return QN_ERR_NO_MEMORY;
  for (uint32_t j = 0; j < n; j++) {
    values[j] = qn_requant_multiplier(qn__scale(p->a, 0), qn__scale(p->b, j), qn__scale(y, j));
    if (!(values[j] - values[j] == 0)) return QN_OK;
  }
  *out = qn__fold_f32(b, n > 1 || p->per_column ? 1 : 0, &shape, values);
  return QN_OK;
}

/* One zero point, one scale or one per column; wide sums have no fixed-point form. */
static bool can_requantize(qn_rewriter *r, const product *p, qn_op cast) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_type type = qn_value_type(m, qn_op_result(m, cast, 0));
  const qn_quant *y = qn_type_as_quant(ctx, qn_type_elem(ctx, type));
  bool columns =
      p->columns >= 0 && qn__is_along(y, (int64_t)qn_type_rank(ctx, type) - 1) && (int64_t)y->num_scales == p->columns;
  bool f32 = qn_str_eq(qn_run_string(qn_rewriter_run(r), "requantize"), qn_str_of("f32"));
  return qn__has_codes(ctx, y) && (qn__is_whole(y) || columns) && !(y->zero_points && y->num_scales > 1) &&
         (f32 || p->acc_elem == QN_I32);
}

static qn_status requantize(qn_rewriter *r, const product *p, const branch *br, qn_op cast, bool *done) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_type type = qn_value_type(m, qn_op_result(m, cast, 0));
  qn_value multiplier, acc = p->acc, bias;
  bias_values values;
  qn_type to = can_requantize(r, p, cast) ? narrowed(m, cast, br) : (qn_type){0};
  *done = false;
  if (qn_type_is_null(to)) return QN_OK;
  if (br->bias.id && !read_bias(m, qn_op_operand(m, br->bias, br->operand), &values)) return QN_OK;
  qn_builder b = qn_builder_before(m, cast);
  qn_status status = multipliers(r, &b, p, qn_type_as_quant(ctx, qn_type_elem(ctx, to)), &multiplier);
  if (status || !multiplier.id) return status;
  if (br->bias.id) {
    b.loc = qn_op_loc(m, br->bias);
    status = integer_bias(r, &b, p, br->bias, &values, &bias);
    if (status) return status;
    qn_value_set_name(m, bias, qn_value_name(m, qn_op_operand(m, br->bias, br->operand)));
    acc = qn__fold_op2(&b, QN_OP_ADD, acc, bias, qn_value_type(m, acc));
  }
  b.loc = qn_op_loc(m, cast);
  qn_value q = qn__fold_requantize(r, &b, acc, multiplier, to);
  if (!qn_type_eq(to, type)) { /* the same bits under the type that users know */
    qn_scalar memory = qn_type_memory(ctx, qn_type_elem(ctx, type));
    q = qn__fold_op1(&b, QN_OP_SCAST, q, qn__as_scalars(m, type, memory));
    q = qn__fold_op1(&b, QN_OP_SCAST, q, type);
  }
  *done = true;
  return qn__fold_replace(r, cast, q);
}

/* ---- branches ---- */

static double clamped(double v, double low, double high) {
  return v < low ? low : v > high ? high : v;
}

/* The op as one more step of the branch; false when it is none. */
static bool step(qn_module *m, qn_op op, uint32_t operand, branch *br) {
  qn_op_kind kind = qn_op_kind_of(m, op);
  bias_values values;
  qn_value other;
  switch (kind) {
  case QN_OP_ADD:
    other = qn_op_operand(m, op, 1 - operand);
    if (br->bias.id || br->low > -HUGE_VAL || br->high < HUGE_VAL || !read_bias(m, other, &values)) return false;
    if (!qn_type_eq(qn_value_type(m, qn_op_operand(m, op, operand)), qn_value_type(m, qn_op_result(m, op, 0))))
      return false; /* it spreads the product */
    br->bias = op;
    br->operand = 1 - operand;
    return true;
  case QN_OP_RELU:
  case QN_OP_CLIP: {
    double low = kind == QN_OP_RELU ? 0 : qn_op_get_float(m, op, "min");
    double high = kind == QN_OP_RELU ? HUGE_VAL : qn_op_get_float(m, op, "max");
    br->low = clamped(br->low, low, high);
    br->high = clamped(br->high, low, high);
    return true;
  }
  default: return false;
  }
}

enum { MAX_STEPS = 8 };

static qn_status follow(qn_rewriter *r, const product *p, qn_value v, const branch *so_far, uint32_t depth) {
  qn_module *m = qn_rewriter_module(r);
  uint32_t n = 0, at = 0;
  for (qn_use u = qn_value_first_use(m, v); u.id; u = qn_use_next(m, u)) n++;
  qn_op *users = qn_run_alloc(qn_rewriter_run(r), (n + 1) * sizeof *users);
  uint32_t *operands = qn_run_alloc(qn_rewriter_run(r), (n + 1) * sizeof *operands);
  if (!users || !operands) return QN_ERR_NO_MEMORY;
  for (qn_use u = qn_value_first_use(m, v); u.id; u = qn_use_next(m, u), at++)
    users[at] = qn_use_op(m, u), operands[at] = qn_use_index(m, u);
  for (at = 0; at < n; at++) {
    branch br = *so_far;
    qn_status status = QN_OK;
    bool done;
    if (qn_op_is_erased(m, users[at])) continue;
    if (qn_op_kind_of(m, users[at]) == QN_OP_QCAST) {
      status = requantize(r, p, &br, users[at], &done);
    } else if (depth < MAX_STEPS && step(m, users[at], operands[at], &br)) {
      status = follow(r, p, qn_op_result(m, users[at], 0), &br, depth + 1);
      qn__fold_erase_dead(m, users[at]);
    }
    if (status) return status;
  }
  return QN_OK;
}

qn_status qn__fold_tails(qn_rewriter *r, const product *p, qn_value y) {
  const branch none = {.low = -HUGE_VAL, .high = HUGE_VAL};
  return follow(r, p, y, &none, 0);
}
