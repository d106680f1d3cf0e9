/* Rows in stages (row_stages.c) where all of them are assembly: one function of nothing else. It has loops over stages
 * side by side, and over each alone (lanes_loop.c), which find what they need in the memory of their row: addresses of
 * its operands, what is known of it, sums. A ring of such memories serves the rows that are on their way. Numbers of a
 * row that take more than folding are functions of their own, called once a row.
 *
 * Side by side exponentials are taken for usual: none underflows, and nothing asks each of them. What tells of it is
 * collected on the way, and when it was not so the row's pass is done again, alone and with all that it needs, before
 * anything uses what it made; for some turns after that nothing is taken for usual. */
#include "assembly.h"
#include "row_stages.h"
#include <stdio.h>

enum { FAR = 8 << 20, MOST_TO_WAIT = 8, LINE = 64, KNOWN = 32 }; /* turns, after exponentials that underflow */
enum { ROOM_BYTES = 4 * QN_LL_ROOM + 2048 };                     /* not the same places in pages */

/* What is known of a row: a register, or what a division needs of its divisor. */
typedef struct known {
  uint32_t pass, reg, at; /* known ahead of that pass; bytes into the row's memory */
  uint8_t value;          /* qn_ll_lane_value, or: */
} known;
enum { USUAL = QN_LANE_REST + 1 };

typedef struct texts {
  qn_ll_nest *n;
  uint32_t count, addresses;      /* stages; of operands, and of what is kept where it has memory of its own */
  qn_ll_nest nests[QN_LL_STAGES]; /* places are told apart by stage */
  row_state s[QN_LL_STAGES];
  qn_ll_region row; /* of the row that begins, or is folded */
  bool *moves, *walked;
  uint32_t num_known, sums_at[QN_LL_STAGES], row_bytes, rows;
  known known[KNOWN];
  LLVMValueRef begins, finishes[QN_LL_STAGES]; /* functions; null where there is nothing to do */
  qn_ll_lane_constants constants;
  qn_buf text;
} texts;

/* ---- what a row's memory has ---- */

static bool add_known(texts *t, uint32_t pass, uint32_t reg, uint8_t value) {
  if (t->num_known == KNOWN) return false;
  t->known[t->num_known] = (known){pass, reg, 8 * t->addresses + 4 * t->num_known, value};
  t->num_known++;
  return true;
}

static bool find_known(texts *t, const qn_ll_share *share) {
  const qn_ll_region *r = &t->n->region;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    const qn_tinst *inst = &r->tape->insts[i];
    if (!r->needed[i] || (r->vary[i] & QN_LL_BY_LANE) || inst->op == QN_T_CONST) continue;
    if (!qn__ll_is_reduction(inst->op) && !qn__ll_stage_uses(r, i)) continue;
    if (inst->type != QN_TF32 && inst->type != QN_TI32) return false;
    if (!add_known(t, r->ready[i], i, QN_LANE_REGISTER)) return false;
  }
  for (uint8_t value = QN_LANE_INVERSE; share->found && value <= USUAL; value++)
    if (!add_known(t, t->count - 1, share->division, value)) return false;
  return true;
}

static void place_row(texts *t) {
  uint32_t at = (8 * t->addresses + 4 * t->num_known + LINE - 1) / LINE * LINE;
  LLVMValueRef queue[QN_LL_MAX_CARRIED];
  for (uint32_t p = 0; p < t->count; p++) {
    t->sums_at[p] = at;
    at += p + 1 < t->count ? qn__ll_row_start(&t->s[p], queue) * LINE : 0;
  }
  t->row_bytes = at;
  for (t->rows = 1; t->rows < t->count; t->rows *= 2) {
  }
}

static uint32_t known_at(const void *user, const qn_ll_lane_fixed *x) {
  const texts *t = user;
  for (uint32_t k = 0; k < t->num_known; k++)
    if (t->known[k].reg == x->reg && t->known[k].value == x->value) return t->known[k].at;
  t->n->g->failed = true;
  return 0;
}

