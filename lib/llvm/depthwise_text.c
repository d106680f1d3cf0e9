/* WINDOW products of bytes as assembly for AVX-512 with dot products of bytes, a panel of 64 channels at a time, or of
 * 32, whose vectors are half as wide: they have as many bytes as the panel has channels. The idea is that of
 * depthwise.c, windows are read where they are. For each panel of channels its weights are brought into the order that
 * sums have, and then for all groups of four pixels, or two:
 *
 *   for each line of the windows: column after column, two by two, then four by four interleaved by bytes, and
 *   multiplied for all pixels whose windows have any of the four, with weights that are shifted accordingly
 *   the epilogue, pixel by pixel
 *
 * Where windows lie one position apart two pixels share four columns, of which each sees three or all; where they lie
 * two apart they share pairs of columns. A unit is what begins at the same column of four: two pixels, or one.
 *
 * Registers: 16 sums, four of two pairs of columns, four of four columns, two of loaded ones. In the epilogue values
 * that are the same for all are behind the sums, and what packs need. */
#include "tile.h"
#include "window_write.h"

enum { MOST_CHANNELS = 64, VECTORS = 4, PIXELS = 4, FEW_PIXELS = 2, MOST_TAPS = 49 };
enum { PAIRS = 16, FOURS = 20, LOADED = 24, MOVED = 16 };                /* registers */
enum { SCALARS = 24, LEAST = 28, MOST = 29, ADD = 30 };                  /* in the epilogue */
enum { ORDERED = 0, SHIFTED = (MOST_TAPS + 3) / 4 * MOST_CHANNELS * 4 }; /* of prepared weights, which follow */

typedef struct weights {
  int64_t width, height, unit; /* of the window; pixels of a unit */
  int64_t fours;               /* that a line of the windows of a unit has */
  int64_t panel;               /* channels, and bytes of a vector */
} weights;

static weights weights_of(const qn_gemm_plan *p) {
  weights w = {.width = p->shape.size[1],
               .height = p->shape.size[0],
               .unit = p->shape.stride[1] == 1 ? 2 : 1,
               .panel = p->layout.panel_width};
  w.fours = (w.width + w.unit - 1 + 3) / 4;
  return w;
}

/* Bytes of prepared weights of a line. */
static int64_t line_bytes(const weights *w) {
  return w->fours * w->unit * w->panel * 4;
}

/* Where 32 channels fill their pixels, whole vectors take two of those that lie one position apart (depthwise.c), which
 * is faster. */
bool qn__ll_depthwise_text_serves(const qn_ll *g, const qn_gemm_plan *p) {
  const qn_window *w = &p->shape;
  bool pairs = p->layout.panel_width < MOST_CHANNELS && !p->tile.text_masks && w->stride[1] == 1;
  return qn__ll_depthwise_serves(g, p) && !pairs && w->dilation[0] == 1 && w->dilation[1] == 1 && w->stride[1] <= 2 &&
         w->size[1] <= 7 && w->size[0] <= 7;
}

static bool is_wide(const text *t) {
  return t->lanes == MOST_CHANNELS;
}

/* ---- weights ---- */

static void turn_some(text *t, int low, int high, uint32_t a, uint32_t b, uint32_t to, bool upper) {
  TEXT("vshufi32x4 $$%d, %%%cmm%u, %%%cmm%u, %%%cmm%u\n", upper ? high : low, t->kind, b, t->kind, a, t->kind, to);
}

/* Lanes of 128 bits of four vectors change places with vectors. */
static void turn_wide(text *t, uint32_t from, uint32_t through, uint32_t to) {
  for (uint32_t i = 0; i < 4; i++) turn_some(t, 0x44, 0xEE, from + i % 2 * 2, from + i % 2 * 2 + 1, through + i, i / 2);
  for (uint32_t i = 0; i < 4; i++)
    turn_some(t, 0x88, 0xDD, through + i / 2 * 2, through + i / 2 * 2 + 1, to + i, i % 2);
}

