/* ATTENTION: tiles of queries by blocks of keys. A tile's scores and its row of the result stay in memory of a few
 * kilobytes; both products keep their sums in registers, as tiles of gemm do. A few tiles of a head go through the
 * blocks together, so that keys and values that do not fit a cache are read once for all of them. */
#include "attention.h"

enum { TOGETHER_LEAST = 32 << 10, TOGETHER_MOST = 160 << 10 };

typedef struct body {
  qn_ll_attention t;
  uint32_t together;               /* tiles at most */
  LLVMValueRef memory;             /* of all of them */
  LLVMValueRef q_head, first_tile; /* of the present head; of the present tiles */
  qn_ll_tile tile;                 /* of the present product */
  LLVMValueRef softmax, finish;
  qn_ll_row_softmax row_softmax; /* in place of softmax, where that waits for few rows only */
  bool texts;                    /* products are functions that are text */
  LLVMValueRef fill;             /* with texts */
  LLVMTypeRef fill_type;
  LLVMValueRef pack_k, pack_v, room_k, room_v; /* null where k and v come packed */
  LLVMValueRef q, k, v;                        /* of the present tile and head */
  LLVMValueRef q_row, k_panel, v_panel;        /* strides */
} body;

LLVMTypeRef qn__ll_attention_signature(qn_ll *g) {
  LLVMTypeRef params[5] = {g->ptr, g->ptr, g->i64, g->i64, g->i64};
  return LLVMFunctionType(g->void_t, params, 5, false);
}

LLVMValueRef qn__ll_attention_left(qn_ll_attention *t, LLVMValueRef r, LLVMValueRef from) {
  qn_ll *g = t->g;
  LLVMValueRef n = t->keys;
  if (t->plan->causal) {
    LLVMValueRef row = qn__ll_add(g, qn__ll_add(g, t->first_row, r), qn__ll_i64(g, 1));
    n = qn__ll_min(g, n, qn__ll_add(g, row, t->causal_more));
  }
  return qn__ll_sub(g, n, from);
}

static LLVMValueRef larger(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, a, b, ""), a, b, "");
}

static void call(body *w, LLVMValueRef fn) {
  qn_ll *g = w->t.g;
  LLVMValueRef args[5] = {g->args, w->t.memory, w->t.first_row, w->t.head, w->t.block};
  LLVMBuildCall2(g->b, qn__ll_attention_signature(g), fn, args, 5, "");
}

/* ---- products ---- */

/* Accumulators for `columns` of each of `panels` panels, as many as the registers hold. */
static void shape_tile(body *w, const qn_gemm_plan *product, uint32_t rows, uint32_t panels, uint32_t columns) {
  qn_ll *g = w->t.g;
  qn_ll_tile *t = &w->tile;
  uint32_t registers = g->isa->num_registers, lanes = g->lanes, vectors = columns / lanes;
  *t = (qn_ll_tile){.g = g, .plan = product, .rows = rows, .sets = 1, .acc_lanes = lanes};
  t->dot = qn__ll_dot_find(g, product, lanes > 1);
  rows = t->acc_rows = qn__ll_dot_rows(t->dot, rows);
  t->acc_elem = qn__ll_mem_type(g, product->acc);
  t->acc_type = qn__ll_lanes(t->acc_elem, lanes);
  uint32_t group = vectors < QN_LL_MAX_VECTORS ? vectors : QN_LL_MAX_VECTORS;
  while (group > 1 && (group * (rows + 1) + 1 > registers || vectors % group || rows * group > QN_LL_MAX_ACC)) group--;
  t->panels = group == vectors ? panels : 1;
  while (t->panels > 1 && (t->panels * group * (rows + 1) + 1 > registers || t->panels * group > QN_LL_MAX_VECTORS ||
                           t->panels * (rows * group + 1) > QN_LL_MAX_CARRIED))
    t->panels--;
  t->vectors = group * t->panels;
  t->unroll = t->dot->shares;
}

