/* qn_quantize: digits from float to int8 by every scheme, what is refused, and granularity measured on samples. */
#include "interp_test.h"
#include <quern/driver.h>
#include <quern/schemes.h>

typedef struct digits {
  ev e;
  qn_sample_set *calib, *test;
  qn_tensor label;
  int64_t count;
} digits;

static qn_module *load(digits *d) {
  qn_module *m = NULL;
  if (qn_load_model(d->e.ctx, QUERN_TEST_DATA "/digits.onnx", NULL, &m) != QN_OK) fail_msg("%s", d->e.said);
  return m;
}

static void open_digits(digits *d) {
  ev_open(&d->e);
  assert_int_equal(qn_samples_open(d->e.ctx, QUERN_TEST_DATA "/digits-calib.npz", &d->calib), QN_OK);
  assert_int_equal(qn_samples_open(d->e.ctx, QUERN_TEST_DATA "/digits-test.npz", &d->test), QN_OK);
  qn_module *m = load(d);
  assert_int_equal(qn_samples_count(d->test, m, qn_module_function(m, NULL), &d->count), QN_OK);
  assert_int_equal(qn_samples_array(d->test, "label", &d->label), QN_OK);
  assert_int_equal(d->count, 597);
  qn_module_destroy(m);
}

static void close_digits(digits *d) {
  qn_samples_close(d->calib);
  qn_samples_close(d->test);
  ev_close(&d->e);
}

/* The program's output for all test samples; freed by the caller. */
static qn_tensor classify(digits *d, qn_module *m) {
  qn_tensor in, out;
  qn_op func = qn_module_function(m, NULL);
  assert_int_equal(qn_samples_inputs(d->test, m, func, 0, d->count, &in), QN_OK);
  if (qn_evaluate(m, func, NULL, 1, &in, 1, &out) != QN_OK) fail_msg("%s", d->e.said);
  return out;
}

static double accuracy(const digits *d, const qn_tensor *logits) {
  int64_t right = 0, classes = logits->shape[1];
  for (int64_t i = 0; i < d->count; i++) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; c++)
      if (qn_tensor_get_f64(logits, i * classes + c) > qn_tensor_get_f64(logits, i * classes + best)) best = c;
    right += best == qn_tensor_get_i64(&d->label, i);
  }
  return 100.0 * (double)right / (double)d->count;
}

static int64_t count_kind(const qn_module *m, qn_op_kind kind) {
  int64_t n = 0;
  for (qn_op op = qn_block_first(m, qn_func_body(m, qn_module_function(m, NULL))); op.id; op = qn_op_next(m, op))
    n += qn_op_kind_of(m, op) == kind;
  return n;
}

static void same_bits(const qn_tensor *a, const qn_tensor *b) {
  assert_int_equal(qn_tensor_bytes(a), qn_tensor_bytes(b));
  assert_memory_equal(a->data, b->data, qn_tensor_bytes(a));
}

/* One scheme from float to kernels: at most one point is lost, and lowering changes no bit. */
static void check_scheme(digits *d, const qn_quantize_options *o, double exact) {
  qn_module *m = load(d);
  if (qn_quantize(m, d->calib, o) != QN_OK) fail_msg("%s: %s", o->scheme, d->e.said);
  int64_t products = count_kind(m, QN_OP_MATMUL) + count_kind(m, QN_OP_MATMUL_INTEGER);
  assert_int_equal(products + count_kind(m, QN_OP_BLOCK_MATMUL), 3);
  assert_int_equal(count_kind(m, QN_OP_DCAST), 0);
  qn_tensor folded = classify(d, m);
  double int8 = accuracy(d, &folded);
  if (int8 < exact - 1) fail_msg("%s: %.2f%%, the float model has %.2f%%", o->scheme, int8, exact);
  assert_int_equal(qn_lower(m, "generic"), QN_OK);
  qn_tensor lowered = classify(d, m);
  same_bits(&folded, &lowered);
  qn_tensor_free(d->e.ctx, &folded);
  qn_tensor_free(d->e.ctx, &lowered);
  qn_module_destroy(m);
}

