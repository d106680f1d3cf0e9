/* Transposed MAPs: of the loop along which the input lies densely and the innermost one, along which the output does,
 * squares are turned around in registers. A whole square of a plain copy goes from memory to memory; at the edges, and
 * where something is computed, through a square on the stack. */
#include "transpose.h"

enum { MOST = 16, CHUNK = 256 }; /* side of a square; elements along the output done before moving along the input */

/* ---- in registers ---- */

/* The lanes of a and b in turn: of their first halves, or of their second. */
static LLVMValueRef in_turn(qn_ll *g, LLVMValueRef a, LLVMValueRef b, uint32_t side, bool second) {
  LLVMValueRef picks[MOST];
  for (uint32_t i = 0; i < side; i++) picks[i] = qn__ll_i32(g, (second ? side / 2 : 0) + i / 2 + (i % 2 ? side : 0));
  return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(picks, side), "");
}

/* Each step puts vectors that are half a square apart together; after log2(side) of them lanes are vectors. */
static void turn_around(qn_ll *g, LLVMValueRef *v, uint32_t side) {
  LLVMValueRef next[MOST];
  for (uint32_t step = 1; step < side; step *= 2) {
    for (uint32_t i = 0; i < side; i++) next[i] = in_turn(g, v[i / 2], v[i / 2 + side / 2], side, i % 2);
    for (uint32_t i = 0; i < side; i++) v[i] = next[i];
  }
}

static LLVMValueRef times(qn_ll *g, LLVMValueRef bytes, uint32_t k) {
  return qn__ll_mul(g, bytes, qn__ll_i64(g, k));
}

void qn__ll_square_turn(const qn_ll_square *s, LLVMValueRef from, LLVMValueRef from_stride, LLVMValueRef to,
                        LLVMValueRef to_stride) {
  qn_ll *g = s->n->g;
  LLVMValueRef v[MOST];
  if (qn__ll_transpose_has_text(s)) {
    qn__ll_transpose_turn(s, s->side, s->side, from, from_stride, to, to_stride);
    return;
  }
  for (uint32_t i = 0; i < s->side; i++)
    v[i] = qn__ll_load_vec(g, s->vector, qn__ll_gep(g, from, times(g, from_stride, i)), 1);
  turn_around(g, v, s->side);
  for (uint32_t i = 0; i < s->side; i++) qn__ll_store_vec(g, v[i], qn__ll_gep(g, to, times(g, to_stride, i)), 1);
}

/* ---- by way of the stack ---- */

typedef struct copying {
  qn_ll *g;
  qn_ll_place from, to;
} copying;

static void copy(void *user, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  copying *c = user;
  qn__ll_store(c->g, &c->to, index, lanes, mask, qn__ll_load(c->g, &c->from, index, lanes, mask));
}

static LLVMValueRef side_bytes(const qn_ll_square *s) {
  return qn__ll_i64(s->n->g, (int64_t)s->side * qn__ll_mem_bits(s->mem) / 8);
}

/* `count` vectors, of each `length` elements. */
static void copy_in(const qn_ll_square *s, LLVMValueRef from, LLVMValueRef count, LLVMValueRef length) {
  qn_ll *g = s->n->g;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), count, 1, 0, NULL);
  copying c = {g, {.mem = s->mem, .access = QN_ACCESS_DENSE}, {.mem = s->mem, .access = QN_ACCESS_DENSE}};
  c.from.base = qn__ll_gep(g, from, qn__ll_mul(g, f.i, s->in_stride));
  c.to.base = qn__ll_gep(g, s->room_in, qn__ll_mul(g, f.i, side_bytes(s)));
  qn__ll_span(g, qn__ll_i64(g, 0), length, copy, &c);
  qn__ll_for_end(g, &f, NULL);
}

static void compute(void *user, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  qn_ll_nest *n = user;
  qn__ll_region_load(&n->region, QN_LL_BY_LANE, n->places, index, lanes, mask);
  qn__ll_region_emit(&n->region, QN_LL_BY_LANE, 0, 0, lanes);
  qn__ll_region_store(&n->region, 0, &n->places[1], index, lanes, mask);
}

static void compute_out(const qn_ll_square *s, LLVMValueRef to, LLVMValueRef count, LLVMValueRef length) {
  qn_ll_nest *n = s->n;
  qn_ll *g = n->g;
  qn_ll_place kept[2] = {n->places[0], n->places[1]};
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), count, 1, 0, NULL);
  n->places[0].access = QN_ACCESS_DENSE;
  n->places[0].base = qn__ll_gep(g, s->room_out, qn__ll_mul(g, f.i, side_bytes(s)));
  n->places[1].base = qn__ll_gep(g, to, qn__ll_mul(g, f.i, s->out_stride));
  qn__ll_span(g, qn__ll_i64(g, 0), length, compute, n);
  qn__ll_for_end(g, &f, NULL);
  n->places[0] = kept[0], n->places[1] = kept[1];
}

/* ---- the loops ---- */