static void blocks_step(qn_ll_tile *t, LLVMValueRef block, uint32_t blocks, bool partial) {
  LLVMValueRef shared[QN_LL_MAX_OPERANDS] = {0};
  for (uint32_t j = 0; j < blocks; j++) {
    qn_ll_operand b[QN_LL_MAX_VECTORS], a;
    for (uint32_t v = 0; v < t->vectors; v++) t->dot->load_b(t, v, j, &b[v]);
    for (uint32_t r = 0; r < t->acc_rows; r++) {
      t->dot->load_a(t, r, block, j, blocks, partial, &shared[r], &a);
      for (uint32_t v = 0; v < t->vectors; v++)
        t->acc[r * t->vectors + v] = t->dot->madd(t, t->acc[r * t->vectors + v], &a, &b[v]);
    }
  }
}

static void copy_values(LLVMValueRef *to, const LLVMValueRef *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) to[i] = from[i];
}

/* Blocks start .. end-1 of the summed axis; the panels' pointers stand at `start` and are left at `end`. */
static void blocks_loop(qn_ll_tile *t, LLVMValueRef start, LLVMValueRef end, uint32_t unroll, bool partial) {
  qn_ll *g = t->g;
  uint32_t sums = t->acc_rows * t->vectors;
  int64_t bytes = (int64_t)t->plan->layout.panel_width * t->plan->layout.k_block * qn__ll_mem_bits(t->plan->rhs) / 8;
  LLVMValueRef carried[QN_LL_MAX_CARRIED];
  qn_ll_for f;
  copy_values(carried, t->acc, sums);
  copy_values(carried + sums, t->b, t->panels);
  qn__ll_for_begin(g, &f, start, end, unroll, sums + t->panels, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
  blocks_step(t, f.i, unroll, partial);
  copy_values(carried, t->acc, sums);
  for (uint32_t p = 0; p < t->panels; p++)
    carried[sums + p] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, t->b[p], bytes * unroll), "");
  qn__ll_for_end(g, &f, carried);
  copy_values(t->acc, carried, sums);
  copy_values(t->b, carried + sums, t->panels);
}

/* `full` whole blocks, then up to `all`, of which the last has fewer values. */
static void sum_up(qn_ll_tile *t, LLVMValueRef start, LLVMValueRef full, LLVMValueRef all) {
  qn_ll *g = t->g;
  if (t->unroll > 1) {
    LLVMValueRef count = qn__ll_sub(g, full, start);
    LLVMValueRef whole = qn__ll_add(g, start, LLVMBuildAnd(g->b, count, qn__ll_i64(g, -(int64_t)t->unroll), ""));
    blocks_loop(t, start, whole, t->unroll, false);
    start = whole;
  }
  blocks_loop(t, start, full, 1, false);
  if (all) blocks_loop(t, full, all, 1, true);
  if (t->dot->finish) t->dot->finish(t);
}

static LLVMValueRef block_of_k(body *w) {
  qn_ll *g = w->t.g;
  LLVMValueRef panel = LLVMBuildUDiv(g->b, w->t.block, qn__ll_i64(g, w->t.plan->key_block), "");
  return qn__ll_gep(g, w->k, qn__ll_mul(g, panel, w->k_panel));
}

/* Of few queries products are functions of their own, so that the rest can be compiled quickly. Calling them takes a
 * few hundredths of the time of a tile of more queries. */
typedef void (*product_fn)(body *w, LLVMValueRef row, uint32_t rows, void *user);
static bool calls_products(const body *w) {
  return w->t.rows <= QN_ATTENTION_DIRECT_ROWS && !w->texts;
}

static void product(body *w, product_fn fn, LLVMValueRef row, uint32_t rows, void *user) {
  qn_ll_outline o;
  if (!calls_products(w)) {
    fn(w, row, rows, user);
    return;
  }
  qn__ll_outline_begin(w->t.g, &o, "attention_product");
  fn(w, row, rows, user);
  qn__ll_outline_end(w->t.g, &o);
}

/* Calls fn for groups of the tile's rows, no more in each than there are registers for sums, and none much lower. */
static void by_sums(body *w, product_fn fn, void *user) {
  qn_ll *g = w->t.g;
  uint32_t rows = w->t.rows, groups = (rows + w->t.plan->sums - 1) / w->t.plan->sums;
  const uint32_t heights[2] = {rows / groups + 1, rows / groups}, counts[2] = {rows % groups, groups - rows % groups};
  int64_t row = 0;
  for (int i = 0; i < 2; i++) {
    qn_ll_for f;
    LLVMValueRef at = qn__ll_i64(g, row);
    row += (int64_t)counts[i] * heights[i];
    if (counts[i] > 1) {
      qn__ll_do_begin(g, &f, at, qn__ll_i64(g, row), heights[i], 0, NULL);
      at = f.i;
    }
    if (counts[i]) product(w, fn, at, heights[i], user);
    if (counts[i] > 1) qn__ll_for_end(g, &f, NULL);
  }
}

