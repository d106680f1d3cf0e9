/* The part of qn_kernel_matmul that is about weights with a scale per block. */
#ifndef QN_KERNEL_BLOCK_H
#define QN_KERNEL_BLOCK_H
#include <quern/driver.h>

qn_status qn__kernel_block_check(qn_context *ctx, const qn_matmul_desc *d);
/* The product of a (f32) and the weights, as f32; null when memory runs out or an op is refused, which is reported. */
qn_value qn__kernel_block_product(qn_builder *b, const qn_matmul_desc *d, qn_value a);
#endif
