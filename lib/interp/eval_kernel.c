/* Kernels: what lower-kernels makes of tensor ops. */
#include "eval_kernel.h"
#include "alloc.h"
#include "layout.h"

/* ---- regions ---- */

static bool same_form(qn_scalar a, qn_scalar b) {
  const qn_scalar_info *x = qn_scalar_get(a), *y = qn_scalar_get(b);
  return x->storage_bits == y->storage_bits && (x->cls == QN_FLOAT) == (y->cls == QN_FLOAT) &&
         (x->cls != QN_FLOAT || a == b);
}

qn_status qn__region_script(qn__frame *f, uint32_t region, uint32_t num_args, const qn_tensor *const *args,
                            uint32_t num_out, const qn_scalar *out, bool rows, qn__script **p) {
  qn_status s = qn__script_build(f->m, qn_op_region(f->m, f->op, region), f->scratch, p);
  if (s != QN_OK) return s;
  if ((*p)->num_args != num_args || (*p)->num_yields != num_out)
    return qn_op_error(f->m, f->op, QN_DIAG_OPERAND_COUNT,
                       "region %u of %s takes %u and yields %u values, expected %u and %u", region,
                       qn_op_name(f->m, f->op).data, (*p)->num_args, (*p)->num_yields, num_args, num_out);
  if ((*p)->has_reduction && !rows)
    return qn_op_error(f->m, f->op, QN_DIAG_VERIFY, "region %u of %s reduces over a row, which only kern.row has",
                       region, qn_op_name(f->m, f->op).data);
  for (uint32_t i = 0; i < num_args; i++)
    if (!same_form((*p)->types[i], args[i]->elem))
      return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH, "argument %u of region %u is %s but takes elements of %s",
                         i, region, qn_scalar_get((*p)->types[i])->text, qn_scalar_get(args[i]->elem)->text);
  for (uint32_t i = 0; i < num_out; i++) {
    qn_scalar have = (*p)->types[(*p)->yields[i]];
    if (!same_form(have, out[i]))
      return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH, "region %u yields %s for elements of %s", region,
                         qn_scalar_get(have)->text, qn_scalar_get(out[i])->text);
  }
  return QN_OK;
}

static qn_status common_shape(qn__frame *f, qn__shape *out) {
  if (f->num_in == 0)
    return qn_op_error(f->m, f->op, QN_DIAG_OPERAND_COUNT, "a kernel needs an input to take its shape from");
  *out = qn__shape_of(f->in[0]);
  qn_status s = QN_OK;
  for (uint32_t i = 1; i < f->num_in && s == QN_OK; i++) {
    qn__shape other = qn__shape_of(f->in[i]);
    s = qn__broadcast(f, out, &other);
  }
  return s;
}

static qn_status need_broadcast_to(qn__frame *f, const qn__shape *shape, uint32_t i) {
  qn__shape common = *shape, other = qn__shape_of(f->in[i]);
  qn_status s = qn__broadcast(f, &common, &other);
  bool same = common.rank == shape->rank;
  for (uint32_t d = 0; same && d < common.rank; d++) same = common.size[d] == shape->size[d];
  if (s != QN_OK || same) return s;
  char a[QN__SHAPE_TEXT], b[QN__SHAPE_TEXT];
  return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "operand %u, %s, does not broadcast to %s", i,
                     qn__tensor_text(f->in[i], a), qn__sizes_text(shape->rank, shape->size, b));
}

/* ---- map and row ---- */

static qn_status make_results(qn__frame *f, const qn__shape *shape, bool rows, qn_scalar **elems) {
  uint32_t n = qn_op_num_results(f->m, f->op);
  *elems = qn__scratch(f, n, sizeof **elems);
  if (!*elems) return QN_ERR_NO_MEMORY;
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < n && s == QN_OK; i++) {
    qn__shape y = *shape;
    qn_type declared = qn_value_type(f->m, qn_op_result(f->m, f->op, i));
    uint32_t rank = qn_type_rank(f->ctx, declared);
    if (rows && rank == y.rank && rank && qn_type_shape(f->ctx, declared)[rank - 1] == 1) y.size[rank - 1] = 1;
    qn_tensor *t;
    s = qn__result(f, i, y.rank, y.size, &t);
    (*elems)[i] = f->out[i].elem;
  }
  return s;
}

