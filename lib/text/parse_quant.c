/* !quant.* and !quern.*: uniform, any, calibrated, quantile. The grammar stands in type_text.h. */
#include "parser.h"
#include "type_text.h"
#include "types_impl.h"
#include <inttypes.h>
#include <string.h>

typedef struct storage {
  qn_type type;
  bool is_signed;
  int64_t qmin, qmax;
  qn__token at;
} storage;

/* Scales and zero points as they are read, and the shape of their nested list. */
typedef struct params {
  QN_VEC(float) scales;
  QN_VEC(int32_t) zero_points;
  bool any_zero;
  uint32_t rank;
  int64_t shape[QN_MAX_RANK];
} params;

/* ---- storage and expressed ---- */

/* i8, ui4, si4 are scalars; u8 is MLIR's way to say that i8's codes are unsigned. */
static qn_scalar storage_scalar(qn_str text, bool *is_signed) {
  qn_scalar s = qn_scalar_find(text);
  *is_signed = qn_scalar_get(s)->cls != QN_UNSIGNED;
  if (s != QN_SCALAR_NONE || text.size < 2 || text.size > 3 || text.data[0] != 'u') return s;
  char signless[4] = {'i'};
  memcpy(signless + 1, text.data + 1, text.size - 1);
  *is_signed = false;
  return qn_scalar_find((qn_str){signless, text.size});
}

static bool parse_codes(qn__parser *p, storage *s) {
  return qn__parse_i64(p, &s->qmin) && qn__expect(p, ':', "':' between the lowest and the highest code") &&
         qn__parse_i64(p, &s->qmax) && qn__expect(p, '>', "'>' after the range of codes");
}

static bool parse_storage(qn__parser *p, storage *s) {
  *s = (storage){.at = p->tok};
  if (qn__at(p, QN__TOK_BANG)) return qn__parse_type(p, &s->type); /* a codebook brings its codes */
  if (!qn__at(p, QN__TOK_ID)) return qn__expected(p, "a storage type such as i8, u8 or f8E4M3FN");
  qn_scalar scalar = storage_scalar(p->tok.text, &s->is_signed);
  if (scalar == QN_SCALAR_NONE) return qn__expected(p, "a storage type such as i8, u8 or f8E4M3FN");
  s->type = qn_type_scalar(p->ctx, scalar);
  qn__advance(p);
  bool given = qn__take(p, '<');
  if (given) return parse_codes(p, s);
  qn_scalar plain = scalar;
  bool is_signed = s->is_signed;
  if (qn_scalar_is_int(scalar) && qn__storage_normalize(&plain, &is_signed))
    qn__storage_range(plain, is_signed, &s->qmin, &s->qmax);
  return true;
}

static bool parse_float_type(qn__parser *p, const char *what, qn_type *out) {
  qn_scalar s = qn__at(p, QN__TOK_ID) ? qn_scalar_find(p->tok.text) : QN_SCALAR_NONE;
  if (!qn_scalar_is_float(s)) return qn__expected(p, "%s: a float type such as f32", what);
  *out = qn_type_scalar(p->ctx, s);
  qn__advance(p);
  return true;
}

static bool parse_expressed(qn__parser *p, qn_type *out) {
  return qn__expect(p, ':', "':' and the expressed type") && parse_float_type(p, "the expressed type", out);
}

/* ---- granularity ---- */

static bool parse_axis(qn__parser *p, int32_t *axis) {
  int64_t v;
  qn__token at = p->tok;
  if (!qn__parse_i64(p, &v)) return false;
  if (v < 0 || v >= QN_MAX_RANK)
    return qn__fail(p, &at, QN_DIAG_TYPE, "axis %" PRId64 " is out of range; axes count from 0 to %d", v,
                    QN_MAX_RANK - 1);
  *axis = (int32_t)v;
  return true;
}

static bool parse_block(qn__parser *p, qn_quant *q) {
  if (q->num_blocks == QN_MAX_RANK)
    return qn__fail(p, &p->tok, QN_DIAG_LIMIT, "at most %d axes can be blocked", QN_MAX_RANK);
  qn_block_dim *b = &q->blocks[q->num_blocks++];
  return parse_axis(p, &b->axis) && qn__expect(p, ':', "':' between axis and block size") && qn__parse_i64(p, &b->size);
}

