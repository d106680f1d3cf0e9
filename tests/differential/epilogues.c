/* Products and convolutions whose results go through long epilogues: functions one behind the other, values by row, by
 * column and for each element, codes and halves. */
#include "program.h"
#include <stdbool.h>
#include <stdio.h>

static const char *const functions[] = {"tanh", "gelu", "erf", "sigmoid", "exp"};
static char dims[64]; /* of the results, "MxNx" */
static int values;

/* %v[n + 1] = op %v[n]; with a second operand of that type. */
static void step(const char *op, const char *other, const char *type) {
  put("  %%v%d = quern.%s %%v%d%s%s : (tensor<%sf32>%s%s) -> tensor<%sf32>\n", values + 1, op, values,
      other ? ", " : "", other ? other : "", dims, other ? ", " : "", other ? type : "", dims);
  values++;
}

static void argument(const char *name, const char *lead, const char *elem) {
  put(", %%%s: tensor<%s%s>", name, lead, elem);
}

static const char *residual_type(int kind) {
  static const char *const types[] = {"f32", "f16", "bf16", "!r"};
  return types[kind];
}

static void add_residual(int kind) {
  const char *from = residual_type(kind);
  if (kind == 3)
    put("  %%rf = quant.dcast %%r : tensor<%s!r> to tensor<%sf32>\n", dims, dims);
  else if (kind)
    put("  %%rf = quern.cast %%r : (tensor<%s%s>) -> tensor<%sf32>\n", dims, from, dims);
  char type[96];
  snprintf(type, sizeof type, "tensor<%sf32>", dims);
  step("add", kind ? "%rf" : "%r", type);
}

/* What %v0 becomes, and the function's end. */
static void epilogue(int rows, int columns, int residual, bool by_row, bool computed, const char *out) {
  char type[96];
  snprintf(type, sizeof type, "tensor<%dxf32>", columns);
  if (computed) put("  %%cs = quern.mul %%c, %%s : (%s, tensor<f32>) -> %s\n", type, type);
  step("mul", computed ? "%cs" : "%c", type);
  if (by_row) {
    snprintf(type, sizeof type, "tensor<%dx1xf32>", rows);
    step(pick(2) ? "mul" : "add", "%b", type);
  }
  step(functions[pick(5)], NULL, NULL);
  if (residual < 4) add_residual(residual);
  if (pick(2)) step(functions[pick(5)], NULL, NULL);
  if (pick(4) == 0) step("relu", NULL, NULL);
  if (out[0] == '!')
    put("  %%y = quant.qcast %%v%d : tensor<%sf32> to tensor<%s%s>\n", values, dims, dims, out);
  else if (out[1] != '3')
    put("  %%y = quern.cast %%v%d : (tensor<%sf32>) -> tensor<%s%s>\n", values, dims, dims, out);
  if (out[1] == '3')
    put("  return %%v%d : tensor<%s%s>\n}\n", values, dims, out);
  else
    put("  return %%y : tensor<%s%s>\n}\n", dims, out);
}

static void constant(const char *shape, int count, const char *quantized) {
  put("  %%w8 = arith.constant dense<\"0x");
  for (int i = 0; i < count; i++) put("%02X", pick(256));
  put("\"> : tensor<%si8>\n  %%w = quant.scast %%w8 : tensor<%si8> to tensor<%s%s>\n", shape, shape, shape, quantized);
}

static const char *write_types(void) {
  static const char *const outs[] = {"f32", "f16", "bf16", "!y", "!y", "!y"};
  static const char *const codes[] = {"u8:f32, 0.02:117", "i8:f32, 0.013:-5",   "u8<3:250>:f32, 0.01:7",
                                      "i8:f32, 0.5",      "i16:f32, 0.0001:90", "u4:f32, 0.2:3"};
  put("!x = !quant.uniform<%s:f32, 0.02:%d>\n", pick(2) ? "u8" : "i8", pick(100));
  put("!r = !quant.uniform<%s:f32, 0.03:%d>\n", pick(2) ? "u8" : "i8", pick(100));
  put("!w = !quant.uniform<i8:f32, 0.01>\n!y = !quant.uniform<%s>\n", codes[pick(6)]);
  return outs[pick(6)];
}

void epilogues(void) {
  int m = size(), n = pick(2) ? size() : 1 + pick(4) * 32, k = 1 + pick(80), residual = pick(8);
  bool floats = pick(4) == 0, by_row = pick(3) == 0, computed = pick(3) == 0;
  char lead[32];
  values = 0;
  const char *out = write_types();
  snprintf(dims, sizeof dims, "%dx%dx", m, n);
  put("func.func @main(%%x: tensor<%dx%dx%s>", m, k, floats ? "f32" : "!x");
  snprintf(lead, sizeof lead, "%dx", n);
  argument("c", lead, "f32");
  if (floats) snprintf(lead, sizeof lead, "%dx%dx", k, n), argument("w", lead, "f32");
  if (residual < 4) argument("r", dims, residual_type(residual));
  if (by_row) snprintf(lead, sizeof lead, "%dx1x", m), argument("b", lead, "f32");
  if (computed) argument("s", "", "f32");
  put(") -> tensor<%s%s> {\n", dims, out);
  snprintf(lead, sizeof lead, "%dx%dx", k, n);
  if (!floats) constant(lead, k * n, "!w");
  put("  %%%s = quern.matmul %%x, %%w : (tensor<%dx%dx%s>, tensor<%s%s>) -> tensor<%s%s>\n", floats ? "v0" : "i", m, k,
      floats ? "f32" : "!x", lead, floats ? "f32" : "!w", dims, floats ? "f32" : "i32");
  if (!floats) put("  %%v0 = quern.cast %%i : (tensor<%si32>) -> tensor<%sf32>\n", dims, dims);
  epilogue(m, n, residual, by_row, computed, out);
}