static bool init(texts *t, qn_ll_nest *n, const row_state *first) {
  qn_ll *g = n->g;
  uint32_t loops = n->plan->num_loops;
  *t = (texts){.n = n, .count = n->region.num_passes, .row = n->region};
  t->addresses = n->num_operands + first->own_room;
  t->moves = qn__arena_array(g->arena, t->addresses, sizeof *t->moves);
  t->walked = qn__arena_array(g->arena, t->addresses, sizeof *t->walked);
  t->row.v = qn__ll_values(g, n->region.tape->num_insts);
  t->row.divisors = qn__arena_array(g->arena, n->region.tape->num_insts, sizeof *t->row.divisors);
  bool good = t->moves && t->walked && t->row.v && t->row.divisors;
  for (uint32_t o = 0; o < n->num_operands && good; o++) {
    t->moves[o] = n->stride[o * loops + loops - 2];
    t->walked[o] = n->places[o].access == QN_ACCESS_DENSE && n->plan->access[o * loops + loops - 2] != QN_ACCESS_NONE;
  }
  for (uint32_t p = 0; p < t->count && good; p++) {
    t->nests[p] = *n;
    t->nests[p].places = qn__ll_stage_places(n);
    t->s[p] = *first, t->s[p].n = &t->nests[p], t->s[p].pass = p;
    if (p + 1 == t->count && first->keeps) t->nests[p].region.needed = first->last_needs;
    good = t->nests[p].places;
  }
  if (first->own_room && good) t->moves[n->num_operands] = true;
  if (!good) g->failed = g->out_of_memory = true;
  return good;
}

/* ---- which loops there are ---- */

typedef struct loop {
  qn_ll_lanes parts[QN_LL_STAGES];
  qn_ll_lane_rows rows;
} loop;

/* Stages first to end - 1. */
static void make_loop(texts *t, uint32_t first, uint32_t end, bool by_products, loop *out) {
  const qn_ll_share *share = &t->s[0].share;
  out->rows = (qn_ll_lane_rows){.first = first,
                                .count = end - first,
                                .parts = out->parts,
                                .sums_at = t->sums_at + first,
                                .moves = t->moves,
                                .walked = t->walked,
                                .reads_ahead = first == 0,
                                .writes_ahead = end == t->count,
                                .known_at = known_at,
                                .user = t};
  for (uint32_t p = first; p < end; p++) {
    qn_ll_lanes *part = &out->parts[p - first];
    *part = qn__ll_stage_lanes(&t->s[p], &t->nests[p].region);
    part->by_products = by_products && share->found; /* else no divisor is prepared */
    if (end - first == 1 || !share->counts || p + 2 != t->count) continue;
    part->finds_least = false;
    part->counts = true, part->never = share->mask, part->sum = share->sum, part->difference = share->difference;
  }
}

/* That pass p is assembly; the last one has two ways to divide. */
static bool has_text(texts *t, uint32_t p) {
  bool divides = p + 1 == t->count && t->s[0].share.found;
  loop l;
  for (uint32_t k = 0; k < (divides ? 2 : 1); k++) {
    make_loop(t, p, p + 1, divides && !k, &l);
    if (l.parts[0].num_sinks > QN_LL_LANES_SINKS || !qn__ll_lane_rows_serve(&l.rows)) return false;
  }
  return true;
}

bool qn__ll_row_has_texts(qn_ll_nest *n, const row_state *first) {
  texts t;
  if (!init(&t, n, first) || !find_known(&t, &first->share)) return false;
  for (uint32_t p = 0; p < t.count; p++)
    if (!has_text(&t, p)) return false;
  return true;
}

/* ---- numbers of a row: as assembly ---- */

typedef struct numbers {
  qn_ll_region region; /* in which they are vectors */
  qn_ll_place places[QN_LL_LANES_SINKS];
  qn_ll_lanes part;
} numbers;

/* Of those that follow from sums of pass `pass` - 1. False when they are none that can be written so. */
static bool find_numbers(texts *t, uint32_t pass, numbers *out) {
  const qn_ll_region *r = &t->row;
  *out = (numbers){.region = *r, .part = {.region = &out->region, .places = out->places}};
  out->region.vary = qn__arena_array(t->n->g->arena, r->tape->num_insts, 1);
  if (!out->region.vary) return false;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    uint8_t op = r->tape->insts[i].op;
    bool here = r->needed[i] && !(r->vary[i] & QN_LL_BY_LANE) && r->ready[i] == pass && op != QN_T_CONST;
    out->region.vary[i] = here && !qn__ll_is_reduction(op) ? QN_LL_BY_LANE : 0;
  }
  for (uint32_t i = 0; i < t->num_known; i++) {
    const known *k = &t->known[i];
    if (k->value != QN_LANE_REGISTER || !out->region.vary[k->reg]) continue;
    if (out->part.num_sinks == QN_LL_LANES_SINKS) return false;
    qn_ll_place *to = &out->places[out->part.num_sinks];
    *to = (qn_ll_place){.mem = QN_F32, .access = QN_ACCESS_DENSE};
    out->part.sinks[out->part.num_sinks++] = (qn_ll_lanes_sink){.reg = k->reg, .to = to};
  }
  return pass && qn__ll_lane_numbers_serve(&out->part);
}

