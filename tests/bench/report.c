/* The report: a line per shape as it is measured, a summary per row and peer, and JSON. */
#include "bench.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

typedef struct entry {
  char work[24], shape[64], peer[16];
  double ratio, median, spread, us, peer_us, rate;
} entry;

struct report {
  const options *o;
  entry *entries;
  size_t n, room;
  int wrong;
  double started;
};

report *report_create(const options *o) {
  report *r = calloc(1, sizeof *r);
  if (!r) fprintf(stderr, "out of memory\n"), exit(1);
  r->o = o, r->started = seconds_now();
  printf("%-14s %-18s %-12s %8s %8s %8s %12s %12s\n", "work", "shape", "peer", "ratio", "median", "spread", "us",
         "speed");
  return r;
}

static entry *add(report *r) {
  if (r->n == r->room) {
    r->room = r->room ? 2 * r->room : 256;
    r->entries = realloc(r->entries, r->room * sizeof *r->entries);
    if (!r->entries) fprintf(stderr, "out of memory\n"), exit(1);
  }
  return memset(&r->entries[r->n++], 0, sizeof(entry));
}

void report_ratio(report *r, const char *work, const char *shape, const char *peer, const timing *ours,
                  const timing *peers, double rate, const char *unit) {
  entry *e = add(r);
  snprintf(e->work, sizeof e->work, "%s", work), snprintf(e->shape, sizeof e->shape, "%s", shape);
  snprintf(e->peer, sizeof e->peer, "%s", peer);
  e->ratio = peers->ratio, e->median = peers->ratio_median, e->spread = peers->spread;
  e->us = ours->min * 1e6, e->peer_us = peers->min * 1e6, e->rate = rate / ours->min * 1e-9;
  printf("%-14s %-18s %-12s %8.3f %8.3f %7.1f%% %12.2f %7.1f %s\n", work, shape, peer, e->ratio, e->median,
         e->spread * 100, e->us, e->rate, unit);
  fflush(stdout);
}

void report_time(report *r, const char *work, const char *what, double us) {
  entry *e = add(r);
  snprintf(e->work, sizeof e->work, "%s", work), snprintf(e->shape, sizeof e->shape, "%s", what);
  e->us = us;
  printf("%-14s %-57s %12.1f us\n", work, what, us);
  fflush(stdout);
}

void report_note(report *r, const char *fmt, ...) {
  va_list args;
  (void)r;
  va_start(args, fmt);
  printf("# ");
  vprintf(fmt, args);
  printf("\n");
  va_end(args);
  fflush(stdout);
}

void report_wrong(report *r, const char *work, const char *shape, const char *who) {
  r->wrong++;
  printf("# WRONG: %s %s: %s does not give the interpreter's result; not timed\n", work, shape, who);
  fprintf(stderr, "quern-bench-peers: %s %s: %s does not give the interpreter's result\n", work, shape, who);
}

static int by_ratio(const void *a, const void *b) {
  const entry *x = *(const entry *const *)a, *y = *(const entry *const *)b;
  return x->ratio < y->ratio ? -1 : x->ratio > y->ratio;
}

static void summarize(const report *r, const char *work, const char *peer) {
  const entry **in = malloc((r->n + 1) * sizeof *in);
  size_t n = 0;
  double logs = 0, spread = 0;
  if (!in) return;
  for (size_t i = 0; i < r->n; i++)
    if (!strcmp(r->entries[i].work, work) && !strcmp(r->entries[i].peer, peer)) {
      in[n++] = &r->entries[i];
      logs += log(r->entries[i].ratio), spread += r->entries[i].spread;
    }
  qsort(in, n, sizeof *in, by_ratio);
  printf("%-14s %-12s %6zu %8.3f %8.3f %8.3f %8.3f %7.1f%%   %s\n", work, peer, n, exp(logs / (double)n),
         in[n / 2]->ratio, in[0]->ratio, in[n - 1]->ratio, spread / (double)n * 100, in[0]->shape);
  free(in);
}

static void summary(const report *r) {
  printf("\n%-14s %-12s %6s %8s %8s %8s %8s %8s   %s\n", "work", "peer", "shapes", "geomean", "median", "min", "max",
         "spread", "slowest shape");
  for (size_t i = 0; i < r->n; i++) {
    const entry *e = &r->entries[i];
    bool first = e->peer[0] != 0;
    for (size_t j = 0; j < i && first; j++)
      first = strcmp(e->work, r->entries[j].work) || strcmp(e->peer, r->entries[j].peer);
    if (first) summarize(r, e->work, e->peer);
  }
  printf("ratio is the other's time divided by ours, of the fastest blocks (of fewer than 15 rounds, the "
         "rounds' median);\nagainst 'limit' it is the fraction reached\n");
}

