/* What a product of a lowered module is called in a tuning file. No ABI promise. */
#ifndef QUERN_UNSTABLE_TUNED_H
#define QUERN_UNSTABLE_TUNED_H

#include <quern/module.h>
#include <quern/tuning.h>
#include <quern/unstable/isa.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Kernel, types and sizes of a kern.gemm, kern.block_gemm or kern.attention, its rows in m_least and m_most (-1 where
 * they are not known); nothing chosen. For kern.map and kern.row the kind only. False for other ops, and where columns
 * or depth are not known. */
QN_API bool qn_tuned_of_op(const qn_module *m, qn_op op, const qn_isa *isa, qn_tuned *out);

#ifdef __cplusplus
}
#endif
#endif
