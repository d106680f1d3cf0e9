#include "type_text.h"
#include "floattext.h"
#include "ir_state.h"
#include <string.h>

const char *qn__f32_text(char out[QN__NUMBER_TEXT], float v) {
  qn__f32_print(out, v);
  return out;
}

const char *qn__f64_text(char out[QN__NUMBER_TEXT], double v) {
  qn__f64_print(out, v);
  return out;
}

void qn__print_quoted(qn_buf *out, qn_str text) {
  static const char hex[] = "0123456789ABCDEF";
  qn__buf_char(out, '"');
  for (size_t i = 0; i < text.size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (c == '"' || c == '\\') {
      qn__buf_char(out, '\\');
      qn__buf_char(out, (char)c);
    } else if (c < 0x20 || c == 0x7F) {
      const char escape[] = {'\\', hex[c >> 4], hex[c & 15]};
      qn__buf_put(out, escape, sizeof escape);
    } else {
      qn__buf_char(out, (char)c);
    }
  }
  qn__buf_char(out, '"');
}

/* ---- which dialect ---- */

/* Numbers that compare equal, whatever the caller's floating-point environment. */
static bool same_number(double a, double b) {
  uint64_t x, y;
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
  return x == y || (x | y) << 1 == 0;
}

/* Forms of uniform types that MLIR's quant dialect has in no version. */
static bool is_ours(const qn_context *ctx, const qn_quant *q) {
  return q->scale_type != QN_F32 || !same_number(q->tensor_scale, 1) ||
         !qn_scalar_is_int(qn_type_as_scalar(ctx, q->storage));
}

static bool as_resource(const qn_quant *q, unsigned flags) {
  return q->num_scales > QN__TYPE_INLINE_PARAMS && !(flags & QN__TYPE_INLINE);
}

static bool storage_is_float(const qn_context *ctx, qn_type t) {
  return qn_scalar_is_float(qn_type_as_scalar(ctx, qn_type_get_parts(ctx, t).storage));
}

bool qn__type_is_opaque_in_generic(const qn_context *ctx, qn_type t, unsigned flags) {
  double min, max;
  const qn_quant *q;
  t = qn_type_elem(ctx, t);
  switch (qn_type_kind_of(ctx, t)) {
  case QN_TYPE_SCALAR: return !qn_scalar_get(qn_type_as_scalar(ctx, t))->upstream;
  case QN_TYPE_QUANT:
    q = qn_type_as_quant(ctx, t);
    return is_ours(ctx, q) || (q->num_blocks && !q->per_axis) || as_resource(q, flags);
  case QN_TYPE_ANY: return storage_is_float(ctx, t);
  case QN_TYPE_CALIBRATED: return qn_type_calibrated_range(ctx, t, &min, &max) && same_number(min, max);
  case QN_TYPE_QUANTILE:
  case QN_TYPE_OPAQUE: return true;
  default: return false;
  }
}

static const char *dialect(const qn_context *ctx, qn_type t, unsigned flags) {
  const qn_quant *q = qn_type_as_quant(ctx, t);
  bool ours = q ? is_ours(ctx, q) : qn_type_kind_of(ctx, t) == QN_TYPE_ANY && storage_is_float(ctx, t);
  if (flags & QN__TYPE_GENERIC) ours = qn__type_is_opaque_in_generic(ctx, t, flags);
  return ours ? "!quern." : "!quant.";
}

/* ---- quantized types ---- */

static void print_number(qn_buf *out, double v, bool single) {
  char text[QN__NUMBER_TEXT];
  qn__buf_c(out, single ? qn__f32_text(text, (float)v) : qn__f64_text(text, v));
}

/* i8 or u8, with the codes in use unless those are all. */
static void print_storage(qn_buf *out, const qn_context *ctx, qn_type_parts p, unsigned flags) {
  qn_scalar s = qn_type_as_scalar(ctx, p.storage);
  if (!qn_scalar_is_int(s)) {
    /* Inside an opaque type a small float keeps its own name. */
    if (s)
      qn__buf_c(out, qn_scalar_get(s)->text);
    else
      qn__type_print(out, ctx, p.storage, flags);
    return;
  }
  int64_t lo, hi;
  qn__storage_range(s, p.is_signed, &lo, &hi);
  qn__buf_char(out, p.is_signed ? 'i' : 'u');
  qn__buf_u64(out, qn_scalar_get(s)->bits);
  if (p.qmin == lo && p.qmax == hi) return;
  qn__buf_char(out, '<');
  qn__buf_i64(out, p.qmin);
  qn__buf_char(out, ':');
  qn__buf_i64(out, p.qmax);
  qn__buf_char(out, '>');
}

