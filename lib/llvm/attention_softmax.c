/* Between attention's products: for each row of the tile, the block's scores, their maximum, weights and sums; and
 * after the last block, the results. The maximum passes over NaN, so a comparison and a selection are all it takes, and
 * any order gives the same. */
#include "attention.h"

enum { PARTIALS = 32 };

typedef struct softmax {
  qn_ll_attention t;
  qn_ll_region score, weight, change; /* `change`: the weight of an old maximum, lanes being rows */
  qn_ll_place *places;                /* of the score's inputs */
  LLVMValueRef *extra;                /* of the present head, before rows are added */
  LLVMValueRef row;                   /* of the tile */
  LLVMValueRef left;                  /* keys that the row sees from the block's first on */
  LLVMValueRef exist;                 /* keys that exist from there on */
  LLVMValueRef at;                    /* the row's scores */
  uint32_t group;                     /* keys per turn of a loop: whole rows of partials */
} softmax;

/* ---- functions of their own ---- */

typedef struct function {
  LLVMValueRef fn, outer_fn, outer_args;
  LLVMBasicBlockRef outer_entry, here;
} function;

static void begin(qn_ll_attention *t, const qn_ll_attention *outer, const char *what, function *f) {
  qn_ll *g = outer->g;
  *t = *outer;
  qn_str name = qn__arena_fmt(g->arena, "%s_%s", outer->symbol, what);
  if (!name.data) g->failed = g->out_of_memory = true;
  *f = (function){.outer_fn = g->fn, .outer_args = g->args, .outer_entry = g->entry, .here = LLVMGetInsertBlock(g->b)};
  f->fn = qn__ll_function_attrs(g, LLVMAddFunction(g->mod, name.data ? name.data : "", qn__ll_attention_signature(g)));
  LLVMSetLinkage(f->fn, LLVMInternalLinkage);
  g->fn = f->fn;
  g->args = LLVMGetParam(f->fn, 0);
  g->entry = LLVMAppendBasicBlockInContext(g->ctx, f->fn, "");
  LLVMPositionBuilderAtEnd(g->b, g->entry);
  t->memory = LLVMGetParam(f->fn, 1);
  t->first_row = LLVMGetParam(f->fn, 2);
  t->head = LLVMGetParam(f->fn, 3);
  t->block = LLVMGetParam(f->fn, 4);
  t->keys = qn__ll_arg_size(g, 1);
  t->causal_more = qn__ll_arg_size(g, 4);
}

static LLVMValueRef end(qn_ll *g, const function *f) {
  LLVMBuildRetVoid(g->b);
  g->fn = f->outer_fn;
  g->args = f->outer_args;
  g->entry = f->outer_entry;
  LLVMPositionBuilderAtEnd(g->b, f->here);
  return f->fn;
}

/* Row r of what lies at byte `at` of the tile's memory with so many bytes a row. */
static LLVMValueRef row_at(const qn_ll_attention *t, int64_t at, LLVMValueRef r, int64_t row_bytes) {
  return qn__ll_gep(t->g, qn__ll_gep_const(t->g, t->memory, at), qn__ll_mul(t->g, r, qn__ll_i64(t->g, row_bytes)));
}

/* ---- scores ---- */

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
  if (!qn__ll_region_init(&s->score, g, &p->score, vary) || !qn__ll_region_init(&s->weight, g, &p->weight, both) ||
      !qn__ll_region_init(&s->change, g, &p->weight, lanes))
    return false;
  qn__ll_region_load(&s->score, 0, s->places, qn__ll_i64(g, 0), 1, NULL);
  qn__ll_region_emit(&s->score, 0, 0, 0, 1);
  qn__ll_region_emit(&s->weight, 0, 0, 0, 1);
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
  qn__ll_region_load(&s->score, QN_LL_BY_ROW, s->places, qn__ll_i64(g, 0), 1, NULL);
  qn__ll_region_emit(&s->score, QN_LL_BY_ROW, 0, 0, 1);
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

