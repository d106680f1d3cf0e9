/* Runs programs whose inputs and expected outputs stand in their comments:
 *
 *   // CALL @name                     which function the lines below are for; the first public one without
 *   // INPUT x: 1, -0.0, nan          values in row-major order; brackets may show the nesting
 *   // INPUT x 2x3: 1 2 3 4 5 6       with sizes, where the type leaves some open
 *   // INPUT x: 255*4000              a value many times
 *   // EXPECT y: 0x1p-3, inf, nan     bit for bit, but that any NaN equals any other
 *   // EXPECT y 2x3: ..               the shape too
 *   // EXPECT y 2ulp: 2.7182818284    at most 2 units in the last place of the value given
 *   // OBSERVES key: ..               what the observer of this key sees: a further output of the compiled program
 *   // FAILS some words               instead of EXPECT: the call is refused with these words
 *
 * A further INPUT of a name that is given already, after an EXPECT, begins the next call of the same function. Each
 * call runs on the interpreter as the program is written; then lowered for every instruction set row of this machine on
 * every engine, on one thread and on two, where each output must have the interpreter's bits.
 *
 *   exec FILE..              runs
 *   exec --coverage FILE..   fails unless every op of the table occurs in one of the files */
#include "../unit/failing_alloc.h"
#include <math.h>
#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PORTS = 8, MAX_LINE = 1 << 14 };

typedef struct port_line {
  bool has_shape, observed;
  uint32_t rank;
  int64_t shape[QN_MAX_RANK];
  int ulp;
  char name[64];
  char values[MAX_LINE];
} port_line;

typedef struct call {
  char function[64];
  port_line in[MAX_PORTS], out[MAX_PORTS];
  uint32_t num_in, num_out;
  char fails[256]; /* empty: the call succeeds */
} call;

typedef struct runner {
  qn_context *ctx;
  qn_module *m;
  qn_pool *pool;
  const char *path;
  char *text;
  char said[4096]; /* diagnostics since the last clearing */
  int line, bad, runs;
} runner;

static void on_diag(void *user, const qn_diag *d) {
  runner *r = user;
  size_t at = strlen(r->said);
  snprintf(r->said + at, sizeof r->said - at, "%u:%u: %.*s\n", d->place.line, d->place.col, (int)d->message.size,
           d->message.data);
}

static bool fail(runner *r, const char *what, const char *detail) {
  fprintf(stderr, "%s:%d: %s: %s\n%s", r->path, r->line, what, detail, r->said);
  r->said[0] = 0;
  r->bad++;
  return false;
}

/* ---- values ---- */

static bool parse_values(const char *text, qn_tensor *t) {
  int64_t n = qn_tensor_count(t), i = 0;
  char *end = NULL;
  for (const char *p = text;;) {
    p += strspn(p, " ,[]\t");
    if (!*p) return i == n;
    double f = qn_scalar_is_float(t->elem) ? strtod(p, &end) : 0;
    long long v = 0;
    if (!qn_scalar_is_float(t->elem)) v = *p == '-' ? strtoll(p, &end, 0) : (long long)strtoull(p, &end, 0);
    if (end == p) return false;
    long long times = *end == '*' ? strtoll(end + 1, &end, 10) : 1;
    for (; times > 0 && i < n; times--, i++) {
      if (qn_scalar_is_float(t->elem))
        qn_tensor_set_f64(t, i, f);
      else
        qn_tensor_set_i64(t, i, v);
    }
    if (times > 0) return false;
    p = end;
  }
}

static bool tensor_for(const qn_port_info *port, const port_line *line, qn_tensor *t) {
  *t = (qn_tensor){.elem = port->elem, .rank = line->has_shape ? line->rank : port->rank};
  memcpy(t->shape, line->has_shape ? line->shape : port->shape, sizeof t->shape);
  size_t bytes = qn_tensor_bytes(t);
  if (bytes == SIZE_MAX) return false;
  t->data = calloc(1, bytes + 1);
  return t->data && parse_values(line->values, t);
}

