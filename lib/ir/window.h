/* Windows that slide over the two middle axes of channels-last images [N, H, W, C], as kernels see them: padding is in
 * the image already. What rows and columns of the implicit matrix of a product over windows are:
 *
 *   row (n, oh, ow), column (i, j, c) of group g:  image[n, oh * stride + i * dilation, ow * stride + j * dilation,
 *                                                        g * C / groups + c]
 *
 * Columns that stand next to each other in memory form a segment: those of a window's line when its columns touch, else
 * those of one position. */
#ifndef QN_WINDOW_H
#define QN_WINDOW_H
#include <quern/module.h>

typedef struct qn_window {
  int64_t size[2], stride[2], dilation[2]; /* height, width; all 1 or more */
  int64_t groups;
} qn_window;

enum { QN_WINDOW_LIMIT = 4096 };
#define QN_WINDOW_CHANNELS ((int64_t)1 << 32) /* more of them are refused, so that products of sizes fit */

/* Reads the attributes `window` (size, stride, dilation: six numbers) and `groups`. False when they are absent or out
 * of range; an op without window has size[0] = 0. */
bool qn__window_read(const qn_module *m, qn_op op, qn_window *out);

/* Elements of an axis that one window spans. */
static inline int64_t qn__window_span(const qn_window *w, int axis) {
  return (w->size[axis] - 1) * w->dilation[axis] + 1;
}
/* Windows along an axis of so many elements; 0 when none fits. */
static inline int64_t qn__window_count(const qn_window *w, int axis, int64_t elements) {
  int64_t span = qn__window_span(w, axis);
  return elements < span ? 0 : (elements - span) / w->stride[axis] + 1;
}

/* Segments of a window over `channels` channels: outer times inner of them. */
typedef struct qn_segments {
  int64_t outer, inner, length;
} qn_segments;
static inline qn_segments qn__window_segments(const qn_window *w, int64_t channels) {
  bool touch = w->groups == 1 && (w->dilation[1] == 1 || w->size[1] == 1);
  return touch ? (qn_segments){w->size[0], 1, w->size[1] * channels}
               : (qn_segments){w->size[0], w->size[1], channels / w->groups};
}
#endif
