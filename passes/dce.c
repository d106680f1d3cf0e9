/* dce: removes pure ops whose results nothing uses, and private functions that nothing calls.
 *
 * Before and after:
 *   %0 = quern.exp %x : (T) -> T            return %x
 *   return %x                       ->
 *
 * Preconditions: none. Unregistered ops stay, and so do private functions where one could name them. Preserves: shapes.
 */
#include "functions.h"

/* Backwards, so that an op is looked at after everything that could use it and after what it holds: one walk finds
 * all. */
static qn_status erase_dead_ops(qn_module *m, int64_t *erased) {
  const qn_allocator *a = qn_context_allocator(qn_module_context(m));
  QN_VEC(qn_op) ops = {0};
  bool ok = true;
  for (qn_op op = qn_walk_next(m, (qn_op){0}, (qn_op){0}); op.id && ok; op = qn_walk_next(m, (qn_op){0}, op))
    ok = qn__push(a, &ops, op);
  for (uint32_t i = ok ? ops.size : 0; i-- > 0;) {
    if (!qn_op_is_dead(m, ops.data[i])) continue;
    qn_op_erase(m, ops.data[i]);
    ++*erased;
  }
  qn__vec_free(a, &ops);
  return ok ? QN_OK : qn_error_no_memory(qn_module_context(m));
}

static qn_status erase_unused_functions(qn_pass_run *run, bool *changed) {
  functions f;
  int64_t erased = 0;
  qn_status status = qn__functions_find(qn_run_module(run), &f);
  if (status == QN_OK) status = qn__functions_erase_unused(&f, &erased);
  qn__functions_free(&f);
  if (erased) qn_run_count(run, "private functions erased", erased);
  *changed = *changed || erased;
  return status;
}

qn_status qn__pass_dce(qn_pass_run *run) {
  int64_t erased = 0;
  qn_status status = erase_dead_ops(qn_run_module(run), &erased);
  bool changed = erased > 0;
  if (erased) qn_run_count(run, "dead ops erased", erased);
  if (status == QN_OK) status = erase_unused_functions(run, &changed);
  qn_run_preserved(run, changed, QN_PRESERVES_SHAPES);
  return status;
}
