/* Reading and writing .npz; what hostile archives do. */
#include "store_test.h"
#include <zip.h>

static bytes file;

/* An archive of entries as they are given, built by libzip itself. */
typedef struct entry {
  const char *name;
  const void *data;
  size_t size;
  int method;
} entry;

static void build(const entry *entries, size_t n) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *archive = zip_source_buffer_create(NULL, 0, 0, &error);
  zip_source_keep(archive);
  zip_t *zip = zip_open_from_source(archive, ZIP_CREATE | ZIP_TRUNCATE, &error);
  assert_non_null(zip);
  for (size_t i = 0; i < n; i++) {
    zip_source_t *s = zip_source_buffer(zip, entries[i].data, entries[i].size, 0);
    zip_int64_t at_index = zip_file_add(zip, entries[i].name, s, 0);
    assert_true(at_index >= 0);
    zip_set_file_compression(zip, (zip_uint64_t)at_index, entries[i].method, 0);
  }
  assert_int_equal(zip_close(zip), 0);
  assert_int_equal(zip_source_open(archive), 0);
  zip_int64_t got = zip_source_read(archive, file.data, sizeof file.data);
  assert_true(got > 0);
  file.size = (size_t)got;
  zip_source_close(archive);
  zip_source_free(archive);
  zip_error_fini(&error);
}

/* A one-dimensional array with `count` in its shape and `size` bytes of data. */
static size_t npy(uint8_t *out, const char *descr, long long count, size_t size) {
  memset(out, ' ', 128);
  memcpy(out, "\x93NUMPY\1\0\x76\0", 10);
  int n = snprintf((char *)out + 10, 100, "{'descr': '%s', 'fortran_order': False, 'shape': (%lld,), }", descr, count);
  out[10 + n] = ' ';
  out[127] = '\n';
  memset(out + 128, 1, size);
  return 128 + size;
}

static void write_three(const char *path, qn_store_format format, int64_t n) {
  static float floats[50000];
  static uint8_t nibbles[50];
  for (int i = 0; i < 50000; i++) floats[i] = (float)(i % 91) * 0.5f;
  for (int i = 0; i < 50; i++) nibbles[i] = (uint8_t)(i * 5);
  qn_store_writer *w;
  assert_int_equal(qn_store_writer_create(ctx, path, format, &w), QN_OK);
  qn_tensor f = {.elem = QN_F32, .rank = 2, .shape = {5, n / 5}, .data = floats};
  qn_tensor q = {.elem = QN_UI4, .rank = 1, .shape = {100}, .data = nibbles};
  qn_tensor e = {.elem = QN_I64, .rank = 2, .shape = {0, 3}};
  assert_int_equal(qn_store_writer_add(w, qn_str_of("x"), &f), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("folder/q\xc3\xa4"), &q), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("empty"), &e), QN_OK);
  assert_int_equal(qn_store_writer_metadata(w, qn_str_of("a"), qn_str_of("b")), QN_ERR_UNSUPPORTED);
  errors = 0;
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
}

static void test_write_read(void **state) {
  (void)state;
  static const qn_store_format formats[] = {QN_STORE_NPZ, QN_STORE_NPZ_DEFLATED};
  long sizes[2];
  for (int k = 0; k < 2; k++) {
    write_three(at("a.npz"), formats[k], 50000);
    FILE *f = fopen(at("a.npz"), "rb");
    fseek(f, 0, SEEK_END);
    sizes[k] = ftell(f);
    fclose(f);
    qn_store *store;
    qn_tensor t;
    assert_int_equal(qn_store_open(ctx, at("a.npz"), &store), QN_OK);
    assert_int_equal(qn_store_format_of(store), QN_STORE_NPZ);
    assert_int_equal(qn_store_count(store), 3);
    assert_string_equal(qn_store_name(store, 0).data, "x");
    assert_int_equal(qn_store_info(store, 0, &t), QN_OK);
    assert_true(t.elem == QN_F32 && t.rank == 2 && t.shape[1] == 10000 && !t.data);
    for (int round = 0; round < 2; round++) {
      assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
      for (int i = 0; i < 50000; i++) assert_true(((float *)t.data)[i] == (float)(i % 91) * 0.5f);
      const void *kept = t.data;
      assert_int_equal(qn_store_tensor(store, 0, &t), QN_OK);
      assert_ptr_equal(t.data, kept);
      qn_store_drop(store, 0);
    }
    assert_int_equal(qn_store_get(store, qn_str_of("folder/q\xc3\xa4"), &t), QN_OK);
    assert_int_equal(t.elem, QN_UI8);
    for (int i = 0; i < 100; i++) assert_int_equal(((uint8_t *)t.data)[i], (uint8_t)(i / 2 * 5) >> (i % 2 * 4) & 15);
    assert_int_equal(qn_store_get(store, qn_str_of("empty"), &t), QN_OK);
    assert_true(t.rank == 2 && t.shape[0] == 0 && t.shape[1] == 3 && t.data);
    qn_store_close(store);
  }
  assert_true(sizes[0] > 200000 && sizes[1] < 20000);
  assert_int_equal(errors, 0);
}

