/* lower-kernels: convolutions.
 *
 * Images are padded and converted by one kernel (which takes in what computed them), then a window of one pixel is a
 * matrix product over the channels, a window of one channel kern.window, every other one kern.gemm with a window.
 *
 * Integer sums run on u8 images and i8 weights, as those of matrix products do: other codes are shifted by 128 with
 * their zero points. Padding is the image's zero point, so that what zero points add is the same everywhere:
 *
 *   sum (x - zx)(w - zw) = sum xw - zx * colsum(w)          for zw = 0
 *
 * Weights with zero points, and other widths of codes, are multiplied as 16-bit numbers: codes of at most 8 bits less
 * their zero point, 16-bit images as they are. 16-bit weights have no zero point. */
#include "lower_kernels_image.h"
#include <quern/unstable/layout.h>
#include <quern/unstable/rewriter.h>
#include <stdio.h>
#include <string.h>

typedef struct conv {
  lowering *l;
  qn_op op;
  qn_builder b;
  qn_conv c;
  qn_value x, w;   /* [N,H,W,C], [KH,KW,C/groups,O] */
  qn_value zx, zw; /* i32 tensors: one element, or one per output channel; null for 0 */
  qn_scalar lhs, rhs, acc;
  image image;
  const char *layout;
} conv;

static qn_type type_of(conv *s, qn_value v) {
  return qn_value_type(s->l->m, v);
}
static int64_t size(conv *s, qn_value v, uint32_t d) {
  return qn_type_shape(s->l->ctx, type_of(s, v))[d];
}
static qn_type scalar(conv *s, qn_scalar t) {
  return qn__scalar_t(s->l, t);
}

/* ---- operands ---- */

/* Codes without their quantized type; the zero point as an i32 tensor. */
static qn_value plain_codes(conv *s, qn_value v, qn_value *zero) {
  lowering *l = s->l;
  const qn_quant *q = qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, type_of(s, v)));
  qn_scalar mem = qn_type_memory(l->ctx, qn_type_elem(l->ctx, type_of(s, v)));
  v = qn__view_as(l, &s->b, v, qn_type_with_elem(l->ctx, type_of(s, v), scalar(s, mem)));
  bool any = false;
  for (uint32_t i = 0; q->zero_points && i < q->num_scales; i++) any |= q->zero_points[i] != 0;
  if (!any) return v;
  int64_t n = q->num_scales;
  *zero = qn__dense_i32(l, &s->b, n > 1 ? 1 : 0, &n, q->zero_points);
  return v;
}

static qn_value to_i32(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__widen(l, b, x, u, qn__scalar_t(l, QN_I32));
}

static void read_operands(conv *s) {
  lowering *l = s->l;
  static const int64_t pixels[4] = {0, 2, 3, 1}, weights[4] = {2, 3, 1, 0};
  s->x = qn_op_operand(l->m, s->op, 0);
  s->w = qn_op_operand(l->m, s->op, 1);
  if (qn_type_as_quant(l->ctx, qn_type_elem(l->ctx, type_of(s, s->x)))) {
    s->x = plain_codes(s, s->x, &s->zx);
    s->w = plain_codes(s, s->w, &s->zw);
  }
  for (uint32_t i = 2; i < qn_op_num_operands(l->m, s->op); i++)
    *(i == 2 ? &s->zx : &s->zw) = qn__map1(l, &s->b, qn_op_operand(l->m, s->op, i), scalar(s, QN_I32), to_i32);
  if (!s->c.nchw) return;
  s->x = qn__make_transpose(l, &s->b, s->x, pixels);
  s->w = qn__make_transpose(l, &s->b, s->w, weights);
}

/* ---- integers ---- */

static qn_value plus_128(lowering *l, qn_builder *b, qn_value x, bool u) {
  (void)u;
  return qn__s2(b, QN_OP_ADDI, x, qn__i(b, qn__scalar_t(l, QN_I32), 128));
}

