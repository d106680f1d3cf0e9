/* Rules of the quantization ops. */
#include "context_impl.h"
#include "rule_util.h"
#include "types_impl.h"

enum { MAX_CODE_BITS = 16 }; /* wider storage can be dequantized only */

static uint32_t code_bits(const qn_context *ctx, qn_type elem) {
  return qn_scalar_get(qn_type_storage(ctx, elem))->bits;
}

/* The quantized element type of a result or attribute: uniform (or codebook), expressed as `expressed`. */
static qn_status need_quant(qn_module *m, qn_op op, qn_type elem, qn_type expressed, const char *what) {
  qn_context *ctx = qn_module_context(m);
  const qn_quant *q = qn_type_as_quant(ctx, elem);
  if (!q)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "%s has elements of type %s, expected a quantized type with parameters such as "
                       "!quant.uniform<i8:f32, 0.1>",
                       what, qn__type_c(m, elem));
  if (!qn_type_is_null(expressed) && !qn_type_eq(q->expressed, expressed))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "%s is expressed as %s, but the operand's elements are %s: both must be one float type", what,
                       qn__type_c(m, q->expressed), qn__type_c(m, expressed));
  return QN_OK;
}

static qn_status need_codes(qn_module *m, qn_op op, qn_type elem, const char *what) {
  uint32_t bits = code_bits(qn_module_context(m), elem);
  if (bits <= MAX_CODE_BITS) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "%s has %u-bit storage, expected at most %d bits: wider codes can be dequantized only", what, bits,
                     MAX_CODE_BITS);
}

/* The declared type of result 0, which must be a tensor of x's shape; its rank fits x's. */
static qn_status need_declared(qn_module *m, qn_op op, uint32_t operand, const char *why) {
  qn_context *ctx = qn_module_context(m);
  qn_type declared = qn__declared(m, op, 0);
  if (qn_type_kind_of(ctx, declared) != QN_TYPE_TENSOR)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "the result is %s, expected a tensor type: %s",
                       qn__type_c(m, declared), why);
  const qn_dims a = qn__dims_of(ctx, qn__operand_type(m, op, operand)), b = qn__dims_of(ctx, declared);
  bool fits = a.rank == b.rank;
  for (uint32_t i = 0; fits && i < a.rank; i++) fits = qn__size_fits(a.size[i], b.size[i]);
  if (fits) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "the result is %s, expected the shape of '%s', which is %s",
                     qn__type_c(m, declared), qn__operand_c(m, op, operand),
                     qn__type_c(m, qn__operand_type(m, op, operand)));
}

/* x's shape with the declared element type. */
static qn_type shaped_as(qn_module *m, qn_op op, uint32_t operand) {
  qn_context *ctx = qn_module_context(m);
  return qn_type_with_elem(ctx, qn__operand_type(m, op, operand), qn_type_elem(ctx, qn__declared(m, op, 0)));
}

qn_status qn__rule_qcast(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status == QN_OK) status = need_declared(m, op, 0, "its element type carries the parameters");
  if (status != QN_OK) return status;
  qn_type elem = qn_type_elem(ctx, qn__declared(m, op, 0));
  status = need_quant(m, op, elem, qn__plain_elem(ctx, qn__operand_type(m, op, 0)), "the result");
  if (status == QN_OK) status = need_codes(m, op, elem, "the result");
  if (status == QN_OK) results[0] = shaped_as(m, op, 0);
  return status;
}

qn_status qn__rule_dcast(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, 0);
  qn_type elem = qn__operand_elem(m, op, 0);
  if (status == QN_OK) status = need_quant(m, op, elem, (qn_type){0}, "the operand");
  if (status != QN_OK) return status;
  results[0] = qn_type_with_elem(ctx, qn__operand_type(m, op, 0), qn_type_as_quant(ctx, elem)->expressed);
  return QN_OK;
}

