/* Calls with tensors that are wrong in every way a caller can get them wrong, on every engine: an error that names what
 * is wrong, and nothing written. */
#include "program_test.h"
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 10, K = 8, N = 4 };

typedef struct fixture {
  qn_context *ctx;
  qn_program *p;
  DLTensor in[2], out;
  int64_t a_shape[2], b_shape[2], y_shape[2];
  float a[ROWS * K + ROWS * N], b[K * N], y[ROWS * N];
  char *workspace;
  size_t bytes;
} fixture;

static void ignore(void *user, const qn_diag *d) {
  (void)user, (void)d;
}

static DLTensor tensor(void *data, int64_t *shape) {
  return (DLTensor){.data = data, .device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLFloat, 32, 1}, .shape = shape};
}

static void open_with(fixture *f, const qn_compile_options *compile, const char *text) {
  qn_context_options options = {.on_diag = ignore};
  *f = (fixture){.ctx = qn_context_create(&options), .a_shape = {ROWS, K}, .b_shape = {K, N}, .y_shape = {ROWS, N}};
  f->p = program_of_text(f->ctx, text, compile);
  for (int i = 0; i < ROWS * K; i++) f->a[i] = (float)i / 7;
  for (int i = 0; i < K * N; i++) f->b[i] = (float)(i % 5) - 2;
  for (int i = 0; i < ROWS * N; i++) f->y[i] = -77;
  f->in[0] = tensor(f->a, f->a_shape), f->in[1] = tensor(f->b, f->b_shape), f->out = tensor(f->y, f->y_shape);
  assert_int_equal(qn_program_sizes(f->p, f->in, &f->bytes, NULL, NULL), QN_OK);
  f->workspace = malloc(f->bytes + 1);
}

static void open_fixture(fixture *f, const char *engine, const char *text) {
  open_with(f, &(qn_compile_options){.engine = engine}, text);
}

static void close_fixture(fixture *f) {
  free(f->workspace);
  qn_program_destroy(f->p);
  qn_context_destroy(f->ctx);
}

static qn_status call(fixture *f, qn_call_error *error) {
  return qn_program_call(f->p, f->in, &f->out, f->workspace, f->bytes, NULL, error);
}

/* The call fails, says so, and has written nothing. */
static void refused(fixture *f, const char *part) {
  qn_call_error error = {0};
  assert_int_not_equal(call(f, &error), QN_OK);
  if (!strstr(error.message, part)) fail_msg("'%s' has no '%s'", error.message, part);
  assert_int_not_equal(call(f, NULL), QN_OK);
  for (int i = 0; i < ROWS * N; i++) assert_true(f->y[i] == -77);
}

static const char fixed[] = "func.func @main(%a: tensor<10x8xf32>, %b: tensor<8x4xf32>) -> tensor<10x4xf32> {\n"
                            "  %y = quern.matmul %a, %b : (tensor<10x8xf32>, tensor<8x4xf32>) -> tensor<10x4xf32>\n"
                            "  return %y : tensor<10x4xf32>\n}\n";
static const char open_sizes[] = "func.func @main(%a: tensor<?x8xf32>, %b: tensor<8x4xf32>) -> tensor<?x4xf32> {\n"
                                 "  %y = quern.matmul %a, %b : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>\n"
                                 "  return %y : tensor<?x4xf32>\n}\n";

/* One kernel and nothing else, though there is an input that nothing reads. */
static const char one_kernel[] =
    "func.func @main(%a: tensor<10x8xf32>, %b: tensor<8x4xf32>) -> tensor<10x4xf32> {\n"
    "  %w = arith.constant dense<[[-2.0, -1.0, 0.0, 1.0], [2.0, -2.0, -1.0, 0.0], [1.0, 2.0, -2.0, -1.0], [0.0, 1.0, "
    "2.0, -2.0], [-1.0, 0.0, 1.0, 2.0], "
    "[-2.0, -1.0, 0.0, 1.0], [2.0, -2.0, -1.0, 0.0], [1.0, 2.0, -2.0, -1.0]]> : tensor<8x4xf32>\n"
    "  %y = quern.matmul %a, %w : (tensor<10x8xf32>, tensor<8x4xf32>) -> tensor<10x4xf32>\n"
    "  return %y : tensor<10x4xf32>\n}\n";

