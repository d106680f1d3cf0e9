/* Weights of 4 bits in blocks of 32 with a scale each, f32 activations that are quantized to 8 bits inside: in cache
 * and from memory, beside ggml's forms of the same codes and scales, and beside read bandwidth. */
#include "block.h"
#include <stdlib.h>
#include <string.h>

static const struct {
  const char *work;
  block_kind kind;
} kinds[] = {
    {"w4-sym", W4_SYMMETRIC}, {"w4-codebook", W4_CODEBOOK}, {"w4-mxfp4", W4_MXFP4}, {"w4-asym", W4_ASYMMETRIC}};

/* Scales that fit f16, or powers of two for MXFP4: about what weights of a layer have. */
static void fill(block_product *p) {
  size_t blocks = (size_t)(p->k / BLOCK * p->n), count = (size_t)(p->k * p->n);
  p->x = big_alloc((size_t)(p->m * p->k) * sizeof(float));
  p->codes = big_alloc(count), p->scales = big_alloc(blocks * sizeof(float));
  p->zeros = big_alloc(blocks * sizeof(int32_t));
  fill_floats(p->x, (size_t)(p->m * p->k), -2, 2, 1);
  fill_bytes(p->codes, count, 2);
  for (size_t i = 0; i < count; i++) p->codes[i] &= 15;
  for (size_t i = 0; i < blocks; i++) {
    p->scales[i] = p->kind == W4_MXFP4 ? 0x1p-8f * (float)(1 << i * 7 % 3) : (float)(1024 + i * 37 % 1024) * 0x1p-18f;
    if (p->kind == W4_CODEBOOK) p->scales[i] *= 0x1p-4f;
    p->zeros[i] = (int32_t)(i * 5 % 16);
  }
}

void block_values(double *codebook) {
  /* The codebook of the peer's non-linear type: a geometric spread, in the order of the codes. */
  static const int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  for (int i = 0; i < 16; i++) codebook[i] = values[i];
}

/* Our weights: [K, N], two codes a byte, as signed ones where there is no zero point and no codebook. */
static bool our_program(qn_context *ctx, const block_product *p, int64_t m, const char *engine, const options *o,
                        qn_program **out) {
  double codebook[16];
  size_t bytes = (size_t)(p->k * p->n) / 2;
  uint8_t flip = p->kind == W4_SYMMETRIC ? 0x88 : 0;
  uint8_t *packed = big_alloc(bytes);
  for (size_t i = 0; i < bytes; i++) packed[i] = (uint8_t)((p->codes[2 * i] | p->codes[2 * i + 1] << 4) ^ flip);
  qn_matmul_desc d = {.m = m,
                      .n = p->n,
                      .k = p->k,
                      .a = QN_F32,
                      .y = QN_F32,
                      .b_data = packed,
                      .b_scales = p->scales,
                      .b_block = BLOCK};
  d.b = p->kind == W4_SYMMETRIC ? QN_I4 : p->kind == W4_MXFP4 ? QN_F4E2M1FN : QN_UI4;
  if (p->kind == W4_ASYMMETRIC) d.b_zero_points = p->zeros;
  if (p->kind == W4_CODEBOOK) block_values(codebook), d.b_codebook = codebook, d.b_codebook_size = 16;
  qn_compile_options compile = {.engine = engine, .cpu = strcmp(engine, "interp") ? o->cpu : NULL};
  bool good = qn_kernel_matmul(ctx, &d, &compile, out) == QN_OK;
  big_free(packed, bytes);
  return good;
}

/* The first and the last row on the interpreter. */
static bool right(qn_context *ctx, const block_product *p, const options *o, const float *y) {
  int rows = p->m > 1 ? 2 : 1;
  size_t x_row = (size_t)p->k * sizeof(float), y_row = (size_t)p->n * sizeof(float);
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {rows, p->k}}, out;
  qn_program *interp;
  if (!our_program(ctx, p, rows, "interp", o, &interp)) return false;
  in.data = big_alloc(2 * x_row);
  memcpy(in.data, p->x, x_row);
  memcpy((char *)in.data + x_row, p->x + (p->m - 1) * p->k, x_row);
  bool good = qn_program_run(interp, &in, &out, NULL) == QN_OK;
  if (good) {
    good = !memcmp(out.data, y, y_row);
    if (rows > 1) good &= !memcmp((const char *)out.data + y_row, y + (p->m - 1) * p->n, y_row);
    qn_tensor_free(ctx, &out);
  }
  qn_program_destroy(interp);
  big_free(in.data, 0);
  return good;
}

