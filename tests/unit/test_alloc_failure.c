/* A whole job with an allocator that fails: at each of the first allocations, then at ever sparser ones, once or for
 * good. Whatever fails, the call in progress says so, nothing crashes, and every byte comes back. */
#include "failing_alloc.h"
#include "temp_folder.h"
#include "unit.h"
#include <quern/driver.h>
#include <quern/import.h>
#include <stdio.h>
#include <unistd.h>

static const char program[] =
    "func.func private @layer(%x: tensor<?x8xf32>, %w: tensor<8x4xf32>) -> tensor<?x4xf32> {\n"
    "  %p = quern.matmul %x, %w : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>\n"
    "  %b = arith.constant dense<[0.5, -0.5, 0.25, 1.0]> : tensor<4xf32>\n"
    "  %s = quern.add %p, %b : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>\n"
    "  %r = quern.relu %s : (tensor<?x4xf32>) -> tensor<?x4xf32>\n"
    "  return %r : tensor<?x4xf32>\n"
    "}\n"
    "func.func @main(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {\n"
    "  %w = arith.constant dense<\"0x"
    "0000803F000000400000404000008040" /* 1 2 3 4 */
    "0000803F0000004000004040000080C0"
    "0000003F0000004000004040000080C0"
    "0000803F000000C000004040000080C0"
    "000080BF0000004000004040000080C0"
    "0000803F0000004000004040000000C0"
    "0000803F000000400000404000000040"
    "0000803F0000004000004040000080C0\"> : tensor<8x4xf32>\n"
    "  %h = func.call @layer(%x, %w) : (tensor<?x8xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>\n"
    "  %y = quern.softmax %h : (tensor<?x4xf32>) -> tensor<?x4xf32>\n"
    "  return %y : tensor<?x4xf32>\n"
    "}\n";

typedef struct job job;
struct job {
  const char *engine;
  qn_status (*run)(const job *j, qn_context *ctx);
  bool quantize, again; /* quantize first; save the program, load it and run that */
  size_t dense;         /* how many allocations fail one after the other before steps begin to grow; 0: 64 */
  char folder[128];
};

static bool drop(void *user, const char *data, size_t size) {
  (void)data;
  *(size_t *)user += size;
  return true;
}

static qn_status print_module(const qn_module *m) {
  static const qn_print_options generic = {.generic = true, .inline_ = true};
  size_t bytes = 0;
  qn_status status = qn_print(m, NULL, drop, &bytes);
  return status == QN_OK ? qn_print(m, &generic, drop, &bytes) : status;
}

static qn_status run_program(const qn_program *p, qn_context *ctx) {
  float x[16];
  for (int i = 0; i < 16; i++) x[i] = (float)i / 8 - 1;
  const qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {2, 8}, .data = x};
  qn_tensor out = {0};
  qn_status status = qn_program_run(p, &in, &out, NULL);
  if (status == QN_OK) qn_tensor_free(ctx, &out);
  return status;
}

static qn_status compile_and_run(const job *j, qn_context *ctx, const qn_module *m) {
  const qn_compile_options options = {.engine = j->engine, .cpu = "generic"};
  char path[160];
  qn_program *p = NULL, *loaded = NULL;
  qn_status status = qn_build_program(m, &options, &p);
  if (status == QN_OK) status = run_program(p, ctx);
  snprintf(path, sizeof path, "%s/program", j->folder);
  if (status == QN_OK && j->again) status = qn_program_save(p, path);
  if (status == QN_OK && j->again) status = qn_program_load(ctx, path, &loaded);
  if (status == QN_OK && j->again) status = run_program(loaded, ctx);
  if (p) qn_program_destroy(p);
  if (loaded) qn_program_destroy(loaded);
  unlink(path);
  return status;
}

/* From text to a result. */
static qn_status text_job(const job *j, qn_context *ctx) {
  qn_module *m = NULL;
  const qn_quantize_options dynamic = {.scheme = "w8a8-dynamic", .granularity = "channel"};
  qn_status status = qn_parse_text(ctx, qn_str_of(program), "program.mlir", NULL, &m);
  if (status == QN_OK) status = print_module(m);
  if (status == QN_OK && j->quantize) status = qn_quantize(m, NULL, &dynamic);
  if (status == QN_OK) status = compile_and_run(j, ctx, m);
  if (m) qn_module_destroy(m);
  return status;
}

