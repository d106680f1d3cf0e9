/* Windows in strips. The rows of a tile are windows, each of which consists of segments that lie together in the image:
 * lines, or positions where windows reach over the image. The base of a row stays in a register; where its segment is,
 * from there, is the same for all rows: one more register, which moves along the segment too.
 *
 * With pads the positions that are taken are bits of a number. Where a position is inside for some rows only, the bases
 * of the others are moved so that they read the border. */
#include "strip_write.h"

enum { BASES = 8 }; /* rows whose bases are in registers, but for those that further panels need */
static const char *const bases[BASES] = {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};

static uint32_t count_bases(const writer *w) {
  return BASES - (w->s->tile->panels - 1);
}

static int base_field(const writer *w, uint32_t row) {
  return 8 * (QN_STRIP_BASES + (int)(row - count_bases(w)));
}

const char *qn__ll_strip_panel(uint32_t p) {
  return p ? bases[BASES - p] : "rsi";
}

static void set_panels(writer *w) {
  for (uint32_t p = 1; p < w->s->tile->panels; p++) {
    const char *before = qn__ll_strip_panel(p - 1), *to = qn__ll_strip_panel(p);
    TEXT("movq %%%s, %%%s\naddq %d(%%rdi), %%%s\n", before, to, 8 * (int)QN_STRIP_PANEL, to);
  }
}

/* ---- rows ---- */

void qn__ll_strip_window_row(writer *w, uint32_t row) {
  if (row >= count_bases(w)) TEXT("movq %d(%%rdi), %%rax\n", base_field(w, row));
}

void qn__ll_strip_window_operand(writer *w, uint32_t row, int64_t offset) {
  TEXT("%lld(%%%s,%%rdx)", (long long)offset, row < count_bases(w) ? bases[row] : "rax");
}

/* The tile's bits: what is taken of the positions, and what all rows have of them. */
static void find_taken(writer *w) {
  TEXT("movq %d(%%rax), %%rcx\nmovq %%rcx, %%rdx\n", GEMM_INSIDE);
  for (uint32_t r = 1; r < w->rows; r++) {
    TEXT("orq %d(%%rax), %%rcx\n", GEMM_INSIDE + 8 * (int)r);
    TEXT("andq %d(%%rax), %%rdx\n", GEMM_INSIDE + 8 * (int)r);
  }
  TEXT("%s %d(%%rdi), %%rcx\n", w->s->skips ? "andq" : "movq", 8 * QN_STRIP_POSITIONS);
  TEXT("andq %d(%%rdi), %%rdx\n", 8 * QN_STRIP_POSITIONS);
  store_field(w, "rdx", QN_STRIP_COMMON);
  store_field(w, "rcx", QN_STRIP_TAKEN);
}

static void begin_positions(writer *w) {
  find_taken(w);
  label(w, LABEL_AGAIN);
  load_field(w, QN_STRIP_TAKEN, "rcx");
  store_field(w, "rcx", QN_STRIP_LEFT);
  TEXT("xorq %d(%%rdi), %%rcx\n", 8 * QN_STRIP_COMMON);
  store_field(w, "rcx", QN_STRIP_DIFFER);
  load_field(w, QN_STRIP_PLACES, "rax");
}

static void begin_lines(writer *w) {
  load_field(w, QN_STRIP_LINES, "rcx");
  store_field(w, "rcx", QN_STRIP_LINES_LEFT);
  TEXT("movq $$0, %d(%%rdi)\n", 8 * QN_STRIP_LINE_AT);
  load_field(w, QN_STRIP_B, "rsi");
  set_panels(w);
}

void qn__ll_strip_window_begin(writer *w) {
  load_field(w, QN_STRIP_PLACES, "rax");
  (w->s->pads ? begin_positions : begin_lines)(w);
  load_field(w, QN_STRIP_A, "rdx");
  for (uint32_t r = w->rows; r-- > 0;) {
    const char *to = bases[r < count_bases(w) ? r : 0];
    TEXT("movq %d(%%rax), %%%s\naddq %%rdx, %%%s\n", GEMM_BEGINS + 8 * (int)r, to, to);
    if (r >= count_bases(w)) TEXT("movq %%%s, %d(%%rdi)\n", to, base_field(w, r));
  }
  if (w->s->fetches_b) load_field(w, QN_STRIP_AHEAD, "rbx");
}

