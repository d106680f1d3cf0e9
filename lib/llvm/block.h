/* Products with a scale per block: what the tile (block_gemm.c) and the ways to read weights (block_dot.c) share. */
#ifndef QN_LL_BLOCK_H
#define QN_LL_BLOCK_H
#include "tile.h"

enum { QN_LL_BLOCK_ROWS = 8, QN_LL_BLOCK_VECTORS = 2 };

typedef struct qn_ll_block {
  qn_ll *g;
  const qn_block_plan *plan;
  uint32_t lanes;           /* of 32 bits in a vector of columns */
  LLVMTypeRef ints, floats; /* vectors of columns */
  LLVMTypeRef bytes;        /* the same, four codes per lane */
  LLVMValueRef table[16];   /* codebook: one or two registers, or a splat per entry */
  LLVMValueRef a, a_stride, b, b_stride, blocks, k_size;
  /* Of the tile; it takes `lanes` columns of the panel's lower half from `column` on, and as many of the upper one,
   * which share their bytes where codes have 4 bits. */
  LLVMValueRef sums, row, panel, column;
  LLVMValueRef first_row, one_pass; /* begin[0]; whether all rows are one tile */
  LLVMValueRef far;                 /* whether the weights lie in no cache */
  bool quick;                       /* the body is compiled quickly, and what a tile does is a function of its own */
  bool in_order; /* weights are read in the order of calls: a code generator would take one block after the other */
  bool rest;     /* blocks that are left after turns of several: so few that short code is better than fast code */
} qn_ll_block;

static inline LLVMValueRef qn__ll_mul_const(qn_ll *g, LLVMValueRef v, int64_t by) {
  return qn__ll_mul(g, v, qn__ll_i64(g, by));
}

/* Where a block of the present panel has its codes, and scales and zero points of all columns. */
typedef struct qn_ll_block_place {
  LLVMValueRef codes, scales, zeros; /* zeros null where the form has none */
} qn_ll_block_place;
qn_ll_block_place qn__ll_block_place(qn_ll_block *s, LLVMValueRef block);
/* `n` blocks later: in the same group, where there are groups. */
qn_ll_block_place qn__ll_block_later(qn_ll_block *s, const qn_ll_block_place *at, uint32_t n);

/* Reads the codebook at `header` into s->table. */
void qn__ll_block_table(qn_ll_block *s, LLVMValueRef header);
/* Four codes per lane, from 32-bit lanes as stored: of 4 bits, the low or the high halves. Unsigned bytes. */
LLVMValueRef qn__ll_block_codes(qn_ll_block *s, LLVMValueRef raw, bool high);
/* Whether tiles of `rows` rows are faster with whole bytes as codes of the lower columns, which adds 16 times the upper
 * ones' products, and with these as they lie, 16 times too large: a subtraction and a shift per block make up for it.
 */
bool qn__ll_block_whole_bytes(const qn_ll_block *s, uint32_t rows);
LLVMValueRef qn__ll_block_high(qn_ll_block *s, LLVMValueRef raw);
/* acc + the four products of codes with the four signed bytes at `a`. */
LLVMValueRef qn__ll_block_dot(qn_ll_block *s, LLVMValueRef acc, LLVMValueRef codes, LLVMValueRef a);
/* acc + zero points (bytes at `zeros`) times the i32 at `sum`, which fits 16 bits. */
LLVMValueRef qn__ll_block_zeros(qn_ll_block *s, LLVMValueRef acc, LLVMValueRef zeros, LLVMValueRef sum);
/* Scales of the tile's columns as f32. */
void qn__ll_block_scales(qn_ll_block *s, const qn_ll_block_place *at, LLVMValueRef *scales);
/* Zero points likewise, as integers. With `whole`, of 4 bits, in place of the lower columns' the bytes that hold both,
 * and the upper ones' 16 times. */
void qn__ll_block_zero_points(qn_ll_block *s, const qn_ll_block_place *at, bool whole, LLVMValueRef *zeros);
/* Four bytes per lane of codes of vector `v` of the tile, of the four k of which `row` is the row of codes. */
LLVMValueRef qn__ll_block_raw(qn_ll_block *s, LLVMValueRef row, uint32_t v);
/* Where the code of byte i of a lane starts, of vector `v`. */
uint32_t qn__ll_block_shift(const qn_ll_block *s, uint32_t i, uint32_t v);
/* Scales, and where the form has them zero points, for qn__ll_block_float. */
void qn__ll_block_read_scales(qn_ll_block *s, const qn_ll_block_place *at, LLVMValueRef *scales, LLVMValueRef *zeros);
/* The code in bits shift .. of each lane, dequantized: zeros null where the form has none. */
LLVMValueRef qn__ll_block_float(qn_ll_block *s, LLVMValueRef raw, LLVMValueRef shift, LLVMValueRef scales,
                                LLVMValueRef zeros);

