/* quern.conv2d, quern.conv2d_integer and the pools. */
#include "eval_kernel.h"
#include <string.h>

/* ---- convolution ---- */

/* Weights as matrices [groups, KH*KW*C/groups, O/groups]. */
static qn_status weight_matrices(qn__frame *f, const qn_conv *c, qn_tensor *out) {
  const qn_tensor *w = f->in[1];
  int64_t taps = c->window.size[0] * c->window.size[1], in = w->shape[c->nchw ? 1 : 2], all = w->shape[c->nchw ? 0 : 3];
  int64_t columns = all / c->window.groups;
  const int64_t shape[3] = {c->window.groups, taps * in, columns};
  qn_status s = qn__scratch_tensor(f, w->elem, 3, shape, out);
  if (s != QN_OK) return s;
  size_t elem = qn_scalar_get(w->elem)->storage_bits / 8u;
  char *to = out->data;
  for (int64_t g = 0; g < shape[0]; g++)
    for (int64_t k = 0; k < shape[1]; k++)
      for (int64_t j = 0; j < columns; j++, to += elem) {
        int64_t o = g * columns + j, tap = k / in, channel = k % in;
        int64_t from = c->nchw ? (o * in + channel) * taps + tap : k * all + o;
        memcpy(to, (const char *)w->data + (size_t)from * elem, elem);
      }
  return QN_OK;
}

/* The zero points of an operand: one, or one per output channel. */
typedef struct zeros {
  qn_tensor t;
  qn__view view;
} zeros;

static qn_status zero_view(qn__frame *f, const qn_tensor *z, int64_t columns, zeros *out) {
  *out = (zeros){.t = *z};
  int64_t n = qn_tensor_count(z);
  out->view.t = &out->t;
  if (n > 1) { /* [groups, 1, columns] */
    out->view.stride[0] = columns;
    out->view.stride[2] = 1;
  }
  return n >= 1 ? QN_OK : qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "a zero point has no elements");
}

static qn_status quant_zeros(qn__frame *f, uint32_t i, int64_t columns, bool *has, zeros *out) {
  const qn_quant *q = qn_type_as_quant(f->ctx, qn__in_elem(f, i));
  *has = q && q->zero_points;
  if (!*has) return QN_OK;
  qn_tensor t;
  int64_t n = q->num_blocks ? q->num_scales : 1;
  qn_status s = qn__scratch_tensor(f, QN_I32, 1, &n, &t);
  if (s != QN_OK) return s;
  for (int64_t k = 0; k < n; k++) qn_tensor_set_i64(&t, k, q->zero_points[k]);
  return zero_view(f, &t, columns, out);
}

static uint64_t border_bits(const zeros *z, bool has) {
  return has ? (uint64_t)qn_tensor_get_i64(&z->t, 0) : 0;
}

static qn_scalar sum_type(qn_scalar result) {
  return qn_scalar_is_float(result) && result != QN_F64 ? QN_F32 : result;
}

static qn_status run_conv(qn__frame *f, qn_op op, bool operands) {
  qn_conv c;
  const qn_tensor *w = f->in[1];
  if (!qn_conv_read(f->m, op, &c) || f->in[0]->rank != 4 || w->rank != 4 ||
      qn_scalar_get(f->in[0]->elem)->storage_bits < 8 || qn_scalar_get(w->elem)->storage_bits < 8)
    return qn_op_error(f->m, op, QN_DIAG_UNSUPPORTED, "only images and weights of whole bytes are convolved here");
  qn__image x = qn__image_of(f->in[0], c.nchw, c.pads);
  c.window.size[0] = w->shape[c.nchw ? 2 : 0], c.window.size[1] = w->shape[c.nchw ? 3 : 1];
  int64_t outputs = w->shape[c.nchw ? 0 : 3], columns = outputs / c.window.groups;
  const int64_t counts[3] = {x.size[0], qn_conv_count(&c, 0, x.size[1]), qn_conv_count(&c, 1, x.size[2])};
  if (counts[1] < 1 || counts[2] < 1 || x.size[3] % c.window.groups || outputs % c.window.groups ||
      x.size[3] / c.window.groups != w->shape[c.nchw ? 1 : 2])
    return qn_op_error(f->m, op, QN_DIAG_SHAPE, "image and weights do not fit together");
  zeros zx = {.view = {0}}, zw = {.view = {0}};
  bool has_x = f->num_in > 2, has_w = f->num_in > 3;
  qn_status s = QN_OK;
  if (operands) {
    if (has_x) s = zero_view(f, f->in[2], columns, &zx);
    if (s == QN_OK && has_w) s = zero_view(f, f->in[3], columns, &zw);
  } else {
    s = quant_zeros(f, 0, columns, &has_x, &zx);
    if (s == QN_OK) s = quant_zeros(f, 1, columns, &has_w, &zw);
  }
  qn_tensor lhs, rhs, parts, *y;
  if (s == QN_OK) s = qn__window_rows(f, &x, &c.window, counts, border_bits(&zx, has_x), &lhs);
  if (s == QN_OK) s = weight_matrices(f, &c, &rhs);
  int64_t shape[4] = {counts[0], counts[1], counts[2], outputs};
  if (c.nchw) shape[1] = outputs, shape[2] = counts[1], shape[3] = counts[2];
  if (s == QN_OK) s = qn__result(f, 0, 4, shape, &y);
  if (s != QN_OK) return s;
  qn__matrices a = qn__matrices_of(&lhs, false, false), b = qn__matrices_of(&rhs, true, false);
  if (has_x) a.zero = &zx.view;
  if (has_w) b.zero = &zw.view;
  const int64_t products[3] = {c.window.groups, lhs.shape[1], columns};
  s = qn__scratch_tensor(f, y->elem, 3, products, &parts);
  if (s == QN_OK) s = qn__product(f, &a, &b, sum_type(y->elem), &parts);
  if (s == QN_OK) qn__join_groups(&parts, counts, c.nchw, y);
  return s;
}

