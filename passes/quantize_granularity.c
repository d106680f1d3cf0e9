/* The table of granularities, and quantized types and codes of constants. A granularity is a list of blocks, so each is
 * one row: its name, how it cuts a weight, and why it is refused while no kernel reads it. */
#include "quantize.h"
#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

static bool no_blocks(const qn__weight *w, int64_t size, qn_block_dim *out, uint32_t *n) {
  (void)w, (void)size, (void)out;
  *n = 0;
  return true;
}

static bool groups(const qn__weight *w, int64_t size, qn_block_dim *out, uint32_t *n) {
  if (w->column < 0 || w->data.shape[w->column] == 0) return false;
  out[0] = (qn_block_dim){w->column, size};
  *n = 1;
  return true;
}

static bool channels(const qn__weight *w, int64_t size, qn_block_dim *out, uint32_t *n) {
  (void)size;
  return groups(w, 1, out, n);
}

static bool blocks(const qn__weight *w, int64_t size, qn_block_dim *out, uint32_t *n) {
  if (!channels(w, 1, out, n) || w->data.shape[w->k] == 0) return false;
  out[1] = (qn_block_dim){w->k, size};
  *n = 2;
  return true;
}

static const qn__granularity_row rows[] = {
    {"tensor", false, NULL, no_blocks},
    {"group", true, "no kernel reads scales of groups of columns; take channel, which is finer at the same speed",
     groups},
    {"channel", false, NULL, channels},
    {"block", true, NULL, blocks},
};

const qn__granularity_row *qn__granularity_at(size_t i) {
  return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

bool qn__has_k_blocks(const qn__granularity *g) {
  return g->row && g->row->blocks == blocks;
}

const char *qn__granularity_text(const qn__granularity *g, char text[48]) {
  if (g->row->sized)
    snprintf(text, 48, "%s=%lld", g->row->name, (long long)g->size);
  else
    snprintf(text, 48, "%s", g->row->name);
  return text;
}

/* ---- reading options ---- */

static bool parse_size(qn_str text, int64_t *out) {
  int64_t v = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9' || v > INT32_MAX) return false;
    v = v * 10 + (text.data[i] - '0');
  }
  *out = v;
  return text.size > 0 && v > 0;
}

qn_status qn__granularity_parse(qn_context *ctx, const char *pass, qn_str text, qn__granularity *out) {
  *out = (qn__granularity){0};
  if (qn_str_eq(text, qn_str_of("auto"))) return QN_OK;
  const char *eq = text.size ? memchr(text.data, '=', text.size) : NULL;
  qn_str name = {text.data, eq ? (size_t)(eq - text.data) : text.size};
  for (size_t i = 0; qn__granularity_at(i); i++) {
    const qn__granularity_row *row = qn__granularity_at(i);
    if (!qn_str_eq(name, qn_str_of(row->name))) continue;
    qn_str size = {eq ? eq + 1 : NULL, eq ? text.size - name.size - 1 : 0};
    if (row->sized ? !parse_size(size, &out->size) : eq != NULL)
      return qn_error(ctx, QN_DIAG_ATTRIBUTE, qn_place_file(""), "%s: granularity is '%.*s', expected '%s%s", pass,
                      (int)text.size, text.data, row->name, row->sized ? "=SIZE' with a size of 1 or more" : "'");
    if (row->refused)
      return qn_error(ctx, QN_DIAG_UNSUPPORTED, qn_place_file(""), "%s: granularity '%.*s' is refused: %s", pass,
                      (int)text.size, text.data, row->refused);
    out->row = row;
    return QN_OK;
  }
  return qn_error(
      ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(""),
      "%s: there is no granularity '%.*s'; there are auto, tensor, channel, block=SIZE, and group=SIZE, which "
      "no kernel runs",
      pass, (int)text.size, text.data);
}

/* "u8" is how quantized types spell ui8. */
static qn_scalar storage_find(qn_str text) {
  char spelled[8] = "ui";
  qn_scalar s = qn_scalar_find(text);
  if (s != QN_SCALAR_NONE || text.size < 2 || text.size > 3 || text.data[0] != 'u') return s;
  memcpy(spelled + 2, text.data + 1, text.size - 1);
  return qn_scalar_find((qn_str){spelled, text.size + 1});
}

