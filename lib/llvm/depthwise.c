/* WINDOW products of bytes on x86 rows with dot products of bytes in 512-bit lanes: four positions of the window are
 * interleaved by byte shuffles, so that one instruction multiplies and adds them for 16 channels.
 *
 * 64 channels are taken at once. Interleaving leaves each of four sums with four channels of every 128-bit lane: vector
 * j has channels 16 L + 4 j .. + 3 in lane L. Weights are brought into that order once per panel; the epilogue takes
 * sums as they are where it packs them, or they are brought back by one transposition of lanes per pixel.
 *
 * Pixels are taken in pairs where windows lie one position apart. With 64 channels both pixels use the same interleaved
 * positions: four columns of a line of the window, with weights that are shifted by one for the second pixel. With 32
 * channels that fill their pixels, 64 bytes are the same position of both pixels' windows.
 *
 * Most windows are written as assembly instead (depthwise_text.c), but for such pairs with 32 channels. */
#include "tile.h"

enum { CHANNELS = 64, VECTORS = 4, PIXELS = 16, MAX_TAPS = 49, MAX_QUADS = (MAX_TAPS + 3) / 4 };

typedef struct depthwise {
  qn_ll *g;
  const qn_gemm_plan *plan;
  LLVMValueRef image, weights, channels;
  LLVMValueRef ordered; /* weights of the panel at hand, as sums want them */
  LLVMValueRef shifted; /* the same per line, for both pixels of a pair that shares positions */
  LLVMValueRef paired;  /* whether there are pairs; null when windows of this size gain nothing */
  bool apart;           /* the epilogue takes sums in the order they have */
  bool pairs_apart;     /* all there is are pairs, for the epilogue of them */
  uint32_t width;       /* channels of a panel: CHANNELS, or half of that */
  LLVMValueRef sums;    /* of up to PIXELS pixels */
  LLVMValueRef epilogue;
  LLVMValueRef doubled;     /* the epilogue of pairs of half as many channels; null when there is none */
  LLVMValueRef even;        /* whether lines begin with a pair and end with one, and pairs' results are side by side */
  LLVMValueRef panel, mask; /* first channel, and which exist */
  LLVMTypeRef bytes, words, dwords;
  /* Read once: nothing here is taken out of loops afterwards. */
  LLVMValueRef size[15];
  LLVMValueRef down[MAX_TAPS], across[MAX_TAPS + 1]; /* bytes to each line and column of the window, and one more */
  LLVMValueRef line[MAX_TAPS];                       /* of the pixel at hand */
  /* With pads: a copy of what a window at the border sees, its columns beside each other; how far inside the image a
   * window begins that is not at the border; and what the pixel at hand (or a pair) reads. */
  LLVMValueRef copy, origin, inside[2], lines[MAX_TAPS], columns[MAX_TAPS + 1];
} depthwise;

static int64_t taps_of(const qn_gemm_plan *p) {
  return p->shape.size[0] * p->shape.size[1];
}

bool qn__ll_depthwise_serves(const qn_ll *g, const qn_gemm_plan *p) {
  return g->x86 && g->isa->vector_bits == 512 && (g->isa->has & QN_ISA_DOT8) && g->masked &&
         p->combine == QN_COMBINE_DOT && qn__ll_dot_types(p, QN_UI8, QN_I8, QN_I32, 4) && !p->layout.plain &&
         (p->layout.panel_width == CHANNELS || p->layout.panel_width == CHANNELS / 2) && taps_of(p) <= MAX_TAPS;
}

/* Four positions each: of a window, of a line of it with the next pixel's. */
static int64_t quads_of(const qn_gemm_plan *p) {
  return (taps_of(p) + 3) / 4;
}

static int64_t line_quads(const qn_gemm_plan *p) {
  return (p->shape.size[1] + 1 + 3) / 4;
}

