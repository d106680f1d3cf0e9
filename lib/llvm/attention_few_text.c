/* ATTENTION of one or two queries, whose keys and values are multiplied where they lie: bringing a block into layouts
 * first, as is right for more queries, would take several times as long as multiplying it. Both products are functions
 * that are text.
 *
 * Floats: four values of each of 16 keys become four vectors of keys in registers, each of which one step of the sums
 * is made of; so a sum is one chain over d. Codes: half registers of two keys side by side. Queries are signed there,
 * and keys made unsigned by adding 128, of which the sums' first value takes 128 times the query's codes away again: so
 * sums over keys' codes, which unsigned queries need, are never taken. */
#include "assembly.h"
#include "attention.h"

/* Bytes that are fetched ahead: the processor alone stops at each page. Keys of floats take so long that it is further
 * behind, when it goes on with them. */
enum { AHEAD = 2048, FAR_AHEAD = 8192 };
enum { KEYS = 16, LINE = 64, HALF = 32, FLIP = 31, MOST_SUMS = 8, SETS = 2, QUAD = 4 };

typedef struct writer {
  const qn_ll_attention *t;
  uint32_t rows;
  int64_t key_bytes, value_bytes; /* of a row of k and of v */
  int64_t sums_bytes;             /* of a row of scores */
  qn_buf text;
} writer;

#define TEXT(...) qn__buf_fmt(&w->text, __VA_ARGS__)

static writer begin(const qn_ll_attention *t) {
  const qn_attention_plan *p = t->plan;
  int64_t bytes = p->codes ? 1 : 4;
  writer w = {.t = t, .rows = t->rows, .key_bytes = bytes * p->d, .value_bytes = bytes * p->dv};
  w.sums_bytes = 4 * (int64_t)p->key_block;
  qn__buf_init(&w.text, t->g->arena->allocator);
  return w;
}

bool qn__ll_attention_few(const qn_ll_attention *t) {
  const qn_ll *g = t->g;
  const qn_attention_plan *p = t->plan;
  bool wide = g->x86 && g->masked && g->lanes == 16 && g->isa->num_registers == QN_LL_ZMM;
  return p->direct && t->rows <= QN_ATTENTION_DIRECT_ROWS && wide && (!p->codes || (g->isa->has & QN_ISA_DOT8));
}

/* ---- scores: rdi queries, rsi from one to the next, rdx keys, rcx their number, r8 sums, r9 keys before these ---- */

/* Value `at` bytes on of query r. */
static void write_query(writer *w, uint32_t r, int64_t at) {
  TEXT(r ? "%lld(%%rdi,%%rsi)" : "%lld(%%rdi)", (long long)at);
}

/* Four values of each key, from byte `at` on, into the sums in zmm16 on; and four of the lines that r10 points to. */
static void four_values(writer *w, int64_t at) {
  for (int i = 0; i < 4; i++) {
    TEXT("prefetcht0 %lld(%%r10)\nvmovups %lld(%%rdx), %%xmm%d\n", (long long)(4 * at + i * LINE),
         (long long)(at + i * w->key_bytes), i);
    for (int lane = 1; lane < 4; lane++)
      TEXT("vinsertf32x4 $$%d, %lld(%%rdx), %%zmm%d, %%zmm%d\n", lane, (long long)(at + (i + 4 * lane) * w->key_bytes),
           i, i);
  }
  TEXT("vunpcklps %%zmm1, %%zmm0, %%zmm4\nvunpckhps %%zmm1, %%zmm0, %%zmm5\n");
  TEXT("vunpcklps %%zmm3, %%zmm2, %%zmm6\nvunpckhps %%zmm3, %%zmm2, %%zmm7\n");
  TEXT("vunpcklpd %%zmm6, %%zmm4, %%zmm8\nvunpckhpd %%zmm6, %%zmm4, %%zmm9\n");
  TEXT("vunpcklpd %%zmm7, %%zmm5, %%zmm10\nvunpckhpd %%zmm7, %%zmm5, %%zmm11\n");
  for (int i = 0; i < 4; i++)
    for (uint32_t r = 0; r < w->rows; r++) {
      TEXT("vfmadd231ps ");
      write_query(w, r, at + 4 * i);
      TEXT("{1to16}, %%zmm%d, %%zmm%u\n", 8 + i, 16 + r);
    }
}

