/* What is in a program, for programs and for pictures. */
#ifndef QUERN_REPORT_H
#define QUERN_REPORT_H

#include <quern/driver.h>
#include <quern/text.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts of one kind of thing: op names, value types. */
typedef struct qn_tally_row {
  qn_str name;
  uint64_t count;
  uint64_t bytes; /* of constants, where the row is an op that holds them or a type of them */
} qn_tally_row;
typedef void (*qn_tally_fn)(void *user, const qn_tally_row *row);
/* Ops by name, most frequent first; ops of regions are counted under their own names. */
QN_API qn_status qn_report_ops(const qn_module *m, qn_tally_fn each, void *user);
/* Types of values likewise. */
QN_API qn_status qn_report_types(const qn_module *m, qn_tally_fn each, void *user);

typedef struct qn_summary {
  uint64_t functions, ops, values, constant_bytes, quantized_values, float_values, int_values, kernels;
  uint64_t unfolded; /* products of dequantized codes by dequantized codes, in floats: work for fold-qparams */
  bool lowered;
  qn_str target; /* quern.target, empty before lowering */
} qn_summary;
QN_API qn_summary qn_report_summary(const qn_module *m);

/* Everything as one JSON object: summary, ops[], types[], inputs[], outputs[] and, when p is not null, kernels[]. */
QN_API qn_status qn_report_json(const qn_module *m, const qn_program *p, qn_write_fn write, void *user);

/* Any bytes as a string of JSON, quotes included: what is not UTF-8 becomes U+FFFD. */
QN_API qn_status qn_report_json_text(qn_str s, qn_write_fn write, void *user);

/* The graph of a function (the first public one when name is null) in graphviz's language. */
QN_API qn_status qn_report_dot(const qn_module *m, const char *function, qn_write_fn write, void *user);

/* The same as a picture (SVG): boxes in layers, constants in those that read them. More than QN_REPORT_DRAWN ops are a
 * diagnostic. */
#define QN_REPORT_DRAWN 2000
QN_API qn_status qn_report_svg(const qn_module *m, const char *function, qn_write_fn write, void *user);

/* What qn_report_json tells, as a page (HTML) that needs no other file, with the picture of the first public function
 * where that is not too large. `title` may be null. */
QN_API qn_status qn_report_html(const qn_module *m, const qn_program *p, const char *title, qn_write_fn write,
                                void *user);

/* ---- what quantizing did ---- */

typedef struct qn_quantized {
  const qn_module *before, *after;
  const qn_quantize_options *options; /* null for none */
  int64_t samples;                    /* that were compared; 0 for none */
  size_t num_outputs, num_ops;        /* what qn_compare gave, for outputs and per op */
  const qn_comparison *outputs, *ops;
} qn_quantized;
/* JSON has no infinities: equal results, which have no noise at all, have an sqnr_db of null, and those of which
 * nothing is left, for which this takes -infinity, one of QN_REPORT_ALL_NOISE. */
#define QN_REPORT_ALL_NOISE (-1e9)
QN_API double qn_report_decibels(double sqnr_db);
/* JSON: the options, before and after (as qn_report_json, without a program), outputs[] and ops[] of name, sqnr_db,
 * cosine, max_abs (of what is not finite on one side only: the largest double), top1_agreement (null where it has no
 * meaning). The page is made of that. */
QN_API qn_status qn_report_quantized_json(const qn_quantized *q, qn_write_fn write, void *user);
QN_API qn_status qn_report_quantized_html(const qn_quantized *q, const char *title, qn_write_fn write, void *user);

/* ---- how fast it is ---- */

/* Below this many bytes a kernel is compared with reading from cache, above with reading from memory. */
#define QN_REPORT_CACHE 1e6
/* The time that the limits allow for this event (the larger of its operations, when it is a product, and its bytes)
 * over the time it took; 0 when neither is known. */
QN_API double qn_report_call_fraction(const qn_call_event *e, const qn_limits *limits);
/* One event as a line: for people, or comma-separated under the columns named. The first of these tells what: step or
 * call, kernel, or where a body is from: compiled, cached, loaded. limits may be null. */
QN_API qn_status qn_report_call(qn_context *ctx, const qn_call_event *e, const qn_limits *limits, bool as_csv,
                                qn_write_fn write, void *user);
QN_API const char *qn_report_call_columns(void);

/* An SVG picture: each kernel as a point, operations per byte across, operations per second up, under the machine's
 * limits. Points are larger where more of the time goes; pointing at one shows its details. */
QN_API qn_status qn_report_roofline(qn_context *ctx, const char *title, size_t n, const qn_kernel_time *times,
                                    const qn_limits *limits, qn_write_fn write, void *user);

#ifdef __cplusplus
}
#endif
#endif
