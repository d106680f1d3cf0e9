/* A tape's instructions as a list for one vector of 16 f32 (lanes.h). Only what sinks need is in it. Registers of the
 * tape become temporaries; fma overwrites one of its operands, one that is not needed any more where there is such. */
#include "lanes_build.h"

typedef qn_ll_lane_builder builder;

enum { NEAREST = 0, UNORDERED = 3, AND_OR = 0xEA }; /* of vcvtps2ph, vcmpps and vpternlogd: dst & a | b */

bool qn__ll_lane_by_lane(const builder *b, uint32_t reg) {
  return (b->s->region->vary[reg] & QN_LL_BY_LANE) != 0;
}

static bool is_kept(const builder *b, uint32_t reg) {
  return b->s->kept_at && b->s->kept == reg;
}

/* A selection by a comparison that never holds. */
bool qn__ll_lane_never_taken(const builder *b, const qn_tinst *i) {
  return i->op == QN_T_SELECT && b->s->counts && i->a == b->s->never;
}

/* What a conversion to an integer converts: rounded on the way, or what is rounded already. */
static uint32_t converted(const builder *b, const qn_tinst *i, bool *rounds) {
  const qn_tinst *of = &b->tape->insts[i->a];
  *rounds = of->op == QN_T_FROUND && of->type == QN_TF32;
  return *rounds ? of->a : i->a;
}

/* Operands that are used: the machine scales by the float, and rounds where it converts. */
static uint32_t args_of(const builder *b, const qn_tinst *i, uint32_t args[3]) {
  bool rounds;
  uint32_t n = qn__ll_args(i, args);
  if (i->op == QN_T_FPTOSI) args[0] = converted(b, i, &rounds);
  if (qn__ll_lane_never_taken(b, i)) args[0] = i->c;
  return qn__ll_lane_never_taken(b, i) ? 1 : i->op == QN_T_FSCALE ? 2 : n;
}

static void see(builder *b, uint32_t reg) {
  b->seen[reg] = true;
  b->left[reg]++;
}

static void see_all(builder *b) {
  for (uint32_t k = 0; k < b->s->num_sinks; k++) see(b, b->s->sinks[k].reg);
  if (b->s->finds_least) see(b, b->s->least_of), see(b, b->s->least_but);
  for (uint32_t i = b->tape->num_insts; i-- > 0;) {
    const qn_tinst *inst = &b->tape->insts[i];
    if (!b->seen[i] || !qn__ll_lane_by_lane(b, i) || is_kept(b, i) || inst->op == QN_T_INPUT) continue;
    uint32_t args[3] = {0}, n = args_of(b, inst, args);
    for (uint32_t k = 0; k < n; k++) see(b, args[k]);
  }
}

/* ---- operands ---- */

static qn_ll_lane_ref add_fixed(builder *b, qn_ll_lane_fixed f) {
  qn_ll_lane_list *l = b->l;
  for (uint32_t k = 0; k < l->num_fixed; k++) {
    const qn_ll_lane_fixed *x = &l->fixed[k];
    if (f.is_const ? x->is_const && x->bits == f.bits : !x->is_const && x->value == f.value && x->reg == f.reg)
      return (qn_ll_lane_ref){QN_LANE_FIXED, (uint16_t)k};
  }
  if (l->num_fixed == QN_LANE_FIXED_MOST) {
    l->failed = true;
    return (qn_ll_lane_ref){QN_LANE_FIXED, 0};
  }
  l->fixed[l->num_fixed] = f;
  return (qn_ll_lane_ref){QN_LANE_FIXED, (uint16_t)l->num_fixed++};
}

static qn_ll_lane_ref fixed(builder *b, qn_ll_lane_value value, uint32_t reg) {
  const qn_tinst *inst = &b->tape->insts[reg];
  qn_ll_lane_fixed f = {.value = (uint8_t)value, .reg = reg};
  f.is_const = value == QN_LANE_REGISTER && inst->op == QN_T_CONST;
  f.bits = f.is_const ? (uint32_t)inst->imm : 0;
  return add_fixed(b, f);
}

