/* lower-kernels: ops that reduce along an axis become kern.row, with the reduced axis last. */
#include "lower_kernels.h"
#include <float.h>
#include <quern/num.h>

static qn_value arg(qn_builder *b, uint32_t i) {
  return qn_block_arg(b->module, b->block, i);
}

/* ---- softmax ---- */

static qn_value softmax_rows(lowering *l, qn_builder *b, qn_value x) {
  qn_type t = qn_value_type(l->m, x), elem = qn__body_type(l, t);
  qn_builder body;
  qn_op op = qn__make_loop(b, QN_OP_ROW, 1, &x, 1, &t, &body);
  bool wide = qn__bits(l, t) > 32;
  qn_value v = wide ? arg(&body, 0) : qn__to_f32(l, &body, arg(&body, 0));
  qn_value d = qn__s2(&body, QN_OP_SUBF, v, qn__s1(&body, QN_OP_ALL_MAX, v));
  qn_value e = qn__s1(&body, QN_OP_MATH_EXP, d);
  qn_value y = qn__s2(&body, QN_OP_DIVF, e, qn__s1(&body, QN_OP_ALL_SUM, e));
  if (!wide) y = qn__from_f32(l, &body, y, elem);
  qn__yield(&body, 1, &y);
  return qn_op_result(l->m, op, 0);
}

qn_status qn__lower_softmax(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  qn_value x = qn_op_operand(l->m, op, 0);
  qn_type t = qn_value_type(l->m, x);
  int64_t rank = qn_type_rank(l->ctx, t), axis = qn_op_get_int(l->m, op, "axis"), perm[QN_MAX_RANK];
  if (axis < 0) axis += rank;
  if (rank == 0) { /* one element: a row of one */
    int64_t one = 1;
    qn_value v = qn__make_view(&b, x, qn_type_tensor(l->ctx, qn_type_elem(l->ctx, t), 1, &one), (qn_attr){0});
    v = qn__make_view(&b, softmax_rows(l, &b, v), t, (qn_attr){0});
    return qn__lower_done(l, op, &v);
  }
  for (int64_t d = 0; d < rank; d++) perm[d] = d;
  perm[axis] = rank - 1, perm[rank - 1] = axis; /* a swap is its own inverse */
  if (axis != rank - 1) x = qn__make_transpose(l, &b, x, perm);
  qn_value y = softmax_rows(l, &b, x);
  if (axis != rank - 1) y = qn__make_transpose(l, &b, y, perm);
  return qn__lower_done(l, op, &y);
}

/* ---- dynamic quantization ----
 * With a range per row one row kernel finds the parameters and quantizes: two passes over a row that stays near. With
 * one range for the tensor the row kernel finds the parameters only (from the ranges of parts, where the tensor is
 * large), and quantizing is a kern.map of its own, so that it can become the prologue of the product that reads the
 * codes. */

typedef struct dynamic {
  bool symmetric;
  int64_t qmin, qmax, z_symmetric;
  qn_type storage;
} dynamic;

static dynamic request(lowering *l, qn_op op) {
  dynamic d = {.symmetric = qn_str_eq(qn_op_get_string(l->m, op, "scheme"), qn_str_of("symmetric")),
               .storage = qn_attr_as_type(l->m, qn_op_attr(l->m, op, "storage"))};
  qn_scalar s = qn_type_as_scalar(l->ctx, d.storage);
  d.qmin = qn_scalar_min(s), d.qmax = qn_scalar_max(s);
  if (d.symmetric && qn_scalar_get(s)->cls == QN_UNSIGNED) d.z_symmetric = (d.qmax + 1) / 2;
  if (d.symmetric && qn_str_eq(qn_op_get_string(l->m, op, "range"), qn_str_of("narrow")))
    d.qmin = 2 * d.z_symmetric - d.qmax;
  return d;
}

static qn_value larger(qn_builder *b, qn_value x, qn_value y) {
  return qn__select(b, qn__cmp(b, QN_OP_CMPF, CMPF_OGT, x, y), x, y);
}
static qn_value smaller(qn_builder *b, qn_value x, qn_value y) {
  return qn__select(b, qn__cmp(b, QN_OP_CMPF, CMPF_OLT, x, y), x, y);
}

/* The element in f32. NaN counts as 0, which every range contains, and is quantized as 0. */
static qn_value number(lowering *l, qn_builder *b) {
  qn_value x = qn__to_f32(l, b, arg(b, 0));
  return qn__select(b, qn__cmp(b, QN_OP_CMPF, CMPF_UNO, x, x), qn__f(b, qn__scalar_t(l, QN_F32), 0), x);
}

