/* Keeping a value from one pass over a row to the next instead of computing it again: softmax needs every exponential
 * for the sum and for the result. The result's own memory serves, when all that the last pass needs, element by
 * element, follows from one register of the result's size. As no input is read along the row after that, the result may
 * even share its memory with an input. Where the result is of smaller elements, rows that are not too long have memory
 * of their own for it. */
#include "row.h"
#include <string.h>

enum { WORTH_KEEPING = 6 }; /* instructions saved */

typedef struct search {
  const qn_ll_region *r;
  uint32_t stop; /* not looked behind */
  bool *seen;
  uint32_t count; /* instructions seen that vary along the row */
  bool reads_input;
} search;

/* Marks what is behind the seen registers, along the row only. Operands have lower numbers. */
static void look_back(search *s) {
  s->count = 0;
  s->reads_input = false;
  for (uint32_t i = s->r->tape->num_insts; i-- > 0;) {
    const qn_tinst *inst = &s->r->tape->insts[i];
    if (!s->seen[i] || i == s->stop || !(s->r->vary[i] & QN_LL_BY_LANE)) continue;
    if (inst->op == QN_T_INPUT) {
      s->reads_input = true;
      continue;
    }
    s->count++;
    uint32_t args[3] = {0}, n = qn__ll_args(inst, args);
    for (uint32_t k = 0; k < n; k++) s->seen[args[k]] = true;
  }
}

static void see_outputs(search *s, const qn_ll_nest *n) {
  memset(s->seen, 0, s->r->tape->num_insts * sizeof *s->seen);
  for (uint32_t i = 0; i < n->plan->num_outputs; i++)
    if (!qn__ll_row_reduced(n, i)) s->seen[s->r->tape->outputs[i]] = true;
}

/* An output whose elements can hold the register's bits. */
static bool find_keeper(const qn_ll_nest *n, uint32_t reg, uint32_t *keeper) {
  for (uint32_t i = 0; i < n->plan->num_outputs; i++) {
    const qn_ll_place *p = &n->places[n->plan->num_inputs + i];
    bool fits = qn__ll_mem_reg(p->mem) == (qn_treg)n->region.tape->insts[reg].type && qn__ll_mem_bits(p->mem) >= 32;
    if (!fits || qn__ll_row_reduced(n, i) || p->access != QN_ACCESS_DENSE) continue;
    *keeper = i;
    return true;
  }
  return false;
}

/* Otherwise memory of its own serves, for f32. Of bytes that are packed, what is packed may stand behind the register.
 */
static bool may_have_room(const qn_ll_nest *n, uint32_t reg, qn_ll_room room) {
  bool some = false;
  if (room == QN_LL_NO_ROOM) return false;
  for (uint32_t i = 0; i < n->plan->num_outputs; i++) {
    if (qn__ll_row_reduced(n, i)) continue;
    if (qn__ll_mem_bits(n->places[n->plan->num_inputs + i].mem) < (room == QN_LL_ROOM_FOR_ALL ? 8 : 16)) return false;
    some = true;
  }
  return some && n->g->masked && n->region.tape->insts[reg].type == QN_TF32;
}

bool qn__ll_row_keep(row_state *s, qn_ll_room room) {
  qn_ll_nest *n = s->n;
  const qn_ll_region *r = &n->region;
  uint32_t count = r->tape->num_insts, best = 0;
  bool *seen = qn__arena_array(n->g->arena, count, sizeof *seen);
  s->keeps = s->own_room = false;
  s->last_needs = qn__arena_array(n->g->arena, count, sizeof *s->last_needs);
  if (!seen || !s->last_needs) return false;
  for (uint32_t i = 0; i < count && r->num_passes > 1; i++) {
    uint32_t keeper = UINT32_MAX;
    if (!r->needed[i] || !(r->vary[i] & QN_LL_BY_LANE) || r->ready[i] != r->num_passes - 2) continue;
    if (r->tape->insts[i].op == QN_T_INPUT) continue;
    if (!find_keeper(n, i, &keeper) && !may_have_room(n, i, room)) continue;
    search after = {.r = r, .stop = i, .seen = seen};
    see_outputs(&after, n);
    look_back(&after);
    if (!seen[i] || after.reads_input) continue;
    search behind = {.r = r, .stop = count, .seen = seen};
    memset(seen, 0, count * sizeof *seen);
    seen[i] = true;
    look_back(&behind);
    if (behind.count < WORTH_KEEPING || behind.count <= best) continue;
    best = behind.count;
    s->keeps = true;
    s->kept = i;
    s->keeper = keeper;
    s->own_room = keeper == UINT32_MAX;
  }
  if (s->keeps) {
    search last = {.r = r, .stop = s->kept, .seen = s->last_needs};
    see_outputs(&last, n);
    look_back(&last);
    for (uint32_t i = 0; i < count; i++)
      if (!(r->vary[i] & QN_LL_BY_LANE)) s->last_needs[i] = r->needed[i];
    s->last_needs[s->kept] = false; /* loaded */
  }
  return true;
}

void qn__ll_row_room(row_state *s) {
  qn_ll *g = s->n->g;
  if (!s->keeps || s->room) return;
  if (s->own_room) {
    s->room = qn__ll_slot(g, g->f32, QN_LL_ROOM);
  } else if (s->n->stream) {
    qn_scalar mem = s->n->places[s->n->plan->num_inputs + s->keeper].mem;
    s->room = qn__ll_slot(g, qn__ll_mem_type(g, mem), QN_STREAM_ROW / (qn__ll_mem_bits(mem) / 8));
  }
}

/* Where it is kept: in the output, or where that goes past the caches or is too small, in memory of its own. */
static qn_ll_place place_of(row_state *s) {
  qn_ll_place p = {.mem = QN_F32, .access = QN_ACCESS_DENSE};
  if (!s->own_room) p = s->n->places[s->n->plan->num_inputs + s->keeper];
  qn__ll_row_room(s);
  if (s->room) p.base = s->room;
  return p;
}

void qn__ll_row_kept_load(row_state *s, qn_ll_region *r, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  if (!s->keeps || !qn__ll_row_last_pass(s)) return;
  qn_ll_place p = place_of(s);
  r->v[s->kept] = qn__ll_load(s->n->g, &p, index, lanes, mask);
}

void qn__ll_row_kept_store(row_state *s, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  if (!s->keeps || s->pass + 2 != s->n->region.num_passes) return;
  qn_ll_place p = place_of(s);
  qn__ll_store(s->n->g, &p, index, lanes, mask, qn__ll_region_get(&s->n->region, s->kept, lanes));
}