/* The keys lie one after the other, and so do lines that are fetched, which are as many. */
static void float_keys(writer *w) {
  long long bytes = (long long)w->key_bytes;
  for (uint32_t r = 0; r < w->rows; r++) TEXT("vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", 16 + r, 16 + r, 16 + r);
  TEXT("leaq %d(%%rdx), %%r10\nmovl $$%lld, %%eax\n.p2align 4\n5:\n", FAR_AHEAD, bytes / LINE);
  for (int64_t at = 0; at < LINE; at += 16) four_values(w, at);
  TEXT("addq $$%d, %%rdx\naddq $$%d, %%rdi\naddq $$%d, %%r10\ndecl %%eax\njne 5b\n", LINE, LINE, KEYS * LINE);
  TEXT("subq $$%lld, %%rdx\nsubq $$%lld, %%rdi\n", bytes, bytes);
  for (uint32_t r = 0; r < w->rows; r++) TEXT("vmovups %%zmm%u, %lld(%%r8)\n", 16 + r, (long long)(r * w->sums_bytes));
}

/* ---- of codes ---- */

static uint32_t halves_of(const writer *w) {
  return (uint32_t)((w->key_bytes + HALF - 1) / HALF);
}

/* A query's codes, half h of them twice; what its sums start from. */
static uint32_t query_at(const writer *w, uint32_t r, uint32_t h) {
  return FLIP - 1 - r * halves_of(w) - h;
}

static uint32_t start_at(const writer *w, uint32_t r) {
  return FLIP - 1 - w->rows * halves_of(w) - r;
}

/* Half h may not be whole. */
static const char *mask_of(const writer *w, uint32_t h) {
  return (h + 1) * HALF > w->key_bytes ? " {%k1} {z}" : "";
}

static void prepare_codes(writer *w) {
  uint32_t rest = (uint32_t)(w->key_bytes % HALF);
  TEXT("movl $$0x80808080, %%eax\nvpbroadcastd %%eax, %%zmm%d\n", FLIP);
  if (rest) TEXT("movl $$%lld, %%eax\nkmovd %%eax, %%k1\n", (1LL << rest) - 1);
  for (uint32_t r = 0; r < w->rows; r++) {
    uint32_t start = start_at(w, r);
    TEXT("vpxord %%zmm0, %%zmm0, %%zmm0\nvpxord %%zmm%u, %%zmm%u, %%zmm%u\n", start, start, start);
    for (uint32_t h = 0; h < halves_of(w); h++) {
      uint32_t q = query_at(w, r, h);
      TEXT("vmovdqu8 ");
      write_query(w, r, (int64_t)h * HALF);
      TEXT(", %%ymm%u%s\nvinserti64x4 $$1, %%ymm%u, %%zmm%u, %%zmm%u\n", q, mask_of(w, h), q, q, q);
      TEXT("vpdpbusd %%zmm%u, %%zmm%d, %%zmm0\n", q, FLIP);
    }
    TEXT("vpsubd %%zmm0, %%zmm%u, %%zmm%u\n", start, start);
  }
}