/* The border is the zero point, which is given as i32 and has the low bits of what elements become. */
static qn_value code_as_is(lowering *l, qn_builder *b, qn_value x, qn_value zero, bool u) {
  (void)l, (void)b, (void)zero, (void)u;
  return x;
}
static qn_value code_flipped(lowering *l, qn_builder *b, qn_value x, qn_value zero, bool u) {
  (void)zero;
  return qn__flip_top_bit(l, b, x, u);
}
static qn_value zero_code(lowering *l, qn_builder *b, qn_value zero, bool u) {
  (void)u;
  return qn__convert(b, QN_OP_TRUNCI, zero, qn__scalar_t(l, QN_I8));
}
static qn_value zero_code_16(lowering *l, qn_builder *b, qn_value zero, bool u) {
  (void)u;
  return qn__convert(b, QN_OP_TRUNCI, zero, qn__scalar_t(l, QN_I16));
}

/* 16-bit numbers: codes of at most 8 bits less their zero point. */
static qn_value less_zero(lowering *l, qn_builder *b, qn_value x, qn_value zero, bool u) {
  qn_value d = qn__s2(b, QN_OP_SUBI, qn__widen(l, b, x, u, qn__scalar_t(l, QN_I32)), zero);
  return qn__convert(b, QN_OP_TRUNCI, d, qn__scalar_t(l, QN_I16));
}
static qn_value nought(lowering *l, qn_builder *b, qn_value zero, bool u) {
  (void)zero, (void)u;
  return qn__i(b, qn__scalar_t(l, QN_I16), 0);
}
static qn_value to_i16(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__widen(l, b, x, u, qn__scalar_t(l, QN_I16));
}

/* Every zero point of the weights is the same known number. */
static bool known_zero(conv *s, int64_t *z) {
  qn_tensor t;
  *z = 0;
  if (!s->zw.id) return true;
  if (!qn_value_constant_tensor(s->l->m, s->zw, &t)) {
    /* A constant through the conversion to i32. */
    qn_op map = qn_value_op(s->l->m, s->zw);
    if (qn_op_kind_of(s->l->m, map) != QN_OP_MAP || qn_op_num_operands(s->l->m, map) != 1 ||
        !qn_value_constant_tensor(s->l->m, qn_op_operand(s->l->m, map, 0), &t))
      return false;
  }
  int64_t n = qn_tensor_count(&t);
  if (n < 1) return false;
  *z = qn_tensor_get_i64(&t, 0);
  for (int64_t i = 1; i < n; i++)
    if (qn_tensor_get_i64(&t, i) != *z) return false;
  return true;
}

/* Bytes whose weights have no zero point once they are i8. */
static bool fits_bytes(conv *s) {
  int64_t z;
  lowering *l = s->l;
  if (qn__bits(l, type_of(s, s->x)) != 8 || qn__bits(l, type_of(s, s->w)) != 8 || !known_zero(s, &z)) return false;
  return z == (qn__is_unsigned(l, type_of(s, s->w)) ? 128 : 0);
}

/* The image is its codes, in the other sign when they are flipped, and keeps its zero point, moved with them. */
static void image_of_codes(conv *s, bool flip, int32_t offset, scalar_fn moved) {
  lowering *l = s->l;
  bool bytes = s->lhs == QN_UI8;
  qn_tensor t;
  int64_t known = 0;
  bool constant = !s->zx.id || qn_value_constant_tensor(l->m, s->zx, &t);
  if (constant && s->zx.id) known = qn_tensor_get_i64(&t, 0);
  if (flip) {
    s->zx = s->zx.id ? qn__map1(l, &s->b, s->zx, scalar(s, QN_I32), moved) : qn__dense_i32(l, &s->b, 0, NULL, &offset);
    known += offset;
  }
  s->image = (image){.v = s->x, .elem = scalar(s, s->lhs)};
  if (constant) {
    s->image.change = flip ? qn__flip_top_bit : NULL;
    s->image.outside = (double)(bytes && known > 127 ? known - 256 : known);
  } else {
    s->image.extra = s->zx;
    s->image.inside = flip ? code_flipped : code_as_is;
    s->image.border = bytes ? zero_code : zero_code_16;
  }
}

