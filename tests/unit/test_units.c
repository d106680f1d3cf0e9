/* Bodies are compiled when a call first needs them, by one thread of those that do, and shared by the programs of a
 * context; calls whose sizes are known from the start and calls whose sizes are open give the same results. */
#include "program.h"
#include "program_test.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 37, K = 21, MOST = 40 };

static int8_t weights[K * N];
static uint8_t left[MOST * K];
static int32_t expected[MOST * N];

static int set_up(void **state) {
  (void)state;
  bytes_fill(left, sizeof left, weights, sizeof weights);
  bytes_expect(expected, left, weights, MOST, N, K);
  return 0;
}

static qn_program *product(qn_context *ctx, int64_t m, qn_compile_options options) {
  qn_program *p = bytes_program(ctx, m, N, K, weights, &options);
  assert_non_null(p);
  return p;
}

typedef struct tensors {
  bytes_tensors of;
  int32_t y[MOST * N];
  char workspace[1 << 14];
} tensors;

static void make_tensors(tensors *t, int64_t m) {
  bytes_describe(&t->of, m, N, K, left, t->y);
}

static bool call_with(const qn_program *p, int64_t m, const qn_parallel *parallel) {
  tensors *t = malloc(sizeof *t);
  if (!t) return false;
  make_tensors(t, m);
  memset(t->y, 0x5A, sizeof t->y);
  bool ok = qn_program_call(p, &t->of.in, &t->of.out, t->workspace, sizeof t->workspace, parallel, NULL) == QN_OK &&
            !memcmp(t->y, expected, (size_t)m * N * sizeof *t->y);
  free(t);
  return ok;
}

static bool compiled(const char *engine) {
  return strcmp(engine, "interp") != 0;
}

static uint32_t count(const qn_program *p, qn_unit_state state) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < p->num_bodies; i++) n += qn__unit_state(p->tiers[i].best) == state;
  return n;
}

static void bodies_come_when_needed(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e)});
    uint32_t tallest = p->steps[0].plan->u.gemm.rows, tiles = 0;
    for (uint32_t i = 0; i < p->num_bodies; i++) tiles += p->bodies[i].part == QN_PART_TILES;
    assert_true(tiles >= tallest);
    assert_int_equal(count(p, QN_UNIT_IDLE), tiles);
    assert_true(call_with(p, 1, NULL));
    uint32_t after_one = count(p, QN_UNIT_IDLE);
    assert_int_equal(after_one, tiles - 1);
    assert_true(call_with(p, 1, NULL));
    assert_int_equal(count(p, QN_UNIT_IDLE), after_one);
    size_t bytes = qn_program_code_bytes(p);
    tensors *t = malloc(sizeof *t);
    assert_non_null(t);
    make_tensors(t, 2); /* asked for beforehand: the call adds nothing */
    assert_int_equal(qn_program_prepare(p, &t->of.in, NULL), QN_OK);
    uint32_t after_two = count(p, QN_UNIT_IDLE);
    assert_true(after_two < after_one && qn_program_code_bytes(p) > bytes);
    assert_true(call_with(p, 2, NULL));
    assert_int_equal(count(p, QN_UNIT_IDLE), after_two);
    qn_call_error error;
    t->of.in_shape[1] = K + 1;
    assert_int_equal(qn_program_prepare(p, &t->of.in, &error), QN_ERR_INPUT);
    assert_true(strstr(error.message, "22"));
    free(t);
    assert_int_equal(qn_program_prepare(p, NULL, NULL), QN_OK);
    assert_int_equal(count(p, QN_UNIT_DONE), p->num_bodies);
    for (int m = 0; m <= MOST; m++) assert_true(call_with(p, m, NULL));
    qn_program *eager = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e), .eager = true});
    assert_int_equal(count(eager, QN_UNIT_DONE), eager->num_bodies);
    qn_program_destroy(eager);
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

