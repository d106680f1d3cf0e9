/* The last columns of a product (gemm_side.c) as assembly, for AVX-512: a piece of K of them gathered, and all rows
 * multiplied by it. */
#include "assembly.h"
#include "gemm_impl.h"

enum { LINE = 64, WORD = 4, GROUP = QN_LL_SIDE_GROUP };

typedef struct writer {
  const qn_ll_side_piece *p;
  const qn_ll_wording *words;
  /* Numbers of operands. */
  uint32_t rows[GROUP], index, left, sums, start, stride, whole, last, gathered, start_step;
  qn_ll_assembly code;
} writer;

bool qn__ll_side_text_serves(const qn_ll_tile *tile) {
  return tile->g->masked && qn__ll_wording_of(tile->g, tile->plan, tile->dot);
}

/* ---- columns ---- */

/* In place of a column's last vector, of which `rest` bytes are left, those at its end and zeros before. */
static void make_tails(writer *w, uint32_t shift) {
  qn_buf *t = &w->code.text;
  const qn_ll_side_piece *p = w->p;
  qn__buf_fmt(t, "movq $$-1, $%u\nshlxq $%u, $%u, $%u\nkmovq $%u, %%k1\n", w->index, shift, w->index, w->index,
              w->index);
  for (uint32_t c = 0; c < p->columns; c++) {
    long long at = (long long)(p->room * c);
    qn__buf_fmt(t, "vmovdqu8 %lld($%u,$%u), %%zmm0{%%k1}{z}\n", at, w->gathered, w->last);
    qn__buf_fmt(t, "vmovdqu64 %%zmm0, %lld($%u,$%u)\n", at, w->gathered, w->whole);
  }
}

/* A vector of each column at a time; of the last one what there is. */
static void gather(writer *w, uint32_t from, uint32_t to) {
  const qn_ll_side_piece *p = w->p;
  qn_buf *t = &w->code.text;
  qn__buf_fmt(t, "movabsq $$0x0706050403020100, $%u\nvmovq $%u, %%xmm0\n", w->index, w->index);
  qn__buf_fmt(t, "movabsq $$0x0f0e0d0c0b0a0908, $%u\nvpinsrq $$1, $%u, %%xmm0, %%xmm0\n", w->index, w->index);
  qn__buf_fmt(t, "vpmovzxbd %%xmm0, %%zmm0\nmovl $$%u, ${%u:k}\nvpbroadcastd ${%u:k}, %%zmm1\n", p->words_apart * WORD,
              w->index, w->index);
  qn__buf_fmt(t, "vpmulld %%zmm1, %%zmm0, %%zmm0\n1:\nmovl $$0xffff, ${%u:k}\n", w->index);
  qn__buf_fmt(t, "cmpq $$%d, $%u\njge 4f\nbzhil ${%u:k}, ${%u:k}, ${%u:k}\n4:\n", LINE / WORD, w->left, w->left,
              w->index, w->index);
  for (uint32_t c = 0; c < p->columns; c++) {
    uint32_t k = 1 + c % 4;
    qn__buf_fmt(t, "kmovw ${%u:k}, %%k%u\nvpxor %%xmm%u, %%xmm%u, %%xmm%u\n", w->index, k, k, k, k);
    qn__buf_fmt(t, "vpgatherdd %u($%u,%%zmm0), %%zmm%u{%%k%u}\n", c * WORD, from, k, k);
    qn__buf_fmt(t, "vmovdqu64 %%zmm%u, %lld($%u)\n", k, (long long)(p->room * c), to);
  }
  qn__buf_fmt(t, "addq $$%u, $%u\naddq $$%d, $%u\nsubq $$%d, $%u\njg 1b\n", p->words_apart * LINE, from, LINE, to,
              LINE / WORD, w->left);
}

