/* What a tuning file says of a kernel, and constants of a machine that code depends on, into the module:
 *
 *   %p = kern.pack %w {layout = "k4n64"} : ..           %p = kern.pack %w {layout = "k4n48"} : ..
 *   %y = kern.gemm %x, %p .. {.. layout = "k4n64"}  ->  %y = kern.gemm %x, %p .. {.. layout = "k4n48",
 *                                                            quern.choice = {panel = 48 : i64, rows = 8 : i64}}
 *
 * Without either nothing is added. */
#include "lower_kernels.h"
#include <quern/unstable/layout.h>
#include <quern/unstable/tuned.h>

/* Both ops that name the layout of packed weights, when the weights are packed for this product only. */
static void set_panel(lowering *l, qn_op op, int64_t panel) {
  qn_module *m = l->m;
  qn_value b = qn_op_operand(m, op, 1);
  qn_op pack = qn_value_op(m, b);
  qn_use use = qn_value_first_use(m, b);
  qn_scalar acc = qn_type_memory(l->ctx, qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  qn_attr lhs = qn_op_attr(m, op, "lhs");
  qn_type left = lhs.id ? qn_attr_as_type(m, lhs) : qn_type_elem(l->ctx, qn_value_type(m, qn_op_operand(m, op, 0)));
  char name[24];
  qn_layout now, then;
  if (!pack.id || qn_op_kind_of(m, pack) != QN_OP_PACK || !use.id || qn_use_next(m, use).id) return;
  qn_scalar right = qn_type_memory(l->ctx, qn_type_elem(l->ctx, qn_value_type(m, b)));
  if (!qn_isa_gemm_panel(l->isa, qn_type_memory(l->ctx, left), right, acc, panel, name, sizeof name)) return;
  if (!qn_layout_parse(qn_op_get_string(m, op, "layout"), &now) || !qn_layout_parse(qn_str_of(name), &then)) return;
  /* A layout that differs in more than the width has its reasons. */
  if (now.plain || now.k_block != then.k_block || now.segments > 1 || now.granule) return;
  qn_attr layout = qn_attr_string(m, qn_str_of(name));
  qn_op_set_attr(m, pack, "layout", layout);
  qn_op_set_attr(m, op, "layout", layout);
}

static qn_attr attribute(lowering *l, const qn_choice *c) {
  qn_named_attr entries[QN_CHOICE_COUNT];
  uint32_t n = 0;
  for (size_t i = 0; i < QN_CHOICE_COUNT; i++)
    if (c->value[i] >= 0)
      entries[n++] = qn_named(l->m, qn_choice_info_get(i)->name, qn_attr_int(l->m, (qn_type){0}, c->value[i]));
  return qn_attr_dict(l->m, n, entries);
}

static void choose(lowering *l, qn_op op) {
  qn_tuned like;
  qn_choice c;
  if (!qn_tuned_of_op(l->m, op, l->isa, &like) || !qn_tuning_find(l->ctx, &like, &c)) return;
  qn_run_count(l->run, "kernels tuned", 1);
  if (c.value[QN_CHOICE_PANEL] > 0) set_panel(l, op, c.value[QN_CHOICE_PANEL]);
  qn_op_set_attr(l->m, op, "quern.choice", attribute(l, &c));
}

void qn__choose_kernels(lowering *l, qn_op func) {
  for (qn_op op = qn_block_first(l->m, qn_func_body(l->m, func)); op.id; op = qn_op_next(l->m, op)) choose(l, op);
}
