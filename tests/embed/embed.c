/* What an embedder does, as C11 and as C++17: builds a quantized product through the API, registers a pass, runs a
 * pipeline, compiles, calls with DLPack tensors, its own parallel-for and allocator, meets a diagnostic, saves and
 * loads a program, and asks for a kernel in one call. Exit 0 when everything came out right. */
#include <math.h>
#include <pthread.h>
#include <quern/quern.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                                                       \
  do {                                                                                                                 \
    if (!(x)) {                                                                                                        \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                          \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

enum { M = 37, N = 50, K = 70 };

/* ---- an allocator that counts ---- */

typedef struct counts {
  size_t live, calls;
} counts;

static void *resize(void *user, void *ptr, size_t old_size, size_t new_size) {
  counts *c = (counts *)user;
  if (!ptr) old_size = 0;
  c->calls++;
  if (new_size == 0) {
    c->live -= old_size;
    free(ptr);
    return NULL;
  }
  void *p = realloc(ptr, new_size);
  if (p) c->live += new_size - old_size;
  return p;
}

/* ---- diagnostics ---- */

typedef struct heard {
  int errors;
  qn_diag_code code;
  char message[256];
} heard;

static void on_diag(void *user, const qn_diag *d) {
  heard *h = (heard *)user;
  if (d->severity != QN_ERROR) return;
  h->errors++;
  h->code = d->code;
  snprintf(h->message, sizeof h->message, "%.*s", (int)d->message.size, d->message.data);
}

/* ---- a parallel-for of our own: two threads, the second half first ---- */

typedef struct half {
  void (*task)(void *, size_t);
  void *arg;
  size_t begin, end;
} half;

static void *run_half(void *arg) {
  half *h = (half *)arg;
  for (size_t i = h->end; i-- > h->begin;) h->task(h->arg, i);
  return NULL;
}

static void two_threads(void *pool, void (*task)(void *arg, size_t i), void *arg, size_t n) {
  ++*(int *)pool;
  half a = {task, arg, 0, n / 2}, b = {task, arg, n / 2, n};
  pthread_t other;
  CHECK(pthread_create(&other, NULL, run_half, &b) == 0);
  run_half(&a);
  pthread_join(other, NULL);
}

/* ---- a pass of our own: names every matrix product it meets ---- */

static qn_status count_products(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_block body = qn_func_body(m, qn_module_function(m, NULL));
  int64_t n = 0;
  for (qn_op op = qn_block_first(m, body); op.id; op = qn_op_next(m, op))
    if (qn_op_kind_of(m, op) == QN_OP_MATMUL) {
      qn_op_set_attr(m, op, "embedder.number", qn_attr_int(m, qn_type_scalar(qn_run_context(run), QN_I64), n));
      n += qn_run_int(run, "step");
    }
  qn_run_preserved(run, n > 0, QN_PRESERVES_SHAPES);
  return QN_OK;
}

/* ---- the program ---- */

static qn_module *build(qn_context *ctx, const int8_t *weights) {
  qn_module *m = qn_module_create(ctx);
  int64_t shape_a[2] = {M, K}, shape_b[2] = {K, N}, shape_y[2] = {M, N};
  qn_type f32 = qn_type_scalar(ctx, QN_F32);
  qn_type a8 = qn_type_per_tensor(ctx, QN_UI8, 0, 255, 0.05f, 7),
          b8 = qn_type_per_tensor(ctx, QN_I8, -127, 127, 0.01f, 0);
  qn_type in = qn_type_tensor(ctx, f32, 2, shape_a), out = qn_type_tensor(ctx, f32, 2, shape_y);
  qn_builder top = qn_builder_at_end(m, qn_module_body(m));
  qn_op func = qn_build_function(&top, qn_str_of("main"), qn_type_function(ctx, 1, &in, 1, &out), true);
  qn_block body = qn_func_body(m, func);
  qn_builder b = qn_builder_at_end(m, body);
  qn_value x = qn_build_cast(&b, QN_OP_QCAST, qn_block_arg(m, body, 0), qn_type_with_elem(ctx, in, a8));
  qn_value w =
      qn_build_constant(&b, qn_attr_dense(m, qn_type_tensor(ctx, qn_type_scalar(ctx, QN_I8), 2, shape_b), weights));
  w = qn_build_cast(&b, QN_OP_SCAST, w, qn_type_tensor(ctx, b8, 2, shape_b));
  qn_value acc = qn_build2(&b, QN_OP_MATMUL, x, w);
  qn_value y = qn_build_cast(&b, QN_OP_CAST, acc, out);
  float s = 0.05f * 0.01f;
  qn_value scale = qn_build_constant(&b, qn_attr_dense(m, qn_type_tensor(ctx, f32, 0, NULL), &s));
  y = qn_build1(&b, QN_OP_RELU, qn_build2(&b, QN_OP_MUL, y, scale));
  qn_op_desc ret;
  memset(&ret, 0, sizeof ret);
  ret.kind = QN_OP_RETURN, ret.num_operands = 1, ret.operands = &y;
  qn_op_create(&b, &ret);
  CHECK(!qn_module_failed(m) && qn_module_verify(m) == QN_OK);
  return m;
}

static DLTensor tensor(void *data, int64_t *shape, int ndim, uint8_t code, uint8_t bits) {
  DLTensor t;
  memset(&t, 0, sizeof t);
  t.data = data, t.device.device_type = kDLCPU, t.ndim = ndim, t.shape = shape;
  t.dtype.code = code, t.dtype.bits = bits, t.dtype.lanes = 1;
  return t;
}

static float reference(const float *a, const int8_t *w, int i, int j) {
  int32_t acc = 0;
  for (int k = 0; k < K; k++) {
    float t = nearbyintf(fminf(fmaxf(a[i * K + k] / 0.05f, -7.0f), 248.0f));
    acc += (int32_t)t * w[k * N + j];
  }
  float y = (float)acc * (0.05f * 0.01f);
  return y > 0 ? y : 0;
}

static void call(const qn_program *p, float *a, const int8_t *w, const qn_parallel *parallel) {
  static float y[M * N];
  int64_t shape_a[2] = {M, K}, shape_y[2] = {M, N};
  DLTensor in = tensor(a, shape_a, 2, kDLFloat, 32), out = tensor(y, shape_y, 2, kDLFloat, 32);
  size_t bytes = qn_program_workspace_size(p, &in);
  CHECK(bytes != SIZE_MAX);
  void *workspace = malloc(bytes + 1);
  qn_call_error error;
  memset(y, 1, sizeof y);
  CHECK(qn_program_call(p, &in, &out, workspace, bytes, parallel, &error) == QN_OK);
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) CHECK(y[i * N + j] == reference(a, w, i, j));
  shape_a[1] = K - 1; /* wrong on purpose: the call says so and touches nothing */
  CHECK(qn_program_call(p, &in, &out, workspace, bytes, parallel, &error) != QN_OK && error.message[0]);
  free(workspace);
}

/* The same tensors' shapes again and again: checked once, then run, here and at another address. */
static void many_calls(const qn_program *p, uint8_t *a, const int32_t *want) {
  static int32_t y[2][M * N];
  int64_t shape_a[2] = {M, K}, shape_y[2] = {M, N};
  DLTensor in = tensor(a, shape_a, 2, kDLUInt, 8), out = tensor(y[0], shape_y, 2, kDLInt, 32);
  qn_prepared *c;
  qn_call_error error;
  void *other = y[1];
  CHECK(qn_prepared_create(p, &in, &out, NULL, &c, &error) == QN_OK);
  CHECK(qn_prepared_run(c, &error) == QN_OK);
  CHECK(qn_prepared_set(c, NULL, &other, &error) == QN_OK);
  CHECK(qn_prepared_run(c, &error) == QN_OK);
  for (int i = 0; i < 2; i++) CHECK(memcmp(y[i], want, sizeof y[i]) == 0);
  other = a; /* wrong on purpose: an output where an input is */
  CHECK(qn_prepared_set(c, NULL, &other, &error) != QN_OK && error.message[0]);
  qn_prepared_destroy(c);
}

static void one_call(qn_context *ctx, const int8_t *w, const char *engine) {
  static uint8_t a[M * K];
  static int32_t y[M * N];
  float scale = 0.5f;
  qn_matmul_desc d;
  memset(&d, 0, sizeof d);
  d.m = M, d.n = N, d.k = K, d.a = QN_UI8, d.b = QN_I8, d.y = QN_I32;
  d.a_scale = 1, d.a_zero_point = 3, d.b_scales = &scale, d.b_per_tensor = true, d.b_data = w;
  qn_compile_options options;
  memset(&options, 0, sizeof options);
  options.engine = engine;
  qn_program *p;
  CHECK(qn_kernel_matmul(ctx, &d, &options, &p) == QN_OK);
  for (int i = 0; i < M * K; i++) a[i] = (uint8_t)(i * 37);
  int64_t shape_a[2] = {M, K}, shape_y[2] = {M, N};
  DLTensor in = tensor(a, shape_a, 2, kDLUInt, 8), out = tensor(y, shape_y, 2, kDLInt, 32);
  size_t bytes = qn_program_workspace_size(p, &in);
  void *workspace = malloc(bytes + 1);
  CHECK(qn_program_call(p, &in, &out, workspace, bytes, NULL, NULL) == QN_OK);
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int32_t acc = 0;
      for (int k = 0; k < K; k++) acc += ((int)a[i * K + k] - 3) * w[k * N + j];
      CHECK(y[i * N + j] == acc);
    }
  free(workspace);
  if (strcmp(engine, "interp")) many_calls(p, a, y);
  qn_program_destroy(p);
}

