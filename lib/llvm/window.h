/* Windows over single channels: a tile is so many pixels of a line by so many vectors of channels. */
#ifndef QN_LL_WINDOW_H
#define QN_LL_WINDOW_H
#include "ll.h"

typedef struct window_tile {
  qn_ll *g;
  const qn_gemm_plan *plan;
  LLVMTypeRef acc; /* of one element */
  LLVMValueRef size[15];
  LLVMValueRef image, weights, y, y_pitch;
  LLVMValueRef column;  /* bytes from column to column of the image */
  LLVMValueRef outside; /* memory: a tile's channels of the border */
  uint32_t pixels;
  /* The pixels at hand: a row of Y and how many follow in its line; where their windows begin, the line and column of
   * the image there, and a bit for each column, from there on, that may be read; null where they are too many. */
  LLVMValueRef row, count, from, top, left, readable;
  /* The channels at hand. */
  LLVMValueRef channel, mask;
  uint32_t vectors, lanes;
  LLVMValueRef sums[QN_WINDOW_SUMS];
} window_tile;

static inline LLVMValueRef *qn__window_sum(window_tile *t, uint32_t pixel, uint32_t v) {
  return &t->sums[pixel * t->vectors + v];
}
/* window_text.c: all of a body. False when memory runs out. */
bool qn__ll_window_text_serves(const qn_ll *g, const qn_gemm_plan *plan);
/* Not served are sums of f64 that go through more than a chain, but less than a long tape: what LLVM makes of them,
 * which takes longer to compile, does both at a time. */
bool qn__ll_window_text(window_tile *t, const qn_body *body, bool *served);
/* depthwise.c: products of bytes, all of the body. False when memory runs out. */
bool qn__ll_depthwise_serves(const qn_ll *g, const qn_gemm_plan *plan);
bool qn__ll_depthwise(window_tile *t, const qn_body *body);
/* window_tile.c: the sums, or the largest elements, of the tile at hand. */
void qn__ll_window_tile(window_tile *t);
#endif
