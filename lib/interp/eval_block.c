/* Products with a scale per block of k: quern.block_matmul, and the kernels that it is lowered to. */
#include "interp.h"
#include "scalar.h"
#include <math.h>
#include <quern/unstable/bpack.h>
#include <string.h>

/* Weights written out: w[n * K + k], and the scale of each block [n * blocks + b]. */
typedef struct weights {
  int64_t k, n, blocks;
  uint32_t block;
  int32_t *w;
  float *x; /* dequantized, instead of w and scale */
  float *scale;
} weights;

static qn_status make_room(qn__frame *f, weights *o, bool floats) {
  size_t count = (size_t)o->k * (size_t)o->n + 1;
  o->blocks = qn_bpack_count(o->block, o->k);
  if (floats) {
    o->x = qn__scratch(f, count, sizeof *o->x);
    return o->x ? QN_OK : QN_ERR_NO_MEMORY;
  }
  o->w = qn__scratch(f, count, sizeof *o->w);
  o->scale = qn__scratch(f, (size_t)o->blocks * (size_t)o->n + 1, sizeof *o->scale);
  return o->w && o->scale ? QN_OK : QN_ERR_NO_MEMORY;
}

/* One row of sums: y = fma(f32(sum over a block), a's scale * b's scale, y), blocks ascending. */
static void row_of_ints(const weights *o, const int8_t *a, const float *a_scale, float *y) {
  for (int64_t n = 0; n < o->n; n++) {
    float sum = 0;
    for (int64_t b = 0; b < o->blocks; b++) {
      uint32_t acc = 0;
      int64_t end = (b + 1) * o->block < o->k ? (b + 1) * o->block : o->k;
      for (int64_t k = b * o->block; k < end; k++) acc += (uint32_t)(a[k] * o->w[n * o->k + k]);
      float s = a_scale[b] * o->scale[n * o->blocks + b];
      sum = fmaf((float)(int32_t)acc, s, sum);
    }
    y[n] = sum;
  }
}

static void row_of_floats(const weights *o, const float *a, float *y) {
  for (int64_t n = 0; n < o->n; n++) {
    float sum = 0;
    for (int64_t k = 0; k < o->k; k++) sum = fmaf(a[k], o->x[n * o->k + k], sum);
    y[n] = sum;
  }
}

/* The elements of a tensor of f32, which may start at any byte: where they lie, or copied. Null without memory. */
static const float *floats_of(qn__frame *f, const qn_tensor *t) {
  size_t bytes = qn_tensor_bytes(t);
  if (bytes && (uintptr_t)t->data % sizeof(float) == 0) return t->data;
  float *copy = qn__scratch(f, bytes / sizeof *copy + 1, sizeof *copy); /* of no elements, too: they may be at null */
  if (copy && bytes) memcpy(copy, t->data, bytes);
  return copy;
}

/* ---- quern.block_matmul ---- */

static qn_status cannot_read(qn__frame *f, const char *reason) {
  return qn_op_error(f->m, f->op, QN_DIAG_TYPE_MISMATCH, "the weights cannot be read: %s", reason);
}

static qn_status read_type(qn__frame *f, uint32_t operand, bool transposed, weights *o) {
  const qn_tensor *b = f->in[operand];
  qn_bpack_reader r;
  const char *reason = "they are no matrix";
  if (b->rank != 2 || !qn_bpack_reader_init(f->ctx, qn__in_elem(f, operand), transposed, b->shape, false, &r, &reason))
    return cannot_read(f, reason);
  if (r.size[r.k_axis] == 0 || r.size[r.k_axis] > UINT32_MAX)
    return cannot_read(f, "there are no blocks of k with a scale each");
  *o = (weights){.k = b->shape[transposed], .n = b->shape[!transposed], .block = (uint32_t)r.size[r.k_axis]};
  qn_status s = make_room(f, o, false);
  if (s != QN_OK) return s;
  for (int64_t n = 0; n < o->n; n++) {
    for (int64_t k = 0; k < o->k; k++) o->w[n * o->k + k] = qn_bpack_weight(&r, b, k, n);
    for (int64_t i = 0; i < o->blocks; i++)
      o->scale[n * o->blocks + i] = qn_bpack_weight_scale(&r, qn_bpack_param(&r, i * o->block, n));
  }
  return QN_OK;
}

static int64_t rows_of(const qn_tensor *t) {
  int64_t rows = 1;
  for (uint32_t d = 0; d + 1 < t->rank; d++) rows *= t->shape[d];
  return rows;
}

