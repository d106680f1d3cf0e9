/* ROW: one program per row, as passes over it. A pass computes what the reductions that end in it need; values between
 * passes are computed again from the inputs, or kept in an output (keep.c), so a row needs no memory of its own. Every
 * reduction has 32 partial results, element i in partial i mod 32, folded by halves at the end: the same at every
 * vector width. In the vector loop they are in registers, turned by one place each time around, so that the first is
 * always the next. Where a mask covers the rest of the row, it is added to that first one; elsewhere the partials go to
 * memory and the rest is added there one by one. */
#include "row.h"
#include "outputs.h"
#include <string.h>

static LLVMValueRef slot_at(qn_ll *g, LLVMTypeRef elem, LLVMValueRef slots, LLVMValueRef index) {
  LLVMValueRef at = LLVMBuildAnd(g->b, index, qn__ll_i64(g, PARTIALS - 1), "");
  return LLVMBuildGEP2(g->b, elem, slots, &at, 1, "");
}

static LLVMTypeRef type_of(const row_state *s, uint32_t i) {
  return qn__ll_reg_type(s->n->g, (qn_treg)s->n->region.tape->insts[i].type);
}

static const struct {
  uint64_t start[7]; /* per type of register: bits that change nothing when combined */
} identities[QN_T_COUNT] = {
    [QN_T_ALL_FMAX] = {{[QN_TF32] = 0xFF800000u, [QN_TF64] = 0xFFF0000000000000u}},
    [QN_T_ALL_FMIN] = {{[QN_TF32] = 0x7F800000u, [QN_TF64] = 0x7FF0000000000000u}},
    [QN_T_ALL_SMAX] =
        {{[QN_TI1] = 1, [QN_TI8] = 0x80, [QN_TI16] = 0x8000, [QN_TI32] = 0x80000000u, [QN_TI64] = 0x8000000000000000u}},
    [QN_T_ALL_SMIN] = {{[QN_TI8] = 0x7F, [QN_TI16] = 0x7FFF, [QN_TI32] = 0x7FFFFFFF, [QN_TI64] = 0x7FFFFFFFFFFFFFFFu}},
};

static LLVMValueRef identity(qn_ll *g, const qn_tinst *inst, uint32_t lanes) {
  LLVMTypeRef type = qn__ll_lanes(qn__ll_reg_type(g, (qn_treg)inst->type), lanes);
  return qn__ll_bits(g, type, identities[inst->op].start[inst->type]);
}

static LLVMValueRef combine(qn_ll *g, const qn_tinst *inst, LLVMValueRef a, LLVMValueRef b, uint32_t lanes) {
  static const uint8_t binary[QN_T_COUNT] = {
      [QN_T_ALL_FMAX] = QN_T_FMAX, [QN_T_ALL_FMIN] = QN_T_FMIN, [QN_T_ALL_FSUM] = QN_T_FADD,
      [QN_T_ALL_SMAX] = QN_T_SMAX, [QN_T_ALL_SMIN] = QN_T_SMIN, [QN_T_ALL_ISUM] = QN_T_IADD};
  switch (binary[inst->op]) {
  case QN_T_FADD: return LLVMBuildFAdd(g->b, a, b, "");
  case QN_T_IADD: return LLVMBuildAdd(g->b, a, b, "");
  case QN_T_FMAX:
  case QN_T_FMIN: return qn__ll_fmax(g, a, b, inst->type == QN_TF64, lanes, binary[inst->op] == QN_T_FMIN);
  default: {
    LLVMIntPredicate pred = binary[inst->op] == QN_T_SMAX ? LLVMIntSGT : LLVMIntSLT;
    return LLVMBuildSelect(g->b, LLVMBuildICmp(g->b, pred, a, b, ""), a, b, "");
  }
  }
}

bool qn__ll_row_ends_in(const row_state *s, uint32_t i) {
  const qn_ll_region *r = &s->n->region;
  return r->needed[i] && qn__ll_is_reduction(r->tape->insts[i].op) && r->ready[i] == s->pass + 1;
}

bool qn__ll_row_last_pass(const row_state *s) {
  return s->pass + 1 == s->n->region.num_passes;
}

bool qn__ll_row_reduced(const qn_ll_nest *n, uint32_t output) {
  return n->plan->reduced && n->plan->reduced[output];
}

