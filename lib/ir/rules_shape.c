/* Rules of ops that move elements without computing: reshape, transpose, view. */
#include "alloc.h"
#include "context_impl.h"
#include "rule_util.h"
#include <string.h>

/* The element type after a change of shape. Scales that belong to an axis lose it, so only per-tensor types pass. */
static qn_status reshaped_elem(qn_module *m, qn_op op, qn_type *elem) {
  qn_context *ctx = qn_module_context(m);
  *elem = qn__plain_elem(ctx, qn__operand_type(m, op, 0));
  const qn_quant *q = qn_type_as_quant(ctx, *elem);
  if (!q || !q->num_blocks) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "the operand is %s, whose scales belong to an axis; dequantize it first with quant.dcast, or give "
                     "it one scale",
                     qn__type_c(m, qn__operand_type(m, op, 0)));
}

/* ---- reshape ---- */

/* A product of sizes: the static part, and how often each dynamic dimension of x occurs. */
typedef struct product {
  int64_t count; /* -1: does not fit */
  int uses[QN_MAX_RANK];
} product;

static void multiply(product *p, int64_t size) {
  if (p->count < 0) return;
  if (size && p->count > INT64_MAX / size)
    p->count = -1;
  else
    p->count *= size;
}

/* Dimension d of x as a factor: dimensions with one symbol are one size. */
static void multiply_dim(product *p, const qn_dims *x, uint32_t d) {
  if (x->size[d] != QN_DYNAMIC) {
    multiply(p, x->size[d]);
    return;
  }
  for (uint32_t i = 0; x->symbol[d].id && i < d; i++) {
    if (x->size[i] != QN_DYNAMIC || x->symbol[i].id != x->symbol[d].id) continue;
    p->uses[i]++;
    return;
  }
  p->uses[d]++;
}

static qn_status read_shape(qn_module *m, qn_op op, const qn_dims *x, qn_dims *y, product *known, int *rest) {
  uint32_t n;
  const int64_t *shape = qn_attr_as_ints(m, qn_op_attr(m, op, "shape"), &n);
  if (n > QN_MAX_RANK)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "shape has %u sizes, expected at most %d", n, QN_MAX_RANK);
  *y = (qn_dims){.rank = n};
  *known = (product){.count = 1};
  *rest = -1;
  for (uint32_t i = 0; i < n; i++) {
    int64_t size = shape[i];
    if (size >= 0) {
      y->size[i] = size;
      multiply(known, size);
    } else if (size == -1) {
      if (*rest >= 0)
        return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "shape has -1 more than once, expected one size to be left open");
      *rest = (int)i;
      y->size[i] = QN_DYNAMIC;
    } else {
      uint64_t d = (uint64_t)(-2 - size);
      if (d >= x->rank)
        return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                           "shape has %lld, the size of dimension %llu, but the operand is %s", (long long)size,
                           (unsigned long long)d, qn__type_c(m, qn__operand_type(m, op, 0)));
      y->size[i] = x->size[d];
      y->symbol[i] = x->symbol[d];
      multiply_dim(known, x, (uint32_t)d);
    }
  }
  return QN_OK;
}

static qn_status count_error(qn_module *m, qn_op op, const qn_dims *y) {
  qn_context *ctx = qn_module_context(m);
  qn_type to = qn__dims_tensor(ctx, qn__plain_elem(ctx, qn__operand_type(m, op, 0)), y);
  return qn_op_error(m, op, QN_DIAG_SHAPE, "%s has another number of elements than %s asks for",
                     qn__type_c(m, qn__operand_type(m, op, 0)), qn__type_c(m, to));
}

/* Fills in the size that is left, from what remains of x's product when the known sizes are divided out. */
static qn_status solve(qn_module *m, qn_op op, const qn_dims *x, qn_dims *y, const product *known, int rest) {
  product all = {.count = 1};
  for (uint32_t d = 0; d < x->rank; d++) multiply_dim(&all, x, d);
  int left = 0, over = 0, which = -1;
  for (uint32_t d = 0; d < x->rank; d++) {
    int more = all.uses[d] - known->uses[d];
    if (more > 0) left += more, which = (int)d;
    if (more < 0) over++;
  }
  if (known->count < 0 || all.count < 0) return QN_OK; /* too large to say; the type check reports it */
  if (left || over) {
    /* Dynamic sizes do not cancel: the count is checked at run time. One that is left over as it is keeps its name. */
    if (rest >= 0 && left == 1 && !over && all.count == known->count && all.count > 0)
      y->symbol[rest] = x->symbol[which];
    return QN_OK;
  }
  if (rest < 0) return all.count == known->count ? QN_OK : count_error(m, op, y);
  if (known->count == 0)
    return all.count == 0
               ? qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                             "shape has -1 beside a size of 0: what is left is not determined, write the size")
               : count_error(m, op, y);
  if (all.count % known->count) return count_error(m, op, y);
  y->size[rest] = all.count / known->count;
  return QN_OK;
}

