/* Which kernel ops of a module are equal as far as plans go. Models repeat themselves: what one layer's op was planned
 * as holds for the same op of every other layer, but for where it stands.
 *
 * An op is written down as words: its kind, attributes, the types of its operands and results, what is known of packed
 * operands, and its regions. Types and attributes are interned, so that their numbers stand for them. */
#ifndef QN_PLAN_MEMO_H
#define QN_PLAN_MEMO_H
#include "kernel.h"
#include "map.h"
#include "vec.h"

typedef struct qn_plan_memo {
  const qn_allocator *allocator;
  qn_map index;
  QN_VEC(uint32_t) words; /* of all ops, and of the one at hand */
  QN_VEC(uint32_t) starts;
  QN_VEC(uint32_t) ids;
  uint32_t start, hash; /* of the one at hand */
  bool failed;          /* memory ran out */
} qn_plan_memo;

void qn__plan_memo_init(qn_plan_memo *memo, const qn_allocator *a);
void qn__plan_memo_free(qn_plan_memo *memo);
/* The number that an equal op was given, or 0. Ops of which more matters than what is written down are never equal. */
uint32_t qn__plan_memo_find(qn_plan_memo *memo, const qn_module *m, qn_op op);
/* Gives the op that was looked for last, and not found, a number other than 0. */
void qn__plan_memo_add(qn_plan_memo *memo, uint32_t id);
#endif
