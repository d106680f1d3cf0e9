/* Shared by the files of prove-accumulators. */
#ifndef QN_PROVE_ACCUMULATORS_H
#define QN_PROVE_ACCUMULATORS_H
#include <quern/num.h>
#include <quern/unstable/rewriter.h>

/* One product and the biases that are added to it. */
typedef struct proof {
  qn_pass_run *run;
  qn_module *m;
  qn_op op;
  int64_t bound;   /* of |sum| + |bias|, over all columns; INT64_MAX where that does not fit */
  int64_t *biases; /* sums of |bias| per column */
  int64_t columns; /* 1 where there are none */
} proof;

/* What code - zero point can be. */
typedef struct qn__code_range {
  int32_t low, high;
} qn__code_range;

/* ---- prove_accumulators_facts.c ---- */
/* Of a value of quantized type: by the constants or ops that make its codes, or all that its storage holds. */
qn__code_range qn__codes_less_zero(qn_module *m, qn_value v);
/* Size of the axis that is summed over; -1 when it is not known. */
int64_t qn__summed_size(const qn_module *m, qn_op op);
/* Collects the constants that the product's only users add, one after the other. */
qn_status qn__find_bias(proof *p);
/* Largest |bias| of a column; of all columns when it is -1. */
int64_t qn__bias_bound(const proof *p, int64_t column);

/* ---- prove_accumulators_widen.c ---- */
/* Sums of the product, and what follows it, in i64. */
qn_status qn__widen_sums(proof *p);
#endif