static void test_schemes(void **unused) {
  (void)unused;
  digits d;
  open_digits(&d);
  qn_module *m = load(&d);
  qn_tensor logits = classify(&d, m);
  double exact = accuracy(&d, &logits);
  assert_true(exact > 90);
  size_t tried = 0;
  const qn_scheme *row;
  for (size_t i = 0; (row = qn_scheme_get(i)) != NULL; i++) {
    static const char *const granularities[] = {"auto", "tensor", "channel", "block=16"};
    for (size_t g = 0; row->kernel && g < 4; g++) {
      char name[16];
      snprintf(name, sizeof name, "%.*s", (int)strcspn(granularities[g], "="), granularities[g]);
      if (g && !strstr(row->granularity, name)) continue;
      const qn_quantize_options o = {.scheme = row->name, .granularity = granularities[g], .engine = "interp"};
      tried++;
      check_scheme(&d, &o, exact);
    }
  }
  assert_true(tried >= 36);
  qn_tensor_free(d.e.ctx, &logits);
  qn_module_destroy(m);
  close_digits(&d);
}

/* ---- what is refused ---- */

static void refuse(digits *d, bool samples, const qn_quantize_options *o, const char *part) {
  qn_module *m = load(d);
  assert_int_not_equal(qn_quantize(m, samples ? d->calib : NULL, o), QN_OK);
  ev_expect_said(&d->e, part);
  qn_module_destroy(m);
}

