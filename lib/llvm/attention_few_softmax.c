/* Between the products of few queries, a row's scores, their largest, weights and sums, as text: where the score
 * is a list of steps over vectors (lanes.h) and the weight e^(s - m). The steps are those of attention_weight.c. */
#include "assembly.h"
#include "attention.h"
#include "lanes.h"
#include "poly.h"
#include <string.h>

enum {
  MOST_EXTRAS = QN_LL_ATTENTION_EXTRAS,
  MOST_MOVING = 2, /* with sums and scores in r8 to r11 */
  LINE = 64,
  PARTIALS = 32,
  AT_ONCE = 4,
  UNROLLED = 2
};
enum { X = 0, T = 5, P = 10, OLD = 14, FACTOR = 15, SUM = 16, INDEX = 18, FIRST_NUMBER = 19, MAX = 31 };
enum { KNOWN_AT = 8 * (QN_LANE_FRAME_ROWS + 1) }; /* in the frame: the one row's memory */
enum { NO_LESS = 21, EQUAL = 0 };                 /* of vcmpps; the first or a NaN */

typedef enum number { LEAST, ONE, C2, C3, C4, C5, C6, LOW, HIGH, MAGIC, LOG2E, NUMBERS } number;

typedef struct writer {
  const qn_ll_attention *t;
  uint32_t at_once, turns; /* vectors in a turn */
  qn_ll_lane_constants *constants;
  qn_buf text;
} writer;

#define TEXT(...) qn__buf_fmt(&w->text, __VA_ARGS__)

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static uint32_t constant_at(writer *w, uint32_t bits) {
  return qn__ll_lane_constant(w->constants, bits);
}

/* The tile's memory moved on to what the row has of it: of scores, of codes, of partials and as one number. */
static const char scores[] = "%rbx", codes[] = "%r13", partials[] = "%rbp", numbers[] = "%r12";

/* `bytes` on in that. */
static void put_at(writer *w, const char *base, int64_t bytes) {
  TEXT("%lld(%s)", (long long)bytes, base);
}

/* ---- scores ---- */

/* Their places: sums, extras, scores. Null where they are not such a list. */
static qn_ll_place *places_of(const qn_ll_attention *t) {
  const qn_attention_plan *p = t->plan;
  qn_ll *g = t->g;
  qn_ll_place *places = qn__arena_array(g->arena, 2 + MOST_EXTRAS, sizeof *places);
  if (!places) {
    g->failed = g->out_of_memory = true;
    return NULL;
  }
  places[0] = (qn_ll_place){p->scores.acc, QN_ACCESS_DENSE, NULL, NULL};
  for (uint32_t i = 0; i < p->num_extras; i++)
    places[1 + i] = (qn_ll_place){p->extras[i].mem, p->extras[i].by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE, NULL, NULL};
  places[1 + p->num_extras] = (qn_ll_place){QN_F32, QN_ACCESS_DENSE, NULL, NULL};
  return places;
}

typedef struct list {
  qn_ll_region region;
  qn_ll_place *places;
  qn_ll_lanes part;
  bool still[2 + MOST_EXTRAS];
  qn_ll_lane_rows rows;
  uint32_t num_known, known[QN_LL_ATTENTION_KNOWN]; /* registers that a row has one number of, and steps take */
} list;

static uint32_t known_at(const void *user, const qn_ll_lane_fixed *x) {
  const list *l = user;
  uint32_t k = 0;
  while (k < l->num_known && l->known[k] != x->reg) k++;
  return 4 * k;
}

static bool is_known(const list *l, uint32_t reg) {
  for (uint32_t k = 0; k < l->num_known; k++)
    if (l->known[k] == reg) return true;
  return false;
}

/* What steps over keys take of what is the same for all of them; all of it has 32 bits. */
static bool find_known(list *l) {
  const qn_ll_region *r = &l->region;
  const qn_tinst *insts = r->tape->insts;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    uint32_t args[3] = {0}, n = qn__ll_args(&insts[i], args);
    if (!r->needed[i] || !(r->vary[i] & QN_LL_BY_LANE) || insts[i].op == QN_T_INPUT) continue;
    for (uint32_t k = 0; k < n; k++) {
      uint32_t reg = args[k];
      if ((r->vary[reg] & QN_LL_BY_LANE) || insts[reg].op == QN_T_CONST || is_known(l, reg)) continue;
      if (insts[reg].type != QN_TF32 && insts[reg].type != QN_TI32) return false;
      if (l->num_known == QN_LL_ATTENTION_KNOWN) return false;
      l->known[l->num_known++] = reg;
    }
  }
  return true;
}

