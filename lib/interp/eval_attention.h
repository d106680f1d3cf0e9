/* Attention by key blocks (quern/attention.h), as the tensor op and the kernel share it: the walk over heads and rows,
 * the sums, the running maximum. What a score, a weight and a result are is told by three functions. */
#ifndef QN_EVAL_ATTENTION_H
#define QN_EVAL_ATTENTION_H
#include "attention_attrs.h"
#include "interp.h"

typedef struct qn__attention qn__attention;
struct qn__attention {
  qn__frame *f;
  bool codes; /* integers, else f32 */
  qn_causal causal;
  int64_t queries, keys, d, dv, key_block;
  qn__shape lead;    /* leading axes of q */
  qn_tensor q, k, v; /* q [.., Sq, D]; k [.., D, Sk] when k_swapped, else [.., Sk, D]; v [.., Sk, Dv] */
  bool k_swapped;
  int64_t q_zero, k_zero, v_less; /* subtracted from q, k and v as they are read */
  /* n scores from n sums, f32 or i32 in the same place; index: of the leading axes. */
  qn_status (*score)(qn__attention *a, const int64_t *index, int64_t row, int64_t n, void *sums);
  /* p[i] = e^(s[i] - m), and the code of each when not null. */
  qn_status (*weight)(qn__attention *a, int64_t n, const float *s, float m, float *p, uint8_t *codes);
  /* Elements base .. base + dv - 1 of the result from o and l. */
  qn_status (*finish)(qn__attention *a, int64_t base, const float *o, float l);
  void *user;
};
/* Everything but the result tensor, which `finish` writes, must be filled in. */
qn_status qn__attention_run(qn__attention *a);
/* Sizes from q, k and v; a diagnostic when they do not fit together. */
qn_status qn__attention_sizes(qn__attention *a);
#endif
