/* What the tests of the evaluator share: programs as text, values as lists of numbers, exact comparison. */
#ifndef QN_TEST_INTERP_TEST_H
#define QN_TEST_INTERP_TEST_H
#include "unit.h"
#include <math.h>
#include <quern/text.h>
#include <quern/unstable/evaluator.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ev {
  qn_context *ctx;
  size_t errors;
  qn_diag_code code; /* of the last error */
  uint32_t line;     /* likewise */
  char said[4096];
} ev;

static inline void ev_on_diag(void *user, const qn_diag *d) {
  ev *e = user;
  size_t used = strlen(e->said);
  if (d->severity == QN_ERROR) {
    e->errors++;
    e->code = d->code;
    e->line = d->place.line;
  }
  snprintf(e->said + used, sizeof e->said - used, "%u:%u: %s\n", d->place.line, d->place.col, d->message.data);
}

static inline void ev_open(ev *e) {
  memset(e, 0, sizeof *e);
  e->ctx = qn_context_create(&(qn_context_options){.on_diag = ev_on_diag, .on_diag_user = e});
  assert_non_null(e->ctx);
}

static inline void ev_close(ev *e) {
  qn_context_destroy(e->ctx);
}

/* The last call failed with a message that has this in it. */
static inline void ev_expect_said(ev *e, const char *part) {
  if (!strstr(e->said, part)) fail_msg("expected an error with '%s', found: %s", part, e->said);
  e->said[0] = 0;
  e->errors = 0;
}

static inline qn_module *ev_parse(ev *e, const char *text) {
  qn_module *m = NULL;
  qn_status s = qn_parse_text(e->ctx, qn_str_of(text), "test.mlir", NULL, &m);
  if (s != QN_OK) fail_msg("%s\n%s", text, e->said);
  return m;
}

/* ---- values ---- */

#define V(...) ((const double[]){__VA_ARGS__})

typedef struct arg {
  const char *type;
  const double *v;
} arg;

/* A tensor of this type with these elements; freed by ev_free. */
static inline qn_tensor ev_tensor(ev *e, const char *type, const double *v) {
  qn_type t = qn_parse_type(e->ctx, qn_str_of(type));
  if (t.id == 0) fail_msg("type %s: %s", type, e->said);
  qn_tensor x = {.elem = qn_type_memory(e->ctx, qn_type_elem(e->ctx, t)), .rank = qn_type_rank(e->ctx, t)};
  for (uint32_t d = 0; d < x.rank; d++) x.shape[d] = qn_type_shape(e->ctx, t)[d];
  size_t bytes = qn_tensor_bytes(&x);
  assert_true(bytes != SIZE_MAX);
  x.data = calloc(bytes ? bytes : 1, 1);
  for (int64_t i = 0, n = qn_tensor_count(&x); i < n; i++) {
    if (qn_scalar_is_float(x.elem))
      qn_tensor_set_f64(&x, i, v[i]);
    else
      qn_tensor_set_i64(&x, i, (int64_t)v[i]);
  }
  return x;
}

static inline void ev_free(qn_tensor *t) {
  free(t->data);
  t->data = NULL;
}

/* Equal as numbers, -0 apart from +0, any NaN equal to any other. */
static inline bool ev_same(double a, double b) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  return a >= b && a <= b && signbit(a) == signbit(b);
}

static inline void ev_compare(const char *what, const qn_tensor *have, const qn_tensor *want) {
  bool same = have->elem == want->elem && have->rank == want->rank;
  for (uint32_t d = 0; same && d < have->rank; d++) same = have->shape[d] == want->shape[d];
  if (!same)
    fail_msg("%s: rank %u of %s, expected rank %u of %s or other sizes", what, have->rank,
             qn_scalar_get(have->elem)->text, want->rank, qn_scalar_get(want->elem)->text);
  for (int64_t i = 0, n = qn_tensor_count(want); i < n; i++) {
    bool is_float = qn_scalar_is_float(want->elem);
    bool equal = is_float ? ev_same(qn_tensor_get_f64(have, i), qn_tensor_get_f64(want, i))
                          : qn_tensor_get_i64(have, i) == qn_tensor_get_i64(want, i);
    if (!equal)
      fail_msg("%s: element %lld is %.17g, expected %.17g", what, (long long)i, qn_tensor_get_f64(have, i),
               qn_tensor_get_f64(want, i));
  }
}

/* ---- whole programs ---- */

enum { EV_MAX = 8 };

/* Evaluates @main of the text on these inputs and compares what it returns. */
static inline void ev_program(const char *text, uint32_t num_in, const arg *in, uint32_t num_out, const arg *out) {
  ev e;
  qn_tensor x[EV_MAX], y[EV_MAX], want;
  ev_open(&e);
  qn_module *m = ev_parse(&e, text);
  for (uint32_t i = 0; i < num_in; i++) x[i] = ev_tensor(&e, in[i].type, in[i].v);
  qn_status s = qn_evaluate(m, qn_module_function(m, "main"), NULL, num_in, x, num_out, y);
  if (s != QN_OK) fail_msg("%s\n%s", text, e.said);
  for (uint32_t i = 0; i < num_out; i++) {
    want = ev_tensor(&e, out[i].type, out[i].v);
    ev_compare(text, &y[i], &want);
    ev_free(&want);
    qn_tensor_free(e.ctx, &y[i]);
  }
  for (uint32_t i = 0; i < num_in; i++) ev_free(&x[i]);
  qn_module_destroy(m);
  ev_close(&e);
}