/* The panel's at rcx, four positions each: into rdx, in the order of sums. */
static void order_weights(text *t, const weights *w) {
  uint32_t wide = (uint32_t)w->panel;
  TEXT("movl $$%lld, %%eax\n", (long long)((w->width * w->height + 3) / 4));
  label(t, AT_LINE);
  for (uint32_t i = 0; i < VECTORS; i++) TEXT("vmovdqu64 %u(%%rcx), %%%cmm%u\n", i * wide, t->kind, i);
  if (is_wide(t))
    turn_wide(t, 0, 4, 8);
  else
    for (uint32_t i = 0; i < VECTORS; i++) turn_some(t, 0, 3, i / 2, i / 2 + 2, 8 + i, i % 2);
  for (uint32_t i = 0; i < VECTORS; i++) TEXT("vmovdqu64 %%%cmm%u, %u(%%rdx)\n", t->kind, 8 + i, i * wide);
  TEXT("addq $$%u, %%rcx\naddq $$%u, %%rdx\ndecl %%eax\njne %db\n", wide * 4, wide * 4, AT_LINE);
}

/* Those of four columns for pixel `v` of a unit, of one vector at rdx: bytes of two groups of four that follow. */
static void shift_weights(text *t, const weights *w, int64_t line, int64_t four, int64_t v, int64_t to) {
  int64_t first = -1, count = 0;
  for (int64_t b = 0; b < 4; b++) {
    int64_t j = 4 * four + b - v;
    if (j < 0 || j >= w->width) continue;
    if (first < 0) first = b;
    count++;
  }
  if (count == 0) {
    TEXT("vpxord %%%cmm0, %%%cmm0, %%%cmm0\nvmovdqu64 %%%cmm0, %lld(%%rdx)\n", t->kind, t->kind, t->kind, t->kind,
         (long long)to);
    return;
  }
  int64_t tap = line * w->width + 4 * four + first - v, at = ORDERED + tap / 4 * w->panel * 4, skip = tap % 4;
  TEXT("vmovdqu64 %lld(%%rdx), %%%cmm0\n", (long long)at, t->kind);
  if (skip) TEXT("vpsrld $$%lld, %%%cmm0, %%%cmm0\n", (long long)(8 * skip), t->kind, t->kind);
  if (skip + count > 4) {
    TEXT("vmovdqu64 %lld(%%rdx), %%%cmm1\n", (long long)(at + w->panel * 4), t->kind);
    TEXT("vpslld $$%lld, %%%cmm1, %%%cmm1\nvpord %%%cmm1, %%%cmm0, %%%cmm0\n", (long long)(8 * (4 - skip)), t->kind,
         t->kind, t->kind, t->kind, t->kind);
  }
  if (count < 4) TEXT("vpslld $$%lld, %%%cmm0, %%%cmm0\n", (long long)(8 * (4 - count)), t->kind, t->kind);
  if (count + first < 4)
    TEXT("vpsrld $$%lld, %%%cmm0, %%%cmm0\n", (long long)(8 * (4 - count - first)), t->kind, t->kind);
  TEXT("vmovdqu64 %%%cmm0, %lld(%%rdx)\n", t->kind, (long long)to);
}

static int64_t shifted_at(const weights *w, int64_t line, int64_t four, int64_t v) {
  return SHIFTED + line * line_bytes(w) + (four * w->unit + v) * w->panel * 4;
}

static void prepare_weights(text *t, const weights *w) {
  load(t, WEIGHTS, "rcx");
  load(t, TAP, "rdx");
  order_weights(t, w);
  load(t, TAP, "rdx");
  TEXT("movl $$%d, %%eax\n", VECTORS);
  label(t, AT_SOME);
  for (int64_t line = 0; line < w->height; line++)
    for (int64_t four = 0; four < w->fours; four++)
      for (int64_t v = 0; v < w->unit; v++) shift_weights(t, w, line, four, v, shifted_at(w, line, four, v));
  TEXT("addq $$%lld, %%rdx\ndecl %%eax\njne %db\n", (long long)w->panel, AT_SOME);
}

/* ---- sums ---- */

/* Pairs of columns that so many pixels see. */
static int64_t pairs_of(const weights *w, uint32_t pixels) {
  int64_t units = pixels / w->unit;
  return units - 1 + 2 * w->fours;
}

/* The address of column c in `from`, which rax then stands at. */
static const char *find_column(text *t, int64_t c, bool some) {
  if (!some) return "rax";
  TEXT("btq $$%lld, %%rbx\nmovq %%rsi, %%rcx\ncmovcq %%rax, %%rcx\n", (long long)c);
  return "rcx";
}

