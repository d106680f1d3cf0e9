/* Storing the outputs of a loop, several vectors at once where that pays: bytes as packs of four, other vectors where
 * there is little to do for each beside counting and fetching ahead.
 *
 * Past the caches, vectors are stored aligned, and what stands before the first aligned place under a mask, or element
 * by element where there are no masks. Where the outputs cannot be aligned at one element, everything is stored so. */
#include "outputs.h"
#include "codes.h"
#include "lanes.h"

enum { FAR = 2 << 20 }; /* bytes, which are in no cache near by */
/* Operations per vector. */
enum { TEXT_WORK = 8, PAIRED_WORK = 30, GROUPED_WORK = 40, LONG_DIVISION = 9, CHECKED_DIVISION = 4 };

typedef struct group {
  qn_ll_outputs *o;
  uint32_t count;
  qn_ll_region region[QN_LL_MAX_GROUP];
  bool text;           /* written as assembly */
  LLVMValueRef far;    /* fetching ahead is worth it; null for always */
  bool packs, divides; /* divides: by a number that is known at run time only */
  qn_ll_narrow narrow;
  qn_ll_codes codes;
} group;

/* ---- what is done at once ---- */

static bool is_work(const qn_ll_outputs *o, uint32_t i) {
  const qn_ll_region *r = o->region;
  uint8_t op = r->tape->insts[i].op;
  return op != QN_T_INPUT && op != QN_T_CONST && op != QN_T_BITCAST && r->needed[i] && (r->vary[i] & QN_LL_BY_LANE) &&
         r->ready[i] <= o->pass;
}

static bool is_long(const qn_tinst *inst) {
  return inst->type == QN_TF64 || inst->type == QN_TI64;
}

static uint32_t count_of(const qn_ll_outputs *o) {
  const qn_tinst *insts = o->region->tape->insts;
  uint32_t work = 0, more = 0; /* vectors of 64 bits are two */
  if (!o->g->masked || o->g->lanes != 16 || !o->simple) return 1;
  for (uint32_t i = 0; i < o->region->tape->num_insts; i++) {
    const qn_ll_divisor *d = &o->region->divisors[i];
    if (!is_work(o, i)) continue;
    work += !d->inverse ? 1 : d->checked ? CHECKED_DIVISION : LONG_DIVISION;
    more += is_long(&insts[i]);
  }
  return work > GROUPED_WORK ? 1 : more && work + more > PAIRED_WORK ? 2 : 4;
}

/* The tape up to what is packed. */
static const qn_tape *packed_tape(group *p, const qn_tape *tape) {
  qn_arena *arena = p->o->g->arena;
  qn_tape *t = qn__arena_copy(arena, tape, sizeof *tape);
  if (!t) return NULL;
  t->outputs = qn__arena_copy(arena, &p->narrow.reg, sizeof p->narrow.reg);
  t->num_outputs = 1;
  t->insts = qn__arena_copy(arena, tape->insts, tape->num_insts * sizeof *tape->insts);
  if (!t->outputs || !t->insts) return NULL;
  if (!p->divides && p->narrow.scaled) t->insts[p->narrow.convert].a = p->narrow.convert_from;
  if (!p->divides && !p->narrow.scaled) qn__ll_narrow_drop_limits(&p->narrow, t);
  return t;
}

/* Of the only output that is stored, when it is the first. */
static bool find_packs(group *p) {
  const qn_ll_outputs *o = p->o;
  const qn_ll_region *r = o->region;
  for (uint32_t i = 0; i < o->num_outputs; i++)
    if ((i == 0) == (o->skip && o->skip[i])) return false;
  if (!o->simple) return false;
  p->divides = qn__ll_codes_find(r, o->places[0].mem, &p->codes);
  p->narrow.reg = p->codes.x;
  if (p->divides) return true;
  if (!qn__ll_narrow_find(o->g, r->tape, o->places[0].mem, &p->narrow)) return false;
  if (!p->narrow.scaled || !(r->vary[p->narrow.multiplier] & QN_LL_BY_LANE)) return true;
  return qn__ll_narrow_find_plain(o->g, r->tape, o->places[0].mem, &p->narrow);
}

/* Regions that know what is known by now, and go their own ways. */
static bool make_regions(group *p) {
  const qn_ll_region *from = p->o->region;
  qn_ll *g = from->g;
  uint32_t n = from->tape->num_insts;
  const qn_tape *tape = p->packs ? packed_tape(p, from->tape) : from->tape;
  if (!tape) return false;
  for (uint32_t k = 0; k < p->count; k++) {
    p->region[k] = *from;
    p->region[k].tape = tape;
    p->region[k].v = qn__ll_values(g, n);
    if (!p->region[k].v) return false;
    for (uint32_t i = 0; i < n; i++) p->region[k].v[i] = from->v[i];
  }
  return !p->packs || qn__ll_region_need_outputs(p->region, p->count);
}