/* x into its partials in memory. */
static void accumulate(row_state *s, uint32_t i, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  qn_ll *g = s->n->g;
  const qn_tinst *inst = &s->n->region.tape->insts[i];
  LLVMValueRef x = qn__ll_region_get(&s->n->region, inst->a, lanes);
  if (mask) x = LLVMBuildSelect(g->b, mask, x, identity(g, inst, lanes), "");
  LLVMValueRef slot = slot_at(g, type_of(s, i), s->slots[i], index);
  LLVMValueRef old = qn__ll_load_vec(g, qn__ll_lanes(type_of(s, i), lanes), slot, 1);
  qn__ll_store_vec(g, combine(g, inst, old, x, lanes), slot, 1);
}

/* AVX-512 has an instruction for the larger and the smaller that orders zeros, but drops NaN: which lanes met one is a
 * mask of its own, behind the partials. */
static bool has_range(const row_state *s, uint32_t i) {
  const qn_tinst *inst = &s->n->region.tape->insts[i];
  const qn_ll *g = s->n->g;
  return g->x86 && g->isa->vector_bits >= 512 && g->lanes == 16 && inst->type == QN_TF32 &&
         (inst->op == QN_T_ALL_FMAX || inst->op == QN_T_ALL_FMIN);
}

/* Reductions with has_range alone: whether NaN has to be looked for. */
static bool may_be_nan(const row_state *s, uint32_t i) {
  const qn_tape *t = s->n->region.tape;
  return has_range(s, i) && !s->nan_shows[i] && (!t->ranges || t->ranges[t->insts[i].a].nan);
}

static uint32_t num_registers(const row_state *s, uint32_t i) {
  return PARTIALS / s->n->g->lanes + (may_be_nan(s, i) ? 1 : 0);
}

/* Of 16, 8 or 4 lanes. */
static LLVMValueRef range(qn_ll *g, const qn_tinst *inst, LLVMValueRef a, LLVMValueRef b) {
  LLVMTypeRef type = LLVMTypeOf(a);
  uint32_t lanes = LLVMGetVectorSize(type);
  const char *name = lanes == 16  ? "llvm.x86.avx512.mask.range.ps.512"
                     : lanes == 8 ? "llvm.x86.avx512.mask.range.ps.256"
                                  : "llvm.x86.avx512.mask.range.ps.128";
  LLVMValueRef all = LLVMConstAllOnes(LLVMIntTypeInContext(g->ctx, lanes == 16 ? 16 : 8));
  LLVMValueRef args[6] = {
      a, b, qn__ll_i32(g, inst->op == QN_T_ALL_FMAX ? 5 : 4), LLVMConstNull(type), all, qn__ll_i32(g, 4)};
  return qn__ll_target_intrinsic(g, name, type, lanes == 16 ? 6 : 5, args);
}

/* x into the first of its registers, which goes to the end of the queue. */
static void accumulate_register(row_state *s, uint32_t i, LLVMValueRef *queue, LLVMValueRef mask) {
  qn_ll *g = s->n->g;
  const qn_tinst *inst = &s->n->region.tape->insts[i];
  uint32_t count = PARTIALS / g->lanes;
  LLVMValueRef x = qn__ll_region_get(&s->n->region, inst->a, g->lanes), sum;
  if (mask) x = LLVMBuildSelect(g->b, mask, x, identity(g, inst, g->lanes), "");
  if (has_range(s, i)) {
    sum = range(g, inst, queue[0], x);
    if (may_be_nan(s, i))
      queue[count] = LLVMBuildOr(g->b, queue[count], LLVMBuildFCmp(g->b, LLVMRealUNO, x, x, ""), "");
  } else {
    sum = combine(g, inst, queue[0], x, g->lanes);
  }
  for (uint32_t q = 0; q + 1 < count; q++) queue[q] = queue[q + 1];
  queue[count - 1] = sum;
}

/* One row's vector; in registers, its partials start at `queue`, and how many they are comes back. */
uint32_t qn__ll_row_step(row_state *s, LLVMValueRef *queue, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  qn_ll_nest *n = s->n;
  uint32_t q = 0;
  qn__ll_region_load(&n->region, QN_LL_BY_LANE, n->places, index, lanes, mask);
  qn__ll_region_emit(&n->region, QN_LL_BY_LANE, 0, s->pass, lanes);
  qn__ll_row_kept_store(s, index, lanes, mask);
  for (uint32_t i = 0; i < n->region.tape->num_insts; i++) {
    if (!qn__ll_row_ends_in(s, i)) continue;
    if (queue)
      accumulate_register(s, i, &queue[q], mask);
    else
      accumulate(s, i, index, lanes, mask);
    q += num_registers(s, i);
  }
  if (queue && qn__ll_share_here(s)) queue[q] = qn__ll_share_step(s, queue[q], mask), q++;
  return q;
}

