/* Bodies in pieces: functions that bodies have in common are compiled once, whoever asks first; what is loaded is
 * checked like any object. */
#include "program.h"
#include "program_test.h"
#include "units_impl.h"
#include <pthread.h>
#include <quern/quern.h>
#include <stdlib.h>
#include <string.h>

/* ---- the store ---- */

static qn_piece_state take(qn_pieces *p, const char *name, bool wait, qn_piece_object *out) {
  return p->store.take(p->store.user, name, wait, out);
}

static void give(qn_pieces *p, const char *name, const char *object) {
  p->store.give(p->store.user, 1, &name, object, object ? strlen(object) : 0);
}

static void a_piece_is_made_once(void **state) {
  (void)state;
  qn_pieces p;
  qn_piece_object o;
  qn__pieces_init(&p);
  assert_int_equal(take(&p, "a", false, &o), QN_PIECE_YOURS);
  assert_int_equal(take(&p, "a", false, &o), QN_PIECE_BUSY);
  assert_int_equal(take(&p, "b", false, &o), QN_PIECE_YOURS);
  give(&p, "a", "code");
  assert_int_equal(take(&p, "a", true, &o), QN_PIECE_KNOWN);
  assert_int_equal(o.size, 4);
  assert_memory_equal(o.data, "code", 4);
  give(&p, "b", NULL); /* it failed: the next one tries again */
  assert_int_equal(take(&p, "b", true, &o), QN_PIECE_YOURS);
  give(&p, "b", "more");
  assert_int_equal(take(&p, "b", false, &o), QN_PIECE_KNOWN);
  qn__pieces_destroy(&p);
}

static void *wait_for_it(void *user) {
  qn_piece_object o;
  return take(user, "a", true, &o) == QN_PIECE_KNOWN && o.size == 4 ? user : NULL;
}

static void who_waits_is_told(void **state) {
  (void)state;
  qn_pieces p;
  qn_piece_object o;
  pthread_t other[2];
  void *good;
  qn__pieces_init(&p);
  assert_int_equal(take(&p, "a", false, &o), QN_PIECE_YOURS);
  for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&other[i], NULL, wait_for_it, &p), 0);
  give(&p, "a", "code");
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pthread_join(other[i], &good), 0);
    assert_ptr_equal(good, &p);
  }
  qn__pieces_destroy(&p);
}

/* ---- bodies ---- */

enum { N = 64, K = 24, MOST_OBJECTS = 16 };

static const qn_body *tiles_of(const qn_program *p, uint32_t rows) {
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if (p->bodies[i].part == QN_PART_TILES && p->bodies[i].rows == rows) return &p->bodies[i];
  return NULL;
}

static qn_program *product(qn_context *ctx, qn_scalar y) {
  static int8_t weights[K * N];
  static float bias[N], scales[N];
  for (int i = 0; i < K * N; i++) weights[i] = (int8_t)(i * 31 % 251 - 125);
  for (int i = 0; i < N; i++) bias[i] = (float)i, scales[i] = 0.01f;
  qn_matmul_desc d = {.m = QN_DYNAMIC, .n = N, .k = K, .a = QN_UI8, .b = QN_I8, .y = y, .a_scale = 0.5f};
  qn_compile_options options = {.engine = "llvm", .cpu = "x86-64-v3"};
  d.y_scale = 0.5f, d.b_scales = scales, d.b_data = weights, d.bias = bias;
  return program_of_product(ctx, &d, &options);
}

typedef struct parts {
  qn_buf code;
  uint32_t count;
  qn_str objects[MOST_OBJECTS];
} parts;

/* The code of a body, and the objects in it. */
static void make_with(qn_context *ctx, const qn_program *p, uint32_t rows, uint32_t spare, parts *out) {
  const qn_body *body = tiles_of(p, rows);
  qn_unit_origin origin = QN_UNIT_COMPILED;
  qn_pieces_head head;
  assert_non_null(body);
  qn__buf_init(&out->code, qn_context_allocator(ctx));
  assert_int_equal(qn__body_object(p->units, ctx, body, spare, &out->code, &origin), QN_OK);
  assert_true(out->code.size > sizeof head);
  memcpy(&head, out->code.data, sizeof head);
  assert_memory_equal(head.magic, QN_PIECES_MAGIC, sizeof head.magic);
  assert_in_range(head.count, 2, MOST_OBJECTS);
  out->count = (uint32_t)head.count;
  size_t at = sizeof head + out->count * sizeof(uint64_t);
  for (uint32_t i = 0; i < out->count; i++) {
    uint64_t size;
    memcpy(&size, out->code.data + sizeof head + i * sizeof size, sizeof size);
    out->objects[i] = (qn_str){out->code.data + at, (size_t)size};
    at += ((size_t)size + 7) / 8 * 8;
    assert_true(at <= out->code.size);
  }
}

