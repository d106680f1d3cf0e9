/* A turn of rows in stages (row_stages.c): whole vectors of those stages that have a row, side by side in one loop, or
 * one stage alone where there is no such loop for them, then what is left of the rows under masks.
 *
 * Side by side exponentials are taken for usual: none underflows, and nothing asks each of them. What tells of it is
 * collected on the way, and when it was not so the row's pass is done again, alone and with all that it needs, before
 * anything uses what it made; for some turns after that nothing is taken for usual. */
#include "row_stages.h"
#include <string.h>

enum { WAIT = 8 }; /* turns, after exponentials that underflow */

static void write_vector(row_state *s, LLVMValueRef index, LLVMValueRef mask) {
  qn_ll_nest *n = s->n;
  uint32_t lanes = n->g->lanes;
  qn__ll_region_load(&n->region, QN_LL_BY_LANE, n->places, index, lanes, mask);
  qn__ll_row_kept_load(s, &n->region, index, lanes, mask);
  qn__ll_region_emit(&n->region, QN_LL_BY_LANE, 0, s->pass, lanes);
  for (uint32_t i = 0; i < n->plan->num_outputs; i++)
    qn__ll_region_store(&n->region, i, &n->places[n->plan->num_inputs + i], index, lanes, mask);
}

/* What the first and the last pass will come to, of stages first to end - 1. In caches the processor does as well
 * alone, and fetching takes a twentieth of the time. */
static void fetch_ahead(qn_ll_stages *t, uint32_t first, uint32_t end, LLVMValueRef index, uint32_t vectors) {
  qn_ll_if f;
  if (first != 0 && end != t->count) return;
  qn__ll_if_begin(t->n->g, &f, t->far);
  for (uint32_t p = first; p < end; p++)
    if (p == 0 || p + 1 == t->count) qn__ll_row_ahead_stage(&t->s[p], index, vectors);
  qn__ll_if_end(t->n->g, &f);
}

/* One vector of a stage, under a mask where it is the row's rest. */
static void one_vector(qn_ll_stages *t, uint32_t p, LLVMValueRef *sums, LLVMValueRef index, LLVMValueRef mask) {
  t->s[p].in_registers = true;
  if (p + 1 < t->count)
    qn__ll_row_step(&t->s[p], sums, index, t->n->g->lanes, mask);
  else
    write_vector(&t->s[p], index, mask);
}

/* Sums that were changed where `f` held, and what they were elsewhere. */
static void end_if(qn_ll *g, qn_ll_if *f, LLVMBasicBlockRef before, uint32_t count, const LLVMValueRef *old,
                   LLVMValueRef *sums) {
  LLVMBasicBlockRef from[2] = {before, LLVMGetInsertBlock(g->b)};
  qn__ll_if_end(g, f);
  for (uint32_t q = 0; q < count; q++) {
    LLVMValueRef both[2] = {old[q], sums[q]};
    sums[q] = LLVMBuildPhi(g->b, LLVMTypeOf(old[q]), "");
    LLVMAddIncoming(sums[q], both, from, 2);
  }
}

/* Whole vectors of stages first to end - 1, side by side: as many at once as there are partials, up to `last`. `all` is
 * where they are, and then their sums. */
static void side_by_side(qn_ll_stages *t, uint32_t first, uint32_t end, const qn_ll_lanes *parts, LLVMValueRef last,
                         uint32_t count, LLVMValueRef *all) {
  qn_ll *g = t->n->g;
  uint32_t vectors = PARTIALS / g->lanes;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, all[0], last, PARTIALS, 1 + count, all);
  fetch_ahead(t, first, end, f.i, vectors);
  if (parts) qn__ll_lanes_write(parts, end - first, vectors, f.i);
  for (uint32_t p = first; p < end && !parts; p++)
    for (uint32_t v = 0; v < vectors; v++)
      one_vector(t, p, all + 1 + t->first_sum[p] - t->first_sum[first],
                 qn__ll_add(g, f.i, qn__ll_i64(g, (int64_t)v * g->lanes)), NULL);
  all[0] = qn__ll_add(g, f.i, qn__ll_i64(g, PARTIALS));
  qn__ll_for_end(g, &f, all);
}

static LLVMValueRef spread(qn_ll *g, LLVMValueRef v) {
  return v && !LLVMIsConstant(v) ? qn__ll_splat(g, v, g->lanes) : v;
}

/* What stages know of their rows, in all lanes ahead of the loop: stages are behind conditions, out of which nothing is
 * moved. */
