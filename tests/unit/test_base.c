/* Allocation helpers, strings, arrays, arenas, maps, buffers. */
#include "arena.h"
#include "buf.h"
#include "failing_alloc.h"
#include "map.h"
#include "unit.h"
#include "vec.h"
#include <stdio.h>

static void test_sizes(void **state) {
  (void)state;
  size_t out;
  assert_true(qn__mul_size(0, SIZE_MAX, &out) && out == 0);
  assert_true(qn__mul_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
  assert_false(qn__mul_size(SIZE_MAX / 2 + 1, 2, &out));
  assert_true(qn__add_size(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
  assert_false(qn__add_size(SIZE_MAX, 1, &out));
}

static void test_alloc(void **state) {
  (void)state;
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  assert_null(qn__alloc(&a, 0));
  char *p = qn__alloc_zero(&a, 10);
  assert_int_equal(p[9], 0);
  p = qn__resize(&a, p, 10, 100);
  assert_int_equal(p[9], 0);
  qn__free(&a, p, 100);
  qn__free(&a, NULL, 0);
  char *s = qn__strdup(&a, (qn_str){"ab\0c", 4});
  assert_memory_equal(s, "ab\0c", 5);
  qn__free(&a, s, 5);
  s = qn__strdup(&a, (qn_str){NULL, 0});
  assert_string_equal(s, "");
  qn__free(&a, s, 1);
  assert_true(failing_clean(&f));
  qn_allocator c = qn_allocator_default();
  p = qn__resize(&c, NULL, 0, 5);
  assert_non_null(p);
  assert_null(qn__resize(&c, p, 5, 0));
}

/* A hint: whatever of the block it can be taken for, contents and what lies around stay. */
static void test_large_pages(void **state) {
  (void)state;
  qn_allocator a = qn_allocator_default();
  const size_t size = 5 * (size_t)QN_LARGE_PAGE + 777;
  unsigned char *p = qn__alloc(&a, size);
  assert_non_null(p);
  memset(p, 1, size); /* handed out before, in small pages */
  qn__want_large_pages(p + 13, size - 13);
  qn__want_large_pages(p, size);
  for (size_t i = 0; i < size; i += 511) p[i] = (unsigned char)(i * 7);
  qn__want_large_pages(p + 1, 100); /* holds no large page: nothing happens */
  qn__want_large_pages(p, 0);
  for (size_t i = 0; i < size; i += 511) assert_int_equal(p[i], (unsigned char)(i * 7));
  qn__free(&a, p, size);
}

static void test_str(void **state) {
  (void)state;
  assert_int_equal(qn_str_of(NULL).size, 0);
  assert_true(qn_str_eq(qn_str_of("abc"), (qn_str){"abcd", 3}));
  assert_false(qn_str_eq(qn_str_of("abc"), qn_str_of("abd")));
  assert_false(qn_str_eq(qn_str_of("abc"), qn_str_of("ab")));
  assert_true(qn_str_eq((qn_str){NULL, 0}, qn_str_of("")));
}

static void test_vec(void **state) {
  (void)state;
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  QN_VEC(int) v = {0};
  for (int i = 0; i < 1000; i++) assert_true(qn__push(&a, &v, i));
  assert_int_equal(v.size, 1000);
  for (int i = 0; i < 1000; i++) assert_int_equal(v.data[i], i);
  assert_true(qn__reserve(&a, &v, 5000));
  assert_true(v.cap >= 6000);
  assert_false(qn__reserve(&a, &v, (size_t)UINT32_MAX));
  assert_int_equal(v.data[999], 999);
  qn__vec_free(&a, &v);
  assert_null(v.data);
  f.fail_at = f.calls;
  bool pushed = qn__push(&a, &v, 1);
  assert_false(pushed);
  assert_int_equal(v.size, 0);
  assert_true(failing_clean(&f));
}

static void test_arena(void **state) {
  (void)state;
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  qn_arena arena;
  qn__arena_init(&arena, &a);
  static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 5000, 100000, 3, 1 << 20};
  enum { N = 2000 };
  static unsigned char *blocks[N];
  for (size_t i = 0; i < N; i++) {
    size_t size = sizes[i % 8]; /* the large ones seldom */
    if (i % 500 == 499) size = sizes[9];
    blocks[i] = qn__arena_alloc(&arena, size);
    assert_non_null(blocks[i]);
    assert_int_equal((uintptr_t)blocks[i] % 16, 0);
    memset(blocks[i], (int)(i & 255), size);
  }
  for (size_t i = 0; i < N; i++) { /* nothing overlaps */
    size_t size = i % 500 == 499 ? sizes[9] : sizes[i % 8];
    for (size_t j = 0; j < size; j += 997) assert_int_equal(blocks[i][j], i & 255);
  }
  int *zeros = qn__arena_array(&arena, 100, sizeof(int));
  for (int i = 0; i < 100; i++) assert_int_equal(zeros[i], 0);
  assert_null(qn__arena_array(&arena, SIZE_MAX, 2));
  assert_null(qn__arena_alloc(&arena, SIZE_MAX));
  qn_str s = qn__arena_fmt(&arena, "%d-%s", 42, "x");
  assert_string_equal(s.data, "42-x");
  assert_int_equal(s.size, 4);
  s = qn__arena_str(&arena, (qn_str){NULL, 0});
  assert_string_equal(s.data, "");
  assert_memory_equal(qn__arena_copy(&arena, "abc", 4), "abc", 4);
  qn__arena_free(&arena);
  assert_true(failing_clean(&f));
  f.fail_at = f.calls;
  assert_null(qn__arena_alloc(&arena, 8));
  f.fail_at = f.calls;
  assert_null(qn__arena_str(&arena, qn_str_of("a")).data);
  f.fail_at = f.calls;
  assert_null(qn__arena_alloc(&arena, 100000));
  assert_non_null(qn__arena_alloc(&arena, 100000)); /* a large block first, then small ones */
  assert_non_null(qn__arena_alloc(&arena, 8));
  qn__arena_free(&arena);
  assert_true(failing_clean(&f));
}

/* The ids' own keys: id i stands for the number keys[i]. */
static bool key_equal(const void *owner, const void *key, uint32_t id) {
  return ((const uint64_t *)owner)[id] == *(const uint64_t *)key;
}

static void check_map(uint32_t (*hash)(uint64_t), uint32_t n) {
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  qn_map map = {0};
  uint64_t *keys = calloc(n + 1, sizeof *keys);
  for (uint32_t i = 1; i <= n; i++) {
    keys[i] = (uint64_t)i * 3;
    assert_int_equal(qn__map_find(&map, hash(keys[i]), key_equal, keys, &keys[i]), 0);
    assert_true(qn__map_add(&a, &map, hash(keys[i]), i));
  }
  assert_int_equal(map.count, n);
  for (uint32_t i = 1; i <= n; i += 2) qn__map_remove(&map, hash(keys[i]), i);
  qn__map_remove(&map, hash(keys[1]), 1); /* absent by now */
  for (uint32_t i = 1; i <= n; i++)
    assert_int_equal(qn__map_find(&map, hash(keys[i]), key_equal, keys, &keys[i]), i % 2 ? 0 : i);
  assert_int_equal(map.count, n / 2);
  qn__map_clear(&map);
  assert_int_equal(qn__map_find(&map, hash(keys[2]), key_equal, keys, &keys[2]), 0);
  assert_true(qn__map_add(&a, &map, hash(keys[2]), 2));
  assert_int_equal(qn__map_find(&map, hash(keys[2]), key_equal, keys, &keys[2]), 2);
  qn__map_free(&a, &map);
  free(keys);
  assert_true(failing_clean(&f));
}

static uint32_t hash_good(uint64_t k) {
  return qn__hash(&k, sizeof k, 7);
}
static uint32_t hash_same(uint64_t k) {
  return (uint32_t)(k & 0);
}
static uint32_t hash_few(uint64_t k) {
  return (uint32_t)(k % 13);
}
static uint32_t hash_step(uint64_t k) {
  return (uint32_t)k << 16;
}

static void test_map(void **state) {
  (void)state;
  check_map(hash_good, 100000);
  check_map(hash_step, 20000);
  check_map(hash_few, 1000);
  check_map(hash_same, 500);
}

static void test_map_memory(void **state) {
  (void)state;
  failing_alloc f;
  for (size_t n = 0; n < 12; n++) {
    qn_allocator a = failing_init(&f, n);
    qn_map map = {0};
    uint32_t added = 0;
    while (added < 10000 && qn__map_add(&a, &map, qn__hash_u64(added), added + 1)) added++;
    assert_int_equal(map.count, added);
    assert_true(f.fired == (added < 10000));
    qn__map_free(&a, &map);
    assert_true(failing_clean(&f));
  }
}

static void test_idmap(void **state) {
  (void)state;
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  qn_idmap map = {0};
  assert_int_equal(qn__idmap_get(&map, 0), 0);
  for (uint32_t i = 0; i < 50000; i++) assert_true(qn__idmap_set(&a, &map, (uint64_t)i << 20, i + 1));
  for (uint32_t i = 0; i < 50000; i++) assert_int_equal(qn__idmap_get(&map, (uint64_t)i << 20), i + 1);
  assert_int_equal(qn__idmap_get(&map, 1), 0);
  assert_true(qn__idmap_set(&a, &map, 0, 77));
  assert_int_equal(qn__idmap_get(&map, 0), 77);
  assert_int_equal(map.count, 50000);
  qn__idmap_free(&a, &map);
  f.fail_at = f.calls;
  assert_false(qn__idmap_set(&a, &map, 0, 1));
  assert_true(failing_clean(&f));
}

static int compare_u32(const void *a, const void *b) {
  uint32_t x, y;
  memcpy(&x, a, sizeof x);
  memcpy(&y, b, sizeof y);
  return x < y ? -1 : x > y;
}

static void test_hash(void **state) {
  (void)state;
  char data[64] = {0};
  /* Length, seed and every byte matter, at every length. */
  for (size_t n = 0; n < sizeof data; n++) {
    uint32_t h = qn__hash(data, n, 0);
    assert_int_equal(h, qn__hash(data, n, 0));
    assert_true(h != qn__hash(data, n + 1 <= sizeof data ? n + 1 : 0, 0));
    assert_true(h != qn__hash(data, n, 1));
    for (size_t i = 0; i < n; i++) {
      data[i] = 1;
      assert_true(h != qn__hash(data, n, 0));
      data[i] = 0;
    }
  }
  /* Names as a parser meets them: about as many collisions in 32 bits as chance gives (n^2 / 2^33 = 1.2). */
  enum { N = 100000 };
  uint32_t *all = calloc(N, sizeof *all);
  for (int i = 0; i < N; i++) {
    int n = snprintf(data, sizeof data, "%d", i);
    all[i] = qn__hash(data, (size_t)n, 0);
  }
  qsort(all, N, sizeof *all, compare_u32);
  int same = 0;
  for (int i = 1; i < N; i++) same += all[i] == all[i - 1];
  assert_true(same < 12);
  free(all);
}

static void test_buf(void **state) {
  (void)state;
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  qn_buf b;
  qn__buf_init(&b, &a);
  qn__buf_c(&b, "x");
  qn__buf_char(&b, '=');
  qn__buf_i64(&b, INT64_MIN);
  qn__buf_char(&b, ' ');
  qn__buf_u64(&b, UINT64_MAX);
  qn__buf_str(&b, qn_str_of(" y"));
  qn__buf_i64(&b, 0);
  qn__buf_str(&b, (qn_str){NULL, 0});
  qn__buf_fmt(&b, "|%5d|%s", 7, "z");
  assert_string_equal(b.data, "x=-9223372036854775808 18446744073709551615 y0|    7|z");
  size_t before = b.size;
  qn__buf_fmt(&b, "%300d", 1);
  assert_int_equal(b.size, before + 300);
  assert_int_equal(b.data[b.size - 1], '1');
  assert_true(qn__buf_finish(&b));
  f.fail_at = f.calls;
  for (int i = 0; i < 1000; i++) qn__buf_c(&b, "more");
  assert_true(b.failed);
  assert_false(qn__buf_finish(&b));
  qn__buf_free(&b);
  assert_true(failing_clean(&f));
}

typedef struct sink {
  uint64_t total;
  uint32_t sum, limit, calls;
} sink;

static bool sink_flush(void *user, const char *data, size_t size) {
  sink *s = user;
  s->total += size;
  s->calls++;
  for (size_t i = 0; i < size; i++) s->sum += (unsigned char)data[i];
  return s->calls <= s->limit;
}

static void test_buf_flush(void **state) {
  (void)state;
  failing_alloc f;
  qn_allocator a = failing_init(&f, SIZE_MAX);
  qn_buf b;
  sink s = {.limit = UINT32_MAX};
  qn__buf_init(&b, &a);
  b.flush = sink_flush;
  b.user = &s;
  uint64_t total = 0;
  for (int i = 0; i < 100000; i++) {
    qn__buf_c(&b, "0123456789");
    total += 10;
  }
  static char large[200000];
  memset(large, 1, sizeof large);
  qn__buf_put(&b, large, sizeof large);
  qn__buf_char(&b, 1);
  assert_true(qn__buf_finish(&b));
  assert_int_equal(s.total, total + sizeof large + 1);
  assert_int_equal(s.sum, 100000u * 525u + sizeof large + 1);
  assert_true(f.peak_bytes < 300000);
  qn__buf_free(&b);

  s = (sink){.limit = 1};
  qn__buf_init(&b, &a);
  b.flush = sink_flush;
  b.user = &s;
  for (int i = 0; i < 100000; i++) qn__buf_c(&b, "0123456789");
  assert_false(qn__buf_finish(&b));
  assert_int_equal(s.calls, 2);
  qn__buf_free(&b);
  assert_true(failing_clean(&f));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sizes),      cmocka_unit_test(test_alloc),     cmocka_unit_test(test_str),
      cmocka_unit_test(test_vec),        cmocka_unit_test(test_arena),     cmocka_unit_test(test_map),
      cmocka_unit_test(test_map_memory), cmocka_unit_test(test_idmap),     cmocka_unit_test(test_hash),
      cmocka_unit_test(test_buf),        cmocka_unit_test(test_buf_flush), cmocka_unit_test(test_large_pages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
