/* Two threads against one. */
#include "bench.h"

static bool one(qn_context *ctx, const options *o, report *r, const qn_parallel *two, int64_t m, int64_t n, int64_t k) {
  contender c[2];
  timing t[2];
  product p;
  char name[64];
  const void *y;
  snprintf(name, sizeof name, "%lldx%lldx%lld", (long long)m, (long long)n, (long long)k);
  if (!product_create(ctx, &p, m, n, k, QN_UI8, QN_UI8, true)) return false;
  if (!ours_product(ctx, &p, o, two, &c[0], &y)) return product_destroy(&p), false;
  c[0].run(c[0].state);
  bool wrong = !product_same(&p, y);
  if (!ours_product(ctx, &p, o, NULL, &c[1], &y)) {
    contender_destroy(&c[0]), product_destroy(&p);
    return false;
  }
  c[1].run(c[1].state);
  wrong |= !product_same(&p, y);
  if (wrong)
    report_wrong(r, "threads", name, "quern");
  else {
    race(c, 2, o->quick ? 0.2 : 0.6, t);
    report_ratio(r, "threads", name, "one-thread", &t[0], &t[1], 2.0 * (double)m * (double)n * (double)k, "GOPS");
  }
  contender_destroy(&c[0]), contender_destroy(&c[1]);
  product_destroy(&p);
  return true;
}

bool row_threads(qn_context *ctx, const options *o, report *r) {
  static const int64_t shapes[][3] = {{16, 256, 256},  {128, 128, 64},   {1, 2048, 1024},  {64, 256, 256},
                                      {1, 4096, 4096}, {128, 512, 256},  {512, 64, 512},   {64, 768, 768},
                                      {256, 512, 512}, {128, 768, 1024}, {512, 512, 512},  {64, 2048, 1024},
                                      {384, 768, 768}, {512, 1024, 512}, {512, 1024, 1024}};
  qn_pool *pool;
  /* A processor for each thread, so that no scheduler puts both on one. */
  if (!pin_elsewhere()) {
    report_note(r, "threads left out: there is one processor");
    return true;
  }
  bool good = qn_pool_create(ctx, 2, &pool) == QN_OK;
  pin_thread();
  if (!good) return false;
  qn_parallel two = qn_pool_parallel(pool);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes && good; i++)
    good = one(ctx, o, r, &two, shapes[i][0], shapes[i][1], shapes[i][2]);
  qn_pool_destroy(pool);
  if (o->threads > 1) unpin_thread();
  return good;
}