void qn__ll_side_columns_text(qn_ll *g, const qn_ll_side_piece *p) {
  writer w = {.p = p};
  qn__ll_assembly_begin(g, &w.code);
  w.index = qn__ll_assembly_changed(&w.code, g->i64), w.left = qn__ll_assembly_changed(&w.code, g->i64);
  uint32_t from = qn__ll_assembly_changed(&w.code, g->ptr), to = qn__ll_assembly_changed(&w.code, g->ptr);
  LLVMValueRef words = LLVMBuildLShr(g->b, qn__ll_add(g, p->length, qn__ll_i64(g, WORD - 1)), qn__ll_i64(g, 2), "");
  qn__ll_assembly_start(&w.code, w.left, words);
  qn__ll_assembly_start(&w.code, from, p->columns_at);
  qn__ll_assembly_start(&w.code, to, p->gathered);
  LLVMValueRef rest = qn__ll_sub(g, p->length, p->whole);
  uint32_t shift = qn__ll_assembly_in(&w.code, qn__ll_sub(g, qn__ll_i64(g, LINE), rest));
  w.gathered = qn__ll_assembly_in(&w.code, p->gathered);
  w.whole = qn__ll_assembly_in(&w.code, p->whole);
  w.last = qn__ll_assembly_in(&w.code, qn__ll_sub(g, p->length, qn__ll_i64(g, LINE)));
  gather(&w, from, to);
  make_tails(&w, shift);
  qn__ll_assembly_end(g, &w.code);
}

/* ---- rows ---- */

static uint32_t sum_at(const writer *w, uint32_t r, uint32_t c) {
  return r * w->p->columns + c;
}

/* All rows by all columns, `row_at` and `column_at` bytes on: rows stay in registers where there are some left. */
static void multiply(writer *w, uint32_t row_at, uint32_t column_at) {
  const qn_ll_side_piece *p = w->p;
  qn_buf *t = &w->code.text;
  uint32_t free = p->rows * p->columns;
  bool keep = free + p->rows + 1 <= QN_LL_ZMM;
  if (keep)
    for (uint32_t r = 0; r < p->rows; r++)
      qn__buf_fmt(t, "%s ($%u,$%u), %%zmm%u\n", w->words->load, w->rows[r], row_at, free + r);
  for (uint32_t c = 0; keep && c < p->columns; c++) {
    long long at = (long long)(p->room * c);
    qn__buf_fmt(t, "%s %lld($%u,$%u), %%zmm%u\n", w->words->load, at, w->gathered, column_at, free + p->rows);
    for (uint32_t r = 0; r < p->rows; r++)
      qn__buf_fmt(t, "%s %%zmm%u, %%zmm%u, %%zmm%u\n", w->words->multiply, free + p->rows, free + r, sum_at(w, r, c));
  }
  for (uint32_t r = 0; !keep && r < p->rows; r++) {
    qn__buf_fmt(t, "%s ($%u,$%u), %%zmm%u\n", w->words->load, w->rows[r], row_at, free + r % 2);
    for (uint32_t c = 0; c < p->columns; c++)
      qn__buf_fmt(t, "%s %lld($%u,$%u), %%zmm%u, %%zmm%u\n", w->words->multiply, (long long)(p->room * c), w->gathered,
                  column_at, free + r % 2, sum_at(w, r, c));
  }
}

static void three(writer *w, const char *how, uint32_t a, uint32_t b, uint32_t to) {
  qn__buf_fmt(&w->code.text, "%s %%zmm%u, %%zmm%u, %%zmm%u\n", how, b, a, to);
}

/* In each four lanes half the sums of both, in turns; into a, with b and one more register. */
static void fold(writer *w, uint32_t a, uint32_t b, uint32_t free) {
  three(w, "vpunpckhdq", a, b, free);
  three(w, "vpunpckldq", a, b, a);
  three(w, "vpaddd", a, free, a);
}

