/* Rows in stages: the passes of a ROW kernel over different rows, in one loop. While the last pass writes a row, the
 * one before it goes over the next and the first over the one after that, so that reading, computing and writing
 * overlap, and sums are folded once in a turn, those of two rows together. (Stages two rows apart, with a whole turn to
 * fold in, are slower: more rows in the first-level cache, and more turns with too few.) A stage that has no row, at
 * the start and at the end, is jumped over: no row is read or written but in its turn. Partial results, and how they
 * are folded, are those of row.c. */
#include "row.h"
#include <string.h>

enum { MAX_STAGES = 4, MAX_WORK = 24, FAR = 8 << 20 };

typedef struct stages {
  qn_ll_nest *n;
  uint32_t count;
  qn_ll_nest nests[MAX_STAGES];
  row_state s[MAX_STAGES];
  LLVMValueRef live[MAX_STAGES]; /* there is a row */
  LLVMValueRef far;              /* the rows are in no cache */
  uint32_t first_sum[MAX_STAGES + 1];
} stages;

/* What is computed for each row as a whole, behind pass `pass`. */
static bool is_known_after(const qn_ll_region *r, uint32_t i, uint32_t pass) {
  return r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] > 0 && r->ready[i] <= pass + 1;
}

/* Values that go from stage to stage. */
static uint32_t num_carried(const qn_ll_region *r) {
  uint32_t known = 0;
  for (uint32_t p = 0; p + 1 < r->num_passes; p++)
    for (uint32_t i = 0; i < r->tape->num_insts; i++) known += is_known_after(r, i, p);
  return known;
}

static bool operands_fit(const qn_ll_nest *n) {
  for (uint32_t o = 0; o < n->num_operands; o++) {
    const qn_ll_place *p = &n->places[o];
    bool output = o >= n->plan->num_inputs;
    if (output && (p->access != QN_ACCESS_DENSE || qn__ll_mem_bits(p->mem) != 32)) return false;
    if (output && qn__ll_row_reduced(n, o - n->plan->num_inputs)) return false;
    if (p->access == QN_ACCESS_STRIDED || qn__ll_mem_bits(p->mem) < 8) return false;
  }
  return true;
}

bool qn__ll_row_in_stages(const qn_ll_nest *n) {
  const qn_ll_region *r = &n->region;
  qn_ll_nest probe = *n;
  row_state s = {.n = &probe};
  uint32_t work = 0, sums = 0;
  if (!n->pairs || n->stream || r->num_passes > MAX_STAGES || !operands_fit(n)) return false;
  if (!qn__ll_row_keep(&s, true) || s.keeps) return false;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    const qn_tinst *inst = &r->tape->insts[i];
    bool by_lane = (r->vary[i] & QN_LL_BY_LANE) != 0;
    if (!r->needed[i]) continue;
    if (qn__ll_is_reduction(inst->op)) {
      if (inst->op != QN_T_ALL_FSUM || inst->type != QN_TF32) return false;
      sums += PARTIALS / n->g->lanes;
    }
    if (by_lane && inst->op == QN_T_FDIV) return false;
    work += by_lane && inst->op != QN_T_INPUT;
  }
  return work <= MAX_WORK && sums + 1 <= QN_LL_MAX_CARRIED && num_carried(r) <= QN_LL_MAX_CARRIED;
}

static bool stages_init(stages *t, qn_ll_nest *n) {
  qn_ll *g = n->g;
  uint32_t insts = n->region.tape->num_insts;
  *t = (stages){.n = n, .count = n->region.num_passes};
  for (uint32_t p = 0; p < t->count; p++) {
    qn_ll_nest *of = &t->nests[p];
    *of = *n;
    of->places = qn__arena_copy(g->arena, n->places, n->num_operands * sizeof *n->places);
    of->region.v = qn__ll_values(g, insts);
    of->region.divisors = qn__arena_array(g->arena, insts, sizeof *of->region.divisors);
    if (!of->places || !of->region.v || !of->region.divisors) {
      g->failed = g->out_of_memory = true;
      return false;
    }
    t->s[p] = (row_state){.n = of, .pass = p};
    t->first_sum[p + 1] = t->first_sum[p];
    for (uint32_t i = 0; i < insts; i++)
      if (qn__ll_row_ends_in(&t->s[p], i)) t->first_sum[p + 1] += PARTIALS / g->lanes;
  }
  return true;
}

