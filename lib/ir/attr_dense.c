/* Dense data: constants of tensors. */
#include "module_access.h"
#include "scalar.h"
#include <string.h>
#include <xxhash.h>

/* What a static tensor type says about its data. */
typedef struct layout {
  qn_scalar elem;
  int64_t count;
  size_t bytes, elem_bytes; /* a packed element alone takes a byte */
  unsigned bits;
} layout;

static bool layout_of(const qn_context *ctx, qn_type type, layout *l) {
  if (qn_type_kind_of(ctx, type) != QN_TYPE_TENSOR) return false;
  l->elem = qn_type_memory(ctx, type);
  l->count = qn_type_count(ctx, type);
  l->bits = qn_scalar_get(l->elem)->storage_bits;
  if (l->elem == QN_SCALAR_NONE || l->count < 0) return false;
  l->bytes = qn_scalar_bytes(l->elem, (uint64_t)l->count);
  l->elem_bytes = l->bits < 8 ? 1 : l->bits / 8;
  return l->bytes != SIZE_MAX;
}

static qn_attr failed(qn_module *m) {
  qn__module_fail(m);
  return (qn_attr){0};
}

/* ---- packed elements ---- */

/* The bits of the last byte that elements use; 0xFF when there is no unused one. */
static uint8_t tail_mask(const layout *l) {
  unsigned used = (unsigned)((uint64_t)l->count % 8 * l->bits % 8);
  return (uint8_t)(used ? (1u << used) - 1 : 0xFF);
}

static bool tail_clean(const layout *l, const void *data) {
  return l->bytes == 0 || (((const uint8_t *)data)[l->bytes - 1] & ~tail_mask(l)) == 0;
}

/* A byte full of one packed element. */
static uint8_t repeated(const layout *l, uint8_t element) {
  unsigned byte = 0;
  for (unsigned at = 0; at < 8; at += l->bits) byte |= ((unsigned)element & ((1u << l->bits) - 1)) << at;
  return (uint8_t)byte;
}

static bool all_equal(const layout *l, const void *data) {
  if (l->count == 0 || !data) return false;
  const uint8_t *p = data;
  if (l->bits >= 8) return memcmp(p, p + l->elem_bytes, l->bytes - l->elem_bytes) == 0;
  uint8_t byte = repeated(l, p[0]), mask = tail_mask(l);
  for (size_t i = 0; i + 1 < l->bytes; i++)
    if (p[i] != byte) return false;
  return (p[l->bytes - 1] & mask) == (byte & mask);
}

/* ---- interning ---- */

static bool dense_equal(const void *owner, const void *key, uint32_t id) {
  const qn_attr_table *t = owner;
  const qn__attr_rec *a = key, *b = &t->recs.data[id];
  if (b->kind != QN_ATTR_DENSE || a->type != b->type || a->splat != b->splat) return false;
  const qn__dense *x = a->v.p, *y = b->v.p;
  if (x->key.id != y->key.id || x->borrowed != y->borrowed || x->bytes != y->bytes) return false;
  return x->borrowed ? x->data == y->data : memcmp(x->data, y->data, x->bytes) == 0;
}

/* Borrowed data is told apart by its address: reading a mapped file to hash it would load it. */
static uint32_t dense_hash(const qn__dense *d, qn_type type) {
  uint64_t content = d->borrowed ? (uint64_t)(uintptr_t)d->data : XXH3_64bits(d->data, d->bytes);
  return qn__hash_u64(content ^ (uint64_t)type.id << 32 ^ d->key.id);
}

/* Adds data that lies where it will stay. */
static qn_attr keep(qn_module *m, qn_type type, const qn__dense *d, bool splat, const uint32_t *hash) {
  qn__dense *kept = qn__arena_copy(qn__module_arena(m), d, sizeof *d);
  if (!kept) return failed(m);
  qn__attr_rec rec = {.kind = QN_ATTR_DENSE, .splat = splat, .type = type.id, .v.p = kept};
  return hash ? qn__attr_add_hashed(m, &rec, *hash) : qn__attr_add(m, &rec);
}

