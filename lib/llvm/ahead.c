/* Fetching ahead, for loops over memory that is in no cache: the hardware stops at the end of a page, does not see that
 * a line will be written, and waits while a row that is in the first-level cache is walked again. In caches it costs
 * next to nothing. */
#include "outputs.h"
#include "row.h"

enum { NEARER = 4 }; /* what comes into the second level so far ahead comes into the first a quarter as far */

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

bool qn__ll_map_in_parts(const qn_ll_nest *n) {
  return n->plan->num_loops == 1;
}

void qn__ll_map_ahead(const qn_ll_nest *n, LLVMValueRef index, uint32_t vectors) {
  qn_ll *g = n->g;
  for (uint32_t o = 0; o < n->num_operands; o++) {
    const qn_ll_place *p = &n->places[o];
    bool write = o >= n->plan->num_inputs;
    if (!is_walked(n, o)) continue;
    LLVMValueRef at = qn__ll_gep(g, p->base, bytes_of(g, p, index));
    int64_t ahead = n->stream ? n->plan->far_ahead : write ? n->plan->write_ahead : n->plan->read_ahead;
    bool parts = n->stream && qn__ll_map_in_parts(n);
    for (uint32_t line = 0; line < lines_of(g, p, vectors); line++) {
      qn__ll_fetch(g, qn__ll_gep_const(g, at, ahead + line * LINE), write, n->stream ? QN_LL_SECOND : QN_LL_FIRST);
      if (parts) qn__ll_fetch(g, qn__ll_gep_const(g, at, ahead / NEARER + line * LINE), write, QN_LL_FIRST);
    }
  }
}

/* The passes over a row fetch the next row together, each its part, so that none waits for all of it; where one of them
 * has most of the work, it does that meanwhile. */
static uint32_t pass_work(const qn_ll_region *r, uint32_t pass) {
  uint32_t work = 0;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    bool here = (r->vary[i] & QN_LL_BY_LANE) ? r->ready[i] == pass
                                             : qn__ll_is_reduction(r->tape->insts[i].op) && r->ready[i] == pass + 1;
    uint8_t op = r->tape->insts[i].op;
    work += here && r->needed[i] && op != QN_T_INPUT && op != QN_T_CONST && op != QN_T_BITCAST;
  }
  return work;
}

/* Which part of how many this pass fetches; false for none. */
static bool part_of(const qn_ll_region *r, uint32_t pass, uint32_t *part, uint32_t *parts) {
  uint32_t all = 0, most = 0, longest = 0;
  for (uint32_t p = 0; p < r->num_passes; p++) {
    uint32_t work = pass_work(r, p);
    all += work;
    if (work > most) most = work, longest = p;
  }
  bool alone = 2 * most > all;
  *part = alone ? 0 : pass;
  *parts = alone ? 1 : r->num_passes;
  return !alone || pass == longest;
}

/* 1024ths of a byte for an element, where less than each is fetched. */
enum { FRACTION = 10 };

static LLVMValueRef share_of(row_state *s, uint32_t o, LLVMValueRef is_long, uint32_t parts) {
  qn_ll *g = s->n->g;
  uint32_t bits = qn__ll_mem_bits(s->n->places[o].mem);
  for (uint32_t e = 0; e < o; e++) /* one for all elements of a size */
    if (s->ahead[e].share && qn__ll_mem_bits(s->n->places[e].mem) == bits) return s->ahead[e].share;
  int64_t share = bits / 8 * (1 << FRACTION) / parts;
  return LLVMBuildSelect(g->b, is_long, qn__ll_i64(g, 0), qn__ll_i64(g, share), "");
}

/* What is fetched is at base + index * share. Rows that are long by themselves are fetched a little ahead, in the first
 * pass and in the one that fetches alone; what they would fetch otherwise is where they are. */
