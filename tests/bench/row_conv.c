/* Convolutions of batch 1, channels last, with bias and relu: u8 x s8 -> u8 with a scale per channel, and f32; beside
 * oneDNN and the bare instruction for the products whose positions are inside the image, or what going over images
 * takes that no second-level cache holds. */
#include "bench.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t image_size(const conv *c) {
  return (size_t)(c->h * c->w * c->c);
}

static size_t weights_size(const conv *c) {
  return (size_t)(c->kh * c->kw * c->c / c->groups * c->o);
}

static size_t result_size(const conv *c) {
  return (size_t)(conv_out(c, c->h, c->kh) * conv_out(c, c->w, c->kw) * c->o);
}

static void conv_create_floats(conv *c) {
  c->x = big_alloc(image_size(c) * sizeof(float)), c->weights = big_alloc(weights_size(c) * sizeof(float));
  c->bias = big_alloc((size_t)c->o * sizeof(float));
  fill_floats(c->x, image_size(c), -1, 1, 1), fill_floats(c->weights, weights_size(c), -0.1f, 0.1f, 2);
  fill_floats(c->bias, (size_t)c->o, -0.5f, 0.5f, 3);
}

static void conv_create(conv *c) {
  double taps = (double)(c->kh * c->kw * c->c / c->groups), spread = sqrt(taps) * 10800;
  if (c->floats) {
    conv_create_floats(c);
    return;
  }
  c->x = big_alloc(image_size(c) + 64), c->weights = big_alloc(weights_size(c) + 64);
  c->scales = big_alloc((size_t)c->o * sizeof(float)), c->bias = big_alloc((size_t)c->o * sizeof(int32_t));
  fill_bytes(c->x, image_size(c), 1), fill_codes(c->weights, weights_size(c), 127, 2);
  fill_floats(c->scales, (size_t)c->o, (float)(60 / spread), (float)(120 / spread), 3);
  for (int64_t i = 0; i < c->o; i++) ((int32_t *)c->bias)[i] = (int32_t)((double)(i % 17 - 8) / 8 * spread);
}

static void conv_destroy(conv *c) {
  free(c->x), free(c->weights), free(c->scales), free(c->bias);
}

static void write_window(const conv *c, text *t) {
  text_add(t, "strides = array<i64: %lld, %lld>, pads = array<i64: %lld, %lld, %lld, %lld>, groups = %lld",
           (long long)c->stride, (long long)c->stride, (long long)c->pad, (long long)c->pad, (long long)c->pad,
           (long long)c->pad, (long long)c->groups);
}

static void write_float_text(const conv *c, text *t, const char *image, const char *weights, const char *result) {
  text_add(t, "func.func @main(%%x: tensor<%sf32>) -> tensor<%sf32> {\n%%w = arith.constant ", image, result);
  text_hex(t, c->weights, weights_size(c) * sizeof(float));
  text_add(t, " : tensor<%sf32>\n%%b = arith.constant ", weights);
  text_hex(t, c->bias, (size_t)c->o * sizeof(float));
  text_add(t, " : tensor<%lldxf32>\n%%s = quern.conv2d %%x, %%w {", (long long)c->o);
  write_window(c, t);
  text_add(t, "} : (tensor<%sf32>, tensor<%sf32>) -> tensor<%sf32>\n", image, weights, result);
  text_add(t, "%%t = quern.add %%s, %%b : (tensor<%sf32>, tensor<%lldxf32>) -> tensor<%sf32>\n", result,
           (long long)c->o, result);
  text_add(t, "%%y = quern.relu %%t : (tensor<%sf32>) -> tensor<%sf32>\nreturn %%y : tensor<%sf32>\n}\n", result,
           result, result);
}

static void write_text(const conv *c, text *t) {
  long long h = c->h, w = c->w, i = c->c, o = c->o, oh = conv_out(c, c->h, c->kh), ow = conv_out(c, c->w, c->kw);
  char image[64], result[64], weights[64];
  snprintf(image, sizeof image, "1x%lldx%lldx%lldx", h, w, i);
  snprintf(result, sizeof result, "1x%lldx%lldx%lldx", oh, ow, o);
  snprintf(weights, sizeof weights, "%lldx%lldx%lldx%lldx", (long long)c->kh, (long long)c->kw,
           (long long)(c->c / c->groups), o);
  if (c->floats) {
    write_float_text(c, t, image, weights, result);
    return;
  }
  text_add(t, "!a = !quant.uniform<u8:f32, 0.02>\n!b = !quant.uniform<i8:f32, 0.01>\n");
  text_add(t, "func.func @main(%%x: tensor<%sui8>) -> tensor<%sui8> {\n", image, result);
  text_add(t, "%%w = arith.constant ");
  text_hex(t, c->weights, weights_size(c));
  text_add(t, " : tensor<%si8>\n%%m = arith.constant ", weights);
  text_hex(t, c->scales, (size_t)o * sizeof(float));
  text_add(t, " : tensor<%lldxf32>\n%%b = arith.constant ", o);
  text_hex(t, c->bias, (size_t)o * sizeof(int32_t));
  text_add(t, " : tensor<%lldxi32>\n", o);
  text_add(t, "%%xq = quant.scast %%x : tensor<%sui8> to tensor<%s!a>\n", image, image);
  text_add(t, "%%wq = quant.scast %%w : tensor<%si8> to tensor<%s!b>\n", weights, weights);
  text_add(t, "%%s = quern.conv2d %%xq, %%wq {");
  write_window(c, t);
  text_add(t, "} : (tensor<%s!a>, tensor<%s!b>) -> tensor<%si32>\n", image, weights, result);
  text_add(t, "%%t = quern.add %%s, %%b : (tensor<%si32>, tensor<%lldxi32>) -> tensor<%si32>\n", result, o, result);
  text_add(t, "%%r = quern.relu %%t : (tensor<%si32>) -> tensor<%si32>\n", result, result);
  text_add(t, "%%q = quern.requantize %%r, %%m : (tensor<%si32>, tensor<%lldxf32>) -> tensor<%s!a>\n", result, o,
           result);
  text_add(t, "%%y = quant.scast %%q : tensor<%s!a> to tensor<%sui8>\nreturn %%y : tensor<%sui8>\n}\n", result, result,
           result);
}

