/* Sample sets: which array serves which input, views of some samples, and what is said where something does not fit. */
#include "driver_test.h"

static const char program[] = "func.func @f(%x: tensor<?x3xf32>, %mask: tensor<?xi8>) -> tensor<?x3xf32> {\n"
                              "  return %x : tensor<?x3xf32>\n}\n";
static const float x[4][3] = {{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {9, 10, 11}};
static const int8_t mask[5] = {1, 2, 3, 4, 5};
static const array good[] = {{"mask", QN_I8, 1, {4}, mask}, {"label", QN_I64, 1, {2}, x}, {"x", QN_F32, 2, {4, 3}, x}};

static void views(void **state) {
  (void)state;
  static const qn_store_format formats[] = {QN_STORE_NPZ, QN_STORE_NPZ_DEFLATED, QN_STORE_SAFETENSORS};
  qn_module *m = parse(program);
  qn_op f = qn_module_function(m, NULL);
  for (int k = 0; k < 3; k++) {
    qn_sample_set *s = samples_of("data", formats[k], 3, good);
    int64_t count;
    qn_tensor in[2], t;
    assert_int_equal(qn_samples_count(s, m, f, &count), QN_OK);
    assert_int_equal(count, 4);
    for (int64_t first = 0; first < 4; first++)
      for (int64_t n = 0; n <= 4 - first; n++) {
        assert_int_equal(qn_samples_inputs(s, m, f, first, n, in), QN_OK);
        assert_int_equal(in[0].rank, 2);
        assert_int_equal(in[0].shape[0], n);
        assert_int_equal(in[0].shape[1], 3);
        assert_int_equal(in[1].rank, 1);
        assert_int_equal(in[1].shape[0], n);
        assert_memory_equal(in[0].data, x[first], (size_t)n * sizeof x[0]);
        assert_memory_equal(in[1].data, mask + first, (size_t)n);
      }
    assert_int_equal(qn_samples_inputs(s, m, f, 2, 3, in), QN_ERR_INPUT);
    expect_said("3 samples from 2 on are asked for; there are 4");
    assert_int_equal(qn_samples_inputs(s, m, f, -1, 1, in), QN_ERR_INPUT);
    assert_int_equal(qn_samples_array(s, "label", &t), QN_OK);
    assert_int_equal(t.shape[0], 2);
    assert_int_not_equal(qn_samples_array(s, "labels", &t), QN_OK);
    expect_said("no array is named 'labels'; the file has 'mask', 'label', 'x'");
    qn_samples_close(s);
  }
  qn_module_destroy(m);
}

static void misfits(void **state) {
  (void)state;
  static const struct {
    array x, mask;
    const char *message;
  } cases[] = {
      {{"y", QN_F32, 2, {4, 3}, x},
       {"mask", QN_I8, 1, {4}, mask},
       "no array is named 'x', an input of the program; the file has 'y', 'mask'"},
      {{"x", QN_F64, 2, {1, 3}, x},
       {"mask", QN_I8, 1, {4}, mask},
       "array 'x': the array is f64[1, 3]; input 'x' is tensor<?x3xf32>, so its elements have to be converted first"},
      {{"x", QN_F32, 2, {4, 2}, x},
       {"mask", QN_I8, 1, {4}, mask},
       "array 'x': the array is f32[4, 2]; input 'x' is tensor<?x3xf32>, so sizes after the first axis"},
      {{"x", QN_F32, 1, {4}, x}, {"mask", QN_I8, 1, {4}, mask}, "the array is f32[4]; input 'x'"},
      {{"x", QN_F32, 0, {0}, x}, {"mask", QN_I8, 1, {4}, mask}, "the array is f32[]; input 'x'"},
      {{"x", QN_F32, 2, {4, 3}, x},
       {"mask", QN_UI8, 1, {4}, mask},
       "array 'mask': the array is ui8[4]; input 'mask' is tensor<?xi8>, so its elements"},
      {{"x", QN_F32, 2, {4, 3}, x},
       {"mask", QN_I8, 1, {5}, mask},
       "array 'mask': the array has 5 samples, that of the inputs before it 4"}};
  qn_module *m = parse(program);
  qn_op f = qn_module_function(m, NULL);
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    array a[2] = {cases[k].x, cases[k].mask};
    qn_sample_set *s = samples_of("data", QN_STORE_NPZ, 2, a);
    int64_t count;
    qn_tensor in[2];
    assert_int_not_equal(qn_samples_count(s, m, f, &count), QN_OK);
    expect_said(cases[k].message);
    assert_int_not_equal(qn_samples_inputs(s, m, f, 0, 1, in), QN_OK);
    expect_said(cases[k].message);
    qn_samples_close(s);
  }
  qn_module_destroy(m);
  qn_sample_set *s;
  assert_int_not_equal(qn_samples_open(ctx, at("nowhere.npz"), &s), QN_OK);
  assert_null(s);
  m = parse("func.func @f() -> tensor<f32> {\n  %c = arith.constant dense<1.0> : tensor<f32>\n  return %c : "
            "tensor<f32>\n}\n");
  s = samples_of("data", QN_STORE_NPZ, 3, good);
  int64_t count;
  assert_int_not_equal(qn_samples_count(s, m, qn_module_function(m, NULL), &count), QN_OK);
  expect_said("no inputs");
  qn_samples_close(s);
  qn_module_destroy(m);
}

