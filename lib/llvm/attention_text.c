/* ATTENTION's products as text, for AVX-512: each a function of the sums of a group of rows, from what they start with
 * to where they are kept, so that LLVM neither carries them through blocks nor looks for registers. Bodies whose tiles
 * have rows in common share them. */
#include "assembly.h"
#include "attention.h"

enum { LINE = 64, NEAR_ROWS = 3, MOST_ROWS = 15, TURN = 2, FACTOR = QN_LL_ZMM - 1 };

/* Arguments, in registers; of scores FACTORS is not used, and is then an address of rows as the last three are. */
static const char rows[] = "%rdi", step[] = "%rsi", panels[] = "%rdx", count[] = "%rcx", sums[] = "%r8",
                  factors[] = "%r9", far_panel[] = "%r10";
static const char *const addresses[] = {rows, factors, "%r10", "%r11", "%rax"};

typedef struct writer {
  const qn_ll_product *p;
  const qn_ll_wording *words;
  const qn_ll_tile *t;
  uint32_t all, next; /* sums; the next register for a row's part */
  qn_buf text;
} writer;

static const qn_ll_wording *words_of(const qn_ll *g, const qn_gemm_plan *plan) {
  return qn__ll_wording_of(g, plan, qn__ll_dot_find(g, plan, g->lanes > 1));
}

bool qn__ll_attention_text_serves(const qn_ll_attention *t) {
  const qn_attention_plan *p = t->plan;
  bool exact = p->scores.lhs_padded || p->scores.layout.k_block == 1;
  return exact && p->sums <= MOST_ROWS && words_of(t->g, &p->scores) && words_of(t->g, &p->values);
}

static int64_t block_bytes(const qn_gemm_plan *plan, qn_scalar mem) {
  return plan->layout.k_block * qn__ll_mem_bits(mem) / 8;
}

static int64_t b_bytes(const writer *w) {
  return block_bytes(w->t->plan, w->t->plan->rhs) * w->t->plan->layout.panel_width;
}

static uint32_t sum_at(const writer *w, uint32_t r, uint32_t v) {
  return r * w->t->vectors + v;
}

static void write_a(writer *w, uint32_t r, uint32_t j) {
  long long at = (long long)(j * block_bytes(w->t->plan, w->t->plan->lhs));
  const char *address = addresses[r / NEAR_ROWS];
  if (w->p->row_bytes)
    qn__buf_fmt(&w->text, "%lld(%s)", at + (long long)(r * w->p->row_bytes), rows);
  else if (r % NEAR_ROWS == 0)
    qn__buf_fmt(&w->text, "%lld(%s)", at, address);
  else
    qn__buf_fmt(&w->text, "%lld(%s,%s,%u)", at, address, step, r % NEAR_ROWS);
}

/* Of four panels at most. */
static void write_b(writer *w, uint32_t v, uint32_t j) {
  uint32_t per = w->t->vectors / w->t->panels, panel = v / per;
  long long at = (long long)(j * b_bytes(w) + (int64_t)(v % per) * LINE);
  if (panel % NEAR_ROWS == 0)
    qn__buf_fmt(&w->text, "%lld(%s)", at, panel ? far_panel : panels);
  else
    qn__buf_fmt(&w->text, "%lld(%s,%s,%u)", at, panels, step, panel);
}

static void multiply(writer *w, uint32_t r, uint32_t j) {
  const qn_ll_tile *t = w->t;
  uint32_t first = w->all + (t->rows > 1 ? t->vectors : 0), spread = first + w->next++ % (QN_LL_ZMM - first);
  if (t->vectors == 1 && t->rows > 1 && w->words->even) { /* the row's part is used once */
    qn__buf_fmt(&w->text, "%s ", w->words->multiply);
    write_a(w, r, j);
    qn__buf_fmt(&w->text, "{1to16}, %%zmm%u, %%zmm%u\n", w->all, sum_at(w, r, 0));
    return;
  }
  qn__buf_fmt(&w->text, "%s ", w->words->spread);
  write_a(w, r, j);
  qn__buf_fmt(&w->text, ", %%zmm%u\n", spread);
  for (uint32_t v = 0; v < t->vectors; v++) {
    qn__buf_fmt(&w->text, "%s ", w->words->multiply);
    if (t->rows == 1)
      write_b(w, v, j);
    else
      qn__buf_fmt(&w->text, "%%zmm%u", w->all + v);
    qn__buf_fmt(&w->text, ", %%zmm%u, %%zmm%u\n", spread, sum_at(w, r, v));
  }
}

static void advance(writer *w, const char *address, int64_t bytes) {
  qn__buf_fmt(&w->text, "addq $$%lld, %s\n", (long long)bytes, address);
}

static void blocks(writer *w, uint32_t n) {
  const qn_ll_tile *t = w->t;
  int64_t a_bytes = block_bytes(t->plan, t->plan->lhs) * n;
  for (uint32_t j = 0; j < n; j++) {
    for (uint32_t v = 0; t->rows > 1 && v < t->vectors; v++) {
      qn__buf_fmt(&w->text, "%s ", w->words->load);
      write_b(w, v, j);
      qn__buf_fmt(&w->text, ", %%zmm%u\n", w->all + v);
    }
    for (uint32_t r = 0; r < t->rows; r++) multiply(w, r, j);
  }
  advance(w, panels, b_bytes(w) * n);
  if (t->panels > NEAR_ROWS) advance(w, far_panel, b_bytes(w) * n);
  advance(w, rows, a_bytes);
  for (uint32_t r = NEAR_ROWS; !w->p->row_bytes && r < t->rows; r += NEAR_ROWS)
    advance(w, addresses[r / NEAR_ROWS], a_bytes);
}

