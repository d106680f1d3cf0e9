/* Reading and writing .safetensors. */
#include "store_test.h"

static bytes file;

/* Header text and `size` bytes of data: 0, 1, 2 .. */
static void build(const char *header, size_t size) {
  file.size = 0;
  uint64_t length = strlen(header);
  put(&file, &length, 8);
  put(&file, header, length);
  for (size_t i = 0; i < size; i++) put(&file, &(uint8_t){(uint8_t)i}, 1);
}

static qn_status open_built(qn_store **store) {
  return qn_store_open_memory(ctx, "m.safetensors", file.data, file.size, store);
}

static void test_read(void **state) {
  (void)state;
  build("{\"b\":{\"dtype\":\"I16\",\"shape\":[2,2],\"data_offsets\":[8,16]},"
        "\"__metadata__\":{\"format\":\"pt\",\"quern.type.q\":\"3x1xi4\"},"
        "\"a\\u00e4\\n\":{\"shape\":[],\"data_offsets\":[0,8],\"dtype\":\"F64\",\"extra\":[{}]},"
        "\"q\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[16,18]},"
        "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[16,16]}}   \n",
        18);
  qn_store *store;
  qn_tensor t;
  size_t i;
  qn_str key, value;
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_format_of(store), QN_STORE_SAFETENSORS);
  assert_int_equal(qn_store_count(store), 4);
  assert_string_equal(qn_store_name(store, 0).data, "b");
  assert_true(qn_store_find(store, qn_str_of("a\xc3\xa4\n"), &i) && i == 1);
  assert_false(qn_store_find(store, qn_str_of("B"), &i));
  assert_int_equal(qn_store_get(store, qn_str_of("b"), &t), QN_OK);
  assert_true(t.rank == 2 && t.shape[0] == 2 && t.elem == QN_I16);
  assert_int_equal(qn_tensor_get_i64(&t, 3), 0x0F0E);
  assert_int_equal(qn_store_info(store, 1, &t), QN_OK);
  assert_true(t.rank == 0 && t.elem == QN_F64 && !t.data);
  assert_int_equal(qn_store_get(store, qn_str_of("q"), &t), QN_OK);
  assert_true(t.rank == 2 && t.shape[0] == 3 && t.shape[1] == 1 && t.elem == QN_I4);
  assert_int_equal(qn_tensor_get_i64(&t, 0), 0);
  assert_int_equal(qn_tensor_get_i64(&t, 1), 1);
  assert_int_equal(qn_tensor_get_i64(&t, 2), 1);
  assert_int_equal(qn_store_get(store, qn_str_of("none"), &t), QN_OK);
  assert_int_equal(qn_tensor_count(&t), 0);
  assert_int_equal(qn_store_metadata_count(store), 1);
  assert_true(qn_store_metadata(store, qn_str_of("format"), &value));
  assert_string_equal(value.data, "pt");
  assert_false(qn_store_metadata(store, qn_str_of("quern.type.q"), &value));
  assert_true(qn_store_metadata_at(store, 0, &key, &value));
  assert_false(qn_store_metadata_at(store, 1, &key, &value));
  assert_int_equal(errors, 0);
  assert_int_equal(qn_store_get(store, qn_str_of("nope"), &t), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_MISSING);
  assert_string_equal(last_entity, "tensor 'nope'");
  assert_int_equal(qn_store_name(store, 9).size, 0);
  qn_store_close(store);
  build("{}", 0);
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_count(store), 0);
  qn_store_close(store);
}

/* A tensor we cannot hold does not keep the others from being read. */
static void test_refused_one_by_one(void **state) {
  (void)state;
  build("{\"c\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"deep\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[8,9]},"
        "\"f4\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[9,10]}}",
        10);
  qn_store *store;
  qn_tensor t;
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_ERR_UNSUPPORTED);
  assert_non_null(strstr(last, "C64"));
  assert_string_equal(last_entity, "tensor 'c'");
  assert_string_equal(last_file, "m.safetensors");
  assert_int_equal(qn_store_info(store, 1, &t), QN_ERR_INPUT);
  assert_int_equal(last_code, QN_DIAG_LIMIT);
  assert_int_equal(qn_store_tensor(store, 2, &t), QN_OK);
  assert_int_equal(t.elem, QN_F4E2M1FN);
  qn_store_close(store);
}

