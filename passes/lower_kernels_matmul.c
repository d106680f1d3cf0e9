/* lower-kernels: matrix products and requantization.
 *
 * Every integer product runs on codes: u8 on the left, i8 on the right, the pair that hardware multiplies. Other codes
 * are shifted by 128 into it (flipping the top bit) and their zero points with them. What the zero points add is put
 * right afterwards, modulo 2^32:
 *
 *   sum (a - za)(b - zb) = sum ab - za * colsum(b) - zb * rowsum(a - za)
 *
 * colsum of a constant matrix is a constant, folded by canonicalize; terms whose zero point is 0 are not made. */
#include "lower_kernels_product.h"
#include <quern/num.h>
#include <quern/unstable/rewriter.h>
#include <string.h>

typedef struct matrix {
  qn_value v; /* at least two axes */
  bool transpose, vector;
  bool is_unsigned;
  qn_value zero; /* i32 tensor that broadcasts over the result, or null for 0 */
} matrix;

static qn_type type_of(lowering *l, qn_value v) {
  return qn_value_type(l->m, v);
}
static qn_type i32_t(lowering *l) {
  return qn__scalar_t(l, QN_I32);
}

/* ---- shapes ---- */

/* A vector operand becomes a matrix of one row (left) or one column (right). */
static qn_value as_matrix(lowering *l, qn_builder *b, qn_value v, bool left, bool *vector) {
  qn_type t = type_of(l, v);
  *vector = qn_type_rank(l->ctx, t) == 1;
  if (!*vector) return v;
  int64_t n = qn_type_shape(l->ctx, t)[0], shape[2] = {left ? 1 : n, left ? n : 1};
  int64_t spec[2] = {left ? 1 : -2, left ? -2 : 1};
  return qn__make_view(b, v, qn_type_tensor(l->ctx, qn_type_elem(l->ctx, t), 2, shape),
                       qn_attr_ints(l->m, QN_I64, 2, spec));
}

/* The product's type before vectors lose their axis again; null when memory ran out and one of the two has no type. */
static qn_type product_type(lowering *l, const matrix *a, const matrix *w, qn_type elem) {
  qn_type ta = type_of(l, a->v), tw = type_of(l, w->v);
  uint32_t ra = qn_type_rank(l->ctx, ta), rw = qn_type_rank(l->ctx, tw), rank = ra > rw ? ra : rw;
  if (ra < 2 || rw < 2) return (qn_type){0};
  const int64_t *sa = qn_type_shape(l->ctx, ta), *sw = qn_type_shape(l->ctx, tw);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK] = {{0}};
  for (uint32_t d = 0; d + 2 < rank; d++) {
    int64_t x = d + ra >= rank ? sa[d + ra - rank] : 1, y = d + rw >= rank ? sw[d + rw - rank] : 1;
    shape[d] = x == 1 ? y : x;
    if (x == QN_DYNAMIC && y > 1) shape[d] = y;
    if (shape[d] == QN_DYNAMIC)
      symbols[d] =
          x == QN_DYNAMIC ? qn_type_symbol(l->ctx, ta, d + ra - rank) : qn_type_symbol(l->ctx, tw, d + rw - rank);
  }
  uint32_t row = ra - (a->transpose ? 1 : 2), col = rw - (w->transpose ? 2 : 1);
  shape[rank - 2] = sa[row], symbols[rank - 2] = qn_type_symbol(l->ctx, ta, row);
  shape[rank - 1] = sw[col], symbols[rank - 1] = qn_type_symbol(l->ctx, tw, col);
  return qn_type_tensor_symbols(l->ctx, elem, rank, shape, symbols);
}

static qn_value swap_last(lowering *l, qn_builder *b, qn_value v) {
  int64_t perm[QN_MAX_RANK];
  uint32_t rank = qn_type_rank(l->ctx, type_of(l, v));
  if (rank < 2) return (qn_value){0};
  for (uint32_t d = 0; d < rank; d++) perm[d] = d;
  perm[rank - 2] = rank - 1, perm[rank - 1] = rank - 2;
  return qn__make_transpose(l, b, v, perm);
}

/* ---- small maps ---- */

