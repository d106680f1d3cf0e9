/* quern passes, ops, types, isa, schemes, diags: the tables, printed. */
#include "cli.h"
#include <quern/schemes.h>
#include <quern/unstable/isa.h>
#include <string.h>

static void json_string(const char *s) {
  qn_report_json_text(qn_str_of(s ? s : ""), cli_write_stdout, NULL);
}

/* Prints rows of named cells: aligned text, or an array of objects. */
typedef struct table {
  bool json;
  int rows;
} table;

static void row(table *t, int n, const char *const *names, const char *const *cells, const int *widths) {
  if (!t->json) {
    for (int i = 0; i < n; i++) printf("%s%-*s", i ? "  " : "", i + 1 < n ? widths[i] : 0, cells[i] ? cells[i] : "");
    putchar('\n');
    return;
  }
  printf("%s{", t->rows++ ? ",\n " : "[");
  for (int i = 0; i < n; i++) {
    if (i) fputs(", ", stdout);
    json_string(names[i]);
    fputs(": ", stdout);
    json_string(cells[i]);
  }
  putchar('}');
}

static int end(const table *t) {
  if (t->json) puts(t->rows ? "]" : "[]");
  return CLI_OK;
}

int cmd_passes(cli *c) {
  static const char *const names[] = {"name", "summary", "options"};
  static const int widths[] = {20, 0, 0};
  table t = {.json = cli_flag(c, "--json")};
  const qn_pass_info *p;
  for (size_t i = 0; (p = qn_pass_get(c->ctx, i)); i++) {
    row(&t, t.json ? 3 : 2, names, (const char *const[]){p->name, p->summary, p->options}, widths);
    if (!t.json && p->options && *p->options) printf("%22s%s\n", "", p->options);
  }
  return end(&t);
}

static void print_op(const qn_op_info *o) {
  printf("%s\n  %s\n", o->name, o->doc);
  if (*o->operands) printf("  operands    %s\n", o->operands);
  if (*o->results) printf("  results     %s\n", o->results);
  if (*o->attrs) printf("  attributes  %s\n", o->attrs);
  if (*o->regions) printf("  regions     %s\n", o->regions);
}

int cmd_ops(cli *c) {
  static const char *const names[] = {"name", "doc", "operands", "results", "attributes", "regions"};
  static const int widths[] = {24, 0, 0, 0, 0, 0};
  table t = {.json = cli_flag(c, "--json")};
  qn_op_kind only = QN_OP_UNREGISTERED;
  if (c->num_positional) {
    only = qn_op_kind_find(c->ctx, qn_str_of(c->positional[0]));
    if (only == QN_OP_UNREGISTERED) return cli_usage(c, "no op '%s'; 'quern ops' lists them", c->positional[0]);
    if (!t.json) {
      print_op(qn_op_info_get(only));
      return CLI_OK;
    }
  }
  for (int k = 1; k < QN_OP_KIND_COUNT; k++) {
    if (only != QN_OP_UNREGISTERED && (qn_op_kind)k != only) continue;
    const qn_op_info *o = qn_op_info_get((qn_op_kind)k);
    row(&t, t.json ? 6 : 2, names,
        (const char *const[]){o->name, o->doc, o->operands, o->results, o->attrs, o->regions}, widths);
  }
  return end(&t);
}

int cmd_types(cli *c) {
  static const char *const names[] = {"name", "bits", "class", "numpy", "safetensors", "mlir19"};
  static const char *const classes[] = {"float", "signless", "unsigned", "signed"};
  static const int widths[] = {10, 4, 9, 6, 11, 6};
  table t = {.json = cli_flag(c, "--json")};
  if (!t.json) row(&t, 6, names, names, widths);
  for (int s = 1; s < QN_SCALAR_COUNT; s++) {
    const qn_scalar_info *i = qn_scalar_get((qn_scalar)s);
    char bits[8];
    snprintf(bits, sizeof bits, "%u", i->bits);
    row(&t, 6, names,
        (const char *const[]){i->text, bits, classes[i->cls], i->numpy ? i->numpy : "",
                              i->safetensors ? i->safetensors : "", i->upstream ? "yes" : "opaque"},
        widths);
  }
  return end(&t);
}

/* The other names of a row. */
static const char *also(const qn_isa *isa, char *text, size_t size) {
  const qn_isa *of;
  const char *name;
  size_t at = 0;
  text[0] = 0;
  for (size_t i = 0; (name = qn_isa_alias(i, &of)) && at < size; i++) {
    if (of != isa) continue;
    int n = snprintf(text + at, size - at, "%s%s", at ? " " : "", name);
    at += n > 0 ? (size_t)n : 0;
  }
  return text;
}

int cmd_isa(cli *c) {
  char text[512];
  static const char *const names[] = {"name", "arch", "runs here", "doc", "also"};
  static const int widths[] = {16, 8, 9, 0, 0};
  table t = {.json = cli_flag(c, "--json")};
  const qn_isa *isa;
  for (size_t i = 0; (isa = qn_isa_get(i)); i++)
    row(&t, 5, names,
        (const char *const[]){isa->name, isa->arch,
                              isa == qn_isa_host()    ? "host"
                              : qn_isa_runs_here(isa) ? "yes"
                                                      : "no",
                              isa->doc, also(isa, text, sizeof text)},
        widths);
  return end(&t);
}

int cmd_schemes(cli *c) {
  static const char *const names[] = {"name", "weights", "activations", "granularity", "kernel", "doc"};
  static const int widths[] = {14, 8, 11, 22, 24, 0};
  table t = {.json = cli_flag(c, "--json")};
  const qn_scheme *s;
  for (size_t i = 0; (s = qn_scheme_get(i)); i++)
    row(&t, 6, names,
        (const char *const[]){s->name, s->weights, s->activations, s->granularity, s->kernel ? s->kernel : "none",
                              s->doc},
        widths);
  return end(&t);
}

int cmd_diags(cli *c) {
  static const char *const names[] = {"name", "doc"};
  static const int widths[] = {14, 0};
  table t = {.json = cli_flag(c, "--json")};
  for (int d = 0; d < QN_DIAG_COUNT; d++)
    row(&t, 2, names, (const char *const[]){qn_diag_name((qn_diag_code)d), qn_diag_doc((qn_diag_code)d)}, widths);
  return end(&t);
}
