/* Windows over single channels as assembly for AVX-512: all of the kernel, from the loop over pixels to the results,
 * but for values by column, which are computed before for some hundred channels at a time. For each group of pixels of
 * a line:
 *
 *   which columns of the image its windows may read
 *   for each group of channels
 *     for each line of the windows: its weights, then column after column, each loaded once and combined with the sums
 *     of all pixels whose windows it is in; from the border's copy where it is outside
 *     the epilogue, which is a chain, pixel by pixel
 *
 * Registers: sums; then a line's weights, two columns, or what makes keys of floats. In the epilogue the last four are
 * values that are the same for all. */
#include "window_write.h"

enum { SCALARS = REGISTERS - VALUES };                                                 /* in the epilogue */
enum { SIGN = REGISTERS - 2, QUIET = REGISTERS - 1, MOST_BESIDE_HALVES = VALUES - 2 }; /* there, for halves */
enum { PARKED_CHANNELS = 128 };                                         /* whose sums are in memory at once */
enum { X = REGISTERS - 2, SHIFT = REGISTERS - 3, LOW = REGISTERS - 4 }; /* a column; the two are for keys */

/* ---- whether ---- */

bool qn__ll_window_text_serves(const qn_ll *g, const qn_gemm_plan *p) {
  return g->x86 && g->isa->vector_bits == 512 && g->isa->num_registers == REGISTERS && g->masked &&
         p->tile.text_pixels > 0 && p->layout.plain;
}

/* ---- words ---- */

static uint32_t sum_at(const text *t, uint32_t pixel, uint32_t v) {
  return pixel * t->vectors + v;
}

static uint32_t weight_at(const text *t, uint32_t position, uint32_t v) {
  return t->sums + position * t->vectors + v;
}

/* The mask of vector v, where channels may end within it. */
static void masked(text *t, uint32_t v, bool zero) {
  if (t->masks) TEXT(zero ? "{%%k%u}{z}" : "{%%k%u}", v + 1);
}

static const char *moving(const text *t) {
  return t->size == 1 ? "vmovdqu8" : t->size == 8 ? "vmovupd" : "vmovups";
}

/* The last letter of instructions on floats, and on integers as wide. */
static char floats(const text *t) {
  return t->size == 8 ? 'd' : 's';
}

static char words(const text *t) {
  return t->size == 8 ? 'q' : 'd';
}

/* ---- the group ---- */

/* Columns that may be read are a bit each, or where they are more than that, told of as a range. */
static bool has_bits(const text *t) {
  return qn__ll_window_columns(t, t->pixels) < 64;
}

/* How many pixels, and which columns their windows may read: what they see that is in the image. */
static void begin_group(text *t) {
  const qn_window *w = &t->plan->shape;
  label(t, AT_GROUP);
  load(t, COLUMNS, "rcx");
  load(t, ROWS, "rdx");
  TEXT("subq %d(%%rdi), %%rcx\ncmpq %%rdx, %%rcx\ncmovgq %%rdx, %%rcx\n", 8 * FIRST_COLUMN);
  TEXT("movl $$%u, %%edx\ncmpq %%rdx, %%rcx\ncmovgq %%rdx, %%rcx\n", t->pixels);
  store(t, "rcx", COUNT);
  TEXT("leaq -1(%%rcx), %%rax\nimulq $$%lld, %%rax\n", (long long)w->stride[1]);
  TEXT("addq $$%lld, %%rax\n", (long long)((w->size[1] - 1) * w->dilation[1] + 1));
  if (t->pads) {
    load(t, LEFT, "rcx");
    load(t, WIDTH, "rdx");
    TEXT("subq %%rcx, %%rdx\ncmpq %%rdx, %%rax\ncmovgq %%rdx, %%rax\n");
    TEXT("xorl %%edx, %%edx\nnegq %%rcx\ncmovsq %%rdx, %%rcx\n");
    store(t, "rcx", BEFORE);
    TEXT("subq %%rcx, %%rax\ncmovsq %%rdx, %%rax\n");
  }
  if (has_bits(t)) {
    TEXT("movl %%eax, %%ecx\nmovq $$-1, %%rax\nshlq %%cl, %%rax\nnotq %%rax\n");
    if (t->pads) TEXT("movl %d(%%rdi), %%ecx\nshlq %%cl, %%rax\n", 8 * BEFORE);
  }
  store(t, "rax", READABLE);
}

