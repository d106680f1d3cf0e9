/* Passes and pipelines: registering, options, what a pass sees, failures, reproducers, exhausted memory. */
#include "failing_alloc.h"
#include "temp_folder.h"
#include "text_test.h"
#include <fcntl.h>
#include <quern/pass.h>
#include <sys/stat.h>
#include <unistd.h>

static const char program[] = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                              "  %0 = quern.neg %x : (tensor<4xf32>) -> tensor<4xf32>\n"
                              "  %1 = quern.neg %0 : (tensor<4xf32>) -> tensor<4xf32>\n"
                              "  return %1 : tensor<4xf32>\n"
                              "}\n";

static void expect_error(const char *part) {
  assert_true(text_diags.count > 0);
  if (!strstr(text_diags.at[0].message, part)) fail_msg("'%s' does not say '%s'", text_diags.at[0].message, part);
  memset(&text_diags, 0, sizeof text_diags);
}

static qn_module *parse(qn_context *ctx) {
  qn_module *m = text_parse(ctx, program, false);
  assert_non_null(m);
  return m;
}

/* ---- the table ---- */

static void test_table(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL);
  size_t n = 0;
  for (const qn_pass_info *p; (p = qn_pass_get(ctx, n)) != NULL; n++) {
    assert_non_null(p->run);
    assert_true(strlen(p->name) > 0 && strlen(p->summary) > 0);
    assert_ptr_equal(qn_pass_find(ctx, qn_str_of(p->name)), p);
  }
  static const char *const names[] = {
#define QN_PASS(symbol, name, options, changes, summary) name,
#include <quern/passes.def>
#undef QN_PASS
  };
  assert_int_equal(n, sizeof names / sizeof *names);
  assert_null(qn_pass_find(ctx, qn_str_of("nothing")));
  assert_null(qn_pass_get(ctx, SIZE_MAX));
  qn_context_destroy(ctx);
}

/* ---- a pass of one's own ---- */

static struct {
  int64_t i;
  double f;
  bool b, given_i, given_s;
  char s[64], c[16];
  int runs;
  void *user;
  bool scratch_zero;
} seen;

static qn_status run_probe(qn_pass_run *run) {
  seen.runs++;
  seen.i = qn_run_int(run, "count");
  seen.f = qn_run_float(run, "ratio");
  seen.b = qn_run_bool(run, "deep");
  seen.given_i = qn_run_given(run, "count");
  seen.given_s = qn_run_given(run, "text");
  qn_str s = qn_run_string(run, "text"), c = qn_run_string(run, "mode");
  snprintf(seen.s, sizeof seen.s, "%.*s", (int)s.size, s.data);
  snprintf(seen.c, sizeof seen.c, "%.*s", (int)c.size, c.data);
  seen.user = qn_run_user(run);
  assert_ptr_equal(qn_module_context(qn_run_module(run)), qn_run_context(run));
  const char *room = qn_run_alloc(run, 100);
  seen.scratch_zero = room && room[0] == 0 && room[99] == 0;
  qn_run_count(run, "things", 2);
  qn_run_count(run, "things", 3);
  qn_run_preserved(run, false, QN_PRESERVES_NONE);
  return QN_OK;
}

static const qn_pass_info probe = {
    .name = "my-probe",
    .summary = "looks",
    .options = "count: int = -7; ratio: float = 0.25; deep: bool = true; text: string = \"\"; mode: fast|slow = slow",
    .run = run_probe,
};

