/* What a product is called in a tuning file: kernel, types, sizes. */
#include "plan_util.h"
#include <quern/unstable/tuned.h>
#include <stdio.h>

static int64_t product_of(const int64_t *size, uint32_t n) {
  int64_t p = 1;
  for (uint32_t d = 0; d < n; d++) {
    if (size[d] < 0 || (size[d] && p > INT64_MAX / size[d])) return -1;
    p *= size[d];
  }
  return p;
}

static const char *text_of(qn_scalar s) {
  return qn_scalar_get(s)->text;
}

/* Rows: all leading axes of the result where one right side serves them, as engines merge them; else the last but
 * one. */
static bool set_sizes(const qn__pshape *right, const qn__pshape *y, qn_tuned *t) {
  if (y->rank < 2 || right->rank < 2) return false;
  bool one = product_of(right->size, right->rank - 2) == 1;
  t->m_least = t->m_most = one ? product_of(y->size, y->rank - 1) : y->size[y->rank - 2];
  t->n = right->size[right->rank - 1], t->k = right->size[right->rank - 2];
  return t->n > 0 && t->k > 0;
}

static bool of_gemm(const qn_module *m, qn_op op, qn_tuned *t) {
  const qn_context *ctx = qn_module_context(m);
  qn_attr lhs = qn_op_attr(m, op, "lhs");
  qn_value b = qn_op_operand(m, op, 1);
  qn_scalar left = lhs.id ? qn_type_memory(ctx, qn_attr_as_type(m, lhs)) : qn__mem_of(m, qn_op_operand(m, op, 0));
  qn_scalar acc = qn_type_memory(ctx, qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  t->kind = qn_op_attr(m, op, "window").id ? QN_TUNED_CONV : QN_TUNED_GEMM;
  snprintf(t->types, sizeof t->types, "%s,%s,%s", text_of(left), text_of(qn__mem_of(m, b)), text_of(acc));
  qn__pshape right = qn__pshape_of(m, b), y = qn__pshape_of(m, qn_op_result(m, op, 0));
  return set_sizes(&right, &y, t);
}

static bool of_block(const qn_module *m, qn_op op, qn_tuned *t) {
  qn_str layout = qn_op_get_string(m, op, "layout");
  qn_bpack_layout weights;
  qn_scalar left = qn__mem_of(m, qn_op_operand(m, op, 0));
  qn__pshape a = qn__pshape_of(m, qn_op_operand(m, op, 0)), y = qn__pshape_of(m, qn_op_result(m, op, 0));
  if (!qn_bpack_layout_parse(layout, &weights) || a.rank < 2 || y.rank < 2) return false;
  t->kind = QN_TUNED_BLOCK;
  snprintf(t->types, sizeof t->types, "%s,%.*s", text_of(left), (int)layout.size, layout.data);
  int64_t k = a.size[a.rank - 1], row = (int64_t)weights.block + 8; /* rows of blocks carry a scale and a sum each */
  if (left != QN_F32 && k > 0) k = k / row * weights.block;
  qn__pshape right = {.rank = 2, .size = {k, y.size[y.rank - 1]}};
  return set_sizes(&right, &y, t);
}

static bool of_attention(const qn_module *m, qn_op op, qn_tuned *t) {
  qn_value q = qn_op_operand(m, op, 0), v = qn_op_operand(m, op, 2);
  qn__pshape left = qn__pshape_of(m, q), values = qn__pshape_of(m, v);
  if (left.rank < 2 || values.rank < 2) return false;
  t->kind = QN_TUNED_ATTENTION;
  snprintf(t->types, sizeof t->types, "%s,%s,%lld", text_of(qn__mem_of(m, q)),
           text_of(qn__mem_of(m, qn_op_operand(m, op, 1))), (long long)qn_op_get_int(m, op, "key_block"));
  t->m_least = t->m_most = left.size[left.rank - 2];
  t->n = values.size[values.rank - 2], t->k = left.size[left.rank - 1];
  return t->n > 0 && t->k > 0;
}

bool qn_tuned_of_op(const qn_module *m, qn_op op, const qn_isa *isa, qn_tuned *out) {
  *out = (qn_tuned){.choice = qn_choice_none()};
  snprintf(out->isa, sizeof out->isa, "%s", isa->name);
  switch (qn_op_kind_of(m, op)) {
  case QN_OP_GEMM: return of_gemm(m, op, out);
  case QN_OP_BLOCK_GEMM: return of_block(m, op, out);
  case QN_OP_KERN_ATTENTION: return of_attention(m, op, out);
  case QN_OP_MAP:
  case QN_OP_ROW: out->kind = QN_TUNED_LOOP; return true;
  default: return false;
  }
}
