/* ATTENTION: the body (attention.c) walks tiles and key blocks and multiplies; two functions of its own do what lies
 * between and behind the products (attention_softmax.c), so that their constants stay out of the products' registers.
 */
#ifndef QN_LL_ATTENTION_H
#define QN_LL_ATTENTION_H
#include "tile.h"

/* A tile's memory on the stack, as byte offsets. Rows of one kind follow each other. */
typedef struct qn_ll_scratch {
  int64_t frame;    /* of loops over scores (lanes.h), where those are text */
  int64_t sums;     /* key_block sums of scores, 32 bits each: the scores' own place but with few queries */
  int64_t scores;   /* key_block scores, then weights: 32 bits each */
  int64_t codes;    /* key_block codes */
  int64_t lanes;    /* one vector: the row's largest score, or sum of codes, of each lane */
  int64_t out;      /* o: dv_room floats */
  int64_t partials; /* of l: 32 floats; codes have one */
  int64_t max;      /* m: one float */
  int64_t factor;   /* c of the present block: one float */
  int64_t bytes;
} qn_ll_scratch;

typedef struct qn_ll_attention {
  qn_ll *g;
  const qn_attention_plan *plan;
  const char *symbol;
  uint32_t rows;
  uint32_t room; /* rows that there is memory for: the same for tiles of about the same height, which then share code */
  qn_ll_scratch at;
  LLVMValueRef memory;                 /* the scratch */
  LLVMValueRef keys, causal_more;      /* sizes 1 and 4 */
  LLVMValueRef first_row, head, block; /* of the present tile; first key of the present block */
} qn_ll_attention;

/* Keys that row first_row + r sees, less those before `from`; may be negative. */
LLVMValueRef qn__ll_attention_left(qn_ll_attention *t, LLVMValueRef r, LLVMValueRef from);
/* void(kargs, scratch, first row, head, first key): sums to weights and codes, with c, m and l. */
LLVMValueRef qn__ll_attention_softmax(qn_ll_attention *outer);
/* The same arguments: o and l to y. */
LLVMValueRef qn__ll_attention_finish(qn_ll_attention *outer);
LLVMTypeRef qn__ll_attention_signature(qn_ll *g);

/* attention_weight.c: e^(s - m) of vectors next to each other, for s that is m at most, -infinity or NaN. */
void qn__ll_attention_exp(qn_ll *g, uint32_t count, const LLVMValueRef *s, LLVMValueRef m, LLVMValueRef *p);
/* The same as codes, of 2 to 4 vectors, to `at`; and the sum of each four of them, added to `sums`. */
bool qn__ll_attention_packs(const qn_ll_attention *t); /* whether that is how the machine and the region do it */
LLVMValueRef qn__ll_attention_codes(qn_ll *g, uint32_t count, const LLVMValueRef *s, LLVMValueRef m, LLVMValueRef at,
                                    LLVMValueRef sums);
/* Of each of `rows` vectors that lie at `at` one after the other, what its lanes come to: lane r has that of row r, and
 * lanes behind the rows have any of them. */
typedef enum qn_ll_fold { QN_LL_FOLD_MAX, QN_LL_FOLD_FADD, QN_LL_FOLD_ADD } qn_ll_fold;
LLVMValueRef qn__ll_attention_fold_rows(qn_ll *g, LLVMValueRef at, LLVMTypeRef elem, uint32_t rows, qn_ll_fold how);
/* A vector's lanes, or those of two halves of a longer one, into one by halves. */
LLVMValueRef qn__ll_attention_fold(qn_ll *g, LLVMValueRef v, uint32_t lanes, qn_ll_fold how);
LLVMValueRef qn__ll_attention_larger(qn_ll *g, LLVMValueRef x, LLVMValueRef m); /* m where x is NaN */

/* attention_text.c: a product of t's rows, panels and vectors, as a function that is text; and void(at, bytes, bits),
 * which fills whole lines of memory. */