static qn_status run_loop(qn__frame *f, const qn__shape *shape, const int64_t *perm, bool rows) {
  qn_scalar *elems;
  qn__script *p;
  qn_status s = make_results(f, shape, rows, &elems);
  if (s == QN_OK) s = qn__region_script(f, 0, f->num_in, f->in, qn_op_num_results(f->m, f->op), elems, rows, &p);
  qn__view *views = s == QN_OK ? qn__scratch(f, f->num_in, sizeof *views) : NULL;
  if (s != QN_OK || !views) return s != QN_OK ? s : QN_ERR_NO_MEMORY;
  for (uint32_t i = 0; i < f->num_in; i++) views[i] = qn__view_perm(f->in[i], shape, perm);
  return qn__script_run(f->ctx, f->scratch, p, shape, views, f->out, rows);
}

static qn_status eval_map(qn__frame *f, qn_op op) {
  qn__shape shape;
  qn_status s = common_shape(f, &shape);
  qn_attr perm_attr = qn_op_attr(f->m, op, "perm");
  if (s != QN_OK || !perm_attr.id) return s == QN_OK ? run_loop(f, &shape, NULL, false) : s;
  uint32_t n = 0;
  const int64_t *perm = qn_attr_as_ints(f->m, perm_attr, &n);
  if (f->num_in != 1)
    return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "perm is for a single input, here are %u", f->num_in);
  s = qn__check_perm(f, perm, n);
  if (s != QN_OK) return s;
  for (uint32_t i = 0; i < n; i++) shape.size[i] = f->in[0]->shape[perm[i]];
  return run_loop(f, &shape, perm, false);
}
const qn__evaluator qn__eval_MAP = {.eval = eval_map};

static qn_status eval_row(qn__frame *f, qn_op op) {
  qn__shape shape;
  qn_status s = common_shape(f, &shape);
  if (s == QN_OK && shape.rank == 0) s = qn_op_error(f->m, op, QN_DIAG_SHAPE, "scalars have no rows");
  return s == QN_OK ? run_loop(f, &shape, NULL, true) : s;
}
const qn__evaluator qn__eval_ROW = {.eval = eval_row};

/* ---- packed matrices ---- */

static qn_status layout_of(qn__frame *f, qn_op op, const char *attr, qn_layout *out) {
  qn_str name = qn_op_get_string(f->m, op, attr);
  if (qn__layout_parse(name, out)) return QN_OK;
  return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "no layout is called \"%.*s\"", (int)name.size, name.data);
}

/* Bytes of all matrices of a packed value whose last axes are k and n, of `have` where it has granules; SIZE_MAX when
 * that does not fit. */
static size_t packed_bytes(const qn_layout *layout, qn_scalar elem, const qn__shape *shape, size_t have, size_t *one) {
  uint32_t r = shape->rank;
  qn_granules g;
  if (layout->granule) {
    *one = have; /* what the granules take the data tells */
    return r == 2 && qn_layout_granules(layout, qn_scalar_get(elem)->storage_bits / 8u, shape->size[0], shape->size[1],
                                        have, &g)
               ? have
               : SIZE_MAX;
  }
  *one = qn__layout_bytes(layout, qn_scalar_get(elem)->storage_bits / 8u, shape->size[r - 2], shape->size[r - 1]);
  size_t all = *one;
  for (uint32_t d = 0; d + 2 < r; d++)
    if (!qn__mul_size(all, (size_t)shape->size[d], &all)) return SIZE_MAX;
  return all;
}

static qn_status need_packable(qn__frame *f, qn_scalar elem, uint32_t rank) {
  if (rank >= 2 && qn_scalar_get(elem)->storage_bits >= 8) return QN_OK;
  return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED,
                     "only matrices of whole-byte elements are packed, not rank %u of %s", rank,
                     qn_scalar_get(elem)->text);
}

