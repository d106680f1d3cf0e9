/* GEMM tiles of bytes in AMX's tile registers: 16 rows of A by 64 bytes of k, times 16 blocks of four k by 16 columns
 * of B, which is 16 blocks of a panel "k4nW" as they lie: rows of 64 bytes, a block apart. So both operands are read in
 * place, by loads with a stride.
 *
 * One or two tiles of rows (a body's height, up to 32) by two of columns are summed at once:
 *
 *   registers  0..3 sums [row tile * column tiles + column tile]   4, 5 A   6, 7 B
 *
 * What bounds them is loading: four loads to four products, each of which takes 8 cycles from the first level and 20
 * from the second. So rows of A stay in the first level while B's panels pass, which loads say that expect no use
 * again. Every other panel is taken from its end to its beginning: what of A was used last is used first then, and a
 * part of it is found even where all of it does not fit.
 *
 * Results of one unit of columns are made while the next one multiplies, some rows at each step of k. */
#include "amx.h"
#include <string.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64, TILE_COLUMNS = 16, FIRST_A = 4, FIRST_B = 6 };
/* Rows that are not aligned to lines are copied, as loads that cross lines take six times as long: so many steps of k
 * at once, whose sums wait in memory where there are more. */
enum { PIECE_STEPS = 32, STEP_BYTES = 2 * TILE_ROWS * TILE_BYTES };
enum { MOST_WAITING = 8 };      /* units of columns with sums in memory */
enum { CHUNK_BYTES = 1 << 20 }; /* of B, which the second level keeps from rows to rows */
enum { ROWS_AT_ONCE = 8 };      /* that become results at some step of k */

/* Results that are to be made: rows of sums, of which `done` are. In memory, as they are used across loops. */
typedef struct amx_pending {
  LLVMValueRef sums, row, column, done;
} amx_pending;

typedef struct amx_state {
  qn_ll *g;
  const qn_gemm_plan *plan;
  uint32_t rows, row_tiles, column_tiles; /* of a body */
  uint32_t height[2];                     /* of each tile of rows */
  LLVMValueRef epilogue, a, a_stride, b, b_stride, b_row, k_size;
  LLVMValueRef steps, rest,
      rest_at;        /* whole steps of k; bytes after them; the last 64 bytes of K's blocks begin here */
  LLVMValueRef packs; /* rows are copied */
  LLVMValueRef copied, a_rest, sums; /* on the stack */
  LLVMValueRef turn;                 /* memory: odd where k is taken backwards */
  qn_ll_amx_windows windows;         /* of images */
  amx_pending pending;
} amx_state;

/* An instruction: tile numbers first, then what it reads or writes. */
static void tile_op(qn_ll *g, const char *name, uint32_t num_args, LLVMValueRef *args) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  if (id == 0) {
    g->failed = true;
    return;
  }
  LLVMTypeRef type = LLVMIntrinsicGetType(g->ctx, id, NULL, 0);
  LLVMBuildCall2(g->b, type, LLVMGetIntrinsicDeclaration(g->mod, id, NULL, 0), args, num_args, "");
}

static LLVMValueRef number(qn_ll *g, uint32_t tile) {
  return LLVMConstInt(g->i8, tile, false);
}

static void tile_move(qn_ll *g, const char *name, uint32_t tile, LLVMValueRef at, LLVMValueRef stride) {
  LLVMValueRef args[3] = {number(g, tile), at, stride};
  tile_op(g, name, 3, args);
}

/* What is used again, and what is not. */
static void load_kept(qn_ll *g, uint32_t tile, LLVMValueRef at, LLVMValueRef stride) {
  tile_move(g, "llvm.x86.tileloadd64", tile, at, stride);
}

static void load_passing(qn_ll *g, uint32_t tile, LLVMValueRef at, LLVMValueRef stride) {
  tile_move(g, "llvm.x86.tileloaddt164", tile, at, stride);
}

/* ---- shapes of the registers ---- */