/* A fixed first dimension takes that many; an input without an axis for samples takes one. */
static void batches(void **state) {
  (void)state;
  qn_module *fixed =
      parse("func.func @f(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {\n  return %x : tensor<2x3xf32>\n}\n");
  qn_module *single = parse("func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {\n  return %x : tensor<3xf32>\n}\n");
  qn_module *both = parse("func.func @f(%x: tensor<2x3xf32>, %mask: tensor<4xi8>) -> tensor<2x3xf32> {\n  return %x : "
                          "tensor<2x3xf32>\n}\n");
  qn_op f = qn_module_function(fixed, NULL), g = qn_module_function(single, NULL);
  qn_sample_set *s = samples_of("data", QN_STORE_NPZ, 3, good);
  qn_tensor in[2];
  assert_int_equal(qn_samples_inputs(s, fixed, f, 1, 2, in), QN_OK);
  assert_memory_equal(in[0].data, x[1], 2 * sizeof x[0]);
  assert_int_not_equal(qn_samples_inputs(s, fixed, f, 0, 4, in), QN_OK);
  expect_said("4 samples are asked for; the program takes 2 at a time");
  assert_int_equal(qn_samples_inputs(s, single, g, 3, 1, in), QN_OK);
  assert_int_equal(in[0].rank, 1);
  assert_int_equal(in[0].shape[0], 3);
  assert_memory_equal(in[0].data, x[3], sizeof x[0]);
  assert_int_not_equal(qn_samples_inputs(s, single, g, 0, 2, in), QN_OK);
  int64_t count;
  assert_int_not_equal(qn_samples_count(s, both, qn_module_function(both, NULL), &count), QN_OK);
  expect_said("inputs 0 and 1 take 2 and 4 samples at a time");
  qn_samples_close(s);
  qn_module_destroy(fixed);
  qn_module_destroy(single);
  qn_module_destroy(both);
}

/* The array of an .npy file has no name of its own. */
static void npy(void **state) {
  (void)state;
  qn_module *one =
      parse("func.func @f(%input: tensor<?x3xf32>) -> tensor<?x3xf32> {\n  return %input : tensor<?x3xf32>\n}\n");
  qn_module *two = parse(program);
  qn_sample_set *s = samples_of("some.npy", QN_STORE_NPY, 1, (const array[]){{"some", QN_F32, 2, {4, 3}, x}});
  qn_tensor in[2];
  assert_int_equal(qn_samples_inputs(s, one, qn_module_function(one, NULL), 2, 2, in), QN_OK);
  assert_memory_equal(in[0].data, x[2], 2 * sizeof x[0]);
  assert_int_not_equal(qn_samples_inputs(s, two, qn_module_function(two, NULL), 2, 2, in), QN_OK);
  expect_said("no array is named 'x', an input of the program; the file has 'some'");
  qn_samples_close(s);
  qn_module_destroy(one);
  qn_module_destroy(two);
}

/* Samples that begin within a byte. */
static void small_elements(void **state) {
  (void)state;
  qn_module *m = parse("func.func @f(%x: tensor<?x3xui4>) -> tensor<?x3xui4> {\n  return %x : tensor<?x3xui4>\n}\n");
  static const uint8_t packed[] = {0x21, 0x43, 0x65, 0x87, 0x09}; /* 1 2 3 | 4 5 6 | 7 8 9 */
  qn_sample_set *s =
      samples_of("data.safetensors", QN_STORE_SAFETENSORS, 1, (const array[]){{"x", QN_UI4, 2, {3, 3}, packed}});
  qn_tensor in[1];
  for (int64_t first = 0; first < 3; first++)
    for (int64_t n = 1; n <= 3 - first; n++) {
      assert_int_equal(qn_samples_inputs(s, m, qn_module_function(m, NULL), first, n, in), QN_OK);
      for (int64_t i = 0; i < n * 3; i++) assert_int_equal(qn_tensor_get_i64(&in[0], i), first * 3 + i + 1);
    }
  qn_samples_close(s);
  qn_module_destroy(m);
}

int main(void) {
  const struct CMUnitTest tests[] = {T(views), T(misfits), T(batches), T(npy), T(small_elements)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
