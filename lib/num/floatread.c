/* Text to floats in integers only: digits make a 64-bit significand with a sticky bit, and the rounding routine of
 * convert.c does the rest for every format. */
#include "bigint.h"
#include "convert.h"
#include "floattext.h"

enum { MAX_DIGITS = 800 }; /* no double's boundary has more than 768; what follows only says "and a bit more" */

typedef struct decimal {
  uint64_t w;           /* the first 19 significant digits */
  int64_t exponent;     /* value = w * 10^exponent when `exact` */
  bool exact;           /* nothing but zeros was left out of w */
  const char *at, *end; /* the digits with their point, from the first significant one */
  int64_t point;        /* value = 0.DIGITS * 10^point */
} decimal;

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* [+-]digits, saturating far beyond any float. */
static bool read_exponent(const char *p, const char *end, int64_t *out) {
  bool negative = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  if (p == end) return false;
  int64_t v = 0;
  for (; p < end; p++) {
    if (!is_digit(*p)) return false;
    if (v < 100000000) v = v * 10 + (*p - '0');
  }
  *out = negative ? -v : v;
  return true;
}

static bool read_decimal(const char *p, const char *end, decimal *d) {
  *d = (decimal){.exact = true, .at = end, .end = end};
  int64_t taken = 0, dropped = 0, after_point = 0, seen = 0;
  bool point = false;
  for (; p < end; p++) {
    if (*p == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(*p)) break;
    seen++;
    after_point += point;
    if (taken == 0 && *p == '0') continue;
    if (taken == 0) d->at = p;
    if (taken < 19) {
      d->w = d->w * 10 + (uint64_t)(*p - '0');
      taken++;
    } else {
      dropped++;
      if (*p != '0') d->exact = false;
    }
  }
  if (seen == 0) return false;
  d->end = p;
  int64_t exponent = 0;
  if (p < end && ((*p != 'e' && *p != 'E') || !read_exponent(p + 1, end, &exponent))) return false;
  d->exponent = exponent - after_point + dropped;
  d->point = d->exponent + taken;
  return true;
}

static void multiply(uint64_t a, uint64_t b, uint64_t *hi, uint64_t *lo) {
  uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
  uint64_t ll = al * bl, lh = al * bh, hl = ah * bl, hh = ah * bh;
  uint64_t mid = (ll >> 32) + (uint32_t)lh + (uint32_t)hl;
  *hi = hh + (lh >> 32) + (hl >> 32) + (mid >> 32);
  *lo = mid << 32 | (uint32_t)ll;
}

/* One 32-bit digit of (hi:next) / d, Knuth's algorithm D; hi becomes the remainder. */
static uint64_t divide_digit(uint64_t *hi, uint64_t next, uint64_t d) {
  uint64_t d1 = d >> 32, d0 = (uint32_t)d, q = *hi / d1, r = *hi % d1;
  while (q >> 32 || q * d0 > (r << 32 | next)) {
    q--;
    r += d1;
    if (r >> 32) break;
  }
  *hi = (*hi << 32 | next) - q * d; /* modulo 2^64, where the difference fits */
  return q;
}

/* (hi:lo) / d for hi < d, d with its top bit set. */
static uint64_t divide(uint64_t hi, uint64_t lo, uint64_t d, uint64_t *rest) {
  uint64_t q1 = divide_digit(&hi, lo >> 32, d);
  uint64_t q0 = divide_digit(&hi, (uint32_t)lo, d);
  *rest = hi;
  return q1 << 32 | q0;
}

static int shift_to_top(uint64_t *v) {
  int n = 0;
  for (int step = 32; step; step >>= 1) {
    if (*v >> (64 - step)) continue;
    *v <<= step;
    n += step;
  }
  return n;
}

static uint64_t pow5(unsigned k) {
  uint64_t p = 1, base = 5;
  for (; k; k >>= 1, base *= base) {
    if (k & 1) p *= base;
  }
  return p;
}

enum { SMALL_EXPONENT = 27 }; /* 5^27 < 2^63 */

/* w * 10^e, exact in 128 bits. */
static qn_unpacked scale_up(uint64_t w, unsigned e) {
  uint64_t hi, lo;
  multiply(w, pow5(e), &hi, &lo);
  qn_unpacked x = {QN__FINITE, false, (int32_t)e + 63, lo};
  if (hi) {
    x.exponent += 64;
    x.significand = hi;
  }
  int shift = shift_to_top(&x.significand);
  x.exponent -= shift;
  if (hi) {
    if (shift) x.significand |= lo >> (64 - shift);
    if (lo << shift) x.significand |= 1;
  }
  return x;
}

/* w / 10^e: 64 quotient bits, and whether anything is left. */
static qn_unpacked scale_down(uint64_t w, unsigned e) {
  uint64_t d = pow5(e), rest;
  int32_t exponent = -(int32_t)e - shift_to_top(&w) + shift_to_top(&d);
  bool below = w < d;
  uint64_t q = below ? divide(w, 0, d, &rest) : divide(w >> 1, w << 63, d, &rest);
  return (qn_unpacked){QN__FINITE, false, exponent - below, q | (rest != 0)};
}

static qn_unpacked top_of(const qn_big *b) {
  unsigned bits = qn__big_bits(b);
  qn_unpacked x = {QN__FINITE, false, (int32_t)bits - 1, 0};
  for (unsigned i = 0; i < 64; i++) x.significand = x.significand << 1 | (i < bits && qn__big_bit(b, bits - 1 - i));
  for (unsigned i = 64; i < bits && !(x.significand & 1); i++) x.significand |= qn__big_bit(b, bits - 1 - i);
  return x;
}