static qn_status eval_block_matmul(qn__frame *f, qn_op op) {
  const qn_tensor *a = f->in[0], *scale = f->in[1];
  weights o;
  qn_status s = read_type(f, 2, qn_op_get_bool(f->m, op, "transpose_b"), &o);
  if (s != QN_OK) return s;
  bool fits = a->rank && a->rank == scale->rank && a->shape[a->rank - 1] == o.k &&
              scale->shape[a->rank - 1] == o.blocks && rows_of(a) == rows_of(scale);
  if (!fits) {
    char x[QN__SHAPE_TEXT], y[QN__SHAPE_TEXT];
    return qn_op_error(f->m, op, QN_DIAG_SHAPE,
                       "codes %s and scales %s do not fit weights of %lld x %lld in blocks of %u",
                       qn__tensor_text(a, x), qn__tensor_text(scale, y), (long long)o.k, (long long)o.n, o.block);
  }
  qn__shape shape = qn__shape_of(a);
  qn_tensor *y;
  shape.size[shape.rank - 1] = o.n;
  s = qn__result(f, 0, shape.rank, shape.size, &y);
  const float *scales = s == QN_OK ? floats_of(f, scale) : NULL;
  if (!scales) return s != QN_OK ? s : QN_ERR_NO_MEMORY;
  for (int64_t r = 0, rows = rows_of(a); r < rows; r++)
    row_of_ints(&o, (const int8_t *)a->data + r * o.k, scales + r * o.blocks, (float *)y->data + r * o.n);
  return QN_OK;
}
const qn__evaluator qn__eval_BLOCK_MATMUL = {.eval = eval_block_matmul};

/* ---- rows ---- */

static void quantize_block(const float *x, int64_t n, int8_t *codes, float *scale) {
  static const qn_qparams_request request = {
      .width = 8, .is_signed = true, .scheme = QN_SYMMETRIC, .range = QN_RANGE_NARROW, .dynamic = true};
  float min, max;
  qn_qparams p = {.scale = 1};
  qn_range_f32(x, (size_t)n, &min, &max);
  (void)qn_qparams_choose(&request, min, max, &p, NULL); /* a dynamic range never fails */
  for (int64_t i = 0; i < n; i++) codes[i] = (int8_t)qn_quantize_f32(x[i], p, QN_ROUND_HALF_EVEN);
  *scale = p.scale;
}

static qn_status eval_block_rows(qn__frame *f, qn_op op) {
  const qn_tensor *x = f->in[0];
  const int64_t block = qn_op_get_int(f->m, op, "block"), offset = qn_op_get_int(f->m, op, "offset");
  if (x->rank < 2 || block < 8 || block % 8 || block > QN_BPACK_MOST_INT)
    return qn_op_error(f->m, op, QN_DIAG_VERIFY, "kern.block_rows takes a matrix and a block of 8 to 256");
  const int64_t k = x->shape[x->rank - 1], blocks = qn_bpack_count((uint32_t)block, k);
  qn__shape shape = qn__shape_of(x);
  shape.size[x->rank - 1] = qn_bpack_row_bytes((uint32_t)block, k);
  qn_tensor *y;
  qn_status s = shape.size[x->rank - 1] < 0
                    ? qn_op_error(f->m, op, QN_DIAG_SHAPE, "a row of %lld elements is too long", (long long)k)
                    : qn__result(f, 0, shape.rank, shape.size, &y);
  if (s == QN_OK && f->num_in > 1 && qn_tensor_count(f->in[1]) != rows_of(x) * blocks)
    s = qn_op_error(f->m, op, QN_DIAG_SHAPE, "%lld scales, expected %lld", (long long)qn_tensor_count(f->in[1]),
                    (long long)(rows_of(x) * blocks));
  /* Scales, or what is quantized. */
  const float *floats = s == QN_OK ? floats_of(f, f->num_in > 1 ? f->in[1] : x) : NULL;
  if (!floats) return s != QN_OK ? s : QN_ERR_NO_MEMORY;
  int8_t *to = y->data;
  for (int64_t r = 0, rows = rows_of(x); r < rows; r++)
    for (int64_t b = 0; b < blocks; b++, to += block + 8) {
      const int64_t first = r * k + b * block, n = k - b * block < block ? k - b * block : block;
      float scale;
      int32_t sum = 0;
      if (f->num_in > 1) {
        memcpy(to, (const int8_t *)x->data + first, (size_t)n);
        scale = floats[r * blocks + b];
      } else {
        quantize_block(floats + first, n, to, &scale);
      }
      for (int64_t i = 0; i < n; i++) sum += to[i];
      sum = (int32_t)(-offset * sum);
      memcpy(to + block, &scale, sizeof scale);
      memcpy(to + block + 4, &sum, sizeof sum);
    }
  return QN_OK;
}
const qn__evaluator qn__eval_BLOCK_ROWS = {.eval = eval_block_rows};

/* ---- packed weights ---- */

static qn_status layout_of(qn__frame *f, qn_op op, qn_bpack_layout *out) {
  if (qn_bpack_layout_parse(qn_op_get_string(f->m, op, "layout"), out)) return QN_OK;
  return qn_op_error(f->m, op, QN_DIAG_ATTRIBUTE, "no block layout is named '%.*s'",
                     (int)qn_op_get_string(f->m, op, "layout").size, qn_op_get_string(f->m, op, "layout").data);
}