static void test_same_bytes(void **state) {
  (void)state;
  static bytes first;
  write_three(at("a.npz"), QN_STORE_NPZ_DEFLATED, 500);
  read_bytes(at("a.npz"), &first);
  write_three(at("b.npz"), QN_STORE_NPZ_DEFLATED, 500);
  read_bytes(at("b.npz"), &file);
  assert_int_equal(first.size, file.size);
  assert_memory_equal(first.data, file.data, file.size);
}

static void test_no_entries(void **state) {
  (void)state;
  qn_store_writer *w;
  qn_store *store;
  assert_int_equal(qn_store_writer_create(ctx, at("a.npz"), QN_STORE_NPZ, &w), QN_OK);
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  assert_int_equal(qn_store_open(ctx, at("a.npz"), &store), QN_OK);
  assert_int_equal(qn_store_count(store), 0);
  qn_store_close(store);
}

/* Files that NumPy itself wrote. */
static void test_numpy_files(void **state) {
  (void)state;
  static const struct {
    const char *path;
    int64_t least;
  } rows[] = {{QUERN_TEST_DATA "/digits-calib.npz", 200}, {QUERN_TEST_DATA "/digits-test.npz", 500}};
  for (size_t r = 0; r < 2; r++) {
    qn_store *store;
    qn_tensor t;
    assert_int_equal(qn_store_open(ctx, rows[r].path, &store), QN_OK);
    assert_true(qn_store_count(store) >= 1);
    for (size_t i = 0; i < qn_store_count(store); i++) {
      assert_int_equal(qn_store_tensor(store, i, &t), QN_OK);
      assert_true(t.rank >= 1 && t.shape[0] >= rows[r].least);
    }
    qn_store_close(store);
  }
  assert_int_equal(errors, 0);
}

static qn_status open_first(qn_status *open_status) {
  qn_store *store;
  qn_tensor t;
  *open_status = qn_store_open_memory(ctx, "h.npz", file.data, file.size, &store);
  if (*open_status) return *open_status;
  qn_status status = qn_store_tensor(store, 0, &t);
  qn_store_close(store);
  return status;
}

