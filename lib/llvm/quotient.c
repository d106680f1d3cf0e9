/* Quantization without division: where a region divides by a constant, clamps, rounds and converts to an integer,
 *
 *   int(round(clamp(x / s, lo, hi)))   becomes   int(round(q)),  q = fma(y, r, y * e),  y = clamp(x, lo * s, hi * s)
 *
 * with r = 1/s rounded and e what r lacks of 1/s, rounded. Both sides are steps that never fall as x grows: x / s and
 * rounding are monotone; so is q, because from one float y to the next y * r grows by 2^-24 |y| r at least while y * e,
 * rounded, can fall by no more than 2^-46 |y| r. (Where products are subnormal both sides are 0.) Two such steps are
 * the same for every x when each of them goes up between the same two floats, and that is tried here: for each of the
 * hi - lo edges, both sides at the seven floats nearest to (n + 1/2) s, which hold the whole step. Scales that fail
 * keep the division. Beyond the clamped ends both sides are lo and hi; NaN gives 0. Only integers come out, so that the
 * sign of a zero does not matter. */
#include "fpenv.h"
#include "ll.h"
#include <math.h>
#include <string.h>

enum { MAX_STEPS = 1024, AROUND = 3 };

typedef struct quotient {
  uint32_t x; /* what is divided */
  float scale, lo, hi, low, high, inverse, rest;
} quotient;

static bool float_const(const qn_tape *t, uint32_t reg, float *out) {
  const qn_tinst *i = &t->insts[reg];
  uint32_t bits = (uint32_t)i->imm;
  if (i->op != QN_T_CONST || i->type != QN_TF32) return false;
  memcpy(out, &bits, sizeof *out);
  return true;
}

/* reg is `a pred k ? a : k`. */
static bool is_clamp(const qn_tape *t, uint32_t reg, uint8_t pred, uint32_t *a, float *k) {
  const qn_tinst *s = &t->insts[reg], *m = &t->insts[s->a];
  if (s->op != QN_T_SELECT || m->op != QN_T_FCMP || m->pred != pred) return false;
  *a = s->b;
  return m->a == s->b && m->b == s->c && float_const(t, s->c, k);
}

/* reg is `a is NaN ? 0 : a`, or a alone. */
static uint32_t without_nan(const qn_tape *t, uint32_t reg) {
  const qn_tinst *s = &t->insts[reg], *m = &t->insts[s->a];
  float zero;
  bool is = s->op == QN_T_SELECT && m->op == QN_T_FCMP && m->pred == 14 && m->a == s->c && m->b == s->c;
  return is && float_const(t, s->b, &zero) && zero == 0 ? s->c : reg;
}

/* A rounded register of which nothing but integers is made. */
static bool only_converted(const qn_tape *t, uint32_t reg) {
  bool used = false;
  for (uint32_t i = 0; i < t->num_outputs; i++)
    if (t->outputs[i] == reg) return false;
  for (uint32_t i = reg + 1; i < t->num_insts; i++) {
    uint32_t args[3] = {0}, n = qn__ll_args(&t->insts[i], args);
    for (uint32_t k = 0; k < n; k++) {
      if (args[k] != reg) continue;
      if (t->insts[i].op != QN_T_FPTOSI) return false;
      used = true;
    }
  }
  return used;
}

static float clamped(float t, float lo, float hi) {
  t = t > lo ? t : lo;
  return t < hi ? t : hi;
}

static float by_division(const quotient *q, float x) {
  return rintf(clamped(x / q->scale, q->lo, q->hi));
}

static float by_product(const quotient *q, float x) {
  float y = clamped(x, q->low, q->high);
  return rintf(fmaf(y, q->inverse, y * q->rest));
}

static bool same_edge(const quotient *q, float n) {
  float x = (float)(((double)n + 0.5) * (double)q->scale);
  for (int k = 0; k < AROUND; k++) x = nextafterf(x, -INFINITY);
  if (by_division(q, x) > n) return false;
  float last = n;
  for (int k = 0; k <= 2 * AROUND; k++, x = nextafterf(x, INFINITY)) {
    last = by_division(q, x);
    if (by_product(q, x) != last) return false;
  }
  return last > n;
}

static bool same_codes(quotient *q) {
  if (!(q->scale >= 0x1p-100f && q->scale <= 0x1p100f)) return false;
  if (!(q->lo <= 0 && q->hi >= 0 && q->hi - q->lo <= MAX_STEPS && rintf(q->lo) == q->lo && rintf(q->hi) == q->hi))
    return false;
  q->low = q->lo * q->scale;
  q->high = q->hi * q->scale;
  q->inverse = 1 / q->scale;
  q->rest = fmaf(-q->inverse, q->scale, 1) / q->scale;
  if (by_product(q, q->low) != q->lo || by_product(q, q->high) != q->hi || by_division(q, q->low) != q->lo ||
      by_division(q, q->high) != q->hi)
    return false;
  for (float n = q->lo; n < q->hi; n++)
    if (!same_edge(q, n)) return false;
  return true;
}