static void as_bytes(conv *s) {
  lowering *l = s->l;
  s->lhs = QN_UI8, s->rhs = QN_I8;
  if (qn__is_unsigned(l, type_of(s, s->w))) s->w = qn__map1(l, &s->b, s->w, scalar(s, QN_I8), qn__flip_top_bit);
  s->zw.id = 0;
  image_of_codes(s, !qn__is_unsigned(l, type_of(s, s->x)), 128, plus_128);
}

static qn_status as_numbers(conv *s) {
  lowering *l = s->l;
  qn_type i16 = scalar(s, QN_I16);
  int64_t z;
  if (qn__bits(l, type_of(s, s->w)) > 8 && (qn__is_unsigned(l, type_of(s, s->w)) || !known_zero(s, &z) || z != 0))
    return qn_op_error(l->m, s->op, QN_DIAG_UNSUPPORTED,
                       "weights of 16 bits with a zero point have no kernel: make them signed with zero point 0");
  s->lhs = s->rhs = QN_I16;
  if (qn__bits(l, type_of(s, s->x)) > 8) {
    image_of_codes(s, qn__is_unsigned(l, type_of(s, s->x)), -32768, qn__minus_32768);
  } else {
    s->image = (image){.v = s->x, .elem = i16, .change = to_i16};
    if (s->zx.id) s->image = (image){.v = s->x, .elem = i16, .extra = s->zx, .inside = less_zero, .border = nought};
    s->zx.id = 0;
  }
  qn_value inputs[2] = {s->w, s->zw};
  qn_builder body;
  qn_type t = qn_type_with_elem(l->ctx, type_of(s, s->w), i16);
  bool is_unsigned = qn__is_unsigned(l, type_of(s, s->w));
  qn_op op = qn__make_loop(&s->b, QN_OP_MAP, s->zw.id ? 2 : 1, inputs, 1, &t, &body);
  qn_value e = qn_block_arg(l->m, body.block, 0);
  e = s->zw.id ? less_zero(l, &body, e, qn_block_arg(l->m, body.block, 1), is_unsigned)
               : to_i16(l, &body, e, is_unsigned);
  qn__yield(&body, 1, &e);
  s->w = qn_op_result(l->m, op, 0);
  s->zw.id = 0;
  return QN_OK;
}

static qn_value to_f32(lowering *l, qn_builder *b, qn_value x, bool u) {
  (void)u;
  return qn__to_f32(l, b, x);
}

static void as_floats(conv *s) {
  qn_scalar elem = qn_type_memory(s->l->ctx, qn_type_elem(s->l->ctx, type_of(s, s->x)));
  bool narrow = elem != QN_F32 && elem != QN_F64;
  s->lhs = s->rhs = s->acc = narrow ? QN_F32 : elem;
  s->image = (image){.v = s->x, .elem = scalar(s, s->lhs), .change = narrow ? to_f32 : NULL};
  if (narrow) s->w = qn__map1(s->l, &s->b, s->w, scalar(s, QN_F32), to_f32);
}

/* ---- windows of one channel ---- */

/* Each channel of x m times: [N,H,W,C] as [N,H,W,C*m]. */
static qn_value repeated(conv *s, qn_value x, int64_t m) {
  lowering *l = s->l;
  qn_type t = type_of(s, x), elem = qn_type_elem(l->ctx, t);
  const int64_t *have = qn_type_shape(l->ctx, t);
  int64_t shape[5], spec[5];
  qn_name symbols[5] = {{0}};
  for (uint32_t d = 0; d < 4; d++) {
    shape[d] = have[d], symbols[d] = qn_type_symbol(l->ctx, t, d);
    spec[d] = have[d] == QN_DYNAMIC ? -2 - (int64_t)d : have[d];
  }
  shape[4] = spec[4] = 1;
  x = qn__make_view(&s->b, x, qn_type_tensor_symbols(l->ctx, elem, 5, shape, symbols),
                    qn_attr_ints(l->m, QN_I64, 5, spec));
  shape[4] = m;
  float *zeros = qn_run_alloc(l->run, (size_t)m * sizeof *zeros);
  if (!zeros) return (qn_value){0};
  for (int64_t i = 0; i < m; i++) zeros[i] = 0;
  const qn_value inputs[2] = {x, qn__dense_f32(l, &s->b, 1, &m, zeros)};
  qn_type wide = qn_type_tensor_symbols(l->ctx, elem, 5, shape, symbols);
  qn_builder body;
  qn_op op = qn__make_loop(&s->b, QN_OP_MAP, 2, inputs, 1, &wide, &body);
  qn_value e = qn_block_arg(l->m, body.block, 0);
  qn__yield(&body, 1, &e);
  shape[3] = spec[3] = have[3] * m;
  return qn__make_view(&s->b, qn_op_result(l->m, op, 0), qn_type_tensor_symbols(l->ctx, elem, 4, shape, symbols),
                       qn_attr_ints(l->m, QN_I64, 4, spec));
}

