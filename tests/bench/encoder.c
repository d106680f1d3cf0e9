/* Text of an encoder as dynamic quantization leaves it: 12 layers, 128 tokens, 192 wide, 3 heads, 768 inside. */
#include "setup.h"
#include <stdlib.h>

enum { LAYERS = 12, TOKENS = 128, WIDE = 192, HEADS = 3, HEAD = WIDE / HEADS, INSIDE = 4 * WIDE };

static int next_value; /* values are numbered */

static void constant_codes(text *t, int name, int k, int n, uint32_t seed) {
  int8_t *w = big_alloc((size_t)k * (size_t)n);
  fill_codes(w, (size_t)k * (size_t)n, 127, seed);
  text_add(t, "%%v%d = arith.constant ", name);
  text_hex(t, w, (size_t)k * (size_t)n);
  text_add(t, " : tensor<%dx%dxi8>\n", k, n);
  free(w);
}

static void constant_floats(text *t, int name, int n, float lo, float hi, uint32_t seed) {
  float *x = big_alloc((size_t)n * sizeof *x);
  fill_floats(x, (size_t)n, lo, hi, seed);
  text_add(t, "%%v%d = arith.constant ", name);
  text_hex(t, x, (size_t)n * sizeof *x);
  text_add(t, " : tensor<%dxf32>\n", n);
  free(x);
}

/* Codes, scale and zero point are the results of %vQ. */
static int quantize(text *t, int x, int k) {
  int q = next_value++;
  text_add(t,
           "%%v%d:3 = quern.dynamic_quantize %%v%d {storage = ui8} : (tensor<%dx%dxf32>) -> "
           "(tensor<%dx%dxui8>, tensor<f32>, tensor<ui8>)\n",
           q, x, TOKENS, k, TOKENS, k);
  return q;
}

static int linear(text *t, int q, int k, int n) {
  int v = next_value;
  next_value += 8;
  constant_codes(t, v, k, n, (uint32_t)v);
  constant_floats(t, v + 1, n, 0.0001f, 0.0003f, (uint32_t)v);
  constant_floats(t, v + 2, n, -0.1f, 0.1f, (uint32_t)v + 1);
  text_add(t,
           "%%v%d = quern.matmul_integer %%v%d#0, %%v%d, %%v%d#2 : (tensor<%dx%dxui8>, tensor<%dx%dxi8>, "
           "tensor<ui8>) -> tensor<%dx%dxi32>\n",
           v + 3, q, v, q, TOKENS, k, k, n, TOKENS, n);
  text_add(t, "%%v%d = quern.cast %%v%d : (tensor<%dx%dxi32>) -> tensor<%dx%dxf32>\n", v + 4, v + 3, TOKENS, n, TOKENS,
           n);
  text_add(t, "%%v%d = quern.mul %%v%d#1, %%v%d : (tensor<f32>, tensor<%dxf32>) -> tensor<%dxf32>\n", v + 5, q, v + 1,
           n, n);
  for (int i = 0; i < 2; i++)
    text_add(t, "%%v%d = quern.%s %%v%d, %%v%d : (tensor<%dx%dxf32>, tensor<%dxf32>) -> tensor<%dx%dxf32>\n", v + 6 + i,
             i ? "add" : "mul", i ? v + 6 : v + 4, i ? v + 2 : v + 5, TOKENS, n, n, TOKENS, n);
  return v + 7;
}

/* [tokens, wide] to [heads, ...] with the axes in that order. */
static int heads(text *t, int x, const char *perm, int a, int b) {
  int v = next_value;
  next_value += 2;
  text_add(t,
           "%%v%d = quern.reshape %%v%d {shape = array<i64: %d, %d, %d>} : (tensor<%dx%dxf32>) -> "
           "tensor<%dx%dx%dxf32>\n",
           v, x, TOKENS, HEADS, HEAD, TOKENS, WIDE, TOKENS, HEADS, HEAD);
  text_add(t,
           "%%v%d = quern.transpose %%v%d {perm = array<i64: %s>} : (tensor<%dx%dx%dxf32>) -> "
           "tensor<%dx%dx%dxf32>\n",
           v + 1, v, perm, TOKENS, HEADS, HEAD, HEADS, a, b);
  return v + 1;
}

