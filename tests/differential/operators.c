/* Programs of a few ops, one family for each kind. */
#include "program.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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
void quantized_matmul(void) {
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
void dynamic_matmul(void) {
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

void float_matmul(void) {
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

void elementwise(void) {
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

void conversions(void) {
  static const char *const types[] = {"f32", "f16", "bf16", "f64", "i8", "ui8", "i16", "ui16", "i32", "ui32", "i64"};
  const char *from = types[pick(11)], *through = types[pick(11)], *to = types[pick(11)];
  int n = size(), k = 1 + pick(9);
  put("func.func @main(%%x: tensor<%dx%dx%s>) -> tensor<%dx%dx%s> {\n", n, k, from, n, k, to);
  put("  %%a = quern.cast %%x : (tensor<%dx%dx%s>) -> tensor<%dx%dx%s>\n", n, k, from, n, k, through);
  put("  %%b = quern.cast %%a : (tensor<%dx%dx%s>) -> tensor<%dx%dx%s>\n  return %%b : tensor<%dx%dx%s>\n}\n", n, k,
      through, n, k, to, n, k, to);
}

void softmax(void) {
  int a = 1 + pick(9), b = size(), c = 1 + pick(9), axis = pick(3);
  const char *t = pick(3) ? "f32" : "f16";
  put("func.func @main(%%x: tensor<%dx%dx%dx%s>) -> tensor<%dx%dx%dx%s> {\n", a, b, c, t, a, b, c, t);
  put("  %%y = quern.softmax %%x {axis = %d} : (tensor<%dx%dx%dx%s>) -> tensor<%dx%dx%dx%s>\n  return %%y : "
      "tensor<%dx%dx%dx%s>\n}\n",
      axis, a, b, c, t, a, b, c, t, a, b, c, t);
}

/* quantize and dequantize, per tensor and per channel, any storage */
void codecs(void) {
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

void shapes(void) {
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
