/* Conversions. Floats below 32 bits are integers to a code generator: widening and narrowing are written out in integer
 * instructions, one exact multiplication (widening) and one addition that rounds (subnormal results). */
#include "convert.h"
#include "tape_builder.h"
#include <math.h>

uint32_t qn__tb_bitcast(qn__tb *tb, uint32_t reg) {
  static const uint8_t other[] = {QN_TI1, QN_TI8, QN_TI16, QN_TF32, QN_TF64, QN_TI32, QN_TI64};
  return qn__tb_1(tb, QN_T_BITCAST, (qn_treg)other[qn__tb_type(tb, reg)], reg);
}

uint32_t qn__tb_abs(qn__tb *tb, uint32_t reg) {
  uint64_t mask = qn__tb_type(tb, reg) == QN_TF64 ? 0x7FFFFFFFFFFFFFFFu : 0x7FFFFFFFu;
  return qn__tb_bitcast(tb, qn__tb_imm(tb, QN_T_AND, qn__tb_bitcast(tb, reg), mask));
}

/* The sign bit of a value of `bits` bits. */
static uint64_t sign_of(unsigned bits) {
  return (uint64_t)1 << (bits - 1);
}

/* All-ones exponent, mantissa 0: the first code that is no number, or would be. */
static uint64_t first_special(const qn_float_format *f) {
  return sign_of(f->bits) - ((uint64_t)1 << f->man_bits);
}

static uint64_t largest_code(const qn_float_format *f) {
  if (f->special == QN__SPECIAL_IEEE) return first_special(f) - 1;
  return sign_of(f->bits) - (f->special == QN__SPECIAL_FINITE ? 1 : 2);
}

/* ---- to f32 ---- */

static uint32_t widen_exponent_only(qn__tb *tb, uint32_t code) {
  uint32_t r = qn__tb_imm(tb, QN_T_SHL, code, 23);
  uint32_t zero = qn__tb_icmp(tb, QN__ICMP_EQ, code, qn__tb_const(tb, QN_TI32, 0));
  uint32_t nan = qn__tb_icmp(tb, QN__ICMP_EQ, code, qn__tb_const(tb, QN_TI32, 0xFF));
  r = qn__tb_select(tb, zero, qn__tb_const(tb, QN_TI32, 0x00400000u), r); /* 2^-127 is subnormal in f32 */
  r = qn__tb_select(tb, nan, qn__tb_const(tb, QN_TI32, 0x7FC00000u), r);
  return qn__tb_bitcast(tb, r);
}

static uint32_t widen_small(qn__tb *tb, uint32_t bits, const qn_float_format *f) {
  uint32_t code = qn__tb_1(tb, QN_T_ZEXT, QN_TI32, bits);
  if (f->special == QN__SPECIAL_EXPONENT) return widen_exponent_only(tb, code);
  uint32_t magnitude = qn__tb_imm(tb, QN_T_AND, code, sign_of(f->bits) - 1);
  uint32_t sign = qn__tb_imm(tb, QN_T_SHL, qn__tb_imm(tb, QN_T_AND, code, sign_of(f->bits)), 32u - f->bits);
  uint32_t moved = qn__tb_imm(tb, QN_T_SHL, magnitude, 23u - f->man_bits), value = moved;
  if (f->bias != 127) {
    /* Exact for subnormals too: the exponent field is off by a constant, which is a power of two. */
    uint32_t scale = qn__tb_f(tb, QN_TF32, ldexp(1.0, 127 - f->bias));
    value = qn__tb_bitcast(tb, qn__tb_2(tb, QN_T_FMUL, qn__tb_bitcast(tb, moved), scale));
  }
  if (f->special == QN__SPECIAL_IEEE) {
    uint32_t special = qn__tb_icmp(tb, QN__ICMP_UGE, magnitude, qn__tb_const(tb, QN_TI32, first_special(f)));
    uint32_t nan = qn__tb_icmp(tb, QN__ICMP_UGT, magnitude, qn__tb_const(tb, QN_TI32, first_special(f)));
    uint32_t quiet =
        qn__tb_select(tb, nan, qn__tb_const(tb, QN_TI32, 0x7FC00000u), qn__tb_const(tb, QN_TI32, 0x7F800000u));
    value = qn__tb_select(tb, special, qn__tb_2(tb, QN_T_OR, moved, quiet), value);
  } else if (f->special == QN__SPECIAL_NAN) {
    uint32_t nan = qn__tb_icmp(tb, QN__ICMP_EQ, magnitude, qn__tb_const(tb, QN_TI32, sign_of(f->bits) - 1));
    value = qn__tb_select(tb, nan, qn__tb_const(tb, QN_TI32, 0x7FC00000u), value);
  }
  return qn__tb_bitcast(tb, qn__tb_2(tb, QN_T_OR, value, sign));
}

