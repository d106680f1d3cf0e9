/* Quantized types: their parameters are checked here once and interned by content, so that everything above may rely on
 * them and compare types by id. */
#include "convert.h"
#include "ir_state.h"
#include "type_text.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

static bool wrong(qn_context *ctx, qn_diag_code code, qn_place place, const char *fmt, ...) QN_PRINTF(4, 5);
static bool wrong(qn_context *ctx, qn_diag_code code, qn_place place, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  qn_report(ctx, QN_ERROR, code, place, fmt, args);
  va_end(args);
  return false;
}

/* ---- storage ---- */

/* A quantile type brings its own codes and sign; anything else must be a scalar that codes fit in. */
static bool normalize_storage(qn_context *ctx, qn_quant *q, qn_place place) {
  if (qn_type_kind_of(ctx, q->storage) == QN_TYPE_QUANTILE) {
    qn_type_parts parts = qn_type_get_parts(ctx, q->storage);
    bool unset = q->qmin == 0 && q->qmax == 0;
    if (!unset && (q->qmin != parts.qmin || q->qmax != parts.qmax))
      return wrong(ctx, QN_DIAG_TYPE, place,
                   "codes %" PRId64 ":%" PRId64 " do not fit a codebook, whose codes are %" PRId64 ":%" PRId64
                   "; leave the range out",
                   q->qmin, q->qmax, parts.qmin, parts.qmax);
    q->is_signed = parts.is_signed;
    q->qmin = parts.qmin;
    q->qmax = parts.qmax;
    return true;
  }
  qn_scalar storage = qn_type_as_scalar(ctx, q->storage);
  if (!qn__storage_normalize(&storage, &q->is_signed))
    return wrong(
        ctx, QN_DIAG_TYPE, place,
        "%s cannot store quantized values; use an integer of 2, 4, 8, 16 or 32 bits, f4E2M1FN, f8E4M3FN, f8E5M2 "
        "or a quantile type",
        qn_type_text(ctx, q->storage).data);
  q->storage = qn_type_scalar(ctx, storage);
  return qn__type_check_codes(ctx, storage, q->is_signed, q->qmin, q->qmax, place);
}

/* ---- granularity ---- */

static void sort_blocks(qn_block_dim *blocks, uint32_t n) {
  for (uint32_t i = 1; i < n; i++) {
    qn_block_dim b = blocks[i];
    uint32_t j = i;
    for (; j > 0 && blocks[j - 1].axis > b.axis; j--) blocks[j] = blocks[j - 1];
    blocks[j] = b;
  }
}

static bool check_blocks(qn_context *ctx, qn_quant *q, qn_place place) {
  if (q->num_blocks > QN_MAX_RANK)
    return wrong(ctx, QN_DIAG_TYPE, place, "%u blocked axes; a tensor has at most %d", q->num_blocks, QN_MAX_RANK);
  sort_blocks(q->blocks, q->num_blocks);
  for (uint32_t i = 0; i < q->num_blocks; i++) {
    const qn_block_dim *b = &q->blocks[i];
    if (b->axis < 0 || b->axis >= QN_MAX_RANK)
      return wrong(ctx, QN_DIAG_TYPE, place, "axis %d is out of range; axes count from 0 to %d", b->axis,
                   QN_MAX_RANK - 1);
    if (b->size < 1)
      return wrong(ctx, QN_DIAG_TYPE, place, "block size %" PRId64 " of axis %d must be at least 1", b->size, b->axis);
    if (i > 0 && b->axis == q->blocks[i - 1].axis)
      return wrong(ctx, QN_DIAG_TYPE, place, "axis %d has two block sizes; name each axis once", b->axis);
  }
  return true;
}

static bool has_block(const qn_quant *q, uint32_t axis) {
  for (uint32_t i = 0; i < q->num_blocks; i++)
    if (q->blocks[i].axis == (int32_t)axis) return true;
  return false;
}

/* The list of parameters has a dimension for each of the tensor's: 1 where scales are shared by the whole axis. */
static bool check_param_shape(qn_context *ctx, const qn_quant *q, qn_place place) {
  if (q->param_rank > QN_MAX_RANK || q->param_rank <= (uint32_t)q->blocks[q->num_blocks - 1].axis)
    return wrong(
        ctx, QN_DIAG_TYPE, place,
        "parameters are nested %u deep but axis %d is blocked; nest them as deep as the tensor has axes (at most "
        "%d)",
        q->param_rank, q->blocks[q->num_blocks - 1].axis, QN_MAX_RANK);
  qn_tensor list = {.elem = QN_F32, .rank = q->param_rank};
  memcpy(list.shape, q->param_shape, sizeof list.shape);
  for (uint32_t k = 0; k < q->param_rank; k++)
    if (list.shape[k] != 1 && !has_block(q, k))
      return wrong(ctx, QN_DIAG_TYPE, place,
                   "%" PRId64 " parameters along axis %u, which is not blocked; it takes one, or name the axis as "
                   "{%u:SIZE}",
                   list.shape[k], k, k);
  int64_t count = qn_tensor_count(&list);
  if (count != (int64_t)q->num_scales)
    return wrong(ctx, QN_DIAG_TYPE, place, "%u scales do not fill their shape, which takes %" PRId64, q->num_scales,
                 count);
  return true;
}