/* ---- one vector, and a group ---- */

static void store_outputs(qn_ll_outputs *o, qn_ll_region *r, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  for (uint32_t i = 0; i < o->num_outputs; i++)
    if (!o->skip || !o->skip[i]) qn__ll_region_store(r, i, &o->places[i], index, lanes, mask);
}

static void one(void *user, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  qn_ll_outputs *o = user;
  if (lanes > 1 && !mask && o->ahead) o->ahead(o->user, index, 1);
  o->load(o->user, o->region, index, lanes, mask);
  qn__ll_region_emit(o->region, QN_LL_BY_LANE, 0, o->pass, lanes);
  store_outputs(o, o->region, index, lanes, mask);
}

static LLVMValueRef vector_at(qn_ll *g, LLVMValueRef index, uint32_t k) {
  return k ? qn__ll_add(g, index, qn__ll_i64(g, (int64_t)k * g->lanes)) : index;
}

static qn_ll_lanes lanes_of(const qn_ll_outputs *o) {
  qn_ll_lanes l = {.region = o->region, .places = o->inputs};
  for (uint32_t i = 0; i < o->num_outputs; i++) {
    if (o->skip && o->skip[i]) continue;
    if (l.num_sinks < QN_LL_LANES_SINKS)
      l.sinks[l.num_sinks] = (qn_ll_lanes_sink){.reg = o->region->tape->outputs[i], .to = &o->places[i]};
    l.num_sinks++;
  }
  return l;
}

/* Chains that are long enough for their order to count. */
static bool has_text(const group *p) {
  qn_ll_lanes l = lanes_of(p->o);
  uint32_t work = 0;
  for (uint32_t i = 0; i < p->o->region->tape->num_insts; i++) work += is_work(p->o, i);
  if (p->count == 1 || p->packs || !p->o->inputs || work < TEXT_WORK || l.num_sinks > QN_LL_LANES_SINKS) return false;
  return l.num_sinks && qn__ll_lanes_serve(&l, 1);
}

static void several(group *p, LLVMValueRef index) {
  qn_ll_outputs *o = p->o;
  qn_ll *g = o->g;
  qn_ll_if far;
  if (p->far) qn__ll_if_begin(g, &far, p->far);
  if (o->ahead) o->ahead(o->user, index, p->count);
  if (p->far) qn__ll_if_end(g, &far);
  if (p->text) {
    qn_ll_lanes l = lanes_of(o);
    qn__ll_lanes_write(&l, 1, p->count, index);
    return;
  }
  for (uint32_t k = 0; k < p->count; k++) o->load(o->user, &p->region[k], vector_at(g, index, k), g->lanes, NULL);
  qn__ll_region_emit_group(p->region, p->count, QN_LL_BY_LANE, 0, o->pass, g->lanes);
  if (p->divides) qn__ll_codes_quotients(p->region, p->count, &p->codes);
  if (p->packs) {
    qn__ll_narrow_store(p->region, p->count, &p->narrow, qn__ll_gep(g, o->places[0].base, index));
    return;
  }
  for (uint32_t k = 0; k < p->count; k++) store_outputs(o, &p->region[k], vector_at(g, index, k), g->lanes, NULL);
}

/* ---- past the caches ---- */

static bool goes_past(const qn_ll_outputs *o, uint32_t i) {
  const qn_ll_place *y = &o->places[i];
  return (!o->skip || !o->skip[i]) && y->access == QN_ACCESS_DENSE && qn__ll_mem_bits(y->mem) >= 8;
}

/* Bytes of an output that are stored at once. */
static int64_t alignment(const group *p, uint32_t i) {
  uint32_t bytes = (p->packs ? p->count : 1) * p->o->g->lanes * qn__ll_mem_bits(p->o->places[i].mem) / 8;
  return bytes < 64 ? bytes : 64;
}

/* Bytes that an element of an output stands beyond an aligned place. */
static LLVMValueRef beyond(const group *p, uint32_t i, LLVMValueRef index) {
  qn_ll *g = p->o->g;
  const qn_ll_place *y = &p->o->places[i];
  LLVMValueRef at = LLVMBuildGEP2(g->b, qn__ll_mem_type(g, y->mem), y->base, &index, 1, "");
  at = LLVMBuildPtrToInt(g->b, at, g->i64, "");
  return LLVMBuildAnd(g->b, at, qn__ll_i64(g, alignment(p, i) - 1), "");
}

