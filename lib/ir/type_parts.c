/* !quant.any, !quant.calibrated and !quant.quantile; what storage and expressed types may be; whether a quantized
 * element type fits a tensor. */
#include "convert.h"
#include "ir_state.h"
#include "type_text.h"
#include <inttypes.h>
#include <string.h>

/* ---- storage ---- */

/* Storage integers by width: signless holds the bits, and the memory form says how they are read. */
static const struct {
  uint8_t signless, unsigned_, signed_;
} storages[] = {{QN_I2, QN_UI2, QN_SI2},
                {QN_I4, QN_UI4, QN_SI4},
                {QN_I8, QN_UI8, QN_SI8},
                {QN_I16, QN_UI16, QN_SI16},
                {QN_I32, QN_UI32, QN_SI32}};

bool qn__storage_normalize(qn_scalar *storage, bool *is_signed) {
  if (*storage == QN_F8E4M3FN || *storage == QN_F8E5M2 || *storage == QN_F4E2M1FN) {
    *is_signed = true;
    return true;
  }
  for (size_t i = 0; i < sizeof storages / sizeof *storages; i++) {
    if (*storage == storages[i].signless) return true;
    if (*storage != storages[i].unsigned_ && *storage != storages[i].signed_) continue;
    *is_signed = *storage == storages[i].signed_;
    *storage = (qn_scalar)storages[i].signless;
    return true;
  }
  return false;
}

static qn_scalar memory_form(qn_scalar storage, bool is_signed) {
  for (size_t i = 0; i < sizeof storages / sizeof *storages && !is_signed; i++)
    if (storage == storages[i].signless) return (qn_scalar)storages[i].unsigned_;
  return storage;
}

void qn__storage_range(qn_scalar storage, bool is_signed, int64_t *lo, int64_t *hi) {
  qn_scalar s = memory_form(storage, is_signed);
  *lo = qn_scalar_min(s);
  *hi = qn_scalar_max(s);
}

/* ---- shared checks ---- */

bool qn__type_check_expressed(qn_context *ctx, qn_type expressed, qn_place place) {
  qn_scalar s = qn_type_as_scalar(ctx, expressed);
  if (qn_scalar_is_float(s) && s != QN_F8E8M0FNU && s != QN_F4E2M1FN) return true;
  qn_error(ctx, QN_DIAG_TYPE, place, "values cannot be expressed as %s; use f32, f16, bf16, f64 or an f8 float",
           qn_type_text(ctx, expressed).data);
  return false;
}

bool qn__type_check_codes(qn_context *ctx, qn_scalar storage, bool is_signed, int64_t qmin, int64_t qmax,
                          qn_place place) {
  if (qn_scalar_is_float(storage)) {
    if (qmin == 0 && qmax == 0) return true;
    qn_error(ctx, QN_DIAG_TYPE, place, "%s storage takes no code range, found %" PRId64 ":%" PRId64 "; leave it out",
             qn_scalar_get(storage)->text, qmin, qmax);
    return false;
  }
  int64_t lo, hi;
  qn__storage_range(storage, is_signed, &lo, &hi);
  const char *text = qn_scalar_get(storage)->text + 1;
  char sign = is_signed ? 'i' : 'u';
  if (qmin < lo || qmax > hi) {
    qn_error(ctx, QN_DIAG_TYPE, place, "codes %" PRId64 ":%" PRId64 " do not fit %c%s, which has %" PRId64 ":%" PRId64,
             qmin, qmax, sign, text, lo, hi);
    return false;
  }
  if (qmin < qmax) return true;
  qn_error(ctx, QN_DIAG_TYPE, place,
           "the lowest code %" PRId64 " must be below the highest, %" PRId64 "; all of %c%s is %" PRId64 ":%" PRId64,
           qmin, qmax, sign, text, lo, hi);
  return false;
}

/* ---- any, calibrated, quantile ---- */

static qn_type intern_parts(qn_context *ctx, qn_type_kind kind, const qn__parts_body *body) {
  size_t size = sizeof *body + body->num_entries * sizeof(double);
  return qn__type_intern(ctx, &(qn__type_rec){.kind = (uint8_t)kind, .size = (uint32_t)size, .body = body});
}

qn_type qn__type_any_at(qn_context *ctx, qn_type storage, bool is_signed, int64_t qmin, int64_t qmax, qn_type expressed,
                        qn_place place) {
  if (!qn__ir(ctx)) return (qn_type){0};
  qn_scalar s = qn_type_as_scalar(ctx, storage);
  if (!qn__storage_normalize(&s, &is_signed)) {
    qn_error(ctx, QN_DIAG_TYPE, place,
             "%s cannot store quantized values; use an integer of 2, 4, 8, 16 or 32 bits, f4E2M1FN, f8E4M3FN or f8E5M2",
             qn_type_text(ctx, storage).data);
    return (qn_type){0};
  }
  if (!qn__type_check_codes(ctx, s, is_signed, qmin, qmax, place)) return (qn_type){0};
  if (expressed.id && !qn__type_check_expressed(ctx, expressed, place)) return (qn_type){0};
  qn__parts_body body = {
      .storage = qn_type_scalar(ctx, s), .expressed = expressed, .qmin = qmin, .qmax = qmax, .is_signed = is_signed};
  return intern_parts(ctx, QN_TYPE_ANY, &body);
}

