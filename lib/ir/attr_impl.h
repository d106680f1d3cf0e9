/* The inside of attributes: one table per module, interned. */
#ifndef QN_ATTR_IMPL_H
#define QN_ATTR_IMPL_H
#include "map.h"
#include "vec.h"
#include <quern/attr.h>

/* Arrays and dictionaries inside each other: deeper ones are refused (null attribute), so that recursion over an
 * attribute is bounded. */
enum { QN__ATTR_MAX_DEPTH = 128 };

/* Aliases let a few lines of text stand for lists that no disk could hold: what would be written out, in entries and in
 * pieces of 64 bytes of data, is bounded, too. */
enum { QN__ATTR_MAX_ENTRIES = 1 << 24 };

/* Dense data up to this size is interned by content; larger data is equal only to itself. */
enum { QN__ATTR_INTERN_BYTES = 64 * 1024 };

typedef struct qn__dense {
  const void *data; /* one element for a splat */
  size_t bytes;     /* of data */
  qn_name key;      /* the resource's, id 0 for none */
  bool borrowed;
  void *expanded; /* a splat written out, made when first asked for */
} qn__dense;

typedef struct qn__attr_rec {
  uint8_t kind; /* qn_attr_kind */
  uint8_t elem; /* ints: their qn_scalar */
  uint8_t depth;
  bool splat;
  uint32_t type; /* bool int float dense type: a type's id; dialect: its name's id */
  uint32_t size; /* array dict ints: entries; string symbol dialect: bytes */
  uint32_t all;  /* array dict: entries of entries, too */
  union {
    int64_t i;     /* int: its value, sign-extended unless unsigned; bool */
    uint64_t bits; /* float: the bits of its own type */
    const void
        *p; /* string symbol dialect: text; array: qn_attr; dict: qn_named_attr; ints: int64_t; dense: qn__dense */
  } v;
} qn__attr_rec;

typedef struct qn_attr_table {
  QN_VEC(qn__attr_rec) recs; /* index 0 is the null attribute */
  qn_map map;
} qn_attr_table;

/* False when memory is exhausted (not reported). */
bool qn__attr_table_init(qn_attr_table *t, qn_module *m);
void qn__attr_table_free(qn_attr_table *t, const qn_allocator *allocator);
/* Makes `to`'s freshly initialized table equal to `from`'s, ids included: attributes of a cloned module need no
 * translation. Owned data is copied, borrowed data shared. Both modules have one context. False when memory is
 * exhausted (not reported). */
bool qn__attr_table_clone(qn_module *to, const qn_module *from);
/* The same attribute in another module of the same context; `a` itself when both are one. */
qn_attr qn__attr_import(qn_module *to, const qn_module *from, qn_attr a);

/* The record of an attribute; that of the null attribute for ids out of range. Valid until the next one is made. */
const qn__attr_rec *qn__attr_get(const qn_module *m, qn_attr a);
/* Whether v.p leads to an array of plain entries, and its bytes. */
bool qn__attr_has_payload(const qn__attr_rec *r);
size_t qn__attr_payload(const qn__attr_rec *r);
/* Add a record whose payload lies in the module already: for itself, or found again under a hash. */
qn_attr qn__attr_add(qn_module *m, const qn__attr_rec *rec);
qn_attr qn__attr_add_hashed(qn_module *m, const qn__attr_rec *rec, uint32_t hash);
/* What arrays and dictionaries come to: depth, and entries of entries. */
typedef struct qn__attr_extent {
  uint32_t depth, entries;
} qn__attr_extent;
/* Adds one entry. False for null, and for one too many or too deep. */
bool qn__attr_extend(const qn_module *m, qn_attr a, qn__attr_extent *e);
/* The order of dictionaries: by text. */
int qn__name_order(const qn_context *ctx, qn_name a, qn_name b);

/* Null unless dense. */
const qn__dense *qn__attr_dense(const qn_module *m, qn_attr a);
/* As qn_attr_dense and qn_attr_splat, with a resource's name. */
qn_attr qn__attr_dense_keyed(qn_module *m, qn_type type, const void *data, qn_name key);
qn_attr qn__attr_splat_keyed(qn_module *m, qn_type type, const void *element, qn_name key);

/* A float attribute by the bits of its type (low bits of `bits`), NaN payloads included; and back. */
qn_attr qn__attr_float_bits(qn_module *m, qn_type type, uint64_t bits);
uint64_t qn__attr_bits_of_float(const qn_module *m, qn_attr a);
/* The scalar of an ints attribute. */
qn_scalar qn__attr_ints_elem(const qn_module *m, qn_attr a);
#endif