/* Whole bytes of all operands begin at a multiple of so many elements. */
static int64_t elements_of_bytes(const qn_ll_outputs *o) {
  const qn_tape *t = o->region->tape;
  uint32_t least = 8;
  for (uint32_t i = 0; i < t->num_inputs + t->num_outputs; i++) {
    uint32_t bits = qn__ll_mem_bits(i < t->num_inputs ? t->input_mem[i] : t->output_mem[i - t->num_inputs]);
    if (bits < least) least = bits;
  }
  return 8 / (int64_t)least;
}

/* The first element at which all outputs are aligned, and no byte begun; the end where there is none. */
static LLVMValueRef first_aligned(const group *p) {
  const qn_ll_outputs *o = p->o;
  qn_ll *g = o->g;
  LLVMValueRef first = NULL, good = NULL;
  for (uint32_t i = 0; i < o->num_outputs; i++) {
    if (!goes_past(o, i)) continue;
    if (!first) {
      int64_t size = qn__ll_mem_bits(o->places[i].mem) / 8;
      LLVMValueRef past = LLVMBuildUDiv(g->b, beyond(p, i, o->start), qn__ll_i64(g, size), "");
      LLVMValueRef more =
          LLVMBuildAnd(g->b, LLVMBuildNeg(g->b, past, ""), qn__ll_i64(g, alignment(p, i) / size - 1), "");
      first = qn__ll_add(g, o->start, more);
      LLVMValueRef within = LLVMBuildAnd(g->b, first, qn__ll_i64(g, elements_of_bytes(o) - 1), "");
      if (elements_of_bytes(o) > 1) good = LLVMBuildICmp(g->b, LLVMIntEQ, within, qn__ll_i64(g, 0), "");
    }
    LLVMValueRef here = LLVMBuildICmp(g->b, LLVMIntEQ, beyond(p, i, first), qn__ll_i64(g, 0), "");
    good = good ? LLVMBuildAnd(g->b, good, here, "") : here;
  }
  return first ? LLVMBuildSelect(g->b, good, qn__ll_min(g, first, o->end), o->end, "") : o->end;
}

void qn__ll_outputs_end(qn_ll *g) {
  qn__ll_intrinsic(g, "llvm.x86.sse.sfence", 0, NULL, 0, NULL);
}

/* ---- the loops ---- */

/* Whole vectors and the rest alike under a mask, or one by one. */
static void piece_by_piece(qn_ll_outputs *o, LLVMValueRef from, LLVMValueRef to) {
  qn_ll *g = o->g;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, from, to, g->masked ? g->lanes : 1, 0, NULL);
  if (g->masked)
    one(o, f.i, g->lanes, qn__ll_mask(g, qn__ll_min(g, qn__ll_sub(g, to, f.i), qn__ll_i64(g, g->lanes))));
  else
    one(o, f.i, 1, NULL);
  qn__ll_for_end(g, &f, NULL);
}

static int64_t step_of(const group *p) {
  return (int64_t)p->count * p->o->g->lanes;
}

/* Up to where groups go: nowhere when multipliers or divisors are not as packs want them. */
static LLVMValueRef groups_end(group *p) {
  qn_ll *g = p->o->g;
  LLVMValueRef last = qn__ll_sub(g, p->o->end, qn__ll_i64(g, step_of(p) - 1));
  LLVMValueRef good;
  if (p->divides) {
    good = qn__ll_codes_begin(p->o->region, &p->codes);
    p->narrow = p->codes.narrow;
  } else if (p->packs && p->narrow.scaled) {
    LLVMValueRef m = qn__ll_region_get(p->o->region, p->narrow.multiplier, 1);
    good = qn__ll_narrow_check(g, 1, &m);
  } else {
    return last;
  }
  return LLVMBuildSelect(g->b, good, last, qn__ll_i64(g, INT64_MIN), "");
}

static LLVMValueRef groups(group *p, LLVMValueRef start) {
  qn_ll *g = p->o->g;
  int64_t step = step_of(p);
  LLVMValueRef next = start;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, start, groups_end(p), step, 1, &next);
  several(p, f.i);
  next = qn__ll_add(g, f.i, qn__ll_i64(g, step));
  qn__ll_for_end(g, &f, &next);
  return next;
}

/* Memory serves several places at once better than one: a long loop that goes past the caches is cut into parts, and
 * goes through all of them together, so many elements of each in turn. What is left over, or all of what is short, is
 * one part of the same loop. */
enum { LEAST_PART = 16384, TURN = 256 }; /* elements; bytes written */