static inline void ev_append(char *text, size_t room, const char *more) {
  size_t used = strlen(text);
  assert_true(used + strlen(more) < room);
  snprintf(text + used, room - used, "%s", more);
}

static inline void ev_types(char *text, size_t room, uint32_t n, const arg *args, const char *name) {
  for (uint32_t i = 0; i < n; i++) {
    char piece[512];
    if (name)
      snprintf(piece, sizeof piece, "%s%s%u: %s", i ? ", " : "", name, i, args[i].type);
    else
      snprintf(piece, sizeof piece, "%s%s", i ? ", " : "", args[i].type);
    ev_append(text, room, piece);
  }
}

static inline void ev_names(char *text, size_t room, uint32_t n, const char *stem) {
  for (uint32_t i = 0; i < n; i++) {
    char piece[32];
    snprintf(piece, sizeof piece, "%s%s%u", i ? ", " : "", stem, i);
    ev_append(text, room, piece);
  }
}

/* One op of that name in a function, in generic form; `attrs` as "{a = 1 : i64}" or "", `regions` as "({..})" or "". */
static inline void ev_op_text(char *text, size_t room, const char *op, const char *attrs, const char *regions,
                              uint32_t num_in, const arg *in, uint32_t num_out, const arg *out) {
  text[0] = 0;
  ev_append(text, room, "func.func @main(");
  ev_types(text, room, num_in, in, "%a");
  ev_append(text, room, ") -> (");
  ev_types(text, room, num_out, out, NULL);
  ev_append(text, room, ") {\n  ");
  ev_names(text, room, num_out, "%r");
  ev_append(text, room, " = \"");
  ev_append(text, room, op);
  ev_append(text, room, "\"(");
  ev_names(text, room, num_in, "%a");
  ev_append(text, room, ") ");
  ev_append(text, room, regions);
  ev_append(text, room, " ");
  ev_append(text, room, attrs);
  ev_append(text, room, " : (");
  ev_types(text, room, num_in, in, NULL);
  ev_append(text, room, ") -> (");
  ev_types(text, room, num_out, out, NULL);
  ev_append(text, room, ")\n  return ");
  ev_names(text, room, num_out, "%r");
  ev_append(text, room, " : ");
  ev_types(text, room, num_out, out, NULL);
  ev_append(text, room, "\n}\n");
}

/* Evaluates one op, in a function and alone, and compares its results. */
static inline void ev_case(const char *op, const char *attrs, const char *regions, uint32_t num_in, const arg *in,
                           uint32_t num_out, const arg *out) {
  char text[8192];
  ev e;
  qn_tensor x[EV_MAX], y[EV_MAX];
  ev_op_text(text, sizeof text, op, attrs, regions, num_in, in, num_out, out);
  ev_program(text, num_in, in, num_out, out);
  ev_open(&e);
  qn_module *m = ev_parse(&e, text);
  for (uint32_t i = 0; i < num_in; i++) x[i] = ev_tensor(&e, in[i].type, in[i].v);
  qn_op main_op = qn_block_first(m, qn_func_body(m, qn_module_function(m, "main")));
  if (qn_eval_op(m, main_op, x, y) != QN_OK) fail_msg("%s\n%s", text, e.said);
  for (uint32_t i = 0; i < num_out; i++) {
    qn_tensor want = ev_tensor(&e, out[i].type, out[i].v);
    ev_compare(text, &y[i], &want);
    ev_free(&want);
    qn_tensor_free(e.ctx, &y[i]);
  }
  for (uint32_t i = 0; i < num_in; i++) ev_free(&x[i]);
  qn_module_destroy(m);
  ev_close(&e);
}

static inline void ev_unary(const char *op, const char *attrs, const char *type, const double *x, const char *result,
                            const double *y) {
  ev_case(op, attrs, "", 1, (const arg[]){{type, x}}, 1, (const arg[]){{result, y}});
}

static inline void ev_binary(const char *op, const char *attrs, const char *type_a, const double *a, const char *type_b,
                             const double *b, const char *result, const double *y) {
  ev_case(op, attrs, "", 2, (const arg[]){{type_a, a}, {type_b, b}}, 1, (const arg[]){{result, y}});
}

/* One scalar op, applied by kern.map: types are those of elements in memory, `arith` is written over %x0, %x1, .. as
 * "%y = arith.addi %x0, %x1 : i8". `yielded` is the region's type of the result. */
static inline void ev_scalar(const char *line, uint32_t num_in, const char *const *elems,
                             const char *const *region_elems, const double *const *in, const char *elem_out,
                             const char *yielded, uint32_t n, const double *out) {
  char region[1024] = "({\n^bb0(", types[EV_MAX][64], result[64];
  arg args[EV_MAX], res = {result, out};
  for (uint32_t i = 0; i < num_in; i++) {
    char piece[64];
    snprintf(types[i], sizeof types[i], "tensor<%ux%s>", n, elems[i]);
    snprintf(piece, sizeof piece, "%s%%x%u: %s", i ? ", " : "", i, region_elems[i]);
    ev_append(region, sizeof region, piece);
    args[i] = (arg){types[i], in[i]};
  }
  snprintf(result, sizeof result, "tensor<%ux%s>", n, elem_out);
  ev_append(region, sizeof region, "):\n  ");
  ev_append(region, sizeof region, line);
  ev_append(region, sizeof region, "\n  kern.yield %y : ");
  ev_append(region, sizeof region, yielded);
  ev_append(region, sizeof region, "\n})");
  ev_case("kern.map", "", region, num_in, args, 1, &res);
}
#endif
