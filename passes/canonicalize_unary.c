/* canonicalize: chains of ops with one operand, casts and clipping. */
#include "canonicalize.h"
#include <math.h>

/* ---- outer(inner(x)) ---- */

typedef enum chain_result { TAKE_INNER, TAKE_X, OUTER_OF_X } chain_result;

typedef enum chain_types { ALL, NOT_UNSIGNED, FLOATS } chain_types;

typedef struct chain_row {
  qn_op_kind outer, inner;
  chain_types on;
  chain_result result;
} chain_row;

static const chain_row chains[] = {
    {QN_OP_NEG, QN_OP_NEG, ALL, TAKE_X},
    {QN_OP_ABS, QN_OP_ABS, ALL, TAKE_INNER},
    {QN_OP_ABS, QN_OP_NEG, NOT_UNSIGNED, OUTER_OF_X},
    {QN_OP_ABS, QN_OP_RELU, ALL, TAKE_INNER},
    {QN_OP_RELU, QN_OP_RELU, ALL, TAKE_INNER},
    {QN_OP_RELU, QN_OP_ABS, FLOATS, TAKE_INNER}, /* the smallest integer stays negative */
    {QN_OP_FLOOR, QN_OP_FLOOR, ALL, TAKE_INNER},
    {QN_OP_FLOOR, QN_OP_CEIL, ALL, TAKE_INNER},
    {QN_OP_FLOOR, QN_OP_ROUND, ALL, TAKE_INNER},
    {QN_OP_CEIL, QN_OP_FLOOR, ALL, TAKE_INNER},
    {QN_OP_CEIL, QN_OP_CEIL, ALL, TAKE_INNER},
    {QN_OP_CEIL, QN_OP_ROUND, ALL, TAKE_INNER},
    {QN_OP_ROUND, QN_OP_FLOOR, ALL, TAKE_INNER},
    {QN_OP_ROUND, QN_OP_CEIL, ALL, TAKE_INNER},
    {QN_OP_ROUND, QN_OP_ROUND, ALL, TAKE_INNER},

    {QN_OP_NEGF, QN_OP_NEGF, ALL, TAKE_X},
    {QN_OP_MATH_ABSF, QN_OP_MATH_ABSF, ALL, TAKE_INNER},
    {QN_OP_MATH_ABSF, QN_OP_NEGF, ALL, OUTER_OF_X},
    {QN_OP_MATH_ROUNDEVEN, QN_OP_MATH_ROUNDEVEN, ALL, TAKE_INNER},
    {QN_OP_MATH_ROUND, QN_OP_MATH_ROUND, ALL, TAKE_INNER},
    {QN_OP_MATH_FLOOR, QN_OP_MATH_FLOOR, ALL, TAKE_INNER},
    {QN_OP_MATH_CEIL, QN_OP_MATH_CEIL, ALL, TAKE_INNER},
    {QN_OP_BITCAST, QN_OP_BITCAST, ALL, TAKE_X},
};

static bool types_fit(chain_types on, qn_scalar s) {
  if (on == FLOATS) return qn_scalar_is_float(s);
  return on == ALL || qn_scalar_get(s)->cls != QN_UNSIGNED;
}

qn_status qn__canon_chain(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  if (qn_op_num_operands(m, op) != 1) return QN_OK;
  qn_op inner = qn_value_op(m, qn_op_operand(m, op, 0));
  qn_op_kind outer_kind = qn_op_kind_of(m, op), inner_kind = qn_op_kind_of(m, inner);
  for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
    const chain_row *row = &chains[i];
    if (row->outer != outer_kind || row->inner != inner_kind) continue;
    qn_value y = qn_op_operand(m, op, 0), x = qn_op_operand(m, inner, 0);
    if (!types_fit(row->on, qn__plain_scalar_of(m, qn_value_type(m, y)))) return QN_OK;
    if (row->result != OUTER_OF_X) return qn__replace1(r, op, row->result == TAKE_X ? x : y);
    if (qn_type_eq(qn_value_type(m, x), qn_value_type(m, y))) qn_rewriter_set_operand(r, op, 0, x);
    return QN_OK;
  }
  return QN_OK;
}

