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

/* Pieces of K (gemm_pieces.c). */
typedef struct gemm_pieces {
  bool some;                 /* the body can cut K */
  LLVMValueRef cut;          /* whether it does */
  LLVMValueRef blocks;       /* of a piece */
  LLVMValueRef from, to;     /* blocks of the piece at hand */
  LLVMValueRef first, last;  /* whether it is */
  LLVMValueRef waiting;      /* memory: sums of the rows from `begin` on */
  LLVMValueRef begin, pitch; /* pitch: bytes from row to row, 0 where K is not cut */
  uint32_t most_tiles;       /* of a block of rows where K is cut */
} gemm_pieces;

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
  gemm_pieces pieces;
} gemm_state;

/* A function i32(bytes, count) that gives the first 0 to 3 bytes as the low ones of a word. */
LLVMValueRef qn__ll_gemm_tail_function(qn_ll *g, const qn_body *body);
/* For tiles of `rows` rows as s->tile is shaped now. */
void qn__ll_gemm_pieces_init(gemm_state *s, uint32_t rows);
/* Calls `rows` for each piece of the panel at hand, to take all rows of a block that begins at `begin`. */
void qn__ll_gemm_pieces_loop(gemm_state *s, LLVMValueRef begin, void (*rows)(void *user), void *user);
/* Where the sums of the tile at s->row are left. */
void qn__ll_gemm_pieces_aim(gemm_state *s);
/* The tile's sums as they are now, or as an earlier piece left them. */
void qn__ll_gemm_pieces_resume(gemm_state *s);

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
