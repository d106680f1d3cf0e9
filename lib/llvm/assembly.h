/* Calls of inline assembly, and the words of it that its writers share. */
#ifndef QN_LL_ASSEMBLY_H
#define QN_LL_ASSEMBLY_H
#include "buf.h"
#include "tile.h"

enum { QN_LL_ASSEMBLY_OPERANDS = 64 };

/* Text in AT&T's syntax and LLVM's constraints, those of results first. */
typedef struct qn_ll_assembly {
  qn_buf text, constraints;
  uint32_t num_results, num_args;
  LLVMTypeRef results[QN_LL_ASSEMBLY_OPERANDS];
  LLVMValueRef args[QN_LL_ASSEMBLY_OPERANDS];
} qn_ll_assembly;
void qn__ll_assembly_begin(qn_ll *g, qn_ll_assembly *a);
/* Writes the call, gives back what text takes, and puts the first `count` results in `out`. */
void qn__ll_assembly_call(qn_ll *g, qn_ll_assembly *a, LLVMValueRef *out, uint32_t count);
/* A function of the module that is nothing but text, and gives that back: arguments and result are where the machine's
 * convention has them, and the text returns. Where a call would say of each register that the text uses it, which LLVM
 * takes twenty microseconds to look up by name, the convention says it of all. Null when memory runs out. */
LLVMValueRef qn__ll_assembly_function(qn_ll *g, const char *name, LLVMTypeRef type, qn_buf *text);

/* A function of the module whose argument is memory that rdi has, and which is nothing but text, written between the
 * two: it may change all registers but rdi, rbp and rsp, leaves none in use that LLVM is not told of, and does not
 * return. */
void qn__ll_assembly_frame_begin(qn_ll *g, qn_ll_inner *f, qn_ll_assembly *a, const char *symbol, const char *what);
LLVMValueRef qn__ll_assembly_frame_end(qn_ll *g, const qn_ll_inner *f, qn_ll_assembly *a);

/* Of text that is all that a function does with vectors, whose registers then need not be told of. Operands, by number:
 * registers that change, before the others; what such a one starts as; what else goes in. */
uint32_t qn__ll_assembly_changed(qn_ll_assembly *a, LLVMTypeRef type);
void qn__ll_assembly_start(qn_ll_assembly *a, uint32_t changed, LLVMValueRef v);
uint32_t qn__ll_assembly_in(qn_ll_assembly *a, LLVMValueRef v);
/* Leaves vector registers as LLVM does, and writes the call. */
void qn__ll_assembly_end(qn_ll *g, qn_ll_assembly *a);

/* pack_text.c: `count` squares of 16 rows by 16 words, each behind the one before it in the rows, which are from_stride
 * bytes apart: columns become rows, to_stride bytes apart, those of a square behind those of the one before it. */
bool qn__ll_squares_text_serves(const qn_ll *g);
void qn__ll_squares_text(qn_ll *g, LLVMValueRef from, LLVMValueRef from_stride, LLVMValueRef to, int64_t to_stride,
                         LLVMValueRef count);

/* panel_text.c: a panel (pack.c) by functions that are text. What they have to know, and where they find it. */
typedef enum qn_ll_panel_value {
  QN_PANEL_FROM, /* of the matrix: its first value, sizes, and bytes from one value or column to the next */
  QN_PANEL_TO,   /* the panel */
  QN_PANEL_K_SIZE,
  QN_PANEL_N_SIZE,
  QN_PANEL_K_STRIDE,
  QN_PANEL_N_STRIDE,
  QN_PANEL_FIRST, /* the panel's first column */
  QN_PANEL_WIDTH,
  QN_PANEL_BLOCKS, /* to be written */
  QN_PANEL_BELOW,  /* of a rest: blocks before this are done in the columns before `right` */
  QN_PANEL_RIGHT,
  QN_PANEL_VALUES
} qn_ll_panel_value;
typedef struct qn_ll_panel {
  LLVMValueRef v[QN_PANEL_VALUES], memory;
} qn_ll_panel;
bool qn__ll_panel_rest_serves(const qn_ll *g, uint32_t bytes);
void qn__ll_panel_rest(qn_ll *g, uint32_t k_block, uint32_t bytes, const qn_ll_panel *p);
/* Blocks of four rows of bytes, whose columns stand next to each other; zeros where there are none. */
bool qn__ll_panel_rows_serve(const qn_ll *g, const qn_layout *l, uint32_t bytes);
void qn__ll_panel_rows(qn_ll *g, uint32_t width, const qn_ll_panel *p);

/* Instructions of AVX-512 that multiply a block of k: to load columns, to spread a row's part, to multiply and add.
 * With `even` rows and columns may change places. Null: these types have none, or the row is another. */
typedef struct qn_ll_wording {
  const char *load, *spread, *multiply;
  bool even;
} qn_ll_wording;
enum { QN_LL_ZMM = 32 }; /* registers */
const qn_ll_wording *qn__ll_wording_of(const qn_ll *g, const qn_gemm_plan *p, const qn_ll_dot *dot);
#endif
