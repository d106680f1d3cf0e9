/* GEMM tiles: for each panel (or a few side by side when tiles are low), for each tile of rows, the sums of the tile in
 * registers, then through a small buffer into the epilogue; where it can be, all tiles of a panel by assembly that
 * keeps them in registers (strip.h). Panels are the outer loop, so that B, which may be larger
 * than a cache, is read once and A, a few bytes per step, is what is read again.
 *
 * Rows are taken in blocks that stay in a second-level cache over all panels. (Cutting K, so that a piece of a panel
 * stays in the first level while sums wait in a buffer, was 3 to 8% slower than streaming panels from the second level:
 * rows of A become short streams.) */
#include "gemm_impl.h"
#include "strip.h"

enum { MOST_PANELS = 4 }; /* taken at once */
enum { ENOUGH = 8 };      /* sums to hide the latency of adding to each */
/* So many are added to as soon as they are there, if nothing comes late: with two copies something may. */
enum { WAITING_SUMS = 10 };

typedef struct loops {
  gemm_state s;
  uint32_t rows;                     /* tallest tile */
  bool low;                          /* there are tiles lower by one, too */
  LLVMValueRef high_tiles;           /* how many are not, where there are */
  LLVMValueRef begin, high_end, end; /* rows of the block at hand: of tall tiles, then of low ones */
  uint32_t start_extra;              /* epilogue extra that sums start from; UINT32_MAX when there is none */
  bool start_minus;
  LLVMValueRef buffer;          /* of start values that have to be prepared */
  LLVMValueRef start;           /* those of the columns at hand; null: none */
  qn_ll_strips *strips;         /* null: tiles are taken one by one */
  uint32_t panels, lanes, wide; /* taken at once; of a vector; columns of a panel that are in whole vectors */
} loops;

/* Chooses the vectors taken at once, out of `columns` of each panel: accumulators, one block of B and an operand of A
 * fit the registers. */
static void shape_tile(gemm_state *s, uint32_t rows, uint32_t panels, uint32_t lanes, uint32_t columns) {
  qn_ll_tile *t = &s->tile;
  uint32_t registers = s->g->isa->num_registers, vectors = columns / lanes;
  t->dot = qn__ll_dot_find(s->g, s->plan, lanes > 1);
  t->rows = rows;
  rows = t->acc_rows = qn__ll_dot_rows(t->dot, rows);
  t->acc_lanes = lanes;
  t->acc_type = qn__ll_lanes(t->acc_elem, lanes);
  uint32_t group = vectors < QN_LL_MAX_VECTORS ? vectors : QN_LL_MAX_VECTORS;
  while (group > 1 && (group * (rows + 1) + 1 > registers || vectors % group)) group--;
  t->panels = group == vectors ? panels : 1;
  while (t->panels > 1 && (t->panels * group * (rows + 1) + 1 > registers || t->panels * group > QN_LL_MAX_VECTORS))
    t->panels--;
  t->vectors = group * t->panels;
  uint32_t in_flight = rows * t->vectors;
  /* Tall tiles gain less than half a percent from a second block in the loop and cost a quarter more to compile. */
  uint32_t turn = s->plan->unroll ? s->plan->unroll : in_flight < s->plan->unroll_below ? 2 : 1;
  /* What is left of panels that are taken several at once is little. */
  if (!s->plan->unroll && panels == 1 && s->at_once > 1 && in_flight >= ENOUGH) turn = 1;
  /* Positions of a window are short loops, whose ends are foreseen when they take few turns. */
  if (s->places.pads && s->plan->lhs_padded && t->rows == s->plan->rows && turn < 2) turn = 2;
  t->unroll = t->dot->shares > 1 ? t->dot->shares : turn;
  t->sets =
      t->dot->reorders && t->unroll > 1 && in_flight <= WAITING_SUMS && 2 * in_flight + t->vectors < registers ? 2 : 1;
}

/* ---- start values ---- */

typedef struct start_copy {
  loops *l;
  const qn_extra *extra;
  LLVMValueRef from, first; /* of column 0; the first column */
} start_copy;

