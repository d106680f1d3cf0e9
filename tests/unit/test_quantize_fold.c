/* Quantized programs of random shapes and types through the passes: folding changes results by rounding only, proving
 * and lowering by no bit. */
#include "failing_alloc.h"
#include "interp_test.h"
#include <quern/pass.h>

enum { TEXT = 1 << 17, RUNS = 160 };

typedef struct shape {
  int64_t batch, m, k, n, p;                       /* batch 0: none */
  bool transpose_a, transpose_b, bias, relu, left; /* left: the weight stands on the left */
  const char *weights, *activations, *granularity, *elem;
  bool dynamic;
  const char *requantize;
} shape;

/* ---- numbers ---- */

static uint64_t state = 88172645463325252u;

static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}
static int64_t below(int64_t n) {
  return (int64_t)(next() % (uint64_t)n);
}
static double unit(void) {
  return (double)(next() >> 11) * 0x1p-53 * 2 - 1;
}

#define PICK(...) pick((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
static const char *pick(const char *const *of, size_t n) {
  return of[below((int64_t)n)];
}

static shape random_shape(void) {
  return (shape){.batch = below(4) ? 0 : 1 + below(3),
                 .m = 1 + below(9),
                 .k = 1 + below(20),
                 .n = 1 + below(12),
                 .p = 1 + below(6),
                 .transpose_a = below(3) == 0,
                 .transpose_b = below(2) == 0,
                 .bias = below(2) == 0,
                 .relu = below(2) == 0,
                 .left = below(8) == 0,
                 .weights = PICK("i8", "i8", "i8", "i4", "i16", "u8"),
                 .activations = PICK("u8", "u8", "i8", "u16", "i4"),
                 .granularity = PICK("tensor", "channel"),
                 .elem = "f32",
                 .requantize = "f32"};
}

/* ---- programs ---- */

static void put(char *text, const char *fmt, ...) QN_PRINTF(2, 3);
static void put(char *text, const char *fmt, ...) {
  size_t used = strlen(text);
  va_list args;
  va_start(args, fmt);
  int n = vsnprintf(text + used, TEXT - used, fmt, args);
  va_end(args);
  assert_true(n >= 0 && (size_t)n < TEXT - used);
}

static void put_matrix(char *text, const char *name, int64_t rows, int64_t cols, const char *elem) {
  put(text, "  %s = arith.constant dense<[", name);
  for (int64_t i = 0; i < rows; i++) {
    put(text, "%s[", i ? ", " : "");
    /* Columns of different sizes, so that scales per column matter. */
    for (int64_t j = 0; j < cols; j++) put(text, "%s%.6e", j ? ", " : "", unit() * (double)(1 + (i + j) % 3));
    put(text, "]");
  }
  put(text, "]> : tensor<%lldx%lldx%s>\n", (long long)rows, (long long)cols, elem);
}

static void put_type(char *text, int64_t batch, int64_t rows, int64_t cols, const char *elem) {
  put(text, "tensor<");
  if (batch) put(text, "%lldx", (long long)batch);
  put(text, "%lldx%lldx%s>", (long long)rows, (long long)cols, elem);
}

