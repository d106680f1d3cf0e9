/* Epilogues whose tapes are long, as functions of nothing but text: a row of a tile after the other, in pairs of
 * vectors (lanes.h). LLVM takes most of a body's time for such a tape, and puts its chains one behind the other.
 *
 * What is the same for all rows but not an input itself is computed first, for all columns, into memory on the stack;
 * for that, too, there is a list. What is left over of pairs is done under masks.
 *
 *   rsi column, rcx where whole pairs end, rdx constants, rbx rows that are left, rdi columns that are no whole pair,
 *   r8 .. r15 places, rbp the stack as it was */
#include "epilogue_text.h"
#include "assembly.h"
#include "lanes_text.h"
#include <quern/unstable/kargs.h>
#include <stddef.h>

enum { VECTOR = 16, STEP = QN_LANE_VECTORS * VECTOR, WORK = 24 };
/* What the stack has, in fields of eight bytes, below the values by column. */
enum { PLACES = 24, ROW = 0, ROW_BYTES, BASES, STEPS = BASES + PLACES, FIELDS = STEPS + PLACES };
enum { LABEL_ROW = 1, LABEL_PAIR, LABEL_PAIRS_END, LABEL_ONE, LABEL_ROW_END, LABEL_END, LABEL_CONSTANTS };

/* A list's loop. */
typedef struct turning {
  qn_ll_lanes part;
  qn_ll_region region;
  qn_ll_lane_writer w;
} turning;

typedef struct texts {
  const qn_ll_epilogue_text *e;
  qn_ll *g;
  qn_buf text;
  qn_ll_region region; /* of the tape: QN_LL_BY_ROW tells what changes from row to row */
  uint32_t num_places; /* sums, extras, values by column, Y */
  qn_ll_place *places;
  bool packs;
  qn_ll_narrow narrow;
  uint32_t num_kept, kept[QN_LL_LANES_SINKS]; /* registers that are computed before the rows */
  qn_ll_lane_constants constants;
  turning columns, rows;
} texts;

#define TEXT(...) qn__buf_fmt(&t->text, __VA_ARGS__)

static int at_field(uint32_t f) {
  return 8 * (int)f;
}

/* ---- what is computed when ---- */

/* Everything but constants is a vector to the lists. */
static bool find_region(texts *t) {
  const qn_gemm_plan *p = t->e->plan;
  uint8_t *vary = qn__arena_array(t->g->arena, 1 + p->num_epilogue_extras, 1);
  if (!vary) return false;
  vary[0] = QN_LL_BY_LANE | QN_LL_BY_ROW;
  for (uint32_t i = 0; i < p->num_epilogue_extras; i++)
    vary[1 + i] = (uint8_t)(QN_LL_BY_LANE | (p->epilogue_extras[i].by_row ? QN_LL_BY_ROW : 0));
  if (!qn__ll_region_init(&t->region, t->g, t->e->tape, vary)) return false;
  for (uint32_t i = 0; i < t->region.tape->num_insts; i++)
    if (t->region.tape->insts[i].op != QN_T_CONST) t->region.vary[i] |= QN_LL_BY_LANE;
  return true;
}

static bool by_row(const texts *t, uint32_t reg) {
  return (t->region.vary[reg] & QN_LL_BY_ROW) != 0;
}

/* Operands of what changes from row to row that do not, and are neither inputs nor constants. */
static bool find_kept(texts *t) {
  const qn_tape *tape = t->region.tape;
  for (uint32_t i = 0; i < tape->num_insts; i++) {
    uint32_t args[3] = {0}, n = qn__ll_args(&tape->insts[i], args);
    if (!t->region.needed[i] || !by_row(t, i)) continue;
    for (uint32_t k = 0; k < n; k++) {
      uint32_t known = 0, op = tape->insts[args[k]].op, type = tape->insts[args[k]].type;
      if (by_row(t, args[k]) || op == QN_T_INPUT || op == QN_T_CONST) continue;
      while (known < t->num_kept && t->kept[known] != args[k]) known++;
      if (known < t->num_kept) continue;
      if (known == QN_LL_LANES_SINKS || (type != QN_TF32 && type != QN_TI32)) return false;
      t->kept[t->num_kept++] = args[k];
    }
  }
  return by_row(t, tape->outputs[0]);
}

