/* Loops over rows as assembly (lanes.h). What a loop needs it finds in the frame and in its rows' memory, and its sums
 * are left there.
 *
 *   rdi frame, rsi element, rdx constants, rcx where whole pairs end, rax for a moment; r8 .. r15 places; ebp is not 0
 *   where rows are in no cache */
#include "lanes_text.h"
#include <string.h>

enum { VECTOR = 16, STEP = QN_LANE_VECTORS * VECTOR, VECTOR_BYTES = 64, LINE = 64 };
enum { LABEL_LOOP = 1, LABEL_NEAR, LABEL_END, LABEL_DONE, LABEL_ANEW, LABEL_BEGIN, LABEL_TWO };

typedef struct looping {
  const qn_ll_lane_rows *r;
  qn_ll_lane_writer w;
} looping;

#define TEXT(...) qn__buf_fmt(&l->w.text, __VA_ARGS__)

uint32_t qn__ll_lane_constant(qn_ll_lane_constants *c, uint32_t bits) {
  uint32_t i = 0;
  while (i < c->count && c->bits[i] != bits) i++;
  if (i == QN_LANE_CONSTANTS) c->failed = true;
  if (i == c->count && !c->failed) c->bits[c->count++] = bits;
  return 4 * i;
}

static uint32_t constant_at(looping *l, uint32_t bits) {
  return qn__ll_lane_constant(l->w.constants, bits);
}

/* Numbers that stand one behind the other. */
static uint32_t quarters_at(looping *l) {
  qn_ll_lane_constants *c = l->w.constants;
  uint32_t i = 0, bits[VECTOR];
  for (uint32_t k = 0; k < VECTOR; k++) bits[k] = k % 4 * 4 + k / 4;
  while (i + VECTOR <= c->count && memcmp(c->bits + i, bits, sizeof bits)) i++;
  if (i + VECTOR <= c->count) return 4 * i;
  if (c->count + VECTOR > QN_LANE_CONSTANTS) {
    c->failed = true;
    return 0;
  }
  memcpy(c->bits + c->count, bits, sizeof bits);
  c->count += VECTOR;
  return 4 * (c->count - VECTOR);
}

static void load_row(looping *l, uint32_t part) {
  TEXT("movq %u(%%rdi), %%rax\n", 8 * (QN_LANE_FRAME_ROWS + l->r->first + part));
}

static uint32_t operand_of(const qn_ll_lane_part *p, const qn_ll_place *place) {
  return (uint32_t)(place - p->s->places);
}

static bool has_place(const qn_ll_lane_part *p, const qn_ll_place *place) {
  for (uint32_t k = 0; k < p->l->num_ops; k++)
    if (p->l->ops[k].place == place) return true;
  return false;
}

static void load_part(looping *l, uint32_t part) {
  const qn_ll_lane_writer *w = &l->w;
  const qn_ll_lane_part *p = &w->parts[part];
  load_row(l, part);
  for (uint32_t i = 0; i < w->num_places; i++) {
    uint32_t o = has_place(p, w->places[i]) ? operand_of(p, w->places[i]) : UINT32_MAX;
    if (o == UINT32_MAX) continue;
    if (l->r->moves[o])
      TEXT("movq %u(%%rax), %%%s\n", 8 * o, qn__ll_lane_bases[i]);
    else
      TEXT("movq %u(%%rdi), %%%s\n", 8 * (QN_LANE_FRAME_BASES + o), qn__ll_lane_bases[i]);
  }
  for (uint32_t f = 0; f < w->num_fixed; f++) {
    const qn_ll_lane_fixed *x = w->fixed[f].value;
    uint32_t reg = qn__ll_lane_first_fixed(w) + w->fixed[f].operand;
    if (w->fixed[f].of != p || x->is_const) continue;
    if (x->value == QN_LANE_QUARTERS)
      TEXT("vmovdqu32 %u(%%rdx), %%zmm%u\n", quarters_at(l), reg);
    else
      TEXT("vbroadcastss %u(%%rax), %%zmm%u\n", l->r->known_at(l->r->user, x), reg);
  }
}

