/* Memory that runs out anywhere, and text that is damaged anywhere: an error or a module, never a crash or a leak. */
#include "failing_alloc.h"
#include "random_test.h"
#include "text_test.h"

static const char program[] =
    "!t = tensor<4x64x!quant.uniform<u8:f32, 0.0196:102>>\n"
    "#a = {k = [1, \"x\", array<i64: 1, 2>]}\n"
    "module @m attributes {quern.list = #a} {\n"
    "  func.func @f(%x: tensor<4x64xf32> {quern.name = \"in\"}, %b: tensor<?xf32, #quern.dims<\"n\">>) -> "
    "(tensor<4x64xf32>, !t) "
    "attributes {q.q = dense<[0.5, 1.5]> : tensor<2xf4E2M1FN>} {\n"
    "    %q = quant.qcast %x : tensor<4x64xf32> to !t loc(\"node\"(\"a\":1:2))\n"
    "    %0 = quant.dcast %q : !t to tensor<4x64xf32>\n"
    "    %1:3 = quern.dynamic_quantize %0 {storage = ui8} : (tensor<4x64xf32>) -> (tensor<4x64xui8>, tensor<f32>, "
    "tensor<ui8>) loc(#late)\n"
    "    %c = arith.constant dense<\"0x0102030405060708\"> : tensor<8xi4>\n"
    "    %d = arith.constant dense<[[1.0, 2.0], [3.0, 0x7FC00000]]> : tensor<2x2xf32>\n"
    "    %w = arith.constant dense<3> : tensor<3x10xi8>\n"
    "    %s = quant.scast %w : tensor<3x10xi8> to "
    "tensor<3x10x!quant.uniform<i8<-127:127>:f32:1, {0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.1:3}>>\n"
    "    %m = kern.map %x body {\n"
    "    ^bb0(%v: f32):\n"
    "      %z = arith.constant 0.0 : f32\n"
    "      %g = arith.cmpf ugt, %v, %z : f32\n"
    "      %h = arith.select %g, %v, %z : f32\n"
    "      kern.yield %h : f32\n"
    "    } : (tensor<4x64xf32>) -> tensor<4x64xf32>\n"
    "    \"a.b\"(%m) ({\n"
    "    ^bb0(%v: i8):\n"
    "      \"a.c\"(%v) : (i8) -> ()\n"
    "    }) {x.y = @f} : (tensor<4x64xf32>) -> (i8)\n"
    "    return %m, %q : tensor<4x64xf32>, !t\n"
    "  }\n"
    "}\n"
    "#late = loc(\"late\":3:4)\n";

static bool write_some(void *user, const char *data, size_t size) {
  size_t *sum = user;
  for (size_t i = 0; i < size; i++) *sum += (unsigned char)data[i];
  return true;
}

/* Everything a context can do with a text. */
static bool run(const qn_allocator *allocator) {
  qn_context *ctx = qn_context_create(&(qn_context_options){.allocator = allocator});
  if (!ctx) return false;
  qn_parse_options options = {.allow_unregistered = true};
  qn_module *m = NULL;
  qn_status status = qn_parse_text(ctx, qn_str_of(program), "p", &options, &m);
  if ((status == QN_OK) != (m != NULL)) fail_msg("status and module disagree");
  size_t sum = 0;
  for (int i = 0; m && i < 4; i++) {
    qn_print_options print = {.generic = i & 1, .inline_ = i & 1, .locations = i & 2, .hex = i & 2};
    qn_status printed = qn_print(m, &print, write_some, &sum);
    if (printed != QN_OK) status = printed;
  }
  if (m && !qn_parse_attr(m, qn_str_of("[dense<[1, 2]> : tensor<2xi8>, {a = \"b\"}]")).id) status = QN_ERR_NO_MEMORY;
  if (!qn_parse_type(ctx, qn_str_of("(tensor<4xi8>) -> !quant.any<i8<-8:7>:f32>")).id) status = QN_ERR_NO_MEMORY;
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  return status == QN_OK;
}

