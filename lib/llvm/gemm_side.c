/* The last columns of a product, where they are few. As a vector of columns they would take as long as if it were full;
 * so they are multiplied along K: vectors of a row's values by vectors of a column's, and in the end each sum's lanes
 * are added up. (Sums of integers come out the same in any order.)
 *
 * A column of a panel is gathered first, a piece of K at a time, for as many rows as there is room for sums. The last
 * vector of a row's piece ends where the piece does, over values that were multiplied before: beside it stands a vector
 * of the column with zeros for those. Nothing outside a row is read; rows after the last one are the last one again. */
#include "gemm_impl.h"

enum { SIDE_ROWS = 512, PIECE_BYTES = 16384, WORD = 4, GROUP = QN_LL_SIDE_GROUP };

typedef struct side {
  qn_ll *g;
  const qn_gemm_plan *plan;
  qn_ll_tile tile;
  uint32_t columns, rows; /* of the product; of a tile */
  int64_t vector;         /* bytes */
  int64_t piece, room;    /* bytes of K taken at once; of a gathered column */
  LLVMValueRef a, a_stride, count, b, bytes, start, sums;
  LLVMValueRef gathered, starts, lanes; /* memory: columns; start values of a tile; its sums by lanes */
  LLVMValueRef from, length;            /* of the piece at hand */
} side;

/* As many rows as registers have sums for, where their sums are whole groups. */
static uint32_t tile_rows(const qn_isa *isa, uint32_t columns) {
  for (uint32_t rows = GROUP; rows > 1; rows /= 2)
    if (rows * columns + 3 <= isa->num_registers && rows * columns % GROUP == 0) return rows;
  return 1;
}

static LLVMValueRef column_at(side *s, LLVMValueRef memory, int64_t pitch, uint32_t c) {
  return qn__ll_gep_const(s->g, memory, pitch * c);
}

/* ---- columns ---- */

static void gather(side *s) {
  qn_ll *g = s->g;
  int64_t block = (int64_t)s->plan->layout.panel_width * WORD;
  LLVMValueRef words = LLVMBuildLShr(g->b, qn__ll_add(g, s->length, qn__ll_i64(g, WORD - 1)), qn__ll_i64(g, 2), "");
  LLVMValueRef carried[2] = {qn__ll_gep(g, s->b, qn__ll_mul(g, s->from, qn__ll_i64(g, block / WORD))), s->gathered};
  qn_ll_for f;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), words, 1, 2, carried);
  for (uint32_t c = 0; c < s->columns; c++) {
    LLVMValueRef x = qn__ll_load_vec(g, g->i32, qn__ll_gep_const(g, carried[0], (int64_t)c * WORD), 1);
    qn__ll_store_vec(g, x, column_at(s, carried[1], s->room, c), 1);
  }
  carried[0] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[0], block), "");
  carried[1] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[1], WORD), "");
  qn__ll_for_end(g, &f, carried);
}

/* In place of the column's last vector, of which `rest` bytes are left, those at its end and zeros before. */
static void make_tails(side *s, LLVMValueRef whole, LLVMValueRef rest) {
  qn_ll *g = s->g;
  uint32_t size = (uint32_t)s->vector;
  LLVMTypeRef type = LLVMVectorType(g->i8, size);
  LLVMValueRef numbers[64];
  for (uint32_t i = 0; i < size; i++) numbers[i] = LLVMConstInt(g->i8, i, false);
  LLVMValueRef first = qn__ll_sub(g, qn__ll_i64(g, size), rest);
  LLVMValueRef firsts = qn__ll_splat(g, LLVMBuildTrunc(g->b, first, g->i8, ""), size);
  LLVMValueRef counts = LLVMBuildICmp(g->b, LLVMIntUGE, LLVMConstVector(numbers, size), firsts, "");
  LLVMValueRef last = qn__ll_sub(g, s->length, qn__ll_i64(g, size));
  for (uint32_t c = 0; c < s->columns; c++) {
    LLVMValueRef x = qn__ll_load_vec(g, type, qn__ll_gep(g, column_at(s, s->gathered, s->room, c), last), 1);
    x = LLVMBuildSelect(g->b, counts, x, LLVMConstNull(type), "");
    qn__ll_store_vec(g, x, qn__ll_gep(g, column_at(s, s->gathered, s->room, c), whole), 1);
  }
}

