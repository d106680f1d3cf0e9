/* Tuning files: what is read, what is refused and where, what is written, and which choice fits a kernel. */
#include "failing_alloc.h"
#include "temp_folder.h"
#include "unit.h"

#include <quern/quern.h>
#include <quern/unstable/isa.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char message[512];
static uint32_t told, line, col;
static qn_severity severity;

static void on_diag(void *user, const qn_diag *d) {
  (void)user;
  told++, line = d->place.line, col = d->place.col, severity = d->severity;
  snprintf(message, sizeof message, "%s", d->message.data);
}

static qn_context *open_context(void) {
  qn_context_options options = {.on_diag = on_diag};
  told = 0;
  return qn_context_create(&options);
}

static const char good[] = "# a comment\n"
                           "version = 1\r\n"
                           "\n"
                           "kept_bytes = 65536   # bytes\n"
                           "\tvector1_cost=1.25\n"
                           "gemm isa=avx512vnni types=ui8,i8,i32 m=* n=768 k=768 : rows=4\n"
                           "gemm isa=avx512vnni types=ui8,i8,i32 m=1-100 n=768 k=768: rows=8 panel=48 gain=1.5\n"
                           "gemm  isa=avx512vnni  types=ui8,i8,i32 m=64 n=768 k=768 :unroll=4 kept=4096\n"
                           "block isa=avx2 types=i8,b32p32i4f16 m=2 n=64 k=32 : ahead=0 parts=2";

static qn_tuned like(const char *isa, int64_t m, int64_t n) {
  qn_tuned t = {.kind = QN_TUNED_GEMM, .types = "ui8,i8,i32", .n = n, .k = 768, .m_least = m, .m_most = m};
  snprintf(t.isa, sizeof t.isa, "%s", isa);
  return t;
}

static void check_good(qn_context *ctx) {
  qn_choice c;
  qn_machine m = qn_context_machine(ctx);
  assert_true(m.kept_bytes > 65535 && m.kept_bytes < 65537 && m.vector1_cost > 1.24 && m.vector1_cost < 1.26);
  assert_true(m.large_bytes >= qn_machine_default().large_bytes);
  for (size_t i = 0; i < 4; i++) assert_non_null(qn_tuning_get(ctx, i));
  assert_null(qn_tuning_get(ctx, 4));
  static const struct {
    const char *isa;
    int64_t m, n;
    const char *text;
  } cases[] = {{"avx512vnni", 64, 768, "unroll=4 kept=4096"}, {"avx512vnni", 100, 768, "rows=8 panel=48 kept=65536"},
               {"avx512vnni", 101, 768, "rows=4 kept=65536"}, {"avx512vnni", -1, 768, "rows=4 kept=65536"},
               {"avx512vnni", 64, 769, "kept=65536"},         {"avx2", 64, 768, "kept=65536"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[128];
    qn_tuned t = like(cases[i].isa, cases[i].m, cases[i].n);
    assert_true(qn_tuning_find(ctx, &t, &c));
    assert_string_equal(qn_choice_text(&c, text, sizeof text), cases[i].text);
  }
  qn_tuned loop = {.kind = QN_TUNED_LOOP, .isa = "avx2", .m_least = -1, .m_most = -1};
  assert_false(qn_tuning_find(ctx, &loop, &c));
}

static void reads(void **state) {
  (void)state;
  qn_context *ctx = open_context();
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(good), QN_FOREIGN_IGNORE), QN_OK);
  assert_int_equal(told, 0);
  check_good(ctx);
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of("version = 1"), QN_FOREIGN_IGNORE), QN_OK);
  assert_null(qn_tuning_get(ctx, 0));
  qn_machine m = qn_context_machine(ctx), common = qn_machine_default();
  assert_memory_equal(&m, &common, sizeof m);
  qn_context_destroy(ctx);
}