qn_ll_lane_ref qn__ll_lane_temp(builder *b) {
  return (qn_ll_lane_ref){QN_LANE_TEMP, (uint16_t)b->l->num_temps++};
}

/* A use of a register that is over without it. */
void qn__ll_lane_drop(builder *b, uint32_t reg) {
  if (b->left[reg]) b->left[reg]--;
}

/* Whether nothing will want it any more: it may be overwritten. Registers that are bits of another share its place. */
static bool is_over(const builder *b, qn_ll_lane_ref r) {
  if (r.kind != QN_LANE_TEMP) return false;
  for (uint32_t i = 0; i < b->tape->num_insts; i++)
    if (b->left[i] && b->seen[i] && qn__ll_lane_by_lane(b, i) && b->at[i].kind == r.kind && b->at[i].n == r.n)
      return false;
  return true;
}

qn_ll_lane_op *qn__ll_lane_put(builder *b, qn_ll_lane_op op) {
  qn_ll_lane_list *l = b->l;
  if (l->num_ops == QN_LANE_OPS) {
    l->failed = true;
    return &l->ops[0];
  }
  l->ops[l->num_ops] = op;
  return &l->ops[l->num_ops++];
}

qn_ll_lane_ref qn__ll_lane_put_binary(builder *b, const char *name, int imm, qn_ll_lane_ref x, qn_ll_lane_ref y) {
  qn_ll_lane_ref dst = qn__ll_lane_temp(b);
  qn__ll_lane_put(
      b, (qn_ll_lane_op){.name = name, .form = QN_LANE_BINARY, .imm = (int16_t)imm, .dst = dst, .a = x, .b = y});
  return dst;
}

static qn_ll_lane_ref put_unary(builder *b, const char *name, int imm, qn_ll_lane_ref x) {
  qn_ll_lane_ref dst = qn__ll_lane_temp(b);
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = name, .form = QN_LANE_UNARY, .imm = (int16_t)imm, .dst = dst, .a = x});
  return dst;
}

/* ---- fma ---- */

qn_ll_lane_ref qn__ll_lane_copied(builder *b, qn_ll_lane_ref x) {
  qn_ll_lane_ref dst = qn__ll_lane_temp(b);
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = "vmovaps", .form = QN_LANE_MOVE, .imm = -1, .dst = dst, .a = x});
  return dst;
}

/* x * y + z; `over` says which of them may be overwritten. */
static qn_ll_lane_ref put_fma(builder *b, qn_ll_lane_ref x, qn_ll_lane_ref y, qn_ll_lane_ref z) {
  qn_ll_lane_op op = {.name = "vfmadd213ps", .form = QN_LANE_FMA_213, .imm = -1, .b = z};
  if (is_over(b, x)) {
    op.dst = x, op.a = y;
  } else if (is_over(b, y)) {
    op.dst = y, op.a = x;
  } else if (is_over(b, z) || z.kind == QN_LANE_FIXED || (x.kind != QN_LANE_FIXED && y.kind != QN_LANE_FIXED)) {
    op = (qn_ll_lane_op){.name = "vfmadd231ps", .form = QN_LANE_FMA_231, .imm = -1, .a = x, .b = y};
    op.dst = is_over(b, z) ? z : qn__ll_lane_copied(b, z);
  } else {
    bool first = x.kind == QN_LANE_FIXED;
    op.dst = qn__ll_lane_copied(b, first ? x : y), op.a = first ? y : x;
  }
  qn__ll_lane_put(b, op);
  return op.dst;
}