/* The rows that the stages have in this turn: stages without one look at one that is there. */
static void find_rows(stages *t, LLVMValueRef turn) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  uint32_t loops = n->plan->num_loops;
  for (uint32_t p = 0; p < t->count; p++) {
    LLVMValueRef row = qn__ll_sub(g, turn, qn__ll_i64(g, p));
    LLVMValueRef begun = LLVMBuildICmp(g->b, LLVMIntSGE, row, n->rows_begin, "");
    t->live[p] = LLVMBuildAnd(g->b, begun, LLVMBuildICmp(g->b, LLVMIntSLT, row, n->rows_end, ""), "");
    row = LLVMBuildSelect(g->b, t->live[p], row, n->rows_begin, "");
    for (uint32_t o = 0; o < n->num_operands; o++) {
      LLVMValueRef stride = n->stride[o * loops + loops - 2];
      if (stride) t->nests[p].places[o].base = qn__ll_gep(g, n->places[o].base, qn__ll_mul(g, row, stride));
    }
    qn__ll_row_begin(&t->nests[p]);
  }
}

/* Known values go from stage to stage with their row. */
static void take_known(stages *t, LLVMValueRef *carried) {
  const qn_ll_region *r = &t->n->region;
  uint32_t c = 0;
  for (uint32_t p = 0; p + 1 < t->count; p++)
    for (uint32_t i = 0; i < r->tape->num_insts; i++)
      if (is_known_after(r, i, p)) t->nests[p + 1].region.v[i] = carried[c++];
}

static void give_known(stages *t, LLVMValueRef *carried) {
  const qn_ll_region *r = &t->n->region;
  uint32_t c = 0;
  for (uint32_t p = 0; p + 1 < t->count; p++)
    for (uint32_t i = 0; i < r->tape->num_insts; i++)
      if (is_known_after(r, i, p)) carried[c++] = t->nests[p].region.v[i];
}

static uint32_t start_known(const stages *t, LLVMValueRef *carried) {
  const qn_ll_region *r = &t->n->region;
  uint32_t c = 0;
  for (uint32_t p = 0; p + 1 < t->count; p++)
    for (uint32_t i = 0; i < r->tape->num_insts; i++)
      if (is_known_after(r, i, p))
        carried[c++] = LLVMConstNull(qn__ll_reg_type(t->n->g, (qn_treg)r->tape->insts[i].type));
  return c;
}

static void write_vector(row_state *s, LLVMValueRef index, LLVMValueRef mask) {
  qn_ll_nest *n = s->n;
  uint32_t lanes = n->g->lanes;
  qn__ll_region_load(&n->region, QN_LL_BY_LANE, n->places, index, lanes, mask);
  qn__ll_region_emit(&n->region, QN_LL_BY_LANE, 0, s->pass, lanes);
  for (uint32_t i = 0; i < n->plan->num_outputs; i++)
    qn__ll_region_store(&n->region, i, &n->places[n->plan->num_inputs + i], index, lanes, mask);
}

/* In caches the processor does as well alone, and fetching takes a twentieth of the time. */
static void fetch_ahead(stages *t, uint32_t p, LLVMValueRef index, uint32_t vectors) {
  qn_ll_if f;
  qn__ll_if_begin(t->n->g, &f, t->far);
  qn__ll_row_ahead_stage(&t->s[p], index, vectors);
  qn__ll_if_end(t->n->g, &f);
}

/* A stage's vectors, where it has a row. */
static void one_stage(stages *t, uint32_t p, LLVMValueRef *sums, LLVMValueRef index, uint32_t vectors,
                      LLVMValueRef mask) {
  qn_ll *g = t->n->g;
  uint32_t count = t->first_sum[p + 1] - t->first_sum[p];
  LLVMValueRef *mine = sums + t->first_sum[p], both[QN_LL_MAX_CARRIED][2];
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(g->b), NULL};
  qn_ll_if f;
  for (uint32_t q = 0; q < count; q++) both[q][0] = mine[q];
  qn__ll_if_begin(g, &f, t->live[p]);
  if (!mask && (p == 0 || p + 1 == t->count)) fetch_ahead(t, p, index, vectors);
  for (uint32_t v = 0; v < vectors; v++) {
    LLVMValueRef at = qn__ll_add(g, index, qn__ll_i64(g, (int64_t)v * g->lanes));
    t->s[p].in_registers = true;
    if (p + 1 < t->count)
      qn__ll_row_step(&t->s[p], mine, at, g->lanes, mask);
    else
      write_vector(&t->s[p], at, mask);
  }
  from[1] = LLVMGetInsertBlock(g->b);
  qn__ll_if_end(g, &f);
  for (uint32_t q = 0; q < count; q++) {
    both[q][1] = mine[q];
    mine[q] = LLVMBuildPhi(g->b, LLVMTypeOf(both[q][0]), "");
    LLVMAddIncoming(mine[q], both[q], from, 2);
  }
}

