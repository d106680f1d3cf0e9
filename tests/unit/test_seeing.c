/* Call events: what is told of each kernel and of the call, and what reports make of it. */
#include "program_test.h"
#include <stdio.h>
#include <string.h>

static const char program_text[] =
    "module {\n  func.func public @main(%x: tensor<?x8xf32>) -> tensor<?x3xf32> {\n"
    "    %w = arith.constant dense<0.5> : tensor<8x3xf32>\n"
    "    %0 = quern.matmul %x, %w : (tensor<?x8xf32>, tensor<8x3xf32>) -> tensor<?x3xf32>\n"
    "    %1 = quern.softmax %0 : (tensor<?x3xf32>) -> tensor<?x3xf32>\n"
    "    func.return %1 : tensor<?x3xf32>\n  }\n}\n";

typedef struct seen {
  char lines[8][512];
  char names[8][16], shapes[8][32], types[8][64];
  double ops[8], bytes[8], ns[8];
  size_t index[8], count;
  size_t made[2]; /* kernels, bodies */
  char made_line[512];
  qn_context *ctx;
} seen;

static bool to_line(void *user, const char *data, size_t size) {
  char *line = user;
  size_t at = strlen(line);
  if (at + size >= 512) return false;
  memcpy(line + at, data, size);
  line[at + size] = 0;
  return true;
}

static uint32_t columns(const char *line) {
  uint32_t n = 1;
  for (bool inside = false; *line; line++) {
    if (*line == '"') inside = !inside;
    if (*line == ',' && !inside) n++;
  }
  return n;
}

static void on_call(void *user, const qn_call_event *e) {
  seen *s = user;
  if (e->kind == QN_EVENT_KERNEL || e->kind == QN_EVENT_BODY) {
    s->made[e->kind == QN_EVENT_BODY]++;
    assert_true(e->kind == QN_EVENT_KERNEL || (e->bytes > 0 && e->ns > 0));
    s->made_line[0] = 0;
    assert_int_equal(qn_report_call(s->ctx, e, NULL, true, to_line, s->made_line), QN_OK);
    assert_int_equal(columns(s->made_line), columns(qn_report_call_columns()));
    return;
  }
  if (s->count == 8) return;
  snprintf(s->names[s->count], 16, "%s", e->kernel.name ? e->kernel.op : "call");
  snprintf(s->shapes[s->count], 32, "%s", e->shape);
  snprintf(s->types[s->count], 64, "%s", e->types);
  s->ops[s->count] = e->ops, s->bytes[s->count] = e->bytes, s->ns[s->count] = e->ns, s->index[s->count] = e->index;
  assert_int_equal(qn_report_call(s->ctx, e, NULL, true, to_line, s->lines[s->count]), QN_OK);
  s->count++;
}

static qn_program *compile(qn_context *ctx, const char *engine) {
  return program_of_text(ctx, program_text, &(qn_compile_options){.engine = engine});
}

static void each_kernel_and_the_call(void **state) {
  (void)state;
  for (size_t i = 0; qn_engine_name(i); i++) {
    if (!strcmp(qn_engine_name(i), "interp")) continue;
    static seen s;
    s = (seen){.count = 0};
    qn_context_options options = {.on_call = on_call, .on_call_user = &s};
    qn_context *ctx = s.ctx = qn_context_create(&options);
    assert_non_null(ctx);
    qn_program *p = compile(ctx, qn_engine_name(i));
    float x[5 * 8] = {0};
    qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {5, 8}, .data = x}, out;
    assert_int_equal(qn_program_run(p, &in, &out, NULL), QN_OK);
    qn_tensor_free(ctx, &out);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.made[0], 2);
    assert_true(s.made[1] >= 2);
    assert_string_equal(s.names[0], "kern.gemm");
    assert_string_equal(s.shapes[0], "5x3x8");
    assert_string_equal(s.types[0], "f32, f32 -> f32");
    assert_true(s.ops[0] == 2 * 5 * 3 * 8);
    assert_string_equal(s.names[1], "kern.row");
    assert_string_equal(s.shapes[1], "5x3");
    assert_true(s.bytes[1] == 2 * 5 * 3 * 4);
    assert_true(s.index[0] == 0 && s.index[1] == 1);
    assert_string_equal(s.names[2], "call");
    assert_true(s.ns[2] >= s.ns[0] + s.ns[1]);
    for (size_t k = 0; k < s.count; k++) assert_int_equal(columns(s.lines[k]), columns(qn_report_call_columns()));
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

