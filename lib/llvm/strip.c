/* What strips find in memory, and the functions around their assembly, one for tiles of a shape. */
#include "strip.h"

struct qn_ll_strips {
  gemm_state *s;
  qn_ll_strip strip; /* of the tile at hand */
  qn_ll_chains all;
  LLVMValueRef fields, columns; /* memory */
  LLVMValueRef *base, *stride;  /* of the epilogue's extras */
  qn_ll_place *places;
};

/* Rows of a tile at most: those that are addressed together, and those with a base each. */
enum { LANES = 16, WIDEST = 64, TALLEST = 9, TALLEST_ANYWHERE = 12 };

/* ---- whether ---- */

static bool is_plain(const gemm_state *s) {
  const qn_gemm_plan *p = s->plan;
  const qn_layout *l = &p->layout;
  const qn_ll_dot *dot = s->tile.dot;
  bool words = s->g->lanes == LANES && qn__ll_mem_bits(p->acc) == 32;
  if (s->g->past_caches || !s->g->masked || !words) return false;
  if (l->panel_width % LANES || l->panel_width > WIDEST || (s->at_once > 1 && !p->window)) return false;
  bool in_order = !dot->finish && !dot->more && !dot->even && !dot->by_columns && !dot->step && dot->shares == 1;
  return in_order && qn__ll_wording_of(s->g, p, dot);
}

bool qn__ll_strips_serve(const gemm_state *s, uint32_t columns) {
  const qn_ll_tile *t = &s->tile;
  bool anywhere = s->plan->window || s->plan->layout.granule;
  return is_plain(s) && t->acc_lanes == LANES && t->vectors * LANES == t->panels * columns &&
         t->rows <= (anywhere ? TALLEST_ANYWHERE : TALLEST) && t->rows * t->vectors <= QN_STRIP_MOST_SUMS;
}

/* ---- chains ---- */

static bool find_chains(qn_ll_strips *p, const qn_tape *tape, const uint8_t *vary) {
  qn_scalar mem = p->s->plan->y_mem;
  if (p->s->at_once > 1) return false; /* values by column are those of one panel */
  if (!qn__ll_chains_find(p->s->g, tape, vary, mem, &p->all)) return false;
  for (uint32_t i = 0; i < p->all.count; i++)
    if (qn__ll_chain_divides(&p->all.chain[i])) return false;
  p->strip.num_chains = p->all.count;
  for (uint32_t i = 0; i < p->all.count; i++) {
    p->strip.chains[i] = &p->all.chain[i];
    p->strip.narrow[i] = p->all.bytes ? &p->all.narrow[i] : NULL;
  }
  return true;
}

/* ---- fields ---- */

static LLVMValueRef field(qn_ll_strips *p, uint32_t f) {
  return qn__ll_gep_const(p->s->g, p->fields, (int64_t)f * 8);
}

static void set(qn_ll_strips *p, uint32_t f, LLVMValueRef v) {
  LLVMBuildStore(p->s->g->b, v, field(p, f));
}

static void set_flag(qn_ll_strips *p, uint32_t f, LLVMValueRef i1) {
  set(p, f, LLVMBuildZExt(p->s->g->b, i1, p->s->g->i64, ""));
}

/* What is the same for all tiles. */
static void set_common(qn_ll_strips *p) {
  qn_ll *g = p->s->g;
  for (uint32_t c = 0; c < p->strip.num_chains; c++) {
    qn_ll_chain *chain = &p->all.chain[c];
    qn__ll_region_load(&chain->region, 0, p->places, qn__ll_i64(g, 0), 1, NULL);
    qn__ll_region_emit(&chain->region, 0, 0, 0, 1);
    for (uint32_t i = 0; i < chain->num_all; i++)
      set(p, QN_STRIP_ALL + c * QN_LL_CHAIN_VALUES + i, qn__ll_region_get(&chain->region, chain->all[i], 1));
  }
  set(p, QN_STRIP_SHUFFLE, qn__ll_i64(g, 0x0D0905010C080400));
  set(p, QN_STRIP_SHUFFLE_END, qn__ll_i64(g, 0x0F0B07030E0A0602));
  set(p, QN_STRIP_COLUMNS, p->columns);
  set(p, QN_STRIP_A_STRIDE, p->s->a_stride);
  set(p, QN_STRIP_Y_STRIDE, qn__ll_arg_stride(g, 1));
}

