/* The loop over K of a tile as assembly, for AVX-512: LLVM takes 15 us for an instruction to be selected, scheduled and
 * given registers, and one for it to be assembled. Where rows follow each other evenly it is the whole of the function
 * of a tile's sums: what they start from, the loop, a last partial block, and the stores. Elsewhere (windows, blocks of
 * sparse weights) it is what comes between the loops over segments, sums going in and out in registers. */
#include "assembly.h"
#include "gemm_impl.h"

enum { POINTERS = 14, LINE = 64, FRACTION = 16 };
enum { NEAR_ROWS = 3, MOST_NEAR = 9, FAR_ROWS = 5 }; /* rows that one address serves */
static const uint32_t none = UINT32_MAX;

typedef struct writer {
  gemm_state *s;
  qn_ll_tile *t;
  const gemm_sums *f;
  const qn_ll_wording *words;
  bool whole; /* all of the function: else sums go in and out, and rows are anywhere */
  bool partial, fetches;
  uint32_t all;                                     /* sums, of all copies */
  uint32_t first_spread, spreads, next;             /* registers for what a row is multiplied with */
  uint32_t rows_of, groups;                         /* rows to an address, and how many of those there are */
  uint32_t a[QN_LL_MAX_ROWS], b[QN_LL_MAX_VECTORS]; /* numbers of operands from here on, those that are changed first */
  uint32_t stride, stride3, index, turns, left, mask, kept, ahead, a_ahead, y, y_row, scratch, start, pitch, to;
  LLVMValueRef given[QN_LL_ASSEMBLY_OPERANDS];
  qn_ll_assembly code;
} writer;

static int64_t bytes_of(qn_scalar mem) {
  return qn__ll_mem_bits(mem) / 8;
}

static int64_t a_bytes(const writer *w) {
  return w->s->plan->layout.k_block * bytes_of(w->s->plan->lhs);
}

static int64_t b_bytes(const writer *w) {
  const qn_layout *l = &w->s->plan->layout;
  return (int64_t)l->k_block * l->panel_width * bytes_of(w->s->plan->rhs);
}

static bool has_partial(const qn_gemm_plan *p) {
  return !p->lhs_padded && p->layout.k_block > 1 && !p->layout.granule;
}

/* Whether what is done with all turns leaves no block over. */
static bool leaves_none(const gemm_state *s) {
  return s->tile.unroll == 1 || (s->plan->turns_of && s->plan->turns_of % s->tile.unroll == 0);
}

static bool is_even(const gemm_state *s) {
  return !s->plan->window && !s->plan->layout.granule;
}

static uint32_t rows_of(const qn_ll_tile *t) {
  return t->rows > MOST_NEAR ? FAR_ROWS : NEAR_ROWS;
}

/* Registers for addresses and numbers, as they are listed below. */
static uint32_t count_pointers(const gemm_state *s) {
  const qn_ll_tile *t = &s->tile;
  bool writes = s->fetch.some && s->fetch.a_step;
  uint32_t partial = has_partial(s->plan) ? 1u : 0u, left = leaves_none(s) ? 0u : 1u;
  uint32_t n = t->panels + 1 + left + (s->fetch.some ? 2u : 0u);
  if (!is_even(s)) return n + partial + t->rows + 1;
  uint32_t before = 1 + (s->start ? 1u : 0u) + (s->start_pitch ? 1u : 0u) + partial;
  n += (t->rows + rows_of(t) - 1) / rows_of(t) + (t->rows > 1 ? 1u : 0u) + (t->rows > MOST_NEAR ? 1u : 0u);
  return n + before + (writes ? 2 + (before < 2 ? 2 - before : 0u) : 0u);
}

bool qn__ll_gemm_text_serves(const gemm_state *s) {
  const qn_ll_tile *t = &s->tile;
  uint32_t b = t->rows > 1 ? t->vectors : 0, sums = t->rows * t->vectors * t->sets;
  return qn__ll_wording_of(t->g, s->plan, t->dot) &&
         t->acc_lanes * qn__ll_mem_bits(s->plan->acc) == t->g->isa->vector_bits && sums + b + 1 <= QN_LL_ZMM &&
         count_pointers(s) <= POINTERS;
}

/* ---- operands ---- */

