/* Ops whose parameters are values of a call, with whatever a call may bring: multipliers and scales of zero, infinity,
 * NaN and both signs, accumulators at the ends of their type, zero points anywhere; and windows of every kind. */
#include "program.h"
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const small_storages[] = {"i8", "u8", "i8<-127:127>", "u8<1:255>", "i16", "u16", "i4", "u4", "i2"};
static const int storage_low[] = {-128, 0, -127, 1, -32768, 0, -8, 0, -2};
static const int storage_high[] = {127, 255, 127, 255, 32767, 65535, 7, 15, 1};

/* Accumulators as they come, multipliers as they come: one, a row or a column of them. */
void requantizers(void) {
  static const char *const modes[] = {"f32", "f32", "fixed", "single"};
  int m = size(), n = size(), s = pick(9), form = pick(4), mode = pick(4);
  int zero = pick(3) == 0 ? storage_low[s]
             : pick(2)    ? storage_high[s]
                          : storage_low[s] + pick(storage_high[s] - storage_low[s] + 1);
  const char *acc = mode < 2 && pick(3) == 0 ? "i64" : "i32";
  char mult[48];
  if (form == 0) snprintf(mult, sizeof mult, "tensor<f32>");
  if (form == 1) snprintf(mult, sizeof mult, "tensor<%dxf32>", n);
  if (form == 2) snprintf(mult, sizeof mult, "tensor<%dx1xf32>", m);
  if (form == 3) snprintf(mult, sizeof mult, "tensor<%dx%dxf32>", m, n);
  bool constant = mode >= 2 || pick(2);
  if (constant && form > 1) form = 1, snprintf(mult, sizeof mult, "tensor<%dxf32>", n);
  put("!y = !quant.uniform<%s:f32, 0.5:%d>\n", small_storages[s], zero);
  put("func.func @main(%%x: tensor<%dx%dx%s>%s%s) -> tensor<%dx%dx!y> {\n", m, n, acc,
      constant ? "" : ", %m: ", constant ? "" : mult, m, n);
  if (constant) {
    static const double units[] = {1e-9, 1e-6, 1e-4, 0.01, 1, 100, 1e30};
    double unit = units[pick(7)];
    put("  %%m = arith.constant dense<");
    if (form == 0) {
      put("%.7e", unit * (1 + pick(99)));
    } else {
      for (int i = 0; i < n; i++) put("%s%.7e", i ? ", " : "[", unit * (1 + pick(999)) / (1 + pick(9)));
      put("]");
    }
    put("> : %s\n", mult);
  }
  put("  %%y = quern.requantize %%x, %%m {mode = \"%s\"%s} : (tensor<%dx%dx%s>, %s) -> tensor<%dx%dx!y>\n", modes[mode],
      pick(3) ? "" : ", rounding = \"half_away\"", m, n, acc, mult, m, n);
  put("  return %%y : tensor<%dx%dx!y>\n}\n", m, n);
}

/* Scale and zero point as inputs of the call; quantized and back, whatever they are. */
void quantizers(void) {
  static const char *const floats[] = {"f32", "f32", "f16", "bf16"};
  static const char *const codes[] = {"i8", "ui8", "i16", "ui16", "i4", "ui4"};
  const char *x = floats[pick(4)], *q = codes[pick(6)], *scale = !strcmp(x, "f32") || pick(2) ? "f32" : x;
  int a = size(), b = 1 + pick(20), c = 1 + pick(9), axis = pick(3), form = pick(3);
  bool zero = pick(4) != 0, open = pick(4) == 0 && q[strlen(q) - 1] != '4';
  char p[32] = "", rows[16];
  if (form == 1) snprintf(p, sizeof p, "%dx", axis == 0 ? a : axis == 1 ? b : c);
  if (form == 1 && axis == 0 && open) snprintf(p, sizeof p, "?x");
  if (form == 2) snprintf(p, sizeof p, "%dx1x", b);
  snprintf(rows, sizeof rows, open ? "?" : "%d", a);
  put("func.func @main(%%x: tensor<%sx%dx%dx%s>, %%s: tensor<%s%s>%s", rows, b, c, x, p, scale, zero ? ", " : "");
  if (zero) put("%%z: tensor<%s%s>", p, q);
  put(") -> (tensor<%sx%dx%dx%s>, tensor<%sx%dx%dx%s>) {\n", rows, b, c, q, rows, b, c, scale);
  put("  %%q = quern.quantize %%x, %%s%s {axis = %d, storage = %s%s} : (tensor<%sx%dx%dx%s>, tensor<%s%s>",
      zero ? ", %z" : "", axis, q, pick(3) ? "" : ", rounding = \"half_away\"", rows, b, c, x, p, scale);
  if (zero) put(", tensor<%s%s>", p, q);
  put(") -> tensor<%sx%dx%dx%s>\n", rows, b, c, q);
  put("  %%y = quern.dequantize %%q, %%s%s {axis = %d} : (tensor<%sx%dx%dx%s>, tensor<%s%s>", zero ? ", %z" : "", axis,
      rows, b, c, q, p, scale);
  if (zero) put(", tensor<%s%s>", p, q);
  put(") -> tensor<%sx%dx%dx%s>\n", rows, b, c, scale);
  put("  return %%q, %%y : tensor<%sx%dx%dx%s>, tensor<%sx%dx%dx%s>\n}\n", rows, b, c, q, rows, b, c, scale);
}

