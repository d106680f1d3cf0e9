/* What an integer accumulator can reach. Intermediate sums wrap and do not matter: only the final one is bounded. */
#include <quern/num.h>

static int64_t add_saturating(int64_t a, int64_t b) {
  if (b > 0 && a > INT64_MAX - b) return INT64_MAX;
  if (b < 0 && a < INT64_MIN - b) return INT64_MIN;
  return a + b;
}

static int64_t mul_saturating(int64_t a, uint64_t k) {
  if (a == 0 || k == 0) return 0;
  uint64_t magnitude = a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
  if (magnitude > (uint64_t)INT64_MAX / k) return a < 0 ? INT64_MIN : INT64_MAX;
  return a < 0 ? -(int64_t)(magnitude * k) : (int64_t)(magnitude * k);
}

/* 33-bit factors: their product may need 66 bits. */
static int64_t product(int64_t a, int64_t b) {
  uint64_t mb = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
  int64_t p = mul_saturating(a, mb);
  if (b >= 0) return p;
  return p == INT64_MIN ? INT64_MAX : -p;
}

static qn_acc_range one_product(int64_t a_lo, int64_t a_hi, int64_t b_lo, int64_t b_hi) {
  int64_t corner[4] = {product(a_lo, b_lo), product(a_lo, b_hi), product(a_hi, b_lo), product(a_hi, b_hi)};
  qn_acc_range r = {corner[0], corner[0]};
  for (int i = 1; i < 4; i++) {
    if (corner[i] < r.lo) r.lo = corner[i];
    if (corner[i] > r.hi) r.hi = corner[i];
  }
  return r;
}

qn_acc_range qn_acc_worst(int32_t a_min, int32_t a_max, int32_t za, int32_t b_min, int32_t b_max, int32_t zb,
                          uint64_t k) {
  qn_acc_range r = one_product((int64_t)a_min - za, (int64_t)a_max - za, (int64_t)b_min - zb, (int64_t)b_max - zb);
  return (qn_acc_range){mul_saturating(r.lo, k), mul_saturating(r.hi, k)};
}

void qn_acc_add(qn_acc_range *r, int32_t a_min, int32_t a_max, int32_t za, int32_t w) {
  qn_acc_range p = one_product((int64_t)a_min - za, (int64_t)a_max - za, w, w);
  r->lo = add_saturating(r->lo, p.lo);
  r->hi = add_saturating(r->hi, p.hi);
}

static uint64_t magnitude(qn_acc_range r) {
  uint64_t lo = r.lo < 0 ? 0 - (uint64_t)r.lo : (uint64_t)r.lo, hi = r.hi < 0 ? 0 - (uint64_t)r.hi : (uint64_t)r.hi;
  return lo > hi ? lo : hi;
}

bool qn_acc_fits_i32(qn_acc_range r, int64_t bias) {
  const uint64_t limit = (uint64_t)1 << 31;
  uint64_t b = bias < 0 ? 0 - (uint64_t)bias : (uint64_t)bias, m = magnitude(r);
  return b < limit && m < limit && m + b < limit;
}

uint64_t qn_acc_max_k(int32_t a_min, int32_t a_max, int32_t za, int32_t b_min, int32_t b_max, int32_t zb) {
  uint64_t m = magnitude(qn_acc_worst(a_min, a_max, za, b_min, b_max, zb, 1));
  return m == 0 ? UINT64_MAX : INT32_MAX / m;
}
