/* What the tiles of a product fetch before it is needed, a little at every block of K, since fetches that come together
 * hold up the tile's own loads: its share of the next panel or piece of one, the rows of the tile after it, and for
 * writing the lines that its results go to, which stores in order would otherwise wait for one after the other.
 *
 * Where all rows are one tile, each panel is read once, at the speed of the memory that it lies in: a tile fetches what
 * it will reach itself, into the first level, and of weights that lie in no cache also what is further on into the
 * second, since the first has too few lines on their way at once. (From a cache the latter would be the slower.) A few
 * tiles do the same together: each its share into the second level, and what it reaches next itself into the first. */
#include "gemm_impl.h"

enum { LINE = 64, FRACTION = 16, FEWEST = 8 }; /* smaller tiles have other things to wait for */

/* 2^32 / n, for near enough quotients by multiplying: a division of 64 bits is not nothing where products are small. */
static LLVMValueRef part_of(qn_ll *g, LLVMValueRef n) {
  LLVMValueRef low = LLVMBuildOr(g->b, LLVMBuildTrunc(g->b, n, g->i32, ""), qn__ll_i32(g, 1), "");
  return LLVMBuildZExt(g->b, LLVMBuildUDiv(g->b, qn__ll_i32(g, UINT32_MAX), low, ""), g->i64, "");
}

static LLVMValueRef times_part(qn_ll *g, LLVMValueRef x, LLVMValueRef part) {
  return LLVMBuildLShr(g->b, qn__ll_mul(g, x, part), qn__ll_i64(g, 32), "");
}

void qn__ll_gemm_fetch_block(gemm_state *s, LLVMValueRef rows, uint32_t height, bool mixed) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  const qn_layout *l = &s->plan->layout;
  /* All rows of the block together fetch one panel, or what of it is taken at once. */
  LLVMValueRef part = part_of(g, rows);
  f->block_bytes = (int64_t)l->k_block * l->panel_width * qn__ll_mem_bits(s->plan->rhs) / 8;
  LLVMValueRef piece = s->b_stride;
  if (s->pieces.some) piece = qn__ll_mul(g, s->pieces.blocks, qn__ll_i64(g, f->block_bytes));
  f->row_bytes = times_part(g, piece, part);
  f->ahead_step = times_part(g, qn__ll_i64(g, f->block_bytes * height), part);
  f->blocks_part = part_of(g, s->all_blocks);
  f->alone = f->far = NULL;
  f->few = s->pieces.some ? s->pieces.few : NULL;
  if (s->plan->window || (mixed && !f->few)) return;
  LLVMValueRef panels = qn__ll_sub(g, qn__ll_arg_end(g, 1), qn__ll_arg_begin(g, 1));
  LLVMValueRef bytes = qn__ll_mul(g, panels, s->b_stride);
  f->far = LLVMBuildICmp(g->b, LLVMIntSGT, bytes, qn__ll_i64(g, (int64_t)s->plan->far_bytes), "");
  if (mixed) return;
  f->alone = LLVMBuildICmp(g->b, LLVMIntSLE, rows, qn__ll_i64(g, height), "");
  f->ahead_step = LLVMBuildSelect(g->b, f->alone, qn__ll_i64(g, f->block_bytes), f->ahead_step, "");
}

void qn__ll_gemm_fetch_shape(gemm_state *s) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  const qn_ll_tile *t = &s->tile;
  f->a_step = NULL;
  /* Nor where panels are taken several at once, for what is left of them: from the second level it took 10% longer. */
  f->some = s->plan->fetch > 0 && t->panels == 1 && s->at_once <= 1 && t->rows * t->vectors >= FEWEST &&
            !s->plan->layout.granule;
  /* Much lower tiles have no room for it beside their loads: they took 5 to 20% longer. Those lower by one gain as the
   * tall ones do. */
  if (!f->some || s->plan->fetch < 2 || s->plan->window || t->rows + 1 < s->plan->rows) return;
  LLVMValueRef rows = qn__ll_i64(g, t->rows);
  f->a_step = times_part(g, qn__ll_mul(g, s->a_stride, rows), f->blocks_part);
  f->y_bytes = t->vectors * t->acc_lanes * qn__ll_mem_bits(s->plan->y_mem) / 8;
  f->y_stride = qn__ll_arg_stride(g, 1);
  f->y_step = times_part(g, qn__ll_i64(g, (int64_t)t->rows << FRACTION), f->blocks_part);
}

