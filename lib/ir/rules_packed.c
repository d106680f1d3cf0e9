/* Rules of packed matrices: layouts, constants, and what is promised of their elements. */
#include "context_impl.h"
#include "layout.h"
#include "rule_util.h"

qn_status qn__need_layout(qn_module *m, qn_op op, qn_layout *layout) {
  qn_str name = qn_op_get_string(m, op, "layout");
  if (qn__layout_parse(name, layout)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                     "layout is \"%.*s\", expected \"plain\", kBnW with B a power of two, such as \"k4n64\", or kBnWsS",
                     (int)name.size, name.data);
}

static qn_status need_packed(qn_module *m, qn_op op, qn_layout *layout) {
  qn_status status = qn__need_layout(m, op, layout);
  if (status == QN_OK && layout->granule && qn_op_kind_of(m, op) != QN_OP_PACKED)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "layout has granules of %u k, which only constants are cut into: give one without 'z'",
                       layout->granule);
  if (status != QN_OK || !layout->plain) return status;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "layout is \"plain\", expected a packed one such as \"k4n64\"");
}

qn_status qn__need_packable(qn_module *m, qn_op op, qn_type t) {
  qn_context *ctx = qn_module_context(m);
  uint32_t bits = qn_scalar_get(qn_type_memory(ctx, qn_type_elem(ctx, t)))->storage_bits;
  if (qn_type_kind_of(ctx, t) != QN_TYPE_TENSOR || qn_type_rank(ctx, t) < 2)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "packs %s, expected a tensor of rank 2 or more", qn__type_c(m, t));
  if (bits == 0 || bits % 8)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "packs %s, expected elements of whole bytes", qn__type_c(m, t));
  return QN_OK;
}

bool qn__is_pack(qn_op_kind kind) {
  return kind == QN_OP_PACK || kind == QN_OP_PACKED;
}

/* The layout in which a kernel reads its operand i; empty when it takes none packed there. */
static qn_str layout_read(const qn_module *m, qn_op user, uint32_t i) {
  qn_op_kind kind = qn_op_kind_of(m, user);
  if ((kind == QN_OP_GEMM || kind == QN_OP_WINDOW) && i == 1) return qn_op_get_string(m, user, "layout");
  if (kind == QN_OP_KERN_ATTENTION && i == 1) return qn_op_get_string(m, user, "layout_k");
  if (kind == QN_OP_KERN_ATTENTION && i == 2) return qn_op_get_string(m, user, "layout_v");
  return qn_str_of("");
}

/* Only a kernel that reads this layout can read packed bytes. */
static qn_status check_packed_uses(qn_module *m, qn_op op, bool granules) {
  qn_str layout = qn_op_get_string(m, op, "layout");
  for (qn_use u = qn_value_first_use(m, qn_op_result(m, op, 0)); u.id; u = qn_use_next(m, u)) {
    qn_op user = qn_use_op(m, u);
    bool product = qn_op_kind_of(m, user) == QN_OP_GEMM && !qn_op_attr(m, user, "window").id;
    if (granules && !product)
      return qn_op_error(m, op, QN_DIAG_VERIFY,
                         "the packed matrix has granules and is used by '%.*s', expected only kern.gemm of matrices",
                         (int)qn_op_name(m, user).size, qn_op_name(m, user).data);
    if (qn_str_eq(layout_read(m, user, qn_use_index(m, u)), layout)) continue;
    qn_str name = qn_op_name(m, user);
    return qn_op_error(
        m, op, QN_DIAG_VERIFY,
        "the packed matrix is used by %.*s, expected only kern.gemm or kern.window of layout \"%.*s\", as its 'b'",
        (int)name.size, name.data, (int)layout.size, layout.data);
  }
  return QN_OK;
}

static qn_status check_segments(qn_module *m, qn_op op, const qn_layout *layout, qn_type b) {
  const qn_dims dims = qn__dims_of(qn_module_context(m), b);
  int64_t k = dims.rank >= 2 ? dims.size[dims.rank - 2] : 0;
  if (k == QN_DYNAMIC || k % qn__layout_segments(layout) == 0) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "%s has %lld rows, which cannot be cut into the layout's %u segments",
                     qn__type_c(m, b), (long long)k, qn__layout_segments(layout));
}

