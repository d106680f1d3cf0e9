/* Calibration: the same states on every engine, in any batches, in any shards; what is refused. */
#include "driver_test.h"

#include "failing_alloc.h"

static const char program[] =
    "func.func @main(%x: tensor<?x6xf32>) -> (tensor<?x4xf32> {quern.name = \"y\"}) {\n"
    "  %w = arith.constant dense<[[1.0, -2.0, 0.5, 3.0], [0.25, 1.0, -1.0, 2.0], [-3.0, 0.5, 1.5, 0.0],\n"
    "    [2.0, 2.0, -2.0, -1.0], [0.125, -0.5, 0.75, 1.0], [1.0, 1.0, 1.0, -4.0]]> : tensor<6x4xf32>\n"
    "  %v = arith.constant dense<0.5> : tensor<4x4xf32>\n"
    "  %h = quern.matmul %x, %w : (tensor<?x6xf32>, tensor<6x4xf32>) -> tensor<?x4xf32>\n"
    "  %r = quern.relu %h : (tensor<?x4xf32>) -> tensor<?x4xf32>\n"
    "  %y = quern.matmul %r, %v : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>\n"
    "  return %y : tensor<?x4xf32>\n}\n";

static const char *const kinds[] = {"minmax", "moving-average", "percentile:90", "histogram-mse", "kl"};
enum { KINDS = 5, SAMPLES = 23, SIZE = 6 };
static float data[SAMPLES][SIZE];

static qn_sample_set *some_samples(void) {
  uint32_t seed = 12345;
  for (int i = 0; i < SAMPLES; i++)
    for (int k = 0; k < SIZE; k++) {
      seed = seed * 1664525u + 1013904223u;
      data[i][k] = (float)(int32_t)seed * 0x1p-29f * (float)(1 + i % 5);
    }
  return samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {SAMPLES, SIZE}, data}});
}

static qn_module *calibrated(const char *text, qn_sample_set *s, const qn_calibrate_options *o) {
  qn_module *m = parse(text);
  if (qn_calibrate(m, s, o) != QN_OK) fail_msg("%s", said);
  return m;
}

static void expect_same(const qn_module *a, const qn_module *b) {
  assert_string_equal(print(a), print(b));
}

/* ---- what is recorded ---- */

static void records(void **state) {
  (void)state;
  static const float x[2][6] = {{1, 0, 0, 0, 0, 0}, {0, -1, 0, 0, 0, 0.5f}};
  qn_sample_set *s = samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {2, 6}, x}});
  qn_module *m = calibrated(program, s, &(qn_calibrate_options){.engine = "interp"});
  expect_printed(m, "quern.observe %x {key = \"x\", quern.max = 1.0 : f32, quern.min = -1.0 : f32, quern.state = \"1 "
                    "minmax 1; 12 -1.0 1.0\"}");
  expect_printed(m, "quern.observe %r {key = \"r\", quern.max = 3.0 : f32, quern.min = 0.0 : f32, quern.state = \"1 "
                    "minmax 1; 8 0.0 3.0\"}");
  /* Again with another kind: observers stay, states are new. */
  assert_int_equal(qn_calibrate(m, s, &(qn_calibrate_options){.engine = "interp", .observer = "ema"}), QN_OK);
  expect_printed(m, "{key = \"x\", kind = \"ema\", quern.max = 0.995 : f32, quern.min = -0.01 : f32, quern.state = \"1 "
                    "moving-average 1; 12 -1.0 1.0 0:0.0:1.0 1:-1.0:0.5\"}");
  assert_int_equal(qn_module_verify(m), QN_OK);
  assert_int_equal(qn_run_pipeline(m, "apply-calibration"), QN_OK);
  expect_printed(m, "!quant.calibrated<f32<-0.009999999776482582:0.9950000047683716>>");
  qn_module_destroy(m);
  qn_samples_close(s);
}

