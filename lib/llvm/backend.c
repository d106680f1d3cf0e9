/* The back end's entry point: the one symbol that this module exports. */
#include "ll.h"

static qn_status jit(qn_context *ctx, uint32_t num_bodies, const qn_body *bodies, qn_code **out) {
  qn_ll_module m;
  *out = NULL;
  qn_status status = qn__ll_module_create(ctx, num_bodies, bodies, "quern", &m);
  if (status != QN_OK) return status;
  status = qn__ll_module_verify(&m);
  const qn_allocator *a = qn_context_allocator(ctx);
  const char **symbols = status == QN_OK ? qn__alloc(a, num_bodies * sizeof *symbols) : NULL;
  if (status == QN_OK && !symbols) status = qn_error_no_memory(ctx);
  if (status == QN_OK) {
    for (uint32_t i = 0; i < num_bodies; i++) symbols[i] = bodies[i].symbol;
    status = qn__ll_jit(&m, num_bodies, symbols, out);
  }
  qn__free(a, symbols, num_bodies * sizeof *symbols);
  qn__ll_module_destroy(&m);
  return status;
}

static const qn_backend backend = {"llvm", jit, qn__ll_emit_program, qn__ll_peak};

QN_API const qn_backend *qn_llvm_backend(uint32_t abi);
const qn_backend *qn_llvm_backend(uint32_t abi) {
  return abi == QN_BACKEND_ABI ? &backend : NULL;
}
