/* The context: diagnostics, trace, names, slots, exhausted memory. */
#include "context_impl.h"
#include "failing_alloc.h"
#include "unit.h"
#include <stdio.h>

typedef struct seen {
  size_t count;
  qn_severity severity;
  qn_diag_code code;
  char message[2048];
  char file[64];
} seen;

static void on_diag(void *user, const qn_diag *diag) {
  seen *s = user;
  s->count++;
  s->severity = diag->severity;
  s->code = diag->code;
  assert_int_equal(diag->message.data[diag->message.size], 0);
  snprintf(s->message, sizeof s->message, "%s", diag->message.data);
  snprintf(s->file, sizeof s->file, "%.*s", (int)diag->place.file.size, diag->place.file.data);
}

static void on_trace(void *user, qn_str line) {
  snprintf(user, 64, "%.*s", (int)(line.size < 63 ? line.size : 63), line.data);
}

static void test_diagnostics(void **state) {
  (void)state;
  seen s = {0};
  qn_context *ctx = qn_context_create(&(qn_context_options){.on_diag = on_diag, .on_diag_user = &s});
  assert_int_equal(qn_error(ctx, QN_DIAG_SHAPE, qn_place_file("m.mlir"), "%d x %s", 3, "n"), QN_ERR_INPUT);
  assert_string_equal(s.message, "3 x n");
  assert_string_equal(s.file, "m.mlir");
  assert_int_equal(s.severity, QN_ERROR);
  qn_warning(ctx, QN_DIAG_DATA, qn_place_file(NULL), "w");
  assert_int_equal(s.severity, QN_WARNING);
  qn_note(ctx, qn_place_file(""), "n");
  assert_int_equal(s.severity, QN_NOTE);
  assert_int_equal(s.code, QN_DIAG_NOTE);
  assert_int_equal(qn_context_error_count(ctx), 1);
  static const struct {
    qn_diag_code code;
    qn_status status;
  } rows[] = {{QN_DIAG_SYNTAX, QN_ERR_INPUT},
              {QN_DIAG_UNSUPPORTED, QN_ERR_UNSUPPORTED},
              {QN_DIAG_IO, QN_ERR_IO},
              {QN_DIAG_INTERNAL, QN_ERR_INTERNAL},
              {QN_DIAG_NO_MEMORY, QN_ERR_NO_MEMORY}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    assert_int_equal(qn_error(ctx, rows[i].code, qn_place_file(""), "x"), rows[i].status);
  char text[1500];
  memset(text, 'a', sizeof text);
  text[sizeof text - 1] = 0;
  qn_error(ctx, QN_DIAG_SYNTAX, qn_place_file(""), "%s", text);
  assert_string_equal(s.message, text);
  seen other = {0};
  qn_diag_handler old;
  void *old_user;
  qn_context_set_diag_handler(ctx, on_diag, &other, &old, &old_user);
  assert_true(old == on_diag && old_user == &s);
  size_t before = s.count;
  qn_error(ctx, QN_DIAG_SYNTAX, qn_place_file(""), "x");
  assert_int_equal(s.count, before);
  assert_int_equal(other.count, 1);
  qn_context_set_diag_handler(ctx, NULL, NULL, NULL, NULL);
  qn_error(ctx, QN_DIAG_SYNTAX, qn_place_file(""), "x");
  assert_int_equal(other.count, 1);
  qn_context_destroy(ctx);
  qn_context_destroy(NULL);
}

static void test_diag_table(void **state) {
  (void)state;
  for (int i = 0; i < QN_DIAG_COUNT; i++) {
    assert_true(qn_diag_name((qn_diag_code)i)[0] != 0);
    assert_true(qn_diag_doc((qn_diag_code)i)[0] != 0);
    for (int j = 0; j < i; j++) assert_string_not_equal(qn_diag_name((qn_diag_code)i), qn_diag_name((qn_diag_code)j));
  }
  assert_string_equal(qn_diag_name((qn_diag_code)9999), "unknown");
  assert_string_equal(qn_diag_doc((qn_diag_code)9999), "");
}

static void test_trace(void **state) {
  (void)state;
  char line[64] = "";
  qn_context *ctx = qn_context_create(NULL);
  assert_false(qn_trace_enabled(ctx));
  qn_trace(ctx, "%d", 1);
  qn_context_destroy(ctx);
  ctx = qn_context_create(&(qn_context_options){.on_trace = on_trace, .on_trace_user = line});
  assert_true(qn_trace_enabled(ctx));
  qn_trace(ctx, "kernel %d", 12);
  assert_string_equal(line, "kernel 12");
  qn_trace(ctx, "%600d", 1);
  qn_context_destroy(ctx);
}

static void test_names(void **state) {
  (void)state;
  qn_context *ctx = qn_context_create(NULL);
  assert_int_equal(qn_name_of_c(ctx, "").id, 0);
  assert_string_equal(qn_name_str(ctx, (qn_name){0}).data, "");
  char text[32];
  for (int round = 0; round < 2; round++)
    for (uint32_t i = 1; i <= 20000; i++) {
      snprintf(text, sizeof text, "name_%u", i);
      qn_name name = qn_name_of_c(ctx, text);
      assert_int_equal(name.id, i);
      assert_string_equal(qn_name_str(ctx, name).data, text);
    }
  assert_true(qn_name_of(ctx, (qn_str){"a\0b", 3}).id != qn_name_of(ctx, (qn_str){"a\0c", 3}).id);
  assert_int_equal(qn_name_str(ctx, (qn_name){UINT32_MAX}).size, 0);
  qn_context_destroy(ctx);
}

static int order[QN__SLOT_COUNT], destroyed;
static void destroy_slot(qn_context *ctx, void *state) {
  (void)ctx;
  order[destroyed++] = *(int *)state;
}

static void test_slots(void **state) {
  (void)state;
  static int numbers[QN__SLOT_COUNT];
  qn_context *ctx = qn_context_create(NULL);
  for (int i = 0; i < QN__SLOT_COUNT; i++) {
    numbers[i] = i;
    ctx->slots[i].state = &numbers[i];
    ctx->slots[i].destroy = destroy_slot;
  }
  qn_context_destroy(ctx);
  assert_int_equal(destroyed, QN__SLOT_COUNT);
  for (int i = 0; i < QN__SLOT_COUNT; i++) assert_int_equal(order[i], QN__SLOT_COUNT - 1 - i);
}

/* Everything a context does, with the n-th allocation failing, for all n; once and from then on. */
static void test_exhausted(void **state) {
  (void)state;
  for (int sticky = 0; sticky < 2; sticky++)
    for (size_t n = 0;; n++) {
      failing_alloc f;
      seen s = {0};
      qn_allocator a = failing_init(&f, n);
      f.sticky = sticky != 0;
      qn_context *ctx =
          qn_context_create(&(qn_context_options){.allocator = &a, .on_diag = on_diag, .on_diag_user = &s});
      if (ctx) {
        bool lost = false;
        for (int i = 0; i < 500; i++) {
          char text[64];
          snprintf(text, sizeof text, "a name that is long enough to fill chunks soon %d", i);
          qn_name name = qn_name_of_c(ctx, text);
          if (name.id)
            assert_string_equal(qn_name_str(ctx, name).data, text);
          else
            lost = true;
        }
        assert_int_equal(s.count, lost ? 1 : 0);
        if (lost) assert_int_equal(s.code, QN_DIAG_NO_MEMORY);
        qn_error(ctx, QN_DIAG_SYNTAX, qn_place_file(""), "%800d", 5);
        assert_true(strlen(s.message) == 800 || (f.fired && strlen(s.message) == 511));
        qn_context_destroy(ctx);
      } else {
        assert_true(f.fired);
      }
      assert_true(failing_clean(&f));
      if (!f.fired) {
        assert_true(n > 10);
        break;
      }
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_diagnostics), cmocka_unit_test(test_diag_table), cmocka_unit_test(test_trace),
      cmocka_unit_test(test_names),       cmocka_unit_test(test_slots),      cmocka_unit_test(test_exhausted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
