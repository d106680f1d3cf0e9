/* The grid. Its layout depends on the smallest and largest value only, and two bins become one without any rounding, so
 * a histogram is the same whichever way its values arrived. */
#include "alloc.h"
#include "observe_impl.h"
#include <math.h>
#include <string.h>

/* No f32 lies off the grid of its smallest subnormal. */
enum { MIN_EXPONENT = -149 };

/* 2^e, exactly; e in the range of normal numbers. */
static double power(int32_t e) {
  uint64_t bits = (uint64_t)(e + 1023) << 52;
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* floor(x * scale), scale a power of two. A negative x so small that the product vanishes still lies below 0. */
static int64_t bin_of(double x, double scale) {
  double t = floor(x * scale);
  return t >= 0 && x < 0 ? -1 : (int64_t)t;
}

static int64_t coarser(int64_t bin, uint32_t shift) {
  if (shift > 62) return bin < 0 ? -1 : 0;
  return bin < 0 ? ~(~bin >> shift) : bin >> shift;
}

static int32_t exponent_of(double x) {
  int e = MIN_EXPONENT;
  if (x != 0) frexp(x, &e);
  return e;
}

/* Exponent, first bin and number of bins for values in [min, max]. */
static void histogram_layout(uint32_t bins, double min, double max, qn__histogram *out) {
  double lo = min < 0 ? min : 0, hi = max > 0 ? max : 0;
  int32_t a = exponent_of(lo), b = exponent_of(hi), e = a > b ? a : b;
  for (uint32_t n = bins; n > 1; n /= 2) e--; /* below this the larger end alone has too many bins */
  if (e < MIN_EXPONENT) e = MIN_EXPONENT;
  for (;; e++) {
    double scale = power(-e);
    int64_t first = bin_of(lo, scale), last = bin_of(hi, scale);
    if (last - first >= (int64_t)bins) continue;
    out->exponent = e;
    out->first = first;
    out->used = (uint32_t)(last - first + 1);
    return;
  }
}

/* `from` and `to` may be the same kind of layout or `to` a coarser one that covers it. */
static void pour(qn__histogram *to, const qn__histogram *from) {
  uint32_t shift = (uint32_t)(to->exponent - from->exponent);
  for (uint32_t i = 0; i < from->used; i++)
    if (from->counts[i]) to->counts[coarser(from->first + i, shift) - to->first] += from->counts[i];
}

bool qn__histogram_fit(const qn_observer *o, qn__histogram *h, double min, double max) {
  uint32_t bins = o->kind->bins;
  qn__histogram next = {.zeros = h->zeros};
  histogram_layout(bins, min, max, &next);
  if (h->counts && next.exponent == h->exponent && next.first == h->first) {
    h->used = next.used;
    return true;
  }
  next.counts = qn__alloc_zero(o->allocator, bins * sizeof *next.counts);
  if (!next.counts) return false;
  if (h->counts) pour(&next, h);
  qn__free(o->allocator, h->counts, bins * sizeof *h->counts);
  *h = next;
  return true;
}

void qn__histogram_add(qn__histogram *h, const double *x, size_t n) {
  double scale = power(-h->exponent);
  for (size_t i = 0; i < n; i++) {
    if (x[i] == 0)
      h->zeros++;
    else
      h->counts[bin_of(x[i], scale) - h->first]++;
  }
}

void qn__histogram_merge(qn__histogram *into, const qn__histogram *from) {
  pour(into, from);
  into->zeros += from->zeros;
}

double qn__histogram_edge(const qn__channel *c, uint32_t slot) {
  const qn__histogram *h = &c->histogram;
  double x = (double)(h->first + slot) * power(h->exponent);
  return x < c->min ? c->min : x > c->max ? c->max : x;
}
