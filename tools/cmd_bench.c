/* quern bench: how fast a model, a matrix product or the machine is. */
#include "bench.h"
#include "fileio.h"
#include <quern/unstable/isa.h>
#include <stdlib.h>
#include <string.h>

/* As JSON an object that the caller ends. */
static void print(const setup *s, const qn_bench_result *r) {
  const char *cpu = s->options.cpu ? s->options.cpu : qn_isa_host()->name;
  const char *engine = s->p ? qn_program_engine(s->p) : "llvm";
  if (s->json) {
    printf("{\"time_us\": %.3f, \"median_us\": %.3f, \"gops\": %.3f, \"peak_gops\": %.3f, \"fraction\": %.4f, "
           "\"instructions\": \"%s\", \"engine\": \"%s\", \"cpu\": \"%s\", \"threads\": %lld",
           r->time_us, r->median_us, r->gops, r->peak_gops, r->fraction, r->instructions, engine, cpu,
           (long long)s->threads);
    return;
  }
  if (r->time_us > 0) printf("time        %.2f us (median %.2f)\n", r->time_us, r->median_us);
  if (r->gops > 0) printf("speed       %.1f GOPS\n", r->gops);
  if (r->peak_gops > 0) printf("peak        %.1f GOPS, %s\n", r->peak_gops, r->instructions);
  if (r->gops > 0 && r->peak_gops > 0) printf("fraction    %.3f\n", r->fraction);
  printf("engine      %s, %s, %lld thread%s\n", engine, cpu, (long long)s->threads, s->threads > 1 ? "s" : "");
  cli_print_unfolded("slow        ", s->unfolded);
}

/* ---- kernel by kernel ---- */

static qn_status write_roofline(setup *s, const char *path, size_t n, const qn_kernel_time *times) {
  qn_limits limits;
  qn_writer w;
  uint32_t multipliers = 0;
  for (size_t i = 0; i < n; i++)
    for (uint32_t j = 0; j < QN_MULTIPLIER_COUNT; j++) multipliers |= (uint32_t)(times[i].by[j] > 0) << j;
  qn_status status = qn_engine_limits(s->c->ctx, s->options.cpu, (uint32_t)s->threads, multipliers, &limits);
  if (!status) status = qn__writer_open(s->c->ctx, path, &w);
  if (status) return status;
  const char *title =
      s->c->num_positional ? s->c->positional[0] : cli_value(s->c, "--matmul", cli_value(s->c, "--conv", ""));
  status = qn_report_roofline(s->c->ctx, title, n, times, &limits, qn__writer_put, &w);
  if (!status || w.error) return qn__writer_commit(&w); /* which reports what could not be written */
  qn__writer_abandon(&w);
  return status;
}

static void print_kernels(size_t n, const qn_kernel_time *times) {
  double total = 0;
  for (size_t i = 0; i < n; i++) total += times[i].best_ns;
  printf("%10s %6s %9s %8s  %s\n", "us", "share", "GOPS", "GB/s", "kernel");
  for (size_t i = 0; i < n; i++) {
    const qn_kernel_time *t = &times[i];
    if (!t->calls) continue;
    char speed[32] = "";
    if (t->multiplies) snprintf(speed, sizeof speed, "%.1f", t->ops / t->best_ns);
    printf("%10.2f %5.1f%% %9s %8.1f  %s %s: %s%s%s\n", t->best_ns * 1e-3, t->best_ns / total * 100, speed,
           t->bytes / t->best_ns, t->kernel.op, t->shape, t->types, *t->kernel.fused ? " | " : "", t->kernel.fused);
  }
}

static void json_text(const char *key, const char *text) {
  printf("\"%s\": ", key);
  qn_report_json_text(qn_str_of(text), cli_write_stdout, NULL);
  fputs(", ", stdout);
}

static void print_kernels_json(size_t n, const qn_kernel_time *times) {
  const char *before = "";
  fputs(", \"kernels\": [", stdout);
  for (size_t i = 0; i < n; i++) {
    const qn_kernel_time *t = &times[i];
    if (!t->calls) continue;
    printf("%s\n  {", before);
    before = ",";
    json_text("name", t->kernel.name), json_text("op", t->kernel.op), json_text("shape", t->shape);
    json_text("types", t->types), json_text("isa", t->kernel.isa), json_text("tile", t->kernel.tile);
    json_text("fused", t->kernel.fused);
    printf("\"time_us\": %.3f, ", t->best_ns * 1e-3);
    if (t->multiplies) printf("\"gops\": %.3f, ", t->ops / t->best_ns);
    printf("\"gbytes_per_s\": %.3f}", t->bytes / t->best_ns);
  }
  putchar(']');
}