qn_value qn__map1(lowering *l, qn_builder *b, qn_value x, qn_type elem, scalar_fn f) {
  qn_type t = qn_type_with_elem(l->ctx, type_of(l, x), elem);
  qn_builder body;
  qn_op op = qn__make_loop(b, QN_OP_MAP, 1, &x, 1, &t, &body);
  qn_value y = f(l, &body, qn_block_arg(l->m, body.block, 0), qn__is_unsigned(l, type_of(l, x)));
  qn__yield(&body, 1, &y);
  return qn_op_result(l->m, op, 0);
}

qn_value qn__flip_top_bit(lowering *l, qn_builder *b, qn_value x, bool u) {
  (void)u;
  qn_type t = qn_value_type(l->m, x);
  return qn__s2(b, QN_OP_XORI, x, qn__i(b, t, -((int64_t)1 << (qn__bits(l, t) - 1))));
}
static qn_value to_i32(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__widen(l, b, x, u, i32_t(l));
}
static qn_value plus_128(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__s2(b, QN_OP_ADDI, to_i32(l, b, x, u), qn__i(b, i32_t(l), 128));
}
static qn_value minus_128(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__s2(b, QN_OP_ADDI, to_i32(l, b, x, u), qn__i(b, i32_t(l), -128));
}
static qn_value to_f32(lowering *l, qn_builder *b, qn_value x, bool u) {
  (void)u;
  return qn__to_f32(l, b, x);
}

/* Sum over the last axis of an integer tensor in `elem`, less `zero` per element when not null (of elem; it
 * broadcasts). */
static qn_value row_sum(lowering *l, qn_builder *b, qn_value x, qn_value zero, qn_type elem) {
  qn_type t = type_of(l, x);
  uint32_t rank = qn_type_rank(l->ctx, t);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK];
  if (rank == 0) return (qn_value){0};
  for (uint32_t d = 0; d < rank; d++)
    shape[d] = d + 1 == rank ? 1 : qn_type_shape(l->ctx, t)[d], symbols[d] = qn_type_symbol(l->ctx, t, d);
  symbols[rank - 1].id = 0;
  qn_type sum_t = qn_type_tensor_symbols(l->ctx, elem, rank, shape, symbols);
  qn_value inputs[2] = {x, zero};
  qn_builder body;
  qn_op op = qn__make_loop(b, QN_OP_ROW, zero.id ? 2 : 1, inputs, 1, &sum_t, &body);
  qn_value e = qn__widen(l, &body, qn_block_arg(l->m, body.block, 0), qn__is_unsigned(l, t), elem);
  if (zero.id) e = qn__s2(&body, QN_OP_SUBI, e, qn_block_arg(l->m, body.block, 1));
  e = qn__s1(&body, QN_OP_ALL_SUM, e);
  qn__yield(&body, 1, &e);
  return qn_op_result(l->m, op, 0);
}

/* The codes of a constant matrix of bytes. They are a model's largest constants: what is asked of them here goes over
 * them once, not by way of ops that canonicalize would fold element by element. */
static bool constant_bytes(lowering *l, qn_value v, qn_tensor *out) {
  return qn_value_constant_tensor(l->m, v, out) && out->rank == 2 && qn_scalar_get(out->elem)->storage_bits == 8;
}

/* Its column sums modulo 2^32; null for anything else. */
static qn_value constant_column_sums(lowering *l, qn_builder *b, qn_value w, bool transpose, qn_type elem) {
  qn_tensor t;
  void *data;
  if (qn_type_as_scalar(l->ctx, elem) != QN_I32 || !constant_bytes(l, w, &t)) return (qn_value){0};
  bool is_unsigned = qn__is_unsigned(l, type_of(l, w));
  size_t rows = (size_t)t.shape[0], cols = (size_t)t.shape[1];
  int64_t n = t.shape[transpose ? 0 : 1];
  qn_attr value = qn_attr_dense_new(l->m, qn_type_tensor(l->ctx, elem, 1, &n), &data);
  if (!value.id) return (qn_value){0};
  uint32_t *sums = memset(data, 0, (size_t)n * sizeof *sums);
  for (size_t r = 0; r < rows; r++) {
    const uint8_t *row = (const uint8_t *)t.data + r * cols;
    for (size_t c = 0; c < cols; c++) {
      uint32_t x = is_unsigned ? row[c] : (uint32_t)(int32_t)(int8_t)row[c];
      sums[transpose ? r : c] += x;
    }
  }
  qn_module_passed(l->m, t.data, rows * cols);
  return qn_build_constant(b, value);
}