static bool spread_known(qn_ll_stages *t, qn_ll_region *wide) {
  qn_ll *g = t->n->g;
  uint32_t insts = t->n->region.tape->num_insts;
  for (uint32_t p = 0; p < t->count; p++) {
    const qn_ll_region *r = &t->nests[p].region;
    wide[p] = *r;
    wide[p].v = qn__ll_values(g, insts);
    wide[p].divisors = qn__arena_copy(g->arena, r->divisors, insts * sizeof *r->divisors);
    if (!wide[p].v || !wide[p].divisors) {
      g->failed = g->out_of_memory = true;
      return false;
    }
    memcpy(wide[p].v, r->v, insts * sizeof *r->v);
    for (uint32_t i = 0; i < insts; i++) {
      qn_ll_divisor *d = &wide[p].divisors[i];
      bool is_known = r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] <= p;
      if (is_known) wide[p].v[i] = spread(g, r->v[i]);
      d->inverse = spread(g, d->inverse), d->minus = spread(g, d->minus), d->rest = spread(g, d->rest);
    }
  }
  return true;
}

/* In the pass that makes exponentials, what collects their counts is carried in the place of the smallest of them. */
static uint32_t counted_at(const qn_ll_stages *t) {
  return t->first_sum[t->count - 1] - 1;
}

static void count_instead(const qn_ll_stages *t, qn_ll_lanes *part) {
  const qn_ll_share *share = &t->s[0].share;
  part->finds_least = false;
  part->counts = true, part->never = share->mask, part->sum = share->sum, part->difference = share->difference;
}

static LLVMValueRef has_other_bits(qn_ll *g, LLVMValueRef counted) {
  LLVMTypeRef type = LLVMVectorType(g->i32, 16), mask = LLVMIntTypeInContext(g->ctx, 16);
  LLVMValueRef bits = LLVMBuildBitCast(g->b, counted, type, "");
  bits = LLVMBuildAnd(g->b, bits, qn__ll_bits(g, type, ~(uint32_t)QN_LL_COUNTED_BITS), "");
  bits = LLVMBuildICmp(g->b, LLVMIntNE, bits, LLVMConstNull(type), "");
  return LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildBitCast(g->b, bits, mask, ""), LLVMConstNull(mask), "");
}

/* Stages [first, end) where they are those that have a row, and their divisors and exponentials are usual. */
static LLVMValueRef several(qn_ll_stages *t, uint32_t first, uint32_t end, const qn_ll_region *wide, LLVMValueRef last,
                            LLVMValueRef *sums, LLVMValueRef *odd) {
  qn_ll *g = t->n->g;
  qn_ll_lanes parts[QN_LL_STAGES];
  const qn_ll_share *share = &t->s[0].share;
  uint32_t begin = t->first_sum[first], count = t->first_sum[end] - begin;
  bool counts = share->counts && first + 2 <= t->count && t->count <= end + 1;
  LLVMValueRef all[QN_LL_MAX_CARRIED], good = NULL;
  for (uint32_t p = 0; p < t->count; p++) {
    bool in = p >= first && p < end;
    LLVMValueRef as_it_is = in ? t->live[p] : LLVMBuildNot(g->b, t->live[p], "");
    good = good ? LLVMBuildAnd(g->b, good, as_it_is, "") : as_it_is;
    if (!in) continue;
    parts[p - first] = qn__ll_stage_lanes(&t->s[p], &wide[p]);
    parts[p - first].by_products = true;
    parts[p - first].queue = all + 1 + t->first_sum[p] - begin;
    if (counts && p + 2 == t->count) count_instead(t, &parts[p - first]);
  }
  if (t->text[first] && !qn__ll_lanes_serve(parts, end - first)) return LLVMConstNull(g->i1);
  if (share->found && end == t->count)
    good = LLVMBuildAnd(g->b, good, wide[end - 1].divisors[share->division].usual, "");
  if (counts) good = LLVMBuildAnd(g->b, good, LLVMBuildICmp(g->b, LLVMIntEQ, t->waits, qn__ll_i64(g, 0), ""), "");
  LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
  LLVMValueRef old[QN_LL_MAX_CARRIED];
  qn_ll_if f;
  qn__ll_if_begin(g, &f, good);
  all[0] = t->n->start;
  memcpy(all + 1, sums + begin, count * sizeof *all);
  memcpy(old, sums + begin, count * sizeof *all);
  LLVMValueRef *counted = counts ? &all[1 + counted_at(t) - begin] : NULL;
  if (counted) *counted = LLVMConstNull(LLVMTypeOf(*counted));
  side_by_side(t, first, end, t->text[first] ? parts : NULL, last, count, all);
  if (counted) {
    LLVMValueRef bad[2] = {*odd, has_other_bits(g, *counted)};
    *counted = sums[counted_at(t)];
    old[count] = bad[0], all[1 + count] = bad[1];
  }
  end_if(g, &f, before, count + counts, old, all + 1);
  memcpy(sums + begin, all + 1, count * sizeof *all);
  if (counted) *odd = all[1 + count];
  return good;
}

