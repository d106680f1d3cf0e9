/* lower-kernels: quern.attention becomes kern.attention over a packed transpose of k and a packed v, both made in one
 * pass over them.
 *
 *   %y = quern.attention %q, %k, %v {scale = 0.125} : (..)
 * becomes
 *   %kt = kern.pack %k {layout = "k1n64", transpose = true}       one panel per block of keys
 *   %vp = kern.pack %v {layout = "k1n16"}
 *   %y = kern.attention %q, %kt, %vp score {mul 0.125} weight {e^(s - m)} epilogue {o / l} {..}
 *
 * Floats of v whose rows are whole vectors are read where they are; and for few queries k, and v of codes, too, which
 * the kernel then brings into these layouts block by block.
 *
 * Codes are brought to the pair that hardware multiplies, u8 by i8; what the zero points add is taken from the scores'
 * sums as in products of matrices, with the sums over d as extras:
 *
 *   sum (q - zq)(k - zk) = sum qk - zq * sum k - zk * sum (q - zq)
 *
 * Heads of k and v that groups of q's heads share: q and y are seen with the heads of a group as an axis of their own,
 * along which k and v are broadcast; or, where there is one query that sees all keys, as queries of one head.
 *
 * One or two queries of codes around zero are multiplied as signed codes where a machine can do that with k and v as
 * they lie (lib/llvm/attention_few.c): then there are no sums of k. */
#include "lower_kernels.h"
#include <math.h>
#include <quern/unstable/layout.h>
#include <stdio.h>
#include <string.h>

typedef struct attention {
  lowering *l;
  qn_builder *b;
  qn_op op;
  qn_value q, k, v, mask; /* mask null for none */
  bool codes;
  int32_t q_zero, k_zero, v_zero; /* of u8, i8 and i8 codes */
  float score_scale, v_scale;
  qn_value extras[3]; /* sums of k, sums of q, mask: those there are */
  uint32_t num_extras;
  bool joined; /* heads of a group have become queries */
} attention;

static qn_type type_of(const attention *a, qn_value v) {
  return qn_value_type(a->l->m, v);
}

static qn_value one_map(attention *a, qn_value x, qn_type elem, qn_value (*f)(attention *, qn_builder *, qn_value)) {
  qn_type t = qn_type_with_elem(a->l->ctx, type_of(a, x), elem);
  qn_builder body;
  qn_op op = qn__make_loop(a->b, QN_OP_MAP, 1, &x, 1, &t, &body);
  qn_value y = f(a, &body, qn_block_arg(a->l->m, body.block, 0));
  qn__yield(&body, 1, &y);
  return qn_op_result(a->l->m, op, 0);
}

static qn_value widen_float(attention *a, qn_builder *b, qn_value x) {
  return qn__to_f32(a->l, b, x);
}
static qn_value flip(attention *a, qn_builder *b, qn_value x) {
  return qn__s2(b, QN_OP_XORI, x, qn__i(b, type_of(a, x), -128));
}

static qn_value f32_operand(attention *a, uint32_t i) {
  qn_value v = qn_op_operand(a->l->m, a->op, i);
  qn_type f32 = qn__scalar_t(a->l, QN_F32);
  bool same = qn_type_memory(a->l->ctx, qn_type_elem(a->l->ctx, type_of(a, v))) == QN_F32;
  return same ? v : one_map(a, v, f32, widen_float);
}