static void fetch_ahead(row_state *s, LLVMValueRef index, uint32_t vectors) {
  for (row_state *r = s; r; r = r->other) qn__ll_row_ahead(r, index, vectors);
}

static void step(void *user, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  row_state *s = user;
  uint32_t q = 0;
  if (lanes > 1 && !mask && !s->fetched) fetch_ahead(s, index, 1);
  for (row_state *r = s; r; r = r->other)
    q += qn__ll_row_step(r, s->in_registers ? &s->queue[q] : NULL, index, lanes, mask);
}

/* All partials of the reductions of this pass at their starting value, in memory. */
static void start_partials(row_state *s) {
  qn_ll *g = s->n->g;
  for (uint32_t i = 0; i < s->n->region.tape->num_insts; i++) {
    if (!qn__ll_row_ends_in(s, i)) continue;
    s->slots[i] = qn__ll_slot(g, type_of(s, i), PARTIALS);
    LLVMValueRef start = identity(g, &s->n->region.tape->insts[i], g->lanes);
    for (uint32_t p = 0; p < PARTIALS; p += g->lanes)
      qn__ll_store_vec(g, start, slot_at(g, type_of(s, i), s->slots[i], qn__ll_i64(g, p)), 1);
  }
}

/* How many registers the partials of this pass take, for each row. */
static uint32_t all_registers(const row_state *s) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < s->n->region.tape->num_insts; i++)
    if (qn__ll_row_ends_in(s, i)) n += num_registers(s, i);
  return n + qn__ll_share_here(s);
}

/* Passes with so little to do that counting and fetching ahead take as long. */
static bool is_short(const row_state *s) {
  const qn_ll_region *r = &s->n->region;
  enum { SHORT = 8 };
  uint32_t work = 0;
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    uint8_t op = r->tape->insts[i].op;
    bool here = (r->vary[i] & QN_LL_BY_LANE) ? r->ready[i] <= s->pass : qn__ll_row_ends_in(s, i);
    work += here && r->needed[i] && op != QN_T_INPUT && op != QN_T_CONST && op != QN_T_BITCAST;
  }
  return s->n->g->masked && work <= SHORT;
}

bool qn__ll_row_pairs(const qn_ll_nest *n) {
  qn_ll_nest probe = *n;
  row_state s = {.n = &probe};
  uint32_t sums = 0;
  if (!n->g->masked || n->plan->num_loops < 2 || n->region.num_passes < 3) return false;
  for (uint32_t i = 0; i < n->region.tape->num_insts; i++) sums += n->region.tape->insts[i].op == QN_T_ALL_FSUM;
  if (!sums || !qn__ll_row_find_nans(&s) || !qn__ll_row_keep(&s, QN_LL_ROOM_BUT_FOR_BYTES) || !is_short(&s))
    return false;
  qn__ll_share_find(&s);
  for (; s.pass + 1 < n->region.num_passes; s.pass++)
    if (2 * all_registers(&s) + 1 > QN_LL_MAX_CARRIED) return false;
  return true;
}

/* As many vectors at once as there are partials: none has to be turned. */
static LLVMValueRef by_rounds(row_state *s, uint32_t carried) {
  qn_ll *g = s->n->g;
  LLVMValueRef all[QN_LL_MAX_CARRIED], last = qn__ll_sub(g, s->n->end, qn__ll_i64(g, PARTIALS - 1));
  qn_ll_for f;
  all[0] = s->n->start;
  memcpy(all + 1, s->queue, carried * sizeof *all);
  qn__ll_for_begin(g, &f, s->n->start, last, PARTIALS, 1 + carried, all);
  memcpy(s->queue, all + 1, carried * sizeof *all);
  fetch_ahead(s, f.i, PARTIALS / g->lanes);
  s->fetched = true;
  for (uint32_t v = 0; v < PARTIALS; v += g->lanes) step(s, qn__ll_add(g, f.i, qn__ll_i64(g, v)), g->lanes, NULL);
  s->fetched = false;
  all[0] = qn__ll_add(g, f.i, qn__ll_i64(g, PARTIALS));
  memcpy(all + 1, s->queue, carried * sizeof *all);
  qn__ll_for_end(g, &f, all);
  memcpy(s->queue, all + 1, carried * sizeof *all);
  return all[0];
}