/* One that is changed, and what it is before; null: nothing. */
static uint32_t change(writer *w, LLVMValueRef v, LLVMTypeRef type) {
  w->given[w->code.num_results] = v;
  w->code.results[w->code.num_results] = type;
  qn__buf_c(&w->code.constraints, w->code.num_results ? ",=&r" : "=&r");
  return w->code.num_results++;
}

static uint32_t change_pointer(writer *w, LLVMValueRef v) {
  return change(w, v, w->t->g->ptr);
}

static uint32_t change_number(writer *w, LLVMValueRef v) {
  return change(w, v, w->t->g->i64);
}

static void add_in(writer *w, LLVMValueRef v) {
  w->code.args[w->code.num_args++] = v;
}

/* What goes in and comes out is numbered among the former too. */
static void tie(writer *w) {
  for (uint32_t i = 0; i < w->code.num_results; i++) {
    if (!w->given[i]) continue;
    qn__buf_fmt(&w->code.constraints, ",%u", i);
    add_in(w, w->given[i]);
  }
}

static uint32_t take(writer *w, LLVMValueRef v) {
  add_in(w, v);
  qn__buf_c(&w->code.constraints, ",r");
  return w->code.num_results + w->code.num_args - 1;
}

/* Rows at even distances: of each group of them the address of the first. */
static void list_even_rows(writer *w) {
  qn_ll_tile *t = w->t;
  w->rows_of = rows_of(t);
  w->groups = (t->rows + w->rows_of - 1) / w->rows_of;
  LLVMValueRef at = w->s->a;
  LLVMValueRef step = qn__ll_mul(t->g, w->s->a_stride, qn__ll_i64(t->g, w->rows_of));
  for (uint32_t i = 0; i < w->groups; i++) {
    if (i) at = qn__ll_gep(t->g, at, step);
    w->a[i] = change_pointer(w, at);
  }
}

static LLVMValueRef mask_of(writer *w) {
  qn_ll *g = w->t->g;
  LLVMValueRef block = qn__ll_i64(g, w->s->plan->layout.k_block - 1), one = qn__ll_i64(g, 1);
  LLVMValueRef rest = LLVMBuildAnd(g->b, w->t->k_size, block, "");
  rest = qn__ll_mul(g, rest, qn__ll_i64(g, bytes_of(w->s->plan->lhs)));
  return qn__ll_sub(g, LLVMBuildShl(g->b, one, rest, ""), one);
}

/* What is needed before the loop only, or can wait in registers for masks: then the loop has its places. */
static void list_before(writer *w) {
  gemm_state *s = w->s;
  qn_ll *g = w->t->g;
  uint32_t places[4], n = 0;
  if (s->start) places[n++] = w->start = change_pointer(w, s->start);
  if (s->start && s->start_pitch) places[n++] = w->pitch = change_number(w, s->start_pitch);
  if (w->partial) places[n++] = w->mask = change_number(w, mask_of(w));
  places[n++] = w->to = change_pointer(w, s->sums);
  if (!w->fetches || !s->fetch.a_step) return;
  w->a_ahead = change_pointer(w, qn__ll_gep(g, s->a, qn__ll_mul(g, s->a_stride, qn__ll_i64(g, w->t->rows))));
  w->scratch = places[0];
  w->y_row = n > 1 ? places[1] : change_number(w, NULL);
}

static void list_changed(writer *w) {
  gemm_state *s = w->s;
  qn_ll_tile *t = w->t;
  qn_ll *g = t->g;
  LLVMValueRef blocks = w->partial ? s->full_blocks : s->all_blocks, left = NULL;
  for (uint32_t p = 0; p < t->panels; p++) w->b[p] = change_pointer(w, t->b[p]);
  if (t->unroll > 1 && !leaves_none(s)) left = LLVMBuildAnd(g->b, blocks, qn__ll_i64(g, t->unroll - 1), "");
  w->turns = change_number(w, LLVMBuildUDiv(g->b, blocks, qn__ll_i64(g, t->unroll), ""));
  if (left) w->left = change_number(w, left);
  if (w->fetches) w->ahead = change_pointer(w, s->fetch.ahead);
  if (w->whole)
    list_even_rows(w);
  else
    w->index = change_number(w, NULL);
  if (w->whole) list_before(w);
}

