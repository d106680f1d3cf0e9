/* quern qparams: the formulas of quantization parameters, on numbers given. */
#include "cli.h"
#include <float.h>
#include <math.h>
#include <quern/num.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBERS = 4096 };

/* "i8", "u8", "ui8", "si8": the storage's scalar. */
static qn_scalar storage_named(const char *text) {
  char name[16];
  if (text[0] == 'u' && text[1] != 'i')
    snprintf(name, sizeof name, "ui%s", text + 1);
  else
    snprintf(name, sizeof name, "%s", text);
  return qn_scalar_find(qn_str_of(name));
}

static int parse_values(const cli *c, float *values, int *n) {
  const char *text = cli_value(c, "--values", "");
  while (*text) {
    char *end;
    float v = strtof(text, &end);
    if (end == text || (*end && *end != ',')) return cli_usage(c, "--values: '%s' is no list of numbers", text);
    if (*n == MAX_NUMBERS) return cli_usage(c, "--values: more than %d", MAX_NUMBERS);
    values[(*n)++] = v;
    text = *end ? end + 1 : end;
  }
  return CLI_OK;
}

static int request(const cli *c, qn_qparams_request *r) {
  const char *type = cli_value(c, "--type", "i8"), *scheme = cli_value(c, "--scheme", "asymmetric"),
             *range = cli_value(c, "--range", "full");
  bool ok = true;
  *r = qn_qparams_request_of(storage_named(type));
  if (!r->width) return cli_usage(c, "--type: '%s' is no integer storage of 2 to 16 bits", type);
  r->qmin = (int32_t)cli_integer(c, "--qmin", 0, &ok), r->qmax = (int32_t)cli_integer(c, "--qmax", 0, &ok);
  if (!ok) return CLI_USAGE;
  int32_t low = r->is_signed ? -(1 << (r->width - 1)) : 0, high = low + (1 << r->width) - 1;
  if (cli_flag(c, "--qmin") != cli_flag(c, "--qmax")) {
    if (!cli_flag(c, "--qmin"))
      r->qmin = low;
    else
      r->qmax = high;
  }
  if (!strcmp(scheme, "symmetric"))
    r->scheme = QN_SYMMETRIC;
  else if (strcmp(scheme, "asymmetric"))
    return cli_usage(c, "--scheme: '%s' is neither asymmetric nor symmetric", scheme);
  if (!strcmp(range, "narrow"))
    r->range = QN_RANGE_NARROW;
  else if (strcmp(range, "full"))
    return cli_usage(c, "--range: '%s' is neither full nor narrow", range);
  return CLI_OK;
}

static void print_float(float v) {
  if (isnan(v) || isinf(v))
    printf("null");
  else
    printf("%.9g", (double)v);
}

static void print_json(qn_qparams p, const float *values, int n) {
  printf("{\"scale\": ");
  print_float(p.scale);
  printf(", \"zero_point\": %d, \"qmin\": %d, \"qmax\": %d, \"codes\": [", p.zero_point, p.qmin, p.qmax);
  for (int i = 0; i < n; i++) printf("%s%d", i ? ", " : "", qn_quantize_f32(values[i], p, QN_ROUND_HALF_EVEN));
  printf("], \"restored\": [");
  for (int i = 0; i < n; i++) {
    if (i) printf(", ");
    print_float(qn_dequantize_f32(qn_quantize_f32(values[i], p, QN_ROUND_HALF_EVEN), p));
  }
  printf("]}\n");
}

static void print_table(qn_qparams p, const float *values, int n) {
  printf("scale       %.9g\nzero point  %d\ncodes       %d .. %d\nrange       %.9g .. %.9g\n", (double)p.scale,
         p.zero_point, p.qmin, p.qmax, (double)qn_dequantize_f32(p.qmin, p), (double)qn_dequantize_f32(p.qmax, p));
  if (n) printf("\n%16s %8s %16s %16s\n", "value", "code", "restored", "error");
  for (int i = 0; i < n; i++) {
    int32_t q = qn_quantize_f32(values[i], p, QN_ROUND_HALF_EVEN);
    float back = qn_dequantize_f32(q, p);
    printf("%16.9g %8d %16.9g %16.9g\n", (double)values[i], q, (double)back, (double)(back - values[i]));
  }
}

int cmd_qparams(cli *c) {
  static float values[MAX_NUMBERS];
  int n = 0, bad;
  bool ok = true;
  qn_qparams_request r;
  qn_qparams p;
  const char *reason = NULL;
  qn_status status;
  if ((bad = parse_values(c, values, &n)) || (bad = request(c, &r))) return bad;
  if (cli_flag(c, "--scale")) {
    qn_qparams_request all = r;
    all.scheme = QN_ASYMMETRIC, all.range = QN_RANGE_FULL;
    status = qn_qparams_choose(&all, 0, 0, &p, &reason);
    p.scale = (float)cli_number(c, "--scale", 1, &ok);
    p.zero_point = (int32_t)cli_integer(c, "--zero-point", 0, &ok);
    if (!status) status = qn_qparams_check(&p, &reason);
  } else {
    if (!cli_flag(c, "--min") || !cli_flag(c, "--max")) return cli_usage(c, "--min and --max are needed, or --scale");
    double min = cli_number(c, "--min", 0, &ok), max = cli_number(c, "--max", 0, &ok);
    status = qn_qparams_choose(&r, (float)min, (float)max, &p, &reason);
  }
  if (!ok) return CLI_USAGE;
  if (status)
    return cli_status(
        qn_error(c->ctx, QN_DIAG_DATA, qn_place_file(""), "%s", reason ? reason : "the parameters are out of range"));
  if (cli_flag(c, "--json"))
    print_json(p, values, n);
  else
    print_table(p, values, n);
  return CLI_OK;
}