/* Sums of keys a and b, each in half of register `to` + 4 r. */
static void two_keys(writer *w, uint32_t a, uint32_t b, uint32_t to) {
  for (uint32_t h = 0; h < halves_of(w); h++) {
    const char *mask = mask_of(w, h);
    long long at_a = (long long)(a * w->key_bytes + h * HALF), at_b = (long long)(b * w->key_bytes + h * HALF);
    if (h % 2 == 0) TEXT("prefetcht0 %lld(%%rdx)\nprefetcht0 %lld(%%rdx)\n", at_a + AHEAD, at_b + AHEAD);
    TEXT("vmovdqu8 %lld(%%rdx), %%ymm0%s\n", at_a, mask);
    if (*mask)
      TEXT("vmovdqu8 %lld(%%rdx), %%ymm1%s\nvinserti64x4 $$1, %%ymm1, %%zmm0, %%zmm0\n", at_b, mask);
    else
      TEXT("vinserti64x4 $$1, %lld(%%rdx), %%zmm0, %%zmm0\n", at_b);
    TEXT("vpxord %%zmm%d, %%zmm0, %%zmm0\n", FLIP);
    for (uint32_t r = 0; r < w->rows; r++) {
      if (h == 0) TEXT("vmovdqa64 %%zmm%u, %%zmm%u\n", start_at(w, r), to + 4 * r);
      TEXT("vpdpbusd %%zmm%u, %%zmm0, %%zmm%u\n", query_at(w, r, h), to + 4 * r);
    }
  }
}

/* What is left of the lanes of register `at` and the next, folded by halves, in the former. */
static void fold_two(writer *w, uint32_t at, const char *one, const char *other) {
  for (uint32_t r = 0; r < w->rows; r++, at += 4) {
    TEXT("%s %%zmm%u, %%zmm%u, %%zmm0\n%s %%zmm%u, %%zmm%u, %%zmm1\n", one, at + 1, at, other, at + 1, at);
    TEXT("vpaddd %%zmm1, %%zmm0, %%zmm%u\n", at);
  }
}

/* Quarters i of the first sums are keys 4 i + j; so lanes come to be in the keys' order. */
static void code_keys(writer *w) {
  enum { FIRST = 2 };
  for (uint32_t j = 0; j < 4; j++) {
    uint32_t at = FIRST + (j & 1) + (j >> 1);
    two_keys(w, j, j + 4, at), two_keys(w, j + 8, j + 12, at + 1);
    fold_two(w, at, "vshufi64x2 $$0x88,", "vshufi64x2 $$0xdd,");
    if (j & 1) fold_two(w, at - 1, "vpunpcklqdq", "vpunpckhqdq");
  }
  fold_two(w, FIRST, "vshufps $$0x88,", "vshufps $$0xdd,");
  for (uint32_t r = 0; r < w->rows; r++)
    TEXT("vmovdqu64 %%zmm%u, %lld(%%r8)\n", FIRST + 4 * r, (long long)(r * w->sums_bytes));
}

/* ---- all keys ---- */

/* The last keys that are not 16: with those before them, or where there are none, in memory with room for 16. */
static void some_keys_left(writer *w) {
  long long bytes = (long long)w->key_bytes;
  TEXT("3:\ntestq %%r9, %%r9\njne 4f\n");
  TEXT("subq $$%lld, %%rsp\nandq $$-%d, %%rsp\nmovq %%rdi, %%r10\nmovq %%rsi, %%rax\n", KEYS * bytes, LINE);
  TEXT("movq %%rdx, %%rsi\nmovq %%rsp, %%rdi\nimulq $$%lld, %%rcx, %%rcx\nrep movsb\n", bytes);
  TEXT("movq %%rsp, %%rdx\nmovq %%r10, %%rdi\nmovq %%rax, %%rsi\nmovl $$%d, %%ecx\njmp 2b\n", KEYS);
  TEXT("4:\nsubq $$%d, %%rcx\nimulq $$%lld, %%rcx, %%rax\naddq %%rax, %%rdx\n", KEYS, bytes);
  TEXT("leaq (%%r8,%%rcx,4), %%r8\nmovl $$%d, %%ecx\njmp 2b\n", KEYS);
}