/* A quantized operand as plain codes of `want`, with their zero point. */
static qn_value code_operand(attention *a, uint32_t i, qn_scalar want, int32_t *zero, float *scale) {
  lowering *l = a->l;
  qn_value v = qn_op_operand(l->m, a->op, i);
  qn_type t = type_of(a, v);
  const qn_quant *q = qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, t));
  bool is_signed = q->is_signed;
  *zero = q->zero_points ? q->zero_points[0] : 0;
  *scale = q->scales[0];
  int64_t same[QN_MAX_RANK];
  uint32_t rank = qn_type_rank(l->ctx, t);
  for (uint32_t d = 0; d < rank; d++) same[d] = -2 - (int64_t)d;
  qn_type plain = qn_type_with_elem(l->ctx, t, qn__scalar_t(l, is_signed ? QN_I8 : QN_UI8));
  v = qn__make_view(a->b, v, plain,
                    qn_type_is_static(l->ctx, plain) ? (qn_attr){0} : qn_attr_ints(l->m, QN_I64, rank, same));
  if (is_signed == (want == QN_I8)) return v;
  *zero += is_signed ? 128 : -128;
  return one_map(a, v, qn__scalar_t(l, want), flip);
}

/* ---- heads in groups ---- */

/* How many heads of q read one head of k and v; 1 where that is not known to be more. */
static int64_t group_of(const attention *a) {
  lowering *l = a->l;
  qn_type tq = type_of(a, a->q);
  uint32_t rank = qn_type_rank(l->ctx, tq);
  if (rank < 3) return 1;
  int64_t heads = qn_type_shape(l->ctx, tq)[rank - 3], shared = qn_type_shape(l->ctx, type_of(a, a->k))[rank - 3];
  return heads > 0 && shared > 0 ? heads / shared : 1;
}

/* Whether there is a single query, that sees every key, for heads in groups. */
static bool joins_queries(const attention *a) {
  lowering *l = a->l;
  qn_type tq = type_of(a, a->q);
  bool all = !qn_str_eq(qn_op_get_string(l->m, a->op, "causal"), qn_str_of("top_left"));
  return all && group_of(a) > 1 && qn_type_shape(l->ctx, tq)[qn_type_rank(l->ctx, tq) - 2] == 1;
}

/* Another shape of x's elements: sizes, what they are called, and what kern.view is told (-2 - d is axis d of x). */
typedef struct reshaped {
  uint32_t rank;
  int64_t shape[QN_MAX_RANK + 1], spec[QN_MAX_RANK + 1];
  qn_name symbols[QN_MAX_RANK + 1];
} reshaped;

static void keep_axis(reshaped *r, const lowering *l, qn_type t, uint32_t to, uint32_t from) {
  r->shape[to] = qn_type_shape(l->ctx, t)[from], r->symbols[to] = qn_type_symbol(l->ctx, t, from);
  r->spec[to] = -2 - (int64_t)from;
}

static void set_axis(reshaped *r, uint32_t to, int64_t size) {
  r->shape[to] = r->spec[to] = size, r->symbols[to].id = 0;
}

static reshaped as_it_is(const attention *a, qn_value x) {
  qn_type t = type_of(a, x);
  reshaped r = {.rank = qn_type_rank(a->l->ctx, t)};
  for (uint32_t d = 0; d < r.rank; d++) keep_axis(&r, a->l, t, d, d);
  return r;
}

static qn_value view_as(attention *a, qn_value x, const reshaped *r) {
  qn_context *ctx = a->l->ctx;
  qn_type elem = qn_type_elem(ctx, type_of(a, x));
  return qn__make_view(a->b, x, qn_type_tensor_symbols(ctx, elem, r->rank, r->shape, r->symbols),
                       qn_attr_ints(a->l->m, QN_I64, r->rank, r->spec));
}

/* Axis `axis` of x as two: outer by inner. A dynamic size elsewhere stays what it is. */
static qn_value split_axis(attention *a, qn_value x, uint32_t axis, int64_t outer, int64_t inner) {
  reshaped r = as_it_is(a, x);
  for (uint32_t d = axis + 1; d < r.rank; d++) keep_axis(&r, a->l, type_of(a, x), d + 1, d);
  set_axis(&r, axis, outer);
  set_axis(&r, axis + 1, inner);
  r.rank++;
  return view_as(a, x, &r);
}