/* Columns of the copy: one more where a pair of pixels may read it. */
static int64_t copied_columns(const qn_window *w) {
  return w->size[1] + (w->stride[1] == w->dilation[1]);
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

/* The same for one position, whose byte all of a dword's are: the others meet weights that are 0. */
static void spread_one(depthwise *d, LLVMValueRef x, LLVMValueRef out[VECTORS]) {
  for (uint32_t j = 0; j < VECTORS; j++) {
    uint32_t picks[CHANNELS];
    for (uint32_t i = 0; i < CHANNELS; i++) picks[i] = i / 16 * 16 + 4 * j + i % 16 / 4;
    out[j] = LLVMBuildBitCast(d->g->b, shuffle(d->g, x, x, CHANNELS, picks), d->dwords, "");
  }
}

void qn__ll_transpose_lanes(qn_ll *g, LLVMValueRef v[VECTORS]) {
  LLVMValueRef half[VECTORS];
  for (uint32_t i = 0; i < VECTORS; i++) { /* lanes 0, 1 (then 2, 3) of vectors 0 and 1, of 2 and 3 */
    uint32_t picks[16], first = i / 2 * 2;
    for (uint32_t k = 0; k < 16; k++) picks[k] = (first + k / 4 % 2) * 4 + k % 4 + (k >= 8 ? 16 : 0);
    half[i] = shuffle(g, v[i % 2 * 2], v[i % 2 * 2 + 1], 16, picks);
  }
  for (uint32_t i = 0; i < VECTORS; i++) {
    uint32_t picks[16];
    for (uint32_t k = 0; k < 16; k++) picks[k] = (i % 2 + k / 4 % 2 * 2) * 4 + k % 4 + (k >= 8 ? 16 : 0);
    v[i] = shuffle(g, half[i / 2 * 2], half[i / 2 * 2 + 1], 16, picks);
  }
}

/* ---- panels ---- */

static LLVMValueRef weights_at(depthwise *d, LLVMValueRef base, int64_t index) {
  return qn__ll_gep_const(d->g, base, index * 64);
}

/* Half a panel is there twice: for both pixels of a pair. */
static void order_weights(depthwise *d) {
  qn_ll *g = d->g;
  int64_t quads = quads_of(d->plan), vectors = d->width / 16;
  LLVMValueRef panel = LLVMBuildUDiv(g->b, d->panel, qn__ll_i64(g, d->width), "");
  LLVMValueRef from = qn__ll_gep(g, d->weights, qn__ll_mul(g, panel, qn__ll_i64(g, quads * d->width * 4)));
  for (int64_t q = 0; q < quads; q++) {
    LLVMValueRef v[VECTORS];
    for (uint32_t j = 0; j < VECTORS; j++)
      v[j] = qn__ll_load_vec(g, d->dwords, weights_at(d, from, q * vectors + j % vectors), 1);
    qn__ll_transpose_lanes(g, v);
    for (uint32_t j = 0; j < VECTORS; j++)
      qn__ll_store_vec(g, v[j], weights_at(d, d->ordered, q * VECTORS + (int64_t)j), 64);
  }
}

/* Position of the window that byte b of quad m of a line is for pixel p of a pair; -1: none. */
static int64_t shifted_tap(const depthwise *d, int64_t line, int64_t m, int64_t p, int64_t b) {
  int64_t width = d->plan->shape.size[1], column = 4 * m + b - p;
  return column >= 0 && column < width ? line * width + column : -1;
}

static bool has_shifted(const depthwise *d, int64_t m, int64_t p) {
  return shifted_tap(d, 0, m, p, 0) >= 0 || shifted_tap(d, 0, m, p, 3) >= 0 || shifted_tap(d, 0, m, p, 1) >= 0;
}

static int64_t shifted_index(const depthwise *d, int64_t line, int64_t m, int64_t p) {
  return ((line * line_quads(d->plan) + m) * 2 + p) * VECTORS;
}

/* The weights of a quad of a line: four positions in a row are of two quads of all positions at most. */
static void shift_quad(depthwise *d, int64_t line, int64_t m, int64_t p) {
  qn_ll *g = d->g;
  int64_t first = -1, last = 0;
  uint32_t picks[CHANNELS];
  LLVMValueRef used[CHANNELS];
  for (int64_t b = 3; b >= 0; b--) {
    int64_t tap = shifted_tap(d, line, m, p, b);
    if (tap >= 0 && first < 0) last = tap / 4;
    if (tap >= 0) first = tap / 4;
  }
  for (uint32_t i = 0; i < CHANNELS; i++) {
    int64_t tap = shifted_tap(d, line, m, p, i % 4);
    picks[i] = tap < 0 ? i : (uint32_t)(i / 4 * 4 + tap % 4) + (tap / 4 > first ? CHANNELS : 0);
    used[i] = LLVMConstInt(g->i8, tap < 0 ? 0 : 255, false);
  }
  for (int64_t j = 0; j < VECTORS; j++) {
    LLVMValueRef a = qn__ll_load_vec(g, d->bytes, weights_at(d, d->ordered, first * VECTORS + j), 64);
    LLVMValueRef b = qn__ll_load_vec(g, d->bytes, weights_at(d, d->ordered, last * VECTORS + j), 64);
    LLVMValueRef x = LLVMBuildAnd(g->b, shuffle(g, a, b, CHANNELS, picks), LLVMConstVector(used, CHANNELS), "");
    qn__ll_store_vec(g, x, weights_at(d, d->shifted, shifted_index(d, line, m, p) + j), 64);
  }
}

static void shift_weights(depthwise *d) {
  for (int64_t line = 0; line < d->plan->shape.size[0]; line++)
    for (int64_t m = 0; m < line_quads(d->plan); m++)
      for (int64_t p = 0; p < 2; p++)
        if (has_shifted(d, m, p)) shift_quad(d, line, m, p);
}

static void find_mask(depthwise *d) {
  qn_ll *g = d->g;
  LLVMValueRef left = qn__ll_sub(g, d->channels, d->panel), all = qn__ll_i64(g, d->width);
  LLVMValueRef missing = qn__ll_sub(g, all, qn__ll_min(g, left, all));
  LLVMValueRef bits = LLVMBuildLShr(g->b, qn__ll_i64(g, -1), missing, "");
  if (d->width < CHANNELS) bits = LLVMBuildLShr(g->b, bits, qn__ll_i64(g, CHANNELS - d->width), "");
  d->mask = LLVMBuildBitCast(g->b, bits, LLVMVectorType(g->i1, CHANNELS), "");
}

/* Whether windows of neighbouring pixels are one position apart, which what follows takes two pixels at once for. */
static void find_pairs(depthwise *d) {
  qn_ll *g = d->g;
  const qn_gemm_plan *p = d->plan;
  if (d->copy && copied_columns(&p->shape) == p->shape.size[1]) return; /* they are not one position apart */
  if (d->width == CHANNELS && p->shape.size[0] * line_quads(p) >= 2 * quads_of(p)) return;
  d->paired = LLVMBuildICmp(g->b, LLVMIntEQ, d->size[9], d->size[11], "");
  if (d->width == CHANNELS) return;
  LLVMValueRef width = qn__ll_i64(g, d->width);
  d->paired = LLVMBuildAnd(g->b, d->paired, LLVMBuildICmp(g->b, LLVMIntEQ, d->size[9], width, ""), "");
  d->paired = LLVMBuildAnd(g->b, d->paired, LLVMBuildICmp(g->b, LLVMIntEQ, d->channels, width, ""), "");
}

/* ---- pixels ---- */

static LLVMValueRef position(depthwise *d, int64_t line, int64_t column, bool whole) {
  qn_ll *g = d->g;
  LLVMValueRef from = qn__ll_gep(g, d->line[line], d->copy ? d->columns[column] : d->across[column]);
  if (whole) return qn__ll_load_vec(g, d->bytes, from, 1);
  LLVMTypeRef types[2] = {d->bytes, g->ptr};
  LLVMValueRef args[4] = {from, qn__ll_i32(g, 1), d->mask, LLVMConstNull(d->bytes)};
  return qn__ll_intrinsic(g, "llvm.masked.load", 2, types, 4, args);
}

static void start_pixel(depthwise *d, LLVMValueRef at, uint32_t sums, LLVMValueRef *acc) {
  for (int64_t i = 0; i < d->plan->shape.size[0]; i++)
    d->line[i] = d->copy ? d->lines[i] : qn__ll_gep(d->g, at, d->down[i]);
  for (uint32_t j = 0; j < sums; j++) acc[j] = LLVMConstNull(d->dwords);
}

static void add_quad(depthwise *d, LLVMValueRef acc[VECTORS], LLVMValueRef x[VECTORS], LLVMValueRef base,
                     int64_t index) {
  qn_ll *g = d->g;
  for (uint32_t j = 0; j < VECTORS; j++) {
    LLVMValueRef args[3] = {acc[j], x[j], qn__ll_load_vec(g, d->dwords, weights_at(d, base, index + j), 64)};
    acc[j] = qn__ll_target_intrinsic(g, "llvm.x86.avx512.vpdpbusd.512", d->dwords, 3, args);
  }
}

static void store_sums(depthwise *d, LLVMValueRef acc[VECTORS], uint32_t channels, bool apart, LLVMValueRef to) {
  if (!apart) qn__ll_transpose_lanes(d->g, acc);
  for (uint32_t j = 0; j < channels / 16; j++)
    qn__ll_store_vec(d->g, acc[j], qn__ll_gep_const(d->g, to, (int64_t)j * 64), 64);
}

/* One pixel; with `whole` two of half as many channels, which are side by side. */
static void one_pixel(depthwise *d, LLVMValueRef at, LLVMValueRef to, bool whole) {
  int64_t taps = taps_of(d->plan), width = d->plan->shape.size[1];
  LLVMValueRef acc[VECTORS], x[VECTORS] = {NULL}, dwords[VECTORS];
  start_pixel(d, at, VECTORS, acc);
  for (int64_t q = 0; q < quads_of(d->plan); q++) {
    /* Positions past the last one meet weights that are 0: any byte will do. */
    for (int64_t j = 0, tap = q * 4; j < VECTORS; j++, tap++)
      x[j] = tap < taps ? position(d, tap / width, tap % width, whole) : x[j ? j - 1 : 0];
    if (taps - q * 4 == 1)
      spread_one(d, x[0], dwords);
    else
      interleave_four(d, x, dwords);
    add_quad(d, acc, dwords, d->ordered, q * VECTORS);
  }
  store_sums(d, acc, whole ? CHANNELS : d->width, whole ? d->pairs_apart : d->apart, to);
}

/* Two pixels, whose windows share all columns but one. */
static void two_pixels(depthwise *d, LLVMValueRef at, LLVMValueRef to) {
  int64_t width = d->plan->shape.size[1];
  LLVMValueRef acc[2 * VECTORS], x[VECTORS] = {NULL}, dwords[VECTORS];
  start_pixel(d, at, 2 * VECTORS, acc);
  for (int64_t line = 0; line < d->plan->shape.size[0]; line++) {
    for (int64_t m = 0; m < line_quads(d->plan); m++) {
      for (int64_t j = 0, column = m * 4; j < VECTORS; j++, column++)
        x[j] = column <= width ? position(d, line, column, false) : x[j ? j - 1 : 0];
      interleave_four(d, x, dwords);
      for (int64_t p = 0; p < 2; p++)
        if (has_shifted(d, m, p)) add_quad(d, acc + p * VECTORS, dwords, d->shifted, shifted_index(d, line, m, p));
    }
  }
  for (int64_t p = 0; p < 2; p++)
    store_sums(d, acc + p * VECTORS, CHANNELS, d->apart, qn__ll_gep_const(d->g, to, p * CHANNELS * 4));
}

/* The pixel, or the pair that begins with it when `left` pixels follow in the line. Gives how many that were. */
static LLVMValueRef next_pixels(depthwise *d, LLVMValueRef at, LLVMValueRef to, LLVMValueRef left) {
  qn_ll *g = d->g;
  LLVMValueRef one = qn__ll_i64(g, 1), two = qn__ll_i64(g, 2);
  if (!d->paired || d->pairs_apart) {
    one_pixel(d, at, to, d->pairs_apart);
    return d->pairs_apart ? two : one;
  }
  LLVMValueRef pair = LLVMBuildAnd(g->b, d->paired, LLVMBuildICmp(g->b, LLVMIntSGE, left, two, ""), "");
  qn_ll_if a, b;
  qn__ll_if_begin(g, &a, pair);
  if (d->width == CHANNELS)
    two_pixels(d, at, to);
  else
    one_pixel(d, at, to, true);
  qn__ll_if_end(g, &a);
  qn__ll_if_begin(g, &b, LLVMBuildNot(g->b, pair, ""));
  one_pixel(d, at, to, false);
  qn__ll_if_end(g, &b);
  return LLVMBuildSelect(g->b, pair, two, one, "");
}

static void find_even(depthwise *d) {
  qn_ll *g = d->g;
  LLVMValueRef zero = qn__ll_i64(g, 0), odd = LLVMBuildOr(g->b, d->size[4], qn__ll_arg_begin(g, 0), "");
  odd = LLVMBuildAnd(g->b, LLVMBuildOr(g->b, odd, qn__ll_arg_end(g, 0), ""), qn__ll_i64(g, 1), "");
  d->even = LLVMBuildAnd(g->b, d->paired, LLVMBuildICmp(g->b, LLVMIntEQ, odd, zero, ""), "");
  LLVMValueRef dense = LLVMBuildICmp(g->b, LLVMIntEQ, qn__ll_arg_stride(g, 1), qn__ll_i64(g, d->width), "");
  d->even = LLVMBuildAnd(g->b, d->even, dense, "");
}

/* ---- borders ---- */

/* One line of the copy: what is outside the image is the border. */
static void copy_line(depthwise *d, LLVMValueRef at, LLVMValueRef i, LLVMValueRef h, LLVMValueRef left) {
  qn_ll *g = d->g;
  const qn_window *w = &d->plan->shape;
  LLVMValueRef border = qn__ll_splat(g, LLVMConstInt(g->i8, (unsigned long long)d->plan->border, false), CHANNELS);
  LLVMValueRef exists = LLVMBuildICmp(g->b, LLVMIntULT, h, d->size[12], "");
  LLVMValueRef line = qn__ll_gep(g, at, qn__ll_mul(g, i, d->size[10]));
  LLVMValueRef to = qn__ll_gep(g, d->copy, qn__ll_mul(g, i, qn__ll_i64(g, copied_columns(w) * d->width)));
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, copied_columns(w)), 1, 0, NULL);
  LLVMValueRef v = qn__ll_add(g, left, qn__ll_mul(g, f.i, qn__ll_i64(g, w->dilation[1])));
  LLVMValueRef inside = LLVMBuildAnd(g->b, exists, LLVMBuildICmp(g->b, LLVMIntULT, v, d->size[13], ""), "");
  LLVMValueRef from = qn__ll_gep(g, line, qn__ll_mul(g, f.i, d->size[11]));
  LLVMTypeRef types[2] = {d->bytes, g->ptr};
  LLVMValueRef none = LLVMConstNull(LLVMVectorType(g->i1, CHANNELS));
  LLVMValueRef args[4] = {LLVMBuildSelect(g->b, inside, from, d->image, ""), qn__ll_i32(g, 1),
                          LLVMBuildSelect(g->b, inside, d->mask, none, ""), border};
  LLVMValueRef x = qn__ll_intrinsic(g, "llvm.masked.load", 2, types, 4, args);
  qn__ll_store_vec(g, x, qn__ll_gep(g, to, qn__ll_mul(g, f.i, qn__ll_i64(g, d->width))), 1);
  qn__ll_for_end(g, &f, NULL);
}

