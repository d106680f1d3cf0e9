/* What attributes need of a module: defined beside the module, used by attr*.c, which know nothing else of it. */
#ifndef QN_MODULE_ACCESS_H
#define QN_MODULE_ACCESS_H
#include "arena.h"
#include "attr_impl.h"
#include <quern/module.h>

/* The member `qn_attr_table attrs` of struct qn_module. */
qn_attr_table *qn__module_attrs(qn_module *m);
const qn_attr_table *qn__module_attrs_const(const qn_module *m);
qn_arena *qn__module_arena(qn_module *m);
/* An allocation failed: sets the module's failed flag and reports exhausted memory to its context. */
void qn__module_fail(qn_module *m);
#endif