static qn_status eval_pack(qn__frame *f, qn_op op) {
  const qn_tensor *b = f->in[0];
  bool transpose = qn_op_get_bool(f->m, op, "transpose");
  qn_layout layout;
  qn_status s = layout_of(f, op, "layout", &layout);
  if (s == QN_OK) s = need_packable(f, b->elem, b->rank);
  if (s != QN_OK) return s;
  qn__shape shape = qn__shape_of(b);
  uint32_t r = shape.rank;
  if (transpose) {
    shape.size[r - 2] = b->shape[r - 1];
    shape.size[r - 1] = b->shape[r - 2];
  }
  size_t one, all = packed_bytes(&layout, b->elem, &shape, 0, &one);
  qn_tensor *y;
  s = qn__result_bytes(f, 0, r, shape.size, all, &y);
  if (s != QN_OK || all == 0) return s;
  size_t elem_bytes = qn_scalar_get(b->elem)->storage_bits / 8u;
  size_t plain = (size_t)shape.size[r - 2] * (size_t)shape.size[r - 1] * elem_bytes;
  for (size_t i = 0; i < all / one; i++)
    qn_layout_pack(&layout, elem_bytes, shape.size[r - 2], shape.size[r - 1], (const char *)b->data + i * plain,
                   transpose, (char *)y->data + i * one);
  return QN_OK;
}
const qn__evaluator qn__eval_PACK = {.eval = eval_pack};

static qn_status eval_packed_constant(qn__frame *f, qn_op op) {
  qn_tensor t;
  qn_layout layout;
  qn_type declared = qn_value_type(f->m, qn_op_result(f->m, op, 0));
  qn_status s = layout_of(f, op, "layout", &layout);
  if (s != QN_OK) return s;
  if (!qn_attr_dense_tensor(f->m, qn_op_attr(f->m, op, "value"), &t))
    return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "the packed bytes of %s cannot be read", qn_op_name(f->m, op).data);
  qn_tensor y = {.elem = qn_type_memory(f->ctx, qn_type_elem(f->ctx, declared)),
                 .rank = qn_type_rank(f->ctx, declared)};
  s = need_packable(f, y.elem, y.rank);
  if (s != QN_OK) return s;
  for (uint32_t d = 0; d < y.rank; d++) y.shape[d] = qn_type_shape(f->ctx, declared)[d];
  if (!qn_type_is_static(f->ctx, declared))
    return qn_op_error(f->m, op, QN_DIAG_SHAPE, "a packed constant has known sizes");
  qn__shape shape = qn__shape_of(&y);
  size_t have = qn_tensor_bytes(&t), one, all = packed_bytes(&layout, y.elem, &shape, have, &one);
  if (all != have)
    return qn_op_error(f->m, op, QN_DIAG_SHAPE, "value holds %zu bytes, but %s takes %zu in this layout", have,
                       qn_type_text(f->ctx, declared).data, all);
  y.data = t.data;
  return qn__result_borrow(f, 0, &y, all);
}
const qn__evaluator qn__eval_PACKED = {.eval = eval_packed_constant};

static qn_status unpack_granules(qn__frame *f, const qn_layout *l, size_t elem_bytes, const qn_tensor *b, size_t size,
                                 void *plain) {
  qn_layout dense = *l;
  dense.granule = 0;
  size_t bytes = qn_layout_bytes(&dense, elem_bytes, b->shape[0], b->shape[1]);
  void *packed = bytes == SIZE_MAX ? NULL : qn__scratch(f, bytes, 1);
  if (!packed) return QN_ERR_NO_MEMORY;
  qn_layout_expand(l, elem_bytes, b->shape[0], b->shape[1], b->data, size, packed);
  qn__layout_unpack(&dense, elem_bytes, b->shape[0], b->shape[1], packed, false, plain);
  return QN_OK;
}

qn_status qn__unpack(qn__frame *f, qn_op op, const char *attr, uint32_t i, qn_tensor *plain) {
  const qn_tensor *b = f->in[i];
  qn_layout layout;
  *plain = *b;
  qn_status s = layout_of(f, op, attr, &layout);
  if (s != QN_OK || layout.plain) return s;
  s = need_packable(f, b->elem, b->rank);
  if (s != QN_OK) return s;
  qn__shape shape = qn__shape_of(b);
  size_t one, all = packed_bytes(&layout, b->elem, &shape, f->in_bytes[i], &one),
              elem_bytes = qn_scalar_get(b->elem)->storage_bits / 8u;
  char text[QN__SHAPE_TEXT];
  if (all != f->in_bytes[i])
    return qn_op_error(f->m, op, QN_DIAG_TYPE_MISMATCH,
                       "operand %u holds %zu bytes, but %s takes %zu in the layout that the kernel names", i,
                       f->in_bytes[i], qn__tensor_text(b, text), all);
  s = qn__scratch_tensor(f, b->elem, b->rank, b->shape, plain);
  if (s != QN_OK || all == 0) return s;
  int64_t k = b->shape[b->rank - 2], n = b->shape[b->rank - 1];
  if (layout.granule) return unpack_granules(f, &layout, elem_bytes, b, all, plain->data);
  size_t matrix = (size_t)k * (size_t)n * elem_bytes;
  for (size_t at = 0; at < all / one; at++)
    qn__layout_unpack(&layout, elem_bytes, k, n, (const char *)b->data + at * one, false,
                      (char *)plain->data + at * matrix);
  return QN_OK;
}

