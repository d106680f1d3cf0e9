/* fold-qparams: products whose left (or right) operand was quantized with the range of the call.
 *
 *   %q, %s, %z = quern.dynamic_quantize %x {storage = ui8} : ..
 *   %a = quern.dequantize %q, %s, %z : ..
 *   %b = quant.dcast %w : ..
 *   %y = quern.matmul %a, %b : ..
 * becomes
 *   %acc = quern.matmul_integer %q, %c, %z : (..) -> tensor<?x10xi32>
 *   %y = quern.mul (quern.cast %acc), (quern.mul %s, dense<sb>) : ..
 */
#include "fold_qparams.h"

/* An operand of the product: codes of a plain integer type, and parameters as values. */
typedef struct side {
  qn_value codes, zero; /* zero null for 0 */
  qn_value scale;       /* as a value .. */
  const qn_quant *q;    /* .. or as a type's constants */
  bool transpose;
  qn_value from; /* codes with their quantized type, for constants */
} side;

static qn_type type_of(const qn_module *m, qn_value v) {
  return qn_value_type(m, v);
}

static uint32_t rank_of(const qn_module *m, qn_value v) {
  return qn_type_rank(qn_module_context(m), type_of(m, v));
}

static bool is_byte(const qn_module *m, qn_value codes) {
  const qn_context *ctx = qn_module_context(m);
  qn_scalar s = qn_type_memory(ctx, qn_type_elem(ctx, type_of(m, codes)));
  return qn_scalar_is_int(s) && s != QN_I1 && s != QN_INDEX && qn_scalar_get(s)->bits <= 8;
}

/* One scale for all of it, or, on the left, one per row: [.., M, 1]. */
static bool scale_fits(const qn_module *m, qn_value scale, qn_value codes, bool left, bool transpose) {
  const qn_context *ctx = qn_module_context(m);
  qn_type t = type_of(m, scale);
  uint32_t rank = qn_type_rank(ctx, t);
  if (qn_type_as_scalar(ctx, qn_type_elem(ctx, t)) != QN_F32) return false;
  if (qn_type_count(ctx, t) == 1 && rank <= 1) return true;
  if (!left || transpose || rank < 2 || rank != rank_of(m, codes)) return false;
  for (uint32_t d = 0; d + 1 < rank; d++)
    if (qn_type_shape(ctx, t)[d] != qn_type_shape(ctx, type_of(m, codes))[d]) return false;
  return qn_type_shape(ctx, t)[rank - 1] == 1;
}

static bool side_of(const qn_module *m, qn_op op, uint32_t i, side *out) {
  qn_op def = qn_value_op(m, qn_op_operand(m, op, i));
  if (qn_op_kind_of(m, def) == QN_OP_CAST) def = qn_value_op(m, qn_op_operand(m, def, 0)); /* f32 to f16, say */
  *out = (side){.transpose = qn_op_get_bool(m, op, i ? "transpose_b" : "transpose_a")};
  qn_value codes = qn_op_operand(m, def, 0);
  if (qn_op_kind_of(m, def) == QN_OP_DEQUANTIZE) {
    out->codes = codes;
    out->scale = qn_op_operand(m, def, 1);
    out->zero = qn_op_operand(m, def, 2);
    return is_byte(m, codes) && scale_fits(m, out->scale, codes, i == 0, out->transpose);
  }
  if (qn_op_kind_of(m, def) != QN_OP_DCAST) return false;
  out->from = codes;
  out->q = qn__quant_of(m, codes);
  if (!qn__has_codes(qn_module_context(m), out->q) || !is_byte(m, codes)) return false;
  int64_t column = (int64_t)rank_of(m, codes) - (out->transpose ? 2 : 1);
  return qn__is_whole(out->q) || (i == 1 && rank_of(m, codes) > 1 && qn__is_along(out->q, column));
}

/* Largest |code - zero point|, whatever the zero point is at run time. */
static int64_t reach(const qn_module *m, const side *s) {
  const qn_context *ctx = qn_module_context(m);
  qn_value codes = s->q ? s->from : s->codes;
  qn_scalar elem = qn_type_memory(ctx, qn_type_elem(ctx, type_of(m, codes)));
  int64_t span = qn_scalar_max(elem) - qn_scalar_min(elem), most = 0;
  if (!s->q) return span;
  for (uint32_t i = 0; i < s->q->num_scales; i++) {
    int64_t z = qn__zero(s->q, i), low = z - s->q->qmin, high = s->q->qmax - z;
    if (low > most) most = low;
    if (high > most) most = high;
  }
  return most < span ? most : span;
}

/* Sums of matmul_integer wrap: only those that cannot leave i32 stand for the float product. */
static bool sums_fit(const qn_module *m, const side *a, const side *b) {
  const qn_context *ctx = qn_module_context(m);
  qn_value v = a->q ? a->from : a->codes;
  uint32_t rank = rank_of(m, v);
  int64_t k = qn_type_shape(ctx, type_of(m, v))[rank - (a->transpose && rank > 1 ? 2 : 1)];
  qn_value w = b->q ? b->from : b->codes;
  uint32_t other = rank_of(m, w);
  if (k == QN_DYNAMIC) k = qn_type_shape(ctx, type_of(m, w))[other - (b->transpose || other == 1 ? 1 : 2)];
  int64_t each = reach(m, a) * reach(m, b);
  return k >= 0 && (each == 0 || k <= INT32_MAX / each);
}

