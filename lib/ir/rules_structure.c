/* Rules of functions, calls, constants and terminators. */
#include "context_impl.h"
#include "module_impl.h"
#include "rule_util.h"

static qn_status check_port_attrs(qn_module *m, qn_op op, const char *name, uint32_t count, const char *what) {
  qn_attr list = qn_op_attr(m, op, name);
  if (!list.id) return QN_OK;
  uint32_t n = qn_attr_size(m, list);
  if (n != count)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "%s has %u entries, expected one dictionary for each of %u %s", name,
                       n, count, what);
  for (uint32_t i = 0; i < n; i++)
    if (qn_attr_kind_of(m, qn_attr_at(m, list, i)) != QN_ATTR_DICT)
      return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "entry %u of %s is no dictionary", i, name);
  return QN_OK;
}

static qn_status check_visibility(qn_module *m, qn_op op) {
  qn_attr visibility = qn_op_attr(m, op, "sym_visibility");
  if (!visibility.id) return QN_OK;
  qn_str text = qn_attr_as_string(m, visibility);
  if (qn_str_eq(text, qn_str_of("public")) || qn_str_eq(text, qn_str_of("private"))) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "sym_visibility is \"%.*s\", expected \"public\" or \"private\"",
                     (int)text.size, text.data);
}

static qn_status check_arguments(qn_module *m, qn_op op, qn_type type) {
  qn_block body = qn_func_body(m, op);
  uint32_t args = qn_block_num_args(m, body), inputs = qn_type_num_inputs(m->ctx, type);
  if (args != inputs)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "the body has %u arguments, but function_type has %u inputs", args,
                       inputs);
  for (uint32_t i = 0; i < args; i++) {
    qn_type arg = qn_value_type(m, qn_block_arg(m, body, i)), input = qn_type_input(m->ctx, type, i);
    if (!qn_type_eq(arg, input))
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "argument %u is %s, but function_type says %s", i,
                         qn__type_c(m, arg), qn__type_c(m, input));
  }
  return QN_OK;
}

qn_status qn__rule_func(qn_module *m, qn_op op, qn_type *results) {
  (void)results;
  if (qn_op_parent(m, op).id != m->body)
    return qn_op_error(m, op, QN_DIAG_VERIFY, "a function stands inside another op, expected at the top of the module");
  if (!qn_func_name(m, op).size)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "sym_name is empty: give the function a name");
  qn_type type = qn_attr_as_type(m, qn_op_attr(m, op, "function_type"));
  if (qn_type_kind_of(m->ctx, type) != QN_TYPE_FUNCTION)
    return qn_op_error(m, op, QN_DIAG_TYPE, "function_type is %s, expected a function type such as (T) -> T",
                       qn__type_c(m, type));
  qn_status status = check_visibility(m, op);
  if (status == QN_OK) status = check_arguments(m, op, type);
  if (status == QN_OK) status = check_port_attrs(m, op, "arg_attrs", qn_type_num_inputs(m->ctx, type), "inputs");
  if (status == QN_OK) status = check_port_attrs(m, op, "res_attrs", qn_type_num_results(m->ctx, type), "results");
  return status;
}

qn_status qn__rule_return(qn_module *m, qn_op op, qn_type *results) {
  (void)results;
  qn_op func = qn_block_op(m, qn_op_parent(m, op));
  if (qn_op_kind_of(m, func) != QN_OP_FUNC)
    return qn_op_error(m, op, QN_DIAG_VERIFY,
                       "stands outside of a function body; regions of kernels end with kern.yield");
  qn_type type = qn_attr_as_type(m, qn_op_attr(m, func, "function_type"));
  uint32_t n = qn_op_num_operands(m, op), want = qn_type_num_results(m->ctx, type);
  if (n != want)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "returns %u values, but the function's type has %u results", n,
                       want);
  for (uint32_t i = 0; i < n; i++) {
    qn_type have = qn__operand_type(m, op, i), expected = qn_type_result(m->ctx, type, i);
    if (!qn_type_eq(have, expected))
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "returns %s as result %u, but the function's type says %s",
                         qn__type_c(m, have), i, qn__type_c(m, expected));
  }
  return QN_OK;
}

qn_status qn__rule_call(qn_module *m, qn_op op, qn_type *results) {
  qn_str callee = qn_attr_as_string(m, qn_op_attr(m, op, "callee"));
  qn_op func = qn__symbol_find(m, callee);
  if (!func.id)
    return qn_op_error(m, op, QN_DIAG_MISSING, "no function @%.*s in this module", (int)callee.size, callee.data);
  qn_type type = qn_attr_as_type(m, qn_op_attr(m, func, "function_type"));
  uint32_t n = qn_op_num_operands(m, op), inputs = qn_type_num_inputs(m->ctx, type);
  if (n != inputs)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "passes %u values, but @%.*s takes %u", n, (int)callee.size,
                       callee.data, inputs);
  for (uint32_t i = 0; i < n; i++) {
    qn_type have = qn__operand_type(m, op, i), expected = qn_type_input(m->ctx, type, i);
    if (!qn_type_eq(have, expected))
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "passes %s as argument %u, but @%.*s takes %s",
                         qn__type_c(m, have), i, (int)callee.size, callee.data, qn__type_c(m, expected));
  }
  uint32_t num_results = qn_op_num_results(m, op), want = qn_type_num_results(m->ctx, type);
  if (num_results != want)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has %u results, but @%.*s returns %u", num_results,
                       (int)callee.size, callee.data, want);
  for (uint32_t i = 0; i < want; i++) results[i] = qn_type_result(m->ctx, type, i);
  return QN_OK;
}

qn_status qn__rule_constant(qn_module *m, qn_op op, qn_type *results) {
  qn_attr value = qn_op_attr(m, op, "value");
  qn_op holder = qn_block_op(m, qn_op_parent(m, op));
  bool in_kernel = qn_op_has(m, holder, QN_KERNEL_OP), in_function = qn_op_kind_of(m, holder) == QN_OP_FUNC;
  switch (qn_attr_kind_of(m, value)) {
  case QN_ATTR_DENSE:
    if (in_kernel)
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                         "the value is a tensor, expected a scalar: regions of kernels compute on scalars");
    break;
  case QN_ATTR_BOOL:
  case QN_ATTR_INT:
  case QN_ATTR_FLOAT:
    if (in_function)
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                         "the value is a scalar, expected a tensor: write dense<..> : tensor<T>");
    break;
  default:
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "value is no constant, expected dense<..>, an integer or a float");
  }
  qn_type type = qn_attr_kind_of(m, value) == QN_ATTR_BOOL ? qn__scalar_type(m, QN_I1) : qn_attr_type_of(m, value);
  if (in_kernel && !qn_type_eq(type, qn__scalar_type(m, qn__region_scalar(m->ctx, type))))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "the value is %s, expected a signless integer or a float: that is "
                       "what regions of kernels compute on",
                       qn__type_c(m, type));
  results[0] = type;
  return QN_OK;
}

/* The op whose region this is checks the values against its own types. */
qn_status qn__rule_yield(qn_module *m, qn_op op, qn_type *results) {
  (void)results;
  qn_op holder = qn_block_op(m, qn_op_parent(m, op));
  if (!qn_op_parent(m, op).id || qn_op_has(m, holder, QN_KERNEL_OP) ||
      (holder.id && qn_op_kind_of(m, holder) == QN_OP_UNREGISTERED))
    return QN_OK;
  return qn_op_error(m, op, QN_DIAG_VERIFY, "stands outside of a kernel's region; functions end with func.return");
}
