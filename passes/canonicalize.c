/* canonicalize: folds constants with the interpreter's own evaluators and applies identities until none fits.
 *
 * Before and after:
 *   %c = arith.constant dense<1.0> : T                        return %x
 *   %0 = quern.mul %c, %x : (T, T) -> T            ->
 *   return %0
 *
 * Preconditions: none. Results keep their bits: section 3's numerics decide what is an identity (x + 0.0 is none, it
 * turns -0 into +0; x + -0.0 is one). Ops that dequantize constants stay, as fold-qparams needs to see them; so does
 * kern.pack, which pack-constants folds. Ops whose results are unused go. Option max_fold bounds the
 * elements of a folded constant that has more than what it is folded from. Preserves: shapes. */
#include "canonicalize.h"
#include <string.h>

/* ---- what the patterns share ---- */

qn_scalar qn__plain_scalar_of(const qn_module *m, qn_type t) {
  return qn_type_as_scalar(qn_module_context(m), qn_type_elem(qn_module_context(m), t));
}

qn_op qn__operand_op(const qn_module *m, qn_op op, uint32_t i, qn_op_kind kind) {
  qn_op def = qn_value_op(m, qn_op_operand(m, op, i));
  return qn_op_kind_of(m, def) == kind ? def : (qn_op){0};
}

qn_value qn__make1(qn_rewriter *r, qn_op before, qn_op_kind kind, qn_value x, qn_type type, uint32_t num_attrs,
                   const qn_named_attr *attrs) {
  qn_module *m = qn_rewriter_module(r);
  qn_builder b = qn_builder_before(m, before);
  qn_op_desc desc = {.kind = kind,
                     .num_operands = 1,
                     .operands = &x,
                     .num_results = 1,
                     .results = &type,
                     .num_attrs = num_attrs,
                     .attrs = num_attrs ? attrs : NULL};
  return qn_op_result(m, qn_op_create(&b, &desc), 0);
}

qn_status qn__replace1(qn_rewriter *r, qn_op op, qn_value v) {
  if (!v.id) return qn_module_failed(qn_rewriter_module(r)) ? QN_ERR_NO_MEMORY : QN_OK;
  qn_rewriter_replace(r, op, &v);
  return QN_OK;
}

/* ---- folding ---- */

static bool may_be_constant(qn_op_kind kind) {
  return kind == QN_OP_CONSTANT || kind == QN_OP_SCAST || kind == QN_OP_VIEW;
}

static qn_status fold(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_pass_run *run = qn_rewriter_run(r);
  if (!may_be_constant(qn_op_kind_of(m, qn_value_op(m, qn_op_operand(m, op, 0))))) return QN_OK;
  uint32_t n = qn_op_num_results(m, op);
  qn_value few[8], *results = n <= 8 ? few : qn_run_alloc(run, n * sizeof *results);
  if (!results) return QN_ERR_NO_MEMORY;
  bool folded;
  qn_status status = qn_fold_op(m, op, qn_run_int(run, "max_fold"), results, &folded);
  if (status == QN_OK && folded) qn_rewriter_replace(r, op, results);
  return status;
}

/* ---- the pass ---- */

static const qn_pattern patterns[] = {
    {QN_OP_UNREGISTERED, "constants folded", fold},
    {QN_OP_UNREGISTERED, "operands ordered", qn__canon_commute},
    {QN_OP_UNREGISTERED, "neutral or absorbing constants", qn__canon_neutral},
    {QN_OP_UNREGISTERED, "equal operands", qn__canon_same},
    {QN_OP_UNREGISTERED, "constants regrouped", qn__canon_regroup},
    {QN_OP_DIV, "divisions by powers of two", qn__canon_reciprocal},
    {QN_OP_DIVF, "divisions by powers of two", qn__canon_reciprocal},
    {QN_OP_UNREGISTERED, "chains of unary ops", qn__canon_chain},
    {QN_OP_MAXIMUM, "maximum with zero to relu", qn__canon_maximum_zero},
    {QN_OP_RELU, "relu and clip merged", qn__canon_clip},
    {QN_OP_CLIP, "relu and clip merged", qn__canon_clip},
    {QN_OP_CAST, "casts merged", qn__canon_cast},
    {QN_OP_UNREGISTERED, "scalar conversions merged", qn__canon_convert},
    {QN_OP_SELECT, "selects decided", qn__canon_select},
    {QN_OP_QCAST, "quantizing what was dequantized", qn__canon_qcast},
    {QN_OP_SCAST, "storage casts merged", qn__canon_scast},
    {QN_OP_RESHAPE, "reshapes merged", qn__canon_reshape},
    {QN_OP_VIEW, "views merged", qn__canon_reshape},
    {QN_OP_TRANSPOSE, "transposes merged", qn__canon_transpose},
    {QN_OP_MATMUL, "transposes into matmul", qn__canon_matmul},
    {QN_OP_MAP, "copies removed", qn__canon_copy},
};

qn_status qn__pass_canonicalize(qn_pass_run *run) {
  bool changed;
  qn_status status = qn_rewrite(run, (qn_op){0}, patterns, sizeof patterns / sizeof *patterns, &changed);
  qn_run_preserved(run, changed, QN_PRESERVES_SHAPES);
  return status;
}
