/* A program with everything that calling it again and again needs. */
#ifndef QN_RUNNER_H
#define QN_RUNNER_H
#include <quern/engine.h>

typedef struct qn__runner {
  const qn_program *p;
  qn_context *ctx;
  uint32_t num_in, num_out;
  DLTensor *dl; /* inputs, then outputs */
  int64_t (*shapes)[QN_MAX_RANK];
  void *workspace, **buffers;
  size_t workspace_bytes, *buffer_bytes; /* of an output, and one more */
  const qn_parallel *parallel;           /* null for one thread */
} qn__runner;

/* Code for these inputs is made before it returns. Inputs, program and parallel are borrowed. After a failure it is to
 * be closed, too. */
qn_status qn__runner_open(qn__runner *r, qn_context *ctx, const qn_program *p, const qn_tensor *inputs,
                          const qn_parallel *parallel);
qn_status qn__runner_call(qn__runner *r, int repeat);
/* One that is all zeros may be closed. */
void qn__runner_close(qn__runner *r);
/* Whether both have the same bits in their outputs. */
bool qn__runner_same(const qn__runner *a, const qn__runner *b);
#endif
