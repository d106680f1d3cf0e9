/* Whether two modules hold the same program. */
#ifndef QN_SAME_H
#define QN_SAME_H
#include <quern/module.h>

/* What calibration writes on a quern.observe; not part of the program. */
bool qn__is_state_name(qn_str attribute);
/* Ops, types, attributes and constants in the same order; names of values, locations and recorded states may differ.
 * Reports the first difference. */
qn_status qn__same_program(const qn_module *a, const qn_module *b);
#endif