/* Partials of this pass at their starting values, for each row; how many. */
uint32_t qn__ll_row_start(const row_state *s, LLVMValueRef *queue) {
  qn_ll *g = s->n->g;
  uint32_t count = 0;
  for (const row_state *r = s; r; r = r->other) {
    for (uint32_t i = 0; i < s->n->region.tape->num_insts; i++) {
      if (!qn__ll_row_ends_in(s, i)) continue;
      for (uint32_t p = 0; p < PARTIALS / g->lanes; p++)
        queue[count++] = identity(g, &s->n->region.tape->insts[i], g->lanes);
      if (may_be_nan(s, i)) queue[count++] = LLVMConstNull(qn__ll_lanes(g->i1, g->lanes));
    }
    if (qn__ll_share_here(s)) queue[count++] = qn__ll_share_start(s);
  }
  return count;
}

/* The vector part of a pass with partials in registers, and in them when it is over; where it stopped. */
static LLVMValueRef vectors_in_registers(row_state *s) {
  qn_ll *g = s->n->g;
  uint32_t carried = qn__ll_row_start(s, s->queue);
  s->in_registers = true;
  LLVMValueRef next =
      is_short(s) ? by_rounds(s, carried) : qn__ll_span_vectors(g, s->n->start, s->n->end, step, s, carried, s->queue);
  s->in_registers = false;
  return next;
}

/* The same, with the partials in memory in the end. */
static LLVMValueRef vectors(row_state *s) {
  qn_ll *g = s->n->g;
  if (all_registers(s) + 1 > QN_LL_MAX_CARRIED) {
    start_partials(s);
    return qn__ll_span_vectors(g, s->n->start, s->n->end, step, s, 0, NULL);
  }
  LLVMValueRef next = vectors_in_registers(s);
  for (uint32_t i = 0, q = 0; i < s->n->region.tape->num_insts; i++) {
    if (!qn__ll_row_ends_in(s, i)) continue;
    s->slots[i] = qn__ll_slot(g, type_of(s, i), PARTIALS);
    if (may_be_nan(s, i)) {
      LLVMValueRef nan = qn__ll_bits(g, LLVMTypeOf(s->queue[q]), 0x7FC00000u);
      s->queue[q] = LLVMBuildSelect(g->b, s->queue[q + PARTIALS / g->lanes], nan, s->queue[q], "");
    }
    for (uint32_t p = 0; p < PARTIALS / g->lanes; p++) {
      LLVMValueRef index = qn__ll_add(g, next, qn__ll_i64(g, (int64_t)p * g->lanes));
      qn__ll_store_vec(g, s->queue[q + p], slot_at(g, type_of(s, i), s->slots[i], index), 1);
    }
    q += num_registers(s, i);
  }
  return next;
}

/* The rest of the row under masks, into the first register of each reduction, which is the next. */
static void rest_in_registers(row_state *s, LLVMValueRef next) {
  qn_ll *g = s->n->g;
  qn_ll_for f;
  qn__ll_for_begin(g, &f, next, s->n->end, g->lanes, all_registers(s) * (s->other ? 2 : 1), s->queue);
  s->in_registers = true;
  step(s, f.i, g->lanes, qn__ll_mask(g, qn__ll_min(g, qn__ll_sub(g, s->n->end, f.i), qn__ll_i64(g, g->lanes))));
  s->in_registers = false;
  qn__ll_for_end(g, &f, s->queue);
}

static LLVMValueRef half(qn_ll *g, LLVMValueRef v, uint32_t first, uint32_t count) {
  LLVMValueRef picks[PARTIALS];
  for (uint32_t i = 0; i < count; i++) picks[i] = qn__ll_i32(g, first + i);
  return LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(picks, count), "");
}

static LLVMValueRef fold_partials(row_state *s, uint32_t i) {
  qn_ll *g = s->n->g;
  const qn_tinst *inst = &s->n->region.tape->insts[i];
  LLVMTypeRef elem = qn__ll_reg_type(g, (qn_treg)inst->type);
  LLVMValueRef v = qn__ll_load_vec(g, LLVMVectorType(elem, PARTIALS), s->slots[i], 1);
  for (uint32_t count = PARTIALS / 2; count > 1; count /= 2)
    v = combine(g, inst, half(g, v, 0, count), half(g, v, count, count), count);
  return combine(g, inst, LLVMBuildExtractElement(g->b, v, qn__ll_i32(g, 0), ""),
                 LLVMBuildExtractElement(g->b, v, qn__ll_i32(g, 1), ""), 1);
}

