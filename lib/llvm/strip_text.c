/* The assembly of a strip. For each tile:
 *
 *   sums from the columns' start values, or from where an earlier piece of K left them
 *   half of the turns over K, of four blocks each
 *   rounds, one for each row: lines of Y are fetched, then some turns; not earlier, since what lies in the first level
 *   for long gives way to panels
 *   what is left of K
 *   the epilogue row by row, or the sums to where they wait
 *
 * Registers: sums, then a block of columns, then rows' parts of it. In the epilogue the latter are values that are the
 * same for all, and what packs need. */
#include "strip_write.h"

enum { LINE = QN_STRIP_LINE, GROUP = 3 };
enum { SCALARS = QN_STRIP_MOST_SUMS, LEAST = 28, MOST = 29, ADD = 30, SHUFFLE = 31 }; /* in the epilogue */

/* Rows in groups of three, addressed by the first one's address and the stride. */
static const char *const groups[] = {"r8", "r10", "rdx"};

static bool has_bases(const writer *w) {
  return w->s->window || w->s->granules;
}

static void row_operand(writer *w, uint32_t row, int64_t offset) {
  static const char *const within[GROUP] = {"", ",%r9", ",%r9,2"};
  if (has_bases(w))
    qn__ll_strip_window_operand(w, row, offset);
  else if (w->s->few)
    TEXT("%lld(%%rbx)", (long long)(row * w->s->few->a_pitch + offset));
  else
    TEXT("%lld(%%%s%s)", (long long)offset, groups[row / GROUP], within[row % GROUP]);
}

void qn__ll_strip_advance(writer *w, uint32_t blocks) {
  for (uint32_t p = 0; p < w->s->tile->panels; p++)
    TEXT("addq $$%lld, %%%s\n", (long long)(blocks * w->b_block), qn__ll_strip_panel(p));
  if (has_bases(w)) {
    TEXT("addq $$%lld, %%rdx\n", (long long)(blocks * w->a_block));
    return;
  }
  if (w->s->few) {
    TEXT("addq $$%lld, %%rbx\n", (long long)(blocks * w->a_block));
    return;
  }
  for (uint32_t i = 0; i < (w->rows + GROUP - 1) / GROUP; i++)
    TEXT("addq $$%lld, %%%s\n", (long long)(blocks * w->a_block), groups[i]);
}

/* ---- sums ---- */

static void begin_tile(writer *w) {
  load_field(w, QN_STRIP_A, "r8");
  load_field(w, QN_STRIP_A_STRIDE, "r9");
  TEXT("leaq (%%r8,%%r9,2), %%r10\naddq %%r9, %%r10\n");
  if (w->rows > 2 * GROUP) TEXT("leaq (%%r10,%%r9,2), %%rdx\naddq %%r9, %%rdx\n");
  load_field(w, QN_STRIP_B, "rsi");
  if (w->s->fetches_b) {
    load_field(w, QN_STRIP_AHEAD, "r11");
    load_field(w, QN_STRIP_AHEAD_STEP, "r12");
  }
  if (w->s->fetches_y) {
    TEXT("imulq $$%u, %%r9, %%r13\naddq %%r8, %%r13\n", w->rows);
    load_field(w, QN_STRIP_A_STEP, "r14");
    load_field(w, QN_STRIP_Y, "r15");
  }
}

/* Where they wait, row by row; of few rows a panel's whole width of each. */
static long long waits_at(const writer *w, uint32_t i) {
  uint32_t pitch = w->s->few ? w->s->plan->layout.panel_width * 4 : w->vectors * LINE;
  return (long long)(i / w->vectors) * pitch + i % w->vectors * LINE;
}

/* The register with their address: of few rows one that it stays in from tile to tile; others have rows' addresses in
 * that one, and what is fetched. */
static const char *wait_in(const writer *w) {
  return w->s->few ? "r13" : "rcx";
}