/* The scores of one vector of keys from `key` of the block on; `part`: keys may be missing. */
static LLVMValueRef score_vector(softmax *s, LLVMValueRef key, bool part) {
  qn_ll *g = s->t.g;
  LLVMTypeRef type = qn__ll_lanes(qn__ll_mem_type(g, s->t.plan->scores.acc), g->lanes);
  LLVMValueRef at = qn__ll_gep(g, s->at, qn__ll_mul(g, key, qn__ll_i64(g, 4)));
  LLVMValueRef index = qn__ll_add(g, s->t.block, key), mask = NULL;
  if (part && moves_by_key(s)) {
    mask = first_lanes(g, key, s->exist);
    /* Places that are read lane by lane read the first lane for those outside the mask. */
    LLVMValueRef last = qn__ll_sub(g, s->t.keys, qn__ll_i64(g, 1));
    index = qn__ll_min(g, index, last);
  }
  qn__ll_region_load(&s->score, QN_LL_BY_LANE, s->places, index, g->lanes, mask);
  qn__ll_region_emit(&s->score, QN_LL_BY_LANE, 0, 0, g->lanes);
  qn__ll_region_load(&s->score, QN_LL_BY_LANE | QN_LL_BY_ROW, s->places, index, g->lanes, mask);
  qn__ll_region_set_input(&s->score, 0, qn__ll_load_vec(g, type, at, 4));
  qn__ll_region_emit(&s->score, QN_LL_BY_LANE | QN_LL_BY_ROW, 0, 0, g->lanes);
  LLVMValueRef x = qn__ll_region_get(&s->score, s->score.tape->outputs[0], g->lanes);
  if (part) {
    LLVMValueRef out = qn__ll_bits(g, LLVMTypeOf(x), 0xFF800000u); /* -infinity */
    x = LLVMBuildSelect(g->b, first_lanes(g, key, s->left), x, out, "");
  }
  qn__ll_store_vec(g, x, at, 4);
  return x;
}

static LLVMValueRef larger(qn_ll *g, LLVMValueRef x, LLVMValueRef m) {
  return LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, x, m, ""), x, m, "");
}

/* Loops over the block by groups of keys around `step`, or without a loop when it is one group. */
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
  for (uint32_t k = 0; k < s->group; k += g->lanes)
    max = larger(g, score_vector(s, qn__ll_add(g, gr.first, qn__ll_i64(g, k)), part), max);
  groups_end(s, &gr, &max);
  return max;
}

static LLVMValueRef half(qn_ll *g, LLVMValueRef v, uint32_t first, uint32_t count) {
  LLVMValueRef picks[PARTIALS];
  for (uint32_t i = 0; i < count; i++) picks[i] = qn__ll_i32(g, first + i);
  if (count == 1) return LLVMBuildExtractElement(g->b, v, picks[0], "");
  return LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(picks, count), "");
}

typedef enum fold { FOLD_MAX, FOLD_FADD, FOLD_ADD } fold;

/* A vector's lanes into one, by halves. */
static LLVMValueRef fold_lanes(qn_ll *g, LLVMValueRef v, uint32_t lanes, fold how) {
  for (uint32_t count = lanes / 2; count >= 1; count /= 2) {
    LLVMValueRef a = half(g, v, 0, count), b = half(g, v, count, count);
    v = how == FOLD_MAX ? larger(g, a, b) : how == FOLD_ADD ? qn__ll_add(g, a, b) : LLVMBuildFAdd(g->b, a, b, "");
  }
  return v;
}

/* ---- weights ---- */

