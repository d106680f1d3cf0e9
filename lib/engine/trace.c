/* What is made and what calls do, for the handlers of trace and of call events: shape, types, time, work. Nothing here
 * runs without a handler. */
#include "context_impl.h"
#include "program.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A line that is cut where it is full. */
typedef struct text {
  char data[256];
  size_t size;
} text;

static void put(text *t, const char *fmt, ...) QN_PRINTF(2, 3);
static void put(text *t, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(t->data + t->size, sizeof t->data - t->size, fmt, args);
  va_end(args);
  if (n > 0) t->size += (size_t)n;
  if (t->size >= sizeof t->data) t->size = sizeof t->data - 1;
}

/* The jobs of a step, but for those that only prepare it. */
typedef struct sizes {
  int64_t size[QN_MAX_RANK + 1];
  uint32_t num_sizes, jobs;
} sizes;

static bool see_job(void *user, const qn_job *job) {
  sizes *s = user;
  if (job->part == QN_PART_PROLOGUE) return true;
  const qn_kernel_plan *plan = job->step->plan;
  uint32_t room = sizeof s->size / sizeof *s->size;
  s->num_sizes = job->num_sizes < room ? job->num_sizes : room;
  memcpy(s->size, job->sizes, s->num_sizes * sizeof *s->size);
  if (plan->kind == QN_KERNEL_GEMM) {
    s->num_sizes = 3; /* of the product, the others are strides */
    if (plan->u.gemm.window) s->size[2] *= job->sizes[5] * job->sizes[6];
  }
  if (plan->kind == QN_KERNEL_WINDOW) s->num_sizes = 2;
  s->jobs++;
  return true;
}

static void put_shape(text *t, const sizes *s, const qn_kernel_plan *plan) {
  if (s->jobs > 1) put(t, "%u of ", s->jobs);
  for (uint32_t i = 0; i < s->num_sizes; i++) put(t, "%s%lld", i ? "x" : "", (long long)s->size[i]);
  if (!s->num_sizes) put(t, "1");
  bool windows = plan->kind == QN_KERNEL_WINDOW || (plan->kind == QN_KERNEL_GEMM && plan->u.gemm.window);
  const qn_window *w = &plan->u.gemm.shape;
  if (windows) put(t, " window %lldx%lld", (long long)w->size[0], (long long)w->size[1]);
}

static void put_types(text *t, const qn_program *p, const qn_step *s) {
  for (uint32_t i = 0; i < s->num_in + s->num_out; i++)
    put(t, "%s%s", i == s->num_in ? " -> " : i ? ", " : "", qn_scalar_get(p->values[s->values[i]].mem)->text);
}

static bool multiplies(const qn_step *s) {
  return s->plan->kind == QN_KERNEL_BLOCK_GEMM || qn__step_multiplies(s) != QN_SCALAR_NONE;
}

static double loop_ops(const qn_step *s, const sizes *z) {
  if (s->plan->kind != QN_KERNEL_MAP && s->plan->kind != QN_KERNEL_ROW) return 0;
  double count = s->plan->u.loop.tape.num_insts;
  for (uint32_t i = 0; i < z->num_sizes; i++) count *= (double)z->size[i];
  return count;
}

static void add_step(const qn_program *p, const qn_step *s, const qn_bound *b, const sizes *z, qn_call_event *e) {
  qn__step_ops(p, s, b, e->by);
  e->ops = loop_ops(s, z) + qn__sum_of_ops(e->by);
  for (uint32_t i = 0; i < s->num_in + s->num_out; i++) e->bytes += (double)qn__value_bytes(p, b, s->values[i]);
}