/* Integers with zero points that come with the call or stand in the program: one, or one per row and column. */
void integer_products(void) {
  static const char *const codes[] = {"i8", "ui8", "i8", "ui8", "i4", "ui4"};
  const char *a = codes[pick(6)], *b = codes[pick(6)];
  int lead = pick(4) == 0 ? 1 + pick(3) : 0, m = size(), n = size(), k = size(), za = pick(4), zb = pick(4);
  char l[16] = "", az[48] = "", bz[48] = "", rows[16];
  bool open = pick(4) == 0 && a[strlen(a) - 1] != '4' && za != 2;
  if (lead) snprintf(l, sizeof l, "%dx", lead);
  snprintf(rows, sizeof rows, open ? "?" : "%d", m);
  if (zb && !za) za = 1;
  if (za == 1) snprintf(az, sizeof az, "tensor<%s>", a);
  if (za == 2) snprintf(az, sizeof az, "tensor<%dx%s>", m, a);
  if (za == 3) snprintf(az, sizeof az, lead ? "tensor<1x%sx1x%s>" : "tensor<%sx1x%s>", rows, a);
  if (zb == 1) snprintf(bz, sizeof bz, "tensor<1x%s>", b);
  if (zb == 2) snprintf(bz, sizeof bz, "tensor<%dx%s>", n, b);
  if (zb == 3) snprintf(bz, sizeof bz, "tensor<1x%dx%s>", n, b);
  put("func.func @main(%%a: tensor<%s%sx%dx%s>, %%b: tensor<%dx%dx%s>%s%s%s%s) -> tensor<%s%sx%dxi32> {\n", l, rows, k,
      a, k, n, b, za ? ", %za: " : "", az, zb ? ", %zb: " : "", bz, l, rows, n);
  put("  %%y = quern.matmul_integer %%a, %%b%s%s : (tensor<%s%sx%dx%s>, tensor<%dx%dx%s>%s%s%s%s) -> "
      "tensor<%s%sx%dxi32>\n",
      za ? ", %za" : "", zb ? ", %zb" : "", l, rows, k, a, k, n, b, za ? ", " : "", az, zb ? ", " : "", bz, l, rows, n);
  put("  return %%y : tensor<%s%sx%dxi32>\n}\n", l, rows, n);
}

/* ---- windows ---- */

typedef struct windows {
  int n, h, w, c, kernel[2], strides[2], pads[4], dilations[2], extra[2], oh, ow;
  bool nchw, whole;
} windows;

static windows any_windows(bool extras) {
  windows v;
  do {
    v = (windows){.n = 1 + pick(2), .h = 1 + pick(14), .w = 1 + pick(18), .c = pick(3) ? 1 + pick(9) : 1 + pick(90)};
    v.nchw = pick(2), v.whole = extras && pick(8) == 0;
    for (int a = 0; a < 2; a++) {
      v.kernel[a] = 1 + pick(4), v.strides[a] = 1 + pick(3), v.dilations[a] = 1 + (pick(4) == 0) * (1 + pick(2));
      int span = (v.kernel[a] - 1) * v.dilations[a] + 1;
      v.pads[a] = pick(3) ? pick(span) : 0, v.pads[2 + a] = pick(3) ? pick(span) : 0;
      if (extras) v.extra[a] = pick(3) ? 0 : pick(v.strides[a]);
      int room = (a ? v.w : v.h) + v.pads[a] + v.pads[2 + a] + v.extra[a] - span;
      *(a ? &v.ow : &v.oh) = room < 0 ? 0 : room / v.strides[a] + 1;
    }
    if (v.whole) v.oh = v.ow = 1;
  } while (v.oh < 1 || v.ow < 1);
  return v;
}