void qn__ll_row_ahead_begin(row_state *s) {
  qn_ll *g = s->n->g;
  uint32_t part, parts;
  bool fetches = part_of(&s->n->region, s->pass, &part, &parts);
  s->ahead = qn__arena_array(g->arena, s->n->num_operands, sizeof *s->ahead);
  if (!s->ahead) g->failed = g->out_of_memory = true;
  for (uint32_t o = 0; s->ahead && o < s->n->num_operands; o++) {
    const qn_ll_place *p = &s->n->places[o];
    if (!is_walked(s->n, o)) continue;
    LLVMValueRef row = bytes_of(g, p, s->n->end);
    LLVMValueRef is_long = LLVMBuildICmp(g->b, LLVMIntSGT, row, qn__ll_i64(g, s->n->plan->row_ahead), "");
    if (s->pass == 0 && !(fetches && parts == 1)) s->ahead[o].is_long = is_long;
    if (!fetches) continue;
    LLVMValueRef begin = qn__ll_mul(g, row, qn__ll_i64(g, s->n->pairs && !s->n->stream ? 2 : 1));
    if (part) {
      LLVMValueRef one = LLVMBuildUDiv(g->b, row, qn__ll_i64(g, parts), "");
      begin = qn__ll_add(g, begin, qn__ll_mul(g, one, qn__ll_i64(g, part)));
    }
    LLVMValueRef near = qn__ll_i64(g, parts == 1 ? (int64_t)s->n->plan->read_ahead : 0);
    s->ahead[o].parts = parts;
    if (parts > 1) s->ahead[o].share = share_of(s, o, is_long, parts);
    s->ahead[o].base = qn__ll_gep(g, p->base, LLVMBuildSelect(g->b, is_long, near, begin, ""));
  }
}

static void fetch_lines(const row_state *s, uint32_t o, LLVMValueRef at, uint32_t lines) {
  for (uint32_t line = 0; line < lines; line++)
    qn__ll_fetch(s->n->g, qn__ll_gep_const(s->n->g, at, line * LINE), o >= s->n->plan->num_inputs, QN_LL_FIRST);
}

void qn__ll_row_ahead(row_state *s, LLVMValueRef index, uint32_t vectors) {
  qn_ll *g = s->n->g;
  for (uint32_t o = 0; s->ahead && o < s->n->num_operands; o++) {
    const qn_ll_place *p = &s->n->places[o];
    uint32_t lines = lines_of(g, p, vectors), parts = s->ahead[o].parts;
    LLVMValueRef share = s->ahead[o].share, along = bytes_of(g, p, index);
    if (share) along = LLVMBuildLShr(g->b, qn__ll_mul(g, index, share), qn__ll_i64(g, FRACTION), "");
    if (s->ahead[o].base) fetch_lines(s, o, qn__ll_gep(g, s->ahead[o].base, along), (lines + parts - 1) / parts);
    if (!s->ahead[o].is_long) continue;
    qn_ll_if some;
    qn__ll_if_begin(g, &some, s->ahead[o].is_long);
    LLVMValueRef here = qn__ll_gep(g, p->base, bytes_of(g, p, index));
    fetch_lines(s, o, qn__ll_gep_const(g, here, (int64_t)s->n->plan->read_ahead), lines);
    qn__ll_if_end(g, &some);
  }
}

void qn__ll_row_ahead_stage(row_state *s, LLVMValueRef index, uint32_t vectors) {
  qn_ll *g = s->n->g;
  bool last = s->pass + 1u == s->n->region.num_passes;
  for (uint32_t o = 0; o < s->n->num_operands; o++) {
    const qn_ll_place *p = &s->n->places[o];
    bool output = o >= s->n->plan->num_inputs;
    if (!is_walked(s->n, o) || (output ? !last : s->pass != 0)) continue;
    LLVMValueRef next = qn__ll_add(g, bytes_of(g, p, index), bytes_of(g, p, s->n->end));
    fetch_lines(s, o, qn__ll_gep(g, p->base, next), lines_of(g, p, vectors));
  }
}
