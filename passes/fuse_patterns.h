/* Shared by the files of fuse-patterns. */
#ifndef QN_FUSE_PATTERNS_H
#define QN_FUSE_PATTERNS_H
#include <quern/unstable/rewriter.h>

/* One pattern per function: looks at its root op, the last one of what it raises. */
qn_status qn__fuse_attention(qn_rewriter *r, qn_op matmul);
qn_status qn__fuse_gelu(qn_rewriter *r, qn_op mul);
qn_status qn__fuse_conv_scale(qn_rewriter *r, qn_op mul);

/* The op that makes v, when it is of this kind and nothing else uses v; else null. */
qn_op qn__fuse_maker(const qn_module *m, qn_value v, qn_op_kind kind);
/* v is a constant of one float element. */
bool qn__fuse_scalar(qn_module *m, qn_value v, double *out);
#endif