qn_value qn__column_sums(lowering *l, qn_builder *b, qn_value w, bool transpose, qn_type elem) {
  qn_value known = constant_column_sums(l, b, w, transpose, elem);
  if (known.id) return known;
  qn_value rows = row_sum(l, b, transpose ? w : swap_last(l, b, w), (qn_value){0}, elem);
  qn_type t = type_of(l, rows);
  uint32_t rank = qn_type_rank(l->ctx, t), out = rank == 2 ? 1 : rank;
  int64_t shape[QN_MAX_RANK], spec[QN_MAX_RANK];
  if (rank < 2) return (qn_value){0};
  for (uint32_t d = 0; d + 2 < rank; d++) shape[d] = qn_type_shape(l->ctx, t)[d], spec[d] = -2 - (int64_t)d;
  if (out > 1) shape[out - 2] = spec[out - 2] = 1;
  shape[out - 1] = qn_type_shape(l->ctx, t)[rank - 2], spec[out - 1] = -(int64_t)rank;
  return qn__make_view(b, rows, qn_type_tensor(l->ctx, elem, out, shape), qn_attr_ints(l->m, QN_I64, out, spec));
}

/* ---- the product itself ---- */

static qn_status no_kernel(lowering *l, qn_op op, qn_scalar a, qn_scalar w) {
  return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED, "no kernel of %s multiplies %s by %s", l->isa->name,
                     qn_scalar_get(a)->text, qn_scalar_get(w)->text);
}

typedef struct product {
  const char *layout;
  qn_scalar lhs, rhs, acc;
  scalar_fn prologue; /* null when a's elements are multiplied as they are */
} product;

/* kern.pack of w and kern.gemm with an epilogue that yields the sum. */
static qn_value make_gemm(lowering *l, qn_builder *b, const matrix *a, const matrix *w, const product *p) {
  qn_named_attr attrs[5];
  qn_builder body;
  uint32_t n = 0;
  qn_type tw = type_of(l, w->v);
  uint32_t rank = qn_type_rank(l->ctx, tw);
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) {
    uint32_t from = !w->transpose || d + 2 < rank ? d : d + 1 == rank ? d - 1 : d + 1;
    shape[d] = qn_type_shape(l->ctx, tw)[from], symbols[d] = qn_type_symbol(l->ctx, tw, from);
  }
  int64_t columns = rank ? shape[rank - 1] : QN_DYNAMIC, depth = rank > 1 ? shape[rank - 2] : QN_DYNAMIC;
  qn_machine machine = qn_context_machine(l->ctx);
  const char *layout = qn_isa_gemm_layout_for(l->isa, p->lhs, p->rhs, p->acc, columns, depth, &machine);
  attrs[n++] = qn_named(l->m, "layout", qn_attr_string(l->m, qn_str_of(layout)));
  if (w->transpose) attrs[n++] = qn_named(l->m, "transpose", qn_attr_bool(l->m, true));
  qn_type packed_t = qn_type_tensor_symbols(l->ctx, qn__scalar_t(l, p->rhs), rank, shape, symbols);
  qn_op_desc pack = {.kind = QN_OP_PACK,
                     .num_operands = 1,
                     .operands = &w->v,
                     .num_results = 1,
                     .results = &packed_t,
                     .num_attrs = n,
                     .attrs = attrs};
  qn_value packed = qn_op_result(l->m, qn_op_create(b, &pack), 0);

  n = 0;
  attrs[n++] = qn_named(l->m, "acc", qn_attr_type(l->m, qn__scalar_t(l, p->acc)));
  attrs[n++] = qn_named(l->m, "layout", qn_attr_string(l->m, qn_str_of(layout)));
  if (a->transpose) attrs[n++] = qn_named(l->m, "transpose_a", qn_attr_bool(l->m, true));
  if (p->prologue) attrs[n++] = qn_named(l->m, "lhs", qn_attr_type(l->m, qn__scalar_t(l, p->lhs)));
  qn_value operands[2] = {a->v, packed};
  qn_type y = product_type(l, a, &(matrix){.v = packed}, qn__scalar_t(l, p->acc));
  qn_op_desc desc = {.kind = QN_OP_GEMM,
                     .num_operands = 2,
                     .operands = operands,
                     .num_results = 1,
                     .results = &y,
                     .num_attrs = n,
                     .attrs = attrs,
                     .num_regions = 2};
  qn_op gemm = qn_op_create(b, &desc);
  body = qn_builder_at_end(l->m, qn_op_region(l->m, gemm, 0));
  body.loc = b->loc;
  qn_value x = qn_block_add_arg(l->m, body.block, qn__body_type(l, type_of(l, a->v)), (qn_name){0});
  qn_value code = p->prologue ? p->prologue(l, &body, x, qn__is_unsigned(l, type_of(l, a->v))) : x;
  qn__yield(&body, 1, &code);
  body = qn_builder_at_end(l->m, qn_op_region(l->m, gemm, 1));
  body.loc = b->loc;
  qn_value acc = qn_block_add_arg(l->m, body.block, qn__scalar_t(l, p->acc), (qn_name){0});
  qn__yield(&body, 1, &acc);
  return qn_op_result(l->m, gemm, 0);
}