/* One axis with blocks of size 1 is per axis however it was given, so that there is one type for it. */
static bool normalize_granularity(qn_context *ctx, qn_quant *q, qn_place place) {
  if (q->num_scales == 0) return wrong(ctx, QN_DIAG_TYPE, place, "a quantized type needs at least one scale");
  if (!check_blocks(ctx, q, place)) return false;
  bool one_axis = q->num_blocks == 1 && q->blocks[0].size == 1;
  if (q->per_axis && !one_axis)
    return wrong(ctx, QN_DIAG_TYPE, place, "per axis means one axis with blocks of size 1, not %u blocked axes",
                 q->num_blocks);
  if (q->num_blocks == 0 && q->num_scales != 1)
    return wrong(ctx, QN_DIAG_TYPE, place,
                 "%u scales without an axis; a type per tensor takes one, else name the axis (:AXIS or :{AXIS:SIZE})",
                 q->num_scales);
  if (q->num_blocks != 0 && !q->per_axis && !check_param_shape(ctx, q, place)) return false;
  q->per_axis = one_axis;
  if (q->num_blocks == 0 || q->per_axis) {
    q->param_rank = q->num_blocks;
    q->param_shape[0] = q->num_scales;
  }
  memset(q->blocks + q->num_blocks, 0, (QN_MAX_RANK - q->num_blocks) * sizeof *q->blocks);
  memset(q->param_shape + q->param_rank, 0, (QN_MAX_RANK - q->param_rank) * sizeof *q->param_shape);
  return true;
}

/* ---- parameters ---- */

/* By bits, so that neither flushed subnormals nor the rounding mode of the caller matter. */
static bool positive_finite(float s) {
  uint32_t bits = qn__f32_bits(s);
  return bits != 0 && bits < 0x7F800000u;
}

static bool check_scale(qn_context *ctx, const qn_quant *q, uint32_t i, qn_place place) {
  float s = q->scales[i];
  char text[QN__NUMBER_TEXT], nearest[QN__NUMBER_TEXT];
  if (!positive_finite(s))
    return wrong(ctx, QN_DIAG_DATA, place, "scale %u of %u is %s; scales are finite and greater than zero", i + 1,
                 q->num_scales, qn__f32_text(text, s));
  if (q->scale_type == QN_F32) return true;
  uint64_t stored = qn__float_convert(q->scale_type, QN_F32, qn__f32_bits(s), true);
  float back = qn__f32_of_bits((uint32_t)qn__float_convert(QN_F32, q->scale_type, stored, false));
  if (qn__f32_bits(back) == qn__f32_bits(s)) return true;
  return wrong(ctx, QN_DIAG_DATA, place, "scale %u of %u, %s, has no exact form in %s; the nearest value there is %s",
               i + 1, q->num_scales, qn__f32_text(text, s), qn_scalar_get(q->scale_type)->text,
               qn__f32_text(nearest, back));
}

static bool is_scale_type(qn_scalar s) {
  return s == QN_F32 || s == QN_F16 || s == QN_BF16 || s == QN_F8E8M0FNU || s == QN_F8E4M3FN;
}

static bool check_scales(qn_context *ctx, const qn_quant *q, qn_place place) {
  if (!is_scale_type(q->scale_type))
    return wrong(ctx, QN_DIAG_TYPE, place, "scales cannot be stored as %s; use f32, f16, bf16, f8E8M0FNU or f8E4M3FN",
                 qn_scalar_get(q->scale_type)->text);
  char text[QN__NUMBER_TEXT];
  if (!positive_finite(q->tensor_scale))
    return wrong(ctx, QN_DIAG_DATA, place, "tensor_scale is %s; it is finite and greater than zero (1.0 for none)",
                 qn__f32_text(text, q->tensor_scale));
  if (!q->scales) return wrong(ctx, QN_DIAG_TYPE, place, "a quantized type needs scales");
  for (uint32_t i = 0; i < q->num_scales; i++)
    if (!check_scale(ctx, q, i, place)) return false;
  return true;
}

