/* What quantizing did to a program: how much smaller it is, and what each output and op lost. */
#include "page.h"
#include "tree.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool add_number(cJSON *o, const char *key, double v) {
  return (isfinite(v) ? cJSON_AddNumberToObject(o, key, v) : cJSON_AddNullToObject(o, key)) != NULL;
}

double qn_report_decibels(double sqnr_db) {
  return sqnr_db < QN_REPORT_ALL_NOISE ? QN_REPORT_ALL_NOISE : sqnr_db;
}

static bool add_rows(cJSON *root, const char *key, size_t n, const qn_comparison *rows) {
  cJSON *array = cJSON_AddArrayToObject(root, key);
  for (size_t i = 0; array && i < n; i++) {
    const qn_comparison *r = &rows[i];
    cJSON *o = cJSON_CreateObject();
    if (!o || !cJSON_AddItemToArray(array, o) || !qn__tree_text(o, "name", r->name) ||
        !add_number(o, "sqnr_db", qn_report_decibels(r->sqnr_db)) || !add_number(o, "cosine", r->cosine) ||
        !add_number(o, "max_abs", isfinite(r->max_abs) ? r->max_abs : DBL_MAX) ||
        !add_number(o, "top1_agreement", r->top1_agreement >= 0 ? r->top1_agreement : INFINITY))
      return false;
  }
  return array != NULL;
}

static bool add_option(cJSON *root, const char *key, const char *value) {
  return !value || qn__tree_text(root, key, qn_str_of(value));
}

static bool build(cJSON *root, const qn_quantized *q) {
  const qn_quantize_options *o = q->options;
  cJSON *before = qn__report_tree(q->before, NULL), *after = qn__report_tree(q->after, NULL);
  bool ok = before && cJSON_AddItemToObject(root, "before", before);
  if (!ok) cJSON_Delete(before);
  if (!ok || !after || !cJSON_AddItemToObject(root, "after", after)) {
    cJSON_Delete(after);
    return false;
  }
  ok = !o || (add_option(root, "scheme", o->scheme) && add_option(root, "granularity", o->granularity) &&
              add_option(root, "observer", o->observer) && add_option(root, "weights", o->weights) &&
              add_option(root, "activations", o->activations));
  if (ok && o && o->min_sqnr > 0) ok = add_number(root, "min_sqnr", o->min_sqnr);
  if (ok && q->samples > 0) ok = add_number(root, "samples", (double)q->samples);
  return ok && add_rows(root, "outputs", q->num_outputs, q->outputs) && add_rows(root, "ops", q->num_ops, q->ops);
}

static cJSON *tree_of(const qn_quantized *q) {
  cJSON *root = cJSON_CreateObject();
  if (root && build(root, q)) return root;
  cJSON_Delete(root);
  return NULL;
}

static bool is_usable(const qn_quantized *q) {
  return q && q->before && q->after && (q->outputs || !q->num_outputs) && (q->ops || !q->num_ops);
}

qn_status qn_report_quantized_json(const qn_quantized *q, qn_write_fn write, void *user) {
  if (!is_usable(q) || !write) return qn_error_null(q ? qn_module_context(q->after) : NULL, __func__);
  return qn__tree_write(qn_module_context(q->after), tree_of(q), write, user);
}

/* ---- the page ---- */

static double member(const cJSON *root, const char *object, const char *key) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, object), key);
  return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static double noise_of(const cJSON *row) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, "sqnr_db");
  return cJSON_IsNumber(v) ? v->valuedouble : INFINITY;
}

static int noisiest_first(const void *a, const void *b) {
  double x = noise_of(*(cJSON *const *)a), y = noise_of(*(cJSON *const *)b);
  return x < y ? -1 : x > y;
}

