/* Between attention's products: for each row of the tile, the block's scores, their maximum, weights and sums; and
 * after the last block, the results. The maximum passes over NaN, so a comparison and a selection are all it takes, and
 * any order gives the same. */
#include "attention.h"

enum { PARTIALS = 32 };

typedef struct softmax {
  qn_ll_attention t;
  qn_ll_region score[QN_LL_MAX_GROUP], weight[QN_LL_MAX_GROUP]; /* of vectors next to each other */
  qn_ll_region change;                                          /* the weight of an old maximum, lanes being rows */
  qn_ll_place *places;                                          /* of the score's inputs */
  LLVMValueRef *extra;                                          /* of the present head, before rows are added */
  LLVMValueRef row;                                             /* of the tile */
  LLVMValueRef left;                                            /* keys that the row sees from the block's first on */
  LLVMValueRef exist;                                           /* keys that exist from there on */
  LLVMValueRef at, sums;                                        /* the row's scores, and what they are made of */
  uint32_t group;                                               /* keys per turn of a loop: whole rows of partials */
  uint32_t at_once;                                             /* vectors that take their steps together */
  bool by_key; /* what changes with keys only is known before the rows begin */
} softmax;

/* ---- functions of their own ---- */

static void begin(qn_ll_attention *t, const qn_ll_attention *outer, const char *what, qn_ll_inner *f) {
  qn_ll *g = outer->g;
  *t = *outer;
  qn_str name = qn__arena_fmt(g->arena, "%s_%s", outer->symbol, what);
  qn__ll_inner_begin(g, f, name.data, qn__ll_attention_signature(g));
  g->args = LLVMGetParam(f->fn, 0);
  t->memory = LLVMGetParam(f->fn, 1);
  t->first_row = LLVMGetParam(f->fn, 2);
  t->head = LLVMGetParam(f->fn, 3);
  t->block = LLVMGetParam(f->fn, 4);
  t->keys = qn__ll_arg_size(g, 1);
  t->causal_more = qn__ll_arg_size(g, 4);
}

/* Row r of what lies at byte `at` of the tile's memory with so many bytes a row. */
static LLVMValueRef row_at(const qn_ll_attention *t, int64_t at, LLVMValueRef r, int64_t row_bytes) {
  return qn__ll_gep(t->g, qn__ll_gep_const(t->g, t->memory, at), qn__ll_mul(t->g, r, qn__ll_i64(t->g, row_bytes)));
}

/* ---- scores ---- */

static bool regions(softmax *s, qn_ll_region *of, const qn_tape *tape, const uint8_t *vary) {
  for (uint32_t k = 0; k < s->at_once; k++)
    if (!qn__ll_region_init(&of[k], s->t.g, tape, vary)) return false;
  return true;
}

/* What is the same for all of a head's scores. */
static void prepare_score(softmax *s) {
  for (uint32_t k = 0; k < s->at_once; k++)
    qn__ll_region_load(&s->score[k], 0, s->places, qn__ll_i64(s->t.g, 0), 1, NULL);
  qn__ll_region_emit_group(s->score, s->at_once, 0, 0, 0, 1);
}

static bool prepare(softmax *s) {
  qn_ll *g = s->t.g;
  const qn_attention_plan *p = s->t.plan;
  uint8_t *vary = qn__arena_array(g->arena, 1 + p->num_extras, 1),
          both[2] = {QN_LL_BY_LANE | QN_LL_BY_ROW, QN_LL_BY_ROW}, lanes[2] = {QN_LL_BY_LANE, QN_LL_BY_LANE};
  s->places = qn__arena_array(g->arena, 1 + p->num_extras, sizeof *s->places);
  s->extra = qn__ll_values(g, p->num_extras);
  if (!vary || !s->places || !s->extra) {
    g->failed = g->out_of_memory = true;
    return false;
  }
  vary[0] = QN_LL_BY_LANE | QN_LL_BY_ROW;
  for (uint32_t i = 0; i < p->num_extras; i++) {
    const qn_extra *x = &p->extras[i];
    vary[1 + i] = (uint8_t)((x->by_col ? QN_LL_BY_LANE : 0) | (x->by_row ? QN_LL_BY_ROW : 0));
    LLVMValueRef head = qn__ll_mul(g, s->t.head, qn__ll_arg_stride(g, 9 + 2 * i));
    s->extra[i] = qn__ll_gep(g, qn__ll_arg_ptr(g, 4 + i), head);
    s->places[1 + i] = (qn_ll_place){x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, s->extra[i], NULL};
  }
  if (!regions(s, s->score, &p->score, vary) || !regions(s, s->weight, &p->weight, both) ||
      !qn__ll_region_init(&s->change, g, &p->weight, lanes))
    return false;
  prepare_score(s);
  qn__ll_region_emit_group(s->weight, s->at_once, 0, 0, 0, 1);
  qn__ll_region_emit(&s->change, 0, 0, 0, 1);
  return true;
}

