/* Transposes that go past the caches. A column of the input is a row of the output, and lines of it may only be written
 * whole. So as many columns as make up a line of the input are taken, along a run of rows, turned around on the stack,
 * a square at a time, and what comes out is written in aligned vectors. Rows of the output start anywhere: what does
 * not fill a vector any more is carried to the next run, for a block of columns at a time. Lines of the next run are
 * fetched meanwhile, as no processor foresees that order.
 *
 *   for a block of columns: for a run of rows: for a line of columns: squares; rows of the output */
#include "transpose.h"

enum { LINE = 64, RUN = 2 * LINE, BLOCK = 512, RUNS_AHEAD = 2 }; /* bytes of input; bytes of output; columns; runs */

typedef struct turning {
  const qn_ll_square *s;
  LLVMTypeRef vector;          /* what is stored at once */
  uint32_t size, bytes, pitch; /* of an element, of such a vector, from row to row of what is turned around */
  uint32_t columns, rows;      /* of what is turned around at once */
  LLVMValueRef room, carried;
  LLVMValueRef first, last; /* the run is that */
} turning;

static LLVMValueRef times(qn_ll *g, LLVMValueRef n, uint32_t bytes) {
  return qn__ll_mul(g, n, qn__ll_i64(g, bytes));
}

/* Bytes by which a row of the output stands beyond an aligned place. */
static LLVMValueRef beyond(const turning *t, LLVMValueRef to) {
  qn_ll *g = t->s->n->g;
  return LLVMBuildAnd(g->b, LLVMBuildPtrToInt(g->b, to, g->i64, ""), qn__ll_i64(g, t->bytes - 1), "");
}

static LLVMValueRef back_by(qn_ll *g, LLVMValueRef at, LLVMValueRef bytes) {
  return qn__ll_gep(g, at, LLVMBuildNeg(g->b, bytes, ""));
}

static LLVMValueRef row_of(const turning *t, LLVMValueRef i) {
  return qn__ll_gep(t->s->n->g, t->room, times(t->s->n->g, i, t->pitch));
}

static void copy_bytes(qn_ll *g, LLVMValueRef from, LLVMValueRef to, LLVMValueRef begin, LLVMValueRef end) {
  qn_ll_for f;
  qn__ll_for_begin(g, &f, begin, end, 1, 0, NULL);
  qn__ll_store_vec(g, qn__ll_load_vec(g, g->i8, qn__ll_gep(g, from, f.i), 1), qn__ll_gep(g, to, f.i), 1);
  qn__ll_for_end(g, &f, NULL);
}

/* What the run before has left of each row goes in front of it. */
static void take_up(const turning *t, LLVMValueRef carried, LLVMValueRef to) {
  qn_ll *g = t->s->n->g;
  qn_ll_if later;
  qn_ll_for f;
  qn__ll_if_begin(g, &later, LLVMBuildNot(g->b, t->first, ""));
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, t->columns), 1, 0, NULL);
  LLVMValueRef past = beyond(t, qn__ll_gep(g, to, qn__ll_mul(g, f.i, t->s->out_stride)));
  LLVMValueRef left = qn__ll_load_vec(g, t->vector, qn__ll_gep(g, carried, times(g, f.i, t->bytes)), t->bytes);
  qn__ll_store_vec(g, left, back_by(g, qn__ll_gep_const(g, row_of(t, f.i), t->bytes), past), 1);
  qn__ll_for_end(g, &f, NULL);
  qn__ll_if_end(g, &later);
}

/* As many vectors as a run has bytes for, wherever they start; one less where the row does not begin with a whole one.
 */
