/* Rows in stages: the passes of a ROW kernel over different rows, in one loop. While the last pass writes a row, the
 * one before it goes over a later row and the first over a later one still, so that reading, computing and writing
 * overlap, and sums are folded once in a turn, those of all stages together. A stage that has no row, at the start and
 * at the end, is jumped over: no row is read or written but in its turn. Partial results, and how they are folded, are
 * those of row.c.
 *
 * Stages that are all assembly are in row_text.c, others here and in row_turn.c: these are one row apart, as more rows
 * in the first-level cache are slower. */
#include "row_stages.h"

enum { MAX_WORK = 24, MAX_TEXT_WORK = 96, MOST_KNOWN = 32, FAR = 8 << 20 };

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

/* ---- a stage as assembly ---- */

qn_ll_lanes qn__ll_stage_lanes(const row_state *s, const qn_ll_region *r) {
  const qn_ll_nest *n = s->n;
  const qn_ll_place *outputs = n->places + n->plan->num_inputs;
  bool last = qn__ll_row_last_pass(s), keeps_here = s->keeps && s->pass + 2 == n->region.num_passes;
  qn_ll_lanes l = {.region = r, .places = n->places};
  if (last && s->keeps) l.kept_at = &outputs[s->keeper], l.kept = s->kept;
  if (qn__ll_share_here(s)) l.finds_least = true, l.least_of = s->kept, l.least_but = s->share.mask;
  for (uint32_t i = 0; i < n->region.tape->num_insts; i++) {
    if (!qn__ll_row_ends_in(s, i)) continue;
    qn_ll_lanes_sink sink = {.reg = n->region.tape->insts[i].a, .reduction = i};
    if (l.num_sinks < QN_LL_LANES_SINKS) l.sinks[l.num_sinks] = sink;
    l.num_sinks++;
  }
  for (uint32_t i = 0; i < n->plan->num_outputs && (last || keeps_here); i++) {
    if (!last && i != s->keeper) continue;
    qn_ll_lanes_sink sink = {.reg = last ? n->region.tape->outputs[i] : s->kept, .to = &outputs[i]};
    if (l.num_sinks < QN_LL_LANES_SINKS) l.sinks[l.num_sinks] = sink;
    l.num_sinks++;
  }
  return l;
}

/* ---- whether ---- */

static bool reductions_fit(const row_state *s) {
  const qn_ll_region *r = &s->n->region;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    const qn_tinst *inst = &r->tape->insts[i];
    bool largest = inst->op == QN_T_ALL_FMAX || inst->op == QN_T_ALL_FMIN;
    if (!r->needed[i] || !qn__ll_is_reduction(inst->op)) continue;
    if (inst->type != QN_TF32 || (inst->op != QN_T_ALL_FSUM && !(largest && s->nan_shows[i]))) return false;
  }
  return true;
}

/* In the last pass, by the sum of what it divides: share.c's way. */
static bool divisions_fit(const row_state *s) {
  const qn_ll_region *r = &s->n->region;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    bool by_lane = (r->vary[i] & QN_LL_BY_LANE) != 0;
    if (!r->needed[i] || !by_lane || r->tape->insts[i].op != QN_T_FDIV) continue;
    if (!s->share.found || s->share.division != i) return false;
  }
  return true;
}

static uint32_t lane_work(const qn_ll_region *r) {
  uint32_t work = 0;
  for (uint32_t i = 0; i < r->tape->num_insts; i++)
    work += r->needed[i] && (r->vary[i] & QN_LL_BY_LANE) && r->tape->insts[i].op != QN_T_INPUT;
  return work;
}

static bool prepare(row_state *s, qn_ll_nest *n) {
  *s = (row_state){.n = n};
  if (!qn__ll_row_find_nans(s) || !qn__ll_row_keep(s, true)) return false;
  qn__ll_share_find(s);
  return true;
}

bool qn__ll_row_in_stages(const qn_ll_nest *n) {
  qn_ll_nest probe = *n;
  row_state s;
  LLVMValueRef queue[QN_LL_MAX_CARRIED];
  uint32_t sums = 0, values = 0;
  const qn_ll_region *r = &n->region;
  if (!n->pairs || n->stream || r->num_passes > QN_LL_STAGES || n->num_operands > QN_LANE_OPERANDS ||
      !operands_fit(n) || !prepare(&s, &probe))
    return false;
  if (s.own_room || !reductions_fit(&s) || !divisions_fit(&s)) return false;
  for (; s.pass + 1 < r->num_passes; s.pass++) sums += qn__ll_row_start(&s, queue);
  for (uint32_t i = 0; i < r->tape->num_insts; i++)
    values += r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] > 0;
  if (sums + 1 > QN_LL_MAX_CARRIED || values > MOST_KNOWN || values * (r->num_passes - 1u) > QN_LL_MAX_CARRIED)
    return false;
  bool must = s.keeps || s.share.found; /* only worth it so */
  s.pass = 0;
  if (qn__ll_row_has_texts(&probe, &s)) return lane_work(r) <= MAX_TEXT_WORK;
  return !must && lane_work(r) <= MAX_WORK;
}

