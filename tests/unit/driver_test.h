/* What the tests of whole jobs share: a context that keeps its messages, programs as text, arrays in a folder. */
#ifndef QN_TEST_DRIVER_TEST_H
#define QN_TEST_DRIVER_TEST_H
#include "temp_folder.h"
#include "unit.h"
#include <dirent.h>
#include <math.h>
#include <quern/driver.h>
#include <quern/unstable/evaluator.h>
#include <unistd.h>

static char folder[256];
static qn_context *ctx;
static size_t errors, warnings;
static qn_diag_code last_code;
static char said[4096];

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  if (d->severity == QN_ERROR) errors++, last_code = d->code;
  if (d->severity == QN_WARNING) warnings++;
  size_t used = strlen(said);
  snprintf(said + used, sizeof said - used, "%.*s: %s\n", (int)d->place.entity.size, d->place.entity.data,
           d->message.data);
}

static int setup(void **state) {
  (void)state;
  errors = warnings = 0;
  said[0] = 0;
  ctx = qn_context_create(&(qn_context_options){.on_diag = on_diag});
  return make_temp_folder("driver", folder, sizeof folder) && ctx ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  DIR *d = opendir(folder);
  for (struct dirent *e; d && (e = readdir(d));) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
    if (e->d_name[0] != '.') remove(path);
  }
  if (d) closedir(d);
  rmdir(folder);
  qn_context_destroy(ctx);
  return 0;
}

static inline void expect_said(const char *part) {
  if (!strstr(said, part)) fail_msg("expected a message with '%s', found: %s", part, said);
  said[0] = 0;
  errors = warnings = 0;
}

static inline const char *at(const char *name) {
  static char paths[4][400];
  static int next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static inline qn_module *parse(const char *text) {
  qn_module *m = NULL;
  if (qn_parse_text(ctx, qn_str_of(text), "test.mlir", NULL, &m) != QN_OK) fail_msg("%s\n%s", text, said);
  return m;
}

typedef struct array {
  const char *name;
  qn_scalar elem;
  uint32_t rank;
  int64_t shape[4];
  const void *data;
} array;

/* Writes the arrays, opens them as samples. */
static inline qn_sample_set *samples_of(const char *file, qn_store_format format, size_t n, const array *a) {
  qn_store_writer *w;
  qn_tensor t[8];
  assert_int_equal(qn_store_writer_create(ctx, at(file), format, &w), QN_OK);
  for (size_t i = 0; i < n; i++) {
    t[i] = (qn_tensor){.elem = a[i].elem, .rank = a[i].rank, .data = (void *)(uintptr_t)a[i].data};
    memcpy(t[i].shape, a[i].shape, sizeof a[i].shape);
    assert_int_equal(qn_store_writer_add(w, qn_str_of(a[i].name), &t[i]), QN_OK);
  }
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  qn_sample_set *s;
  if (qn_samples_open(ctx, at(file), &s) != QN_OK) fail_msg("%s", said);
  return s;
}

typedef struct printed {
  char data[1 << 16];
  size_t size;
} printed;

static inline bool put_text(void *user, const char *data, size_t size) {
  printed *t = user;
  assert_true(size < sizeof t->data - t->size);
  memcpy(t->data + t->size, data, size);
  t->data[t->size += size] = 0;
  return true;
}

static inline const char *print(const qn_module *m) {
  static printed texts[2];
  static int next;
  printed *t = &texts[next++ % 2];
  t->size = 0;
  assert_int_equal(qn_print(m, &(qn_print_options){.inline_ = true}, put_text, t), QN_OK);
  return t->data;
}

static inline void expect_printed(const qn_module *m, const char *part) {
  const char *t = print(m);
  if (!strstr(t, part)) fail_msg("expected '%s' in\n%s", part, t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#endif
