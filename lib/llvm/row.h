/* The passes of a ROW kernel (row.c), and values that are kept in an output from one pass to the next (keep.c). */
#ifndef QN_LL_ROW_H
#define QN_LL_ROW_H
#include "lanes.h"

enum { PARTIALS = 32, QN_LL_ROOM = 4096 };

typedef struct row_state row_state;
/* A division by the sum of its dividends (share.c). */
typedef struct qn_ll_share {
  bool found;
  uint32_t division, mask; /* registers */
  bool counts;             /* dividends are exponentials: 2^n p, with n made by adding `magic` and taking it away */
  uint32_t sum, difference, magic;
} qn_ll_share;
struct row_state {
  qn_ll_nest *n;
  row_state *other;    /* the second of two rows that are done at once; null for none. Its partials are in our queue. */
  LLVMValueRef *slots; /* per register that is a reduction: its partials in memory */
  uint32_t pass;
  bool in_registers; /* the partials are in `queue` */
  bool fetched;      /* what lies ahead of the vectors that are done at once */
  LLVMValueRef queue[QN_LL_MAX_CARRIED];
  bool keeps; /* register `kept` is stored to output `keeper` in the last pass but one, and loaded in the last */
  uint32_t kept, keeper;
  bool own_room;     /* no output serves: there is memory for rows of QN_LL_ROOM elements */
  LLVMValueRef room; /* memory of its own for it, on the stack; null where the output serves */
  struct {
    LLVMValueRef base, share, is_long; /* of what this pass fetches; null for nothing, all and never */
    uint32_t parts;                    /* of the next row, of which this pass fetches one */
  } * ahead;                           /* per operand */
  bool *last_needs;                    /* per register: computed or loaded in the last pass, when `keeps` */
  bool *nan_shows; /* per register that is a largest or smallest: it need not be NaN where it met one */
  qn_ll_share share;
};

/* Whether rows are done two at once: where all passes but the last are so short that they wait for their sums. */
bool qn__ll_row_pairs(const qn_ll_nest *n);
/* row_stages.c: whether the passes go over different rows in one loop, and that loop over rows, inside `inner`. Of rows
 * of bytes, the region's output may then be what they are packed of. */
bool qn__ll_row_in_stages(qn_ll_nest *n);
void qn__ll_row_stages(qn_ll_nest *n);
/* row.c: what a row has to be known of before its first pass. */
void qn__ll_row_begin(qn_ll_nest *n);
/* Partials of this pass at their starting values, for each row; how many. */
uint32_t qn__ll_row_start(const row_state *s, LLVMValueRef *queue);
/* One row's vector; in registers, its partials start at `queue`, and how many they are comes back. */
uint32_t qn__ll_row_step(row_state *s, LLVMValueRef *queue, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask);
/* What the reductions of this pass have come to, and what follows from it for rows as a whole. */
void qn__ll_row_finish(row_state *s, bool registers);
bool qn__ll_row_ends_in(const row_state *s, uint32_t i); /* register i is a reduction over this pass */
bool qn__ll_row_last_pass(const row_state *s);
bool qn__ll_row_reduced(const qn_ll_nest *n, uint32_t output);
/* ahead.c */
/* For a stage: the next row of what its pass is the first to read, or the one to write. */
void qn__ll_row_ahead_stage(row_state *s, LLVMValueRef index, uint32_t vectors);
void qn__ll_row_ahead_begin(row_state *s); /* before the loop of a pass */
void qn__ll_row_ahead(row_state *s, LLVMValueRef index, uint32_t vectors);
/* nan.c. False when memory runs out. */
bool qn__ll_row_find_nans(row_state *s);
/* share.c: in the pass in which the dividends are made, one value more is carried around the loop. */
void qn__ll_share_find(row_state *s);
bool qn__ll_share_here(const row_state *s);
LLVMValueRef qn__ll_share_start(const row_state *s);
LLVMValueRef qn__ll_share_step(const row_state *s, LLVMValueRef least, LLVMValueRef mask);
void qn__ll_share_end(row_state *s, LLVMValueRef least); /* the divisor is prepared */
/* keep.c: decides whether to keep something, maybe in memory of its own. False when memory runs out. */
typedef enum qn_ll_room { QN_LL_NO_ROOM, QN_LL_ROOM_BUT_FOR_BYTES, QN_LL_ROOM_FOR_ALL } qn_ll_room;
bool qn__ll_row_keep(row_state *s, qn_ll_room room);
/* Reserves memory for what is kept, where it needs some of its own. */
void qn__ll_row_room(row_state *s);
/* Into region r. */
void qn__ll_row_kept_load(row_state *s, qn_ll_region *r, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask);
void qn__ll_row_kept_store(row_state *s, LLVMValueRef index, uint32_t lanes, LLVMValueRef mask);
#endif
