/* quantize: a calibrated program to quantize/dequantize form. Operands of float matrix products become codes and back:
 *
 *   %0 = quern.cast %x : tensor<?x64xf32> -> tensor<?x64x!quant.calibrated<f32<-1.0:2.0>>>
 *   %w = arith.constant dense<..> : tensor<64x10xf32>
 *   %y = quern.matmul %0, %w : (..) -> tensor<?x10xf32>
 * becomes
 *   %q = quant.qcast %x : tensor<?x64xf32> to tensor<?x64x!quant.uniform<u8:f32, 0.0117:85>>
 *   %0 = quant.dcast %q : ..
 *   %c = arith.constant dense<..> : tensor<64x10xi8>
 *   %s = quant.scast %c : tensor<64x10xi8> to tensor<64x10x!quant.uniform<i8<-127:127>:f32:1, {..}>>
 *   %1 = quant.dcast %s : ..
 *   %y = quern.matmul %0, %1 : (..) -> tensor<?x10xf32>
 *
 * With dynamic = true activations are quantized with the range they have at run time (quern.dynamic_quantize, whose
 * scale and zero point quern.dequantize takes). Constants are weights: symmetric, one scale or one per column as the
 * op's quern.granularity says (choose-granularity writes it), else as option granularity says; their codes are computed
 * here. Everything else is an activation: asymmetric, one scale. An activation that feeds several products is quantized
 * once. q, k and v of quern.attention are activations, quantized when all have ranges. Biases, and what lies between
 * products, stay float; so do the function's inputs and outputs.
 *
 * With granularity block=32 a product becomes quern.block_matmul: weights have a scale per 32 of k (and, of unsigned
 * codes, a zero point), the left operand is quantized to i8 with the range of each block of 32 at run time. With float
 * activations (f16, f32) only weights become codes, and quern.matmul takes floats and codes. Weights may then be nf4,
 * mxfp4 or nvfp4 too.
 *
 * Needs: a range for every activation (apply-calibration), unless dynamic; calls inlined and constants folded. A
 * product without ranges stays float, with a warning; when no product has any, that is an error. Calibrated types are
 * gone afterwards. Changes float results. Preserves shapes. */
#include "quantize.h"
#include "map.h"

typedef struct state {
  qn_pass_run *run;
  qn_module *m;
  qn_context *ctx;
  const qn_allocator *allocator;
  qn__format weights;
  qn_scalar activations; /* codes, or a float when they stay floats */
  qn__granularity granularity;
  bool dynamic;
  qn_idmap done; /* value, or value and type of a weight -> what it became */
  int64_t quantized, uncalibrated;
} state;

static qn_value remembered(const state *s, qn_value v, qn_type t) {
  return (qn_value){qn__idmap_get(&s->done, (uint64_t)t.id << 32 | v.id)};
}

static qn_status remember(state *s, qn_value v, qn_type t, qn_value as) {
  if (!as.id || !qn__idmap_set(s->allocator, &s->done, (uint64_t)t.id << 32 | v.id, as.id))
    return qn_error_no_memory(s->ctx);
  return QN_OK;
}

static qn_type with_elem(state *s, qn_value v, qn_type elem) {
  return qn_type_with_elem(s->ctx, qn_value_type(s->m, v), elem);
}

static qn_type plain(state *s, qn_type t) {
  qn_type elem = qn_type_elem(s->ctx, t);
  if (qn_type_kind_of(s->ctx, elem) != QN_TYPE_CALIBRATED) return t;
  elem = qn_type_get_parts(s->ctx, elem).expressed;
  return qn_type_kind_of(s->ctx, t) == QN_TYPE_TENSOR ? qn_type_with_elem(s->ctx, t, elem) : elem;
}

/* ---- weights ---- */

