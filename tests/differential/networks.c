/* Programs with constant weights in several layers, other widths of codes, long sums, normalizations. */
#include "program.h"
#include <stdbool.h>
#include <stdio.h>

static void hex(int bytes) {
  put("dense<\"0x");
  for (int i = 0; i < bytes; i++) put("%02X", pick(256));
  put("\">");
}

/* Zeros, where there are many, may be treated apart. */
static void sparse_hex(int rows, int columns, int block) {
  put("dense<\"0x");
  bool kept = true;
  for (int r = 0; r < rows; r++) {
    if (r % block == 0) kept = pick(2);
    for (int c = 0; c < columns; c++) put(kept ? "%02X" : "00", kept ? pick(256) : 0);
  }
  put("\">");
}

/* A constant i8 matrix %w<i> as codes of `type`, scales per column or one. */
static void weights(int i, int k, int n) {
  put("  %%c%d = arith.constant ", i);
  if (pick(4) || n * k < 64)
    hex(k * n);
  else
    sparse_hex(k, n, 1 << pick(7));
  put(" : tensor<%dx%dxi8>\n  %%w%d = quant.scast %%c%d : tensor<%dx%dxi8> to tensor<%dx%dx!w%d>\n", k, n, i, i, k, n,
      k, n, i);
}

static void weight_type(int i, int n) {
  put("!w%d = !quant.uniform<i8:f32", i);
  if (pick(2)) {
    put(":1, ");
    scales(n);
    put(">\n");
  } else {
    put(", %.5e%s>\n", 0.001 * (1 + pick(9)), pick(4) ? "" : ":5");
  }
}

/* %t = %a * %w<i> + bias, scaled to codes !q<i + 1> or to f32: gives the name of its last value. */
static void layer(int i, const char *rows, const char *a, int k, int n, bool codes) {
  put("  %%acc%d = quern.matmul %s, %%w%d : (tensor<%sx%dx!q%d>, tensor<%dx%dx!w%d>) -> tensor<%sx%dxi32>\n", i, a, i,
      rows, k, i, k, n, i, rows, n);
  put("  %%b%d = arith.constant dense<%d> : tensor<%dxi32>\n", i, pick(4000) - 2000, n);
  put("  %%s%d = quern.add %%acc%d, %%b%d : (tensor<%sx%dxi32>, tensor<%dxi32>) -> tensor<%sx%dxi32>\n", i, i, i, rows,
      n, n, rows, n);
  const char *from = "s";
  if (pick(2)) {
    put("  %%r%d = quern.relu %%s%d : (tensor<%sx%dxi32>) -> tensor<%sx%dxi32>\n", i, i, rows, n, rows, n);
    from = "r";
  }
  if (codes) {
    put("  %%m%d = arith.constant dense<%.5e> : tensor<%dxf32>\n", i, pick(9) ? 1e-4 * (1 + pick(60)) : 0.75, n);
    put("  %%y%d = quern.requantize %%%s%d, %%m%d : (tensor<%sx%dxi32>, tensor<%dxf32>) -> tensor<%sx%dx!q%d>\n", i,
        from, i, i, rows, n, n, rows, n, i + 1);
  } else {
    put("  %%f%d = quern.cast %%%s%d : (tensor<%sx%dxi32>) -> tensor<%sx%dxf32>\n", i, from, i, rows, n, rows, n);
    put("  %%m%d = arith.constant dense<%.5e> : tensor<%dxf32>\n", i, 1e-4 * (1 + pick(60)), n);
    put("  %%y%d = quern.mul %%f%d, %%m%d : (tensor<%sx%dxf32>, tensor<%dxf32>) -> tensor<%sx%dxf32>\n", i, i, i, rows,
        n, n, rows, n);
  }
}

/* A network of codes: rows known or not, each layer on the one before, the last beside a sibling that reads the same
 * codes and perhaps added to them. */
