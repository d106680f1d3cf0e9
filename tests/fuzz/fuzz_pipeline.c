/* Pipeline strings: any text is a pipeline or is refused, and a pipeline may be run on a program without harm. */
#include "fuzz.h"
#include <quern/pass.h>

static const char program[] =
    "func.func private @half(%x: tensor<?x8xf32, #quern.dims<\"n\",\"\">>) -> tensor<?x8xf32, #quern.dims<\"n\",\"\">> "
    "{\n"
    "  %c = arith.constant dense<0.5> : tensor<f32>\n"
    "  %y = quern.mul %x, %c : (tensor<?x8xf32, #quern.dims<\"n\",\"\">>, tensor<f32>) -> tensor<?x8xf32, "
    "#quern.dims<\"n\",\"\">>\n"
    "  return %y : tensor<?x8xf32, #quern.dims<\"n\",\"\">>\n"
    "}\n"
    "func.func @main(%x: tensor<?x8xf32, #quern.dims<\"n\",\"\">>) -> tensor<?x4xf32, #quern.dims<\"n\",\"\">> {\n"
    "  %h = func.call @half(%x) : (tensor<?x8xf32, #quern.dims<\"n\",\"\">>) -> tensor<?x8xf32, "
    "#quern.dims<\"n\",\"\">>\n"
    "  %w = arith.constant dense<0.25> : tensor<8x4xf32>\n"
    "  %p = quern.matmul %h, %w : (tensor<?x8xf32, #quern.dims<\"n\",\"\">>, tensor<8x4xf32>) -> tensor<?x4xf32, "
    "#quern.dims<\"n\",\"\">>\n"
    "  %r = quern.relu %p : (tensor<?x4xf32, #quern.dims<\"n\",\"\">>) -> tensor<?x4xf32, #quern.dims<\"n\",\"\">>\n"
    "  return %r : tensor<?x4xf32, #quern.dims<\"n\",\"\">>\n"
    "}\n";

static void run(qn_context *ctx, qn_pass_manager *pm) {
  qn_module *m = NULL;
  if (qn_parse_text(ctx, qn_str_of(program), "program", NULL, &m) != QN_OK) fuzz_stop("the program does not parse");
  if (qn_pass_manager_run(pm, m) == QN_OK) {
    qn_status status = qn_module_verify(m);
    if (status != QN_OK && status != QN_ERR_NO_MEMORY) fuzz_stop("a pipeline left a broken program");
  }
  qn_module_destroy(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_state s;
  qn_context *ctx = fuzz_context(&s);
  if (!ctx) return 0;
  qn_pass_manager *pm = NULL;
  const qn_pass_manager_options options = {.verify_each = true};
  qn_status status = qn_pass_manager_create(ctx, (qn_str){(const char *)data, size}, &options, &pm);
  fuzz_check_status(&s, status);
  if ((status == QN_OK) != (pm != NULL)) fuzz_stop("a pass manager without success, or success without one");
  if (pm) {
    run(ctx, pm);
    qn_pass_manager_destroy(pm);
  }
  fuzz_end(ctx, &s);
  return 0;
}
