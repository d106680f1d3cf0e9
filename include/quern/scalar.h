/* Element types, driven by types.def. */
#ifndef QUERN_SCALAR_H
#define QUERN_SCALAR_H

#include <quern/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_scalar {
  QN_SCALAR_NONE = 0,
#define QN_SCALAR(symbol, text, bits, storage, cls, numpy, safetensors, onnx, upstream) QN_##symbol,
#include <quern/types.def>
#undef QN_SCALAR
  QN_SCALAR_COUNT
} qn_scalar;

typedef enum qn_scalar_class { QN_FLOAT, QN_SIGNLESS, QN_UNSIGNED, QN_SIGNED } qn_scalar_class;

typedef struct qn_scalar_info {
  const char *text;
  uint8_t bits, storage_bits;
  qn_scalar_class cls;
  const char *numpy, *safetensors; /* null where the format has no such type */
  int onnx;
  bool upstream;
} qn_scalar_info;

/* Never null: QN_SCALAR_NONE and values out of range give a row named "none" with 0 bits. */
QN_API const qn_scalar_info *qn_scalar_get(qn_scalar s);
QN_API qn_scalar qn_scalar_find(qn_str text); /* by its text; QN_SCALAR_NONE when there is none */
QN_API bool qn_scalar_is_float(qn_scalar s);
QN_API bool qn_scalar_is_int(qn_scalar s);
/* Smallest and largest value of an integer type (ui64's largest is given as -1's bits). */
QN_API int64_t qn_scalar_min(qn_scalar s);
QN_API int64_t qn_scalar_max(qn_scalar s);
/* Whether none of `count` elements of f64, f32, f16 or bf16 is infinite or NaN; false for other types. Any alignment.
 */
QN_API bool qn_scalar_all_finite(qn_scalar s, const void *data, uint64_t count);
/* Bytes that n packed elements take: ceil(n * storage_bits / 8). SIZE_MAX when it does not fit. */
QN_API size_t qn_scalar_bytes(qn_scalar s, uint64_t n);

enum { QN_MAX_RANK = 8 };

/* A dense tensor in memory: row-major, compact. Elements below 8 bits are packed low bits first without row padding.
 * A view: who owns `data` is said by the function that gives it. */
typedef struct qn_tensor {
  qn_scalar elem;
  uint32_t rank;
  int64_t shape[QN_MAX_RANK];
  void *data; /* any alignment */
} qn_tensor;

/* Product of the sizes; 1 for rank 0; -1 when a size is negative or the product does not fit. */
QN_API int64_t qn_tensor_count(const qn_tensor *t);
/* qn_scalar_bytes of the count; SIZE_MAX when it does not fit. */
QN_API size_t qn_tensor_bytes(const qn_tensor *t);
/* Element i, converted: packed elements too. Integers above 2^53 are rounded by the _f64 form. */
QN_API double qn_tensor_get_f64(const qn_tensor *t, int64_t i);
QN_API int64_t qn_tensor_get_i64(const qn_tensor *t, int64_t i);
/* Floats are rounded to nearest even, integers take the low bits. */
QN_API void qn_tensor_set_f64(qn_tensor *t, int64_t i, double v);
QN_API void qn_tensor_set_i64(qn_tensor *t, int64_t i, int64_t v);

#ifdef __cplusplus
}
#endif
#endif