static void bench_tells_of_each_kernel_and_gives_the_handler_back(void **state) {
  (void)state;
  static seen s;
  s = (seen){.count = 0};
  qn_context_options options = {.on_call = on_call, .on_call_user = &s};
  qn_context *ctx = s.ctx = qn_context_create(&options);
  qn_program *p = compile(ctx, qn_engine_name(0));
  float x[5 * 8] = {0};
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {5, 8}, .data = x};
  qn_kernel_time times[4];
  size_t n = 0;
  qn_kernel_info info;
  size_t kernels = 0;
  while (qn_program_kernel(p, kernels, &info)) kernels++;
  assert_int_equal(qn_bench_kernels(ctx, p, &in, 1, 0.01, 4, times, &n), QN_OK);
  assert_int_equal(n, kernels);
  assert_int_equal(s.count, 0);
  for (size_t i = 0; i < n; i++) {
    assert_true(times[i].calls > 0 && times[i].best_ns > 0);
    assert_true(times[i].total_ns >= times[i].best_ns * (double)times[i].calls);
  }
  qn_call_handler handler;
  void *user;
  qn_context_set_call_handler(ctx, NULL, NULL, &handler, &user);
  assert_true(handler == on_call && user == &s);
  qn_context_set_call_handler(ctx, handler, user, NULL, NULL);
  qn_bench_result r;
  assert_int_equal(qn_bench_program(ctx, p, NULL, &in, 1, 0.01, &r), QN_OK);
  assert_int_equal(s.count, kernels ? kernels + 1 : 0); /* of one call; the others are measured */
  qn_context_set_call_handler(ctx, NULL, NULL, &handler, &user);
  assert_true(handler == on_call && user == &s);

  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

/* What waits behind calls is told of too, once, and programs that share it do not tell it again. */
static void code_made_behind_calls_is_told_of(void **state) {
  (void)state;
  static seen s;
  s = (seen){.count = 0};
  qn_context_options options = {.on_call = on_call, .on_call_user = &s};
  qn_context *ctx = s.ctx = qn_context_create(&options);
  qn_program *p = compile(ctx, "auto"), *same = compile(ctx, "auto");
  if (qn_program_kernel(p, 0, &(qn_kernel_info){0})) {
    assert_int_equal(s.made[0], 4);
    assert_int_equal(qn_program_prepare(p, NULL, NULL), QN_OK);
    float x[5 * 8] = {0};
    qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {5, 8}, .data = x}, out;
    assert_int_equal(qn_program_run(p, &in, &out, NULL), QN_OK);
    qn_tensor_free(ctx, &out);
    size_t bodies = s.made[1];
    assert_true(bodies >= 2);
    assert_int_equal(qn_program_run(same, &in, &out, NULL), QN_OK);
    qn_tensor_free(ctx, &out);
    assert_int_equal(s.made[1], bodies);
  }
  qn_program_destroy(same);
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

static void fields_are_quoted(void **state) {
  (void)state;
  char line[512] = "";
  qn_context *ctx = qn_context_create(NULL);
  qn_call_event e = {.kind = QN_EVENT_KERNEL,
                     .engine = "llvm",
                     .shape = "",
                     .types = "f32 -> f32",
                     .kernel = {.name = "k", .op = "kern.map", .isa = "avx2", .slow_reason = "a, \"b\""}};
  e.kernel.place.file = qn_str_of("so \"named\", here.mlir"), e.kernel.place.line = 7;
  assert_int_equal(qn_report_call(ctx, &e, NULL, true, to_line, line), QN_OK);
  assert_string_equal(line,
                      "kernel,k,kern.map,,\"f32 -> f32\",llvm,avx2,,,,,,,\"\",\"so \"\"named\"\", here.mlir:7\",0,"
                      "\"a, \"\"b\"\"\"\n");
  line[0] = 0;
  assert_int_equal(qn_report_call(ctx, &e, NULL, false, to_line, line), QN_OK);
  assert_string_equal(line, "kernel k: f32 -> f32, llvm avx2 at so \"named\", here.mlir:7; slow: a, \"b\"\n");
  qn_context_destroy(ctx);
}

