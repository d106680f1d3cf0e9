/* The graph around the nodes: inputs, initializers, outputs. */
#include "buf.h"
#include "onnx_impl.h"
#include <quern/store.h>
#include <string.h>

/* ---- initializers ---- */

static qn_status add_initializers(qn_onnx *im) {
  const Onnx__GraphProto *g = im->graph;
  if (g->n_sparse_initializer)
    return qn_error(im->ctx, QN_DIAG_UNSUPPORTED, qn_place_file(im->file),
                    "has %zu sparse initializers, only dense ones can be imported", g->n_sparse_initializer);
  for (size_t i = 0; i < g->n_initializer; i++) {
    qn_str name = qn__onnx_str(g->initializer[i]->name);
    uint32_t value;
    qn_status status = qn__onnx_define(im, qn__onnx_place(im, "initializer", name), name, &value);
    if (status != QN_OK) return status;
    qn__onnx_value(im, value)->is_const = true;
    qn__onnx_value(im, value)->source = g->initializer[i];
  }
  return QN_OK;
}

/* ---- inputs ---- */

static const qn_import_const *bound_const(const qn_onnx *im, qn_str name) {
  for (size_t i = 0; i < im->options->num_consts; i++)
    if (qn_str_eq(im->options->consts[i].name, name)) return &im->options->consts[i];
  return NULL;
}

static qn_status add_bound_input(qn_onnx *im, const qn_import_const *c, qn_type type) {
  qn_tensor t = c->value;
  qn_place place = qn__onnx_place(im, "input", c->name);
  qn_type found = qn_type_tensor(im->ctx, qn_type_scalar(im->ctx, t.elem), t.rank, t.shape);
  if (!qn__onnx_type_fits(im, type, found))
    return qn_error(im->ctx, QN_DIAG_TYPE_MISMATCH, place, "is %s in the model, but the value given for it is %s",
                    qn_type_text(im->ctx, type).data, found.id ? qn_type_text(im->ctx, found).data : "no tensor");
  t.data = qn__arena_copy(&im->arena, c->value.data, qn_tensor_bytes(&t));
  if (!t.data) return qn_error_no_memory(im->ctx);
  return qn__onnx_define_const(im, place, c->name, &t);
}

typedef struct input_list {
  QN_VEC(qn_type) types;
  QN_VEC(qn_str) names;
} input_list;

/* An input with an initializer is a constant that older files list among the inputs, or one that callers might
 * replace; both are constants here. */
static qn_status add_input(qn_onnx *im, const Onnx__ValueInfoProto *info, input_list *inputs) {
  const qn_allocator *a = qn_context_allocator(im->ctx);
  qn_str name = qn__onnx_str(info->name);
  uint32_t known = qn__onnx_find(im, name);
  if (known && qn__onnx_value(im, known)->source) return QN_OK;
  qn_type type;
  qn_status status = qn__onnx_type(im, qn__onnx_place(im, "input", name), info->type, &type);
  if (status != QN_OK) return status;
  const qn_import_const *c = bound_const(im, name);
  if (c) return add_bound_input(im, c, type);
  uint32_t value;
  status = qn__onnx_define(im, qn__onnx_place(im, "input", name), name, &value);
  if (status != QN_OK) return status;
  if (!qn__push(a, &inputs->types, type) || !qn__push(a, &inputs->names, name)) return qn_error_no_memory(im->ctx);
  return QN_OK;
}

/* {quern.name = ".."} for each port: the attribute that says which names the model gave them. */
static qn_attr port_names(qn_onnx *im, uint32_t n, const qn_str *names) {
  qn_attr *dicts = qn__arena_array(&im->arena, n, sizeof *dicts);
  for (uint32_t i = 0; dicts && i < n; i++) {
    const qn_named_attr name = qn_named(im->m, "quern.name", qn_attr_string(im->m, names[i]));
    dicts[i] = qn_attr_dict(im->m, 1, &name);
  }
  return dicts ? qn_attr_array(im->m, n, dicts) : (qn_attr){0};
}

