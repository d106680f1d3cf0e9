/* Functions: visibility, signature, names of inputs and outputs. */
#include "context_impl.h"
#include "module_impl.h"
#include <stdio.h>

bool qn_func_is_public(const qn_module *m, qn_op func) {
  if (qn_op_kind_of(m, func) != QN_OP_FUNC) return false;
  qn_attr visibility = qn_op_attr(m, func, "sym_visibility");
  return !visibility.id || qn_str_eq(qn_attr_as_string(m, visibility), qn_str_of("public"));
}

qn_str qn_func_name(const qn_module *m, qn_op func) {
  return qn_attr_as_string(m, qn_op_attr(m, func, "sym_name"));
}

qn_block qn_func_body(const qn_module *m, qn_op func) {
  return qn_op_region(m, func, 0);
}

qn_op qn_func_return(const qn_module *m, qn_op func) {
  qn_op last = qn_block_last(m, qn_func_body(m, func));
  return qn_op_kind_of(m, last) == QN_OP_RETURN ? last : (qn_op){0};
}

void qn_func_update_type(qn_module *m, qn_op func) {
  qn_block body = qn_func_body(m, func);
  qn_op ret = qn_func_return(m, func);
  uint32_t num_inputs = qn_block_num_args(m, body), num_results = qn_op_num_operands(m, ret);
  size_t bytes = ((size_t)num_inputs + num_results + 1) * sizeof(qn_type);
  qn_type *types = qn__alloc(m->allocator, bytes);
  if (!types) {
    qn__module_fail(m);
    return;
  }
  for (uint32_t i = 0; i < num_inputs; i++) types[i] = qn_value_type(m, qn_block_arg(m, body, i));
  for (uint32_t i = 0; i < num_results; i++) types[num_inputs + i] = qn_value_type(m, qn_op_operand(m, ret, i));
  qn_type type = qn_type_function(m->ctx, num_inputs, types, num_results, types + num_inputs);
  qn__free(m->allocator, types, bytes);
  if (qn_type_is_null(type))
    qn__module_fail(m);
  else
    qn_op_set_attr(m, func, "function_type", qn_attr_type(m, type));
}

/* ---- names of inputs and outputs ---- */

static qn_str port_name(const qn_module *m, qn_op func, const char *attrs, uint32_t i, qn_value value,
                        const char *prefix) {
  qn_attr name = qn__dict_find(m, qn_attr_at(m, qn_op_attr(m, func, attrs), i), "quern.name");
  if (qn_attr_kind_of(m, name) == QN_ATTR_STRING) return qn_attr_as_string(m, name);
  qn_name hint = qn_value_name(m, value);
  if (hint.id) return qn_name_str(m->ctx, hint);
  char text[32];
  snprintf(text, sizeof text, "%s%u", prefix, (unsigned)i);
  return qn_name_str(m->ctx, qn_name_of_c(m->ctx, text));
}

qn_str qn_func_input_name(const qn_module *m, qn_op func, uint32_t i) {
  return port_name(m, func, "arg_attrs", i, qn_block_arg(m, qn_func_body(m, func), i), "arg");
}

qn_str qn_func_output_name(const qn_module *m, qn_op func, uint32_t i) {
  return port_name(m, func, "res_attrs", i, qn_op_operand(m, qn_func_return(m, func), i), "out");
}

static void set_port_name(qn_module *m, qn_op func, const char *attrs, uint32_t i, uint32_t count, qn_str name) {
  if (i >= count) return;
  size_t bytes = count * sizeof(qn_attr);
  qn_attr *dicts = qn__alloc(m->allocator, bytes);
  if (!dicts) {
    qn__module_fail(m);
    return;
  }
  qn_attr old = qn_op_attr(m, func, attrs);
  for (uint32_t k = 0; k < count; k++) {
    dicts[k] = qn_attr_at(m, old, k);
    if (k == i) dicts[k] = qn__dict_with(m, dicts[k], qn_name_of_c(m->ctx, "quern.name"), qn_attr_string(m, name));
    if (!dicts[k].id) dicts[k] = qn_attr_dict(m, 0, NULL);
  }
  qn_op_set_attr(m, func, attrs, qn_attr_array(m, count, dicts));
  qn__free(m->allocator, dicts, bytes);
}

void qn_func_set_input_name(qn_module *m, qn_op func, uint32_t i, qn_str name) {
  set_port_name(m, func, "arg_attrs", i, qn_block_num_args(m, qn_func_body(m, func)), name);
}

void qn_func_set_output_name(qn_module *m, qn_op func, uint32_t i, qn_str name) {
  qn_op ret = qn_func_return(m, func);
  uint32_t count = ret.id ? qn_op_num_operands(m, ret)
                          : qn_type_num_results(m->ctx, qn_attr_as_type(m, qn_op_attr(m, func, "function_type")));
  set_port_name(m, func, "res_attrs", i, count, name);
}
