/* pack-constants: right-hand matrices that are constants are brought into their kernel's layout once and for all.
 *
 * Before and after:
 *   %w = arith.constant dense<..> : tensor<64x128xi8>
 *   %p = kern.pack %w {layout = "k4n64"} : (tensor<64x128xi8>) -> tensor<64x128xi8>
 *   ->
 *   %p = kern.packed_constant {layout = "k4n64", value = dense<..> : tensor<8192xi8>} : () -> tensor<64x128xi8>
 *
 * The constant is examined on the way:
 * - quern.sparsity tells how much of it is zero and in which patterns, where that is an eighth or more;
 * - where all that reads it is kern.gemm with integer sums, and leaving out what is zero pays, the layout of both gets
 *   granules ("k4n64z32", quern/unstable/layout.h);
 * - where products of floats over windows with pads read it: finite, when it has neither infinities nor NaN;
 * - on rows that multiply pairs of bytes into 16 bits, where sums of such products are proven to fit by the constant
 *   itself: sums16 = blocks of four k whose sums do, and a layout with blocks of four.
 *
 * kern.block_pack of a constant becomes an arith.constant of its bytes. kern.pack of anything else stays and packs at
 * run time. Preconditions: kern ops. Preserves: shapes, values. */
#include "pack_constants.h"
#include "alloc.h"
#include <quern/pass.h>
#include <quern/unstable/bpack.h>
#include <quern/unstable/rewriter.h>
#include <stdio.h>
#include <string.h>

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

static void pass_on(void *module, const void *data, size_t size) {
  qn_module_passed(module, data, size);
}

static qn_attr pack(qn_module *m, const matrices *d, const qn_tensor *source) {
  qn_context *ctx = qn_module_context(m);
  int64_t bytes = (int64_t)(d->packed_bytes * (size_t)d->count);
  void *data;
  qn_type t = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_I8), 1, &bytes);
  qn_attr value = qn_attr_dense_new(m, t, &data);
  for (int64_t i = 0; value.id && i < d->count; i++)
    qn_layout_pack_passing(&d->layout, d->elem_bytes, d->k, d->n,
                           (const char *)source->data + (size_t)i * d->source_bytes, d->transpose,
                           (char *)data + (size_t)i * d->packed_bytes, pass_on, m);
  return value;
}

/* What the packed constant is to be. */
typedef struct form {
  qn_layout layout;
  size_t bytes; /* of one matrix */
  uint32_t sums16;
  bool finite;
  char note[QN__SPARSITY_TEXT + 64];
} form;

/* Whether only matrix products with sums of this type read the result, and not by way of windows unless those may. */
static bool only_products(const qn_module *m, qn_op op, bool windows, qn_scalar lhs) {
  qn_context *ctx = qn_module_context(m);
  qn_value packed = qn_op_result(m, op, 0);
  for (qn_use u = qn_value_first_use(m, packed); u.id; u = qn_use_next(m, u)) {
    qn_op user = qn_use_op(m, u);
    if (qn_op_kind_of(m, user) != QN_OP_GEMM || qn_use_index(m, u) != 1) return false;
    if (qn_op_attr(m, user, "window").id && !windows) return false;
    if (qn_type_as_scalar(ctx, qn_attr_as_type(m, qn_op_attr(m, user, "acc"))) != QN_I32) return false;
    qn_attr given = qn_op_attr(m, user, "lhs");
    qn_type a = given.id ? qn_attr_as_type(m, given) : qn_type_elem(ctx, qn_value_type(m, qn_op_operand(m, user, 0)));
    if (lhs != QN_SCALAR_NONE && qn_type_memory(ctx, a) != lhs) return false;
  }
  return true;
}

static const qn_isa *target_of(const qn_module *m) {
  qn_attr a = qn_module_attr(m, "quern.target");
  return a.id ? qn_isa_find(qn_attr_as_string(m, a)) : NULL;
}

static void find_sums16(const qn_module *m, qn_op op, const qn_tensor *source, matrices *d, form *f) {
  const qn_isa *isa = target_of(m);
  bool bytes = source->elem == QN_I8 || source->elem == QN_SI8;
  if (!isa || !(isa->has & QN_ISA_PAIRS8) || !bytes || d->layout.plain || d->layout.k_block != 2 ||
      !only_products(m, op, true, QN_UI8))
    return;
  f->sums16 = qn__fitting_blocks(d, source->data);
  if (f->sums16) d->layout.k_block = 4;
}

/* Whether that the weights are finite is of use: to products of floats over windows with pads. */
static bool asks_for_finite(const qn_module *m, qn_op op) {
  for (qn_use u = qn_value_first_use(m, qn_op_result(m, op, 0)); u.id; u = qn_use_next(m, u)) {
    qn_op user = qn_use_op(m, u);
    if (qn_op_kind_of(m, user) != QN_OP_GEMM || !qn_op_attr(m, user, "pads").id) continue;
    if (qn_scalar_is_float(qn_type_as_scalar(qn_module_context(m), qn_attr_as_type(m, qn_op_attr(m, user, "acc")))))
      return true;
  }
  return false;
}

/* Registers for tiles multiply all of a matrix, and do so several times as fast: of more than one row. */
static bool in_tiles(const qn_module *m, qn_op op) {
  const qn_isa *isa = target_of(m);
  if (!isa || !(isa->has & QN_ISA_TILES)) return false;
  for (qn_use u = qn_value_first_use(m, qn_op_result(m, op, 0)); u.id; u = qn_use_next(m, u)) {
    qn_type y = qn_value_type(m, qn_op_result(m, qn_use_op(m, u), 0));
    uint32_t rank = qn_type_rank(qn_module_context(m), y);
    for (uint32_t i = 0; i + 1 < rank; i++)
      if (qn_type_shape(qn_module_context(m), y)[i] > 1) return true;
  }
  return false;
}

