/* The reference evaluator: what every op means, computed plainly. Engines are compared with it bit for bit,
 * canonicalize folds constants with it, calibration and --check-each run programs on it. No ABI promise.
 *
 * Values are qn_tensor in the memory type of their element type (qn_type_memory): codes with sign for quantized
 * elements, packed below 8 bits. Evaluation sets round-to-nearest without flushing of subnormals for its duration.
 *
 * Ownership: inputs are borrowed; every tensor that a function here hands out through an `out` or `results` parameter
 * owns memory of the module's context and is freed by qn_tensor_free with the shape and element type it came with. On
 * failure nothing is handed out (data is null everywhere). Tensors given to callbacks are valid during the callback. */
#ifndef QUERN_UNSTABLE_EVALUATOR_H
#define QUERN_UNSTABLE_EVALUATOR_H

#include <quern/module.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_eval_options {
  /* quern.observe: x is its operand. A status other than QN_OK, which the callback has reported, ends the evaluation
   * with that status. Null ignores observers. */
  qn_status (*on_observe)(void *user, const qn_module *m, qn_op op, const qn_tensor *x);
  /* After every op of a function (called functions too), once per result; likewise. */
  qn_status (*on_value)(void *user, const qn_module *m, qn_op op, uint32_t result, const qn_tensor *value);
  void *user;
} qn_eval_options;

/* Evaluates a function on num_in inputs. Element types and sizes are checked against the signature, `?` with equal
 * symbols for equal sizes; each result of each op is checked against its declared type. Memory is given back as values
 * die. `options` may be null. */
QN_API qn_status qn_evaluate(qn_module *m, qn_op func, const qn_eval_options *options, uint32_t num_in,
                             const qn_tensor *in, uint32_t num_out, qn_tensor *out);

/* Evaluates one op alone, given the values of its operands. Ops of regions take operands of one shape and work
 * elementwise (a scalar is a tensor of rank 0); the kern.all_* reduce over all elements. func.call runs its callee. */
QN_API qn_status qn_eval_op(qn_module *m, qn_op op, const qn_tensor *operands, qn_tensor *results);

/* Runs a scalar region on arrays: argument i takes elements of args[i], all of one shape; results[i] gets what the
 * region yields i-th. Shapes without elements need at least one argument to take the shape from; a region without
 * arguments gives tensors of rank 0. kern.all_* reduce over the last axis. */
QN_API qn_status qn_eval_region(qn_module *m, qn_block region, uint32_t num_args, const qn_tensor *args,
                                uint32_t num_results, qn_tensor *results);

/* Frees what the tensor owns and clears it. A cleared tensor is left alone. */
QN_API void qn_tensor_free(qn_context *ctx, qn_tensor *t);

#ifdef __cplusplus
}
#endif
#endif