static void start_columns(void *user, LLVMValueRef column, uint32_t lanes, LLVMValueRef mask) {
  start_copy *c = user;
  qn_ll *g = c->l->s.g;
  qn_ll_place from = {c->extra->mem, c->extra->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, c->from, NULL};
  qn_ll_place to = {QN_I32, QN_ACCESS_DENSE, c->l->buffer, NULL};
  LLVMValueRef v = qn__ll_load(g, &from, column, lanes, mask);
  if (c->l->start_minus) v = LLVMBuildNeg(g->b, v, "");
  qn__ll_store(g, &to, qn__ll_sub(g, column, c->first), lanes, mask, v);
}

/* Those of columns first .. first + width - 1, as far as they exist: where they lie, or prepared in the buffer. */
static void take_start(loops *l, LLVMValueRef first, uint32_t width) {
  qn_ll *g = l->s.g;
  start_copy c = {l, &l->s.plan->epilogue_extras[l->start_extra], qn__ll_arg_ptr(g, 3 + l->start_extra), first};
  LLVMValueRef size = qn__ll_arg_size(g, 1), all = qn__ll_add(g, first, qn__ll_i64(g, width));
  LLVMValueRef end = qn__ll_min(g, all, size);
  l->start = l->buffer;
  if (c.extra->by_col && !l->start_minus && l->s.plan->whole) {
    l->start = LLVMBuildGEP2(g->b, g->i32, c.from, &first, 1, "");
    return;
  }
  if (c.extra->by_col && !l->start_minus) {
    LLVMValueRef whole = LLVMBuildICmp(g->b, LLVMIntSLE, all, size, "");
    LLVMValueRef there = LLVMBuildGEP2(g->b, g->i32, c.from, &first, 1, "");
    l->start = LLVMBuildSelect(g->b, whole, there, l->buffer, "");
    end = LLVMBuildSelect(g->b, whole, first, end, "");
  }
  if (!g->masked) {
    qn__ll_span(g, first, end, start_columns, &c);
    return;
  }
  /* Whole vectors and the rest alike, so that there is one loop: it runs once a panel. */
  qn_ll_for f;
  LLVMValueRef lanes = qn__ll_i64(g, g->lanes);
  qn__ll_for_begin(g, &f, first, end, g->lanes, 0, NULL);
  start_columns(&c, f.i, g->lanes, qn__ll_mask(g, qn__ll_min(g, qn__ll_sub(g, end, f.i), lanes)));
  qn__ll_for_end(g, &f, NULL);
}

/* ---- loops over rows ---- */

static void one_tile(loops *l, const gemm_sums *f, LLVMValueRef strip, LLVMValueRef column) {
  gemm_state *s = &l->s;
  qn_ll *g = s->g;
  int64_t bytes = qn__ll_mem_bits(s->plan->acc) / 8;
  s->column = column;
  s->start = l->start ? qn__ll_gep(g, l->start, qn__ll_mul(g, column, qn__ll_i64(g, bytes))) : NULL;
  qn__ll_gemm_pieces_aim(s);
  if (strip)
    qn__ll_strips_tile(l->strips, strip);
  else
    qn__ll_gemm_sums_call(s, f);
  qn_ll_if done;
  if (s->pieces.some) qn__ll_if_begin(g, &done, s->pieces.last);
  LLVMValueRef first = qn__ll_mul(g, s->panel, qn__ll_i64(g, s->plan->layout.panel_width));
  LLVMValueRef row = s->places.pads ? qn__ll_gemm_places_results(s) : s->row;
  qn__ll_epilogue_call(g, s->epilogue, s->at.sums, row, s->tile.rows, qn__ll_add(g, first, column),
                       s->tile.vectors * s->tile.acc_lanes);
  if (s->pieces.some) qn__ll_if_end(g, &done);
}

