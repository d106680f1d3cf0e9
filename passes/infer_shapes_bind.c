/* infer-shapes: option bind, and names for the inputs' nameless sizes. */
#include "infer_shapes.h"
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

static qn_name port_name(shapes *p, qn_op func, uint32_t input, uint32_t dim) {
  qn_str name = qn_func_input_name(p->m, func, input);
  char text[200];
  int n = snprintf(text, sizeof text, "%.*s.%u", (int)(name.size < 180 ? name.size : 180), name.data, (unsigned)dim);
  return qn_name_of(p->ctx, (qn_str){text, n > 0 ? (size_t)n : 0});
}

static qn_type with_names(shapes *p, qn_op func, uint32_t input, qn_type t) {
  qn_context *ctx = p->ctx;
  if (qn_type_kind_of(ctx, t) != QN_TYPE_TENSOR || qn_type_is_static(ctx, t)) return t;
  uint32_t rank = qn_type_rank(ctx, t);
  qn_name names[QN_MAX_RANK];
  for (uint32_t d = 0; d < rank; d++) {
    names[d] = qn_type_symbol(ctx, t, d);
    if (qn_type_shape(ctx, t)[d] != QN_DYNAMIC || names[d].id) continue;
    names[d] = port_name(p, func, input, d);
    if (!names[d].id) return (qn_type){0}; /* no memory for it */
  }
  return qn_type_tensor_symbols(ctx, qn_type_elem(ctx, t), rank, qn_type_shape(ctx, t), names);
}

static qn_status name_inputs(shapes *p) {
  for (uint32_t f = 0; f < p->functions.list.size; f++) {
    qn_op func = p->functions.list.data[f];
    qn_block body = qn_func_body(p->m, func);
    if (!qn_func_is_public(p->m, func)) continue;
    for (uint32_t i = 0; i < qn_block_num_args(p->m, body); i++) {
      qn_value v = qn_block_arg(p->m, body, i);
      qn_type t = with_names(p, func, i, qn_value_type(p->m, v));
      if (qn_type_is_null(t)) return qn_error_no_memory(p->ctx);
      if (!qn_type_eq(t, qn_value_type(p->m, v))) p->refined++;
      qn_value_set_type(p->m, v, t);
    }
  }
  return QN_OK;
}

/* ---- binding ---- */

static qn_status bad_bind(const shapes *p, qn_str item, const char *why) {
  return qn_error(p->ctx, QN_DIAG_ATTRIBUTE, qn_place_file(""),
                  "infer-shapes: bind has '%.*s', %s; expected NAME:SIZE or INPUT.DIM:SIZE, joined by '+'",
                  (int)item.size, item.data, why);
}

/* The name after "INPUT.DIM" has been looked up: an input's size may carry a symbol of its own. */
static bool name_of_port(shapes *p, qn_str text, qn_name *out, int64_t *fixed) {
  for (uint32_t f = 0; f < p->functions.list.size; f++) {
    qn_op func = p->functions.list.data[f];
    qn_block body = qn_func_body(p->m, func);
    if (!qn_func_is_public(p->m, func)) continue;
    for (uint32_t i = 0; i < qn_block_num_args(p->m, body); i++) {
      qn_type t = qn_value_type(p->m, qn_block_arg(p->m, body, i));
      for (uint32_t d = 0; d < qn_type_rank(p->ctx, t); d++) {
        if (!qn_str_eq(qn_name_str(p->ctx, port_name(p, func, i, d)), text)) continue;
        *fixed = qn_type_shape(p->ctx, t)[d];
        *out = qn_type_symbol(p->ctx, t, d);
        return true;
      }
    }
  }
  return false;
}

/* Whether any input has a size of this name. */
static bool name_is_used(const shapes *p, qn_name name) {
  for (uint32_t f = 0; f < p->functions.list.size; f++) {
    qn_block body = qn_func_body(p->m, p->functions.list.data[f]);
    for (uint32_t i = 0; i < qn_block_num_args(p->m, body); i++) {
      qn_type t = qn_value_type(p->m, qn_block_arg(p->m, body, i));
      for (uint32_t d = 0; d < qn_type_rank(p->ctx, t); d++)
        if (qn_type_symbol(p->ctx, t, d).id == name.id) return true;
    }
  }
  return false;
}

static bool read_size(qn_str text, int64_t *out) {
  int64_t v = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9' || v > (INT64_MAX - 9) / 10) return false;
    v = v * 10 + (text.data[i] - '0');
  }
  *out = v;
  return text.size != 0;
}

static qn_status bind_item(shapes *p, qn_str item) {
  size_t colon = item.size;
  while (colon > 0 && item.data[colon - 1] != ':') colon--;
  if (colon < 2) return bad_bind(p, item, "which gives no size");
  const qn_str name = {item.data, colon - 1}, number = {item.data + colon, item.size - colon};
  int64_t size, fixed = QN_DYNAMIC;
  if (!read_size(number, &size)) return bad_bind(p, item, "whose size is no number");
  qn_name symbol = qn_name_of(p->ctx, name);
  if (!name_is_used(p, symbol) && !name_of_port(p, name, &symbol, &fixed))
    return bad_bind(p, item, "but no input has a size of that name");
  if (fixed != QN_DYNAMIC) return fixed == size ? QN_OK : bad_bind(p, item, "but that size is fixed already");
  return qn__push(p->allocator, &p->bound, (sizes_bound){symbol, size}) ? QN_OK : qn_error_no_memory(p->ctx);
}

qn_status qn__bind_sizes(shapes *p) {
  qn_str rest = qn_run_string(p->run, "bind");
  qn_status status = name_inputs(p);
  while (status == QN_OK && rest.size) {
    const char *plus = memchr(rest.data, '+', rest.size);
    size_t n = plus ? (size_t)(plus - rest.data) : rest.size;
    status = bind_item(p, (qn_str){rest.data, n});
    n += plus != NULL;
    rest = (qn_str){rest.data + n, rest.size - n};
  }
  return status;
}