static void start_sums(writer *w) {
  for (uint32_t i = w->sums; i < w->all; i++) TEXT("vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", i, i, i);
  if (w->s->cuts) if_field(w, QN_STRIP_FIRST, 0, "je", LABEL_RESUME);
  load_field(w, QN_STRIP_START, "rcx");
  for (uint32_t i = 0; i < w->sums; i++) {
    if (i < w->vectors)
      TEXT("vmovdqu64 %u(%%rcx), %%zmm%u\n", i * LINE, i);
    else
      TEXT("vmovdqa64 %%zmm%u, %%zmm%u\n", i % w->vectors, i);
  }
  if (!w->s->cuts) return;
  TEXT("jmp %df\n", LABEL_BEGUN);
  label(w, LABEL_RESUME);
  if (!w->s->few) load_field(w, QN_STRIP_SUMS, wait_in(w));
  for (uint32_t i = 0; i < w->sums; i++) TEXT("vmovdqu64 %lld(%%%s), %%zmm%u\n", waits_at(w, i), wait_in(w), i);
  label(w, LABEL_BEGUN);
}

void qn__ll_strip_columns(writer *w, uint32_t j) {
  uint32_t per = w->vectors / w->s->tile->panels;
  for (uint32_t v = 0; v < w->vectors; v++)
    TEXT("%s %lld(%%%s), %%zmm%u\n", w->words->load, (long long)(j * w->b_block + (int64_t)(v % per) * LINE),
         qn__ll_strip_panel(v / per), w->all + v);
}

/* Of block j: copies of the sums take turns. */
static void multiply_row(writer *w, uint32_t j, uint32_t row, uint32_t spread) {
  uint32_t first = j % w->s->tile->sets * w->sums + row * w->vectors;
  for (uint32_t v = 0; v < w->vectors; v++)
    TEXT("%s %%zmm%u, %%zmm%u, %%zmm%u\n", w->words->multiply, w->all + v, spread, first + v);
}

static uint32_t next_spread(writer *w) {
  return w->first_spread + w->next_spread++ % w->spreads;
}

void qn__ll_strip_row(writer *w, uint32_t j, uint32_t row) {
  uint32_t spread = next_spread(w);
  if (has_bases(w)) qn__ll_strip_window_row(w, row);
  TEXT("%s ", w->words->spread);
  row_operand(w, row, j * w->a_block);
  TEXT(", %%zmm%u\n", spread);
  multiply_row(w, j, row, spread);
}

static void block(writer *w, uint32_t j) {
  qn__ll_strip_columns(w, j);
  for (uint32_t r = 0; r < w->rows; r++) qn__ll_strip_row(w, j, r);
}

void qn__ll_strip_blocks(writer *w, uint32_t count) {
  for (uint32_t j = 0; j < count; j++) block(w, j);
  if (count) qn__ll_strip_advance(w, count);
}

/* ---- fetching ---- */

static void fetch_lines(writer *w, const char *how, int64_t offset, const char *reg, int64_t count) {
  for (int64_t i = 0; i < count; i++) TEXT("%s %lld(%%%s)\n", how, (long long)(offset + i * LINE), reg);
}

/* Beside block j of a turn. */
static void fetch(writer *w, qn_ll_strip_mode mode, uint32_t j) {
  const qn_gemm_plan *p = w->s->plan;
  int64_t lines = (w->b_block + LINE - 1) / LINE;
  if (mode == QN_STRIP_MANY && j % 2) return;
  if (w->s->fetches_b) {
    int64_t close = mode == QN_STRIP_FEW ? p->tile_close : p->tile_ahead;
    if (mode != QN_STRIP_MANY) fetch_lines(w, "prefetcht0", j * w->b_block + close, "rsi", lines);
    const char *ahead = w->s->window ? "rbx" : "r11";
    fetch_lines(w, "prefetcht1", 0, ahead, mode == QN_STRIP_ALONE ? lines : p->tile_lines);
    if (mode == QN_STRIP_FEW) {
      load_field(w, QN_STRIP_FAR, "rax");
      TEXT("prefetcht1 (%%r11,%%rax)\n");
    }
    if (w->s->window)
      TEXT("addq %d(%%rdi), %%rbx\n", 8 * QN_STRIP_AHEAD_STEP);
    else
      TEXT("addq %%r12, %%r11\n");
  }
  if (w->s->fetches_y) TEXT("prefetcht0 (%%r13)\naddq %%r14, %%r13\n");
}

