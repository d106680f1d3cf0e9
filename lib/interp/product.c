/* Matrix products over typed copies of the operands, so that the loops are plain and a compiler can speed them up
 * without changing their order. */
#include "interp.h"
#include <math.h>
#include <string.h>

qn__matrices qn__matrices_of(const qn_tensor *t, bool is_rhs, bool swap) {
  qn__matrices x = {.t = t, .as = t->elem};
  if (t->rank <= 1) {
    int64_t n = t->rank ? t->shape[0] : 1;
    x.vector = true;
    x.rows = is_rhs ? n : 1;
    x.cols = is_rhs ? 1 : n;
    x.row_stride = is_rhs ? 1 : n;
    x.col_stride = 1;
    return x;
  }
  x.batch = qn__shape_of(t);
  x.batch.rank = t->rank - 2;
  int64_t outer = t->shape[t->rank - 2], inner = t->shape[t->rank - 1];
  x.rows = swap ? inner : outer;
  x.cols = swap ? outer : inner;
  x.row_stride = swap ? 1 : inner;
  x.col_stride = swap ? inner : 1;
  return x;
}

qn_status qn__product_shape(qn__frame *f, const qn__matrices *a, const qn__matrices *b, qn__shape *batch,
                            qn__shape *out) {
  if (a->cols != b->rows) {
    char x[QN__SHAPE_TEXT], y[QN__SHAPE_TEXT];
    return qn_op_error(f->m, f->op, QN_DIAG_SHAPE,
                       "%s of %s and %s: the summed axis has %lld elements in one and %lld in the other",
                       qn_op_name(f->m, f->op).data, qn__tensor_text(a->t, x), qn__tensor_text(b->t, y),
                       (long long)a->cols, (long long)b->rows);
  }
  *batch = a->batch;
  qn_status s = qn__broadcast(f, batch, &b->batch);
  if (s != QN_OK) return s;
  *out = *batch;
  if (!a->vector) out->size[out->rank++] = a->rows;
  if (!b->vector) out->size[out->rank++] = b->cols;
  return QN_OK;
}

/* ---- the loops ---- */

typedef struct loop {
  size_t m, n, k;
  const void *a, *b;
  void *y; /* zeroed */
} loop;

#define PRODUCT(how, fn, T, step)                                                                                      \
  how static void fn(const loop *l) {                                                                                  \
    const T *a = l->a;                                                                                                 \
    T *y = l->y;                                                                                                       \
    for (size_t m = 0; m < l->m; m++, y += l->n) {                                                                     \
      const T *b = l->b;                                                                                               \
      for (size_t k = 0; k < l->k; k++, b += l->n) {                                                                   \
        T x = *a++;                                                                                                    \
        for (size_t n = 0; n < l->n; n++) y[n] = step;                                                                 \
      }                                                                                                                \
    }                                                                                                                  \
  }
PRODUCT(, product_f32, float, fmaf(x, b[n], y[n]))
PRODUCT(, product_f64, double, fma(x, b[n], y[n]))
PRODUCT(, product_i32, uint32_t, y[n] + x * b[n])
PRODUCT(, product_i64, uint64_t, y[n] + x * b[n])

/* The instruction gives the bits of the function, which is exact, too, in a fraction of the time. */
#if defined(__x86_64__) && defined(__GNUC__)
#  define WITH_FMA __attribute__((target("avx2,fma")))
PRODUCT(WITH_FMA, fused_f32, float, fmaf(x, b[n], y[n]))
PRODUCT(WITH_FMA, fused_f64, double, fma(x, b[n], y[n]))
static bool has_fma(void) {
  return __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
}
#else
#  define fused_f32 product_f32
#  define fused_f64 product_f64
static bool has_fma(void) {
  return false;
}
#endif

typedef struct form {
  qn_scalar acc;
  size_t bytes;
  void (*run)(const loop *l), (*with_fma)(const loop *l);
} form;

static const form forms[] = {{QN_F32, sizeof(float), product_f32, fused_f32},
                             {QN_F64, sizeof(double), product_f64, fused_f64},
                             {QN_I32, sizeof(uint32_t), product_i32, product_i32},
                             {QN_I64, sizeof(uint64_t), product_i64, product_i64}};

static const form *form_of(qn_scalar acc) {
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    if (forms[i].acc == acc) return &forms[i];
  return NULL;
}

/* ---- copies of the operands ---- */

enum { STRIP = 256 };

typedef struct zero_at {
  const qn__view *view;
  int64_t base, row, col; /* element offset and strides within the matrix */
} zero_at;

static int64_t zero_point(const zero_at *z, int64_t row, int64_t col) {
  int64_t v = 0;
  qn__lanes one = {.i = &v};
  qn__lanes_load(one, z->view->t->elem, z->view->t, z->base + row * z->row + col * z->col, 0, 1);
  return v;
}