static bool make_list(const qn_ll_attention *t, list *l) {
  const qn_attention_plan *p = t->plan;
  uint8_t vary[1 + MOST_EXTRAS] = {QN_LL_BY_LANE};
  *l = (list){.part.num_sinks = 1};
  if (p->num_extras > MOST_EXTRAS) return false;
  uint32_t moving = 0;
  for (uint32_t i = 0; i < p->num_extras; i++) {
    vary[1 + i] = p->extras[i].by_col ? QN_LL_BY_LANE : 0;
    moving += p->extras[i].by_col;
  }
  if (moving > MOST_MOVING) return false;
  l->places = places_of(t);
  if (!l->places || !qn__ll_region_init(&l->region, t->g, &p->score, vary) || !find_known(l)) return false;
  l->part.region = &l->region, l->part.places = l->places;
  l->part.sinks[0] = (qn_ll_lanes_sink){.reg = p->score.outputs[0], .to = &l->places[1 + p->num_extras]};
  l->rows = (qn_ll_lane_rows){.count = 1, .parts = &l->part, .moves = l->still, .walked = l->still, .rests = true};
  l->rows.known_at = known_at, l->rows.user = l;
  return qn__ll_lane_rows_serve(&l->rows);
}

bool qn__ll_attention_few_softmax_serves(const qn_ll_attention *t) {
  list l;
  return t->plan->exponential && make_list(t, &l);
}

/* What is the row's, and how far it is to that of the next. */
typedef struct of_row {
  const char *base;
  uint32_t bytes;
} of_row;
enum { OF_ROW = 4 };

static void list_row(const writer *w, of_row of[OF_ROW]) {
  const qn_attention_plan *p = w->t->plan;
  of[0] = (of_row){scores, 4 * p->key_block}, of[1] = (of_row){codes, p->key_block};
  of[2] = (of_row){partials, p->codes ? 4 : 4 * PARTIALS}, of[3] = (of_row){numbers, 4};
}

/* rdi: the tile's memory; rcx: the row. */
static void find_row(writer *w) {
  of_row of[OF_ROW];
  list_row(w, of);
  for (size_t i = 0; i < OF_ROW; i++)
    TEXT("pushq %s\nimulq $$%u, %%rcx, %s\naddq %%rdi, %s\n", of[i].base, of[i].bytes, of[i].base, of[i].base);
}

static void next_row(writer *w) {
  of_row of[OF_ROW];
  list_row(w, of);
  for (size_t i = 0; i < OF_ROW; i++) TEXT("addq $$%u, %s\n", of[i].bytes, of[i].base);
}

static void leave_row(writer *w) {
  TEXT("popq %s\npopq %s\npopq %s\npopq %s\nvzeroupper\nretq\n", numbers, partials, codes, scores);
}

/* Scores of the rsi keys there are; those of others are -infinity. */
static void write_list(writer *w) {
  const qn_ll_attention *t = w->t;
  uint32_t last = 1 + t->plan->num_extras;
  list l;
  TEXT("addq $$%lld, %%rdi\nsubq $$31, %%rsi\nmovq %%rsi, %d(%%rdi)\n", (long long)t->at.frame, 8 * QN_LANE_FRAME_LAST);
  TEXT("leaq %lld(%s), %%rax\nmovq %%rax, %d(%%rdi)\n", (long long)t->at.sums, scores, 8 * QN_LANE_FRAME_BASES);
  TEXT("leaq %lld(%s), %%rax\nmovq %%rax, %u(%%rdi)\nxorl %%esi, %%esi\n", (long long)t->at.scores, scores,
       8 * (QN_LANE_FRAME_BASES + last));
  if (!make_list(t, &l) || !qn__ll_lane_rows_write(&l.rows, w->constants, &w->text)) t->g->failed = true;
  TEXT("movq %d(%%rdi), %%rax\naddq $$31, %%rax\ncmovsq %%rsi, %%rax\n", 8 * QN_LANE_FRAME_LAST);
  TEXT("10:\ncmpq $$%u, %%rax\njge 11f\nmovl $$0xff800000, %lld(%s,%%rax,4)\nincq %%rax\njmp 10b\n11:\n",
       t->plan->key_block, (long long)t->at.scores, scores);
}