static qn_value map_ints(lowering *l, qn_builder *b, uint32_t n, const qn_value *inputs, qn_type t, qn_builder *body) {
  return qn_op_result(l->m, qn__make_loop(b, QN_OP_MAP, n, inputs, 1, &t, body), 0);
}

/* A kernel of its own of two integer inputs and the result type t, all of one element type. */
static qn_value map2_ints(lowering *l, qn_builder *b, qn_op_kind kind, qn_value x, qn_value y, qn_type t) {
  qn_builder body;
  qn_value inputs[2] = {x, y}, d = map_ints(l, b, 2, inputs, t, &body);
  qn_value r = qn__s2(&body, kind, qn_block_arg(l->m, body.block, 0), qn_block_arg(l->m, body.block, 1));
  qn__yield(&body, 1, &r);
  return d;
}

/* When all that happens to the op's result next is the addition of a constant of type t (a bias), that addition. */
static qn_op bias_addition(lowering *l, qn_op op, qn_type t, uint32_t *bias) {
  qn_value sum = qn_op_result(l->m, op, 0);
  qn_use use = qn_value_first_use(l->m, sum);
  qn_op add = qn_use_op(l->m, use);
  if (!qn_value_has_one_use(l->m, sum) || qn_op_kind_of(l->m, add) != QN_OP_ADD) return (qn_op){0};
  *bias = 1 - qn_use_index(l->m, use);
  qn_value other = qn_op_operand(l->m, add, *bias);
  bool constant = qn_op_kind_of(l->m, qn_value_op(l->m, other)) == QN_OP_CONSTANT;
  return constant && qn_type_eq(type_of(l, other), t) ? add : (qn_op){0};
}

qn_value qn__subtract_product(lowering *l, qn_op op, qn_builder *b, qn_value acc, qn_value x, qn_value y) {
  if (qn_type_count(l->ctx, type_of(l, x)) == 1 &&
      qn_type_rank(l->ctx, type_of(l, x)) <= qn_type_rank(l->ctx, type_of(l, y))) {
    uint32_t bias;
    qn_op add = bias_addition(l, op, type_of(l, y), &bias);
    qn_builder at = add.id ? qn_builder_before(l->m, add) : *b;
    qn_value p = map2_ints(l, &at, QN_OP_MULI, x, y, type_of(l, y));
    if (!add.id) return map2_ints(l, b, QN_OP_SUBI, acc, p, type_of(l, acc));
    p = map2_ints(l, &at, QN_OP_SUBI, qn_op_operand(l->m, add, bias), p, type_of(l, y));
    qn_op_set_operand(l->m, add, bias, p);
    return acc;
  }
  qn_builder body;
  qn_value inputs[3] = {acc, x, y}, d = map_ints(l, b, 3, inputs, type_of(l, acc), &body);
  qn_value r = qn__s2(&body, QN_OP_MULI, qn_block_arg(l->m, body.block, 1), qn_block_arg(l->m, body.block, 2));
  r = qn__s2(&body, QN_OP_SUBI, qn_block_arg(l->m, body.block, 0), r);
  qn__yield(&body, 1, &r);
  return d;
}

static qn_value scalar_i32(lowering *l, qn_builder *b, int32_t v) {
  return qn__dense_i32(l, b, 0, NULL, &v);
}

