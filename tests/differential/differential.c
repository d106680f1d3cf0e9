/* Random programs of random shapes, types and parameters: the interpreter on the program as written, against every
 * engine and every instruction set row that runs here on the program as lowered, on 1 and 2 threads, with and without
 * an embedder's flush-to-zero and rounding mode. Every bit must agree (any NaN equals any other).
 *
 *   differential [CASES [SEED [FAMILY]]] */
#include "program.h"
#include <fenv.h>
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#  include <xmmintrin.h>
#endif

enum { MAX_IN = 8, MAX_OUT = 4 };

static uint64_t state;
uint32_t next(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}
int pick(int n) {
  return (int)(next() % (uint32_t)n);
}
int size(void) {
  return pick(3) ? 1 + pick(20) : 1 + pick(200);
}
float uniform(void) {
  return (float)next() / 1073741824.0f - 1.0f;
}

static char text[1 << 20];
static size_t at;
void put(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(text + at, sizeof text - at, fmt, args);
  va_end(args);
  if (n > 0) at += (size_t)n;
  if (at >= sizeof text) at = sizeof text - 1;
}

/* ---- programs ---- */

static const char *const activations[] = {"relu", "sigmoid", "tanh", "gelu", "exp", "erf"};

void scales(int n) {
  put("{");
  for (int i = 0; i < n; i++) put("%s%.6e", i ? ", " : "", 0.001 + 0.0001 * pick(500));
  put("}");
}

void tail_f32(const char *v, int m, int n) {
  const char *act = activations[pick(6)];
  put("  %%bias = arith.constant dense<%.5e> : tensor<%dxf32>\n", (double)uniform(), n);
  put("  %%t1 = quern.add %s, %%bias : (tensor<%dx%dxf32>, tensor<%dxf32>) -> tensor<%dx%dxf32>\n", v, m, n, n, m, n);
  put("  %%t2 = quern.%s %%t1 : (tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n", act, m, n, m, n);
  put("  return %%t2 : tensor<%dx%dxf32>\n}\n", m, n);
}

/* Quantized operands; the right one per tensor or per channel, plain or transposed; result i32, f32 or codes. */
static void quantized_matmul(void) {
  int m = size(), n = size(), k = size(), per_channel = pick(2), transposed = pick(2), out = pick(4);
  const char *a = pick(2) ? "u8" : "i8";
  int za = a[0] == 'u' ? pick(256) : pick(256) - 128, br = transposed ? n : k, bc = transposed ? k : n;
  put("func.func @main(%%x: tensor<%dx%dxi8>, %%w: tensor<%dx%dxi8>) -> ", m, k, br, bc);
  size_t result_at = at;
  put("                                                                              {\n");
  put("  %%a = quant.scast %%x : tensor<%dx%dxi8> to tensor<%dx%dx!quant.uniform<%s:f32, 0.02:%d>>\n", m, k, m, k, a,
      za);
  char b[8192], keep[256];
  size_t start = at;
  if (per_channel) {
    put("!quant.uniform<i8:f32:%d, ", transposed ? 0 : 1);
    scales(n);
    put(">");
  } else {
    put("!quant.uniform<%s:f32, 0.01:%d>", pick(2) ? "i8" : "u8", pick(2) ? 5 : 0);
  }
  snprintf(b, sizeof b, "%s", text + start);
  at = start;
  put("  %%b = quant.scast %%w : tensor<%dx%dxi8> to tensor<%dx%dx%s>\n", br, bc, br, bc, b);
  put("  %%acc = quern.matmul %%a, %%b %s: (tensor<%dx%dx!quant.uniform<%s:f32, 0.02:%d>>, tensor<%dx%dx%s>) -> "
      "tensor<%dx%dxi32>\n",
      transposed ? "{transpose_b = true} " : "", m, k, a, za, br, bc, b, m, n);
  if (out == 0) {
    snprintf(keep, sizeof keep, "tensor<%dx%dxi32>", m, n);
    put("  return %%acc : %s\n}\n", keep);
  } else if (out == 1) {
    snprintf(keep, sizeof keep, "tensor<%dx%dxf32>", m, n);
    put("  %%f = quern.cast %%acc : (tensor<%dx%dxi32>) -> tensor<%dx%dxf32>\n", m, n, m, n);
    put("  %%s = arith.constant dense<%.5e> : tensor<%dxf32>\n", 2e-4 * (1 + pick(9)), n);
    put("  %%y = quern.mul %%f, %%s : (tensor<%dx%dxf32>, tensor<%dxf32>) -> tensor<%dx%dxf32>\n", m, n, n, m, n);
    tail_f32("%y", m, n);
  } else {
    static const char *const modes[] = {"f32", "fixed", "single"};
    const char *q = pick(2) ? "!quant.uniform<u8:f32, 0.5:19>" : "!quant.uniform<i8<-127:127>:f32, 0.5:-3>";
    snprintf(keep, sizeof keep, "tensor<%dx%dx%s>", m, n, q);
    put("  %%mul = arith.constant dense<%.6e> : tensor<%s>\n", 0.0007 * (1 + pick(7)), "f32");
    put("  %%y = quern.requantize %%acc, %%mul {mode = \"%s\"} : (tensor<%dx%dxi32>, tensor<f32>) -> %s\n",
        modes[pick(3)], m, n, keep);
    put("  return %%y : %s\n}\n", keep);
  }
  memcpy(text + result_at, keep, strlen(keep));
}

