/* Observer states: the same bits in any order, as text and back, whatever they are fed. */
#include "observe_test.h"

#include "failing_alloc.h"
#include <fenv.h>

static const char *const all_kinds[] = {
    "minmax", "moving-average", "percentile",        "percentile:75", "histogram-mse", "histogram-mse:4",
    "kl",     "kl:4",           "moving-average:0.5"};
enum { NUM_KINDS = sizeof all_kinds / sizeof all_kinds[0] };

/* ---- kinds ---- */

static void kinds(void **state) {
  (void)state;
  env e;
  env_open(&e);
  size_t n = 0;
  for (const qn_observer_info *i; (i = qn_observer_info_get(n)); n++) {
    assert_ptr_equal(qn_observer_info_find(e.ctx, qn_str_of(i->name), qn_place_file("t")), i);
    if (*i->alias) assert_ptr_equal(qn_observer_info_find(e.ctx, qn_str_of(i->alias), qn_place_file("t")), i);
    assert_true(*i->doc && (!*i->parameter || (i->least <= i->value && i->value <= i->most)));
  }
  assert_int_equal(n, 5);
  static const struct {
    const char *kind, *message;
  } bad[] = {{"maxmin", "no observer is named 'maxmin', expected one of: minmax, moving-average, percentile"},
             {"", "no observer is named ''"},
             {"minmax:1", "observer 'minmax' has no parameter"},
             {"percentile:101", "observer 'percentile': percentage kept is '101', expected a number from 50 to 100"},
             {"percentile:nan", "expected a number"},
             {"kl:", "expected a number"},
             {"kl:ten", "expected a number from 2 to 9"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    qn_observer *o;
    assert_int_equal(qn_observer_create(e.ctx, qn_str_of(bad[i].kind), 1, qn_place_file("t"), &o), QN_ERR_INPUT);
    assert_null(o);
    expect_said(&e, bad[i].message);
  }
  qn_observer *o;
  assert_int_not_equal(qn_observer_create(e.ctx, qn_str_of("kl"), 0, qn_place_file("t"), &o), QN_OK);
  assert_int_not_equal(qn_observer_create(e.ctx, qn_str_of("kl"), 1 << 20, qn_place_file("t"), &o), QN_OK);
  env_close(&e);
}

/* ---- texts ---- */

static void texts(void **state) {
  (void)state;
  env e;
  env_open(&e);
  qn_observer *o = make(&e, "minmax", 1);
  expect_text(o, "1 minmax 1; 0");
  double lo, hi;
  assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &lo, &hi), QN_ERR_INPUT);
  expect_said(&e, "saw no values");
  feed(o, (const float[]){1.5f, -0.25f, 0.1f}, 3, 0);
  expect_text(o, "1 minmax 1; 3 -0.25 1.5");
  feed(o, (const float[]){-0.0f}, 0, 1);
  expect_text(o, "1 minmax 1; 3 -0.25 1.5");
  expect_range(o, 0, -0.25, 1.5);
  qn_observer_destroy(o);

  o = make(&e, "minmax", 1);
  feed(o, (const float[]){-0.0f}, 1, 1);
  expect_text(o, "1 minmax 1; 1 0.0 0.0");
  qn_observer_destroy(o);

  o = make(&e, "ema:0.5", 1);
  feed(o, (const float[]){0, 4}, 2, 7);
  feed(o, (const float[]){-2, 1}, 2, 3);
  feed(o, (const float[]){8}, 1, 7);
  expect_text(o, "1 moving-average:0.5 1; 5 -2.0 8.0 3:-2.0:1.0 7:0.0:8.0");
  expect_range(o, 0, -1, 4.5);
  qn_observer_destroy(o);

  o = make(&e, "histogram", 1); /* bins of 2^-9 up to 4, zeros apart */
  feed(o, (const float[]){0, 0, 3.5f, 1.0f, 1.0009765625f, -0.0f}, 6, 0);
  expect_text(o, "1 histogram-mse 1; 6 0.0 3.5 3 -9 0 0*512 2 0*1279 1");
  feed(o, (const float[]){-0.001f}, 1, 0);
  expect_text(o, "1 histogram-mse 1; 7 -0.0010000000474974513 3.5 3 -9 -1 1 0*512 2 0*1279 1");
  feed(o, (const float[]){-8}, 1, 0);
  expect_text(o, "1 histogram-mse 1; 8 -8.0 3.5 3 -7 -1024 1 0*1022 1 0*128 2 0*319 1");
  qn_observer_destroy(o);
  env_close(&e);
}

