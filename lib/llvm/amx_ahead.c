/* What products in registers for tiles fetch ahead: lines of B, some at each step of k, where B comes from beyond the
 * second level. All at once they would take the places that loads of the steps wait for. */
#include "amx.h"

enum { LINE = 64, GROUP = 4 }; /* lines are fetched by groups */
enum { DUE_GROUPS = 8 };       /* where, then so many groups at a step */
/* Of B at once: what the second level keeps, or keeps beside as much that is fetched and rows that are read again for
 * each; where rows are more than so many bytes, that costs more than fetching gains. */
enum { CHUNK_BYTES = 1 << 20, FAR_CHUNK_BYTES = 1 << 18, ROWS_BYTES = 1 << 19 };

static LLVMValueRef get(qn_ll *g, LLVMValueRef slot) {
  return LLVMBuildLoad2(g->b, g->i64, slot, "");
}

void qn__ll_amx_ahead_init(qn_ll *g, qn_ll_amx_ahead *a) {
  *a = (qn_ll_amx_ahead){qn__ll_slot(g, g->i64, 2), qn__ll_slot(g, g->i64, 1), qn__ll_slot(g, g->i64, 1)};
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), a->left);
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), a->groups);
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), a->due);
  qn__ll_amx_ahead_end(g, a);
}

/* ---- columns ---- */

static LLVMValueRef round_up_div(qn_ll *g, LLVMValueRef n, LLVMValueRef by) {
  return LLVMBuildUDiv(g->b, qn__ll_add(g, n, qn__ll_sub(g, by, qn__ll_i64(g, 1))), by, "");
}

static LLVMValueRef at_least_one(qn_ll *g, LLVMValueRef n) {
  LLVMValueRef one = qn__ll_i64(g, 1);
  return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, n, one, ""), n, one, "");
}

void qn__ll_amx_columns_init(qn_ll *g, const qn_gemm_plan *plan, uint32_t columns, LLVMValueRef most,
                             qn_ll_amx_columns *c) {
  LLVMValueRef begin = qn__ll_arg_begin(g, 1), end = qn__ll_arg_end(g, 1), bytes, all, fit;
  *c = (qn_ll_amx_columns){.b = qn__ll_arg_ptr(g, 1), .b_stride = qn__ll_arg_stride(g, 2), .columns = columns};
  c->panel = plan->layout.panel_width / columns;
  LLVMValueRef per = qn__ll_i64(g, c->panel);
  c->first = qn__ll_mul(g, begin, per), c->last = qn__ll_mul(g, end, per);
  bytes = qn__ll_mul(g, qn__ll_sub(g, end, begin), c->b_stride);
  c->far = LLVMBuildICmp(g->b, LLVMIntSGT, bytes, qn__ll_i64(g, plan->outside_bytes), "");
  LLVMValueRef rows = qn__ll_sub(g, qn__ll_arg_end(g, 0), qn__ll_arg_begin(g, 0));
  rows = qn__ll_mul(g, rows, qn__ll_arg_size(g, 2));
  c->far = LLVMBuildAnd(g->b, c->far, LLVMBuildICmp(g->b, LLVMIntSLE, rows, qn__ll_i64(g, ROWS_BYTES), ""), "");
  bytes = LLVMBuildSelect(g->b, c->far, qn__ll_i64(g, FAR_CHUNK_BYTES), qn__ll_i64(g, CHUNK_BYTES), "");
  fit = LLVMBuildUDiv(g->b, qn__ll_mul(g, bytes, per), at_least_one(g, c->b_stride), "");
  fit = at_least_one(g, qn__ll_min(g, fit, most));
  all = at_least_one(g, qn__ll_sub(g, c->last, c->first));
  c->at_once = round_up_div(g, all, round_up_div(g, all, fit));
}

/* One block alone takes B in order, which the processor sees by itself. */
void qn__ll_amx_ahead_aim(qn_ll *g, const qn_ll_amx_ahead *a, const qn_ll_amx_columns *c, LLVMValueRef unit,
                          uint32_t rows) {
  LLVMValueRef count = qn__ll_sub(g, qn__ll_arg_end(g, 0), qn__ll_arg_begin(g, 0)), some, groups;
  LLVMValueRef blocks = round_up_div(g, count, qn__ll_i64(g, rows)), per = qn__ll_i64(g, c->panel);
  LLVMValueRef to = qn__ll_min(g, qn__ll_add(g, unit, c->at_once), c->last);
  LLVMValueRef at = qn__ll_mul(g, LLVMBuildUDiv(g->b, unit, per, ""), c->b_stride);
  to = qn__ll_mul(g, round_up_div(g, to, per), c->b_stride);
  some = LLVMBuildAnd(g->b, c->far, LLVMBuildICmp(g->b, LLVMIntSGT, blocks, qn__ll_i64(g, 1), ""), "");
  /* A step takes a line for each column of a unit. */
  groups = round_up_div(g, qn__ll_i64(g, c->columns), qn__ll_mul(g, at_least_one(g, blocks), qn__ll_i64(g, GROUP)));
  LLVMBuildStore(g->b, qn__ll_gep(g, c->b, at), a->due);
  LLVMBuildStore(g->b, LLVMBuildSelect(g->b, some, qn__ll_sub(g, to, at), qn__ll_i64(g, 0), ""), a->left);
  LLVMBuildStore(g->b, groups, a->groups);
}

/* ---- steps ---- */

void qn__ll_amx_ahead_begin(qn_ll *g, const qn_ll_amx_ahead *a, LLVMValueRef steps) {
  LLVMValueRef left = get(g, a->left), zero = qn__ll_i64(g, 0), groups = get(g, a->groups), bytes;
  groups = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, left, zero, ""), groups, zero, "");
  bytes = qn__ll_mul(g, qn__ll_mul(g, groups, steps), qn__ll_i64(g, (int64_t)GROUP * LINE));
  LLVMBuildStore(g->b, groups, qn__ll_gep_const(g, a->due, DUE_GROUPS));
  LLVMBuildStore(g->b, qn__ll_sub(g, left, bytes), a->left);
}

void qn__ll_amx_ahead_end(qn_ll *g, const qn_ll_amx_ahead *a) {
  LLVMBuildStore(g->b, qn__ll_i64(g, 0), qn__ll_gep_const(g, a->due, DUE_GROUPS));
}

void qn__ll_amx_ahead_fetch(qn_ll *g, LLVMValueRef due) {
  qn_ll_for groups;
  qn_ll_if some;
  LLVMValueRef count = get(g, qn__ll_gep_const(g, due, DUE_GROUPS)), zero = qn__ll_i64(g, 0);
  qn__ll_if_begin(g, &some, LLVMBuildICmp(g->b, LLVMIntNE, count, zero, ""));
  LLVMValueRef at = LLVMBuildLoad2(g->b, g->ptr, due, "");
  qn__ll_do_begin(g, &groups, zero, count, 1, 1, &at);
  for (int64_t i = 0; i < GROUP; i++) qn__ll_fetch(g, qn__ll_gep_const(g, at, i * LINE), false, QN_LL_SECOND);
  at = qn__ll_gep_const(g, at, (int64_t)GROUP * LINE);
  LLVMBuildStore(g->b, at, due);
  qn__ll_for_close(g, &groups, &at);
  qn__ll_if_end(g, &some);
}