/* Two products with what lies between them; the first one's weight may stand on the left. */
static void write_program(char *text, const shape *s) {
  char x[128] = "", y[128] = "", z[128] = "", w[64], cal[160] = "", cal2[160] = "";
  double reach = 2.0 * (double)s->k;
  text[0] = 0;
  put_type(x, s->batch, s->transpose_a ? s->k : s->m, s->transpose_a ? s->m : s->k, s->elem);
  put_type(y, s->batch, s->m, s->n, s->elem);
  put_type(z, s->batch, s->m, s->p, s->elem);
  put(cal, "!quant.calibrated<%s<-1.0:1.0>>", s->elem);
  put(cal2, "!quant.calibrated<%s<%.1f:%.1f>>", s->elem, s->relu ? 0.0 : -reach, reach);
  put(text, "func.func @main(%%x: %s) -> (%s, %s) {\n", x, z, y);
  put_matrix(text, "%w", s->transpose_b ? s->n : s->k, s->transpose_b ? s->k : s->n, s->elem);
  put_matrix(text, "%v", s->n, s->p, s->elem);
  put_matrix(text, "%bias", 1, s->n, s->elem);
  snprintf(w, sizeof w, "tensor<%lldx%lldx%s>", (long long)(s->transpose_b ? s->n : s->k),
           (long long)(s->transpose_b ? s->k : s->n), s->elem);
  char xc[256], yc[256];
  snprintf(xc, sizeof xc, "%.*s%s>", (int)(strlen(x) - strlen(s->elem) - 1), x, cal);
  snprintf(yc, sizeof yc, "%.*s%s>", (int)(strlen(y) - strlen(s->elem) - 1), y, cal2);
  put(text, "  %%c = quern.cast %%x : (%s) -> %s\n", x, xc);
  put(text, "  %%0 = quern.matmul %%c, %%w {transpose_a = %s, transpose_b = %s} : (%s, %s) -> %s\n",
      s->transpose_a ? "true" : "false", s->transpose_b ? "true" : "false", xc, w, y);
  const char *last = "%0";
  if (s->bias) {
    put(text, "  %%1 = quern.add %s, %%bias : (%s, tensor<1x%lldx%s>) -> %s\n", last, y, (long long)s->n, s->elem, y);
    last = "%1";
  }
  if (s->relu) {
    put(text, "  %%2 = quern.relu %s : (%s) -> %s\n", last, y, y);
    last = "%2";
  }
  put(text, "  %%d = quern.cast %s : (%s) -> %s\n", last, y, yc);
  put(text, "  %%3 = quern.matmul %%d, %%v : (%s, tensor<%lldx%lldx%s>) -> %s\n", yc, (long long)s->n, (long long)s->p,
      s->elem, z);
  put(text, "  return %%3, %s : %s, %s\n}\n", last, z, y);
}

/* A weight on the left: y = w * x, for which the right operand is the activation. */
static void write_left(char *text, const shape *s) {
  char x[128] = "", y[128] = "", xc[256];
  text[0] = 0;
  put_type(x, s->batch, s->k, s->n, s->elem);
  put_type(y, s->batch, s->m, s->n, s->elem);
  snprintf(xc, sizeof xc, "%.*s!quant.calibrated<%s<-1.0:1.0>>>", (int)(strlen(x) - strlen(s->elem) - 1), x, s->elem);
  put(text, "func.func @main(%%x: %s) -> (%s, %s) {\n", x, y, y);
  put_matrix(text, "%w", s->m, s->k, s->elem);
  put(text, "  %%c = quern.cast %%x : (%s) -> %s\n", x, xc);
  put(text, "  %%0 = quern.matmul %%w, %%c : (tensor<%lldx%lldx%s>, %s) -> %s\n", (long long)s->m, (long long)s->k,
      s->elem, xc, y);
  put(text, "  return %%0, %%0 : %s, %s\n}\n", y, y);
}

/* ---- running ---- */

static void run_passes(ev *e, qn_module *m, const char *pipeline, const char *text) {
  qn_pass_manager_options options = {.verify_each = true};
  qn_pass_manager *pm;
  if (qn_pass_manager_create(e->ctx, qn_str_of(pipeline), &options, &pm) != QN_OK) fail_msg("%s", e->said);
  if (qn_pass_manager_run(pm, m) != QN_OK) fail_msg("%s: %s\n%s", pipeline, e->said, text);
  qn_pass_manager_destroy(pm);
}

static void evaluate(ev *e, qn_module *m, const qn_tensor *in, qn_tensor *out, const char *what) {
  if (qn_evaluate(m, qn_module_function(m, "main"), NULL, 1, in, 2, out) != QN_OK) fail_msg("%s: %s", what, e->said);
}

static double sqnr(const qn_tensor *want, const qn_tensor *have) {
  double signal = 0, noise = 0;
  for (int64_t i = 0; i < qn_tensor_count(want); i++) {
    double a = qn_tensor_get_f64(want, i), d = a - qn_tensor_get_f64(have, i);
    signal += a * a;
    noise += d * d;
  }
  return noise > 0 ? 10 * log10(signal / noise) : INFINITY;
}

static void same_bits(const char *what, const qn_tensor *a, const qn_tensor *b, const char *text) {
  assert_int_equal(qn_tensor_bytes(a), qn_tensor_bytes(b));
  for (int64_t i = 0; i < qn_tensor_count(a); i++)
    if (!ev_same(qn_tensor_get_f64(a, i), qn_tensor_get_f64(b, i)))
      fail_msg("%s: element %lld is %.9g, was %.9g\n%s", what, (long long)i, qn_tensor_get_f64(b, i),
               qn_tensor_get_f64(a, i), text);
}