static void memory_runs_out(void **state) {
  (void)state;
  failing_alloc f;
  for (int sticky = 0; sticky < 2; sticky++) {
    for (size_t n = 0;; n++) {
      qn_allocator allocator = failing_init(&f, n);
      f.sticky = sticky;
      bool ok = run(&allocator);
      if (!failing_clean(&f)) fail_msg("allocation %u: memory is not given back", (unsigned)n);
      if (!f.fired) {
        assert_true(ok);
        assert_true(n > 100);
        break;
      }
      if (sticky && ok) fail_msg("allocation %u: success without memory", (unsigned)n);
    }
  }
}

/* ---- damage ---- */

static const char *const pieces[] = {"(",         ")",    "{",       "}",       "[",  "]",     "<",  ">",
                                     ",",         ":",    "=",       "->",      "%x", "%1#2",  "@f", "#a",
                                     "!t",        "^bb0", "\"",      "{-#",     "0x", "-1",    "?",  "1.5e9",
                                     "\"a.b\"()", "f32",  "tensor<", "loc(#z)", "//", "dense<"};

static size_t damage(char *text, size_t n) {
  switch (random_below(4)) {
  case 0: /* cut a piece out */ {
    size_t from = random_below((uint32_t)n), size = random_below(40);
    if (from + size > n) size = n - from;
    memmove(text + from, text + from + size, n - from - size);
    return n - size;
  }
  case 1: /* a byte */ text[random_below((uint32_t)n)] = (char)random_below(256); return n;
  case 2: /* repeat a piece elsewhere */ {
    char copy[64];
    size_t from = random_below((uint32_t)n), size = random_below(60), to = random_below((uint32_t)n);
    if (from + size > n) size = n - from;
    memcpy(copy, text + from, size);
    memmove(text + to + size, text + to, n - to);
    memcpy(text + to, copy, size);
    return n + size;
  }
  default: /* a token */ {
    const char *piece = pieces[random_below(sizeof pieces / sizeof *pieces)];
    size_t size = strlen(piece), to = random_below((uint32_t)n);
    memmove(text + to + size, text + to, n - to);
    memcpy(text + to, piece, size);
    return n + size;
  }
  }
}

static char *print_all(const qn_module *m, bool generic) {
  text_out out = {0};
  qn_print_options options = {.generic = generic, .inline_ = true};
  assert_int_equal(qn_print(m, &options, text_write, &out), QN_OK);
  return out.data;
}

/* What is still read after the damage prints to a fixpoint. */
static bool check_damaged(const char *text, size_t n) {
  qn_context *ctx = qn_context_create(NULL);
  qn_parse_options options = {.allow_unregistered = true};
  qn_module *m = NULL;
  char *exact = malloc(n); /* so that reading past the end is seen */
  memcpy(exact, text, n);
  qn_status status = qn_parse_text(ctx, (qn_str){exact, n}, "", &options, &m);
  free(exact);
  for (int generic = 0; m && generic < 2; generic++) {
    char *first = print_all(m, generic);
    qn_module *again = NULL;
    if (qn_parse_text(ctx, qn_str_of(first), "", &options, &again) != QN_OK) fail_msg("does not read back:\n%s", first);
    char *second = print_all(again, generic);
    assert_string_equal(first, second);
    free(first);
    free(second);
    qn_module_destroy(again);
  }
  qn_module_destroy(m);
  qn_context_destroy(ctx);
  return status == QN_OK;
}

static void damaged_text(void **state) {
  (void)state;
  unsigned good = 0;
  static char text[sizeof program + 1000];
  for (int round = 0; round < 3000; round++) {
    size_t n = sizeof program - 1;
    memcpy(text, program, n);
    for (uint32_t k = 1 + random_below(4); k > 0; k--) n = damage(text, n);
    good += check_damaged(text, n);
  }
  assert_true(good > 10 && good < 2900);
}

static void every_prefix(void **state) {
  (void)state;
  for (size_t n = 1; n < sizeof program; n += 3) check_damaged(program, n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_runs_out),
      cmocka_unit_test(damaged_text),
      cmocka_unit_test(every_prefix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