/* ---- sums ---- */

static qn_ll_operand operand_at(side *s, LLVMValueRef at) {
  return (qn_ll_operand){{qn__ll_load_vec(s->g, s->tile.acc_type, at, 1)}, 0};
}

/* All rows by all columns, at `at` bytes of the piece in rows: rows stay in registers where there are some left. */
static void multiply(side *s, LLVMValueRef *acc, LLVMValueRef *rows, LLVMValueRef at, LLVMValueRef columns) {
  qn_ll *g = s->g;
  bool keep = s->rows * (s->columns + 1) + 1 <= g->isa->num_registers;
  uint32_t outer = keep ? s->columns : s->rows, inner = keep ? s->rows : s->columns;
  qn_ll_operand a[GROUP], b;
  for (uint32_t r = 0; keep && r < s->rows; r++) a[r] = operand_at(s, qn__ll_gep(g, rows[r], at));
  for (uint32_t i = 0; i < outer; i++) {
    if (!keep) a[i] = operand_at(s, qn__ll_gep(g, rows[i], at));
    for (uint32_t j = 0; j < inner; j++) {
      uint32_t r = keep ? j : i, c = keep ? i : j;
      if (!keep || j == 0) b = operand_at(s, column_at(s, columns, s->room, c));
      LLVMValueRef *sum = &acc[r * s->columns + c];
      *sum = s->tile.dot->madd(&s->tile, *sum, &a[r], &b);
    }
  }
}

static LLVMValueRef shuffled(qn_ll *g, LLVMValueRef a, LLVMValueRef b, const uint32_t *picks, uint32_t n) {
  LLVMValueRef at[64];
  for (uint32_t i = 0; i < n; i++) at[i] = qn__ll_i32(g, picks[i]);
  return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(at, n), "");
}

/* In each four lanes half the sums of both, lanes `low` + 0 and 1 of each of them side by side or in turns. */
static LLVMValueRef fold(qn_ll *g, LLVMValueRef a, LLVMValueRef b, uint32_t lanes, bool turns) {
  uint32_t low[64], high[64];
  for (uint32_t i = 0; i < lanes; i++) {
    uint32_t within = i % GROUP, from = turns ? within % 2 : within / 2, lane = turns ? within / 2 : within % 2;
    low[i] = from * lanes + i / GROUP * GROUP + lane;
    high[i] = low[i] + 2;
  }
  return LLVMBuildAdd(g->b, shuffled(g, a, b, low, lanes), shuffled(g, a, b, high, lanes), "");
}

/* A vector of four from as many vectors: the sum of each one's lanes. */
static LLVMValueRef sums_of_lanes(qn_ll *g, const LLVMValueRef v[GROUP], uint32_t lanes) {
  LLVMValueRef x = fold(g, fold(g, v[0], v[1], lanes, true), fold(g, v[2], v[3], lanes, true), lanes, false);
  uint32_t low[64], high[64];
  for (; lanes > GROUP; lanes /= 2) {
    for (uint32_t i = 0; i < lanes / 2; i++) low[i] = i, high[i] = lanes / 2 + i;
    LLVMValueRef none = LLVMGetUndef(LLVMTypeOf(x));
    x = LLVMBuildAdd(g->b, shuffled(g, x, none, low, lanes / 2), shuffled(g, x, none, high, lanes / 2), "");
  }
  return x;
}

/* Of a tile, to what the sums start from or were before. */
static void add_lanes(side *s, LLVMValueRef to) {
  qn_ll *g = s->g;
  qn_ll_for f;
  LLVMValueRef first = LLVMBuildICmp(g->b, LLVMIntEQ, s->from, qn__ll_i64(g, 0), ""), v[GROUP];
  LLVMValueRef carried[3] = {s->lanes, to, LLVMBuildSelect(g->b, first, s->starts, to, "")};
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, s->rows * s->columns), GROUP, 3, carried);
  for (uint32_t i = 0; i < GROUP; i++)
    v[i] = qn__ll_load_vec(g, s->tile.acc_type, qn__ll_gep_const(g, carried[0], i * s->vector), 64);
  LLVMValueRef x = sums_of_lanes(g, v, s->tile.acc_lanes);
  LLVMValueRef start = qn__ll_load_vec(g, LLVMTypeOf(x), carried[2], 1);
  qn__ll_store_vec(g, LLVMBuildAdd(g->b, x, start, ""), carried[1], 1);
  carried[0] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[0], GROUP * s->vector), "");
  for (uint32_t i = 1; i < 3; i++)
    carried[i] = LLVMBuildFreeze(g->b, qn__ll_gep_const(g, carried[i], (int64_t)GROUP * WORD), "");
  qn__ll_for_end(g, &f, carried);
}

