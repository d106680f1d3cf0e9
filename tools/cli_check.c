/* Values of options that name something: what no table has is a wrong call, told before any file is read. */
#include "cli.h"
#include <quern/schemes.h>
#include <quern/unstable/isa.h>
#include <quern/unstable/observe.h>
#include <string.h>

static bool engine_exists(const char *v) {
  for (size_t i = 0; qn_engine_name(i); i++)
    if (!strcmp(v, qn_engine_name(i))) return true;
  return !strcmp(v, "auto");
}

static bool cpu_exists(const char *v) {
  return qn_isa_find(qn_str_of(v)) != NULL;
}

static void near_isa(const char *v, char *text, size_t size) {
  char near[160];
  snprintf(text, size, "%s'quern isa' lists them", qn_isa_near(qn_str_of(v), near, sizeof near));
}

/* NAME or NAME:PARAMETER; the parameter is the observer's to judge. */
static bool observer_exists(const char *v) {
  size_t n = strcspn(v, ":");
  const qn_observer_info *o;
  for (size_t i = 0; (o = qn_observer_info_get(i)); i++)
    if ((strlen(o->name) == n && !strncmp(v, o->name, n)) || (n && strlen(o->alias) == n && !strncmp(v, o->alias, n)))
      return true;
  return false;
}

static bool scheme_exists(const char *v) {
  return qn_scheme_find(qn_str_of(v)) != NULL;
}

static bool is_binding(const char *v) {
  const char *eq = strchr(v, '=');
  return eq && eq != v && eq[1];
}

static bool is_size_binding(const char *v) {
  if (!is_binding(v)) return false;
  const char *digits = strchr(v, '=') + 1;
  size_t n = strspn(digits, "0123456789");
  return n <= 18 && !digits[n];
}

static const struct rule {
  const char *option;
  const char *command; /* the only one the rule is for; null for all */
  bool (*holds)(const char *value);
  const char *expected;
  void (*hint)(const char *value, char *text, size_t size); /* what stands after `expected`, or null */
} rules[] = {
    {"--engine", NULL, engine_exists, "an engine that is built in: auto, llvm, tcc or interp", NULL},
    {"--cpu", NULL, cpu_exists, "an instruction set; ", near_isa},
    {"--observer", NULL, observer_exists, "minmax, moving-average, percentile, histogram-mse or kl", NULL},
    {"--scheme", "quantize", scheme_exists, "a quantization scheme; 'quern schemes' lists them", NULL},
    {"--dim", NULL, is_size_binding, "NAME=SIZE, such as batch=1", NULL},
    {"--const", NULL, is_binding, "NAME=FILE.npy", NULL},
};

int cli_check(const cli *c) {
  for (int i = 0; i < c->num_given; i++) {
    for (size_t k = 0; k < sizeof rules / sizeof *rules; k++) {
      const struct rule *r = &rules[k];
      if (strcmp(r->option, c->given[i].option->name) || (r->command && strcmp(r->command, c->command->name))) continue;
      if (r->holds(c->given[i].value)) continue;
      char hint[200] = "";
      if (r->hint) r->hint(c->given[i].value, hint, sizeof hint);
      return cli_usage(c, "%s: '%s' is not %s%s", r->option, c->given[i].value, r->expected, hint);
    }
  }
  return CLI_OK;
}
