/* How close two streams of values are: sums that grow tensor by tensor. */
#ifndef QN_CLOSENESS_H
#define QN_CLOSENESS_H
#include <quern/driver.h>

/* A tensor of a program with its declared type; codes of a quantized type are read as what they stand for. */
typedef struct qn__typed {
  const qn_context *ctx;
  qn_type elem;
  const qn_tensor *t;
} qn__typed;

/* Values as doubles, one after the other. */
typedef struct qn__reader {
  const qn_tensor *t;
  const qn_quant *quant; /* null for plain elements */
  const double *entries; /* of a codebook */
  uint32_t num_entries;
  int64_t stride[QN_MAX_RANK]; /* of the parameters, per block; 0 along axes that are not cut */
  int64_t block[QN_MAX_RANK];
} qn__reader;
qn__reader qn__reader_of(qn__typed value);
double qn__read(const qn__reader *r, int64_t i);

typedef struct qn__closeness {
  double signal, noise, product, other; /* sums of a^2, (a - b)^2, a b, b^2 over what is finite in both */
  double max_abs;
  int64_t tensors;        /* how many were added */
  int64_t rows, agreeing; /* along the last axis, where that has at least two elements */
} qn__closeness;

/* False, and nothing added, when the shapes differ. */
bool qn__closeness_add(qn__closeness *c, qn__typed a, qn__typed b);
qn_comparison qn__closeness_result(const qn__closeness *c, qn_str name);
#endif