/* x with `axis` of heads and the axis of one query behind it as `outer` heads of `inner` queries. */
static qn_value regroup(attention *a, qn_value x, uint32_t axis, int64_t outer, int64_t inner) {
  reshaped r = as_it_is(a, x);
  set_axis(&r, axis, outer);
  set_axis(&r, axis + 1, inner);
  return view_as(a, x, &r);
}

/* One query per head: those of a group's heads are queries of one head, which reads each key once for all of them. */
static qn_status join_queries(attention *a, uint32_t axis, int64_t shared, int64_t group) {
  lowering *l = a->l;
  a->q = regroup(a, a->q, axis, shared, group);
  a->joined = true;
  uint32_t rank = a->mask.id ? qn_type_rank(l->ctx, type_of(a, a->mask)) : 0;
  if (rank >= 3 && qn_type_shape(l->ctx, type_of(a, a->mask))[rank - 3] != 1)
    a->mask = regroup(a, a->mask, rank - 3, shared, group);
  return QN_OK;
}

static qn_status split_heads(attention *a) {
  lowering *l = a->l;
  qn_type tq = type_of(a, a->q), tk = type_of(a, a->k);
  uint32_t rank = qn_type_rank(l->ctx, tq);
  if (rank < 3) return QN_OK;
  int64_t heads = qn_type_shape(l->ctx, tq)[rank - 3], shared = qn_type_shape(l->ctx, tk)[rank - 3];
  if (joins_queries(a)) return join_queries(a, rank - 3, shared, heads / shared);
  if (heads == shared || shared == 1 || heads <= 0 || shared <= 0) return QN_OK;
  if (rank == QN_MAX_RANK)
    return qn_op_error(l->m, a->op, QN_DIAG_UNSUPPORTED,
                       "heads in groups take one more axis than the %u there are, and %d is the limit", rank,
                       QN_MAX_RANK);
  uint32_t axis = rank - 3;
  a->q = split_axis(a, a->q, axis, shared, heads / shared);
  a->k = split_axis(a, a->k, axis, shared, 1);
  a->v = split_axis(a, a->v, axis, shared, 1);
  uint32_t mask_rank = a->mask.id ? qn_type_rank(l->ctx, type_of(a, a->mask)) : 0;
  if (mask_rank < 3) return QN_OK;
  bool single = qn_type_shape(l->ctx, type_of(a, a->mask))[mask_rank - 3] == 1;
  a->mask = split_axis(a, a->mask, mask_rank - 3, single ? 1 : shared, single ? 1 : heads / shared);
  return QN_OK;
}

/* ---- sums over d ---- */

/* Sum over the last axis of codes, less `zero` each, in i32: [.., n, 1]. */
static qn_value sum_codes(attention *a, qn_value x, int32_t zero) {
  lowering *l = a->l;
  qn_type t = type_of(a, x), i32 = qn__scalar_t(l, QN_I32);
  uint32_t rank = qn_type_rank(l->ctx, t);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++)
    shape[d] = d + 1 == rank ? 1 : qn_type_shape(l->ctx, t)[d], symbols[d] = qn_type_symbol(l->ctx, t, d);
  symbols[rank - 1].id = 0;
  qn_type sums = qn_type_tensor_symbols(l->ctx, i32, rank, shape, symbols);
  qn_builder body;
  qn_op op = qn__make_loop(a->b, QN_OP_ROW, 1, &x, 1, &sums, &body);
  qn_value e = qn__widen(l, &body, qn_block_arg(l->m, body.block, 0), qn__is_unsigned(l, t), i32);
  if (zero) e = qn__s2(&body, QN_OP_SUBI, e, qn__i(&body, i32, zero));
  e = qn__s1(&body, QN_OP_ALL_SUM, e);
  qn__yield(&body, 1, &e);
  return qn_op_result(l->m, op, 0);
}

/* [.., n, 1] as [.., 1, n]. */
static qn_value lay_down(attention *a, qn_value x) {
  reshaped r = as_it_is(a, x);
  keep_axis(&r, a->l, type_of(a, x), r.rank - 1, r.rank - 2);
  set_axis(&r, r.rank - 2, 1);
  return view_as(a, x, &r);
}

