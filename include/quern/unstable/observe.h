/* Observers: what calibration keeps of the values that pass a point of a program, and the range it makes of that. No
 * ABI promise.
 *
 * A state is a function of the set of values it was fed, whatever the order, the batches and the merges: counts are
 * integers, histograms lie on a fixed grid of powers of two and are coarsened by exactly two bins into one, and the
 * kinds whose range depends on order keep the number of each sample. So shards of the data, calibrated apart and merged
 * in any order, give the same bits as all of the data at once.
 *
 * A kind is written NAME or NAME:VALUE ("percentile:99.9"); observers.def lists them. The ranges:
 *   minmax          Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference", 3.1
 *   moving-average  m += w * (x - m) over the samples' extremes (Jacob et al. 2018, "Quantization and Training of
 *                   Neural Networks for Efficient Integer-Arithmetic-Only Inference", 3.1)
 *   percentile      the quantiles that leave out (100 - p) / 2 percent at each end (Wu et al. 2020, "Integer
 *                   Quantization for Deep Learning Inference", 3.3, there of absolute values)
 *   histogram-mse   min over lo <= 0 <= hi of E[(x - clip(x))^2] + P(lo < x < hi) * s^2 / 12,
 *                   s = (hi - lo) / (2^bits - 1): clipping and uniform rounding noise (Sung et al. 2015, "Resiliency of
 *                   Deep Neural Networks under Quantization"; Banner et al. 2019, "Post training 4-bit quantization of
 *                   convolutional networks", 3)
 *   kl              Migacz 2017, "8-bit Inference with TensorRT", GTC: the clip |x| <= t whose distribution P, what is
 *                   clipped counted in the last bins, is nearest in relative entropy to its 2^bits-level version Q
 * Values that are exactly zero are counted apart and take no part in the last two: any parameters hold zero exactly.
 *
 * Used by one thread at a time, like the context they belong to. The floating-point environment of the caller does not
 * matter. */
#ifndef QUERN_UNSTABLE_OBSERVE_H
#define QUERN_UNSTABLE_OBSERVE_H

#include <quern/context.h>
#include <quern/scalar.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_observer_info {
  const char *name, *alias;  /* alias: another name for the same, or "" */
  const char *parameter;     /* what NAME:VALUE sets, or "" */
  double value, least, most; /* of the parameter: default and limits */
  bool in_order;             /* one sample at a time must be fed */
  const char *doc;
} qn_observer_info;

QN_API const qn_observer_info *qn_observer_info_get(size_t i); /* null past the end */
/* Of "NAME" or "NAME:VALUE", reporting a name or value that does not exist at `place`; null then. */
QN_API const qn_observer_info *qn_observer_info_find(qn_context *ctx, qn_str kind, qn_place place);

typedef struct qn_observer qn_observer;

/* `channels`: 1 for a range of whole tensors, else the size of the axis that each index of has a range of its own. */
QN_API qn_status qn_observer_create(qn_context *ctx, qn_str kind, int64_t channels, qn_place place, qn_observer **out);
QN_API void qn_observer_destroy(qn_observer *o); /* null is allowed */
QN_API const qn_observer_info *qn_observer_kind(const qn_observer *o);
QN_API uint32_t qn_observer_channels(const qn_observer *o);
QN_API uint64_t qn_observer_count(const qn_observer *o, uint32_t channel); /* values seen */

typedef struct qn_observation {
  const qn_tensor *x;     /* elements of a float type; may be empty */
  uint32_t axis;          /* of the channels; not looked at when there is one channel */
  const int64_t *samples; /* numbers of the samples that x was computed from, num_samples of them, at least one */
  int64_t num_samples;
  qn_str name;    /* of the observed value, for messages */
  qn_place place; /* likewise */
} qn_observation;

/* Adds the values. NaN or infinity is a diagnostic that names the element and the sample; nothing is added then. A kind
 * that is in_order takes x as one observation, of samples[0]. */
QN_API qn_status qn_observer_update(qn_observer *o, const qn_observation *seen);
/* Adds what `from` saw. Another kind, parameter or number of channels is a diagnostic. */
QN_API qn_status qn_observer_merge(qn_observer *into, const qn_observer *from, qn_place place);
/* The range of a channel: finite, min <= max. One that saw nothing is a diagnostic. */
QN_API qn_status qn_observer_range(qn_observer *o, uint32_t channel, qn_place place, double *min, double *max);

/* The state as text: version, kind, channels, then `;` and for each channel its count, min, max and
 *   with a histogram: zeros, exponent of the bin width, number of the first bin, counts (C*N stands for N times C)
 *   in order:         SAMPLE:MIN:MAX ..
 * Equal states have equal text. It is valid until the next call with this observer. */
QN_API qn_status qn_observer_text(qn_observer *o, qn_str *text);
/* Reads it back. Text that is not that of a state is a diagnostic that says at which character. */
QN_API qn_status qn_observer_parse(qn_context *ctx, qn_str text, qn_place place, qn_observer **out);

#ifdef __cplusplus
}
#endif
#endif
