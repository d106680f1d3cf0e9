/* Cutting K. A panel that is longer than a second-level cache would come from memory again for every tile of rows. So
 * it is taken in pieces, and the tiles of a block of rows take turns at each: between pieces their sums wait in a
 * buffer, from which they also go into the epilogue. Blocks of rows are as low as the buffer. Panels that are not so
 * long, and single tiles, are one piece.
 *
 * Windows with pads are cut between their positions.
 *
 * Where there are few tiles, the time is that of reading the weights, and pieces are short: each is in the first level
 * when its later tiles come to it, and the memory delivers the next ones at an even pace meanwhile. (Pieces twice as
 * long are 1% better with three tiles and worse with two; longer ones take 10% more time with either.) */
#include "gemm_impl.h"

/* A piece stays in a second-level cache together with a block of A, a panel that is cut does not. */
enum { FEW_TILES = 3, WAITING_ROWS = 128, FEWEST_TILES = 4 };
/* Pieces begin where a turn of the loop over K does. */
enum { GRAIN = 64 };

/* Few tiles over weights that a second-level cache does not hold. */
static LLVMValueRef is_read_once(gemm_state *s, LLVMValueRef count, uint32_t rows) {
  qn_ll *g = s->g;
  LLVMValueRef panels = qn__ll_sub(g, qn__ll_arg_end(g, 1), qn__ll_arg_begin(g, 1));
  LLVMValueRef bytes = qn__ll_mul(g, panels, s->b_stride);
  LLVMValueRef outside = LLVMBuildICmp(g->b, LLVMIntSGT, bytes, qn__ll_i64(g, s->plan->outside_bytes), "");
  LLVMValueRef few = LLVMBuildICmp(g->b, LLVMIntSLE, count, qn__ll_i64(g, (int64_t)rows * FEW_TILES), "");
  return LLVMBuildAnd(g->b, few, outside, "");
}

/* Blocks of each of the fewest pieces that are no longer than the plan says, but for what makes them whole turns. */
static LLVMValueRef equal_pieces(gemm_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef piece = qn__ll_i64(g, s->plan->piece_bytes), more = qn__ll_i64(g, (int64_t)s->plan->piece_bytes - 1);
  LLVMValueRef pieces = LLVMBuildUDiv(g->b, qn__ll_add(g, s->b_stride, more), piece, "");
  pieces = LLVMBuildOr(g->b, pieces, LLVMBuildZExt(g->b, LLVMBuildIsNull(g->b, pieces, ""), g->i64, ""), "");
  LLVMValueRef up = qn__ll_sub(g, pieces, qn__ll_i64(g, 1));
  LLVMValueRef blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, s->all_blocks, up), pieces, "");
  return LLVMBuildAnd(g->b, qn__ll_add(g, blocks, qn__ll_i64(g, GRAIN - 1)), qn__ll_i64(g, -(int64_t)GRAIN), "");
}

/* Positions of a window in each of the fewest pieces, about equal ones, that are no longer than the plan says. */
static LLVMValueRef equal_positions(gemm_state *s) {
  qn_ll *g = s->g;
  int64_t positions = s->plan->shape.size[0] * s->plan->shape.size[1];
  LLVMValueRef piece = qn__ll_i64(g, s->plan->piece_bytes), more = qn__ll_i64(g, (int64_t)s->plan->piece_bytes - 1);
  LLVMValueRef pieces = LLVMBuildUDiv(g->b, qn__ll_add(g, s->b_stride, more), piece, ""),
               all = qn__ll_i64(g, positions);
  pieces = LLVMBuildOr(g->b, pieces, LLVMBuildZExt(g->b, LLVMBuildIsNull(g->b, pieces, ""), g->i64, ""), "");
  pieces = qn__ll_min(g, pieces, all);
  LLVMValueRef up = qn__ll_sub(g, pieces, qn__ll_i64(g, 1));
  return LLVMBuildUDiv(g->b, qn__ll_add(g, all, up), pieces, "");
}

static void window_init(gemm_state *s, LLVMValueRef several, LLVMValueRef is_long) {
  qn_ll *g = s->g;
  gemm_pieces *p = &s->pieces;
  LLVMValueRef all = qn__ll_i64(g, s->plan->shape.size[0] * s->plan->shape.size[1]);
  p->cut = LLVMBuildAnd(g->b, several, is_long, "");
  p->count = LLVMBuildSelect(g->b, p->cut, equal_positions(s), all, "");
  p->blocks = qn__ll_mul(g, p->count, s->all_blocks);
}

static void matrix_init(gemm_state *s, LLVMValueRef count, uint32_t rows, LLVMValueRef several, LLVMValueRef is_long) {
  qn_ll *g = s->g;
  gemm_pieces *p = &s->pieces;
  LLVMValueRef few = p->few = LLVMBuildAnd(g->b, several, is_read_once(s, count, rows), "");
  p->cut = LLVMBuildAnd(g->b, several, LLVMBuildOr(g->b, is_long, few, ""), "");
  LLVMValueRef three = LLVMBuildICmp(g->b, LLVMIntSGT, count, qn__ll_i64(g, 2 * (int64_t)rows), "");
  LLVMValueRef brief = LLVMBuildSelect(g->b, three, qn__ll_i64(g, 2 * GRAIN), qn__ll_i64(g, GRAIN), "");
  p->blocks = LLVMBuildSelect(g->b, few, brief, equal_pieces(s), "");
  p->blocks = LLVMBuildSelect(g->b, p->cut, p->blocks, s->all_blocks, "");
}

