/* Observer states in a module, and merging them. */
#include "states.h"
#include "same.h"
#include <quern/driver.h>
#include <quern/unstable/rewriter.h>

qn_op qn__next_observer(const qn_module *m, qn_op at) {
  do at = qn_walk_next(m, (qn_op){0}, at);
  while (at.id && qn_op_kind_of(m, at) != QN_OP_OBSERVE);
  return at;
}

/* The state that the op carries; *out null when it has none. */
static qn_status state_read(const qn_module *m, qn_op op, qn_observer **out) {
  qn_attr state = qn_op_attr(m, op, "quern.state");
  *out = NULL;
  if (!state.id) return QN_OK;
  return qn_observer_parse(qn_module_context(m), qn_attr_as_string(m, state), qn_op_place(m, op), out);
}

void qn__state_clear(qn_module *m, qn_op op) {
  static const char *const names[] = {"quern.state", "quern.min", "quern.max"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (qn_op_attr(m, op, names[i]).id) qn_op_set_attr(m, op, names[i], (qn_attr){0});
}

qn_status qn__state_write(qn_module *m, qn_op op, qn_observer *o) {
  qn_str text;
  double min = 0, max = 0;
  qn__state_clear(m, op);
  if (!qn_observer_count(o, 0)) return QN_OK;
  qn_status status = qn_observer_text(o, &text);
  for (uint32_t c = 0; !status && c < qn_observer_channels(o); c++) {
    double lo, hi;
    status = qn_observer_range(o, c, qn_op_place(m, op), &lo, &hi);
    min = c && min < lo ? min : lo;
    max = c && max > hi ? max : hi;
  }
  if (status) return status;
  qn_op_set_attr(m, op, "quern.state", qn_attr_string(m, text));
  qn_op_set_attr(m, op, "quern.min", qn_attr_float(m, (qn_type){0}, min));
  qn_op_set_attr(m, op, "quern.max", qn_attr_float(m, (qn_type){0}, max));
  return qn_module_failed(m) ? qn_error_no_memory(qn_module_context(m)) : QN_OK;
}

/* ---- merging ---- */

static qn_status merge_op(qn_module *into, qn_op x, const qn_module *from, qn_op y) {
  qn_observer *a, *b = NULL;
  qn_status status = state_read(into, x, &a);
  if (!status) status = state_read(from, y, &b);
  if (!status && a && b) status = qn_observer_merge(a, b, qn_op_place(into, x));
  if (!status && (a || b)) status = qn__state_write(into, x, a ? a : b);
  qn_observer_destroy(a);
  qn_observer_destroy(b);
  return status;
}

qn_status qn_calibrate_merge(qn_module *into, const qn_module *from) {
  if (!into || !from) return qn_error_null(qn_module_context(into), __func__);
  qn_status status = qn__same_program(into, from);
  if (status) return status;
  qn_op x = qn__next_observer(into, (qn_op){0}), y = qn__next_observer(from, (qn_op){0});
  if (!x.id)
    return qn_error(qn_module_context(into), QN_DIAG_MISSING, qn_place_file(""),
                    "the programs have no observers, so there are no states to merge; calibrate them first");
  for (; !status && x.id && y.id; x = qn__next_observer(into, x), y = qn__next_observer(from, y))
    status = merge_op(into, x, from, y);
  return status;
}
