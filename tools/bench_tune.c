/* quern bench --machine and --tune: what is measured goes into a tuning file. */
#include "bench.h"
#include "fileio.h"
#include <string.h>
#include <sys/stat.h>

/* Whether there is none yet, or one that something made to have its name, such as mktemp. */
static bool is_new(const char *path) {
  struct stat s;
  return stat(path, &s) || (S_ISREG(s.st_mode) && s.st_size == 0);
}

/* The file that is written, and read before, so that what it has is kept. */
static qn_status open_file(setup *s, char *room, size_t size, const char **path) {
  *path = cli_tuning_path(s->c, cli_value(s->c, "--tune-file", cli_value(s->c, "--tuning", NULL)), room, size);
  if (!*path) return QN_ERR_INPUT;
  qn_status status = is_new(*path) ? QN_OK : qn_tuning_read(s->c->ctx, *path, QN_FOREIGN_REFUSE);
  qn_writer w; /* whether it can be written is better known before than after */
  if (!status) status = qn__writer_open(s->c->ctx, *path, &w);
  if (!status) qn__writer_abandon(&w);
  return status;
}

static qn_status close_file(setup *s, const char *path) {
  qn_status status = qn_tuning_write(s->c->ctx, path);
  if (!status && !s->json) printf("written     %s\n", path);
  return status;
}

/* ---- the machine ---- */

static void print_machine(setup *s, qn_machine *m) {
  const qn_machine_constant *c;
  if (s->json) printf("{");
  for (size_t i = 0; (c = qn_machine_constant_get(i)); i++) {
    if (s->json)
      printf("%s\"%s\": %.9g", i ? ", " : "", c->name, *qn_machine_at(m, i));
    else
      printf("%-14s %12.9g %-6s (default %.9g)  %s\n", c->name, *qn_machine_at(m, i), c->unit, c->otherwise, c->doc);
  }
  if (s->json) printf("}\n");
}

qn_status bench_machine(setup *s) {
  char room[4352];
  const char *path;
  qn_machine m;
  qn_status status = open_file(s, room, sizeof room, &path);
  if (!status) status = qn_measure_machine(s->c->ctx, s->options.cpu, &m);
  if (!status) status = qn_context_set_machine(s->c->ctx, &m);
  if (status) return status;
  print_machine(s, &m);
  return close_file(s, path);
}

/* ---- choices ---- */

static qn_status build_again(void *user, qn_program **out) {
  setup *s = user;
  qn_program *kept = s->p;
  s->p = NULL;
  qn_status status = bench_build(s);
  *out = s->p;
  s->p = kept;
  return status;
}

static void print_step(void *user, const qn_tune_step *t) {
  static const char *const verdicts[] = {"", "better", "recorded", "did not hold"};
  char text[256];
  setup *s = user;
  if (s->json) return;
  printf("%s m=%lld n=%lld k=%lld  %-34s %10.2f us  %.3f (%.3f to %.3f, %u pairs)  %s\n", t->product->types,
         (long long)t->product->m_least, (long long)t->product->n, (long long)t->product->k,
         qn_choice_text(&t->product->choice, text, sizeof text), t->us, t->gain, t->low, t->high, t->pairs,
         verdicts[t->verdict]);
}

qn_status bench_tune(setup *s) {
  char room[4352];
  const char *path;
  bool ok = true;
  size_t recorded = 0;
  qn_tune_options o = {.build = build_again,
                       .build_user = s,
                       .inputs = s->in,
                       .threads = (uint32_t)s->threads,
                       .seconds = cli_number(s->c, "--tune-seconds", 0.2, &ok),
                       .each = print_step,
                       .each_user = s};
  if (!ok || !(o.seconds > 0 && o.seconds <= 600))
    return qn_error(s->c->ctx, QN_DIAG_DATA, qn_place_file(""), "--tune-seconds is to be above 0 and at most 600");
  s->options.engine = "llvm";
  qn_status status = open_file(s, room, sizeof room, &path);
  if (!status) status = qn_tune_program(s->c->ctx, &o, &recorded);
  if (status) return status;
  if (!s->json) printf("recorded    %zu choice%s\n", recorded, recorded == 1 ? "" : "s");
  status = close_file(s, path);
  if (status || !recorded) return status;
  qn_program_destroy(s->p); /* what is measured next follows the new choices */
  s->p = NULL;
  return bench_build(s);
}