/* f32 quantized by its own range, multiplied, scaled back. */
static void dynamic_matmul(void) {
  int m = size(), n = size(), k = size(), per_row = pick(2);
  const char *storage = pick(2) ? "ui8" : "i8", *scheme = pick(2) ? "symmetric" : "asymmetric";
  char p[32];
  snprintf(p, sizeof p, per_row ? "%dx1x" : "", m);
  put("func.func @main(%%x: tensor<%dx%dxf32>, %%w: tensor<%dx%dxi8>) -> tensor<%dx%dxf32> {\n", m, k, k, n, m, n);
  put("  %%q, %%s, %%z = quern.dynamic_quantize %%x {storage = %s, scheme = \"%s\"%s} : (tensor<%dx%dxf32>) -> "
      "(tensor<%dx%dx%s>, tensor<%sf32>, tensor<%s%s>)\n",
      storage, scheme, per_row ? ", per_row = true" : "", m, k, m, k, storage, p, p, storage);
  const char *z = "%z";
  char zt[64];
  snprintf(zt, sizeof zt, "tensor<%s%s>", p, storage);
  if (per_row) {
    put("  %%zr = quern.reshape %%z {shape = array<i64: %d>} : (%s) -> tensor<%dx%s>\n", m, zt, m, storage);
    z = "%zr";
    snprintf(zt, sizeof zt, "tensor<%dx%s>", m, storage);
  }
  put("  %%acc = quern.matmul_integer %%q, %%w, %s : (tensor<%dx%dx%s>, tensor<%dx%dxi8>, %s) -> tensor<%dx%dxi32>\n",
      z, m, k, storage, k, n, zt, m, n);
  put("  %%f = quern.cast %%acc : (tensor<%dx%dxi32>) -> tensor<%dx%dxf32>\n", m, n, m, n);
  put("  %%y = quern.mul %%f, %%s : (tensor<%dx%dxf32>, tensor<%sf32>) -> tensor<%dx%dxf32>\n", m, n, p, m, n);
  tail_f32("%y", m, n);
}

static void float_matmul(void) {
  int m = size(), n = size(), k = size(), ta = pick(4) == 0, tb = pick(2), batch = pick(4) == 0 ? 2 + pick(3) : 0;
  char lead[16] = "";
  if (batch) snprintf(lead, sizeof lead, "%dx", batch);
  put("func.func @main(%%x: tensor<%s%dx%dxf32>, %%w: tensor<%s%dx%dxf32>) -> tensor<%s%dx%dxf32> {\n", lead,
      ta ? k : m, ta ? m : k, batch && pick(2) ? lead : "", tb ? n : k, tb ? k : n, lead, m, n);
  const char *w = strstr(text, "%w: ") + 4;
  int wn = (int)(strchr(w, ')') - w);
  char wt[64];
  snprintf(wt, sizeof wt, "%.*s", wn, w);
  put("  %%y = quern.matmul %%x, %%w {transpose_a = %s, transpose_b = %s} : (tensor<%s%dx%dxf32>, %s) -> "
      "tensor<%s%dx%dxf32>\n",
      ta ? "true" : "false", tb ? "true" : "false", lead, ta ? k : m, ta ? m : k, wt, lead, m, n);
  put("  %%r = quern.%s %%y : (tensor<%s%dx%dxf32>) -> tensor<%s%dx%dxf32>\n  return %%r : tensor<%s%dx%dxf32>\n}\n",
      activations[pick(6)], lead, m, n, lead, m, n, lead, m, n);
}

