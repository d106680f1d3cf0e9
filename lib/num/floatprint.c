/* Floats to the shortest decimal that reads back. f32 by Schubfach (Giulietti 2020, "The Schubfach way to render
 * doubles"): three 96-bit products with a power of ten. f64 by Steele and White's free-format algorithm as Burger and
 * Dybvig give it (1996, "Printing floating-point numbers quickly and accurately"), in long arithmetic. */
#include "bigint.h"
#include "convert.h"
#include "floattext.h"

/* ceil(10^k / 2^(floor(log2 10^k) - 63)) for k = -31 .. 45 */
static const uint64_t pow10_high[] = {
    0x81CEB32C4B43FCF5, 0xA2425FF75E14FC32, 0xCAD2F7F5359A3B3F, 0xFD87B5F28300CA0E, 0x9E74D1B791E07E49,
    0xC612062576589DDB, 0xF79687AED3EEC552, 0x9ABE14CD44753B53, 0xC16D9A0095928A28, 0xF1C90080BAF72CB2,
    0x971DA05074DA7BEF, 0xBCE5086492111AEB, 0xEC1E4A7DB69561A6, 0x9392EE8E921D5D08, 0xB877AA3236A4B44A,
    0xE69594BEC44DE15C, 0x901D7CF73AB0ACDA, 0xB424DC35095CD810, 0xE12E13424BB40E14, 0x8CBCCC096F5088CC,
    0xAFEBFF0BCB24AAFF, 0xDBE6FECEBDEDD5BF, 0x89705F4136B4A598, 0xABCC77118461CEFD, 0xD6BF94D5E57A42BD,
    0x8637BD05AF6C69B6, 0xA7C5AC471B478424, 0xD1B71758E219652C, 0x83126E978D4FDF3C, 0xA3D70A3D70A3D70B,
    0xCCCCCCCCCCCCCCCD, 0x8000000000000000, 0xA000000000000000, 0xC800000000000000, 0xFA00000000000000,
    0x9C40000000000000, 0xC350000000000000, 0xF424000000000000, 0x9896800000000000, 0xBEBC200000000000,
    0xEE6B280000000000, 0x9502F90000000000, 0xBA43B74000000000, 0xE8D4A51000000000, 0x9184E72A00000000,
    0xB5E620F480000000, 0xE35FA931A0000000, 0x8E1BC9BF04000000, 0xB1A2BC2EC5000000, 0xDE0B6B3A76400000,
    0x8AC7230489E80000, 0xAD78EBC5AC620000, 0xD8D726B7177A8000, 0x878678326EAC9000, 0xA968163F0A57B400,
    0xD3C21BCECCEDA100, 0x84595161401484A0, 0xA56FA5B99019A5C8, 0xCECB8F27F4200F3A, 0x813F3978F8940985,
    0xA18F07D736B90BE6, 0xC9F2C9CD04674EDF, 0xFC6F7C4045812297, 0x9DC5ADA82B70B59E, 0xC5371912364CE306,
    0xF684DF56C3E01BC7, 0x9A130B963A6C115D, 0xC097CE7BC90715B4, 0xF0BDC21ABB48DB21, 0x96769950B50D88F5,
    0xBC143FA4E250EB32, 0xEB194F8E1AE525FE, 0x92EFD1B8D0CF37BF, 0xB7ABC627050305AE, 0xE596B7B0C643C71A,
    0x8F7E32CE7BEA5C70, 0xB35DBF821AE4F38C,
};

typedef struct digits {
  uint64_t value;
  int32_t exponent; /* of the last digit */
} digits;

/* floor(x * log10(2)), of 3/4 of 2^x with `lower`; floor(x * log2(10)). Exact for the exponents of f32. */
static int32_t floor_shift(int64_t v, unsigned n) {
  return (int32_t)(v >= 0 ? v >> n : ~(~v >> n));
}
static int32_t log10_pow2(int32_t x, bool lower) {
  return floor_shift((int64_t)x * 1262611 - (lower ? 524031 : 0), 22);
}
static int32_t log2_pow10(int32_t x) {
  return floor_shift((int64_t)x * 1741647, 19);
}

/* g * c / 2^64, the last bit sticky. */
static uint32_t scale_to_odd(uint64_t g, uint32_t c) {
  uint64_t low = (uint64_t)(uint32_t)g * c;
  uint64_t high = (g >> 32) * c + (low >> 32);
  return (uint32_t)(high >> 32) | ((uint32_t)high > 1);
}

/* x positive and finite, by its bits. Everything counts quarters of the last place, so that the rounding interval's
 * ends are integers. */