/* The decision of the op's attribute, or the option's. */
static qn_status granularity_of(state *s, qn_op op, qn__granularity *out) {
  *out = s->granularity;
  qn_attr a = qn_op_attr(s->m, op, "quern.granularity");
  if (!a.id) return QN_OK;
  if (qn_attr_kind_of(s->m, a) != QN_ATTR_STRING)
    return qn_op_error(s->m, op, QN_DIAG_ATTRIBUTE,
                       "quern.granularity is no string, expected \"tensor\" or \"channel\"");
  qn_status status = qn__granularity_parse(s->ctx, "quantize", qn_attr_as_string(s->m, a), out);
  if (status) qn_op_note(s->m, op, "asked for by this op's quern.granularity");
  return status;
}

/* Codes; dequantized, unless a product takes them as they are. */
static qn_status build_weight(state *s, qn_value v, const qn__weight *w, qn_type elem, bool keep, qn_value *out) {
  qn_op source = qn_value_op(s->m, v);
  qn_builder b = qn_builder_after(s->m, source);
  b.loc = qn_op_loc(s->m, source);
  qn_type storage = with_elem(s, v, qn_type_scalar(s->ctx, qn_type_storage(s->ctx, elem)));
  void *codes;
  qn_attr value = qn_attr_dense_new(s->m, storage, &codes);
  if (!codes) return qn_error_no_memory(s->ctx);
  qn__weight_codes(s->ctx, w, elem, codes);
  qn_value c = qn_build_constant(&b, value);
  /* The weight's name, under which files keep it: of its resource, or of the value. */
  qn_name name = qn_attr_resource(s->m, qn_value_constant(s->m, v));
  qn_value_set_name(s->m, c, name.id ? name : qn_value_name(s->m, v));
  qn_attr original = qn_op_attr(s->m, source, "quern.name");
  if (original.id) qn_op_set_attr(s->m, qn_value_op(s->m, c), "quern.name", original);
  qn_value q = qn_build_cast(&b, QN_OP_SCAST, c, with_elem(s, v, elem));
  *out = keep ? q : qn_build_cast(&b, QN_OP_DCAST, q, plain(s, qn_value_type(s->m, v)));
  qn_run_count(s->run, "weights quantized", 1);
  return remember(s, v, elem, *out);
}

static qn_status quantized_weight(state *s, qn_op op, qn_value v, const qn__weight *w, bool keep, qn_value *out) {
  qn__granularity g;
  qn_type elem;
  qn_status status = granularity_of(s, op, &g);
  if (!status) status = qn__weight_type(s->run, op, w, &s->weights, g, &elem);
  if (!status && qn_type_is_null(elem)) /* no columns: one scale it is */
    status = qn__weight_type(s->run, op, w, &s->weights, (qn__granularity){.row = qn__granularity_at(0)}, &elem);
  if (status) return status;
  *out = remembered(s, v, elem);
  return out->id ? QN_OK : build_weight(s, v, w, elem, keep, out);
}

/* ---- activations ---- */

/* What the value is without the casts that carry ranges. */
static qn_value uncast(state *s, qn_value v) {
  for (qn_op op = qn_value_op(s->m, v); qn_op_kind_of(s->m, op) == QN_OP_CAST; op = qn_value_op(s->m, v)) {
    qn_value x = qn_op_operand(s->m, op, 0);
    if (!qn_type_eq(plain(s, qn_value_type(s->m, x)), plain(s, qn_value_type(s->m, v)))) break;
    v = x;
  }
  return v;
}

static qn_status static_activation(state *s, qn_op op, qn_value v, qn_value *out) {
  double min, max;
  qn_value x = uncast(s, v);
  qn_type t = plain(s, qn_value_type(s->m, x)), elem;
  if (!qn__range_of(s->m, v, &min, &max) && !qn__range_of(s->m, x, &min, &max))
    return qn_op_error(s->m, op, QN_DIAG_INTERNAL, "an operand lost its range");
  qn_status status = qn__activation_type(s->m, op, s->activations, qn_type_elem(s->ctx, t), min, max, &elem);
  if (status) return status;
  *out = remembered(s, x, elem);
  if (out->id) return QN_OK;
  qn_builder b = qn_builder_before(s->m, op);
  qn_value q = qn_build_cast(&b, QN_OP_QCAST, x, qn_type_with_elem(s->ctx, t, elem));
  *out = qn_build_cast(&b, QN_OP_DCAST, q, t);
  return remember(s, x, elem, *out);
}