typedef enum qn_ll_summing { QN_LL_SUMS_NEW, QN_LL_SUMS_MORE, QN_LL_SUMS_SCALED, QN_LL_SUMS_OF_CODES } qn_ll_summing;
typedef struct qn_ll_product {
  qn_ll_summing how;   /* new ones; added to what there is, or to that times the row's factor, as floats then */
  LLVMValueRef rows;   /* what is multiplied: the first of rows that are row_bytes apart, or else `step` */
  int64_t row_bytes;   /* 0: `step` */
  LLVMValueRef step;   /* from row to row, or else from panel to panel */
  LLVMValueRef panels; /* the first */
  LLVMValueRef count;  /* blocks of the summed axis */
  LLVMValueRef sums;   /* where they go, in rows sums_bytes apart */
  int64_t sums_bytes;
  LLVMValueRef factors; /* of the rows, or null */
} qn_ll_product;
bool qn__ll_attention_text_serves(const qn_ll_attention *t);
void qn__ll_attention_text(qn_ll_tile *t, const qn_ll_product *p);
LLVMValueRef qn__ll_attention_fill_text(qn_ll *g, LLVMTypeRef *type);

/* attention_few.c: a tile of one or two queries, whose keys and values are multiplied where they lie. */
bool qn__ll_attention_few(const qn_ll_attention *t);
qn_status qn__ll_attention_few_tiles(qn_ll_attention *t);
/* attention_few_text.c. Of `count` keys, with `before` keys before them in memory: void(queries, from one to the next,
 * keys, count, sums, before); nothing is done where there are none. Of values: void(weights, values, count, o,
 * factors). */
LLVMValueRef qn__ll_attention_few_scores(const qn_ll_attention *t);
void qn__ll_attention_few_scores_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef args[6]);
LLVMValueRef qn__ll_attention_few_values(const qn_ll_attention *t);
void qn__ll_attention_few_values_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef args[5]);
/* A row's softmax as text, with the constants that it is given; a function of null where it is none. The call does it
 * for all rows of the tile, of which the place of scores may be that of sums. */
typedef struct qn_ll_row_softmax {
  LLVMValueRef fn, constants;
  LLVMValueRef weights; /* of more rows than one fn comes as far as their largest scores, this goes on: else all wait */
} qn_ll_row_softmax;
/* Bytes at t->at.frame; numbers of a row at its end; extras at most. */
enum { QN_LL_ATTENTION_FRAME = 192, QN_LL_ATTENTION_KNOWN = 12, QN_LL_ATTENTION_EXTRAS = 3 };
qn_ll_row_softmax qn__ll_attention_row_softmax(const qn_ll_attention *t);
void qn__ll_attention_row_softmax_call(qn_ll_attention *t, const qn_ll_row_softmax *s);
/* attention_few_softmax.c: void(scratch, keys of the block that the row sees, constants, row). */
struct qn_ll_lane_constants;
bool qn__ll_attention_few_softmax_serves(const qn_ll_attention *t);
typedef enum qn_ll_softmax_part { QN_LL_SOFTMAX_ALL, QN_LL_SOFTMAX_LARGEST, QN_LL_SOFTMAX_WEIGHTS } qn_ll_softmax_part;
LLVMValueRef qn__ll_attention_few_softmax(const qn_ll_attention *t, qn_ll_softmax_part part,
                                          struct qn_ll_lane_constants *constants);
/* To the frame: what the row's scores take that is the same for all keys, made of its extras, which lie there. */
void qn__ll_attention_few_softmax_known(const qn_ll_attention *t, const LLVMValueRef *extras);
void qn__ll_attention_few_softmax_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef args[4]);

/* attention_rows.c: keys, or values, that come as rows. The room that a block of them takes in the product's layout;
 * and a function void(room, rows, how many of them, their length) that brings it there, with zeros behind. */
int64_t qn__ll_attention_room(const qn_attention_plan *p, bool values);
int64_t qn__ll_attention_panel(const qn_attention_plan *p); /* bytes from panel to panel of values there */
LLVMValueRef qn__ll_attention_pack(qn_ll_attention *outer, bool values);
void qn__ll_attention_pack_call(qn_ll *g, LLVMValueRef fn, LLVMValueRef room, LLVMValueRef rows, LLVMValueRef count,
                                LLVMValueRef length);
#endif
