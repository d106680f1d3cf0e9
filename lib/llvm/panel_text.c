/* Panels (pack.c) as functions that are text and find what they have to know in memory, so that one does for panels of
 * all widths, wherever the matrix lies: what is left below and to the right of what is done by vectors, value by value;
 * and bytes of four rows that come to stand next to each other, by AVX-512. */
#include "assembly.h"

enum { LANES = 16, K_BLOCK = 4, MOST_BYTES = 8 };

/* Where a value of the panel is. */
#define AT(name) ((unsigned)(8 * QN_PANEL_##name))

static LLVMTypeRef signature(qn_ll *g) {
  return LLVMFunctionType(g->void_t, &g->ptr, 1, false);
}

static void call(qn_ll *g, const char *name, qn_buf *text, const qn_ll_panel *p) {
  LLVMValueRef fn = qn__ll_assembly_function(g, name, signature(g), text), memory = p->memory;
  for (uint32_t i = 0; i < QN_PANEL_VALUES; i++)
    qn__ll_store_vec(g, p->v[i], qn__ll_gep_const(g, memory, 8 * (int64_t)i), 8);
  if (fn) LLVMBuildCall2(g->b, signature(g), fn, &memory, 1, "");
}

/* ---- what is left ---- */

bool qn__ll_panel_rest_serves(const qn_ll *g, uint32_t bytes) {
  return g->x86 && bytes && bytes <= MOST_BYTES && (bytes & (bytes - 1)) == 0;
}

static const struct {
  const char *load, *store, *zero;
} moves[MOST_BYTES + 1] = {[1] = {"movzbl (%rsi), %eax", "movb %al", "movb"},
                           [2] = {"movzwl (%rsi), %eax", "movw %ax", "movw"},
                           [4] = {"movl (%rsi), %eax", "movl %eax", "movl"},
                           [8] = {"movq (%rsi), %rax", "movq %rax", "movq"}};

/* Value kk of a column's block, which goes to r11, from rsi on; r8 from one to the next. */
static void copy_block(qn_buf *t, uint32_t k_block, uint32_t bytes) {
  qn__buf_c(t, "movq %r10, %rsi\n");
  for (uint32_t kk = 0; kk < k_block; kk++) {
    qn__buf_fmt(t, "%s\n%s, %u(%%r11)\n", moves[bytes].load, moves[bytes].store, kk * bytes);
    if (kk + 1 < k_block) qn__buf_c(t, "addq %r8, %rsi\n");
  }
}

/* The same where only rdx of them exist. */
static void copy_some(qn_buf *t, uint32_t k_block, uint32_t bytes) {
  qn__buf_c(t, "movq %r10, %rsi\n");
  for (uint32_t kk = 0; kk < k_block; kk++) {
    qn__buf_fmt(t, "xorl %%eax, %%eax\ncmpq $$%u, %%rdx\njle 5f\n%s\naddq %%r8, %%rsi\n5:\n", kk, moves[bytes].load);
    qn__buf_fmt(t, "%s, %u(%%r11)\n", moves[bytes].store, kk * bytes);
  }
}

static void clear_block(qn_buf *t, uint32_t all) {
  for (uint32_t at = 0, bytes = MOST_BYTES; at < all; at += bytes) {
    while (bytes > all - at) bytes /= 2;
    qn__buf_fmt(t, "%s $$0, %u(%%r11)\n", moves[bytes].zero, at);
  }
}

/* rdi: values; r8, r9: from one value of k, or column, to the next; rbx, rcx: block and column, which end where r12
 * says; r13: the first one; r15: columns that exist; rdx: values of k that exist; r10, r11: from where and to where;
 * ebp: the part. */