/* ---- turns of vectors, of which rax counts the keys ---- */

static bool loops(const writer *w) {
  return w->turns > UNROLLED;
}

static void turns(writer *w, int label, void (*turn)(writer *w, uint32_t i)) {
  if (loops(w)) TEXT("xorl %%eax, %%eax\n.p2align 4\n%d:\n", label);
  for (uint32_t i = 0; i < (loops(w) ? 1 : w->turns); i++) turn(w, i);
  if (loops(w))
    TEXT("addq $$%u, %%rax\ncmpq $$%u, %%rax\njl %db\n", 16 * w->at_once, 16 * w->at_once * w->turns, label);
}

/* Vector k of turn i of what takes `bytes` for each key. */
static void put_place(writer *w, const char *base, int64_t at, uint32_t i, uint32_t k, uint32_t bytes) {
  long long from = (long long)at + (i * w->at_once + k) * 16LL * bytes;
  if (loops(w))
    TEXT("%lld(%s,%%rax,%u)", from, base, bytes);
  else
    put_at(w, base, from);
}

static void find_larger(writer *w, uint32_t i) {
  for (uint32_t k = 0; k < w->at_once; k++) {
    TEXT("vmovups ");
    put_place(w, scores, w->t->at.scores, i, k, 4);
    TEXT(", %%zmm%u\nvmaxps %%zmm%u, %%zmm%u, %%zmm%u\n", 2 + k, k % 2, 2 + k, k % 2);
  }
}

/* The largest, with the one before, which passes over NaN: that is where it is the first operand. */
static void find_largest(writer *w) {
  TEXT("vbroadcastss ");
  put_at(w, numbers, w->t->at.max);
  TEXT(", %%zmm%d\n", OLD);
  TEXT("vmovaps %%zmm%d, %%zmm0\nvmovaps %%zmm%d, %%zmm1\n", OLD, OLD);
  turns(w, 12, find_larger);
  TEXT("vmaxps %%zmm1, %%zmm0, %%zmm0\nvextractf64x4 $$1, %%zmm0, %%ymm1\nvmaxps %%ymm1, %%ymm0, %%ymm0\n");
  TEXT("vextractf128 $$1, %%ymm0, %%xmm1\nvmaxps %%xmm1, %%xmm0, %%xmm0\n");
  TEXT("vpermilpd $$1, %%xmm0, %%xmm1\nvmaxps %%xmm1, %%xmm0, %%xmm0\n");
  TEXT("vmovshdup %%xmm0, %%xmm1\nvmaxps %%xmm1, %%xmm0, %%xmm0\n");
  TEXT("vmovss %%xmm0, ");
  put_at(w, numbers, w->t->at.max);
  TEXT("\nvbroadcastss %%xmm0, %%zmm%d\n", MAX);
}

/* ---- e^(x - MAX) ---- */

static void load_numbers(writer *w) {
  static const float steps[] = {1.0f, QN_EXP_C2, QN_EXP_C3, QN_EXP_C4, QN_EXP_C5, QN_EXP_C6};
  uint32_t bits[NUMBERS] = {[LEAST] = bits_of(w->t->plan->codes ? -80.0f : -104.0f),
                            [LOW] = bits_of(-(QN_LN2_LO)),
                            [HIGH] = bits_of(-QN_LN2_HI),
                            [MAGIC] = bits_of(0x1.8p23f),
                            [LOG2E] = bits_of(QN_LOG2E)};
  for (uint32_t i = 0; i < sizeof steps / sizeof *steps; i++) bits[ONE + i] = bits_of(steps[i]);
  for (uint32_t i = 0; i < NUMBERS; i++)
    TEXT("vbroadcastss %u(%%rdx), %%zmm%u\n", constant_at(w, bits[i]), FIRST_NUMBER + i);
}

static void each(writer *w, uint32_t count, const char *name, int c, uint32_t b, uint32_t step_b, uint32_t dst) {
  for (uint32_t k = 0; k < count; k++)
    TEXT("%s %%zmm%d, %%zmm%u, %%zmm%u\n", name, FIRST_NUMBER + c, b + step_b * k, dst + k);
}

