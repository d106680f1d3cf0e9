/* PACK: a right-hand matrix into panels at run time. */
#include "assembly.h"

typedef struct pack_state {
  qn_ll *g;
  const qn_pack_plan *plan;
  LLVMTypeRef elem;
  uint32_t bytes; /* of an element */
  LLVMValueRef src, dst, k_size, n_size, k_stride, n_stride;
  LLVMValueRef first_column, panel_base;  /* of the present panel */
  LLVMValueRef blocks_done, columns_done; /* memory: what of it has been written */
  LLVMValueRef panel;                     /* memory: what functions that are text have to know of it */
} pack_state;

static LLVMValueRef source(pack_state *s, LLVMValueRef k, LLVMValueRef n) {
  qn_ll *g = s->g;
  return qn__ll_gep(g, qn__ll_gep(g, s->src, qn__ll_mul(g, k, s->k_stride)), qn__ll_mul(g, n, s->n_stride));
}

/* Where (block, column, value 0) of the panel goes. */
static LLVMValueRef target(pack_state *s, LLVMValueRef block, LLVMValueRef column) {
  qn_ll *g = s->g;
  int64_t column_bytes = (int64_t)s->plan->layout.k_block * s->bytes;
  int64_t block_bytes = column_bytes * s->plan->layout.panel_width;
  LLVMValueRef at = qn__ll_gep(g, s->panel_base, qn__ll_mul(g, block, qn__ll_i64(g, block_bytes)));
  return qn__ll_gep(g, at, qn__ll_mul(g, column, qn__ll_i64(g, column_bytes)));
}

/* Every value of the panel's blocks start .. end-1 for columns column .. last-1; those outside of B are 0. */
static void copy_checked(pack_state *s, LLVMValueRef start, LLVMValueRef end, LLVMValueRef column, LLVMValueRef last) {
  qn_ll *g = s->g;
  uint32_t kb = s->plan->layout.k_block;
  qn_ll_for blocks, columns;
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, column, last, ""));
  qn__ll_for_begin(g, &blocks, start, end, 1, 0, NULL);
  qn__ll_do_begin(g, &columns, column, last, 1, 0, NULL);
  LLVMValueRef n = qn__ll_add(g, s->first_column, columns.i), to = target(s, blocks.i, columns.i);
  LLVMValueRef column_exists = LLVMBuildICmp(g->b, LLVMIntSLT, n, s->n_size, "");
  for (uint32_t kk = 0; kk < kb; kk++) {
    LLVMValueRef k = qn__ll_add(g, qn__ll_mul(g, blocks.i, qn__ll_i64(g, kb)), qn__ll_i64(g, kk));
    LLVMValueRef exists = LLVMBuildAnd(g->b, column_exists, LLVMBuildICmp(g->b, LLVMIntSLT, k, s->k_size, ""), "");
    LLVMValueRef at = qn__ll_gep_const(g, to, (int64_t)kk * s->bytes);
    LLVMValueRef zero = LLVMConstNull(s->elem);
    qn_ll_if there;
    qn__ll_store_vec(g, zero, at, 1);
    qn__ll_if_begin(g, &there, exists);
    qn__ll_store_vec(g, qn__ll_load_vec(g, s->elem, source(s, k, n), 1), at, 1);
    qn__ll_if_end(g, &there);
  }
  qn__ll_for_end(g, &columns, NULL);
  qn__ll_for_end(g, &blocks, NULL);
  qn__ll_if_end(g, &some);
}

/* Of it, blocks .. blocks-1 are to be written. */
static qn_ll_panel panel_of(const pack_state *s, LLVMValueRef blocks) {
  qn_ll *g = s->g;
  LLVMValueRef width = qn__ll_i64(g, s->plan->layout.panel_width), none = qn__ll_i64(g, 0);
  return (qn_ll_panel){.memory = s->panel,
                       .v = {[QN_PANEL_FROM] = s->src,
                             [QN_PANEL_TO] = s->panel_base,
                             [QN_PANEL_K_SIZE] = s->k_size,
                             [QN_PANEL_N_SIZE] = s->n_size,
                             [QN_PANEL_K_STRIDE] = s->k_stride,
                             [QN_PANEL_N_STRIDE] = s->n_stride,
                             [QN_PANEL_FIRST] = s->first_column,
                             [QN_PANEL_WIDTH] = width,
                             [QN_PANEL_BLOCKS] = blocks,
                             [QN_PANEL_BELOW] = none,
                             [QN_PANEL_RIGHT] = none}};
}