static void place_row(softmax *s) {
  qn_ll *g = s->t.g;
  const qn_attention_plan *p = s->t.plan;
  LLVMValueRef row = qn__ll_add(g, s->t.first_row, s->row);
  for (uint32_t i = 0; i < p->num_extras; i++)
    if (p->extras[i].by_row)
      s->places[1 + i].base = qn__ll_gep(g, s->extra[i], qn__ll_mul(g, row, qn__ll_arg_stride(g, 8 + 2 * i)));
  for (uint32_t k = 0; k < s->at_once; k++)
    qn__ll_region_load(&s->score[k], QN_LL_BY_ROW, s->places, qn__ll_i64(g, 0), 1, NULL);
  qn__ll_region_emit_group(s->score, s->at_once, QN_LL_BY_ROW, 0, 0, 1);
}

/* Lanes key .. of which the first n exist. */
static LLVMValueRef first_lanes(qn_ll *g, LLVMValueRef key, LLVMValueRef n) {
  LLVMValueRef steps[16];
  for (uint32_t i = 0; i < g->lanes; i++) steps[i] = qn__ll_i32(g, i);
  LLVMValueRef all = g->lanes == 1 ? steps[0] : LLVMConstVector(steps, g->lanes);
  /* The difference fits: it is compared with a few lanes only. */
  LLVMValueRef left = qn__ll_sub(g, n, key), top = qn__ll_i64(g, g->lanes), none = qn__ll_i64(g, 0);
  left = qn__ll_min(g, left, top);
  left = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, left, none, ""), none, left, "");
  LLVMValueRef bound = qn__ll_splat(g, LLVMBuildTrunc(g->b, left, g->i32, ""), g->lanes);
  return LLVMBuildICmp(g->b, LLVMIntULT, all, bound, "");
}

static bool moves_by_key(const softmax *s) {
  for (uint32_t i = 0; i < s->t.plan->num_extras; i++)
    if (s->t.plan->extras[i].by_col) return true;
  return false;
}

/* The place of a vector of keys, from `key` of the block on, and in *mask which of them exist. */
static LLVMValueRef place_of(softmax *s, LLVMValueRef key, bool part, LLVMValueRef *mask) {
  qn_ll *g = s->t.g;
  LLVMValueRef index = qn__ll_add(g, s->t.block, key);
  *mask = NULL;
  if (!part || !moves_by_key(s)) return index;
  *mask = first_lanes(g, key, s->exist);
  /* Places that are read lane by lane read the first lane for those outside the mask. */
  return qn__ll_min(g, index, qn__ll_sub(g, s->t.keys, qn__ll_i64(g, 1)));
}

/* What vectors of keys need that is the same for all rows. */
static void score_keys(softmax *s, LLVMValueRef first, bool part) {
  qn_ll *g = s->t.g;
  for (uint32_t k = 0; k < s->at_once; k++) {
    LLVMValueRef mask, index = place_of(s, qn__ll_add(g, first, qn__ll_i64(g, (int64_t)k * g->lanes)), part, &mask);
    qn__ll_region_load(&s->score[k], QN_LL_BY_LANE, s->places, index, g->lanes, mask);
  }
  qn__ll_region_emit_group(s->score, s->at_once, QN_LL_BY_LANE, 0, 0, g->lanes);
}

