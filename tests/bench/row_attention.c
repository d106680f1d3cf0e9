/* Attention: one new query against many keys, where reading keys and values is all there is to it, and many queries at
 * once, where it is two products and the softmax between them. Of f32 beside the same three steps in oneDNN, and beside
 * the limit: reading k and v, or the products at the peak and an e^x for each score. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

static const struct {
  attention_shape s;
  bool quick;
} shapes[] = {
    {{32, 1, 2048, 128}, true}, {{8, 1, 1024, 64}, true}, {{12, 384, 384, 64}, true}, {{1, 512, 4096, 128}, false}};

static void write_program(text *t, const attention_shape *a, bool codes) {
  const long long h = a->heads, m = a->queries, n = a->keys, d = a->d;
  if (!codes) {
    text_add(t,
             "func.func @main(%%q: tensor<%lldx%lldx%lldxf32>, %%k: tensor<%lldx%lldx%lldxf32>, %%v: "
             "tensor<%lldx%lldx%lldxf32>) -> tensor<%lldx%lldx%lldxf32> {\n",
             h, m, d, h, n, d, h, n, d, h, m, d);
    text_add(t,
             "  %%y = quern.attention %%q, %%k, %%v : (tensor<%lldx%lldx%lldxf32>, tensor<%lldx%lldx%lldxf32>, "
             "tensor<%lldx%lldx%lldxf32>) -> tensor<%lldx%lldx%lldxf32>\n",
             h, m, d, h, n, d, h, n, d, h, m, d);
  } else {
    const char *const q = "!quant.uniform<u8:f32, 0.02:128>", *const kv = "!quant.uniform<i8:f32, 0.02>";
    text_add(t,
             "func.func @main(%%q: tensor<%lldx%lldx%lldx%s>, %%k: tensor<%lldx%lldx%lldx%s>, %%v: "
             "tensor<%lldx%lldx%lldx%s>) -> tensor<%lldx%lldx%lldxf32> {\n",
             h, m, d, q, h, n, d, kv, h, n, d, kv, h, m, d);
    text_add(t,
             "  %%y = quern.attention %%q, %%k, %%v : (tensor<%lldx%lldx%lldx%s>, tensor<%lldx%lldx%lldx%s>, "
             "tensor<%lldx%lldx%lldx%s>) -> tensor<%lldx%lldx%lldxf32>\n",
             h, m, d, q, h, n, d, kv, h, n, d, kv, h, m, d);
  }
  text_add(t, "  return %%y : tensor<%lldx%lldx%lldxf32>\n}\n", h, m, d);
}

static void fill(qn_tensor *in, const attention_shape *a, bool codes) {
  for (int i = 0; i < 3; i++) {
    int64_t rows = i ? a->keys : a->queries;
    size_t n = (size_t)(a->heads * rows * a->d);
    in[i] = (qn_tensor){.elem = !codes ? QN_F32 : i ? QN_I8 : QN_UI8, .rank = 3, .shape = {a->heads, rows, a->d}};
    in[i].data = big_alloc(n * (codes ? 1 : 4));
    if (!codes)
      fill_floats(in[i].data, n, -1, 1, (uint32_t)i + 1);
    else if (i)
      fill_codes(in[i].data, n, 127, (uint32_t)i + 1);
    else
      fill_bytes(in[i].data, n, 1);
  }
}

/* Few queries: the bytes of k and v, read again in every call. Many: both products at the peak, and what is between. */
static bool limit(qn_context *ctx, const options *o, const attention_shape *a, bool codes, double ops,
                  const contender *ours, contender *out) {
  size_t bytes = (size_t)(2 * a->heads * a->keys * a->d) * (codes ? 1 : 4);
  if (a->queries == 1) return limit_read_again(bytes, out);
  qn_multiplier multiplier = ours_multiplier(ours, codes ? QN_MULTIPLIER_INT8 : QN_MULTIPLIER_F32);
  return limit_attention(ctx, o, multiplier, ops, (double)(a->heads * a->queries * a->keys), out);
}

static bool one(qn_context *ctx, const options *o, report *r, const attention_shape *a, bool codes, bool *told) {
  const char *work = codes ? "attention-int8" : "attention";
  char name[64];
  text t = {NULL, 0, 0};
  contender c[3];
  timing times[3];
  qn_tensor in[3];
  bool wrong = false;
  const void *y;
  int n = 1;
  double ops = 4.0 * (double)a->heads * (double)a->queries * (double)a->keys * (double)a->d;
  double bytes = 2.0 * (double)a->heads * (double)a->keys * (double)a->d * (codes ? 1 : 4);
  snprintf(name, sizeof name, "%lldx%lldx%lldx%lld", (long long)a->heads, (long long)a->queries, (long long)a->keys,
           (long long)a->d);
  write_program(&t, a, codes);
  fill(in, a, codes);
  bool good = checked_program(ctx, &t, o, in, false, &c[0], &y, &wrong);
  if (good && wrong) {
    report_wrong(r, work, name, "quern");
    contender_destroy(&c[0]);
  } else if (good) {
    peer_note why = {""};
    const void *other;
    if (limit(ctx, o, a, codes, ops, &c[0], &c[n])) n++;
    if (!codes && onednn_attention(a, in, o, &c[n], &other, &why)) {
      c[n].run(c[n].state);
      if (!floats_close(other, y, (size_t)(a->heads * a->queries * a->d), 1e-3))
        report_note(r, "%s %s: onednn gives other numbers than the interpreter", work, name);
      n++;
    }
    if (why.text[0] && !*told) report_note(r, "%s: onednn takes no part: %s", work, why.text), *told = true;
    race(c, n, o->quick ? 0.2 : 0.6, times);
    bool reads = a->queries == 1;
    for (int i = 1; i < n; i++)
      report_ratio(r, work, name, c[i].name, &times[0], &times[i], reads ? bytes : ops,
                   reads   ? "GB/s"
                   : codes ? "GOPS"
                           : "GFLOPS");
    for (int i = 0; i < n; i++) contender_destroy(&c[i]);
  }
  for (int i = 0; i < 3; i++) big_free(in[i].data, 0);
  text_free(&t);
  return good;
}

bool row_attention(qn_context *ctx, const options *o, report *r) {
  bool good = true, told = false;
  for (int codes = 0; codes < 2; codes++)
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && good; i++)
      if (!o->quick || shapes[i].quick) good = one(ctx, o, r, &shapes[i].s, codes != 0, &told);
  return good;
}
