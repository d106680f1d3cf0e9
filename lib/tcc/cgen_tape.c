/* Tape instructions as C statements. Registers are unsigned integers, so that arithmetic wraps by the rules of C, and
 * signed operations say so with a cast. A mask is an int that is 0 or 1. */
#include "cgen.h"
#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {"int", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "float", "double"};
static const char *const signed_names[] = {"int", "int8_t", "int16_t", "int32_t", "int64_t", "float", "double"};

const char *qn__c_signed_type(qn_treg t) {
  return signed_names[t];
}
const char *qn__c_type(qn_treg t) {
  return type_names[t];
}

static const char *const nouns[QN_T_COUNT] = {
    [QN_T_CONST] = "c",          [QN_T_IADD] = "sum",         [QN_T_ISUB] = "diff",        [QN_T_IMUL] = "prod",
    [QN_T_SDIV] = "quot",        [QN_T_UDIV] = "quot",        [QN_T_AND] = "bits",         [QN_T_OR] = "bits",
    [QN_T_XOR] = "bits",         [QN_T_SHL] = "shifted",      [QN_T_SHRS] = "shifted",     [QN_T_SHRU] = "shifted",
    [QN_T_SMAX] = "max",         [QN_T_SMIN] = "min",         [QN_T_UMAX] = "max",         [QN_T_UMIN] = "min",
    [QN_T_FADD] = "sum",         [QN_T_FSUB] = "diff",        [QN_T_FMUL] = "prod",        [QN_T_FDIV] = "quot",
    [QN_T_FMA] = "fma",          [QN_T_FSQRT] = "root",       [QN_T_FMAX] = "max",         [QN_T_FMIN] = "min",
    [QN_T_FROUND] = "round",     [QN_T_FFLOOR] = "floor",     [QN_T_FCEIL] = "ceil",       [QN_T_ICMP] = "is",
    [QN_T_FCMP] = "is",          [QN_T_SELECT] = "pick",      [QN_T_SEXT] = "wide",        [QN_T_ZEXT] = "wide",
    [QN_T_TRUNC] = "low",        [QN_T_SITOFP] = "real",      [QN_T_UITOFP] = "real",      [QN_T_FPTOSI] = "whole",
    [QN_T_FPTOUI] = "whole",     [QN_T_FEXT] = "real",        [QN_T_FTRUNC] = "real",      [QN_T_BITCAST] = "as",
    [QN_T_FSCALE] = "scaled",    [QN_T_HALF_IN] = "wide",     [QN_T_HALF_OUT] = "low",     [QN_T_ALL_FMAX] = "row_max",
    [QN_T_ALL_FMIN] = "row_min", [QN_T_ALL_FSUM] = "row_sum", [QN_T_ALL_SMAX] = "row_max", [QN_T_ALL_SMIN] = "row_min",
    [QN_T_ALL_ISUM] = "row_sum",
};

static bool is_float(unsigned t) {
  return t == QN_TF32 || t == QN_TF64;
}

static void int_literal(qn_cgen *g, qn_treg t, uint64_t v) {
  const char *suffix = t == QN_TI64 ? "ull" : t == QN_TI1 ? "" : "u";
  qn__buf_fmt(g->out, v < 4096 ? "%llu%s" : "0x%llx%s", (unsigned long long)v, suffix);
}

void qn__c_reg(qn_cgen *g, const qn_cregion *r, uint32_t reg) {
  const qn_tinst *i = &r->tape->insts[reg];
  if (i->op == QN_T_INPUT)
    qn__buf_c(g->out, r->inputs[i->a]);
  else if (i->op == QN_T_CONST && !is_float(i->type))
    int_literal(g, (qn_treg)i->type, i->imm);
  else
    qn__buf_fmt(g->out, "%s%u", nouns[i->op], reg);
}

bool qn__c_region_init(qn_cregion *r, const qn_tape *t, const char *const *names, const uint8_t *levels,
                       uint8_t row_level, qn_arena *arena) {
  *r = (qn_cregion){t, qn__arena_array(arena, t->num_insts, 1), names};
  if (!r->level) return false;
  for (uint32_t i = 0; i < t->num_insts; i++) {
    const qn_tinst *x = &t->insts[i];
    if (x->op == QN_T_INPUT)
      r->level[i] = levels[x->a];
    else if (x->op >= QN_T_ALL_FMAX)
      r->level[i] = row_level;
    else
      for (uint32_t k = 0; k < qn__tape_ops[x->op].num_args; k++)
        if (r->level[qn__c_arg(x, k)] > r->level[i]) r->level[i] = r->level[qn__c_arg(x, k)];
  }
  return true;
}