/* Rows begin .. end-1, columns from .. to-1 of the panels at hand. */
static void rows_loop(loops *l, LLVMValueRef begin, LLVMValueRef end, uint32_t from, uint32_t to) {
  gemm_state *s = &l->s;
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  uint32_t step = t->vectors / t->panels * t->acc_lanes;
  bool leaves = l->strips && qn__ll_strips_leave_sums(l->strips);
  if (l->strips && !leaves) {
    qn__ll_strips_run(l->strips, l->begin, begin, end, l->start);
    return;
  }
  qn_ll_for rows, columns;
  LLVMValueRef *moved[GEMM_MOVED], by[GEMM_MOVED], carried[GEMM_MOVED], strip = NULL;
  gemm_sums f;
  s->row = begin;
  qn__ll_gemm_place(s, l->begin);
  if (leaves)
    strip = qn__ll_strips_prepare(l->strips, l->start);
  else
    f = qn__ll_gemm_sums_function(s, l->start || s->pieces.some);
  uint32_t n = qn__ll_gemm_moved(s, moved, by);
  for (uint32_t i = 0; i < n; i++) carried[i] = *moved[i];
  qn__ll_for_begin(g, &rows, begin, end, t->rows, n, carried);
  for (uint32_t i = 0; i < n; i++) *moved[i] = carried[i];
  s->row = rows.i;
  if (from + step == to) {
    one_tile(l, &f, strip, qn__ll_i64(g, from));
  } else {
    qn__ll_for_begin(g, &columns, qn__ll_i64(g, from), qn__ll_i64(g, to), step, 0, NULL);
    one_tile(l, &f, strip, columns.i);
    qn__ll_for_end(g, &columns, NULL);
  }
  for (uint32_t i = 0; i < n; i++) carried[i] = qn__ll_gep(g, *moved[i], by[i]);
  qn__ll_for_close(g, &rows, carried);
}

/* ---- loops over panels ---- */

/* All rows of columns from .. to-1 of the panels at hand, `lanes` to a vector: tall tiles, then low ones. */
static void columns_loop(loops *l, uint32_t panels, uint32_t lanes, uint32_t from, uint32_t to) {
  shape_tile(&l->s, l->rows, panels, lanes, to - from);
  qn__ll_gemm_fetch_shape(&l->s);
  rows_loop(l, l->begin, l->high_end, from, to);
  if (!l->low) return;
  shape_tile(&l->s, l->rows - 1, panels, lanes, to - from);
  qn__ll_gemm_fetch_shape(&l->s);
  rows_loop(l, l->high_end, l->end, from, to);
}

static void whole_columns(void *user) {
  loops *l = user;
  columns_loop(l, l->panels, l->lanes, 0, l->wide);
}

/* Panels start .. end-1, `panels` at a time, and the first `columns` of each: whole vectors of columns, then what is
 * left of them one by one. */
static void panels_loop(loops *l, LLVMValueRef start, LLVMValueRef end, uint32_t panels, uint32_t columns) {
  gemm_state *s = &l->s;
  qn_ll *g = s->g;
  uint32_t width = s->plan->layout.panel_width, lanes = g->isa->vector_bits / qn__ll_mem_bits(s->plan->acc);
  uint32_t wide = columns / lanes * lanes;
  qn_ll_for f;
  LLVMValueRef last = qn__ll_sub(g, end, qn__ll_i64(g, panels - 1));
  qn__ll_for_begin(g, &f, start, last, panels, 0, NULL);
  s->panel = f.i;
  if (l->start_extra != UINT32_MAX)
    take_start(l, qn__ll_mul(g, f.i, qn__ll_i64(g, width)), (panels - 1) * width + columns);
  l->panels = panels, l->lanes = lanes, l->wide = wide;
  if (wide) qn__ll_gemm_pieces_loop(s, l->begin, wide, whole_columns, l);
  if (wide < columns) columns_loop(l, panels, 1, wide, columns);
  qn__ll_for_end(g, &f, NULL);
}

/* Low tiles take several panels, so that enough sums are in flight to hide the latency of adding to each. High ones may
 * cut K instead. */
static uint32_t panels_at_once(loops *l, uint32_t rows) {
  gemm_state *s = &l->s;
  uint32_t width = s->plan->layout.panel_width, lanes = s->g->isa->vector_bits / qn__ll_mem_bits(s->plan->acc);
  if (width % lanes || s->plan->layout.granule) return 1;
  uint32_t most = s->plan->num_panels ? s->plan->num_panels : MOST_PANELS;
  shape_tile(s, rows, most, lanes, width);
  qn__ll_gemm_pieces_init(s, rows);
  return s->at_once = s->tile.panels;
}