static void print_expressed(qn_buf *out, const qn_context *ctx, qn_type expressed) {
  qn__buf_c(out, qn_scalar_get(qn_type_as_scalar(ctx, expressed))->text);
}

static void print_axes(qn_buf *out, const qn_quant *q) {
  if (q->num_blocks == 0) return;
  if (q->per_axis) {
    qn__buf_char(out, ':');
    qn__buf_i64(out, q->blocks[0].axis);
    return;
  }
  for (uint32_t i = 0; i < q->num_blocks; i++) {
    qn__buf_c(out, i ? ", " : ":{");
    qn__buf_i64(out, q->blocks[i].axis);
    qn__buf_char(out, ':');
    qn__buf_i64(out, q->blocks[i].size);
  }
  qn__buf_char(out, '}');
}

static void print_parameter(qn_buf *out, const qn_quant *q, uint32_t i) {
  print_number(out, q->scales[i], true);
  if (!q->zero_points || q->zero_points[i] == 0) return;
  qn__buf_char(out, ':');
  qn__buf_i64(out, q->zero_points[i]);
}

/* How many of the innermost dimensions start a new list at parameter i. */
static uint32_t lists_at(const qn_quant *q, uint32_t i) {
  uint32_t n = 0;
  for (uint64_t period = 1; n < q->param_rank; n++) {
    period *= (uint64_t)q->param_shape[q->param_rank - 1 - n];
    if (i % period != 0) break;
  }
  return n;
}

static void print_repeated(qn_buf *out, char c, uint32_t n) {
  while (n-- > 0) qn__buf_char(out, c);
}

static void print_parameters(qn_buf *out, const qn_quant *q) {
  for (uint32_t i = 0; i < q->num_scales && !out->failed; i++) {
    uint32_t lists = lists_at(q, i);
    if (i > 0) {
      print_repeated(out, '}', lists);
      qn__buf_c(out, lists ? ", " : ",");
    }
    print_repeated(out, '{', lists);
    print_parameter(out, q, i);
  }
  print_repeated(out, '}', q->param_rank);
}

static void print_quant(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  const qn_quant *q = qn_type_as_quant(ctx, t);
  qn__buf_c(out, dialect(ctx, t, flags));
  qn__buf_c(out, "uniform<");
  print_storage(out, ctx, qn_type_get_parts(ctx, t), flags);
  qn__buf_char(out, ':');
  print_expressed(out, ctx, q->expressed);
  print_axes(out, q);
  if (q->scale_type != QN_F32) {
    qn__buf_c(out, ", scale = ");
    qn__buf_c(out, qn_scalar_get(q->scale_type)->text);
  }
  if (!same_number(q->tensor_scale, 1)) {
    qn__buf_c(out, ", tensor_scale = ");
    print_number(out, q->tensor_scale, true);
  }
  qn__buf_c(out, ", ");
  if (as_resource(q, flags)) {
    qn__buf_c(out, "dense_resource<");
    qn__buf_str(out, qn_name_str(ctx, ((const qn__quant_body *)qn__type_get(ctx, t)->body)->resource));
    qn__buf_char(out, '>');
  } else {
    print_parameters(out, q);
  }
  qn__buf_char(out, '>');
}

static void print_any(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  qn_type_parts p = qn_type_get_parts(ctx, t);
  qn__buf_c(out, dialect(ctx, t, flags));
  qn__buf_c(out, "any<");
  print_storage(out, ctx, p, flags);
  if (p.expressed.id) {
    qn__buf_char(out, ':');
    print_expressed(out, ctx, p.expressed);
  }
  qn__buf_char(out, '>');
}

static void print_calibrated(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  double min = 0, max = 0;
  qn_type_calibrated_range(ctx, t, &min, &max);
  qn__buf_c(out, dialect(ctx, t, flags));
  qn__buf_c(out, "calibrated<");
  print_expressed(out, ctx, qn_type_get_parts(ctx, t).expressed);
  qn__buf_char(out, '<');
  print_number(out, min, false);
  qn__buf_char(out, ':');
  print_number(out, max, false);
  qn__buf_c(out, ">>");
}

static void print_quantile(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  qn_type_parts p = qn_type_get_parts(ctx, t);
  qn__buf_c(out, dialect(ctx, t, flags));
  qn__buf_c(out, p.is_signed ? "quantile<i" : "quantile<ui");
  qn__buf_u64(out, qn_scalar_get(qn_type_as_scalar(ctx, p.storage))->bits);
  qn__buf_char(out, ':');
  print_expressed(out, ctx, p.expressed);
  qn__buf_c(out, ", {");
  for (uint32_t i = 0; i < p.num_entries; i++) {
    if (i) qn__buf_char(out, ',');
    print_number(out, p.entries[i], false);
  }
  qn__buf_c(out, "}>");
}