static void write_scores(writer *w) {
  bool codes = w->t->plan->codes;
  TEXT("testq %%rcx, %%rcx\njle 9f\nmovq %%rsp, %%r11\n");
  if (codes) prepare_codes(w);
  TEXT(".p2align 4\n1:\ncmpq $$%d, %%rcx\njl 3f\n2:\n", KEYS);
  if (codes)
    code_keys(w);
  else
    float_keys(w);
  TEXT("addq $$%lld, %%rdx\naddq $$%d, %%r8\naddq $$%d, %%r9\n", (long long)(KEYS * w->key_bytes), LINE, KEYS);
  TEXT("subq $$%d, %%rcx\njg 1b\nmovq %%r11, %%rsp\nvzeroupper\n9:\nretq\n", KEYS);
  some_keys_left(w);
}

static LLVMTypeRef scores_type(qn_ll *g) {
  LLVMTypeRef params[6] = {g->ptr, g->i64, g->ptr, g->i64, g->ptr, g->i64};
  return LLVMFunctionType(g->void_t, params, 6, false);
}

LLVMValueRef qn__ll_attention_few_scores(const qn_ll_attention *t) {
  writer w = begin(t);
  write_scores(&w);
  return qn__ll_assembly_function(t->g, "attention_scores", scores_type(t->g), &w.text);
}

void qn__ll_attention_few_scores_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef args[6]) {
  LLVMBuildCall2(g->b, scores_type(g), fn, args, 6, "");
}

/* ---- values: rdi weights, rsi values, rdx their number, rcx o, r8 factors ---- */

static uint32_t columns_at_once(const writer *w) {
  uint32_t vectors = w->t->plan->dv / 16, n = MOST_SUMS;
  while (vectors % n) n--;
  return n;
}

static void add_value(writer *w, uint32_t vectors, uint32_t j) {
  for (uint32_t v = 0; v < vectors; v++)
    TEXT("prefetcht0 %lld(%%rsi)\n", (long long)(j * w->value_bytes + v * LINE) + AHEAD);
  enum { WEIGHT = 16, VALUES = 18 };
  for (uint32_t r = 0; r < w->rows; r++)
    TEXT("vbroadcastss %lld(%%r10), %%zmm%u\n", (long long)(4 * j + r * w->sums_bytes), WEIGHT + r);
  for (uint32_t v = 0; v < vectors; v++) {
    long long at = (long long)(j * w->value_bytes + v * LINE);
    if (w->rows > 1) TEXT("vmovups %lld(%%rsi), %%zmm%u\n", at, VALUES + v);
    for (uint32_t r = 0; r < w->rows; r++)
      if (w->rows > 1)
        TEXT("vfmadd231ps %%zmm%u, %%zmm%u, %%zmm%u\n", VALUES + v, WEIGHT + r, r * vectors + v);
      else
        TEXT("vfmadd231ps %lld(%%rsi), %%zmm%u, %%zmm%u\n", at, WEIGHT, v);
  }
}

static void move_on(writer *w, uint32_t keys) {
  TEXT("addq $$%lld, %%rsi\naddq $$%u, %%r10\n", (long long)(keys * w->value_bytes), 4 * keys);
}

/* The last key of an odd number is the first that is done: no sum's order changes. */
static void write_float_values(writer *w) {
  uint32_t vectors = columns_at_once(w), turns = w->t->plan->dv / 16 / vectors;
  long long out = 4 * (long long)w->t->plan->dv_room;
  TEXT("movl $$%u, %%r11d\n1:\nmovq %%rdi, %%r10\nmovq %%rsi, %%r9\nmovq %%rdx, %%rax\n", turns);
  for (uint32_t r = 0; r < w->rows; r++) {
    TEXT("vbroadcastss %u(%%r8), %%zmm31\n", 4 * r);
    for (uint32_t v = 0; v < vectors; v++)
      TEXT("vmulps %lld(%%rcx), %%zmm31, %%zmm%u\n", r * out + v * LINE, r * vectors + v);
  }
  TEXT("testb $$1, %%al\nje 2f\n");
  add_value(w, vectors, 0);
  move_on(w, 1);
  TEXT("2:\nshrq %%rax\nje 4f\n.p2align 4\n3:\n");
  add_value(w, vectors, 0);
  add_value(w, vectors, 1);
  move_on(w, 2);
  TEXT("decq %%rax\njne 3b\n4:\n");
  for (uint32_t i = 0; i < w->rows * vectors; i++)
    TEXT("vmovups %%zmm%u, %lld(%%rcx)\n", i, i / vectors * out + i % vectors * LINE);
  if (turns > 1) TEXT("leaq %u(%%r9), %%rsi\naddq $$%u, %%rcx\ndecl %%r11d\njne 1b\n", LINE * vectors, LINE * vectors);
  TEXT("vzeroupper\nretq\n");
}

