/* Ways to multiply: what a block of k becomes on each kind of machine. The table is searched in order; the last entry
 * serves every combination of types. */
#include "tile.h"
#include <string.h>

static uint32_t elem_bytes(qn_scalar s) {
  return qn__ll_mem_bits(s) / 8;
}

LLVMValueRef qn__ll_dot_b(qn_ll_tile *t, uint32_t v, uint32_t j) {
  const qn_layout *l = &t->plan->layout;
  uint32_t per_panel = t->vectors / t->panels;
  int64_t block_bytes = (int64_t)l->panel_width * l->k_block * elem_bytes(t->plan->rhs);
  int64_t vector_bytes = (int64_t)t->acc_lanes * l->k_block * elem_bytes(t->plan->rhs);
  return qn__ll_gep_const(t->g, t->b[v / per_panel],
                          (int64_t)j * block_bytes + (int64_t)(v % per_panel) * vector_bytes);
}

LLVMValueRef qn__ll_dot_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j) {
  qn_ll *g = t->g;
  int64_t bytes = (int64_t)t->plan->layout.k_block * elem_bytes(t->plan->lhs);
  return qn__ll_gep_const(g, qn__ll_gep(g, t->a[r], qn__ll_mul(g, block, qn__ll_i64(g, bytes))), (int64_t)j * bytes);
}

LLVMValueRef qn__ll_dot_element(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t kk, bool partial) {
  qn_ll *g = t->g;
  LLVMTypeRef type = qn__ll_mem_type(g, t->plan->lhs);
  uint32_t size = elem_bytes(t->plan->lhs);
  if (!partial || kk == 0)
    return qn__ll_load_vec(g, type, qn__ll_gep_const(g, qn__ll_dot_a(t, r, block, j), (int64_t)kk * size), 1);
  LLVMValueRef k = qn__ll_mul(g, block, qn__ll_i64(g, t->plan->layout.k_block));
  k = qn__ll_add(g, k, qn__ll_i64(g, (int64_t)j * t->plan->layout.k_block + kk));
  LLVMValueRef exists = LLVMBuildICmp(g->b, LLVMIntSLT, k, t->k_size, "");
  LLVMValueRef at = LLVMBuildSelect(g->b, exists, k, qn__ll_i64(g, 0), "");
  LLVMValueRef x = qn__ll_load_vec(g, type, LLVMBuildGEP2(g->b, type, t->a[r], &at, 1, ""), 1);
  /* b's padding is 0: -0 * 0 leaves every float sum as it is, -0 too. */
  LLVMValueRef none = qn__ll_mem_float(t->plan->lhs) ? LLVMConstReal(type, -0.0) : LLVMConstNull(type);
  return LLVMBuildSelect(g->b, exists, x, none, "");
}

bool qn__ll_dot_types(const qn_gemm_plan *p, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, uint32_t k_block) {
  return (p->lhs == lhs || (lhs == QN_I16 && p->lhs == QN_SI16)) &&
         (p->rhs == rhs || (rhs == QN_I8 && p->rhs == QN_SI8) || (rhs == QN_I16 && p->rhs == QN_SI16)) &&
         (p->acc == acc || (acc == QN_I32 && p->acc == QN_SI32)) && p->layout.k_block == k_block;
}

LLVMValueRef qn__ll_dot_word(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, bool partial) {
  qn_ll *g = t->g;
  uint32_t bits = qn__ll_mem_bits(t->plan->lhs);
  LLVMTypeRef type = LLVMIntTypeInContext(g->ctx, bits * t->plan->layout.k_block);
  if (!partial) return qn__ll_load_vec(g, type, qn__ll_dot_a(t, r, block, j), 1);
  if (t->tails) {
    int64_t bytes = (int64_t)bits * t->plan->layout.k_block / 8;
    return qn__ll_load_vec(g, type, qn__ll_gep_const(g, t->tails, r * bytes), 1);
  }
  LLVMValueRef word = LLVMConstNull(type);
  for (uint32_t kk = 0; kk < t->plan->layout.k_block; kk++) {
    LLVMValueRef x = LLVMBuildZExt(g->b, qn__ll_dot_element(t, r, block, j, kk, true), type, "");
    word = LLVMBuildOr(g->b, word, LLVMBuildShl(g->b, x, qn__ll_bits(g, type, kk * bits), ""), "");
  }
  return word;
}

