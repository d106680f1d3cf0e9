/* Products in registers for tiles (amx.c), the rows that they take from images (amx_window.c), and what they fetch. */
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

/* amx_ahead.c: what is fetched into the second level while something else is multiplied, evenly. In memory: `due` is
 * what functions of steps are told. */
typedef struct qn_ll_amx_ahead {
  LLVMValueRef due, left, groups;
} qn_ll_amx_ahead;
void qn__ll_amx_ahead_init(qn_ll *g, qn_ll_amx_ahead *a);
/* Columns in units of some, of panels begin .. end - 1 of the call, and how many units are taken together: what the
 * second level keeps of B from rows to rows, or where B is `far`, keeps beside as much that is fetched. */
typedef struct qn_ll_amx_columns {
  LLVMValueRef first, last, at_once;
  LLVMValueRef b, b_stride, far;
  uint32_t columns, panel; /* of a unit; units of a panel */
} qn_ll_amx_columns;
void qn__ll_amx_columns_init(qn_ll *g, const qn_gemm_plan *plan, uint32_t columns, LLVMValueRef most,
                             qn_ll_amx_columns *c);
/* While units up to `unit` are multiplied, those behind it are fetched if B is far: a part for each block of so many
 * rows of the call. */
void qn__ll_amx_ahead_aim(qn_ll *g, const qn_ll_amx_ahead *a, const qn_ll_amx_columns *c, LLVMValueRef unit,
                          uint32_t rows);
/* Around so many steps, each of which fetches its part. */
void qn__ll_amx_ahead_begin(qn_ll *g, const qn_ll_amx_ahead *a, LLVMValueRef steps);
void qn__ll_amx_ahead_fetch(qn_ll *g, LLVMValueRef due);
void qn__ll_amx_ahead_end(qn_ll *g, const qn_ll_amx_ahead *a);
#endif
