/* lower-kernels: quern.* and quant.* ops to kern.* ops, for one row of the instruction set table.
 *
 *   %q = quant.qcast %x : tensor<4x64xf32> to tensor<4x64x!quant.uniform<u8:f32, 0.02:102>>
 *   %acc = quern.matmul %q, %w : (.., ..) -> tensor<4x10xi32>
 * becomes
 *   %p = kern.pack %w {layout = "k4n64"} : ..
 *   %y = kern.gemm %x, %p, .. prologue {quantize} epilogue {^bb0(%acc: i32, ..): ..} {..} : .. -> tensor<4x10xi32>
 *
 * Every op becomes one or a few kernels of its own (files lower_kernels_*.c); then neighbours are merged
 * (lower_kernels_fuse.c), unless fuse=false, which shows them apart; what the
 * context's tuning chooses is attached (lower_kernels_choose.c). relaxed=true takes every product for one of
 * precision = relaxed. Results that are inputs, constants or returned
 * twice get a copying kernel, so that compiled code writes each output.
 *
 * Needs: shapes inferred, calls inlined. Sets quern.target to the row that `target` names. Preserves results bit for
 * bit, and shapes. */
#include "lower_kernels.h"

static lower_fn lowering_of(qn_op_kind kind) {
  switch (kind) {
  case QN_OP_MATMUL: return qn__lower_matmul;
  case QN_OP_MATMUL_INTEGER: return qn__lower_matmul_integer;
  case QN_OP_BLOCK_MATMUL: return qn__lower_block_matmul;
  case QN_OP_ATTENTION: return qn__lower_attention;
  case QN_OP_LAYER_NORM: return qn__lower_layer_norm;
  case QN_OP_CONV2D:
  case QN_OP_CONV2D_INTEGER: return qn__lower_conv;
  case QN_OP_MAX_POOL: return qn__lower_max_pool;
  case QN_OP_AVERAGE_POOL: return qn__lower_average_pool;
  case QN_OP_SOFTMAX: return qn__lower_softmax;
  case QN_OP_DYNAMIC_QUANTIZE: return qn__lower_dynamic_quantize;
  default: return qn__lower_elementwise(kind);
  }
}

static qn_status lower_op(lowering *l, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(l->m, op);
  lower_fn lower = lowering_of(kind);
  if (lower) {
    qn_run_count(l->run, "ops lowered", 1);
    return lower(l, op);
  }
  uint32_t fine = QN_KERNEL_OP | QN_TERMINATOR;
  if ((qn_op_info_get(kind)->traits & fine) || kind == QN_OP_CONSTANT) return QN_OK;
  qn_str name = qn_op_name(l->m, op);
  return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED, "'%.*s' has no kernels%s", (int)name.size, name.data,
                     kind == QN_OP_CALL ? "; run inline first" : "");
}

/* quern.observe is the identity here, and what it saw is one more output, named by its key. */
static qn_status expose_observers(lowering *l, qn_op func) {
  qn_module *m = l->m;
  qn_op ret = qn_func_return(m, func);
  uint32_t n = qn_op_num_operands(m, ret), extra = 0;
  qn_block body = qn_func_body(m, func);
  for (qn_op op = qn_block_first(m, body); op.id; op = qn_op_next(m, op))
    extra += qn_op_kind_of(m, op) == QN_OP_OBSERVE;
  if (!extra) return QN_OK;
  qn_value *values = qn_run_alloc(l->run, (n + extra) * sizeof *values);
  qn_str *names = qn_run_alloc(l->run, (n + extra) * sizeof *names);
  if (!values || !names) return qn_error_no_memory(l->ctx);
  uint32_t at = 0;
  for (; at < n; at++) values[at] = qn_op_operand(m, ret, at);
  for (qn_op op = qn_block_first(m, body); op.id; op = qn_op_next(m, op))
    if (qn_op_kind_of(m, op) == QN_OP_OBSERVE) {
      values[at] = qn_op_operand(m, op, 0);
      names[at++] = qn_op_get_string(m, op, "key");
    }
  for (uint32_t i = 0; i < n; i++) qn_func_set_output_name(m, func, i, qn_func_output_name(m, func, i));
  qn_builder b = qn_builder_before(m, ret);
  qn_op_desc desc = {.kind = QN_OP_RETURN, .num_operands = at, .operands = values};
  if (!qn_op_create(&b, &desc).id) return qn_error_no_memory(l->ctx);
  qn_op_erase(m, ret);
  qn_func_update_type(m, func);
  for (uint32_t i = n; i < at; i++) qn_func_set_output_name(m, func, i, names[i]);
  return QN_OK;
}

