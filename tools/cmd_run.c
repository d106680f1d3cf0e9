/* quern run: inputs from files, outputs to a folder. */
#include "cli.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_PORTS = 256 };

typedef struct job {
  cli *c;
  qn_program *p;
  qn_tensor in[MAX_PORTS], out[MAX_PORTS];
  bool named[MAX_PORTS]; /* given as NAME=FILE */
  qn_store *stores[MAX_PORTS];
  int num_stores;
} job;

static bool is_program_file(const char *path) {
  char magic[8];
  FILE *f = strcmp(path, "-") ? fopen(path, "rb") : NULL;
  bool yes = f && fread(magic, 1, 8, f) == 8 && !memcmp(magic, "QUERNPRG", 8);
  if (f) fclose(f);
  return yes;
}

static qn_status compile(job *j) {
  const char *path = j->c->positional[0];
  if (is_program_file(path)) return qn_program_load(j->c->ctx, path, &j->p);
  qn_module *m;
  qn_compile_options options = {.engine = cli_value(j->c, "--engine", NULL),
                                .cpu = cli_value(j->c, "--cpu", NULL),
                                .function = cli_value(j->c, "--function", NULL)};
  qn_status status = cli_load(j->c, path, &m);
  if (status) return status;
  status = qn_build_program(m, &options, &j->p);
  qn_module_destroy(m);
  return status;
}

static int input_named(const qn_program *p, qn_str name) {
  for (uint32_t i = 0; i < qn_program_num_inputs(p); i++)
    if (qn_str_eq(qn_program_input(p, i).name, name)) return (int)i;
  return -1;
}

static qn_status open_store(job *j, const char *path, qn_store **store) {
  if (j->num_stores == MAX_PORTS)
    return qn_error(j->c->ctx, QN_DIAG_LIMIT, qn_place_file(path), "more than %d input files", MAX_PORTS);
  qn_status status = qn_store_open(j->c->ctx, path, store);
  if (!status) j->stores[j->num_stores++] = *store;
  return status;
}

/* NAME=FILE takes the only array of the file, or the one of that name; FILE alone takes all arrays that are inputs. */
static qn_status read_input(job *j, const char *text) {
  const char *eq = strchr(text, '=');
  const char *path = eq ? eq + 1 : text;
  qn_store *store;
  qn_status status = open_store(j, path, &store);
  if (status) return status;
  if (!eq) {
    for (size_t k = 0; k < qn_store_count(store) && !status; k++) {
      int i = input_named(j->p, qn_store_name(store, k));
      if (i >= 0) status = qn_store_tensor(store, k, &j->in[i]);
    }
    return status;
  }
  qn_str name = {text, (size_t)(eq - text)};
  int i = input_named(j->p, name);
  if (i < 0)
    return qn_error(j->c->ctx, QN_DIAG_MISSING, qn_place_file(j->c->positional[0]), "the program has no input '%.*s'",
                    (int)name.size, name.data);
  if (j->named[i])
    return qn_error(j->c->ctx, QN_DIAG_CALL, qn_place_file(path), "input '%.*s' is given twice", (int)name.size,
                    name.data);
  j->named[i] = true;
  return qn_store_count(store) == 1 ? qn_store_tensor(store, 0, &j->in[i]) : qn_store_get(store, name, &j->in[i]);
}

static qn_status read_inputs(job *j) {
  const char *values[CLI_MAX_VALUES];
  int n = cli_values(j->c, "--input", values, CLI_MAX_VALUES);
  if (qn_program_num_inputs(j->p) > MAX_PORTS || qn_program_num_outputs(j->p) > MAX_PORTS)
    return qn_error(j->c->ctx, QN_DIAG_LIMIT, qn_place_file(j->c->positional[0]), "more than %d inputs or outputs",
                    MAX_PORTS);
  for (int i = 0; i < n; i++) {
    qn_status status = read_input(j, values[i]);
    if (status) return status;
  }
  for (uint32_t i = 0; i < qn_program_num_inputs(j->p); i++) {
    qn_port_info port = qn_program_input(j->p, i);
    if (j->in[i].elem == QN_SCALAR_NONE)
      return qn_error(j->c->ctx, QN_DIAG_MISSING, qn_place_file(j->c->positional[0]),
                      "input '%.*s' (%.*s) is not given: --input %.*s=FILE.npy", (int)port.name.size, port.name.data,
                      (int)port.type.size, port.type.data, (int)port.name.size, port.name.data);
    if (j->in[i].elem != port.elem)
      return qn_error(j->c->ctx, QN_DIAG_TYPE_MISMATCH, qn_place_file(j->c->positional[0]),
                      "input '%.*s' is %.*s, but the file has %s", (int)port.name.size, port.name.data,
                      (int)port.type.size, port.type.data, qn_scalar_get(j->in[i].elem)->text);
  }
  return QN_OK;
}