static void elementwise(void) {
  static const char *const types[] = {"f32", "f32", "f16", "bf16", "i8", "ui8", "i16", "i32", "i64", "f64"};
  static const char *const binary[] = {"add", "sub", "mul", "div", "maximum", "minimum"};
  const char *t = types[pick(10)];
  int a = size(), b = 1 + pick(30), one = pick(3);
  put("func.func @main(%%x: tensor<%dx%dx%s>, %%y: tensor<%dx%s>, %%z: tensor<%dx1x%s>) -> tensor<%dx%dx%s> {\n", a, b,
      t, one ? b : 1, t, a, t, a, b, t);
  const char *v = "%x";
  static const char *const names[] = {"%a", "%b", "%c"};
  for (int i = 0; i < 3; i++) {
    const char *op = binary[pick(6)];
    if (i == 1)
      put("  %s = quern.%s %s, %%z : (tensor<%dx%dx%s>, tensor<%dx1x%s>) -> tensor<%dx%dx%s>\n", names[i], op, v, a, b,
          t, a, t, a, b, t);
    else
      put("  %s = quern.%s %s, %%y : (tensor<%dx%dx%s>, tensor<%dx%s>) -> tensor<%dx%dx%s>\n", names[i], op, v, a, b, t,
          one ? b : 1, t, a, b, t);
    v = names[i];
  }
  const char *unary[] = {"relu", "neg", "abs"};
  put("  %%u = quern.%s %s : (tensor<%dx%dx%s>) -> tensor<%dx%dx%s>\n  return %%u : tensor<%dx%dx%s>\n}\n",
      unary[pick(3)], v, a, b, t, a, b, t, a, b, t);
}

static void conversions(void) {
  static const char *const types[] = {"f32", "f16", "bf16", "f64", "i8", "ui8", "i16", "ui16", "i32", "ui32", "i64"};
  const char *from = types[pick(11)], *through = types[pick(11)], *to = types[pick(11)];
  int n = size(), k = 1 + pick(9);
  put("func.func @main(%%x: tensor<%dx%dx%s>) -> tensor<%dx%dx%s> {\n", n, k, from, n, k, to);
  put("  %%a = quern.cast %%x : (tensor<%dx%dx%s>) -> tensor<%dx%dx%s>\n", n, k, from, n, k, through);
  put("  %%b = quern.cast %%a : (tensor<%dx%dx%s>) -> tensor<%dx%dx%s>\n  return %%b : tensor<%dx%dx%s>\n}\n", n, k,
      through, n, k, to, n, k, to);
}

static void softmax(void) {
  int a = 1 + pick(9), b = size(), c = 1 + pick(9), axis = pick(3);
  const char *t = pick(3) ? "f32" : "f16";
  put("func.func @main(%%x: tensor<%dx%dx%dx%s>) -> tensor<%dx%dx%dx%s> {\n", a, b, c, t, a, b, c, t);
  put("  %%y = quern.softmax %%x {axis = %d} : (tensor<%dx%dx%dx%s>) -> tensor<%dx%dx%dx%s>\n  return %%y : "
      "tensor<%dx%dx%dx%s>\n}\n",
      axis, a, b, c, t, a, b, c, t, a, b, c, t);
}