/* The sum that counts, and its bits. */
static qn_ll_lane_ref put_count(builder *b, const qn_tinst *inst) {
  qn_ll_lane_ref x = qn__ll_lane_use(b, inst->a), factor = qn__ll_lane_use(b, inst->b);
  qn__ll_lane_drop(b, inst->c);
  qn_ll_lane_ref dst = qn__ll_lane_copied(b, add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = QN_LL_COUNTED}));
  qn__ll_lane_put(
      b, (qn_ll_lane_op){.name = "vfnmadd231ps", .form = QN_LANE_FMA_231, .imm = -1, .dst = dst, .a = x, .b = factor});
  b->counted = (uint16_t)b->l->num_ops;
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = "vpternlogd", .form = QN_LANE_PAIR, .imm = 0xFE, .a = dst});
  return dst;
}

static qn_ll_lane_ref put_difference(builder *b, const qn_tinst *inst) {
  qn_ll_lane_ref sum = qn__ll_lane_use(b, inst->a);
  qn__ll_lane_drop(b, inst->b);
  return qn__ll_lane_put_binary(b, "vsubps", -1,
                                add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = QN_LL_COUNTED}), sum);
}

/* divide.c's quotient. */
static qn_ll_lane_ref put_division(builder *b, uint32_t i) {
  const qn_tinst *inst = &b->tape->insts[i];
  qn_ll_lane_ref x = qn__ll_lane_use(b, inst->a);
  bool alone = b->tape->insts[inst->b].op == QN_T_CONST; /* nothing is prepared of it */
  if (!b->s->by_products || alone) return qn__ll_lane_put_binary(b, "vdivps", -1, x, qn__ll_lane_use(b, inst->b));
  qn_ll_lane_ref inverse = fixed(b, QN_LANE_INVERSE, i),
                 q = qn__ll_lane_put_binary(b, "vmulps", -1, x, fixed(b, QN_LANE_REST, i));
  qn__ll_lane_put(
      b, (qn_ll_lane_op){.name = "vfmadd231ps", .form = QN_LANE_FMA_231, .imm = -1, .dst = q, .a = x, .b = inverse});
  qn_ll_lane_ref rest = is_over(b, x) ? x : qn__ll_lane_copied(b, x);
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = "vfmadd231ps",
                                     .form = QN_LANE_FMA_231,
                                     .imm = -1,
                                     .dst = rest,
                                     .a = q,
                                     .b = fixed(b, QN_LANE_MINUS, i)});
  qn__ll_lane_put(
      b, (qn_ll_lane_op){.name = "vfmadd213ps", .form = QN_LANE_FMA_213, .imm = -1, .dst = rest, .a = inverse, .b = q});
  return rest;
}

/* By a power of two that is a constant: a shift, which takes a tenth of a product's time. */
static bool is_shift(const builder *b, uint32_t reg, uint32_t *by) {
  const qn_tinst *inst = &b->tape->insts[reg];
  uint32_t factor = (uint32_t)inst->imm;
  if (inst->op != QN_T_CONST || factor == 0 || (factor & (factor - 1))) return false;
  for (*by = 0; factor >> *by != 1;) ++*by;
  return true;
}

static qn_ll_lane_ref put_product(builder *b, const qn_tinst *inst) {
  uint32_t by = 0;
  if (is_shift(b, inst->b, &by)) {
    qn__ll_lane_drop(b, inst->b);
    return put_unary(b, "vpslld", (int)by, qn__ll_lane_use(b, inst->a));
  }
  qn_ll_lane_ref x = qn__ll_lane_use(b, inst->a), y = qn__ll_lane_use(b, inst->b);
  return qn__ll_lane_put_binary(b, "vpmulld", -1, x, y);
}

qn_ll_lane_ref qn__ll_lane_load(builder *b, const qn_ll_place *p, const char *name, uint32_t bits) {
  qn_ll_lane_ref dst = qn__ll_lane_temp(b);
  bool one = b->s->late && p->access == QN_ACCESS_NONE && bits == 32;
  if ((p->access != QN_ACCESS_DENSE && !one) || qn__ll_mem_bits(p->mem) != bits) b->l->failed = true;
  if (one) name = "vbroadcastss";
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = name, .form = QN_LANE_LOAD, .imm = -1, .dst = dst, .place = p});
  return dst;
}

