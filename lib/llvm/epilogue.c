/* GEMM epilogues: the region over a tile of sums. Along columns it runs in vectors; what depends on the column only is
 * computed once for all rows of the tile, what depends on nothing once per tile. */
#include "tile.h"

typedef struct epilogue {
  qn_ll *g;
  const qn_gemm_plan *plan;
  qn_ll_region region;
  uint32_t rows;
  LLVMValueRef sums, row, first_column, row_bytes; /* row_bytes: of the buffer of sums */
  LLVMValueRef y, y_stride;
  LLVMValueRef *extra, *row_stride;
  qn_ll_place *places; /* of the region's inputs */
} epilogue;

static void place_extras(epilogue *e, LLVMValueRef row) {
  qn_ll *g = e->g;
  for (uint32_t i = 0; i < e->plan->num_epilogue_extras; i++) {
    const qn_extra *x = &e->plan->epilogue_extras[i];
    LLVMValueRef base = e->extra[i];
    if (x->by_row && row) base = qn__ll_gep(g, base, qn__ll_mul(g, row, e->row_stride[i]));
    e->places[1 + i] = (qn_ll_place){x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, base, NULL};
  }
}

/* Reads the arguments and computes what is the same for the whole tile. */
static bool prepare(epilogue *e) {
  qn_ll *g = e->g;
  uint32_t extras = e->plan->num_epilogue_extras;
  uint8_t *vary = qn__arena_array(g->arena, 1 + extras, 1);
  e->places = qn__arena_array(g->arena, 1 + extras, sizeof *e->places);
  e->extra = qn__ll_values(g, extras);
  e->row_stride = qn__ll_values(g, extras);
  if (!vary || !e->places || !e->extra || !e->row_stride) return false;
  vary[0] = QN_LL_BY_LANE | QN_LL_BY_ROW;
  for (uint32_t i = 0; i < extras; i++) {
    const qn_extra *x = &e->plan->epilogue_extras[i];
    vary[1 + i] = (uint8_t)((x->by_col ? QN_LL_BY_LANE : 0) | (x->by_row ? QN_LL_BY_ROW : 0));
    e->extra[i] = qn__ll_arg_ptr(g, 3 + i);
    if (x->by_row) e->row_stride[i] = qn__ll_arg_stride(g, 3 + i);
  }
  if (!qn__ll_region_init(&e->region, g, &e->plan->epilogue, vary)) return false;
  e->y = qn__ll_arg_ptr(g, 2);
  e->y_stride = qn__ll_arg_stride(g, 1);
  place_extras(e, NULL);
  qn__ll_region_load(&e->region, 0, e->places, qn__ll_i64(g, 0), 1, NULL);
  qn__ll_region_emit(&e->region, 0, 0, 0, 1);
  return true;
}

static void one_row(epilogue *e, LLVMValueRef r, LLVMValueRef column, uint32_t lanes, LLVMValueRef mask) {
  qn_ll *g = e->g;
  LLVMValueRef row = qn__ll_add(g, e->row, r);
  place_extras(e, row);
  qn__ll_region_load(&e->region, QN_LL_BY_ROW, e->places, column, 1, NULL);
  qn__ll_region_emit(&e->region, QN_LL_BY_ROW, 0, 0, 1);
  LLVMValueRef sums = qn__ll_gep(g, e->sums, qn__ll_mul(g, r, e->row_bytes));
  qn_ll_place from = {e->plan->acc, QN_ACCESS_DENSE, sums, NULL};
  LLVMValueRef sum = qn__ll_load(g, &from, qn__ll_sub(g, column, e->first_column), lanes, NULL);
  qn__ll_region_load(&e->region, QN_LL_BY_ROW | QN_LL_BY_LANE, e->places, column, lanes, mask);
  qn__ll_region_set_input(&e->region, 0, sum);
  qn__ll_region_emit(&e->region, QN_LL_BY_ROW | QN_LL_BY_LANE, 0, 0, lanes);
  LLVMValueRef y = qn__ll_gep(g, e->y, qn__ll_mul(g, row, e->y_stride));
  qn_ll_place to = {e->plan->y_mem, QN_ACCESS_DENSE, y, NULL};
  qn__ll_region_store(&e->region, 0, &to, column, lanes, mask);
}

static void columns(void *user, LLVMValueRef column, uint32_t lanes, LLVMValueRef mask) {
  epilogue *e = user;
  qn_ll *g = e->g;
  place_extras(e, NULL);
  qn__ll_region_load(&e->region, QN_LL_BY_LANE, e->places, column, lanes, mask);
  qn__ll_region_emit(&e->region, QN_LL_BY_LANE, 0, 0, lanes);
  if (e->rows == 1) {
    one_row(e, qn__ll_i64(g, 0), column, lanes, mask);
    return;
  }
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, e->rows), 1, 0, NULL);
  one_row(e, f.i, column, lanes, mask);
  qn__ll_for_end(g, &f, NULL);
}

static LLVMTypeRef signature(qn_ll *g) {
  LLVMTypeRef params[5] = {g->ptr, g->ptr, g->i64, g->i64, g->i64};
  return LLVMFunctionType(g->void_t, params, 5, false);
}

LLVMValueRef qn__ll_epilogue_function(qn_ll *g, const qn_body *body) {
  qn_ll outer = *g;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b);
  epilogue e = {.g = g, .plan = &body->plan->u.gemm, .rows = body->rows};
  qn_str name = qn__arena_fmt(g->arena, "%s_epilogue", body->symbol);
  LLVMValueRef fn = qn__ll_function_attrs(g, LLVMAddFunction(g->mod, name.data ? name.data : "", signature(g)));
  LLVMSetLinkage(fn, LLVMInternalLinkage);
  g->fn = fn;
  g->args = LLVMGetParam(fn, 0);
  g->entry = LLVMAppendBasicBlockInContext(g->ctx, fn, "");
  LLVMPositionBuilderAtEnd(g->b, g->entry);
  e.sums = LLVMGetParam(fn, 1);
  e.row = LLVMGetParam(fn, 2);
  e.first_column = LLVMGetParam(fn, 3);
  LLVMValueRef width = LLVMGetParam(fn, 4);
  e.row_bytes = qn__ll_mul(g, width, qn__ll_i64(g, qn__ll_mem_bits(e.plan->acc) / 8));
  LLVMValueRef end = qn__ll_min(g, qn__ll_add(g, e.first_column, width), qn__ll_arg_size(g, 1));
  if (name.data && prepare(&e))
    qn__ll_span(g, e.first_column, end, columns, &e);
  else
    g->failed = g->out_of_memory = true;
  LLVMBuildRetVoid(g->b);
  g->fn = outer.fn;
  g->args = outer.args;
  g->entry = outer.entry;
  LLVMPositionBuilderAtEnd(g->b, here);
  return fn;
}

void qn__ll_epilogue_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef sums, LLVMValueRef row, LLVMValueRef column,
                          uint32_t width) {
  LLVMValueRef args[5] = {g->args, sums, row, column, qn__ll_i64(g, width)};
  LLVMBuildCall2(g->b, signature(g), fn, args, 5, "");
}
