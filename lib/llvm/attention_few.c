/* ATTENTION of one or two queries (attention_few_text.c): one tile of a head after the other, block by block. A block's
 * weights have to wait for the largest of its scores and for e^x; meanwhile the next block's scores are computed, which
 * is why sums of scores have a place of their own. */
#include "attention.h"
#include "lanes.h"

typedef struct body {
  qn_ll_attention t;
  LLVMValueRef scores, values, finish, fill;
  qn_ll_row_softmax softmax;
  LLVMValueRef general; /* that of any region, where it is no text */
  LLVMTypeRef fill_type;
  LLVMValueRef q, k, v, q_row; /* of the present tile and head */
  LLVMValueRef end;            /* keys that its last row sees */
} body;

/* Frame and sums are only here; what lies behind the scores is filled with zeros up to the row's largest score. */
static void place_scratch(qn_ll_attention *t) {
  enum { LINE = 64 };
  const qn_attention_plan *p = t->plan;
  int64_t rows = t->rows, at = QN_LL_ATTENTION_FRAME + LINE; /* sums may begin 15 keys before */
  t->at.frame = 0, t->at.sums = at;
  at += rows * p->key_block * 4;
  t->at.scores = at;
  at += rows * p->key_block * 4;
  t->at.codes = at;
  at += p->codes ? rows * p->key_block : 0;
  t->at.lanes = at;
  at += rows * LINE;
  t->at.out = at;
  at += rows * p->dv_room * 4;
  t->at.partials = at;
  at += p->codes ? LINE : rows * 32 * 4;
  t->at.factor = at;
  t->at.max = at + LINE;
  t->at.bytes = at + 2 * LINE;
}

static LLVMValueRef at(const body *w, int64_t bytes) {
  return qn__ll_gep_const(w->t.g, w->t.memory, bytes);
}

static void fill(body *w, int64_t from, int64_t end, uint32_t bits) {
  qn_ll *g = w->t.g;
  LLVMValueRef args[3] = {at(w, from), qn__ll_i64(g, end - from), qn__ll_i32(g, bits)};
  LLVMBuildCall2(g->b, w->fill_type, w->fill, args, 3, "");
}

/* Of the keys from `block` on; none if there are none. */
static void scores(body *w, LLVMValueRef block) {
  qn_ll *g = w->t.g;
  const qn_attention_plan *p = w->t.plan;
  LLVMValueRef count = qn__ll_min(g, qn__ll_sub(g, w->end, block), qn__ll_i64(g, p->key_block));
  LLVMValueRef bytes = qn__ll_mul(g, block, qn__ll_i64(g, (p->codes ? 1 : 4) * (int64_t)p->d));
  LLVMValueRef args[6] = {w->q, w->q_row, qn__ll_gep(g, w->k, bytes), count, at(w, w->t.at.sums), block};
  qn__ll_attention_few_scores_call(g, w->scores, args);
}

/* ---- softmax ---- */

static LLVMValueRef at_field(qn_ll_attention *t, uint32_t field) {
  return qn__ll_gep_const(t->g, t->memory, t->at.frame + 8 * (int64_t)field);
}

/* Of the present head, and with row r of the tile that row. */
static LLVMValueRef extra_at(qn_ll_attention *t, uint32_t i, LLVMValueRef r) {
  qn_ll *g = t->g;
  LLVMValueRef head = qn__ll_mul(g, t->head, qn__ll_arg_stride(g, 9 + 2 * i));
  LLVMValueRef base = qn__ll_gep(g, qn__ll_arg_ptr(g, 4 + i), head);
  if (!t->plan->extras[i].by_row) return base;
  return qn__ll_gep(g, base, qn__ll_mul(g, qn__ll_add(g, t->first_row, r), qn__ll_arg_stride(g, 8 + 2 * i)));
}

