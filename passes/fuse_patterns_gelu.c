/* fuse-patterns: x * Phi(x) written out becomes quern.gelu.
 *
 *   x * 0.5 * (1 + erf(x / sqrt(2)))                                      approximate = none
 *   x * 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))       approximate = tanh
 *
 * Factors stand in any order, in any tree of products; constants may be off by what f16 rounds away. */
#include "fuse_patterns.h"
#include <math.h>

enum { MAX_FACTORS = 6 };

typedef struct product {
  double constant; /* all constant factors together */
  qn_value factor[MAX_FACTORS];
  uint32_t n;
  bool too_many;
} product;

/* Factors of v; divisors count as constants when they are. `root` is taken apart even when it is used elsewhere. */
static void collect(qn_module *m, qn_value v, bool root, product *p) {
  double c;
  qn_op op = qn_value_op(m, v);
  qn_op_kind kind = qn_op_kind_of(m, op);
  if (qn__fuse_scalar(m, v, &c)) {
    p->constant *= c;
  } else if (kind == QN_OP_MUL && (root || qn_value_has_one_use(m, v))) {
    collect(m, qn_op_operand(m, op, 0), false, p);
    if (p->n <= MAX_FACTORS && !p->too_many) collect(m, qn_op_operand(m, op, 1), false, p);
  } else if (kind == QN_OP_DIV && (root || qn_value_has_one_use(m, v)) &&
             qn__fuse_scalar(m, qn_op_operand(m, op, 1), &c) && c != 0) {
    p->constant /= c;
    collect(m, qn_op_operand(m, op, 0), false, p);
  } else if (p->n < MAX_FACTORS) {
    p->factor[p->n++] = v;
  } else {
    p->too_many = true;
  }
}

static bool near(double have, double want) {
  return fabs(have - want) <= 1e-3 * fabs(want);
}

/* v is constant * x^power. */
static bool is_power(qn_module *m, qn_value v, qn_value x, uint32_t power, double constant) {
  product p = {.constant = 1};
  collect(m, v, false, &p);
  if (p.too_many || p.n != power || !near(p.constant, constant)) return false;
  for (uint32_t i = 0; i < p.n; i++)
    if (p.factor[i].id != x.id) return false;
  return true;
}

/* v is a + b where one of them is the constant 1: the other. */
static qn_value plus_one(qn_module *m, qn_value v) {
  double c;
  qn_op add = qn__fuse_maker(m, v, QN_OP_ADD);
  for (uint32_t i = 0; add.id && i < 2; i++)
    if (qn__fuse_scalar(m, qn_op_operand(m, add, i), &c) && c == 1.0) return qn_op_operand(m, add, 1 - i);
  return (qn_value){0};
}

static bool is_tanh_argument(qn_module *m, qn_value v, qn_value x) {
  product p = {.constant = 1};
  collect(m, v, false, &p);
  if (p.n != 1 || !near(p.constant, 0.7978845608028654)) return false;
  qn_op add = qn__fuse_maker(m, p.factor[0], QN_OP_ADD);
  for (uint32_t i = 0; add.id && i < 2; i++)
    if (qn_op_operand(m, add, i).id == x.id && is_power(m, qn_op_operand(m, add, 1 - i), x, 3, 0.044715)) return true;
  return false;
}

qn_status qn__fuse_gelu(qn_rewriter *r, qn_op mul) {
  qn_module *m = qn_rewriter_module(r);
  qn_value y = qn_op_result(m, mul, 0);
  product p = {.constant = 1};
  collect(m, y, true, &p);
  if (p.too_many || p.n != 2 || !near(p.constant, 0.5)) return QN_OK;
  for (uint32_t i = 0; i < 2; i++) {
    qn_value x = p.factor[i], inner = plus_one(m, p.factor[1 - i]);
    if (!inner.id || !qn_type_eq(qn_value_type(m, x), qn_value_type(m, y))) continue;
    qn_op erf = qn__fuse_maker(m, inner, QN_OP_ERF), tanh = qn__fuse_maker(m, inner, QN_OP_TANH);
    bool by_erf = erf.id && is_power(m, qn_op_operand(m, erf, 0), x, 1, 0.7071067811865476);
    bool by_tanh = tanh.id && is_tanh_argument(m, qn_op_operand(m, tanh, 0), x);
    if (!by_erf && !by_tanh) continue;
    qn_builder b = qn_builder_before(m, mul);
    b.loc = qn_op_loc(m, mul);
    const qn_named_attr attr = qn_named(m, "approximate", qn_attr_string(m, qn_str_of("tanh")));
    qn_value gelu = qn_op_result(m, qn_op_build(&b, QN_OP_GELU, 1, &x, by_tanh ? 1 : 0, &attr), 0);
    if (!gelu.id) return QN_ERR_NO_MEMORY;
    qn_rewriter_replace(r, mul, &gelu);
    return QN_OK;
  }
  return QN_OK;
}
