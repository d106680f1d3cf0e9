/* Jobs that work row by row on what the job before has made, run in blocks of rows: what passes between them stays in
 * cache, and threads meet once for all of them. */
#ifndef QN_CHAIN_H
#define QN_CHAIN_H
#include "program.h"

enum { QN__CHAIN_JOBS = 6, QN__CHAIN_SPANS = 48 };

/* Bytes that a job reads or writes. Row r of the chain is the `pitch` bytes from lo + r * pitch; pitch 0: any row may
 * use all of them. */
typedef struct qn_span {
  uint32_t base; /* an input or output by number, or the slots */
  int64_t lo, hi, pitch;
  bool written;
} qn_span;

typedef struct qn_chain {
  const qn_program *p;
  const qn_bound *b;
  uint32_t num_jobs, num_spans;
  int64_t rows;
  uint32_t tallest; /* of the tiles, equal for all products; 0 while there is none */
  double cost;
  int64_t row_bytes, weight_bytes; /* made per row inside the chain; read whole for every block */
  qn_job jobs[QN__CHAIN_JOBS];
  qn_span spans[QN__CHAIN_SPANS];
} qn_chain;

/* Whether the program has steps that may follow each other in a chain, so that looking pays. */
bool qn__chain_possible(const qn_program *p);
void qn__chain_start(qn_chain *c, const qn_program *p, const qn_bound *b);
/* Adds a job, unless it reads or overwrites other rows than its own of what the chain touches, or there is no room. */
bool qn__chain_add(qn_chain *c, const qn_job *job);
/* How many steps from `first` on a call takes together, at least 1, and whether they run in blocks of rows. For those
 * who watch: then steps run one after the other, each to its end. */
uint32_t qn__chain_steps(qn_chain *c, const qn_program *p, const qn_bound *b, uint32_t first, uint32_t threads,
                         bool *blocks);
/* Whether running it in blocks can be faster than one job after the other, on this many threads. */
bool qn__chain_pays(const qn_chain *c, uint32_t threads);
/* Blocks of rows, and the rows of block i. */
int64_t qn__chain_blocks(const qn_chain *c);
void qn__chain_rows(const qn_chain *c, int64_t block, int64_t *lo, int64_t *hi);
/* The part of job j that makes these rows. */
qn_piece qn__chain_piece(const qn_chain *c, uint32_t j, int64_t lo, int64_t hi);
#endif
