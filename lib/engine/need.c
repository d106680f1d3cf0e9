/* Which bodies a call needs, and seeing to it that they have code. */
#include "arena.h"
#include "machine.h"
#include "program.h"
#include <string.h>

/* ---- which ---- */

static bool mark_job(void *needed, const qn_job *job) {
  qn_piece pieces[2];
  uint32_t n = qn__job_pieces(job, 0, 1, pieces);
  for (uint32_t i = 0; i < n; i++) ((bool *)needed)[pieces[i].body] = true;
  return true;
}

void qn__mark_needed(const qn_program *p, const qn_bound *b, bool *needed) {
  for (uint32_t i = 0; i < p->num_steps; i++) qn__step_jobs(p, &p->steps[i], b, mark_job, needed);
}

void qn__mark_always(const qn_program *p, bool *needed) {
  for (uint32_t i = 0; i < p->num_bodies; i++) needed[i] |= !qn__by_size(p->bodies[i].part);
}

/* ---- while a call waits ---- */

/* About how many times longer work takes on the quick code generator, which has no vectors: for a multiply-add it takes
 * a few nanoseconds on every row. */
static double slowdown(const qn_program *p, const qn_step *s) {
  const double quick_mac_ns = 3.2;
  if (s->plan->kind == QN_KERNEL_MAP || s->plan->kind == QN_KERNEL_ROW || s->plan->kind == QN_KERNEL_PACK) return 20;
  qn_scalar elem = qn__step_multiplies(s);
  return quick_mac_ns / qn__machine_mac_ns(&p->machine, p->isa, elem == QN_SCALAR_NONE ? QN_I8 : elem);
}

/* Nanoseconds that work may take on the quick code, since waiting for better code takes about half of that. */
static const double QUICK_NS = 15e6;

static bool made(const qn_program *p, qn_unit *u) {
  if (!qn__unit_fn(u)) qn__unit_make_apart(p->units, u, p->threads > 1);
  return qn__unit_fn(u) != NULL;
}

static bool is_quick(const qn_program *p, double cost, const qn_step *s) {
  return cost * slowdown(p, s) < QUICK_NS;
}

/* Threads that work behind the back of calls. */
static uint32_t behind(const qn_program *p) {
  return p->threads > 1 ? p->threads - 1 : 1;
}

static qn_status no_code(const qn_step *s, const qn_unit *u, qn_call_error *error) {
  qn__step_fail(s, error, u->problem_code, "kernel %s cannot be compiled: %s", u->body.symbol, u->problem);
  return u->problem_code == QN_DIAG_NO_MEMORY ? QN_ERR_NO_MEMORY : QN_ERR_UNSUPPORTED;
}

static qn_status cannot_run(const qn_program *p, qn_call_error *error) {
  return qn__call_fail(error, QN_DIAG_ENGINE, "this machine cannot run code for %s", p->isa->name), QN_ERR_UNSUPPORTED;
}

qn_status qn__need_code(const qn_program *p, uint32_t body, double cost, const qn_step *s, qn_call_error *error) {
  const qn_tiers *t = &p->tiers[body];
  if (qn__unit_fn(t->best)) return QN_OK;
  if (p->foreign) return cannot_run(p, error);
  if (t->quick && qn__unit_state(t->best) != QN_UNIT_FAILED) {
    if (qn__unit_state(t->best) == QN_UNIT_IDLE) qn__units_queue(p->units, 1, &t->best, behind(p));
    if (!p->patient && is_quick(p, cost, s) && made(p, t->quick)) return QN_OK;
  }
  if (made(p, t->best) || (t->quick && made(p, t->quick))) return QN_OK;
  return no_code(s, t->best, error);
}

/* ---- beforehand ---- */

/* The step that a body was planned for, for messages. */
static const qn_step *step_of(const qn_program *p, uint32_t body) {
  for (uint32_t i = 0; i < p->num_steps; i++)
    if (p->steps[i].plan == p->bodies[body].plan) return &p->steps[i];
  return &p->steps[0];
}

qn_status qn__make_needed(const qn_program *p, const bool *needed, qn_call_error *error) {
  if (p->foreign) return cannot_run(p, error);
  qn_allocator own = qn_allocator_default(); /* any thread may ask */
  qn_unit **list = qn__alloc(&own, (p->num_bodies + 1u) * sizeof *list);
  uint32_t n = 0;
  if (!list) return qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory"), QN_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if (needed[i] && !qn__unit_fn(p->tiers[i].best)) list[n++] = p->tiers[i].best;
  qn__units_make(p->units, n, list, p->threads);
  qn__free(&own, list, (p->num_bodies + 1u) * sizeof *list);
  for (uint32_t i = 0; i < p->num_bodies; i++) {
    const qn_tiers *t = &p->tiers[i];
    if (!needed[i] || qn__unit_fn(t->best) || (t->quick && made(p, t->quick))) continue;
    return no_code(step_of(p, i), t->best, error);
  }
  return QN_OK;
}

