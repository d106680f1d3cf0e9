/* BLOCK_ROWS: rows of activations in blocks: codes, scale, and the sum of the codes. */
#include "ll.h"
#include <float.h>

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
  const uint32_t magic = 0x4B400000u;
  LLVMValueRef t = LLVMBuildFDiv(g->b, x, qn__ll_splat(g, scale, s->lanes), "");
  LLVMValueRef low = qn__ll_splat(g, LLVMConstReal(g->f32, -127), s->lanes);
  LLVMValueRef high = qn__ll_splat(g, LLVMConstReal(g->f32, 127), s->lanes);
  LLVMValueRef is_nan = LLVMBuildFCmp(g->b, LLVMRealUNO, t, t, "");
  t = LLVMBuildSelect(g->b, is_nan, LLVMConstNull(s->floats), t, "");
  t = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOLT, t, low, ""), low, t, "");
  t = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, t, high, ""), high, t, "");
  t = LLVMBuildFAdd(g->b, t, splat(s, s->floats, magic), "");
  return LLVMBuildSub(g->b, LLVMBuildBitCast(g->b, t, s->ints, ""), splat(s, s->ints, magic), "");
}

static void one_block(rows_state *s, LLVMValueRef block) {
  qn_ll *g = s->g;
  uint32_t size = s->plan->block, count = s->vectors;
  LLVMValueRef first = qn__ll_mul(g, block, qn__ll_i64(g, size));
  LLVMValueRef whole = LLVMBuildICmp(g->b, LLVMIntSLE, qn__ll_add(g, first, qn__ll_i64(g, size)), s->k_size, "");
  LLVMValueRef from = qn__ll_gep(g, s->x, qn__ll_mul(g, first, qn__ll_i64(g, s->elem_bytes)));
  from = LLVMBuildSelect(g->b, whole, from, s->rest, "");
  LLVMValueRef to = qn__ll_gep(g, s->to, qn__ll_mul(g, block, qn__ll_i64(g, (int64_t)size + 8)));
  LLVMValueRef *x = qn__ll_values(g, count), sum = LLVMConstNull(s->ints), scale;
  if (!x) {
    g->failed = g->out_of_memory = true;
    return;
  }
  for (uint32_t v = 0; v < count; v++)
    x[v] = qn__ll_load_vec(g, s->plan->from_codes ? s->bytes : s->floats,
                           qn__ll_gep_const(g, from, (int64_t)v * s->lanes * s->elem_bytes), 1);
  if (s->plan->from_codes)
    scale = qn__ll_load_vec(g, g->f32, qn__ll_gep(g, s->scales, qn__ll_mul(g, block, qn__ll_i64(g, 4))), 1);
  else
    scale = block_scale(s, x);
  for (uint32_t v = 0; v < count; v++) {
    LLVMValueRef code = s->plan->from_codes ? LLVMBuildSExt(g->b, x[v], s->ints, "") : code_of(s, x[v], scale);
    sum = LLVMBuildAdd(g->b, sum, code, "");
    qn__ll_store_vec(g, LLVMBuildTrunc(g->b, code, s->bytes, ""), qn__ll_gep_const(g, to, (int64_t)v * s->lanes), 1);
  }
  LLVMValueRef total = qn__ll_intrinsic(g, "llvm.vector.reduce.add", 1, &s->ints, 1, &sum);
  total = LLVMBuildMul(g->b, total, qn__ll_i32(g, (uint32_t)-s->plan->offset), "");
  qn__ll_store_vec(g, scale, qn__ll_gep_const(g, to, size), 1);
  qn__ll_store_vec(g, total, qn__ll_gep_const(g, to, (int64_t)size + 4), 1);
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
