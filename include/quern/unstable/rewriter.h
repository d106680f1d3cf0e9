/* Helpers for those who write passes: walking, constants, replacing, and a driver that applies rewrite patterns until
 * none fits. No ABI promise. */
#ifndef QUERN_UNSTABLE_REWRITER_H
#define QUERN_UNSTABLE_REWRITER_H

#include <quern/pass.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- walking ---- */

/* The op after `at` in `root` and everything in its regions, holders before what they hold; `at` null gives the first.
 * `root` null stands for the whole module. Null at the end. Erase an op only after asking for the next one, and not
 * together with it. */
QN_API qn_op qn_walk_next(const qn_module *m, qn_op root, qn_op at);
/* Whether the op could go: it is pure, has results, and nothing uses them. */
QN_API bool qn_op_is_dead(const qn_module *m, qn_op op);

/* ---- replacing ---- */

/* All uses of the old value become uses of the new one, which takes over the name for printing if it has none. Outputs
 * of functions keep the names under which callers know them. */
QN_API void qn_replace_value(qn_module *m, qn_value old_value, qn_value new_value);

/* ---- constants ---- */

/* The attribute of the arith.constant that makes the value; null when something else does. */
QN_API qn_attr qn_value_constant(const qn_module *m, qn_value v);
/* The constant's elements in the memory type of the value's own type: also through quant.scast and kern.view, which
 * change no bits. Of a scalar in a region: rank 0. False when it is no constant or memory runs out. The data belongs to
 * the module. */
QN_API bool qn_value_constant_tensor(qn_module *m, qn_value v, qn_tensor *out);
/* A constant of this type made before the builder's place: arith.constant, followed by the cast that a quantized
 * element type needs (kern.view when `kernel`, else quant.scast). `t` is in the memory type of `type`. */
QN_API qn_value qn_build_constant_tensor(qn_builder *b, qn_type type, const qn_tensor *t, bool kernel);
/* Evaluates an op whose operands are all constants and builds its results as constants before it; *folded tells whether
 * it could: pure, results of known sizes and at most max_elements elements (or as many as the operands have), and none
 * of the ops that are kept for later passes (quant.dcast, quant.scast, quern.dequantize, quern.fake_quant, kern.pack,
 * kern.view of quantized elements). results[i] are left to replace the op's. */
QN_API qn_status qn_fold_op(qn_module *m, qn_op op, int64_t max_elements, qn_value *results, bool *folded);

/* ---- patterns ---- */

typedef struct qn_rewriter qn_rewriter;

/* Looks at one op and changes the program through the rewriter where the pattern fits; new ops are made with an
 * ordinary builder. Returns QN_OK whether it fits or not. */
typedef qn_status (*qn_pattern_fn)(qn_rewriter *r, qn_op op);

typedef struct qn_pattern {
  qn_op_kind kind;  /* of the ops to look at; QN_OP_UNREGISTERED for every op of the table */
  const char *name; /* counted in the statistics when it changed something; a literal */
  qn_pattern_fn apply;
} qn_pattern;

QN_API qn_module *qn_rewriter_module(qn_rewriter *r);
QN_API qn_pass_run *qn_rewriter_run(qn_rewriter *r);
/* Every result by the value at its place, then the op is erased. A value of another type than the result's is refused:
 * false, nothing is changed. */
QN_API bool qn_rewriter_replace(qn_rewriter *r, qn_op op, const qn_value *values);
QN_API void qn_rewriter_set_operand(qn_rewriter *r, qn_op op, uint32_t i, qn_value v);
/* The op was changed in place in another way. */
QN_API void qn_rewriter_changed(qn_rewriter *r, qn_op op);

/* Applies the patterns, in their order, to every op under `root` (null: the module) until none fits any more; pure ops
 * without uses are erased on the way. Work is proportional to the number of ops and rewrites. Unregistered ops and what
 * they hold are left alone. `changed` may be null. */
QN_API qn_status qn_rewrite(qn_pass_run *run, qn_op root, const qn_pattern *patterns, size_t num_patterns,
                            bool *changed);

#ifdef __cplusplus
}
#endif
#endif