/* ---- the kernel ---- */

static qn_value pack(attention *a, qn_value x, const char *layout, bool transpose) {
  lowering *l = a->l;
  qn_type t = type_of(a, x);
  uint32_t rank = qn_type_rank(l->ctx, t);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) {
    uint32_t from = !transpose || d + 2 < rank ? d : d + 1 == rank ? d - 1 : d + 1;
    shape[d] = qn_type_shape(l->ctx, t)[from], symbols[d] = qn_type_symbol(l->ctx, t, from);
  }
  qn_named_attr attrs[2] = {qn_named(l->m, "layout", qn_attr_string(l->m, qn_str_of(layout))),
                            qn_named(l->m, "transpose", qn_attr_bool(l->m, true))};
  qn_type packed = qn_type_tensor_symbols(l->ctx, qn_type_elem(l->ctx, t), rank, shape, symbols);
  qn_op_desc desc = {.kind = QN_OP_PACK,
                     .num_operands = 1,
                     .operands = &x,
                     .num_results = 1,
                     .results = &packed,
                     .num_attrs = transpose ? 2 : 1,
                     .attrs = attrs};
  return qn_op_result(l->m, qn_op_create(a->b, &desc), 0);
}

static qn_builder region(attention *a, qn_op kernel, uint32_t i) {
  qn_builder b = qn_builder_at_end(a->l->m, qn_op_region(a->l->m, kernel, i));
  b.loc = a->b->loc;
  return b;
}
static qn_value argument(attention *a, qn_builder *b, qn_type t) {
  return qn_block_add_arg(a->l->m, b->block, t, (qn_name){0});
}

static void write_score(attention *a, qn_op kernel) {
  lowering *l = a->l;
  qn_builder b = region(a, kernel, 0);
  qn_type f32 = qn__scalar_t(l, QN_F32), i32 = qn__scalar_t(l, QN_I32);
  qn_value s = argument(a, &b, a->codes ? i32 : f32), args[3];
  for (uint32_t i = 0; i < a->num_extras; i++) args[i] = argument(a, &b, qn__body_type(l, type_of(a, a->extras[i])));
  uint32_t at = 0;
  if (a->codes && a->q_zero)
    s = qn__s2(&b, QN_OP_SUBI, s, qn__s2(&b, QN_OP_MULI, args[at++], qn__i(&b, i32, a->q_zero)));
  if (a->codes && a->k_zero)
    s = qn__s2(&b, QN_OP_SUBI, s, qn__s2(&b, QN_OP_MULI, args[at++], qn__i(&b, i32, a->k_zero)));
  if (a->codes) s = qn__convert(&b, QN_OP_SITOFP, s, f32);
  s = qn__s2(&b, QN_OP_MULF, s, qn__f(&b, f32, (double)a->score_scale));
  if (a->mask.id) {
    bool is_float = qn__is_float(l, type_of(a, a->mask));
    s = is_float ? qn__s2(&b, QN_OP_ADDF, s, qn__to_f32(l, &b, args[at]))
                 : qn__select(&b, args[at], s, qn__f(&b, f32, -(double)INFINITY));
  }
  qn__yield(&b, 1, &s);
}

static void write_weight(attention *a, qn_op kernel) {
  lowering *l = a->l;
  qn_builder b = region(a, kernel, 1);
  qn_type f32 = qn__scalar_t(l, QN_F32);
  qn_value s = argument(a, &b, f32), m = argument(a, &b, f32);
  qn_value yields[2] = {qn__s1(&b, QN_OP_MATH_EXP, qn__s2(&b, QN_OP_SUBF, s, m)), {0}};
  if (a->codes) {
    qn_value nought = qn__f(&b, f32, 0), most = qn__f(&b, f32, 255);
    qn_value t = qn__s2(&b, QN_OP_MULF, yields[0], most);
    t = qn__select(&b, qn__cmp(&b, QN_OP_CMPF, CMPF_OGT, t, nought), t, nought); /* NaN: 0 */
    t = qn__select(&b, qn__cmp(&b, QN_OP_CMPF, CMPF_OLT, t, most), t, most);
    t = qn__convert(&b, QN_OP_FPTOSI, qn__s1(&b, QN_OP_MATH_ROUNDEVEN, t), qn__scalar_t(l, QN_I32));
    yields[1] = qn__convert(&b, QN_OP_TRUNCI, t, qn__scalar_t(l, QN_I8));
  }
  qn__yield(&b, a->codes ? 2 : 1, yields);
}

