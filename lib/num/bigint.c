#include "bigint.h"

static void push(qn_big *b, uint32_t word) {
  if (word && b->n < QN__BIG_WORDS) b->w[b->n++] = word;
}

static void trim(qn_big *b) {
  while (b->n && b->w[b->n - 1] == 0) b->n--;
}

void qn__big_set(qn_big *b, uint64_t v) {
  b->w[0] = (uint32_t)v;
  b->w[1] = (uint32_t)(v >> 32);
  b->n = 2;
  trim(b);
}

void qn__big_mul_add(qn_big *b, uint32_t factor, uint32_t addend) {
  uint64_t carry = addend;
  for (uint32_t i = 0; i < b->n; i++) {
    carry += (uint64_t)b->w[i] * factor;
    b->w[i] = (uint32_t)carry;
    carry >>= 32;
  }
  push(b, (uint32_t)carry);
}

void qn__big_mul_pow5(qn_big *b, unsigned exponent) {
  const uint32_t pow5_13 = 1220703125u;
  for (; exponent >= 13; exponent -= 13) qn__big_mul_add(b, pow5_13, 0);
  uint32_t rest = 1;
  for (; exponent; exponent--) rest *= 5;
  qn__big_mul_add(b, rest, 0);
}

void qn__big_mul_pow10(qn_big *b, unsigned exponent) {
  qn__big_mul_pow5(b, exponent);
  qn__big_shl(b, exponent);
}

void qn__big_shl(qn_big *b, unsigned bits) {
  unsigned words = bits / 32, rest = bits % 32;
  if (b->n == 0 || bits == 0) return;
  if (b->n + words >= QN__BIG_WORDS) return;
  uint64_t top = (uint64_t)b->w[b->n - 1] << rest;
  for (uint32_t i = b->n; i-- > 0;) {
    uint64_t low = i ? b->w[i - 1] : 0;
    b->w[i + words] = (uint32_t)(((uint64_t)b->w[i] << 32 | low) << rest >> 32);
  }
  for (uint32_t i = 0; i < words; i++) b->w[i] = 0;
  b->n += words;
  push(b, (uint32_t)(top >> 32));
}

void qn__big_add(qn_big *a, const qn_big *b) {
  uint64_t carry = 0;
  while (a->n < b->n) a->w[a->n++] = 0;
  for (uint32_t i = 0; i < a->n; i++) {
    carry += (uint64_t)a->w[i] + (i < b->n ? b->w[i] : 0);
    a->w[i] = (uint32_t)carry;
    carry >>= 32;
  }
  push(a, (uint32_t)carry);
}

void qn__big_sub(qn_big *a, const qn_big *b) {
  uint64_t borrow = 0;
  for (uint32_t i = 0; i < a->n; i++) {
    uint64_t d = (uint64_t)a->w[i] - (i < b->n ? b->w[i] : 0) - borrow;
    a->w[i] = (uint32_t)d;
    borrow = d >> 63;
  }
  trim(a);
}

int qn__big_cmp(const qn_big *a, const qn_big *b) {
  if (a->n != b->n) return a->n < b->n ? -1 : 1;
  for (uint32_t i = a->n; i-- > 0;) {
    if (a->w[i] != b->w[i]) return a->w[i] < b->w[i] ? -1 : 1;
  }
  return 0;
}

unsigned qn__big_bits(const qn_big *b) {
  if (b->n == 0) return 0;
  unsigned bits = 32 * (b->n - 1);
  for (uint32_t top = b->w[b->n - 1]; top; top >>= 1) bits++;
  return bits;
}

bool qn__big_bit(const qn_big *b, unsigned i) {
  return i / 32 < b->n && (b->w[i / 32] >> i % 32 & 1);
}
