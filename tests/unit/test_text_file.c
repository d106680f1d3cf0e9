/* Files: the text, the .safetensors file beside it, what happens when either is wrong or cannot be written. */
#include "temp_folder.h"
#include "text_test.h"
#include <dirent.h>
#include <quern/store.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];
static qn_context *ctx;

static int setup(void **state) {
  (void)state;
  ctx = text_context(NULL);
  return ctx && make_temp_folder("text", folder, sizeof folder) ? 0 : -1;
}

static const char *in_folder(const char *name) {
  static char path[4][512];
  static unsigned next;
  char *p = path[next++ % 4];
  snprintf(p, sizeof path[0], "%s/%s", folder, name);
  return p;
}

static size_t list(char *names, size_t size) {
  DIR *d = opendir(folder);
  size_t n = 0;
  names[0] = 0;
  for (struct dirent *e; d && (e = readdir(d));) {
    if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.')) continue;
    n++;
    snprintf(names + strlen(names), size - strlen(names), "%s ", e->d_name);
  }
  if (d) closedir(d);
  return n;
}

static int teardown(void **state) {
  (void)state;
  qn_context_destroy(ctx);
  DIR *d = opendir(folder);
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_name[0] != '.') unlink(in_folder(e->d_name));
  if (d) closedir(d);
  return rmdir(folder);
}

static void put(const char *name, const char *text) {
  FILE *f = fopen(in_folder(name), "w");
  assert_non_null(f);
  assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
  fclose(f);
}

static char *get(const char *name) {
  FILE *f = fopen(in_folder(name), "r");
  if (!f) return NULL;
  char *text = calloc(1, 1 << 20);
  assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
  fclose(f);
  return text;
}

/* A program with constants of many types above 64 elements, and a type with 20 parameters. */
static char *program(void) {
  char *text = calloc(1, 1 << 16);
  static const char *const types[] = {"i8", "i4", "ui2", "f32", "bf16", "f8E5M2", "f4E2M1FN", "i64"};
  size_t n = (size_t)sprintf(text, "func.func @main() {\n");
  for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
    n += (size_t)sprintf(text + n, "  %%%s%zu = arith.constant dense<[", k == 2 ? "" : "c", k);
    for (int i = 0; i < 80; i++) n += (size_t)sprintf(text + n, "%s%d", i ? ", " : "", (i + (int)k) % 4);
    n += (size_t)sprintf(text + n, "]> : tensor<80x%s>\n", types[k]);
  }
  n += (size_t)sprintf(text + n, "  %%small = arith.constant dense<[1, 2]> : tensor<2xi8>\n");
  n += (size_t)sprintf(text + n, "  %%splat = arith.constant dense<3> : tensor<20xi8>\n");
  n += (size_t)sprintf(text + n, "  %%q = quant.scast %%splat : tensor<20xi8> to tensor<20x!quant.uniform<i8:f32:0, {");
  for (int i = 0; i < 20; i++) n += (size_t)sprintf(text + n, "%s0.%d:%d", i ? "," : "", i + 1, i);
  sprintf(text + n, "}>>\n  return\n}\n");
  return text;
}

static void both_files(void **state) {
  (void)state;
  char *text = program(), names[256];
  put("in.mlir", text);
  qn_module *m = NULL, *again = NULL;
  assert_int_equal(qn_parse_file(ctx, in_folder("in.mlir"), NULL, &m), QN_OK);
  assert_int_equal(qn_print_file(m, NULL, in_folder("a.mlir")), QN_OK);
  assert_int_equal(list(names, sizeof names), 3);
  assert_int_equal(qn_parse_file(ctx, in_folder("a.mlir"), NULL, &again), QN_OK);
  char *x = text_print(m, false, false), *y = text_print(again, false, false);
  assert_string_equal(x, y);
  free(x);
  free(y);
  assert_int_equal(qn_print_file(again, NULL, in_folder("b.mlir")), QN_OK);
  x = get("a.mlir");
  y = get("b.mlir");
  assert_string_equal(x, y);
  assert_non_null(strstr(x, "dense_resource<c0> : tensor<80xi8>"));
  assert_non_null(strstr(x, "dense_resource<constant> : tensor<80xui2>"));
  assert_non_null(strstr(x, "!quant.uniform<i8:f32:0, dense_resource<q_"));
  assert_non_null(strstr(x, "dense<[1, 2]>"));
  free(x);
  free(y);
  qn_store *a, *b;
  assert_int_equal(qn_store_open(ctx, in_folder("a.safetensors"), &a), QN_OK);
  assert_int_equal(qn_store_open(ctx, in_folder("b.safetensors"), &b), QN_OK);
  assert_int_equal(qn_store_count(a), 10);
  for (size_t i = 0; i < qn_store_count(a); i++) {
    qn_tensor s, t;
    assert_int_equal(qn_store_tensor(a, i, &s), QN_OK);
    assert_int_equal(qn_store_get(b, qn_store_name(a, i), &t), QN_OK);
    assert_int_equal(s.elem, t.elem);
    assert_memory_equal(s.data, t.data, qn_tensor_bytes(&s));
  }
  qn_store_close(a);
  qn_store_close(b);
  /* The module's data lies in the mapped file, which may be replaced below it. */
  assert_int_equal(qn_print_file(again, NULL, in_folder("a.mlir")), QN_OK);
  qn_module_destroy(m);
  qn_module_destroy(again);
  free(text);
}