static qn_value flipped_weights(lowering *l, qn_builder *b, qn_value v) {
  qn_tensor t;
  void *data;
  qn_type i8 = qn__scalar_t(l, QN_I8);
  if (!constant_bytes(l, v, &t)) return qn__map1(l, b, v, i8, qn__flip_top_bit);
  qn_attr value = qn_attr_dense_new(l->m, qn_type_with_elem(l->ctx, type_of(l, v), i8), &data);
  for (size_t i = 0, n = value.id ? (size_t)qn_tensor_count(&t) : 0; i < n; i++)
    ((uint8_t *)data)[i] = ((const uint8_t *)t.data)[i] ^ 0x80;
  return qn_build_constant(b, value);
}

/* Flips codes into the hardware's pair. A left matrix of i8 is flipped while it is read. */
static void to_hardware_pair(lowering *l, qn_builder *b, matrix *a, matrix *w, product *p) {
  if (!a->is_unsigned) {
    p->prologue = qn__flip_top_bit;
    a->zero = a->zero.id ? qn__map1(l, b, a->zero, i32_t(l), plus_128) : scalar_i32(l, b, 128);
  }
  if (w->is_unsigned) {
    w->v = flipped_weights(l, b, w->v);
    w->zero = w->zero.id ? qn__map1(l, b, w->zero, i32_t(l), minus_128) : scalar_i32(l, b, -128);
  }
}

/* The gemm, and what the zero points add: both zeros are of the sum's element type. */
static qn_value corrected_gemm(lowering *l, qn_op op, qn_builder *b, matrix *a, matrix *w, const product *p) {
  qn_type elem = qn__scalar_t(l, p->acc);
  qn_value rows = {0};
  if (w->zero.id) rows = row_sum(l, b, a->transpose ? swap_last(l, b, a->v) : a->v, a->zero, elem);
  qn_value acc = make_gemm(l, b, a, w, p);
  if (a->zero.id) acc = qn__subtract_product(l, op, b, acc, a->zero, qn__column_sums(l, b, w->v, w->transpose, elem));
  if (w->zero.id) acc = qn__subtract_product(l, op, b, acc, rows, w->zero);
  return acc;
}

static qn_value to_i64(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__widen(l, b, x, u, qn__scalar_t(l, QN_I64));
}

/* Zero points in the type of the sum. */
static void widen_zero(lowering *l, qn_builder *b, matrix *x, qn_scalar acc) {
  if (x->zero.id && acc == QN_I64) x->zero = qn__map1(l, b, x->zero, qn__scalar_t(l, QN_I64), to_i64);
}

/* Sums of 8-bit codes with zero points. */
static qn_status byte_product(lowering *l, qn_op op, qn_builder *b, matrix *a, matrix *w, qn_scalar acc,
                              qn_value *out) {
  product p = {.lhs = QN_UI8, .rhs = QN_I8, .acc = acc};
  p.layout = qn_isa_gemm_layout(l->isa, p.lhs, p.rhs, p.acc);
  if (!p.layout) return no_kernel(l, op, p.lhs, p.rhs);
  to_hardware_pair(l, b, a, w, &p);
  widen_zero(l, b, a, acc);
  widen_zero(l, b, w, acc);
  if (w->zero.id && p.prologue) {
    /* Sums of the left codes as multiplied: the flip must be seen, so it is done beforehand. */
    a->v = qn__map1(l, b, a->v, qn__scalar_t(l, QN_UI8), qn__flip_top_bit);
    p.prologue = NULL;
  }
  *out = corrected_gemm(l, op, b, a, w, &p);
  return QN_OK;
}

/* ---- products of 16 bits ---- */

qn_value qn__minus_32768(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__s2(b, QN_OP_ADDI, to_i32(l, b, x, u), qn__i(b, i32_t(l), -32768));
}

