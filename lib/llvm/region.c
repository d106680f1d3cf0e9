/* The tape emitter: which registers change along which axis, in which pass over a row they are known, and then one
 * emitter per opcode (region_int.c, region_float.c) for a scalar or a vector of lanes. */
#include "ll.h"

static const qn_ll_emit_fn emitters[QN_T_COUNT] = {
#define QN_TAPE(symbol, name, args, doc) [QN_T_##symbol] = qn__ll_emit_##symbol,
#include "tape.def"
#undef QN_TAPE
};

static const uint8_t arg_counts[QN_T_COUNT] = {
#define QN_TAPE(symbol, name, args, doc) [QN_T_##symbol] = args,
#include "tape.def"
#undef QN_TAPE
};

uint32_t qn__ll_args(const qn_tinst *inst, uint32_t args[3]) {
  args[0] = inst->a;
  args[1] = inst->b;
  args[2] = inst->c;
  return arg_counts[inst->op] < 3 ? arg_counts[inst->op] : 3;
}

bool qn__ll_is_reduction(uint8_t op) {
  return op >= QN_T_ALL_FMAX && op <= QN_T_ALL_ISUM;
}

static void mark_needed(qn_ll_region *r) {
  const qn_tape *t = r->tape;
  for (uint32_t i = 0; i < t->num_outputs; i++) r->needed[t->outputs[i]] = true;
  for (uint32_t i = t->num_insts; i-- > 0;) {
    const qn_tinst *inst = &t->insts[i];
    if (!r->needed[i]) continue;
    uint32_t args[3] = {0}, n = qn__ll_args(inst, args);
    for (uint32_t k = 0; k < n; k++) r->needed[args[k]] = true;
  }
}

bool qn__ll_region_need_outputs(qn_ll_region *regions, uint32_t count) {
  regions[0].needed = qn__arena_array(regions[0].g->arena, regions[0].tape->num_insts, sizeof(bool));
  if (!regions[0].needed) return false;
  mark_needed(&regions[0]);
  for (uint32_t k = 1; k < count; k++) regions[k].needed = regions[0].needed;
  return true;
}

bool qn__ll_region_init(qn_ll_region *r, qn_ll *g, const qn_tape *tape, const uint8_t *input_vary) {
  tape = qn__ll_without_quotients(g, qn__ll_with_halves(g, tape));
  uint32_t n = tape->num_insts;
  *r = (qn_ll_region){.g = g, .tape = tape, .num_passes = 1};
  r->vary = qn__arena_array(g->arena, n, 1);
  r->ready = qn__arena_array(g->arena, n, 1);
  r->needed = qn__arena_array(g->arena, n, sizeof(bool));
  r->v = qn__ll_values(g, n);
  r->divisors = qn__arena_array(g->arena, n, sizeof *r->divisors);
  if (!r->divisors || !r->vary || !r->ready || !r->needed || !r->v) {
    g->failed = g->out_of_memory = true;
    return false;
  }
  for (uint32_t i = 0; i < n; i++) {
    const qn_tinst *inst = &tape->insts[i];
    if (inst->op == QN_T_INPUT) {
      r->vary[i] = input_vary[inst->a];
      continue;
    }
    uint32_t args[3] = {0}, num_args = qn__ll_args(inst, args);
    for (uint32_t k = 0; k < num_args; k++) {
      r->vary[i] |= r->vary[args[k]];
      if (r->ready[i] < r->ready[args[k]]) r->ready[i] = r->ready[args[k]];
    }
    if (qn__ll_is_reduction(inst->op)) {
      r->vary[i] &= (uint8_t)~QN_LL_BY_LANE;
      r->ready[i]++;
      if (r->num_passes < r->ready[i] + 1u) r->num_passes = r->ready[i] + 1u;
    }
  }
  mark_needed(r);
  return true;
}

LLVMValueRef qn__ll_region_get(qn_ll_region *r, uint32_t i, uint32_t lanes) {
  LLVMValueRef v = r->v[i];
  if (lanes > 1 && LLVMGetTypeKind(LLVMTypeOf(v)) != LLVMVectorTypeKind) v = qn__ll_splat(r->g, v, lanes);
  return v;
}

