/* A program's contents as JSON, built with cJSON: reports are small next to what they are about. */
#include "buf.h"
#include "tree.h"
#include "utf8.h"
#include <string.h>

static void put_json(qn_buf *b, qn_str s) {
  qn__buf_c(b, "\"");
  for (size_t i = 0, n; i < s.size; i += n ? n : 1) {
    unsigned char c = (unsigned char)s.data[i];
    n = qn__utf8_length((const unsigned char *)s.data + i, s.size - i);
    if (n == 0)
      qn__buf_c(b, "\\ufffd");
    else if (c < 32)
      qn__buf_fmt(b, "\\u%04x", c);
    else if (c == '"' || c == '\\')
      qn__buf_fmt(b, "\\%c", c);
    else
      qn__buf_put(b, s.data + i, n);
  }
  qn__buf_c(b, "\"");
}

qn_status qn_report_json_text(qn_str s, qn_write_fn write, void *user) {
  qn_buf b;
  qn_allocator a = qn_allocator_default();
  qn__buf_init(&b, &a);
  b.flush = write, b.user = user;
  put_json(&b, s);
  bool ok = qn__buf_finish(&b);
  qn__buf_free(&b);
  return ok ? QN_OK : QN_ERR_IO;
}

bool qn__tree_text(cJSON *object, const char *key, qn_str s) {
  qn_buf b;
  qn_allocator a = qn_allocator_default();
  qn__buf_init(&b, &a);
  put_json(&b, s);
  qn__buf_put(&b, "", 1);
  bool ok = !b.failed && cJSON_AddRawToObject(object, key, b.data) != NULL;
  qn__buf_free(&b);
  return ok;
}

typedef struct listing {
  cJSON *rows;
  bool bytes;
  bool failed;
} listing;

static void add_row(void *user, const qn_tally_row *row) {
  listing *l = user;
  cJSON *o = cJSON_CreateObject();
  bool ok = o && cJSON_AddItemToArray(l->rows, o) && qn__tree_text(o, "name", row->name) &&
            cJSON_AddNumberToObject(o, "count", (double)row->count);
  if (ok && row->bytes) ok = cJSON_AddNumberToObject(o, "bytes", (double)row->bytes) != NULL;
  if (!ok) l->failed = true;
}

static bool add_ports(cJSON *root, const char *key, const qn_program *p, bool inputs) {
  cJSON *rows = cJSON_AddArrayToObject(root, key);
  uint32_t n = inputs ? qn_program_num_inputs(p) : qn_program_num_outputs(p);
  for (uint32_t i = 0; i < n && rows; i++) {
    qn_port_info port = inputs ? qn_program_input(p, i) : qn_program_output(p, i);
    cJSON *o = cJSON_CreateObject();
    if (!o || !cJSON_AddItemToArray(rows, o) || !qn__tree_text(o, "name", port.name) ||
        !qn__tree_text(o, "type", port.type))
      return false;
  }
  return rows != NULL;
}

static bool add_kernels(cJSON *root, const qn_program *p) {
  cJSON *rows = cJSON_AddArrayToObject(root, "kernels");
  qn_kernel_info k;
  for (size_t i = 0; rows && qn_program_kernel(p, i, &k); i++) {
    cJSON *o = cJSON_CreateObject();
    bool ok = o && cJSON_AddItemToArray(rows, o) && cJSON_AddStringToObject(o, "name", k.name) &&
              cJSON_AddStringToObject(o, "op", k.op) && cJSON_AddStringToObject(o, "isa", k.isa) &&
              cJSON_AddStringToObject(o, "tile", k.tile) && cJSON_AddStringToObject(o, "fused", k.fused) &&
              cJSON_AddStringToObject(o, "tuned", k.tuned);
    ok = ok && (k.slow_reason ? cJSON_AddStringToObject(o, "slow_reason", k.slow_reason)
                              : cJSON_AddNullToObject(o, "slow_reason")) != NULL;
    if (ok && k.chain) ok = cJSON_AddNumberToObject(o, "chain", k.chain) != NULL;
    if (ok && k.notes) ok = cJSON_AddStringToObject(o, "notes", k.notes) != NULL;
    if (!ok) return false;
  }
  return rows != NULL;
}

static bool build(cJSON *root, const qn_module *m, const qn_program *p) {
  qn_summary s = qn_report_summary(m);
  listing ops = {.rows = cJSON_AddArrayToObject(root, "ops")}, types = {.rows = cJSON_AddArrayToObject(root, "types")};
  bool ok = ops.rows && types.rows && cJSON_AddNumberToObject(root, "functions", (double)s.functions) &&
            cJSON_AddNumberToObject(root, "num_ops", (double)s.ops) &&
            cJSON_AddNumberToObject(root, "constant_bytes", (double)s.constant_bytes) &&
            cJSON_AddNumberToObject(root, "quantized_values", (double)s.quantized_values) &&
            cJSON_AddNumberToObject(root, "float_values", (double)s.float_values) &&
            cJSON_AddNumberToObject(root, "unfolded_products", (double)s.unfolded) &&
            cJSON_AddBoolToObject(root, "lowered", s.lowered) && qn__tree_text(root, "target", s.target);
  if (ok) ok = !qn_report_ops(m, add_row, &ops) && !qn_report_types(m, add_row, &types) && !ops.failed && !types.failed;
  return ok &&
         (!p || (add_ports(root, "inputs", p, true) && add_ports(root, "outputs", p, false) && add_kernels(root, p)));
}

cJSON *qn__report_tree(const qn_module *m, const qn_program *p) {
  cJSON *root = cJSON_CreateObject();
  if (root && build(root, m, p)) return root;
  cJSON_Delete(root);
  return NULL;
}

qn_status qn__tree_write(qn_context *ctx, cJSON *root, qn_write_fn write, void *user) {
  char *text = root ? cJSON_Print(root) : NULL;
  cJSON_Delete(root);
  if (!text) return qn_error_no_memory(ctx);
  bool ok = write(user, text, strlen(text)) && write(user, "\n", 1);
  cJSON_free(text);
  return ok ? QN_OK : qn_error(ctx, QN_DIAG_IO, qn_place_file(""), "the report could not be written");
}

cJSON *qn__tree_read(cJSON *root) {
  char *text = root ? cJSON_PrintUnformatted(root) : NULL;
  cJSON_Delete(root);
  root = text ? cJSON_Parse(text) : NULL;
  cJSON_free(text);
  return root;
}

qn_status qn_report_json(const qn_module *m, const qn_program *p, qn_write_fn write, void *user) {
  if (!m || !write) return qn_error_null(qn_module_context(m), __func__);
  return qn__tree_write(qn_module_context(m), qn__report_tree(m, p), write, user);
}