void qn__ll_panel_rest(qn_ll *g, uint32_t k_block, uint32_t bytes, const qn_ll_panel *p) {
  uint32_t column = k_block * bytes;
  qn_buf all, *t = &all;
  qn__buf_init(t, g->arena->allocator);
  qn__buf_c(t, "pushq %rbx\npushq %rbp\npushq %r12\npushq %r13\npushq %r15\n");
  qn__buf_fmt(t, "movq %u(%%rdi), %%r8\nmovq %u(%%rdi), %%r9\n", AT(K_STRIDE), AT(N_STRIDE));
  qn__buf_fmt(t, "movq %u(%%rdi), %%r15\nsubq %u(%%rdi), %%r15\nxorl %%ebp, %%ebp\n", AT(N_SIZE), AT(FIRST));
  /* Below columns 0 to right; then all to the right of them. */
  qn__buf_fmt(t, "1:\nmovq %u(%%rdi), %%rbx\nxorl %%r13d, %%r13d\nmovq %u(%%rdi), %%r12\n", AT(BELOW), AT(RIGHT));
  qn__buf_fmt(t, "testl %%ebp, %%ebp\nje 2f\nxorl %%ebx, %%ebx\nmovq %%r12, %%r13\nmovq %u(%%rdi), %%r12\n", AT(WIDTH));
  qn__buf_fmt(t, "2:\ncmpq %%r12, %%r13\njge 9f\n3:\ncmpq %u(%%rdi), %%rbx\njge 9f\n", AT(BLOCKS));
  qn__buf_fmt(t, "imulq $$%u, %%rbx, %%rax\nmovq %u(%%rdi), %%rdx\nsubq %%rax, %%rdx\n", k_block, AT(K_SIZE));
  qn__buf_fmt(t, "imulq %%r8, %%rax\naddq %u(%%rdi), %%rax\n", AT(FROM));
  qn__buf_fmt(t, "movq %u(%%rdi), %%r10\naddq %%r13, %%r10\nimulq %%r9, %%r10\naddq %%rax, %%r10\n", AT(FIRST));
  qn__buf_fmt(t, "movq %%rbx, %%r11\nimulq %u(%%rdi), %%r11\naddq %%r13, %%r11\n", AT(WIDTH));
  qn__buf_fmt(t, "imulq $$%u, %%r11, %%r11\naddq %u(%%rdi), %%r11\nmovq %%r13, %%rcx\n", column, AT(TO));
  qn__buf_fmt(t, ".p2align 4\n4:\ncmpq %%r15, %%rcx\njge 7f\ncmpq $$%u, %%rdx\njl 6f\n", k_block);
  copy_block(t, k_block, bytes);
  qn__buf_c(t, "jmp 8f\n6:\n");
  copy_some(t, k_block, bytes);
  qn__buf_c(t, "jmp 8f\n7:\n");
  clear_block(t, column);
  qn__buf_fmt(t, "8:\naddq %%r9, %%r10\naddq $$%u, %%r11\nincq %%rcx\ncmpq %%r12, %%rcx\njl 4b\n", column);
  qn__buf_c(t, "incq %rbx\njmp 3b\n9:\nincl %ebp\ncmpl $$2, %ebp\njl 1b\n");
  qn__buf_c(t, "popq %r15\npopq %r13\npopq %r12\npopq %rbp\npopq %rbx\nretq\n");
  call(g, "panel_rest", t, p);
}

/* ---- rows of bytes ---- */

bool qn__ll_panel_rows_serve(const qn_ll *g, const qn_layout *l, uint32_t bytes) {
  return qn__ll_squares_text_serves(g) && (g->isa->has & QN_ISA_DOT8) && bytes == 1 && l->k_block == K_BLOCK &&
         l->panel_width % LANES == 0;
}

/* Of 16 columns, of which rdx exist. */
static void load_some(qn_buf *t) {
  static const char *const rows[K_BLOCK] = {"(%r11)", "(%r11,%r8)", "(%r11,%r8,2)", "(%r11,%r10)"};
  qn__buf_c(t, "xorl %ebx, %ebx\ntestq %rdx, %rdx\ncmovsq %rbx, %rdx\n");
  qn__buf_c(t, "movl $$-1, %ebx\nbzhil %edx, %ebx, %ebx\nkmovd %ebx, %k1\n");
  for (int i = 0; i < K_BLOCK; i++) qn__buf_fmt(t, "vmovdqu8 %s, %%xmm%d {%%k1} {z}\n", rows[i], i);
  for (int i = 1; i < K_BLOCK; i++) qn__buf_fmt(t, "vinserti32x4 $$%d, %%xmm%d, %%zmm0, %%zmm0\n", i, i);
}