static bool find_epilogue(qn_ll_strips *p, uint32_t *start, bool *minus, bool *found) {
  qn_ll *g = p->s->g;
  const qn_gemm_plan *plan = p->s->plan;
  qn_tape *tape = qn__arena_new(g->arena, qn_tape);
  p->places = qn__arena_array(g->arena, 1 + plan->num_epilogue_extras, sizeof *p->places);
  uint8_t *vary = p->places ? qn__ll_epilogue_extras(g, plan, &p->base, &p->stride) : NULL;
  if (!vary || !tape || !qn__ll_epilogue_tape(g, plan, tape, start, minus)) return false;
  *found = tape->num_outputs == 1 && find_chains(p, tape, vary);
  if (!*found) p->strip.num_chains = 0;
  return true;
}

/* What windows have in common. */
static void set_windows(qn_ll_strips *p) {
  gemm_state *s = p->s;
  qn_ll *g = s->g;
  int64_t block = (int64_t)s->plan->layout.panel_width * s->plan->layout.k_block * qn__ll_mem_bits(s->plan->rhs) / 8;
  p->strip.window = true, p->strip.pads = s->places.pads, p->strip.skips = s->places.skips;
  p->strip.again = s->places.skips && qn__ll_mem_float(s->plan->acc);
  set(p, QN_STRIP_A, s->a);
  if (s->places.pads) {
    set(p, QN_STRIP_SEGMENT, qn__ll_mul(g, s->all_blocks, qn__ll_i64(g, block)));
    set(p, QN_STRIP_OFFSETS, qn__ll_gemm_places_offsets(s));
    set(p, QN_STRIP_OUTSIDE, s->places.outside);
    return;
  }
  set(p, QN_STRIP_LINES, s->image[5]);
  set(p, QN_STRIP_LINE_STEP, s->image[10]);
  set(p, QN_STRIP_COLUMNS_OF, s->plan->window_inner ? s->image[6] : qn__ll_i64(g, 1));
  set(p, QN_STRIP_COLUMN_STEP, s->image[11]);
}

qn_ll_strips *qn__ll_strips_create(gemm_state *s, bool whole, uint32_t *start, bool *minus) {
  qn_ll *g = s->g;
  const qn_gemm_plan *plan = s->plan;
  uint32_t extras = plan->num_epilogue_extras, columns = 0;
  bool found = false;
  qn_ll_strips *p = qn__arena_array(g->arena, 1, sizeof *p);
  if (p) *p = (qn_ll_strips){.s = s, .strip = {.g = g, .plan = plan, .tile = &s->tile, .whole = whole}};
  if (!p || !find_epilogue(p, start, minus, &found)) {
    g->failed = g->out_of_memory = true;
    return NULL;
  }
  p->strip.granules = plan->layout.granule > 0;
  if (!found && !plan->window && !plan->few && !p->strip.granules) return NULL;
  for (uint32_t i = 0; i < extras; i++) {
    const qn_extra *x = &plan->epilogue_extras[i];
    p->places[1 + i] = (qn_ll_place){x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, p->base[i], NULL};
  }
  for (uint32_t c = 0; c < p->strip.num_chains; c++) columns += p->all.chain[c].num_columns;
  p->fields = qn__ll_slot(g, g->i64, QN_STRIP_FIELDS);
  p->columns = qn__ll_slot(g, g->i32, (columns ? columns : 1) * plan->layout.panel_width);
  set_common(p);
  if (plan->window) set_windows(p);
  return p;
}

bool qn__ll_strips_leave_sums(const qn_ll_strips *strips) {
  return strips->strip.num_chains == 0;
}

/* ---- a strip ---- */

/* Values by column of the panel at hand, where there are such columns; and whether packs may be used for all. */
static void set_columns(qn_ll_strips *p, LLVMValueRef first, LLVMValueRef count) {
  qn_ll *g = p->s->g;
  uint32_t width = p->s->plan->layout.panel_width, before = 0;
  qn_ll_for f;
  bool check = p->strip.num_chains > 1;
  LLVMValueRef good = qn__ll_i64(g, 1), lanes = qn__ll_i64(g, LANES);
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), count, LANES, check ? 1 : 0, &good);
  LLVMValueRef column = qn__ll_add(g, first, f.i), mask = NULL;
  if (!p->strip.whole) mask = qn__ll_mask(g, qn__ll_min(g, qn__ll_sub(g, count, f.i), lanes));
  for (uint32_t c = 0; c < p->strip.num_chains; c++) {
    qn_ll_chain *chain = &p->all.chain[c];
    qn__ll_region_load(&chain->region, QN_LL_BY_LANE, p->places, column, LANES, mask);
    qn__ll_region_emit(&chain->region, QN_LL_BY_LANE, 0, 0, LANES);
    for (uint32_t i = 0; i < chain->num_columns; i++) {
      LLVMValueRef to = qn__ll_gep_const(g, p->columns, (int64_t)(before + i) * width * 4);
      to = qn__ll_gep(g, to, qn__ll_mul(g, f.i, qn__ll_i64(g, 4)));
      qn__ll_store_vec(g, qn__ll_region_get(&chain->region, chain->columns[i], LANES), to, 4);
    }
    before += chain->num_columns;
  }
  if (check) {
    LLVMValueRef m = qn__ll_region_get(&p->all.chain[0].region, p->all.narrow[0].multiplier, LANES);
    LLVMValueRef ok = LLVMBuildZExt(g->b, qn__ll_narrow_check(g, 1, &m), g->i64, "");
    good = LLVMBuildAnd(g->b, good, ok, "");
  }
  qn__ll_for_end(g, &f, &good);
  if (check) set(p, QN_STRIP_PACKED, good);
}