/* The same rows, those with the least signal above their noise first. Null when memory runs out. */
static cJSON *sorted(const cJSON *rows) {
  size_t n = rows ? (size_t)cJSON_GetArraySize(rows) : 0, i = 0;
  qn_allocator a = qn_allocator_default();
  const cJSON **list = a.resize(a.user, NULL, 0, (n + 1) * sizeof *list);
  cJSON *out = list ? cJSON_CreateArray() : NULL;
  const cJSON *row;
  if (list) cJSON_ArrayForEach(row, rows) list[i++] = row;
  if (n && list) qsort(list, n, sizeof *list, noisiest_first);
  for (i = 0; out && i < n; i++)
    if (!cJSON_AddItemReferenceToArray(out, (cJSON *)(uintptr_t)list[i])) break;
  if (list) a.resize(a.user, list, (n + 1) * sizeof *list, 0);
  return out;
}

static void put_size(qn_buf *b, const cJSON *root) {
  double before = member(root, "before", "constant_bytes"), after = member(root, "after", "constant_bytes");
  qn__page_heading(b, "Size of constants");
  qn__buf_fmt(b, "<p>%.0f bytes before, %.0f after", before, after);
  if (before > 0 && after > 0) qn__buf_fmt(b, ": %.2f times smaller", before / after);
  qn__buf_c(b, ".</p>\n");
}

static void put_page(qn_buf *b, const cJSON *root, const cJSON *ops) {
  static const qn__page_column options[] = {{"scheme", "scheme", QN__PAGE_CODE},
                                            {"granularity", "granularity", QN__PAGE_CODE},
                                            {"observer", "observer", QN__PAGE_CODE},
                                            {"weights", "weights", QN__PAGE_CODE},
                                            {"activations", "activations", QN__PAGE_CODE},
                                            {"min_sqnr", "least SQNR of weights, dB", QN__PAGE_NUMBER},
                                            {"samples", "samples compared", QN__PAGE_NUMBER}};
  static const qn__page_column rows[] = {{"name", "name", QN__PAGE_CODE},
                                         {"sqnr_db", "SQNR, dB", QN__PAGE_MEASURE},
                                         {"cosine", "cosine", QN__PAGE_MEASURE},
                                         {"max_abs", "largest error", QN__PAGE_MEASURE},
                                         {"top1_agreement", "same largest", QN__PAGE_SHARE}};
  static const qn__page_column types[] = {
      {"name", "type", QN__PAGE_CODE}, {"count", "values", QN__PAGE_NUMBER}, {"bytes", "constants", QN__PAGE_BYTES}};
  const cJSON *outputs = cJSON_GetObjectItemCaseSensitive(root, "outputs");
  const cJSON *after = cJSON_GetObjectItemCaseSensitive(root, "after");
  qn__page_facts(b, root, options, COUNT(options));
  put_size(b, root);
  if (!outputs || !outputs->child) qn__buf_c(b, "<p>Without samples, what was lost cannot be measured.</p>\n");
  qn__page_table(b, "Outputs, against the program before", outputs, rows, COUNT(rows));
  qn__page_table(b, "Ops, those that lost most first", ops, rows, COUNT(rows));
  qn__page_table(b, "Types of values after", cJSON_GetObjectItemCaseSensitive(after, "types"), types, COUNT(types));
}

qn_status qn_report_quantized_html(const qn_quantized *q, const char *title, qn_write_fn write, void *user) {
  if (!is_usable(q) || !write) return qn_error_null(q ? qn_module_context(q->after) : NULL, __func__);
  qn_context *ctx = qn_module_context(q->after);
  cJSON *root = qn__tree_read(tree_of(q));
  cJSON *ops = root ? sorted(cJSON_GetObjectItemCaseSensitive(root, "ops")) : NULL;
  qn_buf b;
  qn__buf_init(&b, qn_context_allocator(ctx));
  b.flush = write, b.user = user;
  bool made = root && ops;
  if (made) qn__page_begin(&b, title ? title : "Quantized program"), put_page(&b, root, ops), qn__page_end(&b);
  bool ok = qn__buf_finish(&b);
  qn__buf_free(&b);
  cJSON_Delete(ops);
  cJSON_Delete(root);
  if (!made) return qn_error_no_memory(ctx);
  return ok ? QN_OK : qn_error(ctx, QN_DIAG_IO, qn_place_file(""), "the page could not be written");
}
