/* GEMM tiles of bytes, and of bf16, in AMX's tile registers: 16 rows of A by 64 bytes of k, times 16 blocks of four
 * bytes of k by 16 columns of B, which is 16 blocks of a panel "k4nW" or "k2nW" as they lie: rows of 64 bytes, a block
 * apart. So both operands are read in place, by loads with a stride.
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
 * Results of one unit of columns are made while the next one multiplies, some rows after some steps of k.
 *
 * What is done for each step and each row are functions of their own; all around them is compiled quickly. */
#include "amx.h"
#include <string.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64, TILE_COLUMNS = 16, FIRST_A = 4, FIRST_B = 6 };
/* Rows that are not aligned to lines are copied, as loads that cross lines take six times as long, but for few panels:
 * so many steps of k at once, whose sums wait in memory where there are more. */
enum { FEW_PANELS = 1, PIECE_STEPS = 32, STEP_BYTES = 2 * TILE_ROWS * TILE_BYTES };
enum { MOST_WAITING = 8 }; /* units of columns with sums in memory */
enum { ROWS_AT_ONCE = 8 }; /* that become results after some steps of k */

/* Four bytes of A by as many of B in each 32-bit sum. `low` rows are as fast in vectors, which then have them.
 *
 * Of bf16 they are two products, for those that need not keep the order of the contract: in each step the even
 * elements' and the odd ones' are summed by themselves from 0, then both are added, and that to the sum. All is rounded
 * to the nearest even, and subnormals are taken and given as 0, whatever the environment says. */
typedef struct amx_product {
  const char *name;
  uint32_t bytes, low; /* of an element; see above */
} amx_product;

static const amx_product *product_of(const qn_gemm_plan *plan) {
  static const amx_product of_bytes = {"llvm.x86.tdpbusd", 1, 1}, of_bf16 = {"llvm.x86.tdpbf16ps", 2, 0};
  return plan->lhs == QN_BF16 ? &of_bf16 : &of_bytes;
}

/* Results that are to be made: rows of sums, of which `done` are. In memory, as they are used across loops. */
typedef struct amx_pending {
  LLVMValueRef sums, row, column, done;
} amx_pending;

typedef struct amx_state {
  qn_ll *g;
  const qn_gemm_plan *plan;
  const amx_product *product;
  uint32_t row_tiles, column_tiles;
  LLVMValueRef rows, high; /* of the tiles at hand; of those the first tile of rows */
  LLVMValueRef epilogue, a, a_stride, b, b_stride, b_row;
  LLVMValueRef k_size;               /* in bytes */
  LLVMValueRef steps, rest;          /* whole steps of k; bytes after them */
  LLVMValueRef rest_at;              /* where the last 64 bytes of K's blocks begin */
  LLVMValueRef packs;                /* rows are copied */
  LLVMValueRef copied, a_rest, sums; /* on the stack */
  LLVMValueRef turn;                 /* memory: odd where k is taken backwards */
  LLVMValueRef multiply, copy;       /* functions */
  LLVMValueRef both;                 /* one that makes results meanwhile; null: there is none */
  LLVMValueRef step;                 /* memory: what it and steps are given */
  qn_ll_amx_windows windows;         /* of images */
  amx_pending pending;
  qn_ll_amx_ahead ahead;
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

static uint32_t columns_of(const amx_state *s) {
  return s->column_tiles * TILE_COLUMNS;
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

static void shape(amx_state *s, LLVMValueRef shapes, uint32_t tile, LLVMValueRef rows, LLVMValueRef bytes) {
  qn_ll *g = s->g;
  LLVMBuildStore(g->b, LLVMBuildTrunc(g->b, bytes, g->i16, ""), qn__ll_gep_const(g, shapes, 16 + 2 * tile));
  LLVMBuildStore(g->b, LLVMBuildTrunc(g->b, rows, g->i8, ""), qn__ll_gep_const(g, shapes, 48 + tile));
}

/* Bytes 16.. of the configuration are widths, 16 bits each, bytes 48.. are heights. Where all of K fills no registers
 * they are smaller. */
static void configure(amx_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef shapes = qn__ll_slot(g, g->i64, 8), one = qn__ll_i64(g, 1), bytes = qn__ll_i64(g, TILE_BYTES);
  qn__ll_store_vec(g, LLVMConstNull(LLVMVectorType(g->i64, 8)), shapes, 64);
  LLVMBuildStore(g->b, LLVMConstInt(g->i8, 1, false), shapes); /* palette */
  LLVMValueRef blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, s->k_size, qn__ll_i64(g, 3)), qn__ll_i64(g, 4), "");
  blocks = qn__ll_min(g, blocks, qn__ll_i64(g, TILE_ROWS));
  blocks = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSLT, blocks, one, ""), one, blocks, "");
  LLVMValueRef heights[2] = {s->high, qn__ll_sub(g, s->rows, s->high)};
  for (uint32_t r = 0; r < s->row_tiles; r++) {
    shape(s, shapes, FIRST_A + r, heights[r], qn__ll_mul(g, blocks, qn__ll_i64(g, 4)));
    for (uint32_t c = 0; c < s->column_tiles; c++) shape(s, shapes, r * s->column_tiles + c, heights[r], bytes);
  }
  for (uint32_t c = 0; c < s->column_tiles; c++) shape(s, shapes, FIRST_B + c, blocks, bytes);
  tile_op(g, "llvm.x86.ldtilecfg", 1, &shapes);
}