static qn_status dynamic_activation(state *s, qn_op op, qn_value v, qn_value *out) {
  qn_value x = uncast(s, v);
  qn_type t = plain(s, qn_value_type(s->m, x)), storage = qn_type_scalar(s->ctx, s->activations);
  *out = remembered(s, x, storage);
  if (out->id) return QN_OK;
  qn_builder b = qn_builder_before(s->m, op);
  qn_named_attr attr = qn_named(s->m, "storage", qn_attr_type(s->m, storage));
  qn_op quantize = qn_op_build(&b, QN_OP_DYNAMIC_QUANTIZE, 1, &x, 1, &attr);
  qn_value operands[3] = {qn_op_result(s->m, quantize, 0), qn_op_result(s->m, quantize, 1),
                          qn_op_result(s->m, quantize, 2)};
  if (!quantize.id) return QN_ERR_INPUT;
  qn_value y = qn_op_result(s->m, qn_op_build(&b, QN_OP_DEQUANTIZE, 3, operands, 0, NULL), 0);
  if (!y.id) return QN_ERR_INPUT;
  if (!qn_type_eq(qn_value_type(s->m, y), t)) y = qn_build_cast(&b, QN_OP_CAST, y, t); /* scales are f32 */
  *out = y;
  return remember(s, x, storage, *out);
}

/* ---- blocks, and weights against floats ---- */

/* x quantized by blocks of a row, by an earlier op or a new one. */
static qn_op block_activation(state *s, qn_builder *b, qn_value x, int64_t block) {
  for (qn_use u = qn_value_first_use(s->m, x); u.id; u = qn_use_next(s->m, u)) {
    qn_op op = qn_use_op(s->m, u);
    if (qn_op_kind_of(s->m, op) == QN_OP_DYNAMIC_QUANTIZE && qn_op_get_int(s->m, op, "block") == block &&
        qn_str_eq(qn_op_get_string(s->m, op, "range"), qn_str_of("narrow")))
      return op;
  }
  const qn_named_attr attrs[4] = {
      qn_named(s->m, "storage", qn_attr_type(s->m, qn_type_scalar(s->ctx, QN_I8))),
      qn_named(s->m, "scheme", qn_attr_string(s->m, qn_str_of("symmetric"))),
      qn_named(s->m, "range", qn_attr_string(s->m, qn_str_of("narrow"))),
      qn_named(s->m, "block", qn_attr_int(s->m, qn_type_scalar(s->ctx, QN_I64), block)),
  };
  return qn_op_build(b, QN_OP_DYNAMIC_QUANTIZE, 1, &x, 4, attrs);
}

static qn_value rows_of_a(state *s, qn_builder *b, qn_op op) {
  qn_value x = uncast(s, qn_op_operand(s->m, op, 0));
  uint32_t rank = qn_type_rank(s->ctx, qn_value_type(s->m, x));
  if (!qn_op_get_bool(s->m, op, "transpose_a") || rank < 2) return x;
  int64_t perm[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) perm[d] = d;
  perm[rank - 2] = rank - 1, perm[rank - 1] = rank - 2;
  const qn_named_attr attr = qn_named(s->m, "perm", qn_attr_ints(s->m, QN_I64, rank, perm));
  return qn_op_result(s->m, qn_op_build(b, QN_OP_TRANSPOSE, 1, &x, 1, &attr), 0);
}

