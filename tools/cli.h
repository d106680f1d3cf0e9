/* The command line's own small library: option tables, diagnostics with carets, file sinks. Each subcommand is one row
 * of commands[] in main.c and one cmd_*.c: parse arguments, one driver call, print. */
#ifndef QN_CLI_H
#define QN_CLI_H
#include <quern/driver.h>
#include <quern/report.h>
#include <quern/tuning.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_INPUT = 1, CLI_USAGE = 2, CLI_MAX_VALUES = 256 };

/* One option of a command. `value` names its argument in the help ("FILE"); null for a flag. */
typedef struct cli_option {
  const char *name; /* "--engine" or "-o" */
  const char *value;
  const char *help;
} cli_option;

struct cli;

typedef struct cli_command {
  const char *name;
  const char *arguments; /* "IN -o OUT [--generic]" */
  const char *summary;
  const char *example;
  const cli_option *options; /* ends with a null name; --help and --no-cache are understood by all */
  int min_positional, max_positional;
  int (*run)(struct cli *cli);
} cli_command;

typedef struct cli {
  const cli_command *command;
  qn_context *ctx;
  const char *program;
  int num_positional;
  const char *positional[CLI_MAX_VALUES];
  int num_given;
  struct {
    const cli_option *option;
    const char *value;
  } given[CLI_MAX_VALUES];
  bool color, no_cache;
  bool verbose, verbose_csv; /* QUERN_VERBOSE */
  uint64_t seen_calls;       /* call events */
  bool limits_known;
  uint32_t peaks_known; /* 1 << QN_MULTIPLIER_* */
  qn_limits limits;     /* measured before the first of them */
} cli;

extern const cli_command cli_commands[]; /* ends with a null name */

bool cli_flag(const cli *c, const char *name);
const char *cli_value(const cli *c, const char *name, const char *otherwise); /* the last one given */
int cli_values(const cli *c, const char *name, const char **values, int max);
/* Numbers; a value that is none prints an error and sets *ok to false. */
double cli_number(const cli *c, const char *name, double otherwise, bool *ok);
int64_t cli_integer(const cli *c, const char *name, int64_t otherwise, bool *ok);
/* Prints "quern COMMAND: ..." and gives CLI_USAGE. */
int cli_usage(const cli *c, const char *fmt, ...) QN_PRINTF(2, 3);
/* Values of options that name an engine, an instruction set, a size: CLI_USAGE after saying what is wrong. */
int cli_check(const cli *c);
int cli_status(qn_status status); /* exit code */
void cli_help(FILE *out, const cli_command *command);

/* Model from --dim, --const options and a path. */
qn_status cli_load(cli *c, const char *path, qn_module **out);
/* Behind a heading, what makes all of a program slow and not one kernel: products that fold-qparams would make products
 * of codes. Nothing where there are none. */
void cli_print_unfolded(const char *heading, uint64_t products);
/* A tuning file by its name; "auto" or null: the one beside the code cache, which is named by the processor. Null after
 * a message where there is none. */
const char *cli_tuning_path(const cli *c, const char *given, char *room, size_t size);
/* With QUERN_VERBOSE: makes the code of a call and measures the limits before it, so that it is not they that are
 * timed. Whatever is wrong with the inputs, the call itself will say. */
void cli_before_call(cli *c, const qn_program *p, const qn_tensor *in, uint32_t threads);
/* Writes a module to -o (standard output without). */
qn_status cli_print_module(cli *c, qn_module *m, const char *path, const qn_print_options *options);
bool cli_write_stdout(void *user, const char *data, size_t size);

int cmd_opt(cli *c);
int cmd_passes(cli *c);
int cmd_ops(cli *c);
int cmd_types(cli *c);
int cmd_isa(cli *c);
int cmd_schemes(cli *c);
int cmd_diags(cli *c);
int cmd_import(cli *c);
int cmd_qparams(cli *c);
int cmd_calibrate(cli *c);
int cmd_quantize(cli *c);
int cmd_run(cli *c);
int cmd_compare(cli *c);
int cmd_compile(cli *c);
int cmd_inspect(cli *c);
int cmd_bench(cli *c);
#endif