/* Behind the expressed type: nothing, :AXIS or :{AXIS:SIZE, ..}. */
static bool parse_granularity(qn__parser *p, qn_quant *q) {
  if (!qn__take(p, ':')) return true;
  if (qn__take(p, '{')) {
    do {
      if (!parse_block(p, q)) return false;
    } while (qn__take(p, ','));
    return qn__expect(p, '}', "',' or '}' in the block sizes");
  }
  q->num_blocks = 1;
  q->blocks[0].size = 1;
  q->per_axis = true;
  return parse_axis(p, &q->blocks[0].axis);
}

/* ---- parameters ---- */

static bool parse_param(qn__parser *p, params *out) {
  float scale;
  int64_t zero = 0;
  if (!qn__parse_f32(p, &scale)) return false;
  if (qn__take(p, ':')) {
    qn__token at = p->tok;
    if (!qn__parse_i64(p, &zero)) return false;
    if (zero < INT32_MIN || zero > INT32_MAX)
      return qn__fail(p, &at, QN_DIAG_TYPE, "zero point %" PRId64 " does not fit 32 bits", zero);
  }
  if (zero) out->any_zero = true;
  if (!qn__push(p->allocator, &out->scales, scale) || !qn__push(p->allocator, &out->zero_points, (int32_t)zero))
    return qn__out_of_memory(p);
  return true;
}

/* The list at `depth` had `n` entries: as many as the lists beside it. */
static bool check_length(qn__parser *p, params *out, uint32_t depth, int64_t n) {
  if (out->shape[depth] < 0) out->shape[depth] = n;
  if (out->shape[depth] == n) return true;
  return qn__fail(p, &p->tok, QN_DIAG_TYPE,
                  "this list has %" PRId64 " entries and the one before it %" PRId64 "; all must have the same number",
                  n, out->shape[depth]);
}

static bool parse_param_list(qn__parser *p, params *out, uint32_t depth) {
  if (depth == QN_MAX_RANK)
    return qn__fail(p, &p->tok, QN_DIAG_LIMIT, "parameters nest at most %d deep, as tensors have dimensions",
                    QN_MAX_RANK);
  if (!qn__expect(p, '{', "'{' and a list of scales")) return false;
  bool nested = qn__at(p, '{');
  if (out->rank == 0 && !nested) out->rank = depth + 1;
  if (nested ? out->rank != 0 && depth + 1 >= out->rank : depth + 1 != out->rank)
    return qn__expected(p, "all parameters to be nested equally deep");
  int64_t n = 0;
  do {
    if (!(nested ? parse_param_list(p, out, depth + 1) : parse_param(p, out))) return false;
    n++;
  } while (qn__take(p, ','));
  return qn__expect(p, '}', "',' or '}' in the list of parameters") && check_length(p, out, depth, n);
}

/* The tensor of a resource: floats in any type, since their type only decides how they are stored. */
static bool read_scales(qn__parser *p, const qn__token *at, qn_str key, params *out) {
  qn_tensor t;
  bool found;
  if (!qn__resource_params(p, at, key, QN_F32, false, &t, &found)) return false;
  int64_t n = qn_tensor_count(&t);
  if (!qn_scalar_is_float(t.elem) || n < 1 || n > INT32_MAX)
    return qn__fail(p, at, QN_DIAG_TYPE, "resource '%.*s' holds %s values; scales are one or more floats",
                    (int)key.size, key.data, qn_scalar_get(t.elem)->text);
  if (!qn__reserve(p->allocator, &out->scales, n)) return qn__out_of_memory(p);
  for (int64_t i = 0; i < n; i++) out->scales.data[i] = (float)qn_tensor_get_f64(&t, i);
  out->scales.size = (uint32_t)n;
  out->rank = t.rank;
  memcpy(out->shape, t.shape, t.rank * sizeof *t.shape);
  return true;
}

