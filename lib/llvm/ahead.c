/* Fetching ahead, for loops over memory that is in no cache: the hardware stops at the end of a page, does not see that
 * a line will be written, and waits while a row that is in the first-level cache is walked again. In caches it costs
 * next to nothing. Addresses past the end of a tensor do no harm. */
#include "row.h"

enum { INTO_SECOND = 2, INTO_FIRST = 3 };

static void fetch(qn_ll *g, LLVMValueRef at, bool write, uint32_t into) {
  LLVMValueRef args[4] = {at, qn__ll_i32(g, write), qn__ll_i32(g, into), qn__ll_i32(g, 1)};
  LLVMTypeRef type = g->ptr;
  qn__ll_intrinsic(g, "llvm.prefetch", 1, &type, 4, args);
}

/* What is read again for every row stays near by itself; what is written past the caches needs nothing in them. */
static bool is_walked(const qn_ll_nest *n, uint32_t operand) {
  const qn_ll_place *p = &n->places[operand];
  uint32_t loops = n->plan->num_loops;
  if (n->stream && operand >= n->plan->num_inputs) return false;
  if (loops > 1 && n->plan->access[operand * loops + loops - 2] == QN_ACCESS_NONE) return false;
  return p->base && p->access == QN_ACCESS_DENSE && qn__ll_mem_bits(p->mem) >= 8;
}

static LLVMValueRef bytes_of(qn_ll *g, const qn_ll_place *p, LLVMValueRef elements) {
  return qn__ll_mul(g, elements, qn__ll_i64(g, qn__ll_mem_bits(p->mem) / 8));
}

enum { LINE = 64 };

/* Lines of an operand that `vectors` vectors make up, one at least. */
static uint32_t lines_of(const qn_ll *g, const qn_ll_place *p, uint32_t vectors) {
  uint32_t bytes = vectors * g->lanes * qn__ll_mem_bits(p->mem) / 8;
  return bytes < LINE ? 1 : bytes / LINE;
}

void qn__ll_map_ahead(const qn_ll_nest *n, LLVMValueRef index, uint32_t vectors) {
  qn_ll *g = n->g;
  for (uint32_t o = 0; o < n->num_operands; o++) {
    const qn_ll_place *p = &n->places[o];
    bool write = o >= n->plan->num_inputs;
    if (!is_walked(n, o)) continue;
    LLVMValueRef at = qn__ll_gep(g, p->base, bytes_of(g, p, index));
    int64_t ahead = n->stream ? n->plan->far_ahead : write ? n->plan->write_ahead : n->plan->read_ahead;
    for (uint32_t line = 0; line < lines_of(g, p, vectors); line++)
      fetch(g, qn__ll_gep_const(g, at, ahead + line * LINE), write, n->stream ? INTO_SECOND : INTO_FIRST);
  }
}

/* The pass over a row that fetches the next one, each line once: that with the most to do, as fetching waits. Rows that
 * are long by themselves are fetched a little ahead in the first pass. */
static uint32_t fetching_pass(const qn_ll_region *r) {
  uint32_t best = 0, most = 0;
  for (uint32_t pass = 0; pass < r->num_passes; pass++) {
    uint32_t work = 0;
    for (uint32_t i = 0; i < r->tape->num_insts; i++)
      work += r->needed[i] && (r->vary[i] & QN_LL_BY_LANE) && r->ready[i] == pass;
    if (work >= most) best = pass, most = work;
  }
  return best;
}

void qn__ll_row_ahead_begin(row_state *s) {
  qn_ll *g = s->n->g;
  bool fetches = s->pass == fetching_pass(&s->n->region);
  s->ahead = NULL;
  if (!fetches && s->pass) return;
  s->ahead = qn__arena_array(g->arena, s->n->num_operands, sizeof *s->ahead);
  if (!s->ahead) g->failed = g->out_of_memory = true;
  for (uint32_t o = 0; s->ahead && o < s->n->num_operands; o++) {
    const qn_ll_place *p = &s->n->places[o];
    if (!is_walked(s->n, o)) continue;
    LLVMValueRef row = bytes_of(g, p, s->n->end), near = qn__ll_i64(g, s->n->plan->read_ahead);
    LLVMValueRef next = qn__ll_mul(g, row, qn__ll_i64(g, s->n->pairs ? 2 : 1));
    LLVMValueRef is_long = LLVMBuildICmp(g->b, LLVMIntSGT, row, qn__ll_i64(g, s->n->plan->row_ahead), "");
    s->ahead[o].base = qn__ll_gep(g, p->base, fetches ? LLVMBuildSelect(g->b, is_long, near, next, "") : near);
    s->ahead[o].only_if = fetches ? NULL : is_long;
  }
}

void qn__ll_row_ahead(row_state *s, LLVMValueRef index, uint32_t vectors) {
  qn_ll *g = s->n->g;
  for (uint32_t o = 0; s->ahead && o < s->n->num_operands; o++) {
    const qn_ll_place *p = &s->n->places[o];
    qn_ll_if some;
    if (!s->ahead[o].base) continue;
    if (s->ahead[o].only_if) qn__ll_if_begin(g, &some, s->ahead[o].only_if);
    LLVMValueRef at = qn__ll_gep(g, s->ahead[o].base, bytes_of(g, p, index));
    for (uint32_t line = 0; line < lines_of(g, p, vectors); line++)
      fetch(g, qn__ll_gep_const(g, at, line * LINE), o >= s->n->plan->num_inputs, INTO_FIRST);
    if (s->ahead[o].only_if) qn__ll_if_end(g, &some);
  }
}
