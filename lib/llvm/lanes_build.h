/* What the makers of lists (lanes.h) share: lanes.c, and lanes_choose.c for comparisons and selections. */
#ifndef QN_LL_LANES_BUILD_H
#define QN_LL_LANES_BUILD_H
#include "lanes.h"

typedef struct qn_ll_lane_builder {
  const qn_ll_lanes *s;
  const qn_tape *tape;
  qn_ll_lane_list *l;
  bool *seen;
  uint32_t *left;        /* per register: uses that are to come */
  qn_ll_lane_ref *at;    /* per register that varies by lane */
  uint32_t *op_of;       /* per register: how many instructions there were when it was made */
  uint16_t counted;      /* the instruction that collects bits */
  uint8_t free_masks;    /* a bit each, from 1 on, of those whose uses are over */
  uint8_t nan_mask;      /* 1 + that of halves that are NaN; they all use one */
  uint8_t (*mask_of)[2]; /* per comparison, as it is and reversed: 1 + its mask */
} qn_ll_lane_builder;

bool qn__ll_lane_by_lane(const qn_ll_lane_builder *b, uint32_t reg);
/* A selection by a comparison that never holds. */
bool qn__ll_lane_never_taken(const qn_ll_lane_builder *b, const qn_tinst *i);
/* A use of a register; one that is over without it. */
qn_ll_lane_ref qn__ll_lane_use(qn_ll_lane_builder *b, uint32_t reg);
void qn__ll_lane_drop(qn_ll_lane_builder *b, uint32_t reg);
qn_ll_lane_ref qn__ll_lane_temp(qn_ll_lane_builder *b);
/* The list's next instruction. */
qn_ll_lane_op *qn__ll_lane_put(qn_ll_lane_builder *b, qn_ll_lane_op op);
qn_ll_lane_ref qn__ll_lane_put_binary(qn_ll_lane_builder *b, const char *name, int imm, qn_ll_lane_ref x,
                                      qn_ll_lane_ref y);
qn_ll_lane_ref qn__ll_lane_copied(qn_ll_lane_builder *b, qn_ll_lane_ref x);
/* From memory, `bits` to an element there. */
qn_ll_lane_ref qn__ll_lane_load(qn_ll_lane_builder *b, const qn_ll_place *p, const char *name, uint32_t bits);

/* ---- lanes_choose.c ---- */
/* 1 + the mask of a comparison or of a truth value in memory, or of the opposite; not of both. */
uint8_t qn__ll_lane_mask_of(qn_ll_lane_builder *b, uint32_t reg, bool opposite);
qn_ll_lane_ref qn__ll_lane_put_select(qn_ll_lane_builder *b, uint32_t i);
#endif