static qn_status bench_kernels(setup *s, bool table, const char *roofline) {
  size_t n = 0, room = 0;
  qn_kernel_info info;
  while (qn_program_kernel(s->p, room, &info)) room++;
  if (!room)
    return qn_error(s->c->ctx, QN_DIAG_ENGINE, qn_place_file(""),
                    "engine %s evaluates ops as they are: it has no kernels", qn_program_engine(s->p));
  qn_kernel_time *times = malloc(room * sizeof *times);
  if (!times) return qn_error_no_memory(s->c->ctx);
  qn_status status = qn_bench_kernels(s->c->ctx, s->p, s->in, (uint32_t)s->threads, s->seconds, room, times, &n);
  if (!status && table) (s->json ? print_kernels_json : print_kernels)(n, times);
  if (!status && roofline) status = write_roofline(s, roofline, n, times);
  free(times);
  return status;
}

/* One line or entry of --peak; false where the row has no such instruction. */
static bool print_peak(const setup *s, uint32_t multiplier, double ops, const char *instruction, const char *before) {
  const char *name = qn_multiplier_name(multiplier), *what = instruction ? instruction : "";
  if (ops <= 0) return false;
  if (s->json)
    printf("%s\n  {\"name\": \"%s\", \"instruction\": \"%s\", \"gops\": %.3f}", before, name, what, ops * 1e-9);
  else
    printf("%-11s %.1f GOPS%s%s\n", name, ops * 1e-9, instruction ? ", " : "", what);
  return true;
}

/* The peak of bytes is told like a product's, as JSON before all of them. */
static int bench_peak(setup *s) {
  qn_bench_result r = {0};
  double ops[QN_MULTIPLIER_COUNT];
  const char *instruction[QN_MULTIPLIER_COUNT], *before = "";
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++) {
    qn_status status = qn_engine_peak(s->c->ctx, s->options.cpu, i, (uint32_t)s->threads, &ops[i], &instruction[i]);
    if (status) return cli_status(status);
    if (i > QN_MULTIPLIER_INT8_TILES || ops[i] * 1e-9 <= r.peak_gops) continue;
    r.peak_gops = ops[i] * 1e-9;
    snprintf(r.instructions, sizeof r.instructions, "%s", instruction[i] ? instruction[i] : qn_multiplier_name(i));
  }
  if (s->json) r.gops = r.peak_gops, r.fraction = 1;
  print(s, &r);
  if (s->json) fputs(", \"peaks\": [", stdout);
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++)
    if (print_peak(s, i, ops[i], instruction[i], before)) before = ",";
  if (s->json) puts("]}");
  return CLI_OK;
}

int cmd_bench(cli *c) {
  static setup s;
  bool ok = true;
  s.c = c;
  s.threads = cli_integer(c, "--threads", 1, &ok);
  s.seconds = cli_number(c, "--seconds", 1, &ok);
  s.json = cli_flag(c, "--json");
  s.options = (qn_compile_options){.engine = cli_value(c, "--engine", NULL),
                                   .cpu = cli_value(c, "--cpu", NULL),
                                   .function = cli_value(c, "--function", NULL)};
  if (!ok || s.threads < 1 || s.threads > 1024 || !(s.seconds > 0 && s.seconds <= 3600))
    return ok ? cli_usage(c, "--threads must be 1 to 1024, --seconds above 0 and at most 3600") : CLI_USAGE;
  if (cli_flag(c, "--peak")) return bench_peak(&s);
  s.matmul = cli_value(c, "--matmul", NULL);
  int bad = s.matmul ? bench_parse_matmul(c, s.matmul, &s.product) : CLI_OK;
  s.conv_text = cli_value(c, "--conv", NULL);
  if (!bad && s.conv_text) bad = bench_parse_conv(c, s.conv_text, &s.conv);
  if (bad) return bad;
  bool subject = s.matmul || s.conv_text || c->num_positional, machine = cli_flag(c, "--machine");
  if (!subject && (!machine || cli_flag(c, "--tune")))
    return cli_usage(c, "a model, --matmul, --conv, --peak or --machine is needed");
  const char *engine = s.options.engine;
  if (cli_flag(c, "--tune") && engine && strcmp(engine, "llvm") && strcmp(engine, "auto"))
    return cli_usage(c, "--tune: choices are for the code of llvm, not of %s", engine);
  qn_status status = machine ? bench_machine(&s) : QN_OK;
  if (!subject) return cli_status(status);
  if (!status) status = bench_build(&s);
  if (!status) status = bench_random_inputs(&s);
  if (!status && cli_flag(c, "--tune")) status = bench_tune(&s);
  qn_bench_result r;
  if (!status) status = qn_bench_program(c->ctx, s.p, s.options.cpu, s.in, (uint32_t)s.threads, s.seconds, &r);
  bool measured = !status;
  if (measured) print(&s, &r);
  const char *roofline = cli_value(c, "--roofline", NULL);
  bool kernels = cli_flag(c, "--kernels");
  if (!status && (kernels || roofline)) status = bench_kernels(&s, kernels, roofline);
  if (measured && s.json) puts("}");
  for (uint32_t i = 0; i < MAX_INPUTS; i++) free(s.in[i].data);
  qn_program_destroy(s.p);
  return cli_status(status);
}
