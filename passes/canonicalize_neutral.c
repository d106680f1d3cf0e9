/* canonicalize: binary ops with a constant that leaves the other operand as it is or decides the result, and with two
 * equal operands. One row per fact; the constant stands on the right, where commutative ops have been given it. */
#include "canonicalize.h"
#include <math.h>
#include <string.h>

/* ---- constants ---- */

static bool number_is(double v, qn__special what) {
  switch (what) {
  case QN__PLUS_ZERO: return v == 0 && !signbit(v);
  case QN__MINUS_ZERO: return v == 0 && signbit(v);
  case QN__ONE: return v == 1;
  case QN__LOWEST: return isinf(v) && v < 0;
  case QN__HIGHEST: return isinf(v) && v > 0;
  default: return false;
  }
}

/* The low bits of v as an integer of `bits` bits. */
static int64_t narrowed(int64_t v, uint32_t bits, bool is_unsigned) {
  uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1, low = (uint64_t)v & mask;
  uint64_t sign = is_unsigned ? 0 : (mask >> 1) + 1;
  return (int64_t)((low ^ sign) - sign);
}

static bool integer_is(int64_t v, qn_scalar s, qn__special what, bool is_unsigned) {
  uint32_t bits = qn_scalar_get(s)->bits;
  uint64_t mask = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
  int64_t lowest = is_unsigned ? 0 : narrowed((int64_t)((mask >> 1) + 1), bits, false);
  int64_t highest = (int64_t)(is_unsigned ? mask : mask >> 1);
  v = narrowed(v, bits, is_unsigned);
  switch (what) {
  case QN__PLUS_ZERO:
  case QN__MINUS_ZERO: return v == 0;
  case QN__ONE: return v == 1;
  case QN__ALL_BITS: return ((uint64_t)v & mask) == mask;
  case QN__LOWEST: return v == lowest;
  case QN__HIGHEST: return v == highest;
  }
  return false;
}

static bool element_is(const qn_module *m, qn_attr a, int64_t i, qn_scalar s, qn__special what, bool is_unsigned) {
  return qn_scalar_is_float(s) ? number_is(qn_attr_dense_f64(m, a, i), what)
                               : integer_is(qn_attr_dense_i64(m, a, i), s, what, is_unsigned);
}

bool qn__constant_is(const qn_module *m, qn_value v, qn__special what, bool is_unsigned) {
  qn_attr a = qn_value_constant(m, v);
  qn_scalar s = qn__plain_scalar_of(m, qn_value_type(m, v));
  if (!a.id || s == QN_SCALAR_NONE) return false;
  if (qn_attr_kind_of(m, a) != QN_ATTR_DENSE)
    return qn_scalar_is_float(s) ? number_is(qn_attr_as_float(m, a), what)
                                 : integer_is(qn_attr_as_int(m, a), s, what, is_unsigned);
  int64_t n = qn_attr_is_splat(m, a) ? 1 : qn_type_count(qn_module_context(m), qn_value_type(m, v));
  for (int64_t i = 0; i < n; i++)
    if (!element_is(m, a, i, s, what, is_unsigned)) return false;
  return n > 0;
}

/* The one number that all elements of a constant are. */
static bool constant_splat(const qn_module *m, qn_value v, double *out) {
  qn_attr a = qn_value_constant(m, v);
  qn_attr_kind kind = qn_attr_kind_of(m, a);
  if (kind == QN_ATTR_FLOAT || kind == QN_ATTR_INT) {
    *out = qn_attr_as_float(m, a);
    return true;
  }
  bool one = kind == QN_ATTR_DENSE &&
             (qn_attr_is_splat(m, a) || qn_type_count(qn_module_context(m), qn_value_type(m, v)) == 1);
  if (one) *out = qn_attr_dense_f64(m, a, 0);
  return one;
}

static bool is_constant(const qn_module *m, qn_value v) {
  return qn_op_kind_of(m, qn_value_op(m, v)) == QN_OP_CONSTANT;
}

/* ---- constants to the right ---- */

qn_status qn__canon_commute(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  if (!qn_op_has(m, op, QN_COMMUTATIVE) || qn_op_num_operands(m, op) != 2) return QN_OK;
  qn_value a = qn_op_operand(m, op, 0), b = qn_op_operand(m, op, 1);
  if (!is_constant(m, a) || is_constant(m, b)) return QN_OK;
  qn_op_set_operand(m, op, 0, b);
  qn_op_set_operand(m, op, 1, a);
  qn_rewriter_changed(r, op);
  return QN_OK;
}

/* ---- neutral and absorbing elements ---- */

enum { ON_FLOATS = 1, ON_INTS = 2, ON_BOTH = 3 };
typedef enum outcome { TAKE_LEFT, TAKE_CONSTANT } outcome;

typedef struct neutral_row {
  qn_op_kind kind;
  uint8_t on;
  bool is_unsigned; /* how the op reads signless integers */
  qn__special constant;
  outcome result;
} neutral_row;