/* Zero points that are all 0 are left out. Codes of a float or a codebook have no zero point. Wide storage takes any:
 * it is only ever dequantized. */
static bool normalize_zero_points(qn_context *ctx, qn_quant *q, qn_place place) {
  if (!q->zero_points) return true;
  bool any = false;
  qn_scalar storage = qn_type_as_scalar(ctx, q->storage);
  bool none_allowed = !qn_scalar_is_int(storage), bounded = qn_scalar_get(storage)->bits <= 16;
  for (uint32_t i = 0; i < q->num_scales; i++) {
    int32_t z = q->zero_points[i];
    any = any || z != 0;
    if (none_allowed && z != 0)
      return wrong(ctx, QN_DIAG_TYPE, place,
                   "zero point %u of %u is %d; %s storage has none, use integer storage or leave it out", i + 1,
                   q->num_scales, z, storage ? "float" : "codebook");
    /* 0 stands for "none given" and is allowed where the codes leave it out. */
    if (bounded && z != 0 && (z < q->qmin || z > q->qmax))
      return wrong(ctx, QN_DIAG_TYPE, place,
                   "zero point %u of %u is %d, outside the codes %" PRId64 ":%" PRId64 " that are in use", i + 1,
                   q->num_scales, z, q->qmin, q->qmax);
  }
  if (!any) q->zero_points = NULL;
  return true;
}

/* ---- interning ---- */

enum { HEAD = 11 + 3 * QN_MAX_RANK };

/* Everything but the parameters, as words that compare and hash as one. */
static void head_words(const qn_quant *q, int64_t head[HEAD]) {
  const int64_t fixed[] = {q->storage.id,
                           q->is_signed,
                           q->qmin,
                           q->qmax,
                           q->expressed.id,
                           q->num_blocks,
                           q->num_scales,
                           q->param_rank,
                           q->per_axis,
                           q->scale_type,
                           (int64_t)qn__f32_bits(q->tensor_scale)};
  memcpy(head, fixed, sizeof fixed);
  int64_t *at = head + sizeof fixed / sizeof *fixed;
  for (uint32_t i = 0; i < QN_MAX_RANK; i++) {
    *at++ = q->blocks[i].axis;
    *at++ = q->blocks[i].size;
    *at++ = q->param_shape[i];
  }
}

static bool same_parameters(const qn_quant *a, const qn_quant *b) {
  if (a->num_scales != b->num_scales || !a->zero_points != !b->zero_points) return false;
  if (memcmp(a->scales, b->scales, a->num_scales * sizeof *a->scales) != 0) return false;
  return !a->zero_points || memcmp(a->zero_points, b->zero_points, a->num_scales * sizeof *a->zero_points) == 0;
}

static bool quant_equal(const void *owner, const void *key, uint32_t id) {
  const qn__ir_state *ir = owner;
  const qn__type_rec *r = &ir->types.data[id];
  if (r->kind != QN_TYPE_QUANT) return false;
  const qn_quant *a = key, *b = &((const qn__quant_body *)r->body)->q;
  int64_t head_a[HEAD], head_b[HEAD];
  head_words(a, head_a);
  head_words(b, head_b);
  return memcmp(head_a, head_b, sizeof head_a) == 0 && same_parameters(a, b);
}

static uint64_t parameter_hash(const qn_quant *q) {
  uint64_t seed = XXH3_64bits(q->param_shape, sizeof q->param_shape) + (uint64_t)q->scale_type;
  uint64_t hash = XXH3_64bits_withSeed(q->scales, q->num_scales * sizeof *q->scales, seed);
  return q->zero_points ? XXH3_64bits_withSeed(q->zero_points, q->num_scales * sizeof *q->zero_points, hash) : hash;
}

static bool same_resource(const qn_quant *a, const qn_quant *b) {
  return a->scale_type == b->scale_type && memcmp(a->param_shape, b->param_shape, sizeof a->param_shape) == 0 &&
         same_parameters(a, b);
}

/* Types with equal parameters share a resource. Should two different ones ever have the same hash, the later takes a
 * number after it. */
static qn_name resource_name(qn_context *ctx, const qn_quant *q, uint64_t hash) {
  const qn__ir_state *ir = qn__ir_const(ctx);
  for (unsigned i = 1;; i++) {
    char text[40];
    int n = snprintf(text, sizeof text, i == 1 ? "q_%016" PRIx64 : "q_%016" PRIx64 "_%u", hash, i);
    qn_name name = qn_name_of(ctx, (qn_str){text, (size_t)n});
    uint32_t user = name.id ? qn__idmap_get(&ir->resources, name.id) : 0;
    if (!user || same_resource(q, qn_type_as_quant(ctx, (qn_type){user}))) return name;
  }
}

