/* Quantizing in one call: a row of the table of schemes decides what is possible, passes do the work. */
#include "alloc.h"
#include "buf.h"
#include "samples.h"
#include <quern/schemes.h>
#include <string.h>

typedef struct job {
  qn_module *m;
  qn_context *ctx;
  qn_op func;
  qn_sample_set *samples;
  const qn_quantize_options *o;
  const qn_scheme *scheme;
  qn__cut cut;
} job;

static qn_place nowhere(void) {
  return qn_place_file("");
}

/* ---- the scheme ---- */

/* "u8" and "ui8" are one type. */
static bool same_type(const char *a, const char *b) {
  if (a[0] == 'u' && b[0] == 'u') {
    a += a[1] == 'i' ? 2 : 1;
    b += b[1] == 'i' ? 2 : 1;
  }
  return strcmp(a, b) == 0;
}

/* "tensor, channel" lists "channel"; what a granularity's size is does not matter. */
static bool lists(const char *list, const char *granularity) {
  size_t n = strcspn(granularity, "=");
  if (strcmp(granularity, "auto") == 0) return true;
  for (const char *at = list; *at;) {
    size_t item = strcspn(at, ",");
    if (item == n && strncmp(at, granularity, n) == 0) return true;
    at += item;
    at += strspn(at, ", ");
  }
  return false;
}

typedef struct wanted {
  const char *weights, *activations, *granularity;
  bool dynamic;
} wanted;

static bool fits(const qn_scheme *row, const wanted *w, bool any_range) {
  return same_type(row->weights, w->weights) && (!w->activations || same_type(row->activations, w->activations)) &&
         (row->dynamic == w->dynamic || any_range) && lists(row->granularity, w->granularity);
}

/* The row for it: the one named, else the first; one with a kernel if there is any. */
static const qn_scheme *find_row(const qn_scheme *named, const wanted *w, bool any_range) {
  const qn_scheme *refused = NULL, *row;
  if (named->kernel && fits(named, w, any_range)) return named;
  for (size_t i = 0; (row = qn_scheme_get(i)) != NULL; i++) {
    if (!fits(row, w, any_range)) continue;
    if (row->kernel) return row;
    if (!refused) refused = row;
  }
  return refused;
}

static void list_schemes(qn_buf *b, bool types) {
  const qn_scheme *row;
  bool first = true;
  for (size_t i = 0; (row = qn_scheme_get(i)) != NULL; i++) {
    if (!row->kernel) continue;
    qn__buf_fmt(b, "%s%s", first ? "" : ", ", row->name);
    if (types)
      qn__buf_fmt(b, " (weights %s per %s, activations %s%s)", row->weights, row->granularity, row->activations,
                  row->dynamic ? ", dynamic" : "");
    first = false;
  }
}

static qn_status no_such(qn_context *ctx, const char *name, const wanted *w) {
  qn_buf list;
  qn__buf_init(&list, qn_context_allocator(ctx));
  list_schemes(&list, w != NULL);
  qn_status status;
  if (list.failed)
    status = qn_error_no_memory(ctx);
  else if (!w)
    status = qn_error(ctx, QN_DIAG_UNKNOWN_NAME, nowhere(), "there is no scheme '%s'; there are %s", name, list.data);
  else
    status = qn_error(ctx, QN_DIAG_UNSUPPORTED, nowhere(),
                      "no scheme has weights %s, activations %s%s and granularity %s; there are %s", w->weights,
                      w->activations, w->dynamic ? " with dynamic ranges" : "", w->granularity, list.data);
  qn__buf_free(&list);
  return status;
}

static qn_status choose_scheme(job *j) {
  const char *name = j->o->scheme ? j->o->scheme : "w8a8";
  const qn_scheme *named = qn_scheme_find(qn_str_of(name));
  if (!named) return no_such(j->ctx, name, NULL);
  if (!named->kernel && !j->o->weights && !j->o->activations)
    return qn_error(j->ctx, QN_DIAG_UNSUPPORTED, nowhere(), "scheme '%s' is refused: %s", name, named->doc);
  const wanted w = {.weights = j->o->weights ? j->o->weights : named->weights,
                    .activations = j->o->activations ? j->o->activations : named->activations,
                    .granularity = j->o->granularity ? j->o->granularity : "auto",
                    .dynamic = named->dynamic};
  j->scheme = find_row(named, &w, false);
  if (!j->scheme) j->scheme = find_row(named, &w, true);   /* a reason for static ranges is one for dynamic ones */
  if (!j->scheme && j->o->weights && !j->o->activations) { /* weights alone: the first scheme that has them */
    wanted any = w;
    any.activations = NULL;
    j->scheme = find_row(named, &any, true);
    if (j->scheme && j->scheme->kernel) return QN_OK;
  }
  if (!j->scheme || (j->scheme->kernel && j->scheme->dynamic != w.dynamic)) return no_such(j->ctx, name, &w);
  if (j->scheme->kernel) return QN_OK;
  return qn_error(j->ctx, QN_DIAG_UNSUPPORTED, nowhere(),
                  "weights %s, activations %s and granularity %s are refused: %s", w.weights, w.activations,
                  w.granularity, j->scheme->doc);
}