void qn__ll_dot_word_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                       LLVMValueRef *shared, qn_ll_operand *out) {
  (void)blocks;
  (void)shared;
  out->x[0] = qn__ll_splat(t->g, qn__ll_dot_word(t, r, block, j, partial), t->acc_lanes);
}

void qn__ll_dot_word_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  out->x[0] = qn__ll_load_vec(t->g, t->acc_type, qn__ll_dot_b(t, v, j), 1);
}

/* ---- integers of 8 and 16 bits, one k at a time: extended to 16 bits, multiplied into 32 ---- */

static bool widening_match(const qn_ll *g, const qn_gemm_plan *p) {
  if (strcmp(g->isa->arch, "aarch64") != 0 && strcmp(g->isa->arch, "riscv64") != 0) return false;
  return qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 1) || qn__ll_dot_types(p, QN_I16, QN_I16, QN_I32, 1);
}

static void widening_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                            LLVMValueRef *shared, qn_ll_operand *out) {
  (void)blocks;
  (void)shared;
  qn_ll *g = t->g;
  LLVMValueRef x = qn__ll_dot_element(t, r, block, j, 0, partial);
  if (t->plan->lhs == QN_UI8) x = LLVMBuildZExt(g->b, x, g->i16, "");
  out->x[0] = qn__ll_splat(g, x, t->acc_lanes);
}

static void widening_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  qn_ll *g = t->g;
  LLVMTypeRef from = qn__ll_lanes(qn__ll_mem_type(g, t->plan->rhs), t->acc_lanes);
  LLVMValueRef x = qn__ll_load_vec(g, from, qn__ll_dot_b(t, v, j), 1);
  out->x[0] = LLVMBuildIntCast2(g->b, x, qn__ll_lanes(g->i16, t->acc_lanes), true, "");
}

static LLVMValueRef widening_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  LLVMBuilderRef B = t->g->b;
  LLVMValueRef x = LLVMBuildSExt(B, a->x[0], t->acc_type, ""), y = LLVMBuildSExt(B, b->x[0], t->acc_type, "");
  return LLVMBuildAdd(B, acc, LLVMBuildMul(B, x, y, ""), "");
}

const qn_ll_dot qn__ll_dot_widening = {
    .name = "16 bits into 32",
    .match = widening_match,
    .shares = 1,
    .reorders = true,
    .load_b = widening_load_b,
    .load_a = widening_load_a,
    .madd = widening_madd,
};

/* ---- any types, any block: extend to the sum's type, multiply, add in ascending k ---- */

/* bf16 and f16 stay in 16 bits until they are multiplied. */
static bool is_float(qn_scalar s) {
  return qn__ll_mem_float(s) || s == QN_BF16 || s == QN_F16;
}

static bool any_match(const qn_ll *g, const qn_gemm_plan *p) {
  (void)g;
  return qn__ll_mem_float(p->acc) == is_float(p->lhs) && qn__ll_mem_float(p->acc) == is_float(p->rhs);
}

static LLVMValueRef extend(qn_ll_tile *t, qn_scalar from, LLVMValueRef x, LLVMTypeRef type) {
  qn_ll *g = t->g;
  if (LLVMTypeOf(x) == type) return x;
  bool vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
  if (from == QN_F16) {
    LLVMTypeRef half = LLVMHalfTypeInContext(g->ctx);
    x = LLVMBuildBitCast(g->b, x, vector ? qn__ll_lanes(half, LLVMGetVectorSize(type)) : half, "");
    return LLVMBuildFPExt(g->b, x, type, "");
  }
  if (from == QN_BF16) {
    LLVMTypeRef bits = vector ? qn__ll_lanes(g->i32, LLVMGetVectorSize(type)) : g->i32;
    x = LLVMBuildShl(g->b, LLVMBuildZExt(g->b, x, bits, ""), qn__ll_bits(g, bits, 16), "");
    return LLVMBuildBitCast(g->b, x, type, "");
  }
  if (qn__ll_mem_float(from)) return LLVMBuildFPCast(g->b, x, type, "");
  return LLVMBuildIntCast2(g->b, x, type, !qn__ll_mem_unsigned(from), "");
}

static void any_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                       LLVMValueRef *shared, qn_ll_operand *out) {
  (void)blocks;
  (void)shared;
  for (uint32_t kk = 0; kk < t->plan->layout.k_block; kk++) {
    LLVMValueRef x = extend(t, t->plan->lhs, qn__ll_dot_element(t, r, block, j, kk, partial), t->acc_elem);
    out->x[kk] = qn__ll_splat(t->g, x, t->acc_lanes);
  }
}