static void test_register(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL);
  qn_module *m = parse(ctx);
  assert_int_equal(qn_pass_register(ctx, &probe), QN_OK);
  assert_ptr_equal(qn_pass_find(ctx, qn_str_of("my-probe")), &probe);
  assert_int_equal(qn_run_pipeline(m, "my-probe"), QN_OK);
  assert_int_equal(seen.i, -7);
  assert_true(seen.f == 0.25 && seen.b && !seen.given_i && !seen.given_s && seen.scratch_zero);
  assert_string_equal(seen.s, "");
  assert_string_equal(seen.c, "slow");
  qn_status given = qn_run_pipeline(m, "my-probe{count=12 ratio=-1.5e2, deep=false,text=\"a, {b} c\" mode=fast}");
  if (given) text_show_diags();
  assert_int_equal(given, QN_OK);
  assert_int_equal(seen.i, 12);
  assert_true(seen.f == -150 && !seen.b && seen.given_i && seen.given_s);
  assert_string_equal(seen.s, "a, {b} c");
  assert_string_equal(seen.c, "fast");
  assert_int_equal(qn_run_pipeline(m, "my-probe{deep text=x}"), QN_OK);
  assert_true(seen.b);
  assert_int_equal(seen.runs, 3);
  assert_int_equal(qn_pass_register(ctx, &probe), QN_ERR_INPUT);
  expect_error("a pass named 'my-probe' exists already");
  const qn_pass_info taken = {.name = "cse", .run = run_probe}, nameless = {.name = "a b", .run = run_probe},
                     idle = {.name = "idle"}, odd = {.name = "odd", .run = run_probe, .options = "n: int"},
                     kind = {.name = "kind", .run = run_probe, .options = "n: dense = 3"};
  assert_int_equal(qn_pass_register(ctx, &taken), QN_ERR_INPUT);
  expect_error("exists already");
  assert_int_equal(qn_pass_register(ctx, &nameless), QN_ERR_INPUT);
  expect_error("found 'a b'");
  assert_int_equal(qn_pass_register(ctx, &idle), QN_ERR_INPUT);
  expect_error("a pass needs a function");
  assert_int_equal(qn_pass_register(ctx, &odd), QN_ERR_INPUT);
  expect_error("expected 'name: kind = default'");
  assert_int_equal(qn_pass_register(ctx, &kind), QN_ERR_INPUT);
  expect_error("expected 'name: kind = default'");
  assert_int_equal(qn_pass_register(ctx, NULL), QN_ERR_INPUT);
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

static void test_options_report(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL);
  qn_module *m = parse(ctx);
  assert_int_equal(qn_pass_register(ctx, &probe), QN_OK);
  text_out out = {0};
  int user;
  qn_pass_manager_options options = {.stats = true, .print = text_write, .print_user = &out, .user = &user};
  qn_pass_manager *pm;
  assert_int_equal(qn_pass_manager_create(ctx, qn_str_of("my-probe,my-probe{deep=0}"), &options, &pm), QN_OK);
  assert_int_equal(qn_pass_manager_run(pm, m), QN_OK);
  assert_ptr_equal(seen.user, &user);
  assert_string_equal(out.data, "// ---- statistics ----\n//          5  my-probe: things\n"
                                "//          5  my-probe: things\n");
  qn_pass_manager_destroy(pm);
  qn_pass_manager_destroy(NULL);
  free(out.data);
  options.print = NULL;
  assert_int_equal(qn_pass_manager_create(ctx, qn_str_of("cse"), &options, &pm), QN_ERR_INPUT);
  assert_null(pm);
  expect_error("no print function");
  qn_module_destroy(m);
  qn_context_destroy(ctx);
}

/* ---- failures ---- */

static qn_status run_misuse(qn_pass_run *run) {
  return qn_run_int(run, "undeclared") == 0 ? QN_OK : QN_ERR_INTERNAL;
}
static qn_status run_wrong_kind(qn_pass_run *run) {
  return qn_run_int(run, "text") == 0 ? QN_OK : QN_ERR_INTERNAL;
}
static qn_status run_break(qn_pass_run *run) {
  qn_module *m = qn_run_module(run);
  qn_op ret = qn_func_return(m, qn_module_function(m, NULL));
  qn_value_set_type(m, qn_op_operand(m, ret, 0), qn_type_scalar(qn_run_context(run), QN_F32));
  return QN_OK;
}
static qn_status run_fail(qn_pass_run *run) {
  return qn_error(qn_run_context(run), QN_DIAG_UNSUPPORTED, qn_place_file(""), "cannot do this");
}
static const qn_pass_info misuse = {.name = "misuse", .run = run_misuse},
                          wrong_kind = {.name = "wrong-kind", .run = run_wrong_kind, .options = "text: string = a"},
                          breaks = {.name = "breaks", .run = run_break}, fails = {.name = "fails", .run = run_fail};

