/* What the files of rows in stages share (row_stages.c, row_turn.c, row_text.c). */
#ifndef QN_LL_ROW_STAGES_H
#define QN_LL_ROW_STAGES_H
#include "row.h"

enum { QN_LL_STAGES = 4 };

typedef struct qn_ll_stages {
  qn_ll_nest *n;
  uint32_t count;
  qn_ll_nest nests[QN_LL_STAGES]; /* of the row that a stage goes over */
  row_state s[QN_LL_STAGES];
  LLVMValueRef live[QN_LL_STAGES]; /* there is a row */
  LLVMValueRef far;                /* the rows are in no cache */
  uint32_t first_sum[QN_LL_STAGES + 1];
} qn_ll_stages;

/* Pass s->pass as assembly, with what is known of its row in `r`. */
qn_ll_lanes qn__ll_stage_lanes(const row_state *s, const qn_ll_region *r);
/* Places of a row: of its operands, and behind them of what is kept where it has memory of its own. Null when memory
 * runs out. */
qn_ll_place *qn__ll_stage_places(const qn_ll_nest *n);
/* Whether register i is used in a later pass or by lane, and whether numbers of a row are computed ahead of a pass. */
bool qn__ll_stage_uses(const qn_ll_region *r, uint32_t i);
bool qn__ll_stage_works(const qn_ll_region *r, uint32_t ready);
/* All stages, each over its row, and the folding of their sums. */
void qn__ll_stages_turn(qn_ll_stages *t);
/* row_text.c: whether all passes are assembly; `first` is the state ahead of the first. And all rows. */
bool qn__ll_row_has_texts(qn_ll_nest *n, const row_state *first);
void qn__ll_row_texts(qn_ll_nest *n, const row_state *first);
#endif
