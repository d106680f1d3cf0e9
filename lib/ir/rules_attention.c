/* Rules of attention: the tensor op and its kernel. */
#include "attention_attrs.h"
#include "context_impl.h"
#include "layout.h"
#include "rule_util.h"

/* ---- shapes: q [.., Sq, D], k [.., Sk, D], v [.., Sk, Dv] ---- */

static qn_status shape_error(qn_module *m, qn_op op, const char *what) {
  return qn_op_error(m, op, QN_DIAG_SHAPE, "operands %s, %s and %s: %s", qn__type_c(m, qn__operand_type(m, op, 0)),
                     qn__type_c(m, qn__operand_type(m, op, 1)), qn__type_c(m, qn__operand_type(m, op, 2)), what);
}

/* Leading axis `axis` of k or v against q's: the same, or 1, and, for the tensor op, heads may be shared by groups of
 * queries' heads. */
static bool leads(const qn_dims *q, const qn_dims *x, uint32_t axis, bool groups) {
  int64_t have = x->size[axis], want = q->size[axis];
  if (have == 1 || qn__size_fits(have, want)) return true;
  return groups && axis + 3 == q->rank && have > 0 && want % have == 0;
}

/* A kernel's k that is packed has its last two axes exchanged. Results: y's dimensions and those of the scores. */
static qn_status attention_dims(qn_module *m, qn_op op, bool kernel, qn_dims *y, qn_dims *scores) {
  qn_context *ctx = qn_module_context(m);
  for (uint32_t i = 0; i < qn_op_num_operands(m, op); i++) {
    qn_status status = qn__need_tensor(m, op, i);
    if (status != QN_OK) return status;
  }
  qn_dims q = qn__dims_of(ctx, qn__operand_type(m, op, 0)), k = qn__dims_of(ctx, qn__operand_type(m, op, 1)),
          v = qn__dims_of(ctx, qn__operand_type(m, op, 2));
  if (q.rank < 2 || k.rank != q.rank || v.rank != q.rank)
    return shape_error(m, op, "expected one rank of 2 or more: [.., queries, d], [.., keys, d], [.., keys, dv]");
  if (kernel && !qn_str_eq(qn_op_get_string(m, op, "layout_k"), qn_str_of("plain"))) qn__swap_last(&k);
  uint32_t r = q.rank;
  if (!qn__size_fits(q.size[r - 1], k.size[r - 1]))
    return shape_error(m, op, "the last axes of q and k differ, expected one size of a head");
  if (!qn__size_fits(k.size[r - 2], v.size[r - 2])) return shape_error(m, op, "k and v have different numbers of keys");
  for (uint32_t d = 0; d + 2 < r; d++) {
    if (!qn__size_fits(k.size[d], v.size[d])) return shape_error(m, op, "the leading axes of k and v differ");
    if (!leads(&q, &k, d, !kernel) || !leads(&q, &v, d, !kernel))
      return shape_error(m, op,
                         kernel ? "the leading axes of k and v are neither those of q nor 1"
                                : "the leading axes of k and v are not those of q, nor 1, nor a divisor of q's heads");
  }
  *scores = q;
  scores->size[r - 1] = k.size[r - 2];
  scores->symbol[r - 1] = k.symbol[r - 2];
  qn__dim_unify(scores, r - 1, &v, r - 2);
  *y = q;
  y->size[r - 1] = v.size[r - 1];
  y->symbol[r - 1] = v.symbol[r - 1];
  return QN_OK;
}

static qn_status check_block(qn_module *m, qn_op op) {
  int64_t n = qn_op_get_int(m, op, "key_block");
  if (qn__attention_block_ok(n)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "key_block is %lld, expected a multiple of %d from %d to %d",
                     (long long)n, QN_ATTENTION_MIN_BLOCK, QN_ATTENTION_MIN_BLOCK, QN_ATTENTION_MAX_BLOCK);
}