void layers(void) {
  enum { MOST = 4 };
  int n[MOST + 1], count = 1 + pick(MOST - 1);
  char rows[16];
  snprintf(rows, sizeof rows, "%d", size());
  bool open = pick(3) == 0, to_float = pick(2), sibling = pick(2);
  if (open) snprintf(rows, sizeof rows, "?");
  for (int i = 0; i <= count; i++) n[i] = pick(3) ? 1 + pick(40) : 1 + pick(150);
  static const char *const storages[] = {"i8", "u8", "u8", "i8", "u8", "u4", "i4", "u16"};
  for (int i = 0; i <= count; i++) {
    const char *storage = storages[pick(8)];
    put("!q%d = !quant.uniform<%s:f32, 0.0%d1:%d>\n", i, storage, 1 + pick(9), pick(storage[1] == '4' ? 8 : 100));
  }
  for (int i = 0; i < count; i++) weight_type(i, n[i + 1]);
  bool codes = !to_float;
  char last[32];
  snprintf(last, sizeof last, codes ? "!q%d" : "f32", count);
  put("func.func @main(%%x: tensor<%sx%dxf32>) -> (tensor<%sx%dx%s>, tensor<%sx%dx!q%d>) {\n", rows, n[0], rows,
      n[count], last, rows, n[count - 1], count - 1);
  put("  %%q = quant.qcast %%x : tensor<%sx%dxf32> to tensor<%sx%dx!q0>\n", rows, n[0], rows, n[0]);
  char a[16] = "%q", before[16] = "%q";
  for (int i = 0; i < count; i++) {
    weights(i, n[i], n[i + 1]);
    layer(i, rows, a, n[i], n[i + 1], i + 1 < count || codes);
    snprintf(before, sizeof before, "%s", a);
    snprintf(a, sizeof a, "%%y%d", i);
  }
  int end = n[count];
  if (sibling && to_float) {
    put("  %%g = quern.matmul %s, %%w%d : (tensor<%sx%dx!q%d>, tensor<%dx%dx!w%d>) -> tensor<%sx%dxi32>\n", before,
        count - 1, rows, n[count - 1], count - 1, n[count - 1], end, count - 1, rows, end);
    put("  %%gf = quern.cast %%g : (tensor<%sx%dxi32>) -> tensor<%sx%dxf32>\n", rows, end, rows, end);
    put("  %%sum = quern.add %s, %%gf : (tensor<%sx%dxf32>, tensor<%sx%dxf32>) -> tensor<%sx%dxf32>\n", a, rows, end,
        rows, end, rows, end);
    snprintf(a, sizeof a, "%%sum");
  }
  put("  return %s, %s : tensor<%sx%dx%s>, tensor<%sx%dx!q%d>\n}\n", a, before, rows, end, last, rows, n[count - 1],
      count - 1);
}

/* Codes of 2, 4 and 16 bits against each other, with zero points. */
void wide_codes(void) {
  static const struct {
    const char *code, *memory;
    int low, high;
  } all[] = {{"i16", "i16", -32768, 32767}, {"u16", "i16", 0, 65535}, {"i8", "i8", -128, 127}, {"u8", "i8", 0, 255},
             {"i4", "i4", -8, 7},           {"u4", "i4", 0, 15},      {"i2", "i2", -2, 1}};
  int m = size(), k = 1 + pick(60), n = size(), a = pick(7), b = pick(7);
  int za = all[a].low + pick(all[a].high - all[a].low + 1), zb = all[b].low + pick(all[b].high - all[b].low + 1);
  const char *acc = a < 2 && b < 2 ? "i64" : "i32";
  if (a < 2 && pick(2)) za = 0;
  if (b < 2 || pick(2)) zb = 0;
  put("!a = !quant.uniform<%s:f32, 0.5:%d>\n!b = !quant.uniform<%s:f32, 0.25:%d>\n", all[a].code, za, all[b].code, zb);
  put("func.func @main(%%x: tensor<%dx%dx%s>, %%w: tensor<%dx%dx%s>) -> tensor<%dx%dx%s> {\n", m, k, all[a].memory, k,
      n, all[b].memory, m, n, acc);
  put("  %%p = quant.scast %%x : tensor<%dx%dx%s> to tensor<%dx%dx!a>\n", m, k, all[a].memory, m, k);
  put("  %%r = quant.scast %%w : tensor<%dx%dx%s> to tensor<%dx%dx!b>\n", k, n, all[b].memory, k, n);
  put("  %%y = quern.matmul %%p, %%r : (tensor<%dx%dx!a>, tensor<%dx%dx!b>) -> tensor<%dx%dx%s>\n", m, k, k, n, m, n,
      acc);
  put("  return %%y : tensor<%dx%dx%s>\n}\n", m, n, acc);
}

