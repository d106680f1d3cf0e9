/* Products of bytes by vpmaddubsw, which adds two neighbouring ones into 16 bits and saturates. Constant weights may be
 * so small that it never does, and that several such sums, added in 16 bits, still fit: then one widening to 32 bits
 * serves all of them. */
#include "tile.h"

static LLVMTypeRef words_type(qn_ll_tile *t) {
  return LLVMVectorType(t->g->i16, t->acc_lanes * 2);
}

static LLVMValueRef pairs(qn_ll_tile *t, LLVMValueRef a, LLVMValueRef b) {
  qn_ll *g = t->g;
  LLVMTypeRef bytes = LLVMVectorType(g->i8, t->acc_lanes * 4);
  LLVMValueRef args[2] = {LLVMBuildBitCast(g->b, a, bytes, ""), LLVMBuildBitCast(g->b, b, bytes, "")};
  return qn__ll_target_intrinsic(g, "llvm.x86.avx2.pmadd.ub.sw", words_type(t), 2, args);
}

static LLVMValueRef add_words(qn_ll_tile *t, LLVMValueRef acc, LLVMValueRef words) {
  qn_ll *g = t->g;
  LLVMValueRef ones[64];
  for (uint32_t i = 0; i < t->acc_lanes * 2; i++) ones[i] = LLVMConstInt(g->i16, 1, false);
  LLVMValueRef args[2] = {words, LLVMConstVector(ones, t->acc_lanes * 2)};
  return LLVMBuildAdd(g->b, acc, qn__ll_target_intrinsic(g, "llvm.x86.avx2.pmadd.wd", t->acc_type, 2, args), "");
}

static LLVMValueRef pairs_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  return add_words(t, acc, pairs(t, a->x[0], b->x[0]));
}

/* The sums of a row and a vector over all blocks in 16 bits, then into 32. */
static void pairs_step(qn_ll_tile *t, LLVMValueRef block, uint32_t blocks) {
  qn_ll *g = t->g;
  for (uint32_t r = 0; r < t->rows; r++) {
    qn_ll_operand a[4], b;
    for (uint32_t j = 0; j < blocks; j++) qn__ll_dot_word_a(t, r, block, j, blocks, false, NULL, &a[j]);
    for (uint32_t v = 0; v < t->vectors; v++) {
      LLVMValueRef words = NULL;
      for (uint32_t j = 0; j < blocks; j++) {
        qn__ll_dot_word_b(t, v, j, &b);
        LLVMValueRef some = pairs(t, a[j].x[0], b.x[0]);
        words = words ? LLVMBuildAdd(g->b, words, some, "") : some;
      }
      t->acc[r * t->vectors + v] = add_words(t, t->acc[r * t->vectors + v], words);
    }
  }
}

static bool serves(const qn_ll *g, const qn_gemm_plan *p, uint32_t blocks) {
  return g->x86 && (g->isa->has & QN_ISA_PAIRS8) && g->isa->vector_bits == 256 && p->sums16 >= blocks &&
         qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 4);
}
/* The row for so many blocks at once. */
#define PAIRS(blocks, what, in_one_go)                                                                                 \
  static bool match##blocks(const qn_ll *g, const qn_gemm_plan *p) {                                                   \
    return serves(g, p, blocks);                                                                                       \
  }                                                                                                                    \
  const qn_ll_dot qn__ll_dot_vpmaddubsw##blocks = {.name = what,                                                       \
                                                   .match = match##blocks,                                             \
                                                   .shares = (blocks),                                                 \
                                                   .reorders = true,                                                   \
                                                   .load_b = qn__ll_dot_word_b,                                        \
                                                   .load_a = qn__ll_dot_word_a,                                        \
                                                   .madd = pairs_madd,                                                 \
                                                   .step = in_one_go}

PAIRS(4, "vpmaddubsw, 8 products in 16 bits", pairs_step);
PAIRS(2, "vpmaddubsw, 4 products in 16 bits", pairs_step);
PAIRS(1, "vpmaddubsw", NULL);
