/* WINDOW products of bytes on x86 rows with dot products of bytes in 512-bit lanes: four positions of the window are
 * interleaved by byte shuffles, so that one instruction multiplies and adds them for 16 channels.
 *
 * 64 channels are taken at once. Interleaving leaves each of four sums with four channels of every 128-bit lane: vector
 * j has channels 16 L + 4 j .. + 3 in lane L. Weights are brought into that order once per panel, sums are brought back
 * into the channels' by one transposition of lanes per pixel. */
#include "tile.h"

enum { CHANNELS = 64, VECTORS = 4, PIXELS = 8, MAX_TAPS = 49, MAX_QUADS = (MAX_TAPS + 3) / 4 };

typedef struct depthwise {
  qn_ll *g;
  const qn_gemm_plan *plan;
  LLVMValueRef image, weights, channels;
  LLVMValueRef ordered; /* weights of the panel at hand, as sums want them */
  LLVMValueRef sums;    /* of up to PIXELS pixels */
  LLVMValueRef epilogue;
  LLVMValueRef panel, mask; /* first channel, and which exist */
  LLVMTypeRef bytes, words, dwords;
  /* Read once: nothing here is taken out of loops afterwards. */
  LLVMValueRef size[12];
  LLVMValueRef down[MAX_TAPS], across[MAX_TAPS]; /* bytes to each line and column of the window */
  LLVMValueRef line[MAX_TAPS];                   /* of the pixel at hand */
} depthwise;

static int64_t taps_of(const qn_gemm_plan *p) {
  return p->shape.size[0] * p->shape.size[1];
}

bool qn__ll_depthwise_serves(const qn_ll *g, const qn_gemm_plan *p) {
  return g->x86 && g->isa->vector_bits == 512 && (g->isa->has & QN_ISA_DOT8) && g->masked &&
         p->combine == QN_COMBINE_DOT && qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 4) && !p->layout.plain &&
         p->layout.panel_width == CHANNELS && taps_of(p) <= MAX_TAPS;
}

/* ---- shuffles ---- */

static LLVMValueRef shuffle(qn_ll *g, LLVMValueRef a, LLVMValueRef b, uint32_t n, const uint32_t *picks) {
  LLVMValueRef p[CHANNELS];
  for (uint32_t i = 0; i < n; i++) p[i] = qn__ll_i32(g, picks[i]);
  return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(p, n), "");
}

/* Elements of the lower (upper) halves of every 128-bit lane by turns. */
static LLVMValueRef interleave(qn_ll *g, LLVMValueRef a, LLVMValueRef b, uint32_t n, bool upper) {
  uint32_t picks[CHANNELS], lane = n / 4;
  for (uint32_t i = 0; i < n; i++) picks[i] = i / lane * lane + (upper ? lane / 2 : 0) + i % lane / 2 + (i % 2 ? n : 0);
  return shuffle(g, a, b, n, picks);
}

/* Four vectors of positions as four vectors of dwords with a byte of each. */
static void interleave_four(depthwise *d, LLVMValueRef x[VECTORS], LLVMValueRef out[VECTORS]) {
  qn_ll *g = d->g;
  for (uint32_t half = 0; half < 2; half++) {
    LLVMValueRef a = LLVMBuildBitCast(g->b, interleave(g, x[0], x[1], CHANNELS, half), d->words, "");
    LLVMValueRef b = LLVMBuildBitCast(g->b, interleave(g, x[2], x[3], CHANNELS, half), d->words, "");
    for (uint32_t quarter = 0; quarter < 2; quarter++)
      out[2 * half + quarter] = LLVMBuildBitCast(g->b, interleave(g, a, b, CHANNELS / 2, quarter), d->dwords, "");
  }
}

