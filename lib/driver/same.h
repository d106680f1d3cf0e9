/* Whether two modules hold the same program. */
#ifndef QN_SAME_H
#define QN_SAME_H
#include <quern/module.h>

/* Ops, types, attributes and constants in the same order; names of values, locations and recorded states may differ.
 * Reports the first difference. */
qn_status qn__same_program(const qn_module *a, const qn_module *b);
#endif
