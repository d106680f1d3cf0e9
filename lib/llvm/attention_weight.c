/* Weights of attention as lower-kernels writes them, e^(s - m) and its code: the same steps as the region's, without
 * those that nothing can need when s is m at most or NaN. And what a tile's rows do together: their lanes are folded by
 * turning the rows into lanes on the way, so that half the steps do for all of them. */
#include "attention.h"
#include "narrow.h"
#include "poly.h"
#include <string.h>

/* ---- e^x ---- */

static LLVMValueRef number(qn_ll *g, LLVMTypeRef type, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return qn__ll_bits(g, type, bits);
}

static LLVMValueRef scaled(qn_ll *g, LLVMValueRef p, LLVMValueRef nf, LLVMValueRef n, uint32_t lanes) {
  const qn_tinst inst = {.op = QN_T_FSCALE, .type = QN_TF32};
  const qn_ll_operands o = {
      .inst = &inst, .type = LLVMTypeOf(p), .elem = g->f32, .lanes = lanes, .bits = 32, .a = p, .b = nf, .c = n};
  return qn__ll_emit_FSCALE(g, &o);
}

/* The recipe of lib/num without its limit above: x is 0 at most. Vectors take every step together. */
void qn__ll_attention_exp(qn_ll *g, uint32_t count, const LLVMValueRef *s, LLVMValueRef m, LLVMValueRef *p) {
  static const float steps[] = {QN_EXP_C5, QN_EXP_C4, QN_EXP_C3, QN_EXP_C2, 1.0f, 1.0f};
  LLVMTypeRef type = LLVMTypeOf(s[0]);
  uint32_t lanes = LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
  LLVMTypeRef ints = qn__ll_lanes(g->i32, lanes);
  LLVMValueRef x[QN_LL_MAX_GROUP], low[QN_LL_MAX_GROUP], t[QN_LL_MAX_GROUP], nf[QN_LL_MAX_GROUP];
  LLVMValueRef magic = number(g, type, 0x1.8p23f), nought = LLVMConstNull(type);
  for (uint32_t k = 0; k < count; k++) x[k] = LLVMBuildFSub(g->b, s[k], m, "");
  for (uint32_t k = 0; k < count; k++) low[k] = LLVMBuildFCmp(g->b, LLVMRealOLT, x[k], number(g, type, -104.0f), "");
  for (uint32_t k = 0; k < count; k++) t[k] = qn__ll_fma(g, x[k], number(g, type, QN_LOG2E), magic, false, lanes);
  for (uint32_t k = 0; k < count; k++)
    nf[k] = LLVMBuildSelect(g->b, low[k], nought, LLVMBuildFSub(g->b, t[k], magic, ""), "");
  for (uint32_t k = 0; k < count; k++) x[k] = qn__ll_fma(g, nf[k], number(g, type, -QN_LN2_HI), x[k], false, lanes);
  for (uint32_t k = 0; k < count; k++) x[k] = qn__ll_fma(g, nf[k], number(g, type, -(QN_LN2_LO)), x[k], false, lanes);
  for (uint32_t k = 0; k < count; k++) p[k] = number(g, type, QN_EXP_C6);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    for (uint32_t k = 0; k < count; k++) p[k] = qn__ll_fma(g, p[k], x[k], number(g, type, steps[i]), false, lanes);
  for (uint32_t k = 0; k < count; k++) {
    LLVMValueRef n = LLVMBuildSub(g->b, LLVMBuildBitCast(g->b, t[k], ints, ""),
                                  LLVMBuildBitCast(g->b, magic, ints, ""), "");
    n = LLVMBuildSelect(g->b, low[k], LLVMConstNull(ints), n, "");
    p[k] = LLVMBuildSelect(g->b, low[k], nought, scaled(g, p[k], nf[k], n, lanes), "");
  }
}

/* ---- codes ---- */

bool qn__ll_attention_packs(const qn_ll_attention *t) {
  const qn_ll *g = t->g;
  return t->plan->codes && t->plan->exponential && g->x86 && g->masked && g->lanes == 16 &&
         (g->isa->has & QN_ISA_DOT8);
}

/* A weight is 1 at most or NaN, which conversion makes the least integer, and saturation 0. */
LLVMValueRef qn__ll_attention_codes(qn_ll *g, uint32_t count, const LLVMValueRef *p, LLVMValueRef at,
                                    LLVMValueRef sums) {
  const qn_ll_narrow narrow = {.floats = true, .is_unsigned = true};
  qn_ll_region regions[QN_LL_MAX_GROUP];
  LLVMValueRef x[QN_LL_MAX_GROUP], args[3] = {sums, NULL, NULL};
  for (uint32_t k = 0; k < count; k++) {
    x[k] = LLVMBuildFMul(g->b, p[k], number(g, LLVMTypeOf(p[k]), 255.0f), "");
    regions[k] = (qn_ll_region){.g = g, .v = &x[k]};
  }
  qn__ll_narrow_store(regions, count, &narrow, at);
  LLVMTypeRef bytes = LLVMVectorType(g->i8, count * 16), all = LLVMVectorType(g->i8, 64);
  args[1] = qn__ll_load_vec(g, bytes, at, 1);
  if (count < 4) {
    LLVMValueRef picks[64];
    for (uint32_t i = 0; i < 64; i++) picks[i] = qn__ll_i32(g, i < count * 16 ? i : count * 16);
    args[1] = LLVMBuildShuffleVector(g->b, args[1], LLVMConstNull(bytes), LLVMConstVector(picks, 64), "");
  }
  args[2] = qn__ll_bits(g, all, 1);
  return qn__ll_target_intrinsic(g, "llvm.x86.avx512.vpdpbusd.512", LLVMTypeOf(sums), 3, args);
}