static void known_sizes_are_ready(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++)
    for (uint32_t threads = 0; threads < 3; threads++) {
      qn_context *ctx = qn_context_create(NULL);
      qn_program *p = product(ctx, 13, (qn_compile_options){.engine = qn_engine_name(e), .threads = threads});
      assert_non_null(p->frozen);
      uint32_t idle = count(p, QN_UNIT_IDLE);
      assert_true(idle > 0 && count(p, QN_UNIT_DONE) > 0);
      assert_true(call_with(p, 13, NULL));
      assert_int_equal(count(p, QN_UNIT_IDLE), idle);
      qn_program_destroy(p);
      qn_context_destroy(ctx);
    }
}

static void programs_share_bodies(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_compile_options options = {.engine = qn_engine_name(e)};
    qn_program *a = product(ctx, QN_DYNAMIC, options);
    assert_true(call_with(a, 3, NULL));
    uint32_t done = count(a, QN_UNIT_DONE);
    qn_program *b = product(ctx, QN_DYNAMIC, options);
    assert_int_equal(a->num_bodies, b->num_bodies);
    assert_int_equal(count(b, QN_UNIT_DONE), done);
    for (uint32_t i = 0; i < a->num_bodies; i++) assert_ptr_equal(a->tiers[i].best, b->tiers[i].best);
    qn_program_destroy(a); /* the second needs plans that were made for the first */
    for (int m = 0; m <= MOST; m++) assert_true(call_with(b, m, NULL));
    qn_program_destroy(b);
    qn_context_destroy(ctx);
  }
}

static void failure_is_a_call_error(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e)});
    for (uint32_t i = 0; i < p->num_bodies; i++) { /* bodies that no code generator can make */
      if (p->bodies[i].part != QN_PART_TILES) continue;
      p->tiers[i].best->body.part = QN_PART_MAIN;
      memcpy(p->tiers[i].best->body.symbol, "1 is no name", 13);
    }
    tensors *t = malloc(sizeof *t);
    assert_non_null(t);
    make_tensors(t, 4);
    for (int round = 0; round < 2; round++) {
      qn_call_error error = {.message = ""};
      assert_int_not_equal(qn_program_call(p, &t->of.in, &t->of.out, t->workspace, sizeof t->workspace, NULL, &error),
                           QN_OK);
      assert_true(strstr(error.message, "cannot be compiled"));
      assert_true(strstr(error.message, "kern.gemm"));
    }
    free(t);
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

/* ---- threads ---- */

static void *all_sizes(void *arg) {
  for (int m = MOST; m > 0; m -= 3)
    if (!call_with(arg, m, NULL)) return (void *)"a call gave another result";
  return NULL;
}

static void threads_need_the_same_body(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e)});
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, all_sizes, p), 0);
    for (int i = 0; i < 4; i++) {
      void *problem;
      pthread_join(threads[i], &problem);
      if (problem) fail_msg("%s: %s", qn_engine_name(e), (const char *)problem);
    }
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

/* ---- parallel-for in every order ---- */

static void backwards(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  while (n-- > 0) task(arg, n);
}

typedef struct one_task {
  void (*task)(void *, size_t);
  void *arg;
  size_t i;
} one_task;

static void *run_one(void *arg) {
  one_task *t = arg;
  t->task(t->arg, t->i);
  return NULL;
}

static void all_at_once(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  pthread_t ids[64];
  one_task tasks[64];
  assert_true(n <= 64);
  for (size_t i = 0; i < n; i++) {
    tasks[i] = (one_task){task, arg, i};
    assert_int_equal(pthread_create(&ids[i], NULL, run_one, &tasks[i]), 0);
  }
  for (size_t i = 0; i < n; i++) pthread_join(ids[i], NULL);
}

static void any_order_will_do(void **state) {
  (void)state;
  static const qn_parallel ways[] = {{backwards, NULL, 2, 1}, {backwards, NULL, 9, 1}, {all_at_once, NULL, 5, 1}};
  for (size_t e = 0; compiled(qn_engine_name(e)); e++)
    for (int sizes_known = 0; sizes_known < 2; sizes_known++) {
      qn_context *ctx = qn_context_create(NULL);
      qn_program *p = product(ctx, sizes_known ? 33 : QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e)});
      for (size_t w = 0; w < 3; w++) assert_true(call_with(p, 33, &ways[w]));
      qn_program_destroy(p);
      qn_context_destroy(ctx);
    }
}

