/* The text of windows of bytes (depthwise.c): sums of a group of units, and results.
 *
 * Registers: 16 sums, four of two pairs of columns, four of four columns, two of loaded ones. In the epilogue values
 * that are the same for all are behind the sums, and what packs need. */
#include "depthwise_write.h"

enum { PAIRS = 16, FOURS = 20, LOADED = 24, MOVED = 16 }; /* registers */
enum { SCALARS = 24, LEAST = 28, MOST = 29, ADD = 30 };   /* in the epilogue */

/* ---- sums ---- */

typedef struct line {
  const windows *w;
  uint32_t units;
  bool some;      /* not all columns are there */
  int64_t at;     /* the column where rax stands */
  uint32_t first; /* of the units whose series is written */
} line;

static bool same_series(const line *l, uint32_t unit) {
  return qn__series_of(l->w, unit) == qn__series_of(l->w, l->first);
}

/* Whether a window has the series' column with this number. */
static bool has_column(const line *l, int64_t number) {
  for (uint32_t u = l->first; u < l->units; u++) {
    int64_t j = number - qn__series_first(l->w, u);
    if (same_series(l, u) && j >= 0 && j < l->w->width) return true;
  }
  return false;
}

/* Which of the unit's fours begins with the series' pair i; -1: none. */
static int64_t four_of(const line *l, uint32_t unit, int64_t i) {
  int64_t first = qn__series_first(l->w, unit), past = i - first / 2;
  return same_series(l, unit) && past >= 0 && past % 2 == 0 && 2 * past - first % 2 < l->w->width ? past / 2 : -1;
}

static void load_column(text *t, line *l, int64_t number, uint32_t to) {
  int64_t c = qn__series_of(l->w, l->first) + number * l->w->dilation;
  const char *from = l->some ? "rcx" : "rax";
  qn__ll_window_go(t, &l->at, c);
  if (l->some) qn__ll_window_find(t, c, false);
  if (l->some && t->at_once > 1) { /* each pixel's own */
    TEXT("vmovdqu8 (%%rcx), %%ymm%u\n", to);
    qn__ll_window_find(t, c, true);
    TEXT("vinserti64x4 $$1, (%%rcx), %%zmm%u, %%zmm%u\n", to, to);
  } else {
    TEXT("vmovdqu8 (%%%s), %%%cmm%u%s\n", from, t->kind, to, t->masks ? "{%k1}{z}" : "");
  }
}

/* Columns 2 i and 2 i + 1 of the series, interleaved; one that no window has may be any, it meets weights that are 0.
 */
static void load_pair(text *t, line *l, int64_t i) {
  bool even = has_column(l, 2 * i), odd = has_column(l, 2 * i + 1);
  uint32_t to = PAIRS + (uint32_t)(i % 2) * 2, low = even ? LOADED : LOADED + 1, high = odd ? LOADED + 1 : LOADED;
  if (!even && !odd) return;
  if (even) load_column(t, l, 2 * i, low);
  if (odd) load_column(t, l, 2 * i + 1, high);
  TEXT("vpunpcklbw %%%cmm%u, %%%cmm%u, %%%cmm%u\n", t->kind, high, t->kind, low, t->kind, to);
  TEXT("vpunpckhbw %%%cmm%u, %%%cmm%u, %%%cmm%u\n", t->kind, high, t->kind, low, t->kind, to + 1);
}

/* Pairs i and i + 1 as four columns, for all units that have them so. */
static void multiply(text *t, const line *l, int64_t i) {
  uint32_t a = PAIRS + (uint32_t)(i % 2) * 2, b = PAIRS + (uint32_t)((i + 1) % 2) * 2;
  bool made = false;
  for (uint32_t u = l->first; u < l->units; u++) {
    int64_t four = four_of(l, u, i);
    if (four < 0) continue;
    for (uint32_t k = 0; k < 4 && !made; k++)
      TEXT("vpunpck%cwd %%%cmm%u, %%%cmm%u, %%%cmm%u\n", k % 2 ? 'h' : 'l', t->kind, b + k / 2, t->kind, a + k / 2,
           t->kind, FOURS + k);
    made = true;
    int64_t at = qn__four_at(l->w, 0, four, qn__series_first(l->w, u) % 2);
    for (uint32_t j = 0; j < VECTORS; j++)
      TEXT("vpdpbusd %lld(%%r9), %%%cmm%u, %%%cmm%u\n", (long long)(at + j * l->w->bytes), t->kind, FOURS + j, t->kind,
           u * VECTORS + j);
  }
}