static qn_value pack(conv *s, qn_value b, const char *layout) {
  qn_type t = type_of(s, b);
  const qn_named_attr a = qn_named(s->l->m, "layout", qn_attr_string(s->l->m, qn_str_of(layout)));
  qn_op_desc desc = {.kind = QN_OP_PACK,
                     .num_operands = 1,
                     .operands = &b,
                     .num_results = 1,
                     .results = &t,
                     .num_attrs = 1,
                     .attrs = &a};
  return qn_op_result(s->l->m, qn_op_create(&s->b, &desc), 0);
}

static qn_value weight_view(conv *s, uint32_t rank, const int64_t *shape) {
  qn_type t = qn_type_tensor(s->l->ctx, qn_type_elem(s->l->ctx, type_of(s, s->w)), rank, shape);
  return qn__make_view(&s->b, s->w, t, (qn_attr){0});
}

/* What positions outside hold, as an element of the image. */
static int64_t border_code(const conv *s) {
  int64_t code = (int64_t)s->image.outside;
  return code < 0 && s->lhs == QN_UI8 ? code + 256 : code;
}

/* Products over windows may step over the border by themselves, where the image is read as it is: positions are then
 * looked for one by one, for which they must have some channels, more of floats, which leave nothing out. Groups would
 * do that each for themselves. */
static bool steps_over(const conv *s, uint32_t k_block) {
  enum { FEWEST_BYTES = 32, FEWEST_OF_FLOATS = 128 };
  const qn_window *w = &s->c.window;
  int64_t channels = qn_type_shape(s->l->ctx, qn_value_type(s->l->m, s->x))[3];
  int64_t bytes = channels * (qn_scalar_get(s->lhs)->storage_bits / 8);
  int64_t fewest = qn_scalar_is_float(s->acc) ? FEWEST_OF_FLOATS : FEWEST_BYTES;
  return w->groups == 1 && !s->image.change && !s->image.extra.id && channels % k_block == 0 && bytes >= fewest &&
         bytes <= QN_WINDOW_BYTES && w->size[0] * w->size[1] <= QN_WINDOW_POSITIONS;
}

/* kern.gemm of the image and packed weights; `window` null for a product over the channels of each pixel. */
static qn_value make_gemm(conv *s, qn_value x, qn_value packed, const char *layout, const qn_window *window,
                          qn_type y) {
  lowering *l = s->l;
  qn_named_attr attrs[7];
  uint32_t n = 0;
  attrs[n++] = qn_named(l->m, "acc", qn_attr_type(l->m, scalar(s, s->acc)));
  attrs[n++] = qn_named(l->m, "layout", qn_attr_string(l->m, qn_str_of(layout)));
  if (window) attrs[n++] = qn_named(l->m, "window", qn__window_attr(l, window));
  if (window && window->groups > 1)
    attrs[n++] = qn_named(l->m, "groups", qn_attr_int(l->m, (qn_type){0}, window->groups));
  if (window && qn_window_pads(window)) {
    attrs[n++] = qn_named(l->m, "pads", qn_attr_ints(l->m, QN_I64, 4, window->pads));
    attrs[n++] = qn_named(l->m, "border", qn_attr_int(l->m, (qn_type){0}, border_code(s)));
  }
  const qn_value operands[2] = {x, packed};
  qn_op_desc desc = {.kind = QN_OP_GEMM,
                     .num_operands = 2,
                     .operands = operands,
                     .num_results = 1,
                     .results = &y,
                     .num_attrs = n,
                     .attrs = attrs,
                     .num_regions = 2};
  qn_op gemm = qn_op_create(&s->b, &desc);
  const qn_type args[2] = {qn__body_type(l, type_of(s, x)), scalar(s, s->acc)};
  for (uint32_t r = 0; r < 2; r++) {
    qn_builder body = qn_builder_at_end(l->m, qn_op_region(l->m, gemm, r));
    body.loc = s->b.loc;
    qn_value e = qn_block_add_arg(l->m, body.block, args[r], (qn_name){0});
    qn__yield(&body, 1, &e);
  }
  return qn_op_result(l->m, gemm, 0);
}

