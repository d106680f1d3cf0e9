/* The whole chain: f32 activations, one range found at run time, u8 x s8, scale, bias, gelu, f32. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void chain_create(chain *c, int64_t m, int64_t n, int64_t k) {
  *c = (chain){.m = m, .n = n, .k = k};
  c->x = big_alloc((size_t)(m * k) * sizeof(float)), c->w = big_alloc((size_t)(k * n));
  c->scales = big_alloc((size_t)n * sizeof(float)), c->bias = big_alloc((size_t)n * sizeof(float));
  fill_floats(c->x, (size_t)(m * k), -2, 3, 1);
  fill_codes(c->w, (size_t)(k * n), 127, 2);
  float unit = 1 / (sqrtf((float)k) * 110); /* results of a few units, where gelu bends */
  fill_floats(c->scales, (size_t)n, 0.5f * unit, 1.5f * unit, 3);
  fill_floats(c->bias, (size_t)n, -1, 1, 4);
}

static void chain_destroy(chain *c) {
  free(c->x), free(c->w), free(c->scales), free(c->bias);
}

/* What `quantize --scheme w8a8-dynamic` and fold-qparams make of a linear layer with gelu. */
static void write_text(const chain *c, text *t) {
  long long m = c->m, n = c->n, k = c->k;
  text_add(t, "func.func @main(%%x: tensor<%lldx%lldxf32>) -> tensor<%lldx%lldxf32> {\n", m, k, m, n);
  text_add(t, "%%w = arith.constant ");
  text_hex(t, c->w, (size_t)(k * n));
  text_add(t, " : tensor<%lldx%lldxi8>\n%%s = arith.constant ", k, n);
  text_hex(t, c->scales, (size_t)n * sizeof(float));
  text_add(t, " : tensor<%lldxf32>\n%%b = arith.constant ", n);
  text_hex(t, c->bias, (size_t)n * sizeof(float));
  text_add(t, " : tensor<%lldxf32>\n", n);
  text_add(t,
           "%%q:3 = quern.dynamic_quantize %%x {storage = ui8} : (tensor<%lldx%lldxf32>) -> "
           "(tensor<%lldx%lldxui8>, tensor<f32>, tensor<ui8>)\n",
           m, k, m, k);
  text_add(t,
           "%%a = quern.matmul_integer %%q#0, %%w, %%q#2 : (tensor<%lldx%lldxui8>, tensor<%lldx%lldxi8>, "
           "tensor<ui8>) -> tensor<%lldx%lldxi32>\n",
           m, k, k, n, m, n);
  text_add(t, "%%f = quern.cast %%a : (tensor<%lldx%lldxi32>) -> tensor<%lldx%lldxf32>\n", m, n, m, n);
  text_add(t, "%%m = quern.mul %%q#1, %%s : (tensor<f32>, tensor<%lldxf32>) -> tensor<%lldxf32>\n", n, n);
  text_add(t, "%%y = quern.mul %%f, %%m : (tensor<%lldx%lldxf32>, tensor<%lldxf32>) -> tensor<%lldx%lldxf32>\n", m, n,
           n, m, n);
  text_add(t, "%%z = quern.add %%y, %%b : (tensor<%lldx%lldxf32>, tensor<%lldxf32>) -> tensor<%lldx%lldxf32>\n", m, n,
           n, m, n);
  text_add(t, "%%g = quern.gelu %%z : (tensor<%lldx%lldxf32>) -> tensor<%lldx%lldxf32>\n", m, n, m, n);
  text_add(t, "return %%g : tensor<%lldx%lldxf32>\n}\n", m, n);
}

static bool one(qn_context *ctx, const options *o, report *r, const int64_t *shape, bool *told) {
  contender c[MAX_CONTENDERS];
  timing t[MAX_CONTENDERS];
  chain data;
  text program = {NULL, 0, 0};
  char name[64];
  bool wrong = false;
  const void *ours, *y;
  int n = 1;
  chain_create(&data, shape[0], shape[1], shape[2]);
  snprintf(name, sizeof name, "%lldx%lldx%lld", (long long)shape[0], (long long)shape[1], (long long)shape[2]);
  write_text(&data, &program);
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {data.m, data.k}, .data = data.x};
  bool good = checked_program(ctx, &program, o, &in, false, &c[0], &ours, &wrong);
  text_free(&program);
  if (!good) return chain_destroy(&data), false;
  if (wrong)
    report_wrong(r, "chain", name, "quern");
  else {
    static bool (*const peers[])(const chain *, const options *, contender *, const void **,
                                 peer_note *) = {onednn_chain, onnxruntime_chain};
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
      peer_note why = {""};
      if (!peers[i](&data, o, &c[n], &y, &why)) {
        if (why.text[0] && !told[i]) report_note(r, "chain: a peer takes no part: %s", why.text), told[i] = true;
        continue;
      }
      c[n].run(c[n].state);
      /* A code that rounds the other way moves a result by a scale or two. */
      if (!floats_close(ours, y, (size_t)(data.m * data.n), 1e-2))
        report_note(r, "chain %s: %s gives other numbers than the interpreter", name, c[n].name);
      n++;
    }
    if (n > 1) race(c, n, o->quick ? 0.2 : 0.6, t);
    double ops = 2.0 * (double)data.m * (double)data.n * (double)data.k;
    for (int i = 1; i < n; i++) report_ratio(r, "chain", name, c[i].name, &t[0], &t[i], ops, "GOPS");
  }
  for (int i = 0; i < n; i++) contender_destroy(&c[i]);
  chain_destroy(&data);
  return true;
}

bool row_chain(qn_context *ctx, const options *o, report *r) {
  static const int64_t shapes[][3] = {{1, 3072, 768},   {1, 4096, 4096},  {8, 3072, 768},
                                      {16, 3072, 768},  {64, 2048, 512},  {128, 3072, 768},
                                      {128, 768, 3072}, {197, 3072, 768}, {384, 4096, 1024}};
  bool good = true, told[4] = {false};
  for (size_t i = 0; i < (o->quick ? 6 : sizeof shapes / sizeof *shapes) && good; i++)
    good = one(ctx, o, r, shapes[i], told);
  return good;
}
