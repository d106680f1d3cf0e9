/* Comparing programs: the measures against sums written out, values inside, what cannot be compared. */
#include "driver_test.h"

#include "closeness.h"
#include "failing_alloc.h"

enum { MAX_ROWS = 16 };
typedef struct rows {
  size_t n;
  char names[MAX_ROWS][64];
  qn_comparison c[MAX_ROWS];
} rows;

static void on_row(void *user, const qn_comparison *c) {
  rows *r = user;
  assert_true(r->n < MAX_ROWS);
  snprintf(r->names[r->n], sizeof r->names[0], "%.*s", (int)c->name.size, c->name.data);
  r->c[r->n++] = *c;
}

static const qn_comparison *row(const rows *r, const char *name) {
  for (size_t i = 0; i < r->n; i++)
    if (!strcmp(r->names[i], name)) return &r->c[i];
  fail_msg("no row '%s' of %zu", name, r->n);
  return NULL;
}

static bool near(double a, double b) {
  return (a >= b && a <= b) || fabs(a - b) <= 1e-12 * fabs(b);
}

static const float x[3][4] = {{1, 2, 3, 4}, {-1, 0.5f, 0, 2}, {8, -8, 0, 0.25f}};

static qn_sample_set *open_x(void) {
  return samples_of("x.npz", QN_STORE_NPZ, 1, (const array[]){{"x", QN_F32, 2, {3, 4}, x}});
}

static rows compare(const char *a, const char *b, const char *engine, bool per_op) {
  rows r = {0};
  qn_sample_set *s = open_x();
  qn_module *m = parse(a), *k = parse(b);
  if (qn_compare(m, k, s, engine, per_op, on_row, &r)) fail_msg("%s", said);
  qn_module_destroy(m);
  qn_module_destroy(k);
  qn_samples_close(s);
  return r;
}

/* ---- measures ---- */

#define HEAD "func.func @f(%x: tensor<?x4xf32>) -> "
static const char same[] = HEAD "tensor<?x4xf32> {\n  return %x : tensor<?x4xf32>\n}\n";
static const char rounded[] = HEAD "tensor<?x4xf32> {\n  %y = quern.round %x : (tensor<?x4xf32>) -> tensor<?x4xf32>\n"
                                   "  return %y : tensor<?x4xf32>\n}\n";

static void measures(void **state) {
  (void)state;
  double signal = 0, noise = 0, product = 0, other = 0, most = 0;
  for (int i = 0; i < 12; i++) {
    double a = (double)x[i / 4][i % 4], b = nearbyint(a), d = fabs(a - b);
    signal += a * a, noise += d * d, product += a * b, other += b * b;
    most = d > most ? d : most;
  }
  for (size_t e = 0; qn_engine_name(e); e++) {
    rows r = compare(same, rounded, qn_engine_name(e), false);
    assert_int_equal(r.n, 1);
    assert_string_equal(r.names[0], "x");
    assert_true(near(r.c[0].sqnr_db, 10 * log10(signal / noise)));
    assert_true(near(r.c[0].cosine, product / sqrt(signal) / sqrt(other)));
    assert_true(near(r.c[0].max_abs, most));
    assert_true(near(r.c[0].top1_agreement, 1));
  }
  rows r = compare(same, same, "interp", false);
  assert_true(isinf(r.c[0].sqnr_db) && r.c[0].sqnr_db > 0 && near(r.c[0].cosine, 1) && near(r.c[0].max_abs, 0));
  r = compare(same,
              HEAD "tensor<?x4xf32> {\n  %y = quern.neg %x : (tensor<?x4xf32>) -> tensor<?x4xf32>\n  return %y : "
                   "tensor<?x4xf32>\n}\n",
              "interp", false);
  assert_true(near(r.c[0].cosine, -1) && near(r.c[0].max_abs, 16) && near(r.c[0].top1_agreement, 0));
  assert_true(near(r.c[0].sqnr_db, 10 * log10(0.25)));
}