static qn_unpacked ratio(qn_big *a, qn_big *b) {
  int32_t la = (int32_t)qn__big_bits(a), lb = (int32_t)qn__big_bits(b);
  qn__big_shl(la < lb ? a : b, (unsigned)(la < lb ? lb - la : la - lb));
  qn_unpacked x = {QN__FINITE, false, la - lb, 0};
  if (qn__big_cmp(a, b) < 0) {
    qn__big_shl(a, 1);
    x.exponent--;
  }
  for (int i = 0; i < 64; i++) {
    bool one = qn__big_cmp(a, b) >= 0;
    if (one) qn__big_sub(a, b);
    x.significand = x.significand << 1 | one;
    qn__big_shl(a, 1);
  }
  x.significand |= a->n != 0;
  return x;
}

/* Any number of digits, any exponent, in long arithmetic. */
static qn_unpacked exact(const decimal *d) {
  qn_big a, b;
  qn__big_set(&a, 0);
  int64_t taken = 0;
  bool more = false;
  for (const char *p = d->at; p < d->end; p++) {
    if (*p == '.') continue;
    if (taken < MAX_DIGITS) {
      if (a.n)
        qn__big_mul_add(&a, 10, (uint32_t)(*p - '0'));
      else
        qn__big_set(&a, (uint64_t)(*p - '0'));
      taken++;
    } else {
      more |= *p != '0';
    }
  }
  if (more) {
    qn__big_mul_add(&a, 10, 1);
    taken++;
  }
  int64_t e = d->point - taken;
  if (e >= 0) {
    qn__big_mul_pow10(&a, (unsigned)e);
    return top_of(&a);
  }
  qn__big_set(&b, 1);
  qn__big_mul_pow5(&b, (unsigned)-e);
  qn_unpacked x = ratio(&a, &b);
  x.exponent += (int32_t)e;
  return x;
}

static qn_unpacked from_decimal(const decimal *d) {
  if (d->w == 0) return (qn_unpacked){QN__ZERO, false, 0, 0};
  if (d->point > 400) return (qn_unpacked){QN__INFINITE, false, 0, 0};
  if (d->point < -400) return (qn_unpacked){QN__FINITE, false, -2000, (uint64_t)1 << 63};
  if (d->exact && d->exponent >= 0 && d->exponent <= SMALL_EXPONENT) return scale_up(d->w, (unsigned)d->exponent);
  if (d->exact && d->exponent < 0 && d->exponent >= -SMALL_EXPONENT) return scale_down(d->w, (unsigned)-d->exponent);
  return exact(d);
}

static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* After 0x: digits, maybe a point, p and an exponent. */
static bool read_hex_float(const char *p, const char *end, qn_unpacked *x) {
  uint64_t w = 0;
  int64_t exponent = 63, digits = 0;
  bool point = false;
  for (; p < end; p++) {
    if (*p == '.' && !point) {
      point = true;
      continue;
    }
    int v = hex_digit(*p);
    if (v < 0) break;
    digits++;
    if (point) exponent -= 4;
    if (w >> 60) {
      exponent += 4;
      w |= v != 0;
    } else {
      w = w << 4 | (uint64_t)v;
    }
  }
  int64_t e2;
  if (digits == 0 || p == end || (*p != 'p' && *p != 'P') || !read_exponent(p + 1, end, &e2)) return false;
  *x = (qn_unpacked){w ? QN__FINITE : QN__ZERO, false, 0, w};
  if (!w) return true;
  exponent += e2 - shift_to_top(&x->significand);
  x->exponent = (int32_t)(exponent > 20000 ? 20000 : exponent < -20000 ? -20000 : exponent);
  return true;
}

static bool read_bits(const char *p, const char *end, unsigned width, uint64_t *bits) {
  if (p == end || (unsigned)(end - p) > (width + 3) / 4) return false;
  uint64_t v = 0;
  for (; p < end; p++) {
    int digit = hex_digit(*p);
    if (digit < 0) return false;
    v = v << 4 | (uint64_t)digit;
  }
  *bits = v;
  return true;
}

static bool is_word(const char *p, const char *end, const char *word) {
  return end - p == 3 && memcmp(p, word, 3) == 0;
}

bool qn__float_read(qn_scalar s, qn_str text, uint64_t *bits) {
  const qn_float_format *f = qn__float_format(s);
  if (!f || text.size == 0) return false;
  const char *p = text.data, *end = p + text.size;
  bool sign = *p == '-' || *p == '+', negative = *p == '-';
  if (sign) p++;
  qn_unpacked x;
  if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
    if (!sign && read_bits(p + 2, end, f->bits, bits)) return true;
    if (!read_hex_float(p + 2, end, &x)) return false;
  } else if (is_word(p, end, "inf")) {
    x = (qn_unpacked){QN__INFINITE, false, 0, 0};
  } else if (is_word(p, end, "nan")) {
    x = (qn_unpacked){QN__NAN, false, 0, 0};
  } else {
    decimal d;
    if (!read_decimal(p, end, &d)) return false;
    x = from_decimal(&d);
  }
  x.negative = negative;
  *bits = qn__float_pack(f, x, false);
  return true;
}

bool qn__f32_read(qn_str text, float *out) {
  uint64_t bits;
  if (!qn__float_read(QN_F32, text, &bits)) return false;
  *out = qn__f32_of_bits((uint32_t)bits);
  return true;
}

bool qn__f64_read(qn_str text, double *out) {
  uint64_t bits;
  if (!qn__float_read(QN_F64, text, &bits)) return false;
  *out = qn__f64_of_bits(bits);
  return true;
}