/* ---- groups ---- */

/* How many groups of few channels are multiplied as one, with zeros for the channels of the others: vectors hold more
 * columns than they have, and a product takes its time before it multiplies anything. What it is worth is counted in
 * blocks of k by vectors of columns. Floats are left alone: a product with 0 may be -0, or no number. */
static int64_t groups_at_once(const conv *s, int64_t channels, int64_t outputs, uint32_t k_block) {
  enum { OVERHEAD = 25 };
  const qn_window *w = &s->c.window;
  int64_t block = k_block, lanes = s->l->isa->vector_bits / qn_scalar_get(s->acc)->storage_bits, best = 1, least = 0;
  if (!qn_scalar_is_int(s->acc) || lanes < 1) return 1;
  for (int64_t r = 1; r <= w->groups && r * outputs / w->groups <= 4 * lanes; r++) {
    if (w->groups % r) continue;
    int64_t blocks = (r * channels / w->groups + block - 1) / block;
    int64_t vectors = (r * outputs / w->groups + lanes - 1) / lanes;
    int64_t takes = w->groups / r * (w->size[0] * w->size[1] * blocks * vectors + OVERHEAD);
    if (r == 1 || takes < least) best = r, least = takes;
  }
  return best;
}

static qn_value view_weights(conv *s, qn_value v, uint32_t rank, const int64_t *shape) {
  qn_type t = qn_type_tensor(s->l->ctx, qn_type_elem(s->l->ctx, type_of(s, v)), rank, shape);
  return qn__make_view(&s->b, v, t, (qn_attr){0});
}

/* v [groups, taps, 1, channels, at once, outputs] beside zeros: [groups, taps, at once, channels, at once, outputs]. */
static qn_value with_zeros(conv *s, qn_value v, const int64_t *shape) {
  lowering *l = s->l;
  int64_t r = shape[2];
  const int64_t mask_shape[4] = {r, 1, r, 1};
  int32_t *mask = qn_run_alloc(l->run, (size_t)(r * r) * sizeof *mask);
  if (!mask) return (qn_value){0};
  for (int64_t i = 0; i < r * r; i++) mask[i] = i / r == i % r;
  const qn_value inputs[2] = {v, qn__dense_i32(l, &s->b, 4, mask_shape, mask)};
  qn_type elem = qn_type_elem(l->ctx, type_of(s, v)), y = qn_type_tensor(l->ctx, elem, 6, shape);
  qn_type i32 = qn__scalar_t(l, QN_I32);
  qn_builder body;
  qn_op op = qn__make_loop(&s->b, QN_OP_MAP, 2, inputs, 1, &y, &body);
  qn_value x = qn__widen(l, &body, qn_block_arg(l->m, body.block, 0), false, i32);
  x = qn__s2(&body, QN_OP_MULI, x, qn_block_arg(l->m, body.block, 1));
  x = qn__convert(&body, QN_OP_TRUNCI, x, qn__body_type(l, type_of(s, v)));
  qn__yield(&body, 1, &x);
  return qn_op_result(l->m, op, 0);
}

