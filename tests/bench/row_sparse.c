/* Constant weights with zeros in squares: half of them, and six of seven. The operations that are counted are those of
 * all weights, as for the peers, which multiply by zeros, and for the limit, the peak of doing so. */
#include "bench.h"

bool row_sparse(qn_context *ctx, const options *o, report *r) {
  static const int64_t shapes[][3] = {{64, 1024, 1024}, {384, 768, 768}, {1, 4096, 4096}};
  product_race half = {.work = "sparse-50", .a = QN_UI8, .y = QN_UI8, .fused = true, .peers = "onednn"};
  half.peak_from = 64, half.unit = "GOPS", half.budget = o->quick ? 0.1 : 0.4, half.zeros = 0.5;
  product_race most = half;
  most.work = "sparse-86", most.zeros = 0.86;
  bool good = true;
  for (size_t i = 0; i < (o->quick ? 2 : sizeof shapes / sizeof *shapes) && good; i++)
    good = race_product(ctx, o, r, &half, shapes[i][0], shapes[i][1], shapes[i][2]) &&
           race_product(ctx, o, r, &most, shapes[i][0], shapes[i][1], shapes[i][2]);
  return good;
}