static qn_status check_options(const job *j) {
  double sqnr = j->o->min_sqnr;
  if (sqnr >= 0 && sqnr <= 1000) return QN_OK;
  return qn_error(j->ctx, QN_DIAG_ATTRIBUTE, nowhere(),
                  "min_sqnr is %g dB, expected a number from 0 (the default) to 1000", sqnr);
}

/* ---- running passes ---- */

/* Whole units of samples, for passes that measure. */
static qn_status get_inputs(void *user, const qn_module *m, qn_op func, int64_t sample, qn_tensor *in) {
  const job *j = user;
  return qn_samples_inputs(j->samples, m, func, sample * j->cut.unit, j->cut.unit, in);
}

static qn_status run(job *j, const char *pipeline) {
  qn_pass_manager_options options = {0};
  qn_pass_manager *pm;
  if (j->samples) {
    options.check_inputs.get = get_inputs;
    options.check_inputs.user = j;
    options.check_inputs.count = j->cut.count / j->cut.unit;
  }
  qn_status status = qn_pass_manager_create(j->ctx, qn_str_of(pipeline), &options, &pm);
  if (status) return status;
  status = qn_pass_manager_run(pm, j->m);
  qn_pass_manager_destroy(pm);
  return status;
}

/* ---- the job ---- */

/* An observer with a recorded state, or a range already in a type. */
static bool is_calibrated(const job *j) {
  for (qn_op op = qn_block_first(j->m, qn_func_body(j->m, j->func)); op.id; op = qn_op_next(j->m, op)) {
    double min, max;
    if (qn_op_kind_of(j->m, op) == QN_OP_OBSERVE && qn_op_attr(j->m, op, "quern.state").id) return true;
    for (uint32_t i = 0; i < qn_op_num_results(j->m, op); i++)
      if (qn_type_calibrated_range(j->ctx, qn_type_elem(j->ctx, qn_value_type(j->m, qn_op_result(j->m, op, i))), &min,
                                   &max))
        return true;
  }
  return false;
}

static qn_status calibrate(job *j) {
  if (j->samples) {
    const qn_calibrate_options options = {.observer = j->o->observer, .engine = j->o->engine};
    qn_status status = qn_calibrate(j->m, j->samples, &options);
    if (status) return status;
  } else if (!is_calibrated(j)) {
    return qn_error(j->ctx, QN_DIAG_MISSING, nowhere(),
                    "scheme '%s' takes the ranges of activations from samples: give some, quantize a program that was "
                    "calibrated, or take a dynamic scheme",
                    j->scheme->name);
  }
  return run(j, "apply-calibration");
}

/* In thousandths of a dB, as text that no locale changes. */
static void put_min_sqnr(qn_buf *b, double sqnr) {
  int64_t thousandths = (int64_t)(sqnr * 1000 + 0.5);
  if (thousandths > 0)
    qn__buf_fmt(b, ",min_sqnr=%lld.%03lld", (long long)(thousandths / 1000), (long long)(thousandths % 1000));
}

/* What was asked for, or, where blocks are all there is, their usual size. */
static const char *granularity_of(const job *j) {
  const char *asked = j->o->granularity ? j->o->granularity : "auto";
  if (strcmp(asked, "auto") != 0 || strcmp(j->scheme->granularity, "block") != 0) return asked;
  return strcmp(j->scheme->weights, "nvfp4") == 0 ? "block=16" : "block=32";
}

static qn_status quantize(job *j) {
  const qn_quantize_options *o = j->o;
  qn_buf p;
  qn__buf_init(&p, qn_context_allocator(j->ctx));
  const char *types[2] = {j->scheme->weights, j->scheme->activations};
  qn__buf_fmt(&p, "choose-granularity{granularity=\"%s\",weights=%s,activations=%s", granularity_of(j), types[0],
              types[1]);
  put_min_sqnr(&p, o->min_sqnr);
  qn__buf_fmt(&p,
              "},quantize{weights=%s,activations=%s,dynamic=%s},fold-qparams,canonicalize,cse,dce,prove-accumulators,"
              "canonicalize",
              types[0], types[1], j->scheme->dynamic ? "true" : "false");
  qn_status status = p.failed ? qn_error_no_memory(j->ctx) : run(j, p.data);
  qn__buf_free(&p);
  return status;
}

qn_status qn_quantize(qn_module *m, qn_sample_set *samples, const qn_quantize_options *options) {
  if (!m) return qn_error_null(qn_module_context(m), __func__);
  static const qn_quantize_options none = {0};
  job j = {.m = m, .ctx = qn_module_context(m), .samples = samples, .o = options ? options : &none};
  qn_status status = check_options(&j);
  if (!status) status = choose_scheme(&j);
  if (!status) status = qn__job_function(m, &j.func);
  if (!status && samples) status = qn__samples_cut(samples, m, j.func, &j.cut);
  if (!status) status = qn_run_pipeline(m, "inline,infer-shapes,canonicalize,channels-last,canonicalize,cse,dce");
  if (!status) status = qn__job_function(m, &j.func);
  if (!status && !j.scheme->dynamic) status = calibrate(&j);
  if (!status) status = quantize(&j);
  return status;
}