static qn_status need_broadcast(qn_module *m, qn_op op, uint32_t i, const qn_dims *scores) {
  qn_context *ctx = qn_module_context(m);
  const qn_dims x = qn__dims_of(ctx, qn__operand_type(m, op, i));
  if (qn__dims_broadcast_to(scores, &x)) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_SHAPE, "operand %u is %s, which does not broadcast to the scores, %s", i,
                     qn__type_c(m, qn__operand_type(m, op, i)),
                     qn__type_c(m, qn__dims_tensor(ctx, qn__scalar_type(m, QN_F32), scores)));
}

/* ---- quern.attention ---- */

static bool is_narrow(qn_scalar s) {
  return s == QN_F32 || s == QN_F16 || s == QN_BF16;
}

/* 8-bit codes with one scale, standing for f32. */
static bool are_codes(qn_context *ctx, qn_type elem) {
  const qn_quant *q = qn_type_as_quant(ctx, elem);
  if (!q || q->num_blocks || qn_type_as_scalar(ctx, q->expressed) != QN_F32) return false;
  qn_scalar storage = qn_type_storage(ctx, elem);
  return qn_type_kind_of(ctx, q->storage) == QN_TYPE_SCALAR && qn_scalar_is_int(storage) &&
         qn_scalar_get(storage)->bits == 8;
}

static qn_status attention_elem(qn_module *m, qn_op op, qn_scalar *out) {
  qn_context *ctx = qn_module_context(m);
  qn_type elem[3];
  bool codes = true;
  for (uint32_t i = 0; i < 3; i++) {
    elem[i] = qn__plain_elem(ctx, qn__operand_type(m, op, i));
    codes &= are_codes(ctx, elem[i]);
  }
  *out = codes ? QN_F32 : qn_type_as_scalar(ctx, elem[0]);
  if (codes || (is_narrow(*out) && qn_type_eq(elem[0], elem[1]) && qn_type_eq(elem[0], elem[2]))) return QN_OK;
  return qn_op_error(
      m, op, QN_DIAG_TYPE_MISMATCH,
      "operands have elements of %s, %s and %s, expected one of f32, f16 and bf16 for all, or 8-bit codes "
      "of f32 with one scale each",
      qn__type_c(m, elem[0]), qn__type_c(m, elem[1]), qn__type_c(m, elem[2]));
}

static qn_status check_mask(qn_module *m, qn_op op, const qn_dims *scores, qn_scalar elem) {
  if (qn_op_num_operands(m, op) < 4) return QN_OK;
  qn_context *ctx = qn_module_context(m);
  qn_type t = qn__plain_elem(ctx, qn__operand_type(m, op, 3));
  qn_scalar s = qn_type_as_scalar(ctx, t);
  if (s != QN_I1 && s != elem)
    return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "mask has elements of %s, expected i1 or %s", qn__type_c(m, t),
                       qn_scalar_get(elem)->text);
  return need_broadcast(m, op, 3, scores);
}

qn_status qn__rule_attention(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_dims y, scores;
  qn_scalar elem = QN_F32;
  qn_status status = attention_dims(m, op, false, &y, &scores);
  if (status == QN_OK) status = attention_elem(m, op, &elem);
  if (status == QN_OK) status = check_block(m, op);
  if (status == QN_OK) status = check_mask(m, op, &scores, elem);
  if (status != QN_OK) return status;
  float scale = qn__attention_scale(m, op, 1);
  if (scale - scale != 0)
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE, "scale is %g as f32, expected a finite number", (double)scale);
  results[0] = qn__dims_tensor(ctx, qn__scalar_type(m, elem), &y);
  return QN_OK;
}

/* ---- kern.attention ---- */

