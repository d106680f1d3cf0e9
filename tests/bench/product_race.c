/* One shape of a row of matrix products: ours is checked against the interpreter, then raced. */
#include "bench.h"
#include <string.h>

static const struct {
  const char *name;
  product_peer create;
  int offset; /* of its codes */
} peers[] = {{"onednn", onednn_product, 0},
             {"xnnpack", xnnpack_product, 128},
             {"libxsmm", libxsmm_product, 0},
             {"onnxruntime", onnxruntime_product, 0}};

static int add_peers(const options *o, report *r, product_race *race_of, const product *p, const char *name,
                     contender *c, int n) {
  for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
    peer_note why = {""};
    const void *y;
    if (!strstr(race_of->peers, peers[i].name)) continue;
    if (peers[i].create(p, o, &c[n], &y, &why)) {
      c[n].run(c[n].state);
      if (!product_close(p, y, peers[i].offset))
        report_note(r, "%s %s: %s gives other numbers than the interpreter", race_of->work, name, c[n].name);
      n++;
    } else if (why.text[0] && !(race_of->told >> i & 1)) {
      report_note(r, "%s: %s takes no part: %s", race_of->work, peers[i].name, why.text);
      race_of->told |= 1u << i;
    }
  }
  return n;
}

/* The bare loop of a product of this size, what there is around it being little: of one row, or of one tile's over
 * weights that no second-level cache holds, reading its weights. The others multiply with vpdpbusd, and say nothing of
 * who has more than that. */
static bool add_loop(const options *o, const product *p, qn_multiplier multiplier, contender *out) {
  enum { SECOND_LEVEL = 2 << 20, TILE_ROWS = 32 };
  bool tiles = multiplier == QN_MULTIPLIER_INT8_TILES;
  if (p->m == 1 || (tiles && p->m <= TILE_ROWS && p->n * p->k > SECOND_LEVEL))
    return limit_read_again((size_t)(p->n * p->k), out);
  if (multiplier != QN_MULTIPLIER_INT8) return false;
  if (p->m < 64) return limit_few(o, p, out);
  return (double)p->m * (double)p->n * (double)p->k >= (double)(1 << 26) && limit_tiles(o, p, out);
}

bool race_product(qn_context *ctx, const options *o, report *r, product_race *s, int64_t m, int64_t n, int64_t k) {
  char name[64];
  contender c[MAX_CONTENDERS];
  timing t[MAX_CONTENDERS];
  product p;
  const void *y;
  int count = 1, loop = 0;
  snprintf(name, sizeof name, "%lldx%lldx%lld", (long long)m, (long long)n, (long long)k);
  if (!product_create_sparse(ctx, &p, m, n, k, s->a, s->y, s->fused, s->zeros)) return false;
  if (!ours_product(ctx, &p, o, o->parallel, &c[0], &y)) return product_destroy(&p), false;
  if (s->prepared && !ours_prepare(&c[0])) return contender_destroy(&c[0]), product_destroy(&p), false;
  c[0].run(c[0].state);
  if (!product_same(&p, y)) {
    report_wrong(r, s->work, name, "quern");
    contender_destroy(&c[0]), product_destroy(&p);
    return true;
  }
  double ops = 2.0 * (double)m * (double)n * (double)k;
  qn_multiplier multiplier = ours_multiplier(&c[0], QN_MULTIPLIER_INT8);
  if (s->peak_from && m >= s->peak_from && limit_peak(ctx, o, multiplier, ops, &c[count])) count++;
  if (s->loop && add_loop(o, &p, multiplier, &c[count])) loop = count++;
  count = add_peers(o, r, s, &p, name, c, count);
  if (count > 1) race(c, count, s->budget, t);
  for (int i = 1; i < count; i++)
    report_ratio(r, i == loop ? s->loop : s->work, name, c[i].name, &t[0], &t[i], ops, s->unit);
  for (int i = 0; i < count; i++) contender_destroy(&c[i]);
  product_destroy(&p);
  return true;
}
