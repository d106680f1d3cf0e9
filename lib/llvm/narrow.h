/* Storing bytes made of 32-bit integers, several vectors of 16 at once, by saturating packs: half the instructions of
 * narrowing each vector by itself, and where the bytes are a requantized sum, the packs do its clamping, too. */
#ifndef QN_LL_NARROW_H
#define QN_LL_NARROW_H
#include "ll.h"

typedef struct qn_ll_narrow {
  uint32_t reg; /* what is packed: 32-bit integers that fit, or with `floats` floats that are to be rounded first */
  bool floats;
  int32_t add;           /* to be added to them when they have 16 bits */
  LLVMValueRef add_more; /* i16, the same for all; null for none */
  bool is_unsigned;
  /* scaled: reg is f32(sum) * multiplier. Right only while 0 <= multiplier <= 0.5: then nothing is beyond 2^30, and
   * a negative sum gives no positive product. */
  bool scaled;
  uint32_t multiplier;
  bool limits;                    /* least and most are not those of the type, or not known to be kept by themselves */
  int32_t least, most;            /* of the bytes, with `limits` */
  uint32_t convert, convert_from; /* the conversion f32(sum), and the register it may read: the sum without its relu */
} qn_ll_narrow;

/* Whether the tape's only output can be stored so, as elements of type mem. */
bool qn__ll_narrow_find(const qn_ll *g, const qn_tape *tape, qn_scalar mem, qn_ll_narrow *out);
/* The same, but never `scaled`. */
bool qn__ll_narrow_find_plain(const qn_ll *g, const qn_tape *tape, qn_scalar mem, qn_ll_narrow *out);
/* Codes of quotient.c are limited below where packs saturate, mostly: x that is lower still becomes a lower integer, or
 * the least there is where it is too large for one (or, infinite, NaN), and saturates to the same byte. Above that is
 * so where x is known to be small enough to become an integer. */
void qn__ll_narrow_drop_limits(const qn_ll_narrow *n, qn_tape *t);
/* Whether all multipliers, one or more values of equal type, are as `scaled` wants them: i1. Minus zero is not. */
LLVMValueRef qn__ll_narrow_check(qn_ll *g, uint32_t count, const LLVMValueRef *multipliers);
/* The output of `count` (2 to 4) regions, whose vectors stand next to each other. */
void qn__ll_narrow_store(qn_ll_region *regions, uint32_t count, const qn_ll_narrow *n, LLVMValueRef at);
#endif