qn_status qn__rule_reshape(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_type elem;
  qn_status status = qn__need_tensor(m, op, 0);
  if (status == QN_OK) status = reshaped_elem(m, op, &elem);
  if (status != QN_OK) return status;
  const qn_dims x = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  qn_dims y;
  product known;
  int rest;
  status = read_shape(m, op, &x, &y, &known, &rest);
  if (status == QN_OK) status = solve(m, op, &x, &y, &known, rest);
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, elem, &y);
  return status;
}

/* ---- transpose ---- */

static qn_status read_perm(qn_module *m, qn_op op, uint32_t rank, const int64_t **perm) {
  uint32_t n, seen = 0;
  *perm = qn_attr_as_ints(m, qn_op_attr(m, op, "perm"), &n);
  if (n != rank)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "perm has %u entries, expected one for each of %u axes", n, rank);
  for (uint32_t i = 0; i < n; i++) {
    int64_t p = (*perm)[i];
    if (p < 0 || p >= (int64_t)rank || (seen >> p & 1))
      return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "perm has %lld at position %u, expected each axis from 0 to %u once",
                         (long long)p, i, rank - 1);
    seen |= 1u << p;
  }
  return QN_OK;
}

qn_status qn__permuted_dims(qn_module *m, qn_op op, const qn_dims *x, qn_dims *y) {
  const int64_t *perm;
  qn_status status = read_perm(m, op, x->rank, &perm);
  if (status != QN_OK) return status;
  y->rank = x->rank;
  for (uint32_t i = 0; i < x->rank; i++) {
    y->size[i] = x->size[perm[i]];
    y->symbol[i] = x->symbol[perm[i]];
  }
  return QN_OK;
}

static uint32_t position(const int64_t *perm, uint32_t rank, int64_t axis) {
  uint32_t i = 0;
  while (i + 1 < rank && perm[i] != axis) i++;
  return i;
}

/* Parameters of a blocked type, nested as deep as the tensor's rank: their axes are permuted like the tensor's. */
static void permute_params(const qn_quant *from, const int64_t *perm, qn_quant *to, float *scales, int32_t *zeros) {
  uint32_t rank = from->param_rank, count = from->num_scales;
  uint64_t stride[QN_MAX_RANK], step = 1;
  for (uint32_t d = rank; d-- > 0;) {
    stride[d] = step;
    step *= (uint64_t)from->param_shape[d];
  }
  for (uint32_t i = 0; i < rank; i++) to->param_shape[i] = from->param_shape[perm[i]];
  for (uint32_t i = 0; i < count; i++) {
    uint64_t rest = i, source = 0;
    for (uint32_t d = rank; d-- > 0;) {
      source += rest % (uint64_t)to->param_shape[d] * stride[perm[d]];
      rest /= (uint64_t)to->param_shape[d];
    }
    scales[i] = from->scales[source];
    if (zeros && from->zero_points) zeros[i] = from->zero_points[source];
  }
  to->scales = scales;
  to->zero_points = zeros;
}

static void sort_blocks(qn_quant *q) {
  for (uint32_t i = 1; i < q->num_blocks; i++)
    for (uint32_t k = i; k > 0 && q->blocks[k - 1].axis > q->blocks[k].axis; k--) {
      qn_block_dim t = q->blocks[k];
      q->blocks[k] = q->blocks[k - 1];
      q->blocks[k - 1] = t;
    }
}

