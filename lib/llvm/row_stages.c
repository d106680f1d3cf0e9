/* Rows in stages: the passes of a ROW kernel over different rows, in one loop. While the last pass writes a row, the
 * one before it goes over a later row and the first over a later one still, so that reading, computing and writing
 * overlap, and sums are folded once in a turn, those of all stages together. A stage that has no row, at the start and
 * at the end, is jumped over: no row is read or written but in its turn. Partial results, and how they are folded, are
 * those of row.c.
 *
 * Stages that are all assembly are in row_text.c, others here and in row_turn.c: these are one row apart, as more rows
 * in the first-level cache are slower. */
#include "row_stages.h"
#include <string.h>

enum { MAX_WORK = 24, MAX_TEXT_WORK = 96, MOST_KNOWN = 32, FAR = 8 << 20 };

static bool operands_fit(const qn_ll_nest *n) {
  for (uint32_t o = 0; o < n->num_operands; o++) {
    const qn_ll_place *p = &n->places[o];
    bool output = o >= n->plan->num_inputs;
    uint32_t bits = qn__ll_mem_bits(p->mem);
    if (output && (p->access != QN_ACCESS_DENSE || bits > 32 || p->mem == QN_I1)) return false;
    if (output && qn__ll_row_reduced(n, o - n->plan->num_inputs)) return false;
    if (p->access == QN_ACCESS_STRIDED || bits < 8) return false;
  }
  return true;
}

/* ---- a stage as assembly ---- */

static void add_sink(qn_ll_lanes *l, qn_ll_lanes_sink sink) {
  if (l->num_sinks < QN_LL_LANES_SINKS) l->sinks[l->num_sinks] = sink;
  l->num_sinks++;
}

qn_ll_lanes qn__ll_stage_lanes(const row_state *s, const qn_ll_region *r) {
  const qn_ll_nest *n = s->n;
  const qn_ll_place *outputs = n->places + n->plan->num_inputs;
  const qn_ll_place *keeper = s->own_room ? &n->places[n->num_operands] : s->keeps ? &outputs[s->keeper] : NULL;
  bool last = qn__ll_row_last_pass(s), keeps_here = s->keeps && s->pass + 2 == n->region.num_passes;
  qn_ll_lanes l = {.region = r, .places = n->places};
  if (last && s->keeps) l.kept_at = keeper, l.kept = s->kept;
  if (qn__ll_share_here(s)) l.finds_least = true, l.least_of = s->kept, l.least_but = s->share.mask;
  for (uint32_t i = 0; i < n->region.tape->num_insts; i++) {
    if (!qn__ll_row_ends_in(s, i)) continue;
    add_sink(&l, (qn_ll_lanes_sink){.reg = n->region.tape->insts[i].a, .reduction = i});
  }
  if (keeps_here) add_sink(&l, (qn_ll_lanes_sink){.reg = s->kept, .to = keeper});
  for (uint32_t i = 0; i < n->plan->num_outputs && last; i++)
    add_sink(&l, (qn_ll_lanes_sink){.reg = n->region.tape->outputs[i], .to = &outputs[i]});
  if (last) l.packs = n->packs;
  return l;
}

/* ---- of rows as a whole ---- */

bool qn__ll_stage_uses(const qn_ll_region *r, uint32_t i) {
  for (uint32_t k = i + 1; k < r->tape->num_insts; k++) {
    uint32_t args[3] = {0}, n = qn__ll_args(&r->tape->insts[k], args);
    bool later = (r->vary[k] & QN_LL_BY_LANE) || r->ready[k] > r->ready[i];
    for (uint32_t a = 0; a < n && r->needed[k] && later; a++)
      if (args[a] == i) return true;
  }
  return false;
}

bool qn__ll_stage_works(const qn_ll_region *r, uint32_t ready) {
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    uint8_t op = r->tape->insts[i].op;
    bool one = op != QN_T_CONST && !(r->vary[i] & QN_LL_BY_LANE) && !qn__ll_is_reduction(op);
    if (one && r->needed[i] && r->ready[i] == ready) return true;
  }
  return false;
}

