/* What quern.attention computes, to the bit: attention by key blocks, with a running maximum, so that the scores of a
 * row never exist together. The block size is part of the meaning; nothing else (engine, instruction set, tile,
 * threads) is.
 *
 * The method is that of M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax" (2018), and of
 * T. Dao et al., "FlashAttention" (2022). Every operation below is one IEEE f32 operation, rounded to nearest even; e^x
 * is qn_f32_exp's sequence of operations (num.h); fma rounds once.
 *
 * For query row i let n be the number of keys that take part: Sk, or with a causal attribute
 *
 *   top_left        min(Sk, i + 1)
 *   bottom_right    min(Sk, max(0, i + 1 + Sk - Sq))
 *
 * Keys from n on are not looked at. Keys 0 .. n-1 are taken in blocks of key_block, the last one may be shorter. Start:
 * m = -FLT_MAX, L[0..31] = +0, o[0..Dv-1] = +0. For each block, ascending, with keys j of the block:
 *
 *   s[j] = score(j)                                 (below)
 *   M    = the largest of m and the s[j]; a NaN is never the largest
 *   c    = 1 when M == m, else e^(m - M)
 *   p[j] = e^(s[j] - M)
 *   m    = M
 *
 * floats:
 *   L[t] = fma(L[t], c, p of the block's key t, or 0 when it has none), then L[t] = L[t] + p of its keys t + 32, t + 64
 * .. o[d] = o[d] * c, then o[d] = fma(p[j], v[j][d], o[d]) for j ascending codes: P[j] = p[j] as a code of 8 bits with
 * scale 1/255: round half to even of p[j] * 255, at most 255, 0 for NaN l    = fma(l, c, f32(sum of P[j])) l starts at
 * +0 o[d] = fma(o[d], c, f32(sum of P[j] * w[j][d]))  both sums in i32; w is v's code, less 128 when unsigned
 *
 * and in the end, with l = the sum of L by halving (L[t] + L[t + 16], then 8, 4, 2, 1) for floats,
 *
 *   y[d] = 0 when l = 0, else
 *     floats  o[d] / l
 *     codes   (o[d] / l + f32(-z)) * s_v             z is v's zero point, less 128 when unsigned
 *
 * A row none of whose keys takes part, because there are none or all are masked, gives 0 (a plain softmax would give
 * NaN). A NaN score gives NaN for floats and has weight 0 for codes.
 *
 * Scores. floats: x = the fma chain of q[i][d] * k[j][d] over d ascending from +0; x * scale. codes: x = the sum of
 * (q - z_q) * (k - z_k) in i32; f32(x) * f32(s_q * s_k * scale), the factors multiplied in double. scale is an f32, by
 * default 1 / sqrt(D) computed in double. Then, with a mask: i1: -inf where false; floats: the mask is added.
 *
 * f16 and bf16 are computed in f32, y is rounded once. */
#ifndef QUERN_ATTENTION_H
#define QUERN_ATTENTION_H

#include <quern/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the attribute causal says, in the order of its words. */
typedef enum qn_causal { QN_CAUSAL_NONE, QN_CAUSAL_TOP_LEFT, QN_CAUSAL_BOTTOM_RIGHT } qn_causal;

/* Blocks are a multiple of 32 keys, so that each partial sum has its place. */
enum { QN_ATTENTION_MIN_BLOCK = 32, QN_ATTENTION_MAX_BLOCK = 1024 };

/* How many keys query `row` of `queries` sees of `keys`. */
QN_API int64_t qn_attention_keys(qn_causal causal, int64_t row, int64_t queries, int64_t keys);

#ifdef __cplusplus
}
#endif

#endif