static void list_read(writer *w) {
  gemm_state *s = w->s;
  qn_ll_tile *t = w->t;
  qn_ll *g = t->g;
  if (w->whole && t->rows > 1) w->stride = take(w, s->a_stride);
  if (w->whole && w->rows_of > NEAR_ROWS) w->stride3 = take(w, qn__ll_mul(g, s->a_stride, qn__ll_i64(g, 3)));
  for (uint32_t r = 0; !w->whole && r < t->rows; r++) w->a[r] = take(w, t->a[r]);
  if (w->partial && !w->whole) w->mask = take(w, mask_of(w));
  if (w->fetches) w->kept = take(w, s->kept);
  if (w->y_row != none && w->fetches && s->fetch.a_step) w->y = take(w, s->fetch.y);
}

/* ---- text ---- */

static uint32_t sum_at(const writer *w, uint32_t r, uint32_t v, uint32_t j) {
  return (j % w->t->sets * w->t->rows + r) * w->t->vectors + v;
}

static uint32_t b_at(const writer *w, uint32_t v) {
  return w->all + v;
}

/* Where vector v of the columns is, j blocks on. */
static void write_b(writer *w, uint32_t v, uint32_t j) {
  uint32_t per = w->t->vectors / w->t->panels;
  qn__buf_fmt(&w->code.text, "%lld($%u)", (long long)(j * b_bytes(w) + (int64_t)(v % per) * LINE), w->b[v / per]);
}

static void write_a(writer *w, uint32_t r, uint32_t j) {
  long long at = (long long)(j * a_bytes(w));
  if (!w->whole) {
    qn__buf_fmt(&w->code.text, "%lld($%u,$%u)", at, w->a[r], w->index);
    return;
  }
  uint32_t group = r / w->rows_of, within = r % w->rows_of;
  if (within == 0)
    qn__buf_fmt(&w->code.text, "%lld($%u)", at, w->a[group]);
  else if (within == 3)
    qn__buf_fmt(&w->code.text, "%lld($%u,$%u)", at, w->a[group], w->stride3);
  else
    qn__buf_fmt(&w->code.text, "%lld($%u,$%u,%u)", at, w->a[group], w->stride, within);
}

static void line(writer *w, const char *how, int64_t at, uint32_t operand) {
  qn__buf_fmt(&w->code.text, "%s %lld($%u)\n", how, (long long)at, operand);
}

/* What is kept in memory for the function, by its field of the state. */
static long long kept_at(const writer *w, LLVMValueRef *field) {
  for (uint32_t i = 0; i < w->f->num_kept; i++)
    if (w->f->kept[i] == field) return 8 * (long long)i;
  w->t->g->failed = true;
  return 0;
}

static void add_kept(writer *w, LLVMValueRef *field, uint32_t to, uint32_t times) {
  for (uint32_t i = 0; i < times; i++)
    qn__buf_fmt(&w->code.text, "addq %lld($%u), $%u\n", kept_at(w, field), w->kept, to);
}

static void skip_unless(writer *w, LLVMValueRef *field, const char *label) {
  qn__buf_fmt(&w->code.text, "testb $$1, %lld($%u)\nje %sf\n", kept_at(w, field), w->kept, label);
}

/* The parts of what a turn fetches: they are put between its rows. */
static void fetch_for_itself(writer *w, uint32_t blocks) {
  gemm_state *s = w->s;
  int64_t lines = (s->fetch.block_bytes * blocks + LINE - 1) / LINE;
  for (int64_t i = 0; i < lines; i++) line(w, "prefetcht0", s->plan->tile_ahead + i * LINE, w->ahead);
  skip_unless(w, &s->fetch.far, "9");
  for (int64_t i = 0; i < lines; i++) line(w, "prefetcht1", s->plan->tile_far + i * LINE, w->ahead);
  qn__buf_c(&w->code.text, "9:\n");
}

