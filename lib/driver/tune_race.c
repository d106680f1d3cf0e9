/* Two programs in turns, product by product. Noise hits neighbours alike, so that only ratios of neighbouring calls
 * are looked at, in both orders. */
#include "alloc.h"
#include "clock.h"
#include "tune.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A sample is as many calls as take this long, so that the clock does not show. */
static const double SAMPLE_NS = 30e3;
enum { FEWEST_PAIRS = 32, MOST_REPEAT = 1000 };

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double quick(const double *times, uint32_t n, double *room) {
  memcpy(room, times, n * sizeof *room);
  qsort(room, n, sizeof *room, by_value);
  return room[n / 20];
}

qn__tune_ratio qn__tune_judge(const double *a, const double *b, uint32_t n, double *room) {
  const double quiet = 1.1;
  uint32_t kept = 0;
  qn__tune_ratio r = {.high = INFINITY};
  if (!n) return r;
  double most_a = quick(a, n, room) * quiet, most_b = quick(b, n, room) * quiet;
  for (uint32_t i = 0; i < n; i++)
    if (a[i] <= most_a && b[i] <= most_b && b[i] > 0) room[kept] = a[i] / b[i], room[n + kept++] = b[i];
  if (!kept) return r;
  qsort(room, kept, sizeof *room, by_value);
  qsort(room + n, kept, sizeof *room, by_value);
  double half = 1.5 * sqrt((double)kept), middle = ((double)kept - 1) / 2;
  int64_t low = (int64_t)floor(middle - half), high = (int64_t)ceil(middle + half);
  r.gain = room[kept / 2], r.us = room[n + kept / 2], r.pairs = kept;
  r.low = low < 0 ? 0 : room[low];
  r.high = high >= (int64_t)kept ? INFINITY : room[high];
  return r;
}

typedef struct race {
  qn__runner *side[2];
  size_t num_products;
  const qn_tuned *products;
  double now[2][QN__TUNE_PRODUCTS]; /* of the calls under way */
  double *times[2][QN__TUNE_PRODUCTS];
  uint32_t pairs;
  int repeat;
} race;

bool qn__tune_same(const qn_tuned *a, const qn_tuned *b) {
  return a->kind == b->kind && a->m_least == b->m_least && a->n == b->n && a->k == b->k && !strcmp(a->isa, b->isa) &&
         !strcmp(a->types, b->types);
}

static void on_call(void *user, const qn_call_event *e) {
  race *r = user;
  if (e->kind != QN_EVENT_STEP) return;
  int side = e->program == r->side[1]->p;
  for (size_t i = 0; e->kernel.product && i < r->num_products; i++)
    if (qn__tune_same(e->kernel.product, &r->products[i])) r->now[side][i] += e->ns;
}

static qn_status sample(race *r, int side) {
  memset(r->now[side], 0, sizeof r->now[side]);
  return qn__runner_call(r->side[side], r->repeat);
}

static qn_status pair(race *r) {
  int first = (int)(r->pairs & 1);
  qn_status status = sample(r, first);
  if (!status) status = sample(r, !first);
  for (int side = 0; side < 2; side++)
    for (size_t i = 0; i < r->num_products; i++) r->times[side][i][r->pairs] = r->now[side][i] / r->repeat * 1e-3;
  r->pairs++;
  return status;
}

static bool decided(const qn__tune_ratio *r) {
  return r->low > 1 || r->high < 1;
}

static bool judge(const race *r, double *room, qn__tune_ratio *out) {
  bool all = true;
  for (size_t i = 0; i < r->num_products; i++) {
    out[i] = qn__tune_judge(r->times[0][i], r->times[1][i], r->pairs, room);
    all &= decided(&out[i]);
  }
  return all;
}

static qn_status run(race *r, double seconds, bool all, double *room, qn__tune_ratio *out) {
  qn_status status = sample(r, 0);
  if (!status) status = sample(r, 1);
  double begun = qn__now_ns();
  if (!status) status = sample(r, 0);
  double once = qn__now_ns() - begun, end = begun + seconds * 1e9;
  r->repeat = once < SAMPLE_NS ? (int)(SAMPLE_NS / (once > 30 ? once : 30)) + 1 : 1;
  if (r->repeat > MOST_REPEAT) r->repeat = MOST_REPEAT;
  while (!status && r->pairs < QN__TUNE_PAIRS) {
    status = pair(r);
    bool over = qn__now_ns() > end && r->pairs >= FEWEST_PAIRS;
    if (over || (r->pairs % FEWEST_PAIRS == 0 && judge(r, room, out) && !all)) break;
  }
  if (!status) judge(r, room, out);
  return status;
}

qn_status qn__tune_race(qn_context *ctx, qn__runner *a, qn__runner *b, size_t num_products, const qn_tuned *products,
                        double seconds, bool all, qn__tune_ratio *out) {
  const qn_allocator *allocator = qn_context_allocator(ctx);
  size_t bytes = 2 * (num_products + 1) * QN__TUNE_PAIRS * sizeof(double);
  qn_call_handler old;
  void *old_user;
  race r = {.side = {a, b}, .num_products = num_products, .products = products, .repeat = 1};
  double *room = qn__alloc(allocator, bytes);
  if (!room) return qn_error_no_memory(ctx);
  for (size_t i = 0; i < num_products; i++)
    for (size_t side = 0; side < 2; side++) r.times[side][i] = room + (2 * (i + 1) + side) * QN__TUNE_PAIRS;
  qn_context_set_call_handler(ctx, on_call, &r, &old, &old_user);
  qn_status status = run(&r, seconds, all, room, out);
  qn_context_set_call_handler(ctx, old, old_user, NULL, NULL);
  qn__free(allocator, room, bytes);
  return status;
}
