/* quern compile: code ahead of time, or a program file. */
#include "cli.h"
#include <string.h>
#include <sys/stat.h>

typedef struct emit_row {
  const char *name;
  qn_emit_format format;
} emit_row;
static const emit_row kinds[] = {
    {"obj", QN_FORMAT_OBJ}, {"so", QN_FORMAT_SO}, {"asm", QN_FORMAT_ASM}, {"llvm", QN_FORMAT_LLVM}, {"c", QN_FORMAT_C}};

static qn_status save(cli *c, const qn_module *m, const qn_compile_options *options, const char *out) {
  qn_program *p;
  qn_status status = qn_build_program(m, options, &p);
  if (status) return status;
  status = qn_program_save(p, out);
  qn_program_destroy(p);
  (void)c;
  return status;
}

/* Beside a shared library stands its header, unless --header says where. Beside a device or a pipe nothing stands. */
static const char *header_path(const cli *c, qn_emit_format format, const char *out, char *room, size_t size) {
  const char *given = cli_value(c, "--header", NULL);
  struct stat st;
  if (given || format != QN_FORMAT_SO) return given;
  if (!strcmp(out, "-") || (!stat(out, &st) && !S_ISREG(st.st_mode))) return NULL;
  const char *dot = strrchr(out, '.'), *slash = strrchr(out, '/');
  size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - out) : strlen(out);
  int n = snprintf(room, size, "%.*s.h", (int)stem, out);
  return n > 0 && (size_t)n < size ? room : NULL;
}

static qn_status emit(cli *c, qn_module *m, const qn_compile_options *options, qn_emit_format format, const char *out) {
  char room[4096];
  const char *header = header_path(c, format, out, room, sizeof room);
  qn_status status = qn_lower_ahead(m, options->cpu);
  return status ? status : qn_program_emit(m, options, format, cli_value(c, "--entry", "quern_main"), out, header);
}

int cmd_compile(cli *c) {
  const char *kind = cli_value(c, "--emit", NULL), *out = cli_value(c, "-o", NULL);
  const emit_row *row = NULL;
  for (size_t i = 0; kind && i < sizeof kinds / sizeof kinds[0]; i++)
    if (!strcmp(kinds[i].name, kind)) row = &kinds[i];
  bool saving = cli_flag(c, "--save");
  if (!row && !saving)
    return cli_usage(
        c, kind ? "--emit: no kind '%s'; there are obj, so, asm, llvm and c" : "--emit KIND or --save is needed", kind);
  if (!out) return cli_usage(c, "-o FILE is needed");
  qn_compile_options options = {.engine = cli_value(c, "--engine", NULL),
                                .cpu = cli_value(c, "--cpu", NULL),
                                .function = cli_value(c, "--function", NULL)};
  qn_module *m;
  qn_status status = cli_load(c, c->positional[0], &m);
  if (status) return cli_status(status);
  status = saving ? save(c, m, &options, out) : emit(c, m, &options, row->format, out);
  qn_module_destroy(m);
  return cli_status(status);
}