/* Codes of at most 8 bits, less their zero point, are 16-bit numbers without one. */
static void less_zero(lowering *l, qn_builder *b, matrix *x) {
  qn_type i16 = qn__scalar_t(l, QN_I16), t = qn_type_with_elem(l->ctx, type_of(l, x->v), i16);
  qn_value inputs[2] = {x->v, x->zero};
  if (x->zero.id && x->transpose &&
      qn_type_rank(l->ctx, type_of(l, x->zero)) == 1) { /* one per column: they are rows here */
    int64_t shape[2] = {qn_type_count(l->ctx, type_of(l, x->zero)), 1};
    inputs[1] = qn__make_view(b, x->zero, qn_type_tensor(l->ctx, i32_t(l), 2, shape), (qn_attr){0});
  }
  qn_builder body;
  qn_op op = qn__make_loop(b, QN_OP_MAP, x->zero.id ? 2 : 1, inputs, 1, &t, &body);
  qn_value e = qn__widen(l, &body, qn_block_arg(l->m, body.block, 0), x->is_unsigned, i16);
  if (x->zero.id) {
    qn_value zero = qn__convert(&body, QN_OP_TRUNCI, qn_block_arg(l->m, body.block, 1), i16);
    e = qn__s2(&body, QN_OP_SUBI, e, zero);
  }
  qn__yield(&body, 1, &e);
  x->v = qn_op_result(l->m, op, 0);
  x->zero.id = 0;
}

/* Signed 16-bit numbers, and a zero point of the sum's type where there is one left. */
static void to_16_bits(lowering *l, qn_builder *b, matrix *x, qn_scalar acc) {
  qn_type i16 = qn__scalar_t(l, QN_I16);
  if (qn__bits(l, type_of(l, x->v)) <= 8) {
    less_zero(l, b, x);
  } else if (x->is_unsigned) {
    x->v = qn__map1(l, b, x->v, i16, qn__flip_top_bit);
    x->zero = x->zero.id ? qn__map1(l, b, x->zero, i32_t(l), qn__minus_32768) : scalar_i32(l, b, -32768);
  }
  widen_zero(l, b, x, acc);
  x->is_unsigned = false;
}

/* Codes of other widths. */
static qn_status wide_product(lowering *l, qn_op op, qn_builder *b, matrix *a, matrix *w, qn_scalar acc,
                              qn_value *out) {
  product p = {.lhs = QN_I16, .rhs = QN_I16, .acc = acc};
  p.layout = qn_isa_gemm_layout(l->isa, p.lhs, p.rhs, p.acc);
  if (!p.layout) return no_kernel(l, op, p.lhs, p.rhs);
  to_16_bits(l, b, a, acc);
  to_16_bits(l, b, w, acc);
  *out = corrected_gemm(l, op, b, a, w, &p);
  return QN_OK;
}

/* Constants of 16 bits stay what they are where reading less pays. Others are widened as they are packed. */
static bool keeps_narrow(lowering *l, const matrix *a, const matrix *w, qn_scalar elem) {
  qn_type ta = type_of(l, a->v), tw = type_of(l, w->v);
  uint32_t ra = qn_type_rank(l->ctx, ta), rw = qn_type_rank(l->ctx, tw);
  if (!qn__is_constant(l, w->v) || ra < 2 || rw < 2) return false;
  const int64_t *sa = qn_type_shape(l->ctx, ta), *sw = qn_type_shape(l->ctx, tw);
  int64_t rows = 1;
  for (uint32_t d = 0; d < ra; d++) {
    if (d == (a->transpose ? ra - 2 : ra - 1) || (rw > 2 && d + 2 < ra)) continue;
    if (sa[d] < 0 || rows < 0 || rows > INT32_MAX || sa[d] > INT32_MAX)
      rows = -1;
    else
      rows *= sa[d];
  }
  qn_machine machine = qn_context_machine(l->ctx);
  int64_t k = sw[w->transpose ? rw - 1 : rw - 2], n = sw[w->transpose ? rw - 2 : rw - 1];
  return qn_isa_keeps_narrow(l->isa, elem, rows, n, k, &machine);
}