/* x, which was made of `from`, where either is of type `mem`. */
static uint32_t half(qn__tb *tb, qn_topcode op, qn_scalar mem, uint32_t x, uint32_t from) {
  if (qn__tb_is_const(tb, x) || (mem != QN_F16 && mem != QN_BF16)) return x;
  return qn__tb_append(tb, (qn_tinst){.op = (uint8_t)op,
                                      .type = op == QN_T_HALF_IN ? QN_TF32 : QN_TI16,
                                      .pred = mem == QN_BF16,
                                      .a = x,
                                      .b = from});
}

uint32_t qn__tb_widen(qn__tb *tb, qn__tval v) {
  if (v.type == QN_F32 || v.type == QN_F64) return v.reg;
  const qn_float_format *f = qn__float_format(v.type);
  if (!f) return v.reg;
  uint32_t reg = f->bits < 8 ? qn__tb_imm(tb, QN_T_AND, v.reg, ((uint64_t)1 << f->bits) - 1) : v.reg;
  return half(tb, QN_T_HALF_IN, v.type, widen_small(tb, reg, f), reg);
}

/* ---- from f32 or f64 ---- */

/* A source format as its bits in an integer register. */
typedef struct source {
  qn_treg type;
  unsigned bits, man_bits;
  int bias;
  uint64_t infinity;
} source;
static const source single = {QN_TI32, 32, 23, 127, 0x7F800000u};
static const source twice = {QN_TI64, 64, 52, 1023, 0x7FF0000000000000u};

/* magnitude >> drop, rounded to nearest even. */
static uint32_t round_off(qn__tb *tb, uint32_t magnitude, unsigned drop) {
  uint32_t odd = qn__tb_imm(tb, QN_T_AND, qn__tb_imm(tb, QN_T_SHRU, magnitude, drop), 1);
  uint32_t sum = qn__tb_imm(tb, QN_T_IADD, qn__tb_2(tb, QN_T_IADD, magnitude, odd), ((uint64_t)1 << (drop - 1)) - 1);
  return qn__tb_imm(tb, QN_T_SHRU, sum, drop);
}