/* An observer per column, in a function that is called twice; one that nothing reaches has no state. */
static void axes_and_calls(void **state) {
  (void)state;
  static const char text[] =
      "func.func @main(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {\n"
      "  %0 = func.call @f(%x) : (tensor<?x6xf32>) -> tensor<?x6xf32>\n"
      "  %1 = quern.add %0, %0 : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>\n"
      "  %2 = func.call @f(%1) : (tensor<?x6xf32>) -> tensor<?x6xf32>\n"
      "  return %2 : tensor<?x6xf32>\n}\n"
      "func.func private @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {\n"
      "  %0 = quern.observe %x {key = \"k\", per_axis = true} : (tensor<?x6xf32>) -> tensor<?x6xf32>\n"
      "  return %0 : tensor<?x6xf32>\n}\n"
      "func.func @other(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {\n"
      "  %0 = quern.observe %x {key = \"unreached\"} : (tensor<?x6xf32>) -> tensor<?x6xf32>\n"
      "  return %0 : tensor<?x6xf32>\n}\n";
  static const float x[2][6] = {{1, 2, 3, 4, 5, 6}, {-1, -2, -3, 0, 0, 0}};
  qn_sample_set *s = samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {2, 6}, x}});
  for (size_t e = 0; qn_engine_name(e); e++) {
    qn_module *m = calibrated(text, s, &(qn_calibrate_options){.engine = qn_engine_name(e)});
    expect_printed(
        m, "quern.state = \"1 minmax 6; 4 -2.0 2.0; 4 -4.0 4.0; 4 -6.0 6.0; 4 0.0 8.0; 4 0.0 10.0; 4 0.0 12.0\"");
    expect_printed(m, "{key = \"unreached\"}");
    assert_int_not_equal(qn_run_pipeline(m, "apply-calibration"), QN_OK);
    expect_said("observer 'unreached' has no state");
    qn_module_destroy(m);
  }
  qn_samples_close(s);
}

/* ---- sameness ---- */

static void engines_and_batches(void **state) {
  (void)state;
  qn_sample_set *s = some_samples();
  for (int k = 0; k < KINDS; k++) {
    qn_calibrate_options o = {.observer = kinds[k], .engine = "interp"};
    qn_module *want = calibrated(program, s, &o);
    for (o.batch = 1; o.batch < 40; o.batch = o.batch * 2 + 1) {
      qn_module *m = calibrated(program, s, &o);
      expect_same(m, want);
      qn_module_destroy(m);
    }
    for (size_t e = 0; qn_engine_name(e); e++) {
      o = (qn_calibrate_options){.observer = kinds[k], .engine = qn_engine_name(e), .batch = k};
      qn_module *m = parse(program);
      if (qn_calibrate(m, s, &o)) fail_msg("%s: %s", o.engine, said);
      expect_same(m, want);
      qn_module_destroy(m);
    }
    qn_module_destroy(want);
  }
  qn_samples_close(s);
}

static void shards(void **state) {
  (void)state;
  static const int orders[][4] = {{0, 1, 2, 3}, {2, 0, 3, 1}, {3, 2, 1, 0}};
  static const char *const fixed =
      "func.func @main(%x: tensor<3x6xf32>) -> tensor<3x3xf32> {\n"
      "  %y = quern.matmul %x, %x {transpose_b = true} : (tensor<3x6xf32>, tensor<3x6xf32>) -> tensor<3x3xf32>\n"
      "  %z = quern.matmul %y, %y : (tensor<3x3xf32>, tensor<3x3xf32>) -> tensor<3x3xf32>\n"
      "  return %z : tensor<3x3xf32>\n}\n";
  qn_sample_set *s = some_samples();
  for (int k = 0; k < KINDS * 2; k++) {
    const char *text = k < KINDS ? program : fixed;
    qn_calibrate_options o = {.observer = kinds[k % KINDS], .engine = "interp"};
    qn_module *want = calibrated(text, s, &o);
    if (k >= KINDS) expect_said("the program takes 3 samples at a time; the last 2 of 23 are left out");
    for (int order = 0; order < 3; order++) {
      qn_module *parts[4];
      for (int i = 0; i < 4; i++) {
        o.shard = orders[order][i], o.num_shards = 4;
        parts[i] = calibrated(text, s, &o);
      }
      for (int i = 1; i < 4; i++) {
        if (qn_calibrate_merge(parts[0], parts[i])) fail_msg("%s", said);
        qn_module_destroy(parts[i]);
      }
      expect_same(parts[0], want);
      qn_module_destroy(parts[0]);
    }
    qn_module_destroy(want);
  }
  /* A shard without samples is no different from nothing. */
  qn_module *all = calibrated(program, s, &(qn_calibrate_options){.engine = "interp"});
  qn_module *none = calibrated(program, s, &(qn_calibrate_options){.engine = "interp", .shard = 30, .num_shards = 31});
  assert_null(strstr(print(none), "quern.state"));
  assert_int_equal(qn_calibrate_merge(none, all), QN_OK);
  expect_same(none, all);
  qn_module_destroy(all);
  qn_module_destroy(none);
  qn_samples_close(s);
}