/* Sums of scores of `rows` rows from `row` of the tile on into memory. */
static void scores_of(body *w, LLVMValueRef row, uint32_t rows, void *user) {
  (void)user;
  qn_ll *g = w->t.g;
  const qn_attention_plan *p = w->t.plan;
  qn_ll_tile *t = &w->tile;
  uint32_t width = p->key_block, kb = p->scores.layout.k_block;
  LLVMValueRef q = qn__ll_gep(g, w->q, qn__ll_mul(g, row, w->q_row));
  LLVMValueRef sums = qn__ll_gep(g, w->t.memory, qn__ll_mul(g, row, qn__ll_i64(g, (int64_t)width * 4)));
  shape_tile(w, &p->scores, rows, 1, width);
  LLVMValueRef d = qn__ll_arg_size(g, 2), size = qn__ll_i64(g, kb);
  LLVMValueRef all = LLVMBuildUDiv(g->b, qn__ll_add(g, d, qn__ll_i64(g, kb - 1)), size, "");
  bool exact = p->scores.lhs_padded || kb == 1;
  LLVMValueRef full = exact ? all : LLVMBuildUDiv(g->b, d, size, "");
  LLVMValueRef base = w->room_k ? w->room_k : block_of_k(w);
  t->k_size = d;
  for (uint32_t r = 0; r < t->rows; r++) t->a[r] = qn__ll_gep(g, q, qn__ll_mul(g, qn__ll_i64(g, r), w->q_row));
  qn_ll_for columns;
  uint32_t step = t->vectors * t->acc_lanes;
  bool single = step == width;
  LLVMValueRef column = qn__ll_i64(g, 0);
  if (!single) {
    qn__ll_for_begin(g, &columns, column, qn__ll_i64(g, width), step, 0, NULL);
    column = columns.i;
  }
  t->b[0] = qn__ll_gep(g, base, qn__ll_mul(g, column, qn__ll_i64(g, (int64_t)kb * qn__ll_mem_bits(p->scores.rhs) / 8)));
  sums = qn__ll_gep(g, qn__ll_gep_const(g, sums, w->t.at.scores), qn__ll_mul(g, column, qn__ll_i64(g, 4)));
  if (w->texts) {
    qn_ll_product text = {.rows = q, .step = w->q_row, .panels = t->b[0], .count = all, .sums = sums};
    text.sums_bytes = (int64_t)width * 4;
    qn__ll_attention_text(t, &text);
  } else {
    for (uint32_t i = 0; i < t->acc_rows * t->vectors; i++) t->acc[i] = LLVMConstNull(t->acc_type);
    sum_up(t, qn__ll_i64(g, 0), full, exact ? NULL : all);
    for (uint32_t i = 0; i < t->rows * t->vectors; i++) {
      int64_t at = ((int64_t)(i / t->vectors) * width + (int64_t)(i % t->vectors) * t->acc_lanes) * 4;
      qn__ll_store_vec(g, t->acc[i], qn__ll_gep_const(g, sums, at), 4);
    }
  }
  if (!single) qn__ll_for_end(g, &columns, NULL);
}

/* ---- values ---- */

/* Where o's vector v of row r after `row` is, for the tile at `column`. */
static LLVMValueRef out_at(body *w, LLVMValueRef row, uint32_t r, uint32_t v, LLVMValueRef column) {
  qn_ll *g = w->t.g;
  const qn_ll_tile *t = &w->tile;
  uint32_t per_panel = t->vectors / t->panels, width = w->t.plan->values.layout.panel_width;
  int64_t floats =
      (int64_t)r * w->t.plan->dv_room + (int64_t)(v / per_panel) * width + (int64_t)(v % per_panel) * t->acc_lanes;
  LLVMValueRef moved = qn__ll_add(g, column, qn__ll_mul(g, row, qn__ll_i64(g, w->t.plan->dv_room)));
  return qn__ll_gep(g, qn__ll_gep_const(g, w->t.memory, w->t.at.out + floats * 4),
                    qn__ll_mul(g, moved, qn__ll_i64(g, 4)));
}