/* E8M0: the exponent, ties to the even one; everything below 2^-127 is 2^-127. */
static uint32_t narrow_exponent_only(qn__tb *tb, uint32_t bits, uint32_t magnitude, const source *s) {
  uint64_t low = (uint64_t)(s->bias - 127) << s->man_bits; /* code 0 as the source has it, if it is normal there */
  uint32_t code = round_off(tb, qn__tb_imm(tb, QN_T_ISUB, magnitude, low), s->man_bits);
  if (s->bias == 127) { /* 2^-127 is subnormal: above 1.5 times that rounds up */
    uint32_t subnormal = qn__tb_icmp(tb, QN__ICMP_ULT, magnitude, qn__tb_const(tb, s->type, 0x00800000u));
    uint32_t up = qn__tb_icmp(tb, QN__ICMP_UGT, magnitude, qn__tb_const(tb, s->type, 0x00600000u));
    code = qn__tb_select(tb, subnormal, qn__tb_1(tb, QN_T_ZEXT, s->type, up), code);
  } else {
    uint32_t below = qn__tb_icmp(tb, QN__ICMP_ULT, magnitude, qn__tb_const(tb, s->type, low));
    code = qn__tb_select(tb, below, qn__tb_const(tb, s->type, 0), code);
  }
  code = qn__tb_imm(tb, QN_T_UMIN, code, 0xFE);
  uint32_t nan = qn__tb_icmp(tb, QN__ICMP_UGT, magnitude, qn__tb_const(tb, s->type, s->infinity));
  uint32_t zero_bits = qn__tb_const(tb, s->type, 0);
  uint32_t negative = qn__tb_2(tb, QN_T_AND, qn__tb_icmp(tb, QN__ICMP_SLT, bits, zero_bits),
                               qn__tb_icmp(tb, QN__ICMP_NE, magnitude, zero_bits));
  return qn__tb_select(tb, qn__tb_2(tb, QN_T_OR, nan, negative), qn__tb_const(tb, s->type, 0xFF), code);
}

static uint32_t narrow_bits(qn__tb *tb, uint32_t bits, const source *s, const qn_float_format *f) {
  unsigned drop = s->man_bits - f->man_bits;
  uint32_t magnitude = qn__tb_imm(tb, QN_T_AND, bits, sign_of(s->bits) - 1);
  if (f->special == QN__SPECIAL_EXPONENT) return narrow_exponent_only(tb, bits, magnitude, s);
  uint32_t code =
      round_off(tb, qn__tb_imm(tb, QN_T_ISUB, magnitude, (uint64_t)(s->bias - f->bias) << s->man_bits), drop);
  if (s->bias != f->bias) {
    /* A float addition rounds at the step of the target's subnormals when the sum has that step. */
    qn_treg fp = s->bits == 64 ? QN_TF64 : QN_TF32;
    uint32_t magic = qn__tb_f(tb, fp, ldexp(1.0, 1 - f->bias - f->man_bits + (int)s->man_bits));
    uint32_t sum = qn__tb_bitcast(tb, qn__tb_2(tb, QN_T_FADD, qn__tb_bitcast(tb, magnitude), magic));
    uint32_t small = qn__tb_2(tb, QN_T_ISUB, sum, qn__tb_bitcast(tb, magic));
    uint64_t least = (uint64_t)(s->bias - f->bias + 1) << s->man_bits;
    code = qn__tb_select(tb, qn__tb_icmp(tb, QN__ICMP_ULT, magnitude, qn__tb_const(tb, s->type, least)), small, code);
  }
  /* f16 and bf16 overflow to infinity, smaller formats saturate. */
  code = qn__tb_imm(tb, QN_T_UMIN, code, f->bits == 16 ? first_special(f) : largest_code(f));
  uint32_t nan = qn__tb_icmp(tb, QN__ICMP_UGT, magnitude, qn__tb_const(tb, s->type, s->infinity));
  uint64_t nan_code =
      f->special == QN__SPECIAL_IEEE ? first_special(f) | (uint64_t)1 << (f->man_bits - 1) : sign_of(f->bits) - 1;
  uint32_t sign = qn__tb_imm(tb, QN_T_SHRU, qn__tb_imm(tb, QN_T_AND, bits, sign_of(s->bits)), s->bits - f->bits);
  uint32_t nan_reg = qn__tb_const(tb, s->type, nan_code);
  if (f->special == QN__SPECIAL_FINITE) /* no NaN: it becomes the largest positive value */
    return qn__tb_select(tb, nan, nan_reg, qn__tb_2(tb, QN_T_OR, code, sign));
  return qn__tb_2(tb, QN_T_OR, qn__tb_select(tb, nan, nan_reg, code), sign);
}