static void end_group(text *t) {
  load(t, COUNT, "rcx");
  TEXT("subq %%rcx, %d(%%rdi)\njle %df\n", 8 * ROWS, AT_PIXELS_END);
  load(t, Y_PITCH, "rax");
  TEXT("imulq %%rcx, %%rax\n");
  add(t, "rax", Y);
  for (uint32_t i = 0; i < t->all.chain[0].num_rows; i++) {
    enum field f = (enum field)(ROW_VALUE + 2 * i);
    load(t, f + 1, "rax");
    TEXT("imulq %%rcx, %%rax\n");
    add(t, "rax", f);
  }
  load(t, FIRST_COLUMN, "rax");
  TEXT("addq %%rcx, %%rax\n");
  store(t, "rax", FIRST_COLUMN);
  TEXT("cmpq %d(%%rdi), %%rax\nje %df\n", 8 * COLUMNS, AT_NEXT_LINE);
  TEXT("imulq $$%lld, %%rcx, %%rax\n", (long long)t->plan->shape.stride[1]);
  add(t, "rax", LEFT);
  TEXT("imulq %d(%%rdi), %%rcx\n", 8 * PIXEL_STEP);
  add(t, "rcx", GROUP_AT);
  TEXT("jmp %db\n", AT_GROUP);
}

static void next_line(text *t) {
  label(t, AT_NEXT_LINE);
  TEXT("movq $$0, %d(%%rdi)\n", 8 * FIRST_COLUMN);
  TEXT("movq $$%lld, %d(%%rdi)\n", (long long)-t->plan->shape.pads[1], 8 * LEFT);
  TEXT("addq $$%lld, %d(%%rdi)\n", (long long)t->plan->shape.stride[0], 8 * TOP);
  load(t, LINE_AT, "rcx");
  TEXT("addq %d(%%rdi), %%rcx\n", 8 * LINE_STEP);
  load(t, FIRST_LINE, "rax");
  TEXT("incq %%rax\ncmpq %d(%%rdi), %%rax\njne %df\n", 8 * LINES, AT_STORED);
  load(t, FIRST_TOP, "rax");
  store(t, "rax", TOP);
  TEXT("xorl %%eax, %%eax\naddq %d(%%rdi), %%rcx\n", 8 * IMAGE_STEP);
  label(t, AT_STORED);
  store(t, "rax", FIRST_LINE);
  store(t, "rcx", LINE_AT), store(t, "rcx", GROUP_AT);
  TEXT("jmp %db\n", AT_GROUP);
}

/* ---- sums ---- */

/* As many channels of each vector as there are, from r10 on. */
void qn__ll_window_masks(text *t) {
  load(t, CHANNELS_LEFT, "rax");
  TEXT("subq %%r10, %%rax\nxorl %%edx, %%edx\n");
  for (uint32_t v = 0; v < t->vectors; v++) {
    if (v) TEXT("subq $$%u, %%rax\n", t->lanes);
    TEXT("movl $$%u, %%ecx\nsubq %%rax, %%rcx\ncmovsq %%rdx, %%rcx\n", t->lanes); /* missing */
    TEXT("movq $$-1, %%rbx\ncmpq $$%u, %%rcx\ncmovgeq %%rdx, %%rbx\n", t->lanes);
    TEXT("addq $$%u, %%rcx\nshrq %%cl, %%rbx\nkmovq %%rbx, %%k%u\n", 64 - t->lanes, v + 1);
  }
}