static bool place_all(texts *t) {
  const qn_gemm_plan *p = t->e->plan;
  uint32_t n = 0;
  t->num_places = 1 + p->num_epilogue_extras + t->num_kept + 1;
  t->places = qn__arena_array(t->g->arena, t->num_places, sizeof *t->places);
  if (!t->places || t->num_places > PLACES) return false;
  t->places[n++] = (qn_ll_place){.mem = p->acc, .access = QN_ACCESS_DENSE};
  for (uint32_t i = 0; i < p->num_epilogue_extras; i++) {
    const qn_extra *x = &p->epilogue_extras[i];
    t->places[n++] = (qn_ll_place){.mem = x->mem, .access = x->by_col ? QN_ACCESS_DENSE : QN_ACCESS_NONE};
  }
  for (uint32_t k = 0; k < t->num_kept; k++) t->places[n++] = (qn_ll_place){.mem = QN_F32, .access = QN_ACCESS_DENSE};
  t->places[n] = (qn_ll_place){.mem = p->y_mem, .access = QN_ACCESS_DENSE};
  return true;
}

/* The region with inputs in place of what is kept, up to what bytes are packed of. */
static bool make_rows(texts *t, qn_ll_region *r) {
  const qn_tape *from = t->region.tape;
  qn_tape *tape = qn__arena_copy(t->g->arena, from, sizeof *from);
  *r = t->region;
  if (!tape) return false;
  tape->insts = qn__arena_copy(t->g->arena, from->insts, from->num_insts * sizeof *from->insts);
  tape->outputs = qn__arena_copy(t->g->arena, from->outputs, sizeof *from->outputs);
  if (!tape->insts || !tape->outputs) return false;
  t->packs = qn__ll_narrow_find_plain(t->g, from, t->e->plan->y_mem, &t->narrow);
  if (t->packs) {
    tape->outputs[0] = t->narrow.reg;
    qn__ll_narrow_drop_limits(&t->narrow, tape);
  }
  for (uint32_t k = 0; k < t->num_kept; k++) {
    qn_tinst *i = &tape->insts[t->kept[k]];
    *i = (qn_tinst){.op = QN_T_INPUT, .type = i->type, .a = 1 + t->e->plan->num_epilogue_extras + k};
  }
  r->tape = tape;
  return qn__ll_region_need_outputs(r, 1);
}

static uint32_t work_of(const qn_ll_region *r) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    uint8_t op = r->tape->insts[i].op;
    n += r->needed[i] && (r->vary[i] & QN_LL_BY_LANE) && op != QN_T_INPUT && op != QN_T_BITCAST;
  }
  return n;
}

static bool prepare_list(texts *t, turning *l) {
  l->part.region = &l->region, l->part.places = t->places, l->part.late = true;
  if (!qn__ll_lane_prepare(&l->w, &l->part, 1, QN_LANE_PAIRS_AND_REST)) return false;
  for (uint32_t f = 0; f < l->w.num_fixed; f++) {
    if (l->w.fixed[f].value->is_const) continue;
    if (l->w.fixed[f].value->value != QN_LANE_QUARTERS) return false;
  }
  return true;
}

static bool prepare_lists(texts *t) {
  uint32_t first = 1 + t->e->plan->num_epilogue_extras;
  qn_ll_lanes *c = &t->columns.part, *r = &t->rows.part;
  t->columns.region = t->region;
  if (!make_rows(t, &t->rows.region) || work_of(&t->rows.region) < WORK) return false;
  for (uint32_t k = 0; k < t->num_kept; k++)
    c->sinks[k] = (qn_ll_lanes_sink){.reg = t->kept[k], .to = &t->places[first + k]};
  c->num_sinks = t->num_kept;
  r->sinks[0] = (qn_ll_lanes_sink){.reg = t->rows.region.tape->outputs[0], .to = &t->places[t->num_places - 1]};
  r->num_sinks = 1, r->packs = t->packs ? &t->narrow : NULL;
  return (!t->num_kept || prepare_list(t, &t->columns)) && prepare_list(t, &t->rows);
}

/* ---- places ---- */

/* Numbers of the kernel's pointers and strides. */
static uint32_t argument_of(const texts *t, uint32_t place) {
  return place + 1 == t->num_places ? 2 : 2 + place;
}

static bool is_kept(const texts *t, uint32_t place) {
  return place > t->e->plan->num_epilogue_extras && place + 1 < t->num_places;
}

/* Has rows of its own, which the kernel's strides tell of. */
static bool moves(const texts *t, uint32_t place) {
  if (place + 1 == t->num_places) return true;
  return place > 0 && !is_kept(t, place) && t->e->plan->epilogue_extras[place - 1].by_row;
}

static uint32_t stride_of(const texts *t, uint32_t place) {
  return place + 1 == t->num_places ? 1 : 2 + place;
}

static uint32_t place_of(const texts *t, const turning *l, uint32_t i) {
  return (uint32_t)(l->w.places[i] - t->places);
}

/* The first element of each place: r10 and r11 have the kernel's pointers and strides, r8 the first column, rdx the
 * row. Of rows in a list it is that of row 0. */