uint32_t qn__tb_narrow(qn__tb *tb, uint32_t reg, qn_scalar to) {
  qn_treg from = qn__tb_type(tb, reg);
  if (to == QN_F64) return from == QN_TF32 ? qn__tb_1(tb, QN_T_FEXT, QN_TF64, reg) : reg;
  if (to == QN_F32) return from == QN_TF64 ? qn__tb_1(tb, QN_T_FTRUNC, QN_TF32, reg) : reg;
  const qn_float_format *f = qn__float_format(to);
  if (!f) return reg;
  uint32_t code = narrow_bits(tb, qn__tb_bitcast(tb, reg), from == QN_TF64 ? &twice : &single, f);
  code = qn__tb_1(tb, QN_T_TRUNC, qn__tape_reg(to), code);
  return from == QN_TF32 ? half(tb, QN_T_HALF_OUT, to, code, reg) : code;
}

/* ---- floats and integers ---- */

/* Truncated and clamped; the ends of an integer type with more bits than the significand has are powers of two at the
 * top, which the conversion cannot take: those lanes are replaced afterwards. */
uint32_t qn__tb_float_to_int(qn__tb *tb, uint32_t x, qn_scalar to, bool is_signed) {
  qn_treg fp = qn__tb_type(tb, x), out = qn__tape_reg(to);
  unsigned bits = qn_scalar_get(to)->bits, precision = fp == QN_TF64 ? 53 : 24;
  if (bits == 0) return x; /* no integer type */
  double lo = is_signed ? -ldexp(1, (int)bits - 1) : 0, end = ldexp(1, (int)bits - (is_signed ? 1 : 0));
  bool exact_top = bits - (is_signed ? 1u : 0u) <= precision;
  qn__frange r = qn__tb_range(tb, x);
  if (r.nan) x = qn__tb_select(tb, qn__tb_fcmp(tb, QN__FCMP_ORD, x, x), x, qn__tb_f(tb, fp, 0));
  uint32_t clamped = x, too_large = 0;
  if (!(r.lo >= lo)) {
    uint32_t k = qn__tb_f(tb, fp, lo);
    clamped = qn__tb_select(tb, qn__tb_fcmp(tb, QN__FCMP_OGT, clamped, k), clamped, k);
  }
  bool check_top = !(r.hi < end);
  if (check_top && exact_top) {
    uint32_t k = qn__tb_f(tb, fp, end - 1);
    clamped = qn__tb_select(tb, qn__tb_fcmp(tb, QN__FCMP_OLT, clamped, k), clamped, k);
  } else if (check_top) {
    too_large = qn__tb_fcmp(tb, QN__FCMP_OGE, x, qn__tb_f(tb, fp, end));
    clamped = qn__tb_select(tb, too_large, qn__tb_f(tb, fp, 0), clamped);
  }
  bool wide = bits > 32, as_signed = is_signed || bits < 32;
  qn_treg via = wide ? QN_TI64 : QN_TI32;
  uint32_t v = qn__tb_1(tb, as_signed ? QN_T_FPTOSI : QN_T_FPTOUI, via, clamped);
  if (check_top && !exact_top) {
    uint64_t top = is_signed ? ((uint64_t)1 << (bits - 1)) - 1 : UINT64_MAX;
    v = qn__tb_select(tb, too_large, qn__tb_const(tb, via, top), v);
  }
  if (out == QN_TI1) return qn__tb_icmp(tb, QN__ICMP_NE, v, qn__tb_const(tb, via, 0));
  return qn__tb_1(tb, QN_T_TRUNC, out, v);
}

/* A magnitude of 64 bits cut to 53 with a sticky last bit, so that its f64 is exact and rounds on as the whole would.
 */