static void wrong_tensors(const char *engine, const char *text) {
  fixture f;
  open_fixture(&f, engine, text);
  const DLTensor in = f.in[0], out = f.out;
#define WITH(change, part) ((change), refused(&f, part), f.in[0] = in, f.out = out)
  WITH(f.in[0].dtype.lanes = 2, "2 lanes");
  WITH(f.in[0].dtype.bits = 16, "16 bits");
  WITH(f.in[0].dtype.code = kDLInt, "f32 in 1 lane is needed");
  WITH(f.out.dtype.lanes = 0, "0 lanes");
  WITH(f.in[0].device.device_type = kDLCUDA, "programs run on the CPU");
  WITH(f.in[0].ndim = -1, "rank -1");
  WITH(f.in[0].ndim = 100, "rank 100");
  WITH(f.out.ndim = 1, "rank 1");
  WITH(f.in[0].shape = NULL, "has no sizes");
  WITH(f.out.shape = NULL, "has no sizes");
  WITH(f.in[0].data = NULL, "has no data");
  WITH(f.out.data = NULL, "has no data");
  int64_t strides[][2] = {{-K, 1}, {K, -1}, {INT64_MAX, 1}, {INT64_MIN, INT64_MIN}, {1, ROWS}, {0, 0}, {2 * K, 1}};
  for (size_t i = 0; i < sizeof strides / sizeof strides[0]; i++) {
    WITH(f.in[0].strides = strides[i], "strides");
    WITH(f.out.strides = strides[i], "strides");
  }
  int64_t shapes[][2] = {{-3, K}, {INT64_MIN, K}, {INT64_MAX, K}, {(int64_t)1 << 58, K}, {ROWS, K - 1}, {ROWS + 1, K}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) WITH(f.in[0].shape = shapes[i], "");
  WITH(f.out.data = (char *)f.a + ROWS * K * sizeof(float) - 1, "overlaps");
  WITH(f.out.data = f.b, "overlaps");
#undef WITH
  /* Strides that say what is so, and data that starts at any byte. */
  int64_t compact[2] = {K, 1};
  char *moved = malloc(sizeof f.a + 1);
  memcpy(moved + 1, f.a, sizeof f.a);
  f.in[0].strides = compact;
  assert_int_equal(call(&f, NULL), QN_OK);
  f.in[0].data = moved, f.in[0].byte_offset = 1, f.y[0] = 0;
  assert_int_equal(call(&f, NULL), QN_OK);
  float sum = 0;
  for (int k = 0; k < K; k++) sum += f.a[k] * f.b[k * N];
  assert_true(f.y[0] > sum - 1e-4f && f.y[0] < sum + 1e-4f);
  free(moved);
  close_fixture(&f);
}

static void no_arrays(const char *engine, const char *text) {
  fixture f;
  qn_call_error error = {0};
  size_t bytes;
  open_fixture(&f, engine, text);
  assert_int_equal(qn_program_call(f.p, NULL, &f.out, f.workspace, f.bytes, NULL, &error), QN_ERR_INPUT);
  assert_non_null(strstr(error.message, "no inputs"));
  assert_int_equal(qn_program_call(f.p, f.in, NULL, f.workspace, f.bytes, NULL, &error), QN_ERR_INPUT);
  assert_non_null(strstr(error.message, "no outputs"));
  assert_int_equal(qn_program_sizes(f.p, NULL, &bytes, NULL, &error), QN_ERR_INPUT);
  assert_int_equal(qn_program_workspace_size(f.p, NULL), SIZE_MAX);
  assert_true(qn_program_ops(f.p, NULL, NULL) == 0);
  f.a_shape[1] = K + 1;
  assert_int_not_equal(qn_program_sizes(f.p, f.in, &bytes, NULL, &error), QN_OK);
  assert_int_not_equal(qn_program_prepare(f.p, f.in, &error), QN_OK);
  close_fixture(&f);
}

/* Every size of workspace short of the one that is needed; the interpreter needs none. */
static void little_workspace(const char *engine, const char *text) {
  fixture f;
  qn_call_error error;
  open_fixture(&f, engine, text);
  for (size_t n = 0; n < f.bytes; n++)
    if (qn_program_call(f.p, f.in, &f.out, f.workspace, n, NULL, &error)) {
      assert_non_null(strstr(error.message, "workspace"));
    } else { /* room that aligning did not need */
      assert_true(f.bytes - n <= 64);
    }
  if (f.bytes) assert_int_not_equal(qn_program_call(f.p, f.in, &f.out, NULL, f.bytes, NULL, &error), QN_OK);
  close_fixture(&f);
}

