/* What the tiles of a product fetch before it is needed, a little at every block of K, since fetches that come together
 * hold up the tile's own loads: its share of the next panel, the rows of the tile after it, and for writing the lines
 * that its results go to, which stores in order would otherwise wait for one after the other. Addresses past the end of
 * a tensor do no harm. */
#include "gemm_impl.h"

enum { LINE = 64, FRACTION = 16, FEWEST = 8 }; /* smaller tiles have other things to wait for */

/* `by` as a fraction of the blocks. */
static LLVMValueRef per_block(gemm_state *s, LLVMValueRef by) {
  return LLVMBuildUDiv(s->g->b, by, LLVMBuildOr(s->g->b, s->all_blocks, qn__ll_i64(s->g, 1), ""), "");
}

void qn__ll_gemm_fetch_shape(gemm_state *s) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  const qn_ll_tile *t = &s->tile;
  *f = (gemm_fetch){.ahead_step = f->ahead_step};
  f->some = s->plan->fetch > 0 && t->panels == 1 && t->rows * t->vectors >= FEWEST && !s->plan->layout.granule;
  if (!f->some || s->plan->fetch < 2 || s->plan->window) return;
  LLVMValueRef rows = qn__ll_i64(g, t->rows);
  f->a_step = per_block(s, qn__ll_mul(g, s->a_stride, rows));
  f->y_lines = t->vectors * t->acc_lanes * qn__ll_mem_bits(s->plan->y_mem) / 8 / LINE;
  f->y_stride = qn__ll_arg_stride(g, 1);
  f->y_step = per_block(s, qn__ll_i64(g, (int64_t)t->rows << FRACTION));
}

void qn__ll_gemm_fetch_aim(gemm_state *s, LLVMValueRef column, LLVMValueRef begin, LLVMValueRef ahead_row) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  f->ahead = NULL;
  if (!f->some) return;
  LLVMValueRef next = qn__ll_gep(g, s->b, qn__ll_mul(g, qn__ll_add(g, s->panel, qn__ll_i64(g, 1)), s->b_stride));
  f->ahead = qn__ll_gep(g, next, qn__ll_mul(g, qn__ll_sub(g, s->row, begin), ahead_row));
  if (!f->a_step) return;
  LLVMValueRef rows = qn__ll_i64(g, s->tile.rows), width = qn__ll_i64(g, s->plan->layout.panel_width);
  f->a = qn__ll_gep(g, s->a, qn__ll_mul(g, qn__ll_add(g, s->row, rows), s->a_stride));
  LLVMValueRef first = qn__ll_add(g, qn__ll_mul(g, s->panel, width), column);
  f->y = qn__ll_gep(g, qn__ll_arg_ptr(g, 2), qn__ll_mul(g, s->row, f->y_stride));
  f->y = qn__ll_gep(g, f->y, qn__ll_mul(g, first, qn__ll_i64(g, qn__ll_mem_bits(s->plan->y_mem) / 8)));
}

static void lines(qn_ll *g, LLVMValueRef at, uint32_t count, bool write) {
  for (uint32_t i = 0; i < count; i++) {
    LLVMValueRef args[4] = {qn__ll_gep_const(g, at, (int64_t)i * LINE), qn__ll_i32(g, write),
                            qn__ll_i32(g, write ? 3 : 2), qn__ll_i32(g, 1)};
    qn__ll_intrinsic(g, "llvm.prefetch", 1, &g->ptr, 4, args);
  }
}

/* Row by row, each at as many blocks as there are for each. */
static void written(gemm_state *s, LLVMValueRef block) {
  qn_ll *g = s->g;
  gemm_fetch *f = &s->fetch;
  LLVMValueRef row = LLVMBuildLShr(g->b, qn__ll_mul(g, block, f->y_step), qn__ll_i64(g, FRACTION), "");
  lines(g, qn__ll_gep(g, f->y, qn__ll_mul(g, row, f->y_stride)), f->y_lines ? f->y_lines : 1, true);
}

void qn__ll_gemm_fetch(gemm_state *s, LLVMValueRef block, LLVMValueRef ahead) {
  gemm_fetch *f = &s->fetch;
  lines(s->g, ahead, 2, false);
  if (!f->a_step) return;
  lines(s->g, qn__ll_gep(s->g, f->a, qn__ll_mul(s->g, block, f->a_step)), 1, false);
  written(s, block);
}