static void copy_rest_text(pack_state *s, LLVMValueRef all_blocks) {
  qn_ll *g = s->g;
  qn_ll_panel p = panel_of(s, all_blocks);
  p.v[QN_PANEL_BELOW] = LLVMBuildLoad2(g->b, g->i64, s->blocks_done, "");
  p.v[QN_PANEL_RIGHT] = LLVMBuildLoad2(g->b, g->i64, s->columns_done, "");
  qn__ll_panel_rest(g, s->plan->layout.k_block, s->bytes, &p);
}

/* What is left below and to the right of blocks .. s->blocks_done-1 of columns .. s->columns_done-1. */
static void copy_rest(pack_state *s, LLVMValueRef all_blocks) {
  qn_ll *g = s->g;
  LLVMValueRef zero = qn__ll_i64(g, 0), width = qn__ll_i64(g, s->plan->layout.panel_width);
  LLVMValueRef below = LLVMBuildLoad2(g->b, g->i64, s->blocks_done, "");
  LLVMValueRef right = LLVMBuildLoad2(g->b, g->i64, s->columns_done, "");
  qn_ll_for parts;
  qn__ll_do_begin(g, &parts, zero, qn__ll_i64(g, 2), 1, 0, NULL);
  LLVMValueRef is_below = LLVMBuildICmp(g->b, LLVMIntEQ, parts.i, zero, "");
  copy_checked(s, LLVMBuildSelect(g->b, is_below, below, zero, ""), all_blocks,
               LLVMBuildSelect(g->b, is_below, zero, right, ""), LLVMBuildSelect(g->b, is_below, right, width, ""));
  qn__ll_for_end(g, &parts, NULL);
}

static void set_done(pack_state *s, LLVMValueRef blocks, LLVMValueRef columns) {
  LLVMBuildStore(s->g->b, blocks, s->blocks_done);
  LLVMBuildStore(s->g->b, columns, s->columns_done);
}

static LLVMValueRef round_down(qn_ll *g, LLVMValueRef x, uint32_t power) {
  return LLVMBuildAnd(g->b, x, qn__ll_i64(g, -(int64_t)power), "");
}

/* ---- columns that stand next to each other in B ---- */

/* A vector of columns of row k: with a mask those in it. */
static LLVMValueRef load_row(pack_state *s, LLVMTypeRef type, LLVMValueRef k, LLVMValueRef n, LLVMValueRef mask) {
  qn_ll *g = s->g;
  LLVMValueRef at = source(s, k, n);
  if (!mask) return qn__ll_load_vec(g, type, at, 1);
  LLVMTypeRef overloads[2] = {type, g->ptr};
  LLVMValueRef args[4] = {at, qn__ll_i32(g, 1), mask, LLVMConstNull(type)};
  return qn__ll_intrinsic(g, "llvm.masked.load", 2, overloads, 4, args);
}

/* k_block rows of a vector of columns, interleaved. */
static void copy_interleaved(pack_state *s, LLVMValueRef block, LLVMValueRef column, uint32_t lanes,
                             LLVMValueRef mask) {
  qn_ll *g = s->g;
  uint32_t kb = s->plan->layout.k_block;
  LLVMTypeRef type = LLVMVectorType(s->elem, lanes);
  LLVMValueRef rows[8] = {NULL}, picks[64 * 8], n = qn__ll_add(g, s->first_column, column);
  for (uint32_t kk = 0; kk < kb; kk++) {
    LLVMValueRef k = qn__ll_add(g, qn__ll_mul(g, block, qn__ll_i64(g, kb)), qn__ll_i64(g, kk));
    rows[kk] = load_row(s, type, k, n, mask);
  }
  /* Concatenate by pairs, then pick value kk of column c at c * kb + kk. */
  for (uint32_t count = kb, width = lanes; count > 1; count /= 2, width *= 2) {
    for (uint32_t i = 0; i < 2 * width; i++) picks[i] = qn__ll_i32(g, i);
    LLVMValueRef all = LLVMConstVector(picks, 2 * width);
    for (uint32_t i = 0; i < count / 2; i++)
      rows[i] = LLVMBuildShuffleVector(g->b, rows[2 * (size_t)i], rows[2 * (size_t)i + 1], all, "");
  }
  for (uint32_t i = 0; i < lanes * kb; i++) picks[i] = qn__ll_i32(g, (i % kb) * lanes + i / kb);
  LLVMValueRef mixed = rows[0];
  if (kb > 1)
    mixed = LLVMBuildShuffleVector(g->b, rows[0], LLVMGetPoison(LLVMTypeOf(rows[0])),
                                   LLVMConstVector(picks, lanes * kb), "");
  qn__ll_store_vec(g, mixed, target(s, block, column), 1);
}

