/* The pass manager: one loop over the steps, with what is watched around each. */
#include "clock.h"
#include "fpenv.h"
#include "pass_impl.h"
#include <string.h>

/* ---- life ---- */

static qn_status check_options(qn_context *ctx, const qn_pass_manager_options *o) {
  bool prints = o->print_before_all || o->print_after_all || o->print_after_change || o->time || o->stats;
  if (prints && !o->print)
    return qn_error(ctx, QN_DIAG_CALL, qn_place_file(""),
                    "the pass manager is asked to print, but its options have no print function");
  if (o->check_inputs.count < 0)
    return qn_error(ctx, QN_DIAG_CALL, qn_place_file(""), "check_inputs.count is %lld, expected 0 or more",
                    (long long)o->check_inputs.count);
  return QN_OK;
}

static qn_status init(qn_pass_manager *pm, qn_str pipeline) {
  pm->pipeline = qn__arena_str(&pm->arena, pipeline.data ? pipeline : qn_str_of(""));
  if (pm->options.reproducer)
    pm->options.reproducer = qn__arena_str(&pm->arena, qn_str_of(pm->options.reproducer)).data;
  if (!pm->pipeline.data) return qn_error_no_memory(pm->ctx);
  qn_status status = check_options(pm->ctx, &pm->options);
  return status == QN_OK ? qn__pipeline_parse(pm) : status;
}

qn_status qn_pass_manager_create(qn_context *ctx, qn_str pipeline, const qn_pass_manager_options *options,
                                 qn_pass_manager **out) {
  if (!ctx || !out) return qn_error_null(ctx, __func__);
  const qn_allocator *a = qn_context_allocator(ctx);
  *out = NULL;
  qn_pass_manager *pm = qn__alloc_zero(a, sizeof *pm);
  if (!pm) return qn_error_no_memory(ctx);
  pm->ctx = ctx;
  if (options) pm->options = *options;
  qn__arena_init(&pm->arena, a);
  qn_status status = init(pm, pipeline);
  if (status == QN_OK)
    *out = pm;
  else
    qn_pass_manager_destroy(pm);
  return status;
}

void qn_pass_manager_destroy(qn_pass_manager *pm) {
  if (!pm) return;
  const qn_allocator *a = qn_context_allocator(pm->ctx);
  qn__vec_free(a, &pm->steps);
  qn__vec_free(a, &pm->stats);
  qn__arena_free(&pm->arena);
  qn__free(a, pm, sizeof *pm);
}

/* ---- running ---- */

/* What one run carries from step to step. */
typedef struct progress {
  qn_pass_manager *pm;
  qn_module *m;
  uint64_t hash; /* of the text, for print_after_change */
} progress;

static qn_status failed(qn_pass_manager *pm, uint32_t step, qn_status status, const char *how) {
  qn_error(pm->ctx, QN_DIAG_PASS_FAILED, qn_place_file(""), "pass '%s' (%u of %u) %s", pm->steps.data[step].info->name,
           step + 1, pm->steps.size, how);
  return status;
}

/* The pass itself, timed. */
static qn_status call_pass(progress *p, uint32_t step, bool *unchanged) {
  qn_pass_manager *pm = p->pm;
  qn_pass_run run = {.pm = pm, .m = p->m, .step = step};
  qn__arena_init(&run.scratch, qn_context_allocator(pm->ctx));
  double start = qn__now_ns();
  qn_fp_env saved = qn__fp_enter(); /* passes compute constants */
  qn_status status = pm->steps.data[step].info->run(&run);
  qn__fp_leave(saved);
  pm->steps.data[step].seconds += (qn__now_ns() - start) * 1e-9;
  pm->steps.data[step].runs++;
  qn__arena_free(&run.scratch);
  *unchanged = run.said && !run.changed;
  if (status == QN_OK) status = run.misuse;
  if (status == QN_OK && qn_module_failed(p->m)) status = qn_error_no_memory(pm->ctx);
  return status == QN_OK ? QN_OK : failed(pm, step, status, "failed");
}

static qn_status print_after(progress *p, uint32_t step, bool unchanged) {
  const qn_pass_manager_options *o = &p->pm->options;
  if (o->print_after_all) return qn__dump_module(p->pm, p->m, step, QN__AFTER);
  if (!o->print_after_change || unchanged) return QN_OK;
  uint64_t hash;
  if (!qn__print_hash(p->m, &hash)) return qn_error_no_memory(p->pm->ctx);
  if (hash == p->hash) return QN_OK;
  p->hash = hash;
  return qn__dump_module(p->pm, p->m, step, QN__AFTER);
}

/* Everything after the pass that may find fault with what it did. */
static qn_status examine(progress *p, uint32_t step, qn_module *before, bool unchanged) {
  const qn_pass_manager_options *o = &p->pm->options;
  qn_status status = QN_OK;
  if (o->verify_each && (status = qn_module_verify(p->m)) != QN_OK)
    return failed(p->pm, step, status, "left a program that breaks the rules named above");
  if (o->check_each && (status = qn__check_step(p->pm, step, before, p->m)) != QN_OK)
    return failed(p->pm, step, status, "changed what the program computes");
  return print_after(p, step, unchanged);
}

static qn_status run_step(progress *p, uint32_t step) {
  qn_pass_manager *pm = p->pm;
  const qn_pass_manager_options *o = &pm->options;
  qn_module *before = NULL;
  bool unchanged;
  if (o->print_before_all) {
    qn_status status = qn__dump_module(pm, p->m, step, QN__BEFORE);
    if (status != QN_OK) return status;
  }
  if ((o->check_each || o->reproducer) && !(before = qn_module_clone(p->m))) return qn_error_no_memory(pm->ctx);
  qn_status status = call_pass(p, step, &unchanged);
  if (status == QN_OK) status = examine(p, step, before, unchanged);
  if (status != QN_OK && o->reproducer) qn__reproduce(pm, before, step);
  qn_module_destroy(before);
  return status;
}

qn_status qn_pass_manager_run(qn_pass_manager *pm, qn_module *m) {
  if (!pm || !m) return qn_error_null(qn_module_context(m), __func__);
  progress p = {.pm = pm, .m = m};
  qn_status status = QN_OK;
  if (qn_module_context(m) != pm->ctx)
    return qn_error(pm->ctx, QN_DIAG_CALL, qn_place_file(""),
                    "the module belongs to another context than the pass manager");
  if (pm->options.print_after_change && !qn__print_hash(m, &p.hash)) return qn_error_no_memory(pm->ctx);
  for (uint32_t i = 0; status == QN_OK && i < pm->steps.size; i++) status = run_step(&p, i);
  if (pm->options.time) qn__report_time(pm);
  if (pm->options.stats) qn__report_stats(pm);
  return status;
}

qn_status qn_run_pipeline(qn_module *m, const char *pipeline) {
  if (!m || !pipeline) return qn_error_null(qn_module_context(m), __func__);
  qn_pass_manager *pm = NULL;
  qn_status status = qn_pass_manager_create(qn_module_context(m), qn_str_of(pipeline), NULL, &pm);
  if (pm) status = qn_pass_manager_run(pm, m);
  qn_pass_manager_destroy(pm);
  return status;
}