static bool read_zero_points(qn__parser *p, const qn__token *at, qn_str key, params *out) {
  qn_tensor t;
  bool found;
  qn_str name = qn__arena_fmt(&p->scratch, "%.*s.zero_points", (int)key.size, key.data);
  if (!name.data) return qn__out_of_memory(p);
  if (!qn__resource_params(p, at, name, QN_I32, true, &t, &found)) return false;
  if (!found) return true;
  uint32_t n = out->scales.size;
  if (!qn_scalar_is_int(t.elem) || qn_tensor_count(&t) != n)
    return qn__fail(p, at, QN_DIAG_TYPE, "resource '%s' must hold %" PRIu32 " integers, one for each scale", name.data,
                    n);
  if (!qn__reserve(p->allocator, &out->zero_points, n)) return qn__out_of_memory(p);
  for (uint32_t i = 0; i < n; i++) {
    int64_t z = qn_tensor_get_i64(&t, i);
    if (z < INT32_MIN || z > INT32_MAX)
      return qn__fail(p, at, QN_DIAG_TYPE, "zero point %" PRId64 " in resource '%s' does not fit 32 bits", z,
                      name.data);
    out->zero_points.data[i] = (int32_t)z;
    if (z) out->any_zero = true;
  }
  out->zero_points.size = n;
  return true;
}

static bool parse_params(qn__parser *p, params *out) {
  if (qn__at_word(p, "dense_resource")) {
    qn__token at;
    qn_str key;
    qn__advance(p);
    return qn__parse_resource_key(p, &at, &key) && read_scales(p, &at, key, out) && read_zero_points(p, &at, key, out);
  }
  if (qn__at(p, '{')) return parse_param_list(p, out, 0);
  return parse_param(p, out);
}

/* ---- uniform ---- */

static qn_scalar scale_type(qn_str text) {
  if (qn_str_eq(text, qn_str_of("E8M0"))) return QN_F8E8M0FNU;
  if (qn_str_eq(text, qn_str_of("E4M3"))) return QN_F8E4M3FN;
  return qn_scalar_find(text);
}

/* scale = T and tensor_scale = X, each with its comma. */
static bool parse_options(qn__parser *p, qn_quant *q) {
  while (qn__at(p, QN__TOK_ID) && !qn__at_word(p, "dense_resource")) {
    bool scale = qn__at_word(p, "scale");
    if (!scale && !qn__at_word(p, "tensor_scale"))
      return qn__expected(p, "scales, 'scale = TYPE' or 'tensor_scale = NUMBER'");
    qn__advance(p);
    if (!qn__expect(p, '=', "'='")) return false;
    if (scale) {
      q->scale_type = qn__at(p, QN__TOK_ID) ? scale_type(p->tok.text) : QN_SCALAR_NONE;
      if (q->scale_type == QN_SCALAR_NONE)
        return qn__expected(p, "the type scales are stored in: f32, f16, bf16, f8E8M0FNU or f8E4M3FN");
      qn__advance(p);
    } else if (!qn__parse_f32(p, &q->tensor_scale)) {
      return false;
    }
    if (!qn__expect(p, ',', "',' and the scales")) return false;
  }
  return true;
}

static bool check_list_form(qn__parser *p, const qn__token *at, const qn_quant *q, const params *list) {
  if (q->num_blocks == 0 && list->rank != 0)
    return qn__fail(
        p, at, QN_DIAG_TYPE,
        "a list of scales needs the axes it runs along: ':AXIS' or ':{AXIS:SIZE, ..}' after the expressed type");
  if (q->num_blocks != 0 && list->rank == 0)
    return qn__fail(p, at, QN_DIAG_TYPE, "scales along an axis are a list in braces: {0.1, 0.2}");
  if (q->per_axis && list->rank != 1)
    return qn__fail(p, at, QN_DIAG_TYPE,
                    "scales of one axis are one list, not lists in lists; for blocks write ':{AXIS:SIZE}'");
  return true;
}

static bool parse_uniform_parts(qn__parser *p, qn_quant *q, params *list, qn__token *list_at) {
  storage s;
  if (!parse_storage(p, &s) || !parse_expressed(p, &q->expressed) || !parse_granularity(p, q) ||
      !qn__expect(p, ',', "',' and the scales") || !parse_options(p, q))
    return false;
  *list_at = p->tok;
  memset(list->shape, -1, sizeof list->shape);
  if (!parse_params(p, list) || !check_list_form(p, list_at, q, list)) return false;
  q->storage = s.type;
  q->is_signed = s.is_signed;
  q->qmin = s.qmin;
  q->qmax = s.qmax;
  q->num_scales = list->scales.size;
  q->scales = list->scales.data;
  q->zero_points = list->any_zero ? list->zero_points.data : NULL;
  q->param_rank = list->rank;
  memcpy(q->param_shape, list->shape, list->rank * sizeof *list->shape);
  return true;
}

