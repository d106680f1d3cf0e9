/* Running and lowering programs that a target made. */
#ifndef QN_FUZZ_PROGRAM_H
#define QN_FUZZ_PROGRAM_H
#include "fuzz.h"
#include <quern/driver.h>

enum { MAX_ELEMENTS = 4096, MAX_INPUTS = 16, MAX_CALLS = 8 };

/* Larger sizes cost time and find nothing more; so do functions that call functions that call functions. */
static inline bool fuzz_is_small(const qn_module *m, qn_block block, int *calls) {
  const qn_context *ctx = qn_module_context(m);
  for (uint32_t i = 0; i < qn_block_num_args(m, block); i++) {
    qn_type t = qn_value_type(m, qn_block_arg(m, block, i));
    if (qn_type_kind_of(ctx, t) == QN_TYPE_TENSOR &&
        (qn_type_count(ctx, t) < 0 || qn_type_count(ctx, t) > MAX_ELEMENTS))
      return false;
  }
  for (qn_op op = qn_block_first(m, block); op.id; op = qn_op_next(m, op)) {
    if (qn_op_kind_of(m, op) == QN_OP_CALL && ++*calls > MAX_CALLS) return false;
    for (uint32_t i = 0; i < qn_op_num_results(m, op); i++) {
      qn_type t = qn_value_type(m, qn_op_result(m, op, i));
      if (qn_type_kind_of(ctx, t) == QN_TYPE_TENSOR && qn_type_count(ctx, t) > MAX_ELEMENTS) return false;
    }
    for (uint32_t i = 0; i < qn_op_num_regions(m, op); i++)
      if (!fuzz_is_small(m, qn_op_region(m, op, i), calls)) return false;
  }
  return true;
}

/* On the interpreter, with zeros. */
static inline void fuzz_run(qn_context *ctx, const qn_module *m) {
  static const qn_compile_options options = {.engine = "interp"};
  qn_tensor in[MAX_INPUTS] = {{0}}, out[MAX_INPUTS] = {{0}};
  static char zeros[MAX_ELEMENTS * 8];
  qn_program *p = NULL;
  if (qn_program_compile(m, &options, &p) != QN_OK) return;
  if (qn_program_num_inputs(p) <= MAX_INPUTS && qn_program_num_outputs(p) <= MAX_INPUTS) {
    for (uint32_t i = 0; i < qn_program_num_inputs(p); i++) {
      qn_port_info port = qn_program_input(p, i);
      in[i] = (qn_tensor){.elem = port.elem, .rank = port.rank, .data = zeros};
      memcpy(in[i].shape, port.shape, sizeof port.shape);
    }
    if (qn_program_run(p, in, out, NULL) == QN_OK)
      for (uint32_t i = 0; i < qn_program_num_outputs(p); i++) qn_tensor_free(ctx, &out[i]);
  }
  qn_program_destroy(p);
}

/* Lowers copies of `m`: each verifies, and runs. */
static inline void fuzz_lower(qn_context *ctx, fuzz_state *s, const qn_module *m) {
  static const char *const targets[] = {"generic", "avx512vnni"};
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
    qn_module *lowered = qn_module_clone(m);
    s->errors = 0;
    qn_status status = lowered ? qn_lower(lowered, targets[i]) : QN_ERR_NO_MEMORY;
    if (status != QN_ERR_NO_MEMORY) fuzz_check_status(s, status);
    if (status == QN_OK) {
      if (qn_module_verify(lowered) == QN_ERR_INPUT) fuzz_stop("lowering left a broken program");
      fuzz_run(ctx, lowered);
    }
    if (lowered) qn_module_destroy(lowered);
  }
}
#endif