static void test_hostile_entries(void **state) {
  (void)state;
  static uint8_t data[8192];
  static const struct {
    const char *descr;
    long long count;
    size_t size;
    qn_diag_code code;
    const char *says;
  } rows[] = {
      {"<f4", 1000, 100, QN_DIAG_FORMAT, "asks for 4000 bytes"},
      {"<f4", 10, 100, QN_DIAG_FORMAT, "asks for 40 bytes"},
      {"<f4", 1LL << 60, 100, QN_DIAG_FORMAT, "the entry has 228"},
      {"<f8", 1LL << 62, 100, QN_DIAG_LIMIT, "multiply"},
      {"|O", 1, 8, QN_DIAG_UNSUPPORTED, "pickled"},
  };
  qn_status opened;
  for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
    for (int method = 0; method < 2; method++) {
      size_t n = npy(data, rows[r].descr, rows[r].count, rows[r].size);
      build(&(entry){"a.npy", data, n, method ? ZIP_CM_DEFLATE : ZIP_CM_STORE}, 1);
      assert_int_not_equal(open_first(&opened), QN_OK);
      assert_int_equal(opened, QN_OK);
      assert_int_equal(last_code, rows[r].code);
      assert_non_null(strstr(last, rows[r].says));
      assert_string_equal(last_entity, "tensor 'a'");
      assert_string_equal(last_file, "h.npz");
    }
  build(&(entry){"readme.txt", "hello", 5, ZIP_CM_STORE}, 1);
  assert_int_equal(open_first(&opened), QN_ERR_INPUT);
  assert_string_equal(last_entity, "tensor 'readme.txt'");
  build(&(entry){"e.npy", "", 0, ZIP_CM_STORE}, 1);
  assert_int_equal(open_first(&opened), QN_ERR_INPUT);
  build(&(entry){"e.npy", "\x93NUMPY\1\0\1\0{}", 12, ZIP_CM_STORE}, 1);
  assert_int_equal(open_first(&opened), QN_ERR_INPUT);
  size_t n = npy(data, "<f4", 4, 16);
  const entry twice[] = {{"a", data, n, ZIP_CM_STORE}, {"a.npy", data, n, ZIP_CM_STORE}};
  build(twice, 2);
  assert_int_equal(open_first(&opened), QN_ERR_INPUT);
  assert_int_equal(opened, QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_REDEFINED);
}

/* A changed byte of the data is found by the archive's checksum. */
static void test_checksum(void **state) {
  (void)state;
  static uint8_t data[8192];
  size_t n = npy(data, "<f4", 100, 400);
  build(&(entry){"a.npy", data, n, ZIP_CM_STORE}, 1);
  file.data[30 + 5 + 128 + 77] ^= 4;
  qn_status opened;
  assert_int_equal(open_first(&opened), QN_ERR_INPUT);
  assert_int_equal(opened, QN_OK);
  assert_non_null(strstr(last, "CRC"));
}

static qn_status make_zeros(void *user, uint64_t offset, void *out, size_t size) {
  (void)user;
  (void)offset;
  memset(out, 0, size);
  return QN_OK;
}

static void test_bomb(void **state) {
  (void)state;
  qn_store_writer *w;
  qn_store *store;
  qn_tensor t = {.elem = QN_UI8, .rank = 1, .shape = {70 << 20}};
  assert_int_equal(qn_store_writer_create(ctx, at("bomb.npz"), QN_STORE_NPZ_DEFLATED, &w), QN_OK);
  assert_int_equal(qn_store_writer_add_source(w, qn_str_of("zeros"), &t, make_zeros, NULL), QN_OK);
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  assert_int_equal(qn_store_open(ctx, at("bomb.npz"), &store), QN_OK);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_LIMIT);
  assert_string_equal(last_entity, "tensor 'zeros'");
  qn_store_close(store);
}

static qn_status make_failure(void *user, uint64_t offset, void *out, size_t size) {
  (void)out;
  if (offset + size < 300000) return make_zeros(user, offset, out, size);
  return qn_error(ctx, QN_DIAG_DATA, qn_place_file("source"), "no more data");
}