static LLVMValueRef factor_at(body *w, LLVMValueRef row, uint32_t r) {
  qn_ll *g = w->t.g;
  LLVMValueRef at = qn__ll_gep_const(g, w->t.memory, w->t.at.factor + (int64_t)r * 4);
  return qn__ll_gep(g, at, qn__ll_mul(g, row, qn__ll_i64(g, 4)));
}

typedef struct span {
  LLVMValueRef start, end; /* blocks of keys within the present one */
  LLVMValueRef row;        /* the first of the rows at hand */
  bool rescale;            /* o is multiplied by c first */
} span;

/* Of the tile at column `first`. */
static void sum_values(body *w, const span *s, LLVMValueRef first) {
  qn_ll *g = w->t.g;
  const qn_attention_plan *p = w->t.plan;
  qn_ll_tile *t = &w->tile;
  uint32_t count = t->rows * t->vectors;
  LLVMTypeRef floats = qn__ll_lanes(g->f32, t->acc_lanes);
  LLVMValueRef factor[QN_LL_MAX_ROWS];
  for (uint32_t r = 0; r < t->rows && s->rescale; r++)
    factor[r] = qn__ll_splat(g, qn__ll_load_vec(g, g->f32, factor_at(w, s->row, r), 4), t->acc_lanes);
  for (uint32_t i = 0; i < t->acc_rows * t->vectors; i++) {
    t->acc[i] = LLVMConstNull(t->acc_type);
    if (p->codes) continue; /* ways to multiply floats have the tile's rows only */
    t->acc[i] = qn__ll_load_vec(g, floats, out_at(w, s->row, i / t->vectors, i % t->vectors, first), 4);
    if (s->rescale) t->acc[i] = LLVMBuildFMul(g->b, t->acc[i], factor[i / t->vectors], "");
  }
  sum_up(t, s->start, s->end, NULL);
  for (uint32_t i = 0; i < count; i++) {
    LLVMValueRef at = out_at(w, s->row, i / t->vectors, i % t->vectors, first), o = t->acc[i];
    if (p->codes) {
      LLVMValueRef sum = LLVMBuildSIToFP(g->b, o, floats, "");
      o = qn__ll_fma(g, qn__ll_load_vec(g, floats, at, 4), factor[i / t->vectors], sum, false, t->acc_lanes);
    }
    qn__ll_store_vec(g, o, at, 4);
  }
}

/* One tile: `panels` panels of v from `panel` on, columns from `column` of each. */
static void value_tile(body *w, const span *s, LLVMValueRef panel, LLVMValueRef column) {
  qn_ll *g = w->t.g;
  const qn_attention_plan *p = w->t.plan;
  qn_ll_tile *t = &w->tile;
  uint32_t kb = p->values.layout.k_block, width = p->values.layout.panel_width;
  int64_t elem = qn__ll_mem_bits(p->values.rhs) / 8, weight = p->codes ? 1 : 4;
  LLVMValueRef first = qn__ll_add(g, qn__ll_mul(g, panel, qn__ll_i64(g, width)), column);
  LLVMValueRef key = qn__ll_mul(g, s->start, qn__ll_i64(g, kb)), v = w->v, v_panel = w->v_panel;
  if (w->room_v)
    v = w->room_v, v_panel = qn__ll_i64(g, qn__ll_attention_panel(p));
  else
    key = qn__ll_add(g, w->t.block, key);
  for (uint32_t r = 0; r < t->rows; r++) {
    int64_t at = (p->codes ? w->t.at.codes : w->t.at.scores) + (int64_t)r * p->key_block * weight;
    t->a[r] = qn__ll_gep_const(g, w->t.memory, at);
    t->a[r] = qn__ll_gep(g, t->a[r], qn__ll_mul(g, s->row, qn__ll_i64(g, p->key_block * weight)));
  }
  for (uint32_t i = 0; i < t->panels; i++) {
    LLVMValueRef at = qn__ll_gep(g, v, qn__ll_mul(g, qn__ll_add(g, panel, qn__ll_i64(g, i)), v_panel));
    at = qn__ll_gep(g, at, qn__ll_mul(g, key, qn__ll_i64(g, width * elem)));
    t->b[i] = qn__ll_gep(g, at, qn__ll_mul(g, column, qn__ll_i64(g, kb * elem)));
  }
  if (w->texts) {
    qn_ll_product text = {.row_bytes = p->key_block * weight, .step = v_panel, .panels = t->b[0]};
    text.how = p->codes ? QN_LL_SUMS_OF_CODES : s->rescale ? QN_LL_SUMS_SCALED : QN_LL_SUMS_MORE;
    text.rows = qn__ll_gep(g, t->a[0], qn__ll_mul(g, s->start, qn__ll_i64(g, kb * weight)));
    text.count = qn__ll_sub(g, s->end, s->start), text.factors = factor_at(w, s->row, 0);
    text.sums = out_at(w, s->row, 0, 0, first), text.sums_bytes = (int64_t)p->dv_room * 4;
    qn__ll_attention_text(t, &text);
    return;
  }
  sum_values(w, s, first);
}