static bool is_wide(const qn_tinst *i) {
  return i->type == QN_TF32 || i->type == QN_TI32;
}

static qn_ll_lane_ref load_input(builder *b, uint32_t reg) {
  return qn__ll_lane_load(b, &b->s->places[b->tape->insts[reg].a], "vmovups", 32);
}

qn_ll_lane_ref qn__ll_lane_use(builder *b, uint32_t reg) {
  const qn_tinst *i = &b->tape->insts[reg];
  if (!qn__ll_lane_by_lane(b, reg)) {
    qn__ll_lane_drop(b, reg);
    return fixed(b, QN_LANE_REGISTER, reg);
  }
  if (i->op == QN_T_INPUT && is_wide(i) && b->at[reg].kind == QN_LANE_NONE) {
    b->at[reg] = load_input(b, reg);
    b->op_of[reg] = b->l->num_ops;
  }
  qn__ll_lane_drop(b, reg);
  return b->at[reg];
}

/* ---- instructions ---- */

static const char *const binary_names[QN_T_COUNT] = {
    [QN_T_FADD] = "vaddps",  [QN_T_FSUB] = "vsubps",  [QN_T_FMUL] = "vmulps",  [QN_T_FSCALE] = "vscalefps",
    [QN_T_IADD] = "vpaddd",  [QN_T_ISUB] = "vpsubd",  [QN_T_AND] = "vpandd",   [QN_T_OR] = "vpord",
    [QN_T_XOR] = "vpxord",   [QN_T_SMAX] = "vpmaxsd", [QN_T_SMIN] = "vpminsd", [QN_T_UMAX] = "vpmaxud",
    [QN_T_UMIN] = "vpminud", [QN_T_SHL] = "vpsllvd",  [QN_T_SHRS] = "vpsravd", [QN_T_SHRU] = "vpsrlvd"};

static const struct {
  const char *name;
  int imm;
} unary_names[QN_T_COUNT] = {
    [QN_T_FSQRT] = {"vsqrtps", -1},     [QN_T_FROUND] = {"vrndscaleps", 8}, [QN_T_FFLOOR] = {"vrndscaleps", 9},
    [QN_T_FCEIL] = {"vrndscaleps", 10}, [QN_T_SITOFP] = {"vcvtdq2ps", -1},  [QN_T_UITOFP] = {"vcvtudq2ps", -1}};

/* By a constant, whose choice between equal numbers only matters for zeros: those of the other sign are left. A NaN is
 * the second operand. */
static qn_ll_lane_ref put_limit(builder *b, const qn_tinst *inst) {
  bool most = inst->op == QN_T_FMIN, second = b->tape->insts[inst->b].op == QN_T_CONST;
  uint32_t k = second ? inst->b : inst->a, x = second ? inst->a : inst->b, bits = (uint32_t)b->tape->insts[k].imm;
  bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u, taken = bits == (most ? 0x80000000u : 0);
  if (b->tape->insts[k].op != QN_T_CONST || nan || taken) b->l->failed = true;
  qn_ll_lane_ref limit = qn__ll_lane_use(b, k), y = qn__ll_lane_use(b, x);
  return qn__ll_lane_put_binary(b, most ? "vminps" : "vmaxps", -1, limit, y);
}

static qn_ll_lane_ref put_conversion(builder *b, const qn_tinst *inst) {
  bool rounds;
  uint32_t x = converted(b, inst, &rounds);
  return put_unary(b, rounds ? "vcvtps2dq" : "vcvttps2dq", -1, qn__ll_lane_use(b, x));
}

/* ---- bytes and 16 bits: loaded where they are widened, and stored of 32 bits ---- */

static bool is_narrow(const qn_tinst *i) {
  return i->type == QN_TI8 || i->type == QN_TI16;
}

