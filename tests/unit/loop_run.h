/* Sizes and strides of a loop kernel for given shapes, as a caller has to work them out. */
#ifndef QN_TEST_LOOP_RUN_H
#define QN_TEST_LOOP_RUN_H
#include "kernel.h"

typedef struct run_shape {
  uint32_t rank;
  int64_t size[QN_MAX_RANK];
} run_shape;

static inline int64_t run_count(const run_shape *s) {
  int64_t n = 1;
  for (uint32_t d = 0; d < s->rank; d++) n *= s->size[d];
  return n;
}

/* Elements that operand `s` moves by when `axis` of the iteration goes up by one; perm null for none. */
static inline int64_t run_axis_stride(const run_shape *s, uint32_t rank, uint32_t axis, const int64_t *perm) {
  if (perm) axis = (uint32_t)perm[axis];
  if (axis < rank - s->rank) return 0;
  uint32_t d = axis - (rank - s->rank);
  int64_t n = 1;
  for (uint32_t e = d + 1; e < s->rank; e++) n *= s->size[e];
  return s->size[d] == 1 ? 0 : n;
}

/* In elements. */
static inline void run_loop_args(const qn_loop_plan *p, const run_shape *full, const run_shape *operands,
                                 int64_t *sizes, int64_t *strides) {
  for (uint32_t d = 0; d < p->num_loops; d++) {
    uint32_t axis = p->first_axis[d + 1] - 1;
    sizes[d] = 1;
    for (uint32_t e = p->first_axis[d]; e < p->first_axis[d + 1]; e++) sizes[d] *= full->size[e];
    while (axis > p->first_axis[d] && full->size[axis] == 1) axis--;
    for (uint32_t i = 0; i < p->num_inputs + p->num_outputs; i++)
      strides[i * p->num_loops + d] =
          run_axis_stride(&operands[i], p->rank, axis, p->has_perm && i < p->num_inputs ? p->perm : NULL);
  }
}
#endif