static void begin_channels(text *t) {
  if (t->masks) qn__ll_window_masks(t);
  load(t, GROUP_AT, "r8");
  TEXT("leaq (%%r8,%%r10,%lld), %%r8\n", (long long)t->size);
  if (t->weights) {
    load(t, WEIGHTS, "r9");
    TEXT("leaq (%%r9,%%r10,%lld), %%r9\n", (long long)t->weight_bytes);
    load(t, TAP, "r13");
  }
  load(t, COLUMN, "r11");
  load(t, READABLE, "rdx");
  load(t, OUTSIDE, "rsi");
  load(t, DOWN, "r12");
  TEXT("movl $$%lld, %%r14d\n", (long long)t->plan->shape.size[0]);
  if (t->pads) load(t, TOP, "r15");
  for (uint32_t i = 0; i < t->sums; i++) TEXT("vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", i, i, i);
  if (t->plan->combine == QN_COMBINE_MAX && t->size == 1 && !qn__ll_mem_unsigned(t->plan->acc)) {
    TEXT("movl $$-128, %%ecx\n");
    for (uint32_t i = 0; i < t->sums; i++) TEXT("vpbroadcastb %%ecx, %%zmm%u\n", i);
  }
  if (!t->keys) return;
  const char *reg = t->size == 8 ? "rcx" : "ecx";
  TEXT("movabsq $$0x%s, %%rcx\n", t->size == 8 ? "7FF0000000000001" : "7F800001");
  TEXT("vpbroadcast%c %%%s, %%zmm%d\n", words(t), reg, SHIFT);
  TEXT("movabsq $$0x%s, %%rcx\n", t->size == 8 ? "7FFFFFFFFFFFFFFF" : "7FFFFFFF");
  TEXT("vpbroadcast%c %%%s, %%zmm%d\n", words(t), reg, LOW);
}

/* Floats as integers in their order and back: bits of negative numbers are turned but for the sign. */
static void turn(text *t, uint32_t x, uint32_t other) {
  TEXT("vpsra%c $$%d, %%zmm%u, %%zmm%u\n", words(t), t->size == 8 ? 63 : 31, x, other);
  TEXT("vpternlog%c $$0x78, %%zmm%d, %%zmm%u, %%zmm%u\n", words(t), LOW, other, x); /* x ^ (other & low) */
}

/* The position of the window of pixel `p` that column `c` is; -1: none. */
static int64_t position_of(const text *t, uint32_t p, int64_t c) {
  const qn_window *w = &t->plan->shape;
  int64_t at = c - (int64_t)p * w->stride[1];
  return at >= 0 && at % w->dilation[1] == 0 && at / w->dilation[1] < w->size[1] ? at / w->dilation[1] : -1;
}

static bool is_used(const text *t, int64_t c) {
  for (uint32_t p = 0; p < t->pixels; p++)
    if (position_of(t, p, c) >= 0) return true;
  return false;
}

int64_t qn__ll_window_columns(const text *t, uint32_t pixels) {
  const qn_window *w = &t->plan->shape;
  return (pixels - 1) * w->stride[1] + (w->size[1] - 1) * w->dilation[1] + 1;
}

void qn__ll_window_go(text *t, int64_t *at, int64_t to) {
  if (to < *at) {
    TEXT("movq %%r8, %%rax\n");
    *at = 0;
  }
  int64_t by = to - *at;
  if (by == 1)
    TEXT("addq %%r11, %%rax\n");
  else if (by == 2 || by == 4 || by == 8)
    TEXT("leaq (%%rax,%%r11,%d), %%rax\n", (int)by);
  else if (by)
    TEXT("imulq $$%lld, %%r11, %%rcx\naddq %%rcx, %%rax\n", (long long)by);
  *at = to;
}

void qn__ll_window_find(text *t, int64_t c, bool next) {
  const char *at = next ? "leaq (%rax,%r11)" : "movq %rax";
  if (has_bits(t)) {
    TEXT("btq $$%lld, %%rbx\n%s, %%rcx\ncmovncq %%rsi, %%rcx\n", (long long)c + next, at);
    return;
  }
  TEXT("movl $$%lld, %%ecx\n", (long long)c + next);
  if (t->pads) TEXT("subq %d(%%rdi), %%rcx\n", 8 * BEFORE);
  TEXT("cmpq %%rbx, %%rcx\n%s, %%rcx\ncmovaeq %%rsi, %%rcx\n", at);
}

void qn__ll_window_unless_all(text *t, uint32_t pixels, int to) {
  int64_t columns = qn__ll_window_columns(t, pixels);
  if (has_bits(t))
    TEXT("movq $$%llu, %%rcx\ncmpq %%rcx, %%rbx\n", (1ull << columns) - 1);
  else
    TEXT("cmpq $$%lld, %%rbx\n", (long long)columns);
  TEXT("jne %df\n", to);
}

