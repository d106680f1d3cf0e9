/* Attributes: constants attached to ops. They belong to a module and are interned there: equal small attributes have
 * equal ids. Id 0 is the null attribute. */
#ifndef QUERN_ATTR_H
#define QUERN_ATTR_H

#include <quern/type.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_module qn_module;

typedef struct qn_attr {
  uint32_t id;
} qn_attr;

typedef enum qn_attr_kind {
  QN_ATTR_NULL,
  QN_ATTR_UNIT,
  QN_ATTR_BOOL,
  QN_ATTR_INT,    /* 3 : i64, 3 : ui8 */
  QN_ATTR_FLOAT,  /* 0.5 : f32 */
  QN_ATTR_STRING, /* "text" */
  QN_ATTR_TYPE,
  QN_ATTR_ARRAY,  /* [..] */
  QN_ATTR_DICT,   /* {name = ..} sorted by name */
  QN_ATTR_INTS,   /* array<i64: 1, 2>, also i1 i8 i16 i32 f32 f64 */
  QN_ATTR_DENSE,  /* dense<..> : tensor<..>, and dense_resource<key> : tensor<..> */
  QN_ATTR_SYMBOL, /* @name */
  QN_ATTR_DIALECT /* #quern.name<text>, text kept as it is */
} qn_attr_kind;

typedef struct qn_named_attr {
  qn_name name;
  qn_attr attr;
} qn_named_attr;

QN_API qn_attr_kind qn_attr_kind_of(const qn_module *m, qn_attr a);
static inline bool qn_attr_eq(qn_attr a, qn_attr b) {
  return a.id == b.id;
}

QN_API qn_attr qn_attr_unit(qn_module *m);
QN_API qn_attr qn_attr_bool(qn_module *m, bool v);
QN_API qn_attr qn_attr_int(qn_module *m, qn_type type, int64_t v);  /* i64 when type is null */
QN_API qn_attr qn_attr_float(qn_module *m, qn_type type, double v); /* f32 when type is null; v is rounded to it */
QN_API qn_attr qn_attr_string(qn_module *m, qn_str v);
QN_API qn_attr qn_attr_type(qn_module *m, qn_type v);
QN_API qn_attr qn_attr_array(qn_module *m, uint32_t n, const qn_attr *v);
QN_API qn_attr qn_attr_dict(qn_module *m, uint32_t n, const qn_named_attr *v); /* any order; names unique */
QN_API qn_attr qn_attr_ints(qn_module *m, qn_scalar elem, uint32_t n, const int64_t *v);
QN_API qn_attr qn_attr_symbol(qn_module *m, qn_str name);
QN_API qn_attr qn_attr_dialect(qn_module *m, qn_str name, qn_str text); /* name "quern.dims" */

/* Dense data: `type` a static tensor type, `data` packed row-major (see qn_tensor) of qn_scalar_bytes bytes, copied.
 * A splat holds one element. */
QN_API qn_attr qn_attr_dense(qn_module *m, qn_type type, const void *data);
QN_API qn_attr qn_attr_splat(qn_module *m, qn_type type, const void *element);
/* The same without a copy: `data` must live as long as the module. `key` names it as a resource, id 0 for none. */
QN_API qn_attr qn_attr_dense_borrow(qn_module *m, qn_type type, const void *data, qn_name key);
/* Room in the module for `type`'s data, to be filled by the caller before the attribute is used elsewhere. */
QN_API qn_attr qn_attr_dense_new(qn_module *m, qn_type type, void **data);
QN_API qn_attr qn_attr_dense_from_tensor(qn_module *m, const qn_tensor *t); /* copies */

QN_API bool qn_attr_as_bool(const qn_module *m, qn_attr a);
QN_API int64_t qn_attr_as_int(const qn_module *m, qn_attr a);
QN_API double qn_attr_as_float(const qn_module *m, qn_attr a);
QN_API qn_str qn_attr_as_string(const qn_module *m, qn_attr a);    /* string, symbol, dialect's text */
QN_API qn_str qn_attr_dialect_name(const qn_module *m, qn_attr a); /* "quern.dims" */
QN_API qn_type qn_attr_as_type(const qn_module *m, qn_attr a);     /* a type attribute's value */
QN_API qn_type qn_attr_type_of(const qn_module *m, qn_attr a);     /* type of an int, float, dense */
QN_API uint32_t qn_attr_size(const qn_module *m, qn_attr a);       /* array, dict, ints: number of entries */
QN_API qn_attr qn_attr_at(const qn_module *m, qn_attr a, uint32_t i);
QN_API qn_named_attr qn_attr_entry(const qn_module *m, qn_attr dict, uint32_t i);
QN_API qn_attr qn_attr_find(const qn_module *m, qn_attr dict, qn_name name);       /* null when absent */
QN_API const int64_t *qn_attr_as_ints(const qn_module *m, qn_attr a, uint32_t *n); /* null unless QN_ATTR_INTS */
QN_API bool qn_attr_is_splat(const qn_module *m, qn_attr dense);
/* One element for a splat, else all of them. */
QN_API const void *qn_attr_data(const qn_module *m, qn_attr dense);
QN_API qn_name qn_attr_resource(const qn_module *m, qn_attr dense); /* key, id 0 for none */
/* Element i of a dense attribute as a number, splat or not. */
QN_API double qn_attr_dense_f64(const qn_module *m, qn_attr dense, int64_t i);
QN_API int64_t qn_attr_dense_i64(const qn_module *m, qn_attr dense, int64_t i);
/* The whole tensor, splat expanded, copied into memory that lives as long as the module. False when memory runs out. */
QN_API bool qn_attr_dense_tensor(qn_module *m, qn_attr dense, qn_tensor *out);

#ifdef __cplusplus
}
#endif
#endif