/* ---- functions of LLVM's, where they are not ---- */

static void store_known(texts *t, uint32_t pass, LLVMValueRef at) {
  qn_ll *g = t->n->g;
  for (uint32_t i = 0; i < t->num_known; i++) {
    const known *k = &t->known[i];
    if (k->pass != pass || k->value != QN_LANE_REGISTER || qn__ll_is_reduction(t->row.tape->insts[k->reg].op)) continue;
    LLVMBuildStore(g->b, t->row.v[k->reg], qn__ll_gep_const(g, at, k->at));
  }
}

/* Of a row that begins: what the same for all its elements. */
static void write_begin(texts *t, LLVMValueRef at) {
  qn_ll *g = t->n->g;
  qn_ll_nest of = t->nests[0];
  of.region = t->row;
  for (uint32_t o = 0; o < t->n->num_operands; o++)
    of.places[o].base = LLVMBuildLoad2(g->b, g->ptr, qn__ll_gep_const(g, at, 8 * o), "");
  qn__ll_row_begin(&of);
  store_known(t, 0, at);
}

/* What follows from sums of pass `pass` - 1. */
static void write_finish(texts *t, uint32_t pass, LLVMValueRef at) {
  qn_ll *g = t->n->g;
  const qn_tape *tape = t->row.tape;
  for (uint32_t i = 0; i < tape->num_insts; i++) {
    const qn_tinst *inst = &tape->insts[i];
    if (inst->op == QN_T_CONST) t->row.v[i] = qn__ll_bits(g, qn__ll_reg_type(g, (qn_treg)inst->type), inst->imm);
  }
  for (uint32_t i = 0; i < t->num_known; i++) {
    const known *k = &t->known[i];
    bool sum = qn__ll_is_reduction(tape->insts[k->reg].op);
    if (k->value != QN_LANE_REGISTER || k->pass > pass || (k->pass == pass && !sum)) continue;
    LLVMTypeRef type = qn__ll_reg_type(g, (qn_treg)tape->insts[k->reg].type);
    t->row.v[k->reg] = LLVMBuildLoad2(g->b, type, qn__ll_gep_const(g, at, k->at), "");
  }
  qn__ll_region_emit(&t->row, 0, pass, pass, 1);
  store_known(t, pass, at);
}

/* void(memory of a row) for numbers known ahead of `pass`; null where there are none. */
static LLVMValueRef numbers_function(texts *t, uint32_t pass) {
  qn_ll *g = t->n->g;
  numbers text;
  if (!qn__ll_stage_works(&t->row, pass) || find_numbers(t, pass, &text)) return NULL;
  qn_ll_inner f;
  qn__ll_inner_begin(g, &f, "row_numbers", LLVMFunctionType(g->void_t, &g->ptr, 1, false));
  if (pass)
    write_finish(t, pass, LLVMGetParam(f.fn, 0));
  else
    write_begin(t, LLVMGetParam(f.fn, 0));
  qn__ll_inner_end(g, &f);
  return f.fn;
}

/* ---- the text: rbx and rdi are the frame, rdx the constants ---- */

#define TEXT(...) qn__buf_fmt(&t->text, __VA_ARGS__)