/* ---- rows of A ---- */

static LLVMTypeRef line(qn_ll *g) {
  return LLVMVectorType(g->i8, TILE_BYTES);
}

/* A function that copies a line of each row, as far as a mask says, and zeros behind it: (from, rows, mask, to). */
static LLVMTypeRef copy_type(qn_ll *g) {
  LLVMTypeRef params[5] = {g->ptr, g->i64, g->i64, g->i64, g->ptr};
  return LLVMFunctionType(g->void_t, params, 5, false);
}

static LLVMValueRef copy_function(amx_state *s, const char *symbol) {
  qn_ll *g = s->g;
  qn_ll_inner f;
  qn_ll_for rows;
  qn__ll_inner_begin(g, &f, qn__arena_fmt(g->arena, "%s_copy", symbol).data, copy_type(g));
  if (s->plan->window) qn__ll_function_quickly(g, f.fn); /* a line of each row is all */
  LLVMValueRef stride = LLVMGetParam(f.fn, 1), bits = LLVMGetParam(f.fn, 3);
  LLVMValueRef mask = LLVMBuildBitCast(g->b, bits, LLVMVectorType(g->i1, TILE_BYTES), "");
  LLVMValueRef at[2] = {LLVMGetParam(f.fn, 0), LLVMGetParam(f.fn, 4)};
  LLVMTypeRef overloads[2] = {line(g), g->ptr};
  qn__ll_do_begin(g, &rows, qn__ll_i64(g, 0), LLVMGetParam(f.fn, 2), 1, 2, at);
  LLVMValueRef args[4] = {at[0], qn__ll_i32(g, 1), mask, LLVMConstNull(line(g))};
  qn__ll_store_vec(g, qn__ll_intrinsic(g, "llvm.masked.load", 2, overloads, 4, args), at[1], TILE_BYTES);
  at[0] = qn__ll_gep(g, at[0], stride), at[1] = qn__ll_gep_const(g, at[1], TILE_BYTES);
  qn__ll_for_close(g, &rows, at);
  qn__ll_inner_end(g, &f);
  return f.fn;
}

static void copy_lines(amx_state *s, LLVMValueRef from, LLVMValueRef bits, LLVMValueRef to) {
  LLVMValueRef args[5] = {from, s->a_stride, s->rows, bits, to};
  LLVMBuildCall2(s->g->b, copy_type(s->g), s->copy, args, 5, "");
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
  copy_lines(s, qn__ll_gep(g, a, s->rest_at), bits, s->a_rest);
  qn__ll_if_end(g, &some);
}