static void write_epilogue(attention *a, qn_op kernel, qn_type result) {
  lowering *l = a->l;
  qn_builder b = region(a, kernel, 2);
  qn_type f32 = qn__scalar_t(l, QN_F32);
  qn_value o = argument(a, &b, f32), sum = argument(a, &b, f32), nought = qn__f(&b, f32, 0);
  qn_value y = qn__s2(&b, QN_OP_DIVF, o, sum);
  if (a->codes) {
    y = qn__s2(&b, QN_OP_ADDF, y, qn__f(&b, f32, (double)-a->v_zero));
    y = qn__s2(&b, QN_OP_MULF, y, qn__f(&b, f32, (double)a->v_scale));
  }
  y = qn__select(&b, qn__cmp(&b, QN_OP_CMPF, CMPF_OEQ, sum, nought), nought, y);
  y = qn__from_f32(l, &b, y, qn__body_type(l, result));
  qn__yield(&b, 1, &y);
}

/* Tiles cover rows of v of these lengths in vectors of every machine. */
static bool in_place(const attention *a) {
  qn_type t = type_of(a, a->v);
  int64_t dv = qn_type_shape(a->l->ctx, t)[qn_type_rank(a->l->ctx, t) - 1];
  return !a->codes && dv > 0 && dv <= 1024 && (dv % 64 == 0 || (dv < 64 && dv % 16 == 0));
}

/* Whether k, and v of codes, are brought into their layouts where they are used. For few queries packing all of k first
 * takes longer than everything else: it reads, writes and reads again what each key is multiplied with little. What is
 * constant is packed once and for all. */
static bool few_queries(const attention *a, int64_t key_block) {
  enum { FEW = 16, MOST_BYTES = 1 << 16 };
  lowering *l = a->l;
  qn_type tq = type_of(a, a->q), tk = type_of(a, a->k), tv = type_of(a, a->v);
  uint32_t r = qn_type_rank(l->ctx, tq);
  int64_t queries = qn_type_shape(l->ctx, tq)[r - 2], d = qn_type_shape(l->ctx, tk)[r - 1];
  int64_t dv = qn_type_shape(l->ctx, tv)[r - 1], bytes = a->codes ? 1 : 4;
  qn_op from = qn_value_op(l->m, a->k);
  if (from.id && qn_op_kind_of(l->m, from) == QN_OP_CONSTANT) return false;
  return queries >= 0 && queries <= FEW && d >= 0 && d * key_block * bytes <= MOST_BYTES && dv >= 0 &&
         dv * key_block * bytes <= MOST_BYTES;
}

/* Whether a machine multiplies the codes of these queries, signed, and of k and v where they lie. Then no sums over k's
 * codes are needed either, if q's zero point is in the middle. */
static bool is_direct(const attention *a) {
  enum { ROWS = 2, MOST_CODES = 256, COLUMNS = 64 };
  lowering *l = a->l;
  qn_type tq = type_of(a, a->q), tk = type_of(a, a->k), tv = type_of(a, a->v);
  const qn_quant *q = qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, tq));
  uint32_t r = qn_type_rank(l->ctx, tq);
  int64_t queries = qn_type_shape(l->ctx, tq)[r - 2], d = qn_type_shape(l->ctx, tk)[r - 1];
  int64_t dv = qn_type_shape(l->ctx, tv)[r - 1], zero = q->zero_points ? q->zero_points[0] : 0;
  if (joins_queries(a)) queries = group_of(a);
  return strcmp(l->isa->arch, "x86_64") == 0 && l->isa->vector_bits == 512 && (l->isa->has & QN_ISA_DOT8) &&
         zero == (q->is_signed ? 0 : 128) && queries > 0 && queries <= ROWS && d > 0 && d <= MOST_CODES && dv > 0 &&
         dv % COLUMNS == 0 && few_queries(a, qn_op_get_int(l->m, a->op, "key_block"));
}

