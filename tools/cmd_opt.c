/* quern opt, quern import */
#include "cli.h"
#include <stdlib.h>

static bool to_stderr(void *user, const char *data, size_t size) {
  (void)user;
  return fwrite(data, 1, size, stderr) == size;
}

static qn_status run_passes(cli *c, qn_module *m, const qn_print_options *print) {
  const char *pipeline = cli_value(c, "-p", NULL);
  bool ok = true;
  if (!pipeline) return QN_OK;
  qn_pass_manager_options options = {.verify_each = cli_flag(c, "--verify-each"),
                                     .print_after_all = cli_flag(c, "--print-ir-after-all"),
                                     .print_after_change = cli_flag(c, "--print-ir-after-change"),
                                     .check_each = cli_flag(c, "--check-each"),
                                     .check_min_sqnr = cli_number(c, "--min-sqnr", 20, &ok),
                                     .time = cli_flag(c, "--time-passes"),
                                     .stats = cli_flag(c, "--stats"),
                                     .reproducer = cli_value(c, "--reproducer", NULL),
                                     .print_options = *print,
                                     .print = to_stderr};
  options.print_options.inline_ = true;
  qn_pass_manager *pm;
  if (!ok) return QN_ERR_INPUT;
  qn_status status = qn_pass_manager_create(c->ctx, qn_str_of(pipeline), &options, &pm);
  if (status) return status;
  status = qn_pass_manager_run(pm, m);
  qn_pass_manager_destroy(pm);
  return status;
}

int cmd_opt(cli *c) {
  qn_print_options print = {.generic = cli_flag(c, "--generic"),
                            .inline_ = cli_flag(c, "--inline"),
                            .hex = cli_flag(c, "--hex"),
                            .locations = cli_flag(c, "--locations")};
  qn_module *m;
  qn_status status;
  if (cli_flag(c, "--allow-unregistered")) {
    qn_parse_options parse = {.allow_unregistered = true};
    status = qn_parse_file(c->ctx, c->positional[0], &parse, &m);
  } else {
    status = cli_load(c, c->positional[0], &m);
  }
  if (status) return cli_status(status);
  status = run_passes(c, m, &print);
  if (!status) status = cli_print_module(c, m, cli_value(c, "-o", NULL), &print);
  qn_module_destroy(m);
  return cli_status(status);
}

int cmd_import(cli *c) {
  qn_module *m;
  qn_print_options print = {.generic = false};
  qn_status status = cli_load(c, c->positional[0], &m);
  if (status) return cli_status(status);
  status = cli_print_module(c, m, cli_value(c, "-o", NULL), &print);
  qn_module_destroy(m);
  return cli_status(status);
}
