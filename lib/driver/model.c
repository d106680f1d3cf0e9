/* Models in, programs out. */
#include "alloc.h"
#include "buf.h"
#include "fileio.h"
#include <errno.h>
#include <quern/driver.h>
#include <quern/import.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
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

static bool is_saved_program(const qn_file *f) {
  return f->size >= 8 && !memcmp(f->data, "QUERNPRG", 8);
}

/* Standard input in diagnostics. */
static const char *shown(const char *path) {
  return strcmp(path, "-") ? path : "<stdin>";
}

/* "NAME=rest" split at the sign. */
static qn_status split(qn_context *ctx, const char *option, const char *text, qn_str *name, const char **rest) {
  *name = (qn_str){0}, *rest = "";
  if (!text) return qn_error_null(ctx, option);
  const char *eq = strchr(text, '=');
  if (!eq || eq == text || !eq[1])
    return qn_error(ctx, QN_DIAG_ATTRIBUTE, qn_place_file(""), "%s: '%s' is not NAME=VALUE", option, text);
  *name = (qn_str){text, (size_t)(eq - text)};
  *rest = eq + 1;
  return QN_OK;
}

typedef struct bindings {
  qn_import_dim *dims;
  qn_import_const *consts;
  qn_store **stores;
  size_t num_stores;
} bindings;

static qn_status read_dims(qn_context *ctx, const qn_load_options *o, bindings *b) {
  for (size_t i = 0; i < o->num_dims; i++) {
    const char *text;
    char *end;
    qn_status status = split(ctx, "--dim", o->dims[i], &b->dims[i].name, &text);
    if (status) return status;
    errno = 0;
    b->dims[i].size = strtoll(text, &end, 10);
    if (*end || errno || b->dims[i].size < 0)
      return qn_error(ctx, QN_DIAG_ATTRIBUTE, qn_place_file(""), "--dim: '%s' is no size", text);
  }
  return QN_OK;
}

static qn_status read_consts(qn_context *ctx, const qn_load_options *o, bindings *b) {
  for (size_t i = 0; i < o->num_consts; i++) {
    const char *path;
    qn_store *store;
    qn_status status = split(ctx, "--const", o->consts[i], &b->consts[i].name, &path);
    if (!status) status = qn_store_open(ctx, path, &store);
    if (status) return status;
    b->stores[b->num_stores++] = store;
    if (qn_store_count(store) == 1)
      status = qn_store_tensor(store, 0, &b->consts[i].value);
    else
      status = qn_store_get(store, b->consts[i].name, &b->consts[i].value);
    if (status) return status;
  }
  return QN_OK;
}

/* `f` is the file at `path`. Only one that can be opened again has a folder beside it for the model's data. */
static qn_status import(qn_context *ctx, const char *path, const qn_file *f, const qn_load_options *o,
                        qn_module **out) {
  const qn_allocator *a = qn_context_allocator(ctx);
  bindings b = {0};
  b.dims = qn__alloc_zero(a, (o->num_dims + 1) * sizeof *b.dims);
  b.consts = qn__alloc_zero(a, (o->num_consts + 1) * sizeof *b.consts);
  b.stores = qn__alloc_zero(a, (o->num_consts + 1) * sizeof *b.stores);
  qn_status status = b.dims && b.consts && b.stores ? QN_OK : qn_error_no_memory(ctx);
  if (!status) status = read_dims(ctx, o, &b);
  if (!status) status = read_consts(ctx, o, &b);
  qn_import_options options = {
      .num_dims = o->num_dims, .dims = b.dims, .num_consts = o->num_consts, .consts = b.consts};
  if (!status && f->mapped)
    status = qn_import_onnx(ctx, path, &options, out);
  else if (!status)
    status = qn_import_onnx_memory(ctx, shown(path), f->data, f->size, &options, out);
  for (size_t i = 0; i < b.num_stores; i++) qn_store_close(b.stores[i]);
  qn__free(a, b.dims, (o->num_dims + 1) * sizeof *b.dims);
  qn__free(a, b.consts, (o->num_consts + 1) * sizeof *b.consts);
  qn__free(a, b.stores, (o->num_consts + 1) * sizeof *b.stores);
  return status;
}

/* The same bindings as an option of infer-shapes. */
static qn_status bind_text(qn_module *m, const qn_load_options *o) {
  qn_context *ctx = qn_module_context(m);
  qn_buf pipeline;
  qn__buf_init(&pipeline, qn_context_allocator(ctx));
  qn__buf_c(&pipeline, "infer-shapes{bind=\"");
  qn_status status = QN_OK;
  for (size_t i = 0; i < o->num_dims && !status; i++) {
    qn_str name;
    const char *size;
    status = split(ctx, "--dim", o->dims[i], &name, &size);
    if (!status) qn__buf_fmt(&pipeline, "%s%.*s:%s", i ? "+" : "", (int)name.size, name.data, size);
  }
  qn__buf_c(&pipeline, "\"}");
  if (!status) status = pipeline.failed ? qn_error_no_memory(ctx) : qn_run_pipeline(m, pipeline.data);
  qn__buf_free(&pipeline);
  return status;
}

