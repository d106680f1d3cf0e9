/* Windows over images: the matrices they make, pools, and the kernels that follow them. */
#include "elementwise.h"
#include "eval_kernel.h"
#include <string.h>

qn__image qn__image_of(const qn_tensor *t, bool nchw, const int64_t *pads) {
  qn__image x = {.t = t, .pads = {pads ? pads[0] : 0, pads ? pads[1] : 0}};
  uint32_t axes[4];
  int64_t stride[4], step = 1;
  qn_conv_axes(nchw, axes);
  for (int d = 3; d >= 0; d--) {
    stride[d] = step;
    step *= t->shape[d];
  }
  for (int i = 0; i < 4; i++) {
    x.size[i] = t->shape[axes[i]];
    x.stride[i] = stride[axes[i]];
  }
  return x;
}

/* Element offset of channel 0 at a position of window (oh, ow); false in the padding. */
static bool position(const qn__image *x, const qn_window *w, int64_t n, const int64_t at[2], const int64_t in[2],
                     int64_t *offset) {
  *offset = n * x->stride[0];
  for (int a = 0; a < 2; a++) {
    int64_t p = at[a] * w->stride[a] + in[a] * w->dilation[a] - x->pads[a];
    if (p < 0 || p >= x->size[1 + a]) return false;
    *offset += p * x->stride[1 + a];
  }
  return true;
}

qn_status qn__window_rows(qn__frame *f, const qn__image *x, const qn_window *w, const int64_t *counts, uint64_t border,
                          qn_tensor *out) {
  int64_t channels = x->size[3] / w->groups, rows = counts[0] * counts[1] * counts[2];
  const int64_t shape[3] = {w->groups, rows, w->size[0] * w->size[1] * channels};
  qn_status s = qn__scratch_tensor(f, x->t->elem, 3, shape, out);
  if (s != QN_OK) return s;
  size_t elem = qn_scalar_get(x->t->elem)->storage_bits / 8u;
  char *to = out->data;
  for (int64_t g = 0; g < w->groups; g++)
    for (int64_t m = 0; m < rows; m++)
      for (int64_t k = 0; k < w->size[0] * w->size[1]; k++) {
        const int64_t at[2] = {m / counts[2] % counts[1], m % counts[2]};
        const int64_t in[2] = {k / w->size[1], k % w->size[1]};
        int64_t from;
        bool inside = position(x, w, m / (counts[1] * counts[2]), at, in, &from);
        for (int64_t c = 0; c < channels; c++, to += elem)
          if (inside)
            memcpy(to, (const char *)x->t->data + (size_t)(from + (g * channels + c) * x->stride[3]) * elem, elem);
          else
            memcpy(to, &border, elem);
      }
  return QN_OK;
}

void qn__join_groups(const qn_tensor *parts, const int64_t *counts, bool nchw, qn_tensor *y) {
  int64_t groups = parts->shape[0], rows = parts->shape[1], columns = parts->shape[2];
  int64_t pixels = counts[1] * counts[2], channels = groups * columns;
  size_t elem = qn_scalar_get(y->elem)->storage_bits / 8u;
  const char *from = parts->data;
  for (int64_t g = 0; g < groups; g++)
    for (int64_t m = 0; m < rows; m++)
      for (int64_t o = 0; o < columns; o++, from += elem) {
        int64_t channel = g * columns + o;
        int64_t at = nchw ? (m / pixels * channels + channel) * pixels + m % pixels : m * channels + channel;
        memcpy((char *)y->data + (size_t)at * elem, from, elem);
      }
}

/* The image with its padding, which the window has no more. */
static qn_status pad_image(qn__frame *f, qn_window *w, uint64_t border, qn_tensor *x) {
  const qn_tensor from = *x;
  const int64_t *pads = w->pads, *old = from.shape;
  if (!qn_window_pads(w)) return QN_OK;
  const int64_t shape[4] = {old[0], old[1] + pads[0] + pads[2], old[2] + pads[1] + pads[3], old[3]};
  qn_status s = qn__scratch_tensor(f, from.elem, 4, shape, x);
  if (s != QN_OK) return s;
  size_t bytes = qn_scalar_get(from.elem)->storage_bits / 8u, line = (size_t)(old[2] * old[3]) * bytes;
  for (int64_t i = 0, all = qn_tensor_count(x); i < all; i++)
    memcpy((char *)x->data + (size_t)i * bytes, &border, bytes);
  for (int64_t i = 0; i < old[0] * old[1]; i++) {
    int64_t to = (i / old[1] * shape[1] + i % old[1] + pads[0]) * shape[2] + pads[1];
    qn__copy_bytes((char *)x->data + (size_t)(to * shape[3]) * bytes, (const char *)from.data + (size_t)i * line, line);
  }
  memset(w->pads, 0, sizeof w->pads);
  return QN_OK;
}

