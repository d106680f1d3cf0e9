/* Attributes but for dense data: made, interned and read. */
#include "module_access.h"
#include "scalar.h"
#include <string.h>

enum { UNIT_ID = 1, FALSE_ID = 2, TRUE_ID = 3, FIRST_FREE = 4 };

/* ---- the table ---- */

bool qn__attr_table_init(qn_attr_table *t, qn_module *m) {
  qn_context *ctx = qn_module_context(m);
  uint32_t i1 = qn_type_scalar(ctx, QN_I1).id;
  *t = (qn_attr_table){0};
  if (!i1 || !qn__reserve(qn_context_allocator(ctx), &t->recs, FIRST_FREE)) return false;
  t->recs.data[0] = (qn__attr_rec){0};
  t->recs.data[UNIT_ID] = (qn__attr_rec){.kind = QN_ATTR_UNIT};
  t->recs.data[FALSE_ID] = (qn__attr_rec){.kind = QN_ATTR_BOOL, .type = i1};
  t->recs.data[TRUE_ID] = (qn__attr_rec){.kind = QN_ATTR_BOOL, .type = i1, .v.i = 1};
  t->recs.size = FIRST_FREE;
  return true;
}

void qn__attr_table_free(qn_attr_table *t, const qn_allocator *allocator) {
  qn__map_free(allocator, &t->map);
  qn__vec_free(allocator, &t->recs);
}

const qn__attr_rec *qn__attr_get(const qn_module *m, qn_attr a) {
  const qn_attr_table *t = qn__module_attrs_const(m);
  return &t->recs.data[a.id < t->recs.size ? a.id : 0];
}

size_t qn__attr_payload(const qn__attr_rec *r) {
  static const uint8_t entry[] = {[QN_ATTR_STRING] = 1,
                                  [QN_ATTR_ARRAY] = sizeof(qn_attr),
                                  [QN_ATTR_DICT] = sizeof(qn_named_attr),
                                  [QN_ATTR_INTS] = sizeof(int64_t),
                                  [QN_ATTR_SYMBOL] = 1,
                                  [QN_ATTR_DIALECT] = 1};
  return (size_t)r->size * entry[r->kind];
}

bool qn__attr_has_payload(const qn__attr_rec *r) {
  return r->kind == QN_ATTR_STRING || (r->kind >= QN_ATTR_ARRAY && r->kind != QN_ATTR_DENSE);
}

qn_attr qn__attr_add(qn_module *m, const qn__attr_rec *rec) {
  qn_attr_table *t = qn__module_attrs(m);
  const qn_allocator *a = qn_context_allocator(qn_module_context(m));
  if (qn__push(a, &t->recs, *rec)) return (qn_attr){t->recs.size - 1};
  qn__module_fail(m);
  return (qn_attr){0};
}

qn_attr qn__attr_add_hashed(qn_module *m, const qn__attr_rec *rec, uint32_t hash) {
  qn_attr_table *t = qn__module_attrs(m);
  const qn_allocator *a = qn_context_allocator(qn_module_context(m));
  if (!qn__reserve(a, &t->recs, 1) || !qn__map_add(a, &t->map, hash, t->recs.size)) {
    qn__module_fail(m);
    return (qn_attr){0};
  }
  return qn__attr_add(m, rec);
}

static bool rec_equal(const void *owner, const void *key, uint32_t id) {
  const qn_attr_table *t = owner;
  const qn__attr_rec *a = key, *b = &t->recs.data[id];
  if (a->kind != b->kind || a->elem != b->elem || a->type != b->type || a->size != b->size) return false;
  if (!qn__attr_has_payload(a)) return a->v.bits == b->v.bits;
  return a->size == 0 || memcmp(a->v.p, b->v.p, qn__attr_payload(a)) == 0;
}

static qn_attr intern(qn_module *m, const qn__attr_rec *rec) {
  const qn_attr_table *t = qn__module_attrs(m);
  bool payload = qn__attr_has_payload(rec);
  size_t bytes = qn__attr_payload(rec);
  uint32_t seed = (rec->kind | (uint32_t)rec->elem << 8) * 0x9E3779B9u ^ rec->type;
  uint32_t hash = payload ? qn__hash(rec->v.p, bytes, seed) : qn__hash(&rec->v, sizeof rec->v, seed);
  uint32_t id = qn__map_find(&t->map, hash, rec_equal, t, rec);
  if (id) return (qn_attr){id};
  qn__attr_rec copy = *rec;
  if (payload) {
    /* As a string: text is zero-terminated. */
    copy.v.p = qn__arena_str(qn__module_arena(m), (qn_str){rec->v.p, bytes}).data;
    if (!copy.v.p) {
      qn__module_fail(m);
      return (qn_attr){0};
    }
  }
  return qn__attr_add_hashed(m, &copy, hash);
}

/* ---- one value ---- */

