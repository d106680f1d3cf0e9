/* The clipping threshold of least relative entropy. With P the clipped distribution (what is clipped counted in the
 * outermost bins) and Q the same bins merged into 2^bits levels and spread evenly over those that are not empty,
 *   D = sum p log(p / q) = (sum n log n - sum over levels (n in level) log(kept in level / bins not empty)) / N
 *                          + log(kept / N),
 * so a threshold costs as many logarithms as there are levels. A level that holds nothing but clipped values counts as
 * one kept value: with none D would be infinite and a gap before the outliers could never be cut. */
#include "alloc.h"
#include "observe_impl.h"
#include <math.h>

/* ln by a series in plain operations, the same bits on every machine, to about 1e-16; x > 0 and normal. */
static double natural_log(double x) {
  int e;
  double m = frexp(x, &e);
  if (m < 0.70710678118654752) m *= 2, e--;
  double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
  for (int k = 23; k > 0; k -= 2) sum = sum * s2 + 1.0 / k;
  return 2 * s * sum + e * 0.69314718055994531;
}

typedef struct prefix {
  uint64_t count;    /* of the slots before this one */
  uint32_t occupied; /* how many of them are not empty */
  double entropy;    /* sum of n ln n over them */
} prefix;

static double n_log_n(uint64_t n) {
  return n ? (double)n * natural_log((double)n) : 0;
}

static void sum_up(const qn__histogram *h, prefix *p) {
  p[0] = (prefix){0, 0, 0};
  for (uint32_t i = 0; i < h->used; i++)
    p[i + 1] =
        (prefix){p[i].count + h->counts[i], p[i].occupied + (h->counts[i] != 0), p[i].entropy + n_log_n(h->counts[i])};
}

/* D of keeping slots [a, b), times N, without the constant. */
static double divergence(const qn__histogram *h, const prefix *p, uint32_t a, uint32_t b, uint32_t levels) {
  uint64_t total = p[h->used].count, below = p[a].count, above = total - p[b].count;
  uint64_t first = h->counts[a], last = h->counts[b - 1], bins = b - a, inside = p[b].count - p[a].count;
  double d = p[b].entropy - p[a].entropy;
  d += n_log_n(first + below) - n_log_n(first) + n_log_n(last + above) - n_log_n(last);
  for (uint64_t l = 0; l < levels; l++) {
    uint32_t from = a + (uint32_t)(l * bins / levels), to = a + (uint32_t)((l + 1) * bins / levels);
    uint64_t kept = p[to].count - p[from].count, n = kept;
    uint32_t occupied = p[to].occupied - p[from].occupied;
    if (from == a) n += below, occupied += !first && below;
    if (to == b) n += above, occupied += !last && above;
    if (!n) continue;
    if (!kept) kept = 1, inside++;
    d -= (double)n * natural_log((double)kept / (double)occupied);
  }
  return d + (double)total * natural_log((double)inside / (double)total);
}

bool qn__range_kl(const qn_observer *o, const qn__channel *c, double *min, double *max) {
  const qn__histogram *h = &c->histogram;
  uint32_t levels = UINT32_C(1) << (uint32_t)o->parameter, zero = qn__histogram_zero(h), upper = h->used - zero;
  uint32_t widest = zero > upper ? zero : upper, low = 0, high = h->used;
  size_t size = ((size_t)h->used + 1) * sizeof(prefix);
  prefix *p = qn__alloc(o->allocator, size);
  double least = HUGE_VAL;
  if (!p) return false;
  sum_up(h, p);
  for (uint32_t t = widest; t > 0; t--) { /* the widest first: of equals it stays */
    uint32_t a = t < zero ? zero - t : 0, b = t < upper ? zero + t : h->used;
    if (b - a < levels || p[b].count == p[a].count) break;
    double d = divergence(h, p, a, b, levels);
    if (!(d < least)) continue;
    least = d, low = a, high = b;
  }
  qn__free(o->allocator, p, size);
  *min = qn__histogram_edge(c, low);
  *max = qn__histogram_edge(c, high);
  return true;
}