static void find_base(texts *t, uint32_t place) {
  uint32_t kept = place - 1 - t->e->plan->num_epilogue_extras, bytes = qn__ll_mem_bits(t->places[place].mem) / 8;
  if (place == 0) {
    TEXT("movq %%rsi, %%rax\n");
  } else if (is_kept(t, place)) {
    TEXT("imulq $$%u, %d(%%rsp), %%rax\nleaq %d(%%rsp,%%rax), %%rax\n", kept, at_field(ROW_BYTES), at_field(FIELDS));
  } else {
    TEXT("movq %d(%%r10), %%rax\n", 8 * (int)argument_of(t, place));
    if (t->places[place].access == QN_ACCESS_DENSE) TEXT("leaq (%%rax,%%r8,%u), %%rax\n", bytes);
  }
  if (moves(t, place)) {
    TEXT("movq %d(%%r11), %%rbx\nmovq %%rbx, %d(%%rsp)\n", 8 * (int)stride_of(t, place), at_field(STEPS + place));
    if (!t->e->listed) TEXT("imulq %%rdx, %%rbx\naddq %%rbx, %%rax\n");
  }
  TEXT("movq %%rax, %d(%%rsp)\n", at_field(BASES + place));
}

static bool has_place(const texts *t, const turning *l, uint32_t place) {
  for (uint32_t i = 0; i < l->w.num_places; i++)
    if (place_of(t, l, i) == place) return true;
  return false;
}

static void load_bases(texts *t, const turning *l) {
  for (uint32_t i = 0; i < l->w.num_places; i++)
    TEXT("movq %d(%%rsp), %%%s\n", at_field(BASES + place_of(t, l, i)), qn__ll_lane_bases[i]);
}

/* Of the next row in the list. */
static void find_row(texts *t, const turning *l) {
  TEXT("movq %d(%%rsp), %%rax\naddq $$8, %d(%%rsp)\nmovq (%%rax), %%rax\n", at_field(ROW), at_field(ROW));
  for (uint32_t i = 0; i < l->w.num_places; i++) {
    uint32_t place = place_of(t, l, i);
    const char *base = qn__ll_lane_bases[i];
    if (!moves(t, place)) continue;
    TEXT("movq %d(%%rsp), %%%s\nimulq %%rax, %%%s\n", at_field(STEPS + place), base, base);
    TEXT("addq %d(%%rsp), %%%s\n", at_field(BASES + place), base);
  }
}

static void next_row(texts *t, const turning *l) {
  for (uint32_t i = 0; i < l->w.num_places; i++) {
    uint32_t place = place_of(t, l, i);
    if (place && (!moves(t, place) || t->e->listed)) continue;
    TEXT("addq %d(%%rsp), %%%s\n", at_field(place ? STEPS + place : ROW_BYTES), qn__ll_lane_bases[i]);
  }
}

/* ---- loops ---- */

static void load_constants(texts *t, const turning *l) {
  for (uint32_t f = 0; f < l->w.num_fixed; f++) {
    const qn_ll_lane_fixed *x = l->w.fixed[f].value;
    uint32_t reg = qn__ll_lane_first_fixed(&l->w) + l->w.fixed[f].operand;
    if (!x->is_const)
      TEXT("vmovdqu64 (%%rdx), %%zmm%u\n", reg);
    else if (!l->w.fixed[f].spilled)
      TEXT("vbroadcastss %u(%%rdx), %%zmm%u\n", qn__ll_lane_constant(&t->constants, x->bits), reg);
  }
}

static void pair(texts *t, turning *l, bool rest, bool single) {
  l->w.text = t->text, l->w.rest = rest, l->w.single = single;
  qn__ll_lane_pair(&l->w, 0);
  t->text = l->w.text;
}

static bool has_rest(const texts *t) {
  return !t->e->whole || t->e->plan->layout.panel_width % STEP;
}

/* The first vector of it is where pairs end. */
static void rest_of_row(texts *t, turning *l) {
  TEXT("testl %%edi, %%edi\nje %df\n", LABEL_ROW_END);
  if (!t->e->few) {
    TEXT("cmpl $$%d, %%edi\njle %df\n", VECTOR, LABEL_ONE);
    pair(t, l, true, false);
    TEXT("jmp %df\n%d:\n", LABEL_ROW_END, LABEL_ONE);
  }
  pair(t, l, true, true);
  TEXT("%d:\n", LABEL_ROW_END);
}

/* What a list does to a row. */
static void row_of(texts *t, turning *l) {
  TEXT("xorl %%esi, %%esi\n");
  if (!t->e->few) {
    if (has_rest(t)) TEXT("testq %%rcx, %%rcx\nje %df\n", LABEL_PAIRS_END);
    TEXT(".p2align 4\n%d:\n", LABEL_PAIR);
    pair(t, l, false, false);
    TEXT("addq $$%d, %%rsi\ncmpq %%rcx, %%rsi\njl %db\n%d:\n", STEP, LABEL_PAIR, LABEL_PAIRS_END);
  }
  if (has_rest(t)) rest_of_row(t, l);
}