static bool element_is(const qn_tensor *got, const qn_tensor *want, int64_t i, int ulp) {
  if (!qn_scalar_is_float(got->elem)) return qn_tensor_get_i64(got, i) == qn_tensor_get_i64(want, i);
  double a = qn_tensor_get_f64(got, i), b = qn_tensor_get_f64(want, i);
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  if (ulp && isfinite(b)) {
    float f = fabsf((float)b);
    return fabs(a - b) <= ulp * ((double)nextafterf(f, INFINITY) - (double)f);
  }
  return a == b && signbit(a) == signbit(b);
}

static bool same_shape(const qn_tensor *a, const qn_tensor *b) {
  if (a->elem != b->elem || a->rank != b->rank) return false;
  return !a->rank || memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

static bool check(runner *r, const char *engine, const char *name, const qn_tensor *got, const qn_tensor *want,
                  int ulp) {
  char text[256];
  if (!same_shape(got, want)) {
    snprintf(text, sizeof text, "output '%s' has another type or shape than expected", name);
    return fail(r, engine, text);
  }
  for (int64_t i = 0, n = qn_tensor_count(got); i < n; i++) {
    if (element_is(got, want, i, ulp)) continue;
    snprintf(text, sizeof text, "element %lld of output '%s' is %.17g, expected %.17g", (long long)i, name,
             qn_tensor_get_f64(got, i), qn_tensor_get_f64(want, i));
    return fail(r, engine, text);
  }
  return true;
}

/* ---- calls ---- */

static int port_of(const port_line *lines, uint32_t n, qn_str name) {
  for (uint32_t i = 0; i < n; i++)
    if (qn_str_eq(qn_str_of(lines[i].name), name)) return (int)i;
  return -1;
}

static bool bind_inputs(runner *r, const call *c, const qn_program *p, qn_tensor *in) {
  for (uint32_t i = 0; i < qn_program_num_inputs(p); i++) {
    qn_port_info port = qn_program_input(p, i);
    int line = port_of(c->in, c->num_in, port.name);
    if (line < 0 || !tensor_for(&port, &c->in[line], &in[i]))
      return fail(r, "INPUT line missing, or of another size", line < 0 ? "" : c->in[line].name);
  }
  return qn_program_num_inputs(p) == c->num_in || fail(r, "more INPUT lines than the function has", c->function);
}

/* An output against the values of its line. */
static bool check_line(runner *r, const char *engine, const qn_program *p, uint32_t i, const qn_tensor *got,
                       const port_line *line) {
  qn_port_info port = qn_program_output(p, i);
  qn_tensor want;
  memcpy(port.shape, got->shape, sizeof port.shape);
  bool ok = tensor_for(&port, line, &want) ? check(r, engine, line->name, got, &want, line->ulp)
                                           : fail(r, "line of another size", line->name);
  free(want.data);
  return ok;
}

/* Runs `p` and compares: with the lines when `first`, filling `oracle`; else with it. Observers are outputs of lowered
 * programs only. */
static bool run(runner *r, const call *c, const qn_program *p, const char *engine, const qn_tensor *in,
                qn_tensor *oracle, bool first, bool threads) {
  qn_tensor out[MAX_PORTS] = {0};
  qn_parallel parallel = qn_pool_parallel(r->pool);
  r->said[0] = 0;
  r->runs++;
  qn_status status = qn_program_run(p, in, out, threads ? &parallel : NULL);
  if (c->fails[0] && status != QN_OK)
    return strstr(r->said, c->fails) ? true : fail(r, engine, "refused for another reason");
  if (status != QN_OK) return fail(r, engine, "the call failed");
  bool ok = !c->fails[0] || fail(r, engine, "succeeded, but FAILS was expected");
  uint32_t expected = 0;
  for (uint32_t i = 0; i < c->num_out; i++) expected += !first || !c->out[i].observed;
  if (qn_program_num_outputs(p) != expected) ok = fail(r, engine, "another number of outputs than lines");
  for (uint32_t i = 0; i < qn_program_num_outputs(p); i++) {
    int line = port_of(c->out, c->num_out, qn_program_output(p, i).name);
    if (line < 0)
      ok = fail(r, engine, "no line for an output of this name");
    else if (first || c->out[line].observed)
      ok = check_line(r, engine, p, i, &out[i], &c->out[line]) && ok;
    else
      ok = check(r, engine, c->out[line].name, &out[i], &oracle[line], 0) && ok;
    if (first && line >= 0)
      oracle[line] = out[i];
    else
      qn_tensor_free(r->ctx, &out[i]);
  }
  return ok;
}

static void run_lowered(runner *r, const call *c, const char *engine, const qn_isa *isa, const qn_tensor *in,
                        qn_tensor *oracle) {
  char what[64];
  snprintf(what, sizeof what, "%s, %s", engine, isa->name);
  qn_module *lowered = qn_module_clone(r->m);
  const qn_compile_options options = {.engine = engine, .cpu = isa->name, .function = c->function};
  qn_program *p = NULL;
  r->said[0] = 0;
  if (qn_lower(lowered, isa->name) != QN_OK || qn_program_compile(lowered, &options, &p) != QN_OK)
    fail(r, what, "does not compile");
  else if (run(r, c, p, what, in, oracle, false, false))
    run(r, c, p, what, in, oracle, false, true);
  qn_program_destroy(p);
  qn_module_destroy(lowered);
}

static void run_call(runner *r, const call *c) {
  qn_tensor in[MAX_PORTS] = {0}, oracle[MAX_PORTS] = {0};
  const qn_compile_options options = {.engine = "interp", .function = c->function};
  qn_program *p = NULL;
  r->said[0] = 0;
  if (qn_program_compile(r->m, &options, &p) != QN_OK) {
    fail(r, "interp, as written", "does not compile");
    return;
  }
  if (bind_inputs(r, c, p, in)) {
    run(r, c, p, "interp, as written", in, oracle, true, false);
    for (size_t e = 0; qn_engine_name(e); e++)
      for (size_t i = 0; qn_isa_get(i); i++)
        if (qn_isa_runs_here(qn_isa_get(i))) run_lowered(r, c, qn_engine_name(e), qn_isa_get(i), in, oracle);
  }
  for (uint32_t i = 0; i < MAX_PORTS; i++) {
    free(in[i].data);
    if (oracle[i].data) qn_tensor_free(r->ctx, &oracle[i]);
  }
  qn_program_destroy(p);
}

/* ---- comments ---- */

static const char *word(const char *p, char *out, size_t size) {
  p += strspn(p, " ");
  size_t n = strcspn(p, " :\n");
  if (n >= size) n = size - 1;
  memcpy(out, p, n);
  out[n] = 0;
  return p + n;
}

/* "x 2x3 1ulp: values" */
static bool parse_port(const char *text, port_line *out) {
  *out = (port_line){0};
  const char *p = word(text, out->name, sizeof out->name);
  for (char option[64]; *(p += strspn(p, " ")) != ':';) {
    p = word(p, option, sizeof option);
    size_t n = strlen(option);
    if (n > 3 && strcmp(option + n - 3, "ulp") == 0) {
      out->ulp = atoi(option);
      continue;
    }
    if (n == 0) return false;
    out->has_shape = true;
    for (char *at = option; strcmp(option, "scalar") && out->rank < QN_MAX_RANK; at++) {
      out->shape[out->rank++] = strtoll(at, &at, 10);
      if (*at != 'x') break;
    }
  }
  size_t n = strcspn(p + 1, "\n");
  if (n >= sizeof out->values) return false;
  memcpy(out->values, p + 1, n);
  return true;
}

static bool after(const char *line, const char *keyword, const char **rest) {
  size_t n = strlen(keyword);
  *rest = line + n;
  return strncmp(line, keyword, n) == 0;
}

static bool add_port(runner *r, const char *text, port_line *lines, uint32_t *n) {
  if (*n < MAX_PORTS && parse_port(text, &lines[*n])) return ++*n, true;
  return fail(r, "this line cannot be read", "NAME [SHAPE] [Nulp]: values");
}

static void finish(runner *r, call *c) {
  if (c->num_out || c->fails[0]) run_call(r, c);
  c->num_in = c->num_out = 0;
  c->fails[0] = 0;
}

static void run_calls(runner *r) {
  static call c;
  c = (call){0};
  int calls = 0;
  qn_str first = qn_func_name(r->m, qn_module_function(r->m, NULL));
  snprintf(c.function, sizeof c.function, "%.*s", (int)first.size, first.data);
  int next = 0;
  for (const char *line = r->text, *rest; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    next++;
    if (after(line, "// CALL @", &rest) || ((c.num_out || c.fails[0]) && after(line, "// INPUT ", &rest))) {
      finish(r, &c);
      if (after(line, "// CALL @", &rest)) word(rest, c.function, sizeof c.function);
    }
    r->line = next;
    if (after(line, "// INPUT ", &rest)) add_port(r, rest, c.in, &c.num_in);
    if (after(line, "// EXPECT ", &rest)) calls += add_port(r, rest, c.out, &c.num_out);
    if (after(line, "// OBSERVES ", &rest) && add_port(r, rest, c.out, &c.num_out))
      c.out[c.num_out - 1].observed = true;
    if (after(line, "// FAILS ", &rest)) {
      snprintf(c.fails, sizeof c.fails, "%.*s", (int)strcspn(rest, "\n"), rest);
      calls++;
    }
  }
  finish(r, &c);
  if (!calls) fail(r, "no EXPECT and no FAILS line in this file", "nothing was tested");
}

/* ---- files ---- */

static char *read_text(const char *path) {
  FILE *f = fopen(path, "rb");
  char *text = calloc(1, 1 << 20);
  if (f && text && fread(text, 1, (1 << 20) - 1, f) == 0) text[0] = 0;
  if (f) fclose(f);
  return text;
}

static void count_ops(const qn_module *m, qn_block b, bool *seen) {
  for (qn_op op = qn_block_first(m, b); op.id; op = qn_op_next(m, op)) {
    seen[qn_op_kind_of(m, op)] = true;
    for (uint32_t i = 0; i < qn_op_num_regions(m, op); i++) count_ops(m, qn_op_region(m, op, i), seen);
  }
}

/* A file in a context of its own, whose allocator checks that all comes back as it was taken. */
static bool run_file(runner *r, bool *seen) {
  failing_alloc memory;
  const qn_allocator allocator = failing_init(&memory, SIZE_MAX);
  const qn_context_options options = {.allocator = &allocator, .on_diag = on_diag, .on_diag_user = r};
  r->line = 0;
  r->ctx = qn_context_create(&options);
  r->text = read_text(r->path);
  if (!r->ctx || !r->text || qn_pool_create(r->ctx, 2, &r->pool) != QN_OK) return false;
  if (qn_parse_text(r->ctx, qn_str_of(r->text), r->path, NULL, &r->m) != QN_OK) {
    fail(r, "does not parse", "");
  } else {
    if (seen)
      count_ops(r->m, qn_module_body(r->m), seen);
    else
      run_calls(r);
    qn_module_destroy(r->m);
  }
  qn_pool_destroy(r->pool);
  qn_context_destroy(r->ctx);
  free(r->text);
  if (!failing_clean(&memory)) fail(r, "memory was not given back", "or with another size than it was taken with");
  return true;
}

int main(int argc, char **argv) {
  static runner r;
  bool coverage = argc > 1 && strcmp(argv[1], "--coverage") == 0, seen[QN_OP_KIND_COUNT] = {true};
  for (int i = coverage ? 2 : 1; i < argc; i++) {
    r.path = argv[i];
    if (!run_file(&r, coverage ? seen : NULL)) return 1;
  }
  for (int k = 0; coverage && k < QN_OP_KIND_COUNT; k++)
    if (!seen[k]) r.bad++, fprintf(stderr, "no program here has %s\n", qn_op_info_get((qn_op_kind)k)->name);
  printf("%d runs, %d bad\n", r.runs, r.bad);
  return r.bad != 0 || argc < (coverage ? 3 : 2);
}