/* rax, r9: from where and to where; rcx: blocks; rsi: the column; rdi: columns that exist; r8, r10: a row, and three.
 * Rows are quarters of a register: words of 4 columns each go where a column's quarter is, and then their bytes to
 * them. */
void qn__ll_panel_rows(qn_ll *g, uint32_t width, const qn_ll_panel *p) {
  enum { BYTES = 4, WORDS = 5 };
  qn_buf all, *t = &all;
  qn__buf_init(t, g->arena->allocator);
  qn__buf_fmt(t, "pushq %%rbx\nmovq %u(%%rdi), %%r8\nmovq %u(%%rdi), %%rax\n", AT(K_STRIDE), AT(FROM));
  qn__buf_fmt(t, "movq %u(%%rdi), %%rdx\naddq %%rdx, %%rax\nmovq %u(%%rdi), %%r9\n", AT(FIRST), AT(TO));
  qn__buf_fmt(t, "movq %u(%%rdi), %%rcx\nmovq %u(%%rdi), %%rdi\nsubq %%rdx, %%rdi\n", AT(BLOCKS), AT(N_SIZE));
  qn__buf_c(t, "leaq (%r8,%r8,2), %r10\ntestq %rcx, %rcx\njle 9f\n");
  qn__buf_fmt(t, "movabsq $$0x0d0905010c080400, %%rdx\nvmovq %%rdx, %%xmm%d\n", BYTES);
  qn__buf_fmt(t, "movabsq $$0x0f0b07030e0a0602, %%rdx\nvpinsrq $$1, %%rdx, %%xmm%d, %%xmm%d\n", BYTES, BYTES);
  qn__buf_fmt(t, "vpmovzxbd %%xmm%d, %%zmm%d\nvshufi32x4 $$0, %%zmm%d, %%zmm%d, %%zmm%d\n", BYTES, WORDS, BYTES, BYTES,
              BYTES);
  qn__buf_c(t, ".p2align 4\n1:\nxorl %esi, %esi\n2:\nleaq (%rax,%rsi), %r11\n");
  qn__buf_fmt(t, "movq %%rdi, %%rdx\nsubq %%rsi, %%rdx\ncmpq $$%d, %%rdx\njl 4f\n", LANES);
  qn__buf_c(t, "vmovdqu (%r11), %xmm0\nvinserti32x4 $$1, (%r11,%r8), %zmm0, %zmm0\n");
  qn__buf_c(t, "vinserti32x4 $$2, (%r11,%r8,2), %zmm0, %zmm0\nvinserti32x4 $$3, (%r11,%r10), %zmm0, %zmm0\n");
  qn__buf_fmt(t, "3:\nvpermd %%zmm0, %%zmm%d, %%zmm0\nvpshufb %%zmm%d, %%zmm0, %%zmm0\n", WORDS, BYTES);
  qn__buf_fmt(t, "vmovdqu64 %%zmm0, (%%r9,%%rsi,%d)\naddq $$%d, %%rsi\ncmpq $$%u, %%rsi\njl 2b\n", K_BLOCK, LANES,
              width);
  qn__buf_fmt(t, "leaq (%%rax,%%r8,%d), %%rax\naddq $$%u, %%r9\ndecq %%rcx\njne 1b\njmp 9f\n4:\n", K_BLOCK,
              width * K_BLOCK);
  load_some(t);
  qn__buf_c(t, "jmp 3b\n9:\npopq %rbx\nvzeroupper\nretq\n");
  call(g, "panel_rows", t, p);
}
