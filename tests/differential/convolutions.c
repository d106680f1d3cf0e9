/* Convolutions: images of either order of axes, groups down to one channel each, windows with strides, dilation and
 * padding on any side. */
#include "program.h"
#include <stdbool.h>
#include <stdio.h>

typedef struct conv {
  int n, h, w, c, o, kh, kw, groups, stride[2], dilation[2], pads[4], oh, ow;
  bool nchw;
} conv;

static int along(int size, int before, int after, int window, int dilation, int stride) {
  int span = (window - 1) * dilation + 1, room = size + before + after - span;
  return room < 0 ? 0 : room / stride + 1;
}

static conv any_conv(void) {
  conv c;
  do {
    c = (conv){.n = 1 + pick(2), .h = 1 + pick(12), .w = 1 + pick(14), .kh = 1 + pick(4), .kw = 1 + pick(5)};
    bool depthwise = pick(3) == 0, far = depthwise && pick(3) == 0; /* far: windows apart, and long ones */
    int few = pick(2), more = pick(2);
    c.groups = pick(4) == 0 ? 2 + pick(pick(3) ? 2 : 15) : 1;
    c.c = c.groups * (few ? 1 + pick(9) : more ? 16 * (1 + pick(4)) : 1 + pick(40));
    c.o = c.groups * (1 + pick(pick(3) ? 40 : 140));
    if (depthwise) {
      c.c = pick(3) == 0 ? 32 * (1 + pick(4)) : 1 + pick(80);
      if (pick(8) == 0) c.c = 500 + pick(150), c.h = 1 + pick(4), c.w = 1 + pick(5); /* more than are done at once */
      if (pick(5) == 0) c.c = 32;                                                    /* as many as half a vector has */
      c.groups = c.c;
      c.o = c.c * (pick(5) ? 1 : 2);
    }
    for (int a = 0; a < 2; a++) c.stride[a] = 1 + (pick(3) == 0) + (pick(9) == 0), c.dilation[a] = 1 + (pick(5) == 0);
    if (far) {
      c.w = 1 + pick(40), c.kw = 1 + pick(9);
      c.stride[1] = 1 + pick(7), c.dilation[1] = 1 + pick(pick(4) ? 5 : 30), c.dilation[0] = 1 + pick(4);
    }
    for (int a = 0; a < 4; a++) c.pads[a] = pick(pick(4) ? 3 : 7);
    if (pick(4) == 0) c.pads[0] = c.pads[1] = c.pads[2] = c.pads[3] = 0;
    c.nchw = pick(3) == 0;
    c.oh = along(c.h, c.pads[0], c.pads[2], c.kh, c.dilation[0], c.stride[0]);
    c.ow = along(c.w, c.pads[1], c.pads[3], c.kw, c.dilation[1], c.stride[1]);
  } while (!c.oh || !c.ow);
  return c;
}

typedef struct types {
  char x[120], w[120], y[120], z[120];
} types;

static void image(char *to, size_t size, const conv *c, int channels, int h, int w, const char *elem) {
  if (c->nchw)
    snprintf(to, size, "tensor<%dx%dx%dx%dx%s>", c->n, channels, h, w, elem);
  else
    snprintf(to, size, "tensor<%dx%dx%dx%dx%s>", c->n, h, w, channels, elem);
}

static void weights_shape(char *to, size_t size, const conv *c, const char *elem) {
  int in = c->c / c->groups;
  if (c->nchw)
    snprintf(to, size, "tensor<%dx%dx%dx%dx%s>", c->o, in, c->kh, c->kw, elem);
  else
    snprintf(to, size, "tensor<%dx%dx%dx%dx%s>", c->kh, c->kw, in, c->o, elem);
}

static void put_conv(const conv *c, const types *t, const char *w) {
  put("  %%s = quern.conv2d %%x, %s {groups = %d, layout = \"%s\", strides = array<i64: %d, %d>, dilations = "
      "array<i64: "
      "%d, %d>, pads = array<i64: %d, %d, %d, %d>} : (%s, %s) -> %s\n",
      w, c->groups, c->nchw ? "nchw" : "nhwc", c->stride[0], c->stride[1], c->dilation[0], c->dilation[1], c->pads[0],
      c->pads[1], c->pads[2], c->pads[3], t->x, t->w, t->y);
}