static qn_status make_function(qn_onnx *im, const input_list *inputs) {
  uint32_t n = inputs->types.size;
  qn_builder b = qn_builder_at_end(im->m, qn_module_body(im->m));
  b.loc = qn_loc_create(im->m, qn_str_of(im->file), 0, 0, qn__onnx_str(im->graph->name));
  qn_type type = qn_type_function(im->ctx, n, inputs->types.data, 0, NULL);
  im->func = qn_build_function(&b, qn_str_of("main"), type, true);
  qn_block body = qn_func_body(im->m, im->func);
  if (!body.id || qn_block_num_args(im->m, body) != n) return qn_error_no_memory(im->ctx);
  for (uint32_t i = 0; i < n; i++) {
    qn_value arg = qn_block_arg(im->m, body, i);
    qn__onnx_value(im, qn__onnx_find(im, inputs->names.data[i]))->plain = arg;
    qn__onnx_name_value(im, arg, inputs->names.data[i]);
  }
  if (n) qn_op_set_attr(im->m, im->func, "arg_attrs", port_names(im, n, inputs->names.data));
  im->b = qn_builder_at_end(im->m, body);
  return qn_module_failed(im->m) ? QN_ERR_NO_MEMORY : QN_OK;
}

static qn_status check_bound_inputs(qn_onnx *im) {
  for (size_t i = 0; i < im->options->num_consts; i++) {
    qn_str name = im->options->consts[i].name;
    uint32_t value = qn__onnx_find(im, name);
    if (value && qn__onnx_value(im, value)->is_read) continue;
    qn_status status =
        qn_error(im->ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(im->file),
                 "a value is given for the input '%.*s', but the graph has no such input", (int)name.size, name.data);
    for (size_t k = 0; k < im->graph->n_input; k++)
      qn_note(im->ctx, qn_place_file(im->file), "the graph has an input '%s'",
              im->graph->input[k]->name ? im->graph->input[k]->name : "");
    return status;
  }
  return QN_OK;
}

qn_status qn__onnx_begin(qn_onnx *im) {
  input_list inputs = {0};
  qn_status status = add_initializers(im);
  for (size_t i = 0; status == QN_OK && i < im->graph->n_input; i++)
    status = add_input(im, im->graph->input[i], &inputs);
  if (status == QN_OK) status = check_bound_inputs(im);
  if (status == QN_OK) status = make_function(im, &inputs);
  qn__vec_free(qn_context_allocator(im->ctx), &inputs.types);
  qn__vec_free(qn_context_allocator(im->ctx), &inputs.names);
  return status;
}

/* ---- outputs ---- */

/* A declared type that says something: files may leave out types and shapes. */
static bool is_described(const Onnx__ValueInfoProto *info) {
  const Onnx__TypeProto *t = info->type;
  if (!t || t->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) return false;
  return t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE || t->tensor_type->shape;
}

static qn_status read_output(qn_onnx *im, const Onnx__ValueInfoProto *info, qn_value *v) {
  qn_str name = qn__onnx_str(info->name);
  uint32_t value = qn__onnx_find(im, name);
  if (!value)
    return qn_error(im->ctx, QN_DIAG_UNDEFINED, qn__onnx_place(im, "output", name),
                    "no input, initializer or node defines this output");
  im->errors = qn_context_error_count(im->ctx);
  qn_status status = qn__onnx_plain(im, value, v);
  qn_type declared;
  if (status != QN_OK || !is_described(info)) return status;
  qn_place place = qn__onnx_place(im, "output", name);
  status = qn__onnx_type(im, place, info->type, &declared);
  if (status != QN_OK) return status;
  if (!qn__onnx_type_fits(im, declared, qn__onnx_type_of(im, *v)))
    return qn_error(im->ctx, QN_DIAG_TYPE_MISMATCH, place, "is declared as %s, but the graph computes %s",
                    qn_type_text(im->ctx, declared).data, qn_type_text(im->ctx, qn__onnx_type_of(im, *v)).data);
  if (qn_value_op(im->m, *v).id) qn__onnx_name_dims(im, *v, declared);
  return QN_OK;
}

static bool is_listed_twice(const qn_onnx *im, qn_idmap *seen, qn_str name, bool *failed) {
  qn_name id = qn_name_of(im->ctx, name);
  if (qn__idmap_get(seen, id.id)) return true;
  *failed = !qn__idmap_set(qn_context_allocator(im->ctx), seen, id.id, 1);
  return false;
}

