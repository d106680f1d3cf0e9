/* Runs the ONNX backend tests that Debian's libonnx-testdata installs, through the importer and one engine.
 *
 *   onnx_nodes [--engine interp|llvm|tcc] [--data FOLDER] [--list FILE] [--update] [--verbose] [WORD..]
 *
 * Each case runs as it is, and once more ("/bound") with all inputs but the first bound to their values, which takes
 * other paths through the importer. A case counts when everything in it can be imported. --list names the file of
 * cases that must pass; --update adds those that pass and are not in it. WORDs select cases by a part of their name.
 * Exit status: 0, 1 when a listed case fails, 77 when the data is not installed. */
#include "onnx_case.h"
#include <dirent.h>
#include <quern/driver.h>
#include <quern/unstable/evaluator.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SKIPPED = 77, MAX_LINES = 4096 };

/* ---- engines ---- */

static qn_status run_program(qn_module *m, qn_op func, const char *engine, const qn_tensor *in, qn_tensor *out) {
  (void)func;
  qn_program *program = NULL;
  qn_status status = qn_build_program(m, &(qn_compile_options){.engine = engine}, &program);
  if (status != QN_OK) return status;
  status = qn_program_run(program, in, out, NULL);
  qn_program_destroy(program);
  return status;
}

static qn_status run_evaluator(qn_module *m, qn_op func, const char *engine, const qn_tensor *in, qn_tensor *out) {
  (void)engine;
  uint32_t num_in = qn_block_num_args(m, qn_func_body(m, func));
  return qn_evaluate(m, func, NULL, num_in, in, qn_op_num_operands(m, qn_func_return(m, func)), out);
}

static const struct engine {
  const char *name;
  qn_status (*run)(qn_module *m, qn_op func, const char *engine, const qn_tensor *in, qn_tensor *out);
} engines[] = {{"evaluator", run_evaluator}, {"interp", run_program}, {"tcc", run_program}, {"llvm", run_program}};

/* ---- lists of names ---- */

typedef struct lines {
  size_t n;
  char *text[MAX_LINES];
} lines;

static void add_line(lines *l, const char *text) {
  if (l->n == MAX_LINES) return;
  char *copy = malloc(strlen(text) + 1);
  if (copy) l->text[l->n++] = strcpy(copy, text);
}

static int compare_lines(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(lines *l) {
  qsort(l->text, l->n, sizeof *l->text, compare_lines);
}

static bool has_line(const lines *l, const char *text) {
  return l->n && bsearch(&text, l->text, l->n, sizeof *l->text, compare_lines) != NULL;
}

static void free_lines(lines *l) {
  for (size_t i = 0; i < l->n; i++) free(l->text[i]);
  l->n = 0;
}

static bool read_list(const char *path, lines *l) {
  char line[512];
  FILE *f = fopen(path, "r");
  if (!f) return false;
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "\r\n")] = 0;
    if (*line && *line != '#') add_line(l, line);
  }
  fclose(f);
  sort_lines(l);
  return true;
}

/* ---- running ---- */

typedef struct runner {
  const struct engine *engine;
  const char *data, *list;
  bool update, verbose;
  lines words, listed, passed, failed;
  size_t not_supported;
  char last[512]; /* the last diagnostic */
} runner;

static void on_diag(void *user, const qn_diag *d) {
  runner *r = user;
  if (d->severity == QN_ERROR)
    snprintf(r->last, sizeof r->last, "%.*s: %.*s", (int)d->place.entity.size, d->place.entity.data,
             (int)d->message.size, d->message.data);
}

static qn_status run_module(runner *r, const onnx_case *c, qn_module *m, const qn_tensor *in) {
  qn_op func = qn_module_function(m, NULL);
  uint32_t n = qn_op_num_operands(m, qn_func_return(m, func));
  qn_tensor out[CASE_MAX_PORTS] = {{0}};
  if (n > CASE_MAX_PORTS) return QN_ERR_INPUT;
  qn_status status = r->engine->run(m, func, r->engine->name, in, out);
  if (status == QN_OK && !case_check(c, n, out, r->last, sizeof r->last)) status = QN_ERR_INPUT;
  for (uint32_t i = 0; i < n; i++) qn_tensor_free(c->ctx, &out[i]);
  return status;
}

static bool is_selected(const runner *r, const char *name) {
  if (!r->words.n) return true;
  for (size_t i = 0; i < r->words.n; i++)
    if (strstr(name, r->words.text[i])) return true;
  return false;
}

static void record(runner *r, const char *name, bool in_scope, qn_status status) {
  if (!in_scope) {
    r->not_supported++;
    if (r->verbose) printf("unsupported %s: %s\n", name, r->last);
    return;
  }
  add_line(status == QN_OK ? &r->passed : &r->failed, name);
  if (status != QN_OK)
    printf("FAILED %s: %s\n", name, r->last);
  else if (r->verbose)
    printf("passed %s\n", name);
}

/* False when the data of the case does not fit its own model. */
static bool run_binding(runner *r, const onnx_case *c, case_binding binding, const char *name) {
  qn_module *m = NULL;
  qn_tensor in[CASE_MAX_PORTS];
  if (!is_selected(r, name)) return true;
  qn_status status = case_import(c, binding, &m);
  bool fits = true;
  if (status == QN_OK) {
    fits = case_inputs(c, m, qn_module_function(m, NULL), in);
    if (fits)
      status = run_module(r, c, m, in);
    else
      snprintf(r->last, sizeof r->last, "the data of this case does not fit its own model");
  }
  record(r, name, fits && status != QN_ERR_UNSUPPORTED, status);
  qn_module_destroy(m);
  return fits;
}