/* The scores of at_once vectors of keys from `first` of the block on, into memory and into the maximum; `part`: keys
 * may be missing. */
static LLVMValueRef score_vectors(softmax *s, LLVMValueRef first, LLVMValueRef max, bool part) {
  qn_ll *g = s->t.g;
  LLVMTypeRef type = qn__ll_lanes(qn__ll_mem_type(g, s->t.plan->scores.acc), g->lanes);
  const uint8_t both = QN_LL_BY_LANE | QN_LL_BY_ROW;
  LLVMValueRef key[QN_LL_MAX_GROUP], at[QN_LL_MAX_GROUP];
  if (!s->by_key) score_keys(s, first, part);
  for (uint32_t k = 0; k < s->at_once; k++) {
    LLVMValueRef mask, index;
    key[k] = qn__ll_add(g, first, qn__ll_i64(g, (int64_t)k * g->lanes));
    index = place_of(s, key[k], part, &mask);
    qn__ll_region_load(&s->score[k], both, s->places, index, g->lanes, mask);
    at[k] = qn__ll_gep(g, s->at, qn__ll_mul(g, key[k], qn__ll_i64(g, 4)));
    LLVMValueRef sum = at[k];
    if (s->sums != s->at) sum = qn__ll_gep(g, s->sums, qn__ll_mul(g, key[k], qn__ll_i64(g, 4)));
    qn__ll_region_set_input(&s->score[k], 0, qn__ll_load_vec(g, type, sum, 4));
  }
  qn__ll_region_emit_group(s->score, s->at_once, both, 0, 0, g->lanes);
  for (uint32_t k = 0; k < s->at_once; k++) {
    LLVMValueRef x = qn__ll_region_get(&s->score[k], s->score[k].tape->outputs[0], g->lanes);
    if (part) {
      LLVMValueRef out = qn__ll_bits(g, LLVMTypeOf(x), 0xFF800000u); /* -infinity */
      x = LLVMBuildSelect(g->b, first_lanes(g, key[k], s->left), x, out, "");
    }
    qn__ll_store_vec(g, x, at[k], 4);
    max = qn__ll_attention_larger(g, x, max);
  }
  return max;
}

/* A loop over the block by groups of keys, or without a loop when it is one group. */
typedef struct groups {
  qn_ll_for f;
  bool loops;
  LLVMValueRef first;
} groups;

static void groups_begin(softmax *s, groups *gr, uint32_t n, LLVMValueRef *carried) {
  qn_ll *g = s->t.g;
  gr->loops = s->group < s->t.plan->key_block;
  gr->first = qn__ll_i64(g, 0);
  if (!gr->loops) return;
  qn__ll_for_begin(g, &gr->f, gr->first, qn__ll_i64(g, s->t.plan->key_block), s->group, n, carried);
  gr->first = gr->f.i;
}

static void groups_end(softmax *s, groups *gr, LLVMValueRef *carried) {
  if (gr->loops) qn__ll_for_end(s->t.g, &gr->f, carried);
}

/* All scores of the row; the largest per lane. */
static LLVMValueRef score_row(softmax *s, LLVMValueRef max, bool part) {
  qn_ll *g = s->t.g;
  groups gr;
  groups_begin(s, &gr, 1, &max);
  for (uint32_t k = 0; k < s->group; k += g->lanes * s->at_once)
    max = score_vectors(s, qn__ll_add(g, gr.first, qn__ll_i64(g, k)), max, part);
  groups_end(s, &gr, &max);
  return max;
}

/* ---- weights ---- */

/* Scores of at_once vectors of keys from `first` of the block on. */
static void scores_of(softmax *s, LLVMValueRef first, LLVMValueRef *x) {
  qn_ll *g = s->t.g;
  for (uint32_t k = 0; k < s->at_once; k++) {
    LLVMValueRef key = qn__ll_add(g, first, qn__ll_i64(g, (int64_t)k * g->lanes));
    LLVMValueRef at = qn__ll_gep(g, s->at, qn__ll_mul(g, key, qn__ll_i64(g, 4)));
    x[k] = qn__ll_load_vec(g, qn__ll_lanes(g->f32, g->lanes), at, 4);
  }
}