void qn__ll_gemm_pieces_init(gemm_state *s, uint32_t rows) {
  qn_ll *g = s->g;
  gemm_pieces *p = &s->pieces;
  const qn_ll_tile *t = &s->tile;
  uint32_t acc = qn__ll_mem_bits(s->plan->acc) / 8;
  int64_t pitch = (int64_t)s->plan->layout.panel_width * acc;
  bool plain = !t->dot->finish && !t->dot->more && !t->dot->even && (!s->plan->window || s->places.pads);
  p->some = s->plan->cuts && plain && t->panels == 1 && rows * FEWEST_TILES <= WAITING_ROWS &&
            t->vectors * t->acc_lanes == s->plan->layout.panel_width && t->acc_lanes > 1;
  if (!p->some) return;
  LLVMValueRef count = qn__ll_sub(g, qn__ll_arg_end(g, 0), qn__ll_arg_begin(g, 0));
  LLVMValueRef several = LLVMBuildICmp(g->b, LLVMIntSGT, count, qn__ll_i64(g, rows), "");
  LLVMValueRef is_long = LLVMBuildICmp(g->b, LLVMIntSGT, s->b_stride, qn__ll_i64(g, s->plan->long_bytes), "");
  if (s->plan->window)
    window_init(s, several, is_long);
  else
    matrix_init(s, count, rows, several, is_long);
  p->pitch = LLVMBuildSelect(g->b, p->cut, qn__ll_i64(g, pitch), qn__ll_i64(g, 0), "");
  p->most_tiles = WAITING_ROWS / rows;
  p->waiting = qn__ll_slot(g, g->i8, (uint32_t)pitch * WAITING_ROWS);
}

/* Positions from .. to-1, a bit each. */
static LLVMValueRef bits_of(qn_ll *g, LLVMValueRef from, LLVMValueRef to) {
  LLVMValueRef last = LLVMBuildShl(g->b, qn__ll_i64(g, 2), qn__ll_sub(g, to, qn__ll_i64(g, 1)), "");
  LLVMValueRef before = LLVMBuildShl(g->b, qn__ll_i64(g, 1), from, "");
  return qn__ll_sub(g, last, before);
}

/* The piece that begins at `at`, and its part of K. */
static void matrix_piece(gemm_state *s, LLVMValueRef at) {
  qn_ll *g = s->g;
  gemm_pieces *p = &s->pieces;
  LLVMValueRef block = qn__ll_i64(g, s->plan->layout.k_block);
  p->from = at;
  p->to = qn__ll_min(g, qn__ll_add(g, at, p->blocks), s->all_blocks);
  p->k_size = qn__ll_sub(g, qn__ll_min(g, qn__ll_mul(g, p->to, block), s->tile.k_size), qn__ll_mul(g, at, block));
  p->last = LLVMBuildICmp(g->b, LLVMIntEQ, p->to, s->all_blocks, "");
}

static void window_piece(gemm_state *s, LLVMValueRef at) {
  qn_ll *g = s->g;
  gemm_pieces *p = &s->pieces;
  LLVMValueRef all = qn__ll_i64(g, s->plan->shape.size[0] * s->plan->shape.size[1]);
  LLVMValueRef to = qn__ll_min(g, qn__ll_add(g, at, p->count), all);
  p->from = qn__ll_mul(g, at, s->all_blocks), p->to = qn__ll_mul(g, to, s->all_blocks);
  p->k_size = s->tile.k_size;
  p->positions = bits_of(g, at, to);
  p->last = LLVMBuildICmp(g->b, LLVMIntEQ, to, all, "");
}

void qn__ll_gemm_pieces_loop(gemm_state *s, LLVMValueRef begin, uint32_t columns, void (*rows)(void *user),
                             void *user) {
  qn_ll *g = s->g;
  gemm_pieces *p = &s->pieces;
  if (!p->some) {
    rows(user);
    return;
  }
  qn_ll_for f;
  p->begin = begin;
  bool window = s->plan->window;
  LLVMValueRef all = window ? qn__ll_i64(g, s->plan->shape.size[0] * s->plan->shape.size[1]) : s->all_blocks;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), all, 1, 0, NULL);
  f.step = window ? p->count : p->blocks;
  (window ? window_piece : matrix_piece)(s, f.i);
  p->first = LLVMBuildICmp(g->b, LLVMIntEQ, f.i, qn__ll_i64(g, 0), "");
  int64_t pitch = (int64_t)columns * qn__ll_mem_bits(s->plan->acc) / 8;
  p->start_pitch = LLVMBuildSelect(g->b, p->first, qn__ll_i64(g, 0), qn__ll_i64(g, pitch), "");
  rows(user);
  qn__ll_for_end(g, &f, NULL);
}

void qn__ll_gemm_pieces_aim(gemm_state *s) {
  if (!s->pieces.some) return;
  s->start = LLVMBuildSelect(s->g->b, s->pieces.first, s->start ? s->start : s->zeros, s->at.sums, "");
  s->start_pitch = s->pieces.start_pitch;
}
