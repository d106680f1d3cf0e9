/* BLOCK_GEMM of f32 rows that are more than one tile: a piece of a panel is dequantized once, into a slab of memory
 * that the first level of cache holds, and multiplied by every tile of a chunk of rows. Sums wait in memory from piece
 * to piece, so each stays one fma chain in ascending k. Chunks are the outer loop: their rows stay in the second level
 * while all panels go by. */
#include "block.h"

enum { PIECE = 128, CHUNK_TILES = 8, CHUNK_ROWS = CHUNK_TILES * QN_LL_BLOCK_ROWS, SUM_BYTES = QN_BPACK_PANEL * 4 };

typedef struct slab {
  qn_ll_block *s;
  uint32_t rows;           /* of tall tiles; low ones have one fewer */
  bool mixed;              /* there are low ones */
  bool text;               /* qn__ll_block_floats_text_serves */
  LLVMValueRef tall;       /* how many tiles are tall: they come first */
  LLVMValueRef k, k_end;   /* of the piece */
  LLVMValueRef first, end; /* tiles of the chunk */
  LLVMValueRef values;     /* [PIECE][the tile's columns] f32 */
  LLVMValueRef sums;       /* [CHUNK_ROWS][columns of a panel] f32 */
  int64_t row_bytes;       /* of values */
} slab;

/* First row of a tile, counted from the first of all. */
static LLVMValueRef tile_row(const slab *l, LLVMValueRef tile) {
  qn_ll *g = l->s->g;
  LLVMValueRef before = qn__ll_min(g, tile, l->tall);
  return qn__ll_add(g, qn__ll_mul_const(g, tile, (int64_t)l->rows - 1), before);
}

/* Four k, from `k` on: a row of codes. */
static void dequantize_four(slab *l, LLVMValueRef k) {
  qn_ll_block *s = l->s;
  qn_ll *g = s->g;
  const qn_bpack_layout *w = &s->plan->weights;
  LLVMValueRef size = qn__ll_i64(g, w->block), index = LLVMBuildUDiv(g->b, k, size, "");
  LLVMValueRef within = qn__ll_sub(g, k, qn__ll_mul(g, index, size));
  const qn_ll_block_place block = qn__ll_block_place(s, index);
  LLVMValueRef scales[QN_LL_BLOCK_VECTORS], zeros[QN_LL_BLOCK_VECTORS];
  qn__ll_block_read_scales(s, &block, scales, zeros);
  LLVMValueRef codes = qn__ll_gep(g, block.codes, qn__ll_mul_const(g, within, qn_bpack_code_row(w) / 4));
  LLVMValueRef to = qn__ll_gep(g, l->values, qn__ll_mul_const(g, qn__ll_sub(g, k, l->k), l->row_bytes));
  for (uint32_t v = 0; v < QN_LL_BLOCK_VECTORS; v++) {
    int64_t at = (int64_t)v * s->lanes * 4;
    LLVMValueRef raw = qn__ll_block_raw(s, codes, v);
    for (uint32_t i = 0; i < 4; i++) {
      LLVMValueRef shift = qn__ll_i32(g, qn__ll_block_shift(s, i, v));
      LLVMValueRef x = qn__ll_block_float(s, raw, shift, scales[v], zeros[v]);
      qn__ll_store_vec(g, x, qn__ll_gep_const(g, to, i * l->row_bytes + at), 4);
    }
  }
}

/* From the piece's first k on, block by block. */
static void dequantize_blocks(slab *l) {
  qn_ll_block *s = l->s;
  qn_ll *g = s->g;
  const qn_bpack_layout *w = &s->plan->weights;
  LLVMValueRef size = qn__ll_i64(g, w->block), one = qn__ll_i64(g, 1);
  LLVMValueRef last = LLVMBuildUDiv(g->b, qn__ll_sub(g, l->k_end, one), size, "");
  qn_ll_for blocks;
  qn__ll_do_begin(g, &blocks, LLVMBuildUDiv(g->b, l->k, size, ""), qn__ll_add(g, last, one), 1, 0, NULL);
  const qn_ll_block_place block = qn__ll_block_place(s, blocks.i);
  LLVMValueRef first = qn__ll_mul(g, blocks.i, size), end = qn__ll_min(g, qn__ll_add(g, first, size), l->k_end);
  LLVMValueRef later = LLVMBuildICmp(g->b, LLVMIntSGT, l->k, first, "");
  LLVMValueRef k = LLVMBuildSelect(g->b, later, l->k, first, ""), within = qn__ll_sub(g, k, first);
  LLVMValueRef codes = qn__ll_gep(g, block.codes, qn__ll_mul_const(g, within, qn_bpack_code_row(w) / 4));
  LLVMValueRef to = qn__ll_gep(g, l->values, qn__ll_mul_const(g, qn__ll_sub(g, k, l->k), l->row_bytes));
  LLVMValueRef fours =
      LLVMBuildLShr(g->b, qn__ll_add(g, qn__ll_sub(g, end, k), qn__ll_i64(g, 3)), qn__ll_i64(g, 2), "");
  qn__ll_block_values_text(s, &block, codes, to, fours);
  qn__ll_for_end(g, &blocks, NULL);
}

