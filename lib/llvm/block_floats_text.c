/* Products of floats by dequantized weights as assembly, for AVX-512: loops whose ends are found at run time, so that a
 * partial block is the same code, each all of what a function does with vectors. (LLVM takes 15 us for an instruction
 * to be selected and scheduled, one for it to be assembled.)
 *
 * A code of 4 bits is looked up, which takes no mask; one of 8 becomes the low bits of a number of 2^23 and more, from
 * which that and the zero point are subtracted: exact, like the conversion of the difference. */
#include "assembly.h"
#include "block.h"
#include <string.h>

enum { V = QN_LL_BLOCK_VECTORS, LINE = 64, FLOAT = 4, FOUR = 4 };
enum { GROUPS = QN_LL_BLOCK_ROWS / FOUR }; /* of rows, each with an address */
enum { AND_OR = 0xEA };                    /* of vpternlogd: (destination & second) | third */
static const float exponent = 0x1p23f;

/* Vector registers, behind those of sums. */
enum {
  RAW = QN_LL_BLOCK_ROWS * V,
  X = RAW + V,
  SPREAD = X + V,
  SPREADS = 4,
  SCALES = SPREAD + SPREADS,
  LESS = SCALES + V,
  TABLE = LESS + V, /* of codes of 4 bits */
  MASK = TABLE,     /* of those of 8 */
  MAGIC
};

typedef struct writer {
  qn_ll_block *s;
  const qn_bpack_layout *l;
  bool bytes;    /* codes of 8 bits */
  bool has_less; /* something is taken away from what codes stand for */
  uint32_t next; /* of SPREADS */
  /* Numbers of operands. */
  uint32_t a[GROUPS], stride, stride3, codes, scales, zeros, left;
  qn_ll_assembly code;
} writer;

bool qn__ll_block_floats_text_serves(const qn_ll_block *s) {
  const qn_isa *isa = s->g->isa;
  return s->g->x86 && isa->vector_bits == 512 && s->g->masked && s->plan->weights.codes != QN_BPACK_T4;
}

static void begin(writer *w, qn_ll_block *s) {
  *w = (writer){.s = s, .l = &s->plan->weights};
  w->bytes = qn_bpack_bits(w->l) == 8;
  w->has_less = w->bytes || qn_bpack_has_zeros(w->l);
  qn__ll_assembly_begin(s->g, &w->code);
}

/* ---- operands ---- */

/* Four rows to an address. */
static void list_rows(writer *w, uint32_t rows) {
  for (uint32_t r = 0; r < rows; r += FOUR) w->a[r / FOUR] = qn__ll_assembly_changed(&w->code, w->s->g->ptr);
}

static void start_rows(writer *w, uint32_t rows, LLVMValueRef a, LLVMValueRef a_stride) {
  qn_ll *g = w->s->g;
  for (uint32_t r = 0; r < rows; r += FOUR) {
    if (r) a = qn__ll_gep(g, a, qn__ll_mul_const(g, a_stride, FOUR));
    qn__ll_assembly_start(&w->code, w->a[r / FOUR], a);
  }
}

static void list_strides(writer *w, uint32_t rows, LLVMValueRef a_stride) {
  if (rows > 1) w->stride = qn__ll_assembly_in(&w->code, a_stride);
  if (rows > 3) w->stride3 = qn__ll_assembly_in(&w->code, qn__ll_mul_const(w->s->g, a_stride, 3));
}

/* ---- what is the same for all blocks ---- */