/* ---- segments ---- */

static void segment(writer *w) {
  load_field(w, QN_STRIP_TURNS, "rcx");
  qn__ll_strip_turns(w, QN_STRIP_MANY);
  qn__ll_strip_rest(w);
}

/* Each row's base at position rcx, which is rdx bytes from it. */
static void choose_rows(writer *w) {
  if (w->s->fetches_b) store_field(w, "rbx", QN_STRIP_AHEAD);
  load_field(w, QN_STRIP_PLACES, "rsi");
  load_field(w, QN_STRIP_OUTSIDE, "rax");
  TEXT("subq %%rdx, %%rax\n");
  for (uint32_t r = w->rows; r-- > 0;) {
    const char *to = bases[r < count_bases(w) ? r : 0];
    TEXT("movq %d(%%rsi), %%%s\naddq %d(%%rdi), %%%s\n", GEMM_BEGINS + 8 * (int)r, to, 8 * QN_STRIP_A, to);
    TEXT("movq %d(%%rsi), %%rbx\nbtq %%rcx, %%rbx\ncmovncq %%rax, %%%s\n", GEMM_INSIDE + 8 * (int)r, to);
    if (r >= count_bases(w)) TEXT("movq %%%s, %d(%%rdi)\n", to, base_field(w, r));
  }
  if (w->s->fetches_b) load_field(w, QN_STRIP_AHEAD, "rbx");
}

static void all_positions(writer *w) {
  label(w, LABEL_SEGMENT);
  load_field(w, QN_STRIP_LEFT, "rax");
  TEXT("testq %%rax, %%rax\nje %df\n", LABEL_SEGMENTS_END);
  TEXT("bsfq %%rax, %%rcx\nleaq -1(%%rax), %%rdx\nandq %%rdx, %%rax\n");
  store_field(w, "rax", QN_STRIP_LEFT);
  load_field(w, QN_STRIP_OFFSETS, "rdx");
  TEXT("movq (%%rdx,%%rcx,8), %%rdx\n");
  if_field(w, QN_STRIP_DIFFER, 0, "je", LABEL_SAME);
  choose_rows(w);
  label(w, LABEL_SAME);
  load_field(w, QN_STRIP_SEGMENT, "rsi");
  TEXT("imulq %%rcx, %%rsi\naddq %d(%%rdi), %%rsi\n", 8 * QN_STRIP_B);
  set_panels(w);
  segment(w);
  TEXT("jmp %db\n", LABEL_SEGMENT);
  label(w, LABEL_SEGMENTS_END);
}

static void all_lines(writer *w) {
  label(w, LABEL_LINE);
  load_field(w, QN_STRIP_COLUMNS_OF, "rcx");
  store_field(w, "rcx", QN_STRIP_COLUMNS_LEFT);
  load_field(w, QN_STRIP_LINE_AT, "rdx");
  label(w, LABEL_SEGMENT);
  store_field(w, "rdx", QN_STRIP_AT);
  segment(w);
  load_field(w, QN_STRIP_AT, "rdx");
  TEXT("addq %d(%%rdi), %%rdx\n", 8 * QN_STRIP_COLUMN_STEP);
  TEXT("decq %d(%%rdi)\njne %db\n", 8 * QN_STRIP_COLUMNS_LEFT, LABEL_SEGMENT);
  load_field(w, QN_STRIP_LINE_STEP, "rdx");
  add_field(w, "rdx", QN_STRIP_LINE_AT);
  TEXT("decq %d(%%rdi)\njne %db\n", 8 * QN_STRIP_LINES_LEFT, LABEL_LINE);
}

