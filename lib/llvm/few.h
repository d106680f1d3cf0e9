/* What gemm_few.c and gemm_few_text.c share. */
#ifndef QN_LL_FEW_H
#define QN_LL_FEW_H
#include "assembly.h"

/* A tile's part of a piece of K, in the function being written, whose parameters are the fields that are values, in
 * this order. Where sums start from lies `start_pitch` bytes from row to row. */
typedef struct qn_ll_few {
  const qn_ll_wording *words;
  uint32_t rows, vectors;
  uint32_t num_blocks, num_units; /* of K; fetched: `vectors` lines each */
  int64_t a_pitch, b_block, sums_pitch;
  LLVMValueRef a, b, start, start_pitch, sums;
  /* What is fetched: units b_block bytes apart into the first level, and others without gaps into the second. */
  LLVMValueRef near, far;
} qn_ll_few;
enum { QN_LL_FEW_TURN = 8 }; /* num_blocks at least */
void qn__ll_few_text(qn_ll *g, const qn_ll_few *f);
#endif