/* Bytes 16.. of the configuration are widths, 16 bits each, bytes 48.. are heights. */
static LLVMValueRef usual_shapes(const amx_state *s) {
  qn_ll *g = s->g;
  unsigned char bytes[64] = {1}; /* palette */
  uint32_t sums = s->row_tiles * s->column_tiles;
  for (uint32_t t = 0; t < 8; t++) {
    bool sum = t < sums, left = t >= FIRST_A && t < FIRST_A + s->row_tiles;
    if (!sum && !left && t < FIRST_B) continue;
    bytes[16 + 2 * t] = TILE_BYTES;
    bytes[48 + t] = (unsigned char)(sum ? s->height[t / s->column_tiles] : left ? s->height[t - FIRST_A] : TILE_ROWS);
  }
  LLVMValueRef words[8];
  for (uint32_t i = 0; i < 8; i++) {
    uint64_t word;
    memcpy(&word, bytes + 8 * i, sizeof word);
    words[i] = qn__ll_bits(g, g->i64, word);
  }
  return LLVMConstVector(words, 8);
}

/* Blocks of K that fill no registers make them smaller. */
static void configure(const amx_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef shapes = qn__ll_slot(g, g->i64, 8);
  qn__ll_store_vec(g, usual_shapes(s), shapes, 64);
  LLVMValueRef blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, s->k_size, qn__ll_i64(g, 3)), qn__ll_i64(g, 4), "");
  LLVMValueRef none = LLVMBuildICmp(g->b, LLVMIntEQ, blocks, qn__ll_i64(g, 0), "");
  blocks = LLVMBuildSelect(g->b, none, qn__ll_i64(g, 1), qn__ll_min(g, blocks, qn__ll_i64(g, TILE_ROWS)), "");
  LLVMValueRef height = LLVMBuildTrunc(g->b, blocks, g->i8, "");
  LLVMValueRef width = LLVMBuildShl(g->b, LLVMBuildTrunc(g->b, blocks, g->i16, ""), LLVMConstInt(g->i16, 2, false), "");
  for (uint32_t r = 0; r < s->row_tiles; r++)
    LLVMBuildStore(g->b, width, qn__ll_gep_const(g, shapes, 16 + 2 * (FIRST_A + r)));
  for (uint32_t c = 0; c < 2; c++) LLVMBuildStore(g->b, height, qn__ll_gep_const(g, shapes, 48 + FIRST_B + c));
  tile_op(g, "llvm.x86.ldtilecfg", 1, &shapes);
}

/* ---- rows of A ---- */

static LLVMTypeRef line(qn_ll *g) {
  return LLVMVectorType(g->i8, TILE_BYTES);
}

/* 64 bytes of each row from a[] on, all or under a mask of bytes, to `to`. */
static void copy_lines(amx_state *s, LLVMValueRef a, LLVMValueRef mask, LLVMValueRef to) {
  qn_ll *g = s->g;
  qn_ll_for rows;
  qn__ll_for_begin(g, &rows, qn__ll_i64(g, 0), qn__ll_i64(g, s->rows), 1, 0, NULL);
  LLVMValueRef from = qn__ll_gep(g, a, qn__ll_mul(g, rows.i, s->a_stride)), x;
  if (mask) {
    LLVMTypeRef overloads[2] = {line(g), g->ptr};
    LLVMValueRef args[4] = {from, qn__ll_i32(g, 1), mask, LLVMConstNull(line(g))};
    x = qn__ll_intrinsic(g, "llvm.masked.load", 2, overloads, 4, args);
  } else {
    x = qn__ll_load_vec(g, line(g), from, 1);
  }
  qn__ll_store_vec(g, x, qn__ll_gep(g, to, qn__ll_mul(g, rows.i, qn__ll_i64(g, TILE_BYTES))), TILE_BYTES);
  qn__ll_for_end(g, &rows, NULL);
}

/* What K leaves over of whole steps lies at the end of its last 64 bytes, zeros before it: so B's last 16 blocks are
 * what they are multiplied with, and none behind them is read. */
static void copy_rest(amx_state *s, LLVMValueRef a) {
  qn_ll *g = s->g;
  qn_ll_if some;
  LLVMValueRef zero = qn__ll_i64(g, 0), all = qn__ll_i64(g, -1);
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSGT, s->rest, zero, ""));
  LLVMValueRef done = qn__ll_mul(g, s->steps, qn__ll_i64(g, TILE_BYTES));
  LLVMValueRef before = LLVMBuildSub(g->b, done, s->rest_at, ""), end = LLVMBuildSub(g->b, s->k_size, s->rest_at, "");
  LLVMValueRef bits = LLVMBuildLShr(g->b, all, LLVMBuildSub(g->b, qn__ll_i64(g, TILE_BYTES), end, ""), "");
  bits = LLVMBuildAnd(g->b, bits, LLVMBuildShl(g->b, all, before, ""), "");
  LLVMValueRef mask = LLVMBuildBitCast(g->b, bits, LLVMVectorType(g->i1, TILE_BYTES), "");
  copy_lines(s, qn__ll_gep(g, a, s->rest_at), mask, s->a_rest);
  qn__ll_if_end(g, &some);
}

