/* The C header that declares an ahead-of-time program, whatever form its code has. */
#include "program.h"
#include <string.h>

/* Text inside a comment. */
static void comment(qn_buf *out, qn_str s) {
  for (size_t i = 0; i < s.size; i++) {
    char c = s.data[i];
    qn__buf_char(out, (char)(c >= ' ' && c <= '~' && c != '*' && c != '\\' ? c : '.'));
  }
}

static void port(qn_buf *out, const char *what, uint32_t ptr, const qn_port *p) {
  qn__buf_fmt(out, " *   ptr[%u]  %s ", ptr, what);
  comment(out, p->name);
  qn__buf_c(out, ": ");
  comment(out, p->type_text);
  qn__buf_fmt(out, ", %zu bytes\n", p->bytes);
}

static bool asks_for_tiles(const qn_aot *aot) {
  return aot->num_bodies && (aot->bodies[0].plan->isa->has & QN_ISA_TILES);
}

void qn__aot_header(const qn_aot *aot, qn_buf *out) {
  const char *e = aot->entry;
  qn__buf_fmt(out, "/* Written by quern.\n *\n * %s runs the program on one thread. args:\n", e);
  for (uint32_t i = 0; i < aot->num_inputs; i++) port(out, "input", i, &aot->inputs[i]);
  for (uint32_t i = 0; i < aot->num_outputs; i++) port(out, "output", aot->num_inputs + i, &aot->outputs[i]);
  qn__buf_fmt(
      out,
      " *   workspace  %zu bytes, aligned to 64\n"
      " * Tensors are compact, row-major and may have any alignment; outputs overlap nothing. The other members "
      "are not\n"
      " * used and may be 0. The caller's floating-point environment must be the default one: round to nearest, "
      "no flushing\n * of subnormals. Returns 0; anything else is the error number of a kernel%s. */\n",
      aot->workspace_bytes,
      asks_for_tiles(aot) ? ", or -1: the system\n * does not let this process have the registers for tiles" : "");
  qn__buf_fmt(out, "#ifndef QUERN_PROGRAM_%s_H\n#define QUERN_PROGRAM_%s_H\n#include <stdint.h>\n\n", e, e);
  qn__buf_c(out, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
  qn__buf_c(out, QN__KARGS_TEXT);
  qn__buf_fmt(out, "#define %s_NUM_INPUTS %u\n#define %s_NUM_OUTPUTS %u\n", e, aot->num_inputs, e, aot->num_outputs);
  for (uint32_t i = 0; i < aot->num_inputs; i++)
    qn__buf_fmt(out, "#define %s_INPUT%u_BYTES %zu\n", e, i, aot->inputs[i].bytes);
  for (uint32_t i = 0; i < aot->num_outputs; i++)
    qn__buf_fmt(out, "#define %s_OUTPUT%u_BYTES %zu\n", e, i, aot->outputs[i].bytes);
  qn__buf_fmt(out, "#define %s_WORKSPACE_BYTES %zu\n\n", e, aot->workspace_bytes);
  qn__buf_fmt(out, "int32_t %s(const qn_kargs *args);\n\n", e);
  qn__buf_c(out, "#ifdef __cplusplus\n}\n#endif\n#endif\n");
}
