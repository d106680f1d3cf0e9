/* Errors of candidates: rows of each product's input are kept while the samples run, then multiplied by the weight as
 * it is and as it would be after quantization. */
#include "alloc.h"
#include "choose_granularity.h"
#include <math.h>
#include <quern/unstable/evaluator.h>
#include <string.h>

enum { MAX_SAMPLES = 32, MAX_ROWS = 64, MIN_ROWS = 8 };

/* Multiplications per site and candidate, a tenth of a second; and those of the samples, run on the interpreter. */
static const double MAX_PRODUCTS = 1 << 26, MAX_RUN = 4e9;

/* ---- rows ---- */

static int64_t wanted_rows(const site *at) {
  double fits = MAX_PRODUCTS / ((double)at->k * (double)at->n + 1);
  return fits > (double)MAX_ROWS ? MAX_ROWS : fits < (double)MIN_ROWS ? MIN_ROWS : (int64_t)fits;
}

static qn_status make_room(search *s) {
  for (uint32_t i = 0; i < s->num_sites; i++) {
    site *at = &s->sites[i];
    if (!at->measurable) continue;
    at->max_rows = wanted_rows(at);
    at->rows = qn_run_alloc(s->run, (size_t)at->max_rows * (size_t)at->k * sizeof *at->rows + 1);
    if (!at->rows) return QN_ERR_NO_MEMORY;
  }
  return QN_OK;
}

typedef struct collection {
  search *s;
  int64_t samples; /* in all */
  int64_t sample;  /* this one */
  double work;     /* multiplications so far */
} collection;

/* Element i of row `row`: rows are those of the left matrix, of all batches. */
static void take_row(site *at, const qn_tensor *x, bool transposed, int64_t row) {
  int64_t height = x->rank > 1 ? x->shape[x->rank - (transposed ? 1 : 2)] : 1;
  int64_t base = height ? row / height * height * at->k : 0, r = height ? row % height : 0;
  float *to = at->rows + at->num_rows * at->k;
  for (int64_t i = 0; i < at->k; i++)
    to[i] = (float)qn_tensor_get_f64(x, base + (transposed ? i * height + r : r * at->k + i));
  at->num_rows++;
}

static void widen(site *at, const qn_tensor *x) {
  for (int64_t i = 0, n = qn_tensor_count(x); i < n; i++) {
    float v = (float)qn_tensor_get_f64(x, i);
    if (v < at->low) at->low = v;
    if (v > at->high) at->high = v;
  }
}

/* This sample's share of the rows, evenly spaced. */
static void take_rows(collection *c, site *at, const qn_tensor *x) {
  bool transposed = x->rank > 1 && qn_op_get_bool(c->s->m, at->op, "transpose_a");
  int64_t count = at->k ? qn_tensor_count(x) / at->k : 0;
  int64_t share = (at->max_rows - at->num_rows) / (c->samples - c->sample);
  if (share < 1 && at->num_rows < at->max_rows) share = 1;
  if (share > count) share = count;
  for (int64_t i = 0; i < share; i++) take_row(at, x, transposed, i * count / share);
  widen(at, x);
  c->work += (double)count * (double)at->k * (double)at->n;
}

static void seen(collection *c, qn_value v, const qn_tensor *x) {
  for (uint32_t i = c->s->first_of[v.id]; i; i = c->s->sites[i - 1].next) {
    site *at = &c->s->sites[i - 1];
    if (at->measurable && qn_scalar_is_float(x->elem)) take_rows(c, at, x);
  }
}

/* Multiplications of a convolution, which is no site to measure, but takes the interpreter's time. */
static double conv_work(const qn_module *m, qn_op op, const qn_tensor *y) {
  if (qn_op_kind_of(m, op) != QN_OP_CONV2D || y->rank != 4) return 0;
  bool first = qn_str_eq(qn_op_get_string(m, op, "layout"), qn_str_of("nchw"));
  double channels = (double)y->shape[first ? 1 : 3];
  double weights = (double)qn_type_count(qn_module_context(m), qn_value_type(m, qn_op_operand(m, op, 1)));
  return channels > 0 ? (double)qn_tensor_count(y) * weights / channels : 0;
}

