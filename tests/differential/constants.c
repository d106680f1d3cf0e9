/* Products with constant weights, which are examined: parts of them zero, or so small that sums of products fit 16
 * bits. */
#include "program.h"
#include <stdbool.h>

/* All zero, half of it, a tenth or nothing left, in blocks of these sizes. */
static bool is_empty(uint32_t seed, int k, int n, int rows, int cols, int tenths) {
  uint32_t h = seed ^ (uint32_t)(k / rows) * 2654435761u ^ (uint32_t)(n / cols) * 40503u;
  h ^= h >> 15;
  h *= 2246822519u;
  return (int)((h >> 13) % 10) < tenths;
}

void constant_weights(void) {
  static const int rows[] = {4, 16, 32, 48, 64}, most[] = {127, 63, 31, 15, 7, 1};
  int m = 1 + pick(30), n = 1 + pick(150), k = pick(4) ? 16 * (1 + pick(12)) : 1 + pick(150);
  int high = rows[pick(5)], wide = pick(2) ? 16 * (1 + pick(4)) : 1 + pick(70), tenths = pick(3) ? pick(11) : 0;
  int range = most[pick(6)], flipped = pick(4) == 0, out = pick(3);
  bool two_of_four = pick(8) == 0, narrow = range == 127 && pick(2);
  uint32_t seed = next();
  const char *x = pick(3) ? "ui8" : "i8";
  put("func.func @main(%%x: tensor<%dx%dx%s>) -> tensor<%dx%dx%s> {\n  %%w = arith.constant dense<[", m, k, x, m, n,
      out ? "f32" : "i32");
  for (int r = 0; r < (flipped ? n : k); r++) {
    put("%s[", r ? ", " : "");
    for (int c = 0; c < (flipped ? k : n); c++) {
      int kk = flipped ? c : r, nn = flipped ? r : c, v = pick(2 * range + 1) - range;
      if (narrow && v == -range) v = -128;
      if (is_empty(seed, kk, nn, high, wide, tenths) || (two_of_four && kk % 4 > 1)) v = 0;
      put("%s%d", c ? ", " : "", v);
    }
    put("]");
  }
  put("]> : tensor<%dx%dxi8>\n", flipped ? n : k, flipped ? k : n);
  const char *w = "%w";
  if (flipped) {
    put("  %%v = quern.transpose %%w {perm = array<i64: 1, 0>} : (tensor<%dx%dxi8>) -> tensor<%dx%dxi8>\n", n, k, k, n);
    w = "%v";
  }
  put("  %%acc = quern.matmul_integer %%x, %s : (tensor<%dx%dx%s>, tensor<%dx%dxi8>) -> tensor<%dx%dxi32>\n", w, m, k,
      x, k, n, m, n);
  if (!out) {
    put("  return %%acc : tensor<%dx%dxi32>\n}\n", m, n);
    return;
  }
  put("  %%f = quern.cast %%acc : (tensor<%dx%dxi32>) -> tensor<%dx%dxf32>\n", m, n, m, n);
  tail_f32("%f", m, n);
}
