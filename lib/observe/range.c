/* Ranges from extremes, from extremes in order, and from quantiles. */
#include "observe_impl.h"
#include <string.h>

bool qn__range_minmax(const qn_observer *o, const qn__channel *c, double *min, double *max) {
  (void)o;
  *min = c->min;
  *max = c->max;
  return true;
}

/* ---- moving averages ---- */

bool qn__spans_add(const qn_observer *o, qn__channel *c, qn__span span) {
  if (!qn__reserve(o->allocator, &c->spans, 1)) return false;
  qn__span *s = c->spans.data;
  uint32_t low = 0, high = c->spans.size;
  if (high && s[high - 1].sample < span.sample) low = high; /* samples mostly come in order */
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    if (s[mid].sample < span.sample)
      low = mid + 1;
    else
      high = mid;
  }
  if (low < c->spans.size && s[low].sample == span.sample) {
    if (span.min < s[low].min) s[low].min = span.min;
    if (span.max > s[low].max) s[low].max = span.max;
    return true;
  }
  memmove(s + low + 1, s + low, (c->spans.size - low) * sizeof *s);
  s[low] = span;
  c->spans.size++;
  return true;
}

/* To f32, in which parameters are computed, where it is not too large for that; +0 for either zero. */
static double to_single(double x) {
  float f = (float)x;
  return (f - f == 0 ? (double)f : x) + 0.0;
}

bool qn__range_moving_average(const qn_observer *o, const qn__channel *c, double *min, double *max) {
  const qn__span *s = c->spans.data;
  double low = s[0].min, high = s[0].max, w = o->parameter;
  for (uint32_t i = 1; i < c->spans.size; i++) {
    low += w * (s[i].min - low);
    high += w * (s[i].max - high);
  }
  *min = to_single(low < high ? low : high); /* rounding may bring equal ends out of order */
  *max = to_single(high);
  return true;
}

/* ---- quantiles ---- */

/* The first slot from below, and the end of the last one from above, that stays when at most `most` values may be left
 * out. Zeros lie on the edge before slot `zero`. */
static uint32_t lower_slot(const qn__histogram *h, uint64_t most) {
  uint32_t zero = qn__histogram_zero(h);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < h->used; i++) {
    if (i == zero && (sum += h->zeros) > most) return i;
    if ((sum += h->counts[i]) > most) return i;
  }
  return h->used;
}

static uint32_t upper_slot(const qn__histogram *h, uint64_t most) {
  uint32_t zero = qn__histogram_zero(h);
  uint64_t sum = 0;
  for (uint32_t i = h->used; i-- > 0;) {
    if ((sum += h->counts[i]) > most) return i + 1;
    if (i == zero && (sum += h->zeros) > most) return i;
  }
  return 0;
}

bool qn__range_percentile(const qn_observer *o, const qn__channel *c, double *min, double *max) {
  /* At most a quarter at each end, so the two never meet. */
  uint64_t most = (uint64_t)((double)c->count * ((100 - o->parameter) / 200));
  *min = qn__histogram_edge(c, lower_slot(&c->histogram, most));
  *max = qn__histogram_edge(c, upper_slot(&c->histogram, most));
  return true;
}
