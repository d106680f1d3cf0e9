/* Weights with a scale per block, and attention. */
#include "program.h"
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct block_form {
  const char *type, *codes; /* of the quantized type; of the constant */
  int low, high;            /* codes in the constant */
  bool zeros, weight_only;
} block_form;
static const block_form block_forms[] = {
    {"i4", "i4", -8, 7, false, false},
    {"u4", "i4", -8, 7, true, false},
    {"i2", "i2", -2, 1, false, false},
    {"i8", "i8", -128, 127, false, false},
    {"u8", "i8", -128, 127, true, false},
    {"!quant.quantile<ui4:f16, "
     "{-127.0,-88.0,-67.0,-50.0,-36.0,-23.0,-12.0,0.0,10.0,20.0,31.0,43.0,56.0,71.0,92.0,127.0}>",
     "i4", -8, 7, false, false},
    {"f4E2M1FN", NULL, 0, 0, false, false},
    {"!quant.quantile<ui4:f16, {-1.0,-0.5,0.0,0.125,0.25,0.5,0.75,1.5}>", "i4", 0, 7, false, true},
};

/* The scales' type: a power of two, few bits, or all of f32. */
static void block_scales(int rows, int columns, const block_form *f) {
  static const char *const types[] = {"", ", scale = f16", ", scale = bf16", ", scale = f8E8M0FNU"};
  static const double units[] = {1.37e-3, 1.0 / 1024, 1.0 / 256, 0};
  int kind = pick(4);
  put("%s, {", types[kind]);
  for (int r = 0; r < rows; r++) {
    put("%s{", r ? ", " : "");
    for (int c = 0; c < columns; c++) {
      put(c ? ", " : "");
      if (kind == 3)
        put("%.9e", ldexp(1, pick(12) - 9));
      else
        put("%.9e", (double)(float)(units[kind] * (1 + pick(120))));
      if (f->zeros) put(":%d", pick(f->codes[1] == '4' ? 16 : 256));
    }
    put("}");
  }
  put("}>\n");
}

static void block_codes(int rows, int columns, const block_form *f) {
  static const char *const values[] = {"0.0",  "0.5",  "1.0",  "1.5",  "2.0",  "3.0",  "4.0",  "6.0",
                                       "-0.0", "-0.5", "-1.0", "-1.5", "-2.0", "-3.0", "-4.0", "-6.0"};
  put("dense<[");
  for (int r = 0; r < rows; r++) {
    put("%s[", r ? ", " : "");
    for (int c = 0; c < columns; c++) {
      put(c ? ", " : "");
      if (f->codes)
        put("%d", f->low + pick(f->high - f->low + 1));
      else
        put("%s", values[pick(16)]);
    }
    put("]");
  }
  put("]>");
}

/* Codes times codes, or floats times dequantized weights, which are computed in f32 whatever floats they are; blocks
 * whole or with a tail; bias and more behind. */
void block_products(void) {
  static const char *const elems[] = {"f32", "f32", "f16", "bf16"};
  static const int blocks[] = {8, 16, 24, 32, 32, 32, 64, 136};
  const block_form *f = &block_forms[pick((int)(sizeof block_forms / sizeof block_forms[0]))];
  int m = 1 + pick(pick(4) ? 20 : 200), n = 1 + pick(70), k = 1 + pick(pick(4) ? 150 : 500), block = blocks[pick(8)];
  int nb = (k + block - 1) / block;
  bool transposed = pick(3) == 0, weight_only = f->weight_only || pick(3) == 0;
  int br = transposed ? n : k, bc = transposed ? k : n;
  const char *elem = weight_only ? elems[pick(4)] : "f32", *to = pick(3) ? elem : "f32";
  put("!w = !quern.uniform<%s:%s:{0:%d, 1:%d}", f->type, pick(2) ? elem : "f32", transposed ? 1 : block,
      transposed ? block : 1);
  block_scales(transposed ? n : nb, transposed ? nb : n, f);
  put("func.func @main(%%x: tensor<%dx%dx%s>) -> tensor<%dx%dx%s> {\n  %%c = ", m, k, elem, m, n, to);
  const char *codes = f->codes ? f->codes : f->type;
  put(f->codes ? "arith.constant " : "quern.constant {value = ");
  block_codes(br, bc, f);
  if (f->codes)
    put(" : tensor<%dx%dx%s>\n", br, bc, codes);
  else
    put(" : tensor<%dx%dx%s>} : () -> tensor<%dx%dx%s>\n", br, bc, codes, br, bc, codes);
  put("  %%w = quant.scast %%c : tensor<%dx%dx%s> to tensor<%dx%dx!w>\n", br, bc, codes, br, bc);
  const char *flag = transposed ? "{transpose_b = true} " : "";
  if (weight_only) {
    put("  %%y = quern.matmul %%x, %%w %s: (tensor<%dx%dx%s>, tensor<%dx%dx!w>) -> tensor<%dx%dx%s>\n", flag, m, k,
        elem, br, bc, m, n, to);
  } else {
    put("  %%q, %%s, %%z = quern.dynamic_quantize %%x {storage = i8, scheme = \"symmetric\", range = \"narrow\", block "
        "= %d} : (tensor<%dx%dxf32>) -> (tensor<%dx%dxi8>, tensor<%dx%dxf32>, tensor<%dx%dxi8>)\n",
        block, m, k, m, k, m, nb, m, nb);
    put("  %%y = quern.block_matmul %%q, %%s, %%w %s: (tensor<%dx%dxi8>, tensor<%dx%dxf32>, tensor<%dx%dx!w>) -> "
        "tensor<%dx%dxf32>\n",
        flag, m, k, m, nb, br, bc, m, n);
  }
  if (to[1] == '3' && pick(2))
    tail_f32("%y", m, n);
  else
    put("  return %%y : tensor<%dx%dx%s>\n}\n", m, n, to);
}