static bool any_diag_says(const char *part) {
  for (size_t i = 0; i < text_diags.count; i++)
    if (strstr(text_diags.at[i].message, part)) return true;
  return false;
}

static void test_failures(void **state) {
  (void)state;
  qn_context *ctx = text_context(NULL), *other = qn_context_create(NULL);
  qn_module *m = parse(ctx);
  const qn_pass_info *all[] = {&misuse, &wrong_kind, &breaks, &fails};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) assert_int_equal(qn_pass_register(ctx, all[i]), QN_OK);
  assert_int_equal(qn_run_pipeline(m, "misuse"), QN_ERR_INTERNAL);
  expect_error("pass 'misuse' asks for option 'undeclared', which it does not declare");
  assert_int_equal(qn_run_pipeline(m, "wrong-kind"), QN_ERR_INTERNAL);
  expect_error("pass 'wrong-kind' asks for option 'text' as int, but declares it as string");
  assert_int_equal(qn_run_pipeline(m, "cse,fails,dce"), QN_ERR_UNSUPPORTED);
  assert_true(any_diag_says("cannot do this") && any_diag_says("pass 'fails' (2 of 3) failed"));
  qn_pass_manager *pm;
  qn_pass_manager_options options = {.verify_each = true};
  assert_int_equal(qn_pass_manager_create(ctx, qn_str_of("breaks"), &options, &pm), QN_OK);
  assert_int_equal(qn_pass_manager_run(pm, m), QN_ERR_INPUT);
  assert_true(any_diag_says("pass 'breaks' (1 of 1) left a program that breaks the rules named above"));
  qn_module *foreign = qn_module_create(other);
  assert_int_equal(qn_pass_manager_run(pm, foreign), QN_ERR_INPUT);
  assert_true(any_diag_says("belongs to another context"));
  qn_pass_manager_destroy(pm);
  qn_module_destroy(foreign);
  qn_module_destroy(m);
  qn_context_destroy(other);
  qn_context_destroy(ctx);
}

/* ---- the reproducer ---- */

static qn_status run_with_reproducer(qn_context *ctx, const char *path) {
  qn_module *m = parse(ctx);
  qn_pass_manager *pm;
  qn_pass_manager_options options = {.reproducer = path};
  assert_int_equal(qn_pass_manager_create(ctx, qn_str_of("canonicalize,fails,\n dce"), &options, &pm), QN_OK);
  qn_status status = qn_pass_manager_run(pm, m);
  qn_pass_manager_destroy(pm);
  qn_module_destroy(m);
  return status;
}

static void test_reproducer(void **state) {
  (void)state;
  char folder[128], path[160], text[1024] = "";
  assert_true(make_temp_folder("pass", folder, sizeof folder));
  snprintf(path, sizeof path, "%s/r.mlir", folder);
  qn_context *ctx = text_context(NULL);
  assert_int_equal(qn_pass_register(ctx, &fails), QN_OK);
  assert_int_equal(run_with_reproducer(ctx, path), QN_ERR_UNSUPPORTED);
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  assert_true(fread(text, 1, sizeof text - 1, f) > 0);
  fclose(f);
  assert_ptr_equal(strstr(text, "// quern opt -p 'fails,dce'\n"), text);
  assert_null(strstr(text, "quern.neg")); /* canonicalize had done its part */
  qn_module *again = text_parse(ctx, text, false);
  assert_non_null(again);
  qn_module_destroy(again);
  unlink(path);
  /* A path that cannot be written is one more diagnostic; the pass's own status stays. */
  memset(&text_diags, 0, sizeof text_diags);
  assert_int_equal(run_with_reproducer(ctx, folder), QN_ERR_UNSUPPORTED);
  assert_true(any_diag_says("cannot do this") && text_diags.errors >= 3);
  assert_int_equal(run_with_reproducer(ctx, "/dev/full"), QN_ERR_UNSUPPORTED);
  qn_context_destroy(ctx);
  rmdir(folder);
}

/* ---- exhausted memory ---- */

