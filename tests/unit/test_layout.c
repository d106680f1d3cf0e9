/* Packed layouts: names, the index formula, packing there and back. */
#include "ir_test.h"
#include "layout.h"

static qn_layout parse(const char *name) {
  qn_layout l;
  assert_true(qn_layout_parse(qn_str_of(name), &l));
  return l;
}

static void test_names(void **state) {
  (void)state;
  assert_true(parse("plain").plain);
  qn_layout l = parse("k4n64");
  assert_false(l.plain);
  assert_int_equal(l.k_block, 4);
  assert_int_equal(l.panel_width, 64);
  l = parse("k1n4096");
  assert_int_equal(l.panel_width, 4096);
  static const char *const bad[] = {"",       "k",       "k4",      "n64",        "k4n",       "k0n64",
                                    "k4n0",   "k3n64",   "k04n64",  "k4n064",     "k4n64x",    " k4n64",
                                    "k128n8", "k4n4097", "k-4n64",  "Plain",      "plain ",    "k4294967300n64",
                                    "k4n64z", "k4n64z0", "k4n64z6", "k4n64z4100", "k4n64s2z8", "k4n64z8s2"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    qn_layout out;
    if (qn_layout_parse(qn_str_of(bad[i]), &out)) fail_msg("'%s' was read as a layout", bad[i]);
  }
}

static void test_sizes(void **state) {
  (void)state;
  qn_layout plain = parse("plain"), k4 = parse("k4n64"), k1 = parse("k1n8");
  assert_int_equal(qn_layout_bytes(&plain, 4, 3, 5), 60);
  assert_int_equal(qn_layout_bytes(&k4, 1, 1, 1), 256);
  assert_int_equal(qn_layout_bytes(&k4, 1, 4, 64), 256);
  assert_int_equal(qn_layout_bytes(&k4, 1, 5, 65), 8 * 128);
  assert_int_equal(qn_layout_bytes(&k1, 4, 3, 9), 3 * 16 * 4);
  assert_int_equal(qn_layout_bytes(&k4, 1, 0, 64), 0);
  assert_int_equal(qn_layout_bytes(&k4, 1, 64, 0), 0);
  assert_true(qn_layout_bytes(&k4, 1, -1, 64) == SIZE_MAX);
  assert_true(qn_layout_bytes(&k4, 8, INT64_MAX, INT64_MAX) == SIZE_MAX);
  assert_true(qn_layout_bytes(&k4, 1, INT64_MAX, 1) == SIZE_MAX);
}

/* The formula, written out once more for one example. */
static void test_index(void **state) {
  (void)state;
  qn_layout l = parse("k4n8");
  assert_int_equal(qn__layout_index(&l, 6, 20, 0, 0), 0);
  assert_int_equal(qn__layout_index(&l, 6, 20, 3, 0), 3);
  assert_int_equal(qn__layout_index(&l, 6, 20, 0, 1), 4);
  assert_int_equal(qn__layout_index(&l, 6, 20, 4, 0), 32);
  assert_int_equal(qn__layout_index(&l, 6, 20, 5, 7), 32 + 28 + 1);
  assert_int_equal(qn__layout_index(&l, 6, 20, 5, 8), 64 + 32 + 1);
  qn_layout plain = parse("plain");
  assert_int_equal(qn__layout_index(&plain, 6, 20, 5, 8), 108);
}

static void check_round_trip(const qn_layout *l, size_t elem, int64_t k_size, int64_t n_size, bool transposed) {
  size_t count = (size_t)(k_size * n_size), bytes = qn_layout_bytes(l, elem, k_size, n_size);
  unsigned char *src = malloc(count * elem + 1), *packed = malloc(bytes + 1), *back = malloc(count * elem + 1);
  bool *used = calloc(bytes / elem + 1, sizeof *used);
  assert_non_null(src);
  assert_non_null(packed);
  assert_non_null(back);
  assert_non_null(used);
  for (size_t i = 0; i < count * elem; i++) src[i] = (unsigned char)(1 + rand() % 255); /* never the padding's zero */
  memset(packed, 0xEE, bytes + 1);
  qn_layout_pack(l, elem, k_size, n_size, src, transposed, packed);
  assert_int_equal(packed[bytes], 0xEE);
  for (int64_t k = 0; k < k_size; k++)
    for (int64_t n = 0; n < n_size; n++) {
      size_t at = qn__layout_index(l, k_size, n_size, k, n);
      assert_true((at + 1) * elem <= bytes);
      assert_false(used[at]);
      used[at] = true;
      size_t from = (size_t)(transposed ? n * k_size + k : k * n_size + n);
      assert_memory_equal(packed + at * elem, src + from * elem, elem);
    }
  for (size_t i = 0; i < bytes / elem; i++)
    for (size_t b = 0; !used[i] && b < elem; b++) assert_int_equal(packed[i * elem + b], 0);
  qn__layout_unpack(l, elem, k_size, n_size, packed, transposed, back);
  assert_memory_equal(src, back, count * elem);
  free(src);
  free(packed);
  free(back);
  free(used);
}

static void test_round_trips(void **state) {
  (void)state;
  static const char *const names[] = {"plain", "k4n64", "k2n32", "k1n64", "k4n8", "k1n1", "k8n3", "k64n5"};
  static const size_t elems[] = {1, 2, 4, 8};
  srand(7);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    qn_layout l = parse(names[i]);
    for (int round = 0; round < 40; round++)
      check_round_trip(&l, elems[rand() % 4], rand() % 70, rand() % 140, round & 1);
    check_round_trip(&l, 1, 64, 128, false);
    check_round_trip(&l, 1, 1, 1, true);
  }
}

