/* quern opt, quern import */
#include "cli.h"
#include <stdlib.h>

static bool to_stderr(void *user, const char *data, size_t size) {
  (void)user;
  return fwrite(data, 1, size, stderr) == size;
}

/* Samples for the first public function, which the data's arrays are named for. */
static qn_status open_check_data(cli *c, const qn_module *m, qn_sample_set **samples, qn_check_inputs *inputs) {
  const char *path = cli_value(c, "--check-data", NULL);
  *samples = NULL;
  if (!path) return QN_OK;
  qn_op func = qn_block_first(m, qn_module_body(m));
  while (func.id && (qn_op_kind_of(m, func) != QN_OP_FUNC || !qn_func_is_public(m, func))) func = qn_op_next(m, func);
  if (!func.id)
    return qn_error(c->ctx, QN_DIAG_MISSING, qn_place_file(c->positional[0]),
                    "the module has no public function to check");
  qn_status status = qn_samples_open(c->ctx, path, samples);
  return status ? status : qn_samples_check_inputs(*samples, m, func, inputs);
}

/* The programs printed between passes are for reading: long constants are named or left out unless --inline asks. */
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
  options.print_options.elide_constants = !print->inline_;
  qn_pass_manager *pm;
  qn_sample_set *samples;
  if (!ok) return QN_ERR_INPUT;
  qn_status status = open_check_data(c, m, &samples, &options.check_inputs);
  if (!status) status = qn_pass_manager_create(c->ctx, qn_str_of(pipeline), &options, &pm);
  if (!status) {
    status = qn_pass_manager_run(pm, m);
    qn_pass_manager_destroy(pm);
  }
  qn_samples_close(samples);
  return status;
}

int cmd_opt(cli *c) {
  qn_print_options print = {.generic = cli_flag(c, "--generic"),
                            .inline_ = cli_flag(c, "--inline"),
                            .hex = cli_flag(c, "--hex"),
                            .locations = cli_flag(c, "--locations")};
  qn_module *m;
  qn_status status = cli_load(c, c->positional[0], &m);
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