/* Steps first .. first + count - 1 of rows from a[] on. */
static void copy_steps(amx_state *s, LLVMValueRef a, LLVMValueRef first, LLVMValueRef count) {
  qn_ll *g = s->g;
  qn_ll_for steps;
  a = qn__ll_gep(g, a, qn__ll_mul(g, first, qn__ll_i64(g, TILE_BYTES)));
  qn__ll_for_begin(g, &steps, qn__ll_i64(g, 0), count, 1, 0, NULL);
  copy_lines(s, qn__ll_gep(g, a, qn__ll_mul(g, steps.i, qn__ll_i64(g, TILE_BYTES))), NULL,
             qn__ll_gep(g, s->copied, qn__ll_mul(g, steps.i, qn__ll_i64(g, STEP_BYTES))));
  qn__ll_for_end(g, &steps, NULL);
}

/* ---- results ---- */

static LLVMValueRef get(amx_state *s, LLVMValueRef slot) {
  return LLVMBuildLoad2(s->g->b, s->g->i64, slot, "");
}

/* The next `most` rows of results, where so many are left to be made. */
static void make_rows(amx_state *s, uint32_t most) {
  qn_ll *g = s->g;
  qn_ll_if some;
  LLVMValueRef done = get(s, s->pending.done), rows = qn__ll_i64(g, s->rows), per_row;
  uint32_t columns = s->column_tiles * TILE_COLUMNS;
  per_row = qn__ll_i64(g, 4 * (int64_t)columns);
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, done, rows, ""));
  LLVMValueRef left = qn__ll_sub(g, rows, done),
               count = most < s->rows ? qn__ll_min(g, left, qn__ll_i64(g, most)) : left;
  LLVMValueRef sums = LLVMBuildLoad2(g->b, g->ptr, s->pending.sums, "");
  qn__ll_epilogue_rows(g, s->epilogue, qn__ll_gep(g, sums, qn__ll_mul(g, done, per_row)),
                       qn__ll_add(g, get(s, s->pending.row), done), count, get(s, s->pending.column),
                       qn__ll_i64(g, columns));
  LLVMBuildStore(g->b, qn__ll_add(g, done, count), s->pending.done);
  qn__ll_if_end(g, &some);
}

/* ---- sums ---- */

/* One step of up to 64 along k: A's rows from a[], `a_down` to those of the second tile, B's columns from b on. */
static void multiply_step(amx_state *s, LLVMValueRef a, LLVMValueRef a_stride, LLVMValueRef a_down, LLVMValueRef b) {
  qn_ll *g = s->g;
  for (uint32_t r = 0; r < s->row_tiles; r++) load_kept(g, FIRST_A + r, r ? qn__ll_gep(g, a, a_down) : a, a_stride);
  for (uint32_t c = 0; c < s->column_tiles; c++) {
    load_passing(g, FIRST_B + c, qn__ll_gep_const(g, b, (int64_t)c * TILE_BYTES), s->b_row);
    for (uint32_t r = 0; r < s->row_tiles; r++) {
      LLVMValueRef args[3] = {number(g, r * s->column_tiles + c), number(g, FIRST_A + r), number(g, FIRST_B + c)};
      tile_op(g, "llvm.x86.tdpbusd", 3, args);
    }
  }
}

/* Rows as they lie or copied: where they begin, from row to row, to the second tile, from step to step. */
typedef struct amx_rows {
  LLVMValueRef a, stride, down, step;
} amx_rows;

static amx_rows rows_at(amx_state *s, LLVMValueRef a) {
  qn_ll *g = s->g;
  LLVMValueRef bytes = qn__ll_i64(g, TILE_BYTES);
  amx_rows r;
  r.a = LLVMBuildSelect(g->b, s->packs, s->copied, a, "");
  r.stride = LLVMBuildSelect(g->b, s->packs, bytes, s->a_stride, "");
  r.down = qn__ll_mul(g, r.stride, qn__ll_i64(g, s->height[0]));
  r.step = LLVMBuildSelect(g->b, s->packs, qn__ll_i64(g, STEP_BYTES), bytes, "");
  return r;
}

