/* What is chosen for a kernel, on its way from a tuning file into a plan. */
#ifndef QN_CHOICE_H
#define QN_CHOICE_H
#include "kernel.h"
#include "machine.h"

/* Whether a value may be chosen: in range, and for UNROLL a power of two. */
bool qn__choice_fits(qn_choice_key key, int64_t v);
const char *qn__tuned_kind_name(qn_tuned_kind kind); /* "gemm"; "" for none */
qn_tuned_kind qn__tuned_kind_find(qn_str name);      /* 0 when there is none */
/* Why it cannot be put into a context; null when it can. */
const char *qn__tuned_problem(const qn_tuned *t);

/* The attribute quern.choice of an op, for kernels of a kind: what is not chosen is what the default machine's constant
 * says, or -1. What cannot be is a diagnostic at the op. */
qn_status qn__choice_of_op(qn_module *m, qn_op op, qn_tuned_kind kind, qn_choice *out, char *text, size_t size);
#endif
