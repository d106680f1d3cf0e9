/* The sums of a direct tile as assembly, for AVX-512. Two things are out of reach through LLVM's instructions here: the
 * order, which its scheduler changes, at the price of spilled registers; and time, since straight code is compiled at
 * 15 us an instruction, but assembled at one.
 *
 * Why order matters. A store that reads its vector from a register takes the place of a multiplication: the two share
 * ways out of the register file. A store that waits for its vector takes it as it is made and costs nothing. So rows
 * should not end all at once but one after the other: each stays a little behind the one above, as far as there are
 * registers for the blocks of B that they are at. */
#include "assembly.h"

enum { MOST_LEAD = 3, WHOLE = 256, TURN = 96, TAIL = 8, LINE = 64 };

typedef struct writer {
  const qn_ll_sums *s;
  qn_ll_tile *t;
  const qn_ll_wording *words;
  qn_ll_assembly code;
  uint32_t sums;       /* registers 0 and up */
  uint32_t lead, live; /* how far rows are apart: in parts of a block; in blocks of B at once, which come next */
  uint32_t first_spread, spreads, next_spread;
} writer;

bool qn__ll_sums_serve(const qn_ll_tile *t) {
  return qn__ll_wording_of(t->g, t->plan, t->dot) && t->rows * t->vectors * t->sets + t->vectors + 1 <= QN_LL_ZMM;
}

/* ---- registers ---- */

static uint32_t live_of(uint32_t lead, uint32_t rows) {
  return lead ? lead * (rows - 1) / rows + 2 : 1;
}

static void share_registers(writer *w) {
  const qn_ll_tile *t = w->t;
  w->sums = t->rows * t->vectors * t->sets;
  w->lead = MOST_LEAD;
  while (w->lead && w->sums + live_of(w->lead, t->rows) * t->vectors + 2 > QN_LL_ZMM) w->lead--;
  w->live = live_of(w->lead, t->rows);
  w->first_spread = w->sums + w->live * t->vectors;
  w->spreads = QN_LL_ZMM - w->first_spread;
}

static uint32_t sum_at(const writer *w, uint32_t row, uint32_t v, uint32_t j) {
  return (j % w->t->sets * w->t->rows + row) * w->t->vectors + v;
}

static uint32_t b_at(const writer *w, uint32_t j, uint32_t v) {
  return w->sums + j % w->live * w->t->vectors + v;
}

/* ---- text ---- */

/* Operands that come out: the sums unless they are stored here, then these. Those that go in are counted on; of them
 * only the last has no twin among the others, where sums are stored. */
enum { OPERAND_A, OPERAND_B, OPERAND_COUNT, OPERAND_Y };

static uint32_t operand(const writer *w, uint32_t which) {
  return (w->s->to ? 0 : w->sums) + which;
}

static uint32_t operand_to(const writer *w) {
  return w->s->y ? 4 + 3 : 3 + 2;
}

/* Lines `from` to `to` of the rows of Y, counted from where its operand points. */
static void fetch(writer *w, uint32_t from, uint32_t to) {
  const qn_ll_sums *s = w->s;
  for (uint32_t i = from; i < to; i++) {
    int64_t line = (int64_t)(i % s->y_lines) * LINE, last = s->y_bytes - 1;
    qn__buf_fmt(&w->code.text, "prefetchw %lld($%u)\n",
                (long long)(i / s->y_lines * s->y_pitch + (line < last ? line : last)), operand(w, OPERAND_Y));
  }
}

static void one_block_of_row(writer *w, uint32_t row, uint32_t j) {
  const qn_ll_sums *s = w->s;
  uint32_t spread = w->first_spread + w->next_spread++ % w->spreads;
  qn__buf_fmt(&w->code.text, "%s %lld($%u), %%zmm%u\n", w->words->spread,
              (long long)(row * s->a_pitch + j * s->a_block), operand(w, OPERAND_A), spread);
  for (uint32_t v = 0; v < w->t->vectors; v++)
    qn__buf_fmt(&w->code.text, "%s %%zmm%u, %%zmm%u, %%zmm%u\n", w->words->multiply, b_at(w, j, v), spread,
                sum_at(w, row, v, j));
}

static void store_row(writer *w, uint32_t row) {
  for (uint32_t v = 0; v < w->t->vectors; v++)
    qn__buf_fmt(&w->code.text, "%s %%zmm%u, %lld($%u)\n", w->words->load, sum_at(w, row, v, 0),
                (long long)(row * w->s->y_pitch + (int64_t)v * LINE), operand_to(w));
}

/* The row to go on with, of those that have some of `count` blocks left. */
static uint32_t next_row(const uint32_t *done, uint32_t rows, uint32_t count, uint32_t lead) {
  uint32_t best = 0, least = UINT32_MAX;
  for (uint32_t r = 0; r < rows; r++) {
    uint32_t at = done[r] * rows + lead * r;
    if (done[r] < count && at < least) best = r, least = at;
  }
  return best;
}