static void channels(void **state) {
  (void)state;
  env e;
  env_open(&e);
  float x[2][3][2] = {{{1, 2}, {3, 4}, {5, 6}}, {{-1, -2}, {-3, -4}, {-5, 60}}};
  qn_tensor t = {.elem = QN_F32, .rank = 3, .shape = {2, 3, 2}, .data = x};
  qn_observer *o = make(&e, "minmax", 3);
  assert_int_equal(feed_tensor(o, &t, 1, 0), QN_OK);
  expect_text(o, "1 minmax 3; 4 -2.0 2.0; 4 -4.0 4.0; 4 -5.0 60.0");
  expect_range(o, 2, -5, 60);
  assert_int_equal(qn_observer_count(o, 1), 4);
  assert_int_equal(qn_observer_count(o, 3), 0);
  assert_int_equal(feed_tensor(o, &t, 0, 0), QN_ERR_INPUT);
  expect_said(&e, "has 3 channels; axis 0");
  assert_int_equal(feed_tensor(o, &t, 3, 0), QN_ERR_INPUT);
  qn_observer_destroy(o);
  o = make(&e, "kl", 2);
  assert_int_equal(feed_tensor(o, &t, 2, 0), QN_OK);
  double lo, hi;
  for (uint32_t c = 0; c < 2; c++) assert_int_equal(qn_observer_range(o, c, qn_place_file("t"), &lo, &hi), QN_OK);
  qn_observer_destroy(o);
  env_close(&e);
}

/* Every float type is read by its value. */
static void element_types(void **state) {
  (void)state;
  static const qn_scalar types[] = {QN_F64, QN_F32, QN_F16, QN_BF16, QN_F8E4M3FN, QN_F8E5M2, QN_F4E2M1FN};
  env e;
  env_open(&e);
  for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
    double data[4] = {0};
    qn_tensor t = {.elem = types[k], .rank = 1, .shape = {4}, .data = data};
    for (int i = 0; i < 4; i++) qn_tensor_set_f64(&t, i, (double[]){1.5, -2, 0, 3}[i]);
    qn_observer *o = make(&e, "minmax", 1);
    assert_int_equal(feed_tensor(o, &t, 0, 0), QN_OK);
    expect_text(o, "1 minmax 1; 4 -2.0 3.0");
    qn_observer_destroy(o);
  }
  int8_t codes[2] = {1, 2};
  qn_tensor ints = {.elem = QN_I8, .rank = 1, .shape = {2}, .data = codes};
  qn_observer *o = make(&e, "minmax", 1);
  assert_int_equal(feed_tensor(o, &ints, 0, 0), QN_ERR_INPUT);
  expect_said(&e, "elements are i8");
  /* Doubles at both ends of their range, in one grid. */
  qn_observer_destroy(o);
  o = make(&e, "kl", 1);
  double wide[] = {1.7e308, -1.7e308, 5e-324, -5e-324, 1};
  for (int i = 4; i >= 0; i--)
    assert_int_equal(feed_tensor(o, &(qn_tensor){.elem = QN_F64, .rank = 1, .shape = {1}, .data = &wide[i]}, 0, 0),
                     QN_OK);
  char *one_by_one = text_of(o);
  qn_observer_destroy(o);
  o = make(&e, "kl", 1);
  assert_int_equal(feed_tensor(o, &(qn_tensor){.elem = QN_F64, .rank = 1, .shape = {5}, .data = wide}, 0, 0), QN_OK);
  expect_text(o, one_by_one);
  free(one_by_one);
  qn_observer_destroy(o);
  env_close(&e);
}

/* ---- what is refused ---- */

