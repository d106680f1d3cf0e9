/* Blocks as assembly, for AVX-512 with VNNI: straight code whose order is known, of which a tile needs one or two
 * hundred instructions. To select and schedule them takes LLVM 15 us each, to assemble them one. */
#include "assembly.h"
#include "block.h"

enum { V = QN_LL_BLOCK_VECTORS, LINE = 64 };

/* Registers that are overwritten: codes from RAW on. Of whole bytes, which little is done with, as many as there are
 * registers for: what comes next is asked for before what is done with it takes places among the instructions that the
 * processor looks at. */
enum { HIGH, SPREAD, RAW, SCRATCH, MOST_RAWS = 16 };

/* Operands: sums that come out, then those of integers that only live here, scratch registers, sums again as they go
 * in, and what else goes in. */
typedef struct writer {
  qn_ll_block *s;
  const qn_bpack_layout *l;
  const qn_ll_block_codes *c;
  uint32_t outs, ints, scratch, raws, mask, table, start, b, scales, zeros, a;
  bool by_table, by_bytes; /* a codebook; whose instruction ignores all but the low bits of an index */
  qn_ll_assembly code;
} writer;

bool qn__ll_block_text_serves(const qn_ll_block *s) {
  const qn_isa *isa = s->g->isa;
  return s->g->x86 && isa->vector_bits == 512 && (isa->has & QN_ISA_DOT8) && (isa->has & QN_ISA_DOT16);
}

bool qn__ll_block_text_scales(const qn_ll_block *s, uint32_t rows, uint32_t blocks) {
  return qn__ll_block_text_serves(s) && rows * V * (blocks + 1) + SCRATCH + 3 <= QN_LL_ZMM;
}

static uint32_t sum_at(const writer *w, uint32_t part, uint32_t r, uint32_t v) {
  return w->ints + (part * w->c->rows + r) * V + v;
}

/* ---- codes ---- */

static uint32_t raw_at(const writer *w, uint32_t i) {
  return w->scratch + RAW + i % w->raws;
}

/* Where codes of the `i`th step are, of all blocks' rows of codes by turns. */
static long long codes_at(const writer *w, uint32_t i) {
  const qn_ll_block_codes *c = w->c;
  return (long long)(i % c->blocks * c->b_pitch + i / c->blocks * (int64_t)qn_bpack_code_row(w->l));
}

static void load_codes(writer *w, uint32_t i) {
  if (i < w->c->steps * w->c->blocks)
    qn__buf_fmt(&w->code.text, "vmovdqu64 %lld($%u), $%u\n", codes_at(w, i), w->b, raw_at(w, i));
}

/* From 32-bit lanes: the lower columns' codes in their place, the upper ones' in HIGH. */
static void split(writer *w, uint32_t raw) {
  uint32_t high = w->scratch + HIGH;
  if (w->c->whole) {
    qn__buf_fmt(&w->code.text, "vpandd $%u, $%u, $%u\n", w->mask, raw, high);
    return;
  }
  qn__buf_fmt(&w->code.text, "vpsrld $$4, $%u, $%u\n", raw, high);
  for (uint32_t v = 0; v < V; v++) {
    uint32_t x = v ? high : raw;
    if (!w->by_bytes) qn__buf_fmt(&w->code.text, "vpandd $%u, $%u, $%u\n", w->mask, x, x);
    if (w->by_bytes)
      qn__buf_fmt(&w->code.text, "vpermb $%u, $%u, $%u\n", w->table, x, x);
    else if (w->by_table)
      qn__buf_fmt(&w->code.text, "vpshufb $%u, $%u, $%u\n", x, w->table, x);
  }
}

/* A row's four codes times those of both vectors: with little else to do they are read twice, one instruction fewer. */
static void multiply(writer *w, uint32_t r, uint32_t part, long long at, uint32_t raw) {
  uint32_t spread = w->scratch + SPREAD;
  bool once = w->c->rows > 1 || !w->c->whole;
  if (once) qn__buf_fmt(&w->code.text, "vpbroadcastd %lld($%u), $%u\n", at, w->a + r, spread);
  for (uint32_t v = 0; v < V; v++) {
    if (once)
      qn__buf_fmt(&w->code.text, "vpdpbusd $%u", spread);
    else
      qn__buf_fmt(&w->code.text, "vpdpbusd %lld($%u){1to16}", at, w->a + r);
    qn__buf_fmt(&w->code.text, ", $%u, $%u\n", v ? w->scratch + HIGH : raw, sum_at(w, part, r, v));
  }
}