/* `count` steps of rows from a[] on. */
static void copy_steps(amx_state *s, LLVMValueRef a, LLVMValueRef count) {
  qn_ll *g = s->g;
  qn_ll_for steps;
  qn__ll_for_begin(g, &steps, qn__ll_i64(g, 0), count, 1, 0, NULL);
  copy_lines(s, qn__ll_gep(g, a, qn__ll_mul(g, steps.i, qn__ll_i64(g, TILE_BYTES))), qn__ll_i64(g, -1),
             qn__ll_gep(g, s->copied, qn__ll_mul(g, steps.i, qn__ll_i64(g, STEP_BYTES))));
  qn__ll_for_end(g, &steps, NULL);
}

/* ---- results ---- */

static LLVMValueRef get(amx_state *s, LLVMValueRef slot) {
  return LLVMBuildLoad2(s->g->b, s->g->i64, slot, "");
}

/* The next `most` rows of results, where so many are left to be made; null: all. */
static void make_rows(amx_state *s, LLVMValueRef most) {
  qn_ll *g = s->g;
  qn_ll_if some;
  LLVMValueRef done = get(s, s->pending.done), per_row = qn__ll_i64(g, 4 * (int64_t)columns_of(s));
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, done, s->rows, ""));
  LLVMValueRef left = qn__ll_sub(g, s->rows, done), count = most ? qn__ll_min(g, left, most) : left;
  LLVMValueRef sums = LLVMBuildLoad2(g->b, g->ptr, s->pending.sums, "");
  LLVMValueRef row = qn__ll_add(g, get(s, s->pending.row), done), column = get(s, s->pending.column);
  sums = qn__ll_gep(g, sums, qn__ll_mul(g, done, per_row));
  if (s->both)
    qn__ll_epilogue_meanwhile_call(g, s->both, sums, row, count, column, qn__ll_i64(g, columns_of(s)), s->step);
  else
    qn__ll_epilogue_rows(g, s->epilogue, sums, row, count, column, qn__ll_i64(g, columns_of(s)));
  LLVMBuildStore(g->b, qn__ll_add(g, done, count), s->pending.done);
  qn__ll_if_end(g, &some);
}

/* ---- sums ---- */

/* Rows as they lie or copied: where they begin, from row to row, to the second tile, from step to step. */
typedef struct amx_rows {
  LLVMValueRef a, stride, down, step;
} amx_rows;

/* What a step has to know, in memory: it is read where it is used, as registers are short while results are made.
 * Before it the steps that are left and where they begin (qn_ll_meanwhile). */
enum { STEP_A = 8, STEP_B = 16, STEP_STRIDE = 24, STEP_DOWN = 32, STEP_BY_A = 40, STEP_BY_B = 48, STEP_DUE = 56 };
enum { STEP_WORDS = 8 };
typedef struct amx_step {
  amx_state *s;
  LLVMValueRef memory;
} amx_step;

static LLVMValueRef step_value(const amx_step *p, LLVMTypeRef type, int64_t at) {
  return LLVMBuildLoad2(p->s->g->b, type, qn__ll_gep_const(p->s->g, p->memory, at), "");
}

static void begin_step(void *user, LLVMValueRef memory) {
  ((amx_step *)user)->memory = memory;
}

/* One step of up to 64 along k, from two pointers on, which move. */
static void write_step(void *user, LLVMValueRef at[2]) {
  const amx_step *p = user;
  amx_state *s = p->s;
  qn_ll *g = s->g;
  qn__ll_amx_ahead_fetch(g, step_value(p, g->ptr, STEP_DUE));
  LLVMValueRef stride = step_value(p, g->i64, STEP_STRIDE);
  for (uint32_t r = 0; r < s->row_tiles; r++)
    load_kept(g, FIRST_A + r, r ? qn__ll_gep(g, at[0], step_value(p, g->i64, STEP_DOWN)) : at[0], stride);
  for (uint32_t c = 0; c < s->column_tiles; c++) {
    load_passing(g, FIRST_B + c, qn__ll_gep_const(g, at[1], (int64_t)c * TILE_BYTES), s->b_row);
    for (uint32_t r = 0; r < s->row_tiles; r++) {
      LLVMValueRef args[3] = {number(g, r * s->column_tiles + c), number(g, FIRST_A + r), number(g, FIRST_B + c)};
      tile_op(g, s->product->name, 3, args);
    }
  }
  at[0] = qn__ll_gep(g, at[0], step_value(p, g->i64, STEP_BY_A));
  at[1] = qn__ll_gep(g, at[1], step_value(p, g->i64, STEP_BY_B));
}

