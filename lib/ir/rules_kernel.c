/* Rules of kernels: shapes of operands and results, and what their regions take and yield. */
#include "context_impl.h"
#include "layout.h"
#include "rule_util.h"
#include <quern/unstable/window.h>

/* ---- regions ---- */

static qn_op yield_of(const qn_module *m, qn_op op, uint32_t region) {
  qn_op last = qn_block_last(m, qn_op_region(m, op, region));
  return qn_op_kind_of(m, last) == QN_OP_YIELD ? last : (qn_op){0};
}

static qn_status need_yield(qn_module *m, qn_op op, uint32_t region, const char *name, uint32_t count, qn_op *out) {
  *out = yield_of(m, op, region);
  if (!out->id) return qn_op_error(m, op, QN_DIAG_VERIFY, "the %s does not end with kern.yield", name);
  uint32_t n = qn_op_num_operands(m, *out);
  if (n == count) return QN_OK;
  return qn_op_error(m, *out, QN_DIAG_OPERAND_COUNT, "the %s yields %u values, expected %u", name, n, count);
}

/* Argument `arg` of a region: the operand's element as a signless scalar. */
static qn_status check_arg(qn_module *m, qn_op op, uint32_t region, const char *name, uint32_t arg, qn_type expected) {
  qn_type have = qn_value_type(m, qn_block_arg(m, qn_op_region(m, op, region), arg));
  if (qn_type_eq(have, expected)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "argument %u of the %s is %s, expected %s", arg, name,
                     qn__type_c(m, have), qn__type_c(m, expected));
}

static qn_status check_arg_count(qn_module *m, qn_op op, uint32_t region, const char *name, uint32_t expected) {
  uint32_t n = qn_block_num_args(m, qn_op_region(m, op, region));
  if (n == expected) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "the %s has %u arguments, expected %u", name, n, expected);
}

static qn_type region_type(const qn_module *m, qn_type t) {
  return qn__scalar_type(m, qn__region_scalar(qn_module_context(m), t));
}

/* Operands first .. first+n-1 as arguments from `arg` on. */
static qn_status check_operand_args(qn_module *m, qn_op op, uint32_t region, const char *name, uint32_t arg,
                                    uint32_t first, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    qn_type expected = region_type(m, qn__operand_type(m, op, first + i));
    if (qn_type_is_null(expected))
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand %u is %s, whose elements a region cannot compute on",
                         first + i, qn__type_c(m, qn__operand_type(m, op, first + i)));
    qn_status status = check_arg(m, op, region, name, arg + i, expected);
    if (status != QN_OK) return status;
  }
  return QN_OK;
}

/* The element type of result i: as declared, when what is yielded is its storage; else what is yielded. */
static qn_status result_elem(qn_module *m, qn_op op, qn_op yield, uint32_t i, qn_type *elem) {
  qn_context *ctx = qn_module_context(m);
  qn_type have = qn__operand_type(m, yield, i), declared = qn__declared(m, op, i);
  *elem = qn_type_is_null(declared) ? have : qn_type_elem(ctx, declared);
  if (qn_type_as_scalar(ctx, have) != QN_SCALAR_NONE && qn_type_eq(region_type(m, *elem), have)) return QN_OK;
  return qn_op_error(m, yield, QN_DIAG_TYPE_MISMATCH, "yields %s as result %u, whose elements are %s, held as %s",
                     qn__type_c(m, have), i, qn__type_c(m, *elem), qn__type_c(m, region_type(m, *elem)));
}

static qn_status need_all_tensors(qn_module *m, qn_op op) {
  qn_status status = QN_OK;
  for (uint32_t i = 0; status == QN_OK && i < qn_op_num_operands(m, op); i++) status = qn__need_tensor(m, op, i);
  return status;
}

/* ---- map and row ---- */

static qn_status broadcast_inputs(qn_module *m, qn_op op, qn_dims *out) {
  qn_context *ctx = qn_module_context(m);
  uint32_t n = qn_op_num_operands(m, op);
  if (n == 0)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has no inputs, expected at least one: they give the shape");
  qn_status status = need_all_tensors(m, op);
  if (status != QN_OK) return status;
  *out = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  for (uint32_t i = 1; i < n; i++) {
    const qn_dims other = qn__dims_of(ctx, qn__operand_type(m, op, i));
    if (!qn__dims_broadcast(out, &other))
      return qn_op_error(m, op, QN_DIAG_SHAPE, "input %u is %s, which does not broadcast with those before it", i,
                         qn__type_c(m, qn__operand_type(m, op, i)));
  }
  return QN_OK;
}

