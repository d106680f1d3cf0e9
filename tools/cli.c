/* Option parsing, diagnostics and help for all subcommands. */
#include "cli.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const cli_option *find_option(const cli_command *command, const char *name, size_t size) {
  for (const cli_option *o = command->options; o && o->name; o++)
    if (strlen(o->name) == size && !strncmp(o->name, name, size)) return o;
  return NULL;
}

bool cli_flag(const cli *c, const char *name) {
  return cli_value(c, name, NULL) != NULL;
}

const char *cli_value(const cli *c, const char *name, const char *otherwise) {
  for (int i = c->num_given; i-- > 0;)
    if (!strcmp(c->given[i].option->name, name)) return c->given[i].value ? c->given[i].value : "";
  return otherwise;
}

int cli_values(const cli *c, const char *name, const char **values, int max) {
  int n = 0;
  for (int i = 0; i < c->num_given && n < max; i++)
    if (!strcmp(c->given[i].option->name, name)) values[n++] = c->given[i].value;
  return n;
}

double cli_number(const cli *c, const char *name, double otherwise, bool *ok) {
  const char *text = cli_value(c, name, NULL);
  if (!text) return otherwise;
  char *end;
  errno = 0;
  double v = strtod(text, &end);
  if (end != text && !*end && !(errno == ERANGE && fabs(v) > 1)) return v;
  cli_usage(c, "%s: '%s' is no number", name, text);
  *ok = false;
  return otherwise;
}

int64_t cli_integer(const cli *c, const char *name, int64_t otherwise, bool *ok) {
  const char *text = cli_value(c, name, NULL);
  if (!text) return otherwise;
  char *end;
  errno = 0;
  long long v = strtoll(text, &end, 10);
  if (end != text && !*end && !errno) return v;
  cli_usage(c, "%s: '%s' is no integer", name, text);
  *ok = false;
  return otherwise;
}

int cli_usage(const cli *c, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  fprintf(stderr, "quern%s%s: ", c->command ? " " : "", c->command ? c->command->name : "");
  vfprintf(stderr, fmt, args);
  if (c->command)
    fprintf(stderr, "\ntry 'quern help %s'\n", c->command->name);
  else
    fprintf(stderr, "\ntry 'quern help'\n");
  va_end(args);
  return CLI_USAGE;
}

int cli_status(qn_status status) {
  return status == QN_OK ? CLI_OK : CLI_INPUT;
}

