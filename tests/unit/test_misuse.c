/* The interface called as no one should call it: pointers that are null, enumerators that there are none of. Each call
 * says so, in its status and, where it has a context, in a diagnostic that names the function. */
#include "program_test.h"
#include <quern/import.h>
#include <quern/report.h>
#include <unistd.h>

static const char text[] = "func.func @main(%a: tensor<4x8xf32>) -> tensor<4x8xf32> {\n"
                           "  %y = quern.relu %a : (tensor<4x8xf32>) -> tensor<4x8xf32>\n"
                           "  return %y : tensor<4x8xf32>\n"
                           "}\n";

typedef struct fixture {
  qn_context *ctx;
  qn_module *m;
  qn_program *p;
  char message[512];
} fixture;

static void hear(void *user, const qn_diag *d) {
  fixture *f = user;
  snprintf(f->message, sizeof f->message, "%.*s", (int)d->message.size, d->message.data);
}

static int begin(void **state) {
  static fixture f;
  qn_context_options options = {.on_diag = hear, .on_diag_user = &f};
  f.ctx = qn_context_create(&options);
  f.m = NULL;
  assert_int_equal(qn_parse_text(f.ctx, qn_str_of(text), "relu.mlir", NULL, &f.m), QN_OK);
  f.p = program_of_text(f.ctx, text, NULL);
  *state = &f;
  return 0;
}

static int end(void **state) {
  fixture *f = *state;
  qn_program_destroy(f->p);
  qn_module_destroy(f->m);
  qn_context_destroy(f->ctx);
  return 0;
}