static qn_status check_body(qn_module *m, qn_op op, qn_op *yield) {
  uint32_t inputs = qn_op_num_operands(m, op);
  qn_status status = check_arg_count(m, op, 0, "body", inputs);
  if (status == QN_OK) status = check_operand_args(m, op, 0, "body", 0, 0, inputs);
  if (status == QN_OK) status = need_yield(m, op, 0, "body", qn_op_num_results(m, op), yield);
  return status;
}

qn_status qn__rule_map(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_dims dims;
  qn_op yield;
  qn_status status = broadcast_inputs(m, op, &dims);
  if (status == QN_OK) status = check_body(m, op, &yield);
  if (status != QN_OK) return status;
  if (qn_op_attr(m, op, "perm").id) {
    if (qn_op_num_operands(m, op) != 1)
      return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "perm is given with %u inputs, expected a single one",
                         qn_op_num_operands(m, op));
    const qn_dims x = dims;
    status = qn__permuted_dims(m, op, &x, &dims);
  }
  for (uint32_t i = 0; status == QN_OK && i < qn_op_num_results(m, op); i++) {
    qn_type elem;
    status = result_elem(m, op, yield, i, &elem);
    if (status == QN_OK) results[i] = qn__dims_tensor(ctx, elem, &dims);
  }
  return status;
}

qn_status qn__rule_row(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_dims dims;
  qn_op yield;
  qn_status status = broadcast_inputs(m, op, &dims);
  if (status == QN_OK && dims.rank == 0)
    status = qn_op_error(m, op, QN_DIAG_SHAPE, "all inputs have rank 0, expected a last axis to go along");
  if (status == QN_OK) status = check_body(m, op, &yield);
  for (uint32_t i = 0; status == QN_OK && i < qn_op_num_results(m, op); i++) {
    qn_type elem, declared = qn__declared(m, op, i);
    status = result_elem(m, op, yield, i, &elem);
    qn_dims shape = dims;
    /* A declared size of 1 asks for the row's value; any other must be the row's size. */
    uint32_t rank = qn_type_rank(ctx, declared);
    if (rank == dims.rank && qn_type_shape(ctx, declared)[rank - 1] == 1) {
      shape.size[rank - 1] = 1;
      shape.symbol[rank - 1] = (qn_name){0};
    }
    if (status == QN_OK) results[i] = qn__dims_tensor(ctx, elem, &shape);
  }
  return status;
}

/* ---- gemm ---- */

static qn_status check_gemm_layout(qn_module *m, qn_op op) {
  qn_layout layout;
  qn_status status = qn__need_layout(m, op, &layout);
  if (status != QN_OK) return status;
  qn_op def = qn_value_op(m, qn_op_operand(m, op, 1));
  bool packed = qn__is_pack(qn_op_kind_of(m, def));
  if (layout.plain)
    return packed ? qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                                "layout is \"plain\", but operand 'b' is packed: give its layout")
                  : QN_OK;
  qn_str want = qn_op_get_string(m, op, "layout");
  if (packed && qn_str_eq(qn_op_get_string(m, def, "layout"), want))
    return qn__need_packable(m, op, qn__operand_type(m, op, 1));
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                     "layout is \"%.*s\", but operand 'b' does not come from kern.pack or kern.packed_constant of that "
                     "layout",
                     (int)want.size, want.data);
}

/* Which sums there are: integers into i32 or i64, equal floats into f32 (f64 for f64), f32 by 16 bits into f32. */
static qn_status check_gemm_types(qn_module *m, qn_op op, qn_scalar lhs, qn_scalar acc) {
  qn_context *ctx = qn_module_context(m);
  qn_scalar b = qn_type_memory(ctx, qn__operand_elem(m, op, 1));
  bool ints = qn_scalar_is_int(lhs) && qn_scalar_is_int(b) && (acc == QN_I32 || acc == QN_I64);
  bool widens = lhs == QN_F32 && (b == QN_F16 || b == QN_BF16);
  bool floats = qn_scalar_is_float(lhs) && (lhs == b || widens) && acc == (lhs == QN_F64 ? QN_F64 : QN_F32);
  if (ints || floats) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "multiplies %s by %s into %s, expected integers into i32 or i64, or equal floats into f32 (f64 "
                     "for f64), or f32 by f16 or bf16 into f32",
                     qn_scalar_get(lhs)->text, qn_scalar_get(b)->text, qn_scalar_get(acc)->text);
}