/* The lanes of four sums added up, and what they start from. */
static void add_lanes(writer *w, uint32_t first) {
  qn_buf *t = &w->code.text;
  uint32_t free = w->p->rows * w->p->columns, at = first * WORD;
  fold(w, first, first + 1, free);
  fold(w, first + 2, first + 3, free);
  three(w, "vpunpckhqdq", first, first + 2, free);
  three(w, "vpunpcklqdq", first, first + 2, first);
  three(w, "vpaddd", first, free, first);
  qn__buf_fmt(t, "vextracti64x4 $$1, %%zmm%u, %%ymm%u\n", first, free);
  qn__buf_fmt(t, "vpaddd %%ymm%u, %%ymm%u, %%ymm%u\n", free, first, first);
  qn__buf_fmt(t, "vextracti32x4 $$1, %%ymm%u, %%xmm%u\n", first, free);
  qn__buf_fmt(t, "vpaddd %%xmm%u, %%xmm%u, %%xmm%u\n", free, first, first);
  qn__buf_fmt(t, "vpaddd %u($%u), %%xmm%u, %%xmm%u\nvmovdqu32 %%xmm%u, %u($%u)\n", at, w->start, first, first, first,
              at, w->sums);
}

/* Rows of a tile: those after the last one are the last one again. */
static void aim(writer *w) {
  for (uint32_t r = 1; r < w->p->rows; r++)
    qn__buf_fmt(&w->code.text, "leaq ($%u,$%u), $%u\ncmpq $$%u, $%u\ncmovleq $%u, $%u\n", w->rows[r - 1], w->stride,
                w->rows[r], r, w->left, w->rows[r - 1], w->rows[r]);
}

static void one_tile(writer *w) {
  const qn_ll_side_piece *p = w->p;
  qn_buf *t = &w->code.text;
  uint32_t count = p->rows * p->columns;
  aim(w);
  for (uint32_t i = 0; i < count; i++) qn__buf_fmt(t, "vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", i, i, i);
  qn__buf_fmt(t, "xorl ${%u:k}, ${%u:k}\ntestq $%u, $%u\nje 3f\n.p2align 4\n2:\n", w->index, w->index, w->whole,
              w->whole);
  multiply(w, w->index, w->index);
  qn__buf_fmt(t, "addq $$%u, $%u\ncmpq $%u, $%u\njl 2b\n3:\n", LINE, w->index, w->whole, w->index);
  multiply(w, w->last, w->whole);
  for (uint32_t i = 0; i < count; i += GROUP) add_lanes(w, i);
}

void qn__ll_side_rows_text(const qn_ll_tile *tile, const qn_ll_side_piece *p) {
  qn_ll *g = tile->g;
  writer w = {.p = p, .words = qn__ll_wording_of(g, tile->plan, tile->dot)};
  qn_buf *t = &w.code.text;
  const int64_t tile_bytes = (int64_t)p->rows * p->columns * WORD;
  qn__ll_assembly_begin(g, &w.code);
  for (uint32_t r = 0; r < p->rows; r++) w.rows[r] = qn__ll_assembly_changed(&w.code, g->ptr);
  w.index = qn__ll_assembly_changed(&w.code, g->i64), w.left = qn__ll_assembly_changed(&w.code, g->i64);
  w.sums = qn__ll_assembly_changed(&w.code, g->ptr), w.start = qn__ll_assembly_changed(&w.code, g->ptr);
  qn__ll_assembly_start(&w.code, w.rows[0], p->rows_at);
  qn__ll_assembly_start(&w.code, w.left, p->count);
  qn__ll_assembly_start(&w.code, w.sums, p->sums);
  qn__ll_assembly_start(&w.code, w.start, p->start);
  w.stride = qn__ll_assembly_in(&w.code, p->stride);
  w.whole = qn__ll_assembly_in(&w.code, p->whole);
  w.last = qn__ll_assembly_in(&w.code, qn__ll_sub(g, p->length, qn__ll_i64(g, LINE)));
  w.gathered = qn__ll_assembly_in(&w.code, p->gathered);
  w.start_step = qn__ll_assembly_in(&w.code, p->start_step);
  qn__buf_c(t, "1:\n");
  one_tile(&w);
  qn__buf_fmt(t, "addq $$%lld, $%u\naddq $%u, $%u\n", (long long)tile_bytes, w.sums, w.start_step, w.start);
  qn__buf_fmt(t, "leaq ($%u,$%u), $%u\n", w.rows[p->rows - 1], w.stride, w.rows[0]);
  qn__buf_fmt(t, "subq $$%u, $%u\njg 1b\n", p->rows, w.left);
  qn__ll_assembly_end(g, &w.code);
}