/* About what the best code generator takes for a body. */
static const double BEST_NS = 7e6;

/* Bodies whose work, where it is known, would take long on quick code: calls wait for the best. All of them, when a
 * whole call would. */
static void leave_long_ones(qn_program *p, uint32_t missing, bool *quick) {
  double total = 0;
  for (uint32_t i = 0; p->frozen && i < p->frozen->num_calls; i++) {
    const qn_frozen_call *c = &p->frozen->calls[i];
    if (quick[c->body]) total += c->cost * slowdown(p, &p->steps[c->step]);
  }
  p->patient = total > QUICK_NS && total > missing * BEST_NS / p->threads;
  for (uint32_t i = 0; p->frozen && i < p->frozen->num_calls; i++) {
    const qn_frozen_call *c = &p->frozen->calls[i];
    if (p->patient || !is_quick(p, c->together, &p->steps[c->step])) quick[c->body] = false;
  }
}

static qn_status start_needed(qn_program *p, const bool *needed, bool *quick, bool *missing, qn_unit **list,
                              qn_call_error *error) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if (needed[i]) qn__unit_make_cached(p->units, p->tiers[i].best);
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if ((quick[i] = needed[i] && !qn__unit_fn(p->tiers[i].best))) list[n++] = p->tiers[i].best;
  qn__units_queue(p->units, n, list, behind(p));
  leave_long_ones(p, n, quick);
  n = 0;
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if (quick[i]) list[n++] = p->tiers[i].quick;
  qn__units_make(p->units, n, list, 1);
  for (uint32_t i = 0; i < p->num_bodies; i++) missing[i] = quick[i] && !qn__unit_fn(p->tiers[i].quick);
  return qn__make_needed(p, missing, error);
}

qn_status qn__start_needed(qn_program *p, const bool *needed, qn_call_error *error) {
  qn_allocator own = qn_allocator_default();
  qn_arena scratch;
  qn__arena_init(&scratch, &own);
  bool *quick = qn__arena_array(&scratch, p->num_bodies, sizeof *quick);
  bool *missing = qn__arena_array(&scratch, p->num_bodies, sizeof *missing);
  qn_unit **list = qn__arena_array(&scratch, p->num_bodies, sizeof(qn_unit *));
  qn_status status = QN_ERR_NO_MEMORY;
  if (quick && missing && list)
    status = start_needed(p, needed, quick, missing, list, error);
  else
    qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory");
  qn__arena_free(&scratch);
  return status;
}

qn_status qn_program_prepare(const qn_program *p, const DLTensor *in, qn_call_error *error) {
  if (!p) return qn__no_program(error);
  if (p->interp || !p->num_bodies) return in ? qn_program_sizes(p, in, NULL, NULL, error) : QN_OK;
  qn_allocator own = qn_allocator_default();
  qn_arena scratch;
  qn__arena_init(&scratch, &own);
  bool *needed = qn__arena_array(&scratch, p->num_bodies, sizeof *needed);
  char *header = qn__arena_alloc(&scratch, qn__bound_header(p) + 1);
  qn_status status = needed && header ? QN_OK : QN_ERR_NO_MEMORY;
  if (status) qn__call_fail(error, QN_DIAG_NO_MEMORY, "no memory");
  if (!status && !in) memset(needed, 1, p->num_bodies * sizeof *needed);
  if (!status && in) {
    qn_bound b = qn__bound_at(p, header);
    if (p->frozen)
      status = qn_program_sizes(p, in, NULL, NULL, error), b = p->frozen->bound;
    else
      status = qn__bind(p, in, &b, error);
    if (!status) qn__mark_needed(p, &b, needed);
  }
  if (!status) status = qn__make_needed(p, needed, error);
  qn__arena_free(&scratch);
  return status;
}

qn_status qn_program_wait(const qn_program *p) {
  if (!p) return qn_error_null(NULL, __func__);
  qn_allocator own = qn_allocator_default();
  size_t bytes = (p->num_bodies + 1u) * sizeof(qn_unit *);
  qn_unit **list = p->tiers ? qn__alloc(&own, bytes) : NULL;
  if (p->tiers && !list) return qn_error_no_memory(p->ctx);
  uint32_t n = 0;
  for (uint32_t i = 0; p->tiers && i < p->num_bodies; i++) {
    qn_unit_state state = qn__unit_state(p->tiers[i].best);
    if (state == QN_UNIT_QUEUED || state == QN_UNIT_RUNNING) list[n++] = p->tiers[i].best;
  }
  if (n) qn__units_make(p->units, n, list, p->threads);
  qn__free(&own, list, bytes);
  qn__tell_news(p);
  return QN_OK;
}
