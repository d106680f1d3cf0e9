/* Rules of the scalar ops in regions. Their values are signless integers, index and floats, as upstream has them. */
#include "context_impl.h"
#include "rule_util.h"

static qn_scalar scalar_of(const qn_module *m, qn_op op, uint32_t i) {
  return qn_type_as_scalar(qn_module_context(m), qn__operand_type(m, op, i));
}

static bool is_signless(qn_scalar s) {
  return qn_scalar_is_int(s) && qn_scalar_get(s)->cls == QN_SIGNLESS;
}

static qn_status need(qn_module *m, qn_op op, uint32_t i, bool ok, const char *what) {
  if (ok) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand '%s' is %s, expected %s", qn__operand_c(m, op, i),
                     qn__type_c(m, qn__operand_type(m, op, i)), what);
}

static qn_status need_int(qn_module *m, qn_op op, uint32_t i) {
  return need(m, op, i, is_signless(scalar_of(m, op, i)), "a signless integer or index");
}

static qn_status need_float(qn_module *m, qn_op op, uint32_t i) {
  return need(m, op, i, qn_scalar_is_float(scalar_of(m, op, i)), "a float");
}

static qn_status need_same(qn_module *m, qn_op op, uint32_t i, uint32_t k) {
  qn_type a = qn__operand_type(m, op, i), b = qn__operand_type(m, op, k);
  if (qn_type_eq(a, b)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operands '%s' and '%s' are %s and %s, expected one type",
                     qn__operand_c(m, op, i), qn__operand_c(m, op, k), qn__type_c(m, a), qn__type_c(m, b));
}

/* All operands of one type, which the first one's check accepts; the result is the same. */
static qn_status uniform(qn_module *m, qn_op op, qn_type *results, qn_status (*check)(qn_module *, qn_op, uint32_t)) {
  qn_status status = check(m, op, 0);
  for (uint32_t i = 1; status == QN_OK && i < qn_op_num_operands(m, op); i++) status = need_same(m, op, 0, i);
  results[0] = qn__operand_type(m, op, 0);
  return status;
}

qn_status qn__rule_int_binary(qn_module *m, qn_op op, qn_type *results) {
  return uniform(m, op, results, need_int);
}

qn_status qn__rule_float_binary(qn_module *m, qn_op op, qn_type *results) {
  return uniform(m, op, results, need_float);
}

qn_status qn__rule_float_ternary(qn_module *m, qn_op op, qn_type *results) {
  return uniform(m, op, results, need_float);
}

qn_status qn__rule_float_scalar(qn_module *m, qn_op op, qn_type *results) {
  return uniform(m, op, results, need_float);
}

qn_status qn__rule_compare(qn_module *m, qn_op op, qn_type *results) {
  bool ints = qn_op_kind_of(m, op) == QN_OP_CMPI;
  qn_status status = uniform(m, op, results, ints ? need_int : need_float);
  if (status != QN_OK) return status;
  int64_t predicate = qn_op_get_int(m, op, "predicate"), last = ints ? 9 : 15;
  if (predicate < 0 || predicate > last)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "predicate is %lld, expected 0 to %lld", (long long)predicate,
                       (long long)last);
  results[0] = qn__scalar_type(m, QN_I1);
  return QN_OK;
}

qn_status qn__rule_select(qn_module *m, qn_op op, qn_type *results) {
  qn_scalar a = scalar_of(m, op, 1);
  qn_status status = need(m, op, 0, scalar_of(m, op, 0) == QN_I1, "i1");
  if (status == QN_OK)
    status = need(m, op, 1, is_signless(a) || qn_scalar_is_float(a), "a signless integer or a float");
  if (status == QN_OK) status = need_same(m, op, 1, 2);
  results[0] = qn__operand_type(m, op, 1);
  return status;
}

/* A scalar of the region, as all_* reduce it over the row. */
qn_status qn__rule_all(qn_module *m, qn_op op, qn_type *results) {
  qn_op holder = qn_block_op(m, qn_op_parent(m, op));
  if (qn_op_parent(m, op).id && qn_op_kind_of(m, holder) != QN_OP_ROW)
    return qn_op_error(m, op, QN_DIAG_VERIFY, "stands outside of a kern.row body: only there is a row to reduce over");
  qn_scalar s = scalar_of(m, op, 0);
  results[0] = qn__operand_type(m, op, 0);
  return need(m, op, 0, is_signless(s) || qn_scalar_is_float(s), "a signless integer or a float");
}

/* ---- conversions ---- */

typedef enum scalar_class { INTS, FLOATS, EITHER } scalar_class;
typedef enum width_rule { WIDER, NARROWER, ANY_WIDTH, SAME_WIDTH } width_rule;

static const struct {
  qn_op_kind kind;
  scalar_class from, to;
  width_rule width; /* of the result against the operand */
} conversions[] = {
    {QN_OP_EXTSI, INTS, INTS, WIDER},         {QN_OP_EXTUI, INTS, INTS, WIDER},
    {QN_OP_TRUNCI, INTS, INTS, NARROWER},     {QN_OP_SITOFP, INTS, FLOATS, ANY_WIDTH},
    {QN_OP_UITOFP, INTS, FLOATS, ANY_WIDTH},  {QN_OP_FPTOSI, FLOATS, INTS, ANY_WIDTH},
    {QN_OP_FPTOUI, FLOATS, INTS, ANY_WIDTH},  {QN_OP_EXTF, FLOATS, FLOATS, WIDER},
    {QN_OP_TRUNCF, FLOATS, FLOATS, NARROWER}, {QN_OP_BITCAST, EITHER, EITHER, SAME_WIDTH},
};

static bool in_class(qn_scalar s, scalar_class c) {
  bool is_int = is_signless(s) && s != QN_INDEX, is_float = qn_scalar_is_float(s);
  return c == INTS ? is_int : c == FLOATS ? is_float : is_int || is_float;
}

static bool width_fits(width_rule rule, uint32_t from, uint32_t to) {
  return rule == ANY_WIDTH || (rule == WIDER && to > from) || (rule == NARROWER && to < from) ||
         (rule == SAME_WIDTH && to == from);
}

qn_status qn__rule_convert(qn_module *m, qn_op op, qn_type *results) {
  static const char *const class_names[] = {"a signless integer", "a float", "a signless integer or a float"};
  static const char *const width_names[] = {"wider than", "narrower than", "", "as wide as"};
  qn_context *ctx = qn_module_context(m);
  size_t row = 0;
  while (row + 1 < sizeof conversions / sizeof *conversions && conversions[row].kind != qn_op_kind_of(m, op)) row++;
  qn_scalar from = scalar_of(m, op, 0), to = qn_type_as_scalar(ctx, qn__declared(m, op, 0));
  qn_status status = need(m, op, 0, in_class(from, conversions[row].from), class_names[conversions[row].from]);
  if (status != QN_OK) return status;
  if (!in_class(to, conversions[row].to))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "the result is %s, expected %s",
                       qn__type_c(m, qn__declared(m, op, 0)), class_names[conversions[row].to]);
  if (!width_fits(conversions[row].width, qn_scalar_get(from)->bits, qn_scalar_get(to)->bits))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "converts %s to %s, but the result must be %s the operand",
                       qn_scalar_get(from)->text, qn_scalar_get(to)->text, width_names[conversions[row].width]);
  results[0] = qn__declared(m, op, 0);
  return QN_OK;
}
