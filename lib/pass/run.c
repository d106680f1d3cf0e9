/* What a pass sees while it runs. */
#include "pass_impl.h"
#include <string.h>

qn_module *qn_run_module(qn_pass_run *run) {
  return run->m;
}

qn_context *qn_run_context(qn_pass_run *run) {
  return run->pm->ctx;
}

void *qn_run_user(qn_pass_run *run) {
  return run->pm->options.user;
}

const qn_check_inputs *qn_run_inputs(qn_pass_run *run) {
  const qn_check_inputs *in = &run->pm->options.check_inputs;
  return in->get && in->count > 0 ? in : NULL;
}

/* ---- options ---- */

static const char *const kind_words[] = {
    [QN__SPEC_BOOL] = "bool", [QN__SPEC_INT] = "int", [QN__SPEC_FLOAT] = "float", [QN__SPEC_STRING] = "string"};

/* The option, when it is declared with this kind (a choice is a string). Asking for another is a defect of the pass,
 * which the manager turns into a failure. */
static const qn__option *option(qn_pass_run *run, const char *name, int kind) {
  const qn__step *step = &run->pm->steps.data[run->step];
  qn_str wanted = qn_str_of(name);
  for (uint32_t i = 0; i < step->num_options; i++) {
    const qn__option *o = &step->options[i];
    if (!qn_str_eq(o->spec.name, wanted)) continue;
    int have = o->spec.kind == QN__SPEC_CHOICE ? QN__SPEC_STRING : (int)o->spec.kind;
    if (kind < 0 || have == kind) return o;
    run->misuse = qn_error(run->pm->ctx, QN_DIAG_INTERNAL, qn_place_file(""),
                           "pass '%s' asks for option '%s' as %s, but declares it as %s", step->info->name, name,
                           kind_words[kind], kind_words[have]);
    return NULL;
  }
  run->misuse = qn_error(run->pm->ctx, QN_DIAG_INTERNAL, qn_place_file(""),
                         "pass '%s' asks for option '%s', which it does not declare", step->info->name, name);
  return NULL;
}

int64_t qn_run_int(qn_pass_run *run, const char *name) {
  const qn__option *o = option(run, name, QN__SPEC_INT);
  return o ? o->i : 0;
}

double qn_run_float(qn_pass_run *run, const char *name) {
  const qn__option *o = option(run, name, QN__SPEC_FLOAT);
  return o ? o->f : 0;
}

bool qn_run_bool(qn_pass_run *run, const char *name) {
  const qn__option *o = option(run, name, QN__SPEC_BOOL);
  return o && o->b;
}

qn_str qn_run_string(qn_pass_run *run, const char *name) {
  const qn__option *o = option(run, name, QN__SPEC_STRING);
  return o ? o->s : (qn_str){"", 0};
}

bool qn_run_given(qn_pass_run *run, const char *name) {
  const qn__option *o = option(run, name, -1);
  return o && o->given;
}

/* ---- results ---- */

void qn_run_count(qn_pass_run *run, const char *what, int64_t n) {
  qn_pass_manager *pm = run->pm;
  for (uint32_t i = pm->stats.size; i-- > 0;) {
    qn__stat *s = &pm->stats.data[i];
    if (s->step != run->step || strcmp(s->what, what) != 0) continue;
    s->n += n;
    return;
  }
  if (!qn__push(qn_context_allocator(pm->ctx), &pm->stats, (qn__stat){run->step, what, n}))
    run->misuse = qn_error_no_memory(pm->ctx);
}

void qn_run_preserved(qn_pass_run *run, bool changed, qn_preserved preserved) {
  run->said = true;
  run->changed = changed;
  run->preserved = changed ? preserved : QN_PRESERVES_ALL;
}

void *qn_run_alloc(qn_pass_run *run, size_t size) {
  void *room = qn__arena_zero(&run->scratch, size);
  if (!room) qn_error_no_memory(run->pm->ctx);
  return room;
}