static void set_rows(qn_ll_strips *p, LLVMValueRef row, LLVMValueRef first) {
  qn_ll *g = p->s->g;
  for (uint32_t c = 0; c < p->strip.num_chains; c++)
    for (uint32_t i = 0; i < p->all.chain[c].num_rows; i++) {
      uint32_t extra = p->all.chain[c].rows[i] - 1, at = QN_STRIP_ROWS + 2 * (c * QN_LL_CHAIN_VALUES + i);
      LLVMValueRef from = qn__ll_gep(g, p->base[extra], qn__ll_mul(g, row, p->stride[extra]));
      if (p->s->plan->epilogue_extras[extra].by_col) from = qn__ll_gep(g, from, qn__ll_mul(g, first, qn__ll_i64(g, 4)));
      set(p, at, from);
      set(p, at + 1, p->stride[extra]);
    }
}

static void set_blocks(qn_ll_strips *p) {
  gemm_state *s = p->s;
  qn_ll *g = s->g;
  int64_t kb = s->plan->layout.k_block, elem = qn__ll_mem_bits(s->plan->lhs) / 8;
  LLVMValueRef k = s->pieces.some ? s->pieces.k_size : s->tile.k_size, block = qn__ll_i64(g, kb);
  LLVMValueRef whole = s->plan->lhs_padded ? qn__ll_add(g, k, qn__ll_i64(g, kb - 1)) : k;
  LLVMValueRef blocks = LLVMBuildUDiv(g->b, whole, block, ""), turn = qn__ll_i64(g, QN_STRIP_TURN);
  LLVMValueRef turns = LLVMBuildUDiv(g->b, blocks, turn, ""), rows = qn__ll_i64(g, s->tile.rows);
  LLVMValueRef each = LLVMBuildUDiv(g->b, turns, qn__ll_i64(g, 2 * s->tile.rows), "");
  set(p, QN_STRIP_TURNS, p->strip.window ? turns : each);
  if (!p->strip.window) set(p, QN_STRIP_MORE_TURNS, qn__ll_sub(g, turns, qn__ll_mul(g, each, rows)));
  set(p, QN_STRIP_BLOCKS, LLVMBuildURem(g->b, blocks, turn, ""));
  if (s->plan->lhs_padded || kb == 1) return;
  LLVMValueRef bytes = qn__ll_mul(g, LLVMBuildURem(g->b, k, block, ""), qn__ll_i64(g, elem)), one = qn__ll_i64(g, 1);
  set(p, QN_STRIP_TAIL, qn__ll_sub(g, LLVMBuildShl(g->b, one, bytes, ""), one));
}

