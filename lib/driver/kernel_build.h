/* What kernels of one product have in common: operands as codes, and what follows the sum. */
#ifndef QN_KERNEL_BUILD_H
#define QN_KERNEL_BUILD_H
#include "arena.h"
#include <quern/driver.h>

typedef struct qn__kernel {
  qn_context *ctx;
  const qn_matmul_desc *d; /* types, scales, bias, relu; its n is the number of columns or channels */
  const char *name;        /* of the function that was called */
  qn_arena arena;
  qn_module *m;
  qn_builder b;
  bool lends; /* large data may be borrowed: the module does not outlive the call */
  bool quantized, dequantize;
} qn__kernel;

/* Whether a tensor of these sizes could lie in memory, whatever its elements; open sizes count as 1. */
bool qn__kernel_countable(int64_t n, const int64_t *sizes);
/* Types, sizes and scales against what there are kernels for; fills the last two fields. */
qn_status qn__kernel_check(qn__kernel *k);
qn_type qn__kernel_codes(qn__kernel *k, qn_scalar storage, float scale, int32_t zero_point);
/* v with elements of another type. */
qn_value qn__kernel_cast(qn__kernel *k, qn_op_kind kind, qn_value v, qn_type elem);
/* From the sums, with columns last, to what the description asks for; null when that failed, which is reported. */
qn_value qn__kernel_result(qn__kernel *k, qn_value acc);
#endif
