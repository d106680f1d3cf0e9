/* Attributes of ops, with the table's defaults. */
#include "module_impl.h"
#include "spec.h"

qn_attr qn_op_attrs(const qn_module *m, qn_op op) {
  return (qn_attr){qn__op_rec(m, op)->attrs};
}

void qn_op_set_attrs(qn_module *m, qn_op op, qn_attr dict) {
  if (qn__op_live(m, op)) m->ops.data[op.id].attrs = qn_attr_size(m, dict) ? dict.id : 0;
}

qn_attr qn_op_attr(const qn_module *m, qn_op op, const char *name) {
  qn_attr dict = qn_op_attrs(m, op);
  return dict.id ? qn__dict_find(m, dict, name) : (qn_attr){0};
}

qn_attr qn_op_attr_n(const qn_module *m, qn_op op, qn_name name) {
  qn_attr dict = qn_op_attrs(m, op);
  return dict.id ? qn_attr_find(m, dict, name) : (qn_attr){0};
}

void qn_op_set_attr(qn_module *m, qn_op op, const char *name, qn_attr value) {
  if (!qn__op_live(m, op)) return;
  qn_name key = qn_name_of_c(m->ctx, name);
  if (!key.id) {
    qn__module_fail(m);
    return;
  }
  qn_attr dict = qn__dict_with(m, qn_op_attrs(m, op), key, value);
  m->ops.data[op.id].attrs = dict.id;
}

/* The table's row for an attribute that the op does not carry; null when it has none. */
static const qn_attr_spec *absent(const qn_module *m, qn_op op, const char *name) {
  const qn_op_spec *spec = qn__op_spec(m->ctx, qn_op_kind_of(m, op));
  qn_str key = qn_str_of(name);
  for (uint32_t i = 0; spec && i < spec->num_attrs; i++)
    if (qn_str_eq(spec->attrs[i].name, key)) return &spec->attrs[i];
  return NULL;
}

bool qn_op_get_bool(const qn_module *m, qn_op op, const char *name) {
  qn_attr a = qn_op_attr(m, op, name);
  if (a.id) return qn_attr_kind_of(m, a) == QN_ATTR_UNIT || qn_attr_as_bool(m, a);
  const qn_attr_spec *spec = absent(m, op, name);
  return spec && spec->default_bool;
}

int64_t qn_op_get_int(const qn_module *m, qn_op op, const char *name) {
  qn_attr a = qn_op_attr(m, op, name);
  if (a.id) return qn_attr_as_int(m, a);
  const qn_attr_spec *spec = absent(m, op, name);
  return spec ? spec->default_int : 0;
}

double qn_op_get_float(const qn_module *m, qn_op op, const char *name) {
  qn_attr a = qn_op_attr(m, op, name);
  if (a.id) return qn_attr_as_float(m, a);
  const qn_attr_spec *spec = absent(m, op, name);
  return spec ? spec->default_float : 0;
}

qn_str qn_op_get_string(const qn_module *m, qn_op op, const char *name) {
  qn_attr a = qn_op_attr(m, op, name);
  if (a.id) return qn_attr_as_string(m, a);
  const qn_attr_spec *spec = absent(m, op, name);
  return spec && spec->has_default ? spec->default_text : (qn_str){"", 0};
}