/* ---- expressions: $a $b $c are operands, $A $B the same as signed, $t and $s the result's type, unsigned and signed,
 * $w the result's width, $m its width less one, $f "f" for float and nothing for double ---- */

static const char *const forms[QN_T_COUNT] = {
    [QN_T_IADD] = "$a + $b",
    [QN_T_ISUB] = "$a - $b",
    [QN_T_IMUL] = "$a * $b",
    [QN_T_SDIV] = "qn_sdiv($A, $B)",
    [QN_T_UDIV] = "qn_udiv($a, $b)",
    [QN_T_AND] = "$a & $b",
    [QN_T_OR] = "$a | $b",
    [QN_T_XOR] = "$a ^ $b",
    [QN_T_SHL] = "$b < $w ? $a << $b : 0",
    [QN_T_SHRS] = "$A >> ($b < $w ? $b : $m)",
    [QN_T_SHRU] = "$b < $w ? $a >> $b : 0",
    [QN_T_SMAX] = "$A > $B ? $a : $b",
    [QN_T_SMIN] = "$A < $B ? $a : $b",
    [QN_T_UMAX] = "$a > $b ? $a : $b",
    [QN_T_UMIN] = "$a < $b ? $a : $b",
    [QN_T_FADD] = "$a + $b",
    [QN_T_FSUB] = "$a - $b",
    [QN_T_FMUL] = "$a * $b",
    [QN_T_FDIV] = "$a / $b",
    [QN_T_FMA] = "qn_fma$f($a, $b, $c)",
    [QN_T_FSQRT] = "qn_sqrt$f($a)",
    [QN_T_FMAX] = "qn_fmax$f($a, $b)",
    [QN_T_FMIN] = "qn_fmin$f($a, $b)",
    [QN_T_FROUND] = "qn_round$f($a)",
    [QN_T_FFLOOR] = "qn_floor$f($a)",
    [QN_T_FCEIL] = "qn_ceil$f($a)",
    [QN_T_SELECT] = "$a ? $b : $c",
    [QN_T_SEXT] = "$A",
    [QN_T_ZEXT] = "$a",
    [QN_T_TRUNC] = "$a",
    [QN_T_FEXT] = "$a",
    [QN_T_FTRUNC] = "$a",
    [QN_T_HALF_IN] = "$a",
    [QN_T_HALF_OUT] = "$a",
};

/* By predicate; cmpf: $a and $b are evaluated twice, which names allow. */
static const char *const icmp_forms[] = {"$a == $b", "$a != $b", "$A < $B",  "$A <= $B", "$A > $B",
                                         "$A >= $B", "$a < $b",  "$a <= $b", "$a > $b",  "$a >= $b"};
static const char *const fcmp_forms[] = {"0",
                                         "$a == $b",
                                         "$a > $b",
                                         "$a >= $b",
                                         "$a < $b",
                                         "$a <= $b",
                                         "$a < $b || $a > $b",
                                         "$a == $a && $b == $b",
                                         "!($a < $b || $a > $b)",
                                         "!($a <= $b)",
                                         "!($a < $b)",
                                         "!($a >= $b)",
                                         "!($a > $b)",
                                         "!($a == $b)",
                                         "!($a == $a && $b == $b)",
                                         "1"};

static const char *convert_form(const qn_tinst *i, qn_treg from) {
  bool wide = i->type == QN_TF64;
  switch (i->op) {
  case QN_T_SITOFP: return "$A";
  case QN_T_UITOFP: return from == QN_TI64 ? (wide ? "qn_u64_to_f64($a)" : "qn_u64_to_f32($a)") : "(int64_t)$a";
  case QN_T_FPTOSI: return "($s)$a";
  case QN_T_FPTOUI:
    return i->type == QN_TI64 ? (from == QN_TF64 ? "qn_f64_to_u64($a)" : "qn_f32_to_u64($a)") : "(int64_t)$a";
  default: /* BITCAST */
    switch (from) {
    case QN_TF32: return "qn_bits32($a)";
    case QN_TF64: return "qn_bits64($a)";
    case QN_TI64: return "qn_f64($a)";
    default: return "qn_f32($a)";
    }
  }
}