/* Lanes of columns from `column` on that exist. */
static LLVMValueRef existing(pack_state *s, LLVMValueRef column, uint32_t lanes) {
  qn_ll *g = s->g;
  LLVMValueRef left = qn__ll_sub(g, s->n_size, qn__ll_add(g, s->first_column, column)), numbers[16];
  for (uint32_t i = 0; i < lanes; i++) numbers[i] = qn__ll_i32(g, i);
  LLVMValueRef count = qn__ll_splat(g, LLVMBuildTrunc(g->b, left, g->i32, ""), lanes);
  return LLVMBuildICmp(g->b, LLVMIntSLT, LLVMConstVector(numbers, lanes), count, "");
}

/* Blocks 0 .. done-1 of columns start .. end-1, with masks of those of them that exist. */
static void dense_columns(pack_state *s, LLVMValueRef done, LLVMValueRef start, LLVMValueRef end, uint32_t lanes,
                          bool masks) {
  qn_ll *g = s->g;
  qn_ll_for blocks, columns;
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, start, end, ""));
  qn__ll_for_begin(g, &blocks, qn__ll_i64(g, 0), done, 1, 0, NULL);
  qn__ll_do_begin(g, &columns, start, end, lanes, 0, NULL);
  copy_interleaved(s, blocks.i, columns.i, lanes, masks ? existing(s, columns.i, lanes) : NULL);
  qn__ll_for_end(g, &columns, NULL);
  qn__ll_for_end(g, &blocks, NULL);
  qn__ll_if_end(g, &some);
}

/* Whole blocks of all columns, or of whole vectors of columns where there are no masks. */
static void pack_dense(pack_state *s, uint32_t lanes) {
  qn_ll *g = s->g;
  const qn_layout *l = &s->plan->layout;
  LLVMValueRef zero = qn__ll_i64(g, 0), width = qn__ll_i64(g, l->panel_width);
  LLVMValueRef done = LLVMBuildUDiv(g->b, s->k_size, qn__ll_i64(g, l->k_block), "");
  LLVMValueRef there = qn__ll_min(g, width, qn__ll_sub(g, s->n_size, s->first_column));
  LLVMValueRef whole = round_down(g, there, lanes);
  LLVMValueRef stride = s->n_stride;
  set_done(s, done, g->masked ? width : whole);
  if (qn__ll_panel_rows_serve(g, l, s->bytes)) {
    qn_ll_panel p = panel_of(s, done);
    qn__ll_panel_rows(g, l->panel_width, &p);
    return;
  }
  s->n_stride = qn__ll_i64(g, s->bytes);
  dense_columns(s, done, zero, whole, lanes, false);
  if (g->masked) dense_columns(s, done, whole, width, lanes, true);
  s->n_stride = stride;
}

/* Lanes of vectors of columns; 0 where rows cannot be interleaved. */
static uint32_t dense_lanes(const qn_layout *l) {
  uint32_t lanes = 16;
  while (lanes > 1 && l->panel_width % lanes) lanes /= 2;
  return lanes > 1 && l->k_block <= 8 && (l->k_block & (l->k_block - 1)) == 0 ? lanes : 0;
}

/* ---- B given transposed: a column's values stand next to each other ---- */

/* Lane l of row i becomes lane i of row l: exchanges of halves of blocks of 2, 4, 8 .. rows and lanes. */
static void transpose_square(qn_ll *g, LLVMValueRef *rows, uint32_t size) {
  for (uint32_t step = 1; step < size; step *= 2) {
    LLVMValueRef low[64], high[64];
    for (uint32_t l = 0; l < size; l++) {
      low[l] = qn__ll_i32(g, l & step ? size + l - step : l);
      high[l] = qn__ll_i32(g, l & step ? size + l : l + step);
    }
    LLVMValueRef lows = LLVMConstVector(low, size), highs = LLVMConstVector(high, size);
    for (uint32_t i = 0; i < size; i++) {
      if (i & step) continue;
      LLVMValueRef a = rows[i], b = rows[i | step];
      rows[i] = LLVMBuildShuffleVector(g->b, a, b, lows, "");
      rows[i | step] = LLVMBuildShuffleVector(g->b, a, b, highs, "");
    }
  }
}