static void not_finite(void **state) {
  (void)state;
  env e;
  env_open(&e);
  float x[2][600] = {{0}};
  qn_tensor t = {.elem = QN_F32, .rank = 2, .shape = {2, 600}, .data = x};
  for (int k = 0; k < NUM_KINDS; k++) {
    qn_observer *o = make(&e, all_kinds[k], 1);
    char *before = text_of(o);
    x[1][540] = strtof("nan", NULL);
    assert_int_equal(feed_tensor(o, &t, 0, 17), QN_ERR_INPUT);
    assert_int_equal(e.code, QN_DIAG_DATA);
    expect_said(&e, "observer 'key' saw NaN at element [1, 540] of its value in sample 17");
    x[1][540] = 0;
    x[0][3] = -HUGE_VALF;
    const int64_t samples[2] = {4, 9};
    qn_observation s = {
        .x = &t, .samples = samples, .num_samples = 2, .name = qn_str_of("key"), .place = qn_place_file("")};
    assert_int_equal(qn_observer_update(o, &s), QN_ERR_INPUT);
    expect_said(&e, "saw -infinity at element [0, 3] of its value in sample 4");
    x[0][3] = 0;
    x[1][0] = HUGE_VALF;
    assert_int_equal(qn_observer_update(o, &s), QN_ERR_INPUT);
    expect_said(&e, "saw +infinity at element [1, 0] of its value in sample 9");
    x[1][0] = 0;
    expect_text(o, before); /* nothing was added */
    free(before);
    qn_observer_destroy(o);
  }
  env_close(&e);
}

static void merge_refusals(void **state) {
  (void)state;
  env e;
  env_open(&e);
  qn_observer *kl = make(&e, "kl", 1), *kl4 = make(&e, "kl:4", 1), *mse = make(&e, "histogram-mse", 1),
              *two = make(&e, "kl", 2);
  assert_int_equal(qn_observer_merge(kl, mse, qn_place_file("t")), QN_ERR_INPUT);
  expect_said(&e, "kind kl:8 cannot take in one of kind histogram-mse:8");
  assert_int_equal(qn_observer_merge(kl, kl4, qn_place_file("t")), QN_ERR_INPUT);
  expect_said(&e, "kl:4");
  assert_int_equal(qn_observer_merge(kl, two, qn_place_file("t")), QN_ERR_INPUT);
  expect_said(&e, "1 channels cannot take in one of 2");
  qn_observer_destroy(kl);
  qn_observer_destroy(kl4);
  qn_observer_destroy(mse);
  qn_observer_destroy(two);
  qn_observer *a, *b;
  qn_str big = qn_str_of("1 minmax 1; 18446744073709551615 0.0 1.0");
  assert_int_equal(qn_observer_parse(e.ctx, big, qn_place_file("t"), &a), QN_OK);
  assert_int_equal(qn_observer_parse(e.ctx, big, qn_place_file("t"), &b), QN_OK);
  assert_int_equal(qn_observer_merge(a, b, qn_place_file("t")), QN_ERR_INPUT);
  expect_said(&e, "more values than can be counted");
  qn_observer_destroy(a);
  qn_observer_destroy(b);
  env_close(&e);
}

/* ---- any order, any shards ---- */

/* Values of very different sizes, of one sign or both, zeros and subnormals among them. */
static float some_value(uint64_t *seed, int shape) {
  double u = unit_random(seed);
  int e = (int)(next_random(seed) % 60) - 30;
  switch (shape) {
  case 0: return bell(seed);
  case 1: return u < 0.5 ? 0 : (float)u;
  case 2: return (float)ldexp(u - 0.5, e);
  case 3: return -(float)ldexp(u, e * 4);
  case 4: return 1000 + (float)u;
  default: return u < 0.3 ? -0.0f : (float)ldexp(u, -149 + (e & 7));
  }
}

enum { SAMPLES = 24, PER_SAMPLE = 40, SHARDS = 4 };

/* The samples of one shard, in an order and in pieces of its own. */
static qn_observer *shard(env *e, const char *kind, float x[SAMPLES][PER_SAMPLE], int which, int shards,
                          uint64_t *seed) {
  qn_observer *o = make(e, kind, 1);
  bool backwards = next_random(seed) & 1;
  for (int k = 0; k < SAMPLES; k++) {
    int i = backwards ? SAMPLES - 1 - k : k;
    if (i % shards != which) continue;
    for (size_t at = 0, n; at < PER_SAMPLE; at += n) {
      n = 1 + next_random(seed) % (PER_SAMPLE - at);
      feed(o, &x[i][at], n, i);
    }
  }
  return o;
}

static qn_observer *through_text(env *e, qn_observer *o) {
  char *text = text_of(o);
  qn_observer *back;
  if (qn_observer_parse(e->ctx, qn_str_of(text), qn_place_file("t"), &back)) fail_msg("%s\n%s", e->said, text);
  expect_text(back, text);
  free(text);
  qn_observer_destroy(o);
  return back;
}

