/* Models in, programs out. */
#include "alloc.h"
#include "fileio.h"
#include <quern/driver.h>
#include <quern/import.h>
#include <stdio.h>
#include <string.h>

/* MLIR text has no byte below a space but line ends and tabs; a ModelProto begins with a field tag, and one that is
 * text by accident would be no model. */
static bool looks_like_text(const qn_file *f) {
  size_t n = f->size < 512 ? f->size : 512;
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)f->data[i];
    if (c < 32 && c != '\n' && c != '\t' && c != '\r') return false;
  }
  return true;
}

static bool ends_with(const char *path, const char *suffix) {
  size_t n = strlen(path), k = strlen(suffix);
  return n >= k && !strcmp(path + n - k, suffix);
}

qn_status qn_load_model(qn_context *ctx, const char *path, const qn_load_options *options, qn_module **out) {
  static const qn_load_options none = {0};
  const qn_load_options *o = options ? options : &none;
  qn_file f;
  *out = NULL;
  if (strcmp(path, "-") == 0) return qn_parse_file(ctx, path, NULL, out);
  qn_status status = qn__file_open(ctx, path, &f);
  if (status) return status;
  bool onnx = ends_with(path, ".onnx") || (!ends_with(path, ".mlir") && !looks_like_text(&f));
  qn__file_close(&f);
  if (onnx) {
    qn_onnx_options import = {.num_dims = o->num_dims, .dims = o->dims, .num_consts = o->num_consts, .consts = o->consts};
    return qn_import_onnx(ctx, path, &import, out);
  }
  if (o->num_consts)
    return qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(path), "--const binds inputs of ONNX models while they are imported");
  status = qn_parse_file(ctx, path, NULL, out);
  if (status || !o->num_dims) return status;
  char pipeline[1024];
  size_t at = (size_t)snprintf(pipeline, sizeof pipeline, "infer-shapes{bind=");
  for (size_t i = 0; i < o->num_dims && at < sizeof pipeline; i++) {
    const char *eq = strchr(o->dims[i], '=');
    at += (size_t)snprintf(pipeline + at, sizeof pipeline - at, "%s%.*s:%s", i ? "+" : "", eq ? (int)(eq - o->dims[i]) : 0,
                           o->dims[i], eq ? eq + 1 : "");
  }
  if (at + 2 > sizeof pipeline) status = qn_error(ctx, QN_DIAG_LIMIT, qn_place_file(path), "too many --dim bindings");
  else {
    strcpy(pipeline + at, "}");
    status = qn_run_pipeline(*out, pipeline);
  }
  if (status) {
    qn_module_destroy(*out);
    *out = NULL;
  }
  return status;
}

qn_status qn_lower(qn_module *m, const char *cpu) {
  char pipeline[256];
  int n = snprintf(pipeline, sizeof pipeline,
                   "inline,infer-shapes,canonicalize,cse,dce,lower-kernels{target=%s},canonicalize,cse,dce,pack-constants,dce,plan-buffers",
                   cpu ? cpu : "host");
  if (n < 0 || (size_t)n >= sizeof pipeline)
    return qn_error(qn_module_context(m), QN_DIAG_UNKNOWN_NAME, qn_place_file(""), "no instruction set is named '%s'", cpu);
  return qn_run_pipeline(m, pipeline);
}

static bool is_lowered(const qn_module *m, const char *function) {
  qn_op func = qn_module_function(m, function);
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)); op.id; op = qn_op_next(m, op)) {
    qn_op_kind kind = qn_op_kind_of(m, op);
    if (!(qn_op_info_get(kind)->traits & (QN_KERNEL_OP | QN_TERMINATOR)) && kind != QN_OP_CONSTANT) return false;
  }
  return true;
}

qn_status qn_build_program(const qn_module *m, const qn_compile_options *options, qn_program **out) {
  const char *engine = options ? options->engine : NULL;
  if (!engine || !strcmp(engine, "auto")) engine = qn_engine_name(0);
  if (!strcmp(engine, "interp") || is_lowered(m, options ? options->function : NULL))
    return qn_program_compile(m, options, out);
  *out = NULL;
  qn_module *copy = qn_module_clone(m);
  if (!copy) return qn_error_no_memory(qn_module_context(m));
  qn_status status = qn_lower(copy, options ? options->cpu : NULL);
  if (!status) status = qn_program_compile(copy, options, out);
  qn_module_destroy(copy);
  return status;
}