/* ---- what calls refuse ---- */

static void expect_refusal(const qn_program *p, tensors *t, void *workspace, size_t bytes, const char *word) {
  qn_call_error error = {.message = ""};
  assert_int_equal(qn_program_call(p, &t->of.in, &t->of.out, workspace, bytes, NULL, &error), QN_ERR_INPUT);
  if (!strstr(error.message, word)) fail_msg("'%s' does not say '%s'", error.message, word);
}

static void calls_refuse(const qn_program *p, int64_t m) {
  tensors *t = malloc(sizeof *t);
  assert_non_null(t);
  size_t bytes = 0;
  make_tensors(t, m);
  assert_int_equal(qn_program_sizes(p, &t->of.in, &bytes, NULL, NULL), QN_OK);
  for (size_t skip = 0; skip < 65; skip += 7) { /* the workspace may lie anywhere; a little less is too little */
    assert_true(bytes + skip <= sizeof t->workspace);
    char *w = t->workspace + skip;
    assert_int_equal(qn_program_call(p, &t->of.in, &t->of.out, w, bytes, NULL, NULL), QN_OK);
    assert_memory_equal(t->y, expected, (size_t)m * N * sizeof *t->y);
  }
  if (bytes) {
    char *aligned = (char *)(((uintptr_t)t->workspace + 63) & ~(uintptr_t)63);
    expect_refusal(p, t, aligned, bytes - 65, "workspace");
    expect_refusal(p, t, NULL, bytes, "workspace");
  }
  int64_t strides[2] = {N + 1, 1}, huge[2] = {INT64_MAX, INT64_MAX}, good[2] = {N, 1};
  t->of.out.strides = strides;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "strides");
  t->of.out.strides = huge;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "strides");
  t->of.out.strides = good;
  assert_int_equal(qn_program_call(p, &t->of.in, &t->of.out, t->workspace, sizeof t->workspace, NULL, NULL), QN_OK);
  t->of.out.strides = NULL;
  t->of.out.data = t->workspace;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "overlaps");
  t->of.out.data = left + 1;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "overlaps");
  t->of.out.data = NULL;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "data");
  t->of.out.data = t->y;
  t->of.out.dtype.bits = 16;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "type");
  t->of.out.dtype.bits = 32;
  t->of.in_shape[1] = K - 1;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "size");
  t->of.in_shape[1] = -K;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "negative");
  t->of.in_shape[1] = K;
  t->of.in.ndim = 1;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "rank");
  t->of.in.ndim = 2;
  t->of.in.device.device_type = kDLCUDA;
  expect_refusal(p, t, t->workspace, sizeof t->workspace, "device");
  free(t);
}

static void both_paths_refuse(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *open = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e)});
    qn_program *known = product(ctx, 7, (qn_compile_options){.engine = qn_engine_name(e)});
    assert_null(open->frozen);
    assert_non_null(known->frozen);
    calls_refuse(open, 7);
    calls_refuse(known, 7);
    qn_program_destroy(open);
    qn_program_destroy(known);
    qn_context_destroy(ctx);
  }
}

/* Elements at any address. */
static void misaligned_is_fine(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++)
    for (int sizes_known = 0; sizes_known < 2; sizes_known++) {
      qn_context *ctx = qn_context_create(NULL);
      qn_program *p = product(ctx, sizes_known ? 9 : QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e)});
      tensors *t = malloc(sizeof *t);
      char *room = malloc(9 * N * 4 + 8);
      uint8_t *in = malloc(9 * K + 8);
      assert_true(t && room && in);
      for (size_t off = 0; off < 8; off++) {
        make_tensors(t, 9);
        memcpy(in + off, left, 9 * K);
        t->of.in.data = in, t->of.in.byte_offset = off;
        t->of.out.data = room, t->of.out.byte_offset = off;
        assert_int_equal(qn_program_call(p, &t->of.in, &t->of.out, t->workspace, sizeof t->workspace, NULL, NULL),
                         QN_OK);
        assert_memory_equal(room + off, expected, 9 * N * 4);
      }
      free(t), free(room), free(in);
      qn_program_destroy(p);
      qn_context_destroy(ctx);
    }
}