/* [groups, K, outputs of one] of `r` groups at once; without the first axis where they are all. */
static qn_value grouped_weights(conv *s, int64_t r) {
  int64_t taps = size(s, s->w, 0) * size(s, s->w, 1), channels = size(s, s->w, 2), all = s->c.window.groups;
  int64_t outputs = size(s, s->w, 3) / all, groups = all / r;
  const int64_t shape[5] = {taps, channels, groups, r, outputs}, perm[5] = {2, 0, 1, 3, 4};
  const int64_t alone[6] = {groups, taps, 1, channels, r, outputs}, beside[6] = {groups, taps, r, channels, r, outputs};
  const int64_t matrices[3] = {groups, taps * r * channels, r * outputs};
  qn_value v = qn__make_transpose(s->l, &s->b, weight_view(s, 5, shape), perm);
  if (r > 1) v = with_zeros(s, view_weights(s, v, 6, alone), beside);
  if (!v.id) return v;
  return groups == 1 ? view_weights(s, v, 2, matrices + 1) : view_weights(s, v, 3, matrices);
}

/* ---- the product ---- */

/* Windows of one channel step over the border by themselves, where the image is read as it is; but for those of quads
 * that overlap more and are no short ones: they read it more often than it takes to pad it, and look for the border
 * each time. */
static bool steps_over_alone(const qn_window *w) {
  enum { SHORT = 7 };
  bool plain = w->dilation[0] == 1 && w->dilation[1] == 1 && w->size[0] <= SHORT && w->size[1] <= SHORT;
  return w->stride[1] > 1 || plain;
}

static qn_value product(conv *s, qn_type y) {
  lowering *l = s->l;
  qn_window *w = &s->c.window;
  int64_t channels = size(s, s->x, 3), outputs = size(s, s->w, 3), taps = w->size[0] * w->size[1];
  int64_t matrix[2] = {taps * channels / w->groups, outputs};
  for (int a = 0; a < 4; a++) s->image.pads[a] = s->c.pads[a];
  bool one = w->groups > 1 && w->groups == channels;
  if (one && (outputs == channels || !qn_scalar_is_int(s->acc))) {
    if (outputs > channels) s->image.v = repeated(s, s->image.v, outputs / channels);
    matrix[0] = taps;
    qn_window each = *w;
    each.groups = 1;
    /* Vectors of bytes take four positions of 64 channels at once, or of half as many. */
    bool quads = s->lhs == QN_UI8 && s->acc == QN_I32 && qn_str_eq(qn_str_of(s->layout), qn_str_of("k4n64"));
    const char *layout = !quads ? NULL : outputs <= 32 ? "k4n32" : s->layout;
    /* Those of pairs of pixels that are side by side do not either. */
    bool pairs = outputs == 32 && w->stride[1] == 1;
    if (!quads || (!pairs && steps_over_alone(w))) qn__leave_out_pads(&s->image, &each);
    qn_value x = qn__make_image(l, &s->b, &s->image), weights = weight_view(s, 2, matrix);
    if (quads) weights = pack(s, weights, layout);
    qn_value sum = qn__make_window(l, &s->b, "dot", x, weights, layout, &each, s->acc, y);
    if (qn_window_pads(&each))
      qn_op_set_attr(l->m, qn_value_op(l->m, sum), "border", qn_attr_int(l->m, (qn_type){0}, border_code(s)));
    return sum;
  }
  qn_layout parsed;
  char layout[48];
  qn_layout_parse(qn_str_of(s->layout), &parsed);
  int64_t at_once = w->groups > 1 ? groups_at_once(s, channels, outputs, parsed.k_block) : 1;
  qn_value b = w->groups > 1 ? grouped_weights(s, at_once) : weight_view(s, 2, matrix);
  if (!b.id) return b;
  w->groups /= at_once;
  bool pixel = taps == 1 && w->stride[0] == 1 && w->stride[1] == 1 && w->groups == 1;
  if (!pixel && steps_over(s, parsed.k_block)) {
    memcpy(w->pads, s->c.pads, sizeof w->pads);
    memset(s->image.pads, 0, sizeof s->image.pads);
  }
  qn_segments t = qn_window_segments(w, channels);
  /* Panels of 64 columns are cut in half for those that have fewer, and for registers for tiles, which copy windows but
   * those of short segments. */
  char width[32];
  const char *own = qn_isa_gemm_layout_for(l->isa, s->lhs, s->rhs, s->acc, QN_DYNAMIC, t.length * 2, NULL);
  bool half =
      parsed.panel_width == 64 && (outputs / w->groups <= 32 || !qn_str_eq(qn_str_of(own), qn_str_of(s->layout)));
  snprintf(width, sizeof width, "k%un%u", parsed.k_block, half ? 32 : parsed.panel_width);
  snprintf(layout, sizeof layout, t.outer * t.inner > 1 ? "%ss%lld" : "%s", width, (long long)(t.outer * t.inner));
  s->image.with_room = !pixel && t.length % parsed.k_block != 0;
  qn_value x = qn__make_image(l, &s->b, &s->image);
  return make_gemm(s, x, pack(s, b, layout), layout, pixel ? NULL : w, y);
}