static void refuses(void **state) {
  (void)state;
#define ROW "version = 1\ngemm isa=avx2 types=ui8,i8,i32 "
  static const struct {
    const char *text, *message;
    uint32_t line, col;
  } cases[] = {
      {"", "empty", 0, 0},
      {"# nothing\n", "empty", 1, 0},
      {"kept_bytes = 5000\n", "begins with 'version = 1'", 1, 1},
      {"version = 2\n", "version 2", 1, 11},
      {"version = one\n", "'one', expected 1", 1, 11},
      {"version =\n", "no value", 1, 1},
      {"version = 1\nkept_byte = 5000\n", "no constant is named 'kept_byte'", 2, 1},
      {"version = 1\nkept_bytes = many\n", "expected a number", 2, 14},
      {"version = 1\nkept_bytes = 5\n", "expected 4096 to", 2, 14},
      {"version = 1\nkept_bytes = inf\n", "expected 4096 to", 2, 14},
      {"version = 1\nkept_bytes = nan\n", "expected 4096 to", 2, 14},
      {"version = 1\nkept_bytes = 1e999\n", "expected 4096 to", 2, 14},
      {"version = 1\nkept_bytes = -5000\n", "expected 4096 to", 2, 14},
      {"version = 1\nkept_bytes = 5000 6000\n", "expected a number", 2, 14},
      {"version = 1\n\nkept_bytes = 5000\nkept_bytes = 5000\n", "given twice", 4, 1},
      {"version = 1\ncpu = another\ncpu = a third\n", "named twice", 3, 7},
      {"version = 1\nkept_bytes\n", "expected NAME = VALUE", 2, 1},
      {"version = 1\nmap isa=avx2\n", "one of gemm, conv, block and attention", 2, 1},
      {"version = 1\n\x01\n", "no text", 2, 1},
      {ROW "m=1 n=2 : rows=1\n", "are all needed", 2, 1},
      {ROW "m=1 n=2 k=3 k=3 : rows=1\n", "given twice", 2, 44},
      {ROW "m=1 n=2 k=3\n", "nothing is chosen", 2, 1},
      {ROW "m=1 n=2 k=3 :\n", "nothing is chosen", 2, 1},
      {ROW "m=0 n=2 k=3 : rows=1\n", "m is '0'", 2, 34},
      {ROW "m=5-4 n=2 k=3 : rows=1\n", "m is '5-4'", 2, 34},
      {ROW "m=1- n=2 k=3 : rows=1\n", "m is '1-'", 2, 34},
      {ROW "m=1 n=0 k=3 : rows=1\n", "above 0", 2, 1},
      {ROW "m=1 n=99999999999999999999 k=3 : rows=1\n", "expected a number", 2, 38},
      {ROW "m=1 n=2 k=3 : rows=17\n", "from 1 to 16", 2, 51},
      {ROW "m=1 n=2 k=3 : unroll=3\n", "a power of two", 2, 53},
      {ROW "m=1 n=2 k=3 : rows=1 rows=1\n", "chosen twice", 2, 53},
      {ROW "m=1 n=2 k=3 : height=1\n", "nothing that can be chosen is named 'height'", 2, 46},
      {ROW "m=1 n=2 k=3 : ahead=1\n", "'ahead' is no choice for gemm", 2, 46},
      {ROW "m=1 n=2 k=3 : read_ahead=1\n", "no choice for gemm", 2, 46},
      {ROW "m=1 n=2 k=3 : rows\n", "expected NAME=VALUE", 2, 46},
      {ROW "m=1 n=2 k=3 : rows=1 gain=inf\n", "gain is", 2, 58},
      {ROW "m=1 n=2 k=3 : rows=1 gain=-1\n", "gain is", 2, 58},
      {ROW "m=1 n=2 k=3 depth=4 : rows=1\n", "none of isa, types", 2, 44},
      {"version = 1\ngemm isa=avx1024 types=a m=1 n=2 k=3 : rows=1\n", "no row of the instruction set", 2, 1},
      {"version = 1\ngemm isa=host types=a m=1 n=2 k=3 : rows=1\n", "no row of the instruction set", 2, 1},
      {"version = 1\ngemm isa=avx2 types= m=1 n=2 k=3 : rows=1\n", "'types' is no list", 2, 1},
      {"version = 1\ngemm isa=a-name-that-is-much-too-long-for-a-row types=a m=1 n=2 k=3 : rows=1\n", "more than", 2,
       10},
      {ROW "m=1 n=2 k=3 : rows=1\ngemm isa=avx2 types=ui8,i8,i32 m=1 n=2 k=3 : rows=2\n", "its choice already", 3, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    qn_context *ctx = open_context();
    assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(good), QN_FOREIGN_IGNORE), QN_OK);
    /* A foreign processor ends reading with a warning: what is behind it has to be seen here. */
    assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(cases[i].text), QN_FOREIGN_USE), QN_ERR_INPUT);
    if (!strstr(message, cases[i].message) || line != cases[i].line || col != cases[i].col || told != 1)
      fail_msg("case %zu: %u:%u: %s", i, line, col, message);
    assert_true(severity == QN_ERROR);
    check_good(ctx); /* nothing has changed */
    qn_context_destroy(ctx);
  }
  qn_context *ctx = open_context();
  assert_int_equal(qn_tuning_parse(ctx, "t", (qn_str){"version\0= 1", 11}, QN_FOREIGN_IGNORE), QN_ERR_INPUT);
  assert_int_not_equal(qn_tuning_read(ctx, "/no/such/file", QN_FOREIGN_IGNORE), QN_OK);
  qn_context_destroy(ctx);
}

