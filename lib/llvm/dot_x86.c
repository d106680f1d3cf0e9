/* Ways to multiply on x86: several values per 32-bit lane by one instruction. */
#include "tile.h"

static LLVMValueRef dot_product(qn_ll_tile *t, const char *const names[2], LLVMValueRef acc, const qn_ll_operand *a,
                                const qn_ll_operand *b) {
  LLVMValueRef args[3] = {acc, a->x[0], b->x[0]};
  return qn__ll_target_intrinsic(t->g, names[t->g->isa->vector_bits == 512], t->acc_type, 3, args);
}

/* ---- VNNI: LLVM names the instructions after AVX-512 in their VEX forms too ---- */

static bool vpdpbusd_match(const qn_ll *g, const qn_gemm_plan *p) {
  return g->x86 && (g->isa->has & QN_ISA_DOT8) && qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 4);
}
static LLVMValueRef vpdpbusd_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  static const char *const names[] = {"llvm.x86.avx512.vpdpbusd.256", "llvm.x86.avx512.vpdpbusd.512"};
  return dot_product(t, names, acc, a, b);
}
const qn_ll_dot qn__ll_dot_vpdpbusd = {
    .name = "vpdpbusd",
    .match = vpdpbusd_match,
    .shares = 1,
    .reorders = true,
    .load_b = qn__ll_dot_word_b,
    .load_a = qn__ll_dot_word_a,
    .madd = vpdpbusd_madd,
};

static bool vpdpwssd_match(const qn_ll *g, const qn_gemm_plan *p) {
  return g->x86 && (g->isa->has & QN_ISA_DOT16) && qn__ll_dot_types(p, QN_I16, QN_I16, QN_I32, 2);
}
static LLVMValueRef vpdpwssd_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  static const char *const names[] = {"llvm.x86.avx512.vpdpwssd.256", "llvm.x86.avx512.vpdpwssd.512"};
  return dot_product(t, names, acc, a, b);
}
const qn_ll_dot qn__ll_dot_vpdpwssd = {
    .name = "vpdpwssd",
    .match = vpdpwssd_match,
    .shares = 1,
    .reorders = true,
    .load_b = qn__ll_dot_word_b,
    .load_a = qn__ll_dot_word_a,
    .madd = vpdpwssd_madd,
};

/* Pairs of bf16 into f32: not the contract's order, for products that say they need not have it. The product of the odd
 * elements is added first; each step is rounded to the nearest even, and subnormals are taken and given as 0, whatever
 * the environment says. */
static bool vdpbf16ps_match(const qn_ll *g, const qn_gemm_plan *p) {
  return g->x86 && (g->isa->has & QN_ISA_BF16) && qn__ll_dot_types(p, QN_BF16, QN_BF16, QN_F32, 2);
}
static LLVMValueRef vdpbf16ps_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  static const char *const names[] = {"llvm.x86.avx512bf16.dpbf16ps.256", "llvm.x86.avx512bf16.dpbf16ps.512"};
  return dot_product(t, names, acc, a, b);
}
const qn_ll_dot qn__ll_dot_vdpbf16ps = {
    .name = "vdpbf16ps",
    .match = vdpbf16ps_match,
    .shares = 1,
    .load_b = qn__ll_dot_word_b,
    .load_a = qn__ll_dot_word_a,
    .madd = vdpbf16ps_madd,
};

/* ---- SSE2 and AVX2: pairs of 16-bit values, multiplied and added in 32 bits, exactly ---- */

static bool has_pmaddwd(const qn_ll *g) {
  return g->x86 && g->isa->vector_bits <= 256;
}
static bool pmaddwd16_match(const qn_ll *g, const qn_gemm_plan *p) {
  return has_pmaddwd(g) && qn__ll_dot_types(p, QN_I16, QN_I16, QN_I32, 2);
}
static LLVMValueRef pmaddwd_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  LLVMValueRef args[2] = {a->x[0], b->x[0]};
  const char *name = t->g->isa->vector_bits == 256 ? "llvm.x86.avx2.pmadd.wd" : "llvm.x86.sse2.pmadd.wd";
  return LLVMBuildAdd(t->g->b, acc, qn__ll_target_intrinsic(t->g, name, t->acc_type, 2, args), "");
}
const qn_ll_dot qn__ll_dot_pmaddwd16 = {
    .name = "pmaddwd",
    .match = pmaddwd16_match,
    .shares = 1,
    .reorders = true,
    .load_b = qn__ll_dot_word_b,
    .load_a = qn__ll_dot_word_a,
    .madd = pmaddwd_madd,
};

/* The same for bytes: both sides are extended to 16 bits, the row's two blocks at a time by one shuffle each. */
static bool pmaddwd8_match(const qn_ll *g, const qn_gemm_plan *p) {
  return has_pmaddwd(g) && qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 2);
}

static void pmaddwd8_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  qn_ll *g = t->g;
  uint32_t count = 2 * t->acc_lanes;
  LLVMValueRef bytes = qn__ll_load_vec(g, LLVMVectorType(g->i8, count), qn__ll_dot_b(t, v, j), 1);
  out->x[0] = LLVMBuildSExt(g->b, bytes, LLVMVectorType(g->i16, count), "");
}

static void pmaddwd8_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                            LLVMValueRef *shared, qn_ll_operand *out) {
  qn_ll *g = t->g;
  uint32_t count = 4 * t->acc_lanes;
  if (blocks == 1) {
    LLVMValueRef low = LLVMBuildZExt(g->b, qn__ll_dot_element(t, r, block, j, 0, partial), g->i32, "");
    LLVMValueRef high = LLVMBuildZExt(g->b, qn__ll_dot_element(t, r, block, j, 1, partial), g->i32, "");
    LLVMValueRef pair = LLVMBuildOr(g->b, low, LLVMBuildShl(g->b, high, qn__ll_i32(g, 16), ""), "");
    out->x[0] = qn__ll_splat(g, pair, t->acc_lanes);
    return;
  }
  LLVMTypeRef bytes = LLVMVectorType(g->i8, count);
  if (j % 2 == 0) {
    LLVMValueRef word = qn__ll_load_vec(g, g->i32, qn__ll_dot_a(t, r, block, j), 1);
    *shared = LLVMBuildBitCast(g->b, qn__ll_splat(g, word, t->acc_lanes), bytes, "");
  }
  LLVMValueRef picks[64];
  for (uint32_t i = 0; i < count; i++) picks[i] = qn__ll_i32(g, i % 2 ? count : i / 16 * 16 + j % 2 * 2 + i / 2 % 2);
  out->x[0] = LLVMBuildShuffleVector(g->b, *shared, LLVMConstNull(bytes), LLVMConstVector(picks, count), "");
}
const qn_ll_dot qn__ll_dot_pmaddwd8 = {
    .name = "pmaddwd of bytes",
    .match = pmaddwd8_match,
    .shares = 2,
    .reorders = true,
    .load_b = pmaddwd8_load_b,
    .load_a = pmaddwd8_load_a,
    .madd = pmaddwd_madd,
};