/* Whether tiles are as wide as panels: low ones are where tall ones are. */
static bool takes_whole(loops *l) {
  gemm_state *s = &l->s;
  uint32_t width = s->plan->layout.panel_width, lanes = s->g->isa->vector_bits / qn__ll_mem_bits(s->plan->acc);
  if (width % lanes) return false;
  shape_tile(s, l->rows, 1, lanes, width);
  return s->tile.vectors * lanes == width;
}

/* ---- the body ---- */

/* Whether tiles over the first `columns` of so many panels are ones that strips have. */
static bool in_strips(loops *l, uint32_t panels, uint32_t columns) {
  gemm_state *s = &l->s;
  for (uint32_t low = 0; low <= (uint32_t)l->low; low++) {
    if (columns % s->g->lanes) return false;
    shape_tile(s, l->rows - low, panels, s->g->lanes, columns);
    if (!qn__ll_strips_serve(s, columns)) return false;
  }
  return true;
}

/* Whether every tile of the body is. */
static bool all_in_strips(loops *l) {
  uint32_t width = l->s.plan->layout.panel_width, last = l->s.plan->last, panels = l->s.at_once;
  return (panels <= 1 || in_strips(l, panels, width)) && in_strips(l, 1, width) && (!last || in_strips(l, 1, last));
}

/* The epilogue, in strips or as a function. */
static void take_epilogue(loops *l, bool whole) {
  gemm_state *s = &l->s;
  qn_ll *g = s->g;
  if (all_in_strips(l)) l->strips = qn__ll_strips_create(s, s->plan->whole, &l->start_extra, &l->start_minus);
  bool chain = l->strips && !qn__ll_strips_leave_sums(l->strips);
  if (chain && !s->plan->side) return;
  if (chain) {
    s->epilogue = qn__ll_epilogue_few(g, l->s.body, &l->start_extra, &l->start_minus);
    qn__ll_function_quickly(g, s->epilogue); /* of a few columns of each row */
    return;
  }
  s->epilogue = (s->places.pads ? qn__ll_epilogue_listed : qn__ll_epilogue_function)(g, l->s.body, whole,
                                                                                     &l->start_extra, &l->start_minus);
}

static qn_status check(qn_ll *g, const qn_gemm_plan *plan, uint32_t rows) {
  const qn_layout *l = &plan->layout;
  if (!qn__ll_dot_find(g, plan, false))
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "no way to multiply these element types in the LLVM code generator");
  if (l->plain || l->k_block == 0 || l->k_block > 64 || l->panel_width == 0 || rows == 0 || rows > QN_LL_MAX_ROWS)
    return qn__ll_error(
        g, QN_DIAG_UNSUPPORTED,
        "the LLVM code generator needs a panel layout with blocks of up to 64 and tiles of 1 to %d rows",
        QN_LL_MAX_ROWS);
  return QN_OK;
}

/* Rows are walked through by tiles where there are low ones, or one by one. */
static LLVMValueRef count_steps(loops *l) {
  qn_ll *g = l->s.g;
  LLVMValueRef count = qn__ll_sub(g, qn__ll_arg_end(g, 0), qn__ll_arg_begin(g, 0));
  if (!l->low) return count;
  LLVMValueRef tiles;
  l->high_tiles = qn__ll_gemm_tall(g, count, l->rows, &tiles);
  return tiles;
}

static LLVMValueRef row_of_step(loops *l, LLVMValueRef step) {
  qn_ll *g = l->s.g;
  LLVMValueRef begin = qn__ll_arg_begin(g, 0);
  if (!l->low) return qn__ll_add(g, begin, step);
  LLVMValueRef high = qn__ll_min(g, step, l->high_tiles), low = qn__ll_sub(g, step, high);
  LLVMValueRef at = qn__ll_add(g, begin, qn__ll_mul(g, high, qn__ll_i64(g, l->rows)));
  return qn__ll_add(g, at, qn__ll_mul(g, low, qn__ll_i64(g, l->rows - 1)));
}

