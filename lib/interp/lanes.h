/* Arrays of scalars in the three forms that the evaluator computes in, and their passage from and to memory.
 *
 *   INT  int64_t, the value of the element's own width: sign-extended, or zero-extended for unsigned types. An i1 is 0
 *        or -1, as sign extension has it.
 *   F32  float, for f32 and every narrower format (always a value that the format has)
 *   F64  double */
#ifndef QN_LANES_H
#define QN_LANES_H
#include <quern/num.h>

typedef enum qn__lane_kind { QN__LANE_INT, QN__LANE_F32, QN__LANE_F64, QN__LANE_KINDS } qn__lane_kind;

/* One array; every element takes 8 bytes of room whatever its form. */
typedef union qn__lanes {
  void *p;
  int64_t *i;
  float *f;
  double *d;
} qn__lanes;

static inline qn__lane_kind qn__lane_kind_of(qn_scalar s) {
  return s == QN_F64 ? QN__LANE_F64 : qn_scalar_is_float(s) ? QN__LANE_F32 : QN__LANE_INT;
}

/* dst[i] = element base + i * stride of t, its bits read as type `as`, which is as wide as t's. */
void qn__lanes_load(qn__lanes dst, qn_scalar as, const qn_tensor *t, int64_t base, int64_t stride, size_t n);
/* Elements base.. of t become the bits of src, of type `as`. */
void qn__lanes_store(qn_tensor *t, int64_t base, qn_scalar as, qn__lanes src, size_t n);
/* Integers wrap to the type's width, floats are rounded to the type's format. */
void qn__lanes_fix(qn__lanes v, qn_scalar type, size_t n);
/* Every lane the value with these bits. */
void qn__lanes_fill(qn__lanes v, qn_scalar type, uint64_t bits, size_t n);

/* The integer that `bits` are in this type. */
int64_t qn__int_extend(qn_scalar type, uint64_t bits);
/* A float's bits in a format and back; narrow formats round to nearest even, 8-bit ones saturate. */
uint64_t qn__float_encode(qn_scalar format, float x);
uint64_t qn__float_encode_f64(qn_scalar format, double x);
float qn__float_decode(qn_scalar format, uint64_t bits); /* not for f64 */
/* An integer (as unsigned magnitude and sign) rounded once to any float format: its bits. */
uint64_t qn__float_from_int(qn_scalar format, uint64_t magnitude, bool negative);
#endif
