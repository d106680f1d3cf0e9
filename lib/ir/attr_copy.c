/* Attributes of one module in another. */
#include "module_access.h"
#include <string.h>

/* ---- all at once, under the same ids ---- */

static bool copy_dense(qn_arena *arena, qn__attr_rec *r) {
  qn__dense *d = qn__arena_copy(arena, r->v.p, sizeof *d);
  if (!d) return false;
  d->expanded = NULL;
  if (!d->borrowed) d->data = qn__arena_copy(arena, d->data, d->bytes);
  r->v.p = d;
  return d->data != NULL;
}

static bool copy_payload(qn_arena *arena, qn__attr_rec *r) {
  if (r->kind == QN_ATTR_DENSE) return copy_dense(arena, r);
  if (!qn__attr_has_payload(r)) return true;
  r->v.p = qn__arena_str(arena, (qn_str){r->v.p, qn__attr_payload(r)}).data;
  return r->v.p != NULL;
}

static bool copy_map(const qn_allocator *a, qn_map *to, const qn_map *from) {
  if (from->cap == 0) return true;
  size_t bytes = (size_t)from->cap * sizeof *from->slots;
  qn_map_slot *slots = qn__alloc(a, bytes);
  if (!slots) return false;
  memcpy(slots, from->slots, bytes);
  qn__map_free(a, to);
  *to = (qn_map){.slots = slots, .count = from->count, .cap = from->cap};
  return true;
}

bool qn__attr_table_clone(qn_module *to, const qn_module *from) {
  const qn_allocator *a = qn_context_allocator(qn_module_context(to));
  const qn_attr_table *old = qn__module_attrs_const(from);
  qn_attr_table *t = qn__module_attrs(to);
  t->recs.size = 0;
  if (!qn__reserve(a, &t->recs, old->recs.size)) return false;
  for (uint32_t i = 0; i < old->recs.size; i++) {
    t->recs.data[i] = old->recs.data[i];
    if (!copy_payload(qn__module_arena(to), &t->recs.data[i])) return false;
    t->recs.size = i + 1;
  }
  return copy_map(a, &t->map, &old->map);
}

/* ---- one at a time ---- */

static qn_attr import_array(qn_module *to, const qn_module *from, qn_attr a, const qn_allocator *al) {
  uint32_t n = qn_attr_size(from, a);
  qn_attr *v = qn__alloc(al, n * sizeof *v);
  if (n && !v) return qn__module_fail(to), (qn_attr){0};
  for (uint32_t i = 0; i < n; i++) v[i] = qn__attr_import(to, from, qn_attr_at(from, a, i));
  qn_attr copy = qn_attr_array(to, n, v);
  qn__free(al, v, n * sizeof *v);
  return copy;
}

static qn_attr import_dict(qn_module *to, const qn_module *from, qn_attr a, const qn_allocator *al) {
  uint32_t n = qn_attr_size(from, a);
  qn_named_attr *v = qn__alloc(al, n * sizeof *v);
  if (n && !v) return qn__module_fail(to), (qn_attr){0};
  for (uint32_t i = 0; i < n; i++) {
    v[i] = qn_attr_entry(from, a, i);
    v[i].attr = qn__attr_import(to, from, v[i].attr);
  }
  qn_attr copy = qn_attr_dict(to, n, v);
  qn__free(al, v, n * sizeof *v);
  return copy;
}

/* Borrowed data is copied too: its owner may go with the other module. */
static qn_attr import_dense(qn_module *to, const qn_module *from, qn_attr a) {
  qn_type type = qn_attr_type_of(from, a);
  const void *data = qn_attr_data(from, a);
  qn_name key = qn_attr_resource(from, a);
  return qn_attr_is_splat(from, a) ? qn__attr_splat_keyed(to, type, data, key)
                                   : qn__attr_dense_keyed(to, type, data, key);
}

/* Recursion is bounded by QN__ATTR_MAX_DEPTH. */
qn_attr qn__attr_import(qn_module *to, const qn_module *from, qn_attr a) {
  if (to == from) return a;
  const qn_allocator *al = qn_context_allocator(qn_module_context(to));
  uint32_t n;
  const int64_t *ints;
  switch (qn_attr_kind_of(from, a)) {
  case QN_ATTR_NULL: return (qn_attr){0};
  case QN_ATTR_UNIT:
  case QN_ATTR_BOOL: return a; /* the same ids in every module */
  case QN_ATTR_INT: return qn_attr_int(to, qn_attr_type_of(from, a), qn_attr_as_int(from, a));
  case QN_ATTR_FLOAT: return qn__attr_float_bits(to, qn_attr_type_of(from, a), qn__attr_bits_of_float(from, a));
  case QN_ATTR_STRING: return qn_attr_string(to, qn_attr_as_string(from, a));
  case QN_ATTR_TYPE: return qn_attr_type(to, qn_attr_as_type(from, a));
  case QN_ATTR_ARRAY: return import_array(to, from, a, al);
  case QN_ATTR_DICT: return import_dict(to, from, a, al);
  case QN_ATTR_INTS: ints = qn_attr_as_ints(from, a, &n); return qn_attr_ints(to, qn__attr_ints_elem(from, a), n, ints);
  case QN_ATTR_DENSE: return import_dense(to, from, a);
  case QN_ATTR_SYMBOL: return qn_attr_symbol(to, qn_attr_as_string(from, a));
  case QN_ATTR_DIALECT: return qn_attr_dialect(to, qn_attr_dialect_name(from, a), qn_attr_as_string(from, a));
  }
  return (qn_attr){0};
}
