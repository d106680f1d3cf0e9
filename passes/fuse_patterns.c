/* fuse-patterns: raises what exporters write out in small steps to the op that means it.
 *
 *   %s = quern.matmul %q, %k {transpose_b = true}      %y = quern.attention %q, %k, %v, %mask {scale = 0.125 : f32}
 *   %t = quern.mul %s, %eighth
 *   %u = quern.add %t, %mask                     ->
 *   %p = quern.softmax %u
 *   %y = quern.matmul %p, %v
 *
 *   %a = quern.div %x, %root2; quern.erf; quern.add 1; quern.mul %x; quern.mul 0.5     ->    quern.gelu %x
 *
 *   %t = quern.mul (quern.conv2d %x, %w), %k           ->    quern.conv2d %x, (quern.mul %w, %k)
 *
 * The steps may stand in any order that multiplication and addition allow, and none of their results may be used
 * elsewhere. fuse_patterns_attention.c, _gelu.c and _conv.c say what is recognized.
 *
 * Needs: shapes inferred (attention is raised where the size of a value's head is known). Changes float results: in
 * real arithmetic they are the same, but the raised op rounds in another order. Preserves shapes. */
#include "fuse_patterns.h"

qn_op qn__fuse_maker(const qn_module *m, qn_value v, qn_op_kind kind) {
  qn_op op = qn_value_op(m, v);
  return op.id && qn_op_kind_of(m, op) == kind && qn_value_has_one_use(m, v) ? op : (qn_op){0};
}

bool qn__fuse_scalar(qn_module *m, qn_value v, double *out) {
  qn_tensor t;
  if (!qn_value_constant_tensor(m, v, &t) || qn_tensor_count(&t) != 1 || !qn_scalar_is_float(t.elem)) return false;
  *out = qn_tensor_get_f64(&t, 0);
  return true;
}

qn_status qn__pass_fuse_patterns(qn_pass_run *run) {
  static const qn_pattern patterns[] = {{QN_OP_MATMUL, "attention raised", qn__fuse_attention},
                                        {QN_OP_MUL, "gelu raised", qn__fuse_gelu},
                                        {QN_OP_MUL, "scales folded into convolutions", qn__fuse_conv_scale}};
  bool changed;
  qn_status status = qn_rewrite(run, (qn_op){0}, patterns, sizeof patterns / sizeof *patterns, &changed);
  qn_run_preserved(run, changed, QN_PRESERVES_SHAPES);
  return status;
}
