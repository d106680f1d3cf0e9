/* Two modules side by side, op by op. They may belong to different contexts. */
#include "same.h"
#include "map.h"
#include <math.h>
#include <string.h>

typedef struct pair {
  const qn_module *a, *b;
  qn_context *ca, *cb;
  const qn_allocator *allocator;
  qn_idmap values; /* of a -> of b */
} pair;

/* What calibration writes on a quern.observe; not part of the program. */
static bool is_state_name(qn_str s) {
  return qn_str_eq(s, qn_str_of("quern.state")) || qn_str_eq(s, qn_str_of("quern.min")) ||
         qn_str_eq(s, qn_str_of("quern.max"));
}

static bool same_type(const pair *p, qn_type x, qn_type y) {
  return p->ca == p->cb ? qn_type_eq(x, y) : qn_str_eq(qn_type_text(p->ca, x), qn_type_text(p->cb, y));
}

/* ---- attributes ---- */

static bool same_attr(const pair *p, qn_attr x, qn_attr y);

static bool same_dense(const pair *p, qn_attr x, qn_attr y) {
  bool splat = qn_attr_is_splat(p->a, x);
  qn_type t = qn_attr_type_of(p->a, x), elem = qn_type_elem(p->ca, t);
  if (splat != qn_attr_is_splat(p->b, y)) return false;
  int64_t n = splat ? 1 : qn_type_count(p->ca, t);
  size_t bytes = n < 0 ? 0 : qn_scalar_bytes(qn_type_memory(p->ca, elem), (uint64_t)n);
  return !bytes || !memcmp(qn_attr_data(p->a, x), qn_attr_data(p->b, y), bytes);
}

static bool same_float(double v, double w) {
  return (v == w && !signbit(v) == !signbit(w)) || (v != v && w != w);
}

static bool same_ints(const pair *p, qn_attr x, qn_attr y) {
  uint32_t n, k;
  const int64_t *v = qn_attr_as_ints(p->a, x, &n), *w = qn_attr_as_ints(p->b, y, &k);
  return n == k && (!n || !memcmp(v, w, n * sizeof *v));
}

static bool same_array(const pair *p, qn_attr x, qn_attr y) {
  uint32_t n = qn_attr_size(p->a, x);
  if (n != qn_attr_size(p->b, y)) return false;
  for (uint32_t i = 0; i < n; i++)
    if (!same_attr(p, qn_attr_at(p->a, x, i), qn_attr_at(p->b, y, i))) return false;
  return true;
}

static uint32_t entries(const qn_module *m, qn_attr dict, bool without_state) {
  uint32_t n = 0, size = dict.id ? qn_attr_size(m, dict) : 0;
  for (uint32_t i = 0; i < size; i++)
    n += !without_state || !is_state_name(qn_name_str(qn_module_context(m), qn_attr_entry(m, dict, i).name));
  return n;
}

static bool same_dict(const pair *p, qn_attr x, qn_attr y, bool without_state) {
  uint32_t size = x.id ? qn_attr_size(p->a, x) : 0;
  if (entries(p->a, x, without_state) != entries(p->b, y, without_state)) return false;
  for (uint32_t i = 0; i < size; i++) {
    qn_named_attr e = qn_attr_entry(p->a, x, i);
    qn_str name = qn_name_str(p->ca, e.name);
    if (without_state && is_state_name(name)) continue;
    if (!same_attr(p, e.attr, qn_attr_find(p->b, y, qn_name_of(p->cb, name)))) return false;
  }
  return true;
}

static bool same_attr(const pair *p, qn_attr x, qn_attr y) {
  qn_attr_kind kind = qn_attr_kind_of(p->a, x);
  if (kind != qn_attr_kind_of(p->b, y)) return false;
  if (!same_type(p, qn_attr_type_of(p->a, x), qn_attr_type_of(p->b, y))) return false;
  switch (kind) {
  case QN_ATTR_BOOL: return qn_attr_as_bool(p->a, x) == qn_attr_as_bool(p->b, y);
  case QN_ATTR_INT: return qn_attr_as_int(p->a, x) == qn_attr_as_int(p->b, y);
  case QN_ATTR_FLOAT: return same_float(qn_attr_as_float(p->a, x), qn_attr_as_float(p->b, y));
  case QN_ATTR_TYPE: return same_type(p, qn_attr_as_type(p->a, x), qn_attr_as_type(p->b, y));
  case QN_ATTR_DICT: return same_dict(p, x, y, false);
  case QN_ATTR_ARRAY: return same_array(p, x, y);
  case QN_ATTR_INTS: return same_ints(p, x, y);
  case QN_ATTR_DENSE: return same_dense(p, x, y);
  case QN_ATTR_DIALECT:
    if (!qn_str_eq(qn_attr_dialect_name(p->a, x), qn_attr_dialect_name(p->b, y))) return false;
    return qn_str_eq(qn_attr_as_string(p->a, x), qn_attr_as_string(p->b, y));
  case QN_ATTR_STRING:
  case QN_ATTR_SYMBOL: return qn_str_eq(qn_attr_as_string(p->a, x), qn_attr_as_string(p->b, y));
  case QN_ATTR_NULL:
  case QN_ATTR_UNIT: break;
  }
  return true;
}