/* The larger or smaller of 16 by instructions that drop NaN, then NaN if there was one. */
static LLVMValueRef fold_range(qn_ll *g, const qn_tinst *inst, LLVMValueRef v, LLVMValueRef nans) {
  for (uint32_t count = 8; count >= 4; count /= 2) v = range(g, inst, half(g, v, 0, count), half(g, v, count, count));
  static const uint32_t picks[2][4] = {{2, 3, 2, 3}, {1, 1, 1, 1}};
  for (uint32_t k = 0; k < 2; k++) {
    LLVMValueRef lanes[4];
    for (uint32_t i = 0; i < 4; i++) lanes[i] = qn__ll_i32(g, picks[k][i]);
    v = range(g, inst, v, LLVMBuildShuffleVector(g->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(lanes, 4), ""));
  }
  if (!nans) return LLVMBuildExtractElement(g->b, v, qn__ll_i32(g, 0), "");
  LLVMTypeRef bits = LLVMIntTypeInContext(g->ctx, 16);
  LLVMValueRef any = LLVMBuildICmp(g->b, LLVMIntNE, LLVMBuildBitCast(g->b, nans, bits, ""), LLVMConstNull(bits), "");
  return LLVMBuildSelect(g->b, any, qn__ll_bits(g, g->f32, 0x7FC00000u),
                         LLVMBuildExtractElement(g->b, v, qn__ll_i32(g, 0), ""), "");
}

/* By halves: registers first. In whichever order they stand, each meets the one that is half a round away. */
static LLVMValueRef fold_registers(row_state *s, uint32_t i, LLVMValueRef *queue) {
  qn_ll *g = s->n->g;
  const qn_tinst *inst = &s->n->region.tape->insts[i];
  uint32_t count = PARTIALS / g->lanes;
  LLVMValueRef nans = may_be_nan(s, i) ? queue[count] : NULL;
  for (; count > 1; count /= 2)
    for (uint32_t p = 0; p < count / 2; p++)
      queue[p] = has_range(s, i) ? range(g, inst, queue[p], queue[p + count / 2])
                                 : combine(g, inst, queue[p], queue[p + count / 2], g->lanes);
  if (has_range(s, i)) return fold_range(g, inst, queue[0], nans);
  LLVMValueRef v = queue[0];
  for (uint32_t n = g->lanes / 2; n > 1; n /= 2) v = combine(g, inst, half(g, v, 0, n), half(g, v, n, n), n);
  return combine(g, inst, LLVMBuildExtractElement(g->b, v, qn__ll_i32(g, 0), ""),
                 LLVMBuildExtractElement(g->b, v, qn__ll_i32(g, 1), ""), 1);
}

static bool pass_has_work(const row_state *s) {
  for (uint32_t i = 0; i < s->n->region.tape->num_insts; i++)
    if (qn__ll_row_ends_in(s, i)) return true;
  for (uint32_t i = 0; i < s->n->plan->num_outputs; i++)
    if (qn__ll_row_last_pass(s) && !qn__ll_row_reduced(s->n, i)) return true;
  return false;
}

static void load(void *user, qn_ll_region *r, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask) {
  row_state *s = user;
  qn__ll_region_load(r, QN_LL_BY_LANE, s->n->places, index, lanes, mask);
  qn__ll_row_kept_load(s, r, index, lanes, mask);
}

static void ahead(void *user, LLVMValueRef index, uint32_t vectors) {
  qn__ll_row_ahead(user, index, vectors);
}

/* In which no reduction ends. */
static void last_pass(row_state *s) {
  qn_ll_outputs o = qn__ll_nest_outputs(s->n);
  o.user = s, o.load = load, o.ahead = ahead, o.pass = (uint8_t)s->pass;
  qn__ll_row_ahead_begin(s);
  qn__ll_outputs_span(&o);
}

