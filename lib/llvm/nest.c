/* The loops around the innermost one of MAP and ROW kernels. */
#include "outputs.h"
#include "row.h"

static qn_access access_of(const qn_ll_nest *n, uint32_t operand, uint32_t loop) {
  return n->plan->access[operand * n->plan->num_loops + loop];
}

static qn_scalar mem_of(const qn_loop_plan *plan, uint32_t operand) {
  return operand < plan->num_inputs ? plan->tape.input_mem[operand] : plan->tape.output_mem[operand - plan->num_inputs];
}

/* Arguments are read once, in the entry block: strides that no access needs are not read at all. */
static bool load_args(qn_ll_nest *n) {
  qn_ll *g = n->g;
  const qn_loop_plan *plan = n->plan;
  uint32_t loops = plan->num_loops;
  n->num_operands = plan->num_inputs + plan->num_outputs;
  n->size = qn__ll_values(g, loops);
  n->stride = qn__ll_values(g, (size_t)n->num_operands * loops);
  n->places = qn__arena_array(g->arena, n->num_operands, sizeof *n->places);
  if (!n->size || !n->stride || !n->places) return false;
  for (uint32_t d = 0; d < loops; d++) n->size[d] = qn__ll_arg_size(g, d);
  for (uint32_t o = 0; o < n->num_operands; o++) {
    qn_ll_place *p = &n->places[o];
    *p = (qn_ll_place){.mem = mem_of(plan, o), .access = QN_ACCESS_NONE, .base = qn__ll_arg_ptr(g, o)};
    for (uint32_t d = 0; d < loops; d++) {
      qn_access access = access_of(n, o, d);
      bool last = d + 1 == loops;
      if (last) p->access = access;
      if (access == QN_ACCESS_STRIDED || (access == QN_ACCESS_DENSE && !last))
        n->stride[o * loops + d] = qn__ll_arg_stride(g, o * loops + d);
      /* Below 8 bits strides count elements; the plan lets runs start at whole bytes only. */
      if (!last && n->stride[o * loops + d] && qn__ll_mem_bits(p->mem) < 8)
        n->stride[o * loops + d] =
            LLVMBuildSDiv(g->b, n->stride[o * loops + d], qn__ll_i64(g, 8 / (int64_t)qn__ll_mem_bits(p->mem)), "");
      if (last) p->stride = n->stride[o * loops + d];
    }
  }
  return true;
}

static void outer(qn_ll_nest *n, uint32_t d) {
  qn_ll *g = n->g;
  uint32_t loops = n->plan->num_loops;
  if (d + 1 >= loops) {
    n->inner(n);
    return;
  }
  qn_ll_for f;
  LLVMValueRef start = d ? qn__ll_i64(g, 0) : qn__ll_arg_begin(g, 0);
  LLVMValueRef end = d ? n->size[d] : qn__ll_arg_end(g, 0);
  if (d == n->tiled) {
    n->tile_start = start, n->tile_end = end;
    outer(n, d + 1);
    return;
  }
  if (n->staged && d + 2 == loops) {
    n->rows_begin = start, n->rows_end = end;
    n->inner(n);
    return;
  }
  bool pair = n->pairs && d + 2 == loops, apart = pair && n->stream;
  LLVMValueRef half = qn__ll_add(g, qn__ll_sub(g, end, start), qn__ll_i64(g, 1));
  if (apart) half = LLVMBuildAShr(g->b, half, qn__ll_i64(g, 1), "");
  qn__ll_for_begin(g, &f, start, apart ? qn__ll_add(g, start, half) : end, pair && !apart ? 2 : 1, 0, NULL);
  LLVMValueRef *kept = qn__ll_values(g, n->num_operands), next = NULL;
  n->second = pair ? qn__arena_copy(g->arena, n->places, n->num_operands * sizeof *n->places) : NULL;
  if (!kept || (pair && !n->second)) {
    g->failed = g->out_of_memory = true;
    return;
  }
  if (pair) {
    next = qn__ll_add(g, f.i, apart ? half : qn__ll_i64(g, 1));
    n->has_second = LLVMBuildICmp(g->b, LLVMIntSLT, next, end, "");
    next = LLVMBuildSelect(g->b, n->has_second, next, f.i, "");
  }
  for (uint32_t o = 0; o < n->num_operands; o++) {
    kept[o] = n->places[o].base;
    LLVMValueRef stride = n->stride[o * loops + d];
    if (!stride) continue;
    n->places[o].base = qn__ll_gep(g, kept[o], qn__ll_mul(g, f.i, stride));
    if (pair) n->second[o].base = qn__ll_gep(g, kept[o], qn__ll_mul(g, next, stride));
  }
  outer(n, d + 1);
  for (uint32_t o = 0; o < n->num_operands; o++) n->places[o].base = kept[o];
  qn__ll_for_end(g, &f, NULL);
}

static bool is_simple(const qn_ll_nest *n) {
  for (uint32_t o = 0; o < n->num_operands; o++)
    if (n->places[o].access == QN_ACCESS_STRIDED || qn__ll_mem_bits(n->places[o].mem) < 8) return false;
  return true;
}

qn_ll_outputs qn__ll_nest_outputs(qn_ll_nest *n) {
  return (qn_ll_outputs){.g = n->g,
                         .region = &n->region,
                         .places = n->places + n->plan->num_inputs,
                         .num_outputs = n->plan->num_outputs,
                         .skip = n->plan->reduced,
                         .start = n->start,
                         .end = n->end,
                         .simple = is_simple(n),
                         .past_caches = n->stream};
}

qn_status qn__ll_nest(qn_ll *g, const qn_body *body, void (*inner)(qn_ll_nest *n)) {
  const qn_loop_plan *plan = &body->plan->u.loop;
  qn_ll_nest n = {.g = g, .plan = plan, .inner = inner, .stream = body->part == QN_PART_STREAM};
  n.tiled = body->plan->kind == QN_KERNEL_MAP ? qn__tiled_loop(plan) : UINT32_MAX;
  uint32_t loops = plan->num_loops;
  uint8_t *vary = qn__arena_array(g->arena, plan->num_inputs, 1);
  if (!vary || !load_args(&n)) return qn_error_no_memory(g->qctx);
  for (uint32_t i = 0; i < plan->num_inputs; i++) vary[i] = n.places[i].access == QN_ACCESS_NONE ? 0 : QN_LL_BY_LANE;
  if (!qn__ll_region_init(&n.region, g, &plan->tape, vary)) return qn_error_no_memory(g->qctx);
  bool whole_row = body->plan->kind == QN_KERNEL_ROW;
  n.pairs = whole_row && qn__ll_row_pairs(&n);
  n.staged = n.pairs && qn__ll_row_in_stages(&n);
  n.start = loops == 1 && !whole_row ? qn__ll_arg_begin(g, 0) : qn__ll_i64(g, 0);
  n.end = loops == 0 ? qn__ll_i64(g, 1) : loops == 1 && !whole_row ? qn__ll_arg_end(g, 0) : n.size[loops - 1];
  outer(&n, 0);
  if (n.stream) qn__ll_outputs_end(g);
  return QN_OK;
}
