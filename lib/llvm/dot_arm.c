/* Ways to multiply bytes on AArch64. */
#include "tile.h"
#include <string.h>

static LLVMValueRef dot_product(qn_ll_tile *t, const char *name, LLVMValueRef acc, LLVMValueRef a, LLVMValueRef b) {
  qn_ll *g = t->g;
  LLVMTypeRef bytes = LLVMVectorType(g->i8, 16), overloads[2] = {t->acc_type, bytes};
  LLVMValueRef args[3] = {acc, LLVMBuildBitCast(g->b, a, bytes, ""), LLVMBuildBitCast(g->b, b, bytes, "")};
  return qn__ll_intrinsic(g, name, 2, overloads, 3, args);
}

/* A vector of the row's length as one of SVE's, which is as long or longer. */
static LLVMValueRef scalable(qn_ll *g, LLVMValueRef x, LLVMTypeRef elem) {
  uint32_t per_128 = elem == g->i8 ? 16 : 4;
  LLVMTypeRef fixed = qn__ll_lanes(elem, per_128 * (g->isa->vector_bits / 128));
  LLVMTypeRef overloads[2] = {LLVMScalableVectorType(elem, per_128), fixed};
  LLVMValueRef args[3] = {LLVMGetPoison(overloads[0]), LLVMBuildBitCast(g->b, x, fixed, ""), qn__ll_i64(g, 0)};
  return qn__ll_intrinsic(g, "llvm.vector.insert", 2, overloads, 3, args);
}

LLVMValueRef qn__ll_sve_usdot(qn_ll *g, LLVMValueRef acc, LLVMValueRef unsigned_bytes, LLVMValueRef signed_bytes) {
  LLVMValueRef args[3] = {scalable(g, acc, g->i32), scalable(g, unsigned_bytes, g->i8),
                          scalable(g, signed_bytes, g->i8)};
  LLVMTypeRef overloads[2] = {LLVMTypeOf(acc), LLVMTypeOf(args[0])};
  LLVMValueRef sum[2] = {qn__ll_intrinsic(g, "llvm.aarch64.sve.usdot", 1, &overloads[1], 3, args), qn__ll_i64(g, 0)};
  return qn__ll_intrinsic(g, "llvm.vector.extract", 2, overloads, 2, sum);
}

static bool has(const qn_ll *g, uint32_t what) {
  return !strcmp(g->isa->arch, "aarch64") && (g->isa->has & what);
}

/* ---- sdot: signed by signed. Codes less 128 are signed; what that takes away is 128 * sum(b), which one more row of
 * -128s sums up beside the tile's ---- */

static bool sdot_match(const qn_ll *g, const qn_gemm_plan *p) {
  return has(g, QN_ISA_DOT8) && !has(g, QN_ISA_SVE) && qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 4);
}

/* Four blocks of a row are one register, of which each dot product takes a lane. */
static void sdot_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                        LLVMValueRef *shared, qn_ll_operand *out) {
  qn_ll *g = t->g;
  LLVMTypeRef type = LLVMVectorType(g->i32, 4);
  if (r == t->rows) {
    out->x[0] = qn__ll_bits(g, type, 0x80808080u);
    return;
  }
  if (blocks % 4 != 0) {
    LLVMValueRef word = qn__ll_dot_word(t, r, block, j, partial);
    out->x[0] = qn__ll_splat(g, LLVMBuildXor(g->b, word, qn__ll_i32(g, 0x80808080u), ""), 4);
    return;
  }
  if (j % 4 == 0) {
    LLVMValueRef four = qn__ll_load_vec(g, type, qn__ll_dot_a(t, r, block, j), 1);
    *shared = LLVMBuildXor(g->b, four, qn__ll_bits(g, type, 0x80808080u), "");
  }
  LLVMValueRef lane = qn__ll_splat(g, qn__ll_i32(g, j % 4), 4);
  out->x[0] = LLVMBuildShuffleVector(g->b, *shared, LLVMGetPoison(type), lane, "");
}

static LLVMValueRef sdot_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  return dot_product(t, "llvm.aarch64.neon.sdot", acc, b->x[0], a->x[0]);
}