/* Their weights, or codes: 0 for keys that are missing. */
static void weights_of(softmax *s, LLVMValueRef first, LLVMValueRef max, bool part, LLVMValueRef *p) {
  qn_ll *g = s->t.g;
  bool codes = s->t.plan->codes;
  LLVMValueRef x[QN_LL_MAX_GROUP];
  scores_of(s, first, x);
  if (s->t.plan->exponential && !codes) { /* a missing key's score is -infinity: e^ that is 0 */
    qn__ll_attention_exp(g, s->at_once, x, qn__ll_splat(g, max, g->lanes), p);
    return;
  }
  for (uint32_t k = 0; k < s->at_once; k++) {
    qn__ll_region_set_input(&s->weight[k], 0, x[k]);
    qn__ll_region_set_input(&s->weight[k], 1, max);
  }
  qn__ll_region_emit_group(s->weight, s->at_once, QN_LL_BY_ROW, 0, 0, 1);
  qn__ll_region_emit_group(s->weight, s->at_once, QN_LL_BY_LANE, 0, 0, g->lanes);
  qn__ll_region_emit_group(s->weight, s->at_once, QN_LL_BY_LANE | QN_LL_BY_ROW, 0, 0, g->lanes);
  for (uint32_t k = 0; k < s->at_once; k++) {
    LLVMValueRef key = qn__ll_add(g, first, qn__ll_i64(g, (int64_t)k * g->lanes));
    p[k] = qn__ll_region_get(&s->weight[k], s->weight[k].tape->outputs[codes ? 1 : 0], g->lanes);
    if (part) p[k] = LLVMBuildSelect(g->b, first_lanes(g, key, s->left), p[k], LLVMConstNull(LLVMTypeOf(p[k])), "");
  }
}

static void float_weights(softmax *s, LLVMValueRef max, LLVMValueRef factor, bool part) {
  qn_ll *g = s->t.g;
  LLVMTypeRef type = qn__ll_lanes(g->f32, g->lanes);
  LLVMValueRef l = row_at(&s->t, s->t.at.partials, s->row, PARTIALS * 4), carried[PARTIALS + 1];
  uint32_t count = PARTIALS / g->lanes;
  for (uint32_t i = 0; i < count; i++)
    carried[i] = qn__ll_load_vec(g, type, qn__ll_gep_const(g, l, (int64_t)i * g->lanes * 4), 4);
  carried[count] = qn__ll_splat(g, factor, g->lanes);
  groups gr;
  groups_begin(s, &gr, count + 1, carried);
  for (uint32_t k = 0; k < s->group; k += g->lanes * s->at_once) {
    LLVMValueRef first = qn__ll_add(g, gr.first, qn__ll_i64(g, k)), p[QN_LL_MAX_GROUP];
    weights_of(s, first, max, part, p);
    for (uint32_t i = 0; i < s->at_once; i++) {
      uint32_t at = k + i * g->lanes;
      LLVMValueRef *sum = &carried[at / g->lanes % count], key = qn__ll_add(g, first, qn__ll_i64(g, at - k));
      qn__ll_store_vec(g, p[i], qn__ll_gep(g, s->at, qn__ll_mul(g, key, qn__ll_i64(g, 4))), 4);
      *sum = at < PARTIALS ? qn__ll_fma(g, *sum, carried[count], p[i], false, g->lanes)
                           : LLVMBuildFAdd(g->b, *sum, p[i], "");
    }
  }
  /* Later turns of the loop only add: what is multiplied by 1 stays as it is. */
  carried[count] = qn__ll_bits(g, type, 0x3F800000u);
  groups_end(s, &gr, carried);
  for (uint32_t i = 0; i < count; i++)
    qn__ll_store_vec(g, carried[i], qn__ll_gep_const(g, l, (int64_t)i * g->lanes * 4), 4);
}