/* Granules of which about a half is zero, there and back; what names granules that are not there is told. */
static void test_granules(void **state) {
  (void)state;
  static const char *const names[] = {"k4n8z16", "k2n4z2", "k1n5z3", "k4n64z32"};
  srand(11);
  for (int round = 0; round < 60; round++) {
    qn_layout l = parse(names[round % 4]), dense = l;
    dense.granule = 0;
    size_t elem = (size_t)1 << rand() % 3;
    int64_t k = (int64_t)(rand() % 6) * l.granule, n = rand() % 140, panels = (n + l.panel_width - 1) / l.panel_width;
    size_t bytes = qn_layout_bytes(&dense, elem, k, n), one = l.granule * l.panel_width * elem;
    assert_true(qn_layout_bytes(&l, elem, k, n) == SIZE_MAX);
    unsigned char *packed = calloc(1, bytes + 1), *back = malloc(bytes + 1);
    assert_non_null(packed);
    assert_non_null(back);
    uint64_t kept = 0;
    for (size_t i = 0; i < bytes / one; i++)
      if (rand() % 2) packed[i * one + (size_t)rand() % one] = 9, kept++;
    assert_int_equal(qn_layout_count_granules(&l, elem, k, n, packed), kept);
    size_t size = qn_layout_granules_bytes(&l, elem, n, kept);
    unsigned char *compact = malloc(size + 1);
    assert_non_null(compact);
    compact[size] = 0xEE;
    qn_layout_compact(&l, elem, k, n, packed, size, compact);
    assert_int_equal(compact[size], 0xEE);
    qn_granules g;
    assert_true(qn_layout_granules(&l, elem, k, n, size, &g));
    assert_int_equal(g.count, kept);
    assert_int_equal(g.panels, panels);
    assert_true(qn_layout_granules_valid(&l, k, &g, compact));
    memset(back, 0xEE, bytes + 1);
    qn_layout_expand(&l, elem, k, n, compact, size, back);
    assert_memory_equal(packed, back, bytes);
    assert_int_equal(back[bytes], 0xEE);
    assert_false(qn_layout_granules(&l, elem, k + 1, n, size, &g) && l.granule > 1);
    for (size_t odd = 1; odd < 4; odd++) assert_false(qn_layout_granules(&l, elem, k, n, size + odd, &g));
    if (kept && panels) {
      uint32_t far = (uint32_t)k;
      memcpy(compact + (size_t)(panels + 1) * 4, &far, 4); /* the first granule begins where K ends */
      assert_false(qn_layout_granules_valid(&l, k, &g, compact));
      far = (uint32_t)kept + 1;
      memcpy(compact + (size_t)panels * 4, &far, 4); /* more granules than there are */
      assert_false(qn_layout_granules_valid(&l, k, &g, compact));
    }
    free(packed);
    free(back);
    free(compact);
  }
  qn_layout l = parse("k4n8z16");
  qn_granules g;
  assert_false(qn_layout_granules(&l, 1, INT64_MAX - 15, 8, 128, &g));
  assert_false(qn_layout_granules(&l, 1, 16, INT64_MAX, 128, &g));
  assert_false(qn_layout_granules(&l, 1, 16, 8, 0, &g));
  assert_true(qn_layout_granules_bytes(&l, 8, INT64_MAX, 1) == SIZE_MAX);
}

/* Which bytes have been read for good is told in order, each once, while others are still to be read. */
typedef struct told {
  const char *next, *end;
  uint32_t times;
} told;

static void keep_told(void *user, const void *data, size_t size) {
  told *t = user;
  assert_ptr_equal(data, t->next);
  assert_true(size > 0 && size <= (size_t)(t->end - t->next));
  t->next += size;
  t->times++;
}

static void test_told(void **state) {
  (void)state;
  static const char *const names[] = {"k4n64", "k1n16", "k4n64s3"};
  enum { K = 3003, N = 5001 };
  char *src = malloc((size_t)K * N), *packed = malloc((size_t)(K + 12) * (N + 64)),
       *same = malloc((size_t)(K + 12) * (N + 64));
  assert_true(src && packed && same);
  for (size_t i = 0; i < (size_t)K * N; i++) src[i] = (char)(i * 7919 >> 3);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (int transposed = 0; transposed < 2; transposed++) {
      qn_layout l = parse(names[i]);
      told t = {src, src + (size_t)K * N, 0};
      size_t bytes = qn_layout_bytes(&l, 1, K, N);
      assert_true(bytes <= (size_t)(K + 12) * (N + 64));
      qn_layout_pack_passing(&l, 1, K, N, src, transposed, packed, keep_told, &t);
      assert_ptr_equal(t.next, t.end);
      assert_true(t.times > 2);
      qn_layout_pack(&l, 1, K, N, src, transposed, same);
      assert_memory_equal(packed, same, bytes);
    }
  free(src), free(packed), free(same);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names),       cmocka_unit_test(test_sizes),    cmocka_unit_test(test_index),
      cmocka_unit_test(test_round_trips), cmocka_unit_test(test_granules), cmocka_unit_test(test_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