static void sdot_finish(qn_ll_tile *t) {
  for (uint32_t r = 0; r < t->rows; r++)
    for (uint32_t v = 0; v < t->vectors; v++) {
      LLVMValueRef *sum = &t->acc[r * t->vectors + v];
      *sum = LLVMBuildSub(t->g->b, *sum, t->acc[t->rows * t->vectors + v], "");
    }
}

const qn_ll_dot qn__ll_dot_sdot = {
    .name = "sdot",
    .match = sdot_match,
    .shares = 4,
    .reorders = true,
    .more = 1,
    .load_b = qn__ll_dot_word_b,
    .load_a = sdot_load_a,
    .madd = sdot_madd,
    .finish = sdot_finish,
};

/* ---- usdot of SVE ---- */

static bool sve_match(const qn_ll *g, const qn_gemm_plan *p) {
  return has(g, QN_ISA_SVE) && qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 4);
}

static LLVMValueRef sve_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  return qn__ll_sve_usdot(t->g, acc, a->x[0], b->x[0]);
}

const qn_ll_dot qn__ll_dot_sve = {
    .name = "usdot",
    .match = sve_match,
    .shares = 1,
    .reorders = true,
    .load_b = qn__ll_dot_word_b,
    .load_a = qn__ll_dot_word_a,
    .madd = sve_madd,
};

/* ---- usmmla: two rows by two columns of eight values each. A vector of four columns is two registers of b; the
 * accumulators of a pair of rows are the products with the first and with the second ---- */

static bool usmmla_match(const qn_ll *g, const qn_gemm_plan *p) {
  return has(g, QN_ISA_MATRIX8) && qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 8);
}

static void usmmla_load_b(qn_ll_tile *t, uint32_t v, uint32_t j, qn_ll_operand *out) {
  LLVMValueRef at = qn__ll_dot_b(t, v, j);
  for (uint32_t half = 0; half < 2; half++)
    out->x[half] = qn__ll_load_vec(t->g, t->acc_type, qn__ll_gep_const(t->g, at, 16 * (int64_t)half), 1);
}

/* The last of an odd number of rows is taken twice. */
static void usmmla_load_a(qn_ll_tile *t, uint32_t r, LLVMValueRef block, uint32_t j, uint32_t blocks, bool partial,
                          LLVMValueRef *shared, qn_ll_operand *out) {
  (void)blocks;
  (void)shared;
  qn_ll *g = t->g;
  LLVMTypeRef type = LLVMVectorType(g->i64, 2);
  LLVMValueRef pair = LLVMGetPoison(type);
  for (uint32_t i = 0; i < 2; i++) {
    uint32_t row = (r & ~1u) + i < t->rows ? (r & ~1u) + i : t->rows - 1;
    pair = LLVMBuildInsertElement(g->b, pair, qn__ll_dot_word(t, row, block, j, partial), qn__ll_i32(g, i), "");
  }
  out->x[0] = pair;
  out->part = r & 1;
}

static LLVMValueRef usmmla_madd(qn_ll_tile *t, LLVMValueRef acc, const qn_ll_operand *a, const qn_ll_operand *b) {
  return dot_product(t, "llvm.aarch64.neon.usmmla", acc, a->x[0], b->x[a->part]);
}

static void usmmla_finish(qn_ll_tile *t) {
  qn_ll *g = t->g;
  for (uint32_t r = 0; r < t->acc_rows; r += 2)
    for (uint32_t v = 0; v < t->vectors; v++) {
      LLVMValueRef *first = &t->acc[r * t->vectors + v], *second = first + t->vectors, rows[2];
      for (uint32_t i = 0; i < 2; i++) {
        LLVMValueRef picks[4];
        for (uint32_t c = 0; c < 4; c++) picks[c] = qn__ll_i32(g, 2 * i + (c & 1) + (c & 2) * 2);
        rows[i] = LLVMBuildShuffleVector(g->b, *first, *second, LLVMConstVector(picks, 4), "");
      }
      *first = rows[0];
      *second = rows[1];
    }
}

const qn_ll_dot qn__ll_dot_usmmla = {
    .name = "usmmla",
    .match = usmmla_match,
    .shares = 1,
    .reorders = true,
    .even = true,
    .by_columns = true,
    .load_b = usmmla_load_b,
    .load_a = usmmla_load_a,
    .madd = usmmla_madd,
    .finish = usmmla_finish,
};