/* ---- loops ---- */

static void one_tile(side *s, LLVMValueRef row, LLVMValueRef whole) {
  qn_ll *g = s->g;
  uint32_t count = s->rows * s->columns;
  LLVMValueRef acc[QN_LL_MAX_CARRIED], rows[GROUP], last = qn__ll_sub(g, s->count, qn__ll_i64(g, 1));
  qn_ll_for f;
  for (uint32_t r = 0; r < s->rows; r++) {
    LLVMValueRef at = qn__ll_min(g, qn__ll_add(g, row, qn__ll_i64(g, r)), last);
    rows[r] = qn__ll_gep(g, s->a, qn__ll_add(g, qn__ll_mul(g, at, s->a_stride), s->from));
  }
  for (uint32_t i = 0; i < count; i++) acc[i] = LLVMConstNull(s->tile.acc_type);
  LLVMValueRef last_vector = qn__ll_sub(g, s->length, qn__ll_i64(g, s->vector));
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_add(g, whole, qn__ll_i64(g, 1)), s->vector, count, acc);
  multiply(s, acc, rows, qn__ll_min(g, f.i, last_vector), qn__ll_gep(g, s->gathered, f.i));
  qn__ll_for_end(g, &f, acc);
  for (uint32_t i = 0; i < count; i++) qn__ll_store_vec(g, acc[i], qn__ll_gep_const(g, s->lanes, i * s->vector), 64);
  add_lanes(s, qn__ll_gep(g, s->sums, qn__ll_mul(g, row, qn__ll_i64(g, (int64_t)s->columns * WORD))));
}

static void piece_text(side *s, LLVMValueRef whole) {
  qn_ll *g = s->g;
  uint32_t width = s->plan->layout.panel_width;
  LLVMValueRef first = LLVMBuildICmp(g->b, LLVMIntEQ, s->from, qn__ll_i64(g, 0), "");
  qn_ll_side_piece p = {.columns = s->columns, .rows = s->rows, .words_apart = width, .room = s->room};
  p.columns_at = qn__ll_gep(g, s->b, qn__ll_mul(g, s->from, qn__ll_i64(g, width)));
  p.gathered = s->gathered, p.length = s->length, p.whole = whole;
  p.rows_at = qn__ll_gep(g, s->a, s->from), p.stride = s->a_stride, p.count = s->count, p.sums = s->sums;
  LLVMValueRef step = qn__ll_i64(g, (int64_t)s->rows * s->columns * WORD);
  p.start = LLVMBuildSelect(g->b, first, s->starts, s->sums, "");
  p.start_step = LLVMBuildSelect(g->b, first, qn__ll_i64(g, 0), step, "");
  qn__ll_side_columns_text(g, &p);
  qn__ll_side_rows_text(&s->tile, &p);
}

static void one_piece(side *s) {
  qn_ll *g = s->g;
  qn_ll_for f;
  LLVMValueRef before_last = qn__ll_sub(g, s->length, qn__ll_i64(g, 1));
  LLVMValueRef whole = LLVMBuildAnd(g->b, before_last, qn__ll_i64(g, -s->vector), "");
  qn_ll_outline columns, tiles;
  if (qn__ll_side_text_serves(&s->tile)) {
    piece_text(s, whole);
    return;
  }
  qn__ll_outline_begin(g, &columns, "_columns");
  gather(s);
  make_tails(s, whole, qn__ll_sub(g, s->length, whole));
  qn__ll_outline_end(g, &columns);
  qn__ll_outline_begin(g, &tiles, "_tiles");
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), s->count, s->rows, 0, NULL);
  one_tile(s, f.i, whole);
  qn__ll_for_end(g, &f, NULL);
  qn__ll_outline_end(g, &tiles);
}