/* A row of codes of a block: four k. */
static void codes_row(writer *w, uint32_t i) {
  const qn_ll_block_codes *c = w->c;
  uint32_t j = i / c->blocks, p = i % c->blocks, raw = raw_at(w, i);
  load_codes(w, i + w->raws - 1);
  if (qn_bpack_bits(w->l) == 8)
    qn__buf_fmt(&w->code.text, "vmovdqu64 %lld($%u), $%u\n", codes_at(w, i) + LINE, w->b, w->scratch + HIGH);
  else
    split(w, raw);
  for (uint32_t r = 0; r < c->rows; r++)
    multiply(w, r, c->blocks > 1 ? p : j % c->parts, (long long)(p * c->a_pitch + 4 * (int64_t)j), raw);
}

static void all_codes(writer *w) {
  for (uint32_t i = 0; i + 1 < w->raws; i++) load_codes(w, i);
  for (uint32_t i = 0; i < w->c->steps * w->c->blocks; i++) codes_row(w, i);
}

/* ---- what is done once a block ---- */

const qn_ll_block_scale *qn__ll_block_scale(qn_scalar type) {
  static const qn_ll_block_scale f32 = {"vmovups", 0}, f16 = {"vcvtph2ps", 0}, bf16 = {"vpmovzxwd", 16},
                                 exponent = {"vpmovzxbd", 23};
  return type == QN_F32 ? &f32 : type == QN_F16 ? &f16 : type == QN_BF16 ? &bf16 : &exponent;
}

/* A row's scale is 8 bytes before its end in a block, what its sums start at 4. */
static long long row_end(const writer *w, uint32_t p, int64_t before) {
  return (long long)((p + 1) * w->c->a_pitch - before);
}

static void start_block(writer *w, uint32_t p) {
  const qn_ll_block_codes *c = w->c;
  for (uint32_t r = 0; r < c->rows; r++)
    for (uint32_t v = 0; v < V; v++) {
      uint32_t sum = sum_at(w, p, r, v);
      if (c->sixteenths)
        qn__buf_fmt(&w->code.text, "vmovdqa64 $%u, $%u\n", w->start, sum);
      else if (c->zeros || (v && c->whole))
        qn__buf_fmt(&w->code.text, "vpxord $%u, $%u, $%u\n", sum, sum, sum);
      else
        qn__buf_fmt(&w->code.text, "vpbroadcastd %lld($%u), $%u\n", row_end(w, p, 4), w->a + r, sum);
    }
}

static void subtract_zeros(writer *w, uint32_t p) {
  const qn_ll_block_codes *c = w->c;
  uint32_t low = w->scratch + RAW, high = w->scratch + HIGH;
  long long at = (long long)(p * c->zeros_pitch);
  qn__buf_fmt(&w->code.text, "vpmovzxbd %lld($%u), $%u\n", at, w->zeros, low);
  if (qn_bpack_bits(w->l) == 8) {
    qn__buf_fmt(&w->code.text, "vpmovzxbd %lld($%u), $%u\n", at + QN_BPACK_PAIRS, w->zeros, high);
  } else if (c->whole) {
    qn__buf_fmt(&w->code.text, "vpandd $%u, $%u, $%u\n", w->mask, low, high);
  } else {
    qn__buf_fmt(&w->code.text, "vpsrld $$4, $%u, $%u\n", low, high);
    qn__buf_fmt(&w->code.text, "vpandd $%u, $%u, $%u\n", w->mask, low, low);
  }
  for (uint32_t r = 0; r < c->rows; r++)
    for (uint32_t v = 0; v < V; v++)
      qn__buf_fmt(&w->code.text, "vpdpwssd %lld($%u){1to16}, $%u, $%u\n", row_end(w, p, 4), w->a + r, v ? high : low,
                  sum_at(w, p, r, v));
}

/* Whole bytes' sums are the lower columns' and 16 times the upper ones'. */
static void take_apart(writer *w, uint32_t p, uint32_t r) {
  uint32_t low = sum_at(w, p, r, 0), high = sum_at(w, p, r, 1);
  qn__buf_fmt(&w->code.text, "vpsubd $%u, $%u, $%u\n", high, low, low);
  if (w->c->sixteenths) return;
  qn__buf_fmt(&w->code.text, "vpsrad $$4, $%u, $%u\n", high, high);
  if (!w->c->zeros)
    qn__buf_fmt(&w->code.text, "vpaddd %lld($%u){1to16}, $%u, $%u\n", row_end(w, p, 4), w->a + r, high, high);
}

static void load_scales(writer *w, uint32_t p) {
  const qn_ll_block_scale *s = qn__ll_block_scale(w->l->scales);
  for (uint32_t v = 0; v < V; v++) {
    long long at = (long long)(p * w->c->scales_pitch + v * (int64_t)(QN_BPACK_PAIRS * qn_bpack_scale_bytes(w->l)));
    uint32_t to = w->scratch + (v ? HIGH : RAW);
    qn__buf_fmt(&w->code.text, "%s %lld($%u), $%u\n", s->load, at, w->scales, to);
    if (s->shift) qn__buf_fmt(&w->code.text, "vpslld $$%u, $%u, $%u\n", s->shift, to, to);
  }
}

