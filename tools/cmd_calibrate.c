/* quern calibrate, quantize, compare */
#include "cli.h"
#include "fileio.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int need_out(const cli *c) {
  return cli_flag(c, "-o") ? CLI_OK : cli_usage(c, "-o FILE is needed");
}

static int parse_shard(const cli *c, qn_calibrate_options *o) {
  const char *text = cli_value(c, "--shard", NULL);
  if (!text) return CLI_OK;
  char *end;
  long long i = strtoll(text, &end, 10), n = *end == '/' ? strtoll(end + 1, &end, 10) : 0;
  if (*end || n < 1 || i < 0 || i >= n) return cli_usage(c, "--shard: '%s' is not I/N with 0 <= I < N", text);
  o->shard = i, o->num_shards = n;
  return CLI_OK;
}

static qn_status merge(cli *c) {
  qn_module *into = NULL;
  qn_print_options print = {.generic = false};
  qn_status status = cli_load(c, c->positional[0], &into);
  for (int i = 1; i < c->num_positional && !status; i++) {
    qn_module *from;
    if ((status = cli_load(c, c->positional[i], &from))) break;
    status = qn_calibrate_merge(into, from);
    qn_module_destroy(from);
  }
  if (!status) status = cli_print_module(c, into, cli_value(c, "-o", NULL), &print);
  qn_module_destroy(into);
  return status;
}

static qn_status open_samples(cli *c, qn_sample_set **samples) {
  *samples = NULL;
  const char *path = cli_value(c, "--data", NULL);
  return path ? qn_samples_open(c->ctx, path, samples) : QN_OK;
}

int cmd_calibrate(cli *c) {
  qn_calibrate_options options = {.observer = cli_value(c, "--observer", NULL),
                                  .engine = cli_value(c, "--engine", NULL)};
  qn_print_options print = {.generic = false};
  int bad = need_out(c);
  if (!bad) bad = parse_shard(c, &options);
  if (bad) return bad;
  if (cli_flag(c, "--merge")) return cli_status(merge(c));
  if (c->num_positional != 1) return cli_usage(c, "one model is calibrated at a time; --merge takes several");
  if (!cli_flag(c, "--data")) return cli_usage(c, "--data FILE.npz is needed");
  qn_module *m;
  qn_sample_set *samples = NULL;
  qn_status status = cli_load(c, c->positional[0], &m);
  if (status) return cli_status(status);
  status = open_samples(c, &samples);
  if (!status) status = qn_calibrate(m, samples, &options);
  if (!status) status = cli_print_module(c, m, cli_value(c, "-o", NULL), &print);
  qn_samples_close(samples);
  qn_module_destroy(m);
  return cli_status(status);
}

/* ---- the report of quantize ---- */

/* Rows as they arrive, with names of their own. */
typedef struct rows {
  qn_comparison *list;
  size_t n, room;
  bool failed;
} rows;

static void keep_row(void *user, const qn_comparison *row) {
  rows *r = user;
  if (r->n == r->room) {
    size_t room = r->room ? 2 * r->room : 64;
    qn_comparison *more = realloc(r->list, room * sizeof *more);
    if (!more) {
      r->failed = true;
      return;
    }
    r->list = more, r->room = room;
  }
  char *name = malloc(row->name.size + 1);
  if (!name) {
    r->failed = true;
    return;
  }
  if (row->name.size) memcpy(name, row->name.data, row->name.size);
  r->list[r->n] = *row;
  r->list[r->n++].name = (qn_str){name, row->name.size};
}

static void free_rows(rows *r) {
  for (size_t i = 0; i < r->n; i++) free((char *)(uintptr_t)r->list[i].name.data);
  free(r->list);
}

static qn_status write_report(cli *c, const qn_quantized *q, const char *path) {
  qn_writer w;
  size_t n = strlen(path);
  qn_status status = qn__writer_open(c->ctx, path, &w);
  if (status) return status;
  if (n > 5 && !strcmp(path + n - 5, ".json"))
    status = qn_report_quantized_json(q, qn__writer_put, &w);
  else
    status = qn_report_quantized_html(q, c->positional[0], qn__writer_put, &w);
  if (!status || w.error) return qn__writer_commit(&w);
  qn__writer_abandon(&w);
  return status;
}

static qn_status report(cli *c, const qn_module *before, const qn_module *after, qn_sample_set *samples,
                        const qn_quantize_options *options) {
  const char *path = cli_value(c, "--report", NULL);
  rows r = {.n = 0};
  qn_op func = qn_module_function(before, NULL);
  size_t outputs = func.id ? qn_op_num_operands(before, qn_func_return(before, func)) : 0;
  qn_quantized q = {.before = before, .after = after, .options = options};
  qn_status status = QN_OK;
  if (samples) status = qn_samples_count(samples, before, func, &q.samples);
  if (samples && !status) status = qn_compare(before, after, samples, options->engine, true, keep_row, &r);
  if (!status && r.failed) status = qn_error_no_memory(c->ctx);
  if (outputs > r.n) outputs = r.n;
  q.outputs = r.list, q.num_outputs = outputs; /* they come first */
  q.ops = r.list ? r.list + outputs : NULL, q.num_ops = r.n - outputs;
  if (!status) status = write_report(c, &q, path);
  free_rows(&r);
  return status;
}