/* ---- relu and clip ---- */

qn_status qn__canon_maximum_zero(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value x = qn_op_operand(m, op, 0);
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  if (!qn_type_eq(qn_value_type(m, x), t) || !qn__constant_is(m, qn_op_operand(m, op, 1), QN__PLUS_ZERO, false))
    return QN_OK;
  return qn__replace1(r, op, qn__make1(r, op, QN_OP_RELU, x, t, 0, NULL));
}

/* min(max(x, low), high); relu is one with high = +inf. */
typedef struct bounds {
  double low, high;
} bounds;

static bool bounds_of(const qn_module *m, qn_op op, bounds *out) {
  if (qn_op_kind_of(m, op) == QN_OP_RELU) {
    *out = (bounds){0.0, HUGE_VAL};
    return true;
  }
  if (qn_op_kind_of(m, op) != QN_OP_CLIP) return false;
  *out = (bounds){qn_op_get_float(m, op, "min"), qn_op_get_float(m, op, "max")};
  return out->low <= out->high;
}

/* -0 below +0, as maximum and minimum order them. */
static bool below(double a, double b) {
  return a < b || (a == b && signbit(a) && !signbit(b));
}

static double clipped(double v, const bounds *b) {
  if (below(v, b->low)) v = b->low;
  return below(b->high, v) ? b->high : v;
}

/* Bounds that the element type holds exactly: others would be rounded once more between two clips. */
static bool exact_in(const bounds *b, qn_scalar s) {
  if (s == QN_F64) return true;
  return s == QN_F32 && (double)(float)b->low == b->low && (double)(float)b->high == b->high;
}

static bool is_plus_zero(double v) {
  return v == 0 && !signbit(v);
}

static qn_status make_clip(qn_rewriter *r, qn_op op, qn_value x, const bounds *b) {
  qn_module *m = qn_rewriter_module(r);
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  if (!qn_type_eq(qn_value_type(m, x), t)) return QN_OK;
  bool no_top = isinf(b->high) && b->high > 0;
  if (no_top && isinf(b->low) && b->low < 0) return qn__replace1(r, op, x);
  if (no_top && is_plus_zero(b->low)) {
    return qn_op_kind_of(m, op) == QN_OP_RELU && qn_op_operand(m, op, 0).id == x.id
               ? QN_OK
               : qn__replace1(r, op, qn__make1(r, op, QN_OP_RELU, x, t, 0, NULL));
  }
  qn_type f = qn_type_scalar(qn_module_context(m), qn__plain_scalar_of(m, t) == QN_F64 ? QN_F64 : QN_F32);
  const qn_named_attr attrs[2] = {qn_named(m, "min", qn_attr_float(m, f, b->low)),
                                  qn_named(m, "max", qn_attr_float(m, f, b->high))};
  return qn__replace1(r, op, qn__make1(r, op, QN_OP_CLIP, x, t, 2, attrs));
}

qn_status qn__canon_clip(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value x = qn_op_operand(m, op, 0);
  qn_op inner = qn_value_op(m, x);
  bounds outer, first;
  qn_scalar s = qn__plain_scalar_of(m, qn_value_type(m, x));
  if (!bounds_of(m, op, &outer) || !exact_in(&outer, s)) return QN_OK;
  if (bounds_of(m, inner, &first) && exact_in(&first, s)) {
    /* Clipping is monotone, so the ends of the first range go where the second puts them. */
    const bounds both = {clipped(first.low, &outer), clipped(first.high, &outer)};
    return make_clip(r, op, qn_op_operand(m, inner, 0), &both);
  }
  bool nothing = isinf(outer.low) && outer.low < 0 && isinf(outer.high) && outer.high > 0;
  bool relu = is_plus_zero(outer.low) && isinf(outer.high) && outer.high > 0;
  if (qn_op_kind_of(m, op) == QN_OP_CLIP && (nothing || relu)) return make_clip(r, op, x, &outer);
  return QN_OK;
}