static void shards_merge(void **state) {
  (void)state;
  env e;
  env_open(&e);
  uint64_t seed = 1;
  static float x[SAMPLES][PER_SAMPLE];
  for (int round = 0; round < 36; round++)
    for (int k = 0; k < NUM_KINDS; k++) {
      for (int i = 0; i < SAMPLES * PER_SAMPLE; i++) x[i / PER_SAMPLE][i % PER_SAMPLE] = some_value(&seed, round % 6);
      qn_observer *whole = shard(&e, all_kinds[k], x, 0, 1, &seed), *parts[SHARDS];
      for (int i = 0; i < SHARDS; i++) parts[i] = through_text(&e, shard(&e, all_kinds[k], x, i, SHARDS, &seed));
      for (int left = SHARDS; left > 1; left--) { /* a random tree of merges */
        int a = (int)(next_random(&seed) % (uint64_t)left), b = (a + 1) % left;
        assert_int_equal(qn_observer_merge(parts[a], parts[b], qn_place_file("t")), QN_OK);
        qn_observer_destroy(parts[b]);
        parts[b] = parts[left - 1];
        if (a == left - 1) parts[b] = parts[a];
      }
      char *text = text_of(whole);
      expect_text(parts[0], text);
      free(text);
      double lo, hi;
      assert_int_equal(qn_observer_range(whole, 0, qn_place_file("t"), &lo, &hi), QN_OK);
      assert_true(lo <= hi && isfinite(lo) && isfinite(hi));
      expect_range(parts[0], 0, lo, hi);
      qn_observer_destroy(whole);
      qn_observer_destroy(parts[0]);
    }
  env_close(&e);
}

/* The embedder's rounding mode and flushing change nothing. */
static void any_environment(void **state) {
  (void)state;
  static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  env e;
  env_open(&e);
  static float x[SAMPLES][PER_SAMPLE];
  for (int k = 0; k < NUM_KINDS; k++) {
    char *want = NULL;
    double lo = 0, hi = 0, low, high;
    for (int mode = 0; mode < 4; mode++) {
      uint64_t seed = 7;
      for (int i = 0; i < SAMPLES * PER_SAMPLE; i++) x[i / PER_SAMPLE][i % PER_SAMPLE] = some_value(&seed, i % 6);
      fesetround(modes[mode]);
      qn_observer *o = through_text(&e, shard(&e, all_kinds[k], x, 0, 1, &seed));
      assert_int_equal(qn_observer_range(o, 0, qn_place_file("t"), &low, &high), QN_OK);
      assert_int_equal(fegetround(), modes[mode]);
      fesetround(FE_TONEAREST);
      if (!want) want = text_of(o), lo = low, hi = high;
      expect_text(o, want);
      assert_true(low <= lo && low >= lo && high <= hi && high >= hi);
      qn_observer_destroy(o);
    }
    free(want);
  }
  env_close(&e);
}

/* ---- hostile text ---- */

/* Either it is refused with a message, or it is a state that can be used like any other. */
static void try_text(env *e, const char *text, size_t size) {
  qn_observer *o;
  char *exact = malloc(size ? size : 1);
  assert_non_null(exact);
  memcpy(exact, text, size);
  size_t before = e->errors;
  qn_status status = qn_observer_parse(e->ctx, (qn_str){exact, size}, qn_place_file("t"), &o);
  if (status) {
    assert_null(o);
    assert_true(e->errors > before);
  } else {
    double lo, hi;
    for (uint32_t c = 0; c < qn_observer_channels(o); c++)
      if (qn_observer_count(o, c)) {
        assert_int_equal(qn_observer_range(o, c, qn_place_file("t"), &lo, &hi), QN_OK);
        assert_true(lo <= hi && isfinite(lo) && isfinite(hi));
      }
    qn_observer_destroy(through_text(e, o));
  }
  free(exact);
}