static digits shortest_f32(uint32_t bits) {
  uint32_t man = bits & 0x7FFFFFu, exp = bits >> 23;
  uint32_t c = exp ? man | 0x800000u : man;
  int32_t q = exp ? (int32_t)exp - 150 : -149;
  if (q <= 0 && q > -24 && (c & ((1u << -q) - 1)) == 0) return (digits){c >> -q, 0};
  bool lower_closer = man == 0 && exp > 1;
  uint32_t even = (c & 1) == 0;
  int32_t k = log10_pow2(q, lower_closer);
  unsigned h = (unsigned)(q + log2_pow10(-k) + 1);
  uint64_t g = pow10_high[31 - k];
  uint32_t left = scale_to_odd(g, (4 * c - 2 + lower_closer) << h);
  uint32_t mid = scale_to_odd(g, (4 * c) << h);
  uint32_t right = scale_to_odd(g, (4 * c + 2) << h);
  uint32_t low = left + !even, high = right - !even, s = mid / 4;
  if (s >= 10) {
    uint32_t tens = s / 10;
    bool down = low <= 40 * tens, up = 40 * tens + 40 <= high;
    if (down != up) return (digits){tens + up, k + 1};
  }
  bool down = low <= 4 * s, up = 4 * s + 4 <= high;
  if (down != up) return (digits){s + up, k};
  uint32_t half = 4 * s + 2;
  return (digits){s + (mid > half || (mid == half && (s & 1))), k};
}

typedef struct big_ratio {
  qn_big r, s, up, down; /* x = r / s; half a unit in the last place above and below, times s */
  bool even;
} big_ratio;

static void start_ratio(big_ratio *b, uint64_t f, int32_t e, bool lower_closer) {
  unsigned extra = lower_closer ? 1 : 0;
  unsigned raise = e > 0 ? (unsigned)e : 0, sink = e < 0 ? (unsigned)-e : 0;
  qn__big_set(&b->r, f);
  qn__big_shl(&b->r, raise + 1 + extra);
  qn__big_set(&b->s, 1);
  qn__big_shl(&b->s, sink + 1 + extra);
  qn__big_set(&b->up, 1);
  qn__big_shl(&b->up, raise + extra);
  qn__big_set(&b->down, 1);
  qn__big_shl(&b->down, raise);
  b->even = (f & 1) == 0;
}

static void times_ten(big_ratio *b) {
  qn__big_mul_add(&b->r, 10, 0);
  qn__big_mul_add(&b->up, 10, 0);
  qn__big_mul_add(&b->down, 10, 0);
}

/* Whether x plus half a unit reaches s: the rest rounds up to a whole. */
static bool reaches(const big_ratio *b) {
  qn_big sum = b->r;
  qn__big_add(&sum, &b->up);
  int c = qn__big_cmp(&sum, &b->s);
  return b->even ? c >= 0 : c > 0;
}

static bool within_below(const big_ratio *b) {
  int c = qn__big_cmp(&b->r, &b->down);
  return b->even ? c <= 0 : c < 0;
}

static digits generate(big_ratio *b, int32_t k) {
  digits d = {0, k};
  for (;;) {
    times_ten(b);
    d.exponent--;
    unsigned digit = 0;
    for (; qn__big_cmp(&b->r, &b->s) >= 0; digit++) qn__big_sub(&b->r, &b->s);
    d.value = d.value * 10 + digit;
    bool down = within_below(b), up = reaches(b);
    if (!down && !up) continue;
    if (down && up) {
      qn__big_shl(&b->r, 1);
      int c = qn__big_cmp(&b->r, &b->s);
      up = c > 0 || (c == 0 && (digit & 1));
    }
    d.value += up;
    return d;
  }
}

static digits shortest_f64(uint64_t bits) {
  uint64_t man = bits & (((uint64_t)1 << 52) - 1);
  int32_t exp = (int32_t)(bits >> 52);
  uint64_t f = exp ? man | (uint64_t)1 << 52 : man;
  int32_t e = exp ? exp - 1075 : -1074;
  if (e <= 0 && e > -53 && (f & (((uint64_t)1 << -e) - 1)) == 0) return (digits){f >> -e, 0};
  big_ratio b;
  start_ratio(&b, f, e, man == 0 && exp > 1);
  /* An estimate of ceil(log10 x) that is right or one too small. */
  int32_t length = 0;
  for (uint64_t v = f; v; v >>= 1) length++;
  int32_t k = floor_shift((int64_t)(e + length - 1) * 1262611, 22);
  if (k >= 0) {
    qn__big_mul_pow10(&b.s, (unsigned)k);
  } else {
    qn__big_mul_pow10(&b.r, (unsigned)-k);
    qn__big_mul_pow10(&b.up, (unsigned)-k);
    qn__big_mul_pow10(&b.down, (unsigned)-k);
  }
  while (reaches(&b)) {
    qn__big_mul_add(&b.s, 10, 0);
    k++;
  }
  return generate(&b, k);
}

typedef struct text {
  char *at;
} text;

static void put(text *t, char c) {
  *t->at++ = c;
}