/* `count` blocks from where the operands point, the last ones or not, meanwhile so many lines of Y. */
static void blocks(writer *w, uint32_t count, bool last, uint32_t lines) {
  uint32_t done[QN_LL_MAX_ROWS] = {0}, loaded = 0, rows = w->t->rows, all = count * rows;
  for (uint32_t i = 0; i < all; i++) {
    uint32_t r = next_row(done, rows, count, last ? w->lead : 0), j = done[r]++;
    if (j == loaded) {
      for (uint32_t v = 0; v < w->t->vectors; v++)
        qn__buf_fmt(&w->code.text, "%s %lld($%u), %%zmm%u\n", w->words->load,
                    (long long)(loaded * w->s->b_block + (int64_t)v * LINE), operand(w, OPERAND_B), b_at(w, j, v));
      loaded++;
    }
    one_block_of_row(w, r, j);
    if (w->s->to && last && done[r] == count) store_row(w, r);
    fetch(w, (uint32_t)((uint64_t)lines * i / all), (uint32_t)((uint64_t)lines * (i + 1) / all));
  }
}

/* Blocks of K to a turn of a loop, which leaves TAIL of them at least, a multiple of the copies of sums; 0 for none. */
static uint32_t turn_of(const writer *w) {
  uint32_t sums = w->t->rows * w->t->vectors, sets = w->t->sets, n = w->s->num_blocks, turn = sets;
  if (sums * n <= WHOLE || n < TAIL + 2 * sets) return 0;
  while (sums * (turn + sets) <= TURN && 2 * (turn + sets) <= n - TAIL) turn += sets;
  return turn;
}

static void write_text(writer *w) {
  const qn_ll_sums *s = w->s;
  uint32_t turn = turn_of(w), turns = turn ? (s->num_blocks - TAIL) / turn : 0, rows = w->t->rows;
  uint32_t lines = s->y ? rows * s->y_lines : 0;
  if (s->zero)
    for (uint32_t i = 0; i < w->sums; i++)
      qn__buf_fmt(&w->code.text, i < 16 ? "vpxor %%xmm%u, %%xmm%u, %%xmm%u\n" : "vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", i,
                  i, i);
  if (turns) {
    uint32_t fetched = (rows + turns - 1) / turns;
    qn__buf_fmt(&w->code.text, "movl $$%u, ${%u:k}\n.p2align 4\n1:\n", turns, operand(w, OPERAND_COUNT));
    blocks(w, turn, false, s->y ? fetched * s->y_lines : 0);
    qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(turn * s->a_block), operand(w, OPERAND_A));
    qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(turn * s->b_block), operand(w, OPERAND_B));
    if (s->y)
      qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(fetched * s->y_pitch), operand(w, OPERAND_Y));
    qn__buf_fmt(&w->code.text, "decl ${%u:k}\njne 1b\n", operand(w, OPERAND_COUNT));
    lines = 0;
  }
  blocks(w, s->num_blocks - turns * turn, true, lines);
}

/* Sums in the first registers, addresses in any, the others overwritten. What is changed goes in and comes out. */
static void write_constraints(const writer *w, qn_buf *out) {
  const qn_ll_sums *s = w->s;
  uint32_t first = s->to ? 0 : w->sums;
  for (uint32_t i = 0; i < first; i++) qn__buf_fmt(out, "={zmm%u},", i);
  qn__buf_c(out, s->y ? "=r,=r,=&r,=r" : "=r,=r,=&r");
  for (uint32_t i = 0; i < first && !s->zero; i++) qn__buf_fmt(out, ",%u", i);
  qn__buf_fmt(out, ",%u,%u", operand(w, OPERAND_A), operand(w, OPERAND_B));
  if (s->y) qn__buf_fmt(out, ",%u", operand(w, OPERAND_Y));
  if (s->to) qn__buf_c(out, ",r");
  for (uint32_t i = first; i < QN_LL_ZMM; i++) qn__buf_fmt(out, ",~{zmm%u}", i);
  qn__buf_c(out, ",~{memory},~{flags}");
}

/* ---- the call ---- */

static void list_operands(writer *w) {
  qn_ll_tile *t = w->t;
  qn_ll *g = t->g;
  const qn_ll_sums *s = w->s;
  qn_ll_assembly *c = &w->code;
  uint32_t first = s->to ? 0 : w->sums;
  for (uint32_t i = 0; i < first; i++) c->results[c->num_results++] = t->acc_type;
  c->results[c->num_results++] = g->ptr, c->results[c->num_results++] = g->ptr, c->results[c->num_results++] = g->i64;
  if (s->y) c->results[c->num_results++] = g->ptr;
  for (uint32_t i = 0; i < first && !s->zero; i++) c->args[c->num_args++] = t->acc[i];
  c->args[c->num_args++] = s->a, c->args[c->num_args++] = s->b;
  if (s->y) c->args[c->num_args++] = s->y;
  if (s->to) c->args[c->num_args++] = s->to;
}

void qn__ll_sums(qn_ll_tile *t, const qn_ll_sums *s) {
  qn_ll *g = t->g;
  writer w = {.s = s, .t = t, .words = qn__ll_wording_of(g, t->plan, t->dot)};
  share_registers(&w);
  qn__ll_assembly_begin(g, &w.code);
  write_text(&w);
  write_constraints(&w, &w.code.constraints);
  list_operands(&w);
  qn__ll_assembly_call(g, &w.code, t->acc, s->to ? 0 : w.sums);
}
