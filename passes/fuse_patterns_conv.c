/* fuse-patterns: what is multiplied to a convolution's result per channel goes into its weights.
 *
 *   %s = quern.conv2d %x, %w                                %v = quern.mul %w, %k
 *   %t = quern.mul %s, %k                           ->      %t = quern.conv2d %x, %v
 *
 *   %s = quern.add (quern.conv2d %x, %w), %b                %t = quern.add (quern.conv2d %x, %v), (quern.mul %b, %k)
 *   %t = quern.mul %s, %k                           ->
 *
 * w, k and b are constants of floats, k and b with one element or one per output channel; canonicalize folds what is
 * made of them; channels-last beforehand takes away transpositions that stand between. That is how normalizations by
 * stored mean and variance stand behind convolutions. */
#include "fuse_patterns.h"
#include <string.h>

typedef struct channels {
  qn_module *m;
  qn_context *ctx;
  bool first; /* images are [N,C,H,W], weights [O,C,KH,KW]; else channels are last */
  int64_t count;
} channels;

static bool is_float_constant(qn_module *m, qn_value v) {
  qn_tensor t;
  return qn_value_constant_tensor(m, v, &t) && qn_scalar_is_float(t.elem);
}

/* One element, or one per channel of the image and nothing else. */
static bool is_by_channel(const channels *c, qn_value v) {
  qn_type t = qn_value_type(c->m, v);
  const int64_t *shape = qn_type_shape(c->ctx, t);
  uint32_t rank = qn_type_rank(c->ctx, t), axis = c->first ? 2 : 0; /* counted from the last one */
  if (!is_float_constant(c->m, v) || rank > 4) return false;
  for (uint32_t d = 0; d < rank; d++)
    if (shape[d] != 1 && (rank - 1 - d != axis || shape[d] != c->count)) return false;
  return true;
}

/* k so that it broadcasts with the weights along their output channels. */
static qn_value along_weights(const channels *c, qn_builder *b, qn_value k) {
  if (!c->first || qn_type_count(c->ctx, qn_value_type(c->m, k)) == 1) {
    static const int64_t one[1] = {1};
    const int64_t last[1] = {c->count};
    bool scalar = qn_type_count(c->ctx, qn_value_type(c->m, k)) == 1;
    const qn_named_attr attr = qn_named(c->m, "shape", qn_attr_ints(c->m, QN_I64, 1, scalar ? one : last));
    return qn_op_result(c->m, qn_op_build(b, QN_OP_RESHAPE, 1, &k, 1, &attr), 0);
  }
  const int64_t shape[4] = {c->count, 1, 1, 1};
  const qn_named_attr attr = qn_named(c->m, "shape", qn_attr_ints(c->m, QN_I64, 4, shape));
  return qn_op_result(c->m, qn_op_build(b, QN_OP_RESHAPE, 1, &k, 1, &attr), 0);
}

/* The convolution again, with other weights. */
static qn_value convolve(const channels *c, qn_builder *b, qn_op conv, qn_value w) {
  qn_named_attr attrs[16];
  qn_attr all = qn_op_attrs(c->m, conv);
  uint32_t n = all.id ? qn_attr_size(c->m, all) : 0;
  if (n > 16) return (qn_value){0};
  for (uint32_t i = 0; i < n; i++) attrs[i] = qn_attr_entry(c->m, all, i);
  qn_value operands[2] = {qn_op_operand(c->m, conv, 0), w};
  return qn_op_result(c->m, qn_op_build(b, QN_OP_CONV2D, 2, operands, n, attrs), 0);
}

static bool read_conv(channels *c, qn_op conv) {
  qn_value w = qn_op_operand(c->m, conv, 1), y = qn_op_result(c->m, conv, 0);
  c->first = qn_str_eq(qn_op_get_string(c->m, conv, "layout"), qn_str_of("nchw"));
  qn_type t = qn_value_type(c->m, w);
  if (!is_float_constant(c->m, w) || qn_type_rank(c->ctx, t) != 4) return false;
  c->count = qn_type_shape(c->ctx, t)[c->first ? 0 : 3];
  return qn_type_as_scalar(c->ctx, qn_type_elem(c->ctx, qn_value_type(c->m, y))) ==
         qn_type_as_scalar(c->ctx, qn_type_elem(c->ctx, t));
}

qn_status qn__fuse_conv_scale(qn_rewriter *r, qn_op mul) {
  qn_module *m = qn_rewriter_module(r);
  channels c = {.m = m, .ctx = qn_module_context(m)};
  for (uint32_t i = 0; i < 2; i++) {
    qn_value x = qn_op_operand(m, mul, i), k = qn_op_operand(m, mul, 1 - i), bias = {0};
    qn_op conv = qn__fuse_maker(m, x, QN_OP_CONV2D), add = qn__fuse_maker(m, x, QN_OP_ADD);
    for (uint32_t j = 0; add.id && !conv.id && j < 2; j++) {
      conv = qn__fuse_maker(m, qn_op_operand(m, add, j), QN_OP_CONV2D);
      bias = qn_op_operand(m, add, 1 - j);
    }
    if (!conv.id || !read_conv(&c, conv) || !is_by_channel(&c, k) || (bias.id && !is_by_channel(&c, bias))) continue;
    if (!qn_type_eq(qn_value_type(m, qn_op_result(m, mul, 0)), qn_value_type(m, qn_op_result(m, conv, 0)))) continue;
    qn_builder b = qn_builder_before(m, mul);
    b.loc = qn_op_loc(m, mul);
    qn_value w = qn_build2(&b, QN_OP_MUL, qn_op_operand(m, conv, 1), along_weights(&c, &b, k));
    qn_value y = w.id ? convolve(&c, &b, conv, w) : w;
    if (y.id && bias.id) y = qn_build2(&b, QN_OP_ADD, y, qn_build2(&b, QN_OP_MUL, bias, k));
    if (!y.id) return QN_ERR_NO_MEMORY;
    qn_rewriter_replace(r, mul, &y);
    return QN_OK;
  }
  return QN_OK;
}