static const char *largest(const text *t) {
  if (t->keys && t->size == 8) return "vpmaxuq";
  return t->keys ? "vpmaxud" : qn__ll_mem_unsigned(t->plan->acc) ? "vpmaxub" : "vpmaxsb";
}

static void combine(text *t, uint32_t pixel, uint32_t v, uint32_t position, uint32_t x) {
  uint32_t sum = sum_at(t, pixel, v);
  if (t->weights)
    TEXT("vfmadd231p%c %%zmm%u, %%zmm%u, %%zmm%u\n", floats(t), weight_at(t, position, v), x, sum);
  else if (t->plan->combine == QN_COMBINE_SUM)
    TEXT("vaddp%c %%zmm%u, %%zmm%u, %%zmm%u\n", floats(t), x, sum, sum);
  else
    TEXT("%s %%zmm%u, %%zmm%u, %%zmm%u\n", largest(t), x, sum, sum);
}

/* Column c of the line, at `from`. */
static void one_column(text *t, int64_t c, const char *from) {
  for (uint32_t v = 0; v < t->vectors; v++) {
    uint32_t x = t->keys ? X : X + v % 2;
    TEXT("%s %u(%%%s), %%zmm%u", moving(t), v * LINE, from, x);
    masked(t, v, true);
    TEXT("\n");
    if (t->keys) {
      turn(t, x, X + 1);
      TEXT("vpadd%c %%zmm%d, %%zmm%u, %%zmm%u\n", words(t), SHIFT, x, x);
    }
    for (uint32_t p = t->pixels; p-- > 0;) {
      int64_t position = position_of(t, p, c);
      if (position >= 0) combine(t, p, v, (uint32_t)position, x);
    }
  }
}

/* The columns of a line from rax on: all of them, or those that are there. */
static void all_columns(text *t, bool some) {
  int64_t at = 0;
  for (int64_t c = 0; c < qn__ll_window_columns(t, t->pixels); c++) {
    if (!is_used(t, c)) continue;
    qn__ll_window_go(t, &at, c);
    if (some) qn__ll_window_find(t, c, false);
    one_column(t, c, some ? "rcx" : "rax");
  }
}

static void all_lines(text *t) {
  const qn_window *w = &t->plan->shape;
  label(t, AT_LINE);
  TEXT("movq %%rdx, %%rbx\nmovq %%r8, %%rax\n");
  if (t->pads) TEXT("xorl %%ecx, %%ecx\ncmpq %d(%%rdi), %%r15\ncmovaeq %%rcx, %%rbx\n", 8 * HEIGHT);
  for (int64_t j = 0; t->weights && j < w->size[1]; j++) {
    for (uint32_t v = 0; v < t->vectors; v++) {
      TEXT("%s %u(%%r9), %%zmm%u", moving(t), v * LINE, weight_at(t, (uint32_t)j, v));
      masked(t, v, true);
      TEXT("\n");
    }
    TEXT("addq %%r13, %%r9\n");
  }
  qn__ll_window_unless_all(t, t->pixels, AT_SOME);
  all_columns(t, false);
  TEXT("jmp %df\n", AT_LINE_END);
  label(t, AT_SOME);
  all_columns(t, true);
  label(t, AT_LINE_END);
  TEXT("addq %%r12, %%r8\n");
  if (t->pads) TEXT("addq $$%lld, %%r15\n", (long long)w->dilation[0]);
  TEXT("decl %%r14d\njne %db\n", AT_LINE);
}

/* ---- results ---- */

static const char *const row_values[VALUES] = {"r8", "r14", "r15", "rdx"};

static void value(text *t, const qn_ll_step *s, uint32_t v) {
  switch (s->with) {
  case QN_LL_ALONE: return;
  case QN_LL_WITH_COLUMN: TEXT("%u(%%r9), ", s->value * CHANNELS * (uint32_t)t->value_bytes + v * LINE); return;
  case QN_LL_WITH_ALL: TEXT("%%zmm%u, ", SCALARS + s->value); return;
  case QN_LL_WITH_ROW:
    if (s->widened) {
      TEXT("%%zmm%u, ", SCALARS + t->all.chain[0].num_all);
      return;
    }
    TEXT("(%%%s){1to%u}, ", row_values[s->value], t->lanes);
    return;
  case QN_LL_WITH_ELEMENT: TEXT("%u(%%%s), ", v * LINE, row_values[s->value]); return;
  }
}