static void put_image(const windows *v, int channels, int h, int w, const char *elem, bool open) {
  char n[16];
  snprintf(n, sizeof n, open ? "?" : "%d", v->n);
  if (v->nchw)
    put("tensor<%sx%dx%dx%dx%s>", n, channels, h, w, elem);
  else
    put("tensor<%sx%dx%dx%dx%s>", n, h, w, channels, elem);
}

static void put_window(const windows *v) {
  put("strides = array<i64: %d, %d>, pads = array<i64: %d, %d, %d, %d>, dilations = array<i64: %d, %d>, layout = "
      "\"%s\"",
      v->strides[0], v->strides[1], v->pads[0], v->pads[1], v->pads[2], v->pads[3], v->dilations[0], v->dilations[1],
      v->nchw ? "nchw" : "nhwc");
}

void pools(void) {
  static const char *const elems[] = {"f32", "f32", "f16", "bf16", "!q", "i8", "ui8", "i32", "f64"};
  windows v = any_windows(true);
  bool most = pick(2), open = pick(4) == 0;
  const char *elem = elems[most ? pick(9) : pick(4)];
  put("!q = !quant.uniform<%s:f32, 0.5:%d>\n", pick(2) ? "u8" : "i8", pick(100));
  put("func.func @main(%%x: ");
  put_image(&v, v.c, v.h, v.w, elem, open);
  put(") -> ");
  put_image(&v, v.c, v.oh, v.ow, elem, open);
  put(" {\n  %%y = quern.%s %%x {", most ? "max_pool" : "average_pool");
  if (!most && pick(2)) put("count_pads = true, ");
  if (v.whole) {
    put("layout = \"%s\"", v.nchw ? "nchw" : "nhwc");
  } else {
    put("kernel = array<i64: %d, %d>, extra = array<i64: %d, %d>, ", v.kernel[0], v.kernel[1], v.extra[0], v.extra[1]);
    put_window(&v);
  }
  put("} : (");
  put_image(&v, v.c, v.h, v.w, elem, open);
  put(") -> ");
  put_image(&v, v.c, v.oh, v.ow, elem, open);
  put("\n  return %%y : ");
  put_image(&v, v.c, v.oh, v.ow, elem, open);
  put("\n}\n");
}

/* Weights and zero points as inputs of the call. */
void integer_convolutions(void) {
  windows v = any_windows(false);
  static const char *const codes[] = {"i8", "ui8"};
  const char *x = codes[pick(2)], *w = codes[pick(2)];
  int groups = pick(3) == 0 ? 2 : pick(3) == 0 ? 0 : 1, out;
  bool open = pick(4) == 0, dynamic_weights = pick(2);
  if (groups == 2) v.c *= 2;
  if (groups == 0) groups = v.c;
  out = groups * (1 + pick(groups > 2 ? 2 : 20));
  int in = v.c / groups, zx = pick(3), zw = pick(3), taps = v.kernel[0] * v.kernel[1];
  if (zw && !zx) zx = 1;
  char zxt[32], zwt[32], wt[64];
  snprintf(zxt, sizeof zxt, zx == 1 ? "tensor<%s>" : "tensor<1x%s>", x);
  if (zw == 1)
    snprintf(zwt, sizeof zwt, "tensor<%s>", w);
  else
    snprintf(zwt, sizeof zwt, "tensor<%dx%s>", out, w);
  if (v.nchw)
    snprintf(wt, sizeof wt, "tensor<%dx%dx%dx%dx%s>", out, in, v.kernel[0], v.kernel[1], w);
  else
    snprintf(wt, sizeof wt, "tensor<%dx%dx%dx%dx%s>", v.kernel[0], v.kernel[1], in, out, w);
  put("func.func @main(%%x: ");
  put_image(&v, v.c, v.h, v.w, x, open);
  if (dynamic_weights) put(", %%w: %s", wt);
  if (zx) put(", %%zx: %s", zxt);
  if (zw) put(", %%zw: %s", zwt);
  put(") -> ");
  put_image(&v, out, v.oh, v.ow, "i32", open);
  put(" {\n");
  if (!dynamic_weights) {
    put("  %%w = arith.constant dense<\"0x");
    for (int i = 0; i < out * in * taps; i++) put("%02X", pick(256));
    put("\"> : %s\n", wt);
  }
  put("  %%y = quern.conv2d_integer %%x, %%w%s%s {groups = %d, ", zx ? ", %zx" : "", zw ? ", %zw" : "", groups);
  put_window(&v);
  put("} : (");
  put_image(&v, v.c, v.h, v.w, x, open);
  put(", %s", wt);
  if (zx) put(", %s", zxt);
  if (zw) put(", %s", zwt);
  put(") -> ");
  put_image(&v, out, v.oh, v.ow, "i32", open);
  put("\n  return %%y : ");
  put_image(&v, out, v.oh, v.ow, "i32", open);
  put("\n}\n");
}

