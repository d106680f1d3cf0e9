/* Quantization by a scale, and a zero-point, that are known at run time only (codes.c). */
#ifndef QN_LL_CODES_H
#define QN_LL_CODES_H
#include "narrow.h"

typedef struct qn_ll_codes {
  uint32_t x, scale, high; /* registers: what is divided, by what, the most that a quotient may be */
  uint32_t zero;           /* register, i32; UINT32_MAX: narrow.add */
  qn_ll_narrow narrow;     /* of the quotients, which take the place of register x */
  LLVMValueRef inverse, minus, rest, limit;
} qn_ll_codes;

/* Whether the tape's first output, of memory type mem, is int(round(clamp(x / scale))) + zero, with scale and zero the
 * same for all lanes. */
bool qn__ll_codes_find(const qn_ll_region *r, qn_scalar mem, qn_ll_codes *out);
/* Scale and zero-point are in the region: what follows from them. Whether the rest may be used: i1. */
LLVMValueRef qn__ll_codes_begin(qn_ll_region *r, qn_ll_codes *c);
/* The quotients of `count` regions in which x is known, for qn__ll_narrow_store. */
void qn__ll_codes_quotients(qn_ll_region *regions, uint32_t count, const qn_ll_codes *c);
#endif