/* The product with a scale per block takes the place of the float one. */
static qn_status block_product(state *s, qn_op op, const qn__weight *w, int64_t block) {
  qn_builder b = qn_builder_before(s->m, op);
  qn_value v = qn_op_operand(s->m, op, 1), codes = {0}, y = qn_op_result(s->m, op, 0);
  qn_status status = quantized_weight(s, op, v, w, true, &codes);
  qn_value x = status ? (qn_value){0} : rows_of_a(s, &b, op);
  if (status || !x.id) return status ? status : QN_ERR_INPUT;
  qn_type plain_x = plain(s, qn_value_type(s->m, x));
  if (!qn_type_eq(plain_x, qn_value_type(s->m, x))) x = qn_build_cast(&b, QN_OP_CAST, x, plain_x);
  qn_op q = block_activation(s, &b, x, block);
  if (!q.id) return QN_ERR_INPUT;
  const qn_value operands[3] = {qn_op_result(s->m, q, 0), qn_op_result(s->m, q, 1), codes};
  const qn_named_attr flag = qn_named(s->m, "transpose_b", qn_op_attr(s->m, op, "transpose_b"));
  qn_op product = qn_op_build(&b, QN_OP_BLOCK_MATMUL, 3, operands, flag.attr.id ? 1 : 0, &flag);
  if (!product.id) return QN_ERR_INPUT;
  qn_value z = qn_op_result(s->m, product, 0);
  qn_type want = plain(s, qn_value_type(s->m, y));
  qn_scalar float_type = qn_type_as_scalar(s->ctx, qn_type_elem(s->ctx, want));
  if (float_type != QN_F32)
    z = qn_build_cast(&b, QN_OP_CAST, z, want);
  else
    qn_value_set_type(s->m, z, want);
  qn_replace_value(s->m, y, z);
  qn_op_erase(s->m, op);
  if (!qn_value_is_used(s->m, v)) qn_op_erase(s->m, qn_value_op(s->m, v));
  s->quantized++;
  return QN_OK;
}

/* A matrix of floats on the right is all that becomes codes. */
static qn_status weight_only(state *s, qn_op op, const qn__weight *w) {
  qn_value v = qn_op_operand(s->m, op, 1), codes;
  qn_value x = uncast(s, qn_op_operand(s->m, op, 0));
  qn_status status = quantized_weight(s, op, v, w, true, &codes);
  if (status) return status;
  qn_op_set_operand(s->m, op, 0, x);
  qn_op_set_operand(s->m, op, 1, codes);
  qn_op_set_attr(s->m, op, "quern.granularity", (qn_attr){0});
  if (!qn_value_is_used(s->m, v)) qn_op_erase(s->m, qn_value_op(s->m, v));
  s->quantized++;
  return QN_OK;
}

static qn_scalar elem_of(state *s, qn_value v) {
  return qn_type_as_scalar(s->ctx, qn_type_elem(s->ctx, plain(s, qn_value_type(s->m, v))));
}

/* Products of floats and codes are computed in f32. */
static bool is_f32_or_narrower(qn_scalar t) {
  return t == QN_F32 || t == QN_F16 || t == QN_BF16;
}

/* ---- ops ---- */

typedef enum operand_kind { LEAVE, WEIGHT, ACTIVATION } operand_kind;

static operand_kind kind_of(state *s, qn_op op, uint32_t i, qn__weight *w) {
  if (qn__is_dequantized(s->m, uncast(s, qn_op_operand(s->m, op, i)))) return LEAVE;
  return qn__weight_of(s->m, op, i, w) ? WEIGHT : ACTIVATION;
}