/* ---- folding ---- */

LLVMValueRef qn__ll_attention_larger(qn_ll *g, LLVMValueRef x, LLVMValueRef m) {
  return LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, x, m, ""), x, m, "");
}

static LLVMValueRef combined(qn_ll *g, LLVMValueRef a, LLVMValueRef b, qn_ll_fold how) {
  return how == QN_LL_FOLD_MAX   ? qn__ll_attention_larger(g, a, b)
         : how == QN_LL_FOLD_ADD ? LLVMBuildAdd(g->b, a, b, "")
                                 : LLVMBuildFAdd(g->b, a, b, "");
}

static LLVMValueRef half(qn_ll *g, LLVMValueRef v, uint32_t first, uint32_t count) {
  LLVMValueRef picks[32];
  for (uint32_t i = 0; i < count; i++) picks[i] = qn__ll_i32(g, first + i);
  if (count == 1) return LLVMBuildExtractElement(g->b, v, picks[0], "");
  return LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(picks, count), "");
}

LLVMValueRef qn__ll_attention_fold(qn_ll *g, LLVMValueRef v, uint32_t lanes, qn_ll_fold how) {
  for (uint32_t count = lanes / 2; count >= 1; count /= 2)
    v = combined(g, half(g, v, 0, count), half(g, v, count, count), how);
  return v;
}

/* Lanes of a and b that `pick` names (b's from `lanes` on), by the same lanes `apart` further on. */
static LLVMValueRef fold_pair(qn_ll *g, LLVMValueRef a, LLVMValueRef b, const uint32_t *pick, uint32_t apart,
                              uint32_t lanes, qn_ll_fold how) {
  LLVMValueRef one[16], other[16];
  if (!a && !b) return NULL;
  for (uint32_t i = 0; i < lanes; i++) one[i] = qn__ll_i32(g, pick[i]), other[i] = qn__ll_i32(g, pick[i] + apart);
  if (!b) b = a;
  LLVMValueRef x = LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(one, lanes), "");
  return combined(g, x, LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(other, lanes), ""), how);
}

/* Quarters of a register are folded first, four rows' into one vector whose quarter i is row 4 i + j; then the lanes of
 * each quarter, the vectors for j = 0 to 3 into one. Both kinds of step are one instruction per operand. */
static LLVMValueRef fold_group(qn_ll *g, LLVMValueRef *v, uint32_t lanes, qn_ll_fold how) {
  uint32_t quarters = lanes / 4;
  LLVMValueRef q[4];
  for (uint32_t j = 0; j < 4; j++) {
    LLVMValueRef rows[4];
    for (uint32_t i = 0; i < quarters; i++) rows[i] = v[4 * i + j];
    for (uint32_t count = quarters, wide = lanes / 2; count > 1; count /= 2, wide /= 2)
      for (uint32_t i = 0; i < count / 2; i++) {
        uint32_t pick[16], n = 0;
        for (uint32_t from = 0; from < 2 * lanes; from += 2 * wide)
          for (uint32_t l = 0; l < wide; l++) pick[n++] = from + l;
        rows[i] = fold_pair(g, rows[2 * i], rows[2 * i + 1], pick, wide, lanes, how);
      }
    q[j] = rows[0];
  }
  uint32_t twos[16], ones[16];
  for (uint32_t i = 0; i < lanes; i++) {
    uint32_t quarter = i / 4 * 4;
    twos[i] = quarter + i % 2 + (i % 4 / 2) * lanes;
    ones[i] = quarter + i % 2 * 2 + (i % 4 / 2) * lanes;
  }
  q[0] = fold_pair(g, q[0], q[1], twos, 2, lanes, how);
  q[2] = fold_pair(g, q[2], q[3], twos, 2, lanes, how);
  return fold_pair(g, q[0], q[2], ones, 1, lanes, how);
}

LLVMValueRef qn__ll_attention_fold_rows(qn_ll *g, LLVMValueRef at, LLVMTypeRef elem, uint32_t rows, qn_ll_fold how) {
  LLVMTypeRef type = qn__ll_lanes(elem, g->lanes);
  LLVMValueRef v[16] = {NULL};
  for (uint32_t r = 0; r < rows && r < g->lanes; r++)
    v[r] = qn__ll_load_vec(g, type, qn__ll_gep_const(g, at, (int64_t)r * g->lanes * 4), 4);
  if (g->lanes % 4 == 0) return fold_group(g, v, g->lanes, how);
  if (g->lanes == 1) return v[0];
  LLVMValueRef all = LLVMConstNull(type);
  for (uint32_t r = 0; r < rows && r < g->lanes; r++)
    all = LLVMBuildInsertElement(g->b, all, qn__ll_attention_fold(g, v[r], g->lanes, how), qn__ll_i32(g, r), "");
  return all;
}