/* Fields of the frame behind those of the loops. */
typedef enum field {
  TURN = QN_LANE_FRAME_ROWS + QN_LL_STAGES, /* the row that begins */
  TURNS,                                    /* where turns end */
  BEGIN,                                    /* the first row */
  END,                                      /* behind the last one */
  WHOLE,                                    /* elements in whole pairs of vectors */
  RESTS,                                    /* all bits: there are more */
  IS_FAR,                                   /* not 0: rows are in no cache */
  RING,
  ROOM, /* of what is kept, for two rows */
  TABLE,
  WAIT,    /* turns in which exponentials are not taken for usual */
  ALL,     /* stages that have a row, a bit each */
  PENDING, /* those whose row is still to be done */
  RUN,     /* the same, and those with a rest */
  CALLS,
  STRIDES = CALLS + QN_LL_STAGES,
  FIELDS = STRIDES + QN_LANE_OPERANDS
} field;
enum { LABEL_TURN = 20, LABEL_END, LABEL_USUAL, LABEL_NOW, LABEL_NEXT, LABEL_GOOD, LABEL_DONE, LABEL_OVER, LABEL_SKIP };
enum { LABEL_DIVIDE = LABEL_SKIP + 1, LABEL_STORE, LABEL_RUN, LABEL_FOLDED };

static int at_field(uint32_t f) {
  return (int)(8 * f);
}
static uint32_t constant(texts *t, uint32_t bits) {
  return qn__ll_lane_constant(&t->constants, bits);
}

static uint32_t offset_of(texts *t, uint32_t reg, uint8_t value) {
  return known_at(t, &(qn_ll_lane_fixed){.value = value, .reg = reg});
}

static void call(texts *t, uint32_t pass, const char *memory) {
  TEXT("movq %%%s, %%rdi\ncallq *%d(%%rbx)\n", memory, at_field(CALLS + pass));
  TEXT("movq %%rbx, %%rdi\nmovq %d(%%rbx), %%rdx\n", at_field(TABLE));
}

/* Each stage goes over the row of the one before it, the first over a new one, whose memory is in r12. */
static void move_on(texts *t) {
  for (uint32_t p = t->count; p-- > 1;)
    TEXT("movq %d(%%rbx), %%rcx\nmovq %%rcx, %d(%%rbx)\n", at_field(QN_LANE_FRAME_ROWS + p - 1),
         at_field(QN_LANE_FRAME_ROWS + p));
  TEXT("movq %d(%%rbx), %%rax\nmovq %%rax, %%r12\nandl $$%u, %%r12d\n", at_field(TURN), t->rows - 1);
  TEXT("imulq $$%u, %%r12, %%r12\naddq %d(%%rbx), %%r12\n", t->row_bytes, at_field(RING));
  TEXT("movq %%r12, %d(%%rbx)\n", at_field(QN_LANE_FRAME_ROWS));
  TEXT("xorl %%ecx, %%ecx\ncmpq %d(%%rbx), %%rax\nsetl %%cl\nmovl %d(%%rbx), %%r8d\n", at_field(END), at_field(ALL));
  TEXT("leal (%%rcx,%%r8,2), %%ecx\nandl $$%u, %%ecx\nmovl %%ecx, %d(%%rbx)\n", (1u << t->count) - 1, at_field(ALL));
}

/* One stage makes what is kept, and the next, of the row before, uses it: two rows. */
static void find_room(texts *t) {
  TEXT("movl %d(%%rbx), %%ecx\nandl $$1, %%ecx\nimulq $$%d, %%rcx, %%rcx\n", at_field(TURN), ROOM_BYTES);
  TEXT("addq %d(%%rbx), %%rcx\nmovq %%rcx, %u(%%r12)\n", at_field(ROOM), 8 * t->n->num_operands);
}

/* Where there is no new row, the first is looked at again, which is there. */
static void begin_row(texts *t) {
  TEXT("testl $$1, %%ecx\ncmoveq %d(%%rbx), %%rax\n", at_field(BEGIN));
  for (uint32_t o = 0; o < t->n->num_operands; o++) {
    if (!t->moves[o] && !t->begins) continue;
    TEXT("movq %d(%%rbx), %%rcx\nimulq %%rax, %%rcx\n", at_field(STRIDES + o));
    TEXT("addq %d(%%rbx), %%rcx\nmovq %%rcx, %u(%%r12)\n", at_field(QN_LANE_FRAME_BASES + o), 8 * o);
  }
  if (t->addresses > t->n->num_operands) find_room(t);
  if (t->begins) call(t, 0, "r12");
}

/* What a division by a sum needs (divide.c), and whether all is usual (share.c): `least` has the smallest of what is
 * divided. */