static qn_status float_product(lowering *l, qn_op op, qn_builder *b, matrix *a, matrix *w, qn_value *out) {
  qn_scalar elem = qn_type_memory(l->ctx, qn_type_elem(l->ctx, type_of(l, a->v)));
  bool relaxed =
      qn_run_bool(l->run, "relaxed") || qn_str_eq(qn_op_get_string(l->m, op, "precision"), qn_str_of("relaxed"));
  if (relaxed && qn_isa_gemm_layout(l->isa, elem, elem, QN_F32) && elem != QN_F32) {
    product p = {.lhs = elem, .rhs = elem, .acc = QN_F32, .layout = qn_isa_gemm_layout(l->isa, elem, elem, QN_F32)};
    *out = make_gemm(l, b, a, w, &p);
    return QN_OK;
  }
  bool narrow = elem != QN_F32 && elem != QN_F64;
  qn_scalar as = narrow ? QN_F32 : elem;
  bool kept = narrow && keeps_narrow(l, a, w, elem);
  product p = {.lhs = as, .rhs = kept ? elem : as, .acc = as, .prologue = narrow ? to_f32 : NULL};
  p.layout = qn_isa_gemm_layout(l->isa, p.lhs, p.rhs, p.acc);
  if (!p.layout) return no_kernel(l, op, as, as);
  if (narrow && !kept) w->v = qn__map1(l, b, w->v, qn__scalar_t(l, QN_F32), to_f32);
  *out = make_gemm(l, b, a, w, &p);
  return QN_OK;
}

qn_value qn__rounded_to(lowering *l, qn_builder *b, qn_value y, qn_type elem) {
  qn_scalar have = qn_type_memory(l->ctx, qn_type_elem(l->ctx, type_of(l, y)));
  if (have == qn_type_memory(l->ctx, elem)) return y;
  qn_type t = qn_type_with_elem(l->ctx, type_of(l, y), elem);
  qn_builder body;
  qn_op map = qn__make_loop(b, QN_OP_MAP, 1, &y, 1, &t, &body);
  qn_value x = qn_block_arg(l->m, body.block, 0);
  x = qn_scalar_is_float(have) ? qn__from_f32(l, &body, x, qn__body_type(l, t))
                               : qn__widen(l, &body, x, false, qn__body_type(l, t));
  qn__yield(&body, 1, &x);
  return qn_op_result(l->m, map, 0);
}

/* Vectors lose the axis that they were given, and narrow floats are rounded back. */
static qn_status finish(lowering *l, qn_op op, qn_builder *b, qn_value y) {
  qn_type want = type_of(l, qn_op_result(l->m, op, 0));
  y = qn__rounded_to(l, b, y, qn_type_elem(l->ctx, want));
  if (qn_type_rank(l->ctx, want) != qn_type_rank(l->ctx, type_of(l, y))) {
    qn_type t = type_of(l, y);
    uint32_t rank = qn_type_rank(l->ctx, t), wr = qn_type_rank(l->ctx, want);
    bool left = qn_type_rank(l->ctx, qn_value_type(l->m, qn_op_operand(l->m, op, 0))) == 1;
    bool right = qn_type_rank(l->ctx, qn_value_type(l->m, qn_op_operand(l->m, op, 1))) == 1;
    int64_t spec[QN_MAX_RANK];
    uint32_t n = 0;
    for (uint32_t d = 0; d < rank; d++)
      if (!(left && d + 2 == rank) && !(right && d + 1 == rank)) spec[n++] = -2 - (int64_t)d;
    if (n != wr) return qn_op_error(l->m, op, QN_DIAG_SHAPE, "rank %u does not follow from its operands", wr);
    y = qn__make_view(b, y, want, qn_attr_ints(l->m, QN_I64, wr, spec));
  } else if (!qn_type_eq(type_of(l, y), want)) {
    qn_value_set_type(l->m, y, want);
  }
  return qn__lower_done(l, op, &y);
}

/* ---- quern.matmul ---- */

/* Codes without their quantized type, and the zero point as an i32 tensor over the result's columns (or a scalar). */
static qn_status codes_of(lowering *l, qn_op op, qn_builder *b, uint32_t i, matrix *x) {
  qn_type t = type_of(l, x->v);
  const qn_quant *q = qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, t));
  x->is_unsigned = !q->is_signed;
  qn_scalar mem = qn_type_memory(l->ctx, qn_type_elem(l->ctx, t));
  qn_type plain = qn_type_with_elem(l->ctx, t, qn__scalar_t(l, mem));
  int64_t same[QN_MAX_RANK];
  uint32_t rank = qn_type_rank(l->ctx, t);
  for (uint32_t d = 0; d < rank; d++) same[d] = -2 - (int64_t)d;
  x->v = qn__make_view(b, x->v, plain,
                       qn_type_is_static(l->ctx, plain) ? (qn_attr){0} : qn_attr_ints(l->m, QN_I64, rank, same));
  if (!q->zero_points) return QN_OK;
  if (q->num_scales == 1) {
    if (q->zero_points[0]) x->zero = scalar_i32(l, b, q->zero_points[0]);
    return QN_OK;
  }
  uint32_t columns = rank - (x->transpose ? 2 : 1);
  if (i == 0 || !q->per_axis || (uint32_t)q->blocks[0].axis != columns)
    return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED,
                       "zero points of operand %u differ along axis %d; a product takes them "
                       "per column of the right matrix only",
                       i, (int)q->blocks[0].axis);
  int64_t n = q->num_scales;
  x->zero = qn__dense_i32(l, b, 1, &n, q->zero_points);
  return QN_OK;
}

