/* What lowerings of matrix products and of convolutions share. */
#ifndef QN_LOWER_KERNELS_PRODUCT_H
#define QN_LOWER_KERNELS_PRODUCT_H
#include "lower_kernels.h"

typedef qn_value (*scalar_fn)(lowering *l, qn_builder *b, qn_value x, bool is_unsigned);

/* A kern.map of one input through a scalar conversion; the result's element type is `elem`. */
qn_value qn__map1(lowering *l, qn_builder *b, qn_value x, qn_type elem, scalar_fn f);
/* Sums as elements of `elem`: floats rounded, integers widened. */
qn_value qn__rounded_to(lowering *l, qn_builder *b, qn_value y, qn_type elem);
/* Codes shifted by half their range into the other sign. */
qn_value qn__flip_top_bit(lowering *l, qn_builder *b, qn_value x, bool is_unsigned);
/* In i32. */
qn_value qn__minus_32768(lowering *l, qn_builder *b, qn_value x, bool is_unsigned);
/* Sums of the columns of a matrix in `elem`, as [.., 1, N], or [N] where that says the same. */
qn_value qn__column_sums(lowering *l, qn_builder *b, qn_value w, bool transpose, qn_type elem);
/* acc - x * y over integer tensors that broadcast. A product no larger than y is a kernel of its own, so that of
 * constants it is a constant; if a constant bias is added to op's result next, the product is taken from the bias
 * beforehand. */
qn_value qn__subtract_product(lowering *l, qn_op op, qn_builder *b, qn_value acc, qn_value x, qn_value y);
#endif