static void step(text *t, const qn_ll_step *s, uint32_t pixel) {
  if (s->widened)
    TEXT("vcvtps2pd (%%%s){1to%u}, %%zmm%u\n", row_values[s->value], t->lanes, SCALARS + t->all.chain[0].num_all);
  for (uint32_t v = 0; v < t->vectors; v++) {
    uint32_t x = sum_at(t, pixel, v);
    TEXT("%s ", s->op);
    if (s->behind) {
      TEXT("%%zmm%u, %%zmm%u, %%zmm%u\n", x, SCALARS + s->value, x);
      continue;
    }
    value(t, s, v);
    if (s->where) {
      TEXT("%%zmm%u, %%k7\nvmovap%c %%zmm%u, %%zmm%u{%%k7}\n", x, floats(t), SCALARS + s->value, x);
      continue;
    }
    TEXT("%%zmm%u, %%zmm%u", x, x);
    if (s->with == QN_LL_WITH_ELEMENT) masked(t, v, true);
    TEXT("\n");
  }
}

/* Which of a chain's values by row stand for an element each. */
static bool is_element(const text *t, uint32_t value) {
  return t->plan->epilogue_extras[t->all.chain[0].rows[value] - 1].by_col;
}

static void begin_results(text *t) {
  const qn_ll_chain *c = &t->all.chain[0];
  if (c->halves) {
    TEXT("movl $$0xFF800000, %%edx\nvpbroadcastd %%edx, %%zmm%d\n", SIGN);
    TEXT("movl $$0x00400000, %%edx\nvpbroadcastd %%edx, %%zmm%d\n", QUIET);
  }
  load(t, Y, "rbx");
  TEXT("leaq (%%rbx,%%r10,%lld), %%rbx\n", (long long)t->y_size);
  load(t, Y_PITCH, "rax");
  load(t, COUNT, "rcx");
  load(t, VALUES_AT, "r9");
  TEXT("leaq (%%r9,%%r10,%lld), %%r9\n", (long long)t->value_bytes);
  for (uint32_t i = 0; i < c->num_all; i++)
    TEXT("vbroadcasts%c %d(%%rdi), %%zmm%u\n", floats(t), 8 * (SCALAR + (int)i), SCALARS + i);
  for (uint32_t i = 0; i < c->num_rows; i++) {
    load(t, (enum field)(ROW_VALUE + 2 * i), row_values[i]);
    if (!is_element(t, i)) continue;
    TEXT("leaq (%%%s,%%r10,%lld), %%%s\n", row_values[i], (long long)t->value_bytes, row_values[i]);
  }
}

static void from_keys(text *t) {
  for (uint32_t i = 0; t->keys && i < t->sums; i++) {
    TEXT("vpsub%c %%zmm%d, %%zmm%u, %%zmm%u\n", words(t), SHIFT, i, i);
    turn(t, i, X);
  }
}

static void store_vector(text *t, uint32_t x, uint32_t v) {
  if (t->all.chain[0].halves) {
    TEXT("vcmpunordps %%zmm%u, %%zmm%u, %%k7\n", x, x);
    TEXT("vpternlogd $$0xEA, %%zmm%d, %%zmm%d, %%zmm%u{%%k7}\n", QUIET, SIGN, x); /* (x & sign) | quiet */
    TEXT("vcvtps2ph $$4, %%zmm%u, %u(%%rbx)", x, v * LINE / 2);
  } else
    TEXT("%s %%zmm%u, %u(%%rbx)", moving(t), x, v * LINE);
  if (t->all.count) masked(t, v, false);
  TEXT("\n");
}