static int attention(text *t, int q, int k, int v) {
  int hq = heads(t, q, "1, 0, 2", TOKENS, HEAD), hk = heads(t, k, "1, 2, 0", HEAD, TOKENS),
      hv = heads(t, v, "1, 0, 2", TOKENS, HEAD), n = next_value;
  next_value += 7;
  text_add(t,
           "%%v%d = quern.matmul %%v%d, %%v%d : (tensor<%dx%dx%dxf32>, tensor<%dx%dx%dxf32>) -> "
           "tensor<%dx%dx%dxf32>\n",
           n, hq, hk, HEADS, TOKENS, HEAD, HEADS, HEAD, TOKENS, HEADS, TOKENS, TOKENS);
  text_add(t, "%%v%d = arith.constant dense<0.125> : tensor<f32>\n", n + 1);
  text_add(t, "%%v%d = quern.mul %%v%d, %%v%d : (tensor<%dx%dx%dxf32>, tensor<f32>) -> tensor<%dx%dx%dxf32>\n", n + 2,
           n, n + 1, HEADS, TOKENS, TOKENS, HEADS, TOKENS, TOKENS);
  text_add(t, "%%v%d = quern.softmax %%v%d : (tensor<%dx%dx%dxf32>) -> tensor<%dx%dx%dxf32>\n", n + 3, n + 2, HEADS,
           TOKENS, TOKENS, HEADS, TOKENS, TOKENS);
  text_add(t,
           "%%v%d = quern.matmul %%v%d, %%v%d : (tensor<%dx%dx%dxf32>, tensor<%dx%dx%dxf32>) -> "
           "tensor<%dx%dx%dxf32>\n",
           n + 4, n + 3, hv, HEADS, TOKENS, TOKENS, HEADS, TOKENS, HEAD, HEADS, TOKENS, HEAD);
  text_add(t,
           "%%v%d = quern.transpose %%v%d {perm = array<i64: 1, 0, 2>} : (tensor<%dx%dx%dxf32>) -> "
           "tensor<%dx%dx%dxf32>\n",
           n + 5, n + 4, HEADS, TOKENS, HEAD, TOKENS, HEADS, HEAD);
  text_add(t,
           "%%v%d = quern.reshape %%v%d {shape = array<i64: %d, %d>} : (tensor<%dx%dx%dxf32>) -> tensor<%dx%dxf32>\n",
           n + 6, n + 5, TOKENS, WIDE, TOKENS, HEADS, HEAD, TOKENS, WIDE);
  return n + 6;
}

static int residual(text *t, int x, int y, bool norms) {
  int v = next_value;
  next_value += 4;
  text_add(t, "%%v%d = quern.add %%v%d, %%v%d : (tensor<%dx%dxf32>, tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n", v, x, y,
           TOKENS, WIDE, TOKENS, WIDE, TOKENS, WIDE);
  if (!norms) return v;
  constant_floats(t, v + 1, WIDE, 0.5f, 1.5f, (uint32_t)v);
  constant_floats(t, v + 2, WIDE, -0.5f, 0.5f, (uint32_t)v + 1);
  text_add(t,
           "%%v%d = quern.layer_norm %%v%d, %%v%d, %%v%d : (tensor<%dx%dxf32>, tensor<%dxf32>, tensor<%dxf32>) -> "
           "tensor<%dx%dxf32>\n",
           v + 3, v, v + 1, v + 2, TOKENS, WIDE, WIDE, WIDE, TOKENS, WIDE);
  return v + 3;
}

void encoder_text(text *t, bool norms) {
  int x = 0;
  next_value = 1;
  text_add(t, "func.func @main(%%v0: tensor<%dx%dxf32>) -> tensor<%dx%dxf32> {\n", TOKENS, WIDE, TOKENS, WIDE);
  for (int i = 0; i < LAYERS; i++) {
    int q = quantize(t, x, WIDE), a = linear(t, q, WIDE, WIDE), b = linear(t, q, WIDE, WIDE),
        c = linear(t, q, WIDE, WIDE), y = attention(t, a, b, c);
    x = residual(t, x, linear(t, quantize(t, y, WIDE), WIDE, WIDE), norms);
    int up = linear(t, quantize(t, x, WIDE), WIDE, INSIDE), g = next_value++;
    text_add(t, "%%v%d = quern.gelu %%v%d : (tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n", g, up, TOKENS, INSIDE, TOKENS,
             INSIDE);
    x = residual(t, x, linear(t, quantize(t, g, INSIDE), INSIDE, WIDE), norms);
  }
  text_add(t, "return %%v%d : tensor<%dx%dxf32>\n}\n", x, TOKENS, WIDE);
}
