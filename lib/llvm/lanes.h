/* Straight code over vectors of f32 next to each other, as assembly for AVX-512; in memory they may be f16, which are
 * converted as they are read and written. Of a tape's instructions, lanes.c makes a list for one vector; lanes_text.c
 * writes it for two vectors at a time, an instruction of the one and then the same of the other. That order is what it
 * is for: LLVM's scheduler puts long chains one behind the other to save registers, and then the processor, which looks
 * at a hundred waiting instructions, finds too few that are ready. */
#ifndef QN_LL_LANES_H
#define QN_LL_LANES_H
#include "buf.h"
#include "narrow.h"

enum {
  QN_LL_MAGIC = 0x4B400000,
  QN_LL_LOG2E = 0x3FB8AA3B,
  QN_LL_COUNTED = 0x4B400022,
  QN_LL_COUNTED_BITS = 0x4B40007F
};
enum { QN_LL_LANES_SINKS = 4, QN_LL_LANES_PARTS = 4 };

/* Where a register goes: to memory, or into a reduction's partial results. */
typedef struct qn_ll_lanes_sink {
  uint32_t reg;
  const qn_ll_place *to; /* f32 or f16, dense; null for a reduction: */
  uint32_t reduction;    /* its register */
} qn_ll_lanes_sink;

typedef struct qn_ll_lanes {
  const qn_ll_region *region; /* what does not vary by lane is in its `v`, scalars or vectors */
  const qn_ll_place *places;  /* of inputs */
  const qn_ll_place *kept_at; /* register `kept` is loaded from there instead of computed; null for none */
  uint32_t kept;
  bool by_products;          /* divisions are by prepared divisors, all `usual` and checked */
  bool late;                 /* inputs are loaded where they are used, also such as are the same for all lanes */
  const qn_ll_narrow *packs; /* the only sink is what bytes are packed of, never `scaled`; null: whole registers */
  bool finds_least; /* one value more is carried, behind the partials: the smallest of register `least_of`, but where
                     * the comparison in register `least_but` holds */
  uint32_t least_of, least_but;
  /* Exponentials e^x, x no more than 0, of which none underflows: the comparison in register `never` does not hold, and
   * where register `sum` is `x * log2(e) + magic` and `difference` takes magic away again, the bits of
   * `QN_LL_COUNTED - x * log2(e)` are all or-ed into one value more that is carried, behind the partials. They are
   * among QN_LL_COUNTED_BITS where x is at least -64.4: adding -n instead of n to a little more than magic gives the
   * same n, as no product is half way between two integers (the odd factor of log2(e) has 24 bits), and bits that stay
   * the same while n is above -94. Where others are found, what was computed is not used. */
  bool counts;
  uint32_t never, sum, difference;
  uint32_t num_sinks;
  qn_ll_lanes_sink sinks[QN_LL_LANES_SINKS];
  LLVMValueRef *queue; /* partial results, two vectors for each reduction in the order of sinks, changed */
} qn_ll_lanes;

/* Whether `parts`, one beside the other, can be written so; values are not looked at. */
bool qn__ll_lanes_serve(const qn_ll_lanes *parts, uint32_t count);
/* An even number of vectors from element `index` on. */
void qn__ll_lanes_write(const qn_ll_lanes *parts, uint32_t count, uint32_t vectors, LLVMValueRef index);

/* ---- between the files ---- */

/* An operand: a number, and what it numbers. */
typedef enum qn_ll_lane_kind { QN_LANE_NONE, QN_LANE_TEMP, QN_LANE_FIXED, QN_LANE_SUM } qn_ll_lane_kind;
typedef struct qn_ll_lane_ref {
  uint8_t kind;
  uint16_t n; /* a temporary of the vector; one of `fixed`; one of `queue`, of even vectors where there is a pair */
} qn_ll_lane_ref;

/* As Intel counts operands, from the destination. */
typedef enum qn_ll_lane_form {
  QN_LANE_LOAD,    /* dst = memory */
  QN_LANE_STORE,   /* memory = a */
  QN_LANE_MOVE,    /* dst = a */
  QN_LANE_UNARY,   /* dst = op(a) */
  QN_LANE_BINARY,  /* dst = op(a, b) */
  QN_LANE_FMA_213, /* dst = dst * a + b */
  QN_LANE_FMA_231, /* dst = dst + a * b, or - */
  QN_LANE_PAIR,    /* dst = op(dst, a of the first vector, a of the second) */
  QN_LANE_COMPARE, /* mask = op(a, b) */
  QN_LANE_DOUBLES, /* dst = f64 in memory, rounded; a is room for half of them */
  QN_LANE_PACK     /* memory = bytes of both vectors, of a: op saturates 16 bits to them, to which c is added before,
                    * if anything; dst is room, b: quarters */
} qn_ll_lane_form;

typedef struct qn_ll_lane_op {
  const char *name;
  uint8_t form;
  int16_t imm;               /* below 0: none */
  uint8_t mask;              /* 1 + the mask under which it is done, of which vectors have their own; 0: none */
  bool zeros;                /* lanes outside the mask are 0, else what they were */
  bool to_halves, of_halves; /* the result, or operand a, is of 16 bits a lane: half a register */
  qn_ll_lane_ref dst, a, b, c;
  const qn_ll_place *place;
} qn_ll_lane_op;