/* The square at element `i` along the input, `j` along the output. */
static void one_square(const qn_ll_square *s, LLVMValueRef i, LLVMValueRef j) {
  qn_ll_nest *n = s->n;
  qn_ll *g = n->g;
  LLVMValueRef side = qn__ll_i64(g, s->side), size = qn__ll_i64(g, (int64_t)qn__ll_mem_bits(s->mem) / 8);
  LLVMValueRef out_size = qn__ll_i64(g, (int64_t)qn__ll_mem_bits(n->places[1].mem) / 8);
  LLVMValueRef across = qn__ll_min(g, side, qn__ll_sub(g, n->tile_end, i));
  LLVMValueRef along = qn__ll_min(g, side, qn__ll_sub(g, n->end, j));
  LLVMValueRef from = qn__ll_gep(g, n->places[0].base, qn__ll_mul(g, i, size));
  from = qn__ll_gep(g, from, qn__ll_mul(g, j, s->in_stride));
  LLVMValueRef to = qn__ll_gep(g, n->places[1].base, qn__ll_mul(g, i, s->out_stride));
  to = qn__ll_gep(g, to, qn__ll_mul(g, j, out_size));
  LLVMValueRef edge = LLVMBuildICmp(g->b, LLVMIntSLT, qn__ll_min(g, across, along), side, "");
  LLVMValueRef by_room = s->plain ? edge : LLVMConstInt(g->i1, 1, false), pitch = side_bytes(s);
  qn_ll_if cut, rest;
  qn__ll_if_begin(g, &cut, edge);
  copy_in(s, from, along, across);
  qn__ll_if_end(g, &cut);
  qn__ll_square_turn(
      s, LLVMBuildSelect(g->b, edge, s->room_in, from, ""), LLVMBuildSelect(g->b, edge, pitch, s->in_stride, ""),
      LLVMBuildSelect(g->b, by_room, s->room_out, to, ""), LLVMBuildSelect(g->b, by_room, pitch, s->out_stride, ""));
  qn__ll_if_begin(g, &rest, by_room);
  compute_out(s, to, across, along);
  qn__ll_if_end(g, &rest);
}

static bool is_plain(const qn_ll_nest *n) {
  const qn_tape *t = n->region.tape;
  return t->insts[t->outputs[0]].op == QN_T_INPUT && n->places[0].mem != QN_I1 &&
         qn__ll_mem_bits(n->places[0].mem) == qn__ll_mem_bits(n->places[1].mem);
}

/* Elements [from, to) along the output, and [left, right) along the input. */
static void by_squares(const qn_ll_square *s, LLVMValueRef from, LLVMValueRef to, LLVMValueRef left,
                       LLVMValueRef right) {
  qn_ll *g = s->n->g;
  qn_ll_for chunk, across, along;
  qn__ll_for_begin(g, &chunk, from, to, CHUNK, 0, NULL);
  LLVMValueRef chunk_end = qn__ll_min(g, to, qn__ll_add(g, chunk.i, qn__ll_i64(g, CHUNK)));
  qn__ll_for_begin(g, &across, left, right, s->side, 0, NULL);
  qn__ll_for_begin(g, &along, chunk.i, chunk_end, s->side, 0, NULL);
  one_square(s, across.i, along.i);
  qn__ll_for_end(g, &along, NULL);
  qn__ll_for_end(g, &across, NULL);
  qn__ll_for_end(g, &chunk, NULL);
}

void qn__ll_transpose(qn_ll_nest *n) {
  qn_ll *g = n->g;
  uint32_t loops = n->plan->num_loops, bits = qn__ll_mem_bits(n->places[0].mem), side = g->isa->vector_bits / bits;
  qn_ll_square s = {.n = n, .side = side < MOST ? side : MOST, .mem = n->places[0].mem, .plain = is_plain(n)};
  if (s.mem == QN_I1) s.mem = QN_UI8;
  s.vector = LLVMVectorType(qn__ll_mem_type(g, s.mem), s.side);
  s.in_stride = n->stride[loops - 1];
  s.out_stride = n->stride[loops + n->tiled];
  if (s.plain && !n->stream && qn__ll_transpose_has_text(&s)) {
    qn__ll_transpose_by_text(&s);
    return;
  }
  s.room_in = qn__ll_slot(g, s.vector, s.side);
  s.room_out = qn__ll_slot(g, s.vector, s.side);
  if (!n->stream) {
    by_squares(&s, n->start, n->end, n->tile_start, n->tile_end);
    return;
  }
  LLVMValueRef rows_end, columns_end;
  qn_ll_for f;
  qn__ll_transpose_past(&s, &rows_end, &columns_end);
  /* What is left: of all rows the last columns, and of all columns the last rows. */
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, 2), 1, 0, NULL);
  LLVMValueRef second = LLVMBuildICmp(g->b, LLVMIntNE, f.i, qn__ll_i64(g, 0), "");
  by_squares(&s, LLVMBuildSelect(g->b, second, rows_end, n->start, ""),
             LLVMBuildSelect(g->b, second, n->end, rows_end, ""),
             LLVMBuildSelect(g->b, second, n->tile_start, columns_end, ""), n->tile_end);
  qn__ll_for_end(g, &f, NULL);
}
