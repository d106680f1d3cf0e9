/* Unsigned integers of up to 3,200 bits on the stack: what exact conversion between decimal and binary needs. Callers
 * keep within that by bounding exponents and digits first; growth past it is cut off, never written. */
#ifndef QN_BIGINT_H
#define QN_BIGINT_H
#include <stdbool.h>
#include <stdint.h>

enum { QN__BIG_WORDS = 100 };
typedef struct qn_big {
  uint32_t n; /* words in use, the top one not 0; 0 is the number 0 */
  uint32_t w[QN__BIG_WORDS];
} qn_big;

void qn__big_set(qn_big *b, uint64_t v);
void qn__big_mul_add(qn_big *b, uint32_t factor, uint32_t addend);
void qn__big_mul_pow5(qn_big *b, unsigned exponent);
void qn__big_mul_pow10(qn_big *b, unsigned exponent);
void qn__big_shl(qn_big *b, unsigned bits);
void qn__big_add(qn_big *a, const qn_big *b);
void qn__big_sub(qn_big *a, const qn_big *b); /* a >= b */
int qn__big_cmp(const qn_big *a, const qn_big *b);
unsigned qn__big_bits(const qn_big *b); /* length in bits, 0 for 0 */
bool qn__big_bit(const qn_big *b, unsigned i);
#endif