static const char *form_of(const qn_tape *t, const qn_tinst *i) {
  bool constant_count = t->insts[i->b].op == QN_T_CONST && t->insts[i->b].imm < qn__tape_bits((qn_treg)i->type);
  switch (i->op) {
  case QN_T_ICMP: return icmp_forms[i->pred];
  case QN_T_FCMP:
    if (i->a == i->b && i->pred == 7) return "$a == $a"; /* ordered: no NaN */
    if (i->a == i->b && i->pred == 14) return "$a != $a";
    return fcmp_forms[i->pred];
  case QN_T_SHL: /* as uint32_t where int would be too narrow */
    if (i->type == QN_TI8 || i->type == QN_TI16)
      return constant_count ? "(uint32_t)$a << $b" : "$b < $w ? (uint32_t)$a << $b : 0";
    return constant_count ? "$a << $b" : forms[i->op];
  case QN_T_SHRS: return constant_count ? "$A >> $b" : forms[i->op];
  case QN_T_SHRU: return constant_count ? "$a >> $b" : forms[i->op];
  /* Two 16-bit factors would be multiplied as int, which can overflow. */
  case QN_T_IMUL: return i->type == QN_TI16 ? "(uint32_t)$a * $b" : forms[i->op];
  case QN_T_SEXT: return t->insts[i->a].type == QN_TI1 ? "0 - ($t)$a" : forms[i->op];
  case QN_T_FSCALE: /* by two normal powers of two, the first product exact */
    return i->pred ? "$a * qn_f32(($c + 127u) << 23)"
                   : "$a * qn_f32(((uint32_t)((int32_t)$c >> 1) + 127u) << 23) * "
                     "qn_f32(($c - (uint32_t)((int32_t)$c >> 1) + 127u) << 23)";
  case QN_T_SITOFP:
  case QN_T_UITOFP:
  case QN_T_FPTOSI:
  case QN_T_FPTOUI:
  case QN_T_BITCAST: return convert_form(i, (qn_treg)t->insts[i->a].type);
  default: return forms[i->op];
  }
}

static void signed_operand(qn_cgen *g, const qn_cregion *r, uint32_t reg) {
  qn_treg t = (qn_treg)r->tape->insts[reg].type;
  if (t != QN_TI1) qn__buf_fmt(g->out, "(%s)", signed_names[t]);
  qn__c_reg(g, r, reg);
}

static void expand(qn_cgen *g, const qn_cregion *r, const qn_tinst *i, const char *form) {
  uint32_t bits = qn__tape_bits((qn_treg)i->type);
  for (const char *c = form; *c; c++) {
    if (*c != '$') {
      qn__buf_char(g->out, *c);
      continue;
    }
    switch (*++c) {
    case 'a': qn__c_reg(g, r, i->a); break;
    case 'b': qn__c_reg(g, r, i->b); break;
    case 'c': qn__c_reg(g, r, i->c); break;
    case 'A': signed_operand(g, r, i->a); break;
    case 'B': signed_operand(g, r, i->b); break;
    case 't': qn__buf_c(g->out, qn__c_type((qn_treg)i->type)); break;
    case 's': qn__buf_c(g->out, signed_names[i->type]); break;
    case 'w': qn__buf_u64(g->out, bits); break;
    case 'm': qn__buf_u64(g->out, bits - 1); break;
    default: qn__buf_c(g->out, i->type == QN_TF32 ? "f" : ""); break;
    }
  }
}

