/* prove-accumulators: bounds the sums of every product of codes, with the real zero points and, where the weights are
 * constants, the real weights; else with the worst codes. Constant i32 biases that are added belong to the bound.
 *
 *   %0 = quern.matmul %a, %b : (..) -> tensor<4x10xi32>
 * becomes, where |sum (a-za)(b-zb)| + |bias| < 2^31 is certain,
 *   %0 = quern.matmul %a, %b {quern.acc_bound = 1040400 : i64} : (..) -> tensor<4x10xi32>
 * and else sums in i64, as do the adds and relus that follow; users that want i32 get it by a wrapping cast, as before:
 *   %0 = quern.matmul %a, %b {quern.acc_bound = 4160000000 : i64} : (..) -> tensor<4x10xi64>
 * with a note. A fixed-point quern.requantize takes i32: its sums are clamped there, which saturates as its own steps
 * do. quern.matmul_integer wraps by definition and is left alone.
 *
 * Run after fold-qparams. Results that would have wrapped become right; all others are preserved, and shapes. */
#include "prove_accumulators.h"

/* ---- the right operand is known: one bound per column ---- */

typedef struct columns {
  int64_t k, n, batches;
  int64_t k_stride, n_stride, batch_stride;
} columns;

static columns columns_of(const qn_tensor *t, bool k_last) {
  columns c = {.k = t->shape[t->rank - 1], .n = 1, .batches = 1, .k_stride = 1};
  if (t->rank < 2) return c;
  int64_t last = t->shape[t->rank - 1], other = t->shape[t->rank - 2];
  c.k = k_last ? last : other;
  c.n = k_last ? other : last;
  c.k_stride = k_last ? 1 : last;
  c.n_stride = k_last ? last : 1;
  c.batch_stride = last * other;
  for (uint32_t d = 0; d + 2 < t->rank; d++) c.batches *= t->shape[d];
  return c;
}

/* Adds the bias that goes to this column and keeps the largest sum. */
static void include(proof *p, qn_acc_range r, int64_t column) {
  int64_t low = r.lo < -INT64_MAX ? INT64_MAX : r.lo < 0 ? -r.lo : r.lo, high = r.hi < 0 ? -r.hi : r.hi;
  int64_t bound = low > high ? low : high, bias = qn__bias_bound(p, column);
  bound = bound > INT64_MAX - bias ? INT64_MAX : bound + bias;
  if (bound > p->bound) p->bound = bound;
}

static void bound_constant(proof *p, const qn__code_range *other, const qn_tensor *t, const qn_quant *q, bool right,
                           bool k_last) {
  columns c = columns_of(t, k_last);
  for (int64_t b = 0; b < c.batches; b++)
    for (int64_t j = 0; j < c.n; j++) {
      qn_acc_range r = {0, 0};
      int64_t z = !q->zero_points ? 0 : q->zero_points[q->num_scales == 1 ? 0 : j];
      for (int64_t i = 0; i < c.k; i++) {
        int64_t code = qn_tensor_get_i64(t, b * c.batch_stride + j * c.n_stride + i * c.k_stride);
        qn_acc_add(&r, other->low, other->high, 0, (int32_t)(code - z));
      }
      include(p, r, right ? j : -1);
    }
}

/* ---- one product ---- */

/* Weights of a convolution, [KH,KW,C,O] or [O,C,KH,KW], as a matrix: padding adds nothing, so every window is bounded
 * by a whole one. */
static void as_matrix(qn_tensor *t, bool outputs_first) {
  int64_t count = qn_tensor_count(t), outputs = t->shape[outputs_first ? 0 : t->rank - 1];
  int64_t rows = outputs ? count / outputs : 0;
  t->rank = 2;
  t->shape[0] = outputs_first ? outputs : rows;
  t->shape[1] = outputs_first ? rows : outputs;
}

static qn_status bound_product(proof *p, bool *known) {
  qn_module *m = p->m;
  qn_context *ctx = qn_module_context(m);
  qn_value v[2] = {qn_op_operand(m, p->op, 0), qn_op_operand(m, p->op, 1)};
  bool conv = qn_op_kind_of(m, p->op) == QN_OP_CONV2D;
  bool k_last[2] = {true, conv && qn_str_eq(qn_op_get_string(m, p->op, "layout"), qn_str_of("nchw"))};
  if (!conv) k_last[0] = !qn_op_get_bool(m, p->op, "transpose_a"), k_last[1] = qn_op_get_bool(m, p->op, "transpose_b");
  qn_tensor t;
  *known = true;
  for (int i = 1; i >= 0; i--) {
    if ((conv && i == 0) || !qn_value_constant_tensor(m, v[i], &t)) continue;
    if (conv) as_matrix(&t, k_last[1]);
    qn__code_range other = qn__codes_less_zero(m, v[1 - i]);
    bound_constant(p, &other, &t, qn_type_as_quant(ctx, qn_type_elem(ctx, qn_value_type(m, v[i]))), i == 1, k_last[i]);
    qn_module_passed(m, t.data, qn_tensor_bytes(&t));
    return QN_OK;
  }
  qn__code_range a = qn__codes_less_zero(m, v[0]), b = qn__codes_less_zero(m, v[1]);
  int64_t k = qn__summed_size(m, p->op);
  *known = k >= 0;
  include(p, qn_acc_worst(a.low, a.high, 0, b.low, b.high, 0, k < 0 ? UINT32_MAX : (uint64_t)k), -1);
  return QN_OK;
}

static qn_status prove(qn_pass_run *run, qn_op op, bool *changed) {
  qn_module *m = qn_run_module(run);
  qn_context *ctx = qn_run_context(run);
  proof p = {.run = run, .m = m, .op = op};
  bool known;
  qn_status status = qn__find_bias(&p);
  if (!status) status = bound_product(&p, &known);
  if (status) return status;
  if (known) qn_op_set_attr(m, op, "quern.acc_bound", qn_attr_int(m, (qn_type){0}, p.bound));
  *changed = true;
  bool wide = qn_type_as_scalar(ctx, qn_type_elem(ctx, qn_value_type(m, qn_op_result(m, op, 0)))) == QN_I64;
  if (wide || (known && p.bound <= INT32_MAX)) {
    qn_run_count(run, wide ? "sums in i64 already" : "sums proven to fit i32", 1);
    return QN_OK;
  }
  qn_run_count(run, "sums widened to i64", 1);
  qn_op_note(m, op,
             known ? "sums of this product may reach %lld and are computed in i64"
                   : "sums of this product have no bound, as the summed size is not known, and are computed in i64",
             (long long)p.bound);
  return qn__widen_sums(&p);
}

static bool is_integer_product(const qn_module *m, qn_op op) {
  const qn_context *ctx = qn_module_context(m);
  if (qn_op_kind_of(m, op) != QN_OP_MATMUL && qn_op_kind_of(m, op) != QN_OP_CONV2D) return false;
  return qn_type_as_quant(ctx, qn_type_elem(ctx, qn_value_type(m, qn_op_operand(m, op, 0)))) != NULL;
}

qn_status qn__pass_prove_accumulators(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_status status = QN_OK;
  bool changed = false;
  for (qn_op f = qn_block_first(m, qn_module_body(m)); f.id && !status; f = qn_op_next(m, f)) {
    if (qn_op_kind_of(m, f) != QN_OP_FUNC) continue;
    for (qn_op op = qn_block_first(m, qn_func_body(m, f)); op.id && !status; op = qn_op_next(m, op))
      if (is_integer_product(m, op)) status = prove(run, op, &changed);
  }
  qn_run_preserved(run, changed, QN_PRESERVES_SHAPES);
  return status;
}
