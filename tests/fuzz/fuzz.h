/* What the fuzz targets share: a context whose memory is bounded and whose diagnostics are counted, printing into
 * memory, and a way to stop that libFuzzer reports with the input that led there. */
#ifndef QN_FUZZ_H
#define QN_FUZZ_H
#include <quern/context.h>
#include <quern/text.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than this in one input is treated as exhausted memory, which every target must survive. */
enum { FUZZ_MEMORY = 256 << 20 };

typedef struct fuzz_state {
  size_t live, errors;
} fuzz_state;

static void *fuzz_resize(void *user, void *ptr, size_t old_size, size_t new_size) {
  fuzz_state *s = user;
  if (new_size == 0) {
    s->live -= old_size;
    free(ptr);
    return NULL;
  }
  if (new_size > FUZZ_MEMORY || s->live - old_size > FUZZ_MEMORY - new_size) return NULL;
  void *p = realloc(ptr, new_size);
  if (p) s->live += new_size - old_size;
  return p;
}

/* Reads all of a diagnostic, so that a bad view in it is found. */
static void fuzz_diag(void *user, const qn_diag *d) {
  fuzz_state *s = user;
  const qn_str parts[] = {d->place.file, d->place.entity, d->place.source, d->message};
  volatile unsigned char sum = 0;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
    if (parts[i].size) sum = (unsigned char)(sum + parts[i].data[0] + parts[i].data[parts[i].size - 1]);
  if (d->severity == QN_ERROR) s->errors++;
}

static inline qn_context *fuzz_context(fuzz_state *s) {
  *s = (fuzz_state){0};
  const qn_allocator allocator = {fuzz_resize, s};
  const qn_context_options options = {.allocator = &allocator, .on_diag = fuzz_diag, .on_diag_user = s};
  return qn_context_create(&options);
}

static inline void fuzz_stop(const char *what) {
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

/* A call that failed must have said why, and one that did not must not have. */
static inline void fuzz_check_status(const fuzz_state *s, qn_status status) {
  if (status != QN_OK && s->errors == 0) fuzz_stop("a failure without a diagnostic");
  if (status == QN_OK && s->errors != 0) fuzz_stop("an error was reported, but the call succeeded");
}

/* The program that the input is, or null after a diagnostic. */
static inline qn_module *fuzz_parse(qn_context *ctx, const fuzz_state *s, const uint8_t *data, size_t size,
                                    const qn_parse_options *options) {
  qn_module *m = NULL;
  qn_status status = qn_parse_text(ctx, (qn_str){(const char *)data, size}, "input", options, &m);
  fuzz_check_status(s, status);
  if ((status == QN_OK) != (m != NULL)) fuzz_stop("a module without success, or success without a module");
  return m;
}

/* Ends the context: everything it gave out must have come back, with the sizes it was taken with. */
static inline void fuzz_end(qn_context *ctx, const fuzz_state *s) {
  qn_context_destroy(ctx);
  if (s->live) fuzz_stop("memory was not given back, or with another size");
}

/* ---- text in memory ---- */

typedef struct fuzz_text {
  char *data;
  size_t size, cap;
} fuzz_text;

static inline bool fuzz_put(void *user, const char *data, size_t size) {
  fuzz_text *t = user;
  if (t->size + size + 1 > t->cap) {
    size_t cap = (t->size + size + 1) * 2;
    char *p = realloc(t->data, cap);
    if (!p) return false;
    t->data = p;
    t->cap = cap;
  }
  memcpy(t->data + t->size, data, size);
  t->size += size;
  t->data[t->size] = 0;
  return true;
}

static inline void fuzz_show(const char *name, const fuzz_text *t) {
  fprintf(stderr, "---- %s\n%.*s\n", name, (int)t->size, t->data ? t->data : "");
}
#endif