/* An operand that lies where the call writes what passes between kernels. */
static void operand_in_workspace(const char *engine, const char *text) {
  fixture f;
  open_fixture(&f, engine, text);
  if (f.bytes) {
    char *room = malloc(f.bytes + sizeof f.a);
    memcpy(room + f.bytes - 1, f.a, sizeof f.a);
    free(f.workspace);
    f.workspace = room, f.in[0].data = room + f.bytes - 1;
    refused(&f, "input 'a' overlaps the workspace");
    f.in[0].data = room + f.bytes;
    memcpy(room + f.bytes, f.a, sizeof f.a);
    assert_int_equal(call(&f, NULL), QN_OK);
  }
  close_fixture(&f);
}

/* Sizes whose products and sums leave 64 bits. */
static void huge_sizes(const char *engine) {
  static const char *const bodies[] = {
      "  %y = quern.reshape %x {shape = array<i64: -1, 1, 1, 1>} : (tensor<?x?x?x2xf32>) -> tensor<?x1x1x1xf32>\n"
      "  return %y : tensor<?x1x1x1xf32>\n",
      "  %y = quern.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>} "
      ": (tensor<?x?x?x2xf32>) -> tensor<?x?x?x2xf32>\n  return %y : tensor<?x?x?x2xf32>\n",
      "  %y = quern.transpose %x {perm = array<i64: 3, 2, 1, 0>} : (tensor<?x?x?x2xf32>) -> tensor<2x?x?x?xf32>\n"
      "  return %y : tensor<2x?x?x?xf32>\n"};
  static const char *const results[] = {"?x1x1x1", "?x?x?x2", "2x?x?x?"};
  static const int64_t sizes[][4] = {{(int64_t)1 << 33, (int64_t)1 << 33, 1, 2},
                                     {INT64_MAX, 1, 1, 2},
                                     {1, INT64_MAX, 1, 2},
                                     {1, 1, INT64_MAX - 1, 2},
                                     {INT64_MAX, INT64_MAX, INT64_MAX, 2},
                                     {3037000500, 3037000500, 1, 2},
                                     {(int64_t)1 << 60, 1, 1, 2},
                                     {1, -1, 1, 2}};
  for (size_t b = 0; b < 3; b++) {
    char text[1024];
    snprintf(text, sizeof text, "func.func @main(%%x: tensor<?x?x?x2xf32>) -> tensor<%sxf32> {\n%s}\n", results[b],
             bodies[b]);
    qn_context_options options = {.on_diag = ignore};
    qn_context *ctx = qn_context_create(&options);
    qn_program *p = program_of_text(ctx, text, &(qn_compile_options){.engine = engine});
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
      int64_t shape[4], shapes[1][QN_MAX_RANK];
      float data[16] = {0}, y[16] = {0};
      char workspace[4096];
      memcpy(shape, sizes[i], sizeof shape);
      DLTensor in = {.data = data, .device = {kDLCPU, 0}, .ndim = 4, .dtype = {kDLFloat, 32, 1}, .shape = shape};
      DLTensor out = in;
      out.data = y;
      size_t bytes;
      qn_call_error error = {0};
      assert_int_not_equal(qn_program_sizes(p, &in, &bytes, shapes, &error), QN_OK);
      assert_true(error.message[0]);
      assert_int_not_equal(qn_program_call(p, &in, &out, workspace, sizeof workspace, NULL, &error), QN_OK);
      qn_program_ops(p, &in, NULL);
    }
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

static void each_engine(void **state) {
  (void)state;
  for (size_t e = 0; qn_engine_name(e); e++)
    for (int form = 0; form < 3; form++) {
      const char *const texts[] = {open_sizes, fixed, one_kernel}, *text = texts[form];
      wrong_tensors(qn_engine_name(e), text);
      no_arrays(qn_engine_name(e), text);
      little_workspace(qn_engine_name(e), text);
      operand_in_workspace(qn_engine_name(e), text);
    }
}

/* Operations are counted by the instruction that multiplies: bytes in tiles where the row has registers for those and
 * the call has rows enough. */
static void ops_by_what_multiplies(void **state) {
  (void)state;
  static const struct {
    qn_scalar a, b;
    const char *cpu;
    int64_t m;
  } cases[] = {{QN_UI8, QN_I8, NULL, 1},      {QN_UI8, QN_I8, NULL, 70},  {QN_UI8, QN_I8, "avx512vnni", 70},
               {QN_UI8, QN_I8, "x86-64", 70}, {QN_F32, QN_F32, NULL, 70}, {QN_UI8, QN_I8, "avx2", 3}};
  static int8_t w8[64 * 48];
  static float w32[64 * 48];
  static const float scale = 1;
  bool llvm = false;
  for (size_t e = 0; qn_engine_name(e); e++) llvm |= !strcmp(qn_engine_name(e), "llvm");
  for (size_t i = 0; i < 64 * 48; i++) w8[i] = (int8_t)(1 + i % 3), w32[i] = 1; /* zeros would be left out */
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const qn_isa *isa = qn_isa_find(qn_str_of(cases[i].cpu));
    qn_compile_options compile = {.engine = "llvm", .cpu = cases[i].cpu};
    if (!llvm || !qn_isa_runs_here(isa)) continue;
    qn_context *ctx = qn_context_create(NULL);
    bool floats = cases[i].a == QN_F32;
    qn_matmul_desc d = {.m = QN_DYNAMIC, .n = 48, .k = 64, .a = cases[i].a, .b = cases[i].b, .y = QN_F32};
    d.b_data = floats ? (const void *)w32 : w8, d.b_scales = floats ? NULL : &scale, d.b_per_tensor = !floats;
    d.a_scale = 1;
    qn_program *p = program_of_product(ctx, &d, &compile);
    int64_t shape[2] = {cases[i].m, 64};
    DLTensor in = {.device = {kDLCPU, 0}, .ndim = 2, .dtype = {kDLUInt, 8, 1}, .shape = shape};
    in.data = w32;
    if (floats) in.dtype = (DLDataType){kDLFloat, 32, 1};
    bool tiles = (isa->has & QN_ISA_TILES) && cases[i].m > 1, pairs = isa->has & QN_ISA_PAIRS8;
    qn_multiplier expected = floats  ? QN_MULTIPLIER_F32
                             : tiles ? QN_MULTIPLIER_INT8_TILES
                             : pairs ? QN_MULTIPLIER_INT8_PAIRS /* such small weights */
                                     : QN_MULTIPLIER_INT8;
    double by[QN_MULTIPLIER_COUNT], all = 2.0 * 48 * 64 * (double)cases[i].m;
    assert_true(qn_program_ops(p, &in, by) == all);
    for (uint32_t j = 0; j < QN_MULTIPLIER_COUNT; j++) assert_true(by[j] == (j == expected ? all : 0));
    qn_program_destroy(p);
    qn_context_destroy(ctx);
  }
}

