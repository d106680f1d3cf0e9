/* GEMM tiles of few rows over weights that a second-level cache does not hold. With 16 rows a line of weights is
 * multiplied for 8 cycles, and one comes from a last-level cache every 6 at best: lines have to be on their way all the
 * time, and nothing may hold them up. What does is reading them from the second level for each tile of rows, whose
 * misses of the first take turns with lines from further away. So K is taken in pieces of a few kilobytes, which are in
 * the first level when the tiles come to them, each line fetched into the second a piece before. Sums wait in memory
 * from piece to piece.
 *
 * A piece is halved by columns where panels are wide: it is longer for as many bytes, and sums are loaded and stored
 * more rarely. Both halves take turns, since what is read from afar is best read in order. */
#include "strip.h"

enum { LEAST_SUMS = 10, LINE = 64, WORD = 4, FEWEST_LEFT = 16 };

typedef struct few {
  gemm_state s;
  qn_ll *g;
  const qn_gemm_plan *plan;
  uint32_t rows;   /* tallest tile */
  bool low;        /* there are tiles lower by one, too */
  uint32_t halves; /* parts of a panel's columns */
  int64_t b_block, sums_pitch;
  uint32_t left; /* blocks of the last piece */
  qn_ll_strips *strips;
  LLVMValueRef tile[2][2]; /* functions: of tall and low tiles, for whole pieces and the last one */
  LLVMValueRef begin, high_end, end;
  LLVMValueRef waiting, start; /* sums; what they start from */
} few;

bool qn__ll_gemm_few_serves(const qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *p = &body->plan->u.gemm;
  const qn_ll_dot *dot = qn__ll_dot_find(g, p, true);
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1);
  return p->few && rows * p->few >= LEAST_SUMS && dot && qn__ll_wording_of(g, p, dot) && g->masked;
}

/* ---- pieces ---- */

static void shape_tile(few *w, uint32_t rows) {
  w->s.tile = (qn_ll_tile){.g = w->g, .plan = w->plan, .dot = qn__ll_dot_find(w->g, w->plan, true), .rows = rows};
  w->s.tile.vectors = w->plan->few, w->s.tile.panels = w->s.tile.sets = 1, w->s.tile.acc_lanes = w->g->lanes;
}

/* Tiles of `rows` rows, `blocks` of K. */
static LLVMValueRef tile_function(few *w, uint32_t rows, uint32_t blocks) {
  uint32_t all = w->plan->few_piece * rows, of = (uint32_t)w->plan->few_rows;
  qn_ll_strip_few of_piece = {blocks, (all + of - 1) / of, all / of, w->plan->few_pitch};
  shape_tile(w, rows);
  return qn__ll_strips_few(w->strips, &of_piece);
}

static void make_tiles(few *w) {
  for (uint32_t i = 0; i < (w->low ? 2u : 1u); i++) {
    w->tile[i][0] = tile_function(w, w->rows - i, w->plan->few_piece);
    if (w->left != w->plan->few_piece) w->tile[i][1] = tile_function(w, w->rows - i, w->left);
  }
}

/* The part's tall tiles, then its low ones. */
static void run_tiles(few *w, qn_ll_strip_part *part, bool last) {
  qn_ll *g = w->g;
  shape_tile(w, w->rows);
  part->begin = w->begin, part->end = w->low ? w->high_end : w->end;
  qn__ll_strips_few_run(w->strips, w->tile[0][last], part);
  if (!w->low) return;
  LLVMValueRef tall = qn__ll_sub(g, w->high_end, w->begin);
  shape_tile(w, w->rows - 1);
  part->begin = w->high_end, part->end = w->end;
  part->a = qn__ll_gep(g, part->a, qn__ll_mul(g, tall, qn__ll_i64(g, w->plan->few_pitch)));
  part->sums = qn__ll_gep(g, part->sums, qn__ll_mul(g, tall, qn__ll_i64(g, w->sums_pitch)));
  part->near = part->far = NULL;
  qn__ll_strips_few_run(w->strips, w->tile[1][last], part);
}

/* All rows of a piece that begins at block `at` of K, in the panel at `panel`. */
static void piece(few *w, LLVMValueRef a, LLVMValueRef panel, LLVMValueRef at, bool last) {
  qn_ll *g = w->g;
  const qn_gemm_plan *p = w->plan;
  uint32_t blocks = last ? w->left : p->few_piece;
  LLVMValueRef b = qn__ll_gep(g, panel, qn__ll_mul(g, at, qn__ll_i64(g, w->b_block)));
  LLVMValueRef next = qn__ll_gep_const(g, b, blocks * w->b_block), end = qn__ll_add(g, at, qn__ll_i64(g, blocks));
  LLVMValueRef far = w->halves > 1 ? next : qn__ll_gep_const(g, next, p->few_piece * w->b_block);
  a = qn__ll_gep(g, a, qn__ll_mul(g, at, qn__ll_i64(g, WORD)));
  for (uint32_t h = 0; h < w->halves; h++) {
    int64_t column = (int64_t)h * p->few * LINE;
    qn_ll_strip_part part = {.a = a,
                             .b = qn__ll_gep_const(g, b, column),
                             .start = qn__ll_gep_const(g, w->start, column),
                             .sums = qn__ll_gep_const(g, w->waiting, column),
                             .near = h + 1 < w->halves ? qn__ll_gep_const(g, b, column + p->few * LINE) : next,
                             .far = qn__ll_gep_const(g, far, h * p->few_piece * w->b_block / w->halves),
                             .first = LLVMBuildICmp(g->b, LLVMIntEQ, at, qn__ll_i64(g, 0), ""),
                             .last = LLVMBuildICmp(g->b, LLVMIntSGE, end, qn__ll_i64(g, p->few_blocks), ""),
                             .column = h * p->few * g->lanes};
    run_tiles(w, &part, last);
  }
}