/* ---- tiles ---- */

typedef struct qn_ll_block_tile {
  uint32_t rows;
  LLVMValueRef a[QN_LL_BLOCK_ROWS];                         /* rows, at the present block */
  qn_ll_block_place at;                                     /* the present block */
  LLVMValueRef sum[QN_LL_BLOCK_ROWS * QN_LL_BLOCK_VECTORS]; /* floats */
} qn_ll_block_tile;

static inline uint32_t qn__ll_block_count(const qn_ll_block_tile *t) {
  return t->rows * QN_LL_BLOCK_VECTORS;
}
/* Fetches ahead at block `i` of a pass, of `bytes` bytes from `here` on. */
void qn__ll_block_fetch(qn_ll_block *s, LLVMValueRef here, LLVMValueRef i, size_t bytes, uint32_t rows);
/* Blocks [start, end), `step` a turn, with t->sum carried; `body` finds t->a and t->at at its first block. Steps divide
 * four, or are 1, and start at multiples of themselves. */
typedef void (*qn_ll_block_fn)(qn_ll_block *s, qn_ll_block_tile *t, uint32_t blocks);
void qn__ll_block_loop(qn_ll_block *s, qn_ll_block_tile *t, LLVMValueRef start, LLVMValueRef end, uint32_t step,
                       int64_t a_bytes, qn_ll_block_fn body);
/* block_ints.c: all blocks of a tile of quantized rows. */
void qn__ll_block_ints(qn_ll_block *s, qn_ll_block_tile *t);

/* block_text.c: rows of codes of one block or several, times rows of activations, where the machine has what it takes.
 */
typedef struct qn_ll_block_codes {
  uint32_t rows, blocks, steps; /* `steps` rows of codes of each block */
  uint32_t parts;               /* sums of an element: one for each block, or that rows take turns at */
  bool whole;                   /* qn__ll_block_whole_bytes */
  bool sixteenths;              /* sums of integers start at `start`: those of the upper columns are bits of
                                   floats, which start as that */
  uint32_t start;
  int64_t a_pitch, b_pitch, scales_pitch, zeros_pitch; /* from block to block */
  LLVMValueRef b, *a;                                  /* the first codes, and each row's that belong to them */
  /* Whole blocks are scaled, too, and added to sums of floats, by row and vector; else scales are null and sums those
   * of integers, by part, row and vector. Zeros are null, too, where the form has none. */
  LLVMValueRef scales, zeros, **sums;
} qn_ll_block_codes;
bool qn__ll_block_text_serves(const qn_ll_block *s);
/* How scales become floats: the instruction that reads a vector of them, and how far bits are to move up then. */
typedef struct qn_ll_block_scale {
  const char *load;
  uint32_t shift;
} qn_ll_block_scale;
const qn_ll_block_scale *qn__ll_block_scale(qn_scalar type);
/* Whether there are registers for sums of floats beside those of all blocks. */
bool qn__ll_block_text_scales(const qn_ll_block *s, uint32_t rows, uint32_t blocks);
void qn__ll_block_text(qn_ll_block *s, const qn_ll_block_codes *c);

/* block_floats.c: all of K of a tile of f32 rows. */
void qn__ll_block_floats(qn_ll_block *s, qn_ll_block_tile *t);

/* block_floats_text.c: products of floats as assembly, where the machine has what it takes. */
bool qn__ll_block_floats_text_serves(const qn_ll_block *s);
/* The sums of `rows` rows from `a` on, s->a_stride apart, by all of the panel at `codes`, which are left row by row:
 * all of a function. */
void qn__ll_block_floats_text(qn_ll_block *s, uint32_t rows, LLVMValueRef a, LLVMValueRef codes, LLVMValueRef sums);
/* Dequantizes `count` fours of k of a block, from the row of codes at `codes` on, to `to`: as many floats for each k as
 * a panel has columns. */
void qn__ll_block_values_text(qn_ll_block *s, const qn_ll_block_place *at, LLVMValueRef codes, LLVMValueRef to,
                              LLVMValueRef count);
/* Adds to sums, which are in memory row by row, the products of `count` values of k of `rows` rows with as many rows of
 * a panel's values: all of a function. */
typedef struct qn_ll_block_slab_tile {
  uint32_t rows;
  LLVMValueRef a, a_stride, values, sums, count;
} qn_ll_block_slab_tile;
void qn__ll_block_slab_text(qn_ll_block *s, const qn_ll_block_slab_tile *t);

/* block_slab.c: f32 rows as `tiles` tiles, of which the first `tall` have `rows` rows and the others, which there are
 * with `mixed` only, one fewer. */
void qn__ll_block_slab(qn_ll_block *s, uint32_t rows, bool mixed, LLVMValueRef tall, LLVMValueRef tiles,
                       LLVMValueRef epilogue);
#endif