void qn__trace_step(const qn_program *p, const qn_step *s, const qn_bound *b, double ns, uint32_t threads,
                    uint32_t chain) {
  text shape = {.size = 0}, types = {.size = 0};
  sizes z = {.jobs = 0};
  qn_call_event e = {.kind = s ? QN_EVENT_STEP : QN_EVENT_CALL,
                     .program = p,
                     .engine = s ? qn__plan_engine(p, s->plan) : qn_program_engine(p),
                     .shape = shape.data,
                     .types = types.data,
                     .ns = ns,
                     .threads = threads,
                     .kernel = {.isa = p->isa->name}};
  if (s) {
    if (s->plan->kind == QN_KERNEL_VIEW) return;
    qn__step_jobs(p, s, b, see_job, &z);
    put_shape(&shape, &z, s->plan);
    put_types(&types, p, s);
    add_step(p, s, b, &z, &e);
    e.kernel = qn__step_info(p, s);
    e.kernel.chain = chain;
    for (const qn_step *at = p->steps; at < s; at++) e.index += at->plan->kind != QN_KERNEL_VIEW;
    e.multiplies = multiplies(s);
  } else {
    for (uint32_t i = 0; i < p->num_inputs; i++) e.bytes += (double)qn__value_bytes(p, b, p->inputs[i]);
    for (uint32_t i = 0; i < p->num_outputs; i++) e.bytes += (double)qn__value_bytes(p, b, p->outputs[i]);
    e.bytes += (double)p->constants_bytes;
    for (uint32_t i = 0; i < p->num_steps; i++) qn__step_ops(p, &p->steps[i], b, e.by);
    e.ops = qn__sum_of_ops(e.by);
    e.multiplies = e.ops > 0;
  }
  p->ctx->on_call(p->ctx->on_call_user, &e);
}

/* ---- what is made ---- */

static bool is_watched(const qn_program *p) {
  return p->ctx->on_call || qn_trace_enabled(p->ctx);
}

static void tell_kernel(const qn_program *p, const qn_step *s, size_t index) {
  text types = {.size = 0};
  qn_kernel_info k = qn__step_info(p, s);
  put_types(&types, p, s);
  qn_trace(p->ctx, "kernel %s: %s, %s %s%s%s%s%s%s%s%s", k.name, types.data, p->engine, k.isa, *k.tile ? " " : "",
           k.tile, *k.fused ? " (" : "", k.fused, *k.fused ? ")" : "", k.slow_reason ? "; slow: " : "",
           k.slow_reason ? k.slow_reason : "");
  qn_call_event e = {.kind = QN_EVENT_KERNEL,
                     .program = p,
                     .index = index,
                     .kernel = k,
                     .engine = p->engine,
                     .shape = "",
                     .types = types.data,
                     .multiplies = multiplies(s)};
  if (p->ctx->on_call) p->ctx->on_call(p->ctx->on_call_user, &e);
}

static void tell_body(const qn_program *p, qn_unit *u) {
  static const char *const origins[] = {"compiled", "cached", "loaded"};
  if (!u || u->told_made || !qn__unit_fn(u)) return;
  u->told_made = true;
  qn_trace(p->ctx, "body %s: %s, %s in %.3f ms, %zu bytes", u->body.symbol, u->engine, origins[u->origin], u->ms,
           u->code->bytes);
  qn_call_event e = {.kind = QN_EVENT_BODY,
                     .program = p,
                     .kernel = {.name = u->body.symbol, .op = "", .isa = p->isa->name, .tile = "", .fused = ""},
                     .engine = u->engine,
                     .origin = origins[u->origin],
                     .shape = "",
                     .types = "",
                     .ns = u->ms * 1e6,
                     .bytes = (double)u->code->bytes};
  if (p->ctx->on_call) p->ctx->on_call(p->ctx->on_call_user, &e);
}

void qn__tell_news(const qn_program *p) {
  if (!p->units || !p->tiers) return;
  qn__units_report(p->units, p->ctx);
  qn__fallback_report(p);
  if (!is_watched(p)) return;
  for (uint32_t i = 0; i < p->num_bodies; i++) {
    tell_body(p, p->tiers[i].best);
    tell_body(p, p->tiers[i].quick);
  }
}

void qn__tell_kernels(const qn_program *p, const char *how, double ms) {
  if (is_watched(p)) {
    size_t index = 0;
    uint32_t ready = 0;
    for (uint32_t i = 0; i < p->num_steps; i++)
      if (p->steps[i].plan->kind != QN_KERNEL_VIEW) tell_kernel(p, &p->steps[i], index++);
    for (uint32_t i = 0; i < p->num_bodies; i++) ready += qn__code_of(&p->tiers[i]) != NULL;
    qn_trace(p->ctx, "%s for %s %s in %.3f ms: %u of %u bodies are ready", how, p->engine, p->isa->name, ms, ready,
             p->num_bodies);
  }
  qn__tell_news(p);
}
