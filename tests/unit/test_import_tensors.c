/* Tensors of ONNX files: raw bytes, typed fields, other files; and what happens to large ones. */
#include "onnx_file.h"
#include "onnx_unit.h"
#include "temp_folder.h"
#include <quern/unstable/evaluator.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- one tensor ---- */

static qn_status read_tensor(onnx_unit *u, pb t, qn_tensor *out) {
  qn_status status = qn__onnx_tensor_file(u->ctx, "t.pb", t.data, t.size, out, NULL);
  pb_free(&t);
  return status;
}

static void put_varints(pb *t, unsigned field, size_t n, const int64_t *v) {
  pb packed = {0};
  for (size_t i = 0; i < n; i++) pb_varint(&packed, (uint64_t)v[i]);
  pb_msg(t, field, packed);
}

/* Typed fields: the field, ONNX's type, two entries as they are written, and the values they are. */
static void typed_fields_are_read(void **state) {
  (void)state;
  static const struct {
    int type;
    unsigned field;
    int64_t entries[2];
    double values[2];
    qn_scalar elem;
  } cases[] = {
      {ONNX_INT8, 5, {-128, 127}, {-128, 127}, QN_I8},
      {ONNX_UINT8, 5, {0, 255}, {0, 255}, QN_UI8},
      {ONNX_INT16, 5, {-300, 300}, {-300, 300}, QN_I16},
      {ONNX_UINT16, 5, {1, 65535}, {1, 65535}, QN_UI16},
      {ONNX_INT32, 5, {-70000, 7}, {-70000, 7}, QN_I32},
      {ONNX_BOOL, 5, {0, 1}, {0, 1}, QN_I1},
      {ONNX_FLOAT16, 5, {0x3C00, 0xC000}, {1, -2}, QN_F16},
      {16, 5, {0x3F80, 0xC000}, {1, -2}, QN_BF16},
      {17, 5, {0x38, 0xB8}, {1, -1}, QN_F8E4M3FN},
      {ONNX_INT64, 7, {-5000000000, 3}, {-5e9, 3}, QN_I64},
      {ONNX_UINT32, 11, {4000000000, 3}, {4e9, 3}, QN_UI32},
      {ONNX_UINT64, 11, {1, 1LL << 62}, {1, 4.611686018427388e18}, QN_UI64},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    qn_tensor t;
    unit_open(&u);
    pb p = onnx_tensor_head("t", cases[i].type, 1, (int64_t[]){2});
    put_varints(&p, cases[i].field, 2, cases[i].entries);
    assert_int_equal(read_tensor(&u, p, &t), QN_OK);
    assert_int_equal(t.elem, cases[i].elem);
    for (int k = 0; k < 2; k++) assert_true(qn_tensor_get_f64(&t, k) == cases[i].values[k]);
    qn_tensor_free(u.ctx, &t);
    unit_close(&u);
  }
}

static void floats_packed_or_not(void **state) {
  (void)state;
  const float v[3] = {1.5f, -2, 1e30f};
  const double d[2] = {1e300, -1};
  for (int packed = 0; packed < 2; packed++) {
    onnx_unit u;
    qn_tensor t;
    unit_open(&u);
    pb p = onnx_tensor_head("t", ONNX_FLOAT, 1, (int64_t[]){3});
    if (packed) pb_bytes(&p, 4, v, sizeof v);
    for (int i = 0; i < 3 && !packed; i++) pb_float(&p, 4, v[i]);
    assert_int_equal(read_tensor(&u, p, &t), QN_OK);
    for (int i = 0; i < 3; i++) assert_true(qn_tensor_get_f64(&t, i) == (double)v[i]);
    qn_tensor_free(u.ctx, &t);
    p = onnx_tensor_head("t", ONNX_DOUBLE, 1, (int64_t[]){2});
    pb_bytes(&p, 10, d, sizeof d);
    assert_int_equal(read_tensor(&u, p, &t), QN_OK);
    assert_true(qn_tensor_get_f64(&t, 0) == 1e300);
    qn_tensor_free(u.ctx, &t);
    unit_close(&u);
  }
}