static qn_ll_lane_ref put_widened(builder *b, const qn_tinst *inst) {
  static const char *const names[2][2] = {{"vpmovsxbd", "vpmovsxwd"}, {"vpmovzxbd", "vpmovzxwd"}};
  const qn_tinst *of = &b->tape->insts[inst->a];
  bool wide = of->type == QN_TI16;
  if (of->op != QN_T_INPUT || !is_narrow(of) || !qn__ll_lane_by_lane(b, inst->a)) {
    b->l->failed = true;
    return (qn_ll_lane_ref){QN_LANE_NONE, 0};
  }
  qn__ll_lane_drop(b, inst->a);
  return qn__ll_lane_load(b, &b->s->places[of->a], names[inst->op == QN_T_ZEXT][wide], wide ? 16 : 8);
}

/* Of f64 only what is rounded to f32 at once. */
static bool is_rounded_load(const builder *b, const qn_tinst *i) {
  const qn_tinst *of = &b->tape->insts[i->a];
  return i->op == QN_T_FTRUNC && b->s->late && of->op == QN_T_INPUT && of->type == QN_TF64 &&
         b->s->places[of->a].access == QN_ACCESS_DENSE && b->s->places[of->a].mem == QN_F64;
}

static qn_ll_lane_ref put_rounded_load(builder *b, const qn_tinst *inst) {
  qn_ll_lane_op op = {.name = "vcvtpd2ps", .form = QN_LANE_DOUBLES, .imm = -1};
  qn__ll_lane_drop(b, inst->a);
  op.place = &b->s->places[b->tape->insts[inst->a].a];
  op.dst = qn__ll_lane_temp(b), op.a = qn__ll_lane_temp(b);
  qn__ll_lane_put(b, op);
  return op.dst;
}

static bool is_truncated(const builder *b, uint32_t reg) {
  const qn_tinst *i = &b->tape->insts[reg];
  return i->op == QN_T_TRUNC && is_narrow(i) && b->tape->insts[i->a].type == QN_TI32 && qn__ll_lane_by_lane(b, i->a);
}

/* ---- halves: a register of 16 bits is what will be converted to it where it is used, or not loaded yet; of bf16 it is
 * the upper half of 32 bits, which are rounded already ---- */

static bool is_halves(const builder *b, uint32_t reg) {
  return b->tape->insts[reg].op == QN_T_HALF_OUT && qn__ll_lane_by_lane(b, reg);
}

static bool is_upper(const builder *b, uint32_t reg) {
  return is_halves(b, reg) && b->tape->insts[reg].pred;
}

static qn_ll_lane_ref put_halves(builder *b, qn_ll_lane_ref x) {
  qn_ll_lane_ref dst = qn__ll_lane_temp(b);
  qn__ll_lane_put(
      b, (qn_ll_lane_op){
             .name = "vcvtps2ph", .form = QN_LANE_UNARY, .imm = NEAREST, .to_halves = true, .dst = dst, .a = x});
  return dst;
}

/* From memory, or rounded on the way. */
static qn_ll_lane_ref put_half_in(builder *b, const qn_tinst *inst) {
  const qn_tinst *of = &b->tape->insts[inst->b];
  qn__ll_lane_drop(b, inst->a);
  if (of->op == QN_T_INPUT && qn__ll_lane_by_lane(b, inst->b)) {
    qn__ll_lane_drop(b, inst->b);
    const qn_ll_place *from = &b->s->places[of->a];
    if (!inst->pred) return qn__ll_lane_load(b, from, "vcvtph2ps", 16);
    return put_unary(b, "vpslld", 16, qn__ll_lane_load(b, from, "vpmovzxwd", 16));
  }
  if (!is_halves(b, inst->b) || of->pred != inst->pred) b->l->failed = true;
  if (inst->pred)
    return qn__ll_lane_put_binary(b, "vpandd", -1, qn__ll_lane_use(b, inst->b),
                                  add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = 0xFFFF0000u}));
  qn_ll_lane_ref x = put_halves(b, qn__ll_lane_use(b, inst->b)), dst = qn__ll_lane_temp(b);
  qn__ll_lane_put(
      b, (qn_ll_lane_op){.name = "vcvtph2ps", .form = QN_LANE_UNARY, .imm = -1, .of_halves = true, .dst = dst, .a = x});
  return dst;
}

