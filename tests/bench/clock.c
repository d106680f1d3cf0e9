/* Time, and races: contenders timed in turns. */
#include "bench.h"
#include <sched.h>
#include <stdlib.h>
#include <time.h>

double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static cpu_set_t allowed;
static bool known;

void pin_thread(void) {
  if (!known && sched_getaffinity(0, sizeof allowed, &allowed)) return;
  known = true;
  int last = -1;
  for (size_t i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &allowed)) last = (int)i;
  if (last < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((size_t)last, &one);
  sched_setaffinity(0, sizeof one, &one); /* where it is refused, the figures are only less steady */
}

void unpin_thread(void) {
  if (known) sched_setaffinity(0, sizeof allowed, &allowed);
}

static double block_of(const contender *c, int calls) {
  if (c->block) return c->block(c->state, calls);
  double start = seconds_now();
  for (int i = 0; i < calls; i++) c->run(c->state);
  return seconds_now() - start;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

/* Blocks of about 0.3 ms: long against the clock, short against changes of the machine's speed. */
static int calls_for(const contender *c, double *each) {
  const double block = 300e-6;
  block_of(c, 1);
  double once = block_of(c, 1);
  int calls = once > 0 && once < block ? (int)(block / once) : 1;
  if (calls > 3) { /* the first guess may have met cold caches */
    once = block_of(c, calls / 2) / (calls / 2);
    calls = once > 0 && once < block ? (int)(block / once) + 1 : 1;
  }
  *each = once * calls;
  return calls;
}

void race(const contender *c, int n, double budget, timing *out) {
  static double t[MAX_CONTENDERS][MAX_ROUNDS], ratio[MAX_ROUNDS];
  int calls[MAX_CONTENDERS], rounds;
  double round = 0, each[MAX_CONTENDERS];
  for (int i = 0; i < n; i++) {
    calls[i] = calls_for(&c[i], &each[i]);
    round += each[i] * (calls[i] > 1 ? 1 + 1.0 / calls[i] : 1);
  }
  rounds = (int)(budget / (round > 1e-9 ? round : 1e-9)) | 1;
  if (rounds < 5) rounds = 5;
  if (rounds > MAX_ROUNDS) rounds = MAX_ROUNDS;
  for (int r = 0; r < rounds; r++)
    for (int i = 0; i < n; i++) {
      if (calls[i] > 1) block_of(&c[i], 1); /* its data come back into the cache; long calls bring them themselves */
      t[i][r] = block_of(&c[i], calls[i]) / calls[i];
    }
  double ours = 0;
  for (int i = 0; i < n; i++) {
    for (int r = 0; r < rounds; r++) ratio[r] = t[i][r] / (i ? t[0][r] : t[i][r]);
    double sorted[MAX_ROUNDS];
    for (int r = 0; r < rounds; r++) sorted[r] = t[i][r];
    qsort(sorted, (size_t)rounds, sizeof *sorted, by_value);
    qsort(ratio, (size_t)rounds, sizeof *ratio, by_value);
    out[i].min = sorted[0], out[i].median = sorted[rounds / 2];
    if (i == 0) ours = out[0].min;
    out[i].ratio = out[i].min / ours;
    out[i].ratio_median = ratio[rounds / 2];
    out[i].spread = (ratio[rounds - 1 - rounds / 10] - ratio[rounds / 10]) / ratio[rounds / 2];
  }
}

double best_of_three(const contender *c) {
  double best = 1e9;
  c->run(c->state);
  for (int i = 0; i < 3; i++) {
    double start = seconds_now();
    c->run(c->state), c->run(c->state);
    double took = seconds_now() - start;
    if (took < best) best = took;
  }
  return best;
}

void contender_destroy(contender *c) {
  if (c->destroy) c->destroy(c->state);
  c->destroy = NULL;
}
