/* GEMM tiles of bytes in AMX's tile registers: 16 rows of A by 64 bytes of k, times 16 blocks of four k by 16 columns
 * of B, which is 16 blocks of a "k4nW" panel as they lie: rows of 64 bytes, a block apart. So both operands are read in
 * place, by loads with a stride.
 *
 * One or two tiles of rows (a body's height, up to 32) by four or two of columns are summed at once:
 *
 *   registers  0..3 sums [row tile * columns + column tile]   4, 5 A   6, 7 B
 *
 * What K leaves over of 64 is copied to the stack, zero-filled. Sums go through memory into the epilogue, as those of
 * gemm.c do. The instructions name their registers, so nothing here is allocated by LLVM. */
#include "tile.h"
#include <string.h>

enum { TILE_ROWS = 16, TILE_BYTES = 64, TILE_COLUMNS = 16, FIRST_A = 4, FIRST_B = 6 };

typedef struct amx_state {
  qn_ll *g;
  const qn_gemm_plan *plan;
  uint32_t rows, row_tiles, column_tiles; /* of a body */
  uint32_t height[2];                     /* of each tile of rows */
  LLVMValueRef epilogue, a, a_stride, b, b_stride, k_size;
  LLVMValueRef sums, a_rest, b_rest; /* on the stack */
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

static void tile_load(qn_ll *g, uint32_t tile, LLVMValueRef at, LLVMValueRef stride) {
  tile_move(g, "llvm.x86.tileloadd64", tile, at, stride);
}

/* ---- shapes of the registers ---- */

/* Bytes 16.. of the configuration are widths, 16 bits each, bytes 48.. are heights. */
static LLVMValueRef configuration(const amx_state *s) {
  qn_ll *g = s->g;
  unsigned char bytes[64] = {1}; /* palette */
  uint32_t sums = s->row_tiles * s->column_tiles;
  for (uint32_t t = 0; t < 8; t++) {
    bool sum = t < sums, left = t >= FIRST_A && t < FIRST_A + s->row_tiles;
    if (!sum && !left && t < FIRST_B) continue;
    bytes[16 + 2 * t] = TILE_BYTES;
    bytes[48 + t] = (unsigned char)(sum ? s->height[t / s->column_tiles] : left ? s->height[t - FIRST_A] : TILE_ROWS);
  }
  LLVMValueRef init = LLVMConstStringInContext(g->ctx, (const char *)bytes, sizeof bytes, true);
  LLVMValueRef v = LLVMAddGlobal(g->mod, LLVMTypeOf(init), "tiles");
  LLVMSetInitializer(v, init);
  LLVMSetGlobalConstant(v, true);
  LLVMSetLinkage(v, LLVMInternalLinkage);
  LLVMSetAlignment(v, 64);
  return v;
}

/* ---- sums ---- */

/* One step of up to 64 along k: A's rows from a[], B's column tiles from b on. */
static void multiply_step(amx_state *s, LLVMValueRef a, LLVMValueRef a_stride, LLVMValueRef b, LLVMValueRef b_stride,
                          int64_t b_step) {
  qn_ll *g = s->g;
  for (uint32_t r = 0; r < s->row_tiles; r++) {
    LLVMValueRef down = qn__ll_mul(g, a_stride, qn__ll_i64(g, r * s->height[0]));
    tile_load(g, FIRST_A + r, qn__ll_gep(g, a, down), a_stride);
  }
  for (uint32_t c = 0; c < s->column_tiles; c++) {
    tile_load(g, FIRST_B + c % 2, qn__ll_gep_const(g, b, c * b_step), b_stride);
    for (uint32_t r = 0; r < s->row_tiles; r++) {
      LLVMValueRef args[3] = {number(g, r * s->column_tiles + c), number(g, FIRST_A + r), number(g, FIRST_B + c % 2)};
      tile_op(g, "llvm.x86.tdpbusd", 3, args);
    }
  }
}

static LLVMTypeRef line(qn_ll *g) {
  return LLVMVectorType(g->i8, TILE_BYTES);
}

/* The first `count` (1 to 63) bytes at `at`, then zeros. */
static LLVMValueRef load_rest(qn_ll *g, LLVMValueRef at, LLVMValueRef count) {
  LLVMValueRef bits = LLVMBuildShl(g->b, qn__ll_i64(g, 1), count, "");
  bits = qn__ll_sub(g, bits, qn__ll_i64(g, 1));
  LLVMTypeRef overloads[2] = {line(g), g->ptr};
  LLVMValueRef mask = LLVMBuildBitCast(g->b, bits, LLVMVectorType(g->i1, TILE_BYTES), "");
  LLVMValueRef args[4] = {at, qn__ll_i32(g, 1), mask, LLVMConstNull(line(g))};
  return qn__ll_intrinsic(g, "llvm.masked.load", 2, overloads, 4, args);
}

/* What K leaves over, `left` of it from `done` on: rows of A, and B's blocks, none of which may be read past. */
static void multiply_rest(amx_state *s, LLVMValueRef a, LLVMValueRef b, LLVMValueRef b_row, LLVMValueRef done,
                          LLVMValueRef left) {
  qn_ll *g = s->g;
  qn_ll_for rows, blocks;
  LLVMValueRef zero = qn__ll_i64(g, 0), bytes = qn__ll_i64(g, TILE_BYTES);
  a = qn__ll_gep(g, a, done);
  qn__ll_for_begin(g, &rows, zero, qn__ll_i64(g, s->rows), 1, 0, NULL);
  LLVMValueRef from = qn__ll_gep(g, a, qn__ll_mul(g, rows.i, s->a_stride));
  qn__ll_store_vec(g, load_rest(g, from, left), qn__ll_gep(g, s->a_rest, qn__ll_mul(g, rows.i, bytes)), TILE_BYTES);
  qn__ll_for_end(g, &rows, NULL);
  LLVMValueRef there = LLVMBuildLShr(g->b, qn__ll_add(g, left, qn__ll_i64(g, 3)), qn__ll_i64(g, 2), "");
  qn__ll_for_begin(g, &blocks, zero, there, 1, 0, NULL);
  LLVMValueRef block = qn__ll_gep(g, b, qn__ll_mul(g, blocks.i, b_row));
  for (uint32_t c = 0; c < s->column_tiles; c++) {
    LLVMValueRef x = qn__ll_load_vec(g, line(g), qn__ll_gep_const(g, block, (int64_t)c * TILE_BYTES), 1);
    LLVMValueRef to = qn__ll_gep(g, s->b_rest, qn__ll_mul(g, blocks.i, bytes));
    qn__ll_store_vec(g, x, qn__ll_gep_const(g, to, (int64_t)c * TILE_ROWS * TILE_BYTES), TILE_BYTES);
  }
  qn__ll_for_end(g, &blocks, NULL);
  multiply_step(s, s->a_rest, bytes, s->b_rest, bytes, TILE_ROWS * TILE_BYTES);
}

/* Rows from `row` on by the column tiles from `column` of the panel on. */
static void multiply(amx_state *s, LLVMValueRef row, LLVMValueRef panel, LLVMValueRef column) {
  qn_ll *g = s->g;
  uint32_t width = s->plan->layout.panel_width;
  LLVMValueRef a = qn__ll_gep(g, s->a, qn__ll_mul(g, row, s->a_stride));
  LLVMValueRef b = qn__ll_gep(g, s->b, qn__ll_mul(g, panel, s->b_stride));
  LLVMValueRef b_row = qn__ll_i64(g, (int64_t)width * 4), zero = qn__ll_i64(g, 0);
  b = qn__ll_gep(g, b, qn__ll_mul(g, column, qn__ll_i64(g, 4)));
  for (uint32_t t = 0; t < s->row_tiles * s->column_tiles; t++) {
    LLVMValueRef arg = number(g, t);
    tile_op(g, "llvm.x86.tilezero", 1, &arg);
  }
  LLVMValueRef whole = LLVMBuildAnd(g->b, s->k_size, qn__ll_i64(g, -TILE_BYTES), "");
  qn_ll_for steps;
  qn__ll_for_begin(g, &steps, zero, whole, TILE_BYTES, 0, NULL);
  /* 64 of k are 16 blocks of four: k * width bytes from the panel's start. */
  LLVMValueRef along = qn__ll_mul(g, steps.i, qn__ll_i64(g, width));
  multiply_step(s, qn__ll_gep(g, a, steps.i), s->a_stride, qn__ll_gep(g, b, along), b_row, TILE_BYTES);
  qn__ll_for_end(g, &steps, NULL);
  LLVMValueRef left = qn__ll_sub(g, s->k_size, whole);
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSGT, left, zero, ""));
  multiply_rest(s, a, qn__ll_gep(g, b, qn__ll_mul(g, whole, qn__ll_i64(g, width))), b_row, whole, left);
  qn__ll_if_end(g, &some);
  uint32_t columns = s->column_tiles * TILE_COLUMNS;
  for (uint32_t t = 0; t < s->row_tiles * s->column_tiles; t++) {
    int64_t first = (int64_t)(t / s->column_tiles) * s->height[0] * columns + t % s->column_tiles * TILE_COLUMNS;
    tile_move(g, "llvm.x86.tilestored64", t, qn__ll_gep_const(g, s->sums, 4 * first), qn__ll_i64(g, 4 * columns));
  }
  LLVMValueRef first = qn__ll_mul(g, panel, qn__ll_i64(g, width));
  qn__ll_epilogue_call(g, s->epilogue, s->sums, row, s->rows, qn__ll_add(g, first, column), columns);
}