static qn_status quantized_matmul(lowering *l, qn_op op, qn_builder *b, matrix *a, matrix *w, qn_value *y) {
  qn_status status = codes_of(l, op, b, 0, a);
  if (!status) status = codes_of(l, op, b, 1, w);
  if (status) return status;
  qn_scalar want = qn_type_memory(l->ctx, qn_type_elem(l->ctx, type_of(l, qn_op_result(l->m, op, 0))));
  bool bytes = qn__bits(l, type_of(l, a->v)) == 8 && qn__bits(l, type_of(l, w->v)) == 8;
  return (bytes ? byte_product : wide_product)(l, op, b, a, w, want, y);
}

qn_status qn__lower_matmul(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  matrix a = {.v = qn_op_operand(l->m, op, 0), .transpose = qn_op_get_bool(l->m, op, "transpose_a")};
  matrix w = {.v = qn_op_operand(l->m, op, 1), .transpose = qn_op_get_bool(l->m, op, "transpose_b")};
  bool quantized = qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, type_of(l, a.v))) != NULL;
  if (!quantized && qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, type_of(l, w.v))))
    return qn__lower_weight_only(l, op);
  a.v = as_matrix(l, &b, a.v, true, &a.vector);
  w.v = as_matrix(l, &b, w.v, false, &w.vector);
  a.transpose &= !a.vector, w.transpose &= !w.vector;
  qn_value y;
  qn_status status = quantized ? quantized_matmul(l, op, &b, &a, &w, &y) : float_product(l, op, &b, &a, &w, &y);
  return status ? status : finish(l, op, &b, y);
}

/* ---- quern.matmul_integer ---- */

/* A zero point given as a value: i32, a scalar, or one per row of a ([M] becomes [M,1]) or per column of b. */
static qn_value zero_value(lowering *l, qn_op op, qn_builder *b, uint32_t i, bool rows) {
  if (qn_op_num_operands(l->m, op) <= i) return (qn_value){0};
  qn_value z = qn__map1(l, b, qn_op_operand(l->m, op, i), i32_t(l), to_i32);
  qn_type t = type_of(l, z);
  if (!rows || qn_type_rank(l->ctx, t) != 1 || qn_type_shape(l->ctx, t)[0] == 1) return z;
  int64_t shape[2] = {qn_type_shape(l->ctx, t)[0], 1}, spec[2] = {-2, 1};
  return qn__make_view(b, z, qn_type_tensor(l->ctx, i32_t(l), 2, shape), qn_attr_ints(l->m, QN_I64, 2, spec));
}

qn_status qn__lower_matmul_integer(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op);
  matrix a = {.v = qn_op_operand(l->m, op, 0)}, w = {.v = qn_op_operand(l->m, op, 1)};
  a.is_unsigned = qn__is_unsigned(l, type_of(l, a.v)), w.is_unsigned = qn__is_unsigned(l, type_of(l, w.v));
  a.v = as_matrix(l, &b, a.v, true, &a.vector);
  w.v = as_matrix(l, &b, w.v, false, &w.vector);
  a.zero = zero_value(l, op, &b, 2, true);
  w.zero = zero_value(l, op, &b, 3, false);
  qn_value y;
  qn_status status = qn__bits(l, type_of(l, a.v)) == 8 && qn__bits(l, type_of(l, w.v)) == 8
                         ? byte_product(l, op, &b, &a, &w, QN_I32, &y)
                         : wide_product(l, op, &b, &a, &w, QN_I32, &y);
  return status ? status : finish(l, op, &b, y);
}
