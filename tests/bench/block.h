/* Products of f32 activations with 4-bit weights in blocks. */
#ifndef QUERN_BENCH_BLOCK_H
#define QUERN_BENCH_BLOCK_H

#include "bench.h"

enum { BLOCK = 32 };
typedef enum block_kind { W4_SYMMETRIC, W4_CODEBOOK, W4_MXFP4, W4_ASYMMETRIC } block_kind;

typedef struct block_product {
  int64_t m, n, k;
  block_kind kind;
  int copies;        /* of the weights, read in turns */
  float *x;          /* [M, K] */
  uint8_t *codes;    /* [K, N], 0..15: less 8 or the zero point, or an entry of the codebook, or an E2M1 number */
  float *scales;     /* [K / 32, N]; f16, or powers of two for MXFP4 */
  int32_t *zeros;    /* like scales; used by W4_ASYMMETRIC */
  const float *ours; /* our result, once there is one */
} block_product;

void block_values(double *codebook);
/* The same weights in ggml's fastest form: q4_0, iq4_nl, mxfp4. Asymmetric ones, which it has not in a fast form, run
 * as q4_0. A note may be left when it takes part, too. */
bool ggml_block(const block_product *p, const options *o, contender *out, peer_note *why);

#endif
