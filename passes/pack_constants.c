/* pack-constants: right-hand matrices that are constants are brought into their kernel's layout once and for all.
 *
 * Before and after:
 *   %w = arith.constant dense<..> : tensor<64x128xi8>
 *   %p = kern.pack %w {layout = "k4n64"} : (tensor<64x128xi8>) -> tensor<64x128xi8>
 *   ->
 *   %p = kern.packed_constant {layout = "k4n64", value = dense<..> : tensor<8192xi8>} : () -> tensor<64x128xi8>
 *
 * kern.block_pack of a constant becomes an arith.constant of its bytes. kern.pack of anything else stays and packs at
 * run time. Preconditions: kern ops. Preserves: shapes, values. */
#include <quern/pass.h>
#include <quern/unstable/bpack.h>
#include <quern/unstable/layout.h>
#include <quern/unstable/rewriter.h>
#include <string.h>

typedef struct matrices {
  qn_layout layout;
  size_t elem_bytes, source_bytes, packed_bytes; /* of one matrix */
  int64_t count, k, n;
  bool transpose;
} matrices;

static bool describe(const qn_module *m, qn_op op, const qn_tensor *source, matrices *out) {
  qn_context *ctx = qn_module_context(m);
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  const int64_t *shape = qn_type_shape(ctx, t);
  uint32_t rank = qn_type_rank(ctx, t), bits = qn_scalar_get(source->elem)->storage_bits;
  if (!qn_layout_parse(qn_op_get_string(m, op, "layout"), &out->layout) || rank < 2 || bits % 8 ||
      !qn_type_is_static(ctx, t) || source->rank != rank)
    return false;
  out->transpose = qn_op_get_bool(m, op, "transpose");
  out->elem_bytes = bits / 8;
  out->k = shape[rank - 2];
  out->n = shape[rank - 1];
  out->count = 1;
  for (uint32_t i = 0; i + 2 < rank; i++) out->count *= shape[i]; /* the source exists, so this fits */
  out->source_bytes = (size_t)out->k * (size_t)out->n * out->elem_bytes;
  out->packed_bytes = qn_layout_bytes(&out->layout, out->elem_bytes, out->k, out->n);
  return out->packed_bytes != SIZE_MAX && (!out->count || out->packed_bytes <= (size_t)INT64_MAX / (size_t)out->count);
}

static qn_attr pack(qn_module *m, const matrices *d, const qn_tensor *source) {
  qn_context *ctx = qn_module_context(m);
  int64_t bytes = (int64_t)(d->packed_bytes * (size_t)d->count);
  void *data;
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_I8), 1, &bytes);
  qn_attr value = qn_attr_dense_new(m, t, &data);
  for (int64_t i = 0; value.id && i < d->count; i++)
    qn_layout_pack(&d->layout, d->elem_bytes, d->k, d->n, (const char *)source->data + (size_t)i * d->source_bytes,
                   d->transpose, (char *)data + (size_t)i * d->packed_bytes);
  return value;
}

static qn_status pack_one(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_tensor source;
  matrices d;
  if (!qn_value_constant_tensor(m, qn_op_operand(m, op, 0), &source) || !describe(m, op, &source, &d)) return QN_OK;
  const qn_named_attr attrs[2] = {qn_named(m, "value", pack(m, &d, &source)),
                                  qn_named(m, "layout", qn_op_attr(m, op, "layout"))};
  if (!attrs[0].attr.id) return QN_ERR_NO_MEMORY;
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  qn_op_desc desc = {.kind = QN_OP_PACKED, .num_results = 1, .results = &t, .num_attrs = 2, .attrs = attrs};
  qn_builder b = qn_builder_before(m, op);
  qn_value packed = qn_op_result(m, qn_op_create(&b, &desc), 0);
  if (!packed.id) return QN_ERR_NO_MEMORY;
  qn_run_count(qn_rewriter_run(r), "bytes packed", (int64_t)(d.packed_bytes * (size_t)d.count));
  qn_rewriter_replace(r, op, &packed);
  return QN_OK;
}

/* Block layouts are bytes, and so a constant like any other. */
static qn_status pack_blocks(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_context *ctx = qn_module_context(m);
  qn_value b = qn_op_operand(m, op, 0);
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  qn_bpack_layout layout;
  qn_tensor source;
  void *data;
  if (!qn_value_constant_tensor(m, b, &source) || source.rank != 2 || qn_type_count(ctx, t) < 0 ||
      !qn_bpack_layout_parse(qn_op_get_string(m, op, "layout"), &layout))
    return QN_OK;
  qn_attr value = qn_attr_dense_new(m, t, &data);
  if (!value.id) return QN_ERR_NO_MEMORY;
  qn_bpack_pack(ctx, qn_type_elem(ctx, qn_value_type(m, b)), &layout, qn_op_get_bool(m, op, "transpose"), &source,
                data);
  qn_builder at = qn_builder_before(m, op);
  qn_value packed = qn_build_constant(&at, value);
  if (!packed.id) return QN_ERR_NO_MEMORY;
  qn_run_count(qn_rewriter_run(r), "bytes packed", qn_type_count(ctx, t));
  qn_rewriter_replace(r, op, &packed);
  return QN_OK;
}

qn_status qn__pass_pack_constants(qn_pass_run *run) {
  static const qn_pattern patterns[] = {{QN_OP_PACK, "constants packed", pack_one},
                                        {QN_OP_BLOCK_PACK, "constants packed in blocks", pack_blocks}};
  bool changed;
  qn_status status = qn_rewrite(run, (qn_op){0}, patterns, 2, &changed);
  qn_run_preserved(run, changed, QN_PRESERVES_SHAPES);
  return status;
}