/* Codes, and their sums per lane. */
static void code_weights(softmax *s, LLVMValueRef max, bool part) {
  qn_ll *g = s->t.g;
  LLVMTypeRef wide = qn__ll_lanes(g->i32, g->lanes);
  LLVMValueRef sum = LLVMConstNull(wide), to = row_at(&s->t, s->t.at.codes, s->row, s->t.plan->key_block);
  groups gr;
  groups_begin(s, &gr, 1, &sum);
  for (uint32_t k = 0; k < s->group; k += g->lanes * s->at_once) {
    LLVMValueRef first = qn__ll_add(g, gr.first, qn__ll_i64(g, k)), p[QN_LL_MAX_GROUP];
    if (qn__ll_attention_packs(&s->t)) {
      scores_of(s, first, p);
      LLVMValueRef top = qn__ll_splat(g, max, g->lanes);
      sum = qn__ll_attention_codes(g, s->at_once, p, top, qn__ll_gep(g, to, first), sum);
      continue;
    }
    weights_of(s, first, max, part, p);
    for (uint32_t i = 0; i < s->at_once; i++) {
      LLVMValueRef key = qn__ll_add(g, first, qn__ll_i64(g, (int64_t)i * g->lanes));
      qn__ll_store_vec(g, p[i], qn__ll_gep(g, to, key), 1);
      sum = qn__ll_add(g, sum, LLVMBuildZExt(g->b, p[i], wide, ""));
    }
  }
  groups_end(s, &gr, &sum);
  qn__ll_store_vec(g, sum, row_at(&s->t, s->t.at.lanes, s->row, (int64_t)g->lanes * 4), 4);
}

/* ---- rows ---- */

static void begin_row(softmax *s, LLVMValueRef row) {
  s->row = row;
  int64_t bytes = (int64_t)s->t.plan->key_block * 4;
  s->sums = s->at = row_at(&s->t, s->t.at.scores, row, bytes);
  if (s->t.at.sums != s->t.at.scores) s->sums = row_at(&s->t, s->t.at.sums, row, bytes);
  s->left = qn__ll_attention_left(&s->t, row, s->t.block);
}

/* Scores of all rows, and the largest of each, with the old maximum, per lane. */
static void all_scores(softmax *s, bool part) {
  qn_ll *g = s->t.g;
  qn_ll_for rows;
  s->by_key = s->group == s->t.plan->key_block && s->group == g->lanes * s->at_once;
  if (s->by_key) score_keys(s, qn__ll_i64(g, 0), part);
  qn__ll_for_begin(g, &rows, qn__ll_i64(g, 0), qn__ll_arg_size(g, 7), 1, 0, NULL);
  begin_row(s, rows.i);
  place_row(s);
  LLVMValueRef old = qn__ll_load_vec(g, g->f32, row_at(&s->t, s->t.at.max, s->row, 4), 4);
  LLVMValueRef max = score_row(s, qn__ll_splat(g, old, g->lanes), part);
  qn__ll_store_vec(g, max, row_at(&s->t, s->t.at.lanes, s->row, (int64_t)g->lanes * 4), 4);
  qn__ll_for_end(g, &rows, NULL);
}

/* Rows `first` on as lanes: their lanes' folds. */
static LLVMValueRef folded(softmax *s, uint32_t first, LLVMTypeRef elem, qn_ll_fold how) {
  qn_ll *g = s->t.g;
  LLVMValueRef at = qn__ll_gep_const(g, s->t.memory, s->t.at.lanes + (int64_t)first * g->lanes * 4);
  return qn__ll_attention_fold_rows(g, at, elem, s->t.room - first, how);
}

/* c of every row at once: 1 where the maximum stays, else the weight of the old one against the new. The places behind
 * the last row hold something too. */