/* ---- the body ---- */

/* Tiles of s->rows rows from begin to end, all panels. */
static void loops(amx_state *s, LLVMValueRef begin, LLVMValueRef end) {
  qn_ll *g = s->g;
  LLVMValueRef config = configuration(s);
  tile_op(g, "llvm.x86.ldtilecfg", 1, &config);
  uint32_t width = s->plan->layout.panel_width;
  qn_ll_for panels, rows, columns;
  qn__ll_for_begin(g, &panels, qn__ll_arg_begin(g, 1), qn__ll_arg_end(g, 1), 1, 0, NULL);
  qn__ll_for_begin(g, &rows, begin, end, s->rows, 0, NULL);
  qn__ll_for_begin(g, &columns, qn__ll_i64(g, 0), qn__ll_i64(g, width), s->column_tiles * TILE_COLUMNS, 0, NULL);
  multiply(s, rows.i, panels.i, columns.i);
  qn__ll_for_end(g, &columns, NULL);
  qn__ll_for_end(g, &rows, NULL);
  qn__ll_for_end(g, &panels, NULL);
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

qn_status qn__ll_amx_tiles(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  uint32_t rows = body->rows & (QN_ROWS_MIXED - 1);
  bool low = (body->rows & QN_ROWS_MIXED) != 0;
  uint32_t row_tiles = rows > TILE_ROWS ? 2 : 1, column_tiles = row_tiles == 2 ? 2 : 4;
  while (plan->layout.panel_width % (column_tiles * TILE_COLUMNS)) column_tiles /= 2;
  amx_state s = {.g = g, .plan = plan, .row_tiles = row_tiles, .column_tiles = column_tiles};
  set_rows(&s, rows);
  s.a = qn__ll_arg_ptr(g, 0);
  s.b = qn__ll_arg_ptr(g, 1);
  s.a_stride = qn__ll_arg_stride(g, 0);
  s.b_stride = qn__ll_arg_stride(g, 2);
  s.k_size = qn__ll_arg_size(g, 2);
  s.sums = qn__ll_slot(g, g->i32, s.rows * column_tiles * TILE_COLUMNS);
  s.a_rest = qn__ll_slot(g, g->i8, s.rows * TILE_BYTES);
  s.b_rest = qn__ll_slot(g, g->i8, column_tiles * TILE_ROWS * TILE_BYTES);
  /* Blocks of B that are not there meet zeros of A, but must be there to be read. */
  for (uint32_t i = 0; i < column_tiles * TILE_ROWS; i++)
    qn__ll_store_vec(g, LLVMConstNull(line(g)), qn__ll_gep_const(g, s.b_rest, (int64_t)i * TILE_BYTES), TILE_BYTES);
  s.epilogue = qn__ll_epilogue_function(g, body, false, NULL, NULL);
  LLVMValueRef middle = low ? low_rows(&s) : qn__ll_arg_end(g, 0);
  loops(&s, qn__ll_arg_begin(g, 0), middle);
  if (low) {
    set_rows(&s, rows - 1);
    loops(&s, middle, qn__ll_arg_end(g, 0));
  }
  tile_op(g, "llvm.x86.tilerelease", 0, NULL);
  return QN_OK;
}