/* Two elements a byte, low bits first, in bytes or in entries that hold a byte. */
static void four_bit_tensors(void **state) {
  (void)state;
  for (int raw = 0; raw < 2; raw++) {
    onnx_unit u;
    qn_tensor t;
    unit_open(&u);
    pb p = onnx_tensor_head("t", ONNX_INT4, 1, (int64_t[]){3});
    if (raw)
      pb_bytes(&p, 9, "\x7F\x08", 2);
    else
      put_varints(&p, 5, 2, (int64_t[]){0x7F, 8});
    assert_int_equal(read_tensor(&u, p, &t), QN_OK);
    assert_int_equal(qn_tensor_get_i64(&t, 0), -1);
    assert_int_equal(qn_tensor_get_i64(&t, 1), 7);
    assert_int_equal(qn_tensor_get_i64(&t, 2), -8);
    qn_tensor_free(u.ctx, &t);
    unit_close(&u);
  }
}

static void bools_are_zero_or_one(void **state) {
  (void)state;
  onnx_unit u;
  qn_tensor t;
  unit_open(&u);
  assert_int_equal(read_tensor(&u, onnx_tensor("t", ONNX_BOOL, 1, (int64_t[]){3}, "\0\1\xFF", 3), &t), QN_OK);
  assert_memory_equal(t.data, "\0\1\1", 3);
  qn_tensor_free(u.ctx, &t);
  unit_close(&u);
}

static void empty_and_scalar_tensors(void **state) {
  (void)state;
  onnx_unit u;
  qn_tensor t;
  unit_open(&u);
  assert_int_equal(read_tensor(&u, onnx_tensor_head("t", ONNX_FLOAT, 2, (int64_t[]){0, 3}), &t), QN_OK);
  assert_int_equal(qn_tensor_count(&t), 0);
  qn_tensor_free(u.ctx, &t);
  assert_int_equal(read_tensor(&u, onnx_tensor("t", ONNX_FLOAT, 0, NULL, "\0\0\x80\x3F", 4), &t), QN_OK);
  assert_true(t.rank == 0 && qn_tensor_get_f64(&t, 0) == 1);
  qn_tensor_free(u.ctx, &t);
  unit_close(&u);
}

static pb with_varints(int type, unsigned field, int64_t size, size_t n, const int64_t *v) {
  pb p = onnx_tensor_head("t", type, 1, &size);
  put_varints(&p, field, n, v);
  return p;
}

static pb with_both(void) {
  pb p = onnx_tensor("t", ONNX_INT8, 1, (int64_t[]){1}, "a", 1);
  put_varints(&p, 5, 1, (int64_t[]){1});
  return p;
}

static pb with_segment(void) {
  pb p = onnx_tensor("t", ONNX_INT8, 1, (int64_t[]){1}, "a", 1), s = {0};
  pb_int(&s, 1, 0);
  pb_msg(&p, 3, s);
  return p;
}

static pb without_type(void) {
  pb p = {0};
  pb_bytes(&p, 9, "abc", 3);
  return p;
}