/* quantize and dequantize, per tensor and per channel, any storage */
static void codecs(void) {
  static const char *const storages[] = {"i8", "u8", "i8<-127:127>", "u8<1:255>", "i16", "u16", "i4", "u4"};
  const char *s = storages[pick(8)];
  int n = size(), k = 1 + pick(19), axis = pick(3);
  put("func.func @main(%%x: tensor<%dx%dxf32>) -> tensor<%dx%dxf32> {\n", n, k, n, k);
  put("  %%q = quant.qcast %%x : tensor<%dx%dxf32> to tensor<%dx%dx", n, k, n, k);
  size_t start = at;
  if (axis == 2) {
    put("!quant.uniform<%s:f32, %.5e:%d>", s, 0.003 + 0.001 * pick(90), pick(8));
  } else {
    put("!quant.uniform<%s:f32:%d, ", s, axis);
    scales(axis ? k : n);
    put(">");
  }
  char q[12000];
  snprintf(q, sizeof q, "%s", text + start);
  put(">\n  %%y = quant.dcast %%q : tensor<%dx%dx%s> to tensor<%dx%dxf32>\n  return %%y : tensor<%dx%dxf32>\n}\n", n, k,
      q, n, k, n, k);
}

static void shapes(void) {
  int a = 1 + pick(7), b = 1 + pick(7), c = 1 + pick(7), n = size();
  put("func.func @main(%%x: tensor<%dx%dx%dxf32>, %%w: tensor<%dx%dxf32>) -> (tensor<%dx%dxf32>, tensor<%dx%dx%dxf32>) "
      "{\n",
      a, b, c, a * b, n, c, n, c, a, b);
  put("  %%t = quern.transpose %%x {perm = array<i64: 2, 0, 1>} : (tensor<%dx%dx%dxf32>) -> tensor<%dx%dx%dxf32>\n", a,
      b, c, c, a, b);
  put("  %%r = quern.reshape %%t {shape = array<i64: %d, -1>} : (tensor<%dx%dx%dxf32>) -> tensor<%dx%dxf32>\n", c, c, a,
      b, c, a * b);
  put("  %%y = quern.matmul %%r, %%w : (tensor<%dx%dxf32>, tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n", c, a * b, a * b,
      n, c, n);
  put("  return %%y, %%t : tensor<%dx%dxf32>, tensor<%dx%dx%dxf32>\n}\n", c, n, c, a, b);
}

/* ---- weights with a scale per block ---- */

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

/* Codes times codes, or floats times dequantized weights; blocks whole or with a tail; bias and more behind. */
static void block_products(void) {
  static const int blocks[] = {8, 16, 24, 32, 32, 32, 64, 136};
  const block_form *f = &block_forms[pick((int)(sizeof block_forms / sizeof block_forms[0]))];
  int m = 1 + pick(20), n = 1 + pick(70), k = 1 + pick(150), block = blocks[pick(8)], nb = (k + block - 1) / block;
  bool transposed = pick(3) == 0, weight_only = f->weight_only || pick(3) == 0;
  int br = transposed ? n : k, bc = transposed ? k : n;
  put("!w = !quern.uniform<%s:f32:{0:%d, 1:%d}", f->type, transposed ? 1 : block, transposed ? block : 1);
  block_scales(transposed ? n : nb, transposed ? nb : n, f);
  put("func.func @main(%%x: tensor<%dx%dxf32>) -> tensor<%dx%dxf32> {\n  %%c = ", m, k, m, n);
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
    put("  %%y = quern.matmul %%x, %%w %s: (tensor<%dx%dxf32>, tensor<%dx%dx!w>) -> tensor<%dx%dxf32>\n", flag, m, k,
        br, bc, m, n);
  } else {
    put("  %%q, %%s, %%z = quern.dynamic_quantize %%x {storage = i8, scheme = \"symmetric\", range = \"narrow\", block "
        "= %d} : (tensor<%dx%dxf32>) -> (tensor<%dx%dxi8>, tensor<%dx%dxf32>, tensor<%dx%dxi8>)\n",
        block, m, k, m, k, m, nb, m, nb);
    put("  %%y = quern.block_matmul %%q, %%s, %%w %s: (tensor<%dx%dxi8>, tensor<%dx%dxf32>, tensor<%dx%dx!w>) -> "
        "tensor<%dx%dxf32>\n",
        flag, m, k, m, nb, br, bc, m, n);
  }
  if (pick(2))
    tail_f32("%y", m, n);
  else
    put("  return %%y : tensor<%dx%dxf32>\n}\n", m, n);
}

