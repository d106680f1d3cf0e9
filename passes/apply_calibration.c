/* apply-calibration: what observers recorded becomes types. Before, as calibrate leaves it:
 *
 *   %0 = quern.observe %x {key = "x", quern.state = "1 minmax 1; 6400 -0.5 2.0"} : (tensor<?x64xf32>) ->
 * tensor<?x64xf32>
 *
 * After:
 *
 *   %0 = quern.cast %x : (tensor<?x64xf32>) -> tensor<?x64x!quant.calibrated<f32<-0.5:2.0>>>
 *
 * The cast is the identity; it only carries the range that the observer's kind makes of its state. An observer with a
 * range for each channel gives the range that holds them all, for the type has one. What leaves the function (return,
 * func.call) keeps its plain type and takes %x itself, so signatures stay. An observer without a state, or with a range
 * that is not finite in the value's element type, is an error that names its key; all of them are reported.
 *
 * Results do not change. Preserves shapes. */
#include <quern/unstable/observe.h>
#include <quern/unstable/rewriter.h>

typedef struct applier {
  qn_pass_run *run;
  qn_module *m;
  qn_context *ctx;
  qn_status status; /* the first failure; the walk goes on to name the others */
} applier;

static qn_status fail(applier *s, qn_status status) {
  if (!s->status) s->status = status;
  return status;
}

/* The range over all channels. */
static qn_status read_range(applier *s, qn_op op, double *min, double *max) {
  qn_observer *o;
  qn_place place = qn_op_place(s->m, op);
  qn_str state = qn_attr_as_string(s->m, qn_op_attr(s->m, op, "quern.state"));
  qn_status status = qn_observer_parse(s->ctx, state, place, &o);
  for (uint32_t c = 0; !status && c < qn_observer_channels(o); c++) {
    double lo, hi;
    status = qn_observer_range(o, c, place, &lo, &hi);
    *min = c && *min < lo ? *min : lo;
    *max = c && *max > hi ? *max : hi;
  }
  qn_observer_destroy(o);
  return status;
}

/* Rounded to the element type, where they must be finite. */
static bool representable(qn_scalar elem, double *x) {
  char room[8];
  qn_tensor t = {.elem = elem, .data = room};
  qn_tensor_set_f64(&t, 0, *x);
  *x = qn_tensor_get_f64(&t, 0) + 0.0; /* +0 for -0 */
  return *x - *x == 0;
}

static qn_type calibrated_type(applier *s, qn_op op, qn_str key) {
  double min = 0, max = 0;
  qn_type t = qn_value_type(s->m, qn_op_result(s->m, op, 0)), elem = qn_type_elem(s->ctx, t);
  qn_scalar scalar = qn_type_as_scalar(s->ctx, elem);
  qn_type none = {0};
  if (!qn_op_attr(s->m, op, "quern.state").id) {
    fail(s, qn_op_error(s->m, op, QN_DIAG_DATA,
                        "observer '%.*s' has no state: nothing was recorded for it; run calibrate on this program",
                        (int)key.size, key.data));
    return none;
  }
  qn_status status = read_range(s, op, &min, &max);
  if (status) {
    qn_op_note(s->m, op, "in the state of observer '%.*s'", (int)key.size, key.data);
    fail(s, status);
    return none;
  }
  double lo = min, hi = max;
  if (!representable(scalar, &lo) || !representable(scalar, &hi)) {
    fail(s, qn_op_error(s->m, op, QN_DIAG_DATA, "observer '%.*s': its range %g to %g is not finite in %s",
                        (int)key.size, key.data, min, max, qn_scalar_get(scalar)->text));
    return none;
  }
  qn_type range = qn_type_calibrated(s->ctx, elem, lo, hi);
  qn_type result = range.id ? qn_type_with_elem(s->ctx, t, range) : none;
  if (!result.id) fail(s, qn_error_no_memory(s->ctx));
  return result;
}

/* Users that others see the types of take the value as it was. */
static void replace_uses(qn_module *m, qn_value observed, qn_value plain, qn_value with_range) {
  for (qn_use u = qn_value_first_use(m, observed), next; u.id; u = next) {
    next = qn_use_next(m, u);
    qn_op user = qn_use_op(m, u);
    qn_op_kind kind = qn_op_kind_of(m, user);
    bool leaves = kind == QN_OP_RETURN || kind == QN_OP_CALL || kind == QN_OP_OBSERVE;
    qn_op_set_operand(m, user, qn_use_index(m, u), leaves ? plain : with_range);
  }
}

static void apply(applier *s, qn_op op) {
  qn_module *m = s->m;
  qn_str key = qn_op_get_string(m, op, "key");
  qn_value x = qn_op_operand(m, op, 0), y = qn_op_result(m, op, 0);
  qn_type type = calibrated_type(s, op, key);
  if (!type.id) return;
  qn_builder b = qn_builder_before(m, op);
  qn_value cast = qn_build_cast(&b, QN_OP_CAST, x, type);
  if (!cast.id) {
    fail(s, qn_error_no_memory(s->ctx));
    return;
  }
  if (qn_value_name(m, y).id) qn_value_set_name(m, cast, qn_value_name(m, y));
  replace_uses(m, y, x, cast);
  qn_op_erase(m, op);
  if (!qn_value_is_used(m, cast)) qn_op_erase(m, qn_value_op(m, cast));
  qn_run_count(s->run, "ranges applied", 1);
}

qn_status qn__pass_apply_calibration(qn_pass_run *run) {
  applier s = {.run = run, .m = qn_run_module(run), .ctx = qn_run_context(run)};
  bool changed = false;
  for (qn_op op = qn_walk_next(s.m, (qn_op){0}, (qn_op){0}), next; op.id; op = next) {
    next = qn_walk_next(s.m, (qn_op){0}, op);
    if (qn_op_kind_of(s.m, op) != QN_OP_OBSERVE) continue;
    changed = true;
    apply(&s, op);
  }
  if (!s.status && qn_module_failed(s.m)) return qn_error_no_memory(s.ctx);
  if (s.status) return s.status;
  qn_run_preserved(run, changed, QN_PRESERVES_SHAPES);
  return QN_OK;
}