/* Where extras that rows have of their own, or share, have the present block; and their one number. */
static void place_extras(qn_ll_attention *t, LLVMValueRef r, bool own) {
  qn_ll *g = t->g;
  const qn_attention_plan *p = t->plan;
  LLVMValueRef bases[QN_LL_ATTENTION_EXTRAS] = {NULL};
  bool numbers_own = false;
  for (uint32_t i = 0; i < p->num_extras; i++) {
    numbers_own |= !p->extras[i].by_col && p->extras[i].by_row;
    if (!p->extras[i].by_col || p->extras[i].by_row != own) continue;
    LLVMValueRef bytes = qn__ll_mul(g, t->block, qn__ll_i64(g, qn__ll_mem_bits(p->extras[i].mem) / 8));
    LLVMValueRef at = qn__ll_gep(g, extra_at(t, i, r), bytes);
    qn__ll_store_vec(g, at, at_field(t, QN_LANE_FRAME_BASES + 1 + i), 8);
  }
  if (numbers_own != own) return;
  for (uint32_t i = 0; i < p->num_extras; i++)
    if (!p->extras[i].by_col) bases[i] = extra_at(t, i, r);
  qn__ll_attention_few_softmax_known(t, bases);
}

qn_ll_row_softmax qn__ll_attention_row_softmax(const qn_ll_attention *t) {
  qn_ll_lane_constants constants = {.count = 0};
  qn_ll_row_softmax s = {NULL, NULL, NULL};
  bool many = t->rows > 1;
  if (!qn__ll_attention_few_softmax_serves(t)) return s;
  s.fn = qn__ll_attention_few_softmax(t, many ? QN_LL_SOFTMAX_LARGEST : QN_LL_SOFTMAX_ALL, &constants);
  if (many) s.weights = qn__ll_attention_few_softmax(t, QN_LL_SOFTMAX_WEIGHTS, &constants);
  if (s.fn) s.constants = qn__ll_lane_table(t->g, constants.bits, constants.count);
  return s;
}

static LLVMValueRef keys_left(qn_ll_attention *t, LLVMValueRef row) {
  return qn__ll_min(t->g, qn__ll_attention_left(t, row, t->block), qn__ll_i64(t->g, t->plan->key_block));
}

void qn__ll_attention_row_softmax_call(qn_ll_attention *t, const qn_ll_row_softmax *s) {
  qn_ll *g = t->g;
  LLVMValueRef zero = qn__ll_i64(g, 0), args[4] = {t->memory, keys_left(t, zero), s->constants, zero};
  qn_ll_for rows;
  place_extras(t, zero, false);
  if (s->weights) {
    qn__ll_do_begin(g, &rows, zero, qn__ll_i64(g, t->rows), 1, 0, NULL);
    args[3] = rows.i;
  }
  place_extras(t, args[3], true);
  if (t->plan->causal) args[1] = keys_left(t, args[3]);
  qn__ll_attention_few_softmax_call(g, s->fn, args);
  if (!s->weights) return;
  qn__ll_for_end(g, &rows, NULL);
  args[3] = zero;
  qn__ll_attention_few_softmax_call(g, s->weights, args);
}

static void softmax(body *w) {
  qn_ll *g = w->t.g;
  LLVMValueRef args[5] = {g->args, w->t.memory, w->t.first_row, w->t.head, w->t.block};
  if (w->softmax.fn)
    qn__ll_attention_row_softmax_call(&w->t, &w->softmax);
  else
    LLVMBuildCall2(g->b, qn__ll_attention_signature(g), w->general, args, 5, "");
}

/* ---- tiles ---- */