/* qn_qparams_choose with `dynamic`, step by step. */
static void parameters(lowering *l, qn_builder *b, const dynamic *d, qn_value most, qn_value least, qn_value *scale,
                       qn_value *zero) {
  qn_type f32 = qn__scalar_t(l, QN_F32), i32 = qn__scalar_t(l, QN_I32);
  qn_value nought = qn__f(b, f32, 0), limit = qn__f(b, f32, (double)(FLT_MAX / 2)),
           floor = qn__f(b, f32, (double)FLT_MIN);
  qn_value hi = larger(b, most, nought), lo = smaller(b, least, nought);
  hi = smaller(b, hi, limit);
  lo = larger(b, lo, qn__f(b, f32, -(double)(FLT_MAX / 2)));
  qn_value span, s, empty;
  if (d->symmetric) {
    qn_value below = qn__s1(b, QN_OP_MATH_ABSF, lo);
    span = larger(b, below, hi);
    s = qn__s2(b, QN_OP_DIVF, span, qn__f(b, f32, (double)(d->qmax - d->z_symmetric)));
  } else {
    span = qn__s2(b, QN_OP_SUBF, hi, lo);
    s = qn__s2(b, QN_OP_DIVF, span, qn__f(b, f32, (double)(d->qmax - d->qmin)));
  }
  empty = qn__cmp(b, QN_OP_CMPF, CMPF_OEQ, span, nought);
  s = qn__select(b, empty, qn__f(b, f32, 1), larger(b, s, floor));
  *scale = s;
  if (d->symmetric) {
    *zero = qn__i(b, i32, d->z_symmetric);
    return;
  }
  qn_value t = qn__s2(b, QN_OP_SUBF, qn__f(b, f32, (double)d->qmin), qn__s2(b, QN_OP_DIVF, lo, s));
  t = larger(b, t, qn__f(b, f32, (double)d->qmin));
  t = smaller(b, t, qn__f(b, f32, (double)d->qmax));
  qn_value z = qn__convert(b, QN_OP_FPTOSI, qn__s1(b, QN_OP_MATH_ROUNDEVEN, t), i32);
  int64_t at_empty = d->qmin > 0 ? d->qmin : d->qmax < 0 ? d->qmax : 0;
  *zero = qn__select(b, empty, qn__i(b, i32, at_empty), z);
}

/* From the ranges of parts, or from the elements, which are their own. */
static void parameters_of(lowering *l, qn_builder *b, const dynamic *d, qn_value most, qn_value least, qn_value *scale,
                          qn_value *zero) {
  most = qn__s1(b, QN_OP_ALL_MAX, most);
  least = qn__s1(b, QN_OP_ALL_MIN, least);
  parameters(l, b, d, most, least, scale, zero);
}

/* The tensor as a single row. */
static qn_value flattened(lowering *l, qn_builder *b, qn_value x) {
  qn_type t = qn_value_type(l->m, x);
  int64_t n = qn_type_count(l->ctx, t), rest = -1;
  n = n < 0 ? QN_DYNAMIC : n;
  return qn__make_view(b, x, qn_type_tensor(l->ctx, qn_type_elem(l->ctx, t), 1, &n),
                       qn_attr_ints(l->m, QN_I64, 1, &rest));
}

/* Into how many rows a large tensor is cut, so that threads can share the search for its range: the order in which the
 * largest and the smallest are found does not matter. 1 where it is small, of sizes not known yet, or does not divide.
 */
static int64_t rows_to_share(lowering *l, qn_value x) {
  enum { LARGE = 1 << 18, MOST = 32, FEWEST = 4 };
  int64_t n = qn_type_count(l->ctx, qn_value_type(l->m, x)), rows = MOST;
  if (n < LARGE) return 1;
  while (n % rows != 0) rows--;
  return rows < FEWEST ? 1 : rows;
}