/* An activation needs a range beforehand, or has to measure one. */
static bool has_ranges(state *s, qn_op op, const operand_kind *kinds) {
  double min, max;
  for (uint32_t i = 0; i < 2 && !s->dynamic; i++) {
    qn_value v = qn_op_operand(s->m, op, i);
    if (kinds[i] != ACTIVATION || qn__range_of(s->m, v, &min, &max) || qn__range_of(s->m, uncast(s, v), &min, &max))
      continue;
    qn_op_warning(s->m, op, QN_DIAG_MISSING,
                  "stays in float: operand %u has no calibrated range; calibrate it, or quantize with dynamic=true", i);
    return false;
  }
  return true;
}

static qn_status quantize_op(state *s, qn_op op) {
  operand_kind kinds[2];
  qn__weight w[2];
  for (uint32_t i = 0; i < 2; i++) kinds[i] = kind_of(s, op, i, &w[i]);
  if ((kinds[0] == LEAVE && kinds[1] == LEAVE) || (kinds[0] == WEIGHT && kinds[1] == WEIGHT)) return QN_OK;
  bool right = kinds[0] == ACTIVATION && kinds[1] == WEIGHT;
  bool conv = qn__is_conv(s->m, op);
  if (conv && (s->weights.floats || s->dynamic || !right))
    return QN_OK; /* kernels: constant parameters, weights on the right */
  if (s->weights.floats)
    return right && is_f32_or_narrower(elem_of(s, qn_op_operand(s->m, op, 0))) ? weight_only(s, op, &w[1]) : QN_OK;
  qn__granularity g;
  qn_status asked = granularity_of(s, op, &g);
  if (asked) return asked;
  if (conv && qn__has_k_blocks(&g)) return QN_OK;
  if (right && qn__has_k_blocks(&g) && w[1].data.rank == 2 && w[1].data.shape[w[1].k] > 0 &&
      w[1].data.shape[w[1].column] > 0)
    return block_product(s, op, &w[1], g.size);
  if (s->weights.kind != QN__FORMAT_INTEGER) return QN_OK; /* only products by blocks take these */
  if (!has_ranges(s, op, kinds)) {
    s->uncalibrated++;
    return QN_OK;
  }
  for (uint32_t i = 0; i < 2; i++) {
    qn_value v = qn_op_operand(s->m, op, i), q = {0};
    if (kinds[i] == LEAVE) continue;
    qn_status status = kinds[i] == WEIGHT ? quantized_weight(s, op, v, &w[i], false, &q)
                       : s->dynamic       ? dynamic_activation(s, op, v, &q)
                                          : static_activation(s, op, v, &q);
    if (status) return status;
    qn_op_set_operand(s->m, op, i, q);
    if (kinds[i] == WEIGHT && !qn_value_is_used(s->m, v)) qn_op_erase(s->m, qn_value_op(s->m, v));
  }
  qn_op_set_attr(s->m, op, "quern.granularity", (qn_attr){0});
  s->quantized++;
  return QN_OK;
}

/* q, k and v of f32, when each has a range or is dequantized already; else attention stays float. */
static qn_status quantize_attention(state *s, qn_op op) {
  double min, max;
  bool bytes = qn_scalar_is_int(s->activations) && qn_scalar_get(s->activations)->bits == 8;
  if (s->dynamic || s->weights.floats || !bytes) return QN_OK;
  for (uint32_t i = 0; i < 3; i++) {
    qn_value v = qn_op_operand(s->m, op, i), x = uncast(s, v);
    bool known = qn__is_dequantized(s->m, x) || qn__range_of(s->m, v, &min, &max) || qn__range_of(s->m, x, &min, &max);
    if (!known || elem_of(s, x) != QN_F32) return QN_OK;
  }
  for (uint32_t i = 0; i < 3; i++) {
    qn_value v = qn_op_operand(s->m, op, i), q = {0};
    if (qn__is_dequantized(s->m, uncast(s, v))) continue;
    qn_status status = static_activation(s, op, v, &q);
    if (status) return status;
    qn_op_set_operand(s->m, op, i, q);
  }
  s->quantized++;
  return QN_OK;
}

/* ---- calibrated types ---- */

