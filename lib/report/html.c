/* What is in a program, as a page. */
#include "page.h"
#include "tree.h"
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void tables(qn_buf *b, const cJSON *root) {
  static const qn__page_column facts[] = {{"target", "lowered for", QN__PAGE_CODE},
                                          {"functions", "functions", QN__PAGE_NUMBER},
                                          {"num_ops", "ops", QN__PAGE_NUMBER},
                                          {"constant_bytes", "constants", QN__PAGE_BYTES},
                                          {"quantized_values", "quantized values", QN__PAGE_NUMBER},
                                          {"float_values", "float values", QN__PAGE_NUMBER}};
  static const qn__page_column ports[] = {{"name", "name", QN__PAGE_CODE}, {"type", "type", QN__PAGE_CODE}};
  static const qn__page_column kernels[] = {{"op", "op", QN__PAGE_CODE},
                                            {"name", "kernel", QN__PAGE_CODE},
                                            {"isa", "instructions", QN__PAGE_TEXT},
                                            {"tile", "tile", QN__PAGE_TEXT},
                                            {"fused", "fused", QN__PAGE_TEXT},
                                            {"chain", "chain", QN__PAGE_NUMBER},
                                            {"tuned", "tuned", QN__PAGE_TEXT},
                                            {"notes", "notes", QN__PAGE_TEXT},
                                            {"slow_reason", "why slow", QN__PAGE_WARNING}};
  static const qn__page_column tally[] = {
      {"name", "name", QN__PAGE_CODE}, {"count", "count", QN__PAGE_NUMBER}, {"bytes", "constants", QN__PAGE_BYTES}};
  qn__page_facts(b, root, facts, COUNT(facts));
  const cJSON *unfolded = cJSON_GetObjectItemCaseSensitive(root, "unfolded_products");
  if (unfolded && unfolded->valuedouble > 0)
    qn__buf_fmt(b,
                "<p class=\"warn\">%.0f products of dequantized codes are in floats: the pass fold-qparams multiplies "
                "the codes.</p>\n",
                unfolded->valuedouble);
  qn__page_table(b, "Inputs", cJSON_GetObjectItemCaseSensitive(root, "inputs"), ports, COUNT(ports));
  qn__page_table(b, "Outputs", cJSON_GetObjectItemCaseSensitive(root, "outputs"), ports, COUNT(ports));
  qn__page_table(b, "Kernels, in order", cJSON_GetObjectItemCaseSensitive(root, "kernels"), kernels, COUNT(kernels));
  qn__page_table(b, "Ops", cJSON_GetObjectItemCaseSensitive(root, "ops"), tally, COUNT(tally));
  qn__page_table(b, "Types of values", cJSON_GetObjectItemCaseSensitive(root, "types"), tally, COUNT(tally));
}

static bool put_piece(void *user, const char *data, size_t size) {
  qn_buf *b = user;
  qn__buf_put(b, data, size);
  return !b->failed;
}

static bool can_be_drawn(const qn_module *m, const char *function) {
  qn_op func = qn_module_function(m, function);
  uint32_t ops = 0;
  if (!func.id) return false;
  for (qn_op op = qn_block_first(m, qn_func_body(m, func)); op.id; op = qn_op_next(m, op)) ops++;
  uint32_t ports = qn_block_num_args(m, qn_func_body(m, func)) + qn_op_num_operands(m, qn_func_return(m, func));
  return ops <= QN_REPORT_DRAWN && ports <= QN_REPORT_DRAWN && ops + ports <= QN_REPORT_DRAWN;
}

qn_status qn_report_html(const qn_module *m, const qn_program *p, const char *title, qn_write_fn write, void *user) {
  if (!m || !write) return qn_error_null(qn_module_context(m), __func__);
  qn_context *ctx = qn_module_context(m);
  cJSON *root = qn__tree_read(qn__report_tree(m, p));
  if (!root) return qn_error_no_memory(ctx);
  qn_buf b;
  qn_status status = QN_OK;
  qn__buf_init(&b, qn_context_allocator(ctx));
  b.flush = write, b.user = user;
  qn__page_begin(&b, title ? title : "Program");
  tables(&b, root);
  cJSON_Delete(root);
  if (can_be_drawn(m, NULL)) {
    qn__page_heading(&b, "Graph");
    qn__buf_c(&b, "<div class=\"wide\">\n");
    status = qn_report_svg(m, NULL, put_piece, &b);
    qn__buf_c(&b, "</div>\n");
  }
  qn__page_end(&b);
  bool ok = qn__buf_finish(&b);
  qn__buf_free(&b);
  return status || ok ? status : qn_error(ctx, QN_DIAG_IO, qn_place_file(""), "the page could not be written");
}
