/* A convolution in one call: what is refused, and results against sums written out here. */
#include "unit.h"
#include <math.h>
#include <quern/quern.h>
#include <stdio.h>
#include <string.h>

static char said[512];

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  snprintf(said, sizeof said, "%.*s", (int)d->message.size, d->message.data);
}

static qn_context *ctx;

static int setup(void **state) {
  (void)state;
  said[0] = 0;
  ctx = qn_context_create(&(qn_context_options){.on_diag = on_diag});
  return ctx ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  qn_context_destroy(ctx);
  return 0;
}

enum { H = 6, W = 7, C = 4, KH = 3, KW = 2, O = 8, OH = 4, OW = 7, GROUPS = 2 };

static uint8_t x[H * W * C];
static int8_t w[KH * KW * (C / GROUPS) * O];
static float scales[O], bias[O];

static void fill(void) {
  for (int i = 0; i < H * W * C; i++) x[i] = (uint8_t)(i * 37 + 11);
  for (int i = 0; i < KH * KW * (C / GROUPS) * O; i++) w[i] = (int8_t)(i * 53 + 5);
  for (int i = 0; i < O; i++) scales[i] = 0.01f + 0.002f * (float)i, bias[i] = (float)(i * 3 - 9);
}

static qn_conv_desc description(void) {
  return (qn_conv_desc){.batch = 1,
                        .height = H,
                        .width = W,
                        .channels = C,
                        .n = O,
                        .kernel = {KH, KW},
                        .strides = {2, 1},
                        .pads = {1, 1, 2, 0},
                        .groups = GROUPS,
                        .x = QN_UI8,
                        .w = QN_I8,
                        .y = QN_I32,
                        .x_scale = 0.02f,
                        .x_zero_point = 100,
                        .w_scales = scales,
                        .w_data = w};
}

static int32_t sum_at(int oh, int ow, int o) {
  int32_t sum = 0;
  int per_group = C / GROUPS, group = o / (O / GROUPS);
  for (int kh = 0; kh < KH; kh++)
    for (int kw = 0; kw < KW; kw++)
      for (int c = 0; c < per_group; c++) {
        int h = oh * 2 + kh - 1, v = ow + kw - 1;
        int code = h < 0 || h >= H || v < 0 || v >= W ? 100 : x[(h * W + v) * C + group * per_group + c];
        sum += (code - 100) * w[((kh * KW + kw) * per_group + c) * O + o];
      }
  return sum;
}

static void run(const qn_conv_desc *d, qn_tensor *y, bool weights_too) {
  qn_program *p;
  assert_int_equal(qn_kernel_conv(ctx, d, NULL, &p), QN_OK);
  assert_int_equal(qn_program_num_inputs(p), weights_too ? 2 : 1);
  qn_tensor in[2] = {{.elem = QN_UI8, .rank = 4, .shape = {1, H, W, C}, .data = x},
                     {.elem = QN_I8, .rank = 4, .shape = {KH, KW, C / GROUPS, O}, .data = w}};
  assert_int_equal(qn_program_run(p, in, y, NULL), QN_OK);
  assert_int_equal(y->rank, 4);
  assert_true(y->shape[0] == 1 && y->shape[1] == OH && y->shape[2] == OW && y->shape[3] == O);
  qn_program_destroy(p);
}

static void sums(void **state) {
  (void)state;
  fill();
  for (int form = 0; form < 4; form++) {
    qn_conv_desc d = description();
    qn_tensor y;
    if (form & 1) d.w_data = NULL;
    if (form & 2) d.batch = d.height = d.width = QN_DYNAMIC;
    run(&d, &y, form & 1);
    for (int oh = 0; oh < OH; oh++)
      for (int ow = 0; ow < OW; ow++)
        for (int o = 0; o < O; o++) assert_int_equal(qn_tensor_get_i64(&y, (oh * OW + ow) * O + o), sum_at(oh, ow, o));
    qn_tensor_free(ctx, &y);
  }
}

static void scaled(void **state) {
  (void)state;
  fill();
  qn_conv_desc d = description();
  qn_tensor y;
  d.y = QN_F32, d.bias = bias, d.relu = true;
  run(&d, &y, false);
  for (int i = 0; i < OH * OW * O; i++) {
    int o = i % O;
    float v = (float)sum_at(i / O / OW, i / O % OW, o) * (0.02f * scales[o]) + bias[o];
    assert_true((float)qn_tensor_get_f64(&y, i) == (v > 0 ? v : 0));
  }
  qn_tensor_free(ctx, &y);
  d.y = QN_UI8, d.y_scale = 1.5f, d.y_zero_point = 3;
  run(&d, &y, false);
  for (int i = 0; i < OH * OW * O; i++) {
    int o = i % O;
    double sum = sum_at(i / O / OW, i / O % OW, o) + nearbyint(bias[o] / ((double)0.02f * (double)scales[o]));
    double q = nearbyint(fmax(sum, 0) * (double)0.02f * (double)scales[o] / 1.5) + 3;
    assert_true(fabs((double)qn_tensor_get_i64(&y, i) - fmin(q, 255)) <= 1); /* the multiplier is rounded to f32 */
  }
  qn_tensor_free(ctx, &y);
}

static void refused(qn_conv_desc d, const char *why) {
  qn_program *p = (qn_program *)(uintptr_t)1;
  said[0] = 0;
  assert_int_not_equal(qn_kernel_conv(ctx, &d, NULL, &p), QN_OK);
  assert_null(p);
  if (!strstr(said, why)) fail_msg("'%s' does not say '%s'", said, why);
}

static void bad(void **state) {
  (void)state;
  fill();
  qn_conv_desc d = description();
  d.groups = 3, refused(d, "cut into the groups");
  d = description(), d.groups = -1, refused(d, "cut into the groups");
  d = description(), d.strides[1] = -1, refused(d, "stride or dilation is negative");
  d = description(), d.pads[3] = -1, refused(d, "a pad is negative");
  d = description(), d.kernel[0] = 0, refused(d, "a size of the window is below 1");
  d = description(), d.channels = 0, refused(d, "it has no channels");
  d = description(), d.height = -7, refused(d, "a size of the image is negative");
  d = description(), d.n = -2, refused(d, "a size is negative");
  d = description(), d.width = INT64_MAX / 16, refused(d, "would not fit in memory");
  d = description(), d.kernel[0] = (int64_t)1 << 40, d.kernel[1] = (int64_t)1 << 20,
  refused(d, "would not fit in memory");
  float infinite = INFINITY;
  d = description(), d.w_scales = &infinite, d.w_per_tensor = true, refused(d, "scale 0 of the weights is inf");
  d = description(), d.x = QN_F32, refused(d, "qn_kernel_conv: no kernel for f32 x i8 -> i32");
  d = description(), d.y = QN_UI8, d.w_scales = NULL, refused(d, "the weights' scales are null");
  d = description(), d.height = 1, d.pads[0] = d.pads[2] = 0, refused(d, "the window spans");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(sums, setup, teardown),
      cmocka_unit_test_setup_teardown(scaled, setup, teardown),
      cmocka_unit_test_setup_teardown(bad, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
