/* What the rules share: dimensions with symbols, broadcasting, element types. */
#ifndef QN_RULE_UTIL_H
#define QN_RULE_UTIL_H
#include "rules.h"
#include <quern/unstable/layout.h>

typedef struct qn_dims {
  uint32_t rank;
  int64_t size[QN_MAX_RANK]; /* QN_DYNAMIC: not known yet */
  qn_name symbol[QN_MAX_RANK];
} qn_dims;

qn_dims qn__dims_of(const qn_context *ctx, qn_type tensor);
qn_type qn__dims_tensor(qn_context *ctx, qn_type elem, const qn_dims *dims);
/* Sizes that can be equal at run time: equal, or one is dynamic. */
static inline bool qn__size_fits(int64_t a, int64_t b) {
  return a == b || a == QN_DYNAMIC || b == QN_DYNAMIC;
}
/* Dimension `a` and dimension `b`, which must be one size: the better known of both. */
void qn__dim_unify(qn_dims *into, uint32_t i, const qn_dims *from, uint32_t k);
/* NumPy broadcasting of `b` into `a`; false when sizes cannot fit. A dynamic size against n other than 1 gives n (a
 * check at run time); against 1 it stays dynamic; two different dynamic sizes give an unnamed one. */
bool qn__dims_broadcast(qn_dims *a, const qn_dims *b);
/* True when `b` broadcasts to `a` without changing it, as far as is known. */
bool qn__dims_broadcast_to(const qn_dims *a, const qn_dims *b);

/* The operand's type; its element type; its element type with !quant.calibrated read as its expressed type. */
qn_type qn__operand_type(const qn_module *m, qn_op op, uint32_t i);
qn_type qn__operand_elem(const qn_module *m, qn_op op, uint32_t i);
qn_type qn__plain_elem(const qn_context *ctx, qn_type t);
/* The scalar of that, NONE for quantized and other elements. */
qn_scalar qn__plain_scalar(const qn_context *ctx, qn_type t);
/* `t` with its calibrated element type, if it has one, replaced by the expressed type. */
qn_type qn__plain_type(qn_context *ctx, qn_type t);
/* What a value of element type `elem` is in a region: its storage without sign. NONE when regions cannot hold it. */
qn_scalar qn__region_scalar(const qn_context *ctx, qn_type elem);

/* Declared type of result i; null when none was given. */
qn_type qn__declared(const qn_module *m, qn_op op, uint32_t i);
/* Whether a result declared so may hold what the rule inferred: the same but for dynamic sizes, and a calibrated
 * element type stands for its expressed type. */
bool qn__types_compatible(const qn_context *ctx, qn_type declared, qn_type inferred);

/* Checks that report: operand i is a tensor / a tensor of floats. */
qn_status qn__need_tensor(qn_module *m, qn_op op, uint32_t i);
qn_status qn__need_float_tensor(qn_module *m, qn_op op, uint32_t i);
/* axis, counted from the end when negative, as 0 <= *out < rank. */
qn_status qn__need_axis(qn_module *m, qn_op op, int64_t axis, uint32_t rank, uint32_t *out);

/* The product's dimensions for operands 0 and 1: rank rules of NumPy's matmul, flags swap the last two axes. */
qn_status qn__matmul_dims(qn_module *m, qn_op op, bool transpose_a, bool transpose_b, qn_dims *out);

/* Region `region` of a product's kernel: takes the sum, of type `acc`, and `extras` operands from `first` on; `elem` is
 * the result's element type. */
qn_status qn__check_epilogue(qn_module *m, qn_op op, uint32_t region, uint32_t first, uint32_t extras, qn_scalar acc,
                             qn_type *elem);

/* x's dimensions in the order of the op's `perm`, which is checked. */
qn_status qn__permuted_dims(qn_module *m, qn_op op, const qn_dims *x, qn_dims *y);

/* Exchanges the last two dimensions (rank 2 or more); of a type too, with the scales that belong to them. */
void qn__swap_last(qn_dims *d);
qn_status qn__transposed_type(qn_module *m, qn_op op, qn_type t, qn_type *out);

/* ---- packed matrices ---- */
/* The op's layout, which exists. */
qn_status qn__need_layout(qn_module *m, qn_op op, qn_layout *layout);
/* A matrix, or a batch of them, whose elements fill whole bytes. */
qn_status qn__need_packable(qn_module *m, qn_op op, qn_type t);
bool qn__is_pack(qn_op_kind kind);

/* Names for messages: the type's text; the table's name of operand i. */
const char *qn__type_c(const qn_module *m, qn_type t);
const char *qn__operand_c(const qn_module *m, qn_op op, uint32_t i);

static inline qn_type qn__scalar_type(const qn_module *m, qn_scalar s) {
  return qn_type_scalar(qn_module_context(m), s);
}
#endif