static qn_comparison of_floats(const float *a, const float *b, int64_t n) {
  qn__closeness c = {0};
  qn_tensor s = {.elem = QN_F32, .rank = 1, .shape = {n}, .data = (void *)(uintptr_t)a}, t = s;
  t.data = (void *)(uintptr_t)b;
  qn_type f32 = qn_type_scalar(ctx, QN_F32);
  assert_true(qn__closeness_add(&c, (qn__typed){ctx, f32, &s}, (qn__typed){ctx, f32, &t}));
  return qn__closeness_result(&c, (qn_str){0});
}

static void special_values(void **state) {
  (void)state;
  float nan_ = strtof("nan", NULL), inf = HUGE_VALF;
  qn_comparison c = of_floats((const float[]){nan_, inf, -inf, 1}, (const float[]){nan_, inf, -inf, 1}, 4);
  assert_true(isinf(c.sqnr_db) && c.sqnr_db > 0 && near(c.max_abs, 0) && near(c.top1_agreement, 1));
  c = of_floats((const float[]){inf, 1}, (const float[]){-inf, 1}, 2);
  assert_true(isinf(c.sqnr_db) && c.sqnr_db < 0 && isinf(c.max_abs) && near(c.top1_agreement, 0));
  c = of_floats((const float[]){1, 2}, (const float[]){nan_, 2}, 2);
  assert_true(isinf(c.sqnr_db) && c.sqnr_db < 0 && isinf(c.max_abs) && near(c.top1_agreement, 1));
  c = of_floats((const float[]){0, 0}, (const float[]){0, 1}, 2);
  assert_true(isinf(c.sqnr_db) && c.sqnr_db < 0 && near(c.cosine, 0));
  c = of_floats((const float[]){0, 0}, (const float[]){0, -0.0f}, 2);
  assert_true(isinf(c.sqnr_db) && c.sqnr_db > 0 && near(c.cosine, 1));
  c = of_floats((const float[]){3}, (const float[]){4}, 1);
  assert_true(near(c.top1_agreement, -1)); /* one element is no choice */
  c = of_floats((const float[]){5, 5, 1}, (const float[]){5, 4, 1}, 3);
  assert_true(near(c.top1_agreement, 1)); /* the first of equals */
}

/* Codes count as what they stand for, whatever the granularity. */
static void quantized_values(void **state) {
  (void)state;
  static const struct {
    const char *type;
    int64_t codes[8];
    double values[8];
  } cases[] = {
      {"tensor<2x4x!quant.uniform<u8:f32, 0.5:10>>", {10, 11, 8, 0, 255, 10, 10, 12}, {0, 0.5, -1, -5, 122.5, 0, 0, 1}},
      {"tensor<2x4x!quant.uniform<i8:f32:0, {0.5,2.0:1}>>", {1, 2, 3, 4, 1, 2, 3, 4}, {0.5, 1, 1.5, 2, 0, 2, 4, 6}},
      {"tensor<2x4x!quant.uniform<i8:f32:{0:1, 1:2}, {{1.0,2.0}, {3.0,4.0}}>>",
       {1, 1, 1, 1, 1, 1, 1, 1},
       {1, 1, 2, 2, 3, 3, 4, 4}},
      {"tensor<2x4x!quant.uniform<i8:f32:{1:3}, {{1.0,2.0}}>>",
       {1, 1, 1, 1, -1, -1, -1, -1},
       {1, 1, 1, 2, -1, -1, -1, -2}}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    qn_type t = qn_parse_type(ctx, qn_str_of(cases[k].type));
    if (!t.id) fail_msg("%s: %s", cases[k].type, said);
    qn_type elem = qn_type_elem(ctx, t);
    int64_t room[8];
    qn_tensor v = {.elem = qn_type_memory(ctx, elem), .rank = 2, .shape = {2, 4}, .data = room};
    for (int i = 0; i < 8; i++) qn_tensor_set_i64(&v, i, cases[k].codes[i]);
    qn__reader r = qn__reader_of((qn__typed){ctx, elem, &v});
    for (int i = 0; i < 8; i++)
      if (!near(qn__read(&r, i), cases[k].values[i]))
        fail_msg("%s, %d: %g, expected %g", cases[k].type, i, qn__read(&r, i), cases[k].values[i]);
  }
}

/* ---- outputs and inner values ---- */

