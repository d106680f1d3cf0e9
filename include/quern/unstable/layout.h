/* Packed layouts of right-hand matrices.
 *
 * "plain" is row-major [K, N]. "kBnW" (k4n64, k2n32, k1n64) cuts the columns into panels W wide; in a panel, blocks of
 * B consecutive k follow each other, and in a block the W columns, each with its B values of k next to each other:
 *
 *   offset(k, n) = ((n / W) * ceil(K / B) * W * B) + (k / B) * W * B + (n % W) * B + k % B       in elements
 *
 * The last panel is padded to W columns and K to a multiple of B; padding is zero. A layout says nothing about M, so
 * one packed copy serves every height. Batched matrices are packed one after the other.
 *
 * "kBnWsS" cuts K into S segments of equal length, which are padded to a multiple of B each: for products over windows,
 * whose left-hand rows are S runs of memory. */
#ifndef QUERN_UNSTABLE_LAYOUT_H
#define QUERN_UNSTABLE_LAYOUT_H

#include <quern/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_layout {
  bool plain;
  uint32_t k_block;     /* 1, 2, 4 .. 64; 1 for plain */
  uint32_t panel_width; /* columns, 1 .. 4096; 0 for plain */
  uint32_t segments;    /* of K, which is a multiple of it; 0 counts as 1 */
} qn_layout;

/* False when the name is none of the forms above. */
QN_API bool qn_layout_parse(qn_str name, qn_layout *out);
/* K with its padding. */
QN_API int64_t qn_layout_padded_k(const qn_layout *layout, int64_t k_size);
/* Bytes of one packed K x N matrix of `elem_bytes`-byte elements; SIZE_MAX when that does not fit, or K cannot be cut
 * into the layout's segments. */
QN_API size_t qn_layout_bytes(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size);
/* Packs one matrix. `src` is row-major [K, N], or [N, K] when transpose_b. `dst` has qn_layout_bytes room and overlaps
 * nothing. */
QN_API void qn_layout_pack(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                           bool transpose_b, void *dst);

#ifdef __cplusplus
}
#endif
#endif
