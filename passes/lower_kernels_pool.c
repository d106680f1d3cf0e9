/* lower-kernels: pools become kern.window, over a padded image where elements are converted. */
#include "lower_kernels_image.h"
#include <float.h>
#include <math.h>

typedef struct pool {
  lowering *l;
  qn_op op;
  qn_builder b;
  qn_conv c;
  qn_value x;      /* [N,H,W,C] */
  qn_type result;  /* the op's */
  qn_type y;       /* channels-last */
  int64_t size[2]; /* of the image; QN_DYNAMIC where not known */
} pool;

static const int64_t to_last[4] = {0, 2, 3, 1}, to_first[4] = {0, 3, 1, 2};

static qn_status read(pool *p) {
  lowering *l = p->l;
  if (!qn_conv_read(l->m, p->op, &p->c)) return qn_op_error(l->m, p->op, QN_DIAG_ATTRIBUTE, "has no window to follow");
  p->x = qn_op_operand(l->m, p->op, 0);
  p->y = p->result = qn_value_type(l->m, qn_op_result(l->m, p->op, 0));
  qn_scalar mem = qn_type_memory(l->ctx, qn_type_elem(l->ctx, p->result));
  qn_type plain = qn_type_with_elem(l->ctx, qn_value_type(l->m, p->x), qn__scalar_t(l, mem));
  if (!qn_type_eq(plain, qn_value_type(l->m, p->x))) p->x = qn__view_as(l, &p->b, p->x, plain);
  p->y = qn_type_with_elem(l->ctx, p->y, qn__scalar_t(l, mem));
  if (p->c.nchw) {
    p->x = qn__make_transpose(l, &p->b, p->x, to_last);
    p->y = qn__permuted_type(l, p->y, to_last);
  }
  for (int a = 0; a < 2; a++) {
    p->size[a] = qn_type_shape(l->ctx, qn_value_type(l->m, p->x))[1 + a];
    if (p->c.window.size[a]) continue;
    if (p->size[a] == QN_DYNAMIC || p->size[a] > QN_WINDOW_LIMIT || p->size[a] < 1)
      return qn_op_error(
          l->m, p->op, QN_DIAG_UNSUPPORTED,
          "takes the whole of %s, which needs a height and width that are known, from 1 to %d: bind them "
          "with --dim",
          qn_type_text(l->ctx, qn_value_type(l->m, p->x)).data, QN_WINDOW_LIMIT);
    p->c.window.size[a] = p->size[a];
  }
  return QN_OK;
}

static void pads_of(const pool *p, int64_t *pads) {
  for (int a = 0; a < 4; a++) pads[a] = p->c.pads[a] + (a >= 2 ? p->c.extra[a - 2] : 0);
}

static qn_status finish(pool *p, qn_value y) {
  lowering *l = p->l;
  if (p->c.nchw) y = qn__make_transpose(l, &p->b, y, to_first);
  if (!y.id) return qn_error_no_memory(l->ctx);
  if (!qn_type_eq(qn_value_type(l->m, y), p->result)) y = qn__view_as(l, &p->b, y, p->result);
  return qn__lower_done(l, p->op, &y);
}

static qn_value to_f32(lowering *l, qn_builder *b, qn_value x, bool u) {
  (void)u;
  return qn__to_f32(l, b, x);
}

/* Narrow floats are worked on as f32. */
static qn_scalar as_wide(pool *p, image *x) {
  qn_scalar mem = qn_type_memory(p->l->ctx, qn_type_elem(p->l->ctx, p->y));
  bool narrow = qn_scalar_is_float(mem) && mem != QN_F32 && mem != QN_F64;
  qn_scalar as = narrow ? QN_F32 : mem;
  *x = (image){.v = p->x, .elem = qn__scalar_t(p->l, as), .change = narrow ? to_f32 : NULL};
  pads_of(p, x->pads);
  return as;
}

