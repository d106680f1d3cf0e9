/* Attributes of a node. */
#include "onnx_impl.h"
#include <string.h>

static const char *const type_names[] = {"no type", "a float", "an int",  "a string", "a tensor", "a graph",
                                         "floats",  "ints",    "strings", "tensors",  "graphs"};

static const char *type_name(int type) {
  bool known = type >= 0 && type < (int)(sizeof type_names / sizeof *type_names);
  return known ? type_names[type] : "an unknown type";
}

/* Whether `name` is one of the words. */
static bool is_listed(const char *words, qn_str name) {
  while (*words) {
    size_t n = strcspn(words, " ");
    if (qn_str_eq((qn_str){words, n}, name)) return true;
    words += n;
    words += strspn(words, " ");
  }
  return false;
}

const Onnx__AttributeProto *qn__onnx_attr(const qn_onnx *im, const char *name) {
  for (size_t i = 0; i < im->node->n_attribute; i++) {
    const Onnx__AttributeProto *a = im->node->attribute[i];
    if (a->name && strcmp(a->name, name) == 0) return a;
  }
  return NULL;
}

qn_status qn__onnx_check_attrs(qn_onnx *im) {
  for (size_t i = 0; i < im->node->n_attribute; i++) {
    const Onnx__AttributeProto *a = im->node->attribute[i];
    qn_str name = qn__onnx_str(a->name);
    if (!is_listed(im->op->attrs, name))
      return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "has an attribute '%.*s', expected %s%s", (int)name.size, name.data,
                            *im->op->attrs ? "any of: " : "none", im->op->attrs);
    if (a->ref_attr_name)
      return qn__onnx_error(im, QN_DIAG_ATTRIBUTE,
                            "attribute '%s' refers to an attribute of a function, but stands in the main graph",
                            a->name);
    /* Names are known and different so far, so there are few. */
    for (size_t k = 0; k < i; k++)
      if (qn_str_eq(qn__onnx_str(im->node->attribute[k]->name), name))
        return qn__onnx_error(im, QN_DIAG_REDEFINED, "has the attribute '%s' twice", a->name);
  }
  return QN_OK;
}

/* The attribute when it is there and of this type. Files of the first versions leave the type out. */
static qn_status find(qn_onnx *im, const char *name, int type, const Onnx__AttributeProto **out) {
  *out = qn__onnx_attr(im, name);
  if (!*out || !(*out)->has_type || (int)(*out)->type == type || (*out)->type == 0) return QN_OK;
  return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute '%s' is %s, expected %s", name, type_name((int)(*out)->type),
                        type_name(type));
}

static qn_status lacks_value(qn_onnx *im, const char *name, int type) {
  return qn__onnx_error(im, QN_DIAG_ATTRIBUTE, "attribute '%s' has no value, expected %s", name, type_name(type));
}

qn_status qn__onnx_attr_int(qn_onnx *im, const char *name, int64_t *out) {
  const Onnx__AttributeProto *a;
  qn_status status = find(im, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, &a);
  if (status != QN_OK || !a) return status;
  if (!a->has_i && !a->has_type) return lacks_value(im, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
  *out = a->i; /* 0 may be left out by writers */
  return QN_OK;
}

qn_status qn__onnx_attr_float(qn_onnx *im, const char *name, float *out) {
  const Onnx__AttributeProto *a;
  qn_status status = find(im, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, &a);
  if (status != QN_OK || !a) return status;
  if (!a->has_f && !a->has_type) return lacks_value(im, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
  *out = a->f;
  return QN_OK;
}

qn_status qn__onnx_attr_string(qn_onnx *im, const char *name, qn_str *out) {
  const Onnx__AttributeProto *a;
  qn_status status = find(im, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  if (status == QN_OK && a) *out = (qn_str){(const char *)a->s.data, a->s.len};
  return status;
}

qn_status qn__onnx_attr_ints(qn_onnx *im, const char *name, size_t *n, const int64_t **out) {
  const Onnx__AttributeProto *a;
  qn_status status = find(im, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, &a);
  if (status != QN_OK || !a) return status;
  *n = a->n_ints;
  *out = a->ints;
  return QN_OK;
}
