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

/* e^x = p 2^n of `count` vectors, of which every step is done together: t is n with the adder's bits, nf the same as a
 * float. The recipe of lib/num, without its limits. */
typedef struct powers {
  qn_ll *g;
  uint32_t count, lanes;
  LLVMTypeRef type, ints;
  LLVMValueRef x[QN_LL_MAX_GROUP], t[QN_LL_MAX_GROUP], nf[QN_LL_MAX_GROUP], p[QN_LL_MAX_GROUP];
} powers;

static void take(powers *w, qn_ll *g, uint32_t count, const LLVMValueRef *s, LLVMValueRef m) {
  *w = (powers){.g = g, .count = count, .type = LLVMTypeOf(s[0])};
  w->lanes = LLVMGetTypeKind(w->type) == LLVMVectorTypeKind ? LLVMGetVectorSize(w->type) : 1;
  w->ints = qn__ll_lanes(g->i32, w->lanes);
  for (uint32_t k = 0; k < count; k++) w->x[k] = LLVMBuildFSub(g->b, s[k], m, "");
}

static void count_up(powers *w) {
  qn_ll *g = w->g;
  LLVMValueRef magic = number(g, w->type, 0x1.8p23f), log2e = number(g, w->type, QN_LOG2E);
  for (uint32_t k = 0; k < w->count; k++) w->t[k] = qn__ll_fma(g, w->x[k], log2e, magic, false, w->lanes);
  for (uint32_t k = 0; k < w->count; k++) w->nf[k] = LLVMBuildFSub(g->b, w->t[k], magic, "");
}

static void rest(powers *w) {
  static const float steps[] = {QN_EXP_C5, QN_EXP_C4, QN_EXP_C3, QN_EXP_C2, 1.0f, 1.0f};
  qn_ll *g = w->g;
  LLVMValueRef high = number(g, w->type, -QN_LN2_HI), low = number(g, w->type, -(QN_LN2_LO));
  for (uint32_t k = 0; k < w->count; k++) w->x[k] = qn__ll_fma(g, w->nf[k], high, w->x[k], false, w->lanes);
  for (uint32_t k = 0; k < w->count; k++) w->x[k] = qn__ll_fma(g, w->nf[k], low, w->x[k], false, w->lanes);
  for (uint32_t k = 0; k < w->count; k++) w->p[k] = number(g, w->type, QN_EXP_C6);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
    for (uint32_t k = 0; k < w->count; k++)
      w->p[k] = qn__ll_fma(g, w->p[k], w->x[k], number(g, w->type, steps[i]), false, w->lanes);
}

/* n, or what is above it in t's bits, which a shift to the exponent's place drops. */
static LLVMValueRef exponent(powers *w, uint32_t k, bool exact) {
  LLVMValueRef n = LLVMBuildBitCast(w->g->b, w->t[k], w->ints, "");
  return exact ? LLVMBuildSub(w->g->b, n, LLVMBuildBitCast(w->g->b, number(w->g, w->type, 0x1.8p23f), w->ints, ""), "")
               : n;
}

void qn__ll_attention_exp(qn_ll *g, uint32_t count, const LLVMValueRef *s, LLVMValueRef m, LLVMValueRef *p) {
  const qn_tinst scale = {.op = QN_T_FSCALE, .type = QN_TF32};
  powers w;
  LLVMValueRef keep[QN_LL_MAX_GROUP];
  take(&w, g, count, s, m);
  LLVMValueRef nought = LLVMConstNull(w.type), least = number(g, w.type, -104.0f);
  for (uint32_t k = 0; k < count; k++) keep[k] = LLVMBuildFCmp(g->b, LLVMRealUGE, w.x[k], least, "");
  count_up(&w);
  for (uint32_t k = 0; k < count; k++) w.nf[k] = LLVMBuildSelect(g->b, keep[k], w.nf[k], nought, "");
  rest(&w);
  for (uint32_t k = 0; k < count; k++) {
    LLVMValueRef n = LLVMBuildSelect(g->b, keep[k], exponent(&w, k, true), LLVMConstNull(w.ints), "");
    qn_ll_operands o = {.inst = &scale, .type = w.type, .elem = g->f32, .lanes = w.lanes, .bits = 32};
    o.a = w.p[k], o.b = w.nf[k], o.c = n;
    p[k] = LLVMBuildSelect(g->b, keep[k], qn__ll_emit_FSCALE(g, &o), nought, "");
  }
}

/* ---- codes ---- */

bool qn__ll_attention_packs(const qn_ll_attention *t) {
  const qn_ll *g = t->g;
  return t->plan->codes && t->plan->exponential && g->x86 && g->masked && g->lanes == 16 && (g->isa->has & QN_ISA_DOT8);
}

/* 255 e^x. Below e^-80 the code is 0, and for NaN; that far e^x is a normal number, whose exponent n is added to. */
static void times_255(qn_ll *g, uint32_t count, const LLVMValueRef *s, LLVMValueRef m, LLVMValueRef *y) {
  powers w;
  take(&w, g, count, s, m);
  LLVMValueRef least = number(g, w.type, -80.0f);
  for (uint32_t k = 0; k < count; k++) w.x[k] = qn__ll_attention_larger(g, w.x[k], least);
  count_up(&w);
  rest(&w);
  for (uint32_t k = 0; k < count; k++) {
    LLVMValueRef n = LLVMBuildShl(g->b, exponent(&w, k, false), qn__ll_bits(g, w.ints, 23), "");
    LLVMValueRef p = LLVMBuildAdd(g->b, LLVMBuildBitCast(g->b, w.p[k], w.ints, ""), n, "");
    y[k] = LLVMBuildFMul(g->b, LLVMBuildBitCast(g->b, p, w.type, ""), number(g, w.type, 255.0f), "");
  }
}

LLVMValueRef qn__ll_attention_codes(qn_ll *g, uint32_t count, const LLVMValueRef *s, LLVMValueRef m, LLVMValueRef at,
                                    LLVMValueRef sums) {
  const qn_ll_narrow narrow = {.floats = true, .is_unsigned = true};
  qn_ll_region regions[QN_LL_MAX_GROUP];
  LLVMValueRef y[QN_LL_MAX_GROUP], args[3] = {sums, NULL, NULL};
  times_255(g, count, s, m, y);
  for (uint32_t k = 0; k < count; k++) regions[k] = (qn_ll_region){.g = g, .v = &y[k]};
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
    LLVMValueRef rows[4] = {NULL};
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
