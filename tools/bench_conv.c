/* quern bench --conv: one convolution, told by its shape. */
#include "bench_conv.h"
#include <stdlib.h>
#include <string.h>

static const struct types {
  const char *name;
  qn_scalar x, w, y;
} rows[] = {{"u8s8", QN_UI8, QN_I8, QN_UI8},
            {"s8s8", QN_I8, QN_I8, QN_I8},
            {"u8s8f32", QN_UI8, QN_I8, QN_F32},
            {"f32", QN_F32, QN_F32, QN_F32}};

static bool number(const char **at, char after, int64_t *out) {
  char *end;
  *out = strtoll(*at, &end, 10);
  if (end == *at || *out < 1 || *out > 1 << 16 || (after && *end != after)) return false;
  *at = end + (after != 0);
  return true;
}

/* s, p, d or g and a number, as often as there are. */
static bool options_of(const char **at, qn_conv_desc *d) {
  while (**at && **at != ':') {
    char key = *(*at)++;
    int64_t v;
    if (key == 'p' && **at == '0') {
      ++*at;
      continue;
    }
    if (!number(at, 0, &v)) return false;
    if (key == 's')
      d->strides[0] = d->strides[1] = v;
    else if (key == 'd')
      d->dilations[0] = d->dilations[1] = v;
    else if (key == 'g')
      d->groups = v;
    else if (key == 'p')
      for (int i = 0; i < 4; i++) d->pads[i] = v;
    else
      return false;
  }
  return *(*at)++ == ':';
}

int bench_parse_conv(const cli *c, const char *text, qn_conv_desc *d) {
  const char *at = text;
  *d = (qn_conv_desc){.batch = 1};
  bool ok = number(&at, 'x', &d->height) && number(&at, 'x', &d->width) && number(&at, ':', &d->channels) &&
            number(&at, 'x', &d->kernel[0]) && number(&at, 'x', &d->kernel[1]) && number(&at, 0, &d->n) &&
            options_of(&at, d);
  if (!ok)
    return cli_usage(c,
                     "--conv: '%s' is not HxWxC:KHxKWxO:TYPES with sizes of 1 to 65536 and s, p, d, g and a number "
                     "behind O for stride, padding, dilation and groups, such as 56x56x64:3x3x64s1p1:u8s8",
                     text);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (!strcmp(rows[i].name, at)) {
      d->x = rows[i].x, d->w = rows[i].w, d->y = rows[i].y;
      return CLI_OK;
    }
  return cli_usage(c, "--conv: no types '%s'; there are u8s8, u8s8f32, s8s8, f32", at);
}

qn_status bench_build_conv(qn_context *ctx, qn_conv_desc *d, const qn_compile_options *options, qn_program **out) {
  bool f = d->x == QN_F32;
  int64_t groups = d->groups ? d->groups : 1;
  qn_tensor w = {.elem = d->w, .rank = 4, .shape = {d->kernel[0], d->kernel[1], d->channels / groups, d->n}};
  size_t bytes = qn_tensor_bytes(&w), count = bytes / (f ? 4 : 1);
  w.data = bytes < SIZE_MAX ? malloc(bytes + 1) : NULL;
  float *scales = malloc((size_t)d->n * sizeof *scales), *bias = malloc((size_t)d->n * sizeof *bias);
  qn_status status = w.data && scales && bias ? QN_OK : qn_error_no_memory(ctx);
  if (!status) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
      state = state * 1664525u + 1013904223u;
      if (f)
        qn_tensor_set_f64(&w, (int64_t)i, (double)(state >> 8) / 8388608.0 - 1);
      else
        qn_tensor_set_i64(&w, (int64_t)i, (int64_t)(state >> 24) - 128);
    }
    for (int64_t i = 0; i < d->n; i++) scales[i] = 0.01f + 0.00001f * (float)(i % 97), bias[i] = (float)(i % 13) - 6;
    d->w_data = w.data, d->w_scales = scales, d->bias = bias, d->relu = true;
    d->x_scale = 0.02f, d->y_scale = 4;
    d->x_zero_point = d->x == QN_UI8 ? 117 : 0, d->y_zero_point = d->y == QN_UI8 ? 3 : 0;
    status = qn_kernel_conv(ctx, d, options, out);
  }
  free(w.data), free(scales), free(bias);
  return status;
}
