/* Rules of products with a scale per block. */
#include "rule_util.h"
#include <quern/unstable/bpack.h>

/* ---- quern.block_matmul ---- */

static qn_status need_scalar(qn_module *m, qn_op op, uint32_t i, qn_scalar want) {
  qn_status status = qn__need_tensor(m, op, i);
  if (status != QN_OK) return status;
  qn_scalar have = qn_type_as_scalar(qn_module_context(m), qn__operand_elem(m, op, i));
  if (have == want) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand '%s' is %s, expected elements of %s",
                     qn__operand_c(m, op, i), qn__type_c(m, qn__operand_type(m, op, i)), qn_scalar_get(want)->text);
}

/* b is a matrix whose elements stand for integers, with a block size along k. */
static qn_status need_blocks(qn_module *m, qn_op op, bool transposed, int64_t *block) {
  qn_context *ctx = qn_module_context(m);
  qn_type t = qn__operand_type(m, op, 2);
  qn_status status = qn__need_tensor(m, op, 2);
  if (status != QN_OK) return status;
  qn_bpack_reader r;
  const char *reason = "it is no matrix of known sizes";
  bool ok = qn_type_rank(ctx, t) == 2 && qn_type_is_static(ctx, t) &&
            qn_bpack_reader_init(ctx, qn_type_elem(ctx, t), transposed, qn_type_shape(ctx, t), false, &r, &reason);
  if (ok && r.size[r.k_axis] == 0) ok = false, reason = "there are no blocks of k with a scale each";
  if (!ok) return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand 'b' is %s: %s", qn__type_c(m, t), reason);
  *block = r.size[r.k_axis];
  return QN_OK;
}

/* a_scale has a's leading sizes, and one element per block. */
static qn_status check_scales(qn_module *m, qn_op op, int64_t block) {
  qn_context *ctx = qn_module_context(m);
  const qn_dims a = qn__dims_of(ctx, qn__operand_type(m, op, 0)), s = qn__dims_of(ctx, qn__operand_type(m, op, 1));
  bool fits = a.rank == s.rank;
  for (uint32_t d = 0; fits && d + 1 < a.rank; d++) fits = qn__size_fits(a.size[d], s.size[d]);
  int64_t k = a.size[a.rank - 1];
  if (fits && k != QN_DYNAMIC) fits = qn__size_fits(s.size[s.rank - 1], k / block + (k % block != 0));
  if (fits) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE,
                     "operand 'a_scale' is %s, expected a scale for each block of %lld elements along the last axis of "
                     "'a', which is %s",
                     qn__type_c(m, qn__operand_type(m, op, 1)), (long long)block,
                     qn__type_c(m, qn__operand_type(m, op, 0)));
}

qn_status qn__rule_block_matmul(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  bool transposed = qn_op_get_bool(m, op, "transpose_b");
  int64_t block = 0;
  qn_status status = need_scalar(m, op, 0, QN_I8);
  if (status == QN_OK) status = need_scalar(m, op, 1, QN_F32);
  if (status == QN_OK) status = need_blocks(m, op, transposed, &block);
  if (status != QN_OK) return status;
  qn_dims y = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  const int64_t *b = qn_type_shape(ctx, qn__operand_type(m, op, 2));
  if (y.rank == 0 || !qn__size_fits(y.size[y.rank - 1], b[transposed]))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "operands %s and %s: the summed axis differs",
                       qn__type_c(m, qn__operand_type(m, op, 0)), qn__type_c(m, qn__operand_type(m, op, 2)));
  status = check_scales(m, op, block);
  if (status != QN_OK) return status;
  y.size[y.rank - 1] = b[!transposed];
  y.symbol[y.rank - 1] = (qn_name){0};
  results[0] = qn__dims_tensor(ctx, qn__scalar_type(m, QN_F32), &y);
  return QN_OK;
}

/* ---- kernels ---- */