/* ---- two tiers ---- */

static bool both_built_in(void) {
  bool llvm = false, tcc = false;
  for (size_t i = 0; qn_engine_name(i); i++) {
    llvm |= !strcmp(qn_engine_name(i), "llvm");
    tcc |= !strcmp(qn_engine_name(i), "tcc");
  }
  return llvm && tcc;
}

static const char *const automatic[] = {NULL, "auto"};

/* Called from the start by three threads, while the better code arrives. */
static void the_better_code_takes_over(void **state) {
  (void)state;
  if (!both_built_in()) skip();
  for (int sizes_known = 0; sizes_known < 2; sizes_known++)
    for (int round = 0; round < 4; round++) {
      qn_context *ctx = qn_context_create(NULL);
      qn_program *p = product(ctx, sizes_known ? 40 : QN_DYNAMIC,
                              (qn_compile_options){.engine = automatic[round % 2], .threads = (uint32_t)round});
      assert_true(p->tiered);
      pthread_t threads[3];
      for (int i = 0; i < 3 && !sizes_known; i++) assert_int_equal(pthread_create(&threads[i], NULL, all_sizes, p), 0);
      for (int i = 0; i < 3 && !sizes_known; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        assert_null(problem);
      }
      assert_true(call_with(p, 40, NULL));
      assert_int_equal(qn_program_prepare(p, NULL, NULL), QN_OK);
      assert_string_equal(qn_program_engine(p), "llvm");
      assert_int_equal(count(p, QN_UNIT_DONE), p->num_bodies);
      assert_true(call_with(p, 40, NULL));
      qn_program_destroy(p);
      qn_context_destroy(ctx);
    }
}

/* Calls that have code made get along with a small stack. */
static void small_stacks_will_do(void **state) {
  (void)state;
  for (size_t e = 0; compiled(qn_engine_name(e)); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = qn_engine_name(e)});
    pthread_attr_t attr;
    pthread_t id;
    void *problem;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 256 << 10), 0);
    assert_int_equal(pthread_create(&id, &attr, all_sizes, p), 0);
    pthread_join(id, &problem);
    assert_null(problem);
    pthread_attr_destroy(&attr);
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

