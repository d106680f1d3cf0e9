/* Codes of numbers by a scale that is known at run time only:
 *
 *   int(round(clamp(x / s, lo, hi))) + z   as   saturate(int(round(q)) + z)
 *
 * q is x / s as divide.c has it: y = min(x, hi s), r = 1/s rounded, e = (1 - r s) r, p = fma(y, r, y e),
 * q = fma(fma(p, -s, y), r, p), which for s in [2^-20, 2^20] is y / s rounded, unless y is so small that both are far
 * below 1/2 and give 0. Above hi s both give hi, as hi s / s rounds to hi for hi of a byte. Below lo, q is a number
 * below lo, or too large for an integer, or NaN (where p is infinite): conversion makes the last two the least integer,
 * and saturation makes all of them lo + z, where that is the least byte; where it is not, bytes are raised to it. NaN
 * counts as 0 from the start. Only integers come out, so that the sign of a zero does not matter. */
#include "codes.h"
#include <string.h>

static bool int_const(const qn_tape *t, uint32_t reg, int32_t *out) {
  const qn_tinst *i = &t->insts[reg];
  uint32_t bits = (uint32_t)i->imm;
  memcpy(out, &bits, sizeof *out);
  return i->op == QN_T_CONST && i->type == QN_TI32;
}

static bool float_const(const qn_tape *t, uint32_t reg, float *out) {
  const qn_tinst *i = &t->insts[reg];
  uint32_t bits = (uint32_t)i->imm;
  memcpy(out, &bits, sizeof *out);
  return i->op == QN_T_CONST && i->type == QN_TF32;
}

/* reg is a pred b ? a : b, pred 2 (larger) or 4 (smaller). */
static bool is_choice(const qn_tape *t, uint32_t reg, uint8_t pred, uint32_t *a, uint32_t *b) {
  const qn_tinst *s = &t->insts[reg], *m = &t->insts[s->a];
  if (s->op != QN_T_SELECT || s->type != QN_TF32 || m->op != QN_T_FCMP || m->pred != pred) return false;
  *a = s->b, *b = s->c;
  return m->a == s->b && m->b == s->c;
}

/* reg is a, or 0 where that is NaN. */
static uint32_t without_nan(const qn_tape *t, uint32_t reg) {
  const qn_tinst *s = &t->insts[reg], *m = &t->insts[s->a];
  float zero;
  bool is = s->op == QN_T_SELECT && m->op == QN_T_FCMP && m->pred == 14 && m->a == s->c && m->b == s->c;
  return is && float_const(t, s->b, &zero) && zero == 0 ? s->c : reg;
}

/* The code that a limit of the quotient stands for: limit + z. */
static bool code_at(const qn_tape *t, uint32_t limit, const qn_ll_codes *c, int32_t *code) {
  float f;
  if (c->zero == UINT32_MAX) {
    if (!float_const(t, limit, &f) || !(f >= -1024 && f <= 1024) || f != (float)(int32_t)f) return false;
    *code = (int32_t)f + c->narrow.add;
    return true;
  }
  const qn_tinst *i = &t->insts[limit];
  if (i->op != QN_T_SITOFP || i->type != QN_TF32) return false;
  const qn_tinst *d = &t->insts[i->a];
  return d->op == QN_T_ISUB && d->type == QN_TI32 && d->b == c->zero && int_const(t, d->a, code);
}

static bool take_zero(const qn_ll_region *r, uint32_t *reg, qn_ll_codes *c) {
  const qn_tinst *i = &r->tape->insts[*reg];
  c->zero = UINT32_MAX;
  c->narrow.add = 0;
  if (i->op != QN_T_IADD) return true;
  bool second = r->tape->insts[i->b].op == QN_T_FPTOSI;
  uint32_t zero = second ? i->a : i->b;
  *reg = second ? i->b : i->a;
  if (int_const(r->tape, zero, &c->narrow.add)) return c->narrow.add >= -1024 && c->narrow.add <= 1024;
  c->zero = zero;
  c->narrow.add = 0;
  return !(r->vary[zero] & QN_LL_BY_LANE) && r->tape->ranges && r->tape->ranges[zero].lo >= -1024 &&
         r->tape->ranges[zero].hi <= 1024;
}