static void values(body *w) {
  qn_ll *g = w->t.g;
  const qn_attention_plan *p = w->t.plan;
  LLVMValueRef count = qn__ll_min(g, qn__ll_sub(g, w->end, w->t.block), qn__ll_i64(g, p->key_block));
  LLVMValueRef bytes = qn__ll_mul(g, w->t.block, qn__ll_i64(g, (p->codes ? 1 : 4) * (int64_t)p->dv));
  LLVMValueRef weights = at(w, p->codes ? w->t.at.codes : w->t.at.scores);
  LLVMValueRef args[5] = {weights, qn__ll_gep(g, w->v, bytes), count, at(w, w->t.at.out), at(w, w->t.at.factor)};
  qn__ll_attention_few_values_call(g, w->values, args);
}

static LLVMValueRef of_head(body *w, uint32_t ptr, uint32_t stride) {
  qn_ll *g = w->t.g;
  return qn__ll_gep(g, qn__ll_arg_ptr(g, ptr), qn__ll_mul(g, w->t.head, qn__ll_arg_stride(g, stride)));
}

/* Tile `unit`, counted through all heads. */
static void tile(body *w, LLVMValueRef unit, LLVMValueRef tiles) {
  qn_ll *g = w->t.g;
  const qn_ll_scratch *s = &w->t.at;
  LLVMValueRef zero = qn__ll_i64(g, 0), rows = qn__ll_i64(g, w->t.rows);
  qn_ll_for blocks;
  w->t.head = LLVMBuildUDiv(g->b, unit, tiles, "");
  LLVMValueRef first = qn__ll_mul(g, LLVMBuildURem(g->b, unit, tiles, ""), rows);
  w->t.first_row = qn__ll_add(g, qn__ll_arg_size(g, 5), first);
  w->q = qn__ll_gep(g, of_head(w, 0, 4), qn__ll_mul(g, w->t.first_row, w->q_row));
  w->k = of_head(w, 1, 5), w->v = of_head(w, 2, 6);
  w->end = qn__ll_attention_left(&w->t, qn__ll_i64(g, w->t.rows - 1), zero);
  fill(w, s->out, s->max, 0);
  fill(w, s->max, s->bytes, 0xFF7FFFFFu); /* -FLT_MAX */
  scores(w, zero);
  qn__ll_for_begin(g, &blocks, zero, w->end, w->t.plan->key_block, 0, NULL);
  w->t.block = blocks.i;
  softmax(w);
  scores(w, qn__ll_add(g, blocks.i, qn__ll_i64(g, w->t.plan->key_block)));
  values(w);
  qn__ll_for_end(g, &blocks, NULL);
  LLVMValueRef args[5] = {g->args, w->t.memory, w->t.first_row, w->t.head, zero};
  LLVMBuildCall2(g->b, qn__ll_attention_signature(g), w->finish, args, 5, "");
}

qn_status qn__ll_attention_few_tiles(qn_ll_attention *t) {
  qn_ll *g = t->g;
  body w = {.t = *t};
  qn_ll_for units;
  w.t.room = w.t.rows;
  place_scratch(&w.t);
  w.finish = qn__ll_attention_finish(&w.t);
  w.fill = qn__ll_attention_fill_text(g, &w.fill_type);
  w.scores = qn__ll_attention_few_scores(&w.t);
  w.values = qn__ll_attention_few_values(&w.t);
  w.softmax = qn__ll_attention_row_softmax(&w.t);
  if (!w.softmax.fn) w.general = qn__ll_attention_softmax(&w.t);
  if (g->failed) return QN_OK; /* told by the caller */
  w.t.memory = qn__ll_slot(g, g->i8, (uint32_t)w.t.at.bytes);
  w.t.keys = qn__ll_arg_size(g, 1);
  w.t.causal_more = qn__ll_arg_size(g, 4);
  w.q_row = qn__ll_arg_stride(g, 0);
  LLVMValueRef tiles = qn__ll_arg_size(g, 6);
  qn__ll_for_begin(g, &units, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, 0, NULL);
  tile(&w, units.i, tiles);
  qn__ll_for_end(g, &units, NULL);
  qn__ll_function_quickly(g, g->fn);
  return QN_OK;
}
