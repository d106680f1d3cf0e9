/* Parts of a whole: what is kept from one pass to the last (keep.c) and there divided by its own sum, as exponentials
 * are in softmax. divide.c looks at each dividend and quotient, whether its way of dividing holds for them. Here the
 * smallest dividend but for the zeros is found while they are made, by one instruction, and tells it of the whole row:
 *
 * dividends that are +0 or at least 2^-94, and their sum not NaN and at most 2^20, are finite, because a sum of such
 * numbers, however rounded, is no less than any of them; their quotients are at most 1. None has a sign. */
#include "row.h"

/* The dividend is `mask ? +0 : y`. */
static bool find(const row_state *s, uint32_t i, qn_ll_share *out) {
  const qn_ll_region *r = &s->n->region;
  const qn_tinst *division = &r->tape->insts[i], *kept = &r->tape->insts[s->kept], *zero = &r->tape->insts[kept->b];
  if (!r->needed[i] || division->op != QN_T_FDIV || division->type != QN_TF32 || division->a != s->kept) return false;
  const qn_tinst *sum = &r->tape->insts[division->b];
  if (sum->op != QN_T_ALL_FSUM || sum->a != s->kept || r->ready[division->b] + 1u != r->num_passes) return false;
  if (kept->op != QN_T_SELECT || zero->op != QN_T_CONST || zero->imm != 0) return false;
  *out = (qn_ll_share){.found = true, .division = i, .mask = kept->a};
  return r->tape->insts[kept->a].op == QN_T_FCMP && (r->vary[kept->a] & QN_LL_BY_LANE);
}

/* What EXP_OR_ZERO of the recipes is made of, as far as n. */
static void find_count(const qn_tape *t, const qn_tinst *kept, qn_ll_share *out) {
  const qn_tinst *power = &t->insts[kept->c], *n = &t->insts[power->b], *any = &t->insts[n->c];
  if (power->op != QN_T_FSCALE || n->op != QN_T_SELECT || n->a != kept->a || n->b != kept->b) return;
  const qn_tinst *sum = &t->insts[any->a], *compare = &t->insts[kept->a];
  if (any->op != QN_T_FSUB || sum->op != QN_T_FMA || any->b != sum->c || sum->a != compare->a) return;
  if (t->insts[sum->c].op != QN_T_CONST || t->insts[sum->c].imm != QN_LL_MAGIC) return;
  if (t->insts[sum->b].op != QN_T_CONST || t->insts[sum->b].imm != QN_LL_LOG2E) return;
  out->counts = true;
  out->sum = any->a, out->difference = n->c, out->magic = sum->c;
}

void qn__ll_share_find(row_state *s) {
  s->share = (qn_ll_share){.found = false};
  if (!s->keeps || !qn__ll_divides_by_products(s->n->g)) return;
  for (uint32_t i = 0; i < s->n->region.tape->num_insts; i++) {
    qn_ll_share one;
    if (!find(s, i, &one)) continue;
    find_count(s->n->region.tape, &s->n->region.tape->insts[s->kept], &one);
    s->share = one;
  }
}

bool qn__ll_share_here(const row_state *s) {
  return s->share.found && s->pass + 2 == s->n->region.num_passes;
}

LLVMValueRef qn__ll_share_start(const row_state *s) {
  return qn__ll_bits(s->n->g, LLVMVectorType(s->n->g->f32, 16), 0x7F800000u);
}

LLVMValueRef qn__ll_share_step(const row_state *s, LLVMValueRef least, LLVMValueRef mask) {
  qn_ll *g = s->n->g;
  const LLVMValueRef *v = s->n->region.v;
  /* The opposite comparison, as LLVM makes it for the zeros: then it is one, and masks the search too. */
  const qn_tinst *zero = &s->n->region.tape->insts[s->share.mask];
  LLVMRealPredicate opposite = (LLVMRealPredicate)(LLVMRealPredicateTrue - zero->pred);
  LLVMValueRef x = v[s->kept], a = qn__ll_region_get(&s->n->region, zero->a, 16);
  LLVMValueRef some = LLVMBuildFCmp(g->b, opposite, a, qn__ll_region_get(&s->n->region, zero->b, 16), "");
  LLVMValueRef lower = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOLT, x, least, ""), x, least, "");
  lower = LLVMBuildSelect(g->b, some, lower, least, "");
  return mask ? LLVMBuildSelect(g->b, mask, lower, least, "") : lower;
}

void qn__ll_share_end(row_state *s, LLVMValueRef least) {
  qn_ll *g = s->n->g;
  qn_ll_divisor *d = &s->n->region.divisors[s->share.division];
  if (!d->inverse) return;
  LLVMTypeRef bits = LLVMIntTypeInContext(g->ctx, 16);
  LLVMValueRef good = LLVMBuildFCmp(g->b, LLVMRealOGE, least, qn__ll_bits(g, LLVMTypeOf(least), 0x10800000u), "");
  good = LLVMBuildICmp(g->b, LLVMIntEQ, LLVMBuildBitCast(g->b, good, bits, ""), LLVMConstAllOnes(bits), "");
  d->usual = LLVMBuildAnd(g->b, d->usual, good, "");
  d->checked = true;
}