static bool close_enough(const conv *c, const void *ours, const void *theirs) {
  const uint8_t *a = ours, *b = theirs;
  const float *x = ours, *y = theirs;
  for (size_t i = 0; i < result_size(c); i++)
    if (c->floats ? fabsf(x[i] - y[i]) > 1e-3f : abs((int)a[i] - (int)b[i]) > 1) return false;
  return true;
}

/* Positions of all windows along an axis that are inside the image. */
static int64_t inside(const conv *c, int64_t size, int64_t window) {
  int64_t count = 0;
  for (int64_t i = 0; i < conv_out(c, size, window); i++)
    for (int64_t j = 0; j < window; j++) {
      int64_t at = i * c->stride - c->pad + j;
      count += at >= 0 && at < size;
    }
  return count;
}

/* Of windows over single channels, where no second-level cache holds image and result: going over both. */
static bool limit_of_memory(const conv *c, const options *o, contender *out) {
  enum { SECOND_LEVEL = 2 << 20 };
  size_t size = c->floats ? sizeof(float) : 1, from = image_size(c) * size, to = result_size(c) * size;
  return from + to > SECOND_LEVEL && limit_pass(o, false, from, to, out);
}

/* The dot products or fmas of one call and nothing else: what oneself and others can at best come to. */
static bool limit(qn_context *ctx, const conv *c, const options *o, const contender *ours, contender *out) {
  if (c->groups > 1 && limit_of_memory(c, o, out)) return true;
  if (c->groups > 1 && !c->floats) return false;
  double ops = 2.0 * (double)(inside(c, c->h, c->kh) * inside(c, c->w, c->kw)) * (double)(c->c / c->groups * c->o);
  return limit_peak(ctx, o, ours_multiplier(ours, c->floats ? QN_MULTIPLIER_F32 : QN_MULTIPLIER_INT8), ops, out);
}

typedef struct state {
  bool missing, told;
} state;

static void one(qn_context *ctx, const options *o, report *r, conv *c, state *s) {
  contender of[4];
  timing t[4];
  const char *work = c->floats ? "conv f32" : "conv";
  text program = {NULL, 0, 0};
  bool wrong = false;
  const void *ours, *theirs;
  int n = 1;
  conv_create(c);
  write_text(c, &program);
  qn_tensor in = {.elem = c->floats ? QN_F32 : QN_UI8, .rank = 4, .shape = {1, c->h, c->w, c->c}, .data = c->x};
  bool have = checked_program(ctx, &program, o, &in, true, &of[0], &ours, &wrong);
  text_free(&program);
  if (!have) {
    report_note(r, "conv %s left out: this version cannot compile it", c->name);
    s->missing = true;
  } else if (wrong)
    report_wrong(r, work, c->name, "quern");
  else {
    double ops = 2.0 * (double)(conv_out(c, c->h, c->kh) * conv_out(c, c->w, c->kw)) * (double)c->o * (double)c->kh *
                 (double)c->kw * (double)(c->c / c->groups);
    peer_note why = {""};
    if (onednn_conv(c, o, &of[n], &theirs, &why)) {
      of[n].run(of[n].state);
      if (!close_enough(c, ours, theirs))
        report_note(r, "conv %s: onednn gives other numbers than the interpreter", c->name);
      n++;
    } else if (why.text[0] && !s->told)
      report_note(r, "conv: onednn takes no part: %s", why.text), s->told = true;
    if (limit(ctx, c, o, &of[0], &of[n])) n++;
    if (n > 1) race(of, n, o->quick ? 0.1 : 0.4, t);
    for (int i = 1; i < n; i++) report_ratio(r, work, c->name, of[i].name, &t[0], &t[i], ops, "GOPS");
  }
  if (have)
    for (int i = 0; i < n; i++) contender_destroy(&of[i]);
  conv_destroy(c);
}

bool row_conv(qn_context *ctx, const options *o, report *r) {
  FILE *f = fopen(QUERN_BENCH_CONV, "r");
  char line[256];
  state s = {false, false};
  if (!f) {
    fprintf(stderr, "%s: error: %s\n", QUERN_BENCH_CONV, strerror(errno));
    return false;
  }
  for (int number = 1; fgets(line, sizeof line, f) && !s.missing; number++) {
    conv c = {.x = NULL};
    long long v[9];
    if (line[0] == '#' || line[0] == '\n') continue;
    if (sscanf(line, "%31s %lld %lld %lld %lld %lld %lld %lld %lld %lld", c.name, &v[0], &v[1], &v[2], &v[3], &v[4],
               &v[5], &v[6], &v[7], &v[8]) != 10) {
      fprintf(stderr, "%s:%d: error: expected a name and nine sizes\n", QUERN_BENCH_CONV, number);
      fclose(f);
      return false;
    }
    c.h = v[0], c.w = v[1], c.c = v[2], c.kh = v[3], c.kw = v[4], c.o = v[5], c.stride = v[6], c.pad = v[7];
    c.groups = v[8], c.floats = !strncmp(c.name, "f32.", 4);
    one(ctx, o, r, &c, &s);
  }
  fclose(f);
  return true;
}