/* Panels start .. end-1 of v, `panels` at a time. */
static void value_panels(body *w, const span *s, uint32_t rows, uint32_t start, uint32_t end, uint32_t panels) {
  qn_ll *g = w->t.g;
  uint32_t width = w->t.plan->values.layout.panel_width;
  if (start == end) return;
  shape_tile(w, &w->t.plan->values, rows, panels, width);
  uint32_t step = w->tile.vectors / w->tile.panels * w->tile.acc_lanes;
  qn_ll_for f, columns;
  bool many = start + panels < end, cut = step < width;
  LLVMValueRef panel = qn__ll_i64(g, start), column = qn__ll_i64(g, 0);
  if (many) {
    qn__ll_for_begin(g, &f, panel, qn__ll_i64(g, end), panels, 0, NULL);
    panel = f.i;
  }
  if (cut) {
    qn__ll_for_begin(g, &columns, column, qn__ll_i64(g, width), step, 0, NULL);
    column = columns.i;
  }
  value_tile(w, s, panel, column);
  if (cut) qn__ll_for_end(g, &columns, NULL);
  if (many) qn__ll_for_end(g, &f, NULL);
}

static void values_of(body *w, const span *s, uint32_t rows) {
  const qn_attention_plan *p = w->t.plan;
  uint32_t all = p->dv_room / p->values.layout.panel_width;
  if (!all) return;
  shape_tile(w, &p->values, rows, all < 4 ? all : 4, p->values.layout.panel_width);
  uint32_t at_once = w->tile.panels, whole = all / at_once * at_once;
  value_panels(w, s, rows, 0, whole, at_once);
  /* What is left, together. */
  for (uint32_t at = whole; at < all;) {
    shape_tile(w, &p->values, rows, all - at, p->values.layout.panel_width);
    uint32_t n = w->tile.panels;
    value_panels(w, s, rows, at, at + n, n);
    at += n;
  }
}

static void common_values(body *w, LLVMValueRef row, uint32_t rows, void *user) {
  span s = *(const span *)user;
  s.row = row;
  values_of(w, &s, rows);
}

/* o of the tile's rows by the block's weights. Codes are 0 where a key does not take part. Floats: keys that all rows
 * see, then, where the diagonal crosses the block, what is left of each row. */
static void values(body *w, LLVMValueRef count) {
  qn_ll *g = w->t.g;
  const qn_attention_plan *p = w->t.plan;
  LLVMValueRef zero = qn__ll_i64(g, 0);
  if (p->codes) {
    uint32_t kb = p->values.layout.k_block;
    LLVMValueRef blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, count, qn__ll_i64(g, kb - 1)), qn__ll_i64(g, kb), "");
    by_sums(w, common_values, &(span){zero, blocks, NULL, true});
    return;
  }
  LLVMValueRef common = count;
  if (p->causal) {
    common = qn__ll_min(g, count, qn__ll_attention_left(&w->t, zero, w->t.block));
    common = larger(g, common, zero);
  }
  by_sums(w, common_values, &(span){zero, common, NULL, true});
  if (!p->causal || w->t.rows == 1) return;
  qn_ll_if crossed;
  qn_ll_for rows;
  qn__ll_if_begin(g, &crossed, LLVMBuildICmp(g->b, LLVMIntSLT, common, count, ""));
  qn__ll_for_begin(g, &rows, qn__ll_i64(g, 1), qn__ll_i64(g, w->t.rows), 1, 0, NULL);
  LLVMValueRef end = qn__ll_min(g, count, qn__ll_attention_left(&w->t, rows.i, w->t.block));
  product(w, common_values, rows.i, 1, &(span){common, larger(g, end, common), rows.i, false});
  qn__ll_for_end(g, &rows, NULL);
  qn__ll_if_end(g, &crossed);
}

