/* What the tests of observers share: a context that keeps its last message, feeding plain arrays. */
#ifndef QN_TEST_OBSERVE_TEST_H
#define QN_TEST_OBSERVE_TEST_H
#include "unit.h"
#include <math.h>
#include <quern/unstable/observe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct env {
  qn_context *ctx;
  size_t errors;
  qn_diag_code code;
  char said[1024];
} env;

static inline void on_diag(void *user, const qn_diag *d) {
  env *e = user;
  if (d->severity != QN_ERROR) return;
  e->errors++;
  e->code = d->code;
  snprintf(e->said, sizeof e->said, "%s", d->message.data);
}

static inline void env_open(env *e) {
  memset(e, 0, sizeof *e);
  e->ctx = qn_context_create(&(qn_context_options){.on_diag = on_diag, .on_diag_user = e});
  assert_non_null(e->ctx);
}

static inline void env_close(env *e) {
  qn_context_destroy(e->ctx);
}

static inline void expect_said(env *e, const char *part) {
  if (!strstr(e->said, part)) fail_msg("expected an error with '%s', found: %s", part, e->said);
  e->said[0] = 0;
}

static inline qn_observer *make(env *e, const char *kind, int64_t channels) {
  qn_observer *o;
  if (qn_observer_create(e->ctx, qn_str_of(kind), channels, qn_place_file("t"), &o)) fail_msg("%s: %s", kind, e->said);
  return o;
}

static inline qn_status feed_tensor(qn_observer *o, const qn_tensor *x, uint32_t axis, int64_t sample) {
  return qn_observer_update(o, &(qn_observation){.x = x,
                                                 .axis = axis,
                                                 .samples = &sample,
                                                 .num_samples = 1,
                                                 .name = qn_str_of("key"),
                                                 .place = qn_place_file("t")});
}

static inline void feed(qn_observer *o, const float *x, size_t n, int64_t sample) {
  qn_tensor t = {.elem = QN_F32, .rank = 1, .shape = {(int64_t)n}, .data = (void *)(uintptr_t)x};
  assert_int_equal(feed_tensor(o, &t, 0, sample), QN_OK);
}

/* A copy that the caller frees. */
static inline char *text_of(qn_observer *o) {
  qn_str s;
  assert_int_equal(qn_observer_text(o, &s), QN_OK);
  char *copy = malloc(s.size + 1);
  assert_non_null(copy);
  memcpy(copy, s.data, s.size);
  copy[s.size] = 0;
  return copy;
}

static inline void expect_text(qn_observer *o, const char *want) {
  char *text = text_of(o);
  assert_string_equal(text, want);
  free(text);
}

static inline void expect_range(qn_observer *o, uint32_t channel, double min, double max) {
  double lo, hi;
  assert_int_equal(qn_observer_range(o, channel, qn_place_file("t"), &lo, &hi), QN_OK);
  if (lo < min || lo > min || hi < max || hi > max)
    fail_msg("range %.17g:%.17g, expected %.17g:%.17g", lo, hi, min, max);
}

/* ---- numbers ---- */

static inline uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static inline double unit_random(uint64_t *state) {
  return (double)(next_random(state) >> 11) * 0x1p-53;
}

/* About normal, mean 0, deviation 1. */
static inline float bell(uint64_t *state) {
  double sum = 0;
  for (int i = 0; i < 12; i++) sum += unit_random(state);
  return (float)(sum - 6);
}
#endif