/* Operand i comes in the layout that attribute `name` says: a packed one, or as it is. */
static qn_status check_packed(qn_module *m, qn_op op, uint32_t i, const char *name, qn_layout *layout) {
  qn_str want = qn_op_get_string(m, op, name);
  qn_op def = qn_value_op(m, qn_op_operand(m, op, i));
  qn_op_kind kind = qn_op_kind_of(m, def);
  bool packed = kind == QN_OP_PACK || kind == QN_OP_PACKED;
  if (!qn__layout_parse(want, layout))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "%s is \"%.*s\", expected \"plain\" or a packed layout such as \"k4n64\"", name, (int)want.size,
                       want.data);
  if (packed ? qn_str_eq(qn_op_get_string(m, def, "layout"), want) : layout->plain) return QN_OK;
  return qn_op_error(
      m, op, QN_DIAG_ATTRIBUTE,
      "%s is \"%.*s\", but operand %u does not come from kern.pack or kern.packed_constant of that layout", name,
      (int)want.size, want.data, i);
}

static qn_status check_layouts(qn_module *m, qn_op op) {
  qn_layout k, v;
  qn_status status = check_packed(m, op, 1, "layout_k", &k);
  if (status == QN_OK) status = check_packed(m, op, 2, "layout_v", &v);
  if (status != QN_OK) return status;
  if (!k.plain && k.panel_width != (uint64_t)qn_op_get_int(m, op, "key_block"))
    return qn_op_error(m, op, QN_DIAG_ATTRIBUTE,
                       "layout_k has panels of %u columns, expected one per key block of %lld", k.panel_width,
                       (long long)qn_op_get_int(m, op, "key_block"));
  return QN_OK;
}

static qn_status check_types(qn_module *m, qn_op op, qn_scalar *acc) {
  qn_context *ctx = qn_module_context(m);
  *acc = qn_type_as_scalar(ctx, qn_attr_as_type(m, qn_op_attr(m, op, "acc")));
  qn_scalar have[3];
  for (uint32_t i = 0; i < 3; i++) have[i] = qn_type_memory(ctx, qn__operand_elem(m, op, i));
  bool floats = *acc == QN_F32 && have[0] == QN_F32 && have[1] == QN_F32 && have[2] == QN_F32;
  bool codes = *acc == QN_I32 && (have[0] == QN_UI8 || have[0] == QN_I8) && have[1] == QN_I8 && have[2] == QN_I8;
  if (floats || codes) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH,
                     "q, k and v have elements of %s, %s and %s, sums %s; expected f32 throughout, or ui8 or i8, "
                     "i8 and i8 into i32",
                     qn_scalar_get(have[0])->text, qn_scalar_get(have[1])->text, qn_scalar_get(have[2])->text,
                     qn_scalar_get(*acc)->text);
}

static qn_status check_region(qn_module *m, qn_op op, uint32_t region, const char *name, uint32_t num_args,
                              uint32_t num_yields, qn_op *yield) {
  qn_block block = qn_op_region(m, op, region);
  qn_op last = qn_block_last(m, block);
  if (qn_block_num_args(m, block) != num_args)
    return qn_op_error(m, op, QN_DIAG_OPERAND_COUNT, "the %s has %u arguments, expected %u", name,
                       qn_block_num_args(m, block), num_args);
  if (qn_op_kind_of(m, last) != QN_OP_YIELD)
    return qn_op_error(m, op, QN_DIAG_VERIFY, "the %s does not end with kern.yield", name);
  if (qn_op_num_operands(m, last) != num_yields)
    return qn_op_error(m, last, QN_DIAG_OPERAND_COUNT, "the %s yields %u values, expected %u", name,
                       qn_op_num_operands(m, last), num_yields);
  *yield = last;
  return QN_OK;
}

static qn_status check_scalar(qn_module *m, qn_op op, const char *name, const char *what, uint32_t i, qn_value v,
                              qn_scalar want) {
  if (qn_type_as_scalar(qn_module_context(m), qn_value_type(m, v)) == want) return QN_OK;
  return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "%s %u of the %s is %s, expected %s", what, i, name,
                     qn__type_c(m, qn_value_type(m, v)), qn_scalar_get(want)->text);
}

