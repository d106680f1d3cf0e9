/* The parts of verification. */
#ifndef QN_VERIFY_IMPL_H
#define QN_VERIFY_IMPL_H
#include "map.h"
#include "spec.h"

/* Counts of operands, results and regions, and attributes, against the op's row. Everything wrong is reported. */
qn_status qn__verify_table(qn_module *m, qn_op op, const qn_op_spec *spec);
/* The same in two parts: attributes of equal ops are one dictionary, which needs to be looked at once. */
qn_status qn__verify_counts(qn_module *m, qn_op op, const qn_op_spec *spec);
qn_status qn__verify_attrs(qn_module *m, qn_op op, const qn_op_spec *spec);
/* No function calls itself, directly or through others. */
qn_status qn__verify_calls(qn_module *m);
#endif
