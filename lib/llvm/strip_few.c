/* A tile's part of a short piece of K, for products of few rows (gemm_few.c): K goes by a few blocks a turn, and while
 * it does lines of what comes next are fetched at an even pace. In the last blocks rows go by groups, so that their
 * sums are stored one group after the other while the next ones are multiplied, or become results likewise. */
#include "strip_write.h"

enum { LINE = QN_STRIP_LINE, TAIL = 4, GROUP = 3, ONE_OF = 4 };

typedef struct pace {
  uint32_t steps, step, units, unit; /* of a turn: rows times blocks and which it is at, what is fetched */
} pace;

/* What is due to be fetched at this step of the turn. Of lines from afar the processor brings the next ones by itself,
 * once it sees them asked for in order: asking for all took 3% more time from memory. */
static void fetch(writer *w, pace *p) {
  p->step++;
  for (; p->unit < p->units * p->step / p->steps; p->unit++)
    for (uint32_t v = 0; v < w->vectors; v++) {
      uint32_t line = p->unit * w->vectors + v;
      TEXT("prefetcht0 %lld(%%r14)\n", (long long)(p->unit * w->b_block + (int64_t)v * LINE));
      if (line % ONE_OF == 0) TEXT("prefetcht1 %u(%%r12)\n", line * LINE);
    }
}

static void rows(writer *w, pace *p, uint32_t j, uint32_t from, uint32_t to, bool leaves) {
  qn__ll_strip_columns(w, j);
  for (uint32_t r = from; r < to; r++) {
    qn__ll_strip_row(w, j, r);
    fetch(w, p);
    if (leaves) qn__ll_strip_leave_row(w, r);
  }
}

/* The last blocks of a turn of `count`. */
static void tail(writer *w, pace p, uint32_t count, bool leaves) {
  for (uint32_t r = 0; r < w->rows; r += GROUP)
    for (uint32_t j = count - TAIL; j < count; j++)
      rows(w, &p, j, r, r + GROUP < w->rows ? r + GROUP : w->rows, leaves && j + 1 == count);
}

void qn__ll_strip_few_begin(writer *w) {
  load_field(w, QN_STRIP_A, "rbx");
  load_field(w, QN_STRIP_B, "rsi");
  load_field(w, QN_STRIP_AHEAD, "r14");
  load_field(w, QN_STRIP_FAR, "r12");
  load_field(w, QN_STRIP_SUMS, "r13");
}

void qn__ll_strip_few_end(writer *w) {
  const qn_ll_strip_few *f = w->s->few;
  uint32_t turns = f->blocks / QN_STRIP_FEW_TURN - 1, fetched = (f->units + turns) / (turns + 1) * turns;
  uint32_t done = turns * QN_STRIP_FEW_TURN;
  TEXT("addq $$%lld, %%rbx\n", (long long)(w->rows * f->a_pitch - done * w->a_block));
  TEXT("subq $$%lld, %%rsi\n", (long long)(done * w->b_block));
  TEXT("addq $$%lld, %%r14\n", (long long)(((int64_t)f->moved - fetched) * w->b_block));
  TEXT("addq $$%lld, %%r12\n", (long long)(((int64_t)f->moved - fetched) * w->vectors * LINE));
  TEXT("addq $$%u, %%r13\n", w->rows * w->s->plan->layout.panel_width * 4);
  TEXT("decq %d(%%rdi)\njne %db\n", 8 * (int)QN_STRIP_TILES, LABEL_TILE);
  store_field(w, "r14", QN_STRIP_AHEAD);
  store_field(w, "r12", QN_STRIP_FAR);
}

void qn__ll_strip_few_sums(writer *w) {
  const qn_ll_strip_few *f = w->s->few;
  uint32_t turns = f->blocks / QN_STRIP_FEW_TURN - 1, left = f->blocks - turns * QN_STRIP_FEW_TURN;
  pace p = {.steps = QN_STRIP_FEW_TURN * w->rows, .units = (f->units + turns) / (turns + 1)};
  if (turns) {
    TEXT("movl $$%u, %%ecx\n.p2align 4\n", turns);
    label(w, LABEL_FEW);
    for (uint32_t j = 0; j < QN_STRIP_FEW_TURN; j++) rows(w, &p, j, 0, w->rows, false);
    qn__ll_strip_advance(w, QN_STRIP_FEW_TURN);
    TEXT("addq $$%lld, %%r14\naddq $$%u, %%r12\n", (long long)(p.units * w->b_block), p.units * w->vectors * LINE);
    TEXT("decl %%ecx\njne %db\n", LABEL_FEW);
  }
  p.steps = left * w->rows, p.step = p.unit = 0;
  for (uint32_t j = 0; j < left - TAIL; j++) rows(w, &p, j, 0, w->rows, false);
  if (w->s->num_chains) if_field(w, QN_STRIP_LAST, 0, "jne", LABEL_FEW_LAST);
  tail(w, p, left, true);
  if (!w->s->num_chains) return;
  TEXT("jmp %df\n", LABEL_NEXT);
  label(w, LABEL_FEW_LAST);
  tail(w, p, left, false);
}