qn_attr qn_attr_unit(qn_module *m) {
  (void)m;
  return (qn_attr){UNIT_ID};
}

qn_attr qn_attr_bool(qn_module *m, bool v) {
  (void)m;
  return (qn_attr){v ? TRUE_ID : FALSE_ID};
}

/* The value that the low bits of v have in a type. */
static int64_t wrap(qn_scalar s, int64_t v) {
  const qn_scalar_info *info = qn_scalar_get(s);
  if (info->bits >= 64) return v;
  uint64_t mask = (UINT64_C(1) << info->bits) - 1, bits = (uint64_t)v & mask;
  uint64_t sign = info->cls == QN_UNSIGNED || s == QN_I1 ? 0 : UINT64_C(1) << (info->bits - 1);
  return (int64_t)((bits ^ sign) - sign);
}

/* An integer of type i1 is a bool, as in MLIR: there is one attribute for each truth value. */
qn_attr qn_attr_int(qn_module *m, qn_type type, int64_t v) {
  qn_context *ctx = qn_module_context(m);
  if (!type.id) type = qn_type_scalar(ctx, QN_I64);
  qn_scalar s = qn_type_as_scalar(ctx, type);
  if (!qn_scalar_is_int(s)) return (qn_attr){0};
  v = wrap(s, v);
  if (s == QN_I1) return qn_attr_bool(m, v != 0);
  return intern(m, &(qn__attr_rec){.kind = QN_ATTR_INT, .type = type.id, .v.i = v});
}

qn_attr qn__attr_float_bits(qn_module *m, qn_type type, uint64_t bits) {
  qn_context *ctx = qn_module_context(m);
  if (!type.id) type = qn_type_scalar(ctx, QN_F32);
  qn_scalar s = qn_type_as_scalar(ctx, type);
  if (!qn_scalar_is_float(s)) return (qn_attr){0};
  unsigned width = qn_scalar_get(s)->bits;
  if (width < 64) bits &= (UINT64_C(1) << width) - 1;
  return intern(m, &(qn__attr_rec){.kind = QN_ATTR_FLOAT, .type = type.id, .v.bits = bits});
}

qn_attr qn_attr_float(qn_module *m, qn_type type, double v) {
  qn_context *ctx = qn_module_context(m);
  qn_scalar s = type.id ? qn_type_as_scalar(ctx, type) : QN_F32;
  return qn_scalar_is_float(s) ? qn__attr_float_bits(m, type, qn__scalar_bits(s, v, false)) : (qn_attr){0};
}

static qn_attr text_attr(qn_module *m, qn_attr_kind kind, uint32_t type, qn_str v) {
  if (v.size > UINT32_MAX / 2) return (qn_attr){0};
  return intern(m, &(qn__attr_rec){.kind = (uint8_t)kind, .type = type, .size = (uint32_t)v.size, .v.p = v.data});
}

qn_attr qn_attr_string(qn_module *m, qn_str v) {
  return text_attr(m, QN_ATTR_STRING, 0, v);
}

qn_attr qn_attr_symbol(qn_module *m, qn_str name) {
  return name.size ? text_attr(m, QN_ATTR_SYMBOL, 0, name) : (qn_attr){0};
}

qn_attr qn_attr_dialect(qn_module *m, qn_str name, qn_str text) {
  qn_name id = qn_name_of(qn_module_context(m), name);
  return id.id ? text_attr(m, QN_ATTR_DIALECT, id.id, text) : (qn_attr){0};
}

qn_attr qn_attr_type(qn_module *m, qn_type v) {
  if (qn_type_kind_of(qn_module_context(m), v) == QN_TYPE_NULL) return (qn_attr){0};
  return intern(m, &(qn__attr_rec){.kind = QN_ATTR_TYPE, .type = v.id});
}

/* ---- several values ---- */

static uint64_t entries_of(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  const qn__dense *d = qn__attr_dense(m, a);
  if (r->kind == QN_ATTR_ARRAY || r->kind == QN_ATTR_DICT) return r->all;
  if (d) return 1 + (d->key.id ? 0 : d->bytes / 64);
  return 1 + (qn__attr_has_payload(r) ? qn__attr_payload(r) / 64 : 0);
}

bool qn__attr_extend(const qn_module *m, qn_attr a, qn__attr_extent *e) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  uint64_t entries = e->entries + entries_of(m, a);
  if (r->kind == QN_ATTR_NULL || r->depth + 1 > QN__ATTR_MAX_DEPTH || entries > QN__ATTR_MAX_ENTRIES) return false;
  if (r->depth + 1u > e->depth) e->depth = r->depth + 1u;
  e->entries = (uint32_t)entries;
  return true;
}

