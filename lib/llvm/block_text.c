/* Codes times rows as assembly, for AVX-512 with VNNI: straight code whose order is known, of which a tile needs one or
 * two hundred instructions. To select and schedule them takes LLVM 15 us each, to assemble them one. */
#include "block.h"
#include "buf.h"

enum { V = QN_LL_BLOCK_VECTORS, LINE = 64, MOST_SUMS = QN_LL_BLOCK_ROWS * V };

/* Operands: sums, scratch registers, then what goes in: sums again (tied), a mask, a codebook, addresses. */
enum { RAW, HIGH, SPREAD, SCRATCH };

typedef struct writer {
  const qn_ll_block *s;
  const qn_ll_block_codes *c;
  uint32_t sums, mask, table, b, a; /* operands */
  bool by_table, by_bytes;          /* a codebook; whose instruction ignores all but the low bits of an index */
  qn_buf text;
} writer;

bool qn__ll_block_text_serves(const qn_ll_block *s) {
  const qn_isa *isa = s->g->isa;
  return s->g->x86 && isa->vector_bits == 512 && (isa->has & QN_ISA_DOT8) && (isa->has & QN_ISA_DOT16);
}

static uint32_t scratch(const writer *w, uint32_t which) {
  return w->sums + which;
}

/* From the 32-bit lanes in RAW: the lower columns' codes there, the upper ones' in HIGH. */
static void split(writer *w) {
  uint32_t raw = scratch(w, RAW), high = scratch(w, HIGH);
  if (w->c->whole) {
    qn__buf_fmt(&w->text, "vpandd $%u, $%u, $%u\n", w->mask, raw, high);
    return;
  }
  qn__buf_fmt(&w->text, "vpsrld $$4, $%u, $%u\n", raw, high);
  for (uint32_t v = 0; v < V; v++) {
    uint32_t x = v ? high : raw;
    if (!w->by_bytes) qn__buf_fmt(&w->text, "vpandd $%u, $%u, $%u\n", w->mask, x, x);
    if (w->by_bytes)
      qn__buf_fmt(&w->text, "vpermb $%u, $%u, $%u\n", w->table, x, x);
    else if (w->by_table)
      qn__buf_fmt(&w->text, "vpshufb $%u, $%u, $%u\n", x, w->table, x);
  }
}

/* Row `j` of codes of block `p`: four k. */
static void one_row(writer *w, uint32_t j, uint32_t p) {
  const qn_ll_block_codes *c = w->c;
  const qn_bpack_layout *l = &w->s->plan->weights;
  long long b = (long long)(p * c->b_pitch + j * (int64_t)qn_bpack_code_row(l));
  uint32_t part = c->blocks > 1 ? p : j % c->parts, spread = scratch(w, SPREAD);
  qn__buf_fmt(&w->text, "vmovdqu64 %lld($%u), $%u\n", b, w->b, scratch(w, RAW));
  if (qn_bpack_bits(l) == 8)
    qn__buf_fmt(&w->text, "vmovdqu64 %lld($%u), $%u\n", b + LINE, w->b, scratch(w, HIGH));
  else
    split(w);
  for (uint32_t r = 0; r < c->rows; r++) {
    qn__buf_fmt(&w->text, "vpbroadcastd %lld($%u), $%u\n", (long long)(p * c->a_pitch + 4 * (int64_t)j), w->a + r,
                spread);
    for (uint32_t v = 0; v < V; v++)
      qn__buf_fmt(&w->text, "vpdpbusd $%u, $%u, $%u\n", spread, scratch(w, v ? HIGH : RAW),
                  (part * c->rows + r) * V + v);
  }
}

static void write_constraints(const writer *w, qn_buf *out) {
  for (uint32_t i = 0; i < w->sums; i++) qn__buf_c(out, "=&v,");
  for (uint32_t i = 0; i < SCRATCH; i++) qn__buf_c(out, "=&v,");
  for (uint32_t i = 0; i < w->sums; i++) qn__buf_fmt(out, "%u,", i);
  qn__buf_c(out, "v,v,r");
  for (uint32_t r = 0; r < w->c->rows; r++) qn__buf_c(out, ",r");
  qn__buf_c(out, ",~{memory}");
}

static void build_call(writer *w, qn_str text, qn_str constraints) {
  qn_ll_block *s = w->c->s;
  qn_ll *g = s->g;
  const qn_ll_block_codes *c = w->c;
  LLVMTypeRef results[MOST_SUMS + SCRATCH], types[MOST_SUMS + 3 + QN_LL_BLOCK_ROWS];
  LLVMValueRef args[MOST_SUMS + 3 + QN_LL_BLOCK_ROWS];
  uint32_t n = 0, all = w->sums + SCRATCH;
  for (uint32_t i = 0; i < all; i++) results[i] = s->ints;
  for (uint32_t i = 0; i < w->sums; i++) args[n++] = *c->sums[i];
  LLVMValueRef mask = qn__ll_bits(g, s->ints, c->whole ? 0xF0F0F0F0u : 0x0F0F0F0Fu);
  args[n++] = mask;
  args[n++] = w->by_table ? LLVMBuildBitCast(g->b, s->table[0], s->ints, "") : mask;
  args[n++] = c->b;
  for (uint32_t r = 0; r < c->rows; r++) args[n++] = c->a[r];
  for (uint32_t i = 0; i < n; i++) types[i] = LLVMTypeOf(args[i]);
  LLVMTypeRef type = LLVMFunctionType(LLVMStructTypeInContext(g->ctx, results, all, false), types, n, false);
  LLVMValueRef code =
      LLVMGetInlineAsm(type, (char *)(uintptr_t)text.data, text.size, (char *)(uintptr_t)constraints.data,
                       constraints.size, true, false, LLVMInlineAsmDialectATT, false);
  LLVMValueRef result = LLVMBuildCall2(g->b, type, code, args, n, "");
  for (uint32_t i = 0; i < w->sums; i++) *c->sums[i] = LLVMBuildExtractValue(g->b, result, i, "");
}

void qn__ll_block_text(const qn_ll_block_codes *c) {
  qn_ll *g = c->s->g;
  const qn_isa *isa = g->isa;
  writer w = {.s = c->s, .c = c, .sums = c->rows * c->parts * V};
  qn_buf constraints;
  w.mask = 2 * w.sums + SCRATCH, w.table = w.mask + 1, w.b = w.table + 1, w.a = w.b + 1;
  w.by_table = c->s->plan->weights.codes == QN_BPACK_T4;
  w.by_bytes = w.by_table && (isa->has & QN_ISA_PERMUTE8);
  qn__buf_init(&w.text, g->arena->allocator);
  qn__buf_init(&constraints, g->arena->allocator);
  for (uint32_t j = 0; j < c->steps; j++)
    for (uint32_t p = 0; p < c->blocks; p++) one_row(&w, j, p);
  write_constraints(&w, &constraints);
  if (w.text.failed || constraints.failed)
    g->failed = g->out_of_memory = true;
  else
    build_call(&w, qn__buf_view(&w.text), qn__buf_view(&constraints));
  qn__buf_free(&w.text);
  qn__buf_free(&constraints);
}
