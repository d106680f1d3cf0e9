/* BLOCK_ROWS: rows of activations in blocks: codes, scale, and the sum of the codes.
 *
 * With AVX-512, blocks of usual numbers are divided by products, as codes.c has it: exact for scales from 2^-20 to
 * 2^20, unless a quotient is far below 1/2. There is no NaN among them, and no quotient is limited, as the largest is
 * 127. */
#include "ll.h"
#include <float.h>

enum { MAGIC = 0x4B400000, LEAST_USUAL = 0x39800000, MOST_USUAL = 0x4C800000 }; /* 1.5 * 2^23, 2^-12, 2^26 */

typedef struct rows_state {
  qn_ll *g;
  const qn_block_rows_plan *plan;
  uint32_t lanes, vectors; /* a block is vectors x lanes elements */
  LLVMTypeRef ints, floats, bytes;
  LLVMValueRef x, to, scales, k_size; /* of the present row */
  LLVMValueRef rest;                  /* the last, partial block of the row with zeros behind it */
  uint32_t elem_bytes;
} rows_state;

static LLVMValueRef splat(rows_state *s, LLVMTypeRef t, uint32_t bits) {
  return qn__ll_bits(s->g, t, bits);
}

/* amax of the block as a scalar: bits of floats order as numbers do; NaN counts as 0, the rest is clamped. */
static LLVMValueRef block_scale(rows_state *s, const LLVMValueRef *x) {
  qn_ll *g = s->g;
  const uint32_t infinity = 0x7F800000u, most = 0x7EFFFFFFu /* FLT_MAX / 2 */, least = 0x00800000u /* FLT_MIN */;
  LLVMValueRef all = NULL;
  for (uint32_t v = 0; v < s->vectors; v++) {
    LLVMValueRef bits = LLVMBuildBitCast(g->b, x[v], s->ints, "");
    bits = LLVMBuildAnd(g->b, bits, splat(s, s->ints, 0x7FFFFFFFu), "");
    LLVMValueRef is_nan = LLVMBuildICmp(g->b, LLVMIntUGT, bits, splat(s, s->ints, infinity), "");
    bits = LLVMBuildSelect(g->b, is_nan, LLVMConstNull(s->ints), bits, "");
    all = all ? LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, bits, all, ""), bits, all, "") : bits;
  }
  LLVMValueRef amax = qn__ll_intrinsic(g, "llvm.vector.reduce.smax", 1, &s->ints, 1, &all);
  LLVMValueRef limit = qn__ll_i32(g, most);
  amax = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, amax, limit, ""), limit, amax, "");
  LLVMValueRef value = LLVMBuildBitCast(g->b, amax, g->f32, "");
  LLVMValueRef scale = LLVMBuildFDiv(g->b, value, LLVMConstReal(g->f32, 127), "");
  LLVMValueRef floor = qn__ll_bits(g, g->f32, least);
  scale = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOLT, scale, floor, ""), floor, scale, "");
  LLVMValueRef none = LLVMBuildICmp(g->b, LLVMIntEQ, amax, qn__ll_i32(g, 0), "");
  return LLVMBuildSelect(g->b, none, LLVMConstReal(g->f32, 1), scale, "");
}

/* rne(clamp(x / s)), NaN as 0: adding 1.5 * 2^23 rounds, and leaves the integer in the low bits. */
static LLVMValueRef code_of(rows_state *s, LLVMValueRef x, LLVMValueRef scale) {
  qn_ll *g = s->g;
  LLVMValueRef t = LLVMBuildFDiv(g->b, x, qn__ll_splat(g, scale, s->lanes), "");
  LLVMValueRef low = qn__ll_splat(g, LLVMConstReal(g->f32, -127), s->lanes);
  LLVMValueRef high = qn__ll_splat(g, LLVMConstReal(g->f32, 127), s->lanes);
  LLVMValueRef is_nan = LLVMBuildFCmp(g->b, LLVMRealUNO, t, t, "");
  t = LLVMBuildSelect(g->b, is_nan, LLVMConstNull(s->floats), t, "");
  t = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOLT, t, low, ""), low, t, "");
  t = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, t, high, ""), high, t, "");
  t = LLVMBuildFAdd(g->b, t, splat(s, s->floats, MAGIC), "");
  return LLVMBuildSub(g->b, LLVMBuildBitCast(g->b, t, s->ints, ""), splat(s, s->ints, MAGIC), "");
}

