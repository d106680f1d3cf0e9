/* A function as a graph for graphviz: boxes are ops, arrows values with their types. */
#include "buf.h"
#include "utf8.h"
#include <quern/report.h>

/* Text inside a quoted label. */
static void quoted(qn_buf *b, qn_str s, size_t limit) {
  for (size_t i = 0, n; i < s.size && i < limit; i += n ? n : 1) {
    n = qn__utf8_length((const unsigned char *)s.data + i, s.size - i);
    if (s.data[i] == '"' || s.data[i] == '\\') qn__buf_char(b, '\\');
    if (n == 0)
      qn__buf_char(b, '?');
    else if ((unsigned char)s.data[i] >= 32)
      qn__buf_put(b, s.data + i, n);
  }
  if (s.size > limit) qn__buf_c(b, "..");
}

static const char *color_of(const qn_module *m, qn_op op) {
  qn_op_kind kind = qn_op_kind_of(m, op);
  uint32_t traits = qn_op_info_get(kind)->traits;
  if (kind == QN_OP_CONSTANT || kind == QN_OP_PACKED) return "gray92";
  if (traits & QN_KERNEL_OP) return "lightsteelblue";
  if (kind == QN_OP_QCAST || kind == QN_OP_DCAST || kind == QN_OP_SCAST || kind == QN_OP_REQUANTIZE)
    return "palegoldenrod";
  return "white";
}

static void edge(qn_buf *b, const qn_module *m, qn_value v, const char *to, uint32_t to_id) {
  qn_context *ctx = qn_module_context(m);
  qn_op from = qn_value_op(m, v);
  if (from.id)
    qn__buf_fmt(b, "  op%u -> %s%u [label=\"", from.id, to, to_id);
  else
    qn__buf_fmt(b, "  in%u -> %s%u [label=\"", qn_value_index(m, v), to, to_id);
  quoted(b, qn_type_text(ctx, qn_value_type(m, v)), 60);
  qn__buf_c(b, "\"];\n");
}

static void node(qn_buf *b, const qn_module *m, qn_op op) {
  qn__buf_fmt(b, "  op%u [style=filled, fillcolor=%s, label=\"", op.id, color_of(m, op));
  quoted(b, qn_op_name(m, op), 60);
  qn_str from = qn_op_place(m, op).entity;
  if (from.size) {
    qn__buf_c(b, "\\n");
    quoted(b, from, 40);
  }
  qn__buf_c(b, "\"];\n");
  for (uint32_t i = 0; i < qn_op_num_operands(m, op); i++) edge(b, m, qn_op_operand(m, op, i), "op", op.id);
}

qn_status qn_report_dot(const qn_module *m, const char *function, qn_write_fn write, void *user) {
  if (!m || !write) return qn_error_null(qn_module_context(m), __func__);
  qn_context *ctx = qn_module_context(m);
  qn_op func = qn_module_function(m, function);
  if (!func.id)
    return qn_error(ctx, QN_DIAG_MISSING, qn_place_file(""), "the module has no function %s",
                    function ? function : "that is public");
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(ctx));
  b.flush = write, b.user = user;
  qn__buf_c(
      &b,
      "digraph program {\n  node [shape=box, fontname=\"Helvetica\"];\n  edge [fontname=\"Helvetica\", fontsize=9];\n");
  qn_block body = qn_func_body(m, func);
  qn_op ret = qn_func_return(m, func);
  for (uint32_t i = 0; i < qn_block_num_args(m, body); i++) {
    qn__buf_fmt(&b, "  in%u [shape=ellipse, label=\"", i);
    quoted(&b, qn_func_input_name(m, func, i), 60);
    qn__buf_c(&b, "\"];\n");
  }
  for (qn_op op = qn_block_first(m, body); op.id && op.id != ret.id; op = qn_op_next(m, op)) node(&b, m, op);
  for (uint32_t i = 0; i < qn_op_num_operands(m, ret); i++) {
    qn__buf_fmt(&b, "  out%u [shape=ellipse, label=\"", i);
    quoted(&b, qn_func_output_name(m, func, i), 60);
    qn__buf_c(&b, "\"];\n");
    edge(&b, m, qn_op_operand(m, ret, i), "out", i);
  }
  qn__buf_c(&b, "}\n");
  bool ok = qn__buf_finish(&b);
  qn__buf_free(&b);
  return ok ? QN_OK : qn_error(ctx, QN_DIAG_IO, qn_place_file(""), "the graph could not be written");
}