static bool ours(qn_context *ctx, block_product *p, const options *o, contender *out, bool *wrong) {
  contender each[MAX_COPIES];
  qn_tensor in = {.elem = QN_F32, .rank = 2, .shape = {p->m, p->k}, .data = p->x};
  int n = 0;
  bool good = true;
  for (; n < p->copies && good; n += good) {
    const void *y;
    qn_program *program;
    good = our_program(ctx, p, p->m, "llvm", o, &program) && ours_program(ctx, program, &in, o->parallel, &each[n], &y);
    if (!good) break;
    each[n].run(each[n].state);
    if (n == 0) *wrong = !right(ctx, p, o, y);
    p->ours = n == 0 ? y : p->ours;
  }
  if (good) return copies_create("quern", each, n, out);
  for (int i = 0; i < n; i++) contender_destroy(&each[i]);
  return false;
}

/* One row from cache: reading its weights, or, of a codebook, looking its codes up. */
static bool limit_of(const block_product *p, const options *o, double bytes, bool far, contender *out) {
  if (far) return limit_read(bytes, out);
  if (p->m > 1) return false;
  return (p->kind == W4_CODEBOOK && limit_lookups(o, p->n, p->k, out)) || limit_read_again((size_t)bytes, out);
}

static bool one(qn_context *ctx, const options *o, report *r, int kind, const int64_t *shape, bool far, bool *told) {
  block_product p = {.m = shape[0], .n = shape[1], .k = shape[2], .kind = kinds[kind].kind, .copies = 1};
  const int per_block = p.kind == W4_MXFP4 ? 1 : p.kind == W4_ASYMMETRIC ? 3 : 2; /* scale and zero point */
  double bytes = (double)(p.n * p.k) / 2 + (double)(p.n * (p.k / BLOCK)) * per_block;
  double ops = 2.0 * (double)p.m * (double)p.n * (double)p.k;
  contender c[3];
  timing t[3];
  char work[32], name[64];
  bool wrong = false;
  int n = 1;
  snprintf(work, sizeof work, "%s%s", kinds[kind].work, far ? "-far" : "");
  snprintf(name, sizeof name, "%lldx%lldx%lld", (long long)p.m, (long long)p.n, (long long)p.k);
  if (far && (p.copies = far_copies((size_t)bytes)) == 0) {
    report_note(r, "%s: %s left out: memory does not hold enough copies of the weights", work, name);
    return true;
  }
  fill(&p);
  bool good = ours(ctx, &p, o, &c[0], &wrong);
  if (good && wrong) {
    report_wrong(r, work, name, "quern");
    contender_destroy(&c[0]);
  } else if (good) {
    peer_note why = {""};
    if (limit_of(&p, o, bytes, far, &c[n])) n++;
    if (ggml_block(&p, o, &c[n], &why)) n++;
    if (why.text[0] && !*told) report_note(r, "%s: ggml: %s", work, why.text), *told = true;
    race(c, n, o->quick ? 0.2 : 0.6, t);
    for (int i = 1; i < n; i++)
      report_ratio(r, work, name, c[i].name, &t[0], &t[i], far ? bytes : ops, far ? "GB/s" : "GFLOPS");
    if (n == 1) report_note(r, "%s %s: %.1f us, %.1f GFLOPS", work, name, t[0].min * 1e6, ops / t[0].min * 1e-9);
    for (int i = 0; i < n; i++) contender_destroy(&c[i]);
  }
  free(p.x), free(p.codes), free(p.scales), free(p.zeros);
  return good;
}

bool row_w4(qn_context *ctx, const options *o, report *r) {
  static const int64_t near[][3] = {{1, 768, 768},   {1, 1024, 1024},  {1, 2048, 1024}, {1, 768, 3072},
                                    {1, 2048, 2048}, {1, 4096, 4096},  {4, 2048, 2048}, {8, 2048, 2048},
                                    {8, 4096, 4096}, {16, 4096, 4096}, {64, 4096, 4096}};
  static const int64_t far[3] = {1, 4096, 14336};
  bool good = true;
  for (int kind = 0; kind < 4; kind++) {
    bool told = false;
    for (size_t i = 0; i < (o->quick ? 7 : sizeof near / sizeof *near) && good; i++)
      good = one(ctx, o, r, kind, near[i], false, &told);
    if (good && (!o->quick || kind == 0)) good = one(ctx, o, r, kind, far, true, &told);
  }
  return good;
}