static void bad_tensors_are_refused(void **state) {
  (void)state;
  const struct {
    pb tensor;
    qn_diag_code code;
    const char *word;
  } cases[] = {
      {onnx_tensor("t", ONNX_FLOAT, 1, (int64_t[]){3}, "abcd", 4), QN_DIAG_SHAPE, "has 4 bytes of data"},
      {onnx_tensor("t", ONNX_FLOAT, 1, (int64_t[]){-3}, "abcd", 4), QN_DIAG_SHAPE, "size -3"},
      {onnx_tensor("t", ONNX_STRING, 1, (int64_t[]){3}, "abc", 3), QN_DIAG_UNSUPPORTED, "STRING"},
      {onnx_tensor("t", 14, 1, (int64_t[]){1}, "abcdefgh", 8), QN_DIAG_UNSUPPORTED, "COMPLEX64"},
      {onnx_tensor("t", 77, 1, (int64_t[]){3}, "abc", 3), QN_DIAG_TYPE, "type 77"},
      {onnx_tensor("t", -1, 1, (int64_t[]){3}, "abc", 3), QN_DIAG_TYPE, "type -1"},
      {onnx_tensor("t", ONNX_INT8, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, "a", 1), QN_DIAG_LIMIT, "9 dimensions"},
      {onnx_tensor("t", ONNX_INT8, 2, (int64_t[]){1LL << 40, 1LL << 40}, "a", 1), QN_DIAG_LIMIT, "any memory"},
      {onnx_tensor("t", ONNX_DOUBLE, 1, (int64_t[]){INT64_MAX / 2}, "a", 1), QN_DIAG_LIMIT, "any memory"},
      {with_varints(ONNX_INT8, 5, 2, 2, (int64_t[]){1, 128}), QN_DIAG_OVERFLOW, "128 at index 1"},
      {with_varints(ONNX_UINT8, 5, 2, 2, (int64_t[]){-1, 1}), QN_DIAG_OVERFLOW, "-1 at index 0"},
      {with_varints(ONNX_BOOL, 5, 1, 1, (int64_t[]){2}), QN_DIAG_OVERFLOW, "2 at index 0"},
      {with_varints(ONNX_UINT32, 11, 1, 1, (int64_t[]){1LL << 32}), QN_DIAG_OVERFLOW, "4294967296"},
      {with_varints(ONNX_FLOAT16, 5, 1, 1, (int64_t[]){65536}), QN_DIAG_OVERFLOW, "65536"},
      {with_varints(ONNX_INT8, 5, 2, 3, (int64_t[]){1, 2, 3}), QN_DIAG_SHAPE, "3 entries in int32_data"},
      {with_varints(ONNX_INT8, 7, 1, 1, (int64_t[]){1}), QN_DIAG_FORMAT, "other fields than int32_data"},
      {with_both(), QN_DIAG_FORMAT, "more than one place"},
      {with_segment(), QN_DIAG_UNSUPPORTED, "segments"},
      {without_type(), QN_DIAG_FORMAT, "no data type"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    onnx_unit u;
    qn_tensor t;
    unit_open(&u);
    assert_int_not_equal(read_tensor(&u, cases[i].tensor, &t), QN_OK);
    assert_null(t.data);
    assert_int_equal(u.code, cases[i].code);
    if (!strstr(u.message, cases[i].word)) fail_msg("'%s' has no '%s'", u.message, cases[i].word);
    unit_close(&u);
  }
}

/* ---- large tensors live on without a copy ---- */

static void large_weights_outlive_the_file(void **state) {
  (void)state;
  enum { N = 5000 };
  onnx_unit u;
  static float v[N];
  for (int i = 0; i < N; i++) v[i] = (float)i;
  pb g = {0}, t = onnx_tensor_head("typed", ONNX_FLOAT, 1, (int64_t[]){N});
  pb_bytes(&t, 4, v, sizeof v);
  graph_init(&g, t);
  graph_floats(&g, "raw", 1, (int64_t[]){N}, v);
  graph_op(&g, "Add", "raw typed", "y");
  graph_result(&g, "y");
  unit_import(&u, onnx_model(g, 13), NULL); /* frees the bytes */
  for (unsigned k = 0; k < 2; k++) {
    qn_attr a = qn_op_attr(u.m, unit_op(&u, QN_OP_CONSTANT, k), "value");
    assert_true(qn_attr_dense_f64(u.m, a, N - 1) == N - 1);
  }
  /* A clone shares them. */
  qn_module *clone = qn_module_clone(u.m);
  qn_module_destroy(u.m);
  u.m = clone;
  assert_true(qn_attr_dense_f64(u.m, qn_op_attr(u.m, unit_op(&u, QN_OP_CONSTANT, 1), "value"), 7) == 7);
  unit_close(&u);
}

/* ---- other files ---- */

static pb external(const char *location, const char *offset, const char *length) {
  const char *const pairs[3][2] = {{"location", location}, {"offset", offset}, {"length", length}};
  pb t = onnx_tensor_head("w", ONNX_FLOAT, 1, (int64_t[]){3});
  for (int i = 0; i < 3; i++) {
    pb e = {0};
    if (!pairs[i][1]) continue;
    pb_str(&e, 1, pairs[i][0]);
    pb_str(&e, 2, pairs[i][1]);
    pb_msg(&t, 13, e);
  }
  pb_int(&t, 14, 1);
  return t;
}

static pb external_model(const char *location, const char *offset, const char *length) {
  pb g = {0};
  graph_init(&g, external(location, offset, length));
  graph_op(&g, "Relu", "w", "y");
  graph_result(&g, "y");
  return onnx_model(g, 13);
}

static void write_file(const char *folder, const char *name, const void *data, size_t size) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(data, 1, size, f), size);
  fclose(f);
}