static LLVMValueRef round_up_div(qn_ll *g, LLVMValueRef a, LLVMValueRef b) {
  return LLVMBuildUDiv(g->b, qn__ll_add(g, a, qn__ll_sub(g, b, qn__ll_i64(g, 1))), b, "");
}

/* As many blocks as blocks of `few` tiles would be, of about equal heights: a low one would read all of B for little.
 */
static LLVMValueRef equal_blocks(qn_ll *g, LLVMValueRef tiles, LLVMValueRef few) {
  return round_up_div(g, tiles, round_up_div(g, tiles, few));
}

static LLVMValueRef at_least_one(qn_ll *g, LLVMValueRef n) {
  LLVMValueRef none = LLVMBuildICmp(g->b, LLVMIntEQ, n, qn__ll_i64(g, 0), "");
  return LLVMBuildOr(g->b, n, LLVMBuildZExt(g->b, none, g->i64, ""), "");
}

/* No more steps than have so many results as a second-level cache holds beside all else. */
static void limit_results(loops *l, LLVMValueRef steps, int64_t per_step, LLVMValueRef chosen) {
  gemm_state *s = &l->s;
  qn_ll *g = s->g;
  qn_ll_if many;
  int64_t most = s->plan->written_bytes;
  LLVMValueRef row = qn__ll_arg_stride(g, 1), tile = qn__ll_mul(g, row, qn__ll_i64(g, l->rows));
  LLVMValueRef panels = qn__ll_sub(g, qn__ll_arg_end(g, 1), qn__ll_arg_begin(g, 1));
  LLVMValueRef outside =
      LLVMBuildICmp(g->b, LLVMIntSGT, qn__ll_mul(g, panels, s->b_stride), qn__ll_i64(g, s->plan->outside_bytes), "");
  LLVMValueRef widest = LLVMBuildSelect(g->b, outside, qn__ll_i64(g, most / QN_OUTSIDE_WRITTEN),
                                        qn__ll_i64(g, most / QN_LEAST_WRITTEN), "");
  LLVMValueRef all = qn__ll_mul(g, steps, tile), bound = qn__ll_i64(g, QN_MANY_WRITTEN * most * per_step);
  LLVMValueRef cuts = LLVMBuildAnd(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, all, bound, ""),
                                   LLVMBuildICmp(g->b, LLVMIntSLE, row, widest, ""), "");
  if (s->pieces.some) cuts = LLVMBuildAnd(g->b, cuts, LLVMBuildNot(g->b, s->pieces.cut, ""), "");
  qn__ll_if_begin(g, &many, cuts);
  LLVMValueRef per = qn__ll_i64(g, per_step), few = LLVMBuildUDiv(g->b, qn__ll_i64(g, most), tile, "");
  LLVMValueRef tiles = l->low ? steps : round_up_div(g, steps, per);
  LLVMValueRef fewer = qn__ll_mul(g, equal_blocks(g, tiles, at_least_one(g, few)), per);
  LLVMBuildStore(g->b, qn__ll_min(g, fewer, LLVMBuildLoad2(g->b, g->i64, chosen, "")), chosen);
  qn__ll_if_end(g, &many);
}