/* ---- tiles ---- */

/* Floats of one value: rows of o and l, and numbers of rows, fill whole vectors. */
static void fill(body *w, int64_t at, int64_t bytes, uint32_t bits) {
  qn_ll *g = w->t.g;
  int64_t step = (int64_t)g->lanes * 4;
  LLVMTypeRef type = qn__ll_lanes(g->f32, g->lanes);
  qn_ll_for f;
  if (w->fill) {
    LLVMValueRef args[3] = {qn__ll_gep_const(g, w->t.memory, at), qn__ll_i64(g, bytes), qn__ll_i32(g, bits)};
    LLVMBuildCall2(g->b, w->fill_type, w->fill, args, 3, "");
    return;
  }
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, bytes), step, 0, NULL);
  qn__ll_store_vec(g, qn__ll_bits(g, type, bits), qn__ll_gep(g, qn__ll_gep_const(g, w->t.memory, at), f.i), 4);
  qn__ll_for_end(g, &f, NULL);
}

/* Tile i of those at hand is the present one. */
static void go_to(body *w, LLVMValueRef i) {
  qn_ll *g = w->t.g;
  LLVMValueRef tile = qn__ll_add(g, w->first_tile, i);
  w->t.memory = qn__ll_gep(g, w->memory, qn__ll_mul(g, i, qn__ll_i64(g, w->t.at.bytes)));
  w->t.first_row = qn__ll_add(g, qn__ll_arg_size(g, 5), qn__ll_mul(g, tile, qn__ll_i64(g, w->t.rows)));
  w->q = qn__ll_gep(g, w->q_head, qn__ll_mul(g, w->t.first_row, w->q_row));
}

/* Keys that the present tile's last row sees. */
static LLVMValueRef keys_of(body *w) {
  return qn__ll_attention_left(&w->t, qn__ll_i64(w->t.g, w->t.rows - 1), qn__ll_i64(w->t.g, 0));
}

/* Numbers of which each row has one, in whole vectors of any length. */
static int64_t rows_room(const qn_ll_attention *t) {
  return (t->room + 15) & ~15u;
}

static int64_t partials_bytes(const qn_ll_attention *t) {
  return t->plan->codes ? rows_room(t) * 4 : (int64_t)t->room * 32 * 4;
}

static void begin_tile(body *w) {
  const qn_ll_scratch *at = &w->t.at;
  fill(w, at->out, (int64_t)w->t.rows * w->t.plan->dv_room * 4, 0);
  fill(w, at->partials, partials_bytes(&w->t), 0);
  fill(w, at->max, rows_room(&w->t) * 4, 0xFF7FFFFFu); /* -FLT_MAX, behind the rows too */
  fill(w, at->factor, rows_room(&w->t) * 4, 0);
}

/* The present block's weights, or then its values, of tile i. It may see none of the keys. */
static void tile_by_block(body *w, LLVMValueRef i, bool second) {
  qn_ll *g = w->t.g;
  go_to(w, i);
  LLVMValueRef keys = keys_of(w), width = qn__ll_i64(g, w->t.plan->key_block);
  qn_ll_if any;
  if (w->t.plan->causal) qn__ll_if_begin(g, &any, LLVMBuildICmp(g->b, LLVMIntSLT, w->t.block, keys, ""));
  LLVMValueRef count = qn__ll_min(g, qn__ll_sub(g, keys, w->t.block), width);
  if (!second) {
    by_sums(w, scores_of, NULL);
    if (w->row_softmax.fn)
      qn__ll_attention_row_softmax_call(&w->t, &w->row_softmax);
    else
      call(w, w->softmax);
  } else {
    values(w, count);
  }
  if (w->t.plan->causal) qn__ll_if_end(g, &any);
}

