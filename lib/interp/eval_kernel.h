/* Windows over images, for convolutions, pools and kernels: eval_window.c. */
#ifndef QN_EVAL_KERNEL_H
#define QN_EVAL_KERNEL_H
#include "interp.h"
#include <quern/unstable/window.h>

/* kern.gemm with a window. */
qn_status qn__window_gemm(qn__frame *f, qn_op op, qn_scalar acc);

/* An image by its axes, with padding. Positions in the padding are said by `border`. */
typedef struct qn__image {
  const qn_tensor *t;
  int64_t size[4], stride[4]; /* n, height, width, channels; strides in elements */
  int64_t pads[2];            /* top, left */
} qn__image;
qn__image qn__image_of(const qn_tensor *t, bool nchw, const int64_t *pads);

/* Windows [N, OH, OW] of an image as matrices [groups, N*OH*OW, KH*KW*C/groups]; positions in the padding have the
 * element `border` (bits, in the low bytes). */
qn_status qn__window_rows(qn__frame *f, const qn__image *x, const qn_window *w, const int64_t *counts, uint64_t border,
                          qn_tensor *out);
/* Products [groups, N*OH*OW, O/groups] as [N, OH, OW, O], or with nchw [N, O, OH, OW], into y, which has the room. */
void qn__join_groups(const qn_tensor *parts, const int64_t *counts, bool nchw, qn_tensor *y);

/* y (of acc's type, the image's axes in the same order) = the largest element or the sum of each window. */
qn_status qn__pool(qn__frame *f, const qn__image *x, const qn_window *w, bool max, qn_scalar acc, bool nchw,
                   qn_tensor *y);
#endif