static qn_status check_score(qn_module *m, qn_op op, qn_scalar acc) {
  qn_context *ctx = qn_module_context(m);
  uint32_t extras = qn_op_num_operands(m, op) - 3;
  qn_op yield;
  qn_status status = check_region(m, op, 0, "score", 1 + extras, 1, &yield);
  qn_block block = qn_op_region(m, op, 0);
  if (status == QN_OK) status = check_scalar(m, op, "score", "argument", 0, qn_block_arg(m, block, 0), acc);
  for (uint32_t i = 0; status == QN_OK && i < extras; i++) {
    qn_scalar want = qn__region_scalar(ctx, qn__operand_elem(m, op, 3 + i));
    if (want == QN_SCALAR_NONE)
      return qn_op_error(m, op, QN_DIAG_TYPE_MISMATCH, "operand %u is %s, whose elements a region cannot compute on",
                         3 + i, qn__type_c(m, qn__operand_type(m, op, 3 + i)));
    status = check_scalar(m, op, "score", "argument", 1 + i, qn_block_arg(m, block, 1 + i), want);
  }
  return status == QN_OK ? check_scalar(m, yield, "score", "value", 0, qn_op_operand(m, yield, 0), QN_F32) : status;
}

/* Two f32 in; the weight, and for integer sums its code, out. */
static qn_status check_weight(qn_module *m, qn_op op, qn_scalar acc) {
  bool codes = acc == QN_I32;
  qn_op yield;
  qn_status status = check_region(m, op, 1, "weight", 2, codes ? 2 : 1, &yield);
  for (uint32_t i = 0; status == QN_OK && i < 2; i++)
    status = check_scalar(m, op, "weight", "argument", i, qn_block_arg(m, qn_op_region(m, op, 1), i), QN_F32);
  if (status == QN_OK) status = check_scalar(m, yield, "weight", "value", 0, qn_op_operand(m, yield, 0), QN_F32);
  if (status == QN_OK && codes)
    status = check_scalar(m, yield, "weight", "value", 1, qn_op_operand(m, yield, 1), QN_I8);
  return status;
}

static qn_status check_epilogue(qn_module *m, qn_op op, qn_type *elem) {
  qn_context *ctx = qn_module_context(m);
  qn_op yield;
  qn_status status = check_region(m, op, 2, "epilogue", 2, 1, &yield);
  for (uint32_t i = 0; status == QN_OK && i < 2; i++)
    status = check_scalar(m, op, "epilogue", "argument", i, qn_block_arg(m, qn_op_region(m, op, 2), i), QN_F32);
  if (status != QN_OK) return status;
  qn_type have = qn__operand_type(m, yield, 0), declared = qn__declared(m, op, 0);
  *elem = qn_type_is_null(declared) ? have : qn_type_elem(ctx, declared);
  qn_scalar held = qn__region_scalar(ctx, *elem);
  if (held != QN_SCALAR_NONE && qn_type_as_scalar(ctx, have) == held) return QN_OK;
  return qn_op_error(m, yield, QN_DIAG_TYPE_MISMATCH, "the epilogue yields %s for a result with elements of %s",
                     qn__type_c(m, have), qn__type_c(m, *elem));
}

qn_status qn__rule_kern_attention(qn_module *m, qn_op op, qn_type *results) {
  qn_context *ctx = qn_module_context(m);
  qn_dims y, scores;
  qn_scalar acc = QN_F32;
  qn_type elem = {0};
  qn_status status = attention_dims(m, op, true, &y, &scores);
  if (status == QN_OK) status = check_types(m, op, &acc);
  if (status == QN_OK) status = check_block(m, op);
  if (status == QN_OK) status = check_layouts(m, op);
  for (uint32_t i = 3; status == QN_OK && i < qn_op_num_operands(m, op); i++)
    status = need_broadcast(m, op, i, &scores);
  if (status == QN_OK) status = check_score(m, op, acc);
  if (status == QN_OK) status = check_weight(m, op, acc);
  if (status == QN_OK) status = check_epilogue(m, op, &elem);
  if (status == QN_OK) results[0] = qn__dims_tensor(ctx, elem, &y);
  return status;
}
