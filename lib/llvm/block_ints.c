/* BLOCK_GEMM of quantized rows: sums of integers over a block, then one fma per block and element.
 *
 * A processor looks ahead a few hundred instructions, and a block's sums wait for each other: so a tile of few rows
 * takes several blocks at a time, or, of a long one, keeps several sums of each element. */
#include "block.h"

/* Bits of 1.5 * 2^19: an integer added to them adds a 16th of it to the number, up to 2^22 either way. */
enum { SIXTEENTHS = 0x49400000, MOST_IN_SIXTEENTHS = 64 };

enum {
  V = QN_LL_BLOCK_VECTORS,
  MOST = QN_LL_BLOCK_ROWS * V,
  MOST_PARTS = 4,
  UNROLLED = 256 /* bits of a column's codes */
};

typedef struct part {
  LLVMValueRef acc[MOST];
} part;

typedef struct ints {
  qn_ll_block *s;
  qn_ll_block_tile *t;
  const qn_bpack_layout *l;
  bool whole;      /* qn__ll_block_whole_bytes */
  bool sixteenths; /* and sums start at SIXTEENTHS: the upper columns' are floats that want no shift */
  bool text;       /* qn__ll_block_text_serves */
} ints;

static ints ints_of(qn_ll_block *s, qn_ll_block_tile *t) {
  const qn_bpack_layout *l = &s->plan->weights;
  bool whole = qn__ll_block_whole_bytes(s, t->rows);
  return (ints){
      s, t, l, whole, whole && qn_bpack_has_zeros(l) && l->block <= MOST_IN_SIXTEENTHS, qn__ll_block_text_serves(s)};
}

static int64_t row_bytes(const ints *i) {
  return (int64_t)i->l->block + 8;
}

/* Row `j` of codes, which lies at `b`: four k, with the rows' codes at `a_at` from the present block. */
static void codes_row(const ints *i, part *p, LLVMValueRef b, LLVMValueRef a_step, int64_t a_at) {
  qn_ll_block *s = i->s;
  LLVMValueRef codes[V], raw = NULL;
  for (uint32_t v = 0; v < V; v++) {
    if (v == 0 || qn_bpack_bits(i->l) == 8) raw = qn__ll_block_raw(s, b, v);
    codes[v] = !i->whole ? qn__ll_block_codes(s, raw, v != 0) : v ? qn__ll_block_high(s, raw) : raw;
  }
  for (uint32_t r = 0; r < i->t->rows; r++) {
    LLVMValueRef a = i->t->a[r];
    if (a_step) a = qn__ll_gep(s->g, a, a_step);
    a = qn__ll_gep_const(s->g, a, a_at);
    for (uint32_t v = 0; v < V; v++) p->acc[r * V + v] = qn__ll_block_dot(s, p->acc[r * V + v], codes[v], a);
  }
}

/* Of `block`, as rows have it behind their codes: what the form adds to all codes, times minus the sum of the row's. */
static LLVMValueRef start_of(const ints *i, uint32_t block, uint32_t r) {
  qn_ll *g = i->s->g;
  if (qn_bpack_has_zeros(i->l)) return qn__ll_bits(g, i->s->ints, i->sixteenths ? SIXTEENTHS : 0);
  LLVMValueRef at = qn__ll_gep_const(g, i->t->a[r], (block + 1) * row_bytes(i) - 4);
  return qn__ll_splat(g, qn__ll_load_vec(g, g->i32, at, 4), i->s->lanes);
}

static void begin(const ints *i, uint32_t block, part *p) {
  for (uint32_t r = 0; r < i->t->rows; r++) {
    p->acc[r * V] = start_of(i, block, r);
    for (uint32_t v = 1; v < V; v++)
      p->acc[r * V + v] = i->whole && !i->sixteenths ? qn__ll_bits(i->s->g, i->s->ints, 0) : p->acc[r * V];
  }
}

static void subtract_zeros(const ints *i, uint32_t block, part *p) {
  qn_ll *g = i->s->g;
  LLVMValueRef zeros[V];
  const qn_ll_block_place at = qn__ll_block_later(i->s, &i->t->at, block);
  qn__ll_block_zero_points(i->s, &at, i->whole, zeros);
  for (uint32_t r = 0; r < i->t->rows; r++) {
    LLVMValueRef sum = qn__ll_gep_const(g, i->t->a[r], (block + 1) * row_bytes(i) - 4);
    for (uint32_t v = 0; v < V; v++) {
      LLVMValueRef *acc = &p->acc[r * V + v];
      *acc = qn__ll_block_zeros(i->s, *acc, zeros[v], sum);
    }
  }
}