static bool has_storage(const qn_context *ctx, qn_type elem) {
  qn_type_kind kind = qn_type_kind_of(ctx, elem);
  return kind == QN_TYPE_QUANT || kind == QN_TYPE_ANY || kind == QN_TYPE_QUANTILE;
}

qn_status qn__rule_scast(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type from = qn__operand_elem(m, op, 0);
  if (has_storage(ctx, from) && qn_type_is_null(qn__declared(m, op, 0))) {
    qn_type storage = qn__scalar_type(m, qn_type_storage(ctx, from));
    results[0] = qn_type_with_elem(ctx, qn__operand_type(m, op, 0), storage);
    return QN_OK;
  }
  status = need_declared(m, op, 0, "a cast says what it casts to");
  if (status != QN_OK) return status;
  qn_type to = qn_type_elem(ctx, qn__declared(m, op, 0));
  bool from_codes = has_storage(ctx, from);
  if (from_codes == has_storage(ctx, to))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "casts %s to %s, expected a quantized type on one side and its storage type on the other",
                       qn__type_c(m, from), qn__type_c(m, to));
  qn_type quant = from_codes ? from : to;
  qn_scalar plain = qn_type_as_scalar(ctx, from_codes ? to : from);
  if (plain == QN_SCALAR_NONE || (plain != qn_type_storage(ctx, quant) && plain != qn_type_memory(ctx, quant)))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "casts %s to %s, but %s is stored as %s: the bits must be the same", qn__type_c(m, from),
                       qn__type_c(m, to), qn__type_c(m, quant), qn_scalar_get(qn_type_memory(ctx, quant))->text);
  results[0] = shaped_as(m, op, 0);
  return QN_OK;
}

qn_status qn__rule_fake_quant(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type x = qn__plain_type(ctx, qn__operand_type(m, op, 0));
  qn_type elem = qn_attr_as_type(m, qn_op_attr(m, op, "type"));
  status = need_quant(m, op, elem, qn_type_elem(ctx, x), "attribute 'type'");
  if (status == QN_OK) status = need_codes(m, op, elem, "attribute 'type'");
  if (status == QN_OK) status = qn__type_check_tensor(ctx, qn_type_with_elem(ctx, x, elem), qn_op_place(m, op));
  results[0] = x;
  return status;
}

qn_status qn__rule_requantize(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, 0);
  if (status == QN_OK) status = qn__need_tensor(m, op, 1);
  if (status == QN_OK) status = need_declared(m, op, 0, "its element type carries zero point and code range");
  if (status != QN_OK) return status;
  qn_type acc = qn__operand_type(m, op, 0), mult = qn__operand_type(m, op, 1);
  qn_scalar elem = qn_type_as_scalar(ctx, qn_type_elem(ctx, acc));
  if (elem != QN_I32 && elem != QN_I64)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand 'acc' is %s, expected accumulators of type i32 or i64",
                       qn__type_c(m, acc));
  if (qn_type_as_scalar(ctx, qn_type_elem(ctx, mult)) != QN_F32)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand 'multiplier' is %s, expected a tensor of f32",
                       qn__type_c(m, mult));
  const qn_dims a = qn__dims_of(ctx, acc), b = qn__dims_of(ctx, mult);
  if (!qn__dims_broadcast_to(&a, &b))
    return qn_op_error(m, op, QN_DIAG_SHAPE, "operand 'multiplier' is %s, which does not broadcast to 'acc', %s",
                       qn__type_c(m, mult), qn__type_c(m, acc));
  qn_type to = qn_type_elem(ctx, qn__declared(m, op, 0));
  status = need_quant(m, op, to, (qn_type){0}, "the result");
  if (status == QN_OK) status = need_codes(m, op, to, "the result");
  if (status == QN_OK) results[0] = shaped_as(m, op, 0);
  return status;
}

static bool is_code_scalar(qn_scalar s) {
  return qn_scalar_is_int(s) && s != QN_I1 && s != QN_INDEX && qn_scalar_get(s)->bits <= MAX_CODE_BITS;
}

