/* Epilogues that are a chain: each step changes the sum by an instruction, with one other value that is the same for
 * a column, for a row, or for all, or lies beside the result. Those are written as assembly (strip_text.c). */
#ifndef QN_LL_CHAIN_H
#define QN_LL_CHAIN_H
#include "narrow.h"

enum { QN_LL_CHAIN_STEPS = 12, QN_LL_CHAIN_VALUES = 4 };

typedef enum qn_ll_step_with {
  QN_LL_ALONE,
  QN_LL_WITH_COLUMN,
  QN_LL_WITH_ALL,
  QN_LL_WITH_ROW,
  QN_LL_WITH_ELEMENT
} qn_ll_step_with;

typedef struct qn_ll_step {
  const char *op;
  qn_ll_step_with with;
  uint32_t value; /* its number among those of its kind; rows and elements are counted together */
  bool behind;    /* the sum is the second operand */
  bool widened;   /* a value by row that is f32 in memory, and f64 to the step */
  bool where;     /* op compares, and where that holds the value takes the sum's place */
} qn_ll_step;

typedef struct qn_ll_chain {
  qn_ll_region region; /* of the tape, by whose code values that do not change from row to row are computed */
  uint32_t num_steps, num_columns, num_all, num_rows;
  bool halves; /* what the last step makes is stored as f16, whatever NaN as the quiet one of its sign */
  qn_ll_step steps[QN_LL_CHAIN_STEPS];
  uint32_t columns[QN_LL_CHAIN_VALUES], all[QN_LL_CHAIN_VALUES]; /* registers */
  uint32_t rows[QN_LL_CHAIN_VALUES];                             /* inputs */
} qn_ll_chain;

/* Whether the tape's only output is made of its input 0 by a chain. `vary` is of inputs, as qn__ll_epilogue_extras has
 * it. */
bool qn__ll_chain_find(qn_ll *g, const qn_tape *tape, const uint8_t *vary, qn_ll_chain *out);
/* Whether a step divides: by what is the same for a vector that is done faster by products (divide.c), but beside
 * windows that are combined. */
bool qn__ll_chain_divides(const qn_ll_chain *c);

/* The chain to words, or f64; or two to bytes that are packed: with the packs' own limits, which not all multipliers
 * allow, then with the tape's, or the latter alone. */
typedef struct qn_ll_chains {
  uint32_t count;
  bool bytes;
  qn_ll_chain chain[2];
  qn_ll_narrow narrow[2];
} qn_ll_chains;
bool qn__ll_chains_find(qn_ll *g, const qn_tape *tape, const uint8_t *vary, qn_scalar mem, qn_ll_chains *out);
#endif