static void fetch_for_others(writer *w) {
  gemm_state *s = w->s;
  for (int64_t i = 0; i < s->plan->tile_lines; i++) line(w, "prefetcht1", i * LINE, w->ahead);
  if (!s->fetch.few) return;
  skip_unless(w, &s->fetch.few, "9");
  for (int64_t i = 0; i < s->fetch.block_bytes; i += LINE) line(w, "prefetcht0", s->plan->tile_close + i, w->b[0]);
  skip_unless(w, &s->fetch.far, "9");
  line(w, "prefetcht1", (int64_t)s->plan->tile_lines * LINE, w->ahead);
  qn__buf_c(&w->code.text, "9:\n");
}

static void fetch_rows(writer *w, uint32_t blocks) {
  gemm_fetch *f = &w->s->fetch;
  line(w, "prefetcht1", 0, w->a_ahead);
  add_kept(w, &f->a_step, w->a_ahead, blocks);
  qn__buf_fmt(&w->code.text, "movq $%u, $%u\nshrq $$%d, $%u\n", w->y_row, w->scratch, FRACTION, w->scratch);
  qn__buf_fmt(&w->code.text, "imulq %lld($%u), $%u\n", kept_at(w, &f->y_stride), w->kept, w->scratch);
  qn__buf_fmt(&w->code.text, "addq $%u, $%u\n", w->y, w->scratch);
  add_kept(w, &f->y_step, w->y_row, blocks);
}

static void fetch_written(writer *w) {
  gemm_fetch *f = &w->s->fetch;
  for (uint32_t i = 0; i < f->y_bytes; i += LINE) line(w, "prefetchw", i, w->scratch);
  line(w, "prefetchw", (int64_t)f->y_bytes - 1, w->scratch);
}

typedef enum fetching { NOTHING, FOR_OTHERS, FOR_ITSELF } fetching;

/* Before row r of the first block. */
static void fetch_part(writer *w, fetching what, uint32_t r, uint32_t blocks) {
  if (what == FOR_ITSELF && r == 0) fetch_for_itself(w, blocks);
  if (what != FOR_OTHERS) return;
  uint32_t rows = w->t->rows;
  if (r == 0) fetch_for_others(w);
  if (!w->s->fetch.a_step) return;
  if (r == rows / 3) fetch_rows(w, blocks);
  if (r == rows * 2 / 3) fetch_written(w);
}

static void multiply(writer *w, uint32_t r, uint32_t j, bool partial) {
  qn_ll_tile *t = w->t;
  uint32_t spread = w->first_spread + w->next++ % w->spreads;
  if (t->vectors == 1 && t->rows > 1 && w->words->even && !partial) { /* the row's part is used once */
    qn__buf_fmt(&w->code.text, "%s ", w->words->multiply);
    write_a(w, r, j);
    qn__buf_fmt(&w->code.text, "{1to%u}, %%zmm%u, %%zmm%u\n", t->acc_lanes, b_at(w, 0), sum_at(w, r, 0, j));
    return;
  }
  qn__buf_fmt(&w->code.text, partial ? "vmovdqu8 " : "%s ", w->words->spread);
  write_a(w, r, j);
  if (partial)
    qn__buf_fmt(&w->code.text, ", %%xmm%u{%%k1}{z}\n%s %%xmm%u, %%zmm%u\n", spread, w->words->spread, spread, spread);
  else
    qn__buf_fmt(&w->code.text, ", %%zmm%u\n", spread);
  for (uint32_t v = 0; v < t->vectors; v++) {
    qn__buf_fmt(&w->code.text, "%s ", w->words->multiply);
    if (t->rows == 1)
      write_b(w, v, j);
    else
      qn__buf_fmt(&w->code.text, "%%zmm%u", b_at(w, v));
    qn__buf_fmt(&w->code.text, ", %%zmm%u, %%zmm%u\n", spread, sum_at(w, r, v, j));
  }
}

static void blocks(writer *w, uint32_t count, fetching what, bool partial) {
  qn_ll_tile *t = w->t;
  for (uint32_t j = 0; j < count; j++) {
    for (uint32_t v = 0; t->rows > 1 && v < t->vectors; v++) {
      qn__buf_fmt(&w->code.text, "%s ", w->words->load);
      write_b(w, v, j);
      qn__buf_fmt(&w->code.text, ", %%zmm%u\n", b_at(w, v));
    }
    for (uint32_t r = 0; r < t->rows; r++) {
      if (j == 0) fetch_part(w, what, r, count);
      multiply(w, r, j, partial);
    }
  }
  for (uint32_t p = 0; p < t->panels; p++)
    qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(b_bytes(w) * count), w->b[p]);
  if (w->index != none) qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(a_bytes(w) * count), w->index);
  for (uint32_t i = 0; i < w->groups; i++)
    qn__buf_fmt(&w->code.text, "addq $$%lld, $%u\n", (long long)(a_bytes(w) * count), w->a[i]);
  if (what != NOTHING) add_kept(w, &w->s->fetch.ahead_step, w->ahead, count);
}