static qn_value make_kernel(attention *a, const char *layout, qn_type result) {
  lowering *l = a->l;
  qn_layout best;
  int64_t key_block = qn_op_get_int(l->m, a->op, "key_block");
  if (!qn_layout_parse(qn_str_of(layout), &best)) return (qn_value){0};
  char layout_k[32], layout_v[32];
  snprintf(layout_k, sizeof layout_k, "k%un%u", best.k_block, (unsigned)key_block);
  snprintf(layout_v, sizeof layout_v, "k%un16", best.k_block);
  bool few = few_queries(a, key_block), v_rows = in_place(a) || (few && a->codes);
  if (few) snprintf(layout_k, sizeof layout_k, "plain");
  if (v_rows) snprintf(layout_v, sizeof layout_v, "plain");
  qn_value operands[6] = {a->q, few ? a->k : pack(a, a->k, layout_k, true),
                          v_rows ? a->v : pack(a, a->v, layout_v, false)};
  for (uint32_t i = 0; i < a->num_extras; i++) operands[3 + i] = a->extras[i];
  qn_named_attr attrs[5];
  uint32_t n = 0;
  attrs[n++] = qn_named(l->m, "acc", qn_attr_type(l->m, qn__scalar_t(l, a->codes ? QN_I32 : QN_F32)));
  attrs[n++] = qn_named(l->m, "layout_k", qn_attr_string(l->m, qn_str_of(layout_k)));
  attrs[n++] = qn_named(l->m, "layout_v", qn_attr_string(l->m, qn_str_of(layout_v)));
  attrs[n++] = qn_named(l->m, "key_block", qn_attr_int(l->m, qn__scalar_t(l, QN_I64), key_block));
  qn_str causal = qn_op_get_string(l->m, a->op, "causal");
  if (!qn_str_eq(causal, qn_str_of("none")) && !a->joined)
    attrs[n++] = qn_named(l->m, "causal", qn_attr_string(l->m, causal));
  qn_op_desc desc = {.kind = QN_OP_KERN_ATTENTION,
                     .num_operands = 3 + a->num_extras,
                     .operands = operands,
                     .num_results = 1,
                     .results = &result,
                     .num_attrs = n,
                     .attrs = attrs,
                     .num_regions = 3};
  qn_op kernel = qn_op_create(a->b, &desc);
  write_score(a, kernel);
  write_weight(a, kernel);
  write_epilogue(a, kernel, result);
  return qn_op_result(l->m, kernel, 0);
}

/* y's type by the (perhaps split) q and v. */
static qn_type result_type(const attention *a, qn_type want) {
  qn_context *ctx = a->l->ctx;
  qn_type tq = type_of(a, a->q);
  uint32_t rank = qn_type_rank(ctx, tq), wr = qn_type_rank(ctx, want);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) shape[d] = qn_type_shape(ctx, tq)[d], symbols[d] = qn_type_symbol(ctx, tq, d);
  shape[rank - 1] = qn_type_shape(ctx, want)[wr - 1], symbols[rank - 1] = qn_type_symbol(ctx, want, wr - 1);
  return rank == wr && !a->joined ? want : qn_type_tensor_symbols(ctx, qn_type_elem(ctx, want), rank, shape, symbols);
}