static void test_refused(void **unused) {
  (void)unused;
  digits d;
  open_digits(&d);
  const qn_scheme *row;
  for (size_t i = 0; (row = qn_scheme_get(i)) != NULL; i++)
    if (!row->kernel) refuse(&d, true, &(qn_quantize_options){.scheme = row->name}, row->doc);
  const struct {
    bool samples;
    qn_quantize_options o;
    const char *part;
  } cases[] = {
      {true, {.scheme = "w2a2"}, "there is no scheme 'w2a2'; there are w8a8, w8a8-dynamic"},
      {true, {.weights = "i4", .activations = "i16"}, "no scheme has weights i4, activations i16"},
      {true, {.weights = "i16"}, "no scheme has weights i16, activations u8"},
      {true, {.weights = "nf4", .granularity = "channel"}, "no scheme has weights nf4"},
      {true, {.scheme = "w4a8", .granularity = "channel"}, "no scheme has weights i4, activations i8"},
      {true, {.scheme = "w4a8", .granularity = "block=0"}, "with a size of 1 or more"},
      {true, {.scheme = "nf4a8", .activations = "u8"}, "no scheme has weights nf4, activations u8"},
      {true, {.granularity = "group=4"}, "no kernel reads scales of groups of columns"},
      {true, {.granularity = "block=32"}, "activations u8 and granularity block=32"},
      {true, {.scheme = "w8a8-dynamic", .granularity = "block=32"}, "granularity block=32"},
      {true,
       {.granularity = "row"},
       "granularity row; there are w8a8 (weights i8 per tensor, channel, activations u8)"},
      {true, {.min_sqnr = -3}, "min_sqnr is -3 dB"},
      {true, {.observer = "guess", .engine = "interp"}, "guess"},
      {false, {.scheme = "w8a8"}, "takes the ranges of activations from samples"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refuse(&d, cases[i].samples, &cases[i].o, cases[i].part);
  close_digits(&d);
}

/* Other spellings of the same: by types, and ui8 for u8. */
static void test_types(void **unused) {
  (void)unused;
  digits d;
  open_digits(&d);
  qn_module *m = load(&d);
  const qn_quantize_options o = {.weights = "i8", .activations = "ui8", .engine = "interp"};
  if (qn_quantize(m, d.calib, &o) != QN_OK) fail_msg("%s", d.e.said);
  assert_int_equal(count_kind(m, QN_OP_REQUANTIZE), 2);
  qn_module_destroy(m);
  close_digits(&d);
}

/* Weights alone name the scheme that has them. */
static void test_weights(void **unused) {
  (void)unused;
  digits d;
  open_digits(&d);
  static const char *const weights[] = {"i4", "ui4", "nf4", "mxfp4"};
  for (size_t i = 0; i < 4; i++) {
    qn_module *m = load(&d);
    const qn_quantize_options o = {.weights = weights[i], .granularity = "block=32", .engine = "interp"};
    if (qn_quantize(m, NULL, &o) != QN_OK) fail_msg("%s: %s", weights[i], d.e.said);
    assert_int_equal(count_kind(m, QN_OP_BLOCK_MATMUL), 3);
    qn_module_destroy(m);
  }
  close_digits(&d);
}

/* A program that was calibrated before needs no samples. */
static void test_calibrated_before(void **unused) {
  (void)unused;
  digits d;
  open_digits(&d);
  qn_module *m = load(&d);
  const qn_calibrate_options c = {.engine = "interp"};
  const qn_quantize_options o = {.engine = "interp"};
  if (qn_calibrate(m, d.calib, &c) != QN_OK) fail_msg("%s", d.e.said);
  if (qn_quantize(m, NULL, &o) != QN_OK) fail_msg("%s", d.e.said);
  assert_int_equal(count_kind(m, QN_OP_REQUANTIZE), 2);
  assert_int_equal(count_kind(m, QN_OP_OBSERVE), 0);
  qn_module_destroy(m);
  close_digits(&d);
}

/* ---- granularity, measured on samples ---- */

/* The second column's weight is small. Inputs decide: where the first two inputs, which only the large column reads,
 * are present, its output hides the other column's error; where they are 0, all that is left is error. */
static const char program[] = "func.func @main(%x: tensor<1x4xf32>) -> tensor<1x2xf32> {\n"
                              "  %w = arith.constant dense<[[100.0, 0.0], [-90.0, 0.0], [0.0, 0.31], [0.0, 0.23]]> "
                              ": tensor<4x2xf32>\n"
                              "  %0 = quern.matmul %x, %w : (tensor<1x4xf32>, tensor<4x2xf32>) -> tensor<1x2xf32>\n"
                              "  return %0 : tensor<1x2xf32>\n}\n";

typedef struct inputs {
  const float (*rows)[4];
  float row[4];
  int64_t asked;
} inputs;

static qn_status get_inputs(void *user, const qn_module *m, qn_op func, int64_t sample, qn_tensor *in) {
  inputs *s = user;
  (void)m, (void)func;
  memcpy(s->row, s->rows[sample], sizeof s->row);
  in[0] = (qn_tensor){.elem = QN_F32, .rank = 2, .shape = {1, 4}, .data = s->row};
  s->asked++;
  return QN_OK;
}

static void choose(const float (*rows)[4], int64_t count, const char *expected) {
  ev e;
  inputs in = {.rows = rows};
  ev_open(&e);
  qn_module *m = ev_parse(&e, program);
  qn_pass_manager_options options = {.check_inputs = {get_inputs, &in, rows ? count : 0}, .verify_each = true};
  if (!rows) options.check_inputs.get = NULL;
  qn_pass_manager *pm;
  assert_int_equal(qn_pass_manager_create(e.ctx, qn_str_of("choose-granularity"), &options, &pm), QN_OK);
  if (qn_pass_manager_run(pm, m) != QN_OK) fail_msg("%s", e.said);
  qn_pass_manager_destroy(pm);
  assert_int_equal(in.asked, rows ? (count < 32 ? count : 32) : 0);
  for (qn_op op = qn_block_first(m, qn_func_body(m, qn_module_function(m, NULL))); op.id; op = qn_op_next(m, op))
    if (qn_op_kind_of(m, op) == QN_OP_MATMUL) {
      qn_str have = qn_attr_as_string(m, qn_op_attr(m, op, "quern.granularity"));
      if (!qn_str_eq(have, qn_str_of(expected)))
        fail_msg("%.*s was chosen, expected %s", (int)have.size, have.data, expected);
    }
  qn_module_destroy(m);
  ev_close(&e);
}

static void test_measured(void **unused) {
  (void)unused;
  static const float present[][4] = {{1, 0.5f, 1, 1}, {-1, 1, 1, -1}, {1, 1, -1, 0.5f}};
  static const float absent[][4] = {{0, 0, 1, 1}, {0, 0, 0.75f, 0.5f}, {0, 0, 1, 0}};
  float many[100][4];
  for (int i = 0; i < 100; i++) memcpy(many[i], i % 2 ? present[0] : present[1], sizeof many[i]);
  choose(NULL, 0, "tensor");
  choose(present, 3, "tensor");
  choose(absent, 3, "channel");
  choose((const float(*)[4])many, 100, "tensor");
  /* NaN makes every candidate bad; the choice is still made. */
  static const float nan_row[][4] = {{NAN, 0, 1, 1}};
  choose(nan_row, 1, "tensor");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_schemes),           cmocka_unit_test(test_refused),
                                     cmocka_unit_test(test_weights),           cmocka_unit_test(test_types),
                                     cmocka_unit_test(test_calibrated_before), cmocka_unit_test(test_measured)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