static bool is_small_float(qn_scalar s) {
  return s == QN_F8E4M3FN || s == QN_F8E5M2 || s == QN_F4E2M1FN;
}

qn_status qn__rule_dynamic_quantize(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type storage = qn_attr_as_type(m, qn_op_attr(m, op, "storage"));
  if (!is_code_scalar(qn_type_as_scalar(ctx, storage)))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "storage is %s, expected an integer of 2 to %d bits such as i8 or ui8",
                       qn__type_c(m, storage), MAX_CODE_BITS);
  if (!qn_str_eq(qn_op_get_string(m, op, "scheme"), qn_str_of("symmetric")) &&
      qn_str_eq(qn_op_get_string(m, op, "range"), qn_str_of("narrow")))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "a narrow range with the asymmetric scheme, expected full, or the symmetric scheme");
  qn_type x = qn__operand_type(m, op, 0);
  qn_dims dims = qn__dims_of(ctx, x);
  int64_t block = qn_op_get_int(m, op, "block");
  if (block < 0 || (block > 0 && (qn_op_get_bool(m, op, "per_row") || dims.rank == 0)))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "block is %lld with an operand of rank %u%s, expected 0, or 1 or more with rank 1 or more and "
                       "without per_row",
                       (long long)block, dims.rank, qn_op_get_bool(m, op, "per_row") ? " and per_row" : "");
  if (block > 0) {
    int64_t *last = &dims.size[dims.rank - 1];
    if (block > 1) dims.symbol[dims.rank - 1] = (qn_name){0};
    if (*last != QN_DYNAMIC) *last = *last / block + (*last % block != 0);
  } else if (qn_op_get_bool(m, op, "per_row")) {
    if (dims.rank == 0)
      return qn_op_error(m, op, QN_DIAG_SHAPE, "per_row needs an operand of rank 1 or more, found %s",
                         qn__type_c(m, x));
    dims.size[dims.rank - 1] = 1;
    dims.symbol[dims.rank - 1] = (qn_name){0};
  } else {
    dims.rank = 0;
  }
  results[0] = qn_type_with_elem(ctx, x, storage);
  results[1] = qn__dims_tensor(ctx, qn__scalar_type(m, QN_F32), &dims);
  results[2] = qn__dims_tensor(ctx, storage, &dims);
  return QN_OK;
}

/* Scale (or zero point) against x: one element, a vector along axis, or a shape that broadcasts. */
static qn_status check_param_shape(qn_module *m, qn_op op, uint32_t operand) {
  qn_context *ctx = qn_module_context(m);
  const qn_dims x = qn__dims_of(ctx, qn__operand_type(m, op, 0));
  const qn_dims p = qn__dims_of(ctx, qn__operand_type(m, op, operand));
  if (p.rank == 0 || (p.rank == 1 && p.size[0] == 1)) return QN_OK;
  if (p.rank == 1) {
    uint32_t axis;
    qn_status status = qn__need_axis(m, op, qn_op_get_int(m, op, "axis"), x.rank, &axis);
    if (status != QN_OK || qn__size_fits(x.size[axis], p.size[0])) return status;
    return qn_op_error(m, op, QN_DIAG_SHAPE,
                       "operand '%s' has %lld elements, expected one for each of %lld along axis %u",
                       qn__operand_c(m, op, operand), (long long)p.size[0], (long long)x.size[axis], axis);
  }
  if (qn__dims_broadcast_to(&x, &p)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "operand '%s' is %s, which does not broadcast to %s",
                     qn__operand_c(m, op, operand), qn__type_c(m, qn__operand_type(m, op, operand)),
                     qn__type_c(m, qn__operand_type(m, op, 0)));
}

