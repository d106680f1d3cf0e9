/* Opens libquern the way a Python extension's host would, with local symbols, and compiles with every engine. */
#include <dlfcn.h>
#include <quern/quern.h>
#include <stdio.h>
#include <string.h>

#define LOOK(name) __typeof__(&name) name##_p = (__typeof__(&name))dlsym(lib, #name)
#define NEED(x)                                                                                                        \
  if (!(x)) return fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), 1

int main(int argc, char **argv) {
  void *lib = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!lib) return fprintf(stderr, "dlopen: %s\n", argc > 1 ? dlerror() : "usage: dlopen LIBRARY"), 1;
  LOOK(qn_context_create);
  LOOK(qn_context_destroy);
  LOOK(qn_kernel_matmul);
  LOOK(qn_engine_name);
  LOOK(qn_program_run);
  LOOK(qn_program_destroy);
  LOOK(qn_tensor_free);
  qn_context *ctx = qn_context_create_p(NULL);
  NEED(ctx);
  for (size_t e = 0; qn_engine_name_p(e); e++) {
    int8_t w[4] = {1, 2, 3, 4};
    float scale = 1;
    uint8_t a[2] = {10, 20};
    qn_matmul_desc d = {.m = 1,
                        .n = 2,
                        .k = 2,
                        .a = QN_UI8,
                        .b = QN_I8,
                        .y = QN_I32,
                        .a_scale = 1,
                        .b_scales = &scale,
                        .b_per_tensor = true,
                        .b_data = w};
    qn_compile_options options = {.engine = qn_engine_name_p(e)};
    qn_program *p;
    NEED(qn_kernel_matmul_p(ctx, &d, &options, &p) == QN_OK);
    qn_tensor in = {.elem = QN_UI8, .rank = 2, .shape = {1, 2}, .data = a}, out;
    NEED(qn_program_run_p(p, &in, &out, NULL) == QN_OK);
    int32_t y[2];
    memcpy(y, out.data, sizeof y);
    NEED(y[0] == 70 && y[1] == 100);
    qn_tensor_free_p(ctx, &out);
    qn_program_destroy_p(p);
    printf("%s works after dlopen\n", qn_engine_name_p(e));
  }
  qn_context_destroy_p(ctx);
  return 0;
}