static void fold_divisor(texts *t, const char *least) {
  uint32_t i = t->s[0].share.division, one = constant(t, 0x3F800000u);
  TEXT("vmovss %u(%%r13), %%xmm0\n", offset_of(t, t->row.tape->insts[i].b, QN_LANE_REGISTER));
  TEXT("vmovss %u(%%rdx), %%xmm1\nvdivss %%xmm0, %%xmm1, %%xmm2\n", one);
  TEXT("vmovss %%xmm2, %u(%%r13)\n", offset_of(t, i, QN_LANE_INVERSE));
  TEXT("vpxord %u(%%rdx){1to4}, %%xmm0, %%xmm3\n", constant(t, 0x80000000u));
  TEXT("vmovss %%xmm3, %u(%%r13)\n", offset_of(t, i, QN_LANE_MINUS));
  TEXT("vfmadd231ss %%xmm3, %%xmm2, %%xmm1\nvmulss %%xmm2, %%xmm1, %%xmm1\n");
  TEXT("vmovss %%xmm1, %u(%%r13)\n", offset_of(t, i, QN_LANE_REST));
  TEXT("vcmpss $$29, %u(%%rdx), %%xmm0, %%k1\n", constant(t, 0x35800000u));
  TEXT("vcmpss $$18, %u(%%rdx), %%xmm0, %%k1 {%%k1}\n", constant(t, 0x49800000u));
  TEXT("vcmpps $$29, %u(%%rdx){1to16}, %s, %%k2\n", constant(t, 0x10800000u), least);
  TEXT("kortestw %%k2, %%k2\nsetc %%cl\nkmovw %%k1, %%eax\nandb %%cl, %%al\nmovzbl %%al, %%eax\n");
  TEXT("movl %%eax, %u(%%r13)\n", offset_of(t, i, USUAL));
}

/* What follows from pass p's sums, for the row whose memory is in r13, where they are. */
static void follow(texts *t, uint32_t p, const char *least) {
  numbers x;
  loop l = {.rows = {.known_at = known_at, .user = t}};
  if (qn__ll_share_here(&t->s[p])) fold_divisor(t, least);
  if (t->finishes[p])
    call(t, p + 1, "r13");
  else if (qn__ll_stage_works(&t->row, p + 1) && find_numbers(t, p + 1, &x))
    qn__ll_lane_numbers_write(&x.part, &l.rows, &t->constants, &t->text);
}

/* The sums of pass p that are in the row's memory, or in registers of loop `l`. */
static void fold(texts *t, uint32_t p, const loop *l) {
  const qn_tape *tape = t->row.tape;
  uint32_t n = 0, part = l ? p - l->rows.first : 0;
  for (uint32_t i = 0; i < tape->num_insts; i++) {
    uint32_t reg = 0, at = t->sums_at[p] + n * LINE;
    char other[32];
    if (!qn__ll_row_ends_in(&t->s[p], i)) continue;
    if (l)
      reg = qn__ll_lane_rows_sum(&l->rows, part, n);
    else
      TEXT("vmovaps %u(%%r13), %%zmm0\n", at);
    if (l)
      snprintf(other, sizeof other, "%%zmm%u", qn__ll_lane_rows_sum(&l->rows, part, n + 1));
    else
      snprintf(other, sizeof other, "%u(%%r13)", at + LINE);
    qn__ll_lane_fold(&t->text, tape->insts[i].op, reg, other);
    TEXT("vmovss %%xmm%u, %u(%%r13)\n", reg, offset_of(t, i, QN_LANE_REGISTER));
    n += 2;
  }
}

/* Number of sums of pass p's reductions. */
static uint32_t reductions(const texts *t, uint32_t p) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < t->row.tape->num_insts; i++) n += 2 * qn__ll_row_ends_in(&t->s[p], i);
  return n;
}
static void go_to_row(texts *t, uint32_t p) {
  TEXT("movq %d(%%rbx), %%r13\n", at_field(QN_LANE_FRAME_ROWS + p));
}

/* Later passes often have more to do with their sums. */
static void fold_all(texts *t) {
  for (uint32_t p = t->count - 1; p-- > 0;) {
    TEXT("testl $$%u, %d(%%rbx)\nje %df\n", 1u << p, at_field(ALL), LABEL_SKIP);
    go_to_row(t, p);
    fold(t, p, NULL);
    TEXT("vmovaps %u(%%r13), %%zmm4\n", t->sums_at[p] + reductions(t, p) * LINE);
    follow(t, p, "%zmm4");
    TEXT("%d:\n", LABEL_SKIP);
  }
}