/* Checks the shapes of scale and zero point, and that the zero point's elements are `codes`. */
static qn_status check_params(qn_module *m, qn_op op, qn_type codes) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, 1);
  if (status == QN_OK) status = check_param_shape(m, op, 1);
  if (status != QN_OK || qn_op_num_operands(m, op) < 3) return status;
  status = qn__need_tensor(m, op, 2);
  if (status != QN_OK) return status;
  qn_type zero = qn__operand_type(m, op, 2);
  if (!qn_type_eq(qn_type_elem(ctx, zero), codes))
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand 'zero_point' is %s, expected elements of type %s",
                       qn__type_c(m, zero), qn__type_c(m, codes));
  const qn_dims a = qn__dims_of(ctx, qn__operand_type(m, op, 1)), b = qn__dims_of(ctx, zero);
  bool same = a.rank == b.rank;
  for (uint32_t i = 0; same && i < a.rank; i++) same = qn__size_fits(a.size[i], b.size[i]);
  bool single = qn_type_count(ctx, zero) == 1 && qn_type_count(ctx, qn__operand_type(m, op, 1)) == 1;
  if (same || single) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "operand 'zero_point' is %s, expected the shape of 'scale', %s",
                     qn__type_c(m, zero), qn__type_c(m, qn__operand_type(m, op, 1)));
}

static qn_status need_scale_elem(qn_module *m, qn_op op, qn_scalar other) {
  qn_context *ctx = qn_module_context(m);
  qn_scalar scale = qn_type_as_scalar(ctx, qn__operand_elem(m, op, 1));
  if (scale == QN_F32 || scale == QN_F16 || scale == QN_BF16 || (scale == other && qn_scalar_is_float(scale)))
    return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand 'scale' is %s, expected a tensor of f32, f16 or bf16",
                     qn__type_c(m, qn__operand_type(m, op, 1)));
}

/* The storage that attribute and zero point ask for; ui8 when there is neither, as ONNX has it. */
static qn_status storage_of(qn_module *m, qn_op op, qn_type *storage) {
  qn_context *ctx = qn_module_context(m);
  qn_attr attr = qn_op_attr(m, op, "storage");
  *storage = attr.id                          ? qn_attr_as_type(m, attr)
             : qn_op_num_operands(m, op) >= 3 ? qn__operand_elem(m, op, 2)
                                              : qn__scalar_type(m, QN_UI8);
  qn_scalar s = qn_type_as_scalar(ctx, *storage);
  if (is_code_scalar(s) || is_small_float(s)) return QN_OK;
  return qn_op_error(m, op, attr.id ? QN_DIAG_ATTRIBUTE : QN_DIAG_TYPE_MISMATCH,
                     "quantizes to %s, expected an integer of 2 to %d bits or a float of at most 8 bits",
                     qn__type_c(m, *storage), MAX_CODE_BITS);
}

qn_status qn__rule_quantize(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_type storage;
  qn_status status = qn__need_float_tensor(m, op, 0);
  if (status == QN_OK) status = storage_of(m, op, &storage);
  if (status == QN_OK) status = check_params(m, op, storage);
  if (status == QN_OK) status = need_scale_elem(m, op, qn__plain_scalar(ctx, qn__operand_type(m, op, 0)));
  if (status == QN_OK) results[0] = qn_type_with_elem(ctx, qn__operand_type(m, op, 0), storage);
  return status;
}

qn_status qn__rule_dequantize(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_status status = qn__need_tensor(m, op, 0);
  if (status != QN_OK) return status;
  qn_type q = qn__operand_type(m, op, 0), codes = qn_type_elem(ctx, q);
  qn_scalar s = qn_type_as_scalar(ctx, codes);
  if (!is_code_scalar(s) && !is_small_float(s) && s != QN_I32 && s != QN_SI32)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                       "operand 'q' is %s, expected integers of 2 to %d bits, i32, or floats of at most 8 bits",
                       qn__type_c(m, q), MAX_CODE_BITS);
  status = check_params(m, op, codes);
  if (status == QN_OK) status = need_scale_elem(m, op, QN_F32);
  if (status == QN_OK) results[0] = qn_type_with_elem(ctx, q, qn__operand_elem(m, op, 1));
  return status;
}