void cli_help(FILE *out, const cli_command *command) {
  fprintf(out, "usage: quern %s %s\n\n%s\n", command->name, command->arguments, command->summary);
  bool compiles = false;
  if (command->options && command->options[0].name) fprintf(out, "\noptions:\n");
  for (const cli_option *o = command->options; o && o->name; o++) {
    char head[64];
    snprintf(head, sizeof head, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    fprintf(out, "  %-26s %s\n", head, o->help);
    compiles |= !strcmp(o->name, "--engine");
  }
  if (compiles) fprintf(out, "  %-26s %s\n", "--no-cache", "keep no machine code between runs, and use none");
  fprintf(out, "\nexample:\n  %s\n", command->example);
}

/* ---- diagnostics ---- */

/* The line of `source` that the place is on. */
static qn_str line_of(const qn_place *p) {
  const char *s = p->source.data, *end = s + p->source.size;
  for (uint32_t line = 1; line < p->line && s < end; line++) {
    const char *nl = memchr(s, '\n', (size_t)(end - s));
    if (!nl) return (qn_str){0};
    s = nl + 1;
  }
  const char *nl = s < end ? memchr(s, '\n', (size_t)(end - s)) : NULL;
  return (qn_str){s, (size_t)((nl ? nl : end) - s)};
}

static void print_line(const qn_place *p) {
  qn_str line = line_of(p);
  if (!line.size || !p->col) return;
  size_t from = 0, col = p->col - 1;
  if (col > line.size) col = line.size;
  if (col > 100) from = col - 60; /* long lines: what is near */
  size_t n = line.size - from > 120 ? 120 : line.size - from;
  fprintf(stderr, "  %.*s\n  ", (int)n, line.data + from);
  for (size_t i = from; i < col; i++) fputc(line.data[i] == '\t' ? '\t' : ' ', stderr);
  fputs("^\n", stderr);
}

static void on_diag(void *user, const qn_diag *d) {
  static const char *const severity[] = {"error", "warning", "note"};
  static const char *const color[] = {"\033[1;31m", "\033[1;35m", "\033[1;36m"};
  const cli *c = user;
  const qn_place *p = &d->place;
  fflush(stdout);
  if (p->file.size) {
    fprintf(stderr, "%.*s:", (int)p->file.size, p->file.data);
    if (p->line) fprintf(stderr, "%u:%u:", p->line, p->col);
    fputc(' ', stderr);
  }
  fprintf(stderr, "%s%s:%s ", c->color ? color[d->severity] : "", severity[d->severity], c->color ? "\033[0m" : "");
  if (p->entity.size) fprintf(stderr, "%.*s: ", (int)p->entity.size, p->entity.data);
  fprintf(stderr, "%.*s\n", (int)d->message.size, d->message.data);
  if (p->line && p->source.size) print_line(p);
}

static void on_trace(void *user, qn_str line) {
  (void)user;
  fprintf(stderr, "quern: %.*s\n", (int)line.size, line.data);
}

static bool write_stderr(void *user, const char *data, size_t size) {
  (void)user;
  return fwrite(data, 1, size, stderr) == size;
}

/* The limits are those of the row and the threads of the first call, which is what one command has; of what multiplies,
 * when something first does. */
static void know_limits(cli *c, const char *engine, const char *isa, uint32_t threads, const double *by) {
  if (strcmp(engine, "llvm")) return;
  if (!c->limits_known) qn_engine_limits(c->ctx, isa, threads, 0, &c->limits);
  c->limits_known = true;
  for (uint32_t i = 0; i < QN_MULTIPLIER_COUNT; i++) {
    if (by[i] <= 0 || c->peaks_known >> i & 1) continue;
    c->peaks_known |= 1u << i;
    qn_engine_peak(c->ctx, isa, i, threads, &c->limits.ops[i], NULL);
  }
}

/* Kernels and bodies have lines of trace, except in a table. */
static void on_call(void *user, const qn_call_event *e) {
  cli *c = user;
  bool ran = e->kind == QN_EVENT_STEP || e->kind == QN_EVENT_CALL;
  if (!ran && !c->verbose_csv) return;
  if (ran) know_limits(c, e->engine, e->kernel.isa, e->threads, e->by);
  if (!c->seen_calls++ && c->verbose_csv) fprintf(stderr, "%s\n", qn_report_call_columns());
  if (!c->verbose_csv) fputs("quern: ", stderr);
  qn_report_call(c->ctx, e, c->limits.cache_bytes > 0 ? &c->limits : NULL, c->verbose_csv, write_stderr, NULL);
}

void cli_before_call(cli *c, const qn_program *p, const qn_tensor *in, uint32_t threads) {
  enum { MOST = 256 };
  static DLTensor tensors[MOST];
  static int64_t shapes[MOST][QN_MAX_RANK];
  double by[QN_MULTIPLIER_COUNT];
  qn_kernel_info k;
  if (!c->verbose || qn_program_num_inputs(p) > MOST) return;
  for (uint32_t i = 0; i < qn_program_num_inputs(p); i++) tensors[i] = qn_tensor_as_dlpack(&in[i], shapes[i]);
  if (qn_program_prepare(p, tensors, NULL) || !qn_program_kernel(p, 0, &k)) return;
  qn_program_ops(p, tensors, by);
  know_limits(c, qn_program_engine(p), k.isa, threads, by);
}

/* QUERN_VERBOSE=1: kernels as they are made, and each call with its kernels; csv: the same as a table. */
static void set_verbose(cli *c, qn_context_options *options) {
  const char *verbose = getenv("QUERN_VERBOSE");
  if (!verbose || !*verbose || !strcmp(verbose, "0")) return;
  c->verbose = true;
  c->verbose_csv = !strcmp(verbose, "csv");
  if (!c->verbose_csv) options->on_trace = on_trace;
  options->on_call = on_call;
  options->on_call_user = c;
}

/* QUERN_SYMBOLS=gdb,perf-map,jitdump: tools that learn the names of machine code. */
static uint32_t symbols_of(const char *names) {
  static const struct {
    const char *name;
    uint32_t bit;
  } tools[] = {{"gdb", QN_SYMBOLS_GDB}, {"perf-map", QN_SYMBOLS_PERF_MAP}, {"jitdump", QN_SYMBOLS_JITDUMP}};
  uint32_t bits = 0;
  for (const char *at = names; at && *at;) {
    size_t n = strcspn(at, ",");
    uint32_t before = bits;
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
      if (strlen(tools[i].name) == n && !memcmp(at, tools[i].name, n)) bits |= tools[i].bit;
    if (n && bits == before)
      fprintf(stderr, "quern: warning: QUERN_SYMBOLS has '%.*s', expected gdb, perf-map or jitdump, each once\n",
              (int)n, at);
    at += n + (at[n] == ',');
  }
  return bits;
}

/* A bar on a terminal, for jobs that have taken a second already; the line is cleared at the end. */
static void on_progress(void *user, const char *what, int64_t done, int64_t total) {
  static const char full[] = "##############################";
  static const char *job;
  static double begun;
  static int shown;
  (void)user;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  double now = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
  if (!job || strcmp(job, what)) job = what, begun = now, shown = 0;
  if (now - begun < 1 || total <= 0) return;
  if (done >= total) {
    if (shown) fprintf(stderr, "\r%*s\r", 60, "");
    job = NULL;
    return;
  }
  int filled = (int)(done * 30 / total);
  fprintf(stderr, "\r%-10s [%.*s%*s] %lld/%lld", what, filled, full, 30 - filled, "", (long long)done,
          (long long)total);
  shown = 1;
}

/* ---- arguments ---- */

static int parse_option(cli *c, int argc, char **argv, int *i) {
  const char *arg = argv[*i], *eq = arg[1] == '-' ? strchr(arg, '=') : NULL;
  size_t size = eq ? (size_t)(eq - arg) : strlen(arg);
  const cli_option *o = find_option(c->command, arg, size);
  if (!o) return cli_usage(c, "no option %.*s", (int)size, arg);
  if (c->num_given == CLI_MAX_VALUES) return cli_usage(c, "more than %d options", CLI_MAX_VALUES);
  const char *value = NULL;
  if (o->value) {
    if (eq)
      value = eq + 1;
    else if (*i + 1 < argc)
      value = argv[++*i];
    else
      return cli_usage(c, "%s needs a value: %s", o->name, o->value);
  } else if (eq) {
    return cli_usage(c, "%s takes no value", o->name);
  }
  c->given[c->num_given].option = o;
  c->given[c->num_given++].value = value;
  return CLI_OK;
}

/* Leaves 0 to go on, CLI_USAGE, or -1 when help was asked for and given. */
static int parse(cli *c, int argc, char **argv) {
  bool only_positional = false;
  for (int i = 0; i < argc; i++) {
    const char *arg = argv[i];
    if (!only_positional && !strcmp(arg, "--")) {
      only_positional = true;
    } else if (!only_positional && (!strcmp(arg, "--help") || !strcmp(arg, "-h"))) {
      cli_help(stdout, c->command);
      return -1;
    } else if (!only_positional && !strcmp(arg, "--no-cache")) {
      c->no_cache = true;
    } else if (!only_positional && arg[0] == '-' && arg[1]) {
      int bad = parse_option(c, argc, argv, &i);
      if (bad) return bad;
    } else if (c->num_positional == c->command->max_positional) {
      return cli_usage(c, "one argument too many: '%s'", arg);
    } else {
      c->positional[c->num_positional++] = arg;
    }
  }
  if (c->num_positional < c->command->min_positional)
    return cli_usage(c, "usage: quern %s %s", c->command->name, c->command->arguments);
  return CLI_OK;
}

static int general_help(FILE *out) {
  fprintf(out,
          "quern %s: reads, quantizes, compiles and explains quantized tensor programs\n\nusage: quern COMMAND ...\n\n",
          QN_VERSION_STRING);
  for (const cli_command *k = cli_commands; k->name; k++) fprintf(out, "  %-10s %s\n", k->name, k->summary);
  fprintf(out, "  %-10s %s\n\n'quern help COMMAND' tells more.\n", "help", "how a command is used, with an example");
  fputs("environment:\n"
        "  QUERN_CACHE    folder in which machine code is kept between runs (without it $XDG_CACHE_HOME/quern or\n"
        "                 ~/.cache/quern), or 'off', as --no-cache\n"
        "  QUERN_TUNING   a tuning file for commands that take --tuning and are given none\n"
        "  QUERN_VERBOSE  1: a line for each kernel made and each kernel run, to standard error; csv: as a table\n"
        "  QUERN_SYMBOLS  gdb, perf-map, jitdump, or several with commas: tools that learn the names of machine code\n",
        out);
  return CLI_OK;
}

static const cli_command *find_command(const char *name) {
  for (const cli_command *k = cli_commands; k->name; k++)
    if (!strcmp(k->name, name)) return k;
  return NULL;
}

static int help(cli *c, int argc, char **argv) {
  if (argc < 1) return general_help(stdout);
  const cli_command *k = find_command(argv[0]);
  if (!k) return cli_usage(c, "no command '%s'", argv[0]);
  cli_help(stdout, k);
  return CLI_OK;
}

/* Where machine code is kept between runs: QUERN_CACHE names the folder ("off" for none), else the user's own. */
static const char *cache_folder(const cli *c, char *room, size_t size) {
  static const struct {
    const char *variable, *below;
  } homes[] = {{"XDG_CACHE_HOME", "/quern"}, {"HOME", "/.cache/quern"}};
  const char *named = getenv("QUERN_CACHE");
  if (c->no_cache || (named && (!*named || !strcmp(named, "off")))) return NULL;
  if (named) return named;
  for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
    const char *home = getenv(homes[i].variable);
    if (!home || *home != '/') continue;
    int n = snprintf(room, size, "%s%s", home, homes[i].below);
    return n > 0 && (size_t)n < size ? room : NULL;
  }
  return NULL;
}