/* What a source or the file system refuses ends the commit, and nothing is left. */
static void test_failing_commit(void **state) {
  (void)state;
  static const qn_store_format formats[] = {QN_STORE_SAFETENSORS, QN_STORE_NPZ, QN_STORE_NPZ_DEFLATED, QN_STORE_NPY};
  static uint8_t data[100000];
  for (size_t k = 0; k < 4; k++) {
    qn_store_writer *w;
    qn_tensor t = {.elem = QN_UI8, .rank = 1, .shape = {3000000}};
    errors = 0;
    assert_int_equal(qn_store_writer_create(ctx, at("out"), formats[k], &w), QN_OK);
    assert_int_equal(qn_store_writer_add_source(w, qn_str_of("x"), &t, make_failure, NULL), QN_OK);
    assert_int_equal(qn_store_writer_commit(w), QN_ERR_INPUT);
    assert_int_equal(errors, 1);
    assert_string_equal(last, "no more data");
    assert_int_equal(count_files(false), 0);
    t = (qn_tensor){.elem = QN_UI8, .rank = 1, .shape = {sizeof data}, .data = data};
    assert_int_equal(qn_store_writer_create(ctx, "/dev/full", formats[k], &w), QN_OK);
    assert_int_equal(qn_store_writer_add(w, qn_str_of("x"), &t), QN_OK);
    assert_int_equal(qn_store_writer_commit(w), QN_ERR_IO);
    assert_int_equal(errors, 2);
    assert_non_null(strstr(last, "/dev/full"));
    assert_int_equal(qn_store_writer_create(ctx, folder, formats[k], &w), QN_ERR_IO);
    assert_null(w);
    assert_int_equal(qn_store_writer_create(ctx, "/dev/null", formats[k], &w), QN_OK);
    assert_int_equal(qn_store_writer_add(w, qn_str_of("x"), &t), QN_OK);
    assert_int_equal(qn_store_writer_commit(w), QN_OK);
    assert_int_equal(qn_store_writer_create(ctx, at("out"), formats[k], &w), QN_OK);
    assert_int_equal(qn_store_writer_add(w, qn_str_of("x"), &t), QN_OK);
    qn_store_writer_abandon(w);
    assert_int_equal(count_files(false), 0);
  }
  qn_store_writer_abandon(NULL);
}

static void test_refused_additions(void **state) {
  (void)state;
  static uint8_t data[16];
  qn_store_writer *w;
  qn_tensor good = {.elem = QN_UI8, .rank = 1, .shape = {16}, .data = data}, t;
  assert_int_equal(qn_store_writer_create(ctx, at("out"), QN_STORE_SAFETENSORS, &w), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("x"), &good), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("x"), &good), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_REDEFINED);
  assert_string_equal(last_entity, "tensor 'x'");
  assert_int_equal(qn_store_writer_add(w, qn_str_of("__metadata__"), &good), QN_ERR_INPUT);
  assert_int_equal(qn_store_writer_add(w, (qn_str){"a\0b", 3}, &good), QN_ERR_INPUT);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("\xff"), &good), QN_ERR_INPUT);
  t = good, t.elem = QN_SCALAR_NONE;
  assert_int_equal(qn_store_writer_add(w, qn_str_of("t"), &t), QN_ERR_INPUT);
  t = good, t.elem = (qn_scalar)99;
  assert_int_equal(qn_store_writer_add(w, qn_str_of("t"), &t), QN_ERR_INPUT);
  t = good, t.rank = QN_MAX_RANK + 1;
  assert_int_equal(qn_store_writer_add(w, qn_str_of("t"), &t), QN_ERR_INPUT);
  t = good, t.shape[0] = -1;
  assert_int_equal(qn_store_writer_add(w, qn_str_of("t"), &t), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_SHAPE);
  t = good, t.data = NULL;
  assert_int_equal(qn_store_writer_add(w, qn_str_of("t"), &t), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_MISSING);
  const qn_str v = {"v", 1};
  assert_int_equal(qn_store_writer_metadata(w, qn_str_of("k"), v), QN_OK);
  assert_int_equal(qn_store_writer_metadata(w, qn_str_of("k"), v), QN_ERR_INPUT);
  assert_int_equal(qn_store_writer_metadata(w, qn_str_of("quern.type.x"), v), QN_ERR_INPUT);
  assert_int_equal(qn_store_writer_metadata(w, (qn_str){"\0", 1}, v), QN_ERR_INPUT);
  qn_store_writer_abandon(w);
  assert_int_equal(qn_store_writer_create(ctx, at("out"), QN_STORE_NPY, &w), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("x"), &good), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("y"), &good), QN_ERR_UNSUPPORTED);
  qn_store_writer_abandon(w);
  assert_int_equal(qn_store_writer_create(ctx, at("out"), QN_STORE_NPY, &w), QN_OK);
  assert_int_equal(qn_store_writer_commit(w), QN_ERR_INPUT);
  assert_int_equal(count_files(false), 0);
}

static bool taken(void *user, qn_name name) {
  return name.id <= *(uint32_t *)user;
}