static qn_status import_from(onnx_unit *u, const char *folder, pb model) {
  char path[256];
  write_file(folder, "model.onnx", model.data, model.size);
  pb_free(&model);
  snprintf(path, sizeof path, "%s/model.onnx", folder);
  return qn_import_onnx(u->ctx, path, NULL, &u->m);
}

static void data_beside_the_model_is_mapped(void **state) {
  (void)state;
  const float v[5] = {1, 2, 3, 4, 5};
  char folder[64], sub[80];
  assert_true(make_temp_folder("onnx", folder, sizeof folder));
  snprintf(sub, sizeof sub, "%s/sub", folder);
  assert_int_equal(mkdir(sub, 0700), 0);
  write_file(folder, "w.bin", v, sizeof v);
  write_file(sub, "w.bin", v, sizeof v);
  static const struct {
    const char *location, *offset, *length;
    double first;
  } good[] = {
      {"w.bin", "8", NULL, 3}, {"w.bin", "4", "12", 2}, {"sub/w.bin", NULL, "12", 1}, {"./w.bin", "0", "12", 1}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    onnx_unit u;
    unit_open(&u);
    assert_int_equal(import_from(&u, folder, external_model(good[i].location, good[i].offset, good[i].length)), QN_OK);
    assert_true(qn_attr_dense_f64(u.m, qn_op_attr(u.m, unit_op(&u, QN_OP_CONSTANT, 0), "value"), 0) == good[i].first);
    unit_close(&u);
  }
  static const struct {
    const char *location, *offset, *length;
    qn_diag_code code;
    const char *word;
  } bad[] = {
      {"w.bin", "12", "12", QN_DIAG_FORMAT, "has 20 bytes"},
      {"w.bin", "99", NULL, QN_DIAG_FORMAT, "has 20 bytes"},
      {"w.bin", "0", "8", QN_DIAG_SHAPE, "has 8 bytes of data"},
      {"w.bin", "-1", "12", QN_DIAG_FORMAT, "'-1'"},
      {"w.bin", "0", "99999999999999999999999", QN_DIAG_FORMAT, "decimal"},
      {"w.bin", "18446744073709551615", "12", QN_DIAG_FORMAT, "has 20 bytes"},
      {"none.bin", NULL, NULL, QN_DIAG_MISSING, "none.bin"},
      {"sub", NULL, NULL, QN_DIAG_IO, "no regular file"},
      {"../w.bin", NULL, NULL, QN_DIAG_DATA, "'..'"},
      {"sub/../../w.bin", NULL, NULL, QN_DIAG_DATA, "'..'"},
      {"/etc/hostname", NULL, NULL, QN_DIAG_DATA, "absolute"},
      {"", NULL, NULL, QN_DIAG_DATA, "empty"},
      {NULL, NULL, NULL, QN_DIAG_FORMAT, "no location"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    onnx_unit u;
    unit_open(&u);
    assert_int_not_equal(import_from(&u, folder, external_model(bad[i].location, bad[i].offset, bad[i].length)), QN_OK);
    assert_int_equal(u.code, bad[i].code);
    if (!strstr(u.message, bad[i].word)) fail_msg("'%s' has no '%s'", u.message, bad[i].word);
    unit_close(&u);
  }
  static const char *const files[] = {"sub/w.bin", "w.bin", "model.onnx", "sub", ""};
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, files[i]);
    remove(path);
  }
}

static void memory_has_no_folder(void **state) {
  (void)state;
  onnx_unit u;
  unit_open(&u);
  assert_int_equal(unit_try(&u, external_model("w.bin", NULL, NULL), NULL), QN_ERR_UNSUPPORTED);
  assert_string_equal(u.place, "test.onnx|tensor 'w'");
  unit_close(&u);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(typed_fields_are_read),
      cmocka_unit_test(floats_packed_or_not),
      cmocka_unit_test(four_bit_tensors),
      cmocka_unit_test(bools_are_zero_or_one),
      cmocka_unit_test(empty_and_scalar_tensors),
      cmocka_unit_test(bad_tensors_are_refused),
      cmocka_unit_test(large_weights_outlive_the_file),
      cmocka_unit_test(data_beside_the_model_is_mapped),
      cmocka_unit_test(memory_has_no_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