static qn_status eval_conv2d(qn__frame *f, qn_op op) {
  return run_conv(f, op, false);
}
const qn__evaluator qn__eval_CONV2D = {.eval = eval_conv2d};

static qn_status eval_conv2d_integer(qn__frame *f, qn_op op) {
  return run_conv(f, op, true);
}
const qn__evaluator qn__eval_CONV2D_INTEGER = {.eval = eval_conv2d_integer};

/* ---- pools ---- */

typedef struct pool {
  qn_conv c;
  qn__image x;
  int64_t counts[2];
} pool;

static qn_status read_pool(qn__frame *f, qn_op op, pool *p, int64_t shape[4]) {
  const qn_tensor *x = f->in[0];
  if (!qn_conv_read(f->m, op, &p->c) || x->rank != 4 || qn_scalar_get(x->elem)->storage_bits < 8)
    return qn_op_error(f->m, op, QN_DIAG_UNSUPPORTED, "only images of whole bytes are pooled");
  p->x = qn__image_of(x, p->c.nchw, p->c.pads);
  uint32_t axes[4];
  qn_conv_axes(p->c.nchw, axes);
  for (int d = 0; d < 4; d++) shape[d] = x->shape[d];
  for (int a = 0; a < 2; a++) {
    p->counts[a] = qn_conv_count(&p->c, a, p->x.size[1 + a]);
    if (p->counts[a] < 1) return qn_op_error(f->m, op, QN_DIAG_SHAPE, "the window does not fit the image");
    shape[axes[1 + a]] = p->counts[a];
    if (p->c.window.size[a] == 0) p->c.window.size[a] = p->x.size[1 + a];
  }
  return QN_OK;
}

static qn_status eval_max_pool(qn__frame *f, qn_op op) {
  pool p;
  int64_t shape[4];
  qn_tensor *y;
  qn_status s = read_pool(f, op, &p, shape);
  if (s == QN_OK) s = qn__result(f, 0, 4, shape, &y);
  return s == QN_OK ? qn__pool(f, &p.x, &p.c.window, true, y->elem, p.c.nchw, y) : s;
}
const qn__evaluator qn__eval_MAX_POOL = {.eval = eval_max_pool};

/* Elements along one axis that count in window `at`. */
static int64_t counted(const pool *p, int axis, int64_t at) {
  const qn_window *w = &p->c.window;
  int64_t low = p->c.count_pads ? 0 : p->c.pads[axis], n = 0;
  int64_t high = p->c.pads[axis] + p->x.size[1 + axis] + (p->c.count_pads ? p->c.pads[2 + axis] : 0);
  for (int64_t i = 0; i < w->size[axis]; i++) {
    int64_t position = at * w->stride[axis] + i * w->dilation[axis];
    n += position >= low && position < high;
  }
  return n;
}

static qn_status eval_average_pool(qn__frame *f, qn_op op) {
  pool p;
  int64_t shape[4], index[4] = {0};
  uint32_t axes[4];
  qn_tensor sums, *y;
  qn_status s = read_pool(f, op, &p, shape);
  if (s == QN_OK) s = qn__result(f, 0, 4, shape, &y);
  if (s != QN_OK) return s;
  qn_conv_axes(p.c.nchw, axes);
  qn_scalar acc = sum_type(y->elem);
  s = qn__scratch_tensor(f, acc, 4, shape, &sums);
  if (s != QN_OK) return s;
  /* Narrow floats are summed in f32. */
  qn_tensor wide = *f->in[0];
  if (wide.elem != acc) {
    s = qn__scratch_tensor(f, acc, 4, f->in[0]->shape, &wide);
    for (int64_t i = 0, n = s == QN_OK ? qn_tensor_count(&wide) : 0; i < n; i++)
      qn_tensor_set_f64(&wide, i, qn_tensor_get_f64(f->in[0], i));
    p.x.t = &wide;
  }
  if (s == QN_OK) s = qn__pool(f, &p.x, &p.c.window, false, acc, p.c.nchw, &sums);
  if (s != QN_OK || qn_tensor_count(y) == 0) return s;
  int64_t i = 0;
  do {
    double n = (double)(counted(&p, 0, index[axes[1]]) * counted(&p, 1, index[axes[2]]));
    double sum = qn_tensor_get_f64(&sums, i);
    qn_tensor_set_f64(y, i++, acc == QN_F64 ? sum / n : (double)((float)sum / (float)n));
  } while (qn__next_index(index, shape, 4));
  return QN_OK;
}
const qn__evaluator qn__eval_AVERAGE_POOL = {.eval = eval_average_pool};