#define ONE(dtype, shape, offsets) "{\"x\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define U8_4                       "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":"

static void test_hostile(void **state) {
  (void)state;
  static const struct {
    const char *header;
    size_t data;
    qn_diag_code code;
    const char *says;
  } rows[] = {
      {ONE("\"U8\"", "[4]", "[0,5]"), 5, QN_DIAG_FORMAT, "ask for 4 bytes"},
      {ONE("\"U8\"", "[4]", "[0,4]"), 3, QN_DIAG_FORMAT, "truncated"},
      {ONE("\"U8\"", "[4]", "[0,4]"), 5, QN_DIAG_FORMAT, "end at byte 4"},
      {ONE("\"U8\"", "[4]", "[1,5]"), 5, QN_DIAG_FORMAT, "nobody's"},
      {ONE("\"U8\"", "[4]", "[4,0]"), 4, QN_DIAG_FORMAT, "end before they begin"},
      {ONE("\"U8\"", "[4]", "[-4,0]"), 4, QN_DIAG_FORMAT, "two whole numbers"},
      {ONE("\"U8\"", "[4]", "[0,4.5]"), 4, QN_DIAG_FORMAT, "two whole numbers"},
      {ONE("\"U8\"", "[4]", "[0,1e300]"), 4, QN_DIAG_FORMAT, "two whole numbers"},
      {ONE("\"U8\"", "[4]", "[0,4,8]"), 4, QN_DIAG_FORMAT, "two whole numbers"},
      {ONE("\"U8\"", "[4]", "[]"), 4, QN_DIAG_FORMAT, "two whole numbers"},
      {ONE("\"U8\"", "[4]", "\"0,4\""), 4, QN_DIAG_FORMAT, "two whole numbers"},
      {ONE("\"U8\"", "[4]", "[0,18446744073709551615]"), 4, QN_DIAG_FORMAT, "two whole numbers"},
      {ONE("\"U8\"", "[-4]", "[0,4]"), 4, QN_DIAG_FORMAT, "whole numbers"},
      {ONE("\"U8\"", "[null]", "[0,4]"), 4, QN_DIAG_FORMAT, "whole numbers"},
      {ONE("\"U8\"", "4", "[0,4]"), 4, QN_DIAG_FORMAT, "shape must be an array"},
      {ONE("\"F64\"", "[4294967296,4294967296]", "[0,4]"), 4, QN_DIAG_FORMAT, "multiply"},
      {ONE("\"F64\"", "[2305843009213693952]", "[0,0]"), 0, QN_DIAG_FORMAT, "below 2^53"},
      {ONE("8", "[4]", "[0,4]"), 4, QN_DIAG_FORMAT, "dtype must be a string"},
      {"{\"x\":5}", 0, QN_DIAG_FORMAT, "expected an object"},
      {"{\"x\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, QN_DIAG_FORMAT, "data_offsets is missing"},
      {"{\"x\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, QN_DIAG_REDEFINED,
       "twice"},
      {"{\"x\":" U8_4 "[0,4]},\"x\":" U8_4 "[4,8]}}", 8, QN_DIAG_REDEFINED, "two tensors"},
      {"{\"x\":" U8_4 "[0,4]},\"y\":" U8_4 "[2,6]}}", 6, QN_DIAG_FORMAT, "within tensor 'x'"},
      {"{\"x\":" U8_4 "[0,4]},\"y\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "within tensor 'x'"},
      {"{\"x\":" U8_4 "[0,4]},\"y\":" U8_4 "[6,10]}}", 10, QN_DIAG_FORMAT, "nobody's"},
      {"{\"__metadata__\":[]}", 0, QN_DIAG_FORMAT, "object of strings"},
      {"{\"__metadata__\":{\"a\":1}}", 0, QN_DIAG_FORMAT, "strings only"},
      {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, QN_DIAG_REDEFINED, "a key twice"},
      {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, QN_DIAG_REDEFINED, "__metadata__ twice"},
      {"{\"__metadata__\":{\"quern.type.x\":\"4xbogus\"},\"x\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "'4xbogus'"},
      {"{\"__metadata__\":{\"quern.type.x\":\"9xi4\"},\"x\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "5 bytes of ui8"},
      {"{\"__metadata__\":{\"quern.type.x\":\"1xf32\"},\"x\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "4 bytes of f32"},
      {"{\"__metadata__\":{\"quern.type.x\":\"99999999999999999999xi4\"},\"x\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT,
       "says its type"},
      {"{\"a\\u0000b\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "NUL"},
      {"{\"a\tb\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "control character"},
      {"{\"a\xff\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "not UTF-8"},
      {"{\"a\xc0\x80\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "not UTF-8"},
      {"{\"a\xed\xa0\x80\":" U8_4 "[0,4]}}", 4, QN_DIAG_FORMAT, "not UTF-8"},
      {"{\"a\xe2\x82", 4, QN_DIAG_FORMAT, "not UTF-8"},
      {"{\"x", 0, QN_DIAG_FORMAT, "does not end"},
      {"{\"x\\", 0, QN_DIAG_FORMAT, "does not end"},
      {"{\"x\":[[[[[[[[[[[]]]]]]]]]]]}", 0, QN_DIAG_FORMAT, "nesting"},
      {"{}}", 0, QN_DIAG_FORMAT, "closing bracket"},
      {"{} {}", 0, QN_DIAG_FORMAT, "goes on"},
      {"{,}", 0, QN_DIAG_FORMAT, "not JSON"},
      {"{\"x\":}", 0, QN_DIAG_FORMAT, "not JSON"},
      {"{\"x\":\x01}", 0, QN_DIAG_FORMAT, "character that JSON does not have"},
      {"[]", 0, QN_DIAG_FORMAT, "neither"},
      {"", 0, QN_DIAG_FORMAT, "neither"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    build(rows[i].header, rows[i].data);
    qn_store *store;
    size_t before = errors;
    assert_int_equal(open_built(&store), QN_ERR_INPUT);
    assert_null(store);
    assert_int_equal(errors, before + 1);
    if (last_code != rows[i].code || !strstr(last, rows[i].says)) fail_msg("%s: %s", rows[i].header, last);
  }
}

static void test_header_length(void **state) {
  (void)state;
  static const struct {
    uint64_t length;
    qn_diag_code code;
  } rows[] = {{3, QN_DIAG_FORMAT},         {1000, QN_DIAG_FORMAT},
              {UINT64_MAX, QN_DIAG_LIMIT}, {(uint64_t)1 << 63, QN_DIAG_LIMIT},
              {100000001, QN_DIAG_LIMIT},  {UINT64_MAX - 7, QN_DIAG_LIMIT}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    build("{}", 0);
    memcpy(file.data, &rows[i].length, 8);
    qn_store *store;
    assert_int_equal(open_built(&store), QN_ERR_INPUT);
    assert_int_equal(last_code, rows[i].code);
  }
  static uint8_t deep[20008];
  uint64_t length = sizeof deep - 8;
  memset(deep, '[', sizeof deep);
  memcpy(deep, &length, 8);
  deep[8] = '{';
  qn_store *store;
  assert_int_equal(qn_store_open_memory(ctx, "deep", deep, sizeof deep, &store), QN_ERR_INPUT);
  assert_non_null(strstr(last, "nesting"));
}

/* Names from a file are shown without control characters and not in any length. */
static void test_shown_names(void **state) {
  (void)state;
  char header[3000], name[2000];
  memset(name, 'n', sizeof name);
  memcpy(name, "\\u001b[31m\\u007f", 16);
  name[sizeof name - 1] = 0;
  snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"Q\",\"shape\":[],\"data_offsets\":[0,0]}}", name);
  build(header, 0);
  qn_store *store;
  qn_tensor t;
  assert_int_equal(open_built(&store), QN_OK);
  assert_int_equal(qn_store_tensor(store, 0, &t), QN_ERR_UNSUPPORTED);
  assert_true(strlen(last_entity) < 200);
  assert_memory_equal(last_entity, "tensor '?[31m?nnn", 17);
  assert_string_equal(last_entity + strlen(last_entity) - 4, "...'");
  qn_store_close(store);
}

static qn_status make_ramp(void *user, uint64_t offset, void *out, size_t size) {
  uint64_t *expected = user;
  assert_int_equal(offset, *expected);
  for (size_t i = 0; i < size; i++) ((uint8_t *)out)[i] = (uint8_t)(offset + i);
  *expected += size;
  return QN_OK;
}

static void test_write_all_types(void **state) {
  (void)state;
  uint8_t data[8 * 15];
  for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i & 1);
  qn_store_writer *w;
  qn_store *store;
  assert_int_equal(qn_store_writer_create(ctx, at("t"), QN_STORE_SAFETENSORS, &w), QN_OK);
  for (int s = 1; s < QN_SCALAR_COUNT; s++) {
    qn_tensor t = {.elem = (qn_scalar)s, .rank = 2, .shape = {3, 5}, .data = data};
    assert_int_equal(qn_store_writer_add(w, qn_str_of(qn_scalar_get((qn_scalar)s)->text), &t), QN_OK);
  }
  qn_tensor scalar = {.elem = QN_SI2, .rank = 0, .data = data};
  assert_int_equal(qn_store_writer_add(w, qn_str_of("scalar \"\\\x01\xc3\xa4"), &scalar), QN_OK);
  uint64_t made = 0;
  qn_tensor large = {.elem = QN_F16, .rank = 1, .shape = {1500000}};
  assert_int_equal(qn_store_writer_add_source(w, qn_str_of("large"), &large, make_ramp, &made), QN_OK);
  assert_int_equal(qn_store_writer_metadata(w, qn_str_of("k\""), qn_str_of("v\n")), QN_OK);
  assert_int_equal(count_files(false), 1);
  assert_int_equal(access(at("t"), F_OK), -1);
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  assert_int_equal(count_files(false), 1);
  assert_int_equal(made, 3000000);

  assert_int_equal(qn_store_open(ctx, at("t"), &store), QN_OK);
  assert_int_equal(qn_store_count(store), QN_SCALAR_COUNT + 1);
  for (int s = 1; s < QN_SCALAR_COUNT; s++) {
    qn_tensor t;
    assert_int_equal(qn_store_tensor(store, (size_t)s - 1, &t), QN_OK);
    assert_string_equal(qn_store_name(store, (size_t)s - 1).data, qn_scalar_get((qn_scalar)s)->text);
    assert_true(t.elem == (qn_scalar)s && t.rank == 2 && t.shape[0] == 3 && t.shape[1] == 5);
    assert_memory_equal(t.data, data, qn_tensor_bytes(&t));
  }
  qn_tensor t;
  qn_str value;
  assert_int_equal(qn_store_get(store, qn_str_of("scalar \"\\\x01\xc3\xa4"), &t), QN_OK);
  assert_true(t.elem == QN_SI2 && t.rank == 0);
  assert_int_equal(qn_store_get(store, qn_str_of("large"), &t), QN_OK);
  assert_int_equal((uintptr_t)t.data % 64, 0); /* 3,000,000 keeps 64, and the mapping begins at a page */
  for (size_t i = 0; i < 3000000; i += 777) assert_int_equal(((uint8_t *)t.data)[i], (uint8_t)i);
  assert_true(qn_store_metadata(store, qn_str_of("k\""), &value));
  assert_string_equal(value.data, "v\n");
  assert_int_equal(qn_store_metadata_count(store), 1);
  qn_store_close(store);
  assert_int_equal(errors, 0);
}

static void test_alignment(void **state) {
  (void)state;
  static uint8_t data[4096];
  static const int64_t sizes[] = {10, 640, 4, 64, 8, 100, 1024, 3, 0, 32};
  qn_store_writer *w;
  qn_store *store;
  assert_int_equal(qn_store_writer_create(ctx, at("t"), QN_STORE_SAFETENSORS, &w), QN_OK);
  char name[8];
  for (size_t i = 0; i < 10; i++) {
    qn_tensor t = {.elem = QN_UI8, .rank = 1, .shape = {sizes[i]}, .data = data};
    snprintf(name, sizeof name, "t%zu", i);
    assert_int_equal(qn_store_writer_add(w, qn_str_of(name), &t), QN_OK);
  }
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  assert_int_equal(qn_store_open(ctx, at("t"), &store), QN_OK);
  for (size_t i = 0; i < 10; i++) {
    qn_tensor t;
    assert_int_equal(qn_store_tensor(store, i, &t), QN_OK);
    assert_int_equal(t.shape[0], sizes[i]);
    size_t align = 1;
    while (align < 64 && sizes[i] % (int64_t)(align * 2) == 0) align *= 2;
    assert_int_equal((uintptr_t)t.data % align, 0);
  }
  qn_store_close(store);
}

static long resident_pages(void) {
  long size = 0, resident = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
  fclose(f);
  return resident;
}

static uint64_t sum_of(const qn_tensor *t) {
  uint64_t sum = 0;
  for (size_t i = 0; i < qn_tensor_bytes(t); i++) sum = sum * 31 + ((const uint8_t *)t->data)[i];
  return sum;
}

/* Bytes that were read for good leave memory and come back when they are read after all. */
static void test_passed(void **state) {
  (void)state;
  enum { SIZE = 16 << 20 };
  uint8_t *data = malloc(SIZE);
  assert_non_null(data);
  for (size_t i = 0; i < SIZE; i++) data[i] = (uint8_t)(i * i >> 7);
  qn_tensor t = {.elem = QN_UI8, .rank = 1, .shape = {SIZE}, .data = data};
  qn_store_writer *w;
  qn_store *store;
  assert_int_equal(qn_store_writer_create(ctx, at("large.safetensors"), QN_STORE_SAFETENSORS, &w), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("t"), &t), QN_OK);
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  assert_int_equal(qn_store_open(ctx, at("large.safetensors"), &store), QN_OK);
  assert_int_equal(qn_store_get(store, qn_str_of("t"), &t), QN_OK);
  uint64_t sum = sum_of(&t);
  long before = resident_pages(), page = sysconf(_SC_PAGESIZE);
  qn_store_passed(store, t.data, SIZE + 1); /* more than there is: nothing happens */
  assert_true(resident_pages() > before - 64);
  qn_store_passed(store, data, SIZE); /* another's memory: nothing either */
  assert_memory_equal(data, t.data, SIZE);
  qn_store_passed(store, t.data, SIZE);
  assert_true(resident_pages() < before - SIZE / page / 2);
  assert_true(sum_of(&t) == sum);
  qn_store_close(store);
  free(data);
}

static void test_mutations(void **state) {
  (void)state;
  build("{\"__metadata__\":{\"quern.type.q\":\"3x1xi4\",\"a\":\"b\"},"
        "\"b\":{\"dtype\":\"I16\",\"shape\":[2,2],\"data_offsets\":[8,16]},"
        "\"a\\u00e4\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
        "\"q\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[16,18]}}",
        18);
  mutate(&file);
}

static void test_exhausted(void **state) {
  (void)state;
  build("{\"__metadata__\":{\"quern.type.q\":\"3x1xi4\",\"a\":\"b\"},"
        "\"c\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"q\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[8,10]}}",
        10);
  static uint8_t data[16];
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, n);
    qn_context *c = qn_context_create(&(qn_context_options){.allocator = &a});
    if (c) {
      qn_status status = read_everything(c, file.data, file.size);
      assert_true(status == QN_ERR_UNSUPPORTED || (f.fired && status == QN_ERR_NO_MEMORY));
      qn_store_writer *w;
      status = qn_store_writer_create(c, at("w"), QN_STORE_SAFETENSORS, &w);
      if (status == QN_OK) {
        qn_tensor t = {.elem = QN_I4, .rank = 1, .shape = {16}, .data = data};
        uint64_t made = 0;
        status = qn_store_writer_add(w, qn_str_of("x"), &t);
        if (status == QN_OK) status = qn_store_writer_add_source(w, qn_str_of("y"), &t, make_ramp, &made);
        if (status == QN_OK) status = qn_store_writer_metadata(w, qn_str_of("k"), qn_str_of("v"));
        if (status == QN_OK)
          status = qn_store_writer_commit(w);
        else
          qn_store_writer_abandon(w);
      }
      assert_true(status == QN_OK || (f.fired && status == QN_ERR_NO_MEMORY));
      assert_int_equal(count_files(true), status == QN_OK ? 1 : 0);
      qn_context_destroy(c);
    }
    assert_true(failing_clean(&f));
    if (!f.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      T(test_read),        T(test_refused_one_by_one), T(test_hostile),   T(test_header_length),
      T(test_shown_names), T(test_write_all_types),    T(test_alignment), T(test_passed),
      T(test_mutations),   T(test_exhausted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