static void write_row(const turning *t, LLVMValueRef row, LLVMValueRef to, LLVMValueRef carried) {
  qn_ll *g = t->s->n->g;
  LLVMValueRef past = beyond(t, to), zero = qn__ll_i64(g, 0), whole = qn__ll_i64(g, t->bytes);
  LLVMValueRef at = back_by(g, to, past), from = back_by(g, qn__ll_gep_const(g, row, t->bytes), past);
  LLVMValueRef cut = LLVMBuildAnd(g->b, t->first, LLVMBuildICmp(g->b, LLVMIntNE, past, zero, ""), "");
  qn_ll_if begins, starts, ends, goes_on;
  qn__ll_if_begin(g, &begins, cut);
  copy_bytes(g, from, at, past, whole);
  qn__ll_if_end(g, &begins);
  qn__ll_if_begin(g, &starts, LLVMBuildNot(g->b, cut, ""));
  qn__ll_store_past(g, qn__ll_load_vec(g, t->vector, from, 1), at);
  qn__ll_if_end(g, &starts);
  for (uint32_t k = t->bytes; k < RUN; k += t->bytes)
    qn__ll_store_past(g, qn__ll_load_vec(g, t->vector, qn__ll_gep_const(g, from, k), 1), qn__ll_gep_const(g, at, k));
  from = qn__ll_gep_const(g, from, RUN), at = qn__ll_gep_const(g, at, RUN);
  qn__ll_if_begin(g, &ends, t->last);
  copy_bytes(g, from, at, zero, past);
  qn__ll_if_end(g, &ends);
  qn__ll_if_begin(g, &goes_on, LLVMBuildNot(g->b, t->last, ""));
  qn__ll_store_vec(g, qn__ll_load_vec(g, t->vector, from, 1), carried, t->bytes);
  qn__ll_if_end(g, &goes_on);
}

static void fetch(const turning *t, LLVMValueRef from, uint32_t rows) {
  qn_ll *g = t->s->n->g;
  LLVMValueRef ahead = qn__ll_gep(g, from, times(g, t->s->in_stride, RUNS_AHEAD * t->rows));
  qn_ll_for f;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, rows), 1, 0, NULL);
  qn__ll_fetch(g, qn__ll_gep(g, ahead, qn__ll_mul(g, t->s->in_stride, f.i)), false, QN_LL_SECOND);
  qn__ll_for_end(g, &f, NULL);
}

/* Small elements: a whole line of each of as many rows as 16 bytes have elements, of which every quarter of a vector is
 * a square of its own. */
static bool by_quarters(const turning *t) {
  return t->bytes == LINE && t->size < 4;
}

static LLVMValueRef in_turn(const turning *t, LLVMValueRef a, LLVMValueRef b, bool second) {
  qn_ll *g = t->s->n->g;
  LLVMValueRef picks[LINE];
  uint32_t n = LINE / t->size, side = n / 4;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t k = i % side;
    picks[i] = qn__ll_i32(g, i - k + (second ? side / 2 : 0) + k / 2 + (k % 2 ? n : 0));
  }
  return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(picks, n), "");
}

static void turn_quarters(const turning *t, LLVMValueRef from, LLVMValueRef to) {
  qn_ll *g = t->s->n->g;
  LLVMValueRef v[16], next[16];
  uint32_t n = LINE / t->size, side = n / 4;
  LLVMTypeRef type = LLVMVectorType(qn__ll_mem_type(g, t->s->mem), n);
  for (uint32_t i = 0; i < side; i++)
    v[i] = qn__ll_load_vec(g, type, qn__ll_gep(g, from, times(g, t->s->in_stride, i)), 1);
  for (uint32_t step = 1; step < side; step *= 2) {
    for (uint32_t i = 0; i < side; i++) next[i] = in_turn(t, v[i / 2], v[i / 2 + side / 2], i % 2);
    for (uint32_t i = 0; i < side; i++) v[i] = next[i];
  }
  for (uint32_t q = 0; q < 4; q++)
    for (uint32_t i = 0; i < side; i++) {
      LLVMValueRef picks[16];
      for (uint32_t k = 0; k < side; k++) picks[k] = qn__ll_i32(g, q * side + k);
      LLVMValueRef part = LLVMBuildShuffleVector(g->b, v[i], LLVMGetPoison(type), LLVMConstVector(picks, side), "");
      qn__ll_store_vec(g, part, qn__ll_gep_const(g, to, (int64_t)(q * side + i) * t->pitch), 1);
    }
}

static void turn_squares(const turning *t, LLVMValueRef from, LLVMValueRef to) {
  qn_ll *g = t->s->n->g;
  for (uint32_t c = 0; c < t->columns; c += t->s->side)
    qn__ll_square_turn(t->s, qn__ll_gep_const(g, from, (int64_t)c * t->size), t->s->in_stride,
                       qn__ll_gep_const(g, to, (int64_t)c * t->pitch), qn__ll_i64(g, t->pitch));
}