/* Rows so long that they are not summed in one go, in codes and in floats. */
void long_sums(void) {
  int k = 1000 + pick(16000), room = 5000000 / k, m = 1 + pick(room < 60 ? room : 60),
      n = 1 + pick(room / m < 200 ? room / m : 200);
  if (pick(3) == 0) {
    put("func.func @main(%%x: tensor<%dx%dxf32>, %%w: tensor<%dx%dxf32>) -> tensor<%dx%dxf32> {\n", m, k, k, n, m, n);
    put("  %%y = quern.matmul %%x, %%w : (tensor<%dx%dxf32>, tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n", m, k, k, n, m,
        n);
    put("  return %%y : tensor<%dx%dxf32>\n}\n", m, n);
    return;
  }
  put("!a = !quant.uniform<u8:f32, 0.5:%d>\n!b = !quant.uniform<i8:f32, 0.25>\n!y = !quant.uniform<u8:f32, 0.5:9>\n",
      pick(256));
  put("func.func @main(%%x: tensor<%dx%dxi8>, %%w: tensor<%dx%dxi8>) -> tensor<%dx%dx!y> {\n", m, k, k, n, m, n);
  put("  %%p = quant.scast %%x : tensor<%dx%dxi8> to tensor<%dx%dx!a>\n", m, k, m, k);
  put("  %%r = quant.scast %%w : tensor<%dx%dxi8> to tensor<%dx%dx!b>\n", k, n, k, n);
  put("  %%s = quern.matmul %%p, %%r : (tensor<%dx%dx!a>, tensor<%dx%dx!b>) -> tensor<%dx%dxi32>\n", m, k, k, n, m, n);
  put("  %%m = arith.constant dense<%.5e> : tensor<f32>\n", 1e-5 * (1 + pick(20)));
  put("  %%y = quern.requantize %%s, %%m : (tensor<%dx%dxi32>, tensor<f32>) -> tensor<%dx%dx!y>\n", m, n, m, n);
  put("  return %%y : tensor<%dx%dx!y>\n}\n", m, n);
}

/* The last axis or the last two, in every float type, and codes of them. */
void layer_norms(void) {
  static const char *const types[] = {"f32", "f32", "f16", "bf16"};
  const char *t = types[pick(4)];
  int a = size(), b = 1 + pick(20), c = size(), axis = 1 + pick(2);
  char tail[32];
  snprintf(tail, sizeof tail, axis == 1 ? "%2$dx%1$d" : "%1$d", c, b);
  put("func.func @main(%%x: tensor<%dx%dx%dx%s>, %%s: tensor<%sx%s>, %%b: tensor<%sx%s>) -> tensor<%dx%dx%dx%s> {\n", a,
      b, c, t, tail, t, tail, t, a, b, c, t);
  put("  %%y = quern.layer_norm %%x, %%s, %%b {axis = %d} : (tensor<%dx%dx%dx%s>, tensor<%sx%s>, "
      "tensor<%sx%s>) -> tensor<%dx%dx%dx%s>\n",
      axis, a, b, c, t, tail, t, tail, t, a, b, c, t);
  put("  return %%y : tensor<%dx%dx%dx%s>\n}\n", a, b, c, t);
}