/* The largest and the smallest of each of so many rows. */
static void row_ranges(lowering *l, qn_builder *b, qn_value x, int64_t rows, qn_value found[2]) {
  qn_type t = qn_value_type(l->m, x), elem = qn_type_elem(l->ctx, t), f32 = qn__scalar_t(l, QN_F32);
  int64_t cut[2] = {rows, qn_type_count(l->ctx, t) / rows}, each[2] = {rows, 1};
  qn_value in = qn__make_view(b, x, qn_type_tensor(l->ctx, elem, 2, cut), qn_attr_ints(l->m, QN_I64, 2, cut));
  qn_type types[2] = {qn_type_tensor(l->ctx, f32, 2, each), qn_type_tensor(l->ctx, f32, 2, each)};
  qn_builder body;
  qn_op row = qn__make_loop(b, QN_OP_ROW, 1, &in, 2, types, &body);
  qn_value v = number(l, &body), ends[2];
  ends[0] = qn__s1(&body, QN_OP_ALL_MAX, v);
  ends[1] = qn__s1(&body, QN_OP_ALL_MIN, v);
  qn__yield(&body, 2, ends);
  for (uint32_t i = 0; i < 2; i++) found[i] = flattened(l, b, qn_op_result(l->m, row, i));
}

static qn_value code_of(lowering *l, qn_builder *b, const dynamic *d, qn_value x, qn_value scale, qn_value zero,
                        qn_type codes) {
  quantize_body q = {.x = x,
                     .scale = scale,
                     .zero_point = zero,
                     .const_zero = d->symmetric,
                     .z = d->z_symmetric,
                     .qmin = d->qmin,
                     .qmax = d->qmax,
                     .code = qn__body_type(l, codes)};
  return qn__quantize(l, b, &q);
}

static qn_status per_row(lowering *l, qn_op op, const dynamic *d, const qn_type want[3]) {
  qn_builder b = qn_builder_before(l->m, op), body;
  qn_value x = qn_op_operand(l->m, op, 0), found[3], results[3];
  qn_op row = qn__make_loop(&b, QN_OP_ROW, 1, &x, 3, want, &body);
  qn_value v = number(l, &body);
  parameters_of(l, &body, d, v, v, &found[1], &found[2]);
  found[0] = code_of(l, &body, d, v, found[1], found[2], want[0]);
  found[2] = qn__convert(&body, QN_OP_TRUNCI, found[2], qn__body_type(l, want[2]));
  qn__yield(&body, 3, found);
  for (uint32_t i = 0; i < 3; i++) results[i] = qn_op_result(l->m, row, i);
  return qn__lower_done(l, op, results);
}

static qn_status per_tensor(lowering *l, qn_op op, const dynamic *d, const qn_type want[3]) {
  qn_builder b = qn_builder_before(l->m, op), body;
  qn_value x = qn_op_operand(l->m, op, 0), results[3], found[2], ends[2];
  int64_t one = 1, rows = rows_to_share(l, x);
  if (rows > 1)
    row_ranges(l, &b, x, rows, ends);
  else
    ends[0] = flattened(l, &b, x);
  qn_type params[2];
  for (int i = 0; i < 2; i++) params[i] = qn_type_tensor(l->ctx, qn_type_elem(l->ctx, want[i + 1]), 1, &one);
  qn_op row = qn__make_loop(&b, QN_OP_ROW, rows > 1 ? 2 : 1, ends, 2, params, &body);
  qn_value most = rows > 1 ? arg(&body, 0) : number(l, &body), least = rows > 1 ? arg(&body, 1) : most;
  parameters_of(l, &body, d, most, least, &found[0], &found[1]);
  found[1] = qn__convert(&body, QN_OP_TRUNCI, found[1], qn__body_type(l, want[2]));
  qn__yield(&body, 2, found);
  for (uint32_t i = 0; i < 2; i++)
    results[i + 1] = qn__make_view(&b, qn_op_result(l->m, row, i), want[i + 1], (qn_attr){0});
  qn_value inputs[3] = {x, results[1], results[2]};
  qn_op map = qn__make_loop(&b, QN_OP_MAP, 3, inputs, 1, want, &body);
  qn_value z = qn__widen(l, &body, arg(&body, 2), qn__is_unsigned(l, want[2]), qn__scalar_t(l, QN_I32));
  qn_value code = code_of(l, &body, d, qn__to_f32(l, &body, arg(&body, 0)), arg(&body, 1), z, want[0]);
  qn__yield(&body, 1, &code);
  results[0] = qn_op_result(l->m, map, 0);
  return qn__lower_done(l, op, results);
}

qn_status qn__lower_dynamic_quantize(lowering *l, qn_op op) {
  if (qn_op_get_int(l->m, op, "block") > 0) return qn__lower_block_quantize(l, op);
  dynamic d = request(l, op);
  qn_type want[3];
  for (uint32_t i = 0; i < 3; i++) want[i] = qn_value_type(l->m, qn_op_result(l->m, op, i));
  return (qn_op_get_bool(l->m, op, "per_row") ? per_row : per_tensor)(l, op, &d, want);
}