/* By bits: comparisons of the caller's environment may flush subnormals. */
static bool finite(double x) {
  return (qn__f64_bits(x) >> 52 & 0x7FF) != 0x7FF;
}

/* Numbers in ascending order of value, -0 below +0. */
static int64_t order(double x) {
  int64_t bits = (int64_t)qn__f64_bits(x);
  return bits < 0 ? INT64_MIN - bits : bits;
}

qn_type qn__type_calibrated_at(qn_context *ctx, qn_type expressed, double min, double max, qn_place place) {
  if (!qn__ir(ctx) || !qn__type_check_expressed(ctx, expressed, place)) return (qn_type){0};
  char lo[QN__NUMBER_TEXT], hi[QN__NUMBER_TEXT];
  if (!finite(min) || !finite(max) || order(min) > order(max)) {
    qn_error(ctx, QN_DIAG_DATA, place, "%s:%s is no range; both ends are finite and the first is not above the second",
             qn__f64_text(lo, min), qn__f64_text(hi, max));
    return (qn_type){0};
  }
  qn__parts_body body = {.expressed = expressed, .min = min, .max = max};
  return intern_parts(ctx, QN_TYPE_CALIBRATED, &body);
}

static bool check_entries(qn_context *ctx, qn_scalar storage, uint32_t n, const double *entries, qn_place place) {
  unsigned bits = qn_scalar_get(storage)->bits;
  if (n < 2 || n > 1u << bits) {
    qn_error(ctx, QN_DIAG_TYPE, place, "%u codebook entries; codes of %u bits name 2 to %u", n, bits, 1u << bits);
    return false;
  }
  char text[QN__NUMBER_TEXT];
  for (uint32_t i = 0; i < n; i++)
    if (!finite(entries[i])) {
      qn_error(ctx, QN_DIAG_DATA, place, "codebook entry %u is %s; entries are finite", i,
               qn__f64_text(text, entries[i]));
      return false;
    }
  return true;
}

qn_type qn__type_quantile_at(qn_context *ctx, qn_type storage, bool is_signed, qn_type expressed, uint32_t n,
                             const double *entries, qn_place place) {
  if (!qn__ir(ctx)) return (qn_type){0};
  qn_scalar s = qn_type_as_scalar(ctx, storage);
  if (!qn__storage_normalize(&s, &is_signed) || !qn_scalar_is_int(s) || qn_scalar_get(s)->bits > 16) {
    qn_error(ctx, QN_DIAG_TYPE, place, "%s cannot hold codes of a codebook; use an integer of 2, 4, 8 or 16 bits",
             qn_type_text(ctx, storage).data);
    return (qn_type){0};
  }
  if (!qn__type_check_expressed(ctx, expressed, place) || !check_entries(ctx, s, n, entries, place))
    return (qn_type){0};
  size_t size = sizeof(qn__parts_body) + n * sizeof *entries;
  qn__parts_body *body = qn__alloc_zero(&ctx->allocator, size);
  if (!body) {
    qn_error_no_memory(ctx);
    return (qn_type){0};
  }
  body->storage = qn_type_scalar(ctx, s);
  body->expressed = expressed;
  body->is_signed = is_signed;
  qn__storage_range(s, is_signed, &body->qmin, &body->qmax);
  body->qmax = body->qmin + (int64_t)n - 1;
  body->num_entries = n;
  memcpy(body->entries, entries, n * sizeof *entries);
  qn_type t = intern_parts(ctx, QN_TYPE_QUANTILE, body);
  qn__free(&ctx->allocator, body, size);
  return t;
}

qn_type qn_type_any(qn_context *ctx, qn_type storage, bool is_signed, int64_t qmin, int64_t qmax, qn_type expressed) {
  return qn__type_any_at(ctx, storage, is_signed, qmin, qmax, expressed, qn_place_file(""));
}

qn_type qn_type_calibrated(qn_context *ctx, qn_type expressed, double min, double max) {
  return qn__type_calibrated_at(ctx, expressed, min, max, qn_place_file(""));
}

qn_type qn_type_quantile(qn_context *ctx, qn_type storage, bool is_signed, qn_type expressed, uint32_t n,
                         const double *entries) {
  return qn__type_quantile_at(ctx, storage, is_signed, expressed, n, entries, qn_place_file(""));
}

/* ---- reading ---- */

static const qn__parts_body *parts_body(const qn__type_rec *r) {
  bool has = r->kind == QN_TYPE_ANY || r->kind == QN_TYPE_CALIBRATED || r->kind == QN_TYPE_QUANTILE;
  return has ? r->body : NULL;
}