static void load_constants(looping *l) {
  const qn_ll_lane_writer *w = &l->w;
  for (uint32_t f = 0; f < w->num_fixed; f++) {
    const qn_ll_lane_fixed *x = w->fixed[f].value;
    if (!x->is_const || w->fixed[f].spilled) continue;
    TEXT("vbroadcastss %u(%%rdx), %%zmm%u\n", constant_at(l, x->bits),
         qn__ll_lane_first_fixed(w) + w->fixed[f].operand);
  }
}

/* ---- sums ---- */

typedef struct sum {
  uint32_t reg, start;
  bool counts;
} sum;

enum { INFINITE = 0x7F800000 };

/* Sum n of a part, as its list numbers them. */
static sum sum_of(const qn_ll_lane_part *p, uint32_t n) {
  const qn_ll_lanes *s = p->s;
  uint32_t q = 0, shared = (s->finds_least || s->counts) && n + 1 == p->l->num_sums;
  sum x = {.reg = qn__ll_lane_sum(p, n, 0), .start = INFINITE, .counts = s->counts && shared};
  if (shared) return x;
  for (uint32_t k = 0; k < s->num_sinks; k++) {
    uint8_t op = s->region->tape->insts[s->sinks[k].reduction].op;
    if (s->sinks[k].to) continue;
    if (q == n / QN_LANE_VECTORS)
      x.start = op == QN_T_ALL_FMAX ? INFINITE | 0x80000000u : op == QN_T_ALL_FMIN ? INFINITE : 0;
    q++;
  }
  return x;
}

static void start_sums(looping *l, uint32_t part) {
  const qn_ll_lane_part *p = &l->w.parts[part];
  for (uint32_t n = 0; n < p->l->num_sums; n++) {
    sum x = sum_of(p, n);
    if (x.start && !x.counts)
      TEXT("vbroadcastss %u(%%rdx), %%zmm%u\n", constant_at(l, x.start), x.reg);
    else
      TEXT(x.reg < 16 ? "vpxor %%xmm%u, %%xmm%u, %%xmm%u\n" : "vpxord %%zmm%u, %%zmm%u, %%zmm%u\n", x.reg, x.reg,
           x.reg);
  }
}

static void load_sums(looping *l) {
  const qn_ll_lane_part *p = &l->w.parts[0];
  load_row(l, 0);
  for (uint32_t n = 0; n < p->l->num_sums; n++)
    TEXT("vmovaps %u(%%rax), %%zmm%u\n", l->r->sums_at[0] + n * VECTOR_BYTES, sum_of(p, n).reg);
}

/* What was collected gives way to what stands for the smallest of usual exponentials. */
static void end_counting(looping *l, sum x) {
  TEXT("vptestmd %u(%%rdx){1to16}, %%zmm%u, %%k1\n", constant_at(l, ~(uint32_t)QN_LL_COUNTED_BITS), x.reg);
  TEXT("kmovw %%k1, %%eax\nvbroadcastss %u(%%rdx), %%zmm%u\n", constant_at(l, x.start), x.reg);
}

static void store_sums(looping *l, uint32_t part) {
  const qn_ll_lane_part *p = &l->w.parts[part];
  if (p->l->num_sums) load_row(l, part);
  for (uint32_t n = 0; n < p->l->num_sums; n++) {
    sum x = sum_of(p, n);
    TEXT("vmovaps %%zmm%u, %u(%%rax)\n", x.reg, l->r->sums_at[part] + n * VECTOR_BYTES);
  }
}

/* ---- the loop ---- */

static void fetch_part(looping *l, uint32_t part, qn_ll_lane_form form, const char *fetch) {
  const qn_ll_lane_writer *w = &l->w;
  const qn_ll_lane_part *p = &w->parts[part];
  for (uint32_t k = 0; k < p->l->num_ops; k++) {
    const qn_ll_lane_op *op = &p->l->ops[k];
    uint32_t i = 0;
    if (!(op->form == form || (form == QN_LANE_STORE && op->form == QN_LANE_PACK))) continue;
    if (!l->r->walked[operand_of(p, op->place)]) continue;
    while (w->places[i] != op->place) i++;
    uint32_t bytes = qn__ll_mem_bits(op->place->mem) / 8;
    TEXT("leaq (%%%s,%%rsi,%u), %%rax\n", qn__ll_lane_bases[i], bytes);
    for (uint32_t line = 0; line < STEP * bytes; line += LINE)
      TEXT("%s %u(%%rax,%%rcx,%u)\n", fetch, line + bytes * (STEP - 1), bytes);
  }
}