/* The most of its time that a product may take without zeros, for it to be worth what is not known here. */
static double worth_of(const qn_module *m, qn_op op) {
  return in_tiles(m, op) ? 0.2 : 0.85;
}

static bool find_granules(const qn_module *m, qn_op op, const qn_tensor *source, const matrices *d, form *f) {
  const qn_allocator *a = qn_context_allocator(qn_module_context(m));
  sparsity s;
  if (d->count != 1 || !qn__examine(a, d, source->data, &s)) return d->count != 1;
  qn_module_passed(m, source->data, d->source_bytes); /* until it is packed: then a part at a time is enough */
  if (!s.elements || (double)s.zeros * 8 < (double)s.elements) return true;
  qn__sparsity_text(&s, f->note, sizeof f->note);
  if (d->layout.plain || d->layout.segments > 1 ||
      qn_type_rank(qn_module_context(m), qn_value_type(m, qn_op_result(m, op, 0))) != 2 ||
      !only_products(m, op, false, QN_SCALAR_NONE))
    return true;
  void *room = qn__alloc(a, d->packed_bytes ? d->packed_bytes : 1);
  if (!room) return false;
  compact_choice c = qn__choose_granules(d, source->data, room, worth_of(m, op));
  qn__free(a, room, d->packed_bytes ? d->packed_bytes : 1);
  if (!c.layout.granule) return true;
  f->layout = c.layout, f->bytes = c.bytes;
  size_t at = strlen(f->note);
  snprintf(f->note + at, sizeof f->note - at, "; %d%% of %ux%u skipped", (int)(c.skipped * 100), c.layout.granule,
           c.layout.panel_width);
  return true;
}

static bool fill(qn_module *m, const matrices *d, const form *f, const qn_tensor *source, qn_attr *value) {
  if (!f->layout.granule) {
    *value = pack(m, d, source);
    return value->id;
  }
  qn_context *ctx = qn_module_context(m);
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_layout dense = f->layout;
  dense.granule = 0;
  size_t room = qn_layout_bytes(&dense, d->elem_bytes, d->k, d->n);
  void *packed = qn__alloc(a, room), *data;
  int64_t bytes = (int64_t)f->bytes;
  if (!packed) return false;
  qn_layout_pack(&dense, d->elem_bytes, d->k, d->n, source->data, d->transpose, packed);
  *value = qn_attr_dense_new(m, qn_type_tensor(ctx, qn_type_scalar(ctx, QN_I8), 1, &bytes), &data);
  if (value->id) qn_layout_compact(&f->layout, d->elem_bytes, d->k, d->n, packed, f->bytes, data);
  qn__free(a, packed, room);
  return value->id;
}

static qn_status pack_one(qn_rewriter *r, qn_op op) {
  qn_module *m = qn_rewriter_module(r);
  qn_tensor source;
  matrices d;
  form f = {.sums16 = 0};
  if (!qn_value_constant_tensor(m, qn_op_operand(m, op, 0), &source) || !describe(m, op, &source, &d)) return QN_OK;
  find_sums16(m, op, &source, &d, &f);
  f.finite =
      asks_for_finite(m, op) && qn_scalar_all_finite(source.elem, source.data, (uint64_t)qn_tensor_count(&source));
  d.packed_bytes = qn_layout_bytes(&d.layout, d.elem_bytes, d.k, d.n); /* blocks of four may take more than of two */
  f.layout = d.layout, f.bytes = d.packed_bytes;
  qn_attr value = {0}, layout = qn_op_attr(m, op, "layout");
  if (!find_granules(m, op, &source, &d, &f) || !fill(m, &d, &f, &source, &value)) return QN_ERR_NO_MEMORY;
  bool changed = f.layout.granule || f.sums16;
  if (changed) {
    char name[48];
    qn__layout_name(&f.layout, name, sizeof name);
    layout = qn_attr_string(m, qn_str_of(name));
  }
  qn_named_attr attrs[5] = {qn_named(m, "value", value), qn_named(m, "layout", layout)};
  uint32_t n = 2;
  if (f.sums16) attrs[n++] = qn_named(m, "sums16", qn_attr_int(m, (qn_type){0}, f.sums16));
  if (f.finite) attrs[n++] = qn_named(m, "finite", qn_attr_bool(m, true));
  if (f.note[0]) attrs[n++] = qn_named(m, "quern.sparsity", qn_attr_string(m, qn_str_of(f.note)));
  qn_type t = qn_value_type(m, qn_op_result(m, op, 0));
  qn_op_desc desc = {.kind = QN_OP_PACKED, .num_results = 1, .results = &t, .num_attrs = n, .attrs = attrs};
  qn_builder b = qn_builder_before(m, op);
  qn_value packed = qn_op_result(m, qn_op_create(&b, &desc), 0);
  if (!packed.id) return QN_ERR_NO_MEMORY;
  for (qn_use u = qn_value_first_use(m, qn_op_result(m, op, 0)); changed && u.id; u = qn_use_next(m, u))
    qn_op_set_attr(m, qn_use_op(m, u), "layout", layout);
  qn_module_passed(m, source.data, d.source_bytes * (size_t)d.count);
  qn_run_count(qn_rewriter_run(r), "bytes packed", (int64_t)(f.bytes * (size_t)d.count));
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
  qn_module_passed(m, source.data, qn_tensor_bytes(&source));
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