static void json_takes_any_bytes(void **state) {
  (void)state;
  static const char bytes[] = "a\"\\\n\0\xff\xc3\xa9\xed\xa0\x80\xe2\x82";
  char line[512] = "";
  assert_int_equal(qn_report_json_text((qn_str){bytes, sizeof bytes - 1}, to_line, line), QN_OK);
  assert_string_equal(line, "\"a\\\"\\\\\\u000a\\u0000\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

static bool to_svg(void *user, const char *data, size_t size) {
  char *svg = user;
  size_t at = strlen(svg);
  if (at + size >= 1 << 14) return false;
  memcpy(svg + at, data, size);
  svg[at + size] = 0;
  return true;
}

static void a_roofline_has_a_point_per_kernel(void **state) {
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  static char svg[1 << 14];
  qn_limits limits = {
      .ops = {[QN_MULTIPLIER_INT8] = 8e11, [QN_MULTIPLIER_F32] = 2e11}, .cache_bytes = 1e11, .memory_bytes = 2e10};
  qn_kernel_time times[3] = {
      {.kernel = {.op = "kern.gemm", .tile = "<6x64>", .fused = ""},
       .shape = "64x64x64",
       .best_ns = 1000,
       .ops = 524288,
       .bytes = 12288,
       .multiplies = true,
       .by = {[QN_MULTIPLIER_INT8] = 524288}},
      {.kernel = {.op = "kern.map", .tile = "", .fused = ""}, .shape = "100", .best_ns = 100, .ops = 300, .bytes = 800},
      {.kernel = {.op = "kern.pack", .tile = "", .fused = ""}, .shape = "1", .best_ns = 10, .ops = 0, .bytes = 8}};
  assert_int_equal(qn_report_roofline(ctx, "a & b", 3, times, &limits, to_svg, svg), QN_OK);
  size_t points = 0;
  for (const char *at = svg; (at = strstr(at, "<circle")); at++) points++;
  assert_int_equal(points, 2); /* nothing is drawn of a kernel without operations */
  assert_non_null(strstr(svg, "a &amp; b"));
  assert_non_null(strstr(svg, "&lt;6x64&gt;"));
  assert_null(strstr(svg, "nan"));
  assert_null(strstr(svg, "inf"));
  svg[0] = 0;
  assert_int_equal(qn_report_roofline(ctx, "", 0, NULL, &(qn_limits){0}, to_svg, svg), QN_OK);
  assert_null(strstr(svg, "nan"));
  assert_null(strstr(svg, "inf"));
  qn_context_destroy(ctx);
}

static void fractions_are_of_the_limit_that_counts(void **state) {
  (void)state;
  qn_limits l = {.ops = {[QN_MULTIPLIER_INT8] = 1e12, [QN_MULTIPLIER_F32] = 1e11, [QN_MULTIPLIER_INT8_TILES] = 8e12},
                 .cache_bytes = 1e11,
                 .memory_bytes = 1e10};
  qn_call_event e = {.ns = 1000, .ops = 5e8, .bytes = 100, .multiplies = true};
  e.by[QN_MULTIPLIER_INT8] = 5e8;
  assert_true(qn_report_call_fraction(&e, &l) > 499 && qn_report_call_fraction(&e, &l) < 501);
  e.by[QN_MULTIPLIER_INT8] = 5e5;
  assert_float_equal(qn_report_call_fraction(&e, &l), 0.5, 1e-9);
  e.by[QN_MULTIPLIER_INT8_TILES] = 2e6; /* a call with kernels of several kinds: each at its own speed */
  assert_float_equal(qn_report_call_fraction(&e, &l), 0.75, 1e-9);
  e.by[QN_MULTIPLIER_INT8] = e.by[QN_MULTIPLIER_INT8_TILES] = 0, e.by[QN_MULTIPLIER_F32] = 5e4;
  assert_float_equal(qn_report_call_fraction(&e, &l), 0.5, 1e-9);
  e.multiplies = false, e.by[QN_MULTIPLIER_F32] = 0, e.bytes = 25000;
  assert_float_equal(qn_report_call_fraction(&e, &l), 0.25, 1e-9);
  e.bytes = 1e7, e.ns = 2e6;
  assert_float_equal(qn_report_call_fraction(&e, &l), 0.5, 1e-9);
  assert_true(qn_report_call_fraction(&e, &(qn_limits){0}) == 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_kernel_and_the_call),
      cmocka_unit_test(bench_tells_of_each_kernel_and_gives_the_handler_back),
      cmocka_unit_test(code_made_behind_calls_is_told_of),
      cmocka_unit_test(fields_are_quoted),
      cmocka_unit_test(json_takes_any_bytes),
      cmocka_unit_test(a_roofline_has_a_point_per_kernel),
      cmocka_unit_test(fractions_are_of_the_limit_that_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
