/* Reading and writing .npy. */
#include "store_test.h"

/* An NPY array of version `major`: header text as given, padded as NumPy pads it, then the data. */
static void build(bytes *b, int major, const char *header, const void *data, size_t size) {
  b->size = 0;
  size_t prefix = major == 1 ? 10 : 12, length = strlen(header) + 1;
  length += 63 - (prefix + length + 63) % 64;
  uint8_t start[12] = {0x93, 'N', 'U', 'M', 'P', 'Y', (uint8_t)major, 0, (uint8_t)length, (uint8_t)(length >> 8)};
  put(b, start, prefix);
  put(b, header, strlen(header));
  while ((b->size + 1) % 64) put(b, " ", 1);
  put(b, "\n", 1);
  put(b, data, size);
}

static bytes file;

static qn_status open_built(qn_store **store) {
  return qn_store_open_memory(ctx, "x.npy", file.data, file.size, store);
}

static void test_types(void **state) {
  (void)state;
  static const struct {
    const char *descr;
    qn_scalar elem;
    uint8_t data[8];
    size_t size;
    double value;
  } rows[] = {
      {"<f8", QN_F64, {0, 0, 0, 0, 0, 0, 0xF8, 0x3F}, 8, 1.5},
      {">f8", QN_F64, {0x3F, 0xF8}, 8, 1.5},
      {"<f4", QN_F32, {0, 0, 0xC0, 0xBF}, 4, -1.5},
      {">f4", QN_F32, {0xBF, 0xC0, 0, 0}, 4, -1.5},
      {"=f4", QN_F32, {0, 0, 0xC0, 0xBF}, 4, -1.5},
      {"<f2", QN_F16, {0, 0x3E}, 2, 1.5},
      {">f2", QN_F16, {0x3E, 0}, 2, 1.5},
      {"<V2", QN_BF16, {0xC0, 0x3F}, 2, 1.5},
      {"|V2", QN_BF16, {0xC0, 0x3F}, 2, 1.5},
      {"|b1", QN_I1, {1}, 1, 1},
      {"?", QN_I1, {0}, 1, 0},
      {"|i1", QN_I8, {0xFE}, 1, -2},
      {"<i1", QN_I8, {0xFE}, 1, -2},
      {"|u1", QN_UI8, {0xFE}, 1, 254},
      {"<i2", QN_I16, {0xFE, 0xFF}, 2, -2},
      {">i2", QN_I16, {0xFF, 0xFE}, 2, -2},
      {"<u2", QN_UI16, {0xFE, 0xFF}, 2, 65534},
      {">u2", QN_UI16, {0xFF, 0xFE}, 2, 65534},
      {"<i4", QN_I32, {0xFE, 0xFF, 0xFF, 0xFF}, 4, -2},
      {">i4", QN_I32, {0xFF, 0xFF, 0xFF, 0xFE}, 4, -2},
      {"<u4", QN_UI32, {0xFE, 0xFF, 0xFF, 0xFF}, 4, 4294967294.0},
      {"<i8", QN_I64, {2, 1}, 8, 258},
      {">i8", QN_I64, {0, 0, 0, 0, 0, 0, 1, 2}, 8, 258},
      {"<u8", QN_UI64, {2, 1}, 8, 258},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    for (int major = 1; major <= 3; major++) {
      char header[128];
      snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (), }", rows[i].descr);
      build(&file, major, header, rows[i].data, rows[i].size);
      qn_store *store;
      qn_tensor t;
      assert_int_equal(open_built(&store), QN_OK);
      assert_int_equal(qn_store_count(store), 1);
      assert_string_equal(qn_store_name(store, 0).data, "x");
      assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
      assert_int_equal(t.elem, rows[i].elem);
      assert_int_equal(t.rank, 0);
      assert_true(qn_tensor_get_f64(&t, 0) == rows[i].value);
      qn_store_close(store);
    }
  assert_int_equal(errors, 0);
}