/* The processor's name as the kernel tells it, without what JSON would have to escape. */
static void cpu_name(char *out, size_t room) {
  char line[256];
  FILE *f = fopen("/proc/cpuinfo", "r");
  snprintf(out, room, "unknown");
  while (f && fgets(line, sizeof line, f))
    if (!strncmp(line, "model name", 10)) {
      const char *s = strchr(line, ':');
      if (s) snprintf(out, room, "%s", s + 2);
      break;
    }
  if (f) fclose(f);
  for (char *c = out; *c; c++)
    if (*c == '"' || *c == '\\' || *c < ' ') *c = 0;
}

/* Quern against itself is no ratio to a peer. */
static bool is_scaling(const entry *e) {
  return !strcmp(e->peer, "one-thread");
}

static void write_ratios(FILE *f, const report *r, const char *key, bool scaling) {
  const char *comma = "";
  fprintf(f, "  \"%s\": [", key);
  for (size_t i = 0; i < r->n; i++) {
    const entry *e = &r->entries[i];
    if (!e->peer[0] || is_scaling(e) != scaling) continue;
    fprintf(f,
            "%s\n    {\"work\": \"%s\", \"shape\": \"%s\", \"peer\": \"%s\", \"ratio\": %.4f, \"us\": %.3f, "
            "\"median\": %.4f, \"spread\": %.4f, \"peer_us\": %.3f}",
            comma, e->work, e->shape, e->peer, e->ratio, e->us, e->median, e->spread, e->peer_us);
    comma = ",";
  }
  fprintf(f, "\n  ],\n");
}

static void write_entries(FILE *f, const report *r) {
  const char *comma = "";
  write_ratios(f, r, "ratios", false);
  write_ratios(f, r, "scaling", true);
  fprintf(f, "  \"times\": [");
  for (size_t i = 0; i < r->n; i++) {
    const entry *e = &r->entries[i];
    if (e->peer[0]) continue;
    fprintf(f, "%s\n    {\"work\": \"%s\", \"what\": \"%s\", \"us\": %.3f}", comma, e->work, e->shape, e->us);
    comma = ",";
  }
  fprintf(f, "\n  ]\n}\n");
}

/* The peak of bytes: the highest of the row's instructions. */
static double peak_of(qn_context *ctx, const char *row) {
  static const qn_multiplier bytes[] = {QN_MULTIPLIER_INT8, QN_MULTIPLIER_INT8_TILES};
  double best = 0, peak;
  for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
    if (!qn_engine_peak(ctx, row, bytes[i], 1, &peak, NULL) && peak > best) best = peak;
  return best;
}

static bool write_json(const report *r, qn_context *ctx) {
  char cpu[256];
  outfile out;
  struct utsname system;
  const qn_isa *isa = qn_isa_find(qn_str_of(r->o->cpu));
  cpu_name(cpu, sizeof cpu);
  if (uname(&system)) memset(&system, 0, sizeof system);
  double peak = peak_of(ctx, r->o->cpu);
  if (!outfile_open(&out, r->o->json)) return false;
  fprintf(out.file,
          "{\n  \"version\": 1,\n  \"machine\": {\"cpu\": \"%s\", \"system\": \"%s %s\", \"llc_bytes\": %zu, "
          "\"peak_gops\": %.1f, \"isa\": \"%s\", \"onednn_isa\": \"%s\", \"threads\": %u, \"quern\": \"%s\"},\n",
          cpu, system.sysname, system.machine, llc_bytes(), peak * 1e-9, isa ? isa->name : "",
          r->o->onednn_keeps_to ? r->o->onednn_keeps_to : "", r->o->threads, QN_VERSION_STRING);
  write_entries(out.file, r);
  return outfile_close(&out);
}

int report_finish(report *r, qn_context *ctx) {
  summary(r);
  printf("measured in %.0f s\n", seconds_now() - r->started);
  bool written = !r->o->json || write_json(r, ctx);
  int wrong = r->wrong;
  if (wrong) printf("%d results were wrong\n", wrong);
  free(r->entries);
  free(r);
  return wrong || !written ? 1 : 0;
}
