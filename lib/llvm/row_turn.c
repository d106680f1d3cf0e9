/* A turn of rows in stages (row_stages.c): whole vectors of those stages that have a row, side by side in one loop, or
 * one stage alone where there is no such loop for them, then what is left of the rows under masks. */
#include "row_stages.h"
#include <string.h>

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
static void side_by_side(qn_ll_stages *t, uint32_t first, uint32_t end, LLVMValueRef last, uint32_t count,
                         LLVMValueRef *all) {
  qn_ll *g = t->n->g;
  uint32_t vectors = PARTIALS / g->lanes;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, all[0], last, PARTIALS, 1 + count, all);
  fetch_ahead(t, first, end, f.i, vectors);
  for (uint32_t p = first; p < end; p++)
    for (uint32_t v = 0; v < vectors; v++)
      one_vector(t, p, all + 1 + t->first_sum[p] - t->first_sum[first],
                 qn__ll_add(g, f.i, qn__ll_i64(g, (int64_t)v * g->lanes)), NULL);
  all[0] = qn__ll_add(g, f.i, qn__ll_i64(g, PARTIALS));
  qn__ll_for_end(g, &f, all);
}

/* What stages know of their rows, in all lanes ahead of the loop: stages are behind conditions, out of which nothing is
 * moved. */
static bool spread_known(qn_ll_stages *t, LLVMValueRef **wide) {
  qn_ll *g = t->n->g;
  uint32_t insts = t->n->region.tape->num_insts;
  for (uint32_t p = 0; p < t->count; p++) {
    const qn_ll_region *r = &t->nests[p].region;
    wide[p] = qn__ll_values(g, insts);
    if (!wide[p]) {
      g->failed = g->out_of_memory = true;
      return false;
    }
    memcpy(wide[p], r->v, insts * sizeof *r->v);
    for (uint32_t i = 0; i < insts; i++) {
      bool known = r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] <= p;
      if (known && wide[p][i] && !LLVMIsConstant(wide[p][i])) wide[p][i] = qn__ll_splat(g, wide[p][i], g->lanes);
    }
  }
  return true;
}

/* Stages [first, end) where `good`. */
static void some_stages(qn_ll_stages *t, uint32_t first, uint32_t end, LLVMValueRef good, LLVMValueRef last,
                        LLVMValueRef *sums) {
  qn_ll *g = t->n->g;
  uint32_t begin = t->first_sum[first], count = t->first_sum[end] - begin;
  LLVMValueRef all[QN_LL_MAX_CARRIED], old[QN_LL_MAX_CARRIED];
  LLVMBasicBlockRef before = LLVMGetInsertBlock(g->b);
  qn_ll_if f;
  qn__ll_if_begin(g, &f, good);
  all[0] = t->n->start;
  memcpy(all + 1, sums + begin, count * sizeof *all);
  memcpy(old, sums + begin, count * sizeof *all);
  side_by_side(t, first, end, last, count, all);
  end_if(g, &f, before, count, old, all + 1);
  memcpy(sums + begin, all + 1, count * sizeof *all);
}

/* Where they are those that have a row. */
static LLVMValueRef several(qn_ll_stages *t, uint32_t first, uint32_t end, LLVMValueRef last, LLVMValueRef *sums) {
  qn_ll *g = t->n->g;
  LLVMValueRef good = NULL;
  for (uint32_t p = 0; p < t->count; p++) {
    LLVMValueRef as_it_is = p >= first && p < end ? t->live[p] : LLVMBuildNot(g->b, t->live[p], "");
    good = good ? LLVMBuildAnd(g->b, good, as_it_is, "") : as_it_is;
  }
  some_stages(t, first, end, good, last, sums);
  return good;
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

void qn__ll_stages_turn(qn_ll_stages *t) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  LLVMValueRef *wide[QN_LL_STAGES], *scalars[QN_LL_STAGES], sums[QN_LL_MAX_CARRIED], done = LLVMConstNull(g->i1);
  LLVMValueRef last = qn__ll_sub(g, n->end, qn__ll_i64(g, PARTIALS - 1));
  if (!spread_known(t, wide)) return;
  for (uint32_t p = 0; p + 1 < t->count; p++) {
    qn__ll_row_start(&t->s[p], sums + t->first_sum[p]);
    scalars[p] = t->nests[p].region.v;
    t->nests[p].region.v = wide[p];
  }
  for (uint32_t first = 0; first < t->count; first++)
    for (uint32_t end = first + 2; end <= t->count; end++)
      done = LLVMBuildOr(g->b, done, several(t, first, end, last, sums), "");
  for (uint32_t p = 0; p < t->count; p++) {
    LLVMValueRef wanted = LLVMBuildAnd(g->b, t->live[p], LLVMBuildNot(g->b, done, ""), "");
    some_stages(t, p, p + 1, wanted, last, sums);
  }
  rest(t, sums);
  for (uint32_t p = 0; p + 1 < t->count; p++) {
    t->nests[p].region.v = scalars[p];
    memcpy(t->s[p].queue, sums + t->first_sum[p], (t->first_sum[p + 1] - t->first_sum[p]) * sizeof *sums);
    qn__ll_row_finish(&t->s[p], true);
  }
}