static void test_orders(void **state) {
  (void)state;
  int16_t fortran[24];
  for (int k = 0; k < 4; k++)
    for (int j = 0; j < 3; j++)
      for (int i = 0; i < 2; i++) fortran[i + 2 * j + 6 * k] = (int16_t)(i * 12 + j * 4 + k);
  build(&file, 1, "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3, 4), }", fortran, sizeof fortran);
  qn_store *store;
  qn_tensor t;
  assert_int_equal(open_built(&store), QN_OK);
  for (int round = 0; round < 2; round++) {
    assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
    assert_int_equal(t.shape[2], 4);
    for (int i = 0; i < 24; i++) assert_int_equal(((int16_t *)t.data)[i], i);
    qn_store_drop(store, 0);
    assert_int_equal(qn_store_info(store, 0, &t), QN_OK);
    assert_null(t.data);
  }
  qn_store_close(store);
  for (int i = 0; i < 24; i++) fortran[i] = (int16_t)((fortran[i] << 8) | ((fortran[i] >> 8) & 255));
  build(&file, 2, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3, 4), }", fortran, sizeof fortran);
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
  for (int i = 0; i < 24; i++) assert_int_equal(((int16_t *)t.data)[i], i);
  qn_store_close(store);
  /* One long dimension: both orders are the same, so the file itself is the tensor. */
  int32_t line[3] = {7, 8, 9};
  build(&file, 1, "{'descr': '<i4', 'fortran_order': True, 'shape': (1, 3, 1), }", line, sizeof line);
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
  assert_true((uint8_t *)t.data >= file.data && (uint8_t *)t.data < file.data + file.size);
  assert_int_equal(((int32_t *)t.data)[2], 9);
  qn_store_close(store);
}

static void test_spelling(void **state) {
  (void)state;
  static const char *const good[] = {
      "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }",
      "{'descr': '<i2', 'fortran_order': False, 'shape': (2,)}",
      "{\"shape\":(2L,),\"fortran_order\":False,\"descr\":\"<i2\"}",
      "  { 'shape' : ( 2 , 1 ) , 'descr' : '<i2' , 'fortran_order' : True , }  ",
      "{'descr': '<i2', 'fortran_order': False, 'shape': (2)}",
  };
  static const struct {
    const char *header;
    qn_diag_code code;
  } bad[] = {
      {"", QN_DIAG_FORMAT},
      {"{", QN_DIAG_FORMAT},
      {"{}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'shape': (2,)}", QN_DIAG_FORMAT},
      {"{'fortran_order': False, 'shape': (2,)}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'descr': '<i2', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (2,), 'more': 1}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (2,)} x", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': Maybe, 'shape': (2,)}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (-2,)}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': 2}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (2", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (2 2)}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (,)}", QN_DIAG_FORMAT},
      {"{'descr': '<i2, 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': '<i2\\x00', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_FORMAT},
      {"{'descr': '', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_FORMAT},
      {"{'descr': 2, 'fortran_order': False, 'shape': (2,)}", QN_DIAG_FORMAT},
      {"{'descr': '<', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (99999999999999999999,)}", QN_DIAG_FORMAT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", QN_DIAG_LIMIT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (9223372036854775807,)}", QN_DIAG_LIMIT},
      {"{'descr': '<i2', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2)}", QN_DIAG_LIMIT},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': '<U4', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': '|V1', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': '<f16', 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
      {"{'descr': ('<f4', (2,)), 'fortran_order': False, 'shape': (2,)}", QN_DIAG_UNSUPPORTED},
  };
  const int16_t data[2] = {1, -1};
  qn_store *store;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    build(&file, 1, good[i], data, sizeof data);
    assert_int_equal(open_built(&store), QN_OK);
    qn_tensor t;
    assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
    assert_int_equal(qn_tensor_get_i64(&t, 1), -1);
    qn_store_close(store);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    build(&file, 1, bad[i].header, data, sizeof data);
    size_t before = errors;
    assert_int_not_equal(open_built(&store), QN_OK);
    assert_null(store);
    assert_int_equal(errors, before + 1);
    assert_int_equal(last_code, bad[i].code);
    assert_string_equal(last_file, "x.npy");
  }
}

static void test_pickle_refused(void **state) {
  (void)state;
  build(&file, 1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "\x80\x04.", 3);
  qn_store *store;
  assert_int_equal(open_built(&store), QN_ERR_UNSUPPORTED);
  assert_non_null(strstr(last, "pickled data is never read"));
}

static void test_sizes(void **state) {
  (void)state;
  static const char header[] = "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 0), }";
  qn_store *store;
  qn_tensor t;
  build(&file, 1, header, "", 0);
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
  assert_int_equal(qn_tensor_count(&t), 0);
  qn_store_close(store);
  build(&file, 1, header, "x", 1);
  assert_int_equal(open_built(&store), QN_ERR_INPUT);
  assert_non_null(strstr(last, "several arrays"));
  build(&file, 1, "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }", "xyz", 3);
  assert_int_equal(open_built(&store), QN_ERR_INPUT);
  assert_non_null(strstr(last, "asks for 4 bytes of data, but 3"));
  build(&file, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", "\1\2", 2);
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_DATA);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_ERR_INPUT);
  assert_int_equal(qn_store_tensor(store, 1, &t), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_MISSING);
  qn_store_close(store);
  build(&file, 1, header, "", 0);
  file.data[6] = 4;
  assert_int_equal(open_built(&store), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_VERSION);
  build(&file, 2, header, "", 0);
  file.data[11] = 0x7F; /* a header of two gigabytes */
  assert_int_equal(open_built(&store), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_LIMIT);
}

