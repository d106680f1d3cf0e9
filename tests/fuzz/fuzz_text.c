/* The text reader and printer: whatever parses, in any form, prints as text that parses and prints the same. */
#include "fuzz.h"

static const qn_parse_options lenient = {.allow_unregistered = true};

/* Prints `m`, reads that, prints again. */
static void check_fixpoint(qn_context *ctx, fuzz_state *s, const qn_module *m, const qn_print_options *options) {
  fuzz_text first = {0}, second = {0};
  qn_module *again = NULL;
  if (qn_print(m, options, fuzz_put, &first) != QN_OK) goto end; /* exhausted memory is the one reason it may have */
  qn_status status = qn_parse_text(ctx, (qn_str){first.data, first.size}, "printed", &lenient, &again);
  if (status == QN_ERR_NO_MEMORY) goto end;
  if (status != QN_OK) {
    fuzz_show("printed", &first);
    fuzz_stop("what was printed does not parse");
  }
  if (qn_print(again, options, fuzz_put, &second) != QN_OK) goto end;
  if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0) {
    fuzz_show("first", &first);
    fuzz_show("second", &second);
    fuzz_stop("printing is no fixpoint");
  }
end:
  if (again) qn_module_destroy(again);
  free(first.data);
  free(second.data);
  (void)s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const qn_print_options forms[] = {
      {.inline_ = true, .locations = true}, {.inline_ = true, .generic = true}, {.inline_ = true, .hex = true}};
  fuzz_state s;
  qn_context *ctx = fuzz_context(&s);
  if (!ctx) return 0;
  qn_module *m = fuzz_parse(ctx, &s, data, size, &lenient);
  if (m) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) check_fixpoint(ctx, &s, m, &forms[i]);
    qn_module *copy = qn_module_clone(m);
    qn_module_destroy(m);
    if (copy) {
      if (qn_module_verify(copy) != QN_OK) fuzz_stop("the clone of a module does not verify");
      qn_module_destroy(copy);
    }
  }
  fuzz_end(ctx, &s);
  return 0;
}