static void put_weights(const conv *c, const char *type, int range) {
  put("  %%w = arith.constant dense<\"0x");
  for (int i = 0; i < c->o * (c->c / c->groups) * c->kh * c->kw; i++)
    put("%02X", (unsigned)(pick(2 * range + 1) - range) & 255u);
  put("\"> : %s\n", type);
}

/* What follows a sum: nothing; another image (or a line, or a column of one) added to it; a bias, a lower bound and
 * codes again, with one multiplier or one per channel. */
static void put_tail(const conv *c, const types *t, int form) {
  if (form == 0) {
    put("  return %%s : %s\n}\n", t->y);
    return;
  }
  if (form == 3) {
    put("  %%t = quern.add %%s, %%z : (%s, %s) -> %s\n  return %%t : %s\n}\n", t->y, t->z, t->y, t->y);
    return;
  }
  char codes[120], vector[32];
  bool each = pick(2) && !c->nchw;
  image(codes, sizeof codes, c, c->o, c->oh, c->ow,
        form == 1 ? "!quant.uniform<u8:f32, 0.5:7>" : "!quant.uniform<i8:f32, 0.5:-9>");
  snprintf(vector, sizeof vector, each ? "%dx" : "", c->o);
  put("  %%b = arith.constant dense<%d> : tensor<%si32>\n", pick(4000) - 2000, vector);
  put("  %%t = quern.add %%s, %%b : (%s, tensor<%si32>) -> %s\n", t->y, vector, t->y);
  put("  %%r = quern.relu %%t : (%s) -> %s\n", t->y, t->y);
  put("  %%m = arith.constant dense<%.6e> : tensor<%sf32>\n", 0.0009 * (1 + pick(pick(4) ? 9 : 900)), vector);
  put("  %%y = quern.requantize %%r, %%m : (%s, tensor<%sf32>) -> %s\n  return %%y : %s\n}\n", t->y, vector, codes,
      codes);
}

void convolutions(void) {
  conv c = any_conv();
  types t;
  char elem[64], result[120];
  bool is_signed = pick(2), zero_weights = pick(6) == 0;
  int form = pick(4), z_h = pick(3) ? c.oh : 1, z_w = pick(3) ? c.ow : 1;
  snprintf(elem, sizeof elem, "!quant.uniform<%s:f32, 0.5:%d>", is_signed ? "i8" : "u8",
           pick(2) ? pick(256) - (is_signed ? 128 : 0) : 0);
  image(t.x, sizeof t.x, &c, c.c, c.h, c.w, elem);
  image(t.y, sizeof t.y, &c, c.o, c.oh, c.ow, "i32");
  image(t.z, sizeof t.z, &c, pick(2) ? c.o : 1, z_h, z_w, "i32");
  snprintf(elem, sizeof elem, "!quant.uniform<i8:f32, 0.5:%d>", zero_weights ? pick(9) - 4 : 0);
  weights_shape(t.w, sizeof t.w, &c, elem);
  snprintf(result, sizeof result, "%s", t.y);
  if (form == 1 || form == 2)
    image(result, sizeof result, &c, c.o, c.oh, c.ow,
          form == 1 ? "!quant.uniform<u8:f32, 0.5:7>" : "!quant.uniform<i8:f32, 0.5:-9>");
  if (form == 3)
    put("func.func @main(%%x: %s, %%z: %s) -> %s {\n", t.x, t.z, result);
  else
    put("func.func @main(%%x: %s) -> %s {\n", t.x, result);
  put_weights(&c, t.w, pick(3) ? 127 : 1 + pick(40));
  put_conv(&c, &t, "%w");
  put_tail(&c, &t, form);
}

