/* quern inspect: what is in a program, and how its kernels run. */
#include "cli.h"
#include "fileio.h"
#include <quern/report.h>
#include <string.h>

static void print_row(void *user, const qn_tally_row *row) {
  (void)user;
  printf("%8llu  %.*s", (unsigned long long)row->count, (int)row->name.size, row->name.data);
  if (row->bytes) printf("  (%llu bytes)", (unsigned long long)row->bytes);
  putchar('\n');
}

static void print_kernels(const qn_program *p) {
  qn_kernel_info k;
  size_t n = 0;
  for (; qn_program_kernel(p, n, &k); n++) {
    printf("%-12s %s\n", k.op, k.name);
    if (k.place.entity.size) printf("  from   %.*s\n", (int)k.place.entity.size, k.place.entity.data);
    printf("  isa    %s\n", k.isa);
    if (*k.tile) printf("  tile   %s\n", k.tile);
    if (*k.fused) printf("  fused  %s\n", k.fused);
    if (*k.tuned) printf("  tuned  %s\n", k.tuned);
    if (k.chain) printf("  chain  %u, in blocks of rows\n", k.chain);
    if (k.notes) printf("  notes  %s\n", k.notes);
    if (k.slow_reason) printf("  slow   %s\n", k.slow_reason);
  }
  if (!n) printf("no kernels: engine %s evaluates ops as they are\n", qn_program_engine(p));
}

static void print_summary(const qn_module *m) {
  qn_summary s = qn_report_summary(m);
  printf("functions         %llu\nops               %llu\nkernels           %llu\nconstants         %llu bytes\nvalues "
         "           %llu quantized, %llu float, %llu integer\n",
         (unsigned long long)s.functions, (unsigned long long)s.ops, (unsigned long long)s.kernels,
         (unsigned long long)s.constant_bytes, (unsigned long long)s.quantized_values,
         (unsigned long long)s.float_values, (unsigned long long)s.int_values);
  if (s.target.size) printf("lowered for       %.*s\n", (int)s.target.size, s.target.data);
}

/* ---- files ---- */

typedef struct subject {
  const qn_module *m;
  const qn_program *p;
  const char *function, *title;
} subject;

static qn_status put_dot(const subject *s, qn_writer *w) {
  return qn_report_dot(s->m, s->function, qn__writer_put, w);
}

static qn_status put_svg(const subject *s, qn_writer *w) {
  return qn_report_svg(s->m, s->function, qn__writer_put, w);
}

static qn_status put_html(const subject *s, qn_writer *w) {
  return qn_report_html(s->m, s->p, s->title, qn__writer_put, w);
}

static const struct sink {
  const char *option;
  qn_status (*put)(const subject *s, qn_writer *w);
} sinks[] = {{"--dot", put_dot}, {"--svg", put_svg}, {"--html", put_html}};
enum { NUM_SINKS = sizeof sinks / sizeof *sinks };

static qn_status write_sink(cli *c, const subject *s, const struct sink *sink, const char *path) {
  qn_writer w;
  qn_status status = qn__writer_open(c->ctx, path, &w);
  if (status) return status;
  status = sink->put(s, &w);
  if (!status || w.error) return qn__writer_commit(&w); /* which reports what could not be written */
  qn__writer_abandon(&w);
  return status;
}

static qn_status write_sinks(cli *c, const subject *s) {
  qn_status status = QN_OK;
  for (size_t i = 0; i < NUM_SINKS && !status; i++) {
    const char *path = cli_value(c, sinks[i].option, NULL);
    if (path) status = write_sink(c, s, &sinks[i], path);
  }
  return status;
}

int cmd_inspect(cli *c) {
  bool json = cli_flag(c, "--json"), kernels = cli_flag(c, "--kernels"), ops = cli_flag(c, "--ops"),
       types = cli_flag(c, "--types");
  bool files = cli_flag(c, "--dot") || cli_flag(c, "--svg") || cli_flag(c, "--html");
  qn_compile_options options = {.engine = cli_value(c, "--engine", NULL),
                                .cpu = cli_value(c, "--cpu", NULL),
                                .function = cli_value(c, "--function", NULL),
                                .look = true};
  qn_program *p = NULL;
  qn_module *m;
  qn_status status = cli_load(c, c->positional[0], &m);
  if (status) return cli_status(status);
  if (kernels || json || cli_flag(c, "--html")) status = qn_build_program(m, &options, &p);
  if (!status && p) status = qn_program_wait(p); /* whether a kernel is slow may depend on what is being made */
  if (!status) status = write_sinks(c, &(subject){m, p, options.function, c->positional[0]});
  if (!status && json)
    status = qn_report_json(m, p, cli_write_stdout, NULL);
  else if (!status && !(kernels || ops || types || files))
    print_summary(m);
  if (!status && !json && !(ops || types || files))
    cli_print_unfolded("slow              ", qn_report_summary(m).unfolded);
  if (!status && !json && ops) status = qn_report_ops(m, print_row, NULL);
  if (!status && !json && types) status = qn_report_types(m, print_row, NULL);
  if (!status && !json && kernels) print_kernels(p);
  qn_program_destroy(p);
  qn_module_destroy(m);
  return cli_status(status);
}
