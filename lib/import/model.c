/* Entry points: from bytes to a verified module. */
#include "context_impl.h"
#include "fpenv.h"
#include "onnx_impl.h"
#include <inttypes.h>
#include <string.h>

/* The version of ONNX's own operator set that the model names; null when it names none. */
static qn_status find_opset(const qn_onnx *im, const Onnx__OperatorSetIdProto **out) {
  const Onnx__ModelProto *model = im->model;
  *out = NULL;
  for (size_t i = 0; i < model->n_opset_import; i++) {
    if (!qn__onnx_is_default_domain(qn__onnx_str(model->opset_import[i]->domain))) continue;
    if (*out)
      return qn_error(im->ctx, QN_DIAG_FORMAT, qn_place_file(im->file),
                      "names two versions of ONNX's operator set, expected one");
    *out = model->opset_import[i];
  }
  return QN_OK;
}

static bool uses_default_domain(const qn_onnx *im) {
  for (size_t i = 0; i < im->graph->n_node; i++)
    if (qn__onnx_is_default_domain(qn__onnx_str(im->graph->node[i]->domain))) return true;
  return false;
}

static qn_status read_opset(qn_onnx *im) {
  qn_place place = qn_place_file(im->file);
  const Onnx__OperatorSetIdProto *set;
  qn_status status = find_opset(im, &set);
  if (status != QN_OK) return status;
  if (!set && im->model->n_opset_import && !uses_default_domain(im)) return QN_OK; /* 0: none of its ops is ours */
  if (!set)
    return qn_error(im->ctx, QN_DIAG_FORMAT, place,
                    "does not say which version of ONNX's operator set it uses (opset_import): it is no ONNX model, or "
                    "one of 2017; convert it with onnx.version_converter");
  if (set->version < QN_ONNX_OPSET_MIN)
    return qn_error(im->ctx, QN_DIAG_UNSUPPORTED, place,
                    "uses operator set %" PRId64 ", where operands broadcast by attributes; %d to %d can be imported: "
                    "convert it with onnx.version_converter",
                    set->version, QN_ONNX_OPSET_MIN, QN_ONNX_OPSET_MAX);
  if (set->version > QN_ONNX_OPSET_MAX)
    return qn_error(im->ctx, QN_DIAG_VERSION, place,
                    "uses operator set %" PRId64 ", which is newer than this importer; %d to %d can be imported",
                    set->version, QN_ONNX_OPSET_MIN, QN_ONNX_OPSET_MAX);
  im->opset = (int)set->version;
  return QN_OK;
}

static qn_status read_model(qn_onnx *im, const void *data, size_t size) {
  ProtobufCMessage *message;
  qn_status status =
      qn__onnx_unpack(im->ctx, &im->memory, im->file, &onnx__model_proto__descriptor, data, size, &message);
  if (status != QN_OK) return status;
  im->model = (const Onnx__ModelProto *)message;
  im->graph = im->model->graph;
  if (!im->graph)
    return qn_error(im->ctx, QN_DIAG_FORMAT, qn_place_file(im->file), "has no graph: it is no ONNX model");
  return read_opset(im);
}

static qn_status check_options(qn_onnx *im) {
  for (size_t i = 0; i < im->options->num_dims; i++) {
    const qn_import_dim *d = &im->options->dims[i];
    if (d->size >= 0) continue;
    return qn_error(im->ctx, QN_DIAG_ATTRIBUTE, qn_place_file(im->file),
                    "dimension '%.*s' is bound to %" PRId64 ", expected 0 or more", (int)d->name.size, d->name.data,
                    d->size);
  }
  for (size_t i = 0; i < im->options->num_consts; i++) {
    const qn_import_const *c = &im->options->consts[i];
    if (qn_tensor_bytes(&c->value) != SIZE_MAX && c->value.rank <= QN_MAX_RANK) continue;
    return qn_error(im->ctx, QN_DIAG_SHAPE, qn_place_file(im->file), "the value for '%.*s' has no proper shape",
                    (int)c->name.size, c->name.data);
  }
  im->dim_used = qn__arena_array(&im->arena, im->options->num_dims, sizeof *im->dim_used);
  return im->dim_used ? QN_OK : qn_error_no_memory(im->ctx);
}

static qn_status make_module(qn_onnx *im) {
  im->m = qn_module_create(im->ctx);
  if (!im->m) return qn_error_no_memory(im->ctx);
  im->keep = qn__onnx_keep_create(qn_context_allocator(im->ctx));
  if (!im->keep || !qn__onnx_values_init(im)) {
    if (im->keep) qn__onnx_keep_destroy(im->keep);
    return qn_error_no_memory(im->ctx);
  }
  im->errors = qn_context_error_count(im->ctx);
  return qn_module_keep_memory(im->m, im->keep, qn__onnx_keep_destroy, qn__onnx_keep_passed);
}

static qn_status run(qn_onnx *im, const void *data, size_t size) {
  qn_status status = check_options(im);
  if (status == QN_OK) status = read_model(im, data, size);
  if (status == QN_OK) status = qn__onnx_check_ops(im);
  if (status == QN_OK) status = make_module(im);
  if (status == QN_OK) status = qn__onnx_begin(im);
  if (status == QN_OK) status = qn__onnx_nodes(im);
  if (status == QN_OK) status = qn__onnx_end(im);
  if (status == QN_OK && !im->options->no_verify) status = qn_module_verify(im->m);
  if (status == QN_OK && qn_module_failed(im->m)) status = qn_error_no_memory(im->ctx);
  return status;
}

static qn_status import(qn_context *ctx, const char *file, const char *model_path, const void *data, size_t size,
                        const qn_import_options *options, qn_module **out) {
  static const qn_import_options none;
  qn_onnx im = {.ctx = ctx, .file = file, .model_path = model_path, .options = options ? options : &none};
  const qn_allocator *a = qn_context_allocator(ctx);
  *out = NULL;
  qn__onnx_memory_init(&im.memory, a);
  qn__arena_init(&im.arena, a);
  qn__arena_init(&im.scratch, a);
  bool had_memory = !ctx->no_memory;
  /* Multipliers are computed here: the caller's rounding mode must not reach them. */
  qn_fp_env saved = qn__fp_enter();
  qn_status status = run(&im, data, size);
  qn__fp_leave(saved);
  /* Names and types that are missing for want of memory make no good module, and are no fault of the file. */
  if (had_memory && ctx->no_memory) status = QN_ERR_NO_MEMORY;
  qn__onnx_values_free(&im);
  qn__arena_free(&im.scratch);
  qn__arena_free(&im.arena);
  qn__onnx_memory_free(&im.memory);
  if (status == QN_OK)
    *out = im.m;
  else
    qn_module_destroy(im.m);
  return status;
}

qn_status qn_import_onnx_memory(qn_context *ctx, const char *name, const void *data, size_t size,
                                const qn_import_options *options, qn_module **out) {
  return import(ctx, name ? name : "", NULL, data, size, options, out);
}

qn_status qn_import_onnx(qn_context *ctx, const char *path, const qn_import_options *options, qn_module **out) {
  if (!ctx || !path || !out) return qn_error_null(ctx, __func__);
  qn_file file;
  *out = NULL;
  qn_status status = qn__file_open(ctx, path, &file);
  if (status != QN_OK) return status;
  bool is_stdin = strcmp(path, "-") == 0;
  status = import(ctx, is_stdin ? "<stdin>" : path, is_stdin ? NULL : path, file.data, file.size, options, out);
  qn__file_close(&file);
  return status;
}
