/* lower-kernels: quern.layer_norm becomes kern.row over the axes normalized together, seen as one.
 *
 *   %y = quern.layer_norm %x, %scale, %bias : (tensor<4x64xf32>, ..)
 * becomes
 *   %y = kern.row %x, %scale, %bias body { sum, difference, sum of squares, scale } : .. */
#include "lower_kernels.h"

typedef struct norm {
  lowering *l;
  qn_builder *b;
  uint32_t rank, axis;
  int64_t n; /* elements normalized together, or QN_DYNAMIC */
} norm;

static qn_type type_of(const norm *z, qn_value v) {
  return qn_value_type(z->l->m, v);
}

/* x's leading axes, and the others as one of size `last`; the spec for a view. */
static qn_type flat_type(const norm *z, qn_value x, qn_type elem, int64_t last, int64_t spec[QN_MAX_RANK]) {
  int64_t shape[QN_MAX_RANK];
  qn_name symbols[QN_MAX_RANK] = {{0}};
  for (uint32_t d = 0; d < z->axis; d++) {
    shape[d] = qn_type_shape(z->l->ctx, type_of(z, x))[d], symbols[d] = qn_type_symbol(z->l->ctx, type_of(z, x), d);
    spec[d] = -2 - (int64_t)d;
  }
  shape[z->axis] = last;
  spec[z->axis] = -1;
  if (z->axis + 1 == z->rank && last == QN_DYNAMIC)
    symbols[z->axis] = qn_type_symbol(z->l->ctx, type_of(z, x), z->axis);
  return qn_type_tensor_symbols(z->l->ctx, elem, z->axis + 1, shape, symbols);
}

static qn_value flat(const norm *z, qn_value x) {
  if (z->axis + 1 == z->rank) return x;
  int64_t spec[QN_MAX_RANK];
  qn_type t = flat_type(z, x, qn_type_elem(z->l->ctx, type_of(z, x)), z->n, spec);
  return qn__make_view(z->b, x, t, qn_attr_ints(z->l->m, QN_I64, z->axis + 1, spec));
}

/* scale or bias as one axis. */
static qn_value flat_vector(const norm *z, qn_value v) {
  if (z->axis + 1 == z->rank) return v;
  int64_t rest = -1, n = z->n;
  qn_type t = qn_type_tensor(z->l->ctx, qn_type_elem(z->l->ctx, type_of(z, v)), 1, &n);
  return qn__make_view(z->b, v, t, qn_attr_ints(z->l->m, QN_I64, 1, &rest));
}

static qn_value count(const norm *z, qn_builder *b) {
  qn_type f32 = qn__scalar_t(z->l, QN_F32), i32 = qn__scalar_t(z->l, QN_I32);
  if (z->n != QN_DYNAMIC) return qn__f(b, f32, (double)(float)z->n);
  return qn__convert(b, QN_OP_SITOFP, qn__s1(b, QN_OP_ALL_SUM, qn__i(b, i32, 1)), f32);
}

/* y, mean and inverse of a row whose arguments are x and, when there are any, scale and bias. */
static void write_body(const norm *z, qn_builder *b, uint32_t num_args, double epsilon, qn_value out[3]) {
  lowering *l = z->l;
  qn_type f32 = qn__scalar_t(l, QN_F32);
  qn_value args[3];
  for (uint32_t i = 0; i < num_args; i++) args[i] = qn__to_f32(l, b, qn_block_arg(l->m, b->block, i));
  qn_value n = count(z, b);
  out[1] = qn__s2(b, QN_OP_DIVF, qn__s1(b, QN_OP_ALL_SUM, args[0]), n);
  qn_value d = qn__s2(b, QN_OP_SUBF, args[0], out[1]);
  qn_value variance = qn__s2(b, QN_OP_DIVF, qn__s1(b, QN_OP_ALL_SUM, qn__s2(b, QN_OP_MULF, d, d)), n);
  variance = qn__s2(b, QN_OP_ADDF, variance, qn__f(b, f32, epsilon));
  out[2] = qn__s2(b, QN_OP_DIVF, qn__f(b, f32, 1), qn__s1(b, QN_OP_MATH_SQRT, variance));
  out[0] = qn__s2(b, QN_OP_MULF, d, out[2]);
  if (num_args > 1) out[0] = qn__s2(b, QN_OP_MULF, out[0], args[1]);
  if (num_args > 2) out[0] = qn__s2(b, QN_OP_ADDF, out[0], args[2]);
}

static qn_value back(const norm *z, qn_value y, qn_type want) {
  if (z->axis + 1 == z->rank) return y;
  int64_t spec[QN_MAX_RANK];
  for (uint32_t d = 0; d < z->rank; d++) {
    int64_t size = qn_type_shape(z->l->ctx, want)[d];
    spec[d] = d < z->axis ? -2 - (int64_t)d : size;
  }
  return qn__make_view(z->b, y, want, qn_attr_ints(z->l->m, QN_I64, z->rank, spec));
}

qn_status qn__lower_layer_norm(lowering *l, qn_op op) {
  qn_builder b = qn_builder_before(l->m, op), body;
  norm z = {.l = l, .b = &b, .n = 1};
  qn_value x = qn_op_operand(l->m, op, 0), inputs[3], results[3], values[3];
  int64_t axis = qn_op_get_int(l->m, op, "axis"), spec[QN_MAX_RANK];
  z.rank = qn_type_rank(l->ctx, type_of(&z, x));
  z.axis = (uint32_t)(axis < 0 ? axis + z.rank : axis);
  for (uint32_t d = z.axis; d < z.rank; d++) {
    int64_t size = qn_type_shape(l->ctx, type_of(&z, x))[d];
    if (size == QN_DYNAMIC && z.axis + 1 < z.rank)
      return qn_op_error(l->m, op, QN_DIAG_SHAPE,
                         "axis %u is normalized together with others and its size is not known: bind it with "
                         "infer-shapes",
                         d);
    z.n = size == QN_DYNAMIC ? QN_DYNAMIC : z.n * size;
  }
  uint32_t num_in = qn_op_num_operands(l->m, op), num_out = qn_op_num_results(l->m, op);
  inputs[0] = flat(&z, x);
  for (uint32_t i = 1; i < num_in; i++) inputs[i] = flat_vector(&z, qn_op_operand(l->m, op, i));
  qn_type types[3], want[3];
  for (uint32_t i = 0; i < num_out; i++) {
    want[i] = qn_value_type(l->m, qn_op_result(l->m, op, i));
    types[i] = flat_type(&z, x, qn_type_elem(l->ctx, want[i]), i ? 1 : z.n, spec);
  }
  qn_op row = qn__make_loop(&b, QN_OP_ROW, num_in, inputs, num_out, types, &body);
  write_body(&z, &body, num_in, qn_op_get_float(l->m, op, "epsilon"), values);
  values[0] = qn__from_f32(l, &body, values[0], qn__body_type(l, want[0]));
  qn__yield(&body, num_out, values);
  for (uint32_t i = 0; i < num_out; i++) results[i] = back(&z, qn_op_result(l->m, row, i), want[i]);
  return qn__lower_done(l, op, results);
}
