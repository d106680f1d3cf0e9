/* Nodes: their inputs, their outputs, and what handlers build with. */
#include "onnx_impl.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* ---- places and errors ---- */

qn_str qn__onnx_str(const char *s) {
  return (qn_str){s ? s : "", s ? strlen(s) : 0};
}

qn_place qn__onnx_place(qn_onnx *im, const char *kind, qn_str name) {
  int n = name.size > QN__ONNX_ENTITY ? QN__ONNX_ENTITY : (int)name.size;
  snprintf(im->entity, sizeof im->entity, "%s '%.*s'", kind, n, name.data);
  qn_place place = qn_place_file(im->file);
  place.entity = qn_str_of(im->entity);
  return place;
}

/* A node without a name goes by its first result, which is unique. */
static qn_str node_name(const Onnx__NodeProto *node) {
  qn_str name = qn__onnx_str(node->name);
  for (size_t i = 0; !name.size && i < node->n_output; i++) name = qn__onnx_str(node->output[i]);
  return name;
}

qn_place qn__onnx_here(qn_onnx *im) {
  qn_place place = qn__onnx_place(im, "node", node_name(im->node));
  size_t used = place.entity.size;
  snprintf(im->entity + used, sizeof im->entity - used, " (%s)", im->op->name);
  place.entity = qn_str_of(im->entity);
  return place;
}

qn_status qn__onnx_error(qn_onnx *im, qn_diag_code code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn_status status = qn_report(im->ctx, QN_ERROR, code, qn__onnx_here(im), fmt, args);
  va_end(args);
  return status;
}

qn_status qn__onnx_failed(qn_onnx *im) {
  if (!qn_module_failed(im->m) && qn_context_error_count(im->ctx) > im->errors) return QN_ERR_INPUT;
  return qn_error_no_memory(im->ctx);
}

/* ---- inputs ---- */

bool qn__onnx_has_input(const qn_onnx *im, unsigned i) {
  return i < im->node->n_input && qn__onnx_str(im->node->input[i]).size > 0;
}

bool qn__onnx_has_output(const qn_onnx *im, unsigned i) {
  return i < im->node->n_output && qn__onnx_str(im->node->output[i]).size > 0;
}

uint32_t qn__onnx_input_value(const qn_onnx *im, unsigned i) {
  return qn__onnx_has_input(im, i) ? qn__onnx_find(im, qn__onnx_str(im->node->input[i])) : 0;
}

qn_status qn__onnx_input(qn_onnx *im, unsigned i, qn_value *out) {
  return qn__onnx_plain(im, qn__onnx_input_value(im, i), out);
}

qn_status qn__onnx_const_input(qn_onnx *im, unsigned i, qn_tensor *t, bool *is_const) {
  uint32_t value = qn__onnx_input_value(im, i);
  *t = (qn_tensor){0};
  *is_const = value && qn__onnx_value(im, value)->is_const;
  if (!*is_const) return QN_OK;
  qn_status status = qn__onnx_read(im, value);
  if (status == QN_OK) *t = qn__onnx_value(im, value)->tensor;
  return status;
}

static bool is_graph_input(const qn_onnx *im, qn_str name) {
  for (size_t i = 0; i < im->graph->n_input; i++)
    if (qn_str_eq(qn__onnx_str(im->graph->input[i]->name), name)) return true;
  return false;
}

static qn_status not_constant(qn_onnx *im, unsigned i) {
  qn_str name = qn__onnx_str(im->node->input[i]);
  qn_status status = qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                                    "input %u, '%.*s', decides a shape and is not a constant: shapes that depend on "
                                    "data cannot be compiled",
                                    i, (int)name.size, name.data);
  if (is_graph_input(im, name))
    qn_note(im->ctx, qn__onnx_here(im),
            "'%.*s' is an input of the graph: give it a value when importing, as in --const %.*s=FILE.npy",
            (int)name.size, name.data, (int)name.size, name.data);
  return status;
}

qn_status qn__onnx_ints_input(qn_onnx *im, unsigned i, uint32_t *n, const int64_t **out) {
  qn_tensor t;
  bool is_const;
  qn_status status = qn__onnx_const_input(im, i, &t, &is_const);
  if (status != QN_OK) return status;
  if (!is_const) return not_constant(im, i);
  if (!qn_scalar_is_int(t.elem) || t.rank > 1)
    return qn__onnx_error(im, QN_DIAG_TYPE_MISMATCH, "input %u has %s of rank %u, expected a list of integers", i,
                          qn_scalar_get(t.elem)->text, t.rank);
  int64_t count = qn_tensor_count(&t);
  if (count > UINT32_MAX / 8) return qn__onnx_error(im, QN_DIAG_LIMIT, "input %u has %" PRId64 " sizes", i, count);
  int64_t *v = qn__arena_array(&im->scratch, (size_t)count, sizeof *v);
  if (!v) return qn_error_no_memory(im->ctx);
  for (int64_t k = 0; k < count; k++) v[k] = qn_tensor_get_i64(&t, k);
  *n = (uint32_t)count;
  *out = v;
  return QN_OK;
}

/* ---- outputs ---- */

qn_status qn__onnx_output(qn_onnx *im, unsigned i, qn_value v) {
  if (!v.id) return qn__onnx_failed(im);
  if (!qn__onnx_has_output(im, i)) return QN_OK;
  qn_str name = qn__onnx_str(im->node->output[i]);
  uint32_t value;
  qn_status status = qn__onnx_define(im, qn__onnx_here(im), name, &value);
  if (status != QN_OK) return status;
  qn__onnx_value(im, value)->plain = v;
  qn__onnx_name_value(im, v, name);
  return QN_OK;
}