/* Copies the data unless an equal attribute exists or it is borrowed. */
static qn_attr add_dense(qn_module *m, qn_type type, qn__dense d, bool splat) {
  bool interned = d.borrowed || d.bytes <= QN__ATTR_INTERN_BYTES;
  uint32_t hash = interned ? dense_hash(&d, type) : 0;
  if (interned) {
    const qn_attr_table *t = qn__module_attrs(m);
    qn__attr_rec key = {.kind = QN_ATTR_DENSE, .splat = splat, .type = type.id, .v.p = &d};
    uint32_t id = qn__map_find(&t->map, hash, dense_equal, t, &key);
    if (id) return (qn_attr){id};
  }
  if (!d.borrowed) {
    d.data = qn__arena_copy(qn__module_arena(m), d.data, d.bytes);
    if (!d.data) return failed(m);
  }
  return keep(m, type, &d, splat, interned ? &hash : NULL);
}

/* Data whose last byte has stray bits: what is kept has none, so that equal elements are equal bytes. */
static qn_attr add_cleaned(qn_module *m, qn_type type, const layout *l, const void *data, qn_name key) {
  uint8_t *copy = qn__arena_copy(qn__module_arena(m), data, l->bytes);
  if (!copy) return failed(m);
  copy[l->bytes - 1] = (uint8_t)(copy[l->bytes - 1] & tail_mask(l));
  return add_dense(m, type, (qn__dense){.data = copy, .bytes = l->bytes, .key = key}, false);
}

static qn_attr add_splat(qn_module *m, qn_type type, const layout *l, const void *element, qn_name key) {
  uint8_t low = 0;
  if (l->bits < 8) {
    low = (uint8_t)(*(const uint8_t *)element & ((1u << l->bits) - 1));
    element = &low;
  }
  return add_dense(m, type, (qn__dense){.data = element, .bytes = l->elem_bytes, .key = key}, true);
}

qn_attr qn__attr_dense_keyed(qn_module *m, qn_type type, const void *data, qn_name key) {
  layout l;
  if (!layout_of(qn_module_context(m), type, &l) || (!data && l.bytes)) return (qn_attr){0};
  if (all_equal(&l, data)) return add_splat(m, type, &l, data, key);
  if (!tail_clean(&l, data)) return add_cleaned(m, type, &l, data, key);
  return add_dense(m, type, (qn__dense){.data = data ? data : "", .bytes = l.bytes, .key = key}, false);
}

qn_attr qn_attr_dense(qn_module *m, qn_type type, const void *data) {
  return qn__attr_dense_keyed(m, type, data, (qn_name){0});
}

qn_attr qn__attr_splat_keyed(qn_module *m, qn_type type, const void *element, qn_name key) {
  layout l;
  if (!layout_of(qn_module_context(m), type, &l) || !element) return (qn_attr){0};
  /* A splat of nothing has no element. */
  if (l.count == 0) return add_dense(m, type, (qn__dense){.data = "", .key = key}, false);
  return add_splat(m, type, &l, element, key);
}

qn_attr qn_attr_splat(qn_module *m, qn_type type, const void *element) {
  return qn__attr_splat_keyed(m, type, element, (qn_name){0});
}

qn_attr qn_attr_dense_borrow(qn_module *m, qn_type type, const void *data, qn_name key) {
  layout l;
  if (!layout_of(qn_module_context(m), type, &l) || (!data && l.bytes)) return (qn_attr){0};
  qn__dense d = {.data = data ? data : "", .bytes = l.bytes, .key = key, .borrowed = true};
  return add_dense(m, type, d, false);
}

/* Never shared: its contents are not known yet. */
qn_attr qn_attr_dense_new(qn_module *m, qn_type type, void **data) {
  layout l;
  *data = NULL;
  if (!layout_of(qn_module_context(m), type, &l)) return (qn_attr){0};
  void *room = qn__arena_zero(qn__module_arena(m), l.bytes);
  if (!room) return failed(m);
  qn_attr a = keep(m, type, &(qn__dense){.data = room, .bytes = l.bytes}, false, NULL);
  if (a.id) *data = room;
  return a;
}