/* Heads alone, shared by groups or by all; masks of every kind of shape; floats and codes. */
static void attention(void) {
  static const char *const elems[] = {"f32", "f32", "f16", "bf16"}, *const causal[] = {"top_left", "bottom_right"};
  int kv = 1 + pick(3), heads = kv * (1 + pick(2)), batch = pick(3), queries = 1 + pick(pick(2) ? 9 : 40);
  int keys = pick(12) ? 1 + pick(pick(2) ? 20 : 200) : 0, d = 1 + pick(40), dv = 1 + pick(pick(2) ? 20 : 140);
  if (pick(2)) dv = dv < 64 ? 16 * (1 + dv % 3) : 64 * (dv / 64);
  int mask = pick(4), codes = pick(2), block = 32 * (1 + pick(4)), diagonal = pick(4);
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

typedef struct family {
  const char *name;
  void (*make)(void);
  int weight;
} family;
static const family families[] = {{"quantized matmul", quantized_matmul, 6},
                                  {"dynamic matmul", dynamic_matmul, 3},
                                  {"float matmul", float_matmul, 3},
                                  {"elementwise", elementwise, 3},
                                  {"conversions", conversions, 3},
                                  {"softmax", softmax, 2},
                                  {"block products", block_products, 4},
                                  {"codecs", codecs, 3},
                                  {"shapes", shapes, 1},
                                  {"attention", attention, 3},
                                  {"layers", layers, 5},
                                  {"wide codes", wide_codes, 2},
                                  {"long sums", long_sums, 2},
                                  {"layer norms", layer_norms, 2},
                                  {"batches", batches, 3},
                                  {"reductions", reductions, 2},
                                  {"constant weights", constant_weights, 4},
                                  {"convolutions", convolutions, 4},
                                  {"float convolutions", float_convolutions, 2}};

/* ---- running ---- */

/* Values that find mistakes: ordinary ones, zeros of both signs, infinities, NaN, subnormals, ties, extremes. */
static void fill(qn_tensor *t, bool wild) {
  static const double odd[] = {0.0,  -0.0,  0.5,   -0.5, 1.5,      2.5,       1e-40, -1e-42,
                               3e38, -3e38, 65504, 1e9,  INFINITY, -INFINITY, NAN};
  bool f = qn_scalar_is_float(t->elem);
  for (int64_t i = 0, n = qn_tensor_count(t); i < n; i++) {
    if (f)
      qn_tensor_set_f64(t, i, wild && pick(9) == 0 ? odd[pick(15)] : (double)(uniform() * 4.0f));
    else
      qn_tensor_set_i64(t, i,
                        pick(12) == 0 ? (pick(2) ? qn_scalar_min(t->elem) : qn_scalar_max(t->elem))
                                      : (int64_t)next() - (1 << 30));
  }
}

static bool is_nan_at(const qn_tensor *t, int64_t i) {
  double v = qn_tensor_get_f64(t, i);
  return v != v;
}

static bool same(const qn_tensor *a, const qn_tensor *b, int64_t *where) {
  if (a->elem != b->elem || a->rank != b->rank || memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]))
    return *where = -1, false;
  size_t bytes = qn_tensor_bytes(a);
  if (!bytes || !memcmp(a->data, b->data, bytes)) return true;
  uint32_t bits = qn_scalar_get(a->elem)->storage_bits;
  for (int64_t i = 0, n = qn_tensor_count(a); i < n; i++) {
    bool equal =
        bits < 8 ? qn_tensor_get_i64(a, i) == qn_tensor_get_i64(b, i)
                 : !memcmp((char *)a->data + (size_t)i * bits / 8, (char *)b->data + (size_t)i * bits / 8, bits / 8);
    if (!equal && !(qn_scalar_is_float(a->elem) && is_nan_at(a, i) && is_nan_at(b, i))) return *where = i, false;
  }
  return true;
}

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  fprintf(stderr, "%u:%u: %.*s\n", d->place.line, d->place.col, (int)d->message.size, d->message.data);
}