static qn_value rounded(pool *p, qn_value y, qn_value divisor) {
  lowering *l = p->l;
  const qn_value inputs[2] = {y, divisor};
  qn_builder body;
  qn_op op = qn__make_loop(&p->b, QN_OP_MAP, divisor.id ? 2 : 1, inputs, 1, &p->y, &body);
  qn_value e = qn_block_arg(l->m, body.block, 0);
  if (divisor.id) {
    qn_value n = qn_block_arg(l->m, body.block, 1);
    if (qn__bits(l, qn_value_type(l->m, e)) > 32) n = qn__convert(&body, QN_OP_EXTF, n, qn_value_type(l->m, e));
    e = qn__s2(&body, QN_OP_DIVF, e, n);
  }
  e = qn__from_f32(l, &body, e, qn__body_type(l, p->y));
  qn__yield(&body, 1, &e);
  return qn_op_result(l->m, op, 0);
}

qn_status qn__lower_max_pool(lowering *l, qn_op op) {
  pool p = {.l = l, .op = op, .b = qn_builder_before(l->m, op)};
  qn_status status = read(&p);
  if (status) return status;
  image x;
  qn_scalar as = as_wide(&p, &x);
  x.outside = qn_scalar_is_float(as) ? -HUGE_VAL : (double)qn_scalar_min(as);
  p.c.window.groups = 1;
  qn__leave_out_pads(&x, &p.c.window);
  qn_type y = qn_type_with_elem(l->ctx, p.y, qn__scalar_t(l, as));
  qn_value v = qn__make_window(l, &p.b, "max", qn__make_image(l, &p.b, &x), (qn_value){0}, NULL, &p.c.window, as, y);
  if (!qn_type_eq(y, p.y)) v = rounded(&p, v, (qn_value){0});
  return finish(&p, v);
}

/* ---- averages ---- */

/* Elements along one axis that count in window `at`. */
static int64_t counted(const pool *p, int axis, int64_t at) {
  const qn_window *w = &p->c.window;
  int64_t low = p->c.count_pads ? 0 : p->c.pads[axis], n = 0;
  int64_t high = p->c.pads[axis] + p->size[axis] + (p->c.count_pads ? p->c.pads[2 + axis] : 0);
  for (int64_t i = 0; i < w->size[axis]; i++) {
    int64_t position = at * w->stride[axis] + i * w->dilation[axis];
    n += position >= low && position < high;
  }
  return n;
}

/* How many elements each window has: one number, or one per pixel. */
static qn_status counts(pool *p, qn_value *out) {
  lowering *l = p->l;
  const int64_t *pads = p->c.pads, *extra = p->c.extra;
  bool padded = pads[0] || pads[1] || pads[2] || pads[3];
  if (!extra[0] && !extra[1] && (!padded || p->c.count_pads)) {
    float n = (float)(p->c.window.size[0] * p->c.window.size[1]);
    *out = qn__dense_f32(l, &p->b, 0, NULL, &n);
    return QN_OK;
  }
  if (p->size[0] == QN_DYNAMIC || p->size[1] == QN_DYNAMIC)
    return qn_op_error(l->m, p->op, QN_DIAG_UNSUPPORTED,
                       "averages windows that are partly padding, which needs a height and width that are known: bind "
                       "them with --dim");
  int64_t shape[3] = {qn_conv_count(&p->c, 0, p->size[0]), qn_conv_count(&p->c, 1, p->size[1]), 1};
  float *n = qn_run_alloc(l->run, (size_t)(shape[0] * shape[1]) * sizeof *n);
  if (!n) return qn_error_no_memory(l->ctx);
  for (int64_t i = 0; i < shape[0] * shape[1]; i++)
    n[i] = (float)(counted(p, 0, i / shape[1]) * counted(p, 1, i % shape[1]));
  *out = qn__dense_f32(l, &p->b, 3, shape, n);
  return QN_OK;
}

qn_status qn__lower_average_pool(lowering *l, qn_op op) {
  pool p = {.l = l, .op = op, .b = qn_builder_before(l->m, op)};
  qn_value divisor;
  qn_status status = read(&p);
  if (!status) status = counts(&p, &divisor);
  if (status) return status;
  image x;
  qn_scalar as = as_wide(&p, &x);
  p.c.window.groups = 1;
  qn__leave_out_pads(&x, &p.c.window);
  qn_type y = qn_type_with_elem(l->ctx, p.y, qn__scalar_t(l, as));
  qn_value v = qn__make_window(l, &p.b, "sum", qn__make_image(l, &p.b, &x), (qn_value){0}, NULL, &p.c.window, as, y);
  return finish(&p, rounded(&p, v, divisor));
}
