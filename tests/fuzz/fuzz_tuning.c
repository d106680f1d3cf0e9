/* Tuning files: any text is one or is refused, and a program that is lowered by one is a good program. */
#include "fuzz.h"
#include <quern/pass.h>
#include <quern/tuning.h>

static const char program[] =
    "func.func @main(%x: tensor<64x32xui8>, %w: tensor<32x96xi8>, %f: tensor<8x64xf32>) -> (tensor<64x96xi32>, "
    "tensor<8x64xf32>) {\n"
    "  %y = quern.matmul_integer %x, %w : (tensor<64x32xui8>, tensor<32x96xi8>) -> tensor<64x96xi32>\n"
    "  %z = quern.relu %f : (tensor<8x64xf32>) -> tensor<8x64xf32>\n"
    "  return %y, %z : tensor<64x96xi32>, tensor<8x64xf32>\n"
    "}\n";

/* What was read can be said again. */
static void say_again(qn_context *ctx) {
  const qn_tuned *t;
  for (size_t i = 0; (t = qn_tuning_get(ctx, i)); i++) {
    qn_tuned copy = *t;
    char text[256];
    if (!*qn_choice_text(&copy.choice, text, sizeof text)) fuzz_stop("a choice that chooses nothing");
    if (qn_tuning_put(ctx, &copy) != QN_OK) fuzz_stop("a choice that was read cannot be put");
  }
  qn_machine m = qn_context_machine(ctx);
  qn_status status = qn_context_set_machine(ctx, &m);
  if (status != QN_OK && status != QN_ERR_NO_MEMORY) fuzz_stop("constants that were read cannot be set");
}

static void lower(qn_context *ctx) {
  qn_pass_manager *pm = NULL;
  const qn_pass_manager_options options = {.verify_each = true};
  qn_module *m = NULL;
  if (qn_parse_text(ctx, qn_str_of(program), "program", NULL, &m) != QN_OK) fuzz_stop("the program does not parse");
  qn_status status =
      qn_pass_manager_create(ctx, qn_str_of("lower-kernels{target=avx512vnni},canonicalize,cse,dce"), &options, &pm);
  if (!status) status = qn_pass_manager_run(pm, m);
  if (status != QN_OK && status != QN_ERR_NO_MEMORY) fuzz_stop("lowering failed by a tuning");
  if (pm) qn_pass_manager_destroy(pm);
  qn_module_destroy(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_state s;
  qn_context *ctx = fuzz_context(&s);
  if (!ctx) return 0;
  qn_status status = qn_tuning_parse(ctx, "tuning", (qn_str){(const char *)data, size}, QN_FOREIGN_USE);
  fuzz_check_status(&s, status);
  if (status == QN_OK) {
    say_again(ctx);
    lower(ctx);
  }
  fuzz_end(ctx, &s);
  return 0;
}