/* Steps of a block of rows: all of them unless A is large or K is cut, or their places are not to be noted at once. */
static LLVMValueRef steps_in_block(loops *l, LLVMValueRef steps) {
  gemm_state *s = &l->s;
  qn_ll *g = s->g;
  qn_ll_if cut;
  int64_t per_step = l->low ? 1 : l->rows;
  if (s->places.some) {
    LLVMValueRef all = l->low ? steps : round_up_div(g, steps, qn__ll_i64(g, per_step));
    LLVMValueRef most = qn__ll_i64(g, GEMM_PLACES / l->rows), fewer = qn__ll_i64(g, s->pieces.most_tiles);
    if (s->pieces.some) most = LLVMBuildSelect(g->b, s->pieces.cut, fewer, most, "");
    return qn__ll_mul(g, equal_blocks(g, all, most), qn__ll_i64(g, per_step));
  }
  int64_t bytes = (int64_t)s->plan->layout.k_block * qn__ll_mem_bits(s->plan->lhs) / 8 * l->rows;
  LLVMValueRef chosen = qn__ll_slot(g, g->i64, 1), per = qn__ll_i64(g, per_step);
  LLVMValueRef tile_bytes = qn__ll_mul(g, at_least_one(g, s->all_blocks), qn__ll_i64(g, bytes));
  LLVMValueRef most = qn__ll_i64(g, (int64_t)s->plan->large_bytes * per_step);
  LLVMValueRef large = LLVMBuildICmp(g->b, LLVMIntSGT, qn__ll_mul(g, steps, tile_bytes), most, "");
  if (s->pieces.some) large = LLVMBuildOr(g->b, large, s->pieces.cut, "");
  LLVMBuildStore(g->b, steps, chosen);
  qn__ll_if_begin(g, &cut, large);
  LLVMValueRef few = LLVMBuildUDiv(g->b, qn__ll_i64(g, s->plan->kept_bytes), tile_bytes, "");
  LLVMValueRef fewest = qn__ll_i64(g, 4), less = LLVMBuildICmp(g->b, LLVMIntSLT, few, fewest, "");
  few = LLVMBuildSelect(g->b, less, fewest, few, "");
  if (s->pieces.some) {
    /* Short pieces leave room for more of A. */
    LLVMValueRef more = LLVMBuildShl(g->b, few, qn__ll_i64(g, 1), "");
    LLVMValueRef bound = qn__ll_min(g, more, qn__ll_i64(g, s->pieces.most_tiles));
    few = LLVMBuildSelect(g->b, s->pieces.cut, bound, few, "");
  }
  LLVMValueRef tiles = l->low ? steps : round_up_div(g, steps, per);
  LLVMBuildStore(g->b, qn__ll_mul(g, equal_blocks(g, tiles, few), per), chosen);
  qn__ll_if_end(g, &cut);
  if (s->plan->written_bytes) limit_results(l, steps, per_step, chosen);
  return LLVMBuildLoad2(g->b, g->i64, chosen, "");
}

/* Panels' number without what is left when they are taken so many at once. */
static LLVMValueRef whole_groups(qn_ll *g, LLVMValueRef count, uint32_t panels) {
  LLVMValueRef by = qn__ll_i64(g, panels);
  if (panels & (panels - 1)) return qn__ll_mul(g, LLVMBuildUDiv(g->b, count, by, ""), by);
  return LLVMBuildAnd(g->b, count, qn__ll_i64(g, -(int64_t)panels), "");
}

/* Behind the panels that all columns of are multiplied: without the last one of B, where it is not like that. */
static LLVMValueRef end_of_full(gemm_state *s, LLVMValueRef start, LLVMValueRef end) {
  qn_ll *g = s->g;
  if (!s->plan->last && !s->plan->side) return end;
  LLVMValueRef width = qn__ll_i64(g, s->plan->layout.panel_width);
  LLVMValueRef last = LLVMBuildUDiv(g->b, qn__ll_arg_size(g, 1), width, "");
  LLVMValueRef has = LLVMBuildICmp(g->b, LLVMIntSLT, last, end, ""),
               some = LLVMBuildICmp(g->b, LLVMIntSLT, start, end, "");
  return qn__ll_sub(g, end, LLVMBuildZExt(g->b, LLVMBuildAnd(g->b, has, some, ""), g->i64, ""));
}

/* ---- the last columns ---- */

static void side_results(void *user, LLVMValueRef row, LLVMValueRef rows, LLVMValueRef sums) {
  gemm_state *s = &((loops *)user)->s;
  qn_ll *g = s->g;
  LLVMValueRef first = qn__ll_sub(g, qn__ll_arg_size(g, 1), qn__ll_i64(g, s->plan->side));
  qn__ll_epilogue_rows(g, s->epilogue, sums, row, rows, first, qn__ll_i64(g, s->plan->side));
}