static void load_column(text *t, const char *from, uint32_t to) {
  TEXT("vmovdqu8 (%%%s), %%%cmm%u%s\n", from, t->kind, to, t->masks ? "{%k1}{z}" : "");
}

/* Columns 2 i and 2 i + 1 of the line, interleaved; there are `count` columns. */
static void load_pair(text *t, int64_t i, int64_t count, bool some) {
  uint32_t to = PAIRS + (uint32_t)(i % 2) * 2, high = LOADED;
  load_column(t, find_column(t, 2 * i, some), LOADED);
  TEXT("addq %%r11, %%rax\n");
  if (2 * i + 1 < count) { /* else it meets weights that are 0 */
    load_column(t, find_column(t, 2 * i + 1, some), high = LOADED + 1);
    TEXT("addq %%r11, %%rax\n");
  }
  TEXT("vpunpcklbw %%%cmm%u, %%%cmm%d, %%%cmm%u\n", t->kind, high, t->kind, LOADED, t->kind, to);
  TEXT("vpunpckhbw %%%cmm%u, %%%cmm%d, %%%cmm%u\n", t->kind, high, t->kind, LOADED, t->kind, to + 1);
}

/* Pairs i and i + 1 as four columns, for all units that have them so. */
static void multiply(text *t, const weights *w, int64_t i, uint32_t pixels) {
  uint32_t a = PAIRS + (uint32_t)(i % 2) * 2, b = PAIRS + (uint32_t)((i + 1) % 2) * 2;
  for (uint32_t half = 0; half < 2; half++)
    for (uint32_t high = 0; high < 2; high++)
      TEXT("vpunpck%cwd %%%cmm%u, %%%cmm%u, %%%cmm%u\n", high ? 'h' : 'l', t->kind, b + half, t->kind, a + half,
           t->kind, FOURS + 2 * half + high);
  for (int64_t four = 0; four < w->fours; four++) {
    int64_t unit = i - 2 * four;
    if (unit < 0 || unit >= pixels / w->unit) continue;
    for (int64_t v = 0; v < w->unit; v++)
      for (int64_t j = 0; j < VECTORS; j++)
        TEXT("vpdpbusd %lld(%%r9), %%%cmm%lld, %%%cmm%lld\n", (long long)(shifted_at(w, 0, four, v) + j * w->panel),
             t->kind, (long long)(FOURS + j), t->kind, (long long)((unit * w->unit + v) * VECTORS + j));
  }
}

static bool is_wanted(const weights *w, int64_t i, uint32_t pixels) {
  for (int64_t four = 0; four < w->fours; four++)
    if (i - 2 * four >= 0 && i - 2 * four < pixels / w->unit) return true;
  return false;
}

static int64_t columns_of(const text *t, const weights *w, uint32_t pixels) {
  return (pixels - 1) * t->plan->shape.stride[1] + w->width;
}

static void one_line(text *t, const weights *w, uint32_t pixels, bool some) {
  int64_t pairs = pairs_of(w, pixels), columns = columns_of(t, w, pixels);
  for (int64_t i = 0; i < pairs; i++) {
    if (2 * i < columns) load_pair(t, i, columns, some); /* else the last one stays: weights are 0 */
    if (i > 0 && is_wanted(w, i - 1, pixels)) multiply(t, w, i - 1, pixels);
  }
}

static void sums(text *t, const weights *w, uint32_t pixels) {
  unsigned long long all = (1ull << columns_of(t, w, pixels)) - 1;
  load(t, GROUP_AT, "r8");
  load(t, TAP, "r9");
  load(t, COLUMN, "r11");
  load(t, READABLE, "rdx");
  load(t, OUTSIDE, "rsi");
  load(t, DOWN, "r12");
  TEXT("movl $$%lld, %%r14d\n", (long long)w->height);
  if (t->pads) load(t, TOP, "r15");
  for (uint32_t i = 0; i < pixels * VECTORS; i++)
    TEXT("vpxord %%%cmm%u, %%%cmm%u, %%%cmm%u\n", t->kind, i, t->kind, i, t->kind, i);
  label(t, AT_LINE);
  TEXT("movq %%rdx, %%rbx\nmovq %%r8, %%rax\n");
  if (t->pads) TEXT("xorl %%ecx, %%ecx\ncmpq %d(%%rdi), %%r15\ncmovaeq %%rcx, %%rbx\n", 8 * HEIGHT);
  TEXT("cmpl $$%llu, %%ebx\njne %df\n", all, AT_SOME);
  one_line(t, w, pixels, false);
  TEXT("jmp %df\n", AT_LINE_END);
  label(t, AT_SOME);
  one_line(t, w, pixels, true);
  label(t, AT_LINE_END);
  TEXT("addq %%r12, %%r8\naddq $$%lld, %%r9\n", (long long)line_bytes(w));
  if (t->pads) TEXT("incq %%r15\n");
  TEXT("decl %%r14d\njne %db\n", AT_LINE);
}

