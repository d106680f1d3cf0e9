/* Epilogues of long tapes as assembly for AVX-512 (epilogue_text.c). */
#ifndef QN_LL_EPILOGUE_TEXT_H
#define QN_LL_EPILOGUE_TEXT_H
#include "tile.h"

typedef struct qn_ll_epilogue_text {
  qn_ll *g;
  const qn_gemm_plan *plan;
  const qn_tape *tape;     /* the plan's, or with the same results */
  bool whole, few, listed; /* as functions of epilogue.c are: whole panels, less than a vector, rows in a list */
} qn_ll_epilogue_text;

/* A function like those of epilogue.c, with the same arguments. Null where the tape is short, or cannot be written so,
 * or memory runs out. */
LLVMValueRef qn__ll_epilogue_text(const qn_ll_epilogue_text *e, const char *name, LLVMTypeRef type);
#endif
