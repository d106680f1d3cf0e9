/* Windows as assembly whose epilogue is no chain: the sums of some pixels and channels go to memory, then comes the
 * epilogue as LLVM's instructions. Vectors of sums are stored whole: what would be left as it was past the last channel
 * may be tiny floats, which take long. */
#include "tile.h"
#include "window_write.h"

enum { PARKED = 16384 }; /* bytes of sums in memory at once */

typedef struct parked {
  text *t;
  window_tile w; /* whose results are the sums */
  LLVMValueRef fn, epilogue;
  LLVMValueRef rows, limit; /* so many pixels at once; up to that column, or pixel from the begin of their line on */
} parked;

/* Blocks of pixels end where groups of them do: whole lines, or parts of one. */
static void find_rows(parked *p, LLVMValueRef width) {
  qn_ll *g = p->t->g;
  LLVMValueRef one = qn__ll_i64(g, 1), columns = p->w.size[4];
  LLVMValueRef rows = LLVMBuildUDiv(g->b, qn__ll_i64(g, PARKED / p->t->y_size), width, "");
  LLVMValueRef lines =
      LLVMBuildICmp(g->b, LLVMIntULT, qn__ll_sub(g, columns, one), rows, ""); /* not where there are no columns */
  LLVMValueRef unit = LLVMBuildSelect(g->b, lines, columns, qn__ll_i64(g, p->t->pixels), "");
  p->rows = qn__ll_sub(g, rows, LLVMBuildURem(g->b, rows, unit, ""));
  p->limit = LLVMBuildSelect(g->b, lines, p->rows, columns, "");
}

static LLVMValueRef rows_from(parked *p, LLVMValueRef row) {
  qn_ll *g = p->t->g;
  LLVMValueRef column = LLVMBuildURem(g->b, row, p->w.size[4], "");
  return qn__ll_min(g, p->rows, qn__ll_sub(g, p->limit, column));
}

static void some_channels(parked *p, LLVMValueRef first, LLVMValueRef width) {
  text *t = p->t;
  qn_ll *g = t->g;
  qn_ll_for f;
  LLVMValueRef end = qn__ll_arg_end(g, 0);
  set(t, PACKED, qn__ll_i64(g, 1)); /* the first of these channels' calls */
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), end, 1, 0, NULL);
  f.step = qn__ll_min(g, rows_from(p, f.i), qn__ll_sub(g, end, f.i));
  qn__ll_window_start(t, &p->w, first, f.i, f.step, p->w.y);
  qn__ll_window_call(t, p->fn);
  set(t, PACKED, qn__ll_i64(g, 0));
  qn__ll_epilogue_rows(g, p->epilogue, p->w.y, f.i, f.step, first, width);
  qn__ll_for_end(g, &f, NULL);
}

void qn__ll_window_parked(text *t, const window_tile *outer, const qn_body *body, void (*write)(text *t),
                          uint32_t least, uint32_t most) {
  qn_ll *g = t->g;
  parked p = {.t = t, .w = *outer};
  LLVMValueRef all = p.w.size[1], one = qn__ll_i64(g, least), width = qn__ll_add(g, all, qn__ll_i64(g, least - 1));
  width = qn__ll_min(g, LLVMBuildAnd(g->b, width, qn__ll_i64(g, -(int64_t)least), ""), qn__ll_i64(g, most));
  width = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntEQ, all, qn__ll_i64(g, 0), ""), one, width, "");
  t->y_size = qn__ll_mem_bits(t->plan->acc) / 8, t->all = (qn_ll_chains){.count = 0};
  p.w.y = qn__ll_slot(g, g->i8, PARKED);
  p.w.y_pitch = qn__ll_mul(g, width, qn__ll_i64(g, t->y_size));
  find_rows(&p, width);
  qn__ll_function_quickly(g, g->fn);
  qn__ll_window_fields(t, &p.w);
  p.fn = qn__ll_window_function(t, body, write);
  p.epilogue = t->epilogue ? t->epilogue : qn__ll_epilogue_function(g, body, false, NULL, NULL);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), all, most, 0, NULL);
  set(t, CHANNELS_LEFT, qn__ll_min(g, qn__ll_i64(g, most), qn__ll_sub(g, all, f.i)));
  some_channels(&p, f.i, width);
  qn__ll_for_end(g, &f, NULL);
}
