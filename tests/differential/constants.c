/* Products with constant weights, which are examined: parts of them zero, or so small that sums of products fit 16
 * bits. */
#include "program.h"
#include <stdbool.h>
#include <stdio.h>

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

/* Weights of 16-bit floats, which stay that where it pays: of every exponent, with what is no number, and rows whose
 * sums pass through -0. */
void narrow_weights(void) {
  static const char *const types[] = {"f16", "bf16"}, *const last[] = {"f32", "f32", "f16", "bf16"};
  static const char *const odd[] = {"0x7C00", "0xFC00", "0x7F80", "0xFF80", "0x7E01", "0x8000",
                                    "0x0001", "0x8001", "0x03FF", "0x0080", "0x7BFF", "0xFF7F"};
  const char *t = types[pick(2)], *to = last[pick(4)];
  int m = pick(3) ? 1 + pick(8) : size(), k = pick(2) ? 1 + pick(70) : size(), n = size();
  bool flipped = pick(2), dynamic = pick(2), extremes = pick(4) == 0;
  char rows[16];
  if (to[0] != 'f' || to[1] != '3') to = t;
  snprintf(rows, sizeof rows, dynamic ? "?" : "%d", m);
  put("func.func @main(%%x: tensor<%sx%dx%s>) -> tensor<%sx%dx%s> {\n  %%w = arith.constant dense<[", rows, k, t, rows,
      n, to);
  for (int r = 0; r < (flipped ? n : k); r++) {
    put("%s[", r ? ", " : "");
    for (int c = 0; c < (flipped ? k : n); c++) {
      put(c ? ", " : "");
      if (extremes && pick(20) == 0)
        put("%s", odd[pick(12)]);
      else
        put("%.4e", (double)uniform() * (pick(4) ? 1 : 1e-5));
    }
    put("]");
  }
  put("]> : tensor<%dx%dx%s>\n", flipped ? n : k, flipped ? k : n, t);
  put("  %%y = quern.matmul %%x, %%w {transpose_b = %s} : (tensor<%sx%dx%s>, tensor<%dx%dx%s>) -> tensor<%sx%dx%s>\n",
      flipped ? "true" : "false", rows, k, t, flipped ? n : k, flipped ? k : n, t, rows, n, to);
  put("  return %%y : tensor<%sx%dx%s>\n}\n", rows, n, to);
}