/* sum = fma(f32(acc), a's scale * b's, sum) */
static void scale_block(writer *w, uint32_t p) {
  const qn_ll_block_codes *c = w->c;
  if (c->zeros) subtract_zeros(w, p);
  load_scales(w, p);
  for (uint32_t r = 0; r < c->rows; r++) {
    if (c->whole) take_apart(w, p, r);
    for (uint32_t v = 0; v < V; v++) {
      uint32_t x = sum_at(w, p, r, v), both = w->scratch + SPREAD;
      if (v && c->sixteenths)
        qn__buf_fmt(&w->code.text, "vsubps $%u, $%u, $%u\n", w->start, x, x);
      else
        qn__buf_fmt(&w->code.text, "vcvtdq2ps $%u, $%u\n", x, x);
      qn__buf_fmt(&w->code.text, "vmulps %lld($%u){1to16}, $%u, $%u\n", row_end(w, p, 8), w->a + r,
                  w->scratch + (v ? HIGH : RAW), both);
      qn__buf_fmt(&w->code.text, "vfmadd231ps $%u, $%u, $%u\n", both, x, r * V + v);
    }
  }
}

/* ---- the call ---- */

static uint32_t add_in(writer *w, LLVMValueRef v, const char *constraint) {
  qn_ll_assembly *c = &w->code;
  c->args[c->num_args] = v;
  qn__buf_c(&c->constraints, constraint);
  return c->num_results + c->num_args++;
}

static void list_operands(writer *w) {
  qn_ll *g = w->s->g;
  const qn_ll_block_codes *c = w->c;
  qn_ll_assembly *o = &w->code;
  uint32_t sums = c->rows * c->parts * V;
  w->outs = c->scales ? c->rows * V : sums;
  w->ints = c->scales ? w->outs : 0;
  w->scratch = w->ints + sums;
  w->raws = 1;
  for (uint32_t used = c->rows * V + sums + SCRATCH + 3; c->whole && used < QN_LL_ZMM && w->raws < MOST_RAWS; used++)
    w->raws++;
  for (uint32_t i = 0; i < w->scratch + RAW + w->raws; i++) {
    o->results[o->num_results++] = c->scales && i < w->outs ? w->s->floats : w->s->ints;
    qn__buf_c(&o->constraints, i ? ",=&v" : "=&v");
  }
  for (uint32_t i = 0; i < w->outs; i++) {
    qn__buf_fmt(&o->constraints, ",%u", i);
    add_in(w, *c->sums[i], "");
  }
  w->mask = add_in(w, qn__ll_bits(g, w->s->ints, c->whole ? 0xF0F0F0F0u : 0x0F0F0F0Fu), ",v");
  if (w->by_table) w->table = add_in(w, LLVMBuildBitCast(g->b, w->s->table[0], w->s->ints, ""), ",v");
  if (c->sixteenths) w->start = add_in(w, qn__ll_bits(g, w->s->ints, c->start), ",v");
  w->b = add_in(w, c->b, ",r");
  if (c->scales) w->scales = add_in(w, c->scales, ",r");
  if (c->zeros) w->zeros = add_in(w, c->zeros, ",r");
  for (uint32_t r = 0; r < c->rows; r++) {
    uint32_t a = add_in(w, c->a[r], ",r");
    if (r == 0) w->a = a;
  }
  qn__buf_c(&o->constraints, ",~{memory}");
}

void qn__ll_block_text(qn_ll_block *s, const qn_ll_block_codes *c) {
  qn_ll *g = s->g;
  writer w = {.s = s, .l = &s->plan->weights, .c = c};
  LLVMValueRef sums[QN_LL_ZMM];
  w.by_table = w.l->codes == QN_BPACK_T4;
  w.by_bytes = w.by_table && (g->isa->has & QN_ISA_PERMUTE8);
  qn__ll_assembly_begin(g, &w.code);
  list_operands(&w);
  for (uint32_t i = 0; i < w.outs; i++) sums[i] = *c->sums[i];
  for (uint32_t p = 0; c->scales && p < c->blocks; p++) start_block(&w, p);
  all_codes(&w);
  for (uint32_t p = 0; c->scales && p < c->blocks; p++) scale_block(&w, p);
  qn__ll_assembly_call(g, &w.code, sums, w.outs);
  for (uint32_t i = 0; i < w.outs; i++) *c->sums[i] = sums[i];
}
