/* A vector divided by one number: as a row of exponentials by their sum. The dividing unit takes ten cycles for 16
 * lanes, four fused products take two. Exact all the same:
 *
 *   r = 1/s rounded, e = (1 - r s) r;  q = fma(a, r, a e);  quotient = fma(a - q s, r, q)
 *
 * q is a / s but for less than a unit in its last place: half for its rounding, and 2^-46 of q for what r + e lacks.
 * The remainder a - q s of such a q has no more bits than a float and is exact in one fma, and then the last step
 * rounds to a / s correctly (Markstein, IBM J. Res. Dev. 34, 1990) where nothing underflows or overflows. That is so
 * for s in [2^-20, 2^20] and a = 0 or |a| > 2^-95: the remainder is a multiple of 2^-143, the quotient a normal number.
 * Where a is not finite, or the quotient is not, the last step gives NaN. Vectors with such lanes or smaller ones,
 * those next to them that are done at once, and other s, are divided. The sign of a is put on the quotient, for -0. */
#include "ll.h"

enum { FEW = 8 }; /* instructions beside it: with more of them division costs nothing, as they run meanwhile */

static bool is_candidate(const qn_ll_region *r, uint32_t i) {
  const qn_tinst *x = &r->tape->insts[i];
  return x->op == QN_T_FDIV && x->type == QN_TF32 && r->needed[i] && (r->vary[i] & QN_LL_BY_LANE) &&
         !(r->vary[x->b] & QN_LL_BY_LANE);
}

static uint32_t lane_work(const qn_ll_region *r, uint8_t pass) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    uint8_t op = r->tape->insts[i].op;
    bool free = op == QN_T_INPUT || op == QN_T_CONST || op == QN_T_BITCAST;
    n += !free && r->needed[i] && (r->vary[i] & QN_LL_BY_LANE) && r->ready[i] == pass;
  }
  return n;
}

static LLVMValueRef number(qn_ll *g, uint32_t bits) {
  return qn__ll_bits(g, g->f32, bits);
}

static void prepare(qn_ll_region *r, uint32_t i) {
  qn_ll *g = r->g;
  LLVMValueRef s = r->v[r->tape->insts[i].b], one = number(g, 0x3F800000u);
  qn_ll_divisor *d = &r->divisors[i];
  if (!s) return;
  d->inverse = LLVMBuildFDiv(g->b, one, s, "");
  d->minus = LLVMBuildFNeg(g->b, s, "");
  d->rest = LLVMBuildFMul(g->b, qn__ll_fma(g, d->inverse, d->minus, one, false, 1), d->inverse, "");
  LLVMValueRef large = LLVMBuildFCmp(g->b, LLVMRealOGE, s, number(g, 0x35800000u), "");
  d->usual = LLVMBuildAnd(g->b, large, LLVMBuildFCmp(g->b, LLVMRealOLE, s, number(g, 0x49800000u), ""), "");
}

bool qn__ll_divides_by_products(const qn_ll *g) {
  return g->x86 && g->isa->vector_bits >= 512;
}

void qn__ll_divisors_prepare(qn_ll_region *r, uint8_t vary, uint32_t first, uint32_t last) {
  qn_ll *g = r->g;
  if (!qn__ll_divides_by_products(g) || (vary & QN_LL_BY_LANE)) return;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    uint32_t s = r->tape->insts[i].b;
    if (!is_candidate(r, i) || r->vary[s] != vary || r->ready[s] < first || r->ready[s] > last) continue;
    if (lane_work(r, r->ready[i]) <= FEW) prepare(r, i);
  }
}

static LLVMValueRef splat(qn_ll *g, LLVMValueRef v) {
  return qn__ll_splat(g, v, 16);
}

/* a / s but for its sign where nothing is odd. */
static LLVMValueRef fast(qn_ll *g, const qn_ll_divisor *d, LLVMValueRef a) {
  LLVMValueRef inverse = splat(g, d->inverse), minus = splat(g, d->minus);
  LLVMValueRef q = qn__ll_fma(g, a, inverse, LLVMBuildFMul(g->b, a, splat(g, d->rest), ""), false, 16);
  return qn__ll_fma(g, qn__ll_fma(g, q, minus, a, false, 16), inverse, q, false, 16);
}

/* The same with its sign, and which lanes are odd. */
static LLVMValueRef fast_checked(qn_ll *g, const qn_ll_divisor *d, LLVMValueRef a, LLVMValueRef *odd) {
  LLVMTypeRef type = LLVMTypeOf(a), bits = LLVMVectorType(g->i32, 16);
  LLVMValueRef q = fast(g, d, a);
  LLVMValueRef ai = LLVMBuildBitCast(g->b, a, bits, "");
  LLVMValueRef sign = LLVMBuildAnd(g->b, ai, qn__ll_bits(g, bits, 0x80000000u), "");
  /* One less, so that 0 is large: three bits of the exponent are 0 up to 2^-95 only. */
  LLVMValueRef less = LLVMBuildAdd(g->b, ai, LLVMConstAllOnes(bits), "");
  LLVMValueRef high = LLVMBuildAnd(g->b, less, qn__ll_bits(g, bits, 0x70000000u), "");
  *odd = LLVMBuildOr(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, high, LLVMConstNull(bits), ""),
                     LLVMBuildFCmp(g->b, LLVMRealUNO, q, q, ""), "");
  return LLVMBuildBitCast(g->b, LLVMBuildOr(g->b, LLVMBuildBitCast(g->b, q, bits, ""), sign, ""), type, "");
}

void qn__ll_divide(qn_ll *g, const qn_ll_divisor *d, uint32_t count, const LLVMValueRef *a, LLVMValueRef s,
                   LLVMValueRef *quotients) {
  LLVMValueRef all = NULL, exact[QN_LL_MAX_GROUP], odd, unusual = LLVMBuildNot(g->b, d->usual, "");
  for (uint32_t k = 0; k < count && d->checked; k++) quotients[k] = fast(g, d, a[k]);
  for (uint32_t k = 0; k < count && !d->checked; k++) {
    quotients[k] = fast_checked(g, d, a[k], &odd);
    all = all ? LLVMBuildOr(g->b, all, odd, "") : odd;
  }
  if (all) {
    LLVMTypeRef mask = LLVMIntTypeInContext(g->ctx, 16);
    LLVMValueRef any = LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildBitCast(g->b, all, mask, ""), LLVMConstNull(mask), "");
    unusual = LLVMBuildOr(g->b, any, unusual, "");
  }
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b)};
  qn_ll_if slow;
  qn__ll_if_begin(g, &slow, unusual);
  for (uint32_t k = 0; k < count; k++) exact[k] = LLVMBuildFDiv(g->b, a[k], s, "");
  from[1] = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &slow);
  for (uint32_t k = 0; k < count; k++) {
    LLVMValueRef values[2] = {quotients[k], exact[k]};
    quotients[k] = LLVMBuildPhi(g->b, LLVMTypeOf(a[k]), "");
    LLVMAddIncoming(quotients[k], values, from, 2);
  }
}
