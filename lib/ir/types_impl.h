/* The inside of types. Scalars are made with the table, so that a scalar type's id is its qn_scalar. */
#ifndef QN_TYPES_IMPL_H
#define QN_TYPES_IMPL_H
#include "map.h"
#include "vec.h"
#include <quern/type.h>

/* Function types inside each other; deeper ones are refused (null type). */
enum { QN__TYPE_MAX_DEPTH = 32 };
/* Quantized types with more parameters than this name them as a resource. */
enum { QN__TYPE_INLINE_PARAMS = 16 };

/* One type. `body` depends on the kind: see the structs below. */
typedef struct qn__type_rec {
  uint8_t kind; /* qn_type_kind */
  uint8_t rank; /* tensor */
  uint8_t depth;
  bool flag;     /* tensor: static */
  uint32_t elem; /* tensor: id of the element type */
  uint32_t size; /* bytes of body; opaque: without the terminating zero */
  uint32_t text_size;
  const void *body;
  const char *text; /* the pretty spelling, made when first asked for */
} qn__type_rec;

/* Followed by qn_name symbols[rank] when any dimension has one: rec.size tells. */
typedef struct qn__tensor_body {
  int64_t count; /* -1 when dynamic or too large */
  int64_t shape[];
} qn__tensor_body;
typedef struct qn__function_body {
  uint32_t num_inputs, num_results;
  qn_type types[]; /* inputs, then results */
} qn__function_body;
/* any, calibrated, quantile: the fields that a kind does not have are 0. */
typedef struct qn__parts_body {
  qn_type storage, expressed;
  int64_t qmin, qmax;
  double min, max;
  uint32_t is_signed;
  uint32_t num_entries;
  double entries[];
} qn__parts_body;
typedef struct qn__quant_body {
  qn_quant q;       /* its arrays lie in the context's arena */
  qn_name resource; /* id 0 up to QN__TYPE_INLINE_PARAMS parameters */
} qn__quant_body;

/* The record of a type; that of the null type for ids out of range. Valid until the next type is made. */
const qn__type_rec *qn__type_get(const qn_context *ctx, qn_type t);
/* Finds or adds a type whose record and body have the same bytes; the body is copied. Null when memory is exhausted
 * (reported). */
qn_type qn__type_intern(qn_context *ctx, const qn__type_rec *rec);
/* Adds a type whose body lies in the context's arena already, under a hash of the caller's. */
qn_type qn__type_add(qn_context *ctx, const qn__type_rec *rec, uint32_t hash);

/* A storage as signless integer and sign, small floats as they are. False when a code cannot be stored in it. */
bool qn__storage_normalize(qn_scalar *storage, bool *is_signed);
/* All codes that an integer storage has. */
void qn__storage_range(qn_scalar storage, bool is_signed, int64_t *lo, int64_t *hi);
/* As the public functions, with a place for what they report. */
qn_type qn__type_any_at(qn_context *ctx, qn_type storage, bool is_signed, int64_t qmin, int64_t qmax, qn_type expressed,
                        qn_place place);
qn_type qn__type_calibrated_at(qn_context *ctx, qn_type expressed, double min, double max, qn_place place);
qn_type qn__type_quantile_at(qn_context *ctx, qn_type storage, bool is_signed, qn_type expressed, uint32_t n,
                             const double *entries, qn_place place);
/* What qn_type_tensor cannot say: whether a tensor's quantized element type fits its shape (axes below the rank, one
 * scale per block, blocked sizes known), and whether the element count fits 63 bits. QN_OK for any other type. */
qn_status qn__type_check_tensor(qn_context *ctx, qn_type type, qn_place place);
/* Shared checks: reported and false when `expressed` is no float that values can have, or the codes do not fit. */
bool qn__type_check_expressed(qn_context *ctx, qn_type expressed, qn_place place);
bool qn__type_check_codes(qn_context *ctx, qn_scalar storage, bool is_signed, int64_t qmin, int64_t qmax,
                          qn_place place);
#endif