static qn_tensor random_input(ev *e, qn_module *m) {
  qn_type t = qn_value_type(m, qn_block_arg(m, qn_func_body(m, qn_module_function(m, "main")), 0));
  qn_tensor x = {.elem = qn_type_as_scalar(e->ctx, qn_type_elem(e->ctx, t)), .rank = qn_type_rank(e->ctx, t)};
  for (uint32_t d = 0; d < x.rank; d++) x.shape[d] = qn_type_shape(e->ctx, t)[d];
  x.data = calloc(qn_tensor_bytes(&x) + 1, 1);
  for (int64_t i = 0; i < qn_tensor_count(&x); i++) qn_tensor_set_f64(&x, i, unit());
  return x;
}

static int64_t count_kind(const qn_module *m, qn_op_kind kind) {
  int64_t n = 0;
  for (qn_op op = qn_block_first(m, qn_func_body(m, qn_module_function(m, "main"))); op.id; op = qn_op_next(m, op))
    n += qn_op_kind_of(m, op) == kind;
  return n;
}

/* Codes next to a rounding boundary may become their neighbours: at most all that a sum takes, one step each, times the
 * largest weight. */
static void check_steps(const shape *s, const qn_tensor *a, const qn_tensor *b, const char *text) {
  int bits = atoi(s->activations + 1);
  double range = (s->relu ? 2.0 : 4.0) * (double)s->k, step = range / (double)((1 << bits) - 1);
  for (int64_t i = 0; i < qn_tensor_count(a); i++)
    if (fabs(qn_tensor_get_f64(a, i) - qn_tensor_get_f64(b, i)) > (double)s->n * step * 3)
      fail_msg("folding moved element %lld from %g to %g\n%s", (long long)i, qn_tensor_get_f64(a, i),
               qn_tensor_get_f64(b, i), text);
}

/* The first product's result is rounded otherwise, no more; the second one's input may have other codes. */
static void compare_folded(const shape *s, const qn_tensor *was, const qn_tensor *is, double min_sqnr,
                           const char *text) {
  const double limits[2] = {min_sqnr, strcmp(s->elem, "f32") == 0 ? 80 : min_sqnr};
  for (int k = 0; k < 2; k++)
    if (sqnr(&was[k], &is[k]) < limits[k])
      fail_msg("folding moved output %d: %.1f dB\n%s", k, sqnr(&was[k], &is[k]), text);
  if (!s->left && !s->dynamic && strcmp(s->elem, "f32") == 0) check_steps(s, &was[0], &is[0], text);
}

/* The steps of one program; each stage is compared with the one before it. */
static void run_case(const shape *s, double min_sqnr) {
  static char text[TEXT];
  char quantize[256], fold[64];
  ev e;
  qn_tensor y[4][2];
  ev_open(&e);
  (s->left ? write_left : write_program)(text, s);
  qn_module *m = ev_parse(&e, text);
  qn_tensor x = random_input(&e, m);
  snprintf(quantize, sizeof quantize, "quantize{weights=%s,activations=%s,granularity=%s,dynamic=%s}", s->weights,
           s->activations, s->granularity, s->dynamic ? "true" : "false");
  snprintf(fold, sizeof fold, "fold-qparams{requantize=%s},canonicalize", s->requantize);
  const char *stages[4] = {quantize, fold, "prove-accumulators,canonicalize",
                           "lower-kernels{target=generic},canonicalize,dce"};
  for (int i = 0; i < 4; i++) {
    run_passes(&e, m, stages[i], text);
    evaluate(&e, m, &x, y[i], stages[i]);
    if (i == 1) { /* every product is one of codes now */
      assert_int_equal(count_kind(m, QN_OP_DCAST), 0);
      assert_int_equal(count_kind(m, QN_OP_DEQUANTIZE), 0);
    }
    if (i == 1) compare_folded(s, y[0], y[1], min_sqnr, text);
    for (int k = 0; i > 1 && k < 2; k++) same_bits(stages[i], &y[i - 1][k], &y[i][k], text);
  }
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 2; k++) qn_tensor_free(e.ctx, &y[i][k]);
  ev_free(&x);
  qn_module_destroy(m);
  ev_close(&e);
}