/* Steps of k, of which B's first is at b, towards one end or the other. */
static void multiply_steps(amx_state *s, const amx_rows *rows, LLVMValueRef b, LLVMValueRef count) {
  qn_ll *g = s->g;
  LLVMValueRef turn = get(s, s->turn), zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1);
  LLVMValueRef back = LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildAnd(g->b, turn, qn__ll_i64(g, 1), ""), zero, "");
  LLVMValueRef last = qn__ll_sub(g, count, qn__ll_i64(g, 1)), from = LLVMBuildSelect(g->b, back, last, zero, "");
  LLVMValueRef b_step = qn__ll_mul(g, s->b_row, qn__ll_i64(g, TILE_ROWS)), a_step = rows->step;
  /* Results evenly over the steps: many at once would leave the multiplier waiting behind them. */
  LLVMValueRef every = LLVMBuildUDiv(g->b, count, qn__ll_i64(g, (s->rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE), "");
  every = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, every, one, ""), every, one, "");
  LLVMValueRef at[3] = {qn__ll_gep(g, rows->a, qn__ll_mul(g, from, a_step)),
                        qn__ll_gep(g, b, qn__ll_mul(g, from, b_step)), one};
  a_step = LLVMBuildSelect(g->b, back, LLVMBuildNeg(g->b, a_step, ""), a_step, "");
  b_step = LLVMBuildSelect(g->b, back, LLVMBuildNeg(g->b, b_step, ""), b_step, "");
  LLVMBuildStore(g->b, qn__ll_add(g, turn, one), s->turn);
  qn_ll_for steps;
  qn_ll_if now;
  qn__ll_for_begin(g, &steps, zero, count, 1, 3, at);
  multiply_step(s, at[0], rows->stride, rows->down, at[1]);
  LLVMValueRef wait = LLVMBuildSub(g->b, at[2], one, ""), is = LLVMBuildICmp(g->b, LLVMIntEQ, wait, zero, "");
  qn__ll_if_begin(g, &now, is);
  make_rows(s, ROWS_AT_ONCE);
  qn__ll_if_end(g, &now);
  LLVMValueRef next[3] = {qn__ll_gep(g, at[0], a_step), qn__ll_gep(g, at[1], b_step),
                          LLVMBuildSelect(g->b, is, every, wait, "")};
  qn__ll_for_close(g, &steps, next);
}

static void begin_sums(amx_state *s, LLVMValueRef parked, LLVMValueRef first) {
  qn_ll *g = s->g;
  uint32_t columns = s->column_tiles * TILE_COLUMNS;
  qn_ll_if again;
  for (uint32_t t = 0; t < s->row_tiles * s->column_tiles; t++) {
    LLVMValueRef arg = number(g, t);
    tile_op(g, "llvm.x86.tilezero", 1, &arg);
  }
  qn__ll_if_begin(g, &again, LLVMBuildICmp(g->b, LLVMIntSGT, first, qn__ll_i64(g, 0), ""));
  for (uint32_t t = 0; t < s->row_tiles * s->column_tiles; t++) {
    int64_t at = (int64_t)(t / s->column_tiles) * s->height[0] * columns + t % s->column_tiles * TILE_COLUMNS;
    load_kept(g, t, qn__ll_gep_const(g, parked, 4 * at), qn__ll_i64(g, 4 * columns));
  }
  qn__ll_if_end(g, &again);
}

static void store_sums(amx_state *s, LLVMValueRef to) {
  qn_ll *g = s->g;
  uint32_t columns = s->column_tiles * TILE_COLUMNS;
  for (uint32_t t = 0; t < s->row_tiles * s->column_tiles; t++) {
    int64_t at = (int64_t)(t / s->column_tiles) * s->height[0] * columns + t % s->column_tiles * TILE_COLUMNS;
    tile_move(g, "llvm.x86.tilestored64", t, qn__ll_gep_const(g, to, 4 * at), qn__ll_i64(g, 4 * columns));
  }
}

/* Rows from `row` on by unit `unit` of columns, which is number `index` of those whose sums may wait: steps first ..
 * first + count - 1 of k, the last of which ends it. */
typedef struct amx_unit {
  LLVMValueRef row, unit, index, first, count, several;
} amx_unit;

