/* Passes on whatever verifies: any program is lowered to kernels that verify, or refused with a reason; the interpreter
 * runs it as it was written, and as it was lowered. */
#include "fuzz_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_state s;
  qn_context *ctx = fuzz_context(&s);
  if (!ctx) return 0;
  qn_module *m = fuzz_parse(ctx, &s, data, size, NULL);
  int calls = 0;
  if (m && fuzz_is_small(m, qn_module_body(m), &calls) && qn_module_function(m, NULL).id) {
    fuzz_run(ctx, m);
    fuzz_lower(ctx, &s, m);
  }
  if (m) qn_module_destroy(m);
  fuzz_end(ctx, &s);
  return 0;
}
