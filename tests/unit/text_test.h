/* What the tests of the text share: a context that remembers its diagnostics, text in, text out. */
#ifndef QN_TEST_TEXT_TEST_H
#define QN_TEST_TEXT_TEST_H
#include "unit.h"
#include <quern/text.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX_DIAGS = 64 };

typedef struct text_diag {
  qn_severity severity;
  qn_diag_code code;
  uint32_t line, col;
  char message[512];
} text_diag;

static struct {
  text_diag at[TEXT_MAX_DIAGS];
  size_t count, errors;
} text_diags;

static inline void text_on_diag(void *user, const qn_diag *d) {
  (void)user;
  if (d->severity == QN_ERROR) text_diags.errors++;
  if (text_diags.count == TEXT_MAX_DIAGS) return;
  text_diag *t = &text_diags.at[text_diags.count++];
  *t = (text_diag){.severity = d->severity, .code = d->code, .line = d->place.line, .col = d->place.col};
  snprintf(t->message, sizeof t->message, "%.*s", (int)d->message.size, d->message.data);
}

static inline qn_context *text_context(const qn_allocator *allocator) {
  memset(&text_diags, 0, sizeof text_diags);
  qn_context_options options = {.allocator = allocator, .on_diag = text_on_diag};
  return qn_context_create(&options);
}

/* A string that grows; free(data). */
typedef struct text_out {
  char *data;
  size_t size, cap;
} text_out;

static inline bool text_write(void *user, const char *data, size_t size) {
  text_out *o = user;
  if (o->size + size + 1 > o->cap) {
    o->cap = (o->size + size + 1) * 2;
    char *grown = realloc(o->data, o->cap);
    if (!grown) return false;
    o->data = grown;
  }
  memcpy(o->data + o->size, data, size);
  o->size += size;
  o->data[o->size] = 0;
  return true;
}

static inline qn_module *text_parse(qn_context *ctx, const char *text, bool allow_unregistered) {
  qn_module *m = NULL;
  qn_parse_options options = {.allow_unregistered = allow_unregistered};
  qn_status status = qn_parse_text(ctx, qn_str_of(text), "test.mlir", &options, &m);
  if (status != QN_OK) assert_null(m);
  return m;
}

/* The module's text; the caller frees it. */
static inline char *text_print(const qn_module *m, bool generic, bool locations) {
  text_out out = {0};
  qn_print_options options = {.generic = generic, .inline_ = true, .locations = locations};
  assert_int_equal(qn_print(m, &options, text_write, &out), QN_OK);
  return out.data;
}

static inline void text_show_diags(void) {
  for (size_t i = 0; i < text_diags.count; i++)
    print_message("%u:%u %s\n", (unsigned)text_diags.at[i].line, (unsigned)text_diags.at[i].col,
                  text_diags.at[i].message);
}

/* Reads `text`, and checks that what is printed reads back to itself: pretty, generic, and from one to the other. The
 * result is the pretty text; the caller frees it. */
static inline char *text_round(const char *text, bool allow_unregistered) {
  qn_context *ctx = text_context(NULL);
  qn_module *m = text_parse(ctx, text, allow_unregistered);
  if (!m) text_show_diags();
  assert_non_null(m);
  char *pretty = text_print(m, false, false), *generic = text_print(m, true, false),
       *places = text_print(m, false, true);
  const char *sources[] = {pretty, generic, places};
  for (int i = 0; i < 3; i++) {
    qn_module *again = text_parse(ctx, sources[i], allow_unregistered);
    if (!again) text_show_diags();
    assert_non_null(again);
    char *second = text_print(again, false, false);
    assert_string_equal(second, pretty);
    free(second);
    second = text_print(again, true, false);
    assert_string_equal(second, generic);
    free(second);
    if (i == 2) {
      second = text_print(again, false, true);
      assert_string_equal(second, places);
      free(second);
    }
    qn_module_destroy(again);
  }
  free(generic);
  free(places);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  return pretty;
}
#endif
