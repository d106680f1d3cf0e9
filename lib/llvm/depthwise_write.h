/* What the files of windows of bytes share: depthwise.c, depthwise_text.c, depthwise_weights.c.
 *
 * A unit is what a vector has the channels of: a pixel, or two beside each other of 32 channels, whose first counts
 * where places are told. Series are columns that lie as far apart as positions of a window do: windows of units take
 * their columns from one series each, from its column number `first` on. Columns of a series are taken four by four
 * from even numbers on; a unit that begins at an odd number is `odd`, has weights of its own, which are shifted by one.
 */
#ifndef QN_LL_DEPTHWISE_WRITE_H
#define QN_LL_DEPTHWISE_WRITE_H
#include "window_write.h"

enum { VECTORS = 4, UNITS = 4, FEW_UNITS = 2, WIDE_PANEL = 64 };

typedef struct windows {
  int64_t width, height, dilation; /* of lines and columns: of the latter */
  int64_t step;                    /* columns from unit to unit */
  int64_t variants;                /* of weights: 2 where any unit is odd */
  int64_t fours;                   /* that a line of a window has */
  int64_t bytes;                   /* of a vector */
  int64_t prepared;                /* of weights in the order of sums, behind which are those of fours */
} windows;

static inline int64_t qn__series_first(const windows *w, uint32_t unit) {
  return unit * w->step / w->dilation;
}

static inline int64_t qn__series_of(const windows *w, uint32_t unit) {
  return unit * w->step % w->dilation;
}

/* Bytes of prepared weights of a line, of all; where those of vector 0 of four columns are. */
static inline int64_t qn__line_bytes(const windows *w) {
  return w->fours * w->variants * w->bytes * VECTORS;
}

static inline int64_t qn__prepared_bytes(const windows *w) {
  return w->prepared + w->height * qn__line_bytes(w);
}

static inline int64_t qn__four_at(const windows *w, int64_t line, int64_t four, int64_t odd) {
  return w->prepared + line * qn__line_bytes(w) + (four * w->variants + odd) * w->bytes * VECTORS;
}

/* depthwise.c */
windows qn__windows_of(const qn_gemm_plan *p);
/* depthwise_weights.c: the panel's weights as sums take them, into the memory for them. */
void qn__depthwise_weights(text *t, const windows *w);
/* Lanes of 128 bits of four vectors change places with vectors: lane L of vector j becomes lane j of vector L, of
 * registers `from` and those after it. Where vectors have two lanes, only two of four vectors are whole in the end. */
void qn__depthwise_turn(text *t, uint32_t from, uint32_t through, uint32_t to);
/* depthwise_text.c: a group's sums and results; panels of it, for qn__ll_window_body; a panel's sums for an epilogue of
 * LLVM's. */
void qn__depthwise_group(text *t);
void qn__depthwise_panels(text *t);
void qn__depthwise_sums(text *t);
#endif