/* ---- ops ---- */

static qn_status differ(const pair *p, qn_op x, qn_op y, const char *what) {
  qn_str name = x.id ? qn_op_name(p->a, x) : qn_op_name(p->b, y);
  qn_status status =
      x.id ? qn_op_error(p->a, x, QN_DIAG_DATA, "the programs differ: %s of '%.*s'", what, (int)name.size, name.data)
           : qn_op_error(p->b, y, QN_DIAG_DATA, "the programs differ: %s of '%.*s'", what, (int)name.size, name.data);
  if (x.id && y.id) qn_op_note(p->b, y, "in the other program it is this");
  return status;
}

static bool match(pair *p, qn_value x, qn_value y, bool *same) {
  *same = same_type(p, qn_value_type(p->a, x), qn_value_type(p->b, y));
  return qn__idmap_set(p->allocator, &p->values, x.id, y.id);
}

static qn_status same_block(pair *p, qn_block x, qn_block y);

static qn_status same_op(pair *p, qn_op x, qn_op y) {
  uint32_t operands = qn_op_num_operands(p->a, x), results = qn_op_num_results(p->a, x),
           regions = qn_op_num_regions(p->a, x);
  bool observer = qn_op_kind_of(p->a, x) == QN_OP_OBSERVE, same = true;
  if (!qn_str_eq(qn_op_name(p->a, x), qn_op_name(p->b, y))) return differ(p, x, y, "the name");
  if (operands != qn_op_num_operands(p->b, y) || results != qn_op_num_results(p->b, y) ||
      regions != qn_op_num_regions(p->b, y))
    return differ(p, x, y, "the number of operands, results or regions");
  for (uint32_t i = 0; i < operands; i++)
    if (qn__idmap_get(&p->values, qn_op_operand(p->a, x, i).id) != qn_op_operand(p->b, y, i).id)
      return differ(p, x, y, "an operand");
  if (!same_dict(p, qn_op_attrs(p->a, x), qn_op_attrs(p->b, y), observer))
    return differ(p, x, y, "an attribute or constant");
  for (uint32_t i = 0; i < results && same; i++)
    if (!match(p, qn_op_result(p->a, x, i), qn_op_result(p->b, y, i), &same)) return qn_error_no_memory(p->ca);
  if (!same) return differ(p, x, y, "the type of a result");
  for (uint32_t i = 0; i < regions; i++) {
    qn_status status = same_block(p, qn_op_region(p->a, x, i), qn_op_region(p->b, y, i));
    if (status) return status;
  }
  return QN_OK;
}

static qn_status same_block(pair *p, qn_block x, qn_block y) {
  uint32_t n = qn_block_num_args(p->a, x);
  bool same = n == qn_block_num_args(p->b, y);
  for (uint32_t i = 0; i < n && same; i++)
    if (!match(p, qn_block_arg(p->a, x, i), qn_block_arg(p->b, y, i), &same)) return qn_error_no_memory(p->ca);
  if (!same) return differ(p, qn_block_op(p->a, x), qn_block_op(p->b, y), "the arguments");
  qn_op i = qn_block_first(p->a, x), j = qn_block_first(p->b, y);
  for (; i.id && j.id; i = qn_op_next(p->a, i), j = qn_op_next(p->b, j)) {
    qn_status status = same_op(p, i, j);
    if (status) return status;
  }
  return i.id || j.id ? differ(p, i, j, "only one has an op at the place") : QN_OK;
}

qn_status qn__same_program(const qn_module *a, const qn_module *b) {
  pair p = {.a = a, .b = b, .ca = qn_module_context(a), .cb = qn_module_context(b)};
  p.allocator = qn_context_allocator(p.ca);
  qn_status status = same_block(&p, qn_module_body(a), qn_module_body(b));
  if (!status && !same_dict(&p, qn_module_attrs(a), qn_module_attrs(b), false))
    status = qn_error(p.ca, QN_DIAG_DATA, qn_place_file(""), "the programs differ: the attributes of the modules");
  qn__idmap_free(p.allocator, &p.values);
  return status;
}