qn_status qn__rule_pack(qn_module *m, qn_op op, qn_type *results) {
  qn_layout layout;
  qn_type b = qn__operand_type(m, op, 0);
  qn_status status = need_packed(m, op, &layout);
  if (status == QN_OK) status = qn__need_packable(m, op, b);
  if (status == QN_OK) status = check_packed_uses(m, op, layout.granule != 0);
  if (status != QN_OK) return status;
  results[0] = b;
  if (qn_op_get_bool(m, op, "transpose")) status = qn__transposed_type(m, op, b, &results[0]);
  return status == QN_OK ? check_segments(m, op, &layout, results[0]) : status;
}

/* The value's bytes; none when all of them are zero and the text says so in one number. */
static qn_status packed_bytes(qn_module *m, qn_op op, qn_tensor *out, bool *none) {
  qn_attr value = qn_op_attr(m, op, "value");
  *none = qn_attr_is_splat(m, value) &&
          qn_scalar_is_int(
              qn_type_memory(qn_module_context(m), qn_type_elem(qn_module_context(m), qn_attr_type_of(m, value)))) &&
          qn_attr_dense_i64(m, value, 0) == 0;
  if (*none || qn_attr_dense_tensor(m, value, out)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "the packed bytes cannot be read");
}

static qn_status check_granules(qn_module *m, qn_op op, const qn_layout *layout, qn_type declared) {
  qn_context *ctx = qn_module_context(m);
  const qn_dims dims = qn__dims_of(ctx, declared);
  qn_scalar mem = qn_type_memory(ctx, qn_type_elem(ctx, declared));
  if (dims.rank != 2 || !qn_scalar_is_int(mem) || dims.size[0] % layout->granule)
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "the result is %s, expected a matrix of integers whose rows are a multiple of the layout's %u",
                       qn__type_c(m, declared), layout->granule);
  qn_type held = qn_attr_type_of(m, qn_op_attr(m, op, "value"));
  int64_t count = qn_type_count(ctx, held);
  size_t have = qn_scalar_bytes(qn_type_memory(ctx, qn_type_elem(ctx, held)), count < 0 ? 0 : (uint64_t)count);
  qn_granules g;
  if (!qn_layout_granules(layout, (size_t)qn_scalar_get(mem)->storage_bits / 8, dims.size[0], dims.size[1], have, &g))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "value holds %zu bytes, which no number of granules of %s takes", have,
                       qn__type_c(m, declared));
  qn_tensor t;
  bool none;
  qn_status status = packed_bytes(m, op, &t, &none);
  if (status != QN_OK || none || qn_layout_granules_valid(layout, dims.size[0], &g, t.data)) return status;
  return qn_op_error(m, op, QN_DIAG_VERIFY,
                     "the value's first bytes name granules that are not there, expected their number up to each panel "
                     "and then the first k of each in ascending multiples of %u",
                     layout->granule);
}

/* Sums over `depth` blocks of four k of one column, `step` bytes apart. */
static bool sums_fit(const int8_t *at, uint32_t blocks, size_t step) {
  for (int half = 0; half < 4; half += 2) {
    int32_t low = 0, high = 0;
    for (uint32_t b = 0; b < blocks; b++)
      for (int i = half; i < half + 2; i++) {
        int32_t w = at[b * step + (size_t)i];
        low += w < 0 ? w : 0;
        high += w > 0 ? w : 0;
      }
    if (high * 255 > INT16_MAX || low * 255 < INT16_MIN) return false;
  }
  return true;
}

/* What sums16 promises, in `runs` runs of blocks that follow each other. */
static bool all_sums_fit(const qn_layout *l, const int8_t *at, uint64_t runs, uint64_t blocks, uint32_t depth) {
  size_t step = (size_t)l->panel_width * 4;
  for (uint64_t r = 0; r < runs; r++, at += blocks * step)
    for (uint64_t b = 0; b < blocks; b += depth)
      for (uint32_t c = 0; c < l->panel_width; c++)
        if (!sums_fit(at + b * step + (size_t)c * 4, blocks - b < depth ? (uint32_t)(blocks - b) : depth, step))
          return false;
  return true;
}

