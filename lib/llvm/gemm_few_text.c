/* A tile's part of a piece of K as assembly, for products of few rows (gemm_few.c): sums are loaded, K goes by a few
 * blocks a turn, and while it does lines of what comes next are fetched at an even pace. In the last blocks rows go by
 * groups, so that their sums are stored one group after the other while the next ones are multiplied. */
#include "few.h"

enum { LINE = 64, WORD = 4, TAIL = 4, GROUP = 4, ONE_OF = 4 };

/* Operands: what is changed, which goes in and comes out; the rest goes in after those. */
enum { A, B, START, NEAR, FAR, COUNT, CHANGED = COUNT, PITCH = COUNT + 1 + CHANGED, SUMS };

typedef struct writer {
  const qn_ll_few *f;
  qn_ll_assembly code;
  uint32_t sums, copies, first_spread, spreads, next_spread, loaded;
  uint32_t steps, step, units, unit; /* of a turn: rows times blocks and which it is at, what is fetched */
} writer;

static uint32_t sum_at(const writer *w, uint32_t row, uint32_t v) {
  return row * w->f->vectors + v;
}

static void share_registers(writer *w) {
  const qn_ll_few *f = w->f;
  w->sums = f->rows * f->vectors;
  w->copies = w->sums + 2 * f->vectors + 2 <= QN_LL_ZMM ? 2 : 1;
  w->first_spread = w->sums + w->copies * f->vectors;
  w->spreads = QN_LL_ZMM - w->first_spread;
}

static void load_sums(writer *w) {
  const qn_ll_few *f = w->f;
  for (uint32_t r = 0; r < f->rows; r++) {
    for (uint32_t v = 0; v < f->vectors; v++)
      qn__buf_fmt(&w->code.text, "%s %u($%u), %%zmm%u\n", f->words->load, v * LINE, START, sum_at(w, r, v));
    if (r + 1 < f->rows) qn__buf_fmt(&w->code.text, "addq $%u, $%u\n", PITCH, START);
  }
}

static void store_row(writer *w, uint32_t r) {
  const qn_ll_few *f = w->f;
  for (uint32_t v = 0; v < f->vectors; v++)
    qn__buf_fmt(&w->code.text, "%s %%zmm%u, %lld($%u)\n", f->words->load, sum_at(w, r, v),
                (long long)(r * f->sums_pitch + (int64_t)v * LINE), SUMS);
}

/* What is due to be fetched at this step of the turn. Of lines from afar the processor brings the next ones by itself,
 * once it sees them asked for in order: asking for all took 3% more time from memory. */
static void fetch(writer *w) {
  const qn_ll_few *f = w->f;
  w->step++;
  for (; w->unit < w->units * w->step / w->steps; w->unit++)
    for (uint32_t v = 0; v < f->vectors; v++) {
      uint32_t line = w->unit * f->vectors + v;
      qn__buf_fmt(&w->code.text, "prefetcht0 %lld($%u)\n", (long long)(w->unit * f->b_block + (int64_t)v * LINE), NEAR);
      if (line % ONE_OF == 0) qn__buf_fmt(&w->code.text, "prefetcht1 %u($%u)\n", line * LINE, FAR);
    }
}

/* Rows from .. to-1 at block j from where the operands point. */
static void block(writer *w, uint32_t j, uint32_t from, uint32_t to, bool last) {
  const qn_ll_few *f = w->f;
  uint32_t b = w->sums + w->loaded++ % w->copies * f->vectors;
  for (uint32_t v = 0; v < f->vectors; v++)
    qn__buf_fmt(&w->code.text, "%s %lld($%u), %%zmm%u\n", f->words->load,
                (long long)(j * f->b_block + (int64_t)v * LINE), B, b + v);
  for (uint32_t r = from; r < to; r++) {
    uint32_t spread = w->first_spread + w->next_spread++ % w->spreads;
    qn__buf_fmt(&w->code.text, "%s %lld($%u), %%zmm%u\n", f->words->spread, (long long)(r * f->a_pitch + j * WORD), A,
                spread);
    for (uint32_t v = 0; v < f->vectors; v++)
      qn__buf_fmt(&w->code.text, "%s %%zmm%u, %%zmm%u, %%zmm%u\n", f->words->multiply, b + v, spread, sum_at(w, r, v));
    fetch(w);
    if (last) store_row(w, r);
  }
}

/* `count` blocks, the last ones or not. */
static void turn(writer *w, uint32_t count, bool last) {
  uint32_t rows = w->f->rows, together = last ? count - TAIL : count;
  w->steps = count * rows, w->step = w->unit = 0;
  for (uint32_t j = 0; j < together; j++) block(w, j, 0, rows, false);
  for (uint32_t r = 0; last && r < rows; r += GROUP)
    for (uint32_t j = together; j < count; j++) block(w, j, r, r + GROUP < rows ? r + GROUP : rows, j + 1 == count);
}

static void write_text(writer *w) {
  const qn_ll_few *f = w->f;
  uint32_t turns = f->num_blocks / QN_LL_FEW_TURN - 1, left = f->num_blocks - turns * QN_LL_FEW_TURN;
  w->units = (f->num_units + turns) / (turns + 1);
  load_sums(w);
  if (turns) {
    qn__buf_fmt(&w->code.text, "movl $$%u, ${%u:k}\n.p2align 4\n1:\n", turns, COUNT);
    turn(w, QN_LL_FEW_TURN, false);
    qn__buf_fmt(&w->code.text, "addq $$%u, $%u\n", QN_LL_FEW_TURN * WORD, A);
    qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(QN_LL_FEW_TURN * f->b_block), B);
    qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(w->units * f->b_block), NEAR);
    qn__buf_fmt(&w->code.text, "addq $$%u, $%u\n", w->units * f->vectors * LINE, FAR);
    qn__buf_fmt(&w->code.text, "decl ${%u:k}\njne 1b\n", COUNT);
  }
  turn(w, left, true);
}

static void write_constraints(qn_buf *out) {
  qn__buf_c(out, "=r,=r,=r,=r,=r,=&r,0,1,2,3,4,r,r");
  for (uint32_t i = 0; i < QN_LL_ZMM; i++) qn__buf_fmt(out, ",~{zmm%u}", i);
  qn__buf_c(out, ",~{memory},~{flags}");
}

static void list_operands(writer *w, qn_ll *g) {
  const qn_ll_few *f = w->f;
  qn_ll_assembly *c = &w->code;
  const LLVMValueRef args[] = {f->a, f->b, f->start, f->near, f->far, f->start_pitch, f->sums};
  for (uint32_t i = 0; i < COUNT; i++) c->results[c->num_results++] = g->ptr;
  c->results[c->num_results++] = g->i64;
  for (size_t i = 0; i < sizeof args / sizeof *args; i++) c->args[c->num_args++] = args[i];
}

void qn__ll_few_text(qn_ll *g, const qn_ll_few *f) {
  writer w = {.f = f};
  share_registers(&w);
  qn__ll_assembly_begin(g, &w.code);
  write_text(&w);
  write_constraints(&w.code.constraints);
  list_operands(&w, g);
  qn__ll_assembly_call(g, &w.code, NULL, 0);
}
