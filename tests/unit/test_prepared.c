/* Prepared calls: the bits of plain calls, at whatever addresses they are set to, on every engine, for sizes known and
 * open; what is wrong is told when one is made or set, and leaves it as it was; runs allocate nothing. */
#include "program.h"
#include "program_test.h"
#include <pthread.h>
#include <quern/quern.h>
#include <stdlib.h>
#include <string.h>

enum { M = 45, N = 37, K = 29, ROWS = 96 }; /* M: two tiles at least on every row */

static int8_t weights[K * N];
static float scales[N], bias[N];
static uint8_t left[2][ROWS * K];

static void fill(void) {
  for (int i = 0; i < K * N; i++) weights[i] = (int8_t)(i * 31 % 251 - 125);
  for (int i = 0; i < N; i++) scales[i] = 0.001f * (float)(i + 1), bias[i] = 0.5f * (float)(i % 7 - 3);
  for (int i = 0; i < ROWS * K; i++) left[0][i] = (uint8_t)(i * 17), left[1][i] = (uint8_t)(i * 29 + 5);
}

/* ---- an allocator that counts ---- */

static void *counted(void *user, void *ptr, size_t old_size, size_t new_size) {
  (void)old_size;
  ++*(size_t *)user;
  if (new_size) return realloc(ptr, new_size);
  free(ptr);
  return NULL;
}

static qn_program *compile(qn_context *ctx, const char *engine, int64_t m, qn_scalar y) {
  qn_matmul_desc d = {.m = m, .n = N, .k = K, .a = QN_UI8, .b = QN_I8, .y = y, .a_scale = 0.02f, .a_zero_point = 9};
  d.b_scales = scales, d.b_data = weights;
  if (y == QN_F32) d.bias = bias, d.relu = true;
  return program_of_product(ctx, &d, &(qn_compile_options){.engine = engine});
}

typedef struct tensors {
  DLTensor in, out;
  int64_t in_shape[2], out_shape[2];
} tensors;

static void describe(tensors *t, int64_t m, qn_scalar y, const void *a, void *to) {
  memset(t, 0, sizeof *t);
  t->in_shape[0] = t->out_shape[0] = m, t->in_shape[1] = K, t->out_shape[1] = N;
  t->in = (DLTensor){.data = (void *)(uintptr_t)a, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLUInt, 8, 1}};
  t->out = (DLTensor){.data = to, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}};
  if (y == QN_I32) t->out.dtype.code = kDLInt;
  t->in.shape = t->in_shape, t->out.shape = t->out_shape;
}

static void plain(const qn_program *p, int64_t m, qn_scalar y, const void *a, void *to) {
  tensors t;
  size_t bytes;
  describe(&t, m, y, a, to);
  assert_int_equal(qn_program_sizes(p, &t.in, &bytes, NULL, NULL), QN_OK);
  void *workspace = malloc(bytes + 1);
  assert_int_equal(qn_program_call(p, &t.in, &t.out, workspace, bytes, NULL, NULL), QN_OK);
  free(workspace);
}

static qn_prepared *prepare(const qn_program *p, int64_t m, qn_scalar y, const void *a, void *to,
                            const qn_parallel *parallel) {
  tensors t;
  qn_prepared *c = NULL;
  qn_call_error error = {.message = ""};
  describe(&t, m, y, a, to);
  if (qn_prepared_create(p, &t.in, &t.out, parallel, &c, &error)) fail_msg("%s", error.message);
  memset(&t, 0xA5, sizeof t); /* which is not looked at again */
  return c;
}

/* ---- results ---- */