qn_status qn__window_gemm(qn__frame *f, qn_op op, qn_scalar acc) {
  const qn_tensor *image = f->in[0], *b = f->in[1];
  qn_window w;
  qn_tensor lhs, rhs, parts, sums, padded = *image;
  if (!qn_window_read(f->m, op, &w) || image->rank != 4 || b->rank != (w.groups > 1 ? 3u : 2u) ||
      image->shape[3] % w.groups || qn_scalar_get(image->elem)->storage_bits < 8)
    return qn_op_error(f->m, op, QN_DIAG_VERIFY, "kern.gemm with a window takes an image and a matrix per group");
  int64_t y[4] = {image->shape[0], qn_window_count(&w, 0, image->shape[1]), qn_window_count(&w, 1, image->shape[2]),
                  b->shape[b->rank - 1] * w.groups};
  qn_status s = pad_image(f, &w, (uint64_t)qn_op_get_int(f->m, op, "border"), &padded);
  if (s != QN_OK) return s;
  qn__image x = qn__image_of(&padded, false, NULL);
  s = qn__unpack(f, op, "layout", 1, &rhs);
  if (s == QN_OK) s = qn__window_rows(f, &x, &w, y, 0, &lhs);
  if (s != QN_OK) return s;
  qn__matrices left = qn__matrices_of(&lhs, false, false), right = qn__matrices_of(&rhs, true, false);
  const int64_t shape[3] = {w.groups, lhs.shape[1], b->shape[b->rank - 1]};
  s = qn__scratch_tensor(f, acc, 3, shape, &parts);
  if (s == QN_OK) s = qn__product(f, &left, &right, acc, &parts);
  if (s == QN_OK) s = qn__scratch_tensor(f, acc, 4, y, &sums);
  if (s != QN_OK) return s;
  qn__join_groups(&parts, y, false, &sums);
  return qn__run_epilogue(f, 1, &sums, 2, f->num_in - 2);
}

/* ---- pools ---- */

static void combine(qn__lanes acc, qn__lanes x, qn_scalar type, bool max, bool first, size_t n) {
  qn__lane_kind kind = qn__lane_kind_of(type);
  for (size_t i = 0; i < n; i++) switch (kind) {
    case QN__LANE_INT: acc.i[i] = first || x.i[i] > acc.i[i] ? x.i[i] : acc.i[i]; break;
    case QN__LANE_F32: acc.f[i] = !max ? acc.f[i] + x.f[i] : first ? x.f[i] : qn__f32_max(acc.f[i], x.f[i]); break;
    default: acc.d[i] = !max ? acc.d[i] + x.d[i] : first ? x.d[i] : qn__f64_max(acc.d[i], x.d[i]); break;
    }
}

/* What the largest of no elements is. */
static void lowest(qn__lanes acc, qn_scalar type, size_t n) {
  qn__lane_kind kind = qn__lane_kind_of(type);
  for (size_t i = 0; i < n; i++) switch (kind) {
    case QN__LANE_INT: acc.i[i] = qn_scalar_min(type); break;
    case QN__LANE_F32: acc.f[i] = -qn__f32_of_bits(0x7F800000u); break;
    default: acc.d[i] = -(double)qn__f32_of_bits(0x7F800000u); break;
    }
}