/* ---- of codes: two keys' rows in turns, byte by byte, are multiplied by their weights, once with those of the even
 * columns and zeros, and once with zeros and those of the odd ones ---- */

static uint32_t code_sum(uint32_t r, uint32_t set, uint32_t i) {
  return 16 + 8 * r + 4 * set + i;
}

/* Weights of two keys as words with zeros: first in the lower halves of 32 bits, then in the upper ones. */
static void spread_weights(writer *w) {
  long long block = (long long)w->t->plan->key_block;
  TEXT("movq %%rsp, %%r11\nsubq $$%lld, %%rsp\nandq $$-%d, %%rsp\nxorl %%eax, %%eax\n1:\n", 4 * block * w->rows + LINE,
       LINE);
  for (uint32_t r = 0; r < w->rows; r++) {
    TEXT("vpmovzxwd %lld(%%rdi,%%rax), %%zmm0\nvpslld $$16, %%zmm0, %%zmm1\n", r * block);
    TEXT("vmovdqa64 %%zmm0, %lld(%%rsp,%%rax,2)\nvmovdqa64 %%zmm1, %lld(%%rsp,%%rax,2)\n", 4 * r * block,
         (4 * r + 2) * block);
  }
  TEXT("addq $$%d, %%rax\ncmpq $$%lld, %%rax\njl 1b\n", HALF, block);
}

/* Of keys 2 j and 2 j + 1; the second may stand for none, at r9 from the first. */
static void two_values(writer *w, uint32_t j, uint32_t set, bool last) {
  long long block = (long long)w->t->plan->key_block, at = (long long)(2 * j * w->value_bytes);
  for (uint32_t i = 0; i < 2; i++) TEXT("prefetcht0 %lld(%%r10)\n", at + i * (long long)w->value_bytes + AHEAD);
  TEXT("vmovdqu64 %lld(%%r10), %%zmm0\n", at);
  if (last)
    TEXT("vmovdqu64 (%%r10,%%r9), %%zmm1\n");
  else
    TEXT("vmovdqu64 %lld(%%r10), %%zmm1\n", at + (long long)w->value_bytes);
  TEXT("vpunpcklbw %%zmm1, %%zmm0, %%zmm2\nvpunpckhbw %%zmm1, %%zmm0, %%zmm3\n");
  for (uint32_t r = 0; r < w->rows; r++) {
    TEXT("vpbroadcastd %lld(%%rdi), %%zmm4\nvpbroadcastd %lld(%%rdi), %%zmm5\n", 4 * r * block + 4 * j,
         (4 * r + 2) * block + 4 * j);
    for (uint32_t i = 0; i < 4; i++)
      TEXT("vpdpbusd %%zmm%u, %%zmm%u, %%zmm%u\n", 2 + i / 2, 4 + i % 2, code_sum(r, set, i));
  }
}