/* Where the window that begins at line `top` and column `left` of the image is read, with that of the next pixel. */
static void find_window(depthwise *d, LLVMValueRef at, LLVMValueRef top, LLVMValueRef left) {
  qn_ll *g = d->g;
  const qn_window *w = &d->plan->shape;
  LLVMValueRef inside = LLVMBuildAnd(g->b, LLVMBuildICmp(g->b, LLVMIntULT, top, d->inside[0], ""),
                                     LLVMBuildICmp(g->b, LLVMIntULT, left, d->inside[1], ""), "");
  qn_ll_if border;
  qn_ll_for f;
  qn__ll_if_begin(g, &border, LLVMBuildNot(g->b, inside, ""));
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, w->size[0]), 1, 0, NULL);
  copy_line(d, at, f.i, qn__ll_add(g, top, qn__ll_mul(g, f.i, qn__ll_i64(g, w->dilation[0]))), left);
  qn__ll_for_end(g, &f, NULL);
  qn__ll_if_end(g, &border);
  for (int64_t i = 0; i < w->size[0]; i++)
    d->lines[i] = LLVMBuildSelect(g->b, inside, qn__ll_gep(g, at, d->down[i]),
                                  qn__ll_gep_const(g, d->copy, i * copied_columns(w) * d->width), "");
  for (int64_t j = 0; j < copied_columns(w); j++)
    d->columns[j] = LLVMBuildSelect(g->b, inside, d->across[j], qn__ll_i64(g, j * d->width), "");
}