/* ---- refusals ---- */

static qn_module *changed(const char *from, const char *to) {
  char text[4096];
  const char *p = strstr(program, from);
  assert_non_null(p);
  snprintf(text, sizeof text, "%.*s%s%s", (int)(p - program), program, to, p + strlen(from));
  return parse(text);
}

static void other_programs(void **state) {
  (void)state;
  static const struct {
    const char *from, *to, *message;
  } cases[] = {{"-4.0", "-4.5", "an attribute or constant of 'arith.constant'"},
               {"quern.relu %h", "quern.exp %h", "the name of 'quern.relu'"},
               {"%r = quern.relu %h", "%r = quern.relu %x_", "an operand of"},
               {"return %y", "return %r", "an operand of 'func.return'"},
               {"  %v = arith", "  %u = quern.neg %x : (tensor<?x6xf32>) -> tensor<?x6xf32>\n  %v = arith",
                "the programs differ"},
               {"@main", "@other", "an attribute or constant of 'func.func'"}};
  qn_sample_set *s = some_samples();
  qn_module *a = calibrated(program, s, &(qn_calibrate_options){.engine = "interp"});
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    if (strstr(cases[k].to, "%x_")) continue;
    qn_module *b = changed(cases[k].from, cases[k].to);
    assert_int_equal(qn_run_pipeline(b, "insert-observers"), QN_OK);
    assert_int_equal(qn_calibrate_merge(a, b), QN_ERR_INPUT);
    expect_said(cases[k].message);
    qn_module_destroy(b);
  }
  qn_module *kl = calibrated(program, s, &(qn_calibrate_options){.engine = "interp", .observer = "kl"});
  assert_int_equal(qn_calibrate_merge(a, kl), QN_ERR_INPUT);
  expect_said("an attribute or constant of 'quern.observe'");
  qn_module_destroy(kl);
  qn_module *bare = parse(program), *again = parse(program);
  assert_int_not_equal(qn_calibrate_merge(bare, again), QN_OK);
  expect_said("no observers");
  qn_module_destroy(bare);
  qn_module_destroy(again);
  qn_module_destroy(a);
  qn_samples_close(s);
}

static void refuse(const char *text, qn_sample_set *s, const qn_calibrate_options *o, const char *message) {
  qn_module *m = parse(text);
  assert_int_not_equal(qn_calibrate(m, s, o), QN_OK);
  expect_said(message);
  assert_null(strstr(print(m), "quern.state"));
  qn_module_destroy(m);
}

