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

static int last_processor(void) {
  int last = -1;
  if (!known && sched_getaffinity(0, sizeof allowed, &allowed)) return -1;
  known = true;
  for (size_t i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &allowed)) last = (int)i;
  return last;
}

/* Where it is refused, the figures are only less steady. */
void pin_thread(void) {
  cpu_set_t one;
  int last = last_processor();
  if (last < 0) return;
  CPU_ZERO(&one);
  CPU_SET((size_t)last, &one);
  sched_setaffinity(0, sizeof one, &one);
}

void unpin_thread(void) {
  if (known) sched_setaffinity(0, sizeof allowed, &allowed);
}

bool pin_elsewhere(void) {
  int last = last_processor();
  if (last < 0) return false;
  cpu_set_t others = allowed;
  CPU_CLR((size_t)last, &others);
  return CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0;
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

/* Calls before a block that are not timed: what others have pushed out of the caches comes back. Where it is about as
 * much as a cache holds, it takes some calls until what stays there is as it will be: of 10 MB in a shared last-level
 * cache the fourth call is 1% faster than the second. */
static int settling(int calls, double once) {
  enum { SHORT = 8, LONG = 4 };
  const double enough = 16e-3;
  int most = calls > 1 ? SHORT : LONG;
  return once * most < enough ? most : once * 2 < enough ? (int)(enough / once) : 1;
}

/* Calls in a block, which are as many as take about `block` seconds. */
static int calls_for(const contender *c, double block, double *once) {
  block_of(c, 1);
  *once = block_of(c, 1);
  int calls = *once > 0 && *once < block ? (int)(block / *once) : 1;
  if (calls > 3) { /* the first guess may have met cold caches */
    *once = block_of(c, calls / 2) / (calls / 2);
    calls = *once > 0 && *once < block ? (int)(block / *once) + 1 : 1;
  }
  return calls;
}

/* Seconds per call; negative where a contender sat a round out. */
static double times[MAX_CONTENDERS][MAX_ROUNDS];

typedef struct plan {
  int settling, calls, every; /* calls before a block, in it; takes part in every so manieth round */
} plan;

static void run_rounds(const contender *c, int n, const plan *p, int from, int to) {
  for (int r = from; r < to; r++)
    for (int i = 0; i < n; i++) {
      times[i][r] = -1;
      if (r % p[i].every) continue;
      block_of(&c[i], p[i].settling);
      times[i][r] = block_of(&c[i], p[i].calls) / p[i].calls;
    }
}

/* Few rounds, which long calls have, hardly meet an undisturbed one of each: their own ratios are the better witness
 * then. */
enum { FEW_ROUNDS = 15 };

static void judge(int n, int rounds, timing *out) {
  double ratio[MAX_ROUNDS], sorted[MAX_ROUNDS];
  for (int i = 0; i < n; i++) {
    int count = 0;
    for (int r = 0; r < rounds; r++) {
      if (times[i][r] < 0) continue;
      ratio[count] = times[i][r] / times[0][r];
      sorted[count++] = times[i][r];
    }
    qsort(sorted, (size_t)count, sizeof *sorted, by_value);
    qsort(ratio, (size_t)count, sizeof *ratio, by_value);
    out[i].min = sorted[0], out[i].median = sorted[count / 2];
    out[i].ratio_median = ratio[count / 2];
    out[i].ratio = count < FEW_ROUNDS ? out[i].ratio_median : out[i].min / out[0].min;
    out[i].spread = (ratio[count - 1 - count / 10] - ratio[count / 10]) / ratio[count / 2];
  }
}

/* Blocks of 0.3 ms are long against the clock and short against changes of the machine's speed. Where one call of ours
 * takes longer, the others' blocks are to last as long: a processor keeps its highest speed for a millisecond more
 * often than for ten, by 1 to 3%.
 *
 * Who is much slower than ours sits most rounds out, so that the others get more of them. Rounds that disagree are
 * followed by as many again, once: others use the machine. */
void race(const contender *c, int n, double budget, timing *out) {
  plan p[MAX_CONTENDERS];
  double round = 0, ours = 0, once, block = 300e-6;
  for (int i = 0; i < n; i++) {
    p[i] = (plan){.calls = calls_for(&c[i], block, &once), .every = 1};
    p[i].settling = settling(p[i].calls, once);
    if (i == 0) ours = once;
    if (block < ours) block = ours;
    double wall = once * (p[i].calls + p[i].settling);
    if (once > 2.5 * ours && wall > 1e-3) p[i].every = 3;
    round += wall / p[i].every;
  }
  int rounds = (int)(budget / (round > 1e-9 ? round : 1e-9)) | 1;
  if (rounds < 5) rounds = 5;
  if (rounds > MAX_ROUNDS / 2) rounds = MAX_ROUNDS / 2;
  run_rounds(c, n, p, 0, rounds);
  judge(n, rounds, out);
  double spread = 0;
  for (int i = 1; i < n; i++)
    if (out[i].spread > spread && p[i].every == 1) spread = out[i].spread;
  if (spread < 0.3 || budget <= 0) return;
  run_rounds(c, n, p, rounds, 2 * rounds);
  judge(n, 2 * rounds, out);
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