static void begin_list(texts *t, turning *l) {
  l->w.constants = &t->constants;
  load_bases(t, l);
  load_constants(t, l);
}

/* ---- the function ---- */

static const char *const saved[] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
enum { SAVED = sizeof saved / sizeof *saved };

/* Columns that are there, in r9. */
static void count_columns(texts *t) {
  TEXT("testq %%rcx, %%rcx\njle %df\n", LABEL_END);
  if (t->e->whole) return;
  TEXT("movq %d(%%rdi), %%rax\nmovq 8(%%rax), %%rax\nsubq %%r8, %%rax\n", (int)offsetof(qn_kargs, size));
  TEXT("cmpq %%rax, %%r9\ncmovgq %%rax, %%r9\ntestq %%r9, %%r9\njle %df\n", LABEL_END);
}

static void begin(texts *t) {
  for (int i = 0; i < SAVED; i++) TEXT("pushq %%%s\n", saved[i]);
  TEXT("movq %%rsp, %%rbp\n");
  uint32_t bytes = qn__ll_mem_bits(t->e->plan->acc) / 8; /* as many are enough for values by column */
  if (t->num_kept) TEXT("imulq $$%u, %%r9, %%rax\nsubq %%rax, %%rsp\n", bytes * t->num_kept);
  TEXT("subq $$%d, %%rsp\nandq $$-64, %%rsp\n", at_field(FIELDS));
  TEXT("leaq (,%%r9,%u), %%rax\nmovq %%rax, %d(%%rsp)\nmovq %%rdx, %d(%%rsp)\n", bytes, at_field(ROW_BYTES),
       at_field(ROW));
  count_columns(t);
  TEXT("movq %d(%%rdi), %%r10\nmovq %d(%%rdi), %%r11\n", (int)offsetof(qn_kargs, ptr), (int)offsetof(qn_kargs, stride));
  for (uint32_t i = 0; i < t->num_places; i++)
    if (has_place(t, &t->columns, i) || has_place(t, &t->rows, i)) find_base(t, i);
  TEXT("movq %%rcx, %%rbx\nmovq %%r9, %%rcx\nandq $$%d, %%rcx\nleaq %df(%%rip), %%rdx\n", -STEP, LABEL_CONSTANTS);
  if (!has_rest(t)) return;
  TEXT("movl %%r9d, %%edi\nandl $$%d, %%edi\nmovl $$-1, %%eax\nbzhil %%edi, %%eax, %%eax\n", STEP - 1);
  TEXT("kmovd %%eax, %%k%d\nkmovd %%eax, %%k%d\n", QN_LANE_BYTES_MASK, QN_LANE_REST_MASK);
  TEXT("shrl $$%d, %%eax\nkmovd %%eax, %%k%d\n", VECTOR, QN_LANE_REST_MASK + 1);
}

static void end(texts *t) {
  TEXT("%d:\nmovq %%rbp, %%rsp\n", LABEL_END);
  for (int i = SAVED; i-- > 0;) TEXT("popq %%%s\n", saved[i]);
  TEXT("vzeroupper\nretq\n.p2align 6\n%d:\n.long 0", LABEL_CONSTANTS);
  for (uint32_t i = 1; i < t->constants.count; i++) TEXT(", %u", t->constants.bits[i]);
  TEXT("\n");
}

static void write_text(texts *t) {
  for (t->constants.count = 0; t->constants.count < VECTOR; t->constants.count++) /* quarters */
    t->constants.bits[t->constants.count] = t->constants.count % 4 * 4 + t->constants.count / 4;
  begin(t);
  if (t->num_kept) {
    begin_list(t, &t->columns);
    row_of(t, &t->columns);
  }
  begin_list(t, &t->rows);
  TEXT("%d:\n", LABEL_ROW);
  if (t->e->listed) find_row(t, &t->rows);
  row_of(t, &t->rows);
  next_row(t, &t->rows);
  TEXT("decq %%rbx\njne %db\n", LABEL_ROW);
  end(t);
}

LLVMValueRef qn__ll_epilogue_text(const qn_ll_epilogue_text *e, const char *name, LLVMTypeRef type) {
  qn_ll *g = e->g;
  texts *t = qn__arena_new(g->arena, texts);
  if (!t) {
    g->failed = g->out_of_memory = true;
    return NULL;
  }
  *t = (texts){.e = e, .g = g};
  if (e->tape->num_outputs != 1) return NULL;
  if (!find_region(t) || !find_kept(t) || !place_all(t) || !prepare_lists(t)) return NULL;
  qn__buf_init(&t->text, g->arena->allocator);
  write_text(t);
  g->failed = g->failed || t->constants.failed;
  return qn__ll_assembly_function(g, name, type, &t->text);
}