static bool find(const qn_tape *t, uint32_t rounded, quotient *q) {
  uint32_t above, below;
  if (t->insts[rounded].op != QN_T_FROUND || t->insts[rounded].type != QN_TF32) return false;
  if (!is_clamp(t, t->insts[rounded].a, 4, &below, &q->hi) || !is_clamp(t, below, 2, &above, &q->lo)) return false;
  const qn_tinst *division = &t->insts[without_nan(t, above)];
  if (division->op != QN_T_FDIV || !float_const(t, division->b, &q->scale)) return false;
  q->x = division->a;
  return only_converted(t, rounded) && same_codes(q);
}

/* ---- the tape with quotients replaced ---- */

typedef struct rewrite {
  qn_tape *t; /* grows */
  uint32_t *to;
} rewrite;

static const qn_trange unknown = {-INFINITY, INFINITY, true};

static uint32_t append(rewrite *w, qn_tinst inst, qn_trange range) {
  if (w->t->ranges) w->t->ranges[w->t->num_insts] = range;
  w->t->insts[w->t->num_insts] = inst;
  return w->t->num_insts++;
}

static uint32_t put(rewrite *w, uint8_t op, uint8_t pred, uint32_t a, uint32_t b, uint32_t c) {
  uint8_t type = op == QN_T_FCMP ? QN_TI1 : QN_TF32;
  return append(w, (qn_tinst){.op = op, .type = type, .pred = pred, .a = a, .b = b, .c = c}, unknown);
}

static uint32_t put_const(rewrite *w, float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return append(w, (qn_tinst){.op = QN_T_CONST, .type = QN_TF32, .imm = bits}, unknown);
}

/* The comparisons leave NaN in y, so that removing it and the last of them can be one instruction. */
static uint32_t put_quotient(rewrite *w, const quotient *q) {
  uint32_t x = w->to[q->x], low = put_const(w, q->low), high = put_const(w, q->high);
  uint32_t y = put(w, QN_T_SELECT, 0, put(w, QN_T_FCMP, 4, x, low, 0), low, x);
  y = put(w, QN_T_SELECT, 0, put(w, QN_T_FCMP, 2, y, high, 0), high, y);
  if (!w->t->ranges || w->t->ranges[x].nan)
    y = put(w, QN_T_SELECT, 0, put(w, QN_T_FCMP, 14, x, x, 0), put_const(w, 0), y);
  uint32_t small = put(w, QN_T_FMUL, 0, y, put_const(w, q->rest), 0);
  return put(w, QN_T_FMA, 0, y, put_const(w, q->inverse), small);
}

static bool start(qn_ll *g, const qn_tape *tape, rewrite *w) {
  enum { MOST = 13 }; /* instructions that one quotient adds */
  uint32_t found = 0;
  for (uint32_t i = 0; i < tape->num_insts; i++) found += tape->insts[i].op == QN_T_FROUND;
  *w = (rewrite){.t = qn__arena_copy(g->arena, tape, sizeof *tape)};
  w->to = qn__arena_array(g->arena, tape->num_insts, sizeof *w->to);
  if (!w->t || !w->to) return false;
  w->t->num_insts = 0;
  size_t room = tape->num_insts + (size_t)found * MOST;
  w->t->insts = qn__arena_array(g->arena, room, sizeof *w->t->insts);
  if (tape->ranges && !(w->t->ranges = qn__arena_array(g->arena, room, sizeof *w->t->ranges))) return false;
  w->t->outputs = qn__arena_array(g->arena, tape->num_outputs, sizeof *w->t->outputs);
  return w->t->insts && w->t->outputs;
}

const qn_tape *qn__ll_without_quotients(qn_ll *g, const qn_tape *tape) {
  rewrite w;
  bool divides = false;
  for (uint32_t i = 0; i < tape->num_insts; i++) divides |= tape->insts[i].op == QN_T_FDIV;
  if (!divides || !g->isa->has_fma) return tape;
  if (!start(g, tape, &w)) {
    g->failed = g->out_of_memory = true;
    return tape;
  }
  qn_fp_env saved = qn__fp_enter();
  for (uint32_t i = 0; i < tape->num_insts; i++) {
    quotient q;
    qn_tinst x = tape->insts[i];
    uint32_t args[3] = {0}, n = qn__ll_args(&x, args);
    if (find(tape, i, &q)) {
      x.a = put_quotient(&w, &q);
    } else {
      if (n > 0) x.a = w.to[args[0]];
      if (n > 1) x.b = w.to[args[1]];
      if (n > 2) x.c = w.to[args[2]];
    }
    w.to[i] = append(&w, x, tape->ranges ? tape->ranges[i] : unknown);
  }
  qn__fp_leave(saved);
  for (uint32_t i = 0; i < tape->num_outputs; i++) w.t->outputs[i] = w.to[tape->outputs[i]];
  return w.t;
}
