/* The ONNX importer: any bytes give a module that prints, or a diagnostic. */
#include "fuzz_program.h"
#include <quern/import.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const qn_print_options options = {.inline_ = true, .elide_constants = true};
  /* A size that no type names is an error, so that half of the inputs go without. */
  const qn_import_dim batch = {qn_str_of("batch"), 2};
  const qn_import_options import = {.num_dims = size % 2, .dims = &batch};
  fuzz_state s;
  qn_context *ctx = fuzz_context(&s);
  if (!ctx) return 0;
  qn_module *m = NULL;
  qn_status status = qn_import_onnx_memory(ctx, "model.onnx", data, size, &import, &m);
  fuzz_check_status(&s, status);
  if ((status == QN_OK) != (m != NULL)) fuzz_stop("a module without success, or success without a module");
  if (m) {
    fuzz_text text = {0};
    qn_print(m, &options, fuzz_put, &text);
    free(text.data);
    int calls = 0;
    if (fuzz_is_small(m, qn_module_body(m), &calls)) {
      fuzz_run(ctx, m);
      fuzz_lower(ctx, &s, m);
    }
    qn_module_destroy(m);
  }
  fuzz_end(ctx, &s);
  return 0;
}