/* Ordinary numbers; some so small that products of them are none, zeros of either sign, now and then no number. */
static void put_float_weights(const conv *c, const char *type) {
  static const uint32_t odd[] = {0, 0x80000000u, 1, 0x80000003u, 0x00800000u, 0x8D000000u, 0x0D000000u};
  int count = c->o * (c->c / c->groups) * c->kh * c->kw, infinite = pick(6) == 0 ? pick(count) : -1;
  bool small = pick(3) == 0;
  put("  %%w = arith.constant dense<\"0x");
  for (int i = 0; i < count; i++) {
    uint32_t bits = i == infinite ? 0xFF800000u : 0x3D000000u + ((uint32_t)pick(1 << 14) << 12);
    if (i != infinite && pick(2)) bits |= 0x80000000u;
    if (i != infinite && small && pick(3)) bits = odd[pick(7)];
    for (int k = 0; k < 32; k += 8) put("%02X", (unsigned)(bits >> k) & 255u);
  }
  put("\"> : %s\n", type);
}

void float_convolutions(void) {
  conv c = any_conv();
  types t;
  const char *elem = pick(4) ? "f32" : "f16";
  bool constant = pick(2) && elem[1] == '3' && c.o * (c.c / c.groups) * c.kh * c.kw <= 20000;
  image(t.x, sizeof t.x, &c, c.c, c.h, c.w, elem);
  image(t.y, sizeof t.y, &c, c.o, c.oh, c.ow, elem);
  weights_shape(t.w, sizeof t.w, &c, elem);
  bool pool = pick(3) == 0 && c.oh > 1 && c.ow > 1;
  char pooled[120];
  image(pooled, sizeof pooled, &c, c.o, pool ? c.oh - 1 : c.oh, pool ? c.ow - 1 : c.ow, elem);
  if (constant) {
    put("func.func @main(%%x: %s) -> %s {\n", t.x, pooled);
    put_float_weights(&c, t.w);
  } else {
    put("func.func @main(%%x: %s, %%w: %s) -> %s {\n", t.x, t.w, pooled);
  }
  put_conv(&c, &t, "%w");
  put("  %%r = quern.%s %%s : (%s) -> %s\n", pick(2) ? "relu" : "neg", t.y, t.y);
  if (pool)
    put("  %%p = quern.%s %%r {kernel = array<i64: 2, 2>, layout = \"%s\"} : (%s) -> %s\n  return %%p : %s\n}\n",
        pick(2) ? "max_pool" : "average_pool", c.nchw ? "nchw" : "nhwc", t.y, pooled, pooled);
  else
    put("  return %%r : %s\n}\n", t.y);
}

/* So many channels that panels of weights are cut between the positions of a window. */
void long_windows(void) {
  bool floats = pick(3) > 0;
  conv c = {.n = 1 + pick(2), .h = 3 + pick(6), .w = 3 + pick(6), .kh = 3, .kw = 3, .groups = 1};
  c.c = floats ? 230 + pick(60) : 912 + pick(40), c.o = 1 + pick(floats ? 80 : 24);
  for (int a = 0; a < 2; a++) c.stride[a] = 1 + (pick(3) == 0), c.dilation[a] = 1 + (pick(5) == 0);
  for (int a = 0; a < 4; a++) c.pads[a] = 1 + pick(2);
  c.oh = along(c.h, c.pads[0], c.pads[2], c.kh, c.dilation[0], c.stride[0]);
  c.ow = along(c.w, c.pads[1], c.pads[3], c.kw, c.dilation[1], c.stride[1]);
  types t;
  image(t.x, sizeof t.x, &c, c.c, c.h, c.w, floats ? "f32" : "!quant.uniform<u8:f32, 0.5>");
  image(t.y, sizeof t.y, &c, c.o, c.oh, c.ow, floats ? "f32" : "i32");
  image(t.z, sizeof t.z, &c, c.o, c.oh, c.ow, "i32");
  weights_shape(t.w, sizeof t.w, &c, floats ? "f32" : "!quant.uniform<i8:f32, 0.5>");
  if (floats) {
    put("func.func @main(%%x: %s, %%w: %s) -> %s {\n", t.x, t.w, t.y);
    put_conv(&c, &t, "%w");
    put("  %%r = quern.relu %%s : (%s) -> %s\n  return %%r : %s\n}\n", t.y, t.y, t.y);
    return;
  }
  put("func.func @main(%%x: %s, %%z: %s) -> %s {\n", t.x, t.z, t.y);
  put_weights(&c, t.w, 127);
  put_conv(&c, &t, "%w");
  put_tail(&c, &t, 3);
}
