/* Rows in stages: the passes of a ROW kernel over different rows, in one loop. While the last pass writes a row, the
 * one before it goes over a later row and the first over a later one still, so that reading, computing and writing
 * overlap, and sums are folded once in a turn, those of all stages together. A stage that has no row, at the start and
 * at the end, is jumped over: no row is read or written but in its turn. Partial results, and how they are folded, are
 * those of row.c.
 *
 * How far stages are apart: one row, where time goes for memory: more rows in the first-level cache are slower. Where
 * it goes for arithmetic a fold would be waited for: then what a turn has added up is folded at the beginning of the
 * next turn but one, when it has long been there, and used in the turn after that. */
#include "row_stages.h"

enum { MAX_WORK = 24, MAX_TEXT_WORK = 96, FAR = 8 << 20 };
enum { APART = 3, LEAST_ROWS = 16, MOST_COLUMNS = 1024 }; /* of stages that wait for nothing */
enum { SUM_ROWS = 4, KNOWN_ROWS = 16 };                   /* in memory: powers of two, longer than rows are apart */

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

static bool has_text(const row_state *s) {
  qn_ll_lanes l = qn__ll_stage_lanes(s, &s->n->region);
  if (l.num_sinks > QN_LL_LANES_SINKS) return false;
  l.by_products = s->share.found;
  return qn__ll_lanes_serve(&l, 1);
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

static bool has_texts(row_state *s) {
  uint32_t pass = s->pass;
  bool all = true;
  for (s->pass = 0; s->pass < s->n->region.num_passes; s->pass++) all = all && has_text(s);
  s->pass = pass;
  return all;
}

bool qn__ll_row_in_stages(const qn_ll_nest *n) {
  qn_ll_nest probe = *n;
  row_state s;
  LLVMValueRef queue[QN_LL_MAX_CARRIED];
  uint32_t sums = 0, values = 0;
  const qn_ll_region *r = &n->region;
  if (!n->pairs || n->stream || r->num_passes > QN_LL_STAGES || !operands_fit(n) || !prepare(&s, &probe)) return false;
  if (s.own_room || !reductions_fit(&s) || !divisions_fit(&s)) return false;
  for (; s.pass + 1 < r->num_passes; s.pass++) sums += qn__ll_row_start(&s, queue);
  for (uint32_t i = 0; i < r->tape->num_insts; i++)
    values += r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] > 0;
  values += s.share.found ? USUAL : 0;
  if (sums + 1 > QN_LL_MAX_CARRIED || values > QN_LL_STAGES_KNOWN || values * (r->num_passes - 1u) > QN_LL_MAX_CARRIED)
    return false;
  bool must = s.keeps || s.share.found; /* only worth it so */
  if (has_texts(&s)) return lane_work(r) <= MAX_TEXT_WORK;
  return !must && lane_work(r) <= MAX_WORK;
}

/* ---- the stages ---- */

static bool nest_init(qn_ll_nest *of, const qn_ll_nest *n) {
  qn_ll *g = n->g;
  uint32_t insts = n->region.tape->num_insts;
  *of = *n;
  of->places = qn__arena_copy(g->arena, n->places, n->num_operands * sizeof *n->places);
  of->region.v = qn__ll_values(g, insts);
  of->region.divisors = qn__arena_array(g->arena, insts, sizeof *of->region.divisors);
  return of->places && of->region.v && of->region.divisors;
}

/* Registers that are known behind a pass, for the row as a whole. */
static void find_known(qn_ll_stages *t) {
  const qn_ll_region *r = &t->n->region;
  qn_ll *g = t->n->g;
  for (uint32_t p = 0; p + 1 < t->count; p++)
    for (uint32_t i = 0; i < r->tape->num_insts; i++) {
      bool of_pass = r->ready[i] == p + 1;
      if (!r->needed[i] || (r->vary[i] & QN_LL_BY_LANE) || !of_pass) continue;
      LLVMTypeRef type = qn__ll_reg_type(g, (qn_treg)r->tape->insts[i].type);
      t->known[t->num_known++] = (qn_ll_known){p, i, VALUE, qn__ll_slot(g, type == g->i1 ? g->i8 : type, KNOWN_ROWS)};
    }
  const qn_ll_share *share = &t->s[0].share;
  for (uint32_t part = INVERSE; share->found && part <= USUAL; part++)
    t->known[t->num_known++] = (qn_ll_known){t->count - 2, share->division, (qn_ll_known_part)part,
                                             qn__ll_slot(g, part == USUAL ? g->i8 : g->f32, KNOWN_ROWS)};
}