/* `count` blocks a turn, `turns` times: none at all where they may be none, which is known to be otherwise with
 * `once`. */
static void loop(writer *w, uint32_t turns, uint32_t count, fetching what, bool once) {
  if (!once) qn__buf_fmt(&w->code.text, "testq $%u, $%u\nje 2f\n", turns, turns);
  qn__buf_c(&w->code.text, ".p2align 4\n1:\n");
  blocks(w, count, what, false);
  qn__buf_fmt(&w->code.text, "decq $%u\njg 1b\n2:\n", turns);
}

static void all_turns(writer *w, fetching what) {
  uint32_t unroll = w->t->unroll;
  bool once = leaves_none(w->s) && !w->partial && !w->s->plan->window;
  loop(w, w->turns, unroll, what, once);
  if (w->left != none) loop(w, w->left, 1, w->whole ? NOTHING : what, false);
}

static void begin_whole(writer *w) {
  qn_ll_tile *t = w->t;
  uint32_t rows = t->rows, vectors = t->vectors, from = w->start == none ? 0 : rows * vectors;
  for (uint32_t i = from; i < w->all; i++) qn__buf_fmt(&w->code.text, "vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", i, i, i);
  if (w->start == none) return;
  for (uint32_t v = 0; v < vectors; v++)
    qn__buf_fmt(&w->code.text, "%s %u($%u), %%zmm%u\n", w->words->load, v * LINE, w->start, v);
  if (rows == 1) return;
  if (w->pitch != none) {
    qn__buf_fmt(&w->code.text, "testq $%u, $%u\nje 1f\n", w->pitch, w->pitch);
    for (uint32_t r = 1; r < rows; r++) {
      qn__buf_fmt(&w->code.text, "addq $%u, $%u\n", w->pitch, w->start);
      for (uint32_t v = 0; v < vectors; v++)
        qn__buf_fmt(&w->code.text, "%s %u($%u), %%zmm%u\n", w->words->load, v * LINE, w->start, r * vectors + v);
    }
    qn__buf_c(&w->code.text, "jmp 2f\n1:\n");
  }
  for (uint32_t i = vectors; i < rows * vectors; i++)
    qn__buf_fmt(&w->code.text, "vmovdqa64 %%zmm%u, %%zmm%u\n", i % vectors, i);
  if (w->pitch != none) qn__buf_c(&w->code.text, "2:\n");
}

static void end_whole(writer *w) {
  uint32_t count = w->t->rows * w->t->vectors;
  qn__buf_fmt(&w->code.text, "kmovq %%k2, $%u\n", w->to);
  for (uint32_t i = count; i < w->all; i++)
    qn__buf_fmt(&w->code.text, "vpaddd %%zmm%u, %%zmm%u, %%zmm%u\n", i, i % count, i % count);
  for (uint32_t i = 0; i < count; i++)
    qn__buf_fmt(&w->code.text, "%s %%zmm%u, %u($%u)\n", w->words->load, i, i * LINE, w->to);
  qn__buf_c(&w->code.text, "vzeroupper\n"); /* as LLVM leaves functions that it knows to use vectors */
}