/* Those that are multiplied along K, of rows l->begin .. l->end - 1, where panels up to `end` have them. */
static void side_columns(loops *l, LLVMValueRef end) {
  gemm_state *s = &l->s;
  qn_ll *g = s->g;
  const qn_gemm_plan *p = s->plan;
  uint32_t width = p->layout.panel_width, word = p->layout.k_block * qn__ll_mem_bits(p->rhs) / 8;
  LLVMValueRef first = qn__ll_sub(g, qn__ll_arg_size(g, 1), qn__ll_i64(g, p->side)), widths = qn__ll_i64(g, width);
  LLVMValueRef panel = LLVMBuildUDiv(g->b, first, widths, "");
  LLVMValueRef within = qn__ll_sub(g, first, qn__ll_mul(g, panel, widths));
  LLVMValueRef start = qn__ll_arg_begin(g, 1), after = LLVMBuildICmp(g->b, LLVMIntSGE, panel, start, "");
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildAnd(g->b, after, LLVMBuildICmp(g->b, LLVMIntSLT, panel, end, ""), ""));
  if (l->start_extra != UINT32_MAX) take_start(l, first, p->side);
  qn_ll_side side = {.begin = l->begin, .end = l->end, .a = s->a, .a_stride = s->a_stride, .start = l->start};
  side.b = qn__ll_gep(g, s->b, qn__ll_mul(g, panel, s->b_stride));
  side.b = qn__ll_gep(g, side.b, qn__ll_mul(g, within, qn__ll_i64(g, word)));
  side.bytes = qn__ll_mul(g, s->tile.k_size, qn__ll_i64(g, qn__ll_mem_bits(p->lhs) / 8));
  shape_tile(s, 1, 1, g->lanes, g->lanes);
  qn__ll_gemm_side(&s->tile, &side, s->body->symbol, side_results, l);
  qn__ll_if_end(g, &some);
}

/* Rows of steps first .. last-1, all panels. */
static void row_block(loops *l, LLVMValueRef first, LLVMValueRef last, uint32_t panels) {
  qn_ll *g = l->s.g;
  LLVMValueRef start = qn__ll_arg_begin(g, 1), end = qn__ll_arg_end(g, 1);
  LLVMValueRef full = end_of_full(&l->s, start, end);
  uint32_t width = l->s.plan->layout.panel_width, left = l->s.plan->last;
  l->begin = row_of_step(l, first);
  l->end = l->high_end = row_of_step(l, last);
  if (l->low) {
    LLVMValueRef high = qn__ll_add(g, qn__ll_arg_begin(g, 0), qn__ll_mul(g, l->high_tiles, qn__ll_i64(g, l->rows)));
    LLVMValueRef before = LLVMBuildICmp(g->b, LLVMIntSLT, high, l->begin, "");
    l->high_end = qn__ll_min(g, LLVMBuildSelect(g->b, before, l->begin, high, ""), l->end);
  }
  if (l->s.places.some) qn__ll_gemm_places_note(&l->s, l->begin, l->end);
  qn__ll_gemm_fetch_block(&l->s, qn__ll_sub(g, l->end, l->begin), l->rows, l->low);
  if (panels > 1) {
    LLVMValueRef whole = qn__ll_add(g, start, whole_groups(g, qn__ll_sub(g, full, start), panels));
    panels_loop(l, start, whole, panels, width);
    start = whole;
  }
  panels_loop(l, start, full, 1, width);
  if (left) panels_loop(l, full, end, 1, left);
  if (l->s.plan->side) side_columns(l, end);
}

static void make_zeros(gemm_state *s) {
  qn_ll *g = s->g;
  const qn_gemm_plan *p = s->plan;
  uint32_t block = p->layout.k_block * qn__ll_mem_bits(p->rhs) / 8, acc = qn__ll_mem_bits(p->acc) / 8;
  uint32_t bytes = block > acc * MOST_PANELS ? block : acc * MOST_PANELS;
  LLVMTypeRef type = LLVMArrayType(g->i64, (p->layout.panel_width * bytes + 7) / 8);
  s->zeros = LLVMAddGlobal(g->mod, type, "zeros");
  LLVMSetInitializer(s->zeros, LLVMConstNull(type));
  LLVMSetGlobalConstant(s->zeros, true);
  LLVMSetLinkage(s->zeros, LLVMInternalLinkage);
}