/* The series that unit l->first begins. */
static void one_series(text *t, line *l) {
  int64_t begin = qn__series_first(l->w, l->first) / 2, end = begin;
  for (uint32_t u = l->first; u < l->units; u++)
    if (same_series(l, u)) end = (qn__series_first(l->w, u) + l->w->width - 1) / 2;
  for (int64_t i = begin; i <= end; i++) {
    load_pair(t, l, i);
    if (i > begin) multiply(t, l, i - 1);
  }
  multiply(t, l, end);
}

static void one_line(text *t, const windows *w, uint32_t units, bool some) {
  line l = {.w = w, .units = units, .some = some};
  for (uint32_t u = 0; u < units; u++) {
    bool begun = false;
    for (l.first = 0; l.first < u; l.first++) begun |= same_series(&l, u);
    if (!begun) one_series(t, &l);
  }
}

static void sums(text *t, const windows *w, uint32_t units) {
  const qn_window *shape = &t->plan->shape;
  load(t, GROUP_AT, "r8");
  load(t, TAP, "r9");
  load(t, COLUMN, "r11");
  load(t, READABLE, "rdx");
  load(t, OUTSIDE, "rsi");
  load(t, DOWN, "r12");
  TEXT("movl $$%lld, %%r14d\n", (long long)w->height);
  if (t->pads) load(t, TOP, "r15");
  for (uint32_t i = 0; i < units * VECTORS; i++)
    TEXT("vpxord %%%cmm%u, %%%cmm%u, %%%cmm%u\n", t->kind, i, t->kind, i, t->kind, i);
  label(t, AT_LINE);
  TEXT("movq %%rdx, %%rbx\nmovq %%r8, %%rax\n");
  if (t->pads) TEXT("xorl %%ecx, %%ecx\ncmpq %d(%%rdi), %%r15\ncmovaeq %%rcx, %%rbx\n", 8 * HEIGHT);
  qn__ll_window_unless_all(t, units * t->at_once, AT_SOME);
  if (t->at_once > 1) TEXT("cmpq $$%u, %%r11\njne %df\n", t->lanes, AT_SOME); /* pixels are not side by side */
  one_line(t, w, units, false);
  TEXT("jmp %df\n", AT_LINE_END);
  label(t, AT_SOME);
  one_line(t, w, units, true);
  label(t, AT_LINE_END);
  TEXT("addq %%r12, %%r8\naddq $$%lld, %%r9\n", (long long)qn__line_bytes(w));
  if (t->pads) TEXT("addq $$%lld, %%r15\n", (long long)shape->dilation[0]);
  TEXT("decl %%r14d\njne %db\n", AT_LINE);
}

/* ---- results ---- */

static void value(text *t, uint32_t chain, const qn_ll_step *s, uint32_t v) {
  uint32_t before = chain ? t->all.chain[0].num_columns : 0;
  if (s->with == QN_LL_WITH_COLUMN) TEXT("%u(%%r9), ", (before + s->value) * CHANNELS * 4 + v * t->vector_bytes);
  if (s->with == QN_LL_WITH_ALL) TEXT("%%%cmm%u, ", t->kind, SCALARS + s->value);
}

static void step(text *t, uint32_t chain, const qn_ll_step *s, uint32_t unit) {
  for (uint32_t v = 0; v < VECTORS; v++) {
    uint32_t x = unit * VECTORS + v;
    TEXT("%s ", s->op);
    if (s->behind) {
      TEXT("%%%cmm%u, %%%cmm%u, %%%cmm%u\n", t->kind, x, t->kind, SCALARS + s->value, t->kind, x);
      continue;
    }
    value(t, chain, s, v);
    if (s->where)
      TEXT("%%%cmm%u, %%k7\nvmovaps %%%cmm%u, %%%cmm%u{%%k7}\n", t->kind, x, t->kind, SCALARS + s->value, t->kind, x);
    else
      TEXT("%%%cmm%u, %%%cmm%u\n", t->kind, x, t->kind, x);
  }
}

