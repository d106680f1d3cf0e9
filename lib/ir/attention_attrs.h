/* Attributes that quern.attention and kern.attention share, read once for everyone. */
#ifndef QN_ATTENTION_ATTRS_H
#define QN_ATTENTION_ATTRS_H
#include <quern/attention.h>
#include <quern/module.h>

/* QN_CAUSAL_NONE when the attribute is absent. */
qn_causal qn__attention_causal(const qn_module *m, qn_op op);
/* The factor of the scores: the attribute, or 1 / sqrt(d). */
float qn__attention_scale(const qn_module *m, qn_op op, int64_t d);
static inline bool qn__attention_block_ok(int64_t key_block) {
  return key_block >= QN_ATTENTION_MIN_BLOCK && key_block <= QN_ATTENTION_MAX_BLOCK &&
         key_block % QN_ATTENTION_MIN_BLOCK == 0;
}
#endif