/* A vector of blocks of 32 bits for as many columns, from block and column on. */
static void copy_square(pack_state *s, LLVMValueRef block, LLVMValueRef column) {
  qn_ll *g = s->g;
  LLVMTypeRef type = LLVMVectorType(g->i32, g->lanes);
  LLVMValueRef rows[64], k = qn__ll_mul(g, block, qn__ll_i64(g, s->plan->layout.k_block));
  for (uint32_t i = 0; i < g->lanes; i++) {
    LLVMValueRef n = qn__ll_add(g, qn__ll_add(g, s->first_column, column), qn__ll_i64(g, i));
    rows[i] = qn__ll_load_vec(g, type, source(s, k, n), 1);
  }
  transpose_square(g, rows, g->lanes);
  for (uint32_t i = 0; i < g->lanes; i++)
    qn__ll_store_vec(g, rows[i], target(s, qn__ll_add(g, block, qn__ll_i64(g, i)), column), 1);
}

/* The squares of blocks 0 .. done-1 of a vector of columns. */
static void pack_squares(pack_state *s, LLVMValueRef done, LLVMValueRef column) {
  qn_ll *g = s->g;
  LLVMValueRef zero = qn__ll_i64(g, 0);
  qn_ll_for blocks;
  if (qn__ll_squares_text_serves(g)) {
    const qn_layout *l = &s->plan->layout;
    LLVMValueRef from = source(s, zero, qn__ll_add(g, s->first_column, column));
    qn__ll_squares_text(g, from, s->n_stride, target(s, zero, column), (int64_t)l->k_block * s->bytes * l->panel_width,
                        LLVMBuildUDiv(g->b, done, qn__ll_i64(g, g->lanes), ""));
    return;
  }
  qn__ll_for_begin(g, &blocks, zero, done, g->lanes, 0, NULL);
  copy_square(s, blocks.i, column);
  qn__ll_for_end(g, &blocks, NULL);
}

/* The panel's squares of whole blocks and columns. */
static void pack_transposed(pack_state *s) {
  qn_ll *g = s->g;
  const qn_layout *l = &s->plan->layout;
  LLVMValueRef width = qn__ll_i64(g, l->panel_width);
  LLVMValueRef whole = LLVMBuildUDiv(g->b, s->k_size, qn__ll_i64(g, l->k_block), "");
  LLVMValueRef there = qn__ll_min(g, width, qn__ll_sub(g, s->n_size, s->first_column));
  LLVMValueRef done = round_down(g, whole, g->lanes), covered = round_down(g, there, g->lanes);
  qn_ll_outline squares;
  qn_ll_for columns;
  set_done(s, done, covered);
  qn__ll_outline_begin(g, &squares, "_squares");
  if (qn__ll_squares_text_serves(g)) qn__ll_function_quickly(g, squares.inner.fn);
  qn__ll_for_begin(g, &columns, qn__ll_i64(g, 0), covered, g->lanes, 0, NULL);
  pack_squares(s, done, columns.i);
  qn__ll_for_end(g, &columns, NULL);
  qn__ll_outline_end(g, &squares);
}

/* Whether squares of blocks of 32 bits can be turned around in registers. */
static bool has_squares(const qn_ll *g, const qn_layout *l, uint32_t bytes) {
  return g->lanes > 1 && l->k_block * bytes == 4 && l->panel_width % g->lanes == 0;
}

/* ---- panels ---- */

static LLVMValueRef blocks_of(pack_state *s) {
  qn_ll *g = s->g;
  LLVMValueRef up = qn__ll_add(g, s->k_size, qn__ll_i64(g, s->plan->layout.k_block - 1));
  return LLVMBuildUDiv(g->b, up, qn__ll_i64(g, s->plan->layout.k_block), "");
}