/* The value through a copying kernel. */
static qn_value copied(lowering *l, qn_op ret, qn_value v) {
  qn_builder b = qn_builder_before(l->m, ret), body;
  qn_type t = qn_value_type(l->m, v);
  qn_op map = qn__make_loop(&b, QN_OP_MAP, 1, &v, 1, &t, &body);
  qn_value x = qn_block_arg(l->m, body.block, 0);
  qn__yield(&body, 1, &x);
  return qn_op_result(l->m, map, 0);
}

static qn_value root_of(lowering *l, qn_value v) {
  for (qn_op op = qn_value_op(l->m, v); op.id && qn_op_kind_of(l->m, op) == QN_OP_VIEW; op = qn_value_op(l->m, v))
    v = qn_op_operand(l->m, op, 0);
  return v;
}

static qn_status copy_outputs(lowering *l, qn_op func) {
  qn_module *m = l->m;
  qn_op ret = qn_func_return(m, func);
  for (uint32_t i = 0; i < qn_op_num_operands(m, ret); i++) {
    qn_value v = qn_op_operand(m, ret, i), root = root_of(l, v);
    qn_op op = qn_value_op(m, root);
    bool copy = !op.id || qn_op_kind_of(m, op) == QN_OP_CONSTANT;
    for (uint32_t j = 0; j < i; j++) copy |= root_of(l, qn_op_operand(m, ret, j)).id == root.id;
    if (copy) qn_op_set_operand(m, ret, i, copied(l, ret, v));
  }
  return qn_module_failed(m) ? qn_error_no_memory(l->ctx) : QN_OK;
}

/* Products with a scale per block quantize their left operand themselves: where they do, the op that did goes. */
static qn_status lower_block_products(lowering *l, qn_op func) {
  qn_module *m = l->m;
  qn_status status = QN_OK;
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)), next; op.id && !status; op = next) {
    next = qn_op_next(m, op);
    if (qn_op_kind_of(m, op) != QN_OP_BLOCK_MATMUL) continue;
    qn_op source = qn_value_op(m, qn_op_operand(m, op, 0));
    status = lower_op(l, op);
    if (status || qn_op_kind_of(m, source) != QN_OP_DYNAMIC_QUANTIZE) continue;
    bool used = false;
    for (uint32_t i = 0; i < 3; i++) used |= qn_value_is_used(m, qn_op_result(m, source, i));
    if (!used) qn_op_erase(m, source);
  }
  return status;
}

static qn_status lower_function(lowering *l, qn_op func) {
  qn_module *m = l->m;
  qn_block body = qn_func_body(m, func);
  qn_status status = expose_observers(l, func);
  if (!status) status = lower_block_products(l, func);
  for (qn_op op = qn_block_first(m, body), next; op.id && !status; op = next) {
    next = qn_op_next(m, op);
    status = lower_op(l, op);
  }
  if (!status && qn_run_bool(l->run, "fuse")) status = qn__fuse_kernels(l, func);
  if (!status) status = qn__separate_bits(l, func);
  if (!status) status = copy_outputs(l, func);
  if (!status) qn__choose_kernels(l, func);
  if (!status && qn_module_failed(m)) status = qn_error_no_memory(l->ctx);
  if (!status) qn_func_update_type(m, func);
  return status;
}

qn_status qn__pass_lower_kernels(qn_pass_run *run) {
  lowering l = {.run = run, .m = qn_run_module(run), .ctx = qn_run_context(run)};
  qn_status unknown = qn_isa_need(l.ctx, qn_run_string(run, "target"), &l.isa);
  if (unknown) return unknown;
  qn_module_set_attr(l.m, "quern.target", qn_attr_string(l.m, qn_str_of(l.isa->name)));
  for (qn_op f = qn_block_first(l.m, qn_module_body(l.m)); f.id; f = qn_op_next(l.m, f)) {
    qn_status status = qn_op_kind_of(l.m, f) == QN_OP_FUNC ? lower_function(&l, f) : QN_OK;
    if (status) return status;
  }
  qn_run_preserved(run, true, QN_PRESERVES_SHAPES);
  return QN_OK;
}
