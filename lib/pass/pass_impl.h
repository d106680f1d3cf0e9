/* The inside of the pass manager:
 *
 *   registry.c    the table of passes, built in and registered
 *   options.c     option values by their declared kinds
 *   pipeline.c    pipeline strings -> steps
 *   manager.c     creating, running, destroying
 *   run.c         what a pass sees of its run
 *   report.c      prints, timing, statistics, reproducer
 *   check.c       check_each: both programs on the same inputs; moved.c finds the op; sample.c makes inputs
 *   rewriter.c    the public helpers for pass writers and the pattern driver; fold.c folds constants
 */
#ifndef QN_PASS_IMPL_H
#define QN_PASS_IMPL_H
#include "arena.h"
#include "buf.h"
#include "spec.h"
#include "vec.h"
#include <quern/pass.h>

typedef struct qn__option {
  qn_attr_spec spec; /* kinds bool, int, float, string, choice */
  bool given;
  bool b;
  int64_t i;
  double f;
  qn_str s; /* strings and choices; zero-terminated when given */
} qn__option;

/* One pass of a pipeline. */
typedef struct qn__step {
  const qn_pass_info *info;
  qn_str text; /* as it stands in the pipeline */
  uint32_t num_options;
  qn__option *options;
  double seconds;
  uint32_t runs;
} qn__step;

typedef struct qn__stat {
  uint32_t step;
  const char *what;
  int64_t n;
} qn__stat;

struct qn_pass_manager {
  qn_context *ctx;
  qn_pass_manager_options options; /* reproducer points into the arena */
  qn_arena arena;
  qn_str pipeline;
  QN_VEC(qn__step) steps;
  QN_VEC(qn__stat) stats;
};

struct qn_pass_run {
  qn_pass_manager *pm;
  qn_module *m;
  uint32_t step;
  qn_arena scratch;
  bool said, changed; /* through qn_run_preserved */
  qn_preserved preserved;
  qn_status misuse; /* what a pass asked for that it did not declare */
};

/* ---- registry ---- */
/* The passes by name with the closest spelling, for messages; null when none is close. */
const char *qn__pass_suggest(qn_context *ctx, qn_str name);

/* ---- options ---- */
/* Number of options that `spec` declares; each into out[i] with its default, when out is not null. */
uint32_t qn__options_declare(const char *spec, qn__option *out);
/* True when every declared option is of a kind that can be written in a pipeline. */
bool qn__options_valid(const char *spec);
/* Reads `text` as the option's value. False when it is no value of its kind; `text` must be zero-terminated. */
bool qn__option_set(qn__option *o, qn_str text);
/* What the option takes, for messages: "an integer". */
qn_str qn__option_expects(const qn__option *o);

/* ---- pipelines ---- */
/* Adds the pipeline's steps to pm->steps. Errors are reported with their place in the text. */
qn_status qn__pipeline_parse(qn_pass_manager *pm);

/* ---- reports ---- */
typedef enum qn__moment { QN__BEFORE, QN__AFTER } qn__moment;
qn_status qn__dump_module(qn_pass_manager *pm, const qn_module *m, uint32_t step, qn__moment moment);
/* A hash of the printed module, for "on change". False when printing failed. */
bool qn__print_hash(const qn_module *m, uint64_t *hash);
void qn__report_time(qn_pass_manager *pm);
void qn__report_stats(qn_pass_manager *pm);
/* Writes `before` and the pipeline from `step` on to the reproducer file. */
qn_status qn__reproduce(qn_pass_manager *pm, const qn_module *before, uint32_t step);

/* ---- check-each ---- */
/* Compares the public functions of both modules. `exact`: any difference is an error; else a warning below the SQNR. */
qn_status qn__check_step(qn_pass_manager *pm, uint32_t step, qn_module *before, qn_module *after);

/* One comparison of two tensors of one shape and element type. */
typedef struct qn__difference {
  bool same;   /* bit for bit, but that any NaN equals any other */
  double sqnr; /* dB; infinite when same */
  int64_t at;  /* the first element that differs */
  double was, is;
} qn__difference;
qn__difference qn__compare_tensors(const qn_tensor *a, const qn_tensor *b);
bool qn__same_form(const qn_tensor *a, const qn_tensor *b);

/* The inputs of one sample: from the options, or made up. `in` has one tensor per argument; data of made-up ones lies
 * in the arena. */
qn_status qn__check_sample(qn_pass_manager *pm, qn_module *m, qn_op func, int64_t sample, qn_arena *arena,
                           qn_tensor *in);
int64_t qn__check_count(const qn_pass_manager *pm);

/* The first op of `after` whose value differs from that of the op with the same name or location in `before`. */
typedef struct qn__moved {
  qn_op op; /* of `after`; null when none can be matched */
  uint32_t result;
  qn__difference difference;
} qn__moved;
typedef struct qn__pair {
  qn_module *before, *after;
  qn_op before_func, after_func;
  uint32_t num_in, num_out;
  const qn_tensor *in;
  bool exact;
  double min_sqnr;
} qn__pair;
qn_status qn__find_moved(const qn__pair *pair, qn__moved *out);
#endif