qn_status qn__pool(qn__frame *f, const qn__image *x, const qn_window *w, bool max, qn_scalar acc, bool nchw,
                   qn_tensor *y) {
  qn__image out = qn__image_of(y, nchw, NULL);
  size_t channels = (size_t)x->size[3];
  qn__lanes sums = {.p = qn__scratch(f, channels, sizeof(double))},
            in = {.p = qn__scratch(f, channels, sizeof(double))};
  if (!sums.p || !in.p) return QN_ERR_NO_MEMORY;
  int64_t index[3] = {0};
  if (qn_tensor_count(y) == 0) return QN_OK;
  do {
    bool first = true;
    memset(sums.p, 0, channels * sizeof(double));
    if (max) lowest(sums, acc, channels);
    for (int64_t k = 0; k < w->size[0] * w->size[1]; k++) {
      const int64_t window[2] = {k / w->size[1], k % w->size[1]};
      int64_t from;
      if (!position(x, w, index[0], index + 1, window, &from)) continue;
      qn__lanes_load(in, x->t->elem, x->t, from, x->stride[3], channels);
      combine(sums, in, acc, max, first, channels);
      first = false;
    }
    int64_t to = index[0] * out.stride[0] + index[1] * out.stride[1] + index[2] * out.stride[2];
    if (out.stride[3] == 1) {
      qn__lanes_store(y, to, acc, sums, channels);
      continue;
    }
    for (size_t c = 0; c < channels; c++) {
      qn__lanes one =
          acc == QN_F64 || qn_scalar_is_int(acc) ? (qn__lanes){.i = sums.i + c} : (qn__lanes){.f = sums.f + c};
      qn__lanes_store(y, to + (int64_t)c * out.stride[3], acc, one, 1);
    }
  } while (qn__next_index(index, out.size, 3));
  return QN_OK;
}

/* ---- kern.window ---- */

/* Sums of products: a group for each channel. */
static qn_status channel_products(qn__frame *f, qn_op op, const qn__image *x, qn_window w, qn_scalar acc,
                                  qn_tensor *sums) {
  qn_tensor lhs, plain, parts, rhs;
  qn_status s = qn__unpack(f, op, "layout", 1, &plain);
  w.groups = x->size[3];
  if (s == QN_OK && (plain.rank != 2 || plain.shape[0] != w.size[0] * w.size[1] || plain.shape[1] != x->size[3]))
    s = qn_op_error(f->m, op, QN_DIAG_VERIFY, "kern.window takes a row of channels for each position of its window");
  if (s == QN_OK) s = qn__window_rows(f, x, &w, sums->shape, 0, &lhs);
  const int64_t one[3] = {w.groups, plain.shape[0], 1}, out[3] = {w.groups, s == QN_OK ? lhs.shape[1] : 0, 1};
  if (s == QN_OK) s = qn__scratch_tensor(f, plain.elem, 3, one, &rhs);
  if (s == QN_OK) s = qn__scratch_tensor(f, acc, 3, out, &parts);
  if (s != QN_OK) return s;
  size_t elem = qn_scalar_get(plain.elem)->storage_bits / 8u;
  for (int64_t i = 0; i < one[0] * one[1]; i++)
    memcpy((char *)rhs.data + (size_t)i * elem,
           (const char *)plain.data + (size_t)(i % one[1] * one[0] + i / one[1]) * elem, elem);
  qn__matrices left = qn__matrices_of(&lhs, false, false), right = qn__matrices_of(&rhs, true, false);
  s = qn__product(f, &left, &right, acc, &parts);
  if (s == QN_OK) qn__join_groups(&parts, sums->shape, false, sums);
  return s;
}

static qn_status eval_window(qn__frame *f, qn_op op) {
  qn_window w;
  qn_tensor sums;
  qn_scalar acc = qn_type_as_scalar(f->ctx, qn_attr_as_type(f->m, qn_op_attr(f->m, op, "acc")));
  qn_str how = qn_op_get_string(f->m, op, "combine");
  bool dot = qn_str_eq(how, qn_str_of("dot"));
  uint32_t first = dot ? 2 : 1;
  if (!qn_window_read(f->m, op, &w) || f->in[0]->rank != 4 || f->num_in < first)
    return qn_op_error(f->m, op, QN_DIAG_VERIFY, "kern.window takes an image and a window");
  qn_tensor padded = *f->in[0];
  const int64_t *in = padded.shape;
  const int64_t shape[4] = {in[0], qn_window_count(&w, 0, in[1]), qn_window_count(&w, 1, in[2]), in[3]};
  qn_status s = dot ? pad_image(f, &w, (uint64_t)qn_op_get_int(f->m, op, "border"), &padded) : QN_OK;
  if (s != QN_OK) return s;
  qn__image x = qn__image_of(&padded, false, w.pads);
  s = qn__scratch_tensor(f, acc, 4, shape, &sums);
  if (s == QN_OK)
    s = dot ? channel_products(f, op, &x, w, acc, &sums)
            : qn__pool(f, &x, &w, qn_str_eq(how, qn_str_of("max")), acc, false, &sums);
  return s == QN_OK ? qn__run_epilogue(f, 0, &sums, first, f->num_in - first) : s;
}
const qn__evaluator qn__eval_WINDOW = {.eval = eval_window};

