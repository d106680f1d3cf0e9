/* u8 x s8 with fused bias, scale per channel and relu, to u8 and to f32: the shapes of a file. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *name;
  product_peer create;
  int offset; /* of its codes */
} peers[] = {{"onednn", onednn_product, 0}, {"xnnpack", xnnpack_product, 128}};

/* Which peers take part is told once a row, at the first shape. */
static void tell(report *r, const char *work, const char *peer, const peer_note *why, bool *told) {
  if (why->text[0] && !*told) report_note(r, "%s: %s: %s", work, peer, why->text);
  *told |= why->text[0] != 0;
}

static bool one(qn_context *ctx, const options *o, report *r, const bench_shape *s, qn_scalar y, double budget,
                bool *told) {
  const char *work = y == QN_F32 ? "u8s8-f32" : "u8s8-u8";
  char text[32];
  contender c[MAX_CONTENDERS];
  timing t[MAX_CONTENDERS];
  product p;
  const void *result;
  int n = 0;
  snprintf(text, sizeof text, "%lldx%lldx%lld", (long long)s->m, (long long)s->n, (long long)s->k);
  if (!product_create(ctx, &p, s->m, s->n, s->k, QN_UI8, y, true)) return false;
  if (!ours_product(ctx, &p, o, &c[0], &result)) return product_destroy(&p), false;
  c[n++].run(c[0].state);
  if (!product_same(&p, result)) {
    report_wrong(r, work, text, "quern");
    contender_destroy(&c[0]), product_destroy(&p);
    return true;
  }
  double ops = 2.0 * (double)s->m * (double)s->n * (double)s->k;
  if (s->m >= 16 && limit_peak(ctx, o, ops, &c[n])) n++;
  for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
    peer_note why = {""};
    if (peers[i].create(&p, o, &c[n], &result, &why)) {
      c[n].run(c[n].state);
      if (!product_close(&p, result, peers[i].offset))
        report_note(r, "%s %s: %s gives other numbers than the interpreter", work, text, c[n].name);
      n++;
    } else
      tell(r, work, peers[i].name, &why, &told[i]);
  }
  race(c, n, budget, t);
  for (int i = 1; i < n; i++) report_ratio(r, work, text, c[i].name, &t[0], &t[i], ops, "GOPS");
  for (int i = 0; i < n; i++) contender_destroy(&c[i]);
  product_destroy(&p);
  return true;
}

bool row_u8s8(qn_context *ctx, const options *o, report *r) {
  static const qn_scalar types[] = {QN_UI8, QN_F32};
  size_t n;
  bench_shape *shapes = shapes_read(o->shapes ? o->shapes : QUERN_BENCH_SHAPES, &n);
  if (!shapes) return false;
  double budget = (o->quick ? 20.0 : 60.0) / (double)(2 * n);
  if (budget > 1) budget = 1;
  bool told[2][2] = {{false}}, good = true;
  for (size_t i = 0; i < n && good; i++) {
    if (shapes[i].section[0] && (i == 0 || strcmp(shapes[i].section, shapes[i - 1].section)))
      report_note(r, "%s", shapes[i].section);
    for (int y = 0; y < 2 && good; y++) good = one(ctx, o, r, &shapes[i], types[y], budget, told[y]);
  }
  free(shapes);
  return good;
}