/* Lane L of vector j becomes lane j of vector L; its own inverse. */
static void transpose_lanes(depthwise *d, LLVMValueRef v[VECTORS]) {
  LLVMValueRef half[VECTORS];
  for (uint32_t i = 0; i < VECTORS; i++) { /* lanes 0, 1 (then 2, 3) of vectors 0 and 1, of 2 and 3 */
    uint32_t picks[16], first = i / 2 * 2;
    for (uint32_t k = 0; k < 16; k++) picks[k] = (first + k / 4 % 2) * 4 + k % 4 + (k >= 8 ? 16 : 0);
    half[i] = shuffle(d->g, v[i % 2 * 2], v[i % 2 * 2 + 1], 16, picks);
  }
  for (uint32_t i = 0; i < VECTORS; i++) {
    uint32_t picks[16];
    for (uint32_t k = 0; k < 16; k++) picks[k] = (i % 2 + k / 4 % 2 * 2) * 4 + k % 4 + (k >= 8 ? 16 : 0);
    v[i] = shuffle(d->g, half[i / 2 * 2], half[i / 2 * 2 + 1], 16, picks);
  }
}

/* ---- panels ---- */

static void order_weights(depthwise *d) {
  qn_ll *g = d->g;
  int64_t quads = (taps_of(d->plan) + 3) / 4;
  LLVMValueRef panel = LLVMBuildUDiv(g->b, d->panel, qn__ll_i64(g, CHANNELS), "");
  LLVMValueRef from = qn__ll_gep(g, d->weights, qn__ll_mul(g, panel, qn__ll_i64(g, quads * CHANNELS * 4)));
  for (int64_t q = 0; q < quads; q++) {
    LLVMValueRef v[VECTORS];
    for (uint32_t j = 0; j < VECTORS; j++)
      v[j] = qn__ll_load_vec(g, d->dwords, qn__ll_gep_const(g, from, (q * VECTORS + j) * 64), 1);
    transpose_lanes(d, v);
    for (uint32_t j = 0; j < VECTORS; j++)
      qn__ll_store_vec(g, v[j], qn__ll_gep_const(g, d->ordered, (q * VECTORS + (int64_t)j) * 64), 64);
  }
}

static void find_mask(depthwise *d) {
  qn_ll *g = d->g;
  LLVMValueRef left = qn__ll_sub(g, d->channels, d->panel), all = qn__ll_i64(g, CHANNELS);
  LLVMValueRef missing = qn__ll_sub(g, all, qn__ll_min(g, left, all));
  LLVMValueRef bits = LLVMBuildLShr(g->b, qn__ll_i64(g, -1), missing, "");
  d->mask = LLVMBuildBitCast(g->b, bits, LLVMVectorType(g->i1, CHANNELS), "");
}

/* ---- pixels ---- */

static LLVMValueRef position(depthwise *d, int64_t tap) {
  qn_ll *g = d->g;
  int64_t width = d->plan->shape.size[1];
  LLVMValueRef from = qn__ll_gep(g, d->line[tap / width], d->across[tap % width]);
  LLVMTypeRef types[2] = {d->bytes, g->ptr};
  LLVMValueRef args[4] = {from, qn__ll_i32(g, 1), d->mask, LLVMConstNull(d->bytes)};
  return qn__ll_intrinsic(g, "llvm.masked.load", 2, types, 4, args);
}

static void one_pixel(depthwise *d, LLVMValueRef at, LLVMValueRef to) {
  qn_ll *g = d->g;
  int64_t taps = taps_of(d->plan);
  LLVMValueRef acc[VECTORS], x[VECTORS] = {NULL}, dwords[VECTORS];
  for (int64_t i = 0; i < d->plan->shape.size[0]; i++) d->line[i] = qn__ll_gep(g, at, d->down[i]);
  for (uint32_t j = 0; j < VECTORS; j++) acc[j] = LLVMConstNull(d->dwords);
  for (int64_t q = 0; q < (taps + 3) / 4; q++) {
    /* Positions past the last one meet weights that are 0: any byte will do. */
    for (uint32_t j = 0; j < VECTORS; j++) x[j] = q * 4 + j < taps ? position(d, q * 4 + j) : x[j ? j - 1 : 0];
    interleave_four(d, x, dwords);
    for (uint32_t j = 0; j < VECTORS; j++) {
      LLVMValueRef w =
          qn__ll_load_vec(g, d->dwords, qn__ll_gep_const(g, d->ordered, (q * VECTORS + (int64_t)j) * 64), 64);
      LLVMValueRef args[3] = {acc[j], dwords[j], w};
      acc[j] = qn__ll_target_intrinsic(g, "llvm.x86.avx512.vpdpbusd.512", d->dwords, 3, args);
    }
  }
  transpose_lanes(d, acc);
  for (uint32_t j = 0; j < VECTORS; j++) qn__ll_store_vec(g, acc[j], qn__ll_gep_const(g, to, (int64_t)j * 64), 64);
}