/* const TYPE name = ..; for an instruction that is neither input nor reduction. */
static void inst(qn_cgen *g, const qn_cregion *r, uint32_t reg) {
  const qn_tinst *i = &r->tape->insts[reg];
  const char *type = qn__c_type((qn_treg)i->type);
  bool cast =
      !is_float(i->type) || i->op == QN_T_FEXT || i->op == QN_T_FTRUNC || i->op == QN_T_SITOFP || i->op == QN_T_UITOFP;
  qn__c_indent(g);
  qn__buf_fmt(g->out, "const %s ", type);
  qn__c_reg(g, r, reg);
  if (cast)
    qn__buf_fmt(g->out, " = (%s)(", type);
  else
    qn__buf_c(g->out, " = ");
  expand(g, r, i, form_of(r->tape, i));
  qn__buf_c(g->out, cast ? ");\n" : ";\n");
}

void qn__c_level(qn_cgen *g, const qn_cregion *r, uint8_t level, uint8_t stage, const bool *only) {
  for (uint32_t k = 0; k < r->tape->num_insts; k++) {
    const qn_tinst *i = &r->tape->insts[k];
    bool computed = i->op != QN_T_INPUT && i->op != QN_T_CONST && i->op < QN_T_ALL_FMAX;
    if (computed && r->level[k] == level && (only ? only[k] : i->stage == stage)) inst(g, r, k);
  }
}

void qn__c_constants(qn_cgen *g, const qn_tape *t) {
  for (uint32_t k = 0; k < t->num_insts; k++) {
    const qn_tinst *i = &t->insts[k];
    if (i->op != QN_T_CONST || !is_float(i->type)) continue;
    bool wide = i->type == QN_TF64;
    double v;
    float f;
    uint32_t low = (uint32_t)i->imm;
    if (wide) {
      memcpy(&v, &i->imm, sizeof v);
    } else {
      memcpy(&f, &low, sizeof f);
      v = (double)f;
    }
    /* Bits, not decimals: no reader rounds them, and the locale of the process has no say. */
    char text[40];
    snprintf(text, sizeof text, wide ? "%.17g" : "%.9g", v);
    for (char *c = text; *c; c++)
      if (*c == ',') *c = '.';
    qn__c_indent(g);
    if (wide)
      qn__buf_fmt(g->out, "const double c%u = qn_f64(0x%016llxull); /* %s */\n", k, (unsigned long long)i->imm, text);
    else
      qn__buf_fmt(g->out, "const float c%u = qn_f32(0x%08xu); /* %s */\n", k, low, text);
  }
}

/* ---- memory ---- */

void qn__c_load(qn_cgen *g, const char *name, qn_scalar mem, const char *pointer, const char *at) {
  qn_treg t = qn__tape_reg(mem);
  int bits = qn_scalar_get(mem)->storage_bits;
  const char *plus = at ? " + " : "", *offset = at ? at : "";
  qn__c_indent(g);
  qn__buf_fmt(g->out, "const %s %s = ", qn__c_type(t), name);
  if (bits < 8) {
    bool is_signed = qn_scalar_is_int(mem) && qn_scalar_get(mem)->cls != QN_UNSIGNED;
    qn__buf_fmt(g->out, "qn_unpack%s(%s, %s, %d);\n", is_signed ? "_signed" : "", pointer, at ? at : "0", bits);
  } else if (t == QN_TI1) {
    qn__buf_fmt(g->out, "ld_u8(%s%s%s) != 0;\n", pointer, plus, offset);
  } else if (is_float(t)) {
    qn__buf_fmt(g->out, "ld_f%d(%s%s%s);\n", bits, pointer, plus, offset);
  } else {
    qn__buf_fmt(g->out, "ld_u%d(%s%s%s);\n", bits, pointer, plus, offset);
  }
}

void qn__c_store(qn_cgen *g, const qn_cregion *r, uint32_t output, const char *pointer, const char *at) {
  qn_scalar mem = r->tape->output_mem[output];
  int bits = qn_scalar_get(mem)->storage_bits;
  qn__c_indent(g);
  if (bits < 8)
    qn__buf_fmt(g->out, "qn_pack(%s, %s, %d, ", pointer, at ? at : "0", bits);
  else
    qn__buf_fmt(g->out, "st_%s%d(%s%s%s, ", is_float(qn__tape_reg(mem)) ? "f" : "u", bits, pointer, at ? " + " : "",
                at ? at : "");
  if (qn__tape_reg(mem) == QN_TI1) qn__buf_c(g->out, "(uint8_t)");
  qn__c_reg(g, r, r->tape->outputs[output]);
  qn__buf_c(g->out, ");\n");
}
