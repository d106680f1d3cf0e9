/* States as text, and back. What is read is checked as far as anything relies on it: the layout of a histogram follows
 * from the smallest and largest value, and its counts add up. */
#include "floattext.h"
#include "fpenv.h"
#include "observe_impl.h"
#include <string.h>

enum { VERSION = 1 };

/* ---- printing ---- */

static void put_number(qn_buf *b, char before, double x) {
  char text[QN__FLOAT_TEXT];
  qn__buf_char(b, before);
  qn__buf_put(b, text, qn__f64_print(text, x));
}

static void put_parameter(qn_buf *b, double x) {
  if (x != (double)(uint64_t)x) {
    put_number(b, ':', x);
    return;
  }
  qn__buf_char(b, ':');
  qn__buf_u64(b, (uint64_t)x);
}

static void put_counts(qn_buf *b, const qn__histogram *h) {
  for (uint32_t i = 0, n; i < h->used; i += n) {
    for (n = 1; i + n < h->used && h->counts[i + n] == h->counts[i];) n++;
    qn__buf_char(b, ' ');
    qn__buf_u64(b, h->counts[i]);
    if (n == 1) continue;
    qn__buf_char(b, '*');
    qn__buf_u64(b, n);
  }
}

static void put_channel(const qn_observer *o, qn_buf *b, const qn__channel *c) {
  qn__buf_c(b, "; ");
  qn__buf_u64(b, c->count);
  if (!c->count) return;
  put_number(b, ' ', c->min);
  put_number(b, ' ', c->max);
  if (o->kind->bins) {
    qn__buf_char(b, ' ');
    qn__buf_u64(b, c->histogram.zeros);
    qn__buf_char(b, ' ');
    qn__buf_i64(b, c->histogram.exponent);
    qn__buf_char(b, ' ');
    qn__buf_i64(b, c->histogram.first);
    put_counts(b, &c->histogram);
  }
  for (uint32_t i = 0; i < c->spans.size; i++) {
    qn__buf_char(b, ' ');
    qn__buf_i64(b, c->spans.data[i].sample);
    put_number(b, ':', c->spans.data[i].min);
    put_number(b, ':', c->spans.data[i].max);
  }
}

qn_status qn_observer_text(qn_observer *o, qn_str *text) {
  qn_buf *b = &o->text;
  *text = (qn_str){0};
  b->size = 0;
  b->failed = false;
  qn__buf_fmt(b, "%d %s", VERSION, o->kind->info.name);
  if (o->parameter != o->kind->info.value) put_parameter(b, o->parameter);
  qn__buf_fmt(b, " %u", o->num_channels);
  for (uint32_t i = 0; i < o->num_channels; i++) put_channel(o, b, &o->channels[i]);
  if (b->failed) return qn_error_no_memory(o->ctx);
  *text = qn__buf_view(b);
  return QN_OK;
}

/* ---- reading ---- */

typedef struct reader {
  qn_context *ctx;
  qn_place place;
  const char *begin, *at, *end;
} reader;

static qn_status bad(const reader *r, const char *expected) {
  size_t left = (size_t)(r->end - r->at), shown = left < 16 ? left : 16;
  return qn_error(r->ctx, QN_DIAG_FORMAT, r->place, "observer state, character %zu: found '%.*s', expected %s",
                  (size_t)(r->at - r->begin) + 1, (int)shown, r->at, expected);
}

static bool take(reader *r, const char *text) {
  size_t n = strlen(text);
  if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0) return false;
  r->at += n;
  return true;
}