static void make(qn_context *ctx, const qn_program *p, uint32_t rows, parts *out) {
  make_with(ctx, p, rows, 0, out);
}

static bool shares(const parts *a, const parts *b) {
  for (uint32_t i = 0; i < a->count; i++)
    for (uint32_t j = 0; j < b->count; j++)
      if (a->objects[i].size == b->objects[j].size &&
          !memcmp(a->objects[i].data, b->objects[j].data, a->objects[i].size))
        return true;
  return false;
}

static void heights_share_an_epilogue(void **state) {
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p = product(ctx, QN_UI8), *other = product(ctx, QN_F32);
  parts tall, low, unlike;
  make(ctx, p, 4, &tall);
  make(ctx, p, 3, &low);
  assert_true(shares(&tall, &low));
  size_t before = p->units->pieces.bytes;
  parts again;
  make(ctx, p, 3, &again);
  assert_int_equal(p->units->pieces.bytes, before); /* nothing was compiled */
  assert_int_equal(again.code.size, low.code.size);
  make(ctx, other, 1, &unlike);
  assert_false(shares(&tall, &unlike));
  qn__buf_free(&tall.code), qn__buf_free(&low.code), qn__buf_free(&again.code), qn__buf_free(&unlike.code);
  qn_program_destroy(p);
  qn_program_destroy(other);
  qn_context_destroy(ctx);
}

/* A second thread makes some of the pieces: objects are others, functions the same. */
static void two_threads_make_the_same(void **state) {
  (void)state;
  qn_context *contexts[2];
  qn_program *programs[2];
  parts made[2];
  qn_pieces_head heads[2];
  for (uint32_t i = 0; i < 2; i++) {
    contexts[i] = qn_context_create(NULL);
    programs[i] = product(contexts[i], QN_UI8);
    make_with(contexts[i], programs[i], 4, i, &made[i]);
    memcpy(&heads[i], made[i].code.data, sizeof heads[i]);
    qn_code *code = NULL;
    const qn_body *body = tiles_of(programs[i], 4);
    assert_int_equal(qn__object_load(contexts[i], made[i].code.data, made[i].code.size, 1, body, &code), QN_OK);
    code->destroy(code);
  }
  assert_string_equal(heads[0].entry, heads[1].entry);
  assert_true(made[1].count > made[0].count);
  for (uint32_t i = 0; i < 2; i++) {
    qn__buf_free(&made[i].code);
    qn_program_destroy(programs[i]);
    qn_context_destroy(contexts[i]);
  }
}

/* Columns that cannot be packed, since their multipliers are large, are left to a function of their own where a
 * panel's columns are all there. */
static void run_product(const char *engine, int64_t n, const float *scales, uint8_t *y) {
  enum { M = 13, DEEP = 1024, MOST_N = 256 };
  static int8_t weights[DEEP * MOST_N];
  static uint8_t left[M * DEEP];
  static float bias[MOST_N];
  for (int i = 0; i < DEEP * MOST_N; i++) weights[i] = (int8_t)(i * 37 % 253 - 126);
  for (int i = 0; i < M * DEEP; i++) left[i] = (uint8_t)(i * 29 >> 3);
  for (int i = 0; i < MOST_N; i++) bias[i] = (float)(i - 60);
  qn_context *ctx = qn_context_create(NULL);
  qn_matmul_desc d = {.m = M, .n = n, .k = DEEP, .a = QN_UI8, .b = QN_I8, .y = QN_UI8, .a_scale = 0.5f};
  qn_compile_options options = {.engine = engine};
  d.y_scale = 0.5f, d.y_zero_point = 3, d.b_scales = scales, d.b_data = weights, d.bias = bias;
  qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {M, DEEP}, .data = left}, out;
  qn_program *p = program_of_product(ctx, &d, &options);
  assert_int_equal(qn_program_run(p, &in, &out, NULL), QN_OK);
  memcpy(y, out.data, (size_t)(M * n));
  qn_tensor_free(ctx, &out);
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

