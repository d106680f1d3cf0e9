/* Reports as pages and pictures: whole, well-formed, of one file, and with nothing in them that names could break. */
#include "program_test.h"
#include <math.h>
#include <quern/report.h>
#include <stdlib.h>

static const char text[] =
    "func.func @main(%a: tensor<4x8xf32> {quern.name = \"<script>&\\FF\\22\"}, %s: tensor<4x5xf32>) -> "
    "tensor<4x5xf32> {\n"
    "  %w = arith.constant dense<0.5> : tensor<8x5xf32>\n"
    "  %n = quern.neg %w : (tensor<8x5xf32>) -> tensor<8x5xf32>\n"
    "  %0 = quern.matmul %a, %n : (tensor<4x8xf32>, tensor<8x5xf32>) -> tensor<4x5xf32> loc(\"<b>\")\n"
    "  %1 = quern.relu %0 : (tensor<4x5xf32>) -> tensor<4x5xf32>\n"
    "  %2 = quern.exp %1 : (tensor<4x5xf32>) -> tensor<4x5xf32>\n"
    "  %3 = quern.add %2, %s : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>\n"
    "  %4 = quern.add %3, %0 : (tensor<4x5xf32>, tensor<4x5xf32>) -> tensor<4x5xf32>\n"
    "  return %4 : tensor<4x5xf32>\n"
    "}\n";

typedef struct page {
  char text[1 << 16];
  size_t size, most; /* refuses what goes beyond, unless 0 */
  char message[256];
} page;

static bool put(void *user, const char *data, size_t size) {
  page *p = user;
  if ((p->most && p->size + size > p->most) || p->size + size >= sizeof p->text) return false;
  memcpy(p->text + p->size, data, size);
  p->size += size;
  p->text[p->size] = 0;
  return true;
}

static void hear(void *user, const qn_diag *d) {
  page *p = user;
  snprintf(p->message, sizeof p->message, "%.*s", (int)d->message.size, d->message.data);
}

static page *new_page(void) {
  page *p = calloc(1, sizeof *p);
  assert_non_null(p);
  return p;
}

static qn_context *context_of(page *p) {
  return qn_context_create(&(qn_context_options){.on_diag = hear, .on_diag_user = p});
}

static qn_module *parse(qn_context *ctx, const char *source) {
  qn_module *m = NULL;
  assert_int_equal(qn_parse_text(ctx, qn_str_of(source), "report.mlir", NULL, &m), QN_OK);
  return m;
}

static size_t count(const char *in, const char *what) {
  size_t n = 0;
  for (const char *at = in; (at = strstr(at, what)); at += strlen(what)) n++;
  return n;
}

/* Each tag that is opened is closed, in order; attributes are quoted; no other file is named. */
static void is_well_formed(const char *s) {
  char open[64][16];
  size_t depth = 0;
  for (const char *at = s; (at = strchr(at, '<')); at++) {
    if (at[1] == '!') continue;
    bool closes = at[1] == '/';
    const char *name = at + 1 + closes, *end = strchr(at, '>');
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
    assert_non_null(end);
    assert_true(n > 0 && n < 16 && depth < 64);
    if (closes) {
      if (depth == 0 || strlen(open[depth - 1]) != n || strncmp(open[depth - 1], name, n))
        fail_msg("</%.*s> closes <%s>", (int)n, name, depth ? open[depth - 1] : "");
      depth--;
    } else if (end[-1] != '/' && strncmp(name, "meta", n)) {
      memcpy(open[depth], name, n);
      open[depth++][n] = 0;
    }
  }
  assert_int_equal(depth, 0);
  assert_int_equal(count(s, "://"), count(s, "xmlns=\"http://www.w3.org/2000/svg\""));
  assert_int_equal(count(s, "src=") + count(s, "href=") + count(s, "@import"), 0);
  assert_null(strstr(s, "<script"));
  assert_null(strstr(s, "\xff"));
  assert_null(strstr(s, "nan"));
}

static void a_picture_has_a_box_per_op(void **state) {
  (void)state;
  page *p = new_page();
  qn_context *ctx = context_of(p);
  qn_module *m = parse(ctx, text);
  assert_int_equal(qn_report_svg(m, NULL, put, p), QN_OK);
  is_well_formed(p->text);
  assert_int_equal(count(p->text, "<rect"), 2 + 5 + 1); /* what is constant stands in the product */
  assert_int_equal(count(p->text, "<path d=\"M"), 1 + 7 + 1);
  assert_int_equal(count(p->text, "class=\"c\""), 1);
  assert_non_null(strstr(p->text, "&lt;b&gt;"));
  assert_int_equal(qn_report_svg(m, "none", put, p), QN_ERR_INPUT);
  assert_non_null(strstr(p->message, "none"));
  p->most = p->size;
  assert_int_equal(qn_report_svg(m, NULL, put, p), QN_ERR_IO);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  free(p);
}

