/* MAP: elementwise loops. What does not change along the innermost loop is computed once before it. */
#include "ll.h"

static void store_outputs(qn_ll_nest *n, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  for (uint32_t i = 0; i < n->plan->num_outputs; i++)
    qn__ll_region_store(&n->region, i, &n->places[n->plan->num_inputs + i], index, lanes, mask);
}

static void step(void *user, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  qn_ll_nest *n = user;
  qn__ll_region_load(&n->region, QN_LL_BY_LANE, n->places, index, lanes, mask);
  qn__ll_region_emit(&n->region, QN_LL_BY_LANE, 0, 0, lanes);
  store_outputs(n, index, lanes, mask);
}

static void inner(qn_ll_nest *n) {
  qn_ll *g = n->g;
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, n->start, n->end, ""));
  qn__ll_region_load(&n->region, 0, n->places, n->start, 1, NULL);
  qn__ll_region_emit(&n->region, 0, 0, 0, 1);
  if (n->plan->num_loops == 0)
    store_outputs(n, n->start, 1, NULL);
  else
    qn__ll_span(g, n->start, n->end, step, n);
  qn__ll_if_end(g, &some);
}

qn_status qn__ll_map(qn_ll *g, const qn_body *body) {
  return qn__ll_nest(g, body, inner);
}