qn_status qn__storage_parse(qn_context *ctx, const char *pass, const char *option, qn_str text, qn_scalar *out) {
  *out = storage_find(text);
  uint32_t bits = qn_scalar_get(*out)->bits;
  if (qn_scalar_is_int(*out) && *out != QN_INDEX && bits >= 2 && bits <= 16) return QN_OK;
  return qn_error(ctx, QN_DIAG_UNKNOWN_NAME, qn_place_file(""),
                  "%s: %s is '%.*s', expected an integer of 2 to 16 bits such as i8, u8 or i4", pass, option,
                  (int)text.size, text.data);
}

/* ---- walking over scales ---- */

qn__scale_walk qn__scale_walk_start(const qn_quant *q, const qn_tensor *t) {
  qn__scale_walk w = {.rank = t->rank};
  uint32_t step = 1;
  for (uint32_t d = 0; d < t->rank; d++) w.shape[d] = t->shape[d];
  for (uint32_t i = q->num_blocks; i-- > 0;) {
    uint32_t d = (uint32_t)q->blocks[i].axis;
    w.block[d] = q->blocks[i].size;
    w.stride[d] = step;
    step *= (uint32_t)((t->shape[d] + q->blocks[i].size - 1) / q->blocks[i].size);
  }
  return w;
}

void qn__scale_walk_next(qn__scale_walk *w) {
  for (uint32_t d = w->rank; d-- > 0;) {
    bool wraps = ++w->index[d] == w->shape[d];
    if (w->block[d] && wraps) w->at -= (uint32_t)((w->shape[d] - 1) / w->block[d]) * w->stride[d];
    if (w->block[d] && !wraps && w->index[d] % w->block[d] == 0) w->at += w->stride[d];
    if (!wraps) return;
    w->index[d] = 0;
  }
}

qn_qparams qn__params_at(const qn_quant *q, uint32_t i) {
  return (qn_qparams){.scale = q->scales[i] * q->tensor_scale,
                      .zero_point = q->zero_points ? q->zero_points[i] : 0,
                      .qmin = (int32_t)q->qmin,
                      .qmax = (int32_t)q->qmax};
}

/* ---- types ---- */

static qn_quant quant_of(qn_context *ctx, qn_scalar storage, qn_type expressed) {
  return (qn_quant){.storage = qn_type_scalar(ctx, storage),
                    .is_signed = qn_scalar_get(storage)->cls != QN_UNSIGNED,
                    .expressed = expressed,
                    .num_scales = 1,
                    .scale_type = QN_F32,
                    .tensor_scale = 1};
}

qn_status qn__activation_type(const qn_module *m, qn_op op, qn_scalar storage, qn_type expressed, double min,
                              double max, qn_type *out) {
  qn_context *ctx = qn_module_context(m);
  qn_qparams_request request = qn_qparams_request_of(storage);
  qn_qparams p;
  const char *reason = "";
  if (qn_qparams_choose(&request, (float)min, (float)max, &p, &reason) != QN_OK)
    return qn_op_error(m, op, QN_DIAG_DATA, "no %s parameters for the calibrated range [%g, %g]: %s; calibrate again",
                       qn_scalar_get(storage)->text, min, max, reason);
  qn_quant q = quant_of(ctx, storage, expressed);
  q.qmin = p.qmin, q.qmax = p.qmax;
  q.scales = &p.scale;
  q.zero_points = &p.zero_point;
  *out = qn_type_quant(ctx, &q, qn_op_place(m, op));
  return qn_type_is_null(*out) ? QN_ERR_INPUT : QN_OK;
}

static int64_t ceil_div(int64_t a, int64_t b) {
  return a / b + (a % b != 0);
}

/* The type's shape of parameters: one per block along each blocked axis. */
static void cut(const qn__weight *w, qn_quant *q) {
  for (uint32_t i = 1; i < q->num_blocks; i++)
    for (uint32_t k = i; k > 0 && q->blocks[k - 1].axis > q->blocks[k].axis; k--) {
      qn_block_dim t = q->blocks[k];
      q->blocks[k] = q->blocks[k - 1];
      q->blocks[k - 1] = t;
    }
  q->param_rank = q->num_blocks ? w->data.rank : 0;
  for (uint32_t d = 0; d < q->param_rank; d++) q->param_shape[d] = 1;
  q->num_scales = 1;
  for (uint32_t i = 0; i < q->num_blocks; i++) {
    int64_t n = ceil_div(w->data.shape[q->blocks[i].axis], q->blocks[i].size);
    q->param_shape[q->blocks[i].axis] = n;
    q->num_scales *= (uint32_t)n;
  }
  q->per_axis = q->num_blocks == 1 && q->blocks[0].size == 1;
}