int main(int argc, char **argv) {
  const char *folder = argc > 1 ? argv[1] : ".";
  counts count = {0, 0};
  heard ear;
  memset(&ear, 0, sizeof ear);
  qn_allocator allocator = {resize, &count};
  qn_context_options options;
  memset(&options, 0, sizeof options);
  options.allocator = &allocator, options.on_diag = on_diag, options.on_diag_user = &ear;
  qn_context *ctx = qn_context_create(&options);
  CHECK(ctx);

  static int8_t w[K * N];
  static float a[M * K];
  for (int i = 0; i < K * N; i++) w[i] = (int8_t)(i * 29 % 255 - 127);
  for (int i = 0; i < M * K; i++) a[i] = (float)(i * 13 % 301 - 60) * 0.043f;
  qn_module *m = build(ctx, w);

  static const qn_pass_info pass = {"count-products", "numbers matrix products", "step: int = 1", count_products,
                                    false};
  CHECK(qn_pass_register(ctx, &pass) == QN_OK);
  CHECK(qn_run_pipeline(m, "count-products{step=2},canonicalize,cse,dce") == QN_OK);
  CHECK(ear.errors == 0);
  CHECK(qn_run_pipeline(m, "no-such-pass") != QN_OK && ear.errors == 1 && ear.code == QN_DIAG_UNKNOWN_NAME);
  CHECK(strstr(ear.message, "no-such-pass"));

  CHECK(qn_lower(m, NULL) == QN_OK);
  for (size_t e = 0; qn_engine_name(e); e++) {
    qn_compile_options compile;
    memset(&compile, 0, sizeof compile);
    compile.engine = qn_engine_name(e);
    qn_program *p, *again;
    CHECK(qn_program_compile(m, &compile, &p) == QN_OK);
    int jobs = 0;
    qn_parallel parallel = {two_threads, &jobs, 2, 1};
    call(p, a, w, NULL);
    call(p, a, w, &parallel);
    CHECK(jobs > 0 || !strcmp(compile.engine, "interp"));
    one_call(ctx, w, compile.engine);
    if (strcmp(compile.engine, "interp")) {
      char path[1024];
      snprintf(path, sizeof path, "%s/program-%s.qnp", folder, compile.engine);
      CHECK(qn_program_save(p, path) == QN_OK);
      CHECK(qn_program_load(ctx, path, &again) == QN_OK);
      call(again, a, w, &parallel);
      qn_program_destroy(again);
    }
    qn_program_destroy(p);
  }
  qn_module_destroy(m);
  CHECK(ear.errors == 1);
  qn_context_destroy(ctx);
  CHECK(count.live == 0 && count.calls > 0);
  printf("embedding works: %s\n",
#ifdef __cplusplus
         "C++17"
#else
         "C11"
#endif
  );
  return 0;
}