/* A row of the tile's results. Where it does not begin with a line it ends in one more. */
static void fetch_results(writer *w) {
  int64_t bytes = (int64_t)w->s->tile->vectors * 16 * qn__ll_mem_bits(w->s->plan->y_mem) / 8;
  if (!w->s->fetches_y) return;
  fetch_lines(w, "prefetchw", 0, "r15", (bytes + LINE - 1) / LINE);
  TEXT("prefetchw %lld(%%r15)\naddq %d(%%rdi), %%r15\n", (long long)(bytes - 1), 8 * (int)QN_STRIP_Y_STRIDE);
}

void qn__ll_strip_turns(writer *w, qn_ll_strip_mode mode) {
  int first = LABEL_MODE + LABELS_MODE * (int)mode;
  TEXT("testq %%rcx, %%rcx\nje %df\n.p2align %d\n", first + ENOUGH, w->s->window ? 6 : 5);
  label(w, first + TURN);
  for (uint32_t j = 0; j < QN_STRIP_TURN; j++) {
    fetch(w, mode, j);
    block(w, j);
  }
  qn__ll_strip_advance(w, QN_STRIP_TURN);
  TEXT("decq %%rcx\njne %db\n", first + TURN);
  label(w, first + ENOUGH);
}

static void rounds(writer *w, qn_ll_strip_mode mode) {
  int first = LABEL_MODE + LABELS_MODE * (int)mode;
  TEXT("movl $$%u, %%ebx\n", w->rows);
  load_field(w, QN_STRIP_MORE_TURNS, "rcx");
  label(w, first + ROUND);
  qn__ll_strip_turns(w, mode);
  fetch_results(w);
  load_field(w, QN_STRIP_TURNS, "rcx");
  TEXT("decl %%ebx\njns %db\n", first + ROUND);
}

static void all_rounds(writer *w) {
  int modes = w->s->modes ? QN_STRIP_MODES : 1;
  for (int m = 1; m < modes; m++) if_field(w, QN_STRIP_MODE, m, "je", LABEL_MODE + LABELS_MODE * m + ENTRY);
  for (int m = 0; m < modes; m++) {
    if (m) label(w, LABEL_MODE + LABELS_MODE * m + ENTRY);
    rounds(w, (qn_ll_strip_mode)m);
    if (m + 1 < modes) TEXT("jmp %df\n", LABEL_REST);
  }
  label(w, LABEL_REST);
}

/* Blocks that are no turn, then the partial one, whose bytes behind the row's end are not read. */
void qn__ll_strip_rest(writer *w) {
  load_field(w, QN_STRIP_BLOCKS, "rcx");
  TEXT("testq %%rcx, %%rcx\nje %df\n", LABEL_NONE);
  label(w, LABEL_ONE);
  block(w, 0);
  qn__ll_strip_advance(w, 1);
  TEXT("decq %%rcx\njne %db\n", LABEL_ONE);
  label(w, LABEL_NONE);
  if (w->s->plan->lhs_padded || w->s->plan->layout.k_block == 1) return;
  load_field(w, QN_STRIP_TAIL, "rcx");
  TEXT("testq %%rcx, %%rcx\nje %df\nkmovq %%rcx, %%k1\n", LABEL_NO_TAIL);
  qn__ll_strip_columns(w, 0);
  for (uint32_t r = 0; r < w->rows; r++) {
    uint32_t spread = next_spread(w);
    if (w->s->window) qn__ll_strip_window_row(w, r);
    TEXT("vmovdqu8 ");
    row_operand(w, r, 0);
    TEXT(", %%xmm%u{%%k1}{z}\nvpbroadcastd %%xmm%u, %%zmm%u\n", spread, spread, spread);
    multiply_row(w, 0, r, spread);
  }
  for (uint32_t p = 0; w->s->window && p < w->s->tile->panels; p++)
    TEXT("addq $$%lld, %%%s\n", (long long)w->b_block, qn__ll_strip_panel(p));
  label(w, LABEL_NO_TAIL);
}

/* ---- results ---- */