/* ---- the stages ---- */

static bool stages_init(qn_ll_stages *t, qn_ll_nest *n, const row_state *first) {
  qn_ll *g = n->g;
  *t = (qn_ll_stages){.n = n, .count = n->region.num_passes};
  for (uint32_t p = 0; p < t->count; p++) {
    LLVMValueRef queue[QN_LL_MAX_CARRIED];
    t->nests[p] = *n;
    t->nests[p].places = qn__arena_copy(g->arena, n->places, n->num_operands * sizeof *n->places);
    t->nests[p].region.v = qn__ll_values(g, n->region.tape->num_insts);
    if (!t->nests[p].places || !t->nests[p].region.v) return false;
    t->s[p] = *first, t->s[p].n = &t->nests[p], t->s[p].pass = p;
    t->first_sum[p + 1] = t->first_sum[p] + (p + 1 < t->count ? qn__ll_row_start(&t->s[p], queue) : 0);
  }
  return true;
}

/* Places of a row, and what has to be known of it before its first pass. Stages without a row look at one that is
 * there; whether there is one comes back. */
static LLVMValueRef look_at(qn_ll_stages *t, qn_ll_nest *of, LLVMValueRef row) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  uint32_t loops = n->plan->num_loops;
  LLVMValueRef begun = LLVMBuildICmp(g->b, LLVMIntSGE, row, n->rows_begin, "");
  LLVMValueRef live = LLVMBuildAnd(g->b, begun, LLVMBuildICmp(g->b, LLVMIntSLT, row, n->rows_end, ""), "");
  row = LLVMBuildSelect(g->b, live, row, n->rows_begin, "");
  for (uint32_t o = 0; o < n->num_operands; o++) {
    LLVMValueRef stride = n->stride[o * loops + loops - 2];
    if (stride) of->places[o].base = qn__ll_gep(g, n->places[o].base, qn__ll_mul(g, row, stride));
  }
  qn__ll_row_begin(of);
  return live;
}

/* Whether register i is known of a row as a whole behind one of the first p + 1 passes over it. */
static bool is_known(const qn_ll_region *r, uint32_t i, uint32_t p) {
  return r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] > 0 && r->ready[i] <= p + 1;
}

/* Stage by stage, what is known of its row behind it: null values, those taken by the next stage, or given. */
typedef enum carry { START, TAKE, GIVE } carry;

static uint32_t carry_known(qn_ll_stages *t, carry how, LLVMValueRef *carried) {
  const qn_ll_region *r = &t->n->region;
  uint32_t c = 0;
  for (uint32_t p = 0; p + 1 < t->count; p++)
    for (uint32_t i = 0; i < r->tape->num_insts; i++) {
      if (!is_known(r, i, p)) continue;
      if (how == START)
        carried[c++] = LLVMConstNull(qn__ll_reg_type(t->n->g, (qn_treg)r->tape->insts[i].type));
      else if (how == TAKE)
        t->nests[p + 1].region.v[i] = carried[c++];
      else
        carried[c++] = t->nests[p].region.v[i];
    }
  return c;
}

static void all_turns(qn_ll_stages *t) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  LLVMValueRef carried[QN_LL_MAX_CARRIED];
  qn_ll_for f;
  LLVMValueRef elements = qn__ll_mul(g, qn__ll_sub(g, n->rows_end, n->rows_begin), n->end);
  t->far = LLVMBuildICmp(g->b, LLVMIntSGT, elements, qn__ll_i64(g, FAR / 4), "");
  LLVMValueRef some = LLVMBuildICmp(g->b, LLVMIntSLT, n->rows_begin, n->rows_end, "");
  LLVMValueRef turns = qn__ll_add(g, n->rows_end, qn__ll_i64(g, t->count - 1));
  turns = LLVMBuildSelect(g->b, some, turns, n->rows_begin, "");
  uint32_t count = carry_known(t, START, carried);
  qn__ll_for_begin(g, &f, n->rows_begin, turns, 1, count, carried);
  for (uint32_t p = 0; p < t->count; p++) t->live[p] = look_at(t, &t->nests[p], qn__ll_sub(g, f.i, qn__ll_i64(g, p)));
  carry_known(t, TAKE, carried);
  qn__ll_stages_turn(t);
  carry_known(t, GIVE, carried);
  qn__ll_for_close(g, &f, carried);
}

void qn__ll_row_stages(qn_ll_nest *n) {
  qn_ll_stages t;
  row_state first;
  if (!prepare(&first, n))
    n->g->failed = n->g->out_of_memory = true;
  else if (qn__ll_row_has_texts(n, &first))
    qn__ll_row_texts(n, &first);
  else if (stages_init(&t, n, &first))
    all_turns(&t);
  else
    n->g->failed = n->g->out_of_memory = true;
}
