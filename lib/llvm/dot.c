/* Ways to multiply: what a block of k becomes on each kind of machine. The table is searched in order; the last entry
 * serves every combination of types. */
#include "tile.h"
#include <string.h>

static uint32_t elem_bytes(qn_scalar s) {
  return qn__ll_mem_bits(s) / 8;
}

/* Address of vector v of the tile, j blocks on from where its panel's pointer stands. */
static LLVMValueRef b_address(qn_ll_tile *t, uint32_t v, uint32_t j) {
  const qn_layout *l = &t->plan->layout;
  uint32_t per_panel = t->vectors / t->panels;
  int64_t block_bytes = (int64_t)l->panel_width * l->k_block * elem_bytes(t->plan->rhs);
  int64_t vector_bytes = (int64_t)t->acc_lanes * l->k_block * elem_bytes(t->plan->rhs);
  return qn__ll_gep_const(t->g, t->b[v / per_panel],
                          (int64_t)j * block_bytes + (int64_t)(v % per_panel) * vector_bytes);
}

static LLVMValueRef a_address(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j) {
  qn_ll *g = t->g;
  int64_t bytes = (int64_t)t->plan->layout.k_block * elem_bytes(t->plan->lhs);
  return qn__ll_gep_const(g, qn__ll_gep(g, t->a[r], qn__ll_mul(g, block, qn__ll_i64(g, bytes))), (int64_t)j * bytes);
}

/* Value `kk` of a block of row r; in a partial block 0 from K on, without reading there. */
static LLVMValueRef a_element(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t kk, bool partial) {
  qn_ll *g = t->g;
  LLVMTypeRef type = qn__ll_mem_type(g, t->plan->lhs);
  uint32_t size = elem_bytes(t->plan->lhs);
  if (!partial || kk == 0)
    return qn__ll_load_vec(g, type, qn__ll_gep_const(g, a_address(t, r, block, j), (int64_t)kk * size), 1);
  LLVMValueRef k = qn__ll_mul(g, block, qn__ll_i64(g, t->plan->layout.k_block));
  k = qn__ll_add(g, k, qn__ll_i64(g, (int64_t)j * t->plan->layout.k_block + kk));
  LLVMValueRef exists = LLVMBuildICmp(g->b, LLVMIntSLT, k, t->k_size, "");
  LLVMValueRef at = LLVMBuildSelect(g->b, exists, k, qn__ll_i64(g, 0), "");
  LLVMValueRef x = qn__ll_load_vec(g, type, LLVMBuildGEP2(g->b, type, t->a[r], &at, 1, ""), 1);
  return LLVMBuildSelect(g->b, exists, x, LLVMConstNull(type), "");
}

static bool types_are(const qn_gemm_plan *p, qn_scalar lhs, qn_scalar rhs, qn_scalar acc, uint32_t k_block) {
  return p->lhs == lhs &&
         (p->rhs == rhs || (rhs == QN_I8 && p->rhs == QN_SI8) || (rhs == QN_I16 && p->rhs == QN_SI16)) &&
         (p->acc == acc || (acc == QN_I32 && p->acc == QN_SI32)) && p->layout.k_block == k_block;
}

/* ---- four or two values per 32-bit lane, multiplied by one instruction ---- */

/* 32 bits of a row: 4 bytes or 2 halves, read in place. */
static LLVMValueRef a_dword(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, bool partial) {
  qn_ll *g = t->g;
  if (!partial) return qn__ll_load_vec(g, g->i32, a_address(t, r, block, j), 1);
  uint32_t bits = qn__ll_mem_bits(t->plan->lhs);
  LLVMValueRef word = qn__ll_i32(g, 0);
  for (uint32_t kk = 0; kk < t->plan->layout.k_block; kk++) {
    LLVMValueRef x = LLVMBuildZExt(g->b, a_element(t, r, block, j, kk, true), g->i32, "");
    word = LLVMBuildOr(g->b, word, LLVMBuildShl(g->b, x, qn__ll_i32(g, kk * bits), ""), "");
  }
  return word;
}

static void dword_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                         LLVMValueRef *shared, qn_ll_operand *out) {
  (void)blocks;
  (void)shared;
  out->x[0] = qn__ll_splat(t->g, a_dword(t, r, block, j, partial), t->acc_lanes);
}

static void dword_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  out->x[0] = qn__ll_load_vec(t->g, t->acc_type, b_address(t, v, j), 1);
}

static LLVMValueRef dword_madd(qn_ll_tile *t, const char *name, LLVMValueRef acc, const qn_ll_operand *a,
                               const qn_ll_operand *b) {
  LLVMValueRef args[3] = {acc, a->x[0], b->x[0]};
  return qn__ll_target_intrinsic(t->g, name, t->acc_type, 3, args);
}

static bool has_vnni(const qn_ll *g) {
  return g->x86 && g->isa->vector_bits == 512 && strstr(g->isa->llvm_features, "+avx512vnni");
}

static bool vpdpbusd_match(const qn_ll *g, const qn_gemm_plan *p) {
  return has_vnni(g) && types_are(p, QN_UI8, QN_I8, QN_I32, 4);
}
static LLVMValueRef vpdpbusd_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  return dword_madd(t, "llvm.x86.avx512.vpdpbusd.512", acc, a, b);
}

static bool vpdpwssd_match(const qn_ll *g, const qn_gemm_plan *p) {
  return has_vnni(g) && (types_are(p, QN_I16, QN_I16, QN_I32, 2) || types_are(p, QN_SI16, QN_I16, QN_I32, 2));
}
static LLVMValueRef vpdpwssd_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  return dword_madd(t, "llvm.x86.avx512.vpdpwssd.512", acc, a, b);
}