/* ---- everything else ---- */

static void print_scalar(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  const qn_scalar_info *info = qn_scalar_get(qn_type_as_scalar(ctx, t));
  if ((flags & QN__TYPE_GENERIC) && !info->upstream) qn__buf_c(out, "!quern.");
  qn__buf_c(out, info->text);
}

static void print_symbols(qn_buf *out, const qn_context *ctx, qn_type t) {
  bool any = false;
  uint32_t rank = qn_type_rank(ctx, t);
  for (uint32_t i = 0; i < rank; i++) any = any || qn_type_symbol(ctx, t, i).id;
  if (!any) return;
  qn__buf_c(out, ", #quern.dims<");
  for (uint32_t i = 0; i < rank; i++) {
    if (i) qn__buf_char(out, ',');
    qn__print_quoted(out, qn_name_str(ctx, qn_type_symbol(ctx, t, i)));
  }
  qn__buf_char(out, '>');
}

static void print_tensor(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  const int64_t *shape = qn_type_shape(ctx, t);
  qn__buf_c(out, "tensor<");
  for (uint32_t i = 0; i < qn_type_rank(ctx, t); i++) {
    if (shape[i] == QN_DYNAMIC)
      qn__buf_char(out, '?');
    else
      qn__buf_i64(out, shape[i]);
    qn__buf_char(out, 'x');
  }
  qn__type_print(out, ctx, qn_type_elem(ctx, t), flags);
  print_symbols(out, ctx, t);
  qn__buf_char(out, '>');
}

static void print_list(qn_buf *out, const qn_context *ctx, const qn_type *types, uint32_t n, unsigned flags) {
  qn__buf_char(out, '(');
  for (uint32_t i = 0; i < n; i++) {
    if (i) qn__buf_c(out, ", ");
    qn__type_print(out, ctx, types[i], flags);
  }
  qn__buf_char(out, ')');
}

static void print_function(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  const qn__function_body *f = qn__type_get(ctx, t)->body;
  const qn_type *results = f->types + f->num_inputs;
  print_list(out, ctx, f->types, f->num_inputs, flags);
  qn__buf_c(out, " -> ");
  if (f->num_results == 1 && qn_type_kind_of(ctx, results[0]) != QN_TYPE_FUNCTION)
    qn__type_print(out, ctx, results[0], flags);
  else
    print_list(out, ctx, results, f->num_results, flags);
}

static void print_opaque(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  (void)flags;
  qn__buf_char(out, '!');
  qn__buf_str(out, qn_type_get_parts(ctx, t).text);
}

static void print_null(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  (void)ctx;
  (void)t;
  (void)flags;
  qn__buf_c(out, "none");
}

void qn__type_print(qn_buf *out, const qn_context *ctx, qn_type t, unsigned flags) {
  static void (*const printers[])(qn_buf *, const qn_context *, qn_type,
                                  unsigned) = {[QN_TYPE_NULL] = print_null,
                                               [QN_TYPE_SCALAR] = print_scalar,
                                               [QN_TYPE_TENSOR] = print_tensor,
                                               [QN_TYPE_FUNCTION] = print_function,
                                               [QN_TYPE_QUANT] = print_quant,
                                               [QN_TYPE_ANY] = print_any,
                                               [QN_TYPE_CALIBRATED] = print_calibrated,
                                               [QN_TYPE_QUANTILE] = print_quantile,
                                               [QN_TYPE_OPAQUE] = print_opaque};
  printers[qn_type_kind_of(ctx, t)](out, ctx, t, flags);
}

qn_str qn_type_text(qn_context *ctx, qn_type t) {
  static const qn_str none = {"none", 4}, unknown = {"?", 1};
  qn__ir_state *ir = qn__ir(ctx);
  if (!ir || t.id == 0 || t.id >= ir->types.size) return none;
  qn__type_rec *r = &ir->types.data[t.id];
  if (r->text) return (qn_str){r->text, r->text_size};
  qn_buf out;
  qn__buf_init(&out, &ctx->allocator);
  qn__type_print(&out, ctx, t, 0);
  qn_str text =
      out.failed || out.size > UINT32_MAX ? (qn_str){NULL, 0} : qn__arena_str(&ctx->arena, qn__buf_view(&out));
  qn__buf_free(&out);
  if (!text.data) {
    qn_error_no_memory(ctx);
    return unknown;
  }
  r->text = text.data;
  r->text_size = (uint32_t)text.size;
  return text;
}