/* Weights, or codes, of a vector of keys from `key` of the block on: 0 for keys that are missing. */
static LLVMValueRef weights_of(softmax *s, LLVMValueRef key, LLVMValueRef max, bool part) {
  qn_ll *g = s->t.g;
  LLVMValueRef at = qn__ll_gep(g, s->at, qn__ll_mul(g, key, qn__ll_i64(g, 4)));
  qn__ll_region_set_input(&s->weight, 0, qn__ll_load_vec(g, qn__ll_lanes(g->f32, g->lanes), at, 4));
  qn__ll_region_set_input(&s->weight, 1, max);
  qn__ll_region_emit(&s->weight, QN_LL_BY_ROW, 0, 0, 1);
  qn__ll_region_emit(&s->weight, QN_LL_BY_LANE, 0, 0, g->lanes);
  qn__ll_region_emit(&s->weight, QN_LL_BY_LANE | QN_LL_BY_ROW, 0, 0, g->lanes);
  LLVMValueRef p = qn__ll_region_get(&s->weight, s->weight.tape->outputs[s->t.plan->codes ? 1 : 0], g->lanes);
  if (part) p = LLVMBuildSelect(g->b, first_lanes(g, key, s->left), p, LLVMConstNull(LLVMTypeOf(p)), "");
  return p;
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
  for (uint32_t k = 0; k < s->group; k += g->lanes) {
    LLVMValueRef key = qn__ll_add(g, gr.first, qn__ll_i64(g, k)), *sum = &carried[k / g->lanes % count];
    LLVMValueRef p = weights_of(s, key, max, part);
    qn__ll_store_vec(g, p, qn__ll_gep(g, s->at, qn__ll_mul(g, key, qn__ll_i64(g, 4))), 4);
    *sum = k < PARTIALS ? qn__ll_fma(g, *sum, carried[count], p, false, g->lanes) : LLVMBuildFAdd(g->b, *sum, p, "");
  }
  /* Later turns of the loop only add: what is multiplied by 1 stays as it is. */
  carried[count] = qn__ll_bits(g, type, 0x3F800000u);
  groups_end(s, &gr, carried);
  for (uint32_t i = 0; i < count; i++)
    qn__ll_store_vec(g, carried[i], qn__ll_gep_const(g, l, (int64_t)i * g->lanes * 4), 4);
}

static void code_weights(softmax *s, LLVMValueRef max, LLVMValueRef factor, bool part) {
  qn_ll *g = s->t.g;
  LLVMTypeRef wide = qn__ll_lanes(g->i32, g->lanes);
  LLVMValueRef sum = LLVMConstNull(wide), to = row_at(&s->t, s->t.at.codes, s->row, s->t.plan->key_block);
  groups gr;
  groups_begin(s, &gr, 1, &sum);
  for (uint32_t k = 0; k < s->group; k += g->lanes) {
    LLVMValueRef key = qn__ll_add(g, gr.first, qn__ll_i64(g, k)), code = weights_of(s, key, max, part);
    qn__ll_store_vec(g, code, qn__ll_gep(g, to, key), 1);
    sum = qn__ll_add(g, sum, LLVMBuildZExt(g->b, code, wide, ""));
  }
  groups_end(s, &gr, &sum);
  LLVMValueRef total = LLVMBuildSIToFP(g->b, fold_lanes(g, sum, g->lanes, FOLD_ADD), g->f32, "");
  LLVMValueRef l = row_at(&s->t, s->t.at.partials, s->row, PARTIALS * 4);
  total = qn__ll_fma(g, qn__ll_load_vec(g, g->f32, l, 4), factor, total, false, 1);
  qn__ll_store_vec(g, total, l, 4);
}

/* ---- rows ---- */

static void begin_row(softmax *s, LLVMValueRef row) {
  s->row = row;
  s->at = row_at(&s->t, s->t.at.scores, row, (int64_t)s->t.plan->key_block * 4);
  s->left = qn__ll_attention_left(&s->t, row, s->t.block);
}

/* Scores of all rows, and the new maximum of each in the factor's place. */
static void all_scores(softmax *s, bool part) {
  qn_ll *g = s->t.g;
  qn_ll_for rows;
  qn__ll_for_begin(g, &rows, qn__ll_i64(g, 0), qn__ll_i64(g, s->t.rows), 1, 0, NULL);
  begin_row(s, rows.i);
  place_row(s);
  LLVMValueRef old = qn__ll_load_vec(g, g->f32, row_at(&s->t, s->t.at.max, s->row, 4), 4);
  LLVMValueRef max = fold_lanes(g, score_row(s, qn__ll_splat(g, old, g->lanes), part), g->lanes, FOLD_MAX);
  qn__ll_store_vec(g, max, row_at(&s->t, s->t.at.factor, s->row, 4), 4);
  qn__ll_for_end(g, &rows, NULL);
}

/* c of every row at once: 1 where the maximum stays, else the weight of the old one against the new. The places behind
 * the last row hold something too. */