/* In caches the processor does as well alone, and fetching takes a twentieth of the time. */
static void fetch_ahead(looping *l) {
  if (!l->r->reads_ahead && !l->r->writes_ahead) return;
  TEXT("testl %%ebp, %%ebp\nje %df\n", LABEL_NEAR);
  if (l->r->reads_ahead) fetch_part(l, 0, QN_LANE_LOAD, "prefetcht0");
  if (l->r->writes_ahead) fetch_part(l, l->r->count - 1, QN_LANE_STORE, "prefetchw");
  TEXT("%d:\n", LABEL_NEAR);
}

static void whole_pairs(looping *l) {
  TEXT("cmpq %%rcx, %%rsi\njge %df\n.p2align 6\n%d:\n", LABEL_END, LABEL_LOOP);
  fetch_ahead(l);
  qn__ll_lane_pair(&l->w, 0);
  TEXT(".p2align 4\naddq $$%d, %%rsi\ncmpq %%rcx, %%rsi\njl %db\n%d:\n", STEP, LABEL_LOOP, LABEL_END);
}

static bool packs(const looping *l) {
  bool some = false;
  for (uint32_t i = 0; i < l->r->count; i++) some |= l->r->parts[i].packs != NULL;
  return some;
}

/* Where the second vector of a pair would be empty. */
static void one_vector(looping *l) {
  TEXT("cmpl $$%d, %%ecx\njg %df\nkmovd %%eax, %%k%d\n", VECTOR, LABEL_TWO, QN_LANE_REST_MASK);
  if (packs(l)) TEXT("kmovd %%eax, %%k%d\n", QN_LANE_BYTES_MASK);
  l->w.rest = l->w.single = true;
  qn__ll_lane_pair(&l->w, 0);
  l->w.rest = l->w.single = false;
  TEXT("jmp %df\n%d:\n", LABEL_DONE, LABEL_TWO);
}

static void rest_of_row(looping *l) {
  TEXT("subq %%rsi, %%rcx\naddq $$%d, %%rcx\njle %df\n", STEP - 1, LABEL_DONE);
  TEXT("movl $$-1, %%eax\nbzhil %%ecx, %%eax, %%eax\n");
  if (l->r->rests) one_vector(l);
  if (packs(l)) TEXT("kmovd %%eax, %%k%d\n", QN_LANE_BYTES_MASK);
  TEXT("kmovd %%eax, %%k%d\nshrl $$16, %%eax\nkmovd %%eax, %%k%d\n", QN_LANE_REST_MASK, QN_LANE_REST_MASK + 1);
  l->w.rest = true;
  qn__ll_lane_pair(&l->w, 0);
  l->w.rest = false;
  TEXT("%d:\n", LABEL_DONE);
}

static void begin_sums(looping *l) {
  bool alone = l->r->count == 1 && l->w.num_sums;
  if (alone) {
    TEXT("testq %%rsi, %%rsi\nje %df\n", LABEL_ANEW);
    load_sums(l);
    TEXT("jmp %df\n%d:\n", LABEL_BEGIN, LABEL_ANEW);
  }
  for (uint32_t i = 0; i < l->r->count; i++) start_sums(l, i);
  if (alone) TEXT("%d:\n", LABEL_BEGIN);
}

static qn_ll_lane_use use_of(const qn_ll_lane_rows *r) {
  return r->count == 1 || r->rests ? QN_LANE_PAIRS_AND_REST : QN_LANE_PAIRS;
}

static void write_text(looping *l) {
  TEXT("movq %u(%%rdi), %%rcx\n", 8 * QN_LANE_FRAME_LAST);
  for (uint32_t i = 0; i < l->r->count; i++) load_part(l, i);
  load_constants(l);
  begin_sums(l);
  whole_pairs(l);
  if (use_of(l->r) == QN_LANE_PAIRS_AND_REST) rest_of_row(l);
  for (uint32_t i = 0; i < l->r->count; i++)
    if (l->r->parts[i].counts) end_counting(l, sum_of(&l->w.parts[i], l->w.parts[i].l->num_sums - 1));
}