/* ---- tensor casts ---- */

/* Every value of `from` is one of `to`. Booleans count as 0 and 1. */
static bool holds_all(qn_scalar to, qn_scalar from) {
  static const struct {
    qn_scalar narrow, wide;
  } floats[] = {{QN_F32, QN_F64},       {QN_F16, QN_F32},      {QN_BF16, QN_F32},
                {QN_F8E5M2, QN_F16},    {QN_F8E4M3FN, QN_F16}, {QN_F4E2M1FN, QN_F16},
                {QN_F8E4M3FN, QN_BF16}, {QN_F8E5M2, QN_BF16},  {QN_F4E2M1FN, QN_BF16}};
  if (to == from) return true;
  if (qn_scalar_is_float(from) != qn_scalar_is_float(to)) return false;
  if (qn_scalar_is_float(from)) {
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
      if (floats[i].narrow == from && (floats[i].wide == to || holds_all(to, floats[i].wide))) return true;
    return false;
  }
  if (to == QN_I1) return false;
  int64_t low = from == QN_I1 ? 0 : qn_scalar_min(from), high = from == QN_I1 ? 1 : qn_scalar_max(from);
  bool to_unsigned = qn_scalar_get(to)->cls == QN_UNSIGNED;
  if (from == QN_UI64) return false; /* 64 bits without sign fit nothing else */
  if (to == QN_UI64) return low >= 0;
  return low >= (to_unsigned ? 0 : qn_scalar_min(to)) && high <= qn_scalar_max(to);
}

qn_status qn__canon_cast(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value y = qn_op_operand(m, op, 0);
  qn_type to = qn_value_type(m, qn_op_result(m, op, 0));
  if (qn_type_eq(qn_value_type(m, y), to)) return qn__replace1(r, op, y);
  qn_op inner = qn__operand_op(m, op, 0, QN_OP_CAST);
  if (!inner.id) return QN_OK;
  qn_value x = qn_op_operand(m, inner, 0);
  qn_scalar from = qn__plain_scalar_of(m, qn_value_type(m, x)), middle = qn__plain_scalar_of(m, qn_value_type(m, y));
  if (from == QN_SCALAR_NONE || middle == QN_SCALAR_NONE || !holds_all(middle, from)) return QN_OK;
  if (qn_type_eq(qn_value_type(m, x), to)) return qn__replace1(r, op, x);
  qn_rewriter_set_operand(r, op, 0, x);
  return QN_OK;
}

/* ---- scalar conversions in regions ---- */

static const struct {
  qn_op_kind outer, inner, merged; /* merged(x), or x where the types are equal */
} conversions[] = {
    {QN_OP_EXTSI, QN_OP_EXTSI, QN_OP_EXTSI},  {QN_OP_EXTUI, QN_OP_EXTUI, QN_OP_EXTUI},
    {QN_OP_EXTSI, QN_OP_EXTUI, QN_OP_EXTUI},  {QN_OP_TRUNCI, QN_OP_TRUNCI, QN_OP_TRUNCI},
    {QN_OP_TRUNCI, QN_OP_EXTSI, QN_OP_EXTSI}, {QN_OP_TRUNCI, QN_OP_EXTUI, QN_OP_EXTUI},
    {QN_OP_EXTF, QN_OP_EXTF, QN_OP_EXTF},     {QN_OP_TRUNCF, QN_OP_EXTF, QN_OP_EXTF},
};

static uint32_t bits_of(const qn_module *m, qn_value v) {
  return qn_scalar_get(qn__plain_scalar_of(m, qn_value_type(m, v)))->bits;
}

