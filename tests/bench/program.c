/* Programs as text: written, compiled, checked against the interpreter. */
#include "bench.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void need(text *t, size_t more) {
  if (t->size + more + 1 <= t->room) return;
  t->room = 2 * (t->size + more + 1);
  t->data = realloc(t->data, t->room);
  if (!t->data) fprintf(stderr, "out of memory\n"), exit(1);
}

void text_add(text *t, const char *fmt, ...) {
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int n = vsnprintf(NULL, 0, fmt, args);
  need(t, (size_t)n);
  vsnprintf(t->data + t->size, (size_t)n + 1, fmt, again);
  t->size += (size_t)n;
  va_end(again);
  va_end(args);
}

void text_hex(text *t, const void *data, size_t bytes) {
  static const char digits[] = "0123456789ABCDEF";
  const uint8_t *p = data;
  text_add(t, "dense<\"0x");
  need(t, 2 * bytes);
  for (size_t i = 0; i < bytes; i++) {
    t->data[t->size++] = digits[p[i] >> 4];
    t->data[t->size++] = digits[p[i] & 15];
  }
  text_add(t, "\">");
}

void text_free(text *t) {
  free(t->data);
  memset(t, 0, sizeof *t);
}

bool program_from_text(qn_context *ctx, const text *t, const char *engine, const options *o, bool quiet,
                       qn_program **out) {
  qn_diag_handler handler = NULL;
  void *user = NULL;
  qn_module *m = NULL;
  qn_compile_options compile = {.engine = engine, .cpu = strcmp(engine, "interp") ? o->cpu : NULL};
  if (quiet) qn_context_set_diag_handler(ctx, NULL, NULL, &handler, &user);
  *out = NULL;
  qn_status status = qn_parse_text(ctx, (qn_str){t->data, t->size}, "bench", NULL, &m);
  if (!status) status = qn_build_program(m, &compile, out);
  qn_module_destroy(m);
  if (quiet) qn_context_set_diag_handler(ctx, handler, user, NULL, NULL);
  return status == QN_OK;
}

/* The interpreter's first output and the machine code's, bit by bit; NaNs do not occur in these inputs. */
static bool same(qn_context *ctx, const text *t, const options *o, const qn_tensor *in, const void *y) {
  qn_program *interp;
  qn_tensor out[4];
  memset(out, 0, sizeof out);
  if (!program_from_text(ctx, t, "interp", o, false, &interp)) return false;
  bool good = qn_program_run(interp, in, out, NULL) == QN_OK;
  if (good) {
    good = !memcmp(out[0].data, y, qn_tensor_bytes(&out[0]));
    for (uint32_t i = 0; i < qn_program_num_outputs(interp); i++) qn_tensor_free(ctx, &out[i]);
  }
  qn_program_destroy(interp);
  return good;
}

bool checked_program(qn_context *ctx, const text *t, const options *o, const qn_tensor *in, bool quiet, contender *out,
                     const void **y, bool *wrong) {
  qn_program *p;
  const void *result;
  if (!program_from_text(ctx, t, "llvm", o, quiet, &p)) return false;
  if (!ours_program(ctx, p, in, o->parallel, out, &result)) return false;
  out->run(out->state);
  *wrong = !same(ctx, t, o, in, result);
  if (y) *y = result;
  return true;
}