/* What the reductions of this pass have come to, and what follows from it for rows as a whole. */
void qn__ll_row_finish(row_state *s, bool registers) {
  qn_ll_nest *n = s->n;
  uint32_t q = 0;
  for (row_state *r = s; r; r = r->other) {
    for (uint32_t i = 0; i < n->region.tape->num_insts; i++) {
      if (!qn__ll_row_ends_in(r, i)) continue;
      r->n->region.v[i] = registers ? fold_registers(r, i, &s->queue[q]) : fold_partials(r, i);
      q += num_registers(r, i);
    }
    qn__ll_region_emit(&r->n->region, 0, s->pass + 1, s->pass + 1, 1);
    if (qn__ll_share_here(r)) qn__ll_share_end(r, s->queue[q++]);
  }
}

static void one_pass(row_state *s) {
  qn_ll_nest *n = s->n;
  bool registers = n->g->masked && all_registers(s) + 1 <= QN_LL_MAX_CARRIED;
  for (row_state *r = s; r; r = r->other) qn__ll_row_ahead_begin(r);
  LLVMValueRef next = registers ? vectors_in_registers(s) : vectors(s);
  if (registers)
    rest_in_registers(s, next);
  else
    qn__ll_span_rest(n->g, next, n->end, step, s);
  qn__ll_row_finish(s, registers);
}

static void store_reduced(qn_ll_nest *n) {
  for (uint32_t i = 0; i < n->plan->num_outputs; i++) {
    if (!qn__ll_row_reduced(n, i)) continue;
    qn_ll_place place = n->places[n->plan->num_inputs + i];
    place.access = QN_ACCESS_NONE;
    qn__ll_region_store(&n->region, i, &place, n->start, 1, NULL);
  }
}

static void write_row(row_state *s) {
  if (pass_has_work(s)) last_pass(s);
  store_reduced(s->n);
}

static LLVMValueRef either(qn_ll *g, LLVMValueRef first, LLVMValueRef a, LLVMValueRef b) {
  return a && b && a != b ? LLVMBuildSelect(g->b, first, a, b, "") : a;
}

/* What is known of each row as a whole, and its memory, in `both`. */
static void choose_row(qn_ll_nest *both, LLVMValueRef first, const qn_ll_nest *a, const qn_ll_nest *b) {
  qn_ll *g = both->g;
  for (uint32_t i = 0; i < a->region.tape->num_insts; i++) {
    if (a->region.vary[i] & QN_LL_BY_LANE) continue;
    both->region.v[i] = either(g, first, a->region.v[i], b->region.v[i]);
  }
  for (uint32_t i = 0; i < a->region.tape->num_insts; i++) {
    const qn_ll_divisor *x = &a->region.divisors[i], *y = &b->region.divisors[i];
    both->region.divisors[i] =
        (qn_ll_divisor){either(g, first, x->inverse, y->inverse), either(g, first, x->minus, y->minus),
                        either(g, first, x->rest, y->rest), either(g, first, x->usual, y->usual), x->checked};
  }
  for (uint32_t o = 0; o < a->num_operands; o++)
    both->places[o].base = either(g, first, a->places[o].base, b->places[o].base);
}

/* Two rows one after the other, by the same code; the second only where there is one, as its memory may be that of an
 * input. */
typedef struct in_turn {
  qn_ll_nest both;
  row_state s; /* of the row whose turn it is */
  qn_ll_for f;
  LLVMValueRef first; /* it is that of the first */
} in_turn;

static bool turns_begin(in_turn *t, const row_state *s, uint32_t num_carried, LLVMValueRef *carried) {
  qn_ll *g = s->n->g;
  const qn_ll_nest *second = s->other->n;
  t->both = *s->n;
  t->s = *s;
  t->s.n = &t->both, t->s.other = NULL;
  t->both.places = qn__arena_copy(g->arena, s->n->places, s->n->num_operands * sizeof *s->n->places);
  t->both.region.v = qn__ll_values(g, s->n->region.tape->num_insts);
  t->both.region.divisors = qn__arena_array(g->arena, s->n->region.tape->num_insts, sizeof *t->both.region.divisors);
  if (!t->both.places || !t->both.region.v || !t->both.region.divisors) {
    g->failed = g->out_of_memory = true;
    return false;
  }
  LLVMValueRef rows = LLVMBuildSelect(g->b, s->n->has_second, qn__ll_i64(g, 2), qn__ll_i64(g, 1), "");
  qn__ll_do_begin(g, &t->f, qn__ll_i64(g, 0), rows, 1, num_carried, carried);
  t->first = LLVMBuildICmp(g->b, LLVMIntEQ, t->f.i, qn__ll_i64(g, 0), "");
  choose_row(&t->both, t->first, s->n, second);
  t->s.room = either(g, t->first, s->room, s->other->room);
  return true;
}