static LLVMValueRef sums_of(const slab *l, LLVMValueRef row) {
  LLVMValueRef first = tile_row(l, l->first);
  return qn__ll_gep(l->s->g, l->sums, qn__ll_mul_const(l->s->g, qn__ll_sub(l->s->g, row, first), SUM_BYTES));
}

/* Adds the piece's products to a tile's sums. */
static void multiply(slab *l, LLVMValueRef tile, uint32_t rows) {
  qn_ll_block *s = l->s;
  qn_ll *g = s->g;
  enum { V = QN_LL_BLOCK_VECTORS };
  LLVMValueRef row = tile_row(l, tile), a[QN_LL_BLOCK_ROWS], sum[QN_LL_BLOCK_ROWS * V];
  LLVMValueRef at = qn__ll_gep(g, sums_of(l, row), qn__ll_mul_const(g, s->column, 4));
  if (l->text) {
    LLVMValueRef first = qn__ll_mul(g, qn__ll_add(g, s->first_row, row), s->a_stride);
    first = qn__ll_gep(g, s->a, qn__ll_add(g, first, qn__ll_mul_const(g, l->k, 4)));
    qn__ll_block_slab_text(
        s, &(qn_ll_block_slab_tile){rows, first, s->a_stride, l->values, at, qn__ll_sub(g, l->k_end, l->k)});
    return;
  }
  for (uint32_t r = 0; r < rows; r++) {
    a[r] = qn__ll_add(g, qn__ll_add(g, s->first_row, row), qn__ll_i64(g, r));
    a[r] = qn__ll_gep(g, s->a, qn__ll_mul(g, a[r], s->a_stride));
    for (uint32_t v = 0; v < V; v++)
      sum[r * V + v] = qn__ll_load_vec(g, s->floats, qn__ll_gep_const(g, at, (r * V + v) * (SUM_BYTES / V)), 4);
  }
  qn_ll_for f;
  qn__ll_for_begin(g, &f, l->k, l->k_end, 1, rows * V, sum);
  LLVMValueRef values = qn__ll_gep(g, l->values, qn__ll_mul_const(g, qn__ll_sub(g, f.i, l->k), l->row_bytes)), x[V];
  for (uint32_t v = 0; v < V; v++)
    x[v] = qn__ll_load_vec(g, s->floats, qn__ll_gep_const(g, values, v * s->lanes * 4), 4);
  for (uint32_t r = 0; r < rows; r++) {
    LLVMValueRef own = qn__ll_load_vec(g, g->f32, qn__ll_gep(g, a[r], qn__ll_mul_const(g, f.i, 4)), 4);
    own = qn__ll_splat(g, own, s->lanes);
    for (uint32_t v = 0; v < V; v++) sum[r * V + v] = qn__ll_fma(g, own, x[v], sum[r * V + v], false, s->lanes);
  }
  qn__ll_for_end(g, &f, sum);
  for (uint32_t i = 0; i < rows * V; i++) qn__ll_store_vec(g, sum[i], qn__ll_gep_const(g, at, i * (SUM_BYTES / V)), 4);
}

static void outlined(slab *l, LLVMValueRef tile, uint32_t rows) {
  qn_ll_outline o;
  qn__ll_outline_begin(l->s->g, &o, "_tile");
  if (l->text) qn__ll_function_quickly(l->s->g, o.inner.fn);
  multiply(l, tile, rows);
  qn__ll_outline_end(l->s->g, &o);
}

static void finish(slab *l, LLVMValueRef tile, uint32_t rows, LLVMValueRef epilogue) {
  qn_ll_block *s = l->s;
  qn_ll *g = s->g;
  LLVMValueRef row = tile_row(l, tile);
  qn__ll_epilogue_call(g, epilogue, sums_of(l, row), qn__ll_add(g, s->first_row, row), rows,
                       qn__ll_mul_const(g, s->panel, QN_BPACK_PANEL), QN_BPACK_PANEL);
}

