/* Parallel-fors that do not do what they are asked: that leave parts out because they were cancelled, run some twice,
 * or count too far. A call is right, or says that it is not. */
#include "program_test.h"
#include <stdlib.h>

enum { ROWS = 512, IN = 64, OUT = 32 };

static const char product[] = "func.func @main(%x: tensor<512x64xf32>) -> tensor<512x32xf32> {\n"
                              "  %w = arith.constant dense<0.03> : tensor<64x32xf32>\n"
                              "  %y = quern.matmul %x, %w : (tensor<512x64xf32>, tensor<64x32xf32>) -> "
                              "tensor<512x32xf32>\n"
                              "  return %y : tensor<512x32xf32>\n}\n";

/* These run as a chain: by blocks of rows, each through all of them. */
static const char chain[] =
    "func.func @main(%x: tensor<512x64xf32>) -> tensor<512x32xf32> {\n"
    "  %w = arith.constant dense<0.03> : tensor<64x512xf32>\n"
    "  %v = arith.constant dense<-0.02> : tensor<512x32xf32>\n"
    "  %0 = quern.matmul %x, %w : (tensor<512x64xf32>, tensor<64x512xf32>) -> tensor<512x512xf32>\n"
    "  %1 = quern.softmax %0 : (tensor<512x512xf32>) -> tensor<512x512xf32>\n"
    "  %y = quern.matmul %1, %v : (tensor<512x512xf32>, tensor<512x32xf32>) -> tensor<512x32xf32>\n"
    "  return %y : tensor<512x32xf32>\n}\n";

static void nothing(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool, (void)task, (void)arg, (void)n;
}

static void all_but_the_last(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  for (size_t i = 0; i + 1 < n; i++) task(arg, i);
}

static void the_first_for_each(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  for (size_t i = 0; i < n; i++) task(arg, 0);
}

static void one_twice(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  for (size_t i = 0; i < n; i++) task(arg, i);
  task(arg, n - 1);
}

static void too_far(void *pool, void (*task)(void *, size_t), void *arg, size_t n) {
  (void)pool;
  for (size_t i = 0; i < n + 3; i++) task(arg, i);
  task(arg, SIZE_MAX);
}

static const struct {
  qn_parallel_for run;
  bool good;
} pools[] = {
    {nothing, false}, {all_but_the_last, false}, {the_first_for_each, false}, {one_twice, false}, {too_far, true}};

typedef struct room {
  float x[ROWS * IN], y[ROWS * OUT], expected[ROWS * OUT];
  int64_t x_shape[2], y_shape[2];
  DLTensor in, out;
} room;

static void check(const qn_program *p, room *r, const qn_parallel *parallel, bool good) {
  size_t bytes = qn_program_workspace_size(p, &r->in);
  char *workspace = malloc(bytes + 1);
  qn_call_error error = {.message = ""};
  assert_non_null(workspace);
  memset(r->y, 0, sizeof r->y);
  qn_status status = qn_program_call(p, &r->in, &r->out, workspace, bytes, parallel, &error);
  assert_int_equal(status, good ? QN_OK : QN_ERR_INPUT);
  if (!good && !strstr(error.message, "parallel-for")) fail_msg("'%s' does not say why", error.message);
  if (good) assert_memory_equal(r->y, r->expected, sizeof r->y);
  free(workspace);
}

static void check_prepared(const qn_program *p, room *r, const qn_parallel *parallel, bool good) {
  qn_call_error error = {.message = ""};
  qn_prepared *prepared = NULL;
  assert_int_equal(qn_prepared_create(p, &r->in, &r->out, parallel, &prepared, &error), QN_OK);
  memset(r->y, 0, sizeof r->y);
  assert_int_equal(qn_prepared_run(prepared, &error), good ? QN_OK : QN_ERR_INPUT);
  if (good) assert_memory_equal(r->y, r->expected, sizeof r->y);
  qn_prepared_destroy(prepared);
}

static void run(const char *text, const char *engine) {
  qn_context *ctx = qn_context_create(NULL);
  qn_compile_options options = {.engine = engine};
  qn_program *p = program_of_text(ctx, text, &options);
  room *r = calloc(1, sizeof *r);
  assert_non_null(r);
  for (size_t i = 0; i < ROWS * IN; i++) r->x[i] = (float)((int)(i * 37 % 101) - 50) / 16;
  r->x_shape[0] = r->y_shape[0] = ROWS, r->x_shape[1] = IN, r->y_shape[1] = OUT;
  DLTensor t = {.device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}};
  r->in = r->out = t;
  r->in.data = r->x, r->in.shape = r->x_shape, r->out.data = r->expected, r->out.shape = r->y_shape;
  size_t bytes = qn_program_workspace_size(p, &r->in);
  char *workspace = malloc(bytes + 1);
  assert_int_equal(qn_program_call(p, &r->in, &r->out, workspace, bytes, NULL, NULL), QN_OK);
  free(workspace);
  r->out.data = r->y;
  for (size_t i = 0; i < sizeof pools / sizeof *pools; i++)
    for (uint32_t threads = 2; threads < 6; threads += 3) {
      qn_parallel parallel = {pools[i].run, NULL, threads, 1};
      check(p, r, &parallel, pools[i].good);
      check_prepared(p, r, &parallel, pools[i].good);
    }
  free(r);
  qn_program_destroy(p);
  qn_context_destroy(ctx);
}

static void parts_of_a_product(void **state) {
  (void)state;
  for (size_t e = 0; strcmp(qn_engine_name(e), "interp"); e++) run(product, qn_engine_name(e));
}

static void blocks_of_a_chain(void **state) {
  (void)state;
  for (size_t e = 0; strcmp(qn_engine_name(e), "interp"); e++) run(chain, qn_engine_name(e));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_of_a_product),
      cmocka_unit_test(blocks_of_a_chain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