static void the_quick_code_answers(void **state) {
  (void)state;
  if (!both_built_in()) skip();
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p = product(ctx, 40, (qn_compile_options){.threads = 1});
  uint32_t quick = 0, wanted = 0;
  for (uint32_t i = 0; i < p->num_bodies; i++) {
    quick += qn__unit_state(p->tiers[i].quick) == QN_UNIT_DONE;
    wanted += qn__unit_state(p->tiers[i].best) != QN_UNIT_IDLE;
  }
  assert_true(quick > 0);
  assert_int_equal(quick, wanted);
  assert_true(call_with(p, 40, NULL));
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

/* Work that quick code would take long for waits. 2048 x 1024 x 1024 is some seconds of it. */
static void long_work_waits(void **state) {
  (void)state;
  if (!both_built_in()) skip();
  enum { SIDE = 1024 };
  static int8_t w[SIDE * SIDE];
  float scale = 1;
  qn_matmul_desc d = {.m = 2 * SIDE, .n = SIDE, .k = SIDE, .a = QN_UI8, .b = QN_I8, .y = QN_I32, .a_scale = 1};
  d.b_scales = &scale, d.b_per_tensor = true, d.b_data = w;
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p;
  assert_int_equal(qn_kernel_matmul(ctx, &d, NULL, &p), QN_OK);
  for (uint32_t i = 0; i < p->num_bodies; i++) {
    assert_int_equal(qn__unit_state(p->tiers[i].quick), QN_UNIT_IDLE);
    if (qn__unit_state(p->tiers[i].best) == QN_UNIT_IDLE) continue;
    assert_int_equal(qn__need_code(p, i, p->frozen->most, &p->steps[0], NULL), QN_OK);
    assert_int_equal(qn__unit_state(p->tiers[i].best), QN_UNIT_DONE);
    assert_int_equal(qn__unit_state(p->tiers[i].quick), QN_UNIT_IDLE);
  }
  assert_string_equal(qn_program_engine(p), "llvm");
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

static void destroyed_while_compiling(void **state) {
  (void)state;
  if (!both_built_in()) skip();
  qn_context *ctx = qn_context_create(NULL);
  for (int i = 0; i < 6; i++) {
    qn_program *a = product(ctx, 20 + i, (qn_compile_options){.threads = (uint32_t)i % 3});
    qn_program *b = product(ctx, 30 + i, (qn_compile_options){.threads = 2});
    qn_program_destroy(a);
    assert_true(call_with(b, 30 + i, NULL));
    qn_program_destroy(b);
  }
  qn_context_destroy(ctx);
}

static void spoil(qn_unit *u) {
  u->body.part = QN_PART_MAIN;
  memcpy(u->body.symbol, "1 is no name", 13);
}

/* Bodies that one of the two cannot compile run on the other's code. */
static void either_stands_in(void **state) {
  (void)state;
  if (!both_built_in()) skip();
  for (int quick_fails = 0; quick_fails < 3; quick_fails++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = NULL});
    for (uint32_t i = 0; i < p->num_bodies; i++) {
      if (p->bodies[i].part != QN_PART_TILES) continue;
      if (quick_fails >= 1) spoil(p->tiers[i].quick);
      if (quick_fails != 1) spoil(p->tiers[i].best);
    }
    tensors *t = malloc(sizeof *t);
    assert_non_null(t);
    make_tensors(t, 5);
    qn_call_error error = {.message = ""};
    bool works = quick_fails < 2;
    assert_int_equal(
        qn_program_call(p, &t->of.in, &t->of.out, t->workspace, sizeof t->workspace, NULL, &error) == QN_OK, works);
    assert_int_equal(strstr(error.message, "cannot be compiled") != NULL, !works);
    assert_int_equal(qn_program_prepare(p, &t->of.in, NULL) == QN_OK, works);
    if (works) assert_true(call_with(p, 5, NULL));
    if (works) assert_string_equal(qn_program_engine(p), quick_fails ? "llvm" : "tcc");
    free(t);
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

typedef struct told {
  int warnings, notes;
  char first[512];
  char traced[512];
} told;

static void keep_told(void *user, const qn_diag *d) {
  told *t = user;
  if (d->severity == QN_WARNING && !t->warnings++)
    snprintf(t->first, sizeof t->first, "%.*s", (int)d->message.size, d->message.data);
  t->notes += d->severity == QN_NOTE;
}

static void keep_traced(void *user, qn_str line) {
  told *t = user;
  if (strstr(line.data, " stays libtcc's: ") && !t->traced[0])
    snprintf(t->traced, sizeof t->traced, "%.*s", (int)line.size, line.data);
}

/* Code that stays libtcc's because LLVM failed behind a call: told of where people look, and warned of once. */
static void slow_code_is_told_of(void **state) {
  (void)state;
  if (!both_built_in()) skip();
  told t = {.warnings = 0};
  qn_context_options options = {.on_diag = keep_told, .on_diag_user = &t, .on_trace = keep_traced, .on_trace_user = &t};
  qn_context *ctx = qn_context_create(&options);
  qn_program *p = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = "auto"});
  qn_kernel_info k;
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if (p->bodies[i].part == QN_PART_TILES) spoil(p->tiers[i].best);
  assert_true(call_with(p, 4, NULL));
  assert_true(call_with(p, 5, NULL));
  assert_int_equal(qn_program_prepare(p, NULL, NULL), QN_OK); /* waits for what fails */
  assert_true(count(p, QN_UNIT_FAILED) > 1);
  assert_int_equal(t.warnings, 0); /* calls come on any thread */
  assert_string_equal(qn_program_engine(p), "tcc");
  uint32_t slow = 0;
  for (size_t i = 0; qn_program_kernel(p, i, &k); i++) slow += k.slow_reason && strstr(k.slow_reason, "libtcc") != NULL;
  assert_int_equal(slow, 1);
  tensors *x = malloc(sizeof *x);
  assert_non_null(x);
  make_tensors(x, 6);
  for (int round = 0; round < 2; round++) {
    qn_prepared *c;
    assert_int_equal(qn_prepared_create(p, &x->of.in, &x->of.out, NULL, &c, NULL), QN_OK);
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    qn_prepared_destroy(c);
    assert_int_equal(t.warnings, 1);
    assert_int_equal(t.notes, 1);
  }
  assert_true(strstr(t.first, "kern.gemm") && strstr(t.first, "libtcc"));
  assert_true(strstr(t.traced, " stays libtcc's: "));
  assert_int_equal(qn_context_error_count(ctx), 0);
  free(x);
  qn_program_destroy(p);
  assert_int_equal(t.warnings, 1);
  qn_context_destroy(ctx);
}