/* The tall tiles of the chunk, then the low ones: products, or with an epilogue what comes after them. */
static void each_tile(slab *l, LLVMValueRef epilogue) {
  qn_ll *g = l->s->g;
  LLVMValueRef middle = qn__ll_min(g, l->tall, l->end);
  middle = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, middle, l->first, ""), middle, l->first, "");
  for (uint32_t low = 0; low <= (l->mixed ? 1u : 0u); low++) {
    qn_ll_for f;
    qn__ll_for_begin(g, &f, low ? middle : l->first, low ? l->end : middle, 1, 0, NULL);
    if (epilogue)
      finish(l, f.i, l->rows - low, epilogue);
    else
      outlined(l, f.i, l->rows - low);
    qn__ll_for_end(g, &f, NULL);
  }
}

static void clear_sums(slab *l) {
  qn_ll *g = l->s->g;
  qn_ll_for f;
  LLVMValueRef rows = qn__ll_sub(g, tile_row(l, l->end), tile_row(l, l->first));
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_mul_const(g, rows, QN_BPACK_PANEL / l->s->lanes), 1, 0, NULL);
  LLVMValueRef at = qn__ll_gep(g, l->sums, qn__ll_mul_const(g, f.i, l->s->lanes * 4));
  qn__ll_store_vec(g, LLVMConstNull(l->s->floats), at, 4);
  qn__ll_for_end(g, &f, NULL);
}

/* A chunk of rows by as many columns of a panel as two vectors hold. */
static void chunk_columns(slab *l) {
  qn_ll_block *s = l->s;
  qn_ll *g = s->g;
  qn_ll_for pieces, fours;
  qn_ll_outline values;
  qn__ll_for_begin(g, &pieces, qn__ll_i64(g, 0), s->k_size, PIECE, 0, NULL);
  l->k = pieces.i;
  l->k_end = qn__ll_min(g, qn__ll_add(g, l->k, qn__ll_i64(g, PIECE)), s->k_size);
  qn__ll_outline_begin(g, &values, "_values");
  if (l->text) {
    qn__ll_function_quickly(g, values.inner.fn);
    dequantize_blocks(l);
  } else {
    qn__ll_for_begin(g, &fours, l->k, l->k_end, 4, 0, NULL);
    dequantize_four(l, fours.i);
    qn__ll_for_end(g, &fours, NULL);
  }
  qn__ll_outline_end(g, &values);
  each_tile(l, NULL);
  qn__ll_for_end(g, &pieces, NULL);
}

void qn__ll_block_slab(qn_ll_block *s, uint32_t rows, bool mixed, LLVMValueRef tall, LLVMValueRef tiles,
                       LLVMValueRef epilogue) {
  qn_ll *g = s->g;
  uint32_t width = QN_LL_BLOCK_VECTORS * s->lanes;
  slab l = {.s = s, .rows = rows, .mixed = mixed, .tall = tall, .row_bytes = (int64_t)width * 4};
  l.text = qn__ll_block_floats_text_serves(s);
  l.values = qn__ll_slot(g, g->i8, PIECE * width * 4);
  l.sums = qn__ll_slot(g, g->i8, CHUNK_ROWS * SUM_BYTES);
  qn_ll_for chunks, panels, groups;
  qn__ll_for_begin(g, &chunks, qn__ll_i64(g, 0), tiles, CHUNK_TILES, 0, NULL);
  l.first = chunks.i;
  l.end = qn__ll_min(g, qn__ll_add(g, l.first, qn__ll_i64(g, CHUNK_TILES)), tiles);
  qn__ll_for_begin(g, &panels, qn__ll_arg_begin(g, 1), qn__ll_arg_end(g, 1), 1, 0, NULL);
  s->panel = panels.i;
  clear_sums(&l);
  qn__ll_for_begin(g, &groups, qn__ll_i64(g, 0), qn__ll_i64(g, QN_BPACK_PAIRS), s->lanes, 0, NULL);
  s->column = groups.i;
  chunk_columns(&l);
  qn__ll_for_end(g, &groups, NULL);
  each_tile(&l, epilogue);
  qn__ll_for_end(g, &panels, NULL);
  qn__ll_for_end(g, &chunks, NULL);
}