/* A function of at least one step: (a, b, steps, memory). */
static LLVMTypeRef multiply_type(qn_ll *g) {
  LLVMTypeRef params[4] = {g->ptr, g->ptr, g->i64, g->ptr};
  return LLVMFunctionType(g->void_t, params, 4, false);
}

static LLVMValueRef multiply_function(amx_state *s, const char *symbol) {
  qn_ll *g = s->g;
  qn_ll_inner f;
  qn_ll_for steps;
  qn__ll_inner_begin(g, &f, qn__arena_fmt(g->arena, "%s_steps", symbol).data, multiply_type(g));
  if (s->both) qn__ll_function_quickly(g, f.fn); /* which then has most of the steps */
  LLVMValueRef at[2] = {LLVMGetParam(f.fn, 0), LLVMGetParam(f.fn, 1)};
  amx_step step = {s, LLVMGetParam(f.fn, 3)};
  qn__ll_do_begin(g, &steps, qn__ll_i64(g, 0), LLVMGetParam(f.fn, 2), 1, 2, at);
  write_step(&step, at);
  qn__ll_for_close(g, &steps, at);
  qn__ll_inner_end(g, &f);
  return f.fn;
}

static LLVMValueRef both_function(amx_state *s, const qn_body *body, bool whole) {
  amx_step step = {.s = s};
  qn_ll_meanwhile other = {begin_step, write_step, &step};
  return qn__ll_epilogue_meanwhile(s->g, body, whole, &other);
}

/* `count` steps are left, from a and b on. */
static void note_steps(amx_state *s, const amx_rows *r, LLVMValueRef b, LLVMValueRef b_step, LLVMValueRef count) {
  qn_ll *g = s->g;
  LLVMValueRef fields[STEP_WORDS] = {count, r->a, b, r->stride, r->down, r->step, b_step, s->ahead.due};
  for (uint32_t i = 0; i < STEP_WORDS; i++) LLVMBuildStore(g->b, fields[i], qn__ll_gep_const(g, s->step, 8 * i));
}

static void call_multiply(amx_state *s, LLVMValueRef a, LLVMValueRef b, LLVMValueRef count) {
  LLVMValueRef args[4] = {a, b, count, s->step};
  LLVMBuildCall2(s->g->b, multiply_type(s->g), s->multiply, args, 4, "");
}

/* None are left: results may be made without any. */
static void end_steps(amx_state *s) {
  LLVMBuildStore(s->g->b, qn__ll_i64(s->g, 0), s->step);
}

static amx_rows rows_at(amx_state *s, LLVMValueRef a) {
  qn_ll *g = s->g;
  LLVMValueRef bytes = qn__ll_i64(g, TILE_BYTES);
  amx_rows r;
  r.a = LLVMBuildSelect(g->b, s->packs, s->copied, a, "");
  r.stride = LLVMBuildSelect(g->b, s->packs, bytes, s->a_stride, "");
  r.down = qn__ll_mul(g, r.stride, s->high);
  r.step = LLVMBuildSelect(g->b, s->packs, qn__ll_i64(g, STEP_BYTES), bytes, "");
  return r;
}

/* Steps of k that are noted, during which results are made that wait for it. They are made evenly over the steps: many
 * at once would leave the multiplier waiting behind them. */
static void multiply_and_make(amx_state *s) {
  qn_ll *g = s->g;
  qn_ll_if left;
  make_rows(s, NULL);
  LLVMValueRef more = get(s, s->step);
  qn__ll_if_begin(g, &left, LLVMBuildICmp(g->b, LLVMIntSGT, more, qn__ll_i64(g, 0), ""));
  LLVMValueRef a = LLVMBuildLoad2(g->b, g->ptr, qn__ll_gep_const(g, s->step, STEP_A), "");
  LLVMValueRef b = LLVMBuildLoad2(g->b, g->ptr, qn__ll_gep_const(g, s->step, STEP_B), "");
  call_multiply(s, a, b, more);
  qn__ll_if_end(g, &left);
}