/* Heads alone, shared by groups or by all; masks of every kind of shape; floats and codes. */
void attention(void) {
  static const char *const elems[] = {"f32", "f32", "f16", "bf16"}, *const causal[] = {"top_left", "bottom_right"};
  int kv = 1 + pick(3), heads = kv * (1 + pick(2)), batch = pick(3), queries = 1 + pick(pick(2) ? 9 : 40);
  int keys = pick(12) ? 1 + pick(pick(2) ? 20 : 200) : 0, d = 1 + pick(40), dv = 1 + pick(pick(2) ? 20 : 140);
  if (pick(2)) dv = dv < 64 ? 16 * (1 + dv % 3) : 64 * (dv / 64);
  bool decode = pick(3) == 0; /* few queries, of which k and v may be multiplied where they lie */
  int mask = pick(4), codes = pick(2), block = 32 * (1 + pick(5)), diagonal = pick(4);
  if (decode) queries = 1 + pick(2), d = codes ? 1 + pick(260) : 16 * (1 + pick(17)), dv = 64 * (1 + pick(2));
  if (decode && !codes && pick(2)) dv = 16 * (1 + pick(20));
  char lead[16] = "", q[64], k[64], v[64], m[64] = "", tq[160], tk[160], tv[160];
  if (batch) snprintf(lead, sizeof lead, "%dx", batch);
  snprintf(q, sizeof q, "%s%dx%dx%d", lead, heads, queries, d);
  snprintf(k, sizeof k, "%s%dx%dx%d", lead, kv, keys, d);
  snprintf(v, sizeof v, "%s%dx%dx%d", lead, kv, keys, dv);
  const char *elem = codes ? "f32" : elems[pick(4)];
  if (codes) {
    const char *s[3];
    int z[3];
    for (int i = 0; i < 3; i++)
      s[i] = pick(2) ? "u8" : "i8", z[i] = pick(3) ? pick(256) - (s[i][0] == 'i' ? 128 : 0) : 0;
    if (decode && pick(4)) z[0] = s[0][0] == 'i' ? 0 : 128;
    snprintf(tq, sizeof tq, "tensor<%sx!quant.uniform<%s:f32, 0.02:%d>>", q, s[0], z[0]);
    snprintf(tk, sizeof tk, "tensor<%sx!quant.uniform<%s:f32, 0.03:%d>>", k, s[1], z[1]);
    snprintf(tv, sizeof tv, "tensor<%sx!quant.uniform<%s:f32, 0.01:%d>>", v, s[2], z[2]);
  } else {
    snprintf(tq, sizeof tq, "tensor<%sx%s>", q, elem);
    snprintf(tk, sizeof tk, "tensor<%sx%s>", k, elem);
    snprintf(tv, sizeof tv, "tensor<%sx%s>", v, elem);
  }
  if (mask == 1) snprintf(m, sizeof m, "tensor<%dx%dxi1>", queries, keys);
  if (mask == 2) snprintf(m, sizeof m, "tensor<%dx1x%dx%s>", heads, keys, elem);
  if (mask == 3)
    snprintf(m, sizeof m, "tensor<%s1x%dx%d%s>", lead, queries, pick(2) ? keys : 1, pick(2) ? "xi1" : "xf32");
  if (mask == 3 && strstr(m, "f32") && strcmp(elem, "f32")) mask = 0;
  put("func.func @main(%%q: %s, %%k: %s, %%v: %s%s%s) -> tensor<%s%dx%dx%dx%s> {\n", tq, tk, tv, mask ? ", %m: " : "",
      mask ? m : "", lead, heads, queries, dv, elem);
  put("  %%y = quern.attention %%q, %%k, %%v%s {key_block = %d", mask ? ", %m" : "", block);
  if (diagonal < 2) put(", causal = \"%s\"", causal[diagonal]);
  if (pick(2)) put(", scale = %.4f : f32", 0.05 + 0.01 * pick(30));
  put("} : (%s, %s, %s%s%s) -> tensor<%s%dx%dx%dx%s>\n", tq, tk, tv, mask ? ", " : "", mask ? m : "", lead, heads,
      queries, dv, elem);
  put("  return %%y : tensor<%s%dx%dx%dx%s>\n}\n", lead, heads, queries, dv, elem);
}
