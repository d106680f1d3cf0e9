/* quern calibrate, quantize, compare */
#include "cli.h"
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
  qn_module *m;
  qn_sample_set *samples;
  qn_status status = cli_load(c, c->positional[0], &m);
  if (status) return cli_status(status);
  status = open_samples(c, &samples);
  if (!status) status = qn_quantize(m, samples, &options);
  if (!status) status = cli_print_module(c, m, cli_value(c, "-o", NULL), &print);
  qn_samples_close(samples);
  qn_module_destroy(m);
  return cli_status(status);
}

/* ---- compare ---- */

typedef struct listing {
  bool json;
  int rows;
} listing;

/* JSON has no infinity: equal results have no noise at all, which is null. */
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
  json_number(r->sqnr_db);
  printf(", \"cosine\": ");
  json_number(r->cosine);
  printf(", \"max_abs\": ");
  json_number(r->max_abs);
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