static const neutral_row neutral[] = {
    {QN_OP_ADD, ON_FLOATS, false, QN__MINUS_ZERO, TAKE_LEFT}, /* +0 would turn -0 into +0 */
    {QN_OP_ADD, ON_INTS, false, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_SUB, ON_BOTH, false, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_MUL, ON_BOTH, false, QN__ONE, TAKE_LEFT},
    {QN_OP_MUL, ON_INTS, false, QN__PLUS_ZERO, TAKE_CONSTANT}, /* of floats it depends on sign, infinity and NaN */
    {QN_OP_DIV, ON_BOTH, false, QN__ONE, TAKE_LEFT},
    {QN_OP_MAXIMUM, ON_BOTH, false, QN__LOWEST, TAKE_LEFT},
    {QN_OP_MAXIMUM, ON_INTS, false, QN__HIGHEST, TAKE_CONSTANT}, /* of floats NaN wins */
    {QN_OP_MINIMUM, ON_BOTH, false, QN__HIGHEST, TAKE_LEFT},
    {QN_OP_MINIMUM, ON_INTS, false, QN__LOWEST, TAKE_CONSTANT},

    {QN_OP_ADDF, ON_FLOATS, false, QN__MINUS_ZERO, TAKE_LEFT},
    {QN_OP_SUBF, ON_FLOATS, false, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_MULF, ON_FLOATS, false, QN__ONE, TAKE_LEFT},
    {QN_OP_DIVF, ON_FLOATS, false, QN__ONE, TAKE_LEFT},
    {QN_OP_MAXIMUMF, ON_FLOATS, false, QN__LOWEST, TAKE_LEFT},
    {QN_OP_MINIMUMF, ON_FLOATS, false, QN__HIGHEST, TAKE_LEFT},
    {QN_OP_ADDI, ON_INTS, false, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_SUBI, ON_INTS, false, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_MULI, ON_INTS, false, QN__ONE, TAKE_LEFT},
    {QN_OP_MULI, ON_INTS, false, QN__PLUS_ZERO, TAKE_CONSTANT},
    {QN_OP_DIVSI, ON_INTS, false, QN__ONE, TAKE_LEFT},
    {QN_OP_DIVUI, ON_INTS, true, QN__ONE, TAKE_LEFT},
    {QN_OP_ANDI, ON_INTS, true, QN__ALL_BITS, TAKE_LEFT},
    {QN_OP_ANDI, ON_INTS, true, QN__PLUS_ZERO, TAKE_CONSTANT},
    {QN_OP_ORI, ON_INTS, true, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_ORI, ON_INTS, true, QN__ALL_BITS, TAKE_CONSTANT},
    {QN_OP_XORI, ON_INTS, true, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_SHLI, ON_INTS, true, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_SHRSI, ON_INTS, true, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_SHRUI, ON_INTS, true, QN__PLUS_ZERO, TAKE_LEFT},
    {QN_OP_MAXSI, ON_INTS, false, QN__LOWEST, TAKE_LEFT},
    {QN_OP_MAXSI, ON_INTS, false, QN__HIGHEST, TAKE_CONSTANT},
    {QN_OP_MINSI, ON_INTS, false, QN__HIGHEST, TAKE_LEFT},
    {QN_OP_MINSI, ON_INTS, false, QN__LOWEST, TAKE_CONSTANT},
    {QN_OP_MAXUI, ON_INTS, true, QN__LOWEST, TAKE_LEFT},
    {QN_OP_MAXUI, ON_INTS, true, QN__HIGHEST, TAKE_CONSTANT},
    {QN_OP_MINUI, ON_INTS, true, QN__HIGHEST, TAKE_LEFT},
    {QN_OP_MINUI, ON_INTS, true, QN__LOWEST, TAKE_CONSTANT},
};

/* A signless i1 in memory counts 0 and 1. */
static bool reads_unsigned(qn_scalar s) {
  return qn_scalar_get(s)->cls == QN_UNSIGNED || s == QN_I1;
}

static bool row_applies(const neutral_row *row, qn_op_kind kind, qn_scalar s) {
  return row->kind == kind && (row->on & (qn_scalar_is_float(s) ? ON_FLOATS : ON_INTS));
}

qn_status qn__canon_neutral(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  if (qn_op_num_operands(m, op) != 2) return QN_OK;
  qn_value x = qn_op_operand(m, op, 0), c = qn_op_operand(m, op, 1);
  if (!is_constant(m, c)) return QN_OK;
  qn_op_kind kind = qn_op_kind_of(m, op);
  qn_scalar s = qn__plain_scalar_of(m, qn_value_type(m, c));
  for (size_t i = 0; i < sizeof neutral / sizeof *neutral; i++) {
    const neutral_row *row = &neutral[i];
    if (!row_applies(row, kind, s)) continue;
    bool is_unsigned = row->is_unsigned || (qn_op_has(m, op, QN_TENSOR_OP) && reads_unsigned(s));
    if (qn__constant_is(m, c, row->constant, is_unsigned)) return qn__replace1(r, op, row->result == TAKE_LEFT ? x : c);
  }
  return QN_OK;
}

/* ---- two equal operands ---- */