/* A pass with much to do, which gains nothing from a second row beside it, but that what its sums wait for is done for
 * both. */
static void pass_in_turn(row_state *s) {
  qn_ll *g = s->n->g;
  uint32_t count = all_registers(s);
  LLVMValueRef sums[QN_LL_MAX_CARRIED];
  in_turn t;
  qn__ll_row_start(s, sums);
  if (!turns_begin(&t, s, 2 * count, sums)) return;
  qn__ll_row_ahead_begin(&t.s);
  rest_in_registers(&t.s, vectors_in_registers(&t.s));
  for (uint32_t q = 0; q < count; q++) {
    sums[q] = LLVMBuildSelect(g->b, t.first, t.s.queue[q], sums[q], "");
    sums[count + q] = t.s.queue[q];
  }
  qn__ll_for_end(g, &t.f, sums);
  memcpy(s->queue, sums, 2 * count * sizeof *sums);
  qn__ll_row_finish(s, true);
}

static void write_rows(row_state *s) {
  in_turn t;
  if (!turns_begin(&t, s, 0, NULL)) return;
  write_row(&t.s);
  qn__ll_for_end(s->n->g, &t.f, NULL);
}

void qn__ll_row_begin(qn_ll_nest *n) {
  qn__ll_region_load(&n->region, 0, n->places, n->start, 1, NULL);
  qn__ll_region_emit(&n->region, 0, 0, 0, 1);
}

/* What is kept from pass to pass has a room of its own when `in_room`. */
static void row(qn_ll_nest *n, bool in_room) {
  qn_ll *g = n->g;
  qn_ll_nest second = *n;
  row_state s = {.n = n, .slots = qn__ll_values(g, n->region.tape->num_insts)}, other = {.n = &second};
  second.region.v = qn__ll_values(g, n->region.tape->num_insts);
  second.region.divisors = qn__arena_array(g->arena, n->region.tape->num_insts, sizeof *second.region.divisors);
  if (!s.slots || !second.region.v || !second.region.divisors || !qn__ll_row_find_nans(&s) ||
      !qn__ll_row_keep(&s, in_room ? QN_LL_ROOM_BUT_FOR_BYTES : QN_LL_NO_ROOM)) {
    g->failed = g->out_of_memory = true;
    return;
  }
  memset(n->region.divisors, 0, n->region.tape->num_insts * sizeof *n->region.divisors);
  qn__ll_share_find(&s);
  qn__ll_row_begin(n);
  if (n->pairs) {
    other = s, other.n = &second, s.other = &other;
    second.places = n->second;
    qn__ll_row_begin(&second);
    qn__ll_row_room(&s), qn__ll_row_room(&other);
  }
  for (; !qn__ll_row_last_pass(&s); other.pass = ++s.pass) {
    if (!pass_has_work(&s)) continue;
    if (s.other && !is_short(&s))
      pass_in_turn(&s);
    else
      one_pass(&s);
  }
  bool *needed = n->region.needed;
  if (s.keeps) n->region.needed = s.last_needs;
  if (s.other)
    write_rows(&s);
  else
    write_row(&s);
  n->region.needed = needed;
}

static void inner(qn_ll_nest *n) {
  qn_ll *g = n->g;
  row_state s = {.n = n};
  if (n->staged) {
    qn__ll_row_stages(n);
  } else if (!qn__ll_row_keep(&s, QN_LL_ROOM_BUT_FOR_BYTES)) {
    g->failed = g->out_of_memory = true;
  } else if (!s.keeps || !s.own_room) {
    row(n, false);
  } else { /* rows that are too long for the room do without */
    LLVMValueRef fits = LLVMBuildICmp(g->b, LLVMIntSLE, n->end, qn__ll_i64(g, QN_LL_ROOM), "");
    qn_ll_if with, without;
    qn__ll_if_begin(g, &with, fits);
    row(n, true);
    qn__ll_if_end(g, &with);
    qn__ll_if_begin(g, &without, LLVMBuildNot(g->b, fits, ""));
    row(n, false);
    qn__ll_if_end(g, &without);
  }
}

qn_status qn__ll_row(qn_ll *g, const qn_body *body) {
  return qn__ll_nest(g, body, inner);
}
