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
 * whose left-hand rows are S runs of memory.
 *
 * "kBnWzG" is for constants many of whose parts are zero: each panel is cut into granules of G consecutive k (K is a
 * multiple of G, G of B), and only those that are not all zero are there. T of them in P panels are
 *
 *   u32 begin[P + 1]   panel p has granules begin[p] .. begin[p + 1] - 1
 *   u32 first[T]       the first k of each granule, ascending within a panel
 *   ..                 zeros up to a multiple of 64 bytes
 *   T granules of G * W elements, each as kBnW has it */
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
  uint32_t granule;     /* values of k in a granule; 0 when all are there */
} qn_layout;

/* False when the name is none of the forms above. */
QN_API bool qn_layout_parse(qn_str name, qn_layout *out);
/* K with its padding. */
QN_API int64_t qn_layout_padded_k(const qn_layout *layout, int64_t k_size);
/* Bytes of one packed K x N matrix of `elem_bytes`-byte elements; SIZE_MAX when that does not fit, or K cannot be cut
 * into the layout's segments, or the layout has granules, whose number the sizes do not tell. */
QN_API size_t qn_layout_bytes(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size);
/* Packs one matrix. `src` is row-major [K, N], or [N, K] when transpose_b. `dst` has qn_layout_bytes room and overlaps
 * nothing. */
QN_API void qn_layout_pack(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size, const void *src,
                           bool transpose_b, void *dst);
/* The same, telling from time to time which bytes of `src` have been read for good: a mapped file need not keep them.
 */
typedef void (*qn_layout_passed)(void *user, const void *data, size_t size);
QN_API void qn_layout_pack_passing(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size,
                                   const void *src, bool transpose_b, void *dst, qn_layout_passed passed, void *user);

/* ---- layouts with granules ---- */
typedef struct qn_granules {
  uint64_t panels, count; /* P and T */
  size_t first, data;     /* bytes from the start to those parts; begin is at 0 */
  size_t bytes;           /* of one granule */
} qn_granules;

/* Where the parts of a matrix of `size` bytes are; false when no number of granules takes so many. */
QN_API bool qn_layout_granules(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size, size_t size,
                               qn_granules *out);
/* Whether the numbers before the data name granules that are there. */
QN_API bool qn_layout_granules_valid(const qn_layout *layout, int64_t k_size, const qn_granules *g, const void *data);
/* How many granules of a matrix packed in the same layout without granules are not all zero; UINT64_MAX where it cannot
 * have any, because of K or because there would be 2^31 of them. */
QN_API uint64_t qn_layout_count_granules(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size,
                                         const void *dense);
/* Bytes of a matrix with so many granules; SIZE_MAX when that does not fit. */
QN_API size_t qn_layout_granules_bytes(const qn_layout *layout, size_t elem_bytes, int64_t n_size, uint64_t count);
/* From the layout without granules to the one with them, and back. `size`: of the form with granules, as told above. */
QN_API void qn_layout_compact(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size,
                              const void *dense, size_t size, void *dst);
QN_API void qn_layout_expand(const qn_layout *layout, size_t elem_bytes, int64_t k_size, int64_t n_size,
                             const void *src, size_t size, void *dense);

#ifdef __cplusplus
}
#endif
#endif
