/* GEMM prologues: rows of A through the prologue region into the codes that tiles read, zero up to the padded K. */
#include "outputs.h"

typedef struct prologue_state {
  qn_ll *g;
  qn_ll_region region;
  qn_ll_place *places, codes;
} prologue_state;

static void load(void *user, qn_ll_region *r, LLVMValueRef k, uint32_t lanes, LLVMValueRef mask) {
  prologue_state *s = user;
  qn__ll_region_load(r, QN_LL_BY_LANE, s->places, k, lanes, mask);
}

qn_status qn__ll_gemm_prologue(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  uint32_t inputs = 1 + plan->num_prologue_extras;
  prologue_state s = {.g = g, .places = qn__arena_array(g->arena, inputs, sizeof *s.places)};
  LLVMValueRef *base = qn__ll_values(g, inputs);
  LLVMValueRef *stride = qn__ll_values(g, inputs);
  uint8_t *vary = qn__arena_array(g->arena, inputs, 1);
  if (!s.places || !base || !stride || !vary) return qn_error_no_memory(g->qctx);
  vary[0] = QN_LL_BY_LANE;
  base[0] = qn__ll_arg_ptr(g, 0);
  stride[0] = qn__ll_arg_stride(g, 0);
  s.places[0] = (qn_ll_place){.mem = plan->a_mem, .access = plan->lhs_strided ? QN_ACCESS_STRIDED : QN_ACCESS_DENSE};
  if (plan->lhs_strided) s.places[0].stride = qn__ll_arg_stride(g, 1);
  bool simple = qn__ll_mem_bits(plan->a_mem) >= 8 && qn__ll_mem_bits(plan->lhs) >= 8;
  for (uint32_t i = 1; i < inputs; i++) {
    const qn_extra *x = &plan->prologue_extras[i - 1];
    vary[i] = x->by_col ? QN_LL_BY_LANE : 0;
    base[i] = qn__ll_arg_ptr(g, 1 + i);
    if (x->by_row) stride[i] = qn__ll_arg_stride(g, 2 + i);
    simple &= qn__ll_mem_bits(x->mem) >= 8;
    s.places[i] = (qn_ll_place){.mem = x->mem, .access = x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE};
  }
  if (!qn__ll_region_init(&s.region, g, &plan->prologue, vary)) return qn_error_no_memory(g->qctx);
  LLVMValueRef codes = qn__ll_arg_ptr(g, 1), codes_stride = qn__ll_arg_stride(g, 2);
  LLVMValueRef k_size = qn__ll_arg_size(g, 1), padded = qn__ll_arg_size(g, 2), zero = qn__ll_i64(g, 0);
  qn_ll_for rows, pad;
  qn__ll_for_begin(g, &rows, qn__ll_arg_begin(g, 0), qn__ll_arg_end(g, 0), 1, 0, NULL);
  for (uint32_t i = 0; i < inputs; i++)
    s.places[i].base = stride[i] ? qn__ll_gep(g, base[i], qn__ll_mul(g, rows.i, stride[i])) : base[i];
  s.codes = (qn_ll_place){plan->lhs, QN_ACCESS_DENSE, qn__ll_gep(g, codes, qn__ll_mul(g, rows.i, codes_stride)), NULL};
  qn__ll_region_load(&s.region, 0, s.places, zero, 1, NULL);
  qn__ll_region_emit(&s.region, 0, 0, 0, 1);
  qn_ll_outputs o = {.g = g, .region = &s.region, .places = &s.codes, .num_outputs = 1, .start = zero, .end = k_size};
  o.simple = !plan->lhs_strided && simple, o.user = &s, o.load = load;
  qn__ll_outputs_span(&o);
  qn__ll_for_begin(g, &pad, k_size, padded, 1, 0, NULL);
  qn__ll_store(g, &s.codes, pad.i, 1, NULL, LLVMConstNull(qn__ll_mem_type(g, plan->lhs)));
  qn__ll_for_end(g, &pad, NULL);
  qn__ll_for_end(g, &rows, NULL);
  return QN_OK;
}