#define T4 "tensor<?x4xf32>"
static void outputs_by_name(void **state) {
  (void)state;
  static const char a[] = "func.func @f(%x: " T4 ") -> (" T4 " {quern.name = \"p\"}, " T4 " {quern.name = \"q\"}) {\n"
                          "  %0 = quern.relu %x : (" T4 ") -> " T4 "\n  return %0, %x : " T4 ", " T4 "\n}\n";
  static const char b[] = "func.func @f(%x: " T4 ") -> (" T4 " {quern.name = \"q\"}, " T4 " {quern.name = \"p\"}) {\n"
                          "  %0 = quern.relu %x : (" T4 ") -> " T4 "\n  return %x, %0 : " T4 ", " T4 "\n}\n";
  static const char c[] = "func.func @f(%x: " T4 ") -> (" T4 " {quern.name = \"q\"}, " T4 " {quern.name = \"r\"}) {\n"
                          "  %0 = quern.relu %x : (" T4 ") -> " T4 "\n  return %x, %0 : " T4 ", " T4 "\n}\n";
  rows r = compare(a, b, "interp", false);
  assert_int_equal(r.n, 2);
  assert_true(isinf(row(&r, "p")->sqnr_db) && isinf(row(&r, "q")->sqnr_db));
  r = compare(a, c, "interp", false); /* not all names are there: by position */
  assert_false(isinf(row(&r, "p")->sqnr_db) || isinf(row(&r, "q")->sqnr_db));
}

static void inner_values(void **state) {
  (void)state;
  static const char a[] = "func.func @f(%x: " T4 ") -> " T4 " {\n"
                          "  %k = arith.constant dense<2.0> : tensor<4xf32>\n"
                          "  %h = quern.mul %x, %k : (" T4 ", tensor<4xf32>) -> " T4 "\n"
                          "  %0 = quern.neg %h : (" T4 ") -> " T4 " loc(\"Neg_1\")\n"
                          "  %1 = quern.exp %0 : (" T4 ") -> " T4 " loc(\"Exp_2\")\n"
                          "  %only_a = quern.abs %1 : (" T4 ") -> " T4 "\n"
                          "  %y = quern.add %only_a, %h : (" T4 ", " T4 ") -> " T4 "\n"
                          "  return %y : " T4 "\n}\n";
  static const char b[] = "!q = !quant.uniform<i8:f32, 0.125>\nfunc.func @f(%x: " T4 ") -> " T4 " {\n"
                          "  %k = arith.constant dense<2.0> : tensor<4xf32>\n"
                          "  %g = quern.mul %x, %k : (" T4 ", tensor<4xf32>) -> " T4 "\n"
                          "  %h = quant.qcast %g : " T4 " to tensor<?x4x!q>\n"
                          "  %1 = quant.dcast %h : tensor<?x4x!q> to " T4 "\n"
                          "  %2 = quern.abs %1 : (" T4 ") -> " T4 " loc(\"Neg_1\")\n"
                          "  %3 = quern.neg %1 : (" T4 ") -> " T4 " loc(\"Neg_1\")\n"
                          "  %z = quern.exp %3 : (" T4 ") -> " T4 " loc(\"Exp_2\")\n"
                          "  %y = quern.add %z, %1 : (" T4 ", " T4 ") -> " T4 "\n"
                          "  return %y : " T4 "\n}\n";
  rows r = compare(a, b, "interp", true);
  assert_int_equal(r.n, 4);
  assert_string_equal(r.names[0], "y"); /* the output; not told of again as a value */
  /* The codes of %h stand for multiples of 0.125 up to 15.875: 16 was clipped. */
  assert_true(near(row(&r, "h")->max_abs, 0.125));
  assert_true(near(row(&r, "Neg_1")->max_abs, 0.125)); /* the last op of that place */
  row(&r, "Exp_2");
}