bool qn_type_calibrated_range(const qn_context *ctx, qn_type t, double *min, double *max) {
  const qn__type_rec *r = qn__type_get(ctx, t);
  if (r->kind != QN_TYPE_CALIBRATED) return false;
  *min = parts_body(r)->min;
  *max = parts_body(r)->max;
  return true;
}

qn_type_parts qn_type_get_parts(const qn_context *ctx, qn_type t) {
  const qn__type_rec *r = qn__type_get(ctx, t);
  const qn__parts_body *p = parts_body(r);
  if (p)
    return (qn_type_parts){.storage = p->storage,
                           .expressed = p->expressed,
                           .is_signed = p->is_signed != 0,
                           .qmin = p->qmin,
                           .qmax = p->qmax,
                           .num_entries = p->num_entries,
                           .entries = p->num_entries ? p->entries : NULL};
  const qn_quant *q = qn_type_as_quant(ctx, t);
  if (q)
    return (qn_type_parts){
        .storage = q->storage, .expressed = q->expressed, .is_signed = q->is_signed, .qmin = q->qmin, .qmax = q->qmax};
  if (r->kind == QN_TYPE_OPAQUE) return (qn_type_parts){.text = {r->body, r->size}};
  return (qn_type_parts){.text = {NULL, 0}};
}

/* The scalar that an element is held in, and whether it is read as signed: at most quant -> quantile -> scalar. */
static qn_scalar held_in(const qn_context *ctx, qn_type t, bool *is_signed) {
  *is_signed = true;
  t = qn_type_elem(ctx, t);
  for (qn_type_kind kind; (kind = qn_type_kind_of(ctx, t)) > QN_TYPE_FUNCTION && kind != QN_TYPE_OPAQUE;) {
    qn_type_parts parts = qn_type_get_parts(ctx, t);
    if (kind != QN_TYPE_CALIBRATED) *is_signed = parts.is_signed;
    t = kind == QN_TYPE_CALIBRATED ? parts.expressed : parts.storage;
  }
  return qn_type_as_scalar(ctx, t);
}

qn_scalar qn_type_storage(const qn_context *ctx, qn_type elem) {
  bool is_signed;
  return held_in(ctx, elem, &is_signed);
}

qn_scalar qn_type_memory(const qn_context *ctx, qn_type elem) {
  bool is_signed;
  qn_scalar s = held_in(ctx, elem, &is_signed);
  return memory_form(s, is_signed);
}

/* ---- fitting a tensor ---- */

static qn_status check_axis(qn_context *ctx, qn_type type, const qn_quant *q, const qn_block_dim *b, qn_place place) {
  uint32_t rank = qn_type_rank(ctx, type);
  const char *text = qn_type_text(ctx, type).data;
  if ((uint32_t)b->axis >= rank)
    return qn_error(ctx, QN_DIAG_SHAPE, place, "%s: quantized along axis %d, but the tensor has %u axes", text, b->axis,
                    rank);
  int64_t size = qn_type_shape(ctx, type)[b->axis];
  if (size == QN_DYNAMIC)
    return qn_error(ctx, QN_DIAG_SHAPE, place,
                    "%s: quantized along axis %d, whose size is not known; give it a size or quantize per tensor", text,
                    b->axis);
  int64_t need = size / b->size + (size % b->size != 0), found = q->param_shape[q->per_axis ? 0 : b->axis];
  if (need == found) return QN_OK;
  return qn_error(ctx, QN_DIAG_SHAPE, place,
                  "%s: axis %d of size %" PRId64 " in blocks of %" PRId64 " takes %" PRId64 " scales, found %" PRId64,
                  text, b->axis, size, b->size, need, found);
}

qn_status qn__type_check_tensor(qn_context *ctx, qn_type type, qn_place place) {
  if (qn_type_kind_of(ctx, type) != QN_TYPE_TENSOR) return QN_OK;
  if (qn_type_is_static(ctx, type) && qn_type_count(ctx, type) < 0)
    return qn_error(ctx, QN_DIAG_LIMIT, place, "%s has more elements than can be counted in 63 bits",
                    qn_type_text(ctx, type).data);
  const qn_quant *q = qn_type_as_quant(ctx, qn_type_elem(ctx, type));
  if (!q) return QN_OK;
  for (uint32_t i = 0; i < q->num_blocks; i++) {
    qn_status s = check_axis(ctx, type, q, &q->blocks[i], place);
    if (s != QN_OK) return s;
  }
  uint32_t rank = qn_type_rank(ctx, type);
  if (q->num_blocks == 0 || q->per_axis || q->param_rank == rank) return QN_OK;
  return qn_error(ctx, QN_DIAG_SHAPE, place, "%s: parameters are nested %u deep, but the tensor has %u axes",
                  qn_type_text(ctx, type).data, q->param_rank, rank);
}