static qn_status set_cache(const cli *c) {
  char room[4096];
  const char *folder = cache_folder(c, room, sizeof room);
  return folder ? qn_engine_set_cache(c->ctx, folder, 0) : QN_OK;
}

/* ---- tuning files ---- */

const char *cli_tuning_path(const cli *c, const char *given, char *room, size_t size) {
  char folder[4096], cpu[64];
  if (given && strcmp(given, "auto")) return given;
  const char *cache = cache_folder(c, folder, sizeof folder);
  if (!cache) {
    qn_error(c->ctx, QN_DIAG_MISSING, qn_place_file(""), "there is no cache folder: name the tuning file");
    return NULL;
  }
  qn_cpu_name(cpu, sizeof cpu);
  for (char *at = cpu; *at; at++)
    if (!isalnum((unsigned char)*at)) *at = '-';
  mkdir(cache, 0700); /* what is wrong with the folder, opening the file tells */
  int n = snprintf(room, size, "%s/tuning-%s.txt", cache, cpu);
  return n > 0 && (size_t)n < size ? room : NULL;
}

static bool takes_tuning(const cli_command *command) {
  return find_option(command, "--tuning", 8) != NULL;
}

/* With an instruction set given by name, code may be for another machine, and so may be the file. */
static qn_status read_tuning(const cli *c) {
  char room[4352];
  if (!takes_tuning(c->command)) return QN_OK;
  const char *given = cli_value(c, "--tuning", getenv("QUERN_TUNING"));
  if (!given || !*given) return QN_OK;
  const char *path = cli_tuning_path(c, given, room, sizeof room);
  return path ? qn_tuning_read(c->ctx, path, cli_flag(c, "--cpu") ? QN_FOREIGN_USE : QN_FOREIGN_IGNORE) : QN_ERR_INPUT;
}