static qn_status parse(qn_context *ctx, const char *path, const qn_file *f, const qn_load_options *o, qn_module **out) {
  qn_parse_options options = {.allow_unregistered = o->allow_unregistered};
  if (o->num_consts)
    return qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(shown(path)),
                    "--const binds inputs of ONNX models while they are imported");
  qn_status status = f->mapped ? qn_parse_file(ctx, path, &options, out)
                               : qn_parse_text(ctx, (qn_str){f->data, f->size}, shown(path), &options, out);
  if (status || !o->num_dims) return status;
  status = bind_text(*out, o);
  if (!status) return QN_OK;
  qn_module_destroy(*out);
  *out = NULL;
  return status;
}

qn_status qn_load_model(qn_context *ctx, const char *path, const qn_load_options *options, qn_module **out) {
  if (!ctx || !path || !out) return qn_error_null(ctx, __func__);
  static const qn_load_options none = {0};
  const qn_load_options *o = options ? options : &none;
  if ((o->num_dims && !o->dims) || (o->num_consts && !o->consts)) return qn_error_null(ctx, __func__);
  qn_file f;
  *out = NULL;
  qn_status status = qn__file_open(ctx, path, &f);
  if (status) return status;
  if (is_saved_program(&f))
    status = qn_error(ctx, QN_DIAG_FORMAT, qn_place_file(shown(path)),
                      "is a compiled program, not a model: it can be run, and compiled again from its source only");
  else if (ends_with(path, ".onnx") || (!ends_with(path, ".mlir") && !looks_like_text(&f)))
    status = import(ctx, path, &f, o, out);
  else
    status = parse(ctx, path, &f, o, out);
  qn__file_close(&f);
  return status;
}

/* Outputs are known by the names of the values returned, which passes may replace: from here on they are attributes. */
static void keep_output_names(qn_module *m) {
  for (qn_op func = qn_block_first(m, qn_module_body(m)); func.id; func = qn_op_next(m, func)) {
    if (qn_op_kind_of(m, func) != QN_OP_FUNC || !qn_func_is_public(m, func)) continue;
    uint32_t n = qn_op_num_operands(m, qn_func_return(m, func));
    for (uint32_t i = 0; i < n; i++) qn_func_set_output_name(m, func, i, qn_func_output_name(m, func, i));
  }
}

static qn_status lower(qn_module *m, const char *cpu, bool ahead) {
  static const char before[] = "inline,infer-shapes,canonicalize,channels-last,canonicalize,cse,dce,lower-kernels",
                    after[] = "canonicalize,cse,dce,pack-constants,dce";
  char pipeline[256];
  const qn_isa *isa;
  qn_status status = qn_isa_need(qn_module_context(m), qn_str_of(cpu), &isa);
  if (status) return status;
  /* Of kernels that only copy an output nothing is left by now; where the caller needs them they are made again. */
  snprintf(pipeline, sizeof pipeline, "%s{target=%s},%s,%splan-buffers", before, isa->name, after,
           ahead ? "lower-kernels," : "");
  keep_output_names(m);
  return qn_run_pipeline(m, pipeline);
}

qn_status qn_lower(qn_module *m, const char *cpu) {
  if (!m) return qn_error_null(qn_module_context(m), __func__);
  return lower(m, cpu, false);
}

qn_status qn_lower_ahead(qn_module *m, const char *cpu) {
  if (!m) return qn_error_null(qn_module_context(m), __func__);
  return lower(m, cpu, true);
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
  if (!m || !out) return qn_error_null(qn_module_context(m), __func__);
  const char *engine = options ? options->engine : NULL;
  if (!engine || !strcmp(engine, "auto")) engine = qn_engine_name(0);
  if (!strcmp(engine, "interp") || is_lowered(m, options ? options->function : NULL))
    return qn_program_compile(m, options, out);
  *out = NULL;
  qn_module *copy = qn_module_clone(m);
  if (!copy) return qn_error_no_memory(qn_module_context(m));
  qn_status status = qn_lower(copy, options ? options->cpu : NULL);
  qn_compile_options last = options ? *options : (qn_compile_options){.engine = NULL};
  last.last = true;
  if (!status) status = qn_program_compile(copy, &last, out);
  qn_module_destroy(copy);
  return status;
}