static qn_status check_extras(qn_module *m, qn_op op, uint32_t first, uint32_t n, const qn_dims *against,
                              const char *what) {
  qn_context *ctx = qn_module_context(m);
  for (uint32_t i = first; i < first + n; i++) {
    const qn_dims extra = qn__dims_of(ctx, qn__operand_type(m, op, i));
    if (!qn__dims_broadcast_to(against, &extra))
      return qn_op_error(m, op, QN_DIAG_SHAPE, "operand %u is %s, which does not broadcast to %s", i,
                         qn__type_c(m, qn__operand_type(m, op, i)), what);
  }
  return QN_OK;
}

static qn_status check_prologue(qn_module *m, qn_op op, uint32_t extras, qn_scalar lhs) {
  qn_op yield;
  qn_status status = check_arg_count(m, op, 0, "prologue", 1 + extras);
  if (status == QN_OK) status = check_operand_args(m, op, 0, "prologue", 0, 0, 1);
  if (status == QN_OK) status = check_operand_args(m, op, 0, "prologue", 1, 2, extras);
  if (status == QN_OK) status = need_yield(m, op, 0, "prologue", 1, &yield);
  if (status != QN_OK) return status;
  qn_type have = qn__operand_type(m, yield, 0), want = region_type(m, qn__scalar_type(m, lhs));
  if (qn_type_eq(have, want)) return QN_OK;
  return qn_op_error(m, yield, QN_DIAG_TYPE_MISMATCH, "the prologue yields %s, expected %s, which is lhs in a region",
                     qn__type_c(m, have), qn__type_c(m, want));
}

qn_status qn__check_epilogue(qn_module *m, qn_op op, uint32_t region, uint32_t first, uint32_t extras, qn_scalar acc,
                             qn_type *elem) {
  qn_op yield;
  qn_status status = check_arg_count(m, op, region, "epilogue", 1 + extras);
  if (status == QN_OK) status = check_arg(m, op, region, "epilogue", 0, qn__scalar_type(m, acc));
  if (status == QN_OK) status = check_operand_args(m, op, region, "epilogue", 1, first, extras);
  if (status == QN_OK) status = need_yield(m, op, region, "epilogue", 1, &yield);
  return status == QN_OK ? result_elem(m, op, yield, 0, elem) : status;
}

static qn_status gemm_scalars(qn_module *m, qn_op op, qn_scalar *lhs, qn_scalar *acc) {
  qn_context *ctx = qn_module_context(m);
  qn_attr lhs_attr = qn_op_attr(m, op, "lhs");
  *lhs = lhs_attr.id ? qn_type_as_scalar(ctx, qn_attr_as_type(m, lhs_attr))
                     : qn_type_memory(ctx, qn__operand_elem(m, op, 0));
  *acc = qn_type_as_scalar(ctx, qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  if (*lhs == QN_SCALAR_NONE || *acc == QN_SCALAR_NONE)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "%s is no scalar type, expected one such as i32 or f32",
                       *lhs == QN_SCALAR_NONE ? "lhs" : "acc");
  return QN_OK;
}

/* ---- windows ---- */

/* Height and width of the windows in an image. */
static qn_status slide(qn_module *m, qn_op op, const qn_window *w, const qn_dims *a, qn_dims *y) {
  *y = *a;
  for (int d = 0; d < 2; d++) {
    y->symbol[1 + d] = (qn_name){0};
    if (a->size[1 + d] == QN_DYNAMIC) continue;
    y->size[1 + d] = qn_window_count(w, d, a->size[1 + d]);
    if (y->size[1 + d] < 1)
      return qn_op_error(m, op, QN_DIAG_SHAPE, "the window spans %lld elements of an axis of %lld",
                         (long long)qn_window_span(w, d), (long long)a->size[1 + d]);
  }
  return QN_OK;
}