/* From an ONNX model and samples to a quantized program in files, and to its accuracy. */
static qn_status model_job(const job *j, qn_context *ctx) {
  static const qn_quantize_options options = {.scheme = "w8a8", .engine = "interp", .granularity = "channel"};
  char path[160], resources[160];
  qn_module *m = NULL, *copy = NULL;
  qn_sample_set *samples = NULL;
  qn_accuracy accuracy;
  snprintf(path, sizeof path, "%s/int8.mlir", j->folder);
  snprintf(resources, sizeof resources, "%s/int8.safetensors", j->folder);
  qn_status status = qn_load_model(ctx, QUERN_TEST_DATA "/digits.onnx", NULL, &m);
  if (status == QN_OK) status = qn_samples_open(ctx, QUERN_TEST_DATA "/digits-test.npz", &samples);
  if (status == QN_OK) status = qn_quantize(m, samples, &options);
  if (status == QN_OK) status = qn_print_file(m, NULL, path);
  if (status == QN_OK) status = qn_load_model(ctx, path, NULL, &copy);
  if (status == QN_OK) status = qn_compare_accuracy(m, copy, samples, "label", j->engine, &accuracy);
  if (copy) qn_module_destroy(copy);
  if (m) qn_module_destroy(m);
  if (samples) qn_samples_close(samples);
  unlink(path);
  unlink(resources);
  return status;
}

static qn_status whole_job(const job *j, const qn_allocator *allocator) {
  const qn_context_options options = {.allocator = allocator};
  qn_context *ctx = qn_context_create(&options);
  if (!ctx) return QN_ERR_NO_MEMORY;
  qn_status status = j->run(j, ctx);
  qn_context_destroy(ctx);
  return status;
}

/* The job with allocation n failing. False when it has fewer. */
static bool fail_at(const job *j, size_t n, bool sticky) {
  failing_alloc f;
  qn_allocator a = failing_init(&f, n);
  f.sticky = sticky;
  qn_status status = whole_job(j, &a);
  if (!failing_clean(&f) || f.fired != (status != QN_OK))
    fail_msg("engine %s, allocation %zu failing%s: status %d, %zu blocks (%zu bytes) left%s", j->engine, n,
             sticky ? " for good" : "", (int)status, f.live_blocks, f.live_bytes, f.bad_size ? ", a wrong size" : "");
  return f.fired;
}

static void count_down(job *j) {
  assert_true(make_temp_folder("alloc", j->folder, sizeof j->folder));
  size_t n = 0, runs = 0;
  while (fail_at(j, n, runs % 2 != 0)) {
    n += 1 + n / (j->dense ? j->dense : 64);
    runs++;
  }
  assert_true(n > 100);
  rmdir(j->folder);
}

static void test_interp(void **state) {
  (void)state;
  count_down(&(job){.run = text_job, .engine = "interp"});
}

static void test_quantize(void **state) {
  (void)state;
  count_down(&(job){.run = text_job, .engine = "interp", .quantize = true});
}

static bool built_in(const char *engine) {
  for (size_t i = 0; qn_engine_name(i); i++)
    if (strcmp(qn_engine_name(i), engine) == 0) return true;
  return false;
}

static void test_tcc(void **state) {
  (void)state;
  if (!built_in("tcc")) skip();
  count_down(&(job){.run = text_job, .engine = "tcc", .again = true});
  count_down(&(job){.run = text_job, .engine = "tcc", .quantize = true});
}

/* Machine code takes its time, so fewer places; what LLVM allocates for itself is not ours to fail. */
static void test_llvm(void **state) {
  (void)state;
  if (!built_in("llvm")) skip();
  count_down(&(job){.run = text_job, .engine = "llvm", .again = true, .dense = 12});
}

static void test_model(void **state) {
  (void)state;
  count_down(&(job){.run = model_job, .engine = built_in("tcc") ? "tcc" : "interp", .dense = 16});
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_interp), cmocka_unit_test(test_quantize),
                                     cmocka_unit_test(test_tcc), cmocka_unit_test(test_llvm),
                                     cmocka_unit_test(test_model)};
  return cmocka_run_group_tests_name("alloc_failure", tests, NULL, NULL);
}