/* The present block of keys that come as rows, and of values, into the products' layouts: once for all tiles. */
static void pack_block(body *w) {
  qn_ll *g = w->t.g;
  LLVMValueRef left = qn__ll_sub(g, w->t.keys, w->t.block), dv = qn__ll_arg_size(g, 3);
  LLVMValueRef count = qn__ll_min(g, left, qn__ll_i64(g, w->t.plan->key_block));
  if (w->room_k) qn__ll_attention_pack_call(g, w->pack_k, w->room_k, block_of_k(w), count, qn__ll_arg_size(g, 2));
  if (!w->room_v) return;
  LLVMValueRef rows = qn__ll_gep(g, w->v, qn__ll_mul(g, w->t.block, dv));
  qn__ll_attention_pack_call(g, w->pack_v, w->room_v, rows, count, dv);
}

/* `count` tiles of the present head from first_tile on. The last one sees the most keys. */
static void some_tiles(body *w, LLVMValueRef count) {
  qn_ll *g = w->t.g;
  LLVMValueRef zero = qn__ll_i64(g, 0);
  qn_ll_for tiles, blocks;
  qn__ll_for_begin(g, &tiles, zero, count, 1, 0, NULL);
  go_to(w, tiles.i);
  begin_tile(w);
  qn__ll_for_end(g, &tiles, NULL);
  go_to(w, qn__ll_sub(g, count, qn__ll_i64(g, 1)));
  qn__ll_for_begin(g, &blocks, zero, keys_of(w), w->t.plan->key_block, 0, NULL);
  w->t.block = blocks.i;
  pack_block(w);
  for (int second = 0; second < 2; second++) {
    qn__ll_for_begin(g, &tiles, zero, count, 1, 0, NULL);
    tile_by_block(w, tiles.i, second);
    qn__ll_for_end(g, &tiles, NULL);
  }
  qn__ll_for_end(g, &blocks, NULL);
  w->t.block = zero;
  qn__ll_for_begin(g, &tiles, zero, count, 1, 0, NULL);
  go_to(w, tiles.i);
  call(w, w->finish);
  qn__ll_for_end(g, &tiles, NULL);
}

/* Tiles of heads begin .. end-1, counted through all heads. */
static void all_tiles(body *w, LLVMValueRef begin, LLVMValueRef end) {
  qn_ll *g = w->t.g;
  LLVMValueRef zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1), tiles = qn__ll_arg_size(g, 6);
  LLVMValueRef last = LLVMBuildUDiv(g->b, qn__ll_sub(g, qn__ll_add(g, end, tiles), one), tiles, "");
  qn_ll_for heads, groups;
  qn__ll_for_begin(g, &heads, LLVMBuildUDiv(g->b, begin, tiles, ""), last, 1, 0, NULL);
  w->t.head = heads.i;
  w->q_head = qn__ll_gep(g, qn__ll_arg_ptr(g, 0), qn__ll_mul(g, heads.i, qn__ll_arg_stride(g, 4)));
  w->k = qn__ll_gep(g, qn__ll_arg_ptr(g, 1), qn__ll_mul(g, heads.i, qn__ll_arg_stride(g, 5)));
  w->v = qn__ll_gep(g, qn__ll_arg_ptr(g, 2), qn__ll_mul(g, heads.i, qn__ll_arg_stride(g, 6)));
  LLVMValueRef before = qn__ll_mul(g, heads.i, tiles);
  LLVMValueRef from = larger(g, qn__ll_sub(g, begin, before), zero);
  LLVMValueRef to = qn__ll_min(g, qn__ll_sub(g, end, before), tiles);
  /* As few groups as there is room for, of about the same number of tiles. */
  LLVMValueRef most = qn__ll_i64(g, w->together), count = qn__ll_sub(g, to, from);
  LLVMValueRef number = LLVMBuildUDiv(g->b, qn__ll_add(g, count, qn__ll_i64(g, w->together - 1)), most, "");
  LLVMValueRef base = LLVMBuildUDiv(g->b, count, number, ""), extra = LLVMBuildURem(g->b, count, number, "");
  LLVMValueRef next = from;
  qn__ll_for_begin(g, &groups, zero, number, 1, 1, &next);
  w->first_tile = next;
  LLVMValueRef more = LLVMBuildZExt(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, groups.i, extra, ""), g->i64, "");
  count = LLVMBuildAdd(g->b, base, more, "");
  some_tiles(w, count);
  next = LLVMBuildAdd(g->b, next, count, "");
  qn__ll_for_close(g, &groups, &next);
  qn__ll_for_end(g, &heads, NULL);
}