typedef enum qn_ll_lane_value {
  QN_LANE_REGISTER,
  QN_LANE_INVERSE,
  QN_LANE_MINUS,
  QN_LANE_REST,
  QN_LANE_QUARTERS /* numbers 0, 4, 8, 12, 1 and so on: what stands where once two vectors are packed */
} qn_ll_lane_value;
typedef struct qn_ll_lane_fixed {
  uint8_t value; /* of register `reg`, or of the divisor of the division `reg`; or of nothing */
  uint32_t reg;
  bool is_const;
  uint32_t bits; /* of a constant */
} qn_ll_lane_fixed;

enum { QN_LANE_OPS = 160, QN_LANE_FIXED_MOST = 48, QN_LANE_MASKS = 3 };
typedef struct qn_ll_lane_list {
  uint32_t num_ops, num_fixed, num_temps, num_masks, num_sums;
  qn_ll_lane_op ops[QN_LANE_OPS];
  qn_ll_lane_fixed fixed[QN_LANE_FIXED_MOST];
  bool failed;
} qn_ll_lane_list;

/* lanes.c: the list for one vector, in the arena; null when it cannot be made, or memory runs out. */
qn_ll_lane_list *qn__ll_lane_list(const qn_ll_lanes *s);
/* ---- lanes_loop.c: whole rows, of which everything is in memory, as text ---- */

enum { QN_LANE_CONSTANTS = 256, QN_LANE_OPERANDS = 16 };

/* A frame, of 64-bit fields: elements of a row but for 31, where loops over whole pairs end; the operands' addresses;
 * then for each stage the memory of its row. That has the operands' addresses in this row, and what `qn_ll_lane_rows`
 * says. */
typedef enum qn_ll_lane_frame {
  QN_LANE_FRAME_LAST,
  QN_LANE_FRAME_BASES,
  QN_LANE_FRAME_ROWS = QN_LANE_FRAME_BASES + QN_LANE_OPERANDS
} qn_ll_lane_frame;

/* Of all loops of a function, in memory. */
typedef struct qn_ll_lane_constants {
  uint32_t count, bits[QN_LANE_CONSTANTS];
  bool failed;
} qn_ll_lane_constants;
uint32_t qn__ll_lane_constant(qn_ll_lane_constants *c, uint32_t bits); /* its place, in bytes */
/* The memory they are in: at most QN_LANE_CONSTANTS of them. */
LLVMValueRef qn__ll_lane_table(qn_ll *g, const uint32_t *bits, uint32_t count);

typedef struct qn_ll_lane_rows {
  uint32_t first, count;          /* stages: parts[k] is of stage first + k */
  const qn_ll_lanes *parts;       /* places of each are its own, one per operand */
  const uint32_t *sums_at;        /* per part: where a row's memory has its sums, 64 bytes each */
  const bool *moves;              /* per operand: rows have their own; those of others are the frame's */
  const bool *walked;             /* moves, and lies along the row */
  bool rests;                     /* takes all of a row, as one part alone does */
  bool reads_ahead, writes_ahead; /* of rows in no cache: what the first part reads, and the last one writes */
  uint32_t (*known_at)(const void *user, const qn_ll_lane_fixed *value); /* in the memory of a row */
  const void *user;
} qn_ll_lane_rows;

/* Whether there is such a loop, and the loop: from the element in rsi on, which for several parts is 0 and, but
 * with `rests`, takes whole pairs of vectors only; one part alone takes all the row. Sums begin anew where that is 0,
 * and are left in registers. Where a part counts, eax is not 0 afterwards if what was computed cannot be used. In rdi
 * is the frame, in rdx the constants, and ebp is not 0 where rows are in no cache; rcx, rax and r8 to r15 are
 * overwritten. Labels below 10 are used. */
bool qn__ll_lane_rows_serve(const qn_ll_lane_rows *r);
bool qn__ll_lane_rows_write(const qn_ll_lane_rows *r, qn_ll_lane_constants *constants, qn_buf *text);
/* Behind it: the sums to their rows' memory, or which register sum n of a part is in, in its lane order: a reduction's
 * two, one after the other, then what is carried behind them. */
void qn__ll_lane_rows_store(const qn_ll_lane_rows *r, qn_ll_lane_constants *constants, qn_buf *text);
uint32_t qn__ll_lane_rows_sum(const qn_ll_lane_rows *r, uint32_t part, uint32_t n);
/* 32 partial results, in a register and in another operand, folded by halves: an f32 in that register. Not for NaN
 * where they are the largest or smallest. */
void qn__ll_lane_fold(qn_buf *text, uint8_t op, uint32_t reg, const char *other);
/* The same for numbers of a row instead of vectors: `part` has no sums, its sinks are stored to the row's memory at
 * r13, and of `r` what is known is used. */
bool qn__ll_lane_numbers_serve(const qn_ll_lanes *part);
bool qn__ll_lane_numbers_write(const qn_ll_lanes *part, const qn_ll_lane_rows *r, qn_ll_lane_constants *constants,
                               qn_buf *text);
#endif