static void set_fetches(qn_ll_strips *p) {
  gemm_state *s = p->s;
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  LLVMValueRef zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1), two = qn__ll_i64(g, 2);
  LLVMValueRef alone = f->alone ? f->alone : LLVMConstNull(g->i1), few = f->few ? f->few : LLVMConstNull(g->i1);
  LLVMValueRef mode = LLVMBuildSelect(g->b, few, qn__ll_i64(g, QN_STRIP_FEW), qn__ll_i64(g, QN_STRIP_MANY), "");
  mode = LLVMBuildSelect(g->b, alone, qn__ll_i64(g, QN_STRIP_ALONE), mode, "");
  /* Among many tiles there is one fetch for two blocks. */
  LLVMValueRef many = LLVMBuildICmp(g->b, LLVMIntEQ, mode, qn__ll_i64(g, QN_STRIP_MANY), "");
  LLVMValueRef per = LLVMBuildSelect(g->b, many, two, one, "");
  if (p->strip.modes) set(p, QN_STRIP_MODE, mode);
  if (f->a_step) set(p, QN_STRIP_A_STEP, qn__ll_mul(g, f->a_step, per));
  if (!p->strip.fetches_b) return;
  LLVMValueRef far = f->far ? f->far : LLVMConstNull(g->i1), ahead = s->at.ahead;
  LLVMValueRef beyond =
      LLVMBuildSelect(g->b, LLVMBuildAnd(g->b, far, alone, ""), qn__ll_i64(g, s->plan->tile_far), zero, "");
  set(p, QN_STRIP_AHEAD, qn__ll_gep(g, ahead, beyond));
  set(p, QN_STRIP_AHEAD_STEP, qn__ll_mul(g, f->ahead_step, per));
  LLVMValueRef more = LLVMBuildSelect(g->b, far, qn__ll_i64(g, (int64_t)s->plan->tile_lines * 64), zero, "");
  set(p, QN_STRIP_FAR, more);
}

/* What the tile at s->at, or the first of several, has to itself. */
static void set_tile(qn_ll_strips *p) {
  gemm_state *s = p->s;
  if (p->strip.window)
    set(p, QN_STRIP_PLACES, s->at.place);
  else
    set(p, QN_STRIP_A, s->at.a);
  if (s->pieces.some || p->strip.num_chains == 0) set(p, QN_STRIP_SUMS, s->at.sums);
  set_fetches(p);
}

/* What all tiles of the panel and of one height have in common. */
static void set_panel(qn_ll_strips *p, LLVMValueRef start) {
  gemm_state *s = p->s;
  p->strip.cuts = s->pieces.some;
  p->strip.fetches_b = s->fetch.some, p->strip.fetches_y = s->fetch.some && s->fetch.a_step;
  p->strip.modes = s->fetch.some && (s->fetch.alone || s->fetch.few);
  set_blocks(p);
  if (p->strip.granules) {
    gemm_granules granules = qn__ll_gemm_granules(s);
    set(p, QN_STRIP_B, granules.values);
    set(p, QN_STRIP_LIST, granules.list);
    set(p, QN_STRIP_LIST_END, qn__ll_gep(s->g, granules.list, qn__ll_mul(s->g, granules.count, qn__ll_i64(s->g, 4))));
  } else {
    set(p, QN_STRIP_B, s->at.b);
  }
  if (s->tile.panels > 1) set(p, QN_STRIP_PANEL, s->b_stride);
  set(p, QN_STRIP_START, start ? start : s->zeros);
  if (p->strip.pads) set(p, QN_STRIP_POSITIONS, qn__ll_gemm_places_taken(s));
  if (!s->pieces.some) return;
  set_flag(p, QN_STRIP_FIRST, s->pieces.first);
  set_flag(p, QN_STRIP_LAST, s->pieces.last);
}

static void call(qn_ll_strips *p, LLVMValueRef fn) {
  qn_ll *g = p->s->g;
  LLVMBuildCall2(g->b, LLVMFunctionType(g->void_t, &g->ptr, 1, false), fn, &p->fields, 1, "");
}

void qn__ll_strips_run(qn_ll_strips *p, LLVMValueRef block_begin, LLVMValueRef begin, LLVMValueRef end,
                       LLVMValueRef start) {
  gemm_state *s = p->s;
  qn_ll *g = s->g;
  const qn_gemm_plan *plan = s->plan;
  uint32_t width = plan->layout.panel_width, columns = s->tile.vectors * LANES;
  /* Rows that are listed are counted from the first. */
  LLVMValueRef row = s->places.pads ? qn__ll_i64(g, 0) : begin;
  s->row = begin;
  qn__ll_gemm_place(s, block_begin);
  LLVMValueRef first = qn__ll_mul(g, s->panel, qn__ll_i64(g, width)), count = qn__ll_i64(g, columns);
  if (!p->strip.whole) count = qn__ll_min(g, qn__ll_sub(g, qn__ll_arg_size(g, 1), first), count);
  set(p, QN_STRIP_MASK, LLVMBuildLShr(g->b, qn__ll_i64(g, -1), qn__ll_sub(g, qn__ll_i64(g, 64), count), ""));
  set_columns(p, first, count);
  set_rows(p, row, first);
  set_panel(p, start);
  set_tile(p);
  set(p, QN_STRIP_TILES, LLVMBuildUDiv(g->b, qn__ll_sub(g, end, begin), qn__ll_i64(g, s->tile.rows), ""));
  LLVMValueRef y = qn__ll_gep(g, qn__ll_arg_ptr(g, 2), qn__ll_mul(g, row, qn__ll_arg_stride(g, 1)));
  set(p, QN_STRIP_Y, qn__ll_gep(g, y, qn__ll_mul(g, first, qn__ll_i64(g, qn__ll_mem_bits(plan->y_mem) / 8))));
  call(p, qn__ll_strip_text(&p->strip, p->s->body->symbol));
}