qn_attr qn_attr_dense_from_tensor(qn_module *m, const qn_tensor *t) {
  qn_context *ctx = qn_module_context(m);
  qn_type type = qn_type_tensor(ctx, qn_type_scalar(ctx, t->elem), t->rank, t->shape);
  return type.id ? qn_attr_dense(m, type, t->data) : (qn_attr){0};
}

/* ---- reading ---- */

const qn__dense *qn__attr_dense(const qn_module *m, qn_attr a) {
  const qn__attr_rec *r = qn__attr_get(m, a);
  return r->kind == QN_ATTR_DENSE ? r->v.p : NULL;
}

bool qn_attr_is_splat(const qn_module *m, qn_attr dense) {
  return qn__attr_get(m, dense)->splat;
}

const void *qn_attr_data(const qn_module *m, qn_attr dense) {
  const qn__dense *d = qn__attr_dense(m, dense);
  return d ? d->data : NULL;
}

qn_name qn_attr_resource(const qn_module *m, qn_attr dense) {
  const qn__dense *d = qn__attr_dense(m, dense);
  return d ? d->key : (qn_name){0};
}

/* Where element i is; false when there is none. */
static bool find_element(const qn_module *m, qn_attr dense, int64_t i, layout *l, const void **data, size_t *at) {
  const qn__attr_rec *r = qn__attr_get(m, dense);
  if (r->kind != QN_ATTR_DENSE || !layout_of(qn_module_context(m), (qn_type){r->type}, l)) return false;
  if (i < 0 || i >= l->count) return false;
  *data = ((const qn__dense *)r->v.p)->data;
  *at = r->splat ? 0 : (size_t)i;
  return true;
}

double qn_attr_dense_f64(const qn_module *m, qn_attr dense, int64_t i) {
  layout l;
  const void *data;
  size_t at;
  return find_element(m, dense, i, &l, &data, &at) ? qn__load_f64(l.elem, data, at) : 0;
}

int64_t qn_attr_dense_i64(const qn_module *m, qn_attr dense, int64_t i) {
  layout l;
  const void *data;
  size_t at;
  return find_element(m, dense, i, &l, &data, &at) ? qn__load_i64(l.elem, data, at) : 0;
}

static void fill(uint8_t *out, const layout *l, const uint8_t *element) {
  if (l->elem_bytes == 1) {
    memset(out, l->bits < 8 ? repeated(l, *element) : *element, l->bytes);
    out[l->bytes - 1] = (uint8_t)(out[l->bytes - 1] & tail_mask(l));
    return;
  }
  memcpy(out, element, l->elem_bytes);
  for (size_t done = l->elem_bytes; done < l->bytes;) {
    size_t more = done < l->bytes - done ? done : l->bytes - done;
    memcpy(out + done, out, more);
    done += more;
  }
}

bool qn_attr_dense_tensor(qn_module *m, qn_attr dense, qn_tensor *out) {
  const qn__attr_rec *r = qn__attr_get(m, dense);
  qn_context *ctx = qn_module_context(m);
  layout l;
  if (r->kind != QN_ATTR_DENSE || !layout_of(ctx, (qn_type){r->type}, &l)) return false;
  /* The record is the module's own and the module is not const here. */
  qn__dense *d = (qn__dense *)r->v.p;
  bool splat = r->splat;
  *out = (qn_tensor){.elem = l.elem, .rank = qn_type_rank(ctx, (qn_type){r->type})};
  if (out->rank) memcpy(out->shape, qn_type_shape(ctx, (qn_type){r->type}), out->rank * sizeof *out->shape);
  if (splat && !d->expanded) {
    d->expanded = l.count == 1 ? (void *)d->data : qn__arena_alloc(qn__module_arena(m), l.bytes);
    if (!d->expanded) return qn__module_fail(m), false;
    if (l.count > 1) fill(d->expanded, &l, d->data);
  }
  out->data = splat ? d->expanded : (void *)d->data;
  return true;
}