static void inline_and_streams(void **state) {
  (void)state;
  char *text = program(), names[256];
  qn_module *m = text_parse(ctx, text, false);
  qn_print_options options = {.inline_ = true};
  assert_int_equal(qn_print_file(m, &options, in_folder("a.mlir")), QN_OK);
  assert_int_equal(qn_print_file(m, NULL, "/dev/null"), QN_OK);
  struct stat st;
  assert_int_equal(stat("/dev/null", &st), 0);
  assert_true(S_ISCHR(st.st_mode));
  assert_int_equal(list(names, sizeof names), 1);
  char *a = get("a.mlir");
  assert_null(strstr(a, "dense_resource"));
  free(a);
  qn_module_destroy(m);
  free(text);
}

/* Keys that MLIR cannot read get a name of their own; the old one stays with the op. */
static void odd_keys(void **state) {
  (void)state;
  static int8_t data[2][100];
  for (int i = 0; i < 100; i++) data[0][i] = (int8_t)i, data[1][i] = (int8_t)-i;
  qn_module *m = text_parse(ctx, "func.func @f() { return }", false);
  int64_t size = 100;
  qn_type type = qn_type_tensor(ctx, qn_type_scalar(ctx, QN_I8), 1, &size);
  qn_builder b = qn_builder_before(m, qn_func_return(m, qn_module_function(m, "f")));
  qn_build_constant(&b, qn_attr_dense_borrow(m, type, data[0], qn_name_of_c(ctx, "layer/0.weight")));
  qn_build_constant(&b, qn_attr_dense_borrow(m, type, data[1], qn_name_of_c(ctx, "layer_0.weight")));
  assert_int_equal(qn_print_file(m, NULL, in_folder("a.mlir")), QN_OK);
  char *text = get("a.mlir");
  assert_non_null(strstr(text, "{quern.name = \"layer/0.weight\"} dense_resource<layer_0.weight"));
  free(text);
  qn_module *again;
  assert_int_equal(qn_parse_file(ctx, in_folder("a.mlir"), NULL, &again), QN_OK);
  char *x = text_print(m, false, false), *y = text_print(again, false, false);
  assert_string_equal(x, y);
  free(x);
  free(y);
  qn_module_destroy(again);
  qn_module_destroy(m);
}

static void expect_error(const char *text, qn_diag_code code, const char *words) {
  memset(&text_diags, 0, sizeof text_diags);
  put("r.mlir", text);
  qn_module *m;
  qn_status status = qn_parse_file(ctx, in_folder("r.mlir"), NULL, &m);
  if (status == QN_OK || text_diags.errors != 1 || text_diags.at[0].code != code ||
      !strstr(text_diags.at[0].message, words)) {
    text_show_diags();
    fail_msg("no error with '%s' for %s", words, text);
  }
  assert_null(m);
}

static void wrong_resources(void **state) {
  (void)state;
  expect_error("func.func @f() { %0 = arith.constant dense_resource<k> : tensor<4xf32>\nreturn }", QN_DIAG_MISSING,
               "there is no file");
  float data[4] = {1, 2, 3, 4};
  qn_tensor t = {.elem = QN_F32, .rank = 2, .shape = {2, 2}, .data = data};
  int64_t big[1] = {INT64_C(1) << 40};
  qn_tensor z = {.elem = QN_I64, .rank = 1, .shape = {1}, .data = big};
  float one = 0.5f;
  qn_tensor scale = {.elem = QN_F32, .rank = 1, .shape = {1}, .data = &one};
  qn_store_writer *w;
  assert_int_equal(qn_store_writer_create(ctx, in_folder("r.safetensors"), QN_STORE_SAFETENSORS, &w), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("k"), &t), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("s"), &scale), QN_OK);
  assert_int_equal(qn_store_writer_add(w, qn_str_of("s.zero_points"), &z), QN_OK);
  assert_int_equal(qn_store_writer_commit(w), QN_OK);
  static const struct {
    const char *type;
    qn_diag_code code;
    const char *words;
  } cases[] = {
      {"dense_resource<k> : tensor<4xf32>", QN_DIAG_SHAPE, "a tensor<2x2xf32>, not a tensor<4xf32>"},
      {"dense_resource<k> : tensor<2x2xi32>", QN_DIAG_TYPE_MISMATCH, "elements of f32"},
      {"dense_resource<k> : tensor<2x?xf32>", QN_DIAG_ATTRIBUTE, "fixed sizes"},
      {"dense_resource<nope> : tensor<2x2xf32>", QN_DIAG_MISSING, "no tensor 'nope'"},
      {"dense<1> : tensor<1x!quant.uniform<i8:f32:0, dense_resource<z>>>", QN_DIAG_MISSING, "no tensor 'z'"},
      {"dense<1> : tensor<1x!quant.uniform<i8:f32:0, dense_resource<s>>>", QN_DIAG_TYPE, "does not fit 32 bits"},
      {"dense<1> : tensor<1x!quant.uniform<i8:f32:0, dense_resource<s.zero_points>>>", QN_DIAG_TYPE, "floats"},
      {"dense<1> : tensor<1x!quant.uniform<i8:f32:0, dense_resource<k>>>", QN_DIAG_TYPE, "lists in lists"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512];
    snprintf(text, sizeof text, "func.func @f() { %%0 = arith.constant %s\nreturn }", cases[i].type);
    expect_error(text, cases[i].code, cases[i].words);
  }
  put("r.safetensors", "this is none");
  expect_error("func.func @f() { %0 = arith.constant dense_resource<k> : tensor<4xf32>\nreturn }", QN_DIAG_FORMAT, "");
}

