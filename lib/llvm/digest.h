/* What a function is, as a number: the same for the same code, whatever its module. */
#ifndef QN_LL_DIGEST_H
#define QN_LL_DIGEST_H
#include "ll.h"

typedef struct qn_ll_digest {
  uint64_t high, low;
} qn_ll_digest;

/* Functions and globals that it refers to count by their names, its own name does not. Nothing that the C library
 * cannot give memory for is left out: false then. */
bool qn__ll_digest(LLVMValueRef fn, uint64_t seed, qn_ll_digest *out);
/* Of a value's text. */
uint64_t qn__ll_digest_text(LLVMValueRef v, uint64_t seed);
#endif