static const char *const row_values[QN_LL_CHAIN_VALUES] = {"r8", "r9", "r10", "r11"};

static qn_ll_strip_field row_field(uint32_t chain, uint32_t i) {
  return (qn_ll_strip_field)(QN_STRIP_ROWS + 2 * (chain * QN_LL_CHAIN_VALUES + i));
}

/* Bytes of three vectors, or one, are stored under a mask in any case. */
static bool is_masked(const writer *w, uint32_t chain) {
  return !w->s->whole || (w->s->narrow[chain] && w->vectors % 2);
}

static void prepare(writer *w, uint32_t chain) {
  const qn_ll_chain *c = w->s->chains[chain];
  const qn_ll_narrow *n = w->s->narrow[chain];
  if (!w->s->pads) load_field(w, QN_STRIP_Y, "rax");
  load_field(w, QN_STRIP_Y_STRIDE, "r15");
  load_field(w, QN_STRIP_COLUMNS, "rdx");
  for (uint32_t i = 0; !w->s->pads && i < c->num_rows; i++) load_field(w, row_field(chain, i), row_values[i]);
  for (uint32_t i = 0; i < c->num_all; i++)
    TEXT("vbroadcastss %u(%%rdi), %%zmm%u\n", 8 * (QN_STRIP_ALL + chain * QN_LL_CHAIN_VALUES + i), SCALARS + i);
  if (is_masked(w, chain)) {
    TEXT("kmovq %d(%%rdi), %%k1\n", 8 * (int)QN_STRIP_MASK);
    for (uint32_t v = 1; v < w->vectors; v++) TEXT("kshiftrq $$16, %%k%u, %%k%u\n", v, v + 1);
  }
  if (!n) return;
  TEXT("vpmovzxbd %d(%%rdi), %%zmm%d\n", 8 * (int)QN_STRIP_SHUFFLE, SHUFFLE);
  if (n->add) TEXT("movl $$%d, %%ecx\nvpbroadcastw %%ecx, %%zmm%d\n", n->add, ADD);
  if (n->limits) {
    TEXT("movl $$%d, %%ecx\nvpbroadcastb %%ecx, %%zmm%d\n", n->least, LEAST);
    TEXT("movl $$%d, %%ecx\nvpbroadcastb %%ecx, %%zmm%d\n", n->most, MOST);
  }
}

static void value(writer *w, uint32_t chain, const qn_ll_step *s, uint32_t v) {
  uint32_t before = chain ? w->s->chains[0]->num_columns : 0, width = w->s->plan->layout.panel_width;
  switch (s->with) {
  case QN_LL_ALONE: return;
  case QN_LL_WITH_COLUMN: TEXT("%u(%%rdx), ", (before + s->value) * width * 4 + v * LINE); return;
  case QN_LL_WITH_ALL: TEXT("%%zmm%u, ", SCALARS + s->value); return;
  case QN_LL_WITH_ROW: TEXT("(%%%s){1to16}, ", row_values[s->value]); return;
  case QN_LL_WITH_ELEMENT: TEXT("%u(%%%s), ", v * LINE, row_values[s->value]); return;
  }
}

static void step(writer *w, uint32_t chain, const qn_ll_step *s, uint32_t row) {
  static const char *const there[] = {"{%k1}{z}", "{%k2}{z}", "{%k3}{z}", "{%k4}{z}"};
  for (uint32_t v = 0; v < w->vectors; v++) {
    uint32_t x = row * w->vectors + v;
    TEXT("%s ", s->op);
    if (s->behind) {
      TEXT("%%zmm%u, %%zmm%u, %%zmm%u\n", x, SCALARS + s->value, x);
      continue;
    }
    value(w, chain, s, v);
    if (s->where)
      TEXT("%%zmm%u, %%k7\nvmovaps %%zmm%u, %%zmm%u{%%k7}\n", x, SCALARS + s->value, x);
    else
      TEXT("%%zmm%u, %%zmm%u%s\n", x, x, s->with == QN_LL_WITH_ELEMENT && !w->s->whole ? there[v] : "");
  }
}

