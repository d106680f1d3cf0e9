/* Shared by the files of choose-granularity: sites, samples of their inputs, errors of candidates. */
#ifndef QN_CHOOSE_GRANULARITY_H
#define QN_CHOOSE_GRANULARITY_H
#include "quantize.h"

/* One product with a constant right operand. */
typedef struct site {
  qn_op op;
  qn__weight w;
  qn_value x;      /* the left operand */
  bool measurable; /* rows of x can be multiplied here: a weight of rank 2, or 1 */
  uint32_t next;   /* the next site whose x is the same value, +1 */
  int64_t k, n;    /* the weight is k x n */
  /* Rows of x seen in the samples, k each, and the range of all of x that was seen. */
  float *rows;
  int64_t num_rows, max_rows;
  float low, high;
} site;

typedef struct search {
  qn_pass_run *run;
  qn_module *m;
  qn_context *ctx;
  qn__format weights;
  qn_scalar activations; /* codes, or a float when they stay floats */
  double min_sqnr;
  site *sites;
  uint32_t num_sites;
  uint32_t *first_of; /* value id -> its first site, +1 */
} search;

/* Runs the samples that the pass manager was given and fills in the sites' rows. Without samples nothing happens. */
qn_status qn__collect_rows(search *s, qn_op func);
/* SQNR in dB of the site's output when the weight is of this element type and x is quantized as it will be, against
 * floats; of the weight alone where there are no rows. Infinite without an error. */
qn_status qn__measure(search *s, const site *at, qn_type elem, double *sqnr);
#endif
