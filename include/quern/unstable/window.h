/* Windows that slide over the height and width of images: convolution, pooling, and products over windows.
 *
 * Kernels see channels-last images [N, H, W, C], mostly with their padding. Rows and columns of the implicit matrix of
 * a product over windows are
 *
 *   row (n, oh, ow), column (i, j, c) of group g:  image[n, oh * stride + i * dilation, ow * stride + j * dilation,
 *                                                        g * C / groups + c]
 *
 * Columns that stand next to each other in memory form a segment: those of a window's line when its columns touch and
 * the image holds its padding, else those of one position. No ABI promise. */
#ifndef QUERN_UNSTABLE_WINDOW_H
#define QUERN_UNSTABLE_WINDOW_H

#include <quern/module.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Larger sizes are refused, so that products of them fit. */
#define QN_WINDOW_LIMIT    4096
#define QN_WINDOW_CHANNELS ((int64_t)1 << 32)

typedef struct qn_window {
  int64_t size[2], stride[2], dilation[2]; /* height, width; all 1 or more */
  int64_t groups;
  int64_t pads[4]; /* top, left, bottom, right: what windows reach over the image, which does not hold it */
} qn_window;

/* Reads the attributes `window` (size, stride, dilation: six numbers), `groups` and `pads` of a kernel. False when they
 * are absent or out of range. */
QN_API bool qn_window_read(const qn_module *m, qn_op op, qn_window *out);
/* Elements of axis 0 (height) or 1 (width) that one window spans. */
QN_API int64_t qn_window_span(const qn_window *w, int axis);
/* Windows along an axis of so many elements; 0 when none fits. */
QN_API int64_t qn_window_count(const qn_window *w, int axis, int64_t elements);

/* Whether windows reach over the image. */
static inline bool qn_window_pads(const qn_window *w) {
  return (w->pads[0] | w->pads[1] | w->pads[2] | w->pads[3]) != 0;
}

/* What products over windows with pads may have: positions, and bytes of one. */
enum { QN_WINDOW_POSITIONS = 64, QN_WINDOW_BYTES = 4096 };

/* Segments of a window over `channels` channels: outer times inner of them. */
typedef struct qn_segments {
  int64_t outer, inner, length;
} qn_segments;
QN_API qn_segments qn_window_segments(const qn_window *w, int64_t channels);

/* The attributes of quern.conv2d and the pools. */
typedef struct qn_conv {
  qn_window window; /* size 0 x 0: a pool over the whole image */
  int64_t pads[4];  /* top, left, bottom, right */
  int64_t extra[2]; /* bottom, right: further padding, which no average counts */
  bool nchw, count_pads;
} qn_conv;
/* False when they are out of range. The sizes of a convolution's window come from its weights, 0 where not known. */
QN_API bool qn_conv_read(const qn_module *m, qn_op op, qn_conv *out);
/* Axes of an image's parts: n, height, width, channels. */
QN_API void qn_conv_axes(bool nchw, uint32_t axes[4]);
/* Windows along an axis of so many elements, with padding; 0 when none fits. */
QN_API int64_t qn_conv_count(const qn_conv *c, int axis, int64_t elements);

#ifdef __cplusplus
}
#endif
#endif
