/* Elements of arrays by type and index: what constants, files and the evaluator read and write through. Elements below
 * 8 bits are packed low bits first; data may have any alignment; values are in the machine's byte order. */
#ifndef QN_SCALAR_ACCESS_H
#define QN_SCALAR_ACCESS_H
#include <quern/scalar.h>

/* The element's bits, zero-extended. */
uint64_t qn__load_bits(qn_scalar s, const void *data, size_t i);
void qn__store_bits(qn_scalar s, void *data, size_t i, uint64_t bits);

/* The element's value: floats exactly; ui64 as unsigned; integers beyond 2^53 (2^24) to nearest even. */
double qn__load_f64(qn_scalar s, const void *data, size_t i);
float qn__load_f32(qn_scalar s, const void *data, size_t i);
/* Floats truncate and saturate, NaN gives 0; ui64 above INT64_MAX gives its bits; i1 is 0 or 1. */
int64_t qn__load_i64(qn_scalar s, const void *data, size_t i);

/* Into floats: one rounding to nearest even, the format's own overflow (see qn_f16_from_f32 and its neighbours in
 * num.h; E4M3FN, E5M2 and E8M0FNU do not saturate, E2M1FN does). Into integers: f64 truncates and saturates, NaN gives
 * 0; i64 keeps the low bits; i1 is set by anything but 0. */
void qn__store_f64(qn_scalar s, void *data, size_t i, double v);
void qn__store_f32(qn_scalar s, void *data, size_t i, float v);
void qn__store_i64(qn_scalar s, void *data, size_t i, int64_t v);
/* As store_f64, but every format saturates: quantization to small floats. */
void qn__store_f64_saturating(qn_scalar s, void *data, size_t i, double v);

/* Bits of one element as value and back, for text and attributes. */
double qn__scalar_value(qn_scalar s, uint64_t bits);
uint64_t qn__scalar_bits(qn_scalar s, double v, bool saturate);
#endif