static void multiply(amx_state *s, const amx_rows *rows, const amx_unit *u) {
  qn_ll *g = s->g;
  uint32_t width = s->plan->layout.panel_width, columns = s->column_tiles * TILE_COLUMNS, units = width / columns;
  LLVMValueRef per = qn__ll_i64(g, units), panel = units > 1 ? LLVMBuildUDiv(g->b, u->unit, per, "") : u->unit;
  LLVMValueRef column = qn__ll_mul(g, qn__ll_sub(g, u->unit, qn__ll_mul(g, panel, per)), qn__ll_i64(g, columns));
  LLVMValueRef b = qn__ll_gep(g, s->b, qn__ll_mul(g, panel, s->b_stride));
  b = qn__ll_gep(g, b, qn__ll_mul(g, column, qn__ll_i64(g, 4)));
  LLVMValueRef one = qn__ll_i64(g, 1), odd = LLVMBuildAnd(g->b, get(s, s->turn), one, "");
  LLVMValueRef slot = LLVMBuildSelect(g->b, u->several, u->index, odd, "");
  LLVMValueRef sums = qn__ll_gep(g, s->sums, qn__ll_mul(g, slot, qn__ll_i64(g, 4 * 2 * TILE_ROWS * columns)));
  begin_sums(s, sums, u->first);
  LLVMValueRef from = qn__ll_mul(g, u->first, qn__ll_i64(g, (int64_t)TILE_ROWS * width * 4));
  multiply_steps(s, rows, qn__ll_gep(g, b, from), u->count);
  LLVMValueRef after = qn__ll_add(g, u->first, u->count), zero = qn__ll_i64(g, 0);
  LLVMValueRef last = LLVMBuildICmp(g->b, LLVMIntEQ, after, s->steps, "");
  qn_ll_if some, ends;
  LLVMValueRef is = LLVMBuildAnd(g->b, last, LLVMBuildICmp(g->b, LLVMIntSGT, s->rest, zero, ""), "");
  qn__ll_if_begin(g, &some, is);
  LLVMValueRef bytes = qn__ll_i64(g, TILE_BYTES), down = qn__ll_i64(g, (int64_t)TILE_BYTES * s->height[0]);
  multiply_step(s, s->a_rest, bytes, down, qn__ll_gep(g, b, qn__ll_mul(g, s->rest_at, qn__ll_i64(g, width))));
  qn__ll_if_end(g, &some);
  qn__ll_if_begin(g, &ends, last);
  make_rows(s, s->rows);
  LLVMBuildStore(g->b, sums, s->pending.sums);
  LLVMBuildStore(g->b, u->row, s->pending.row);
  LLVMBuildStore(g->b, qn__ll_add(g, qn__ll_mul(g, panel, qn__ll_i64(g, width)), column), s->pending.column);
  LLVMBuildStore(g->b, zero, s->pending.done);
  qn__ll_if_end(g, &ends);
  store_sums(s, sums);
}

/* ---- the body ---- */

static LLVMValueRef round_up_div(qn_ll *g, LLVMValueRef n, LLVMValueRef by) {
  return LLVMBuildUDiv(g->b, qn__ll_add(g, n, qn__ll_sub(g, by, qn__ll_i64(g, 1))), by, "");
}