typedef struct ranges {
  float *low, *high;
} ranges;

static qn_status find_ranges(const qn_module *m, qn_op op, const qn__weight *w, const qn_quant *q, ranges *r) {
  qn__scale_walk walk = qn__scale_walk_start(q, &w->data);
  for (int64_t i = 0, n = qn_tensor_count(&w->data); i < n; i++, qn__scale_walk_next(&walk)) {
    float x = (float)qn_tensor_get_f64(&w->data, i);
    if (!(x - x == 0))
      return qn_op_error(m, op, QN_DIAG_DATA, "element %lld of the weight is %s: only finite numbers have codes",
                         (long long)i, x != x ? "NaN" : "infinite");
    if (x < r->low[walk.at]) r->low[walk.at] = x;
    if (x > r->high[walk.at]) r->high[walk.at] = x;
  }
  return QN_OK;
}

static qn_status choose_all(const qn_module *m, qn_op op, const qn__format *f, bool blocks, qn_quant *q,
                            const ranges *r, float *scales, int32_t *zeros) {
  bool any = false;
  for (uint32_t i = 0; i < q->num_scales; i++) {
    qn_qparams p = {0};
    const char *reason = "";
    if (qn__format_choose(f, blocks, q, r->low[i], r->high[i], &p, &reason) != QN_OK)
      return qn_op_error(m, op, QN_DIAG_DATA, "no %s parameters for a weight in [%g, %g]: %s",
                         qn_scalar_get(f->storage)->text, (double)r->low[i], (double)r->high[i], reason);
    scales[i] = p.scale, zeros[i] = p.zero_point;
    q->qmin = p.qmin, q->qmax = p.qmax;
    any |= p.zero_point != 0;
  }
  q->scales = scales;
  q->zero_points = any || f->kind == QN__FORMAT_INTEGER ? zeros : NULL;
  return QN_OK;
}

qn_status qn__weight_type(qn_pass_run *run, qn_op op, const qn__weight *w, const qn__format *f, qn__granularity g,
                          qn_type *out) {
  qn_module *m = qn_run_module(run);
  bool blocks_of_k = qn__has_k_blocks(&g);
  qn_quant q = quant_of(qn_run_context(run), f->storage, w->expressed);
  *out = (qn_type){0};
  if (!g.row->blocks(w, g.size, q.blocks, &q.num_blocks)) return QN_OK;
  cut(w, &q);
  size_t n = q.num_scales;
  ranges r = {qn_run_alloc(run, n * sizeof(float)), qn_run_alloc(run, n * sizeof(float))};
  float *scales = qn_run_alloc(run, n * sizeof *scales);
  int32_t *zeros = qn_run_alloc(run, n * sizeof *zeros);
  if (!r.low || !r.high || !scales || !zeros) return QN_ERR_NO_MEMORY;
  qn_status status = find_ranges(m, op, w, &q, &r);
  float amax = 0;
  for (size_t i = 0; i < n; i++) {
    if (-r.low[i] > amax) amax = -r.low[i];
    if (r.high[i] > amax) amax = r.high[i];
  }
  qn__format_start(qn_run_context(run), f, blocks_of_k, amax, &q);
  if (!status) status = choose_all(m, op, f, blocks_of_k, &q, &r, scales, zeros);
  if (status) return status;
  *out = qn_type_quant(qn_run_context(run), &q, qn_op_place(m, op));
  return qn_type_is_null(*out) ? QN_ERR_INPUT : QN_OK;
}

void qn__weight_codes(qn_context *ctx, const qn__weight *w, qn_type elem, void *out) {
  const qn__coder c = qn__coder_of(ctx, elem);
  qn_tensor codes = w->data;
  codes.elem = c.memory == QN_F4E2M1FN ? QN_UI4 : c.memory; /* bits */
  codes.data = out;
  qn__scale_walk walk = qn__scale_walk_start(c.q, &w->data);
  for (int64_t i = 0, n = qn_tensor_count(&codes); i < n; i++, qn__scale_walk_next(&walk))
    qn_tensor_set_i64(&codes, i, qn__coder_encode(&c, walk.at, (float)qn_tensor_get_f64(&w->data, i)));
}