static void check_addresses(const qn_program *p, int64_t m, qn_scalar y, const qn_parallel *parallel) {
  static float want[2][ROWS * N], got[2][ROWS * N + 3];
  for (int i = 0; i < 2; i++) plain(p, m, y, left[i], want[i]);
  qn_prepared *c = prepare(p, m, y, left[0], got[0], parallel);
  size_t bytes = (size_t)m * N * 4;
  for (int round = 0; round < 3; round++) {
    memset(got, 0xA5, sizeof got);
    void *in[2] = {left[1], left[0]}, *out[2] = {(char *)got[1] + round, got[0]}; /* aligned or not */
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    assert_int_equal(qn_prepared_set(c, &in[0], &out[0], NULL), QN_OK);
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    assert_memory_equal(got[0], want[0], bytes);
    assert_memory_equal(out[0], want[1], bytes);
    for (size_t i = bytes; i < sizeof got[0]; i++) assert_int_equal(((unsigned char *)got[0])[i], 0xA5);
    assert_int_equal(qn_prepared_set(c, &in[1], NULL, NULL), QN_OK); /* the output as it is */
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    assert_memory_equal(out[0], want[0], bytes);
    assert_int_equal(qn_prepared_set(c, NULL, &out[1], NULL), QN_OK);
  }
  qn_prepared_destroy(c);
}

static void in_two(void *pool, void (*task)(void *arg, size_t i), void *arg, size_t n) {
  ++*(int *)pool;
  for (size_t i = n; i-- > 0;) task(arg, i);
}

static void same_bits(void **state) {
  (void)state;
  fill();
  const char *engines[8] = {"auto"};
  for (size_t e = 0; e < 6 && qn_engine_name(e); e++) engines[e + 1] = qn_engine_name(e);
  for (size_t e = 0; engines[e]; e++)
    for (int i = 0; i < 4; i++) {
      qn_context *ctx = qn_context_create(NULL);
      qn_scalar y = i & 1 ? QN_F32 : QN_I32;
      qn_program *p = compile(ctx, engines[e], i & 2 ? QN_DYNAMIC : M, y);
      if (strcmp(qn_program_engine(p), "interp") != 0) {
        int jobs = 0;
        qn_parallel parallel = {in_two, &jobs, 2, 1};
        check_addresses(p, M, y, NULL);
        check_addresses(p, M, y, &parallel);
        assert_true(jobs > 0);
        if (i & 2) check_addresses(p, ROWS, y, NULL), check_addresses(p, 1, y, NULL);
        if (!e) assert_int_equal(qn_program_prepare(p, NULL, NULL), QN_OK); /* the better code takes over */
        check_addresses(p, M, y, NULL);
      }
      qn_program_destroy(p);
      qn_context_destroy(ctx);
    }
}

static int swapped_in;

static int32_t counting_kernel(const qn_kargs *args) {
  (void)args;
  swapped_in++;
  return 0;
}