static void prepare_borders(depthwise *d) {
  qn_ll *g = d->g;
  const qn_window *w = &d->plan->shape;
  for (uint32_t i = 12; i < 15; i++) d->size[i] = qn__ll_arg_size(g, i);
  d->copy = qn__ll_slot(g, g->i8, (uint32_t)(w->size[0] * copied_columns(w)) * d->width + CHANNELS);
  d->origin = qn__ll_window_origin(g, d->plan);
  const int64_t reach[2] = {(w->size[0] - 1) * w->dilation[0], (copied_columns(w) - 1) * w->dilation[1]};
  for (uint32_t a = 0; a < 2; a++) {
    LLVMValueRef over = qn__ll_sub(g, d->size[12 + a], qn__ll_i64(g, reach[a])), zero = qn__ll_i64(g, 0);
    d->inside[a] = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGT, over, zero, ""), over, zero, "");
  }
}

/* Pixels row .. row + count - 1 through the sums' buffer and the epilogue. */
static void some_pixels(depthwise *d, LLVMValueRef row, LLVMValueRef count) {
  qn_ll *g = d->g;
  LLVMValueRef columns = d->size[4], lines = d->size[3];
  LLVMValueRef line = LLVMBuildUDiv(g->b, row, columns, ""), n = LLVMBuildUDiv(g->b, line, lines, "");
  LLVMValueRef carried[3] = {qn__ll_sub(g, row, qn__ll_mul(g, line, columns)),
                             qn__ll_sub(g, line, qn__ll_mul(g, n, lines)), n};
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), count, 1, 3, carried);
  LLVMValueRef at = qn__ll_mul(g, carried[2], d->size[7]);
  LLVMValueRef oh = d->copy ? qn__ll_add(g, carried[1], d->size[14]) : carried[1];
  at = qn__ll_add(g, at, qn__ll_mul(g, oh, d->size[8]));
  at = qn__ll_add(g, at, qn__ll_mul(g, carried[0], d->size[9]));
  if (d->copy) at = qn__ll_sub(g, at, d->origin);
  at = qn__ll_gep(g, d->image, qn__ll_add(g, at, d->panel));
  if (d->copy) {
    const qn_window *w = &d->plan->shape;
    LLVMValueRef top = qn__ll_sub(g, qn__ll_mul(g, oh, qn__ll_i64(g, w->stride[0])), qn__ll_i64(g, w->pads[0]));
    find_window(d, at, top,
                qn__ll_sub(g, qn__ll_mul(g, carried[0], qn__ll_i64(g, w->stride[1])), qn__ll_i64(g, w->pads[1])));
  }
  LLVMValueRef to = qn__ll_gep(g, d->sums, qn__ll_mul(g, f.i, qn__ll_i64(g, d->width * 4)));
  LLVMValueRef left = qn__ll_min(g, qn__ll_sub(g, count, f.i), qn__ll_sub(g, columns, carried[0]));
  f.step = next_pixels(d, at, to, left);
  LLVMValueRef next = qn__ll_add(g, carried[0], f.step), ends = LLVMBuildICmp(g->b, LLVMIntEQ, next, columns, "");
  carried[0] = LLVMBuildSelect(g->b, ends, qn__ll_i64(g, 0), next, "");
  next = qn__ll_add(g, carried[1], LLVMBuildZExt(g->b, ends, g->i64, ""));
  ends = LLVMBuildICmp(g->b, LLVMIntEQ, next, lines, "");
  carried[1] = LLVMBuildSelect(g->b, ends, qn__ll_i64(g, 0), next, "");
  carried[2] = qn__ll_add(g, carried[2], LLVMBuildZExt(g->b, ends, g->i64, ""));
  qn__ll_for_end(g, &f, carried);
  if (d->pairs_apart) {
    LLVMValueRef one = qn__ll_i64(g, 1), pair = LLVMBuildLShr(g->b, row, one, "");
    qn__ll_epilogue_rows(g, d->doubled, d->sums, pair, LLVMBuildLShr(g->b, count, one, ""), d->panel, CHANNELS);
  } else {
    qn__ll_epilogue_rows(g, d->epilogue, d->sums, row, count, d->panel, d->width);
  }
}

