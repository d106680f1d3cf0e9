/* Products in registers for tiles (amx.c), and the rows that they take from images (amx_window.c). */
#ifndef QN_LL_AMX_H
#define QN_LL_AMX_H
#include "gemm_impl.h"

typedef struct qn_ll_amx_windows {
  gemm_state s;                 /* of which places, image and a are used */
  LLVMValueRef segment, k_size; /* bytes of a segment, in blocks; of all of them */
  LLVMValueRef copy;            /* function */
  LLVMValueRef rows, pitch;     /* memory, and bytes from row to row: whole lines */
} qn_ll_amx_windows;
/* At the beginning of a body whose tiles have `rows` rows at most. */
void qn__ll_amx_windows_init(qn_ll *g, const qn_body *body, uint32_t rows, qn_ll_amx_windows *w);
/* The windows of rows from `row` on. */
void qn__ll_amx_windows_copy(qn_ll_amx_windows *w, LLVMValueRef row, LLVMValueRef rows);
#endif