/* What positions outside the image count as. */
static qn_status check_border(qn_module *m, qn_op op, bool integers, bool floats, qn_scalar mem) {
  int64_t border = qn_op_get_int(m, op, "border");
  bool pads = qn_op_attr(m, op, "pads").id != 0;
  if (!pads && !border) return QN_OK;
  bool whole = qn_scalar_is_int(mem);
  bool number = whole ? integers && qn_scalar_get(mem)->bits <= 16 : floats && (mem == QN_F32 || mem == QN_F64);
  if (!number)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "pads and border are given for %s, expected dot products of integers of 8 or 16 bits%s",
                       qn_scalar_get(mem)->text, floats ? ", or of f32 or f64" : "");
  int64_t low = whole ? qn_scalar_min(mem) : 0, high = whole ? qn_scalar_max(mem) : 0;
  if (pads && border >= low && border <= high) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "border is %lld%s, expected a value of %s and pads", (long long)border,
                     pads ? "" : " without pads", qn_scalar_get(mem)->text);
}

static qn_status check_window(qn_module *m, qn_op op, qn_window *w) {
  if (!qn_window_read(m, op, w))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "window, groups and pads are not six numbers from 1 to %d (height, width, strides, dilations), "
                       "a number of at least 1 and four from 0 on",
                       QN_WINDOW_LIMIT);
  qn_status status = check_border(m, op, true, true, qn_type_memory(qn_module_context(m), qn__operand_elem(m, op, 0)));
  if (status != QN_OK) return status;
  if (qn_op_get_bool(m, op, "transpose_a"))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "transpose_a is given with a window, expected one or the other");
  qn_op yield = yield_of(m, op, 0);
  if (yield.id && qn_op_num_operands(m, yield) == 1 && qn_op_get_int(m, op, "num_prologue") == 0 &&
      qn_op_operand(m, yield, 0).id == qn_block_arg(m, qn_op_region(m, op, 0), 0).id)
    return QN_OK;
  return qn_op_error(m, op, QN_DIAG_VERIFY,
                     "the prologue of a product over windows computes something: do so with kern.map or kern.pad");
}

/* The product's dimensions [N, OH, OW, O]. */
static qn_status window_dims(qn_module *m, qn_op op, const qn_window *w, qn_dims *y) {
  qn_context *ctx = qn_module_context(m);
  qn_type ta = qn__operand_type(m, op, 0), tb = qn__operand_type(m, op, 1);
  const qn_dims a = qn__dims_of(ctx, ta), b = qn__dims_of(ctx, tb);
  if (a.rank != 4 || b.rank != (w->groups > 1 ? 3u : 2u))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "multiplies windows of %s by %s, expected an image [N,H,W,C] and %s",
                       qn__type_c(m, ta), qn__type_c(m, tb),
                       w->groups > 1 ? "matrices [groups,K,O/groups]" : "a matrix [K,O]");
  int64_t channels = a.size[3], rows = b.size[b.rank - 2], columns = b.size[b.rank - 1];
  if (channels == QN_DYNAMIC || rows == QN_DYNAMIC || columns == QN_DYNAMIC)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "multiplies windows of %s by %s, expected channels and b to be known",
                       qn__type_c(m, ta), qn__type_c(m, tb));
  if (channels > QN_WINDOW_CHANNELS)
    return qn_op_error(m, op, QN_DIAG_LIMIT, "%s has too many channels for windows", qn__type_c(m, ta));
  const qn_segments s = qn_window_segments(w, channels);
  if (channels % w->groups || rows != s.outer * s.inner * s.length || (w->groups > 1 && b.size[0] != w->groups))
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "windows of %lld x %lld over %s in %lld groups do not multiply %s, expected %lld rows",
                       (long long)w->size[0], (long long)w->size[1], qn__type_c(m, ta), (long long)w->groups,
                       qn__type_c(m, tb), (long long)(s.outer * s.inner * s.length));
  int64_t bytes = s.length * (qn_scalar_get(qn_type_memory(ctx, qn__operand_elem(m, op, 0)))->storage_bits / 8);
  if (qn_window_pads(w) && (s.outer * s.inner > QN_WINDOW_POSITIONS || bytes > QN_WINDOW_BYTES))
    return qn_op_error(m, op, QN_DIAG_LIMIT,
                       "windows with pads have %lld positions of %lld bytes, expected at most %d of %d: use kern.pad",
                       (long long)(s.outer * s.inner), (long long)bytes, QN_WINDOW_POSITIONS, QN_WINDOW_BYTES);
  qn_layout layout;
  if (qn__layout_parse(qn_op_get_string(m, op, "layout"), &layout) && !layout.plain &&
      qn__layout_segments(&layout) != s.outer * s.inner)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "the layout has %u segments, expected %lld for this window",
                       qn__layout_segments(&layout), (long long)(s.outer * s.inner));
  qn_status status = slide(m, op, w, &a, y);
  y->size[3] = columns * w->groups;
  y->symbol[3] = (qn_name){0};
  return status;
}

