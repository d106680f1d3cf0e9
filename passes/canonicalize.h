/* Patterns of canonicalize, one file per family. Every one is exact: the same bits for every input, NaN standing for
 * any NaN, both zeros told apart. */
#ifndef QN_CANONICALIZE_H
#define QN_CANONICALIZE_H
#include <quern/unstable/rewriter.h>

/* What every element of a constant may be. */
typedef enum qn__special {
  QN__PLUS_ZERO, /* of integers: zero */
  QN__MINUS_ZERO,
  QN__ONE,
  QN__ALL_BITS, /* of integers: -1 */
  QN__LOWEST,   /* -inf, or the smallest integer of the type */
  QN__HIGHEST
} qn__special;
/* Whether `v` is a constant whose elements are all that; of an operation that reads integers as `is_unsigned`. */
bool qn__constant_is(const qn_module *m, qn_value v, qn__special what, bool is_unsigned);
/* The element's scalar in memory, of a tensor or a scalar; NONE for quantized ones. */
qn_scalar qn__plain_scalar_of(const qn_module *m, qn_type t);
/* The op that makes the operand, when it is of this kind; else null. */
qn_op qn__operand_op(const qn_module *m, qn_op op, uint32_t i, qn_op_kind kind);
/* One operand, one result, type given, no attributes but `attrs`. */
qn_value qn__make1(qn_rewriter *r, qn_op before, qn_op_kind kind, qn_value x, qn_type type, uint32_t num_attrs,
                   const qn_named_attr *attrs);
qn_status qn__replace1(qn_rewriter *r, qn_op op, qn_value v);

/* canonicalize_neutral.c: constants that change nothing, or everything */
qn_status qn__canon_commute(qn_rewriter *r, qn_op op);
qn_status qn__canon_neutral(qn_rewriter *r, qn_op op);
qn_status qn__canon_same(qn_rewriter *r, qn_op op);
qn_status qn__canon_regroup(qn_rewriter *r, qn_op op);
qn_status qn__canon_reciprocal(qn_rewriter *r, qn_op op);

/* canonicalize_unary.c: chains of ops with one operand */
qn_status qn__canon_chain(qn_rewriter *r, qn_op op);
qn_status qn__canon_maximum_zero(qn_rewriter *r, qn_op op);
qn_status qn__canon_clip(qn_rewriter *r, qn_op op);
qn_status qn__canon_cast(qn_rewriter *r, qn_op op);
qn_status qn__canon_convert(qn_rewriter *r, qn_op op);
qn_status qn__canon_select(qn_rewriter *r, qn_op op);
qn_status qn__canon_qcast(qn_rewriter *r, qn_op op);
qn_status qn__canon_scast(qn_rewriter *r, qn_op op);

/* canonicalize_shape.c: ops that move elements */
qn_status qn__canon_reshape(qn_rewriter *r, qn_op op);
qn_status qn__canon_transpose(qn_rewriter *r, qn_op op);
qn_status qn__canon_matmul(qn_rewriter *r, qn_op op);
qn_status qn__canon_copy(qn_rewriter *r, qn_op op);
#endif