static void foreign_processors(void **state) {
  (void)state;
  static const char text[] = "version = 1\ncpu = Someone else's\nkept_bytes = 65536\n";
  char own[256], name[64];
  qn_context *ctx = open_context();
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(good), QN_FOREIGN_IGNORE), QN_OK);
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(text), QN_FOREIGN_IGNORE), QN_OK);
  assert_true(told == 1 && severity == QN_WARNING && line == 2 && col == 7);
  qn_machine m = qn_context_machine(ctx), common = qn_machine_default();
  assert_memory_equal(&m, &common, sizeof m);
  assert_null(qn_tuning_get(ctx, 0));
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(text), QN_FOREIGN_USE), QN_OK);
  assert_int_equal(told, 1);
  assert_true(qn_context_machine(ctx).kept_bytes < common.kept_bytes);
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(text), QN_FOREIGN_REFUSE), QN_ERR_INPUT);
  assert_true(told == 2 && severity == QN_ERROR && line == 2 && col == 7);
  told = 1;
  snprintf(own, sizeof own, "version = 1\ncpu = %s\nkept_bytes = 65536\n", qn_cpu_name(name, sizeof name));
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(own), QN_FOREIGN_IGNORE), QN_OK);
  assert_int_equal(told, 1);
  assert_true(qn_context_machine(ctx).kept_bytes < common.kept_bytes);
  qn_context_destroy(ctx);
}

static void writes_what_it_reads(void **state) {
  (void)state;
  char folder[256], path[300];
  assert_true(make_temp_folder("tuning", folder, sizeof folder));
  snprintf(path, sizeof path, "%s/t.txt", folder);
  qn_context *ctx = open_context();
  assert_int_equal(qn_tuning_parse(ctx, "t", qn_str_of(good), QN_FOREIGN_IGNORE), QN_OK);
  assert_int_equal(qn_tuning_write(ctx, path), QN_OK);
  assert_int_equal(qn_tuning_read(ctx, NULL, QN_FOREIGN_IGNORE), QN_OK);
  assert_null(qn_tuning_get(ctx, 0));
  assert_int_equal(qn_tuning_read(ctx, path, QN_FOREIGN_IGNORE), QN_OK);
  check_good(ctx);
  assert_int_equal(told, 0);
  assert_int_equal(qn_tuning_write(ctx, "/no/such/folder/t.txt"), QN_ERR_IO);
  qn_context_destroy(ctx);
  remove(path), rmdir(folder);
}

static void puts_in_place(void **state) {
  (void)state;
  qn_context *ctx = open_context();
  qn_tuned t = like("avx2", 5, 64), bad;
  t.choice = qn_choice_none();
  t.choice.value[QN_CHOICE_ROWS] = 3;
  assert_int_equal(qn_tuning_put(ctx, &t), QN_OK);
  t.choice.value[QN_CHOICE_ROWS] = 4;
  assert_int_equal(qn_tuning_put(ctx, &t), QN_OK);
  assert_true(qn_tuning_get(ctx, 0)->choice.value[QN_CHOICE_ROWS] == 4 && !qn_tuning_get(ctx, 1));
  bad = t, bad.kind = QN_TUNED_LOOP;
  assert_int_equal(qn_tuning_put(ctx, &bad), QN_ERR_INPUT);
  bad = t, bad.choice.value[QN_CHOICE_AHEAD] = 64;
  assert_int_equal(qn_tuning_put(ctx, &bad), QN_ERR_INPUT);
  bad = t, memset(bad.types, 'x', sizeof bad.types);
  assert_int_equal(qn_tuning_put(ctx, &bad), QN_ERR_INPUT);
  bad = t, strcpy(bad.types, "a b");
  assert_int_equal(qn_tuning_put(ctx, &bad), QN_ERR_INPUT);
  bad = t, bad.choice = qn_choice_none();
  assert_int_equal(qn_tuning_put(ctx, &bad), QN_ERR_INPUT);
  assert_null(qn_tuning_get(ctx, 1));
  qn_context_destroy(ctx);
}

static void survives_without_memory(void **state) {
  (void)state;
  for (size_t n = 0;; n++) {
    failing_alloc f;
    qn_allocator a = failing_init(&f, n);
    qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = &a});
    if (ctx) {
      qn_status status = qn_tuning_parse(ctx, "t", qn_str_of(good), QN_FOREIGN_IGNORE);
      assert_true(f.fired ? status == QN_OK || status == QN_ERR_NO_MEMORY : status == QN_OK);
      qn_context_destroy(ctx);
    }
    assert_true(failing_clean(&f));
    if (!f.fired) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(reads),
                                     cmocka_unit_test(refuses),
                                     cmocka_unit_test(foreign_processors),
                                     cmocka_unit_test(writes_what_it_reads),
                                     cmocka_unit_test(puts_in_place),
                                     cmocka_unit_test(survives_without_memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