/* ---- gemm ---- */

/* prologue(a), as a row-major tensor [.., M, K] of the element type that is multiplied. */
static qn_status run_prologue(qn__frame *f, qn_op op, uint32_t extras, qn_tensor *out) {
  const qn_tensor *a = f->in[0];
  bool transpose = qn_op_get_bool(f->m, op, "transpose_a");
  int64_t perm[QN_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
  if (transpose) {
    perm[a->rank - 2] = a->rank - 1;
    perm[a->rank - 1] = a->rank - 2;
  }
  qn__shape shape = {.rank = a->rank};
  for (uint32_t d = 0; d < a->rank; d++) shape.size[d] = a->shape[perm[d]];
  qn_attr lhs = qn_op_attr(f->m, op, "lhs");
  qn_scalar elem = lhs.id ? qn_type_as_scalar(f->ctx, qn_attr_as_type(f->m, lhs)) : a->elem;
  const qn_tensor **args = qn__scratch(f, extras + 1u, sizeof *args);
  qn__view *views = qn__scratch(f, extras + 1u, sizeof *views);
  if (!args || !views) return QN_ERR_NO_MEMORY;
  args[0] = a;
  views[0] = qn__view_perm(a, &shape, perm);
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < extras && s == QN_OK; i++) {
    args[i + 1] = f->in[2 + i];
    s = need_broadcast_to(f, &shape, 2 + i);
    if (s == QN_OK) views[i + 1] = qn__view_of(f->in[2 + i], &shape);
  }
  qn__script *p;
  if (s == QN_OK) s = qn__region_script(f, 0, extras + 1, args, 1, &elem, false, &p);
  if (s == QN_OK) s = qn__scratch_tensor(f, elem, shape.rank, shape.size, out);
  return s == QN_OK ? qn__script_run(f->ctx, f->scratch, p, &shape, views, out, false) : s;
}

qn_status qn__run_epilogue(qn__frame *f, uint32_t region, const qn_tensor *sums, uint32_t first, uint32_t extras) {
  qn__shape shape = qn__shape_of(sums);
  const qn_tensor **args = qn__scratch(f, extras + 1u, sizeof *args);
  qn__view *views = qn__scratch(f, extras + 1u, sizeof *views);
  qn_tensor *y;
  if (!args || !views) return QN_ERR_NO_MEMORY;
  args[0] = sums;
  views[0] = qn__view_of(sums, &shape);
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < extras && s == QN_OK; i++) {
    args[i + 1] = f->in[first + i];
    s = need_broadcast_to(f, &shape, first + i);
    if (s == QN_OK) views[i + 1] = qn__view_of(f->in[first + i], &shape);
  }
  qn__script *p;
  if (s == QN_OK) s = qn__result(f, 0, shape.rank, shape.size, &y);
  if (s == QN_OK) s = qn__region_script(f, region, extras + 1, args, 1, &y->elem, false, &p);
  return s == QN_OK ? qn__script_run(f->ctx, f->scratch, p, &shape, views, y, false) : s;
}