typedef struct tester {
  qn_context *ctx;
  qn_module *m;
  qn_tensor in[MAX_IN], expected[MAX_OUT];
  qn_pool *pool;
  int checks;
} tester;

/* An embedder's settings, which must not show in the results. */
static void disturb(bool on) {
  fesetround(on ? FE_UPWARD : FE_TONEAREST);
#if defined(__x86_64__)
  _mm_setcsr(on ? _mm_getcsr() | 0x8040u : _mm_getcsr() & ~0x8040u);
#endif
}

static bool compare_run(tester *t, const qn_program *p, const char *what, bool threads, bool disturbed) {
  qn_tensor out[MAX_OUT];
  qn_parallel parallel = qn_pool_parallel(t->pool);
  parallel.min_ns = 1; /* cut everything, however small */
  if (disturbed) disturb(true);
  qn_status status = qn_program_run(p, t->in, out, threads ? &parallel : NULL);
  if (disturbed) disturb(false);
  bool ok = status == QN_OK;
  for (uint32_t i = 0; i < qn_program_num_outputs(p) && status == QN_OK; i++) {
    int64_t where = 0;
    if (ok && !same(&out[i], &t->expected[i], &where)) {
      ok = false;
      fprintf(stderr, "%s%s%s: output %u differs at %lld: %.9g, interpreter %.9g\n", what, threads ? ", 2 threads" : "",
              disturbed ? ", disturbed" : "", i, (long long)where, where < 0 ? 0 : qn_tensor_get_f64(&out[i], where),
              where < 0 ? 0 : qn_tensor_get_f64(&t->expected[i], where));
    }
    qn_tensor_free(t->ctx, &out[i]);
  }
  t->checks++;
  return ok;
}

static bool check_tuned(tester *t, const qn_program *plain, const char *engine, const qn_isa *isa);

/* Also, now and then, with choices that no one would make. */
static bool check_engine(tester *t, const char *engine, const qn_isa *isa, bool plain) {
  char what[64];
  snprintf(what, sizeof what, "%s, %s", engine, isa->name);
  qn_module *lowered = qn_module_clone(t->m);
  qn_compile_options options = {.engine = engine};
  qn_program *p = NULL;
  bool ok = qn_lower(lowered, isa->name) == QN_OK && qn_program_compile(lowered, &options, &p) == QN_OK;
  if (!ok) fprintf(stderr, "%s: does not compile\n", what);
  if (ok) ok = compare_run(t, p, what, false, false) && compare_run(t, p, what, true, true);
  if (ok && plain && strcmp(engine, "interp") && !pick(6)) ok = check_tuned(t, p, engine, isa);
  qn_program_destroy(p);
  qn_module_destroy(lowered);
  return ok;
}

/* Anything that may be chosen for the products of a program, or for a machine. */
static void choose_anything(tester *t, const qn_program *p) {
  qn_kernel_info k;
  qn_machine machine = qn_machine_default();
  for (size_t i = 0; qn_machine_constant_get(i); i++) {
    const qn_machine_constant *c = qn_machine_constant_get(i);
    if (pick(2)) *qn_machine_at(&machine, i) = pick(2) ? c->least : c->otherwise * (1 + pick(4));
  }
  if (!pick(4)) qn_context_set_machine(t->ctx, &machine);
  for (size_t i = 0; qn_program_kernel(p, i, &k); i++) {
    if (!k.product) continue;
    qn_tuned tuned = *k.product;
    if (tuned.m_least < 0) tuned.m_least = 0, tuned.m_most = INT64_MAX;
    for (size_t c = 0; c < QN_CHOICE_COUNT; c++) {
      const qn_choice_info *info = qn_choice_info_get(c);
      if (!(info->kinds & tuned.kind) || pick(2)) continue;
      int most = info->most > 4096 ? 65536 : (int)info->most;
      tuned.choice.value[c] = info->least + pick(most);
      if (c == QN_CHOICE_UNROLL) tuned.choice.value[c] = 1 << pick(3);
      if (c == QN_CHOICE_PANEL) tuned.choice.value[c] = 4 << pick(5);
      if (c == QN_CHOICE_ROWS) tuned.choice.value[c] = 1 + pick(tuned.kind == QN_TUNED_BLOCK ? 8 : 16);
    }
    bool any = false;
    for (size_t c = 0; c < QN_CHOICE_COUNT; c++) any |= tuned.choice.value[c] >= 0;
    if (any && qn_tuning_put(t->ctx, &tuned)) exit(1);
  }
}

