/* Functions of a module by name, and who calls whom. Shared by passes that follow calls. */
#ifndef QN_FUNCTIONS_H
#define QN_FUNCTIONS_H
#include "map.h"
#include "vec.h"
#include <quern/pass.h>
#include <quern/unstable/rewriter.h>

typedef struct functions {
  qn_module *m;
  const qn_allocator *allocator;
  QN_VEC(qn_op) list;      /* in the order of the module */
  qn_idmap by_name, by_op; /* name id, op id -> place in list + 1 */
  bool has_unregistered;   /* an op that could name any of them */
} functions;

/* Fills `f`; free it in any case. */
qn_status qn__functions_find(qn_module *m, functions *f);
void qn__functions_free(functions *f);
/* The place in the list of the function that a func.call names; UINT32_MAX when there is none. */
uint32_t qn__callee_of(const functions *f, qn_op call);
/* Erases private functions that cannot be reached by calls from public ones. */
qn_status qn__functions_erase_unused(functions *f, int64_t *erased);
#endif
