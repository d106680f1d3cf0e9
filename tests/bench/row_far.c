/* Few rows against weights beyond the last-level cache: several copies of them, each read in its turn, beside the
 * bandwidth with which one thread reads memory. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct copies {
  contender each[MAX_COPIES];
  int n, next;
} copies;

static void copies_run(void *state) {
  copies *c = state;
  contender *now = &c->each[c->next];
  c->next = c->next + 1 == c->n ? 0 : c->next + 1;
  now->run(now->state);
}

static void copies_destroy(void *state) {
  copies *c = state;
  for (int i = 0; i < c->n; i++) contender_destroy(&c->each[i]);
  free(c);
}

bool copies_create(const char *name, const contender *each, int n, contender *out) {
  copies *c = calloc(1, sizeof *c);
  if (!c) return false;
  memcpy(c->each, each, (size_t)n * sizeof *each);
  c->n = n;
  *out = (contender){name, c, copies_run, NULL, copies_destroy};
  return true;
}

int far_copies(size_t bytes) {
  size_t n = (5 * llc_bytes() / 4 + bytes - 1) / bytes;
  long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  if (n < 2) n = 2;
  if (n > MAX_COPIES) n = MAX_COPIES;
  return pages > 0 && (double)n * (double)bytes > 0.3 * (double)pages * (double)page ? 0 : (int)n;
}

static bool ours_copies(qn_context *ctx, const product *p, const options *o, contender *out, bool *wrong) {
  contender each[MAX_COPIES];
  int n = far_copies((size_t)(p->k * p->n)), made = 0;
  for (; made < n; made++) {
    const void *y;
    if (!ours_product(ctx, p, o, o->parallel, &each[made], &y)) break;
    each[made].run(each[made].state);
    *wrong |= !product_same(p, y);
  }
  if (made == n) return copies_create("quern", each, n, out);
  for (int i = 0; i < made; i++) contender_destroy(&each[i]);
  return false;
}

static bool one(qn_context *ctx, const options *o, report *r, int64_t m, int64_t n, int64_t k) {
  contender c[2];
  timing t[2];
  product p;
  char name[64];
  bool wrong = false;
  snprintf(name, sizeof name, "%lldx%lldx%lld", (long long)m, (long long)n, (long long)k);
  if (!far_copies((size_t)(n * k))) {
    report_note(r, "far: %s left out: memory does not hold enough copies of the weights", name);
    return true;
  }
  if (!product_create(ctx, &p, m, n, k, QN_UI8, QN_F32, true)) return false;
  if (!ours_copies(ctx, &p, o, &c[0], &wrong)) return product_destroy(&p), false;
  double bytes = (double)n * (double)k;
  if (wrong)
    report_wrong(r, "u8s8-far", name, "quern");
  else if (limit_read(bytes, &c[1])) {
    race(c, 2, o->quick ? 0.3 : 0.8, t);
    report_ratio(r, "u8s8-far", name, "limit", &t[0], &t[1], bytes, "GB/s");
    contender_destroy(&c[1]);
  }
  contender_destroy(&c[0]);
  product_destroy(&p);
  return true;
}

bool row_far(qn_context *ctx, const options *o, report *r) {
  static const int64_t shapes[][3] = {{1, 4096, 14336}, {8, 4096, 14336}, {2, 4096, 14336}, {4, 4096, 14336},
                                      {6, 4096, 14336}, {1, 14336, 4096}, {8, 14336, 4096}};
  bool good = true;
  for (size_t i = 0; i < (o->quick ? 2 : sizeof shapes / sizeof *shapes) && good; i++)
    good = one(ctx, o, r, shapes[i][0], shapes[i][1], shapes[i][2]);
  return good;
}