/* The same for stages of a loop, out of registers. */
static void fold_loop(texts *t, const loop *l) {
  uint32_t end = l->rows.first + l->rows.count;
  for (uint32_t p = end < t->count ? end : t->count - 1; p-- > l->rows.first;) {
    go_to_row(t, p);
    fold(t, p, l);
    if (qn__ll_share_here(&t->s[p]))
      TEXT("vmovaps %%zmm%u, %%zmm30\n", qn__ll_lane_rows_sum(&l->rows, p - l->rows.first, reductions(t, p)));
  }
  for (uint32_t p = end < t->count ? end : t->count - 1; p-- > l->rows.first;) {
    go_to_row(t, p);
    follow(t, p, "%zmm30");
  }
}

static void compare_usual(texts *t) {
  TEXT("movq %d(%%rbx), %%rax\n", at_field(QN_LANE_FRAME_ROWS + t->count - 1));
  TEXT("cmpl $$0, %u(%%rax)\n", offset_of(t, t->s[0].share.division, USUAL));
}

/* In ecx the stages that may be done side by side, if there is a loop for those: none after exponentials that
 * underflowed, or with an unusual divisor. */
static void find_several(texts *t) {
  TEXT("movl %d(%%rbx), %%ecx\nmovl %%ecx, %d(%%rbx)\n", at_field(ALL), at_field(PENDING));
  if (t->s[0].share.found) {
    compare_usual(t);
    TEXT("jne %df\ntestl $$%u, %%ecx\nje %df\n", LABEL_USUAL, 1u << (t->count - 1), LABEL_USUAL);
    TEXT("xorl %%ecx, %%ecx\n%d:\n", LABEL_USUAL);
  }
  if (!t->s[0].share.counts) return;
  TEXT("cmpq $$0, %d(%%rbx)\nje %df\n", at_field(WAIT), LABEL_NOW);
  TEXT("decq %d(%%rbx)\nxorl %%ecx, %%ecx\n%d:\n", at_field(WAIT), LABEL_NOW);
}

/* Stages [first, end) where they are those in ecx; all of them take the rest of the row along. Their sums are folded as
 * they are, but where a rest is left, or what was counted on does not hold. */
static void several(texts *t, uint32_t first, uint32_t end) {
  loop l;
  make_loop(t, first, end, true, &l);
  l.rows.rests = end - first == t->count;
  if (l.rows.rests && !qn__ll_lane_rows_serve(&l.rows)) l.rows.rests = false;
  if (!qn__ll_lane_rows_serve(&l.rows)) return;
  if (!l.rows.rests) TEXT("cmpq $$0, %d(%%rbx)\nje %df\n", at_field(WHOLE), LABEL_DONE);
  TEXT("cmpl $$%u, %%ecx\njne %df\nxorl %%esi, %%esi\n", (1u << end) - (1u << first), LABEL_NEXT);
  qn__ll_lane_rows_write(&l.rows, &t->constants, &t->text);
  TEXT("movl $$0, %d(%%rbx)\n", at_field(PENDING));
  for (uint32_t p = 0; p < end - first; p++) {
    if (!l.parts[p].counts) continue;
    TEXT("testl %%eax, %%eax\nje %df\nmovl $$%u, %d(%%rbx)\n", LABEL_GOOD, 1u << (first + p), at_field(PENDING));
    TEXT("movq $$%u, %d(%%rbx)\njmp %df\n%d:\n", MOST_TO_WAIT, at_field(WAIT), LABEL_STORE, LABEL_GOOD);
  }
  if (!l.rows.rests) TEXT("cmpl $$0, %d(%%rbx)\njne %df\n", at_field(RESTS), LABEL_STORE);
  fold_loop(t, &l);
  TEXT("jmp %df\n%d:\n", LABEL_FOLDED, LABEL_STORE);
  qn__ll_lane_rows_store(&l.rows, &t->constants, &t->text);
  if (l.rows.rests) TEXT("movl %d(%%rbx), %%eax\njmp %df\n", at_field(PENDING), LABEL_RUN);
  TEXT("jmp %df\n%d:\n", LABEL_DONE, LABEL_NEXT);
}