/* Rows that start at any byte, of weights with a scale per block, as written and as kernels. */
static void any_byte(void **state) {
  (void)state;
  static const char text[] = "!w = !quern.uniform<i8:f32:{0:8, 1:1}, {{0.5, 0.25}}>\n"
                             "func.func @main(%x: tensor<3x8xf32>) -> tensor<3x2xf32> {\n"
                             "  %c = arith.constant dense<1> : tensor<8x2xi8>\n"
                             "  %w = quant.scast %c : tensor<8x2xi8> to tensor<8x2x!w>\n"
                             "  %y = quern.matmul %x, %w : (tensor<3x8xf32>, tensor<8x2x!w>) -> tensor<3x2xf32>\n"
                             "  return %y : tensor<3x2xf32>\n}\n";
  for (size_t e = 0; qn_engine_name(e); e++) {
    qn_context *ctx = qn_context_create(NULL);
    qn_module *m = NULL;
    qn_program *p = NULL;
    qn_compile_options options = {.engine = qn_engine_name(e)};
    assert_int_equal(qn_parse_text(ctx, qn_str_of(text), "call.mlir", NULL, &m), QN_OK);
    assert_int_equal(qn_lower(m, NULL), QN_OK);
    assert_int_equal(qn_program_compile(m, &options, &p), QN_OK);
    char x[3 * 8 * sizeof(float) + 1];
    float one = 1;
    for (size_t i = 0; i < 3 * 8; i++) memcpy(x + 1 + i * sizeof one, &one, sizeof one);
    qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {3, 8}, .data = x + 1}, out;
    assert_int_equal(qn_program_run(p, &in, &out, NULL), QN_OK);
    for (int i = 0; i < 6; i++) assert_true(qn_tensor_get_f64(&out, i) == (i % 2 ? 2 : 4));
    qn_tensor_free(ctx, &out);
    qn_program_destroy(p), qn_module_destroy(m), qn_context_destroy(ctx);
  }
}