LLVMValueRef qn__ll_strips_prepare(qn_ll_strips *p, LLVMValueRef start) {
  set_panel(p, start);
  return qn__ll_strip_text(&p->strip, p->s->body->symbol);
}

void qn__ll_strips_tile(qn_ll_strips *p, LLVMValueRef fn) {
  set_tile(p);
  set(p, QN_STRIP_TILES, qn__ll_i64(p->s->g, 1));
  call(p, fn);
}

/* ---- few rows ---- */

LLVMValueRef qn__ll_strips_few(qn_ll_strips *p, const qn_ll_strip_few *few) {
  p->strip.few = few, p->strip.cuts = true;
  return qn__ll_strip_text(&p->strip, p->s->body->symbol);
}

/* The panel's columns that are there. */
static LLVMValueRef count_columns(qn_ll_strips *p, LLVMValueRef first, uint32_t most) {
  qn_ll *g = p->s->g;
  LLVMValueRef count = qn__ll_i64(g, most);
  return p->strip.whole ? count : qn__ll_min(g, qn__ll_sub(g, qn__ll_arg_size(g, 1), first), count);
}

void qn__ll_strips_few_panel(qn_ll_strips *p) {
  qn_ll *g = p->s->g;
  uint32_t width = p->s->plan->layout.panel_width;
  LLVMValueRef first = qn__ll_mul(g, p->s->panel, qn__ll_i64(g, width));
  set_columns(p, first, count_columns(p, first, width));
}

/* Of the last panel there may be no columns in the part at hand. */
static LLVMValueRef mask_of(qn_ll_strips *p, LLVMValueRef panel, uint32_t column) {
  qn_ll *g = p->s->g;
  LLVMValueRef count = count_columns(p, panel, p->s->plan->layout.panel_width);
  LLVMValueRef mask = LLVMBuildLShr(g->b, qn__ll_i64(g, -1), qn__ll_sub(g, qn__ll_i64(g, 64), count), "");
  int64_t part = (int64_t)(UINT64_MAX >> (64 - p->s->tile.vectors * LANES));
  return LLVMBuildAnd(g->b, LLVMBuildLShr(g->b, mask, qn__ll_i64(g, column), ""), qn__ll_i64(g, part), "");
}

void qn__ll_strips_few_run(qn_ll_strips *p, LLVMValueRef fn, const qn_ll_strip_part *part) {
  gemm_state *s = p->s;
  qn_ll *g = s->g;
  int64_t bytes = qn__ll_mem_bits(s->plan->y_mem) / 8;
  LLVMValueRef panel = qn__ll_mul(g, s->panel, qn__ll_i64(g, s->plan->layout.panel_width));
  LLVMValueRef first = qn__ll_add(g, panel, qn__ll_i64(g, part->column));
  LLVMValueRef y = qn__ll_gep(g, qn__ll_arg_ptr(g, 2), qn__ll_mul(g, part->begin, qn__ll_arg_stride(g, 1)));
  set(p, QN_STRIP_TILES, LLVMBuildUDiv(g->b, qn__ll_sub(g, part->end, part->begin), qn__ll_i64(g, s->tile.rows), ""));
  set(p, QN_STRIP_A, part->a);
  set(p, QN_STRIP_B, part->b);
  set(p, QN_STRIP_START, part->start);
  set(p, QN_STRIP_SUMS, part->sums);
  if (part->near) set(p, QN_STRIP_AHEAD, part->near);
  if (part->far) set(p, QN_STRIP_FAR, part->far);
  set(p, QN_STRIP_Y, qn__ll_gep(g, y, qn__ll_mul(g, first, qn__ll_i64(g, bytes))));
  set(p, QN_STRIP_COLUMNS, qn__ll_gep_const(g, p->columns, (int64_t)part->column * 4));
  set(p, QN_STRIP_MASK, mask_of(p, panel, part->column));
  set_rows(p, part->begin, first);
  set_flag(p, QN_STRIP_FIRST, part->first);
  set_flag(p, QN_STRIP_LAST, part->last);
  call(p, fn);
}
