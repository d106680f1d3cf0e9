/* The range whose expected squared error is least, over all pairs of bin edges around zero. In units of the bin width,
 * values spread evenly within their bin. */
#include "alloc.h"
#include "observe_impl.h"

/* Of the values beyond each edge: how many, and the sum of their squared distances to it. Edges count outwards to
 * inwards, so that each step adds what one more bin brings; all terms are positive and nothing cancels. */
typedef struct beyond {
  double count, squares;
} beyond;

/* edges[k] after leaving out k bins, the first of them slot `at`, in direction `step`. */
static void sum_beyond(const qn__histogram *h, uint32_t at, uint32_t step, uint32_t n, beyond *edges) {
  double count = 0, distances = 0, squares = 0;
  edges[0] = (beyond){0, 0};
  for (uint32_t k = 0; k < n; k++, at += step) {
    double c = (double)h->counts[at];
    squares += 2 * distances + count + c / 3; /* (d + 1)^2, and the integral of u^2 over the new bin */
    distances += count + c / 2;
    count += c;
    edges[k + 1] = (beyond){count, squares};
  }
}

typedef struct best {
  double error;
  uint32_t low, high; /* slots */
} best;

static best search(const qn__histogram *h, double inside, double levels, const beyond *below, const beyond *above) {
  uint32_t zero = qn__histogram_zero(h), upper = h->used - zero;
  best b = {0};
  for (uint32_t i = 0; i <= zero; i++)
    for (uint32_t j = 0; j <= upper; j++) {
      double step = (double)(h->used - i - j) / levels;
      double kept = inside - below[i].count - above[j].count;
      double error = below[i].squares + above[j].squares + kept * (step * step / 12);
      if ((i || j) && error >= b.error) continue;
      b = (best){error, i, h->used - j};
    }
  return b;
}

bool qn__range_histogram_mse(const qn_observer *o, const qn__channel *c, double *min, double *max) {
  const qn__histogram *h = &c->histogram;
  uint32_t zero = qn__histogram_zero(h);
  size_t size = ((size_t)h->used + 2) * sizeof(beyond);
  beyond *below = qn__alloc(o->allocator, size), *above = below + zero + 1;
  if (!below) return false;
  sum_beyond(h, 0, 1, zero, below);
  sum_beyond(h, h->used - 1, UINT32_MAX, h->used - zero, above); /* downwards */
  double inside = below[zero].count + above[h->used - zero].count;
  best b = search(h, inside, (double)((UINT32_C(1) << (uint32_t)o->parameter) - 1), below, above);
  qn__free(o->allocator, below, size);
  *min = qn__histogram_edge(c, b.low);
  *max = qn__histogram_edge(c, b.high);
  return true;
}