/* The last block of an odd number is the first that is done: no sum's order changes. */
static void loop(writer *w) {
  qn__buf_fmt(&w->text, "testb $$1, %%cl\nje 1f\n");
  blocks(w, 1);
  qn__buf_fmt(&w->text, "1:\nshrq %s\nje 3f\n.p2align 4\n2:\n", count);
  blocks(w, TURN);
  qn__buf_fmt(&w->text, "decq %s\njne 2b\n3:\n", count);
}

static void write_sum(writer *w, uint32_t r, uint32_t v) {
  uint32_t per = w->t->vectors / w->t->panels;
  int64_t at =
      r * w->p->sums_bytes + (int64_t)(v / per) * w->t->plan->layout.panel_width * 4 + (int64_t)(v % per) * LINE;
  qn__buf_fmt(&w->text, "%lld(%s)", (long long)at, sums);
}

static void load_factor(writer *w, uint32_t r) {
  qn__buf_fmt(&w->text, "vbroadcastss %u(%s), %%zmm%d\n", 4 * r, factors, FACTOR);
}

static void begin(writer *w) {
  const qn_ll_tile *t = w->t;
  for (uint32_t r = NEAR_ROWS; !w->p->row_bytes && r < t->rows; r += NEAR_ROWS) {
    const char *before = addresses[r / NEAR_ROWS - 1], *address = addresses[r / NEAR_ROWS];
    qn__buf_fmt(&w->text, "leaq (%s,%s,2), %s\naddq %s, %s\n", before, step, address, step, address);
  }
  if (t->panels > NEAR_ROWS)
    qn__buf_fmt(&w->text, "leaq (%s,%s,2), %s\naddq %s, %s\n", panels, step, far_panel, step, far_panel);
  for (uint32_t r = 0; r < t->rows; r++) {
    if (w->p->how == QN_LL_SUMS_SCALED) load_factor(w, r);
    for (uint32_t v = 0; v < t->vectors; v++) {
      uint32_t at = sum_at(w, r, v);
      if (w->p->how == QN_LL_SUMS_NEW || w->p->how == QN_LL_SUMS_OF_CODES) {
        qn__buf_fmt(&w->text, "vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", at, at, at);
        continue;
      }
      qn__buf_c(&w->text, w->p->how == QN_LL_SUMS_SCALED ? "vmulps " : "vmovups ");
      write_sum(w, r, v);
      if (w->p->how == QN_LL_SUMS_SCALED) qn__buf_fmt(&w->text, ", %%zmm%d", FACTOR);
      qn__buf_fmt(&w->text, ", %%zmm%u\n", at);
    }
  }
}

static void end(writer *w) {
  const qn_ll_tile *t = w->t;
  bool codes = w->p->how == QN_LL_SUMS_OF_CODES;
  for (uint32_t r = 0; r < t->rows; r++) {
    if (codes) load_factor(w, r);
    for (uint32_t v = 0; v < t->vectors; v++) {
      uint32_t at = sum_at(w, r, v), old = w->all;
      if (codes) {
        qn__buf_fmt(&w->text, "vcvtdq2ps %%zmm%u, %%zmm%u\nvmovups ", at, at);
        write_sum(w, r, v);
        qn__buf_fmt(&w->text, ", %%zmm%u\nvfmadd213ps %%zmm%u, %%zmm%d, %%zmm%u\n", old, at, FACTOR, old);
        at = old;
      }
      qn__buf_fmt(&w->text, "vmovups %%zmm%u, ", at);
      write_sum(w, r, v);
      qn__buf_c(&w->text, "\n");
    }
  }
  qn__buf_c(&w->text, "vzeroupper\nretq\n");
}

static LLVMTypeRef signature(qn_ll *g) {
  LLVMTypeRef params[6] = {g->ptr, g->i64, g->ptr, g->i64, g->ptr, g->ptr};
  return LLVMFunctionType(g->void_t, params, 6, false);
}

void qn__ll_attention_text(qn_ll_tile *t, const qn_ll_product *p) {
  qn_ll *g = t->g;
  writer w = {.p = p, .words = qn__ll_wording_of(g, t->plan, t->dot), .t = t, .all = t->rows * t->vectors};
  qn__buf_init(&w.text, g->arena->allocator);
  begin(&w);
  loop(&w);
  end(&w);
  LLVMValueRef fn = qn__ll_assembly_function(g, "attention_product", signature(g), &w.text);
  LLVMValueRef args[6] = {p->rows, p->step, p->panels, p->count, p->sums, p->factors};
  if (!p->factors) args[5] = LLVMConstNull(g->ptr);
  if (fn) LLVMBuildCall2(g->b, signature(g), fn, args, 6, "");
}

LLVMValueRef qn__ll_attention_fill_text(qn_ll *g, LLVMTypeRef *type) {
  LLVMTypeRef params[3] = {g->ptr, g->i64, g->i32};
  qn_buf text;
  *type = LLVMFunctionType(g->void_t, params, 3, false);
  qn__buf_init(&text, g->arena->allocator);
  qn__buf_c(&text, "vpbroadcastd %edx, %zmm0\n"
                   "1:\nvmovups %zmm0, (%rdi)\naddq $$64, %rdi\nsubq $$64, %rsi\nja 1b\nvzeroupper\nretq\n");
  return qn__ll_assembly_function(g, "attention_fill", *type, &text);
}