/* With K = 0 there is nothing to read, and tiles multiply a block of zeros. */
static void take_zeros(gemm_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef none = qn__ll_i64(g, 0);
  make_zeros(s);
  LLVMValueRef empty = LLVMBuildICmp(g->b, LLVMIntEQ, s->tile.k_size, none, "");
  s->a = LLVMBuildSelect(g->b, empty, s->zeros, s->a, "");
  s->b = LLVMBuildSelect(g->b, empty, s->zeros, s->b, "");
  s->a_stride = LLVMBuildSelect(g->b, empty, none, s->a_stride, "");
  s->b_stride = LLVMBuildSelect(g->b, empty, none, s->b_stride, "");
  s->all_blocks = LLVMBuildSelect(g->b, empty, qn__ll_i64(g, 1), s->all_blocks, "");
}

qn_status qn__ll_gemm_tiles(qn_ll *g, const qn_body *body) {
  if (qn__ll_amx_serves(body)) return qn__ll_amx_tiles(g, body);
  if (qn__ll_gemm_direct_serves(g, body)) return qn__ll_gemm_direct(g, body);
  if (qn__ll_gemm_few_serves(g, body)) return qn__ll_gemm_few(g, body);
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  loops l = {.s = {.g = g, .plan = plan, .body = body}, .rows = body->rows & (QN_ROWS_MIXED - 1)};
  gemm_state *s = &l.s;
  s->tile = (qn_ll_tile){.g = g, .plan = plan};
  l.low = (body->rows & QN_ROWS_MIXED) && l.rows > 1;
  qn_status status = check(g, plan, l.rows);
  if (status != QN_OK) return status;
  qn__ll_function_quickly(g, g->fn);
  s->tile.acc_elem = qn__ll_mem_type(g, plan->acc);
  s->tile.k_size = qn__ll_arg_size(g, 2);
  s->a = qn__ll_arg_ptr(g, 0);
  s->b = qn__ll_arg_ptr(g, 1);
  s->a_stride = qn__ll_arg_stride(g, 0);
  s->b_stride = qn__ll_arg_stride(g, 2);
  for (uint32_t i = 3; plan->window && i < 12; i++) s->image[i] = qn__ll_arg_size(g, i);
  LLVMValueRef block = qn__ll_i64(g, plan->layout.k_block), up = qn__ll_i64(g, plan->layout.k_block - 1);
  s->all_blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, s->tile.k_size, up), block, "");
  if (!plan->window && !plan->layout.granule && !plan->turns_of) take_zeros(s);
  if (plan->turns_of || plan->window || plan->layout.granule) make_zeros(s);
  qn__ll_gemm_places_init(s);
  uint32_t panels = panels_at_once(&l, l.rows);
  bool whole = plan->whole && takes_whole(&l);
  s->sums = qn__ll_slot(g, g->i8, QN_LL_MAX_ACC * g->isa->vector_bits / 8);
  s->kept = qn__ll_slot(g, g->i64, GEMM_MOST);
  take_epilogue(&l, whole);
  /* From zeros where from nothing else, so that products that differ in this only have their sums in common. */
  if (l.start_extra == UINT32_MAX && s->zeros && (plan->acc == QN_I32 || plan->acc == QN_SI32)) l.start = s->zeros;
  if (l.start_extra != UINT32_MAX)
    l.buffer = qn__ll_slot(g, g->i8, panels * plan->layout.panel_width * qn__ll_mem_bits(plan->acc) / 8);
  LLVMValueRef steps = count_steps(&l);
  qn_ll_for blocks;
  qn__ll_for_begin(g, &blocks, qn__ll_i64(g, 0), steps, 1, 0, NULL);
  blocks.step = steps_in_block(&l, steps);
  row_block(&l, blocks.i, qn__ll_min(g, qn__ll_add(g, blocks.i, blocks.step), steps), panels);
  qn__ll_for_end(g, &blocks, NULL);
  return QN_OK;
}