static void results(text *t) {
  from_keys(t);
  begin_results(t);
  for (uint32_t p = 0; p < t->pixels; p++) {
    if (p) TEXT("cmpq $$%u, %%rcx\nje %df\n", p, AT_STORED);
    for (uint32_t i = 0; i < t->all.chain[0].num_steps; i++) step(t, &t->all.chain[0].steps[i], p);
    for (uint32_t v = 0; v < t->vectors; v++) store_vector(t, sum_at(t, p, v), v);
    if (p + 1 == t->pixels) break;
    TEXT("addq %%rax, %%rbx\n");
    for (uint32_t i = 0; i < t->all.chain[0].num_rows; i++)
      TEXT("addq %d(%%rdi), %%%s\n", 8 * (ROW_VALUE + 2 * (int)i + 1), row_values[i]);
  }
  label(t, AT_STORED);
}

/* ---- all of it ---- */

/* From channel r10 on, while so many vectors are whole; or those that are left. */
static void some_channels(text *t, uint32_t vectors, bool rest) {
  int64_t count = (int64_t)vectors * t->lanes;
  t->vectors = vectors, t->sums = t->pixels * vectors;
  t->masks = rest && t->plan->tile.text_masks;
  label(t, AT_CHANNELS);
  if (rest)
    TEXT("cmpq %d(%%rdi), %%r10\njge %df\n", 8 * CHANNELS_LEFT, AT_CHANNELS_END);
  else
    TEXT("leaq %lld(%%r10), %%rax\ncmpq %d(%%rdi), %%rax\njg %df\n", (long long)count, 8 * CHANNELS_LEFT,
         AT_CHANNELS_END);
  begin_channels(t);
  all_lines(t);
  results(t);
  TEXT("addq $$%lld, %%r10\njmp %db\n", (long long)count, AT_CHANNELS);
  label(t, AT_CHANNELS_END);
}

static void all_channels(text *t) {
  const qn_window_tile *tile = &t->plan->tile;
  TEXT("xorl %%r10d, %%r10d\n");
  some_channels(t, tile->text_vectors, false);
  if (tile->text_rest) some_channels(t, tile->text_rest, true);
}

void qn__ll_window_groups(text *t) {
  TEXT("cmpq $$0, %d(%%rdi)\njle %df\n", 8 * ROWS, AT_PIXELS_END);
  begin_group(t);
  t->channels(t);
  end_group(t);
  next_line(t);
  label(t, AT_PIXELS_END);
}

LLVMValueRef qn__ll_window_function(text *t, const qn_body *body, void (*write)(text *t)) {
  qn_ll_inner inner;
  qn__ll_assembly_frame_begin(t->g, &inner, &t->code, body->symbol, "window");
  write(t);
  return qn__ll_assembly_frame_end(t->g, &inner, &t->code);
}

/* ---- around it ---- */

void qn__ll_window_fields(text *t, const window_tile *w) {
  qn_ll *g = t->g;
  const qn_window *shape = &t->plan->shape;
  uint32_t columns = qn__ll_window_values(t);
  t->fields = qn__ll_slot(g, g->i64, FIELDS);
  t->table = qn__ll_slot(g, g->i8, (columns ? columns : 1) * CHANNELS * (uint32_t)t->value_bytes);
  set(t, Y_PITCH, w->y_pitch);
  set(t, COLUMNS, w->size[4]), set(t, LINES, w->size[3]);
  set(t, LINE_STEP, w->size[8]), set(t, PIXEL_STEP, w->size[9]);
  set(t, IMAGE_STEP, qn__ll_sub(g, w->size[7], qn__ll_mul(g, w->size[3], w->size[8])));
  set(t, DOWN, w->size[10]), set(t, COLUMN, w->column);
  set(t, OUTSIDE, w->outside);
  set(t, TAP, t->prepared ? t->prepared : qn__ll_mul(g, w->size[1], qn__ll_i64(g, t->weight_bytes)));
  if (t->pads) {
    LLVMValueRef top = qn__ll_mul(g, w->size[14], qn__ll_i64(g, shape->stride[0]));
    set(t, FIRST_TOP, qn__ll_sub(g, top, qn__ll_i64(g, shape->pads[0])));
    set(t, HEIGHT, w->size[12]), set(t, WIDTH, w->size[13]);
  }
  for (uint32_t k = 0; k < t->all.count; k++) {
    qn_ll_chain *c = &t->all.chain[k];
    qn__ll_region_load(&c->region, 0, t->places, qn__ll_i64(g, 0), 1, NULL);
    qn__ll_region_emit(&c->region, 0, 0, 0, 1);
    for (uint32_t i = 0; i < c->num_all; i++)
      set(t, (int)(SCALAR + k * VALUES + i), qn__ll_region_get(&c->region, c->all[i], 1));
  }
}