/* One row of an integer matrix, widened to 32 or 64 bits, minus its zero points. */
static void fill_ints(const qn__matrices *x, int64_t base, int64_t row, const zero_at *z, qn_scalar acc, void *dst) {
  int64_t strip[STRIP] = {0};
  qn__lanes lanes = {.i = strip};
  uint32_t *narrow = dst;
  uint64_t *wide = dst;
  int64_t fixed = z && z->col == 0 ? zero_point(z, row, 0) : 0;
  for (int64_t at = 0; at < x->cols; at += STRIP) {
    int64_t n = x->cols - at < STRIP ? x->cols - at : STRIP;
    qn__lanes_load(lanes, x->as, x->t, base + row * x->row_stride + at * x->col_stride, x->col_stride, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
      uint64_t v = (uint64_t)strip[i] - (uint64_t)(z && z->col ? zero_point(z, row, at + i) : fixed);
      if (acc == QN_I32)
        narrow[at + i] = (uint32_t)v;
      else
        wide[at + i] = v;
    }
  }
}

static void fill_matrix(const qn__matrices *x, int64_t base, const zero_at *z, const form *how, char *dst) {
  for (int64_t row = 0; row < x->rows; row++, dst += (size_t)x->cols * how->bytes) {
    qn__lanes lanes = {.p = dst};
    if (qn_scalar_is_int(how->acc))
      fill_ints(x, base, row, z, how->acc, dst);
    else
      qn__lanes_load(lanes, x->as, x->t, base + row * x->row_stride, x->col_stride, (size_t)x->cols);
  }
}

/* Strides over the batch axes, in elements, 0 where a matrix is used again. */
static qn__view batch_view(const qn__matrices *x, const qn__shape *batch) {
  qn_tensor leading = {.rank = x->batch.rank};
  for (uint32_t d = 0; d < leading.rank; d++) leading.shape[d] = x->batch.size[d];
  qn__view v = qn__view_of(&leading, batch);
  for (uint32_t d = 0; d < batch->rank; d++) v.stride[d] *= x->rows * x->cols;
  return v;
}

typedef struct side {
  const qn__matrices *x;
  qn__view view;
  char *copy;
  int64_t at; /* what the copy holds; -1 for nothing */
} side;

static qn_status side_init(qn__frame *f, const qn__matrices *x, const qn__shape *batch, const form *how, side *out) {
  *out = (side){.x = x, .view = batch_view(x, batch), .at = -1};
  size_t count;
  if (!qn__mul_size((size_t)x->rows, (size_t)x->cols, &count)) return qn_error_no_memory(f->ctx);
  out->copy = qn__scratch(f, count, how->bytes);
  return out->copy ? QN_OK : QN_ERR_NO_MEMORY;
}

static void side_go(side *s, const int64_t *index, const qn__shape *batch, const form *how) {
  int64_t at = qn__view_offset(&s->view, index, batch->rank);
  const qn__view *zero = s->x->zero;
  zero_at z = {.view = zero};
  if (zero) {
    z.base = qn__view_offset(zero, index, batch->rank);
    z.row = zero->stride[batch->rank];
    z.col = zero->stride[batch->rank + 1];
  }
  /* Zero points may change where the matrix does not. */
  if (s->at == at && !zero) return;
  fill_matrix(s->x, at, zero ? &z : NULL, how, s->copy);
  s->at = at;
}

static void store_sums(qn_tensor *y, int64_t base, const form *how, void *sums, size_t n) {
  qn__lanes lanes = {.p = sums};
  if (qn_scalar_get(y->elem)->bits == qn_scalar_get(how->acc)->bits)
    qn__copy_bytes((char *)y->data + (size_t)base * how->bytes, sums, n * how->bytes);
  else
    qn__lanes_store(y, base, y->elem, lanes, n);
}

qn_status qn__product(qn__frame *f, const qn__matrices *a, const qn__matrices *b, qn_scalar acc, qn_tensor *y) {
  const form *how = form_of(acc);
  qn__shape batch, out;
  qn_status s = qn__product_shape(f, a, b, &batch, &out);
  if (s != QN_OK) return s;
  if (!how || qn_scalar_is_int(acc) != qn_scalar_is_int(a->as) || qn_scalar_is_int(acc) != qn_scalar_is_int(b->as) ||
      (acc == QN_F64) != (a->as == QN_F64) || (acc == QN_F64) != (b->as == QN_F64))
    return qn_op_error(f->m, f->op, QN_DIAG_UNSUPPORTED, "no product of %s and %s has sums of type %s",
                       qn_scalar_get(a->as)->text, qn_scalar_get(b->as)->text, qn_scalar_get(acc)->text);
  if (qn__shape_count(&out) == 0) return QN_OK;
  side left, right;
  loop l = {.m = (size_t)a->rows, .n = (size_t)b->cols, .k = (size_t)a->cols};
  s = side_init(f, a, &batch, how, &left);
  if (s == QN_OK) s = side_init(f, b, &batch, how, &right);
  if (s != QN_OK) return s;
  size_t count = l.m * l.n;
  l.a = left.copy;
  l.b = right.copy;
  l.y = qn__scratch(f, count, how->bytes);
  if (!l.y) return QN_ERR_NO_MEMORY;
  int64_t index[QN_MAX_RANK] = {0}, done = 0;
  do {
    side_go(&left, index, &batch, how);
    side_go(&right, index, &batch, how);
    memset(l.y, 0, count * how->bytes);
    (has_fma() ? how->with_fma : how->run)(&l);
    store_sums(y, done, how, l.y, count);
    done += (int64_t)count;
  } while (qn__next_index(index, batch.size, batch.rank));
  return QN_OK;
}