static void finish(rows_state *s, LLVMValueRef to, LLVMValueRef scale, LLVMValueRef sum, uint32_t too_much) {
  qn_ll *g = s->g;
  LLVMValueRef total = qn__ll_intrinsic(g, "llvm.vector.reduce.add", 1, &s->ints, 1, &sum);
  total = qn__ll_sub(g, total, qn__ll_i32(g, too_much));
  total = LLVMBuildMul(g->b, total, qn__ll_i32(g, (uint32_t)-s->plan->offset), "");
  qn__ll_store_vec(g, scale, qn__ll_gep_const(g, to, s->plan->block), 1);
  qn__ll_store_vec(g, total, qn__ll_gep_const(g, to, (int64_t)s->plan->block + 4), 1);
}

static void store_codes(rows_state *s, LLVMValueRef code, LLVMValueRef to, uint32_t v) {
  LLVMValueRef at = qn__ll_gep_const(s->g, to, (int64_t)v * s->lanes);
  qn__ll_store_vec(s->g, LLVMBuildTrunc(s->g->b, code, s->bytes, ""), at, 1);
}

/* The largest absolute value's bits, of NaN too. */
static LLVMValueRef largest(rows_state *s, const LLVMValueRef *x) {
  qn_ll *g = s->g;
  LLVMValueRef all = NULL;
  for (uint32_t v = 0; v < s->vectors; v++) {
    LLVMValueRef bits = LLVMBuildBitCast(g->b, x[v], s->ints, "");
    bits = LLVMBuildAnd(g->b, bits, splat(s, s->ints, 0x7FFFFFFFu), "");
    all = all ? LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, bits, all, ""), bits, all, "") : bits;
  }
  return qn__ll_intrinsic(g, "llvm.vector.reduce.smax", 1, &s->ints, 1, &all);
}

/* Codes are the low bytes of what 1.5 * 2^23 has made of the quotients; their sum has that as often too much. */
static void usual_block(rows_state *s, const LLVMValueRef *x, LLVMValueRef amax, LLVMValueRef to) {
  qn_ll *g = s->g;
  LLVMValueRef one = LLVMConstReal(g->f32, 1), sum = NULL;
  LLVMValueRef scale = LLVMBuildFDiv(g->b, LLVMBuildBitCast(g->b, amax, g->f32, ""), LLVMConstReal(g->f32, 127), "");
  LLVMValueRef inverse = LLVMBuildFDiv(g->b, one, scale, ""), minus = LLVMBuildFNeg(g->b, scale, "");
  LLVMValueRef rest = LLVMBuildFMul(g->b, qn__ll_fma(g, inverse, minus, one, false, 1), inverse, "");
  inverse = qn__ll_splat(g, inverse, s->lanes), minus = qn__ll_splat(g, minus, s->lanes);
  rest = qn__ll_splat(g, rest, s->lanes);
  for (uint32_t v = 0; v < s->vectors; v++) {
    LLVMValueRef q = qn__ll_fma(g, x[v], inverse, LLVMBuildFMul(g->b, x[v], rest, ""), false, s->lanes);
    q = qn__ll_fma(g, qn__ll_fma(g, q, minus, x[v], false, s->lanes), inverse, q, false, s->lanes);
    q = LLVMBuildBitCast(g->b, LLVMBuildFAdd(g->b, q, splat(s, s->floats, MAGIC), ""), s->ints, "");
    store_codes(s, q, to, v);
    sum = sum ? LLVMBuildAdd(g->b, sum, q, "") : q;
  }
  finish(s, to, scale, sum, s->plan->block * (uint32_t)MAGIC);
}

static void any_block(rows_state *s, const LLVMValueRef *x, LLVMValueRef block, LLVMValueRef to) {
  qn_ll *g = s->g;
  LLVMValueRef sum = LLVMConstNull(s->ints), scale;
  if (s->plan->from_codes)
    scale = qn__ll_load_vec(g, g->f32, qn__ll_gep(g, s->scales, qn__ll_mul(g, block, qn__ll_i64(g, 4))), 1);
  else
    scale = block_scale(s, x);
  for (uint32_t v = 0; v < s->vectors; v++) {
    LLVMValueRef code = s->plan->from_codes ? LLVMBuildSExt(g->b, x[v], s->ints, "") : code_of(s, x[v], scale);
    sum = LLVMBuildAdd(g->b, sum, code, "");
    store_codes(s, code, to, v);
  }
  finish(s, to, scale, sum, 0);
}