static int run_command(cli *c, int argc, char **argv) {
  int bad = parse(c, argc, argv);
  if (!bad) bad = cli_check(c);
  if (bad) return bad < 0 ? CLI_OK : bad;
  qn_context_options options = {.on_diag = on_diag, .on_diag_user = c};
  options.symbols = symbols_of(getenv("QUERN_SYMBOLS"));
  set_verbose(c, &options);
  if (isatty(2)) options.on_progress = on_progress;
  c->ctx = qn_context_create(&options);
  if (!c->ctx) {
    fputs("quern: error: out of memory\n", stderr);
    return CLI_INPUT;
  }
  qn_status status = set_cache(c);
  if (!status) status = read_tuning(c);
  int code = status ? cli_status(status) : c->command->run(c);
  qn_context_destroy(c->ctx);
  return code;
}

static int dispatch(cli *c, int argc, char **argv) {
  if (argc < 2) {
    general_help(stderr);
    return CLI_USAGE;
  }
  if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
    return help(c, argc - 2, argv + 2);
  if (!strcmp(argv[1], "--version")) {
    printf("quern %s\n", QN_VERSION_STRING);
    return CLI_OK;
  }
  c->command = find_command(argv[1]);
  if (!c->command) return cli_usage(c, "no command '%s'", argv[1]);
  return run_command(c, argc - 2, argv + 2);
}

