/* How often a classifier is right. */
#include "alloc.h"
#include <quern/driver.h>
#include <string.h>

enum { BATCH = 64 };

static int64_t largest(const qn_tensor *t, int64_t row, int64_t n) {
  int64_t best = 0;
  for (int64_t j = 1; j < n; j++)
    if (qn_tensor_get_f64(t, row * n + j) > qn_tensor_get_f64(t, row * n + best)) best = j;
  return best;
}

/* One batch: classes of its samples into `classes`. */
static qn_status classify(qn_context *ctx, const qn_program *p, const qn_tensor *inputs, qn_tensor *outputs, int64_t n,
                          int64_t *classes) {
  qn_status status = qn_program_run(p, inputs, outputs, NULL);
  if (status) return status;
  const qn_tensor *y = &outputs[0];
  int64_t width = y->rank ? y->shape[y->rank - 1] : 0;
  if (width < 1 || qn_tensor_count(y) != n * width)
    status =
        qn_error(ctx, QN_DIAG_SHAPE, qn_place_file(""), "the first output has no row of class scores for each sample");
  for (int64_t i = 0; i < n && !status; i++) classes[i] = largest(y, i, width);
  for (uint32_t i = 0; i < qn_program_num_outputs(p); i++) qn_tensor_free(ctx, &outputs[i]);
  return status;
}

static qn_status classify_all(const qn_module *m, qn_op func, const qn_program *p, qn_sample_set *samples,
                              int64_t count, int64_t *classes) {
  qn_context *ctx = qn_module_context(m);
  const qn_allocator *a = qn_context_allocator(ctx);
  size_t num_in = qn_program_num_inputs(p), num_out = qn_program_num_outputs(p),
         bytes = (num_in + num_out + 1) * sizeof(qn_tensor);
  qn_tensor *t = qn__alloc_zero(a, bytes);
  if (!t) return qn_error_no_memory(ctx);
  int64_t fixed = num_in && qn_program_input(p, 0).rank ? qn_program_input(p, 0).shape[0] : QN_DYNAMIC;
  int64_t batch = fixed > 0 ? fixed : BATCH;
  qn_status status = QN_OK;
  for (int64_t i = 0; i < count && !status; i += batch) {
    int64_t n = count - i < batch ? count - i : batch;
    status = qn_samples_inputs(samples, m, func, i, n, t);
    if (!status) status = classify(ctx, p, t, t + num_in, n, classes + i);
    qn_progress(ctx, "classify", i + n, count);
  }
  qn__free(a, t, bytes);
  return status;
}

qn_status qn_classify(const qn_module *m, qn_sample_set *samples, const char *engine, int64_t count, int64_t *classes) {
  if (!m || !classes) return qn_error_null(qn_module_context(m), __func__);
  qn_compile_options options = {.engine = engine};
  qn_program *p;
  qn_status status = qn_build_program(m, &options, &p);
  if (status) return status;
  status = classify_all(m, qn_module_function(m, NULL), p, samples, count, classes);
  qn_program_destroy(p);
  return status;
}

qn_status qn_compare_accuracy(const qn_module *a, const qn_module *b, qn_sample_set *samples, const char *labels,
                              const char *engine, qn_accuracy *out) {
  if (!a || !b || !out) return qn_error_null(qn_module_context(a), __func__);
  qn_context *ctx = qn_module_context(a);
  const qn_allocator *allocator = qn_context_allocator(ctx);
  qn_tensor truth;
  int64_t count;
  memset(out, 0, sizeof *out);
  qn_status status = qn_samples_count(samples, a, qn_module_function(a, NULL), &count);
  if (!status) status = qn_samples_array(samples, labels, &truth);
  if (status) return status;
  if (qn_tensor_count(&truth) != count || count < 1)
    return qn_error(ctx, QN_DIAG_SHAPE, qn_place_file(""), "array '%s' has %lld labels for %lld samples", labels,
                    (long long)qn_tensor_count(&truth), (long long)count);
  size_t bytes = 2 * (size_t)count * sizeof(int64_t);
  int64_t *classes = qn__alloc(allocator, bytes);
  if (!classes) return qn_error_no_memory(ctx);
  status = qn_classify(a, samples, engine, count, classes);
  if (!status) status = qn_classify(b, samples, engine, count, classes + count);
  int64_t right[2] = {0, 0}, same = 0;
  for (int64_t i = 0; i < count && !status; i++) {
    int64_t label = qn_tensor_get_i64(&truth, i);
    right[0] += classes[i] == label;
    right[1] += classes[count + i] == label;
    same += classes[i] == classes[count + i];
  }
  qn__free(allocator, classes, bytes);
  if (!status)
    *out = (qn_accuracy){count, (double)right[0] / (double)count, (double)right[1] / (double)count,
                         (double)same / (double)count};
  return status;
}
