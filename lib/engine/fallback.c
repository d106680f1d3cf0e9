/* Programs of two tiers whose best code generator could not make a body: the quick one's code stays, and is many times
 * slower. Nobody who asked for speed should find that out by measuring: each such kernel says so where people look
 * (slow_reason: inspect, traces, events of calls), and is a warning once.
 *
 * Bodies are made behind the back of calls, on any thread, and calls come on any; the handler of diagnostics belongs to
 * the context's. So warnings are given at the next thing that is done with the program there. */
#include "context_impl.h"
#include "program.h"
#include <string.h>

static bool has_failed(const qn_program *p, uint32_t body) {
  return qn__unit_state(p->tiers[body].best) == QN_UNIT_FAILED;
}

/* Bodies of equal plans are shared, and belong to the first of their steps. */
static bool is_of(const qn_program *p, uint32_t body, const qn_kernel_plan *plan) {
  return p->bodies[body].plan->hash == plan->hash && !strcmp(p->bodies[body].plan->name, plan->name);
}

const char *qn__fallback_reason(const qn_program *p, const qn_kernel_plan *plan) {
  for (uint32_t i = 0; p->tiered && i < p->num_bodies; i++)
    if (is_of(p, i, plan) && has_failed(p, i)) return p->tiers[i].best->slow;
  return NULL;
}

const char *qn__plan_engine(const qn_program *p, const qn_kernel_plan *plan) {
  for (uint32_t i = 0; p->tiered && i < p->num_bodies; i++) {
    const qn_tiers *t = &p->tiers[i];
    if (!qn__unit_fn(t->best) && qn__unit_fn(t->quick) && is_of(p, i, plan)) return t->quick->engine;
  }
  return p->engine;
}

static const qn_step *step_of(const qn_program *p, uint32_t body) {
  uint32_t i = 0;
  while (i + 1 < p->num_steps && !is_of(p, body, p->steps[i].plan)) i++;
  return &p->steps[i];
}

static void trace_one(const qn_program *p, const qn_unit *u) {
  qn_trace(p->ctx, "body %s stays libtcc's: %s", u->body.symbol, u->problem);
}

/* Counts the other kernels that failed for the same reason, and takes them as told. */
static uint32_t tell_others(const qn_program *p, uint32_t first) {
  const qn_unit *u = p->tiers[first].best;
  uint32_t others = 0;
  for (uint32_t i = first + 1; i < p->num_bodies; i++) {
    qn_unit *other = p->tiers[i].best;
    if (!has_failed(p, i) || other->told || strcmp(other->problem, u->problem)) continue;
    other->told = true;
    others++;
    trace_one(p, other);
  }
  return others;
}

void qn__fallback_report(const qn_program *p) {
  for (uint32_t i = 0; p->tiered && p->tiers && i < p->num_bodies; i++) {
    qn_unit *u = p->tiers[i].best;
    if (!u || !has_failed(p, i) || u->told) continue;
    const qn_step *s = step_of(p, i);
    u->told = true;
    trace_one(p, u);
    uint32_t others = tell_others(p, i);
    qn_warning(p->ctx, QN_DIAG_ENGINE, s->plan->place,
               "%.*s: kernel %s runs on libtcc's scalar code, many times slower: LLVM could not make its code: %s",
               (int)s->op_name.size, s->op_name.data, u->body.symbol, u->problem);
    if (others) qn_note(p->ctx, s->plan->place, "so do %u more kernels, for the same reason", others);
  }
}
