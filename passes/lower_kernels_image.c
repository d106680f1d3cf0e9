/* lower-kernels: what convolutions and pools share. */
#include "lower_kernels_image.h"

static qn_type type_of(lowering *l, qn_value v) {
  return qn_value_type(l->m, v);
}

qn_value qn__view_as(lowering *l, qn_builder *b, qn_value x, qn_type type) {
  uint32_t rank = qn_type_rank(l->ctx, type);
  int64_t shape[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) {
    shape[d] = qn_type_shape(l->ctx, type)[d];
    if (shape[d] == QN_DYNAMIC) shape[d] = -2 - (int64_t)d;
  }
  return qn__make_view(b, x, type,
                       qn_type_is_static(l->ctx, type) ? (qn_attr){0} : qn_attr_ints(l->m, QN_I64, rank, shape));
}

/* x with height and width grown by the pads. */
static qn_type padded_type(lowering *l, qn_type t, const int64_t *pads, qn_type elem) {
  int64_t shape[4];
  qn_name symbols[4];
  for (uint32_t d = 0; d < 4; d++) {
    shape[d] = qn_type_shape(l->ctx, t)[d];
    symbols[d] = qn_type_symbol(l->ctx, t, d);
    int64_t more = d == 1 || d == 2 ? pads[d - 1] + pads[d + 1] : 0;
    if (more) symbols[d] = (qn_name){0};
    if (shape[d] != QN_DYNAMIC) shape[d] += more;
  }
  return qn_type_tensor_symbols(l->ctx, elem, 4, shape, symbols);
}

static qn_value convert(lowering *l, qn_builder *body, const image *x, qn_value e, qn_value extra) {
  bool is_unsigned = qn__is_unsigned(l, type_of(l, x->v));
  if (x->extra.id) return x->inside(l, body, e, extra, is_unsigned);
  return x->change ? x->change(l, body, e, is_unsigned) : e;
}

static qn_value border_of(lowering *l, qn_builder *body, const image *x, qn_value extra) {
  qn_type t = qn__body_type(l, x->elem);
  if (x->extra.id) return x->border(l, body, extra, qn__is_unsigned(l, type_of(l, x->v)));
  return qn__is_float(l, t) ? qn__f(body, t, x->outside) : qn__i(body, t, (int64_t)x->outside);
}

qn_value qn__make_image(lowering *l, qn_builder *b, const image *x) {
  bool pads = x->pads[0] || x->pads[1] || x->pads[2] || x->pads[3] || x->with_room;
  if (!pads && !x->change && !x->extra.id) return x->v;
  const qn_value inputs[2] = {x->v, x->extra};
  uint32_t n = x->extra.id ? 2 : 1;
  qn_type y = padded_type(l, type_of(l, x->v), x->pads, x->elem);
  qn_builder body;
  qn_op op = qn__make_loop(b, pads ? QN_OP_PAD : QN_OP_MAP, n, inputs, 1, &y, &body);
  qn_value extra = n > 1 ? qn_block_arg(l->m, body.block, 1) : (qn_value){0};
  qn_value yields[2] = {convert(l, &body, x, qn_block_arg(l->m, body.block, 0), extra)};
  if (pads) yields[1] = border_of(l, &body, x, extra);
  qn__yield(&body, pads ? 2 : 1, yields);
  if (pads) qn_op_set_attr(l->m, op, "pads", qn_attr_ints(l->m, QN_I64, 4, x->pads));
  return qn_op_result(l->m, op, 0);
}

qn_attr qn__window_attr(lowering *l, const qn_window *w) {
  const int64_t v[6] = {w->size[0], w->size[1], w->stride[0], w->stride[1], w->dilation[0], w->dilation[1]};
  return qn_attr_ints(l->m, QN_I64, 6, v);
}

void qn__leave_out_pads(image *x, qn_window *w) {
  if (x->change || x->extra.id) return;
  for (int a = 0; a < 4; a++)
    if (x->pads[a] > QN_WINDOW_LIMIT) return;
  for (int a = 0; a < 4; a++) w->pads[a] = x->pads[a], x->pads[a] = 0;
}

qn_value qn__make_window(lowering *l, qn_builder *b, const char *combine, qn_value x, qn_value weights,
                         const char *layout, const qn_window *w, qn_scalar acc, qn_type y) {
  const qn_value operands[2] = {x, weights};
  qn_named_attr attrs[5] = {qn_named(l->m, "combine", qn_attr_string(l->m, qn_str_of(combine))),
                            qn_named(l->m, "acc", qn_attr_type(l->m, qn__scalar_t(l, acc))),
                            qn_named(l->m, "window", qn__window_attr(l, w))};
  uint32_t num_attrs = 3;
  if (layout) attrs[num_attrs++] = qn_named(l->m, "layout", qn_attr_string(l->m, qn_str_of(layout)));
  if (qn_window_pads(w)) attrs[num_attrs++] = qn_named(l->m, "pads", qn_attr_ints(l->m, QN_I64, 4, w->pads));
  qn_op_desc desc = {.kind = QN_OP_WINDOW,
                     .num_operands = weights.id ? 2 : 1,
                     .operands = operands,
                     .num_results = 1,
                     .results = &y,
                     .num_attrs = num_attrs,
                     .attrs = attrs,
                     .num_regions = 1};
  qn_op op = qn_op_create(b, &desc);
  qn_builder body = qn_builder_at_end(l->m, qn_op_region(l->m, op, 0));
  body.loc = b->loc;
  qn_value e = qn_block_add_arg(l->m, body.block, qn__body_type(l, qn__scalar_t(l, acc)), (qn_name){0});
  qn__yield(&body, 1, &e);
  return qn_op_result(l->m, op, 0);
}