static void blocks_of_pixels(depthwise *d) {
  qn_ll *g = d->g;
  LLVMValueRef end = qn__ll_arg_end(g, 0);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_arg_begin(g, 0), end, PIXELS, 0, NULL);
  some_pixels(d, f.i, qn__ll_min(g, qn__ll_i64(g, PIXELS), qn__ll_sub(g, end, f.i)));
  qn__ll_for_end(g, &f, NULL);
}

static void all_pixels(depthwise *d) {
  qn_ll *g = d->g;
  if (!d->doubled) {
    blocks_of_pixels(d);
    return;
  }
  qn_ll_if pairs, others;
  qn__ll_if_begin(g, &pairs, d->even);
  d->pairs_apart = true;
  blocks_of_pixels(d);
  d->pairs_apart = false;
  qn__ll_if_end(g, &pairs);
  qn__ll_if_begin(g, &others, LLVMBuildNot(g->b, d->even, ""));
  blocks_of_pixels(d);
  qn__ll_if_end(g, &others);
}

qn_status qn__ll_depthwise(qn_ll *g, const qn_body *body) {
  const qn_gemm_plan *plan = &body->plan->u.gemm;
  depthwise d = {.g = g,
                 .plan = plan,
                 .image = qn__ll_arg_ptr(g, 0),
                 .weights = qn__ll_arg_ptr(g, 1),
                 .channels = qn__ll_arg_size(g, 1),
                 .width = plan->layout.panel_width,
                 .bytes = LLVMVectorType(g->i8, CHANNELS),
                 .words = LLVMVectorType(g->i16, CHANNELS / 2),
                 .dwords = LLVMVectorType(g->i32, CHANNELS / 4)};
  for (uint32_t i = 3; i < 12; i++) d.size[i] = qn__ll_arg_size(g, i);
  for (int64_t i = 0; i < plan->shape.size[0]; i++) d.down[i] = qn__ll_mul(g, qn__ll_i64(g, i), d.size[10]);
  for (int64_t i = 0; i <= plan->shape.size[1]; i++) d.across[i] = qn__ll_mul(g, qn__ll_i64(g, i), d.size[11]);
  if (qn__window_pads(plan)) prepare_borders(&d);
  d.ordered = qn__ll_slot(g, g->i8, MAX_QUADS * VECTORS * 64);
  d.sums = qn__ll_slot(g, g->i8, PIXELS * CHANNELS * 4);
  find_pairs(&d);
  bool shares = d.paired && d.width == CHANNELS;
  if (shares) d.shifted = qn__ll_slot(g, g->i8, (uint32_t)(plan->shape.size[0] * line_quads(plan)) * 2 * VECTORS * 64);
  d.epilogue = qn__ll_epilogue_apart(g, body, &d.apart);
  if (d.width < CHANNELS && d.paired) d.doubled = qn__ll_epilogue_doubled(g, body);
  if (d.doubled) find_even(&d);
  qn_ll_for panels;
  qn__ll_for_begin(g, &panels, qn__ll_i64(g, 0), d.channels, d.width, 0, NULL);
  d.panel = panels.i;
  order_weights(&d);
  if (shares) shift_weights(&d);
  find_mask(&d);
  all_pixels(&d);
  qn__ll_for_end(g, &panels, NULL);
  return QN_OK;
}
