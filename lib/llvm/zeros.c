/* max(x, 0) is one instruction where it may leave a zero as it is: a comparison and a selection otherwise, since -0 has
 * to become +0. A sum is -0 only where both terms are, so it is enough that one of them never is; and a term that is
 * the same for all rows, as a bias is, can have its -0 made +0 once, by adding +0. */
#include "ll.h"
#include <math.h>

enum { OLT = 4, OLE = 5 };

static bool plus_zero(const qn_tape *t, uint32_t reg) {
  return t->insts[reg].op == QN_T_CONST && t->insts[reg].imm == 0;
}

static uint32_t readers(const qn_tape *t, uint32_t reg) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < t->num_insts; i++) {
    uint32_t args[3] = {0}, n = qn__ll_args(&t->insts[i], args);
    for (uint32_t k = 0; k < n; k++) count += args[k] == reg;
  }
  for (uint32_t i = 0; i < t->num_outputs; i++) count += t->outputs[i] == reg;
  return count;
}

/* Whether i is x <= 0 ? 0 : x of a sum x that nothing else reads, and so is the comparison. */
static bool find(const qn_tape *t, uint32_t i, uint32_t *compared, uint32_t *sum) {
  const qn_tinst *s = &t->insts[i], *m = &t->insts[s->a];
  if (s->op != QN_T_SELECT || m->op != QN_T_FCMP || m->pred != OLE || m->a != s->c || m->b != s->b) return false;
  if (!plus_zero(t, s->b) || t->insts[s->c].op != QN_T_FADD) return false;
  *compared = s->a, *sum = s->c;
  return readers(t, s->a) == 1 && readers(t, s->c) == 2;
}

static bool never_minus_zero(const qn_tape *t, uint32_t reg) {
  const qn_tinst *x = &t->insts[reg];
  if (x->op == QN_T_FADD) return never_minus_zero(t, x->a) || never_minus_zero(t, x->b);
  return x->op == QN_T_SITOFP || (x->op == QN_T_CONST && plus_zero(t, reg));
}

static bool is_shared(const qn_tape *t, uint32_t reg, const bool *shared) {
  return t->insts[reg].op == QN_T_INPUT && shared[t->insts[reg].a];
}

typedef struct rewrite {
  qn_tape *t; /* grows */
  uint32_t *to;
} rewrite;

static uint32_t append(rewrite *w, qn_tinst inst, qn_trange range) {
  if (w->t->ranges) w->t->ranges[w->t->num_insts] = range;
  w->t->insts[w->t->num_insts] = inst;
  return w->t->num_insts++;
}

static bool start(qn_ll *g, const qn_tape *tape, rewrite *w) {
  enum { MORE = 2 }; /* instructions before a sum */
  size_t room = (size_t)tape->num_insts * (1 + MORE);
  *w = (rewrite){.t = qn__arena_copy(g->arena, tape, sizeof *tape)};
  w->to = qn__arena_array(g->arena, tape->num_insts, sizeof *w->to);
  if (!w->t || !w->to) return false;
  w->t->num_insts = 0;
  w->t->insts = qn__arena_array(g->arena, room, sizeof *w->t->insts);
  if (tape->ranges && !(w->t->ranges = qn__arena_array(g->arena, room, sizeof *w->t->ranges))) return false;
  w->t->outputs = qn__arena_array(g->arena, tape->num_outputs, sizeof *w->t->outputs);
  return w->t->insts && w->t->outputs;
}

/* For each sum that is limited to 0: the term to which +0 is added (the sum itself where it needs none), and the
 * comparison. */
static bool look(const qn_tape *t, const bool *shared, uint32_t *term, bool *changed) {
  bool some = false;
  for (uint32_t i = 0; i < t->num_insts; i++) term[i] = UINT32_MAX, changed[i] = false;
  for (uint32_t i = 0; i < t->num_insts; i++) {
    uint32_t compared, sum;
    if (!find(t, i, &compared, &sum)) continue;
    const qn_tinst *x = &t->insts[sum];
    if (is_shared(t, x->b, shared))
      term[sum] = x->b;
    else if (is_shared(t, x->a, shared))
      term[sum] = x->a;
    else if (!never_minus_zero(t, sum))
      continue;
    some = changed[compared] = true;
  }
  return some;
}

const qn_tape *qn__ll_without_minus_zeros(qn_ll *g, const qn_tape *tape, const bool *shared) {
  rewrite w;
  uint32_t *term = qn__arena_array(g->arena, tape->num_insts, sizeof *term);
  bool *changed = qn__arena_array(g->arena, tape->num_insts, sizeof *changed);
  if (!term || !changed) return NULL;
  if (!look(tape, shared, term, changed)) return tape;
  if (!start(g, tape, &w)) return NULL;
  static const qn_trange unknown = {-HUGE_VAL, HUGE_VAL, true};
  for (uint32_t i = 0; i < tape->num_insts; i++) {
    qn_tinst x = tape->insts[i];
    uint32_t args[3] = {0}, n = qn__ll_args(&x, args);
    if (n > 0) x.a = w.to[args[0]];
    if (n > 1) x.b = w.to[args[1]];
    if (n > 2) x.c = w.to[args[2]];
    if (changed[i]) x.pred = OLT;
    if (term[i] != UINT32_MAX) {
      uint32_t zero = append(&w, (qn_tinst){.op = QN_T_CONST, .type = x.type}, unknown);
      uint32_t plain = append(&w, (qn_tinst){.op = QN_T_FADD, .type = x.type, .a = w.to[term[i]], .b = zero}, unknown);
      if (term[i] == args[1])
        x.b = plain;
      else
        x.a = plain;
    }
    w.to[i] = append(&w, x, tape->ranges ? tape->ranges[i] : unknown);
  }
  for (uint32_t i = 0; i < tape->num_outputs; i++) w.t->outputs[i] = w.to[tape->outputs[i]];
  return w.t;
}