static void pack(text *t, const char *op, uint32_t high, uint32_t low) {
  TEXT("%s %%%cmm%u, %%%cmm%u, %%%cmm%u\n", op, t->kind, high, t->kind, low, t->kind, low);
}

/* Packs take from each lane of 128 bits: sums that stand apart come out in their order. */
static void pack_unit(text *t, const qn_ll_narrow *n, uint32_t x) {
  for (uint32_t v = 0; v < VECTORS && n->floats; v++)
    TEXT("vcvtps2dq %%%cmm%u, %%%cmm%u\n", t->kind, x + v, t->kind, x + v);
  for (uint32_t p = 0; p < VECTORS; p += 2) {
    pack(t, "vpackssdw", x + p + 1, x + p);
    if (n->add) TEXT("vpaddsw %%%cmm%d, %%%cmm%u, %%%cmm%u\n", t->kind, ADD, t->kind, x + p, t->kind, x + p);
  }
  pack(t, n->is_unsigned ? "vpackuswb" : "vpacksswb", x + 2, x);
  if (n->limits && n->least > (n->is_unsigned ? 0 : -128)) pack(t, n->is_unsigned ? "vpmaxub" : "vpmaxsb", LEAST, x);
  if (n->limits && n->most < (n->is_unsigned ? 255 : 127)) pack(t, n->is_unsigned ? "vpminub" : "vpminsb", MOST, x);
}

/* The unit's second pixel, if there is one. */
static void second_pixel(text *t, uint32_t unit) {
  TEXT("cmpq $$%u, %%rcx\nje %df\n", unit * 2 + 1, AT_STORED);
}

static void store_bytes(text *t, uint32_t unit) {
  uint32_t x = unit * VECTORS;
  if (t->at_once == 1) {
    TEXT("vmovdqu8 %%%cmm%u, (%%r10)%s\n", t->kind, x, t->masks ? "{%k1}" : "");
    return;
  }
  TEXT("vmovdqu %%ymm%u, (%%r10)\n", x);
  second_pixel(t, unit);
  TEXT("vextracti64x4 $$1, %%zmm%u, (%%r10,%%rax)\n", x);
}

static void store_words(text *t, uint32_t unit) {
  uint32_t x = unit * VECTORS;
  qn__depthwise_turn(t, x, MOVED, t->kind == 'z' ? x : MOVED);
  if (t->kind == 'y') x = MOVED;
  for (uint32_t v = 0; v < VECTORS; v++) {
    bool second = t->at_once > 1 && v >= VECTORS / 2;
    if (second && v == VECTORS / 2) second_pixel(t, unit);
    TEXT("vmovups %%%cmm%u, %u(%%r10%s)", t->kind, x + v, (second ? v - VECTORS / 2 : v) * t->vector_bytes,
         second ? ",%rax" : "");
    if (t->masks && t->all.count) TEXT("{%%k%u}", v + 1);
    TEXT("\n");
  }
}

static void prepare_results(text *t, uint32_t chain) {
  const qn_ll_narrow *n = &t->all.narrow[chain];
  for (uint32_t i = 0; i < t->all.chain[chain].num_all; i++)
    TEXT("vbroadcastss %u(%%rdi), %%%cmm%u\n", 8 * (SCALAR + chain * VALUES + i), t->kind, SCALARS + i);
  if (!t->all.bytes) return;
  if (n->add) TEXT("movl $$%d, %%ecx\nvpbroadcastw %%ecx, %%%cmm%d\n", n->add, t->kind, ADD);
  if (!n->limits) return;
  TEXT("movl $$%d, %%ecx\nvpbroadcastb %%ecx, %%%cmm%d\n", n->least, t->kind, LEAST);
  TEXT("movl $$%d, %%ecx\nvpbroadcastb %%ecx, %%%cmm%d\n", n->most, t->kind, MOST);
}

