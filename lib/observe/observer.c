/* Observers: made, fed, merged. */
#include "alloc.h"
#include "floattext.h"
#include "fpenv.h"
#include "observe_impl.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const qn__observer_kind kinds[] = {
#define QN_OBSERVER(symbol, name, alias, bins, in_order, parameter, value, least, most, doc)                           \
  {{name, alias, parameter, value, least, most, in_order, doc}, bins, qn__range_##symbol},
#include <quern/observers.def>
#undef QN_OBSERVER
};

enum { NUM_KINDS = sizeof kinds / sizeof kinds[0], MAX_CHANNELS = 1 << 24, MAX_COUNTS = 1 << 27 };

const qn_observer_info *qn_observer_info_get(size_t i) {
  return i < NUM_KINDS ? &kinds[i].info : NULL;
}

/* ---- kinds by name ---- */

static void unknown(qn_context *ctx, qn_str name, qn_place place) {
  qn_buf list;
  qn__buf_init(&list, qn_context_allocator(ctx));
  for (size_t i = 0; i < NUM_KINDS; i++) qn__buf_fmt(&list, "%s%s", i ? ", " : "", kinds[i].info.name);
  if (list.failed)
    qn_error_no_memory(ctx);
  else
    qn_error(ctx, QN_DIAG_UNKNOWN_NAME, place, "no observer is named '%.*s', expected one of: %s", (int)name.size,
             name.data, list.data);
  qn__buf_free(&list);
}

static bool parse_parameter(qn_context *ctx, const qn_observer_info *info, qn_str text, qn_place place, double *out) {
  if (!*info->parameter) {
    qn_error(ctx, QN_DIAG_ATTRIBUTE, place, "observer '%s' has no parameter, found ':%.*s'", info->name, (int)text.size,
             text.data);
    return false;
  }
  /* Written so that NaN fails. */
  if (qn__f64_read(text, out) && *out >= info->least && *out <= info->most) return true;
  qn_error(ctx, QN_DIAG_ATTRIBUTE, place, "observer '%s': %s is '%.*s', expected a number from %g to %g", info->name,
           info->parameter, (int)text.size, text.data, info->least, info->most);
  return false;
}

/* "NAME" or "NAME:VALUE". Null after a diagnostic. */
static const qn__observer_kind *observer_kind_parse(qn_context *ctx, qn_str kind, qn_place place, double *parameter) {
  const char *colon = kind.size ? memchr(kind.data, ':', kind.size) : NULL;
  qn_str name = {kind.data, colon ? (size_t)(colon - kind.data) : kind.size};
  for (size_t i = 0; i < NUM_KINDS; i++) {
    const qn_observer_info *info = &kinds[i].info;
    bool here = name.size && (qn_str_eq(name, qn_str_of(info->name)) || qn_str_eq(name, qn_str_of(info->alias)));
    if (!here) continue;
    *parameter = info->value;
    qn_str rest = colon ? (qn_str){colon + 1, kind.size - name.size - 1} : (qn_str){0};
    return !colon || parse_parameter(ctx, info, rest, place, parameter) ? &kinds[i] : NULL;
  }
  unknown(ctx, name, place);
  return NULL;
}

const qn_observer_info *qn_observer_info_find(qn_context *ctx, qn_str kind, qn_place place) {
  double parameter;
  const qn__observer_kind *k = observer_kind_parse(ctx, kind, place, &parameter);
  return k ? &k->info : NULL;
}

/* ---- made and freed ---- */

qn_status qn_observer_create(qn_context *ctx, qn_str kind, int64_t channels, qn_place place, qn_observer **out) {
  double parameter = 0;
  *out = NULL;
  const qn__observer_kind *k = observer_kind_parse(ctx, kind, place, &parameter);
  if (!k) return QN_ERR_INPUT;
  int64_t most = k->bins ? MAX_COUNTS / k->bins : MAX_CHANNELS;
  if (channels < 1 || channels > most)
    return qn_error(ctx, QN_DIAG_LIMIT, place, "an observer '%s' of %lld channels, expected from 1 to %lld",
                    k->info.name, (long long)channels, (long long)most);
  const qn_allocator *a = qn_context_allocator(ctx);
  qn_observer *o = qn__alloc_zero(a, sizeof *o);
  if (!o) return qn_error_no_memory(ctx);
  *o = (qn_observer){.ctx = ctx, .allocator = a, .kind = k, .parameter = parameter};
  qn__buf_init(&o->text, a);
  o->channels = qn__alloc_zero(a, (size_t)channels * sizeof *o->channels);
  if (!o->channels) {
    qn_observer_destroy(o);
    return qn_error_no_memory(ctx);
  }
  o->num_channels = (uint32_t)channels;
  *out = o;
  return QN_OK;
}