/* One image in codes through two convolutions whose results are added, one of them 1 x 1, per-channel weights. */
void residuals(void) {
  int n = 1 + pick(2), h = 1 + pick(10), w = 1 + pick(10), c = 1 + pick(40), o = 1 + pick(50), k = 1 + 2 * pick(2);
  bool is_signed = pick(2), per = pick(2);
  const char *x = is_signed ? "i8" : "u8";
  put("!x = !quant.uniform<%s:f32, 0.05:%d>\n!y = !quant.uniform<%s:f32, 0.1:%d>\n", x,
      pick(4) ? pick(256) - (is_signed ? 128 : 0) : 0, pick(2) ? "u8" : "u8<4:200>", 4 + pick(100));
  for (int i = 0; i < 2; i++) {
    put("!w%d = !quant.uniform<i8:f32", i);
    if (per) {
      put(":3, ");
      scales(o);
      put(">\n");
    } else {
      put(", 0.01:%d>\n", pick(3) ? 0 : pick(20) - 10);
    }
  }
  put("func.func @main(%%x: tensor<%dx%dx%dx%dx!x>) -> tensor<%dx%dx%dx%dx!y> {\n", n, h, w, c, n, h, w, o);
  for (int i = 0; i < 2; i++) {
    int taps = i ? 1 : k;
    put("  %%c%d = arith.constant dense<\"0x", i);
    for (int e = 0; e < taps * taps * c * o; e++) put("%02X", pick(256));
    put("\"> : tensor<%dx%dx%dx%dxi8>\n", taps, taps, c, o);
    put("  %%w%d = quant.scast %%c%d : tensor<%dx%dx%dx%dxi8> to tensor<%dx%dx%dx%dx!w%d>\n", i, i, taps, taps, c, o,
        taps, taps, c, o, i);
    put("  %%s%d = quern.conv2d %%x, %%w%d {pads = array<i64: %d, %d, %d, %d>} : (tensor<%dx%dx%dx%dx!x>, "
        "tensor<%dx%dx%dx%dx!w%d>) -> tensor<%dx%dx%dx%dxi32>\n",
        i, i, taps / 2, taps / 2, taps / 2, taps / 2, n, h, w, c, taps, taps, c, o, i, n, h, w, o);
    put("  %%f%d = quern.cast %%s%d : (tensor<%dx%dx%dx%dxi32>) -> tensor<%dx%dx%dx%dxf32>\n", i, i, n, h, w, o, n, h,
        w, o);
    put("  %%m%d = arith.constant dense<%.5e> : tensor<%dxf32>\n", i, 1e-4 * (1 + pick(40)), o);
    put("  %%r%d = quern.mul %%f%d, %%m%d : (tensor<%dx%dx%dx%dxf32>, tensor<%dxf32>) -> tensor<%dx%dx%dx%dxf32>\n", i,
        i, i, n, h, w, o, o, n, h, w, o);
  }
  put("  %%a = quern.add %%r0, %%r1 : (tensor<%dx%dx%dx%dxf32>, tensor<%dx%dx%dx%dxf32>) -> tensor<%dx%dx%dx%dxf32>\n",
      n, h, w, o, n, h, w, o, n, h, w, o);
  put("  %%b = quern.%s %%a : (tensor<%dx%dx%dx%dxf32>) -> tensor<%dx%dx%dx%dxf32>\n", pick(2) ? "relu" : "gelu", n, h,
      w, o, n, h, w, o);
  put("  %%y = quant.qcast %%b : tensor<%dx%dx%dx%dxf32> to tensor<%dx%dx%dx%dx!y>\n", n, h, w, o, n, h, w, o);
  put("  return %%y : tensor<%dx%dx%dx%dx!y>\n}\n", n, h, w, o);
}

/* ---- sizes that only the call knows ---- */