/* To nearest even, in the upper half. */
static qn_ll_lane_ref put_rounded(builder *b, qn_ll_lane_ref x) {
  qn_ll_lane_ref one = add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = 1});
  qn_ll_lane_ref most = add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = 0x7FFF});
  qn_ll_lane_ref odd = qn__ll_lane_put_binary(b, "vpandd", -1, put_unary(b, "vpsrld", 16, x), one);
  return qn__ll_lane_put_binary(b, "vpaddd", -1, qn__ll_lane_put_binary(b, "vpaddd", -1, x, most), odd);
}

/* A NaN loses what it carries; the rest is left to the conversion. */
static qn_ll_lane_ref put_half_out(builder *b, const qn_tinst *inst) {
  qn__ll_lane_drop(b, inst->a);
  qn_ll_lane_ref x = qn__ll_lane_use(b, inst->b), to;
  if (!b->nan_mask && b->l->num_masks == QN_LANE_MASKS) b->l->failed = true;
  if (!b->nan_mask) b->nan_mask = (uint8_t)++b->l->num_masks;
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = "vcmpps",
                                     .form = QN_LANE_COMPARE,
                                     .imm = UNORDERED,
                                     .dst = {QN_LANE_NONE, (uint16_t)(b->nan_mask - 1)},
                                     .a = x,
                                     .b = x});
  to = is_over(b, x) ? x : qn__ll_lane_copied(b, x);
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = "vpternlogd",
                                     .form = QN_LANE_FMA_213,
                                     .imm = AND_OR,
                                     .mask = b->nan_mask,
                                     .dst = to,
                                     .a = add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = 0xFF800000u}),
                                     .b = add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = 0x00400000u})});
  return inst->pred ? put_rounded(b, to) : to;
}

static void put_inst(builder *b, uint32_t i) {
  const qn_tinst *inst = &b->tape->insts[i], *of;
  qn_ll_lane_ref none = {QN_LANE_NONE, 0}, x, y;
  if (is_kept(b, i)) {
    b->at[i] = qn__ll_lane_load(b, b->s->kept_at, "vmovups", 32);
  } else if (inst->op == QN_T_FCMP) {
    b->at[i] = none; /* written where it is used */
    return;
  } else if (is_rounded_load(b, inst)) {
    b->at[i] = put_rounded_load(b, inst);
  } else if (inst->op == QN_T_INPUT && (is_narrow(inst) || inst->type == QN_TI1 || b->s->late)) {
    b->at[i] = none; /* loaded where it is widened, asked, or used */
    return;
  } else if (is_truncated(b, i)) {
    b->at[i] = qn__ll_lane_use(b, inst->a); /* narrowed where it is stored */
    return;
  } else if (inst->op == QN_T_HALF_OUT) {
    b->at[i] = put_half_out(b, inst);
  } else if (!is_wide(inst)) {
    b->l->failed = true;
  } else if (inst->op == QN_T_HALF_IN) {
    b->at[i] = put_half_in(b, inst);
  } else if (inst->op == QN_T_INPUT) {
    b->at[i] = load_input(b, i);
  } else if (inst->op == QN_T_BITCAST) {
    of = &b->tape->insts[inst->a];
    if (!is_wide(of)) b->l->failed = true;
    b->at[i] = qn__ll_lane_use(b, inst->a);
    b->op_of[i] = b->op_of[inst->a];
    return;
  } else if (b->s->counts && i == b->s->sum) {
    b->at[i] = put_count(b, inst);
  } else if (b->s->counts && i == b->s->difference) {
    b->at[i] = put_difference(b, inst);
  } else if (inst->op == QN_T_SELECT) {
    b->at[i] = qn__ll_lane_put_select(b, i);
  } else if (inst->op == QN_T_FDIV) {
    b->at[i] = put_division(b, i);
  } else if (inst->op == QN_T_FPTOSI) {
    b->at[i] = put_conversion(b, inst);
  } else if (inst->op == QN_T_ZEXT || inst->op == QN_T_SEXT) {
    b->at[i] = put_widened(b, inst);
  } else if (inst->op == QN_T_FMAX || inst->op == QN_T_FMIN) {
    b->at[i] = put_limit(b, inst);
  } else if (inst->op == QN_T_IMUL) {
    b->at[i] = put_product(b, inst);
  } else if (inst->op == QN_T_FMA) {
    qn_ll_lane_ref z;
    x = qn__ll_lane_use(b, inst->a), y = qn__ll_lane_use(b, inst->b), z = qn__ll_lane_use(b, inst->c);
    b->at[i] = put_fma(b, x, y, z);
  } else if (binary_names[inst->op]) {
    x = qn__ll_lane_use(b, inst->a), y = qn__ll_lane_use(b, inst->b);
    b->at[i] = qn__ll_lane_put_binary(b, binary_names[inst->op], -1, x, y);
  } else if (unary_names[inst->op].name) {
    x = qn__ll_lane_use(b, inst->a);
    b->at[i] = put_unary(b, unary_names[inst->op].name, unary_names[inst->op].imm, x);
  } else {
    b->l->failed = true;
  }
  b->op_of[i] = b->l->num_ops;
}