/* All steps of rows from `row` on, by units begin .. end - 1 of columns. */
static void row_block(amx_state *s, LLVMValueRef row, LLVMValueRef begin, LLVMValueRef end) {
  qn_ll *g = s->g;
  bool image = s->plan->window;
  LLVMValueRef a = image ? s->a : qn__ll_gep(g, s->a, qn__ll_mul(g, row, s->a_stride)), zero = qn__ll_i64(g, 0);
  if (image) qn__ll_amx_windows_copy(&s->windows, row, s->rows);
  LLVMValueRef most = qn__ll_i64(g, PIECE_STEPS), at_once = LLVMBuildSelect(g->b, s->packs, most, s->steps, "");
  LLVMValueRef several = LLVMBuildICmp(g->b, LLVMIntSLT, at_once, s->steps, "");
  copy_rest(s, a);
  /* Sums that wait take the place of those whose results are not made. */
  qn_ll_if waits, copies;
  qn__ll_if_begin(g, &waits, several);
  make_rows(s, s->rows);
  qn__ll_if_end(g, &waits);
  LLVMValueRef none = LLVMBuildICmp(g->b, LLVMIntEQ, s->steps, zero, "");
  qn_ll_for pieces, units;
  qn__ll_for_begin(g, &pieces, zero, LLVMBuildSelect(g->b, none, qn__ll_i64(g, 1), s->steps, ""), 1, 0, NULL);
  pieces.step = LLVMBuildSelect(g->b, none, qn__ll_i64(g, 1), at_once, "");
  LLVMValueRef count = qn__ll_min(g, at_once, qn__ll_sub(g, s->steps, pieces.i));
  amx_rows rows = rows_at(s, qn__ll_gep(g, a, qn__ll_mul(g, pieces.i, qn__ll_i64(g, TILE_BYTES))));
  qn__ll_if_begin(g, &copies, s->packs);
  copy_steps(s, a, pieces.i, count);
  qn__ll_if_end(g, &copies);
  qn__ll_for_begin(g, &units, begin, end, 1, 0, NULL);
  amx_unit u = {row, units.i, qn__ll_sub(g, units.i, begin), pieces.i, count, several};
  multiply(s, &rows, &u);
  qn__ll_for_end(g, &units, NULL);
  qn__ll_for_end(g, &pieces, NULL);
}

/* Units of columns that are taken together: those whose part of B the second level keeps. */
static LLVMValueRef units_at_once(amx_state *s, LLVMValueRef all) {
  qn_ll *g = s->g;
  int64_t per = s->plan->layout.panel_width / (s->column_tiles * TILE_COLUMNS);
  LLVMValueRef one = qn__ll_i64(g, 1), bytes = qn__ll_i64(g, CHUNK_BYTES * per), most;
  LLVMValueRef positive = LLVMBuildICmp(g->b, LLVMIntSGT, s->b_stride, one, "");
  most = LLVMBuildUDiv(g->b, bytes, LLVMBuildSelect(g->b, positive, s->b_stride, one, ""), "");
  LLVMValueRef piece = qn__ll_i64(g, PIECE_STEPS), waiting = qn__ll_i64(g, MOST_WAITING);
  LLVMValueRef several = LLVMBuildAnd(g->b, s->packs, LLVMBuildICmp(g->b, LLVMIntSGT, s->steps, piece, ""), "");
  most = LLVMBuildSelect(g->b, several, qn__ll_min(g, most, waiting), most, "");
  most = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, most, one, ""), most, one, "");
  LLVMValueRef some = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, all, one, ""), all, one, "");
  return round_up_div(g, some, round_up_div(g, some, most));
}

/* Tiles of s->rows rows from begin to end, all panels. */
static void loops(amx_state *s, LLVMValueRef begin, LLVMValueRef end) {
  qn_ll *g = s->g;
  LLVMValueRef per = qn__ll_i64(g, s->plan->layout.panel_width / (s->column_tiles * TILE_COLUMNS));
  LLVMValueRef first = qn__ll_mul(g, qn__ll_arg_begin(g, 1), per), last = qn__ll_mul(g, qn__ll_arg_end(g, 1), per);
  configure(s);
  LLVMBuildStore(g->b, qn__ll_i64(g, s->rows), s->pending.done);
  qn_ll_for chunks, rows;
  qn__ll_for_begin(g, &chunks, first, last, 1, 0, NULL);
  chunks.step = units_at_once(s, qn__ll_sub(g, last, first));
  LLVMValueRef chunk_end = qn__ll_min(g, qn__ll_add(g, chunks.i, chunks.step), last);
  qn__ll_for_begin(g, &rows, begin, end, s->rows, 0, NULL);
  row_block(s, rows.i, chunks.i, chunk_end);
  qn__ll_for_end(g, &rows, NULL);
  qn__ll_for_end(g, &chunks, NULL);
  make_rows(s, s->rows);
}

bool qn__ll_amx_serves(const qn_body *body) {
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1);
  return body->plan->u.gemm.tiles && rows > QN_LL_AMX_BELOW && rows <= 2 * TILE_ROWS;
}

static void set_rows(amx_state *s, uint32_t rows) {
  s->rows = rows;
  s->height[0] = s->row_tiles == 2 ? (rows + 1) / 2 : rows;
  s->height[1] = rows - s->height[0];
}