int cmd_quantize(cli *c) {
  bool ok = true;
  qn_quantize_options options = {.scheme = cli_value(c, "--scheme", "w8a8"),
                                 .observer = cli_value(c, "--observer", NULL),
                                 .granularity = cli_value(c, "--granularity", NULL),
                                 .weights = cli_value(c, "--weights", NULL),
                                 .activations = cli_value(c, "--activations", NULL),
                                 .min_sqnr = cli_number(c, "--min-sqnr", 0, &ok),
                                 .engine = cli_value(c, "--engine", NULL)};
  qn_print_options print = {.generic = false};
  if (!ok || need_out(c)) return CLI_USAGE;
  qn_module *m, *before = NULL;
  qn_sample_set *samples;
  qn_status status = cli_load(c, c->positional[0], &m);
  if (status) return cli_status(status);
  status = open_samples(c, &samples);
  if (!status && cli_flag(c, "--report") && !(before = qn_module_clone(m))) status = qn_error_no_memory(c->ctx);
  if (!status) status = qn_quantize(m, samples, &options);
  if (!status && before) status = report(c, before, m, samples, &options);
  if (!status) status = cli_print_module(c, m, cli_value(c, "-o", NULL), &print);
  qn_samples_close(samples);
  qn_module_destroy(before);
  qn_module_destroy(m);
  return cli_status(status);
}

/* ---- compare ---- */

typedef struct listing {
  bool json;
  int rows;
} listing;

static void json_number(double v) {
  if (isfinite(v))
    printf("%.9g", v);
  else
    printf("null");
}

static void on_row(void *user, const qn_comparison *r) {
  listing *l = user;
  if (!l->json) {
    if (!l->rows++) printf("%-32s %9s %10s %12s %7s\n", "name", "SQNR dB", "cosine", "max error", "top-1");
    printf("%-32.*s %9.2f %10.6f %12.5g ", (int)r->name.size, r->name.data, r->sqnr_db, r->cosine, r->max_abs);
    if (r->top1_agreement >= 0)
      printf("%6.2f%%\n", 100 * r->top1_agreement);
    else
      printf("%7s\n", "-");
    return;
  }
  printf("%s{\"name\": ", l->rows++ ? ",\n  " : "");
  qn_report_json_text(r->name, cli_write_stdout, NULL);
  printf(", \"sqnr_db\": ");
  json_number(qn_report_decibels(r->sqnr_db));
  printf(", \"cosine\": ");
  json_number(r->cosine);
  printf(", \"max_abs\": ");
  json_number(isfinite(r->max_abs) ? r->max_abs : DBL_MAX);
  printf(", \"top1_agreement\": ");
  if (r->top1_agreement >= 0)
    json_number(r->top1_agreement);
  else
    printf("null");
  putchar('}');
}

static qn_status print_accuracy(cli *c, const qn_module *a, const qn_module *b, qn_sample_set *samples, bool json) {
  const char *labels = cli_value(c, "--labels", NULL);
  qn_accuracy r;
  if (!labels) return QN_OK;
  qn_status status = qn_compare_accuracy(a, b, samples, labels, cli_value(c, "--engine", NULL), &r);
  if (status) return status;
  if (json)
    printf(", \"accuracy\": {\"samples\": %lld, \"a\": %.6f, \"b\": %.6f, \"agreement\": %.6f}", (long long)r.samples,
           r.a, r.b, r.agreement);
  else
    printf("\nsamples     %lld\naccuracy A  %.2f%%\naccuracy B  %.2f%%\nagreement   %.2f%%\n", (long long)r.samples,
           100 * r.a, 100 * r.b, 100 * r.agreement);
  return QN_OK;
}

int cmd_compare(cli *c) {
  listing l = {.json = cli_flag(c, "--json")};
  if (!cli_flag(c, "--data")) return cli_usage(c, "--data FILE.npz is needed");
  qn_module *a = NULL, *b = NULL;
  qn_sample_set *samples = NULL;
  qn_status status = cli_load(c, c->positional[0], &a);
  if (!status) status = cli_load(c, c->positional[1], &b);
  if (!status) status = open_samples(c, &samples);
  if (!status) {
    if (l.json) printf("{\"outputs\": [");
    status = qn_compare(a, b, samples, cli_value(c, "--engine", NULL), cli_flag(c, "--per-op"), on_row, &l);
    if (l.json) printf("]");
    if (!status) status = print_accuracy(c, a, b, samples, l.json);
    if (l.json) printf("}\n");
  }
  qn_samples_close(samples);
  qn_module_destroy(a);
  qn_module_destroy(b);
  return cli_status(status);
}