static void refusals(void **state) {
  (void)state;
  qn_sample_set *s = some_samples();
  refuse(program, NULL, NULL, "calibration needs samples");
  refuse(program, s, &(qn_calibrate_options){.shard = 2, .num_shards = 2}, "shard 2 of 2");
  refuse(program, s, &(qn_calibrate_options){.shard = 1}, "shard 1 of 0");
  refuse(program, s, &(qn_calibrate_options){.batch = -1}, "a batch of -1");
  refuse(program, s, &(qn_calibrate_options){.observer = "guess"}, "no observer is named 'guess'");
  refuse(program, s, &(qn_calibrate_options){.engine = "abacus"}, "abacus");
  refuse("func.func @f(%y: tensor<?xf32>) -> tensor<?xf32> {\n"
         "  %0 = quern.observe %y {key = \"y\"} : (tensor<?xf32>) -> tensor<?xf32>\n  return %0 : tensor<?xf32>\n}\n",
         s, NULL, "no array is named 'y', an input of the program; the file has 'x'");
  refuse("func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {\n"
         "  %0 = quern.observe %x {key = \"k\"} : (tensor<?x6xf32>) -> tensor<?x6xf32>\n"
         "  %1 = quern.observe %0 {key = \"k\", per_axis = true} : (tensor<?x6xf32>) -> tensor<?x6xf32>\n"
         "  return %1 : tensor<?x6xf32>\n}\n",
         s, NULL, "two observers have the key 'k'");
  refuse("func.func @f(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {\n  %0 = quern.log %x : (tensor<?x6xf32>) -> "
         "tensor<?x6xf32>\n"
         "  %1 = quern.observe %0 {key = \"k\"} : (tensor<?x6xf32>) -> tensor<?x6xf32>\n  return %1 : "
         "tensor<?x6xf32>\n}\n",
         s, &(qn_calibrate_options){.engine = "interp"}, "observer 'k' saw NaN at element [0, ");
  qn_samples_close(s);
  data[7][2] = strtof("nan", NULL);
  s = samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {SAMPLES, SIZE}, data}});
  refuse(program, s, &(qn_calibrate_options){.engine = "interp"}, "array 'x': element 2 of sample 7 is NaN");
  refuse(program, s, &(qn_calibrate_options){.engine = "interp", .batch = 5},
         "array 'x': element 2 of sample 7 is NaN");
  qn_samples_close(s);
  data[7][2] = HUGE_VALF;
  s = samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {SAMPLES, SIZE}, data}});
  refuse(program, s, &(qn_calibrate_options){.engine = "interp"},
         "observer 'x' saw +infinity at element [0, 2] of its value in sample 7");
  refuse(program, s, &(qn_calibrate_options){.engine = "interp", .batch = 5},
         "observer 'x' saw +infinity at element [2, 2] of its value in sample 7");
  qn_samples_close(s);
  s = samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {0, SIZE}, data}});
  refuse(program, s, NULL, "there are no samples to calibrate with");
  qn_samples_close(s);
}

/* ---- memory running out anywhere ---- */

static qn_status jobs(qn_module *m, const char *path) {
  qn_context *c = qn_module_context(m);
  qn_module *other = NULL;
  qn_sample_set *s = NULL;
  qn_calibrate_options o = {.engine = "interp", .observer = "histogram-mse"};
  qn_status status = qn_samples_open(c, path, &s);
  if (!status) status = qn_calibrate(m, s, &o);
  if (!status) status = (other = qn_module_clone(m)) ? QN_OK : QN_ERR_NO_MEMORY;
  if (!status) status = qn_calibrate_merge(m, other);
  if (!status) status = qn_run_pipeline(m, "apply-calibration");
  qn_module_destroy(other);
  qn_samples_close(s);
  return status;
}

static void memory_runs_out(void **state) {
  (void)state;
  qn_samples_close(samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {2, SIZE}, data[10]}}));
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, SIZE_MAX);
    qn_context *c = qn_context_create(&(qn_context_options){.allocator = &a});
    qn_module *m = NULL;
    assert_non_null(c);
    assert_int_equal(qn_parse_text(c, qn_str_of(program), "t", NULL, &m), QN_OK);
    f.fail_at = f.calls + n;
    qn_status status = jobs(m, at("x.npz"));
    if (status != (f.fired ? QN_ERR_NO_MEMORY : QN_OK)) fail_msg("allocation %zu: status %d", n, status);
    qn_module_destroy(m);
    qn_context_destroy(c);
    if (!failing_clean(&f)) fail_msg("allocation %zu: %zu blocks are left", n, f.live_blocks);
    if (!f.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {T(records),        T(axes_and_calls), T(engines_and_batches), T(shards),
                                     T(other_programs), T(refusals),       T(memory_runs_out)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