/* A stage alone. */
static void alone(qn_ll_stages *t, uint32_t p, const qn_ll_region *wide, LLVMValueRef last, LLVMValueRef done,
                  LLVMValueRef *sums) {
  qn_ll *g = t->n->g;
  const row_state *s = &t->s[p];
  uint32_t count = t->first_sum[p + 1] - t->first_sum[p];
  bool divides = qn__ll_row_last_pass(s) && s->share.found;
  LLVMValueRef wanted = LLVMBuildAnd(g->b, t->live[p], LLVMBuildNot(g->b, done, ""), "");
  for (uint32_t k = 0; k < (divides ? 2 : 1); k++) {
    LLVMValueRef all[QN_LL_MAX_CARRIED], good = wanted;
    qn_ll_lanes part = qn__ll_stage_lanes(s, &wide[p]);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
    qn_ll_if f;
    part.by_products = divides && k == 0, part.queue = all + 1;
    if (divides) {
      LLVMValueRef usual = wide[p].divisors[s->share.division].usual;
      good = LLVMBuildAnd(g->b, wanted, k ? LLVMBuildNot(g->b, usual, "") : usual, "");
      before = LLVMGetInsertBlock(g->b);
    }
    qn__ll_if_begin(g, &f, good);
    all[0] = t->n->start;
    if (count) qn__ll_row_start(s, all + 1);
    side_by_side(t, p, p + 1, t->text[p] ? &part : NULL, last, count, all);
    end_if(g, &f, before, count, sums + t->first_sum[p], all + 1);
    memcpy(sums + t->first_sum[p], all + 1, count * sizeof *all);
  }
}

/* The rest of the rows, a vector at a time. */
static void rest(qn_ll_stages *t, LLVMValueRef *sums) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  LLVMValueRef whole = LLVMBuildAnd(g->b, n->end, qn__ll_i64(g, -PARTIALS), "");
  qn_ll_for f;
  qn__ll_for_begin(g, &f, whole, n->end, g->lanes, t->first_sum[t->count], sums);
  LLVMValueRef mask = qn__ll_mask(g, qn__ll_min(g, qn__ll_sub(g, n->end, f.i), qn__ll_i64(g, g->lanes)));
  for (uint32_t p = 0; p < t->count; p++) {
    uint32_t count = t->first_sum[p + 1] - t->first_sum[p];
    LLVMValueRef *mine = sums + t->first_sum[p], old[QN_LL_MAX_CARRIED];
    LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
    qn_ll_if some;
    memcpy(old, mine, count * sizeof *old);
    qn__ll_if_begin(g, &some, t->live[p]);
    one_vector(t, p, mine, f.i, mask);
    end_if(g, &some, before, count, old, mine);
  }
  qn__ll_for_end(g, &f, sums);
}

/* All stages, each over its row. */
void qn__ll_stages_turn(qn_ll_stages *t) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  qn_ll_region wide[QN_LL_STAGES];
  LLVMValueRef *scalars[QN_LL_STAGES], sums[QN_LL_MAX_CARRIED],
      last = qn__ll_sub(g, n->end, qn__ll_i64(g, PARTIALS - 1));
  LLVMValueRef done = LLVMConstNull(g->i1), odd = done;
  if (!spread_known(t, wide)) return;
  if (t->wait) t->waits = LLVMBuildLoad2(g->b, g->i64, t->wait, "");
  for (uint32_t p = 0; p < t->count; p++) {
    if (p + 1 == t->count) continue;
    qn__ll_row_start(&t->s[p], sums + t->first_sum[p]);
    scalars[p] = t->nests[p].region.v;
    t->nests[p].region.v = wide[p].v;
  }
  for (uint32_t first = 0; first < t->count; first++)
    for (uint32_t end = first + 2; end <= t->count; end++)
      done = LLVMBuildOr(g->b, done, several(t, first, end, wide, last, sums, &odd), "");
  for (uint32_t p = 0; p < t->count; p++) {
    bool again = t->wait && p + 2 == t->count;
    alone(t, p, wide, last, again ? LLVMBuildAnd(g->b, done, LLVMBuildNot(g->b, odd, ""), "") : done, sums);
  }
  if (t->wait) {
    LLVMValueRef zero = qn__ll_i64(g, 0), less = qn__ll_sub(g, t->waits, qn__ll_i64(g, 1));
    less = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, t->waits, zero, ""), less, zero, "");
    LLVMBuildStore(g->b, LLVMBuildSelect(g->b, odd, qn__ll_i64(g, WAIT), less, ""), t->wait);
  }
  rest(t, sums);
  for (uint32_t p = 0; p + 1 < t->count; p++) {
    uint32_t count = t->first_sum[p + 1] - t->first_sum[p];
    LLVMValueRef *mine = sums + t->first_sum[p];
    t->nests[p].region.v = scalars[p];
    for (uint32_t q = 0; q < count && t->waits_for_none; q++)
      qn__ll_store_vec(g, mine[q], qn__ll_stage_sum(t, p, t->row[p], q), 64);
    memcpy(t->s[p].queue, mine, count * sizeof *mine);
    if (!t->waits_for_none) qn__ll_row_finish(&t->s[p], true);
  }
}