static void hostile_text(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "1",
                                    "0 minmax 1; 0",
                                    "2 minmax 1; 0",
                                    "1 minmax 1",
                                    "1 minmax 0",
                                    "1 minmax 2; 0",
                                    "1 minmax 1; 1",
                                    "1 minmax 1; 1 2.0 1.0",
                                    "1 minmax 1; 1 nan 1.0",
                                    "1 minmax 1; 1 0.0 inf",
                                    "1 minmax 1; 0 ",
                                    "1 minmax 1; 00",
                                    "1 minmax 16777217; 0",
                                    "1 minmax 1; 99999999999999999999 0.0 1.0",
                                    "1 moving-average 1; 2 0.0 1.0",
                                    "1 moving-average 1; 2 0.0 1.0 5:0.0:1.0 5:0.0:1.0",
                                    "1 moving-average 1; 2 0.0 2.0 5:0.0:1.0",
                                    "1 kl 1; 2 0.0 1.0 0 -9 0 1 0*510 1",
                                    "1 kl 1; 2 0.0 1.0 0 -10 0 1 0*510 1",
                                    "1 kl 1; 2 0.0 1.0 0 -10 0 1 0*1023 2",
                                    "1 kl 1; 2 0.0 1.0 0 -10 0 2 0*1024",
                                    "1 kl 1; 3 0.0 1.0 0 -10 0 1 0*1023 1",
                                    "1 kl 1; 2 0.0 1.0 0 -10 0 1 0*18446744073709551615 1",
                                    "1 kl 1; 2 0.0 1.0 0 -10 0 1 18446744073709551615*2 1",
                                    "1 kl 100000; 2"};
  env e;
  env_open(&e);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    qn_observer *o;
    e.errors = 0;
    if (qn_observer_parse(e.ctx, qn_str_of(bad[i]), qn_place_file("t"), &o) == QN_OK) fail_msg("taken: %s", bad[i]);
    assert_null(o);
    assert_int_equal(e.errors, 1);
  }
  static const char *const good[] = {
      "1 minmax 2; 0; 3 -1.5 2.0e30", "1 moving-average:0.5 1; 5 -2.0 8.0 3:-2.0:1.0 7:0.0:8.0",
      "1 kl:4 1; 4 -1.0 1.0 1 -9 -512 1 0*1022 1*2", "1 histogram-mse 1; 2 0.0 1.0 0 -10 0 1 0*1023 1"};
  for (size_t g = 0; g < sizeof good / sizeof *good; g++) {
    char text[128];
    size_t n = strlen(good[g]);
    qn_observer *o;
    if (qn_observer_parse(e.ctx, qn_str_of(good[g]), qn_place_file("t"), &o)) fail_msg("%s: %s", good[g], e.said);
    expect_text(o, good[g]);
    qn_observer_destroy(o);
    for (size_t i = 0; i < n; i++) {
      try_text(&e, good[g], i);
      for (const char *c = "0159-*.:; e\x80"; *c; c++) {
        memcpy(text, good[g], n + 1);
        text[i] = *c;
        try_text(&e, text, n);
        memmove(text + i + 1, good[g] + i, n - i);
        try_text(&e, text, n + 1);
      }
    }
  }
  env_close(&e);
}

/* ---- memory running out anywhere ---- */

static qn_status everything(qn_context *ctx, const char *kind) {
  static const float x[] = {0, 1, -2, 3, 1e6f, 0.125f};
  qn_observer *o = NULL, *back = NULL;
  qn_tensor t = {.elem = QN_F32, .rank = 2, .shape = {3, 2}, .data = (void *)(uintptr_t)x};
  qn_str text;
  double lo, hi;
  qn_status status = qn_observer_create(ctx, qn_str_of(kind), 2, qn_place_file("t"), &o);
  for (int64_t i = 0; !status && i < 3; i++) status = feed_tensor(o, &t, 1, i);
  if (!status) status = qn_observer_text(o, &text);
  if (!status) status = qn_observer_parse(ctx, text, qn_place_file("t"), &back);
  if (!status) status = qn_observer_merge(o, back, qn_place_file("t"));
  if (!status) status = qn_observer_range(o, 1, qn_place_file("t"), &lo, &hi);
  qn_observer_destroy(o);
  qn_observer_destroy(back);
  return status;
}

static void memory_runs_out(void **state) {
  (void)state;
  for (int k = 0; k < NUM_KINDS; k++)
    for (size_t n = 0;; n++) {
      failing_alloc f;
      qn_allocator a = failing_init(&f, n);
      qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &a});
      if (ctx) {
        qn_status status = everything(ctx, all_kinds[k]);
        assert_int_equal(status, f.fired ? QN_ERR_NO_MEMORY : QN_OK);
        qn_context_destroy(ctx);
      }
      assert_true(failing_clean(&f));
      if (!f.fired) break;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(kinds),        cmocka_unit_test(texts),
                                     cmocka_unit_test(channels),     cmocka_unit_test(element_types),
                                     cmocka_unit_test(not_finite),   cmocka_unit_test(merge_refusals),
                                     cmocka_unit_test(shards_merge), cmocka_unit_test(any_environment),
                                     cmocka_unit_test(hostile_text), cmocka_unit_test(memory_runs_out)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