void qn__ll_window_start(text *t, const window_tile *w, LLVMValueRef first, LLVMValueRef begin, LLVMValueRef rows,
                         LLVMValueRef y) {
  qn_ll *g = t->g;
  const qn_window *shape = &t->plan->shape;
  LLVMValueRef bytes = qn__ll_mul(g, first, qn__ll_i64(g, t->size));
  LLVMValueRef line = LLVMBuildUDiv(g->b, begin, w->size[4], ""), n = LLVMBuildUDiv(g->b, line, w->size[3], "");
  LLVMValueRef column = qn__ll_sub(g, begin, qn__ll_mul(g, line, w->size[4]));
  line = qn__ll_sub(g, line, qn__ll_mul(g, n, w->size[3]));
  LLVMValueRef down = t->pads ? qn__ll_add(g, line, w->size[14]) : line;
  LLVMValueRef at = qn__ll_add(g, qn__ll_mul(g, n, w->size[7]), qn__ll_mul(g, down, w->size[8]));
  if (t->pads) at = qn__ll_sub(g, at, qn__ll_window_origin(g, t->plan));
  LLVMValueRef from = qn__ll_gep(g, qn__ll_gep(g, w->image, at), bytes);
  set(t, LINE_AT, from);
  set(t, GROUP_AT, qn__ll_gep(g, from, qn__ll_mul(g, column, w->size[9])));
  set(t, FIRST_COLUMN, column), set(t, FIRST_LINE, line);
  LLVMValueRef top = qn__ll_mul(g, down, qn__ll_i64(g, shape->stride[0]));
  LLVMValueRef left = qn__ll_mul(g, column, qn__ll_i64(g, shape->stride[1]));
  set(t, TOP, qn__ll_sub(g, top, qn__ll_i64(g, shape->pads[0])));
  set(t, LEFT, qn__ll_sub(g, left, qn__ll_i64(g, shape->pads[1])));
  set(t, ROWS, rows), set(t, Y, y);
  set(t, VALUES_AT, t->table);
  set(t, WEIGHTS, qn__ll_gep(g, w->weights, qn__ll_mul(g, first, qn__ll_i64(g, t->weight_bytes))));
  for (uint32_t i = 0; i < t->all.chain[0].num_rows; i++) {
    uint32_t extra = t->all.chain[0].rows[i] - 1;
    LLVMValueRef row = qn__ll_gep(g, t->base[extra], qn__ll_mul(g, begin, t->stride[extra]));
    if (is_element(t, i)) row = qn__ll_gep(g, row, qn__ll_mul(g, first, qn__ll_i64(g, t->value_bytes)));
    set(t, ROW_VALUE + 2 * (int)i, row);
    set(t, ROW_VALUE + 2 * (int)i + 1, t->stride[extra]);
  }
}

/* For what is widened, behind the values that are the same for all. */
static bool has_room(const qn_ll_chain *c) {
  for (uint32_t i = 0; i < c->num_steps; i++)
    if (c->steps[i].widened && c->num_all == VALUES) return false;
  return true;
}

bool qn__ll_window_chains(text *t, bool *found) {
  qn_ll *g = t->g;
  const qn_gemm_plan *p = t->plan;
  qn_tape *tape = qn__arena_new(g->arena, qn_tape);
  t->places = qn__arena_array(g->arena, 1 + p->num_epilogue_extras, sizeof *t->places);
  uint8_t *vary = qn__ll_epilogue_extras(g, p, &t->base, &t->stride);
  if (!tape || !t->places || !vary || !qn__ll_epilogue_tape(g, p, tape, NULL, NULL)) return false;
  for (uint32_t i = 0; i < p->num_epilogue_extras; i++) {
    const qn_extra *x = &p->epilogue_extras[i];
    t->places[1 + i] = (qn_ll_place){x->mem, x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, t->base[i], NULL};
  }
  if (p->combine == QN_COMBINE_MAX && t->size == 1) { /* stored as they are found */
    t->all = (qn_ll_chains){.count = 1};
    *found = qn__ll_chain_find(g, tape, vary, &t->all.chain[0]) && t->all.chain[0].num_steps == 0;
  } else if (p->y_mem == QN_F16) {
    const qn_ll_chain *c = &t->all.chain[0];
    t->all = (qn_ll_chains){.count = 1};
    *found = qn__ll_chain_find(g, tape, vary, &t->all.chain[0]) && c->halves && c->num_all <= MOST_BESIDE_HALVES;
  } else {
    *found = qn__ll_chains_find(g, tape, vary, p->y_mem, &t->all) && has_room(&t->all.chain[0]);
  }
  return true;
}