/* As rows or columns are dense: null where it is known that they are not. */
static void pack_panel(pack_state *s, LLVMValueRef dense, LLVMValueRef transposed) {
  qn_ll *g = s->g;
  const qn_layout *l = &s->plan->layout;
  LLVMValueRef all_blocks = blocks_of(s), zero = qn__ll_i64(g, 0);
  uint32_t lanes = dense_lanes(l);
  qn_ll_if condition;
  qn_ll_outline rows, rest;
  set_done(s, zero, zero);
  if (dense && lanes) {
    bool text = qn__ll_panel_rows_serve(g, l, s->bytes);
    qn__ll_if_begin(g, &condition, dense);
    if (!text) qn__ll_outline_begin(g, &rows, "_rows");
    pack_dense(s, lanes);
    if (!text) qn__ll_outline_end(g, &rows);
    qn__ll_if_end(g, &condition);
  }
  if (transposed && has_squares(g, l, s->bytes)) {
    qn__ll_if_begin(g, &condition, transposed);
    pack_transposed(s);
    qn__ll_if_end(g, &condition);
  }
  if (qn__ll_panel_rest_serves(g, s->bytes)) {
    copy_rest_text(s, all_blocks);
    return;
  }
  qn__ll_outline_begin(g, &rest, "_rest");
  copy_rest(s, all_blocks);
  qn__ll_outline_end(g, &rest);
}

static void start(pack_state *s, qn_ll *g, const qn_pack_plan *plan) {
  uint32_t bits = qn__ll_mem_bits(plan->mem);
  *s = (pack_state){.g = g, .plan = plan, .elem = LLVMIntTypeInContext(g->ctx, bits), .bytes = bits / 8};
  s->blocks_done = qn__ll_slot(g, g->i64, 1), s->columns_done = qn__ll_slot(g, g->i64, 1);
  s->panel = qn__ll_slot(g, g->i64, QN_PANEL_VALUES);
}

bool qn__ll_pack_rows_quick(const qn_ll *g, const qn_pack_plan *plan, bool transpose) {
  uint32_t bytes = qn__ll_mem_bits(plan->mem) / 8;
  bool rows = transpose ? has_squares(g, &plan->layout, bytes) && qn__ll_squares_text_serves(g)
                        : qn__ll_panel_rows_serve(g, &plan->layout, bytes);
  return rows && qn__ll_panel_rest_serves(g, bytes);
}

void qn__ll_pack_rows(qn_ll *g, const qn_pack_plan *plan, const qn_ll_pack_of *of) {
  pack_state s;
  start(&s, g, plan);
  LLVMValueRef size = qn__ll_i64(g, s.bytes), row = qn__ll_mul(g, of->columns, size),
               yes = LLVMConstInt(g->i1, 1, false);
  s.src = of->rows, s.panel_base = of->panel, s.first_column = of->first;
  s.k_size = of->transpose ? of->columns : of->count, s.n_size = of->transpose ? of->count : of->columns;
  s.k_stride = of->transpose ? size : row, s.n_stride = of->transpose ? row : size;
  pack_panel(&s, of->transpose ? NULL : yes, of->transpose ? yes : NULL);
}

qn_status qn__ll_pack(qn_ll *g, const qn_body *body) {
  const qn_pack_plan *plan = &body->plan->u.pack;
  if (plan->layout.plain || plan->layout.k_block == 0 || plan->layout.panel_width == 0 ||
      qn__ll_mem_bits(plan->mem) < 8)
    return qn__ll_error(g, QN_DIAG_UNSUPPORTED, "only whole bytes are packed at run time, into a panel layout");
  pack_state s;
  start(&s, g, plan);
  qn__ll_function_quickly(g, g->fn);
  s.src = qn__ll_arg_ptr(g, 0);
  s.dst = qn__ll_arg_ptr(g, 1);
  s.k_size = qn__ll_arg_size(g, 0);
  s.n_size = qn__ll_arg_size(g, 1);
  s.k_stride = qn__ll_arg_stride(g, 0);
  s.n_stride = qn__ll_arg_stride(g, 1);
  LLVMValueRef panel_stride = qn__ll_arg_stride(g, 2), bytes = qn__ll_i64(g, s.bytes);
  LLVMValueRef dense = LLVMBuildICmp(g->b, LLVMIntEQ, s.n_stride, bytes, "");
  LLVMValueRef transposed = LLVMBuildICmp(g->b, LLVMIntEQ, s.k_stride, bytes, "");
  /* A matrix of one column or row may be both. */
  transposed = LLVMBuildAnd(g->b, transposed, LLVMBuildNot(g->b, dense, ""), "");
  qn_ll_for panels;
  qn__ll_for_begin(g, &panels, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, 0, NULL);
  s.first_column = qn__ll_mul(g, panels.i, qn__ll_i64(g, plan->layout.panel_width));
  s.panel_base = qn__ll_gep(g, s.dst, qn__ll_mul(g, panels.i, panel_stride));
  pack_panel(&s, dense, transposed);
  qn__ll_for_end(g, &panels, NULL);
  return QN_OK;
}
