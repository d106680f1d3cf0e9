/* Signal to noise, cosine, largest error, agreement of the largest element. */
#include "closeness.h"
#include <math.h>
#include <string.h>

/* ---- values ---- */

qn__reader qn__reader_of(qn__typed v) {
  qn__reader r = {.t = v.t, .quant = qn_type_as_quant(v.ctx, v.elem)};
  if (!r.quant) return r;
  if (qn_type_kind_of(v.ctx, r.quant->storage) == QN_TYPE_QUANTILE) {
    qn_type_parts parts = qn_type_get_parts(v.ctx, r.quant->storage);
    r.entries = parts.entries;
    r.num_entries = parts.num_entries;
  }
  int64_t stride = 1;
  for (uint32_t i = r.quant->num_blocks; i-- > 0;) {
    qn_block_dim b = r.quant->blocks[i];
    if (b.axis < 0 || (uint32_t)b.axis >= v.t->rank) continue;
    r.block[b.axis] = b.size;
    r.stride[b.axis] = stride;
    stride *= (v.t->shape[b.axis] + b.size - 1) / b.size;
  }
  return r;
}

static uint32_t parameter_of(const qn__reader *r, int64_t i) {
  int64_t at = 0;
  if (r->quant->num_scales == 1) return 0;
  for (uint32_t d = r->t->rank; d-- > 0; i /= r->t->shape[d])
    if (r->stride[d]) at += i % r->t->shape[d] / r->block[d] * r->stride[d];
  return at < r->quant->num_scales ? (uint32_t)at : 0;
}

/* As dequantize does, in f32: f32(q - z) * s. */
double qn__read(const qn__reader *r, int64_t i) {
  if (!r->quant) return qn_tensor_get_f64(r->t, i);
  uint32_t p = parameter_of(r, i);
  float scale = r->quant->scales[p] * r->quant->tensor_scale;
  if (r->entries) {
    int64_t code = qn_tensor_get_i64(r->t, i);
    return code >= 0 && code < r->num_entries ? (double)((float)r->entries[code] * scale) : 0;
  }
  if (qn_scalar_is_float(r->t->elem)) return (double)((float)qn_tensor_get_f64(r->t, i) * scale);
  int64_t z = r->quant->zero_points ? r->quant->zero_points[p] : 0;
  return (double)((float)(qn_tensor_get_i64(r->t, i) - z) * scale);
}

/* ---- sums ---- */

static void add_element(qn__closeness *c, double a, double b) {
  if (a - a == 0 && b - b == 0) {
    double d = a - b;
    c->signal += a * a;
    c->noise += d * d;
    c->product += a * b;
    c->other += b * b;
    if (fabs(d) > c->max_abs) c->max_abs = fabs(d);
    return;
  }
  if (a == b || (a != a && b != b)) return; /* the same infinity, or NaN in both */
  c->noise = c->max_abs = HUGE_VAL;
}

/* The first of the largest elements; NaN is never the largest. */
static int64_t largest(const qn__reader *r, int64_t first, int64_t n) {
  int64_t at = 0;
  double most = -HUGE_VAL;
  for (int64_t i = 0; i < n; i++) {
    double x = qn__read(r, first + i);
    if (x > most) most = x, at = i;
  }
  return at;
}

bool qn__closeness_add(qn__closeness *c, qn__typed a, qn__typed b) {
  const qn_tensor *x = a.t, *y = b.t;
  if (x->rank != y->rank || memcmp(x->shape, y->shape, x->rank * sizeof *x->shape) != 0) return false;
  qn__reader ra = qn__reader_of(a), rb = qn__reader_of(b);
  c->tensors++;
  int64_t n = qn_tensor_count(x), width = x->rank ? x->shape[x->rank - 1] : 1;
  for (int64_t i = 0; i < n; i++) add_element(c, qn__read(&ra, i), qn__read(&rb, i));
  for (int64_t i = 0; width > 1 && i < n; i += width) {
    c->rows++;
    c->agreeing += largest(&ra, i, width) == largest(&rb, i, width);
  }
  return true;
}

static double cosine(const qn__closeness *c) {
  if (c->signal == 0 || c->other == 0) return c->signal == c->other ? 1 : 0;
  double x = c->product / (sqrt(c->signal) * sqrt(c->other));
  return x > 1 ? 1 : x < -1 ? -1 : x;
}

qn_comparison qn__closeness_result(const qn__closeness *c, qn_str name) {
  double sqnr = c->noise == 0 ? HUGE_VAL : c->signal == 0 ? -HUGE_VAL : 10 * log10(c->signal / c->noise);
  return (qn_comparison){.name = name,
                         .sqnr_db = sqnr,
                         .cosine = cosine(c),
                         .max_abs = c->max_abs,
                         .top1_agreement = c->rows ? (double)c->agreeing / (double)c->rows : -1};
}