static void any_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  qn_ll *g = t->g;
  uint32_t kb = t->plan->layout.k_block, lanes = t->acc_lanes;
  LLVMTypeRef elem = qn__ll_mem_type(g, t->plan->rhs);
  LLVMValueRef all = qn__ll_load_vec(g, qn__ll_lanes(elem, lanes * kb), qn__ll_dot_b(t, v, j), 1);
  for (uint32_t kk = 0; kk < kb; kk++) {
    LLVMValueRef x = all;
    if (kb > 1) {
      LLVMValueRef picks[64];
      for (uint32_t l = 0; l < lanes; l++) picks[l] = qn__ll_i32(g, l * kb + kk);
      x = lanes == 1
              ? LLVMBuildExtractElement(g->b, all, picks[0], "")
              : LLVMBuildShuffleVector(g->b, all, LLVMGetPoison(LLVMTypeOf(all)), LLVMConstVector(picks, lanes), "");
    }
    out->x[kk] = extend(t, t->plan->rhs, x, t->acc_type);
  }
}

static LLVMValueRef any_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  qn_ll *g = t->g;
  for (uint32_t kk = 0; kk < t->plan->layout.k_block; kk++) {
    if (qn__ll_mem_float(t->plan->acc))
      acc = qn__ll_fma(g, a->x[kk], b->x[kk], acc, t->plan->acc == QN_F64, t->acc_lanes);
    else
      acc = LLVMBuildAdd(g->b, acc, LLVMBuildMul(g->b, a->x[kk], b->x[kk], ""), "");
  }
  return acc;
}

/* ---- f32 by pairs of bf16, each pair a word: the upper one is a float as it stands, but for what is below it ---- */

static bool bf16_pairs_match(const qn_ll *g, const qn_gemm_plan *p) {
  (void)g;
  return qn__ll_dot_types(p, QN_F32, QN_BF16, QN_F32, 2);
}

static void bf16_pairs_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  qn_ll *g = t->g;
  LLVMTypeRef words = qn__ll_lanes(g->i32, t->acc_lanes);
  LLVMValueRef x = qn__ll_load_vec(g, words, qn__ll_dot_b(t, v, j), 1);
  LLVMValueRef low = LLVMBuildShl(g->b, x, qn__ll_bits(g, words, 16), "");
  LLVMValueRef high = LLVMBuildAnd(g->b, x, qn__ll_bits(g, words, 0xffff0000u), "");
  out->x[0] = LLVMBuildBitCast(g->b, low, t->acc_type, "");
  out->x[1] = LLVMBuildBitCast(g->b, high, t->acc_type, "");
}

static const qn_ll_dot bf16_pairs = {.name = "pairs of bf16",
                                     .match = bf16_pairs_match,
                                     .shares = 1,
                                     .load_b = bf16_pairs_load_b,
                                     .load_a = any_load_a,
                                     .madd = any_madd};

static bool any_float_match(const qn_ll *g, const qn_gemm_plan *p) {
  return qn__ll_mem_float(p->acc) && any_match(g, p);
}

static const qn_ll_dot floats = {.name = "float",
                                 .match = any_float_match,
                                 .shares = 1,
                                 .load_b = any_load_b,
                                 .load_a = any_load_a,
                                 .madd = any_madd};
static const qn_ll_dot any = {.name = "any",
                              .match = any_match,
                              .shares = 1,
                              .reorders = true,
                              .load_b = any_load_b,
                              .load_a = any_load_a,
                              .madd = any_madd};

static const qn_ll_dot *const dots[] = {
    &qn__ll_dot_vdpbf16ps,
    &qn__ll_dot_vpdpbusd,
    &qn__ll_dot_vpdpwssd,
    &qn__ll_dot_vpmaddubsw4,
    &qn__ll_dot_vpmaddubsw2,
    &qn__ll_dot_vpmaddubsw1,
    &qn__ll_dot_pmaddwd8,
    &qn__ll_dot_pmaddwd16,
    &qn__ll_dot_usmmla,
    &qn__ll_dot_sve,
    &qn__ll_dot_sdot,
    &qn__ll_dot_widening,
    &bf16_pairs,
    &floats,
    &any,
};

const qn_ll_dot *qn__ll_dot_find(const qn_ll *g, const qn_gemm_plan *plan, bool vector) {
  for (size_t i = 0; i < sizeof dots / sizeof *dots; i++)
    if ((vector || dots[i]->load_b == any_load_b) && dots[i]->match(g, plan)) return dots[i];
  return NULL;
}