qn_status qn__canon_convert(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  if (qn_op_num_operands(m, op) != 1 || !qn_op_has(m, op, QN_SCALAR_OP)) return QN_OK;
  qn_op inner = qn_value_op(m, qn_op_operand(m, op, 0));
  qn_op_kind outer_kind = qn_op_kind_of(m, op), inner_kind = qn_op_kind_of(m, inner);
  for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
    if (conversions[i].outer != outer_kind || conversions[i].inner != inner_kind) continue;
    qn_value x = qn_op_operand(m, inner, 0), y = qn_op_result(m, op, 0);
    qn_type to = qn_value_type(m, y);
    qn_op_kind merged = conversions[i].merged;
    if (qn_type_eq(qn_value_type(m, x), to)) return qn__replace1(r, op, x);
    bool narrows = outer_kind == QN_OP_TRUNCI || outer_kind == QN_OP_TRUNCF;
    /* Down to less than there was at first: the low bits of x. Floats of one width have other values: left alone. */
    if (narrows && bits_of(m, y) <= bits_of(m, x)) merged = outer_kind;
    if (outer_kind == QN_OP_TRUNCF && (bits_of(m, y) == bits_of(m, x) || merged == QN_OP_EXTF)) return QN_OK;
    return qn__replace1(r, op, qn__make1(r, op, merged, x, to, 0, NULL));
  }
  return QN_OK;
}

qn_status qn__canon_select(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value c = qn_op_operand(m, op, 0), a = qn_op_operand(m, op, 1), b = qn_op_operand(m, op, 2);
  qn_attr known = qn_value_constant(m, c);
  if (a.id == b.id) return qn__replace1(r, op, a);
  qn_attr_kind kind = qn_attr_kind_of(m, known);
  if (kind != QN_ATTR_BOOL && kind != QN_ATTR_INT) return QN_OK;
  return qn__replace1(r, op, qn_attr_as_bool(m, known) ? a : b);
}

/* ---- quantized casts ---- */

/* The code lies within the range that its type names: the type names all its storage has, or a quantizing op made it.
 */
static bool codes_in_range(const qn_module *m, qn_value q, const qn_quant *t) {
  qn_scalar s = qn_type_memory(qn_module_context(m), qn_type_elem(qn_module_context(m), qn_value_type(m, q)));
  if (t->qmin <= qn_scalar_min(s) && t->qmax >= qn_scalar_max(s)) return true;
  qn_op_kind kind = qn_op_kind_of(m, qn_value_op(m, q));
  return kind == QN_OP_QCAST || kind == QN_OP_REQUANTIZE;
}

/* (q - z) * s, rounded once, divided by s is within half of q - z unless the product overflows. */
static bool returns_exactly(const qn_module *m, const qn_quant *q) {
  qn_context *ctx = qn_module_context(m);
  qn_scalar storage = qn_type_as_scalar(ctx, q->storage);
  if (!qn_scalar_is_int(storage) || qn_scalar_get(storage)->bits > 16) return false;
  if (qn_type_as_scalar(ctx, q->expressed) != QN_F32 || q->tensor_scale != 1) return false;
  for (uint32_t i = 0; i < q->num_scales; i++) {
    int64_t z = q->zero_points ? q->zero_points[i] : 0;
    float low = (float)(q->qmin - z) * q->scales[i], high = (float)(q->qmax - z) * q->scales[i];
    if (!isfinite(low) || !isfinite(high)) return false;
  }
  return true;
}

qn_status qn__canon_qcast(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_op inner = qn__operand_op(m, op, 0, QN_OP_DCAST);
  if (!inner.id) return QN_OK;
  qn_value q = qn_op_operand(m, inner, 0);
  qn_type t = qn_value_type(m, q);
  const qn_quant *quant = qn_type_as_quant(qn_module_context(m), qn_type_elem(qn_module_context(m), t));
  if (!quant || !qn_type_eq(t, qn_value_type(m, qn_op_result(m, op, 0)))) return QN_OK;
  return codes_in_range(m, q, quant) && returns_exactly(m, quant) ? qn__replace1(r, op, q) : QN_OK;
}

qn_status qn__canon_scast(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_op inner = qn__operand_op(m, op, 0, QN_OP_SCAST);
  if (!inner.id) return QN_OK;
  qn_value x = qn_op_operand(m, inner, 0);
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  return qn_type_eq(qn_value_type(m, x), t) ? qn__replace1(r, op, x) : QN_OK;
}