static void all_factors(softmax *s) {
  qn_ll *g = s->t.g;
  LLVMTypeRef type = qn__ll_lanes(g->f32, g->lanes);
  for (uint32_t r = 0; r < s->t.rows; r += g->lanes) {
    LLVMValueRef m = qn__ll_gep_const(g, s->t.memory, s->t.at.max + (int64_t)r * 4);
    LLVMValueRef c = qn__ll_gep_const(g, s->t.memory, s->t.at.factor + (int64_t)r * 4);
    LLVMValueRef old = qn__ll_load_vec(g, type, m, 4), max = qn__ll_load_vec(g, type, c, 4);
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
  qn__ll_for_begin(g, &rows, qn__ll_i64(g, 0), qn__ll_i64(g, s->t.rows), 1, 0, NULL);
  begin_row(s, rows.i);
  LLVMValueRef max = qn__ll_load_vec(g, g->f32, row_at(&s->t, s->t.at.max, s->row, 4), 4);
  LLVMValueRef factor = qn__ll_load_vec(g, g->f32, row_at(&s->t, s->t.at.factor, s->row, 4), 4);
  (s->t.plan->codes ? code_weights : float_weights)(s, max, factor, part);
  qn__ll_for_end(g, &rows, NULL);
}

/* Rows one after the other would each wait for their maximum and for e^(m - M); so they take these steps together. */
static void all_rows(softmax *s, bool part) {
  all_scores(s, part);
  all_factors(s);
  all_weights(s, part);
}

LLVMValueRef qn__ll_attention_softmax(qn_ll_attention *outer) {
  qn_ll *g = outer->g;
  softmax s = {.group = outer->plan->key_block % 64 == 0 && g->lanes >= 8 ? 64 : 32};
  function f;
  begin(&s.t, outer, "softmax", &f);
  s.exist = qn__ll_sub(g, s.t.keys, s.t.block);
  if (!g->failed && prepare(&s)) {
    /* Blocks that every row of the tile sees whole need no masks. */
    LLVMValueRef width = qn__ll_i64(g, s.t.plan->key_block);
    LLVMValueRef whole =
        LLVMBuildICmp(g->b, LLVMIntSGE, qn__ll_attention_left(&s.t, qn__ll_i64(g, 0), s.t.block), width, "");
    qn_ll_if yes, no;
    qn__ll_if_begin(g, &yes, whole);
    all_rows(&s, false);
    qn__ll_if_end(g, &yes);
    qn__ll_if_begin(g, &no, LLVMBuildNot(g->b, whole, ""));
    all_rows(&s, true);
    qn__ll_if_end(g, &no);
  }
  return end(g, &f);
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
  LLVMValueRef at = row_at(&s->t, s->t.at.partials, r, PARTIALS * 4);
  if (s->t.plan->codes) return qn__ll_load_vec(g, g->f32, at, 4);
  return fold_lanes(g, qn__ll_load_vec(g, LLVMVectorType(g->f32, PARTIALS), at, 4), PARTIALS, FOLD_FADD);
}

LLVMValueRef qn__ll_attention_finish(qn_ll_attention *outer) {
  qn_ll *g = outer->g;
  results s = {.o = NULL};
  function f;
  begin(&s.t, outer, "finish", &f);
  const uint8_t vary[2] = {QN_LL_BY_LANE | QN_LL_BY_ROW, QN_LL_BY_ROW};
  if (!g->failed && qn__ll_region_init(&s.region, g, &s.t.plan->epilogue, vary)) {
    LLVMValueRef y = qn__ll_gep(g, qn__ll_arg_ptr(g, 3), qn__ll_mul(g, s.t.head, qn__ll_arg_stride(g, 7)));
    LLVMValueRef y_row = qn__ll_arg_stride(g, 1), dv = qn__ll_arg_size(g, 3);
    qn__ll_region_emit(&s.region, 0, 0, 0, 1);
    qn_ll_for rows;
    qn__ll_for_begin(g, &rows, qn__ll_i64(g, 0), qn__ll_i64(g, s.t.rows), 1, 0, NULL);
    s.o = row_at(&s.t, s.t.at.out, rows.i, (int64_t)s.t.plan->dv_room * 4);
    s.y = qn__ll_gep(g, y, qn__ll_mul(g, qn__ll_add(g, s.t.first_row, rows.i), y_row));
    qn__ll_region_set_input(&s.region, 1, sum_of_weights(&s, rows.i));
    qn__ll_region_emit(&s.region, QN_LL_BY_ROW, 0, 0, 1);
    qn__ll_span(g, qn__ll_i64(g, 0), dv, columns, &s);
    qn__ll_for_end(g, &rows, NULL);
  }
  return end(g, &f);
}