/* ---- file names of outputs ---- */

enum { MAX_NAME = 200 };
typedef char file_names[MAX_PORTS][MAX_NAME + 16];

static bool is_taken(const file_names names, uint32_t n, const char *name) {
  for (uint32_t i = 0; i < n; i++)
    if (!strcmp(names[i], name)) return true;
  return false;
}

/* What a path would read otherwise becomes an underscore. True when nothing had to be changed. */
static bool as_file_name(char *out, qn_str name) {
  bool same = name.size > 0 && name.size <= MAX_NAME;
  size_t n = name.size <= MAX_NAME ? name.size : MAX_NAME;
  for (size_t i = 0; i < n; i++) {
    char ch = name.data[i];
    bool plain = ch != '/' && ch != '\\' && (unsigned char)ch >= 32 && (i > 0 || ch != '.');
    out[i] = plain ? ch : '_';
    same &= plain;
  }
  out[n] = 0;
  return same;
}

/* Outputs whose names can stay get them; the others' are told apart by the number of the output. */
static void name_files(const qn_program *p, file_names names) {
  uint32_t n = qn_program_num_outputs(p);
  for (uint32_t i = 0; i < n; i++) names[i][0] = 0;
  for (uint32_t i = 0; i < n; i++) {
    char name[MAX_NAME + 1];
    if (as_file_name(name, qn_program_output(p, i).name) && !is_taken(names, n, name)) strcpy(names[i], name);
  }
  for (uint32_t i = 0; i < n; i++) {
    char name[MAX_NAME + 16];
    if (names[i][0]) continue;
    as_file_name(name, qn_program_output(p, i).name);
    size_t end = strlen(name);
    for (uint32_t number = i; !*name || is_taken(names, n, name); number += n)
      snprintf(name + end, sizeof name - end, "_%u", number);
    strcpy(names[i], name);
  }
}

static qn_status write_outputs(job *j) {
  const char *dir = cli_value(j->c, "-o", ".");
  if (mkdir(dir, 0777) && errno != EEXIST)
    return qn_error(j->c->ctx, QN_DIAG_IO, qn_place_file(dir), "cannot make the folder: %s", strerror(errno));
  static file_names names;
  name_files(j->p, names);
  for (uint32_t i = 0; i < qn_program_num_outputs(j->p); i++) {
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s.npy", dir, names[i]);
    if (n < 0 || (size_t)n >= sizeof path)
      return qn_error(j->c->ctx, QN_DIAG_IO, qn_place_file(dir), "the folder's path is too long");
    qn_status status = qn_npy_write(j->c->ctx, path, &j->out[i]);
    if (status) return status;
  }
  return QN_OK;
}

static qn_status execute(job *j, int64_t threads) {
  qn_pool *pool = NULL;
  qn_status status = threads > 1 ? qn_pool_create(j->c->ctx, (uint32_t)threads, &pool) : QN_OK;
  if (status) return status;
  qn_parallel parallel = pool ? qn_pool_parallel(pool) : (qn_parallel){0};
  cli_before_call(j->c, j->p, j->in, (uint32_t)threads);
  status = qn_program_run(j->p, j->in, j->out, pool ? &parallel : NULL);
  qn_pool_destroy(pool);
  return status;
}

int cmd_run(cli *c) {
  static job j;
  bool ok = true;
  int64_t threads = cli_integer(c, "--threads", 1, &ok);
  if (!ok || threads < 1 || threads > 1024) return ok ? cli_usage(c, "--threads must be 1 to 1024") : CLI_USAGE;
  if (!strcmp(cli_value(c, "-o", "."), "-")) return cli_usage(c, "-o: outputs go into a folder, a file each");
  j.c = c;
  qn_status status = compile(&j);
  if (!status) status = read_inputs(&j);
  if (!status) status = execute(&j, threads);
  if (!status) {
    status = write_outputs(&j);
    for (uint32_t i = 0; i < qn_program_num_outputs(j.p); i++) qn_tensor_free(c->ctx, &j.out[i]);
  }
  qn_program_destroy(j.p);
  for (int i = 0; i < j.num_stores; i++) qn_store_close(j.stores[i]);
  return cli_status(status);
}
