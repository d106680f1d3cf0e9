/* Ops that only say what a value is. */
#include "onnx_impl.h"
#include <string.h>

/* ---- Constant ---- */

static qn_status define(qn_onnx *im, const qn_tensor *t) {
  return qn__onnx_define_const(im, qn__onnx_here(im), qn__onnx_str(im->node->output[0]), t);
}

static qn_status numbers(qn_onnx *im, qn_scalar elem, uint32_t rank, size_t n, const void *data, size_t size) {
  qn_tensor t = {.elem = elem, .rank = rank, .shape = {(int64_t)n}};
  t.data = qn__arena_copy(&im->arena, data, n * size);
  return t.data ? define(im, &t) : qn_error_no_memory(im->ctx);
}

static qn_status tensor_value(qn_onnx *im, const Onnx__AttributeProto *a) {
  if (!a->t) return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute 'value' has no tensor in it");
  uint32_t value;
  qn_status status = qn__onnx_define(im, qn__onnx_here(im), qn__onnx_str(im->node->output[0]), &value);
  if (status != QN_OK) return status;
  qn__onnx_value(im, value)->is_const = true;
  qn__onnx_value(im, value)->source = a->t;
  return QN_OK;
}

static qn_status float_value(qn_onnx *im, const Onnx__AttributeProto *a) {
  return numbers(im, QN_F32, 0, 1, &a->f, sizeof a->f);
}

static qn_status floats_value(qn_onnx *im, const Onnx__AttributeProto *a) {
  return numbers(im, QN_F32, 1, a->n_floats, a->floats, sizeof *a->floats);
}

static qn_status int_value(qn_onnx *im, const Onnx__AttributeProto *a) {
  return numbers(im, QN_I64, 0, 1, &a->i, sizeof a->i);
}

static qn_status ints_value(qn_onnx *im, const Onnx__AttributeProto *a) {
  return numbers(im, QN_I64, 1, a->n_ints, a->ints, sizeof *a->ints);
}

static qn_status refused_value(qn_onnx *im, const Onnx__AttributeProto *a) {
  return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "attribute '%s': %s cannot be imported", a->name,
                        strcmp(a->name, "sparse_value") == 0 ? "sparse tensors" : "strings");
}

static const struct {
  const char *name;
  int type; /* ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__.. */
  qn_status (*make)(qn_onnx *im, const Onnx__AttributeProto *a);
} constant_kinds[] = {
    {"value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, tensor_value},
    {"value_float", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, float_value},
    {"value_floats", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS, floats_value},
    {"value_int", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, int_value},
    {"value_ints", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, ints_value},
    {"value_string", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, refused_value},
    {"value_strings", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, refused_value},
    {"sparse_value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__SPARSE_TENSOR, refused_value},
};

qn_status qn__onnx_op_constant(qn_onnx *im) {
  if (im->node->n_attribute != 1)
    return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "has %zu attributes, expected one that gives its value",
                          im->node->n_attribute);
  if (!qn__onnx_has_output(im, 0)) return QN_OK;
  const Onnx__AttributeProto *a = im->node->attribute[0];
  for (size_t i = 0; i < sizeof constant_kinds / sizeof *constant_kinds; i++) {
    if (strcmp(constant_kinds[i].name, a->name) != 0) continue;
    if (a->has_type && a->type && (int)a->type != constant_kinds[i].type)
      return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute '%s' is of another type than its name says", a->name);
    return constant_kinds[i].make(im, a);
  }
  return qn__onnx_error(im, QN_DIAG_INTERNAL, "attribute '%s' is in one table only", a->name);
}

/* ---- values that pass through ---- */

qn_status qn__onnx_op_identity(qn_onnx *im) {
  return qn__onnx_output_input(im, 0, 0);
}

static qn_status check_no_training(qn_onnx *im) {
  qn_tensor t;
  bool is_const;
  if (!qn__onnx_has_input(im, 2)) return QN_OK;
  qn_status status = qn__onnx_const_input(im, 2, &t, &is_const);
  if (status != QN_OK) return status;
  if (is_const && qn_tensor_count(&t) == 1 && qn_tensor_get_i64(&t, 0) == 0) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_UNSUPPORTED,
                        "training_mode is %s; only models for inference can be imported, where it is false",
                        is_const ? "true" : "not a constant");
}

/* For inference: nothing is dropped, and the mask says so. */
static qn_status build_mask(qn_onnx *im) {
  qn_value x;
  const uint8_t yes = 1;
  qn_status status = qn__onnx_input(im, 0, &x);
  if (status != QN_OK) return status;
  qn_type type = qn_type_with_elem(im->ctx, qn__onnx_type_of(im, x), qn_type_scalar(im->ctx, QN_I1));
  if (!qn_type_is_static(im->ctx, type))
    return qn__onnx_error(im, QN_DIAG_UNSUPPORTED, "its mask is used, which needs known sizes: bind them with --dim");
  return qn__onnx_output(im, 1, qn_build_constant(&im->b, qn_attr_splat(im->m, type, &yes)));
}

qn_status qn__onnx_op_dropout(qn_onnx *im) {
  qn_status status = check_no_training(im);
  if (status == QN_OK) status = qn__onnx_output_input(im, 0, 0);
  if (status == QN_OK && qn__onnx_has_output(im, 1)) status = build_mask(im);
  return status;
}