/* Pixels row .. row + count - 1 through the sums' buffer and the epilogue. */
static void some_pixels(depthwise *d, LLVMValueRef row, LLVMValueRef count) {
  qn_ll *g = d->g;
  LLVMValueRef columns = d->size[4], lines = d->size[3], one = qn__ll_i64(g, 1);
  LLVMValueRef line = LLVMBuildUDiv(g->b, row, columns, ""), n = LLVMBuildUDiv(g->b, line, lines, "");
  LLVMValueRef carried[3] = {qn__ll_sub(g, row, qn__ll_mul(g, line, columns)),
                             qn__ll_sub(g, line, qn__ll_mul(g, n, lines)), n};
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), count, 1, 3, carried);
  LLVMValueRef at = qn__ll_mul(g, carried[2], d->size[7]);
  at = qn__ll_add(g, at, qn__ll_mul(g, carried[1], d->size[8]));
  at = qn__ll_add(g, at, qn__ll_mul(g, carried[0], d->size[9]));
  at = qn__ll_gep(g, d->image, qn__ll_add(g, at, d->panel));
  one_pixel(d, at, qn__ll_gep(g, d->sums, qn__ll_mul(g, f.i, qn__ll_i64(g, CHANNELS * 4))));
  LLVMValueRef next = qn__ll_add(g, carried[0], one), ends = LLVMBuildICmp(g->b, LLVMIntEQ, next, columns, "");
  carried[0] = LLVMBuildSelect(g->b, ends, qn__ll_i64(g, 0), next, "");
  next = qn__ll_add(g, carried[1], LLVMBuildZExt(g->b, ends, g->i64, ""));
  ends = LLVMBuildICmp(g->b, LLVMIntEQ, next, lines, "");
  carried[1] = LLVMBuildSelect(g->b, ends, qn__ll_i64(g, 0), next, "");
  carried[2] = qn__ll_add(g, carried[2], LLVMBuildZExt(g->b, ends, g->i64, ""));
  qn__ll_for_end(g, &f, carried);
  qn__ll_epilogue_rows(g, d->epilogue, d->sums, row, count, d->panel, CHANNELS);
}

qn_status qn__ll_depthwise(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  depthwise d = {.g = g,
                 .plan = plan,
                 .image = qn__ll_arg_ptr(g, 0),
                 .weights = qn__ll_arg_ptr(g, 1),
                 .channels = qn__ll_arg_size(g, 1),
                 .bytes = LLVMVectorType(g->i8, CHANNELS),
                 .words = LLVMVectorType(g->i16, CHANNELS / 2),
                 .dwords = LLVMVectorType(g->i32, CHANNELS / 4)};
  for (uint32_t i = 3; i < 12; i++) d.size[i] = qn__ll_arg_size(g, i);
  for (int64_t i = 0; i < plan->shape.size[0]; i++) d.down[i] = qn__ll_mul(g, qn__ll_i64(g, i), d.size[10]);
  for (int64_t i = 0; i < plan->shape.size[1]; i++) d.across[i] = qn__ll_mul(g, qn__ll_i64(g, i), d.size[11]);
  d.ordered = qn__ll_slot(g, g->i8, MAX_QUADS * VECTORS * 64);
  d.sums = qn__ll_slot(g, g->i8, PIXELS * CHANNELS * 4);
  d.epilogue = qn__ll_epilogue_function(g, body, NULL, NULL);
  LLVMValueRef end = qn__ll_arg_end(g, 0);
  qn_ll_for panels, pixels;
  qn__ll_for_begin(g, &panels, qn__ll_i64(g, 0), d.channels, CHANNELS, 0, NULL);
  d.panel = panels.i;
  order_weights(&d);
  find_mask(&d);
  qn__ll_for_begin(g, &pixels, qn__ll_arg_begin(g, 0), end, PIXELS, 0, NULL);
  some_pixels(&d, pixels.i, qn__ll_min(g, qn__ll_i64(g, PIXELS), qn__ll_sub(g, end, pixels.i)));
  qn__ll_for_end(g, &pixels, NULL);
  qn__ll_for_end(g, &panels, NULL);
  return QN_OK;
}