static bool stages_init(qn_ll_stages *t, qn_ll_nest *n) {
  qn_ll *g = n->g;
  row_state first;
  bool texts, good = prepare(&first, n);
  *t = (qn_ll_stages){.n = n, .count = n->region.num_passes, .waits_for_none = good && first.share.found};
  texts = good && has_texts(&first);
  for (uint32_t p = 0; p < t->count && good; p++) {
    LLVMValueRef queue[QN_LL_MAX_CARRIED];
    good = nest_init(&t->nests[p], n) && nest_init(&t->folds[p], n);
    t->s[p] = first, t->s[p].n = &t->nests[p], t->s[p].pass = p;
    t->f[p] = first, t->f[p].n = &t->folds[p], t->f[p].pass = p;
    t->first_sum[p + 1] = t->first_sum[p] + (p + 1 < t->count ? qn__ll_row_start(&t->s[p], queue) : 0);
    if (p + 1 < t->count)
      t->sums[p] = qn__ll_slot(g, LLVMVectorType(g->f32, g->lanes), SUM_ROWS * (t->first_sum[p + 1] - t->first_sum[p]));
    else if (first.keeps)
      t->nests[p].region.needed = first.last_needs;
    t->text[p] = texts;
  }
  if (!good) g->failed = g->out_of_memory = true;
  if (good) find_known(t);
  return good;
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

/* ---- from stage to stage, a row apart ---- */

static LLVMValueRef *part_of(qn_ll_nest *n, const qn_ll_known *k) {
  qn_ll_divisor *d = &n->region.divisors[k->reg];
  switch (k->part) {
  case VALUE: return &n->region.v[k->reg];
  case INVERSE: return &d->inverse;
  case MINUS: return &d->minus;
  case REST: return &d->rest;
  case USUAL: return &d->usual;
  }
  return NULL;
}

static LLVMTypeRef type_of(const qn_ll_stages *t, const qn_ll_known *k) {
  qn_ll *g = t->n->g;
  if (k->part != VALUE) return k->part == USUAL ? g->i1 : g->f32;
  return qn__ll_reg_type(g, (qn_treg)t->n->region.tape->insts[k->reg].type);
}

/* Stage by stage, what is known of its row behind it. */
static uint32_t start_known(const qn_ll_stages *t, LLVMValueRef *carried) {
  uint32_t c = 0;
  for (uint32_t p = 0; p + 1 < t->count && !t->waits_for_none; p++)
    for (uint32_t i = 0; i < t->num_known; i++)
      if (t->known[i].pass <= p) carried[c++] = LLVMConstNull(type_of(t, &t->known[i]));
  return c;
}

static void carry_known(qn_ll_stages *t, uint32_t p, bool takes, LLVMValueRef *carried, uint32_t *c) {
  for (uint32_t i = 0; i < t->num_known; i++) {
    const qn_ll_known *k = &t->known[i];
    if (k->pass > p) continue;
    if (takes)
      *part_of(&t->nests[p + 1], k) = carried[(*c)++];
    else
      carried[(*c)++] = *part_of(&t->nests[p], k);
  }
}

/* ---- from stage to stage, through memory ---- */

static LLVMValueRef slot_of(qn_ll *g, LLVMTypeRef type, LLVMValueRef slots, LLVMValueRef row, uint32_t rows) {
  LLVMValueRef at = LLVMBuildAnd(g->b, row, qn__ll_i64(g, rows - 1), "");
  return LLVMBuildGEP2(g->b, type, slots, &at, 1, "");
}

/* What is known of a row behind this pass. */
static void give_known(qn_ll_stages *t, uint32_t pass, LLVMValueRef row) {
  qn_ll *g = t->n->g;
  for (uint32_t i = 0; i < t->num_known; i++) {
    const qn_ll_known *k = &t->known[i];
    LLVMTypeRef type = type_of(t, k), mem = type == g->i1 ? g->i8 : type;
    if (k->pass != pass) continue;
    LLVMValueRef v = *part_of(&t->folds[pass], k);
    if (type == g->i1) v = LLVMBuildZExt(g->b, v, g->i8, "");
    LLVMBuildStore(g->b, v, slot_of(g, mem, k->slots, row, KNOWN_ROWS));
  }
}

/* What is known before it. */
static void take_known(qn_ll_stages *t, qn_ll_nest *of, uint32_t pass, LLVMValueRef row) {
  qn_ll *g = t->n->g;
  for (uint32_t i = 0; i < t->num_known; i++) {
    const qn_ll_known *k = &t->known[i];
    LLVMTypeRef type = type_of(t, k), mem = type == g->i1 ? g->i8 : type;
    if (k->pass >= pass) continue;
    LLVMValueRef v = LLVMBuildLoad2(g->b, mem, slot_of(g, mem, k->slots, row, KNOWN_ROWS), "");
    *part_of(of, k) = type == g->i1 ? LLVMBuildTrunc(g->b, v, g->i1, "") : v;
    if (k->part == USUAL) of->region.divisors[k->reg].checked = true;
  }
}

LLVMValueRef qn__ll_stage_sum(qn_ll_stages *t, uint32_t p, LLVMValueRef row, uint32_t q) {
  qn_ll *g = t->n->g;
  LLVMTypeRef type = LLVMVectorType(g->f32, g->lanes);
  LLVMTypeRef all = LLVMArrayType2(type, t->first_sum[p + 1] - t->first_sum[p]);
  return qn__ll_gep_const(g, slot_of(g, all, t->sums[p], row, SUM_ROWS), (int64_t)q * g->lanes * 4);
}

static void fold(qn_ll_stages *t, LLVMValueRef turn) {
  qn_ll *g = t->n->g;
  LLVMTypeRef type = LLVMVectorType(g->f32, g->lanes);
  LLVMValueRef row = qn__ll_sub(g, turn, t->behind);
  for (uint32_t p = 0; p + 1 < t->count; p++) {
    row_state *f = &t->f[p];
    look_at(t, f->n, row);
    take_known(t, f->n, p, row);
    for (uint32_t q = 0; q < t->first_sum[p + 1] - t->first_sum[p]; q++)
      f->queue[q] = qn__ll_load_vec(g, type, qn__ll_stage_sum(t, p, row, q), 64);
    qn__ll_row_finish(f, true);
    give_known(t, p, row);
    row = qn__ll_sub(g, row, t->apart);
  }
}

static void find_rows(qn_ll_stages *t, LLVMValueRef turn) {
  t->row[0] = turn;
  for (uint32_t p = 0; p < t->count; p++) {
    if (p) t->row[p] = qn__ll_sub(t->n->g, t->row[p - 1], t->apart);
    t->live[p] = look_at(t, &t->nests[p], t->row[p]);
    if (t->waits_for_none) take_known(t, &t->nests[p], p, t->row[p]);
  }
}
/* Long rows need not wait less, and few are soon gone. */
static void choose_distance(qn_ll_stages *t) {
  qn_ll *g = t->n->g;
  LLVMValueRef one = qn__ll_i64(g, 1), rows = qn__ll_sub(g, t->n->rows_end, t->n->rows_begin);
  t->apart = t->behind = one;
  if (!t->waits_for_none) return;
  LLVMValueRef many = LLVMBuildICmp(g->b, LLVMIntSGE, rows, qn__ll_i64(g, LEAST_ROWS), "");
  LLVMValueRef few = LLVMBuildICmp(g->b, LLVMIntSLE, t->n->end, qn__ll_i64(g, MOST_COLUMNS), "");
  many = LLVMBuildAnd(g->b, many, few, "");
  t->apart = LLVMBuildSelect(g->b, many, qn__ll_i64(g, APART), one, "");
  t->behind = LLVMBuildSelect(g->b, many, qn__ll_i64(g, APART - 1), one, "");
}

void qn__ll_row_stages(qn_ll_nest *n) {
  qn_ll *g = n->g;
  qn_ll_stages t;
  LLVMValueRef carried[QN_LL_MAX_CARRIED];
  qn_ll_for f;
  if (!stages_init(&t, n)) return;
  if (t.s[0].share.counts) {
    t.wait = qn__ll_slot(g, g->i64, 1);
    LLVMBuildStore(g->b, qn__ll_i64(g, 0), t.wait);
  }
  choose_distance(&t);
  LLVMValueRef elements = qn__ll_mul(g, qn__ll_sub(g, n->rows_end, n->rows_begin), n->end);
  t.far = LLVMBuildICmp(g->b, LLVMIntSGT, elements, qn__ll_i64(g, FAR / 4), "");
  LLVMValueRef some = LLVMBuildICmp(g->b, LLVMIntSLT, n->rows_begin, n->rows_end, "");
  LLVMValueRef turns = qn__ll_add(g, n->rows_end, qn__ll_mul(g, t.apart, qn__ll_i64(g, t.count - 1)));
  turns = LLVMBuildSelect(g->b, some, turns, n->rows_begin, "");
  uint32_t count = start_known(&t, carried), taken = 0, given = 0;
  qn__ll_for_begin(g, &f, n->rows_begin, turns, 1, count, carried);
  if (t.waits_for_none) fold(&t, f.i);
  find_rows(&t, f.i);
  for (uint32_t p = 0; p + 1 < t.count && count; p++) carry_known(&t, p, true, carried, &taken);
  qn__ll_stages_turn(&t);
  for (uint32_t p = 0; p + 1 < t.count && count; p++) carry_known(&t, p, false, carried, &given);
  qn__ll_for_close(g, &f, carried);
}