static void run_case(runner *r, const char *group, const char *test) {
  char folder[600], name[400];
  const qn_context_options options = {.on_diag = on_diag, .on_diag_user = r};
  qn_context *ctx = qn_context_create(&options);
  onnx_case c;
  if (!ctx) return;
  snprintf(folder, sizeof folder, "%s/%s/%s", r->data, group, test);
  snprintf(name, sizeof name, "%s/%s", group, test);
  if (case_open(&c, ctx, folder)) {
    bool fits = run_binding(r, &c, BIND_SHAPES, name);
    snprintf(name, sizeof name, "%s/%s/bound", group, test);
    if (fits && c.inputs.n > 1) run_binding(r, &c, BIND_REST, name);
  } else {
    record(r, name, false, QN_OK); /* sequences, strings */
  }
  case_close(&c);
  qn_context_destroy(ctx);
}

static void run_group(runner *r, const char *group) {
  char folder[512];
  lines tests = {0};
  snprintf(folder, sizeof folder, "%s/%s", r->data, group);
  DIR *dir = opendir(folder);
  if (!dir) return;
  for (struct dirent *e = readdir(dir); e; e = readdir(dir))
    if (strncmp(e->d_name, "test_", 5) == 0) add_line(&tests, e->d_name);
  closedir(dir);
  sort_lines(&tests);
  for (size_t i = 0; i < tests.n; i++) run_case(r, group, tests.text[i]);
  free_lines(&tests);
}

/* ---- the list ---- */

static bool write_list(runner *r) {
  lines all = {0};
  for (size_t i = 0; i < r->listed.n; i++) add_line(&all, r->listed.text[i]);
  for (size_t i = 0; i < r->passed.n; i++)
    if (!has_line(&r->listed, r->passed.text[i])) add_line(&all, r->passed.text[i]);
  sort_lines(&all);
  FILE *f = fopen(r->list, "w");
  if (f) {
    fprintf(f,
            "# ONNX backend tests that pass on every engine. This list only grows: onnx_nodes --list FILE --update\n");
    for (size_t i = 0; i < all.n; i++) fprintf(f, "%s\n", all.text[i]);
  }
  free_lines(&all);
  return f && fclose(f) == 0;
}

static int conclude(runner *r) {
  size_t lost = 0, fresh = 0;
  sort_lines(&r->passed);
  for (size_t i = 0; i < r->listed.n; i++)
    if (is_selected(r, r->listed.text[i]) && !has_line(&r->passed, r->listed.text[i])) {
      printf("LOST %s: it is in the list and does not pass\n", r->listed.text[i]);
      lost++;
    }
  for (size_t i = 0; i < r->passed.n; i++)
    if (r->list && !has_line(&r->listed, r->passed.text[i])) {
      printf("new %s: passes and is not in the list; add it with --update\n", r->passed.text[i]);
      fresh++;
    }
  printf("%s: %zu passed, %zu failed, %zu not supported; %zu of the list lost, %zu new\n", r->engine->name, r->passed.n,
         r->failed.n, r->not_supported, lost, fresh);
  if (r->update && r->list && !write_list(r)) {
    fprintf(stderr, "cannot write '%s'\n", r->list);
    return 1;
  }
  return lost ? 1 : 0;
}

/* Where the package puts the data. */
static const char *find_data(void) {
  static const char *const folders[] = {"/usr/share/libonnx-testdata/data", "/usr/local/share/libonnx-testdata/data"};
  const char *asked = getenv("QUERN_ONNX_TESTDATA");
  struct stat st;
  if (asked && *asked) return asked;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    if (stat(folders[i], &st) == 0) return folders[i];
  return NULL;
}

static const struct engine *find_engine(const char *name) {
  for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
    if (strcmp(engines[i].name, name) == 0) return &engines[i];
  fprintf(stderr, "no engine '%s'\n", name);
  exit(2);
}

static void parse_arguments(runner *r, int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    bool more = i + 1 < argc;
    if (strcmp(argv[i], "--engine") == 0 && more)
      r->engine = find_engine(argv[++i]);
    else if (strcmp(argv[i], "--data") == 0 && more)
      r->data = argv[++i];
    else if (strcmp(argv[i], "--list") == 0 && more)
      r->list = argv[++i];
    else if (strcmp(argv[i], "--update") == 0)
      r->update = true;
    else if (strcmp(argv[i], "--verbose") == 0)
      r->verbose = true;
    else
      add_line(&r->words, argv[i]);
  }
}

int main(int argc, char **argv) {
  static runner r;
  static const char *const groups[] = {"node", "simple", "pytorch-converted", "pytorch-operator"};
  struct stat st;
  r.engine = &engines[0];
  r.data = find_data();
  parse_arguments(&r, argc, argv);
  if (!r.data || stat(r.data, &st) != 0) {
    printf("skipped: the ONNX backend tests are not installed (Debian: libonnx-testdata); QUERN_ONNX_TESTDATA names "
           "another folder\n");
    return SKIPPED;
  }
  if (r.list && !read_list(r.list, &r.listed) && !r.update) {
    fprintf(stderr, "cannot read '%s'\n", r.list);
    return 1;
  }
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) run_group(&r, groups[i]);
  int result = conclude(&r);
  free_lines(&r.words);
  free_lines(&r.listed);
  free_lines(&r.passed);
  free_lines(&r.failed);
  return result;
}