/* A prepared call that began on the quick code goes on with the better one, whenever that comes. */
static void code_is_swapped(void **state) {
  (void)state;
  fill();
  static float want[M * N], got[M * N];
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p = compile(ctx, "auto", M, QN_F32);
  if (strcmp(qn_program_engine(p), "interp") != 0) {
    qn_prepared *c = prepare(p, M, QN_F32, left[0], got, NULL);
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    memcpy(want, got, sizeof want);
    assert_int_equal(qn_program_prepare(p, NULL, NULL), QN_OK);
    assert_string_equal(qn_program_engine(p), qn_engine_name(0));
    memset(got, 0, sizeof got);
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    assert_memory_equal(got, want, sizeof want);
    for (uint32_t i = 0; i < p->num_bodies; i++) atomic_store(&p->tiers[i].best->fn, counting_kernel);
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    assert_int_equal(swapped_in, 1);
    qn_prepared_destroy(c);
  }
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

/* ---- what is wrong ---- */

static void expect_refused(const qn_program *p, tensors *t, const char *part) {
  qn_prepared *c = (qn_prepared *)(uintptr_t)1;
  qn_call_error error = {.message = ""};
  assert_int_not_equal(qn_prepared_create(p, &t->in, &t->out, NULL, &c, &error), QN_OK);
  assert_null(c);
  assert_non_null(strstr(error.message, part));
}

static void bad_tensors(void **state) {
  (void)state;
  fill();
  static float y[M * N];
  static unsigned char both[M * K + M * N * 4];
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p = compile(ctx, NULL, M, QN_F32);
  qn_program *interp = compile(ctx, "interp", M, QN_F32);
  tensors t;
  describe(&t, M, QN_F32, left[0], y);
  expect_refused(interp, &t, "interpreter");
  if (strcmp(qn_program_engine(p), "interp") != 0) {
    qn_prepared *c = NULL;
    assert_int_not_equal(qn_prepared_create(p, NULL, &t.out, NULL, &c, NULL), QN_OK);
    assert_int_not_equal(qn_prepared_create(p, &t.in, NULL, NULL, &c, NULL), QN_OK);
    t.in.dtype.bits = 16, expect_refused(p, &t, "DLPack type");
    describe(&t, M, QN_F32, left[0], y), t.in_shape[0]++, expect_refused(p, &t, "size");
    describe(&t, M, QN_F32, left[0], y), t.out_shape[1]--, expect_refused(p, &t, "size");
    describe(&t, M, QN_F32, left[0], NULL), expect_refused(p, &t, "no data");
    describe(&t, M, QN_F32, both, both + M * K - 1), expect_refused(p, &t, "overlaps");
    describe(&t, M, QN_F32, left[0], y), t.in.device.device_type = kDLCUDA, expect_refused(p, &t, "device");
    int64_t strides[2] = {1, M};
    describe(&t, M, QN_F32, left[0], y), t.in.strides = strides, expect_refused(p, &t, "strides");

    static float want[M * N];
    plain(p, M, QN_F32, left[0], want);
    c = prepare(p, M, QN_F32, left[0], y, NULL);
    qn_call_error error = {.message = ""};
    void *none = NULL, *inside = left[0] + 1, *other = left[1];
    assert_int_not_equal(qn_prepared_set(c, &none, NULL, &error), QN_OK);
    assert_non_null(strstr(error.message, "no data"));
    assert_int_not_equal(qn_prepared_set(c, NULL, &none, NULL), QN_OK);
    assert_int_not_equal(qn_prepared_set(c, &other, &other, &error), QN_OK);
    assert_non_null(strstr(error.message, "overlaps"));
    assert_int_not_equal(qn_prepared_set(c, NULL, &inside, NULL), QN_OK);
    assert_int_equal(qn_prepared_run(c, &error), QN_OK); /* where it was */
    assert_memory_equal(y, want, sizeof want);
    qn_prepared_destroy(c);
  }
  qn_prepared_destroy(NULL);
  qn_program_destroy(interp);
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

/* ---- neither allocating nor sharing ---- */

static void runs_allocate_nothing(void **state) {
  (void)state;
  fill();
  static float y[M * N];
  size_t calls = 0;
  qn_allocator a = {counted, &calls};
  qn_context_options options = {.allocator = &a};
  qn_context *ctx = qn_context_create(&options);
  qn_program *p = compile(ctx, qn_engine_name(0), M, QN_F32);
  if (strcmp(qn_program_engine(p), "interp") != 0) {
    qn_prepared *c = prepare(p, M, QN_F32, left[0], y, NULL);
    size_t before = calls;
    void *other = left[1];
    for (int i = 0; i < 10; i++) {
      assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
      assert_int_equal(qn_prepared_set(c, &other, NULL, NULL), QN_OK);
    }
    assert_int_equal(calls, before);
    qn_prepared_destroy(c);
  }
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

typedef struct own_call {
  qn_prepared *c;
  float y[M * N];
  const float *want;
} own_call;

static void *run_often(void *arg) {
  own_call *o = arg;
  for (int i = 0; i < 200; i++) {
    memset(o->y, 0, sizeof o->y);
    if (qn_prepared_run(o->c, NULL) || memcmp(o->y, o->want, sizeof o->y)) return (void *)"another result";
  }
  return NULL;
}

static void threads_have_their_own(void **state) {
  (void)state;
  fill();
  static own_call own[3];
  static float want[2][M * N];
  qn_context *ctx = qn_context_create(NULL);
  qn_program *p = compile(ctx, NULL, QN_DYNAMIC, QN_F32);
  if (strcmp(qn_program_engine(p), "interp") != 0) {
    pthread_t threads[3];
    for (int i = 0; i < 2; i++) plain(p, M, QN_F32, left[i], want[i]);
    for (int i = 0; i < 3; i++) {
      own[i].c = prepare(p, M, QN_F32, left[i & 1], own[i].y, NULL);
      own[i].want = want[i & 1];
    }
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, run_often, &own[i]), 0);
    for (int i = 0; i < 3; i++) {
      void *problem;
      pthread_join(threads[i], &problem);
      assert_null(problem);
      qn_prepared_destroy(own[i].c);
    }
  }
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

/* ---- programs of several kernels, with outputs that are copies ---- */

static void several_outputs(void **state) {
  (void)state;
  static const char text[] =
      "func.func @f(%a: tensor<3x40xf32>, %b: tensor<3x40xf32>) -> (tensor<3x40xf32>, tensor<3x40xf32>, "
      "tensor<3x40xf32>, tensor<3x40xf32>) {\n"
      "  %s = quern.softmax %a : (tensor<3x40xf32>) -> tensor<3x40xf32>\n"
      "  %t = quern.add %s, %b : (tensor<3x40xf32>, tensor<3x40xf32>) -> tensor<3x40xf32>\n"
      "  return %t, %t, %b, %s : tensor<3x40xf32>, tensor<3x40xf32>, tensor<3x40xf32>, tensor<3x40xf32>\n"
      "}\n";
  enum { SIZE = 120 };
  static float x[2][2][SIZE], want[4][SIZE], got[2][4][SIZE];
  for (int i = 0; i < 4 * SIZE; i++) (&x[0][0][0])[i] = (float)(i * 37 % 100) * 0.07f - 3;
  for (size_t e = 0; qn_engine_name(e); e++) {
    if (!strcmp(qn_engine_name(e), "interp")) continue;
    qn_context *ctx = qn_context_create(NULL);
    qn_program *p = program_of_text(ctx, text, &(qn_compile_options){.engine = qn_engine_name(e)});
    int64_t shape[2] = {3, 40};
    DLTensor in[2], out[4];
    qn_prepared *c;
    for (int i = 0; i < 2; i++) in[i] = (DLTensor){x[0][i], {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, NULL, 0};
    for (int i = 0; i < 4; i++) out[i] = (DLTensor){got[0][i], {kDLCPU, 0}, 2, {kDLFloat, 32, 1}, shape, NULL, 0};
    assert_int_equal(qn_prepared_create(p, in, out, NULL, &c, NULL), QN_OK);
    void *ins[2] = {x[1][0], x[1][1]}, *outs[4] = {got[1][0], got[1][1], got[1][2], got[1][3]};
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    assert_int_equal(qn_prepared_set(c, ins, outs, NULL), QN_OK);
    assert_int_equal(qn_prepared_run(c, NULL), QN_OK);
    for (int k = 0; k < 2; k++) {
      static char workspace[1 << 16];
      for (int i = 0; i < 2; i++) in[i].data = x[k][i];
      for (int i = 0; i < 4; i++) out[i].data = want[i];
      assert_int_equal(qn_program_call(p, in, out, workspace, sizeof workspace, NULL, NULL), QN_OK);
      assert_memory_equal(got[k], want, sizeof want);
    }
    qn_prepared_destroy(c);
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits),
                                     cmocka_unit_test(code_is_swapped),
                                     cmocka_unit_test(bad_tensors),
                                     cmocka_unit_test(runs_allocate_nothing),
                                     cmocka_unit_test(threads_have_their_own),
                                     cmocka_unit_test(several_outputs)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