static bool parse_uniform(qn__parser *p, const qn__token *start, qn_type *out) {
  qn_quant q = {.scale_type = QN_F32, .tensor_scale = 1};
  params list = {0};
  qn__token list_at;
  bool ok = parse_uniform_parts(p, &q, &list, &list_at);
  if (ok) {
    *out = qn_type_quant(p->ctx, &q, qn__place(p, start));
    ok = !qn_type_is_null(*out) || qn__failed(p);
  }
  qn__vec_free(p->allocator, &list.scales);
  qn__vec_free(p->allocator, &list.zero_points);
  return ok && qn__expect(p, '>', "'>' at the end of the quantized type");
}

/* ---- any, calibrated, quantile ---- */

static bool parse_any(qn__parser *p, const qn__token *start, qn_type *out) {
  storage s;
  qn_type expressed = {0};
  if (!parse_storage(p, &s)) return false;
  if (qn__at(p, ':') && !parse_expressed(p, &expressed)) return false;
  *out = qn__type_any_at(p->ctx, s.type, s.is_signed, s.qmin, s.qmax, expressed, qn__place(p, start));
  if (qn_type_is_null(*out)) return qn__failed(p);
  return qn__expect(p, '>', "'>' at the end of the type");
}

static bool parse_calibrated(qn__parser *p, const qn__token *start, qn_type *out) {
  qn_type expressed = {0};
  double min = 0, max = 0;
  if (!parse_float_type(p, "the expressed type", &expressed) || !qn__expect(p, '<', "'<' and the range") ||
      !qn__parse_f64(p, &min) || !qn__expect(p, ':', "':' between the smallest and the largest value") ||
      !qn__parse_f64(p, &max) || !qn__expect(p, '>', "'>' after the range"))
    return false;
  *out = qn__type_calibrated_at(p->ctx, expressed, min, max, qn__place(p, start));
  if (qn_type_is_null(*out)) return qn__failed(p);
  return qn__expect(p, '>', "'>' at the end of the type");
}

typedef QN_VEC(double) doubles;

static bool parse_entries(qn__parser *p, doubles *out) {
  if (!qn__expect(p, ',', "',' and the codebook") || !qn__expect(p, '{', "'{' and the codebook's entries"))
    return false;
  do {
    double v;
    if (!qn__parse_f64(p, &v)) return false;
    if (!qn__push(p->allocator, out, v)) return qn__out_of_memory(p);
  } while (qn__take(p, ','));
  return qn__expect(p, '}', "',' or '}' in the codebook");
}

static bool parse_quantile(qn__parser *p, const qn__token *start, qn_type *out) {
  storage s = {0};
  qn_type expressed = {0};
  doubles entries = {0};
  bool ok = parse_storage(p, &s) && parse_expressed(p, &expressed) && parse_entries(p, &entries);
  if (ok) {
    *out =
        qn__type_quantile_at(p->ctx, s.type, s.is_signed, expressed, entries.size, entries.data, qn__place(p, start));
    ok = !qn_type_is_null(*out) || qn__failed(p);
  }
  qn__vec_free(p->allocator, &entries);
  return ok && qn__expect(p, '>', "'>' at the end of the codebook");
}

static const struct {
  const char *name;
  bool (*parse)(qn__parser *p, const qn__token *start, qn_type *out);
} kinds[] = {
    {"uniform", parse_uniform}, {"any", parse_any}, {"calibrated", parse_calibrated}, {"quantile", parse_quantile}};

bool qn__parse_quant_type(qn__parser *p, const qn__token *start, qn_str name, qn_type *out, bool *known) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (!qn_str_eq(name, qn_str_of(kinds[i].name))) continue;
    *known = true;
    return qn__expect(p, '<', "'<' and the type's parameters") && kinds[i].parse(p, start, out);
  }
  *known = false;
  return false;
}
