/* Whether a row that holds a NaN comes out as NaNs alone, or as what they are turned into. Then its largest and
 * smallest need not say that they met one: the instructions that find them drop NaN, and looking for it takes two more.
 * So it is in softmax: a NaN is in the sum of the exponentials, by which all are divided; and in its codes, as that of
 * NaN does not depend on anything. */
#include "row.h"

/* What a NaN in x, at one place of the row, does to a register: nothing known, makes it NaN there, or everywhere. */
typedef enum effect { NONE, HERE, EVERYWHERE } effect;

typedef struct effects {
  const qn_tape *tape;
  uint8_t *of; /* per register */
  bool *apart; /* per register: largest and smallest have no part in it */
} effects;

static effect less(effect a, effect b) {
  return a < b ? a : b;
}

static effect more(effect a, effect b) {
  return a > b ? a : b;
}

/* A comparison with NaN has one result, by its predicate, and the selection takes that arm. */
static effect of_select(const effects *e, const qn_tinst *i) {
  enum { OEQ = 1, ORD = 7, UEQ = 8, UNO = 14 };
  const qn_tinst *m = &e->tape->insts[i->a];
  effect arms[2] = {(effect)e->of[i->b], (effect)e->of[i->c]}, both = less(arms[0], arms[1]);
  if (m->op != QN_T_FCMP || m->pred < OEQ || m->pred > UNO) return both;
  effect compared = more((effect)e->of[m->a], (effect)e->of[m->b]);
  return more(both, less(compared, arms[m->pred <= ORD ? 1 : 0]));
}

/* A selection by whether something is NaN that is one everywhere. */
static bool takes_arm(const effects *e, const qn_tinst *i, uint32_t *arm) {
  enum { OEQ = 1, ORD = 7, UNO = 14 };
  const qn_tinst *m = &e->tape->insts[i->a];
  if (i->op != QN_T_SELECT || m->op != QN_T_FCMP || m->pred < OEQ || m->pred > UNO) return false;
  *arm = m->pred <= ORD ? i->c : i->b;
  return e->of[m->a] == EVERYWHERE || e->of[m->b] == EVERYWHERE;
}

static bool is_apart(const effects *e, const qn_tinst *i) {
  uint32_t args[3] = {0}, n = qn__ll_args(i, args), arm;
  if (i->op == QN_T_INPUT || i->op == QN_T_CONST) return true;
  if (i->op == QN_T_ALL_FMAX || i->op == QN_T_ALL_FMIN) return false;
  if (takes_arm(e, i, &arm)) return e->apart[arm];
  for (uint32_t k = 0; k < n; k++)
    if (!e->apart[args[k]]) return false;
  return true;
}

static effect of_inst(const effects *e, const qn_tinst *i) {
  switch (i->op) {
  case QN_T_FADD:
  case QN_T_FSUB:
  case QN_T_FMUL:
  case QN_T_FDIV:
  case QN_T_FMAX:
  case QN_T_FMIN: return more((effect)e->of[i->a], (effect)e->of[i->b]);
  case QN_T_FMA: return more(more((effect)e->of[i->a], (effect)e->of[i->b]), (effect)e->of[i->c]);
  case QN_T_FSQRT:
  case QN_T_FROUND:
  case QN_T_FFLOOR:
  case QN_T_FCEIL:
  case QN_T_FEXT:
  case QN_T_FTRUNC:
  case QN_T_HALF_IN:
  case QN_T_HALF_OUT:
  case QN_T_FSCALE: return (effect)e->of[i->a];
  case QN_T_SELECT: return of_select(e, i);
  case QN_T_ALL_FSUM: return e->of[i->a] != NONE ? EVERYWHERE : NONE;
  default: return NONE; /* a largest and smallest too: it may be one of those that do not look for NaN */
  }
}

static bool shows(const effects *e, uint32_t x) {
  const qn_tape *t = e->tape;
  for (uint32_t i = 0; i < t->num_insts; i++) {
    e->of[i] = (uint8_t)(i == x ? HERE : of_inst(e, &t->insts[i]));
    e->apart[i] = is_apart(e, &t->insts[i]);
  }
  for (uint32_t i = 0; i < t->num_outputs; i++)
    if (e->of[t->outputs[i]] != EVERYWHERE && !e->apart[t->outputs[i]]) return false;
  return t->num_outputs != 0;
}

bool qn__ll_row_find_nans(row_state *s) {
  qn_arena *arena = s->n->g->arena;
  effects e = {.tape = s->n->region.tape};
  uint32_t count = e.tape->num_insts;
  s->nan_shows = qn__arena_array(arena, count, sizeof *s->nan_shows);
  e.of = qn__arena_array(arena, count, 1);
  e.apart = qn__arena_array(arena, count, sizeof *e.apart);
  if (!s->nan_shows || !e.of || !e.apart) return false;
  for (uint32_t i = 0; i < count; i++) {
    uint8_t op = e.tape->insts[i].op;
    if (op == QN_T_ALL_FMAX || op == QN_T_ALL_FMIN) s->nan_shows[i] = shows(&e, e.tape->insts[i].a);
  }
  return true;
}