static void sizes_overflow(void **state) {
  (void)state;
  for (size_t e = 0; qn_engine_name(e); e++) huge_sizes(qn_engine_name(e));
}

/* ---- options ---- */

static char heard[256];
static void hear(void *user, const qn_diag *d) {
  (void)user;
  if (!heard[0] && d->severity == QN_ERROR) snprintf(heard, sizeof heard, "%s", d->message.data);
}

static void names(void **state) {
  (void)state;
  static const char *const cpus[] = {"nonsense", "", "native,+foo", "host},dce{x=", "avx 2", "\xff\xfe"};
  qn_context_options options = {.on_diag = hear};
  qn_context *ctx = qn_context_create(&options);
  qn_module *m = NULL;
  assert_int_equal(qn_parse_text(ctx, qn_str_of(fixed), "call.mlir", NULL, &m), QN_OK);
  for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++) {
    qn_compile_options o = {.cpu = cpus[i]};
    qn_program *p;
    heard[0] = 0;
    assert_int_equal(qn_build_program(m, &o, &p), QN_ERR_INPUT);
    assert_null(p);
    assert_non_null(strstr(heard, "no instruction set is named"));
  }
  qn_module *dynamic = NULL; /* no code is made before its sizes are known */
  assert_int_equal(qn_parse_text(ctx, qn_str_of(open_sizes), "call.mlir", NULL, &dynamic), QN_OK);
  static const char *const engines[] = {"gpu", "", "LLVM", "auto,llvm"};
  for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
    qn_compile_options o = {.engine = engines[i]};
    qn_program *p;
    heard[0] = 0;
    assert_int_equal(qn_build_program(dynamic, &o, &p), QN_ERR_INPUT);
    assert_null(p);
    assert_non_null(strstr(heard, "is built in; there are auto"));
  }
  qn_module_destroy(dynamic);
  qn_pool *pool = NULL;
  heard[0] = 0;
  assert_int_not_equal(qn_pool_create(ctx, QN_POOL_MOST + 1, &pool), QN_OK);
  assert_null(pool);
  assert_non_null(strstr(heard, "1024"));
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  qn_program_destroy(NULL), qn_module_destroy(NULL), qn_pool_destroy(NULL), qn_context_destroy(NULL);
}

/* Programs for machines unlike this one: they can be looked at. */
static void other_machines(void **state) {
  (void)state;
  const qn_isa *isa = NULL;
  for (size_t i = 0; !isa; i++)
    if (!qn_isa_runs_here(qn_isa_get(i))) isa = qn_isa_get(i);
  for (size_t e = 0; qn_engine_name(e); e++)
    for (int known = 0; known < 2; known++) {
      qn_compile_options options = {.engine = qn_engine_name(e), .cpu = isa->name, .look = true};
      if (!strcmp(options.engine, "interp")) continue;
      fixture f;
      qn_kernel_info k;
      qn_call_error error = {.message = ""};
      open_with(&f, &options, known ? fixed : open_sizes);
      assert_true(qn_program_kernel(f.p, 0, &k));
      assert_string_equal(k.isa, isa->name);
      refused(&f, "this machine cannot run code for ");
      assert_int_not_equal(qn_program_prepare(f.p, f.in, &error), QN_OK);
      assert_non_null(strstr(error.message, isa->name));
      close_fixture(&f);
      qn_context *ctx = qn_context_create(&(qn_context_options){.on_diag = hear});
      qn_module *m = NULL;
      qn_program *p = NULL;
      options.look = false, heard[0] = 0;
      assert_int_equal(qn_parse_text(ctx, qn_str_of(fixed), "call.mlir", NULL, &m), QN_OK);
      assert_int_not_equal(qn_build_program(m, &options, &p), QN_OK);
      assert_non_null(strstr(heard, "this machine cannot run code for "));
      qn_module_destroy(m);
      qn_context_destroy(ctx);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_engine),    cmocka_unit_test(any_byte), cmocka_unit_test(ops_by_what_multiplies),
      cmocka_unit_test(sizes_overflow), cmocka_unit_test(names),    cmocka_unit_test(other_machines)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