/* A split result seen with its heads in one axis again. */
static qn_value join_heads(attention *a, qn_value y, qn_type want) {
  lowering *l = a->l;
  uint32_t rank = qn_type_rank(l->ctx, want);
  if (qn_type_rank(l->ctx, type_of(a, y)) == rank && !a->joined) return y;
  if (a->joined) return regroup(a, y, rank - 3, qn_type_shape(l->ctx, want)[rank - 3], 1);
  int64_t spec[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) spec[d] = -2 - (int64_t)(d + 2 < rank ? d : d + 1);
  spec[rank - 3] = qn_type_shape(l->ctx, want)[rank - 3];
  return qn__make_view(a->b, y, want, qn_attr_ints(l->m, QN_I64, rank, spec));
}

static float scale_of(const attention *a) {
  qn_module *m = a->l->m;
  if (qn_op_attr(m, a->op, "scale").id) return (float)qn_op_get_float(m, a->op, "scale");
  qn_type t = qn_value_type(m, qn_op_operand(m, a->op, 0));
  int64_t d = qn_type_shape(a->l->ctx, t)[qn_type_rank(a->l->ctx, t) - 1];
  return d > 0 ? (float)(1.0 / sqrt((double)d)) : 1.0f;
}

static qn_status check(lowering *l, qn_op op) {
  qn_type t = qn_value_type(l->m, qn_op_operand(l->m, op, 0));
  if (qn_op_attr(l->m, op, "scale").id || qn_type_shape(l->ctx, t)[qn_type_rank(l->ctx, t) - 1] != QN_DYNAMIC)
    return QN_OK;
  return qn_op_error(l->m, op, QN_DIAG_SHAPE,
                     "the size of a head is not known: give 'scale', or bind the last axis of q with infer-shapes");
}

qn_status qn__lower_attention(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  attention a = {.l = l, .b = &b, .op = op};
  qn_type tq = qn_value_type(l->m, qn_op_operand(l->m, op, 0)), want = qn_value_type(l->m, qn_op_result(l->m, op, 0));
  qn_status status = check(l, op);
  if (status) return status;
  a.codes = qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, tq)) != NULL;
  if (qn_op_num_operands(l->m, op) > 3) a.mask = qn_op_operand(l->m, op, 3);
  float scale = scale_of(&a), q_scale = 1, k_scale = 1;
  a.q = qn_op_operand(l->m, op, 0), a.k = qn_op_operand(l->m, op, 1), a.v = qn_op_operand(l->m, op, 2);
  bool direct = a.codes && is_direct(&a);
  if (a.codes) {
    a.q = code_operand(&a, 0, direct ? QN_I8 : QN_UI8, &a.q_zero, &q_scale);
    a.k = code_operand(&a, 1, QN_I8, &a.k_zero, &k_scale);
    a.v = code_operand(&a, 2, QN_I8, &a.v_zero, &a.v_scale);
  } else {
    a.q = f32_operand(&a, 0), a.k = f32_operand(&a, 1), a.v = f32_operand(&a, 2);
  }
  a.score_scale = a.codes ? (float)((double)q_scale * (double)k_scale * (double)scale) : scale;
  status = split_heads(&a);
  if (status) return status;
  if (a.codes && a.q_zero) a.extras[a.num_extras++] = lay_down(&a, sum_codes(&a, a.k, 0));
  if (a.codes && a.k_zero) a.extras[a.num_extras++] = sum_codes(&a, a.q, a.q_zero);
  if (a.mask.id) a.extras[a.num_extras++] = a.mask;
  qn_scalar lhs = a.codes ? QN_UI8 : QN_F32, rhs = a.codes ? QN_I8 : QN_F32, acc = a.codes ? QN_I32 : QN_F32;
  const char *layout = qn_isa_gemm_layout(l->isa, lhs, rhs, acc);
  if (!layout)
    return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED, "no kernel of %s multiplies %s by %s", l->isa->name,
                       qn_scalar_get(lhs)->text, qn_scalar_get(rhs)->text);
  qn_value y = join_heads(&a, make_kernel(&a, layout, result_type(&a, want)), want);
  return qn__lower_done(l, op, &y);
}