qn_ll_place *qn__ll_stage_places(const qn_ll_nest *n) {
  qn_ll_place *p = qn__arena_array(n->g->arena, n->num_operands + 1u, sizeof *p);
  if (!p) return NULL;
  memcpy(p, n->places, n->num_operands * sizeof *p);
  p[n->num_operands] = (qn_ll_place){.mem = QN_F32, .access = QN_ACCESS_DENSE};
  return p;
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

/* By constants, or in the last pass by the sum of what it divides: share.c's way. */
static bool divisions_fit(const row_state *s) {
  const qn_ll_region *r = &s->n->region;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    bool by_lane = (r->vary[i] & QN_LL_BY_LANE) != 0;
    if (!r->needed[i] || !by_lane || r->tape->insts[i].op != QN_T_FDIV) continue;
    if (r->tape->insts[r->tape->insts[i].b].op == QN_T_CONST) continue;
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

static bool prepare(row_state *s, qn_ll_nest *n, bool in_room) {
  *s = (row_state){.n = n};
  if (!qn__ll_row_find_nans(s) || !qn__ll_row_keep(s, in_room ? QN_LL_ROOM_FOR_ALL : QN_LL_NO_ROOM)) return false;
  qn__ll_share_find(s);
  return true;
}

/* Rows that are too long for the room do without. */
static bool has_texts(qn_ll_nest *n, const row_state *first) {
  row_state without;
  if (!qn__ll_row_has_texts(n, first)) return false;
  return !first->own_room || (prepare(&without, n, false) && qn__ll_row_has_texts(n, &without));
}

static bool are_wide(const qn_ll_nest *n) {
  for (uint32_t i = 0; i < n->plan->num_outputs; i++)
    if (qn__ll_mem_bits(n->places[n->plan->num_inputs + i].mem) != 32) return false;
  return true;
}

/* Rows of bytes are computed up to what packs are made of. */
static bool find_packs(qn_ll_nest *n) {
  qn_ll *g = n->g;
  const qn_tape *from = n->region.tape;
  qn_ll_narrow *packs = qn__arena_array(g->arena, 1, sizeof *packs);
  qn_tape *tape = qn__arena_copy(g->arena, from, sizeof *from);
  if (!packs || !tape || n->plan->num_outputs != 1) return false;
  if (!qn__ll_narrow_find_plain(g, from, n->places[n->plan->num_inputs].mem, packs)) return false;
  tape->insts = qn__arena_copy(g->arena, from->insts, from->num_insts * sizeof *from->insts);
  tape->outputs = qn__arena_copy(g->arena, &packs->reg, sizeof packs->reg);
  if (!tape->insts || !tape->outputs) return false;
  qn__ll_narrow_drop_limits(packs, tape);
  n->region.tape = tape;
  n->packs = packs;
  return qn__ll_region_need_outputs(&n->region, 1);
}

static bool fits(const qn_ll_nest *n) {
  qn_ll_nest probe = *n;
  row_state s;
  LLVMValueRef queue[QN_LL_MAX_CARRIED];
  uint32_t sums = 0, values = 0;
  const qn_ll_region *r = &n->region;
  if (!n->pairs || n->stream || r->num_passes > QN_LL_STAGES || n->num_operands > QN_LANE_OPERANDS ||
      !operands_fit(n) || !prepare(&s, &probe, true))
    return false;
  if (!reductions_fit(&s) || !divisions_fit(&s)) return false;
  for (; s.pass + 1 < r->num_passes; s.pass++) sums += qn__ll_row_start(&s, queue);
  for (uint32_t i = 0; i < r->tape->num_insts; i++)
    values += r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] > 0;
  if (sums + 1 > QN_LL_MAX_CARRIED || values > MOST_KNOWN || values * (r->num_passes - 1u) > QN_LL_MAX_CARRIED)
    return false;
  bool must = s.keeps || s.share.found || !are_wide(n); /* only worth it so */
  s.pass = 0;
  if (has_texts(&probe, &s)) return lane_work(r) <= MAX_TEXT_WORK;
  return !must && lane_work(r) <= MAX_WORK;
}

bool qn__ll_row_in_stages(qn_ll_nest *n) {
  qn_ll_nest packed = *n;
  if (find_packs(&packed) && fits(&packed)) {
    *n = packed;
    return true;
  }
  return fits(n);
}

/* ---- the stages ---- */

static bool stages_init(qn_ll_stages *t, qn_ll_nest *n, const row_state *first) {
  qn_ll *g = n->g;
  *t = (qn_ll_stages){.n = n, .count = n->region.num_passes};
  for (uint32_t p = 0; p < t->count; p++) {
    LLVMValueRef queue[QN_LL_MAX_CARRIED];
    t->nests[p] = *n;
    t->nests[p].places = qn__ll_stage_places(n);
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

static void texts_of(qn_ll_nest *n, bool in_room) {
  row_state first;
  if (prepare(&first, n, in_room))
    qn__ll_row_texts(n, &first);
  else
    n->g->failed = n->g->out_of_memory = true;
}

static void texts_by_length(qn_ll_nest *n) {
  qn_ll *g = n->g;
  LLVMValueRef fits = LLVMBuildICmp(g->b, LLVMIntSLE, n->end, qn__ll_i64(g, QN_LL_ROOM), "");
  if (LLVMIsAConstantInt(fits)) {
    texts_of(n, LLVMConstIntGetZExtValue(fits));
    return;
  }
  for (uint32_t k = 0; k < 2; k++) {
    qn_ll_if some;
    qn__ll_if_begin(g, &some, k ? LLVMBuildNot(g->b, fits, "") : fits);
    texts_of(n, !k);
    qn__ll_if_end(g, &some);
  }
}

void qn__ll_row_stages(qn_ll_nest *n) {
  qn_ll_stages t;
  row_state first;
  if (!prepare(&first, n, true))
    n->g->failed = n->g->out_of_memory = true;
  else if (first.own_room)
    texts_by_length(n);
  else if (has_texts(n, &first))
    qn__ll_row_texts(n, &first);
  else if (stages_init(&t, n, &first))
    all_turns(&t);
  else
    n->g->failed = n->g->out_of_memory = true;
}