static void blobs(void **state) {
  (void)state;
  const char *head = "func.func @f() { %0 = arith.constant dense_resource<k> : tensor<";
  static const struct {
    const char *type, *hex, *expected;
  } cases[] = {{"2xf32", "0x040000000000803F00000040", "dense<[1.0, 2.0]> : tensor<2xf32>"},
               {"3xi4", "0x0400000001020F", "dense<[1, 2, -1]> : tensor<3xi4>"},
               {"3xi1", "0x04000000010001", "dense<[true, false, true]> : tensor<3xi1>"},
               {"0xi8", "0x04000000", "dense<> : tensor<0xi8>"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[512];
    snprintf(text, sizeof text,
             "%s%s>\nreturn }\n{-#\n  dialect_resources: {\n    builtin: {\n      other: \"0x00000000\",\n      k: "
             "\"%s\"\n    }\n  }, "
             "external_resources: { tool: { a: true, b: \"x\" } }\n#-}\n",
             head, cases[i].type, cases[i].hex);
    qn_module *m = text_parse(ctx, text, false);
    if (!m) text_show_diags();
    assert_non_null(m);
    char *printed = text_print(m, false, false);
    assert_non_null(strstr(printed, cases[i].expected));
    free(printed);
    qn_module_destroy(m);
  }
  memset(&text_diags, 0, sizeof text_diags);
  assert_null(text_parse(ctx,
                         "func.func @f() { %0 = arith.constant dense_resource<k> : tensor<2xf32>\nreturn }\n"
                         "{-# dialect_resources: { builtin: { k: \"0x04000000\" } } #-}",
                         false));
  assert_non_null(strstr(text_diags.at[0].message, "0 bytes, but tensor<2xf32> takes 8"));
}

static void paths(void **state) {
  (void)state;
  char names[256], *text = program();
  qn_module *m = text_parse(ctx, text, false), *none = (qn_module *)ctx;
  assert_int_equal(qn_parse_file(ctx, in_folder("nothing.mlir"), NULL, &none), QN_ERR_INPUT);
  assert_null(none);
  assert_int_equal(qn_parse_file(ctx, folder, NULL, &none), QN_ERR_IO);
  assert_int_not_equal(qn_print_file(m, NULL, in_folder("no/such/folder.mlir")), QN_OK);
  assert_int_not_equal(qn_print_file(m, NULL, folder), QN_OK);
  assert_int_equal(list(names, sizeof names), 0);
  /* The tensors cannot be written: the text is not either. */
  char blocked[512];
  snprintf(blocked, sizeof blocked, "%s", in_folder("b.safetensors"));
  assert_int_equal(mkdir(blocked, 0777), 0);
  assert_int_not_equal(qn_print_file(m, NULL, in_folder("b.mlir")), QN_OK);
  assert_int_equal(rmdir(blocked), 0);
  assert_int_equal(list(names, sizeof names), 0);
  /* A name without an extension, and dots that belong to the folder. */
  assert_int_equal(qn_print_file(m, NULL, in_folder("plain")), QN_OK);
  assert_int_equal(access(in_folder("plain.safetensors"), F_OK), 0);
  qn_module_destroy(m);
  assert_int_equal(qn_parse_file(ctx, in_folder("plain"), NULL, &m), QN_OK);
  qn_module_destroy(m);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(both_files, setup, teardown),
      cmocka_unit_test_setup_teardown(inline_and_streams, setup, teardown),
      cmocka_unit_test_setup_teardown(odd_keys, setup, teardown),
      cmocka_unit_test_setup_teardown(wrong_resources, setup, teardown),
      cmocka_unit_test_setup_teardown(blobs, setup, teardown),
      cmocka_unit_test_setup_teardown(paths, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