int main(int argc, char **argv) {
  static cli c;
  c.program = argv[0];
  c.color = isatty(2) && !getenv("NO_COLOR");
  int code = dispatch(&c, argc, argv);
  if (fflush(stdout) || ferror(stdout)) {
    fprintf(stderr, "quern: error: cannot write to standard output: %s\n", strerror(errno));
    return code ? code : CLI_INPUT;
  }
  return code;
}

/* ---- shared by commands ---- */

qn_status cli_load(cli *c, const char *path, qn_module **out) {
  const char *dims[CLI_MAX_VALUES], *consts[CLI_MAX_VALUES];
  qn_load_options options = {.dims = dims, .consts = consts, .allow_unregistered = cli_flag(c, "--allow-unregistered")};
  options.num_dims = (size_t)cli_values(c, "--dim", dims, CLI_MAX_VALUES);
  options.num_consts = (size_t)cli_values(c, "--const", consts, CLI_MAX_VALUES);
  return qn_load_model(c->ctx, path, &options, out);
}

void cli_print_unfolded(const char *heading, uint64_t products) {
  if (!products) return;
  printf("%s%llu product%s of dequantized codes in floats: 'quern opt -p fold-qparams' multiplies the codes\n", heading,
         (unsigned long long)products, products > 1 ? "s" : "");
}

bool cli_write_stdout(void *user, const char *data, size_t size) {
  (void)user;
  return fwrite(data, 1, size, stdout) == size;
}

qn_status cli_print_module(cli *c, qn_module *m, const char *path, const qn_print_options *options) {
  (void)c;
  return qn_print_file(m, options, path ? path : "-");
}
