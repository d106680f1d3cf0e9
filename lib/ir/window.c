/* Windows: reading their attributes, and what follows from them. */
#include <quern/unstable/window.h>

/* `n` numbers of an attribute, each from low to QN_WINDOW_LIMIT; untouched when it is absent. */
static bool read_numbers(const qn_module *m, qn_op op, const char *name, uint32_t n, int64_t low, int64_t *out) {
  qn_attr a = qn_op_attr(m, op, name);
  uint32_t have = 0;
  if (!a.id) return true;
  const int64_t *v = qn_attr_as_ints(m, a, &have);
  if (!v || have != n) return false;
  for (uint32_t i = 0; i < n; i++) {
    if (v[i] < low || v[i] > QN_WINDOW_LIMIT) return false;
    out[i] = v[i];
  }
  return true;
}

static bool read_groups(const qn_module *m, qn_op op, qn_window *w) {
  qn_attr groups = qn_op_attr(m, op, "groups");
  w->groups = groups.id ? qn_attr_as_int(m, groups) : 1;
  return w->groups >= 1;
}

bool qn_window_read(const qn_module *m, qn_op op, qn_window *out) {
  int64_t v[6] = {0};
  *out = (qn_window){.groups = 1};
  if (!read_numbers(m, op, "window", 6, 1, v) || !read_groups(m, op, out) || v[0] == 0) return false;
  if (!read_numbers(m, op, "pads", 4, 0, out->pads)) return false;
  for (int a = 0; a < 2; a++) {
    out->size[a] = v[a];
    out->stride[a] = v[2 + a];
    out->dilation[a] = v[4 + a];
  }
  return true;
}

int64_t qn_window_span(const qn_window *w, int axis) {
  return (w->size[axis] - 1) * w->dilation[axis] + 1;
}

int64_t qn_window_count(const qn_window *w, int axis, int64_t elements) {
  int64_t span = qn_window_span(w, axis), pads = w->pads[axis] + w->pads[2 + axis];
  elements =
      elements > INT64_MAX - pads ? INT64_MAX : elements + pads; /* so many lie in no memory: refused elsewhere */
  return elements < span ? 0 : (elements - span) / w->stride[axis] + 1;
}

qn_segments qn_window_segments(const qn_window *w, int64_t channels) {
  bool touch = w->groups == 1 && (w->dilation[1] == 1 || w->size[1] == 1) && !qn_window_pads(w);
  return touch ? (qn_segments){w->size[0], 1, w->size[1] * channels}
               : (qn_segments){w->size[0], w->size[1], channels / w->groups};
}

void qn_conv_axes(bool nchw, uint32_t axes[4]) {
  static const uint32_t first[4] = {0, 2, 3, 1}, last[4] = {0, 1, 2, 3};
  for (int i = 0; i < 4; i++) axes[i] = (nchw ? first : last)[i];
}

/* Height and width of a convolution's weights: [KH,KW,C,O], or [O,C,KH,KW] with nchw. */
static bool weight_sizes(const qn_module *m, qn_op op, qn_conv *c) {
  const qn_context *ctx = qn_module_context(m);
  qn_type t = qn_value_type(m, qn_op_operand(m, op, 1));
  if (qn_type_kind_of(ctx, t) != QN_TYPE_TENSOR || qn_type_rank(ctx, t) != 4) return false;
  for (int a = 0; a < 2; a++) {
    int64_t n = qn_type_shape(ctx, t)[(c->nchw ? 2 : 0) + a];
    if (n == QN_DYNAMIC || n < 1 || n > QN_WINDOW_LIMIT) return false;
    c->window.size[a] = n;
  }
  return true;
}

bool qn_conv_read(const qn_module *m, qn_op op, qn_conv *out) {
  *out = (qn_conv){.window = {.stride = {1, 1}, .dilation = {1, 1}, .groups = 1}};
  qn_op_kind kind = qn_op_kind_of(m, op);
  out->nchw = qn_str_eq(qn_op_get_string(m, op, "layout"), qn_str_of("nchw"));
  bool conv = kind == QN_OP_CONV2D || kind == QN_OP_CONV2D_INTEGER;
  if (kind == QN_OP_AVERAGE_POOL) out->count_pads = qn_op_get_bool(m, op, "count_pads");
  return read_numbers(m, op, "strides", 2, 1, out->window.stride) &&
         read_numbers(m, op, "dilations", 2, 1, out->window.dilation) && read_numbers(m, op, "pads", 4, 0, out->pads) &&
         read_numbers(m, op, "extra", 2, 0, out->extra) &&
         (conv ? read_groups(m, op, &out->window) && weight_sizes(m, op, out)
               : read_numbers(m, op, "kernel", 2, 1, out->window.size));
}

int64_t qn_conv_count(const qn_conv *c, int axis, int64_t elements) {
  if (c->window.size[axis] == 0) return 1;
  return qn_window_count(&c->window, axis, elements + c->pads[axis] + c->pads[2 + axis] + c->extra[axis]);
}
