/* MAP: elementwise loops; transposed ones are in transpose.c. What does not change along the innermost loop is computed
 * once before it. */
#include "outputs.h"

static void store_outputs(qn_ll_nest *n, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  for (uint32_t i = 0; i < n->plan->num_outputs; i++)
    qn__ll_region_store(&n->region, i, &n->places[n->plan->num_inputs + i], index, lanes, mask);
}

static void load(void *user, qn_ll_region *r, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  qn_ll_nest *n = user;
  qn__ll_region_load(r, QN_LL_BY_LANE, n->places, index, lanes, mask);
}

static void ahead(void *user, LLVMValueRef index, uint32_t vectors) {
  qn__ll_map_ahead(user, index, vectors);
}

static void span(qn_ll_nest *n) {
  qn_ll_outputs o = qn__ll_nest_outputs(n);
  o.user = n, o.load = load, o.inputs = n->places, o.ahead = ahead, o.in_parts = qn__ll_map_in_parts(n);
  qn__ll_outputs_span(&o);
}

/* Operands with a stride told at the call are mostly dense after all (sizes whose names the planner could not connect).
 * Null when there is none, or when the stride comes from a transposition. */
static LLVMValueRef dense_after_all(qn_ll_nest *n) {
  qn_ll *g = n->g;
  LLVMValueRef all = NULL;
  for (uint32_t o = 0; o < n->num_operands && !n->plan->has_perm; o++) {
    const qn_ll_place *p = &n->places[o];
    if (p->access != QN_ACCESS_STRIDED) continue;
    LLVMValueRef size = qn__ll_i64(g, qn__ll_mem_bits(p->mem) / 8);
    LLVMValueRef dense = LLVMBuildICmp(g->b, LLVMIntEQ, p->stride, size, "");
    all = all ? LLVMBuildAnd(g->b, all, dense, "") : dense;
  }
  return all;
}

static void dense_span(qn_ll_nest *n) {
  qn_ll_place *kept = n->places;
  n->places = qn__arena_copy(n->g->arena, kept, n->num_operands * sizeof *kept);
  if (!n->places) {
    n->g->failed = n->g->out_of_memory = true;
  } else {
    for (uint32_t o = 0; o < n->num_operands; o++)
      if (n->places[o].access == QN_ACCESS_STRIDED) n->places[o].access = QN_ACCESS_DENSE;
    span(n);
  }
  n->places = kept;
}

static void spans(qn_ll_nest *n) {
  qn_ll *g = n->g;
  LLVMValueRef dense = dense_after_all(n);
  if (!dense) {
    span(n);
    return;
  }
  qn_ll_if yes, no;
  qn__ll_if_begin(g, &yes, dense);
  dense_span(n);
  qn__ll_if_end(g, &yes);
  qn__ll_if_begin(g, &no, LLVMBuildNot(g->b, dense, ""));
  span(n);
  qn__ll_if_end(g, &no);
}

static void inner(qn_ll_nest *n) {
  qn_ll *g = n->g;
  qn_ll_if some;
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntSLT, n->start, n->end, ""));
  qn__ll_region_load(&n->region, 0, n->places, n->start, 1, NULL);
  qn__ll_region_emit(&n->region, 0, 0, 0, 1);
  if (n->plan->num_loops == 0)
    store_outputs(n, n->start, 1, NULL);
  else if (n->tiled != UINT32_MAX)
    qn__ll_transpose(n);
  else
    spans(n);
  qn__ll_if_end(g, &some);
}

qn_status qn__ll_map(qn_ll *g, const qn_body *body) {
  return qn__ll_nest(g, body, inner);
}