qn_attr qn_attr_array(qn_module *m, uint32_t n, const qn_attr *v) {
  qn__attr_extent e = {1, 1};
  for (uint32_t i = 0; i < n; i++)
    if (!qn__attr_extend(m, v[i], &e)) return (qn_attr){0};
  qn__attr_rec rec = {.kind = QN_ATTR_ARRAY, .depth = (uint8_t)e.depth, .size = n, .all = e.entries, .v.p = v};
  return intern(m, &rec);
}

int qn__name_order(const qn_context *ctx, qn_name a, qn_name b) {
  if (a.id == b.id) return 0;
  qn_str x = qn_name_str(ctx, a), y = qn_name_str(ctx, b);
  size_t n = x.size < y.size ? x.size : y.size;
  int order = n ? memcmp(x.data, y.data, n) : 0;
  return order ? order : x.size < y.size ? -1 : 1;
}

/* Moves entry `root` of a max-heap down to where it belongs. */
static void sift(const qn_context *ctx, qn_named_attr *v, uint32_t root, uint32_t n) {
  qn_named_attr moved = v[root];
  for (size_t child; (child = 2 * (size_t)root + 1) < n; root = (uint32_t)child) {
    if (child + 1 < n && qn__name_order(ctx, v[child].name, v[child + 1].name) < 0) child++;
    if (qn__name_order(ctx, v[child].name, moved.name) <= 0) break;
    v[root] = v[child];
  }
  v[root] = moved;
}

/* Heap sort: no memory, and no bad case for a hostile dictionary. */
static void sort_entries(const qn_context *ctx, qn_named_attr *v, uint32_t n) {
  for (uint32_t i = n / 2; i-- > 0;) sift(ctx, v, i, n);
  for (uint32_t i = n; i-- > 1;) {
    qn_named_attr largest = v[0];
    v[0] = v[i];
    v[i] = largest;
    sift(ctx, v, 0, i);
  }
}

static bool ascending(const qn_context *ctx, const qn_named_attr *v, uint32_t n) {
  for (uint32_t i = 1; i < n; i++)
    if (qn__name_order(ctx, v[i - 1].name, v[i].name) >= 0) return false;
  return true;
}

static qn_attr sorted_dict(qn_module *m, const qn_named_attr *v, uint32_t n) {
  qn__attr_extent e = {1, 1};
  for (uint32_t i = 0; i < n; i++)
    if (!v[i].name.id || !qn__attr_extend(m, v[i].attr, &e)) return (qn_attr){0};
  qn__attr_rec rec = {.kind = QN_ATTR_DICT, .depth = (uint8_t)e.depth, .size = n, .all = e.entries, .v.p = v};
  return intern(m, &rec);
}

qn_attr qn_attr_dict(qn_module *m, uint32_t n, const qn_named_attr *v) {
  qn_context *ctx = qn_module_context(m);
  if (ascending(ctx, v, n)) return sorted_dict(m, v, n);
  qn_named_attr few[16];
  size_t bytes = (size_t)n * sizeof *v;
  qn_named_attr *sorted = n <= 16 ? few : qn__alloc(qn_context_allocator(ctx), bytes);
  if (!sorted) {
    qn__module_fail(m);
    return (qn_attr){0};
  }
  memcpy(sorted, v, bytes);
  sort_entries(ctx, sorted, n);
  /* Not ascending after sorting: two entries have one name. */
  qn_attr dict = ascending(ctx, sorted, n) ? sorted_dict(m, sorted, n) : (qn_attr){0};
  if (sorted != few) qn__free(qn_context_allocator(ctx), sorted, bytes);
  return dict;
}

static bool is_ints_elem(qn_scalar s) {
  return s == QN_I64 || s == QN_I32 || s == QN_I16 || s == QN_I8 || s == QN_I1 || s == QN_F32 || s == QN_F64;
}

static int64_t wrap_entry(qn_scalar s, int64_t v) {
  return s == QN_F32 ? v & 0xFFFFFFFF : qn_scalar_is_float(s) ? v : wrap(s, v);
}

qn_attr qn_attr_ints(qn_module *m, qn_scalar elem, uint32_t n, const int64_t *v) {
  if (!is_ints_elem(elem)) return (qn_attr){0};
  qn__attr_rec rec = {.kind = QN_ATTR_INTS, .elem = (uint8_t)elem, .size = n, .v.p = v};
  uint32_t good = 0;
  while (good < n && wrap_entry(elem, v[good]) == v[good]) good++;
  if (good == n) return intern(m, &rec);
  const qn_allocator *a = qn_context_allocator(qn_module_context(m));
  size_t bytes = (size_t)n * sizeof *v;
  int64_t *wrapped = qn__alloc(a, bytes);
  if (!wrapped) {
    qn__module_fail(m);
    return (qn_attr){0};
  }
  for (uint32_t i = 0; i < n; i++) wrapped[i] = wrap_entry(elem, v[i]);
  rec.v.p = wrapped;
  qn_attr ints = intern(m, &rec);
  qn__free(a, wrapped, bytes);
  return ints;
}