/* ---- what comes of it ---- */

static void put_reduction(builder *b, const qn_ll_lanes_sink *k) {
  const qn_tinst *inst = &b->tape->insts[k->reduction];
  qn_ll_lane_ref sum = {QN_LANE_SUM, (uint16_t)b->l->num_sums};
  qn_ll_lane_op op = {
      .name = "vaddps", .form = QN_LANE_BINARY, .imm = -1, .dst = sum, .a = sum, .b = qn__ll_lane_use(b, k->reg)};
  if (inst->op != QN_T_ALL_FSUM) op.name = "vrangeps", op.imm = inst->op == QN_T_ALL_FMAX ? 5 : 4;
  if (inst->type != QN_TF32 || inst->op > QN_T_ALL_FSUM) b->l->failed = true;
  b->l->num_sums += 2;
  qn__ll_lane_put(b, op);
}

/* Lower halves next to each other. */
static qn_ll_lane_ref put_lower(builder *b, qn_ll_lane_ref x) {
  qn_ll_lane_ref dst = qn__ll_lane_temp(b);
  qn__ll_lane_put(
      b, (qn_ll_lane_op){.name = "vpmovdw", .form = QN_LANE_UNARY, .imm = -1, .to_halves = true, .dst = dst, .a = x});
  return dst;
}

static void put_narrowed(builder *b, const qn_ll_lanes_sink *k) {
  bool bytes = b->tape->insts[k->reg].type == QN_TI8;
  if (k->to->access != QN_ACCESS_DENSE || qn__ll_mem_bits(k->to->mem) != (bytes ? 8 : 16)) b->l->failed = true;
  if (b->s->region->g->past_caches || k->to->mem == QN_I1) b->l->failed = true;
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = bytes ? "vpmovdb" : "vpmovdw",
                                     .form = QN_LANE_STORE,
                                     .imm = -1,
                                     .a = qn__ll_lane_use(b, k->reg),
                                     .place = k->to});
}

static void put_packed(builder *b, const qn_ll_lanes_sink *k) {
  const qn_ll_narrow *n = b->s->packs;
  bool right = k->to->access == QN_ACCESS_DENSE && qn__ll_mem_bits(k->to->mem) == 8 && !n->floats && !n->limits;
  uint32_t add = (uint32_t)n->add & 0xFFFF;
  if (!right || b->s->region->g->past_caches) b->l->failed = true;
  qn_ll_lane_op op = {.name = n->is_unsigned ? "vpackuswb" : "vpacksswb", .form = QN_LANE_PACK, .imm = -1};
  op.a = qn__ll_lane_use(b, k->reg);
  op.b = add_fixed(b, (qn_ll_lane_fixed){.value = QN_LANE_QUARTERS});
  if (add) op.c = add_fixed(b, (qn_ll_lane_fixed){.is_const = true, .bits = add << 16 | add});
  op.dst = qn__ll_lane_temp(b), op.place = k->to;
  qn__ll_lane_put(b, op);
}