static void one_block(rows_state *s, LLVMValueRef block) {
  qn_ll *g = s->g;
  uint32_t size = s->plan->block, count = s->vectors;
  LLVMValueRef first = qn__ll_mul(g, block, qn__ll_i64(g, size));
  LLVMValueRef whole = LLVMBuildICmp(g->b, LLVMIntSLE, qn__ll_add(g, first, qn__ll_i64(g, size)), s->k_size, "");
  LLVMValueRef from = qn__ll_gep(g, s->x, qn__ll_mul(g, first, qn__ll_i64(g, s->elem_bytes)));
  from = LLVMBuildSelect(g->b, whole, from, s->rest, "");
  LLVMValueRef to = qn__ll_gep(g, s->to, qn__ll_mul(g, block, qn__ll_i64(g, (int64_t)size + 8)));
  LLVMValueRef *x = qn__ll_values(g, count);
  if (!x) {
    g->failed = g->out_of_memory = true;
    return;
  }
  for (uint32_t v = 0; v < count; v++)
    x[v] = qn__ll_load_vec(g, s->plan->from_codes ? s->bytes : s->floats,
                           qn__ll_gep_const(g, from, (int64_t)v * s->lanes * s->elem_bytes), 1);
  if (s->plan->from_codes || s->lanes != 16 || !qn__ll_divides_by_products(g)) {
    any_block(s, x, block, to);
    return;
  }
  LLVMValueRef amax = largest(s, x);
  LLVMValueRef above = qn__ll_sub(g, amax, qn__ll_i32(g, LEAST_USUAL));
  LLVMValueRef usual = LLVMBuildICmp(g->b, LLVMIntULE, above, qn__ll_i32(g, MOST_USUAL - LEAST_USUAL), "");
  qn_ll_if yes, no;
  qn__ll_if_begin(g, &yes, usual);
  usual_block(s, x, amax, to);
  qn__ll_if_end(g, &yes);
  qn__ll_if_begin(g, &no, LLVMBuildNot(g->b, usual, ""));
  any_block(s, x, block, to);
  qn__ll_if_end(g, &no);
}

/* What is left of a row after its whole blocks, with zeros behind. */
static void copy_rest(rows_state *s) {
  qn_ll *g = s->g;
  LLVMTypeRef elem = s->plan->from_codes ? g->i8 : g->f32;
  LLVMValueRef block = qn__ll_i64(g, s->plan->block), bytes = qn__ll_i64(g, s->elem_bytes);
  LLVMValueRef done = LLVMBuildMul(g->b, LLVMBuildUDiv(g->b, s->k_size, block, ""), block, "");
  LLVMValueRef left = qn__ll_sub(g, s->k_size, done), from = qn__ll_gep(g, s->x, qn__ll_mul(g, done, bytes));
  for (uint32_t i = 0; i < s->plan->block; i += s->lanes)
    qn__ll_store_vec(g, LLVMConstNull(s->plan->from_codes ? s->bytes : s->floats),
                     qn__ll_gep_const(g, s->rest, (int64_t)i * s->elem_bytes), 1);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), left, 1, 0, NULL);
  LLVMValueRef at = qn__ll_mul(g, f.i, bytes);
  qn__ll_store_vec(g, qn__ll_load_vec(g, elem, qn__ll_gep(g, from, at), 1), qn__ll_gep(g, s->rest, at), 1);
  qn__ll_for_end(g, &f, NULL);
}

qn_status qn__ll_block_rows(qn_ll *g, const qn_body *body) {
  const qn_block_rows_plan *plan = &body->plan->u.block_rows;
  rows_state s = {.g = g, .plan = plan, .lanes = g->lanes, .elem_bytes = plan->from_codes ? 1 : 4};
  while (plan->block % s.lanes) s.lanes /= 2;
  s.vectors = plan->block / s.lanes;
  s.ints = LLVMVectorType(g->i32, s.lanes);
  s.floats = LLVMVectorType(g->f32, s.lanes);
  s.bytes = LLVMVectorType(g->i8, s.lanes);
  s.k_size = qn__ll_arg_size(g, 0);
  s.rest = qn__ll_slot(g, g->i8, plan->block * s.elem_bytes);
  LLVMValueRef x = qn__ll_arg_ptr(g, 0), to = qn__ll_arg_ptr(g, 1), scales = NULL, scale_stride = NULL;
  LLVMValueRef x_stride = qn__ll_arg_stride(g, 0), to_stride = qn__ll_arg_stride(g, 1), blocks = qn__ll_arg_size(g, 1);
  if (plan->from_codes) scales = qn__ll_arg_ptr(g, 2), scale_stride = qn__ll_arg_stride(g, 2);
  qn_ll_for rows, f;
  qn__ll_for_begin(g, &rows, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, 0, NULL);
  s.x = qn__ll_gep(g, x, qn__ll_mul(g, rows.i, x_stride));
  s.to = qn__ll_gep(g, to, qn__ll_mul(g, rows.i, to_stride));
  if (scales) s.scales = qn__ll_gep(g, scales, qn__ll_mul(g, rows.i, scale_stride));
  copy_rest(&s);
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), blocks, 1, 0, NULL);
  one_block(&s, f.i);
  qn__ll_for_end(g, &f, NULL);
  qn__ll_for_end(g, &rows, NULL);
  return QN_OK;
}