/* Where tiles one row lower begin. */
static LLVMValueRef low_rows(amx_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef begin = qn__ll_arg_begin(g, 0), end = qn__ll_arg_end(g, 0), high = qn__ll_i64(g, s->rows);
  LLVMValueRef count = qn__ll_sub(g, end, begin), up = qn__ll_add(g, count, qn__ll_i64(g, s->rows - 1));
  LLVMValueRef tiles = LLVMBuildSDiv(g->b, up, high, ""), lower = qn__ll_sub(g, qn__ll_mul(g, tiles, high), count);
  return qn__ll_add(g, begin, qn__ll_mul(g, qn__ll_sub(g, tiles, lower), high));
}

/* K in steps, and what it leaves over of them. */
static void take_k(amx_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef bytes = qn__ll_i64(g, TILE_BYTES), zero = qn__ll_i64(g, 0);
  s->steps = LLVMBuildUDiv(g->b, s->k_size, bytes, "");
  s->rest = LLVMBuildAnd(g->b, s->k_size, qn__ll_i64(g, TILE_BYTES - 1), "");
  LLVMValueRef up = LLVMBuildAnd(g->b, qn__ll_add(g, s->k_size, qn__ll_i64(g, 3)), qn__ll_i64(g, -4), "");
  LLVMValueRef at = LLVMBuildSub(g->b, up, bytes, "");
  s->rest_at = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, at, zero, ""), at, zero, "");
}

/* Rows of a matrix, or of windows as they are copied, which are aligned. */
static void take_rows(amx_state *s, const qn_body *body) {
  qn_ll *g = s->g;
  if (s->plan->window) {
    qn__ll_amx_windows_init(g, body, s->rows, &s->windows);
    s->a = s->windows.rows, s->a_stride = s->windows.pitch, s->k_size = s->windows.k_size;
    s->packs = LLVMConstInt(g->i1, 0, false);
    return;
  }
  s->a = qn__ll_arg_ptr(g, 0), s->a_stride = qn__ll_arg_stride(g, 0), s->k_size = qn__ll_arg_size(g, 2);
  LLVMValueRef bits = LLVMBuildOr(g->b, LLVMBuildPtrToInt(g->b, s->a, g->i64, ""), s->a_stride, "");
  bits = LLVMBuildAnd(g->b, bits, qn__ll_i64(g, TILE_BYTES - 1), "");
  s->packs = LLVMBuildICmp(g->b, LLVMIntNE, bits, qn__ll_i64(g, 0), "");
}

static void take_memory(amx_state *s) {
  qn_ll *g = s->g;
  uint32_t unit = 2 * TILE_ROWS * s->column_tiles * TILE_COLUMNS;
  s->sums = qn__ll_slot(g, g->i32, MOST_WAITING * unit);
  s->copied = qn__ll_slot(g, g->i8, PIECE_STEPS * STEP_BYTES);
  s->a_rest = qn__ll_slot(g, g->i8, STEP_BYTES);
  s->turn = qn__ll_slot(g, g->i64, 1);
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), s->turn);
  s->pending = (amx_pending){qn__ll_slot(g, g->ptr, 1), qn__ll_slot(g, g->i64, 1), qn__ll_slot(g, g->i64, 1),
                             qn__ll_slot(g, g->i64, 1)};
}

qn_status qn__ll_amx_tiles(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1), width = plan->layout.panel_width;
  bool low = (body->rows & QN_ROWS_MIXED) != 0;
  amx_state s = {.g = g, .plan = plan, .row_tiles = rows > TILE_ROWS ? 2 : 1};
  s.column_tiles = width % (2 * TILE_COLUMNS) ? 1 : 2;
  set_rows(&s, rows);
  s.b = qn__ll_arg_ptr(g, 1);
  s.b_stride = qn__ll_arg_stride(g, 2);
  s.b_row = qn__ll_i64(g, (int64_t)width * 4);
  take_rows(&s, body);
  take_k(&s);
  take_memory(&s);
  s.epilogue =
      qn__ll_epilogue_function(g, body, plan->whole && (int64_t)s.column_tiles * TILE_COLUMNS == width, NULL, NULL);
  LLVMValueRef middle = low ? low_rows(&s) : qn__ll_arg_end(g, 0);
  loops(&s, qn__ll_arg_begin(g, 0), middle);
  if (low) {
    set_rows(&s, rows - 1);
    loops(&s, middle, qn__ll_arg_end(g, 0));
  }
  tile_op(g, "llvm.x86.tilerelease", 0, NULL);
  return QN_OK;
}