static void write_all(text *t) {
  qn__ll_window_groups(t);
}

void qn__ll_window_call(text *t, LLVMValueRef fn) {
  qn_ll *g = t->g;
  LLVMBuildCall2(g->b, LLVMFunctionType(g->void_t, &g->ptr, 1, false), fn, &t->fields, 1, "");
}

void qn__ll_window_body(text *t, const window_tile *w, const qn_body *body, void (*write)(text *t), uint32_t apart) {
  qn_ll *g = t->g;
  uint32_t columns = qn__ll_window_values(t), step = apart ? apart : t->plan->tile.text_vectors * t->lanes;
  qn__ll_function_quickly(g, g->fn);
  qn__ll_window_fields(t, w);
  LLVMValueRef all = w->size[1], fn = qn__ll_window_function(t, body, write);
  LLVMValueRef begin = qn__ll_arg_begin(g, 0), rows = qn__ll_sub(g, qn__ll_arg_end(g, 0), begin);
  qn_ll_for f;
  qn__ll_for_begin(g, &f, qn__ll_i64(g, 0), all, 1, 0, NULL);
  /* Without values by column there is nothing to compute for some channels only. */
  f.step = columns || t->all.count > 1 ? qn__ll_i64(g, CHANNELS / step * step) : all;
  LLVMValueRef count = qn__ll_min(g, f.step, qn__ll_sub(g, all, f.i));
  set(t, CHANNELS_LEFT, count);
  qn__ll_window_set_values(t, f.i, count, apart);
  LLVMValueRef y = qn__ll_gep(g, w->y, qn__ll_mul(g, begin, w->y_pitch));
  y = qn__ll_gep(g, y, qn__ll_mul(g, f.i, qn__ll_i64(g, t->y_size)));
  qn__ll_window_start(t, w, f.i, begin, rows, y);
  qn__ll_window_call(t, fn);
  qn__ll_for_end(g, &f, NULL);
}

bool qn__ll_window_text(window_tile *w, const qn_body *body, bool *served) {
  qn_ll *g = w->g;
  const qn_gemm_plan *p = w->plan;
  text *t = qn__arena_new(g->arena, text);
  if (!t) return false;
  *t = (text){.g = g,
              .plan = p,
              .channels = all_channels,
              .weight_bytes = qn__ll_mem_bits(p->rhs) / 8,
              .value_bytes = p->acc == QN_F64 ? 8 : 4,
              .pixels = p->tile.text_pixels,
              .lanes = p->acc == QN_F64 ? p->tile.lanes / 2 : p->tile.lanes,
              .pads = qn__window_pads(p),
              .weights = p->combine == QN_COMBINE_DOT,
              .keys = p->combine == QN_COMBINE_MAX && qn__ll_mem_float(p->acc),
              .size = qn__ll_mem_bits(p->a_mem) / 8,
              .y_size = qn__ll_mem_bits(p->y_mem) / 8};
  bool found = false;
  uint32_t step = p->tile.text_vectors * t->lanes;
  if (!qn__ll_window_chains(t, &found)) return false;
  *served = found || p->acc != QN_F64;
  if (!*served) *served = (t->epilogue = qn__ll_epilogue_if_text(g, body)) != NULL;
  if (!*served) return true;
  if (found)
    qn__ll_window_body(t, w, body, write_all, 0);
  else
    qn__ll_window_parked(t, w, body, write_all, t->lanes,
                         step < PARKED_CHANNELS ? PARKED_CHANNELS / step * step : step);
  return true;
}
