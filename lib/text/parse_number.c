/* Numbers: integers with a sign, floats rounded once, bit patterns. */
#include "convert.h"
#include "floattext.h"
#include "parser.h"
#include "scalar.h"

static bool is_hex(qn_str s) {
  return s.size > 2 && s.data[0] == '0' && s.data[1] == 'x';
}

static unsigned digit_of(char c) {
  if (c >= '0' && c <= '9') return (unsigned)(c - '0');
  return (unsigned)((c | 0x20) - 'a') + 10;
}

static bool read_u64(qn_str s, uint64_t *out) {
  unsigned base = is_hex(s) ? 16 : 10;
  uint64_t v = 0;
  for (size_t i = base == 16 ? 2 : 0; i < s.size; i++) {
    unsigned d = digit_of(s.data[i]);
    if (v > (UINT64_MAX - d) / base) return false;
    v = v * base + d;
  }
  *out = v;
  return true;
}

/* '+' is no MLIR, but stands in exponents only; a number has at most a minus. */
static bool take_sign(qn__parser *p) {
  return qn__take(p, '-');
}

bool qn__parse_integer(qn__parser *p, int64_t *out, bool *above) {
  qn__token at = p->tok;
  bool negative = take_sign(p);
  uint64_t v;
  if (!qn__at(p, QN__TOK_INT)) return qn__expected(p, "an integer");
  if (!read_u64(p->tok.text, &v) || (negative && v > (uint64_t)INT64_MAX + 1))
    return qn__fail(p, &at, QN_DIAG_OVERFLOW, "this integer does not fit 64 bits");
  *above = !negative && v > INT64_MAX;
  *out = (int64_t)(negative ? 0 - v : v);
  qn__advance(p);
  return true;
}

bool qn__parse_i64(qn__parser *p, int64_t *out) {
  bool above = false;
  qn__token at = p->tok;
  if (!qn__parse_integer(p, out, &above)) return false;
  return !above || qn__fail(p, &at, QN_DIAG_OVERFLOW, "this integer does not fit 64 bits with a sign");
}

/* A signless type of n bits takes both readings of its codes, -2^(n-1) to 2^n - 1; the others their own values. */
bool qn__int_fits(qn_scalar s, int64_t v, bool above) {
  const qn_scalar_info *info = qn_scalar_get(s);
  if (info->bits >= 64) return !above ? v >= 0 || info->cls != QN_UNSIGNED : info->cls != QN_SIGNED && s != QN_INDEX;
  if (above) return false;
  if (v < 0) return info->cls != QN_UNSIGNED && s != QN_I1 && v >= qn_scalar_min(s);
  uint64_t limit = info->cls == QN_SIGNLESS ? (UINT64_C(1) << info->bits) - 1 : (uint64_t)qn_scalar_max(s);
  return (uint64_t)v <= limit;
}

static bool is_finite(qn_scalar s, uint64_t bits) {
  return (qn__f64_bits(qn__scalar_value(s, bits)) >> 52 & 0x7FF) != 0x7FF;
}

bool qn__parse_float(qn__parser *p, qn_scalar format, uint64_t *bits) {
  qn__token at = p->tok;
  bool negative = take_sign(p);
  qn_str text = p->tok.text;
  unsigned width = qn_scalar_get(format)->bits;
  if (!qn__at(p, QN__TOK_FLOAT) && !qn__at(p, QN__TOK_INT)) return qn__expected(p, "a number");
  if (negative && is_hex(text)) return qn__fail(p, &at, QN_DIAG_SYNTAX, "the bits of a float have no sign before them");
  if (!qn__float_read(format, text, bits))
    return qn__fail(p, &at, QN_DIAG_SYNTAX, "'%.*s' is no %s", (int)text.size, text.data, qn_scalar_get(format)->text);
  if (!is_hex(text) && !is_finite(format, *bits))
    return qn__fail(p, &at, QN_DIAG_OVERFLOW, "%s%.*s does not fit %s", negative ? "-" : "", (int)text.size, text.data,
                    qn_scalar_get(format)->text);
  if (negative && format == QN_F8E8M0FNU) return qn__fail(p, &at, QN_DIAG_OVERFLOW, "f8E8M0FNU has no negative values");
  if (negative) *bits ^= UINT64_C(1) << (width - 1);
  qn__advance(p);
  return true;
}

bool qn__parse_f32(qn__parser *p, float *out) {
  uint64_t bits = 0;
  if (!qn__parse_float(p, QN_F32, &bits)) return false;
  *out = qn__f32_of_bits((uint32_t)bits);
  return true;
}

bool qn__parse_f64(qn__parser *p, double *out) {
  uint64_t bits = 0;
  if (!qn__parse_float(p, QN_F64, &bits)) return false;
  *out = qn__f64_of_bits(bits);
  return true;
}
