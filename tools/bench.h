/* quern bench: what is measured (bench_subject.c), how (cmd_bench.c), and better choices for it (bench_tune.c). */
#ifndef QN_BENCH_H
#define QN_BENCH_H
#include "bench_conv.h"

enum { MAX_INPUTS = 256 };

typedef struct setup {
  cli *c;
  int64_t threads;
  double seconds;
  qn_compile_options options;
  qn_program *p;
  qn_tensor in[MAX_INPUTS];
  bool json;
  uint64_t unfolded;  /* of the model: qn_summary */
  const char *matmul; /* null for a model */
  qn_matmul_desc product;
  const char *conv_text; /* null for none */
  qn_conv_desc conv;
} setup;

/* --matmul's text; CLI_USAGE after a message. */
int bench_parse_matmul(const cli *c, const char *text, qn_matmul_desc *d);
/* Makes s->p, of the product or the model. */
qn_status bench_build(setup *s);
/* Numbers for all inputs of s->p. */
qn_status bench_random_inputs(setup *s);

/* --tune and --machine. */
qn_status bench_tune(setup *s);
qn_status bench_machine(setup *s);
#endif