static uint32_t sticky(qn__tb *tb, uint32_t magnitude) {
  uint32_t zero = qn__tb_const(tb, QN_TI64, 0);
  uint32_t rest = qn__tb_imm(tb, QN_T_AND, magnitude, 0xFFF);
  uint32_t odd = qn__tb_1(tb, QN_T_ZEXT, QN_TI64, qn__tb_icmp(tb, QN__ICMP_NE, rest, zero));
  uint32_t cut = qn__tb_imm(tb, QN_T_SHL, qn__tb_2(tb, QN_T_OR, qn__tb_imm(tb, QN_T_SHRU, magnitude, 12), odd), 12);
  uint32_t large = qn__tb_icmp(tb, QN__ICMP_NE, qn__tb_imm(tb, QN_T_SHRU, magnitude, 53), zero);
  return qn__tb_select(tb, large, cut, magnitude);
}

static uint32_t wide_int_to_small(qn__tb *tb, uint32_t reg, qn_scalar to, bool is_signed) {
  uint32_t magnitude = reg, negative = 0;
  if (is_signed) {
    uint32_t zero = qn__tb_const(tb, QN_TI64, 0);
    negative = qn__tb_icmp(tb, QN__ICMP_SLT, reg, zero);
    magnitude = qn__tb_select(tb, negative, qn__tb_2(tb, QN_T_ISUB, zero, reg), reg);
  }
  uint32_t x = qn__tb_1(tb, QN_T_UITOFP, QN_TF64, sticky(tb, magnitude));
  if (is_signed) {
    uint32_t sign = qn__tb_imm(tb, QN_T_AND, reg, 0x8000000000000000u);
    x = qn__tb_bitcast(tb, qn__tb_2(tb, QN_T_OR, qn__tb_bitcast(tb, x), sign));
  }
  return qn__tb_narrow(tb, x, to);
}

/* Conversion instructions get 32 or 64 bits only; small unsigned values are converted as signed ones. */
uint32_t qn__tb_int_to_float(qn__tb *tb, qn__tval v, qn_scalar to, bool is_signed) {
  unsigned bits = qn_scalar_get(v.type)->bits;
  uint32_t reg = is_signed ? qn__tb_signed(tb, v) : qn__tb_unsigned(tb, v);
  qn_topcode extend = is_signed ? QN_T_SEXT : QN_T_ZEXT;
  bool small = to != QN_F32 && to != QN_F64;
  if (small && bits == 64) return wide_int_to_small(tb, reg, to, is_signed);
  if (bits < 32) reg = qn__tb_1(tb, extend, QN_TI32, reg);
  /* 32 bits are exact in f64, 16 in f32: one rounding, in the narrowing. */
  qn_treg fp = to == QN_F64 || (small && bits == 32) ? QN_TF64 : QN_TF32;
  qn_topcode op = is_signed || bits < 32 ? QN_T_SITOFP : QN_T_UITOFP;
  return qn__tb_narrow(tb, qn__tb_1(tb, op, fp, reg), to);
}

QN__TAPE_HANDLER(int_to_float) {
  result->reg = qn__tb_int_to_float(tb, qn__tb_operand(tb, 0), result->type, param == QN_T_SITOFP);
  return QN_OK;
}

QN__TAPE_HANDLER(float_to_int) {
  uint32_t x = qn__tb_widen(tb, qn__tb_operand(tb, 0));
  result->reg = qn__tb_float_to_int(tb, x, result->type, param == QN_T_FPTOSI);
  return QN_OK;
}

QN__TAPE_HANDLER(convert_float) {
  (void)param;
  qn__tval v = qn__tb_operand(tb, 0);
  result->reg = v.type == result->type ? v.reg : qn__tb_narrow(tb, qn__tb_widen(tb, v), result->type);
  return QN_OK;
}

QN__TAPE_HANDLER(bitcast) {
  (void)param;
  qn__tval v = qn__tb_operand(tb, 0);
  qn_treg from = qn__tape_reg(v.type), to = qn__tape_reg(result->type);
  if (qn_scalar_get(v.type)->bits != qn_scalar_get(result->type)->bits || (from == QN_TI1) != (to == QN_TI1))
    return qn__tb_unsupported(tb, "the types differ in width");
  result->reg = from == to ? v.reg : qn__tb_bitcast(tb, v.reg);
  return QN_OK;
}
