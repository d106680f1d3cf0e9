/* One rule per op: checks operands, attributes and regions, and writes the result types. */
#ifndef QN_RULES_H
#define QN_RULES_H
#include <quern/module.h>

/* `results` has room for as many types as the op has results. Counts and attribute kinds have been checked against the
 * table before. An error has been reported when the answer is not QN_OK. */
typedef qn_status (*qn_rule)(qn_module *m, qn_op op, qn_type *results);

#define QN_OP(symbol, name, operands, results_, attrs, regions, traits, rule, doc)                                     \
  qn_status qn__rule_##rule(qn_module *m, qn_op op, qn_type *results);
#include <quern/ops.def>
#undef QN_OP

qn_rule qn__op_rule(qn_op_kind kind); /* null for unregistered ops */
#endif