static void write_text(writer *w) {
  gemm_state *s = w->s;
  if (w->whole) begin_whole(w);
  if (w->mask != none) qn__buf_fmt(&w->code.text, "kmovd ${%u:k}, %%k1\n", w->mask);
  if (w->to != none) qn__buf_fmt(&w->code.text, "kmovq $%u, %%k2\n", w->to);
  if (w->y_row != none) qn__buf_fmt(&w->code.text, "xorl ${%u:k}, ${%u:k}\n", w->y_row, w->y_row);
  if (w->index != none) qn__buf_fmt(&w->code.text, "xorl ${%u:k}, ${%u:k}\n", w->index, w->index);
  if (w->fetches && s->fetch.alone) {
    skip_unless(w, &s->fetch.alone, "7");
    all_turns(w, FOR_ITSELF);
    qn__buf_c(&w->code.text, "jmp 8f\n7:\n");
    all_turns(w, FOR_OTHERS);
    qn__buf_c(&w->code.text, "8:\n");
  } else {
    all_turns(w, w->fetches ? FOR_OTHERS : NOTHING);
  }
  if (w->partial) {
    qn__buf_c(&w->code.text, "kortestw %k1, %k1\nje 1f\n");
    blocks(w, 1, NOTHING, true);
    qn__buf_c(&w->code.text, "1:\n");
  }
  if (w->whole) end_whole(w);
}

/* ---- the call ---- */

/* Sums that go in and come out are the first operands, in the registers of their numbers. */
static void list_sums(writer *w) {
  for (uint32_t i = 0; !w->whole && i < w->all; i++) {
    qn__buf_fmt(&w->code.constraints, i ? ",={zmm%u}" : "={zmm%u}", i);
    w->given[w->code.num_results] = w->t->acc[i];
    w->code.results[w->code.num_results++] = w->t->acc_type;
  }
}

/* Of a function that is nothing else vector registers need not be told of, which takes LLVM 14 us each. */
static void list_overwritten(writer *w) {
  for (uint32_t i = w->all; !w->whole && i < QN_LL_ZMM; i++) qn__buf_fmt(&w->code.constraints, ",~{zmm%u}", i);
  if (!w->whole && w->partial) qn__buf_c(&w->code.constraints, ",~{k1}");
  qn__buf_c(&w->code.constraints, ",~{memory},~{flags}");
}

static void write_all(gemm_state *s, const gemm_sums *f, bool whole) {
  qn_ll_tile *t = &s->tile;
  qn_ll *g = t->g;
  writer w = {.s = s, .t = t, .f = f, .whole = whole, .words = qn__ll_wording_of(g, s->plan, t->dot)};
  w.stride = w.stride3 = w.index = w.left = w.mask = w.kept = w.ahead = w.a_ahead = none;
  w.y = w.y_row = w.scratch = w.start = w.pitch = w.to = none;
  w.partial = has_partial(s->plan);
  w.fetches = s->fetch.ahead != NULL;
  w.all = t->rows * t->vectors * t->sets;
  w.first_spread = w.all + (t->rows > 1 ? t->vectors : 0);
  w.spreads = QN_LL_ZMM - w.first_spread;
  qn__ll_assembly_begin(g, &w.code);
  list_sums(&w);
  list_changed(&w);
  tie(&w);
  list_read(&w);
  list_overwritten(&w);
  write_text(&w);
  LLVMValueRef out[QN_LL_ASSEMBLY_OPERANDS] = {NULL};
  qn__ll_assembly_call(g, &w.code, out, whole ? 0 : w.code.num_results);
  if (whole || g->failed) return;
  for (uint32_t i = 0; i < w.all; i++) t->acc[i] = out[i];
  for (uint32_t p = 0; p < t->panels; p++) t->b[p] = out[w.b[p]];
  if (w.fetches) s->fetch.ahead = out[w.ahead];
}

void qn__ll_gemm_text_run(gemm_state *s) {
  write_all(s, s->within, false);
}

bool qn__ll_gemm_text_is_whole(const gemm_state *s) {
  return is_even(s) && qn__ll_gemm_text_serves(s);
}

void qn__ll_gemm_text_whole(gemm_state *s) {
  qn_ll *g = s->g;
  qn_ll_tile *t = &s->tile;
  LLVMValueRef block = qn__ll_i64(g, s->plan->layout.k_block), up = qn__ll_i64(g, s->plan->layout.k_block - 1);
  s->full_blocks = LLVMBuildUDiv(g->b, t->k_size, block, "");
  s->all_blocks = LLVMBuildUDiv(g->b, qn__ll_add(g, t->k_size, up), block, "");
  t->b[0] = s->b;
  for (uint32_t p = 1; p < t->panels; p++) t->b[p] = qn__ll_gep(g, t->b[p - 1], s->b_stride);
  write_all(s, s->within, true);
}
