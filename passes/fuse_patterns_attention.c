/* fuse-patterns: softmax(q k^T * scale + mask) v becomes quern.attention.
 *
 * Scale is a constant factor or divisor, or missing (queries that are scaled beforehand stay so); the mask is a float
 * tensor that is added; k is the right side of a product with transpose_b, or comes through a transposition, whose last
 * two axes are then exchanged again. Leading axes of k and v are those of q, or 1: nothing is broadcast into q. */
#include "fuse_patterns.h"

typedef struct parts {
  qn_module *m;
  qn_context *ctx;
  qn_value q, k, v, mask; /* k as in the product: transposed when k_ready is false */
  bool k_ready;
  double scale;
} parts;

static qn_type type_of(const parts *p, qn_value v) {
  return qn_value_type(p->m, v);
}

/* The scores before the softmax: adds of a mask, one factor or divisor, the product. */
static qn_op take_mask(parts *p, qn_value *scores) {
  qn_op add = qn__fuse_maker(p->m, *scores, QN_OP_ADD);
  if (!add.id) return add;
  for (uint32_t i = 0; i < 2; i++) {
    qn_value s = qn_op_operand(p->m, add, i), mask = qn_op_operand(p->m, add, 1 - i);
    qn_op_kind kind = qn_op_kind_of(p->m, qn_value_op(p->m, s));
    bool scores_like = kind == QN_OP_MATMUL || kind == QN_OP_MUL || kind == QN_OP_DIV;
    if (!scores_like || !qn_value_has_one_use(p->m, s) || s.id == mask.id) continue;
    if (!qn_type_eq(type_of(p, s), type_of(p, *scores))) continue; /* the mask broadcasts, not the scores */
    p->mask = mask;
    *scores = s;
    return add;
  }
  return (qn_op){0};
}

static void take_scale(parts *p, qn_value *scores) {
  double c;
  qn_op op = qn__fuse_maker(p->m, *scores, QN_OP_MUL);
  for (uint32_t i = 0; op.id && i < 2; i++)
    if (qn__fuse_scalar(p->m, qn_op_operand(p->m, op, i), &c) &&
        qn_type_eq(type_of(p, qn_op_operand(p->m, op, 1 - i)), type_of(p, *scores))) {
      p->scale = c;
      *scores = qn_op_operand(p->m, op, 1 - i);
      return;
    }
  op = qn__fuse_maker(p->m, *scores, QN_OP_DIV);
  if (op.id && qn__fuse_scalar(p->m, qn_op_operand(p->m, op, 1), &c) && c != 0 &&
      qn_type_eq(type_of(p, qn_op_operand(p->m, op, 0)), type_of(p, *scores))) {
    p->scale = 1 / c;
    *scores = qn_op_operand(p->m, op, 0);
  }
}

static bool is_float(const parts *p, qn_value v) {
  qn_scalar s = qn_type_as_scalar(p->ctx, qn_type_elem(p->ctx, type_of(p, v)));
  return s == QN_F32 || s == QN_F16 || s == QN_BF16;
}

static bool same_dim(const parts *p, qn_type a, uint32_t i, qn_type b, uint32_t k) {
  int64_t x = qn_type_shape(p->ctx, a)[i], y = qn_type_shape(p->ctx, b)[k];
  if (x != y) return false;
  return x != QN_DYNAMIC ||
         (qn_type_symbol(p->ctx, a, i).id && qn_type_symbol(p->ctx, a, i).id == qn_type_symbol(p->ctx, b, k).id);
}

/* Ranks and leading axes as the op wants them, and a head of v that kernels can hold. */
static bool fits(const parts *p) {
  qn_type q = type_of(p, p->q), k = type_of(p, p->k), v = type_of(p, p->v);
  uint32_t r = qn_type_rank(p->ctx, q);
  if (r < 2 || qn_type_rank(p->ctx, k) != r || qn_type_rank(p->ctx, v) != r) return false;
  for (uint32_t d = 0; d + 2 < r; d++) {
    bool one = qn_type_shape(p->ctx, k)[d] == 1 && qn_type_shape(p->ctx, v)[d] == 1;
    if (!one && !(same_dim(p, q, d, k, d) && same_dim(p, k, d, v, d))) return false;
  }
  int64_t dv = qn_type_shape(p->ctx, v)[r - 1];
  if (dv == QN_DYNAMIC || dv > 1024 || !is_float(p, p->q) || !is_float(p, p->v)) return false;
  if (!p->mask.id) return true;
  return qn_type_eq(qn_type_elem(p->ctx, type_of(p, p->mask)), qn_type_elem(p->ctx, q));
}