/* AVX2: pairs of 16-bit values, multiplied and added in 32 bits, exactly. */
static bool is_avx2(const qn_ll *g) {
  return g->x86 && g->isa->vector_bits == 256;
}
static bool pmaddwd16_match(const qn_ll *g, const qn_gemm_plan *p) {
  return is_avx2(g) && (types_are(p, QN_I16, QN_I16, QN_I32, 2) || types_are(p, QN_SI16, QN_I16, QN_I32, 2));
}
static LLVMValueRef pmaddwd_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  LLVMValueRef args[2] = {a->x[0], b->x[0]};
  LLVMValueRef p = qn__ll_target_intrinsic(t->g, "llvm.x86.avx2.pmadd.wd", t->acc_type, 2, args);
  return LLVMBuildAdd(t->g->b, acc, p, "");
}

/* The same for bytes: both sides are extended to 16 bits, the row's two blocks at a time by one byte shuffle each. */
static bool pmaddwd8_match(const qn_ll *g, const qn_gemm_plan *p) {
  return is_avx2(g) && types_are(p, QN_UI8, QN_I8, QN_I32, 2);
}

static void pmaddwd8_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  qn_ll *g = t->g;
  LLVMValueRef bytes = qn__ll_load_vec(g, LLVMVectorType(g->i8, 16), b_address(t, v, j), 1);
  out->x[0] = LLVMBuildSExt(g->b, bytes, LLVMVectorType(g->i16, 16), "");
}

static void pmaddwd8_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                            LLVMValueRef *shared, qn_ll_operand *out) {
  qn_ll *g = t->g;
  if (blocks == 1) {
    LLVMValueRef low = LLVMBuildZExt(g->b, a_element(t, r, block, j, 0, partial), g->i32, "");
    LLVMValueRef high = LLVMBuildZExt(g->b, a_element(t, r, block, j, 1, partial), g->i32, "");
    LLVMValueRef pair = LLVMBuildOr(g->b, low, LLVMBuildShl(g->b, high, qn__ll_i32(g, 16), ""), "");
    out->x[0] = qn__ll_splat(g, pair, t->acc_lanes);
    return;
  }
  LLVMTypeRef bytes = LLVMVectorType(g->i8, 32);
  if (j % 2 == 0) {
    LLVMValueRef word = qn__ll_load_vec(g, g->i32, a_address(t, r, block, j), 1);
    *shared = LLVMBuildBitCast(g->b, qn__ll_splat(g, word, 8), bytes, "");
  }
  LLVMValueRef picks[32];
  for (uint32_t i = 0; i < 32; i++) picks[i] = qn__ll_i32(g, i % 2 ? 32 : i / 16 * 16 + j % 2 * 2 + i / 2 % 2);
  out->x[0] = LLVMBuildShuffleVector(g->b, *shared, LLVMConstNull(bytes), LLVMConstVector(picks, 32), "");
}

/* ---- any types, any block: extend to the sum's type, multiply, add in ascending k ---- */

static bool any_match(const qn_ll *g, const qn_gemm_plan *p) {
  (void)g;
  return qn__ll_mem_float(p->acc) == qn__ll_mem_float(p->lhs) && qn__ll_mem_float(p->acc) == qn__ll_mem_float(p->rhs);
}

static LLVMValueRef extend(qn_ll_tile *t, qn_scalar from, LLVMValueRef x, LLVMTypeRef type) {
  qn_ll *g = t->g;
  if (LLVMTypeOf(x) == type) return x;
  if (qn__ll_mem_float(from)) return LLVMBuildFPCast(g->b, x, type, "");
  return LLVMBuildIntCast2(g->b, x, type, !qn__ll_mem_unsigned(from), "");
}

static void any_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                       LLVMValueRef *shared, qn_ll_operand *out) {
  (void)blocks;
  (void)shared;
  for (uint32_t kk = 0; kk < t->plan->layout.k_block; kk++) {
    LLVMValueRef x = extend(t, t->plan->lhs, a_element(t, r, block, j, kk, partial), t->acc_elem);
    out->x[kk] = qn__ll_splat(t->g, x, t->acc_lanes);
  }
}

static void any_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  qn_ll *g = t->g;
  uint32_t kb = t->plan->layout.k_block, lanes = t->acc_lanes;
  LLVMTypeRef elem = qn__ll_mem_type(g, t->plan->rhs);
  LLVMValueRef all = qn__ll_load_vec(g, qn__ll_lanes(elem, lanes * kb), b_address(t, v, j), 1);
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

static bool any_float_match(const qn_ll *g, const qn_gemm_plan *p) {
  return qn__ll_mem_float(p->acc) && any_match(g, p);
}

static const qn_ll_dot dots[] = {
    {"vpdpbusd", vpdpbusd_match, 1, true, dword_load_b, dword_load_a, vpdpbusd_madd},
    {"vpdpwssd", vpdpwssd_match, 1, true, dword_load_b, dword_load_a, vpdpwssd_madd},
    {"pmaddwd of bytes", pmaddwd8_match, 2, true, pmaddwd8_load_b, pmaddwd8_load_a, pmaddwd_madd},
    {"pmaddwd", pmaddwd16_match, 1, true, dword_load_b, dword_load_a, pmaddwd_madd},
    {"float", any_float_match, 1, false, any_load_b, any_load_a, any_madd},
    {"any", any_match, 1, true, any_load_b, any_load_a, any_madd},
};

const qn_ll_dot *qn__ll_dot_find(const qn_ll *g, const qn_gemm_plan *plan, bool vector) {
  for (size_t i = 0; i < sizeof dots / sizeof *dots; i++)
    if ((vector || dots[i].load_b == any_load_b) && dots[i].match(g, plan)) return &dots[i];
  return NULL;
}