static LLVMValueRef emit_one(qn_ll_region *r, uint32_t i, uint32_t lanes) {
  qn_ll *g = r->g;
  const qn_tinst *inst = &r->tape->insts[i];
  uint8_t num_args = arg_counts[inst->op];
  qn_ll_operands o = {.tape = r->tape, .inst = inst, .lanes = lanes};
  o.elem = qn__ll_reg_type(g, (qn_treg)inst->type);
  o.type = qn__ll_lanes(o.elem, lanes);
  if (num_args > 0) o.a = qn__ll_region_get(r, inst->a, lanes);
  if (num_args > 1) o.b = qn__ll_region_get(r, inst->b, lanes);
  if (num_args > 2) o.c = qn__ll_region_get(r, inst->c, lanes);
  if (num_args == 1 && r->tape->insts[inst->a].op == QN_T_FROUND)
    o.unrounded = qn__ll_region_get(r, r->tape->insts[inst->a].a, lanes);
  static const uint8_t bits[] = {
      [QN_TI1] = 1, [QN_TI8] = 8, [QN_TI16] = 16, [QN_TI32] = 32, [QN_TI64] = 64, [QN_TF32] = 32, [QN_TF64] = 64};
  o.bits = bits[inst->type];
  return emitters[inst->op](g, &o);
}

/* Register i of all regions, 16 lanes, by their common divisor. */
static void divide_group(qn_ll_region *regions, uint32_t count, uint32_t i) {
  const qn_tinst *inst = &regions[0].tape->insts[i];
  LLVMValueRef a[QN_LL_MAX_GROUP], quotients[QN_LL_MAX_GROUP];
  for (uint32_t k = 0; k < count; k++) a[k] = qn__ll_region_get(&regions[k], inst->a, 16);
  qn__ll_divide(regions[0].g, &regions[0].divisors[i], count, a, qn__ll_region_get(&regions[0], inst->b, 16),
                quotients);
  for (uint32_t k = 0; k < count; k++) regions[k].v[i] = quotients[k];
}

void qn__ll_region_emit(qn_ll_region *r, uint8_t vary, uint32_t first, uint32_t last, uint32_t lanes) {
  qn__ll_region_emit_group(r, 1, vary, first, last, lanes);
}

void qn__ll_region_emit_group(qn_ll_region *regions, uint32_t count, uint8_t vary, uint32_t first, uint32_t last,
                              uint32_t lanes) {
  qn_ll_region *r = &regions[0];
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    const qn_tinst *inst = &r->tape->insts[i];
    if (!r->needed[i] || r->vary[i] != vary || r->ready[i] < first || r->ready[i] > last) continue;
    if (inst->op == QN_T_INPUT || qn__ll_is_reduction(inst->op)) continue;
    if (inst->op == QN_T_FDIV && r->divisors[i].inverse && lanes == 16)
      divide_group(regions, count, i);
    else
      for (uint32_t k = 0; k < count; k++)
        regions[k].v[i] = emit_one(&regions[k], i, (vary & QN_LL_BY_LANE) ? lanes : 1);
  }
  qn__ll_divisors_prepare(r, vary, first, last);
}

void qn__ll_region_load(qn_ll_region *r, uint8_t vary, const qn_ll_place *places, LLVMValueRef index, uint32_t lanes,
                        LLVMValueRef mask) {
  for (uint32_t i = 0; i < r->tape->num_insts; i++) {
    const qn_tinst *inst = &r->tape->insts[i];
    if (inst->op != QN_T_INPUT || !r->needed[i] || r->vary[i] != vary || !places[inst->a].base) continue;
    bool wide = (vary & QN_LL_BY_LANE) != 0;
    r->v[i] = qn__ll_load(r->g, &places[inst->a], index, wide ? lanes : 1, wide ? mask : NULL);
  }
}

void qn__ll_region_set_input(qn_ll_region *r, uint32_t input, LLVMValueRef value) {
  for (uint32_t i = 0; i < r->tape->num_insts; i++)
    if (r->tape->insts[i].op == QN_T_INPUT && r->tape->insts[i].a == input) r->v[i] = value;
}

void qn__ll_region_store(qn_ll_region *r, uint32_t output, const qn_ll_place *place, LLVMValueRef index, uint32_t lanes,
                         LLVMValueRef mask) {
  qn__ll_store(r->g, place, index, lanes, mask, qn__ll_region_get(r, r->tape->outputs[output], lanes));
}
