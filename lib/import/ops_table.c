/* The table of ops, and what a graph asks for that is not in it. */
#include "buf.h"
#include "onnx_impl.h"
#include <limits.h>
#include <string.h>

#define LATEST QN_ONNX_OPSET_MAX
#define ANY    UINT_MAX
static const qn_onnx_op rows[] = {
#define QN_ONNX_OP(name, since, until, min_in, max_in, max_out, attrs, handler, kind)                                  \
  {name, attrs, qn__onnx_op_##handler, since, until, min_in, max_in, max_out, QN_OP_##kind},
#include "onnx_ops.def"
#undef QN_ONNX_OP
};
enum { NUM_ROWS = (int)(sizeof rows / sizeof *rows) };

qn_onnx_op_info qn_onnx_op_at(size_t i) {
  if (i >= NUM_ROWS) return (qn_onnx_op_info){0};
  return (qn_onnx_op_info){rows[i].name, rows[i].since, rows[i].until};
}

bool qn__onnx_is_default_domain(qn_str domain) {
  return !domain.size || qn_str_eq(domain, qn_str_of("ai.onnx"));
}

const qn_onnx_op *qn__onnx_op_find(qn_str domain, qn_str op_type, int opset) {
  if (!qn__onnx_is_default_domain(domain)) return NULL;
  for (int i = 0; i < NUM_ROWS; i++)
    if (rows[i].since <= opset && opset <= rows[i].until && qn_str_eq(qn_str_of(rows[i].name), op_type))
      return &rows[i];
  return NULL;
}

/* The operator set that brought an op that this model's is too old for; 0 when there is none. */
static int later_version(qn_str domain, qn_str op_type) {
  for (int i = 0; qn__onnx_is_default_domain(domain) && i < NUM_ROWS; i++)
    if (qn_str_eq(qn_str_of(rows[i].name), op_type)) return rows[i].since;
  return 0;
}

/* 'name' (domain.Type) */
static void describe(qn_buf *b, const Onnx__NodeProto *node) {
  qn_str name = qn__onnx_str(node->name), domain = qn__onnx_str(node->domain), type = qn__onnx_str(node->op_type);
  if (!name.size && node->n_output) name = qn__onnx_str(node->output[0]);
  qn__buf_char(b, '\'');
  qn__buf_str(b, name);
  qn__buf_c(b, "' (");
  if (!qn__onnx_is_default_domain(domain)) {
    qn__buf_str(b, domain);
    qn__buf_char(b, '.');
  }
  qn__buf_str(b, type);
  int since = later_version(domain, type);
  if (since) qn__buf_fmt(b, ", which exists from operator set %d on", since);
  qn__buf_char(b, ')');
}

static void list_rows(qn_buf *b) {
  qn__buf_c(b, "ops that can be imported:");
  for (int i = 0; i < NUM_ROWS; i++) {
    if (i && strcmp(rows[i].name, rows[i - 1].name) == 0) continue;
    qn__buf_c(b, i ? ", " : " ");
    qn__buf_c(b, rows[i].name);
  }
}

static qn_status report(qn_onnx *im, const qn_buf *nodes, size_t count) {
  if (nodes->failed) return qn_error_no_memory(im->ctx);
  qn_status status =
      qn_error(im->ctx, QN_DIAG_UNSUPPORTED, qn_place_file(im->file), "%zu node%s cannot be imported: %.*s", count,
               count == 1 ? "" : "s", nodes->size > INT_MAX ? INT_MAX : (int)nodes->size, nodes->data);
  qn_buf known;
  qn__buf_init(&known, qn_context_allocator(im->ctx));
  list_rows(&known);
  if (!known.failed) qn_note(im->ctx, qn_place_file(im->file), "%s", known.data);
  qn__buf_free(&known);
  return status;
}

qn_status qn__onnx_check_ops(qn_onnx *im) {
  qn_buf nodes;
  size_t count = 0;
  qn__buf_init(&nodes, qn_context_allocator(im->ctx));
  for (size_t i = 0; i < im->graph->n_node; i++) {
    const Onnx__NodeProto *node = im->graph->node[i];
    if (qn__onnx_op_find(qn__onnx_str(node->domain), qn__onnx_str(node->op_type), im->opset)) continue;
    if (count++) qn__buf_c(&nodes, ", ");
    describe(&nodes, node);
  }
  qn_status status = count ? report(im, &nodes, count) : QN_OK;
  qn__buf_free(&nodes);
  return status;
}