bool qn__ll_lane_rows_serve(const qn_ll_lane_rows *r) {
  qn_ll_lane_writer w;
  return qn__ll_lane_prepare(&w, r->parts, r->count, use_of(r));
}

static bool begin(looping *l, const qn_ll_lane_rows *r, qn_ll_lane_constants *constants, qn_buf *text) {
  *l = (looping){.r = r};
  if (!qn__ll_lane_prepare(&l->w, r->parts, r->count, use_of(r))) return false;
  l->w.constants = constants;
  l->w.text = *text;
  return true;
}

bool qn__ll_lane_rows_write(const qn_ll_lane_rows *r, qn_ll_lane_constants *constants, qn_buf *text) {
  looping l;
  if (!begin(&l, r, constants, text)) return false;
  write_text(&l);
  *text = l.w.text;
  return true;
}

void qn__ll_lane_rows_store(const qn_ll_lane_rows *r, qn_ll_lane_constants *constants, qn_buf *text) {
  looping l;
  if (!begin(&l, r, constants, text)) return;
  for (uint32_t i = 0; i < r->count; i++) store_sums(&l, i);
  *text = l.w.text;
}

uint32_t qn__ll_lane_rows_sum(const qn_ll_lane_rows *r, uint32_t part, uint32_t n) {
  looping l = {.r = r};
  return qn__ll_lane_prepare(&l.w, r->parts, r->count, use_of(r)) ? sum_of(&l.w.parts[part], n).reg : 0;
}

/* ---- folding ---- */

void qn__ll_lane_fold(qn_buf *text, uint8_t op, uint32_t reg, const char *other) {
  const char *p = op == QN_T_ALL_FSUM ? "vaddps" : op == QN_T_ALL_FMAX ? "vrangeps $$5," : "vrangeps $$4,";
  qn__buf_fmt(text, "%s %s, %%zmm%u, %%zmm%u\n", p, other, reg, reg);
  qn__buf_fmt(text, "vextractf64x4 $$1, %%zmm%u, %%ymm31\n%s %%ymm31, %%ymm%u, %%ymm%u\n", reg, p, reg, reg);
  qn__buf_fmt(text, "vextractf32x4 $$1, %%ymm%u, %%xmm31\n%s %%xmm31, %%xmm%u, %%xmm%u\n", reg, p, reg, reg);
  qn__buf_fmt(text, "vpermilpd $$1, %%xmm%u, %%xmm31\n%s %%xmm31, %%xmm%u, %%xmm%u\n", reg, p, reg, reg);
  qn__buf_fmt(text, "vmovshdup %%xmm%u, %%xmm31\n%s %%xmm31, %%xmm%u, %%xmm%u\n", reg, p, reg, reg);
}

/* ---- numbers of a row ---- */

bool qn__ll_lane_numbers_serve(const qn_ll_lanes *part) {
  qn_ll_lane_writer w;
  return qn__ll_lane_prepare_numbers(&w, part);
}

bool qn__ll_lane_numbers_write(const qn_ll_lanes *part, const qn_ll_lane_rows *r, qn_ll_lane_constants *constants,
                               qn_buf *text) {
  qn_ll_lane_writer w;
  if (!qn__ll_lane_prepare_numbers(&w, part)) return false;
  w.constants = constants, w.text = *text;
  w.known_at = r->known_at, w.user = r->user;
  for (uint32_t f = 0; f < w.num_fixed; f++) {
    const qn_ll_lane_fixed *x = w.fixed[f].value;
    uint32_t reg = qn__ll_lane_first_fixed(&w) + w.fixed[f].operand;
    if (x->is_const && !w.fixed[f].spilled)
      qn__buf_fmt(&w.text, "vbroadcastss %u(%%rdx), %%xmm%u\n", qn__ll_lane_constant(constants, x->bits), reg);
    else if (!x->is_const)
      qn__buf_fmt(&w.text, "vbroadcastss %u(%%r13), %%xmm%u\n", r->known_at(r->user, x), reg);
  }
  qn__ll_lane_pair(&w, 0);
  *text = w.text;
  return true;
}