static qn_status read_outputs(qn_onnx *im, qn_value *values, qn_str *names) {
  qn_idmap seen = {0};
  qn_status status = QN_OK;
  for (size_t i = 0; status == QN_OK && i < im->graph->n_output; i++) {
    bool failed = false;
    names[i] = qn__onnx_str(im->graph->output[i]->name);
    status = read_output(im, im->graph->output[i], &values[i]);
    if (status != QN_OK) break;
    if (is_listed_twice(im, &seen, names[i], &failed))
      status =
          qn_error(im->ctx, QN_DIAG_REDEFINED, qn__onnx_place(im, "output", names[i]), "is listed as an output twice");
    else if (failed)
      status = qn_error_no_memory(im->ctx);
  }
  qn__idmap_free(qn_context_allocator(im->ctx), &seen);
  return status;
}

/* Sizes that the graph computes are given the names that the file has for them. */
static qn_status read_value_infos(qn_onnx *im) {
  for (size_t i = 0; i < im->graph->n_value_info; i++) {
    const Onnx__ValueInfoProto *info = im->graph->value_info[i];
    uint32_t value = qn__onnx_find(im, qn__onnx_str(info->name));
    if (!value || !is_described(info)) continue;
    qn_value v = qn__onnx_value(im, value)->plain;
    if (!v.id || !qn_value_op(im->m, v).id) continue;
    qn_type declared;
    qn_place place = qn__onnx_place(im, "value", qn__onnx_str(info->name));
    qn_status status = qn__onnx_type(im, place, info->type, &declared);
    if (status != QN_OK) return status;
    if (qn__onnx_type_fits(im, declared, qn__onnx_type_of(im, v)))
      qn__onnx_name_dims(im, v, declared);
    else
      qn_warning(im->ctx, QN_DIAG_TYPE_MISMATCH, place, "is declared as %s, but the graph computes %s",
                 qn_type_text(im->ctx, declared).data, qn_type_text(im->ctx, qn__onnx_type_of(im, v)).data);
  }
  return QN_OK;
}

static qn_status check_bound_dims(qn_onnx *im) {
  for (size_t i = 0; i < im->options->num_dims; i++) {
    if (im->dim_used[i]) continue;
    qn_str name = im->options->dims[i].name;
    qn_status status = qn_error(im->ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(im->file),
                                "a size is given for the dimension '%.*s', but no type in the model names it",
                                (int)name.size, name.data);
    qn_block body = qn_func_body(im->m, im->func);
    for (uint32_t k = 0; k < qn_block_num_args(im->m, body); k++)
      qn_note(im->ctx, qn_place_file(im->file), "the input '%s' is %s", qn_func_input_name(im->m, im->func, k).data,
              qn_type_text(im->ctx, qn__onnx_type_of(im, qn_block_arg(im->m, body, k))).data);
    return status;
  }
  return QN_OK;
}

qn_status qn__onnx_end(qn_onnx *im) {
  size_t n = im->graph->n_output;
  if (n == 0)
    return qn_error(im->ctx, QN_DIAG_FORMAT, qn_place_file(im->file), "the graph has no outputs: it computes nothing");
  qn_value *values = qn__arena_array(&im->arena, n, sizeof *values);
  qn_str *names = qn__arena_array(&im->arena, n, sizeof *names);
  if (!values || !names || n > UINT32_MAX) return qn_error_no_memory(im->ctx);
  qn_status status = read_outputs(im, values, names);
  if (status == QN_OK) status = read_value_infos(im);
  if (status == QN_OK) status = check_bound_dims(im);
  if (status != QN_OK) return status;
  const qn_op_desc ret = {.kind = QN_OP_RETURN, .num_operands = (uint32_t)n, .operands = values};
  if (!qn_op_create(&im->b, &ret).id) return qn_error_no_memory(im->ctx);
  qn_func_update_type(im->m, im->func);
  qn_op_set_attr(im->m, im->func, "res_attrs", port_names(im, (uint32_t)n, names));
  return qn_module_failed(im->m) ? qn_error_no_memory(im->ctx) : QN_OK;
}