/* Of windows, which may reach over the image, and with a channel to a group. */
void window_epilogues(void) {
  int h = 1 + pick(9), w = 1 + pick(9), c = 1 + pick(70), depthwise = pick(2), o = depthwise ? c : 1 + pick(70);
  int taps = 1 + 2 * pick(2), pad = taps / 2, residual = pick(8), each = depthwise ? 1 : c;
  bool floats = pick(3) == 0, computed = pick(3) == 0;
  char lead[64];
  values = 0;
  const char *out = write_types();
  snprintf(dims, sizeof dims, "1x%dx%dx%dx", h, w, o);
  put("func.func @main(%%x: tensor<1x%dx%dx%dx%s>", h, w, c, floats ? "f32" : "!x");
  snprintf(lead, sizeof lead, "%dx", o);
  argument("c", lead, "f32");
  snprintf(lead, sizeof lead, "%dx%dx%dx%dx", taps, taps, each, o);
  if (floats) argument("w", lead, "f32");
  if (residual < 4) argument("r", dims, residual_type(residual));
  if (computed) argument("s", "", "f32");
  put(") -> tensor<%s%s> {\n", dims, out);
  if (!floats) constant(lead, taps * taps * each * o, "!w");
  put("  %%%s = quern.conv2d %%x, %%w {groups = %d, pads = array<i64: %d, %d, %d, %d>} : (tensor<1x%dx%dx%dx%s>, "
      "tensor<%s%s>) -> tensor<%s%s>\n",
      floats ? "v0" : "i", depthwise ? c : 1, pad, pad, pad, pad, h, w, c, floats ? "f32" : "!x", lead,
      floats ? "f32" : "!w", dims, floats ? "f32" : "i32");
  if (!floats) put("  %%v0 = quern.cast %%i : (tensor<%si32>) -> tensor<%sf32>\n", dims, dims);
  epilogue(h, o, residual, false, computed, out);
}

/* A step of f64: with a value for all, for a channel or for each element, or by itself. */
static void double_step(int columns) {
  static const char *const binary[] = {"add", "sub", "mul", "div", "maximum", "minimum"};
  static const char *const unary[] = {"relu", "neg", "abs"};
  char of[64] = "";
  int with = pick(4);
  if (with == 1) snprintf(of, sizeof of, "%dx", columns);
  if (with == 2) snprintf(of, sizeof of, "%s", dims);
  if (with < 3)
    put("  %%v%d = quern.%s %%v%d, %%d%d : (tensor<%sf64>, tensor<%sf64>) -> tensor<%sf64>\n", values + 1,
        binary[pick(6)], values, with, dims, of, dims);
  else
    put("  %%v%d = quern.%s %%v%d : (tensor<%sf64>) -> tensor<%sf64>\n", values + 1, unary[pick(3)], values, dims,
        dims);
  values++;
}

/* Windows of f64, products or pools, and f64 steps or a function of f32 behind them. */
void double_windows(void) {
  static const char *const pools[] = {"average_pool", "max_pool"};
  int h = 2 + pick(12), w = 2 + pick(12), c = 1 + pick(70), taps = 1 + pick(2) * 2, pad = taps / 2, kind = pick(4);
  bool narrows = pick(3) == 0;
  values = 0;
  snprintf(dims, sizeof dims, "1x%dx%dx%dx", h, w, c);
  put("func.func @main(%%x: tensor<%sf64>, %%d0: tensor<f64>, %%d1: tensor<%dxf64>, %%d2: tensor<%sf64>, %%w: "
      "tensor<%dx%dx1x%dxf64>) -> tensor<%s%s> {\n",
      dims, c, dims, taps, taps, c, dims, narrows ? "f32" : "f64");
  if (kind < 2)
    put("  %%v0 = quern.conv2d %%x, %%w {groups = %d, ", c);
  else
    put("  %%v0 = quern.%s %%x {kernel = array<i64: %d, %d>, ", pools[kind - 2], taps, taps);
  put("pads = array<i64: %d, %d, %d, %d>} : (tensor<%sf64>", pad, pad, pad, pad, dims);
  if (kind < 2) put(", tensor<%dx%dx1x%dxf64>", taps, taps, c);
  put(") -> tensor<%sf64>\n", dims);
  for (int i = pick(4); i > 0; i--) double_step(c);
  if (narrows) {
    put("  %%v%d = quern.cast %%v%d : (tensor<%sf64>) -> tensor<%sf32>\n", values + 1, values, dims, dims);
    values++;
    step(functions[pick(5)], NULL, NULL);
  }
  put("  return %%v%d : tensor<%s%s>\n}\n", values, dims, narrows ? "f32" : "f64");
}