/* The same where making results is a function of its own: after some steps a few rows of them. */
static void multiply_and_call(amx_state *s, LLVMValueRef count) {
  qn_ll *g = s->g;
  LLVMValueRef zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1), most = qn__ll_i64(g, ROWS_AT_ONCE);
  LLVMValueRef times = LLVMBuildUDiv(g->b, qn__ll_add(g, s->rows, qn__ll_i64(g, ROWS_AT_ONCE - 1)), most, "");
  LLVMValueRef every = LLVMBuildUDiv(g->b, count, times, ""), at[2];
  every = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, every, one, ""), every, one, "");
  const amx_step step = {s, s->step};
  at[0] = step_value(&step, g->ptr, STEP_A), at[1] = step_value(&step, g->ptr, STEP_B);
  LLVMValueRef by_a = step_value(&step, g->i64, STEP_BY_A), by_b = step_value(&step, g->i64, STEP_BY_B);
  qn_ll_for steps;
  qn__ll_for_begin(g, &steps, zero, count, 1, 2, at);
  steps.step = every;
  LLVMValueRef now = qn__ll_min(g, every, qn__ll_sub(g, count, steps.i));
  call_multiply(s, at[0], at[1], now);
  make_rows(s, most);
  at[0] = qn__ll_gep(g, at[0], qn__ll_mul(g, by_a, now)), at[1] = qn__ll_gep(g, at[1], qn__ll_mul(g, by_b, now));
  qn__ll_for_close(g, &steps, at);
}

/* Steps of k, of which B's first is at b, towards one end or the other. */
static void multiply_steps(amx_state *s, const amx_rows *rows, LLVMValueRef b, LLVMValueRef count) {
  qn_ll *g = s->g;
  LLVMValueRef turn = get(s, s->turn), zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1);
  LLVMValueRef back = LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildAnd(g->b, turn, one, ""), zero, "");
  LLVMValueRef last = qn__ll_sub(g, count, one), from = LLVMBuildSelect(g->b, back, last, zero, "");
  LLVMValueRef b_step = qn__ll_mul(g, s->b_row, qn__ll_i64(g, TILE_ROWS));
  amx_rows r = *rows;
  r.a = qn__ll_gep(g, rows->a, qn__ll_mul(g, from, rows->step));
  r.step = LLVMBuildSelect(g->b, back, LLVMBuildNeg(g->b, r.step, ""), r.step, "");
  b = qn__ll_gep(g, b, qn__ll_mul(g, from, b_step));
  b_step = LLVMBuildSelect(g->b, back, LLVMBuildNeg(g->b, b_step, ""), b_step, "");
  LLVMBuildStore(g->b, qn__ll_add(g, turn, one), s->turn);
  qn__ll_amx_ahead_begin(g, &s->ahead, count);
  note_steps(s, &r, b, b_step, count);
  if (s->both)
    multiply_and_make(s);
  else
    multiply_and_call(s, count);
  end_steps(s);
  qn__ll_amx_ahead_end(g, &s->ahead);
}

/* Each tile of sums, where it lies behind `at`. */
static void move_sums(amx_state *s, const char *name, LLVMValueRef at) {
  qn_ll *g = s->g;
  LLVMValueRef row = qn__ll_i64(g, 4 * (int64_t)columns_of(s));
  for (uint32_t t = 0; t < s->row_tiles * s->column_tiles; t++) {
    LLVMValueRef to = t / s->column_tiles ? qn__ll_gep(g, at, qn__ll_mul(g, s->high, row)) : at;
    tile_move(g, name, t, qn__ll_gep_const(g, to, 4 * (int64_t)(t % s->column_tiles * TILE_COLUMNS)), row);
  }
}