qn_status qn__rule_gemm(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_scalar lhs, acc;
  qn_dims y;
  bool transpose_a = qn_op_get_bool(m, op, "transpose_a");
  qn_status status = need_all_tensors(m, op);
  qn_window window = {.groups = 1};
  bool windows = qn_op_attr(m, op, "window").id || qn_op_attr(m, op, "groups").id || qn_op_attr(m, op, "pads").id ||
                 qn_op_attr(m, op, "border").id;
  if (status == QN_OK && windows) status = check_window(m, op, &window);
  if (status == QN_OK)
    status = windows ? window_dims(m, op, &window, &y) : qn__matmul_dims(m, op, transpose_a, false, &y);
  if (status == QN_OK) status = gemm_scalars(m, op, &lhs, &acc);
  if (status == QN_OK) status = check_gemm_types(m, op, lhs, acc);
  if (status == QN_OK) status = check_gemm_layout(m, op);
  if (status != QN_OK) return status;
  qn_dims a = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  if (a.rank < 2 || qn_type_rank(ctx, qn__operand_type(m, op, 1)) < 2)
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "operands 'a' and 'b' must be matrices: show a vector as one with kern.view");
  if (transpose_a) qn__swap_last(&a);
  int64_t extras = (int64_t)qn_op_num_operands(m, op) - 2, prologue = qn_op_get_int(m, op, "num_prologue");
  if (prologue < 0 || prologue > extras)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "num_prologue is %lld, expected 0 to %lld, the number of extras",
                       (long long)prologue, (long long)extras);
  uint32_t p = (uint32_t)prologue, e = (uint32_t)(extras - prologue);
  qn_type elem = {0};
  status = check_extras(m, op, 2, p, &a, "'a'");
  if (status == QN_OK) status = check_extras(m, op, 2 + p, e, &y, "the product");
  if (status == QN_OK) status = check_prologue(m, op, p, lhs);
  if (status == QN_OK) status = qn__check_epilogue(m, op, 1, 2 + p, e, acc, &elem);
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, elem, &y);
  return status;
}

/* ---- window: one channel at a time ---- */

/* The matrix of a dot product's weights: [KH*KW, C], packed as the layout says. */
static qn_status check_weights(qn_module *m, qn_op op, const qn_window *w, int64_t channels, qn_scalar elem,
                               qn_scalar acc) {
  qn_context *ctx = qn_module_context(m);
  if (qn_op_num_operands(m, op) < 2)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "has no extra, expected the weights of its dot product first");
  const qn_dims b = qn__dims_of(ctx, qn__operand_type(m, op, 1));
  if (b.rank != 2 || b.size[0] != w->size[0] * w->size[1] || b.size[1] != channels)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "the weights are %s, expected a row of %lld channels for each of %lld",
                       qn__type_c(m, qn__operand_type(m, op, 1)), (long long)channels,
                       (long long)(w->size[0] * w->size[1]));
  qn_status status = check_gemm_layout(m, op);
  return status == QN_OK ? check_gemm_types(m, op, elem, acc) : status;
}