/* ---- the tests ---- */

/* One code of 16 is much: nothing but the number of steps is checked then. */
static double tolerance(const shape *s) {
  return strcmp(s->activations, "i4") == 0 ? -INFINITY : 15;
}

static void test_static(void **unused) {
  (void)unused;
  for (int i = 0; i < RUNS; i++) {
    shape s = random_shape();
    run_case(&s, tolerance(&s));
  }
}

static void test_fixed_point(void **unused) {
  (void)unused;
  for (int i = 0; i < RUNS / 4; i++) {
    shape s = random_shape();
    if (strcmp(s.activations, "u16") == 0 || strcmp(s.weights, "i16") == 0) continue;
    s.requantize = i % 2 ? "fixed" : "single";
    run_case(&s, tolerance(&s) - 5);
  }
}

static void test_dynamic(void **unused) {
  (void)unused;
  for (int i = 0; i < RUNS / 2; i++) {
    shape s = random_shape();
    s.dynamic = true;
    s.activations = PICK("u8", "i8");
    s.weights = PICK("i8", "u8", "i4");
    /* Ranges are measured, so a last bit moves every code. */
    run_case(&s, 15);
  }
}

static void test_other_floats(void **unused) {
  (void)unused;
  for (int i = 0; i < RUNS / 4; i++) {
    shape s = random_shape();
    s.elem = PICK("f16", "bf16", "f64");
    s.activations = "u8";
    run_case(&s, strcmp(s.elem, "bf16") ? 15 : 10); /* bf16 itself has 8 bits */
  }
}

/* Memory that runs out at any allocation: no crash, nothing left behind, and when all is well an allocation was made
 * good, so the program is whole. */
static void test_memory(void **unused) {
  (void)unused;
  static char text[TEXT];
  static const char wide[] =
      "!a = !quant.uniform<u8:f32, 0.5>\n!y = !quant.uniform<u8:f32, 0.125>\n"
      "func.func @main(%q: tensor<2x70000x!a>, %b: tensor<70000x2x!a>) -> (tensor<2x2x!y>, tensor<2x2xi32>) {\n"
      "  %bias = arith.constant dense<[5, -6]> : tensor<2xi32>\n"
      "  %m = arith.constant dense<1.0> : tensor<f32>\n"
      "  %0 = quern.matmul %q, %b : (tensor<2x70000x!a>, tensor<70000x2x!a>) -> tensor<2x2xi32>\n"
      "  %1 = quern.add %0, %bias : (tensor<2x2xi32>, tensor<2xi32>) -> tensor<2x2xi32>\n"
      "  %2 = quern.requantize %1, %m {mode = \"fixed\"} : (tensor<2x2xi32>, tensor<f32>) -> tensor<2x2x!y>\n"
      "  return %2, %1 : tensor<2x2x!y>, tensor<2x2xi32>\n}\n";
  const struct {
    const char *text, *pipeline;
  } cases[] = {{text, "choose-granularity,quantize,fold-qparams,prove-accumulators"},
               {text, "choose-granularity{granularity=channel},quantize{dynamic=true},fold-qparams"},
               {wide, "prove-accumulators"}};
  shape s = {.m = 2, .k = 40, .n = 30, .p = 2, .transpose_b = true, .bias = true, .relu = true, .elem = "f32"};
  write_program(text, &s);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    failing_alloc f;
    size_t n = 0;
    do {
      qn_allocator a = failing_init(&f, n);
      qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &a});
      qn_module *m = NULL;
      qn_status status = ctx ? qn_parse_text(ctx, qn_str_of(cases[i].text), "t", NULL, &m) : QN_ERR_NO_MEMORY;
      if (status == QN_OK) status = qn_run_pipeline(m, cases[i].pipeline);
      if (!f.fired) assert_int_equal(status, QN_OK);
      f.fail_at = SIZE_MAX;
      if (status == QN_OK) assert_int_equal(qn_module_verify(m), QN_OK);
      qn_module_destroy(m);
      qn_context_destroy(ctx);
      assert_true(failing_clean(&f));
      n++;
    } while (f.fired);
    assert_true(n > 20);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_static), cmocka_unit_test(test_fixed_point),
                                     cmocka_unit_test(test_dynamic), cmocka_unit_test(test_other_floats),
                                     cmocka_unit_test(test_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