static void test_identifiers(void **state) {
  (void)state;
  static const char *const rows[][2] = {{"layers.0.weight", "layers.0.weight"},
                                        {"", "_"},
                                        {"0a", "_0a"},
                                        {".x", "_.x"},
                                        {"$x", "_$x"},
                                        {"a/b:c d", "a_b_c_d"},
                                        {"\xc3\xa4", "__"},
                                        {"-", "_"},
                                        {"_ok$", "_ok$"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    assert_string_equal(qn_name_str(ctx, qn_store_identifier(ctx, qn_str_of(rows[i][0]), NULL, NULL)).data, rows[i][1]);
  uint32_t highest = qn_store_identifier(ctx, qn_str_of("w"), NULL, NULL).id;
  qn_name name = qn_store_identifier(ctx, qn_str_of("w"), taken, &highest);
  assert_string_equal(qn_name_str(ctx, name).data, "w_1");
  highest = name.id;
  assert_string_equal(qn_name_str(ctx, qn_store_identifier(ctx, qn_str_of("w"), taken, &highest)).data, "w_2");
}

static void test_other_files(void **state) {
  (void)state;
  static const char *const rows[] = {"",
                                     "x",
                                     "PK\3\4",
                                     "PK\5\6",
                                     "PK\3\4 not a zip archive at all",
                                     "\x93NUMPY",
                                     "{\"json\": 1}",
                                     "#!/bin/sh\necho hello\n"};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    size_t before = errors;
    assert_int_equal(read_everything(ctx, rows[i], strlen(rows[i])), QN_ERR_INPUT);
    assert_int_equal(errors, before + 1);
    assert_int_equal(last_code, QN_DIAG_FORMAT);
  }
  qn_store *store;
  qn_tensor t;
  assert_int_equal(qn_store_open(ctx, at("none"), &store), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_MISSING);
  assert_int_equal(qn_store_open(ctx, folder, &store), QN_ERR_IO);
  qn_store_close(NULL);
  write_three(at("a.npz"), QN_STORE_NPZ, 500);
  assert_int_equal(qn_npy_read(ctx, at("a.npz"), &store, &t), QN_ERR_INPUT);
  assert_null(store);
}

static void test_mutations(void **state) {
  (void)state;
  static uint8_t a[300], b[300];
  size_t n = npy(a, "<i2", 8, 16), m = npy(b, "|b1", 3, 3);
  const entry entries[] = {{"a.npy", a, n, ZIP_CM_STORE}, {"b.npy", b, m, ZIP_CM_DEFLATE}};
  build(entries, 2);
  mutate(&file);
}

static void test_exhausted(void **state) {
  (void)state;
  static uint8_t a[300];
  size_t m = npy(a, ">i2", 8, 16);
  build(&(entry){"a.npy", a, m, ZIP_CM_DEFLATE}, 1);
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator alloc = failing_init(&f, n);
    qn_context *c = qn_context_create(&(qn_context_options){.allocator = &alloc});
    if (c) {
      qn_status status = read_everything(c, file.data, file.size);
      assert_true(status == QN_OK || (f.fired && status == QN_ERR_NO_MEMORY));
      qn_store_writer *w;
      status = qn_store_writer_create(c, at("w"), QN_STORE_NPZ, &w);
      if (status == QN_OK) {
        qn_tensor t = {.elem = QN_I4, .rank = 1, .shape = {16}, .data = a};
        status = qn_store_writer_add(w, qn_str_of("x"), &t);
        if (status == QN_OK)
          status = qn_store_writer_commit(w);
        else
          qn_store_writer_abandon(w);
      }
      assert_true(status == QN_OK || (f.fired && status == QN_ERR_NO_MEMORY));
      assert_int_equal(count_files(true), status == QN_OK ? 1 : 0);
      qn_name name = qn_store_identifier(c, qn_str_of("0"), NULL, NULL);
      assert_true(name.id != 0 || f.fired);
      qn_context_destroy(c);
    }
    assert_true(failing_clean(&f));
    if (!f.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_write_read),        T(test_same_bytes),  T(test_no_entries),  T(test_numpy_files),
      T(test_hostile_entries),   T(test_checksum),    T(test_bomb),        T(test_failing_commit),
      T(test_refused_additions), T(test_identifiers), T(test_other_files), T(test_mutations),
      T(test_exhausted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