static void refusals(void **state) {
  (void)state;
  static const struct {
    const char *b, *message;
  } cases[] = {{HEAD "(" T4 ", " T4 ") {\n  return %x, %x : " T4 ", " T4 "\n}\n", "the programs have 1 and 2 outputs"},
               {"func.func @f(%x: " T4 ", %z: " T4 ") -> " T4 " {\n  return %x : " T4 "\n}\n",
                "the programs have 1 and 2 inputs"},
               {HEAD "tensor<4x?xf32> {\n  %y = quern.transpose %x {perm = array<i64: 1, 0>} : (" T4
                     ") -> tensor<4x?xf32>\n  return %y : tensor<4x?xf32>\n}\n",
                "output 'x' has another shape in each program"},
               {"func.func private @f(%x: " T4 ") -> " T4 " {\n  return %x : " T4 "\n}\n", "no public function"}};
  qn_sample_set *s = open_x();
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    rows r = {0};
    qn_module *a = parse(same), *b = parse(cases[k].b);
    assert_int_not_equal(qn_compare(a, b, s, "interp", true, on_row, &r), QN_OK);
    expect_said(cases[k].message);
    assert_int_equal(r.n, 0);
    qn_module_destroy(a);
    qn_module_destroy(b);
  }
  qn_module *a = parse(same);
  rows r = {0};
  assert_int_not_equal(qn_compare(a, a, NULL, "interp", false, on_row, &r), QN_OK);
  expect_said("needs samples");
  qn_module_destroy(a);
  qn_samples_close(s);
}

/* Sums of codes stand where a product of floats stood, in units that nothing tells: they are no match for it, what has
 * the same place and stands for floats is. */
static void sums_are_no_floats(void **state) {
  (void)state;
  static const char floats[] = HEAD "tensor<?x4xf32> {\n  %p = quern.neg %x : (tensor<?x4xf32>) -> tensor<?x4xf32> "
                                    "loc(\"p\")\n  %y = quern.neg %p : (tensor<?x4xf32>) -> tensor<?x4xf32>\n"
                                    "  return %y : tensor<?x4xf32>\n}\n";
  static const char codes[] =
      HEAD "tensor<?x4xf32> {\n  %n = quern.neg %x : (tensor<?x4xf32>) -> tensor<?x4xf32> loc(\"p\")\n"
           "  %p = quern.cast %n : (tensor<?x4xf32>) -> tensor<?x4xi32> loc(\"p\")\n"
           "  %y = quern.neg %n : (tensor<?x4xf32>) -> tensor<?x4xf32>\n  return %y : tensor<?x4xf32>\n}\n";
  rows r = compare(floats, codes, "interp", true);
  const qn_comparison *p = row(&r, "p");
  assert_true(isinf(p->sqnr_db) && p->sqnr_db > 0);
  assert_int_equal(r.n, 2);
}

/* ---- memory running out anywhere ---- */

static void count_rows(void *user, const qn_comparison *c) {
  *(size_t *)user += c->name.size > 0;
}

static void memory_runs_out(void **state) {
  (void)state;
  qn_samples_close(open_x());
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator al = failing_init(&f, SIZE_MAX);
    qn_context *c = qn_context_create(&(qn_context_options){.allocator = &al});
    qn_module *a = NULL, *b = NULL;
    qn_sample_set *s = NULL;
    size_t seen = 0;
    assert_non_null(c);
    assert_int_equal(qn_parse_text(c, qn_str_of(rounded), "t", NULL, &a), QN_OK);
    assert_int_equal(qn_parse_text(c, qn_str_of(rounded), "t", NULL, &b), QN_OK);
    f.fail_at = f.calls + n;
    qn_status status = qn_samples_open(c, at("x.npz"), &s);
    if (!status) status = qn_compare(a, b, s, "interp", true, count_rows, &seen);
    /* The text of a type, which is for messages only, may be missing: that is reported and the work goes on. */
    bool told = qn_context_error_count(c) > 0;
    if (told != f.fired || (status != QN_OK && status != QN_ERR_NO_MEMORY) || (!f.fired && status != QN_OK))
      fail_msg("allocation %zu: status %d", n, status);
    qn_samples_close(s);
    qn_module_destroy(a);
    qn_module_destroy(b);
    qn_context_destroy(c);
    if (!failing_clean(&f)) fail_msg("allocation %zu: %zu blocks are left", n, f.live_blocks);
    if (!f.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {T(measures),     T(special_values),     T(quantized_values), T(outputs_by_name),
                                     T(inner_values), T(sums_are_no_floats), T(refusals),         T(memory_runs_out)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