static qn_status check_sums16(qn_module *m, qn_op op, const qn_layout *layout, qn_type declared) {
  qn_context *ctx = qn_module_context(m);
  int64_t depth = qn_op_get_int(m, op, "sums16");
  if (depth == 0) return QN_OK;
  qn_scalar mem = qn_type_memory(ctx, qn_type_elem(ctx, declared));
  if ((depth != 1 && depth != 2 && depth != 4) || layout->k_block != 4 || (mem != QN_I8 && mem != QN_SI8))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "sums16 is %lld, expected 1, 2 or 4, of bytes with sign in a layout \"k4..\"", (long long)depth);
  qn_tensor t;
  bool none;
  qn_status status = packed_bytes(m, op, &t, &none);
  if (status != QN_OK || none) return status;
  const qn_dims dims = qn__dims_of(ctx, declared);
  const int8_t *data = t.data;
  uint64_t bytes = qn_tensor_bytes(&t), run = (uint64_t)layout->panel_width * 4, blocks;
  qn_granules g;
  if (layout->granule) {
    if (!qn_layout_granules(layout, 1, dims.size[0], dims.size[1], bytes, &g)) return QN_OK; /* told already */
    data += g.data, bytes -= g.data, blocks = layout->granule / 4;
  } else {
    blocks = (uint64_t)qn_layout_padded_k(layout, dims.size[dims.rank - 2]) / qn__layout_segments(layout) / 4;
  }
  uint64_t runs = blocks ? bytes / (run * blocks) : 0;
  if (all_sums_fit(layout, data, runs, blocks, (uint32_t)depth)) return QN_OK;
  return qn_op_error(
      m, op, QN_DIAG_VERIFY,
      "sums16 is %lld, but the weights are too large: sums of their products with 255 do not fit 16 bits",
      (long long)depth);
}

static qn_status check_finite(qn_module *m, qn_op op, qn_type declared) {
  qn_context *ctx = qn_module_context(m);
  if (!qn_op_get_bool(m, op, "finite")) return QN_OK;
  qn_scalar mem = qn_type_memory(ctx, qn_type_elem(ctx, declared));
  qn_tensor t;
  bool none;
  qn_status status = packed_bytes(m, op, &t, &none);
  if (status != QN_OK) return status;
  if (none || qn_scalar_all_finite(mem, t.data, qn_tensor_bytes(&t) / (qn_scalar_get(mem)->storage_bits / 8u)))
    return status;
  return qn_op_error(m, op, QN_DIAG_VERIFY, "finite is true, but the value has elements of %s that are not",
                     qn__type_c(m, declared));
}

qn_status qn__rule_packed_constant(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_layout layout;
  qn_type declared = qn__declared(m, op, 0);
  qn_status status = need_packed(m, op, &layout);
  if (status == QN_OK) status = qn__need_packable(m, op, declared);
  if (status != QN_OK) return status;
  const qn_dims dims = qn__dims_of(ctx, declared);
  if (!qn_type_is_static(ctx, declared))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "the result is %s, expected sizes that are known",
                       qn__type_c(m, declared));
  status = check_segments(m, op, &layout, declared);
  if (status != QN_OK) return status;
  if (layout.granule) {
    status = check_granules(m, op, &layout, declared);
    if (status == QN_OK) status = check_sums16(m, op, &layout, declared);
    results[0] = declared;
    return status == QN_OK ? check_packed_uses(m, op, true) : status;
  }
  size_t elem_bytes = (size_t)qn_scalar_get(qn_type_memory(ctx, qn_type_elem(ctx, declared)))->storage_bits / 8;
  uint64_t want = qn__layout_bytes(&layout, elem_bytes, dims.size[dims.rank - 2], dims.size[dims.rank - 1]);
  for (uint32_t i = 0; i + 2 < dims.rank; i++)
    want = want && (uint64_t)dims.size[i] > UINT64_MAX / want ? UINT64_MAX : want * (uint64_t)dims.size[i];
  qn_type held = qn_attr_type_of(m, qn_op_attr(m, op, "value"));
  int64_t count = qn_type_count(ctx, held);
  uint64_t have = qn_scalar_bytes(qn_type_memory(ctx, qn_type_elem(ctx, held)), count < 0 ? 0 : (uint64_t)count);
  if (have != want)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "value holds %llu bytes, but %s takes %llu in this layout",
                       (unsigned long long)have, qn__type_c(m, declared), (unsigned long long)want);
  results[0] = declared;
  status = check_sums16(m, op, &layout, declared);
  if (status == QN_OK) status = check_finite(m, op, declared);
  return status == QN_OK ? check_packed_uses(m, op, false) : status;
}