static qn_status eval_gemm(qn__frame *f, qn_op op) {
  int64_t given = qn_op_get_int(f->m, op, "num_prologue");
  qn_scalar acc = qn_type_as_scalar(f->ctx, qn_attr_as_type(f->m, qn_op_attr(f->m, op, "acc")));
  if (f->num_in < 2 || given < 0 || given > (int64_t)f->num_in - 2 || f->in[0]->rank < 2 || f->in[1]->rank < 2)
    return qn_op_error(f->m, op, QN_DIAG_VERIFY, "kern.gemm takes two matrices and at least num_prologue extras");
  if (qn_op_attr(f->m, op, "window").id) return qn__window_gemm(f, op, acc);
  uint32_t prologue = (uint32_t)given;
  qn_tensor lhs, rhs, sums;
  qn_status s = run_prologue(f, op, prologue, &lhs);
  if (s == QN_OK) s = qn__unpack(f, op, "layout", 1, &rhs);
  if (s != QN_OK) return s;
  qn__matrices a = qn__matrices_of(&lhs, false, false), b = qn__matrices_of(&rhs, true, false);
  qn__shape batch, shape;
  s = qn__product_shape(f, &a, &b, &batch, &shape);
  if (s == QN_OK) s = qn__scratch_tensor(f, acc, shape.rank, shape.size, &sums);
  if (s == QN_OK) s = qn__product(f, &a, &b, acc, &sums);
  return s == QN_OK ? qn__run_epilogue(f, 1, &sums, 2 + prologue, f->num_in - 2 - prologue) : s;
}
const qn__evaluator qn__eval_GEMM = {.eval = eval_gemm};

/* ---- view ---- */

/* Sizes of a declared type with at most one `?` that the element count does not leave open. */
static qn_status declared_sizes(qn__frame *f, qn_type declared, int64_t count, qn__shape *out) {
  const int64_t *size = qn_type_shape(f->ctx, declared);
  const qn_tensor *x = f->in[0];
  uint32_t open = UINT32_MAX, num_open = 0;
  int64_t known = 1;
  *out = (qn__shape){.rank = qn_type_rank(f->ctx, declared)};
  for (uint32_t d = 0; d < out->rank; d++) {
    if (size[d] == QN_DYNAMIC) open = d, num_open++;
    out->size[d] = size[d];
    if (size[d] != QN_DYNAMIC) known = size[d] && known > INT64_MAX / size[d] ? INT64_MAX : known * size[d];
  }
  if (num_open == 1 && known > 0 && count % known == 0) {
    out->size[open] = count / known;
    return QN_OK;
  }
  if (num_open == 0 && known == count) return QN_OK;
  if (num_open > 0 && out->rank == x->rank && count == qn_tensor_count(x)) {
    *out = qn__shape_of(x);
    return QN_OK;
  }
  char text[QN__SHAPE_TEXT];
  return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "%s does not say under which sizes of %s it is seen",
                     qn__tensor_text(x, text), qn_type_text(f->ctx, declared).data);
}

static qn_status eval_view(qn__frame *f, qn_op op) {
  qn_type declared = qn_value_type(f->m, qn_op_result(f->m, op, 0));
  const qn_tensor *x = f->in[0];
  unsigned from = qn_scalar_get(x->elem)->storage_bits;
  unsigned to = qn_scalar_get(qn_type_memory(f->ctx, qn_type_elem(f->ctx, declared)))->storage_bits;
  int64_t count = qn_tensor_count(x);
  char text[QN__SHAPE_TEXT];
  if (to && from != to) {
    size_t bytes = qn_tensor_bytes(x);
    count = (int64_t)(bytes * 8 / to);
    if (bytes > SIZE_MAX / 16 || (bytes * 8) % to)
      return qn_op_error(f->m, op, QN_DIAG_SHAPE, "%s is no whole number of %u-bit elements", qn__tensor_text(x, text),
                         to);
  }
  qn__shape shape;
  qn_tensor *y;
  qn_status s = qn_op_attr(f->m, op, "shape").id ? qn__resolve_shape(f, op, count, &shape)
                                                 : declared_sizes(f, declared, count, &shape);
  if (s == QN_OK) s = qn__result(f, 0, shape.rank, shape.size, &y);
  if (s != QN_OK) return s;
  if (qn_tensor_bytes(y) != qn_tensor_bytes(x))
    return qn_op_error(f->m, op, QN_DIAG_SHAPE, "a view keeps the bytes: %zu are not %zu", qn_tensor_bytes(x),
                       qn_tensor_bytes(y));
  qn__copy_bytes(y->data, x->data, qn_tensor_bytes(x));
  return QN_OK;
}
const qn__evaluator qn__eval_VIEW = {.eval = eval_view};