/* A stage alone: all of its row where it is still to be done, else the rest. */
static void alone(texts *t, uint32_t p) {
  bool divides = p + 1 == t->count && t->s[0].share.found;
  loop l;
  TEXT("testl $$%u, %d(%%rbx)\nje %df\n", 1u << p, at_field(RUN), LABEL_SKIP);
  TEXT("xorl %%esi, %%esi\ntestl $$%u, %d(%%rbx)\n", 1u << p, at_field(PENDING));
  TEXT("cmoveq %d(%%rbx), %%rsi\n", at_field(WHOLE));
  if (divides) {
    compare_usual(t);
    TEXT("je %df\n", LABEL_DIVIDE);
  }
  make_loop(t, p, p + 1, divides, &l);
  qn__ll_lane_rows_write(&l.rows, &t->constants, &t->text);
  qn__ll_lane_rows_store(&l.rows, &t->constants, &t->text);
  if (divides) {
    TEXT("jmp %df\n%d:\n", LABEL_SKIP, LABEL_DIVIDE);
    make_loop(t, p, p + 1, false, &l);
    qn__ll_lane_rows_write(&l.rows, &t->constants, &t->text);
  }
  TEXT("%d:\n", LABEL_SKIP);
}

/* While folds are waited for, the first lines of the rows that will be written come nearer. More of them are slower. */
static void fetch_results(texts *t) {
  enum { ELEMENTS = 256 };
  TEXT("cmpq $$%d, %d(%%rbx)\njl %df\n", ELEMENTS, at_field(QN_LANE_FRAME_LAST), LABEL_SKIP);
  for (uint32_t o = t->n->plan->num_inputs; o < t->n->num_operands; o++) {
    if (!t->walked[o] || !t->moves[o]) continue;
    TEXT("movq %d(%%rbx), %%rax\nmovq %u(%%rax), %%rax\n", at_field(QN_LANE_FRAME_ROWS + t->count - 1), 8 * o);
    uint32_t bytes = ELEMENTS * qn__ll_mem_bits(t->n->places[o].mem) / 8;
    for (uint32_t at = 0; at < bytes; at += LINE) TEXT("prefetchw %u(%%rax)\n", at);
  }
  TEXT("%d:\n", LABEL_SKIP);
}

static void write_turn(texts *t) {
  move_on(t);
  begin_row(t);
  fetch_results(t);
  find_several(t);
  several(t, 0, t->count);
  for (uint32_t first = 0; first < t->count; first++)
    for (uint32_t end = first + 2; end <= t->count; end++)
      if (end - first < t->count) several(t, first, end);
  TEXT("%d:\nmovl %d(%%rbx), %%eax\nandl %d(%%rbx), %%eax\n", LABEL_DONE, at_field(ALL), at_field(RESTS));
  TEXT("orl %d(%%rbx), %%eax\nje %df\n", at_field(PENDING), LABEL_OVER);
  TEXT("%d:\nmovl %%eax, %d(%%rbx)\n", LABEL_RUN, at_field(RUN));
  for (uint32_t p = 0; p < t->count; p++) alone(t, p);
  TEXT("%d:\n", LABEL_OVER);
  fold_all(t);
  TEXT("%d:\n", LABEL_FOLDED);
}

static void write_text(texts *t) {
  static const char *const kept[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
  for (int i = 0; i < 6; i++) TEXT("pushq %%%s\n", kept[i]);
  TEXT("subq $$8, %%rsp\nmovl %d(%%rdi), %%ebp\n", at_field(IS_FAR)); /* calls find the stack aligned */
  TEXT("movq %%rdi, %%rbx\nmovq %d(%%rbx), %%rdx\nmovq %d(%%rbx), %%rax\n", at_field(TABLE), at_field(TURN));
  TEXT("cmpq %d(%%rbx), %%rax\njge %df\n.p2align 4\n%d:\n", at_field(TURNS), LABEL_END, LABEL_TURN);
  write_turn(t);
  TEXT("incq %d(%%rbx)\nmovq %d(%%rbx), %%rax\n", at_field(TURN), at_field(TURN));
  TEXT("cmpq %d(%%rbx), %%rax\njl %db\n%d:\n", at_field(TURNS), LABEL_TURN, LABEL_END);
  TEXT("addq $$8, %%rsp\n");
  for (int i = 6; i-- > 0;) TEXT("popq %%%s\n", kept[i]);
  TEXT("vzeroupper\nretq\n");
}

/* ---- the body ---- */

static void set(texts *t, LLVMValueRef frame, uint32_t f, LLVMValueRef value) {
  LLVMBuildStore(t->n->g->b, value, qn__ll_gep_const(t->n->g, frame, at_field(f)));
}

static void set_operands(texts *t, LLVMValueRef frame) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  uint32_t loops = n->plan->num_loops;
  for (uint32_t o = 0; o < n->num_operands; o++) {
    set(t, frame, QN_LANE_FRAME_BASES + o, n->places[o].base);
    set(t, frame, STRIDES + o, t->moves[o] ? n->stride[o * loops + loops - 2] : qn__ll_i64(g, 0));
  }
}