/* ---- building ---- */

static qn_value swap_last(qn_builder *b, qn_value v) {
  int64_t perm[QN_MAX_RANK];
  uint32_t rank = rank_of(b->module, v);
  for (uint32_t d = 0; d < rank; d++) perm[d] = d;
  perm[rank - 2] = rank - 1, perm[rank - 1] = rank - 2;
  qn_named_attr attr = qn_named(b->module, "perm", qn_attr_ints(b->module, QN_I64, rank, perm));
  return qn_op_result(b->module, qn_op_build(b, QN_OP_TRANSPOSE, 1, &v, 1, &attr), 0);
}

/* Codes without flags and types, and the zero point: of a type, a constant. */
static void lay_out(qn_builder *b, side *s) {
  qn_module *m = b->module;
  qn_context *ctx = qn_module_context(m);
  if (s->q) {
    qn_type t = type_of(m, s->from);
    qn_scalar memory = qn_type_memory(ctx, qn_type_elem(ctx, t));
    s->codes = qn__fold_op1(b, QN_OP_SCAST, s->from, qn__as_scalars(m, t, memory));
    int64_t n = s->q->num_scales;
    if (s->q->zero_points) s->zero = qn__fold_ints(b, memory, qn__is_whole(s->q) ? 0 : 1, &n, s->q->zero_points);
  }
  if (!s->transpose) return;
  /* A constant keeps the name of its file when canonicalize has turned it. */
  qn_op constant = s->q ? qn_value_op(m, s->from) : (qn_op){0};
  s->codes = swap_last(b, s->codes);
  qn_value_set_name(m, s->codes, qn_value_name(m, qn_op_operand(m, constant, 0)));
}

static qn_value scale_of(qn_rewriter *r, qn_builder *b, const side *s) {
  if (!s->q) return s->scale;
  int64_t n = s->q->num_scales;
  float *scales = qn_run_alloc(qn_rewriter_run(r), (size_t)n * sizeof *scales);
  if (!scales) return (qn_value){0};
  for (uint32_t i = 0; i < (uint32_t)n; i++) scales[i] = qn__scale(s->q, i);
  return qn__fold_f32(b, qn__is_whole(s->q) ? 0 : 1, &n, scales);
}

static qn_value built(qn_builder *b, qn_op_kind kind, uint32_t n, const qn_value *operands) {
  for (uint32_t i = 0; i < n; i++)
    if (!operands[i].id) return (qn_value){0};
  return qn_op_result(b->module, qn_op_build(b, kind, n, operands, 0, NULL), 0);
}

static qn_value integer_product(qn_builder *b, side *a, side *w, qn_type y) {
  qn_value operands[4] = {a->codes, w->codes, a->zero, w->zero};
  uint32_t n = w->zero.id ? 4 : a->zero.id ? 3 : 2;
  if (n == 4 && !a->zero.id) {
    static const int32_t none = 0;
    qn_context *ctx = qn_module_context(b->module);
    operands[2] =
        qn__fold_ints(b, qn_type_as_scalar(ctx, qn_type_elem(ctx, type_of(b->module, a->codes))), 0, NULL, &none);
  }
  return qn__fold_op(b, QN_OP_MATMUL_INTEGER, n, operands, qn__as_scalars(b->module, y, QN_I32));
}

qn_status qn__fold_dynamic_matmul(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  side a, w;
  qn_type y = type_of(m, qn_op_result(m, op, 0));
  if (!side_of(m, op, 0, &a) || !side_of(m, op, 1, &w) || (a.q && w.q) || !sums_fit(m, &a, &w)) return QN_OK;
  /* A scale per row, or of shape [1], needs that axis in the result. */
  uint32_t rank = qn_type_rank(qn_module_context(m), y);
  uint32_t needed = a.scale.id ? rank_of(m, a.scale) : 0;
  if (needed > rank || (needed > 1 && rank_of(m, w.q ? w.from : w.codes) == 1) ||
      (w.scale.id && rank_of(m, w.scale) > rank))
    return QN_OK;
  qn_builder b = qn_builder_before(m, op);
  lay_out(&b, &a);
  lay_out(&b, &w);
  qn_type f32 = qn__as_scalars(m, y, QN_F32);
  const qn_value scales[2] = {scale_of(r, &b, &a), scale_of(r, &b, &w)};
  qn_value acc = qn__fold_op1(&b, QN_OP_CAST, integer_product(&b, &a, &w, y), f32);
  qn_value v = qn__fold_op2(&b, QN_OP_MUL, acc, built(&b, QN_OP_MUL, 2, scales), f32);
  if (!qn_type_eq(f32, y)) v = qn__fold_op1(&b, QN_OP_CAST, v, y);
  return qn__fold_replace(r, op, v);
}