static qn_status eval_block_pack(qn__frame *f, qn_op op) {
  const qn_tensor *b = f->in[0];
  bool transposed = qn_op_get_bool(f->m, op, "transpose");
  qn_bpack_layout layout;
  qn_status s = layout_of(f, op, &layout);
  if (s == QN_OK && b->rank != 2) s = cannot_read(f, "they are no matrix");
  if (s != QN_OK) return s;
  size_t bytes = qn_bpack_matrix_bytes(&layout, b->shape[transposed], b->shape[!transposed]);
  if (bytes == SIZE_MAX) return cannot_read(f, "they are too large");
  int64_t size = (int64_t)bytes;
  qn_tensor *y;
  s = qn__result(f, 0, 1, &size, &y);
  if (s == QN_OK) qn_bpack_pack(f->ctx, qn__in_elem(f, 0), &layout, transposed, b, y->data);
  return s;
}
const qn__evaluator qn__eval_BLOCK_PACK = {.eval = eval_block_pack};

static qn_status read_packed(qn__frame *f, const qn_bpack_layout *l, bool floats, weights *o) {
  const void *packed = f->in[1]->data;
  size_t want = qn_bpack_matrix_bytes(l, o->k, o->n);
  if (qn_tensor_bytes(f->in[1]) != want)
    return qn_op_error(f->m, f->op, QN_DIAG_SHAPE, "operand b holds %zu bytes, expected %zu", qn_tensor_bytes(f->in[1]),
                       want);
  o->block = l->block;
  qn_status s = make_room(f, o, floats);
  if (s != QN_OK) return s;
  for (int64_t n = 0; n < o->n; n++)
    for (int64_t k = 0; k < o->k; k++) {
      if (floats) {
        float v = qn_bpack_float(l, packed, o->k, k, n);
        o->x[n * o->k + k] = v * qn_bpack_scale(l, packed, o->k, k / l->block, n);
      } else {
        o->w[n * o->k + k] = qn_bpack_int(l, packed, o->k, k, n);
        o->scale[n * o->blocks + k / l->block] = qn_bpack_scale(l, packed, o->k, k / l->block, n);
      }
    }
  return QN_OK;
}

/* Rows of codes come with their scales between them. */
static void row_of_blocks(const weights *o, const int8_t *row, int8_t *codes, float *scales, float *y) {
  for (int64_t b = 0; b < o->blocks; b++, row += o->block + 8) {
    int64_t n = o->k - b * o->block < o->block ? o->k - b * o->block : o->block;
    memcpy(codes + b * o->block, row, (size_t)n);
    memcpy(scales + b, row + o->block, sizeof *scales);
  }
  row_of_ints(o, codes, scales, y);
}

static qn_status eval_block_gemm(qn__frame *f, qn_op op) {
  const qn_tensor *a = f->in[0];
  weights o = {.k = qn_op_get_int(f->m, op, "k"), .n = qn_op_get_int(f->m, op, "n")};
  qn_bpack_layout layout;
  qn_status s = layout_of(f, op, &layout);
  if (s != QN_OK) return s;
  bool floats = a->elem == QN_F32;
  int64_t columns = floats ? o.k : qn_bpack_row_bytes(layout.block, o.k);
  if (a->rank < 2 || a->shape[a->rank - 1] != columns || (!floats && layout.codes == QN_BPACK_V4))
    return qn_op_error(f->m, op, QN_DIAG_SHAPE, "operand a has no rows of %lld elements for this layout",
                       (long long)columns);
  if ((s = read_packed(f, &layout, floats, &o)) != QN_OK) return s;
  qn__shape shape = qn__shape_of(a);
  shape.size[shape.rank - 1] = o.n;
  qn_tensor sums;
  s = qn__scratch_tensor(f, QN_F32, shape.rank, shape.size, &sums);
  int8_t *codes = s == QN_OK ? qn__scratch(f, (size_t)o.k + 1, 1) : NULL;
  float *scales = codes ? qn__scratch(f, (size_t)o.blocks + 1, sizeof *scales) : NULL;
  const float *values = scales && floats ? floats_of(f, a) : NULL;
  if (!scales || (floats && !values)) return s != QN_OK ? s : QN_ERR_NO_MEMORY;
  for (int64_t r = 0, rows = rows_of(a); r < rows; r++) {
    float *y = (float *)sums.data + r * o.n;
    if (floats)
      row_of_floats(&o, values + r * o.k, y);
    else
      row_of_blocks(&o, (const int8_t *)a->data + r * columns, codes, scales, y);
  }
  return qn__run_epilogue(f, 0, &sums, 2, f->num_in - 2);
}
const qn__evaluator qn__eval_BLOCK_GEMM = {.eval = eval_block_gemm};