/* What stages know of their rows, in all lanes ahead of the loop: stages are behind conditions, out of which nothing is
 * moved. What they were is in `scalars`, one array for each stage. */
static bool spread_known(stages *t, LLVMValueRef **scalars) {
  qn_ll *g = t->n->g;
  uint32_t insts = t->n->region.tape->num_insts;
  for (uint32_t p = 0; p < t->count; p++) {
    qn_ll_region *r = &t->nests[p].region;
    scalars[p] = r->v;
    r->v = qn__ll_values(g, insts);
    if (!r->v) {
      g->failed = g->out_of_memory = true;
      r->v = scalars[p];
      return false;
    }
    memcpy(r->v, scalars[p], insts * sizeof *r->v);
    for (uint32_t i = 0; i < insts; i++) {
      bool known = r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] <= p && r->v[i];
      if (known && !LLVMIsConstant(r->v[i])) r->v[i] = qn__ll_splat(g, r->v[i], g->lanes);
    }
  }
  return true;
}

/* All stages, each over its row. */
static void one_turn(stages *t) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  LLVMValueRef *scalars[MAX_STAGES];
  if (!spread_known(t, scalars)) return;
  uint32_t count = t->first_sum[t->count];
  LLVMValueRef all[QN_LL_MAX_CARRIED], *sums = all + 1;
  LLVMValueRef last = qn__ll_sub(g, n->end, qn__ll_i64(g, PARTIALS - 1));
  qn_ll_for f;
  all[0] = n->start;
  for (uint32_t p = 0; p + 1 < t->count; p++) qn__ll_row_start(&t->s[p], sums + t->first_sum[p]);
  qn__ll_for_begin(g, &f, n->start, last, PARTIALS, 1 + count, all);
  for (uint32_t p = 0; p < t->count; p++) one_stage(t, p, sums, f.i, PARTIALS / g->lanes, NULL);
  all[0] = qn__ll_add(g, f.i, qn__ll_i64(g, PARTIALS));
  qn__ll_for_end(g, &f, all);
  qn__ll_for_begin(g, &f, all[0], n->end, g->lanes, count, sums);
  LLVMValueRef mask = qn__ll_mask(g, qn__ll_min(g, qn__ll_sub(g, n->end, f.i), qn__ll_i64(g, g->lanes)));
  for (uint32_t p = 0; p < t->count; p++) one_stage(t, p, sums, f.i, 1, mask);
  qn__ll_for_end(g, &f, sums);
  for (uint32_t p = 0; p + 1 < t->count; p++) {
    memcpy(t->s[p].queue, sums + t->first_sum[p], (t->first_sum[p + 1] - t->first_sum[p]) * sizeof *sums);
    t->nests[p].region.v = scalars[p];
    qn__ll_row_finish(&t->s[p], true);
  }
}

void qn__ll_row_stages(qn_ll_nest *n) {
  qn_ll *g = n->g;
  stages t;
  LLVMValueRef carried[QN_LL_MAX_CARRIED];
  qn_ll_for f;
  if (!stages_init(&t, n)) return;
  uint32_t count = start_known(&t, carried);
  LLVMValueRef elements = qn__ll_mul(g, qn__ll_sub(g, n->rows_end, n->rows_begin), n->end);
  t.far = LLVMBuildICmp(g->b, LLVMIntSGT, elements, qn__ll_i64(g, FAR / 4), "");
  LLVMValueRef some = LLVMBuildICmp(g->b, LLVMIntSLT, n->rows_begin, n->rows_end, "");
  LLVMValueRef turns = qn__ll_add(g, n->rows_end, qn__ll_i64(g, t.count - 1));
  turns = LLVMBuildSelect(g->b, some, turns, n->rows_begin, "");
  qn__ll_for_begin(g, &f, n->rows_begin, turns, 1, count, carried);
  find_rows(&t, f.i);
  take_known(&t, carried);
  one_turn(&t);
  give_known(&t, carried);
  qn__ll_for_close(g, &f, carried);
}