/* Elements of a turn. Parts are whole turns, so they begin as aligned as the first. */
static int64_t turn_of(const group *p) {
  uint32_t widest = 1;
  for (uint32_t i = 0; i < p->o->num_outputs; i++) {
    uint32_t bytes = qn__ll_mem_bits(p->o->places[i].mem) / 8;
    if (goes_past(p->o, i) && bytes > widest) widest = bytes;
  }
  int64_t turn = TURN / widest;
  return turn > step_of(p) ? turn : step_of(p);
}

static LLVMValueRef in_parts(group *p, LLVMValueRef start) {
  qn_ll *g = p->o->g;
  const int64_t at_once = turn_of(p);
  LLVMValueRef zero = qn__ll_i64(g, 0), last = groups_end(p), step = qn__ll_i64(g, step_of(p));
  LLVMValueRef some = LLVMBuildICmp(g->b, LLVMIntSGT, last, start, "");
  LLVMValueRef whole = qn__ll_sub(g, p->o->end, start);
  whole = qn__ll_mul(g, LLVMBuildUDiv(g->b, whole, step, ""), step);
  whole = LLVMBuildSelect(g->b, some, whole, zero, "");
  LLVMValueRef part = LLVMBuildUDiv(g->b, whole, qn__ll_i64(g, QN_LL_PARTS * at_once), "");
  part = qn__ll_mul(g, part, qn__ll_i64(g, at_once));
  part = LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, LLVMIntSGE, part, qn__ll_i64(g, LEAST_PART), ""), part, zero, "");
  LLVMValueRef in_all = qn__ll_mul(g, part, qn__ll_i64(g, QN_LL_PARTS));
  qn_ll_for turn, along, each, in;
  qn__ll_do_begin(g, &turn, zero, qn__ll_i64(g, 2), 1, 0, NULL);
  LLVMValueRef first = LLVMBuildICmp(g->b, LLVMIntEQ, turn.i, zero, "");
  LLVMValueRef from = LLVMBuildSelect(g->b, first, start, qn__ll_add(g, start, in_all), "");
  LLVMValueRef length = LLVMBuildSelect(g->b, first, part, qn__ll_sub(g, whole, in_all), "");
  LLVMValueRef parts = LLVMBuildSelect(g->b, first, qn__ll_i64(g, QN_LL_PARTS), qn__ll_i64(g, 1), "");
  qn__ll_for_begin(g, &along, zero, length, at_once, 0, NULL);
  LLVMValueRef here = qn__ll_add(g, from, along.i);
  LLVMValueRef many = qn__ll_min(g, qn__ll_sub(g, length, along.i), qn__ll_i64(g, at_once));
  qn__ll_do_begin(g, &each, zero, parts, 1, 0, NULL);
  LLVMValueRef at = qn__ll_add(g, here, qn__ll_mul(g, each.i, part));
  qn__ll_do_begin(g, &in, zero, many, step_of(p), 0, NULL);
  LLVMValueRef index = qn__ll_add(g, at, in.i);
  if (p->count > 1)
    several(p, index);
  else
    one(p->o, index, g->lanes, NULL);
  qn__ll_for_end(g, &in, NULL);
  qn__ll_for_end(g, &each, NULL);
  qn__ll_for_end(g, &along, NULL);
  qn__ll_for_end(g, &turn, NULL);
  return qn__ll_add(g, start, whole);
}

void qn__ll_outputs_span(qn_ll_outputs *o) {
  qn_ll *g = o->g;
  group p = {.o = o, .count = count_of(o)};
  p.packs = find_packs(&p);
  if (p.packs) p.count = p.count == 1 ? 2 : 4;
  p.text = has_text(&p);
  if (p.text) p.count = 2;
  if (p.count > 1 && !make_regions(&p)) {
    g->failed = g->out_of_memory = true;
    return;
  }
  LLVMValueRef start = o->start;
  if (p.text && o->in_parts && !o->past_caches)
    p.far = LLVMBuildICmp(g->b, LLVMIntSGT, qn__ll_sub(g, o->end, start), qn__ll_i64(g, FAR / 4), "");
  if (o->past_caches) {
    start = first_aligned(&p);
    piece_by_piece(o, o->start, start);
  }
  g->past_caches = o->past_caches;
  LLVMValueRef next;
  if (o->past_caches && o->in_parts && g->lanes > 1)
    next = in_parts(&p, start);
  else
    next = p.count > 1 ? groups(&p, start) : qn__ll_span_vectors(g, start, o->end, one, o, 0, NULL);
  g->past_caches = false;
  if (p.count > 1)
    piece_by_piece(o, next, o->end);
  else
    qn__ll_span_rest(g, next, o->end, one, o);
}