static void turn_around(const turning *t, LLVMValueRef from) {
  qn_ll *g = t->s->n->g;
  bool text = qn__ll_transpose_has_text(t->s) && t->size != 2; /* of which quarters are a little faster */
  uint32_t step = text ? LINE / t->size : by_quarters(t) ? 16 / t->size : t->s->side;
  qn_ll_for along;
  qn__ll_do_begin(g, &along, qn__ll_i64(g, 0), qn__ll_i64(g, t->rows), step, 0, NULL);
  LLVMValueRef here = qn__ll_gep(g, from, qn__ll_mul(g, along.i, t->s->in_stride));
  LLVMValueRef there = qn__ll_gep(g, qn__ll_gep_const(g, t->room, t->bytes), times(g, along.i, t->size));
  fetch(t, here, step);
  if (text)
    qn__ll_transpose_turn(t->s, step, t->columns, here, t->s->in_stride, there, qn__ll_i64(g, t->pitch));
  else if (by_quarters(t))
    turn_quarters(t, here, there);
  else
    turn_squares(t, here, there);
  qn__ll_for_end(g, &along, NULL);
}

/* Columns from c on, rows from j on; `carried` is that of column c. */
static void one_line(const turning *t, LLVMValueRef c, LLVMValueRef j, LLVMValueRef carried) {
  const qn_ll_square *s = t->s;
  qn_ll *g = s->n->g;
  LLVMValueRef from = qn__ll_gep(g, s->n->places[0].base, times(g, c, t->size));
  LLVMValueRef to = qn__ll_gep(g, s->n->places[1].base, times(g, j, t->size));
  from = qn__ll_gep(g, from, qn__ll_mul(g, j, s->in_stride));
  to = qn__ll_gep(g, to, qn__ll_mul(g, c, s->out_stride));
  take_up(t, carried, to);
  turn_around(t, from);
  qn_ll_for f;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, t->columns), 1, 0, NULL);
  write_row(t, row_of(t, f.i), qn__ll_gep(g, to, qn__ll_mul(g, f.i, s->out_stride)),
            qn__ll_gep(g, carried, times(g, f.i, t->bytes)));
  qn__ll_for_end(g, &f, NULL);
}

static LLVMValueRef whole_steps(qn_ll *g, LLVMValueRef start, LLVMValueRef end, uint32_t step) {
  LLVMValueRef n = LLVMBuildSDiv(g->b, qn__ll_sub(g, end, start), qn__ll_i64(g, step), "");
  return qn__ll_add(g, start, times(g, n, step));
}

void qn__ll_transpose_past(const qn_ll_square *s, LLVMValueRef *rows_end, LLVMValueRef *columns_end) {
  qn_ll_nest *n = s->n;
  qn_ll *g = n->g;
  turning t = {.s = s, .size = qn__ll_mem_bits(s->mem) / 8, .bytes = g->isa->vector_bits / 8};
  t.vector = LLVMVectorType(g->i32, t.bytes / 4);
  t.columns = LINE / t.size > s->side ? LINE / t.size : s->side;
  t.rows = RUN / t.size, t.pitch = RUN + 2 * t.bytes;
  t.room = qn__ll_slot(g, g->i8, t.columns * t.pitch);
  t.carried = qn__ll_slot(g, g->i8, BLOCK * t.bytes);
  *rows_end = whole_steps(g, n->start, n->end, t.rows);
  *columns_end = whole_steps(g, n->tile_start, n->tile_end, t.columns);
  qn_ll_for block, run, line;
  qn__ll_for_begin(g, &block, n->tile_start, *columns_end, BLOCK, 0, NULL);
  LLVMValueRef end = qn__ll_min(g, *columns_end, qn__ll_add(g, block.i, qn__ll_i64(g, BLOCK)));
  qn__ll_for_begin(g, &run, n->start, *rows_end, t.rows, 0, NULL);
  t.first = LLVMBuildICmp(g->b, LLVMIntEQ, run.i, n->start, "");
  t.last = LLVMBuildICmp(g->b, LLVMIntEQ, qn__ll_add(g, run.i, qn__ll_i64(g, t.rows)), *rows_end, "");
  qn__ll_for_begin(g, &line, block.i, end, t.columns, 0, NULL);
  one_line(&t, line.i, run.i, qn__ll_gep(g, t.carried, times(g, qn__ll_sub(g, line.i, block.i), t.bytes)));
  qn__ll_for_end(g, &line, NULL);
  qn__ll_for_end(g, &run, NULL);
  qn__ll_for_end(g, &block, NULL);
}
