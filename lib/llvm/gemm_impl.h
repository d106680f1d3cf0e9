/* What gemm.c (loops) and gemm_sums.c (one tile's sums) share. */
#ifndef QN_LL_GEMM_IMPL_H
#define QN_LL_GEMM_IMPL_H
#include "tile.h"

/* What a tile fetches before it is needed (gemm_fetch.c). */
typedef struct gemm_fetch {
  bool some;                      /* the tile fetches anything */
  LLVMValueRef ahead, ahead_step; /* of the next panel, and how much further per block; null for nothing */
  LLVMValueRef row_bytes;         /* of the next panel that each row fetches */
  int64_t block_bytes;            /* of a panel */
  LLVMValueRef a, a_step;         /* the next tile's rows, and how much further per block; null step for nothing */
  LLVMValueRef y, y_stride;       /* the tile's part of Y */
  LLVMValueRef y_step;            /* its rows per block, times 65536 */
  uint32_t y_lines;               /* of a row */
  /* All rows are one tile; and the weights are so many that they lie in no cache. Null where there are always several
   * tiles. */
  LLVMValueRef alone, far;
} gemm_fetch;

typedef struct gemm_state {
  qn_ll *g;
  const qn_gemm_plan *plan;
  qn_ll_tile tile;
  LLVMValueRef epilogue; /* function */
  LLVMValueRef a, b, a_stride, b_stride;
  LLVMValueRef full_blocks, all_blocks; /* of K (or a segment), without and with the last, partial one */
  LLVMValueRef image[12];               /* of a window: size[3] to size[11] by their numbers */
  LLVMValueRef row, panel;              /* first of the tile */
  LLVMValueRef start;                   /* memory that each row's sums start from; null: at zero */
  LLVMValueRef sums;                    /* memory that they are left in, row by row */
  LLVMValueRef tail;                    /* function; null where no block is partial */
  gemm_fetch fetch;
} gemm_state;

/* A function i32(bytes, count) that gives the first 0 to 3 bytes as the low ones of a word. */
LLVMValueRef qn__ll_gemm_tail_function(qn_ll *g, const qn_body *body);
/* For a block of `rows` rows, tiles as tall as `height`, lower ones among them or not. */
void qn__ll_gemm_fetch_block(gemm_state *s, LLVMValueRef rows, uint32_t height, bool mixed);
/* For tiles as s->tile is shaped now. */
void qn__ll_gemm_fetch_shape(gemm_state *s);
/* For the tile at s->row of a block of rows from `begin` on, and from `column` of s->panel on. */
void qn__ll_gemm_fetch_aim(gemm_state *s, LLVMValueRef column, LLVMValueRef begin);
/* At `block` of K and as many after it as are handled with it. */
void qn__ll_gemm_fetch(gemm_state *s, LLVMValueRef block, uint32_t blocks, LLVMValueRef ahead);

/* Sums of the tile from `column` of its first panel on, into s->sums. */
void qn__ll_gemm_sums(gemm_state *s, LLVMValueRef column);
#endif