/* Where what sums start from is to be had in one place: a vector by column, or zeros. */
static void take_start(few *w, uint32_t extra, bool minus, LLVMValueRef column) {
  qn_ll *g = w->g;
  const qn_extra *x = &w->plan->epilogue_extras[extra];
  qn_ll_place from = {x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, qn__ll_arg_ptr(g, 3 + extra), NULL};
  LLVMValueRef lanes = qn__ll_i64(g, g->lanes), none = qn__ll_i64(g, 0);
  for (uint32_t v = 0; v < w->plan->layout.panel_width / g->lanes; v++) {
    LLVMValueRef at = qn__ll_add(g, column, qn__ll_i64(g, (int64_t)v * g->lanes)), mask = NULL;
    if (!w->plan->whole) {
      LLVMValueRef left = qn__ll_min(g, qn__ll_sub(g, qn__ll_arg_size(g, 1), at), lanes);
      LLVMValueRef some = LLVMBuildICmp(g->b, LLVMIntSGT, left, none, "");
      mask = qn__ll_mask(g, LLVMBuildSelect(g->b, some, left, none, ""));
    }
    LLVMValueRef s = qn__ll_load(g, &from, at, g->lanes, mask);
    if (minus) s = LLVMBuildNeg(g->b, s, "");
    qn__ll_store_vec(g, s, qn__ll_gep_const(g, w->start, (int64_t)v * LINE), LINE);
  }
}

static void zero_start(few *w) {
  qn_ll *g = w->g;
  LLVMValueRef none = LLVMConstNull(qn__ll_lanes(g->i32, g->lanes));
  for (int64_t v = 0; v < w->sums_pitch / LINE; v++)
    qn__ll_store_vec(g, none, qn__ll_gep_const(g, w->start, v * LINE), LINE);
}

static void one_panel(few *w, LLVMValueRef panel) {
  qn_ll *g = w->g;
  const qn_gemm_plan *p = w->plan;
  LLVMValueRef a = qn__ll_gep(g, qn__ll_arg_ptr(g, 0), qn__ll_mul(g, w->begin, qn__ll_i64(g, p->few_pitch)));
  LLVMValueRef b = qn__ll_gep(g, qn__ll_arg_ptr(g, 1), qn__ll_mul(g, panel, qn__ll_i64(g, p->few_blocks * w->b_block)));
  int64_t whole = p->few_blocks - (w->left == p->few_piece ? 0 : w->left);
  qn_ll_for f;
  if (whole) {
    qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, whole), p->few_piece, 0, NULL);
    piece(w, a, b, f.i, false);
    qn__ll_for_end(g, &f, NULL);
  }
  if (whole < p->few_blocks) piece(w, a, b, qn__ll_i64(g, whole), true);
}

static LLVMValueRef end_of_high(few *w) {
  qn_ll *g = w->g;
  LLVMValueRef tiles, tall = qn__ll_gemm_tall(g, qn__ll_sub(g, w->end, w->begin), w->rows, &tiles);
  return qn__ll_add(g, w->begin, qn__ll_mul(g, tall, qn__ll_i64(g, w->rows)));
}

qn_status qn__ll_gemm_few(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *p = &body->plan->u.gemm;
  few w = {.s = {.g = g, .plan = p, .body = body}, .g = g, .plan = p, .rows = body->rows & (QN_ROWS_MIXED - 1)};
  uint32_t extra = UINT32_MAX, width = p->layout.panel_width;
  bool minus = false;
  qn_ll_for f;
  w.low = (body->rows & QN_ROWS_MIXED) && w.rows > 1;
  w.halves = width / (p->few * g->lanes);
  w.b_block = w.sums_pitch = (int64_t)width * WORD;
  /* A last piece that is too short for its fetches is one with the piece before. */
  w.left = (uint32_t)(p->few_blocks % p->few_piece);
  if (w.left < FEWEST_LEFT) w.left += p->few_piece;
  w.begin = qn__ll_arg_begin(g, 0), w.end = qn__ll_arg_end(g, 0);
  if (w.low) w.high_end = end_of_high(&w);
  w.waiting = qn__ll_slot(g, g->i8, (uint32_t)w.sums_pitch * QN_FEW_MOST_ROWS);
  w.start = qn__ll_slot(g, g->i8, (uint32_t)w.sums_pitch);
  w.s.a_stride = qn__ll_i64(g, p->few_pitch);
  w.strips = qn__ll_strips_create(&w.s, p->whole, &extra, &minus);
  if (!w.strips) return QN_OK; /* memory */
  bool leaves = qn__ll_strips_leave_sums(w.strips);
  LLVMValueRef epilogue = leaves ? qn__ll_epilogue_function(g, body, p->whole, &extra, &minus) : NULL;
  make_tiles(&w);
  zero_start(&w);
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 1), qn__ll_arg_end(g, 1), 1, 0, NULL);
  LLVMValueRef column = qn__ll_mul(g, f.i, qn__ll_i64(g, width));
  if (extra != UINT32_MAX) take_start(&w, extra, minus, column);
  w.s.panel = f.i;
  qn__ll_strips_few_panel(w.strips);
  one_panel(&w, f.i);
  if (leaves)
    qn__ll_epilogue_rows(g, epilogue, w.waiting, w.begin, qn__ll_sub(g, w.end, w.begin), column, qn__ll_i64(g, width));
  qn__ll_for_end(g, &f, NULL);
  return QN_OK;
}