static const struct {
  qn_op_kind kind;
  uint8_t on;
  bool gives_zero; /* else the operand */
} same[] = {
    {QN_OP_SUB, ON_INTS, true},       {QN_OP_SUBI, ON_INTS, true},     {QN_OP_XORI, ON_INTS, true},
    {QN_OP_MAXIMUM, ON_BOTH, false},  {QN_OP_MINIMUM, ON_BOTH, false}, {QN_OP_MAXIMUMF, ON_BOTH, false},
    {QN_OP_MINIMUMF, ON_BOTH, false}, {QN_OP_MAXSI, ON_INTS, false},   {QN_OP_MINSI, ON_INTS, false},
    {QN_OP_MAXUI, ON_INTS, false},    {QN_OP_MINUI, ON_INTS, false},   {QN_OP_ANDI, ON_INTS, false},
    {QN_OP_ORI, ON_INTS, false},
};

static qn_value build_zero(qn_module *m, qn_op before, qn_type type) {
  qn_builder b = qn_builder_before(m, before);
  static const uint64_t zero = 0;
  bool tensor = qn_type_kind_of(qn_module_context(m), type) == QN_TYPE_TENSOR;
  return qn_build_constant(&b, tensor ? qn_attr_splat(m, type, &zero) : qn_attr_int(m, type, 0));
}

qn_status qn__canon_same(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  if (qn_op_num_operands(m, op) != 2) return QN_OK;
  qn_value a = qn_op_operand(m, op, 0);
  if (a.id != qn_op_operand(m, op, 1).id) return QN_OK;
  qn_type t = qn_value_type(m, a);
  qn_scalar s = qn__plain_scalar_of(m, t);
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    if (same[i].kind != qn_op_kind_of(m, op) || !(same[i].on & (qn_scalar_is_float(s) ? ON_FLOATS : ON_INTS))) continue;
    if (!same[i].gives_zero) return qn__replace1(r, op, a);
    bool known =
        qn_type_kind_of(qn_module_context(m), t) != QN_TYPE_TENSOR || qn_type_is_static(qn_module_context(m), t);
    return known ? qn__replace1(r, op, build_zero(m, op, t)) : QN_OK;
  }
  return QN_OK;
}

/* ---- (x + c) + d = x + (c + d), for what wraps ---- */

static const struct {
  qn_op_kind kind;
} regrouped[] = {{QN_OP_ADD}, {QN_OP_MUL}, {QN_OP_ADDI}, {QN_OP_MULI}, {QN_OP_ANDI}, {QN_OP_ORI}, {QN_OP_XORI}};

static qn_value make2(qn_module *m, qn_op before, qn_op_kind kind, qn_value a, qn_value b) {
  qn_builder at = qn_builder_before(m, before);
  return qn_build2(&at, kind, a, b);
}

qn_status qn__canon_regroup(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_op_kind kind = qn_op_kind_of(m, op);
  bool listed = false;
  for (size_t i = 0; i < sizeof regrouped / sizeof *regrouped; i++) listed = listed || regrouped[i].kind == kind;
  if (!listed || !qn_scalar_is_int(qn__plain_scalar_of(m, qn_value_type(m, qn_op_result(m, op, 0))))) return QN_OK;
  qn_op inner = qn__operand_op(m, op, 0, kind);
  qn_value d = qn_op_operand(m, op, 1), c = qn_op_operand(m, inner, 1);
  if (!inner.id || !is_constant(m, d) || !is_constant(m, c)) return QN_OK;
  qn_value x = qn_op_operand(m, inner, 0);
  if (!qn_type_eq(qn_value_type(m, x), qn_value_type(m, qn_op_result(m, op, 0)))) return QN_OK; /* it broadcasts */
  return qn__replace1(r, op, make2(m, op, kind, x, make2(m, op, kind, c, d)));
}

/* ---- x / 2^k = x * 2^-k: both round the same real number ---- */

static bool has_exact_reciprocal(double c, qn_scalar s) {
  int exponent, limit = s == QN_F64 ? 1000 : 120;
  double mantissa = frexp(c, &exponent);
  return (mantissa == 0.5 || mantissa == -0.5) && exponent > -limit && exponent < limit;
}

qn_status qn__canon_reciprocal(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_value c = qn_op_operand(m, op, 1);
  qn_type t = qn_value_type(m, c);
  qn_scalar s = qn__plain_scalar_of(m, t);
  double v;
  if ((s != QN_F32 && s != QN_F64) || !constant_splat(m, c, &v) || !has_exact_reciprocal(v, s)) return QN_OK;
  qn_builder b = qn_builder_before(m, op);
  double inverse = 1 / v;
  float narrow = (float)inverse;
  bool tensor = qn_type_kind_of(qn_module_context(m), t) == QN_TYPE_TENSOR;
  qn_attr a = !tensor ? qn_attr_float(m, t, inverse)
                      : qn_attr_splat(m, t, s == QN_F64 ? (const void *)&inverse : (const void *)&narrow);
  qn_op_kind mul = qn_op_kind_of(m, op) == QN_OP_DIV ? QN_OP_MUL : QN_OP_MULF;
  return qn__replace1(r, op, make2(m, op, mul, qn_op_operand(m, op, 0), qn_build_constant(&b, a)));
}