/* ---- kern.pad ---- */

/* The body over x (or over a single zero): inside and border. */
static qn_status run_pad(qn__frame *f, const qn_tensor *x, qn_scalar elem, qn_tensor out[2]) {
  const qn_tensor **args = qn__scratch(f, f->num_in, sizeof *args);
  qn__view *views = qn__scratch(f, f->num_in, sizeof *views);
  if (!args || !views) return QN_ERR_NO_MEMORY;
  qn__shape shape = qn__shape_of(x);
  const qn_scalar elems[2] = {elem, elem};
  qn_status s = QN_OK;
  for (uint32_t i = 0; i < f->num_in; i++) {
    args[i] = i ? f->in[i] : x;
    views[i] = i ? (qn__view){.t = f->in[i]} : qn__view_of(x, &shape);
  }
  for (uint32_t i = 0; i < 2 && s == QN_OK; i++) s = qn__scratch_tensor(f, elem, x->rank, x->shape, &out[i]);
  qn__script *p;
  if (s == QN_OK) s = qn__region_script(f, 0, f->num_in, args, 2, elems, false, &p);
  return s == QN_OK ? qn__script_run(f->ctx, f->scratch, p, &shape, views, out, false) : s;
}

static qn_status eval_pad(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  uint32_t n = 0;
  const int64_t *pads = qn_attr_as_ints(f->m, qn_op_attr(f->m, op, "pads"), &n);
  qn_scalar elem = qn_type_memory(f->ctx, qn_type_elem(f->ctx, qn_value_type(f->m, qn_op_result(f->m, op, 0))));
  if (x->rank != 4 || !pads || n != 4 || qn_scalar_get(elem)->storage_bits < 8)
    return qn_op_error(f->m, op, QN_DIAG_VERIFY, "kern.pad takes an image of whole bytes and four pads");
  for (uint32_t i = 1; i < f->num_in; i++)
    if (qn_tensor_count(f->in[i]) != 1)
      return qn_op_error(f->m, op, QN_DIAG_SHAPE, "extra %u of kern.pad has more than one element", i);
  const int64_t one[4] = {1, 1, 1, 1};
  const int64_t shape[4] = {x->shape[0], x->shape[1] + pads[0] + pads[2], x->shape[2] + pads[1] + pads[3], x->shape[3]};
  qn_tensor zero, border[2], inside[2], *y;
  qn_status s = qn__scratch_tensor(f, x->elem, 4, one, &zero);
  if (s == QN_OK) s = run_pad(f, &zero, elem, border);
  if (s == QN_OK) s = run_pad(f, x, elem, inside);
  if (s == QN_OK) s = qn__result(f, 0, 4, shape, &y);
  if (s != QN_OK) return s;
  size_t bytes = qn_scalar_get(elem)->storage_bits / 8u, line = (size_t)(x->shape[2] * x->shape[3]) * bytes;
  for (int64_t i = 0, all = qn_tensor_count(y); i < all; i++)
    memcpy((char *)y->data + (size_t)i * bytes, border[1].data, bytes);
  for (int64_t i = 0; i < x->shape[0] * x->shape[1]; i++) {
    int64_t to = (i / x->shape[1] * shape[1] + i % x->shape[1] + pads[0]) * shape[2] + pads[1];
    qn__copy_bytes((char *)y->data + (size_t)(to * shape[3]) * bytes, (const char *)inside[0].data + (size_t)i * line,
                   line);
  }
  return QN_OK;
}
const qn__evaluator qn__eval_PAD = {.eval = eval_pad};
