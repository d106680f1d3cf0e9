/* The loop that stores outputs (outputs.c): of a MAP its innermost one, of a ROW its last pass, of a GEMM's prologue a
 * row of codes. */
#ifndef QN_LL_OUTPUTS_H
#define QN_LL_OUTPUTS_H
#include "ll.h"

enum { QN_LL_PARTS = 8 }; /* of a loop past the caches, through which it goes together */

typedef struct qn_ll_outputs {
  qn_ll *g;
  qn_ll_region *region;
  const qn_ll_place *places; /* of the outputs */
  const qn_ll_place *inputs; /* when `load` does no more than load the region's inputs from there; else null */
  uint32_t num_outputs;
  const bool *skip;        /* per output: not stored here; null for none */
  LLVMValueRef start, end; /* elements */
  bool simple;             /* all that is read or written along the loop is dense, in elements of whole bytes */
  bool past_caches;
  bool in_parts; /* the loop may be long: past the caches it goes through several parts of it at once */
  uint8_t pass;  /* registers that vary by lane and are ready in passes up to it are computed */
  void *user;
  /* Gives region r what it reads for the vector, or the element, at index. */
  void (*load)(void *user, qn_ll_region *r, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask);
  /* Fetches what will be reached a little later; `vectors` are done at once. May be null. */
  void (*ahead)(void *user, LLVMValueRef index, uint32_t vectors);
} qn_ll_outputs;

/* Covers [start, end). */
void qn__ll_outputs_span(qn_ll_outputs *o);
/* Behind all stores: makes those past the caches visible to other threads. */
void qn__ll_outputs_end(qn_ll *g);
/* The loop over a nest's innermost axis as outputs: all but load, ahead, user and pass. */
qn_ll_outputs qn__ll_nest_outputs(qn_ll_nest *n);
#endif
