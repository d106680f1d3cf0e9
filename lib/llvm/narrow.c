/* Saturating packs: finding what they may store, and storing. */
#include "narrow.h"
#include "fpenv.h"
#include <math.h>
#include <string.h>

/* ---- finding ---- */

static float const_f32(const qn_tinst *i) {
  uint32_t bits = (uint32_t)i->imm;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

static bool const_int(const qn_tape *t, uint32_t reg, int32_t *out) {
  const qn_tinst *i = &t->insts[reg];
  if (i->op != QN_T_CONST) return false;
  if (i->type == QN_TI32) {
    uint32_t bits = (uint32_t)i->imm;
    memcpy(out, &bits, sizeof *out);
    return *out >= -1024 && *out <= 1024;
  }
  if (i->type != QN_TF32) return false;
  float f = const_f32(i);
  if (!(f >= -1024 && f <= 1024) || f != (float)(int32_t)f) return false;
  *out = (int32_t)f;
  return true;
}

/* select(x > k, x, k) or select(x < k, x, k), and fmax, fmin: reg is x limited by the integer k. */
static bool limit_of(const qn_tape *t, uint32_t reg, bool *below, int32_t *k, uint32_t *x) {
  const qn_tinst *i = &t->insts[reg];
  if (i->op == QN_T_FMAX || i->op == QN_T_FMIN) {
    *below = i->op == QN_T_FMIN;
    *x = i->a;
    return const_int(t, i->b, k);
  }
  if (i->op != QN_T_SELECT || i->type != QN_TF32) return false;
  const qn_tinst *c = &t->insts[i->a];
  if (c->op != QN_T_FCMP || c->a != i->b || c->b != i->c) return false;
  enum { OGT = 2, OLT = 4 };
  if (c->pred != OGT && c->pred != OLT) return false;
  *below = c->pred == OLT;
  *x = i->b;
  return const_int(t, i->c, k);
}

static bool find_product(const qn_tape *t, uint32_t reg, qn_ll_narrow *out) {
  const qn_tinst *i = &t->insts[reg];
  if (i->op != QN_T_FMUL || i->type != QN_TF32) return false;
  for (int side = 0; side < 2; side++) {
    uint32_t sum = side ? i->b : i->a;
    const qn_tinst *f = &t->insts[sum];
    if (f->op != QN_T_SITOFP || t->insts[f->a].type != QN_TI32) continue;
    out->reg = reg, out->multiplier = side ? i->a : i->b;
    out->convert = sum, out->convert_from = f->a;
    return true;
  }
  return false;
}

/* clamp(round(f32(sum) * m)) + z: limits apply in any order, since all are integers and the least is below the most. */
static bool find_scaled(const qn_tape *t, uint32_t x, int32_t low, int32_t high, qn_ll_narrow *out) {
  const qn_tinst *i = &t->insts[x];
  int32_t zero = 0, k = 0, least = low - 1024, most = high + 1024;
  if (i->op == QN_T_IADD && const_int(t, i->b, &zero)) i = &t->insts[i->a];
  if (i->op != QN_T_FPTOSI || t->insts[i->a].op != QN_T_FROUND) return false;
  uint32_t reg = t->insts[i->a].a;
  bool below;
  for (uint32_t from = 0; limit_of(t, reg, &below, &k, &from); reg = from) {
    if (below && k < most) most = k;
    if (!below && k > least) least = k;
  }
  if (!find_product(t, reg, out)) return false;
  const qn_tinst *sum = &t->insts[out->convert_from];
  int32_t floor = 1;
  if (sum->op == QN_T_SMAX && const_int(t, sum->b, &floor) && floor == 0) {
    out->convert_from = sum->a;
    if (least < 0) least = 0;
  }
  out->scaled = out->floats = out->limits = true, out->add = zero, out->least = least + zero, out->most = most + zero;
  return out->least >= low && out->most <= high && out->least <= out->most;
}

static bool within(const qn_tape *t, uint32_t reg, double lo, double hi) {
  return t->ranges && t->ranges[reg].lo >= lo && t->ranges[reg].hi <= hi;
}

/* What is narrowed to the bytes of the tape's only output. */
static bool narrowed(const qn_ll *g, const qn_tape *t, qn_scalar mem, uint32_t *x) {
  const qn_tinst *o = &t->insts[t->outputs[0]];
  if (!g->masked || g->lanes != 16 || qn__ll_mem_bits(mem) != 8 || mem == QN_I1) return false;
  *x = o->a;
  return o->op == QN_T_TRUNC && t->insts[o->a].type == QN_TI32;
}

bool qn__ll_narrow_find(const qn_ll *g, const qn_tape *t, qn_scalar mem, qn_ll_narrow *out) {
  uint32_t x;
  if (!narrowed(g, t, mem, &x)) return false;
  *out = (qn_ll_narrow){.is_unsigned = true};
  if (find_scaled(t, x, 0, 255, out)) return true;
  *out = (qn_ll_narrow){.is_unsigned = false};
  if (find_scaled(t, x, -128, 127, out)) return true;
  return qn__ll_narrow_find_plain(g, t, mem, out);
}

bool qn__ll_narrow_find_plain(const qn_ll *g, const qn_tape *t, qn_scalar mem, qn_ll_narrow *out) {
  uint32_t x;
  if (!narrowed(g, t, mem, &x)) return false;
  bool is_unsigned = within(t, x, 0, 255);
  if (!is_unsigned && !within(t, x, -128, 127)) return false;
  *out = (qn_ll_narrow){.reg = x, .is_unsigned = is_unsigned};
  const qn_tinst *i = &t->insts[x];
  int32_t add;
  if (i->op == QN_T_IADD && const_int(t, i->b, &add) && within(t, i->a, -30000, 30000)) out->reg = i->a, out->add = add;
  return true;
}

/* ---- limits that packs keep ---- */

static bool float_const(const qn_tape *t, uint32_t reg, float *out) {
  const qn_tinst *i = &t->insts[reg];
  uint32_t bits = (uint32_t)i->imm;
  memcpy(out, &bits, sizeof *out);
  return i->op == QN_T_CONST && i->type == QN_TF32;
}

/* What quotient.c has made of a division: q = fma(y, inverse, y * rest), y = x limited, below first, and 0 for NaN
 * where there can be one. */
typedef struct code_limits {
  qn_tinst *q, *small, *above, *compare; /* above: where y is limited to `high`; compare: what decides that */
  uint32_t x;
  float inverse, rest, low, high;
  bool may_be_nan;
} code_limits;

static bool find_limited(const qn_tape *t, uint32_t reg, code_limits *l) {
  enum { OGT = 2, OLT = 4, UNO = 14 };
  const qn_tinst *i = &t->insts[reg];
  if (i->op != QN_T_FPTOSI || t->insts[i->a].op != QN_T_FROUND) return false;
  l->q = &t->insts[t->insts[i->a].a];
  if (l->q->op != QN_T_FMA || !float_const(t, l->q->b, &l->inverse)) return false;
  l->small = &t->insts[l->q->c];
  l->above = &t->insts[l->q->a];
  if (l->small->op != QN_T_FMUL || l->small->a != l->q->a || !float_const(t, l->small->b, &l->rest)) return false;
  const qn_tinst *nan = l->above->op == QN_T_SELECT ? &t->insts[l->above->a] : NULL;
  l->may_be_nan = nan && nan->op == QN_T_FCMP && nan->pred == UNO && nan->a == nan->b;
  if (l->may_be_nan) l->above = &t->insts[l->above->c];
  l->compare = &t->insts[l->above->a];
  if (l->above->op != QN_T_SELECT || l->compare->op != QN_T_FCMP || l->compare->pred != OGT ||
      l->compare->a != l->above->c || l->compare->b != l->above->b || !float_const(t, l->above->b, &l->high))
    return false;
  const qn_tinst *below = &t->insts[l->above->c], *lower = &t->insts[below->a];
  if (below->op != QN_T_SELECT || lower->op != QN_T_FCMP || lower->pred != OLT || lower->a != below->c ||
      lower->b != below->b || !float_const(t, below->b, &l->low))
    return false;
  l->x = below->c;
  return !l->may_be_nan || nan->a == l->x;
}

void qn__ll_narrow_drop_limits(const qn_ll_narrow *n, qn_tape *t) {
  code_limits l;
  if (!find_limited(t, n->reg, &l) || !(l.inverse <= 0x1p20f)) return;
  qn_fp_env saved = qn__fp_enter();
  float least = rintf(fmaf(l.low, l.inverse, l.low * l.rest)) + (float)n->add;
  float most = rintf(fmaf(l.high, l.inverse, l.high * l.rest)) + (float)n->add;
  qn__fp_leave(saved);
  if (least != (n->is_unsigned ? 0 : -128)) return;
  l.compare->a = l.above->c = l.x;
  const qn_trange *r = t->ranges ? &t->ranges[l.x] : NULL;
  bool small = r && !r->nan && r->lo * (double)l.inverse > -0x1p30 && r->hi * (double)l.inverse < 0x1p30;
  if (small && !l.may_be_nan && most == (n->is_unsigned ? 255 : 127)) l.q->a = l.small->a = l.x;
}

/* ---- storing ---- */

/* Floats from 0 to 0.5 are those whose bits, as an unsigned number, are at most those of 0.5. */
LLVMValueRef qn__ll_narrow_check(qn_ll *g, uint32_t count, const LLVMValueRef *multipliers) {
  uint32_t lanes = 1;
  if (LLVMGetTypeKind(LLVMTypeOf(multipliers[0])) == LLVMVectorTypeKind)
    lanes = LLVMGetVectorSize(LLVMTypeOf(multipliers[0]));
  LLVMTypeRef type = qn__ll_lanes(g->i32, lanes);
  LLVMValueRef most = LLVMBuildBitCast(g->b, multipliers[0], type, "");
  for (uint32_t i = 1; i < count; i++) {
    LLVMValueRef both[2] = {most, LLVMBuildBitCast(g->b, multipliers[i], type, "")};
    most = qn__ll_intrinsic(g, "llvm.umax", 1, &type, 2, both);
  }
  LLVMValueRef ok = LLVMBuildICmp(g->b, LLVMIntULE, most, qn__ll_bits(g, type, 0x3F000000u), "");
  if (lanes == 1) return ok;
  LLVMTypeRef bits = LLVMIntTypeInContext(g->ctx, lanes);
  return LLVMBuildICmp(g->b, LLVMIntEQ, LLVMBuildBitCast(g->b, ok, bits, ""), LLVMConstAllOnes(bits), "");
}

static LLVMValueRef integers(qn_ll_region *r, const qn_ll_narrow *n) {
  qn_ll *g = r->g;
  LLVMValueRef x = qn__ll_region_get(r, n->reg, 16);
  if (!n->floats) return x;
  LLVMTypeRef type = LLVMVectorType(g->i32, 16);
  LLVMValueRef args[4] = {x, LLVMConstNull(type), LLVMConstAllOnes(g->i16), qn__ll_i32(g, 4)};
  return qn__ll_target_intrinsic(g, "llvm.x86.avx512.mask.cvtps2dq.512", type, 4, args);
}

/* Two vectors of 32-bit integers as 16 bits, interleaved by quarters. */
static LLVMValueRef pack_pair(qn_ll *g, const qn_ll_narrow *n, LLVMValueRef a, LLVMValueRef b) {
  LLVMTypeRef type = LLVMVectorType(g->i16, 32);
  LLVMValueRef both[2] = {a, b};
  both[0] = qn__ll_target_intrinsic(g, "llvm.x86.avx512.packssdw.512", type, 2, both);
  if (!n->add && !n->add_more) return both[0];
  both[1] = n->add_more ? qn__ll_splat(g, n->add_more, 32) : qn__ll_bits(g, type, (uint64_t)(int64_t)n->add & 0xFFFF);
  return qn__ll_intrinsic(g, "llvm.sadd.sat", 1, &type, 2, both);
}

static LLVMValueRef limited(qn_ll *g, const qn_ll_narrow *n, LLVMValueRef bytes) {
  LLVMTypeRef type = LLVMTypeOf(bytes);
  const char *max = n->is_unsigned ? "llvm.umax" : "llvm.smax", *min = n->is_unsigned ? "llvm.umin" : "llvm.smin";
  if (!n->limits) return bytes;
  if (n->least > (n->is_unsigned ? 0 : -128)) {
    LLVMValueRef args[2] = {bytes, qn__ll_bits(g, type, (uint64_t)(int64_t)n->least & 0xFF)};
    bytes = qn__ll_intrinsic(g, max, 1, &type, 2, args);
  }
  if (n->most < (n->is_unsigned ? 255 : 127)) {
    LLVMValueRef args[2] = {bytes, qn__ll_bits(g, type, (uint64_t)(int64_t)n->most & 0xFF)};
    bytes = qn__ll_intrinsic(g, min, 1, &type, 2, args);
  }
  return bytes;
}

static void store_part(qn_ll *g, LLVMValueRef all, uint32_t from, uint32_t count, LLVMValueRef at) {
  LLVMValueRef picks[16];
  for (uint32_t i = 0; i < count; i++) {
    uint32_t dword = from + i; /* of the result: vector dword / 4, its quarter dword % 4 */
    picks[i] = qn__ll_i32(g, dword % 4 * 4 + dword / 4);
  }
  LLVMValueRef part =
      LLVMBuildShuffleVector(g->b, all, LLVMGetPoison(LLVMTypeOf(all)), LLVMConstVector(picks, count), "");
  at = qn__ll_gep_const(g, at, (int64_t)from * 4);
  if (g->past_caches)
    qn__ll_store_past(g, part, at);
  else
    qn__ll_store_vec(g, part, at, 1);
}

void qn__ll_narrow_store(qn_ll_region *regions, uint32_t count, const qn_ll_narrow *n, LLVMValueRef at) {
  qn_ll *g = regions[0].g;
  LLVMValueRef x[4];
  for (uint32_t v = 0; v < 4; v++) x[v] = v < count ? integers(&regions[v], n) : x[v - 2];
  LLVMValueRef pairs[2] = {pack_pair(g, n, x[0], x[1])};
  pairs[1] = count == 2 ? pairs[0] : pack_pair(g, n, x[2], x[3]);
  LLVMTypeRef bytes = LLVMVectorType(g->i8, 64), dwords = LLVMVectorType(g->i32, 16);
  const char *name = n->is_unsigned ? "llvm.x86.avx512.packuswb.512" : "llvm.x86.avx512.packsswb.512";
  LLVMValueRef all = limited(g, n, qn__ll_target_intrinsic(g, name, bytes, 2, pairs));
  all = LLVMBuildBitCast(g->b, all, dwords, "");
  store_part(g, all, 0, count == 4 ? 16 : 8, at);
  if (count == 3) store_part(g, all, 8, 4, at);
}
