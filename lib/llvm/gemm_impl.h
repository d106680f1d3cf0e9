/* What gemm.c (loops) and gemm_sums.c (one tile's sums) share. */
#ifndef QN_LL_GEMM_IMPL_H
#define QN_LL_GEMM_IMPL_H
#include "tile.h"

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
  LLVMValueRef ahead, ahead_step;       /* what to prefetch, and how much further per block; null for nothing */
} gemm_state;

/* A function i32(bytes, count) that gives the first 0 to 3 bytes as the low ones of a word. */
LLVMValueRef qn__ll_gemm_tail_function(qn_ll *g, const qn_body *body);
/* Sums of the tile from `column` of its first panel on, into s->sums. */
void qn__ll_gemm_sums(gemm_state *s, LLVMValueRef column);
#endif
