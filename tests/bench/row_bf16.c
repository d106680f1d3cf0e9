/* bf16 x bf16 -> f32 with bias and relu, precision = relaxed: where the machine multiplies bf16 pairs, both sides may.
 */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

static void fill_bf16(uint16_t *p, size_t n, uint32_t seed) {
  float *x = big_alloc(n * sizeof *x);
  fill_floats(x, n, -1, 1, seed);
  for (size_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, &x[i], 4);
    p[i] = (uint16_t)(bits >> 16); /* cut off: any bf16 number serves */
  }
  free(x);
}

static void write_text(const product *p, text *t) {
  long long m = p->m, n = p->n, k = p->k;
  text_add(t, "func.func @main(%%x: tensor<%lldx%lldxbf16>) -> tensor<%lldx%lldxf32> {\n%%w = arith.constant ", m, k, m,
           n);
  text_hex(t, p->b, (size_t)(k * n) * 2);
  text_add(t, " : tensor<%lldx%lldxbf16>\n%%b = arith.constant ", k, n);
  text_hex(t, p->bias, (size_t)n * sizeof(float));
  text_add(t, " : tensor<%lldxf32>\n", n);
  text_add(
      t,
      "%%s = quern.matmul %%x, %%w {precision = \"relaxed\"} : (tensor<%lldx%lldxbf16>, tensor<%lldx%lldxbf16>) -> "
      "tensor<%lldx%lldxf32>\n",
      m, k, k, n, m, n);
  text_add(t, "%%a = quern.add %%s, %%b : (tensor<%lldx%lldxf32>, tensor<%lldxf32>) -> tensor<%lldx%lldxf32>\n", m, n,
           n, m, n);
  text_add(t, "%%y = quern.relu %%a : (tensor<%lldx%lldxf32>) -> tensor<%lldx%lldxf32>\n", m, n, m, n);
  text_add(t, "return %%y : tensor<%lldx%lldxf32>\n}\n", m, n);
}

/* Relaxed sums may round in other places than the interpreter's. */
static bool right(qn_context *ctx, const text *t, const options *o, const qn_tensor *in, const float *y, size_t n) {
  qn_program *interp;
  qn_tensor out;
  if (!program_from_text(ctx, t, "interp", o, false, &interp)) return false;
  bool good = qn_program_run(interp, in, &out, NULL) == QN_OK;
  if (good) {
    good = floats_close(out.data, y, n, 1e-3);
    qn_tensor_free(ctx, &out);
  }
  qn_program_destroy(interp);
  return good;
}

static bool one(qn_context *ctx, const options *o, report *r, const int64_t *shape, bool *missing, bool *told) {
  product p = {.m = shape[0], .n = shape[1], .k = shape[2], .relu = true};
  size_t a = (size_t)(p.m * p.k), b = (size_t)(p.k * p.n), y = (size_t)(p.m * p.n);
  text t = {NULL, 0, 0};
  contender c[3];
  timing times[3];
  qn_program *program;
  const void *ours, *theirs;
  char name[64];
  int n = 0;
  snprintf(name, sizeof name, "%lldx%lldx%lld", (long long)p.m, (long long)p.n, (long long)p.k);
  p.a_type = p.b_type = QN_BF16, p.y_type = QN_F32;
  p.a = big_alloc(a * 2), p.b = big_alloc(b * 2), p.bias = big_alloc((size_t)p.n * sizeof(float));
  fill_bf16(p.a, a, 1), fill_bf16(p.b, b, 2), fill_floats(p.bias, (size_t)p.n, -1, 1, 3);
  write_text(&p, &t);
  qn_tensor in = {.elem = QN_BF16, .rank = 2, .shape = {p.m, p.k}, .data = p.a};
  *missing = !program_from_text(ctx, &t, "llvm", o, true, &program);
  if (*missing)
    report_note(r, "bf16 left out: this version cannot compile it");
  else if (ours_program(ctx, program, &in, o->parallel, &c[n], &ours)) {
    c[n].run(c[n].state), n++;
    peer_note why = {""};
    double ops = 2.0 * (double)p.m * (double)p.n * (double)p.k;
    bool good = right(ctx, &t, o, &in, ours, y);
    if (!good) report_wrong(r, "bf16", name, "quern");
    if (good && p.m >= 16 && limit_peak(ctx, o, ours_multiplier(&c[0], QN_MULTIPLIER_F32), ops, &c[n])) n++;
    if (good && onednn_product(&p, o, &c[n], &theirs, &why)) {
      c[n].run(c[n].state), n++;
      if (!floats_close(ours, theirs, y, 1e-3)) report_note(r, "bf16 %s: onednn gives other numbers", name);
    } else if (good && !*told)
      report_note(r, "bf16: onednn takes no part: %s", why.text), *told = true;
    if (n > 1) race(c, n, o->quick ? 0.2 : 0.6, times);
    for (int i = 1; i < n; i++) report_ratio(r, "bf16", name, c[i].name, &times[0], &times[i], ops, "GFLOPS");
  }
  for (int i = 0; i < n; i++) contender_destroy(&c[i]);
  text_free(&t);
  free(p.a), free(p.b), free(p.bias);
  return *missing || n > 0;
}

bool row_bf16(qn_context *ctx, const options *o, report *r) {
  static const int64_t shapes[][3] = {{1, 768, 768},    {16, 768, 768},  {64, 1000, 2048}, {128, 768, 768},
                                      {128, 3072, 768}, {197, 768, 768}, {512, 512, 512},  {255, 257, 511}};
  bool missing = false, told = false, good = true;
  const qn_isa *isa = qn_isa_find(qn_str_of(o->cpu));
  if (isa && !(isa->has & QN_ISA_BF16))
    report_note(r, "bf16: %s has no vdpbf16ps; products are made in f32 here", isa->name);
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes && good && !missing; i++)
    good = one(ctx, o, r, shapes[i], &missing, &told);
  return good;
}