/* Whole bytes' sums are the lower columns' and 16 times the upper ones'. */
static void take_apart(const ints *i, uint32_t block, part *p) {
  qn_ll *g = i->s->g;
  for (uint32_t r = 0; r < i->t->rows; r++) {
    LLVMValueRef *low = &p->acc[r * V], *high = low + 1;
    *low = LLVMBuildSub(g->b, *low, *high, "");
    if (i->sixteenths) continue;
    *high = LLVMBuildAShr(g->b, *high, qn__ll_bits(g, i->s->ints, 4), "");
    if (!qn_bpack_has_zeros(i->l)) *high = LLVMBuildAdd(g->b, *high, start_of(i, block, r), "");
  }
}

static LLVMValueRef as_float(const ints *i, LLVMValueRef acc, uint32_t v) {
  qn_ll *g = i->s->g;
  if (!i->sixteenths || v == 0) return LLVMBuildSIToFP(g->b, acc, i->s->floats, "");
  LLVMValueRef x = LLVMBuildBitCast(g->b, acc, i->s->floats, "");
  return LLVMBuildFSub(g->b, x, qn__ll_bits(g, i->s->floats, SIXTEENTHS), "");
}

/* sum = fma(f32(acc), a's scale * b's, sum) */
static void scale_block(const ints *i, uint32_t block, part *p) {
  qn_ll_block *s = i->s;
  qn_ll *g = s->g;
  LLVMValueRef scales[V];
  if (qn_bpack_has_zeros(i->l)) subtract_zeros(i, block, p);
  if (i->whole) take_apart(i, block, p);
  const qn_ll_block_place place = qn__ll_block_later(s, &i->t->at, block);
  qn__ll_block_scales(s, &place, scales);
  for (uint32_t r = 0; r < i->t->rows; r++) {
    LLVMValueRef at = qn__ll_gep_const(g, i->t->a[r], (block + 1) * row_bytes(i) - 8);
    LLVMValueRef own = qn__ll_splat(g, qn__ll_load_vec(g, g->f32, at, 4), s->lanes);
    for (uint32_t v = 0; v < V; v++) {
      LLVMValueRef x = as_float(i, p->acc[r * V + v], v), *sum = &i->t->sum[r * V + v];
      *sum = qn__ll_fma(g, x, LLVMBuildFMul(g->b, own, scales[v], ""), *sum, false, s->lanes);
    }
  }
}

/* How many sums of an element are under way. */
static uint32_t parts_of(const qn_ll_block_tile *t) {
  return t->rows == 1 ? 4 : t->rows == 2 ? 2 : 1;
}

static int64_t pitch_of(const qn_bpack_layout *l, size_t bytes) {
  return (int64_t)(qn_bpack_group(l) > 1 ? bytes : qn_bpack_bytes(l));
}

static void codes_text(const ints *i, part *parts, uint32_t n, uint32_t blocks, uint32_t step, LLVMValueRef j) {
  qn_ll *g = i->s->g;
  const qn_bpack_layout *l = i->l;
  LLVMValueRef a[QN_LL_BLOCK_ROWS], *sums[MOST];
  uint32_t count = qn__ll_block_count(i->t);
  qn_ll_block_codes c = {i->t->rows, blocks, step, n, i->whole, .a_pitch = row_bytes(i), .a = a, .sums = sums};
  c.b_pitch = pitch_of(l, qn_bpack_codes_bytes(l));
  c.b = j ? qn__ll_gep(g, i->t->at.codes, qn__ll_mul_const(g, j, qn_bpack_code_row(l))) : i->t->at.codes;
  for (uint32_t r = 0; r < c.rows; r++) a[r] = j ? qn__ll_gep(g, i->t->a[r], qn__ll_mul_const(g, j, 4)) : i->t->a[r];
  for (uint32_t k = 0; k < n * count; k++) sums[k] = &parts[k / count].acc[k % count];
  qn__ll_block_text(i->s, &c);
}

static void blocks_text(const ints *i, uint32_t blocks) {
  const qn_bpack_layout *l = i->l;
  qn_ll_block_tile *t = i->t;
  LLVMValueRef *sums[MOST];
  qn_ll_block_codes c = {t->rows,  blocks,        l->block / 4, blocks,
                         i->whole, i->sixteenths, SIXTEENTHS,   .a_pitch = row_bytes(i)};
  c.b_pitch = pitch_of(l, qn_bpack_codes_bytes(l));
  c.scales_pitch = pitch_of(l, qn_bpack_scales_bytes(l));
  c.zeros_pitch = pitch_of(l, qn_bpack_zeros_bytes(l));
  c.b = t->at.codes, c.a = t->a, c.scales = t->at.scales, c.zeros = t->at.zeros, c.sums = sums;
  for (uint32_t k = 0; k < qn__ll_block_count(t); k++) sums[k] = &t->sum[k];
  qn__ll_block_text(i->s, &c);
}