/* p, and the power of two: in T as a float, or with `shifted` in its bits. */
static void powers(writer *w, uint32_t count, bool shifted) {
  for (uint32_t k = 0; k < count; k++) TEXT("vmovaps %%zmm%d, %%zmm%u\n", FIRST_NUMBER + MAGIC, T + k);
  each(w, count, "vfmadd231ps", LOG2E, X, 1, T);
  each(w, count, "vsubps", MAGIC, T, 1, P);
  for (uint32_t k = 0; k < count; k++)
    TEXT("vfmadd231ps %%zmm%d, %%zmm%u, %%zmm%u\n", FIRST_NUMBER + HIGH, P + k, X + k);
  for (uint32_t k = 0; k < count; k++)
    TEXT("vfmadd231ps %%zmm%d, %%zmm%u, %%zmm%u\n", FIRST_NUMBER + LOW, P + k, X + k);
  for (uint32_t k = 0; k < count; k++) {
    if (!shifted) TEXT("vmovaps %%zmm%u, %%zmm%u\n", P + k, T + k);
    TEXT("vmovaps %%zmm%d, %%zmm%u\n", FIRST_NUMBER + C6, P + k);
  }
  for (int c = C5; c >= C2; c--) each(w, count, "vfmadd213ps", c, X, 1, P);
  for (int i = 0; i < 2; i++) each(w, count, "vfmadd213ps", ONE, X, 1, P);
}

static void subtract_max(writer *w, uint32_t count) {
  for (uint32_t k = 0; k < count; k++) TEXT("vsubps %%zmm%d, %%zmm%u, %%zmm%u\n", MAX, X + k, X + k);
}

/* e^x in P, 0 below -104, of which floats' LEAST tells. */
static void exponentials(writer *w, uint32_t count) {
  subtract_max(w, count);
  for (uint32_t k = 0; k < count; k++)
    TEXT("vcmpps $$%d, %%zmm%d, %%zmm%u, %%k%u\n", NO_LESS, FIRST_NUMBER + LEAST, X + k, 1 + k);
  powers(w, count, false);
  for (uint32_t k = 0; k < count; k++)
    TEXT("vscalefps %%zmm%u, %%zmm%u, %%zmm%u {%%k%u} {z}\n", T + k, P + k, P + k, 1 + k);
}

/* 1 where the largest stays. */
static void find_factor(writer *w) {
  TEXT("vmovaps %%zmm%d, %%zmm%d\n", OLD, X);
  if (w->t->plan->codes)
    TEXT("vbroadcastss %u(%%rdx), %%zmm%d\n", constant_at(w, bits_of(-104.0f)), FIRST_NUMBER + LEAST);
  exponentials(w, 1);
  TEXT("vcmpps $$%d, %%zmm%d, %%zmm%d, %%k1\n", EQUAL, OLD, MAX);
  TEXT("vmovaps %%zmm%d, %%zmm%d {%%k1}\nvmovaps %%zmm%d, %%zmm%d\n", FIRST_NUMBER + ONE, P, P, FACTOR);
  TEXT("vmovss %%xmm%d, ", FACTOR);
  put_at(w, numbers, w->t->at.factor);
  TEXT("\n");
  if (w->t->plan->codes)
    TEXT("vbroadcastss %u(%%rdx), %%zmm%d\n", constant_at(w, bits_of(-80.0f)), FIRST_NUMBER + LEAST);
}

static void load_scores(writer *w, uint32_t i) {
  for (uint32_t k = 0; k < w->at_once; k++) {
    TEXT("vmovups ");
    put_place(w, scores, w->t->at.scores, i, k, 4);
    TEXT(", %%zmm%u\n", X + k);
  }
}

/* ---- weights ---- */