/* Sums of row r, of 64 columns, to o in their order. */
static void end_codes(writer *w, uint32_t r) {
  uint32_t s[4];
  long long out = 4LL * r * w->t->plan->dv_room;
  for (uint32_t i = 0; i < 4; i++) {
    s[i] = code_sum(r, 0, i);
    TEXT("vpaddd %%zmm%u, %%zmm%u, %%zmm%u\n", code_sum(r, 1, i), s[i], s[i]);
  }
  for (uint32_t i = 0; i < 4; i++)
    TEXT("vpunpck%cdq %%zmm%u, %%zmm%u, %%zmm%u\n", i % 2 ? 'h' : 'l', s[i / 2 * 2 + 1], s[i / 2 * 2], i);
  for (uint32_t i = 0; i < 4; i++)
    TEXT("vshufi64x2 $$%s, %%zmm%u, %%zmm%u, %%zmm%u\n", i % 2 ? "0xee" : "0x44", i / 2 * 2 + 1, i / 2 * 2, 4 + i);
  TEXT("vbroadcastss %u(%%r8), %%zmm15\n", 4 * r);
  for (uint32_t i = 0; i < 4; i++) {
    TEXT("vshufi64x2 $$%s, %%zmm%u, %%zmm%u, %%zmm%u\n", i % 2 ? "0xdd" : "0x88", 6 + i / 2, 4 + i / 2, i);
    TEXT("vcvtdq2ps %%zmm%u, %%zmm%u\nvmovups %lld(%%rcx), %%zmm%u\n", i, i, out + LINE * i, 8 + i);
    TEXT("vfmadd213ps %%zmm%u, %%zmm15, %%zmm%u\nvmovups %%zmm%u, %lld(%%rcx)\n", i, 8 + i, 8 + i, out + LINE * i);
  }
}

static void write_code_values(writer *w) {
  long long row = (long long)w->value_bytes, room = 4LL * w->t->plan->key_block * w->rows;
  uint32_t turns = w->t->plan->dv / LINE;
  spread_weights(w);
  TEXT("movl $$%u, %lld(%%rsp)\n", turns, room);
  TEXT("2:\nmovq %%rsi, %%r10\nmovq %%rsp, %%rdi\nmovq %%rdx, %%rax\n");
  for (uint32_t i = 0; i < 8 * w->rows; i++) TEXT("vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", 16 + i, 16 + i, 16 + i);
  TEXT("subq $$%d, %%rax\njl 4f\n.p2align 4\n3:\n", QUAD);
  for (uint32_t set = 0; set < SETS; set++) two_values(w, set, set, false);
  TEXT("addq $$%lld, %%r10\naddq $$8, %%rdi\nsubq $$%d, %%rax\njge 3b\n", QUAD * row, QUAD);
  TEXT("4:\naddq $$%d, %%rax\nje 6f\n5:\nxorl %%r9d, %%r9d\ncmpq $$2, %%rax\nsetge %%r9b\n", QUAD);
  TEXT("imulq $$%lld, %%r9, %%r9\n", row);
  two_values(w, 0, 0, true);
  TEXT("addq $$%lld, %%r10\naddq $$4, %%rdi\nsubq $$2, %%rax\njg 5b\n6:\n", 2 * row);
  for (uint32_t r = 0; r < w->rows; r++) end_codes(w, r);
  if (turns > 1) TEXT("addq $$%d, %%rsi\naddq $$%d, %%rcx\ndecl %lld(%%rsp)\njne 2b\n", LINE, 4 * LINE, room);
  TEXT("movq %%r11, %%rsp\nvzeroupper\nretq\n");
}

static LLVMTypeRef values_type(qn_ll *g) {
  LLVMTypeRef params[5] = {g->ptr, g->ptr, g->i64, g->ptr, g->ptr};
  return LLVMFunctionType(g->void_t, params, 5, false);
}

LLVMValueRef qn__ll_attention_few_values(const qn_ll_attention *t) {
  writer w = begin(t);
  if (t->plan->codes)
    write_code_values(&w);
  else
    write_float_values(&w);
  return qn__ll_assembly_function(t->g, "attention_values", values_type(t->g), &w.text);
}

void qn__ll_attention_few_values_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef args[5]) {
  LLVMBuildCall2(g->b, values_type(g), fn, args, 5, "");
}
