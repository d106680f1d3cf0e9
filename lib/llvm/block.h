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
  LLVMValueRef sums, row, panel, column; /* of the tile; column within its panel */
  LLVMValueRef first_row, one_pass;      /* begin[0]; whether all rows are one tile */
  LLVMValueRef far;                      /* whether the weights lie in no cache */
} qn_ll_block;

static inline LLVMValueRef qn__ll_mul_const(qn_ll *g, LLVMValueRef v, int64_t by) {
  return qn__ll_mul(g, v, qn__ll_i64(g, by));
}

/* Reads the codebook at `header` into s->table. */
void qn__ll_block_table(qn_ll_block *s, LLVMValueRef header);
/* Four codes per lane, from 32-bit lanes as stored: of 4 bits, the low or the high halves. Unsigned bytes. */
LLVMValueRef qn__ll_block_codes(qn_ll_block *s, LLVMValueRef raw, bool high);
/* Whether tiles of `rows` rows are faster with high codes as they lie, 16 times too large, in sums of their own, which
 * are shifted once per block: where that saves more shifts than it costs. */
bool qn__ll_block_unshifted(const qn_ll_block *s, uint32_t rows);
LLVMValueRef qn__ll_block_high(qn_ll_block *s, LLVMValueRef raw);
/* acc + the four products of codes with the four signed bytes at `a`. */
LLVMValueRef qn__ll_block_dot(qn_ll_block *s, LLVMValueRef acc, LLVMValueRef codes, LLVMValueRef a);
/* acc + zero points (bytes at `zeros`) times the i32 at `sum`, which fits 16 bits. */
LLVMValueRef qn__ll_block_zeros(qn_ll_block *s, LLVMValueRef acc, LLVMValueRef zeros, LLVMValueRef sum);
/* A vector of scales as f32. */
LLVMValueRef qn__ll_block_scales(qn_ll_block *s, LLVMValueRef at);
/* Scales, and where the form has them zero points, of the columns that s->column says, in the block at `block`. */
void qn__ll_block_read_scales(qn_ll_block *s, LLVMValueRef block, LLVMValueRef *scales, LLVMValueRef *zeros);
/* The code in bits shift .. of each lane, dequantized: zeros null where the form has none. */
LLVMValueRef qn__ll_block_float(qn_ll_block *s, LLVMValueRef raw, LLVMValueRef shift, LLVMValueRef scales,
                                LLVMValueRef zeros);
/* A vector of zero points, as integers. */
LLVMValueRef qn__ll_block_zero_vector(qn_ll_block *s, LLVMValueRef at);

/* block_slab.c: f32 rows as `tiles` tiles, of which the first `tall` have `rows` rows and the others one fewer. */
void qn__ll_block_slab(qn_ll_block *s, uint32_t rows, LLVMValueRef tall, LLVMValueRef tiles, LLVMValueRef epilogue);
#endif
