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

/* Instructions of AVX-512 that multiply a block of k: to load columns, to spread a row's part, to multiply and add.
 * With `even` rows and columns may change places. Null: these types have none, or the row is another. */
typedef struct qn_ll_wording {
  const char *load, *spread, *multiply;
  bool even;
} qn_ll_wording;
enum { QN_LL_ZMM = 32 }; /* registers */
const qn_ll_wording *qn__ll_wording_of(const qn_ll *g, const qn_gemm_plan *p, const qn_ll_dot *dot);
#endif