/* Products of every element type, of vectors, with leading axes that broadcast, transposed on either side. */
void batches(void) {
  static const char *const floats[] = {"f32", "f16", "bf16", "f64"};
  int m = size(), k = 1 + pick(60), n = size(), form = pick(6), lead = pick(3), ta = pick(4) == 0, tb = pick(2);
  bool codes = pick(2);
  const char *elem = floats[pick(4)], *result = codes ? "i32" : elem;
  char a[64], b[64], y[64], one[24] = "", both[24] = "", flags[80] = "";
  if (lead) snprintf(both, sizeof both, lead == 1 ? "%dx" : "%dx3x", 1 + pick(3));
  if (lead == 2 && pick(2)) snprintf(one, sizeof one, "3x");
  if (lead && pick(3) == 0) snprintf(one, sizeof one, "%s", both);
  if (form == 0) { /* vectors */
    ta = 0;
    snprintf(a, sizeof a, "%d", k);
    snprintf(b, sizeof b, tb ? "%1$s%3$dx%2$d" : "%1$s%2$dx%3$d", both, k, n);
    snprintf(y, sizeof y, "%s%d", both, n);
  } else if (form == 1) {
    tb = 0;
    snprintf(a, sizeof a, ta ? "%1$s%3$dx%2$d" : "%1$s%2$dx%3$d", both, m, k);
    snprintf(b, sizeof b, "%d", k);
    snprintf(y, sizeof y, "%s%d", both, m);
  } else {
    snprintf(a, sizeof a, ta ? "%1$s%3$dx%2$d" : "%1$s%2$dx%3$d", form == 2 ? one : both, m, k);
    snprintf(b, sizeof b, tb ? "%1$s%3$dx%2$d" : "%1$s%2$dx%3$d", form == 2 ? both : one, k, n);
    snprintf(y, sizeof y, "%s%dx%d", both, m, n);
  }
  if (ta || tb)
    snprintf(flags, sizeof flags, "{transpose_a = %s, transpose_b = %s} ", ta ? "true" : "false",
             tb ? "true" : "false");
  put("!a = !quant.uniform<%s:f32, 0.5:%d>\n!b = !quant.uniform<%s:f32, 0.25:%d>\n", pick(2) ? "u8" : "i8", pick(100),
      pick(2) ? "u8" : "i8", pick(3) ? 0 : pick(100));
  const char *in = codes ? "i8" : elem;
  put("func.func @main(%%x: tensor<%sx%s>, %%w: tensor<%sx%s>) -> tensor<%sx%s> {\n", a, in, b, in, y, result);
  if (codes)
    put("  %%p = quant.scast %%x : tensor<%sxi8> to tensor<%sx!a>\n  %%r = quant.scast %%w : tensor<%sxi8> to "
        "tensor<%sx!b>\n",
        a, a, b, b);
  put("  %%y = quern.matmul %s, %s %s: (tensor<%sx%s>, tensor<%sx%s>) -> tensor<%sx%s>\n", codes ? "%p" : "%x",
      codes ? "%r" : "%w", flags, a, codes ? "!a" : elem, b, codes ? "!b" : elem, y, result);
  put("  return %%y : tensor<%sx%s>\n}\n", y, result);
}

/* A few kinds of rows in one program, over axes of every size, of every type that holds codes. */
void reductions(void) {
  static const char *const storages[] = {"i8", "u8", "i4", "u4"};
  const char *storage = storages[pick(4)];
  bool per_row = pick(2);
  int m = size(), n = size();
  const char *memory = storage[0] == 'u' ? (storage[1] == '4' ? "ui4" : "ui8") : storage;
  char p[32] = "";
  if (per_row) snprintf(p, sizeof p, "%dx1x", m);
  put("func.func @main(%%x: tensor<%dx%dxf32>) -> (tensor<%dx%dxf32>, tensor<%sf32>) {\n", m, n, m, n, p);
  put("  %%e = quern.softmax %%x {axis = 1} : (tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n", m, n, m, n);
  put("  %%d = quern.sub %%x, %%e : (tensor<%dx%dxf32>, tensor<%dx%dxf32>) -> tensor<%dx%dxf32>\n", m, n, m, n, m, n);
  put("  %%q, %%s, %%z = quern.dynamic_quantize %%d {storage = %s, scheme = \"%s\"%s} : (tensor<%dx%dxf32>) -> "
      "(tensor<%dx%dx%s>, tensor<%sf32>, tensor<%s%s>)\n",
      memory, pick(2) ? "symmetric" : "asymmetric", per_row ? ", per_row = true" : "", m, n, m, n, memory, p, p,
      memory);
  put("  %%y = quern.dequantize %%q, %%s, %%z : (tensor<%dx%dx%s>, tensor<%sf32>, tensor<%s%s>) -> tensor<%dx%dxf32>\n",
      m, n, memory, p, p, memory, m, n);
  put("  return %%y, %%s : tensor<%dx%dxf32>, tensor<%sf32>\n}\n", m, n, p);
}