static void store_words(writer *w, uint32_t row) {
  for (uint32_t v = 0; v < w->vectors; v++) {
    TEXT("vmovups %%zmm%u, %u(%%rax)", row * w->vectors + v, v * LINE);
    if (!w->s->whole) TEXT("{%%k%u}", v + 1);
    TEXT("\n");
  }
}

static void pack(writer *w, const char *op, uint32_t high, uint32_t low) {
  TEXT("%s %%zmm%u, %%zmm%u, %%zmm%u\n", op, high, low, low);
}

static void store_bytes(writer *w, uint32_t chain, uint32_t row) {
  const qn_ll_narrow *n = w->s->narrow[chain];
  uint32_t x = row * w->vectors, pairs = w->vectors > 2 ? 2 : 1;
  for (uint32_t v = 0; v < w->vectors && n->floats; v++) TEXT("vcvtps2dq %%zmm%u, %%zmm%u\n", x + v, x + v);
  for (uint32_t p = 0; p < pairs; p++) {
    uint32_t low = x + 2 * p, high = 2 * p + 1 < w->vectors ? low + 1 : low;
    pack(w, "vpackssdw", high, low);
    if (n->add) TEXT("vpaddsw %%zmm%d, %%zmm%u, %%zmm%u\n", ADD, low, low);
  }
  pack(w, n->is_unsigned ? "vpackuswb" : "vpacksswb", pairs > 1 ? x + 2 : x, x);
  if (n->limits && n->least > (n->is_unsigned ? 0 : -128)) pack(w, n->is_unsigned ? "vpmaxub" : "vpmaxsb", LEAST, x);
  if (n->limits && n->most < (n->is_unsigned ? 255 : 127)) pack(w, n->is_unsigned ? "vpminub" : "vpminsb", MOST, x);
  TEXT("vpermd %%zmm%u, %%zmm%d, %%zmm%u\n", x, SHUFFLE, x);
  if (is_masked(w, chain))
    TEXT("vmovdqu8 %%zmm%u, (%%rax){%%k1}\n", x);
  else
    TEXT("vmovdqu64 %%%s%u, (%%rax)\n", pairs > 1 ? "zmm" : "ymm", x);
}

static void results(writer *w, uint32_t chain) {
  const qn_ll_chain *c = w->s->chains[chain];
  prepare(w, chain);
  for (uint32_t r = 0; r < w->rows; r++) {
    if (w->s->pads) qn__ll_strip_window_result(w, chain, r);
    for (uint32_t i = 0; i < c->num_steps; i++) step(w, chain, &c->steps[i], r);
    if (w->s->narrow[chain])
      store_bytes(w, chain, r);
    else
      store_words(w, r);
    if (w->s->pads) continue;
    TEXT("addq %%r15, %%rax\n");
    for (uint32_t i = 0; i < c->num_rows; i++)
      TEXT("addq %d(%%rdi), %%%s\n", 8 * ((int)row_field(chain, i) + 1), row_values[i]);
  }
  if (w->s->pads) return; /* rows of Y are where their list has them */
  store_field(w, "rax", QN_STRIP_Y);
  for (uint32_t i = 0; i < c->num_rows; i++) store_field(w, row_values[i], row_field(chain, i));
}

/* What the other chain takes by row moves on, too. */
static void move_rows(writer *w, uint32_t chain) {
  for (uint32_t i = 0; !w->s->pads && i < w->s->chains[chain]->num_rows; i++) {
    TEXT("imulq $$%u, %d(%%rdi), %%rcx\n", w->rows, 8 * ((int)row_field(chain, i) + 1));
    add_field(w, "rcx", row_field(chain, i));
  }
}

void qn__ll_strip_leave_row(writer *w, uint32_t row) {
  for (uint32_t i = row * w->vectors; i < (row + 1) * w->vectors; i++)
    TEXT("vmovdqu64 %%zmm%u, %lld(%%%s)\n", i, waits_at(w, i), wait_in(w));
}

static void leave_sums(writer *w) {
  load_field(w, QN_STRIP_SUMS, wait_in(w));
  for (uint32_t r = 0; r < w->rows; r++) qn__ll_strip_leave_row(w, r);
}

