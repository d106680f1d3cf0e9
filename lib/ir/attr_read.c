/* What an attribute holds. Each accessor takes any attribute and answers null or 0 where the kind has no such thing. */
#include "module_access.h"
#include "scalar.h"
#include <string.h>

static const qn__attr_rec *get_kind(const qn_module *m, qn_attr a, qn_attr_kind kind) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  return r->kind == kind ? r : NULL;
}

qn_attr_kind qn_attr_kind_of(const qn_module *m, qn_attr a) {
  return (qn_attr_kind)qn__attr_get(m, a)->kind;
}

bool qn_attr_as_bool(const qn_module *m, qn_attr a) {
  return qn_attr_as_int(m, a) != 0;
}

int64_t qn_attr_as_int(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  return r->kind == QN_ATTR_INT || r->kind == QN_ATTR_BOOL ? r->v.i : 0;
}

double qn_attr_as_float(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  if (r->kind == QN_ATTR_FLOAT)
    return qn__scalar_value(qn_type_as_scalar(qn_module_context(m), (qn_type){r->type}), r->v.bits);
  return (double)qn_attr_as_int(m, a);
}

uint64_t qn__attr_bits_of_float(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = get_kind(m, a, QN_ATTR_FLOAT);
  return r ? r->v.bits : 0;
}

qn_str qn_attr_as_string(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  bool text = r->kind == QN_ATTR_STRING || r->kind == QN_ATTR_SYMBOL || r->kind == QN_ATTR_DIALECT;
  return text ? (qn_str){r->v.p, r->size} : (qn_str){NULL, 0};
}

qn_str qn_attr_dialect_name(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = get_kind(m, a, QN_ATTR_DIALECT);
  return r ? qn_name_str(qn_module_context(m), (qn_name){r->type}) : (qn_str){NULL, 0};
}

qn_type qn_attr_as_type(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = get_kind(m, a, QN_ATTR_TYPE);
  return (qn_type){r ? r->type : 0};
}

qn_type qn_attr_type_of(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  if (r->kind == QN_ATTR_INTS) return qn_type_scalar(qn_module_context(m), (qn_scalar)r->elem);
  bool typed =
      r->kind == QN_ATTR_BOOL || r->kind == QN_ATTR_INT || r->kind == QN_ATTR_FLOAT || r->kind == QN_ATTR_DENSE;
  return (qn_type){typed ? r->type : 0};
}

uint32_t qn_attr_size(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  return r->kind == QN_ATTR_ARRAY || r->kind == QN_ATTR_DICT || r->kind == QN_ATTR_INTS ? r->size : 0;
}

qn_attr qn_attr_at(const qn_module *m, qn_attr a, uint32_t i) {
  const qn__attr_rec *r = get_kind(m, a, QN_ATTR_ARRAY);
  return r && i < r->size ? ((const qn_attr *)r->v.p)[i] : (qn_attr){0};
}

qn_named_attr qn_attr_entry(const qn_module *m, qn_attr dict, uint32_t i) {
  const qn__attr_rec *r = get_kind(m, dict, QN_ATTR_DICT);
  return r && i < r->size ? ((const qn_named_attr *)r->v.p)[i] : (qn_named_attr){{0}, {0}};
}

qn_attr qn_attr_find(const qn_module *m, qn_attr dict, qn_name name) {
  const qn__attr_rec *r = get_kind(m, dict, QN_ATTR_DICT);
  const qn_named_attr *entries = r ? r->v.p : NULL;
  uint32_t from = 0, end = r ? r->size : 0;
  /* Names are interned, so looking at all of a few is faster than comparing the texts that order them. */
  while (end - from > 16) {
    uint32_t middle = from + (end - from) / 2;
    if (qn__name_order(qn_module_context(m), entries[middle].name, name) <= 0)
      from = middle;
    else
      end = middle;
  }
  for (; from < end; from++)
    if (entries[from].name.id == name.id) return entries[from].attr;
  return (qn_attr){0};
}

const int64_t *qn_attr_as_ints(const qn_module *m, qn_attr a, uint32_t *n) {
  const qn__attr_rec *r = get_kind(m, a, QN_ATTR_INTS);
  if (n) *n = r ? r->size : 0;
  return r ? r->v.p : NULL;
}

qn_scalar qn__attr_ints_elem(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = get_kind(m, a, QN_ATTR_INTS);
  return r ? (qn_scalar)r->elem : QN_SCALAR_NONE;
}