static void begin_sums(amx_state *s, LLVMValueRef waiting, LLVMValueRef first) {
  qn_ll *g = s->g;
  qn_ll_if again;
  for (uint32_t t = 0; t < s->row_tiles * s->column_tiles; t++) {
    LLVMValueRef arg = number(g, t);
    tile_op(g, "llvm.x86.tilezero", 1, &arg);
  }
  qn__ll_if_begin(g, &again, LLVMBuildICmp(g->b, LLVMIntSGT, first, qn__ll_i64(g, 0), ""));
  move_sums(s, "llvm.x86.tileloadd64", waiting);
  qn__ll_if_end(g, &again);
}

/* Rows from `row` on by unit `unit` of columns, which is number `index` of those whose sums may wait: steps first ..
 * first + count - 1 of k, the last of which ends it. */
typedef struct amx_unit {
  LLVMValueRef row, unit, index, first, count, several;
} amx_unit;

/* What K leaves over, by B's last blocks. */
static void multiply_rest(amx_state *s, LLVMValueRef b, LLVMValueRef last) {
  qn_ll *g = s->g;
  qn_ll_if some;
  LLVMValueRef zero = qn__ll_i64(g, 0), one = qn__ll_i64(g, 1), bytes = qn__ll_i64(g, TILE_BYTES);
  LLVMValueRef is = LLVMBuildAnd(g->b, last, LLVMBuildICmp(g->b, LLVMIntSGT, s->rest, zero, ""), "");
  amx_rows rest = {s->a_rest, bytes, qn__ll_mul(g, s->high, bytes), zero};
  qn__ll_if_begin(g, &some, is);
  b = qn__ll_gep(g, b, qn__ll_mul(g, s->rest_at, qn__ll_i64(g, s->plan->layout.panel_width)));
  note_steps(s, &rest, b, zero, one);
  call_multiply(s, rest.a, b, one);
  end_steps(s);
  qn__ll_if_end(g, &some);
}

static void multiply(amx_state *s, const amx_rows *rows, const amx_unit *u) {
  qn_ll *g = s->g;
  uint32_t width = s->plan->layout.panel_width, columns = columns_of(s), units = width / columns;
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
  LLVMValueRef after = qn__ll_add(g, u->first, u->count);
  LLVMValueRef last = LLVMBuildICmp(g->b, LLVMIntEQ, after, s->steps, "");
  multiply_rest(s, b, last);
  qn_ll_if ends;
  qn__ll_if_begin(g, &ends, last);
  make_rows(s, NULL);
  LLVMBuildStore(g->b, sums, s->pending.sums);
  LLVMBuildStore(g->b, u->row, s->pending.row);
  LLVMBuildStore(g->b, qn__ll_add(g, qn__ll_mul(g, panel, qn__ll_i64(g, width)), column), s->pending.column);
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), s->pending.done);
  qn__ll_if_end(g, &ends);
  move_sums(s, "llvm.x86.tilestored64", sums);
}

/* ---- the body ---- */

/* All steps of rows from `row` on, by units begin .. end - 1 of columns. */
static void row_block(amx_state *s, LLVMValueRef row, LLVMValueRef begin, LLVMValueRef end) {
  qn_ll *g = s->g;
  bool image = s->plan->window;
  LLVMValueRef a = image ? s->a : qn__ll_gep(g, s->a, qn__ll_mul(g, row, s->a_stride)), zero = qn__ll_i64(g, 0);
  LLVMValueRef most = qn__ll_i64(g, PIECE_STEPS), at_once = LLVMBuildSelect(g->b, s->packs, most, s->steps, "");
  LLVMValueRef several = LLVMBuildICmp(g->b, LLVMIntSLT, at_once, s->steps, ""), one = qn__ll_i64(g, 1);
  if (image) qn__ll_amx_windows_copy(&s->windows, row, s->rows);
  copy_rest(s, a);
  /* Sums that wait take the place of those whose results are not made. */
  qn_ll_if waits, copies;
  qn__ll_if_begin(g, &waits, several);
  make_rows(s, NULL);
  qn__ll_if_end(g, &waits);
  LLVMValueRef none = LLVMBuildICmp(g->b, LLVMIntEQ, s->steps, zero, "");
  qn_ll_for pieces, units;
  qn__ll_do_begin(g, &pieces, zero, s->steps, 1, 0, NULL);
  pieces.step = LLVMBuildSelect(g->b, none, one, at_once, "");
  LLVMValueRef count = qn__ll_min(g, at_once, qn__ll_sub(g, s->steps, pieces.i));
  LLVMValueRef here = qn__ll_gep(g, a, qn__ll_mul(g, pieces.i, qn__ll_i64(g, TILE_BYTES)));
  amx_rows rows = rows_at(s, here);
  qn__ll_if_begin(g, &copies, s->packs);
  copy_steps(s, here, count);
  qn__ll_if_end(g, &copies);
  qn__ll_for_begin(g, &units, begin, end, 1, 0, NULL);
  amx_unit u = {row, units.i, qn__ll_sub(g, units.i, begin), pieces.i, count, several};
  multiply(s, &rows, &u);
  qn__ll_for_end(g, &units, NULL);
  qn__ll_for_end(g, &pieces, NULL);
}