static void all_factors(softmax *s) {
  qn_ll *g = s->t.g;
  LLVMTypeRef type = qn__ll_lanes(g->f32, g->lanes);
  for (uint32_t r = 0; r < s->t.room; r += g->lanes) {
    LLVMValueRef m = qn__ll_gep_const(g, s->t.memory, s->t.at.max + (int64_t)r * 4);
    LLVMValueRef c = qn__ll_gep_const(g, s->t.memory, s->t.at.factor + (int64_t)r * 4);
    LLVMValueRef old = qn__ll_load_vec(g, type, m, 4), max = folded(s, r, g->f32, QN_LL_FOLD_MAX);
    qn__ll_region_set_input(&s->change, 0, old);
    qn__ll_region_set_input(&s->change, 1, max);
    qn__ll_region_emit(&s->change, QN_LL_BY_LANE, 0, 0, g->lanes);
    LLVMValueRef factor = qn__ll_region_get(&s->change, s->change.tape->outputs[0], g->lanes);
    LLVMValueRef same = LLVMBuildFCmp(g->b, LLVMRealOEQ, max, old, "");
    factor = LLVMBuildSelect(g->b, same, qn__ll_bits(g, type, 0x3F800000u), factor, "");
    qn__ll_store_vec(g, max, m, 4);
    qn__ll_store_vec(g, factor, c, 4);
  }
}

static void all_weights(softmax *s, bool part) {
  qn_ll *g = s->t.g;
  qn_ll_for rows;
  qn__ll_for_begin(g, &rows, qn__ll_i64(g, 0), qn__ll_arg_size(g, 7), 1, 0, NULL);
  begin_row(s, rows.i);
  LLVMValueRef max = qn__ll_load_vec(g, g->f32, row_at(&s->t, s->t.at.max, s->row, 4), 4);
  if (s->t.plan->codes)
    code_weights(s, max, part);
  else
    float_weights(s, max, qn__ll_load_vec(g, g->f32, row_at(&s->t, s->t.at.factor, s->row, 4), 4), part);
  qn__ll_for_end(g, &rows, NULL);
}

/* l of every row at once, of codes. */
static void all_sums(softmax *s) {
  qn_ll *g = s->t.g;
  LLVMTypeRef type = qn__ll_lanes(g->f32, g->lanes);
  for (uint32_t r = 0; r < s->t.room; r += g->lanes) {
    LLVMValueRef at = qn__ll_gep_const(g, s->t.memory, s->t.at.partials + (int64_t)r * 4);
    LLVMValueRef c = qn__ll_gep_const(g, s->t.memory, s->t.at.factor + (int64_t)r * 4);
    LLVMValueRef sums = LLVMBuildSIToFP(g->b, folded(s, r, g->i32, QN_LL_FOLD_ADD), type, "");
    LLVMValueRef l = qn__ll_load_vec(g, type, at, 4);
    qn__ll_store_vec(g, qn__ll_fma(g, l, qn__ll_load_vec(g, type, c, 4), sums, false, g->lanes), at, 4);
  }
}

/* Blocks that every row of the tile sees whole need no masks. */
static void by_whole(softmax *s, LLVMValueRef whole, void (*steps)(softmax *, bool)) {
  qn_ll *g = s->t.g;
  qn_ll_if yes, no;
  qn__ll_if_begin(g, &yes, whole);
  steps(s, false);
  qn__ll_if_end(g, &yes);
  qn__ll_if_begin(g, &no, LLVMBuildNot(g->b, whole, ""));
  steps(s, true);
  qn__ll_if_end(g, &no);
}

/* Rows one after the other would each wait for their maximum and for e^(m - M); so they take these steps together. */
static void all_rows(softmax *s) {
  qn_ll *g = s->t.g;
  LLVMValueRef width = qn__ll_i64(g, s->t.plan->key_block);
  LLVMValueRef whole =
      LLVMBuildICmp(g->b, LLVMIntSGE, qn__ll_attention_left(&s->t, qn__ll_i64(g, 0), s->t.block), width, "");
  by_whole(s, whole, all_scores);
  all_factors(s);
  if (s->t.plan->exponential && (!s->t.plan->codes || qn__ll_attention_packs(&s->t)))
    all_weights(s, false);
  else
    by_whole(s, whole, all_weights);
  if (s->t.plan->codes) all_sums(s);
}