/* Images of any size: products and pools over windows that always fit, since the pads are as wide as they are. */
void open_windows(void) {
  static const char *const elems[] = {"f32", "f16", "!x"};
  const char *elem = elems[pick(3)];
  int c = 1 + pick(6), depthwise = pick(3) == 0, o = depthwise ? c : 1 + pick(8), kind = pick(3), nchw = pick(2);
  int kernel[2], strides[2], dilations[2], pads[4];
  if (kind == 2 && *elem == '!') kind = 1; /* averages are of floats */
  for (int a = 0; a < 2; a++) {
    kernel[a] = 1 + pick(3), strides[a] = 1 + pick(2), dilations[a] = 1 + pick(2);
    int span = (kernel[a] - 1) * dilations[a];
    pads[a] = pick(span + 1), pads[2 + a] = span - pads[a] + (kind ? 0 : pick(2));
  }
  if (kind) o = c;
  const char *result = *elem == '!' && !kind ? "i32" : elem;
  char x[64], y[64], w[64];
  snprintf(x, sizeof x, nchw ? "tensor<2x%dx?x?x%s>" : "tensor<2x?x?x%dx%s>", c, elem);
  snprintf(y, sizeof y, nchw ? "tensor<2x%dx?x?x%s>" : "tensor<2x?x?x%dx%s>", o, result);
  int in = depthwise ? 1 : c;
  if (nchw)
    snprintf(w, sizeof w, "tensor<%dx%dx%dx%dx%s>", o, in, kernel[0], kernel[1], *elem == '!' ? "!w" : elem);
  else
    snprintf(w, sizeof w, "tensor<%dx%dx%dx%dx%s>", kernel[0], kernel[1], in, o, *elem == '!' ? "!w" : elem);
  put("!x = !quant.uniform<u8:f32, 0.5:%d>\n!w = !quant.uniform<i8:f32, 0.5:%d>\n", pick(256), pick(3) ? 0 : pick(9));
  put("func.func @main(%%x: %s%s%s) -> %s {\n  %%y = quern.", x, kind ? "" : ", %w: ", kind ? "" : w, y);
  put(kind == 0   ? "conv2d %%x, %%w {groups = %d, "
      : kind == 1 ? "max_pool %%x {"
                  : "average_pool %%x {",
      depthwise ? c : 1);
  if (kind) put("kernel = array<i64: %d, %d>, ", kernel[0], kernel[1]);
  if (kind == 2) put("count_pads = true, "); /* else the image's size has to be known */
  put("strides = array<i64: %d, %d>, dilations = array<i64: %d, %d>, pads = array<i64: %d, %d, %d, %d>, layout = "
      "\"%s\"} : (%s%s%s) -> %s\n  return %%y : %s\n}\n",
      strides[0], strides[1], dilations[0], dilations[1], pads[0], pads[1], pads[2], pads[3], nchw ? "nchw" : "nhwc", x,
      kind ? "" : ", ", kind ? "" : w, y, y);
}

/* As many queries and keys as the call brings. */
void open_attention(void) {
  static const char *const causal[] = {"none", "top_left", "bottom_right"};
  int heads = 1 + pick(2), shared = pick(3) == 0, d = 1 + pick(30), dv = 1 + pick(40), mask = pick(3);
  bool codes = pick(3) == 0;
  char q[96], k[96], v[96], y[96], more[64] = "";
  snprintf(q, sizeof q, "tensor<%dx?x%dx%s>", heads, d, codes ? "!q" : "f32");
  snprintf(k, sizeof k, "tensor<%dx?x%dx%s>", shared ? 1 : heads, d, codes ? "!q" : "f32");
  snprintf(v, sizeof v, "tensor<%dx?x%dx%s>", shared ? 1 : heads, dv, codes ? "!q" : "f32");
  snprintf(y, sizeof y, "tensor<%dx?x%dxf32>", heads, dv);
  if (mask) snprintf(more, sizeof more, "tensor<?x?x%s>", mask == 1 ? "i1" : "f32");
  put("!q = !quant.uniform<%s:f32, 0.02:%d>\n", pick(2) ? "u8" : "i8", pick(100));
  put("func.func @main(%%q: %s, %%k: %s, %%v: %s%s%s) -> %s {\n", q, k, v, mask ? ", %m: " : "", more, y);
  put("  %%y = quern.attention %%q, %%k, %%v%s {key_block = %d, causal = \"%s\"} : (%s, %s, %s%s%s) -> %s\n",
      mask ? ", %m" : "", 32 * (1 + pick(4)), causal[pick(3)], q, k, v, mask ? ", " : "", more, y);
  put("  return %%y : %s\n}\n", y);
}