static qn_status need_layout(qn_module *m, qn_op op, qn_bpack_layout *layout) {
  qn_str name = qn_op_get_string(m, op, "layout");
  if (qn_bpack_layout_parse(name, layout)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                     "layout is \"%.*s\", expected a block layout such as \"b32p32i4f16\": b and a multiple of 8, p32, "
                     "one of i4 u4 i8 u8 t4 v4, one of f32 f16 bf16 e8",
                     (int)name.size, name.data);
}

qn_status qn__rule_block_rows(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  bool codes = qn_op_num_operands(m, op) > 1;
  int64_t block = qn_op_get_int(m, op, "block"), offset = qn_op_get_int(m, op, "offset");
  qn_status status = need_scalar(m, op, 0, codes ? QN_I8 : QN_F32);
  if (status == QN_OK && codes) status = need_scalar(m, op, 1, QN_F32);
  if (status != QN_OK) return status;
  if (block < 8 || block % 8 || block > QN_BPACK_MOST_INT || offset < 0 || offset > 128)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "block is %lld and offset %lld, expected a multiple of 8 up to %d, and 0 to 128",
                       (long long)block, (long long)offset, QN_BPACK_MOST_INT);
  qn_dims x = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  int64_t bytes = x.rank < 2 || x.size[x.rank - 1] < 0 ? -1 : qn_bpack_row_bytes((uint32_t)block, x.size[x.rank - 1]);
  if (bytes < 0)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "operand 'x' is %s, expected rank 2 or more and a known last axis",
                       qn__type_c(m, qn__operand_type(m, op, 0)));
  if (codes) {
    status = check_scales(m, op, block);
    if (status != QN_OK) return status;
  }
  x.size[x.rank - 1] = bytes;
  x.symbol[x.rank - 1] = (qn_name){0};
  results[0] = qn__dims_tensor(ctx, qn__scalar_type(m, QN_I8), &x);
  return QN_OK;
}

static qn_status packed_type(qn_module *m, qn_op op, const qn_bpack_layout *l, int64_t k, int64_t n, qn_type *out) {
  size_t bytes = qn_bpack_matrix_bytes(l, k, n);
  int64_t size = (int64_t)bytes;
  if (bytes == SIZE_MAX)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "a matrix of %lld x %lld does not fit memory", (long long)k, (long long)n);
  *out = qn_type_tensor(qn_module_context(m), qn__scalar_type(m, QN_I8), 1, &size);
  return QN_OK;
}

qn_status qn__rule_block_pack(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_bpack_layout layout;
  qn_status status = need_layout(m, op, &layout);
  if (status == QN_OK) status = qn__need_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type t = qn__operand_type(m, op, 0);
  bool transposed = qn_op_get_bool(m, op, "transpose");
  const int64_t *shape = qn_type_shape(ctx, t);
  if (qn_type_rank(ctx, t) != 2 || !qn_type_is_static(ctx, t))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "packs %s, expected a matrix of known sizes", qn__type_c(m, t));
  qn_bpack_layout fits;
  const char *reason = "";
  bool floats = layout.codes == QN_BPACK_V4 || layout.block > QN_BPACK_MOST_INT;
  bool ok = qn_bpack_layout_for(ctx, qn_type_elem(ctx, t), transposed, shape[transposed], floats, &fits, &reason);
  if (!ok && !floats)
    ok = qn_bpack_layout_for(ctx, qn_type_elem(ctx, t), transposed, shape[transposed], true, &fits, &reason);
  if (!ok) return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "packs %s: %s", qn__type_c(m, t), reason);
  if (fits.block != layout.block || fits.codes != layout.codes || fits.scales != layout.scales) {
    char text[32];
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "layout is \"%s\", but %s is packed as \"%s\"",
                       qn_op_get_string(m, op, "layout").data, qn__type_c(m, t), qn_bpack_layout_name(&fits, text));
  }
  return packed_type(m, op, &layout, shape[transposed], shape[!transposed], &results[0]);
}