qn_status qn__rule_kern_window(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_window w;
  qn_dims y;
  qn_type elem = {0};
  qn_status status = need_all_tensors(m, op);
  if (status != QN_OK) return status;
  const qn_dims x = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  qn_scalar mem = qn_type_memory(ctx, qn__operand_elem(m, op, 0));
  qn_scalar acc = qn_type_as_scalar(ctx, qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  if (x.rank != 4 || x.size[3] == QN_DYNAMIC || x.size[3] > QN_WINDOW_CHANNELS || qn_scalar_get(mem)->storage_bits < 8)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "takes windows of %s, expected an image [N,H,W,C] of whole bytes, C known",
                       qn__type_c(m, qn__operand_type(m, op, 0)));
  if (!qn_window_read(m, op, &w) || w.groups != 1)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "window is not six numbers from 1 to %d, or pads four from 0 on",
                       QN_WINDOW_LIMIT);
  bool dot = qn_str_eq(qn_op_get_string(m, op, "combine"), qn_str_of("dot"));
  if (dot)
    status = check_border(m, op, true, true, mem);
  else if (qn_op_get_int(m, op, "border"))
    status = qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "border is given, expected dot: others pass over what is outside");
  if (status != QN_OK) return status;
  bool max = qn_str_eq(qn_op_get_string(m, op, "combine"), qn_str_of("max"));
  bool sums = mem == acc && (acc == QN_F32 || acc == QN_F64);
  if (dot)
    status = check_weights(m, op, &w, x.size[3], mem, acc);
  else if (acc != mem || !(max || sums))
    status = qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                         "combines %s into %s, expected acc to be the element's type, and f32 or f64 for sums",
                         qn_scalar_get(mem)->text, qn_scalar_get(acc)->text);
  if (status == QN_OK) status = slide(m, op, &w, &x, &y);
  uint32_t first = dot ? 2 : 1, extras = qn_op_num_operands(m, op) - first;
  qn_op yield;
  if (status == QN_OK) status = check_extras(m, op, first, extras, &y, "the result");
  if (status == QN_OK) status = check_arg_count(m, op, 0, "epilogue", 1 + extras);
  if (status == QN_OK) status = check_arg(m, op, 0, "epilogue", 0, region_type(m, qn__scalar_type(m, acc)));
  if (status == QN_OK) status = check_operand_args(m, op, 0, "epilogue", 1, first, extras);
  if (status == QN_OK) status = need_yield(m, op, 0, "epilogue", 1, &yield);
  if (status == QN_OK) status = result_elem(m, op, yield, 0, &elem);
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, elem, &y);
  return status;
}

/* ---- pad ---- */

qn_status qn__rule_kern_pad(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  uint32_t inputs = qn_op_num_operands(m, op), n = 0;
  qn_op yield;
  qn_type elem = {0};
  qn_status status = need_all_tensors(m, op);
  if (status != QN_OK) return status;
  qn_dims y = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  const int64_t *pads = qn_attr_as_ints(m, qn_op_attr(m, op, "pads"), &n);
  bool good = pads && n == 4 && y.rank == 4;
  for (uint32_t i = 0; good && i < 4; i++) good = pads[i] >= 0 && pads[i] <= 2 * QN_WINDOW_LIMIT;
  if (!good)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "pads %s, expected an image [N,H,W,C] and four pads from 0 to %d",
                       qn__type_c(m, qn__operand_type(m, op, 0)), 2 * QN_WINDOW_LIMIT);
  for (uint32_t i = 1; i < inputs && status == QN_OK; i++)
    if (qn_type_count(ctx, qn__operand_type(m, op, i)) != 1)
      status = qn_op_error(m, op, QN_DIAG_SHAPE, "extra %u is %s, expected one element", i,
                           qn__type_c(m, qn__operand_type(m, op, i)));
  if (status == QN_OK) status = check_arg_count(m, op, 0, "body", inputs);
  if (status == QN_OK) status = check_operand_args(m, op, 0, "body", 0, 0, inputs);
  if (status == QN_OK) status = need_yield(m, op, 0, "body", 2, &yield);
  if (status == QN_OK && !qn_type_eq(qn__operand_type(m, yield, 0), qn__operand_type(m, yield, 1)))
    status = qn_op_error(m, yield, QN_DIAG_TYPE_MISMATCH, "yields %s and %s, expected one type for inside and border",
                         qn__type_c(m, qn__operand_type(m, yield, 0)), qn__type_c(m, qn__operand_type(m, yield, 1)));
  if (status == QN_OK) status = result_elem(m, op, yield, 0, &elem);
  for (int a = 0; a < 2; a++) {
    y.symbol[1 + a] = pads[a] + pads[2 + a] ? (qn_name){0} : y.symbol[1 + a];
    if (y.size[1 + a] != QN_DYNAMIC) y.size[1 + a] += pads[a] + pads[2 + a];
  }
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, elem, &y);
  return status;
}