static void all_pieces(side *s) {
  qn_ll *g = s->g;
  qn_ll_for f;
  uint32_t row = s->columns * WORD;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, (int64_t)s->rows * row), row, 0, NULL);
  for (uint32_t at = 0; at < row; at += WORD) {
    LLVMValueRef x = qn__ll_load_vec(g, g->i32, qn__ll_gep_const(g, s->start, at), 1);
    qn__ll_store_vec(g, x, qn__ll_gep(g, qn__ll_gep_const(g, s->starts, at), f.i), 1);
  }
  qn__ll_for_end(g, &f, NULL);
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), s->bytes, s->piece, 0, NULL);
  s->from = f.i;
  s->length = qn__ll_min(g, qn__ll_sub(g, s->bytes, f.i), qn__ll_i64(g, s->piece));
  one_piece(s);
  qn__ll_for_end(g, &f, NULL);
}

/* ---- the function ---- */

enum { GIVEN = 7 };

static LLVMTypeRef signature(qn_ll *g) {
  LLVMTypeRef params[GIVEN] = {g->ptr, g->i64, g->i64, g->ptr, g->i64, g->ptr, g->ptr};
  return LLVMFunctionType(g->void_t, params, GIVEN, false);
}

static LLVMValueRef write_function(const qn_ll_tile *tile, const char *symbol) {
  qn_ll *g = tile->g;
  qn_ll_inner f;
  side s = {.g = g, .plan = tile->plan, .tile = *tile, .columns = tile->plan->side};
  qn__ll_inner_begin(g, &f, qn__arena_fmt(g->arena, "%s_side", symbol).data, signature(g));
  qn__ll_function_quickly(g, f.fn);
  LLVMValueRef *given[GIVEN] = {&s.a, &s.a_stride, &s.count, &s.b, &s.bytes, &s.start, &s.sums};
  for (uint32_t i = 0; i < GIVEN; i++) *given[i] = LLVMGetParam(f.fn, i);
  s.rows = tile_rows(g->isa, s.columns);
  s.vector = g->isa->vector_bits / 8;
  s.piece = PIECE_BYTES / s.columns & -s.vector;
  /* A line between columns, of which not all then have the same place in the cache; and one in front. */
  s.room = s.piece + s.vector;
  s.tile.acc_lanes = g->lanes;
  s.tile.acc_elem = g->i32;
  s.tile.acc_type = qn__ll_lanes(g->i32, g->lanes);
  s.gathered = qn__ll_slot(g, g->i8, (uint32_t)(s.room * s.columns + s.vector));
  s.gathered = qn__ll_gep_const(g, s.gathered, s.vector);
  s.lanes = qn__ll_slot(g, g->i8, (uint32_t)s.vector * s.rows * s.columns);
  s.starts = qn__ll_slot(g, g->i32, s.rows * s.columns);
  all_pieces(&s);
  qn__ll_inner_end(g, &f);
  return f.fn;
}

void qn__ll_gemm_side(const qn_ll_tile *tile, const qn_ll_side *s, const char *symbol,
                      void (*results)(void *user, LLVMValueRef row, LLVMValueRef rows, LLVMValueRef sums), void *user) {
  qn_ll *g = tile->g;
  uint32_t columns = tile->plan->side;
  LLVMValueRef fn = write_function(tile, symbol), most = qn__ll_i64(g, SIDE_ROWS);
  /* Whole tiles are written, whole vectors read. */
  LLVMValueRef sums = qn__ll_slot(g, g->i32, (SIDE_ROWS + GROUP) * columns + g->lanes);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, s->begin, s->end, SIDE_ROWS, 0, NULL);
  LLVMValueRef rows = qn__ll_min(g, qn__ll_sub(g, s->end, f.i), most);
  LLVMValueRef a = qn__ll_gep(g, s->a, qn__ll_mul(g, f.i, s->a_stride));
  LLVMValueRef args[GIVEN] = {a, s->a_stride, rows, s->b, s->bytes, s->start, sums};
  LLVMBuildCall2(g->b, signature(g), fn, args, GIVEN, "");
  results(user, f.i, rows, sums);
  qn__ll_for_end(g, &f, NULL);
}
