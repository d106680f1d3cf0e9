/* BLOCK_GEMM of f32 rows that are one tile: weights are dequantized as they are multiplied, each sum one fma chain in
 * ascending k. */
#include "block.h"

typedef struct float_block {
  LLVMValueRef scales[QN_LL_BLOCK_VECTORS], zeros[QN_LL_BLOCK_VECTORS];
} float_block;

static float_block read_scales(qn_ll_block *s, const qn_ll_block_tile *t) {
  float_block f;
  qn__ll_block_read_scales(s, &t->at, f.scales, f.zeros);
  return f;
}

/* One k of the rows' present block: its codes are in byte `i` of each lane of row `j` of codes, which starts at
 * `shift`. */
static void float_step(qn_ll_block *s, qn_ll_block_tile *t, const float_block *f, LLVMValueRef j, LLVMValueRef shift,
                       LLVMValueRef k) {
  qn_ll *g = s->g;
  LLVMValueRef x[QN_LL_BLOCK_VECTORS];
  LLVMValueRef row = qn__ll_gep(g, t->at.codes, qn__ll_mul_const(g, j, qn_bpack_code_row(&s->plan->weights)));
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
    LLVMValueRef bits = LLVMBuildAdd(g->b, shift, qn__ll_i32(g, qn__ll_block_shift(s, 0, v)), "");
    x[v] = qn__ll_block_float(s, qn__ll_block_raw(s, row, v), bits, f->scales[v], f->zeros[v]);
  }
  for (uint32_t r = 0; r < t->rows; r++) {
    LLVMValueRef a = qn__ll_load_vec(g, g->f32, qn__ll_gep(g, t->a[r], qn__ll_mul_const(g, k, 4)), 4);
    a = qn__ll_splat(g, a, s->lanes);
    for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
      LLVMValueRef *sum = &t->sum[r * QN_LL_BLOCK_VECTORS + v];
      *sum = qn__ll_fma(g, a, x[v], *sum, false, s->lanes);
    }
  }
}

static void float_block_step(qn_ll_block *s, qn_ll_block_tile *t, uint32_t blocks) {
  (void)blocks;
  qn_ll *g = s->g;
  const float_block scales = read_scales(s, t);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, s->plan->weights.block / 4), 1, qn__ll_block_count(t),
                   t->sum);
  LLVMValueRef first = qn__ll_mul_const(g, f.i, 4);
  for (uint32_t i = 0; i < 4; i++)
    float_step(s, t, &scales, f.i, qn__ll_i32(g, 8 * i), qn__ll_add(g, first, qn__ll_i64(g, i)));
  qn__ll_for_end(g, &f, t->sum);
}

/* The last block, of which only `left` values of k exist: none of a's is read past them. */
static void float_tail(qn_ll_block *s, qn_ll_block_tile *t, LLVMValueRef left) {
  qn_ll *g = s->g;
  qn_ll_for f;
  const float_block scales = read_scales(s, t);
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), left, 1, qn__ll_block_count(t), t->sum);
  LLVMValueRef j = LLVMBuildLShr(g->b, f.i, qn__ll_i64(g, 2), "");
  LLVMValueRef shift = qn__ll_mul_const(g, LLVMBuildAnd(g->b, f.i, qn__ll_i64(g, 3), ""), 8);
  float_step(s, t, &scales, j, LLVMBuildTrunc(g->b, shift, g->i32, ""), f.i);
  qn__ll_for_end(g, &f, t->sum);
}

/* ---- all blocks ---- */

void qn__ll_block_floats(qn_ll_block *s, qn_ll_block_tile *t) {
  qn_ll *g = s->g;
  LLVMValueRef block = qn__ll_i64(g, s->plan->weights.block), full = LLVMBuildUDiv(g->b, s->k_size, block, "");
  LLVMValueRef done = qn__ll_mul(g, full, block), left = qn__ll_sub(g, s->k_size, done);
  qn__ll_block_loop(s, t, qn__ll_i64(g, 0), full, 1, (int64_t)s->plan->weights.block * 4, float_block_step);
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = qn__ll_gep(g, t->a[r], qn__ll_mul_const(g, done, 4));
  /* A block that does not exist is not read: the last one stands in for it and no k is. */
  LLVMValueRef none = LLVMBuildICmp(g->b, LLVMIntEQ, left, qn__ll_i64(g, 0), "");
  LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
  LLVMValueRef saved[QN_LL_BLOCK_ROWS * QN_LL_BLOCK_VECTORS];
  for (uint32_t i = 0; i < qn__ll_block_count(t); i++) saved[i] = t->sum[i];
  qn_ll_if tail;
  qn__ll_if_begin(g, &tail, LLVMBuildNot(g->b, none, ""));
  t->at = qn__ll_block_place(s, full);
  float_tail(s, t, left);
  LLVMBasicBlockRef after = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &tail);
  for (uint32_t i = 0; i < qn__ll_block_count(t); i++) {
    LLVMValueRef phi = LLVMBuildPhi(g->b, s->floats, ""), both[2] = {saved[i], t->sum[i]};
    LLVMBasicBlockRef from[2] = {before, after};
    LLVMAddIncoming(phi, both, from, 2);
    t->sum[i] = phi;
  }
}