static void end_sums(writer *w) {
  if (w->s->cuts && !w->s->few) {
    if_field(w, QN_STRIP_LAST, 0, "jne", LABEL_SUMMED);
    leave_sums(w);
    if (!w->s->pads) {
      TEXT("imulq $$%u, %d(%%rdi), %%rcx\n", w->rows, 8 * (int)QN_STRIP_Y_STRIDE);
      add_field(w, "rcx", QN_STRIP_Y);
    }
    TEXT("jmp %df\n", LABEL_NEXT);
    label(w, LABEL_SUMMED);
  }
  if (w->s->num_chains > 1) if_field(w, QN_STRIP_PACKED, 0, "je", LABEL_OTHER);
  results(w, 0);
  if (w->s->num_chains < 2) return;
  move_rows(w, 1);
  TEXT("jmp %df\n", LABEL_NEXT);
  label(w, LABEL_OTHER);
  results(w, 1);
  move_rows(w, 0);
}

static void end_tile(writer *w) {
  for (uint32_t i = w->sums; i < w->all; i++) TEXT("vpaddd %%zmm%u, %%zmm%u, %%zmm%u\n", i, i % w->sums, i % w->sums);
  if (w->s->fetches_b) store_field(w, w->s->window ? "rbx" : "r11", QN_STRIP_AHEAD);
  if (w->s->num_chains)
    end_sums(w);
  else if (!w->s->few)
    leave_sums(w);
  label(w, LABEL_NEXT);
  if (w->s->few) {
    qn__ll_strip_few_end(w);
    return;
  }
  if (w->s->cuts) TEXT("addq $$%u, %d(%%rdi)\n", w->rows * w->s->plan->layout.panel_width * 4, 8 * (int)QN_STRIP_SUMS);
  if (w->s->window) {
    TEXT("addq $$%u, %d(%%rdi)\n", w->rows * 8, 8 * (int)QN_STRIP_PLACES);
  } else {
    TEXT("imulq $$%u, %d(%%rdi), %%rcx\n", w->rows, 8 * (int)QN_STRIP_A_STRIDE);
    add_field(w, "rcx", QN_STRIP_A);
  }
  TEXT("decq %d(%%rdi)\njne %db\n", 8 * (int)QN_STRIP_TILES, LABEL_TILE);
}

static void write_text(writer *w) {
  if_field(w, QN_STRIP_TILES, 0, "je", LABEL_END);
  if (w->s->few) qn__ll_strip_few_begin(w);
  label(w, LABEL_TILE);
  if (w->s->window) {
    qn__ll_strip_window_begin(w);
    start_sums(w);
    qn__ll_strip_window_sums(w);
  } else if (w->s->granules) {
    qn__ll_strip_granules_begin(w);
    start_sums(w);
    qn__ll_strip_granules_sums(w);
  } else if (w->s->few) {
    start_sums(w);
    qn__ll_strip_few_sums(w);
  } else {
    begin_tile(w);
    start_sums(w);
    all_rounds(w);
    qn__ll_strip_rest(w);
  }
  end_tile(w);
  label(w, LABEL_END);
}

/* ---- the function ---- */

LLVMValueRef qn__ll_strip_text(const qn_ll_strip *s, const char *symbol) {
  qn_ll *g = s->g;
  qn_ll_inner f;
  const qn_layout *l = &s->plan->layout;
  writer w = {.s = s, .words = qn__ll_wording_of(g, s->plan, s->tile->dot)};
  w.rows = s->tile->rows, w.vectors = s->tile->vectors, w.sums = w.rows * w.vectors;
  w.all = w.sums * s->tile->sets;
  w.first_spread = w.all + w.vectors, w.spreads = QN_LL_ZMM - w.first_spread;
  w.a_block = (int64_t)l->k_block * qn__ll_mem_bits(s->plan->lhs) / 8;
  w.b_block = (int64_t)l->k_block * l->panel_width * qn__ll_mem_bits(s->plan->rhs) / 8;
  qn__ll_assembly_frame_begin(g, &f, &w.code, symbol, "strip");
  write_text(&w);
  return qn__ll_assembly_frame_end(g, &f, &w.code);
}