static void float_weights(writer *w, uint32_t i) {
  load_scores(w, i);
  exponentials(w, w->at_once);
  for (uint32_t k = 0; k < w->at_once; k++) {
    TEXT("vmovups %%zmm%u, ", P + k);
    put_place(w, scores, w->t->at.scores, i, k, 4);
    if (k < 2 && (i == 0 || loops(w)))
      TEXT("\nvfmadd213ps %%zmm%u, %%zmm%d, %%zmm%u\n", P + k, FACTOR, SUM + k);
    else
      TEXT("\nvaddps %%zmm%u, %%zmm%u, %%zmm%u\n", P + k, SUM + k % 2, SUM + k % 2);
  }
  /* Later turns only add: what is multiplied by 1 stays as it is. */
  if (loops(w)) TEXT("vmovaps %%zmm%d, %%zmm%d\n", FIRST_NUMBER + ONE, FACTOR);
}

static void all_float_weights(writer *w) {
  for (uint32_t k = 0; k < 2; k++) {
    TEXT("vmovups ");
    put_at(w, partials, w->t->at.partials + k * LINE);
    TEXT(", %%zmm%u\n", SUM + k);
  }
  turns(w, 13, float_weights);
  for (uint32_t k = 0; k < 2; k++) {
    TEXT("vmovups %%zmm%u, ", SUM + k);
    put_at(w, partials, w->t->at.partials + k * LINE);
    TEXT("\n");
  }
}

/* Codes of n vectors in X, in the order of the keys: packs leave 4 of each vector in each quarter. */
static void pack_codes(writer *w, uint32_t n) {
  for (uint32_t k = 0; k < n; k += 2) TEXT("vpackusdw %%zmm%u, %%zmm%u, %%zmm%u\n", P + k + 1, P + k, X + k / 2);
  TEXT("vpackuswb %%zmm%u, %%zmm%d, %%zmm%d\n", X + n / 2 - 1, X, X);
  TEXT("vpermd %%zmm%d, %%zmm%d, %%zmm%d\n", X, INDEX, X);
}

/* Below e^-80 the code is 0, and for NaN; that far e^x is a normal number, whose exponent n is added to. */
static void code_weights(writer *w, uint32_t i) {
  uint32_t n = w->at_once;
  load_scores(w, i);
  subtract_max(w, n);
  each(w, n, "vmaxps", LEAST, X, 1, X);
  powers(w, n, true);
  for (uint32_t k = 0; k < n; k++)
    TEXT("vpslld $$23, %%zmm%u, %%zmm%u\nvpaddd %%zmm%u, %%zmm%u, %%zmm%u\n", T + k, T + k, T + k, P + k, P + k);
  for (uint32_t k = 0; k < n; k++)
    TEXT("vmulps %u(%%rdx){1to16}, %%zmm%u, %%zmm%u\n", constant_at(w, bits_of(255.0f)), P + k, P + k);
  for (uint32_t k = 0; k < n; k++)
    TEXT("vcvtps2dq %%zmm%u, %%zmm%u\nvpaddd %%zmm%u, %%zmm%u, %%zmm%u\n", P + k, P + k, P + k, SUM + k % 2,
         SUM + k % 2);
  pack_codes(w, n);
  TEXT("vmovdqu64 %%%cmm%d, ", n == AT_ONCE ? 'z' : 'y', X);
  put_place(w, codes, w->t->at.codes, i, 0, 1);
  TEXT("\n");
}

static void load_index(writer *w) {
  TEXT("movabsq $$0x0d0905010c080400, %%rax\nvmovq %%rax, %%xmm%d\nmovabsq $$0x0f0b07030e0a0602, %%rax\n", INDEX);
  TEXT("vpinsrq $$1, %%rax, %%xmm%d, %%xmm%d\nvpmovzxbd %%xmm%d, %%zmm%d\n", INDEX, INDEX, INDEX, INDEX);
}

/* Their sum is added to the one of all blocks. */
static void all_code_weights(writer *w) {
  long long l = (long long)w->t->at.partials;
  for (uint32_t k = 0; k < 2; k++) TEXT("vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", SUM + k, SUM + k, SUM + k);
  turns(w, 13, code_weights);
  TEXT("vpaddd %%zmm%d, %%zmm%d, %%zmm0\nvextracti64x4 $$1, %%zmm0, %%ymm1\nvpaddd %%ymm1, %%ymm0, %%ymm0\n", SUM,
       SUM + 1);
  TEXT("vextracti128 $$1, %%ymm0, %%xmm1\nvpaddd %%xmm1, %%xmm0, %%xmm0\nvpshufd $$0xee, %%xmm0, %%xmm1\n");
  TEXT("vpaddd %%xmm1, %%xmm0, %%xmm0\nvpshufd $$0x55, %%xmm0, %%xmm1\nvpaddd %%xmm1, %%xmm0, %%xmm0\n");
  TEXT("vcvtdq2ps %%xmm0, %%xmm0\nvmovss %lld(%s), %%xmm1\n", l, partials);
  TEXT("vfmadd213ss %%xmm0, %%xmm%d, %%xmm1\nvmovss %%xmm1, %lld(%s)\n", FACTOR, l, partials);
}