static void test_write(void **state) {
  (void)state;
  float values[6] = {0, 1.5f, -2, 3.25f, 1e30f, -0.0f};
  static const struct {
    uint32_t rank;
    int64_t shape[3];
    const char *text;
  } rows[] = {{0, {0}, "'shape': ()"},
              {1, {6}, "'shape': (6,)"},
              {2, {2, 3}, "'shape': (2, 3)"},
              {3, {1, 0, 6}, "'shape': (1, 0, 6)"}};
  for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
    qn_tensor t = {.elem = QN_F32, .rank = rows[r].rank, .data = values};
    memcpy(t.shape, rows[r].shape, sizeof rows[r].shape);
    assert_int_equal(qn_npy_write(ctx, at("w.npy"), &t), QN_OK);
    read_bytes(at("w.npy"), &file);
    assert_int_equal(file.data[6], 1);
    assert_int_equal((file.size - qn_tensor_bytes(&t)) % 64, 0);
    assert_int_equal(file.data[file.size - qn_tensor_bytes(&t) - 1], '\n');
    file.data[127] = 0;
    assert_non_null(strstr((char *)file.data + 10, rows[r].text));
    qn_store *store;
    qn_tensor got;
    assert_int_equal(qn_npy_read(ctx, at("w.npy"), &store, &got), QN_OK);
    assert_int_equal(got.rank, t.rank);
    assert_memory_equal(got.shape, t.shape, t.rank * sizeof t.shape[0]);
    assert_memory_equal(got.data, values, qn_tensor_bytes(&t));
    qn_store_close(store);
  }
  assert_int_equal(errors, 0);
}

/* Every element type: what is read back is equal in value, and in type where NPY has it. */
static void test_write_all_types(void **state) {
  (void)state;
  for (int s = 1; s < QN_SCALAR_COUNT; s++) {
    uint8_t data[2500 * 8];
    const qn_scalar_info *info = qn_scalar_get((qn_scalar)s);
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(s == QN_I1 ? i & 1 : i * 37 >> 2);
    qn_tensor t = {.elem = (qn_scalar)s, .rank = 1, .shape = {2497}, .data = data}, got;
    assert_int_equal(qn_npy_write(ctx, at("w.npy"), &t), QN_OK);
    qn_store *store;
    assert_int_equal(qn_npy_read(ctx, at("w.npy"), &store, &got), QN_OK);
    assert_int_equal(got.shape[0], 2497);
    if (info->numpy) {
      assert_int_equal(qn_scalar_get(got.elem)->bits, info->bits);
      assert_memory_equal(got.data, data, qn_tensor_bytes(&t));
    } else {
      assert_int_equal(qn_scalar_is_float(got.elem), qn_scalar_is_float(t.elem));
      for (int64_t i = 0; i < 2497; i++) {
        double want = qn_tensor_get_f64(&t, i), have = qn_tensor_get_f64(&got, i);
        assert_true(want == have || (want != want && have != have));
      }
    }
    qn_store_close(store);
  }
  assert_int_equal(errors, 0);
}

static void test_mutations(void **state) {
  (void)state;
  uint8_t data[24];
  memset(data, 1, sizeof data);
  build(&file, 1, "{'descr': '<i2', 'fortran_order': True, 'shape': (3, 4), }", data, sizeof data);
  mutate(&file);
  build(&file, 3, "{'descr': '>f4', 'fortran_order': False, 'shape': (3, 2), }", data, sizeof data);
  mutate(&file);
}

static void test_exhausted(void **state) {
  (void)state;
  static const int32_t data[6] = {0};
  build(&file, 1, "{'descr': '>i4', 'fortran_order': True, 'shape': (3, 2), }", data, sizeof data);
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, n);
    qn_context *c = qn_context_create(&(qn_context_options){.allocator = &a});
    if (c) {
      qn_status status = read_everything(c, file.data, file.size);
      assert_true(status == QN_OK || (f.fired && status == QN_ERR_NO_MEMORY));
      qn_tensor t = {.elem = QN_UI4, .rank = 1, .shape = {6}, .data = (void *)(uintptr_t)data};
      status = qn_npy_write(c, at("w.npy"), &t);
      assert_true(status == QN_OK || (f.fired && status == QN_ERR_NO_MEMORY));
      qn_context_destroy(c);
    }
    assert_true(failing_clean(&f));
    if (!f.fired) break;
    assert_int_equal(count_files(true), access(at("w.npy"), F_OK) == 0 ? 1 : 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_types), T(test_orders),          T(test_spelling),  T(test_pickle_refused), T(test_sizes),
      T(test_write), T(test_write_all_types), T(test_mutations), T(test_exhausted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