/* Tiles of s->rows rows from begin to end, by units first .. last - 1 of columns. */
static void rows_of_chunk(amx_state *s, LLVMValueRef begin, LLVMValueRef end, LLVMValueRef first, LLVMValueRef last) {
  qn_ll *g = s->g;
  qn_ll_for rows;
  configure(s);
  LLVMBuildStore(g->b, s->rows, s->pending.done);
  qn__ll_for_begin(g, &rows, begin, end, 1, 0, NULL);
  rows.step = s->rows;
  row_block(s, rows.i, first, last);
  qn__ll_for_end(g, &rows, NULL);
  make_rows(s, NULL);
}

/* Where tiles one row lower than `rows` begin. */
static LLVMValueRef low_rows(amx_state *s, uint32_t rows) {
  qn_ll *g = s->g;
  LLVMValueRef begin = qn__ll_arg_begin(g, 0), end = qn__ll_arg_end(g, 0), high = qn__ll_i64(g, rows);
  LLVMValueRef count = qn__ll_sub(g, end, begin), up = qn__ll_add(g, count, qn__ll_i64(g, rows - 1));
  LLVMValueRef tiles = LLVMBuildSDiv(g->b, up, high, ""), lower = qn__ll_sub(g, qn__ll_mul(g, tiles, high), count);
  return qn__ll_add(g, begin, qn__ll_mul(g, qn__ll_sub(g, tiles, lower), high));
}

/* All panels, a chunk at a time: high tiles, and with `low` those that are one row lower. */
static void all_tiles(amx_state *s, uint32_t rows, bool low) {
  qn_ll *g = s->g;
  LLVMValueRef begin = qn__ll_arg_begin(g, 0), end = qn__ll_arg_end(g, 0), zero = qn__ll_i64(g, 0);
  LLVMValueRef middle = low ? low_rows(s, rows) : end;
  LLVMValueRef long_k = LLVMBuildICmp(g->b, LLVMIntSGT, s->steps, qn__ll_i64(g, PIECE_STEPS), "");
  LLVMValueRef waits = LLVMBuildAnd(g->b, s->packs, long_k, ""), most;
  most = LLVMBuildSelect(g->b, waits, qn__ll_i64(g, MOST_WAITING), qn__ll_i64(g, INT32_MAX), "");
  qn_ll_amx_columns c;
  qn__ll_amx_columns_init(g, s->plan, columns_of(s), most, &c);
  qn_ll_for chunks, heights;
  qn__ll_for_begin(g, &chunks, c.first, c.last, 1, 0, NULL);
  chunks.step = c.at_once;
  LLVMValueRef chunk_end = qn__ll_min(g, qn__ll_add(g, chunks.i, c.at_once), c.last);
  qn__ll_amx_ahead_aim(g, &s->ahead, &c, chunk_end, rows);
  qn__ll_do_begin(g, &heights, zero, qn__ll_i64(g, low ? 2 : 1), 1, 0, NULL);
  LLVMValueRef high = LLVMBuildICmp(g->b, LLVMIntEQ, heights.i, zero, "");
  s->rows = qn__ll_sub(g, qn__ll_i64(g, rows), heights.i);
  s->high = s->rows;
  if (s->row_tiles == 2) s->high = LLVMBuildLShr(g->b, qn__ll_add(g, s->rows, qn__ll_i64(g, 1)), qn__ll_i64(g, 1), "");
  rows_of_chunk(s, LLVMBuildSelect(g->b, high, begin, middle, ""), LLVMBuildSelect(g->b, high, middle, end, ""),
                chunks.i, chunk_end);
  qn__ll_for_end(g, &heights, NULL);
  qn__ll_for_end(g, &chunks, NULL);
}

