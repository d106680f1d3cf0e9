/* The loop that stores outputs: of a MAP its innermost one, of a ROW its last pass (outputs.c). */
#ifndef QN_LL_OUTPUTS_H
#define QN_LL_OUTPUTS_H
#include "ll.h"

typedef struct qn_ll_outputs {
  qn_ll_nest *n;
  void *user;
  /* Gives region r what it reads for the vector, or the element, at index. */
  void (*load)(void *user, qn_ll_region *r, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask);
  /* Fetches what will be reached a little later; `vectors` are done at once. */
  void (*ahead)(void *user, LLVMValueRef index, uint32_t vectors);
  uint8_t pass;  /* registers that vary by lane and are ready in passes up to it are computed */
  bool may_pack; /* no output but the first is stored here */
  bool past_caches;
} qn_ll_outputs;

/* Covers [n->start, n->end). */
void qn__ll_outputs_span(qn_ll_outputs *o);
/* Behind all stores: makes those past the caches visible to other threads. */
void qn__ll_outputs_end(qn_ll *g);
#endif
