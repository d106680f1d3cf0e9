/* Squares of 16 by 16 words turned around by AVX-512, as assembly. A register is put together of four rows' quarters as
 * they are loaded, so that exchanges within quarters are all that is left to do. */
#include "assembly.h"

enum { SIDE = 16, QUARTER = 4, WORD = 4 };

bool qn__ll_squares_text_serves(const qn_ll *g) {
  return g->x86 && g->masked && g->lanes == SIDE;
}

typedef struct writer {
  uint32_t from[QUARTER], stride, stride3, to; /* operands: rows 0, 4, 8 and 12 */
  int64_t to_stride;
  qn_ll_assembly code;
} writer;

/* Registers: quarters as loaded, half and wholly turned around. */
enum { LOADED, HALF = LOADED + QUARTER, TURNED = HALF + QUARTER, ALL = TURNED + QUARTER };

/* Words 4q .. 4q+3 of rows j, j+4, j+8 and j+12. */
static void load(writer *w, uint32_t q, uint32_t j) {
  qn_buf *t = &w->code.text;
  uint32_t to = LOADED + j;
  for (uint32_t l = 0; l < QUARTER; l++) {
    qn__buf_fmt(t, l ? "vinserti32x4 $$%u, " : "vmovdqu32 ", l);
    qn__buf_fmt(t, "%u($%u", q * QUARTER * WORD, w->from[l]);
    if (j) qn__buf_fmt(t, ",$%u,%u", j == 3 ? w->stride3 : w->stride, j == 2 ? 2 : 1);
    if (l)
      qn__buf_fmt(t, "), %%zmm%u, %%zmm%u\n", to, to);
    else
      qn__buf_fmt(t, "), %%xmm%u\n", to);
  }
}

static void exchange(writer *w, const char *how, uint32_t a, uint32_t b, uint32_t to) {
  qn__buf_fmt(&w->code.text, "%s %%zmm%u, %%zmm%u, %%zmm%u\n", how, b, a, to);
}

static void quarter(writer *w, uint32_t q) {
  for (uint32_t j = 0; j < QUARTER; j++) load(w, q, j);
  for (uint32_t j = 0; j < QUARTER; j += 2) {
    exchange(w, "vpunpckldq", LOADED + j, LOADED + j + 1, HALF + j);
    exchange(w, "vpunpckhdq", LOADED + j, LOADED + j + 1, HALF + j + 1);
  }
  for (uint32_t j = 0; j < 2; j++) {
    exchange(w, "vpunpcklqdq", HALF + j, HALF + 2 + j, TURNED + 2 * j);
    exchange(w, "vpunpckhqdq", HALF + j, HALF + 2 + j, TURNED + 2 * j + 1);
  }
  for (uint32_t j = 0; j < QUARTER; j++)
    qn__buf_fmt(&w->code.text, "vmovdqu32 %%zmm%u, %lld($%u)\n", TURNED + j,
                (long long)(q * QUARTER + j) * (long long)w->to_stride, w->to);
}

void qn__ll_squares_text(qn_ll *g, LLVMValueRef from, LLVMValueRef from_stride, LLVMValueRef to, int64_t to_stride,
                         LLVMValueRef count) {
  writer w = {.to_stride = to_stride};
  qn_buf *t = &w.code.text;
  qn__ll_assembly_begin(g, &w.code);
  for (uint32_t l = 0; l < QUARTER; l++) w.from[l] = qn__ll_assembly_changed(&w.code, g->ptr);
  w.to = qn__ll_assembly_changed(&w.code, g->ptr);
  uint32_t left = qn__ll_assembly_changed(&w.code, g->i64);
  for (uint32_t l = 0; l < QUARTER; l++) {
    LLVMValueRef rows = qn__ll_mul(g, from_stride, qn__ll_i64(g, (int64_t)l * QUARTER));
    qn__ll_assembly_start(&w.code, w.from[l], l ? qn__ll_gep(g, from, rows) : from);
  }
  qn__ll_assembly_start(&w.code, w.to, to);
  qn__ll_assembly_start(&w.code, left, count);
  w.stride = qn__ll_assembly_in(&w.code, from_stride);
  w.stride3 = qn__ll_assembly_in(&w.code, qn__ll_mul(g, from_stride, qn__ll_i64(g, 3)));
  qn__buf_fmt(t, "testq $%u, $%u\njle 2f\n.p2align 4\n1:\n", left, left);
  for (uint32_t q = 0; q < QUARTER; q++) quarter(&w, q);
  for (uint32_t l = 0; l < QUARTER; l++) qn__buf_fmt(t, "addq $$%u, $%u\n", SIDE * WORD, w.from[l]);
  qn__buf_fmt(t, "addq $$%lld, $%u\ndecq $%u\njg 1b\n2:\n", (long long)to_stride * SIDE, w.to, left);
  qn__ll_assembly_end(g, &w.code);
}