qn_status qn__onnx_output_codes(qn_onnx *im, unsigned i, qn_value codes, qn_scalar elem) {
  if (!codes.id) return qn__onnx_failed(im);
  if (!qn__onnx_has_output(im, i)) return QN_OK;
  qn_str name = qn__onnx_str(im->node->output[i]);
  uint32_t value;
  qn_status status = qn__onnx_define(im, qn__onnx_here(im), name, &value);
  if (status != QN_OK) return status;
  qn__onnx_value(im, value)->codes = codes;
  qn__onnx_value(im, value)->elem = elem;
  qn__onnx_name_value(im, codes, name);
  return QN_OK;
}

qn_status qn__onnx_output_input(qn_onnx *im, unsigned i, unsigned k) {
  if (!qn__onnx_has_output(im, i)) return QN_OK;
  uint32_t value = qn__onnx_input_value(im, k);
  return qn__onnx_alias(im, qn__onnx_here(im), qn__onnx_str(im->node->output[i]), value);
}

/* ---- building ---- */

qn_type qn__onnx_type_of(const qn_onnx *im, qn_value v) {
  return qn_value_type(im->m, v);
}

uint32_t qn__onnx_rank(const qn_onnx *im, qn_value v) {
  return qn_type_rank(im->ctx, qn_value_type(im->m, v));
}

qn_scalar qn__onnx_elem(const qn_onnx *im, qn_value v) {
  return qn_type_as_scalar(im->ctx, qn_type_elem(im->ctx, qn_value_type(im->m, v)));
}

qn_value qn__onnx_scalar_const(qn_onnx *im, qn_scalar elem, double v) {
  uint64_t room = 0;
  qn_tensor t = {.elem = elem, .data = &room};
  qn_tensor_set_f64(&t, 0, v);
  return qn_build_constant(&im->b, qn_attr_dense_from_tensor(im->m, &t));
}

qn_value qn__onnx_reshape(qn_onnx *im, qn_value x, uint32_t n, const int64_t *shape) {
  const qn_named_attr attr = qn_named(im->m, "shape", qn_attr_ints(im->m, QN_I64, n, shape));
  return qn_op_result(im->m, qn_op_build(&im->b, QN_OP_RESHAPE, 1, &x, 1, &attr), 0);
}

qn_status qn__onnx_axis(qn_onnx *im, const char *what, int64_t *axis, uint32_t limit) {
  int64_t n = limit;
  if (*axis >= -n && *axis < n) {
    *axis += *axis < 0 ? n : 0;
    return QN_OK;
  }
  return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "%s is %" PRId64 ", expected %" PRId64 " to %" PRId64, what, *axis, -n,
                        n - 1);
}

/* ---- one node after the other ---- */

/* An input that no earlier node makes: is there a later one? */
static qn_status undefined_input(qn_onnx *im, qn_str name) {
  for (size_t i = im->node_index; i < im->graph->n_node; i++) {
    const Onnx__NodeProto *later = im->graph->node[i];
    for (size_t k = 0; k < later->n_output; k++) {
      if (!qn_str_eq(qn__onnx_str(later->output[k]), name)) continue;
      qn_str maker = node_name(later);
      return qn__onnx_error(im, QN_DIAG_UNDEFINED,
                            "uses '%.*s', which is made later, by node '%.*s': nodes must stand in an order in which "
                            "each uses what earlier ones made",
                            (int)name.size, name.data, (int)maker.size, maker.data);
    }
  }
  return qn__onnx_error(im, QN_DIAG_UNDEFINED, "uses '%.*s', which no input, initializer or node defines",
                        (int)name.size, name.data);
}

static qn_status check_counts(qn_onnx *im) {
  const qn_onnx_op *op = im->op;
  size_t n = im->node->n_input;
  if (n > op->max_inputs || n < op->min_inputs)
    return qn__onnx_error(im, QN_DIAG_OPERAND_COUNT, "has %zu inputs, expected %s%u", n,
                          n > op->max_inputs ? "at most " : "at least ",
                          n > op->max_inputs ? op->max_inputs : op->min_inputs);
  if (im->node->n_output > op->max_outputs || !im->node->n_output)
    return qn__onnx_error(im, QN_DIAG_OPERAND_COUNT, "has %zu outputs, expected 1 to %u", im->node->n_output,
                          op->max_outputs);
  for (unsigned i = 0; i < n; i++) {
    if (qn__onnx_has_input(im, i)) {
      if (!qn__onnx_input_value(im, i)) return undefined_input(im, qn__onnx_str(im->node->input[i]));
    } else if (i < op->min_inputs || op->max_inputs == UINT_MAX) {
      return qn__onnx_error(im, QN_DIAG_MISSING, "has no name for input %u, which may not be left out", i);
    }
  }
  return QN_OK;
}

static qn_status import_node(qn_onnx *im, size_t i) {
  im->node = im->graph->node[i];
  im->node_index = i;
  im->op = qn__onnx_op_find(qn__onnx_str(im->node->domain), qn__onnx_str(im->node->op_type), im->opset);
  im->errors = qn_context_error_count(im->ctx);
  im->b.loc = qn_loc_create(im->m, qn_str_of(im->file), 0, 0, node_name(im->node));
  qn_status status = qn__onnx_check_attrs(im);
  if (status == QN_OK) status = check_counts(im);
  if (status == QN_OK) status = im->op->handle(im);
  qn__arena_free(&im->scratch);
  if (status == QN_OK && qn_module_failed(im->m)) status = qn_error_no_memory(im->ctx);
  return status;
}

qn_status qn__onnx_nodes(qn_onnx *im) {
  for (size_t i = 0; i < im->graph->n_node; i++) {
    qn_status status = import_node(im, i);
    if (status != QN_OK) return status;
  }
  im->b.loc = (qn_loc){0};
  return QN_OK;
}