/* Everything that the function wants to know. */
static LLVMValueRef make_frame(texts *t) {
  qn_ll_nest *n = t->n;
  qn_ll *g = n->g;
  LLVMValueRef frame = qn__ll_slot(g, g->i64, FIELDS), end = n->end, rows = qn__ll_sub(g, n->rows_end, n->rows_begin);
  LLVMValueRef whole = LLVMBuildAnd(g->b, end, qn__ll_i64(g, -PARTIALS), "");
  LLVMValueRef far = LLVMBuildICmp(g->b, LLVMIntSGT, qn__ll_mul(g, rows, end), qn__ll_i64(g, FAR / 4), "");
  set(t, frame, QN_LANE_FRAME_LAST, qn__ll_sub(g, end, qn__ll_i64(g, PARTIALS - 1)));
  set(t, frame, IS_FAR, LLVMBuildZExt(g->b, far, g->i64, ""));
  set(t, frame, WHOLE, whole);
  set(t, frame, RESTS, LLVMBuildSExt(g->b, LLVMBuildICmp(g->b, LLVMIntNE, whole, end, ""), g->i64, ""));
  set(t, frame, TURN, n->rows_begin);
  set(t, frame, BEGIN, n->rows_begin);
  set(t, frame, END, n->rows_end);
  LLVMValueRef some = LLVMBuildICmp(g->b, LLVMIntSGT, rows, qn__ll_i64(g, 0), "");
  LLVMValueRef turns = qn__ll_add(g, n->rows_end, qn__ll_i64(g, t->count - 1));
  set(t, frame, TURNS, LLVMBuildSelect(g->b, some, turns, n->rows_begin, ""));
  LLVMValueRef ring = qn__ll_slot(g, g->i8, t->rows * t->row_bytes);
  set(t, frame, RING, ring);
  if (t->addresses > n->num_operands) set(t, frame, ROOM, qn__ll_slot(g, g->i8, 2 * ROOM_BYTES));
  for (uint32_t p = 0; p < t->count; p++) set(t, frame, QN_LANE_FRAME_ROWS + p, ring);
  set(t, frame, ALL, qn__ll_i64(g, 0));
  set(t, frame, TABLE, qn__ll_lane_table(g, t->constants.bits, t->constants.count));
  set(t, frame, WAIT, qn__ll_i64(g, 0));
  if (t->begins) set(t, frame, CALLS, t->begins);
  for (uint32_t p = 0; p + 1 < t->count; p++)
    if (t->finishes[p]) set(t, frame, CALLS + p + 1, t->finishes[p]);
  set_operands(t, frame);
  return frame;
}

void qn__ll_row_texts(qn_ll_nest *n, const row_state *first) {
  qn_ll *g = n->g;
  texts t;
  if (!init(&t, n, first) || !find_known(&t, &first->share)) {
    g->failed = true;
    return;
  }
  place_row(&t);
  t.begins = numbers_function(&t, 0);
  for (uint32_t p = 0; p + 1 < t.count; p++) t.finishes[p] = numbers_function(&t, p + 1);
  qn__buf_init(&t.text, g->arena->allocator);
  constant(&t, 0); /* an address needs something there */
  write_text(&t);
  g->failed = g->failed || t.constants.failed;
  LLVMTypeRef type = LLVMFunctionType(g->void_t, &g->ptr, 1, false);
  LLVMValueRef fn = qn__ll_assembly_function(g, "row_rows", type, &t.text), frame = make_frame(&t);
  qn__ll_function_quickly(g, g->fn); /* it is run through once */
  if (fn) LLVMBuildCall2(g->b, type, fn, &frame, 1, "");
}