static void chain_results(text *t, uint32_t chain, uint32_t units) {
  const qn_ll_chain *c = &t->all.chain[chain];
  prepare_results(t, chain);
  load(t, Y, "r10");
  load(t, Y_PITCH, "rax");
  load(t, COUNT, "rcx");
  load(t, VALUES_AT, "r9");
  for (uint32_t u = 0; u < units; u++) {
    if (u) TEXT("cmpq $$%u, %%rcx\nje %df\n", u * t->at_once, AT_STORED);
    for (uint32_t i = 0; i < c->num_steps; i++) step(t, chain, &c->steps[i], u);
    if (t->all.bytes) {
      pack_unit(t, &t->all.narrow[chain], u * VECTORS);
      store_bytes(t, u);
    } else {
      store_words(t, u);
    }
    if (u + 1 < units) TEXT("leaq (%%r10,%%rax,%u), %%r10\n", t->at_once);
  }
}

static void results(text *t, uint32_t units) {
  if (t->all.count > 1) TEXT("cmpq $$0, %d(%%rdi)\nje %df\n", 8 * PACKED, AT_OTHER);
  chain_results(t, 0, units);
  if (t->all.count > 1) {
    TEXT("jmp %df\n", AT_STORED);
    label(t, AT_OTHER);
    chain_results(t, 1, units);
  }
  label(t, AT_STORED);
}

/* ---- all of it ---- */

void qn__depthwise_group(text *t) {
  const windows w = qn__windows_of(t->plan);
  TEXT("cmpq $$%u, %d(%%rdi)\njle %df\n", FEW_UNITS * t->at_once, 8 * COUNT, AT_SMALL);
  sums(t, &w, UNITS);
  results(t, UNITS);
  TEXT("jmp %df\n", AT_CHANNELS_END);
  label(t, AT_SMALL);
  sums(t, &w, FEW_UNITS);
  results(t, FEW_UNITS);
  label(t, AT_CHANNELS_END);
}

static void step_field(text *t, int field, int64_t by) {
  TEXT("addq $$%lld, %d(%%rdi)\n", (long long)by, 8 * field);
}

static void panel_masks(text *t) {
  if (!t->masks) return;
  TEXT("xorl %%r10d, %%r10d\n");
  qn__ll_window_masks(t);
  for (uint32_t v = 1; v < VECTORS; v++) TEXT("kshiftrq $$%u, %%k%u, %%k%u\n", t->lanes / VECTORS, v, v + 1);
}

void qn__depthwise_panels(text *t) {
  const windows w = qn__windows_of(t->plan);
  int64_t panel = t->lanes;
  TEXT("vmovdqu64 %d(%%rdi), %%zmm0\nvmovdqu64 %%zmm0, %d(%%rdi)\n", 8 * ROWS, 8 * START);
  label(t, AT_PANEL);
  qn__depthwise_weights(t, &w);
  panel_masks(t);
  qn__ll_window_groups(t);
  TEXT("subq $$%lld, %d(%%rdi)\njle %df\n", (long long)panel, 8 * CHANNELS_LEFT, AT_END);
  step_field(t, START + LINE_AT, panel), step_field(t, START + GROUP_AT, panel);
  step_field(t, START + Y, panel * t->y_size), step_field(t, WEIGHTS, t->weight_bytes * panel);
  step_field(t, VALUES_AT, panel * 4);
  TEXT("vmovdqu64 %d(%%rdi), %%zmm0\nvmovdqu64 %%zmm0, %d(%%rdi)\n", 8 * START, 8 * ROWS);
  TEXT("jmp %db\n", AT_PANEL);
  label(t, AT_END);
}

void qn__depthwise_sums(text *t) {
  const windows w = qn__windows_of(t->plan);
  TEXT("cmpq $$0, %d(%%rdi)\nje %df\n", 8 * PACKED, AT_OTHER);
  qn__depthwise_weights(t, &w);
  label(t, AT_OTHER);
  panel_masks(t);
  qn__ll_window_groups(t);
}