bool qn__ll_amx_serves(const qn_body *body) {
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1);
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  return plan->tiles && rows > product_of(plan)->low && rows <= 2 * TILE_ROWS;
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
static void take_rows(amx_state *s, const qn_body *body, uint32_t rows) {
  qn_ll *g = s->g;
  if (s->plan->window) {
    qn__ll_amx_windows_init(g, body, rows, &s->windows);
    s->a = s->windows.rows, s->a_stride = s->windows.pitch, s->k_size = s->windows.k_size;
    s->packs = LLVMConstInt(g->i1, 0, false);
    return;
  }
  s->a = qn__ll_arg_ptr(g, 0), s->a_stride = qn__ll_arg_stride(g, 0);
  s->k_size = qn__ll_mul(g, qn__ll_arg_size(g, 2), qn__ll_i64(g, s->product->bytes));
  LLVMValueRef bits = LLVMBuildOr(g->b, LLVMBuildPtrToInt(g->b, s->a, g->i64, ""), s->a_stride, "");
  bits = LLVMBuildAnd(g->b, bits, qn__ll_i64(g, TILE_BYTES - 1), "");
  LLVMValueRef panels = qn__ll_sub(g, qn__ll_arg_end(g, 1), qn__ll_arg_begin(g, 1));
  LLVMValueRef many = LLVMBuildICmp(g->b, LLVMIntSGT, panels, qn__ll_i64(g, FEW_PANELS), "");
  s->packs = LLVMBuildAnd(g->b, many, LLVMBuildICmp(g->b, LLVMIntNE, bits, qn__ll_i64(g, 0), ""), "");
}

static void take_memory(amx_state *s) {
  qn_ll *g = s->g;
  uint32_t unit = 2 * TILE_ROWS * columns_of(s);
  s->sums = qn__ll_slot(g, g->i32, MOST_WAITING * unit);
  s->copied = qn__ll_slot(g, g->i8, PIECE_STEPS * STEP_BYTES);
  s->a_rest = qn__ll_slot(g, g->i8, STEP_BYTES);
  s->step = qn__ll_slot(g, g->i64, STEP_WORDS);
  s->turn = qn__ll_slot(g, g->i64, 1);
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), s->turn);
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), s->step);
  qn__ll_amx_ahead_init(g, &s->ahead);
  s->pending = (amx_pending){qn__ll_slot(g, g->ptr, 1), qn__ll_slot(g, g->i64, 1), qn__ll_slot(g, g->i64, 1),
                             qn__ll_slot(g, g->i64, 1)};
}

qn_status qn__ll_amx_tiles(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1), width = plan->layout.panel_width;
  amx_state s = {.g = g, .plan = plan, .product = product_of(plan), .row_tiles = rows > TILE_ROWS ? 2 : 1};
  s.column_tiles = width % (2 * TILE_COLUMNS) ? 1 : 2;
  qn__ll_function_quickly(g, g->fn);
  s.b = qn__ll_arg_ptr(g, 1);
  s.b_stride = qn__ll_arg_stride(g, 2);
  s.b_row = qn__ll_i64(g, (int64_t)width * 4);
  take_rows(&s, body, rows);
  take_k(&s);
  take_memory(&s);
  bool whole = plan->whole && columns_of(&s) == width;
  s.both = both_function(&s, body, whole);
  if (!s.both) s.epilogue = qn__ll_epilogue_function(g, body, whole, NULL, NULL);
  s.multiply = multiply_function(&s, body->symbol);
  s.copy = copy_function(&s, body->symbol);
  all_tiles(&s, rows, (body->rows & QN_ROWS_MIXED) != 0);
  tile_op(g, "llvm.x86.tilerelease", 0, NULL);
  return QN_OK;
}