LLVMValueRef qn__ll_attention_softmax(qn_ll_attention *outer) {
  qn_ll *g = outer->g;
  softmax s = {.group = outer->plan->key_block % 64 == 0 && g->lanes >= 8 ? 64 : 32};
  uint32_t vectors = s.group / g->lanes;
  qn_ll_inner f;
  s.at_once = vectors < QN_LL_MAX_GROUP ? vectors : QN_LL_MAX_GROUP;
  begin(&s.t, outer, "softmax", &f);
  s.exist = qn__ll_sub(g, s.t.keys, s.t.block);
  if (!g->failed && prepare(&s)) all_rows(&s);
  qn__ll_inner_end(g, &f);
  return f.fn;
}

/* ---- results ---- */

typedef struct results {
  qn_ll_attention t;
  qn_ll_region region;
  LLVMValueRef o, y; /* of the row */
} results;

static void columns(void *user, LLVMValueRef column, uint32_t lanes, LLVMValueRef mask) {
  results *s = user;
  qn_ll *g = s->t.g;
  qn_ll_place from = {QN_F32, QN_ACCESS_DENSE, s->o, NULL}, to = {s->t.plan->y_mem, QN_ACCESS_DENSE, s->y, NULL};
  qn__ll_region_set_input(&s->region, 0, qn__ll_load(g, &from, column, lanes, NULL)); /* o has room for whole vectors */
  qn__ll_region_emit(&s->region, QN_LL_BY_LANE | QN_LL_BY_ROW, 0, 0, lanes);
  qn__ll_region_store(&s->region, 0, &to, column, lanes, mask);
}

static LLVMValueRef sum_of_weights(results *s, LLVMValueRef r) {
  qn_ll *g = s->t.g;
  if (s->t.plan->codes) return qn__ll_load_vec(g, g->f32, row_at(&s->t, s->t.at.partials, r, 4), 4);
  LLVMValueRef at = row_at(&s->t, s->t.at.partials, r, PARTIALS * 4);
  LLVMValueRef partials = qn__ll_load_vec(g, LLVMVectorType(g->f32, PARTIALS), at, 4);
  return qn__ll_attention_fold(g, partials, PARTIALS, QN_LL_FOLD_FADD);
}

LLVMValueRef qn__ll_attention_finish(qn_ll_attention *outer) {
  qn_ll *g = outer->g;
  results s = {.o = NULL};
  qn_ll_inner f;
  begin(&s.t, outer, "finish", &f);
  const uint8_t vary[2] = {QN_LL_BY_LANE | QN_LL_BY_ROW, QN_LL_BY_ROW};
  if (!g->failed && qn__ll_region_init(&s.region, g, &s.t.plan->epilogue, vary)) {
    LLVMValueRef y = qn__ll_gep(g, qn__ll_arg_ptr(g, 3), qn__ll_mul(g, s.t.head, qn__ll_arg_stride(g, 7)));
    LLVMValueRef y_row = qn__ll_arg_stride(g, 1), dv = qn__ll_arg_size(g, 3);
    qn__ll_region_emit(&s.region, 0, 0, 0, 1);
    qn_ll_for rows;
    qn__ll_for_begin(g, &rows, qn__ll_i64(g, 0), qn__ll_arg_size(g, 7), 1, 0, NULL);
    s.o = row_at(&s.t, s.t.at.out, rows.i, (int64_t)s.t.plan->dv_room * 4);
    s.y = qn__ll_gep(g, y, qn__ll_mul(g, qn__ll_add(g, s.t.first_row, rows.i), y_row));
    qn__ll_region_set_input(&s.region, 1, sum_of_weights(&s, rows.i));
    qn__ll_region_emit(&s.region, QN_LL_BY_ROW, 0, 0, 1);
    qn__ll_span(g, qn__ll_i64(g, 0), dv, columns, &s);
    qn__ll_for_end(g, &rows, NULL);
  }
  if (outer->plan->k_rows || outer->rows <= QN_ATTENTION_DIRECT_ROWS)
    qn__ll_function_quickly(g, f.fn); /* once for all keys */
  qn__ll_inner_end(g, &f);
  return f.fn;
}