static void put_store(builder *b, const qn_ll_lanes_sink *k) {
  bool past = b->s->region->g->past_caches, halves = is_halves(b, k->reg);
  if (b->s->packs || is_truncated(b, k->reg)) {
    (b->s->packs ? put_packed : put_narrowed)(b, k);
    return;
  }
  if (k->to->access != QN_ACCESS_DENSE || qn__ll_mem_bits(k->to->mem) != (halves ? 16 : 32)) b->l->failed = true;
  qn_ll_lane_op op = {.name = past ? "vmovntps" : "vmovups",
                      .form = QN_LANE_STORE,
                      .imm = -1,
                      .a = qn__ll_lane_use(b, k->reg),
                      .place = k->to};
  if (is_upper(b, k->reg)) {
    op.a = put_unary(b, "vpsrld", 16, op.a);
    if (past)
      op.a = put_lower(b, op.a), op.of_halves = true;
    else
      op.name = "vpmovdw";
  } else if (halves && past)
    op.a = put_halves(b, op.a), op.of_halves = true;
  else if (halves)
    op.name = "vcvtps2ph", op.imm = NEAREST;
  qn__ll_lane_put(b, op);
}

static void put_sinks(builder *b) {
  const qn_ll_lanes *s = b->s;
  for (uint32_t k = 0; k < s->num_sinks; k++)
    if (s->sinks[k].to)
      put_store(b, &s->sinks[k]);
    else
      put_reduction(b, &s->sinks[k]);
  if (s->counts) b->l->ops[b->counted].dst = (qn_ll_lane_ref){QN_LANE_SUM, (uint16_t)b->l->num_sums++};
  if (!s->finds_least) return;
  qn_ll_lane_ref least = {QN_LANE_SUM, (uint16_t)b->l->num_sums++};
  uint8_t mask = qn__ll_lane_mask_of(b, s->least_but, true);
  qn__ll_lane_put(b, (qn_ll_lane_op){.name = "vminps",
                                     .form = QN_LANE_BINARY,
                                     .imm = -1,
                                     .mask = mask,
                                     .dst = least,
                                     .a = qn__ll_lane_use(b, s->least_of),
                                     .b = least});
}

qn_ll_lane_list *qn__ll_lane_list(const qn_ll_lanes *s) {
  qn_ll *g = s->region->g;
  builder b = {.s = s, .tape = s->region->tape};
  uint32_t n = b.tape->num_insts;
  if (!g->x86 || g->isa->vector_bits != 512 || g->lanes != 16) return NULL;
  b.l = qn__arena_array(g->arena, 1, sizeof *b.l);
  b.seen = qn__arena_array(g->arena, n, sizeof *b.seen);
  b.left = qn__arena_array(g->arena, n, sizeof *b.left);
  b.at = qn__arena_array(g->arena, n, sizeof *b.at);
  b.op_of = qn__arena_array(g->arena, n, sizeof *b.op_of);
  b.mask_of = qn__arena_array(g->arena, n, sizeof *b.mask_of);
  if (!b.l || !b.seen || !b.left || !b.at || !b.op_of || !b.mask_of) {
    g->failed = g->out_of_memory = true;
    return NULL;
  }
  see_all(&b);
  for (uint32_t i = 0; i < n && !b.l->failed; i++)
    if (b.seen[i] && qn__ll_lane_by_lane(&b, i)) put_inst(&b, i);
  for (uint32_t k = 0; k < s->num_sinks; k++) /* what is stored or added up is made here */
    if (!qn__ll_lane_by_lane(&b, s->sinks[k].reg)) b.l->failed = true;
  if (!b.l->failed) put_sinks(&b);
  return b.l->failed ? NULL : b.l;
}