static void large_multipliers_give_the_same_bits(void **state) {
  (void)state;
  static float scales[256];
  static uint8_t expected[13 * 256], y[13 * 256];
  for (int bad = -1; bad < 256; bad += 37) {
    for (int64_t n = 192; n <= 256; n += 32) {
      for (int i = 0; i < 256; i++) scales[i] = i == bad ? 1e6f : 0.0001f * (float)(1 + i % 7);
      run_product("interp", n, scales, expected);
      run_product("llvm", n, scales, y);
      assert_memory_equal(y, expected, (size_t)(13 * n));
    }
  }
}

/* Seven columns are multiplied along K, which is cut: their sums wait between pieces, rows next to each other. */
static void long_sums_of_few_columns(void **state) {
  enum { M = 9, FEW = 7, LONG = 7800 };
  static int8_t weights[LONG * FEW];
  static uint8_t left[M * LONG];
  static float scales[FEW];
  qn_tensor out[2];
  (void)state;
  for (int i = 0; i < LONG * FEW; i++) weights[i] = (int8_t)(i * 37 % 253 - 126);
  for (int i = 0; i < M * LONG; i++) left[i] = (uint8_t)(i * 29 >> 3);
  for (int i = 0; i < FEW; i++) scales[i] = 0.01f;
  qn_context *ctx = qn_context_create(NULL);
  qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {M, LONG}, .data = left};
  qn_matmul_desc d = {.m = M, .n = FEW, .k = LONG, .a = QN_UI8, .b = QN_I8, .y = QN_I32, .a_scale = 0.5f};
  d.b_scales = scales, d.b_data = weights;
  for (int i = 0; i < 2; i++) {
    qn_compile_options options = {.engine = i ? "interp" : "llvm"};
    qn_program *p = program_of_product(ctx, &d, &options);
    assert_int_equal(qn_program_run(p, &in, &out[i], NULL), QN_OK);
    qn_program_destroy(p);
  }
  assert_memory_equal(out[0].data, out[1].data, M * FEW * sizeof(int32_t));
  qn_tensor_free(ctx, &out[0]);
  qn_tensor_free(ctx, &out[1]);
  qn_context_destroy(ctx);
}

/* ---- damage ---- */

static uint32_t told;
static void count_errors(void *user, const qn_diag *d) {
  (void)user;
  told += d->severity == QN_ERROR;
}

static void try_load(qn_context *ctx, const qn_body *body, const char *data, size_t size) {
  qn_code *code = NULL;
  told = 0;
  qn_status status = qn__object_load(ctx, data, size, 1, body, &code);
  assert_int_equal(status != QN_OK, told);
  if (status == QN_OK) code->destroy(code);
}

static void every_damage_is_survived(void **state) {
  (void)state;
  qn_context_options options = {.on_diag = count_errors};
  qn_context *ctx = qn_context_create(&options);
  qn_program *p = product(ctx, QN_UI8);
  const qn_body *body = tiles_of(p, 2);
  parts whole;
  make(ctx, p, 2, &whole);
  size_t n = whole.code.size;
  char *data = malloc(n);
  assert_non_null(data);
  memcpy(data, whole.code.data, n);
  try_load(ctx, body, data, n);
  assert_int_equal(told, 0);
  for (size_t cut = 0; cut < n; cut += 1 + cut / 40) {
    char *part = malloc(cut ? cut : 1); /* of its own, so that reading past the end is seen */
    assert_non_null(part);
    memcpy(part, data, cut);
    try_load(ctx, body, part, cut);
    if (cut < sizeof(qn_pieces_head)) assert_int_equal(told, 1);
    free(part);
  }
  for (size_t i = 0; i < n; i++) {
    static const char changes[] = {1, (char)0x80, (char)0xFF};
    for (size_t c = 0; c < sizeof changes; c++) {
      data[i] = (char)(data[i] ^ changes[c]);
      try_load(ctx, body, data, n);
      data[i] = (char)(data[i] ^ changes[c]);
    }
  }
  free(data);
  qn__buf_free(&whole.code);
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_piece_is_made_once),
    cmocka_unit_test(who_waits_is_told),
    cmocka_unit_test(large_multipliers_give_the_same_bits),
    cmocka_unit_test(long_sums_of_few_columns),
#if defined(__x86_64__)
    cmocka_unit_test(heights_share_an_epilogue),
    cmocka_unit_test(two_threads_make_the_same),
    cmocka_unit_test(every_damage_is_survived),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