/* ---- results ---- */

static void value(text *t, uint32_t chain, const qn_ll_step *s, uint32_t v) {
  uint32_t before = chain ? t->all.chain[0].num_columns : 0;
  if (s->with == QN_LL_WITH_COLUMN) TEXT("%u(%%r9), ", (before + s->value) * CHANNELS * 4 + v * t->lanes);
  if (s->with == QN_LL_WITH_ALL) TEXT("%%%cmm%u, ", t->kind, SCALARS + s->value);
}

static void step(text *t, uint32_t chain, const qn_ll_step *s, uint32_t pixel) {
  for (uint32_t v = 0; v < VECTORS; v++) {
    uint32_t x = pixel * VECTORS + v;
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
static void store_bytes(text *t, const qn_ll_narrow *n, uint32_t pixel) {
  uint32_t x = pixel * VECTORS;
  for (uint32_t v = 0; v < VECTORS && n->floats; v++)
    TEXT("vcvtps2dq %%%cmm%u, %%%cmm%u\n", t->kind, x + v, t->kind, x + v);
  for (uint32_t p = 0; p < VECTORS; p += 2) {
    pack(t, "vpackssdw", x + p + 1, x + p);
    if (n->add) TEXT("vpaddsw %%%cmm%d, %%%cmm%u, %%%cmm%u\n", t->kind, ADD, t->kind, x + p, t->kind, x + p);
  }
  pack(t, n->is_unsigned ? "vpackuswb" : "vpacksswb", x + 2, x);
  if (n->limits && n->least > (n->is_unsigned ? 0 : -128)) pack(t, n->is_unsigned ? "vpmaxub" : "vpmaxsb", LEAST, x);
  if (n->limits && n->most < (n->is_unsigned ? 255 : 127)) pack(t, n->is_unsigned ? "vpminub" : "vpminsb", MOST, x);
  TEXT("vmovdqu8 %%%cmm%u, (%%r10)%s\n", t->kind, x, t->masks ? "{%k1}" : "");
}

/* Brings the sums of a pixel into their order; the first of their registers then. */
static uint32_t turn_back(text *t, uint32_t x) {
  if (is_wide(t)) {
    turn_wide(t, x, MOVED, x);
    return x;
  }
  for (uint32_t i = 0; i < VECTORS; i++) turn_some(t, 0, 3, x + i % 2 * 2, x + i % 2 * 2 + 1, MOVED + i, i / 2);
  return MOVED;
}

static void store_words(text *t, uint32_t pixel) {
  uint32_t x = turn_back(t, pixel * VECTORS);
  for (uint32_t v = 0; v < VECTORS; v++) {
    TEXT("vmovups %%%cmm%u, %u(%%r10)", t->kind, x + v, v * t->lanes);
    if (t->masks) TEXT("{%%k%u}", v + 1);
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

static void chain_results(text *t, uint32_t chain, uint32_t pixels) {
  const qn_ll_chain *c = &t->all.chain[chain];
  prepare_results(t, chain);
  load(t, Y, "r10");
  load(t, Y_PITCH, "rax");
  load(t, COUNT, "rcx");
  load(t, VALUES_AT, "r9");
  for (uint32_t p = 0; p < pixels; p++) {
    if (p) TEXT("cmpq $$%u, %%rcx\nje %df\n", p, AT_STORED);
    for (uint32_t i = 0; i < c->num_steps; i++) step(t, chain, &c->steps[i], p);
    if (t->all.bytes)
      store_bytes(t, &t->all.narrow[chain], p);
    else
      store_words(t, p);
    if (p + 1 < pixels) TEXT("addq %%rax, %%r10\n");
  }
}

static void results(text *t, uint32_t pixels) {
  if (t->all.count > 1) TEXT("cmpq $$0, %d(%%rdi)\nje %df\n", 8 * PACKED, AT_OTHER);
  chain_results(t, 0, pixels);
  if (t->all.count > 1) {
    TEXT("jmp %df\n", AT_STORED);
    label(t, AT_OTHER);
    chain_results(t, 1, pixels);
  }
  label(t, AT_STORED);
}

/* ---- all of it ---- */

static void some_pixels(text *t) {
  const weights w = weights_of(t->plan);
  TEXT("cmpq $$%d, %d(%%rdi)\njle %df\n", FEW_PIXELS, 8 * COUNT, AT_SMALL);
  sums(t, &w, PIXELS);
  results(t, PIXELS);
  TEXT("jmp %df\n", AT_CHANNELS_END);
  label(t, AT_SMALL);
  sums(t, &w, FEW_PIXELS);
  results(t, FEW_PIXELS);
  label(t, AT_CHANNELS_END);
}

static void step_field(text *t, int field, int64_t by) {
  TEXT("addq $$%lld, %d(%%rdi)\n", (long long)by, 8 * field);
}

static void write_panels(text *t) {
  const weights w = weights_of(t->plan);
  int64_t quads = (w.width * w.height + 3) / 4, panel = w.panel;
  TEXT("vmovdqu64 %d(%%rdi), %%zmm0\nvmovdqu64 %%zmm0, %d(%%rdi)\n", 8 * ROWS, 8 * START);
  label(t, AT_PANEL);
  prepare_weights(t, &w);
  if (t->masks) {
    TEXT("xorl %%r10d, %%r10d\n");
    qn__ll_window_masks(t);
    for (uint32_t v = 1; v < VECTORS; v++)
      TEXT("kshiftrq $$%lld, %%k%u, %%k%u\n", (long long)(panel / VECTORS), v, v + 1);
  }
  qn__ll_window_groups(t);
  TEXT("subq $$%lld, %d(%%rdi)\njle %df\n", (long long)panel, 8 * CHANNELS_LEFT, AT_END);
  step_field(t, START + LINE_AT, panel), step_field(t, START + GROUP_AT, panel);
  step_field(t, START + Y, panel * t->y_size), step_field(t, WEIGHTS, quads * panel * 4);
  step_field(t, VALUES_AT, panel * 4);
  TEXT("vmovdqu64 %d(%%rdi), %%zmm0\nvmovdqu64 %%zmm0, %d(%%rdi)\n", 8 * START, 8 * ROWS);
  TEXT("jmp %db\n", AT_PANEL);
  label(t, AT_END);
}

static bool is_plain(const qn_ll_chains *c) {
  for (uint32_t i = 0; i < c->count; i++)
    if (c->chain[i].num_rows > 0) return false;
  return true;
}

bool qn__ll_depthwise_text(window_tile *w, const qn_body *body, bool *done) {
  qn_ll *g = w->g;
  const qn_gemm_plan *p = w->plan;
  text *t = qn__arena_new(g->arena, text);
  if (!t) return false;
  const weights shape = weights_of(p);
  *t = (text){.g = g,
              .plan = p,
              .channels = some_pixels,
              .pixels = PIXELS,
              .vectors = 1,
              .lanes = p->layout.panel_width,
              .kind = p->layout.panel_width == MOST_CHANNELS ? 'z' : 'y',
              .pads = qn__window_pads(p),
              .masks = p->tile.text_masks,
              .size = 1,
              .weight_bytes = (shape.width * shape.height + 3) / 4 * 4,
              .y_size = qn__ll_mem_bits(p->y_mem) / 8};
  if (!qn__ll_window_chains(t, done)) return false;
  if (!*done || !is_plain(&t->all)) {
    *done = false;
    return true;
  }
  uint32_t bytes = (uint32_t)(SHIFTED + shape.height * line_bytes(&shape));
  t->prepared = qn__ll_slot(g, g->i8, bytes);
  qn__ll_window_body(t, w, body, write_panels, t->lanes);
  return true;
}
