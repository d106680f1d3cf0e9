/* What the two files of rows in stages share (row_stages.c, row_turn.c). */
#ifndef QN_LL_ROW_STAGES_H
#define QN_LL_ROW_STAGES_H
#include "row.h"

enum { QN_LL_STAGES = 4, QN_LL_STAGES_KNOWN = 32 };

/* A value that goes from stage to stage with its row: a register, or what a division needs of its divisor. */
typedef enum qn_ll_known_part { VALUE, INVERSE, MINUS, REST, USUAL } qn_ll_known_part;
typedef struct qn_ll_known {
  uint32_t pass, reg;
  qn_ll_known_part part;
  LLVMValueRef slots;
} qn_ll_known;

typedef struct qn_ll_stages {
  qn_ll_nest *n;
  uint32_t count;
  qn_ll_nest nests[QN_LL_STAGES], folds[QN_LL_STAGES]; /* of the row that a stage goes over, and of the one it folds */
  row_state s[QN_LL_STAGES], f[QN_LL_STAGES];
  bool text[QN_LL_STAGES];         /* whole vectors are written as assembly */
  LLVMValueRef live[QN_LL_STAGES]; /* there is a row */
  LLVMValueRef row[QN_LL_STAGES];
  bool waits_for_none;        /* stages may be further apart than a row; what goes between them is in memory: */
  LLVMValueRef apart, behind; /* rows from stage to stage; turns from the end of a row's pass to its folding */
  LLVMValueRef far;           /* the rows are in no cache */
  LLVMValueRef wait, waits;   /* turns in which exponentials are not taken for usual: in memory, and now */
  LLVMValueRef sums[QN_LL_STAGES];
  uint32_t first_sum[QN_LL_STAGES + 1], num_known;
  qn_ll_known known[QN_LL_STAGES_KNOWN];
} qn_ll_stages;

/* Pass s->pass as assembly, with what is known of its row in `r`. */
qn_ll_lanes qn__ll_stage_lanes(const row_state *s, const qn_ll_region *r);
/* Where sum q of a row's pass is kept. */
LLVMValueRef qn__ll_stage_sum(qn_ll_stages *t, uint32_t p, LLVMValueRef row, uint32_t q);
/* All stages, each over its row; their sums are stored, or folded at once where stages wait for each other. */
void qn__ll_stages_turn(qn_ll_stages *t);
#endif