/* ---- the op ---- */

static qn_value narrowed(lowering *l, qn_builder *b, qn_value x, qn_type to) {
  qn_type t = qn_type_with_elem(l->ctx, qn_value_type(l->m, x), qn_type_elem(l->ctx, to));
  qn_builder body;
  qn_op map = qn__make_loop(b, QN_OP_MAP, 1, &x, 1, &t, &body);
  qn_value e = qn__from_f32(l, &body, qn_block_arg(l->m, body.block, 0), qn__body_type(l, to));
  qn__yield(&body, 1, &e);
  return qn_op_result(l->m, map, 0);
}

static qn_value as_i64(lowering *l, qn_builder *b, qn_value x, bool u) {
  return qn__widen(l, b, x, u, qn__scalar_t(l, QN_I64));
}

qn_status qn__lower_conv(lowering *l, qn_op op) {
  conv s = {.l = l, .op = op, .b = qn_builder_before(l->m, op)};
  static const int64_t last[4] = {0, 2, 3, 1}, first[4] = {0, 3, 1, 2};
  if (!qn_conv_read(l->m, op, &s.c)) return qn_op_error(l->m, op, QN_DIAG_ATTRIBUTE, "has no window to follow");
  qn_type want = qn_value_type(l->m, qn_op_result(l->m, op, 0));
  qn_scalar need = qn_type_memory(l->ctx, qn_type_elem(l->ctx, want));
  read_operands(&s);
  if (!s.x.id || !s.w.id) return qn_error_no_memory(l->ctx);
  s.acc = need;
  qn_status status = QN_OK;
  if (qn_scalar_is_float(need))
    as_floats(&s);
  else if (fits_bytes(&s))
    as_bytes(&s);
  else if ((status = as_numbers(&s)) != QN_OK)
    return status;
  s.layout = qn_isa_gemm_layout(l->isa, s.lhs, s.rhs, s.acc);
  if (!s.layout)
    return qn_op_error(l->m, op, QN_DIAG_UNSUPPORTED, "no kernel of %s multiplies %s by %s", l->isa->name,
                       qn_scalar_get(s.lhs)->text, qn_scalar_get(s.rhs)->text);
  qn_type y_type = s.c.nchw ? qn__permuted_type(l, want, last) : want;
  qn_value y = product(&s, qn_type_with_elem(l->ctx, y_type, scalar(&s, s.acc)));
  if (s.zx.id) {
    int64_t shape[2] = {-1, size(&s, s.w, 3)};
    shape[0] = size(&s, s.w, 0) * size(&s, s.w, 1) * size(&s, s.w, 2);
    qn_type elem = scalar(&s, s.acc);
    qn_value zero = s.acc == QN_I64 ? qn__map1(l, &s.b, s.zx, elem, as_i64) : s.zx;
    qn_value sums = qn__column_sums(l, &s.b, weight_view(&s, 2, shape), false, elem);
    y = qn__subtract_product(l, op, &s.b, y, zero, sums);
  }
  if (s.acc != need) y = narrowed(l, &s.b, y, want);
  if (s.c.nchw) y = qn__make_transpose(l, &s.b, y, first);
  if (!y.id) return qn_error_no_memory(l->ctx);
  return qn__lower_done(l, op, &y);
}