static qn_status on_value(void *user, const qn_module *m, qn_op op, uint32_t result, const qn_tensor *value) {
  collection *c = user;
  c->work += conv_work(m, op, value);
  seen(user, qn_op_result(m, op, result), value);
  return QN_OK;
}

static qn_status run_sample(collection *c, qn_op func, const qn_check_inputs *inputs, int64_t sample, qn_tensor *in,
                            uint32_t num_in, qn_tensor *out, uint32_t num_out) {
  qn_module *m = c->s->m;
  qn_eval_options options = {.on_value = on_value, .user = c};
  qn_status status = inputs->get(inputs->user, m, func, sample, in);
  if (status) return status;
  for (uint32_t i = 0; i < num_in; i++) seen(c, qn_block_arg(m, qn_func_body(m, func), i), &in[i]);
  status = qn_evaluate(m, func, &options, num_in, in, num_out, out);
  for (uint32_t i = 0; i < num_out; i++) qn_tensor_free(c->s->ctx, &out[i]);
  return status;
}

qn_status qn__collect_rows(search *s, qn_op func) {
  const qn_check_inputs *inputs = qn_run_inputs(s->run);
  if (!inputs || !qn_func_is_public(s->m, func)) return QN_OK;
  qn_status status = make_room(s);
  if (status) return status;
  uint32_t num_in = qn_block_num_args(s->m, qn_func_body(s->m, func));
  uint32_t num_out = qn_op_num_operands(s->m, qn_func_return(s->m, func));
  qn_tensor *in = qn_run_alloc(s->run, (num_in + 1) * sizeof *in);
  qn_tensor *out = qn_run_alloc(s->run, (num_out + 1) * sizeof *out);
  if (!in || !out) return QN_ERR_NO_MEMORY;
  collection c = {.s = s, .samples = inputs->count < MAX_SAMPLES ? inputs->count : MAX_SAMPLES};
  for (; c.sample < c.samples && !status; c.sample++) {
    status = run_sample(&c, func, inputs, c.sample * inputs->count / c.samples, in, num_in, out, num_out);
    if (c.sample == 0 && c.work * (double)c.samples > MAX_RUN) c.samples = 1 + (int64_t)(MAX_RUN / c.work);
  }
  return status;
}

/* ---- errors ---- */

typedef struct noise {
  double signal, error;
} noise;

static void add(noise *n, double want, double have) {
  n->signal += want * want;
  n->error += (want - have) * (want - have);
}

static double decibels(const noise *n) {
  if (n->error > 0) return 10 * log10(n->signal / n->error);
  return n->error != n->error ? -INFINITY : INFINITY; /* NaN in the samples: nothing is good enough */
}

/* The weight as numbers [n][k], and as it comes back from codes. */
typedef struct matrices {
  float *exact, *rounded;
} matrices;

static void read_weight(const qn_context *ctx, const site *at, qn_type elem, const matrices *out) {
  const qn_tensor *t = &at->w.data;
  const qn__coder coder = qn__coder_of(ctx, elem);
  bool columns_first = at->w.column == 0; /* [n, k] */
  qn__scale_walk walk = qn__scale_walk_start(coder.q, t);
  for (int64_t i = 0, count = qn_tensor_count(t); i < count; i++, qn__scale_walk_next(&walk)) {
    float w = (float)qn_tensor_get_f64(t, i);
    int64_t to = columns_first || at->w.column < 0 || !at->measurable ? i : i % at->n * at->k + i / at->n;
    out->exact[to] = w;
    out->rounded[to] = qn__coder_decode(&coder, walk.at, qn__coder_encode(&coder, walk.at, w));
  }
}