/* The call named first, with these arguments, is refused by name. */
#define REFUSED(function, ...)                                                                                         \
  do {                                                                                                                 \
    f->message[0] = 0;                                                                                                 \
    assert_int_equal(function(__VA_ARGS__), QN_ERR_INPUT);                                                             \
    if (!strstr(f->message, #function ":")) fail_msg("'%s' does not name %s", f->message, #function);                  \
  } while (0)

/* There is no context to tell. */
#define SILENT(call)                                                                                                   \
  do {                                                                                                                 \
    f->message[0] = 0;                                                                                                 \
    assert_int_equal(call, QN_ERR_INPUT);                                                                              \
    assert_string_equal(f->message, "");                                                                               \
  } while (0)

static void texts_and_modules(void **state) {
  fixture *f = *state;
  qn_module *m = NULL;
  REFUSED(qn_parse_text, f->ctx, qn_str_of(text), "x", NULL, NULL);
  REFUSED(qn_parse_file, f->ctx, NULL, NULL, &m);
  REFUSED(qn_parse_file, f->ctx, "x.mlir", NULL, NULL);
  REFUSED(qn_print, f->m, NULL, NULL, NULL);
  REFUSED(qn_print_file, f->m, NULL, NULL);
  REFUSED(qn_load_model, f->ctx, NULL, NULL, &m);
  qn_load_options dims = {.num_dims = 1}, consts = {.num_consts = 1};
  REFUSED(qn_load_model, f->ctx, "x.onnx", &dims, &m);
  REFUSED(qn_load_model, f->ctx, "x.onnx", &consts, &m);
  REFUSED(qn_import_onnx, f->ctx, NULL, NULL, &m);
  REFUSED(qn_run_pipeline, f->m, NULL);
  REFUSED(qn_pass_manager_create, f->ctx, qn_str_of("cse"), NULL, NULL);
  REFUSED(qn_pass_manager_run, NULL, f->m);
  REFUSED(qn_report_ops, f->m, NULL, NULL);
  REFUSED(qn_report_types, f->m, NULL, NULL);
  REFUSED(qn_report_json, f->m, NULL, NULL, NULL);
  REFUSED(qn_report_dot, f->m, NULL, NULL, NULL);
  REFUSED(qn_report_roofline, f->ctx, NULL, 0, NULL, NULL, NULL, NULL);
  SILENT(qn_parse_text(NULL, qn_str_of(text), "x", NULL, &m));
  SILENT(qn_print(NULL, NULL, NULL, NULL));
  SILENT(qn_run_pipeline(NULL, "cse"));
  SILENT(qn_lower(NULL, NULL));
  assert_null(m);
  assert_null(qn_module_context(NULL));
  assert_int_equal(qn_report_summary(NULL).ops, 0);
}

static void jobs(void **state) {
  fixture *f = *state;
  qn_program *p = NULL;
  qn_sample_set *samples = NULL;
  qn_matmul_desc matmul = {.m = 1, .n = 1, .k = 1, .a = QN_F32, .b = QN_F32, .y = QN_F32};
  qn_conv_desc conv = {.batch = 1};
  qn_accuracy accuracy;
  qn_tune_options tune = {.threads = 1};
  qn_bench_result result;
  qn_kernel_time times;
  qn_tensor none = {0};
  size_t count;
  REFUSED(qn_kernel_matmul, f->ctx, NULL, NULL, &p);
  REFUSED(qn_kernel_matmul, f->ctx, &matmul, NULL, NULL);
  REFUSED(qn_kernel_conv, f->ctx, NULL, NULL, &p);
  REFUSED(qn_kernel_conv, f->ctx, &conv, NULL, NULL);
  REFUSED(qn_samples_open, f->ctx, NULL, &samples);
  REFUSED(qn_calibrate_merge, f->m, NULL);
  REFUSED(qn_compare, f->m, NULL, NULL, NULL, false, NULL, NULL);
  REFUSED(qn_compare_accuracy, f->m, f->m, NULL, "label", NULL, NULL);
  REFUSED(qn_classify, f->m, NULL, NULL, 0, NULL);
  REFUSED(qn_bench_program, f->ctx, NULL, NULL, &none, 1, 0.01, &result);
  REFUSED(qn_bench_program, f->ctx, f->p, NULL, NULL, 1, 0.01, &result);
  REFUSED(qn_bench_program, f->ctx, f->p, NULL, &none, 1, 0.01, NULL);
  REFUSED(qn_bench_kernels, f->ctx, f->p, NULL, 1, 0.01, 1, &times, &count);
  REFUSED(qn_bench_kernels, f->ctx, f->p, &none, 1, 0.01, 1, NULL, &count);
  REFUSED(qn_tune_program, f->ctx, NULL, NULL);
  REFUSED(qn_tune_program, f->ctx, &tune, NULL);
  REFUSED(qn_measure_machine, f->ctx, NULL, NULL);
  REFUSED(qn_tuning_put, f->ctx, NULL);
  REFUSED(qn_tuning_write, f->ctx, NULL);
  SILENT(qn_calibrate(NULL, NULL, NULL));
  SILENT(qn_quantize(NULL, NULL, NULL));
  SILENT(qn_compare_accuracy(NULL, f->m, NULL, "label", NULL, &accuracy));
  assert_null(p);
  assert_null(samples);
}

static void programs(void **state) {
  fixture *f = *state;
  qn_program *p = NULL;
  qn_pool *pool = NULL;
  qn_tensor none = {0};
  double speed;
  REFUSED(qn_build_program, f->m, NULL, NULL);
  REFUSED(qn_program_compile, f->m, NULL, NULL);
  REFUSED(qn_program_save, f->p, NULL);
  REFUSED(qn_program_load, f->ctx, NULL, &p);
  REFUSED(qn_program_load, f->ctx, "x.qp", NULL);
  REFUSED(qn_program_run, f->p, NULL, &none, NULL);
  REFUSED(qn_program_run, f->p, &none, NULL, NULL);
  REFUSED(qn_program_emit, f->m, NULL, QN_FORMAT_C, "entry", NULL, NULL);
  REFUSED(qn_engine_peak, f->ctx, NULL, QN_MULTIPLIER_INT8, 1, NULL, NULL);
  REFUSED(qn_engine_limits, f->ctx, NULL, 1, 0, NULL);
  REFUSED(qn_engine_read_speed, f->ctx, NULL, 1 << 16, NULL);
  REFUSED(qn_pool_create, f->ctx, 1, NULL);
  SILENT(qn_build_program(NULL, NULL, &p));
  SILENT(qn_program_save(NULL, "x.qp"));
  SILENT(qn_engine_set_cache(NULL, "x", 0));
  SILENT(qn_engine_peak(NULL, NULL, QN_MULTIPLIER_INT8, 1, &speed, NULL));
  SILENT(qn_pool_create(NULL, 1, &pool));
  assert_null(p);
  assert_null(pool);
  assert_string_equal(qn_program_engine(NULL), "");
  assert_int_equal(qn_program_num_inputs(NULL) + qn_program_num_outputs(NULL), 0);
  assert_int_equal(qn_program_input(NULL, 0).rank + qn_program_output(NULL, 0).rank, 0);
  assert_int_equal(qn_program_code_bytes(NULL) + qn_program_constant_bytes(NULL), 0);
  assert_true(qn_program_ops(NULL, NULL, NULL) == 0);
  assert_false(qn_program_kernel(f->p, 0, NULL));
  assert_null(qn_tensor_as_dlpack(NULL, NULL).data);
}

/* Calls report to the caller. */
static void calls(void **state) {
  fixture *f = *state;
  qn_call_error error = {.message = ""};
  qn_prepared *prepared = NULL;
  size_t bytes;
  DLTensor t = {.ndim = 0};
  assert_int_equal(qn_program_call(NULL, &t, &t, NULL, 0, NULL, &error), QN_ERR_INPUT);
  assert_non_null(strstr(error.message, "no program"));
  assert_int_equal(qn_program_sizes(NULL, &t, &bytes, NULL, NULL), QN_ERR_INPUT);
  assert_int_equal(qn_program_prepare(NULL, &t, NULL), QN_ERR_INPUT);
  assert_int_equal(qn_prepared_create(NULL, &t, &t, NULL, &prepared, NULL), QN_ERR_INPUT);
  assert_int_equal(qn_prepared_create(f->p, &t, &t, NULL, NULL, &error), QN_ERR_INPUT);
  assert_non_null(strstr(error.message, "null"));
  assert_int_equal(qn_prepared_set(NULL, NULL, NULL, NULL), QN_ERR_INPUT);
  assert_int_equal(qn_prepared_run(NULL, NULL), QN_ERR_INPUT);
  assert_int_equal(qn_prepared_run(NULL, &error), QN_ERR_INPUT);
  assert_non_null(strstr(error.message, "no prepared call"));
  assert_true(qn_program_workspace_size(NULL, &t) == SIZE_MAX);
}

static void files(void **state) {
  fixture *f = *state;
  qn_store *store = NULL;
  qn_store_writer *w = NULL;
  qn_tensor t = {0};
  char path[96];
  snprintf(path, sizeof path, "/tmp/quern-misuse-%ld.npz", (long)getpid());
  REFUSED(qn_store_open, f->ctx, NULL, &store);
  REFUSED(qn_store_open_memory, f->ctx, "x", NULL, 8, &store);
  REFUSED(qn_npy_read, f->ctx, NULL, &store, &t);
  REFUSED(qn_npy_write, f->ctx, path, NULL);
  REFUSED(qn_store_writer_create, f->ctx, NULL, QN_STORE_NPZ, &w);
  assert_int_equal(qn_store_writer_create(f->ctx, path, (qn_store_format)99, &w), QN_ERR_INPUT);
  assert_null(w);
  assert_int_equal(qn_program_emit(f->m, NULL, (qn_emit_format)99, "entry", path, NULL), QN_ERR_INPUT);
  assert_non_null(strstr(f->message, "99"));
  assert_int_equal(qn_store_writer_create(f->ctx, path, QN_STORE_NPZ, &w), QN_OK);
  REFUSED(qn_store_writer_add, w, qn_str_of("a"), NULL);
  qn_store_writer_abandon(w);
  SILENT(qn_store_writer_commit(NULL));
  assert_int_not_equal(access(path, F_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(texts_and_modules, begin, end),
      cmocka_unit_test_setup_teardown(jobs, begin, end),
      cmocka_unit_test_setup_teardown(programs, begin, end),
      cmocka_unit_test_setup_teardown(calls, begin, end),
      cmocka_unit_test_setup_teardown(files, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