/* k with its last two axes exchanged; a transposition that it comes from is changed instead of followed by another. */
static qn_value swapped(const parts *p, qn_builder *b, qn_value k) {
  qn_op from = qn_value_op(p->m, k);
  uint32_t rank = qn_type_rank(p->ctx, type_of(p, k)), n = 0;
  int64_t perm[QN_MAX_RANK];
  const int64_t *given = NULL;
  if (from.id && qn_op_kind_of(p->m, from) == QN_OP_TRANSPOSE)
    given = qn_attr_as_ints(p->m, qn_op_attr(p->m, from, "perm"), &n);
  for (uint32_t d = 0; d < rank; d++) perm[d] = given ? given[d] : (int64_t)d;
  int64_t last = perm[rank - 1];
  perm[rank - 1] = perm[rank - 2], perm[rank - 2] = last;
  qn_value x = given ? qn_op_operand(p->m, from, 0) : k;
  bool identity = true;
  for (uint32_t d = 0; d < rank; d++) identity &= perm[d] == (int64_t)d;
  if (identity) return x;
  const qn_named_attr attr = qn_named(p->m, "perm", qn_attr_ints(p->m, QN_I64, rank, perm));
  return qn_op_result(p->m, qn_op_build(b, QN_OP_TRANSPOSE, 1, &x, 1, &attr), 0);
}

static bool match(parts *p, qn_op matmul) {
  qn_module *m = p->m;
  if (qn_op_get_bool(m, matmul, "transpose_a") || qn_op_get_bool(m, matmul, "transpose_b")) return false;
  qn_op softmax = qn__fuse_maker(m, qn_op_operand(m, matmul, 0), QN_OP_SOFTMAX);
  if (!softmax.id) return false;
  qn_value scores = qn_op_operand(m, softmax, 0);
  int64_t rank = qn_type_rank(p->ctx, type_of(p, scores)), axis = qn_op_get_int(m, softmax, "axis");
  if ((axis != -1 && axis != rank - 1) || !qn_value_has_one_use(m, scores)) return false;
  take_mask(p, &scores);
  take_scale(p, &scores);
  qn_op product = qn__fuse_maker(m, scores, QN_OP_MATMUL);
  if (!product.id || qn_op_get_bool(m, product, "transpose_a")) return false;
  p->q = qn_op_operand(m, product, 0);
  p->k = qn_op_operand(m, product, 1);
  p->v = qn_op_operand(m, matmul, 1);
  p->k_ready = qn_op_get_bool(m, product, "transpose_b");
  return fits(p) && is_float(p, p->k);
}

qn_status qn__fuse_attention(qn_rewriter *r, qn_op matmul) {
  qn_module *m = qn_rewriter_module(r);
  parts p = {.m = m, .ctx = qn_module_context(m), .scale = 1};
  if (!match(&p, matmul)) return QN_OK;
  qn_builder b = qn_builder_before(m, matmul);
  b.loc = qn_op_loc(m, matmul);
  qn_value operands[4] = {p.q, p.k_ready ? p.k : swapped(&p, &b, p.k), p.v, p.mask};
  if (!operands[1].id) return QN_ERR_NO_MEMORY;
  const qn_named_attr scale =
      qn_named(m, "scale", qn_attr_float(m, qn_type_scalar(p.ctx, QN_F32), (double)(float)p.scale));
  qn_value y = qn_op_result(m, qn_op_build(&b, QN_OP_ATTENTION, p.mask.id ? 4 : 3, operands, 1, &scale), 0);
  if (!y.id) return QN_ERR_NO_MEMORY;
  if (!qn_type_eq(qn_value_type(m, y), qn_value_type(m, qn_op_result(m, matmul, 0))))
    qn_value_set_type(m, y, qn_value_type(m, qn_op_result(m, matmul, 0)));
  qn_rewriter_replace(r, matmul, &y);
  return QN_OK;
}
