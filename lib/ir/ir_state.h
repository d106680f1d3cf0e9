/* What lib/ir keeps per context, in its slot of the context. */
#ifndef QN_IR_STATE_H
#define QN_IR_STATE_H
#include "context_impl.h"
#include "types_impl.h"

typedef struct qn__ir_state {
  QN_VEC(qn__type_rec) types; /* index 0 is the null type */
  qn_map type_map;
  /* The op table's columns, parsed when first needed; whoever fills it sets its destroyer. */
  qn_idmap resources; /* name of a parameter resource -> first type that has it */
  void *op_specs;
  void (*destroy_op_specs)(qn_context *ctx, void *op_specs);
} qn__ir_state;

/* Made on first use; null when memory is exhausted (reported). */
qn__ir_state *qn__ir(qn_context *ctx);
/* Null when nothing was made yet. */
const qn__ir_state *qn__ir_const(const qn_context *ctx);
#endif
