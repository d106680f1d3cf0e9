/* The inside of observers:
 *
 *   observer.c         creating, updating, merging; the table of kinds
 *   histogram.c        the grid: bins of a width that is a power of two, coarsened exactly
 *   range.c            minmax, moving-average, percentile
 *   range_mse.c        the range of least squared error
 *   range_kl.c         the range of least relative entropy
 *   state_text.c       states as text, and back
 */
#ifndef QN_OBSERVE_IMPL_H
#define QN_OBSERVE_IMPL_H
#include "buf.h"
#include "vec.h"
#include <quern/unstable/observe.h>

/* Counts of values by bin: x lies in bin floor(x / 2^exponent), slot i of counts holds bin first + i. The bins reach
 * from the one of min(0, smallest) to that of max(0, largest), and the exponent is the least for which they fit. Zeros
 * are not in the bins. */
typedef struct qn__histogram {
  int32_t exponent;
  int64_t first;
  uint32_t used;
  uint64_t zeros;
  uint64_t *counts; /* room for all bins of the kind; null until the first value */
} qn__histogram;

/* What one sample's values spanned. */
typedef struct qn__span {
  int64_t sample;
  double min, max;
} qn__span;

typedef struct qn__channel {
  uint64_t count;
  double min, max; /* 0 while count is 0; never -0 */
  qn__histogram histogram;
  QN_VEC(qn__span) spans; /* ascending by sample, each once */
} qn__channel;

typedef struct qn__observer_kind {
  qn_observer_info info;
  uint32_t bins;
  /* count > 0. False when memory runs out. */
  bool (*range)(const qn_observer *o, const qn__channel *c, double *min, double *max);
} qn__observer_kind;

struct qn_observer {
  qn_context *ctx;
  const qn_allocator *allocator;
  const qn__observer_kind *kind;
  double parameter;
  uint32_t num_channels;
  qn__channel *channels;
  qn_buf text;
};

/* ---- the grid ---- */
/* Lays the bins out for values in [min, max] beside those it has. False when memory runs out. */
bool qn__histogram_fit(const qn_observer *o, qn__histogram *h, double min, double max);
/* Adds n values, all within what it was laid out for. */
void qn__histogram_add(qn__histogram *h, const double *x, size_t n);
/* Adds another's counts; `into` is laid out for both. */
void qn__histogram_merge(qn__histogram *into, const qn__histogram *from);
/* Slot of the edge at 0: bins before it hold negative values. */
static inline uint32_t qn__histogram_zero(const qn__histogram *h) {
  return (uint32_t)-h->first;
}
/* Where the lower edge of slot i is, kept within what the channel saw. */
double qn__histogram_edge(const qn__channel *c, uint32_t slot);

/* ---- spans ---- */
/* The sample's span, grown by [min, max]. False when memory runs out. */
bool qn__spans_add(const qn_observer *o, qn__channel *c, qn__span span);

#define QN_OBSERVER(symbol, ...)                                                                                       \
  bool qn__range_##symbol(const qn_observer *o, const qn__channel *c, double *min, double *max);
#include <quern/observers.def>
#undef QN_OBSERVER
#endif