bool qn__ll_codes_find(const qn_ll_region *r, qn_scalar mem, qn_ll_codes *out) {
  const qn_tape *t = r->tape;
  const qn_ll *g = r->g;
  const qn_tinst *i = &t->insts[t->outputs[0]];
  *out = (qn_ll_codes){.scale = 0};
  if (!g->x86 || !g->masked || g->lanes != 16 || qn__ll_mem_bits(mem) != 8 || mem == QN_I1) return false;
  if (i->op != QN_T_TRUNC || t->insts[i->a].type != QN_TI32) return false;
  uint32_t reg = i->a, low, above, below;
  if (!take_zero(r, &reg, out) || t->insts[reg].op != QN_T_FPTOSI || t->insts[reg].type != QN_TI32) return false;
  i = &t->insts[t->insts[reg].a];
  if (i->op != QN_T_FROUND || i->type != QN_TF32 || !is_choice(t, i->a, 4, &below, &out->high) ||
      !is_choice(t, below, 2, &above, &low))
    return false;
  i = &t->insts[without_nan(t, above)];
  if (i->op != QN_T_FDIV || i->type != QN_TF32 || (r->vary[i->b] & QN_LL_BY_LANE)) return false;
  out->x = i->a, out->scale = i->b;
  qn_ll_narrow *n = &out->narrow;
  int32_t least = 0, most = 0;
  if (!code_at(t, low, out, &least) || !code_at(t, out->high, out, &most)) return false;
  n->is_unsigned = least >= 0;
  if (least > most || most > (n->is_unsigned ? 255 : 127) || least < -128) return false;
  n->reg = out->x, n->floats = n->limits = true;
  n->least = least, n->most = n->is_unsigned ? 255 : 127;
  return true;
}

static LLVMValueRef number(qn_ll *g, uint32_t bits) {
  return qn__ll_bits(g, g->f32, bits);
}

LLVMValueRef qn__ll_codes_begin(qn_ll_region *r, qn_ll_codes *c) {
  qn_ll *g = r->g;
  LLVMValueRef s = qn__ll_region_get(r, c->scale, 1), one = number(g, 0x3F800000u);
  c->inverse = LLVMBuildFDiv(g->b, one, s, "");
  c->minus = LLVMBuildFNeg(g->b, s, "");
  c->rest = LLVMBuildFMul(g->b, qn__ll_fma(g, c->inverse, c->minus, one, false, 1), c->inverse, "");
  c->limit = LLVMBuildFMul(g->b, qn__ll_region_get(r, c->high, 1), s, "");
  if (c->zero != UINT32_MAX) c->narrow.add_more = LLVMBuildTrunc(g->b, qn__ll_region_get(r, c->zero, 1), g->i16, "");
  LLVMValueRef large = LLVMBuildFCmp(g->b, LLVMRealOGE, s, number(g, 0x35800000u), "");
  return LLVMBuildAnd(g->b, large, LLVMBuildFCmp(g->b, LLVMRealOLE, s, number(g, 0x49800000u), ""), "");
}

void qn__ll_codes_quotients(qn_ll_region *regions, uint32_t count, const qn_ll_codes *c) {
  qn_ll *g = regions[0].g;
  LLVMValueRef inverse = qn__ll_splat(g, c->inverse, 16), minus = qn__ll_splat(g, c->minus, 16);
  LLVMValueRef rest = qn__ll_splat(g, c->rest, 16), limit = qn__ll_splat(g, c->limit, 16);
  for (uint32_t k = 0; k < count; k++) {
    LLVMValueRef x = qn__ll_region_get(&regions[k], c->x, 16), zero = LLVMConstNull(LLVMTypeOf(x));
    LLVMValueRef y = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealOGT, x, limit, ""), limit, x, "");
    y = LLVMBuildSelect(g->b, LLVMBuildFCmp(g->b, LLVMRealORD, x, x, ""), y, zero, "");
    LLVMValueRef p = qn__ll_fma(g, y, inverse, LLVMBuildFMul(g->b, y, rest, ""), false, 16);
    regions[k].v[c->x] = qn__ll_fma(g, qn__ll_fma(g, p, minus, y, false, 16), inverse, p, false, 16);
  }
}