static qn__quant_body *copy_body(qn_context *ctx, const qn_quant *q) {
  qn__quant_body *body = qn__arena_new(&ctx->arena, qn__quant_body);
  if (!body) return NULL;
  body->q = *q;
  body->q.scales = qn__arena_copy(&ctx->arena, q->scales, q->num_scales * sizeof *q->scales);
  if (!body->q.scales) return NULL;
  if (!q->zero_points) return body;
  body->q.zero_points = qn__arena_copy(&ctx->arena, q->zero_points, q->num_scales * sizeof *q->zero_points);
  return body->q.zero_points ? body : NULL;
}

static qn_type intern_quant(qn_context *ctx, const qn_quant *q) {
  qn__ir_state *ir = qn__ir(ctx);
  if (!ir) return (qn_type){0};
  int64_t head[HEAD];
  head_words(q, head);
  uint64_t content = parameter_hash(q);
  uint32_t hash = (uint32_t)XXH3_64bits_withSeed(head, sizeof head, content);
  uint32_t id = qn__map_find(&ir->type_map, hash, quant_equal, ir, q);
  if (id) return (qn_type){id};
  qn__quant_body *body = copy_body(ctx, q);
  if (!body) {
    qn_error_no_memory(ctx);
    return (qn_type){0};
  }
  qn__type_rec rec = {.kind = QN_TYPE_QUANT, .depth = 1, .body = body};
  if (q->num_scales <= QN__TYPE_INLINE_PARAMS) return qn__type_add(ctx, &rec, hash);
  body->resource = resource_name(ctx, q, content);
  if (!body->resource.id) return (qn_type){0};
  qn_type t = qn__type_add(ctx, &rec, hash);
  if (t.id && !qn__idmap_get(&ir->resources, body->resource.id) &&
      !qn__idmap_set(&ctx->allocator, &ir->resources, body->resource.id, t.id)) {
    qn_error_no_memory(ctx);
    return (qn_type){0};
  }
  return t;
}

qn_type qn_type_quant(qn_context *ctx, const qn_quant *q, qn_place place) {
  if (!qn__ir(ctx)) return (qn_type){0};
  qn_quant n = *q;
  if (!normalize_storage(ctx, &n, place) || !qn__type_check_expressed(ctx, n.expressed, place) ||
      !normalize_granularity(ctx, &n, place) || !check_scales(ctx, &n, place) || !normalize_zero_points(ctx, &n, place))
    return (qn_type){0};
  return intern_quant(ctx, &n);
}

const qn_quant *qn_type_as_quant(const qn_context *ctx, qn_type t) {
  const qn__type_rec *r = qn__type_get(ctx, t);
  return r->kind == QN_TYPE_QUANT ? &((const qn__quant_body *)r->body)->q : NULL;
}

qn_name qn_type_quant_resource(qn_context *ctx, qn_type quant) {
  const qn__type_rec *r = qn__type_get(ctx, quant);
  return r->kind == QN_TYPE_QUANT ? ((const qn__quant_body *)r->body)->resource : (qn_name){0};
}

static qn_quant simple(qn_context *ctx, qn_scalar storage, int64_t qmin, int64_t qmax) {
  return (qn_quant){.storage = qn_type_scalar(ctx, storage),
                    .is_signed = qn_scalar_get(storage)->cls != QN_UNSIGNED,
                    .qmin = qmin,
                    .qmax = qmax,
                    .expressed = qn_type_scalar(ctx, QN_F32),
                    .scale_type = QN_F32,
                    .tensor_scale = 1};
}

qn_type qn_type_per_tensor(qn_context *ctx, qn_scalar storage, int64_t qmin, int64_t qmax, float scale,
                           int32_t zero_point) {
  qn_quant q = simple(ctx, storage, qmin, qmax);
  q.num_scales = 1;
  q.scales = &scale;
  q.zero_points = &zero_point;
  return qn_type_quant(ctx, &q, qn_place_file(""));
}

qn_type qn_type_per_axis(qn_context *ctx, qn_scalar storage, int64_t qmin, int64_t qmax, int32_t axis, uint32_t n,
                         const float *scales, const int32_t *zero_points) {
  qn_quant q = simple(ctx, storage, qmin, qmax);
  q.num_blocks = 1;
  q.blocks[0] = (qn_block_dim){axis, 1};
  q.per_axis = true;
  q.num_scales = n;
  q.scales = scales;
  q.zero_points = zero_points;
  return qn_type_quant(ctx, &q, qn_place_file(""));
}
