/* Kinds of kernels whose jobs have a file of their own. */
#ifndef QN_SCHEDULE_H
#define QN_SCHEDULE_H
#include "program.h"

bool qn__attention_jobs(const qn_program *p, const qn_step *s, const qn_bound *b, qn_job *job, qn_job_fn fn,
                        void *user);
void qn__attention_ops(const qn_program *p, const qn_step *s, const qn_bound *b, double by[QN_MULTIPLIER_COUNT]);
#endif