static void put_int(text *t, int32_t v) {
  char tmp[12];
  int n = 0;
  if (v < 0) {
    put(t, '-');
    v = -v;
  }
  do tmp[n++] = (char)('0' + v % 10);
  while ((v /= 10) != 0);
  while (n) put(t, tmp[--n]);
}

static size_t finish(text *t, const char *buf) {
  *t->at = 0;
  return (size_t)(t->at - buf);
}

/* Plain between 1e-4 and 10^plain, with an exponent elsewhere; a point in any case. */
static void put_decimal(text *t, digits d, int32_t plain) {
  char s[20];
  int32_t n = 0;
  while (d.value % 10 == 0 && d.value) {
    d.value /= 10;
    d.exponent++;
  }
  char reversed[20];
  do reversed[n++] = (char)('0' + d.value % 10);
  while ((d.value /= 10) != 0);
  for (int32_t i = 0; i < n; i++) s[i] = reversed[n - 1 - i];
  int32_t lead = n - 1 + d.exponent; /* exponent of the first digit */
  bool scientific = lead < -4 || lead >= plain;
  int32_t point = scientific ? 1 : lead + 1; /* digits before it */
  if (point <= 0) {
    put(t, '0');
    put(t, '.');
    for (int32_t i = point; i < 0; i++) put(t, '0');
    for (int32_t i = 0; i < n; i++) put(t, s[i]);
    return;
  }
  for (int32_t i = 0; i < point; i++) {
    char digit = '0';
    if (i < n) digit = s[i];
    put(t, digit);
  }
  put(t, '.');
  for (int32_t i = point; i < n; i++) put(t, s[i]);
  if (n <= point) put(t, '0');
  if (scientific) {
    put(t, 'e');
    put_int(t, lead);
  }
}

/* `0x` and width / 4 upper-case digits. */
static size_t bits_print(char buf[QN__FLOAT_TEXT], uint64_t bits, unsigned width) {
  text t = {buf};
  put(&t, '0');
  put(&t, 'x');
  for (unsigned i = (width + 3) / 4; i-- > 0;) put(&t, "0123456789ABCDEF"[bits >> 4 * i & 15]);
  return finish(&t, buf);
}

size_t qn__f32_print(char buf[QN__FLOAT_TEXT], float x) {
  uint32_t bits = qn__f32_bits(x), magnitude = bits & 0x7FFFFFFFu;
  if (magnitude >= 0x7F800000u) return bits_print(buf, bits, 32);
  text t = {buf};
  if (bits != magnitude) put(&t, '-');
  put_decimal(&t, magnitude ? shortest_f32(magnitude) : (digits){0, 0}, 9);
  return finish(&t, buf);
}

size_t qn__f64_print(char buf[QN__FLOAT_TEXT], double x) {
  uint64_t bits = qn__f64_bits(x), magnitude = bits & ~((uint64_t)1 << 63);
  if (magnitude >= (uint64_t)0x7FF << 52) return bits_print(buf, bits, 64);
  text t = {buf};
  if (bits != magnitude) put(&t, '-');
  put_decimal(&t, magnitude ? shortest_f64(magnitude) : (digits){0, 0}, 16);
  return finish(&t, buf);
}

size_t qn__float_print(char buf[QN__FLOAT_TEXT], qn_scalar s, uint64_t bits) {
  const qn_float_format *f = qn__float_format(s);
  if (!f) return bits_print(buf, bits, 64);
  if (s == QN_F64) return qn__f64_print(buf, qn__f64_of_bits(bits));
  float x = qn__f32_of_bits((uint32_t)qn__float_convert(QN_F32, s, bits, false));
  return qn__f32_is_finite(x) ? qn__f32_print(buf, x) : bits_print(buf, bits, f->bits);
}

static size_t print_hex(char *buf, qn_scalar s, uint64_t bits) {
  const qn_float_format *f = qn__float_format(s);
  qn_unpacked x = qn__float_unpack(f, bits);
  if (x.cls == QN__NAN || x.cls == QN__INFINITE) return bits_print(buf, bits, f->bits);
  text t = {buf};
  if (x.negative) put(&t, '-');
  put(&t, '0');
  put(&t, 'x');
  put(&t, x.cls == QN__ZERO ? '0' : '1');
  uint64_t rest = x.significand << 1;
  if (rest) put(&t, '.');
  for (; rest; rest <<= 4) put(&t, "0123456789abcdef"[rest >> 60]);
  put(&t, 'p');
  if (x.exponent >= 0) put(&t, '+');
  put_int(&t, x.exponent);
  return finish(&t, buf);
}

size_t qn__f32_print_hex(char buf[QN__FLOAT_TEXT], float x) {
  return print_hex(buf, QN_F32, qn__f32_bits(x));
}
size_t qn__f64_print_hex(char buf[QN__FLOAT_TEXT], double x) {
  return print_hex(buf, QN_F64, qn__f64_bits(x));
}