/* A function of `ops` ops. */
static char *long_text(int ops) {
  size_t room = 256 + (size_t)ops * 96, at = 0;
  char *s = malloc(room);
  assert_non_null(s);
  at += (size_t)snprintf(s + at, room - at, "func.func @main(%%0: tensor<4xf32>) -> tensor<4xf32> {\n");
  for (int i = 0; i < ops; i++)
    at += (size_t)snprintf(s + at, room - at, "  %%%d = quern.neg %%%d : (tensor<4xf32>) -> tensor<4xf32>\n", i + 1, i);
  snprintf(s + at, room - at, "  return %%%d : tensor<4xf32>\n}\n", ops);
  return s;
}

/* Too large to draw: an error for who asks for the picture, a page without it else. */
static void large_programs(void **state) {
  (void)state;
  page *p = new_page();
  qn_context *ctx = context_of(p);
  char *source = long_text(QN_REPORT_DRAWN + 1);
  qn_module *m = parse(ctx, source);
  assert_int_equal(qn_report_svg(m, NULL, put, p), QN_ERR_INPUT);
  assert_non_null(strstr(p->message, "graphviz"));
  assert_int_equal(p->size, 0);
  assert_int_equal(qn_report_html(m, NULL, "large", put, p), QN_OK);
  is_well_formed(p->text);
  assert_null(strstr(p->text, "<svg"));
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  free(source);
  free(p);
}

static void a_page_tells_of_kernels(void **state) {
  (void)state;
  page *p = new_page();
  qn_context *ctx = context_of(p);
  qn_module *m = parse(ctx, text);
  qn_program *program = program_of_text(ctx, text, NULL);
  assert_int_equal(qn_report_html(m, program, "a<b & \"c\"\xff", put, p), QN_OK);
  is_well_formed(p->text);
  assert_int_equal(count(p->text, "<title>a&lt;b &amp; &quot;c&quot;\xef\xbf\xbd</title>"), 1);
  assert_non_null(strstr(p->text, "prefers-color-scheme:dark"));
  qn_kernel_info k;
  for (size_t i = 0; qn_program_kernel(program, i, &k); i++) assert_non_null(strstr(p->text, k.name));
  assert_int_equal(count(p->text, "<svg"), 1);
  p->most = p->size;
  assert_int_equal(qn_report_html(m, program, NULL, put, p), QN_ERR_IO);
  qn_program_destroy(program);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  free(p);
}

static void what_quantizing_did(void **state) {
  (void)state;
  page *p = new_page();
  qn_context *ctx = context_of(p);
  qn_module *before = parse(ctx, text), *after = parse(ctx, text);
  const qn_comparison outputs[] = {{qn_str_of("y<"), 40, 0.999, 0.5, 0.75}};
  const qn_comparison ops[] = {{qn_str_of("good"), HUGE_VAL, 1, 0, -1},
                               {qn_str_of("fair"), 30, 0.99, 2, -1},
                               {qn_str_of("lost"), -HUGE_VAL, 0, HUGE_VAL, 1}};
  qn_quantize_options options = {.scheme = "w8a8"};
  qn_quantized q = {.before = before,
                    .after = after,
                    .options = &options,
                    .samples = 12,
                    .num_outputs = 1,
                    .num_ops = 3,
                    .outputs = outputs,
                    .ops = ops};
  assert_int_equal(qn_report_quantized_html(&q, "model", put, p), QN_OK);
  is_well_formed(p->text);
  const char *good = strstr(p->text, ">good<"), *fair = strstr(p->text, ">fair<"), *lost = strstr(p->text, ">lost<");
  assert_true(lost && fair && good && lost < fair && fair < good);
  assert_non_null(strstr(p->text, "75.00%"));
  assert_non_null(strstr(p->text, "exact"));
  assert_non_null(strstr(p->text, "y&lt;"));
  p->size = 0;
  assert_int_equal(qn_report_quantized_json(&q, put, p), QN_OK);
  assert_int_equal(count(p->text, "\"sqnr_db\":\tnull"), 1); /* only where nothing was lost */
  assert_int_equal(count(p->text, "\"max_abs\":\tnull"), 0);
  assert_non_null(strstr(p->text, "\"scheme\":\t\"w8a8\""));
  p->size = 0;
  q.num_outputs = q.num_ops = 0;
  assert_int_equal(qn_report_quantized_html(&q, NULL, put, p), QN_OK);
  is_well_formed(p->text);
  assert_non_null(strstr(p->text, "Without samples"));
  assert_int_equal(qn_report_quantized_html(NULL, NULL, put, p), QN_ERR_INPUT);
  q.before = NULL;
  assert_int_equal(qn_report_quantized_json(&q, put, p), QN_ERR_INPUT);
  qn_module_destroy(before);
  qn_module_destroy(after);
  qn_context_destroy(ctx);
  free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_picture_has_a_box_per_op), cmocka_unit_test(large_programs),
                                     cmocka_unit_test(a_page_tells_of_kernels), cmocka_unit_test(what_quantizing_did)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