/* Where positions were left out and a sum is -0, which a product that is 0 would change: all of them. */
static void take_again(writer *w) {
  uint32_t minus_zero = QN_LL_ZMM - 1;
  load_field(w, QN_STRIP_POSITIONS, "rax");
  TEXT("cmpq %%rax, %d(%%rdi)\nje %df\n", 8 * QN_STRIP_TAKEN, LABEL_REST);
  TEXT("movl $$0x80000000, %%ecx\nvpbroadcastd %%ecx, %%zmm%u\nkxorw %%k1, %%k1, %%k1\n", minus_zero);
  for (uint32_t i = 0; i < w->sums; i++)
    TEXT("vpcmpeqd %%zmm%u, %%zmm%u, %%k2\nkorw %%k2, %%k1, %%k1\n", minus_zero, i);
  TEXT("kortestw %%k1, %%k1\nje %df\n", LABEL_REST);
  store_field(w, "rax", QN_STRIP_TAKEN);
  TEXT("jmp %db\n", LABEL_AGAIN);
  label(w, LABEL_REST);
}

void qn__ll_strip_window_sums(writer *w) {
  (w->s->pads ? all_positions : all_lines)(w);
  if (w->s->again) take_again(w);
}

/* ---- granules ---- */

/* Rows follow each other evenly. */
void qn__ll_strip_granules_begin(writer *w) {
  load_field(w, QN_STRIP_A, "rax");
  for (uint32_t r = 0; r < w->rows; r++) {
    if (r < count_bases(w))
      TEXT("movq %%rax, %%%s\n", bases[r]);
    else
      TEXT("movq %%rax, %d(%%rdi)\n", base_field(w, r));
    if (r + 1 < w->rows) TEXT("addq %d(%%rdi), %%rax\n", 8 * QN_STRIP_A_STRIDE);
  }
  load_field(w, QN_STRIP_B, "rsi");
  load_field(w, QN_STRIP_LIST, "rbx");
}

/* Of each the list has the first value of k. */
void qn__ll_strip_granules_sums(writer *w) {
  const qn_layout *l = &w->s->plan->layout;
  uint32_t blocks = l->granule / l->k_block, turn = QN_STRIP_TURN;
  TEXT("cmpq %d(%%rdi), %%rbx\nje %df\n.p2align 5\n", 8 * QN_STRIP_LIST_END, LABEL_SEGMENTS_END);
  label(w, LABEL_SEGMENT);
  TEXT("movl (%%rbx), %%edx\n");
  if (w->a_block > l->k_block) TEXT("imulq $$%lld, %%rdx\n", (long long)(w->a_block / l->k_block));
  if (blocks >= turn) {
    TEXT("movl $$%u, %%ecx\n", blocks / turn);
    label(w, LABEL_LINE);
    qn__ll_strip_blocks(w, turn);
    if (blocks / turn > 1) TEXT("decl %%ecx\njne %db\n", LABEL_LINE);
  }
  qn__ll_strip_blocks(w, blocks % turn);
  TEXT("addq $$4, %%rbx\ncmpq %d(%%rdi), %%rbx\njne %db\n", 8 * QN_STRIP_LIST_END, LABEL_SEGMENT);
  label(w, LABEL_SEGMENTS_END);
}

/* ---- results ---- */

void qn__ll_strip_window_result(writer *w, uint32_t chain, uint32_t row) {
  if (row == 0) load_field(w, QN_STRIP_PLACES, "rbx");
  TEXT("movq %d(%%rbx), %%rsi\n", GEMM_RESULT + 8 * (int)row);
  TEXT("movq %%rsi, %%rax\nimulq %%r15, %%rax\naddq %d(%%rdi), %%rax\n", 8 * QN_STRIP_Y);
  for (uint32_t i = 0; i < w->s->chains[chain]->num_rows; i++) {
    int field = 8 * (QN_STRIP_ROWS + 2 * (int)(chain * QN_LL_CHAIN_VALUES + i));
    TEXT("movq %d(%%rdi), %%%s\nimulq %%rsi, %%%s\n", field + 8, bases[i], bases[i]);
    TEXT("addq %d(%%rdi), %%%s\n", field, bases[i]);
  }
}