void qn__ll_gemm_fetch_aim(gemm_state *s, LLVMValueRef begin) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  if (!f->some) return;
  LLVMValueRef panel = qn__ll_gep(g, s->b, qn__ll_mul(g, s->panel, s->b_stride));
  LLVMValueRef bytes = s->b_stride;
  if (s->pieces.some) bytes = qn__ll_mul(g, s->pieces.to, qn__ll_i64(g, f->block_bytes));
  s->at.ahead = qn__ll_gep(g, panel, bytes);
  s->at.ahead = qn__ll_gep(g, s->at.ahead, qn__ll_mul(g, qn__ll_sub(g, s->row, begin), f->row_bytes));
  if (f->alone) s->at.ahead = LLVMBuildSelect(g->b, f->alone, panel, s->at.ahead, "");
  if (!f->a_step) return;
  int64_t panel_bytes = (int64_t)s->plan->layout.panel_width * qn__ll_mem_bits(s->plan->y_mem) / 8;
  s->at.y = qn__ll_gep(g, qn__ll_arg_ptr(g, 2), qn__ll_mul(g, s->row, f->y_stride));
  s->at.y = qn__ll_gep(g, s->at.y, qn__ll_mul(g, s->panel, qn__ll_i64(g, panel_bytes)));
}

static void lines(qn_ll *g, LLVMValueRef at, int64_t count, bool write, qn_ll_level into) {
  for (int64_t i = 0; i < count; i++) qn__ll_fetch(g, qn__ll_gep_const(g, at, i * LINE), write, into);
}

/* Row by row, each at as many blocks as there are for each. Where rows do not begin with a line they end in one more:
 * without that results of 4 bytes are 2% slower there. */
static void written(gemm_state *s, LLVMValueRef block) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  LLVMValueRef row = LLVMBuildLShr(g->b, qn__ll_mul(g, block, f->y_step), qn__ll_i64(g, FRACTION), "");
  LLVMValueRef at = qn__ll_gep(g, f->y, qn__ll_mul(g, row, f->y_stride));
  lines(g, at, (f->y_bytes + LINE - 1) / LINE, true, QN_LL_FIRST);
  lines(g, qn__ll_gep_const(g, at, (int64_t)f->y_bytes - 1), 1, true, QN_LL_FIRST);
}

/* One of several tiles. Of two lines the processor brings the other one by itself: asking for both takes 2 to 5% more
 * time where the weights lie in a last-level cache, and less from memory. */
static void for_others(gemm_state *s, LLVMValueRef block, LLVMValueRef ahead) {
  gemm_fetch *f = &s->fetch;
  lines(s->g, ahead, s->plan->tile_lines, false, QN_LL_SECOND);
  if (f->few) {
    qn_ll_if few, far;
    qn__ll_if_begin(s->g, &few, f->few);
    lines(s->g, qn__ll_gep_const(s->g, s->tile.b[0], s->plan->tile_close), (f->block_bytes + LINE - 1) / LINE, false,
          QN_LL_FIRST);
    qn__ll_if_begin(s->g, &far, f->far);
    lines(s->g, qn__ll_gep_const(s->g, ahead, (int64_t)s->plan->tile_lines * LINE), 1, false, QN_LL_SECOND);
    qn__ll_if_end(s->g, &far);
    qn__ll_if_end(s->g, &few);
  }
  if (!f->a_step) return;
  lines(s->g, qn__ll_gep(s->g, f->a, qn__ll_mul(s->g, block, f->a_step)), 1, false, QN_LL_SECOND);
  written(s, block);
}

/* The only one: `count` lines of its own panel. */
static void for_itself(gemm_state *s, LLVMValueRef here, int64_t count) {
  qn_ll *g = s->g;
  qn_ll_if far;
  lines(g, qn__ll_gep_const(g, here, s->plan->tile_ahead), count, false, QN_LL_FIRST);
  qn__ll_if_begin(g, &far, s->fetch.far);
  lines(g, qn__ll_gep_const(g, here, s->plan->tile_far), count, false, QN_LL_SECOND);
  qn__ll_if_end(g, &far);
}

void qn__ll_gemm_fetch(gemm_state *s, LLVMValueRef block, uint32_t blocks, LLVMValueRef ahead) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  qn_ll_if alone, several;
  if (!f->alone) {
    for_others(s, block, ahead);
    return;
  }
  qn__ll_if_begin(g, &alone, f->alone);
  for_itself(s, ahead, (f->block_bytes * blocks + LINE - 1) / LINE);
  qn__ll_if_end(g, &alone);
  qn__ll_if_begin(g, &several, LLVMBuildNot(g->b, f->alone, ""));
  for_others(s, block, ahead);
  qn__ll_if_end(g, &several);
}