static LLVMTypeRef softmax_type(qn_ll *g) {
  LLVMTypeRef params[4] = {g->ptr, g->i64, g->ptr, g->i64};
  return LLVMFunctionType(g->void_t, params, 4, false);
}

static void prepare_weights(writer *w) {
  load_numbers(w);
  if (w->t->plan->codes) load_index(w);
}

static void write_weights(writer *w) {
  find_factor(w);
  if (w->t->plan->codes)
    all_code_weights(w);
  else
    all_float_weights(w);
}

/* Where the old largest is handed on: in the place of the factor, which is not known yet. */
static void hand_on(writer *w, bool takes) {
  TEXT(takes ? "vbroadcastss " : "vmovss %%xmm%d, ", OLD);
  put_at(w, numbers, w->t->at.factor);
  if (!takes) TEXT("\n");
  if (!takes) return;
  TEXT(", %%zmm%d\nvbroadcastss ", OLD);
  put_at(w, numbers, w->t->at.max);
  TEXT(", %%zmm%d\n", MAX);
}

/* All rows, so that numbers are loaded once. */
static void write_rows(writer *w) {
  prepare_weights(w);
  TEXT("movl $$%u, %%ecx\n.p2align 4\n14:\n", w->t->rows);
  hand_on(w, true);
  write_weights(w);
  next_row(w);
  TEXT("decl %%ecx\njne 14b\n");
}

LLVMValueRef qn__ll_attention_few_softmax(const qn_ll_attention *t, qn_ll_softmax_part part,
                                          qn_ll_lane_constants *constants) {
  static const char *const names[] = {"attention_softmax", "attention_largest", "attention_weights"};
  uint32_t block = t->plan->key_block, at_once = block % (16 * AT_ONCE) ? AT_ONCE / 2 : AT_ONCE;
  writer all = {.t = t, .at_once = at_once, .turns = block / 16 / at_once, .constants = constants};
  writer *w = &all;
  qn__buf_init(&w->text, t->g->arena->allocator);
  find_row(w);
  if (part == QN_LL_SOFTMAX_WEIGHTS) {
    write_rows(w);
  } else {
    write_list(w), find_largest(w);
    if (part == QN_LL_SOFTMAX_LARGEST) hand_on(w, false);
    if (part == QN_LL_SOFTMAX_ALL) prepare_weights(w), write_weights(w);
  }
  leave_row(w);
  if (constants->failed) t->g->failed = true;
  return qn__ll_assembly_function(t->g, names[part], softmax_type(t->g), &w->text);
}

void qn__ll_attention_few_softmax_known(const qn_ll_attention *t, const LLVMValueRef *extras) {
  qn_ll *g = t->g;
  list l;
  if (!make_list(t, &l) || !l.num_known) return;
  LLVMValueRef frame = qn__ll_gep_const(g, t->memory, t->at.frame), at = qn__ll_gep_const(g, frame, KNOWN_AT);
  for (uint32_t i = 0; i < t->plan->num_extras; i++) l.places[1 + i].base = extras[i];
  qn__ll_region_load(&l.region, 0, l.places, qn__ll_i64(g, 0), 1, NULL);
  qn__ll_region_emit(&l.region, 0, 0, 0, 1);
  qn__ll_store_vec(g, at, qn__ll_gep_const(g, frame, 8 * QN_LANE_FRAME_ROWS), 8);
  for (uint32_t k = 0; k < l.num_known; k++)
    qn__ll_store_vec(g, l.region.v[l.known[k]], qn__ll_gep_const(g, at, 4 * (int64_t)k), 4);
}

void qn__ll_attention_few_softmax_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef args[4]) {
  LLVMBuildCall2(g->b, softmax_type(g), fn, args, 4, "");
}
