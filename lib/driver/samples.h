/* What the jobs that run samples know of a sample set beyond the public calls. */
#ifndef QN_SAMPLES_H
#define QN_SAMPLES_H
#include <quern/driver.h>

/* How the samples are cut into runs. A program whose inputs have a fixed first dimension takes that many at a time. */
typedef struct qn__cut {
  int64_t count; /* samples that fill whole runs */
  int64_t unit;  /* samples that cannot be run apart */
  bool fixed;    /* exactly one unit a run; else any number of them */
} qn__cut;
/* Warns when samples are left over that fill no unit. */
qn_status qn__samples_cut(qn_sample_set *s, const qn_module *m, qn_op func, qn__cut *out);
/* Where the data of a function's input lies, for messages. Valid until the next call. */
qn_place qn__samples_place(qn_sample_set *s, const qn_module *m, qn_op func, uint32_t input);

/* The function that a job runs: the first public one. Reports when there is none. */
qn_status qn__job_function(const qn_module *m, qn_op *func);
#endif
