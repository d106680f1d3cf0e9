/* Index math of packed layouts, for everything that reads them element by element. See quern/unstable/layout.h. */
#ifndef QN_LAYOUT_H
#define QN_LAYOUT_H
#include <quern/unstable/layout.h>

static inline bool qn__layout_parse(qn_str name, qn_layout *out) {
  return qn_layout_parse(name, out);
}
static inline size_t qn__layout_bytes(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size) {
  return qn_layout_bytes(layout, elem_bytes, k_size, n_size);
}
static inline uint32_t qn__layout_segments(const qn_layout *layout) {
  return layout->segments ? layout->segments : 1;
}
/* Elements before element (k, n) of a K x N matrix. */
static inline size_t qn__layout_index(const qn_layout *layout, int64_t k_size, int64_t n_size, int64_t k, int64_t n) {
  if (layout->plain) return (size_t)k * (size_t)n_size + (size_t)n;
  const size_t b = layout->k_block, w = layout->panel_width, un = (size_t)n;
  const size_t blocks = (size_t)qn_layout_padded_k(layout, k_size) / b, s = qn__layout_segments(layout);
  const size_t length = (size_t)k_size / s, uk = (size_t)k % length, first = (size_t)k / length * (blocks / s);
  return (un / w) * blocks * w * b + (first + uk / b) * w * b + (un % w) * b + uk % b;
}
/* The inverse of qn_layout_pack: `dst` row-major [K, N], or [N, K] when transpose_b. */
void qn__layout_unpack(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                       bool transpose_b, void *dst);
#endif
