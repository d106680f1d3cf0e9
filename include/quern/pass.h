/* Passes, pipelines and what can be watched while they run. */
#ifndef QUERN_PASS_H
#define QUERN_PASS_H

#include <quern/text.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a pass is given. Valid during the run. */
typedef struct qn_pass_run qn_pass_run;

/* Works on a whole module. Returns QN_OK, or an error after reporting it; the module may then be in any verifiable or
 * broken state and is not used further. */
typedef qn_status (*qn_pass_fn)(qn_pass_run *run);

/* What a pass leaves as it was; analyses that rely on it stay valid. */
typedef enum qn_preserved {
  QN_PRESERVES_NONE = 0,
  QN_PRESERVES_SHAPES = 1,
  QN_PRESERVES_STRUCTURE = 2,
  QN_PRESERVES_ALL = 7
} qn_preserved;

typedef struct qn_pass_info {
  const char *name;    /* "fold-qparams" */
  const char *summary; /* one line */
  const char *options; /* as attributes in ops.def: "kind: minmax|kl = minmax; axis: int = -1"; null or "" for none */
  qn_pass_fn run;
  bool changes_results; /* results may differ from before (quantization); --check-each then reports, not fails */
} qn_pass_info;

/* The table of passes.def, then those registered. Null past the end. */
QN_API const qn_pass_info *qn_pass_get(qn_context *ctx, size_t i);
QN_API const qn_pass_info *qn_pass_find(qn_context *ctx, qn_str name);
/* `info` and its strings are borrowed until the context is gone. A name in use already is an error. */
QN_API qn_status qn_pass_register(qn_context *ctx, const qn_pass_info *info);

/* ---- inside a pass ---- */
QN_API qn_module *qn_run_module(qn_pass_run *run);
QN_API qn_context *qn_run_context(qn_pass_run *run);
QN_API void *qn_run_user(qn_pass_run *run); /* qn_pass_manager_options.user */
/* Sample inputs of the program, for passes that measure: the check_inputs of the pass manager's options. Null when it
 * was given none, or an empty set. */
typedef struct qn_check_inputs qn_check_inputs;
QN_API const qn_check_inputs *qn_run_inputs(qn_pass_run *run);
/* Option values: as given in the pipeline string, else the declared default. */
QN_API int64_t qn_run_int(qn_pass_run *run, const char *option);
QN_API double qn_run_float(qn_pass_run *run, const char *option);
QN_API bool qn_run_bool(qn_pass_run *run, const char *option);
QN_API qn_str qn_run_string(qn_pass_run *run, const char *option);
QN_API bool qn_run_given(qn_pass_run *run, const char *option); /* in the pipeline string */
/* Adds to a statistic that --stats prints; `what` is a literal. */
QN_API void qn_run_count(qn_pass_run *run, const char *what, int64_t n);
/* The pass ends by saying what it preserved; nothing said means nothing preserved. `changed` false: all preserved. */
QN_API void qn_run_preserved(qn_pass_run *run, bool changed, qn_preserved preserved);
/* Scratch memory, freed after the pass. Zeroed; null when exhausted. */
QN_API void *qn_run_alloc(qn_pass_run *run, size_t size);

/* ---- pipelines ---- */
typedef struct qn_pass_manager qn_pass_manager;

/* Where check_each, and passes that measure, take inputs from. */
struct qn_check_inputs {
  /* Fills one tensor per argument of `func`, a function of `m`, for sample i of `count`. The data stays valid until the
   * next call. Null: `count` samples (0: two) of pseudo-random numbers that fit the types, the same on every run, with
   * every `?` one small size. */
  qn_status (*get)(void *user, const qn_module *m, qn_op func, int64_t sample, qn_tensor *in);
  void *user;
  int64_t count;
};

typedef struct qn_pass_manager_options {
  bool verify_each;
  bool print_before_all, print_after_all, print_after_change; /* through `print` */
  /* Runs the public functions before and after each pass on the interpreter and names the first op whose output moved.
   * Outputs must be the same bits (any NaN equals any other); after a pass that changes results, an SQNR below
   * check_min_sqnr dB is a warning instead. */
  bool check_each;
  qn_check_inputs check_inputs;
  double check_min_sqnr;
  bool time, stats; /* report through `print` at the end, also when a pass failed */
  const char
      *reproducer; /* file for the module as it was before the pass that failed, and the pipeline from there on */
  qn_print_options print_options;
  qn_write_fn print;
  void *print_user;
  void *user; /* for passes: qn_run_user */
} qn_pass_manager_options;

/* `pipeline`: names separated by commas, options in braces, separated by commas or spaces:
 * "insert-observers{kind=histogram},canonicalize". A value with spaces, commas or braces in it stands in double quotes;
 * a bool option without value is true; `-` in option names is read as `_`. The text and the options are copied, but for
 * what `user` and `check_inputs.user` point to. */
QN_API qn_status qn_pass_manager_create(qn_context *ctx, qn_str pipeline, const qn_pass_manager_options *options,
                                        qn_pass_manager **out);
QN_API qn_status qn_pass_manager_run(qn_pass_manager *pm, qn_module *m);
QN_API void qn_pass_manager_destroy(qn_pass_manager *pm);
/* All three in one call. */
QN_API qn_status qn_run_pipeline(qn_module *m, const char *pipeline);

#ifdef __cplusplus
}
#endif
#endif