static void strip_value(state *s, qn_value v, bool *changed) {
  qn_type have = qn_value_type(s->m, v), want = plain(s, have);
  if (qn_type_eq(have, want) || qn_type_is_null(want)) return; /* null when memory runs out, which ends the pass */
  qn_value_set_type(s->m, v, want);
  *changed = true;
}

/* Ranges are used up: calibrated types become what they express, and casts that only carried them go. */
static void strip_ranges(state *s, qn_op func, bool *changed) {
  qn_block body = qn_func_body(s->m, func);
  for (uint32_t i = 0; i < qn_block_num_args(s->m, body); i++) strip_value(s, qn_block_arg(s->m, body, i), changed);
  for (qn_op op = qn_block_first(s->m, body), next; op.id; op = next) {
    next = qn_op_next(s->m, op);
    bool ranged = false;
    for (uint32_t i = 0; i < qn_op_num_results(s->m, op); i++) strip_value(s, qn_op_result(s->m, op, i), &ranged);
    *changed |= ranged;
    if (!ranged || qn_op_kind_of(s->m, op) != QN_OP_CAST) continue;
    qn_value x = qn_op_operand(s->m, op, 0), y = qn_op_result(s->m, op, 0);
    if (!qn_type_eq(qn_value_type(s->m, x), qn_value_type(s->m, y))) continue;
    qn_replace_value(s->m, y, x);
    qn_op_erase(s->m, op);
  }
  qn_func_update_type(s->m, func);
}

static qn_status run_on(state *s, qn_op func, bool *changed) {
  qn_block body = qn_func_body(s->m, func);
  for (qn_op op = qn_block_first(s->m, body), next; op.id; op = next) {
    next = qn_op_next(s->m, op);
    bool attention = qn_op_kind_of(s->m, op) == QN_OP_ATTENTION;
    qn_status status = attention                      ? quantize_attention(s, op)
                       : qn__is_quantizable(s->m, op) ? quantize_op(s, op)
                                                      : QN_OK;
    if (status) return status;
  }
  strip_ranges(s, func, changed);
  return QN_OK;
}

static qn_status read_options(state *s) {
  qn_status status = qn__format_parse(s->ctx, "quantize", qn_run_string(s->run, "weights"),
                                      qn_run_string(s->run, "activations"), &s->weights, &s->activations);
  if (!status)
    status = qn__granularity_parse(s->ctx, "quantize", qn_run_string(s->run, "granularity"), &s->granularity);
  if (status || s->granularity.row) return status;
  return qn_error(s->ctx, QN_DIAG_ATTRIBUTE, qn_place_file(""),
                  "quantize: granularity is 'auto', which is measured by choose-granularity; run it before, or say "
                  "tensor, channel or block=SIZE");
}

qn_status qn__pass_quantize(qn_pass_run *run) {
  state s = {.run = run, .m = qn_run_module(run), .ctx = qn_run_context(run), .dynamic = qn_run_bool(run, "dynamic")};
  bool changed = false;
  s.allocator = qn_context_allocator(s.ctx);
  qn_status status = read_options(&s);
  for (qn_op f = qn_block_first(s.m, qn_module_body(s.m)); f.id && !status; f = qn_op_next(s.m, f))
    if (qn_op_kind_of(s.m, f) == QN_OP_FUNC) status = run_on(&s, f, &changed);
  qn__idmap_free(s.allocator, &s.done);
  if (!status && s.uncalibrated && !s.quantized)
    status = qn_error(s.ctx, QN_DIAG_MISSING, qn_place_file(""),
                      "quantize: no matrix product has calibrated operands; run calibrate and apply-calibration first, "
                      "or take dynamic=true");
  qn_run_count(run, "products quantized", s.quantized);
  qn_run_count(run, "products left in float", s.uncalibrated);
  qn_run_preserved(run, changed || s.quantized, QN_PRESERVES_SHAPES);
  return status;
}
