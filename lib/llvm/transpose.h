/* Squares that transposed maps turn around (transpose.c), and what goes past the caches (transpose_past.c). */
#ifndef QN_LL_TRANSPOSE_H
#define QN_LL_TRANSPOSE_H
#include "ll.h"

typedef struct qn_ll_square {
  qn_ll_nest *n;
  uint32_t side;
  qn_scalar mem; /* raw: as bytes that are copied */
  LLVMTypeRef vector;
  LLVMValueRef in_stride, out_stride; /* bytes: from vector to vector read, and written */
  LLVMValueRef room_in, room_out;     /* a square each, on the stack */
  bool plain;                         /* output elements are input elements */
} qn_ll_square;

void qn__ll_square_turn(const qn_ll_square *s, LLVMValueRef from, LLVMValueRef from_stride, LLVMValueRef to,
                        LLVMValueRef to_stride);
/* transpose_text.c: whether blocks are turned around by assembly; `rows` times `columns`, where rows are whole lanes of
 * 16 bytes along the output, and columns along the input; and all of a plain transpose. */
bool qn__ll_transpose_has_text(const qn_ll_square *s);
void qn__ll_transpose_turn(const qn_ll_square *s, uint32_t rows, uint32_t columns, LLVMValueRef from,
                           LLVMValueRef from_stride, LLVMValueRef to, LLVMValueRef to_stride);
void qn__ll_transpose_by_text(const qn_ll_square *s);
/* transpose_past.c: a plain transpose, but for what is not reached: elements along the output from *rows_end on, and
 * along the input from *columns_end on. */
void qn__ll_transpose_past(const qn_ll_square *s, LLVMValueRef *rows_end, LLVMValueRef *columns_end);
#endif