static void splat(writer *w, uint32_t to, uint32_t bits) {
  qn__buf_fmt(&w->code.text, "movl $$%u, ${%u:k}\nvpbroadcastd ${%u:k}, %%zmm%u\n", bits, w->left, w->left, to);
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* Eight bytes, the first of them `from`, each one more. */
static unsigned long long bytes_from(int32_t from) {
  unsigned long long all = 0;
  for (uint32_t i = 0; i < 8; i++) all |= (unsigned long long)(uint8_t)(from + (int32_t)i) << 8 * i;
  return all;
}

/* Values of codes; w->left is not in use yet. */
static void write_constants(writer *w, uint32_t table) {
  qn_buf *t = &w->code.text;
  int32_t least = qn_bpack_has_zeros(w->l) ? 0 : -(int32_t)qn_bpack_bias(w->l);
  if (w->bytes) {
    splat(w, MASK, 0xFF);
    splat(w, MAGIC, bits_of(exponent));
    for (uint32_t v = 0; v < V && !qn_bpack_has_zeros(w->l); v++)
      splat(w, LESS + v, bits_of(exponent + (float)qn_bpack_bias(w->l)));
  } else if (w->l->codes == QN_BPACK_V4) {
    qn__buf_fmt(t, "vmovups ($%u), %%zmm%u\n", table, TABLE);
  } else {
    qn__buf_fmt(t, "movabsq $$%lld, $%u\nvmovq $%u, %%xmm%u\n", (long long)bytes_from(least), w->left, w->left, TABLE);
    qn__buf_fmt(t, "movabsq $$%lld, $%u\nvpinsrq $$1, $%u, %%xmm%u, %%xmm%u\n", (long long)bytes_from(least + 8),
                w->left, w->left, TABLE, TABLE);
    qn__buf_fmt(t, "vpmovsxbd %%xmm%u, %%zmm%u\nvcvtdq2ps %%zmm%u, %%zmm%u\n", TABLE, TABLE, TABLE, TABLE);
  }
}

static LLVMValueRef table_of(qn_ll_block *s) {
  return qn__ll_gep_const(s->g, s->b, -(int64_t)qn_bpack_header(&s->plan->weights));
}

/* ---- blocks ---- */

static void load_scales(writer *w) {
  const qn_ll_block_scale *s = qn__ll_block_scale(w->l->scales);
  for (uint32_t v = 0; v < V; v++) {
    uint32_t to = SCALES + v;
    qn__buf_fmt(&w->code.text, "%s %u($%u), %%zmm%u\n", s->load, v * QN_BPACK_PAIRS * qn_bpack_scale_bytes(w->l),
                w->scales, to);
    if (s->shift) qn__buf_fmt(&w->code.text, "vpslld $$%u, %%zmm%u, %%zmm%u\n", s->shift, to, to);
  }
}

static void load_zeros(writer *w) {
  qn_buf *t = &w->code.text;
  qn__buf_fmt(t, "vpmovzxbd ($%u), %%zmm%u\n", w->zeros, LESS);
  if (w->bytes)
    qn__buf_fmt(t, "vpmovzxbd %u($%u), %%zmm%u\n", QN_BPACK_PAIRS, w->zeros, LESS + 1);
  else
    qn__buf_fmt(t, "vpsrld $$4, %%zmm%u, %%zmm%u\n", LESS, LESS + 1);
  for (uint32_t v = 0; v < V; v++) {
    if (w->bytes)
      qn__buf_fmt(t, "vpord %%zmm%u, %%zmm%u, %%zmm%u\n", MAGIC, LESS + v, LESS + v);
    else /* as codes */
      qn__buf_fmt(t, "vpermps %%zmm%u, %%zmm%u, %%zmm%u\n", TABLE, LESS + v, LESS + v);
  }
}

static void load_codes(writer *w) {
  for (uint32_t r = 0; r < (w->bytes ? 2 : 1); r++)
    qn__buf_fmt(&w->code.text, "vmovdqu64 %u($%u), %%zmm%u\n", r * LINE, w->codes, RAW + r);
}

static void each(writer *w, const char *how, uint32_t with) {
  for (uint32_t v = 0; v < V; v++)
    qn__buf_fmt(&w->code.text, "%s %%zmm%u, %%zmm%u, %%zmm%u\n", how, with + v, X + v, X + v);
}

/* The columns' k `i` of a four, both vectors side by side. */
static void dequantize(writer *w, uint32_t i) {
  qn_buf *t = &w->code.text;
  for (uint32_t v = 0; v < V; v++) {
    uint32_t shift = qn__ll_block_shift(w->s, i, v), raw = w->bytes ? RAW + v : RAW;
    if (shift)
      qn__buf_fmt(t, "vpsrld $$%u, %%zmm%u, %%zmm%u\n", shift, raw, X + v);
    else if (w->bytes)
      qn__buf_fmt(t, "vmovdqa64 %%zmm%u, %%zmm%u\n", raw, X + v);
  }
  for (uint32_t v = 0; v < V; v++) {
    if (w->bytes)
      qn__buf_fmt(t, "vpternlogd $$%u, %%zmm%u, %%zmm%u, %%zmm%u\n", AND_OR, MAGIC, MASK, X + v);
    else
      qn__buf_fmt(t, "vpermps %%zmm%u, %%zmm%u, %%zmm%u\n", TABLE, qn__ll_block_shift(w->s, i, v) ? X + v : RAW, X + v);
  }
  if (w->has_less) each(w, "vsubps", LESS);
  each(w, "vmulps", SCALES);
}

/* The rows' k, which is `k` behind their addresses, times the vectors in X. */
static void multiply(writer *w, uint32_t rows, uint32_t k) {
  qn_buf *t = &w->code.text;
  for (uint32_t r = 0; r < rows; r++) {
    uint32_t spread = SPREAD + w->next++ % SPREADS, within = r % FOUR;
    qn__buf_fmt(t, "vbroadcastss %u($%u", k * FLOAT, w->a[r / FOUR]);
    if (within) qn__buf_fmt(t, ",$%u,%u", within == 3 ? w->stride3 : w->stride, within == 2 ? 2 : 1);
    qn__buf_fmt(t, "), %%zmm%u\n", spread);
    for (uint32_t v = 0; v < V; v++)
      qn__buf_fmt(t, "vfmadd231ps %%zmm%u, %%zmm%u, %%zmm%u\n", spread, X + v, r * V + v);
  }
}

static void advance_rows(writer *w, uint32_t rows, uint32_t by) {
  for (uint32_t r = 0; r < rows; r += FOUR) qn__buf_fmt(&w->code.text, "addq $$%u, $%u\n", by * FLOAT, w->a[r / FOUR]);
}

/* ---- one tile ---- */

static void one_k(writer *w, uint32_t rows, uint32_t i) {
  dequantize(w, i);
  multiply(w, rows, i);
}

/* w->left values of k of a block. */
static void block_of_k(writer *w, uint32_t rows) {
  qn_buf *t = &w->code.text;
  qn__buf_fmt(t, "subq $$%u, $%u\njl 2f\n.p2align 4\n1:\n", FOUR, w->left);
  load_codes(w);
  for (uint32_t i = 0; i < FOUR; i++) one_k(w, rows, i);
  advance_rows(w, rows, FOUR);
  qn__buf_fmt(t, "addq $$%u, $%u\nsubq $$%u, $%u\njge 1b\n", qn_bpack_code_row(w->l), w->codes, FOUR, w->left);
  qn__buf_fmt(t, "2:\naddq $$%u, $%u\nje 3f\n", FOUR, w->left);
  load_codes(w);
  for (uint32_t i = 0; i + 1 < FOUR; i++) {
    if (i) qn__buf_fmt(t, "cmpq $$%u, $%u\njle 3f\n", i, w->left);
    one_k(w, rows, i);
  }
  qn__buf_c(t, "3:\n");
}

/* Lines of a block, ahead; and further ahead where k1 says that weights lie in no cache. */
static void fetch(writer *w) {
  enum { MOST_LINES = 40, FURTHER = 16384 };
  qn_buf *t = &w->code.text;
  size_t bytes = qn_bpack_bytes(w->l);
  uint32_t lines = (uint32_t)((bytes + LINE - 1) / LINE) + (qn_bpack_group(w->l) > 1), ahead = w->s->plan->ahead;
  if (bytes > MOST_LINES * LINE) return;
  for (uint32_t i = 0; i < lines; i++) qn__buf_fmt(t, "prefetcht0 %u($%u)\n", ahead + i * LINE, w->codes);
  qn__buf_c(t, "kortestw %k1, %k1\nje 4f\n");
  for (uint32_t i = 0; i < lines; i++) qn__buf_fmt(t, "prefetcht1 %u($%u)\n", ahead + FURTHER + i * LINE, w->codes);
  qn__buf_c(t, "4:\n");
}

/* Where scales and zero points of a group of blocks are, behind the codes: `n` blocks, where it is more than one. */
static void begin_group(writer *w, uint32_t n, uint32_t blocks) {
  qn_buf *t = &w->code.text;
  const uint32_t group = qn_bpack_group(w->l);
  const size_t codes = qn_bpack_codes_bytes(w->l), scales = qn_bpack_scales_bytes(w->l);
  qn__buf_c(t, "5:\n");
  if (group == 1) {
    qn__buf_fmt(t, "leaq %zu($%u), $%u\n", codes, w->codes, w->scales);
    if (qn_bpack_has_zeros(w->l)) qn__buf_fmt(t, "leaq %zu($%u), $%u\n", scales, w->scales, w->zeros);
    return;
  }
  qn__buf_fmt(t, "movl $$%u, ${%u:k}\ncmpq $%u, $%u\ncmovgq $%u, $%u\n", group, n, blocks, n, blocks, n);
  qn__buf_fmt(t, "subq $%u, $%u\nimulq $$%zu, $%u, $%u\naddq $%u, $%u\n", n, blocks, codes, n, w->scales, w->codes,
              w->scales);
  if (qn_bpack_has_zeros(w->l))
    qn__buf_fmt(t, "imulq $$%zu, $%u, $%u\naddq $%u, $%u\n", scales, n, w->zeros, w->scales, w->zeros);
  qn__buf_c(t, "6:\n");
}

static void end_group(writer *w, uint32_t n, uint32_t k) {
  qn_buf *t = &w->code.text;
  const bool zeros = qn_bpack_has_zeros(w->l);
  qn__buf_fmt(t, "addq $$%zu, $%u\n", qn_bpack_scales_bytes(w->l), w->scales);
  if (zeros) qn__buf_fmt(t, "addq $$%zu, $%u\n", qn_bpack_zeros_bytes(w->l), w->zeros);
  qn__buf_fmt(t, "subq $$%u, $%u\n", w->l->block, k);
  if (qn_bpack_group(w->l) > 1) qn__buf_fmt(t, "decq $%u\njg 6b\n", n);
  qn__buf_fmt(t, "movq $%u, $%u\ntestq $%u, $%u\njg 5b\n", zeros ? w->zeros : w->scales, w->codes, k, k);
}

void qn__ll_block_floats_text(qn_ll_block *s, uint32_t rows, LLVMValueRef a, LLVMValueRef codes, LLVMValueRef sums) {
  qn_ll *g = s->g;
  writer w;
  begin(&w, s);
  qn_buf *t = &w.code.text;
  list_rows(&w, rows);
  w.codes = qn__ll_assembly_changed(&w.code, g->ptr), w.scales = qn__ll_assembly_changed(&w.code, g->ptr),
  w.left = qn__ll_assembly_changed(&w.code, g->i64);
  uint32_t k = qn__ll_assembly_changed(&w.code, g->i64), n = 0, blocks = 0;
  if (qn_bpack_has_zeros(w.l)) w.zeros = qn__ll_assembly_changed(&w.code, g->ptr);
  if (qn_bpack_group(w.l) > 1)
    n = qn__ll_assembly_changed(&w.code, g->i64), blocks = qn__ll_assembly_changed(&w.code, g->i64);
  start_rows(&w, rows, a, s->a_stride);
  qn__ll_assembly_start(&w.code, w.codes, codes), qn__ll_assembly_start(&w.code, k, s->k_size);
  qn__ll_assembly_start(&w.code, w.scales, sums); /* until they are left in masks */
  qn__ll_assembly_start(&w.code, w.left, LLVMBuildZExt(g->b, s->far, g->i64, ""));
  if (qn_bpack_group(w.l) > 1) qn__ll_assembly_start(&w.code, blocks, s->blocks);
  list_strides(&w, rows, s->a_stride);
  uint32_t table = w.l->codes == QN_BPACK_V4 ? qn__ll_assembly_in(&w.code, table_of(s)) : 0;
  qn__buf_fmt(t, "kmovq $%u, %%k1\nkmovq $%u, %%k2\n", w.left, w.scales);
  write_constants(&w, table);
  for (uint32_t i = 0; i < rows * V; i++) qn__buf_fmt(t, "vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", i, i, i);
  qn__buf_fmt(t, "testq $%u, $%u\njle 7f\n", k, k);
  begin_group(&w, n, blocks);
  fetch(&w);
  load_scales(&w);
  if (qn_bpack_has_zeros(w.l)) load_zeros(&w);
  qn__buf_fmt(t, "movl $$%u, ${%u:k}\ncmpq $%u, $%u\ncmovgq $%u, $%u\n", w.l->block, w.left, k, w.left, k, w.left);
  block_of_k(&w, rows);
  end_group(&w, n, k);
  qn__buf_fmt(t, "7:\nkmovq %%k2, $%u\n", w.scales);
  for (uint32_t i = 0; i < rows * V; i++) qn__buf_fmt(t, "vmovups %%zmm%u, %u($%u)\n", i, i * LINE, w.scales);
  qn__ll_assembly_end(g, &w.code);
}

/* ---- slabs ---- */

void qn__ll_block_values_text(qn_ll_block *s, const qn_ll_block_place *at, LLVMValueRef codes, LLVMValueRef to,
                              LLVMValueRef count) {
  qn_ll *g = s->g;
  writer w;
  begin(&w, s);
  qn_buf *t = &w.code.text;
  w.codes = qn__ll_assembly_changed(&w.code, g->ptr), w.left = qn__ll_assembly_changed(&w.code, g->i64);
  uint32_t there = qn__ll_assembly_changed(&w.code, g->ptr);
  qn__ll_assembly_start(&w.code, w.codes, codes), qn__ll_assembly_start(&w.code, there, to);
  uint32_t fours = qn__ll_assembly_in(&w.code, count);
  uint32_t table = w.l->codes == QN_BPACK_V4 ? qn__ll_assembly_in(&w.code, table_of(s)) : 0;
  w.scales = qn__ll_assembly_in(&w.code, at->scales);
  if (at->zeros) w.zeros = qn__ll_assembly_in(&w.code, at->zeros);
  write_constants(&w, table);
  load_scales(&w);
  if (at->zeros) load_zeros(&w);
  qn__buf_fmt(t, "movq $%u, $%u\n.p2align 4\n1:\n", fours, w.left);
  load_codes(&w);
  for (uint32_t i = 0; i < FOUR; i++) {
    dequantize(&w, i);
    for (uint32_t v = 0; v < V; v++) qn__buf_fmt(t, "vmovups %%zmm%u, %u($%u)\n", X + v, (i * V + v) * LINE, there);
  }
  qn__buf_fmt(t, "addq $$%u, $%u\naddq $$%u, $%u\ndecq $%u\njg 1b\n", qn_bpack_code_row(w.l), w.codes, FOUR * V * LINE,
              there, w.left);
  qn__ll_assembly_end(g, &w.code);
}

/* `count` values of k. */
static void slab_turn(writer *w, uint32_t rows, uint32_t values, uint32_t count) {
  qn_buf *t = &w->code.text;
  for (uint32_t k = 0; k < count; k++) {
    for (uint32_t v = 0; v < V; v++) qn__buf_fmt(t, "vmovups %u($%u), %%zmm%u\n", (k * V + v) * LINE, values, X + v);
    multiply(w, rows, k);
  }
  qn__buf_fmt(t, "addq $$%u, $%u\n", count * V * LINE, values);
  advance_rows(w, rows, count);
}

void qn__ll_block_slab_text(qn_ll_block *s, const qn_ll_block_slab_tile *tile) {
  enum { TURN = 2 };
  qn_ll *g = s->g;
  writer w;
  begin(&w, s);
  qn_buf *t = &w.code.text;
  list_rows(&w, tile->rows);
  uint32_t values = qn__ll_assembly_changed(&w.code, g->ptr);
  w.left = qn__ll_assembly_changed(&w.code, g->i64);
  start_rows(&w, tile->rows, tile->a, tile->a_stride);
  qn__ll_assembly_start(&w.code, values, tile->values), qn__ll_assembly_start(&w.code, w.left, tile->count);
  list_strides(&w, tile->rows, tile->a_stride);
  uint32_t sums = qn__ll_assembly_in(&w.code, tile->sums);
  for (uint32_t i = 0; i < tile->rows * V; i++) qn__buf_fmt(t, "vmovups %u($%u), %%zmm%u\n", i * LINE, sums, i);
  qn__buf_fmt(t, "subq $$%u, $%u\njl 2f\n.p2align 4\n1:\n", TURN, w.left);
  slab_turn(&w, tile->rows, values, TURN);
  qn__buf_fmt(t, "subq $$%u, $%u\njge 1b\n2:\ntestb $$1, ${%u:b}\nje 3f\n", TURN, w.left, w.left);
  slab_turn(&w, tile->rows, values, 1);
  qn__buf_c(t, "3:\n");
  for (uint32_t i = 0; i < tile->rows * V; i++) qn__buf_fmt(t, "vmovups %%zmm%u, %u($%u)\n", i, i * LINE, sums);
  qn__ll_assembly_end(g, &w.code);
}