/* Digits without leading zeros, as they are printed. */
static bool take_u64(reader *r, uint64_t *out) {
  const char *p = r->at;
  uint64_t v = 0;
  for (; p < r->end && *p >= '0' && *p <= '9'; p++) {
    uint64_t digit = (uint64_t)(*p - '0');
    if (v > (UINT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
  }
  if (p == r->at || (p > r->at + 1 && *r->at == '0')) return false;
  r->at = p;
  *out = v;
  return true;
}

static bool take_i64(reader *r, int64_t *out) {
  const char *start = r->at;
  bool negative = take(r, "-");
  uint64_t v = 0;
  if (take_u64(r, &v) && v <= (uint64_t)INT64_MAX && !(negative && !v)) {
    *out = negative ? -(int64_t)v : (int64_t)v;
    return true;
  }
  r->at = start;
  return false;
}

/* A finite number that is not -0. */
static bool take_f64(reader *r, double *out) {
  const char *p = r->at;
  while (p < r->end && *p != ' ' && *p != ':' && *p != ';') p++;
  if (!qn__f64_read((qn_str){r->at, (size_t)(p - r->at)}, out) || *out - *out != 0) return false;
  if (*out == 0 && *r->at == '-') return false;
  r->at = p;
  return true;
}

static qn_status read_counts(reader *r, qn__channel *c) {
  qn__histogram *h = &c->histogram;
  uint64_t sum = h->zeros, value, times;
  for (uint32_t i = 0; i < h->used; i += (uint32_t)times) {
    times = 1;
    if (!take(r, " ") || !take_u64(r, &value)) return bad(r, "a count");
    if (take(r, "*") && (!take_u64(r, &times) || times < 2)) return bad(r, "how often a count is repeated");
    if (times > h->used - i) return bad(r, "no more counts than the range has bins");
    if (value && times > (c->count - sum) / value) return bad(r, "counts that add up to that of the values");
    sum += value * times;
    for (uint64_t k = 0; k < times; k++) h->counts[i + k] = value;
  }
  if (sum != c->count) return bad(r, "counts that add up to that of the values");
  /* The outermost bins hold the smallest and largest value, where those are not zero. */
  if ((c->min < 0 && !h->counts[0]) || (c->max > 0 && !h->counts[h->used - 1]))
    return bad(r, "values in the outermost bins");
  return QN_OK;
}

static qn_status read_histogram(const qn_observer *o, reader *r, qn__channel *c) {
  qn__histogram *h = &c->histogram;
  int64_t exponent, first;
  if (!qn__histogram_fit(o, h, c->min, c->max)) return qn_error_no_memory(o->ctx);
  if (!take(r, " ") || !take_u64(r, &h->zeros) || h->zeros > c->count) return bad(r, "the number of zeros");
  if (!take(r, " ") || !take_i64(r, &exponent) || exponent != h->exponent)
    return bad(r, "the exponent of the bin width that the range has");
  if (!take(r, " ") || !take_i64(r, &first) || first != h->first) return bad(r, "the first bin that the range has");
  return read_counts(r, c);
}

static qn_status read_spans(const qn_observer *o, reader *r, qn__channel *c) {
  int64_t last = INT64_MIN;
  double min = 0, max = 0;
  while (take(r, " ")) {
    qn__span s;
    if (!take_i64(r, &s.sample) || s.sample <= last) return bad(r, "the number of a later sample");
    if (!take(r, ":") || !take_f64(r, &s.min)) return bad(r, "':' and its smallest value");
    if (!take(r, ":") || !take_f64(r, &s.max) || s.max < s.min) return bad(r, "':' and its largest value");
    if (!qn__spans_add(o, c, s)) return qn_error_no_memory(o->ctx);
    min = last == INT64_MIN || s.min < min ? s.min : min;
    max = last == INT64_MIN || s.max > max ? s.max : max;
    last = s.sample;
  }
  return last != INT64_MIN && min == c->min && max == c->max ? QN_OK
                                                             : bad(r, "samples whose values reach from min to max");
}

static qn_status read_channel(const qn_observer *o, reader *r, qn__channel *c) {
  if (!take(r, "; ") || !take_u64(r, &c->count)) return bad(r, "'; ' and the count of a channel");
  if (!c->count) return QN_OK;
  if (!take(r, " ") || !take_f64(r, &c->min)) return bad(r, "the smallest value, finite");
  if (!take(r, " ") || !take_f64(r, &c->max) || c->max < c->min) return bad(r, "the largest value, finite");
  qn_status status = o->kind->bins ? read_histogram(o, r, c) : QN_OK;
  return !status && o->kind->info.in_order ? read_spans(o, r, c) : status;
}

static qn_status read_state(reader *r, qn_observer **out) {
  uint64_t version, channels;
  if (!take_u64(r, &version) || !take(r, " ")) return bad(r, "the version of an observer state");
  if (version > VERSION)
    return qn_error(r->ctx, QN_DIAG_VERSION, r->place, "observer state of version %llu; this library knows %d",
                    (unsigned long long)version, VERSION);
  if (version < 1) return bad(r, "a version from 1 on");
  const char *kind = r->at;
  while (r->at < r->end && *r->at != ' ' && *r->at != ';') r->at++;
  qn_str name = {kind, (size_t)(r->at - kind)};
  if (!take(r, " ") || !take_u64(r, &channels) || !channels || channels > (uint64_t)(r->end - r->begin))
    return bad(r, "the number of channels");
  qn_status status = qn_observer_create(r->ctx, name, (int64_t)channels, r->place, out);
  for (uint32_t i = 0; !status && i < (*out)->num_channels; i++) status = read_channel(*out, r, &(*out)->channels[i]);
  return !status && r->at != r->end ? bad(r, "the end") : status;
}

qn_status qn_observer_parse(qn_context *ctx, qn_str text, qn_place place, qn_observer **out) {
  reader r = {ctx, place, text.data, text.data, text.data + text.size};
  *out = NULL;
  if (!text.size) r.begin = r.at = r.end = "";
  qn_fp_env saved = qn__fp_enter();
  qn_status status = read_state(&r, out);
  qn__fp_leave(saved);
  if (!status) return QN_OK;
  qn_observer_destroy(*out);
  *out = NULL;
  return status;
}