/* The quantized type whose axes are moved as perm says; the type itself when it has none. */
static qn_type permuted_elem(qn_module *m, qn_op op, qn_type elem, const int64_t *perm, uint32_t rank) {
  qn_context *ctx = qn_module_context(m);
  const qn_quant *q = qn_type_as_quant(ctx, elem);
  if (!q || !q->num_blocks) return elem;
  qn_quant moved = *q;
  for (uint32_t i = 0; i < q->num_blocks; i++) moved.blocks[i].axis = (int32_t)position(perm, rank, q->blocks[i].axis);
  sort_blocks(&moved);
  if (q->per_axis || q->param_rank != rank) return qn_type_quant(ctx, &moved, qn_op_place(m, op));
  const qn_allocator *a = qn_context_allocator(ctx);
  size_t scale_bytes = q->num_scales * sizeof(float), zero_bytes = q->zero_points ? q->num_scales * sizeof(int32_t) : 0;
  float *scales = qn__alloc(a, scale_bytes);
  int32_t *zeros = qn__alloc(a, zero_bytes);
  qn_type result = {0};
  if (scales && (zeros || !zero_bytes)) {
    permute_params(q, perm, &moved, scales, zeros);
    result = qn_type_quant(ctx, &moved, qn_op_place(m, op));
  } else {
    qn_error_no_memory(ctx);
  }
  qn__free(a, scales, scale_bytes);
  qn__free(a, zeros, zero_bytes);
  return result;
}

qn_status qn__rule_transpose(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, 0);
  if (status != QN_OK) return status;
  const qn_dims x = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  qn_dims y;
  status = qn__permuted_dims(m, op, &x, &y);
  if (status != QN_OK) return status;
  uint32_t n;
  const int64_t *perm = qn_attr_as_ints(m, qn_op_attr(m, op, "perm"), &n);
  qn_type elem = permuted_elem(m, op, qn__plain_elem(ctx, qn__operand_type(m, op, 0)), perm, x.rank);
  if (qn_type_is_null(elem)) return QN_ERR_NO_MEMORY;
  results[0] = qn__dims_tensor(ctx, elem, &y);
  return QN_OK;
}

void qn__swap_last(qn_dims *d) {
  uint32_t i = d->rank - 1, k = d->rank - 2;
  int64_t size = d->size[i];
  qn_name symbol = d->symbol[i];
  d->size[i] = d->size[k];
  d->symbol[i] = d->symbol[k];
  d->size[k] = size;
  d->symbol[k] = symbol;
}

qn_status qn__transposed_type(qn_module *m, qn_op op, qn_type t, qn_type *out) {
  qn_context *ctx = qn_module_context(m);
  qn_dims dims = qn__dims_of(ctx, t);
  int64_t perm[QN_MAX_RANK];
  for (uint32_t i = 0; i < dims.rank; i++) perm[i] = i;
  perm[dims.rank - 1] = dims.rank - 2;
  perm[dims.rank - 2] = dims.rank - 1;
  qn__swap_last(&dims);
  qn_type elem = permuted_elem(m, op, qn_type_elem(ctx, t), perm, dims.rank);
  if (qn_type_is_null(elem)) return QN_ERR_NO_MEMORY;
  *out = qn__dims_tensor(ctx, elem, &dims);
  return QN_OK;
}

/* ---- view ---- */

/* Bytes of a tensor whose sizes are all known. */
static bool static_bytes(const qn_context *ctx, qn_type t, uint64_t *bytes) {
  int64_t count = qn_type_count(ctx, t);
  *bytes = qn_scalar_bytes(qn_type_memory(ctx, qn_type_elem(ctx, t)), count < 0 ? 0 : (uint64_t)count);
  return count >= 0;
}

qn_status qn__rule_view(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type from = qn__operand_type(m, op, 0), to = qn__declared(m, op, 0);
  if (qn_type_kind_of(ctx, to) != QN_TYPE_TENSOR)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "the result is %s, expected a tensor: a view says what it shows",
                       qn__type_c(m, to));
  if (qn_op_attr(m, op, "shape").id) {
    const qn_dims x = qn__dims_of(ctx, from), declared = qn__dims_of(ctx, to);
    qn_dims y;
    product known;
    int rest;
    status = read_shape(m, op, &x, &y, &known, &rest);
    if (status != QN_OK) return status;
    bool fits = y.rank == declared.rank;
    for (uint32_t i = 0; fits && i < y.rank; i++) fits = qn__size_fits(y.size[i], declared.size[i]);
    if (!fits)
      return qn_op_error(m, op, QN_DIAG_SHAPE, "the result is %s, which is not the shape that attribute 'shape' gives",
                         qn__type_c(m, to));
  }
  uint64_t a, b;
  if (static_bytes(ctx, from, &a) && static_bytes(ctx, to, &b) && a != b)
    return qn_op_error(m, op, QN_DIAG_SHAPE, "views %s, which takes %llu bytes, as %s, which takes %llu",
                       qn__type_c(m, from), (unsigned long long)a, qn__type_c(m, to), (unsigned long long)b);
  results[0] = to;
  return QN_OK;
}