static void place_scratch(qn_ll_attention *t) {
  const qn_attention_plan *p = t->plan;
  int64_t at = QN_LL_ATTENTION_FRAME, rows = t->room;
  t->at.sums = t->at.scores = at;
  at += rows * p->key_block * 4;
  t->at.codes = at;
  at += p->codes ? rows * p->key_block : 0;
  t->at.lanes = at;
  at += rows * t->g->lanes * 4;
  t->at.out = at;
  at += rows * p->dv_room * 4;
  t->at.partials = at;
  at += partials_bytes(t);
  t->at.max = at;
  at += rows_room(t) * 4;
  t->at.factor = at;
  t->at.bytes = at + rows_room(t) * 4;
}

static qn_status check(qn_ll *g, const qn_attention_plan *p, uint32_t rows) {
  if (rows == 0 || p->sums > QN_LL_MAX_ROWS || g->lanes > 16 || !qn__ll_dot_find(g, &p->scores, g->lanes > 1) ||
      !qn__ll_dot_find(g, &p->values, g->lanes > 1))
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "no way to multiply these element types in the LLVM code generator");
  return QN_OK;
}

/* How many tiles go through the blocks together: their memory comes to a few times a block of keys and values, so that
 * reading that from further away is a small part of what is done, as far as there is room on the stack. */
static uint32_t together(const qn_ll_attention *t) {
  enum { TIMES = 4 };
  const qn_attention_plan *p = t->plan;
  int64_t bytes = (int64_t)TIMES * 2 * p->dv_room * p->key_block * qn__ll_mem_bits(p->values.rhs) / 8;
  int64_t most = p->k_rows || bytes < TOGETHER_LEAST ? TOGETHER_LEAST : bytes > TOGETHER_MOST ? TOGETHER_MOST : bytes;
  return t->at.bytes > most ? 1 : (uint32_t)(most / t->at.bytes);
}

qn_status qn__ll_attention(qn_ll *g, const qn_body *of) {
  body w = {.t = {.g = g, .plan = &of->plan->u.attention, .symbol = of->symbol, .rows = of->rows}};
  qn_ll_attention *t = &w.t;
  qn_status status = check(g, t->plan, of->rows);
  if (status != QN_OK) return status;
  if (qn__ll_attention_few(t)) return qn__ll_attention_few_tiles(t);
  t->room = 2 * t->rows > t->plan->rows ? t->plan->rows : t->rows;
  place_scratch(t);
  if (t->plan->k_rows) w.row_softmax = qn__ll_attention_row_softmax(t);
  if (!w.row_softmax.fn) w.softmax = qn__ll_attention_softmax(t);
  w.finish = qn__ll_attention_finish(t);
  w.texts = qn__ll_attention_text_serves(t);
  if (w.texts) w.fill = qn__ll_attention_fill_text(g, &w.fill_type);
  if (t->plan->k_rows) w.pack_k = qn__ll_attention_pack(t, false);
  if (t->plan->v_rows) w.pack_v = qn__ll_attention_pack(t, true);
  if (g->failed) return QN_OK; /* told by the caller */
  w.together = together(t);
  w.memory = qn__ll_slot(g, g->i8, (uint32_t)t->at.bytes * w.together);
  if (w.pack_k) w.room_k = qn__ll_slot(g, g->i8, (uint32_t)qn__ll_attention_room(t->plan, false));
  if (w.pack_v) w.room_v = qn__ll_slot(g, g->i8, (uint32_t)qn__ll_attention_room(t->plan, true));
  t->keys = qn__ll_arg_size(g, 1);
  t->causal_more = qn__ll_arg_size(g, 4);
  w.q_row = qn__ll_arg_stride(g, 0), w.k_panel = qn__ll_arg_stride(g, 2), w.v_panel = qn__ll_arg_stride(g, 3);
  all_tiles(&w, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0));
  if (calls_products(&w) || w.texts) qn__ll_function_quickly(g, g->fn);
  return QN_OK;
}