static const char rich[] = "func.func private @f(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {\n"
                           "  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>\n"
                           "  %0 = quern.mul %c, %x : (tensor<2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>\n"
                           "  return %0 : tensor<?x2xf32>\n"
                           "}\n"
                           "func.func @main(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<5x2xi32>) {\n"
                           "  %0 = call @f(%x) : (tensor<?x2xf32>) -> tensor<?x2xf32>\n"
                           "  %1 = call @f(%0) : (tensor<?x2xf32>) -> tensor<?x2xf32>\n"
                           "  %w = arith.constant dense<[[1, 2], [3, 4], [5, 6]]> : tensor<3x2xi8>\n"
                           "  %v = quern.add %w, %w : (tensor<3x2xi8>, tensor<3x2xi8>) -> tensor<3x2xi8>\n"
                           "  %p = kern.pack %v {layout = \"k2n4\"} : (tensor<3x2xi8>) -> tensor<3x2xi8>\n"
                           "  %a = arith.constant dense<1> : tensor<5x3xi8>\n"
                           "  %y = kern.gemm %a, %p prologue {\n"
                           "  ^bb0(%e: i8):\n"
                           "    kern.yield %e : i8\n"
                           "  } epilogue {\n"
                           "  ^bb0(%acc: i32):\n"
                           "    %z = arith.constant 0 : i32\n"
                           "    %s = arith.addi %z, %acc : i32\n"
                           "    kern.yield %s : i32\n"
                           "  } {acc = i32, layout = \"k2n4\"} : (tensor<5x3xi8>, tensor<3x2xi8>) -> tensor<5x2xi32>\n"
                           "  %u = kern.map %y body {\n"
                           "  ^bb0(%e: i32):\n"
                           "    %s = arith.addi %e, %e : i32\n"
                           "    kern.yield %s : i32\n"
                           "  } : (tensor<5x2xi32>) -> tensor<5x2xi32>\n"
                           "  return %1, %u : tensor<?x2xf32>, tensor<5x2xi32>\n"
                           "}\n";

static bool count_bytes(void *user, const char *data, size_t size) {
  (void)data;
  *(size_t *)user += size;
  return true;
}

static qn_status run_rich(const qn_allocator *a) {
  qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = a, .on_diag = text_on_diag});
  if (!ctx) return QN_OK; /* nobody to say it to */
  qn_module *m = NULL;
  qn_pass_manager *pm = NULL;
  size_t bytes = 0;
  qn_pass_manager_options options = {.verify_each = true,
                                     .print_after_change = true,
                                     .check_each = true,
                                     .stats = true,
                                     .time = true,
                                     .print = count_bytes,
                                     .print_user = &bytes};
  qn_status status = qn_pass_register(ctx, &probe);
  if (status == QN_OK) status = qn_parse_text(ctx, qn_str_of(rich), "rich.mlir", NULL, &m);
  if (status == QN_OK)
    status = qn_pass_manager_create(
        ctx, qn_str_of("infer-shapes,inline,my-probe{count=1},canonicalize,cse,dce,pack-constants,plan-buffers"),
        &options, &pm);
  if (status == QN_OK) status = qn_pass_manager_run(pm, m);
  qn_pass_manager_destroy(pm);
  if (m) qn_module_destroy(m);
  qn_context_destroy(ctx);
  return status;
}

static void test_no_memory(void **state) {
  (void)state;
  for (size_t n = 0;; n += n < 400 ? 1 : 1 + n / 50) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, n);
    memset(&text_diags, 0, sizeof text_diags);
    qn_status status = run_rich(&a);
    if (!failing_clean(&f)) fail_msg("allocation %zu: something was not given back", n);
    if (!f.fired) {
      assert_int_equal(status, QN_OK);
      assert_true(n > 100);
      return;
    }
    /* Where a cache could not be filled the work may still be done; a failure without its reason must not be. */
    if (status == QN_OK || any_diag_says("out of memory")) continue;
    text_show_diags();
    fail_msg("allocation %zu: status %d, and nobody said why", n, (int)status);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_table),    cmocka_unit_test(test_register),   cmocka_unit_test(test_options_report),
      cmocka_unit_test(test_failures), cmocka_unit_test(test_reproducer), cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