/* `step` rows of codes from row `j` on, of `blocks` blocks; of one block, by turns into `n` parts. */
static void codes_rows(const ints *i, part *parts, uint32_t n, uint32_t blocks, uint32_t step, LLVMValueRef j) {
  qn_ll *g = i->s->g;
  const int64_t bytes = qn_bpack_code_row(i->l);
  if (i->text) {
    codes_text(i, parts, n, blocks, step, j);
    return;
  }
  LLVMValueRef a_step = j ? qn__ll_mul_const(g, j, 4) : NULL;
  for (uint32_t r = 0; r < step; r++)
    for (uint32_t p = 0; p < blocks; p++) {
      LLVMValueRef b = qn__ll_gep_const(g, qn__ll_block_later(i->s, &i->t->at, p).codes, r * bytes);
      if (j) b = qn__ll_gep(g, b, qn__ll_mul_const(g, j, bytes));
      codes_row(i, &parts[blocks > 1 ? p : r % n], b, a_step, p * row_bytes(i) + (int64_t)r * 4);
    }
}

static void several_blocks(qn_ll_block *s, qn_ll_block_tile *t, uint32_t blocks) {
  const ints i = ints_of(s, t);
  part parts[MOST_PARTS];
  if (qn__ll_block_text_scales(s, t->rows, blocks)) {
    blocks_text(&i, blocks);
    return;
  }
  s->in_order = blocks > 1 && !i.text;
  for (uint32_t p = 0; p < blocks; p++) begin(&i, p, &parts[p]);
  codes_rows(&i, parts, blocks, blocks, i.l->block / 4, NULL);
  for (uint32_t p = 0; p < blocks; p++) scale_block(&i, p, &parts[p]);
  s->in_order = false;
}

/* One block that is too long to be unrolled, or not worth it. */
static void long_block(qn_ll_block *s, qn_ll_block_tile *t, uint32_t blocks) {
  (void)blocks;
  qn_ll *g = s->g;
  const ints i = ints_of(s, t);
  uint32_t step = s->rest || i.l->block / 4 % 8 ? 2 : 8, n = s->rest ? 1 : parts_of(t), count = qn__ll_block_count(t);
  if (n > step) n = step;
  part parts[MOST_PARTS];
  LLVMValueRef acc[QN_LL_MAX_CARRIED];
  begin(&i, 0, &parts[0]);
  for (uint32_t c = 0; c < n * count; c++) acc[c] = c < count ? parts[0].acc[c] : qn__ll_bits(g, s->ints, 0);
  qn_ll_for f;
  qn__ll_do_begin(g, &f, qn__ll_i64(g, 0), qn__ll_i64(g, i.l->block / 4), step, n * count, acc);
  for (uint32_t c = 0; c < n * count; c++) parts[c / count].acc[c % count] = acc[c];
  LLVMValueRef here = qn__ll_gep(g, t->at.codes, qn__ll_mul_const(g, f.i, qn_bpack_code_row(i.l)));
  qn__ll_block_fetch(s, here, NULL, step * qn_bpack_code_row(i.l), t->rows);
  codes_rows(&i, parts, n, 1, step, f.i);
  for (uint32_t c = 0; c < n * count; c++) acc[c] = parts[c / count].acc[c % count];
  qn__ll_for_end(g, &f, acc);
  for (uint32_t c = 0; c < count; c++) {
    parts[0].acc[c] = acc[c];
    for (uint32_t p = 1; p < n; p++) parts[0].acc[c] = LLVMBuildAdd(g->b, parts[0].acc[c], acc[p * count + c], "");
  }
  scale_block(&i, 0, &parts[0]);
}

void qn__ll_block_ints(qn_ll_block *s, qn_ll_block_tile *t) {
  qn_ll *g = s->g;
  const qn_bpack_layout *l = &s->plan->weights;
  int64_t a_bytes = (int64_t)l->block + 8;
  LLVMValueRef zero = qn__ll_i64(g, 0);
  uint32_t step = parts_of(t), bits = l->block * qn_bpack_bits(l);
  if (bits > UNROLLED) {
    qn__ll_block_loop(s, t, zero, s->blocks, 1, a_bytes, long_block);
    return;
  }
  if (qn_bpack_bits(l) == 8) step = 1; /* two rows of codes to a line of time: nothing waits */
  while (step > 1 && step * bits > 2 * UNROLLED) step /= 2;
  LLVMValueRef even = LLVMBuildAnd(g->b, s->blocks, qn__ll_i64(g, -(int64_t)step), "");
  qn__ll_block_loop(s, t, zero, even, step, a_bytes, several_blocks);
  s->rest = true;
  if (step > 1) qn__ll_block_loop(s, t, even, s->blocks, 1, a_bytes, long_block);
  s->rest = false;
}