static bool check_tuned(tester *t, const qn_program *plain, const char *engine, const qn_isa *isa) {
  choose_anything(t, plain);
  bool ok = check_engine(t, engine, isa, false);
  if (!ok && qn_tuning_write(t->ctx, "/dev/stderr")) ok = false;
  return qn_tuning_read(t->ctx, NULL, QN_FOREIGN_IGNORE) == QN_OK && ok;
}

static bool run_case(tester *t, bool wild) {
  qn_program *oracle = NULL;
  qn_compile_options interp = {.engine = "interp"};
  if (qn_parse_text(t->ctx, (qn_str){text, at}, "case", NULL, &t->m)) return false;
  bool ok = qn_program_compile(t->m, &interp, &oracle) == QN_OK;
  uint32_t n = ok ? qn_program_num_inputs(oracle) : 0;
  int64_t rows = size();
  for (uint32_t i = 0; i < n; i++) {
    qn_port_info port = qn_program_input(oracle, i);
    t->in[i] = (qn_tensor){.elem = port.elem, .rank = port.rank};
    memcpy(t->in[i].shape, port.shape, sizeof port.shape);
    for (uint32_t d = 0; d < port.rank; d++) /* all the same size that the program does not say */
      if (port.shape[d] == QN_DYNAMIC) t->in[i].shape[d] = rows;
    t->in[i].data = calloc(1, qn_tensor_bytes(&t->in[i]) + 1);
    fill(&t->in[i], wild);
  }
  ok = ok && qn_program_run(oracle, t->in, t->expected, NULL) == QN_OK;
  if (ok) {
    for (size_t e = 0; qn_engine_name(e); e++)
      for (size_t r = 0; qn_isa_get(r); r++) {
        bool interpreter = !strcmp(qn_engine_name(e), "interp"), tcc = !strcmp(qn_engine_name(e), "tcc");
        if (!qn_isa_runs_here(qn_isa_get(r)) || (tcc && r > 0 && pick(4))) continue;
        ok = check_engine(t, qn_engine_name(e), qn_isa_get(r), true) && ok;
        if (interpreter && r > 0) break; /* lowered programs on the interpreter: two layouts are enough */
      }
    for (uint32_t i = 0; i < qn_program_num_outputs(oracle); i++) qn_tensor_free(t->ctx, &t->expected[i]);
  }
  for (uint32_t i = 0; i < n; i++) free(t->in[i].data);
  qn_program_destroy(oracle);
  qn_module_destroy(t->m);
  return ok;
}

int main(int argc, char **argv) {
  int cases = argc > 1 ? atoi(argv[1]) : 120, bad = 0, total = 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
  for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) total += families[f].weight;
  tester t = {0};
  qn_context_options options = {.on_diag = on_diag};
  for (int i = 0; i < cases && bad < 10; i++) {
    t.ctx = qn_context_create(&options);
    if (!t.ctx || qn_pool_create(t.ctx, 2, &t.pool)) return 1;
    state = seed * 1000003u + (uint64_t)i;
    next(), next();
    int w = pick(total);
    size_t f = 0;
    while (w >= families[f].weight) w -= families[f++].weight;
    for (size_t k = 0; argc > 3 && k < sizeof families / sizeof families[0]; k++)
      if (!strcmp(families[k].name, argv[3])) f = k;
    at = 0;
    families[f].make();
    if (!run_case(&t, pick(2) != 0)) {
      bad++;
      fprintf(stderr, "case %d (seed %llu, %s):\n%.*s\n", i, (unsigned long long)seed, families[f].name,
              at > 3000 ? 3000 : (int)at, text);
    }
    qn_pool_destroy(t.pool);
    qn_context_destroy(t.ctx);
  }
  printf("%d cases, %d runs compared, %d bad\n", cases, t.checks, bad);
  return bad != 0;
}
