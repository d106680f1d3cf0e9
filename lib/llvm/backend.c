/* The back end's entry point: the one symbol that this module exports. */
#include "ll.h"

static qn_status link_bodies(qn_context *ctx, qn_ll_module *m, uint32_t num_bodies, const qn_body *bodies,
                             qn_code **out) {
  const qn_allocator *a = qn_context_allocator(ctx);
  const char **symbols = qn__alloc(a, num_bodies * sizeof *symbols);
  if (!symbols) return qn_error_no_memory(ctx);
  for (uint32_t i = 0; i < num_bodies; i++) symbols[i] = bodies[i].symbol;
  qn_status status = qn__ll_jit(m, num_bodies, symbols, out);
  qn__free(a, symbols, num_bodies * sizeof *symbols);
  return status;
}

static qn_status jit(qn_context *ctx, uint32_t num_bodies, const qn_body *bodies, qn_code **out) {
  qn_ll_module m;
  *out = NULL;
  qn_status status = qn__ll_module_create(ctx, num_bodies, bodies, "quern", &m);
  if (status != QN_OK) return status;
  status = qn__ll_module_verify(&m);
  if (status == QN_OK) status = link_bodies(ctx, &m, num_bodies, bodies, out);
  qn__ll_module_destroy(&m);
  return status;
}

static const qn_backend backend = {"llvm", jit, qn__ll_emit_program, qn__ll_limit};

QN_API const qn_backend *qn_llvm_backend(uint32_t abi);
const qn_backend *qn_llvm_backend(uint32_t abi) {
  return abi == QN_BACKEND_ABI ? &backend : NULL;
}