/* Those who only look need not guess how long code takes to fail: waiting ends when that is known. */
static void waiting_is_enough(void **state) {
  (void)state;
  if (!both_built_in()) skip();
  told t = {.warnings = 0};
  qn_context_options options = {.on_diag = keep_told, .on_diag_user = &t};
  qn_context *ctx = qn_context_create(&options);
  qn_program *p = product(ctx, QN_DYNAMIC, (qn_compile_options){.engine = "auto"});
  assert_int_equal(qn_program_wait(p), QN_OK); /* nothing is being made */
  assert_int_equal(count(p, QN_UNIT_DONE) + count(p, QN_UNIT_FAILED), 0);
  for (uint32_t i = 0; i < p->num_bodies; i++)
    if (p->bodies[i].part == QN_PART_TILES) spoil(p->tiers[i].best);
  assert_true(call_with(p, 4, NULL));
  assert_int_equal(qn_program_wait(p), QN_OK);
  assert_int_equal(count(p, QN_UNIT_QUEUED) + count(p, QN_UNIT_RUNNING), 0);
  assert_true(count(p, QN_UNIT_FAILED) > 0);
  assert_true(count(p, QN_UNIT_IDLE) > 0); /* what no call needed */
  assert_int_equal(t.warnings, 1);
  qn_kernel_info k;
  uint32_t slow = 0;
  for (size_t i = 0; qn_program_kernel(p, i, &k); i++) slow += k.slow_reason != NULL;
  assert_int_equal(slow, 1);
  qn_program_destroy(p);
  assert_int_equal(t.warnings, 1);
  qn_context_destroy(ctx);
}

/* A build with one code generator has one tier. */
static void automatic_is_the_first_engine(void **state) {
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p = product(ctx, 7, (qn_compile_options){.eager = true});
  assert_string_equal(qn_program_engine(p), qn_engine_name(0));
  assert_int_equal(p->tiered, both_built_in());
  if (compiled(qn_engine_name(0))) assert_true(call_with(p, 7, NULL));
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(bodies_come_when_needed),
                                     cmocka_unit_test(known_sizes_are_ready),
                                     cmocka_unit_test(programs_share_bodies),
                                     cmocka_unit_test(failure_is_a_call_error),
                                     cmocka_unit_test(threads_need_the_same_body),
                                     cmocka_unit_test(any_order_will_do),
                                     cmocka_unit_test(both_paths_refuse),
                                     cmocka_unit_test(misaligned_is_fine),
                                     cmocka_unit_test(the_better_code_takes_over),
                                     cmocka_unit_test(the_quick_code_answers),
                                     cmocka_unit_test(small_stacks_will_do),
                                     cmocka_unit_test(long_work_waits),
                                     cmocka_unit_test(destroyed_while_compiling),
                                     cmocka_unit_test(either_stands_in),
                                     cmocka_unit_test(slow_code_is_told_of),
                                     cmocka_unit_test(waiting_is_enough),
                                     cmocka_unit_test(automatic_is_the_first_engine)};
  return cmocka_run_group_tests(tests, set_up, NULL);
}