static qn_status check_extras(qn_module *m, qn_op op, const qn_dims *y) {
  qn_context *ctx = qn_module_context(m);
  for (uint32_t i = 2; i < qn_op_num_operands(m, op); i++) {
    qn_status status = qn__need_tensor(m, op, i);
    if (status != QN_OK) return status;
    const qn_dims extra = qn__dims_of(ctx, qn__operand_type(m, op, i));
    if (!qn__dims_broadcast_to(y, &extra))
      return qn_op_error(m, op, QN_DIAG_SHAPE, "operand %u is %s, which does not broadcast to the product", i,
                         qn__type_c(m, qn__operand_type(m, op, i)));
  }
  return QN_OK;
}

/* The sums in rows are those that these weights need. */
static qn_status check_rows(qn_module *m, qn_op op, const qn_bpack_layout *l) {
  qn_op rows = qn_value_op(m, qn_op_operand(m, op, 0));
  if (qn_op_kind_of(m, rows) == QN_OP_BLOCK_ROWS && qn_op_get_int(m, rows, "block") == l->block &&
      qn_op_get_int(m, rows, "offset") == qn_bpack_offset(l))
    return QN_OK;
  return qn_op_error(m, op, QN_DIAG_VERIFY,
                     "operand 'a' does not come from kern.block_rows with block %u and offset %d, which layout \"%s\" "
                     "needs",
                     l->block, (int)qn_bpack_offset(l), qn_op_get_string(m, op, "layout").data);
}

qn_status qn__rule_block_gemm(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_bpack_layout layout;
  qn_status status = need_layout(m, op, &layout);
  if (status == QN_OK) status = qn__need_tensor(m, op, 0);
  if (status != QN_OK) return status;
  int64_t k = qn_op_get_int(m, op, "k"), n = qn_op_get_int(m, op, "n");
  qn_dims y = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  qn_scalar a = qn_type_as_scalar(ctx, qn__operand_elem(m, op, 0));
  bool floats = a == QN_F32;
  if (k < 0 || n < 0 || y.rank < 2)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "k is %lld, n is %lld and operand 'a' %s, expected sizes and a matrix",
                       (long long)k, (long long)n, qn__type_c(m, qn__operand_type(m, op, 0)));
  if (!floats && (a != QN_I8 || layout.codes == QN_BPACK_V4 || layout.block > QN_BPACK_MOST_INT))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operand 'a' is %s with layout \"%s\", expected f32, or rows of i8 with a block of at most %d "
                       "and codes that are no floats",
                       qn__type_c(m, qn__operand_type(m, op, 0)), qn_op_get_string(m, op, "layout").data,
                       QN_BPACK_MOST_INT);
  int64_t columns = floats ? k : qn_bpack_row_bytes(layout.block, k);
  if (columns < 0 || !qn__size_fits(y.size[y.rank - 1], columns))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "operand 'a' is %s, expected rows of %lld elements",
                       qn__type_c(m, qn__operand_type(m, op, 0)), (long long)columns);
  qn_type packed;
  status = packed_type(m, op, &layout, k, n, &packed);
  if (status != QN_OK) return status;
  if (!qn_type_eq(packed, qn__operand_type(m, op, 1)))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operand 'b' is %s, expected %s: a %lld x %lld matrix in layout %s",
                       qn__type_c(m, qn__operand_type(m, op, 1)), qn__type_c(m, packed), (long long)k, (long long)n,
                       qn_op_get_string(m, op, "layout").data);
  y.size[y.rank - 1] = n;
  y.symbol[y.rank - 1] = (qn_name){0};
  qn_type elem = {0};
  if (!floats) status = check_rows(m, op, &layout);
  if (status == QN_OK) status = check_extras(m, op, &y);
  if (status == QN_OK) status = qn__check_epilogue(m, op, 0, 2, qn_op_num_operands(m, op) - 2, QN_F32, &elem);
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, elem, &y);
  return status;
}