/* Blocks of `size` of each row, with the range of each. */
static void round_blocks(const site *at, int64_t size, float *out) {
  qn_qparams_request request = qn_qparams_request_of(QN_I8);
  request.scheme = QN_SYMMETRIC, request.range = QN_RANGE_NARROW, request.dynamic = true;
  for (int64_t r = 0; r < at->num_rows; r++)
    for (int64_t k = r * at->k, end = k + at->k; k < end; k += size) {
      int64_t n = end - k < size ? end - k : size;
      float min, max;
      qn_qparams p = {.scale = 1};
      qn_range_f32(at->rows + k, (size_t)n, &min, &max);
      (void)qn_qparams_choose(&request, min, max, &p, NULL); /* a dynamic range never fails */
      for (int64_t i = k; i < k + n; i++)
        out[i] = qn_dequantize_f32(qn_quantize_f32(at->rows[i], p, QN_ROUND_HALF_EVEN), p);
    }
}

/* The range that quantize will use, or the one that was seen. */
static qn_status round_rows(search *s, const site *at, const qn_quant *weight, float *out) {
  if (s->weights.floats) {
    if (at->num_rows) memcpy(out, at->rows, (size_t)(at->num_rows * at->k) * sizeof *out);
    return QN_OK;
  }
  for (uint32_t i = 0; i < weight->num_blocks; i++)
    if (weight->blocks[i].axis == at->w.k) {
      round_blocks(at, weight->blocks[i].size, out);
      return QN_OK;
    }
  qn_qparams_request request = qn_qparams_request_of(s->activations);
  qn_qparams p;
  double min, max;
  const char *reason = "";
  if (!qn__range_of(s->m, at->x, &min, &max)) {
    min = (double)at->low, max = (double)at->high;
    request.dynamic = true;
  }
  if (qn_qparams_choose(&request, (float)min, (float)max, &p, &reason) != QN_OK)
    return qn_op_error(s->m, at->op, QN_DIAG_DATA, "no %s parameters for [%g, %g]: %s",
                       qn_scalar_get(s->activations)->text, min, max, reason);
  for (int64_t i = 0; i < at->num_rows * at->k; i++)
    out[i] = qn_dequantize_f32(qn_quantize_f32(at->rows[i], p, QN_ROUND_HALF_EVEN), p);
  return QN_OK;
}

static double dot(const float *a, const float *b, int64_t k) {
  double part[4] = {0};
  int64_t i = 0;
  for (; i + 4 <= k; i += 4)
    for (int j = 0; j < 4; j++) part[j] += (double)a[i + j] * (double)b[i + j];
  for (; i < k; i++) part[0] += (double)a[i] * (double)b[i];
  return part[0] + part[1] + (part[2] + part[3]);
}

static void multiply(const site *at, const matrices *w, const float *x, noise *out) {
  for (int64_t r = 0; r < at->num_rows; r++)
    for (int64_t j = 0; j < at->n; j++)
      add(out, dot(at->rows + r * at->k, w->exact + j * at->k, at->k),
          dot(x + r * at->k, w->rounded + j * at->k, at->k));
}

static qn_status measure(search *s, const site *at, qn_type elem, const matrices *w, float *x, noise *n) {
  read_weight(s->ctx, at, elem, w);
  if (at->num_rows) {
    qn_status status = round_rows(s, at, qn_type_as_quant(s->ctx, elem), x);
    if (!status) multiply(at, w, x, n);
    return status;
  }
  for (int64_t i = 0, count = qn_tensor_count(&at->w.data); i < count; i++)
    add(n, (double)w->exact[i], (double)w->rounded[i]);
  return QN_OK;
}

qn_status qn__measure(search *s, const site *at, qn_type elem, double *sqnr) {
  const qn_allocator *a = qn_context_allocator(s->ctx);
  size_t weight_bytes = (size_t)qn_tensor_count(&at->w.data) * sizeof(float) + 1;
  size_t row_bytes = (size_t)(at->num_rows * at->k) * sizeof(float) + 1;
  matrices w = {qn__alloc(a, weight_bytes), qn__alloc(a, weight_bytes)};
  float *x = qn__alloc(a, row_bytes);
  noise n = {0, 0};
  bool room = w.exact && w.rounded && x;
  qn_status status = room ? measure(s, at, elem, &w, x, &n) : qn_error_no_memory(s->ctx);
  *sqnr = decibels(&n);
  qn__free(a, w.exact, weight_bytes);
  qn__free(a, w.rounded, weight_bytes);
  qn__free(a, x, row_bytes);
  return status;
}