void qn_observer_destroy(qn_observer *o) {
  if (!o) return;
  const qn_allocator *a = o->allocator;
  for (uint32_t i = 0; o->channels && i < o->num_channels; i++) {
    qn__free(a, o->channels[i].histogram.counts, o->kind->bins * sizeof *o->channels[i].histogram.counts);
    qn__vec_free(a, &o->channels[i].spans);
  }
  qn__free(a, o->channels, o->num_channels * sizeof *o->channels);
  qn__buf_free(&o->text);
  qn__free(a, o, sizeof *o);
}

const qn_observer_info *qn_observer_kind(const qn_observer *o) {
  return &o->kind->info;
}

uint32_t qn_observer_channels(const qn_observer *o) {
  return o->num_channels;
}

uint64_t qn_observer_count(const qn_observer *o, uint32_t channel) {
  return channel < o->num_channels ? o->channels[channel].count : 0;
}

/* ---- values ---- */

enum { CHUNK = 512 };

static void read_values(const qn_tensor *x, int64_t at, size_t n, double out[CHUNK]) {
  const char *data = x->data;
  for (size_t i = 0; i < n; i++) {
    if (x->elem == QN_F32) {
      float f;
      memcpy(&f, data + ((size_t)at + i) * sizeof f, sizeof f);
      out[i] = (double)f;
    } else {
      out[i] = qn_tensor_get_f64(x, at + (int64_t)i);
    }
    out[i] += 0.0; /* -0 becomes +0, so that the smallest value does not depend on which zero came first */
  }
}

/* "0, 5" */
static void put_index(const qn_tensor *x, int64_t element, char *out, size_t room, int64_t *row) {
  int64_t coordinate[QN_MAX_RANK] = {0};
  size_t used = 0;
  *out = 0;
  for (uint32_t d = x->rank; d-- > 0; element /= x->shape[d]) coordinate[d] = element % x->shape[d];
  for (uint32_t d = 0; d < x->rank && used < room; d++)
    used += (size_t)snprintf(out + used, room - used, "%s%lld", d ? ", " : "", (long long)coordinate[d]);
  *row = coordinate[0];
}

static void report_bad(const qn_observer *o, const qn_observation *s, int64_t element, double value) {
  char index[24 * QN_MAX_RANK];
  int64_t row, rows = s->x->rank ? s->x->shape[0] : 1;
  put_index(s->x, element, index, sizeof index, &row);
  bool sure = s->num_samples == 1 || s->num_samples == rows;
  if (s->num_samples != rows) row = 0;
  qn_error(o->ctx, QN_DIAG_DATA, s->place,
           "observer '%.*s' saw %s at element [%s] of its value in %s %lld; a range needs finite values",
           (int)s->name.size, s->name.data,
           isnan(value) ? "NaN"
           : value > 0  ? "+infinity"
                        : "-infinity",
           index, sure ? "sample" : "the batch that begins with sample", (long long)s->samples[row]);
}

/* NaN and infinity: x - x is not 0. */
static bool all_finite(const qn_observer *o, const qn_observation *s, int64_t n) {
  double x[CHUNK];
  for (int64_t at = 0; at < n; at += CHUNK) {
    size_t here = n - at < CHUNK ? (size_t)(n - at) : CHUNK;
    read_values(s->x, at, here, x);
    for (size_t i = 0; i < here; i++)
      if (x[i] - x[i] != 0) return report_bad(o, s, at + (int64_t)i, x[i]), false;
  }
  return true;
}

static bool add_chunk(const qn_observer *o, qn__channel *c, int64_t sample, const double *x, size_t n) {
  if (!n) return true;
  double min = HUGE_VAL, max = -HUGE_VAL;
  for (size_t i = 0; i < n; i++) {
    min = x[i] < min ? x[i] : min;
    max = x[i] > max ? x[i] : max;
  }
  if (o->kind->info.in_order && !qn__spans_add(o, c, (qn__span){sample, min, max})) return false;
  double low = c->count && c->min < min ? c->min : min, high = c->count && c->max > max ? c->max : max;
  if (o->kind->bins) {
    if (!qn__histogram_fit(o, &c->histogram, low, high)) return false;
    qn__histogram_add(&c->histogram, x, n);
  }
  c->min = low, c->max = high;
  c->count += n;
  return true;
}

