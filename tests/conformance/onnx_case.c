#include "onnx_case.h"
#include "fileio.h"
#include "onnx_file.h"
#include <math.h>
#include <quern/unstable/evaluator.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- reading ---- */

static bool read_tensor(onnx_case *c, const char *path, onnx_ports *ports) {
  qn_file file;
  if (ports->n == CASE_MAX_PORTS || qn__file_open(c->ctx, path, &file) != QN_OK) return false;
  qn_status status =
      qn__onnx_tensor_file(c->ctx, path, file.data, file.size, &ports->value[ports->n], &ports->name[ports->n]);
  qn__file_close(&file);
  if (status == QN_OK) ports->n++;
  return status == QN_OK;
}

static bool read_ports(onnx_case *c, const char *kind, onnx_ports *ports) {
  for (uint32_t i = 0;; i++) {
    char path[700];
    struct stat st;
    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%u.pb", c->path, kind, i);
    if (stat(path, &st) != 0) return true;
    if (!read_tensor(c, path, ports)) return false;
  }
}

bool case_open(onnx_case *c, qn_context *ctx, const char *folder) {
  *c = (onnx_case){.ctx = ctx};
  snprintf(c->path, sizeof c->path, "%s", folder);
  return read_ports(c, "input", &c->inputs) && read_ports(c, "output", &c->outputs);
}

static void free_ports(onnx_case *c, onnx_ports *ports) {
  for (uint32_t i = 0; i < ports->n; i++) qn_tensor_free(c->ctx, &ports->value[i]);
  ports->n = 0;
}

void case_close(onnx_case *c) {
  free_ports(c, &c->inputs);
  free_ports(c, &c->outputs);
}

/* ---- importing ---- */

static qn_status import_bound(const onnx_case *c, uint32_t first, bool shapes_only, qn_module **out) {
  char path[700];
  qn_import_const consts[CASE_MAX_PORTS];
  qn_import_options options = {.consts = consts};
  for (uint32_t i = first; i < c->inputs.n; i++) {
    const qn_tensor *t = &c->inputs.value[i];
    if (shapes_only && (t->elem != QN_I64 || t->rank > 1)) continue;
    consts[options.num_consts++] = (qn_import_const){qn_name_str(c->ctx, c->inputs.name[i]), *t};
  }
  snprintf(path, sizeof path, "%s/model.onnx", c->path);
  return qn_import_onnx(c->ctx, path, &options, out);
}

qn_status case_import(const onnx_case *c, case_binding binding, qn_module **out) {
  if (binding == BIND_REST) return import_bound(c, 1, false, out);
  qn_status status = import_bound(c, c->inputs.n, true, out);
  return status == QN_ERR_UNSUPPORTED ? import_bound(c, 0, true, out) : status;
}

/* Data that stands for a tensor of this type. The suite writes bf16 as ui16, the same bits; some of its cases have data
 * that does not fit their own models. */
static bool retype(const qn_module *m, qn_type type, qn_tensor *t) {
  const qn_context *ctx = qn_module_context(m);
  qn_scalar elem = qn_type_as_scalar(ctx, qn_type_elem(ctx, type));
  if (elem == QN_BF16 && t->elem == QN_UI16) t->elem = QN_BF16;
  bool fits = t->elem == elem && qn_type_rank(ctx, type) == t->rank;
  for (uint32_t d = 0; fits && d < t->rank; d++) {
    int64_t size = qn_type_shape(ctx, type)[d];
    fits = size == QN_DYNAMIC || size == t->shape[d];
  }
  return fits;
}

bool case_inputs(const onnx_case *c, const qn_module *m, qn_op func, qn_tensor *inputs) {
  uint32_t n = qn_block_num_args(m, qn_func_body(m, func));
  for (uint32_t i = 0; i < n; i++) {
    qn_str name = qn_func_input_name(m, func, i);
    uint32_t k = 0;
    while (k < c->inputs.n && !qn_str_eq(qn_name_str(c->ctx, c->inputs.name[k]), name)) k++;
    if (k == c->inputs.n && n == c->inputs.n) k = i;
    if (k >= c->inputs.n) return false;
    inputs[i] = c->inputs.value[k];
    if (!retype(m, qn_value_type(m, qn_block_arg(m, qn_func_body(m, func), i)), &inputs[i])) return false;
  }
  return true;
}

/* ---- comparing ---- */

static bool same_number(double have, double want) {
  if (isnan(want)) return isnan(have);
  if (isinf(want) || isinf(have)) return have == want;
  return fabs(have - want) <= 1e-7 + 1e-3 * fabs(want);
}

static bool same_type(const qn_tensor *a, const qn_tensor *b) {
  return a->elem == b->elem && a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static bool check_output(qn_tensor expected, const qn_tensor *have, uint32_t i, char *why, size_t size) {
  const qn_tensor *want = &expected;
  if (have->elem == QN_BF16 && want->elem == QN_UI16) expected.elem = QN_BF16;
  if (!same_type(want, have)) {
    snprintf(why, size, "output %u has type %s of rank %u or sizes that differ from the expected %s of rank %u", i,
             qn_scalar_get(have->elem)->text, have->rank, qn_scalar_get(want->elem)->text, want->rank);
    return false;
  }
  bool is_float = qn_scalar_is_float(want->elem);
  for (int64_t k = 0; k < qn_tensor_count(want); k++) {
    double x = qn_tensor_get_f64(have, k), y = qn_tensor_get_f64(want, k);
    if (is_float ? same_number(x, y) : qn_tensor_get_i64(have, k) == qn_tensor_get_i64(want, k)) continue;
    snprintf(why, size, "output %u, element %lld: %.9g, expected %.9g", i, (long long)k, x, y);
    return false;
  }
  return true;
}

bool case_check(const onnx_case *c, uint32_t n, const qn_tensor *outputs, char *why, size_t size) {
  if (n != c->outputs.n) {
    snprintf(why, size, "%u outputs, expected %u", n, c->outputs.n);
    return false;
  }
  for (uint32_t i = 0; i < n; i++)
    if (!check_output(c->outputs.value[i], &outputs[i], i, why, size)) return false;
  return true;
}