/* Elements [at, at + n) belong to one channel. */
static bool add_run(const qn_observer *o, const qn_observation *s, qn__channel *c, int64_t at, int64_t n) {
  double x[CHUNK];
  for (int64_t end = at + n; at < end; at += CHUNK) {
    size_t here = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
    read_values(s->x, at, here, x);
    if (!add_chunk(o, c, s->samples[0], x, here)) return false;
  }
  return true;
}

static bool add_channels(const qn_observer *o, const qn_observation *s, int64_t n) {
  int64_t channels = o->num_channels, inner = 1;
  for (uint32_t d = s->axis + 1; d < s->x->rank; d++) inner *= s->x->shape[d];
  for (int64_t at = 0, i = 0; at < n; at += inner, i++)
    if (!add_run(o, s, &o->channels[i % channels], at, inner)) return false;
  return true;
}

static qn_status update(qn_observer *o, const qn_observation *s) {
  int64_t n = qn_tensor_count(s->x);
  bool one = o->num_channels == 1;
  if (n < 0 || !qn_scalar_is_float(s->x->elem))
    return qn_error(o->ctx, QN_DIAG_TYPE_MISMATCH, s->place, "observer '%.*s': elements are %s, expected a float type",
                    (int)s->name.size, s->name.data, qn_scalar_get(s->x->elem)->text);
  if (!one && (s->axis >= s->x->rank || s->x->shape[s->axis] != o->num_channels))
    return qn_error(o->ctx, QN_DIAG_SHAPE, s->place, "observer '%.*s' has %u channels; axis %u of its value has not",
                    (int)s->name.size, s->name.data, o->num_channels, s->axis);
  if (!n) return QN_OK;
  if (!all_finite(o, s, n)) return QN_ERR_INPUT;
  return (one ? add_run(o, s, o->channels, 0, n) : add_channels(o, s, n)) ? QN_OK : qn_error_no_memory(o->ctx);
}

qn_status qn_observer_update(qn_observer *o, const qn_observation *seen) {
  qn_fp_env saved = qn__fp_enter();
  qn_status status = update(o, seen);
  qn__fp_leave(saved);
  return status;
}

/* ---- merging ---- */

static qn_status merge_channel(qn_observer *o, qn__channel *into, const qn__channel *from, qn_place place) {
  if (!from->count) return QN_OK;
  if (from->count > UINT64_MAX - into->count)
    return qn_error(o->ctx, QN_DIAG_OVERFLOW, place, "the two observers saw more values than can be counted");
  double min = into->count && into->min < from->min ? into->min : from->min;
  double max = into->count && into->max > from->max ? into->max : from->max;
  for (uint32_t i = 0; i < from->spans.size; i++)
    if (!qn__spans_add(o, into, from->spans.data[i])) return qn_error_no_memory(o->ctx);
  if (o->kind->bins) {
    if (!qn__histogram_fit(o, &into->histogram, min, max)) return qn_error_no_memory(o->ctx);
    qn__histogram_merge(&into->histogram, &from->histogram);
  }
  into->min = min, into->max = max;
  into->count += from->count;
  return QN_OK;
}

qn_status qn_observer_merge(qn_observer *into, const qn_observer *from, qn_place place) {
  if (into->kind->range != from->kind->range || into->parameter != from->parameter)
    return qn_error(into->ctx, QN_DIAG_DATA, place, "an observer of kind %s:%g cannot take in one of kind %s:%g",
                    into->kind->info.name, into->parameter, from->kind->info.name, from->parameter);
  if (into->num_channels != from->num_channels)
    return qn_error(into->ctx, QN_DIAG_SHAPE, place, "an observer of %u channels cannot take in one of %u",
                    into->num_channels, from->num_channels);
  qn_fp_env saved = qn__fp_enter();
  qn_status status = QN_OK;
  for (uint32_t i = 0; !status && i < into->num_channels; i++)
    status = merge_channel(into, &into->channels[i], &from->channels[i], place);
  qn__fp_leave(saved);
  return status;
}

/* ---- ranges ---- */

qn_status qn_observer_range(qn_observer *o, uint32_t channel, qn_place place, double *min, double *max) {
  *min = *max = 0;
  if (channel >= o->num_channels || !o->channels[channel].count)
    return qn_error(o->ctx, QN_DIAG_DATA, place, "the observer saw no values%s; a range needs some",
                    o->num_channels > 1 ? " in one of its channels" : "");
  qn_fp_env saved = qn__fp_enter();
  bool ok = o->kind->range(o, &o->channels[channel], min, max);
  qn__fp_leave(saved);
  return ok ? QN_OK : qn_error_no_memory(o->ctx);
}
